# rounds.py: clients at work while nodes are tormented, round after round, and the judgement on it.
#
# Whoever torments them derives from Rounds and says what a round is. Each round waits for
# conditions, never for a while. At the end of each the clients are held, and all members are
# compared at one applied index; after the last, the clients' own records are judged: CASES.
#
#   QUORATE_ROUNDS   how many rounds
#   QUORATE_SEED     what is done to the nodes, and what the clients do; printed, and drawn when
#                    not given
#
# SPDX-License-Identifier: Apache-2.0
import os
import random
import time

import history
import resp
import tap
import workload
from cluster import LIMIT_S, wait_for
from linearizability import OK, REFUSED, UNKNOWN

CLIENTS = 6


class Rounds:
    """A cluster, a workload, and what was found on the way."""

    must_refuse = False  # whether there was a moment in which writes had to be refused

    def __init__(self, cluster, seed, count):
        self.cluster = cluster
        self.seed = seed
        self.chance = random.Random(seed)
        self.count = count
        ports = [node.client_port for node in cluster.nodes]
        self.workload = workload.Workload(ports, CLIENTS, seed)
        self.killed_count = 0
        self.differences = []
        self.records = []
        self.finals = []  # of each member at the end

    def torment(self, number):
        """One round; returns what was done, in a few words."""
        raise NotImplementedError

    def inspect(self, number):
        """What else is to hold while the clients are held."""

    def run(self):
        with self.cluster.client(self.cluster.wait_leader()) as client:
            workload.prepare(client)
        self.workload.start()
        try:
            for number in range(self.count):
                self.round(number)
        finally:
            self.workload.stop()
        self.records = self.workload.records()
        self.finals = [self.read_all(i) for i in self.cluster.present]
        self.tell()

    def round(self, number):
        begin = time.monotonic()
        what = self.torment(number)
        self.hold()
        self.inspect(number)
        self.compare(number)
        self.workload.gate.release()
        tap.comment(f"round {number + 1}: {what}, {time.monotonic() - begin:.1f} s")

    def wait_writes(self, count, what, limit=LIMIT_S):
        goal = self.workload.acknowledged() + count
        wait_for(lambda: self.workload.acknowledged() >= goal, f"{count} writes {what}", limit)

    def hold(self):
        tap.check(self.workload.gate.hold(60), "a command was not answered within 60 s")

    def compare(self, number):
        """Compare the digests at one applied index."""
        index, digests = self.cluster.wait_same_index()
        if len(set(digests)) != 1:
            self.differences.append(f"round {number + 1}, index {index}: {digests}")

    def read_all(self, i):
        """Everything, read through one node."""
        keys = workload.EVERYTHING

        def values():
            try:
                with self.cluster.client(i) as client:
                    return dict(zip(keys, client.call("MGET", *keys)))
            except (resp.Refused, resp.Unknown, resp.NotSent):
                return None

        found = wait_for(values, f"node {i + 1} answers MGET")
        return {key: value and value.decode() for key, value in found.items()}

    def tell(self):
        counts = {o: sum(r.outcome == o for r in self.records) for o in (OK, REFUSED, UNKNOWN)}
        tap.comment(f"{self.killed_count} nodes killed, {len(self.records)} operations: {counts}")

    def judge(self, keys, verdict):
        """Fail with the first key whose verdict is one."""
        tap.check(self.finals, "the rounds did not come to their end")
        for key in keys:
            text = verdict(key)
            tap.check(text is None, text)


def case_registers(rounds):
    """No acknowledged write is lost and no read is stale: each register is linearizable."""
    tap.check(len(rounds.records) > 500, "there was next to nothing to judge")
    rounds.judge(workload.REGISTERS, lambda key: history.register_verdict(rounds.records, key))


def case_counters(rounds):
    """An acknowledged INCR counts once, an unknown one at most once, a refused one never."""
    rounds.judge(workload.COUNTERS, lambda key: history.counter_verdict(
        rounds.records, key, int(rounds.finals[0][key] or 0)))


def case_counter_order(rounds):
    """The answers to INCR grow in real time."""
    rounds.judge(workload.COUNTERS,
                 lambda key: history.counter_order_verdict(rounds.records, key))


