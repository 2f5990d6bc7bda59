#!/usr/bin/env python3
# test_bad_input_flags.py: a command line or a configuration file that is wrong is refused with
# the name, the value and the bounds, with exit code 2, before anything is touched.
# SPDX-License-Identifier: Apache-2.0
import sys

import cluster
import tap

NO_SETTING = "there is no such setting"

# Flags of serve, and what standard error must say.
WRONG_FLAGS = [
    (["--bogus"], ["--bogus", "--help"]),
    (["--heartbeat-interval-ms"], ["--heartbeat-interval-ms", "requires an argument"]),
    (["extra"], ["too many", "extra"]),
    (["--heartbeat-interval-ms", "0"], ["heartbeat-interval-ms: 0", "1..30000 milliseconds"]),
    (["--heartbeat-interval-ms", "30001"], ["30001", "1..30000 milliseconds"]),
    (["--heartbeat-interval-ms", "-5"], ["heartbeat-interval-ms: -5", "1..30000"]),
    (["--heartbeat-interval-ms", "5x"], ["heartbeat-interval-ms: 5x", "1..30000"]),
    (["--heartbeat-interval-ms", ""], ["heartbeat-interval-ms: ", "1..30000"]),
    (["--max-log-entries", "9" * 23], ["max-log-entries: 9999", "100..1000000000"]),
    (["--max-message-bytes", "64"], ["max-message-bytes: 64", "65536..536870912 bytes"]),
    (["--name", "Two Words"], ['name: "Two Words"', "1..63 of a-z, 0-9"]),
    (["--name", ""], ['name: ""', "1..63"]),
    (["--name", "n" * 64], ["name:", "1..63"]),
    (["--data", ""], ['data: ""', "a path"]),
    (["--peer", "nonsense"], ['peer: "nonsense"', "HOST:PORT"]),
    (["--client", "127.0.0.1:65536"], ['client: "127.0.0.1:65536"', "HOST:PORT"]),
    (["--http", "127.0.0.1:0"], ['http: "127.0.0.1:0"', "HOST:PORT"]),
    (["--http", "h" * 200 + ":1"], ["http:", "HOST:PORT"]),
    (["--join", "127.0.0.1:1,"], ['join: "127.0.0.1:1,"', "HOST:PORT with commas"]),
    (["--log-level", "loud"], ['log-level: "loud"', "debug|info|warn|error"]),
    (["--read-mode", "dirty"], ['read-mode: "dirty"', "linearizable|lease|stale"]),
    (["--log-format", "xml"], ['log-format: "xml"', "text|json"]),
    (["--disk", "floppy"], ['disk: "floppy"', "threads"]),
    (["--swim-profile", "slow"], ['swim-profile: "slow"', "default|fast"]),
    (["--swim-hints", "maybe"], ['swim-hints: "maybe"', "on|off"]),
    (["--swim-indirect-pings", "9"], ["swim-indirect-pings: 9", "0..8 members"]),
    (["--swim-dead-quorum", "0"], ["swim-dead-quorum: 0", "1..8 members"]),
]

# Each value is well by itself.
CONTRADICTIONS = [
    (["--bootstrap", "--join", "127.0.0.1:1"], ["join", "127.0.0.1:1", "contradicts bootstrap"]),
    (["--bootstrap", "--learner"], ["learner", "contradicts bootstrap"]),
    (["--heartbeat-interval-ms", "200"],
     ["heartbeat-interval-ms: 200", "below election-timeout-min-ms, 150"]),
    (["--election-timeout-min-ms", "300"],
     ["election-timeout-min-ms: 300", "below election-timeout-max-ms, 300"]),
    (["--max-message-bytes", "20MiB"],
     ["segment-bytes: 16777216", "max-message-bytes, 20971520"]),
    (["--segment-bytes", "65537", "--max-message-bytes", "65536"],
     ["segment-bytes: 65537", "multiple of 4096"]),
    (["--swim-ping-timeout-ms", "1000"],
     ["swim-ping-timeout-ms: 1000", "below swim-protocol-period-ms, 1000"]),
    (["--swim-profile", "fast", "--swim-ping-timeout-ms", "80"],
     ["swim-ping-timeout-ms: 80", "below swim-protocol-period-ms, 80"]),
    (["--swim-suspicion-timeout-ms", "900"],
     ["swim-suspicion-timeout-ms: 900", "at least swim-protocol-period-ms, 1000"]),
    (["--remove-dead-after-ms", "4999"],
     ["remove-dead-after-ms: 4999", "at least swim-suspicion-timeout-ms, 5000"]),
    (["--observer"], ["observer", "needs join"]),
    (["--observer", "--join", "127.0.0.1:1", "--learner"], ["observer", "contradicts learner"]),
    (["--client", "127.0.0.1:7700"], ['client: "127.0.0.1:7700"', "contradicts peer"]),
    (["--http", "0.0.0.0:7701"], ['http: "0.0.0.0:7701"', "contradicts client"]),
    (["--peer", "0.0.0.0:7700"], ['peer: "0.0.0.0:7700"', "set advertise"]),
    (["--advertise", "[::]:7700"], ['advertise: "[::]:7700"', "cannot be dialed"]),
]

