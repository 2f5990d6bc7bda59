/* internal.h: the machine's insides, shared by the files of src/swim.
 *
 * Owns     struct swim. A member lies in a slot, which is found by its id, and by its name as
 *          long as it is live; slot 0 is this node. All other tables name slots.
 * Does not leave src/swim.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SWIM_INTERNAL_H
#define SWIM_INTERNAL_H

#include "base/prng.h"
#include "swim/swim.h"

#define SWIM_NONE UINT32_MAX
#define SWIM_SELF 0 /* its slot */

#define SWIM_REFUSED_MAX 16 /* of whom it is told in one period that they were not let in */
#define SWIM_TRIED_MAX 8 /* pings of the dead and the seeds, and syncs, of which an answer counts */
#define SWIM_TRIED_PERIODS 16 /* for so long */

/* Incarnations are milliseconds of a wall clock, which may be at its epoch: so far may a member's
 * first be from this node's own. What is claimed above that, of anybody, is dropped. A node that
 * hears of itself more than a little above its own rises to that, but by so much at most, and
 * that seldom: others drop what leaps ahead of what they know.
 */
#define SWIM_RISE_MAX (UINT64_C(1) << 42)
#define SWIM_RISE_LITTLE (UINT64_C(1) << 20)
#define SWIM_RISE_PERIODS 8
#define SWIM_AHEAD_MAX (4 * SWIM_RISE_MAX)

/* Gossip is believed of no term above the own Raft's by more. */
#define SWIM_TERM_AHEAD_MAX (UINT64_C(1) << 32)

/* A member may be suspected so often at once, and once more every so many periods. */
#define SWIM_FLAPS_MAX 4
#define SWIM_FLAP_PERIODS 4

struct swim_slot {
    node_id id;
    uint64_t incarnation;
    struct swim_card *card; /* held; NULL for some that are hidden */
    time_ns changed_ns;
    uint32_t next; /* in the queue of updates with as many transmits, or of free slots */
    uint32_t prev;
    uint32_t order_at;    /* in order[]; SWIM_NONE unless live, and for itself */
    uint32_t suspicion;   /* in suspicions[]; SWIM_NONE unless suspect */
    uint32_t flap_period; /* up to which flaps is counted down */
    uint8_t flaps;
    uint8_t state; /* enum swim_state */
    uint8_t reason;
    uint8_t transmits; /* so far, of what is queued */
    bool is_used;
    bool is_queued;
    bool is_hidden; /* dead or left for long: remembered, not listed */
    bool is_named;  /* in names: live */
};

/* Slots by a hash, open addressing. Entries are a slot + 1; 0: none. */
struct swim_index {
    uint32_t *entries;
    uint32_t capacity; /* a power of two */
    uint32_t count;
};

struct swim_suspicion {
    uint32_t slot;
    uint32_t accuser_count; /* 0: so far nobody's who is a member here */
    uint32_t told;          /* which accuser goes into the next update */
    time_ns began_ns;
    time_ns due_ns;
    node_id accusers[SWIM_ACCUSERS_MAX];
};

enum swim_probe_kind {
    PROBE_ROUND,  /* this period's */
    PROBE_SECOND, /* of one that others suspect */
    PROBE_HINTED,
};

enum swim_probe_stage {
    PROBE_FREE,
    PROBE_HINT, /* a ping is out, and soon it is news that nothing came */
    PROBE_DIRECT,
    PROBE_INDIRECT,
};

struct swim_probe {
    enum swim_probe_stage stage;
    enum swim_probe_kind kind;
    uint32_t sequence;
    uint32_t relay_count;
    uint32_t nacks; /* a bit for each relay that said so */
    node_id relays[SWIM_INDIRECT_MAX];
    uint64_t incarnation; /* that was probed */
    node_id id;
    time_ns began_ns;
    time_ns next_ns; /* when the next stage is due */
};

/* A ping for somebody else. */
struct swim_relay {
    uint32_t sequence; /* ours; 0: the place is free */
    uint32_t origin_sequence;
    node_id origin;
    node_id subject;
    time_ns nack_ns; /* TIME_NEVER: it went */
    time_ns end_ns;
    size_t bytes_max;                     /* of an answer; 0: a member asks from its address */
    char address[SWIM_ADDRESS_BYTES_MAX]; /* where the question came from */
};

