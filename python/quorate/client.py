# client.py: a client of the Redis port of `quorate serve`, by sockets alone.
# SPDX-License-Identifier: Apache-2.0
"""Client: one connection at a time, to whichever node answers."""
import contextlib
import re
import socket
import time

ELSEWHERE = ("CLUSTERDOWN", "TRYAGAIN", "MOVED")  # nothing was done, and soon it may be
UNCERTAIN = ("TIMEOUT", "UNKNOWN", "FORGOTTEN", "TOOLONG")  # it was, or may have been
STATES = ("MULTI", "WATCH", "QUORATE.READ", "READONLY", "HELLO", "AUTH", "CLIENT")
ENDS = {"EXEC": {"MULTI", "WATCH"}, "DISCARD": {"MULTI", "WATCH"}, "RESET": set(STATES)}
NUMBER = re.compile(rb"-?[0-9]{1,20}")
PAUSE_S = 0.05
LINE_BYTES_MAX = 65536
DEPTH_MAX = 8  # of lists within lists


class ReplyError(Exception):
    """A node answered with an error.

    code         its first word, as in "WRONGTYPE": docs/redis.md
    is_certain   what was asked for was not done, by any sending of this call
    """

    def __init__(self, message):
        super().__init__(message)
        self.code = message.split(" ", 1)[0]
        self.is_certain = self.code not in UNCERTAIN


class OutcomeUnknown(ConnectionError):
    """No answer came behind the sending: nobody knows whether it was done."""


class ProtocolError(OutcomeUnknown):
    """What came is no reply, or longer than is allowed: nobody knows whether it was done."""


class Connection:
    """To one node. Good for nothing any more once a method has raised what is no ReplyError."""

    def __init__(self, address, timeout, reply_bytes_max):
        self._socket = socket.create_connection(address, timeout=timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._bytes = bytearray()  # received, and not read
        self._left = 0  # that the reply may still have
        self._deadline = 0.0
        self._reply_bytes_max = reply_bytes_max

    def close(self):
        self._socket.close()

    def is_stale(self):
        """Whether the node has closed it, or said what nobody had asked for."""
        self._socket.settimeout(0)
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return bool(self._bytes)
        except OSError:
            pass
        return True

    def exchange(self, message, deadline):
        """Send, and return the reply. Raises OutcomeUnknown where there is none by the deadline."""
        self._deadline, self._left = deadline, self._reply_bytes_max
        try:
            self._wait_at_most()
            self._socket.sendall(message)
            return self._reply(0)
        except OutcomeUnknown:
            raise
        except OSError as error:
            raise OutcomeUnknown(f"no answer: {error}") from error

    def _wait_at_most(self):
        self._socket.settimeout(max(self._deadline - time.monotonic(), 0.001))

    def _receive(self):
        if time.monotonic() > self._deadline:
            raise OutcomeUnknown("no answer in time")
        self._wait_at_most()
        received = self._socket.recv(65536)
        if not received:
            raise OutcomeUnknown("the connection was cut")
        self._bytes += received

    def _take(self, size_bytes):
        """So many bytes, and what ends them."""
        self._left -= size_bytes + 2
        if self._left < 0:
            raise ProtocolError(f"a reply of more than {self._reply_bytes_max} bytes")
        while len(self._bytes) < size_bytes + 2:
            self._receive()
        taken = bytes(self._bytes[:size_bytes])
        if self._bytes[size_bytes:size_bytes + 2] != b"\r\n":
            raise ProtocolError("no reply of the Redis protocol")
        del self._bytes[:size_bytes + 2]
        return taken

    def _line(self):
        begin = 0
        while (end := self._bytes.find(b"\r\n", begin)) < 0:
            begin = max(len(self._bytes) - 1, 0)
            if begin > LINE_BYTES_MAX:
                raise ProtocolError(f"a line of more than {LINE_BYTES_MAX} bytes")
            self._receive()
        return self._take(end)

    def _reply(self, depth):
        """One reply; an error within a list stands there as a ReplyError."""
        line = self._line()
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return rest
        if kind == b"-":
            return ReplyError(rest.decode(errors="replace"))
        if kind not in (b":", b"$", b"*") or not NUMBER.fullmatch(rest) or depth > DEPTH_MAX:
            raise ProtocolError("no reply of the Redis protocol")
        number = int(rest)
        if kind == b":":
            return number
        if number < 0:
            return None
        if kind == b"$":
            return self._take(number)
        if number > self._left:  # each takes more than a byte
            raise ProtocolError(f"a reply of more than {self._reply_bytes_max} bytes")
        return [self._reply(depth + 1) for _ in range(number)]


def address_of(text):
    """(host, port) of HOST:PORT"""
    host, _, port = text.strip().rpartition(":")
    if not host or not port.isdigit():
        raise ValueError(f"{text!r} is no HOST:PORT")
    return host.strip("[]"), int(port)


def bytes_of(word):
    return bytes(word) if isinstance(word, (bytes, bytearray, memoryview)) else str(word).encode()


def message_of(words):
    """Words as they are sent."""
    encoded = [bytes_of(word) for word in words]
    return b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word)
                                                for word in encoded)


