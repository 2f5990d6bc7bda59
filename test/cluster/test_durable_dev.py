#!/usr/bin/env python3
# test_durable_dev.py: what `quorate dev` was told stays, also when everything is killed; TAP.
#
# Every case starts `quorate dev` in a temporary folder of its own.
#
# usage: test_durable_dev.py PROGRAM
#
# SPDX-License-Identifier: Apache-2.0
import contextlib
import os
import pathlib
import signal
import subprocess
import sys

import tap
from cluster import free_base_port, program_path, status_at, temporary_folder, wait_for

NODES = 3


def process_state(pid):
    """(state, parent) of a process, or None when there is none."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(")")[2].split()
    return fields[0], int(fields[1])


def is_alive(pid):
    """Whether any of its threads is: one that syncs a file may hold the ports for a while when
    the first has ended already."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return False
    found = [process_state(f"{pid}/task/{thread}") for thread in threads]
    return any(state is not None and state[0] not in "ZX" for state in found)


def children_of(pid):
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return [p for p in pids if (process_state(p) or ("", 0))[1] == pid and is_alive(p)]


class Dev:
    """`quorate dev` on a folder, and the nodes that are its children."""

    def __init__(self, folder):
        self.folder = folder
        self.base_port = free_base_port(NODES)
        self.process = None
        self.children = []
        self.start_count = 0

    def start(self):
        self.start_count += 1
        with open(self.output_path(), "wb") as output:
            self.process = subprocess.Popen(
                [program_path(), "dev", "--data", str(self.folder / "data"), "--nodes", str(NODES),
                 "--base-port", str(self.base_port)],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        wait_for(self.is_complete, "every node of dev is a voter, and dev says so")
        self.children = children_of(self.process.pid)
        tap.check_equal(len(self.children), NODES, "the number of dev's children")

    def output_path(self):
        return self.folder / f"output-{self.start_count}"

    def output(self):
        return self.output_path().read_text(errors="replace")

    def is_complete(self):
        if self.process.poll() is not None:
            raise tap.Failed(f"dev ended by itself: {self.output()[-2000:]}")
        found = [status_at(self.base_port + 10 * i + 2) for i in range(NODES)]
        if None in found or len({s["leader"] for s in found} - {None, ""}) != 1:
            return False
        if "the cluster is ready" not in self.output():
            return False
        return all([m["kind"] for m in s["members"]] == ["voter"] * NODES for s in found)

    def client_port(self, number):
        return self.base_port + 10 * number + 1

    def wait_children_gone(self):
        wait_for(lambda: not any(map(is_alive, self.children)), "all nodes of dev have ended")

    def redis(self, number, *arguments):
        done = subprocess.run(
            ["redis-cli", "-p", str(self.client_port(number)), *arguments],
            capture_output=True, text=True, timeout=60, check=False)
        return done.stdout.strip()

    def end(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.children:
            self.wait_children_gone()


@contextlib.contextmanager
def dev_cluster():
    with temporary_folder() as folder:
        dev = Dev(folder)
        try:
            dev.start()
            yield dev
        except Exception:
            tap.comment(dev.output()[-6000:])
            raise
        finally:
            dev.end()


def case_all_killed(_):
    """What redis-cli set on a dev cluster is there after every process was killed at once."""
    with dev_cluster() as dev:
        tap.check_equal(dev.redis(0, "set", "greeting", "hello"), "OK", "the answer to SET")
        for pid in [dev.process.pid, *dev.children]:
            with contextlib.suppress(ProcessLookupError):  # dev's end may have ended it already
                os.kill(pid, signal.SIGKILL)
        dev.process.wait()
        dev.wait_children_gone()
        dev.start()
        for number in range(NODES):
            tap.check_equal(dev.redis(number, "get", "greeting"), "hello",
                            f"what node {number + 1} has")


def case_children(_):
    """When dev is killed its nodes end with it."""
    with dev_cluster() as dev:
        dev.process.kill()
        dev.process.wait()
        dev.wait_children_gone()


def case_terminate(_):
    """SIGTERM stops dev and its nodes, with exit code 0."""
    with dev_cluster() as dev:
        dev.process.terminate()
        tap.check_equal(dev.process.wait(60), 0, "the exit code")
        tap.check(not any(map(is_alive, dev.children)), "a node outlived dev")


def case_interrupt(_):
    """Ctrl-C stops dev and its nodes, with exit code 0."""
    with dev_cluster() as dev:
        dev.process.send_signal(signal.SIGINT)
        tap.check_equal(dev.process.wait(60), 0, "the exit code")
        tap.check(not any(map(is_alive, dev.children)), "a node outlived dev")


def case_again(_):
    """After a clean stop dev goes on with the same cluster and its data."""
    with dev_cluster() as dev:
        identity = status_at(dev.base_port + 2)["cluster"]["id"]
        dev.redis(1, "set", "kept", "yes")
        dev.process.terminate()
        dev.process.wait(60)
        dev.start()
        tap.check_equal(status_at(dev.base_port + 2)["cluster"]["id"], identity, "the cluster's id")
        tap.check_equal(dev.redis(2, "get", "kept"), "yes", "what node 3 has")


def case_node_killed(_):
    """A node of dev that is killed is told of, and the others take writes."""
    with dev_cluster() as dev:
        os.kill(dev.children[0], signal.SIGKILL)
        wait_for(lambda: "was ended by signal 9" in dev.output(), "dev tells of the killed node")

        def is_written():
            answers = [dev.redis(number, "set", "after", "1") for number in range(NODES)]
            return answers.count("OK") >= NODES - 1

        wait_for(is_written, "the others take writes")


def case_ready(_):
    """Dev tells which port of each node redis-cli is to use."""
    with dev_cluster() as dev:
        for number in range(NODES):
            words = f"redis-cli -p {dev.client_port(number)}"
            wait_for(lambda words=words: words in dev.output(), f"dev says {words}")


def main():
    tap.end_on_signals()
    sys.exit(tap.run([case_all_killed, case_children, case_terminate, case_interrupt, case_again,
                      case_node_killed, case_ready]))


main()
