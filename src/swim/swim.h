/* swim.h: the SWIM machine: events in, actions out.
 *
 * Owns     who is a member and how it fares, as far as this node knows; the probes; the news
 *          that it spreads and for how long; which leader it has heard of.
 * Does not know a clock, chance, a socket, how anything is encoded, nor Raft: who votes is
 *          not its affair, and no quorum hangs on what it says.
 * Threads  one caller at a time.
 * Source   Das, Gupta and Motivala 2002 ("SWIM"); Dadgar, Phillips and Currey 2017
 *          ("Lifeguard"). What is ours: docs/swim.md.
 *
 * One way in, swim_step(); one way out, swim_ready(). Any number of steps may come before one
 * ready. No event is awaited: whatever gets lost, the next period tries again.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SWIM_SWIM_H
#define SWIM_SWIM_H

#include "base/allocator.h"
#include "base/text.h"
#include "base/types.h"
#include "swim/message.h"
#include "swim/profile.h"

#define SWIM_MEMBERS_MAX 65536 /* an option's bound */
#define SWIM_SEEDS_MAX 16
#define SWIM_PROBES_MAX 8     /* of its own in flight; more hints than that are dropped */
#define SWIM_RELAYS_MAX 64    /* of others' probes in flight; more are answered by a nack */
#define SWIM_INDIRECT_MAX 8   /* an option's bound */
#define SWIM_PIGGYBACK_MAX 32 /* an option's bound */
#define SWIM_ACCUSERS_MAX 8   /* of one member that are told apart */
#define SWIM_TRANSMITS_MAX 64 /* of one update by one member */
#define SWIM_PACKETS_MAX 256  /* of one ready; a packet over it counts as lost */
#define SWIM_STREAMS_MAX 256  /* likewise */
#define SWIM_HEALTH_MAX 8     /* Lifeguard's S */

/* A span without bounds of its own is 1 ms to 365 days. */
struct swim_options {
    const struct allocator *allocator; /* borrowed; outlives the machine */
    struct swim_cards *cards;          /* borrowed; may be shared; NULL: it makes its own */
    node_id self;
    struct cluster_id cluster; /* none: that of the first member that answers */
    uint64_t seed;             /* of whom it probes and tells */
    /* Above every incarnation that this id began with before, and so far below
     * SWIM_INCARNATION_MAX that it never gets there: milliseconds of the wall clock do. When the
     * clock went back the machine hears of its earlier life and begins above that.
     */
    uint64_t incarnation;
    uint32_t members_max;       /* all that are remembered, the dead and this one included */
    uint32_t packet_bytes_max;  /* SWIM_PACKET_BYTES_MIN to _MAX */
    time_ns period_ns;          /* one probe in each */
    time_ns ping_timeout_ns;    /* then others are asked; below the period */
    time_ns hint_timeout_ns;    /* how long a hinted probe waits before it is news */
    uint32_t indirect_pings;    /* how many others, 0..SWIM_INDIRECT_MAX */
    time_ns suspicion_ns;       /* the longest, when nobody agrees; grows with log10 of members */
    uint32_t suspicion_shrink;  /* it is so many times shorter when enough agree, >= 1 */
    uint32_t confirmations_max; /* that shorten it, 1..SWIM_ACCUSERS_MAX - 1 */
    uint32_t dead_quorum;       /* members that must agree, 1..SWIM_ACCUSERS_MAX */
    uint32_t piggyback_max;     /* updates of one packet, 1..SWIM_PIGGYBACK_MAX */
    uint32_t transmit_factor;   /* each is sent factor * log2(members + 1) times, */
    uint32_t transmit_min;      /* but so often at least; 1..SWIM_TRANSMITS_MAX */
    time_ns gossip_ns;          /* while there is news, it is sent so often besides; 0: never */
    uint32_t gossip_fanout;     /* to so many, 1..8 */
    time_ns sync_ns;            /* push_pull without a cause so often; 0: never */
    time_ns heal_min_ns;        /* the dead and the seeds are tried, one at a time, between so */
    time_ns heal_max_ns;        /* and so long after one another, for ever */
    time_ns reap_ns;            /* the dead and the left are listed so long */
    time_ns leave_ns;           /* a departure is spread so long */
    bool has_lifeguard;         /* false: plain SWIM, for comparison */
};

/* What fits a data centre, and a single LAN: options with all but the allocator, self, cluster,
 * seed and incarnation set.
 */
struct swim_options swim_options_default(void);
struct swim_options swim_options_fast(void);

/* X(NAME, value, "text") */
#define SWIM_EVENT_MAP(X)                                                                          \
    X(SWIM_EVENT_TICK, 0, "tick")       /* swim_deadline() has come, or any other moment */        \
    X(SWIM_EVENT_PACKET, 1, "packet")   /* a datagram arrived, and decoded */                      \
    X(SWIM_EVENT_STREAM, 2, "stream")   /* a message arrived on a stream */                        \
    X(SWIM_EVENT_JOIN, 3, "join")       /* begin, or go on, to look for these */                   \
    X(SWIM_EVENT_LEAVE, 4, "leave")     /* say so, for leave_ns, and then be silent */             \
    X(SWIM_EVENT_PROFILE, 5, "profile") /* this node's own changed */                              \
    X(SWIM_EVENT_LEADER, 6, "leader")   /* Raft, here, knows who leads */                          \
    X(SWIM_EVENT_HINT, 7, "hint")       /* a connection to a member closed: look at once */

