/* stale.c: reads of what is applied here, without asking anybody, and how old that may be.
 *
 * A question for an index (reads.c) that was asked at a moment and is answered proves, once the
 * state machine stands at that index, that all which was acknowledged anywhere before that
 * moment is applied here. The age of what is here is the time since the latest such moment: a
 * bound by this node's own clock, and by leases' where there are any, however late a message
 * came. That a leader was heard proves less, for what it said may have been on its way for long.
 *
 * Every read tells. So that there is an age also where nobody reads otherwise, a question that
 * no read waits for is asked now and then, and with every heartbeat while stale reads are made.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/mutant.h"
#include "node/internal.h"
#include "quorate/error.h"

#define USED_NS (10 * NS_PER_S) /* behind a stale read: how long the next one is expected */

void node_stale_proved(struct node *node, time_ns asked_ns)
{
    struct node_fresh *fresh = &node->fresh;
    ASSERT(asked_ns <= node->time.now_ns);
    fresh->is_known = true;
    fresh->since_ns = max_u64(fresh->since_ns, asked_ns);
}

time_ns node_age(const struct node *node, time_ns now_ns)
{
    const struct node_fresh *fresh = &node->fresh;
    if (!fresh->is_known) {
        return TIME_NEVER;
    }
    return now_ns > fresh->since_ns ? now_ns - fresh->since_ns : 0;
}

int node_read_stale(struct node *node, time_ns age_ns_max, struct node_time time, time_ns *age_ns)
{
    if (node->phase == NODE_STOPPED) {
        return QR_ERR_STOPPED;
    }
    if (!node_is_running(node)) {
        return QR_ERR_NO_LEADER; /* it belongs to no cluster yet: there is nothing to read */
    }
    if (node_is_isolated(node) && !MUTANT(DIVERGED_READS)) {
        return QR_ERR_DIVERGED;
    }
    node->fresh.used_until_ns = time.now_ns + USED_NS;
    if (node_is_restoring(node) && !MUTANT(STALE_WHILE_RESTORING)) {
        return QR_ERR_BUSY;
    }
    time_ns age = node_age(node, time.now_ns);
    if (age > age_ns_max) {
        return QR_ERR_STALE;
    }
    *age_ns = age;
    return 0;
}

/* How far apart the questions are that no read waits for; 0: none are asked. */
static time_ns interval_ns(const struct node *node)
{
    return node->time.now_ns < node->fresh.used_until_ns ? node->options.heartbeat_interval_ns
                                                         : node->options.fresh_interval_ns;
}

void node_stale_turn(struct node *node)
{
    time_ns interval = interval_ns(node);
    if (interval == 0 || node->time.now_ns - node->fresh.asked_ns < interval ||
        node->reads.group_count > 0) {
        return; /* those that are asked for already tell as much */
    }
    node->fresh.asked_ns = node->time.now_ns;
    node_read_for_nobody(node);
}

time_ns node_stale_deadline(const struct node *node)
{
    time_ns interval = interval_ns(node);
    bool is_asking = interval > 0 && node->reads.group_count == 0;
    return is_asking ? node->fresh.asked_ns + interval : TIME_NEVER;
}
