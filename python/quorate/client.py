# client.py: a client of the Redis port of `quorate serve`, by sockets alone.
# SPDX-License-Identifier: Apache-2.0
"""Client: one connection at a time, to whichever node answers."""
import socket
import time

CERTAIN = ("CLUSTERDOWN", "TRYAGAIN")  # nothing was done, and soon it may be
PAUSE_S = 0.05


class ReplyError(Exception):
    """A node answered with an error. `code` is its first word, as in "WRONGTYPE"."""

    def __init__(self, message):
        super().__init__(message)
        self.code = message.split(" ", 1)[0]


class Client:
    """Talks to the first of some nodes that answers. One thread at a time may use it.

    addresses   "HOST:PORT" or several, separated by commas: client ports, of any nodes
    timeout     seconds that a call takes at most
    """

    def __init__(self, addresses, timeout=5.0):
        self._addresses = [tuple(address.rsplit(":", 1)) for address in addresses.split(",")]
        self._timeout = timeout
        self._socket = self._file = None

    def close(self):
        """Close the connection; the next call opens another."""
        if self._socket is not None:
            self._file.close()
            self._socket.close()
        self._socket = self._file = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def call(self, *words, token=None):
        """Run a command, as in call("SET", "key", "value"). Returns bytes, int, list or None.

        token   runs it at most once, however often it is sent: so a call whose connection is cut
                is sent again, to another node

        Raises ReplyError, or OSError: no node could be reached; or, without a token, the connection
        was cut behind the sending, and nobody knows whether it was done.
        """
        if token is not None:
            words = ("IDEMPOTENT", token, *words)
        deadline = time.monotonic() + self._timeout
        while True:
            is_sent = False
            try:
                self._connect(deadline)
                is_sent = True
                return self._exchange(words, deadline)
            except ReplyError as error:
                if error.code not in CERTAIN or time.monotonic() + PAUSE_S > deadline:
                    raise
            except OSError:
                self.close()
                if (is_sent and token is None) or time.monotonic() + PAUSE_S > deadline:
                    raise
            self._addresses.append(self._addresses.pop(0))
            self.close()
            time.sleep(PAUSE_S)

    def get(self, key):
        """The value of a key, or None."""
        return self.call("GET", key)

    def set(self, key, value, token=None):
        """Set a key to a value."""
        self.call("SET", key, value, token=token)

    def delete(self, *keys):
        """Delete keys; returns how many there were."""
        return self.call("DEL", *keys)

    def _connect(self, deadline):
        if self._socket is None:
            left = max(deadline - time.monotonic(), 0.001)
            self._socket = socket.create_connection(self._addresses[0], timeout=left)
            self._file = self._socket.makefile("rb")

    def _exchange(self, words, deadline):
        self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
        encoded = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        self._socket.sendall(b"*%d\r\n" % len(encoded) +
                             b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded))
        reply = self._reply()
        if isinstance(reply, ReplyError):
            raise reply
        return reply

    def _reply(self):
        """One reply; an error within a list stands there as a ReplyError."""
        line = self._file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the connection was cut")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest
        if kind == b"-":
            return ReplyError(rest.decode(errors="replace"))
        if kind == b":":
            return int(rest)
        if kind == b"$" and int(rest) >= 0:
            data = self._file.read(int(rest) + 2)
            if len(data) != int(rest) + 2:
                raise ConnectionError("the connection was cut")
            return data[:-2]
        if kind == b"*" and int(rest) >= 0:
            return [self._reply() for _ in range(int(rest))]
        return None
