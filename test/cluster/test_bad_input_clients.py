#!/usr/bin/env python3
# test_bad_input_clients.py: whatever a client sends, or does not read, is answered or closed, costs
# a bounded amount of memory, and nobody else notices.
#
# The cases share one cluster and end by proving that it still takes writes.
# SPDX-License-Identifier: Apache-2.0
import contextlib
import http.client
import resource
import socket
import subprocess
import sys

import cluster
import raw
import resp
import tap

MESSAGE_BYTES_MAX = 10 * raw.MIB
KEY_BYTES_MAX = 64 * 1024
OUTPUT_BYTES_MAX = 64 * raw.MIB
IDLE_CLIENTS = 2000
FEW_FILES = 300

# What is sent, and the reply behind which the connection is closed.
MALFORMED = [
    (b"*x\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
    (b"*1048577\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
    (b"*1\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
    (b"*" + b"1" * 70000, b"-ERR Protocol error: too big mbulk count string\r\n"),
    (b"*1\r\n:4\r\n", b"-ERR Protocol error: expected '$', got ':'\r\n"),
    (b"*1\r\nPING\r\n", b"-ERR Protocol error: expected '$', got 'P'\r\n"),
    (b"*2\r\n$3\r\nGET\r\n$-1\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
    (b"*1\r\n$536870913\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
    (b"*1\r\n$99999999999999999999\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
    (b"*1\r\n$" + b"1" * 70000, b"-ERR Protocol error: too big bulk count string\r\n"),
    (b"*1\r\n$4\r\nPINGxx", b"-ERR Protocol error: expected CRLF after a bulk\r\n"),
    (b'GET "a\r\n', b"-ERR Protocol error: unbalanced quotes in request\r\n"),
    (b"x" * 70000, b"-ERR Protocol error: too big inline request\r\n"),
    (b"POST / HTTP/1.1\r\nSET k v\r\n", b"-ERR this port speaks the Redis protocol, not HTTP\r\n"),
]


def check_alive(nodes):
    """Every node takes a write, and within a time that a healthy one needs."""
    for i in range(nodes.size):
        with nodes.client(i) as client:
            tap.check_equal(client.call("SET", f"alive-{i}", "yes"), b"OK", f"SET on node {i}")


def malformed(nodes):
    """Malformed protocol gets an error that says what is wrong, and then the end."""
    port = nodes.nodes[0].client_port
    for data, answer in MALFORMED:
        with raw.dial(port) as connection:
            raw.send_some(connection, b"PING\r\n" + data)
            tap.check_equal(raw.read_to_end(connection), b"+PONG\r\n" + answer, repr(data[:40]))
    check_alive(nodes)


def malformed_from_http(nodes):
    """A browser that was lured to the client port cannot hide a command behind its headers."""
    port = nodes.nodes[0].client_port
    request = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nSET lured yes\r\n"
    answer = raw.exchange(port, request)
    tap.check(answer.endswith(b"-ERR this port speaks the Redis protocol, not HTTP\r\n"), answer)
    with nodes.client(0) as client:
        tap.check_equal(client.call("GET", "lured"), None, "what the hidden command set")


def one_log_line(nodes):
    """A hundred malformed connections make about one line of log a second, not a hundred."""
    node = nodes.nodes[1]
    for _ in range(100):
        tap.check(raw.exchange(node.client_port, b"*x\r\n").startswith(b"-ERR"), "no error came")
    count = node.log_text().count("client_protocol_error")
    tap.check(1 <= count <= 20, f"{count} lines of log for 100 malformed connections")


def long_keys(nodes):
    """A key over 64 KiB is refused with the limit, nothing is applied, the connection goes on."""
    with nodes.client(0) as client:
        for command in (("SET", "K", "v"), ("GET", "K"), ("MSET", "other", "1", "K", "v")):
            words = ["k" * (KEY_BYTES_MAX + 1) if word == "K" else word for word in command]
            try:
                tap.check(False, f"{command} got {client.call(*words)!r}")
            except resp.Refused as refusal:
                tap.check("ERR" in str(refusal) and "65536" in str(refusal), str(refusal))
        tap.check_equal(client.call("GET", "other"), None, "the other key of the refused MSET")
        tap.check_equal(client.call("SET", "k" * KEY_BYTES_MAX, "v"), b"OK", "a key of 64 KiB")
        tap.check_equal(client.call("DEL", "k" * KEY_BYTES_MAX), 1, "its removal")


def large_commands(nodes):
    """A command over max-message-bytes is refused with the limit, however it is made up."""
    node = nodes.nodes[0]
    half = b"v" * (MESSAGE_BYTES_MAX // 2 + 1)
    rows = [
        ("SET", "large", b"v" * (MESSAGE_BYTES_MAX + 1)),
        ("SET", "large", b"v" * MESSAGE_BYTES_MAX),
        ("MSET", "large", half, "larger", half),
    ]
    with nodes.client(0) as client:
        for words in rows:
            try:
                tap.check(False, f"{words[0]} got {client.call(*words)!r}")
            except resp.Refused as refusal:
                text = str(refusal)
                tap.check("max-message-bytes, 10485760; not applied" in text, text)
        tap.check_equal(client.call("GET", "large"), None, "what the refused commands set")
        before = raw.resident_bytes(node)
        client.socket.sendall(b"*3\r\n$3\r\nSET\r\n$5\r\nlarge\r\n$%d\r\n" % (200 * raw.MIB))
        for _ in range(200):
            client.socket.sendall(b"v" * raw.MIB)
        client.socket.sendall(b"\r\n")
        tap.check("10485760" in str(client.read()), "no limit was told for 200 MiB")
        raw.check_memory(node, before, 4 * raw.MIB)
        tap.check_equal(client.call("PING"), b"PONG", "PING on the same connection")


def announced_lengths(nodes):
    """A huge announced length costs nothing before its bytes come."""
    node = nodes.nodes[0]
    before = raw.resident_bytes(node)
    with contextlib.ExitStack() as stack:
        for data in (b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$10485759\r\n", b"*1048576\r\n$3\r\nDEL\r\n"):
            for _ in range(100):
                stack.enter_context(raw.dial(node.client_port)).sendall(data)
        check_alive(nodes)
        raw.check_memory(node, before, 8 * raw.MIB)


def no_line_end(nodes):
    """A line that never ends is closed at 64 KiB."""
    with raw.dial(nodes.nodes[0].client_port) as connection:
        sent = 0
        while sent < 8 * raw.MIB and raw.send_some(connection, b"A" * 4096):
            sent += 4096
        tap.check(b"too big inline request" in raw.read_to_end(connection), "no error came")


def byte_by_byte(nodes):
    """A command may come one byte at a time, and in the middle of one a client may go away."""
    port = nodes.nodes[0].client_port
    command = resp.encode(["SET", "slow", "value"])
    with raw.dial(port) as connection:
        for byte in command:
            connection.sendall(bytes([byte]))
        tap.check_equal(connection.recv(5), b"+OK\r\n", "the reply")
    for cut in range(1, len(command)):
        with raw.dial(port) as connection:
            connection.sendall(resp.encode(["SET", "slow", "other"])[:cut])
    with raw.dial(port) as connection:
        connection.sendall(b"SET half open\r\n")
        connection.shutdown(socket.SHUT_WR)
        tap.check_equal(raw.read_to_end(connection), b"+OK\r\n", "the reply to a half-open one")
    with nodes.client(0) as client:
        tap.check_equal(client.call("GET", "slow"), b"value", "what the unfinished commands left")


def never_reads(nodes):
    """Who asks for 2 GiB and reads none of it holds up a few MiB, and nobody else."""
    node = nodes.nodes[0]
    with nodes.client(0) as client:
        client.call("SET", "big", b"b" * raw.MIB)
    before = raw.resident_bytes(node)
    with raw.dial(node.client_port) as connection:
        connection.sendall(b"GET big\r\n" * 2000)
        check_alive(nodes)
        raw.check_memory(node, before, 32 * raw.MIB)
        received = 0
        while received < 100 * raw.MIB:
            part = connection.recv(raw.MIB)
            tap.check(part, f"closed after {received} bytes, though it reads again")
            received += len(part)
    check_alive(nodes)


def tails_nothing(nodes):
    """Who follows the log and does not read is closed at the limit of its output."""
    node = nodes.nodes[0]
    before = raw.resident_bytes(node)
    with raw.dial(node.client_port) as connection, nodes.client(0) as client:
        connection.sendall(resp.encode(["QUORATE.TAIL"]))
        tap.check(connection.recv(1), "the tail does not begin")
        for _ in range(OUTPUT_BYTES_MAX // raw.MIB + 8):
            client.call("SET", "big", b"b" * raw.MIB)
        cluster.wait_for(lambda: "it does not read its replies" in node.log_text(),
                         "the log says that the client was closed")
        client.call("DEL", "big")
        raw.check_memory(node, before, OUTPUT_BYTES_MAX + 48 * raw.MIB)


def idle_clients(nodes):
    """Two thousand idle clients cost a few KiB each, and the others do not notice."""
    node = nodes.nodes[0]
    before = raw.resident_bytes(node)
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(raw.dial(node.client_port)) for _ in range(IDLE_CLIENTS)]
        for connection in idle[::10]:
            connection.sendall(b"PING\r\n")
            tap.check_equal(connection.recv(7), b"+PONG\r\n")
        check_alive(nodes)
        raw.check_memory(node, before, 8 * raw.MIB)
        idle[0].sendall(b"PING\r\n")
        tap.check_equal(idle[0].recv(7), b"+PONG\r\n", "the first idle client's reply")


def few_files(nodes):
    """Where few files may be open, clients are refused before the log finds no file to open."""
    with cluster.temporary_folder() as folder:
        base = cluster.free_base_port(1)
        command = ["prlimit", f"--nofile={FEW_FILES}:{FEW_FILES}"]
        command += ["setpriv", "--pdeathsig", "KILL", cluster.program_path()]
        command += ["serve", "--bootstrap", "--name", "few", "--data", str(folder / "few")]
        command += ["--segment-bytes", "128KiB", "--max-message-bytes", "65536"]
        for i, flag in enumerate(("--peer", "--client", "--http")):
            command += [flag, f"127.0.0.1:{base + i}"]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            try:
                fill_and_write(base)
                tap.check_equal(process.poll(), None, "the exit code")
            finally:
                process.kill()
    check_alive(nodes)


def fill_and_write(base):
    cluster.wait_for(lambda: cluster.status_at(base + 2), "the node answers")
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(resp.Client(base + 1))
        idle = [stack.enter_context(raw.dial(base + 1)) for _ in range(FEW_FILES)]
        tap.check_equal(raw.read_to_end(idle[-1]), b"-ERR max number of clients reached\r\n")
        for _ in range(40):  # several segments: new files
            tap.check_equal(client.call("SET", "k", b"v" * 30000), b"OK")
    tap.check_equal(cluster.status_at(base + 2)["node"]["name"], "few")


def http_requests(nodes):
    """HTTP that is too long, too strange or no HTTP is answered with a code, and closed."""
    port = nodes.nodes[0].http_port
    rows = [
        (b"GET /status HTTP/1.1\r\nX: " + b"x" * 20000 + b"\r\n\r\n", b"431"),
        (b"GET /status HTTP/1.1\r\n" + b"A: b\r\n" * 20000 + b"\r\n", b"431"),
        (b"GET /" + b"u" * 20000 + b" HTTP/1.1\r\n\r\n", b"414"),
        (b"POST /status HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", b"413"),
        (b"POST /status HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"413"),
        (b"GET /status HTTP/9.9.9\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\x01\x00" + bytes(100), b"400"),
        (b"*1\r\n$4\r\nPING\r\n", b"400"),
        (b"\n\n garbage \n\n", b"400"),
    ]
    for data, code in rows:
        answer = raw.exchange(port, data)
        tap.check(answer.startswith(b"HTTP/1.1 " + code), f"{data[:40]!r} got {answer[:60]!r}")
    for method, path, code in (("DELETE", "/status", 405), ("GET", "/none", 404)):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=cluster.LIMIT_S)
        with contextlib.closing(connection):
            connection.request(method, path)
            tap.check_equal(connection.getresponse().status, code, f"{method} {path}")


def http_half_requests(nodes):
    """Five hundred half requests cost little, and /status is still answered."""
    node = nodes.nodes[0]
    before = raw.resident_bytes(node)
    with contextlib.ExitStack() as stack:
        for _ in range(500):
            connection = stack.enter_context(raw.dial(node.http_port))
            connection.sendall(b"GET /status HTTP/1.1\r\nHost:")
        tap.check(cluster.status_at(node.http_port), "no status")
        raw.check_memory(node, before, 8 * raw.MIB)


def main():
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    cases = [
        idle_clients,
        malformed,
        malformed_from_http,
        one_log_line,
        long_keys,
        large_commands,
        announced_lengths,
        no_line_end,
        byte_by_byte,
        never_reads,
        tails_nothing,
        few_files,
        http_requests,
        http_half_requests,
    ]
    cluster.run_with_cluster(cases)


if __name__ == "__main__":
    main()
