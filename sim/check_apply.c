/* check_apply.c: state machine safety: replicas apply the same, and come to the same. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "sim/check.h"
#include "sim/memory.h"
#include "sim/trace.h"

static uint64_t entry_hash(const struct qr_entry *entry)
{
    uint64_t hash = sim_hash_u64(entry->term, entry->timestamp_ns);
    hash = sim_hash_u64(hash, entry->id.high);
    hash = sim_hash_u64(hash, entry->id.low);
    hash = sim_hash_bytes(hash, entry->command, entry->command_bytes);
    return sim_hash_bytes(hash, entry->payload, entry->payload_bytes);
}

static struct check_applied *applied_at(struct check_apply *check, uint64_t index)
{
    sim_grow((void **)&check->at, &check->capacity, index + 1, sizeof(*check->at));
    return &check->at[index];
}

/* Record a kind, or compare it with what another replica did there. */
static bool agree_on_kind(struct check_apply *check, uint32_t host, uint64_t index,
                          enum check_applied_kind kind, struct sim_failure *failure, time_ns now_ns)
{
    struct check_applied *at = applied_at(check, index);
    if (at->kind == CHECK_NOT_SEEN) {
        at->kind = (uint8_t)kind;
        at->host = host;
        check->commit_count++;
    } else if (at->kind != kind) {
        sim_failure_set(failure, now_ns, "state_machine_safety",
                        "at index %" PRIu64 " n%" PRIu32 " and n%" PRIu32
                        " disagree whether there is an entry to apply",
                        index, at->host + 1, host + 1);
        return false;
    }
    return true;
}

/* A proposal is applied where it was applied first, and nowhere else. */
static void note_proposal(struct check_apply *check, const struct qr_entry *entry, time_ns now_ns,
                          struct sim_failure *failure)
{
    bool is_clients =
        entry->id.high == CHECK_PROPOSAL_ID_HIGH || (entry->id.high & QR_SESSION_BIT) != 0;
    if (!is_clients || entry->id.low == 0) {
        return;
    }
    uint64_t number = entry->id.low - 1;
    sim_grow((void **)&check->index_of, &check->proposal_capacity, number + 1,
             sizeof(*check->index_of));
    if (check->index_of[number] == 0) {
        check->index_of[number] = entry->index;
    } else if (check->index_of[number] != entry->index) {
        sim_failure_set(failure, now_ns, "applied_once",
                        "operation %" PRIu64 " is applied twice, at index %" PRIu64
                        " and at %" PRIu64,
                        number, check->index_of[number], entry->index);
    }
}

/* Neither terms nor log time go back from one entry to the next. */
static void note_last(struct check_apply *check, const struct qr_entry *entry, time_ns now_ns,
                      struct sim_failure *failure)
{
    if (entry->index <= check->last_index) {
        return;
    }
    if (entry->term < check->last_term) {
        sim_failure_set(failure, now_ns, "terms_in_order",
                        "term %" PRIu64 " at index %" PRIu64 " stands behind term %" PRIu64,
                        entry->term, entry->index, check->last_term);
    } else if (entry->timestamp_ns < check->last_timestamp_ns) {
        sim_failure_set(failure, now_ns, "log_time_in_order",
                        "log time goes back from %" PRIu64 " to %" PRIu64 " at index %" PRIu64,
                        check->last_timestamp_ns, entry->timestamp_ns, entry->index);
    }
    check->last_index = entry->index;
    check->last_term = entry->term;
    check->last_timestamp_ns = entry->timestamp_ns;
}

