#!/usr/bin/env python3
"""test_completions.py: shells offer every command and every flag that the program's help names.

usage: test_completions.py QUORATE FOLDER      FOLDER as completions.py filled it

SPDX-License-Identifier: Apache-2.0
"""
import pathlib
import re
import shutil
import subprocess
import sys

quorate, folder = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2])

# Fills COMP_WORDS as bash does, which parts words at `=`, too.
ASK = r"""
source "$1"
while IFS=$'\t' read -r -a COMP_WORDS; do
    [ "${COMP_WORDS[-1]}" = EMPTY ] && COMP_WORDS[-1]=''
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    _quorate
    echo "${COMPREPLY[*]}"
done
"""


def help_of(*names):
    return subprocess.run([quorate, "help", *names], check=True, capture_output=True,
                          text=True).stdout


def bash(*lines):
    """What bash completes behind each of these lists of words."""
    asked = "".join("\t".join(word or "EMPTY" for word in line) + "\n" for line in lines)
    done = subprocess.run(["bash", "-c", ASK, "-", str(folder / "quorate")], input=asked,
                          check=True, capture_output=True, text=True, cwd=folder)
    return [set(line.split()) for line in done.stdout.split("\n")[:-1]]


COMMANDS = re.findall(r"^  ([a-z]+) ", help_of(), re.M)
# Whatever looks like a flag where the help lists flags: not as completions.py reads it.
FLAGS = {name: set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", "\n".join(
    line.strip().split("  ")[0] for line in help_of(name).split("\n") if re.match(r" +-\S", line))))
    for name in COMMANDS if name != "help"}


def every_command_is_offered():
    offered = bash(["quorate", ""])[0]
    assert offered == set(COMMANDS), offered ^ set(COMMANDS)
    assert len(COMMANDS) > 20, COMMANDS


def every_flag_is_offered():
    answers = bash(*[["quorate", name, "--"] for name in FLAGS])
    for (name, flags), offered in zip(FLAGS.items(), answers):
        assert flags - offered == set(), f"{name}: {flags - offered}"
        assert {"--help", "--usage"} <= flags, name


def what_a_flag_takes_is_offered():
    answers = bash(["quorate", "serve", "--log-format", "=", ""],
                   ["quorate", "serve", "--log-format", "="], ["quorate", "serve", "--log-level", "w"],
                   ["quorate", "leave", "-w", "=", "r"], ["quorate", "wal", ""],
                   ["quorate", "serve", "--config", "=", "_quo"], ["quorate", "keys", "a"],
                   ["quorate", "serve", "--name", "=", ""])
    wanted = [{"text", "json"}, {"text", "json"}, {"warn"}, {"restart"}]
    assert answers[:4] == wanted, answers
    assert {"verify", "dump"} <= answers[4], answers[4]
    assert answers[5:] == [{"_quorate"}, {"add"}, set()], answers


def other_shells_know_every_flag():
    zsh = (folder / "_quorate").read_text()
    fish = (folder / "quorate.fish").read_text()
    for name, flags in FLAGS.items():
        part = zsh[zsh.index(f"\n    {name})\n"):]
        part = part[: part.index(";;")]
        for flag in flags:
            assert re.search(rf"'{flag}=?\[", part), f"zsh: {name} {flag}"
            assert f"_from {name}' -l {flag[2:]} " in fish or \
                f"_from {name}' -l {flag[2:]}\n" in fish, f"fish: {name} {flag}"


def other_shells_read_them():
    for shell, name in (("bash", "quorate"), ("zsh", "_quorate"), ("fish", "quorate.fish")):
        if shutil.which(shell) is not None:
            subprocess.run([shell, "-n", folder / name], check=True)


CASES = [every_command_is_offered, every_flag_is_offered, what_a_flag_takes_is_offered,
         other_shells_know_every_flag, other_shells_read_them]


def main():
    failed = 0
    for number, case in enumerate(CASES, 1):
        try:
            case()
            print(f"ok {number} - {case.__name__}")
        except Exception as error:
            failed += 1
            print(f"not ok {number} - {case.__name__}\n# {error!r}")
    print(f"1..{len(CASES)}")
    sys.exit(1 if failed else 0)


main()
