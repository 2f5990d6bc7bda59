#!/usr/bin/env python3
"""run_plugin_host.py: runs examples/plugin_host.c with the shared library, and with what is none.

usage: run_plugin_host.py PROGRAM LIBRARY

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


class Host:
    def __init__(self, program, folder):
        self.program = program
        self.folder = folder

    def run(self, library, *more):
        done = subprocess.run([self.program, library, self.folder + "/data", free_address(), *more],
                              capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout.splitlines(), done.stderr


def is_used(said, total):
    code, lines, _ = said
    return (code == 0 and len(lines) == 3 and lines[0].startswith("quorate.raft ")
            and lines[0].endswith(", Quorate, orchestration provider")
            and lines[1:] == ["sum %d" % total, "leads"])


def is_refused(said, word):
    code, lines, errors = said
    return code == 1 and not lines and word in errors


def main():
    program, library = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="quorate-plugin-") as folder:
        host = Host(program, folder)
        cases = [
            ("a_host_loads_the_engine_and_uses_it", lambda said: is_used(said, 42), [library]),
            ("what_it_wrote_is_there_again", lambda said: is_used(said, 84), [library]),
            ("another_abi_is_refused", lambda said: is_refused(said, "ABI"), [library, "2"]),
            ("a_table_that_is_too_small_is_refused", lambda said: is_refused(said, "too old"),
             [library, "1", "40"]),
            ("a_library_that_is_not_there_is_told", lambda said: is_refused(said, "load"),
             [folder + "/libnothing.so"]),
            ("a_library_without_the_symbol_is_refused", lambda said: is_refused(said, "ABI"),
             ["libm.so.6"]),
        ]
        failed = 0
        for number, (name, judge, arguments) in enumerate(cases, 1):
            said = host.run(*arguments)
            is_well = judge(said)
            failed += not is_well
            print("%sok %d - %s" % ("" if is_well else "not ", number, name))
            if not is_well:
                print("# %r" % (said,))
        print("1..%d" % len(cases))
    return 1 if failed else 0


sys.exit(main())
