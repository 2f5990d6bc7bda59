/* snapshot.c: this node's own snapshots: when one is taken (taking.c), and what follows it.
 *
 * When all of one is durable, the log may be compacted (compact.c).
 *
 * Of a state machine that is durable by itself the state is left out: such a snapshot is bare.
 * It is written when the state machine says that it stands there durably, so that what is compacted
 * behind it is nowhere needed here. Only for a member that needs the state is one taken that has
 * it: it is the newest then, until the next bare one.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "base/mutant.h"
#include "node/internal.h"
#include "quorate/error.h"

/* A snapshot takes at most one part in so many of the time. */
#define REST_FACTOR 8
#define STATE_RETRIES 5 /* what could not be read for a member waits so much longer than others */

static bool has_functions(const struct node *node)
{
    return node->options.io.machine.snapshot_open != NULL;
}

/* Whether the state machine is durable by itself. */
static bool is_durable(const struct node *node)
{
    return node->options.io.machine.applied_index != NULL;
}

static void on_writer_ready(void *context)
{
    struct node *node = context;
    node->needs_turn = true;
}

/* Who asked while this one was taken waits for the next, which follows at once. */
void node_snapshots_tell(struct node *node, int status, raft_index index)
{
    struct node_snapshots *snapshots = &node->snapshots;
    struct node_snapshot_waiter told[NODE_SNAPSHOT_WAITERS_MAX];
    size_t told_count = 0;
    size_t kept_count = 0;
    for (size_t i = 0; i < snapshots->waiter_count; i++) {
        struct node_snapshot_waiter *waiter = &snapshots->waiters[i];
        if (status != 0 || waiter->index_min <= index) {
            told[told_count++] = *waiter;
        } else {
            snapshots->waiters[kept_count++] = *waiter;
        }
    }
    snapshots->waiter_count = kept_count;
    snapshots->is_asked = kept_count > 0;
    if (kept_count > 0) {
        snapshots->due_ns = 0;
        node->needs_turn = true;
    }
    for (size_t i = 0; i < told_count; i++) {
        node->options.io.snapshot_done(node->options.io.context, told[i].token, status, index);
    }
}

void node_taking_failed(struct node *node, int status)
{
    LOG(node->options.log, LOG_WARN, "snapshot_failed", log_string("error", qr_error_name(status)),
        log_u64("index", node->snapshots.taking.head.position.index));
    if (!node->snapshots.taking.head.is_bare) {
        /* A bare one may come first: it does not fail where a state cannot be read. */
        node->snapshots.state_due_ns = node->time.now_ns + STATE_RETRIES * NODE_RETRY_NS;
    }
    node_taking_abandon(node);
    node->snapshots.due_ns = node->time.now_ns + NODE_RETRY_NS;
    node_snapshots_tell(node, status, 0);
}

/* One is durable: of our own making, or a leader's, which is never bare. */
static void note_newest(struct node *node, const struct snapshot_info *info)
{
    const struct node_taking *taking = &node->snapshots.taking;
    node->snapshots.has_newest = true;
    node->snapshots.newest = *info;
    node->snapshots.is_newest_bare = taking->is_active && taking->head.is_bare;
    node->snapshots.is_state_asked =
        node->snapshots.is_state_asked && node->snapshots.is_newest_bare;
    node->snapshots.compact_due_ns = 0;
    node->needs_turn = true;
    snapshot_store_remove_below(node->snapshots.store, info->position.index);
}

/* When the next ones may come. */
static void rest(struct node *node, time_ns took_ns)
{
    struct node_snapshots *snapshots = &node->snapshots;
    time_ns now_ns = node->time.now_ns;
    time_ns rested_ns = now_ns + max_u64(node->options.snapshot_interval_ns, REST_FACTOR * took_ns);
    bool is_bare = snapshots->taking.head.is_bare;
    if (is_durable(node) && !is_bare) {
        snapshots->state_due_ns = rested_ns;
        rested_ns = now_ns + node->options.snapshot_interval_ns; /* a bare one costs little */
    }
    snapshots->due_ns = rested_ns;
}

