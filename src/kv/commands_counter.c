/* commands_counter.c: commands that take a value as a decimal number. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/text.h"
#include "kv/command.h"

#define INTEGER_TEXT_BYTES 24

static int count_by(const struct kv_call *call, int64_t step)
{
    const struct kv_item *item = kv_store_find(call->store, call->arguments[1]);
    int64_t value = 0;
    char data[INTEGER_TEXT_BYTES];
    struct text text = text_of(data, sizeof(data));

    if (item != NULL) {
        struct kv_argument present = kv_item_value(item);
        if (!kv_integer_parse(&present, &value)) {
            return kv_reply_error(call, kv_error_integer);
        }
    }
    if (__builtin_add_overflow(value, step, &value)) {
        return kv_reply_error(call, "ERR increment or decrement would overflow");
    }
    text_i64(&text, value);
    ASSERT(!text.truncated);
    (void)kv_reply_integer(call, value);
    return kv_call_set(call, call->arguments[1], (struct kv_argument){data, text.length},
                       item == NULL ? 0 : item->expires_ns);
}

/* The number in the third argument, which kv_check() has seen. */
static int64_t step_of(const struct kv_call *call)
{
    int64_t step;
    bool is_integer = kv_integer_parse(&call->arguments[2], &step);

    ASSERT(is_integer);
    return step;
}

int kv_execute_incr(struct kv_call *call)
{
    return count_by(call, 1);
}

int kv_execute_decr(struct kv_call *call)
{
    return count_by(call, -1);
}

int kv_execute_incrby(struct kv_call *call)
{
    return count_by(call, step_of(call));
}

int kv_execute_decrby(struct kv_call *call)
{
    int64_t step = step_of(call);

    ASSERT(step != INT64_MIN);
    return count_by(call, -step);
}
