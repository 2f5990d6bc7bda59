/* check_leader.c: leader completeness: who leads has all that is committed. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "sim/check.h"

void check_leader_has(const struct check_apply *applied, const struct build *build,
                      const struct build_node *node, const struct build_status *status,
                      time_ns now_ns, struct sim_failure *failure)
{
    uint64_t term = 0;
    if (applied->last_index == 0 || applied->last_term >= status->term) {
        return; /* committed in its own term, or a later one: not promised */
    }
    if (applied->last_index + 1 < status->first_index) {
        return; /* in its snapshot, with entries of the engine's own behind it */
    }
    bool is_there = build->term_at(node, applied->last_index, &term);
    if (!is_there || term != applied->last_term) {
        sim_failure_set(failure, now_ns, "leader_completeness",
                        "%016" PRIx64 " leads term %" PRIu64 " and has term %" PRIu64
                        " at index %" PRIu64 ", where an entry of term %" PRIu64 " is committed",
                        status->id, status->term, term, applied->last_index, applied->last_term);
    }
}
