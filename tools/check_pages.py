#!/usr/bin/env python3
# check_pages.py: what the pages of docs/ show is so: their C compiles, and tables of limits are right;
# and docs/index.md, the order to read them in, names each of them once.
#
# A fenced block of C that has an #include is a program, and compiled alone. The others of a page are
# pieces of one: they stand behind what the page's last HTML comment declares, those that define
# something as they are, for the pieces behind them, too, statements in a function of their own.
# SPDX-License-Identifier: Apache-2.0
import os
import pathlib
import re
import subprocess
import sys

from source import ROOT, Report, line_of, read

BLOCK = re.compile(r"^```c\n(.*?)^```", re.M | re.S)
DECLARED = re.compile(r"<!--[^\n]*\n(.*?)-->", re.S)
DEFINES = re.compile(r"^(static|struct|enum|int|void|uint64_t)\b[^;=]*\n?\{", re.M)
LIMIT = re.compile(r"^    X\((\w+), *([^,]+), *([^,]+), *([^,]+), *\"", re.M)
ROW = re.compile(r"^\| `([a-z-]+)` \| (\d+) \| (\d+)\.\.(\d+) \|", re.M)
ENTRY = re.compile(r"^- \[[^]]+\]\(([a-z-]+\.md)\)", re.M)
COMPILE = ["cc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-Wno-unused", "-fsyntax-only",
           "-Iinclude", "-x", "c", "-"]


def compiles(report, path, line, code):
    # The lines of an error are those of the page.
    made = subprocess.run(COMPILE, input=code, cwd=ROOT, capture_output=True, text=True, check=False,
                          env={**os.environ, "LC_ALL": "C"})
    if made.returncode != 0:
        report.add(path, line, "its C does not compile:\n" + made.stderr.rstrip())


def check_code(report, path, text):
    declared = DECLARED.findall(text)
    count = 0
    before = (declared[-1] if declared else "") + "\n"
    for number, match in enumerate(BLOCK.finditer(text)):
        count += 1
        code = match.group(1)
        line = line_of(text, match.start())
        where = f'#line {line + 1} "{path}"\n'
        if "#include" in code:
            compiles(report, path, line, where + code)
            continue
        if DEFINES.match(code):
            before += where + code
            compiles(report, path, line, before)
        else:
            body = f"void piece_{number}(void);\nvoid piece_{number}(void)\n{{\n{where}{code}}}\n"
            compiles(report, path, line, before + body)
    return count


def limits(text):
    """name -> (default, least, most), of QR_LIMIT_MAP."""
    found = {}
    for name, *numbers in LIMIT.findall(text):
        values = []
        for number in numbers:
            plain = re.sub(r"UINT64_C\((\d+)\)", r"\1", number).strip()
            base, _, shift = plain.partition("<<")
            values.append(int(base) << int(shift or 0))
        found[name.replace("_", "-")] = tuple(values)
    return found


def check_tuning(report):
    path = pathlib.Path("docs/tuning.md")
    text = read(path)
    wanted = limits(read("include/quorate/engine.h"))
    for match in ROW.finditer(text):
        name, *numbers = match.groups()
        if name not in wanted:
            report.add(path, line_of(text, match.start()), f"no limit, or named twice: {name}")
        elif tuple(map(int, numbers)) != wanted.pop(name):
            report.add(path, line_of(text, match.start()), f"{name} has other numbers in engine.h")
    for name in wanted:
        report.add(path, 1, f"does not tell of {name}")


def check_order(report):
    path = pathlib.Path("docs/index.md")
    named = ENTRY.findall(read(path))
    there = {page.name for page in (ROOT / "docs").glob("*.md")} - {path.name}
    for name in sorted(there - set(named)):
        report.add(path, 1, f"does not name docs/{name}")
    for name in sorted({name for name in named if named.count(name) > 1}):
        report.add(path, 1, f"names {name} twice")


def main():
    report = Report()
    blocks = 0
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        inside = path.relative_to(ROOT)
        blocks += check_code(report, inside, read(inside))
    check_tuning(report)
    check_order(report)
    print(f"pages: {blocks} blocks of C")
    sys.exit(1 if report.count else 0)


main()
