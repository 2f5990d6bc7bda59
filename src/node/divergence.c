/* divergence.c: what becomes of a replica whose state differs from that of a majority.
 *
 * It is isolated: it answers no read, takes no proposal (its result would be wrong), makes no
 * snapshot for others, and leads no more. Its log is right: it goes on voting and storing. That
 * outlives a restart, by a mark on the disk: the restart may have mended the state, or repeated the
 * fault, so it stays isolated until a leader has compared it again. A verdict of agreement ends
 * it, as does a leader's snapshot in the state's place.
 *
 * Format   docs/divergence.md, "On the disk".
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/mutant.h"
#include "node/internal.h"
#include "quorate/error.h"

#define FILE_NAME "divergence"
#define FORMAT_VERSION 1
#define HEADER_BYTES 16 /* magic, version, checksum of the rest */
#define FILE_BYTES (HEADER_BYTES + 24)
#define REBUILDS_FORGOTTEN_NS (600 * NS_PER_S) /* behind one: then the next is the first */

static const uint8_t magic[8] = {'q', 'r', 'd', 'i', 'f', 'f', 'e', 'r'};

bool node_is_isolated(const struct node *node)
{
    return node->divergence.found.index > 0;
}

/* Tell the disk, or what to do when it is full: try again. */
static void write_mark(struct node *node)
{
    struct node_divergence *divergence = &node->divergence;
    uint8_t bytes[FILE_BYTES];
    struct writer writer = writer_of(bytes, sizeof(bytes));
    write_bytes(&writer, magic, sizeof(magic));
    write_u32(&writer, FORMAT_VERSION);
    write_u32(&writer, 0);
    write_u64(&writer, divergence->found.index);
    write_u64(&writer, divergence->found.differing);
    write_u64(&writer, divergence->found.agreed);
    ASSERT(!writer.failed && writer_used(&writer) == FILE_BYTES);
    store_u32(bytes + 12, crc32c(0, bytes + HEADER_BYTES, FILE_BYTES - HEADER_BYTES));
    int status = disk_replace(node->options.disk, FILE_NAME, bytes, sizeof(bytes));
    divergence->is_mark_due = status == QR_ERR_DISK_FULL;
    divergence->mark_due_ns = node->time.now_ns + NODE_RETRY_NS;
    if (status != 0 && status != QR_ERR_DISK_FULL) {
        node_fail(node, status, FILE_NAME ": cannot be written");
    }
}

/* Whether the bytes are a mark; `out` is what it says. */
static bool parse(const uint8_t *bytes, size_t size_bytes, struct node_difference *out)
{
    struct reader reader = reader_of(bytes, size_bytes);
    const uint8_t *found = read_bytes(&reader, sizeof(magic));
    uint32_t version = read_u32(&reader);
    uint32_t checksum = read_u32(&reader);
    *out = (struct node_difference){.index = read_u64(&reader)};
    out->differing = read_u64(&reader);
    out->agreed = read_u64(&reader);
    return !reader.failed && size_bytes == FILE_BYTES && memcmp(found, magic, sizeof(magic)) == 0 &&
           version == FORMAT_VERSION &&
           checksum == crc32c(0, bytes + HEADER_BYTES, FILE_BYTES - HEADER_BYTES);
}

int node_divergence_open(struct node *node, char *detail)
{
    const struct disk *disk = node->options.disk;
    uint8_t bytes[FILE_BYTES + 1];
    size_t size_bytes = 0;
    node_digests_renew(node);
    int status = disk->read(disk->context, FILE_NAME, 0, (struct disk_part){bytes, sizeof(bytes)},
                            &size_bytes);
    if (status != 0 && status != QR_ERR_NOT_FOUND) {
        struct text text = text_of(detail, NODE_DETAIL_BYTES);
        text_string(&text, FILE_NAME ": cannot be read; check its permissions and the disk");
        return status;
    }
    if (status != 0 || !node_digests_are_made(node) || MUTANT(DIVERGENCE_FORGOTTEN)) {
        return 0;
    }
    struct node_difference *found = &node->divergence.found;
    if (!parse(bytes, size_bytes, found)) {
        *found = (struct node_difference){.index = 1}; /* damaged: something was to be remembered */
    }
    if (node_is_isolated(node)) {
        LOG(node->options.log, LOG_WARN, "replica_suspected", log_string("name", node->name),
            log_u64("index", found->index),
            log_string("effect", "its state differed before this start: it answers no reads and "
                                 "does not lead until it was compared again"));
    }
    return 0;
}

