#!/usr/bin/env python3
# headers.py: the public headers as data: what they declare, and what their comments say of it.
#
# usage: headers.py [NAME...]    print what is known of them, or of everything, as JSON
#
# One parser for the man pages, the reference on the site and the record of the ABI. It knows how
# our headers are written (CONTRIBUTING.md), not C: a declaration ends with a semicolon outside
# braces, its docstring stands directly above it, and what stands directly under a declaration
# shares that one's docstring. Lists by X(…) macros are expanded.
#
#   for header in load():          Header: path, name, summary, doc, includes, items
#       for item in header.items:  Item: kind, name, text, doc, line, and by kind
#           function, callback     returns, parameters
#           struct                 fields; is_opaque where it has no body
#           enum                   values
#           macro                  value; rows where it is a list by X(…)
#
# A doc is a list of blocks: Text(text), Code(lines) and Terms(rows), a row being a term and its own
# list of blocks. `inline()` cuts a text into plain words, names and code.
# SPDX-License-Identifier: Apache-2.0
import dataclasses
import json
import re
import sys

from source import OWN, TOKEN, code_only, line_of

FOLDER = "include/quorate"


@dataclasses.dataclass
class Text:
    text: str  # one paragraph, on one line


@dataclasses.dataclass
class Code:
    lines: list


@dataclasses.dataclass
class Terms:
    rows: list  # of (term, blocks)


@dataclasses.dataclass
class Member:
    """A field of a struct, or a value of an enum."""

    name: str
    text: str  # as declared, without `;` or `,`
    doc: list
    line: int


@dataclasses.dataclass
class Item:
    kind: str  # function, callback, struct, enum, macro
    name: str
    text: str  # as it stands in the header, comments inside included; of an inline function its head
    doc: list
    line: int
    first: str = ""  # the item whose docstring this one shares; "": it has its own, or none
    note: str = ""  # the comment behind it on its last line
    returns: str = ""
    parameters: list = dataclasses.field(default_factory=list)  # of texts, "..." included
    is_inline: bool = False
    is_opaque: bool = False
    fields: list = dataclasses.field(default_factory=list)
    values: list = dataclasses.field(default_factory=list)
    value: str = ""
    rows: list = dataclasses.field(default_factory=list)  # of lists of arguments
    row_docs: list = dataclasses.field(default_factory=list)  # the comment behind each, a doc


@dataclasses.dataclass
class Header:
    path: str  # from the root
    name: str  # engine
    summary: str
    doc: list  # of the file head, behind the summary
    includes: list  # names of public headers
    items: list

    def named(self, kind):
        return [item for item in self.items if item.kind == kind]


# Docstrings

TERM = re.compile(r"(?P<indent> *)(?P<term>\S(?:.*?\S)??)(?P<gap> {2,})(?P<rest>\S.*)$")
CODES = re.compile(r"(?P<term>(?:0|QR_[A-Z_]+)(?:, QR_[A-Z_]+)*): (?P<rest>\S.*)$")
BARE = re.compile(r"QR_ERR_[A-Z_]+(?:, QR_ERR_[A-Z_]+)*$")
HEAD_TERMS = ("Does not know", "Versions")  # of file heads: in one column, which these reach
CODE_FIRST = re.compile(r"(?:0|QR_ERR_[A-Z_]+)\b")
COMMENT_COLUMNS = 84  # of text in a comment: it is wrapped behind them, or broken on purpose
CALL = re.compile(r"qr_\w+\(.*\);$")


def comment_lines(comment):
    """The text of a block comment, without its stars."""
    lines = comment[2:-2].split("\n")
    lines[0] = re.sub(r"^ ", "", lines[0])
    lines[1:] = [re.sub(r"^ *\* ?", "", line) for line in lines[1:]]
    lines = [line.rstrip() for line in lines]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def indent_of(line):
    return len(line) - len(line.lstrip(" "))


