#!/usr/bin/env python3
# test_membership.py: promote, demote, remove, priority and transfer against real processes; TAP.
#
# usage: test_membership.py PROGRAM
#
# SPDX-License-Identifier: Apache-2.0
import json

import cluster as rig
import tap


def change(cluster, at, command, *arguments, code=0):
    """Run a command at a node; returns what it prints, or complains."""
    port = cluster.nodes[at].client_port
    done = rig.run(command, "-a", f"127.0.0.1:{port}", *arguments)
    tap.check_equal(done.returncode, code, f"the exit code of {command} ({done.stderr.strip()})")
    return done.stdout if code == 0 else done.stderr


def kinds(cluster, at):
    """Names of the members a node knows, with their kinds."""
    done = rig.run("members", "-a", f"127.0.0.1:{cluster.nodes[at].http_port}", "--json")
    return {m["name"]: m["kind"] for m in json.loads(done.stdout)}


def case_transfer(cluster):
    """`transfer` asked of any node hands leadership over; a second time it is done already."""
    cluster.wait_leader()
    follower = cluster.follower()
    name = cluster.nodes[follower].name
    change(cluster, cluster.leader(), "transfer", "--dry-run", name)
    tap.check(cluster.leader() != follower, "a dry run moved the leader")
    change(cluster, follower, "transfer", name)
    rig.wait_for(lambda: cluster.leader() == follower, "the new leader")
    change(cluster, cluster.follower(), "transfer", name)


def promote(cluster, at, name):
    """Until it is done: a learner may be a heartbeat behind, and then that is said."""
    def is_done():
        address = f"127.0.0.1:{cluster.nodes[at].client_port}"
        done = rig.run("promote", "--client", address, name)
        tap.check(done.returncode == 0 or "not caught up" in done.stderr, done.stderr)
        return done.returncode == 0

    rig.wait_for(is_done, "the promotion")


def case_demote_and_promote(cluster):
    """`demote` makes a learner, `promote` a voter again; --dry-run only tells."""
    leader = cluster.wait_leader()
    other = cluster.nodes[cluster.follower()].name
    told = json.loads(change(cluster, leader, "demote", "--dry-run", "--json", other))
    tap.check_equal((told["tolerated_before"], told["tolerated_after"]), (1, 0), "who may fail")
    tap.check_equal(kinds(cluster, leader)[other], "voter", "the kind after a dry run")
    change(cluster, cluster.follower(), "demote", other)
    rig.wait_for(lambda: kinds(cluster, leader)[other] == "learner", "a learner")
    promote(cluster, leader, other)
    rig.wait_for(lambda: kinds(cluster, leader)[other] == "voter", "a voter")


def case_wrong(cluster):
    """Unknown names, wrong usage and a priority out of bounds are refused in words."""
    leader = cluster.wait_leader()
    before = kinds(cluster, leader)
    told = change(cluster, cluster.follower(), "remove", "nobody", code=1)
    tap.check("no member is called 'nobody'; no member was changed" in told, told)
    everybody = [node.name for node in cluster.nodes]
    told = change(cluster, leader, "remove", *everybody, code=1)
    tap.check("no voter that may lead would be left" in told, told)
    change(cluster, leader, "transfer", "nobody", code=1)
    change(cluster, leader, "transfer", code=2)
    change(cluster, leader, "transfer", "a", "b", code=2)
    change(cluster, leader, "priority", everybody[0], "256", code=2)
    change(cluster, leader, "priority", everybody[0], code=2)
    change(cluster, leader, "remove", "a,b", code=2)
    tap.check_equal(kinds(cluster, leader), before, "the members")


def case_priority(cluster):
    """A leader whose priority becomes 0 hands over, and whoever has it never leads."""
    leader = cluster.wait_leader()
    change(cluster, cluster.follower(), "priority", cluster.nodes[leader].name, "0")
    rig.wait_for(lambda: cluster.leader() not in (None, leader), "another leader")
    told = change(cluster, leader, "transfer", cluster.nodes[leader].name, code=1)
    tap.check("its priority is 0" in told, told)
    change(cluster, leader, "priority", cluster.nodes[leader].name, "1")


def case_quorum(cluster):
    """What the live voters could not decide any more is refused; the dead one may be removed."""
    leader = cluster.wait_leader()
    dead = cluster.follower()
    alive = next(i for i in range(cluster.size) if i not in (leader, dead))
    cluster.kill(dead)
    refused = lambda: rig.run("remove", "-n", "-a",
                              f"127.0.0.1:{cluster.nodes[leader].client_port}",
                              cluster.nodes[alive].name).returncode == 1
    rig.wait_for(refused, "the refusal")
    told = change(cluster, alive, "remove", cluster.nodes[alive].name, code=1)
    tap.check("1 of 2 voters answer, 2 are needed" in told, told)
    change(cluster, alive, "remove", cluster.nodes[dead].name)
    rig.wait_for(lambda: len(kinds(cluster, alive)) == 2, "two members")


def case_remove_leader(cluster):
    """A leader that is removed hands over first, and the others go on."""
    leader = cluster.wait_leader()
    left = next(i for i in range(cluster.size)
                if i != leader and cluster.nodes[i].is_running())
    change(cluster, leader, "remove", cluster.nodes[leader].name)
    rig.wait_for(lambda: list(kinds(cluster, left)) == [cluster.nodes[left].name], "one member")
    done = rig.run("set", "-a", f"127.0.0.1:{cluster.nodes[left].client_port}", "a", "b")
    tap.check_equal(done.returncode, 0, "the exit code of set")


rig.run_with_cluster([case_transfer, case_demote_and_promote, case_wrong, case_priority,
                      case_quorum, case_remove_leader])
