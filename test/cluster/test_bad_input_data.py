#!/usr/bin/env python3
# test_bad_input_data.py: a data directory that cannot be used is refused and left as it is.
#
# Each case copies the directory of a node that was used and stopped, breaks the copy in one way,
# and starts a node on it. Refused means: exit 1, one line that names the directory, the file and
# where it counts the offset, and says what to do; and not one byte of the directory changed.
# SPDX-License-Identifier: Apache-2.0
import os
import pathlib
import random
import shutil
import socket
import struct
import sys

import cluster
import raw
import tap

SECTOR = 512
LIMITS = ("--segment-bytes", "128KiB", "--max-message-bytes", "65536")
MARK = 2
FLIPS = 24
STOPS = 10


class Used:
    """The directory of a node that was used, and what is needed to start another on a copy."""

    def __init__(self, folder):
        self.folder = folder
        self.copies = 0
        self.base = cluster.free_base_port(1)
        with cluster.Cluster(1, LIMITS) as alone:
            with alone.client(0) as client:
                for i in range(24):
                    client.call("SET", f"key-{i}", bytes([i]) * 20000)
            tap.check_equal(alone.terminate(0), 0, "the exit code")
            self.data = raw.copy_of(alone.folder, "n1", folder / "used")

    def copy(self):
        self.copies += 1
        return raw.copy_of(self.folder, "used", f"copy-{self.copies}")

    def arguments(self, data, *more):
        ports = ("--peer", "--client", "--http")
        addresses = [f"127.0.0.1:{self.base + i}" for i in range(3)]
        pairs = [word for pair in zip(ports, addresses) for word in pair]
        return ["serve", "--name", "n1", "--data", str(data), *pairs, *LIMITS, *more]

    def start(self, data, *more):
        return cluster.run(*self.arguments(data, "--bootstrap", *more))


def check_refused(used, data, *words):
    """Start on `data`; it is refused with all of `words`, and nothing is changed."""
    before = raw.tree(data)
    done = used.start(data)
    tap.check_equal(done.returncode, 1, f"the exit code ({done.stderr.strip()!r})")
    lines = done.stderr.splitlines()
    tap.check_equal(len(lines), 1, f"the count of lines of {done.stderr!r}")
    for word in (str(data), *words):
        tap.check(word in done.stderr, f"{done.stderr!r} does not say {word!r}")
    tap.check_equal(raw.tree(data), before, "the directory")
    shutil.rmtree(data)


