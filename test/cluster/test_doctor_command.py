#!/usr/bin/env python3
# test_doctor_command.py: three nodes, two of them gone for good: the doctor, and the way back.
# SPDX-License-Identifier: Apache-2.0
import json
import shutil
import struct

import cluster as rig
import raw
import tap

KEYS = 50
APPLYING_MARK = int.from_bytes(b"qrapple1", "little")


def contents(folder):
    """Every file and its bytes; `lock` is no data."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "lock"}


def doctor(*arguments):
    done = rig.run("doctor", "--json", *arguments)
    return done, json.loads(done.stdout) if done.stdout.strip() else None


def address(cluster, i):
    return f"127.0.0.1:{cluster.nodes[i].client_port}"


def applying(index, ends):
    """A note that the process ended while it applied this entry, and `ends` times before."""
    note = struct.pack("<QIIQQQQQI32s", APPLYING_MARK, 1, ends, index, index, 1, index, index,
                       2, b"kv")
    return note + struct.pack("<I", raw.crc32c(note))


def case_running(cluster):
    """Directories that nodes run in are refused."""
    for i in range(KEYS):
        done = rig.run("set", "--client", address(cluster, 0), f"key{i}", f"value{i}")
        tap.check_equal(done.returncode, 0, f"the exit code of set ({done.stderr.strip()})")
    done = rig.run("doctor", cluster.nodes[0].data)
    tap.check_equal(done.returncode, 1, "the exit code")
    tap.check("in use" in done.stderr, f"it said {done.stderr!r}")


def case_majority(cluster):
    """With a majority it says that no surgery is needed, refuses it, and changes nothing."""
    rig.wait_for(lambda: len({(cluster.status(i) or {}).get("digest") for i in range(3)}) == 1,
                 "all hold the same")
    for i in range(3):
        cluster.kill(i)
    paths = [node.data for node in cluster.nodes]
    before = [contents(path) for path in paths]
    done, told = doctor(*paths[:2])
    tap.check_equal(done.returncode, 0, f"the exit code ({done.stderr.strip()})")
    tap.check_equal(told["verdict"]["way"], "start", "the way")
    tap.check_equal([one["applying"] for one in told["directories"]], [None, None], "the notes")
    done = rig.run("doctor", "--recover", paths[0], "--yes", *paths[:2])
    tap.check_equal(done.returncode, 1, "the exit code of the recovery")
    tap.check("nothing was changed" in done.stderr, f"it said {done.stderr!r}")
    tap.check_equal([contents(path) for path in paths] == before, True, "whether all is as before")


def case_usage(cluster):
    """Nothing named, another directory, or --yes alone is wrong usage; a foreign one is told."""
    data = cluster.nodes[0].data
    for wrong in ([], ["--yes", data], ["--recover", data, cluster.nodes[1].data]):
        tap.check_equal(rig.run("doctor", *wrong).returncode, 2, f"the exit code of {wrong}")
    tap.check_equal(rig.run("doctor", data, data).returncode, 1, "that of one named twice")
    with rig.temporary_folder() as folder:
        done = rig.run("doctor", folder)
        tap.check_equal(done.returncode, 1, "that of an empty one")
        tap.check("no node ever used it" in done.stdout, f"it said {done.stdout!r}")
        tap.check_equal(list(folder.iterdir()), [], "what was made in it")


def case_damaged(cluster):
    """A damaged directory is told with file and offset, does not count, and is not recovered."""
    with rig.temporary_folder() as folder:
        copy = folder / "copy"
        shutil.copytree(cluster.nodes[0].data, copy)
        for path in sorted(copy.glob("log-*"))[:1]:
            data = bytearray(path.read_bytes())
            data[700] ^= 1
            path.write_bytes(data)
        done = rig.run("doctor", copy)
        tap.check("cannot be used" in done.stdout and "offset" in done.stdout,
                  f"it said {done.stdout!r}")
        done = rig.run("doctor", "--recover", copy, "--yes", copy)
        tap.check_equal(done.returncode, 1, "the exit code of the recovery")


def case_applying(cluster):
    """What was applied when the process ended is told, and what is to be done before a start."""
    data = cluster.nodes[0].data
    note = data / "applying"
    last = doctor(data)[1]["directories"][0]["last_index"]
    for ends, state, words in (
            (0, "ended", f"ended 1 time in a row while entry {last} (term 1, command \"kv\") was"),
            (1, "ended", "ended 2 times in a row"),
            (2, "refused", f"its start is refused; mend the state machine, then start it with "
                           f"ignores_poison or remove {note}")):
        note.write_bytes(applying(last, ends))
        done = rig.run("doctor", *(node.data for node in cluster.nodes))
        tap.check_equal(done.returncode, 0, f"the exit code ({done.stderr.strip()})")
        tap.check(words in done.stdout, f"it said {done.stdout!r}")
        tap.check_equal("see above what is to be done before a start" in done.stdout,
                        state == "refused", "whether the verdict warns of it")
        told = doctor(data)[1]["directories"][0]["applying"]
        tap.check_equal(told, {"state": state, "ends": ends + 1, "first_index": last,
                               "last_index": last, "term": 1, "command": "kv"}, "the note")
    before = contents(data)
    done = rig.run(*cluster.arguments(0))
    tap.check_equal(done.returncode, 1, "the exit code of serve")
    tap.check(f"index {last}" in done.stderr and str(note) in done.stderr
              and len(done.stderr.splitlines()) == 1, f"it said {done.stderr!r}")
    tap.check_equal(contents(data) == before, True, "whether all is as before")
    note.write_bytes(note.read_bytes()[:-1] + b"\0")
    done = rig.run("doctor", data)
    tap.check(f"{note}, which notes what is being applied, is damaged" in done.stdout,
              f"it said {done.stdout!r}")
    tap.check_equal(doctor(data)[1]["directories"][0]["applying"]["state"], "damaged", "the note")
    note.write_bytes(applying(last, 0))  # the next start logs it: see case_recover


def case_recover(cluster):
    """One of three is recovered once; all that was acknowledged is there, and it takes writes."""
    paths = [node.data for node in cluster.nodes]
    _, told = doctor(paths[0])
    tap.check_equal(told["verdict"]["way"], "recover", "the way")
    tap.check_equal(told["verdict"]["may_lose_unseen"], True, "what it says of the unseen")
    _, both = doctor(*paths)
    best = both["verdict"]["best"]
    tap.check_equal(best in map(str, paths), True, "whether it names the best")
    done = rig.run("doctor", "--recover", paths[0], "--yes", paths[0])
    tap.check_equal(done.returncode, 0, f"the exit code ({done.stderr.strip()})")
    _, after = doctor(paths[0])
    tap.check_equal(after["verdict"]["way"], "start", "the way behind it")
    tap.check_equal(after["directories"][0]["former"], told["directories"][0]["cluster"],
                    "the former cluster")
    done = rig.run("doctor", "--recover", paths[0], "--yes", paths[0])
    tap.check_equal(done.returncode, 1, "the exit code of a second recovery")
    cluster.start_node(0)
    rig.wait_for(lambda: (cluster.status(0) or {}).get("leader") == cluster.nodes[0].name,
                 "the recovered node leads")
    tap.check("apply_note_found ends=1 " in cluster.nodes[0].log_text(), "it logs the note")
    for i in range(KEYS):
        done = rig.run("get", "--client", address(cluster, 0), f"key{i}")
        tap.check_equal(done.stdout.strip(), f"value{i}", f"key{i}")
    done = rig.run("set", "--client", address(cluster, 0), "after", "1")
    tap.check_equal(done.returncode, 0, f"the exit code of set ({done.stderr.strip()})")
    tap.check_equal((paths[0] / "applying").exists(), False, "whether the note is still there behind it")


def case_left_out(cluster):
    """A node left out is refused as foreign, and joins from an empty directory."""
    cluster.start_node(1)
    node = cluster.nodes[1]
    rig.wait_for(lambda: "another cluster" in node.log_text() or "FOREIGN" in node.log_text(),
                 "the node left out is told that it is foreign")
    tap.check_equal([member["name"] for member in cluster.status(0)["members"]],
                    [cluster.nodes[0].name], "the members")
    cluster.kill(1)
    shutil.rmtree(node.data)
    cluster.start_node(1)
    rig.wait_for(lambda: len(cluster.status(0)["members"]) == 2
                 and (cluster.status(1) or {}).get("digest") == cluster.status(0)["digest"],
                 "it has joined anew and holds the same")


def main():
    rig.run_with_cluster([case_running, case_majority, case_usage, case_damaged, case_applying,
                          case_recover, case_left_out])


main()
