/* keyring.h: the cluster's secret: its keys, their file, and datagrams sealed with them.
 *
 * Owns     up to KEYRING_KEYS_MAX keys, of which the first is used to send and all to receive,
 *          the ciphers made of them, and for each sender that proved itself which of its
 *          packets came already.
 * Does not know an address, a socket, or what it seals.
 * Threads  one caller at a time; nothing inside is locked.
 * Format   of a sealed packet: docs/wire-format.md; of the file: docs/security.md. What it
 *          protects, and from what: docs/security.md.
 *
 * No function writes a key, or a part of one, into a detail, a log line or an answer. A key is
 * named by the first 8 hexadecimal digits of its SHA-256.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_KEYRING_H
#define RUNTIME_KEYRING_H

#include "base/allocator.h"
#include "base/types.h"

#define KEYRING_DETAIL_BYTES 512
#define KEYRING_PATH_BYTES_MAX 4096
#define KEYRING_KEYS_MAX 8
#define KEYRING_KEY_BYTES 32
#define KEYRING_ID_BYTES 4
#define KEYRING_ID_TEXT_BYTES (2 * KEYRING_ID_BYTES + 1)
#define KEYRING_TEXT_BYTES_MIN 16 /* of a key that is words */
#define KEYRING_TEXT_BYTES_MAX 256
#define KEYRING_FILE_BYTES_MAX 16384

/* What sealing adds: magic, key id, sender's boot id, counter; and the tag. */
#define KEYRING_HEADER_BYTES 20
#define KEYRING_TAG_BYTES 16
#define KEYRING_SEAL_BYTES (KEYRING_HEADER_BYTES + KEYRING_TAG_BYTES)

#define KEYRING_WINDOW 256       /* counters below the highest of a sender that may still come */
#define KEYRING_SENDERS_MAX 4096 /* that are remembered; beyond, the quietest is forgotten */

struct keyring_key {
    uint8_t bytes[KEYRING_KEY_BYTES];
};

/* A key's name: of its SHA-256. */
struct keyring_id {
    uint8_t bytes[KEYRING_ID_BYTES];
};

struct keyring;

/* keyring_file.c: pure but for the cryptography. */

/* A key as it is written: base64 or hexadecimal of 32 bytes, or else KEYRING_TEXT_BYTES_MIN to
 * KEYRING_TEXT_BYTES_MAX other bytes without control characters, from which it is derived.
 *
 * Returns 0, QR_ERR_INVALID: it is no key, and `out` is undefined; or QR_ERR_NO_MEMORY.
 */
NODISCARD int keyring_key_parse(const char *text, size_t size_bytes, struct keyring_key *out);

/* Read the bytes of a file of keys: one a line, empty lines and those that begin with # aside.
 *
 * keys     room for KEYRING_KEYS_MAX.
 * detail   of KEYRING_DETAIL_BYTES; on failure what is wrong and in which line, never what it says.
 *
 * Returns 0 with 1 to KEYRING_KEYS_MAX different keys, QR_ERR_INVALID or QR_ERR_NO_MEMORY.
 */
NODISCARD int keyring_parse(const char *text, size_t size_bytes, struct keyring_key *keys,
                            size_t *count, char *detail);

/* The name of a key. */
struct keyring_id keyring_id_of(const struct keyring_key *key);
void keyring_id_text(struct keyring_id id, char out[KEYRING_ID_TEXT_BYTES]);

/* Read a file of keys.
 *
 * Returns 0, QR_ERR_INVALID: no file of keys, or others than owner and group may read it or
 * others than the owner write it; QR_ERR_IO: it cannot be read; QR_ERR_NO_MEMORY.
 */
NODISCARD int keyring_file_read(const char *path, struct keyring_key *keys, size_t *count,
                                char *detail);

/* Put these keys in the place of the file: another beside it, PATH.new, synced, renamed, and the
 * folder synced. Who may read it stays as it was; comments do not. A crash may leave PATH.new, with
 * keys, until the next change.
 *
 * Returns 0, or QR_ERR_IO with the old file in its place (also when somebody else is writing into
 * that folder just now), except when only the folder's sync
 * failed: then either may be found behind a power loss.
 */
