#!/usr/bin/env python3
"""run_sim_counter.py: runs examples/sim_counter.c, right and wrong, and reads what it says.

SPDX-License-Identifier: Apache-2.0
"""
import subprocess
import sys

# what is made wrong, the code it ends with, and what it must say
CASES = [
    ("a_right_counter_passes", [], 0, "20 seeds, 0 failed, "),
    ("a_counter_that_is_not_deterministic_is_named", ["calls"], 1,
     ": the state machine is not deterministic"),
    ("a_broken_invariant_is_named", ["entries"], 1,
     "subject: more was added than anybody asked for"),
    ("a_failing_run_is_made_shorter", ["calls"], 1, " events instead of "),
]


def main():
    program = sys.argv[1]
    failed = 0
    for number, (name, mistake, code, words) in enumerate(CASES, 1):
        seeds = "1" if mistake else "20"
        done = subprocess.run([program, "1", seeds, *mistake], capture_output=True, text=True,
                              timeout=100)
        is_right = done.returncode == code and words in done.stdout
        failed += not is_right
        print("%sok %d - %s" % ("" if is_right else "not ", number, name))
        if not is_right:
            print("# code %d, %r %r" % (done.returncode, done.stdout, done.stderr))
    print("1..%d" % len(CASES))
    return 1 if failed else 0


sys.exit(main())
