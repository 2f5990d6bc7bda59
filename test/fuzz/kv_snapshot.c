/* kv_snapshot.c: fuzzes what a key-value store makes of a snapshot's bytes.
 *
 * Input    a byte of flags, a byte of the pieces' size, the stream. With FUZZ_FIX digest and
 *          checksum are made right, and stand behind the stream instead of in it.
 * Asserts  that pieces of any size come to the same verdict; that what is taken gives the same
 *          bytes again, and is a whole store; that what is refused leaves a whole store, and one
 *          that takes the next snapshot.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kv/snapshot.h"

#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "fuzz/fuzz.h"
#include "quorate/error.h"

/* A value may claim half a gigabyte: that much is not there. */
#define ALLOCATION_BYTES_MAX (64 * 1024)

static void *allocate_little(void *context, size_t size_bytes)
{
    struct heap *heap = context;
    return size_bytes > ALLOCATION_BYTES_MAX ? NULL : allocate(&heap->allocator, size_bytes);
}

static void release_little(void *context, void *memory, size_t size_bytes)
{
    struct heap *heap = context;
    release(&heap->allocator, memory, size_bytes);
}

static int restore(struct kv *kv, const uint8_t *data, size_t size_bytes, size_t piece_bytes)
{
    const struct qr_state_machine *machine = kv_state_machine(kv);
    int status = machine->restore_begin(kv);
    for (size_t at = 0; status == 0 && at < size_bytes; at += piece_bytes) {
        status = machine->restore_write(kv, data + at, min_u64(piece_bytes, size_bytes - at));
    }
    return status == 0 ? machine->restore_end(kv) : status;
}

/* The stream with the trailer that belongs behind it: what the items add up to is known to the
 * store that has taken them.
 */
static void write_trailer(struct kv *kv, uint8_t *data, size_t size_bytes)
{
    const struct qr_state_machine *machine = kv_state_machine(kv);
    (void)restore(kv, data, size_bytes, size_bytes + 1);
    store_u64(data + size_bytes, machine->digest(kv));
    store_u32(data + size_bytes + 8, crc32c(0, data, size_bytes));
    store_u32(data + size_bytes + 12, 0);
}

static void check_same(struct kv *kv, const uint8_t *data, size_t size_bytes, size_t piece_bytes)
{
    const struct qr_state_machine *machine = kv_state_machine(kv);
    uint8_t *again = malloc(size_bytes + 1);
    void *snapshot = NULL;
    size_t used = 0;
    size_t read_bytes = 1;
    ASSERT(again != NULL);
    ASSERT(machine->snapshot_open(kv, &snapshot) == 0);
    while (read_bytes > 0) {
        size_t room = min_u64(piece_bytes, size_bytes + 1 - used);
        ASSERT(machine->snapshot_read(kv, snapshot, again + used, room, &read_bytes) == 0);
        used += read_bytes;
    }
    machine->snapshot_close(kv, snapshot);
    ASSERT(used == size_bytes);
    ASSERT(memcmp(again, data, size_bytes) == 0);
    free(again);
}

static void check(const struct allocator *allocator, const uint8_t *data, size_t size_bytes,
                  size_t piece_bytes)
{
    struct kv *whole = kv_new(allocator);
    struct kv *pieces = kv_new(allocator);
    ASSERT(whole != NULL);
    ASSERT(pieces != NULL);
    int status = restore(whole, data, size_bytes, size_bytes + 1);
    ASSERT(restore(pieces, data, size_bytes, piece_bytes) == status);
    kv_invariants(whole);
    kv_invariants(pieces);
    if (status == 0) {
        check_same(pieces, data, size_bytes, piece_bytes);
    } else {
        uint8_t empty[KV_SNAPSHOT_HEADER_BYTES + KV_SNAPSHOT_TRAILER_BYTES] = {0};
        ASSERT(status == QR_ERR_CORRUPT || status == QR_ERR_VERSION || status == QR_ERR_NO_MEMORY);
        store_u32(empty, KV_SNAPSHOT_MAGIC);
        store_u32(empty + 4, KV_SNAPSHOT_VERSION);
        store_u32(empty + KV_SNAPSHOT_HEADER_BYTES + 8, crc32c(0, empty, KV_SNAPSHOT_HEADER_BYTES));
        ASSERT(restore(whole, empty, sizeof(empty), piece_bytes) == 0);
        kv_invariants(whole);
    }
    kv_free(whole);
    kv_free(pieces);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct heap heap;
    const struct allocator allocator = {&heap, allocate_little, release_little};
    if (size_bytes < 2) {
        return 0;
    }
    bool is_fixed = (data[0] & FUZZ_FIX) != 0;
    size_t piece_bytes = (size_t)data[1] + 1;
    size_bytes -= 2;
    uint8_t *stream = malloc(size_bytes + KV_SNAPSHOT_TRAILER_BYTES);
    ASSERT(stream != NULL);
    memcpy(stream, data + 2, size_bytes);
    heap_init(&heap);
    if (is_fixed) {
        struct kv *kv = kv_new(&allocator);
        ASSERT(kv != NULL);
        write_trailer(kv, stream, size_bytes);
        kv_free(kv);
        size_bytes += KV_SNAPSHOT_TRAILER_BYTES;
    }
    check(&allocator, stream, size_bytes, piece_bytes);
    free(stream);
    heap_deinit(&heap);
    return 0;
}
