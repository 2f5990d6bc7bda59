#!/usr/bin/env python3
# test_client.py: the Python package: its client, of real nodes, and of one that lies; TAP.
#
# usage: test_client.py PROGRAM                  PYTHONPATH and QUORATE_LIBRARY say what is tested
#
# SPDX-License-Identifier: Apache-2.0
import contextlib
import json
import os
import signal
import socket
import sys
import threading

import quorate
from support import raised, rig, tap

import resp  # where support.py has looked

LIMIT_S = 60


def finding(cluster):
    """The client finds a node that answers, and repeats what has a token"""
    addresses = "127.0.0.1:1," + cluster.addresses(0, 1, 2)
    with quorate.Client(addresses, timeout=20) as redis:
        redis.set("key", "value")
        tap.check_equal(redis.get("key"), b"value")
        error = raised(quorate.ReplyError, lambda: redis.call("INCR", "key"))
        tap.check_equal((error.code, error.is_certain), ("ERR", True))
        tap.check_equal(redis.call("INCR", "sum", token="once"), 1)
        leader = cluster.wait_leader()
        cluster.kill(leader)
        tap.check_equal(redis.call("INCR", "sum", token="once"), 1, "the same token")
        tap.check_equal(redis.call("INCR", bytearray(b"sum"), token="twice"), 2, "another")
        tap.check_equal(redis.call("MGET", "key", "none"), [b"value", None])
        tap.check_equal(redis.delete("key", "none"), 1)
        cluster.restart(leader)
        rig.wait_for(cluster.is_complete, "it is back")


def has_unread(port):
    """Whether something was sent to a port of this machine that nobody has read yet."""
    with open("/proc/net/tcp", encoding="ascii") as file:
        rows = [line.split() for line in file.readlines()[1:]]
    return any(row[1].endswith(f":{port:04X}") and int(row[4].split(":")[1], 16) > 0
               for row in rows)


def stand_still(cluster, position):
    cluster.pause(position)
    path = f"/proc/{cluster.nodes[position].process.pid}/stat"

    def state():
        with open(path, encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0]

    rig.wait_for(lambda: state() == "T", "it stands still")


@contextlib.contextmanager
def in_flight(cluster, position, call, ends):
    """A call in another thread, which a node that stands still has been sent."""
    def run():
        try:
            ends.append(call())
        except Exception as error:
            ends.append(error)

    thread = threading.Thread(target=run)
    stand_still(cluster, position)
    thread.start()
    try:
        rig.wait_for(lambda: has_unread(cluster.nodes[position].client_port), "it was sent")
        yield
    finally:
        if cluster.nodes[position].is_running():
            cluster.resume(position)
        thread.join(LIMIT_S)


def killed(cluster):
    """Of a call that is under way when its node is killed it is told that nobody knows"""
    for token in (None, "killed"):
        leader, ends = cluster.wait_leader(), []
        addresses = cluster.addresses(*([leader] if token is None else [leader, (leader + 1) % 3]))
        with quorate.Client(addresses, timeout=30) as redis:
            before = int(redis.get("count") or 0)
            with in_flight(cluster, leader, lambda: redis.call("INCR", "count", token=token), ends):
                cluster.kill(leader)
            if token is None:
                tap.check(type(ends[0]) is quorate.OutcomeUnknown, repr(ends))
                tap.check(isinstance(ends[0], OSError), "it is an OSError")
                raised(ConnectionRefusedError, lambda: quick(redis).call("INCR", "count"))
            else:
                tap.check_equal(ends, [before + 1], "the answer, of another node")
                tap.check_equal(redis.call("INCR", "count", token=token), before + 1, "once")
        cluster.restart(leader)
        rig.wait_for(cluster.is_complete, "it is back")


def quick(redis):
    redis._timeout = 0.2
    return redis


