/* keys.h: the secret of a cluster, changed while it runs.
 *
 * A node opened with qr_engine_options.secret_file has up to QR_KEYS_MAX keys: it sends with the
 * first and takes what comes under any. To change the secret without a gap: QR_KEYS_ADD the new
 * key on every node, then QR_KEYS_USE on every node, then QR_KEYS_REMOVE the old one on every
 * node (docs/security.md). Each step may be repeated.
 *
 * Threads  as in engine.h.
 * Cost     qr_keys() but for QR_KEYS_LIST writes the file and syncs it, in the background;
 *          qr_key_name() is one SHA-256.
 * Source   docs/security.md.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef QUORATE_KEYS_H
#define QUORATE_KEYS_H

#include "quorate/engine.h"

#ifdef __cplusplus
extern "C" {
#endif

#define QR_KEYS_MAX 8
#define QR_KEY_ID_BYTES 9 /* 8 hexadecimal digits and a NUL: the beginning of its SHA-256 */
#define QR_KEY_BYTES_MAX 256

enum qr_keys_action {
    QR_KEYS_LIST,
    QR_KEYS_ADD,    /* take what comes under it */
    QR_KEYS_USE,    /* and send with it: it must be there */
    QR_KEYS_REMOVE, /* one that is not used to send */
};

/* The keys that there are, by name; the first is used to send. */
struct qr_keys {
    size_t count;
    char ids[QR_KEYS_MAX][QR_KEY_ID_BYTES];
};

/* How it ended: 0, also when there was nothing to do; or, with the node's keys unchanged,
 *   QR_ERR_INVALID    it is no key, or to be removed and used to send.
 *   QR_ERR_NOT_FOUND  the node has no secret, or not that key.
 *   QR_ERR_TOO_LARGE  there are QR_KEYS_MAX keys.
 *   QR_ERR_MISMATCH   the file holds other keys than this node read from it.
 *   QR_ERR_BUSY       another change is under way, or memory ran out.
 *   QR_ERR_IO         the file could not be written, or not synced.
 *   QR_ERR_STOPPED
 *
 * After QR_ERR_IO and QR_ERR_BUSY the file may hold the new keys, which the node would begin with
 * when it is restarted: repeat the same step, which brings both together. Otherwise nothing was
 * written either.
 *
 * reason   a sentence, without any key; borrowed until return, as `keys`: those there are now.
 */
typedef void qr_keys_done(void *argument, int status, const char *reason,
                          const struct qr_keys *keys);

/* The name of a key as it is written, or, where is_name_taken, of what is such a name already.
 *
 * key   key_bytes, borrowed until return.
 * id    the caller's; set to the name, with a NUL.
 *
 * Returns 0, QR_ERR_INVALID: it is neither, or QR_ERR_NO_MEMORY.
 */
int qr_key_name(const char *key, size_t key_bytes, bool is_name_taken, char id[QR_KEY_ID_BYTES]);

/* List or change the keys of this node. The secret file is rewritten and synced first; then the
 * change holds at once. Connections that are open stay open.
 *
 * key    key_bytes, as in the file; to use or remove one its name will do. Borrowed until return;
 *        copied.
 *        For QR_KEYS_LIST it is not looked at.
 * done   called exactly once, never from within this call, unless it returns an error.
 *
 * Returns 0, QR_ERR_INVALID (NULL, or an action that is none), QR_ERR_TOO_LARGE (the key),
 * QR_ERR_BUSY or QR_ERR_STOPPED.
 */
int qr_keys(struct qr_engine *engine, enum qr_keys_action action, const char *key, size_t key_bytes,
            qr_keys_done *done, void *argument);

#ifdef __cplusplus
}
#endif

#endif
