# calls.py: calls of C that end with a callback.
# SPDX-License-Identifier: Apache-2.0
"""Call and Proposal, futures; Subscription, a handler."""
import concurrent.futures
import contextlib

from .binding import ffi, library
from .callbacks import FUNCTIONS
from .errors import QuorateError, Rejected, check
from .told import Reply


class Call(concurrent.futures.Future):
    """A call that is under way: result() waits for it, `asyncio.wrap_future()` awaits it.

    What add_done_callback() is given is called on the engine's thread for callbacks.
    """

    def __init__(self, life):
        super().__init__()
        self._life = life
        self.set_running_or_notify_cancel()

    def result(self, timeout=None):
        """What came of it, or its exception. TimeoutError after `timeout` seconds, and it goes on.

        While it is under way QR_ERR_INVALID in a callback of the same engine, which would wait for
        itself, and QR_ERR_STOPPED in a fork; neither is certain.
        """
        if not self.done():
            self._life.check_may_wait(is_certain=False)  # it is under way
        return super().result(timeout)

    def exception(self, timeout=None):
        """As result(), but its exception; None: there is none."""
        if not self.done():
            self._life.check_may_wait(is_certain=False)  # it is under way
        return super().exception(timeout)

    def end(self, make, *what):
        """Make of what C told a result, or an exception."""
        try:
            result = make(*what)
        except BaseException as error:  # whatever it is, whoever waits is told
            self.set_exception(error)
        else:
            self.set_result(result)


class Proposal(Call):
    """A proposal that is under way; its result is a Reply."""

    def __init__(self, life):
        super().__init__(life)
        self.ticket = ffi.new("uint64_t *")

    def cancel(self):
        """Wait no longer. Returns whether it was under way; result() then raises QR_ERR_WITHDRAWN,
        it was not applied and never will be, or QR_ERR_CANCELLED, which nobody knows of.
        """
        with contextlib.suppress(QuorateError), self._life.called() as engine:
            return library.qr_cancel(engine, self.ticket[0]) == 0
        return False


def reply_of(status, index, result):
    """What qr_propose_done tells, as a Reply; raises what is none."""
    data = bytes(ffi.buffer(result.data, result.size_bytes)) \
        if result != ffi.NULL and result.size_bytes else b""
    if status == library.QR_ERR_REJECTED:
        raise Rejected(data)
    check(status)
    return Reply(data, index, len(data))


def begin(life, call, make, function, *what):
    """Call a function of C that ends with a callback; returns `call`, of which `make` makes the
    result. What the function returns itself is certain: nothing was done.
    """
    kind = {"qr_snapshot": "qr_snapshot_done"}.get(function, "qr_propose_done")
    argument = life.keep_once(lambda *told: call.end(make, *told))
    try:
        with life.called() as engine:
            status = getattr(library, function)(engine, *what, FUNCTIONS[kind], argument)
        if status != 0:
            raise QuorateError(status, is_certain=True)
    except BaseException:
        life.forget(argument)
        raise
    return call


class Subscription:
    """A handler that an engine calls. Calling this ends that, as `with` does; more than once, too.

    Behind it the handler is not called again, and is not being called, unless it ends itself.
    """

    def __init__(self, life, function, kind, handler):
        self._life = life
        self._argument = life.keep(handler)
        token = ffi.new("uint64_t *")
        try:
            with life.called() as engine:
                check(function(engine, FUNCTIONS[kind], self._argument, token))
        except BaseException:
            life.forget(self._argument)
            raise
        self._token = token[0]

    def __call__(self):
        with contextlib.suppress(QuorateError), self._life.called() as engine:
            library.qr_remove_handler(engine, self._token)
        self._life.forget(self._argument)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self()