# A file's content, the line that is told (0: none), and what else must be said.
WRONG_FILES = [
    ("name: n1\nheartbeat-intervall-ms: 5\n", 2, ["heartbeat-intervall-ms", NO_SETTING]),
    ("election_timeout_min_ms: 5\n", 1, ["election_timeout_min_ms", NO_SETTING]),
    ("# a node\nname: n1\n\nmax-log-entries: 7\n", 4,
     ["max-log-entries: 7", "100..1000000000"]),
    ("bootstrap: maybe\n", 1, ['bootstrap: "maybe"', "true or false"]),
    ("name: n1\npeer: here\n", 2, ['peer: "here"', "HOST:PORT"]),
    ("name:\n", 1, ["name:", "1..63"]),
    ("bootstrap: true\njoin: 127.0.0.1:1\n", 0, ["join", "contradicts bootstrap"]),
    ("heartbeat-interval-ms: 500\n", 0, ["heartbeat-interval-ms: 500", "election-timeout-min-ms"]),
    ("name: [a, b]\n", 0, ["name", "line: 1"]),
    ("name: n1\nname: n2\n", 0, ["name", "already"]),
    ("name: a: b\n", 0, ["not allowed", "line: 1"]),
    ("- name\n", 0, ["MAPPING"]),
    ("only words\n", 0, ["MAPPING"]),
    ("name: n1\x01\n", 0, ["control characters"]),
]


def check_usage(folder, arguments, words):
    data = folder / "data"
    more = [] if "--data" in arguments else ["--data", str(data)]
    done = cluster.run("serve", *more, *arguments, cwd=folder)
    tap.check_equal(done.returncode, 2, f"the exit code of {arguments} ({done.stderr!r})")
    tap.check_equal(done.stdout, "", "standard output")
    for word in words:
        tap.check(word in done.stderr, f"{done.stderr!r} does not say {word!r}")
    tap.check(done.stderr.startswith("quorate"), f"{done.stderr!r} does not say who speaks")
    tap.check(not data.exists(), f"{arguments} made a data directory")


def wrong_flags(folder):
    """A flag that is unknown, or whose value is out of bounds, is refused by name and bounds."""
    for arguments, words in WRONG_FLAGS:
        check_usage(folder, arguments, words)


def contradictions(folder):
    """Flags that contradict one another are refused with both names."""
    for arguments, words in CONTRADICTIONS:
        check_usage(folder, arguments, words)


def wrong_files(folder):
    """What is wrong in a configuration file is told with the file and the line."""
    path = folder / "node.yaml"
    for content, line, words in WRONG_FILES:
        path.write_text(content, encoding="utf-8")
        place = [f"{path}:{line}:"] if line else []
        check_usage(folder, ["--config", str(path)], place + words)


def no_file(folder):
    """A configuration file that cannot be read is refused by its path."""
    check_usage(folder, ["--config", str(folder / "none")], [f"{folder}/none", "No such file"])
    (folder / "folder").mkdir()
    check_usage(folder, ["--config", str(folder / "folder")], [f"{folder}/folder"])


def flags_win(folder):
    """A flag wins over the file, also where only the flag is wrong."""
    path = folder / "node.yaml"
    path.write_text("heartbeat-interval-ms: 40\n", encoding="utf-8")
    words = ["heartbeat-interval-ms: 0", "1..30000"]
    check_usage(folder, ["--config", str(path), "--heartbeat-interval-ms", "0"], words)


def other_commands(_):
    """The other commands refuse what they do not know in the same way."""
    rows = [
        ([], ["Usage"]),
        (["bogus"], ["no command 'bogus'", "serve"]),
        (["help", "bogus"], ["no command 'bogus'"]),
        (["get"], ["missing"]),
        (["get", "k", "--bogus"], ["--bogus"]),
        (["get", "k", "--client", "nonsense"], ["nonsense", "HOST:PORT"]),
        (["dev", "--nodes", "0"], ["nodes", "0"]),
        (["wal"], ["missing", "--help"]),
        (["wal", "bogus", "."], ["bogus"]),
        (["bench", "--clients", "0"], ["clients", "0"]),
    ]
    for arguments, words in rows:
        done = cluster.run(*arguments)
        tap.check_equal(done.returncode, 2, f"the exit code of {arguments} ({done.stderr!r})")
        for word in words:
            tap.check(word in done.stderr, f"{done.stderr!r} does not say {word!r}")


def main():
    tap.end_on_signals()
    cases = [wrong_flags, contradictions, wrong_files, no_file, flags_win, other_commands]
    with cluster.temporary_folder() as folder:
        code = tap.run(cases, folder)
    sys.exit(code)


if __name__ == "__main__":
    main()
