# once.py: commands that a client sends again, to other nodes, until it knows what became of them.
#
# Each has a token of its own. As long as no answer came, it is sent again through the next node;
# now and then also when it was answered, to see that the answer stays what it was. At last its
# OUTCOME is asked. So hardly any outcome stays unknown, while nodes are killed.
#
# SPDX-License-Identifier: Apache-2.0
import time

import resp

LIMIT_S = 40.0       # a client must not be held up for longer than a round
SENDINGS = 12        # then its outcome is asked
PAUSE_S = 0.02
PATIENCE_S = 1.0     # with one node, which may stand still: then the next is asked
AGAIN = 0.3          # of the commands that were answered are sent once more


class Sender:
    """Sends one client's commands through any of the nodes; a connection for each."""

    def __init__(self, ports, chance):
        self.ports = ports
        self.chance = chance
        self.connections = {}
        self.differences = []  # answers to one token that were not the first

    def close(self):
        for connection in self.connections.values():
            connection.close()
        self.connections = {}

    def ask(self, at, commands):
        """The answer to the last of these commands, through node `at`; raises as resp does."""
        if at not in self.connections:
            self.connections[at] = resp.Client(self.ports[at], timeout=PATIENCE_S)
        try:
            answer = self.connections[at].call_many(commands)[-1]
        except Exception:
            self.connections.pop(at).close()
            raise
        if isinstance(answer, resp.Unknown) and not is_answer(answer):
            self.connections.pop(at).close()
        return answer

    def settle(self, token, commands):
        """Send until an answer is certain. Returns it, an exception for what is none."""
        deadline = time.monotonic() + LIMIT_S
        at = self.chance.randrange(len(self.ports))
        was_sent = False
        last = resp.NotSent("no node could be reached")
        for sending in range(10**9):
            if time.monotonic() > deadline:
                return resp.Unknown(f"TIMEOUT after {sending} sendings: {last}") if was_sent else last
            is_question = sending >= SENDINGS
            try:
                answer = self.ask(at, [("OUTCOME", token)] if is_question else commands)
            except resp.NotSent:
                answer = None
            if answer is not None and not isinstance(answer, Exception):
                return answer
            if is_not_applied(answer):
                return resp.Refused(f"TRYAGAIN settled: {answer}")
            if isinstance(answer, resp.Refused) and not was_sent and not is_question:
                return answer
            was_sent = was_sent or isinstance(answer, resp.Unknown)
            last = answer or last
            at = (at + 1) % len(self.ports)
            time.sleep(PAUSE_S)

    def once(self, token, commands):
        """As settle(); sometimes it is then sent once more, which must not change the answer."""
        answer = self.settle(token, commands)
        if isinstance(answer, Exception) or self.chance.random() > AGAIN:
            return answer
        for question in (commands, [("OUTCOME", token)]):
            try:
                again = self.ask(self.chance.randrange(len(self.ports)), question)
            except resp.NotSent:
                continue
            if not isinstance(again, (resp.Refused, resp.Unknown)) and again != answer:
                self.differences.append(f"{token}: {answer!r}, and then {again!r}")
            if is_not_applied(again) or str(again).startswith(("FORGOTTEN", "UNKNOWN")):
                self.differences.append(f"{token}: {answer!r}, and then {again}")
        return answer


def is_answer(answer):
    """Whether an error came from a node, so that the connection is still good."""
    return str(answer).startswith(("TIMEOUT", "NOTAPPLIED", "FORGOTTEN", "UNKNOWN", "EXECABORT"))


def is_not_applied(answer):
    return isinstance(answer, resp.Unknown) and str(answer).startswith("NOTAPPLIED")
