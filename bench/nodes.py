# nodes.py: what the benchmarks share: nodes as processes on loopback, their status, load, a bar.
#
# Owns the temporary folder and the processes of one benchmark: whatever ends it, the processes are
# stopped by their ids, and the folder is removed.
# SPDX-License-Identifier: Apache-2.0
import argparse
import contextlib
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
START_S = 60
WARMUP_MS = 500
STOP_S = 30
FILL_BATCH_BYTES = 1 << 20


def give_up(words):
    sys.exit(f"{pathlib.Path(sys.argv[0]).name}: {words}")


def is_free(port):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True


def free_ports(count=40):
    """A base port with free ones behind it, below the range of outgoing connections."""
    for _ in range(200):
        base = random.randrange(10240, 32000)
        if all(is_free(base + offset) for offset in range(count)):
            return base
    return give_up("no free ports are found")


def wait_for(what, ask, seconds=START_S, pause_s=0.2):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answer = ask()
        if answer is not None:
            return answer
        time.sleep(pause_s)
    return give_up(f"{what} did not come in {seconds} s")


def progress(words, done, total):
    """A bar on the terminal, and nothing where the output goes elsewhere."""
    if sys.stderr.isatty():
        cells = int(32 * min(done, total) / total) if total else 0
        bar = "#" * cells + "." * (32 - cells)
        print(f"\r\033[K{'' if done >= total else f'{words} [{bar}] {100 * done / total:.0f} %'}",
              end="", file=sys.stderr, flush=True)


class Node:
    """One process of a cluster, which may be stopped and started again."""

    def __init__(self, cluster, number):
        self.cluster = cluster
        self.name = f"n{number + 1}"
        self.port = cluster.base + 10 * number
        self.client = f"127.0.0.1:{self.port + 1}"
        self.http = f"127.0.0.1:{self.port + 2}"
        self.data = cluster.folder / self.name
        self.process = None

    def start(self, *flags):
        first = self.cluster.nodes[0]
        how = ["--bootstrap"] if self is first else ["--join", f"127.0.0.1:{first.port}"]
        self.process = subprocess.Popen(
            [self.cluster.program, "serve", "--name", self.name, "--data", self.data,
             "--peer", f"127.0.0.1:{self.port}", "--client", self.client,
             "--http", self.http, "--log-level", "warn", *how,
             *self.cluster.flags, *flags],
            stdin=subprocess.DEVNULL, stdout=self.cluster.log, stderr=self.cluster.log)

    def stop(self):
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def said(self):
        return self.cluster.said()

    def check_runs(self):
        if self.process is not None and self.process.poll() is not None:
            give_up(f"{self.name} ended with {self.process.returncode}: {self.said()}")

    def get(self, path, timeout_s=1.0):
        """What GET says, or None."""
        self.check_runs()
        try:
            with urllib.request.urlopen(f"http://{self.http}{path}", timeout=timeout_s) as answer:
                return answer.read()
        except (OSError, http.client.HTTPException):
            return None

    def status(self, timeout_s=1.0):
        """What GET /status says, or None."""
        text = self.get("/status", timeout_s)
        return None if text is None else json.loads(text)

    def resident_mib(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        return 0.0


class Cluster:
    """Some nodes, all voters once ready() has returned."""

    def __init__(self, program, folder, count, flags=()):
        self.program = program
        self.folder = folder
        self.folder.mkdir()
        self.base = free_ports()
        self.flags = flags
        self.log = open(folder / "log", "w+b")
        self.nodes = []
        for number in range(count):
            self.nodes.append(Node(self, number))
            self.nodes[number].start()

    def add(self):
        node = Node(self, len(self.nodes))
        self.nodes.append(node)
        node.start()
        return node

    def said(self):
        self.log.flush()
        self.log.seek(0)
        return self.log.read()[-2000:].decode(errors="replace")

    def _leader(self, away=None):
        up = [node for node in self.nodes if node is not away]
        found = [node.status() for node in up]
        if None in found or len({status["leader"] for status in found}) != 1:
            return None
        for node, status in zip(up, found):
            voters = [member for member in status["members"] if member["kind"] == "voter"]
            if status["node"]["role"] == "leader" and len(voters) == len(self.nodes):
                return node
        return None

    def ready(self):
        """The leader, once all nodes are voters that know it."""
        return self.ready_but(None)

    def ready_but(self, away):
        """The same, of the others, while one of the voters is away."""
        return wait_for("a leader of all nodes", lambda: self._leader(away))

    def stop(self):
        for node in self.nodes:
            node.stop()
        self.log.close()


def load(cluster, addresses, seconds, clients, **more):
    """One run of `quorate bench`, as its JSON."""
    command = [cluster.program, "bench", "--client", addresses, "--clients", str(clients),
               "--seconds", str(seconds), "--warmup-ms", str(more.pop("warmup_ms", WARMUP_MS)),
               "--json"]
    for name, value in more.items():
        command += [f"--{name.replace('_', '-')}", str(value)]
    done = subprocess.run(command, stdout=subprocess.PIPE, timeout=seconds + 60, check=False)
    if done.returncode != 0:
        give_up(f"{' '.join(map(str, command))} ended with {done.returncode}")
    return json.loads(done.stdout)


class MemoryWatch:
    """The highest resident size of a node, looked at ten times a second."""

    def __init__(self, node):
        self.node = node
        self.most_mib = 0.0
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self._look)

    def _look(self):
        while not self.is_over.wait(0.1):
            self.most_mib = max(self.most_mib, self.node.resident_mib())

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        self.thread.join()


