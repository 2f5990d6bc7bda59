#!/usr/bin/env python3
# test_secret.py: a cluster with a secret: who has none is refused, and it is changed; TAP.
#
# usage: test_secret.py PROGRAM
#
# SPDX-License-Identifier: Apache-2.0
import json
import os
import socket
import sys
import threading

import cluster as rig
import resp
import tap

FIRST = "the first key of this test"
SECOND = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
STRANGE = "a key that nobody else has"
WRONG, PLAIN = 3, 4  # positions of nodes that are started beside the three


def put_secret(path, *keys):
    path.write_text("# of a test\n" + "".join(f"{key}\n" for key in keys))
    os.chmod(path, 0o600)


class SecretCluster(rig.Cluster):
    """Three nodes, each with a secret file of its own beside its data."""

    def secret(self, i):
        return self.folder / f"{self.nodes[i].name}.secret"

    def start_node(self, i):
        node = self.nodes[i]
        if i != PLAIN and not self.secret(i).exists():
            put_secret(self.secret(i), STRANGE if i == WRONG else FIRST)
        node.flags = [] if i == PLAIN else ["--cluster-secret-file", str(self.secret(i))]
        super().start_node(i)

    restart = start_node

    def logs(self):
        return "".join(node.log_text() for node in self.nodes)


def keys(cluster, *arguments, at=0, code=0, typed=None):
    """Run `quorate keys`; what it prints, or complains."""
    address = f"127.0.0.1:{cluster.nodes[at].client_port}"
    done = rig.run("keys", "--client", address, *arguments, input=typed)
    tap.check_equal(done.returncode, code,
                    f"the exit code of keys {arguments[0]} ({done.stdout}{done.stderr})")
    return done.stdout if code == 0 else done.stdout + done.stderr


def listed(cluster, at=0):
    """{name: [id, ...]}, first the one used to send."""
    return {m["name"]: m["keys"] for m in json.loads(keys(cluster, "--json", "list", at=at))}


def write_and_read(cluster, key):
    with cluster.client(cluster.wait_leader()) as client:
        client.call("SET", key, "value")
    for i in cluster.present:
        with cluster.client(i) as client:
            tap.check_equal(client.call("GET", key), b"value", f"{key} at {cluster.nodes[i].name}")


def case_replicates(cluster):
    """Three nodes with one secret replicate and gossip, and a stranger gets nothing"""
    write_and_read(cluster, "sealed")
    for node in cluster.nodes[:3]:
        rig.wait_for(lambda: node.log_text().count("member_joined ") >= 2, "gossip of two others")
    with socket.create_connection(("127.0.0.1", cluster.nodes[0].peer_port), timeout=10) as plain:
        plain.sendall(b"\0" * 64)
        tap.check_equal(plain.recv(4096), b"", "the answer to garbage")


def counted(cluster, name):
    """A counter of the three nodes together."""
    found = 0
    for node in cluster.nodes[:3]:
        text = rig.http_get(node.http_port, "/metrics")[1].decode()
        found += sum(int(line.split()[1]) for line in text.splitlines()
                     if line.split()[0].startswith(f"quorate_{name}_total"))
    return found


def check_knows_nobody(cluster, i):
    """And end it."""
    names = [member["name"] for member in cluster.status(i)["members"]]
    if i == WRONG:
        tap.check_equal(list(listed(cluster, at=i)), [cluster.nodes[i].name], "whose keys it tells")
    cluster.kill(i)
    tap.check(set(names) <= {cluster.nodes[i].name}, f"it knows {names}")


def case_wrong(cluster):
    """A node with another secret is refused in words at both ends, and gets nothing"""
    cluster.start_node(WRONG)
    rig.wait_for(lambda: "it refused our cluster secret" in cluster.nodes[WRONG].log_text(),
                 "the refusal in the log of who is refused")
    rig.wait_for(lambda: "a cluster secret that this node does not have" in cluster.logs(),
                 "the refusal in the log of who refuses")
    check_knows_nobody(cluster, WRONG)
    tap.check_equal(len(cluster.status(0)["members"]), 3, "the number of members")


def case_plain(cluster):
    """A node without a secret is refused in words at both ends, and gets nothing"""
    cluster.start_node(PLAIN)
    rig.wait_for(lambda: "start with --cluster-secret-file" in cluster.nodes[PLAIN].log_text(),
                 "the refusal in the log of who is refused")
    rig.wait_for(lambda: "it does not encrypt" in cluster.logs(),
                 "the refusal in the log of who refuses")
    before = counted(cluster, "gossip_refused")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain:
        plain.sendto(b"QS" + b"\0" * 100, ("127.0.0.1", cluster.nodes[0].peer_port))
    rig.wait_for(lambda: counted(cluster, "gossip_refused") > before, "a packet that is refused")
    tap.check(counted(cluster, "peers_refused") > 0, "no refusal was counted")
    check_knows_nobody(cluster, PLAIN)
    tap.check_equal(len(cluster.status(0)["members"]), 3, "the number of members")


def case_refuses(cluster):
    """What would cut off a member is refused before anything is changed"""
    before = listed(cluster)
    told = keys(cluster, "use", SECOND, code=1)
    tap.check("add it there first; nothing was changed" in told, told)
    told = keys(cluster, "remove", FIRST, code=1)
    tap.check("use another first; nothing was changed" in told, told)
    told = keys(cluster, "add", "short", code=2)
    tap.check("that is no key" in told, told)
    keys(cluster, "forget", FIRST, code=2)
    keys(cluster, "add", code=2)
    tap.check_equal(listed(cluster), before, "the keys")


