# support.py: a state machine, and engines of this process, for the tests of the Python package.
# SPDX-License-Identifier: Apache-2.0
import contextlib
import io
import pathlib
import sys

import quorate

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "test/cluster"))
import cluster as rig  # noqa: E402
import tap  # noqa: E402

__all__ = ["Counter", "address", "alone", "known", "opened", "printed", "raised", "rig", "tap",
           "three"]


class Counter(quorate.StateMachine):
    """Adds numbers. "bad" is rejected; "broken" and "exit" stop the node."""

    def __init__(self):
        self.sum = 0
        self.count = 0

    def apply(self, entry):
        if entry.is_tick:
            return None
        if entry.payload == b"bad":
            raise quorate.Rejected(b"no number")
        if entry.payload == b"broken":
            raise KeyError("broken")
        if entry.payload == b"exit":
            raise SystemExit(0)
        self.sum += int(entry.payload)
        self.count += 1
        return b"%d" % self.sum

    def snapshot(self):
        return b"%d %d" % (self.sum, self.count)

    def restore(self, data):
        self.sum, self.count = map(int, data.split())

    def digest(self):
        return self.sum


def address():
    return f"127.0.0.1:{rig.free_base_port(1)}"


def alone(folder, machine=None, **options):
    return quorate.Engine(machine or Counter(), "n1", f"{folder}/data", address(),
                          is_bootstrap=True, **options)


def opened(folder, name, join, **options):
    """One more, which joins the cluster of an address."""
    return quorate.Engine(Counter(), name, f"{folder}/{name}", address(), join=join,
                          swim_profile="fast", **options)


@contextlib.contextmanager
def three(**options):
    """Three engines in this process, all voters, the first of which leads."""
    with rig.temporary_folder() as folder, contextlib.ExitStack() as stack:
        first = address()
        engines = [stack.enter_context(quorate.Engine(
            Counter(), "n1", f"{folder}/n1", first, is_bootstrap=True, swim_profile="fast",
            **options))]
        engines += [stack.enter_context(opened(folder, name, first, **options))
                    for name in ("n2", "n3")]
        rig.wait_for(lambda: all(sum(m.kind == "voter" for m in one.members()) == 3
                                 for one in engines), "all three vote")
        yield engines


def known(engine, name):
    """A Member, as an engine knows it; None: it does not."""
    return next((member for member in engine.members() if member.name == name), None)


def raised(kind, call):
    try:
        call()
    except kind as error:
        return error
    raise tap.Failed(f"no {kind.__name__}")


@contextlib.contextmanager
def printed():
    """What is printed for people meanwhile, in the place of the terminal."""
    with contextlib.redirect_stderr(io.StringIO()) as stream:
        yield stream
