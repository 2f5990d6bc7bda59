#!/usr/bin/env python3
# test_sim_fake.py: `quorate sim` with a simulator whose runs fail, abort and hang as told; TAP.
#
# usage: test_sim_fake.py PROGRAM
#
# PROGRAM is test/support/fake_sim: what is tested is the command, not the simulator.
# SPDX-License-Identifier: Apache-2.0
import contextlib
import json
import os
import pathlib
import pty
import re
import shlex
import signal
import subprocess
import sys

import tap
from cluster import program_path, run, temporary_folder, wait_for


def sim(*arguments, **options):
    return run("sim", *arguments, **options)


def sim_json(*arguments):
    done = sim(*arguments, "--json")
    tap.check(done.returncode in (0, 1), f"exit code {done.returncode}: {done.stderr}")
    return json.loads(done.stdout)


def replays(text):
    return re.findall(r"^to run it again: (.*)$", text, re.M)


def run_command(command):
    """Run a line as a shell would, without its trace."""
    words = shlex.split(command)
    tap.check_equal(words[-2:], ["--trace", "text"], "the end of the command")
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)


def case_usage(_):
    """A command line that is wrong ends with 2, and says what is wrong."""
    wrong = [
        (["--bogus"], "--bogus"),
        (["extra"], "extra"),
        (["--seed", "-1"], "--seed: -1 is not a number in 0..9223372036854775807"),
        (["--seed", "9223372036854775808"], "is not a number in"),
        (["--seeds", "0"], "--seeds: 0 is not a number in 1..1000000000"),
        (["--minutes", "0"], "1..100000"),
        (["--jobs", "257"], "1..256"),
        (["--fail-max", "0"], "1..1000"),
        (["--trace", "xml", "--seed", "1"], "xml is neither text nor json"),
        (["--set", "nodes"], 'must be NAME=VALUE'),
        (["--without", "loss,,crash"], "names of faults with commas"),
        (["--seed", "1", "--skip-faults", "3,2"], "must be ascending"),
        (["--skip-faults", "3"], "--skip-faults needs --seed"),
        (["--trace", "text"], "--trace needs --seed"),
        (["--seed", "1", "--trace-file", "x"], "--trace-file needs --trace"),
        (["--shrink"], "--shrink needs --seed"),
        (["--seed", "1", "--shrink-runs", "5"], "--shrink-runs needs --shrink"),
        (["--seed", "1", "--seeds", "5"], "--seed contradicts --seeds"),
        (["--minutes", "1", "--seeds", "5"], "--seeds contradicts --minutes"),
        (["--replay-trace", "x", "--seed", "1"], "--replay-trace contradicts --seed"),
        (["--replay-trace", "x", "--set", "a=1"], "--replay-trace contradicts --set"),
        (["--first-seed", "9223372036854775807", "--seeds", "2"], "--seeds: the last"),
        (["--set", "nodes=8"], "nodes: 8 is out of bounds, 1..7"),
        (["--seed", "3", "--set", "bogus=8"], "there is no setting 'bogus=8'"),
        (["--set", "timeout=2", "--set", "heartbeat=2"], "heartbeat is not below timeout"),
        (["--list", "--set", "nodes=0"], "nodes: 0 is out of bounds"),
        (["--mutant", "x"], "this build has no seeded bugs; build them by make mutants"),
        (["--list-mutants"], "this build has no seeded bugs"),
    ]
    for arguments, words in wrong:
        done = sim(*arguments)
        tap.check_equal(done.returncode, 2, f"the exit code of {arguments} ({done.stderr!r})")
        tap.check(words in done.stderr, f"{arguments} said {done.stderr!r}")
        tap.check_equal(done.stdout, "", f"what {arguments} printed")