/* Raft is not to let this node lead while it stalls, or differs. */
void node_bar(struct node *node)
{
    bool is_barred = node->is_stalled || (node_is_isolated(node) && !MUTANT(DIVERGED_LEADS));
    if (node_is_running(node) && is_barred != node_raft_status(node)->is_stalled) {
        int status =
            node_step(node, (struct raft_event){.type = RAFT_EVENT_STALL, .is_stalled = is_barred});
        ASSERT(status == 0 || !node_is_running(node));
    }
}

/* Another state takes its place, if that may help. */
static void rebuild(struct node *node)
{
    struct node_divergence *divergence = &node->divergence;
    if (node->options.on_divergence != NODE_DIVERGENCE_REBUILD || divergence->is_rebuilding) {
        return;
    }
    bool is_able = node->options.io.machine.restore_begin != NULL;
    if (node->time.now_ns - divergence->rebuilt_ns >= REBUILDS_FORGOTTEN_NS) {
        divergence->rebuilds = 0;
    }
    if (!is_able || divergence->rebuilds >= NODE_REBUILDS_MAX) {
        LOG(node->options.log, LOG_ERROR, "replica_not_rebuilt", log_string("name", node->name),
            log_string("reason", is_able ? "it differs again and again"
                                         : "its state machine takes no snapshot over"));
        return;
    }
    divergence->rebuilds++;
    divergence->is_rebuilding = true;
    LOG(node->options.log, LOG_WARN, "replica_rebuilding", log_string("name", node->name),
        log_u64("attempt", divergence->rebuilds));
    const struct raft_status *now = node_raft_status(node);
    if (now->has_leader) {
        node_digests_say(node, now->leader);
    }
}

/* What waits here for a result would get a wrong one. Held ones went nowhere. */
static void refuse_proposals(struct node *node)
{
    uint64_t end = pending_next_sequence(&node->pending);
    for (uint64_t s = node->pending.first; s < end; s++) {
        struct pending *pending = pending_at(&node->pending, s);
        if (pending != NULL) {
            bool is_nowhere = pending->state == PENDING_HELD;
            node_finish(node, pending, is_nowhere ? QR_ERR_DIVERGED : QR_ERR_TIMEOUT, 0, NULL);
        }
    }
}

static void tell_isolated(struct node *node, bool is_isolated)
{
    if (node->options.io.isolated != NULL) {
        node->options.io.isolated(node->options.io.context, is_isolated);
    }
}

static void isolate(struct node *node, const struct wire_compare *verdict)
{
    struct node_divergence *divergence = &node->divergence;
    divergence->is_confirmed = true;
    divergence->found = (struct node_difference){verdict->judged, verdict->digest, verdict->agreed};
    divergence->found_count++;
    tell_isolated(node, true);
    LOG(node->options.log, LOG_ERROR, "replica_diverged", log_string("name", node->name),
        log_u64("index", verdict->judged), log_id("digest", verdict->digest),
        log_id("agreed", verdict->agreed),
        log_string("effect", "this node's state differs from that of a majority: it answers no "
                             "reads and does not lead"));
    write_mark(node);
    if (node_is_running(node) && node->options.on_divergence == NODE_DIVERGENCE_STOP) {
        node_fail(node, QR_ERR_DIVERGED,
                  "its state differs from that of a majority, and on-divergence is stop");
    }
    if (!node_is_running(node)) {
        return;
    }
    refuse_proposals(node);
    node_fail_reads(node, QR_ERR_DIVERGED);
    node_snapshots_refuse(node);
    node_bar(node);
    if (node_is_running(node)) {
        rebuild(node);
    }
}

/* Its state is right again, or another one. */
static void join_again(struct node *node, const char *why)
{
    LOG(node->options.log, LOG_WARN, "replica_agrees", log_string("name", node->name),
        log_string("reason", why));
    node->divergence.found = (struct node_difference){.index = 0};
    node->divergence.is_confirmed = false;
    tell_isolated(node, false);
    write_mark(node);
    node_bar(node);
    node->needs_turn = true;
}

