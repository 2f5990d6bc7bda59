# source.py: what the checks of the source share: finding files and seeing through comments.
# SPDX-License-Identifier: Apache-2.0
import pathlib
import re
import sys

# Another tree than the project's own is handed in by the tests of the checks.
OWN = pathlib.Path(__file__).resolve().parent.parent
ROOT = pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else OWN

TOKEN = re.compile(
    r"""
      (?P<block>/\*.*?\*/)
    | (?P<line>//[^\n]*)
    | (?P<string>"(?:\\.|[^"\\\n])*")
    | (?P<character>'(?:\\.|[^'\\\n])*')
    """,
    re.X | re.S,
)


def c_files(*folders):
    """Every .c and .h file under `folders`, sorted, as paths from the root."""
    found = []
    for folder in folders:
        for suffix in ("*.c", "*.h"):
            found += (ROOT / folder).rglob(suffix)
    return sorted(path.relative_to(ROOT) for path in found)


def read(path):
    return (ROOT / path).read_text(encoding="utf-8")


def _blank(text):
    return re.sub(r"[^\n]", " ", text)


def code_only(text):
    """`text` with comments and the insides of strings as blanks; lines and columns stay.

    Returns the text and the numbers of the lines on which a // comment begins.
    """
    line_comments = []

    def replace(match):
        if match.lastgroup == "line":
            line_comments.append(text.count("\n", 0, match.start()) + 1)
        if match.lastgroup in ("block", "line"):
            return _blank(match.group(0))
        return match.group(0)[0] + _blank(match.group(0)[1:-1]) + match.group(0)[-1]

    return TOKEN.sub(replace, text), line_comments


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def comments_only(text):
    """`text` with all but its comments as blanks; lines and columns stay."""
    kept = list(_blank(text))
    for match in TOKEN.finditer(text):
        if match.lastgroup in ("block", "line"):
            kept[match.start() : match.end()] = match.group(0)
    return "".join(kept)


class Report:
    """Violations, each named by file, line and rule."""

    def __init__(self):
        self.count = 0

    def add(self, path, line, rule):
        self.count += 1
        print(f"{path}:{line}: {rule}")
