# program_help.py: what the program tells of its commands: `quorate help`, and that of each command.
#
# Owns     how that text is read: of it the completion of shells and the manual pages are made.
# SPDX-License-Identifier: Apache-2.0
import dataclasses
import os
import re
import subprocess

OPTION = re.compile(r"^ {2,6}(?:-(?P<short>\S), )?(?P<names>--\S+?(?:, --\S+?)*)"
                    r"(?: +(?P<text>(?!--)\S.*))?$")
CHOICES = re.compile(r"[a-z]+(?:\|[a-z]+)+$")
# Lines are not broken, whatever whoever builds has set, and argp's note on short forms is left out.
ENVIRONMENT = {"ARGP_HELP_FMT": "rmargin=9999,opt-doc-col=40,no-dup-args-note", "LC_ALL": "C"}


@dataclasses.dataclass
class Option:
    short: str  # "" when it has none
    names: list  # with their dashes, the first the one to be used
    value: str  # "" when it takes none
    text: str

    def choices(self):
        return self.value.split("|") if CHOICES.match(self.value) else []


@dataclasses.dataclass
class Command:
    name: str
    summary: str
    usages: list  # what stands behind its name, for each form of it
    before: list  # paragraphs, before the options and behind them
    after: list
    options: list


def told(program, *names):
    return subprocess.run([program, "help", *names], check=True, capture_output=True, text=True,
                          env={**os.environ, **ENVIRONMENT}).stdout


def options_of(lines):
    """The options, and the numbers of the first line and of the last that tell of them."""
    options, numbers = [], []
    for number, line in enumerate(lines):
        match = OPTION.match(line)
        if match:
            names, values = zip(*[name.partition("=")[::2] for name in match["names"].split(", ")])
            options.append(Option(match["short"] or "", list(names), values[0], match["text"] or ""))
        elif options and re.match(r" {20,}\S", line):
            options[-1].text = (options[-1].text + " " + line.strip()).strip()
        else:
            continue
        numbers.append(number)
    return options, numbers[0], numbers[-1]


def paragraphs_of(lines):
    return [part for part in "\n".join(lines).strip().split("\n\n") if part]


def command_of(program, name, summary):
    lines = told(program, name).split("\n")
    usages = []
    for line in lines:
        match = re.match(r"(?:Usage| *or): +quorate \S+ ?(.*)$", line)
        if match is None:
            break
        usages.append(match[1])
    options, first, last = options_of(lines)
    return Command(name, summary, usages, paragraphs_of(lines[len(usages):first]),
                   paragraphs_of(lines[last + 1:]), options)


def commands_of(program):
    """All of them, in the order of `quorate help`."""
    commands = []
    for name, summary in re.findall(r"^  ([a-z]+) +(\S.*)$", told(program), re.M):
        if name == "help":  # its own help is the overview
            commands.append(Command(name, summary, ["[COMMAND]"], [], [], []))
        else:
            commands.append(command_of(program, name, summary))
    return commands


def exit_codes_of(program):
    """code -> what it means for every command."""
    words = " ".join(told(program).split("Exit codes: ")[1].split())
    return {int(code): text for code, text in re.findall(r"(\d) ([^,.]+)", words)}
