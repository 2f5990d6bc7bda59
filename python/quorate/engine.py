# engine.py: an engine of libquorate in this process.
# SPDX-License-Identifier: Apache-2.0
"""Engine: a node of a cluster."""
import weakref

from .backup import write_backup
from .binding import c_text, constant, encoded, ffi, library, sized, text
from .callbacks import FUNCTIONS
from .calls import Call, Proposal, Subscription, begin, reply_of
from .errors import QuorateError, Rejected, check
from .life import Life
from .machine import entry_of
from .session import Session
from .told import (Change, LeaveReason, Reply, leader_of, membership_event_of, role_change_of,
                   seconds_of, status_of)


def number_of(kind, value):
    """The number that an enum has for what ends a name of its: "fast" of QR_SWIM_FAST."""
    if not isinstance(value, str):
        return value
    for name, number in kind.relements.items():
        if name.endswith("_" + value.upper()):
            return number
    raise ValueError(f"{value!r} is none of {', '.join(kind.relements)}")


def options_of(values, limits):
    """A struct qr_engine_options, and what must live until it was read."""
    options, kept = sized("qr_engine_options"), []
    options.limits = library.qr_limits_default()
    kinds = {name: field.type for name, field in ffi.typeof(options[0]).fields}
    for name, value in (limits or {}).items():
        setattr(options.limits, name, value)
    for name, value in values.items():
        kind = kinds.get(name)
        if kind is not None and kind.kind == "pointer" and kind.item.cname == "char":
            kept.append(ffi.NULL if value is None else c_text(value))
            setattr(options, name, kept[-1])
        elif kind is not None and kind.kind in ("primitive", "enum"):
            setattr(options, name, number_of(kind, value))
        else:
            raise TypeError(f"there is no option {name!r}")
    return options, kept


def milliseconds(seconds, otherwise):
    return otherwise if seconds is None else max(1, int(seconds * 1000))


