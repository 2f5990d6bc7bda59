#!/usr/bin/env python3
# test_kill_rounds.py: nodes are killed under load, round after round, and nothing is lost; TAP.
#
# Each round kills the leader, a follower, two, most or all nodes with SIGKILL, or stops the
# leader for a while (SIGSTOP), and starts them again. The clients and the judgement, and the
# environment that is read: rounds.py.
#
# usage: test_kill_rounds.py PROGRAM [NODES]
#
# SPDX-License-Identifier: Apache-2.0
import sys

import rounds
import tap
from cluster import Cluster, wait_for

ROUNDS = 16          # each plan twice; `make rounds` runs more
WRITES_BEFORE = 150  # acknowledged in a round before anything is killed
WRITES_AFTER = 80    # ... and by those who are left, or by all after the restart
PLANS = ["leader", "follower", "two", "all", "leader", "pause", "most", "all"]


class KillRounds(rounds.Rounds):
    """Nodes are killed, or stand still."""

    def __init__(self, cluster, seed, count):
        super().__init__(cluster, seed, count)
        self.must_refuse = count >= len(PLANS)

    def torment(self, number):
        plan = PLANS[number % len(PLANS)]
        self.wait_writes(WRITES_BEFORE, "are acknowledged before the kill")
        leader = self.cluster.wait_leader()
        if plan == "pause":
            self.pause(leader)
        else:
            self.kill(self.victims(plan, leader))
        self.wait_writes(WRITES_AFTER, "are acknowledged after the restart")
        return plan

    def victims(self, plan, leader):
        others = [i for i in range(self.cluster.size) if i != leader]
        self.chance.shuffle(others)
        if plan == "leader":
            return [leader]
        if plan == "follower":
            return others[:1]
        if plan == "two":
            return [leader, others[0]]
        if plan == "most":
            return [leader, *others][:self.cluster.size // 2 + 1]
        return [leader, *others]

    def kill(self, victims):
        self.chance.shuffle(victims)
        self.cluster.kill(*victims)
        self.killed_count += len(victims)
        if 2 * len(victims) < self.cluster.size:
            self.wait_writes(WRITES_AFTER, "are acknowledged by those who are left")
        elif len(victims) < self.cluster.size:
            before = self.workload.refused()
            wait_for(lambda: self.workload.refused() > before, "those who are left refuse")
        for i in victims:
            self.cluster.restart(i)

    def pause(self, leader):
        """The leader stands still while the others elect another one and go on."""
        self.cluster.pause(leader)
        others = [i for i in range(self.cluster.size) if i != leader]

        def is_replaced():
            found = [self.cluster.status(i) for i in others]
            return any(s and s["node"]["role"] == "leader" for s in found)

        try:
            wait_for(is_replaced, "the others have elected a leader")
            self.wait_writes(WRITES_AFTER, "are acknowledged by those who are left")
        finally:
            self.cluster.resume(leader)


def case_rounds(context):
    """After every round the cluster takes writes again, whoever was killed."""
    context.run()


def main():
    tap.end_on_signals()
    size = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    seed, count = rounds.settings(ROUNDS)
    with Cluster(size) as cluster:
        code = rounds.run(case_rounds, KillRounds(cluster, seed, count))
    sys.exit(code)


main()
