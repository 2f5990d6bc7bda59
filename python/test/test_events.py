#!/usr/bin/env python3
# test_events.py: the Python package: handlers of roles and members, changes, leaving, joining; TAP.
#
# usage: test_events.py PROGRAM                  PYTHONPATH and QUORATE_LIBRARY say what is tested
#        test_events.py node NAME ADDRESS MEMBER FOLDER      a process that a case kills
#
# SPDX-License-Identifier: Apache-2.0
import os
import subprocess
import sys
import threading
import time

import quorate
from support import Counter, address, alone, known, opened, printed, raised, rig, tap, three

LIMIT_S = 60


def insist(change, *names, **options):
    """Change members or leader as soon as others have caught up, and answer."""
    def is_done():
        try:
            return change(*names, **options)
        except quorate.QuorateError as error:
            is_slow = error.name in ("QR_ERR_TIMEOUT", "QR_ERR_QUORUM")  # a machine with much to do
            tap.check(error.is_retry or is_slow, error)
            return None

    return rig.wait_for(is_done, f"{names} {options} is done")


def roles(_):
    """Handlers hear who leads, on each node, when leadership goes elsewhere"""
    with three() as engines:
        heard = [[] for _ in engines]
        ids = [engine.status().node_id for engine in engines]
        for engine, told in zip(engines, heard):
            engine.on_role_change(told.append)
        insist(engines[0].transfer, "n2")
        rig.wait_for(lambda: all(told and told[-1].leader_id == ids[1] for told in heard),
                     "all heard that n2 leads")
        tap.check_equal([told[-1].role for told in heard], ["follower", "leader", "follower"])
        tap.check_equal([told[-1].is_leader for told in heard], [False, True, False])
        tap.check_equal({told[-1].term for told in heard}, {engines[1].leader().term}, "the term")
        rig.wait_for(lambda: engines[2].leader().name == "n2", "n3 knows the leader by name")


def members(_):
    """Handlers hear who joins, leads and leaves, when and why"""
    with three() as engines, rig.temporary_folder() as folder:
        heard, before_ms = [], time.time_ns() // 1000000
        with engines[0].on_membership(heard.append):
            fourth = opened(folder, "n4", engines[1].members()[0].address, is_learner=True)
            rig.wait_for(lambda: any(event[0] == "joined" and event.name == "n4"
                                     for event in heard), "n1 heard of n4")
            fourth_id = fourth.status().node_id
            insist(engines[0].transfer, "n3")
            fourth.leave(quorate.LeaveReason.RESTART)
            fourth.close()
            found = {}

            def has_all():
                for event in heard:
                    found[event.type, event.name] = event
                return {("joined", "n4"), ("leader_changed", "n3"), ("left", "n4")} <= set(found)

            rig.wait_for(has_all, "n1 heard of all")
        joined, left = found["joined", "n4"], found["left", "n4"]
        tap.check_equal((joined.node_id, joined.address), (fourth_id, left.address), "who joined")
        tap.check("restart" in left.reason, left.reason)
        led = found["leader_changed", "n3"]
        tap.check_equal((led.node_id, led.term), (engines[2].status().node_id,
                                                  engines[2].status().term), "who leads")
        times = [event.time_ms for event in heard]
        tap.check(before_ms <= min(times) <= max(times) <= time.time_ns() // 1000000, times)
        tap.check(not any(event.is_self for event in heard if event.name == "n4"), "it is another")
        tap.check_equal([event.missed_count for event in heard], [0] * len(heard), "missed")


def node(name, own, member, folder):
    with quorate.Engine(Counter(), name, f"{folder}/{name}", own, join=member, is_learner=True,
                        swim_profile="fast"):
        sys.stdin.read()


def deaths(_):
    """A handler hears that a member that was killed is suspected, and then dead"""
    with three() as engines, rig.temporary_folder() as folder:
        heard = []
        engines[0].on_membership(heard.append)
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", sys.executable, os.path.abspath(__file__), "node",
             "n4", address(), engines[0].members()[0].address, str(folder)], stdin=subprocess.PIPE)
        with process:
            try:
                rig.wait_for(lambda: any(event[0] == "joined" and event.name == "n4"
                                         for event in heard), "n1 heard of n4")
                rig.wait_for(lambda: known(engines[0], "n4"), "n4 is a member")
            finally:
                process.kill()
        rig.wait_for(lambda: any(event[0] == "dead" for event in heard), "n1 heard of its death")
        told = [event for event in heard if event.type in ("suspected", "dead")]
        tap.check_equal({event.name for event in told}, {"n4"}, "who is dead")
        tap.check_equal([event.type for event in told if event.type == "dead"], ["dead"])
        tap.check(all(event.reason and event.source_id for event in told), told)
        tap.check_equal(insist(engines[0].remove, "n4").tolerated_after, 1, "what may fail now")
        rig.wait_for(lambda: known(engines[0], "n4") is None or
                     known(engines[0], "n4").kind == "observer", "it is no member any more")