def case_once(rounds):
    """What is sent again under its token counts once, whichever node has it, and a repeat gets the
    first answer."""
    keys = workload.ONCE + workload.PAIR[:1]
    counted = [r for r in rounds.records if r.key in keys]
    unknown = [r for r in counted if r.outcome == UNKNOWN]
    tap.comment(f"{len(counted)} commands under tokens, {len(unknown)} of unknown outcome")
    tap.check(len(counted) > 50, "there was next to nothing to judge")
    tap.check(len(unknown) * 10 < len(counted), f"too many are unknown: {unknown[:3]}")
    rounds.judge(keys, lambda key: history.counter_verdict(
        rounds.records, key, int(rounds.finals[0][key] or 0)))
    rounds.judge(keys, lambda key: history.counter_order_verdict(rounds.records, key))
    tap.check(not rounds.workload.differences(), "; ".join(rounds.workload.differences()[:3]))


def case_pairs(rounds):
    """A transaction is seen as a whole, through every node."""
    for final in rounds.finals:
        tap.check_equal(final[workload.PAIR[0]], final[workload.PAIR[1]], "the second of a pair")


def case_ballots(rounds):
    """Of several compare-and-sets of one value one wins, and counts once."""
    rounds.judge(workload.BALLOTS, lambda key: history.ballot_verdict(
        rounds.records, key, int(rounds.finals[0][key])))


def case_ballot_reads(rounds):
    """A read finds what was won before it began, through whichever node."""
    rounds.judge(workload.BALLOTS, lambda key: history.ballot_read_verdict(rounds.records, key))


def case_lists(rounds):
    """Appended pieces stand in real-time order: acknowledged once, refused never."""
    rounds.judge(workload.LISTS, lambda key: history.list_verdict(
        rounds.records, key, rounds.finals[0][key]))


def case_pipelines(rounds):
    """Commands sent at once by one client take effect in the order they were sent."""
    rounds.judge(workload.LISTS, lambda key: history.pipeline_verdict(
        rounds.records, key, rounds.finals[0][key]))


def case_refused(rounds):
    """A write that was refused is never read back."""
    refused = {(r.key, r.value) for r in rounds.records
               if r.outcome == REFUSED and r.kind == history.WRITE}
    tap.check(not rounds.must_refuse or rounds.workload.refused() > 0, "nothing was refused")
    seen = {(r.key, r.value) for r in rounds.records
            if r.outcome == OK and r.kind == history.READ}
    for final in rounds.finals:
        seen |= set(final.items())
    tap.check(not refused & seen, f"refused, and read: {sorted(refused & seen)[:3]}")


def case_digests(rounds):
    """At one applied index the digests of all nodes are equal, after every round."""
    tap.check(rounds.finals, "the rounds did not come to their end")
    tap.check(not rounds.differences, "; ".join(rounds.differences))


def case_nodes(rounds):
    """At the end every node reads back the same."""
    tap.check(rounds.finals, "the rounds did not come to their end")
    for final in rounds.finals[1:]:
        tap.check_equal(final, rounds.finals[0], "what another node reads")


def case_errors(rounds):
    """Every error reply begins with a word that says what happened."""
    words = {r.answer.split(" ", 1)[0] for r in rounds.records if r.outcome != OK}
    allowed = {"CLUSTERDOWN", "TRYAGAIN", "TIMEOUT", "cut:"}
    tap.check(words <= allowed, f"{sorted(words - allowed)} are none of {sorted(allowed)}")


CASES = [case_registers, case_counters, case_counter_order, case_once, case_pairs, case_ballots,
         case_ballot_reads, case_lists, case_pipelines, case_refused, case_digests, case_nodes,
         case_errors]


def settings(count):
    """(seed, how many rounds) as the environment has it, or drawn and `count`."""
    seed = os.environ.get("QUORATE_SEED") or str(random.SystemRandom().randrange(10**9))
    return seed, int(os.environ.get("QUORATE_ROUNDS", count))


def run(case_rounds, rounds):
    """Run the rounds as a case, then judge. Returns the exit code."""
    tap.comment(f"QUORATE_SEED={rounds.seed} QUORATE_ROUNDS={rounds.count}, "
                f"{rounds.cluster.size} nodes")
    return tap.run([case_rounds, *CASES], rounds, rounds.cluster.tell_logs)