def case_one(_):
    """One seed prints what was drawn and counted, and ends with its trace hash."""
    done = sim("--seed", 6, "--set", "crash=3")
    tap.check_equal(done.returncode, 0, f"the exit code ({done.stderr})")
    lines = done.stdout.splitlines()
    tap.check(re.fullmatch(r"trace hash [0-9a-f]{16}", lines[-1]), f"the last line is {lines[-1]}")
    tap.check("nodes=7" in done.stdout and "crash=3" in done.stdout, done.stdout)
    tap.check("passed" in done.stdout, done.stdout)
    found = sim_json("--seed", 6, "--set", "crash=3")
    tap.check_equal("trace hash " + found["trace_hash"], lines[-1], "the hash in JSON")
    tap.check_equal((found["passed"], found["seed"], found["plan"]["nodes"]), (True, 6, 7), "JSON")
    tap.check_equal((found["operations"], found["faults"]), (100, 2), "the counts")


def case_in_process(_):
    """A seed that is run in the program's own process gives the same, and aborts with it."""
    own = sim_json("--seed", 6, "--in-process")
    tap.check_equal(own["trace_hash"], sim_json("--seed", 6)["trace_hash"], "the trace hash")
    done = sim("--seed", 6, "--in-process", "--set", "abort_every=1")
    tap.check_equal(done.returncode, -signal.SIGABRT, "how it ended")


def case_failing(_):
    """A seed that fails ends with 1, and is told with checker, words, and a command that fails."""
    done = sim("--seed", 6, "--set", "fail_every=3", "--without", "sleep_ms", "--skip-faults", "9")
    tap.check_equal(done.returncode, 1, "the exit code")
    tap.check("seed 6 failed: log-matching, 1.235 s after the start" in done.stdout, done.stdout)
    tap.check("    n1 and n2 differ at index 5\n      n1: term 3" in done.stdout, done.stdout)
    command, = replays(done.stdout)
    tap.check_equal(command, f"{program_path()} sim --seed 6 --set fail_every=3 --set sleep_ms=0 "
                             "--skip-faults 9 --trace text", "the command")
    again = run_command(command)
    tap.check_equal(again.returncode, 1, "the exit code of the command")
    tap.check_equal(again.stderr.splitlines()[-1], done.stdout.splitlines()[-1], "the trace hash")


def case_quoted(_):
    """The command names a program by a path that a shell takes as one word."""
    with temporary_folder() as folder:
        path = folder / "it's a $program"
        path.symlink_to(program_path())
        done = subprocess.run([path, "sim", "--seed", "6", "--set", "fail_every=3"],
                              capture_output=True, text=True, check=False, timeout=60)
        command, = replays(done.stdout)
        again = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True,
                               check=False, timeout=60)
        tap.check_equal(again.returncode, 1, f"the exit code of {command}: {again.stderr}")


def case_many(_):
    """Many seeds are run whatever some of them do, and each that fails is told for itself."""
    settings = ["abort_every=11", "hang_every=13", "fail_every=7"]
    sets = [word for setting in settings for word in ("--set", setting)]
    arguments = ["--seeds", 28, "--seed-timeout-s", 1, "--set", "nodes=3", *sets]
    done = sim(*arguments)
    tap.check_equal(done.returncode, 1, f"the exit code ({done.stderr})")
    kinds = dict(re.findall(r"^seed (\d+) failed: ([a-z-]+)", done.stdout, re.M))
    wanted = {"7": "log-matching", "14": "log-matching", "21": "log-matching",
              "28": "log-matching", "11": "assertion", "22": "assertion", "13": "hang",
              "26": "hang"}
    tap.check_equal(kinds, wanted, "the seeds that failed")
    tap.check("assertion failed: index <= last" in done.stdout, done.stdout)
    tap.check("the last words of a seed" in done.stdout, done.stdout)
    tap.check("seeds         28 from 1 on" in done.stdout, done.stdout)
    tap.check("failed        8: 7, 11, 13, 14, 21, 22, 26, 28" in done.stdout, done.stdout)
    found = sim_json(*arguments)
    tap.check_equal((found["seeds_run"], found["failed"], found["failed_seed"], found["checker"]),
                    (28, 8, 7, "log-matching"), "JSON")
    tap.check_equal([failure["seed"] for failure in found["failures"]],
                    [7, 11, 13, 14, 21, 22, 26, 28], "the list of failures")
    for failure in found["failures"]:
        tap.check(f"--seed {failure['seed']} " in failure["replay"], failure["replay"])


