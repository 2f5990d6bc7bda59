#!/usr/bin/env python3
# test_change_rounds.py: members come and go and leaders hand over while nodes are killed; TAP.
#
# Each round changes something (KINDS), asked of any node, while nodes are killed or stand still
# (faults.py), under load. The logs are so short that snapshots are taken and sent all the time.
# What an administrator is answered is judged as what the clients are (changes.py, rounds.py). Half
# of the seeds read by leases.
#
# usage: test_change_rounds.py PROGRAM
#
# SPDX-License-Identifier: Apache-2.0
import random
import sys
import time

import bounds
import changes
import faults
import rounds
import tap
from changes import DONE, NOT, UNKNOWN, Asked, Change
from cluster import Cluster, program_path, wait_for

SIZE, SPARE = 3, 4           # nodes at first, and beside them
VOTERS_MIN, VOTERS_MAX = 3, 5
ROUNDS = 8                   # each kind once; `make rounds` runs more
WRITES_BEFORE = 60           # acknowledged in a round before anything happens
SETTLE_S_MAX = 60.0          # in which a change is done at last
JOIN_STRIKE_S_MAX = 1.0      # behind the start of a node that joins somebody is struck
STAYS = 0.3                  # of the nodes that were removed run on for another round

BALLAST_KEYS, BALLAST_BYTES = 128, 4096  # so that a snapshot is sent in pieces, for a while
PROPOSAL_TIMEOUT_S = 2.5
LOG_ENTRIES, LOG_BYTES, SEGMENT_BYTES = 200, 1 << 20, 1 << 17
FLAGS = ("--max-log-entries", LOG_ENTRIES, "--max-log-bytes", LOG_BYTES,
         "--segment-bytes", SEGMENT_BYTES, "--max-message-bytes", 1 << 16,
         "--max-snapshot-rate", "4MiB",
         "--proposal-timeout-ms", int(PROPOSAL_TIMEOUT_S * 1000))

LOG_FILES_BYTES_MAX = LOG_BYTES + 4 * SEGMENT_BYTES
OTHER_FILES_BYTES_MAX = 8 << 20
MEMORY_BYTES_MAX = 64 << 20

KINDS = ("add", "remove", "replace", "demote", "swap", "transfer", "priority", "snapshot")


