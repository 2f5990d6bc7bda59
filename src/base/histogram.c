/* histogram.c: how often each size of a number was seen. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/histogram.h"

#include <string.h>

#include "base/assert.h"
#include "base/types.h"

#define STEP_BITS 7
#define MILLION UINT64_C(1000000)

_Static_assert(HISTOGRAM_STEPS == 1 << STEP_BITS, "one power of two has 2^STEP_BITS steps");
_Static_assert(HISTOGRAM_BUCKETS == (64 - STEP_BITS + 1) * HISTOGRAM_STEPS,
               "the last bucket ends at UINT64_MAX");

static size_t bucket_of(uint64_t value)
{
    if (value < HISTOGRAM_STEPS) {
        return (size_t)value;
    }
    unsigned shift = 63U - (unsigned)__builtin_clzll(value) - STEP_BITS;
    size_t bucket = (size_t)shift * HISTOGRAM_STEPS + (size_t)(value >> shift);
    ASSERT(bucket < HISTOGRAM_BUCKETS);
    return bucket;
}

/* The largest number that falls into `bucket`. */
static uint64_t bucket_end(size_t bucket)
{
    if (bucket < HISTOGRAM_STEPS) {
        return bucket;
    }
    unsigned shift = (unsigned)(bucket / HISTOGRAM_STEPS) - 1;
    uint64_t step = bucket % HISTOGRAM_STEPS + HISTOGRAM_STEPS;
    return (step << shift) + ((UINT64_C(1) << shift) - 1);
}

void histogram_init(struct histogram *histogram)
{
    memset(histogram, 0, sizeof(*histogram));
    histogram->least = UINT64_MAX;
}

void histogram_record(struct histogram *histogram, uint64_t value)
{
    histogram->counts[bucket_of(value)]++;
    histogram->total++;
    histogram->least = min_u64(histogram->least, value);
    histogram->most = max_u64(histogram->most, value);
}

void histogram_merge(struct histogram *histogram, const struct histogram *other)
{
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        histogram->counts[i] += other->counts[i];
    }
    histogram->total += other->total;
    histogram->least = min_u64(histogram->least, other->least);
    histogram->most = max_u64(histogram->most, other->most);
}

/* `per_million` millionths of `total`, rounded up, without overflow. */
static uint64_t rank_of(uint64_t total, uint32_t per_million)
{
    uint64_t rest = total % MILLION * per_million;
    return total / MILLION * per_million + (rest + MILLION - 1) / MILLION;
}

uint64_t histogram_percentile(const struct histogram *histogram, uint32_t per_million)
{
    ASSERT(per_million <= MILLION);
    if (histogram->total == 0) {
        return 0;
    }
    uint64_t rank = max_u64(rank_of(histogram->total, per_million), 1);
    uint64_t seen = 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->counts[i];
        if (seen >= rank) {
            return max_u64(min_u64(bucket_end(i), histogram->most), histogram->least);
        }
    }
    ASSERT(seen == histogram->total);
    return histogram->most;
}
