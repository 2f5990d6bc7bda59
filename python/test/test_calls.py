#!/usr/bin/env python3
# test_calls.py: the Python package: futures, sessions, reads, snapshots, backups, options; TAP.
#
# usage: test_calls.py PROGRAM                   PYTHONPATH and QUORATE_LIBRARY say what is tested
#
# SPDX-License-Identifier: Apache-2.0
import asyncio
import concurrent.futures
import contextlib
import os
import sys
import threading

import quorate
from support import Counter, address, alone, printed, raised, rig, tap, three

LIMIT_S = 60


def futures(_):
    """What is submitted comes as futures, with results, rejections and errors, in order"""
    with rig.temporary_folder() as folder, alone(folder) as engine:
        calls = [engine.submit("1") for _ in range(100)] + [engine.submit("bad")]
        tap.check_equal([call.result(LIMIT_S).data for call in calls[:-1]],
                        [b"%d" % (i + 1) for i in range(100)], "the results")
        tap.check_equal(raised(quorate.Rejected, calls[-1].result).data, b"no number")
        error = raised(quorate.QuorateError, lambda: engine.submit(""))
        tap.check_equal((error.name, error.is_certain), ("QR_ERR_INVALID", True))
        tap.check_equal(engine.submit("1", token="t").result(), engine.propose("1", token="t"),
                        "what both have under a token")

        async def all_of_them():
            calls = [asyncio.wrap_future(engine.submit("1")) for _ in range(9)]
            return await asyncio.gather(*calls)

        tap.check_equal(asyncio.run(all_of_them())[-1].data, b"110", "the sum")
    tap.check_equal(raised(quorate.QuorateError, lambda: engine.submit("1")).is_certain, True)


def cancelling(_):
    """What no leader has is withdrawn for certain, and what has ended cannot be cancelled"""
    with rig.temporary_folder() as folder:
        with quorate.Engine(Counter(), "n2", f"{folder}/n2", address(), join=address()) as lone:
            error = raised(quorate.QuorateError, lambda: lone.submit("1").result())
            tap.check_equal((error.name, error.is_certain), ("QR_ERR_NO_LEADER", True), "alone")
    with three(limits={"proposal_timeout_ms": 600000}) as engines:
        engines[1].close()
        engines[2].close()
        rig.wait_for(lambda: not engines[0].is_leader, "n1 has stepped down")
        call = engines[0].submit("1")
        tap.check_equal(call.done(), False, "it has ended")
        raised(concurrent.futures.TimeoutError, lambda: call.result(0))
        tap.check_equal(call.cancel(), True, "cancelling")
        error = raised(quorate.QuorateError, call.result)
        tap.check_equal((error.name, error.is_certain), ("QR_ERR_WITHDRAWN", True), "withdrawn")
        tap.check_equal(call.cancel(), False, "cancelling again")


@contextlib.contextmanager
def held(engine):
    """Nothing is told of what comes behind an entry, which is committed all the same."""
    is_in, hold = threading.Event(), threading.Event()

    def hear(_):
        is_in.set()
        hold.wait(LIMIT_S)

    with engine.on_commit(hear):
        engine.submit("0")
        try:
            tap.check(is_in.wait(LIMIT_S), "the handler is called")
            yield
        finally:
            hold.set()


def cancelled_late(engine, submit):
    """Cancel a proposal that the leader has, but nobody is told of; the error."""
    with held(engine):
        before = engine.status().last_index
        call = submit()
        rig.wait_for(lambda: engine.status().last_index > before, "the leader has it")
        tap.check_equal(call.cancel(), True, "cancelling")
    error = raised(quorate.QuorateError, call.result)
    tap.check_equal((error.name, error.is_certain), ("QR_ERR_CANCELLED", False), error)


def cancelling_sent(_):
    """What a leader has may be applied all the same, and is told as unknown"""
    with rig.temporary_folder() as folder, alone(folder) as engine:
        cancelled_late(engine, lambda: engine.submit("1"))
        tap.check_equal(engine.propose("0").data, b"1", "the sum")


