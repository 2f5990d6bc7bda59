/* restore.c: a machine's log and configurations from what was durable.
 *
 * All of it comes from a disk: what contradicts itself is refused.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "quorate/error.h"
#include "raft/internal.h"

/* Whether a run of one term may stand behind the one before it, or behind base. */
static bool run_is_valid(const struct raft_restored *restored, size_t at)
{
    struct raft_term_run run = restored->terms[at];
    struct raft_position base = restored->base;
    if (run.term == 0 || run.first_index == 0 || run.first_index > restored->last_index) {
        return false;
    }
    if (at > 0) {
        return run.first_index > restored->terms[at - 1].first_index &&
               run.term > restored->terms[at - 1].term;
    }
    return run.first_index <= base.index + 1;
}

/* The run that holds base has its term; one that reaches behind it has no earlier one. */
static bool run_fits_base(struct raft_term_run run, raft_index last_index,
                          struct raft_position base)
{
    bool holds_base = run.first_index <= base.index && last_index >= base.index;
    return holds_base ? run.term == base.term : last_index < base.index || run.term >= base.term;
}

static int restore_terms(struct raft_log *log, const struct raft_restored *restored)
{
    int status = raft_log_reserve(log, restored->term_count);
    if (status != 0) {
        return status;
    }
    raft_index first = restored->base.index + 1;
    for (size_t i = 0; i < restored->term_count; i++) {
        struct raft_term_run run = restored->terms[i];
        if (!run_is_valid(restored, i)) {
            return QR_ERR_CORRUPT;
        }
        raft_index last_index = i + 1 == restored->term_count
                                    ? restored->last_index
                                    : restored->terms[i + 1].first_index - 1;
        if (!run_fits_base(run, last_index, restored->base)) {
            return QR_ERR_CORRUPT;
        }
        if (last_index < first) {
            continue;
        }
        run.first_index = max_u64(run.first_index, first);
        log->terms[log->term_count++] = run;
    }
    return 0;
}

int raft_restore(struct raft *raft, const struct raft_restored *restored)
{
    struct raft_log *log = &raft->log;
    struct raft_position base = restored->base;
    if ((base.index == 0) != (base.term == 0) || base.index > restored->last_index ||
        base.index > UINT64_MAX / 2 || restored->commit_index > restored->last_index ||
        (restored->last_index > base.index && restored->term_count == 0)) {
        return QR_ERR_CORRUPT;
    }
    int status = restore_terms(log, restored);
    if (status != 0) {
        return status;
    }
    log->base = base;
    log->last_index = restored->last_index;
    log->handed_index = restored->last_index;
    log->durable_index = restored->last_index;
    log->applied_index = base.index;
    log->commit_index = max_u64(restored->commit_index, base.index);
    log->last_timestamp_ns = restored->last_timestamp_ns;
    raft->hard_state = restored->hard_state;
    if (raft_log_last(log).term > raft->hard_state.term) {
        return QR_ERR_CORRUPT;
    }
    for (size_t i = 0; i < restored->configuration_count; i++) {
        status = raft_configuration_push(raft, &restored->configurations[i]);
        if (status != 0) {
            return status == QR_ERR_MALFORMED ? QR_ERR_CORRUPT : status;
        }
    }
    raft_configuration_committed(raft);
    return 0;
}
