/* snapshot.c: this node's own snapshots: when one is taken, and how, a slice at a time.
 *
 * A view of the state machine is opened at applied_index and read on the node's own turns, one
 * slice a turn, while entries go on being applied. Slices go into the store as blocks of a
 * content (content.h); when all of it is durable, the log may be compacted (compact.c).
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

static void tell_waiters(struct node *node, int status, raft_index index)
{
    struct node_snapshots *snapshots = &node->snapshots;
    size_t count = snapshots->waiter_count;
    snapshots->waiter_count = 0;
    snapshots->is_asked = false;
    for (size_t i = 0; i < count; i++) {
        node->options.io.snapshot_done(node->options.io.context, snapshots->waiters[i], status,
                                       index);
    }
}

static void end_taking(struct node *node)
{
    struct node_taking *taking = &node->snapshots.taking;
    const struct qr_state_machine *machine = &node->options.io.machine;
    if (taking->view != NULL) {
        machine->snapshot_close(machine->context, taking->view);
    }
    release(node->options.allocator, taking->sessions, taking->sessions_bytes);
    release(node->options.allocator, taking->slice, CONTENT_BLOCK_BYTES_MAX);
    release(node->options.allocator, taking->block, CONTENT_STORED_BYTES_MAX);
    *taking = (struct node_taking){.is_active = false};
}

void node_taking_abandon(struct node *node)
{
    if (node->snapshots.taking.is_active) {
        end_taking(node);
        snapshot_writer_abandon(node->snapshots.store);
    }
}

static void fail_taking(struct node *node, int status)
{
    LOG(node->options.log, LOG_WARN, "snapshot_failed", log_string("error", qr_error_name(status)),
        log_u64("index", node->snapshots.taking.head.position.index));
    if (!node->snapshots.taking.head.is_bare) {
        /* A bare one may come first: it does not fail where a state cannot be read. */
        node->snapshots.state_due_ns = node->time.now_ns + STATE_RETRIES * NODE_RETRY_NS;
    }
    node_taking_abandon(node);
    node->snapshots.due_ns = node->time.now_ns + NODE_RETRY_NS;
    tell_waiters(node, status, 0);
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
        fail_taking(node, status);
        return;
    }
    time_ns took_ns = node->time.now_ns - taking->began_ns;
    LOG(node->options.log, LOG_INFO, "snapshot_taken", log_u64("index", info->position.index),
        log_u64("bytes", info->size_bytes), log_u64("milliseconds", took_ns / NS_PER_MS),
        log_string("state", taking->head.is_bare ? "left out" : "held"));
    rest(node, took_ns);
    end_taking(node);
    node->snapshots.taken_count++;
    tell_waiters(node, 0, info->position.index);
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
        .disk = node->options.disk,
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
    wal_stats(node->wal, &log);
    uint64_t kept = now->applied_index - (now->first_index - 1);
    /* A wrong state takes the place of what may be right only when the log gets too long. */
    bool has_many = !node_is_isolated(node) && kept > options->log_entries_max / 4 * 3 &&
                    now->applied_index - newest > options->log_entries_max / 4;
    bool has_long = log.written_bytes - snapshots->written_bytes > options->log_bytes_max / 2;
    return has_many || has_long;
}

static int allocate_buffers(struct node *node)
{
    struct node_taking *taking = &node->snapshots.taking;
    taking->slice = allocate(node->options.allocator, CONTENT_BLOCK_BYTES_MAX);
    taking->block = allocate(node->options.allocator, CONTENT_STORED_BYTES_MAX);
    return taking->slice == NULL || taking->block == NULL ? QR_ERR_NO_MEMORY : 0;
}

/* The session table has no views: it is copied, of one moment with that of the state machine. */
static int copy_sessions(struct node *node)
{
    struct node_taking *taking = &node->snapshots.taking;
    size_t size_bytes =
        MUTANT(SNAPSHOT_WITHOUT_SESSIONS) ? 0 : sessions_write_bytes(&node->sessions);
    if (size_bytes == 0) {
        return 0;
    }
    taking->sessions = allocate(node->options.allocator, size_bytes);
    if (taking->sessions == NULL) {
        return QR_ERR_NO_MEMORY;
    }
    taking->sessions_bytes = size_bytes;
    sessions_write(&node->sessions, taking->sessions);
    return 0;
}

static void write_head(struct node *node)
{
    struct node_taking *taking = &node->snapshots.taking;
    const struct node_configuration *configuration = node->snapshots.applied;
    if (configuration->index > 0 && !MUTANT(SNAPSHOT_WITHOUT_CONFIGURATION)) {
        taking->head.configuration_index = configuration->index;
        taking->head.configuration = configuration->payload;
        taking->head.configuration_bytes = configuration->size_bytes;
    }
    taking->block_bytes = content_write_head(&taking->writer, &taking->head, taking->block);
}

