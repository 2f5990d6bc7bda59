# api.py: the API reference as pages, from the public headers (tools/headers.py reads them).
#
# A page for each header and one over all. What is declared stands as in the header, with the comments
# inside; its docstring below it as prose and lists, names in it linked to where they are declared.
# SPDX-License-Identifier: Apache-2.0
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import headers as reader  # noqa: E402, from tools/

SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|$~^])")
MADE_OF = re.compile(r"#define X\(([^)]*)\)[^\n]*\n\s*(QR_\w+)\(X\)\s*\n#undef X", re.S)
KINDS = [("function", "Functions"), ("callback", "Callbacks"), ("struct", "Structures"),
         ("enum", "Enumerations"), ("macro", "Constants and lists")]


def escape(text):
    text = SPECIAL.sub(r"\\\1", text)
    return re.sub(r"^([-+=]|\d+[.)])", r"\\\1", text)


def title(item):
    """A heading, whose anchor is made of it: a structure and a function may share a name."""
    if item.kind in ("struct", "enum"):
        return f"{item.kind} {item.name}"
    return f"{item.name}()" if item.kind == "function" else item.name


def anchor(item):
    return title(item).lower().replace(" ", "-").replace("()", "")


class Pages:
    def __init__(self, headers):
        self.headers = headers
        self.index = reader.index_of(headers)
        self.here = None
        self.current = None

    def link(self, name):
        """A name in code; a link where it is declared elsewhere."""
        bare = name.removesuffix("()")
        known = self.index.get(bare)
        if known is None or known[1] is self.current:
            return f"`{name}`"
        header, item = known
        first = self.index[item.first][1] if item.first else item
        made = MADE_OF.search(item.text)
        if made and item.kind == "enum" and made[2] in self.index:
            header, first = self.index[made[2]]  # the list tells more of a value than its enum
        page = "" if header is self.here else f"{header.name}.md"
        return f"[`{name}`]({page}#{anchor(first)})"

    def words(self, text):
        made = []
        for kind, piece in reader.inline(text):
            if kind == "text" or piece.endswith("_"):
                made.append(SPECIAL.sub(r"\\\1", piece))
            else:
                made.append(f"`{piece}`" if kind == "code" else self.link(piece))
        text = "".join(made)
        return re.sub(r"^([-+=]|\d+[.)])", r"\\\1", text)

    def term(self, term):
        if re.fullmatch(r"[\w.,()\[\] ]*_[\w.,()\[\] ]*|[a-z]+|0", term):
            return ", ".join(self.link(part) for part in term.split(", "))
        return f"**{self.words(term)}**"

    def blocks(self, blocks, indent=""):
        lines = []
        for block in blocks:
            if isinstance(block, reader.Text):
                lines += [indent + self.words(block.text), ""]
            elif isinstance(block, reader.Code):
                lines += [indent + "```c", *(indent + line for line in block.lines), indent + "```", ""]
            else:
                for term, own in block.rows:
                    inside = self.blocks(own, indent + "  ")
                    first = inside[0].strip() if inside and not inside[0].lstrip().startswith("-") else ""
                    rest = inside[1:] if first else inside
                    is_code = first.startswith("```")
                    head = f"{indent}- {self.term(term)}"
                    lines.append(head if is_code or not first else f"{head}: {first}")
                    lines += inside if is_code else rest
                    if not lines[-1] == "":
                        lines.append("")
        return lines

    def rows(self, item):
        """A list by X(…) as a table: its cells, and the comment behind each."""
        has_docs = any(item.row_docs)
        names = self.columns(item)
        lines = ["| " + " | ".join(names + [""] * has_docs) + " |",
                 "|" + "---|" * (len(names) + has_docs)]
        for cells, doc in zip(item.rows, item.row_docs):
            shown = []
            for cell in cells:
                is_text = cell.startswith('"')
                shown.append(escape(cell[1:-1].replace('\\"', '"')) if is_text else f"`{cell}`")
            shown += [""] * (len(names) - len(shown))
            if has_docs:
                shown.append(self.words(reader.doc_text(doc)))
            lines.append("| " + " | ".join(shown) + " |")
        return lines + [""]

    def columns(self, item):
        """What the docstring says of X(…), or whoever uses it, else nothing."""
        count = max(len(row) for row in item.rows)
        told = re.search(r"X\(([^)]*)\)", reader.doc_text(item.doc))
        if told is None:
            uses = (MADE_OF.search(other.text) for header in self.headers for other in header.items)
            told = next((use for use in uses if use and use[2] == item.name), None)
        names = [name.strip().strip('"') for name in told[1].split(",")] if told else []
        names = names[-count:]
        return names + [" "] * (count - len(names))

    def text(self, item):
        """As it stands in the header, but with what a list by X(…) makes written out."""
        made = MADE_OF.search(item.text)
        if made is None or made[2] not in self.index:
            return item.text
        names = {name for row in self.index[made[2]][1].rows for name in row}
        end = "," if item.kind == "enum" else ";"
        lines = [f"    {member.text}{end}" for member in item.fields + item.values
                 if member.name in names]
        return item.text.replace(made[0], "\n".join(lines))

    def item(self, item):
        self.current = item
        lines = [f"### {title(item)}", ""]
        shared = [other for other in self.here.items if other.first == item.name]
        if item.rows:
            lines += self.blocks(item.doc) + self.rows(item)
            return lines
        texts = [self.text(other) for other in [item, *shared]]
        texts = [text if item.kind == "macro" else text.rstrip(" {") + ";" for text in texts]
        lines += ["```c", *"\n".join(texts).split("\n"), "```", ""]
        lines += self.blocks(item.doc)
        made = MADE_OF.search(item.text)
        if made:
            lines += [f"What they are: {self.link(made[2])}.", ""]
        return lines

    def page(self, header):
        self.here = header
        lines = [f"# quorate/{header.name}.h", "", self.words(capital(header.summary)), ""]
        lines += self.blocks(header.doc)
        if header.includes:
            others = ", ".join(f"[{name}.h]({name}.md)" for name in header.includes)
            lines += [f"It includes {others}.", ""]
        for kind, heading in KINDS:
            items = [item for item in header.items if item.kind == kind and not item.first
                     and not item.is_opaque]
            if items:
                lines += [f"## {heading}", ""]
                for item in items:
                    lines += self.item(item)
        return "\n".join(lines)

    def overview(self, order):
        self.here = self.current = None
        lines = ["# API reference", "",
                 "Made of the headers in `include/quorate/`, which are the manual: what is said of a "
                 "function there is all that is promised. `#include \"quorate/engine.h\"` gives all that "
                 "a node needs. Functions return 0 or one of the errors of [error.h](error.md); results "
                 "go through pointers, which are untouched on failure.", ""]
        for header in order:
            lines += [f"## {header.name}.h", "",
                      f"[quorate/{header.name}.h]({header.name}.md): {self.words(header.summary)}", ""]
            for item in header.named("function"):
                first = self.index[item.first][1] if item.first else item
                told = next((b.text for b in first.doc if isinstance(b, reader.Text)), "")
                sentence = re.split(r"(?<=[.;])\s", told)[0].rstrip(";")
                lines.append(f"- {self.link(item.name + '()')}: {self.words(sentence)}")
            lines.append("")
        names = [header.name for header in order]
        lines += ["```{toctree}", ":hidden:", "", *names, "```", ""]
        return "\n".join(lines)


def capital(text):
    return text[:1].upper() + text[1:]


# In which to read them; others follow by name.
ORDER = ["engine", "state_machine", "plain", "proposal", "read", "status", "membership", "types",
         "error"]


def pages(root):
    """(name, text) of each page."""
    headers = reader.load(root)
    made = Pages(headers)
    rank = {name: at for at, name in enumerate(ORDER)}
    order = sorted(headers, key=lambda header: (rank.get(header.name, len(ORDER)), header.name))
    found = [("index", made.overview(order))]
    return found + [(header.name, made.page(header)) for header in headers]