def raising(_):
    """A handler that raises, whatever it raises, is printed, called again, and hurts nothing"""
    with printed() as text, three() as engines:
        calls = {"commit": 0, "role": 0, "member": 0}

        def raiser(kind, error):
            def handler(_):
                calls[kind] += 1
                raise error(kind)
            return handler

        heard = []
        engines[0].on_commit(raiser("commit", ValueError))
        engines[0].on_role_change(raiser("role", SystemExit))
        engines[0].on_membership(raiser("member", KeyboardInterrupt))
        engines[0].on_membership(heard.append)
        for number in (1, 2):
            tap.check_equal(engines[0].propose("1").data, b"%d" % number, "the sum")
        for name in ("n2", "n1"):
            insist(engines[0].transfer, name)
        rig.wait_for(lambda: min(calls.values()) >= 2, "each was called again")
        tap.check(len(heard) >= 2 and engines[0].failure is None, "the handler behind it")
        for line in ("ValueError: commit", "SystemExit: role", "KeyboardInterrupt: member"):
            tap.check(line in text.getvalue(), text.getvalue())
        tap.check_equal(engines[0].propose("1").data, b"3", "the sum at last")


def unprintable(_):
    """Where there is nowhere to print to, a handler that raises hurts nothing either"""
    with rig.temporary_folder() as folder, alone(folder) as engine, printed() as text:
        text.close()
        calls = []

        def handler(entry):
            calls.append(entry.index)
            raise ValueError("unheard")

        engine.on_commit(handler)
        for _ in range(2):
            engine.propose("1")
        rig.wait_for(lambda: len(calls) == 2, "it is called again")


def removal(_):
    """Handlers may end themselves and others, begin some, and call the engine"""
    with rig.temporary_folder() as folder, alone(folder) as engine:
        heard, errors, calls, more = [], [], [], []

        def first(entry):
            heard.append(("first", entry.payload))
            ends["first"]()
            ends["second"]()
            calls.append(engine.submit("100"))
            more.append(engine.on_commit(lambda late: heard.append(("late", late.payload))))
            heard.append(engine.status().name)
            for wait in (lambda: engine.propose("1"), calls[0].result, calls[0].exception,
                         engine.snapshot, engine.session, engine.leave, engine.wait_stopped,
                         engine.close, lambda: engine.settle("x"), lambda: engine.backup("x"),
                         engine.read_barrier, lambda: engine.change(remove="n9")):
                errors.append(raised(quorate.QuorateError, wait).name)

        ends = {"first": engine.on_commit(first)}
        ends["second"] = engine.on_commit(lambda entry: heard.append(("second", entry.payload)))
        engine.propose("1")
        rig.wait_for(lambda: calls and calls[0].done(), "what the handler submitted is done")
        rig.wait_for(lambda: ("late", b"100") in heard, "the new handler heard of it")
        tap.check_equal(heard, [("first", b"1"), "n1", ("late", b"100")], "what was heard")
        tap.check_equal(errors, ["QR_ERR_INVALID"] * 12, "what waits, in a handler")
        tap.check_equal(calls[0].result().data, b"101", "the sum")
        more[0]()


