/* check.c: what several fuzzers assert of what they got. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
#include <string.h>

#include "fuzz/fuzz.h"

void fuzz_check_text(const struct text *text)
{
    ASSERT(text->length < text->size_bytes);
    ASSERT(strlen(text->data) == text->length);
}

void fuzz_check_json(const struct text *text)
{
    fuzz_check_text(text);
    if (text->truncated) {
        return;
    }
    /* Numbers above 2^63 are none to jansson, but for as a double. */
    json_error_t error;
    json_t *json = json_loadb(text->data, text->length,
                              JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL |
                                  JSON_DECODE_INT_AS_REAL,
                              &error);
    ASSERT(json != NULL);
    json_decref(json);
}

struct chunk *fuzz_chunk(struct heap *heap, const uint8_t *data, size_t size_bytes)
{
    struct chunk *chunk = chunk_new(&heap->allocator, (uint32_t)size_bytes);
    ASSERT(chunk != NULL);
    if (size_bytes > 0) {
        memcpy(chunk->data, data, size_bytes);
    }
    chunk->used_bytes = (uint32_t)size_bytes;
    return chunk;
}
