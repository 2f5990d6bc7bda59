#!/usr/bin/env python3
# test_wal_command.py: `wal verify` and `wal dump` on the data of real nodes; TAP.
#
# usage: test_wal_command.py PROGRAM
#
# SPDX-License-Identifier: Apache-2.0
import json
import shutil

import cluster as rig
import tap

KEYS = 50


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def written(cluster):
    """Write something, and wait until every node has it. Returns the applied index."""
    with cluster.client(cluster.wait_leader()) as client:
        for number in range(KEYS):
            client.call("SET", f"wal:{number}", "x" * 100)
    return cluster.wait_same_index()[0]


def case_running(cluster):
    """Both are refused on the directory of a running node, which is named."""
    for verb in ("verify", "dump"):
        done = rig.run("wal", verb, cluster.nodes[0].data)
        tap.check_equal(done.returncode, 1, f"the exit code of {verb}")
        tap.check("is in use" in done.stderr, f"{verb} said {done.stderr!r}")
        tap.check_equal(done.stdout, "", f"what {verb} printed")


def case_stopped(cluster):
    """After SIGTERM the log of a node is whole, and holds every applied index."""
    index = written(cluster)
    tap.check_equal(cluster.terminate(1), 0, "the exit code of the node")
    done = rig.run("wal", "verify", "--json", cluster.nodes[1].data)
    tap.check_equal(done.returncode, 0, f"the exit code ({done.stderr.strip()})")
    found = json.loads(done.stdout)
    tap.check_equal((found["ok"], found["torn"]), (True, False), "ok and torn")
    tap.check_equal(found["name"], cluster.nodes[1].name, "the name")
    tap.check(found["last_index"] >= index, f"its last index is {found['last_index']} < {index}")


def case_dump(cluster):
    """`dump` prints an entry for every index from 1, in order."""
    found = [json.loads(line) for line in
             rig.run("wal", "dump", "--json", cluster.nodes[1].data).stdout.splitlines()]
    indexes = [line["entry"]["index"] for line in found if line["kind"] == "entry"]
    tap.check_equal(indexes, list(range(1, len(indexes) + 1)), "the indexes")
    tap.check(len(indexes) >= KEYS, f"there are only {len(indexes)}")
    lines = rig.run("wal", "dump", cluster.nodes[1].data).stdout.splitlines()
    tap.check_equal(len(lines), len(found), "the lines of text")


def case_unchanged(cluster):
    """Neither changes one byte of the directory."""
    before = contents(cluster.nodes[1].data)
    rig.run("wal", "verify", cluster.nodes[1].data)
    rig.run("wal", "dump", cluster.nodes[1].data)
    tap.check(contents(cluster.nodes[1].data) == before, "the directory has changed")


def damaged(cluster, folder):
    """A copy of the log with one byte changed in the middle of what was written."""
    shutil.copytree(cluster.nodes[1].data, folder / "data")
    entries = [json.loads(line) for line in
               rig.run("wal", "dump", "--json", folder / "data").stdout.splitlines()]
    middle = [line for line in entries if line["kind"] == "entry"][KEYS // 2]
    path = next(path for path in (folder / "data").rglob(middle["file"]))
    data = bytearray(path.read_bytes())
    data[middle["offset"] + 40] ^= 1
    path.write_bytes(data)
    return folder / "data", middle["file"]


def case_damaged(cluster):
    """`verify` of a log damaged in the middle ends with 1 and names file and offset."""
    with rig.temporary_folder() as folder:
        data, file = damaged(cluster, folder)
        done = rig.run("wal", "verify", data)
        tap.check_equal(done.returncode, 1, "the exit code")
        tap.check(file in done.stderr, f"it said {done.stderr!r}")
        tap.check("offset" in done.stderr, f"it said {done.stderr!r}")


def case_damaged_serve(cluster):
    """A node refuses to start on a log damaged in the middle, and changes nothing of it."""
    with rig.temporary_folder() as folder:
        data, file = damaged(cluster, folder)
        before = contents(data)
        base = rig.free_base_port(1)
        done = rig.run("serve", "--name", cluster.nodes[1].name, "--data", data,
                       "--peer", f"127.0.0.1:{base}", "--client", f"127.0.0.1:{base + 1}",
                       "--http", f"127.0.0.1:{base + 2}")
        tap.check_equal(done.returncode, 1, f"the exit code ({done.stderr.strip()})")
        tap.check(file in done.stderr, f"it said {done.stderr!r}")
        tap.check(contents(data) == before, "the directory has changed")


def case_killed(cluster):
    """After SIGKILL the log verifies: a torn tail is no damage."""
    cluster.restart(1)
    rig.wait_for(cluster.is_complete, "the stopped node is back")
    index = written(cluster)
    cluster.kill(2)
    done = rig.run("wal", "verify", "--json", cluster.nodes[2].data)
    tap.check_equal(done.returncode, 0, f"the exit code ({done.stderr.strip()})")
    tap.check(json.loads(done.stdout)["last_index"] >= index, "it lacks what was applied")


def case_nowhere(_):
    """A directory that is not there, or holds no log, ends with 1."""
    with rig.temporary_folder() as folder:
        for path in (folder, folder / "none"):
            done = rig.run("wal", "verify", path)
            tap.check_equal(done.returncode, 1, f"the exit code for {path.name}")
            tap.check(str(path) in done.stderr, f"it said {done.stderr!r}")
        tap.check_equal(list(folder.iterdir()), [], "what was made in the empty folder")


def main():
    rig.run_with_cluster([
        case_running, case_stopped, case_dump, case_unchanged, case_damaged, case_damaged_serve,
        case_killed, case_nowhere])


main()
