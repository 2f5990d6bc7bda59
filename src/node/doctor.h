/* doctor.h: what the data directory of a node that does not run holds, and how several compare.
 *
 * Owns     the reading of one directory, and the reasoning of docs/recovery.md: which log is the
 *          best, whether a majority is here, and what a recovery of one of them would lose.
 * Does not know files, locks or chance; it changes nothing.
 * Threads  one caller; the disk is read synchronously.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_DOCTOR_H
#define NODE_DOCTOR_H

#include "base/allocator.h"
#include "node/content.h"
#include "quorate/doctor.h"
#include "wal/wal.h"

/* The terms of one log, to be compared with those of another. */
struct doctor_log {
    struct wal_term_run *runs; /* from base.index + 1 on */
    size_t count;
    struct wal_base base;
};

struct doctor_input {
    const struct allocator *allocator; /* borrowed, like the others */
    const struct disk *disk;
    const struct content_codec *codec;
};

/* Read a directory. Whatever is wrong is told by out->status and out->detail; the path is the
 * caller's. `log` is to be freed by doctor_log_free(), and is empty when the status is not 0.
 */
void doctor_read(const struct doctor_input *input, struct qr_doctor_directory *out,
                 struct doctor_log *log);
void doctor_log_free(const struct allocator *allocator, struct doctor_log *log);

/* As qr_doctor_judge(), over arrays of `count`. */
void doctor_judge(const struct qr_doctor_directory *directories, const struct doctor_log *logs,
                  size_t count, size_t chosen, struct qr_doctor_verdict *out);

/* Where the member with this id stands in a configuration; -1: nowhere. */
int doctor_member_find(const struct qr_doctor_configuration *configuration, uint64_t id);

#endif
