/* log_store.h: where the log is kept, where that is not to be files of the data directory.
 *
 * A log store is a table of functions of the program's (qr_engine_options.log_store). It keeps the
 * entries of the log and the hard state, and says when they are durable; what they mean, who may
 * vote and what is committed it need not know. Records are opaque: each carries its own checksum,
 * and index, term and time, which the engine checks whenever it gets one back. So a store that
 * loses, mixes up or invents something ends its node with QR_ERR_CORRUPT and a sentence, as a disk
 * does. But that something is durable, only the store knows, and the engine believes it: a store
 * that says so too early can cost the cluster what it has committed.
 *
 * A node has one log for life: the data directory says whether it is in a store of the program's,
 * and a start with the other kind is refused. Tools for directories without an engine (backup.h's
 * restore, doctor.h, wal.h) know only the engine's own log.
 *
 * What a store must keep to, tried by check_log_store() in log_store_check.h, which any program may
 * compile and call with a store of its own; `pkg-config --variable=storecheckdir quorate` says
 * where it is:
 *
 *   1  Batches take effect in the order of `append`. After a crash the store is found as it was
 *      behind one of them: the last one that it called synced, or a later one. Of the batch behind
 *      that, the first entries may be there too, with its hard state; nothing that it replaces is
 *      there then. What was called synced is there for ever, until a batch replaces it or
 *      `truncate_prefix` lets go of it.
 *   2  A batch whose first entry stands at or below the last index replaces all entries from there
 *      on: also those that are behind its own last entry. A batch without entries changes only the
 *      hard state.
 *   3  A batch with `reset` empties the log, whatever it held, and lets it stand at that position:
 *      its entries, if any, follow there. In one step: after a crash all of it is found, or none.
 *   4  The first failure is final. When a write or a sync has failed, call host.failed, and never
 *      synced again: what a failed sync has left on a disk is not known, and a second sync that
 *      succeeds says nothing about it.
 *
 *   5  Every batch is called synced and every read answered, some day, or host.failed is called: an
 *      engine that stops waits for that.
 *
 * Owns     nothing. A table and its context serve one engine at a time, and the program keeps
 *          them until that is freed.
 * Threads  `open` and `scan` are called on the thread of qr_engine_open(), where they may block;
 *          so are, where they must not, the first batch of a new cluster and what is asked of room
 *          and bytes, and `close`, where opening fails. All else is called on the engine's thread,
 *          or the caller's loop, one call at a time, and must not block, but `close`: Raft waits
 *          meanwhile. The host's functions may be called on any thread, several at once, also from
 *          within a function of the table and under locks of the program.
 * Cost     each entry waits for one `append` and the sync behind it, on a majority.
 * Source   docs/replaceable-parts.md; what must be durable when: docs/durability.md.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef QUORATE_LOG_STORE_H
#define QUORATE_LOG_STORE_H

#include "quorate/types.h"

#ifdef __cplusplus
extern "C" {
#endif

#define QR_LOG_DETAIL_BYTES 256      /* of a sentence, the NUL included */
#define QR_LOG_APPENDS_MAX 64        /* not yet synced */
#define QR_LOG_READS_MAX 128         /* not yet answered */
#define QR_LOG_READ_ENTRIES_MAX 1024 /* of one answer; what is behind them is not looked at */

/* A place in the log. {0, 0}: before the first entry. */
struct qr_log_position {
    uint64_t term;
    uint64_t index;
};

/* What a node must never forget besides its entries. */
struct qr_hard_state {
    uint64_t term;      /* 0: none yet; it never falls */
    uint64_t voted_for; /* any number, also 0; it means nothing unless has_voted */
    bool has_voted;     /* in this term; a vote never changes within it */
};

struct qr_log_entry {
    uint64_t index; /* from 1, without gaps */
    uint64_t term;  /* never falls from one entry to the next */
    uint64_t timestamp_ns;
    const void *record; /* to be kept as it is, and given back so */
    size_t record_bytes;
    uint32_t type; /* only to look at: 1 and 4 are proposals, all else the engine's own */
    uint32_t reserved;
};

/* One step of the log. Filled by the engine; a later version may have more at its end. It lives,
 * with all that it points to, until host.synced is called with its ticket or a later one, or
 * `close` has returned: nothing need be copied.
 */
struct qr_log_batch {
    size_t size_bytes;
    uint64_t ticket; /* above all before; not to be kept */
    struct qr_hard_state hard_state;
    uint64_t commit_index;               /* to be found again by `open`: a hint, which may be old */
    const struct qr_log_position *reset; /* NULL, or see rule 3; never below the base */
    const struct qr_log_entry *entries;  /* follow one another; the first is at most the last
                                          * index + 1, and behind the base
                                          */
    size_t count;                        /* may be 0 */
};

/* What a store tells an engine. Filled by the library, constant, and good from `open` until `close`
 * returns; a later version may have more at its end. None of them fails, waits for long or calls
 * back: what they tell is taken in the loop's next round, and the room for that was reserved with
 * the call that they answer.
 *
 * Cost: a lock that is held briefly, and where the engine's thread sleeps waking it.
 */
struct qr_log_host {
    size_t size_bytes;
    void *context; /* to be handed to every function */

