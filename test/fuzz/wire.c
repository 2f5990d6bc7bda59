/* wire.c: fuzzes the decoder of frames.
 *
 * Input    flags, then a frame.
 * Asserts  that what decodes is what its own encoding gives, byte for byte; that its text is one
 *          line and its JSON is JSON; that a length is known from the header alone.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "fuzz/fuzz.h"
#include "quorate/error.h"
#include "wire/wire.h"

#define FRAME_BYTES_MAX (UINT64_C(64) * 1024)
#define TEXT_BYTES_MAX (1024 * 1024)

static void check_length(const uint8_t *data, size_t size_bytes, size_t frame_bytes)
{
    size_t again = 0;
    ASSERT(wire_frame_length(data, WIRE_HEADER_BYTES - 1, FRAME_BYTES_MAX, &again) == 1);
    ASSERT(wire_frame_length(data, WIRE_HEADER_BYTES, FRAME_BYTES_MAX, &again) == 0);
    ASSERT(again == frame_bytes);
    ASSERT(wire_frame_length(data, size_bytes, frame_bytes - 1, &again) == QR_ERR_TOO_LARGE);
    ASSERT(frame_bytes >= WIRE_FRAME_BYTES_MIN);
    ASSERT(frame_bytes <= FRAME_BYTES_MAX);
    ASSERT(frame_bytes % 8 == 0);
}

static void check_encoding(struct heap *heap, const struct wire_message *message,
                           const uint8_t *data, size_t frame_bytes)
{
    struct wire_frame *frame = wire_encode(&heap->allocator, message);
    ASSERT(frame != NULL);
    ASSERT(frame->frame_bytes == frame_bytes);
    size_t at = 0;
    for (size_t i = 0; i < frame->part_count; i++) {
        ASSERT(frame->parts[i].size_bytes <= frame_bytes - at);
        ASSERT(memcmp(frame->parts[i].data, data + at, frame->parts[i].size_bytes) == 0);
        at += frame->parts[i].size_bytes;
    }
    ASSERT(at == frame_bytes);
    wire_frame_free(frame);
}

static void check_raft(struct heap *heap, const struct wire_message *message, const uint8_t *data,
                       size_t frame_bytes)
{
    struct raft_message raft = wire_to_raft(message);
    struct wire_message again = wire_of_raft(&raft);
    check_encoding(heap, &again, data, frame_bytes);
}

static void check_writers(const struct wire_message *message, size_t room_bytes)
{
    static char bytes[TEXT_BYTES_MAX];
    struct text text = text_of(bytes, sizeof(bytes));
    wire_message_json(message, &text);
    fuzz_check_json(&text);

    text = text_of(bytes, sizeof(bytes));
    wire_message_text(message, &text);
    fuzz_check_text(&text);
    for (size_t i = 0; i < text.length; i++) {
        ASSERT((uint8_t)text.data[i] >= ' ');
    }
    size_t length = text.length;
    text = text_of(bytes, room_bytes);
    wire_message_text(message, &text);
    fuzz_check_text(&text);
    ASSERT(text.truncated == (length >= room_bytes));
}

static void decode(struct heap *heap, struct chunk *chunk, size_t room_bytes)
{
    static struct entry entries[WIRE_ENTRIES_MAX];
    struct wire_message message;
    size_t frame_bytes;
    size_t size_bytes = chunk->size_bytes;
    int status = wire_frame_length(chunk->data, size_bytes, FRAME_BYTES_MAX, &frame_bytes);
    ASSERT((status == 1) == (size_bytes < WIRE_HEADER_BYTES));
    if (status != 0) {
        ASSERT(status == 1 || status == QR_ERR_TOO_LARGE || status == QR_ERR_MALFORMED);
        return;
    }
    check_length(chunk->data, size_bytes, frame_bytes);
    if (frame_bytes > size_bytes) {
        return;
    }
    status = wire_decode(chunk, chunk->data, frame_bytes, entries, &message);
    if (status != 0) {
        ASSERT(status == QR_ERR_MALFORMED);
        return;
    }
    ASSERT(message.entry_count == 0 || message.entries == entries);
    check_encoding(heap, &message, chunk->data, frame_bytes);
    if (wire_is_raft(message.type)) {
        check_raft(heap, &message, chunk->data, frame_bytes);
    }
    check_writers(&message, room_bytes);
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
        fuzz_fix_frame(chunk->data, chunk->size_bytes);
    }
    decode(&heap, chunk, 1 + (size_t)data[0] / 2);
    ASSERT(chunk->reference_count == 1);
    chunk_drop(chunk);
    heap_deinit(&heap);
    return 0;
}
