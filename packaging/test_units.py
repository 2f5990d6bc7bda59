#!/usr/bin/env python3
"""test_units.py: systemd takes the units, and finds the node shut in.

usage: test_units.py QUORATE UNIT...

SPDX-License-Identifier: Apache-2.0
"""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

EXPOSURE_MAX = 20  # of 100, as `systemd-analyze security` counts: what a node may do but need not


def analyze(*arguments):
    done = subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def is_taken(unit):
    code, told = analyze("verify", "--man=no", "--recursive-errors=no", unit)
    return None if code == 0 and str(unit) not in told else told


def is_shut_in(unit):
    code, told = analyze("security", "--offline=yes", f"--threshold={EXPOSURE_MAX}", "--no-pager",
                         unit)
    return None if code == 0 else told


def main():
    program, *units = sys.argv[1:]
    program = pathlib.Path(program).resolve()
    if shutil.which("systemd-analyze") is None:
        print("1..0 # SKIP systemd-analyze is not here")
        return 0
    failed = number = 0
    with tempfile.TemporaryDirectory() as folder:
        for unit in map(pathlib.Path, units):
            # The program where it is, and a name for the one of several.
            text = re.sub(r"(?m)^ExecStart=\S+", f"ExecStart={program}", unit.read_text())
            copy = pathlib.Path(folder, unit.name.replace("@.", "@n1."))
            copy.write_text(text)
            for name, case in (("is_taken_by_systemd", is_taken), ("shuts_the_node_in", is_shut_in)):
                wrong = case(copy)
                number += 1
                failed += wrong is not None
                print(f"{'not ok' if wrong else 'ok'} {number} - {unit.stem}_{name}")
                for line in (wrong or "").splitlines():
                    print(f"# {line}")
    print(f"1..{number}")
    return 1 if failed else 0


sys.exit(main())
