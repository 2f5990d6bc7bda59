#!/usr/bin/env python3
# check_style.py: the rules of CONTRIBUTING.md that a compiler and clang-format do not see.
#
# Names file, line and rule of every violation and exits 1. Bans look at code alone, never at
# comments or strings, and say what to use instead.
# SPDX-License-Identifier: Apache-2.0
import re
import statistics
import sys

from source import ROOT, Report, c_files, code_only, comments_only, line_of, read

FOLDERS = ("src", "include", "sim", "test", "bench", "examples")
FILE_LINES_MAX = 500
EXAMPLE_LINES_MAX = 150
EXAMPLES = ("counter.c", "cron.c", "lock.c", "sqlite.c", "tail.c")  # those that embed an engine
FUNCTION_LINES_MAX = 70
LINE_COLUMNS_MAX = 100

BANNED_CALLS = {
    "strcpy": "use memcpy with a known length, or text_string",
    "strncpy": "use memcpy with a known length, or text_string",
    "strcat": "use text_string",
    "strncat": "use text_string",
    "sprintf": "use text_*, or snprintf outside the pure folders",
    "vsprintf": "use text_*, or vsnprintf outside the pure folders",
    "strtok": "use a struct reader, or memchr",
    "atoi": "use strtoul or strtoull and check its end",
    "atol": "use strtoul or strtoull and check its end",
    "atoll": "use strtoul or strtoull and check its end",
    "atof": "use strtod and check its end",
    "gets": "use fgets or getline",
    "rand": "use struct prng with a seed handed in",
    "srand": "use struct prng with a seed handed in",
    "random": "use struct prng with a seed handed in",
    "alloca": "use the allocator handed in, or an array of fixed size",
}
CLOCK_CALLS = ("clock_gettime", "gettimeofday", "time", "uv_hrtime", "uv_now")
CLOCK_ROOM = ("src", "runtime")
# The program measures latencies in `bench` and standstills in `demo`, outside the engine.
CLOCK_FILES = ("src/cli/clock.c",)

CALL = re.compile(r"\b(" + "|".join([*BANNED_CALLS, *CLOCK_CALLS]) + r")\s*\(")
TYPEDEF = re.compile(r"^typedef\s+(struct|union)\b", re.M)
TODO = re.compile(r"\b(TODO|FIXME|HACK)\b(?!\(#\d+\))")
HEAD = re.compile(r"/\* (?!SPDX-)(\S+): ")
SPDX = "/* SPDX-License-Identifier: Apache-2.0 */"
SIGNATURE_END = re.compile(r"[;}{]|\*/")


def check_head(report, path, text):
    head = HEAD.match(text)
    if head is None:
        report.add(path, 1, f"begin with a head comment: /* {path.name}: what it is. */")
    elif head.group(1) != path.name:
        report.add(path, 1, f"the head comment names {head.group(1)}")
    end = text.find("*/") + 2 if head else 0
    if not text[end:].lstrip("\n").startswith(SPDX):
        report.add(path, line_of(text, end), f"write {SPDX} behind the head comment")


def check_lines(report, path, text):
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        if len(line) > LINE_COLUMNS_MAX:
            report.add(path, number, f"{len(line)} columns; {LINE_COLUMNS_MAX} at most")
        if line != line.rstrip():
            report.add(path, number, "blanks at the end of the line")
        if "\t" in line:
            report.add(path, number, "a tab; indent with blanks")
    if not text.endswith("\n") or text.endswith("\n\n"):
        report.add(path, len(lines), "end the file with one line feed")
    if path.parts[0] == "src" and len(lines) - 1 > FILE_LINES_MAX:
        report.add(path, len(lines) - 1, f"{len(lines) - 1} lines; split it by role")
    if path.parts[0] == "examples" and path.name in EXAMPLES and len(lines) > EXAMPLE_LINES_MAX:
        report.add(path, len(lines) - 1, f"{len(lines) - 1} lines; an example has less than 150")


