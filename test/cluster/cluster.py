# cluster.py: a cluster of `quorate serve` processes for a test, from the first start to the end.
#
# Owns every process it started and a temporary folder with their data and logs. Both are gone
# when the test ends, however it ends; a test that failed keeps the folder and says where it is.
# QUORATE_SERVE in the environment is more flags for each node.
# Use it from the main thread: the kernel kills a node when the thread that started it ends.
# SPDX-License-Identifier: Apache-2.0
import contextlib
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import resp
import tap

# Ports below those that the kernel gives to outgoing connections (net.ipv4.ip_local_port_range):
# a node that is down for a moment must find its own still free.
PORT_LEAST = 10240
PORT_MOST = 32000
PORT_TRIES = 200
START_TRIES = 5
POLL_S = 0.01
LIMIT_S = 60.0
LOG_LINES = 25
CLAIMS = []  # what holds ports of this process, see claim_ports()


def program_path():
    """The program under test: the first argument, or QUORATE."""
    path = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("QUORATE")
    if not path:
        sys.exit("usage: TEST PROGRAM")
    return os.path.abspath(path)


def wait_for(condition, what, limit=LIMIT_S, pause=POLL_S):
    """Call `condition` until it returns something true, and return that."""
    deadline = time.monotonic() + limit
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise tap.Failed(f"waited {limit:.0f} s in vain until {what}")
        time.sleep(pause)


def is_port_free(port):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True


def claim_ports(base, node_count):
    """Take the tens of ports from a base on, for as long as this process lives, from other tests
    that run. Returns False when one has some of them."""
    claims = []
    for ten in range(base, base + 10 * node_count, 10):
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        claims.append(claim)
        try:
            claim.bind(f"\0quorate-test-ports-{ten}")
        except OSError:
            for taken in claims:
                taken.close()
            return False
    CLAIMS.extend(claims)
    return True


def free_base_port(node_count):
    """A port such that three are free from it, and three from every tenth behind it."""
    span = 10 * node_count
    for _ in range(PORT_TRIES):
        base = random.randrange(PORT_LEAST, PORT_MOST - span, 10)
        ports = [base + 10 * i + j for i in range(node_count) for j in range(3)]
        if all(is_port_free(port) for port in ports) and claim_ports(base, node_count):
            return base
    raise tap.Failed("no free ports were found")


def run(*arguments, **options):
    """Run the program to its end. Returns what subprocess.run() does, with text."""
    options = {"capture_output": True, "text": True, "timeout": LIMIT_S, "check": False, **options}
    return subprocess.run([program_path(), *map(str, arguments)], **options)