class Client:
    """Talks to the first of some nodes that answers. One thread at a time may use it.

    addresses         "HOST:PORT" or several, separated by commas: client ports, of any nodes
    timeout           seconds that a call takes at most
    reply_bytes_max   that a reply may have
    """

    def __init__(self, addresses, timeout=5.0, *, reply_bytes_max=128 << 20):
        self._given = [address_of(address) for address in addresses.split(",")]
        self._addresses = list(self._given)  # and of those that were named, the last
        self._timeout = timeout
        self._reply_bytes_max = reply_bytes_max
        self._connection = None
        self._state = set()  # what the connection was told, and another one would not know

    def close(self):
        """Close the connection; the next call opens another."""
        self._state.clear()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def call(self, *words, token=None, is_repeatable=False):
        """Run a command, as in call("SET", "key", "value"). Returns bytes, int, list or None.

        token           runs it at most once, however often it is sent: so where nobody knows what
                        became of it, it is sent again, to another node
        is_repeatable   it does no harm twice: likewise

        Raises ReplyError, which a node has answered; OutcomeUnknown, an OSError: nobody knows
        whether it was done, and ProtocolError of the kind, which is not sent again; any other
        OSError: no node could be reached, and nothing was done. Behind MULTI, WATCH and the like,
        which another connection would not know of, nothing is sent again.
        """
        message = message_of(words if token is None else ("IDEMPOTENT", token, *words))
        verb = bytes_of(words[0]).decode(errors="replace").upper()
        has_state = bool(self._state)
        is_repeatable = (is_repeatable or token is not None) and not has_state
        deadline = time.monotonic() + self._timeout
        # A sending for whose answer there is no time makes a doubt of what is certain.
        latest = deadline - self._timeout / 10 - PAUSE_S
        doubt = None  # what nobody knows of, of a sending before
        while True:
            try:
                reply = self._attempt(message, deadline, is_repeatable, has_state)
                self._state -= ENDS.get(verb, set())
                self._state |= {verb}.intersection(STATES)
                return reply
            except ReplyError as answer:
                error = answer
                self._state -= ENDS.get(verb, set())
                if answer.code == "TIMEOUT" and is_repeatable:
                    doubt = answer
                elif answer.code not in ELSEWHERE:
                    answer.is_certain = answer.is_certain and doubt is None
                    raise
            except OutcomeUnknown as unknown:
                error = doubt = unknown
                if not is_repeatable or isinstance(unknown, ProtocolError):
                    raise
            except OSError as unreached:
                error = unreached
            if has_state:
                raise error
            if time.monotonic() > latest:
                if doubt is not None and error is not doubt:
                    raise OutcomeUnknown(f"{doubt}; then {error}") from error
                raise error
            self._turn_to_another(error)
            time.sleep(PAUSE_S)

    def get(self, key):
        """The value of a key, or None."""
        return self.call("GET", key, is_repeatable=True)

    def set(self, key, value, token=None):
        """Set a key to a value."""
        self.call("SET", key, value, token=token)

    def delete(self, *keys):
        """Delete keys; returns how many there were."""
        return self.call("DEL", *keys)

    def _turn_to_another(self, error):
        """The node that was named, or else the next."""
        self.close()
        self._addresses.append(self._addresses.pop(0))
        words = str(error).split(" ")
        if isinstance(error, ReplyError) and error.code == "MOVED" and len(words) == 3:
            with contextlib.suppress(ValueError):
                named = address_of(words[2])
                self._addresses = [named] + [one for one in self._given if one != named]

    def _attempt(self, message, deadline, is_repeatable, has_state):
        """Send once. Raises OutcomeUnknown only if it was sent."""
        left = max(deadline - time.monotonic(), 0.001)
        if self._connection is not None and self._connection.is_stale():
            self.close()
            if has_state:
                raise ConnectionResetError("the connection was cut, and what was set on it is gone")
        if self._connection is None:
            self._connection = Connection(self._addresses[0], left / len(self._addresses),
                                          self._reply_bytes_max)
        if is_repeatable and len(self._addresses) > 1:
            deadline -= left / 2  # a node that hangs leaves time to ask another
        try:
            reply = self._connection.exchange(message, deadline)
        except BaseException:  # also a key that interrupts: the rest of a reply is no other's
            self.close()
            raise
        if isinstance(reply, ReplyError):
            raise reply
        return reply
