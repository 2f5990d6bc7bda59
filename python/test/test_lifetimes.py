#!/usr/bin/env python3
# test_lifetimes.py: the Python package: what C holds of Python, and Python of C, to the end; TAP.
#
# usage: test_lifetimes.py PROGRAM               PYTHONPATH and QUORATE_LIBRARY say what is tested
#        test_lifetimes.py child NAME FOLDER     a process that a case starts, and that ends well
#
# SPDX-License-Identifier: Apache-2.0
import fcntl
import gc
import json
import os
import signal
import subprocess
import sys
import threading
import unittest.mock
import weakref

import quorate
from quorate.binding import library
from support import Counter, address, alone, raised, rig, tap

LIMIT_S = 60


def call_for_ever(engine, calls, ends=None):
    """Call an engine until it is closed."""
    try:
        while True:
            engine.propose("1")
            engine.status()
            engine.submit("1")
            calls.append(1)
    except quorate.QuorateError as error:
        if ends is not None:
            ends.append(error)


def child_exit(folder):
    engine = alone(folder)
    calls = []
    for _ in range(8):
        threading.Thread(target=call_for_ever, args=(engine, calls), daemon=True).start()
    rig.wait_for(lambda: len(calls) > 20, "they call it")
    sys.exit(7)


def child_exit_in_a_handler(folder):
    """The main thread ends while a handler runs, which still calls the engine."""
    is_called, ends = threading.Event(), []

    def hear(_):
        is_called.set()
        try:
            while True:
                engine.status()
        except quorate.QuorateError as error:
            ends.append(error.name)

    engine = alone(folder)
    engine.on_commit(hear)
    engine.submit("1")
    tap.check(is_called.wait(LIMIT_S), "the handler is called")
    sys.exit(7)


def child_fork(folder):
    engine = alone(folder)
    engine.propose("1")
    hold = threading.Event()
    engine.on_commit(lambda _: hold.wait(LIMIT_S))
    call = engine.submit("0")  # under way, for as long as the handler holds what is told
    pid = os.fork()
    if pid == 0:
        for is_certain, ask in ((True, lambda: engine.propose("1")), (False, call.result),
                                (False, call.exception), (True, engine.wait_stopped)):
            error = raised(quorate.QuorateError, ask)
            tap.check_equal((error.name, error.is_certain), ("QR_ERR_STOPPED", is_certain))
        engine.close()
        del engine
        gc.collect()
        sys.exit(5)
    hold.set()
    tap.check_equal(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 5, "the fork's exit code")
    tap.check_equal(engine.propose("1").data, b"2", "behind the fork")
    engine.close()
    alone(folder).close()
    sys.exit(7)


class Ticking(Counter):
    """Wants a tick at once; `ticked` is called in it, on the engine's thread for callbacks."""

    def __init__(self, ticked):
        super().__init__()
        self.ticked = ticked
        self.is_done = False

    def wake_at(self):
        return 0 if self.is_done else 1

    def apply(self, entry):
        if entry.is_tick:
            self.is_done = True
            self.ticked()
        return super().apply(entry)


def child_collected_in_a_callback(folder):
    """The last that is known of an engine goes in a callback of its own."""
    may_go, is_gone = threading.Event(), threading.Event()

    def collect():
        tap.check(may_go.wait(LIMIT_S), "the engine is let go")
        gc.collect()
        is_gone.set()

    gc.disable()
    engine = alone(folder, Ticking(collect))
    engine.cycle = engine
    gone = weakref.ref(engine)
    del engine
    tap.check(gone() is not None, "it is kept by its cycle")
    may_go.set()
    tap.check(is_gone.wait(LIMIT_S), "it was collected")
    tap.check(gone() is None, "it is gone")
    rig.wait_for(lambda: may_open(folder), "its directory is free")
    sys.exit(7)


def may_open(folder):
    try:
        alone(folder).close()
        return True
    except quorate.QuorateError as error:
        tap.check_equal(error.name, "QR_ERR_LOCKED", "what is told of its directory")
        return False


def child_interrupted(folder):
    """Ctrl-C while a future is waited for: nothing of it is freed under the feet of C."""
    engine = alone(folder)
    is_waiting, may_go_on = threading.Event(), threading.Event()

    def interrupt(_):
        if not may_go_on.is_set():
            is_waiting.wait(LIMIT_S)
            os.kill(os.getpid(), signal.SIGINT)
            may_go_on.wait(LIMIT_S)

    def wait():
        is_waiting.set()
        call.result()

    engine.on_commit(interrupt)
    for _ in range(3):
        call = engine.submit("1")
    raised(KeyboardInterrupt, wait)
    del call
    gc.collect()
    may_go_on.set()
    tap.check_equal(engine.propose("1").data, b"4", "the sum")
    engine.close()
    sys.exit(7)


