/* log_memory.h: a log store in memory, which can lose, fail and lie.
 *
 * Owns     the entries, from one `open` to the next, as a disk would.
 * Threads  as quorate/log_store.h; `lie` and `holds` may be set at any time.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPPORT_LOG_MEMORY_H
#define SUPPORT_LOG_MEMORY_H

#include <stdatomic.h>

#include "quorate/log_store.h"

#define LOG_MEMORY_ENTRIES_MAX 65536

enum log_memory_lie {
    LOG_HONEST,
    LOG_LIE_TICKET,       /* calls a ticket durable that was never given */
    LOG_LIE_READ_TWICE,   /* answers each read twice */
    LOG_LIE_READ_EMPTY,   /* answers with no entry */
    LOG_LIE_READ_NOTHING, /* with one entry, of no array */
    LOG_LIE_READ_NULL,    /* with an entry that has no record */
    LOG_LIE_READ_NEXT,    /* with what stands behind */
    LOG_LIE_READ_FLIP,    /* with a flipped bit */
    LOG_LIE_READ_SHORT,   /* with a record that ends early */
    LOG_LIE_READ_NONE,    /* that it has it not */
    LOG_FAIL_READ,        /* that it could not be read */
    LOG_FAIL_READ_WORDS,  /* with a number that is none, */
    LOG_FAIL_READ_OTHER,  /* or that means something else */
    LOG_FAIL_SYNC,        /* host.failed, and then calls the batch durable all the same */
    LOG_FAIL_SILENT,      /* host.failed without a sentence, and with a number that is none */
    LOG_FAIL_OPEN,
    LOG_FAIL_OPEN_WORDS,
    LOG_LIE_EMPTY,      /* at `open`: nothing was ever begun, */
    LOG_LIE_BEGUN,      /* but it has entries */
    LOG_LIE_BASE,       /* the base is behind the last index */
    LOG_LIE_BASE_TERM,  /* the base has no term */
    LOG_LIE_TERM,       /* the term is below that of the last entry */
    LOG_LIE_TERM_LAST,  /* the term is one behind which there is no other */
    LOG_LIE_VOTE,       /* a vote in no term */
    LOG_LIE_SCAN_LESS,  /* at `scan`: the last entry is left out */
    LOG_LIE_SCAN_MORE,  /* it is given twice */
    LOG_LIE_SCAN_GAP,   /* the first is left out */
    LOG_LIE_SCAN_FLIP,  /* a bit is flipped, and what `each` returned is not looked at */
    LOG_LIE_SCAN_TERMS, /* the term falls */
    LOG_FAIL_SCAN,
    /* Rules of the header that are broken without a word. */
    LOG_BREAKS_DURABILITY,  /* calls durable what a crash loses */
    LOG_BREAKS_REPLACING,   /* what stands behind a batch that replaces stays */
    LOG_BREAKS_RESET,       /* a reset keeps the entries behind its position */
    LOG_BREAKS_ORDER,       /* an older hard state wins */
    LOG_BREAKS_BASE,        /* the base is forgotten */
    LOG_BREAKS_RECORDS,     /* of a record the last byte changes */
    LOG_BREAKS_READS,       /* a read gives what stands behind */
    LOG_BREAKS_AFTER_ERROR, /* nothing: the end of the list */
};

struct log_memory_entry {
    void *record;
    size_t record_bytes;
};

struct log_memory {
    struct qr_log_store table; /* what to hand to the engine */
    const struct qr_log_host *host;
    atomic_int lie;
    atomic_bool holds; /* batches wait, as if the disk took long: a crash loses them */
    bool is_open;
    bool is_begun;
    uint64_t node_id;
    struct qr_hard_state hard_state;
    uint64_t commit_index;
    struct qr_log_position base;
    struct log_memory_entry *entries; /* [index - base.index - 1] */
    size_t count;
    const struct qr_log_batch *waiting[QR_LOG_APPENDS_MAX];
    size_t waiting_count;
    atomic_uint append_count;
    atomic_uint truncate_count;
    atomic_uint reset_count;
    atomic_uint read_count;
    atomic_uint replace_count;
    atomic_uint close_count;
    uint64_t room_bytes;
};

void log_memory_init(struct log_memory *log);
void log_memory_deinit(struct log_memory *log);

/* As a machine that loses its power: what is not durable is gone, and so is who had it open. */
void log_memory_crash(struct log_memory *log);

#endif
