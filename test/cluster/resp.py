# resp.py: a small Redis client (RESP2) that tells apart what is known and what is not.
#
# An answer is a value; an error reply says by its first word whether anything can have happened;
# a connection that ends before the answer says nothing at all.
# SPDX-License-Identifier: Apache-2.0
import socket

CERTAIN_WORDS = ("CLUSTERDOWN", "TRYAGAIN", "READONLY", "NOAUTH", "WRONGTYPE", "MOVED", "STALE",
                 "ERR")


class Refused(Exception):
    """An error reply: certainly nothing was applied."""


class Unknown(Exception):
    """TIMEOUT, or the connection was cut: it was applied, or will be, or never."""


class NotSent(Exception):
    """No connection could be made: nothing was sent."""


def encode(arguments):
    parts = [b"*%d\r\n" % len(arguments)]
    for argument in arguments:
        data = argument if isinstance(argument, bytes) else str(argument).encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(data), data))
    return b"".join(parts)


class Client:
    """One connection to one node, one command at a time; made anew by whoever lost it."""

    def __init__(self, port, timeout=15.0, connect_timeout=3.0):
        try:
            self.socket = socket.create_connection(("127.0.0.1", port), timeout=connect_timeout)
        except OSError as error:
            raise NotSent(str(error)) from error
        self.socket.settimeout(timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reader = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.reader.close()
        self.socket.close()

    def call(self, *arguments):
        """Send one command and return its answer: bytes, int, list or None.

        Raises Refused, or Unknown, after which the connection is of no use unless the node
        itself answered TIMEOUT.
        """
        try:
            self.socket.sendall(encode(arguments))
            answer = self.read()
        except (OSError, EOFError, ValueError) as error:
            raise Unknown(f"cut: {error!r}") from error
        if isinstance(answer, Exception):
            raise answer
        return answer

    def call_many(self, commands):
        """Send all commands at once. Returns an answer, Refused or Unknown for each."""
        answers = []
        try:
            self.socket.sendall(b"".join(encode(arguments) for arguments in commands))
            for _ in commands:
                answers.append(self.read())
        except (OSError, EOFError, ValueError) as error:
            cut = Unknown(f"cut: {error!r}")
            answers += [cut] * (len(commands) - len(answers))
        return answers

    def read(self):
        """Read one answer; an error reply is returned, not raised."""
        line = self.reader.readline()
        if not line.endswith(b"\r\n"):
            raise EOFError("the connection ended")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest
        if kind == b"-":
            return error_of(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return self.read_bulk(int(rest))
        if kind == b"*":
            return None if int(rest) < 0 else [self.read() for _ in range(int(rest))]
        raise ValueError(f"no RESP2: {line!r}")

    def read_bulk(self, length):
        if length < 0:
            return None
        data = self.reader.read(length + 2)
        if len(data) != length + 2:
            raise EOFError("the connection ended")
        return data[:-2]


def error_of(text):
    word = text.split(" ", 1)[0]
    return Refused(text) if word in CERTAIN_WORDS else Unknown(text)