CHILDREN = {name[len("child_"):]: function for name, function in list(globals().items())
            if name.startswith("child_")}


def run_child(name):
    with rig.temporary_folder() as folder:
        done = subprocess.run(
            ["setpriv", "--pdeathsig", "KILL", sys.executable, "-X", "faulthandler", "-W", "ignore",
             os.path.abspath(__file__), "child", name, str(folder)],
            capture_output=True, text=True, timeout=LIMIT_S, check=False)
    tap.check(done.returncode == 7, f"exit code {done.returncode}: {done.stdout}{done.stderr}")
    tap.check_equal(done.stderr, "", "what it has printed")


def leaving_threads(_):
    """The interpreter ends well while threads call an engine that nobody closed"""
    run_child("exit")


def leaving_handler(_):
    """The interpreter ends well while a handler calls an engine that nobody closed"""
    run_child("exit_in_a_handler")


def forks(_):
    """A fork is told that the engine is not its own, and ends without it; the engine goes on"""
    run_child("fork")


def collected(_):
    """An engine that is forgotten within its own callback is closed all the same"""
    run_child("collected_in_a_callback")


def interrupted(_):
    """A key that interrupts the wait for a future leaves engine and future whole"""
    run_child("interrupted")


def closing_many(_):
    """Threads may close an engine at once, while others call it; when one returns it is free"""
    with rig.temporary_folder() as folder:
        for _ in range(5):
            engine, calls, ends, opened = alone(folder), [], [], []

            def close():
                engine.close()
                opened.append(raised(quorate.QuorateError, engine.status).name)

            callers = [threading.Thread(target=call_for_ever, args=(engine, calls, ends))
                       for _ in range(6)]
            closers = [threading.Thread(target=close) for _ in range(3)]
            for thread in callers:
                thread.start()
            rig.wait_for(lambda: len(calls) > 6, "they call it")
            for thread in closers:
                thread.start()
            engine.close()
            alone(folder).close()  # the directory is free
            for thread in callers + closers:
                thread.join(LIMIT_S)
            tap.check_equal([error.name for error in ends], ["QR_ERR_STOPPED"] * 6, "how calls end")
            tap.check_equal(opened, ["QR_ERR_STOPPED"] * 3, "a call behind it")


def closing_twice(_):
    """Who closes an engine while another frees it does not touch what was freed"""
    with rig.temporary_folder() as folder:
        engine = alone(folder)
        held, freed, early = engine._life, threading.Event(), []

        class Library:
            def __getattr__(self, name):
                return getattr(library, name)

            def qr_engine_stop(self, given):
                if threading.current_thread() is second:
                    held._freeing.release()
                    early.append(freed.wait(1))
                library.qr_engine_stop(given)

            def qr_engine_free(self, given):
                freed.set()
                if True not in early:  # else that would crash
                    library.qr_engine_free(given)

        first, second = (threading.Thread(target=engine.close) for _ in range(2))
        with unittest.mock.patch("quorate.life.library", Library()):
            held._freeing.acquire()
            first.start()
            rig.wait_for(lambda: held._is_closing and held._changed.acquire(), "it is closing")
            held._changed.release()
            second.start()
            for thread in (first, second):
                thread.join(LIMIT_S)
        tap.check_equal(early, [False], "whether it was freed meanwhile")


def churning(_):
    """Threads add and remove handlers while entries come: none is called behind its removal"""
    with rig.temporary_folder() as folder, alone(folder) as engine:
        late, is_over, called = [], threading.Event(), []

        def churn():
            while not is_over.is_set():
                state = {"removed": False}

                def handler(_, state=state):
                    called.append(1)
                    if state["removed"]:
                        late.append(1)

                with engine.on_commit(handler):
                    engine.submit("1").result()
                state["removed"] = True

        threads = [threading.Thread(target=churn) for _ in range(6)]
        for thread in threads:
            thread.start()
        rig.wait_for(lambda: len(called) > 500, "handlers were called")
        is_over.set()
        for thread in threads:
            thread.join(LIMIT_S)
        tap.check_equal((late, engine.failure), ([], None), "called behind their removal")