def once(_):
    """Under a session's number a proposal is applied once, from any node, and gets its answer"""
    with three() as engines:
        with engines[1].session(timeout=60) as session:
            first = session.propose("1")
            number = session.next_sequence()
            second = session.propose("10", sequence=number)
            for _ in range(3):
                tap.check_equal(session.propose("10", sequence=number), second, "the same again")
            elsewhere = quorate.Session(engines[2], session.number, number + 1)
            tap.check_equal(elsewhere.propose("10", sequence=number), second, "on another node")
            tap.check_equal(elsewhere.submit("100").result().data, b"111", "on another node")
            tap.check_equal((first.data, second.data), (b"1", b"11"), "the answers")
            for name, is_certain, call in (
                    ("QR_ERR_MISMATCH", True, lambda: session.propose("5", sequence=number)),
                    ("QR_ERR_INVALID", True, lambda: session.propose("5", sequence=0)),
                    ("QR_ERR_EXPIRED", False, lambda: late(session))):
                error = raised(quorate.QuorateError, call)
                tap.check_equal((error.name, error.is_certain), (name, is_certain), error)
            tap.check_equal(engines[0].status().session_count, 1, "open sessions")
        rig.wait_for(lambda: engines[0].status().session_count == 0, "it is ended")
        for call in (lambda: session.propose("1"), session.end,
                     lambda: session.propose("10", sequence=number)):
            tap.check_equal(raised(quorate.QuorateError, call).name, "QR_ERR_EXPIRED", "behind it")
        tap.check_equal(engines[0].propose("0").data, b"112", "the sum")


def late(session):
    """Use a number that is so far behind that it is not remembered."""
    session.propose("1", sequence=100)
    session.propose("1", sequence=36)


def retried(_):
    """A proposal whose outcome nobody knows is repeated under its number, and applied once"""
    with rig.temporary_folder() as folder, alone(folder) as engine, engine.session() as session:
        number = session.next_sequence()
        cancelled_late(engine, lambda: session.submit("1", sequence=number))
        tap.check_equal(session.propose("1", sequence=number).data, b"1", "the answer")
        cancelled_late(engine, lambda: engine.submit("1", token="order"))
        tap.check_equal(engine.settle("order").data, b"2", "the answer, of a token")
        tap.check_equal(engine.propose("0").data, b"2", "the sum")


def sessions_end(_):
    """A session that an exception leaves is ended, one that is unused is over by itself"""
    with rig.temporary_folder() as folder, alone(folder) as engine:
        def fail():
            with engine.session() as session:
                found.append(session)
                raise KeyError("mine")

        found = []
        raised(KeyError, fail)
        tap.check_equal(raised(quorate.QuorateError, found[0].end).name, "QR_ERR_EXPIRED")
        with engine.session(timeout=0.001) as short:
            rig.wait_for(lambda: expires(engine, short), "it is over")
        tap.check_equal(raised(quorate.QuorateError, lambda: engine.session(timeout=1e9)).name,
                        "QR_ERR_INVALID")
        with contextlib.ExitStack() as stack:
            stack.enter_context(engine.session())
            engine.close()
        tap.check_equal(raised(quorate.QuorateError, engine.session).name, "QR_ERR_STOPPED")


def expires(engine, session):
    """Log time goes on with entries alone."""
    with contextlib.suppress(quorate.QuorateError):
        session.propose("0")
        return False
    return True


def settling(_):
    """What became of a token is told, and decided"""
    with rig.temporary_folder() as folder, alone(folder) as engine, engine.session() as session:
        reply = engine.propose("5", token="done")
        tap.check_equal(engine.settle("done"), reply, "of what was applied")
        tap.check_equal(engine.settle("never"), None, "of what was not")
        error = raised(quorate.QuorateError, lambda: engine.propose("5", token="never"))
        tap.check_equal((error.name, error.is_certain), ("QR_ERR_SETTLED", True))
        raised(quorate.Rejected, lambda: engine.propose("bad", token="bad"))
        tap.check_equal(raised(quorate.Rejected, lambda: engine.settle("bad")).data, b"no number")
        reply = session.propose("5", sequence=3)
        tap.check_equal((session.settle(3), session.settle(2)), (reply, None), "of a session's")
        tap.check_equal(engine.propose("0").data, b"10", "the sum")
        session.end()
        tap.check_equal(raised(quorate.QuorateError, lambda: session.settle(3)).name,
                        "QR_ERR_EXPIRED", "behind its end")


