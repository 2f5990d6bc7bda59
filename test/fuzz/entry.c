/* entry.c: fuzzes the decoder of an entry's record.
 *
 * Input    flags, then a record.
 * Asserts  that what decodes is what its own encoding gives, that one byte less or a lower limit
 *          is refused, and that its JSON is JSON.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/entry.h"

#include <string.h>

#include "fuzz/fuzz.h"
#include "quorate/error.h"

#define TEXT_BYTES_MAX (64 * 1024)

static void check_encoding(struct heap *heap, const struct entry_fields *fields,
                           const uint8_t *data, size_t record_bytes)
{
    struct entry_arena arena;
    struct entry entry;
    entry_arena_init(&arena, &heap->allocator);
    int status = entry_arena_encode(&arena, fields, &entry);
    ASSERT(status == 0);
    ASSERT(entry.record_bytes == record_bytes);
    ASSERT(memcmp(entry.record, data, record_bytes) == 0);
    ASSERT(entry_checksum(&entry) == load_u32(data));

    static char bytes[TEXT_BYTES_MAX];
    struct text text = text_of(bytes, sizeof(bytes));
    entry_json(&entry, &text);
    ASSERT(!text.truncated);
    fuzz_check_json(&text);
    text = text_of(bytes, sizeof(bytes));
    entry_text(&entry, &text);
    fuzz_check_text(&text);
    chunk_drop(entry.chunk);
    entry_arena_deinit(&arena);
}

static void decode(struct heap *heap, const struct chunk *chunk)
{
    struct entry_fields fields;
    struct entry_fields unused;
    size_t record_bytes;
    size_t other;
    const uint8_t *data = chunk->data;
    int status = entry_decode(data, chunk->size_bytes, SIZE_MAX, &fields, &record_bytes);
    if (status != 0) {
        ASSERT(status == QR_ERR_MALFORMED);
        return;
    }
    ASSERT(record_bytes <= chunk->size_bytes);
    ASSERT(record_bytes == entry_record_bytes(fields.command_bytes, fields.payload_bytes));
    ASSERT(entry_decode(data, record_bytes, record_bytes, &unused, &other) == 0);
    ASSERT(entry_decode(data, record_bytes - 1, SIZE_MAX, &unused, &other) != 0);
    ASSERT(entry_decode(data, record_bytes, record_bytes - 1, &unused, &other) != 0);
    check_encoding(heap, &fields, data, record_bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct heap heap;
    if (size_bytes == 0) {
        return 0;
    }
    heap_init(&heap);
    struct chunk *chunk = fuzz_chunk(&heap, data + 1, size_bytes - 1);
    if ((data[0] & FUZZ_FIX) != 0) {
        (void)fuzz_fix_record(chunk->data, chunk->size_bytes);
    }
    decode(&heap, chunk);
    chunk_drop(chunk);
    heap_deinit(&heap);
    return 0;
}