def futures_end(_):
    """Each future ends, also of what waits when its engine is closed, and outlives the engine"""
    with rig.temporary_folder() as folder:
        hold = threading.Event()
        engine = alone(folder)
        engine.propose("1")
        engine.on_commit(lambda _: hold.wait(LIMIT_S))
        calls = [engine.submit("1") for _ in range(50)]
        closing = threading.Thread(target=engine.close)
        closing.start()
        hold.set()
        closing.join(LIMIT_S)
        tap.check(all(call.done() for call in calls), "some have not ended")
        names = {call.exception() and call.exception().name for call in calls}
        tap.check(names <= {None, "QR_ERR_STOPPED"}, names)
        tap.check_equal(calls[0].cancel(), False, "cancelling behind the end")


def released(_):
    """Nothing of an engine that was closed is kept, nor of calls and handlers that ended"""
    from quorate import callbacks, life
    with rig.temporary_folder() as folder:
        machine = Counter()
        handlers = [lambda entry: None for _ in range(4)]
        references = [weakref.ref(one) for one in [machine, *handlers]]
        engine = alone(folder, machine, on_commit=handlers[0])
        engine.on_commit(handlers[1])()
        during = len(callbacks.kept)
        with engine.on_role_change(handlers[2]), engine.on_membership(handlers[3]):
            for _ in range(10):
                engine.submit("1").result()
            engine.settle("some token")
            engine.snapshot()
        tap.check_equal(len(callbacks.kept), during, "functions that are kept")
        engine.close()
        tap.check_equal((callbacks.kept, life.alive), ({}, set()), "what is kept")
        del engine, machine, handlers
        gc.collect()
        tap.check_equal([one() for one in references], [None] * 5, "what is left")


def forgotten(_):
    """An engine that is forgotten is closed, and that is warned of"""
    with rig.temporary_folder() as folder, unittest.mock.patch("warnings.warn") as warn:
        engine = alone(folder)
        engine.propose("1")
        del engine
        gc.collect()
        rig.wait_for(lambda: may_open(folder), "its directory is free")
        tap.check_equal([call.args for call in warn.call_args_list],
                        [("the engine n1 was not closed", ResourceWarning)], "the warnings")


def count_files():
    """Descriptors that are open here, but sockets: each port that was claimed has one."""
    folder = "/proc/self/fd"
    links = [f"{folder}/{name}" for name in os.listdir(folder)]
    return sum(os.path.lexists(link) and not os.readlink(link).startswith("socket:")
               for link in links)


def logs(_):
    """What happens is logged to a file, to nobody's delay, and until the engine is freed"""
    with rig.temporary_folder() as folder:
        alone(folder).close()  # the first of a process leaves what libuv has for all loops
        before = count_files()
        with open(f"{folder}/log", "w", encoding="utf-8") as file:
            engine = alone(folder, log=file, log_format="json", log_level="debug")
        engine.propose("1")  # the file is the caller's: closed by now
        engine.close()
        with open(f"{folder}/log", encoding="utf-8") as file:
            names = [json.loads(line)["event"] for line in file]
        tap.check({"wal_opened", "became_leader"} <= set(names), f"the log has {set(names)}")

        reader, writer = os.pipe()
        os.write(writer, b"x" * fcntl.fcntl(writer, fcntl.F_GETPIPE_SZ))  # nobody reads
        with alone(folder, log=writer, log_level="debug") as engine:
            tap.check_equal(engine.propose("1").data, b"2", "the answer")
        os.close(reader)
        os.close(writer)

        for wrong, kind in ((dict(log=-1), OSError), (dict(log="path"), AttributeError),
                            (dict(log=2, log_level="loud"), ValueError),
                            (dict(log=2, log_format="xml"), ValueError)):
            raised(kind, lambda: alone(folder, **wrong))
        error = raised(quorate.QuorateError,
                       lambda: quorate.Engine(Counter(), "N 1", folder, address(), log=2))
        tap.check_equal(error.name, "QR_ERR_INVALID", "of a bad name")
        tap.check_equal(count_files(), before, "open descriptors")


def main():
    if sys.argv[1] == "child":
        CHILDREN[sys.argv[2]](sys.argv[3])
    tap.end_on_signals()
    return tap.run([leaving_threads, leaving_handler, forks, collected, interrupted, closing_many,
                    closing_twice, churning, futures_end, released, forgotten, logs])


if __name__ == "__main__":
    sys.exit(main())
