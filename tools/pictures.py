#!/usr/bin/env python3
# pictures.py: draws the pictures of docs/concepts.md.
#
# usage: pictures.py FOLDER     write them there
#        pictures.py --check    fail when those in docs/ are not what this draws
#
# Plain SVG, white, in the colours of the plots of docs/swim.md; 480 wide, to be read on a phone.
# SPDX-License-Identifier: Apache-2.0
import pathlib
import sys

DOCS = pathlib.Path(__file__).resolve().parent.parent / "docs"
WIDTH = 480
BLUE, RED, GREEN, GREY, LIGHT, INK = "#1b6ca8", "#b02a30", "#2e8b57", "#777", "#ddd", "#222"
PALE = "#e3eef6"


def number(value):
    return f"{value:g}"


class Picture:
    """Shapes, in the order in which they are drawn."""

    def __init__(self, height, title):
        self.height = height
        self.title = title
        self.shapes = []
        self.arrow_colours = []

    def add(self, shape):
        self.shapes.append(shape)

    def text(self, x, y, words, colour=INK, anchor="start", size=13, weight="normal"):
        words = words.replace("&", "&amp;").replace("<", "&lt;")
        bold = "" if weight == "normal" else f' font-weight="{weight}"'
        self.add(f'<text x="{number(x)}" y="{number(y)}" fill="{colour}" text-anchor="{anchor}" '
                 f'font-size="{size}"{bold}>{words}</text>')

    def line(self, x1, y1, x2, y2, colour=GREY, width=1.5, dash=None, is_arrow=False):
        dashes = f' stroke-dasharray="{dash}"' if dash else ""
        arrow = ""
        if is_arrow:
            if colour not in self.arrow_colours:
                self.arrow_colours.append(colour)
            arrow = f' marker-end="url(#a{self.arrow_colours.index(colour)})"'
        self.add(f'<line x1="{number(x1)}" y1="{number(y1)}" x2="{number(x2)}" y2="{number(y2)}" '
                 f'stroke="{colour}" stroke-width="{number(width)}"{dashes}{arrow}/>')

    def box(self, x, y, width, height, fill="white", stroke=GREY, dash=None, radius=2):
        dashes = f' stroke-dasharray="{dash}"' if dash else ""
        self.add(f'<rect x="{number(x)}" y="{number(y)}" width="{number(width)}" '
                 f'height="{number(height)}" rx="{radius}" fill="{fill}" stroke="{stroke}"{dashes}/>')

    def circle(self, x, y, radius, fill, stroke, words="", colour=INK):
        self.add(f'<circle cx="{number(x)}" cy="{number(y)}" r="{number(radius)}" fill="{fill}" '
                 f'stroke="{stroke}" stroke-width="1.5"/>')
        if words:
            self.text(x, y + 4.5, words, colour, "middle")

    def svg(self):
        markers = "".join(
            f'<marker id="a{at}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
            f'markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="{colour}"/></marker>'
            for at, colour in enumerate(self.arrow_colours))
        head = (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {self.height}" '
                f'font-family="sans-serif" role="img">\n<title>{self.title}</title>\n')
        if markers:
            head += f"<defs>{markers}</defs>\n"
        white = f'<rect width="{WIDTH}" height="{self.height}" fill="white"/>\n'
        return head + white + "\n".join(self.shapes) + "\n</svg>\n"


def entry(picture, x, y, term, words, is_committed):
    """One entry of a log: its term above what it says."""
    fill, stroke, dash = (PALE, BLUE, None) if is_committed else ("white", GREY, "3 2")
    picture.box(x, y, 44, 34, fill, stroke, dash)
    picture.text(x + 22, y + 13, f"term {term}", GREY, "middle", 10)
    picture.text(x + 22, y + 28, words, INK, "middle", 12)


def log():
    picture = Picture(214, "Three copies of one log")
    entries = [(1, "+5"), (1, "+2"), (3, "-1"), (3, "+4"), (3, "+9"), (3, "+1")]
    for at in range(len(entries)):
        picture.text(122 + 50 * at, 18, str(at + 1), GREY, "middle", 11)
    picture.text(88, 18, "index", GREY, "end", 11)
    for row, (name, role, count) in enumerate(
            [("a", "leader", 6), ("b", "follower", 5), ("c", "follower", 3)]):
        y = 28 + 48 * row
        picture.text(12, y + 15, name, INK, weight="bold")
        picture.text(12, y + 30, role, BLUE if row == 0 else GREY, size=12)
        for at in range(count):
            term, words = entries[at]
            entry(picture, 100 + 50 * at, y, term, words, at < 5)
    picture.line(347, 8, 347, 172, RED, 1.5, "5 3")
    picture.text(343, 188, "commit index 5: a and b have it durably,", RED, "end", 12)
    picture.text(343, 204, "and they are two of three", RED, "end", 12)
    return picture


