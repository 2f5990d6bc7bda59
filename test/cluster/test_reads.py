#!/usr/bin/env python3
# test_reads.py: the kinds of read against real processes: what a stale one tells of its age, and
# what each does when nobody leads; TAP.
#
# usage: test_reads.py PROGRAM
#
# SPDX-License-Identifier: Apache-2.0
import time

import cluster as rig
import resp
import tap


def refused(client, *arguments):
    """The words of a refusal."""
    try:
        answer = client.call(*arguments)
    except resp.Refused as error:
        return str(error)
    raise tap.Failed(f"{arguments} was answered {answer!r}")


def case_kinds(cluster):
    """A write is read again with each kind, on the leader and on a follower."""
    leader, follower = cluster.wait_leader(), cluster.follower()
    with cluster.client(leader) as client:
        client.call("SET", "k", "1")
    for at in (leader, follower):
        with cluster.client(at) as client:
            for kind in ("linearizable", "lease"):
                client.call("QUORATE.READ", kind)
                tap.check_equal(client.call("GET", "k"), b"1", f"the value, {kind}")
            # Behind a read that saw it, a stale one sees it too.
            client.call("QUORATE.READ", "stale", 60000)
            tap.check_equal(client.call("GET", "k"), b"1", "the value, stale")
            tap.check_equal(client.call("QUORATE.READ"), b"stale 60000", "the kind")
            age, value = client.call("QUORATE.STALE", "ANY", "GET", "k")
            tap.check_equal(value, b"1", "the value, with its age")
            tap.check(0 <= age < 60000, f"the age {age}")


def case_cut_off(cluster):
    """A node that hears nobody answers stale reads, older and older, and refuses all others."""
    leader, follower = cluster.wait_leader(), cluster.follower()
    others = [i for i in range(cluster.size) if i != follower]
    with cluster.client(leader) as client:
        client.call("SET", "k", "2")
    with cluster.client(follower) as client:
        tap.check_equal(client.call("GET", "k"), b"2", "the value before")
        try:
            for i in others:
                cluster.pause(i)
            began = time.monotonic()
            said = rig.wait_for(lambda: refused(client, "QUORATE.STALE", 300, "GET", "k")
                                if time.monotonic() - began > 1.0 else None, "it is old")
            tap.check("STALE what is applied here may be" in said and "300 ms" in said, said)
            first, value = client.call("QUORATE.STALE", "ANY", "GET", "k")
            tap.check_equal(value, b"2", "the value while nobody leads")
            rig.wait_for(lambda: client.call("QUORATE.AGE") >= first + 200, "the age grows")
            said = refused(client, "GET", "k")
            tap.check(said.startswith("CLUSTERDOWN"), said)
            client.call("QUORATE.READ", "stale")
            tap.check_equal(client.call("GET", "k"), b"2", "a stale read of the connection")
            tap.check(cluster.status(follower)["age_ms"] > first, "the age in /status")
            passed_ms = (time.monotonic() - began) * 1000
            age = client.call("QUORATE.AGE")
            tap.check(age >= 800, f"the age is {age} after {passed_ms:.0f} ms")
        finally:
            for i in others:
                cluster.resume(i)

        def is_young():
            answer = client.call_many([("QUORATE.STALE", 1000, "GET", "k")])[0]
            return isinstance(answer, list) and answer[1] == b"2"

        rig.wait_for(is_young, "it is young again")


def case_woken(cluster):
    """A node that stood still knows how old it is before it has heard anything new."""
    leader, follower = cluster.wait_leader(), cluster.follower()
    with cluster.client(leader) as writer, cluster.client(follower) as client:
        tap.check_equal(client.call("GET", "k"), b"2", "the value before")
        cluster.pause(follower)
        try:
            writer.call("SET", "k", "3")
            time.sleep(0.5)
            # What is sent now is read first when it wakes, beside what the leader sent meanwhile.
            client.socket.sendall(resp.encode(["QUORATE.STALE", 400, "GET", "k"]))
        finally:
            cluster.resume(follower)
        answer = client.read()
        is_refused = isinstance(answer, resp.Refused)
        tap.check(is_refused or answer[1] == b"3", f"an old value was said to be young: {answer}")


rig.run_with_cluster([case_kinds, case_cut_off, case_woken])
