/* text.h: text and JSON into a fixed buffer, without libc.
 *
 * A text never leaves its buffer: what does not fit is cut and `truncated` set. The buffer
 * always ends in a NUL.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
    char *data;
    size_t size_bytes; /* of the buffer, the NUL included */
    size_t length;     /* without the NUL */
    bool truncated;
    bool needs_comma; /* JSON: a value was written at this level */
};

/* A text in `data`; size_bytes >= 1. */
struct text text_of(char *data, size_t size_bytes);

void text_char(struct text *text, char c);
void text_string(struct text *text, const char *string);
void text_bytes(struct text *text, const void *data, size_t size_bytes);
void text_u64(struct text *text, uint64_t value);
void text_i64(struct text *text, int64_t value);

/* Lower case, with leading zeros up to `digits` (1..16). */
void text_hex(struct text *text, uint64_t value, unsigned digits);

/* `data` in double quotes; quotes, backslashes and control bytes escaped as in JSON, and
 * bytes that are not UTF-8 as \u00XX, so that the result is always valid JSON.
 */
void text_quoted(struct text *text, const void *data, size_t size_bytes);

/* Whether two strings are the same. */
bool text_equal(const char *a, const char *b);

/* JSON. Commas come by themselves: between members of an object and elements of an array.
 * A key is written before each member of an object, never in an array.
 */
void text_json_object_begin(struct text *text);
void text_json_object_end(struct text *text);
void text_json_array_begin(struct text *text);
void text_json_array_end(struct text *text);
void text_json_key(struct text *text, const char *key);
void text_json_string(struct text *text, const char *string);
void text_json_bytes(struct text *text, const void *data, size_t size_bytes);
void text_json_u64(struct text *text, uint64_t value);
void text_json_i64(struct text *text, int64_t value);
void text_json_bool(struct text *text, bool value);
void text_json_null(struct text *text);
/* A number as a string of hexadecimal digits: ids and digests, which JSON numbers lose. */
void text_json_hex(struct text *text, uint64_t value, unsigned digits);

#endif
