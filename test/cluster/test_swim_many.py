#!/usr/bin/env python3
# test_swim_many.py: many members as processes: all see a death, agree again, and keep quiet; TAP.
#
# usage: test_swim_many.py PROGRAM
#
#   QUORATE_MEMBERS   how many, at most 64 (whom /status lists); 20 when not given
#
# Few of them vote, and most only gossip: what is looked at is gossip, and it has to be cheap.
# What is judged does not depend on how fast the machine is, as long as a process is not kept waiting
# for seconds, for which others rightly hold it for dead: packets are counted by the pings that a
# member began, not by seconds, and whatever is waited for has a generous limit.
#
# SPDX-License-Identifier: Apache-2.0
import os
import re
import sys

import cluster as rig
import tap

COUNT = int(os.environ.get("QUORATE_MEMBERS", 20))
VOTERS = 3
LEARNERS = 2
LIMIT_S = 180
POLL_S = 0.2
PROBES = 3             # of each member, while packets are counted
PACKET_BYTES_MAX = 1400
PACKETS_OF_PROBE = 2   # a ping, which is answered
DEATH = re.compile(r" member_dead .*\bname=(\S+)")


class Crowd(rig.Cluster):
    """The first few vote, the next learn, the rest observe."""

    def arguments(self, i):
        node = self.nodes[i]
        kind = [] if i < VOTERS else ["--learner"] if i < VOTERS + LEARNERS else ["--observer"]
        seeds = [f"127.0.0.1:{other.peer_port}" for other in self.nodes[:2] if other is not node]
        founding = ["--bootstrap"] if node.is_founder else ["--join", ",".join(seeds)]
        return ["serve", "--name", node.name, "--data", str(node.data),
                "--peer", f"127.0.0.1:{node.peer_port}",
                "--client", f"127.0.0.1:{node.client_port}",
                "--http", f"127.0.0.1:{node.http_port}", *founding, *kind, *self.flags]

    def is_complete(self):
        status = self.status(0)
        kinds = sorted(member["kind"] for member in status["members"]) if status else []
        return kinds == sorted(["voter"] * VOTERS + ["learner"] * LEARNERS +
                               ["observer"] * (self.size - VOTERS - LEARNERS))

    def agree(self):
        """Whether all who run hold the same for alive, nobody else, and know one leader."""
        running = [i for i in range(self.size) if self.nodes[i].is_running()]
        digests, leaders = set(), set()
        for i in running:
            status = self.status(i)
            swim = status and status["swim"]
            if (not status or swim["live"] != len(running) or swim["suspect"] > 0 or
                    not status["leader"]):
                return False
            digests.add(swim["members_digest"])
            leaders.add(status["leader"])
        return len(digests) == len(leaders) == 1

    def wait_agree(self):
        rig.wait_for(self.agree, "all agree who is alive", LIMIT_S, POLL_S)

    def deaths(self):
        """How often each one told of the death of each: {(who tells, of whom): how often}"""
        found = {}
        for node in self.nodes:
            for name in DEATH.findall(node.log_text()):
                found[node.name, name] = found.get((node.name, name), 0) + 1
        return found

    def check_dead_only(self, before, names=()):
        """Nobody but these was found dead since."""
        wrong = {key for key, count in self.deaths().items()
                 if count > before.get(key, 0) and key[1] not in names}
        tap.check(not wrong, f"(who tells, who lives): {sorted(wrong)[:5]}")

    def metrics(self, i):
        def ask():
            try:
                return rig.http_get(self.nodes[i].http_port, "/metrics")[1]
            except OSError:
                return None

        text = rig.wait_for(ask, "it tells its metrics").decode()
        pairs = (line.split() for line in text.splitlines() if line[0] != "#")
        return {name.removeprefix("quorate_"): float(value) for name, value in pairs}