static void on_writer_done(void *context, int status, const struct snapshot_info *info)
{
    struct node *node = context;
    if (!node_is_running(node)) {
        return;
    }
    if (status == 0) {
        note_newest(node, info);
    }
    struct node_taking *taking = &node->snapshots.taking;
    if (!taking->is_active) {
        node_install_written(node, status, info);
        return;
    }
    if (status != 0) {
        node_taking_failed(node, status);
        return;
    }
    time_ns took_ns = node->time.now_ns - taking->began_ns;
    LOG(node->options.log, LOG_INFO, "snapshot_taken", log_u64("index", info->position.index),
        log_u64("bytes", info->size_bytes), log_u64("milliseconds", took_ns / NS_PER_MS),
        log_string("state", taking->head.is_bare ? "left out" : "held"));
    rest(node, took_ns);
    node_taking_end(node);
    node->snapshots.taken_count++;
    node_snapshots_tell(node, 0, info->position.index);
}

static void on_read_done(void *context, uint64_t token, int status, struct chunk *chunk,
                         const uint8_t *data, size_t size_bytes)
{
    struct node *node = context;
    if (!node_is_running(node)) {
        return;
    }
    if (token == NODE_RESTORE_TOKEN) {
        node_restore_read(node, status, chunk, data, size_bytes);
    } else if (token >= NODE_BACKUP_TOKEN) {
        node_backups_read(node, token, status, data, size_bytes);
    } else {
        node_sendings_read(node, token, status, chunk, data, size_bytes);
    }
    node->needs_turn = true;
}

int node_snapshots_open(struct node *node, struct snapshot_found *found, char *detail)
{
    uint32_t chunk_bytes = node->options.snapshot_chunk_bytes;
    struct snapshot_options options = {
        .allocator = node->options.allocator,
        .disk = node->options.snapshot_disk,
        .log = node->options.log,
        .listener = {.context = node,
                     .writer_ready = on_writer_ready,
                     .writer_done = on_writer_done,
                     .read_done = on_read_done},
        /* A piece that is sent is a chunk, and fits any member's max_message_bytes. */
        .chunk_bytes = chunk_bytes == 0 ? CONTENT_BLOCK_BYTES_MAX : chunk_bytes,
    };
    int status = snapshot_store_open(&options, &node->snapshots.store, found, detail);
    if (status == 0 && found->has_newest) {
        node->snapshots.has_newest = true;
        node->snapshots.newest = found->newest;
    }
    return status;
}

/* Whether the next one is to hold the state of a state machine that is durable by itself. */
static bool is_state_due(const struct node *node)
{
    return node->snapshots.is_state_asked && node->time.now_ns >= node->snapshots.state_due_ns;
}

/* Whether the log has grown enough behind the newest snapshot, or somebody wants one. */
static bool is_wanted(const struct node *node, const struct raft_status *now)
{
    const struct node_snapshots *snapshots = &node->snapshots;
    const struct node_options *options = &node->options;
    raft_index newest = snapshots->has_newest ? snapshots->newest.position.index : 0;
    if (snapshots->is_asked || is_state_due(node)) {
        return true;
    }
    if (options->log_entries_max == 0 || now->applied_index <= newest) {
        return false;
    }
    struct wal_stats log;
    node->store->stats(node->log, &log);
    uint64_t kept = now->applied_index - (now->first_index - 1);
    /* A wrong state takes the place of what may be right only when the log gets too long. */
    bool has_many = !node_is_isolated(node) && kept > options->log_entries_max / 4 * 3 &&
                    now->applied_index - newest > options->log_entries_max / 4;
    bool has_long = log.written_bytes - snapshots->written_bytes > options->log_bytes_max / 2;
    return has_many || has_long;
}

/* Whether one may begin: the state machine stands at applied_index. A durable one may be ahead,
 * which only a bare one allows.
 */
static bool may_begin(const struct node *node, const struct raft_status *now)
{
    bool is_bare = is_durable(node) && !is_state_due(node);
    return has_functions(node) && !node->snapshots.taking.is_active && !node->is_applying &&
           node->install.state == NODE_INSTALL_NONE && now->applied_index > 0 &&
           !node->divergence.is_rebuilding &&
           (is_bare || now->applied_index >= node->machine_index);
}

