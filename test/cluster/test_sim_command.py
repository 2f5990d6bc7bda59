#!/usr/bin/env python3
# test_sim_command.py: `quorate sim` runs real seeds, and gives the same run again; TAP.
#
# usage: test_sim_command.py PROGRAM
#
# What the command does with seeds that fail is tested by test_sim_fake.py.
# SPDX-License-Identifier: Apache-2.0
import json
import re
import shlex
import subprocess
import sys

import tap
from cluster import run, temporary_folder

COUNTS = ["events", "operations", "acknowledged", "refused", "unknown", "repeats", "commits", "elections",
          "messages", "messages_lost", "faults", "changes", "crashes", "partitions", "disk_faults",
          "disks_lost", "virtual_ns"]

# A run that is longer than a second on any machine.
LONG = ["--set", "commits=100000", "--set", "nodes=7"]


def sim(*arguments, **options):
    return run("sim", *arguments, **options)


def sim_json(*arguments):
    done = sim(*arguments, "--json")
    tap.check_equal(done.returncode, 0, f"the exit code of {arguments} ({done.stdout[-2000:]}"
                                        f"{done.stderr[-2000:]})")
    return json.loads(done.stdout)


def settings():
    """The rows of --list."""
    return json.loads(sim("--list", "--json").stdout)


def faulty_seed():
    """A seed with several discrete faults."""
    for seed in range(1, 200):
        found = sim_json("--seed", seed)
        if found["faults"] >= 5:
            return seed, found
    raise tap.Failed("no seed has five faults")


def case_same(_):
    """The same seed gives the same trace hash, digest and counts."""
    for seed in (1, 7, 8):
        first, second = sim_json("--seed", seed), sim_json("--seed", seed)
        for key in ["trace_hash", "digest", "plan", *COUNTS]:
            tap.check_equal(second[key], first[key], f"{key} of seed {seed}")
        tap.check(first["commits"] >= 1000, f"{first['commits']} commits")
        last = sim("--seed", seed).stdout.splitlines()[-1]
        tap.check_equal(last, f"trace hash {first['trace_hash']}", "the last line")


def case_different(_):
    """Another seed gives another run."""
    hashes = {sim_json("--seed", seed)["trace_hash"] for seed in range(1, 6)}
    tap.check_equal(len(hashes), 5, "the number of hashes")


def case_traced(_):
    """A run that is traced, run twice, or in the program's own process is the same run."""
    wanted = sim_json("--seed", 5)["trace_hash"]
    with temporary_folder() as folder:
        traced = sim_json("--seed", 5, "--trace", "text", "--trace-file", folder / "trace")
        tap.check_equal(traced["trace_hash"], wanted, "the hash with a trace")
    tap.check_equal(sim_json("--seed", 5, "--twice")["trace_hash"], wanted, "twice")
    tap.check_equal(sim_json("--seed", 5, "--in-process")["trace_hash"], wanted, "in process")


def case_many(_):
    """Many seeds give the same sums with any number of jobs: those of each by itself."""
    one = sim_json("--first-seed", 11, "--seeds", 4, "--jobs", 1)
    four = sim_json("--first-seed", 11, "--seeds", 4, "--jobs", 4)
    alone = [sim_json("--seed", seed) for seed in range(11, 15)]
    for key in COUNTS:
        tap.check_equal(four[key], one[key], f"{key} with 4 jobs")
        tap.check_equal(sum(found[key] for found in alone), one[key], f"{key} of each alone")
    tap.check_equal((one["seeds_run"], one["failed"], one["passed"]), (4, 0, True), "the summary")


def case_refused(_):
    """Each setting is refused out of its bounds, with its name, the value and the bounds."""
    for row in settings():
        value = row["most"] + 1
        done = sim("--seed", 1, "--set", f"{row['name']}={value}")
        tap.check_equal(done.returncode, 2, f"the exit code of {row['name']}")
        bounds = f"{row['name']}: {value} is out of bounds, {row['least']}..{row['most']}"
        tap.check(bounds in done.stderr, f"it said {done.stderr!r}, wanted {bounds!r}")
    for setting in ("bogus=1", "nodes=x", "nodes=-1", "nodes=99999999999999999999"):
        done = sim("--set", setting)
        tap.check_equal(done.returncode, 2, f"the exit code of {setting}")
        tap.check(setting.partition("=")[0] in done.stderr, f"it said {done.stderr!r}")
    tap.check_equal(sim("--seed", 1, "--bogus").returncode, 2, "the exit code of --bogus")