def case_killed(cluster):
    """Of a member that is killed all others hear that it is dead, and of nobody else."""
    cluster.wait_agree()
    victim = COUNT // 2
    name = cluster.nodes[victim].name
    before = cluster.deaths()
    cluster.kill(victim)

    def all_tell():
        now = cluster.deaths()
        return all(now.get((node.name, name), 0) > before.get((node.name, name), 0)
                   for node in cluster.nodes if node.name != name)

    rig.wait_for(all_tell, f"all tell that {name} is dead", LIMIT_S, POLL_S)
    cluster.restart(victim)
    cluster.wait_agree()
    cluster.check_dead_only(before, [name])


def case_voter_killed(cluster):
    """When a leader is killed all agree on another, observers too, and find nobody else dead."""
    cluster.wait_agree()
    leader = cluster.wait_leader()
    before = cluster.deaths()
    cluster.kill(leader)
    cluster.wait_agree()
    cluster.restart(leader)
    cluster.wait_agree()
    cluster.check_dead_only(before, [cluster.nodes[leader].name])


def quiet_while(cluster):
    """(packets, pings) of a few pings of each, with nothing else between; None when there was, as on
    a busy machine: a late answer is asked for by others, with more packets, and is no failure."""
    before = [cluster.metrics(i) for i in range(COUNT)]

    def is_over():
        now = [cluster.metrics(i) for i in range(COUNT)]
        is_loud = any(metrics["swim_updates_queued"] > 0 for metrics in now)
        have_pinged = all(metrics["swim_probes_total"] >= then["swim_probes_total"] + PROBES
                          for metrics, then in zip(now, before))
        return (is_loud, now) if is_loud or have_pinged else None

    is_loud, after = rig.wait_for(is_over, f"each has pinged {PROBES} times", LIMIT_S, POLL_S)
    packets = sums(before, after, "gossip_packets_sent_total")
    probes = sums(before, after, "swim_probes_total")
    failed = sums(before, after, "swim_probes_failed_total")
    # Besides, of each, what is under way at the beginning and at the end.
    is_over_bound = packets > PACKETS_OF_PROBE * (probes + COUNT)
    tap.comment(f"{packets:.0f} packets, {probes:.0f} pings, {failed:.0f} failed")
    return None if is_loud or failed > 0 or is_over_bound else (packets, probes)


def sums(before, after, name):
    return sum(now[name] - then[name] for now, then in zip(after, before))


def case_idle(cluster):
    """While nothing happens a member sends a ping and an answer in a period, however many there
    are, no packet is over 1,400 bytes, and nobody who lives is found dead."""
    cluster.wait_agree()
    deaths = cluster.deaths()
    packets, probes = rig.wait_for(lambda: quiet_while(cluster),
                                   "nothing but a ping and its answer is sent for a while",
                                   LIMIT_S, POLL_S)
    longest = max(cluster.metrics(i)["gossip_packet_longest_bytes"] for i in range(COUNT))
    tap.check(packets >= probes, f"{packets:.0f} packets with {probes:.0f} pings")
    tap.check(0 < longest <= PACKET_BYTES_MAX, f"a packet had {longest:.0f} bytes")
    cluster.check_dead_only(deaths)


def case_all_restarted(cluster):
    """All are killed and started again at once: they agree that all are alive."""
    cluster.wait_agree()
    everybody = range(COUNT)
    cluster.kill(*everybody)
    for i in everybody:
        cluster.restart(i)
    cluster.wait_agree()
    names = {member["name"] for member in cluster.status(COUNT - 1)["members"]
             if member["health"] == "alive"}
    tap.check_equal(names, {node.name for node in cluster.nodes}, "who is alive")


def main():
    tap.end_on_signals()
    with Crowd(COUNT) as cluster:
        return tap.run([case_killed, case_voter_killed, case_idle, case_all_restarted], cluster,
                       cluster.tell_logs)


if __name__ == "__main__":
    sys.exit(main())
