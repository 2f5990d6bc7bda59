/* open.c: from a data directory to a node: identity, log, Raft machine, in this order.
 *
 * A fresh directory first gets its identity (a node id, no cluster), so that the id never
 * changes. Before the node takes part, the log's first batch is made durable, and only then
 * the identity says that the log is in use and in which cluster: from then on a log that is
 * missing or empty is a loss, and is refused.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "base/mutant.h"
#include "node/backup_restore.h"
#include "node/internal.h"
#include "node/recovery.h"
#include "quorate/error.h"

#define OPENING_TICKET 1 /* the first batch of a fresh log; the machine's saves follow */

static int refuse(int status, const char *sentence, char *detail)
{
    struct text text = text_of(detail, NODE_DETAIL_BYTES);
    text_string(&text, sentence);
    return status;
}

static bool copy_string(const char *from, char *to, size_t to_bytes)
{
    struct text text = text_of(to, to_bytes);
    text_string(&text, from == NULL ? "" : from);
    return !text.truncated;
}

static int copy_options(struct node *node, char *detail)
{
    const struct node_options *options = &node->options;
    if (!copy_string(options->name, node->name, sizeof(node->name)) ||
        !copy_string(options->address, node->address, sizeof(node->address)) ||
        !copy_string(options->meta, node->meta, sizeof(node->meta)) || node->name[0] == '\0' ||
        node->address[0] == '\0') {
        return refuse(QR_ERR_INVALID, "name, address or meta is empty or too long", detail);
    }
    node->asks_no_vote = options->is_learner;
    if (options->join == NULL) {
        return 0;
    }
    int status = node_join_copy(node, options->join);
    return status == 0 ? 0 : refuse(status, "memory ran out", detail);
}

static int refuse_without_cluster(char *detail)
{
    return refuse(QR_ERR_INVALID,
                  "the data directory belongs to no cluster yet: begin one (is_bootstrap, or "
                  "serve --bootstrap), name members of one (join, --join), or let it wait to be "
                  "let in (is_waiting, --wait)",
                  detail);
}

static void look_for_log(void *argument, const char *name, uint64_t size_bytes)
{
    bool *has_log = argument;
    (void)size_bytes;
    *has_log = *has_log || wal_is_log_file(name) || snapshot_is_file(name);
}

/* A directory without an identity is fresh only if its store of snapshots is. */
static int check_snapshots_fresh(const struct node *node, char *detail)
{
    const struct disk *disk = node->options.snapshot_disk;
    bool has_snapshots = false;
    int status = disk->list(disk->context, look_for_log, &has_snapshots);
    if (status != 0) {
        return refuse(status, "the store of the snapshots cannot be listed", detail);
    }
    return !has_snapshots
               ? 0
               : refuse(QR_ERR_CORRUPT,
                        "identity: missing, though there are snapshots in their store; give the "
                        "node its own directory and store, or empty both and let it join again "
                        "as a new one",
                        detail);
}

/* Read whose directory it is; one without an identity gets it, if that is all it lacks. */
static int open_identity(struct node *node, char *detail)
{
    const struct disk *disk = node->options.disk;
    int status = node_identity_read(disk, &node->identity, detail);
    if (status == 0) {
        status = node_identity_check_stores(&node->identity, node->options.stores, detail);
    }
    if (status == 0 && node->identity.recovery.is_pending) {
        return node_recovery_finish(node->options.allocator, disk, &node->identity, detail);
    }
    if (status != QR_ERR_NOT_FOUND) {
        return status;
    }
    if (backup_restore_has_note(disk)) {
        return refuse(QR_ERR_INVALID,
                      "the restore of a backup into this directory was not finished: run `quorate "
                      "restore` once more, or empty it",
                      detail);
    }
    bool has_log = false;
    status = disk->list(disk->context, look_for_log, &has_log);
    if (status != 0) {
        return refuse(status, "the data directory cannot be listed", detail);
    }
    if (has_log) {
        return refuse(QR_ERR_CORRUPT,
                      "identity: missing, though there are log files; restore it from a "
                      "backup, or empty the directory and let the node join again as a new one",
                      detail);
    }
    status = check_snapshots_fresh(node, detail);
    if (status != 0) {
        return status;
    }
    if (!node->options.is_bootstrap && node->options.join == NULL && !node->options.is_waiting) {
        return refuse_without_cluster(detail);
    }
    node->identity =
        (struct node_identity){.id = node->options.fresh_node_id, .stores = node->options.stores};
    memcpy(node->identity.name, node->name, sizeof(node->name));
    status = node_identity_write(disk, &node->identity);
    return status == 0 ? 0 : refuse(status, "identity: cannot be written", detail);
}