def _term(line, is_fresh):
    """(term, column of its text, its text) where the line begins one, else None."""
    match = TERM.match(line)
    if match and not re.search(r"[.;:]$", match["term"]):
        return match["term"], match.start("rest"), match["rest"]
    stripped = line.lstrip(" ")
    for term in HEAD_TERMS:
        if line.startswith(term + " ") and is_fresh:
            return term, 9, line[len(term) + 1 :]
    match = CODES.match(stripped)
    if match and is_fresh:
        return match["term"], indent_of(line), match["rest"]
    if BARE.match(stripped) and is_fresh and indent_of(line) > 0:
        return stripped, indent_of(line), ""
    return None


def _is_broken(line, follower, base):
    """Whether a sentence ends with `line` though the next word had room: a break that is meant."""
    width = base + len(line) + 1 + len(follower.split()[0])
    is_code = CODE_FIRST.match(follower.strip()) and line.endswith(".")
    return bool(is_code or (line.endswith((".", ":")) and width < COMMENT_COLUMNS))


def blocks_of(lines, base=0):
    """Paragraphs, lists of terms, and lines of code, as our docstrings write them.

    base   the column at which the lines begin.
    """
    blocks = []
    words = []

    def flush():
        if words:
            text = " ".join(words)
            blocks.append(Code([text]) if CALL.match(text) else Text(text))
            words.clear()

    at = 0
    while at < len(lines):
        line = lines[at]
        at += 1
        if not line.strip():
            flush()
            continue
        is_broken = bool(words) and _is_broken(lines[at - 2], line, base)
        if is_broken and CODE_FIRST.match(line.strip()):
            flush()
        is_fresh = not words or is_broken or words[-1].endswith(("or", "done", "changed", "behind"))
        term = _term(line, is_fresh)
        if term is None:
            words.append(line.strip())
            continue
        flush()
        name, column, rest = term
        own = [rest] if rest else []
        by_column = TERM.match(line) is not None or name in HEAD_TERMS
        # By column what belongs to it; of `CODE: text` what neither begins another nor is apart.
        while at < len(lines) and lines[at].strip():
            deeper = indent_of(lines[at])
            if by_column and deeper <= indent_of(line):
                break
            if not by_column and (deeper < column or _is_broken(lines[at - 1], lines[at], base)):
                break
            own.append(lines[at][min(column, deeper) :] if by_column else lines[at].strip())
            at += 1
        row = (name, blocks_of(own, base + column))
        if blocks and isinstance(blocks[-1], Terms):
            blocks[-1].rows.append(row)
        else:
            blocks.append(Terms([row]))
    flush()
    return blocks


INLINE = re.compile(r"`(?P<code>[^`]+)`|(?P<name>\b(?:qr|QR)_\w+(?:\(\))?)")


def inline(text):
    """Cut into ("text" | "code" | "name", piece)."""
    pieces = []
    at = 0
    for match in INLINE.finditer(text):
        if match.start() > at:
            pieces.append(("text", text[at : match.start()]))
        pieces.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    if at < len(text):
        pieces.append(("text", text[at:]))
    return pieces


def doc_text(blocks):
    """All words of a doc, for searching."""
    words = []
    for block in blocks:
        if isinstance(block, Text):
            words.append(block.text)
        elif isinstance(block, Code):
            words += block.lines
        else:
            for term, own in block.rows:
                words += [term, doc_text(own)]
    return " ".join(words)


# Declarations

DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", re.M)
DEFINE = re.compile(r"#define (?P<name>\w+)(?P<parameters>\([^)]*\))?[ \t\\\n]*(?P<value>.*)", re.S)
ROW = re.compile(r"\bX\(")
STRUCT = re.compile(r"\s*struct (?P<name>\w+)\s*(?:\{(?P<body>.*)\})?\s*$", re.S)
ENUM = re.compile(r"\s*enum (?P<name>\w+)\s*\{(?P<body>.*)\}\s*$", re.S)
FUNCTION = re.compile(
    r"\s*(?P<typedef>typedef )?(?P<returns>[\w\s]*?[\w*]\s*\**)\b(?P<name>qr_\w+)\s*"
    r"\((?P<parameters>.*?)\)\s*(?:__attribute__\s*\(\(.*\)\))?\s*$",
    re.S,
)
FIELD = re.compile(r"\(\*(?P<function>\w+)\)|\b(?P<name>\w+)\s*(?:\[[^\]]*\])*$")


