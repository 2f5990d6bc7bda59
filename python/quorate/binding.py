# binding.py: libquorate, opened, with what its headers declare.
# SPDX-License-Identifier: Apache-2.0
"""`ffi` and `library`. QUORATE_LIBRARY names another libquorate than the one that is installed."""
import os

import cffi

from ._declarations import CONSTANTS, DECLARATIONS

ffi = cffi.FFI()
ffi.cdef(DECLARATIONS)
library = ffi.dlopen(os.environ.get("QUORATE_LIBRARY", "libquorate.so.0"))


def constant(name):
    """A number or text that a header defines, as in constant("QR_AGE_ANY")."""
    return CONSTANTS[name]


def text(pointer):
    """What stands at a char * or in a char []; "" for NULL."""
    return "" if pointer == ffi.NULL else ffi.string(pointer).decode(errors="replace")


def sized(kind):
    """A new struct that begins with size_bytes, all else 0."""
    made = ffi.new(f"struct {kind} *")
    made.size_bytes = ffi.sizeof(made[0])
    return made


def encoded(value):
    """Bytes, of bytes or text."""
    return value.encode() if isinstance(value, str) else bytes(value)


def c_text(value):
    """A new char [] of a text, or of several with commas between them."""
    if not isinstance(value, (str, bytes, os.PathLike)):
        value = ",".join(value)
    value = os.fsencode(value)
    if b"\0" in value:
        raise ValueError("a text with a NUL")
    return ffi.new("char []", value)