def lifelines(picture, names, top, bottom):
    step = (WIDTH - 80) / (len(names) - 1)
    places = [40 + step * at for at in range(len(names))]
    for x, name in zip(places, names):
        picture.text(x, top - 8, name, INK, "middle", 13, "bold")
        picture.line(x, top, x, bottom, LIGHT, 2)
    return places


def write():
    picture = Picture(312, "The way of one write")
    client, leader, b, c = lifelines(picture, ["client", "leader a", "b", "c"], 28, 300)
    picture.line(client, 48, leader - 2, 56, INK, 1.5, None, True)
    picture.text((client + leader) / 2, 44, "propose", INK, "middle", 12)
    picture.line(leader, 72, b - 2, 88, BLUE, 1.5, None, True)
    picture.line(leader, 72, c - 2, 104, BLUE, 1.5, None, True)
    picture.text((leader + b) / 2 + 2, 70, "append_entries", BLUE, "middle", 12)
    for x, y, height, words in ((leader, 74, 52, "sync"), (b, 90, 52, "sync"), (c, 106, 120, "slow")):
        picture.box(x - 8, y, 16, height, PALE, BLUE)
        picture.text(x + 13, y + height / 2 + 4, words, GREY, size=11)
    picture.line(b - 8, 144, leader + 2, 160, BLUE, 1.5, None, True)
    picture.text((leader + b) / 2, 147, "durable", BLUE, "middle", 12)
    picture.text(leader, 178, "committed: two of three", RED, "middle", 12)
    picture.box(leader - 8, 186, 16, 24, "white", GREEN)
    picture.text(leader + 13, 202, "apply", GREY, size=11)
    picture.line(leader - 8, 212, client + 2, 222, GREEN, 1.5, None, True)
    picture.text((client + leader) / 2, 209, "done", GREEN, "middle", 12)
    picture.line(c - 8, 230, leader + 2, 262, GREY, 1.5, "4 3", True)
    picture.text((b + c) / 2, 260, "durable, later", GREY, "middle", 12)
    picture.text(240, 294, "nobody waited for c", GREY, "middle", 12)
    return picture


def terms():
    picture = Picture(152, "Terms: each begins with an election")
    spans = [(1, 130, "a leads", "a is killed"), (2, 44, None, None), (3, 150, "c leads", None)]
    x = 16
    for term, width, leads, end in spans:
        picture.box(x, 40, 32, 36, "#f7e3e0", RED)
        if leads:
            picture.box(x + 32, 40, width, 36, PALE, BLUE)
            picture.text(x + 32 + width / 2, 62, leads, BLUE, "middle")
        picture.text(x + 2, 32, f"term {term}", INK, size=12)
        if end:
            picture.line(x + 32 + width, 36, x + 32 + width, 92, RED, 1.5)
            picture.text(x + 32 + width, 106, end, RED, "middle", 12)
        x += 32 + (width if leads else 0) + 32
    picture.line(226, 80, 226, 122, GREY, 1)
    picture.text(226, 136, "nobody won: votes were split", GREY, "middle", 12)
    picture.line(12, 84, 468, 84, LIGHT, 1, None, True)
    picture.text(464, 98, "time", GREY, "end", 12)
    picture.box(384, 118, 12, 12, "#f7e3e0", RED)
    picture.text(402, 129, "election", GREY, size=12)
    return picture


def quorum():
    picture = Picture(224, "A cut: the side with a majority goes on")
    for left, places, majority, words in (
            (0, [(60, 70), (110, 110), (180, 80)], 2, "3 voters: 2 decide, 1 may fail"),
            (240, [(46, 60), (92, 116), (132, 58), (176, 116), (206, 60)], 3,
             "5 voters: 3 decide, 2 may fail")):
        for at, (x, y) in enumerate(places):
            is_in = at < majority
            picture.circle(left + x, y, 17, PALE if is_in else "white", BLUE if is_in else GREY,
                           "abcde"[at], INK if is_in else GREY)
        picture.text(left + 120, 176, words, INK, "middle", 12)
    picture.line(146, 34, 146, 150, RED, 2, "6 4")
    picture.line(394, 34, 394, 150, RED, 2, "6 4")
    picture.text(72, 26, "elects, commits", BLUE, "middle", 12)
    picture.text(190, 26, "waits", GREY, "middle", 12)
    picture.text(318, 26, "elects, commits", BLUE, "middle", 12)
    picture.text(434, 26, "waits", GREY, "middle", 12)
    picture.line(240, 12, 240, 186, LIGHT, 1)
    picture.text(240, 210, "Any two majorities share a node, so two sides never decide differently.", GREY,
                 "middle", 12)
    return picture


