/* keyring.c: datagrams sealed and opened, each once. Format: docs/wire-format.md. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/keyring.h"

#include <openssl/evp.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "quorate/error.h"
#include "runtime/random.h"

#define AT_KEY 4
#define AT_BOOT 8
#define AT_COUNTER 16
#define NONCE_BYTES 12 /* the boot id and the counter, as they stand in the header */
#define COUNTER_MAX UINT32_MAX

static const uint8_t magic[AT_KEY] = {'Q', 'R', 'S', 1};

_Static_assert(AT_COUNTER + 4 == KEYRING_HEADER_BYTES, "the header ends with the counter");
_Static_assert(AT_COUNTER + 4 - AT_BOOT == NONCE_BYTES, "boot id and counter are the nonce");

/* The table of senders: sets of a few places each, so that nothing is ever searched. */
#define WAYS 8
#define SETS (KEYRING_SENDERS_MAX / WAYS)
#define WORDS (KEYRING_WINDOW / 64)

_Static_assert(KEYRING_SENDERS_MAX % WAYS == 0 && KEYRING_WINDOW % 64 == 0, "whole parts");

/* Of one boot of one sender: which of its packets came. */
struct sender {
    uint64_t boot;
    uint64_t used; /* when a packet last came, counted in packets; 0: the place is free */
    uint32_t highest;
    uint64_t came[WORDS]; /* bit i: the packet with the counter highest - i */
};

struct slot {
    struct keyring_key key;
    struct keyring_id id;
    EVP_CIPHER_CTX *sealing;
    EVP_CIPHER_CTX *opening;
};

struct slots {
    size_t count;
    struct slot slots[KEYRING_KEYS_MAX];
};

struct keyring {
    const struct allocator *allocator;
    EVP_CIPHER *cipher; /* fetched once: that costs more than a packet */
    struct slots keys;
    uint64_t boot; /* ours; a new one when the counter is used up */
    uint32_t counter;
    uint64_t clock; /* packets opened */
    struct keyring_stats stats;
    struct sender senders[SETS][WAYS];
};

static void clear(struct slots *slots)
{
    for (size_t i = 0; i < slots->count; i++) {
        EVP_CIPHER_CTX_free(slots->slots[i].sealing);
        EVP_CIPHER_CTX_free(slots->slots[i].opening);
    }
    keyring_wipe(slots, sizeof(*slots));
}

static bool fill(struct slot *slot, const EVP_CIPHER *cipher, const struct keyring_key *key)
{
    uint8_t derived[KEYRING_KEY_BYTES];
    slot->key = *key;
    slot->id = keyring_id_of(key);
    slot->sealing = EVP_CIPHER_CTX_new();
    slot->opening = EVP_CIPHER_CTX_new();
    bool is_filled =
        slot->sealing != NULL && slot->opening != NULL &&
        keyring_derive(key->bytes, sizeof(key->bytes), KEYRING_FOR_PACKETS, derived) == 0 &&
        EVP_EncryptInit_ex2(slot->sealing, cipher, derived, NULL, NULL) == 1 &&
        EVP_DecryptInit_ex2(slot->opening, cipher, derived, NULL, NULL) == 1;
    keyring_wipe(derived, sizeof(derived));
    return is_filled;
}

int keyring_set(struct keyring *keyring, const struct keyring_key *keys, size_t count)
{
    struct slots fresh = {.count = count};
    bool is_filled = true;
    ASSERT(count >= 1 && count <= KEYRING_KEYS_MAX);
    for (size_t i = 0; i < count; i++) {
        is_filled = fill(&fresh.slots[i], keyring->cipher, &keys[i]) && is_filled;
    }
    if (!is_filled) {
        clear(&fresh);
        return QR_ERR_NO_MEMORY;
    }
    clear(&keyring->keys);
    keyring->keys = fresh;
    keyring_wipe(&fresh, sizeof(fresh));
    return 0;
}

int keyring_new(const struct allocator *allocator, const struct keyring_key *keys, size_t count,
                struct keyring **out)
{
    struct keyring *keyring = allocate_zeroed(allocator, sizeof(*keyring));
    if (keyring == NULL) {
        return QR_ERR_NO_MEMORY;
    }
    keyring->allocator = allocator;
    keyring->boot = runtime_random();
    keyring->cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    if (keyring->cipher == NULL || keyring_set(keyring, keys, count) != 0) {
        keyring_free(keyring);
        return QR_ERR_NO_MEMORY;
    }
    *out = keyring;
    return 0;
}