class Pipe:
    """A client that sends commands without waiting, and counts answers."""

    def __init__(self, node):
        host, port = node.client.split(":")
        self.socket = socket.create_connection((host, int(port)))
        self.socket.settimeout(60)
        self.left = b""

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def take(self, count):
        """Read so many answers of one line each; whether none of them was an error."""
        is_well = True
        while count > 0:
            more = self.socket.recv(1 << 16)
            if not more:
                raise ConnectionError("the node closed the connection")
            lines = (self.left + more).split(b"\r\n")
            self.left = lines.pop()
            is_well = is_well and not any(line.startswith(b"-") for line in lines)
            count -= len(lines)
        return is_well


def set_command(key, value):
    return b"*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n" % (len(key), key, len(value), value)


def commands_of(noise, begin, end, value_bytes, key_count):
    commands = []
    for i in range(begin, end):
        at = i * 4099 % (len(noise) - value_bytes)
        commands.append(set_command(b"fill:%08d" % (i % key_count), noise[at:at + value_bytes]))
    return b"".join(commands)


def fill(cluster, count, value_bytes, key_count=None):
    """Write `count` values that do not compress, under as many keys or fewer, on the leader."""
    noise = random.Random(1).randbytes(1 << 22)
    batch = max(1, FILL_BATCH_BYTES // (value_bytes + 50))
    done = 0
    while done < count:
        pipe = Pipe(cluster.ready())
        is_well = True
        while is_well and done < count:
            end = min(done + batch, count)
            pipe.send(commands_of(noise, done, end, value_bytes, key_count or count))
            is_well = pipe.take(end - done)  # else again, on whoever leads by now
            done = end if is_well else done
            progress("filling", done, count)
        pipe.close()
    progress("", 1, 1)


def median(results, key):
    return statistics.median(result[key] for result in results)


def parser_of(words):
    parser = argparse.ArgumentParser(description=words)
    parser.add_argument("--quorate", default=str(ROOT / "build/quorate"), help="the program")
    return parser


@contextlib.contextmanager
def folder_of(options):
    """A temporary folder, and a list whose members are stopped at the end."""
    if not os.access(options.quorate, os.X_OK):
        give_up(f"{options.quorate} is not there; run make first, or name it: --quorate")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="quorate-bench-"))
    systems = []
    # So that what was started is stopped, whatever ends this.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        yield folder, systems
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):  # the end is under way, and gets there
            signal.signal(number, signal.SIG_IGN)
        for system in systems:
            system.stop()
        shutil.rmtree(folder, ignore_errors=True)