def whole_sectors(path):
    """Offsets of the sectors of a segment that the log uses; marks, and zeros, are not."""
    content = path.read_bytes()
    used, offset = [0] if any(content[:SECTOR]) else [], SECTOR
    while content[offset:offset + 4] == b"QTCH":
        (body,) = struct.unpack_from("<I", content, offset + 48)
        (flags,) = struct.unpack_from("<I", content, offset + 104)
        end = -(-(offset + 128 + body) // SECTOR) * SECTOR
        used += [] if flags & MARK else range(offset, end, SECTOR)
        offset = end
    return used


def flipped_bytes(used):
    """Wherever a byte of the log is changed, the damage is found and its place is told."""
    places = [(path.name, at) for path in raw.log_files(used.data) for at in whole_sectors(path)]
    tap.check(len({name for name, _ in places}) >= 3, "the log should have several segments")
    chance = random.Random(7)
    picked = chance.sample(places, FLIPS) + [places[0], places[1], places[-1]]
    for name, sector in picked:
        data = used.copy()
        raw.flip(data / name, sector + chance.randrange(SECTOR), 1 << chance.randrange(8))
        check_refused(used, data, "log-", ", offset ", "restore this file from a backup")


def clean_stops(_):
    """However soon behind a write a node is stopped, damage to that write is found."""
    with cluster.Cluster(1, LIMITS) as alone:
        node = alone.nodes[0]
        for round_number in range(STOPS):
            with alone.client(0) as client:
                for i in range(24):  # enough to have segments prepared meanwhile
                    client.call("SET", "k", bytes([round_number, i]) * 10000)
            tap.check_equal(alone.terminate(0), 0, "the exit code")
            name, at = [(p.name, o) for p in raw.log_files(node.data) for o in whole_sectors(p)][-1]
            raw.flip(node.data / name, at)
            done = cluster.run("wal", "verify", node.data)
            tap.check_equal(done.returncode, 1, f"wal verify of a damaged end ({done.stdout!r})")
            raw.flip(node.data / name, at)
            alone.restart(0)
            alone.wait_leader()


def flipped_identity(used):
    """Wherever a byte of the identity is changed, that is found."""
    for offset in range((used.data / "identity").stat().st_size):
        data = used.copy()
        raw.flip(data / "identity", offset)
        check_refused(used, data, "identity, offset ")


def newer_segment(used):
    """A segment of a newer format is told from damage."""
    data = used.copy()
    path = raw.log_files(data)[1]
    header = bytearray(path.read_bytes()[:SECTOR])
    struct.pack_into("<I", header, 8, 3)
    struct.pack_into("<I", header, 12, raw.crc32c(bytes(header[:12] + header[16:])))
    raw.patch(path, 0, header)
    check_refused(used, data, f"{path.name}, offset 0", "format", "use the version of quorate")


def newer_identity(used):
    """An identity of a newer format is told from damage."""
    data = used.copy()
    raw.patch(data / "identity", 8, struct.pack("<I", 3))
    check_refused(used, data, "identity, offset 8", "format", "use the version of quorate")


def another_node_s_log(used):
    """Log files of another node are refused."""
    data = used.copy()
    with cluster.temporary_folder() as folder:
        other = Used(folder)
        for path in raw.log_files(other.data):
            shutil.copy(path, data / path.name)
    check_refused(used, data, "log-0000000000000001, offset 0", "another node", "put this node's")


def missing_log(used):
    """A node that was used and has no log files any more does not begin anew."""
    data = used.copy()
    for path in raw.log_files(data):
        path.unlink()
    check_refused(used, data, "log files are missing", "restore")


def emptied_log(used):
    """Neither does one whose log files are empty, or hold zeros."""
    for content in (lambda size: b"", lambda size: bytes(512), bytes):
        data = used.copy()
        for path in raw.log_files(data):
            path.write_bytes(content(path.stat().st_size))
        check_refused(used, data, "log", "restore")


def missing_segment(used):
    """A segment that is missing before others is missed by its name."""
    for i in range(len(raw.log_files(used.data)) - 1):
        data = used.copy()
        path = raw.log_files(data)[i]
        path.unlink()
        check_refused(used, data, path.name, "missing", "restore")


def cut_segment(used):
    """A segment that was cut short is refused with the offset where it ends."""
    for size in (0, 100, SECTOR, 40000):
        data = used.copy()
        path = raw.log_files(data)[1]
        os.truncate(path, size)
        check_refused(used, data, f"{path.name}, offset ", "cut short", "restore")


def missing_identity(used):
    """Log files without an identity are not taken over by a new node."""
    data = used.copy()
    (data / "identity").unlink()
    check_refused(used, data, "identity", "missing", "restore")


def cut_identity(used):
    """An identity that was cut short is refused, at every length."""
    for size in range((used.data / "identity").stat().st_size):
        data = used.copy()
        os.truncate(data / "identity", size)
        check_refused(used, data, "identity, offset ", "restore")


def odd_kinds(used):
    """What should be a file and is a directory, or the other way round, is refused by its name."""
    data = used.copy()
    (data / "identity").unlink()
    (data / "identity").mkdir()
    check_refused(used, data, "identity", "cannot be read")
    data = used.copy()
    path = raw.log_files(data)[0]
    path.unlink()
    path.mkdir()
    check_refused(used, data, path.name, "missing")
    data = used.copy()
    (data / "lock").unlink()
    (data / "lock").mkdir()
    check_refused(used, data, "lock", "directory")


def a_file_as_directory(used):
    """A data directory that is a file, or lies below one, is refused."""
    plain = used.folder / "plain"
    plain.write_text("mine\n", encoding="ascii")
    for data in (plain, plain / "below"):
        done = used.start(data)
        tap.check_equal(done.returncode, 1, "the exit code")
        tap.check(str(data) in done.stderr and "ot a directory" in done.stderr, done.stderr)
    tap.check_equal(plain.read_text(encoding="ascii"), "mine\n", "the file")


def no_cluster(used):
    """A fresh directory without --bootstrap or --join says what to choose, and stays empty."""
    data = used.folder / "fresh"
    done = cluster.run(*used.arguments(data))
    tap.check_equal(done.returncode, 1, f"the exit code ({done.stderr!r})")
    for word in (str(data), "--bootstrap", "--join"):
        tap.check(word in done.stderr, f"{done.stderr!r} does not say {word!r}")
    held = {path.name for path in data.iterdir()} - {"lock"}
    tap.check_equal(held, set(), "what the directory holds")


def in_use(used):
    """A directory in use is refused with the process that has it, and that goes on."""
    with cluster.Cluster(1) as running:
        node = running.nodes[0]
        before = (node.data / "lock").read_bytes(), (node.data / "identity").read_bytes()
        done = used.start(node.data)
        tap.check_equal(done.returncode, 1, "the exit code")
        for word in (str(node.data), "in use", f"process {node.process.pid}", "stop it first"):
            tap.check(word in done.stderr, f"{done.stderr!r} does not say {word!r}")
        after = (node.data / "lock").read_bytes(), (node.data / "identity").read_bytes()
        tap.check_equal(after, before, "the lock and the identity")
        with running.client(0) as client:
            tap.check_equal(client.call("SET", "k", "v"), b"OK")


def ports_in_use(used):
    """A port in use is told with its address, and the directory is as good as before."""
    data = used.copy()
    for i in range(3):
        with socket.socket() as holder:
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            holder.bind(("127.0.0.1", used.base + i))
            holder.listen()
            done = used.start(data)
        tap.check_equal(done.returncode, 1, "the exit code")
        last = done.stderr.splitlines()[-1].lower()
        for word in (f"127.0.0.1:{used.base + i}", "address already in use"):
            tap.check(word in last, f"{last!r} does not say {word!r}")
    done = cluster.run("wal", "verify", data)
    tap.check_equal(done.returncode, 0, f"the exit code of wal verify ({done.stderr!r})")
    shutil.rmtree(data)


def main():
    tap.end_on_signals()
    cases = [
        flipped_bytes,
        clean_stops,
        flipped_identity,
        newer_segment,
        newer_identity,
        another_node_s_log,
        missing_log,
        emptied_log,
        missing_segment,
        cut_segment,
        missing_identity,
        cut_identity,
        odd_kinds,
        a_file_as_directory,
        no_cluster,
        in_use,
        ports_in_use,
    ]
    with cluster.temporary_folder() as folder:
        code = tap.run(cases, Used(pathlib.Path(folder)))
    sys.exit(code)


if __name__ == "__main__":
    main()
