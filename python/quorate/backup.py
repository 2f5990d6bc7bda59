# backup.py: a running cluster into a file, and a file into a new cluster.
# SPDX-License-Identifier: Apache-2.0
"""What Engine.backup() does; check_backup() and restore(): docs/backup.md."""
import contextlib
import os
import queue
import typing

from .binding import c_text, constant, ffi, library, sized, text
from .callbacks import FUNCTIONS
from .errors import check
from .machine import Table

PIECE_BYTES = 256 << 10


class BackupFacts(typing.NamedTuple):
    """What a backup says of itself."""

    cluster: str  #: the id of the cluster that it was made of, 32 digits
    node: str  #: the name of the node that made it
    made_ns: int  #: by that node's clock, since the Unix epoch
    index: int  #: of the last entry that is in it
    size_bytes: int  #: of the file
    state_bytes: int  #: of the state machine, before compression
    members: typing.List[str]  #: their names, at that index


def pieces_of(life):
    """The pieces of a backup of a running engine, in order."""
    arrived = queue.SimpleQueue()
    argument = life.keep(lambda status, data, size_bytes: arrived.put(
        (status, bytes(ffi.buffer(data, size_bytes)) if size_bytes else b"")))
    backup = ffi.new("struct qr_backup **")
    try:
        with life.called() as engine:
            try:
                check(library.qr_backup_open(engine, FUNCTIONS["qr_backup_done"], argument, backup))
                while True:
                    check(library.qr_backup_next(backup[0]))
                    status, data = arrived.get()
                    check(status)
                    if not data:
                        return
                    yield data
            finally:
                library.qr_backup_close(backup[0])
    finally:
        life.forget(argument)


def write_backup(life, path, is_forced):
    """Engine.backup()"""
    path = os.fspath(path)
    if not is_forced and os.path.lexists(path):
        raise FileExistsError(f"{path} is there; is_forced writes over it")
    aside = path + ".part"
    try:
        with open(aside, "wb") as file, contextlib.closing(pieces_of(life)) as pieces:
            size_bytes = sum(map(file.write, pieces))
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(aside)
        raise
    folder = os.open(os.path.dirname(path) or ".", os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return size_bytes


def check_backup(path, state_machine=None):
    """Read a backup, whether it is whole; returns its BackupFacts.

    state_machine   restores what is in it, so that what it refuses is refused now; None: its bytes
                    are checked, and not looked into

    Raises QuorateError: QR_ERR_FOREIGN (no backup), QR_ERR_VERSION, QR_ERR_CORRUPT, or OSError.
    """
    table = None if state_machine is None else Table(state_machine)
    out = ffi.new("struct qr_backup_reader **")
    check(library.qr_backup_reader_new(ffi.NULL if table is None else table.struct, out))
    reader, facts = out[0], ffi.new("struct qr_backup_facts *")
    try:
        with open(path, "rb") as file:
            status = 0
            while status == 0 and (data := file.read(PIECE_BYTES)):
                status = library.qr_backup_reader_feed(reader, ffi.from_buffer(data), len(data))
        status = status or library.qr_backup_reader_end(reader)
        if table is not None and table.failure is not None:
            raise table.failure
        check(status, text(library.qr_backup_reader_detail(reader)))
        library.qr_backup_reader_facts(reader, facts)
    finally:
        library.qr_backup_reader_free(reader)
    return BackupFacts(id_text(facts.cluster), text(facts.node_name), facts.made_ns, facts.index,
                       facts.size_bytes, facts.state_bytes,
                       [text(one.name) for one in facts.members[0:facts.member_count]])


def restore(path, data_directory, name, address, *, state_machine=None):
    """Make of a backup the data directory of a new cluster, whose only voter is a new node.

    data_directory   made when missing; must hold nothing
    name, address    of that node, as Engine has them
    state_machine    one to check the backup with first, as check_backup() does

    Others join it as they join any cluster. Returns the new cluster's id. Raises QuorateError: then
    nothing was restored, but of QR_ERR_CANCELLED, where a start in the directory will tell.
    """
    check_backup(path, state_machine)
    options, out = sized("qr_restore_options"), ffi.new("struct qr_restore **")
    kept = [c_text(data_directory), c_text(name), c_text(address)]
    options.data_directory, options.name, options.address = kept
    detail = ffi.new("char []", constant("QR_ERROR_DETAIL_BYTES"))
    cluster = ffi.new("struct qr_id *")
    try:
        check(library.qr_restore_open(options, out, detail), text(detail))
        with open(path, "rb") as file:
            while data := file.read(PIECE_BYTES):
                check(library.qr_restore_feed(out[0], ffi.from_buffer(data), len(data), detail),
                      text(detail))
        check(library.qr_restore_finish(out[0], cluster, detail), text(detail))
    finally:
        library.qr_restore_free(out[0])
    return id_text(cluster)


def id_text(id):
    return f"{id.high:016x}{id.low:016x}"
