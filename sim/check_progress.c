/* check_progress.c: term, commit and applied index never go back while a node lives. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "sim/check.h"

static void not_back(const char *what, uint64_t before, uint64_t now, uint64_t id, time_ns now_ns,
                     struct sim_failure *failure)
{
    if (now < before) {
        sim_failure_set(failure, now_ns, "never_back",
                        "the %s of %016" PRIx64 " goes back from %" PRIu64 " to %" PRIu64, what, id,
                        before, now);
    }
}

void check_progress_status(struct check_progress *check, const struct build_status *now,
                           time_ns now_ns, struct sim_failure *failure)
{
    const struct build_status *seen = &check->seen;
    if (check->has_seen) {
        not_back("term", seen->term, now->term, now->id, now_ns, failure);
        not_back("commit index", seen->commit_index, now->commit_index, now->id, now_ns, failure);
        not_back("applied index", seen->applied_index, now->applied_index, now->id, now_ns,
                 failure);
        if (seen->term == now->term && seen->role == BUILD_LEADER && now->role != BUILD_LEADER &&
            now->has_leader) {
            sim_failure_set(failure, now_ns, "election_safety",
                            "%016" PRIx64 " led term %" PRIu64
                            " and follows another leader of the same term",
                            now->id, now->term);
        }
    }
    if (now->commit_index > now->last_index || now->applied_index > now->commit_index) {
        sim_failure_set(failure, now_ns, "indexes_in_order",
                        "%016" PRIx64 " has applied %" PRIu64 ", committed %" PRIu64
                        " and a log up to %" PRIu64,
                        now->id, now->applied_index, now->commit_index, now->last_index);
    }
    uint64_t durable_index =
        now->durable_index > now->snapshot_index ? now->durable_index : now->snapshot_index;
    if (now->applied_index > durable_index) {
        sim_failure_set(failure, now_ns, "durable_before_applied",
                        "%016" PRIx64 " has applied %" PRIu64
                        ", but its log is durable up to %" PRIu64 " only",
                        now->id, now->applied_index, durable_index);
    }
    check->has_seen = true;
    check->seen = *now;
}