def note_of(comment):
    """A comment behind something: one paragraph."""
    return [Text(" ".join(line.strip() for line in comment_lines(comment)))] if comment else []


def squeeze(text):
    return re.sub(r"\s+", " ", text).strip()


def split_arguments(text):
    """Cut at commas outside brackets and strings."""
    parts = [""]
    depth = 0
    for match in re.finditer(r'"(?:\\.|[^"\\])*"|.', text, re.S):
        piece = match[0]
        depth += (piece in "([{") - (piece in ")]}") if len(piece) == 1 else 0
        if piece == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += piece
    return [squeeze(part) for part in parts if part.strip()]


def matching(text, start):
    """The offset of the bracket that closes the one at `start`."""
    depth = 0
    for match in re.finditer(r'"(?:\\.|[^"\\])*"|[()]', text[start:]):
        depth += {"(": 1, ")": -1}.get(match[0], 0)
        if depth == 0:
            return start + match.start()
    raise ValueError("a bracket is not closed: " + text[start : start + 40])


def without_comments(text):
    return TOKEN.sub(lambda m: " " if m.lastgroup in ("block", "line") else m[0], text)


class Parser:
    """One header. `maps` are the lists by X(…) of all of them, as they are met."""

    def __init__(self, path, text, maps):
        self.path = path
        self.text = text
        self.maps = maps
        self.comments = [m for m in TOKEN.finditer(text) if m.lastgroup == "block"]
        self.code, _ = code_only(text)
        self.items = []

    def comment_above(self, offset):
        """The docstring that ends directly above the line of `offset`, or None."""
        start = self.text.rfind("\n", 0, offset) + 1
        for comment in reversed(self.comments):
            if comment.end() < start:
                between = self.text[comment.end() : start]
                if between != "\n":
                    return None
                if comment[0].startswith("/* clang-format"):
                    return self.comment_above(comment.start())
                if self.text[: comment.start()].rsplit("\n", 1)[-1].strip():
                    return None  # behind a declaration, not above one
                return comment[0]
        return None

    def comment_behind(self, offset):
        """The comment on the line of `offset`, behind it, or "" ."""
        for comment in self.comments:
            if comment.start() >= offset:
                between = self.text[offset : comment.start()]
                return "" if between.strip(" ;,") else comment[0]
        return ""

    def doc_above(self, offset):
        comment = self.comment_above(offset)
        return None if comment is None else blocks_of(comment_lines(comment))

    def add(self, item, start, end):
        doc = self.doc_above(start)
        if doc is None and self.items:
            before = self.items[-1]
            above = self.text[: self.text.rfind("\n", 0, start) + 1]
            is_under = before.kind in ("function", "callback") and above.endswith(
                before.text.rstrip(" {") + ";" + (" " + before.note if before.note else "") + "\n"
            )
            if is_under and not before.is_inline:
                item.first = before.first or before.name
                doc = before.doc
        item.doc = doc or []
        if not item.is_inline:
            item.note = self.comment_behind(end)
        if not item.doc and item.note:
            item.doc = note_of(item.note)
        self.items.append(item)

    def macro(self, match):
        define = DEFINE.match(match[0])
        if define is None or not define["name"].startswith("QR_"):
            return
        raw = self.text[match.start() : match.end()]
        plain = DEFINE.match(without_comments(raw))
        item = Item("macro", plain["name"], raw.strip(), [], line_of(self.text, match.start()))
        item.value = squeeze(plain["value"].replace("\\\n", " "))
        item.parameters = split_arguments((plain["parameters"] or "()")[1:-1])
        if item.parameters == ["X"]:
            for row in ROW.finditer(raw, raw.index("(X)") + 3):
                end = matching(raw, row.end() - 1)
                item.rows.append(split_arguments(raw[row.end() : end]))
                item.row_docs.append(note_of(self.comment_behind(match.start() + end + 1)))
            self.maps[item.name] = list(zip(item.rows, item.row_docs))
        if not item.value.strip():
            return  # a guard
        self.add(item, match.start(), match.start() + len(raw.split("\n")[0].rstrip()))
        # The comment of a one-line macro is inside what the directive covers.
        inside = [c for c in self.comments if match.start() < c.start() < match.end()]
        if not item.doc and inside and not item.rows:
            item.doc = note_of(inside[0][0])

    def expanded(self, body_start, body_end):
        """Members that a list by X(…) makes, by the offset at which they stand."""
        made = {}
        raw = self.text[body_start:body_end]
        pattern = r"#define X\(([^)]*)\) ([^\n]*)\n\s*(\w+)\(X\)\s*\n#undef X"
        for match in re.finditer(pattern, raw):
            names = split_arguments(match[1])
            members = []
            for row, doc in self.maps.get(match[3], []):
                text = match[2]
                for name, value in zip(names, row):
                    text = re.sub(r"\b%s\b" % name, lambda _: value, text)
                told = [squeeze(re.sub(r'^"|"$', "", cell)) for cell in row if cell.startswith('"')]
                doc = doc or ([Text(told[-1])] if told else [])
                members.append((text.strip(" ;,"), doc))
            made[body_start + match.start()] = members
        return made

    def members(self, body_start, body_end, ends):
        """Fields (ends ";") or values (","), in order."""
        found = []
        made = self.expanded(body_start, body_end)
        plain = DIRECTIVE.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), self.code)
        for offset, members in made.items():
            for text, doc in members:
                found.append((offset, Member(self.member_name(text), text, doc,
                                             line_of(self.text, offset))))
            call = re.compile(r"QR_\w+\(X\)").search(plain, offset)
            plain = plain[: call.start()] + " " * len(call[0]) + plain[call.end() :]
        depth = 0
        start = body_start
        for at in range(body_start, body_end + 1):
            char = plain[at] if at < body_end else ends
            depth += (char in "({[") - (char in ")}]")
            if char != ends or depth > 0:
                continue
            piece = plain[start:at]
            text = squeeze(piece)
            if text:
                first = start + len(piece) - len(piece.lstrip())
                doc = self.doc_above(first)
                behind = self.comment_behind(at if at < body_end else start + len(piece.rstrip()))
                if behind:
                    doc = (doc or []) + note_of(behind)
                found.append((first, Member(self.member_name(text), text, doc or [],
                                            line_of(self.text, first))))
            start = at + 1
        return [member for _, member in sorted(found, key=lambda pair: pair[0])]

    @staticmethod
    def member_name(text):
        before = text.split("=")[0].strip()
        match = FIELD.search(before)
        if match is None:
            raise ValueError("no name in: " + text)
        return match["function"] or match["name"]

    def declaration(self, start, end, is_inline):
        """What stands in code[start:end], without the `;` or the body of a function."""
        piece = self.code[start:end]
        first = start + len(piece) - len(piece.lstrip())
        text = self.text[first:end].rstrip()
        line = line_of(self.text, first)
        plain = DIRECTIVE.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), self.code[first:end])
        brace = first + plain.find("{") + 1
        last = first + plain.rfind("}")
        if (match := ENUM.match(plain)) is not None:
            item = Item("enum", match["name"], text, [], line)
            item.values = self.members(brace, last, ",")
        elif (match := STRUCT.match(plain)) is not None:
            item = Item("struct", match["name"], text, [], line)
            item.is_opaque = match["body"] is None
            if not item.is_opaque:
                item.fields = self.members(brace, last, ";")
        elif (match := FUNCTION.match(plain)) is not None:
            kind = "callback" if match["typedef"] else "function"
            item = Item(kind, match["name"], text, [], line, is_inline=is_inline)
            item.returns = re.sub(r"^(static |inline |extern )+", "", squeeze(match["returns"]))
            item.returns = re.sub(r"\bQR_PUBLIC\b *", "", item.returns)
            item.parameters = split_arguments(match["parameters"])
        else:
            raise ValueError(f"{self.path}:{line}: not understood: {squeeze(plain)[:60]}")
        self.add(item, first, end)

    def events(self):
        """Macros and declarations, in the order of the text."""
        directives = list(DIRECTIVE.finditer(self.code))
        inside = list(self.code)
        for match in directives:
            inside[match.start() : match.end()] = re.sub(r"[^\n]", " ", match[0])
        plain = "".join(inside)
        found = [(match.start(), "macro", match) for match in directives]
        depth = 0
        start = 0
        for at, char in enumerate(plain):
            if char == "{" and depth == 0 and re.search(r"\)\s*$", plain[start:at]):
                found.append((start, "inline", (start, at)))
            depth += (char in "({") - (char in ")}")
            if char == "}" and depth == 0 and found and found[-1][1] == "inline" and \
                    found[-1][0] == start:
                start = at + 1
            elif char == ";" and depth == 0:
                if plain[start:at].strip():
                    found.append((start, "plain", (start, at)))
                start = at + 1
        # A declaration's text begins behind directives that stand before it.
        order = []
        for offset, kind, what in found:
            if kind != "macro":
                begin, end = what
                begin += len(plain[begin:end]) - len(plain[begin:end].lstrip())
                order.append((begin, kind, (begin, end)))
            else:
                order.append((offset, kind, what))
        return sorted(order, key=lambda event: event[0])

    def parse(self):
        spans = []
        for offset, kind, what in self.events():
            if kind == "macro":
                if not any(begin < offset < end for begin, end in spans):
                    self.macro(what)
            else:
                spans.append(what)
                self.declaration(what[0], what[1], kind == "inline")
        head = comment_lines(self.comments[0][0])
        file = self.path.rsplit("/", 1)[-1]
        blocks = blocks_of(head)
        summary = ""
        if blocks and isinstance(blocks[0], Text) and blocks[0].text.startswith(file + ": "):
            summary = blocks.pop(0).text[len(file) + 2 :]
        includes = re.findall(r'^#include "quorate/(\w+)\.h"', self.text, re.M)
        return Header(self.path, file[:-2], summary, blocks, includes, self.items)


