/* apply.c: committed and durable entries go to the state machine, in batches, in order. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "base/mutant.h"
#include "node/internal.h"
#include "quorate/error.h"

void node_apply_deinit(struct node *node)
{
    for (size_t i = 0; i < node->apply_fetched_count; i++) {
        chunk_drop(node->apply_fetched[i].chunk);
    }
    release(node->options.allocator, node->apply_fetched,
            node->apply_fetched_capacity * sizeof(*node->apply_fetched));
    release(node->options.allocator, node->apply_entries,
            NODE_APPLY_ENTRIES_MAX * sizeof(*node->apply_entries));
    release(node->options.allocator, node->apply_guarded,
            NODE_APPLY_ENTRIES_MAX * sizeof(*node->apply_guarded));
    sessions_deinit(&node->sessions);
    node->apply_fetched_count = 0;
}

static void drop_fetched(struct node *node)
{
    for (size_t i = 0; i < node->apply_fetched_count; i++) {
        chunk_drop(node->apply_fetched[i].chunk);
    }
    node->apply_fetched_count = 0;
}

/* The proposal that this entry is, if somebody waits for it here. What is held has no entry
 * yet, and what is under way has one of its term: another one with the same id is not it.
 */
struct pending *node_find_proposal(struct node *node, struct proposal_id id, raft_term term)
{
    struct pending *pending = pending_find(&node->pending, id);
    while (pending != NULL && (pending->state == PENDING_HELD || pending->term != term)) {
        pending = pending_find_next(&node->pending, pending);
    }
    return pending;
}

static struct qr_entry entry_for_program(struct node *node, const struct entry *entry)
{
    struct entry_fields fields = entry_fields_of(entry);
    return (struct qr_entry){
        .index = fields.index,
        .term = fields.term,
        .timestamp_ns = fields.timestamp_ns,
        .id = {fields.id.high, fields.id.low},
        .command = fields.command,
        .command_bytes = fields.command_bytes,
        .payload = fields.payload,
        .payload_bytes = fields.payload_bytes,
        .wants_result = node_find_proposal(node, fields.id, fields.term) != NULL,
    };
}

/* A state machine that is durable by itself has this entry already. Its result is known to nobody
 * any more, which is what the session table says to who asks again.
 */
static void pass_over(struct node *node, bool is_kept)
{
    if (is_kept) {
        struct node_guarded *guarded = &node->apply_guarded[node->apply_guarded_count - 1];
        guarded->place = NODE_NO_PLACE;
        guarded->is_repeat = true;
    }
}

/* Whether an entry is one for the program, and goes into the batch. */
static int take_entry(struct node *node, const struct entry *entry)
{
    bool is_programs = entry->type == ENTRY_NORMAL || entry->type == ENTRY_TICK;
    bool is_kept = false;
    if (entry->type == ENTRY_GUARDED) {
        enum node_guard_verdict verdict;
        int status = node_guard(node, entry, &verdict);
        if (status != 0) {
            return status;
        }
        is_programs = verdict != NODE_GUARD_SKIP;
        is_kept = verdict == NODE_GUARD_APPLY && !MUTANT(RESULT_WHERE_ASKED);
    }
    if (is_programs && entry->index <= node->machine_index) {
        pass_over(node, is_kept);
        return 0;
    }
    if (is_programs) {
        struct qr_entry *taken = &node->apply_entries[node->apply_count++];
        *taken = entry_for_program(node, entry);
        taken->wants_result = taken->wants_result || is_kept;
    }
    return 0;
}

/* What the state machine has been given, so that a snapshot can tell. */
static void note_applied(struct node *node, const struct entry *entry)
{
    struct node_snapshots *snapshots = &node->snapshots;
    struct entry_fields fields = entry_fields_of(entry);
    snapshots->applied_timestamp_ns = fields.timestamp_ns;
    if (fields.type == ENTRY_CONFIGURATION) {
        ASSERT(fields.payload_bytes <= sizeof(snapshots->applied->payload));
        snapshots->applied->index = fields.index;
        snapshots->applied->size_bytes = fields.payload_bytes;
        memcpy(snapshots->applied->payload, fields.payload, fields.payload_bytes);
    }
}

