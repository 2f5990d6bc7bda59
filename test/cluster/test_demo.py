#!/usr/bin/env python3
# test_demo.py: `quorate demo` replicates a file, loses its leader, and proves what it says; TAP.
#
# usage: test_demo.py PROGRAM
#
# SPDX-License-Identifier: Apache-2.0
import os
import pathlib
import re
import sys

import tap
from cluster import run, temporary_folder

LINES = 300


def write_input(folder):
    """A file longer than what is asked for, with odd lines in it."""
    path = folder / "input.txt"
    lines = [f"line {i} \u00e4 \"quoted\" \\ {'x' * (i % 90)}" for i in range(2 * LINES)]
    lines[7] = ""
    lines[8] = "   "
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


class Story:
    """One demo, run once; the cases look at what it said."""

    def __init__(self, folder):
        self.folder = folder
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        self.done = run("demo", "--input", write_input(folder), "--lines", LINES,
                        timeout=150, env={**os.environ, "TMPDIR": str(self.temporary)})
        self.text = self.done.stdout

    def find(self, pattern):
        found = re.search(pattern, self.text)
        tap.check(found is not None, f"nothing like {pattern!r} in:\n{self.text}{self.done.stderr}")
        return found


def case_exit(story):
    """The demo ends with 0."""
    tap.check_equal(story.done.returncode, 0, f"the exit code ({story.text}{story.done.stderr})")


def case_kill(story):
    """The demo kills the leader with SIGKILL in the middle, and another node leads then."""
    before = story.find(r"(n\d) leads in term (\d+)")
    killed = story.find(r"killing (n\d) \(kill -9\)")
    after = story.find(r"(n\d) leads now, in term (\d+)")
    tap.check_equal(killed.group(1), before.group(1), "who was killed")
    tap.check(after.group(1) != killed.group(1), "the killed node leads")
    tap.check(int(after.group(2)) > int(before.group(2)), "the term did not grow")


def case_pause(story):
    """The demo tells how long writes stood still."""
    story.find(r"stood still for \d+ ms")


def case_proof(story):
    """The demo proves that all acknowledged lines are on all nodes, with one digest."""
    proof = story.find(r"all (\d+) acknowledged lines .* (\d+) nodes.*digest ([0-9a-f]+)")
    tap.check_equal(proof.groups()[:2], (str(LINES), "3"), "lines and nodes")


def case_clean(story):
    """The demo leaves nothing behind: no folder, no process."""
    tap.check_equal(list(story.temporary.iterdir()), [], "what is left")
    tap.check_equal(processes_with(str(story.temporary)), [], "what still runs")


def processes_with(word):
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and word.encode() in (entry / "cmdline").read_bytes():
                found.append(entry.name)
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found


def case_input(story):
    """A demo of a file that is not there ends with 1 and names it."""
    path = story.folder / "none.txt"
    done = run("demo", "--input", path)
    tap.check_equal(done.returncode, 1, "the exit code")
    tap.check(str(path) in done.stderr, f"it said {done.stderr!r}")


def main():
    tap.end_on_signals()
    with temporary_folder() as folder:
        code = tap.run([case_exit, case_kill, case_pause, case_proof, case_clean, case_input],
                       Story(folder))
    sys.exit(code)


main()
