#!/usr/bin/env python3
# test_explain.py: `quorate explain` of real processes that are well, killed, stopped, learners,
# not let in: the sentences name them; TAP.
#
# usage: test_explain.py PROGRAM
#
# SPDX-License-Identifier: Apache-2.0
import json
import subprocess

import cluster as rig
import tap


def sentences(cluster, *at):
    """What it says, asked of these nodes, as one text of lines."""
    addresses = ",".join(f"127.0.0.1:{cluster.nodes[i].http_port}" for i in at)
    done = rig.run("explain", "--http", addresses, "--json")
    tap.check_equal(done.returncode, 0, f"the exit code ({done.stderr.strip()})")
    return "\n".join(said["text"] for said in json.loads(done.stdout))


def wait_said(cluster, parts, *at):
    """Until all parts are said; returns the whole text."""
    last = [""]

    def is_said():
        last[0] = sentences(cluster, *at)
        return all(part in last[0] for part in parts)

    try:
        rig.wait_for(is_said, "it is said", 20)
    except tap.Failed as error:
        raise tap.Failed(f"{parts} is not said, but:\n{last[0]}") from error
    return last[0]


def names(cluster, positions):
    return " and ".join(cluster.nodes[i].name for i in sorted(positions))


def case_well(cluster):
    """Of a cluster that is well it says so, whichever node is asked first."""
    leader = cluster.nodes[cluster.wait_leader()].name
    for i in range(cluster.size):
        said = wait_said(cluster, [f"{leader} leads, in term", "heard 3 of 3 voters",
                                   "1 more voter may fail, and writes go on.",
                                   "No change of the members is under way."], i)
        tap.check("did not answer" not in said, said)
    text = rig.run("explain", "--http", f"127.0.0.1:{cluster.nodes[0].http_port}").stdout
    tap.check(text.startswith("The leader\n  "), text)


def case_learner(cluster):
    """A node started with --learner stays one, and that is why it does not vote."""
    leader = cluster.wait_leader()
    base = rig.free_base_port(2)
    other = rig.Node(cluster.folder, 8, base)
    taken = rig.Node(cluster.folder, 7, base + 10)
    processes = []

    def start(node, name, *flags):
        peer = f"127.0.0.1:{cluster.nodes[leader].peer_port}"
        processes.append(subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", rig.program_path(), "serve", "--name", name,
             "--data", str(node.data), "--peer", f"127.0.0.1:{node.peer_port}",
             "--client", f"127.0.0.1:{node.client_port}", "--http", f"127.0.0.1:{node.http_port}",
             "--join", peer, *flags], stderr=subprocess.DEVNULL))

    try:
        start(other, "n9", "--learner")
        wait_said(cluster, ["n9 is a learner and stays one", "quorate promote n9"], leader)
        # One that asks under a name that is taken is told so, and tells it.
        start(taken, "n9")
        rig.wait_for(lambda: (rig.status_at(taken.http_port) or {}).get("join_error"), "a refusal")
        done = rig.run("explain", "--http", f"127.0.0.1:{taken.http_port}")
        tap.check("n9 is in no cluster yet. Its last attempt to join: " in done.stdout and
                  "another member has this name" in done.stdout, done.stdout)
    finally:
        for process in processes:
            process.kill()
            process.wait()
    wait_said(cluster, ["n9 did not answer at"], leader)
    done = rig.run("remove", "-a", f"127.0.0.1:{cluster.nodes[leader].client_port}", "n9")
    tap.check_equal(done.returncode, 0, f"the removal ({done.stderr.strip()})")


def case_stopped(cluster):
    """A voter that stands still is named as who is silent, and what that costs."""
    leader, follower = cluster.wait_leader(), cluster.follower()
    last = next(i for i in range(cluster.size) if i not in (leader, follower))
    name = cluster.nodes[follower].name
    cluster.pause(follower)
    try:
        said = wait_said(cluster, [
            f"With {name} silent every write waits for all of the others that vote: "
            f"{cluster.nodes[last].name}.",
            f"{name} has not answered {cluster.nodes[leader].name} for",
            "No more voter may fail"], leader)
        tap.check("is down" not in said, said)
    finally:
        cluster.resume(follower)
    wait_said(cluster, ["heard 3 of 3 voters"], leader)


def case_killed(cluster):
    """With two of three killed it names them, and says why nobody leads."""
    leader, follower = cluster.wait_leader(), cluster.follower()
    killed = [i for i in range(cluster.size) if i != follower]
    cluster.kill(*killed)
    said = wait_said(cluster, [
        "No node that answered leads, or knows who does.",
        f"1 answered here: {cluster.nodes[follower].name}, too few by themselves.",
        f"{names(cluster, killed)} did not answer, and no node that did has a connection there",
        f"{cluster.nodes[leader].name} did not answer at http://127.0.0.1:"], follower)
    tap.check("Enough voters" not in said, said)
    for i in killed:
        cluster.restart(i)
    cluster.wait_leader()
    wait_said(cluster, ["heard 3 of 3 voters"], follower)


def case_nobody(cluster):
    """With nobody to ask it says so, with the exit code for that."""
    port = rig.free_base_port(1)
    done = rig.run("explain", "--http", f"127.0.0.1:{port}")
    tap.check_equal(done.returncode, 3, "the exit code")
    tap.check("no node answers at" in done.stderr, done.stderr)
    tap.check_equal(rig.run("explain", "all").returncode, 2, "the exit code of wrong usage")
    done = rig.run("explain", "--http", f"127.0.0.1:{port},127.0.0.1:{cluster.nodes[0].http_port}")
    tap.check(f"a node did not answer at http://127.0.0.1:{port}/status." in done.stdout,
              done.stdout)


rig.run_with_cluster([case_well, case_learner, case_stopped, case_killed, case_nobody])
