#!/usr/bin/env python3
# completions.py: what shells complete behind `quorate`, made of the program's own help.
#
# usage: completions.py QUORATE FOLDER    write FOLDER/quorate (bash), _quorate (zsh), quorate.fish
#
# Made anew whenever the program is, so that no command and no flag can be missing.
# SPDX-License-Identifier: Apache-2.0
import dataclasses
import pathlib
import re
import sys

import program_help


@dataclasses.dataclass
class Flag:
    short: str  # "" when it has none
    name: str  # with its dashes
    value: str  # "" when it takes none
    text: str
    choices: list


@dataclasses.dataclass
class Command:
    name: str
    summary: str
    flags: list
    words: list  # that stand for an action, as in `wal verify`
    takes_files: bool


def flags_of(options):
    """Each name of an option is one to complete, told in a few words."""
    flags = []
    for option in options:
        text = option.text.split(";")[0].split(". ")[0].replace("`", "")
        for name in option.names:
            short = option.short if name == option.names[0] else ""
            flags.append(Flag(short, name, option.value, text, option.choices()))
    return flags


def command_of(told, names):
    words, takes_files = [], False
    for usage in told.usages:
        arguments = [part for part in usage.split() if not part.startswith("[")]
        if arguments and re.match(r"[a-z]+(\|[a-z]+)*$", arguments[0]):
            words += [word for word in arguments[0].split("|") if word not in words]
        takes_files |= any(re.match(r"(FILE|DIR)", part) for part in arguments)
    return Command(told.name, told.summary, flags_of(told.options),
                   names if told.name == "help" else words, takes_files)


def commands_of(program):
    commands = program_help.commands_of(program)
    names = [command.name for command in commands if command.name != "help"]
    return [command_of(command, names) for command in commands]


def quoted(text):
    return "'" + text.replace("'", "'\\''") + "'"


def bash(commands):
    lines = ["# quorate: completion for bash, made of `quorate help` by packaging/completions.py.",
             "# SPDX-License-Identifier: Apache-2.0", "_quorate()", "{",
             "    local word=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]}",
             "    local before=${COMP_WORDS[COMP_CWORD - 1]} flags='' words='' files=''",
             "    # `=` parts words, as a blank does.",
             "    if [ \"$word\" = = ]; then", "        word=''",
             "    elif [ \"$before\" = = ]; then",
             "        before=${COMP_WORDS[COMP_CWORD - 2]}", "    fi",
             "    COMPREPLY=()", "    if [ \"$COMP_CWORD\" = 1 ]; then",
             f"        words={quoted(' '.join(command.name for command in commands))}",
             "        COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))", "        return", "    fi",
             "    case \"$command $before\" in"]
    for command in commands:
        for flag in command.flags:
            if not flag.value:
                continue
            patterns = [f"'{command.name} {flag.name}'"]
            if flag.short:
                patterns.append(f"'{command.name} -{flag.short}'")
            if flag.choices:
                action = f"words={quoted(' '.join(flag.choices))}"
            else:
                action = "files=yes" if re.match("FILE|DIR", flag.value) else "return"
            lines.append(f"    {' | '.join(patterns)}) {action} ;;")
    lines += ["    *)", "        case $command in"]
    for command in commands:
        lines.append(f"        {command.name})")
        lines.append(f"            flags={quoted(' '.join(flag.name for flag in command.flags))}")
        if command.words:
            lines.append(f"            [ \"$COMP_CWORD\" = 2 ] && "
                         f"words={quoted(' '.join(command.words))}")
        if command.takes_files:
            lines.append("            files=yes")
        lines.append("            ;;")
    lines += ["        esac", "        ;;", "    esac",
              "    [[ $word == -* ]] && words=$flags files=''",
              "    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))",
              "    if [ -n \"$files\" ]; then", "        compopt -o filenames 2>/dev/null",
              "        local file", "        while IFS= read -r file; do",
              "            COMPREPLY+=(\"$file\")",
              "        done < <(compgen -f -- \"$word\")", "    fi",
              "}", "complete -F _quorate quorate"]
    return "\n".join(lines) + "\n"


def zsh_text(text):
    return re.sub(r"([\[\]:\\])", r"\\\1", text)


def zsh_argument(flag):
    if not flag.value:
        return ""
    if flag.choices:
        return f":{flag.value.split('|')[0]}:({' '.join(flag.choices)})"
    action = "_files -/" if flag.value.startswith("DIR") else "_files"
    action = action if re.match("FILE|DIR", flag.value) else " "
    return f":{zsh_text(flag.value)}:{action}"


def zsh(commands):
    lines = ["#compdef quorate",
             "# _quorate: completion for zsh, made of `quorate help` by packaging/completions.py.",
             "# SPDX-License-Identifier: Apache-2.0", "_quorate() {", "    local -a commands",
             "    commands=("]
    lines += [f"        {quoted(command.name + ':' + zsh_text(command.summary))}"
              for command in commands]
    lines += ["    )", "    if (( CURRENT == 2 )); then",
              "        _describe command commands", "        return", "    fi",
              "    local command=$words[2]", "    shift words", "    (( CURRENT-- ))",
              "    case $command in"]
    for command in commands:
        lines += [f"    {command.name})", "        _arguments -s -S \\"]
        for flag in command.flags:
            told = f"[{zsh_text(flag.text)}]"
            equals = "=" if flag.value else ""
            value = zsh_argument(flag)
            if flag.short:
                lines.append(f"            {quoted(f'-{flag.short}{told}{value}')} \\")
            lines.append(f"            {quoted(f'{flag.name}{equals}{told}{value}')} \\")
        if command.words:
            lines.append(f"            {quoted('1:action:(' + ' '.join(command.words) + ')')} \\")
        lines += [f"            {quoted('*:file:_files' if command.takes_files else '*:argument: ')}",
                  "        ;;"]
    lines += ["    esac", "}", "_quorate \"$@\""]
    return "\n".join(lines) + "\n"


def fish(commands):
    lines = ["# quorate.fish: completion for fish, made of `quorate help` by packaging/completions.py.",
             "# SPDX-License-Identifier: Apache-2.0", "complete -c quorate -f"]
    for command in commands:
        lines.append(f"complete -c quorate -n __fish_use_subcommand -a {command.name} "
                     f"-d {quoted(command.summary)}")
    for command in commands:
        start = f"complete -c quorate -n '__fish_seen_subcommand_from {command.name}'"
        for flag in command.flags:
            line = f"{start} -l {flag.name[2:]}"
            if flag.short:
                line += f" -s {quoted(flag.short)}"
            if flag.choices:
                line += f" -x -a {quoted(' '.join(flag.choices))}"
            elif flag.value:
                line += " -r -F" if re.match("FILE|DIR", flag.value) else " -x"
            lines.append(line + (f" -d {quoted(flag.text)}" if flag.text else ""))
        if command.words:
            lines.append(f"{start} -a {quoted(' '.join(command.words))}")
        if command.takes_files:
            lines.append(f"{start} -F")
    return "\n".join(lines) + "\n"


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: completions.py QUORATE FOLDER")
    commands = commands_of(str(pathlib.Path(sys.argv[1]).resolve()))
    folder = pathlib.Path(sys.argv[2])
    for name, make in (("quorate", bash), ("_quorate", zsh), ("quorate.fish", fish)):
        (folder / name).write_text(make(commands), encoding="utf-8")


main()