/* Another that claims this node's name. */
struct swim_rival {
    node_id id;
    uint32_t sequence;
    uint32_t tries;
    time_ns next_ns; /* of the next ping; TIME_NEVER: there is none */
    char address[SWIM_ADDRESS_BYTES_MAX];
};

/* A ping of one of the dead, or of a seed, whose answer is awaited: at an address of this node's
 * choice, by a sequence that nobody else knows.
 */
struct swim_tried {
    uint32_t sequence; /* 0: none */
    bool has_id;
    node_id id;
    time_ns end_ns;
    char address[SWIM_ADDRESS_BYTES_MAX];
};

/* A growing array of what goes out with the next ready. */
struct swim_outbox {
    void *items;
    size_t count;
    size_t capacity;
};

struct swim {
    struct swim_options options;
    struct swim_cards *own_cards; /* NULL when they are the caller's */
    struct prng prng;
    time_ns now_ns;
    time_ns start_ns;
    struct cluster_id cluster;
    int failed; /* QR_ERR_NO_MEMORY: only free */
    bool is_joined;
    bool is_let_in; /* somebody holds it for a member */
    bool is_leaving;
    bool is_stopped;
    bool is_quiet;     /* what is taken now is not told on: it is a first table */
    node_id teller;    /* from whom is what is taken now */
    uint32_t outdated; /* slot of one who has left, or is gone for long: the sender has not heard */
    time_ns gone_ns;

    struct swim_slot *slots;
    size_t slot_capacity;
    uint32_t slot_count; /* that were ever used */
    uint32_t free_slot;  /* list of those that are not now */
    struct swim_index ids;
    struct swim_index names;
    uint32_t counts[4]; /* listed, by state; SWIM_ALIVE with itself */
    uint32_t hidden_count;
    uint64_t digest;

    uint32_t *order; /* live members but itself; below order_at: probed in this round */
    size_t order_capacity;
    uint32_t order_count;
    uint32_t order_at;

    uint32_t queue_head[SWIM_TRANSMITS_MAX];
    uint32_t queue_tail[SWIM_TRANSMITS_MAX];
    uint32_t queued_count;
    uint64_t queue_filled; /* a bit for each list that is not empty */

    struct swim_suspicion *suspicions;
    size_t suspicion_capacity;
    uint32_t suspicion_count;
    time_ns suspicion_ns; /* no suspicion is due earlier */

    uint32_t sequence;
    struct swim_probe probes[SWIM_PROBES_MAX];
    struct swim_relay *relays; /* SWIM_RELAYS_MAX, made with the first */
    time_ns relay_ns;          /* no relay is due earlier */
    uint32_t local_health;
    time_ns answered_ns;   /* the last ack or nack to a probe of this node */
    uint32_t double_count; /* how often others said that it lives, above its own incarnation */
    time_ns double_ns;     /* no answer to that before */
    time_ns double_told_ns;
    time_ns rise_ns; /* when its own incarnation may leap next */
    struct swim_rival rival;
    time_ns rival_told_ns; /* when it may be told of this node next */

    time_ns round_ns;        /* the next period's probe */
    time_ns gossip_ns;       /* TIME_NEVER: nothing is queued */
    time_ns sync_ns;         /* the next push_pull without a cause */
    time_ns sync_allowed_ns; /* no other before */
    time_ns heal_ns;
    time_ns heal_gap_ns;
    uint32_t heal_at; /* slot, then seed */
    /* While some are hidden, every other try goes to the listed, the latest first, and seeds. */
    bool heal_is_listed;
    time_ns heal_listed_ns; /* the last that was tried so: when it changed, its slot */
    uint32_t heal_listed;
    uint32_t heal_seed;
    struct swim_tried tried[SWIM_TRIED_MAX];
    uint32_t tried_at;               /* the next is put there */
    uint32_t synced[SWIM_TRIED_MAX]; /* sequences; 0: none */
    uint32_t synced_at;
    time_ns reap_ns;
    char seeds[SWIM_SEEDS_MAX][SWIM_ADDRESS_BYTES_MAX];
    uint32_t seed_count;