def removal_waits(_):
    """Behind its removal by another thread a handler is not called, and is not being called"""
    with rig.temporary_folder() as folder, alone(folder) as engine:
        is_in, may_go, order = threading.Event(), threading.Event(), []

        def handler(_):
            is_in.set()
            may_go.wait(LIMIT_S)
            order.append("handler")

        end = engine.on_commit(handler)

        def remove():
            end()
            order.append("removed")

        engine.submit("1")
        engine.submit("1")
        tap.check(is_in.wait(LIMIT_S), "it is called")
        thread = threading.Thread(target=remove)
        thread.start()
        may_go.set()
        thread.join(LIMIT_S)
        engine.propose("1")
        tap.check_equal(order[-1], "removed", order)
        tap.check(order.count("handler") <= 2, order)


def limits(_):
    """Handlers past the limit are refused, and one that ends makes room"""
    with rig.temporary_folder() as folder, alone(folder) as engine:
        for add in (engine.on_commit, engine.on_role_change, engine.on_membership):
            all_of_them = [add(lambda _: None) for _ in range(64)]
            error = raised(quorate.QuorateError, lambda: add(lambda _: None))
            tap.check_equal((error.name, error.is_certain), ("QR_ERR_BUSY", True))
            all_of_them[7]()
            with add(lambda _: None):
                raised(quorate.QuorateError, lambda: add(lambda _: None))
            add(lambda _: None)()


def changes(_):
    """Changes tell what they did, or with code, name and detail why not, and whether for certain"""
    with three() as engines:
        last = engines[2]
        tap.check_equal(insist(last.demote, "n3").tolerated_after, 0, "two voters that may fail")
        rig.wait_for(lambda: known(engines[0], "n3").kind == "learner", "n3 is a learner")
        dry = insist(last.change, promote=["n3"], is_dry_run=True)
        tap.check_equal(dry[1:], (0, 1), "what may fail, of a dry run")
        tap.check_equal(known(engines[0], "n3").kind, "learner", "behind a dry run")
        insist(last.promote, "n3")
        told = insist(engines[0].change, prioritize="n1", priority=5)
        tap.check_equal(told[1:], (1, 1), "a priority")
        rig.wait_for(lambda: engines[2].leader() and engines[2].leader().name == "n1", "n1 leads")
        joint = insist(engines[1].change, demote=["n2"], remove=["n3"], is_forced=True)
        tap.check(joint.reason and joint.tolerated_after == 0, joint)
        rig.wait_for(lambda: [(m.name, m.kind) for m in engines[0].members() if
                              m.kind != "observer"] == [("n1", "voter"), ("n2", "learner")],
                     "both were done")
        for name, call in (
                ("QR_ERR_NOT_FOUND", lambda: engines[0].remove("n9")),
                ("QR_ERR_NOT_FOUND", lambda: engines[0].transfer("n9")),
                ("QR_ERR_INVALID", lambda: engines[0].demote("n1")),
                ("QR_ERR_INVALID", lambda: engines[0].change(remove="n2", promote="n2")),
                ("QR_ERR_INVALID", lambda: engines[0].promote("")),
                ("QR_ERR_TOO_LARGE", lambda: engines[0].remove("n" * 5000))):
            error = raised(quorate.QuorateError, call)
            tap.check_equal((error.name, error.is_certain), (name, True), error)
            tap.check(error.code < 0 and error.detail, error)


def leaving(_):
    """A leader that leaves hands over, tells why, stops, and says so"""
    with three() as engines, rig.temporary_folder() as folder:
        stops, heard = [], []
        fourth = opened(folder, "n4", engines[0].members()[0].address, on_stopped=stops.append)
        engines[1].on_membership(heard.append)
        rig.wait_for(lambda: ("n4", "voter") in [(m.name, m.kind) for m in engines[0].members()],
                     "n4 votes")
        insist(engines[0].transfer, "n4")
        tap.check_equal(fourth.wait_stopped(0), False, "it has stopped")
        fourth.leave(quorate.LeaveReason.REMOVED)
        tap.check(fourth.wait_stopped(), "it has not stopped")
        tap.check_equal((stops, fourth.status().is_stopped), ([None], True), "how it stopped")
        error = raised(quorate.QuorateError, fourth.leave)
        tap.check_equal(error.name, "QR_ERR_STOPPED")
        raised(ValueError, lambda: fourth.leave("soon"))
        fourth.close()
        rig.wait_for(lambda: any(event.type == "left" and event.name == "n4" and
                                 "removed" in event.reason for event in heard), "n2 heard why")
        rig.wait_for(lambda: engines[1].leader() and engines[1].leader().name != "n4",
                     "another leads")


