#!/usr/bin/env python3
# test_linearizability.py: the checker accepts what one register can do, and nothing else; TAP.
#
# A history is written as one line for each operation: client, `w` or `r`, value (`-` for none),
# call and return, and the outcome when it is not ok.
# SPDX-License-Identifier: Apache-2.0
import itertools
import random
import sys

import linearizability as lin
import tap

GOOD = {
    "an empty history is fine": "",
    "reads before any write find nothing": "a r - 0 1",
    "a read sees the write that returned before it": "a w 1 0 1, b r 1 2 3",
    "a read beside a write sees the old value": "a w 1 0 9, b r - 2 3",
    "a read beside a write sees the new value": "a w 1 0 9, b r 1 2 3",
    "of two writes side by side either may be last":
        "a w 1 0 9, b w 2 0 9, c r 2 10 11, c r 2 12 13",
    "a write of unknown outcome may never be seen": "a w 1 0 1 unknown, b r - 2 3, b r - 4 5",
    "a write of unknown outcome may take effect late":
        "a w 1 0 1 unknown, b r - 2 3, b r 1 4 5, b r 1 6 7",
    "a write of unknown outcome may take effect between two writes":
        "a w 1 0 1 unknown, b w 2 2 3, b r 1 4 5, b w 3 6 7, b r 3 8 9",
    "a read of unknown outcome proves nothing": "a w 1 0 1, b r - 2 3 unknown",
    "a refused write leaves no trace": "a w 1 0 1, b w 2 2 3 refused, a r 1 4 5",
    "what happens at one moment has no order": "a w 1 0 5, b r - 5 6",
}

BAD = {
    "a stale read is found": "a w 1 0 1, a w 2 2 3, b r 1 4 5",
    "a lost write is found": "a w 1 0 1, b r - 2 3",
    "a write lost after it was read is found": "a w 1 0 1, b r 1 2 3, b r - 4 5",
    "a value out of nowhere is found": "a w 1 0 1, b r 7 2 3",
    "a read of a refused write is found": "a w 1 0 1 refused, b r 1 2 3",
    "a read from the future is found": "b r 1 0 1, a w 1 2 3",
    "two readers that see the value go back are found":
        "a w 1 0 1, a w 2 2 9, b r 2 3 4, c r 1 5 6",
    "a write applied twice is found": "a w 1 0 1, b w 2 2 3, c r 2 4 5, c r 1 6 7",
    "an unknown write applied twice is found":
        "a w 1 0 1 unknown, b r 1 2 3, b w 2 4 5, b r 2 6 7, b r 1 8 9",
    "an unknown write undone is found": "a w 1 0 1 unknown, b r 1 2 3, b r - 4 5",
    "two orders that contradict each other are found":
        "a w 1 0 9, b w 2 0 9, c r 1 1 2, c r 2 3 4, d r 2 1 2, d r 1 3 4",
}


def parse(text):
    history = []
    for line in filter(None, text.split(", ")):
        client, kind, value, called, returned, *outcome = line.split()
        history.append(lin.Operation(
            client, lin.READ if kind == "r" else lin.WRITE, None if value == "-" else value,
            outcome[0] if outcome else lin.OK, int(called), int(returned)))
    return history


def case_of(name, text, is_good):
    def case(_):
        verdict = lin.check(parse(text))
        tap.check((verdict is None) == is_good, f"the verdict was {verdict}")

    case.__doc__ = name
    return case


def is_order_possible(order):
    value = None
    for index, operation in enumerate(order):
        if any(later.returned < operation.called for later in order[index + 1:]):
            return False
        is_possible, value = lin.apply(operation, value)
        if not is_possible:
            return False
    return True


def is_linearizable_by_trying(history):
    """By the definition: some order, of all that is known and some of what is not."""
    known = [o for o in history if o.outcome == lin.OK]
    maybe = [o._replace(returned=99) for o in history
             if o.outcome == lin.UNKNOWN and o.kind == lin.WRITE]
    for count in range(len(maybe) + 1):
        for chosen in itertools.combinations(maybe, count):
            operations = known + list(chosen)
            if any(map(is_order_possible, itertools.permutations(operations))):
                return True
    return False


def random_history(chance):
    history = []
    for number in range(chance.randint(2, 5)):
        called = chance.randint(0, 8)
        returned = called + chance.randint(1, 5)
        outcome = chance.choice([lin.OK, lin.OK, lin.OK, lin.UNKNOWN, lin.REFUSED])
        if chance.random() < 0.5:
            operation = (lin.WRITE, str(number))
        else:
            operation = (lin.READ, chance.choice([None, "0", "1", "2", "3"]))
        history.append(lin.Operation(number, *operation, outcome, called, returned))
    return history


def case_random(_):
    """The checker agrees with trying all orders, on 3,000 random small histories."""
    chance = random.Random(7)
    verdicts = []
    for _ in range(3000):
        history = random_history(chance)
        verdict = lin.check(history)
        verdicts.append(verdict is None)
        tap.check(verdicts[-1] == is_linearizable_by_trying(history),
                  f"the verdict was {verdict} of {history}")
    share = sum(verdicts) / len(verdicts)
    tap.check(0.2 < share < 0.8, f"{share:.2f} were linearizable: too few of the other kind")


def case_twice(_):
    """A history that writes one value twice is refused, as the checker relies on it."""
    try:
        lin.check(parse("a w 1 0 1, b w 1 2 3"))
    except ValueError:
        return
    raise tap.Failed("it was accepted")


def case_bounded(_):
    """A history with too many open writes ends in no verdict, not in endless work."""
    history = [lin.Operation(i, lin.WRITE, str(i), lin.OK, 0, 100) for i in range(24)]
    try:
        lin.check(history)
    except lin.Undecided:
        return
    raise tap.Failed("a verdict was given")


def case_long(_):
    """A history of 20,000 operations by 6 clients is decided, and one stale read in it found."""
    chance = random.Random(11)
    history, value, now = [], None, 0
    for number in range(20_000):
        now += 10
        begin, end = now - chance.randint(0, 25), now + chance.randint(1, 4)
        if chance.random() < 0.5:
            value = str(number)
            history.append(lin.Operation(number % 6, lin.WRITE, value, lin.OK, begin, end))
        else:
            history.append(lin.Operation(number % 6, lin.READ, value, lin.OK, begin, end))
    tap.check_equal(lin.check(history), None, "the verdict")
    stale = lin.Operation(9, lin.READ, history_first_value(history), lin.OK, now - 100, now)
    tap.check(lin.check(history + [stale]) is not None, "the stale read was not found")


def history_first_value(history):
    return next(o.value for o in history if o.kind == lin.WRITE)


def main():
    cases = [case_of(name, text, True) for name, text in GOOD.items()]
    cases += [case_of(name, text, False) for name, text in BAD.items()]
    sys.exit(tap.run(cases + [case_random, case_twice, case_bounded, case_long]))


main()