    raft_term leader_term;
    node_id leader;
    raft_term own_term;      /* the highest of which Raft, here, told */
    raft_term conflict_term; /* that was told of last, with whom */
    node_id conflict_leader;

    node_id refused[SWIM_REFUSED_MAX]; /* in refused_period */
    uint32_t refused_count;
    uint64_t refused_period;

    struct swim_outbox packets;
    struct swim_outbox streams;
    struct swim_outbox news;
    struct swim_outbox updates; /* of all packets and streams */
    struct swim_outbox dropped; /* cards that they may still show */
    bool is_taken;              /* by a ready: the next step begins anew */
    struct swim_counters counters;
};

/* options.c */
bool swim_options_are_valid(const struct swim_options *options);

/* members.c: slots, and what is counted over them. Those that may fail set swim->failed. */
static inline struct swim_slot *swim_slot_of(struct swim *swim, uint32_t slot)
{
    return &swim->slots[slot];
}

static inline bool swim_state_is_live(uint8_t state)
{
    return state == SWIM_ALIVE || state == SWIM_SUSPECT;
}

static inline uint32_t swim_live_count(const struct swim *swim)
{
    return swim->counts[SWIM_ALIVE] + swim->counts[SWIM_SUSPECT];
}

uint32_t swim_find(const struct swim *swim, node_id id);
uint32_t swim_find_name(const struct swim *swim, const struct swim_card *card);
/* A slot for a new id, of state left and hidden until it is set, or SWIM_NONE when it is full. */
uint32_t swim_slot_take(struct swim *swim, node_id id);
/* For one that lives: when all slots are taken hide who left, or else died, the longest ago. */
void swim_slot_make_room(struct swim *swim);
/* Give a slot its state, with all that hangs on it: lists, counts, digest, suspicion. */
void swim_slot_set(struct swim *swim, uint32_t slot, enum swim_state state, uint64_t incarnation,
                   enum swim_reason reason);
/* Give it this card, which is given, and drop the one before. */
void swim_slot_set_card(struct swim *swim, uint32_t slot, struct swim_card *card);
void swim_slot_hide(struct swim *swim, uint32_t slot);
/* Take out one that is hidden, for good. */
void swim_slot_forget(struct swim *swim, uint32_t slot);
void swim_members_free(struct swim *swim);

/* order.c: whom to probe, and whom to tell. */
void swim_order_add(struct swim *swim, uint32_t slot);
void swim_order_remove(struct swim *swim, uint32_t slot);
/* The next to probe, or SWIM_NONE when nobody else lives. */
uint32_t swim_order_next(struct swim *swim);
/* Up to `count` different live members at random. Returns how many. */
uint32_t swim_order_pick(struct swim *swim, uint32_t count, uint32_t *slots);
/* The same, of those that nobody suspects, and not `without`. */
uint32_t swim_order_pick_alive(struct swim *swim, uint32_t without, uint32_t count,
                               uint32_t *slots);

/* queue.c: updates that wait to be spread. */
void swim_gossip_tick(struct swim *swim);
void swim_queue_init(struct swim *swim);
void swim_queue_push(struct swim *swim, uint32_t slot);
void swim_queue_remove(struct swim *swim, uint32_t slot);
/* Fill up to `room_bytes` and piggyback_max updates, without those of `told`, behind updates. */
void swim_queue_fill(struct swim *swim, size_t room_bytes, uint32_t told);