class ChangeRounds(faults.FaultRounds):
    """Members come and go, and leaders hand over. Between two rounds every member votes."""

    def __init__(self, cluster, seed, count):
        super().__init__(cluster, seed, count)
        self.kinds = faults.Deck(KINDS, self.chance)
        self.leaving = []      # removed, and still running
        self.retired = set()   # ids that must never be a member's again
        self.is_sanitized = bounds.is_sanitized(program_path())
        self.quiet_from = 0.0  # what was of unknown outcome may still happen until then

    def run(self):
        with self.cluster.client(self.cluster.wait_leader()) as client:
            for i in range(BALLAST_KEYS):
                client.call("SET", f"ballast:{i}", self.chance.randbytes(BALLAST_BYTES))
        super().run()
        self.inspect_end()
        self.tell_commands()

    def tell_commands(self):
        counts = {o: sum(a.outcome == o for a in self.answers) for o in (DONE, NOT, UNKNOWN)}
        slowest = max(self.answers, key=lambda answer: answer.seconds)
        tap.comment(f"{len(self.answers)} commands: {counts}; the slowest took "
                    f"{slowest.seconds:.1f} s: {slowest.command}")
        for text in sorted({f"{a.outcome}: {a.text}" for a in self.answers if a.outcome != DONE}):
            tap.comment(text)

    def torment(self, number):
        kind = self.kinds.draw()
        count = len(self.cluster.present)
        if kind == "remove" and count <= VOTERS_MIN:
            kind = "add"
        elif kind == "add" and count >= VOTERS_MAX:
            kind = "remove"
        for i in self.leaving[:]:
            if self.chance.random() > STAYS:
                self.end(i)
        self.wait_writes(WRITES_BEFORE, "are acknowledged before the change")
        self.wait_quiet()
        return f"{kind} {getattr(self, kind)()}"

    def answer(self, question):
        answer = super().answer(question)
        if answer.outcome == UNKNOWN:
            self.quiet_from = time.monotonic() + PROPOSAL_TIMEOUT_S
        return answer

    def wait_quiet(self, or_else=lambda: False):
        wait_for(lambda: time.monotonic() >= self.quiet_from or or_else(),
                 "what is unknown has happened or never will")

    # Nodes that come and go.

    def free(self):
        """The position of a node that belongs to no cluster and does not run."""
        free = [i for i in range(len(self.cluster.nodes)) if i not in self.cluster.present]
        i = self.chance.choice([i for i in free if i not in self.leaving] or free)
        if i in self.leaving:
            self.end(i)
        return i

    def end(self, i):
        self.leaving.remove(i)
        self.cluster.kill(i)

    def start(self, i, *flags):
        """As a node that knows nothing."""
        self.cluster.wipe(i)
        self.cluster.nodes[i].flags = list(flags)
        self.cluster.start_node(i)

    def wait_kind(self, i, kind):
        def is_there():
            found = self.members()
            identity = changes.named(found, self.name(i))
            if identity is None or identity in self.retired:
                return False
            tap.check(kind == "voter" or found[identity].kind == kind, f"it is {found[identity]}")
            return found[identity].kind == kind

        wait_for(is_there, f"{self.name(i)} is a {kind}", SETTLE_S_MAX)

    def note_gone(self, i, identity):
        """It was removed; its process may run on."""
        self.retired.add(identity)
        self.cluster.present.remove(i)
        self.leaving.append(i)

    # Changes of members.

    def change(self, change, touched):
        """Ask for it under a fault, judge the answer, and have it done at last."""
        before = self.members()
        answers, what = self.under_fault(lambda node: [changes.ask(node, change)], touched,
                                         changes.voters(change.after(before)))
        self.judge_change(change, before, answers[0])
        self.finish(change, before)
        return f"({answers[0].command}: {what})"

    def judge_change(self, change, before, answer):
        wait_for(lambda: change.state(before, self.members()) != "half",
                 f"`{answer.command}` is done as a whole or not at all", SETTLE_S_MAX)
        text = changes.verdict(change, before, self.members(), answer)
        tap.check(text is None, text)

    def finish(self, change, before):
        """Ask until it is done: who is to vote may have to catch up first."""
        def is_done():
            def is_after():
                return change.state(before, self.members()) == "after"

            self.wait_quiet(is_after)
            if is_after():
                return True
            answer = self.answer(changes.ask(self.cluster.nodes[self.someone()], change))
            self.judge_change(change, before, answer)
            return False

        wait_for(is_done, f"{change.words()} is done", SETTLE_S_MAX)

    def add(self):
        """A fresh node joins, catches up by a snapshot, and is promoted by itself."""
        i = self.free()

        def begin(_):
            self.start(i)
            return []

        after = changes.voters(self.members()) | {self.name(i)}
        _, what = self.under_fault(begin, [i], after, JOIN_STRIKE_S_MAX)
        self.cluster.present.append(i)
        self.wait_kind(i, "voter")
        return f"({self.name(i)}: {what})"

    def leader_or_other(self):
        return self.cluster.wait_leader() if self.chance.random() < 0.5 else self.someone()

    def remove(self):
        """A voter goes, often the leader."""
        i = self.leader_or_other()
        identity = changes.named(self.members(), self.name(i))
        what = self.change(Change(remove=[self.name(i)]), [i])
        self.note_gone(i, identity)
        return what

    def replace(self):
        """A node loses its data. Under its old name it is let in when the old one is removed, as a
        learner under another id."""
        i = self.leader_or_other()
        identity = changes.named(self.members(), self.name(i))
        self.cluster.kill(i)
        self.lost = {self.name(i)}
        self.start(i, "--learner")
        what = self.change(Change(remove=[self.name(i)]), [i])
        self.lost = set()
        self.retired.add(identity)
        self.wait_kind(i, "learner")
        self.finish(Change(promote=[self.name(i)]), self.members())
        return what

    def demote(self):
        """A voter becomes a learner, and a voter again."""
        i = self.leader_or_other()
        down = self.change(Change(demote=[self.name(i)]), [i])
        return down + " and " + self.change(Change(promote=[self.name(i)]), [i])

    def swap(self):
        """Two learners become voters and two voters cease to be, in one change."""
        new = []
        for _ in range(2):
            new.append(self.free())
            self.cluster.present.append(new[-1])
            self.start(new[-1], "--learner")
        for i in new:
            self.wait_kind(i, "learner")
        old = [i for i in self.cluster.present if i not in new]
        out, down = self.chance.sample(old, 2)
        before = self.members()
        change = Change(promote=map(self.name, new), demote=[self.name(down)],
                        remove=[self.name(out)])
        self.until_done([*change.words(), "DRYRUN"])  # they have caught up
        what = self.change(change, [*new, out, down])
        self.note_gone(out, changes.named(before, self.name(out)))
        if len(old) < VOTERS_MAX:
            self.finish(Change(promote=[self.name(down)]), self.members())
        else:
            members = self.members()
            self.finish(Change(remove=[self.name(down)]), members)
            self.note_gone(down, changes.named(members, self.name(down)))
        return what

    # Leaders and snapshots.

    def until_done(self, command, is_enough=lambda: False):
        """Ask for what may be asked for again, until it is done."""
        def is_done():
            self.wait_quiet(is_enough)
            if is_enough():
                return True
            node = self.cluster.nodes[self.someone()]
            return self.answer(Asked(node, command)).outcome == DONE

        wait_for(is_done, f"{command} is done", SETTLE_S_MAX)

    def transfer(self):
        """Leadership goes to whom it is to go."""
        leader = self.cluster.wait_leader()
        to = self.chance.choice([i for i in self.cluster.present if i != leader])
        command = ["transfer", self.name(to)]
        _, what = self.under_fault(lambda node: [Asked(node, command)], [to],
                                   changes.voters(self.members()))
        self.until_done(command, lambda: self.cluster.leader() == to)
        return f"({self.name(to)}: {what})"

    def priority(self):
        """A leader that is never to lead hands over; whoever comes before the others takes over."""
        leader = self.cluster.wait_leader()
        to, number = self.chance.choice(
            [(leader, 0)] + [(i, 3) for i in self.cluster.present if i != leader][:1])
        command = ["priority", self.name(to), number]
        self.never_lead = {self.name(to)} if number == 0 else set()
        _, what = self.under_fault(lambda node: [Asked(node, command)], [to],
                                   changes.voters(self.members()))
        self.until_done(command)
        wait_for(lambda: self.cluster.leader() not in (None, to) if number == 0
                 else self.cluster.leader() == to, f"{' '.join(map(str, command))} shows")
        self.until_done(["priority", self.name(to), 1])
        self.never_lead = set()
        return f"({self.name(to)} {number}: {what})"

    def snapshot(self):
        """Every node takes a snapshot when it is told to."""
        command = ["snapshot"]
        _, what = self.under_fault(
            lambda _: [Asked(self.cluster.nodes[i], command) for i in self.cluster.present],
            [], changes.voters(self.members()))
        for i in self.cluster.present:
            def taken(i=i):
                answer = self.answer(Asked(self.cluster.nodes[i], command))
                return answer if answer.outcome == DONE else None

            answer = wait_for(taken, f"{self.name(i)} takes a snapshot", SETTLE_S_MAX)
            tap.check(self.cluster.status(i)["snapshot_index"] >= int(answer.text),
                      f"{answer.command}: {answer.text} was told")
        return f"({what})"

    # What holds between two rounds.

    def inspect(self, number):
        members = self.members()
        wanted = {self.name(i) for i in self.cluster.present}
        tap.check_equal(changes.voters(members), wanted, "the voters")
        tap.check_equal(len(members), len(wanted), "the number of members")
        tap.check(not self.retired & set(members), f"who was removed is back: {members}")
        for i in self.cluster.present + self.leaving:
            node = self.cluster.nodes[i]
            tap.check(node.is_running(), f"{node.name} ended by itself")
            complaint = bounds.complaint(node)
            tap.check(complaint is None, f"{node.name}: {complaint}")
        for i in self.cluster.present:
            wait_for(lambda i=i: changes.members_of(self.cluster.status(i)) == members,
                     f"{self.name(i)} knows the members")
            self.inspect_bounds(i)

    def inspect_bounds(self, i):
        node = self.cluster.nodes[i]
        log_bytes, other_bytes = bounds.data_bytes(node)
        tap.check(log_bytes <= LOG_FILES_BYTES_MAX, f"{node.name}'s log has {log_bytes} bytes")
        tap.check(other_bytes <= OTHER_FILES_BYTES_MAX,
                  f"{node.name} keeps {other_bytes} bytes beside the log")
        memory = bounds.memory_bytes(node)
        tap.check(self.is_sanitized or memory <= MEMORY_BYTES_MAX,
                  f"{node.name} has {memory} bytes in memory")

    def inspect_end(self):
        """What is due when nothing is done any more."""
        def is_short(i):
            status = self.cluster.status(i)
            return status["last_index"] - status["first_index"] < LOG_ENTRIES

        for i in self.cluster.present:
            wait_for(lambda i=i: is_short(i), f"{self.name(i)} has a short log")


def case_rounds(context):
    """After every round the change is done and the cluster takes writes, whoever was struck."""
    context.run()


def main():
    tap.end_on_signals()
    seed, count = rounds.settings(ROUNDS)
    read_mode = random.Random(f"{seed}/reads").choice(["linearizable", "lease"])
    tap.comment(f"--read-mode {read_mode}")
    with Cluster(SIZE, [*map(str, FLAGS), "--read-mode", read_mode], SPARE) as cluster:
        code = rounds.run(case_rounds, ChangeRounds(cluster, seed, count))
    sys.exit(code)


main()
