/* restore.c: the state machine takes over the newest snapshot: at a start, or a leader's.
 *
 * At a start all of it at once, before anything is applied. Later piece by piece, as the disk
 * gives it: the node goes on taking part meanwhile, but applies nothing and answers no read. What
 * is restored is durable by then, so that a crash in the middle only means to begin again.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "base/mutant.h"
#include "node/internal.h"
#include "quorate/error.h"

#define STEP_BYTES 128 /* as they are stored, between two looks at what they became */
#define UNUSABLE "the state machine does not take the snapshot over"

/* The state machine drops what it holds only when it is known that something comes instead. */
static int take_head(void *context, const struct content_head *head)
{
    struct node *node = context;
    struct node_restore *restore = &node->restore;
    const struct qr_state_machine *machine = &node->options.io.machine;
    const struct wal_base *position = &node->snapshots.newest.position;
    if (head->position.index != position->index || head->position.term != position->term) {
        return QR_ERR_CORRUPT;
    }
    if (head->is_bare && !restore->is_machine_ahead) {
        restore->lacks_state = true;
        return QR_ERR_CORRUPT;
    }
    node->snapshots.is_newest_bare = head->is_bare;
    restore->head = *head;
    restore->configuration->index = head->configuration_index;
    restore->configuration->size_bytes = head->configuration_bytes;
    if (head->configuration_bytes > sizeof(restore->configuration->payload)) {
        return QR_ERR_CORRUPT;
    }
    memcpy(restore->configuration->payload, head->configuration, head->configuration_bytes);
    restore->head.configuration = restore->configuration->payload;
    return restore->is_machine_ahead ? 0 : machine->restore_begin(machine->context);
}

/* The table is read when it is whole. */
static int take_sessions(void *context, const uint8_t *data, size_t size_bytes)
{
    struct node *node = context;
    struct node_restore *restore = &node->restore;
    int status = allocate_grow(node->options.allocator, (void **)&restore->sessions,
                               &restore->sessions_capacity, restore->sessions_bytes + size_bytes,
                               NODE_SESSIONS_BYTES_MAX, 1);
    if (status != 0) {
        return status == QR_ERR_TOO_LARGE ? QR_ERR_CORRUPT : status;
    }
    memcpy(restore->sessions + restore->sessions_bytes, data, size_bytes);
    restore->sessions_bytes += size_bytes;
    return 0;
}

static int take_machine(void *context, const uint8_t *data, size_t size_bytes)
{
    const struct node *node = context;
    const struct qr_state_machine *machine = &node->options.io.machine;
    return machine->restore_write(machine->context, data, size_bytes);
}

static void end(struct node *node)
{
    struct node_restore *restore = &node->restore;
    chunk_drop(restore->piece);
    snapshot_reader_close(restore->reader);
    content_reader_deinit(&restore->content);
    release(node->options.allocator, restore->sessions, restore->sessions_capacity);
    release(node->options.allocator, restore->configuration, sizeof(*restore->configuration));
    *restore = (struct node_restore){.is_active = false};
}

static int begin(struct node *node)
{
    struct node_restore *restore = &node->restore;
    const struct allocator *allocator = node->options.allocator;
    struct content_sink sink = {
        .context = node,
        .head = take_head,
        .sessions = take_sessions,
        .machine = restore->is_machine_ahead ? NULL : take_machine,
    };
    restore->is_active = true;
    restore->configuration = allocate(allocator, sizeof(*restore->configuration));
    int status = restore->configuration == NULL ? QR_ERR_NO_MEMORY : 0;
    if (status == 0) {
        status = content_reader_init(&restore->content, allocator, node->options.codec, sink);
    }
    return status;
}

