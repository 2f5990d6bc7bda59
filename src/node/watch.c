/* watch.c: whether this node's disk and state machine advance while they have something to do.
 *
 * A leader that does neither keeps its followers by heartbeats, and its clients waiting: it is
 * to hand over (hashicorp/raft #503). What is slow but advances is no stall.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "node/internal.h"

static bool is_saving(const struct raft_status *now)
{
    return now->durable_index < now->last_index;
}

static bool is_applying(const struct raft_status *now)
{
    return now->applied_index < min_u64(now->commit_index, now->durable_index);
}

static void note_progress(struct node *node, const struct raft_status *now)
{
    if (!is_saving(now) || now->durable_index != node->watched_durable) {
        node->watched_durable = now->durable_index;
        node->durable_since_ns = node->time.now_ns;
    }
    bool is_waiting = node->divergence.is_rebuilding; /* nothing is to be applied to that state */
    if (!is_applying(now) || now->applied_index != node->watched_applied || is_waiting) {
        node->watched_applied = now->applied_index;
        node->applied_since_ns = node->time.now_ns;
    }
}

static void say(const struct node *node, bool is_disk, time_ns stalled_ns)
{
    LOG(node->options.log, LOG_WARN, "stalled",
        log_string("reason", is_disk ? "the disk has not synced the log"
                                     : "the state machine has not applied what is committed"),
        log_u64("milliseconds", stalled_ns / NS_PER_MS),
        log_string("effect", "this node does not lead until it goes on"));
}

void node_watch(struct node *node)
{
    time_ns limit_ns = node->options.stall_timeout_ns;
    const struct raft_status *now = node_raft_status(node);
    if (limit_ns == 0) {
        return;
    }
    note_progress(node, now);
    time_ns disk_ns = node->time.now_ns - node->durable_since_ns;
    time_ns apply_ns = node->time.now_ns - node->applied_since_ns;
    bool is_stalled = disk_ns >= limit_ns || apply_ns >= limit_ns;
    if (is_stalled == node->is_stalled) {
        return;
    }
    node->is_stalled = is_stalled;
    if (is_stalled) {
        say(node, disk_ns >= apply_ns, max_u64(disk_ns, apply_ns));
    } else {
        LOG(node->options.log, LOG_INFO, "stall_over", log_u64("durable_index", now->durable_index),
            log_u64("applied_index", now->applied_index));
    }
    node_bar(node);
}

time_ns node_watch_deadline(const struct node *node)
{
    const struct raft_status *now = node_raft_status(node);
    time_ns limit_ns = node->options.stall_timeout_ns;
    if (limit_ns == 0 || node->is_stalled) {
        return TIME_NEVER; /* what ends a stall is an event of its own */
    }
    time_ns deadline = TIME_NEVER;
    if (is_saving(now)) {
        deadline = min_u64(deadline, node->durable_since_ns + limit_ns);
    }
    if (is_applying(now)) {
        deadline = min_u64(deadline, node->applied_since_ns + limit_ns);
    }
    return deadline;
}