def case_passing(_):
    """Many seeds that pass end with 0, and their counts are sums."""
    found = sim_json("--first-seed", 5, "--seeds", 9)
    tap.check_equal((found["seeds_run"], found["passed"], found["failures"]), (9, True, []), "JSON")
    tap.check_equal((found["operations"], found["virtual_ns"]), (900, 9 * 2500000000), "sums")
    tap.check("failed_seed" not in found, "there is a failed seed")
    tap.check(found["times_real_time_per_core"] > 1, f"{found}")
    ratio = found["virtual_ns"] / found["cpu_ns"]
    tap.check(abs(found["times_real_time_per_core"] - ratio) < 0.01 * ratio, "the speed is wrong")


def case_first(_):
    """The first seed that fails is the same however many run at once."""
    for jobs in (1, 4, 16):
        # 9 fails long before 8 does, which hangs.
        found = sim_json("--first-seed", 1, "--until-failure", "--jobs", jobs, "--set",
                         "hang_every=8", "--set", "fail_every=9", "--set", "nodes=3",
                         "--seed-timeout-s", 1)
        tap.check_equal((found["failed_seed"], found["checker"]), (8, "hang"), f"with {jobs} jobs")


def case_first_is_not_kept_waiting(_):
    """Seeds behind the first that fails are not waited for, also when a later one failed before."""
    for late in (0, 4):
        found = sim_json("--until-failure", "--jobs", 4, "--set", "fail_every=4", "--set",
                         "hang_every=5", "--set", "nodes=3", "--set", f"late_seed={late}",
                         "--seed-timeout-s", 3600)
        tap.check_equal(found["failed_seed"], 4, f"the first, with {late} late")


def case_fail_max(_):
    """No more seeds begin when enough have failed."""
    found = sim_json("--seeds", 1000, "--set", "fail_every=1", "--set", "nodes=3", "--fail-max", 3,
                     "--jobs", 2)
    tap.check(3 <= found["failed"] <= 4, f"{found['failed']} failed")
    tap.check(found["seeds_run"] <= 4, f"{found['seeds_run']} were run")
    default = sim_json("--seeds", 1000, "--set", "fail_every=1", "--set", "nodes=3", "--jobs", 1)
    tap.check_equal((default["failed"], default["seeds_run"]), (10, 10), "by default")


def case_refused_later(_):
    """A seed whose plan is refused, or for which memory runs out, ends all, and is named."""
    done = sim("--seeds", 10, "--set", "refuse_every=4")
    tap.check_equal(done.returncode, 2, "the exit code")
    tap.check("seed 4: this seed refuses its plan" in done.stderr, done.stderr)
    done = sim("--seeds", 10, "--set", "memory_every=4")
    tap.check_equal(done.returncode, 1, "the exit code")
    tap.check("seed 4: memory ran out" in done.stderr, done.stderr)
    done = sim("--seed", 4, "--set", "memory_every=4")
    tap.check_equal((done.returncode, done.stderr), (1, "quorate: memory ran out\n"), "of one")


def case_twice(_):
    """A seed that gives two runs is named, and fails."""
    for fickle, words in ((1, "trace hash"), (2, "the state machine is not deterministic")):
        tap.check_equal(sim("--seed", 3, "--set", f"fickle={fickle}").returncode, 0, "once")
        done = sim("--seed", 3, "--twice", "--set", f"fickle={fickle}")
        tap.check_equal(done.returncode, 1, "the exit code")
        tap.check("seed 3 failed: determinism" in done.stdout, done.stdout)
        tap.check(words in done.stdout and " and then " in done.stdout, done.stdout)
        tap.check(" --twice " in replays(done.stdout)[0], done.stdout)
    tap.check_equal(sim("--seeds", 5, "--twice").returncode, 0, "the exit code of runs that agree")


def case_list(_):
    """All settings are listed with bounds and meaning, and with a seed as it draws them."""
    done = sim("--list", "--seed", 4, "--set", "crash=7")
    tap.check(re.search(r"^nodes +5 +1\.\.7 +nodes of the cluster", done.stdout, re.M), done.stdout)
    tap.check(re.search(r"^crash +7 +0\.\.100 ", done.stdout, re.M), done.stdout)
    tap.check(re.search(r"^nodes +1\.\.7 ", sim("--list").stdout, re.M), "without a seed")
    rows = json.loads(sim("--list", "--seed", 4, "--json").stdout)
    tap.check_equal(rows[0]["name"], "nodes", "the first setting")
    tap.check_equal((rows[0]["value"], rows[0]["least"], rows[0]["most"]), (5, 1, 7), "its numbers")
    tap.check("value" not in json.loads(sim("--list", "--json").stdout)[0], "a value, of no seed")


