/* commands_string.c: commands that read and write whole values or parts of them. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "kv/command.h"
#include "quorate/error.h"

static bool arguments_equal(struct kv_argument a, struct kv_argument b)
{
    return a.size_bytes == b.size_bytes &&
           (a.size_bytes == 0 || memcmp(a.data, b.data, a.size_bytes) == 0);
}

int kv_call_set(const struct kv_call *call, struct kv_argument key, struct kv_argument value,
                time_ns expires_ns)
{
    struct kv_item *item = kv_item_make(&call->store->memory, key, value, expires_ns);

    return item == NULL ? QR_ERR_NO_MEMORY : kv_store_put(call->store, item);
}

int kv_execute_get(struct kv_call *call)
{
    return kv_reply_item(call, kv_store_find(call->store, call->arguments[1]));
}

/* Whether NX, XX and IFEQ let a key with this item, or none, be set. */
static bool set_is_wanted(const struct kv_options *options, const struct kv_item *item)
{
    if ((options->flags & KV_OPTION_NX) != 0 && item != NULL) {
        return false;
    }
    if ((options->flags & KV_OPTION_XX) != 0 && item == NULL) {
        return false;
    }
    return (options->flags & KV_OPTION_IFEQ) == 0 ||
           (item != NULL && arguments_equal(kv_item_value(item), options->ifeq));
}

int kv_execute_set(struct kv_call *call)
{
    struct kv_options options;
    time_ns expires_ns = 0;
    const char *error =
        kv_options_parse(call->arguments + 3, call->count - 3, KV_OPTIONS_SET, &options);

    ASSERT(error == NULL);
    if ((options.flags & KV_OPTIONS_TIME) != 0 &&
        !kv_expiry_compute(options.time, options.flags & KV_OPTIONS_TIME, call->now_ns,
                           &expires_ns)) {
        return kv_reply_error(call, call->expire_error);
    }
    if (options.flags == 0) {
        (void)kv_reply_ok(call);
        return kv_call_set(call, call->arguments[1], call->arguments[2], 0);
    }
    const struct kv_item *item = kv_store_find(call->store, call->arguments[1]);
    bool is_wanted = set_is_wanted(&options, item);
    if ((options.flags & KV_OPTION_GET) != 0 || !is_wanted) {
        (void)kv_reply_item(call, (options.flags & KV_OPTION_GET) != 0 ? item : NULL);
    } else {
        (void)kv_reply_ok(call);
    }
    if (!is_wanted) {
        return 0;
    }
    if ((options.flags & KV_OPTION_KEEPTTL) != 0 && item != NULL) {
        expires_ns = item->expires_ns;
    }
    return kv_call_set(call, call->arguments[1], call->arguments[2], expires_ns);
}

int kv_execute_setnx(struct kv_call *call)
{
    if (kv_store_find(call->store, call->arguments[1]) != NULL) {
        return kv_reply_integer(call, 0);
    }
    (void)kv_reply_integer(call, 1);
    return kv_call_set(call, call->arguments[1], call->arguments[2], 0);
}

static int set_expiring(struct kv_call *call, unsigned unit)
{
    int64_t value;
    time_ns expires_ns;
    bool is_integer = kv_integer_parse(&call->arguments[2], &value);

    ASSERT(is_integer);
    if (!kv_expiry_compute(value, unit, call->now_ns, &expires_ns)) {
        return kv_reply_error(call, call->expire_error);
    }
    (void)kv_reply_ok(call);
    return kv_call_set(call, call->arguments[1], call->arguments[3], expires_ns);
}

int kv_execute_setex(struct kv_call *call)
{
    return set_expiring(call, KV_OPTION_EX);
}

int kv_execute_psetex(struct kv_call *call)
{
    return set_expiring(call, KV_OPTION_PX);
}

int kv_execute_getset(struct kv_call *call)
{
    (void)kv_reply_item(call, kv_store_find(call->store, call->arguments[1]));
    return kv_call_set(call, call->arguments[1], call->arguments[2], 0);
}

int kv_execute_getdel(struct kv_call *call)
{
    const struct kv_item *item = kv_store_find(call->store, call->arguments[1]);

    (void)kv_reply_item(call, item);
    return item == NULL ? 0 : kv_store_remove(call->store, call->arguments[1]);
}

int kv_execute_getex(struct kv_call *call)
{
    struct kv_options options;
    const struct kv_item *item = kv_store_find(call->store, call->arguments[1]);
    time_ns expires_ns = 0;
    const char *error =
        kv_options_parse(call->arguments + 2, call->count - 2, KV_OPTIONS_GETEX, &options);

    ASSERT(error == NULL);
    if (item == NULL) {
        return kv_reply_item(call, NULL);
    }
    if ((options.flags & KV_OPTIONS_TIME) != 0 &&
        !kv_expiry_compute(options.time, options.flags & KV_OPTIONS_TIME, call->now_ns,
                           &expires_ns)) {
        return kv_reply_error(call, call->expire_error);
    }
    (void)kv_reply_item(call, item);
    if (options.flags == 0 || item->expires_ns == expires_ns) {
        return 0;
    }
    return kv_call_set(call, call->arguments[1], kv_item_value(item), expires_ns);
}

