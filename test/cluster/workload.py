# workload.py: clients that write and read all the time, and what each of them saw.
#
# Every client is a thread with one connection at a time: to its own node, and to the next while
# that one is down, so that all nodes are always used, leader and followers. What it records is its
# own: when it called, when the answer came, and what the answer was. Nothing is ever sent a second
# time but under a token, so that what is applied twice is the cluster's doing.
#
#   registers   SET of values that are all different, and GET
#   counters    INCR
#   ballots     counters too, by GET and SET ... IFEQ
#   lists       APPEND of pieces that are all different, several sent at once
#   once        INCR under a token, sent again until its answer is known (once.py)
#   pairs       two INCR in one transaction, likewise
#
# SPDX-License-Identifier: Apache-2.0
import collections
import random
import threading
import time

import once
import resp
from linearizability import OK, READ, REFUSED, UNKNOWN, WRITE

REGISTERS = [f"register:{i}" for i in range(4)]
COUNTERS = [f"counter:{i}" for i in range(2)]
BALLOTS = [f"ballot:{i}" for i in range(2)]
LISTS = [f"list:{i}" for i in range(2)]
ONCE = [f"once:{i}" for i in range(2)]
PAIR = [f"pair:{i}" for i in range(2)]
EVERYTHING = REGISTERS + COUNTERS + BALLOTS + LISTS + ONCE + PAIR

RETRY_S = 0.01
PIECES_AT_ONCE = 8
AWAY_COMMANDS = 30  # so many through another node, then its own is tried again
INCREMENT, ADVANCE, APPEND = "increment", "advance", "append"

# `value` is what a read found, else what was written (None where the answer tells it);
# `answer` is the answer, or the words of an error.
Record = collections.namedtuple(
    "Record", "client kind key value outcome answer called returned node"
)


class Gate:
    """Lets the clients work, or holds them all between two commands."""

    def __init__(self):
        self.condition = threading.Condition()
        self.is_open = True
        self.is_over = False
        self.inside = 0

    def enter(self):
        """Wait until the gate is open. Returns False when the work is over."""
        with self.condition:
            self.condition.wait_for(lambda: self.is_open or self.is_over)
            self.inside += not self.is_over
            return not self.is_over

    def leave(self):
        with self.condition:
            self.inside -= 1
            self.condition.notify_all()

    def hold(self, limit):
        """Close the gate and wait until nobody is inside. Returns whether it came to that."""
        with self.condition:
            self.is_open = False
            return self.condition.wait_for(lambda: self.inside == 0, limit)

    def release(self):
        with self.condition:
            self.is_open = True
            self.condition.notify_all()

    def end(self):
        with self.condition:
            self.is_over = True
            self.condition.notify_all()


