# told.py: what an engine tells, as values.
# SPDX-License-Identifier: Apache-2.0
"""Tuples with names, made of the structs of libquorate."""
import enum
import typing

from .binding import constant, library, text


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
    node_id: int = 0


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
    node_id: int = 0
    session_count: int = 0  #: open sessions
    is_joining: bool = False  #: in no cluster yet, and looks for one
    join_reason: str = ""  #: what came of the last attempt, in words
    is_stopped: bool = False
    is_diverged: bool = False  #: its state differs from that of a majority


class Change(typing.NamedTuple):
    """What came of a change of the members, or of the leader."""

    reason: str  #: a sentence
    tolerated_before: int  #: voters that answer and may still fail, before the change
    tolerated_after: int


class RoleChange(typing.NamedTuple):
    """What a node is now, and whom it knows to lead."""

    role: str  #: "leader", "follower" and so on
    term: int
    leader_id: typing.Optional[int]  #: None: nobody is known to lead; Engine.leader() tells more

    @property
    def is_leader(self):
        """Whether this node leads; another may lead a later term already."""
        return self.role == "leader"


class MembershipEvent(typing.NamedTuple):
    """What a node has heard of a member. Texts are "" where nothing is known."""

    type: str  #: "joined", "updated", "suspected", "refuted", "dead", "left", "leader_changed"
    node_id: int  #: whom it is about; of leader_changed who leads
    name: str
    address: str
    client_address: str
    http_address: str
    reason: str  #: suspected, dead, left: why, in words
    source_id: int  #: suspected, dead: who found it so; leader_changed: who told this node
    term: int  #: leader_changed
    time_ms: int  #: when this node heard of it: its wall clock, since the Unix epoch
    is_self: bool  #: it is about this very node
    missed_count: int  #: events before this one that no handler was told of, too slow as they were


class LeaveReason(enum.Enum):
    """Why a node leaves, as the others are told."""

    SHUTDOWN = library.QR_LEAVE_SHUTDOWN
    RESTART = library.QR_LEAVE_RESTART  #: it will be back soon
    REMOVED = library.QR_LEAVE_REMOVED  #: it is no member any more, or is not to be one


def kind_of(member):
    return "observer" if member.is_observer else "voter" if member.is_voter else "learner"


def member_of(member):
    """Of a struct qr_member."""
    return Member(text(member.name), text(member.address), text(member.client_address),
                  kind_of(member), text(library.qr_health_name(member.health)), member.id)


def leader_of(leader):
    """Of a struct qr_leader."""
    return Leader(text(leader.name), text(leader.address), text(leader.client_address), leader.term)


def status_of(status):
    """Of a struct qr_status."""
    members = [member_of(member) for member in status.members[0:status.member_count]]
    return Status(text(status.name), text(library.qr_role_name(status.role)), status.term,
                  text(status.leader_name), status.last_index, status.commit_index,
                  status.applied_index, status.snapshot_index, status.digest, members,
                  status.node_id, status.session_count, status.is_joining,
                  text(status.join_reason), status.is_stopped, status.is_diverged)


def role_change_of(event):
    """Of a struct qr_role_event."""
    return RoleChange(text(library.qr_role_name(event.role)), event.term,
                      event.leader_id if event.has_leader else None)


def membership_event_of(event):
    """Of a struct qr_membership_event."""
    return MembershipEvent(text(library.qr_membership_type_name(event.type)), event.node_id,
                           text(event.name), text(event.address), text(event.client_address),
                           text(event.http_address), text(event.reason), event.source_id,
                           event.term, event.time_ms, event.is_self, event.missed_count)


def seconds_of(age_ms):
    """Of an age; None: it is not known."""
    return None if age_ms == constant("QR_AGE_UNKNOWN") else age_ms / 1000
