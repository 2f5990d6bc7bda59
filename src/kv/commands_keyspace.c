/* commands_keyspace.c: commands about keys as such, and about all of them. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "kv/command.h"
#include "kv/match.h"

int kv_execute_del(struct kv_call *call)
{
    int64_t count = 0;

    for (size_t i = 1; i < call->count; i++) {
        if (kv_store_find(call->store, call->arguments[i]) == NULL) {
            continue;
        }
        int error = kv_store_remove(call->store, call->arguments[i]);
        if (error != 0) {
            return error;
        }
        count++;
    }
    return kv_reply_integer(call, count);
}

int kv_execute_unlink(struct kv_call *call)
{
    return kv_execute_del(call);
}

int kv_execute_exists(struct kv_call *call)
{
    int64_t count = 0;

    for (size_t i = 1; i < call->count; i++) {
        count += kv_store_find(call->store, call->arguments[i]) != NULL;
    }
    return kv_reply_integer(call, count);
}

int kv_execute_touch(struct kv_call *call)
{
    return kv_execute_exists(call);
}

int kv_execute_type(struct kv_call *call)
{
    const struct kv_item *item = kv_store_find(call->store, call->arguments[1]);

    call->reply->status(call->reply->context, item == NULL ? "none" : "string");
    return 0;
}

int kv_execute_keys(struct kv_call *call)
{
    struct kv_match match;
    const struct kv_item *item;
    size_t count = 0;
    size_t size_bytes = 0;

    /* An array begins with its length, and to match twice takes no memory. */
    kv_match_begin(&match, call->store, call->arguments[1], NULL);
    for (; (item = kv_match_item(&match)) != NULL; kv_match_next(&match)) {
        bool is_accepted = kv_match_accepts(&match, item);
        count += is_accepted ? 1 : 0;
        size_bytes += is_accepted ? item->key_bytes : 0;
    }
    if (size_bytes > call->reply_bytes_max) {
        return kv_reply_error(call, KV_REPLY_TOO_LONG);
    }
    call->reply->array(call->reply->context, count);
    kv_match_begin(&match, call->store, call->arguments[1], NULL);
    for (; (item = kv_match_item(&match)) != NULL; kv_match_next(&match)) {
        if (kv_match_accepts(&match, item)) {
            call->reply->bulk(call->reply->context, item->data, item->key_bytes);
        }
    }
    return 0;
}

int kv_execute_dbsize(struct kv_call *call)
{
    return kv_reply_integer(call, (int64_t)kv_store_count(call->store));
}

/* Any key with the same chance, unless there are due keys still to be removed: the key behind
 * one of those is taken in its place.
 */
int kv_execute_randomkey(struct kv_call *call)
{
    const struct kv_tree *keys = &call->store->keys;

    if (kv_store_count(call->store) == 0) {
        return kv_reply_item(call, NULL);
    }
    const struct kv_item *item = kv_tree_select(keys, call->random % kv_tree_count(keys));
    struct kv_probe probe = {item->data, item->key_bytes, 0};
    struct kv_tree_cursor cursor;
    kv_tree_cursor_seek(&cursor, keys, &probe);
    while (kv_store_is_due(call->store, kv_tree_cursor_item(&cursor))) {
        kv_tree_cursor_next(&cursor);
        if (kv_tree_cursor_item(&cursor) == NULL) {
            kv_tree_cursor_seek(&cursor, keys, NULL);
        }
    }
    item = kv_tree_cursor_item(&cursor);
    call->reply->bulk(call->reply->context, item->data, item->key_bytes);
    return 0;
}

int kv_execute_flushall(struct kv_call *call)
{
    kv_store_clear(call->store);
    return kv_reply_ok(call);
}

/* A step of SCAN needs the place where the one before it ended, which kv_scan() is told. */
int kv_execute_scan(struct kv_call *call)
{
    return kv_reply_error(call, "ERR SCAN cannot be used here");
}
