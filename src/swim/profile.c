/* profile.c: a member's profile, its encoding, and the cards that hold each once. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "swim/profile.h"

#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "quorate/error.h"

#define PROFILE_FORMAT 1
#define NAME_AT 9 /* behind the format and `started` */
#define STARTED_AT 1
#define BUCKETS_FIRST 16

struct swim_cards {
    const struct allocator *allocator;
    struct swim_card **buckets;
    size_t bucket_count; /* a power of two */
    size_t count;
};

static bool is_name_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
}

/* Whether the array ends in a NUL, with its length. */
static bool string_length(const char *string, size_t size, size_t *length)
{
    for (*length = 0; *length < size; (*length)++) {
        if (string[*length] == '\0') {
            return true;
        }
    }
    return false;
}

/* Of a string that is known to end. */
static size_t length_of(const char *string)
{
    size_t length = 0;
    while (string[length] != '\0') {
        length++;
    }
    return length;
}

/* Whether it ends in its array and can be shown as it is: bytes of a peer go into logs. */
static bool is_address(const char *address, size_t size)
{
    size_t length;
    if (!string_length(address, size, &length)) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        if (address[i] <= ' ' || address[i] > '~') {
            return false;
        }
    }
    return true;
}

static bool is_valid(const struct swim_profile *profile)
{
    size_t name;
    if (!string_length(profile->name, sizeof(profile->name), &name) || name == 0 ||
        !is_address(profile->peer, sizeof(profile->peer)) || profile->peer[0] == '\0' ||
        !is_address(profile->client, sizeof(profile->client)) ||
        !is_address(profile->http, sizeof(profile->http))) {
        return false;
    }
    for (size_t i = 0; i < name; i++) {
        if (!is_name_character(profile->name[i])) {
            return false;
        }
    }
    return profile->version_min <= profile->version_max &&
           profile->meta_bytes <= SWIM_META_BYTES_MAX;
}

size_t swim_profile_encode(const struct swim_profile *profile, uint8_t out[SWIM_PROFILE_BYTES_MAX])
{
    if (!is_valid(profile)) {
        return 0;
    }
    struct writer writer = writer_of(out, SWIM_PROFILE_BYTES_MAX);
    write_u8(&writer, PROFILE_FORMAT);
    write_u64(&writer, profile->started);
    write_string8(&writer, profile->name);
    write_string8(&writer, profile->peer);
    write_u32(&writer, profile->roles);
    write_u32(&writer, profile->version_min);
    write_u32(&writer, profile->version_max);
    write_u8(&writer, profile->health);
    write_string8(&writer, profile->client);
    write_string8(&writer, profile->http);
    write_u8(&writer, profile->meta_bytes);
    write_bytes(&writer, profile->meta, profile->meta_bytes);
    ASSERT(!writer.failed);
    return writer_used(&writer);
}

int swim_profile_decode(struct swim_blob blob, struct swim_profile *out)
{
    struct reader reader = reader_of(blob.bytes, blob.size_bytes);
    memset(out, 0, sizeof(*out));
    uint8_t format = read_u8(&reader);
    out->started = read_u64(&reader);
    read_string8(&reader, out->name, sizeof(out->name));
    read_string8(&reader, out->peer, sizeof(out->peer));
    out->roles = read_u32(&reader);
    out->version_min = read_u32(&reader);
    out->version_max = read_u32(&reader);
    out->health = read_u8(&reader);
    read_string8(&reader, out->client, sizeof(out->client));
    read_string8(&reader, out->http, sizeof(out->http));
    out->meta_bytes = read_u8(&reader);
    const uint8_t *meta = read_bytes(&reader, out->meta_bytes);
    if (reader.failed || format != PROFILE_FORMAT || reader_left(&reader) != 0 || !is_valid(out)) {
        return QR_ERR_MALFORMED;
    }
    memcpy(out->meta, meta, out->meta_bytes);
    return 0;
}

void swim_profile_text(const struct swim_profile *profile, struct text *text)
{
    text_string(text, profile->name);
    text_char(text, '@');
    text_string(text, profile->peer);
    text_string(text, " started=");
    text_u64(text, profile->started);
    text_string(text, " roles=");
    text_u64(text, profile->roles);
    text_string(text, " versions=");
    text_u64(text, profile->version_min);
    text_char(text, '-');
    text_u64(text, profile->version_max);
    text_string(text, " health=");
    text_u64(text, profile->health);
    text_string(text, " client=");
    text_quoted(text, profile->client, length_of(profile->client));
    text_string(text, " http=");
    text_quoted(text, profile->http, length_of(profile->http));
    text_string(text, " meta=");
    text_quoted(text, profile->meta, profile->meta_bytes);
}

void swim_profile_json(const struct swim_profile *profile, struct text *text)
{
    text_json_object_begin(text);
    text_json_key(text, "name");
    text_json_string(text, profile->name);
    text_json_key(text, "peer");
    text_json_string(text, profile->peer);
    text_json_key(text, "started");
    text_json_u64(text, profile->started);
    text_json_key(text, "roles");
    text_json_u64(text, profile->roles);
    text_json_key(text, "version_min");
    text_json_u64(text, profile->version_min);
    text_json_key(text, "version_max");
    text_json_u64(text, profile->version_max);
    text_json_key(text, "health");
    text_json_u64(text, profile->health);
    text_json_key(text, "client");
    text_json_string(text, profile->client);
    text_json_key(text, "http");
    text_json_string(text, profile->http);
    text_json_key(text, "meta");
    text_json_bytes(text, profile->meta, profile->meta_bytes);
    text_json_object_end(text);
}

