# __init__.py: Quorate for Python: an engine in this process, and a client of other nodes.
# SPDX-License-Identifier: Apache-2.0
"""Quorate: a replicated state machine, written in Python.

    import quorate

    class Counter(quorate.StateMachine):
        def __init__(self):
            self.sum = 0

        def apply(self, entry):
            self.sum += int(entry.payload)
            return str(self.sum).encode()

        def snapshot(self):
            return str(self.sum).encode()

        def restore(self, data):
            self.sum = int(data)

    with quorate.Engine(Counter(), "n1", "n1-data", "127.0.0.1:7700", is_bootstrap=True) as engine:
        print(engine.propose(b"39").data)

`Client` talks to nodes that run `quorate serve`, over the Redis protocol.
"""
from .backup import BackupFacts, check_backup, restore
from .binding import constant
from .calls import Call, Proposal, Subscription
from .client import Client, OutcomeUnknown, ProtocolError, ReplyError
from .engine import Engine
from .errors import QuorateError, Rejected
from .machine import Entry, StateMachine
from .session import Session
from .told import (Change, Leader, LeaveReason, Member, MembershipEvent, Reply, RoleChange,
                   Status)

__all__ = ["BackupFacts", "Call", "Change", "Client", "Engine", "Entry", "Leader", "LeaveReason",
           "Member", "MembershipEvent", "OutcomeUnknown", "Proposal", "ProtocolError",
           "QuorateError", "Rejected", "Reply", "ReplyError", "RoleChange", "Session",
           "StateMachine", "Status", "Subscription", "check_backup", "restore"]

__version__ = constant("QR_VERSION_TEXT")  # of the headers that it was made of