NODISCARD int keyring_file_write(const char *path, const struct keyring_key *keys, size_t count,
                                 char *detail);

/* keyring.c */

/* A keyring of these keys.
 *
 * Returns 0, or QR_ERR_NO_MEMORY with nothing left behind.
 */
NODISCARD int keyring_new(const struct allocator *allocator, const struct keyring_key *keys,
                          size_t count, struct keyring **out);

/* Wipe the keys and free. NULL is allowed. */
void keyring_free(struct keyring *keyring);

/* Have these keys from now on; the first is used to send. Whoever proved itself by a key that
 * stays, or that is gone, is remembered: what it sent once is not taken twice.
 *
 * Returns 0, or QR_ERR_NO_MEMORY with nothing changed.
 */
NODISCARD int keyring_set(struct keyring *keyring, const struct keyring_key *keys, size_t count);

/* The keys there are: their count; the first is used to send. */
size_t keyring_keys(const struct keyring *keyring, struct keyring_key keys[KEYRING_KEYS_MAX]);

/* Whether there is a key of that name, and which. */
bool keyring_find(const struct keyring *keyring, struct keyring_id id, struct keyring_key *out);

/* Seal bytes with the first key.
 *
 * out, out_bytes   room for size_bytes + KEYRING_SEAL_BYTES: asserted. Must not overlap `in`.
 *
 * Returns how many bytes of `out` it takes; 0 when the library failed: then nothing may be sent.
 * Cost: no allocation; about 1 us for a kilobyte.
 */
size_t keyring_seal(struct keyring *keyring, const uint8_t *in, size_t size_bytes, uint8_t *out,
                    size_t out_bytes);

/* Open what another node, which has one of our keys, sealed; once.
 *
 * in    anything: it comes from outside.
 * out   room for size_bytes - KEYRING_SEAL_BYTES; what is in it on failure is nobody's word.
 *
 * Returns 0 with *opened_bytes set, or, counted and with nothing changed:
 *   QR_ERR_MALFORMED  no sealed packet: too short, or without the magic
 *   QR_ERR_FOREIGN    sealed with a key we have not
 *   QR_ERR_CORRUPT    changed on its way, or forged
 *   QR_ERR_STALE      it came before, is further behind its sender than the window, or our own
 *   QR_ERR_TOO_LARGE  larger than out_bytes
 *
 * Cost: no allocation.
 */
NODISCARD int keyring_open(struct keyring *keyring, const uint8_t *in, size_t size_bytes,
                           uint8_t *out, size_t out_bytes, size_t *opened_bytes);

/* X(name, "what it counts") */
#define KEYRING_STATS_MAP(X)                                                                       \
    X(sealed, "packets sealed")                                                                    \
    X(opened, "packets opened")                                                                    \
    X(malformed, "no sealed packets")                                                              \
    X(foreign, "packets under unknown keys")                                                       \
    X(forged, "packets with a wrong tag")                                                          \
    X(replayed, "packets that came before, or too late")                                           \
    X(forgotten, "senders forgotten for want of room")

struct keyring_stats {
#define X(name, text) uint64_t name;
    KEYRING_STATS_MAP(X)
#undef X
};

struct keyring_stats keyring_stats(const struct keyring *keyring);

/* Derive KEYRING_KEY_BYTES of a secret for one purpose (HKDF-SHA256, RFC 5869, without salt): what
 * is known of one tells nothing of another. Returns 0 or QR_ERR_NO_MEMORY.
 */
#define KEYRING_FOR_TEXT "quorate key of text 1"
#define KEYRING_FOR_PACKETS "quorate packets 1"
#define KEYRING_FOR_TLS "quorate tls 1"
NODISCARD int keyring_derive(const void *secret, size_t size_bytes, const char *purpose,
                             uint8_t out[KEYRING_KEY_BYTES]);

/* Overwrite a secret, for certain. */
void keyring_wipe(void *secret, size_t size_bytes);

#endif