/* output.c: what goes out. */
void swim_tell(struct swim *swim, struct swim_news news);
/* That somebody was not let in: of each once in a period, and of so many at most. */
void swim_tell_refused(struct swim *swim, struct swim_news news);
void swim_tell_of(struct swim *swim, enum swim_news_type type, uint32_t slot, node_id source);
struct swim_to {
    const char *address;
    node_id id;
    bool has_id;
    bool is_stream;
    bool is_answer; /* on a stream: back on `answers` */
    uint64_t answers;
    size_t bytes_max; /* 0: as many as a packet may have */
};
/* To whom what was received says it is from, by the way it came. */
struct swim_to swim_back(struct swim *swim, const struct swim_event *event);
struct swim_to swim_to_slot(const struct swim *swim, uint32_t slot);
/* Send a message with the updates that wait. */
void swim_send(struct swim *swim, const struct swim_to *to, struct swim_message message);
/* Send it with the updates from `first` on, and no others. */
void swim_send_with(struct swim *swim, const struct swim_to *to, struct swim_message message,
                    size_t first);
bool swim_put_update(struct swim *swim, uint32_t slot, enum swim_state state);
void swim_address_copy(char out[SWIM_ADDRESS_BYTES_MAX], const char *address);
bool swim_is_same_address(const char *a, const char *b);
void swim_outboxes_clear(struct swim *swim);
void swim_outboxes_free(struct swim *swim);

/* merge.c: what others say. */
void swim_take_updates(struct swim *swim, const struct swim_message *message);
void swim_leave(struct swim *swim, enum swim_reason reason);
/* It is dead, or has left: set that, spread it, tell it here. */
void swim_end(struct swim *swim, uint32_t slot, const struct swim_update *update, node_id source,
              uint32_t agreed);

/* names.c */
/* Whether the member of this update may have the name on this card. */
bool swim_may_have_name(struct swim *swim, const struct swim_update *update,
                        const struct swim_card *card);
/* Ask whoever else claims this node's name. */
void swim_rival_tick(struct swim *swim);
/* Whether it was an answer to that; then this node goes. */
bool swim_rival_ack(struct swim *swim, const struct swim_message *message);

/* suspicion.c */
void swim_suspect(struct swim *swim, uint32_t slot, uint64_t incarnation, node_id accuser);
void swim_confirm(struct swim *swim, uint32_t slot, node_id accuser);
void swim_suspicion_end(struct swim *swim, uint32_t slot);
void swim_suspicions_tick(struct swim *swim, time_ns late_ns);
bool swim_flaps_allow(struct swim *swim, uint32_t slot);

/* probe.c, relay.c */
void swim_probe_round(struct swim *swim);
int swim_probe_hinted(struct swim *swim, node_id id, bool is_refused);
void swim_probe_second(struct swim *swim, uint32_t slot);
void swim_probes_tick(struct swim *swim, time_ns late_ns);
void swim_on_ping(struct swim *swim, const struct swim_event *event);
void swim_on_ack(struct swim *swim, const struct swim_message *message);
void swim_on_nack(struct swim *swim, const struct swim_message *message);
void swim_on_ping_req(struct swim *swim, const struct swim_event *event);
/* Whether this ack answers a ping of this node's own. */
bool swim_ack_is_asked(struct swim *swim, const struct swim_message *message);
bool swim_relay_ack(struct swim *swim, const struct swim_message *message);
void swim_relays_tick(struct swim *swim);
uint32_t swim_sequence_next(struct swim *swim);
void swim_health_change(struct swim *swim, int by);
/* A span of time, longer by how badly this node fares itself (Lifeguard §IV.A). */
time_ns swim_patience(const struct swim *swim, time_ns span_ns);

/* sync.c, heal.c */
/* Unless one began a short while ago. */
void swim_sync_begin(struct swim *swim, const char *address);
/* Whether this node asked for this push_pull_response. */
bool swim_sync_is_asked(const struct swim *swim, uint32_t sequence);
void swim_sync_compare(struct swim *swim, const struct swim_message *message);
void swim_on_push_pull(struct swim *swim, const struct swim_event *event);
void swim_sync_tick(struct swim *swim);
/* Ping an address, of this member when it is known whose it is. */
void swim_heal_ping(struct swim *swim, const struct swim_to *to);
/* What was tried, when this ack answers it; else NULL. */
struct swim_tried *swim_heal_tried(struct swim *swim, const struct swim_message *message);
void swim_heal_soon(struct swim *swim);
void swim_heal_tick(struct swim *swim);
void swim_reap_tick(struct swim *swim);

#endif
