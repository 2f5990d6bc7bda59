/* snapshot_cluster.h: a cluster over the rig whose logs are compacted, for the tests of snapshots.
 *
 * Owns     the rig. Included once by each program.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_SNAPSHOT_CLUSTER_H
#define TEST_SNAPSHOT_CLUSTER_H

#include "quorate/error.h"
#include "support/node_rig.h"
#include "support/unit.h"

#define SETTLE_MS 20000
#define KEPT 40 /* log_entries_max */

static struct rig rig;

static inline struct node_status status_of(int i)
{
    struct node_status now;
    assert_non_null(rig.nodes[i].node);
    node_status(rig.nodes[i].node, &now);
    return now;
}

/* A cluster of so many voters. */
static inline void begin(int count)
{
    rig_init(&rig, count, 7);
    rig.log_entries_max = KEPT;
    for (int i = 0; i < count; i++) {
        rig_start(&rig, i);
    }
    assert_true(rig_settle(&rig, (size_t)count, SETTLE_MS));
}

static inline void end(void)
{
    rig_check(&rig);
    rig_deinit(&rig);
}

/* So many proposals, on whoever leads, one each millisecond. */
static inline void write_many(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        int leader = rig_leader(&rig);
        if (leader >= 0) {
            rig_propose(&rig, leader);
        }
        rig_step(&rig);
    }
}

static inline void cut_off(int i, bool is_cut)
{
    for (int j = 0; j < rig.count; j++) {
        if (i != j) {
            rig.is_cut[i][j] = is_cut;
            rig.is_cut[j][i] = is_cut;
        }
    }
}

static inline int follower(void)
{
    int leader = rig_leader(&rig);
    assert_true(leader >= 0);
    return (leader + 1) % rig.count;
}

/* Let time pass until a condition holds. */
static inline bool wait_for(bool (*holds)(int i), int i)
{
    for (unsigned passed = 0; passed < SETTLE_MS; passed++) {
        if (holds(i)) {
            return true;
        }
        rig_step(&rig);
    }
    return false;
}

/* A member is away for longer than it is waited for, until no log leads to it any more. */
static inline void leave_behind(int away, unsigned count)
{
    cut_off(away, true);
    rig_run(&rig, 4000);
    raft_index last = status_of(away).raft.last_index;
    write_many(count);
    for (int i = 0; i < rig.count; i++) {
        for (unsigned passed = 0; i != away && status_of(i).raft.first_index <= last + 1;
             passed++) {
            assert_true(passed < SETTLE_MS);
            rig_step(&rig);
        }
    }
    rig_run(&rig, 1000);
}

#endif
