/* histogram.h: how often each size of a number was seen, in fixed memory.
 *
 * Owns     log-linear counts: numbers below HISTOGRAM_STEPS are kept exactly, above that
 *          each power of two is cut into HISTOGRAM_STEPS equal steps, so that a number read
 *          back is at most 1/HISTOGRAM_STEPS (0.8 %) above the true one.
 * Does not know the unit of what it counts.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_HISTOGRAM_H
#define BASE_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_STEPS 128
#define HISTOGRAM_BUCKETS (58 * HISTOGRAM_STEPS) /* up to UINT64_MAX */

struct histogram {
    uint64_t total; /* numbers recorded */
    uint64_t least; /* UINT64_MAX when none */
    uint64_t most;
    uint64_t counts[HISTOGRAM_BUCKETS];
};

void histogram_init(struct histogram *histogram);

/* Count one number. Cost: constant, no branch on its size but one. */
void histogram_record(struct histogram *histogram, uint64_t value);

/* Add all that `other` has counted. */
void histogram_merge(struct histogram *histogram, const struct histogram *other);

/* The least number that at least `per_million` millionths of all are not above: 500000 is
 * the median, 999000 the 99.9th percentile, 1000000 the most. 0 when nothing was recorded.
 */
uint64_t histogram_percentile(const struct histogram *histogram, uint32_t per_million);

#endif
