#!/usr/bin/env python3
# test_verify_command.py: `quorate verify` judges a cluster, and a store that lies; TAP.
#
# usage: test_verify_command.py PROGRAM
#
# The store that lies is a small server here: what it is told to do wrong must be found.
# SPDX-License-Identifier: Apache-2.0
import json
import os
import socketserver
import sys
import threading

import tap
from cluster import Cluster, run, temporary_folder


class Store:
    """Every command of verify, right but for one thing. One lock: linearizable without it."""

    def __init__(self, fault):
        self.fault = fault
        self.values = {}
        self.stale = {}
        self.tokens = {}
        self.count = 0
        self.lock = threading.Lock()

    def write(self, key, value):
        self.stale[key] = self.values.get(key)
        self.values[key] = value

    def is_wrong_now(self, fault):
        self.count += 1
        return fault == self.fault and self.count % 10 == 0

    def get(self, key):
        if self.is_wrong_now("stale") and key in self.stale:
            return self.stale[key]
        return self.values.get(key)

    def set(self, key, value, *condition):
        if condition and self.values.get(key) != condition[1]:
            return None
        if not self.is_wrong_now("lost"):
            self.write(key, value)
        return True

    def getset(self, key, value):
        before = self.values.get(key)
        self.write(key, value)
        return before

    def setnx(self, key, value):
        if key in self.values:
            return 0
        self.write(key, value)
        return 1

    def incr(self, key):
        step = 2 if self.is_wrong_now("twice") else 1
        number = int(self.values.get(key, b"0")) + step
        self.write(key, b"%d" % number)
        return number

    def delete(self, *keys):
        return sum(self.values.pop(key, None) is not None for key in keys)

    def idempotent(self, token, *words):
        if token not in self.tokens:
            self.tokens[token] = self.call(words)
        return self.tokens[token]

    def answer(self, words):
        with self.lock:
            return self.call(words)

    def call(self, words):
        call = {b"GET": self.get, b"SET": self.set, b"GETSET": self.getset, b"SETNX": self.setnx,
                b"INCR": self.incr, b"DEL": self.delete, b"IDEMPOTENT": self.idempotent}[words[0]]
        return call(*words[1:])


def encode(value):
    if value is True:
        return b"+OK\r\n"
    if value is None:
        return b"$-1\r\n"
    if isinstance(value, int):
        return b":%d\r\n" % value
    return b"$%d\r\n%s\r\n" % (len(value), value)


class Handler(socketserver.StreamRequestHandler):
    def words(self):
        head = self.rfile.readline()
        if not head.startswith(b"*"):
            return None
        words = []
        for _ in range(int(head[1:])):
            size = int(self.rfile.readline()[1:])
            words.append(self.rfile.read(size + 2)[:-2])
        return words

    def handle(self):
        try:
            words = self.words()
            while words:
                self.wfile.write(encode(self.server.store.answer(words)))
                words = self.words()
        except ConnectionError:
            pass  # the client has gone


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def judge_store(fault, *arguments, seconds=2):
    """What verify says of such a store: (exit code, its JSON, the store)."""
    with Server(("127.0.0.1", 0), Handler) as server:
        server.store = Store(fault)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            address = f"127.0.0.1:{server.server_address[1]}"
            done = run("verify", "--addresses", address, "--seconds", seconds, "--json",
                       *arguments, timeout=seconds + 60)
        finally:
            server.shutdown()
            thread.join()
        tap.check(done.stdout, f"it printed nothing: {done.stderr}")
        return done.returncode, json.loads(done.stdout), server.store


def case_right(_):
    """A store that does one thing at a time is linearizable, and its keys are removed."""
    code, found, store = judge_store("none")
    tap.check_equal((code, found["verdict"]), (0, "linearizable"), found["words"])
    tap.check(found["answered"] > 100, f"{found['answered']} answers")
    tap.check_equal(store.values, {}, "what is left in the store")


def case_kept(_):
    """With --keep the keys stay."""
    _, _, store = judge_store("none", "--keep")
    tap.check(store.values, "nothing is left")
    tap.check(all(key.startswith(b"verify:") for key in store.values), str(store.values))


def case_wrong(_):
    """A stale read, a lost write and an increment done twice are each found and shown."""
    for fault in ("stale", "lost", "twice"):
        # A slow machine may do too little in a second to see what is wrong.
        for seconds in (1, 4, 16):
            code, found, _ = judge_store(fault, "--keys", 4, seconds=seconds)
            if found["verdict"] == "violated":
                break
        tap.check_equal((code, found["verdict"]), (1, "violated"), f"{fault}: {found['words']}")
        tap.check("no order explains these" in found["words"], found["words"])


def case_chaos(_):
    """A cluster of its own is killed and paused, stays linearizable, and leaves nothing."""
    with temporary_folder() as folder:
        done = run("verify", "--chaos", "--seconds", 6, "--json",
                   env={**os.environ, "TMPDIR": str(folder)}, timeout=120)
        tap.check_equal(done.returncode, 0, f"the exit code ({done.stdout}{done.stderr})")
        found = json.loads(done.stdout)
        tap.check_equal(found["verdict"], "linearizable", "the verdict")
        tap.check(found["kills"] + found["pauses"] > 0, "nothing was killed or paused")
        tap.check(found["answered"] > 100, f"{found['answered']} answers")
        tap.check_equal(list(folder.iterdir()), [], "what is left in the folder")


def case_live(_):
    """A cluster that runs is judged through all its nodes, and keeps no key of it."""
    with Cluster(3) as cluster:
        done = run("verify", "--addresses", cluster.addresses(0, 1, 2), "--seconds", 2)
        tap.check_equal(done.returncode, 0, f"the exit code ({done.stdout}{done.stderr})")
        tap.check("linearizable" in done.stdout, done.stdout)
        with cluster.client(0) as client:
            tap.check_equal(client.call("DBSIZE"), 0, "the number of keys")


def case_refused(_):
    """Nobody to ask is told as such, and a wrong command line is refused in words."""
    done = run("verify", "--addresses", "127.0.0.1:1", "--seconds", 1)
    tap.check_equal(done.returncode, 3, f"the exit code ({done.stderr})")
    tap.check("no operation was answered" in done.stderr, done.stderr)
    for arguments, words in ((["--chaos", "--addresses", "127.0.0.1:1"], "starts itself"),
                             (["--seconds", "0"], "seconds"),
                             (["--clients", "x"], "clients"),
                             (["more"], "more")):
        done = run("verify", *arguments)
        tap.check_equal(done.returncode, 2, f"the exit code of {arguments}")
        tap.check(words in done.stderr, f"it said {done.stderr!r}")


def main():
    tap.end_on_signals()
    return tap.run([case_right, case_kept, case_wrong, case_chaos, case_live, case_refused])


sys.exit(main())