void keyring_free(struct keyring *keyring)
{
    if (keyring == NULL) {
        return;
    }
    clear(&keyring->keys);
    EVP_CIPHER_free(keyring->cipher);
    release(keyring->allocator, keyring, sizeof(*keyring));
}

size_t keyring_keys(const struct keyring *keyring, struct keyring_key keys[KEYRING_KEYS_MAX])
{
    for (size_t i = 0; i < keyring->keys.count; i++) {
        keys[i] = keyring->keys.slots[i].key;
    }
    return keyring->keys.count;
}

static const struct slot *find(const struct keyring *keyring, const uint8_t *id)
{
    for (size_t i = 0; i < keyring->keys.count; i++) {
        const struct slot *slot = &keyring->keys.slots[i];
        if (memcmp(slot->id.bytes, id, KEYRING_ID_BYTES) == 0) {
            return slot;
        }
    }
    return NULL;
}

bool keyring_find(const struct keyring *keyring, struct keyring_id id, struct keyring_key *out)
{
    const struct slot *slot = find(keyring, id.bytes);
    if (slot != NULL) {
        *out = slot->key;
    }
    return slot != NULL;
}

struct keyring_stats keyring_stats(const struct keyring *keyring)
{
    return keyring->stats;
}

/* The next number of ours that was never used before with any key. */
static void put_nonce(struct keyring *keyring, uint8_t *header)
{
    if (keyring->counter == COUNTER_MAX) {
        keyring->boot = runtime_random();
        keyring->counter = 0;
    }
    keyring->counter++;
    store_u64(header + AT_BOOT, keyring->boot);
    store_u32(header + AT_COUNTER, keyring->counter);
}

size_t keyring_seal(struct keyring *keyring, const uint8_t *in, size_t size_bytes, uint8_t *out,
                    size_t out_bytes)
{
    const struct slot *slot = &keyring->keys.slots[0];
    uint8_t *sealed = out + KEYRING_HEADER_BYTES;
    int length = 0;
    ASSERT(size_bytes <= INT32_MAX - KEYRING_SEAL_BYTES);
    ASSERT(out_bytes >= size_bytes + KEYRING_SEAL_BYTES);
    memcpy(out, magic, sizeof(magic));
    memcpy(out + AT_KEY, slot->id.bytes, KEYRING_ID_BYTES);
    put_nonce(keyring, out);
    bool is_sealed =
        EVP_EncryptInit_ex2(slot->sealing, NULL, NULL, out + AT_BOOT, NULL) == 1 &&
        EVP_EncryptUpdate(slot->sealing, NULL, &length, out, KEYRING_HEADER_BYTES) == 1 &&
        EVP_EncryptUpdate(slot->sealing, sealed, &length, in, (int)size_bytes) == 1 &&
        (size_t)length == size_bytes &&
        EVP_EncryptFinal_ex(slot->sealing, sealed + size_bytes, &length) == 1 &&
        EVP_CIPHER_CTX_ctrl(slot->sealing, EVP_CTRL_AEAD_GET_TAG, KEYRING_TAG_BYTES,
                            sealed + size_bytes) == 1;
    keyring->stats.sealed += is_sealed ? 1 : 0;
    return is_sealed ? size_bytes + KEYRING_SEAL_BYTES : 0;
}

static struct sender *find_sender(struct keyring *keyring, uint64_t boot)
{
    struct sender *set = keyring->senders[boot % SETS];
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].used != 0 && set[i].boot == boot) {
            return &set[i];
        }
    }
    return NULL;
}

static bool is_bit(const struct sender *sender, uint32_t behind)
{
    return (sender->came[behind / 64] >> (behind % 64) & 1) != 0;
}

/* Whether it came before, or might have. */
static bool is_stale(const struct sender *sender, uint32_t counter)
{
    if (sender == NULL || counter > sender->highest) {
        return false;
    }
    uint32_t behind = sender->highest - counter;
    return behind >= KEYRING_WINDOW || is_bit(sender, behind);
}

