/* fix.c: making checksums right, so that a fuzzer comes past them. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/crc32c.h"
#include "base/entry.h"
#include "fuzz/fuzz.h"
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
    store_u32(data + 4, crc32c(0, data + 8, head_bytes - 8));
    size_t at = head_bytes;
    size_t record_bytes;
    do {
        record_bytes = fuzz_fix_record(data + at, size_bytes - at);
        at += record_bytes;
    } while (record_bytes > 0);
}
