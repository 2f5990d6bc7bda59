#!/usr/bin/env python3
# test_swim.py: members that are killed, stalled, stopped, moved and added, found by gossip; TAP.
#
# usage: test_swim.py PROGRAM [SIZE]
#
# SPDX-License-Identifier: Apache-2.0
import re
import subprocess
import sys

import cluster as rig
import resp
import tap

SIZE = int(sys.argv[2]) if len(sys.argv) > 2 else 3


def node_id(cluster, i):
    """As log lines have it."""
    return re.findall(r"node_started .*?\bid=([0-9a-f]{16})", cluster.nodes[i].log_text())[-1]


def running(cluster, but=()):
    return [i for i in range(SIZE) if i not in but and cluster.nodes[i].can_answer()]


def count_lines(node, event, *fields):
    """How many lines of its log tell of this event with these fields."""
    return sum(f" {event} " in line and all(f"{field}" in line.split() for field in fields)
               for line in node.log_text().splitlines())


def marks(cluster, event, *fields):
    return {i: count_lines(cluster.nodes[i], event, *fields) for i in range(SIZE)}


def wait_told(cluster, before, positions, event, *fields):
    """Until each of these tells of it once more than before."""
    rig.wait_for(lambda: all(count_lines(cluster.nodes[i], event, *fields) > before[i]
                             for i in positions), f"all tell of {event} {fields}")


def health(cluster, at, name):
    status = cluster.status(at)
    return status and next((m["health"] for m in status["members"] if m["name"] == name), None)


def wait_health(cluster, wanted, name, positions):
    rig.wait_for(lambda: all(health(cluster, i, name) == wanted for i in positions),
                 f"all hold {name} for {wanted}")


def wait_all_alive(cluster):
    for node in cluster.nodes[:SIZE]:
        wait_health(cluster, "alive", node.name, running(cluster))


def write(cluster, key):
    def is_done():
        with cluster.client(cluster.wait_leader()) as client:
            try:
                return client.call("SET", key, "v") == b"OK"
            except (resp.Refused, resp.Unknown, OSError):  # another becomes leader
                return False

    rig.wait_for(is_done, "a write is done")


def case_killed(cluster):
    """A follower that is killed is held for dead by all, and for alive when it is back."""
    wait_all_alive(cluster)
    victim = cluster.follower()
    member = f"member={node_id(cluster, victim)}"
    dead, joined = marks(cluster, "member_dead", member), marks(cluster, "member_joined", member)
    cluster.kill(victim)
    others = running(cluster)
    wait_told(cluster, dead, others, "member_dead", member)
    wait_health(cluster, "dead", cluster.nodes[victim].name, others)
    cluster.restart(victim)
    wait_told(cluster, joined, others, "member_joined", member)
    wait_all_alive(cluster)


def is_leader_lost_by_gossip(cluster):
    """Kill the leader, bring it back; whether somebody told that nobody listens there."""
    wait_all_alive(cluster)
    leader = cluster.wait_leader()
    lost = f"leader={node_id(cluster, leader)}"
    before = marks(cluster, "leader_lost_by_gossip", lost)
    cluster.kill(leader)
    write(cluster, "after")
    cluster.restart(leader)
    wait_all_alive(cluster)
    after = marks(cluster, "leader_lost_by_gossip", lost)
    return any(after[i] > before[i] for i in range(SIZE))


def case_leader_killed(cluster):
    """When the leader is killed, who followed it hears that nobody listens there."""
    # On a busy machine a follower's election timeout may be the first to notice: not thrice.
    tap.check(any(is_leader_lost_by_gossip(cluster) for _ in range(3)), "nobody told of it")


def case_stalled(cluster):
    """Who did not run for long is held for dead, holds nobody for dead, and is back by itself."""
    wait_all_alive(cluster)
    victim = cluster.follower()
    member = f"member={node_id(cluster, victim)}"
    dead, joined = marks(cluster, "member_dead", member), marks(cluster, "member_joined", member)
    said = marks(cluster, "member_dead")
    cluster.pause(victim)
    others = running(cluster)
    wait_told(cluster, dead, others, "member_dead", member)
    cluster.resume(victim)
    wait_told(cluster, joined, others, "member_joined", member)
    wait_all_alive(cluster)
    tap.check_equal(count_lines(cluster.nodes[victim], "member_dead"), said[victim],
                    "how often the one that stalled found others dead")


