#!/usr/bin/env python3
# manual.py: section 1 of the manual: quorate(1), and a page for each command of the program.
#
# usage: manual.py QUORATE FOLDER [DOCS]    write FOLDER/quorate.1 and FOLDER/quorate-COMMAND.1
#
# What a command is for, its options and the meaning of exit codes are what the program's own help
# says. What a page needs beyond that is DOCS/commands/COMMAND.mdoc (docs/commands by default), pieces
# of mdoc by sections:
#   DESCRIPTION   stands behind what the help says
#   OPTIONS       `.It --NAME` and what is to be said of that option behind the help's words
#   EXIT STATUS   `.It N` for each code there can be besides 0 and 2, and what it means here
#   SEE ALSO      one `.Xr` on a line
# and any other section, as it is. quorate.1 is DOCS/quorate.1 with the list of commands. The words for
# every exit code, and the date of each page, are those of DOCS/quorate.1, so that the same program
# gives the same pages.
#
# Refused is a command without such a file, a file without a command, an option in it that the command
# has not, and a page that is named without being there.
# SPDX-License-Identifier: Apache-2.0
import pathlib
import re
import sys
import textwrap

import program_help

OWN_DOCS = pathlib.Path(__file__).resolve().parent.parent / "docs"
MARK = '.\\" The commands, as `quorate help` tells them, stand here.\n'
SENTENCE = re.compile(r"(?<=[A-Za-z0-9)`][.?!]) (?=[A-Z`])")
EXIT_CODE = re.compile(r"Exit code (\d) (.*)")
USAGE_CODE = 2
LINE_COLUMNS = 78
BEGIN_LIST = ".Bl -tag -width Ds"
NAMED = re.compile(r"`([^`]+)`|(?<![\w-])(--[a-z][a-z-]*|--(?= ))")
BEHIND_OPTIONS = ("ENVIRONMENT", "FILES", "EXIT STATUS", "EXAMPLES", "SEE ALSO")


class Wrong(Exception):
    """A page cannot be made; the text says why."""


def escaped(text):
    return text.replace("\\", "\\e").replace("-", "\\-")


def bold_names(text):
    """Lines of mdoc, with options and what is in backquotes in bold."""
    made, at = "", 0
    for match in NAMED.finditer(text):
        made += escaped(text[at:match.start()]) + f"\\fB{escaped(match[1] or match[2])}\\fP"
        at = match.end()
    lines = textwrap.wrap(made + escaped(text[at:]), LINE_COLUMNS, break_long_words=False,
                          break_on_hyphens=False)
    return [re.sub(r"^([.'])", r"\\&\1", line) for line in lines]


def prose(text):
    """Words of the help, a new line for each sentence."""
    return [line for sentence in SENTENCE.split(text) for line in bold_names(sentence)]


def capitalized(text):
    return text[:1].upper() + text[1:]


def ended(text):
    return text if text[-1:] in ".?!" else text + "."


# What stands in DOCS/commands


class Pieces:
    """A file of DOCS/commands: section -> lines."""

    def __init__(self, path):
        self.path = path
        self.sections = {}
        lines = []
        for line in path.read_text(encoding="utf-8").split("\n"):
            if line.startswith(".Sh "):
                lines = self.sections.setdefault(line[4:], [])
            elif line and not line.startswith('.\\"'):
                lines.append(line)

    def items(self, section, pattern):
        """What stands behind each `.It` of a section."""
        items = {}
        lines = None
        for line in self.sections.pop(section, []):
            match = re.fullmatch(r"\.It (.*)", line)
            if match:
                if not re.fullmatch(pattern, match[1]) or match[1] in items:
                    raise Wrong(f"{self.path}: {section}: this cannot be, or not twice: {line}")
                lines = items.setdefault(match[1], [])
            elif lines is None:
                raise Wrong(f"{self.path}: {section}: this stands behind no .It: {line}")
            else:
                lines.append(line)
        return items


# The parts of a page


def usage_word(word):
    """One argument as the help has it: [X], --flag, UPPER, a|b or a..b, each with dots behind."""
    if word.startswith("--"):
        return f".Fl {escaped(word[1:])}"
    name, dots = re.fullmatch(r"(.*?)(\.\.\.)?", word).groups()
    macro = ".Cm" if re.fullmatch(r"[a-z]+(\|[a-z]+)*", name) else ".Ar"
    return f"{macro} {escaped(name.replace('|', ' | '))}" + (" ..." if dots else "")


def synopsis(command):
    lines = [".Sh SYNOPSIS"]
    for usage in command.usages:
        lines.append(f".Nm quorate {command.name}")
        for part in re.findall(r"\[[^]]+\]|\S+", usage):
            if part.startswith("[-- "):
                lines.append(f".Op Fl \\- {usage_word(part[4:-1])[1:]}")
            elif part.startswith("["):
                lines.append(f".Op {usage_word(part[1:-1])[1:]}")
            else:
                lines.append(usage_word(part))
    return lines


def option_line(option):
    short = {"": "", "?": "Fl \\&? , "}.get(option.short, f"Fl {option.short} , ")
    names = " , ".join(f"Fl {escaped(name[1:])}" for name in option.names)
    value = option.value
    if option.choices():
        value = f" Cm {' | '.join(option.choices())}"
    elif value:
        value = f" Ar {escaped(value)}"
    return f".It {short}{names}{value}"


def option_words(option):
    first = re.split(r"[ :]", option.text)[0]
    text = option.text if first in option.choices() else capitalized(option.text)
    return prose(ended(text))


