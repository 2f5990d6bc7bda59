/* types.h: the values that cross the public interface.
 *
 * Threads  any, callbacks included.
 * Cost     qr_token_id() is linear in size_bytes; neither lock nor allocation.
 * Source   docs/exactly-once.md.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef QUORATE_TYPES_H
#define QUORATE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define QR_NAME_BYTES_MAX 64     /* of a member's name, the NUL included */
#define QR_ADDRESS_BYTES_MAX 128 /* of HOST:PORT, the NUL included */
#define QR_META_BYTES_MAX 256    /* of what an application tells about its node, with the NUL */
#define QR_COMMAND_BYTES_MAX 32  /* of a proposal's command, without a NUL */
#define QR_REASON_BYTES_MAX 512  /* of a sentence, the NUL included */
#define QR_MEMBERS_MAX 64

/* 128 bits that name a proposal. All zero: the engine makes one.
 *
 * With QR_SESSION_BIT in `high` a proposal is applied at most once however often it is sent,
 * from any node, and who sends it again gets the first result (docs/exactly-once.md):
 *   a session   high as qr_open_session() gave it, low a sequence number from 1
 *   a token     as qr_token_id() gives it
 */
struct qr_id {
    uint64_t high;
    uint64_t low;
};

#define QR_SESSION_BIT (UINT64_C(1) << 63)
#define QR_TOKEN_BIT (UINT64_C(1) << 62) /* with QR_SESSION_BIT: a token, no session */
#define QR_SESSION_WINDOW 64             /* sequences of a session that are remembered */

/* The id of a token, any text that names one command for ever: for programs without a session.
 * A token is forgotten, and then as good as new, only where room is short: when more than
 * 131,072 other outcomes came since, and ten minutes of log time have passed.
 *
 * token   size_bytes of any bytes, borrowed until return. NULL with a size above 0 gives an id that
 *         every call refuses.
 */
struct qr_id qr_token_id(const void *token, size_t size_bytes);

/* One entry of the replicated log, as a state machine or a commit handler sees it.
 * Pointers are borrowed and live as long as the call that hands them over.
 */
struct qr_entry {
    uint64_t index;        /* from 1, without gaps, over all kinds of entries */
    uint64_t term;         /* the term of the leader that made it */
    uint64_t timestamp_ns; /* log time: since the Unix epoch, the same on every replica, never
                              going back */
    struct qr_id id;
    const char *command; /* command_bytes long, without a NUL */
    size_t command_bytes;
    const void *payload;
    size_t payload_bytes;
    bool wants_result; /* somebody on this node waits for the result */
};

/* What applying an entry gave, for whoever proposed it. */
struct qr_result {
    const void *data; /* owned by the state machine, kept until its next apply */
    size_t size_bytes;
    /* 0, or QR_ERR_REJECTED, for which any other number is taken: the state machine does not take
     * this entry, for a reason that `data` says. It must be so on every replica.
     */
    int status;
};

#ifdef __cplusplus
}
#endif

#endif
