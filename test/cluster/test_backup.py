#!/usr/bin/env python3
# test_backup.py: a cluster under load into a file, and the file into a new cluster.
#
# usage: test_backup.py PROGRAM [slow]
#
# slow   backups that take their time: cut off, interrupted, several at once.
# SPDX-License-Identifier: Apache-2.0
import ctypes
import errno
import json
import os
import platform
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time

import cluster as rig
import resp
import tap

WRITERS = 3
BEFORE = 300  # acknowledged writes of each before the backup begins
SLOW_RATE = 65536  # bytes a second: the least there is
SLOW_BYTES = 1 << 20


def address(cluster, i):
    return f"127.0.0.1:{cluster.nodes[i].client_port}"


def backup(cluster, i, path, *more, **options):
    return rig.run("backup", "--json", "--client", address(cluster, i), path, *more, **options)


def names(folder):
    return sorted(path.name for path in folder.iterdir() if path.name != "lock")


class Writers:
    """Threads that set keys of their own, one after the other, and note what was acknowledged."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.is_over = False
        self.acked = [0] * WRITERS
        self.threads = [threading.Thread(target=self.write, args=(i,)) for i in range(WRITERS)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.is_over = True
        for thread in self.threads:
            thread.join()

    def write(self, i):
        client = self.cluster.client(i)
        while not self.is_over:
            number = self.acked[i]
            try:
                if client.call("SET", f"key:{i}:{number}", f"value:{number}") == b"OK":
                    self.acked[i] = number + 1
            except resp.Refused:
                continue  # nothing happened: leadership moves
            except resp.Unknown:  # the same value once more does no harm
                client.close()
                client = self.cluster.client(i)
        client.close()


class Kept:
    """What one case leaves for the next."""

    def __init__(self, cluster, folder):
        self.cluster = cluster
        self.folder = folder
        self.file = folder / "a.qbk"
        self.acked = []
        self.answer = None
        self.old_cluster = None


def case_live(kept):
    """A cluster under load is backed up by a follower, and the file is whole."""
    cluster = kept.cluster
    leader = cluster.wait_leader()
    with cluster.client(leader) as client:
        kept.answer = client.call("IDEMPOTENT", "token-1", "INCRBY", "counter", "41")
        client.call("IDEMPOTENT", "token-1", "INCRBY", "counter", "41")
    with Writers(cluster) as writers:
        rig.wait_for(lambda: min(writers.acked) >= BEFORE, "enough was written")
        kept.acked = list(writers.acked)
        done = backup(cluster, cluster.follower(), kept.file)
        tap.check_equal(done.returncode, 0, f"the exit code ({done.stderr.strip()})")
        again = list(writers.acked)
        rig.wait_for(lambda: all(a > b for a, b in zip(writers.acked, again)), "writes go on")
    told = json.loads(done.stdout)
    kept.old_cluster = told["cluster"]
    tap.check_equal(told["bytes"], kept.file.stat().st_size, "the size it tells")
    tap.check_equal(sorted(told["members"]), ["n1", "n2", "n3"], "the members")
    done = rig.run("restore", "--check", "--json", kept.file)
    tap.check_equal(done.returncode, 0, f"the exit code of --check ({done.stderr.strip()})")
    checked = json.loads(done.stdout)
    tap.check(checked["keys"] > sum(kept.acked), f"it has {checked['keys']} keys")
    tap.check_equal(checked["index"], told["index"], "the index")
    tap.check_equal(names(kept.folder), ["a.qbk"], "what is in the folder")


def case_refused_files(kept):
    """A file that is there, a folder that is not, and a node that is away are said in words."""
    cluster, folder = kept.cluster, kept.folder
    before = kept.file.read_bytes()
    done = backup(cluster, 0, kept.file)
    tap.check_equal(done.returncode, 1, "the exit code where a file is")
    tap.check("is there already" in done.stderr, f"it said {done.stderr!r}")
    tap.check_equal(kept.file.read_bytes() == before, True, "whether the file is as before")
    done = backup(cluster, 0, folder / "none" / "a.qbk")
    tap.check_equal(done.returncode, 1, "the exit code where no folder is")
    done = rig.run("backup", "--client", "127.0.0.1:1", folder / "b.qbk")
    tap.check_equal(done.returncode, 3, "the exit code where no node is")
    copy = folder / "copy.qbk"
    copy.write_bytes(b"old")
    done = backup(cluster, 0, copy, "--force")
    tap.check_equal(done.returncode, 0, f"the exit code of --force ({done.stderr.strip()})")
    tap.check(copy.stat().st_size > 3, "the file was not replaced")
    copy.unlink()
    (folder / "b.qbk.part").write_bytes(b"of one that was killed")
    done = backup(cluster, 0, folder / "b.qbk")
    tap.check_equal(done.returncode, 0, f"the exit code behind one that was killed ({done.stderr})")
    (folder / "b.qbk").unlink()
    tap.check_equal(names(folder), ["a.qbk"], "what is in the folder")
    for wrong in ([], ["a", "b"], ["--client", "nowhere", "a"]):
        tap.check_equal(rig.run("backup", *wrong).returncode, 2, f"the exit code of {wrong}")


def limit_files(size):
    """What is written beyond is refused, as by a full disk."""

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


def deny(calls):
    """Have the kernel refuse calls, each a number, with an errno: what other file systems do."""

    class Filter(ctypes.Structure):
        _fields_ = [("code", ctypes.c_uint16), ("yes", ctypes.c_uint8), ("no", ctypes.c_uint8),
                    ("k", ctypes.c_uint32)]

    class Program(ctypes.Structure):
        _fields_ = [("count", ctypes.c_uint16), ("rows", ctypes.POINTER(Filter))]

    libc = ctypes.CDLL(None, use_errno=True)
    rows = [Filter(0x20, 0, 0, 0)]  # the number of the call
    for number, error in calls.items():
        rows += [Filter(0x15, 0, 1, number), Filter(0x06, 0, 0, 0x00050000 | error)]
    rows.append(Filter(0x06, 0, 0, 0x7FFF0000))
    table = (Filter * len(rows))(*rows)
    program = Program(len(rows), table)

    def begin():
        if libc.prctl(38, 1, 0, 0, 0) != 0 or libc.prctl(22, 2, ctypes.byref(program), 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "no seccomp")

    return begin


FLOCK, LINK, UNLINK, RENAMEAT2 = 73, 86, 87, 316  # of x86-64


def case_file_systems(kept):
    """Without locks there is none; without a rename that spares what is there, or links, there is."""
    if platform.machine() != "x86_64":
        tap.comment("left out: the numbers of the calls are those of x86-64")
        return
    cluster, folder = kept.cluster, kept.folder
    path = folder / "b.qbk"
    done = backup(cluster, 0, path, preexec_fn=deny({FLOCK: errno.ENOLCK}))
    tap.check_equal(done.returncode, 1, "the exit code without locks")
    tap.check("cannot be locked" in done.stderr, f"it said {done.stderr!r}")
    tap.check_equal(names(folder), ["a.qbk"], "what is there without locks")
    old = {RENAMEAT2: errno.EINVAL}
    for calls in ({}, old, {**old, LINK: errno.EPERM}):
        done = backup(cluster, 0, path, preexec_fn=deny(calls))
        tap.check_equal(done.returncode, 0, f"the exit code with {calls} ({done.stderr.strip()})")
        tap.check_equal(names(folder), ["a.qbk", "b.qbk"], f"what is there with {calls}")
        path.unlink()
    done = backup(cluster, 0, path, preexec_fn=deny({**old, UNLINK: errno.EIO}))
    tap.check_equal(done.returncode, 0, f"the exit code when the part stays ({done.stderr.strip()})")
    tap.check_equal(names(folder), ["a.qbk", "b.qbk", "b.qbk.part"], "what is there then")
    before = path.read_bytes()
    done = rig.run("backup", "--client", "127.0.0.1:1", "--force", path)
    tap.check_equal(done.returncode, 3, "the exit code where no node is")
    tap.check_equal(path.read_bytes() == before, True, "whether the good backup is as before")
    tap.check_equal(names(folder), ["a.qbk", "b.qbk"], "what is there behind it")
    path.unlink()


def case_no_room(kept):
    """Without room there is an error, and neither a file nor a directory that says it is one."""
    done = backup(kept.cluster, 0, kept.folder / "b.qbk", preexec_fn=limit_files(1000))
    tap.check_equal(done.returncode, 1, "the exit code of backup")
    tap.check("cannot be written" in done.stderr, f"it said {done.stderr!r}")
    tap.check_equal(names(kept.folder), ["a.qbk"], "what is in the folder")
    target = kept.folder / "target"
    done = rig.run("restore", kept.file, target, "--name", "m1", preexec_fn=limit_files(2000))
    tap.check_equal(done.returncode, 1, "the exit code of restore")
    tap.check("identity" not in names(target), f"it left {names(target)}")
    done = rig.run("restore", kept.file, target, "--name", "m1")
    tap.check_equal(done.returncode, 0, f"the exit code of another try ({done.stderr.strip()})")
    shutil.rmtree(target)


def case_damaged(kept):
    """Damage anywhere, a cut, more behind, and other files are refused; nothing is made."""
    whole = kept.file.read_bytes()
    target = kept.folder / "target"
    bad = kept.folder / "bad"

    def refuse(data, words):
        bad.write_bytes(data)
        for arguments in ([bad, target, "--name", "m1"], ["--check", bad]):
            done = rig.run("restore", *arguments)
            tap.check_equal(done.returncode, 1, f"the exit code with {words!r}")
            tap.check(words in done.stderr and "nothing was changed" in done.stderr,
                      f"it said {done.stderr!r}, not {words!r}")
        tap.check_equal(target.exists(), False, "whether a directory was made")

    for at in (8, 20, 70, 200, 511, 520, 600, len(whole) // 2, len(whole) - 1):
        data = bytearray(whole)
        data[at] ^= 0x10
        refuse(bytes(data), "damaged")
    refuse(whole[:-1], "cut short")
    refuse(whole[:100], "cut short")
    refuse(whole + b"x", "behind its end")
    refuse(b"", "does not begin as a backup")
    refuse(b"REDIS0009" + whole, "does not begin as a backup")
    snapshot = next(kept.cluster.nodes[0].data.glob("snapshot-*[0-9a-f]"), None)
    if snapshot is not None:
        refuse(snapshot.read_bytes(), "a snapshot out of a node's directory")
    bad.unlink()
    done = rig.run("restore", "--check", kept.folder / "none")
    tap.check_equal(done.returncode, 1, "the exit code where no file is")
    done = rig.run("restore", "--check", kept.folder)
    tap.check("not a file" in done.stderr, f"it said {done.stderr!r}")
    for wrong in ([], [kept.file], [kept.file, target], ["--check", kept.file, target],
                  [kept.file, target, "--name", "m1", "--peer", "nowhere"],
                  [kept.file, target, "--name", "m1", "--peer", "0.0.0.0:7700"]):
        done = rig.run("restore", *wrong)
        tap.check_equal(done.returncode, 2, f"the exit code of {wrong}")
        tap.check("--peer" not in wrong or "--peer" in done.stderr, f"it said {done.stderr!r}")
        tap.check("advertise" not in done.stderr, f"it said {done.stderr!r}")


def case_directory(kept):
    """A directory that holds anything, or that a node runs in, is refused and stays as it is."""
    node = kept.cluster.nodes[0]
    done = rig.run("restore", kept.file, node.data, "--name", "m1")
    tap.check_equal(done.returncode, 1, "the exit code with a node's directory")
    tap.check("is not empty" in done.stderr, f"it said {done.stderr!r}")
    target = kept.folder / "target"
    (target / "folder").mkdir(parents=True)
    done = rig.run("restore", kept.file, target, "--name", "m1")
    tap.check("it holds folder" in done.stderr, f"it said {done.stderr!r}")
    tap.check_equal(names(target), ["folder"], "what is in it")
    shutil.rmtree(target)


def case_unfinished(kept):
    """A restore that was cut off is told at the start of a node, and may be done again."""
    node = kept.cluster.nodes[0]
    target = kept.folder / "target"
    target.mkdir()
    (target / "restoring").write_bytes(b"x")
    (target / "snapshot-0000000000000009").write_bytes(b"half")
    done = rig.run("serve", "--name", "m1", "--data", target, "--bootstrap",
                   "--peer", "127.0.0.1:0", "--client", "127.0.0.1:0", "--http", "127.0.0.1:0")
    if "was not finished" not in done.stderr:  # port 0 may be refused before
        done = rig.run("serve", "--name", "m1", "--data", target, "--bootstrap",
                       "--peer", f"127.0.0.1:{node.peer_port + 3}",
                       "--client", f"127.0.0.1:{node.client_port + 3}",
                       "--http", f"127.0.0.1:{node.http_port + 3}")
    tap.check_equal(done.returncode, 1, "the exit code of serve")
    tap.check("was not finished" in done.stderr, f"it said {done.stderr!r}")
    done = rig.run("restore", kept.file, target, "--name", "m1")
    tap.check_equal(done.returncode, 0, f"the exit code of restore ({done.stderr.strip()})")
    tap.check("restoring" not in names(target), f"it left {names(target)}")
    shutil.rmtree(target)


def restore_beside_an_identity(kept, target):
    """Restore, and let something take the name of the identity meanwhile; None: it came too late."""
    command = ["setpriv", "--pdeathsig", "KILL", rig.program_path(), "restore", str(kept.file),
               str(target), "--name", "m1"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not (target / "restoring").exists() and process.poll() is None:
        pass  # milliseconds, in which nothing but looking is fast enough
    try:
        (target / "identity").mkdir()
    except OSError:
        pass
    _, said = process.communicate(timeout=60)
    return None if process.returncode == 0 else (process.returncode, said)


def case_unknown(kept):
    """Where an identity is that cannot be read, nobody knows whether the restore was done."""
    target = kept.folder / "target"
    told = None
    for _ in range(50):
        told = restore_beside_an_identity(kept, target)
        if told is not None:
            break
        shutil.rmtree(target)
    tap.check(told is not None, "the name was taken in time, at least once")
    tap.check_equal(told[0], 4, f"the exit code of restore ({told[1].strip()})")
    tap.check("whether it was all the same a start will tell" in told[1], f"it said {told[1]!r}")
    shutil.rmtree(target)


def case_restored(kept):
    """What was acknowledged before is in the new cluster, others join it, and it takes writes."""
    cluster = kept.cluster
    for i in range(3):
        cluster.kill(i)
    target = kept.folder / "n1"
    done = rig.run("restore", "--json", kept.file, target, "--name", "n1")
    tap.check_equal(done.returncode, 0, f"the exit code ({done.stderr.strip()})")
    told = json.loads(done.stdout)
    tap.check_equal(told["cluster"], kept.old_cluster, "the cluster it comes from")
    tap.check(told["new_cluster"] != kept.old_cluster, "it is the old cluster")
    cluster.nodes[0].data = target
    cluster.nodes[1].data = kept.folder / "n2"
    cluster.start_node(0)
    rig.wait_for(lambda: cluster.leader() == 0, "the restored node leads")
    cluster.start_node(1)
    rig.wait_for(lambda: [m["kind"] for m in cluster.status(0)["members"]] == ["voter"] * 2
                 and (cluster.status(1) or {}).get("digest") == cluster.status(0)["digest"],
                 "another node has joined and holds the same")
    with cluster.client(1) as client:
        for i, count in enumerate(kept.acked):
            for number in range(count):
                tap.check_equal(client.call("GET", f"key:{i}:{number}"), b"value:%d" % number,
                                f"key:{i}:{number}")
        tap.check_equal(client.call("SET", "after", "1"), b"OK", "a write")


def case_once(kept):
    """A token that was used before the backup gets its first answer, and is not applied again."""
    for i in range(2):
        with kept.cluster.client(i) as client:
            answer = client.call("IDEMPOTENT", "token-1", "INCRBY", "counter", "41")
            tap.check_equal(answer, kept.answer, "the answer")
            tap.check_equal(client.call("GET", "counter"), b"41", "the counter")


def case_stranger(kept):
    """A node of the old cluster is refused by the new one."""
    cluster = kept.cluster
    node = cluster.nodes[2]
    cluster.start_node(2)
    rig.wait_for(lambda: "not the node you mean" in node.log_text()
                 or "another cluster" in node.log_text(), "the old node is refused in words")
    tap.check_equal(sorted(m["name"] for m in cluster.status(0)["members"]), ["n1", "n2"],
                    "the members")


def begin_slow(cluster, i, path):
    """A backup that takes its time; it is under way when this returns.

    The node may still have those before, whose clients have gone, for a moment.
    """
    rig.wait_for(cluster.is_complete, "all know the leader")
    part = path.with_name(path.name + ".part")
    command = ["setpriv", "--pdeathsig", "KILL", rig.program_path(), "backup", "--client",
               address(cluster, i), str(path)]

    def begin():
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True)
        rig.wait_for(lambda: process.poll() is not None
                     or (part.exists() and part.stat().st_size > 1000), "it is under way")
        if process.poll() is None:
            return process
        code, said = end(process)
        tap.check("TRYAGAIN" in said, f"the backup ended at once, {code}: {said!r}")
        return None

    return rig.wait_for(begin, "the backup is under way")


def end(process, limit=rig.LIMIT_S):
    _, said = process.communicate(timeout=limit)
    return process.returncode, said


def case_cut_off(cluster):
    """The node that gives the backup, the leader, is killed: exit code 3, and no file."""
    with rig.temporary_folder() as folder:
        path = folder / "b.qbk"
        leader = cluster.wait_leader()
        process = begin_slow(cluster, leader, path)
        cluster.kill(leader)
        code, said = end(process)
        tap.check_equal(code, 3, f"the exit code ({said.strip()})")
        tap.check("cut off" in said, f"it said {said!r}")
        tap.check_equal(names(folder), [], "what it left")
        cluster.start_node(leader)
        cluster.wait_leader()


def case_leader_lost(cluster):
    """A follower that gives it goes on when the leader is killed; without a majority none begins."""
    with rig.temporary_folder() as folder:
        path = folder / "b.qbk"
        leader = cluster.wait_leader()
        asked = cluster.follower()
        process = begin_slow(cluster, asked, path)
        cluster.kill(leader)
        code, said = end(process, 120)
        tap.check_equal(code, 0, f"the exit code ({said.strip()})")
        tap.check_equal(rig.run("restore", "--check", path).returncode, 0, "that of --check")
        last = next(i for i in range(3) if i not in (leader, asked))
        cluster.kill(last)
        done = backup(cluster, asked, folder / "c.qbk")
        tap.check_equal(done.returncode, 1, f"the exit code without a majority ({done.stderr!r})")
        tap.check("there is no backup" in done.stderr, f"it said {done.stderr!r}")
        tap.check_equal(names(folder), ["b.qbk"], "what is there")
        cluster.start_node(leader)
        cluster.start_node(last)
        cluster.wait_leader()


def case_interrupted(cluster):
    """Ctrl-C, and a file that came meanwhile: words, and nothing left."""
    with rig.temporary_folder() as folder:
        path = folder / "b.qbk"
        asked = cluster.follower()
        process = begin_slow(cluster, asked, path)
        done = backup(cluster, asked, path)
        tap.check_equal(done.returncode, 1, "the exit code of a second one into the same file")
        tap.check("another backup" in done.stderr, f"it said {done.stderr!r}")
        process.send_signal(signal.SIGINT)
        code, said = end(process)
        tap.check_equal(code, 1, f"the exit code ({said.strip()})")
        tap.check("interrupted" in said, f"it said {said!r}")
        tap.check_equal(names(folder), [], "what it left")


def case_bounded(cluster):
    """A third backup at a time is refused by the node; a slow one holds up no write."""
    with rig.temporary_folder() as folder:
        asked = cluster.wait_leader()
        processes = [begin_slow(cluster, asked, folder / f"{i}.qbk") for i in range(2)]
        try:
            done = backup(cluster, asked, folder / "3.qbk")
            tap.check_equal(done.returncode, 1, "the exit code of the third")
            tap.check("other backups" in done.stderr, f"it said {done.stderr!r}")
            for process in processes:
                process.send_signal(signal.SIGSTOP)
            with cluster.client(asked) as client:
                began = time.monotonic()
                for i in range(50):
                    tap.check_equal(client.call("SET", "busy", i), b"OK", "a write beside it")
                tap.comment("50 writes beside two stopped backups took "
                            f"{time.monotonic() - began:.2f} s")
        finally:
            for process in processes:
                process.kill()
                process.communicate()
        rig.wait_for(lambda: backup(cluster, asked, folder / "4.qbk", timeout=120).returncode == 0,
                     "the places of those that were killed are free again", 180)


def fill(cluster):
    with cluster.client(cluster.wait_leader()) as client:
        for i in range(SLOW_BYTES // 65536):
            client.call("SET", f"big:{i}", os.urandom(65536))


def main():
    tap.end_on_signals()
    if "slow" in sys.argv[2:]:
        with rig.Cluster(flags=["--max-snapshot-rate", str(SLOW_RATE)]) as cluster:
            fill(cluster)
            code = tap.run([case_cut_off, case_interrupted, case_bounded, case_leader_lost],
                           cluster, cluster.tell_logs)
    else:
        with rig.Cluster() as cluster, rig.temporary_folder() as folder:
            code = tap.run([case_live, case_refused_files, case_file_systems, case_no_room,
                            case_damaged, case_directory, case_unfinished, case_unknown,
                            case_restored, case_once, case_stranger],
                           Kept(cluster, folder), cluster.tell_logs)
    sys.exit(code)


main()
