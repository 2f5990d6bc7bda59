/* options.c: parsing of what stands behind a command's key. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kv/options.h"

#include <string.h>

#include "base/assert.h"

/* The longest number: a sign and 19 digits. */
#define INTEGER_BYTES_MAX 20

#define TIME_MS_MAX (UINT64_MAX / NS_PER_MS - 1)
#define MS_PER_S 1000

const char kv_error_syntax[] = "ERR syntax error";
const char kv_error_integer[] = "ERR value is not an integer or out of range";
const char kv_error_copied[] = "ERR one transaction copies too much; this command changed nothing";
const char kv_error_size[] = "ERR string exceeds maximum allowed size (proto-max-bulk-len)";

static uint8_t upper(uint8_t byte)
{
    return byte >= 'a' && byte <= 'z' ? (uint8_t)(byte - 'a' + 'A') : byte;
}

bool kv_argument_is(const struct kv_argument *argument, const char *word)
{
    const uint8_t *bytes = argument->data;
    size_t size_bytes = strlen(word);

    if (argument->size_bytes != size_bytes) {
        return false;
    }
    for (size_t i = 0; i < size_bytes; i++) {
        if (upper(bytes[i]) != (uint8_t)word[i]) {
            return false;
        }
    }
    return true;
}

bool kv_integer_parse(const struct kv_argument *argument, int64_t *out)
{
    const uint8_t *bytes = argument->data;
    size_t size_bytes = argument->size_bytes;
    int64_t value = 0;

    if (size_bytes == 0 || size_bytes > INTEGER_BYTES_MAX) {
        return false;
    }
    if (size_bytes == 1 && bytes[0] == '0') {
        *out = 0;
        return true;
    }
    bool is_negative = bytes[0] == '-';
    size_t first = is_negative ? 1 : 0;
    if (first == size_bytes || bytes[first] == '0') {
        return false;
    }
    for (size_t i = first; i < size_bytes; i++) {
        if (bytes[i] < '0' || bytes[i] > '9') {
            return false;
        }
        int64_t digit = bytes[i] - '0';
        /* Built up with its sign, as the lowest number has no positive counterpart. */
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, is_negative ? -digit : digit, &value)) {
            return false;
        }
    }
    *out = value;
    return true;
}

struct option {
    const char *name;
    unsigned flag;
    unsigned excluded; /* options that contradict it */
    bool has_value;
};

#define TIME_BUT(flag)                                                                             \
    ((KV_OPTIONS_TIME & ~(unsigned)(flag)) | KV_OPTION_KEEPTTL | KV_OPTION_PERSIST)

static const struct option options[] = {
    {"NX", KV_OPTION_NX, KV_OPTION_XX | KV_OPTION_IFEQ, false},
    {"XX", KV_OPTION_XX, KV_OPTION_NX | KV_OPTION_IFEQ, false},
    {"IFEQ", KV_OPTION_IFEQ, KV_OPTION_NX | KV_OPTION_XX, true},
    {"GET", KV_OPTION_GET, 0, false},
    {"KEEPTTL", KV_OPTION_KEEPTTL, KV_OPTIONS_TIME | KV_OPTION_PERSIST, false},
    {"PERSIST", KV_OPTION_PERSIST, KV_OPTIONS_TIME | KV_OPTION_KEEPTTL, false},
    {"EX", KV_OPTION_EX, TIME_BUT(KV_OPTION_EX), true},
    {"PX", KV_OPTION_PX, TIME_BUT(KV_OPTION_PX), true},
    {"EXAT", KV_OPTION_EXAT, TIME_BUT(KV_OPTION_EXAT), true},
    {"PXAT", KV_OPTION_PXAT, TIME_BUT(KV_OPTION_PXAT), true},
};

static const struct option *option_find(const struct kv_argument *argument, unsigned allowed)
{
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        if ((options[i].flag & allowed) != 0 && kv_argument_is(argument, options[i].name)) {
            return &options[i];
        }
    }
    return NULL;
}

const char *kv_options_parse(const struct kv_argument *arguments, size_t count, unsigned allowed,
                             struct kv_options *out)
{
    const struct kv_argument *time = NULL;

    *out = (struct kv_options){.flags = 0};
    for (size_t i = 0; i < count; i++) {
        const struct option *option = option_find(&arguments[i], allowed);
        if (option == NULL || (out->flags & option->excluded) != 0) {
            return kv_error_syntax;
        }
        out->flags |= option->flag;
        if (!option->has_value) {
            continue;
        }
        if (++i == count) {
            return kv_error_syntax;
        }
        if (option->flag == KV_OPTION_IFEQ) {
            out->ifeq = arguments[i];
        } else {
            time = &arguments[i];
        }
    }
    /* Last, as a syntax error further on goes before a number that is none. */
    return time == NULL || kv_integer_parse(time, &out->time) ? NULL : kv_error_integer;
}

const char *kv_expire_options_parse(const struct kv_argument *arguments, size_t count,
                                    unsigned *flags, const struct kv_argument **unsupported)
{
    *flags = 0;
    *unsupported = NULL;
    for (size_t i = 0; i < count; i++) {
        if (kv_argument_is(&arguments[i], "NX")) {
            *flags |= KV_OPTION_NX;
        } else if (kv_argument_is(&arguments[i], "XX")) {
            *flags |= KV_OPTION_XX;
        } else if (kv_argument_is(&arguments[i], "GT")) {
            *flags |= KV_OPTION_GT;
        } else if (kv_argument_is(&arguments[i], "LT")) {
            *flags |= KV_OPTION_LT;
        } else {
            *unsupported = &arguments[i];
            return NULL;
        }
    }
    unsigned others = KV_OPTION_XX | KV_OPTION_GT | KV_OPTION_LT;
    if ((*flags & KV_OPTION_NX) != 0 && (*flags & others) != 0) {
        return "ERR NX and XX, GT or LT options at the same time are not compatible";
    }
    if ((*flags & KV_OPTION_GT) != 0 && (*flags & KV_OPTION_LT) != 0) {
        return "ERR GT and LT options at the same time are not compatible";
    }
    return NULL;
}

bool kv_expiry_compute(int64_t value, unsigned unit, time_ns now_ns, time_ns *out)
{
    bool is_relative = unit == KV_OPTION_EX || unit == KV_OPTION_PX;
    uint64_t base_ns = is_relative ? now_ns : 0;
    int64_t ms = value;

    ASSERT((unit & KV_OPTIONS_TIME) == unit);
    if ((unit == KV_OPTION_EX || unit == KV_OPTION_EXAT) &&
        __builtin_mul_overflow(value, MS_PER_S, &ms)) {
        return false;
    }
    if (ms >= 0) {
        if ((uint64_t)ms > TIME_MS_MAX - base_ns / NS_PER_MS) {
            return false;
        }
        *out = max_u64(base_ns + (uint64_t)ms * NS_PER_MS, 1);
        return true;
    }
    uint64_t back_ms = (uint64_t)0 - (uint64_t)ms;
    *out = back_ms >= base_ns / NS_PER_MS ? 1 : base_ns - back_ms * NS_PER_MS;
    return true;
}
