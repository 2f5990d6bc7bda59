# changes.py: changes of the members as an administrator asks for them, and what is due to him.
#
# Every change ends in time with one of three answers: done, certainly not done, or unknown. It is
# done as a whole or not at all; what was answered "done" is so, and what was answered "not" is not.
#
# SPDX-License-Identifier: Apache-2.0
import collections
import threading
import time

import cluster as rig
import resp
import tap

DONE, NOT, UNKNOWN = "done", "not", "unknown"
WORDS = {  # one of which stands in an answer to a change
    DONE: ("voters answer",),
    NOT: ("; no member was changed", "no node answers"),
    UNKNOWN: ("look who is a member", "the outcome is unknown", "cut: "),
}
OUTCOMES = {0: DONE, 1: NOT, 3: NOT, 4: UNKNOWN}  # of exit codes; any other is a failure

# The members that a node knows: id -> Member. A node that lost its data has another id.
Member = collections.namedtuple("Member", "name kind")
Answer = collections.namedtuple("Answer", "command outcome text seconds")


def members_of(status):
    return {m["id"]: Member(m["name"], m["kind"]) for m in status["members"]}


def named(members, name):
    """The id under that name, or None."""
    return next((i for i, member in members.items() if member.name == name), None)


def voters(members):
    return {member.name for member in members.values() if member.kind == "voter"}


class Change:
    """Who is to be promoted, demoted and removed, by name: one change."""

    def __init__(self, promote=(), demote=(), remove=()):
        self.lists = {"promote": list(promote), "demote": list(demote), "remove": list(remove)}

    def words(self):
        """As QUORATE.CHANGE has it."""
        return [word for verb, names in self.lists.items() if names
                for word in (verb.upper(), ",".join(names))]

    def command(self):
        """As one command of the program has it, or None: only QUORATE.CHANGE does several."""
        used = [verb for verb, names in self.lists.items() if names]
        return [used[0], *self.lists[used[0]]] if len(used) == 1 else None

    def after(self, members):
        """What it makes of these members."""
        kinds = {name: "voter" for name in self.lists["promote"]}
        kinds |= {name: "learner" for name in self.lists["demote"]}
        return {i: Member(m.name, kinds.get(m.name, m.kind)) for i, m in members.items()
                if m.name not in self.lists["remove"]}

    def state(self, before, now):
        """"before", "after", or "half"; who came in the meantime does not count."""
        known = {i: member for i, member in now.items() if i in before}
        if known == self.after(before):
            return "after"
        return "before" if known == before else "half"


class Asked:
    """One command, asked of one node in a thread of its own."""

    def __init__(self, node, command):
        self.text = f"{' '.join(map(str, command))} at {node.name}"
        self.result = None
        self.error = None
        self.thread = threading.Thread(target=self.run, args=(node, command), daemon=True)
        self.thread.start()

    def run(self, node, command):
        ask = by_redis if command[0].isupper() else by_program
        begin = time.monotonic()
        try:
            outcome, text = ask(node, command)
            self.result = Answer(self.text, outcome, text, time.monotonic() - begin)
        except Exception as error:  # told by answer(); no thread dies unheard
            self.error = error

    def answer(self, limit):
        """Wait for it."""
        self.thread.join(limit)
        tap.check(not self.thread.is_alive(), f"no answer to `{self.text}` for {limit:.0f} s")
        if self.error is not None:
            raise self.error
        return self.result


def by_program(node, command):
    """As a command of the program."""
    verb, *arguments = command
    done = rig.run(verb, "--client", f"127.0.0.1:{node.client_port}", *arguments)
    text = (done.stdout + done.stderr).strip()
    tap.check(done.returncode in OUTCOMES and text,
              f"`{' '.join(map(str, command))}` ended with {done.returncode}: {text!r}")
    return OUTCOMES[done.returncode], text


def by_redis(node, words):
    """As QUORATE.CHANGE, which is told by capital letters."""
    try:
        with resp.Client(node.client_port) as client:
            return DONE, str(client.call("QUORATE.CHANGE", *words))
    except resp.Unknown as error:
        return UNKNOWN, str(error)
    except resp.Refused as error:
        return NOT, str(error)
    except resp.NotSent as error:
        return NOT, f"no node answers: {error}"


def ask(node, change):
    return Asked(node, change.command() or change.words())


def verdict(change, before, now, answer):
    """A sentence for an answer that is not what became of it, or None."""
    state = change.state(before, now)
    if not any(words in answer.text for words in WORDS[answer.outcome]):
        return f"`{answer.command}` was answered {answer.outcome}, but that is not clear: {answer.text}"
    is_wrong = (answer.outcome == DONE and state != "after") or (
        answer.outcome == NOT and state != "before" and change.after(before) != before)
    if state != "half" and not is_wrong:
        return None
    return (f"`{answer.command}` was answered {answer.outcome} ({answer.text}) and is {state}: "
            f"the members were {sorted(before.values())} and are {sorted(now.values())}")