void node_divergence_judge(struct node *node, const struct wire_compare *verdict)
{
    struct node_divergence *divergence = &node->divergence;
    bool is_mine = verdict->history == node->digests.history && !divergence->is_rebuilding &&
                   verdict->judged > 0 && verdict->judged >= divergence->judged;
    if (!is_mine) {
        return; /* on a state that is no more, or late */
    }
    switch (verdict->verdict) {
    case WIRE_VERDICT_AGREES:
        divergence->judged = verdict->judged;
        /* What it agrees to before it differed says nothing of what came then. */
        if (node_is_isolated(node) && verdict->judged >= divergence->found.index) {
            join_again(node, "a majority has the same state");
        }
        break;
    case WIRE_VERDICT_DIFFERS:
        divergence->judged = verdict->judged;
        if (!divergence->is_confirmed || !node_is_isolated(node)) {
            isolate(node, verdict);
        }
        break;
    case WIRE_VERDICT_UNDECIDED:
        if (verdict->judged > divergence->judged) {
            divergence->judged = verdict->judged;
            LOG(node->options.log, LOG_ERROR, "replicas_differ", log_u64("index", verdict->judged),
                log_id("digest", verdict->digest),
                log_string("effect", "no majority agrees, so nobody knows whose state is right"));
        }
        break;
    default:
        break; /* of a later version */
    }
}

/* Whoever is the whole configuration differs from nobody: only people can tell. */
static bool is_alone(const struct node *node)
{
    const struct raft_configuration *configuration = node_configuration(node);
    size_t voters = 0;
    for (size_t i = 0; i < configuration->count; i++) {
        voters += (configuration->members[i].roles & (RAFT_VOTER | RAFT_VOTER_OUTGOING)) != 0;
    }
    return voters == 1 && raft_configuration_is_voter(configuration, node->identity.id);
}

void node_divergence_turn(struct node *node)
{
    struct node_divergence *divergence = &node->divergence;
    if (divergence->is_mark_due && node->time.now_ns >= divergence->mark_due_ns) {
        write_mark(node);
    }
    if (node_is_running(node) && node_is_isolated(node) && is_alone(node)) {
        divergence->is_rebuilding = false;
        join_again(node, "it is the only voter: there is nobody to agree with");
    }
    node_bar(node);
}

time_ns node_divergence_deadline(const struct node *node)
{
    return node->divergence.is_mark_due ? node->divergence.mark_due_ns : TIME_NEVER;
}

/* The index at or above which a snapshot is wanted in the place of this state; 0: none is. The
 * store takes none that is older than its newest, which may be one that was not taken over.
 */
raft_index node_rebuild_wants(const struct node *node)
{
    const struct node_snapshots *snapshots = &node->snapshots;
    raft_index newest = snapshots->has_newest ? snapshots->newest.position.index : 0;
    raft_index applied = node_raft_status(node)->applied_index;
    return node->divergence.is_rebuilding ? max_u64(max_u64(applied, newest), 1) : 0;
}

/* The log leads there, so Raft has no use for it; but the state is to be replaced. */
bool node_rebuild_takes(const struct node *node, struct raft_position position)
{
    raft_index wanted = node_rebuild_wants(node);
    return wanted > 0 && position.index >= wanted && position.index <= UINT64_MAX / 2 &&
           position.term > 0;
}

/* A piece comes for it, past the Raft machine. */
bool node_rebuild_receive(struct node *node, const struct raft_message *message)
{
    const struct raft_status *now = node_raft_status(node);
    const struct raft_install_snapshot *piece = &message->install_snapshot;
    if (message->type != RAFT_INSTALL_SNAPSHOT || message->term != now->term || !now->has_leader ||
        now->leader != message->from || piece->snapshot.term > message->term ||
        !node_rebuild_takes(node, piece->snapshot) ||
        raft_wants_snapshot(node->raft, piece->snapshot)) {
        return false;
    }
    node_install_take(node, &(struct raft_piece){.peer = message->from,
                                                 .snapshot = piece->snapshot,
                                                 .offset = piece->offset,
                                                 .size_bytes = piece->size_bytes,
                                                 .is_last = piece->is_last,
                                                 .data = piece->data});
    return true;
}

/* A leader's snapshot was taken over: the state is what that leader's was. */
void node_divergence_restored(struct node *node)
{
    struct node_divergence *divergence = &node->divergence;
    node->machine_index = min_u64(node->machine_index, node_raft_status(node)->applied_index);
    node_digests_renew(node);
    if (divergence->is_rebuilding) {
        divergence->is_rebuilding = false;
        divergence->rebuilt_count++;
        divergence->rebuilt_ns = node->time.now_ns;
    }
    if (node_is_isolated(node)) {
        join_again(node, "a leader's snapshot took the place of its state");
    }
    const struct raft_status *now = node_raft_status(node);
    if (node_is_running(node) && now->has_leader && now->leader != node->identity.id &&
        node_digests_are_made(node)) {
        node_digests_say(node, now->leader);
    }
}
