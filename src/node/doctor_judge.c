/* doctor_judge.c: the way back, from what the directories hold. The reasoning: docs/recovery.md. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/types.h"
#include "node/doctor.h"

/* What is judged. */
struct judgement {
    const struct qr_doctor_directory *directories;
    const struct doctor_log *logs;
    size_t count;
};

/* The voters of a configuration, and of them those that something holds for. */
struct tally {
    size_t voters;
    size_t found;
    size_t outgoing;
    size_t outgoing_found;
};

int doctor_member_find(const struct qr_doctor_configuration *configuration, uint64_t id)
{
    for (size_t i = 0; i < configuration->count; i++) {
        if (configuration->members[i].id == id) {
            return (int)i;
        }
    }
    return -1;
}

static bool is_usable(const struct qr_doctor_directory *directory)
{
    return directory->status == 0 && directory->is_in_cluster && directory->latest.count > 0;
}

/* Raft §5.4.1: by the last entry's term, then by length. */
static bool is_behind(const struct qr_doctor_directory *a, const struct qr_doctor_directory *b)
{
    return a->last_term != b->last_term ? a->last_term < b->last_term
                                        : a->last_index < b->last_index;
}

/* `candidate`: count only those who would vote for it; NULL: all that are here. */
static struct tally count_voters(const struct judgement *all,
                                 const struct qr_doctor_configuration *configuration,
                                 const struct qr_doctor_directory *candidate)
{
    struct tally tally = {0};
    for (size_t i = 0; i < configuration->count; i++) {
        const struct qr_doctor_member *member = &configuration->members[i];
        bool is_found = false;
        for (size_t j = 0; j < all->count; j++) {
            const struct qr_doctor_directory *directory = &all->directories[j];
            is_found = is_found || (is_usable(directory) && directory->node_id == member->id &&
                                    (candidate == NULL || !is_behind(candidate, directory)));
        }
        tally.voters += member->is_voter;
        tally.found += member->is_voter && is_found;
        tally.outgoing += member->is_outgoing;
        tally.outgoing_found += member->is_outgoing && is_found;
    }
    return tally;
}

static bool is_majority(const struct tally *tally)
{
    return tally->found > tally->voters / 2 &&
           (tally->outgoing == 0 || tally->outgoing_found > tally->outgoing / 2);
}

/* Whether those that are missing could commit an entry among themselves. */
static bool are_missing_enough(const struct judgement *all,
                               const struct qr_doctor_configuration *configuration)
{
    struct tally tally = count_voters(all, configuration, NULL);
    tally.found = tally.voters - tally.found;
    tally.outgoing_found = tally.outgoing - tally.outgoing_found;
    return is_majority(&tally);
}

/* Whether some node here would be elected by those here, under the configuration it has. */
static bool would_elect(const struct judgement *all)
{
    for (size_t i = 0; i < all->count; i++) {
        const struct qr_doctor_directory *candidate = &all->directories[i];
        if (!is_usable(candidate)) {
            continue;
        }
        int at = doctor_member_find(&candidate->latest, candidate->node_id);
        struct tally tally = count_voters(all, &candidate->latest, candidate);
        if (at >= 0 && candidate->latest.members[at].is_voter && is_majority(&tally)) {
            return true;
        }
    }
    return false;
}

static bool is_mixed(const struct judgement *all)
{
    for (size_t i = 0; i < all->count; i++) {
        const struct qr_doctor_directory *a = &all->directories[i];
        for (size_t j = i + 1; j < all->count; j++) {
            const struct qr_doctor_directory *b = &all->directories[j];
            bool is_other =
                a->is_in_cluster && b->is_in_cluster &&
                (a->cluster.high != b->cluster.high || a->cluster.low != b->cluster.low);
            bool is_twice = a->has_identity && b->has_identity && a->node_id == b->node_id;
            if (is_other || is_twice) {
                return true;
            }
        }
    }
    return false;
}

static bool is_own_voter(const struct qr_doctor_directory *directory)
{
    int at = doctor_member_find(&directory->latest, directory->node_id);
    return at >= 0 && directory->latest.members[at].is_voter;
}

