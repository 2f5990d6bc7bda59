#!/usr/bin/env python3
# test_python.py: the Python package: three engines in three processes, one of them killed; TAP.
#
# usage: test_python.py PROGRAM                  PYTHONPATH and QUORATE_LIBRARY say what is tested
#        test_python.py node NAME ADDRESS [MEMBER,...]     one of the processes, in this folder
#
# SPDX-License-Identifier: Apache-2.0
import contextlib
import io
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import unittest.mock

import quorate
from quorate.binding import ffi, library
from support import Counter, address, alone, printed, raised, rig, tap


def answer(engine, machine, heard, line):
    """What a node says to a line of its input."""
    verb, _, rest = line.partition(" ")
    if verb == "add":
        return engine.propose(rest.split()[0], "add", token=rest).data.decode()
    if verb == "read":
        engine.read_barrier()
        return f"{machine.sum} {machine.count}"
    if verb == "heard":
        return f"{len(heard)} {len(set(heard))}"
    if verb == "voters":
        status = engine.status()
        leader = engine.leader()
        return " ".join([str(sum(m.kind == "voter" for m in status.members)), leader.name]) \
            if leader else "none"
    raise ValueError(line)


def node(name, address, members=None):
    machine = Counter()
    heard = []
    with quorate.Engine(machine, name, name, address, join=members, is_bootstrap=members is None,
                        on_commit=lambda entry: heard.append(entry.index)) as engine:
        for line in sys.stdin:
            try:
                print(answer(engine, machine, heard, line.strip()), flush=True)
            except quorate.QuorateError as error:
                print(error, flush=True)


class Process:
    def __init__(self, folder, name, address, members):
        self.command = ["setpriv", "--pdeathsig", "KILL", sys.executable, os.path.abspath(__file__),
                        "node", name, address] + members
        self.folder = folder
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command, cwd=self.folder, text=True, bufsize=1,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        return self.process.stdout.readline().strip()

    def kill(self):
        self.process.kill()
        self.process.wait()


def insist(process, line):
    """Ask until it is known that it was done; under its token it is done once."""
    return rig.wait_for(lambda: (text := process.ask(line)).lstrip("-").isdigit() and text,
                        f"{line!r} is done")


def three_processes(_):
    """Three engines in three processes add each number once, whichever is killed"""
    base = rig.free_base_port(3)
    addresses = [f"127.0.0.1:{base + 10 * i}" for i in range(3)]
    with tempfile.TemporaryDirectory(prefix="quorate-python-") as folder:
        nodes = [Process(folder, f"n{i + 1}", address, addresses[:1] if i > 0 else [])
                 for i, address in enumerate(addresses)]
        try:
            rig.wait_for(lambda: all(one.ask("voters").startswith("3 ") for one in nodes),
                         "all three vote")
            for i in range(30):
                insist(nodes[i % 3], f"add 1 of {i}")
            leader = int(nodes[0].ask("voters")[-1]) - 1
            nodes[leader].kill()
            others = [one for one in nodes if one is not nodes[leader]]
            for i in range(30, 60):
                insist(others[i % 2], f"add 1 of {i}")
            tap.check_equal(insist(others[0], "add 1 of 7"), "8", "the first answer, again")
            nodes[leader].start()
            rig.wait_for(lambda: nodes[leader].ask("read") == "60 60", "it has all of them again")
            tap.check_equal(nodes[leader].ask("heard"), "60 60", "entries that it heard of, once")
            tap.check(others[0].ask("add bad").startswith("QR_ERR_REJECTED: no number"), "bad")
        finally:
            for one in nodes:
                one.kill()


