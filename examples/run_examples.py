#!/usr/bin/env python3
# run_examples.py: runs the examples on three nodes each, kills every node in turn with SIGKILL while
# clients work, starts it again, and checks what the head of the example promises; TAP.
#
# usage: run_examples.py PROGRAM...
#
# SPDX-License-Identifier: Apache-2.0
import contextlib
import pathlib
import re
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "test/cluster"))
import cluster as rig  # noqa: E402
import tap  # noqa: E402

PROGRAMS = {pathlib.Path(path).name: str(pathlib.Path(path).resolve()) for path in sys.argv[1:]}
ROUND = 15  # answers that are waited for between one deed and the next


class Node:
    """One process of an example; who asks has it to himself until it has answered."""

    def __init__(self, command, folder, name):
        self.command = command
        self.folder = folder
        self.name = name
        self.process = None
        self.lock = threading.Lock()

    def start(self):
        with open(self.folder / f"{self.name}.err", "ab") as errors:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *self.command], cwd=self.folder, text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, bufsize=1)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def ask(self, line):
        """The answer; None: it was killed before it gave one."""
        with self.lock:
            process = self.process
            try:
                process.stdin.write(line + "\n")
                process.stdin.flush()
                answer = process.stdout.readline()
            except (OSError, ValueError):
                return None
            return answer[:-1] if answer.endswith("\n") else None

    def status(self):
        """(name of the leader, number of voters, applied index), or None."""
        found = re.match(r".* is .*; (.*) leads; (\d+) voters; applied (\d+)$",
                         self.ask("status") or "")
        return found and (found[1], int(found[2]), int(found[3]))


class Trio:
    """Three nodes of an example, in one folder: what they are called are n1, n2 and n3."""

    def __init__(self, example):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"quorate-{example}-"))
        self.base = rig.free_base_port(4)
        self.program = PROGRAMS[example]
        self.nodes = [self.node(i) for i in range(3)]

    def node(self, i):
        addresses = [f"127.0.0.1:{self.base + 10 * j}" for j in range(4)]
        others = ",".join(addresses[j] for j in range(3) if j != i)
        command = [self.program, f"n{i + 1}", addresses[i]] + ([others] if i > 0 else [])
        return Node(command, self.folder, f"n{i + 1}")

    def start(self):
        for node in self.nodes:
            node.start()
        rig.wait_for(self.is_complete, "all three vote and know who leads")

    def is_complete(self):
        told = [node.status() for node in self.nodes]
        return all(told) and len({(leader, voters) for leader, voters, _ in told}) == 1 \
            and told[0][1] == 3 and told[0][0] != ""

    def stop(self):
        for node in self.nodes:
            if node.process is not None:
                node.kill()

    def errors(self):
        return "".join(f"{path.name}: {path.read_text()}" for path in self.folder.glob("*.err"))


@contextlib.contextmanager
def running(example):
    trio = Trio(example)
    try:
        trio.start()
        yield trio
    except BaseException:
        tap.comment(f"what they left is in {trio.folder}")
        tap.comment(trio.errors())
        raise
    finally:
        trio.stop()
    subprocess.run(["rm", "-rf", str(trio.folder)], check=True)


class Load:
    """A client at each node that asks one line after another, and remembers all of it."""

    def __init__(self, trio, line_of):
        self.trio = trio
        self.line_of = line_of  # of the client's number and the line's
        self.said = []  # (line, answer, asked at, answered at); the answer None: unknown
        self.counts = [0] * 3  # of good answers, by node
        self.is_over = False
        self.threads = [threading.Thread(target=self.work, args=(i,), daemon=True)
                        for i in range(3)]

    def work(self, i):
        number = 0
        while not self.is_over:
            line = self.line_of(i, number)
            number += 1
            asked = time.monotonic()
            answer = self.trio.nodes[i].ask(line)
            if answer is None:
                time.sleep(rig.POLL_S)  # it is down
            elif answer.startswith("unknown"):
                answer = None
            elif not answer.startswith("refused"):
                self.counts[i] += 1
            self.said.append((line, answer, asked, time.monotonic()))

    def good(self):
        return [said for said in self.said if said[1] and not said[1].startswith("refused")]

    def wait_more(self, *positions):
        wanted = [self.counts[i] + ROUND for i in positions]
        rig.wait_for(lambda: all(self.counts[i] >= count for i, count in zip(positions, wanted)),
                     f"clients of {positions} were answered {ROUND} more times")

    def kill_each(self, before_restart=lambda i: None):
        """Kill each node in turn, see the others go on, and start it again."""
        for thread in self.threads:
            thread.start()
        for i, node in enumerate(self.trio.nodes):
            self.wait_more(0, 1, 2)
            node.kill()
            self.wait_more(*[j for j in range(3) if j != i])
            before_restart(i)
            node.start()
            self.wait_more(i)
        self.is_over = True
        for thread in self.threads:
            thread.join()


