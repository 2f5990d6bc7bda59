/* trace.h: what happened, as a hash for machines and as lines for people.
 *
 * Owns     the hash of the run: every event goes into it, whether anybody listens or not, as
 *          numbers and never as text.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_TRACE_H
#define SIM_TRACE_H

#include "base/text.h"
#include "base/types.h"
#include "quorate/sim.h"

/* X(NAME, "text") */
/* clang-format off */
#define SIM_TRACE_MAP(X)                                                                           \
    X(START,     "start")      /* a node opens its data directory */                               \
    X(REFUSED,   "refused")    /* it could not be opened */                                        \
    X(FAILED,    "failed")     /* a node ended its part */                                         \
    X(STOP,      "stop")       /* a process is gone */                                             \
    X(SEND,      "send")       /* a frame is on its way */                                         \
    X(DROP,      "drop")       /* it is not: no connection, or lost */                             \
    X(RECEIVE,   "receive")                                                                        \
    X(CONNECT,   "connect")    /* a hello was accepted, or not */                                  \
    X(DISK,      "disk")       /* an operation ended */                                            \
    X(APPLY,     "apply")                                                                          \
    X(STATE,     "state")      /* role, term, leader or commit changed */                          \
    X(ASK,       "ask")        /* a client begins an operation */                                  \
    X(ANSWER,    "answer")     /* and what came of it */                                           \
    X(FAULT,     "fault")                                                                          \
    X(HEAL,      "heal")       /* a fault ends */                                                  \
    X(PHASE,     "phase")                                                                          \
    X(LOG,       "log")        /* a line of a node's own log; not part of the hash */              \
    X(VIOLATION, "violation")                                                                      \
    X(SNAPSHOT,  "snapshot")   /* a node begins to take one */                                     \
    X(RESTORE,   "restore")    /* its state machine has taken one over */                          \
    X(CHANGE,    "change")     /* the administrator asks for a change */                           \
    X(CHANGED,   "changed")    /* and what came of it */                                           \
    X(MEMBERS,   "members")    /* a node acts by another configuration */                          \
    X(GOSSIP,    "gossip")     /* a packet of the members, or a message on a stream, is sent */    \
    X(HEAR,      "hear")       /* and comes */                                                     \
    X(CLOSED,    "closed")     /* a node is told that its connection with another closed */        \
    X(HINT,      "hint")       /* and tells Raft that the leader seems to be gone */
/* clang-format on */

enum sim_trace_kind {
#define X(name, text) SIM_TRACE_##name,
    SIM_TRACE_MAP(X)
#undef X
};

#define SIM_NOBODY UINT32_MAX

struct sim_trace {
    uint64_t hash;
    qr_sim_trace *line;
    void *argument;
    bool is_json;
};

/* One event: when, what, on which host, about which other, and two numbers of its own. */
struct sim_trace_event {
    enum sim_trace_kind kind;
    time_ns at_ns;
    uint32_t host; /* from 0, or SIM_NOBODY */
    uint32_t peer;
    uint64_t a;
    uint64_t b;
};

void sim_trace_init(struct sim_trace *trace, const struct qr_sim_options *options);

static inline bool sim_trace_is_wanted(const struct sim_trace *trace)
{
    return trace->line != NULL;
}

/* Take an event into the hash, and hand out its line with `text` behind it, if wanted. */
void sim_trace_event(struct sim_trace *trace, const struct sim_trace_event *event,
                     const char *text);

/* Take a number into the hash. */
void sim_trace_mix(struct sim_trace *trace, uint64_t value);

/* A hash of bytes, for traces and comparisons: the same on every machine; no secret. */
uint64_t sim_hash_bytes(uint64_t hash, const void *data, size_t size_bytes);
uint64_t sim_hash_u64(uint64_t hash, uint64_t value);

#endif