/* A value may be asked for many times over: what is too long is refused before it is copied. */
int kv_execute_mget(struct kv_call *call)
{
    size_t size_bytes = 0;

    for (size_t i = 1; i < call->count; i++) {
        const struct kv_item *item = kv_store_find(call->store, call->arguments[i]);
        size_bytes += item == NULL ? 0 : item->value_bytes;
    }
    if (size_bytes > call->reply_bytes_max) {
        return kv_reply_error(call, KV_REPLY_TOO_LONG);
    }
    call->reply->array(call->reply->context, call->count - 1);
    for (size_t i = 1; i < call->count; i++) {
        (void)kv_reply_item(call, kv_store_find(call->store, call->arguments[i]));
    }
    return 0;
}

static int set_pairs(const struct kv_call *call)
{
    for (size_t i = 1; i + 1 < call->count; i += 2) {
        int error = kv_call_set(call, call->arguments[i], call->arguments[i + 1], 0);
        if (error != 0) {
            return error;
        }
    }
    return 0;
}

int kv_execute_mset(struct kv_call *call)
{
    (void)kv_reply_ok(call);
    return set_pairs(call);
}

int kv_execute_msetnx(struct kv_call *call)
{
    for (size_t i = 1; i < call->count; i += 2) {
        if (kv_store_find(call->store, call->arguments[i]) != NULL) {
            return kv_reply_integer(call, 0);
        }
    }
    (void)kv_reply_integer(call, 1);
    return set_pairs(call);
}

int kv_execute_strlen(struct kv_call *call)
{
    const struct kv_item *item = kv_store_find(call->store, call->arguments[1]);

    return kv_reply_integer(call, item == NULL ? 0 : (int64_t)item->value_bytes);
}

/* Write `part` over the value of `item`, or of a new key, from `offset` on; what lies between
 * its end and there becomes zeros.
 */
static int overwrite(const struct kv_call *call, const struct kv_item *item, size_t offset,
                     struct kv_argument part)
{
    size_t old_bytes = item == NULL ? 0 : item->value_bytes;
    size_t size_bytes = offset + part.size_bytes;
    time_ns expires_ns = item == NULL ? 0 : item->expires_ns;

    if (size_bytes < old_bytes) {
        size_bytes = old_bytes;
    }
    /* A few bytes of a command may copy a value as long as any: all of them are one turn. */
    if (call->copied_bytes != NULL) {
        if (size_bytes > KV_EXEC_COPIED_BYTES_MAX - *call->copied_bytes) {
            return kv_reply_error(call, kv_error_copied);
        }
        *call->copied_bytes += size_bytes;
    }
    struct kv_item *changed =
        kv_item_new(&call->store->memory, call->arguments[1], size_bytes, expires_ns);
    if (changed == NULL) {
        return QR_ERR_NO_MEMORY;
    }
    uint8_t *value = kv_item_value_mutable(changed);
    if (old_bytes > 0) {
        memcpy(value, kv_item_value(item).data, old_bytes);
    }
    if (offset > old_bytes) {
        memset(value + old_bytes, 0, offset - old_bytes);
    }
    if (part.size_bytes > 0) {
        memcpy(value + offset, part.data, part.size_bytes);
    }
    kv_item_seal(changed);
    (void)kv_reply_integer(call, (int64_t)size_bytes);
    return kv_store_put(call->store, changed);
}

int kv_execute_append(struct kv_call *call)
{
    const struct kv_item *item = kv_store_find(call->store, call->arguments[1]);
    size_t old_bytes = item == NULL ? 0 : item->value_bytes;

    if (old_bytes + call->arguments[2].size_bytes > KV_GROWN_VALUE_BYTES_MAX) {
        return kv_reply_error(call, kv_error_size);
    }
    return overwrite(call, item, old_bytes, call->arguments[2]);
}

int kv_execute_setrange(struct kv_call *call)
{
    const struct kv_item *item = kv_store_find(call->store, call->arguments[1]);
    struct kv_argument part = call->arguments[3];
    int64_t offset;
    bool is_integer = kv_integer_parse(&call->arguments[2], &offset);

    ASSERT(is_integer);
    ASSERT(offset >= 0);
    if (part.size_bytes == 0) {
        return kv_reply_integer(call, item == NULL ? 0 : (int64_t)item->value_bytes);
    }
    if (part.size_bytes > KV_GROWN_VALUE_BYTES_MAX ||
        (uint64_t)offset > KV_GROWN_VALUE_BYTES_MAX - part.size_bytes) {
        return kv_reply_error(call, kv_error_size);
    }
    return overwrite(call, item, (size_t)offset, part);
}

/* A position as GETRANGE counts, negative from the end, within [0, length]. */
static int64_t range_position(int64_t position, int64_t length)
{
    if (position < 0) {
        position = position < -length ? 0 : position + length;
    }
    return position > length ? length : position;
}

int kv_execute_getrange(struct kv_call *call)
{
    const struct kv_item *item = kv_store_find(call->store, call->arguments[1]);
    int64_t length = item == NULL ? 0 : (int64_t)item->value_bytes;
    int64_t start;
    int64_t end;
    bool are_integers = kv_integer_parse(&call->arguments[2], &start) &&
                        kv_integer_parse(&call->arguments[3], &end);

    ASSERT(are_integers);
    /* Both before the beginning and the wrong way round, they would be clamped to one byte. */
    bool is_empty = length == 0 || (start < 0 && end < 0 && start > end);
    start = range_position(start, length);
    end = range_position(end, length);
    if (end == length) {
        end--;
    }
    if (is_empty || start > end) {
        call->reply->bulk(call->reply->context, "", 0);
        return 0;
    }
    const uint8_t *value = kv_item_value(item).data;
    call->reply->bulk(call->reply->context, value + start, (size_t)(end - start + 1));
    return 0;
}