/* A member needs the state: only a leader is asked for it, and a bare one that waits gives way. */
static void look_at_wishes(struct node *node)
{
    struct node_snapshots *snapshots = &node->snapshots;
    snapshots->is_state_asked = snapshots->is_state_asked && raft_is_leader(node->raft);
    if (snapshots->taking.is_waiting && is_state_due(node)) {
        node_taking_abandon(node);
    }
}

void node_snapshots_want_state(struct node *node)
{
    node->snapshots.is_state_asked = true;
    node->needs_turn = true;
}

void node_snapshots_want(struct node *node)
{
    node->snapshots.is_asked = node->snapshots.is_asked || !is_durable(node);
    if (is_durable(node)) {
        node_snapshots_want_state(node);
    }
    node->needs_turn = true;
}

void node_snapshots_turn(struct node *node)
{
    struct node_snapshots *snapshots = &node->snapshots;
    if (!has_functions(node)) {
        return;
    }
    const struct raft_status *now = node_raft_status(node);
    look_at_wishes(node);
    if (may_begin(node, now) && node->time.now_ns >= snapshots->due_ns && is_wanted(node, now)) {
        node_taking_begin(node, now->applied_index, is_durable(node) && !is_state_due(node));
    }
    if (snapshots->taking.is_active) {
        node_taking_advance(node);
    }
    node_compact(node);
}

time_ns node_snapshots_deadline(const struct node *node)
{
    const struct node_snapshots *snapshots = &node->snapshots;
    const struct raft_status *now = node_raft_status(node);
    time_ns deadline = node_compact_deadline(node);
    if (may_begin(node, now) && is_wanted(node, now)) {
        deadline = min_u64(deadline, max_u64(snapshots->due_ns, node->time.now_ns));
    }
    if (snapshots->is_state_asked && !is_state_due(node)) {
        deadline = min_u64(deadline, snapshots->state_due_ns);
    }
    if (snapshots->taking.is_waiting && !node->is_applying) {
        deadline = min_u64(deadline, node->time.now_ns + node->options.heartbeat_interval_ns);
    }
    return deadline;
}

/* Up to where answers may have been given: those for a batch may go out before its end is told. */
static raft_index answered_index(const struct node *node)
{
    return node->is_applying ? node->apply_last : node_raft_status(node)->applied_index;
}

int node_snapshot(struct node *node, uint64_t token, struct node_time time)
{
    struct node_snapshots *snapshots = &node->snapshots;
    if (node->phase == NODE_STOPPED) {
        return QR_ERR_STOPPED;
    }
    if (!has_functions(node)) {
        return QR_ERR_INVALID;
    }
    if (node_is_isolated(node)) {
        return QR_ERR_DIVERGED;
    }
    if (snapshots->waiter_count == NODE_SNAPSHOT_WAITERS_MAX) {
        return QR_ERR_BUSY;
    }
    node->time = time;
    snapshots->waiters[snapshots->waiter_count++] =
        (struct node_snapshot_waiter){.token = token, .index_min = answered_index(node)};
    snapshots->is_asked = true;
    snapshots->due_ns = 0;
    node->needs_turn = true;
    return 0;
}

/* What is here is wrong: nobody gets it. */
void node_snapshots_refuse(struct node *node)
{
    node_taking_abandon(node);
    node_snapshots_tell(node, QR_ERR_DIVERGED, 0);
}

void node_snapshots_stop(struct node *node)
{
    if (node->snapshots.store == NULL) {
        return;
    }
    node_taking_abandon(node);
    node_install_stop(node);
    node_sendings_stop(node);
    node_backups_stop(node);
    node_snapshots_tell(node, QR_ERR_STOPPED, 0);
}

void node_snapshots_deinit(struct node *node)
{
    snapshot_store_free(node->snapshots.store);
    release(node->options.allocator, node->snapshots.applied, sizeof(*node->snapshots.applied));
    node->snapshots.store = NULL;
}

bool node_snapshots_are_idle(const struct node *node)
{
    return node->snapshots.store == NULL || snapshot_store_is_idle(node->snapshots.store);
}
