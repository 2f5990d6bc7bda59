/* settled_rig.h: a cluster of voters that have settled. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_SETTLED_RIG_H
#define TEST_SETTLED_RIG_H

#include "support/node_rig.h"
#include "support/unit.h"

#define PATIENCE_MS 4000

/* `count` voters, settled. */
static inline void begin(struct rig *rig, int count)
{
    rig_init(rig, count, 17);
    for (int i = 0; i < count; i++) {
        rig_start(rig, i);
    }
    assert_true(rig_settle(rig, (size_t)count, 20000));
}

static inline void end(struct rig *rig)
{
    rig_check(rig);
    rig_deinit(rig);
}

static inline int other_than(const struct rig *rig, int a, int b)
{
    for (int i = 0; i < rig->count; i++) {
        if (i != a && i != b) {
            return i;
        }
    }
    fail_msg("there is no other node");
    return -1;
}

static inline struct wire_change transfer_to(int node)
{
    struct wire_change change = {.transferee = {'n', (char)('0' + node)}};
    return change;
}

#endif