def reconnecting(cluster):
    """A connection that was cut between two calls is opened anew, as nothing was sent"""
    follower = cluster.follower()
    with quorate.Client(cluster.addresses(follower), timeout=30) as redis:
        redis.set("key", "1")
        cluster.kill(follower)
        cluster.restart(follower)
        rig.wait_for(cluster.is_complete, "it is back")
        tap.check_equal(redis.call("INCR", "key"), 2, "of one that is open again")
        tap.check_equal(redis.call("MULTI"), b"OK")
        tap.check_equal(redis.call("INCR", "key"), b"QUEUED")
        cluster.kill(follower)
        cluster.restart(follower)
        rig.wait_for(cluster.is_complete, "it is back")
        error = raised(ConnectionResetError, lambda: redis.call("INCR", "key"))
        tap.check("gone" in str(error), error)
        tap.check_equal(redis.get("key"), b"2", "nothing of a transaction was done outside it")
        tap.check_equal(redis.call("MULTI") + redis.call("INCR", "key"), b"OKQUEUED")
        tap.check_equal(redis.call("EXEC"), [3], "a transaction")
        redis.call("MULTI")
        raised(quorate.ReplyError, lambda: redis.call("INCR"))
        tap.check_equal(raised(quorate.ReplyError, lambda: redis.call("EXEC")).code, "EXECABORT")
        cluster.kill(follower)
        cluster.restart(follower)
        rig.wait_for(cluster.is_complete, "it is back")
        tap.check_equal(redis.call("INCR", "key"), 4, "behind the transaction's end")


def moved(cluster):
    """A client that a follower sends to the leader goes there"""
    leader, follower = cluster.wait_leader(), cluster.follower()
    with quorate.Client(cluster.addresses(follower)) as redis:
        redis.call("CLUSTER", "SLOTS")
        with cluster.client(follower) as plain:
            plain.call("CLUSTER", "SLOTS")
            error = raised(resp.Refused, lambda: plain.call("SET", "key", "0"))
            tap.check("MOVED" in str(error), error)
        redis.set("key", "moved")
        told = json.loads(redis.call("QUORATE.STATUS"))
        tap.check_equal(told["node"]["name"], cluster.nodes[leader].name, "who answers now")
        tap.check_equal(redis.get("key"), b"moved")


def timing_out(cluster):
    """A node that stands still ends a call in time, and its late answer is nobody else's"""
    leader = cluster.wait_leader()
    others = [i for i in range(3) if i != leader]
    with quorate.Client(cluster.addresses(leader), timeout=30) as redis:
        redis.set("late", "old")
        stand_still(cluster, leader)
        try:
            tap.check(type(raised(OSError, lambda: quick(redis).call("INCR", "number"))) is
                      quorate.OutcomeUnknown, "what is told")
            raised(quorate.OutcomeUnknown, lambda: redis.get("late"))
            with quorate.Client(cluster.addresses(leader, *others), timeout=LIMIT_S / 4) as both:
                tap.check_equal(both.get("late"), b"old", "another node's answer")
        finally:
            cluster.resume(leader)
        redis._timeout = 30
        tap.check_equal(redis.get("late"), b"old", "the answer to this very call")