/* FNV-1a: who can choose what is hashed here is a member already. */
static uint32_t hash_of(const uint8_t *bytes, size_t size_bytes)
{
    uint32_t hash = UINT32_C(2166136261);
    for (size_t i = 0; i < size_bytes; i++) {
        hash = (hash ^ bytes[i]) * UINT32_C(16777619);
    }
    return hash ^ hash >> 15;
}

int swim_cards_new(const struct allocator *allocator, struct swim_cards **out)
{
    struct swim_cards *cards = allocate_zeroed(allocator, sizeof(*cards));
    if (cards == NULL) {
        return QR_ERR_NO_MEMORY;
    }
    cards->allocator = allocator;
    cards->bucket_count = BUCKETS_FIRST;
    cards->buckets = allocate_zeroed(allocator, BUCKETS_FIRST * sizeof(*cards->buckets));
    if (cards->buckets == NULL) {
        release(allocator, cards, sizeof(*cards));
        return QR_ERR_NO_MEMORY;
    }
    *out = cards;
    return 0;
}

void swim_cards_free(struct swim_cards *cards)
{
    if (cards == NULL) {
        return;
    }
    ASSERT(cards->count == 0);
    release(cards->allocator, cards->buckets, cards->bucket_count * sizeof(*cards->buckets));
    release(cards->allocator, cards, sizeof(*cards));
}

/* Without memory for more buckets it only gets slower. */
static void cards_grow(struct swim_cards *cards)
{
    size_t count = cards->bucket_count * 2;
    struct swim_card **buckets = allocate_zeroed(cards->allocator, count * sizeof(*cards->buckets));
    if (buckets == NULL) {
        return;
    }
    for (size_t b = 0; b < cards->bucket_count; b++) {
        struct swim_card *card = cards->buckets[b];
        while (card != NULL) {
            struct swim_card *next = card->next;
            card->next = buckets[card->hash & (count - 1)];
            buckets[card->hash & (count - 1)] = card;
            card = next;
        }
    }
    release(cards->allocator, cards->buckets, cards->bucket_count * sizeof(*cards->buckets));
    cards->buckets = buckets;
    cards->bucket_count = count;
}

/* What is allocated: the encoding, and the peer address again with a NUL. */
static size_t card_bytes(size_t size_bytes, size_t peer_bytes)
{
    return sizeof(struct swim_card) + size_bytes + peer_bytes + 1;
}

static struct swim_card *card_new(struct swim_cards *cards, struct swim_blob blob, uint32_t hash)
{
    const uint8_t *bytes = blob.bytes;
    size_t peer_at = NAME_AT + 1 + (size_t)bytes[NAME_AT];
    size_t peer_bytes = bytes[peer_at];
    ASSERT(peer_at + 1 + peer_bytes < blob.size_bytes);
    struct swim_card *card = allocate(cards->allocator, card_bytes(blob.size_bytes, peer_bytes));
    if (card == NULL) {
        return NULL;
    }
    *card = (struct swim_card){
        .holder_count = 1,
        .hash = hash,
        .name_hash = hash_of(bytes + NAME_AT, peer_at - NAME_AT),
        .size_bytes = blob.size_bytes,
        .name_at = NAME_AT,
        .peer_at = blob.size_bytes,
    };
    memcpy(card->bytes, bytes, blob.size_bytes);
    memcpy(card->bytes + card->peer_at, bytes + peer_at + 1, peer_bytes);
    card->bytes[card->peer_at + peer_bytes] = 0;
    return card;
}

struct swim_card *swim_cards_hold(struct swim_cards *cards, struct swim_blob blob)
{
    ASSERT(blob.size_bytes > NAME_AT + 2);
    ASSERT(blob.size_bytes <= SWIM_PROFILE_BYTES_MAX);
    uint32_t hash = hash_of(blob.bytes, blob.size_bytes);
    struct swim_card *card = cards->buckets[hash & (cards->bucket_count - 1)];
    for (; card != NULL; card = card->next) {
        if (card->hash == hash && card->size_bytes == blob.size_bytes &&
            memcmp(card->bytes, blob.bytes, blob.size_bytes) == 0) {
            return swim_card_again(card);
        }
    }
    card = card_new(cards, blob, hash);
    if (card == NULL) {
        return NULL;
    }
    if (cards->count >= cards->bucket_count) {
        cards_grow(cards);
    }
    struct swim_card **bucket = &cards->buckets[hash & (cards->bucket_count - 1)];
    card->next = *bucket;
    *bucket = card;
    cards->count++;
    return card;
}

struct swim_card *swim_card_again(struct swim_card *card)
{
    if (card != NULL) {
        card->holder_count++;
    }
    return card;
}

void swim_cards_drop(struct swim_cards *cards, struct swim_card *card)
{
    if (card == NULL) {
        return;
    }
    ASSERT(card->holder_count > 0);
    card->holder_count--;
    if (card->holder_count > 0) {
        return;
    }
    struct swim_card **at = &cards->buckets[card->hash & (cards->bucket_count - 1)];
    while (*at != card) {
        ASSERT(*at != NULL);
        at = &(*at)->next;
    }
    *at = card->next;
    cards->count--;
    release(cards->allocator, card, card_bytes(card->size_bytes, length_of(swim_card_peer(card))));
}

uint64_t swim_card_started(const struct swim_card *card)
{
    return load_u64(card->bytes + STARTED_AT);
}

bool swim_card_has_name_of(const struct swim_card *card, const struct swim_card *other)
{
    const uint8_t *mine = card->bytes + card->name_at;
    const uint8_t *theirs = other->bytes + other->name_at;
    return mine[0] == theirs[0] && memcmp(mine + 1, theirs + 1, mine[0]) == 0;
}
