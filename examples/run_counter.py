#!/usr/bin/env python3
"""run_counter.py: runs examples/counter.c on three nodes, kills each, and counts what is there.

SPDX-License-Identifier: Apache-2.0
"""
import os
import select
import socket
import subprocess
import sys
import tempfile
import time

LIMIT_SECONDS = 90
ANSWER_SECONDS = 8
VOTING_SECONDS = 2  # for an election among those that are left


def free_addresses(count):
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    addresses = ["127.0.0.1:%d" % probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return addresses


class Node:
    def __init__(self, program, folder, name, address, members):
        self.command = [program, name, address] + members
        self.folder = folder
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command, cwd=self.folder, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def ask(self, line):
        """What it answers, a number or words; None: it is gone, or says nothing."""
        try:
            os.write(self.process.stdin.fileno(), (line + "\n").encode())
        except BrokenPipeError:
            return None
        answer = b""
        while not answer.endswith(b"\n"):
            ready, _, _ = select.select([self.process.stdout], [], [], ANSWER_SECONDS)
            piece = os.read(self.process.stdout.fileno(), 1) if ready else b""
            if not piece:
                return None
            answer += piece
        return answer.decode().strip()


class Cluster:
    """Counts lines through nodes in turn; what is not acknowledged is sent again as it is."""

    def __init__(self, program, folder):
        addresses = free_addresses(3)
        self.nodes = [Node(program, folder, "n%d" % i, address, addresses[:1] if i else [])
                      for i, address in enumerate(addresses)]
        self.limit = time.monotonic() + LIMIT_SECONDS
        self.counted = 0
        self.turn = 0
        self.repeated = 0

    def count(self, without=None, seconds=LIMIT_SECONDS):
        """Returns the count that was acknowledged, or None when time is up: then count it again."""
        line = "line %d" % self.counted
        limit = min(self.limit, time.monotonic() + seconds)
        while time.monotonic() < limit:
            node = self.nodes[self.turn % 3]
            self.turn += 1
            if node is without:
                continue
            answer = node.ask(line)
            if answer is not None and answer.isdigit():
                self.counted += 1
                return int(answer)
            if answer is None:
                node.kill()
                node.start()
            self.repeated += 1
            time.sleep(0.02)
        return None

    def end(self):
        for node in self.nodes:
            node.kill()


def kill_one(cluster, victim):
    """Kill a node, and go on without it: once the others vote. Returns whether that was so."""
    for pause in range(1, 6):
        victim.kill()
        if cluster.count(victim, VOTING_SECONDS) is not None:
            return True
        victim.start()
        cluster.count()
        time.sleep(pause)  # the leader promotes who has caught up
    return False


def count_through_kills(cluster):
    """Returns what is wrong, or None."""
    for victim in cluster.nodes:
        for step in range(12):
            if step == 4 and not kill_one(cluster, victim):
                return "without %s the others do not go on" % victim.command[1]
            told = cluster.count(victim if 4 <= step < 9 else None)
            if told != cluster.counted:
                return "%s, step %d: %s was told, and %d is right" % (victim.command[1], step, told,
                                                                     cluster.counted)
            if step == 8:
                victim.start()
    for node in cluster.nodes:
        node.kill()
    for node in cluster.nodes:
        node.start()
    told = cluster.count()
    return None if told == cluster.counted else "after all were killed: %s, and %d is right" % (
        told, cluster.counted)


def lines_are_miscounted(cluster):
    """Returns what is wrong, or None. What was told before is told again, by each node."""
    for number in (1, 2, cluster.counted):
        for node in cluster.nodes:
            limit, told = time.monotonic() + LIMIT_SECONDS, None
            while told != str(number) and time.monotonic() < limit:
                told = node.ask("line %d" % (number - 1))
                if told is not None and told.isdigit() and told != str(number):
                    break
                time.sleep(0.02)
            if told != str(number):
                return "line %d gave %s from %s" % (number - 1, told, node.command[1])
    node = cluster.nodes[(cluster.turn - 1) % 3]
    for line in ("x" * 254, "", " ", "\xff"):
        told = node.ask(line)
        cluster.counted += 1
        if told != str(cluster.counted):
            return "%r gave %s, and %d is right" % (line, told, cluster.counted)
    for line in ("y" * 255, "y" * 600, "nul\0 within"):
        told = node.ask(line)
        if told is not None or node.process.wait(ANSWER_SECONDS) != 0:
            return "%r was answered by %s" % (line, told)
        node.start()
    told = cluster.count()
    return None if told == cluster.counted else "behind them: %s, and %d is right" % (
        told, cluster.counted)


def guide_differs(source, guide):
    """Whether the guide shows another program than this one."""
    with open(source, encoding="utf-8") as text:
        program = text.read().split("Apache-2.0 */\n", 1)[1]
    with open(guide, encoding="utf-8") as text:
        return program not in text.read()


def code_lines(source):
    """Lines of the program but comments, includes, and braces alone."""
    with open(source, encoding="utf-8") as text:
        program = text.read().split("Apache-2.0 */\n", 1)[1]
    return [line for line in program.split("\n")
            if line.strip(" {}") and not line.startswith("#include")]


def main():
    program, source, guide = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="quorate-counter-") as folder:
        cluster = Cluster(os.path.abspath(program), folder)
        try:
            wrong = count_through_kills(cluster)
            miscounted = lines_are_miscounted(cluster)
        finally:
            cluster.end()
    print("%sok 1 - no_line_is_lost_or_counted_twice_through_kills" % ("not " if wrong else ""))
    if wrong:
        print("# %s; %d were sent again" % (wrong, cluster.repeated))
    differs = guide_differs(source, guide)
    print("%sok 2 - the_guide_shows_this_program" % ("not " if differs else ""))
    print("%sok 3 - a_line_that_is_sent_again_gets_its_first_answer" % ("not " if miscounted else ""))
    if miscounted:
        print("# %s" % miscounted)
    long = len(code_lines(source)) > 30
    print("%sok 4 - the_guide_s_program_has_thirty_lines" % ("not " if long else ""))
    print("1..4")
    return 1 if wrong or differs or miscounted or long else 0


sys.exit(main())
