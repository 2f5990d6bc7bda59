#!/usr/bin/env python3
"""run_counter.py: runs examples/counter.c, kills it, and checks that its sum is still there.

SPDX-License-Identifier: Apache-2.0
"""
import socket
import subprocess
import sys
import tempfile


def free_address():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return "127.0.0.1:%d" % probe.getsockname()[1]


def main():
    program = sys.argv[1]
    with tempfile.TemporaryDirectory(prefix="quorate-counter-") as folder:
        address = free_address()
        command = [program, folder + "/data", address]
        first = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        first.stdin.write("1\n2\n39\n")
        first.stdin.flush()
        sums = [first.stdout.readline().strip() for _ in range(3)]
        first.kill()
        first.wait()
        is_counting = sums == ["1", "3", "42"]
        print("%sok 1 - the_counter_adds_what_it_reads" % ("" if is_counting else "not "))
        again = subprocess.run(command, input="0\n", capture_output=True, text=True, timeout=30)
        is_kept = again.stdout.strip() == "42"
        print("%sok 2 - its_sum_survives_a_kill" % ("" if is_kept else "not "))
        if not is_counting or not is_kept:
            print("# sums %s, then %r %r" % (sums, again.stdout, again.stderr))
        print("1..2")
        return 0 if is_counting and is_kept else 1


sys.exit(main())