def snapshot():
    picture = Picture(212, "A snapshot takes the place of the log behind it")
    picture.text(12, 22, "before", INK, size=13, weight="bold")
    for at in range(8):
        picture.box(12 + 56 * at, 32, 50, 28, PALE, BLUE)
        picture.text(37 + 56 * at, 51, str(at + 1), INK, "middle", 12)
    picture.line(460, 46, 472, 46, GREY, 1.5, None, True)
    picture.line(234, 66, 234, 100, RED, 1.5, None, True)
    picture.text(242, 88, "state at 4, durable under its name first", RED, size=12)
    picture.text(12, 116, "after", INK, size=13, weight="bold")
    picture.box(12, 124, 218, 32, "#e4f1e9", GREEN)
    picture.text(121, 144, "snapshot at 4", GREEN, "middle")
    for at in range(4, 8):
        picture.box(12 + 56 * at, 126, 50, 28, PALE, BLUE)
        picture.text(37 + 56 * at, 145, str(at + 1), INK, "middle", 12)
    picture.line(460, 140, 472, 140, GREY, 1.5, None, True)
    picture.text(12, 180, "A restart restores the snapshot and applies 5 to 8. A member that", GREY,
                 size=12)
    picture.text(12, 196, "still lacks 3 is sent the snapshot: entry 3 is in no log any more.", GREY,
                 size=12)
    return picture


def swim():
    picture = Picture(300, "How a member is found dead")
    a, b, c, d = lifelines(picture, ["a", "b", "c", "d: killed"], 28, 288)
    picture.line(d, 28, d, 288, RED, 2, "2 5")
    picture.line(a, 44, d - 4, 60, BLUE, 1.5, "5 3", True)
    picture.text(240, 46, "ping", BLUE, "middle", 12)
    picture.text(d - 8, 82, "no ack", RED, "end", 12)
    picture.line(a, 96, b - 2, 104, BLUE, 1.5, None, True)
    picture.line(a, 96, c - 2, 112, BLUE, 1.5, None, True)
    picture.text((a + b) / 2, 94, "ping_req", BLUE, "middle", 12)
    picture.line(b, 112, d - 4, 130, BLUE, 1.5, "5 3", True)
    picture.line(c, 120, d - 4, 134, BLUE, 1.5, "5 3", True)
    picture.line(b, 152, a + 2, 160, BLUE, 1.5, None, True)
    picture.text((a + b) / 2, 148, "nack", BLUE, "middle", 12)
    picture.text(a + 6, 182, "suspect d", RED, size=12)
    picture.line(a, 190, b - 2, 198, RED, 1.5, None, True)
    picture.line(b, 200, c - 2, 208, RED, 1.5, None, True)
    picture.text(c + 8, 206, "the news spreads", GREY, size=12)
    picture.text(c + 8, 222, "with other packets", GREY, size=12)
    picture.line(c, 226, d - 4, 240, BLUE, 1.5, "5 3", True)
    picture.text((b + c) / 2, 240, "c finds the same", GREY, "middle", 12)
    picture.text(a + 6, 264, "dead: two found it, and", RED, size=12)
    picture.text(a + 6, 280, "d did not contradict in time", RED, size=12)
    return picture


def session():
    picture = Picture(250, "A command that is sent twice is done once")
    client, a, b = lifelines(picture, ["client", "node a", "node b"], 28, 214)
    picture.line(client, 46, a - 2, 58, INK, 1.5, None, True)
    picture.text((client + a) / 2, 42, "7: add 5", INK, "middle", 12)
    picture.text(a + 8, 74, "applied: sum 12", GREEN, size=12)
    picture.line(a, 84, a - 96, 94, GREY, 1.5, "4 3", True)
    picture.text(a - 106, 100, "x", RED, "middle", 16, "bold")
    picture.text(a - 20, 108, "the answer is lost", RED, "end", 12)
    picture.line(client, 130, b - 2, 150, INK, 1.5, None, True)
    picture.text((client + a) / 2, 130, "7: add 5, again", INK, "middle", 12)
    picture.text(b - 8, 170, "7 is known: not applied again", GREEN, "end", 12)
    picture.line(b, 180, client + 2, 200, GREEN, 1.5, None, True)
    picture.text((client + a) / 2, 188, "sum 12", GREEN, "middle", 12)
    picture.text(240, 240, "The table of what was done is replicated, as the state is.", GREY,
                 "middle", 12)
    return picture


PICTURES = {"log": log, "write": write, "terms": terms, "quorum": quorum, "snapshot": snapshot,
            "swim": swim, "session": session}


def main():
    if len(sys.argv) != 2:
        raise SystemExit("usage: pictures.py FOLDER | --check")
    is_check = sys.argv[1] == "--check"
    failed = 0
    for name, draw in PICTURES.items():
        path = (DOCS if is_check else pathlib.Path(sys.argv[1])) / f"concepts-{name}.svg"
        made = draw().svg()
        if not is_check:
            path.write_text(made, encoding="utf-8")
        elif not path.is_file() or path.read_text(encoding="utf-8") != made:
            failed = 1
            print(f"{path.name}: not what is drawn: tools/pictures.py docs")
    if is_check:
        print(f"pictures: {len(PICTURES)} as drawn")
    sys.exit(failed)


main()
