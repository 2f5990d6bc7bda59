/* bytes.h: bounded cursors over memory, little-endian.
 *
 * A cursor never leaves its bounds: the first access that would sets `failed`, and from
 * then on reads give zero and writes do nothing. So a decoder reads all it wants and asks
 * once, at the end.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline void store_u8(uint8_t *at, uint8_t value)
{
    at[0] = value;
}

static inline uint8_t load_u8(const uint8_t *at)
{
    return at[0];
}

static inline void store_u16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

static inline void store_u32(uint8_t *at, uint32_t value)
{
    store_u16(at, (uint16_t)value);
    store_u16(at + 2, (uint16_t)(value >> 16));
}

static inline void store_u64(uint8_t *at, uint64_t value)
{
    store_u32(at, (uint32_t)value);
    store_u32(at + 4, (uint32_t)(value >> 32));
}

static inline uint16_t load_u16(const uint8_t *at)
{
    return (uint16_t)(at[0] | (unsigned)at[1] << 8);
}

static inline uint32_t load_u32(const uint8_t *at)
{
    return load_u16(at) | (uint32_t)load_u16(at + 2) << 16;
}

static inline uint64_t load_u64(const uint8_t *at)
{
    return load_u32(at) | (uint64_t)load_u32(at + 4) << 32;
}

struct reader {
    const uint8_t *at;
    const uint8_t *end;
    bool failed;
};

struct reader reader_of(const void *data, size_t size_bytes);
size_t reader_left(const struct reader *reader);
uint8_t read_u8(struct reader *reader);
uint16_t read_u16(struct reader *reader);
uint32_t read_u32(struct reader *reader);
uint64_t read_u64(struct reader *reader);

/* The next `size_bytes`, in place, or NULL when there are fewer. */
const uint8_t *read_bytes(struct reader *reader, size_t size_bytes);

/* A string with its length before it in one byte, copied into `out` with a NUL behind it.
 * Fails when it does not fit in `out_bytes` or holds a NUL.
 */
void read_string8(struct reader *reader, char *out, size_t out_bytes);

struct writer {
    uint8_t *start;
    uint8_t *at;
    uint8_t *end;
    bool failed;
};

struct writer writer_of(void *data, size_t size_bytes);
size_t writer_used(const struct writer *writer);
void write_u8(struct writer *writer, uint8_t value);
void write_u16(struct writer *writer, uint16_t value);
void write_u32(struct writer *writer, uint32_t value);
void write_u64(struct writer *writer, uint64_t value);
void write_bytes(struct writer *writer, const void *data, size_t size_bytes);

/* A string of at most 255 bytes, its length before it in one byte. */
void write_string8(struct writer *writer, const char *string);

#endif
