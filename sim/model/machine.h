/* machine.h: one node: a machine of src/raft, its disk, and the saves and fetches under way.
 *
 * Owns     what a node is, how an event changes it, and the rules that one node alone can
 *          break: nothing is acted on before it is durable; term, vote and commit never go
 *          back; no read is answered below what was committed when it was asked.
 * Does not know the network or other nodes.
 * Threads  one.
 *
 * Everything lies in the node's arena, so that saving the arena saves the node.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MODEL_MACHINE_H
#define MODEL_MACHINE_H

#include "sim/model/arena.h"
#include "sim/model/event.h"
#include "sim/model/world.h"

#define MACHINE_OUT_MAX 32 /* messages of one event */

/* All that was applied up to an index, as the entries that made it. */
struct machine_snapshot {
    size_t count; /* the index; 0: there is none */
    uint16_t entries[WORLD_LOG_MAX];
};

/* What would be there after a crash. */
struct machine_disk {
    struct hard_state hard_state;
    raft_index commit_index; /* of the last batch, as src/node writes it */
    size_t base;             /* the log's; what the rules see of it below lies in the snapshot */
    size_t count;
    uint16_t entries[WORLD_LOG_MAX]; /* numbers; [i] is index i + 1 */
    struct machine_snapshot snapshot;
};

/* A batch on its way to the disk. It replaces the log from its first entry on. */
struct machine_save {
    uint64_t number;
    struct hard_state hard_state;
    raft_index commit_index;
    size_t reset; /* the log is emptied there first; 0: it is not */
    raft_index first_index;
    size_t count;
    uint16_t entries[WORLD_LOG_MAX];
};

struct machine {
    node_id id;
    struct raft *raft;
    time_ns now_ns;
    struct machine_disk disk;
    struct machine_save saves[MODEL_SAVES_MAX];
    size_t save_count;
    struct raft_fetch fetches[MODEL_FETCHES_MAX];
    size_t fetch_count;
    raft_index applied_index;
    bool is_ready_due;
    unsigned sendings;                /* to be sent a snapshot; bit i: node i + 1 */
    struct machine_snapshot received; /* whole, not installed; count 0: none */
};

/* What an event brought about, besides the node's new state. */
struct machine_outcome {
    bool is_refused; /* the machine would not; nothing happened */
    bool is_cut;     /* past a bound of the configuration */
    size_t count;
    uint16_t messages[MACHINE_OUT_MAX];
};

/* The node in this arena. */
struct machine *machine_in(const struct arena *arena);

/* Make a node in a cleared arena: a member of the first configuration has that on its disk,
 * known to be committed; any other has an empty disk.
 */
void machine_init(struct world *world, struct arena *arena, node_id id);

/* Let an event happen. What is violated is noted in `world`. */
void machine_step(struct world *world, struct arena *arena, uint32_t event,
                  struct machine_outcome *out);

/* Write all that decides what the node does next. */
void machine_fingerprint(const struct world *world, const struct machine *machine, size_t renaming,
                         struct writer *writer);

/* machine_disk.c */

/* Put the oldest save on the disk. */
void machine_disk_take(struct world *world, struct machine *machine);

/* Note what a ready asked to be saved. */
void machine_disk_save(struct world *world, struct machine *machine, const struct raft_ready *ready,
                       struct machine_outcome *out);

/* What a restart makes of a disk: its log, or its snapshot when the log does not lead there. */
void machine_disk_view(const struct machine_disk *disk, size_t *count,
                       uint16_t entries[WORLD_LOG_MAX]);

/* A machine of src/raft from what is on the disk. */
void machine_disk_restart(struct world *world, struct arena *arena, struct machine *machine);

/* machine_snapshot.c: no configuration is changed where there are snapshots, so that the
 * first entry is the one in force, and a number the same under every name.
 */

/* Take a snapshot of all that is applied, and compact the log to there. */
int machine_compact(struct world *world, struct machine *machine);

/* What was received is durable now, and the state machine stands there. */
int machine_install(struct world *world, struct machine *machine);

/* Step the disk's snapshot as installed. */
int machine_step_installed(const struct world *world, struct machine *machine);

/* Begin the sendings that a ready asks for, and take what it brought; true when messages
 * may have come of it.
 */
void machine_snapshot_note(const struct world *world, struct machine *machine,
                           const struct raft_ready *ready);
bool machine_snapshot_send(struct world *world, struct arena *arena, struct machine *machine);

/* machine_rules.c: each notes a violation. */

/* What a message promises is durable before it leaves (Raft, figure 2). */
void machine_check_message(struct world *world, const struct machine *machine,
                           const struct raft_message *message);

/* What is applied is durable here, the same entries. */
void machine_check_applicable(struct world *world, const struct machine *machine, raft_index end);

void machine_check_save(struct world *world, const struct machine *machine,
                        const struct raft_ready *ready);
void machine_check_read(struct world *world, const struct machine *machine,
                        const struct raft_read *read);

#endif
