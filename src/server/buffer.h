/* buffer.h: bytes in a row that grow at the end and are taken from the front.
 *
 * Owns     its memory. A failed allocation sets `failed`; from then on appending does
 *          nothing, and whoever owns the buffer asks once, at the end.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_BUFFER_H
#define SERVER_BUFFER_H

#include "base/types.h"

struct buffer {
    uint8_t *data;
    size_t start; /* of what is in it */
    size_t end;
    size_t capacity;
    bool failed;
};

static inline size_t buffer_bytes(const struct buffer *buffer)
{
    return buffer->end - buffer->start;
}

static inline uint8_t *buffer_at(const struct buffer *buffer)
{
    return buffer->data == NULL ? NULL : buffer->data + buffer->start;
}

/* Room for `size_bytes` at the end, to be written now and counted with `end`; NULL when
 * memory ran out.
 */
uint8_t *buffer_reserve(struct buffer *buffer, size_t size_bytes);

void buffer_append(struct buffer *buffer, const void *data, size_t size_bytes);

/* Take `size_bytes` from the front; an empty buffer begins anew. */
void buffer_consume(struct buffer *buffer, size_t size_bytes);

/* Free the memory; the buffer is as new. */
void buffer_free(struct buffer *buffer);

#endif
