/* plain.h: a state machine out of a struct of the program's and one function.
 *
 * Owns     what a struct qr_state_machine must bring besides: batches, the replies of a batch
 *          until the next one, the digest, snapshots and taking them over. The state stays the
 *          program's: no byte of it is allocated, moved or freed here.
 * Threads  the state is written where the engine applies entries, under a lock that
 *          qr_plain_read() and qr_plain_look() take: they may be called from any thread.
 * Cost     as qr_plain_new() says; qr_plain_read() copies the state under the lock,
 *          qr_plain_look() holds it while `look` runs, and apply waits for both.
 * Source   docs/embedding.md, What the function must be.
 *
 *     struct qr_state_machine machine;
 *     int status = qr_plain_state(&machine, &state, sizeof(state), apply_one);
 *     ... options.state_machine = &machine; qr_engine_open(), qr_engine_free() ...
 *     qr_plain_free(&machine);
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef QUORATE_PLAIN_H
#define QUORATE_PLAIN_H

#include "quorate/error.h"
#include "quorate/state_machine.h"

#ifdef __cplusplus
extern "C" {
#endif

#define QR_PLAIN_STATE_BYTES_MAX (16u << 20)
#define QR_PLAIN_REPLY_BYTES 128 /* the room of a reply where nothing else is said */
#define QR_PLAIN_REPLY_BYTES_MAX 4096

/* The reply to one entry: room to write to, which the program sets the size of. */
struct qr_plain_reply {
    void *data; /* aligned for any type */
    size_t capacity_bytes;
    size_t size_bytes; /* 0 at first */
};

/* Reply with size_bytes of `data`, borrowed until return, in place of what was there.
 * Returns 0, or with the reply as it was QR_ERR_TOO_LARGE (over reply->capacity_bytes) or
 * QR_ERR_INVALID (NULL).
 */
int qr_plain_answer(struct qr_plain_reply *reply, const void *data, size_t size_bytes);

/* Apply one entry to the state. Whatever decides what becomes of the state, and the reply, must
 * come from the two alone: no clock, no random number, no address of memory.
 *
 * entry    borrowed until return; an empty one (a tick: log time has come this far) only where
 *          the options have wake_at.
 * reply    the result for whoever proposed it; the same on every replica.
 *
 * Returns 0; or QR_ERR_NO_MEMORY or QR_ERR_IO: this replica alone cannot go on, and its node
 * stops; or any other number: the entry is rejected, and who proposed it gets QR_ERR_REJECTED with
 * the reply for a reason. Check first and change then: what was changed stays so.
 */
typedef int qr_plain_apply(void *state, const struct qr_entry *entry, struct qr_plain_reply *reply);

/* Write the state to `buffer`, equal states as equal bytes: the digest is made of them.
 * Returns its size; one above capacity_bytes: there is no room for it, and nothing is kept.
 */
typedef size_t qr_plain_save(const void *state, void *buffer, size_t capacity_bytes);

/* Make the state what was saved; what it was before is dropped.
 * Returns 0, or a QR_ERR_*, QR_ERR_CORRUPT if the bytes are none of a state: the node stops.
 */
typedef int qr_plain_load(void *state, const void *data, size_t size_bytes);

struct qr_plain_options {
    size_t size_bytes;     /* sizeof(struct qr_plain_options) */
    void *state;           /* borrowed; the same at the first start of every replica */
    qr_plain_apply *apply; /* called for each entry */
    /* Without save and load the state is state_bytes of plain memory, without a pointer in them.
     * All of its bytes count, those between its fields, too: zero them once, and assign fields,
     * not whole structs, or have no gaps. They go from replica to replica as they are, so that
     * all must be of one byte order and alignment. A later version of the program may have a
     * longer state: what lies behind the end of a shorter one is zero then. Nothing tells such
     * versions apart but fields that are not zero.
     *
     * With save and load state_bytes is the most that save will ever give. Where a state has
     * outgrown it no snapshot can be taken, and the log grows: refuse what would make it so.
     */
    size_t state_bytes; /* 1..QR_PLAIN_STATE_BYTES_MAX */
    qr_plain_save *save;
    qr_plain_load *load;
    size_t reply_bytes_max; /* up to QR_PLAIN_REPLY_BYTES_MAX; 0: QR_PLAIN_REPLY_BYTES */
    /* The log time at which the state wants a tick, 0 for none, as in struct qr_state_machine;
     * called behind each batch. NULL: never.
     */
    uint64_t (*wake_at)(const void *state);
};

/* Make a state machine, for one engine at a time.
 *
 * options   borrowed until return.
 * out       the caller's; qr_plain_free() gives back what is behind it.
 *
 * Returns 0, or with `out` all zero QR_ERR_INVALID (an option out of bounds, or only one of save
 * and load), QR_ERR_VERSION (an option of a later version of the library) or QR_ERR_NO_MEMORY.
 *
 * Cost: QR_APPLY_ENTRIES_MAX replies of memory, with save state_bytes more; a snapshot or
 * restore as much as the state for as long as it lasts. Applying allocates nothing. The digest
 * is a CRC32C of the state, computed when it is asked for and anew only behind an apply.
 */
int qr_plain_new(const struct qr_plain_options *options, struct qr_state_machine *out);

/* qr_plain_new() of plain memory, all else by default: what it returns, and its `out`.
 *
 * state   state_bytes, borrowed until qr_plain_free().
 */
int qr_plain_state(struct qr_state_machine *out, void *state, size_t state_bytes,
                   qr_plain_apply *apply);

/* Free what is behind a state machine, behind the engine that used it, and zero it. NULL and one
 * that is all zero are allowed.
 */
void qr_plain_free(struct qr_state_machine *machine);

/* Copy a state of plain memory as it stands after some entry: what is applied on this node by
 * then. For a read that is linearizable call it behind a read barrier (quorate/engine.h).
 *
 * out   state_bytes of the caller's.
 *
 * Any thread, but not from within apply. It waits for at most one batch.
 *
 * Returns 0, or QR_ERR_INVALID: NULL, none of this header's, or one with save and load.
 */
int qr_plain_read(const struct qr_state_machine *machine, void *out);

/* The same of any state: call `look` with it; it must neither keep the pointer nor block. Returns,
 * waits and threads as qr_plain_read(); QR_ERR_INVALID only for NULL, and none of this header's.
 */
int qr_plain_look(const struct qr_state_machine *machine,
                  void (*look)(void *argument, const void *state), void *argument);

#ifdef __cplusplus
}
#endif

#endif
