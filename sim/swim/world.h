/* world.h: many SWIM machines on a virtual network and clock.
 *
 * Owns     the machines, what is under way between them, what is broken, and the moment. Every
 *          message is encoded, carried as bytes, and decoded by who gets it, as in a process.
 * Does not know what ought to come of it: struct swim_watch is told, and judges.
 * Threads  one. The same seed gives the same run, to the bit: see world_hash().
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_SWIM_WORLD_H
#define SIM_SWIM_WORLD_H

#include "base/prng.h"
#include "swim/swim.h"

#define WORLD_CUTS_MAX 16
#define WORLD_NOBODY UINT32_MAX
#define WORLD_PORT ":7700"

struct world;
struct process;

/* What happens, as it happens. Each may be NULL. */
struct world_watch {
    void *context;
    void (*sent)(void *context, uint32_t from, uint32_t to, const struct swim_message *message,
                 size_t size_bytes, bool is_stream);
    void (*news)(void *context, uint32_t node, const struct swim_news *news);
    void (*stepped)(void *context, uint32_t node, const struct swim_message *message);
};

/* A machine on its host, or the host alone. */
struct world_node {
    struct swim *swim; /* NULL: it is down */
    node_id id;
    uint64_t incarnation; /* with which its life began */
    uint32_t name;        /* nNAME */
    uint32_t address;     /* aADDRESS:7700 */
    uint32_t group;       /* of a partition: others are out of reach */
    bool is_quiet_now;    /* it has left, by its own will or for its name */
    time_ns stopped_ns;   /* its last process was */
    time_ns wake_ns;      /* of the tick that counts */
    /* Starved: it runs for run_ns, then not for stall_ns, and so on; 0: it is well. */
    time_ns run_ns;
    time_ns stall_ns;
    struct process *process; /* borrowed; NULL: it runs whenever there is something to do */
    uint64_t sent_packets;
    uint64_t sent_bytes;
    uint64_t lives;
};

struct world_event {
    time_ns at_ns;
    uint64_t order;
    uint8_t *bytes; /* NULL: a tick */
    uint32_t size_bytes;
    uint32_t node;   /* whose: of a tick */
    uint32_t source; /* node */
    uint32_t source_address;
    uint32_t address; /* of a packet or stream: who is there gets it */
    bool is_stream;
    bool is_turn;   /* of a struct process, which `node` is */
    bool is_replay; /* it comes only as long as the network replays */
};

struct world_cut {
    uint32_t from;
    uint32_t to; /* nothing gets there; the other way is another cut */
};

/* Rates in millionths. */
struct world_network {
    uint32_t loss;
    uint32_t duplicate;
    uint32_t replay; /* comes once more, up to replay_ns later */
    time_ns replay_ns;
    time_ns delay_min_ns;
    time_ns delay_max_ns;
};

struct world {
    struct allocator allocator; /* counts */
    size_t allocated_bytes;
    struct swim_options options; /* of each, but for what is its own */
    struct swim_cards *cards;
    struct prng prng;
    time_ns now_ns;
    uint64_t order;
    uint64_t hash;
    uint64_t event_count;
    struct world_network network;
    struct world_node *nodes;
    uint32_t node_count;
    uint32_t node_capacity;
    uint32_t *owner; /* of an address: a node, or WORLD_NOBODY */
    uint32_t address_count;
    struct world_event *heap;
    size_t heap_count;
    size_t heap_capacity;
    struct world_cut cuts[WORLD_CUTS_MAX];
    size_t cut_count;
    struct world_watch watch;
    char failure[256]; /* what a checker found first; "" while all is well */
    bool is_checked;   /* swim_invariants() behind each step */
    bool is_traced;    /* every message and all news, to standard output */
};

void world_init(struct world *world, const struct swim_options *options, uint64_t seed,
                uint32_t nodes_max);
void world_deinit(struct world *world);

/* A new host, down. */
uint32_t world_add(struct world *world, node_id id, uint32_t name);

/* Start its machine, with these seeds (nodes). incarnation: what its clock says. */
void world_start(struct world *world, uint32_t node, uint64_t incarnation, const uint32_t *seeds,
                 size_t seed_count);

/* Its process is gone from one moment to the next. */
void world_kill(struct world *world, uint32_t node);

/* It has another address from now on, which nobody else has; it is down. */
void world_move(struct world *world, uint32_t node);

/* A new host, down, with another id, at the address of one that is down for good. */
uint32_t world_succeed(struct world *world, uint32_t node, node_id id, uint32_t name);

/* Step an event at its machine, and do what comes of it. */
void world_step(struct world *world, uint32_t node, struct swim_event event);

/* What is due at its machine now, a packet, a stream or a tick: given. */
void world_take(struct world *world, struct world_event *event);

/* Tell all machines of all others at once, as a first push_pull would. */
void world_introduce_all(struct world *world);

/* Let time pass up to then. Stops early when a checker has found something. */
void world_run(struct world *world, time_ns until_ns);

bool world_is_up(const struct world *world, uint32_t node);
uint32_t world_node_of(const struct world *world, node_id id);
bool world_chance(struct world *world, uint32_t millionths);

/* Note what is wrong; the first counts. */
__attribute__((format(printf, 3, 4))) void world_fail(struct world *world, const char *checker,
                                                      const char *format, ...);

struct swim_status world_status(const struct world *world, uint32_t node);

#endif
