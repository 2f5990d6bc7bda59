/* types.h: the scalars and small values that every room shares.
 *
 * Owns     nothing but types. A time is an argument here, never read.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_TYPES_H
#define BASE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NODISCARD __attribute__((warn_unused_result))

typedef uint64_t raft_index; /* position in the log, from 1; 0 is before the first */
typedef uint64_t raft_term;  /* from 1; 0 is before the first election */
typedef uint64_t node_id;    /* random, made with the data directory; any value, also 0 */
typedef uint64_t time_ns;    /* nanoseconds; whose clock is said where it is used */

#define TIME_NEVER UINT64_MAX
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)

struct cluster_id {
    uint64_t high;
    uint64_t low;
};

static inline bool cluster_id_is_none(struct cluster_id id)
{
    return id.high == 0 && id.low == 0;
}

static inline bool cluster_id_equal(struct cluster_id a, struct cluster_id b)
{
    return a.high == b.high && a.low == b.low;
}

/* What a node must never forget (Raft, figure 2, persistent state), without the log. */
struct hard_state {
    raft_term term;
    node_id voted_for; /* means nothing unless has_voted: id 0 is a node like any other */
    bool has_voted;
};

/* 128 bits that name a proposal, made by who proposes it. */
struct proposal_id {
    uint64_t high;
    uint64_t low;
};

/* Whether the session table looks at proposals with this id: QR_SESSION_BIT of quorate/types.h. */
static inline bool proposal_id_is_session(struct proposal_id id)
{
    return (id.high >> 63) != 0;
}

static inline bool proposal_id_equal(struct proposal_id a, struct proposal_id b)
{
    return a.high == b.high && a.low == b.low;
}

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

#endif
