#!/usr/bin/env python3
# test_bad_input_disk.py: a full disk stops writers with READONLY, loses nothing, and is forgotten
# as soon as there is room again.
#
# Every node's data directory is a small file system of its own, mounted in a mount namespace that
# only this test has: the test starts itself a second time within one (unshare). Where that is not
# permitted the test is skipped.
# SPDX-License-Identifier: Apache-2.0
import os
import subprocess
import sys
import time

import cluster
import raw
import resp
import tap

INNER = "--in-namespace"
NAMESPACES = (["unshare", "--mount"], ["unshare", "--mount", "--map-root-user"])
FLAGS = ("--segment-bytes", "128KiB", "--max-message-bytes", "65536")
SMALL, LARGE = "4m", "64m"
VALUE_BYTES = 20000
WRITES_MAX = 1000  # more than a small disk takes
FILLER = "filler"
ELECTION_TIMEOUTS_S = 0.7  # longer than two: who hears no leader has begun an election by then
PAUSE_S = 0.01  # so that the leader's disk does not fill meanwhile


class SmallDisks(cluster.Cluster):
    """A cluster whose nodes have 4 MiB of disk each."""

    def start_node(self, i):
        data = self.nodes[i].data
        if not os.path.ismount(data):
            data.mkdir(exist_ok=True)
            options = f"size={SMALL},mode=0700"
            subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", data], check=True)
        super().start_node(i)

    restart = start_node

    def stop_all(self):
        super().stop_all()
        for node in self.nodes:
            if os.path.ismount(node.data):
                subprocess.run(["umount", node.data], check=True)

    def resize(self, i, size):
        path = self.nodes[i].data
        subprocess.run(["mount", "-o", f"remount,size={size}", path], check=True)

    def fill(self, i):
        """Leave no byte on a node's disk."""
        with open(self.nodes[i].data / FILLER, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass

    def empty(self, i):
        (self.nodes[i].data / FILLER).unlink()


def value(number):
    return str(number).encode().ljust(VALUE_BYTES, b".")


def write_until_full(client, prefix):
    """Returns how many writes were acknowledged before the first READONLY."""
    for i in range(WRITES_MAX):
        try:
            client.call("SET", f"{prefix}-{i}", value(i))
        except resp.Refused as refusal:
            tap.check(str(refusal).startswith("READONLY"), str(refusal))
            tap.check("disk is full; not applied" in str(refusal), str(refusal))
            return i
    raise tap.Failed(f"{WRITES_MAX} writes did not fill a disk of {SMALL}")


def check_content(client, prefix, count):
    for i in range(count):
        tap.check_equal(client.call("GET", f"{prefix}-{i}"), value(i), f"{prefix}-{i}")
    tap.check_equal(client.call("GET", f"{prefix}-{count}"), None, "what the refused write set")


def is_taken(client):
    """Whether a large write is taken; nothing but READONLY may come before that."""
    try:
        return client.call("SET", "again", value(0)) == b"OK"
    except resp.Refused as refusal:
        tap.check(str(refusal).startswith("READONLY"), str(refusal))
        return False


def full_follower(nodes):
    """A follower whose disk is full does not stop the cluster, and catches up when it has room."""
    leader, follower = nodes.wait_leader(), nodes.follower()
    nodes.fill(follower)
    log = nodes.nodes[follower].log_text()
    end, count = time.monotonic() + ELECTION_TIMEOUTS_S, 0
    with nodes.client(leader) as client:
        while count < 60 or time.monotonic() < end:
            tap.check_equal(client.call("SET", f"past-{count % 60}", value(count)), b"OK")
            count += 1
            time.sleep(PAUSE_S)
    behind = nodes.status(follower)["last_index"]
    tap.check(behind < nodes.status(leader)["last_index"], "the follower found room")
    tap.check(nodes.nodes[follower].is_running(), "the follower ended")
    added = nodes.nodes[follower].log_text()[len(log):]
    tap.check("leader_lost" not in added, "the follower does not hear the leader any more")
    tap.check_equal(nodes.leader(), leader, "the leader")
    nodes.empty(follower)
    _, digests = nodes.wait_same_index()
    tap.check_equal(len(set(digests)), 1, "the count of different digests")
    with nodes.client(follower) as client:
        last = f"past-{(count - 1) % 60}"
        tap.check_equal(client.call("GET", last), value(count - 1), "the last value")
    with nodes.client(leader) as client:
        for i in range(60):
            client.call("DEL", f"past-{i}")


def full_disks(nodes):
    """With full disks writers get READONLY and nothing is applied, and reads go on."""
    with nodes.client(nodes.wait_leader()) as client:
        count = write_until_full(client, "full")
        tap.check(count > 0, "not one write fitted")
        check_content(client, "full", count)
    for i in range(nodes.size):
        with nodes.client(i) as client:
            tap.check_equal(write_until_full(client, "more"), 0, f"writes that node {i} took")
            check_content(client, "full", count)
        tap.check_equal(nodes.status(i)["leader"], nodes.status(0)["leader"], "the leader")
    nodes.full_count = count


def restart_when_full(nodes):
    """Nodes that are killed with a full disk start on it, elect, and hold everything."""
    nodes.kill(0, 1, 2)
    for i in range(nodes.size):
        nodes.restart(i)
    cluster.wait_for(nodes.is_complete, "all know a leader")
    with nodes.client(nodes.wait_leader()) as client:
        check_content(client, "full", nodes.full_count)
        try:
            tap.check_equal(write_until_full(client, "more"), 0, "writes that were taken")
        except resp.Unknown:
            pass  # the leader had room for it, and too few of the others had


def room_again(nodes):
    """When room is made, writes are taken again, without a restart."""
    for i in range(nodes.size):
        nodes.resize(i, LARGE)
    with nodes.client(nodes.wait_leader()) as client:
        cluster.wait_for(lambda: is_taken(client), "a write is taken")
        for i in range(60):
            tap.check_equal(client.call("SET", f"after-{i}", value(i)), b"OK")
        check_content(client, "after", 60)
        check_content(client, "full", nodes.full_count)
    _, digests = nodes.wait_same_index()
    tap.check_equal(len(set(digests)), 1, "the count of different digests")


def no_room_to_begin(nodes):
    """A node that finds no room for its first segment says so, and nothing of it is left."""
    folder = nodes.folder / "tiny"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], check=True)
    try:
        base = cluster.free_base_port(1)
        ports = [f"127.0.0.1:{base + i}" for i in range(3)]
        done = cluster.run("serve", "--bootstrap", "--data", folder, "--peer", ports[0],
                           "--client", ports[1], "--http", ports[2], *FLAGS)
        tap.check_equal(done.returncode, 1, f"the exit code ({done.stderr!r})")
        for word in (str(folder), "log-0000000000000001", "full"):
            tap.check(word in done.stderr, f"{done.stderr!r} does not say {word!r}")
        tap.check("log-0000000000000001.tmp" not in raw.tree(folder), "half a segment is left")
    finally:
        subprocess.run(["umount", folder], check=True)


def main():
    if sys.argv[-1] != INNER:
        for command in NAMESPACES:
            done = subprocess.run([*command, "true"], check=False, stderr=subprocess.DEVNULL)
            if done.returncode == 0:
                os.execvp(command[0], [*command, sys.executable, *sys.argv, INNER])
        print("1..0 # SKIP mounting a small file system is not permitted here")
        return
    tap.end_on_signals()
    cases = [full_follower, full_disks, restart_when_full, room_again, no_room_to_begin]
    with SmallDisks(3, FLAGS) as nodes:
        code = tap.run(cases, nodes, nodes.tell_logs)
    sys.exit(code)


if __name__ == "__main__":
    main()
