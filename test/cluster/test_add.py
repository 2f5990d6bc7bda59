#!/usr/bin/env python3
# test_add.py: `quorate add` of nodes that wait, and of those that must be refused; TAP.
#
# usage: test_add.py PROGRAM
#
# SPDX-License-Identifier: Apache-2.0
import contextlib
import json
import socket
import subprocess
import threading

import cluster as rig
import tap


@contextlib.contextmanager
def started(cluster, name, *flags, folder=None):
    """A node beside the cluster, that ends with the block."""
    node = rig.Node(cluster.folder, 0, rig.free_base_port(1))
    data = cluster.folder / (folder or f"other-{name}")
    log = cluster.folder / f"other-{name}.log"
    with open(log, "ab") as out:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", rig.program_path(), "serve", "--name", name,
             "--data", str(data), "--peer", f"127.0.0.1:{node.peer_port}",
             "--client", f"127.0.0.1:{node.client_port}",
             "--http", f"127.0.0.1:{node.http_port}", *flags], stderr=out)
    try:
        rig.wait_for(lambda: rig.status_at(node.http_port) or process.poll() is not None,
                     f"{name} runs")
        tap.check(process.poll() is None, f"{name} ended: {log.read_text()[-500:]}")
        yield node
    finally:
        process.kill()
        process.wait()


def add(cluster, name, node, *flags, code=0):
    """Run the command; returns what it prints, or complains."""
    at = cluster.nodes[cluster.follower()].client_port
    done = rig.run("add", "-a", f"127.0.0.1:{at}", *flags, name, f"127.0.0.1:{node.client_port}")
    tap.check_equal(done.returncode, code, f"the exit code ({done.stderr.strip()})")
    return done.stdout if code == 0 else done.stderr


def kind(cluster, name):
    status = cluster.status(cluster.wait_leader())
    return next((m["kind"] for m in status["members"] if m["name"] == name), None)


def remove(cluster, name):
    at = cluster.nodes[cluster.wait_leader()].client_port
    done = rig.run("remove", "-a", f"127.0.0.1:{at}", name)
    tap.check_equal(done.returncode, 0, f"the removal ({done.stderr.strip()})")


def case_added(cluster):
    """A node that waits is added, votes when it has caught up, and is refused a second time."""
    with started(cluster, "n4", "--wait") as node:
        said = add(cluster, "n4", node, "--dry-run")
        tap.check(said.startswith("would be done: n4 can join"), said)
        tap.check_equal(kind(cluster, "n4"), None, "the kind after a dry run")
        told = json.loads(add(cluster, "n4", node, "--json"))
        tap.check_equal((told["name"], told["dry_run"]), ("n4", False), "what is told")
        rig.wait_for(lambda: kind(cluster, "n4") == "voter", "n4 votes")
        said = add(cluster, "n4", node, code=1)
        tap.check("n4 is a member already; nothing was done" in said, said)
        remove(cluster, "n4")
        rig.wait_for(lambda: kind(cluster, "n4") is None, "n4 is gone")
        said = add(cluster, "n4", node, code=1)
        tap.check("was a member of this cluster and is none any more" in said, said)


def case_learner(cluster):
    """With --learner it stays one."""
    with started(cluster, "n5", "--wait") as node:
        said = add(cluster, "n5", node, "--learner")
        tap.check("as a learner that stays one" in said, said)
        tap.check_equal(kind(cluster, "n5"), "learner", "the kind")
        with cluster.client(cluster.wait_leader()) as client:
            client.call("SET", "k", "v")
        applied = cluster.status(cluster.wait_leader())["applied_index"]
        rig.wait_for(lambda: rig.status_at(node.http_port)["applied_index"] >= applied,
                     "it has what was written")
        leader = cluster.status(cluster.wait_leader())
        tap.check_equal([m["wants_vote"] for m in leader["members"] if m["name"] == "n5"],
                        [False], "whether it wants to vote")
        remove(cluster, "n5")


def case_started_as_learner(cluster):
    """One that was started with --learner stays one, and no vote is promised."""
    with started(cluster, "n10", "--wait", "--learner") as node:
        said = add(cluster, "n10", node, "--dry-run")
        tap.check("unless it was started with --learner" in said, said)
        said = add(cluster, "n10", node)
        tap.check("as a learner that stays one" in said, said)
        remove(cluster, "n10")


