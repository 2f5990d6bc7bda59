/* commands_expiry.c: commands about how long keys live. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/text.h"
#include "kv/command.h"

#define NO_SUCH_KEY (-2)
#define NO_EXPIRY (-1)
#define MS_PER_S 1000
#define ERROR_TEXT_BYTES 160

/* Redis's rounding of milliseconds to seconds. */
static int64_t seconds_of(int64_t ms)
{
    return (ms + MS_PER_S / 2) / MS_PER_S;
}

static int reply_time_left(const struct kv_call *call, bool in_seconds)
{
    const struct kv_item *item = kv_store_find(call->store, call->arguments[1]);

    if (item == NULL) {
        return kv_reply_integer(call, NO_SUCH_KEY);
    }
    if (item->expires_ns == 0) {
        return kv_reply_integer(call, NO_EXPIRY);
    }
    uint64_t left_ns = item->expires_ns - min_u64(item->expires_ns, call->now_ns);
    int64_t left_ms = (int64_t)(left_ns / NS_PER_MS);
    return kv_reply_integer(call, in_seconds ? seconds_of(left_ms) : left_ms);
}

int kv_execute_ttl(struct kv_call *call)
{
    return reply_time_left(call, true);
}

int kv_execute_pttl(struct kv_call *call)
{
    return reply_time_left(call, false);
}

static int reply_expiry(const struct kv_call *call, bool in_seconds)
{
    const struct kv_item *item = kv_store_find(call->store, call->arguments[1]);

    if (item == NULL) {
        return kv_reply_integer(call, NO_SUCH_KEY);
    }
    if (item->expires_ns == 0) {
        return kv_reply_integer(call, NO_EXPIRY);
    }
    int64_t ms = (int64_t)(item->expires_ns / NS_PER_MS);
    return kv_reply_integer(call, in_seconds ? seconds_of(ms) : ms);
}

int kv_execute_expiretime(struct kv_call *call)
{
    return reply_expiry(call, true);
}

int kv_execute_pexpiretime(struct kv_call *call)
{
    return reply_expiry(call, false);
}

/* The argument itself goes into the text, so a long one is cut, and a line end is none. */
static int reply_unsupported(const struct kv_call *call, const struct kv_argument *option)
{
    const uint8_t *bytes = option->data;
    char data[ERROR_TEXT_BYTES];
    struct text text = text_of(data, sizeof(data));

    text_string(&text, "ERR Unsupported option ");
    for (size_t i = 0; i < option->size_bytes && bytes[i] != 0 && !text.truncated; i++) {
        text_char(&text, bytes[i] == '\r' || bytes[i] == '\n' ? ' ' : (char)bytes[i]);
    }
    return kv_reply_error(call, data);
}

/* Whether NX, XX, GT and LT let an expiry time be replaced by another; 0 is none, and counts
 * as never.
 */
static bool expire_is_wanted(unsigned flags, time_ns present_ns, time_ns wanted_ns)
{
    time_ns never_ns = present_ns == 0 ? TIME_NEVER : present_ns;

    if ((flags & KV_OPTION_NX) != 0 && present_ns != 0) {
        return false;
    }
    if ((flags & KV_OPTION_XX) != 0 && present_ns == 0) {
        return false;
    }
    if ((flags & KV_OPTION_GT) != 0 && wanted_ns <= never_ns) {
        return false;
    }
    return (flags & KV_OPTION_LT) == 0 || wanted_ns < never_ns;
}

static int expire(const struct kv_call *call, unsigned unit)
{
    unsigned flags;
    const struct kv_argument *unsupported;
    int64_t value;
    time_ns expires_ns;
    const char *error =
        kv_expire_options_parse(call->arguments + 3, call->count - 3, &flags, &unsupported);

    ASSERT(error == NULL);
    if (unsupported != NULL) {
        return reply_unsupported(call, unsupported);
    }
    bool is_integer = kv_integer_parse(&call->arguments[2], &value);
    ASSERT(is_integer);
    if (!kv_expiry_compute(value, unit, call->now_ns, &expires_ns)) {
        return kv_reply_error(call, call->expire_error);
    }
    const struct kv_item *item = kv_store_find(call->store, call->arguments[1]);
    if (item == NULL || !expire_is_wanted(flags, item->expires_ns, expires_ns)) {
        return kv_reply_integer(call, 0);
    }
    (void)kv_reply_integer(call, 1);
    return kv_call_set(call, call->arguments[1], kv_item_value(item), expires_ns);
}

int kv_execute_expire(struct kv_call *call)
{
    return expire(call, KV_OPTION_EX);
}

int kv_execute_pexpire(struct kv_call *call)
{
    return expire(call, KV_OPTION_PX);
}

int kv_execute_expireat(struct kv_call *call)
{
    return expire(call, KV_OPTION_EXAT);
}

int kv_execute_pexpireat(struct kv_call *call)
{
    return expire(call, KV_OPTION_PXAT);
}

int kv_execute_persist(struct kv_call *call)
{
    const struct kv_item *item = kv_store_find(call->store, call->arguments[1]);

    if (item == NULL || item->expires_ns == 0) {
        return kv_reply_integer(call, 0);
    }
    (void)kv_reply_integer(call, 1);
    return kv_call_set(call, call->arguments[1], kv_item_value(item), 0);
}