def reads(_):
    """Reads have the kind and the age that is asked for"""
    with rig.temporary_folder() as folder, alone(folder) as engine:
        index = engine.propose("1").index
        for kind in ("configured", "linearizable", "lease"):
            tap.check(engine.read_barrier(kind) >= index, kind)
        tap.check_equal(engine.read_barrier("stale"), 0, "the index of a stale one")
        tap.check(0 <= engine.read_age() < 60, "the age")
        engine.read_barrier("stale", age_max=60)
        raised(AttributeError, lambda: engine.read_barrier("fresh"))
        tap.check(engine.log_time_ns > 10 ** 18 and engine.is_healthy, "log time, health")
    with rig.temporary_folder() as folder:
        with quorate.Engine(Counter(), "n2", f"{folder}/n2", address(), join=address()) as lone:
            tap.check_equal((lone.is_healthy, lone.leader()), (False, None), "alone")
            tap.check_equal(raised(quorate.QuorateError, lone.read_age).name, "QR_ERR_NO_LEADER")


def aging(_):
    """Where no majority answers, what is there gets older, and no younger than is allowed"""
    with three() as engines:
        engines[0].read_barrier()
        tap.check(engines[0].read_age() is not None, "it is known")
        engines[1].close()
        engines[2].close()

        def error_of(call):
            try:
                call()
                return None
            except quorate.QuorateError as error:
                return error.name

        for call in (lambda: engines[0].read_age(0.001),
                     lambda: engines[0].read_barrier("stale", age_max=0.001)):
            tap.check_equal(rig.wait_for(lambda: error_of(call), "it is too old"), "QR_ERR_STALE")
        tap.check(engines[0].read_age() > 0, "of any age")


def counting(_):
    """Counters count, and a snapshot is taken when it is asked for"""
    with rig.temporary_folder() as folder, alone(folder) as engine:
        for _ in range(5):
            index = engine.propose("1").index
        counted = engine.counters()
        tap.check(counted["proposals"] >= 5 and counted["log_size_bytes"] > 0, counted)
        tap.check("size_bytes" not in counted, counted)
        tap.check_equal(engine.snapshot() >= index, True, "where the snapshot stands")
        tap.check(engine.status().snapshot_index >= index, "where the status says that it stands")
        tap.check(engine.counters()["snapshots_taken"] >= 1, engine.counters())


class Bare(quorate.StateMachine):
    """Makes no snapshots."""

    def apply(self, entry):
        return None


def backups(_):
    """A backup is one file, and a new cluster when it is restored, sessions included"""
    with rig.temporary_folder() as folder:
        file = folder / "state.backup"
        with three() as engines:
            engines[0].propose("40")
            reply = engines[2].propose("2", token="once")
            size = engines[1].backup(file)
            tap.check_equal(file.stat().st_size, size, "the size")
            error = raised(FileExistsError, lambda: engines[1].backup(file))
            tap.check("is_forced" in str(error), error)
            engines[0].propose("100")
            tap.check(engines[0].backup(str(file) + "2") > 0, "another")
            engines[1].backup(str(file) + "2", is_forced=True)
        machine = Counter()
        facts = quorate.check_backup(file, machine)
        tap.check_equal(machine.sum, 42, "what is in it")
        tap.check_equal((facts.node, sorted(facts.members), facts.size_bytes),
                        ("n2", ["n1", "n2", "n3"], size), "what it says")
        tap.check_equal(quorate.check_backup(str(file)), facts, "without looking into it")
        own = address()
        cluster = quorate.restore(file, folder / "new", "m1", own, state_machine=Counter())
        tap.check(len(cluster) == 32 and cluster != facts.cluster, cluster)
        with quorate.Engine(machine, "m1", folder / "new", own) as engine:
            tap.check_equal(engine.propose("2", token="once"), reply, "under the token of before")
            tap.check_equal(engine.propose("1").data, b"43", "the sum")
        tap.check_equal(sorted(os.listdir(folder)), ["new", "state.backup", "state.backup2"],
                        "files")


def backups_fail(_):
    """A backup that fails leaves nothing, and a file that is none is refused"""
    with rig.temporary_folder() as folder:
        with alone(folder, Bare()) as engine:
            error = raised(quorate.QuorateError, lambda: engine.backup(folder / "b"))
            tap.check_equal(error.name, "QR_ERR_INVALID", "without snapshots")
            tap.check_equal(raised(quorate.QuorateError, engine.snapshot).name, "QR_ERR_INVALID")
        raised(FileNotFoundError, lambda: backup_of(folder / "one", folder / "none" / "b"))
        good = backup_of(folder / "two", folder / "good")
        for name, data in (("QR_ERR_FOREIGN", b"x" * 600), ("QR_ERR_CORRUPT", good[:-1]),
                           ("QR_ERR_CORRUPT", good[:600] + b"\0" + good[601:])):
            (folder / "bad").write_bytes(data)
            error = raised(quorate.QuorateError, lambda: quorate.restore(
                folder / "bad", folder / "new", "m1", address()))
            tap.check_equal((error.name, bool(error.detail)), (name, True), error)
        refused = refusing(folder / "good")
        tap.check_equal(refused.args, ("no state",))
        raised(FileNotFoundError, lambda: quorate.check_backup(folder / "nothing"))
        (folder / "full" / "x").mkdir(parents=True)
        error = raised(quorate.QuorateError, lambda: quorate.restore(
            folder / "good", folder / "full", "m1", address()))
        tap.check_equal((error.name, bool(error.detail)), ("QR_ERR_INVALID", True), error)
        tap.check(not (folder / "new").exists() or not os.listdir(folder / "new"), "what is left")
        tap.check(not [name for name in os.listdir(folder) if name.endswith(".part")], "a part")


