# faults.py: nodes that are killed or stand still while something is asked of the cluster.
#
# Whom it strikes, when and how is drawn from the seed. It waits for what those who are left must
# then do: go on, where a majority of the voters before and after is among them, and else refuse.
#
# SPDX-License-Identifier: Apache-2.0
import time

import changes
import rounds
from cluster import wait_for

WRITES_DURING = 40     # acknowledged by those who are left
WRITES_AFTER = 60      # ... and when all are back
PAUSED = 0.4           # of those that are struck stand still; the others are killed
ANSWER_S_MAX = 25.0    # in which every command has an answer when all are back
STRIKE_S_MAX = 0.4     # behind the question somebody is struck, at the latest
SOON_S = 0.03          # ... where it is to hit the change while it is under way
MOMENTS = ("before", "soon", "soon", "later")

FAULTS = ("leader", "touched", "other", "two", "asked", "leader", "most", "all", "none")

GO_ON, REFUSE, EITHER = "go on", "refuse", "go on or refuse"


class Deck:
    """Gives all cards in an order that is drawn, again and again, so that few rounds meet many."""

    def __init__(self, cards, chance):
        self.cards, self.chance, self.left = cards, chance, []

    def draw(self):
        if not self.left:
            self.left = self.chance.sample(self.cards, len(self.cards))
        return self.left.pop()


class FaultRounds(rounds.Rounds):
    """Rounds in which something is asked and somebody struck at the same time."""

    def __init__(self, cluster, seed, count):
        super().__init__(cluster, seed, count)
        self.faults = Deck(FAULTS, self.chance)
        self.moments = Deck(MOMENTS, self.chance)
        self.lost = set()      # names of voters that cannot come back
        self.never_lead = set()
        self.answers = []

    def name(self, i):
        return self.cluster.nodes[i].name

    def members(self):
        """As the leader has them in its log."""
        def found():
            leader = self.cluster.leader()
            status = None if leader is None else self.cluster.status(leader)
            return status and status["node"]["role"] == "leader" and changes.members_of(status)

        return wait_for(found, "a leader tells its members")

    def someone(self):
        """A member to ask."""
        return self.chance.choice(
            [i for i in self.cluster.present if self.cluster.nodes[i].can_answer()])

    def victims(self, touched, asked):
        """(the fault, whom it strikes)"""
        fault = self.faults.draw()
        present = sorted({*self.cluster.present, *touched})
        everybody = self.chance.sample(present, len(present))
        counts = {"none": 0, "other": 1, "two": 2, "most": len(present) // 2 + 1,
                  "all": len(present)}
        if fault == "leader":
            return fault, [self.cluster.wait_leader()]
        if fault == "touched":
            return fault, [self.chance.choice(touched or everybody)]
        if fault == "asked":
            return fault, [asked]
        return fault, everybody[:counts[fault]]

    def prospect(self, victims, configurations):
        """GO_ON, REFUSE or EITHER: what those who are left must do, whatever the change comes to."""
        struck = {self.name(i) for i in victims} | self.lost
        left = set().union(*configurations) - struck
        have_majority = {2 * len(voters - struck) > len(voters) for voters in configurations}
        if len(have_majority) == 2 or have_majority == {True} and self.never_lead & left:
            return EITHER  # who never leads may have what the others lack
        return GO_ON if have_majority == {True} else REFUSE

    def strike(self, victims, prospect):
        """Have some stand still, where the others can go on, and kill the rest; returns both."""
        running = [i for i in victims if self.cluster.nodes[i].is_running()]
        paused = [i for i in running if prospect == GO_ON and self.chance.random() < PAUSED]
        killed = [i for i in running if i not in paused]
        for i in paused:
            self.cluster.pause(i)
        self.cluster.kill(*killed)
        self.killed_count += len(killed)
        return paused, killed

    def wait_struck(self, victims, prospect):
        """Wait for what those who are left then do."""
        refused, goal = self.workload.refused(), self.workload.acknowledged() + WRITES_DURING
        if set(self.cluster.present) - set(victims):
            wait_for(lambda: (prospect != REFUSE and self.workload.acknowledged() >= goal) or
                             (prospect != GO_ON and self.workload.refused() > refused),
                     f"those who are left {prospect}")

    def heal(self, paused, killed):
        for i in paused:
            self.cluster.resume(i)
        for i in killed:
            self.cluster.restart(i)

    def under_fault(self, begin, touched, after, delay=STRIKE_S_MAX):
        """Begin something, strike, heal. Returns the answers, and words for what was done.

        begin     called with the node to ask; returns what was asked of it (changes.Asked)
        touched   positions of those whom it is about
        after     names of those who vote afterwards
        delay     seconds, behind the beginning, at the latest
        """
        asked, moment = self.someone(), self.moments.draw()
        fault, victims = self.victims(touched, asked)
        prospect = self.prospect(victims, [changes.voters(self.members()), after])
        questions, struck = [], ([], [])
        try:
            if moment != "before":
                questions = begin(self.cluster.nodes[asked])
                # This waits for nothing: it draws the moment.
                time.sleep(self.chance.uniform(0, SOON_S if moment == "soon" else delay))
            struck = self.strike(victims, prospect)
            if moment == "before":
                questions = begin(self.cluster.nodes[asked])
            self.wait_struck(victims, prospect)
        finally:
            self.heal(*struck)
        answers = [self.answer(question) for question in questions]
        self.wait_writes(WRITES_AFTER, "are acknowledged when all are back")
        told = ["/".join(sorted({a.outcome for a in answers}))] if answers else []
        return answers, ", ".join([*told, " ".join([moment, fault, *map(self.name, victims)])])

    def answer(self, question):
        """What a command ended with; it ends in time."""
        answer = question.answer(ANSWER_S_MAX)
        self.answers.append(answer)
        return answer
