#!/usr/bin/env python3
# build.py: the pages of docs/ as a static site with search.
#
# usage: build.py OUTPUT [SOURCE]
#
# The pages stay plain files. They are staged in SOURCE, with those that are made of something
# else (the headers, the manual of the program in build/release, the examples), and links that lead out of docs/ are turned to
# what the site has of them. docs/index.md is the order: each page of docs/ stands in it, once.
# Then Sphinx makes the site; what it warns of is an error.
# SPDX-License-Identifier: Apache-2.0
import os
import pathlib
import re
import shutil
import subprocess
import sys

import api

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "packaging"))
import manual  # noqa: E402

PROGRAM = ROOT / "build/release/quorate"
LINK = re.compile(r"\[([^][]*)\]\(([^)\s]+)\)")
FENCE = re.compile(r"^ *```")
ENTRY = re.compile(r"^- \[[^]]+\]\(([^)#\s]+)\)")
NORMALIZE = "/javascript/normalize.css/normalize.css"
# Pages that are made here; the index names them by what they are made of.
MADE = {
    "../CONTRIBUTING.md": "contributing",
    "../README.md": "index",
    "quorate.1": "commands",
}


def page_of(target):
    """The page, without its suffix, that stands for a file of the project; None: it has none."""
    if target in MADE:
        return MADE[target]
    path = pathlib.PurePosixPath(target)
    if path.parts[:3] == ("..", "include", "quorate") and path.suffix == ".h":
        return f"api/{path.stem}"
    if path.parts[:2] == ("..", "include"):
        return "api/index"
    if path.parts[:2] == ("..", "examples") and path.suffix == ".c":
        return f"examples/{path.stem}"
    if path.parent == pathlib.PurePosixPath(".") and path.suffix == ".md":
        return path.stem
    return None


class Stage:
    """What is handed to Sphinx. Files that did not change stay as they are, for its cache."""

    def __init__(self, folder):
        self.folder = folder
        self.written = set()

    def write(self, name, content):
        path = self.folder / name
        self.written.add(path)
        data = content if isinstance(content, bytes) else content.encode("utf-8")
        if not path.is_file() or path.read_bytes() != data:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

    def drop_the_rest(self):
        for path in sorted(self.folder.rglob("*")):
            if path.is_file() and path not in self.written:
                path.unlink()

    def link(self, folder, match):
        """A link as a page in `folder` of the project has it, as the site has it."""
        target, _, anchor = match.group(2).partition("#")
        if not target or re.match(r"[a-z]+:", target):
            return match.group(0)
        from_docs = os.path.relpath(ROOT / folder / target, ROOT / "docs")
        page = page_of(from_docs)
        if page is not None:
            new = f"{page}.md" + (f"#{anchor}" if anchor else "")
        elif (ROOT / folder / target).is_file():
            inside = os.path.relpath(ROOT / folder / target, ROOT)
            new = inside.removeprefix("docs/")
            if not inside.startswith("docs/"):
                new = f"files/{inside}"
            self.write(new, (ROOT / inside).read_bytes())
        else:
            raise SystemExit(f"{folder}: the site has nothing for {match.group(2)}")
        return f"[{self.words(match, page)}]({new})"

    @staticmethod
    def words(match, page):
        """Of a link: a file's name stands for its page, so the page's title stands for that."""
        words, target = match.groups()
        path = ROOT / "docs" / f"{page}.md"
        if words.split("/")[-1] != target.partition("#")[0].split("/")[-1] or not path.is_file():
            return words
        return path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")

    def page(self, name, text, folder):
        """Stage a page, its links turned; what is in fences is left alone."""
        lines = []
        fenced = False
        for line in text.split("\n"):
            if FENCE.match(line):
                fenced = not fenced
            elif not fenced:
                line = LINK.sub(lambda match: self.link(folder, match), line)
            lines.append(line)
        self.write(name, "\n".join(lines))


def contents(text):
    """The order of the site, as docs/index.md has it: [(heading, [page])]."""
    parts = []
    for line in text.split("\n"):
        if line.startswith("## "):
            parts.append((line[3:], []))
        elif match := ENTRY.match(line):
            page = page_of(match.group(1))
            if page is None or not parts:
                raise SystemExit(f"docs/index.md: no page: {match.group(1)}")
            parts[-1][1].append(page)
    return parts


def tree(caption, pages):
    lines = ["```{toctree}", ":hidden:", f":caption: {caption}", ""]
    return "\n".join([*lines, *pages, "```", ""])


def stage_index(stage):
    text = (ROOT / "docs/index.md").read_text(encoding="utf-8")
    parts = contents(text)
    trees = "\n".join(tree(caption, pages) for caption, pages in parts)
    stage.page("index.md", text + "\n" + trees, "docs")