/* All of it was given: it stands where the snapshot does. */
static int finish(struct node *node)
{
    struct node_restore *restore = &node->restore;
    const struct qr_state_machine *machine = &node->options.io.machine;
    if (!content_is_whole(&restore->content)) {
        return QR_ERR_CORRUPT;
    }
    int status = restore->is_machine_ahead ? 0 : machine->restore_end(machine->context);
    if (status == 0 && restore->sessions_bytes > 0) {
        status = sessions_read(&node->sessions, restore->sessions, restore->sessions_bytes);
        if (status == 0 && !sessions_fit(&node->sessions, restore->head.position.index)) {
            status = QR_ERR_CORRUPT;
        }
    } else if (status == 0) {
        sessions_deinit(&node->sessions);
        sessions_init(&node->sessions, node->options.allocator);
    }
    if (status == 0) {
        node->snapshots.applied_timestamp_ns = restore->head.timestamp_ns;
        memcpy(node->snapshots.applied, restore->configuration, sizeof(*node->snapshots.applied));
    }
    return status;
}

/* Tell the Raft machine where the state machine stands now. What it held may be in there. */
int node_restore_tell(struct node *node)
{
    const struct node_configuration *configuration = node->snapshots.applied;
    const struct snapshot_info *info = &node->snapshots.newest;
    struct raft_snapshot snapshot = {
        .position = {info->position.term, info->position.index},
        .timestamp_ns = node->snapshots.applied_timestamp_ns,
        .configuration_index = configuration->index,
        .configuration = configuration->payload,
        .configuration_bytes = configuration->size_bytes,
    };
    node->has_told_configuration = false; /* another one may stand at its index */
    return node_step(node,
                     (struct raft_event){.type = RAFT_EVENT_INSTALLED, .installed = &snapshot});
}

static int refuse(int status, const char *first, const char *second, char *detail)
{
    struct text text = text_of(detail, NODE_DETAIL_BYTES);
    text_string(&text, first);
    text_string(&text, second);
    return status;
}

static int feed(void *context, const uint8_t *data, size_t size_bytes)
{
    struct node *node = context;
    return content_read(&node->restore.content, data, size_bytes);
}

static int refuse_without_state(const struct node *node, char *detail)
{
    struct text text = text_of(detail, NODE_DETAIL_BYTES);
    text_string(&text, "the state machine stands at ");
    text_u64(&text, node->machine_index);
    text_string(&text, ", the newest snapshot at ");
    text_u64(&text, node->snapshots.newest.position.index);
    text_string(&text, node->options.io.machine.applied_index == NULL
                           ? " and without its state, taken for one that is durable by itself; "
                           : ", where it once stood durably: it lost data, or is an older copy; ");
    text_string(&text, "restore it from a backup, or empty it and the directory and let the node "
                       "join again as a new one");
    return QR_ERR_CORRUPT;
}

static int load(struct node *node, char *detail)
{
    char why[SNAPSHOT_ERROR_DETAIL_BYTES] = UNUSABLE;
    int status = begin(node);
    if (status == 0) {
        status = snapshot_store_load(node->snapshots.store, feed, node, why);
    }
    if (status == 0) {
        status = finish(node);
    }
    bool lacks_state = node->restore.lacks_state;
    end(node);
    if (lacks_state) {
        return refuse_without_state(node, detail);
    }
    if (status == QR_ERR_NO_MEMORY) {
        return refuse(status, "memory ran out", "", detail);
    }
    return status == 0 ? 0 : refuse(status, "the newest snapshot: ", why, detail);
}

/* Where a state machine that is durable by itself stands. It may be ahead of the newest snapshot,
 * but of nothing that is on this disk.
 */
static int find_machine(struct node *node, raft_index last, raft_index newest, char *detail)
{
    const struct qr_state_machine *machine = &node->options.io.machine;
    if (machine->applied_index == NULL) {
        return 0;
    }
    node->machine_index = machine->applied_index(machine->context);
    node->restore.is_machine_ahead = node->machine_index >= newest && newest > 0;
    if (node->machine_index > max_u64(last, newest)) {
        return refuse(QR_ERR_CORRUPT,
                      "the state machine has applied more than log and snapshots hold: it is "
                      "another node's, or they are an older copy",
                      "", detail);
    }
    return 0;
}

