/* error.h: every error of Quorate, once, with its class and what it means in words.
 *
 * Owns     the list. Functions return 0 or one of these; results go through pointers and
 *          are untouched on failure.
 * Classes  CALLER: nothing happened, fix the call. PEER: drop the bytes. RETRY: nothing
 *          happened, try later. UNKNOWN: it may or may not have happened. FATAL: the object can
 *          only be freed.
 * Threads  any, callbacks included.
 * Cost     a look into the list: no lock, no allocation.
 * Source   docs/embedding.md, Propose: what to do with each class.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef QUORATE_ERROR_H
#define QUORATE_ERROR_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* clang-format off */
#define QR_ERROR_MAP(X)                                                                       \
    X(QR_ERR_INVALID,      -1, CALLER,  "an argument is out of bounds")                       \
    X(QR_ERR_NOT_LEADER,   -2, RETRY,   "this node is not the leader")                        \
    X(QR_ERR_NO_LEADER,    -3, RETRY,   "no leader is known")                                 \
    X(QR_ERR_MALFORMED,    -4, PEER,    "the bytes do not decode")                            \
    X(QR_ERR_IO,           -5, FATAL,   "the disk failed a call")                             \
    X(QR_ERR_CORRUPT,      -6, FATAL,   "stored bytes fail their checksum")                   \
    X(QR_ERR_NO_MEMORY,    -7, FATAL,   "memory ran out")                                     \
    X(QR_ERR_BUSY,         -8, RETRY,   "a limit is reached")                                 \
    X(QR_ERR_TOO_LARGE,    -9, CALLER,  "larger than the configured limit")                   \
    X(QR_ERR_TIMEOUT,     -10, UNKNOWN, "no answer in time; the outcome is unknown")          \
    X(QR_ERR_SUPERSEDED,  -11, RETRY,   "another leader's entry took the place; not applied") \
    X(QR_ERR_STOPPED,     -12, FATAL,   "the node has stopped")                               \
    X(QR_ERR_LOCKED,      -13, CALLER,  "the data directory is in use by another process")    \
    X(QR_ERR_NOT_FOUND,   -14, CALLER,  "there is no such thing")                             \
    X(QR_ERR_VERSION,     -15, CALLER,  "a format or protocol version this build cannot use") \
    X(QR_ERR_FOREIGN,     -16, CALLER,  "it belongs to another cluster or node")              \
    X(QR_ERR_DISK_FULL,   -17, RETRY,   "the disk is full; writes are refused")               \
    X(QR_ERR_PENDING,     -18, RETRY,   "a change of the configuration is in progress")       \
    X(QR_ERR_ADDRESS,     -19, CALLER,  "the address cannot be used")                         \
    X(QR_ERR_CANCELLED,   -20, UNKNOWN, "cancelled; the outcome is unknown")                  \
    X(QR_ERR_EXPIRED,     -21, UNKNOWN, "the session is over; unknown, and never again")      \
    X(QR_ERR_FORGOTTEN,   -22, UNKNOWN, "it was applied; its result is no longer kept")       \
    X(QR_ERR_SETTLED,     -23, CALLER,  "it was settled as not applied, and never will be")   \
    X(QR_ERR_MISMATCH,    -24, CALLER,  "its id was used for another command; not applied")        \
    X(QR_ERR_BEHIND,      -25, RETRY,   "that member is behind, or not heard")                \
    X(QR_ERR_QUORUM,      -26, CALLER,  "too few live voters would be left to agree")         \
    X(QR_ERR_STALE,       -27, RETRY,   "what is applied here may be older than was asked for") \
    X(QR_ERR_REJECTED,    -28, CALLER,  "the state machine rejected it, on every replica alike")  \
    X(QR_ERR_POISON,      -29, FATAL,   "entries end the process again and again")            \
    X(QR_ERR_DIVERGED,    -30, RETRY,   "this replica's state differs from the others'")       \
    X(QR_ERR_WITHDRAWN,   -31, RETRY,   "cancelled in time; not applied")
/* clang-format on */

enum qr_error {
#define X(name, value, kind, text) name = value,
    QR_ERROR_MAP(X)
#undef X
};

enum qr_error_class {
    QR_CLASS_NONE,
    QR_CLASS_CALLER,
    QR_CLASS_PEER,
    QR_CLASS_RETRY,
    QR_CLASS_UNKNOWN,
    QR_CLASS_FATAL,
};

/* Name of `error`, as "QR_ERR_BUSY"; "QR_OK" for 0, "QR_ERR_?" for a number not in the
 * list. Static.
 */
const char *qr_error_name(int error);

/* What `error` means, in a sentence without a full stop. Static. */
const char *qr_error_text(int error);

/* What a caller may do about `error`; QR_CLASS_NONE for 0. */
enum qr_error_class qr_error_class_of(int error);

/* Whether what ended with `error` was certainly not done, and never will be; else it may have
 * been, or may be yet. So of what comes to a `done`, or out of a call that waits: a proposal, a
 * session that was opened or ended, a change of the members or the leader. True for the classes
 * CALLER and RETRY; false for 0, which was done, and for a number not in the list, as a later
 * version may have.
 *
 * It is what can be said without knowing more, which may be more: a call that has a `done` and
 * returns an error itself has done nothing, whatever the error; QR_ERR_FORGOTTEN, false here, was
 * applied. Of a repeat under a session or token true speaks of this sending alone, but of
 * QR_ERR_REJECTED, QR_ERR_SETTLED and QR_ERR_MISMATCH: docs/exactly-once.md. So it is with
 * qr_settle(): but for QR_ERR_REJECTED and QR_ERR_SETTLED true says that nothing was decided, and
 * nothing of the proposal that was asked about.
 */
bool qr_error_is_certain(int error);

#ifdef __cplusplus
}
#endif

#endif