enum swim_event_type {
#define X(name, value, text) name = value,
    SWIM_EVENT_MAP(X)
#undef X
};

struct swim_event {
    enum swim_event_type type;
    time_ns now_ns; /* monotonic; never less than in the event before */
    union {
        struct {
            const struct swim_message *message;
            const char *source;  /* HOST:PORT it came from, below SWIM_ADDRESS_BYTES_MAX */
            uint64_t stream;     /* stream: to which an answer goes, the caller's number */
            uint32_t size_bytes; /* of what arrived: who is not proved is sent no more back */
            bool is_proved;      /* it is a member's for certain: it was encrypted */
        } received;
        struct {
            const char *const *seeds; /* HOST:PORT each; copied; they replace those before */
            size_t count;             /* at most SWIM_SEEDS_MAX */
        } join;
        enum swim_reason leave;
        const struct swim_profile *profile; /* `started` is the machine's */
        struct {
            raft_term term; /* >= 1 */
            node_id leader;
        } leader;
        struct {
            node_id id;
            bool is_refused; /* its host says that nobody listens there: do not wait */
        } hint;
    };
};

/* X(NAME, value, "text") */
#define SWIM_NEWS_MAP(X)                                                                           \
    X(SWIM_NEWS_JOINED, 0, "joined")       /* or is back from the dead */                          \
    X(SWIM_NEWS_UPDATED, 1, "updated")     /* its profile is another now */                        \
    X(SWIM_NEWS_SUSPECTED, 2, "suspected") /* by `source` */                                       \
    X(SWIM_NEWS_REFUTED, 3, "refuted")     /* it was suspected, and says that it lives */          \
    X(SWIM_NEWS_DEAD, 4, "dead")                                                                   \
    X(SWIM_NEWS_LEFT, 5, "left")               /* by its own will; see the reason */               \
    X(SWIM_NEWS_REAPED, 6, "reaped")           /* no longer listed */                              \
    X(SWIM_NEWS_UNREACHABLE, 7, "unreachable") /* a hinted probe had no answer yet: a hint */      \
    X(SWIM_NEWS_LEADER, 8, "leader_changed")   /* to `id`, in `term`; as told by `source` */       \
    X(SWIM_NEWS_CONFLICT, 9,                                                                       \
      "leader_conflict") /* `source` tells of another in this term: not                          \
                              believed; when it is this node: gossip was, and is not any more */ \
    X(SWIM_NEWS_NAME_TAKEN, 10, "name_taken") /* `id` has the name of the older `source` and     \
                                                   was not let in; when it is this node, it is     \
                                                   out, and the machine silent */ \
    X(SWIM_NEWS_CLUSTER, 11, "cluster_found") /* by a node that was in none: see the status */     \
    X(SWIM_NEWS_FULL, 12, "full")             /* members_max: `id` was not let in */               \
    X(SWIM_NEWS_GONE, 13, "gone")             /* this node's own departure is spread */            \
    X(SWIM_NEWS_DOUBLE, 14, "double")         /* another seems to live with this node's id, or its \
                                                 clock went back; told seldom */

enum swim_news_type {
#define X(name, value, text) name = value,
    SWIM_NEWS_MAP(X)
#undef X
};

struct swim_news {
    enum swim_news_type type;
    enum swim_reason reason;
    node_id id;
    node_id source;
    uint64_t incarnation;
    raft_term term;  /* leader_changed, leader_conflict; else 0 */
    uint32_t agreed; /* dead: so many had found it so when this node declared it; 0: it was told */
};

struct swim_packet {
    uint32_t first_update; /* the machine's: message.updates points there */
    char address[SWIM_ADDRESS_BYTES_MAX];
    struct swim_message message;
};

/* For a stream: of its own to `address`, kept open until an answer may have come; or back on
 * `answers`, the number that the event had. All of one stream come one after the other.
 */
struct swim_stream {
    uint32_t first_update; /* likewise */
    bool is_answer;
    uint64_t answers;
    char address[SWIM_ADDRESS_BYTES_MAX]; /* "" for an answer */
    struct swim_message message;
};

/* What is to be done, in any order. Everything is borrowed until the next step or ready. */
struct swim_ready {
    const struct swim_packet *packets;
    size_t packet_count;
    const struct swim_stream *streams;
    size_t stream_count;
    const struct swim_news *news;
    size_t news_count;
};

struct swim;

/* Make a machine. It is alone and silent until it joins or is spoken to.
 *
 * profile  this node's own; `started` is the machine's to set.
 *
 * Returns 0, QR_ERR_INVALID (options out of bounds or contradicting, or the profile is) or
 * QR_ERR_NO_MEMORY.
 */
