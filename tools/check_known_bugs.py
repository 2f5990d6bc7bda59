#!/usr/bin/env python3
# check_known_bugs.py: every test that docs/known-bugs.md names exists and is run.
#
# A name is `test_X.c: case`, a case of a unit test, or `NAME.txt`, a scenario; each stands in
# the last column of a table. A rule without a test is a violation too.
# SPDX-License-Identifier: Apache-2.0
import pathlib
import re
import sys

from source import ROOT, Report, code_only, line_of

DOCUMENT = pathlib.Path("docs/known-bugs.md")
UNIT = pathlib.Path("test/unit")
SCENARIO = pathlib.Path("test/scenario")

ROW = re.compile(r"^\|(?P<rule>[^|\n]*)\|(?P<tests>[^|\n]*)\|$", re.M)
NAME = re.compile(r"`([^`]+)`")
CASE = re.compile(r"(test_(\w+)\.c): (\w+)")
FILE = re.compile(r"(\w+)\.txt")


def read(path):
    file = ROOT / path
    return file.read_text(encoding="utf-8") if file.is_file() else None


def is_listed(folder, name):
    return f"'{name}'" in (read(folder / "meson.build") or "")


def is_run(code, case):
    """A case is a function, and named once more where the program lists its cases."""
    is_defined = re.search(rf"^static void {case}\(void \*\*state\)", code, re.M)
    return is_defined and len(re.findall(rf"\b{case}\b", code)) > 1


def complaint(name):
    """What is wrong with the test of this name, or None."""
    case = CASE.fullmatch(name)
    file = FILE.fullmatch(name)
    if case:
        text = read(UNIT / case[1])
        if text is None or not is_listed(UNIT, case[2]):
            return f"no such unit test: {case[1]}"
        if not is_run(code_only(text)[0], case[3]):
            return f"{case[1]} has no case {case[3]}"
    elif file:
        if read(SCENARIO / "data" / name) is None or not is_listed(SCENARIO, file[1]):
            return f"no such scenario: {name}"
    else:
        return f"neither a case nor a scenario: {name}"
    return None


def main():
    report = Report()
    text = read(DOCUMENT)
    if text is None:
        print("known bugs: there is no docs/known-bugs.md")
        sys.exit(1)
    rules = 0
    tests = set()
    for row in ROW.finditer(text):
        if row["rule"].strip() in ("rule", "---"):
            continue
        line = line_of(text, row.start())
        names = NAME.findall(row["tests"])
        rules += 1
        tests.update(names)
        if not names:
            report.add(DOCUMENT, line, "a rule without a test")
        for name in names:
            wrong = complaint(name)
            if wrong:
                report.add(DOCUMENT, line, wrong)
    if rules == 0:
        report.add(DOCUMENT, 1, "no rules")
    if report.count > 0:
        sys.exit(1)
    print(f"known bugs: {rules} rules, {len(tests)} tests")


main()
