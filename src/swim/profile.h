/* profile.h: what a member says of itself: its name, addresses, roles and versions.
 *
 * Owns     the value, its encoding, and the cards on which encoded profiles are kept: each
 *          profile once, however many members or machines hold it.
 * Does not know which member it belongs to, or whether that is alive.
 * Threads  one caller at a time for all machines that share one struct swim_cards.
 * Format   docs/wire-format.md, "Packets": format (u8, 1), started (u64), name, peer (each its
 *          length in a byte and its bytes), roles, version_min, version_max (u32), health (u8),
 *          client, http, meta (likewise).
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SWIM_PROFILE_H
#define SWIM_PROFILE_H

#include "base/allocator.h"
#include "base/text.h"
#include "base/types.h"

#define SWIM_NAME_BYTES_MAX 64
#define SWIM_ADDRESS_BYTES_MAX 128
#define SWIM_META_BYTES_MAX 128
#define SWIM_PROFILE_BYTES_MAX 640

/* What a member is for. Unknown bits are kept and passed on: newer members may know them. */
enum swim_role_flag {
    SWIM_ROLE_VOTER = 1,
    SWIM_ROLE_LEARNER = 2,
    SWIM_ROLE_OBSERVER = 4, /* takes no part in Raft */
};

/* Set by its owner alone. A change of it is a new incarnation, so that the latest wins. */
struct swim_profile {
    uint64_t started; /* the incarnation with which this life began: the older has the name */
    uint32_t roles;
    uint32_t version_min; /* of the protocol between nodes */
    uint32_t version_max;
    uint8_t health; /* 0: well; what else is the owner's to say */
    uint8_t meta_bytes;
    char name[SWIM_NAME_BYTES_MAX];    /* 1 to 63 of [a-z0-9.-] */
    char peer[SWIM_ADDRESS_BYTES_MAX]; /* HOST:PORT, never empty; printable, like all three */
    char client[SWIM_ADDRESS_BYTES_MAX];
    char http[SWIM_ADDRESS_BYTES_MAX];
    uint8_t meta[SWIM_META_BYTES_MAX]; /* the application's, not looked into */
};

/* Encoded bytes that somebody else holds. All zero: none. */
struct swim_blob {
    const uint8_t *bytes;
    uint16_t size_bytes; /* at most SWIM_PROFILE_BYTES_MAX */
};

/* Encode it. Returns its bytes, or 0 when it is out of bounds: a name or peer address missing,
 * too long or of other characters, versions the wrong way round.
 */
size_t swim_profile_encode(const struct swim_profile *profile, uint8_t out[SWIM_PROFILE_BYTES_MAX]);

/* Returns 0 or QR_ERR_MALFORMED: another format, out of the same bounds, bytes left over. */
NODISCARD int swim_profile_decode(struct swim_blob blob, struct swim_profile *out);

void swim_profile_text(const struct swim_profile *profile, struct text *text);
void swim_profile_json(const struct swim_profile *profile, struct text *text);

/* An encoded profile that is well formed, with what the machine looks at often. */
struct swim_card {
    struct swim_card *next; /* in its bucket */
    uint32_t holder_count;
    uint32_t hash;
    uint32_t name_hash;
    uint16_t size_bytes;
    uint16_t name_at; /* of its length byte */
    uint16_t peer_at; /* of its NUL-terminated copy behind the encoding */
    uint8_t bytes[];
};

struct swim_cards;

/* Returns 0 or QR_ERR_NO_MEMORY. The allocator outlives it. */
NODISCARD int swim_cards_new(const struct allocator *allocator, struct swim_cards **out);

/* NULL is allowed. Asserts that no card is held. */
void swim_cards_free(struct swim_cards *cards);

/* The card of these bytes, one more time held, or NULL when memory ran out. The bytes are well
 * formed: asserted.
 */
struct swim_card *swim_cards_hold(struct swim_cards *cards, struct swim_blob blob);

/* Hold a card once more. Returns it; NULL is allowed. */
struct swim_card *swim_card_again(struct swim_card *card);

/* One holder less. NULL is allowed. */
void swim_cards_drop(struct swim_cards *cards, struct swim_card *card);

static inline struct swim_blob swim_card_blob(const struct swim_card *card)
{
    return (struct swim_blob){.bytes = card->bytes, .size_bytes = card->size_bytes};
}

/* HOST:PORT, ends in a NUL; lives as long as the card. */
static inline const char *swim_card_peer(const struct swim_card *card)
{
    return (const char *)card->bytes + card->peer_at;
}

/* The incarnation with which the owner's life began. */
uint64_t swim_card_started(const struct swim_card *card);

bool swim_card_has_name_of(const struct swim_card *card, const struct swim_card *other);

#endif