NODISCARD int swim_new(const struct swim_options *options, const struct swim_profile *profile,
                       time_ns now_ns, struct swim **out);
void swim_free(struct swim *swim);

/* Take one event.
 *
 * Timers run with a tick alone: a node that could not run for a while first takes what has
 * arrived meanwhile, and then ticks.
 *
 * Returns 0, or, with nothing changed but time and counters,
 *   QR_ERR_MALFORMED  packet, stream: it contradicts itself, or a packet is too long.
 *   QR_ERR_FOREIGN    packet, stream: of another cluster, for another node, or by this node.
 *   QR_ERR_NOT_FOUND  hint: no such member, or it is dead or left already.
 *   QR_ERR_BUSY       hint: SWIM_PROBES_MAX.
 *   QR_ERR_INVALID    join, leave, profile: out of bounds; profile: no incarnation is left for
 *                     another, or a live member has that name.
 *   QR_ERR_STOPPED    it has left, or its name belongs to another: it does nothing any more.
 *   QR_ERR_NO_MEMORY  the machine can only be freed.
 *
 * Cost: constant, but for: updates, each constant; push_pull and a timer that is due for one of
 * many suspicions, linear in the members at most.
 */
NODISCARD int swim_step(struct swim *swim, const struct swim_event *event);

/* Collect what the steps since the last ready caused. */
void swim_ready(struct swim *swim, struct swim_ready *out);

/* When a tick is due at the latest; TIME_NEVER for none. Cost: constant. */
time_ns swim_deadline(const struct swim *swim);

/* X(name): counted since the beginning. */
#define SWIM_COUNTER_MAP(X)                                                                        \
    X(probes)                                                                                      \
    X(probes_failed)                                                                               \
    X(suspicions_raised) /* by this node's own probes */                                           \
    X(deaths_declared)   /* by this node's own timers */                                           \
    X(refutations)       /* of what was said of this node */                                       \
    X(syncs)             /* begun by this node */                                                  \
    X(heals)             /* the dead and the seeds tried */                                        \
    X(suspicions_held)   /* for the limit of changes of one member */                              \
    X(stale)             /* updates that say what is known, or older */                            \
    X(unknown)           /* updates about nobody who is known, or by such an accuser */            \
    X(implausible)       /* incarnations and terms far above what is known */                      \
    X(malformed)                                                                                   \
    X(foreign)                                                                                     \
    X(misdirected)                                                                                 \
    X(overflowed) /* packets, streams or relays over their limit */

struct swim_counters {
#define X(name) uint64_t name;
    SWIM_COUNTER_MAP(X)
#undef X
};

/* One consistent picture of the machine. */
struct swim_status {
    struct cluster_id cluster;
    uint64_t incarnation;
    uint64_t digest;     /* equal to another's: both hold the same members for live */
    uint32_t live_count; /* alive or suspect, this one included */
    uint32_t suspect_count;
    uint32_t dead_count;       /* and listed */
    uint32_t left_count;       /* and listed */
    uint32_t remembered_count; /* no longer listed */
    uint32_t queued_count;     /* updates that wait to be spread */
    uint32_t local_health;
    raft_term leader_term; /* 0: none */
    node_id leader;
    bool is_joined; /* it has heard from somebody */
    bool is_leaving;
    bool is_stopped;
    struct swim_counters counters;
};

void swim_status(const struct swim *swim, struct swim_status *out);

struct swim_member_status {
    node_id id;
    enum swim_state state;
    enum swim_reason reason;
    bool is_listed; /* false: it is only remembered, so that no old rumour brings it back */
    uint64_t incarnation;
    time_ns changed_ns;       /* when its state did */
    struct swim_blob profile; /* until the next step; none for some that are not listed */
};

/* The first member at this place or behind it, remembered ones too; this node is at 0. Sets
 * *place to its place; false when there is none.
 */
bool swim_member_at(const struct swim *swim, uint32_t *place, struct swim_member_status *out);

/* The member of this id, listed or remembered. */
bool swim_member(const struct swim *swim, node_id id, struct swim_member_status *out);

/* Whether an update of the first kind overrides what is known, of the second (SWIM §4.2): the
 * higher incarnation does; at the same, the later of alive, suspect, dead, left.
 */
bool swim_overrides(enum swim_state state, uint64_t incarnation, enum swim_state known_state,
                    uint64_t known_incarnation);

/* How long a suspicion lasts, of `members` that live, when so many others agree (Lifeguard §IV.B).
 */
time_ns swim_suspicion_ns(const struct swim_options *options, uint32_t members,
                          uint32_t confirmations);

/* How often an update is sent by one member. */
uint32_t swim_transmit_limit(const struct swim_options *options, uint32_t members);

const char *swim_event_name(enum swim_event_type type);
const char *swim_news_name(enum swim_news_type type);

/* `suspected 3@7 by 2: its probes were not answered`; ids as in wire/wire.h. */
void swim_news_text(const struct swim_news *news, struct text *text);

/* Assert everything that must hold between steps. Linear. For tests and simulation. */
void swim_invariants(const struct swim *swim);

#endif
