#!/usr/bin/env python3
# test_bad_input_peers.py: what comes in on the peer port from no member is answered with a reason
# or not at all, and closed; the cluster neither changes nor stops, and the log is not filled.
#
# The wire format is docs/wire-format.md. The cases share one cluster.
# SPDX-License-Identifier: Apache-2.0
import contextlib
import random
import socket
import struct
import sys
import time

import cluster
import raw
import tap

HUGE_TERM = 1 << 60
SILENT = 300
LOG_LINES_SPARE = 3


def ids(nodes):
    """The cluster's id as two numbers, and the nodes' ids by position."""
    text = nodes.status(0)["cluster"]["id"]
    found = [int(nodes.status(i)["node"]["id"], 16) for i in range(nodes.size)]
    return (int(text[:16], 16), int(text[16:], 16)), found


def check_same(nodes, before):
    """The cluster takes writes, in the term and with the members of `before`."""
    for i in range(nodes.size):
        with nodes.client(i) as client:
            tap.check_equal(client.call("SET", "alive", str(i)), b"OK", f"SET on node {i}")
    tap.check_equal(state(nodes), before, "term and members")


def state(nodes):
    status = nodes.status(0)
    members = [(m["name"], m["id"], m["address"], m["kind"]) for m in status["members"]]
    return status["term"], status["leader"], members


@contextlib.contextmanager
def few_log_lines(node, kinds=1):
    """At most one line of log a second of each of so many kinds from here on, and a few others."""
    begin, lines = time.monotonic(), node.log_text().count("\n")
    yield
    allowed = kinds * (time.monotonic() - begin + 1) + LOG_LINES_SPARE
    added = node.log_text().splitlines()[lines:]
    tap.check(len(added) <= allowed, f"{len(added)} lines of log, the last {added[-3:]}")


def garbage(nodes):
    """Garbage is closed without an answer, at most one line of log a second says so."""
    node, before = nodes.nodes[0], state(nodes)
    chance = random.Random(3)
    rows = [chance.randbytes(chance.randrange(24, 4096)) for _ in range(200)]
    rows += [b"\0" * 24, b"\xff" * 64, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", b"PING\r\n" * 9]
    with few_log_lines(node):
        for data in rows:
            tap.check_equal(raw.exchange(node.peer_port, data), b"", repr(data[:30]))

    def is_logged():
        raw.exchange(node.peer_port, rows[0])
        return "frame_refused" in node.log_text()

    cluster.wait_for(is_logged, "the log says so")
    check_same(nodes, before)


def refused_hellos(nodes):
    """A hello of a stranger is refused with a reason that tells what is wrong."""
    before = state(nodes)
    cluster_id, own = ids(nodes)
    other = (cluster_id[0] ^ 1, cluster_id[1])
    rows = [
        (raw.hello(other), "another cluster"),
        (raw.hello(cluster_id, versions=(3, 9)), "version"),
        (raw.hello(cluster_id, versions=(0, 0)), "version"),
        (raw.hello(cluster_id, expected=own[1]), "not the node you mean"),
        (raw.hello(cluster_id, sender=own[0]), "my node id"),
    ]
    for data, reason in rows:
        answer = raw.exchange(nodes.nodes[0].peer_port, data)
        status, told = raw.response_reason(answer)
        tap.check(status < 0 and reason in told, f"status {status}, reason {told!r}")

    def is_told():
        """One line a second is logged, and a case before this one may have had it: ask again."""
        raw.exchange(nodes.nodes[0].peer_port, rows[0][0])
        return "peer_refused" in nodes.nodes[0].log_text()

    cluster.wait_for(is_told, "the log says so")
    check_same(nodes, before)


def wrong_frames(nodes):
    """A frame that is over-long, damaged or out of turn ends the connection."""
    node, before = nodes.nodes[0], state(nodes)
    cluster_id, own = ids(nodes)
    hello = raw.hello(cluster_id)
    vote = raw.vote(raw.NODE_ID, own[0], 1)
    flipped = vote[:40] + bytes([vote[40] ^ 1]) + vote[41:]
    rows = [
        vote,  # before any hello
        raw.frame(raw.HELLO, b"", checksum=1),
        raw.frame(raw.HELLO, b""),
        struct.pack("<I", 0x7FFFFFF8) + hello[4:],
        struct.pack("<I", 4096) + hello[4:],
        hello + hello,
        hello + flipped,
        hello + struct.pack("<I", 0x7FFFFFF8) + vote[4:],
        hello + struct.pack("<I", 12 << 20) + vote[4:],
        hello + struct.pack("<I", 0) + vote[4:],
        hello + raw.frame(99, b""),
        hello + raw.frame(raw.HELLO_RESPONSE, bytes(40)),
    ]
    memory = raw.resident_bytes(node)
    with few_log_lines(node):
        for data in rows:
            raw.exchange(node.peer_port, data)
    raw.check_memory(node, memory, 4 * raw.MIB)
    check_same(nodes, before)


def strangers(nodes):
    """Who is of no cluster may ask to join and do nothing else, whatever term it claims."""
    before = state(nodes)
    _, own = ids(nodes)
    rows = [
        raw.vote(raw.NODE_ID, own[0], HUGE_TERM),
        raw.frame(raw.APPEND_ENTRIES, struct.pack("<7Q", raw.NODE_ID, own[0], HUGE_TERM, *[0] * 4)),
    ]
    for i in range(nodes.size):
        for data in rows:
            answer = raw.exchange(nodes.nodes[i].peer_port, raw.hello() + data)
            tap.check_equal(raw.response_reason(answer)[0], 0, "the status of the hello")
    check_same(nodes, before)


def another_s_join(nodes):
    """Nobody can give a member another address by asking to join in its name."""
    before = state(nodes)
    _, own = ids(nodes)
    member, address = struct.pack("<QB", own[1], 1), raw.string("127.0.0.1:9")
    join = raw.frame(raw.JOIN, member + raw.string("n2") + address + raw.string(""))
    for node in nodes.nodes:
        with raw.dial(node.peer_port) as connection:
            connection.sendall(raw.hello() + join)
            node_hears_all(nodes, connection)
    check_same(nodes, before)


def node_hears_all(nodes, connection):
    """What was sent is taken in order, so an answer to the end of it means that all was."""
    connection.sendall(raw.frame(99, b""))
    raw.read_to_end(connection)
    nodes.wait_same_index()


def silence(nodes):
    """Three hundred connections that say nothing are closed, and meanwhile a member comes back."""
    before, back = state(nodes), nodes.follower()
    node = nodes.nodes[nodes.wait_leader()]
    memory = raw.resident_bytes(node)
    nodes.terminate(back)
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(raw.dial(node.peer_port)) for _ in range(SILENT)]
        nodes.restart(back)
        with nodes.client(nodes.nodes.index(node)) as client:
            tap.check_equal(client.call("SET", "during", "silence"), b"OK")
        cluster.wait_for(nodes.is_complete, "the member is back")
        for connection in silent:
            tap.check_equal(raw.read_to_end(connection), b"", "what a silent connection got")
    raw.check_memory(node, memory, 8 * raw.MIB)
    nodes.wait_same_index()
    tap.check_equal(state(nodes)[2], before[2], "the members")