def tail(_):
    """Each node's tail has every committed line once, without a gap, whenever it is killed"""
    with running("tail") as trio:
        logs = [trio.folder / f"n{i + 1}.log" for i in range(3)]

        def tear(i):
            text = logs[i].read_bytes()
            if i == 1:  # of the last lines a part came to the disk
                logs[i].write_bytes(text[:-40])
            elif i == 2:  # the next one came there, but for its end
                logs[i].write_bytes(text + b"99999999 to")

        load = Load(trio, lambda i, number: f"line {number} of {i}")
        load.kill_each(tear)
        last = max(int(answer) for _, answer, _, _ in load.good())

        def is_same():
            texts = [log.read_text() for log in logs]
            return texts[0] == texts[1] == texts[2] and \
                int(texts[0].splitlines()[-1].split()[0]) >= last

        rig.wait_for(is_same, "all three have the same")
        lines = [line.split(" ", 1) for line in logs[0].read_text().splitlines()]
        indexes = [int(index) for index, _ in lines]
        tap.check(all(a < b for a, b in zip(indexes, indexes[1:])), "indexes do not grow")
        texts = {text: index for index, text in lines}
        tap.check_equal(len(texts), len(lines), "the count of different lines")
        tap.check(set(texts) <= {said[0] for said in load.said}, "nobody asked for some line")
        for line, answer, _, _ in load.good():
            tap.check_equal(texts.get(line), answer, f"the index of {line!r}")


def grown(load):
    """Check that each token is greater than all that were answered before it was asked for."""
    granted = [(asked, answered, int(answer.split()[1]))
               for _, answer, asked, answered in load.good() if answer.startswith("granted")]
    for asked, _, token in granted:
        before = [other for _, answered, other in granted if answered < asked]
        tap.check(not before or max(before) < token, f"token {token} came behind {max(before, default=0)}")
    tap.check_equal(len({token for _, _, token in granted}), len(granted), "different tokens")
    tap.check(len(granted) >= ROUND, f"only {len(granted)} tokens were granted")


def lock(_):
    """Tokens of a lock only grow, and who lost a lease is fenced off, whoever is killed"""
    with running("lock") as trio:
        first, second, third = trio.nodes
        stale = first.ask("acquire disk anna 60000").split()
        tap.check_equal(stale[0], "granted", "the answer")
        tap.check_equal(second.ask("acquire disk bert 60000"), "held by anna", "the answer")
        tap.check_equal(second.ask(f"write disk {stale[1]} from anna"), "written", "the answer")
        tap.check_equal(first.ask(f"renew disk {stale[1]} 100"), "renewed", "the answer")
        index = first.status()[2]
        rig.wait_for(lambda: first.status()[2] > index, "a tick ends the lease, without an entry")
        rig.wait_for(lambda: first.ask(f"write disk {stale[1]} late") == "fenced off",
                     "who lost the lease is fenced off")
        fresh = second.ask("acquire disk bert 60000").split()
        tap.check(int(fresh[1]) > int(stale[1]), f"{fresh} came behind {stale}")
        tap.check_equal(first.ask(f"write disk {stale[1]} late"), "fenced off", "the answer")
        tap.check_equal(first.ask(f"renew disk {stale[1]} 200"), "lost", "the answer")
        tap.check_equal(first.ask(f"release disk {stale[1]}"), "lost", "the answer")
        tap.check_equal(third.ask(f"renew disk {fresh[1]} 60000"), "renewed", "the answer")
        tap.check_equal(third.ask(f"write disk {fresh[1]} from bert"), "written", "the answer")

        for line in (f"write disk {fresh[1]} {'x' * 64}", f"acquire {'n' * 32} bert 1000",
                     f"acquire disk {'h' * 32} 1000", "acquirex disk bert 1000", "x" * 256, "y" * 700):
            told = second.ask(line)
            tap.check(told.startswith("refused"), f"{line!r} is answered {told!r}")
        tap.check_equal(third.ask("read disk"), "from bert", "what the lock guards")

        load = Load(trio, lambda i, number: f"acquire busy client-{number % 2} 5")
        load.kill_each()
        grown(load)
        for node in trio.nodes:
            tap.check_equal(node.ask("read disk"), "from bert", "what the lock guards")
        rig.wait_for(lambda: first.ask(f"release disk {fresh[1]}") in ("released", "lost"),
                     "the lock is given back")
        tap.check(third.ask("acquire disk carl 200").startswith("granted"), "it is not free")