def options(command, pieces):
    more = pieces.items("OPTIONS", r"--[a-z][a-z-]*")
    known = {name for option in command.options for name in option.names}
    if set(more) - known:
        raise Wrong(f"{pieces.path}: quorate {command.name} has no {sorted(set(more) - known)}")
    if not command.options:
        return []
    lines = [".Sh OPTIONS", BEGIN_LIST]
    for option in command.options:
        lines += [option_line(option), *option_words(option)]
        for name in option.names:
            lines += more.get(name, [])
    return [*lines, ".El"]


def description(command, pieces):
    """The section, and what the help says of exit codes: code -> sentence."""
    codes, lines = {}, []
    for paragraph in [*command.before, *command.after]:
        kept = []
        for sentence in SENTENCE.split(" ".join(paragraph.split())):
            match = EXIT_CODE.fullmatch(sentence)
            if match:
                codes[int(match[1])] = capitalized(match[2])
            else:
                kept += bold_names(sentence)
        lines += [".Pp", *kept] if kept else []
    more = pieces.sections.pop("DESCRIPTION", [])
    lines += [".Pp", *more] if more else []
    if not lines:
        raise Wrong(f"{pieces.path}: DESCRIPTION is missing, and the help has none")
    return [".Sh DESCRIPTION", *lines[1:]], codes


def exit_meanings(program, docs):
    """code -> lines, of DOCS/quorate.1, where each begins with what the help says of it."""
    pieces = Pieces(docs / "quorate.1")
    section = pieces.sections["EXIT STATUS"]
    pieces.sections["EXIT STATUS"] = section[section.index(BEGIN_LIST) + 1:section.index(".El")]
    found = pieces.items("EXIT STATUS", r"\d")
    for code, words in program_help.exit_codes_of(program).items():
        if not " ".join(found.get(str(code), [])).startswith(capitalized(words)):
            raise Wrong(f"{pieces.path}: EXIT STATUS: {code} does not begin with: {words}")
    return {int(code): lines for code, lines in found.items()}


def exit_status(pieces, codes, meanings):
    here = pieces.items("EXIT STATUS", r"\d")
    lines = [".Sh EXIT STATUS", BEGIN_LIST]
    for code in sorted({0, USAGE_CODE, *codes, *map(int, here)}):
        if code not in meanings:
            raise Wrong(f"{pieces.path}: there is no exit code {code}")
        lines += [f".It {code}", *(prose(codes[code]) if code in codes else meanings[code]),
                  *here.get(str(code), [])]
    return [*lines, ".El"]


def see_also(pieces, names):
    others = set()
    for line in pieces.sections.pop("SEE ALSO", []):
        match = re.fullmatch(r"\.Xr (\S+) (\d)", line)
        if not match or (match[1].startswith("quorate-") and match[1][8:] not in names):
            raise Wrong(f"{pieces.path}: SEE ALSO: there is no such page: {line}")
        others.add((match[2], match[1]))
    pages = sorted({("1", "quorate"), *others})
    lines = [f".Xr {name} {section} ," for section, name in pages]
    return [".Sh SEE ALSO", *lines[:-1], lines[-1][:-2]]


def page(command, pieces, names, meanings, date):
    lines = [f'.\\" Made of `quorate help {command.name}` and docs/commands/{command.name}.mdoc by'
             ' packaging/manual.py.',
             '.\\" SPDX-License-Identifier: Apache-2.0',
             f".Dd {date}", f".Dt QUORATE-{command.name.upper()} 1", ".Os",
             ".Sh NAME", f".Nm quorate-{command.name}", f".Nd {escaped(command.summary)}",
             *synopsis(command)]
    described, codes = description(command, pieces)
    lines += [*described, *options(command, pieces)]
    made = {"EXIT STATUS": exit_status(pieces, codes, meanings), "SEE ALSO": see_also(pieces, names)}
    for title in [title for title in pieces.sections if title not in BEHIND_OPTIONS]:
        lines += [f".Sh {title}", *pieces.sections.pop(title)]
    for title in BEHIND_OPTIONS:
        if title in pieces.sections:
            made[title] = [f".Sh {title}", *pieces.sections[title]]
        lines += made.get(title, [])
    return "\n".join(lines) + "\n"


def overview(commands, docs):
    text = (docs / "quorate.1").read_text(encoding="utf-8")
    if text.count(MARK) != 1:
        raise Wrong(f"{docs / 'quorate.1'}: there must be one line {MARK}")
    lines = [BEGIN_LIST]
    for command in commands:
        lines += [f".It Xr quorate-{command.name} 1", *prose(ended(capitalized(command.summary)))]
    return text.replace(MARK, "\n".join([*lines, ".El"]) + "\n")


def pages(program, docs=OWN_DOCS):
    """File name -> text."""
    commands = program_help.commands_of(program)
    names = {command.name for command in commands}
    written = {path.stem for path in (docs / "commands").glob("*.mdoc")}
    if names != written:
        raise Wrong(f"{docs / 'commands'}: one file for each command: missing "
                    f"{sorted(names - written)}, too many {sorted(written - names)}")
    made = {"quorate.1": overview(commands, docs)}
    date = re.search(r"^\.Dd (.*)$", made["quorate.1"], re.M)[1]
    meanings = exit_meanings(program, docs)
    for command in commands:
        pieces = Pieces(docs / "commands" / f"{command.name}.mdoc")
        made[f"quorate-{command.name}.1"] = page(command, pieces, names, meanings, date)
    return made


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit("usage: manual.py QUORATE FOLDER [DOCS]")
    docs = pathlib.Path(sys.argv[3]) if len(sys.argv) == 4 else OWN_DOCS
    try:
        made = pages(str(pathlib.Path(sys.argv[1]).resolve()), docs)
    except Wrong as wrong:
        sys.exit(f"manual.py: {wrong}")
    for name, text in made.items():
        pathlib.Path(sys.argv[2], name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
