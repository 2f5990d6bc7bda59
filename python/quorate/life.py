# life.py: an engine of C from before it is opened until it was freed.
# SPDX-License-Identifier: Apache-2.0
"""Life: who may call an engine, and when nobody can any more."""
import _thread
import atexit
import contextlib
import os
import threading
import warnings

from .binding import constant, ffi, library, text
from .callbacks import ON_STOPPED, forget, keep
from .errors import QuorateError, check
from .machine import Table

alive = set()  # what C may still call, and its memory


class Life:
    """An engine of C. It knows nothing of the Engine, so that one can be forgotten.

    table     its state machine
    place     where it calls Python
    stopped   set when it has stopped; then `stop` is (status, reason)
    """

    def __init__(self, machine, name):
        self.table = Table(machine)
        self.place = self.table.place
        self.stopped = threading.Event()
        self.stop = None
        self._name = name
        self._out = ffi.new("struct qr_engine **")
        self._process = os.getpid()
        self._changed = threading.Condition()
        self._freeing = threading.Lock()
        self._calls = 0  # under way; the engine is freed when there are none
        self._is_closing = False
        self._arguments = set()  # of callbacks, until it is freed
        self._logger = ffi.NULL
        self._log_descriptor = -1  # this one's own, whatever becomes of the caller's

    def open(self, given, on_stopped, log=None):
        """qr_engine_open(); log: (descriptor, format, least level) of a logger for it."""
        def stopped(status, reason):
            self.stop = status, text(reason)
            self.stopped.set()
            if on_stopped is not None:
                on_stopped(QuorateError(*self.stop) if status != 0 else None)

        given.on_stopped, given.argument = ON_STOPPED, self.keep(stopped)
        detail = ffi.new("char []", constant("QR_ERROR_DETAIL_BYTES"))
        alive.add(self)  # before it is opened: whatever interrupts this, C finds what it calls
        try:
            if log is not None:
                given.logger = self._begin_log(*log)
            check(library.qr_engine_open(given, self._out, detail), text(detail))
        except BaseException:
            self.close()
            raise

    def _begin_log(self, descriptor, form, level_min):
        self._log_descriptor = os.dup(descriptor)
        self._logger = library.qr_logger_new(self._log_descriptor, form, level_min)
        if self._logger == ffi.NULL:
            raise QuorateError(library.QR_ERR_NO_MEMORY, "no memory or thread for a logger", True)
        return self._logger

    def _end_log(self):
        logger, self._logger = self._logger, ffi.NULL
        library.qr_logger_free(logger)
        descriptor, self._log_descriptor = self._log_descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def keep(self, function):
        """The argument with which C may call a function until forget(), or until this is freed."""
        argument = keep(self.place, function)
        self._arguments.add(argument)
        return argument

    def keep_once(self, function):
        """Likewise, of what C calls once."""
        def call(*what):
            self.forget(argument)
            function(*what)

        argument = self.keep(call)
        return argument

    def forget(self, argument):
        """Call no more what keep() gave the argument for."""
        forget(argument)
        self._arguments.discard(argument)

    @contextlib.contextmanager
    def called(self):
        """The engine of C, which is not freed meanwhile."""
        self._check_process()
        is_counted = False
        try:
            with self._changed:
                if self._is_closing:
                    raise QuorateError(library.QR_ERR_STOPPED, "the engine is closed", True)
                self._calls += 1
                is_counted = True
            yield self._out[0]
        finally:
            if is_counted:
                with self._changed:
                    self._calls -= 1
                    self._changed.notify_all()

    def _check_process(self, is_certain=True):
        if self._process != os.getpid():
            raise QuorateError(library.QR_ERR_STOPPED,
                               "it lives in the process that this one was forked from", is_certain)

    def check_may_wait(self, is_certain=True):
        """Raise QR_ERR_INVALID in a callback of this engine, which would wait for itself, and
        QR_ERR_STOPPED where it cannot end: in a fork.

        is_certain   whether nothing was begun yet
        """
        self._check_process(is_certain)
        if self.place.is_here():
            raise QuorateError(library.QR_ERR_INVALID, "waiting in a callback of the same engine",
                               is_certain)

    def close(self):
        """Stop, wait for all calls and callbacks, and free. Who comes while another does waits."""
        if self._process != os.getpid():
            return  # its threads, and who held its locks, are in the other process
        self.check_may_wait()
        with self._changed:
            self._is_closing = True
            if self._out[0] != ffi.NULL:
                library.qr_engine_stop(self._out[0])
            self._changed.wait_for(lambda: self._calls == 0)
        with self._freeing:
            with self._changed:  # who comes to stop it, too, has done that, or finds none
                engine, self._out[0] = self._out[0], ffi.NULL
            library.qr_engine_free(engine)
            self._end_log()
            while self._arguments:
                forget(self._arguments.pop())
            alive.discard(self)

    def forgotten(self):
        """The Engine is gone, and was not closed. Maybe in the midst of a callback, or of who holds
        a lock that one wants: so another thread waits for the end of it.
        """
        if self._process == os.getpid():
            with contextlib.suppress(RuntimeError):  # Python ends: then close_all() comes
                _thread.start_new_thread(self.close, ())
            warnings.warn(f"the engine {self._name} was not closed", ResourceWarning, source=self)


def close_all():
    """Before the interpreter goes: threads of C call Python until then."""
    for life in list(alive):
        life.close()


atexit.register(close_all)
