#!/usr/bin/env python3
# test_summary.py: counts the cases of a `meson test` run, and ends with `N passed, N failed`.
#
# usage: test_summary.py BUILD_DIR MESON_STATUS
#
# Reads BUILD_DIR/meson-logs/testlog.json. A cmocka program counts case by case, a program that
# prints TAP line by line, any other as one. A program that ends badly without naming a case
# counts as one failure, and so does a run that meson itself could not make. Exits 0 when
# something passed and nothing failed.
# SPDX-License-Identifier: Apache-2.0
import json
import re
import sys

CMOCKA_RUN = re.compile(r"^\[ RUN      \] ", re.M)
CMOCKA_OK = re.compile(r"^\[       OK \] ", re.M)
CMOCKA_SKIPPED = re.compile(r"^\[  SKIPPED \] (?!\d+ test\(s\))", re.M)
TAP_LINE = re.compile(r"^(ok|not ok)\b[^\n]*", re.M)
FAILED_LINE = re.compile(r"not ok\b|\[  FAILED  \]|\[  ERROR   \]")
SAID_LINES_MAX = 60
SAID_CHARACTERS_MAX = 300
TAP_SKIP = re.compile(r"#\s*skip", re.I)


def count_cases(stdout):
    """Return (passed, failed, skipped) of a program's own cases, or None if it names none."""
    run = len(CMOCKA_RUN.findall(stdout))
    if run > 0:
        passed = len(CMOCKA_OK.findall(stdout))
        skipped = min(len(CMOCKA_SKIPPED.findall(stdout)), run - passed)
        return passed, run - passed - skipped, skipped
    passed = failed = skipped = 0
    for match in TAP_LINE.finditer(stdout):
        if match.group(1) == "not ok":
            failed += 1
        elif TAP_SKIP.search(match.group(0)):
            skipped += 1
        else:
            passed += 1
    return (passed, failed, skipped) if passed + failed + skipped > 0 else None


def count_test(test):
    is_good = test["result"] in ("OK", "EXPECTEDFAIL")
    if test["result"] == "SKIP":
        return 0, 0, 1
    cases = count_cases(test.get("stdout", ""))
    if cases is None:
        return (1, 0, 0) if is_good else (0, 1, 0)
    passed, failed, skipped = cases
    if not is_good and failed == 0:
        failed = 1
    return passed, failed, skipped


def tell_failed(test):
    """Say which program failed, and what it said of its failing cases: often all that is left."""
    print(f"failed: {test['name']} ({test['result'].lower()})")
    lines = test.get("stdout", "").splitlines()
    told = [line for at, line in enumerate(lines)
            if FAILED_LINE.match(line) or is_said_of_failure(lines, at)]
    for line in told[:SAID_LINES_MAX]:
        print(f"    {line[:SAID_CHARACTERS_MAX]}")


def is_said_of_failure(lines, at):
    """Whether a line is a TAP comment below a case that failed."""
    while at > 0 and lines[at].startswith("#"):
        at -= 1
    return lines[at].startswith("not ok")


def read_tests(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as log:
            return [json.loads(line) for line in log if line.strip()]
    except FileNotFoundError:
        return []


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: test_summary.py BUILD_DIR MESON_STATUS")
    build_dir, status = sys.argv[1], int(sys.argv[2])
    passed = failed = skipped = 0
    for test in read_tests(f"{build_dir}/meson-logs/testlog.json"):
        counts = count_test(test)
        if counts[1] > 0:
            tell_failed(test)
        passed, failed, skipped = passed + counts[0], failed + counts[1], skipped + counts[2]
    if status != 0 and failed == 0:
        print(f"meson test ended with status {status}")
        failed = 1
    if skipped > 0:
        print(f"{skipped} skipped")
    print(f"{passed} passed, {failed} failed")
    sys.exit(0 if passed > 0 and failed == 0 else 1)


main()
