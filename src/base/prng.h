/* prng.h: a seeded generator for pure code (xoshiro256**, Blackman and Vigna 2018).
 *
 * Not for secrets. The same seed gives the same numbers on every machine.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_PRNG_H
#define BASE_PRNG_H

#include <stdint.h>

struct prng {
    uint64_t state[4];
};

struct prng prng_of(uint64_t seed);
uint64_t prng_next(struct prng *prng);

/* Uniform in [low, high], both included; low <= high. */
uint64_t prng_between(struct prng *prng, uint64_t low, uint64_t high);

#endif
