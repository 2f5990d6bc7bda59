/* match.h: walking the keys that match a pattern, in order.
 *
 * Owns     nothing: it is good until the store changes.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KV_MATCH_H
#define KV_MATCH_H

#include "kv/store.h"

struct kv_match {
    const struct kv_store *store;
    struct kv_tree_cursor cursor;
    struct kv_argument pattern;
    struct kv_argument prefix; /* what every match begins with */
};

/* Begin at the first key above `after`, NULL: at the first of all. The pattern is borrowed. */
void kv_match_begin(struct kv_match *match, const struct kv_store *store,
                    struct kv_argument pattern, const struct kv_argument *after);

/* The item at hand, or NULL when no further key can match. */
const struct kv_item *kv_match_item(const struct kv_match *match);

/* Whether an item is not due and matches. */
bool kv_match_accepts(const struct kv_match *match, const struct kv_item *item);

/* On to the next item; there must be one at hand. */
void kv_match_next(struct kv_match *match);

#endif