class Engine:
    """A node of a cluster, in this process. Any thread may call any method; close() ends it.

    state_machine    a StateMachine of its own
    name             1..63 of [a-z0-9.-], unique in the cluster
    data_directory   made when missing, locked while in use
    peer_address     "HOST:PORT" for the other members
    on_commit        as of on_commit(), but from the very first entry on
    on_stopped       called with None when it has stopped as it was told to; with a QuorateError
                     when it could not go on: its disk failed, say
    log              a file, or its descriptor, that gets a line for each event from log_level on
                     ("debug", "info", "warn", "error"), as log_format says ("text", "json");
                     nobody waits for who reads it, but close() for a second: what is not taken
                     is dropped
    limits           {name: number}, as "heartbeat_interval_ms": QR_LIMIT_MAP in quorate/engine.h
    options          further fields of struct qr_engine_options, by their names: is_bootstrap
                     (a directory without a cluster begins one), join ("HOST:PORT,…" of members),
                     is_waiting (it waits for join() or add()), is_learner, advertise_address,
                     secret_file, has_leases, swim_profile ("fast"), on_divergence ("rebuild"), …

    Raises QuorateError; its `detail` says what is wrong, and where. While a method waits other
    threads of Python run. What waits must not be called from a callback: QR_ERR_INVALID.

    It belongs to the process that opened it: behind os.fork() the child's raises QR_ERR_STOPPED.
    """

    def __init__(self, state_machine, name, data_directory, peer_address, *, on_commit=None,
                 on_stopped=None, log=None, log_level="info", log_format="text", limits=None,
                 **options):
        options.update(name=name, data_directory=data_directory, peer_address=peer_address)
        given, _kept = options_of(options, limits)
        self._life = life = Life(state_machine, name)
        given.state_machine = life.table.struct
        if on_commit is not None:
            given.on_commit = FUNCTIONS["qr_commit_handler"]
            given.on_commit_argument = life.keep(lambda entry: on_commit(entry_of(entry)))
        if log is not None:
            log = (log if isinstance(log, int) else log.fileno(),
                   number_of(ffi.typeof("enum qr_log_format"), log_format),
                   number_of(ffi.typeof("enum qr_log_level"), log_level))
        life.open(given, on_stopped, log)
        self._end = weakref.finalize(self, life.forgotten)
        self._end.atexit = False  # life.py does that

    def close(self):
        """Stop: what waits gets QR_ERR_STOPPED, what is durable stays. May be called again.

        It waits for calls of other threads, and for callbacks, to return. Raises QR_ERR_INVALID
        from a callback of this engine, which would wait for itself.
        """
        self._life.close()
        self._end.detach()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @property
    def failure(self):
        """The exception of the state machine that stopped this node, or None."""
        return self._life.table.failure

    def propose(self, payload, command="", *, token=None, timeout=None, reply_bytes_max=65536):
        """Propose an entry, and wait until it is committed and applied here. Returns a Reply.

        payload, command   bytes or text; not both empty; the command at most 32 bytes
        token              whatever is proposed under the same token, from any node and however
                           often, is applied once, and gets the first answer
        timeout            seconds
        reply_bytes_max    of the result, which is cut there

        Raises Rejected where the state machine did; QuorateError else: of is_certain nothing was
        done, and of QR_ERR_TIMEOUT nobody knows; under a token it may be proposed again. What is
        certain of a repeat is so of that sending alone.
        """
        return self._propose(token_id(token), payload, command, timeout, reply_bytes_max)

    def _propose(self, id, payload, command, timeout, reply_bytes_max):
        proposal, _kept = proposal_of(id, payload, command, timeout)
        reply = ffi.new("struct qr_reply *")
        room = ffi.new("char []", reply_bytes_max)
        reply.data, reply.capacity_bytes = room, reply_bytes_max
        with self._life.called() as engine:
            status = library.qr_propose_wait(engine, proposal, reply)
        data = bytes(ffi.buffer(room, min(reply.size_bytes, reply_bytes_max)))
        if status == library.QR_ERR_REJECTED:
            raise Rejected(data)
        check(status)
        return Reply(data, reply.index, reply.size_bytes)

    def submit(self, payload, command="", *, token=None, timeout=None):
        """Propose an entry, and do not wait. Returns a Proposal, a future of a Reply.

        Raises QuorateError where nothing was done; all else comes with the Proposal. Callbacks may
        call it.
        """
        return self._submit(token_id(token), payload, command, timeout)

    def _submit(self, id, payload, command, timeout):
        proposal, _kept = proposal_of(id, payload, command, timeout)
        call = Proposal(self._life)
        proposal.ticket = call.ticket
        return begin(self._life, call, reply_of, "qr_propose", proposal)

    def session(self, timeout=3600.0):
        """Open a Session, which `with` ends. It is over when unused for `timeout` seconds.

        Raises QuorateError; after QR_ERR_TIMEOUT there may be one that nobody uses.
        """
        self._life.check_may_wait()
        opened = begin(self._life, Call(self._life), reply_of, "qr_open_session",
                       milliseconds(timeout, None)).result()
        return Session(self, constant("QR_SESSION_BIT") | opened.index)

    def settle(self, token):
        """Learn what became of what was proposed under a token, and decide it.

        Returns the Reply of what was applied; None: it was not, and never will be, wherever it is
        still on its way. Raises Rejected where the state machine did; QuorateError with
        QR_ERR_FORGOTTEN: it was applied, the result is no longer kept; else nothing is decided.
        """
        return self._settle(token_id(token))

    def _settle(self, id):
        def settled(status, index, result):
            return None if status == library.QR_ERR_SETTLED else reply_of(status, index, result)

        self._life.check_may_wait()
        return begin(self._life, Call(self._life), settled, "qr_settle", id).result()

    def read_barrier(self, kind="configured", *, age_max=None):
        """Wait until all that was acknowledged anywhere is applied here. Returns the index.

        kind      "configured", "linearizable", "lease", or "stale": what is here
        age_max   of what is here, in seconds, for "stale"; None: of any age
        """
        options = sized("qr_read_options")
        options.kind = getattr(library, f"QR_READ_{kind.upper()}")
        options.age_ms_max = milliseconds(age_max, constant("QR_AGE_ANY"))
        index = ffi.new("uint64_t *")
        with self._life.called() as engine:
            check(library.qr_read_wait(engine, options, index))
        return index[0]

    def read_age(self, age_max=None):
        """The age of what is applied here, in seconds: all that was acknowledged anywhere so long
        ago is. None: it is not known.

        Raises QuorateError with QR_ERR_STALE where it is above `age_max`, or not known then.
        """
        age_ms = ffi.new("uint64_t *")
        with self._life.called() as engine:
            check(library.qr_read_age(engine, milliseconds(age_max, constant("QR_AGE_ANY")),
                                      age_ms))
        return seconds_of(age_ms[0])

    @property
    def is_leader(self):
        """Whether this node leads, as far as it knows: another may lead already."""
        with self._life.called() as engine:
            return bool(library.qr_is_leader(engine))

    @property
    def is_healthy(self):
        """Whether it runs, knows a leader, its disk advances, and the others see it."""
        with self._life.called() as engine:
            return bool(library.qr_is_healthy(engine))

    @property
    def log_time_ns(self):
        """Log time now, as the leader would stamp an entry; elsewhere an estimate."""
        with self._life.called() as engine:
            return library.qr_log_time(engine)

    def leader(self):
        """The Leader, as far as this node knows; None: nobody is known to lead."""
        out = sized("qr_leader")
        with self._life.called() as engine:
            status = library.qr_leader(engine, out)
        if status == library.QR_ERR_NO_LEADER:
            return None
        check(status)
        return leader_of(out)

    def status(self):
        """The Status of this node."""
        out = sized("qr_status")
        with self._life.called() as engine:
            check(library.qr_status(engine, out))
        return status_of(out)

    def members(self):
        """All Members that this node knows."""
        return self.status().members

    def counters(self):
        """What this node has counted since it was opened, {name: number}: QR_COUNTER_MAP."""
        out = sized("qr_counters")
        with self._life.called() as engine:
            check(library.qr_counters(engine, out))
        return {name: getattr(out, name) for name, _ in ffi.typeof(out[0]).fields
                if name != "size_bytes"}

    def change(self, *, promote=(), demote=(), remove=(), transfer="", prioritize="", priority=0,
               is_dry_run=False, is_forced=False):
        """Change the members, or the leader, and wait until that is done. Returns a Change.

        promote, demote, remove   names, which are one change: done as a whole or not at all
        prioritize, priority      one name, and what it gets: 1 is ordinary, 0 never leads, 255 most
        transfer                  one name: leadership goes there; alone
        is_dry_run                only tell what would come of it
        is_forced                 insist on what the live voters could not decide

        Raises QuorateError, whose `detail` says why not; of QR_ERR_TIMEOUT nobody knows: look who
        is a member. All else was not done.
        """
        change, reply = sized("qr_change"), sized("qr_change_reply")
        names = {"promote": promote, "demote": demote, "remove": remove, "transfer": transfer,
                 "prioritize": prioritize}
        kept = {name: c_text(value) for name, value in names.items()}
        for name, value in kept.items():
            setattr(change, name, value)
        change.priority, change.is_dry_run, change.is_forced = priority, is_dry_run, is_forced
        with self._life.called() as engine:
            status = library.qr_change_wait(engine, change, reply)
        if status != 0:
            raise QuorateError(status, text(reply.reason), status != library.QR_ERR_TIMEOUT)
        return Change(text(reply.reason), reply.tolerated_before, reply.tolerated_after)

    def add(self, address, *, is_learner=False):
        """Let in an engine that waits, opened with is_waiting, and wait until it is a member.

        address      its peer address, "HOST:PORT"
        is_learner   without ever giving it a vote; else it votes once it has caught up

        What is so already is success. Raises QuorateError, whose `detail` says why not; of
        QR_ERR_TIMEOUT nobody knows: it may yet be let in. All else was not done.
        """
        reason = ffi.new("char []", constant("QR_REASON_BYTES_MAX"))
        with self._life.called() as engine:
            status = library.qr_add(engine, c_text(address), is_learner, reason)
        if status != 0:
            raise QuorateError(status, text(reason), status != library.QR_ERR_TIMEOUT)

    def promote(self, name):
        """Give a learner that has caught up a vote. As change(), of this member alone."""
        return self.change(promote=one(name))

    def demote(self, name):
        """Make a voter a learner. As change(), of this member alone."""
        return self.change(demote=one(name))

    def remove(self, name):
        """Take a member out. It stops voting, not running. As change(), of this member alone."""
        return self.change(remove=one(name))

    def transfer(self, name):
        """Have a voter lead. As change(), of this member alone."""
        return self.change(transfer=one(name))

    def join(self, members, *, is_learner=False):
        """Of an engine opened with is_waiting: join a cluster, and do not wait for that.

        members      "HOST:PORT,…" of members, or a list of them
        is_learner   without ever asking for a vote

        It goes on trying until it is let in: Status.join_reason. Raises QuorateError, nothing done,
        with QR_ERR_FOREIGN where it belongs to a cluster already.
        """
        with self._life.called() as engine:
            check(library.qr_join(engine, c_text(members), is_learner))

    def leave(self, reason=LeaveReason.SHUTDOWN, *, wait=True):
        """Leave in good order: hand leadership over, tell the members why, stop.

        reason   a LeaveReason
        wait     until it has stopped; close() before that would cut it short

        A member stays one, and comes back with its data: to take it out, remove() it first.
        Callbacks may call it with wait=False.
        """
        if wait:
            self._life.check_may_wait()
        with self._life.called() as engine:
            check(library.qr_leave(engine, LeaveReason(reason).value))
        if wait:
            self._life.stopped.wait()

    def wait_stopped(self, timeout=None):
        """Wait until this engine has stopped, for `timeout` seconds at most; returns whether."""
        self._life.check_may_wait()
        return self._life.stopped.wait(timeout)

    def snapshot(self):
        """Take a snapshot of the state machine now, and wait until it is durable here. Returns the
        index at which it stands. Without this one is taken whenever the log has grown enough.
        """
        def taken(status, index):
            check(status)
            return index

        self._life.check_may_wait()
        return begin(self._life, Call(self._life), taken, "qr_snapshot").result()

    def backup(self, path, *, is_forced=False):
        """Write a backup of the cluster to a file: all that was acknowledged anywhere before.

        is_forced   write over a file that is there; else that is FileExistsError

        It is written aside, and has its name when all of it is durable: docs/backup.md. Returns its
        size in bytes. quorate.restore() makes a new cluster of it. Raises QuorateError or OSError.
        """
        self._life.check_may_wait()
        return write_backup(self._life, path, is_forced)

    def on_commit(self, handler):
        """Call `handler(entry)` for each entry that is applied here from now on, in order.

        Returns a Subscription: calling it ends that, as `with` does. The handler is called on the
        engine's thread for callbacks, with the GIL; an exception is printed, and the handler goes
        on being called. It may call the engine, what waits aside, and end itself.
        """
        return Subscription(self._life, library.qr_on_commit, "qr_commit_handler",
                            lambda entry: handler(entry_of(entry)))

    def on_role_change(self, handler):
        """Call `handler(RoleChange)` behind each change of role, term or leader, with what is so
        now: what was so only for a moment may be left out. What is so already tells status(), and
        on_stopped that it has stopped. All else as on_commit().
        """
        return Subscription(self._life, library.qr_on_role_change, "qr_role_handler",
                            lambda event: handler(role_change_of(event)))

    def on_membership(self, handler):
        """Call `handler(MembershipEvent)` for each event of a member that this node hears of from
        now on; others may hear of them in another order. All else as on_commit().
        """
        return Subscription(self._life, library.qr_on_membership, "qr_membership_handler",
                            lambda event: handler(membership_event_of(event)))


def one(name):
    """A name that must be there: an empty one would change nothing, and succeed."""
    if not isinstance(name, str) or not name:
        raise QuorateError(library.QR_ERR_INVALID, "the name of a member is needed")
    return name


def token_id(token):
    """The id of a token; None: the engine makes one."""
    if token is None:
        return ffi.new("struct qr_id *")[0]
    token = encoded(token)
    return library.qr_token_id(token, len(token))


def proposal_of(id, payload, command, timeout):
    """A struct qr_proposal, and what must live as long."""
    payload, command = encoded(payload), encoded(command)
    kept = ffi.from_buffer(payload), ffi.from_buffer(command)
    proposal = sized("qr_proposal")
    proposal.id = id
    proposal.payload, proposal.payload_bytes = kept[0], len(payload)
    proposal.command, proposal.command_bytes = kept[1], len(command)
    proposal.timeout_ms = milliseconds(timeout, 0)
    return proposal, kept
