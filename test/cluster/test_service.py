#!/usr/bin/env python3
# test_service.py: what a service manager is told by a node: ready, well, stopping; TAP.
#
# The manager is a socket of this test, by the protocol of sd_notify(3).
#
# usage: test_service.py PROGRAM
#
# SPDX-License-Identifier: Apache-2.0
import os
import socket
import sys

import tap
from cluster import Cluster, run, temporary_folder, wait_for

WATCHDOG_US = 300_000
LIMIT_S = 60.0


class Manager:
    """A manager that remembers what it was told, line by line."""

    def __init__(self, path):
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.socket.settimeout(LIMIT_S)
        self.told = []

    def hear(self):
        self.told += self.socket.recv(4096).decode().split("\n")

    def wait(self, line, behind=0):
        """Hear on until `line` was told behind that place; returns its place."""
        def place():
            for at in range(behind, len(self.told)):
                if self.told[at].startswith(line):
                    return at + 1
            self.hear()
            return None

        return wait_for(place, f"the manager is told {line}", LIMIT_S)

    def environment(self, **more):
        return {"NOTIFY_SOCKET": self.path.replace("\0", "@"), **more}


class Watched:
    """One node, alone in its cluster, with this environment; started and stopped by `with`."""

    def __init__(self, environment):
        self.cluster = Cluster(1)
        self.environment = environment

    def __enter__(self):
        os.environ.update(self.environment)
        try:
            return self.cluster.__enter__()
        finally:
            for name in self.environment:
                del os.environ[name]

    def __exit__(self, *error):
        return self.cluster.__exit__(*error)


def case_ready(folder):
    """The manager is told that a node is ready, who leads, that it is well, and that it stops"""
    manager = Manager(f"{folder}/notify")
    with Watched(manager.environment(WATCHDOG_USEC=str(WATCHDOG_US))) as cluster:
        manager.wait("READY=1")
        at = manager.wait("STATUS=leader of 1 members, term ")
        for _ in range(3):
            at = manager.wait("WATCHDOG=1", at)
        tap.check_equal(cluster.terminate(0), 0, "the exit code")
    manager.wait("STOPPING=1")


def case_stands(folder):
    """A node that stands still does not feed the watchdog, and one that goes on does"""
    manager = Manager("\0" + f"quorate-test-notify-{os.getpid()}")
    with Watched(manager.environment(WATCHDOG_USEC=str(WATCHDOG_US))) as cluster:
        manager.wait("WATCHDOG=1")
        cluster.pause(0)
        manager.socket.settimeout(3 * WATCHDOG_US / 1e6)
        try:
            while True:  # what it sent before
                manager.hear()
        except TimeoutError:
            pass
        manager.socket.settimeout(LIMIT_S)
        at = len(manager.told)
        cluster.resume(0)
        manager.wait("WATCHDOG=1", at)


def case_left(folder):
    """A node that is told to leave says that it stops, and without a watchdog feeds none"""
    manager = Manager(f"{folder}/leaves")
    others = manager.environment(WATCHDOG_USEC=str(WATCHDOG_US), WATCHDOG_PID="1")
    with Watched(others) as cluster:
        manager.wait("STATUS=leader")
        done = run("leave", "--client", cluster.addresses(0))
        tap.check_equal(done.returncode, 0, "the exit code of leave")
        tap.check_equal(cluster.nodes[0].process.wait(LIMIT_S), 0, "the exit code of the node")
    manager.wait("STOPPING=1")
    tap.check("WATCHDOG=1" not in manager.told, "it feeds a watchdog that is another's")


def main():
    tap.end_on_signals()
    with temporary_folder() as folder:
        sys.exit(tap.run([case_ready, case_stands, case_left], folder))


main()
