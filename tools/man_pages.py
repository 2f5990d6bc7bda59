#!/usr/bin/env python3
# man_pages.py: section 3 of the manual, made of the public headers.
#
# usage: man_pages.py write FOLDER     a page for each header, FOLDER/quorate_NAME.3, a link to it for
#                                      each of its functions and callbacks, and quorate.3, which
#                                      names them all
#        man_pages.py install FOLDER   the same, as meson installs: under its prefix
#        man_pages.py check            have mandoc judge these pages, and docs/quorate.1
#
# The date of each is that of docs/quorate.1, so that the same headers give the same pages.
# SPDX-License-Identifier: Apache-2.0
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from source import OWN

import headers
from headers import Code, Terms, Text

PROGRAM_PAGE = OWN / "docs/quorate.1"
ERROR = re.compile(r"\bQR_ERR_[A-Z_]+\b")
HEAD = ("Threads", "Cost", "Source")  # what each header's head tells of all of its functions
# By class, as error.h and docs/embedding.md have them.
THEN = {"CALLER": "Mend the call: the same again gives the same.",
        "PEER": "Drop the bytes.",
        "RETRY": "Try again later.",
        "UNKNOWN": "It may have been done: ask again under the same id, or look.",
        "FATAL": "Free what it came from; open it again once the cause is gone."}
SENTENCE = re.compile(r"(?<=[A-Za-z0-9)\"][.?!]) (?=[A-Z])")


