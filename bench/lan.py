#!/usr/bin/env python3
# lan.py: a network of its own for the processes of a benchmark, which loses what it is told to.
#
# Each process has a network namespace of its own with one interface, whose packets, of UDP and of
# TCP, come to this program (a TUN device), which hands them on or does not: loss and partitions
# as a real network has them, on any Linux whose /dev/net/tun may be opened; neither netem nor a
# firewall is needed. Nothing leaves the machine.
#
# Run as a program (by Lan.command()) it enters a new namespace, sends the interface back over
# standard input, and becomes the process that is named behind it.
# SPDX-License-Identifier: Apache-2.0
import ctypes
import fcntl
import os
import random
import selectors
import socket
import struct
import sys
import threading

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
TUNSETIFF, SIOCSIFADDR, SIOCSIFNETMASK, SIOCSIFFLAGS = 0x400454CA, 0x8916, 0x891C, 0x8914
IFF_UP, IFF_TUN, IFF_NO_PI = 0x1, 0x1, 0x1000
PACKET_BYTES_MAX = 1 << 16
TAKEN_AT_ONCE = 64
OBSERVER = 254  # the number of the benchmark's own interface: never cut off, loses nothing


def address_of(number):
    return f"10.77.0.{number}"


def unshare(flags):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(flags) != 0:
        raise OSError(ctypes.get_errno(), "a network namespace cannot be made")


def enter_namespace():
    """This thread, and those that it starts, with a network of their own; as anybody."""
    uid, gid = os.getuid(), os.getgid()
    if uid == 0:
        unshare(CLONE_NEWNET)
        return
    unshare(CLONE_NEWUSER | CLONE_NEWNET)
    for name, line in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(line)


def interface_request(name, rest):
    return struct.pack("16s", name.encode()) + rest.ljust(24, b"\0")


def open_interface(number):
    """The device of this namespace with that address, as a file descriptor."""
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tun, TUNSETIFF, interface_request("lan", struct.pack("H", IFF_TUN | IFF_NO_PI)))

    def of(address):
        return struct.pack("HH4s", socket.AF_INET, 0, socket.inet_aton(address))

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        up = struct.pack("H", IFF_UP)
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, interface_request("lo", up))
        fcntl.ioctl(any_socket, SIOCSIFADDR, interface_request("lan", of(address_of(number))))
        fcntl.ioctl(any_socket, SIOCSIFNETMASK, interface_request("lan", of("255.255.255.0")))
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, interface_request("lan", up))
    return tun


class Lan(threading.Thread):
    """The switch. Make it before any other thread: it moves this process into its network."""

    def __init__(self, seed=None):
        super().__init__(daemon=True)
        enter_namespace()
        self.chance = random.Random(seed)
        self.selector = selectors.DefaultSelector()
        self.lock = threading.Lock()  # of ports
        self.ports = {}
        self.loss = 0.0
        self.groups = {}  # number: group; who is in another is out of reach
        self.passed = self.lost = 0
        self._plug(OBSERVER, open_interface(OBSERVER))
        self.start()

    def _unplug(self, number):
        tun = self.ports.pop(number, None)
        if tun is not None:
            self.selector.unregister(tun)
            os.close(tun)

    def _plug(self, number, tun):
        with self.lock:
            self._unplug(number)
            self.ports[number] = tun
            self.selector.register(tun, selectors.EVENT_READ, number)

    def plug(self, number, ours):
        """Take the interface of a process that was started with the other end of `ours`."""
        ours.settimeout(30)
        _, descriptors, _, _ = socket.recv_fds(ours, 1, 1)
        ours.close()
        self._plug(number, descriptors[0])

    @staticmethod
    def command(number):
        """What goes in front of a program to run it with that address."""
        return [sys.executable, os.path.abspath(__file__), str(number)]

    def _goes(self, source, target):
        if OBSERVER in (source, target):
            return True
        is_lost = (self.groups.get(source) != self.groups.get(target) or
                   self.loss > 0 and self.chance.random() < self.loss)
        self.lost += is_lost
        self.passed += not is_lost
        return not is_lost

    def _hand_on(self, number):
        for _ in range(TAKEN_AT_ONCE):
            try:
                packet = os.read(self.ports[number], PACKET_BYTES_MAX)
            except BlockingIOError:
                return
            except OSError:  # its process, and so its namespace, is gone
                self._unplug(number)
                return
            if len(packet) < 20 or packet[0] >> 4 != 4:
                continue
            target = self.ports.get(packet[19])
            if target is not None and self._goes(packet[15], packet[19]):
                try:
                    os.write(target, packet)
                except OSError:
                    pass  # nobody is there

    def run(self):
        while True:
            for key, _ in self.selector.select(0.5):
                with self.lock:
                    if self.ports.get(key.data) == key.fd:
                        self._hand_on(key.data)


def main():
    number, command = int(sys.argv[1]), sys.argv[2:]
    unshare(CLONE_NEWNET)
    tun = open_interface(number)
    with socket.socket(fileno=os.dup(0)) as theirs:
        socket.send_fds(theirs, [b"."], [tun])
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(tun)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
