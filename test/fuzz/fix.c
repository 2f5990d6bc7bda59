/* fix.c: making checksums right, so that a fuzzer comes past them. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/crc32c.h"
#include "base/entry.h"
#include "fuzz/fuzz.h"
#include "node/content.h"
#include "wire/wire.h"

size_t fuzz_fix_record(uint8_t *data, size_t size_bytes)
{
    if (size_bytes < ENTRY_HEADER_BYTES) {
        return 0;
    }
    uint64_t whole = (uint64_t)ENTRY_HEADER_BYTES + data[37] + load_u32(data + 4);
    uint64_t record_bytes = (whole + ENTRY_ALIGN_BYTES - 1) / ENTRY_ALIGN_BYTES * ENTRY_ALIGN_BYTES;
    if (record_bytes > size_bytes) {
        return 0;
    }
    store_u32(data, crc32c(0, data + 4, (size_t)whole - 4));
    return (size_t)record_bytes;
}

/* Where the data's size and checksum stand: behind ids, term, position, two sizes and a bool; in
 * gossip first of all.
 */
#define PIECE_FIELD_AT (WIRE_HEADER_BYTES + 24 + 16 + 16 + 1)
#define GOSSIP_FIELD_AT WIRE_HEADER_BYTES

static void fix_data(uint8_t *data, size_t head_bytes, size_t size_bytes)
{
    bool has_data = data[8] == RAFT_INSTALL_SNAPSHOT || data[8] == WIRE_GOSSIP;
    size_t field = data[8] == WIRE_GOSSIP ? GOSSIP_FIELD_AT : PIECE_FIELD_AT;
    if (has_data && head_bytes >= field + 8 && load_u32(data + field) <= size_bytes - head_bytes) {
        store_u32(data + field + 4, crc32c(0, data + head_bytes, load_u32(data + field)));
    }
}

void fuzz_fix_frame(uint8_t *data, size_t size_bytes)
{
    if (size_bytes < WIRE_HEADER_BYTES) {
        return;
    }
    store_u32(data, (uint32_t)size_bytes);
    size_t head_bytes = load_u32(data + 12);
    if (head_bytes < WIRE_HEADER_BYTES || head_bytes > size_bytes) {
        return;
    }
    fix_data(data, head_bytes, size_bytes);
    store_u32(data + 4, crc32c(0, data + 8, head_bytes - 8));
    size_t at = head_bytes;
    size_t record_bytes;
    do {
        record_bytes = fuzz_fix_record(data + at, size_bytes - at);
        at += record_bytes;
    } while (record_bytes > 0);
}

void fuzz_fix_content(uint8_t *data, size_t size_bytes)
{
    uint32_t heads = 0;
    size_t at = 0;
    while (size_bytes - at > CONTENT_BLOCK_HEAD_BYTES) {
        size_t body_bytes = load_u32(data + at + 4);
        uint8_t *body = data + at + CONTENT_BLOCK_HEAD_BYTES;
        if (body_bytes > size_bytes - at - CONTENT_BLOCK_HEAD_BYTES) {
            return;
        }
        if (data[at + 8] == CONTENT_END && body_bytes == 24) {
            store_u32(body + 16, heads);
        }
        store_u32(data + at + 12, crc32c(crc32c(0, data + at, 12), body, body_bytes));
        heads = crc32c(heads, data + at, CONTENT_BLOCK_HEAD_BYTES);
        at += CONTENT_BLOCK_HEAD_BYTES + body_bytes;
    }
}
