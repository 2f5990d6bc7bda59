# machine.py: a state machine of Python as the table of C functions that an engine calls.
# SPDX-License-Identifier: Apache-2.0
"""StateMachine, which programs derive from, and Table, which an engine is given."""
import io
import typing

from .binding import ffi, library, sized
from .callbacks import Place, tell_exception
from .errors import Rejected


class Entry(typing.NamedTuple):
    """One entry of the replicated log."""

    index: int  #: from 1; not all are a program's, so that they may jump
    term: int
    timestamp_ns: int  #: log time: since the Unix epoch, the same on every replica
    command: bytes
    payload: bytes

    @property
    def is_tick(self):
        """It says only that log time has come this far: StateMachine.wake_at() asked for it."""
        return not self.command and not self.payload


def entry_of(entry):
    """A struct qr_entry, copied."""
    return Entry(entry.index, entry.term, entry.timestamp_ns,
                 ffi.unpack(entry.command, entry.command_bytes) if entry.command_bytes else b"",
                 bytes(ffi.buffer(entry.payload, entry.payload_bytes))
                 if entry.payload_bytes else b"")


class StateMachine:
    """What is replicated. Every replica is given the same entries, in the same order.

    What decides must come from the entries alone: no clock, no random number, no set whose order
    is by chance. All methods are called on one thread of the engine's, with the GIL, one at a time.
    An exception other than Rejected stops this node, as its state may differ from the others' then.
    """

    def apply(self, entry):
        """Apply an Entry. Returns the result, bytes, for who proposed it; None: there is none.

        Raises Rejected(why) to refuse an entry, before anything was changed: on all replicas alike.
        """
        raise NotImplementedError

    def snapshot(self):
        """The whole state as bytes. Without it and restore() the log grows for ever."""
        raise NotImplementedError

    def restore(self, data):
        """Make the state that of a snapshot; what it was is dropped."""
        raise NotImplementedError

    def digest(self):
        """A number of 64 bits, equal on replicas in the same state; cheap. 0: there is none."""
        return 0

    def wake_at(self):
        """The log time, in ns, at which a tick is wanted; 0: none is."""
        return 0


class Table:
    """The struct qr_state_machine of a StateMachine; it must outlive the engine.

    failure   the exception that stopped the node, or None
    place     where its engine calls Python
    """

    def __init__(self, machine):
        self.machine = machine
        self.failure = None
        self.place = Place()
        self.results = []  # of the last batch, kept until the next
        self.snapshots = {}
        self.incoming = None
        self.struct = sized("qr_state_machine")
        self.kept = []  # cffi's functions live as long as they are referenced
        names = ["apply"]
        has = type(machine)
        if has.snapshot is not StateMachine.snapshot and has.restore is not StateMachine.restore:
            names += ["snapshot_open", "snapshot_read", "snapshot_close", "restore_begin",
                      "restore_write", "restore_end"]
        names += ["digest"] if has.digest is not StateMachine.digest else []
        names += ["wake_at"] if has.wake_at is not StateMachine.wake_at else []
        for name in names:
            kind = ffi.typeof(getattr(self.struct, name))
            self.kept.append(self.guarded(kind, getattr(self, name)))
            setattr(self.struct, name, self.kept[-1])

    def guarded(self, kind, method):
        """A function for C. What is raised is kept and printed, and an error returned; where none
        can be, the next apply() returns one.
        """
        nothing = None if kind.result.kind == "void" else 0
        failed = library.QR_ERR_INVALID if kind.result.cname == "int" else nothing

        def call(_, *arguments):
            with self.place:
                try:
                    return method(*arguments) or nothing
                except BaseException as error:  # SystemExit, too: C would go on as if all were well
                    self.failure = self.failure or error
                    tell_exception()
                    return failed

        return ffi.callback(kind, call, error=failed)

    def apply(self, entries, count, results):
        self.results = []
        if self.failure is not None:
            return library.QR_ERR_INVALID
        for i in range(count):
            try:
                data, status = self.machine.apply(entry_of(entries[i])), 0
            except Rejected as error:
                data, status = error.data, library.QR_ERR_REJECTED
            if data:
                self.results.append(ffi.from_buffer(data))
                results[i].data = self.results[-1]
                results[i].size_bytes = len(data)
            results[i].status = status
        return 0

    def digest(self):
        return self.machine.digest() & (1 << 64) - 1

    def wake_at(self):
        return self.machine.wake_at()

    def snapshot_open(self, out):
        handle = ffi.new_handle(io.BytesIO(self.machine.snapshot()))
        self.snapshots[handle] = None
        out[0] = handle

    def snapshot_read(self, handle, buffer, size_bytes, read_bytes):
        read_bytes[0] = ffi.from_handle(handle).readinto(ffi.buffer(buffer, size_bytes))

    def snapshot_close(self, handle):
        del self.snapshots[handle]

    def restore_begin(self):
        self.incoming = bytearray()

    def restore_write(self, data, size_bytes):
        self.incoming += ffi.buffer(data, size_bytes)

    def restore_end(self):
        data, self.incoming = bytes(self.incoming), None
        self.machine.restore(data)
