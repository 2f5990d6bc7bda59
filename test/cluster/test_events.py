#!/usr/bin/env python3
# test_events.py: what members hear of each other, at /events and from `members --watch`; TAP.
#
# usage: test_events.py PROGRAM
#
# SPDX-License-Identifier: Apache-2.0
import json
import re
import signal
import socket
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import cluster as rig
import resp
import tap


class Listener:
    """Follows /events of one node, on a thread of its own."""

    def __init__(self, port):
        self.events = []  # (name, data)
        self.has_ended = False
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=rig.LIMIT_S)
        self.socket.sendall(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
        self.thread = threading.Thread(target=self.follow, daemon=True)
        self.thread.start()

    def follow(self):
        name = None
        try:
            for line in self.socket.makefile("rb"):
                text = line.decode().rstrip("\r\n")
                if text.startswith("event: "):
                    name = text[7:]
                elif text.startswith("data: "):
                    self.events.append((name, json.loads(text[6:])))
        except OSError:
            pass
        self.has_ended = True

    def heard(self, event, **wanted):
        """The first event of this name with these values, or None."""
        for found, data in list(self.events):
            if found == event and all(data.get(key) == value for key, value in wanted.items()):
                return data
        return None

    def wait(self, event, **wanted):
        return rig.wait_for(lambda: self.heard(event, **wanted), f"{event} {wanted} is heard")

    def __enter__(self):
        self.wait("state")
        return self

    def __exit__(self, *_):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


class Watch:
    """`quorate members --watch`, with its lines."""

    def __init__(self, *arguments):
        self.lines = []
        self.process = subprocess.Popen(
            [rig.program_path(), "members", "--watch", *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        threading.Thread(target=self.follow, daemon=True).start()

    def follow(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def wait(self, pattern):
        return rig.wait_for(lambda: next((l for l in list(self.lines) if re.search(pattern, l)),
                                         None), f"a line {pattern!r} in {self.lines}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def http(cluster, *positions):
    return ",".join(f"127.0.0.1:{cluster.nodes[i].http_port}" for i in positions)


def observe(cluster, at):
    """Start the spare node as an observer and wait until it knows the leader."""
    cluster.nodes[at].is_founder = False
    cluster.nodes[at].flags = ["--observer"]
    cluster.start_node(at)
    wait_observed(cluster, at)


def wait_observed(cluster, at):
    """Until the observer names whoever leads, which may change meanwhile."""

    def is_known():
        leader = cluster.leader()
        status = cluster.status(at)
        return (leader is not None and status is not None and
                status["leader"] == cluster.nodes[leader].name)

    rig.wait_for(is_known, "the observer knows the leader")


def health(cluster, at, name):
    """What a node says of a member, or None."""
    status = cluster.status(at)
    return next((m["health"] for m in status["members"] if m["name"] == name), None)


def refusal(client, *command):
    """What a command is refused with."""
    try:
        raise tap.Failed(f"{command} was answered {client.call(*command)!r}")
    except resp.Refused as answer:
        return str(answer)


def case_killed(cluster):
    """A member that is killed is suspected and then dead, and joined when it is back."""
    cluster.wait_leader()
    victim = cluster.follower()
    other = next(i for i in range(3) if i not in (victim, cluster.leader()))
    name = cluster.nodes[victim].name
    with Listener(cluster.nodes[other].http_port) as listener:
        cluster.kill(victim)
        dead = listener.wait("dead", name=name)
        tap.check(listener.heard("suspected", name=name), "it was dead before it was suspected")
        tap.check_equal(dead["reason"], "its probes were not answered", "the reason")
        tap.check_equal(health(cluster, other, name), "dead", "its health")
        cluster.restart(victim)
        listener.wait("joined", name=name)
        rig.wait_for(lambda: health(cluster, other, name) == "alive", "it is alive")
        tap.check(listener.heard("left", name=name) is None, "who is killed does not leave")


def case_left(cluster):
    """A member that is stopped in good order hands over and leaves: nobody takes it for dead."""
    leader = cluster.wait_leader()
    name = cluster.nodes[leader].name
    other = cluster.follower()
    with Listener(cluster.nodes[other].http_port) as listener:
        tap.check_equal(cluster.terminate(leader), 0, "its exit code")
        left = listener.wait("left", name=name)
        tap.check_equal(left["reason"], "it was shut down", "the reason")
        changed = listener.wait("leader_changed")
        tap.check(changed["name"] != name, "it leads for ever")
        tap.check_equal(health(cluster, other, name), "left", "its health")
        cluster.restart(leader)
        listener.wait("joined", name=name)
        tap.check(listener.heard("dead", name=name) is None, "it left, and was told to be dead")


def case_leave_command(cluster):
    """`leave` stops a node with a reason; it stays a member and comes back."""
    follower = cluster.follower()
    name = cluster.nodes[follower].name
    other = cluster.leader()
    with Listener(cluster.nodes[other].http_port) as listener:
        done = rig.run("leave", "--client", cluster.addresses(follower), "--reason", "restart")
        tap.check_equal(done.returncode, 0, f"the exit code ({done.stderr})")
        tap.check_equal(done.stdout, f"{name} leaves and stops; it stays a member\n")
        left = listener.wait("left", name=name)
        tap.check_equal(left["reason"], "it is being restarted", "the reason")
        tap.check_equal(cluster.nodes[follower].process.wait(rig.LIMIT_S), 0, "its exit code")
        members = {m["name"]: m["kind"] for m in cluster.status(other)["members"]}
        tap.check_equal(members[name], "voter", "its kind")
    cluster.restart(follower)
    rig.wait_for(lambda: health(cluster, other, name) == "alive", "it is back")
    done = rig.run("leave", "--reason", "fun")
    tap.check_equal(done.returncode, 2, "the exit code of a wrong reason")


def case_observer(cluster):
    """An observer knows the leader behind each fail-over, holds no data and gets no vote."""
    observe(cluster, 3)
    with Listener(cluster.nodes[3].http_port) as listener:
        for _ in range(3):
            leader = cluster.wait_leader()
            cluster.kill(leader)
            rig.wait_for(lambda old=leader: cluster.leader() not in (None, old), "a new leader")
            wait_observed(cluster, 3)
            now = cluster.leader()
            listener.wait("leader_changed", name=cluster.nodes[now].name)
            cluster.restart(leader)
            rig.wait_for(lambda back=leader: health(cluster, 3, cluster.nodes[back].name) ==
                         "alive", "the killed one is back")
    leader = cluster.wait_leader()
    status = cluster.status(3)
    tap.check_equal(status["node"]["role"], "observer", "its role")
    tap.check_equal(status["cluster"]["id"], cluster.status(leader)["cluster"]["id"], "its cluster")
    wanted = {"n1": "voter", "n2": "voter", "n3": "voter", "n4": "observer"}
    for at in (leader, 3):
        rig.wait_for(lambda i=at: {m["name"]: m["kind"] for m in cluster.status(i)["members"]} ==
                     wanted, "all are known, each as what it is")
    client = cluster.client(3)
    moved = refusal(client, "SET", "foo", "1")
    tap.check_equal(moved, f"MOVED 12182 {cluster.addresses(leader)}", "the answer to a write")
    told = refusal(client, "DBSIZE")
    tap.check(f"{cluster.nodes[leader].name} leads, ask {cluster.addresses(leader)}" in told, told)
    done = rig.run("transfer", "--client", cluster.addresses(leader), "n4")
    tap.check_equal(done.returncode, 1, "the exit code of making it lead")
    cluster.terminate(3)


def case_watch(cluster):
    """`members --watch` tells what happens, and goes on with another node when its own is gone."""
    cluster.wait_leader()
    followed = cluster.follower()
    other = next(i for i in range(3) if i not in (followed, cluster.leader()))
    rig.wait_for(lambda: cluster.status(followed), "who is to be followed answers")
    names = [node.name for node in cluster.nodes]
    with Watch("--http", http(cluster, followed)) as plain, \
            Watch("--json", "--http", http(cluster, followed)) as lines:
        for name in names[:3]:
            plain.wait(f"{name} is alive: voter at 127")
        plain.wait(f"{names[cluster.leader()]} leads, in term [0-9]+$")
        lines.wait('^{"type":"state"')
        cluster.kill(followed)
        plain.wait(f"{names[followed]} is dead: its probes were not answered|"
                   f"{names[followed]} is dead: voter")
        cluster.restart(followed)
        plain.wait(f"{names[followed]} joined, at 127|{names[followed]} is alive: voter")
        rig.wait_for(lambda: sum('"state"' in line for line in list(lines.lines)) >= 2,
                     "the state of another node")
        cluster.terminate(other)
        plain.wait(f"{names[other]} left: it was shut down|{names[other]} is left: voter")
        for line in list(lines.lines):
            json.loads(line)
    cluster.restart(other)
    rig.wait_for(lambda: health(cluster, followed, names[other]) == "alive", "it is back")


def case_watch_ends(cluster):
    """`members --watch` ends behind so many lines, with 3 where nobody is, and 2 without --watch."""
    done = rig.run("members", "--watch", "--count", "2", "--http", http(cluster, 0))
    tap.check_equal((done.returncode, len(done.stdout.splitlines())), (0, 2), "code and lines")
    done = rig.run("members", "--watch", "--http", f"127.0.0.1:{rig.free_base_port(1)}")
    tap.check_equal(done.returncode, 3, f"the exit code ({done.stderr})")
    done = rig.run("members", "--count", "2", "--http", http(cluster, 0))
    tap.check_equal(done.returncode, 2, "the exit code of --count alone")


class Refusing(BaseHTTPRequestHandler):
    """Something that speaks HTTP and knows no events."""

    def do_GET(self):
        self.send_error(404)

    def log_message(self, *_):
        pass


def case_watch_refused(_):
    """`members --watch` says with which status it was refused, and ends with 3."""
    with HTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.handle_request).start()
        done = rig.run("members", "--watch", "--http", f"127.0.0.1:{server.server_port}")
    tap.check_equal(done.returncode, 3, f"the exit code ({done.stderr})")
    tap.check(f"127.0.0.1:{server.server_port} answers with HTTP status 404" in done.stderr,
              done.stderr)


def case_metrics(cluster):
    """/status and /metrics tell how gossip goes."""
    rig.wait_for(lambda: cluster.status(0)["swim"]["live"] >= 3, "it holds three for live")
    swim = cluster.status(0)["swim"]
    tap.check(swim["on"] and not swim["leaving"], swim)

    def values():
        _, body = rig.http_get(cluster.nodes[0].http_port, "/metrics")
        return dict(line.rsplit(" ", 1) for line in body.decode().splitlines() if line[0] != "#")

    for name in ("swim_probes", "gossip_packets_sent", "gossip_packets_received"):
        rig.wait_for(lambda n=name: int(values()[f"quorate_{n}_total"]) > 0, f"{name} counts")
    longest = int(values()["quorate_gossip_packet_longest_bytes"])
    tap.check(0 < longest <= 1400, f"the longest packet had {longest} bytes")
    tap.check_equal(int(values()["quorate_events_listeners"]), 0, "listeners that are gone")


def case_remove(cluster):
    """`leave --remove` takes a member out for good, and the others do not list it any more."""
    follower = cluster.follower()
    other = cluster.leader()
    name = cluster.nodes[follower].name
    with Listener(cluster.nodes[other].http_port) as listener:
        done = rig.run("leave", "--remove", "--client", cluster.addresses(follower))
        tap.check_equal(done.returncode, 0, f"the exit code ({done.stderr})")
        tap.check_equal(cluster.nodes[follower].process.wait(rig.LIMIT_S), 0, "its exit code")
        left = listener.wait("left", name=name)
        tap.check_equal(left["reason"], "it was removed from the cluster", "the reason")
    tap.check_equal(health(cluster, other, name), None, "its place among the members")


CASES = [case_killed, case_left, case_leave_command, case_observer, case_watch, case_watch_ends,
         case_watch_refused, case_metrics, case_remove]


def main():
    with rig.Cluster(3, spare=1) as cluster:
        return tap.run(CASES, cluster, on_failure=cluster.tell_logs)


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    raise SystemExit(main())