static void begin_taking(struct node *node, const struct raft_status *now)
{
    struct node_taking *taking = &node->snapshots.taking;
    const struct qr_state_machine *machine = &node->options.io.machine;
    struct wal_base position = {.index = now->applied_index};
    bool is_known = raft_term_at(node->raft, position.index, &position.term);
    ASSERT(is_known);
    bool is_bare = is_durable(node) && !is_state_due(node);
    int status = snapshot_writer_begin(node->snapshots.store, &position,
                                       node->snapshots.applied_timestamp_ns,
                                       node->snapshots.is_newest_bare && !is_bare);
    if (status == QR_ERR_SUPERSEDED) {
        /* One came from a leader and was not needed: it stands until the log has passed it. */
        tell_waiters(node, 0, node->snapshots.newest.position.index);
        node->snapshots.due_ns = node->time.now_ns + node->options.heartbeat_interval_ns;
        return;
    }
    if (status == QR_ERR_BUSY) {
        node->snapshots.due_ns = node->time.now_ns + node->options.heartbeat_interval_ns;
        return;
    }
    *taking = (struct node_taking){
        .is_active = status == 0,
        .is_waiting = is_bare,
        .writer = {.codec = node->options.codec},
        .head = {.position = {position.term, position.index},
                 .timestamp_ns = node->snapshots.applied_timestamp_ns,
                 .is_bare = is_bare},
        .began_ns = node->time.now_ns,
    };
    if (status == 0) {
        status = allocate_buffers(node);
    }
    if (status == 0) {
        status = copy_sessions(node);
    }
    if (status == 0 && !is_bare) {
        status = machine->snapshot_open(machine->context, &taking->view);
    }
    if (status != 0) {
        fail_taking(node, status);
        return;
    }
    struct wal_stats log;
    wal_stats(node->wal, &log);
    node->snapshots.written_bytes = log.written_bytes;
    write_head(node);
}

/* Make the next block. False: that was the last one, or it failed. */
static bool make_block(struct node *node)
{
    struct node_taking *taking = &node->snapshots.taking;
    const struct qr_state_machine *machine = &node->options.io.machine;
    size_t read_bytes = 0;
    taking->block_given = 0;
    taking->block_bytes = 0;
    if (taking->sessions_given < taking->sessions_bytes) {
        size_t piece_bytes =
            min_u64(taking->sessions_bytes - taking->sessions_given, CONTENT_BLOCK_BYTES_MAX);
        taking->block_bytes =
            content_write(&taking->writer, CONTENT_SESSIONS,
                          taking->sessions + taking->sessions_given, piece_bytes, taking->block);
        taking->sessions_given += piece_bytes;
        return true;
    }
    if (taking->is_ended) {
        return false;
    }
    if (taking->view != NULL) {
        int status = machine->snapshot_read(machine->context, taking->view, taking->slice,
                                            CONTENT_BLOCK_BYTES_MAX, &read_bytes);
        if (status != 0) {
            fail_taking(node, status);
            return false;
        }
        ASSERT(read_bytes <= CONTENT_BLOCK_BYTES_MAX);
    }
    if (read_bytes > 0) {
        taking->block_bytes = content_write(&taking->writer, CONTENT_MACHINE, taking->slice,
                                            read_bytes, taking->block);
        return true;
    }
    if (taking->view != NULL) {
        machine->snapshot_close(machine->context, taking->view);
        taking->view = NULL;
    }
    taking->is_ended = true;
    taking->block_bytes = content_write_end(&taking->writer, taking->block);
    return true;
}

/* A bare one is worth nothing, and dangerous, before the state machine stands there durably: a
 * start would find one that is behind it.
 */
static bool may_go_on(struct node *node)
{
    struct node_taking *taking = &node->snapshots.taking;
    const struct qr_state_machine *machine = &node->options.io.machine;
    if (taking->is_waiting && !node->is_applying &&
        (machine->applied_index(machine->context) >= taking->head.position.index ||
         MUTANT(BARE_BEFORE_DURABLE))) {
        taking->is_waiting = false;
        taking->began_ns = node->time.now_ns; /* waiting cost nobody anything */
    }
    return !taking->is_waiting;
}

/* One slice; the next with the next turn, when the store has room. */
static void advance_taking(struct node *node)
{
    struct node_taking *taking = &node->snapshots.taking;
    size_t taken = 0;
    if (taking->is_given || !may_go_on(node)) {
        return;
    }
    if (taking->block_given == taking->block_bytes && !make_block(node)) {
        if (taking->is_active) {
            taking->is_given = true;
            snapshot_writer_finish(node->snapshots.store);
        }
        return;
    }
    snapshot_writer_append(node->snapshots.store, taking->block + taking->block_given,
                           taking->block_bytes - taking->block_given, &taken);
    taking->block_given += taken;
    node->needs_turn = node->needs_turn || taking->block_given == taking->block_bytes;
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
        begin_taking(node, now);
    }
    if (snapshots->taking.is_active) {
        advance_taking(node);
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
    snapshots->waiters[snapshots->waiter_count++] = token;
    snapshots->is_asked = true;
    snapshots->due_ns = 0;
    node->needs_turn = true;
    return 0;
}

/* What is here is wrong: nobody gets it. */
void node_snapshots_refuse(struct node *node)
{
    node_taking_abandon(node);
    tell_waiters(node, QR_ERR_DIVERGED, 0);
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
    tell_waiters(node, QR_ERR_STOPPED, 0);
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