def crowd(nodes):
    """New silent connections all the time do not keep a member out."""
    back = nodes.follower()
    node = nodes.nodes[nodes.wait_leader()]
    nodes.terminate(back)
    nodes.restart(back)
    with contextlib.ExitStack() as stack:

        def is_back():
            for _ in range(40):
                stack.enter_context(raw.dial(node.peer_port))
            return nodes.is_complete()

        with few_log_lines(node):
            for _ in range(2 * SILENT):
                stack.enter_context(raw.dial(node.peer_port))
            cluster.wait_for(is_back, "the member is back")
    cluster.wait_for(nodes.is_complete, "all is as before")


def wrong_seeds(_):
    """Who joins through an address where no member is says so, seldom, and goes on trying."""
    answers = [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", raw.hello((7, 7)), b"\0" * 2000]
    with cluster.temporary_folder() as folder, socket.create_server(("127.0.0.1", 0)) as seed:
        node = cluster.Node(folder, 0, cluster.free_base_port(1))
        address = f"127.0.0.1:{seed.getsockname()[1]}"
        with Joiner(node, address), few_log_lines(node, 2):
            for answer in answers * 3:
                connection, _ = seed.accept()
                with connection:
                    raw.send_some(connection, answer)
            said = f"join_failed address={address} reason="
            cluster.wait_for(lambda: said in node.log_text(), "the log says so")
            tap.check_equal(node.process.poll(), None, "the exit code")


class Joiner(cluster.Cluster):
    """One node that is to join through an address; it is not waited for."""

    def __init__(self, node, address):
        super().__init__(0, [])
        self.nodes, self.seed = [node], address

    def start(self):
        self.start_node(0)

    def arguments(self, i):
        return [*super().arguments(i)[:-1], "--join", self.seed]


def another_cluster_s_directory(nodes):
    """A node of another cluster at a member's address is refused, and the log says why."""
    gone = nodes.follower()
    place = nodes.nodes[gone]
    nodes.terminate(gone)
    own = place.data
    with cluster.Cluster(1) as other:
        other.terminate(0)
        place.data = raw.copy_of(other.folder, "n1", nodes.folder / "copied")
    kept = {i: node.log_text().count("\n") for i, node in enumerate(nodes.nodes)}
    nodes.restart(gone)
    leader = nodes.wait_leader()

    def refused():
        lines = nodes.nodes[leader].log_text().splitlines()[kept[leader]:]
        return [line for line in lines if "peer_refused" in line
                and f"127.0.0.1:{place.peer_port}" in line]

    line = cluster.wait_for(refused, "the leader's log says whom it refuses")[0]
    tap.check("another" in line or "not the node" in line, line)
    with nodes.client(leader) as client:
        tap.check_equal(client.call("SET", "still", "here"), b"OK")
    nodes.kill(gone)
    place.data = own
    nodes.restart(gone)
    cluster.wait_for(nodes.is_complete, "the member's own directory is taken again")


def main():
    cases = [
        garbage,
        refused_hellos,
        wrong_frames,
        strangers,
        another_s_join,
        silence,
        crowd,
        wrong_seeds,
        another_cluster_s_directory,
    ]
    cluster.run_with_cluster(cases)


if __name__ == "__main__":
    sys.exit(main())
