# tap.py: runs cases and prints TAP: `ok N - sentence`, `not ok N - sentence`, and why.
#
# A case is a function whose docstring is its name, a sentence. It passes unless it raises. What
# it is called with is a context that all cases share, a running cluster as a rule.
# SPDX-License-Identifier: Apache-2.0
import signal
import sys
import traceback


class Failed(Exception):
    """A rule was broken; the text says which, and what was found instead."""


def comment(text):
    """Print for people; a program that reads TAP passes it over."""
    for line in str(text).splitlines():
        print(f"# {line}", flush=True)


def check(condition, text):
    if not condition:
        raise Failed(text)


def check_equal(got, wanted, what="the result"):
    if got != wanted:
        raise Failed(f"{what} is {got!r}, wanted {wanted!r}")


def name_of(case):
    return " ".join(case.__doc__.split()).rstrip(".")


def run_case(number, case, context):
    try:
        case(context)
    except Exception as error:  # whatever it is, the other cases still run
        print(f"not ok {number} - {name_of(case)}", flush=True)
        if isinstance(error, Failed):
            comment(error)
        else:
            comment("".join(traceback.format_exception(error)))
        return False
    print(f"ok {number} - {name_of(case)}", flush=True)
    return True


def run(cases, context=None, on_failure=None):
    """Run all cases, in order. Returns the exit code: 0 when every one passed.

    on_failure   called once behind the first case that failed.
    """
    print(f"1..{len(cases)}", flush=True)
    failed_count = 0
    for number, case in enumerate(cases, 1):
        if run_case(number, case, context):
            continue
        failed_count += 1
        if failed_count == 1 and on_failure is not None:
            on_failure()
    return 0 if failed_count == 0 else 1


def end_on_signals():
    """Let SIGTERM and SIGINT end the program as an exception does: what was started is stopped."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _: sys.exit(128 + received))
