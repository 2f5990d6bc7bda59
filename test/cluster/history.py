# history.py: what the clients' own records say about counters, lists and answers.
#
# Each function takes records (workload.py) and what was read at the end, and returns None or a
# sentence that says which rule was broken and by what. Registers are linearizability.py's.
# SPDX-License-Identifier: Apache-2.0
import bisect

import linearizability
from linearizability import OK, READ, REFUSED, UNKNOWN, WRITE
from workload import ADVANCE, APPEND, INCREMENT


def of_key(records, key, *kinds):
    return [r for r in records if r.key == key and (not kinds or r.kind in kinds)]


def register_verdict(records, key):
    """Every read of the key sees the last write: no write is lost, no read is stale."""
    return linearizability.check([
        linearizability.Operation(r.client, r.kind, r.value, r.outcome, r.called, r.returned)
        for r in of_key(records, key, READ, WRITE)
    ])


def bounds_verdict(key, final, acknowledged, unknown):
    if acknowledged <= final <= acknowledged + unknown:
        return None
    return (f"{key} is {final} at the end, with {acknowledged} acknowledged and {unknown} of "
            "unknown outcome")


def counter_verdict(records, key, final):
    """Every acknowledged INCR counts once, every unknown one at most once, a refused one never."""
    operations = of_key(records, key, INCREMENT)
    answers = [r.answer for r in operations if r.outcome == OK]
    if len(set(answers)) != len(answers):
        twice = next(a for a in answers if answers.count(a) > 1)
        return f"{key}: two clients were answered {twice}"
    unknown = sum(r.outcome == UNKNOWN for r in operations)
    return bounds_verdict(key, final, len(answers), unknown)


def ballot_verdict(records, key, final):
    """Every compare-and-set that won counts once, one that lost or was refused never."""
    operations = of_key(records, key, ADVANCE)
    won = [r.value for r in operations if r.outcome == OK and r.answer is not None]
    if len(set(won)) != len(won):
        return f"{key}: two clients won {next(v for v in won if won.count(v) > 1)}"
    unknown = sum(r.outcome == UNKNOWN for r in operations)
    return bounds_verdict(key, final, len(won), unknown)


def order_verdict(key, placed):
    """Whoever began after another had its answer comes after it.

    placed   (called, returned, place) of operations that took effect.
    """
    by_return = sorted((returned, place) for _, returned, place in placed)
    returns = [returned for returned, _ in by_return]
    highest, top = [], float("-inf")
    for _, place in by_return:
        top = max(top, place)
        highest.append(top)
    for called, _, place in placed:
        before = bisect.bisect_left(returns, called)
        if before > 0 and highest[before - 1] > place:
            return (f"{key}: what began at {called} has place {place}, behind place "
                    f"{highest[before - 1]} that was answered before")
    return None


def counter_order_verdict(records, key):
    """Answers of INCR grow in real time."""
    return order_verdict(key, [(r.called, r.returned, r.answer)
                               for r in of_key(records, key, INCREMENT) if r.outcome == OK])


def ballot_read_verdict(records, key):
    """A read finds at least the highest ballot that was known to be won before it began; each
    ballot was set before all records."""
    placed = []
    for r in of_key(records, key, READ, ADVANCE):
        if r.outcome != OK or r.kind == ADVANCE and r.answer is None:
            continue
        if r.value is None:
            return f"{key}: nothing was read: {r}"
        placed.append((r.called, r.returned, int(r.value)))
    return order_verdict(key, placed)


def list_verdict(records, key, final):
    """Acknowledged pieces are there once, unknown ones at most once, refused ones not at all."""
    pieces = [piece + ";" for piece in (final or "").split(";")[:-1]]
    places = {piece: place for place, piece in enumerate(pieces)}
    if len(places) != len(pieces):
        return f"{key}: {next(p for p in pieces if pieces.count(p) > 1)} is there twice"
    operations = {r.value: r for r in of_key(records, key, APPEND)}
    for piece in pieces:
        if piece not in operations:
            return f"{key}: {piece} is there, and nobody appended it"
        if operations[piece].outcome == REFUSED:
            return f"{key}: {piece} is there, and was refused: {operations[piece]}"
    lost = [r for r in operations.values() if r.outcome == OK and r.value not in places]
    if lost:
        return f"{key}: {len(lost)} acknowledged pieces are lost, as {lost[0]}"
    return order_verdict(key, [(r.called, r.returned, places[r.value])
                               for r in operations.values() if r.outcome == OK])


def pipeline_verdict(records, key, final):
    """What one client sent at once and had acknowledged took effect in the order it was sent."""
    places = {piece + ";": place for place, piece in enumerate((final or "").split(";"))}
    last = {}
    for r in of_key(records, key, APPEND):
        if r.outcome != OK or r.value not in places:
            continue
        if places[r.value] < last.get(r.client, -1):
            return f"{key}: {r.value} stands before what client {r.client} appended before it"
        last[r.client] = places[r.value]
    return None
