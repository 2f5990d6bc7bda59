/* world.h: what all states of one exploration share: names, entries, messages, their hashes.
 *
 * Owns     every entry and message that ever was, each once, under a number; the ways to
 *          rename nodes; the first violation, in words.
 * Threads  one.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MODEL_WORLD_H
#define MODEL_WORLD_H

#include "raft/raft.h"
#include "sim/model/memory.h"
#include "sim/model/model.h"

#define WORLD_LOG_MAX MODEL_LOG_MAX
#define WORLD_RENAMINGS_MAX 24 /* all orders of four nodes; the first changes nothing */
#define WORLD_MESSAGES_MAX UINT16_MAX
#define WORLD_ENTRIES_MAX 4096
#define WORLD_ENTRY_NONE UINT16_MAX

#define WORLD_HEARTBEAT_NS (10 * NS_PER_MS)
#define WORLD_ELECTION_NS (20 * NS_PER_MS)
#define WORLD_START_NS NS_PER_S /* of each node's clock, when it starts */
#define WORLD_WALL_NS (UINT64_C(1000000000) * NS_PER_S)

/* Kinds of hashes. */
enum world_hash {
    WORLD_HASH_ENTRY = 1,
    WORLD_HASH_MESSAGE,
    WORLD_HASH_NODE,
    WORLD_HASH_STEP,
    WORLD_HASH_HISTORY,
};

struct world_entry {
    struct entry entry; /* its chunk is never freed */
    struct hash hashes[WORLD_RENAMINGS_MAX];
};

struct world_message {
    struct raft_message raft;
    struct hash hashes[WORLD_RENAMINGS_MAX];
};

struct world_renaming {
    node_id names[MODEL_NODES_MAX + 1]; /* by id */
};

struct world {
    const struct model_configuration *configuration;
    struct budget budget;
    struct pool entries;  /* struct world_entry */
    struct pool messages; /* struct world_message */
    struct pool bytes;    /* records and lists of entries of both */
    struct table entry_numbers;
    struct table message_numbers;
    struct world_renaming renamings[WORLD_RENAMINGS_MAX];
    size_t renaming_count;
    bool disk_lies; /* model_options */
    bool is_full;   /* of memory, or of one of the bounds above */
    char violation[MODEL_VIOLATION_BYTES];
};

NODISCARD bool world_init(struct world *world, const struct model_configuration *configuration,
                          const struct model_options *options);
void world_deinit(struct world *world);

/* How src/raft is told of a renaming. Borrows the world's. */
struct raft_renaming world_renaming(const struct world *world, size_t renaming);

/* The number of an entry: the same for what differs in log time alone. WORLD_ENTRY_NONE, and
 * `is_full`, when there is no more room.
 */
uint16_t world_entry_number(struct world *world, const struct entry *entry);
const struct world_entry *world_entry_at(const struct world *world, uint16_t number);

/* A new entry of the world's own making; the same rules. */
uint16_t world_entry_make(struct world *world, const struct entry_fields *fields);

/* The number of a message, likewise. */
uint16_t world_message_number(struct world *world, const struct raft_message *message);
const struct world_message *world_message_at(const struct world *world, uint16_t number);

/* Before a message is given to a machine: a machine that is taken away gives back no
 * references, so the counts are set high anew each time.
 */
void world_message_lend(const struct world *world, uint16_t number);

/* Note what was violated; the first one stays. */
void world_violate(struct world *world, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
bool world_is_violated(const struct world *world);

#endif