def cron(_):
    """Each due run is given to one process, and run at most once, whoever is killed"""
    with running("cron") as trio:
        file = trio.folder / "runs"

        def runs():
            return [int(line.split()[1]) for line in file.read_text().splitlines()] \
                if file.exists() else []

        def wait_more():
            wanted = len(runs()) + ROUND
            rig.wait_for(lambda: len(runs()) >= wanted, f"there were {ROUND} more runs")

        for line in (f"every {'j' * 32} 20 false", f"every job 20 {'c' * 64}", "every job 20 x".ljust(300, "x"),
                     "every job x false", "every job 20", "every $(job) 20 false", "stop job"):
            told = trio.nodes[1].ask(line)
            tap.check(told.startswith("refused"), f"{line!r} is answered {told!r}")
        trio.nodes[1].ask("every beat 20 echo $JOB $RUN >>runs")
        wait_more()
        # What was given is not given again, the last one neither; nobody is called 0.
        load = Load(trio, lambda i, number: f"take beat {1 if number % 2 else runs()[-1]} 0")
        load.kill_each(lambda i: wait_more())
        wait_more()
        answers = {said[1] for said in load.said if not (said[1] or "").startswith("refused: ")}
        tap.check(answers <= {"", None}, f"an old run was given away: {answers}")
        rig.wait_for(trio.is_complete, "all three are back")
        stopped = rig.wait_for(
            lambda: (trio.nodes[0].ask("every beat 0 none") or "").endswith(" 0 none"),
            "the job is ended") and trio.nodes[2].ask("show beat")
        last = int(stopped.split()[0])
        rig.wait_for(lambda: last - len(runs()) <= 3, "all runs but those of killed processes")
        tap.check_equal(len(set(runs())), len(runs()), "the count of different runs")
        tap.check(set(runs()) <= set(range(1, last + 1)), f"run beyond {last}: {runs()}")
        trio.nodes[0].ask("every later 86400000 false")
        tap.check_equal(trio.nodes[1].ask("take later 1 0"), "", "what is not due")


def transport(_):
    """Each line counts once, over sockets that are no ports, whoever is killed"""
    with running("transport") as trio:
        files = {path.name for path in trio.folder.glob("*.stream")}
        tap.check_equal(files, {f"127.0.0.1:{trio.base + 10 * i}.stream" for i in range(3)}, "sockets")
        load = Load(trio, lambda i, number: f"up {i} {number}")
        load.kill_each()
        counts = [int(answer) for _, answer, _, _ in load.good()]
        tap.check_equal(len(set(counts)), len(counts), "the count of different answers")
        asked = [said for said in load.said if not (said[1] or "").startswith("refused")]
        tap.check(max(counts) <= len(asked), f"{max(counts)} were counted, of {len(asked)}")
        last = int(trio.nodes[0].ask("one more"))
        tap.check(last > max(counts), f"{last} comes behind {max(counts)}")


def rows(trio, name):
    """What a database holds, or None: it is not there yet."""
    try:
        with contextlib.closing(sqlite3.connect(f"file:{trio.folder}/{name}.db?mode=rw", uri=True,
                                                timeout=30)) as database:
            return (database.execute("SELECT * FROM accounts ORDER BY name").fetchall(),
                    database.execute("SELECT entry FROM applied").fetchall())
    except sqlite3.OperationalError:
        return None


def sqlite(_):
    """The databases have each entry once and are equal, that of a late member, too"""
    with running("sqlite") as trio:
        load = Load(trio, lambda i, number: f"add client-{i}-{number} 1")
        load.kill_each()
        while len(load.good()) < 320:  # the log is compacted behind 200
            load.said.append((line := f"add more-{len(load.said)} 1", trio.nodes[0].ask(line), 0, 0))
        late = trio.node(3)
        trio.nodes.append(late)
        late.start()
        index = rig.wait_for(lambda: trio.nodes[0].status(), "it answers")[2]

        def are_equal():
            found = [rows(trio, node.name) for node in trio.nodes]
            return found[0] and all(one == found[0] for one in found) and found[0]

        accounts = dict(rig.wait_for(are_equal, f"all four are equal, at {index}")[0])
        tap.check_equal(set(accounts.values()), {1}, "what balances there are")
        for line, answer, _, _ in load.good():
            tap.check_equal((answer, accounts.get(line.split()[1])), ("1", 1), line)
        tap.check(set(accounts) <= {said[0].split()[1] for said in load.said}, "one is foreign")
        sums = [trio.nodes[1].ask("add big 999999999999999999") for _ in range(10)]
        tap.check_equal(sums[:9], [str((10**18 - 1) * (i + 1)) for i in range(9)], "sums that fit")
        tap.check(sums[9].startswith("refused"), f"one that does not fit is {sums[9]}")
        tap.check_equal(late.ask("get big"), sums[8], "what the late member reads")


def main():
    tap.end_on_signals()
    cases = [case for case in (tail, lock, cron, sqlite, transport) if case.__name__ in PROGRAMS]
    sys.exit(tap.run(cases))


if __name__ == "__main__":
    main()
