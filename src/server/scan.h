/* scan.h: the numbers that SCAN hands out, and the keys they stand for.
 *
 * Owns     the last key of every scan under way, up to SCAN_CURSORS_MAX of them and
 *          SCAN_BYTES_MAX in all; past it the one not used for longest is forgotten.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_SCAN_H
#define SERVER_SCAN_H

#include "kv/kv.h"

#define SCAN_CURSORS_MAX 4096
#define SCAN_BYTES_MAX (16 * 1024 * 1024)

struct scan_cursor {
    uint64_t number; /* 0: the place is free */
    uint8_t *key;
    uint32_t key_bytes;
    uint32_t newer; /* neighbours in the order of use; SCAN_CURSORS_MAX: none */
    uint32_t older;
};

struct scan_table {
    struct scan_cursor *cursors; /* NULL until the first scan that has more to give */
    uint32_t newest;
    uint32_t oldest;
    size_t key_bytes; /* of all keys */
};

void scan_table_deinit(struct scan_table *table);

/* Keep a copy of `key` under a number made of `random`, never 0.
 * Returns the number, or 0 when memory ran out.
 */
uint64_t scan_table_put(struct scan_table *table, const struct kv_argument *key, uint64_t random);

/* The key of a number, borrowed until the next call; false when it is not known. It stays
 * known: a client may ask again for a step whose answer it lost.
 */
bool scan_table_get(struct scan_table *table, uint64_t number, struct kv_argument *key);

#endif