    /* All batches up to and with this ticket are durable: whatever happens, power failures
     * included, `open` finds them. Tickets may be left out; one that is not new changes nothing,
     * and one that was never given ends the node with QR_ERR_CORRUPT.
     */
    void (*synced)(void *context, uint64_t ticket);

    /* The answer to a read, exactly one for each, in any order.
     *
     * status   0, or QR_ERR_IO, QR_ERR_CORRUPT or QR_ERR_NO_MEMORY, which end the node; any other
     *          number is taken for QR_ERR_IO, but for QR_ERR_NOT_FOUND: see `read`.
     * entries  with status 0, at least one; of each only `record` and `record_bytes` are looked
     *          at. Borrowed until return: they are copied.
     */
    void (*read_done)(void *context, uint64_t token, int status, const struct qr_log_entry *entries,
                      size_t count);

    /* The store cannot go on, see rule 4; the node stops. Nothing needs to be answered from then
     * on, and nothing is asked for but `close`.
     *
     * status  QR_ERR_IO, QR_ERR_CORRUPT, QR_ERR_DISK_FULL or QR_ERR_NO_MEMORY; any other number is
     *         taken for QR_ERR_IO.
     * detail  a sentence for logs and on_stopped: what, where; borrowed; NULL: "".
     */
    void (*failed)(void *context, int status, const char *detail);
};

/* What `open` is told. Filled by the library; a later version may have more at its end. */
struct qr_log_open {
    size_t size_bytes;
    const struct qr_log_host *host; /* kept until `close` */
    uint64_t node_id;               /* whose log it is, the same at every start: random, not 0 but
                                     * by chance */
    uint64_t record_bytes_max;      /* no record is longer */
};

/* What `open` says. Zeroed by the engine, which sets size_bytes to what it knows. */
struct qr_log_found {
    size_t size_bytes;
    bool is_begun; /* there was ever a batch, be it one without entries; else the rest is 0 */
    struct qr_hard_state hard_state; /* of the last batch */
    uint64_t commit_index;           /* likewise */
    struct qr_log_position base;     /* of `truncate_prefix` or a reset, the latest */
    uint64_t last_index;             /* base.index when there are no entries */
};

/* Called with each entry; of these only `record` and `record_bytes` are looked at, and borrowed
 * until return. Returns 0, or what `scan` is to return at once.
 */
typedef int qr_log_each(void *argument, const struct qr_log_entry *entry);

/* What an engine asks of a log store. All functions are needed, but those that may be NULL. */
struct qr_log_store {
    size_t size_bytes; /* sizeof(struct qr_log_store), for versions to come */
    void *context;     /* handed to every function */

    /* Take the log, or begin one. Nobody else may use it until `close`.
     *
     * open    borrowed until return, but for its host.
     * found   to be filled.
     * detail  QR_LOG_DETAIL_BYTES; on failure a sentence.
     *
     * Returns 0, or with nothing left open a QR_ERR_* that qr_engine_open() returns: QR_ERR_FOREIGN
     * where it is the log of another node, QR_ERR_CORRUPT where it is damaged, QR_ERR_LOCKED where
     * it is in use, QR_ERR_IO, QR_ERR_DISK_FULL, QR_ERR_NO_MEMORY. `close` is not called then.
     */
    int (*open)(void *context, const struct qr_log_open *open, struct qr_log_found *found,
                char *detail);

    /* Give every entry that there is, from base.index + 1 to last_index, to `each`. Called once,
     * behind `open`. Returns 0, what `each` returned, or a QR_ERR_* as `open`; `close` follows.
     */
    int (*scan)(void *context, qr_log_each *each, void *argument);

    /* Take one batch, make it durable, and say so by host.synced. At most QR_LOG_APPENDS_MAX wait
     * for that; of those that do, several may be made durable by one sync.
     */
    void (*append)(void *context, const struct qr_log_batch *batch);

    /* Read entries from `first` on, at least one, and others behind it up to about `bytes_max`
     * bytes of records; answer by host.read_done. Only what was called synced is asked for. At
     * most QR_LOG_READS_MAX are not answered.
     *
     * A batch may replace what is asked for, and `truncate_prefix` let go of it, before the answer:
     * then either answer is right, QR_ERR_NOT_FOUND too. It is wrong of all else.
     */
    void (*read)(void *context, uint64_t first, uint64_t bytes_max, uint64_t token);

    /* The entries up to and with this one, which is synced, are not needed any more: a durable
     * snapshot has them. They may go when the store likes, if ever; but before they do, `base` must
     * be durable, so that `open` finds it, or a later one. It never goes back.
     */
    void (*truncate_prefix)(void *context, const struct qr_log_position *base);

    /* How many bytes of records one batch can surely hold now; when it is little, no proposals are
     * taken (QR_ERR_DISK_FULL). Batches without entries, and resets, must be taken all the same:
     * keep a reserve for them. Asked for with every proposal. NULL: there is always room.
     */
    uint64_t (*room_bytes)(void *context);

    /* How many bytes the log takes, for qr_limits.max_log_bytes and the status. Asked for now and
     * then. NULL: 0, and then only max_log_entries bounds the log.
     */
    uint64_t (*stored_bytes)(void *context);

    /* End what `open` began: the last call. Everything was answered, or host.failed was called, or
     * `scan` failed. It may wait for threads of the store; behind it none of the host's functions
     * may be called.
     */
    void (*close)(void *context);
};

#ifdef __cplusplus
}
#endif

#endif
