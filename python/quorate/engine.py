# engine.py: an engine of libquorate in this process.
# SPDX-License-Identifier: Apache-2.0
"""Engine, and what it tells."""
import contextlib
import threading
import traceback
import typing
import weakref

from .errors import QuorateError, Rejected, check
from .binding import constant, ffi, library, sized, text
from .machine import Entry, StateMachine, Table, entry_of

__all__ = ["Engine", "Entry", "Leader", "Member", "Reply", "StateMachine", "Status"]


class Reply(typing.NamedTuple):
    """What came of a proposal."""

    data: bytes  #: what StateMachine.apply() returned
    index: int  #: of its entry
    size_bytes: int  #: of all that apply() returned: `data` may have been cut


class Leader(typing.NamedTuple):
    """Who leads."""

    name: str
    address: str
    client_address: str
    term: int


class Member(typing.NamedTuple):
    """One member, as this node knows it."""

    name: str
    address: str
    client_address: str
    kind: str  #: "voter", "learner" or "observer"
    health: str  #: "alive", "suspect", "dead" or "left"


class Status(typing.NamedTuple):
    """One consistent picture of a node."""

    name: str
    role: str  #: "leader", "follower" and so on
    term: int
    leader: str  #: its name; "" when none is known
    last_index: int
    commit_index: int
    applied_index: int
    snapshot_index: int
    digest: int
    members: typing.List[Member]


def encoded(value):
    return value.encode() if isinstance(value, str) else bytes(value)


def kind_of(member):
    return "observer" if member.is_observer else "voter" if member.is_voter else "learner"