/* Hand over what was gathered, with the question for the digest where one is due. */
static void give_batch(struct node *node)
{
    bool wants_digest = node_digests_take(node, node->apply_last);
    node->is_applying = true;
    node->is_apply_claimed = false;
    if (node->apply_count == 0 && !wants_digest) {
        /* only the engine's own entries */
        (void)node_applied(node, &(struct node_batch_end){.status = 0}, node->time);
        return;
    }
    node->options.io.apply(node->options.io.context, node->apply_entries, node->apply_count,
                           wants_digest);
}

void node_apply_nothing(struct node *node)
{
    ASSERT(!node->is_applying);
    node->apply_sessions_digest = sessions_digest(&node->sessions);
    node->apply_count = 0;
    node->apply_guarded_count = 0;
    node->apply_last = node_raft_status(node)->applied_index;
    give_batch(node);
}

/* Hand over one batch that begins at entries[0]. */
static void apply_batch(struct node *node, const struct entry *entries, size_t count)
{
    uint64_t bytes = 0;
    size_t taken = 0;
    raft_index stop = node_digests_stop(node, entries[0].index);
    if (entries[0].index <= node->options.apply_alone_until) {
        stop = entries[0].index;
    }
    node->apply_sessions_digest = sessions_digest(&node->sessions);
    node->apply_count = 0;
    node->apply_guarded_count = 0;
    while (taken < count && entries[taken].index <= stop &&
           node->apply_count < NODE_APPLY_ENTRIES_MAX &&
           node->apply_guarded_count < NODE_APPLY_ENTRIES_MAX &&
           (taken == 0 || bytes < NODE_APPLY_BYTES_MAX)) {
        const struct entry *entry = &entries[taken++];
        bytes += entry->record_bytes;
        note_applied(node, entry);
        int status = take_entry(node, entry);
        if (status != 0) {
            node->is_apply_lost = true;
            node_fail(node, status, "memory ran out");
            return;
        }
    }
    node->apply_last = entries[taken - 1].index;
    if (MUTANT(APPLY_SKIPS_BORDER) && entries == node->apply_fetched &&
        node->apply_last < raft_applicable_index(node->raft)) {
        node->apply_last++;
    }
    give_batch(node);
}

/* The entries from `first` on, from memory or as they were read back; 0: not here yet. */
static size_t entries_from(struct node *node, raft_index first, const struct entry **entries)
{
    size_t count;
    *entries = raft_entries(node->raft, first, &count);
    if (count > 0) {
        return count;
    }
    if (node->apply_fetched_count > 0 && node->apply_fetched[0].index == first) {
        *entries = node->apply_fetched;
        return node->apply_fetched_count;
    }
    drop_fetched(node);
    if (!node->is_apply_fetching) {
        node->is_apply_fetching = node_fetch_for_apply(node, first);
    }
    return 0;
}

void node_start_apply(struct node *node)
{
    for (int batches = 0; !node->is_applying && node_is_running(node) && !node_is_restoring(node) &&
                          !node->snapshots.taking.is_opening && !node->divergence.is_rebuilding;
         batches++) {
        raft_index first = node_raft_status(node)->applied_index + 1;
        raft_index last = raft_applicable_index(node->raft);
        if (first > last) {
            return;
        }
        if (batches == NODE_APPLY_BATCHES_MAX) {
            node->needs_turn = true;
            return;
        }
        const struct entry *entries;
        size_t count = min_u64(entries_from(node, first, &entries), last - first + 1);
        if (count == 0) {
            return;
        }
        apply_batch(node, entries, count);
    }
}