def check_bans(report, path, code):
    for match in CALL.finditer(code):
        name = match.group(1)
        before = code[: match.start()].rstrip(" ")
        if before.endswith((".", "->")):
            continue  # a member of that name
        line = line_of(code, match.start())
        if name in BANNED_CALLS:
            report.add(path, line, f"{name} is banned: {BANNED_CALLS[name]}")
        elif (
            path.parts[0] == "src"
            and path.parts[:2] != CLOCK_ROOM
            and path.as_posix() not in CLOCK_FILES
        ):
            report.add(path, line, f"{name}: only src/runtime reads a clock; take time as an argument")
    for match in TYPEDEF.finditer(code):
        report.add(path, line_of(code, match.start()), "write struct x, never typedef'd")


def check_comments(report, path, text, line_comments):
    for line in line_comments:
        report.add(path, line, "write /* */, not //")
    for match in TODO.finditer(comments_only(text)):
        rule = f"{match.group(1)} without a number: {match.group(1)}(#12), or do it now"
        report.add(path, line_of(text, match.start()), rule)


def function_lengths(code):
    """Yield (first line, length) of each function: its brace stands alone in column one."""
    lines = code.split("\n")
    opened = None
    for index, line in enumerate(lines):
        if line == "{":
            first = index
            while first > 0 and lines[first - 1].strip() and lines[first - 1][0] != "#":
                if SIGNATURE_END.search(lines[first - 1]):
                    break
                first -= 1
            opened = first
        elif line.startswith("}") and opened is not None:
            yield opened + 1, index - opened + 1
            opened = None


def without_directives(code):
    """Preprocessor lines as blanks, their continuations too."""
    return re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda m: re.sub(r"[^\n]", " ", m[0]), code,
                  flags=re.M)


def check_docstrings(report, path, text, code):
    """A public prototype has a comment above it, or stands directly under one that has."""
    plain = without_directives(code)
    depth = 0
    start = 0
    for offset, char in enumerate(plain):
        if char in "{(":
            depth += 1
        elif char in "})":
            depth -= 1
            if char == "}" and depth == 0:
                start = offset + 1  # behind a body or a list of members
        elif char == ";" and depth == 0:
            declaration = plain[start:offset]
            first = start + len(declaration) - len(declaration.lstrip())
            start = offset + 1
            if "(" in declaration and "{" not in declaration and "typedef" not in declaration:
                above = text[:first].rstrip(" ")
                is_documented = above.endswith("*/\n") or above.endswith(";\n")
                if not is_documented:
                    report.add(path, line_of(text, first), "a public prototype without a docstring")


def check_listed(report, path):
    """A .c file that no meson.build names is dead."""
    folder = ROOT / path.parent
    names = [f"'{path.name}'", f"/{path.name}'"]
    if path.name.startswith("test_"):
        names.append(f"'{path.stem[len('test_'):]}'")
    while True:
        listing = folder / "meson.build"
        if listing.is_file():
            text = listing.read_text(encoding="utf-8")
            if any(name in text for name in names):
                return
        if folder == ROOT:
            break
        folder = folder.parent
    report.add(path, 1, "no meson.build names this file")


def main():
    report = Report()
    lengths = []
    files = c_files(*FOLDERS)
    for path in files:
        text = read(path)
        code, line_comments = code_only(text)
        check_head(report, path, text)
        check_lines(report, path, text)
        check_bans(report, path, code)
        check_comments(report, path, text, line_comments)
        for line, length in function_lengths(code):
            if path.parts[0] == "src":
                lengths.append(length)
            if length > FUNCTION_LINES_MAX:
                report.add(path, line, f"a function of {length} lines; {FUNCTION_LINES_MAX} at most")
        if path.parts[0] == "include":
            check_docstrings(report, path, text, code)
        if path.suffix == ".c":
            check_listed(report, path)
    if lengths:
        print(f"style: {len(lengths)} functions, median {statistics.median(lengths):.0f} lines")
    if report.count > 0:
        print(f"style: {report.count} violations")
        sys.exit(1)
    print(f"style: {len(files)} files")


main()
