/* words.c: arguments of commands as words and numbers. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "server/internal.h"

static char upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

bool word_is(const struct kv_argument *argument, const char *word)
{
    const char *data = argument->data;

    for (size_t i = 0; i < argument->size_bytes; i++) {
        if (word[i] == '\0' || upper(data[i]) != word[i]) {
            return false;
        }
    }
    return word[argument->size_bytes] == '\0';
}

bool word_number(const struct kv_argument *argument, uint64_t *out)
{
    const char *data = argument->data;
    uint64_t value = 0;

    if (argument->size_bytes == 0 || argument->size_bytes > 20) {
        return false;
    }
    for (size_t i = 0; i < argument->size_bytes; i++) {
        if (data[i] < '0' || data[i] > '9' || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(data[i] - '0'), &value)) {
            return false;
        }
    }
    *out = value;
    return true;
}

void word_text(struct text *text, const struct kv_argument *argument, size_t bytes_max)
{
    const uint8_t *data = argument->data;

    for (size_t i = 0; i < argument->size_bytes && i < bytes_max; i++) {
        text_char(text, data[i] < ' ' || data[i] == 0x7f ? ' ' : (char)data[i]);
    }
}