class Refusing(Counter):
    """Takes no state over."""

    def restore(self, data):
        raise KeyError("no state")


def refusing(file):
    with printed():
        return raised(KeyError, lambda: quorate.check_backup(file, Refusing()))


def backup_of(folder, file):
    folder.mkdir()
    with alone(folder) as engine:
        engine.propose("1")
        engine.backup(file)
    return file.read_bytes()


def backup_closed(_):
    """A backup that is under way when its engine is closed ends, and leaves nothing"""
    with rig.temporary_folder() as folder:
        engine, hold, ends = alone(folder), threading.Event(), []
        engine.on_commit(lambda _: hold.wait(LIMIT_S))
        engine.submit("1")
        thread = threading.Thread(target=lambda: ends.append(
            raised(quorate.QuorateError, lambda: engine.backup(folder / "b")).name))
        thread.start()
        rig.wait_for(lambda: (folder / "b.part").exists(), "it has begun")
        closing = threading.Thread(target=engine.close)
        closing.start()
        rig.wait_for(lambda: raised_or(engine.status) == "QR_ERR_STOPPED", "it is closing")
        hold.set()
        for one in (thread, closing):
            one.join(LIMIT_S)
        tap.check_equal((ends, os.listdir(folder)), (["QR_ERR_STOPPED"], ["data"]), "the end")


def raised_or(call):
    try:
        return call()
    except quorate.QuorateError as error:
        return error.name


def options(_):
    """Options are given by their names, enums by words; what is none is refused"""
    with rig.temporary_folder() as folder:
        for kind, option in ((TypeError, {"is_bootstrapp": True}), (TypeError, {"loop": 1}),
                             (TypeError, {"argument": "x"}), (TypeError, {"limits_": {}}),
                             (ValueError, {"swim_profile": "slow"}), (ValueError, {"meta": "a\0b"}),
                             (AttributeError, {"limits": {"heartbeats": 1}})):
            raised(kind, lambda: alone(folder, **option))
        tap.check(not (folder / "data").exists(), "something was made")
        with alone(folder, swim_profile="fast", on_divergence="rebuild", disk_driver="auto",
                   meta=None, has_leases=True, limits={"heartbeat_interval_ms": 40}) as engine:
            tap.check_equal(engine.propose("1").data, b"1")
            tap.check_equal(engine.members()[0].node_id, engine.status().node_id)


def inline(_):
    """Without a thread for callbacks all is the same, and what waits is refused in them"""
    with rig.temporary_folder() as folder, alone(folder, is_inline=True) as engine:
        heard, calls, doubts = [], [], []

        def hear(entry):
            heard.append(raised(quorate.QuorateError, lambda: engine.propose("1")).name)
            heard.append(raised(quorate.QuorateError, engine.close).name)
            if not calls:
                calls.append(engine.submit("1"))
                for wait in (calls[0].result, calls[0].exception):  # it is under way
                    doubts.append(raised(quorate.QuorateError, wait).is_certain)
            if entry.payload == b"1":
                end()

        end = engine.on_commit(hear)
        engine.propose("5")
        tap.check_equal(calls[0].result().data, b"6", "the sum")
        engine.propose("1")
        tap.check_equal(heard, ["QR_ERR_INVALID"] * 4, "what was heard")
        tap.check_equal(doubts, [False] * 2, "whether what was under way is told as not done")


def main():
    tap.end_on_signals()
    return tap.run([futures, cancelling, cancelling_sent, once, retried, sessions_end, settling,
                    reads, aging, counting, backups, backups_fail, backup_closed, options, inline])


if __name__ == "__main__":
    sys.exit(main())