def errors(_):
    """Errors are exceptions with a name, a code and words"""
    certain = ("QR_ERR_INVALID", "QR_ERR_BUSY", "QR_ERR_WITHDRAWN", "QR_ERR_REJECTED")
    unknown = ("QR_ERR_TIMEOUT", "QR_ERR_CANCELLED", "QR_ERR_EXPIRED", "QR_ERR_STOPPED",
               "QR_ERR_MALFORMED", "QR_ERR_IO")
    made = [quorate.QuorateError(getattr(library, name)) for name in certain + unknown]
    tap.check_equal([error.is_certain for error in made], [True] * 4 + [False] * 6, "certain")
    with unittest.mock.patch("quorate.errors.library") as other:  # it alone decides
        for error in made:
            other.qr_error_is_certain.return_value = not error.is_certain
            other.qr_error_name.return_value = other.qr_error_text.return_value = ffi.NULL
            tap.check_equal(quorate.QuorateError(error.code).is_certain, not error.is_certain)
    with rig.temporary_folder() as folder:
        wrong = raised(quorate.QuorateError, lambda: alone(folder, Counter(), meta="x" * 300))
        tap.check_equal((wrong.name, wrong.code, wrong.is_certain), ("QR_ERR_INVALID", -1, True))
        tap.check("meta" in wrong.detail, wrong.detail)
        engine = alone(folder, Counter())
        locked = raised(quorate.QuorateError, lambda: alone(folder, Counter()))
        tap.check_equal(locked.name, "QR_ERR_LOCKED")
        tap.check_equal(raised(quorate.Rejected, lambda: engine.propose("bad")).data, b"no number")
        nobody = raised(quorate.QuorateError, lambda: engine.change(remove=["nobody"]))
        tap.check_equal(nobody.name, "QR_ERR_NOT_FOUND")
        tap.check_equal(raised(quorate.QuorateError, lambda: engine.propose(b"")).name,
                        "QR_ERR_INVALID")
        engine.close()
        engine.close()
        tap.check_equal(raised(quorate.QuorateError, lambda: engine.propose("1")).name,
                        "QR_ERR_STOPPED")


def failing(_):
    """An exception in apply stops the node, and is told"""
    with printed() as text, rig.temporary_folder() as folder, \
            alone(folder, Counter()) as engine:
        tap.check_equal(engine.propose("3").data, b"3")
        error = raised(quorate.QuorateError, lambda: engine.propose("broken"))
        tap.check_equal(error.name, "QR_ERR_STOPPED")
        tap.check(isinstance(engine.failure, KeyError), f"{engine.failure!r}")
        tap.check("KeyError: 'broken'" in text.getvalue(), text.getvalue())
    with printed(), rig.temporary_folder() as folder, alone(folder, Counter()) as engine:
        error = raised(quorate.QuorateError, lambda: engine.propose("exit"))
        tap.check_equal(error.name, "QR_ERR_STOPPED")
        tap.check(isinstance(engine.failure, SystemExit), f"{engine.failure!r}")


class Undigested(Counter):
    """Its digest fails as soon as there is a sum."""

    def digest(self):
        if self.sum != 0:
            raise SystemExit(0)
        return 1


def undigested(_):
    """An exception in digest stops the node at the next entry at the latest"""
    with printed(), rig.temporary_folder() as folder, alone(folder, Undigested()) as engine:
        def add_until_failed():
            try:
                engine.propose("1")
                return None
            except quorate.QuorateError as error:
                return error.name != "QR_ERR_NO_LEADER" and error.name

        tap.check_equal(rig.wait_for(add_until_failed, "the node stops"), "QR_ERR_STOPPED")
        tap.check(isinstance(engine.failure, SystemExit), f"{engine.failure!r}")


