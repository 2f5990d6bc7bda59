/* result.c: writing results, and giving them to a sink again. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kv/result.h"

#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "quorate/error.h"

enum result_tag {
    RESULT_STATUS = 1,
    RESULT_ERROR,
    RESULT_INTEGER,
    RESULT_BULK,
    RESULT_NULL,
    RESULT_ARRAY,
    RESULT_NULL_ARRAY,
};

void kv_results_init(struct kv_results *results, const struct allocator *allocator)
{
    *results = (struct kv_results){.allocator = allocator};
}

void kv_results_deinit(struct kv_results *results)
{
    if (results->data != NULL) {
        release(results->allocator, results->data, results->capacity);
    }
    *results = (struct kv_results){.allocator = results->allocator};
}

void kv_results_reset(struct kv_results *results)
{
    if (results->capacity > KV_RESULTS_KEPT_BYTES_MAX) {
        kv_results_deinit(results);
    }
    results->used_bytes = 0;
    results->has_failed = false;
}

void kv_results_begin(struct kv_results *results)
{
    results->start = results->used_bytes;
    results->bytes_max = KV_RESULT_BYTES_MAX;
    results->has_overflowed = false;
}

void kv_results_limit(struct kv_results *results, size_t bytes_max)
{
    results->bytes_max = min_u64(bytes_max, KV_RESULT_BYTES_MAX);
}

/* Room for `size_bytes` more, or NULL when there is none or it would be too long. */
static uint8_t *results_take(struct kv_results *results, size_t size_bytes)
{
    void *data = results->data;

    if (results->has_failed || results->has_overflowed) {
        return NULL;
    }
    size_t used_bytes = results->used_bytes - results->start;
    if (used_bytes > results->bytes_max || size_bytes > results->bytes_max - used_bytes) {
        results->has_overflowed = true;
        return NULL;
    }
    if (allocate_grow(results->allocator, &data, &results->capacity,
                      results->used_bytes + size_bytes, SIZE_MAX / 2, 1) != 0) {
        results->has_failed = true;
        return NULL;
    }
    results->data = data;
    uint8_t *at = results->data + results->used_bytes;
    results->used_bytes += size_bytes;
    return at;
}

static void put_sized(struct kv_results *results, enum result_tag tag, const void *data,
                      size_t size_bytes)
{
    if (size_bytes > KV_RESULT_BYTES_MAX) {
        results->has_overflowed = true;
        return;
    }
    uint8_t *at = results_take(results, 1 + 4 + size_bytes);
    if (at == NULL) {
        return;
    }
    at[0] = (uint8_t)tag;
    store_u32(at + 1, (uint32_t)size_bytes);
    if (size_bytes > 0) {
        memcpy(at + 5, data, size_bytes);
    }
}

static void put_status(void *context, const char *text)
{
    put_sized(context, RESULT_STATUS, text, strlen(text) + 1);
}

static void put_error(void *context, const char *text)
{
    put_sized(context, RESULT_ERROR, text, strlen(text) + 1);
}

static void put_integer(void *context, int64_t value)
{
    uint8_t *at = results_take(context, 1 + 8);

    if (at != NULL) {
        at[0] = RESULT_INTEGER;
        store_u64(at + 1, (uint64_t)value);
    }
}

static void put_bulk(void *context, const void *data, size_t size_bytes)
{
    put_sized(context, RESULT_BULK, data, size_bytes);
}

static void put_tag(struct kv_results *results, enum result_tag tag)
{
    uint8_t *at = results_take(results, 1);

    if (at != NULL) {
        at[0] = (uint8_t)tag;
    }
}

static void put_null(void *context)
{
    put_tag(context, RESULT_NULL);
}

static void put_null_array(void *context)
{
    put_tag(context, RESULT_NULL_ARRAY);
}

static void put_array(void *context, size_t count)
{
    struct kv_results *results = context;
    uint8_t *at = results_take(results, 1 + 4);

    results->has_overflowed = results->has_overflowed || count > UINT32_MAX;
    if (at != NULL) {
        at[0] = RESULT_ARRAY;
        store_u32(at + 1, (uint32_t)count);
    }
}

