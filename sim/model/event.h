/* event.h: one thing that happens in a run, in 32 bits.
 *
 * Owns     its kinds, and how kind, node and argument are packed.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MODEL_EVENT_H
#define MODEL_EVENT_H

#include "base/types.h"

/* X(NAME, "word") */
#define EVENT_KIND_MAP(X)                                                                          \
    X(EVENT_DELIVER, "deliver")     /* argument: number of the message */                          \
    X(EVENT_DUPLICATE, "duplicate") /* deliver it, and keep it in flight */                        \
    X(EVENT_TIMEOUT, "time out")    /* the clock reaches the deadline, and ticks */                \
    X(EVENT_LAPSE, "lapse")         /* the clock reaches it, the tick comes later */               \
    X(EVENT_SAVED, "saved")         /* argument: so many saves are durable */                      \
    X(EVENT_FETCHED, "fetched")     /* argument: position of the fetch */                          \
    X(EVENT_CRASH, "crash")         /* and restart; argument: see event_crash() */                 \
    X(EVENT_PROPOSE, "propose")     /* argument: number of the proposal, from 0 */                 \
    X(EVENT_READ, "read")           /* argument: entries committed anywhere by now */              \
    X(EVENT_CHANGE, "change")       /* argument: see event_change() */                             \
    X(EVENT_TRANSFER, "transfer")   /* argument: to which node */                                  \
    X(EVENT_HINT, "hint")           /* the leader that it follows seems to be gone */              \
    X(EVENT_COMPACT, "compact")     /* take a snapshot of all that is applied, compact to there */ \
    X(EVENT_INSTALL, "install")     /* the snapshot that came is durable and installed */          \
    X(EVENT_READY, "ready")         /* configurations with turns: hand out what was gathered */

enum event_kind {
#define X(name, word) name,
    EVENT_KIND_MAP(X)
#undef X
};

#define EVENT_ARGUMENT_BITS 20
#define EVENT_NODE_BITS 4
#define EVENT_CRASH_MARKED 64 /* above any number of saves */
#define EVENT_CHANGE_ADD 64   /* above any node */
#define EVENT_CHANGE_TO 128   /* below it not a node but a set of them */

static inline uint32_t event_of(enum event_kind kind, node_id node, uint32_t argument)
{
    return (uint32_t)kind << (EVENT_ARGUMENT_BITS + EVENT_NODE_BITS) |
           (uint32_t)node << EVENT_ARGUMENT_BITS | argument;
}

/* `kept` of the saves under way got to the disk; with a mark, so did the commit index. */
static inline uint32_t event_crash(node_id node, uint32_t kept, bool is_marked)
{
    return event_of(EVENT_CRASH, node, kept | (is_marked ? EVENT_CRASH_MARKED : 0));
}

/* The leader `node` is to make `member` a voter, or no member. */
static inline uint32_t event_change(node_id node, node_id member, bool is_added)
{
    return event_of(EVENT_CHANGE, node, (uint32_t)member | (is_added ? EVENT_CHANGE_ADD : 0));
}

/* The leader `node` is to make voters of these, bit i being node i + 1, and of no others. */
static inline uint32_t event_change_to(node_id node, unsigned voters)
{
    return event_of(EVENT_CHANGE, node, voters | EVENT_CHANGE_TO);
}

static inline enum event_kind event_kind_of(uint32_t event)
{
    return (enum event_kind)(event >> (EVENT_ARGUMENT_BITS + EVENT_NODE_BITS));
}

static inline node_id event_node(uint32_t event)
{
    return event >> EVENT_ARGUMENT_BITS & ((1U << EVENT_NODE_BITS) - 1);
}

static inline uint32_t event_argument(uint32_t event)
{
    return event & ((1U << EVENT_ARGUMENT_BITS) - 1);
}

#endif
