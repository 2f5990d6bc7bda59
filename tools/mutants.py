#!/usr/bin/env python3
# mutants.py: runs what tools/mutants.sh built, once for each seeded bug, and prints a table.
#
# What runs one is the simulator's own command line (`quorate sim --mutant NAME --json`), for those
# of SWIM the program of sim/swim, or with
# --tests each unit and scenario test of the pure rooms, with the bug named in QUORATE_MUTANT.
# SPDX-License-Identifier: Apache-2.0
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import time

BUILD = pathlib.Path("build/mutants")
PROGRAM = BUILD / "quorate"
SWIM_PROGRAM = BUILD / "sim/swim/quorate_swim"  # for those whose names begin with swim-
SWIM_FAILED = re.compile(r"^seed (\d+) failed: (\w+):", re.M)
ROOMS = ("base_", "raft_", "swim_", "wire_", "wal_", "node_", "kv_", "engine_")
# What disturbs without harm (a needless hint, or election) breaks none of the simulator's rules, and
# some things come too seldom there: these are caught by a test of their own.
BY_TEST = {"announcement-adds": "test_node_members", "applied-not-committed": "test_node_bare",
           "cancel-is-refusal": "test_node_propose",
           "digest-behind-batch": "test_node_divergence",
           "digest-of-plurality": "test_node_divergence",
           "diverged-leads": "test_node_divergence",
           "diverged-reads": "test_node_divergence",
           "divergence-forgotten": "test_node_divergence", "gossip-hint-of-any": "test_node_gossip",
           "hint-of-old-term": "test_node_hint", "hint-skips-pre-vote": "test_node_hint",
           "invited-anywhere": "test_node_invited",
           "invited-before-durable": "test_node_invite",
           "rejection-forgotten": "test_node_once", "stale-while-restoring": "test_node_install",
           "swim-unanswered-kills": "swim_dead_not_by_who_hears_nothing"}
TEST_SECONDS_MAX = 120
COLUMNS = (31, 44, 8, 8)


def run(command, **more):
    return subprocess.run(command, capture_output=True, text=True, errors="replace", **more)


def listed():
    """Return the names of all, from the program itself."""
    lines = run([str(PROGRAM), "sim", "--list-mutants"], check=True).stdout.splitlines()
    return [line.split()[0] for line in lines]


def simulate_swim(name, options):
    done = run([str(SWIM_PROGRAM), "--seeds", str(options.seeds)]
               + (["--mutant", name] if name else []))
    failed = SWIM_FAILED.search(done.stdout)
    if failed:
        return failed[2], int(failed[1]), None
    if done.returncode != 0:
        return None, 0, f"exit code {done.returncode}: {done.stderr.strip()}"
    return None, options.seeds, None


def meson_tests():
    return json.loads(run(["meson", "introspect", "--tests", str(BUILD)], check=True).stdout)


def by_its_test(name):
    wanted = BY_TEST[name].removeprefix("test_")
    test = next(test for test in meson_tests() if test["name"] == wanted)
    environment = dict(os.environ)
    environment.pop("QUORATE_MUTANT", None)
    if fails(test["cmd"], environment):
        return None, 0, f"{BY_TEST[name]} fails without any mutant"
    is_caught = fails(test["cmd"], environment | {"QUORATE_MUTANT": name})
    return BY_TEST[name] if is_caught else None, 0, None


def simulate(name, options):
    """Return (what caught it or None, seeds, complaint)."""
    if name in BY_TEST:
        return by_its_test(name)
    if name and name.startswith("swim-"):
        return simulate_swim(name, options)
    command = [str(PROGRAM), "sim", "--first-seed", "1", "--seeds", str(options.seeds),
               "--jobs", "1", "--until-failure", "--json"]
    done = run(command + (["--mutant", name] if name else []))
    try:
        report = json.loads(done.stdout)
        if report.get("failed_seed") is None:
            return (None, report["seeds_run"], None) if name else simulate_swim(None, options)
        return report.get("checker") or "?", report["failed_seed"], None
    except (ValueError, KeyError, AttributeError):
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        return None, 0, f"exit code {done.returncode}, no report: {said[-1] if said else ''}"


def tests():
    for test in meson_tests():
        is_scenario = "quorate:scenario" in test["suite"]
        if is_scenario or ("quorate:unit" in test["suite"] and test["name"].startswith(ROOMS)):
            yield test["name"], test["cmd"]


def fails(command, environment):
    try:
        return run(command, env=environment, timeout=TEST_SECONDS_MAX).returncode != 0
    except subprocess.TimeoutExpired:
        return True


def test(name, options):
    """Return (the tests that failed or None, how many failed, complaint)."""
    environment = dict(os.environ)
    environment.pop("QUORATE_MUTANT", None)
    if name:
        environment["QUORATE_MUTANT"] = name
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        runs = [(test, pool.submit(fails, command, environment)) for test, command in tests()]
        failed = [test for test, run in runs if run.result()]
    caught = None
    if failed:
        caught = ", ".join(failed[:2]) + (", …" if len(failed) > 2 else "")
    return caught, len(failed), None


def print_row(*cells):
    print("  ".join(f"{str(cell):{width}}" for cell, width in zip(cells, COLUMNS)).rstrip(),
          flush=True)


def try_all(names, options):
    """Yield for each (name, what try_one() returns, its seconds), in order; simulations run beside
    one another, each on one processor: most end soon, and a few take long."""
    try_one = test if options.tests else simulate

    def timed(name):
        began = time.monotonic()
        result = try_one(name, options)
        return name, result, time.monotonic() - began

    with concurrent.futures.ThreadPoolExecutor(1 if options.tests else os.cpu_count()) as pool:
        yield from pool.map(timed, names)


def parse():
    parser = argparse.ArgumentParser(prog="mutants.sh")
    parser.add_argument("--tests", action="store_true")
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("names", nargs="*", metavar="NAME")
    return parser.parse_args()


def main():
    options = parse()
    known = listed()
    for name in options.names:
        if name not in known:
            sys.exit(f"mutants.sh: there is no mutant {name}; there are: {' '.join(known)}")
    print_row("mutant", "caught by", "tests" if options.tests else "seeds", "seconds")
    passed = failed = 0
    # Without any: what failed then would prove nothing.
    for name, (caught, count, complaint), seconds in try_all([None, *(options.names or known)],
                                                             options):
        print_row(name or "(none)", caught or "-", count, f"{seconds:.1f}")
        is_right = complaint is None and (caught is not None) == (name is not None)
        if not is_right:
            reason = complaint or ("not caught" if name else "fails without any mutant")
            print(f"failed: {name or '(none)'}: {reason}")
        passed, failed = passed + is_right, failed + (not is_right)
    print(f"{passed} passed, {failed} failed")
    sys.exit(0 if failed == 0 else 1)


main()
