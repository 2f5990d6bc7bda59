# errors.py: errors of libquorate as exceptions.
# SPDX-License-Identifier: Apache-2.0
"""Exceptions: what went wrong, and whether anything has happened."""
from .binding import library, text


class QuorateError(Exception):
    """A QR_ERR_*.

    code         the number, as QR_ERR_TIMEOUT is -10
    name         "QR_ERR_TIMEOUT"
    text         what it means, in words
    detail       what, where and what to do, if more is known; else ""
    is_certain   what was asked for was not done, and never will be. Else nobody knows.
    is_retry     it may be asked for again, later
    """

    def __init__(self, code, detail="", is_certain=None):
        self.code = code
        self.name = text(library.qr_error_name(code))
        self.text = text(library.qr_error_text(code))
        self.detail = detail
        if is_certain is None:
            is_certain = library.qr_error_is_certain(code)
        self.is_certain = bool(is_certain)
        self.is_retry = library.qr_error_class_of(code) == library.QR_CLASS_RETRY
        super().__init__(f"{self.name}: {detail or self.text}")


class Rejected(QuorateError):
    """The state machine did not take an entry, on any replica: `data` is why.

    StateMachine.apply() raises it, and then Engine.propose() does.
    """

    def __init__(self, data=b""):
        super().__init__(library.QR_ERR_REJECTED, data.decode(errors="replace"))
        self.data = data


def check(code, detail=""):
    """Raise what a function of libquorate has returned, if that is not 0."""
    if code != 0:
        raise QuorateError(code, detail)
