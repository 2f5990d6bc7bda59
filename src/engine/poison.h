/* poison.h: an entry that ends the process is not tried for ever.
 *
 * Owns     the file `applying` of the data directory. It is written only while entries are
 *          applied that were in the log when the engine was opened: one that ended the process is
 *          among them. It says which batch is being applied, so that the next start knows.
 * Threads  open before any other begins; begin and end where entries are applied; close behind.
 *
 * Of a noted batch that did not end the entries are applied one by one, until it is passed. When
 * the process has ended three times in a row, each time within the batch of the time before, and
 * at last at one entry, the engine is not opened. Whoever kills processes for other reasons hits
 * the same entry twice only if it takes very long. So a start behind a crash costs two small
 * writes a batch, and steady running nothing.
 *
 * Format, little-endian: mark (u64), is_applying (u32), ends (u32), first, last, term,
 * ended_first, ended_last (u64 each), command_bytes (u32), command (32 bytes), and the CRC32C of
 * all that (u32).
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_POISON_H
#define ENGINE_POISON_H

#include "base/log.h"
#include "base/types.h"
#include "quorate/types.h"
#include "runtime/note.h"

#define POISON_FILE "applying"
#define POISON_ENDS_MAX 3

struct poison_mark {
    bool is_applying;
    uint32_t ends;    /* of the process in a row, each within the batch of the one before */
    raft_index first; /* of the batch */
    raft_index last;
    raft_term term;         /* of its first entry, like the command */
    raft_index ended_first; /* the batch of the last end; 0: none */
    raft_index ended_last;
    char command[QR_COMMAND_BYTES_MAX];
    uint32_t command_bytes;
};

struct poison {
    struct note note;
    struct poison_mark mark;
    raft_index watched_until; /* 0: nothing is noted any more */
};

/* What a start finds in a directory. */
enum poison_found {
    POISON_NOTHING, /* no file, or none that says of an end */
    POISON_DAMAGED, /* what it said is not known; a start forgets it */
    POISON_ENDED,   /* what ended is tried again, one by one */
    POISON_REFUSED, /* likewise, POISON_ENDS_MAX times at one entry: no start tries it */
};

/* Look at what is in `directory`, and change nothing.
 *
 * mark   set unless the file is damaged or missing: as it stands there, but that an end which it
 *        tells of has been counted.
 */
enum poison_found poison_look(const char *directory, struct poison_mark *mark);

/* The command of the mark's entry, for people: what is not printable is '?'. */
void poison_command(const struct poison_mark *mark, char out[QR_COMMAND_BYTES_MAX + 1]);

/* Read what an earlier life has left in `directory`, which this process has locked.
 *
 * ignores   forget it.
 * detail    of QR_ERROR_DETAIL_BYTES; says of what is refused what it is, and what to do.
 *
 * Returns 0 or QR_ERR_POISON. An end that is no reason to refuse, or is ignored, is logged; a file
 * that is damaged is logged and forgotten.
 */
NODISCARD int poison_open(struct poison *poison, const char *directory, bool ignores,
                          const struct log_sink *log, char *detail);

/* Up to there entries are to be applied one by one; 0: none. */
raft_index poison_alone_until(const struct poison *poison);

/* The log ends there: what is behind has not ended any process yet. */
void poison_watch(struct poison *poison, raft_index last_index);

/* Around each batch that is applied; `last` 0: it was not. */
void poison_begin(struct poison *poison, const struct qr_entry *entries, size_t count);
void poison_end(struct poison *poison, raft_index last);

void poison_close(struct poison *poison);

#endif
