#!/usr/bin/env python3
"""run_guide.py: the program of docs/embedding.md, as it stands there: compiled, run on three nodes,
and each of them killed.

usage: run_guide.py GUIDE INCLUDE-FOLDER LIBRARY QUORATE COMPILER...

An observer, `quorate serve --observer`, tells when all three have their votes.

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

WAIT_S = 60
NAMES = "abc"


def free_addresses(count):
    """Distinct ones: all are open at once."""
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    addresses = ["127.0.0.1:%d" % probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return addresses


class Failed(Exception):
    pass


def until(condition, what):
    end = time.monotonic() + WAIT_S
    while not condition():
        if time.monotonic() > end:
            raise Failed(f"waited {WAIT_S} s: {what}")
        time.sleep(0.05)


class Guide:
    def __init__(self, folder, program, quorate):
        self.folder = folder
        self.program = program
        self.quorate = quorate
        *peers, self.http, self.client, self.watcher = free_addresses(len(NAMES) + 3)
        self.addresses = dict(zip(NAMES, peers))
        self.running = {}
        self.attempted = 0
        self.acknowledged = 0
        self.sum = 0

    def spawn(self, name, command, **more):
        self.running[name] = subprocess.Popen(command, cwd=self.folder, text=True, bufsize=1, **more)

    def start(self, name, is_first):
        others = [address for other, address in self.addresses.items() if other != name]
        members = [] if is_first else [",".join(others)]
        self.spawn(name, [self.program, name, self.addresses[name], *members],
                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def watch(self):
        self.spawn("w", [self.quorate, "serve", "--name", "w", "--observer", "--data", "w",
                         "--peer", self.watcher, "--client", self.client, "--http", self.http,
                         "--join", self.addresses["a"], "--log-level", "error"])

    def voters(self):
        try:
            with urllib.request.urlopen(f"http://{self.http}/status", timeout=5) as answer:
                members = json.load(answer)["members"]
        except OSError:
            return 0
        return sum(1 for member in members if member["kind"] == "voter")

    def add(self, name):
        """Add 1 through a node, again and again until it is acknowledged."""
        def acknowledged():
            node = self.running[name]
            self.attempted += 1
            node.stdin.write("1\n")
            node.stdin.flush()
            total, _, error = node.stdout.readline().rstrip("\n").partition(" ")
            if error or not total:
                return False
            self.acknowledged += 1
            if not self.sum < int(total) <= self.attempted or int(total) < self.acknowledged:
                raise Failed(f"{name}: {total} behind {self.sum}, {self.acknowledged} "
                             f"acknowledged of {self.attempted}")
            self.sum = int(total)
            return True

        until(acknowledged, f"nothing is added through {name}")

    def kill(self, name):
        self.running[name].kill()
        self.running.pop(name).wait()

    def end(self):
        for process in self.running.values():
            process.kill()
            process.wait()

    def run(self):
        self.start("a", True)
        self.add("a")
        self.start("b", False)
        self.start("c", False)
        self.watch()
        until(lambda: self.voters() == len(NAMES), "three voters")
        for name in NAMES:
            self.kill(name)
            for other in NAMES:
                if other != name:
                    self.add(other)
            self.start(name, name == "a")
            self.add(name)
        for name in NAMES:
            self.kill(name)
        for name in NAMES:
            self.start(name, name == "a")
        for name in NAMES:
            self.add(name)


def main():
    guide, include, library, quorate, *compiler = sys.argv[1:]
    code = re.search(r"^```c\n(#include.*?)^```", pathlib.Path(guide).read_text(encoding="utf-8"),
                     re.M | re.S).group(1)
    with tempfile.TemporaryDirectory(prefix="quorate-guide-") as folder:
        program = f"{folder}/counter"
        pathlib.Path(folder, "counter.c").write_text(code, encoding="utf-8")
        made = subprocess.run(
            [*compiler, "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", f"-I{include}",
             f"{folder}/counter.c", "-o", program, library,
             f"-Wl,-rpath,{os.path.dirname(library)}"],
            capture_output=True, text=True, check=False)
        print("1..2")
        print(f"{'not ' if made.returncode else ''}ok 1 - the_guide_compiles_without_a_warning")
        if made.returncode != 0:
            print("# " + made.stderr.replace("\n", "\n# "))
            return 1
        run = Guide(folder, program, quorate)
        try:
            run.run()
            print("ok 2 - its_counter_survives_a_kill_of_each_node_and_of_all")
            return 0
        except (Failed, OSError) as error:
            print("not ok 2 - its_counter_survives_a_kill_of_each_node_and_of_all")
            print(f"# {error}")
            return 1
        finally:
            run.end()


sys.exit(main())