def escaped(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    text = "".join(c if ord(c) < 128 else f"\\[u{ord(c):04X}]" for c in text)
    return re.sub(r"^([.'])", r"\\&\1", text, flags=re.M)


def prose(text):
    """Words with names in bold, a line for each sentence."""
    lines = []
    for sentence in SENTENCE.split(text):
        made = ""
        for kind, piece in headers.inline(sentence):
            made += escaped(piece) if kind == "text" else f"\\fB{escaped(piece)}\\fP"
        lines.append(re.sub(r"^([.'])", r"\\&\1", made.strip()))
    return lines


def argument(text):
    """One argument of a macro."""
    return '"' + escaped(text).replace('"', '\\(dq') + '"'


def blocks(doc):
    lines = []
    for block in doc:
        if isinstance(block, Text):
            lines += [".Pp", *prose(block.text)]
        elif isinstance(block, Code):
            lines += [".Bd -literal -offset indent", *map(escaped, block.lines), ".Ed"]
        else:
            lines += [".Bl -tag -width Ds"]
            for term, own in block.rows:
                lines.append(f".It {argument(term)}")
                inner = blocks(own)
                lines += inner[1:] if inner[:1] == [".Pp"] else inner
            lines += [".El"]
    return lines


def section(title, doc):
    """A section whose first paragraph needs no macro."""
    inner = blocks(doc)
    return [title, *(inner[1:] if inner[:1] == [".Pp"] else inner)]


def prototype(item):
    returns = ("typedef " if item.kind == "callback" else "") + item.returns
    lines = [f".Ft {argument(returns)}", f".Fo {item.name}"]
    lines += [f".Fa {argument(one)}" for one in item.parameters]
    return [*lines, ".Fc"]


def groups(header):
    """Functions and callbacks, each with those that share its docstring."""
    found = []
    for item in header.items:
        if item.kind not in ("function", "callback"):
            continue
        if item.first and found and found[-1][0].name == item.first:
            found[-1].append(item)
        else:
            found.append([item])
    return found


def literal(text):
    return [".Bd -literal", *map(escaped, text.split("\n")), ".Ed"]


def declaration(item):
    """As in the header; what a list by X(…) makes is written out."""
    if "#define X" not in item.text:
        return item.text + ";"
    ends = "," if item.kind == "enum" else ";"
    lines = [f"{item.kind} {item.name} {{"]
    for member in item.values or item.fields:
        told = headers.doc_text(member.doc)
        lines.append(f"    {member.text}{ends}" + (f" /* {told} */" if told else ""))
    return "\n".join([*lines, "};"])


def types(header):
    lines = []
    for item in header.items:
        if item.kind in ("struct", "enum") and not item.is_opaque:
            lines += section(f".Ss {item.kind} {item.name}", item.doc)
            lines += literal(declaration(item))
    opaque = [item.name for item in header.items if item.is_opaque]
    if opaque:
        lines += [".Ss Handles", "Their inside is not known outside:", *prose(", ".join(
            f"`struct {name}`" for name in opaque) + ".")]
    return [".Sh TYPES", *lines] if lines else []


def constants(header):
    lines = []
    for item in header.named("macro"):
        if item.parameters or not item.value:
            continue
        lines.append(f".It Dv {item.name} No = {argument(item.value)}")
        inner = blocks(item.doc)
        lines += inner[1:] if inner[:1] == [".Pp"] else inner
    return [".Sh CONSTANTS", ".Bl -tag -width Ds", *lines, ".El"] if lines else []


def errors(header, meanings):
    words = " ".join(headers.doc_text(item.doc) for item in header.items)
    named = [name for name in meanings if re.search(rf"\b{name}\b", words)]
    if not named or header.name == "error":
        return []
    lines = [".Sh ERRORS", "In words, as", ".Fn qr_error_text",
             "has them, and what to do then:", ".Bl -tag -width Ds"]
    for name in named:
        kind, text = meanings[name]
        lines += [f".It Dv {name}", *prose(f"{text[0].upper()}{text[1:]}. {THEN[kind]}")]
    return [*lines, ".El"]


def date():
    return re.search(r"^\.Dd (.*)$", PROGRAM_PAGE.read_text(encoding="utf-8"), re.M)[1]


def name_section(names):
    return [".Sh NAME", *[f".Nm {name} ," for name in names[:-1]], f".Nm {names[-1]}"]


def page(header, known, meanings):
    functions = [item for group in groups(header) for item in group]
    package = "quorate-sim" if header.name == "sim" else "quorate"
    names = [f"quorate_{header.name}", *[item.name for item in functions]]
    lines = ['.\\" Made of include/%s by tools/man_pages.py.' % header.path.split("/", 1)[1],
             '.\\" SPDX-License-Identifier: Apache-2.0',
             f".Dd {date()}", f".Dt QUORATE_{header.name.upper()} 3", ".Os",
             *name_section(names), f".Nd {escaped(header.summary.rstrip('.'))}",
             ".Sh SYNOPSIS", f".Cd {argument(f'cc ... $(pkg-config --cflags --libs {package})')}",
             ".Pp", f".In quorate/{header.name}.h"]
    for item in functions:
        lines += prototype(item)
    lines += section(".Sh DESCRIPTION", header.doc or [Text(header.summary)])
    for group in groups(header):
        lines += section(f".Ss {' , '.join(item.name for item in group)}", group[0].doc)
    lines += [*types(header), *constants(header), *errors(header, meanings)]
    others = sorted(one.name for one in known if one.name != header.name)
    lines += [".Sh SEE ALSO", ".Xr quorate 1 ,", ".Xr quorate 3 ,"]
    lines += [f".Xr quorate_{name} 3 ," for name in others[:-1]] + [f".Xr quorate_{others[-1]} 3"]
    return "\n".join(lines) + "\n"


def overview(known):
    lines = ['.\\" Made of include/quorate by tools/man_pages.py.',
             '.\\" SPDX-License-Identifier: Apache-2.0',
             f".Dd {date()}", ".Dt QUORATE 3", ".Os", ".Sh NAME", ".Nm quorate",
             ".Nd a Raft engine that a C program embeds", ".Sh SYNOPSIS",
             f".Cd {argument('cc ... $(pkg-config --cflags --libs quorate)')}", ".Pp",
             ".In quorate/engine.h", ".Sh DESCRIPTION",
             "The headers, each with a page of its own:", ".Bl -tag -width Ds"]
    for header in known:
        lines += [f".It Xr quorate_{header.name} 3", *prose(header.summary)]
        names = [f"`{item.name}`" for group in groups(header) for item in group]
        if names:
            lines += [".Pp", *prose(", ".join(names))]
    return "\n".join([*lines, ".El", ".Sh SEE ALSO", ".Xr quorate 1"]) + "\n"


def pages():
    """File name -> text. A link is a page that only names another."""
    known = headers.load()
    index = headers.index_of(known)
    kinds = {row[0]: row[2] for row in index["QR_ERROR_MAP"][1].rows}
    codes = index["qr_error"][1].values
    meanings = {value.name: (kinds[value.name], headers.doc_text(value.doc)) for value in codes}
    made = {"quorate.3": overview(known)}
    for header in known:
        made[f"quorate_{header.name}.3"] = page(header, known, meanings)
        for group in groups(header):
            for item in group:
                made[f"{item.name}.3"] = f".so man3/quorate_{header.name}.3\n"
    return made


def write(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")


def check():
    if shutil.which("mandoc") is None:
        print("man pages: mandoc is not here (make deps-ci)")
        return 1
    with tempfile.TemporaryDirectory() as work:
        folder = pathlib.Path(work, "man3")
        write(folder)
        names = sorted(name.name for name in folder.glob("quorate*.3"))
        done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", str(PROGRAM_PAGE),
                               *[f"man3/{name}" for name in names]], cwd=work,
                              capture_output=True, text=True)
    sys.stdout.write(done.stdout + done.stderr)
    print(f"man pages: {len(names) + 1}, {'clean' if done.returncode == 0 else 'with faults'}")
    return done.returncode


def check_heads():
    """Each header says once, for all that it declares, what a docstring need not repeat."""
    faults = 0
    for header in headers.load():
        told = {term for block in header.doc if isinstance(block, Terms) for term, _ in block.rows}
        for term in HEAD:
            if term not in told:
                print(f"{header.path}: its head does not tell: {term}")
                faults += 1
    return faults


def main():
    action = sys.argv[1] if len(sys.argv) > 1 else ""
    if action == "check":
        sys.exit(check() or check_heads() > 0)
    if len(sys.argv) != 3 or action not in ("write", "install"):
        sys.exit("usage: man_pages.py write FOLDER | install FOLDER | check")
    if action == "install":
        root = os.environ["MESON_INSTALL_DESTDIR_PREFIX"]
        write(pathlib.Path(root, sys.argv[2]))
    else:
        write(pathlib.Path(sys.argv[2]))


main()