void check_apply_entry(struct check_apply *check, uint32_t host, uint64_t last_index,
                       const struct qr_entry *entry, time_ns now_ns, struct sim_failure *failure)
{
    if (entry->index <= last_index) {
        sim_failure_set(failure, now_ns, "applied_in_order",
                        "n%" PRIu32 " applies index %" PRIu64 " after %" PRIu64, host + 1,
                        entry->index, last_index);
        return;
    }
    for (uint64_t index = last_index + 1; index < entry->index; index++) {
        if (!agree_on_kind(check, host, index, CHECK_SKIPPED, failure, now_ns)) {
            return;
        }
    }
    if (!agree_on_kind(check, host, entry->index, CHECK_APPLIED, failure, now_ns)) {
        return;
    }
    struct check_applied *at = applied_at(check, entry->index);
    uint64_t hash = entry_hash(entry);
    if (at->hash == 0) {
        at->hash = hash;
        at->term = entry->term;
        note_proposal(check, entry, now_ns, failure);
    } else if (at->hash != hash) {
        sim_failure_set(failure, now_ns, "state_machine_safety",
                        "at index %" PRIu64 " n%" PRIu32 " applied an entry of term %" PRIu64
                        " and n%" PRIu32 " another one, of term %" PRIu64,
                        entry->index, at->host + 1, at->term, host + 1, entry->term);
    }
    note_last(check, entry, now_ns, failure);
}

/* What a result says, its status included. */
static uint64_t result_hash(const struct qr_result *result)
{
    return sim_hash_bytes(result->status == 0 ? 0 : 1, result->data, result->size_bytes);
}

void check_apply_result(struct check_apply *check, uint32_t host, uint64_t index,
                        const struct qr_result *result, time_ns now_ns, struct sim_failure *failure)
{
    struct check_applied *at = applied_at(check, index);
    uint64_t hash = result_hash(result);
    if (!at->has_result) {
        at->has_result = true;
        at->result_hash = hash;
    } else if (at->result_hash != hash) {
        sim_failure_set(failure, now_ns, "deterministic",
                        "the state machine is not deterministic: the entry at index %" PRIu64
                        " gave n%" PRIu32 " another result than it gave before",
                        index, host + 1);
    }
}

void check_apply_digest(struct check_apply *check, uint32_t host, uint64_t index, uint64_t digest,
                        time_ns now_ns, struct sim_failure *failure)
{
    struct check_applied *at = applied_at(check, index);
    if (!at->has_digest) {
        at->has_digest = true;
        at->digest = digest;
        at->digest_host = host;
    } else if (at->digest != digest) {
        sim_failure_set(failure, now_ns, "equal_digests",
                        "the state machine is not deterministic: after the same entries up to "
                        "index %" PRIu64 " n%" PRIu32 " has the digest %016" PRIx64 " and n%" PRIu32
                        " %016" PRIx64,
                        index, at->digest_host + 1, at->digest, host + 1, digest);
    }
}

void check_apply_answer(const struct check_apply *check, uint64_t number, uint64_t index,
                        const struct qr_result *result, time_ns now_ns, struct sim_failure *failure)
{
    uint64_t applied_index = check_apply_index_of(check, number);
    if (applied_index != index) {
        sim_failure_set(failure, now_ns, "first_answer",
                        "operation %" PRIu64 " was answered with index %" PRIu64
                        " and was applied at %" PRIu64 " (0: nowhere)",
                        number, index, applied_index);
        return;
    }
    const struct check_applied *at = &check->at[index];
    uint64_t hash = result_hash(result);
    if (at->has_result && at->result_hash != hash) {
        sim_failure_set(failure, now_ns, "first_answer",
                        "operation %" PRIu64 " was answered otherwise than when it was applied, at "
                        "index %" PRIu64,
                        number, index);
    }
}

uint64_t check_apply_index_of(const struct check_apply *check, uint64_t number)
{
    return number < check->proposal_capacity ? check->index_of[number] : 0;
}

uint64_t check_apply_term_of(const struct check_apply *check, uint64_t index)
{
    return index < check->capacity ? check->at[index].term : 0;
}

void check_apply_deinit(struct check_apply *check)
{
    sim_release(check->at);
    sim_release(check->index_of);
}