class Engine:
    """A node of a cluster, in this process. Any thread may call any method; close() ends it.

    state_machine    a StateMachine of its own
    name             1..63 of [a-z0-9.-], unique in the cluster
    data_directory   made when missing, locked while in use
    peer_address     "HOST:PORT" for the other members
    on_commit        as of on_commit(), but from the very first entry on
    limits           {name: number}, as "heartbeat_interval_ms": QR_LIMIT_MAP in quorate/engine.h
    options          further fields of struct qr_engine_options, by their names: is_bootstrap
                     (a directory without a cluster begins one), join ("HOST:PORT,…" of members),
                     is_learner, advertise_address, secret_file, has_leases, …

    Raises QuorateError; its `detail` says what is wrong, and where. While a method waits other
    threads of Python run. What waits must not be called from a callback: QR_ERR_INVALID.
    """

    def __init__(self, state_machine, name, data_directory, peer_address, *, on_commit=None,
                 limits=None, **options):
        self._engine = None
        self._calls = 0  # under way; the engine is freed when there are none
        self._changed = threading.Condition()
        self._table = Table(state_machine)
        self._handlers = {}
        given = sized("qr_engine_options")
        kept = []  # texts, until it is open
        options.update(name=name, data_directory=data_directory, peer_address=peer_address)
        given.limits = library.qr_limits_default()
        for field, value in (limits or {}).items():
            setattr(given.limits, field, value)
        for field, value in options.items():
            if value is not None and not isinstance(value, (bool, int)):
                value = ffi.new("char []", encoded(str(value)))
                kept.append(value)
            setattr(given, field, ffi.NULL if value is None else value)
        given.state_machine = self._table.struct
        if on_commit is not None:
            given.on_commit = self._handlers[None] = self._handler(on_commit)
        out = ffi.new("struct qr_engine **")
        detail = ffi.new("char []", constant("QR_ERROR_DETAIL_BYTES"))
        check(library.qr_engine_open(given, out, detail), text(detail))
        self._engine = out[0]
        # Also when it is forgotten, and before the interpreter ends: its threads call Python.
        self._end = weakref.finalize(self, self._free, self._engine, self._table, self._handlers)

    @staticmethod
    def _free(engine, *_kept):
        library.qr_engine_free(engine)

    def close(self):
        """Stop: what waits gets QR_ERR_STOPPED, what is durable stays. May be called again.

        Raises QR_ERR_INVALID from a callback of this engine, which would wait for itself.
        """
        if self._table.thread == threading.get_ident():
            raise QuorateError(library.QR_ERR_INVALID, "close() in a callback of the same engine")
        with self._changed:
            engine, self._engine = self._engine, None
            if engine is not None:
                library.qr_engine_stop(engine)
            self._changed.wait_for(lambda: self._calls == 0)
        self._end()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @contextlib.contextmanager
    def _open(self):
        """The engine, which is not freed meanwhile."""
        with self._changed:
            if self._engine is None:
                raise QuorateError(library.QR_ERR_STOPPED, "the engine is closed")
            engine = self._engine
            self._calls += 1
        try:
            yield engine
        finally:
            with self._changed:
                self._calls -= 1
                self._changed.notify_all()

    @property
    def failure(self):
        """The exception of the state machine that stopped this node, or None."""
        return self._table.failure

    def propose(self, payload, command="", *, token=None, timeout=None, reply_bytes_max=65536):
        """Propose an entry, and wait until it is committed and applied here. Returns a Reply.

        payload, command   bytes or text; not both empty; the command at most 32 bytes
        token              whatever is proposed under the same token, from any node and however
                           often, is applied once, and gets the first answer
        timeout            seconds
        reply_bytes_max    of the result, which is cut there

        Raises Rejected where the state machine did; QuorateError else: of is_certain nothing was
        done, and of QR_ERR_TIMEOUT nobody knows; under a token it may be proposed again.
        """
        payload, command = encoded(payload), encoded(command)
        proposal = sized("qr_proposal")
        kept = ffi.from_buffer(payload), ffi.from_buffer(command)
        proposal.payload, proposal.payload_bytes = kept[0], len(payload)
        proposal.command, proposal.command_bytes = kept[1], len(command)
        proposal.timeout_ms = 0 if timeout is None else max(1, int(timeout * 1000))
        if token is not None:
            token = encoded(token)
            proposal.id = library.qr_token_id(token, len(token))
        reply = ffi.new("struct qr_reply *")
        room = ffi.new("char []", reply_bytes_max)
        reply.data, reply.capacity_bytes = room, reply_bytes_max
        with self._open() as engine:
            status = library.qr_propose_wait(engine, proposal, reply)
        data = bytes(ffi.buffer(room, min(reply.size_bytes, reply_bytes_max)))
        if status == library.QR_ERR_REJECTED:
            raise Rejected(data)
        check(status)
        return Reply(data, reply.index, reply.size_bytes)

    def read_barrier(self, kind="configured"):
        """Wait until all that was acknowledged anywhere is applied here. Returns the index.

        kind   "configured", "linearizable", "lease", or "stale": what is here, of any age
        """
        options = sized("qr_read_options")
        options.kind = getattr(library, f"QR_READ_{kind.upper()}")
        options.age_ms_max = constant("QR_AGE_ANY")
        index = ffi.new("uint64_t *")
        with self._open() as engine:
            check(library.qr_read_wait(engine, options, index))
        return index[0]

    @property
    def is_leader(self):
        """Whether this node leads, as far as it knows: another may lead already."""
        with self._open() as engine:
            return bool(library.qr_is_leader(engine))

    def leader(self):
        """The Leader, as far as this node knows; None: nobody is known to lead."""
        out = sized("qr_leader")
        with self._open() as engine:
            status = library.qr_leader(engine, out)
        if status == library.QR_ERR_NO_LEADER:
            return None
        check(status)
        return Leader(text(out.name), text(out.address), text(out.client_address), out.term)

    def status(self):
        """The Status of this node."""
        out = sized("qr_status")
        with self._open() as engine:
            check(library.qr_status(engine, out))
        members = [Member(text(m.name), text(m.address), text(m.client_address), kind_of(m),
                          text(library.qr_health_name(m.health)))
                   for m in out.members[0:out.member_count]]
        return Status(text(out.name), text(library.qr_role_name(out.role)), out.term,
                      text(out.leader_name), out.last_index, out.commit_index, out.applied_index,
                      out.snapshot_index, out.digest, members)

    def members(self):
        """All Members that this node knows."""
        return self.status().members

    def change(self, *, is_forced=False, **names):
        """Change the members, or the leader, and wait until that is done. Returns what was done.

        names   promote, demote, remove: lists of names, which are one change; or transfer: a name
        """
        change = sized("qr_change")
        reply = sized("qr_change_reply")
        kept = {}
        for field, value in names.items():
            kept[field] = ffi.new("char []", encoded(value if isinstance(value, str)
                                                     else ",".join(value)))
            setattr(change, field, kept[field])
        change.is_forced = is_forced
        with self._open() as engine:
            status = library.qr_change_wait(engine, change, reply)
        check(status, text(reply.reason))
        return text(reply.reason)

    def _handler(self, function):
        table = self._table  # not the engine itself, which could not be forgotten then

        def call(_, entry):
            table.thread = threading.get_ident()
            try:
                function(entry_of(entry))
            except Exception:
                traceback.print_exc()  # it has no caller
            finally:
                table.thread = None

        return ffi.callback("qr_commit_handler", call)

    def on_commit(self, handler):
        """Call `handler(entry)` for each entry that is applied here from now on, in order.

        Returns a function that ends that. On the engine's thread, with the GIL; an exception is
        printed, and the handler goes on being called.
        """
        function = self._handler(handler)
        token = ffi.new("uint64_t *")
        with self._open() as engine:
            check(library.qr_on_commit(engine, function, ffi.NULL, token))
        self._handlers[token[0]] = function

        def remove():
            with contextlib.suppress(QuorateError), self._open() as engine:
                library.qr_remove_commit_handler(engine, token[0])
                self._handlers.pop(token[0], None)

        return remove
