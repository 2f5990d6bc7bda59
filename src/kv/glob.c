/* glob.c: matching by going back to the last `*` alone: an earlier one never needs to take
 * more than it did, so nothing is tried twice from two stars.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kv/glob.h"

/* Match `byte` with the set whose `[` is at `at`; `next` is set behind the set. */
static bool set_match(const uint8_t *pattern, size_t size_bytes, size_t at, uint8_t byte,
                      size_t *next)
{
    bool is_negated = ++at < size_bytes && pattern[at] == '^';
    bool is_member = false;

    if (is_negated) {
        at++;
    }
    for (; at < size_bytes && pattern[at] != ']'; at++) {
        uint8_t low = pattern[at];
        uint8_t high = low;
        if (low == '\\' && at + 1 < size_bytes) {
            low = high = pattern[++at];
        } else if (at + 2 < size_bytes && pattern[at + 1] == '-') {
            high = pattern[at + 2];
            at += 2;
        }
        if (low > high) {
            uint8_t swap = low;
            low = high;
            high = swap;
        }
        is_member = is_member || (byte >= low && byte <= high);
    }
    *next = at < size_bytes ? at + 1 : at;
    return is_member != is_negated;
}

/* Match one byte with what stands at `at`, which is no `*`; `next` is set behind it. */
static bool step_match(const uint8_t *pattern, size_t size_bytes, size_t at, uint8_t byte,
                       size_t *next)
{
    if (pattern[at] == '[') {
        return set_match(pattern, size_bytes, at, byte, next);
    }
    if (pattern[at] == '?') {
        *next = at + 1;
        return true;
    }
    if (pattern[at] == '\\' && at + 1 < size_bytes) {
        at++;
    }
    *next = at + 1;
    return pattern[at] == byte;
}

bool kv_glob_match(struct kv_argument pattern, struct kv_argument text)
{
    const uint8_t *pattern_bytes = pattern.data;
    const uint8_t *text_bytes = text.data;
    size_t at = 0;
    size_t star = SIZE_MAX; /* behind the last `*` */
    size_t star_text = 0;   /* where the text behind it was taken to begin */
    size_t i = 0;

    while (i < text.size_bytes) {
        size_t next;
        if (at < pattern.size_bytes && pattern_bytes[at] == '*') {
            star = ++at;
            star_text = i;
            if (at == pattern.size_bytes) {
                return true;
            }
        } else if (at < pattern.size_bytes &&
                   step_match(pattern_bytes, pattern.size_bytes, at, text_bytes[i], &next)) {
            at = next;
            i++;
        } else if (star != SIZE_MAX) {
            at = star;
            i = ++star_text;
        } else {
            return false;
        }
    }
    while (at < pattern.size_bytes && pattern_bytes[at] == '*') {
        at++;
    }
    return at == pattern.size_bytes;
}

static bool is_special(uint8_t byte)
{
    return byte == '*' || byte == '?' || byte == '[' || byte == '\\';
}

struct kv_argument kv_glob_prefix(struct kv_argument pattern)
{
    const uint8_t *bytes = pattern.data;
    size_t size_bytes = 0;

    while (size_bytes < pattern.size_bytes && !is_special(bytes[size_bytes])) {
        size_bytes++;
    }
    return (struct kv_argument){pattern.data, size_bytes};
}
