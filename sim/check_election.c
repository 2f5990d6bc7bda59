/* check_election.c: election safety: at most one leader in a term. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "sim/check.h"
#include "sim/memory.h"

void check_election_leads(struct check_election *check, uint64_t id, uint64_t term, time_ns now_ns,
                          struct sim_failure *failure)
{
    if (term >= SIM_TERMS_MAX) {
        sim_failure_set(failure, now_ns, "bounded_terms", "term %" PRIu64 " is led by %016" PRIx64,
                        term, id);
        return;
    }
    sim_grow((void **)&check->terms, &check->capacity, term + 1, sizeof(*check->terms));
    struct check_term *at = &check->terms[term];
    if (!at->has_leader) {
        at->has_leader = true;
        at->leader = id;
        check->term_count++;
    } else if (at->leader != id) {
        sim_failure_set(failure, now_ns, "election_safety",
                        "term %" PRIu64 " has two leaders, %016" PRIx64 " and %016" PRIx64, term,
                        at->leader, id);
    }
}

bool check_election_leader(const struct check_election *check, uint64_t term, uint64_t *leader)
{
    if (term >= check->capacity || !check->terms[term].has_leader) {
        return false;
    }
    *leader = check->terms[term].leader;
    return true;
}

void check_election_deinit(struct check_election *check)
{
    sim_release(check->terms);
}