def written(folder, *arguments, name="trace"):
    path = folder / name
    done = sim(*arguments, "--trace-file", path)
    tap.check(done.returncode in (0, 1), f"exit code {done.returncode}: {done.stderr}")
    return path, done


def case_trace(_):
    """A trace has a header, a line for each event, and an end; on standard output nothing else."""
    done = sim("--seed", 6, "--set", "crash=2", "--trace", "json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    tap.check_equal((lines[0]["trace"], lines[0]["format"], lines[0]["seed"], lines[0]["plan"]),
                    ("quorate sim", 1, 6, "crash=2"), "the header")
    tap.check_equal(lines[-1]["lines"], len(lines) - 2, "the number of lines")
    tap.check_equal(lines[1], {"operation": 0}, "the first event")
    tap.check_equal("trace hash " + lines[-1]["trace_hash"], done.stderr.splitlines()[-1],
                    "the trace hash")
    with temporary_folder() as folder:
        path, done = written(folder, "--seed", 6, "--trace", "text")
        tap.check(done.stdout.splitlines()[-1].startswith("trace hash "), done.stdout)
        tap.check_equal(path.read_text().splitlines()[1], 'operation 0 "quoted"', "a line of text")


def case_trace_unwritable(_):
    """A trace that cannot be written is noticed."""
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = sim("--seed", 6, "--trace", "text", stdout=full, stderr=subprocess.PIPE,
                   capture_output=False)
    tap.check_equal(done.returncode, 1, "the exit code")
    tap.check("the trace cannot be written: No space left" in done.stderr, done.stderr)
    done = sim("--seed", 6, "--trace", "text", "--trace-file", "/dev/full")
    tap.check_equal(done.returncode, 1, "the exit code with a file")
    tap.check("the trace cannot be written" in done.stderr, done.stderr)
    done = sim("--seed", 6, "--trace", "text", "--trace-file", "/nonexistent/trace")
    tap.check_equal(done.returncode, 1, "the exit code without a folder")
    tap.check("/nonexistent/trace: No such file" in done.stderr, done.stderr)


def case_replay(_):
    """The trace of a run that passes, fails or dies is given again, as text and as JSON."""
    with temporary_folder() as folder:
        for kind in ("text", "json"):
            for settings in (["--set", "crash=3", "--skip-faults", "2"],
                             ["--set", "fail_every=3"], ["--set", "abort_every=3"]):
                path, _ = written(folder, "--seed", 6, "--trace", kind, *settings)
                done = sim("--replay-trace", path)
                tap.check_equal(done.returncode, 0, f"the exit code ({done.stdout}{done.stderr})")
                tap.check("the same run: " in done.stdout, done.stdout)


def case_replay_differs(_):
    """The first line that differs is told, with both."""
    with temporary_folder() as folder:
        path, _ = written(folder, "--seed", 6, "--trace", "text", "--set", "crash=3")
        text = path.read_text()
        changed = {
            "one word": (text.replace('fault 2 "', 'fault 9 "', 1), "line 113 differs"),
            "a second line": (text.replace("in two", "in few", 1), "line 53 differs"),
            "a line less": (text.replace('message 17 "quoted"\n', "", 1), "line 140 differs"),
            "a line more": (text.replace('message 17 "quoted"\n', 'message 17 "quoted"\n' * 2, 1),
                            "line 141 differs"),
            "one behind": (text.replace('{"end"', 'more\n{"end"', 1),
                           "behind line 473 the trace goes on"),
            "another end": (text.replace('"passed":true', '"passed":false'), "another end"),
            "another number": (re.sub(r'"lines":\d+', '"lines":7', text), "another end"),
            "another hash": (re.sub(r'hash":"....', 'hash":"0123', text), "another end"),
        }
        for what, (content, words) in changed.items():
            tap.check(content != text, f"{what} has changed nothing")
            path.write_text(content)
            done = sim("--replay-trace", path)
            tap.check_equal(done.returncode, 1, f"the exit code of {what} ({done.stdout})")
            tap.check(words in done.stdout, f"{what}: {done.stdout}")
        path.write_text(changed["one word"][0])
        done = sim("--replay-trace", path)
        tap.check('file: fault 9 "quoted"\nhere: fault 2 "quoted"' in done.stdout, done.stdout)
        found = sim_json("--replay-trace", path)
        tap.check_equal((found["same"], found["line"], found["in_file"], found["in_run"]),
                        (False, 113, 'fault 9 "quoted"', 'fault 2 "quoted"'), "JSON")


