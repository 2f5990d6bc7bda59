#!/usr/bin/env python3
# check_includes.py: who may include whom, one table; names every violation and exits 1.
#
# The plan of the rooms stands in docs/architecture.md. A pattern is a path below src/ or the
# root; base/ and quorate/ are open to all, and a folder is open to itself. Examples know the
# public headers alone.
# SPDX-License-Identifier: Apache-2.0
import fnmatch
import re
import sys
from pathlib import PurePosixPath

from source import ROOT, Report, c_files, code_only, line_of, read

PURE = ("base", "raft", "swim", "wire", "wal", "node")
PURE_HEADERS = ("stdbool.h", "stddef.h", "stdint.h", "string.h", "limits.h")

MAY_INCLUDE = {
    "base": [],
    "raft": [],
    "swim": [],
    "wal": [],
    "wire": ["raft/message.h", "raft/configuration.h", "swim/message.h", "swim/profile.h"],
    "node": ["raft/*.h", "swim/*.h", "wire/*.h", "wal/*.h"],
    "runtime": ["wire/*.h", "wal/disk.h"],
    "engine": ["node/*.h", "runtime/*.h", "wal/*.h", "wire/*.h", "raft/*.h", "swim/*.h"],
    "kv": [],
    "server": ["kv/kv.h"],
    "cli": ["kv/kv.h", "server/*.h", "sim/kv_subject.h", "sim/linear/*.h", "sim/shrink.h"],
    "sim": ["raft/message.h", "raft/raft.h", "swim/*.h", "wal/*.h", "wire/*.h"],
    "examples": [],
}
FOR_ALL = ["base/*.h", "quorate/*.h"]
# The simulator drives a node over sim/build.h: one file knows what is behind it. The key-value
# store is one subject of many: what is made for it stays out of libquorate-sim.
ONE_FILE_MAY_INCLUDE = {
    "sim/build.c": ["node/node.h"],
    "sim/builds.c": ["sim/past/layout.h"],
    "sim/kv_subject.c": ["kv/kv.h", "sim/kv_subject.h", "sim/linear/*.h"],
}
NOT_FOR_THE_LIBRARY = ["sim/kv_subject.h", "sim/*/*.h"]
# Nothing of the simulator reads a clock, opens a file or starts a thread.
SIM_HEADERS = ("inttypes.h", "stdarg.h", "stdio.h", "stdlib.h")
SIM_FOLDERS = ("sim", "sim/linear")
# An adapter in sim/past/VERSION is compiled with the headers of that release, private ones too.
PAST_MAY_INCLUDE = ["base/*.h", "node/*.h", "quorate/*.h", "raft/*.h", "sim/build.h", "wal/*.h",
                    "wire/*.h"]

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+(?:<([^>\n]+)>|"([^"\n]+)")', re.M)


def is_private(header):
    return header.endswith("/internal.h") or header.endswith("_internal.h")


def exists(header):
    return any((ROOT / base / header).is_file() for base in ("src", "include", "test", "."))


def past_version(path):
    """VERSION of sim/past/VERSION/x.c, else None."""
    is_adapter = path.parts[:2] == ("sim", "past") and len(path.parts) == 4
    return path.parts[2] if is_adapter else None


def check_past(version, header):
    """Whether its headers are there is for the compiler to say: they are packed."""
    allowed = PAST_MAY_INCLUDE + [f"sim/past/{version}/*.h"]
    if not matches(header, allowed):
        return f'an adapter of a release may include only {", ".join(allowed)}: "{header}"'
    return None


def check_system(path, room, header):
    if room == "quorate" and header not in PURE_HEADERS:
        return f"a public header includes only {', '.join(PURE_HEADERS)}: <{header}>"
    if room in PURE and header not in PURE_HEADERS:
        return f"{room} is pure and includes of libc only {', '.join(PURE_HEADERS)}: <{header}>"
    if path.parent.as_posix() in SIM_FOLDERS and header not in PURE_HEADERS + SIM_HEADERS:
        return f"sim includes of libc only {', '.join(PURE_HEADERS + SIM_HEADERS)}: <{header}>"
    return None


def matches(header, patterns):
    return any(fnmatch.fnmatchcase(header, pattern) for pattern in patterns)


def check_project(path, room, header):
    version = past_version(path)
    if version:
        return check_past(version, header)
    if past_version(PurePosixPath(header)):
        return f'an adapter of a release is of no use to others: "{header}"'
    if "/" not in header:
        is_alone = room == "examples" or room not in MAY_INCLUDE
        if is_alone and (ROOT / path.parent / header).is_file():
            return None  # a test or an example, and what it shares with its neighbour
        return f'write the path from src/ or include/: "{header}"'
    if not exists(header):
        return f'there is no such header: "{header}"'
    folder = header.split("/")[0]
    if is_private(header) and folder != room:
        return f'a private header never leaves its folder: "{header}"'
    if room == "quorate" and folder != "quorate":
        return f'a public header includes only public headers: "{header}"'
    if room not in MAY_INCLUDE or matches(header, ONE_FILE_MAY_INCLUDE.get(path.as_posix(), [])):
        return None
    if path.parent == PurePosixPath("sim") and matches(header, NOT_FOR_THE_LIBRARY):
        return f'libquorate-sim knows no one subject, model or release: "{header}"'
    if folder == room:
        return None
    allowed = ["quorate/*.h"] if room == "examples" else FOR_ALL + MAY_INCLUDE[room]
    if not matches(header, allowed):
        return f'{room} may include only {", ".join(allowed)}: "{header}"'
    return None


def main():
    report = Report()
    files = c_files("src", "include", "sim", "test", "bench", "examples")
    for path in files:
        # src/raft/x.c is in the room raft, include/quorate/x.h in quorate, test/unit/x.c in test.
        room = path.parts[1] if path.parts[0] in ("src", "include") else path.parts[0]
        if path.parts[:2] in (("sim", "model"), ("sim", "swim")) and path.name.startswith("test_"):
            room = "test"
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
