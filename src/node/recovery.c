/* recovery.c: a node becomes the only voter of a new generation of its cluster.
 *
 * Two files have to change, the identity (another cluster id) and the log (an entry with the
 * configuration of this node alone, in a term that nobody had). The identity goes first and
 * announces the entry, down to its bytes: its replacement is the one step. What was announced is
 * then put into the log, here or at the next start, whoever comes first; and once it is there,
 * the identity says so. So a crash leaves the old state or the new one:
 *
 *   before the identity is replaced     the cluster that was, with the log that was
 *   before the entry is in the log      the new one: a start puts it there before anything else
 *   before the identity knows that      the new one: a start finds it there
 *
 * The other order would leave, between the two, a node that is the only voter of the old cluster:
 * it would lead it, and every node left out could come back to that.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "node/recovery.h"

#include <string.h>

#include "base/assert.h"
#include "node/internal.h"
#include "quorate/error.h"

struct wal_options node_offline_options(const struct allocator *allocator, const struct disk *disk,
                                        const struct node_identity *identity)
{
    /* Whatever the node was configured to: each segment tells its own size. */
    return (struct wal_options){
        .allocator = allocator,
        .disk = disk,
        .node = identity->id,
        .segment_bytes = WAL_SEGMENT_BYTES_MAX,
        .entry_bytes_max = WAL_SEGMENT_BYTES_MAX - WAL_SEGMENT_BYTES_MIN,
        .must_hold_batches = identity->is_log_used,
        .is_read_only = true,
    };
}

static int refuse(int status, const char *sentence, char *detail)
{
    struct text text = text_of(detail, NODE_DETAIL_BYTES);
    text_string(&text, sentence);
    return status;
}

/* Whether the entry is there already: a start crashed behind it. */
static int look(const struct wal_options *options, const struct node_recovery *recovery,
                bool *is_there, char *detail)
{
    struct wal *wal = NULL;
    struct wal_recovered recovered;
    int status = wal_open(options, &wal, &recovered, detail);
    if (status == 0) {
        *is_there =
            recovered.last_index == recovery->index && recovered.hard_state.term == recovery->term;
        wal_free(wal);
    }
    return status;
}

static int append(const struct wal_options *options, const struct node_recovery *recovery,
                  char *detail)
{
    struct entry_arena arena;
    entry_arena_init(&arena, options->allocator);
    struct entry entry = {0};
    struct entry_fields fields = {
        .index = recovery->index,
        .term = recovery->term,
        .timestamp_ns = recovery->timestamp_ns,
        .type = ENTRY_CONFIGURATION,
        .payload = recovery->configuration,
        .payload_bytes = (uint32_t)recovery->configuration_bytes,
    };
    int status = entry_arena_encode(&arena, &fields, &entry);
    if (status != 0) {
        return refuse(status, "memory ran out", detail);
    }
    struct wal_base base = {recovery->base_term, recovery->index - 1};
    struct wal_batch batch = {
        .hard_state = {.term = recovery->term},
        .entries = &entry,
        .count = 1,
        .commit_index = recovery->index, /* alone, what is durable is committed */
        .reset = recovery->is_reset ? &base : NULL,
    };
    status = wal_append_offline(options, &batch, detail);
    chunk_drop(entry.chunk);
    entry_arena_deinit(&arena);
    return status;
}

int node_recovery_finish(const struct allocator *allocator, const struct disk *disk,
                         struct node_identity *identity, char *detail)
{
    ASSERT(identity->recovery.is_pending);
    char why[WAL_ERROR_DETAIL_BYTES] = "";
    struct wal_options options = node_offline_options(allocator, disk, identity);
    options.must_hold_batches = false; /* of a node that was restored there is none yet */
    bool is_there = false;
    int status = look(&options, &identity->recovery, &is_there, why);
    if (status == 0 && !is_there) {
        status = append(&options, &identity->recovery, why);
    }
    if (status != 0) {
        return refuse(status, why, detail);
    }
    identity->recovery.is_pending = false;
    status = node_identity_write(disk, identity);
    return status == 0 ? 0 : refuse(status, "identity: cannot be written", detail);
}

/* The configuration of this member alone, which leads whatever its priority was. */
static size_t encode_alone(const struct raft_member *member, uint8_t *out)
{
    struct raft_configuration alone = {.count = 1, .members = {*member}};
    alone.members[0].roles = RAFT_VOTER;
    alone.members[0].priority = RAFT_PRIORITY_ORDINARY;
    uint8_t payload[RAFT_CONFIGURATION_BYTES_MAX];
    size_t payload_bytes = raft_configuration_encode(&alone, payload);
    ASSERT(payload_bytes <= NODE_ALONE_BYTES_MAX);
    memcpy(out, payload, payload_bytes);
    return payload_bytes;
}

int node_recover(const struct allocator *allocator, const struct disk *disk,
                 const struct node_recover_plan *plan, bool *is_made, char *detail)
{
    ASSERT(!cluster_id_is_none(plan->former) && !cluster_id_is_none(plan->cluster));
    ASSERT(plan->position.index < NODE_INDEX_MAX);
    struct node_identity identity = {
        .id = plan->member.id,
        .cluster = plan->cluster,
        .is_log_used = true,
        .has_guarded = plan->has_guarded,
        .former = plan->former,
        .recovery = {.is_pending = true,
                     .is_reset = plan->is_reset,
                     .base_term = plan->is_reset ? plan->position.term : 0,
                     .term = plan->term,
                     .index = plan->position.index + 1,
                     .timestamp_ns = plan->timestamp_ns},
    };
    memcpy(identity.name, plan->member.name, sizeof(identity.name));
    identity.recovery.configuration_bytes =
        encode_alone(&plan->member, identity.recovery.configuration);
    int status = node_identity_write(disk, &identity);
    *is_made = status == 0;
    if (status != 0) {
        return refuse(status, "identity: cannot be written", detail);
    }
    return node_recovery_finish(allocator, disk, &identity, detail);
}