@contextlib.contextmanager
def pretending(node, cluster_joined):
    """A node that, told to join, says that it belongs to this cluster; its client port."""
    told = rig.status_at(node.http_port)
    ends = threading.Event()

    def answer(command):
        if command == b"QUORATE.JOIN":
            told["joining"] = False
            told["cluster"]["id"] = cluster_joined
            return b"+OK\r\n"
        body = json.dumps(told).encode()
        return b"$%d\r\n%s\r\n" % (len(body), body)

    def serve(listener):
        while not ends.is_set():
            try:
                connection, _ = listener.accept()
            except socket.timeout:
                continue
            with connection, connection.makefile("rb") as lines:
                while head := lines.readline():
                    words = []
                    for _ in range(int(head[1:])):
                        words.append(lines.read(int(lines.readline()[1:]) + 2)[:-2])
                    connection.sendall(answer(words[0].upper()))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        thread = threading.Thread(target=serve, args=[listener])
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            ends.set()
            thread.join()


def case_another_cluster(cluster):
    """One that was let in elsewhere meanwhile is not said to have been added."""
    with started(cluster, "n11", "--wait") as node:
        told = rig.status_at(node.http_port)
        other = "f" * len(told["cluster"]["id"])
        with pretending(node, other) as port:
            at = cluster.nodes[cluster.follower()].client_port
            done = rig.run("add", "-a", f"127.0.0.1:{at}", "n11", f"127.0.0.1:{port}")
        tap.check_equal(done.returncode, 1, f"the exit code ({done.stdout} {done.stderr})")
        tap.check(f"n11 joined another cluster: {other}" in done.stderr, done.stderr)


def case_told_at_its_start(cluster):
    """One that was started with --join obeys no client."""
    with started(cluster, "n12", "--join", f"127.0.0.1:{rig.free_base_port(1)}") as node:
        said = add(cluster, "n12", node, code=1)
        tap.check("was not started with --wait; nothing was changed" in said, said)
        tap.check_equal(kind(cluster, "n12"), None, "the kind")


def case_restart(cluster):
    """A node that was added goes on with the same flags, and --wait means nothing any more."""
    with started(cluster, "n6", "--wait") as node:
        add(cluster, "n6", node)
        rig.wait_for(lambda: kind(cluster, "n6") == "voter", "n6 votes")
    with started(cluster, "n6", "--wait") as node:
        rig.wait_for(lambda: rig.status_at(node.http_port)["leader"], "it follows")
        remove(cluster, "n6")


def case_refused(cluster):
    """Wrong names, taken names, strangers and silence are refused in words, nothing changed."""
    leader = cluster.wait_leader()
    taken = cluster.nodes[leader].name
    with started(cluster, "n7", "--wait") as node:
        said = add(cluster, "n8", node, code=1)
        tap.check("is called n7, and not n8; nothing was done" in said, said)
    with started(cluster, taken, "--wait", folder="other-taken") as node:
        said = add(cluster, taken, node, code=1)
        tap.check(f"another member is called {taken}" in said, said)
    with started(cluster, "n9", "--bootstrap") as node:
        said = add(cluster, "n9", node, code=1)
        tap.check("n9 belongs to another cluster; nothing was done" in said, said)
        # Nor does it do what a client tells it.
        with rig.resp.Client(node.client_port) as client:
            try:
                client.call("QUORATE.JOIN", f"127.0.0.1:{cluster.nodes[leader].peer_port}")
                raise tap.Failed("it took the order to join")
            except rig.resp.Refused as error:
                tap.check("belongs to a cluster already" in str(error), str(error))
    said = add(cluster, "n7", node, code=3)
    tap.check_equal(rig.run("add", "n7").returncode, 2, "the exit code without an address")
    tap.check_equal(rig.run("add", "n7", "nowhere").returncode, 2, "that of a wrong address")
    tap.check_equal({m["name"] for m in cluster.status(leader)["members"]},
                    {node.name for node in cluster.nodes}, "the members")


def case_without(cluster):
    """Without --bootstrap, --join or --wait a fresh node is refused, and told of all three."""
    del cluster
    with rig.temporary_folder() as folder:
        done = rig.run("serve", "--data", folder / "x", "--peer", "127.0.0.1:1",
                       "--name", "x", "--wait", "--bootstrap")
        tap.check_equal(done.returncode, 2, f"the exit code ({done.stderr})")
        port = rig.free_base_port(1)
        done = rig.run("serve", "--data", folder / "x", "--name", "x",
                       "--peer", f"127.0.0.1:{port}", "--client", f"127.0.0.1:{port + 1}",
                       "--http", f"127.0.0.1:{port + 2}")
        tap.check_equal(done.returncode, 1, "the exit code")
        for flag in ("--bootstrap", "--join", "--wait"):
            tap.check(flag in done.stderr, done.stderr)


rig.run_with_cluster([case_added, case_learner, case_started_as_learner, case_another_cluster,
                      case_told_at_its_start, case_restart, case_refused, case_without])