class Worker(threading.Thread):
    """One client."""

    def __init__(self, number, ports, gate, seed):
        super().__init__(daemon=True)
        self.number = number
        self.ports = ports
        self.gate = gate
        self.chance = random.Random(seed)
        self.home = number % len(ports)
        self.at = self.home
        self.away_count = 0
        self.connection = None
        self.records = []
        self.acknowledged_writes = 0
        self.refused_count = 0
        self.error = None
        self.sender = once.Sender(ports, self.chance)
        self.halves = []  # what was read of a pair that is not equal

    def run(self):
        try:
            while self.gate.enter():
                try:
                    self.step()
                finally:
                    self.gate.leave()
        except Exception as error:  # told by Workload.stop(); no thread dies unheard
            self.error = error
        finally:
            self.drop()
            self.sender.close()

    def drop(self):
        """Give up the connection; the next one is tried at home first."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None
        self.at = self.home
        self.away_count = 0

    def connect(self):
        self.away_count += self.at != self.home
        if self.away_count > AWAY_COMMANDS:
            self.drop()
        if self.connection is None:
            try:
                self.connection = resp.Client(self.ports[self.at])
            except resp.NotSent:
                self.at = (self.at + 1) % len(self.ports)
                time.sleep(RETRY_S)
        return self.connection is not None

    def step(self):
        if not self.connect():
            return
        pick = self.chance.random()
        if pick < 0.08:
            self.once_increment()
        elif pick < 0.14:
            self.pair_increment()
        elif pick < 0.18:
            self.pair_read()
        elif pick < 0.42:
            self.register_write()
        elif pick < 0.70:
            self.call(READ, self.chance.choice(REGISTERS), None, "GET")
        elif pick < 0.82:
            self.call(INCREMENT, self.chance.choice(COUNTERS), None, "INCR")
        elif pick < 0.92:
            self.ballot_advance()
        else:
            self.pieces_append()

    def register_write(self):
        value = f"{self.number}.{len(self.records)}"
        self.call(WRITE, self.chance.choice(REGISTERS), value, "SET", value)

    def once_increment(self):
        key, token = self.chance.choice(ONCE), f"{self.number}.{len(self.records)}"
        called = time.monotonic_ns()
        answer = self.sender.once(token, [("IDEMPOTENT", token, "INCR", key)])
        self.note(INCREMENT, key, None, answer, called)

    def pair_increment(self):
        token = f"{self.number}.{len(self.records)}"
        commands = [("MULTI",), ("INCR", PAIR[0]), ("INCR", PAIR[1]), ("IDEMPOTENT", token, "EXEC")]
        called = time.monotonic_ns()
        answer = self.sender.once(token, commands)
        if isinstance(answer, list) and answer[0] != answer[1]:
            self.halves.append(f"{token}: {answer}")
        answer = answer[0] if isinstance(answer, list) else answer
        self.note(INCREMENT, PAIR[0], None, answer, called)

    def pair_read(self):
        try:
            found = self.connection.call("MGET", *PAIR)
        except resp.Refused:
            return
        except resp.Unknown:
            self.drop()
            return
        if found[0] != found[1]:
            self.halves.append(f"MGET: {found}")

    def ballot_advance(self):
        key = self.chance.choice(BALLOTS)
        found = self.call(READ, key, None, "GET")
        if found.outcome == OK and found.value is not None and self.connection is not None:
            now = int(found.value)
            self.call(ADVANCE, key, now + 1, "SET", now + 1, "IFEQ", now)

    def pieces_append(self):
        key = self.chance.choice(LISTS)
        first = len(self.records)
        pieces = [f"{self.number}.{first + i};" for i in range(PIECES_AT_ONCE)]
        called = time.monotonic_ns()
        answers = self.connection.call_many([("APPEND", key, piece) for piece in pieces])
        for piece, answer in zip(pieces, answers):
            self.note(APPEND, key, piece, answer, called)

    def call(self, kind, key, value, command, *arguments):
        """Send one command and record what came of it."""
        called = time.monotonic_ns()
        try:
            answer = self.connection.call(command, key, *arguments)
        except (resp.Refused, resp.Unknown) as error:
            answer = error
        return self.note(kind, key, value, answer, called)

    def note(self, kind, key, value, answer, called):
        """Record one answer, just come; `answer` may be an exception."""
        returned, node = time.monotonic_ns(), self.at
        outcome = OK
        if isinstance(answer, resp.NotSent):
            return None
        if isinstance(answer, Exception):
            outcome = REFUSED if isinstance(answer, resp.Refused) else UNKNOWN
            answer = str(answer)
        if kind == READ and outcome == OK:
            value = None if answer is None else answer.decode()
        record = Record(
            self.number, kind, key, value, outcome, answer, called, returned, node
        )
        self.records.append(record)
        self.acknowledged_writes += outcome == OK and kind != READ
        self.refused_count += outcome == REFUSED
        if outcome == UNKNOWN and not answer.startswith("TIMEOUT"):
            self.drop()
        return record


class Workload:
    """All the clients; `ports` are those of the nodes."""

    def __init__(self, ports, client_count, seed):
        self.gate = Gate()
        self.workers = [
            Worker(number, ports, self.gate, f"{seed}/{number}") for number in range(client_count)
        ]

    def start(self):
        for worker in self.workers:
            worker.start()

    def acknowledged(self):
        return sum(worker.acknowledged_writes for worker in self.workers)

    def refused(self):
        return sum(worker.refused_count for worker in self.workers)

    def stop(self, limit=60):
        """End all clients; raise what one of them stumbled over."""
        self.gate.end()
        for worker in self.workers:
            worker.join(limit)
            if worker.is_alive():
                raise TimeoutError(f"client {worker.number} does not come to an end")
            if worker.error is not None:
                raise worker.error

    def differences(self):
        """Answers to one token that were not the same, and pairs that were not equal."""
        return [text for worker in self.workers
                for text in worker.sender.differences + worker.halves]

    def records(self):
        return [record for worker in self.workers for record in worker.records]


def prepare(client):
    """What the workload wants to be there."""
    for key in BALLOTS:
        client.call("SET", key, "0")
