#!/usr/bin/env python3
# test_commands.py: status, members, get, set, del, propose and tail against a cluster; TAP.
#
# Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 unreachable, 4 outcome unknown.
#
# usage: test_commands.py PROGRAM
#
# SPDX-License-Identifier: Apache-2.0
import json
import socket
import subprocess

import cluster as rig
import tap

LINES = ["one", "two and three", "", "vier f\u00fcnf", "\\ \" \t"]


def run(cluster, command, *arguments, code=0, **options):
    """Run a command at a follower and return what it prints."""
    follower = cluster.nodes[cluster.follower()]
    port = follower.http_port if command in ("status", "members") else follower.client_port
    done = rig.run(command, "-a", f"127.0.0.1:{port}", *arguments, **options)
    tap.check_equal(done.returncode, code, f"the exit code ({done.stderr.strip()})")
    return done.stdout


def case_status(cluster):
    """`status` tells role, term, leader and indexes, with --json as /status does."""
    leader = cluster.nodes[cluster.wait_leader()].name
    found = json.loads(run(cluster, "status", "--json"))
    tap.check_equal(found["leader"], leader, "the leader")
    tap.check_equal(found["node"]["role"], "follower", "the role")
    tap.check_equal(set(found) >= {"term", "first_index", "last_index", "commit_index",
                                   "applied_index", "snapshot_index", "digest"}, True)
    tap.check(f"leader {leader}" in run(cluster, "status"), "the text does not name the leader")


def case_members(cluster):
    """`members` lists every node with its kind, health and address."""
    found = json.loads(run(cluster, "members", "--json"))
    got = [(m["name"], m["kind"], m["health"], m["address"]) for m in found]
    wanted = [(n.name, "voter", "alive", f"127.0.0.1:{n.peer_port}") for n in cluster.nodes]
    tap.check_equal(sorted(got), sorted(wanted), "the members")
    lines = run(cluster, "members").splitlines()
    tap.check_equal(len(lines), 1 + cluster.size, "the lines of text")


def case_get_set_del(cluster):
    """`set` sets, `get` prints the value alone, `del` prints how many there were."""
    tap.check_equal(run(cluster, "set", "cli", "some value"), "OK\n")
    tap.check_equal(run(cluster, "get", "cli"), "some value")
    tap.check_equal(json.loads(run(cluster, "get", "-j", "cli")),
                    {"key": "cli", "value": "some value"})
    tap.check_equal(run(cluster, "del", "cli", "cli:none"), "1\n")


def case_get_missing(cluster):
    """`get` of a key that is not there ends with 1 and prints nothing."""
    tap.check_equal(run(cluster, "get", "cli:none", code=1), "")
    found = json.loads(run(cluster, "get", "-j", "cli:none", code=1))
    tap.check_equal(found, {"key": "cli:none", "value": None})


def case_propose(cluster):
    """`propose` makes an entry of each line and prints its index."""
    indexes = run(cluster, "propose", input="".join(line + "\n" for line in LINES)).split()
    tap.check_equal(len(indexes), len(LINES), "the number of indexes")
    numbers = [int(index) for index in indexes]
    tap.check_equal(numbers, sorted(set(numbers)), "the indexes")


