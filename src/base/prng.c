/* prng.c: xoshiro256** seeded by splitmix64. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/prng.h"

#include "base/assert.h"

static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint64_t rotate_left(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

struct prng prng_of(uint64_t seed)
{
    struct prng prng;
    for (int i = 0; i < 4; i++) {
        prng.state[i] = splitmix(&seed);
    }
    return prng;
}

uint64_t prng_next(struct prng *prng)
{
    uint64_t *s = prng->state;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t prng_between(struct prng *prng, uint64_t low, uint64_t high)
{
    ASSERT(low <= high);
    uint64_t span = high - low + 1;
    if (span == 0) {
        return prng_next(prng);
    }
    /* Refuse the uneven rest, so that every value is as likely as any other. */
    uint64_t limit = UINT64_MAX - UINT64_MAX % span;
    uint64_t value = prng_next(prng);
    while (value >= limit) {
        value = prng_next(prng);
    }
    return low + value % span;
}