def handlers(_):
    """Handlers hear of each entry until they are removed, and may call the engine"""
    with printed(), rig.temporary_folder() as folder:
        first, second, refused = [], [], []
        with alone(folder, on_commit=lambda entry: first.append(entry.payload)) as engine:
            def hear(entry):
                second.append(entry.payload)
                refused.extend(raised(quorate.QuorateError, call).name
                               for call in (lambda: engine.propose("1"), engine.close))
                raise ValueError("printed, and no more")

            remove = engine.on_commit(hear)
            engine.propose("1")
            engine.propose(b"2", "add")
            rig.wait_for(lambda: len(refused) == 4, "the handler was called")
            remove()
            remove()
            tap.check_equal(engine.propose("3", reply_bytes_max=0)[::2], (b"", 1), "what was cut")
            tap.check_equal((first, second), ([b"1", b"2", b"3"], [b"1", b"2"]), "what was heard")
            tap.check_equal(set(refused), {"QR_ERR_INVALID"}, "waiting in a handler")
            tap.check(engine.is_leader and engine.leader().name == "n1", "it does not lead")
            tap.check_equal([(m.name, m.kind) for m in engine.members()], [("n1", "voter")])


def closing(_):
    """Closing ends what waits, and waits for it"""
    with rig.temporary_folder() as folder:
        engine = quorate.Engine(Counter(), "n2", f"{folder}/data", address(),
                                join=address())  # nobody is there
        ends = []
        waiting = threading.Thread(target=lambda: ends.append(
            raised(quorate.QuorateError, lambda: engine.propose("1", timeout=60)).name))
        waiting.start()
        engine.close()
        waiting.join()
        tap.check(ends[0] in ("QR_ERR_STOPPED", "QR_ERR_NO_LEADER"), ends)


def snapshots(_):
    """A state goes into snapshots, and comes back from them"""
    with rig.temporary_folder() as folder:
        machine = Counter()
        with alone(folder, machine, limits={"max_log_entries": 100}) as engine:
            threads = [threading.Thread(target=lambda: [engine.propose("1") for _ in range(100)])
                       for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            rig.wait_for(lambda: engine.status().snapshot_index > 0, "there is a snapshot")
        again = Counter()
        with alone(folder, again) as engine:
            engine.read_barrier()
            tap.check_equal((again.sum, again.count), (400, 400), "the state")
            tap.check(engine.status().last_index >= 400, "the log")


def versions(_):
    """The package, its metadata and the program are of one version"""
    folder = pathlib.Path(quorate.__file__).resolve().parents[1]
    metadata = (folder / "pyproject.toml").read_text(encoding="utf-8")
    tap.check(f'\nversion = "{quorate.__version__}"\n' in metadata, metadata)
    told = rig.run("--version").stdout
    tap.check(quorate.__version__ in told.split(), f"{quorate.__version__} and {told!r}")


def examples(_):
    """The examples of the document do what it says"""
    document = pathlib.Path(__file__).resolve().parents[2] / "docs/python.md"
    blocks = re.findall("\n```python\n(.*?)\n```", document.read_text(encoding="utf-8"), re.S)
    names, told = {"quorate": quorate}, io.StringIO()
    with rig.temporary_folder() as folder, contextlib.redirect_stdout(told), rig.Cluster(1) as one:
        opening = blocks[0].replace("127.0.0.1:7700", address()).replace("n1-data", f"{folder}/n1")
        exec(opening, names)
        with alone(folder) as names["engine"]:
            exec(blocks[1], names)
            exec(blocks[2], names)
            tap.check(names["engine"].wait_stopped(0), "it has not left")
        nodes = one.addresses(0)
        exec(re.sub(r'Client\("[^"]*"', f'Client("{nodes}"', blocks[3]), names)
    tap.check_equal(told.getvalue().split("\n")[:4], ["b'40'", "b'42'", "42", "b'40'"])
    tap.check_equal(told.getvalue().split("\n")[-3:], ["b'value'", "1", ""], "of the client")
    tap.check_equal(len(blocks), 4, "examples")


def main():
    if sys.argv[1] == "node":
        node(*sys.argv[2:])
        return 0
    tap.end_on_signals()
    return tap.run([versions, errors, failing, undigested, handlers, closing, snapshots,
                    three_processes, examples])


if __name__ == "__main__":
    sys.exit(main())