def stage_examples(stage):
    for path in sorted((ROOT / "examples").glob("*.c")):
        code = path.read_text(encoding="utf-8")
        stage.write(f"examples/{path.stem}.md",
                    f"---\norphan: true\n---\n\n# examples/{path.name}\n\n```c\n{code}```\n")


def markdown(text):
    """A manual page; mandoc writes Markdown, but behind a Ql it takes lists for code."""
    text = re.sub(r"^\.Ql ", ".Li ", text, flags=re.M)
    made = subprocess.run(["mandoc", "-T", "markdown"], input=text, check=True, capture_output=True,
                          text=True).stdout
    body = re.sub(r"\A.*?\n(?=# NAME)", "", made, flags=re.S)
    body = re.sub(r"\nDebian.*\Z|\nQuorate -.*\Z", "\n", body, flags=re.S)
    return re.sub(r"^(#+) (.*)$", lambda m: f"#{m[1]} {m[2].capitalize()}", body, flags=re.M)


def stage_commands(stage):
    """Section 1 of the manual, each page with links to the others."""
    pages = manual.pages(PROGRAM)
    for name, text in pages.items():
        is_first = name == "quorate.1"
        down = "commands/" if is_first else ""
        body = re.sub(r"\bquorate-([a-z]+)\(1\)", rf"[quorate-\1(1)]({down}\1.md)", markdown(text))
        if is_first:
            names = [f"commands/{other[8:-2]}" for other in pages if other != name]
            lines = ["```{toctree}", ":hidden:", "", *names, "```", ""]
            stage.write("commands.md", "\n".join([f"# The program: quorate(1)\n\n{body}", *lines]))
        else:
            body = re.sub(r"\bquorate\(1\)", "[quorate(1)](../commands.md)", body)
            stage.write(f"commands/{name[8:-2]}.md", f"# {name[:-2]}(1)\n\n{body}")


def replace(text, old, new, name):
    if old not in text:
        raise SystemExit(f"{name}: the theme is not the one that this was written for: no {old!r}")
    return text.replace(old, new)


def mend_theme(output):
    """Debian's furo is the theme's source: a module in two files, which no browser loads as the plain
    script that its pages name, and none from files at all; a style sheet of another package by a
    path of Debian's web server; and colours of the dark for who presses the button alone. Make one
    script of the two, put the sheet beside its user, and give the dark to whose system asks for it.
    """
    scripts = output / "_static/scripts"
    main_script = (scripts / "furo.js").read_text(encoding="utf-8")
    line = 'import Gumshoe from "./gumshoe-patched.js";\n'
    main_script = replace(main_script, line, "", "furo.js")
    spy = (scripts / "gumshoe-patched.js").read_text(encoding="utf-8")
    (scripts / "furo.js").write_text(f"{spy}\n(function () {{\n{main_script}\n}})();\n", "utf-8")
    sheet = output / "_static/styles/furo.css"
    text = sheet.read_text(encoding="utf-8")
    text = replace(text, f"@import url({NORMALIZE});", "@import url(normalize.css);", "furo.css")
    dark = re.search(r'body\[data-theme="dark"\] \{(\s*--color-problematic.*?)\}', text, re.S)
    if dark is None:
        raise SystemExit("furo.css: where are the colours of the dark?")
    text += ("\n@media not print { @media (prefers-color-scheme: dark) { "
             f'body[data-theme="auto"] {{{dark[1]}}} }} }}\n')
    sheet.write_text(text, encoding="utf-8")
    shutil.copyfile(f"/usr/share{NORMALIZE}", output / "_static/styles/normalize.css")


def main():
    output = pathlib.Path(sys.argv[1]).resolve()
    source = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else f"{output}-source").resolve()
    stage = Stage(source)
    stage_index(stage)
    for path in sorted((ROOT / "docs").glob("*.md")):
        if path.stem != "index":
            stage.page(path.name, path.read_text(encoding="utf-8"), "docs")
    for path in sorted((ROOT / "docs").glob("*.svg")):
        stage.write(path.name, path.read_bytes())
    stage.page("contributing.md", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), ".")
    stage_examples(stage)
    stage_commands(stage)
    for name, text in api.pages(ROOT):
        stage.write(f"api/{name}.md", text)
    stage.drop_the_rest()
    if output.exists() and any(output.iterdir()):
        if not (output / ".buildinfo").is_file():
            raise SystemExit(f"{output}: holds something that is no site; it is not removed")
        shutil.rmtree(output)
    made = subprocess.run(["sphinx-build", "-q", "-W", "--keep-going", "-b", "html",
                           "-c", HERE, "-d", f"{source}-cache", source, output], check=False)
    if made.returncode == 0:
        mend_theme(output)
        pages = len(list(output.rglob("*.html")))
        print(f"docs: {pages} pages: {output}/index.html")
    sys.exit(made.returncode)


main()
