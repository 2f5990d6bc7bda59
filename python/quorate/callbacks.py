# callbacks.py: the functions of Python that C is given.
# SPDX-License-Identifier: Apache-2.0
"""What C calls: one function of each kind, for as long as the process lives.

So C never holds one that was freed, not even while it returns from it. C's `argument` is a number;
what it stands for is called under keep() and no more behind forget(), however late C still calls.
"""
import contextlib
import itertools
import threading
import traceback

from .binding import ffi

numbers = itertools.count(1)  # never given twice
kept = {}  # number: (Place, function)


class Place:
    """Where an engine calls Python, on one thread at a time: `with place:` is around each call."""

    def __init__(self):
        self._threads = []  # one, or two where a call leads to another

    def __enter__(self):
        self._threads.append(threading.get_ident())

    def __exit__(self, *_):
        self._threads.pop()

    def is_here(self):
        """Whether this very thread is in a callback, which must not wait for the engine."""
        return self._threads[-1:] == [threading.get_ident()]


def keep(place, function):
    """The `argument` with which C is to be told to call a function."""
    number = next(numbers)
    kept[number] = place, function
    return ffi.cast("void *", number)


def forget(argument):
    """Call no more what stands for an argument; one that is unknown is ignored."""
    kept.pop(int(ffi.cast("uintptr_t", argument)), None)


def tell_exception():
    """Print the exception of what has no caller that it could be raised in."""
    with contextlib.suppress(Exception):  # there may be nowhere to print to
        traceback.print_exc()


def call(argument, *what):
    found = kept.get(int(ffi.cast("uintptr_t", argument)))
    if found is None:
        return
    place, function = found
    with place:
        try:
            function(*what)
        except BaseException:  # SystemExit, too: no thread of Python's own ends by it
            tell_exception()


# by the names of their types in the headers
FUNCTIONS = {name: ffi.callback(name, call) for name in (
    "qr_backup_done", "qr_commit_handler", "qr_membership_handler", "qr_propose_done",
    "qr_role_handler", "qr_snapshot_done", "void(void *, int, const char *)")}
ON_STOPPED = FUNCTIONS["void(void *, int, const char *)"]
