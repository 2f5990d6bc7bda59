/* check_members.c: how configurations follow one another in one log (Raft §6; diss. §4.1). */
/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "base/assert.h"
#include "quorate/error.h"
#include "sim/internal.h"

static bool is_in(const struct build_configuration *configuration, uint64_t id, bool is_outgoing)
{
    const struct build_configured *member = sim_members_find(configuration, id);
    return member != NULL && (is_outgoing ? member->is_outgoing : member->is_voter);
}

/* How many voters of one set are not in the other. */
static size_t missing(const struct build_configuration *from, bool is_from_outgoing,
                      const struct build_configuration *in, bool is_in_outgoing)
{
    uint64_t ids[BUILD_MEMBERS_MAX];
    size_t count = sim_members_voters(from, is_from_outgoing, ids);
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        found += is_in(in, ids[i], is_in_outgoing);
    }
    return count - found;
}

static size_t distance(const struct build_configuration *a, bool is_a_outgoing,
                       const struct build_configuration *b)
{
    return missing(a, is_a_outgoing, b, false) + missing(b, false, a, is_a_outgoing);
}

static bool may_follow(const struct build_configuration *before,
                       const struct build_configuration *after)
{
    if (after->is_joint) {
        return !before->is_joint && distance(after, true, before) == 0;
    }
    return distance(before, false, after) <= (before->is_joint ? 0 : 1);
}

/* What a leader appends stands behind a change that is committed, in a term of which something
 * is committed; what the log held before must be what it was decided on.
 */
static const char *what_is_wrong(const struct sim_host *host, const struct build_status *now)
{
    const struct build_configuration *before = &host->held[1];
    uint64_t term = 0;
    if (before->index > now->commit_index) {
        return "before the last change was committed";
    }
    if (host->build->term_at(host->node, now->commit_index, &term) && term != now->term) {
        return "before anything of its term was committed";
    }
    return may_follow(before, &host->held[0]) ? NULL : "to voters that need a joint one";
}

void sim_check_appended(const struct sim_host *host, const struct build_status *now)
{
    const char *wrong = host->held_count < 2 ? NULL : what_is_wrong(host, now);
    if (wrong != NULL) {
        sim_violate(host->sim, "one_change_at_a_time",
                    "n%u, leader of term %" PRIu64 ", changes the members at index %" PRIu64 " %s",
                    host->number + 1, now->term, host->held[0].index, wrong);
    }
}

void sim_check_kept(const struct sim_host *host, const struct build_status *now)
{
    if (now->configuration_index > now->last_index) {
        sim_violate(host->sim, "configuration_of_its_log",
                    "n%u acts by a configuration at index %" PRIu64
                    ", and its log ends at %" PRIu64,
                    host->number + 1, now->configuration_index, now->last_index);
    } else if (now->configuration_term > 0 &&
               check_log_is_other(&host->sim->log, now->configuration_index,
                                  now->configuration_term)) {
        sim_violate(host->sim, "configuration_of_its_log",
                    "n%u acts by a configuration at index %" PRIu64
                    ", where its log has another entry, of term %" PRIu64,
                    host->number + 1, now->configuration_index, now->configuration_term);
    }
}
