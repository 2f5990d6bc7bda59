# raw.py: bytes as no well-behaved client or peer sends them, and a look at what they do to a node.
#
# Frames follow docs/wire-format.md, files docs/wal-format.md; what is built here is right unless
# the caller breaks it.
# SPDX-License-Identifier: Apache-2.0
import hashlib
import os
import pathlib
import socket
import struct

import cluster
import tap

MIB = 1 << 20
SANITIZER_BYTES = 1 << 40  # of address space, which sanitizers reserve for themselves
NODE_ID = 0x1122334455667788
HELLO, HELLO_RESPONSE, JOIN = 32, 33, 34
REQUEST_VOTE, APPEND_ENTRIES = 3, 5
FRAME_HEADER_BYTES = 24


def crc32c_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


CRC32C_TABLE = crc32c_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC32C_TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def frame(kind, fields, **changes):
    """A frame without entries. `changes`: frame_bytes or checksum, to tell a lie."""
    head_bytes = -(-(FRAME_HEADER_BYTES + len(fields)) // 8) * 8
    covered = struct.pack("<B3xIII", kind, head_bytes, 0, 0) + fields
    covered = covered.ljust(head_bytes - 8, b"\0")
    checksum = changes.get("checksum", crc32c(covered))
    return struct.pack("<II", changes.get("frame_bytes", head_bytes), checksum) + covered


def string(text):
    return bytes([len(text)]) + text.encode()


def hello(cluster_id=(0, 0), sender=NODE_ID, expected=None, versions=(1, 1)):
    fields = struct.pack("<IIQQQ", *versions, *cluster_id, sender)
    fields += struct.pack("<BQ", expected is not None, expected or 0)
    return frame(HELLO, fields + string("stranger") + string("127.0.0.1:1") + string(""))


def vote(sender, receiver, term):
    return frame(REQUEST_VOTE, struct.pack("<QQQQQB", sender, receiver, term, 1 << 40, 1 << 40, 1))


def response_reason(data):
    """The status and the reason of the hello_response at the start of `data`."""
    status, _, _, _, _, length = struct.unpack_from("<iIQQQB", data, FRAME_HEADER_BYTES)
    at = FRAME_HEADER_BYTES + struct.calcsize("<iIQQQB")
    return status, data[at:at + length].decode()


def dial(port, timeout=cluster.LIMIT_S):
    connection = socket.create_connection(("127.0.0.1", port), timeout=timeout)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def send_some(connection, data):
    """Send as much as the other end takes before it closes. Returns False when it closed."""
    try:
        connection.sendall(data)
    except OSError:
        return False
    return True


def read_to_end(connection):
    """All that comes until the other end closes; a reset is an end, too."""
    parts = []
    try:
        while part := connection.recv(65536):
            parts.append(part)
    except ConnectionError:
        pass
    return b"".join(parts)


def exchange(port, data):
    """Send `data` on a fresh connection. Returns what came until the other end closed."""
    with dial(port) as connection:
        send_some(connection, data)
        return read_to_end(connection)


def process_bytes(node, field):
    """VmRSS, VmSize or the like of a node's process."""
    status = pathlib.Path(f"/proc/{node.process.pid}/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith(field + ":"))
    return int(line.split()[1]) * 1024


def resident_bytes(node):
    return process_bytes(node, "VmRSS")


def check_memory(node, before, allowed):
    """Check that the process has not taken more than `allowed` bytes since it had `before`."""
    if process_bytes(node, "VmSize") > SANITIZER_BYTES:
        return  # a sanitizer keeps what was freed
    used = resident_bytes(node) - before
    told = f"{node.name} took {used / MIB:.1f} MiB, {allowed / MIB:.1f} are allowed"
    tap.check(used <= allowed, told)


def tree(folder):
    """Every path below `folder` with its kind and the digest of its content."""
    found = {}
    for path in sorted(pathlib.Path(folder).rglob("*")):
        name = str(path.relative_to(folder))
        content = path.read_bytes() if path.is_file() else b""
        found[name] = (path.is_dir(), len(content), hashlib.sha256(content).hexdigest())
    return found


def patch(path, offset, data):
    """Overwrite bytes of a file in place."""
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(data)


def flip(path, offset, mask=0x40):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ mask]))


def log_files(data):
    return sorted(pathlib.Path(data).glob("log-*"))


def copy_of(folder, name, target):
    """Copy a data directory, file by file. Returns its path."""
    source, copy = pathlib.Path(folder) / name, pathlib.Path(folder) / target
    os.mkdir(copy, 0o700)
    for path in source.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    return copy