def case_stopped(cluster):
    """Who is stopped says so: it left, and was not found dead."""
    wait_all_alive(cluster)
    victim = cluster.follower()
    member = f"member={node_id(cluster, victim)}"
    left, dead = marks(cluster, "member_left", member), marks(cluster, "member_dead", member)
    tap.check_equal(cluster.terminate(victim), 0, "the exit code")
    others = running(cluster)
    wait_told(cluster, left, others, "member_left", member)
    tap.check_equal({i: count_lines(cluster.nodes[i], "member_dead", member) for i in others},
                    {i: dead[i] for i in others}, "how often it was found dead")
    cluster.restart(victim)
    wait_all_alive(cluster)


def case_moved(cluster):
    """A node that comes back at another address is dialed there."""
    victim = cluster.follower()
    node = cluster.nodes[victim]
    cluster.kill(victim)
    node.peer_port = rig.free_base_port(1)
    where = f"address=127.0.0.1:{node.peer_port}"
    cluster.restart(victim)
    rig.wait_for(lambda: all(count_lines(cluster.nodes[i], "peer_connected", where,
                                         "direction=out") > 0
                             for i in running(cluster, but=[victim])), "all dial it there")
    wait_all_alive(cluster)
    write(cluster, "moved")
    cluster.wait_same_index()


def start_beside(cluster, node, *flags):
    """A process beside those that the cluster starts."""
    arguments = ["serve", "--name", node.name, "--data", str(node.data),
                 "--peer", f"127.0.0.1:{node.peer_port}",
                 "--client", f"127.0.0.1:{node.client_port}",
                 "--http", f"127.0.0.1:{node.http_port}", *flags]
    with open(node.log, "ab") as log:
        node.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", rig.program_path(), *arguments],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def case_observed(cluster):
    """Who only watches, found through a follower, hears who leads, and of each new leader."""
    node = rig.Node(cluster.folder, 90, rig.free_base_port(1))
    through = cluster.nodes[cluster.follower()]
    start_beside(cluster, node, "--observer", "--join", f"127.0.0.1:{through.peer_port}")
    try:
        leader = cluster.wait_leader()
        rig.wait_for(lambda: count_lines(node, "leader_heard",
                                         f"leader={node_id(cluster, leader)}") > 0,
                     "it hears who leads")
        cluster.kill(leader)
        write(cluster, "observed")
        rig.wait_for(lambda: count_lines(node, "leader_heard",
                                         f"leader={node_id(cluster, cluster.wait_leader())}") > 0,
                     "it hears who leads now")
        cluster.restart(leader)
        wait_all_alive(cluster)
        rig.wait_for(lambda: [m["kind"] for m in cluster.status(cluster.wait_leader())["members"]
                              if m["name"] == node.name] == ["observer"],
                     "the leader takes it for an observer")
    finally:
        node.process.kill()
        node.process.wait()


def case_joined(cluster):
    """A newcomer that knows one follower alone becomes a voter, and all gossip with it."""
    through = cluster.nodes[cluster.follower()]
    node = rig.Node(cluster.folder, 91, rig.free_base_port(1))
    start_beside(cluster, node, "--join", f"127.0.0.1:{through.peer_port}")
    try:
        def kind():
            status = cluster.status(cluster.wait_leader())
            return next((m["kind"] for m in status["members"] if m["name"] == node.name), None)

        rig.wait_for(lambda: kind() == "voter", "it is a voter")
        rig.wait_for(lambda: all(count_lines(cluster.nodes[i], "member_joined",
                                             f"name={node.name}") > 0
                                 for i in running(cluster)), "all hear of it")
    finally:
        node.process.kill()
        node.process.wait()


rig.run_with_cluster([case_killed, case_leader_killed, case_stalled, case_stopped, case_moved,
                      case_observed, case_joined], size=SIZE)