int node_restore_at_start(struct node *node, const struct wal_recovered *recovered,
                          const struct snapshot_found *found, char *detail)
{
    raft_index base = recovered->base.index;
    bool is_covered = base == 0 || (found->has_newest && found->newest.position.index >= base);
    if (!is_covered) {
        bool is_refused = found->refused_count > 0;
        char why[NODE_DETAIL_BYTES];
        struct text text = text_of(why, sizeof(why));
        text_string(&text, is_refused ? detail : "none is there");
        return refuse(is_refused ? found->refused_status : QR_ERR_CORRUPT,
                      "the log begins behind a snapshot that is missing or damaged; restore it "
                      "from a backup, or empty the directory and let the node join again as a new "
                      "one: ",
                      why, detail);
    }
    raft_index newest = found->has_newest ? found->newest.position.index : 0;
    int status = find_machine(node, recovered->last_index, newest, detail);
    if (status != 0 || newest == 0) {
        return status;
    }
    if (node->options.io.machine.restore_begin == NULL) {
        return refuse(QR_ERR_INVALID, "there is a snapshot, and this state machine takes none over",
                      "", detail);
    }
    return load(node, detail);
}

static void fail(struct node *node, int status)
{
    node_fail(node, status, status == QR_ERR_NO_MEMORY ? "memory ran out" : UNUSABLE);
}

/* Ask the disk for the next piece. */
static void read_on(struct node *node)
{
    int status = snapshot_reader_read(node->restore.reader, NODE_RESTORE_TOKEN);
    if (status != 0) {
        fail(node, status);
    }
}

bool node_restore_begin(struct node *node)
{
    ASSERT(!node->is_applying && !node->restore.is_active);
    struct snapshot_info info;
    int status = snapshot_reader_open(node->snapshots.store, node->snapshots.newest.position.index,
                                      0, &node->restore.reader, &info);
    if (status == QR_ERR_BUSY) {
        return false;
    }
    if (status == 0) {
        status = begin(node);
    }
    if (status != 0) {
        fail(node, status);
    } else {
        read_on(node);
    }
    return true;
}

/* All of the file was taken. */
static void finish_install(struct node *node)
{
    int status = finish(node);
    if (status == NODE_LATER) {
        return;
    }
    if (status != 0) {
        fail(node, status);
        return;
    }
    end(node);
    node_install_restored(node);
}

/* The log begins anew in another segment: it waits for the disk to have room (persist.c). */
static void finish_with_room(struct node *node)
{
    if (node->store->has_room_for_reset(node->log)) {
        finish_install(node);
    }
}

void node_restore_read(struct node *node, int status, struct chunk *chunk, const uint8_t *data,
                       size_t size_bytes)
{
    struct node_restore *restore = &node->restore;
    if (!restore->is_active) {
        return;
    }
    if (status != 0) {
        fail(node, status);
    } else if (size_bytes == 0) {
        restore->is_read = true;
        finish_with_room(node);
    } else {
        restore->piece = chunk_hold(chunk);
        restore->piece_at = data;
        restore->piece_bytes = size_bytes;
    }
}

/* What was given is still being taken over: its end brings a turn. */
static bool is_busy(const struct node *node)
{
    const struct node_io *io = &node->options.io;
    return io->is_restore_busy != NULL && io->is_restore_busy(io->context);
}

/* Take of a piece what one turn is good for: a few bytes may be very many before compression. */
void node_restore_turn(struct node *node)
{
    struct node_restore *restore = &node->restore;
    if (restore->is_active && restore->is_read) {
        finish_with_room(node);
        return;
    }
    if (!restore->is_active || restore->piece == NULL || is_busy(node)) {
        return;
    }
    uint64_t until = restore->content.seen.machine_bytes + CONTENT_BLOCK_BYTES_MAX;
    while (restore->piece_bytes > 0 && restore->content.seen.machine_bytes < until &&
           !is_busy(node)) {
        size_t taken = min_u64(restore->piece_bytes, STEP_BYTES);
        int status = content_read(&restore->content, restore->piece_at, taken);
        if (status != 0) {
            fail(node, status);
            return;
        }
        restore->piece_at += taken;
        restore->piece_bytes -= taken;
    }
    if (restore->piece_bytes > 0) {
        node->needs_turn = node->needs_turn || !is_busy(node);
        return;
    }
    chunk_drop(restore->piece);
    restore->piece = NULL;
    read_on(node);
}

void node_restore_stop(struct node *node)
{
    if (node->restore.is_active) {
        end(node);
    }
}