def without_language(text):
    """`text` with what only a C++ compiler reads as empty lines: its brace holds all the rest."""
    return re.sub(r"^#ifdef __cplusplus\n[^\n]*\n#endif$", "\n\n", text, flags=re.M)


def load(root=OWN, folder=FOLDER):
    """Every public header, one behind those that it includes."""
    texts = {}
    for path in sorted((root / folder).glob("*.h")):
        texts[path.stem] = (path.relative_to(root).as_posix(),
                           without_language(path.read_text(encoding="utf-8")))
    maps = {}
    done = {}

    def visit(name):
        if name in done or name not in texts:
            return
        done[name] = None  # against a circle
        for other in re.findall(r'^#include "quorate/(\w+)\.h"', texts[name][1], re.M):
            visit(other)
        done[name] = Parser(*texts[name], maps).parse()

    for name in texts:
        visit(name)
    return [header for header in sorted(done.values(), key=lambda h: h.name)]


def index_of(headers):
    """Where each name is declared: name -> (header, item). Enum values and opaque structs too."""
    index = {}
    for header in headers:
        for item in header.items:
            known = index.get(item.name)
            if known is None or known[1].is_opaque:
                index[item.name] = (header, item)
            for value in item.values:
                index.setdefault(value.name, (header, item))
    return index


def main():
    wanted = set(sys.argv[1:])
    headers = load()
    if wanted:
        index = index_of(headers)
        chosen = [dataclasses.asdict(index[name][1]) for name in sorted(wanted & set(index))]
    else:
        chosen = [dataclasses.asdict(header) for header in headers]
    json.dump(chosen, sys.stdout, indent=1, ensure_ascii=False)
    print()


if __name__ == "__main__":
    main()