/* The longest log; among equals a voter's. Returns false when there is none. */
static bool find_best(const struct judgement *all, size_t *best)
{
    bool is_found = false;
    for (size_t i = 0; i < all->count; i++) {
        const struct qr_doctor_directory *here = &all->directories[i];
        if (!is_usable(here)) {
            continue;
        }
        const struct qr_doctor_directory *so_far = &all->directories[*best];
        if (!is_found || is_behind(so_far, here) ||
            (!is_behind(here, so_far) && is_own_voter(here) && !is_own_voter(so_far))) {
            *best = i;
            is_found = true;
        }
    }
    return is_found;
}

/* The run that `index` is in: its term and where it begins. Below the base: nothing. */
static struct wal_term_run run_at(const struct doctor_log *log, raft_index index)
{
    struct wal_term_run run = {log->base.term, log->base.index};
    for (size_t i = 0; i < log->count && log->runs[i].first_index <= index; i++) {
        run = log->runs[i];
    }
    return run;
}

/* The last index at which both have the same entry (Raft §5.3, log matching). Where logs are
 * compacted too far to tell, the highest that it can be.
 */
static raft_index common_index(const struct judgement *all, size_t a, size_t b)
{
    const struct doctor_log *log_a = &all->logs[a];
    const struct doctor_log *log_b = &all->logs[b];
    raft_index least = max_u64(log_a->base.index, log_b->base.index);
    raft_index index = min_u64(all->directories[a].last_index, all->directories[b].last_index);
    raft_index most = min_u64(index, least);
    while (index > least) {
        struct wal_term_run run_a = run_at(log_a, index);
        struct wal_term_run run_b = run_at(log_b, index);
        if (run_a.term == run_b.term) {
            return index;
        }
        index = (run_a.term > run_b.term ? run_a.first_index : run_b.first_index) - 1;
    }
    return most;
}

static void tell_losses(const struct judgement *all, struct qr_doctor_verdict *out)
{
    raft_index committed = 0;
    for (size_t i = 0; i < all->count; i++) {
        const struct qr_doctor_directory *directory = &all->directories[i];
        if (!is_usable(directory)) {
            continue;
        }
        committed = max_u64(committed, directory->commit_index);
        if (i != out->best) {
            raft_index common = common_index(all, i, out->best);
            out->void_count = max_u64(out->void_count, directory->last_index - common);
        }
    }
    raft_index common = out->chosen == out->best ? all->directories[out->best].last_index
                                                 : common_index(all, out->chosen, out->best);
    out->kept_through = min_u64(committed, common);
    out->loses_seen = all->directories[out->best].last_index > common;
    if (out->loses_seen) {
        out->lost_first = common + 1;
        out->lost_last = all->directories[out->best].last_index;
        out->lost_committed_last = committed > common ? committed : 0;
    }
}

static void tell_voters(const struct judgement *all, struct qr_doctor_verdict *out)
{
    const struct qr_doctor_directory *best = &all->directories[out->best];
    struct tally tally = count_voters(all, &best->latest, NULL);
    out->voter_count = tally.voters;
    out->voters_here = tally.found;
    out->outgoing_count = tally.outgoing;
    out->outgoing_here = tally.outgoing_found;
    /* A configuration that is not committed may be unknown to who is missing. */
    bool is_committed = best->latest.index <= best->commit_index;
    out->may_lose_unseen = are_missing_enough(all, &best->latest) ||
                           (!is_committed && are_missing_enough(all, &best->committed));
}

void doctor_judge(const struct qr_doctor_directory *directories, const struct doctor_log *logs,
                  size_t count, size_t chosen, struct qr_doctor_verdict *out)
{
    struct judgement all = {directories, logs, count};
    *out = (struct qr_doctor_verdict){.way = QR_DOCTOR_NOWHERE};
    if (is_mixed(&all)) {
        out->way = QR_DOCTOR_MIXED;
        return;
    }
    if (!find_best(&all, &out->best)) {
        return;
    }
    out->chosen = chosen == QR_DOCTOR_BEST ? out->best : chosen;
    ASSERT(out->chosen < count);
    tell_voters(&all, out);
    out->way = would_elect(&all) ? QR_DOCTOR_START : QR_DOCTOR_RECOVER;
    const struct qr_doctor_directory *directory = &directories[out->chosen];
    if (is_usable(directory)) {
        out->can_lead = doctor_member_find(&directory->latest, directory->node_id) >= 0;
        tell_losses(&all, out);
    }
}