def case_set(_):
    """A setting is as it was told, and a fault that is switched off does not come."""
    found = sim_json("--seed", 3, "--set", "nodes=1", "--set", "commits=20", "--set", "nodes=2")
    tap.check_equal((found["plan"]["nodes"], found["plan"]["commits"]), (2, 20), "the plan")
    seed, before = faulty_seed()
    rates = [row["name"] for row in settings() if row["least"] == 0 and
             before["plan"][row["name"]] > 0 and
             row["name"] not in ("think_us", "safety_ms", "commits", "cache_bytes")]
    calm = sim_json("--seed", seed, "--without", ",".join(rates))
    tap.check_equal((calm["faults"], calm["messages_lost"], calm["crashes"]), (0, 0, 0), "faults")


def case_skip_faults(_):
    """Faults that are left out do not come, and the run differs."""
    seed, before = faulty_seed()
    after = sim_json("--seed", seed, "--skip-faults", "1-4096")
    tap.check_equal(after["faults"], 0, "the number of faults")
    tap.check(after["trace_hash"] != before["trace_hash"], "it is the same run")
    tap.check_equal(after["skip_faults"], "1-4096", "what is left out")


def case_list(_):
    """Every setting of a run is listed with its bounds, and drawn within them."""
    rows = json.loads(sim("--list", "--seed", 9, "--json").stdout)
    plan = sim_json("--seed", 9)["plan"]
    tap.check_equal({row["name"]: row["value"] for row in rows}, plan, "what is drawn")
    for row in rows:
        tap.check(row["least"] <= row["value"] <= row["most"], f"{row}")
        tap.check(len(row["meaning"]) > 3, f"{row['name']} has no meaning")
    text = sim("--list", "--seed", 9).stdout
    for row in rows:
        tap.check(re.search(rf"^{row['name']} +{row['value']} +{row['least']}\.\.{row['most']} ",
                            text, re.M), f"{row['name']} is not in the text")


def case_replay(_):
    """A trace is given again, line by line; of another version it is refused."""
    with temporary_folder() as folder:
        path = folder / "trace"
        for kind in ("text", "json"):
            done = sim("--seed", 5, "--set", "commits=100", "--trace", kind, "--trace-file", path)
            tap.check_equal(done.returncode, 0, f"the exit code ({done.stderr})")
            again = sim("--replay-trace", path)
            tap.check_equal(again.returncode, 0, f"the exit code ({again.stdout}{again.stderr})")
            last = done.stdout.splitlines()[-1]
            tap.check(last in again.stdout, f"{again.stdout!r} does not tell the {last}")
        for line in path.read_text().splitlines():
            json.loads(line)
        lines = path.read_text().split("\n")
        changed = lines[:500] + [lines[500].replace(":", ": ", 1)] + lines[501:]
        path.write_text("\n".join(changed))
        done = sim("--replay-trace", path)
        tap.check_equal(done.returncode, 1, "the exit code of a line that differs")
        tap.check(f"line 501 differs:\nfile: {changed[500]}\nhere: {lines[500]}" in done.stdout,
                  done.stdout)
        path.write_text("\n".join(lines[:500]) + "\n")
        done = sim("--replay-trace", path)
        tap.check("cut short behind line 500" in done.stdout, done.stdout)
        path.write_text("\n".join([lines[0].replace('"format":1', '"format":7')] + lines[1:]))
        done = sim("--replay-trace", path)
        tap.check_equal(done.returncode, 2, "the exit code of another format")
        tap.check("its format is 7" in done.stderr, done.stderr)


def case_failing(_):
    """A real seed that fails is told with a command that fails in the same way."""
    done = sim("--seed", 5, "--seed-timeout-s", 1, *LONG)
    tap.check_equal(done.returncode, 1, "the exit code")
    tap.check("seed 5 failed: hang" in done.stdout, done.stdout)
    command, = re.findall(r"^to run it again: (.*)$", done.stdout, re.M)
    again = subprocess.run(shlex.split(command), stdout=subprocess.DEVNULL, text=True,
                           stderr=subprocess.PIPE, check=False, timeout=60)
    tap.check_equal(again.returncode, 1, "the exit code of the command")
    tap.check("seed 5 failed: hang" in again.stderr, again.stderr)


def case_help(_):
    """The help names every option, and the overview names the command."""
    text = run("help", "sim").stdout
    for name in ("seed", "first-seed", "seeds", "minutes", "jobs", "seed-timeout-s", "fail-max",
                 "until-failure", "set", "without", "skip-faults", "list", "trace", "trace-file",
                 "replay-trace", "twice", "shrink", "shrink-runs", "mutant", "list-mutants",
                 "in-process", "json"):
        tap.check(f"--{name}" in text, f"--{name} is not in the help")
    tap.check(re.search(r"^  sim ", run("help").stdout, re.M), "sim is not in the overview")


def main():
    return tap.run([case_same, case_different, case_traced, case_many, case_refused, case_set,
                    case_skip_faults, case_list, case_replay, case_failing, case_help])


sys.exit(main())
