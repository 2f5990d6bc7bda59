/* sealed.c: fuzzes what opens sealed packets, and the reader of the file of keys.
 *
 * Input    a byte: what the rest is; then a packet, a change to one that is sealed, or a file.
 * Asserts  that nothing opens which our keys did not seal, that what they sealed opens as it was,
 *          once; that a file that is read says the same again when its keys are written out, and
 *          that a refusal names a line and never tells what stands there.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "quorate/error.h"
#include "runtime/keyring.h"
#include "runtime/memory.h"

#define PACKET_BYTES_MAX 2048
#define KINDS 3

static struct keyring *keyring_of(uint8_t first, uint8_t second)
{
    struct keyring_key keys[2];
    struct keyring *keyring = NULL;
    memset(&keys[0], first, sizeof(keys[0]));
    memset(&keys[1], second, sizeof(keys[1]));
    int status = keyring_new(&runtime_allocator, keys, 2, &keyring);
    ASSERT(status == 0);
    return keyring;
}

/* Nobody has sealed it. */
static void open_anything(struct keyring *keyring, const uint8_t *data, size_t size_bytes)
{
    uint8_t out[PACKET_BYTES_MAX];
    size_t opened_bytes = 4711;
    int status = keyring_open(keyring, data, size_bytes, out, sizeof(out), &opened_bytes);
    ASSERT(status != 0 && opened_bytes == 4711);
    ASSERT(keyring_stats(keyring).opened == 0);
}

/* The first half is sealed, the second tells which byte of the packet is changed, and how. */
static void open_changed(struct keyring *sender, struct keyring *receiver, const uint8_t *data,
                         size_t size_bytes)
{
    uint8_t packet[PACKET_BYTES_MAX + KEYRING_SEAL_BYTES];
    uint8_t changed[sizeof(packet)];
    uint8_t out[PACKET_BYTES_MAX];
    size_t text_bytes = size_bytes / 2;
    size_t opened_bytes = 0;
    size_t packet_bytes = keyring_seal(sender, data, text_bytes, packet, sizeof(packet));
    ASSERT(packet_bytes == text_bytes + KEYRING_SEAL_BYTES);
    memcpy(changed, packet, packet_bytes);
    for (size_t i = text_bytes; i + 1 < size_bytes; i += 2) {
        changed[data[i] * packet_bytes / 256] ^= data[i + 1];
    }
    bool is_changed = memcmp(changed, packet, packet_bytes) != 0;
    int status = keyring_open(receiver, changed, packet_bytes, out, sizeof(out), &opened_bytes);
    ASSERT((status != 0) == is_changed);
    if (is_changed) {
        status = keyring_open(receiver, packet, packet_bytes, out, sizeof(out), &opened_bytes);
    }
    ASSERT(status == 0 && opened_bytes == text_bytes && memcmp(out, data, text_bytes) == 0);
    status = keyring_open(receiver, packet, packet_bytes, out, sizeof(out), &opened_bytes);
    ASSERT(status == QR_ERR_STALE);
}

static void check_again(const struct keyring_key *keys, size_t count)
{
    char text[KEYRING_KEYS_MAX * (2 * KEYRING_KEY_BYTES + 1) + 1];
    struct keyring_key again[KEYRING_KEYS_MAX];
    char detail[KEYRING_DETAIL_BYTES] = "";
    size_t length = 0;
    size_t again_count = 0;
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < KEYRING_KEY_BYTES; k++) {
            (void)snprintf(text + length, sizeof(text) - length, "%02x", keys[i].bytes[k]);
            length += 2;
        }
        text[length++] = '\n';
    }
    int status = keyring_parse(text, length, again, &again_count, detail);
    ASSERT(status == 0 && again_count == count);
    ASSERT(memcmp(again, keys, count * sizeof(*keys)) == 0);
}

static void read_file(const uint8_t *data, size_t size_bytes)
{
    struct keyring_key keys[KEYRING_KEYS_MAX];
    char detail[KEYRING_DETAIL_BYTES] = "";
    size_t count = 0;
    int status = keyring_parse((const char *)data, size_bytes, keys, &count, detail);
    if (status == 0) {
        ASSERT(count >= 1 && count <= KEYRING_KEYS_MAX && detail[0] == '\0');
        check_again(keys, count);
    } else {
        unsigned line = 0;
        ASSERT(status == QR_ERR_INVALID && count == 0);
        ASSERT(sscanf(detail, "line %u is ", &line) == 1 ||
               strncmp(detail, "there is no", 11) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    if (size_bytes == 0 || size_bytes > PACKET_BYTES_MAX) {
        return 0;
    }
    struct keyring *sender = keyring_of(1, 2);
    struct keyring *receiver = keyring_of(2, 1);
    switch (data[0] % KINDS) {
    case 0:
        open_anything(receiver, data + 1, size_bytes - 1);
        break;
    case 1:
        open_changed(sender, receiver, data + 1, size_bytes - 1);
        break;
    default:
        read_file(data + 1, size_bytes - 1);
        break;
    }
    keyring_free(sender);
    keyring_free(receiver);
    return 0;
}
