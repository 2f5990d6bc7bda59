/* bytes.c: bounded cursors over memory. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"

#include <string.h>

#define STRING8_BYTES_MAX 255

struct reader reader_of(const void *data, size_t size_bytes)
{
    const uint8_t *start = data;
    return (struct reader){start, size_bytes == 0 ? start : start + size_bytes, false};
}

size_t reader_left(const struct reader *reader)
{
    return (size_t)(reader->end - reader->at);
}

const uint8_t *read_bytes(struct reader *reader, size_t size_bytes)
{
    if (reader->failed || reader_left(reader) < size_bytes) {
        reader->failed = true;
        return NULL;
    }
    const uint8_t *at = reader->at;
    if (size_bytes > 0) {
        reader->at += size_bytes;
    }
    return at;
}

uint8_t read_u8(struct reader *reader)
{
    const uint8_t *at = read_bytes(reader, 1);
    return at == NULL ? 0 : *at;
}

uint16_t read_u16(struct reader *reader)
{
    const uint8_t *at = read_bytes(reader, 2);
    return at == NULL ? 0 : load_u16(at);
}

uint32_t read_u32(struct reader *reader)
{
    const uint8_t *at = read_bytes(reader, 4);
    return at == NULL ? 0 : load_u32(at);
}

uint64_t read_u64(struct reader *reader)
{
    const uint8_t *at = read_bytes(reader, 8);
    return at == NULL ? 0 : load_u64(at);
}

void read_string8(struct reader *reader, char *out, size_t out_bytes)
{
    size_t length = read_u8(reader);
    const uint8_t *at = read_bytes(reader, length);
    if (at == NULL) {
        return;
    }
    if (length >= out_bytes) {
        reader->failed = true;
        return;
    }
    for (size_t i = 0; i < length; i++) {
        if (at[i] == 0) {
            reader->failed = true;
            return;
        }
    }
    memcpy(out, at, length);
    out[length] = '\0';
}

struct writer writer_of(void *data, size_t size_bytes)
{
    uint8_t *start = data;
    return (struct writer){start, start, size_bytes == 0 ? start : start + size_bytes, false};
}

size_t writer_used(const struct writer *writer)
{
    return (size_t)(writer->at - writer->start);
}

static uint8_t *writer_take(struct writer *writer, size_t size_bytes)
{
    if (writer->failed || (size_t)(writer->end - writer->at) < size_bytes) {
        writer->failed = true;
        return NULL;
    }
    uint8_t *at = writer->at;
    if (size_bytes > 0) {
        writer->at += size_bytes;
    }
    return at;
}

void write_u8(struct writer *writer, uint8_t value)
{
    uint8_t *at = writer_take(writer, 1);
    if (at != NULL) {
        *at = value;
    }
}

void write_u16(struct writer *writer, uint16_t value)
{
    uint8_t *at = writer_take(writer, 2);
    if (at != NULL) {
        store_u16(at, value);
    }
}

void write_u32(struct writer *writer, uint32_t value)
{
    uint8_t *at = writer_take(writer, 4);
    if (at != NULL) {
        store_u32(at, value);
    }
}

void write_u64(struct writer *writer, uint64_t value)
{
    uint8_t *at = writer_take(writer, 8);
    if (at != NULL) {
        store_u64(at, value);
    }
}

void write_bytes(struct writer *writer, const void *data, size_t size_bytes)
{
    uint8_t *at = writer_take(writer, size_bytes);
    if (at != NULL && size_bytes > 0) {
        memcpy(at, data, size_bytes);
    }
}

void write_string8(struct writer *writer, const char *string)
{
    size_t length = 0;
    while (string[length] != '\0') {
        length++;
    }
    if (length > STRING8_BYTES_MAX) {
        writer->failed = true;
        return;
    }
    write_u8(writer, (uint8_t)length);
    write_bytes(writer, string, length);
}
