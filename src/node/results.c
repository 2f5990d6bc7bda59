/* results.c: see results.h. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "node/results.h"

#include <string.h>

#include "base/assert.h"
#include "base/crc32c.h"
#include "quorate/error.h"

#define FIRST_CAPACITY 4096

_Static_assert(RESULTS_ONE_BYTES_MAX <= RESULTS_BYTES_MAX, "one fits");
_Static_assert((RESULTS_BYTES_MAX & (RESULTS_BYTES_MAX - 1)) == 0, "positions wrap with it");

void results_init(struct results *results, const struct allocator *allocator)
{
    *results = (struct results){.allocator = allocator};
}

void results_deinit(struct results *results)
{
    if (results->allocator != NULL) {
        release(results->allocator, results->ring, results->capacity);
        results_init(results, results->allocator);
    }
}

/* What lies before the ring's end, from a position on, and what goes on at its start. */
static size_t before_end(const struct results *results, uint64_t at, size_t size_bytes)
{
    size_t offset = (size_t)at & (results->capacity - 1);
    return min_u64(size_bytes, results->capacity - offset);
}

static void copy_in(struct results *results, uint64_t at, const uint8_t *data, size_t size_bytes)
{
    if (size_bytes == 0) {
        return;
    }
    size_t first = before_end(results, at, size_bytes);
    memcpy(results->ring + ((size_t)at & (results->capacity - 1)), data, first);
    memcpy(results->ring, data + first, size_bytes - first);
}

static void copy_out(const struct results *results, uint64_t at, uint8_t *out, size_t size_bytes)
{
    if (size_bytes == 0) {
        return;
    }
    size_t first = before_end(results, at, size_bytes);
    memcpy(out, results->ring + ((size_t)at & (results->capacity - 1)), first);
    memcpy(out + first, results->ring, size_bytes - first);
}

/* A ring that has room for so many bytes; what is kept moves to its place there. */
static int grow(struct results *results, uint64_t needed)
{
    struct results grown = *results;
    while (grown.capacity < needed) {
        grown.capacity = grown.capacity == 0 ? FIRST_CAPACITY : grown.capacity * 2;
    }
    if (grown.capacity == results->capacity) {
        return 0;
    }
    grown.ring = allocate(results->allocator, grown.capacity);
    if (grown.ring == NULL) {
        return QR_ERR_NO_MEMORY;
    }
    for (uint64_t at = results->begin; at < results->end;) {
        size_t piece = before_end(results, at, (size_t)(results->end - at));
        copy_in(&grown, at, results->ring + ((size_t)at & (results->capacity - 1)), piece);
        at += piece;
    }
    release(results->allocator, results->ring, results->capacity);
    *results = grown;
    return 0;
}

static void count(struct results *results, const void *data, size_t size_bytes)
{
    uint64_t mark = (uint64_t)size_bytes << 32 | crc32c(0, data, size_bytes);
    results->digest = (results->digest ^ mark) * UINT64_C(0x9e3779b97f4a7c15);
    results->digest ^= results->digest >> 29;
}

int results_add(struct results *results, const void *data, size_t size_bytes, uint64_t *at)
{
    if (size_bytes > RESULTS_ONE_BYTES_MAX) {
        count(results, data, size_bytes);
        return QR_ERR_TOO_LARGE;
    }
    uint64_t end = results->end + size_bytes;
    uint64_t begin =
        end - results->begin > RESULTS_BYTES_MAX ? end - RESULTS_BYTES_MAX : results->begin;
    int status = grow(results, end - begin);
    if (status != 0) {
        return status;
    }
    count(results, data, size_bytes);
    *at = results->end;
    results->begin = begin;
    results->end = end;
    copy_in(results, *at, data, size_bytes);
    ASSERT(results->end - results->begin <= results->capacity);
    return 0;
}

bool results_copy(const struct results *results, uint64_t at, size_t size_bytes, uint8_t *out)
{
    if (at < results->begin || at > results->end || size_bytes > results->end - at) {
        return false;
    }
    copy_out(results, at, out, size_bytes);
    return true;
}

size_t results_write_bytes(const struct results *results)
{
    return 3 * 8 + (size_t)(results->end - results->begin);
}

void results_write(const struct results *results, struct writer *writer)
{
    write_u64(writer, results->begin);
    write_u64(writer, results->end);
    write_u64(writer, results->digest);
    for (uint64_t at = results->begin; at < results->end;) {
        size_t piece = before_end(results, at, (size_t)(results->end - at));
        write_bytes(writer, results->ring + ((size_t)at & (results->capacity - 1)), piece);
        at += piece;
    }
}

int results_read(struct results *results, struct reader *reader)
{
    ASSERT(results->end == 0);
    uint64_t begin = read_u64(reader);
    uint64_t end = read_u64(reader);
    uint64_t digest = read_u64(reader);
    if (reader->failed || begin > end || end - begin > RESULTS_BYTES_MAX ||
        end - begin > reader_left(reader)) {
        return QR_ERR_CORRUPT;
    }
    size_t size_bytes = (size_t)(end - begin);
    int status = grow(results, size_bytes);
    if (status != 0) {
        return status;
    }
    results->begin = begin;
    results->end = end;
    results->digest = digest;
    copy_in(results, begin, read_bytes(reader, size_bytes), size_bytes);
    return 0;
}
