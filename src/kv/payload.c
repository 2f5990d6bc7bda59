/* payload.c: encoding and decoding of argument lists. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kv/payload.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "quorate/error.h"

#define LENGTH_BYTES 4

size_t kv_payload_bytes(const struct kv_argument *arguments, size_t count)
{
    size_t size_bytes = LENGTH_BYTES;

    for (size_t i = 0; i < count; i++) {
        size_bytes += LENGTH_BYTES + arguments[i].size_bytes;
    }
    return size_bytes;
}

void kv_payload_encode(const struct kv_argument *arguments, size_t count, uint8_t *out)
{
    ASSERT(count <= KV_ARGUMENTS_MAX);

    struct writer writer = writer_of(out, kv_payload_bytes(arguments, count));
    write_u32(&writer, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        ASSERT(arguments[i].size_bytes <= UINT32_MAX);
        write_u32(&writer, (uint32_t)arguments[i].size_bytes);
        write_bytes(&writer, arguments[i].data, arguments[i].size_bytes);
    }
    ASSERT(!writer.failed);
}

static bool arguments_read(struct reader *reader, struct kv_argument *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        list[i].size_bytes = read_u32(reader);
        list[i].data = read_bytes(reader, list[i].size_bytes);
    }
    return !reader->failed;
}

int kv_payload_read(struct kv_payload *payload, const struct allocator *allocator,
                    struct reader *reader)
{
    size_t count = read_u32(reader);
    struct kv_argument *list = payload->few;

    /* Each argument takes its length at least, so a short payload cannot ask for much. */
    if (count == 0 || count > KV_ARGUMENTS_MAX || count > reader_left(reader) / LENGTH_BYTES) {
        return QR_ERR_MALFORMED;
    }
    payload->allocator = allocator;
    payload->count = count;
    payload->list = NULL;
    if (count > KV_PAYLOAD_INLINE_MAX) {
        list = allocate(allocator, count * sizeof(*list));
        if (list == NULL) {
            return QR_ERR_NO_MEMORY;
        }
        payload->list = list;
    }
    payload->arguments = list;
    if (!arguments_read(reader, list, count)) {
        kv_payload_deinit(payload);
        return QR_ERR_MALFORMED;
    }
    return 0;
}

int kv_payload_decode(struct kv_payload *payload, const struct allocator *allocator,
                      const void *data, size_t size_bytes)
{
    struct reader reader = reader_of(data, size_bytes);
    int status = kv_payload_read(payload, allocator, &reader);

    if (status == 0 && reader_left(&reader) != 0) {
        kv_payload_deinit(payload);
        return QR_ERR_MALFORMED;
    }
    return status;
}

void kv_payload_deinit(struct kv_payload *payload)
{
    if (payload->list != NULL) {
        release(payload->allocator, payload->list, payload->count * sizeof(*payload->list));
        payload->list = NULL;
    }
}
