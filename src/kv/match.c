/* match.c: a cursor that keeps to the keys with the pattern's prefix. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kv/match.h"

#include <string.h>

#include "base/assert.h"
#include "kv/glob.h"

void kv_match_begin(struct kv_match *match, const struct kv_store *store,
                    struct kv_argument pattern, const struct kv_argument *after)
{
    struct kv_argument prefix = kv_glob_prefix(pattern);
    struct kv_probe from = {prefix.data, prefix.size_bytes, 0};

    match->store = store;
    match->pattern = pattern;
    match->prefix = prefix;
    kv_tree_cursor_seek(&match->cursor, &store->keys, &from);
    const struct kv_item *first = kv_tree_cursor_item(&match->cursor);
    if (after == NULL || first == NULL) {
        return;
    }
    struct kv_probe behind = {after->data, after->size_bytes, 0};
    if (kv_probe_compare(KV_TREE_BY_KEY, &behind, first) < 0) {
        return;
    }
    kv_tree_cursor_seek(&match->cursor, &store->keys, &behind);
    first = kv_tree_cursor_item(&match->cursor);
    if (first != NULL && kv_probe_compare(KV_TREE_BY_KEY, &behind, first) == 0) {
        kv_tree_cursor_next(&match->cursor);
    }
}

const struct kv_item *kv_match_item(const struct kv_match *match)
{
    const struct kv_item *item = kv_tree_cursor_item(&match->cursor);
    size_t prefix_bytes = match->prefix.size_bytes;

    if (item == NULL || prefix_bytes == 0) {
        return item;
    }
    return item->key_bytes >= prefix_bytes &&
                   memcmp(item->data, match->prefix.data, prefix_bytes) == 0
               ? item
               : NULL;
}

bool kv_match_accepts(const struct kv_match *match, const struct kv_item *item)
{
    return !kv_store_is_due(match->store, item) && kv_glob_match(match->pattern, kv_item_key(item));
}

void kv_match_next(struct kv_match *match)
{
    kv_tree_cursor_next(&match->cursor);
}
