#!/usr/bin/env python3
"""Check docs/wire-format.md against the tables that the code is made from.

Every message of src/raft/message.h, src/swim/message.h and src/wire/message.h must have its section, with its
number, and a table with the same fields of the same kinds in the same order.
"""
# SPDX-License-Identifier: Apache-2.0
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOC = ROOT / "docs/wire-format.md"
HEADERS = ["src/raft/configuration.h", "src/raft/message.h", "src/swim/message.h",
           "src/wire/message.h"]
KINDS = {"ENUM_REASON": "reason"}


def source_messages():
    """{"name (number)": [(field, kind)]} from the X-macros: a frame and a packet may share a name."""
    text = "\n".join((ROOT / header).read_text() for header in HEADERS)
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    text = re.sub(r"\\\n", " ", text)
    sizes = dict(re.findall(r"#define (\w+_BYTES_MAX) (\d+)", text))
    tables = {}
    for macro, body in re.findall(r"#define (\w+_FIELDS)\(F\)(.*)", text):
        fields = []
        for arguments in re.findall(r"F\(([^)]*)\)", body):
            kind, _, name, *size = [part.strip() for part in arguments.split(",")]
            shown = KINDS.get(kind, kind.lower())
            fields.append((name, f"{shown} < {sizes[size[0]]}" if size else shown))
        tables[macro] = fields
    rows = re.findall(r'X\(\w+,\s*(\d+),\s*\w+,\s*"(\w+)",\s*(\w+_FIELDS)\)', text)
    return {f"{name} ({number})": tables[macro] for number, name, macro in rows}


def documented_messages():
    """The same from the page: a section for each message, with its table of fields."""
    messages = {}
    sections = re.split(r"^### ", DOC.read_text(), flags=re.M)[1:]
    for section in sections:
        title, body = section.split("\n", 1)
        if not re.fullmatch(r"\w+ \(\d+\)", title):
            sys.exit(f"{DOC.name}: \"{title}\" is not the name and number of a message")
        body = re.split(r"^## ", body, flags=re.M)[0]
        rows = re.findall(r"^\| (\w+) \| ([^|]+?) \|", body, flags=re.M)
        messages[title] = [row for row in rows if row != ("field", "kind")]
    return messages


def main():
    source, documented = source_messages(), documented_messages()
    if not source:
        sys.exit("no message found in the headers: is this script still right about them?")
    wrong = sorted(name for name in source.keys() | documented.keys()
                   if source.get(name) != documented.get(name))
    for name in wrong:
        print(f"{name}:\n  headers: {source.get(name)}\n  page:    {documented.get(name)}")
    if wrong:
        sys.exit(1)
    print(f"{len(source)} messages are documented as they are")


if __name__ == "__main__":
    main()