def case_replay_cut(_):
    """A trace that was cut short anywhere is told so."""
    with temporary_folder() as folder:
        path, _ = written(folder, "--seed", 6, "--trace", "text", "--set", "crash=3")
        data = path.read_bytes()
        head = data.index(b"\n") + 1
        end = data.index(b'{"end"')
        for size in (head, head + 1, head + 21, len(data) // 2, end - 1, end, end + 9,
                     len(data) - 1):
            path.write_bytes(data[:size])
            done = sim("--replay-trace", path)
            tap.check_equal(done.returncode, 1, f"the exit code at {size} ({done.stdout})")
            tap.check("the trace is cut short behind line" in done.stdout, done.stdout)


def case_replay_refused(_):
    """What is no trace, or one of another version, is refused in words."""
    with temporary_folder() as folder:
        path, _ = written(folder, "--seed", 6, "--trace", "text")
        text = path.read_text()
        head, rest = text.split("\n", 1)
        cases = [
            ("", "it is no trace"),
            ("hello\n", "it is no trace"),
            ("{}\n", "it is no trace"),
            ("[1]\n", "it is no trace"),
            (head[:40] + "\n" + rest, "it is no trace"),
            (head, "it is no trace"),
            ("\0" * 4096, "it is no trace"),
            ("x" * 1000000, "it is no trace"),
            (text.replace('"format":1', '"format":2'), "its format is 2, and this program reads 1"),
            (text.replace("quorate sim", "other sim"), "a trace of another program, 'other sim'"),
            (re.sub(r'"version":"[^"]*"', '"version":"9.9.9"', text), "made by version 9.9.9"),
            (text.replace('"seed":6', '"seed":"6"'), "names no seed"),
            (text.replace('"seed":6', '"seed":-6'), "names no seed"),
            (text.replace('"plan":""', '"plan":"bogus=1"'), "there is no setting 'bogus=1'"),
            (text.replace('"skip_faults":""', '"skip_faults":"3,1"'), "does not tell a run"),
            (text.replace('"mutant":""', '"mutant":"x"'), "this build has no seeded bugs"),
        ]
        for content, words in cases:
            path.write_text(content)
            done = sim("--replay-trace", path)
            tap.check_equal(done.returncode, 2, f"the exit code of {content[:60]!r}")
            tap.check(words in done.stderr, f"{content[:60]!r}: {done.stderr!r}")
        for missing in (folder / "none", folder):
            tap.check_equal(sim("--replay-trace", missing).returncode, 2, "of what is no file")


def case_shrink(_):
    """A failing seed is made shorter, by a command that fails in the same way."""
    for setting, checker in (("fail_every=3", "log-matching"), ("abort_every=3", "assertion")):
        done = sim("--seed", 6, "--shrink", "--set", "nodes=7", "--set", setting)
        tap.check_equal(done.returncode, 0, f"the exit code ({done.stderr})")
        command, = replays(done.stdout)
        tap.check("--set nodes=2 " in command, command)
        tap.check("--set operations=1 " in command, command)
        again = run_command(command)
        tap.check_equal(again.returncode, 1, "the exit code of the command")
        tap.check(f"seed 6 failed: {checker}" in again.stderr, again.stderr)
        found = sim_json("--seed", 6, "--shrink", "--set", "nodes=7", "--set", setting)
        tap.check_equal(found["events_before"], 590, f"the events of {setting}")
        tap.check(0 < found["events"] < 120, f"{found['events']} events of {setting}")
    few = sim_json("--seed", 6, "--shrink", "--shrink-runs", 5, "--set", "fail_every=3")
    tap.check(few["runs"] <= 5, f"{few['runs']} runs")