static int open_log(struct node *node, struct wal_recovered *recovered, char *detail)
{
    const struct node_options *options = &node->options;
    char log_detail[WAL_ERROR_DETAIL_BYTES] = "";
    struct wal_options wal_options = {
        .allocator = options->allocator,
        .disk = options->disk,
        .log = options->log,
        .listener = {.context = node,
                     .synced = node_on_synced,
                     .read_done = node_on_read,
                     .poisoned = node_on_poisoned},
        .node = node->identity.id,
        .segment_bytes = options->segment_bytes,
        .entry_bytes_max = node_record_bytes_max(node),
        .must_hold_batches = node->identity.is_log_used,
    };
    int status =
        node->store->open(node->store->context, &wal_options, &node->log, recovered, log_detail);
    return status == 0 ? 0 : refuse(status, log_detail, detail);
}

static int refuse_start(int status, const char *sentence, char *detail)
{
    return refuse(status, status == QR_ERR_NO_MEMORY ? "memory ran out" : sentence, detail);
}

static int start_raft(struct node *node, const struct raft_restored *restored)
{
    const struct node_options *options = &node->options;
    struct raft_options raft_options = {
        .allocator = options->allocator,
        .self = node->identity.id,
        .seed = prng_next(&node->prng),
        .election_timeout_min_ns = options->election_timeout_min_ns,
        .election_timeout_max_ns = options->election_timeout_max_ns,
        .heartbeat_interval_ns = options->heartbeat_interval_ns,
        .append_entries_max = WIRE_ENTRIES_MAX,
        .append_bytes_max = min_u64(UINT64_C(1) << 20, options->message_bytes_max),
        .inflight_messages_max = 256,
        .inflight_bytes_max = options->inflight_bytes_max,
        .uncommitted_bytes_max = node_uncommitted_bytes_max(node),
        .cache_bytes_max = options->cache_bytes_max,
        .lease_ns = options->lease_ns,
        .keeps_promise = options->keeps_promise,
    };
    node->durable_since_ns = node->time.now_ns;
    node->applied_since_ns = node->time.now_ns;
    int status = raft_new(&raft_options, restored, node->time.now_ns, &node->raft);
    if (status != 0) {
        return status;
    }
    raft_status(node->raft, &node->raft_now);
    node->phase = NODE_RUNNING;
    node->told_role = node_raft_status(node)->role;
    node->told_term = node_raft_status(node)->term;
    node->own_due_ns = TIME_NEVER;
    node->first_term = node->told_term;
    return 0;
}

/* What a state machine that is durable by itself has was committed. The log notes that later,
 * and a crash may come first. Then there is no snapshot with the state before something new is
 * committed, which may take a member that waits for that snapshot.
 */
static raft_index known_commit(const struct node *node, const struct wal_recovered *recovered)
{
    raft_index applied = min_u64(node->machine_index, recovered->last_index);
    return MUTANT(APPLIED_NOT_COMMITTED) ? recovered->commit_index
                                         : max_u64(recovered->commit_index, applied);
}