def http_get(port, path, timeout=3.0):
    """Returns (status code, body)."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def status_at(port):
    """What /status tells, or None when nobody answers."""
    try:
        code, body = http_get(port, "/status")
    except (OSError, http.client.HTTPException):
        return None
    return json.loads(body) if code == 200 else None


class Node:
    """One node: its folder and ports stay, its process comes and goes."""

    def __init__(self, folder, number, port):
        self.name = f"n{number + 1}"
        self.data = folder / self.name
        self.log = folder / f"{self.name}.log"
        self.peer_port, self.client_port, self.http_port = port, port + 1, port + 2
        self.process = None
        self.is_paused = False
        self.is_founder = number == 0
        self.flags = []  # of this node alone

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def can_answer(self):
        return self.is_running() and not self.is_paused

    def log_text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""


class Cluster:
    """`size` nodes, the first of which makes the cluster; `flags` go to every one.

    `spare` more have folders and ports, and are started by the test. `present` are the positions
    of the nodes that belong to the cluster: a test that changes that keeps it right.
    """

    def __init__(self, size=3, flags=(), spare=0):
        self.size = size
        self.spare = spare
        self.present = list(range(size))
        self.flags = list(flags)
        self.folder = None
        self.nodes = []
        self.is_kept = False

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(self, kind, error, _):
        self.stop_all()
        if kind is not None and issubclass(kind, Exception):
            self.tell_logs()
        if self.folder is not None and not self.is_kept:
            shutil.rmtree(self.folder, ignore_errors=True)

    def start(self):
        """Start all nodes and wait until every one is a voter and all know the leader."""
        for _ in range(START_TRIES):
            self.folder = pathlib.Path(tempfile.mkdtemp(prefix="quorate-test-"))
            count = self.size + self.spare
            base = free_base_port(count)
            self.nodes = [Node(self.folder, i, base + 10 * i) for i in range(count)]
            for i in range(self.size):
                self.start_node(i)
            if self.wait_all_voters():
                return
            self.stop_all()
            shutil.rmtree(self.folder, ignore_errors=True)
        raise tap.Failed(f"ports were taken by others {START_TRIES} times")

    def wait_all_voters(self):
        """Returns False when a port was lost to somebody else in the meantime."""

        def is_decided():
            for node in self.nodes[:self.size]:
                if not node.is_running():
                    if "in use" in node.log_text():
                        return "lost a port"
                    raise tap.Failed(f"{node.name} ended by itself: {node.log_text()[-2000:]}")
            return "complete" if self.is_complete() else None

        return wait_for(is_decided, "every node is a voter and knows the leader") == "complete"

    def is_complete(self):
        leaders = set()
        for i in range(self.size):
            status = self.status(i)
            if status is None:
                return False
            kinds = [member["kind"] for member in status["members"]]
            if kinds != ["voter"] * self.size:
                return False
            leaders.add(status["leader"])
        return len(leaders) == 1 and None not in leaders and "" not in leaders

    def arguments(self, i):
        node = self.nodes[i]
        others = [f"127.0.0.1:{other.peer_port}" for other in self.nodes if other is not node]
        founding = ["--bootstrap"] if node.is_founder else ["--join", ",".join(others)]
        return [
            *("serve", "--name", node.name, "--data", str(node.data)),
            *("--peer", f"127.0.0.1:{node.peer_port}"),
            *("--client", f"127.0.0.1:{node.client_port}"),
            *("--http", f"127.0.0.1:{node.http_port}"),
            *founding,
            *os.environ.get("QUORATE_SERVE", "").split(),
            *self.flags,
            *node.flags,
        ]

    def start_node(self, i):
        node = self.nodes[i]
        assert not node.is_running()
        # It ends with this process, also when that is killed.
        command = ["setpriv", "--pdeathsig", "KILL", program_path(), *self.arguments(i)]
        with open(node.log, "ab") as log:
            node.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    restart = start_node

    def kill(self, *positions):
        """SIGKILL, all of them before the end of any is waited for."""
        for i in positions:
            self.nodes[i].process.kill()
        for i in positions:
            self.nodes[i].process.wait()
            self.nodes[i].is_paused = False

    def wipe(self, i):
        """Take from a node that does not run all it knew; it will join as somebody new."""
        assert not self.nodes[i].is_running()
        shutil.rmtree(self.nodes[i].data, ignore_errors=True)
        self.nodes[i].is_founder = False

    def terminate(self, i, limit=LIMIT_S):
        """SIGTERM. Returns the exit code."""
        self.nodes[i].process.terminate()
        return self.nodes[i].process.wait(limit)

    def pause(self, i):
        self.nodes[i].process.send_signal(signal.SIGSTOP)
        self.nodes[i].is_paused = True

    def resume(self, i):
        self.nodes[i].process.send_signal(signal.SIGCONT)
        self.nodes[i].is_paused = False

    def stop_all(self):
        for node in self.nodes:
            if node.is_running():
                node.process.kill()
        for node in self.nodes:
            if node.process is not None:
                node.process.wait()

    def status(self, i):
        return status_at(self.nodes[i].http_port)

    def leader(self):
        """The position of the node that leads in the highest term, or None."""
        found = [(self.status(i), i) for i, node in enumerate(self.nodes) if node.can_answer()]
        leading = [(s["term"], i) for s, i in found if s and s["node"]["role"] == "leader"]
        return max(leading)[1] if leading else None

    def wait_leader(self, limit=LIMIT_S):
        return wait_for(lambda: [i for i in [self.leader()] if i is not None],
                        "some node leads", limit)[0]

    def follower(self):
        """The position of a running node that does not lead."""
        leader = self.wait_leader()
        return next(i for i, n in enumerate(self.nodes) if i != leader and n.is_running())

    def wait_same_index(self, limit=LIMIT_S):
        """Wait until all members stand at one applied index; return (index, [digest, ...])."""

        def same():
            found = [self.status(i) for i in self.present]
            if None in found or len({s["applied_index"] for s in found}) != 1:
                return None
            return found[0]["applied_index"], [s["digest"] for s in found]

        return wait_for(same, "all nodes stand at one applied index", limit)

    def client(self, i, **options):
        return resp.Client(self.nodes[i].client_port, **options)

    def addresses(self, *positions):
        return ",".join(f"127.0.0.1:{self.nodes[i].client_port}" for i in positions)

    def tell_logs(self):
        """Print the end of every log, and keep the folder."""
        if self.folder is None or not self.folder.exists():
            return
        self.is_kept = True
        tap.comment(f"data and logs are left in {self.folder}")
        for node in self.nodes:
            tap.comment(f"the last lines of {node.name}:")
            tap.comment("\n".join(node.log_text().splitlines()[-LOG_LINES:]))


@contextlib.contextmanager
def temporary_folder():
    with tempfile.TemporaryDirectory(prefix="quorate-test-") as folder:
        yield pathlib.Path(folder)


def run_with_cluster(cases, size=3, flags=()):
    """Start a cluster, run the cases with it, stop it, and end with their exit code."""
    tap.end_on_signals()
    with Cluster(size, flags) as cluster:
        code = tap.run(cases, cluster, cluster.tell_logs)
    sys.exit(code)
