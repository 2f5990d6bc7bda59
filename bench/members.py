# members.py: many processes of one cluster, what gossip tells each of them, and what it logs.
#
# Owns the processes, as nodes.py does: the kernel ends them with this program. They are on the
# loopback, or each is in a network of its own (lan.py).
# SPDX-License-Identifier: Apache-2.0
import datetime
import re
import signal
import socket
import subprocess
import time

import lan
import nodes

LINE = re.compile(r"(\S+) \w+ (member_\w+) (.*)")
NAME = re.compile(r'\bname="?([^" ]+)')
PORT = 7700  # in a network of its own
STATUS_S = 2
SETTLE_S = 180


class Member(nodes.Node):
    """One process, which may be killed, stand still, and be started again."""

    def __init__(self, cluster, number):
        super().__init__(cluster, number)
        self.number = number
        self.name = f"m{number + 1}"
        host, port = cluster.place(number)
        self.peer, self.client, self.http = (f"{host}:{port + i}" for i in range(3))
        self.log = cluster.folder / f"{self.name}.log"
        self.log_at = 0

    def start(self, *flags):
        cluster, theirs, ours = self.cluster, None, None
        seeds = [other.peer for other in cluster.nodes[:2] if other is not self]
        how = ["--bootstrap"] if self.number == 0 else ["--join", ",".join(seeds)]
        kind = [] if self.number < cluster.voters else [f"--{cluster.kind}"]
        command = ["setpriv", "--pdeathsig", "KILL", cluster.program, "serve", "--name", self.name,
                   "--data", self.data, "--peer", self.peer, "--client", self.client,
                   "--http", self.http, *how, *kind, *cluster.flags, *flags]
        if cluster.network is not None:
            ours, theirs = socket.socketpair()
            command = [*cluster.network.command(self.number + 1), *command, "--insecure"]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, stdin=theirs or subprocess.DEVNULL,
                                            stdout=log, stderr=log)
        if ours is not None:
            theirs.close()
            cluster.network.plug(self.number + 1, ours)

    def wait(self):
        self.process.wait()
        self.process = None

    def said(self):
        return self.log.read_text(errors="replace")[-2000:]

    def metrics(self):
        """Values by name, without quorate_."""
        text = nodes.wait_for(f"the metrics of {self.name}", lambda: self.get("/metrics", STATUS_S))
        lines = (line.split() for line in text.decode().splitlines() if line[0] != "#")
        return {name.removeprefix("quorate_"): float(value) for name, value in lines}

    def news(self):
        """What its log tells of members since the last call: (seconds, event, of whom)."""
        with open(self.log, "rb") as log:
            log.seek(self.log_at)
            text = log.read()
        text = text[:text.rfind(b"\n") + 1]
        self.log_at += len(text)
        found = []
        for match in map(LINE.match, text.decode(errors="replace").splitlines()):
            if match:
                moment = datetime.datetime.fromisoformat(match[1].replace("Z", "+00:00"))
                found.append((moment.timestamp(), match[2], NAME.search(match[3])[1]))
        return found


class Members:
    """`count` of them: the first `voters` vote, the others are of another kind."""

    def __init__(self, options, folder, count, network=None):
        self.program = options.quorate
        self.folder = folder
        self.voters = min(options.voters, count)
        self.kind = options.kind
        self.flags = options.flags
        self.network = network
        self.base = nodes.free_ports(10 * count)
        self.folder.mkdir()
        self.nodes = []
        self.nodes += [Member(self, number) for number in range(count)]
        for member in self.nodes:
            member.start()

    def place(self, number):
        if self.network is not None:
            return lan.address_of(number + 1), PORT
        return "127.0.0.1", self.base + 10 * number

    def agreed(self):
        """True when all see all alive and nobody else, and know one leader; else None."""
        digests, leaders = set(), set()
        for member in self.nodes:
            status = member.status(STATUS_S)
            swim = status and status["swim"]
            if (not status or not status["leader"] or swim["live"] != len(self.nodes) or
                    swim["suspect"] > 0 or swim["dead"] > 0 or
                    {of["health"] for of in status["members"]} != {"alive"}):
                return None
            digests.add(swim["members_digest"])
            leaders.add(status["leader"])
        return True if len(digests) == len(leaders) == 1 else None

    def are_members(self):
        """True when the voters vote and the others are what they are to be; else None."""
        status = self.nodes[0].status(STATUS_S)
        kinds = [of["kind"] for of in status["members"]] if status else []
        return True if (kinds.count("voter") == self.voters and
                        kinds.count(self.kind) == len(self.nodes) - self.voters) else None

    def settle(self):
        nodes.wait_for("a cluster of all members", self.are_members, SETTLE_S)
        nodes.wait_for("that all agree", self.agreed, SETTLE_S)

    def news(self):
        """(seconds, who tells, event, of whom)"""
        return [(moment, member.name, event, whom)
                for member in self.nodes for moment, event, whom in member.news()]

    def rest(self, seconds):
        """Let time pass, and see that all still run."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for member in self.nodes:
                member.check_runs()
            time.sleep(min(1.0, max(0.0, deadline - time.monotonic())))

    def stop(self):
        running = [member for member in self.nodes if member.process is not None]
        for member in running:
            member.process.send_signal(signal.SIGKILL)
        for member in running:
            member.wait()