/* The machine's saves are numbered from 1; the opening batch, if any, took that ticket. */
static int raft_from(struct node *node, const struct wal_recovered *recovered)
{
    struct raft_restored restored = {
        .hard_state = recovered->hard_state,
        .base = {recovered->base.term, recovered->base.index},
        .commit_index = known_commit(node, recovered),
        .last_index = recovered->last_index,
        .last_timestamp_ns = recovered->last_timestamp_ns,
        .terms = (const struct raft_term_run *)(const void *)recovered->terms,
        .term_count = recovered->term_count,
        .configurations = recovered->configurations,
        .configuration_count = recovered->configuration_count,
    };
    _Static_assert(sizeof(struct raft_term_run) == sizeof(struct wal_term_run), "one layout");
    if (MUTANT(VOTE_FORGOTTEN)) {
        restored.hard_state.has_voted = false;
    }
    int status = start_raft(node, &restored);
    return status == 0 && node->snapshots.has_newest ? node_restore_tell(node) : status;
}

/* The snapshots, and the state machine as the newest of them has it. */
static int open_snapshots(struct node *node, const struct wal_recovered *recovered, char *detail)
{
    struct snapshot_found found;
    int status = node_snapshots_open(node, &found, detail);
    return status == 0 ? node_restore_at_start(node, recovered, &found, detail) : status;
}

/* The configuration of a cluster that is this node alone. */
static int make_first_entry(struct node *node, struct entry *entry)
{
    struct raft_configuration alone = {.count = 1};
    struct raft_member *member = &alone.members[0];
    uint8_t payload[1024];
    _Static_assert(sizeof(payload) >=
                       3 + 9 + RAFT_NAME_BYTES_MAX + RAFT_ADDRESS_BYTES_MAX + RAFT_META_BYTES_MAX,
                   "one member fits");
    member->id = node->identity.id;
    member->roles = RAFT_VOTER;
    member->priority = RAFT_PRIORITY_ORDINARY;
    memcpy(member->name, node->name, sizeof(member->name));
    memcpy(member->address, node->address, sizeof(member->address));
    memcpy(member->meta, node->meta, sizeof(member->meta));
    size_t payload_bytes = raft_configuration_encode(&alone, payload);
    return entry_arena_encode(&node->held_arena,
                              &(struct entry_fields){
                                  .index = 1,
                                  .term = 1,
                                  .timestamp_ns = node->time.wall_ns,
                                  .type = ENTRY_CONFIGURATION,
                                  .payload = payload,
                                  .payload_bytes = (uint32_t)payload_bytes,
                              },
                              entry);
}

int node_begin_log(struct node *node, struct cluster_id cluster, bool is_bootstrap)
{
    struct entry entry = {0};
    struct wal_batch batch = {.ticket = OPENING_TICKET};
    int status = 0;
    if (is_bootstrap) {
        status = make_first_entry(node, &entry);
        batch.hard_state.term = 1;
        batch.entries = &entry;
        batch.count = 1;
        batch.commit_index = 1; /* alone, what is durable is committed */
    }
    if (status == 0) {
        status = node->store->append(node->log, &batch);
    }
    chunk_drop(entry.chunk);
    if (status == 0) {
        node->identity.cluster = cluster;
        node->last_ticket = OPENING_TICKET;
        node->phase = NODE_OPENING;
        if (MUTANT(IDENTITY_BEFORE_LOG)) {
            node->identity.is_log_used = true;
            status = node_identity_write(node->options.disk, &node->identity);
        }
    }
    return status;
}

/* The opening batch is durable: now the identity may say so. */
void node_opened(struct node *node)
{
    ASSERT(node->phase == NODE_OPENING);
    node->identity.is_log_used = true;
    memcpy(node->identity.name, node->name, sizeof(node->name));
    int status = node_identity_write(node->options.disk, &node->identity);
    if (status != 0) {
        node_fail(node, status, "identity: cannot be written");
        return;
    }
    bool is_bootstrap = node->options.is_bootstrap;
    struct entry entry = {0};
    struct raft_term_run run = {1, 1};
    struct raft_restored restored = {0};
    if (is_bootstrap) {
        status = make_first_entry(node, &entry);
        if (status != 0) {
            node_fail(node, status, "memory ran out");
            return;
        }
        restored = (struct raft_restored){
            .hard_state = {.term = 1},
            .commit_index = 1,
            .last_index = 1,
            .last_timestamp_ns = node->time.wall_ns,
            .terms = &run,
            .term_count = 1,
            .configurations = &entry,
            .configuration_count = 1,
        };
    }
    LOG(node->options.log, LOG_INFO, "cluster_entered", log_id("node", node->identity.id),
        log_id("cluster", node->identity.cluster.high),
        log_string("by", is_bootstrap ? "bootstrap" : "join"));
    status = start_raft(node, &restored);
    chunk_drop(entry.chunk);
    if (status != 0) {
        node_fail(node, status, "memory ran out");
    }
}

