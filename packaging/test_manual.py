#!/usr/bin/env python3
"""test_manual.py: each command has a page, which names its options, all of them and no others.

usage: test_manual.py QUORATE FOLDER      FOLDER as manual.py filled it

SPDX-License-Identifier: Apache-2.0
"""
import functools
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile

import manual
import program_help

quorate, folder = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2])
HERE = pathlib.Path(__file__).resolve().parent
DOCS = HERE.parent / "docs"
# For a command that asks a node: what it needs besides.
ARGUMENTS = {"add": ["name", "127.0.0.1:1"], "backup": ["backup"], "del": ["key"], "demote": ["name"],
             "get": ["key"], "keys": ["list"], "priority": ["name", "1"], "promote": ["name"],
             "remove": ["name"], "set": ["key", "value"], "transfer": ["name"], "verify": ["--seconds", "1"]}
ADDRESSES = ("--addresses", "--http", "--client")


def run(*command, **more):
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=60, **more)


def help_of(*names):
    done = run(quorate, "help", *names)
    assert done.returncode == 0, done
    return done.stdout


def flags_of(text):
    return set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", text))


HELP = {name: help_of(name) for name in re.findall(r"^  ([a-z]+) ", help_of(), re.M)}
# Whatever looks like a flag where the help lists flags: not as manual.py reads it.
FLAGS = {name: flags_of("\n".join(line.strip().split("  ")[0] for line in text.split("\n")
                                  if re.match(r" +-\S", line))) for name, text in HELP.items()}


def page_of(name):
    """Its lines, with dashes as they are shown, and `Fl -x` as --x."""
    text = (folder / (f"quorate-{name}.1" if name else "quorate.1")).read_text(encoding="utf-8")
    text = re.sub(r"\\f[BP]|\\&", "", text.replace("\\-", "-"))
    return re.sub(r"\bFl -([a-z])", r"Fl --\1", text)


def section(name, title):
    return re.search(rf"^\.Sh {title}\n(.*?)(?=^\.Sh |\Z)", page_of(name), re.M | re.S)[1]


def every_command_has_a_page():
    pages = {path.name for path in folder.glob("quorate*.1")}
    assert pages == {"quorate.1", *[f"quorate-{name}.1" for name in HELP]}, pages
    listed = re.findall(r"^\.It Xr quorate-(\w+) 1$", page_of(""), re.M)
    assert listed == list(HELP) and len(listed) > 20, listed


def every_page_has_the_options_of_its_command():
    for name, flags in FLAGS.items():
        if name == "help":
            assert ".Sh OPTIONS" not in page_of(name)
            continue
        items = "\n".join(re.findall(r"^\.It (.*)$", section(name, "OPTIONS"), re.M))
        assert flags_of(items) == flags, f"{name}: {flags_of(items) ^ flags}"
        shorts = set(re.findall(r"Fl (\S) ,", items))
        wanted = set(re.findall(r"^  -(\S), --", HELP[name], re.M))
        assert shorts == wanted, f"{name}: {shorts ^ wanted}"


def said_of(line, name):
    """(command, flag) of what a line of a page names."""
    for part in re.split(r"[|;]", line):
        part, _, behind = part.partition(" -- ")
        other = re.search(r"\bquorate ([a-z]+)", part)
        owner = other[1] if other and other[1] in FLAGS else name
        yield from ((owner, flag) for flag in flags_of(part))
        yield from (("serve", flag) for flag in flags_of(behind))


def no_page_names_an_option_that_is_not_there():
    count = 0
    for name in FLAGS:
        for line in page_of(name).replace("\\e\n", " ").split("\n"):
            for owner, flag in said_of(line, name):
                count += 1
                # The help of a command may name an option of another.
                assert flag in FLAGS[owner] | flags_of(HELP[name]), f"{name}: {owner} {flag}: {line}"
    assert count > 300, count
    everywhere = set().union({"--version"}, *FLAGS.values())
    assert flags_of(page_of("")) <= everywhere, flags_of(page_of("")) - everywhere


def every_example_is_of_a_command():
    for name in FLAGS:
        found = re.findall(r"\$ quorate ([a-z]+)", section(name, "EXAMPLES"))
        assert name in found and set(found) <= set(FLAGS), f"{name}: {found}"


def exit_codes_are_those_of_the_pages():
    with socket.socket() as nobody, tempfile.TemporaryDirectory() as work:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        address = f"127.0.0.1:{nobody.getsockname()[1]}"
        for name in FLAGS:
            codes = set(map(int, re.findall(r"^\.It (\d)$", section(name, "EXIT STATUS"), re.M)))
            assert {0, 2} <= codes <= {0, 1, 2, 3, 4}, f"{name}: {codes}"
            done = run(quorate, name, "--no-such-option")
            assert done.returncode == 2, f"{name}: {done}"
            option = next((one for one in ADDRESSES if one in FLAGS[name]), None)
            asks = option is not None and name != "serve"
            assert (3 in codes) == asks, f"{name}: {codes}, {option}"
            if asks:
                done = run(quorate, name, option, address, *ARGUMENTS.get(name, []), cwd=work)
                assert done.returncode == 3, f"{name}: {done}"