class Writer:
    """Writes all the time, one after the other; every answer must be good."""

    def __init__(self, port):
        self.client = resp.Client(port)
        self.count = 0
        self.errors = []
        self.is_over = False
        self.thread = threading.Thread(target=self.work)
        self.thread.start()

    def work(self):
        while not self.is_over:
            try:
                self.client.call("INCR", "rotated")
                self.count += 1
            except Exception as error:
                self.errors.append(repr(error))
                return

    def wait_more(self):
        goal = self.count + 20
        rig.wait_for(lambda: self.errors or self.count >= goal, "20 more writes")

    def end(self):
        self.is_over = True
        self.thread.join()
        self.client.close()


# What is said of a handshake that was cut: who stops closes, too.
CUT = "it hung up on our handshake"


def refusals(cluster, but="\0"):
    """How many lines of the members' logs say that somebody was refused, but those with a word."""
    return sum("_refused " in line and but not in line
               for i in cluster.present for line in cluster.nodes[i].log_text().splitlines())


def case_rotation(cluster):
    """The secret is changed under load: no write fails, and no connection is refused or lost"""
    before = refusals(cluster)
    lost = cluster.logs().count("peer_disconnected")
    old = listed(cluster)["n1"]
    writer = Writer(cluster.nodes[cluster.wait_leader()].client_port)
    try:
        writer.wait_more()
        keys(cluster, "add", "-", typed=SECOND + "\n")
        writer.wait_more()
        keys(cluster, "use", SECOND)
        writer.wait_more()
        both = listed(cluster)
        keys(cluster, "remove", old[0])
        writer.wait_more()
    finally:
        writer.end()
    tap.check_equal(writer.errors, [], "what went wrong with the writes")
    tap.check_equal({tuple(ids[1:]) for ids in both.values()}, {tuple(old)}, "the second key")
    tap.check_equal(refusals(cluster), before, "the number of refusals")
    tap.check_equal(cluster.logs().count("peer_disconnected"), lost, "the connections lost")
    now = set(map(tuple, listed(cluster).values()))
    tap.check(len(now) == 1 and len(now.pop()) == 1, "not all have the one new key")
    for i in cluster.present:
        text = cluster.secret(i).read_text()
        tap.check(SECOND in text and FIRST not in text, "the secret file is another")
        tap.check_equal(cluster.secret(i).stat().st_mode & 0o777, 0o600, "its mode")


def case_restart(cluster):
    """A node that is restarted behind it comes back with the new secret"""
    follower = cluster.follower()
    before = refusals(cluster, but=CUT)
    cluster.terminate(follower)
    cluster.restart(follower)
    rig.wait_for(lambda: cluster.is_complete(), "the cluster is complete again")
    write_and_read(cluster, "restarted")
    tap.check_equal(refusals(cluster, but=CUT), before, "the number of refusals")


def case_absent(cluster):
    """A member that does not run is named, the others take the step, and it can be repeated"""
    absent = cluster.follower()
    name = cluster.nodes[absent].name
    cluster.kill(absent)
    at = cluster.wait_leader()
    told = keys(cluster, "add", FIRST, at=at, code=1)
    tap.check(f"not done on {name}: repeat this step there" in told, told)
    cluster.restart(absent)
    rig.wait_for(lambda: cluster.is_complete(), "the cluster is complete again")
    keys(cluster, "add", FIRST, at=at)
    tap.check_equal(len(set(map(tuple, listed(cluster).values()))), 1, "different lists of keys")


def case_alone(cluster):
    """Without a secret a node listens on loopback alone, and is told what to do otherwise"""
    done = rig.run("serve", "--data", cluster.folder / "alone", "--peer", "192.0.2.1:7700",
                   "--client", "127.0.0.1:1", "--http", "127.0.0.1:2")
    tap.check_equal(done.returncode, 1, "the exit code")
    for words in ("is not loopback", "--cluster-secret-file", "--insecure"):
        tap.check(words in done.stderr, done.stderr)
    done = rig.run("serve", "--data", cluster.folder / "alone", "--peer", "192.0.2.1:7700",
                   "--client", "127.0.0.1:1", "--http", "127.0.0.1:2", "--insecure")
    tap.check("cannot listen on 192.0.2.1:7700" in done.stderr, done.stderr)


def case_open_file(cluster):
    """A secret file that others may read is refused, and what stands in it is not told"""
    path = cluster.folder / "open"
    put_secret(path, FIRST)
    os.chmod(path, 0o644)
    done = rig.run("serve", "--data", cluster.folder / "alone", "--cluster-secret-file", path)
    tap.check_equal(done.returncode, 1, "the exit code")
    tap.check("others may read" in done.stderr and FIRST not in done.stderr, done.stderr)


def case_no_key_in_logs(cluster):
    """No key was ever written to a log"""
    for key in (FIRST, SECOND, STRANGE):
        tap.check(key not in cluster.logs(), "a key stands in a log")


def main():
    tap.end_on_signals()
    with SecretCluster(3, spare=2) as cluster:
        cases = [case_replicates, case_wrong, case_plain, case_refuses, case_rotation,
                 case_restart, case_absent, case_alone, case_open_file, case_no_key_in_logs]
        code = tap.run(cases, cluster, cluster.tell_logs)
    sys.exit(code)


main()
