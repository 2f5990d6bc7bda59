/* compact.c: what of the log is not needed any more.
 *
 * Only what a durable snapshot has may go. Half of log_entries_max stays behind it, for members
 * that are a little late, and on the leader all that a member still needs from which it has heard
 * of late: it is late by seconds, and to send it a snapshot would cost more. Unless the log has
 * come over log_bytes_max: then no member is waited for.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/mutant.h"
#include "node/internal.h"
#include "quorate/error.h"

#define LIVE_TIMEOUTS 10 /* a member is waited for: heard of within so many timeouts */
#define STEPS_PER_LOG 16 /* the base moves by such a part of log_entries_max at a time */
#define SPARE_SEGMENTS 3 /* the one that is written, and those prepared ahead, count not */
#define LOOKS_PER_TIMEOUT 4

static bool is_log_long(const struct node *node)
{
    struct wal_stats log;
    node->store->stats(node->log, &log);
    uint64_t spare_bytes = SPARE_SEGMENTS * node->options.segment_bytes;
    return log.size_bytes > node->options.log_bytes_max &&
           log.size_bytes - node->options.log_bytes_max > spare_bytes;
}

/* The last entry that this member needs no more; RAFT_INDEX_MAX: it is not waited for. */
static raft_index needed_from(const struct node *node, node_id member)
{
    struct raft_peer_status peer;
    time_ns live_ns = node->options.member_wait_ns == 0
                          ? LIVE_TIMEOUTS * node->options.election_timeout_max_ns
                          : node->options.member_wait_ns;
    bool is_live = raft_peer_status(node->raft, member, &peer) && peer.heard_ns != 0 &&
                   node->time.now_ns - peer.heard_ns < live_ns;
    if (!is_live) {
        return UINT64_MAX;
    }
    if (peer.state != RAFT_SNAPSHOT) {
        return peer.match_index;
    }
    return node_sendings_floor(node, member);
}

/* What is up to here, a durable snapshot has. */
static raft_index covered_index(const struct node *node)
{
    const struct node_snapshots *snapshots = &node->snapshots;
    if (MUTANT(COMPACTED_BEFORE_DURABLE) && snapshots->taking.is_active) {
        return snapshots->taking.head.position.index;
    }
    return snapshots->has_newest ? snapshots->newest.position.index : 0;
}

/* How far the log may be compacted. */
static raft_index goal(const struct node *node)
{
    raft_index index = min_u64(covered_index(node), node_raft_status(node)->applied_index);
    if (node->options.log_entries_max == 0) {
        return 0;
    }
    if (is_log_long(node)) {
        return index;
    }
    index -= min_u64(index, node->options.log_entries_max / 2);
    if (raft_is_leader(node->raft)) {
        const struct raft_configuration *configuration = node_configuration(node);
        for (size_t i = 0; i < configuration->count; i++) {
            index = min_u64(index, needed_from(node, configuration->members[i].id));
        }
    }
    return index;
}

/* Whether it is worth a note in the log. */
static bool is_worth_it(const struct node *node, raft_index index)
{
    uint64_t step = node->options.log_entries_max / STEPS_PER_LOG + 1;
    return index >= node_raft_status(node)->base.index + step;
}

void node_compact(struct node *node)
{
    if (node->is_applying || node->time.now_ns < node->snapshots.compact_due_ns) {
        return;
    }
    node->snapshots.compact_due_ns =
        node->time.now_ns + node->options.election_timeout_max_ns / LOOKS_PER_TIMEOUT;
    struct wal_base base = {.index = goal(node)};
    if (!is_worth_it(node, base.index)) {
        return;
    }
    bool is_known = raft_term_at(node->raft, base.index, &base.term);
    ASSERT(is_known);
    int status =
        node_step(node, (struct raft_event){.type = RAFT_EVENT_COMPACT, .compact = base.index});
    ASSERT(status == 0);
    node->store->truncate_prefix(node->log, &base);
    LOG(node->options.log, LOG_DEBUG, "log_compacted", log_u64("first_index", base.index + 1));
}

time_ns node_compact_deadline(const struct node *node)
{
    bool has_more = !node->is_applying && is_worth_it(node, goal(node));
    return has_more ? max_u64(node->snapshots.compact_due_ns, node->time.now_ns) : TIME_NEVER;
}
