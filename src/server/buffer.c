/* buffer.c: a growable run of bytes. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "server/buffer.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

#define FIRST_BYTES 512

/* Move what is in it to the front, when that makes the room that is asked for cheaply. */
static bool make_room_in_place(struct buffer *buffer, size_t size_bytes)
{
    size_t used = buffer_bytes(buffer);

    if (buffer->start < used || buffer->capacity - used < size_bytes) {
        return false;
    }
    memcpy(buffer->data, buffer_at(buffer), used);
    buffer->start = 0;
    buffer->end = used;
    return true;
}

uint8_t *buffer_reserve(struct buffer *buffer, size_t size_bytes)
{
    ASSERT(buffer->end <= buffer->capacity);
    if (buffer->failed) {
        return NULL;
    }
    if (buffer->capacity - buffer->end >= size_bytes && buffer->data != NULL) {
        return buffer->data + buffer->end;
    }
    if (buffer->data != NULL && make_room_in_place(buffer, size_bytes)) {
        return buffer->data + buffer->end;
    }
    size_t needed;
    size_t capacity = buffer->capacity == 0 ? FIRST_BYTES : buffer->capacity;
    if (__builtin_add_overflow(buffer->end, size_bytes, &needed)) {
        buffer->failed = true;
        return NULL;
    }
    while (capacity < needed && capacity <= SIZE_MAX / 2) {
        capacity *= 2;
    }
    uint8_t *grown = capacity < needed ? NULL : realloc(buffer->data, capacity);
    if (grown == NULL) {
        buffer->failed = true;
        return NULL;
    }
    buffer->data = grown;
    buffer->capacity = capacity;
    return grown + buffer->end;
}

void buffer_append(struct buffer *buffer, const void *data, size_t size_bytes)
{
    uint8_t *room = size_bytes == 0 ? NULL : buffer_reserve(buffer, size_bytes);

    if (room != NULL) {
        memcpy(room, data, size_bytes);
        buffer->end += size_bytes;
    }
}

void buffer_consume(struct buffer *buffer, size_t size_bytes)
{
    ASSERT(size_bytes <= buffer_bytes(buffer));
    buffer->start += size_bytes;
    if (buffer->start == buffer->end) {
        buffer->start = 0;
        buffer->end = 0;
    }
}

void buffer_free(struct buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct buffer){0};
}