def mandoc_finds_no_fault():
    if shutil.which("mandoc") is None:
        return "SKIP mandoc is not here (make deps-ci)"
    done = run("mandoc", "-T", "lint", "-W", "warning", *sorted(folder.glob("quorate*.1")))
    assert done.returncode == 0, done.stdout + done.stderr
    return None


def make(program, out, docs, **environment):
    return run(sys.executable, HERE / "manual.py", program, out, docs,
               env={**os.environ, **environment})


def the_same_program_gives_the_same_pages():
    with tempfile.TemporaryDirectory() as out:
        done = make(quorate, out, DOCS, ARGP_HELP_FMT="rmargin=50", COLUMNS="40", LANG="de_DE.UTF-8",
                    TZ="Asia/Tokyo")
        assert done.returncode == 0, done.stderr
        made = {path.name: path.read_bytes() for path in pathlib.Path(out).iterdir()}
        assert made == {path.name: path.read_bytes() for path in folder.glob("quorate*.1")}


# file of the documents, what is replaced in it by what, and what is said
WRONG = [
    ("commands/get.mdoc", None, None, "missing ['get']"),
    ("commands/stranger.mdoc", None, ".Sh DESCRIPTION\nNo.\n", "too many ['stranger']"),
    ("commands/serve.mdoc", ".It --name\n", ".It --nomen\n", "serve has no ['--nomen']"),
    ("commands/dev.mdoc", ".Sh FILES\n", ".Sh OPTIONS\n.It --peer\nA.\n.Sh FILES\n",
     "dev has no ['--peer']"),
    ("commands/get.mdoc", ".It 3\n", ".It 7\n", "no exit code 7"),
    ("commands/get.mdoc", ".It 3\n", ".It 1\n", "not twice: .It 1"),
    ("commands/get.mdoc", ".It 1\n", "", "behind no .It"),
    ("commands/get.mdoc", ".Xr quorate-set 1\n", ".Xr quorate-sett 1\n", "no such page"),
    ("commands/help.mdoc", ".Sh DESCRIPTION\n", ".Sh NOTES\n", "DESCRIPTION is missing"),
    ("quorate.1", "tells them, stand here", "has them", "there must be one line"),
    ("quorate.1", "Unreachable:", "Not reached:", "3 does not begin with"),
]


def refused(docs):
    try:
        manual.pages(quorate, docs)
    except manual.Wrong as wrong:
        return str(wrong)
    return ""


def what_does_not_fit_is_refused():
    program_help.told = functools.lru_cache(program_help.told)  # it says the same each time
    for name, old, new, said in WRONG:
        with tempfile.TemporaryDirectory() as work:
            docs = pathlib.Path(work, "docs")
            shutil.copytree(DOCS / "commands", docs / "commands")
            shutil.copy(DOCS / "quorate.1", docs)
            if new is None:
                (docs / name).unlink()
            elif old is None:
                (docs / name).write_text(new)
            else:
                text = (docs / name).read_text()
                assert old in text, f"{name}: {old}"
                (docs / name).write_text(text.replace(old, new, 1))
            assert said in refused(docs), f"{said}: {refused(docs)}"


def a_new_command_needs_a_page():
    with tempfile.TemporaryDirectory() as work:
        program = pathlib.Path(work, "quorate")
        program.write_text(f"#!/bin/sh\n[ \"$2\" = newest ] && exec {quorate} help get\n"
                           f"{quorate} \"$@\" | sed 's/^  wal .*/&\\n  newest    the newest one/'\n")
        program.chmod(0o755)
        done = make(program, work, DOCS)
        assert done.returncode == 1 and "missing ['newest']" in done.stderr, done


CASES = [every_command_has_a_page, every_page_has_the_options_of_its_command,
         no_page_names_an_option_that_is_not_there, every_example_is_of_a_command,
         exit_codes_are_those_of_the_pages, mandoc_finds_no_fault,
         the_same_program_gives_the_same_pages, what_does_not_fit_is_refused,
         a_new_command_needs_a_page]


def main():
    failed = 0
    for number, case in enumerate(CASES, 1):
        try:
            skipped = case()
            print(f"ok {number} - {case.__name__}" + (f" # {skipped}" if skipped else ""))
        except Exception as error:
            failed += 1
            print(f"not ok {number} - {case.__name__}\n# {error!r}")
    print(f"1..{len(CASES)}")
    sys.exit(1 if failed else 0)


main()