@contextlib.contextmanager
def liar(*answers, then=lambda: None):
    """A server that answers each connection with bytes of its own, whatever it is sent. An answer
    of None is one byte after the other, for ever. Told is "HOST:PORT"."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        with contextlib.suppress(OSError):
            for answer in answers:
                connection, _ = server.accept()
                with connection, contextlib.suppress(OSError):
                    connection.recv(65536)
                    while answer is None:
                        connection.sendall(b"1")
                        threading.Event().wait(0.01)
                    connection.sendall(answer)
                    then()
                    while connection.recv(65536):
                        pass

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield "127.0.0.1:%d" % server.getsockname()[1]
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(LIMIT_S)


def bounded(_):
    """What is no reply, or too long, is refused, and its connection is not used again"""
    for name, answer in (
            ("a number that is none", b":12x\r\n"), ("a kind that is none", b"?1\r\n"),
            ("a long string", b"$1000000000000\r\n"), ("a long list", b"*1000000000\r\n"),
            ("a line without end", b"+" + b"x" * 200000), ("deep lists", b"*1\r\n" * 100),
            ("a string that goes on", b"$3\r\nabcdef\r\n"), ("a sign twice", b":--1\r\n"),
            ("many digits", b":" + b"1" * 5000 + b"\r\n"),
            ("a long reply in pieces", b"*3\r\n" + b"$600\r\n" + b"x" * 600 + b"\r\n$600\r\n")):
        with liar(answer, b":7\r\n") as address, \
                quorate.Client(address, timeout=LIMIT_S, reply_bytes_max=1000) as redis:
            tap.check(raised(quorate.ProtocolError, lambda: redis.call("X", token="t")), name)
            tap.check_equal(redis.call("X"), 7, f"behind {name}")
    with liar(b"*2\r\n-ERR no\r\n*2\r\n$-1\r\n*-1\r\n") as address, \
            quorate.Client(address) as redis:
        error, nothing = redis.call("X")
        tap.check_equal((error.code, nothing), ("ERR", [None, None]), "an error within a list")


def trickling(_):
    """A reply that comes byte by byte does not make a call last longer"""
    with liar(None) as address, quorate.Client(address, timeout=0.3) as redis:
        raised(quorate.OutcomeUnknown, lambda: redis.call("X"))
        redis.close()


def doubtful(_):
    """That a repeat was refused does not say that what was sent before it was not done"""
    with liar(b"", b"-TRYAGAIN busy\r\n", *[b"-CLUSTERDOWN none\r\n"] * 1000) as address:
        with quorate.Client(f"{address},{address}", timeout=1.0) as redis:
            error = raised(OSError, lambda: redis.call("INCR", "x", token="t"))
            tap.check(type(error) is quorate.OutcomeUnknown, repr(error))
    with liar(*[b"-CLUSTERDOWN none\r\n"] * 1000) as address:
        with quorate.Client(address, timeout=5.0) as redis:
            error = raised(quorate.ReplyError, lambda: redis.call("INCR", "x", token="t"))
            tap.check_equal((error.code, error.is_certain), ("CLUSTERDOWN", True))
    with liar(b"-TIMEOUT no answer\r\n", b"-READONLY the disk is full; not applied\r\n") as address:
        with quorate.Client(address, timeout=LIMIT_S) as redis:
            error = raised(quorate.ReplyError, lambda: redis.call("INCR", "x", token="t"))
            tap.check_equal((error.code, error.is_certain), ("READONLY", False))
    with liar(b"-TIMEOUT no answer\r\n", b"-TIMEOUT no answer\r\n", b":5\r\n") as address:
        with quorate.Client(address, timeout=LIMIT_S) as redis:
            error = raised(quorate.ReplyError, lambda: redis.call("INCR", "x"))
            tap.check_equal((error.code, error.is_certain), ("TIMEOUT", False))
            redis.close()
            tap.check_equal(redis.call("INCR", "x", token="t"), 5, "repeated under its token")


def named(_):
    """However many nodes a client is moved to, it keeps those that it was given, and one"""
    with liar(b"-MOVED 1 127.0.0.1:1\r\n", b"-MOVED 1 127.0.0.1:2\r\n", b"+PONG\r\n") as address:
        with quorate.Client(address, timeout=LIMIT_S) as redis:
            tap.check_equal(redis.call("PING"), b"PONG")
            tap.check_equal(redis._addresses.count(("127.0.0.1", 1)), 0, "the first is forgotten")
            tap.check(len(redis._addresses) <= 2, redis._addresses)


def circling(_):
    """Nodes that move a client to and fro end its call in time"""
    with liar(*[b"-MOVED 1 127.0.0.1:1\r\n", b"-MOVED 1 nowhere\r\n"] * 1000) as address:
        with quorate.Client(address, timeout=0.5) as redis:
            error = raised((quorate.ReplyError, OSError), lambda: redis.call("X"))
            tap.check(not isinstance(error, quorate.OutcomeUnknown), repr(error))


class Interrupted(Exception):
    pass


def interrupted(_):
    """A signal in the midst of a reply does not leave its rest to the next call"""
    def interrupt(*_):
        raise Interrupted

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        turns = iter([lambda: os.kill(os.getpid(), signal.SIGUSR1), lambda: None])
        with liar(b"$5\r\nhal", b":2\r\n", then=lambda: next(turns)()) as address, \
                quorate.Client(address, timeout=LIMIT_S) as redis:
            raised(Interrupted, lambda: redis.call("GET", "x"))
            tap.check_equal(redis.call("INCR", "y"), 2, "its own answer")
    finally:
        signal.signal(signal.SIGUSR1, before)


def addresses(_):
    """What is no address is refused at once"""
    for text in ("", "7701", "host:", ":1", "host:x", "a:1,,b:1"):
        raised(ValueError, lambda: quorate.Client(text))
    with liar(b":1\r\n") as address, quorate.Client(" " + address) as redis:
        tap.check_equal(redis.call("X"), 1)


def main():
    tap.end_on_signals()
    with rig.Cluster() as cluster:
        return tap.run([finding, killed, reconnecting, moved, timing_out, bounded, trickling,
                        doubtful, named, circling, interrupted, addresses], cluster,
                       cluster.tell_logs)


if __name__ == "__main__":
    sys.exit(main())
