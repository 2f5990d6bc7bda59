# linearizability.py: could one register, used by one client at a time, have given these answers?
#
# The history of one key: reads, and writes whose values are all different. Just-in-time
# linearization (Lowe, "Testing for linearizability", 2016): walk through the calls and returns in
# order of time; keep every state the register can be in together with the open calls that have
# taken effect; an operation takes effect at the latest when it, or one that needs it, returns.
# Equal states are kept once, which is what bounds the work.
#
# A write of unknown outcome may take effect at any time after its call, or never. As values are
# unique it must have, before the first read of its value returned; if nobody ever read it,
# leaving it out explains the others' answers just as well.
# SPDX-License-Identifier: Apache-2.0
import collections

STATES_MAX = 200_000

READ, WRITE = "read", "write"
OK, REFUSED, UNKNOWN = "ok", "refused", "unknown"

CALLED, RETURNED = 0, 1

# `value` of a read is what it returned, None where there was nothing. Times are of one clock,
# in any unit; `returned` of an unknown outcome means nothing.
Operation = collections.namedtuple(
    "Operation", "client kind value outcome called returned", defaults=(0, 0)
)


class Undecided(Exception):
    """More states than the limit: no verdict."""


def first_reads(history):
    """value -> when the first read that saw it returned."""
    first = {}
    for operation in history:
        if operation.kind == READ and operation.outcome == OK and operation.value is not None:
            seen = first.get(operation.value, operation.returned)
            first[operation.value] = min(seen, operation.returned)
    return first


def effective(history):
    """Only what can have had an effect, with the time by which it must have."""
    first = first_reads(history)
    kept = []
    for operation in history:
        if operation.outcome == OK:
            kept.append(operation)
        elif operation.kind == WRITE and operation.outcome == UNKNOWN:
            if operation.value in first:
                kept.append(operation._replace(returned=first[operation.value]))
    return kept


def strangers(history):
    """A sentence for a value that was read though no write can have put it there, or None."""
    written = {}
    for operation in history:
        if operation.kind == WRITE:
            if operation.value in written:
                raise ValueError(f"{operation.value!r} is written twice")
            written[operation.value] = operation
    for operation in history:
        if operation.kind != READ or operation.outcome != OK or operation.value is None:
            continue
        writer = written.get(operation.value)
        if writer is None:
            return f"{operation.value!r} was read, and nobody wrote it: {operation}"
        if writer.outcome == REFUSED:
            return f"{operation.value!r} was read, and its write was refused: {writer} {operation}"
        if operation.returned < writer.called:
            return f"{operation.value!r} was read before it was written: {writer} {operation}"
    return None


def events(operations):
    """(time, CALLED or RETURNED, position) in order of time.

    At equal times calls come first: then neither is before the other. Of returns a write's comes
    first, as the deadline of an unknown one is the return of the read that saw it.
    """
    found = []
    for position, operation in enumerate(operations):
        is_read = operation.kind == READ
        found.append((operation.called, CALLED, is_read, position))
        found.append((operation.returned, RETURNED, is_read, position))
    found.sort()
    return [(time, what, position) for time, what, _, position in found]


def apply(operation, value):
    """Returns (whether it can take effect on `value`, the value then)."""
    if operation.kind == WRITE:
        return True, operation.value
    return operation.value == value, value


def states_with(position, states, open_calls, operations):
    """All states that can follow in which the operation has taken effect; it is then forgotten."""
    done = set()
    seen = set(states)
    waiting = list(states)
    while waiting:
        value, taken = waiting.pop()
        if position in taken:
            done.add((value, taken - {position}))
            continue
        for other in open_calls:
            if other in taken:
                continue
            is_possible, after = apply(operations[other], value)
            state = (after, taken | {other})
            if is_possible and state not in seen:
                seen.add(state)
                waiting.append(state)
        if len(seen) > STATES_MAX:
            raise Undecided(f"more than {STATES_MAX} states at {operations[position]}")
    return done


def check(history, initial=None):
    """Returns None when the history is linearizable, else a sentence that says where it is not.

    Raises Undecided when that would take too much, ValueError when a value is written twice.
    """
    stranger = strangers(history)
    if stranger is not None:
        return stranger
    operations = effective(history)
    states = {(initial, frozenset())}
    open_calls = set()
    for _, what, position in events(operations):
        if what == CALLED:
            open_calls.add(position)
            continue
        following = states_with(position, states, open_calls, operations)
        if not following:
            values = sorted({repr(value) for value, _ in states})
            return f"no order explains {operations[position]}; the value was {', '.join(values)}"
        open_calls.remove(position)
        states = following
    return None
