# session.py: sessions, under which a proposal is applied at most once.
# SPDX-License-Identifier: Apache-2.0
"""Session: docs/exactly-once.md."""
import contextlib
import itertools
import threading

from .binding import ffi
from .calls import Call, begin
from .errors import QuorateError, check


class Session:
    """A session: each of its sequence numbers is applied at most once. Engine.session() opens one.

    number     good on every node: `Session(engine, number, first)` goes on with it elsewhere, with
               sequence numbers from `first` on, of which none was used
    engine     of which it is used

    Any thread may use it. The highest sequence number and the 63 below it are remembered: no more
    may be under way at once. `with` ends it; what fails in that is left to its timeout.
    """

    def __init__(self, engine, number, first=1):
        self.engine = engine
        self.number = number
        self._sequences = itertools.count(first)
        self._lock = threading.Lock()

    def next_sequence(self):
        """A sequence number that was not given before: what is proposed under it again, after an
        error that is not certain, is applied once, and gets the first answer.
        """
        with self._lock:
            return next(self._sequences)

    def propose(self, payload, command="", *, sequence=None, timeout=None, reply_bytes_max=65536):
        """Engine.propose(), under a sequence number; None: the next.

        Raises also QuorateError with QR_ERR_EXPIRED: the session is over, or that number is too far
        behind; whether it was applied is unknown, it never will be again. QR_ERR_FORGOTTEN: it was,
        the result is no longer kept. QR_ERR_MISMATCH: the number was used for another payload.
        """
        return self.engine._propose(self._id(sequence), payload, command, timeout, reply_bytes_max)

    def submit(self, payload, command="", *, sequence=None, timeout=None):
        """Engine.submit(), under a sequence number; None: the next."""
        return self.engine._submit(self._id(sequence), payload, command, timeout)

    def settle(self, sequence):
        """Engine.settle(), of a sequence number."""
        return self.engine._settle(self._id(sequence))

    def end(self):
        """End it before its time: nothing is applied under it any more.

        Raises QuorateError with QR_ERR_EXPIRED: it was over.
        """
        life = self.engine._life
        life.check_may_wait()
        begin(life, Call(life), ended, "qr_end_session", self.number).result()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(QuorateError):
            self.end()

    def _id(self, sequence):
        return ffi.new("struct qr_id *",
                       (self.number, self.next_sequence() if sequence is None else sequence))[0]


def ended(status, _index, _result):
    check(status)