def tail_begin(cluster, *arguments):
    """Start `tail` at a follower, and wait until it listens."""
    i = cluster.follower()
    count = tailing_count(cluster, i)
    process = subprocess.Popen(
        [rig.program_path(), "tail", "-a", cluster.addresses(i), *arguments],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        rig.wait_for(lambda: tailing_count(cluster, i) > count, "tail listens")
    except tap.Failed:
        process.kill()
        process.communicate()
        raise
    return process, i


def tailing_count(cluster, i):
    with cluster.client(i) as client:
        for line in client.call("INFO", "clients").decode().splitlines():
            if line.startswith("tailing_clients:"):
                return int(line.partition(":")[2])
    raise tap.Failed("INFO does not tell tailing_clients")


def case_tail(cluster):
    """`tail` prints every entry in order, with the index that `propose` was told."""
    process, _ = tail_begin(cluster, "--json", "--count", str(len(LINES)))
    try:
        indexes = run(cluster, "propose", input="".join(line + "\n" for line in LINES)).split()
        output, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    tap.check_equal(process.returncode, 0, f"the exit code of tail ({output})")
    entries = [json.loads(line) for line in output.splitlines()]
    tap.check_equal([(str(e["index"]), e["command"], e["payload"]) for e in entries],
                    [(index, "line", line) for index, line in zip(indexes, LINES)])


def case_tail_cut(cluster):
    """`tail` ends with 3 when its node is killed."""
    process, i = tail_begin(cluster)
    try:
        cluster.kill(i)
        output, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
        cluster.restart(i)
    tap.check_equal(process.returncode, 3, f"the exit code ({output.strip()})")
    rig.wait_for(cluster.is_complete, "the killed node is back")


def case_unreachable(_):
    """Every command ends with 3 when no node answers, and says where it looked."""
    with socket.socket() as closed:  # bound, and nobody listens
        closed.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{closed.getsockname()[1]}"
        for command in (["status"], ["members"], ["get", "k"], ["set", "k", "v"], ["del", "k"],
                        ["propose"], ["tail"]):
            done = rig.run(command[0], "-a", address, *command[1:], input="x\n")
            tap.check_equal(done.returncode, 3, f"the exit code of {command[0]}")
            tap.check(address in done.stderr, f"{command[0]} said {done.stderr!r}")


def case_second_address(cluster):
    """Of several addresses the first that answers is used."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        both = f"127.0.0.1:{closed.getsockname()[1]},{cluster.addresses(0)}"
        done = rig.run("set", "-a", both, "second", "yes")
        tap.check_equal((done.returncode, done.stdout), (0, "OK\n"))


def case_usage(_):
    """Wrong usage ends with 2 and a sentence, whatever the command."""
    wrong = [["no-such-command"], [], ["status", "--no-such-flag"], ["status", "extra"],
             ["get"], ["set", "k"], ["del"], ["get", "-a", "nonsense", "k"],
             ["tail", "--count", "0"], ["wal", "verify"], ["wal", "burn", "x"],
             ["demo", "--nodes", "99"], ["dev", "--base-port", "99999"],
             ["serve", "--election-timeout-min-ms", "5"], ["serve", "--client", "nonsense"],
             ["serve", "--heartbeat-interval-ms", "500"], ["bench", "--clients", "0"]]
    for arguments in wrong:
        done = rig.run(*arguments, input="")
        tap.check_equal(done.returncode, 2, f"the exit code of {arguments}")
        tap.check(done.stderr.strip() != "", f"{arguments} said nothing")


def case_bounds(_):
    """A value out of bounds is refused with its name, itself and the bounds."""
    done = rig.run("serve", "--election-timeout-min-ms", "5")
    for word in ("election-timeout-min-ms", " 5 ", "10..60000"):
        tap.check(word in done.stderr, f"{word!r} is not in {done.stderr!r}")


def case_help(_):
    """`help` tells of every command, and `help COMMAND` of each."""
    overview = rig.run("help")
    tap.check_equal(overview.returncode, 0, "the exit code of help")
    for command in ("serve", "dev", "demo", "status", "members", "get", "set", "del", "propose",
                    "tail", "wal", "bench", "help"):
        tap.check(f"\n  {command} " in overview.stdout, f"help does not tell of {command}")
        done = rig.run("help", command)
        tap.check_equal(done.returncode, 0, f"the exit code of help {command}")
        tap.check("Usage: quorate" in done.stdout, f"help {command} says {done.stdout!r}")


def case_data_in_use(cluster):
    """A second node on a directory in use ends with 1 and names the directory."""
    node = cluster.nodes[0]
    base = rig.free_base_port(1)
    done = rig.run("serve", "--data", node.data, "--peer", f"127.0.0.1:{base}",
                   "--client", f"127.0.0.1:{base + 1}", "--http", f"127.0.0.1:{base + 2}")
    tap.check_equal(done.returncode, 1, "the exit code")
    tap.check(f"{node.data} is in use" in done.stderr, f"it said {done.stderr!r}")


def case_port_in_use(cluster):
    """A node whose port is taken ends with 1 and names the port."""
    taken = cluster.nodes[0].client_port
    base = rig.free_base_port(1)
    with rig.temporary_folder() as folder:
        done = rig.run("serve", "--bootstrap", "--data", folder / "data",
                       "--peer", f"127.0.0.1:{base}", "--client", f"127.0.0.1:{taken}",
                       "--http", f"127.0.0.1:{base + 2}")
    tap.check_equal(done.returncode, 1, f"the exit code ({done.stderr.strip()})")
    tap.check(str(taken) in done.stderr, f"it said {done.stderr!r}")


def case_no_quorum(cluster):
    """Without a majority `get` and `set` end with 1, and say that nobody leads."""
    cluster.kill(1, 2)
    rig.wait_for(lambda: cluster.leader() is None, "the node that is left gives up leading")
    got = rig.run("get", "-a", cluster.addresses(0), "k")
    tap.check_equal(got.returncode, 1, f"the exit code of get ({got.stderr.strip()})")
    put = rig.run("set", "-a", cluster.addresses(0), "k", "v")
    tap.check_equal(put.returncode, 1, f"the exit code of set ({put.stderr.strip()})")
    tap.check("CLUSTERDOWN" in put.stderr, f"set said {put.stderr!r}")
    cluster.restart(1)
    cluster.restart(2)
    rig.wait_for(cluster.is_complete, "the killed nodes are back")


def case_unknown(cluster):
    """`set` ends with 4 when its node is killed while it waits for the answer."""
    i = cluster.follower()
    cluster.pause(i)
    try:
        with subprocess.Popen(
                [rig.program_path(), "set", "-a", cluster.addresses(i), "k", "v"],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                text=True) as process:
            rig.wait_for(lambda: has_unread(cluster.nodes[i].client_port),
                         "the command is sent")
            cluster.kill(i)
            output, _ = process.communicate(timeout=60)
    finally:
        if cluster.nodes[i].is_running():
            cluster.kill(i)
        cluster.restart(i)
    tap.check_equal(process.returncode, 4, f"the exit code ({output.strip()})")
    rig.wait_for(cluster.is_complete, "the killed node is back")


def has_unread(port):
    """Whether bytes that came to a connection at `port` wait to be read."""
    with open("/proc/net/tcp", encoding="ascii") as table:
        rows = [line.split() for line in list(table)[1:]]
    return any(int(row[1].split(":")[1], 16) == port and int(row[4].split(":")[1], 16) > 0
               and row[3] == "01" for row in rows)


def main():
    rig.run_with_cluster([
        case_status, case_members, case_get_set_del, case_get_missing, case_propose, case_tail,
        case_tail_cut, case_unreachable, case_second_address, case_usage, case_bounds, case_help,
        case_data_in_use, case_port_in_use, case_no_quorum, case_unknown])


main()
