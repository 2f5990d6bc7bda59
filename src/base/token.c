/* token.c: the id that stands for a token: SipHash-2-4 of 128 bits, under a fixed key.
 *
 * Every node and version must make the same id of a token, so this never changes (Aumasson and
 * Bernstein, 2012; the reference code's vectors are in test_base_token.c).
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/token.h"

#include "base/bytes.h"

struct state {
    uint64_t v0;
    uint64_t v1;
    uint64_t v2;
    uint64_t v3;
};

static uint64_t rotate_left(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

static void mix(struct state *state, int rounds)
{
    for (int i = 0; i < rounds; i++) {
        state->v0 += state->v1;
        state->v1 = rotate_left(state->v1, 13) ^ state->v0;
        state->v0 = rotate_left(state->v0, 32);
        state->v2 += state->v3;
        state->v3 = rotate_left(state->v3, 16) ^ state->v2;
        state->v0 += state->v3;
        state->v3 = rotate_left(state->v3, 21) ^ state->v0;
        state->v2 += state->v1;
        state->v1 = rotate_left(state->v1, 17) ^ state->v2;
        state->v2 = rotate_left(state->v2, 32);
    }
}

static void take(struct state *state, uint64_t word)
{
    state->v3 ^= word;
    mix(state, 2);
    state->v0 ^= word;
}

struct proposal_id token_hash(struct proposal_id key, const void *token, size_t size_bytes)
{
    const uint8_t *bytes = token;
    uint64_t last = (uint64_t)size_bytes << 56;
    struct state state = {
        .v0 = key.low ^ UINT64_C(0x736f6d6570736575),
        .v1 = key.high ^ UINT64_C(0x646f72616e646f6d) ^ 0xee,
        .v2 = key.low ^ UINT64_C(0x6c7967656e657261),
        .v3 = key.high ^ UINT64_C(0x7465646279746573),
    };
    size_t at = 0;
    for (; size_bytes - at >= 8; at += 8) {
        take(&state, load_u64(bytes + at));
    }
    for (unsigned shift = 0; at < size_bytes; at++, shift += 8) {
        last |= (uint64_t)bytes[at] << shift;
    }
    take(&state, last);
    state.v2 ^= 0xee;
    mix(&state, 4);
    uint64_t low = state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
    state.v1 ^= 0xdd;
    mix(&state, 4);
    return (struct proposal_id){state.v0 ^ state.v1 ^ state.v2 ^ state.v3, low};
}

struct qr_id qr_token_id(const void *token, size_t size_bytes)
{
    static const struct proposal_id key = {UINT64_C(0x716f726174652074),
                                           UINT64_C(0x6f6b656e2069642e)};
    if (token == NULL && size_bytes > 0) {
        return (struct qr_id){.high = QR_SESSION_BIT}; /* of no proposal: it is refused */
    }
    struct proposal_id hash = token_hash(key, token, size_bytes);
    return (struct qr_id){hash.high | QR_SESSION_BIT | QR_TOKEN_BIT, hash.low};
}
