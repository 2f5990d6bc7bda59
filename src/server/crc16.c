/* crc16.c: CRC16/XMODEM, four bits at a time, and hash tags. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "server/crc16.h"

#include <string.h>

#include "base/assert.h"

/* The CRC of each nibble, alone. */
/* clang-format off */
static const uint16_t nibbles[16] = {
    0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5, 0x60c6, 0x70e7,
    0x8108, 0x9129, 0xa14a, 0xb16b, 0xc18c, 0xd1ad, 0xe1ce, 0xf1ef,
};
/* clang-format on */

static uint16_t step(uint16_t crc, unsigned nibble)
{
    return (uint16_t)((crc << 4) ^ nibbles[(crc >> 12) ^ nibble]);
}

uint16_t server_crc16(const void *data, size_t size_bytes)
{
    const uint8_t *bytes = data;
    uint16_t crc = 0;

    for (size_t i = 0; i < size_bytes; i++) {
        crc = step(crc, bytes[i] >> 4);
        crc = step(crc, bytes[i] & 15U);
    }
    return crc;
}

uint16_t server_key_slot(const void *key, size_t size_bytes)
{
    const uint8_t *bytes = key;
    const uint8_t *open = size_bytes == 0 ? NULL : memchr(bytes, '{', size_bytes);

    if (open != NULL) {
        const uint8_t *tag = open + 1;
        size_t left = size_bytes - (size_t)(tag - bytes);
        const uint8_t *close = left == 0 ? NULL : memchr(tag, '}', left);
        if (close != NULL && close > tag) {
            return server_crc16(tag, (size_t)(close - tag)) % SERVER_SLOT_COUNT;
        }
    }
    uint16_t slot = server_crc16(bytes, size_bytes) % SERVER_SLOT_COUNT;
    ASSERT(slot < SERVER_SLOT_COUNT);
    return slot;
}