def case_shrink_passing(_):
    """A seed that passes is not shrunk, and a plan that is refused is told."""
    done = sim("--seed", 6, "--shrink")
    tap.check_equal(done.returncode, 1, "the exit code")
    tap.check("seed 6 does not fail: there is nothing to shrink" in done.stderr, done.stderr)
    done = sim("--seed", 6, "--shrink", "--set", "refuse_every=3")
    tap.check_equal((done.returncode, done.stderr), (2, "quorate: this seed refuses its plan\n"),
                    "what is refused")


def children_of(pid):
    """The processes whose parent is `pid`."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            if int(fields[1]) == pid:
                found.append(int(path.parent.name))
    return found


def is_alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@contextlib.contextmanager
def hanging(*arguments):
    """A program with three seeds that never end, and their processes."""
    with subprocess.Popen([program_path(), "sim", "--set", "hang_every=1", *map(str, arguments)],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def case_interrupted(_):
    """SIGINT and SIGTERM end the command with all its processes, and what is known is told."""
    for number in (signal.SIGINT, signal.SIGTERM):
        with hanging("--seeds", 9, "--jobs", 3) as process:
            wait_for(lambda pid=process.pid: len(children_of(pid)) == 3, "three seeds run")
            children = children_of(process.pid)
            process.send_signal(number)
            text, _ = process.communicate(timeout=30)
            tap.check_equal(process.returncode, 1, "the exit code")
            tap.check("0 from 1 on, interrupted" in text, text)
            tap.check(not any(map(is_alive, children)), "processes are left")
    for arguments in (["--seed", 1], ["--seed", 1, "--shrink"]):
        with hanging(*arguments) as process:
            wait_for(lambda pid=process.pid: len(children_of(pid)) == 1, "the seed runs")
            children = children_of(process.pid)
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=30)
            tap.check_equal(process.returncode, 1, f"the exit code of {arguments}")
            tap.check(not any(map(is_alive, children)), "a process is left")


def case_killed(_):
    """Seeds do not outlive a command that was killed."""
    with hanging("--seeds", 9, "--jobs", 3) as process:
        wait_for(lambda: len(children_of(process.pid)) == 3, "three seeds run")
        children = children_of(process.pid)
        process.kill()
        wait_for(lambda: not any(map(is_alive, children)), "they are gone")


def read_terminal(arguments):
    """What the command writes to standard error when that is a terminal."""
    main, other = pty.openpty()
    with subprocess.Popen([program_path(), "sim", *map(str, arguments)], stderr=other,
                          stdout=subprocess.DEVNULL) as process:
        os.close(other)
        text = b""
        with contextlib.suppress(OSError):
            while chunk := os.read(main, 4096):
                text += chunk
        os.close(main)
        process.wait(timeout=60)
    return text.decode()


def case_progress(_):
    """A bar tells seeds, failures, speed and time left on a terminal, and nothing elsewhere."""
    slow = ["--set", "sleep_ms=150", "--set", "nodes=3", "--set", "fail_every=3"]
    text = read_terminal(["--seeds", 12, "--jobs", 2, *slow])
    tap.check(re.search(r"\d+ seeds, \d+ failed, [0-9.]+/s, \d+ s left \[[#.]{32}\]", text), text)
    tap.check("shrinking: run" in read_terminal(["--seed", 3, "--shrink", *slow]), "no bar")
    tap.check_equal(sim("--seeds", 12, *slow).stderr, "", "standard error that is no terminal")


def main():
    return tap.run([
        case_usage, case_one, case_in_process, case_failing, case_quoted, case_many, case_passing,
        case_first, case_first_is_not_kept_waiting, case_fail_max, case_refused_later, case_twice,
        case_list, case_trace, case_trace_unwritable, case_replay, case_replay_differs,
        case_replay_cut, case_replay_refused, case_shrink, case_shrink_passing, case_interrupted,
        case_killed, case_progress])


sys.exit(main())