/* A place for a sender that has just proved itself: that of the one silent for longest. */
static struct sender *add_sender(struct keyring *keyring, uint64_t boot, uint32_t counter)
{
    struct sender *set = keyring->senders[boot % SETS];
    struct sender *place = &set[0];
    for (size_t i = 1; i < WAYS; i++) {
        place = set[i].used < place->used ? &set[i] : place;
    }
    keyring->stats.forgotten += place->used != 0 ? 1 : 0;
    *place = (struct sender){.boot = boot, .highest = counter};
    return place;
}

/* Make all older by so many counters. */
static void shift(struct sender *sender, uint32_t by)
{
    uint64_t moved[WORDS] = {0};
    for (uint32_t i = by; i < KEYRING_WINDOW; i++) {
        if (is_bit(sender, i - by)) {
            moved[i / 64] |= UINT64_C(1) << (i % 64);
        }
    }
    memcpy(sender->came, moved, sizeof(moved));
}

/* The next one, as nearly all are: without the loop. */
static void shift_one(struct sender *sender)
{
    for (size_t i = WORDS - 1; i > 0; i--) {
        sender->came[i] = sender->came[i] << 1 | sender->came[i - 1] >> 63;
    }
    sender->came[0] <<= 1;
}

static void note(struct keyring *keyring, uint64_t boot, uint32_t counter)
{
    struct sender *sender = find_sender(keyring, boot);
    if (sender == NULL) {
        sender = add_sender(keyring, boot, counter);
    }
    if (counter == sender->highest + 1) {
        shift_one(sender);
    } else if (counter > sender->highest) {
        shift(sender, counter - sender->highest);
    }
    sender->highest = counter > sender->highest ? counter : sender->highest;
    uint32_t behind = sender->highest - counter;
    ASSERT(behind < KEYRING_WINDOW && !is_bit(sender, behind));
    sender->came[behind / 64] |= UINT64_C(1) << (behind % 64);
    sender->used = ++keyring->clock;
}

static bool decrypt(const struct slot *slot, const uint8_t *in, size_t sealed_bytes, uint8_t *out)
{
    const uint8_t *sealed = in + KEYRING_HEADER_BYTES;
    uint8_t tag[KEYRING_TAG_BYTES];
    int length = 0;
    memcpy(tag, sealed + sealed_bytes, sizeof(tag));
    return EVP_DecryptInit_ex2(slot->opening, NULL, NULL, in + AT_BOOT, NULL) == 1 &&
           EVP_DecryptUpdate(slot->opening, NULL, &length, in, KEYRING_HEADER_BYTES) == 1 &&
           EVP_DecryptUpdate(slot->opening, out, &length, sealed, (int)sealed_bytes) == 1 &&
           (size_t)length == sealed_bytes &&
           EVP_CIPHER_CTX_ctrl(slot->opening, EVP_CTRL_AEAD_SET_TAG, sizeof(tag), tag) == 1 &&
           EVP_DecryptFinal_ex(slot->opening, out + sealed_bytes, &length) == 1;
}

int keyring_open(struct keyring *keyring, const uint8_t *in, size_t size_bytes, uint8_t *out,
                 size_t out_bytes, size_t *opened_bytes)
{
    struct keyring_stats *stats = &keyring->stats;
    if (size_bytes < KEYRING_SEAL_BYTES || size_bytes > INT32_MAX ||
        memcmp(in, magic, sizeof(magic)) != 0) {
        stats->malformed++;
        return QR_ERR_MALFORMED;
    }
    size_t sealed_bytes = size_bytes - KEYRING_SEAL_BYTES;
    if (sealed_bytes > out_bytes) {
        stats->malformed++;
        return QR_ERR_TOO_LARGE;
    }
    const struct slot *slot = find(keyring, in + AT_KEY);
    if (slot == NULL) {
        stats->foreign++;
        return QR_ERR_FOREIGN;
    }
    /* What came before is not worth its decryption; what is new is believed only behind it. */
    uint64_t boot = load_u64(in + AT_BOOT);
    uint32_t counter = load_u32(in + AT_COUNTER);
    if (boot == keyring->boot || is_stale(find_sender(keyring, boot), counter)) {
        stats->replayed++;
        return QR_ERR_STALE;
    }
    if (!decrypt(slot, in, sealed_bytes, out)) {
        stats->forged++;
        return QR_ERR_CORRUPT;
    }
    note(keyring, boot, counter);
    stats->opened++;
    *opened_bytes = sealed_bytes;
    return 0;
}
