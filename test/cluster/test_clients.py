#!/usr/bin/env python3
# test_clients.py: the real redis-cli and redis-benchmark work against a follower; TAP.
#
# usage: test_clients.py PROGRAM
#
# SPDX-License-Identifier: Apache-2.0
import csv
import subprocess

import cluster as rig
import resp
import tap

PIPED = 1000


def run_tool(tool, *arguments, **options):
    options = {"capture_output": True, "text": True, "timeout": 60, "check": False, **options}
    done = subprocess.run([tool, *map(str, arguments)], **options)
    tap.check_equal(done.returncode, 0, f"the exit code of {tool} ({done.stderr.strip()})")
    return done.stdout


def redis_cli(cluster, *arguments, **options):
    """redis-cli at a follower: what it prints."""
    port = cluster.nodes[cluster.follower()].client_port
    return run_tool("redis-cli", "-p", port, *arguments, **options)


def case_set_get(cluster):
    """redis-cli sets a key and gets it back."""
    tap.check_equal(redis_cli(cluster, "set", "greeting", "hello"), "OK\n")
    tap.check_equal(redis_cli(cluster, "get", "greeting"), "hello\n")


def case_everywhere(cluster):
    """What is set through one node is got at once through every other."""
    for i in range(cluster.size):
        port = cluster.nodes[i].client_port
        tap.check_equal(run_tool("redis-cli", "-p", port, "set", "where", i), "OK\n")
        for node in cluster.nodes:
            got = run_tool("redis-cli", "-p", node.client_port, "get", "where")
            tap.check_equal(got, f"{i}\n", f"what {node.name} has after a write through {i}")


def case_types(cluster):
    """redis-cli shows integers, missing values and lists as it does with Redis."""
    redis_cli(cluster, "mset", "t:a", "1", "t:b", "2")
    tap.check_equal(redis_cli(cluster, "--no-raw", "incr", "t:a"), "(integer) 2\n")
    tap.check_equal(redis_cli(cluster, "--no-raw", "get", "t:none"), "(nil)\n")
    tap.check_equal(redis_cli(cluster, "--no-raw", "mget", "t:a", "t:b", "t:none"),
                    '1) "2"\n2) "2"\n3) (nil)\n')


def case_errors(cluster):
    """redis-cli shows what is wrong with a command, and nothing is changed."""
    redis_cli(cluster, "set", "e:text", "abc")
    tap.check_equal(redis_cli(cluster, "--no-raw", "incr", "e:text"),
                    "(error) ERR value is not an integer or out of range\n")
    tap.check(redis_cli(cluster, "--no-raw", "nonsense").startswith("(error) ERR unknown command"),
              "an unknown command is not named as such")
    tap.check_equal(redis_cli(cluster, "get", "e:text"), "abc\n")


def case_resp3(cluster):
    """redis-cli -3 speaks RESP3."""
    hello = redis_cli(cluster, "-3", "--no-raw", "hello")
    tap.check('"proto" => (integer) 3' in hello, f"HELLO says {hello!r}")
    tap.check_equal(redis_cli(cluster, "-3", "--no-raw", "get", "r:none"), "(nil)\n")


def case_pipe(cluster):
    """redis-cli --pipe loads 1,000 keys without an error."""
    commands = b"".join(resp.encode(["SET", f"pipe:{i}", i]) for i in range(PIPED))
    told = redis_cli(cluster, "--pipe", input=commands, text=False).decode()
    tap.check(f"errors: 0, replies: {PIPED}" in told, f"it said {told!r}")
    tap.check_equal(redis_cli(cluster, "get", f"pipe:{PIPED - 1}"), f"{PIPED - 1}\n")


def case_scan(cluster):
    """redis-cli --scan finds every key of a pattern once."""
    commands = b"".join(resp.encode(["SET", f"scan:{i}", i]) for i in range(PIPED))
    redis_cli(cluster, "--pipe", input=commands, text=False)
    found = redis_cli(cluster, "--scan", "--pattern", "scan:*").split()
    tap.check_equal(sorted(found), sorted(f"scan:{i}" for i in range(PIPED)))


def case_stdin(cluster):
    """redis-cli -x sets bytes of every value, and they come back the same."""
    value = bytes(range(256)) * 40
    redis_cli(cluster, "-x", "set", "binary", input=value, text=False)
    with cluster.client(cluster.wait_leader()) as client:
        tap.check_equal(client.call("GET", "binary"), value)


def case_session(cluster):
    """Commands of one redis-cli session see one another."""
    told = redis_cli(cluster, input="set s:a 1\nincr s:a\nget s:a\ndel s:a\nget s:a\n")
    tap.check_equal(told, "OK\n2\n2\n1\n\n")


def case_redirect(cluster):
    """After CLUSTER SLOTS redis-cli -c is sent from a follower to the leader."""
    leader = cluster.nodes[cluster.wait_leader()].client_port
    told = redis_cli(cluster, "-c", input="CLUSTER SLOTS\nset c:key moved\nget c:key\n")
    tap.check(f"located at 127.0.0.1:{leader}\nOK\nmoved\n" in told, f"it said {told!r}")


def case_slots(cluster):
    """CLUSTER SLOTS gives all slots to the leader, with the others as its replicas."""
    leader = cluster.wait_leader()
    with cluster.client(cluster.follower()) as client:
        slots = client.call("CLUSTER", "SLOTS")
    tap.check_equal([(first, last) for first, last, *_ in slots], [(0, 16383)], "the slots")
    ports = [node[1] for node in slots[0][2:]]
    tap.check_equal(ports[0], cluster.nodes[leader].client_port, "who owns them")
    tap.check_equal(sorted(ports), sorted(n.client_port for n in cluster.nodes), "all ports")


def case_benchmark(cluster):
    """redis-benchmark -P 16 runs set, get, incr, mset and ping through a follower."""
    port = cluster.nodes[cluster.follower()].client_port
    told = run_tool("redis-benchmark", "-p", port, "-t", "set,get,incr,mset,ping", "-P", 16,
                    "-n", 4000, "--csv", "-e")
    rows = list(csv.DictReader(told.splitlines()))
    tap.check_equal([row["test"] for row in rows],
                    ["PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "MSET (10 keys)"])
    with cluster.client(cluster.wait_leader()) as client:
        tap.check_equal(client.call("GET", "counter:__rand_int__"), b"4000",
                        "what 4,000 INCR of redis-benchmark came to")


def main():
    rig.run_with_cluster([
        case_set_get, case_everywhere, case_types, case_errors, case_resp3, case_pipe, case_scan,
        case_stdin, case_session, case_redirect, case_slots, case_benchmark])


main()
