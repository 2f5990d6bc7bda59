# bounds.py: what a node keeps has limits, however long it runs: its log, snapshots and memory; and
# there are things that it never says.
# SPDX-License-Identifier: Apache-2.0
import os
import pathlib
import re

NEVER_SAID = re.compile(r".*(node_failed|assertion failed|Sanitizer|runtime error).*")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def data_bytes(node):
    """(bytes of the log's files, bytes of all others)"""
    sums = {True: 0, False: 0}
    for path in node.data.rglob("*"):
        try:
            sums[path.name.startswith("log-")] += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            pass  # compaction goes on meanwhile
    return sums[True], sums[False]


def complaint(node):
    """A line of its log that says that something is wrong with it, or None."""
    found = NEVER_SAID.search(node.log_text())
    return found and found.group()


def memory_bytes(node):
    """What the process has in memory."""
    resident = pathlib.Path(f"/proc/{node.process.pid}/statm").read_text().split()[1]
    return int(resident) * PAGE_BYTES


def is_sanitized(program):
    """Whether it is built with a sanitizer, which needs memory of its own."""
    return any(name in pathlib.Path(program).read_bytes() for name in (b"__asan_", b"__tsan_"))
