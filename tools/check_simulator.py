#!/usr/bin/env python3
# check_simulator.py: docs/simulator.md against the source that it describes.
#
# Settings with their bounds and meanings (as `quorate sim --list` prints them), the names of all
# checkers, the events of a trace and the options of the program: the page has each, and no other.
# SPDX-License-Identifier: Apache-2.0
import pathlib
import re
import sys

from source import ROOT, Report, line_of

PAGE = pathlib.Path("docs/simulator.md")
# How a checker is named: the function, and which argument it is.
VIOLATIONS = {"sim_violate": 1, "sim_failure_set": 2}
# The program's own, which look at how the process of a run ended.
PROGRAM = ("src/cli/sim_process.c", "src/cli/sim_child.c")
OTHER_OPTIONS = {"cflags", "libs", "static"}  # of pkg-config

STRING = re.compile(r'"((?:\\.|[^"\\])*)"')


def read(path):
    file = ROOT / path
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def table(text, macro):
    """The rows of an X-macro, as lists of arguments without quotes."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S).replace("\\\n", " ")
    body = re.search(rf"#define {macro}\(X\)(.*)", text)
    rows = re.findall(r'X\(((?:"[^"]*"|[^")])*)\)', body[1]) if body else []
    return [[part.strip().strip('"') for part in re.split(r',(?=(?:[^"]*"[^"]*")*[^"]*$)', row)]
            for row in rows]


def settings():
    """{name: (bounds, meaning)}"""
    plan = read("sim/plan.h")
    numbers = dict(re.findall(r"#define (QR_SIM_\w+_MAX) (\d+)", read("include/quorate/sim.h")))
    rows = [(name, least, most, meaning)
            for name, least, most, meaning in table(plan, "SIM_SETTING_MAP")]
    rows += [(name, "0", most, meaning) for name, most, meaning in table(plan, "SIM_RATE_MAP")]
    rows += [(name, "0", most, meaning) for _, name, most, meaning in table(plan, "SIM_FAULT_MAP")]
    return {name: (f"{least}..{numbers.get(most, most)}", meaning)
            for name, least, most, meaning in rows}


def arguments_of(text, start):
    """The arguments of the call whose bracket opens at `start`, split at its own commas."""
    depth, begin, arguments = 0, start + 1, []
    for match in re.compile(r'"(?:\\.|[^"\\])*"|[(),]').finditer(text, start):
        token = match[0]
        depth += (token == "(") - (token == ")")
        if (token == "," and depth == 1) or depth == 0:
            arguments.append(text[begin:match.start()].strip())
            begin = match.end()
        if depth == 0:
            break
    return arguments


def checkers(report):
    names = set()
    for path in sorted((ROOT / "sim").rglob("*.c")):
        text = path.read_text(encoding="utf-8")
        for match in re.finditer(r"\b(sim_violate|sim_failure_set)\(", text):
            arguments = arguments_of(text, match.end() - 1)
            argument = arguments[VIOLATIONS[match[1]]]
            found = STRING.findall(argument)
            names.update(found)
            if not found and argument != "checker" and not argument.startswith("const char *"):
                report.add(path.relative_to(ROOT), line_of(text, match.start()),
                           f"what checker is this? {argument}")
    for path in PROGRAM:
        for argument in re.findall(r"text_string\(&checker,([^;]*)\);", read(path)):
            names.update(STRING.findall(argument))
    return names


def options():
    text = read("src/cli/sim_options.c")
    return set(re.findall(r"""X\('.', "([a-z-]+)",""", text) + re.findall(r"""{"([a-z-]+)", '""", text))


def section(page, title):
    match = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", page, re.M | re.S)
    return match[1] if match else ""


def names_in(text):
    return set(re.findall(r"^\| `(\w+)` \|", text, re.M))


def compare(report, page, what, source, shown):
    for name in sorted(source - shown):
        report.add(PAGE, 1, f"{what} {name} is missing")
    for name in sorted(shown - source):
        place = re.search(rf"^\| `{name}` \||--{name}\b", page, re.M)
        report.add(PAGE, line_of(page, place.start()), f"there is no {what} {name}")
    if not source:
        report.add(PAGE, 1, f"no {what} found in the source: is this check still right about it?")


def compare_settings(report, page):
    source = settings()
    rows = re.findall(r"^\| `(\w+)` \| (\d+\.\.\d+) \| (.*) \|$", page, re.M)
    shown = {name: (bounds, meaning) for name, bounds, meaning in rows}
    compare(report, page, "setting", set(source), set(shown))
    for name in source.keys() & shown.keys():
        if source[name] != shown[name]:
            place = re.search(rf"^\| `{name}` \|", page, re.M).start()
            report.add(PAGE, line_of(page, place), f"{name} is {' '.join(source[name])}")
    return len(source)


def main():
    report = Report()
    page = read(PAGE)
    count = compare_settings(report, page)
    named = checkers(report)
    compare(report, page, "checker", named, names_in(section(page, "Checkers")))
    events = {text for _, text in table(read("sim/trace.h"), "SIM_TRACE_MAP")}
    compare(report, page, "event", events, names_in(section(page, "Read a trace")))
    flags = set(re.findall(r"(?<![\w-])--([a-z][a-z-]*)", page)) - OTHER_OPTIONS
    compare(report, page, "option", options(), flags)
    if report.count > 0:
        sys.exit(1)
    print(f"simulator: {count} settings, {len(named)} checkers, {len(events)} events, "
          f"{len(flags)} options")


main()