def leaving_in_a_handler(_):
    """A handler may have its node leave, without waiting for it"""
    with rig.temporary_folder() as folder, alone(folder) as engine:
        engine.on_commit(lambda _: engine.leave(wait=False))
        engine.propose("1")
        tap.check(engine.wait_stopped(LIMIT_S), "it has stopped")


def stopped(_):
    """on_stopped is told what a node could not go on for"""
    ends = []
    with printed(), rig.temporary_folder() as folder, \
            alone(folder, on_stopped=ends.append) as engine:
        raised(quorate.QuorateError, lambda: engine.propose("broken"))
        tap.check(engine.wait_stopped(LIMIT_S), "it has stopped")
        rig.wait_for(lambda: ends, "it is told")
        tap.check_equal((ends[0].name, bool(ends[0].detail)), ("QR_ERR_INVALID", True), ends)


def joining(_):
    """An engine that waits joins when it is told to, and says why it could not yet"""
    with rig.temporary_folder() as folder:
        first, nobody = address(), address()
        with quorate.Engine(Counter(), "n2", f"{folder}/n2", address(), is_waiting=True) as second:
            second.join([nobody])
            rig.wait_for(lambda: second.status().join_reason, "it is told what came of it")
            tap.check(second.status().is_joining, second.status())
            with quorate.Engine(Counter(), "n1", f"{folder}/n1", first,
                                is_bootstrap=True) as engine:
                second.join([nobody, first], is_learner=True)
                rig.wait_for(lambda: known(second, "n1") and known(second, "n2"), "it has joined")
                rig.wait_for(lambda: any(member.name == "n2" and member.kind == "learner"
                                         for member in engine.members()), "n1 has a learner")
                for name, call in (("QR_ERR_FOREIGN", lambda: engine.join(nobody)),
                                   ("QR_ERR_ADDRESS", lambda: second.join("nowhere"))):
                    error = raised(quorate.QuorateError, call)
                    tap.check_equal((error.name, error.is_certain), (name, True))


def adding(_):
    """An engine that waits is added by another, without being called, and again without effect"""
    with rig.temporary_folder() as folder:
        second_at, third_at, nobody = address(), address(), address()
        def waiting(name, at):
            return quorate.Engine(Counter(), name, f"{folder}/{name}", at, is_waiting=True)

        with alone(folder) as first, waiting("n2", second_at) as second, \
                waiting("n3", third_at) as third:
            first.propose("1")
            insist(lambda: first.add(second_at) is None)
            insist(lambda: first.add(second_at) is None)
            insist(lambda: second.add(third_at, is_learner=True) is None)
            rig.wait_for(lambda: known(third, "n2") and known(third, "n2").kind == "voter",
                         "n2 votes")
            tap.check_equal(known(third, "n3").kind, "learner")
            for name, call in (("QR_ERR_ADDRESS", lambda: first.add(nobody)),
                               ("QR_ERR_ADDRESS", lambda: first.add("nowhere"))):
                error = raised(quorate.QuorateError, call)
                tap.check_equal((error.name, error.is_certain), (name, True))
                tap.check(error.detail, error)


def main():
    if sys.argv[1] == "node":
        node(*sys.argv[2:])
        return 0
    tap.end_on_signals()
    return tap.run([roles, members, deaths, raising, unprintable, removal, removal_waits, limits,
                    changes, leaving, leaving_in_a_handler, stopped, joining, adding])


if __name__ == "__main__":
    sys.exit(main())