struct kv_reply_sink kv_results_sink(struct kv_results *results)
{
    return (struct kv_reply_sink){
        .context = results,
        .status = put_status,
        .error = put_error,
        .integer = put_integer,
        .bulk = put_bulk,
        .null = put_null,
        .array = put_array,
        .null_array = put_null_array,
    };
}

size_t kv_results_element_begin(const struct kv_results *results)
{
    return results->used_bytes - results->start;
}

void kv_results_element_end(struct kv_results *results, size_t begin, bool is_write)
{
    size_t bytes_max = results->bytes_max;

    if (results->has_overflowed) {
        results->has_overflowed = false;
        results->used_bytes = results->start + begin;
        results->bytes_max = KV_RESULT_BYTES_MAX; /* the error itself always fits */
        put_error(results, is_write ? KV_REPLY_DONE_TOO_LONG : KV_REPLY_TOO_LONG);
        results->bytes_max = bytes_max;
    }
}

int kv_results_end(struct kv_results *results, size_t *size_bytes)
{
    if (results->has_overflowed) {
        results->used_bytes = results->start;
        results->has_overflowed = false;
        results->bytes_max = KV_RESULT_BYTES_MAX;
        put_error(results, KV_REPLY_TOO_LONG);
    }
    if (results->has_failed) {
        return QR_ERR_NO_MEMORY;
    }
    *size_bytes = results->used_bytes - results->start;
    return 0;
}

/* One value of a result, its bytes in place. */
struct value {
    uint8_t tag;
    uint32_t size_bytes; /* of an array: its elements */
    const uint8_t *data;
    int64_t integer;
};

static bool is_text(const struct value *value)
{
    return value->size_bytes > 0 &&
           memchr(value->data, 0, value->size_bytes) == value->data + value->size_bytes - 1;
}

/* Read one value; false when it is none. */
static bool value_read(struct reader *reader, struct value *out)
{
    *out = (struct value){.tag = read_u8(reader)};
    switch (out->tag) {
    case RESULT_STATUS:
    case RESULT_ERROR:
    case RESULT_BULK:
        out->size_bytes = read_u32(reader);
        out->data = read_bytes(reader, out->size_bytes);
        return !reader->failed && (out->tag == RESULT_BULK || is_text(out));
    case RESULT_INTEGER:
        out->integer = (int64_t)read_u64(reader);
        return !reader->failed;
    case RESULT_NULL:
    case RESULT_NULL_ARRAY:
        return !reader->failed;
    case RESULT_ARRAY:
        out->size_bytes = read_u32(reader);
        /* Each element takes a byte at least. */
        return !reader->failed && out->size_bytes <= reader_left(reader);
    default:
        return false;
    }
}

/* Whether the bytes are one whole value, with the elements it announces, and no more. */
static bool is_result(struct reader reader)
{
    uint64_t left = 1;

    while (left > 0) {
        struct value value;
        if (!value_read(&reader, &value)) {
            return false;
        }
        left--;
        left += value.tag == RESULT_ARRAY ? value.size_bytes : 0;
    }
    return reader_left(&reader) == 0;
}

static void value_replay(const struct value *value, const struct kv_reply_sink *sink)
{
    switch (value->tag) {
    case RESULT_STATUS:
        sink->status(sink->context, (const char *)value->data);
        break;
    case RESULT_ERROR:
        sink->error(sink->context, (const char *)value->data);
        break;
    case RESULT_INTEGER:
        sink->integer(sink->context, value->integer);
        break;
    case RESULT_BULK:
        sink->bulk(sink->context, value->data, value->size_bytes);
        break;
    case RESULT_NULL:
        sink->null(sink->context);
        break;
    case RESULT_NULL_ARRAY:
        sink->null_array(sink->context);
        break;
    default:
        ASSERT(value->tag == RESULT_ARRAY);
        sink->array(sink->context, value->size_bytes);
        break;
    }
}

void kv_result_replay(const void *data, size_t size_bytes, const struct kv_reply_sink *sink)
{
    struct reader reader = reader_of(data, size_bytes);

    if (!is_result(reader)) {
        sink->error(sink->context, "ERR the result cannot be read");
        return;
    }
    while (reader_left(&reader) > 0) {
        struct value value;
        bool is_read = value_read(&reader, &value);
        ASSERT(is_read);
        value_replay(&value, sink);
    }
}