/* What the directory is, and what the flags ask for, decide how the node begins. */
static int begin(struct node *node, const struct wal_recovered *recovered, char *detail)
{
    if (node->identity.is_log_used) {
        int status = raft_from(node, recovered);
        return status == 0 ? 0
                           : refuse_start(status, "what the log holds contradicts itself", detail);
    }
    if (node->options.is_bootstrap) {
        int status = node_begin_log(node, node->options.fresh_cluster_id, true);
        return status == 0 ? 0 : refuse_start(status, "the log cannot be begun", detail);
    }
    if (recovered->last_index > 0) {
        return refuse(QR_ERR_INVALID,
                      "a cluster was half begun in this directory: start once with --bootstrap, or "
                      "empty it",
                      detail);
    }
    if (node->options.join != NULL || node->options.is_waiting) {
        node->phase = NODE_JOINING;
        bool asks = node->options.join != NULL && !node->options.is_observer;
        node->seed_due_ns = asks ? node->seed_due_ns : TIME_NEVER;
        return 0;
    }
    return refuse_without_cluster(detail);
}

static struct node *node_make(const struct node_options *options, struct node_time time)
{
    struct node *node = allocate_zeroed(options->allocator, sizeof(*node));
    if (node == NULL) {
        return NULL;
    }
    node->options = *options;
    node->options.snapshot_disk =
        options->snapshot_disk == NULL ? options->disk : options->snapshot_disk;
    node->store = options->log_store == NULL ? &log_store_files : options->log_store;
    node->time = time;
    node->prng = prng_of(options->seed);
    node->mark_due_ns = TIME_NEVER;
    node->prepare_due_ns = TIME_NEVER;
    node->next_request = (prng_next(&node->prng) >> 2) + 1;
    pending_init(&node->pending, options->allocator, options->pending_max,
                 (prng_next(&node->prng) >> 2) + 1);
    entry_arena_init(&node->held_arena, options->allocator);
    sessions_init(&node->sessions, options->allocator);
    node->apply_entries =
        allocate(options->allocator, NODE_APPLY_ENTRIES_MAX * sizeof(*node->apply_entries));
    node->snapshots.applied = allocate_zeroed(options->allocator, sizeof(*node->snapshots.applied));
    if (node->apply_entries == NULL || node->snapshots.applied == NULL) {
        node_free(node);
        return NULL;
    }
    return node;
}

int node_open(const struct node_options *options, struct node_time time, struct node **out,
              char *detail)
{
    ASSERT(options->pending_max > 0);

    struct node *node = node_make(options, time);
    if (node == NULL) {
        return refuse(QR_ERR_NO_MEMORY, "memory ran out", detail);
    }
    struct wal_recovered recovered;
    int status = copy_options(node, detail);
    if (status == 0) {
        status = open_identity(node, detail);
    }
    if (status == 0) {
        status = open_log(node, &recovered, detail);
    }
    if (status == 0) {
        status = open_snapshots(node, &recovered, detail);
    }
    if (status == 0) {
        status = node_divergence_open(node, detail);
    }
    if (status == 0) {
        status = node_gossip_open(node, detail);
    }
    if (status == 0) {
        status = begin(node, &recovered, detail);
    }
    if (status != 0) {
        node->phase = NODE_STOPPED;
        node_free(node);
        return status;
    }
    node->store->prepare(node->log);
    snapshot_store_work(node->snapshots.store);
    *out = node;
    return 0;
}