bool node_claim_waiters(struct node *node, uint64_t *tokens)
{
    ASSERT(node->is_applying && !node->is_apply_claimed);
    if (node->apply_guarded_count > 0 ||
        node->apply_sessions_digest != sessions_digest(&node->sessions)) {
        return false;
    }
    node->is_apply_claimed = true;
    for (size_t i = 0; i < node->apply_count; i++) {
        const struct qr_entry *entry = &node->apply_entries[i];
        struct proposal_id id = {entry->id.high, entry->id.low};
        struct pending *pending =
            entry->wants_result ? node_find_proposal(node, id, entry->term) : NULL;
        tokens[i] = pending == NULL ? NODE_NO_WAITER : node_release_proposal(node, pending);
    }
    return true;
}

/* Tell who waits for what was applied, but of those whom the session table answers. */
static void finish_plain(struct node *node, const struct qr_result *results)
{
    for (size_t i = 0; i < node->apply_count && !node->is_apply_claimed; i++) {
        const struct qr_entry *entry = &node->apply_entries[i];
        struct proposal_id id = {entry->id.high, entry->id.low};
        if (entry->wants_result && !proposal_id_is_session(id)) {
            struct pending *pending = node_find_proposal(node, id, entry->term);
            if (pending != NULL) {
                int told = node_result_status(&results[i]);
                node_finish(node, pending, told, entry->index, &results[i]);
            }
        }
    }
}

bool node_applied(struct node *node, const struct node_batch_end *end, struct node_time time)
{
    int status = end->status;
    const struct qr_result *results = end->results;

    ASSERT(node->is_applying);
    node->is_applying = false;
    node->time = time;
    if (node_is_running(node) && status != 0) {
        node_fail(node, status, "the state machine cannot go on");
    }
    if (!node_is_running(node)) {
        node->is_apply_lost = true;
        return false;
    }
    raft_index last = node->apply_last;
    status = node_step(node, (struct raft_event){.type = RAFT_EVENT_APPLIED, .applied = last});
    ASSERT(status == 0);
    finish_plain(node, results);
    node_finish_guarded(node, results);
    if (!node_is_running(node)) {
        return true;
    }
    node_digests_note(node, last, end->digest);
    node_sweep_superseded(node);
    node->needs_turn = node->needs_turn || raft_applicable_index(node->raft) > last;
    return true;
}

/* When log time must move though nobody writes: the leader says so through the log. */
static time_ns wake_at(const struct node *node)
{
    if (node->options.io.wake_at == NULL || !node_raft_status(node)->has_committed_in_term) {
        return 0;
    }
    return node->options.io.wake_at(node->options.io.context);
}

/* A tick of another term may be lost: it is not waited for. */
static bool is_tick_under_way(const struct node *node, const struct raft_status *now)
{
    return node->tick_term == now->term && now->applied_index < node->tick_index;
}

void node_propose_tick(struct node *node)
{
    time_ns wanted_ns = wake_at(node);
    const struct raft_status now = *node_raft_status(node);
    if (wanted_ns == 0 || is_tick_under_way(node, &now) || node->time.now_ns < node->tick_due_ns ||
        node_log_time(node, node->time) < wanted_ns) {
        return;
    }
    struct raft_proposal tick = {.type = ENTRY_TICK};
    int status = QR_ERR_DISK_FULL;
    if (node_has_room(node, ENTRY_HEADER_BYTES)) {
        status =
            node_step(node, (struct raft_event){.type = RAFT_EVENT_PROPOSE, .propose = {&tick, 1}});
    }
    if (status == 0) {
        node->tick_index = now.last_index + 1;
        node->tick_term = now.term;
        node->unsaved_bytes += ENTRY_HEADER_BYTES;
    } else {
        node->tick_due_ns = node->time.now_ns + NODE_RETRY_NS;
    }
}

time_ns node_tick_deadline(const struct node *node)
{
    time_ns wanted_ns = wake_at(node);
    const struct raft_status *now = node_raft_status(node);
    if (wanted_ns == 0 || is_tick_under_way(node, now)) {
        return TIME_NEVER; /* its own turn follows when it is applied */
    }
    time_ns log_time_ns = node_log_time(node, node->time);
    time_ns wait_ns = wanted_ns > log_time_ns ? wanted_ns - log_time_ns : 0;
    return max_u64(node->time.now_ns + wait_ns, node->tick_due_ns);
}
