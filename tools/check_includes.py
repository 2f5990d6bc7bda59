#!/usr/bin/env python3
# check_includes.py: who may include whom, one table; names every violation and exits 1.
#
# The plan of the rooms stands in docs/architecture.md. A pattern is a path below src/; base/
# and quorate/ are open to all, and a folder is open to itself.
# SPDX-License-Identifier: Apache-2.0
import fnmatch
import re
import sys

from source import ROOT, Report, c_files, code_only, line_of, read

PURE = ("base", "raft", "swim", "wire", "wal", "node")
PURE_HEADERS = ("stdbool.h", "stddef.h", "stdint.h", "string.h", "limits.h")

MAY_INCLUDE = {
    "base": [],
    "raft": [],
    "swim": [],
    "wal": [],
    "wire": ["raft/message.h", "raft/configuration.h", "swim/message.h"],
    "node": ["raft/*.h", "swim/*.h", "wire/*.h", "wal/*.h"],
    "runtime": ["wire/*.h", "wal/disk.h"],
    "engine": ["node/*.h", "runtime/*.h", "wal/*.h", "wire/*.h", "raft/*.h", "swim/*.h"],
    "kv": [],
    "server": ["kv/kv.h"],
    "cli": ["kv/kv.h", "server/*.h"],
}
FOR_ALL = ["base/*.h", "quorate/*.h"]

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+(?:<([^>\n]+)>|"([^"\n]+)")', re.M)


def is_private(header):
    return header.endswith("/internal.h") or header.endswith("_internal.h")


def exists(header):
    return any((ROOT / base / header).is_file() for base in ("src", "include", "test", "."))


def check_system(path, room, header):
    if room == "quorate" and header not in PURE_HEADERS:
        return f"a public header includes only {', '.join(PURE_HEADERS)}: <{header}>"
    if room in PURE and header not in PURE_HEADERS:
        return f"{room} is pure and includes of libc only {', '.join(PURE_HEADERS)}: <{header}>"
    return None


def check_project(path, room, header):
    if "/" not in header:
        if room not in MAY_INCLUDE and (ROOT / path.parent / header).is_file():
            return None  # a test and what it shares with its neighbour
        return f'write the path from src/ or include/: "{header}"'
    if not exists(header):
        return f'there is no such header: "{header}"'
    folder = header.split("/")[0]
    if is_private(header) and folder != room:
        return f'a private header never leaves its folder: "{header}"'
    if room == "quorate" and folder != "quorate":
        return f'a public header includes only public headers: "{header}"'
    if room not in MAY_INCLUDE or folder == room:
        return None
    allowed = FOR_ALL + MAY_INCLUDE[room]
    if not any(fnmatch.fnmatchcase(header, pattern) for pattern in allowed):
        return f'{room} may include only {", ".join(allowed)}: "{header}"'
    return None


def main():
    report = Report()
    files = c_files("src", "include", "sim", "test", "bench")
    for path in files:
        # src/raft/x.c is in the room raft, include/quorate/x.h in quorate, test/unit/x.c in test.
        room = path.parts[1] if path.parts[0] in ("src", "include") else path.parts[0]
        if path.parts[0] == "src" and room not in MAY_INCLUDE:
            report.add(path, 1, f"src/{room} has no row in tools/check_includes.py")
            continue
        text = read(path)
        code, _ = code_only(text)
        for match in INCLUDE.finditer(text):
            if "#" not in code[match.start() : match.end()]:
                continue  # within a comment
            if match.group(1):
                rule = check_system(path, room, match.group(1))
            else:
                rule = check_project(path, room, match.group(2))
            if rule:
                report.add(path, line_of(text, match.start(0)), rule)
    if report.count > 0:
        print(f"includes: {report.count} violations")
        sys.exit(1)
    print(f"includes: {len(files)} files")


main()
