/* persist.c: between the Raft machine and the durable log: saves, fetches, room, marks. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "node/internal.h"
#include "quorate/error.h"

/* Room for these bytes of records besides what was taken in since the last save. */
bool node_has_room(const struct node *node, uint64_t bytes)
{
    return node->store->room_bytes(node->log) >=
           node->unsaved_bytes + bytes + NODE_ROOM_SLACK_BYTES;
}

void node_persist(struct node *node, const struct raft_ready *ready)
{
    if (ready->save_number == 0) {
        return;
    }
    /* The opening batch, if there was one, had ticket 1; the machine counts from 1 too. */
    struct wal_batch batch = {
        .hard_state = ready->hard_state,
        .entries = ready->entries,
        .count = ready->entry_count,
        .commit_index = node_raft_status(node)->commit_index,
        .ticket = ready->save_number + 1,
    };
    struct wal_base reset;
    if (ready->reset != NULL) {
        reset = (struct wal_base){ready->reset->term, ready->reset->index};
        batch.reset = &reset;
    }
    int status = node->store->append(node->log, &batch);
    if (status != 0) {
        node_fail(node, status, "the log takes no more");
        return;
    }
    node->last_ticket = batch.ticket;
    node->unsaved_bytes = 0;
    node->mark_due_ns = node->time.now_ns + 2 * node->options.heartbeat_interval_ns;
}

void node_on_synced(void *context, uint64_t ticket)
{
    struct node *node = context;
    if (node->phase == NODE_OPENING) {
        node_opened(node);
        return;
    }
    if (node_is_running(node)) {
        int status =
            node_step(node, (struct raft_event){.type = RAFT_EVENT_SAVED, .saved = ticket - 1});
        ASSERT(status == 0 || !node_is_running(node));
    }
}

void node_on_poisoned(void *context, int status, const char *detail)
{
    node_fail(context, status, detail);
}

static uint64_t fetch_slot(struct node *node, struct node_fetch fetch)
{
    for (size_t i = 0; i < WAL_READS_MAX; i++) {
        if (!node->fetches[i].is_used) {
            node->fetches[i] = fetch;
            return i;
        }
    }
    return WAL_READS_MAX;
}

static void tell_fetched(struct node *node, node_id peer, int fetch_status,
                         const struct entry *entries, size_t count)
{
    int status =
        node_step(node, (struct raft_event){.type = RAFT_EVENT_FETCHED,
                                            .fetched = {peer, fetch_status, entries, count}});
    ASSERT(status == 0 || !node_is_running(node));
}

void node_fetch(struct node *node, const struct raft_fetch *fetch)
{
    uint64_t slot = fetch_slot(
        node, (struct node_fetch){.is_used = true, .peer = fetch->peer, .first = fetch->first});
    int status = QR_ERR_BUSY;
    if (slot < WAL_READS_MAX) {
        status = node->store->read(node->log, fetch->first, fetch->bytes_max, slot);
        node->fetches[slot].is_used = status == 0;
    }
    if (status != 0) {
        tell_fetched(node, fetch->peer, status, NULL, 0);
    }
}

bool node_fetch_for_apply(struct node *node, raft_index first)
{
    /* More is read, which may be replaced, and even committed, until it is here. */
    raft_index last = raft_applicable_index(node->raft);
    ASSERT(first <= last);
    uint64_t slot = fetch_slot(
        node, (struct node_fetch){.is_used = true, .is_apply = true, .first = first, .last = last});
    if (slot == WAL_READS_MAX) {
        return false;
    }
    int status = node->store->read(node->log, first, NODE_APPLY_BYTES_MAX, slot);
    node->fetches[slot].is_used = status == 0;
    return status == 0;
}

/* Entries for the state machine: kept until the batch is applied. */
static void keep_for_apply(struct node *node, const struct entry *entries, size_t count)
{
    node->is_apply_fetching = false;
    ASSERT(node->apply_fetched_count == 0);
    count = min_u64(count, NODE_APPLY_ENTRIES_MAX);
    if (allocate_grow(node->options.allocator, (void **)&node->apply_fetched,
                      &node->apply_fetched_capacity, count, NODE_APPLY_ENTRIES_MAX,
                      sizeof(*entries)) != 0) {
        node_fail(node, QR_ERR_NO_MEMORY, "memory ran out");
        return;
    }
    memcpy(node->apply_fetched, entries, count * sizeof(*entries));
    node->apply_fetched_count = count;
    for (size_t i = 0; i < count; i++) {
        chunk_hold(entries[i].chunk);
    }
}

/* Whether what was read back is what the log holds by its terms, one by one: a whole batch of an
 * earlier life may stand where a later one was lost.
 */
static bool is_as_known(const struct node *node, const struct entry *entries, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        raft_term term;
        if (entries[i].index != entries[0].index + i ||
            !raft_term_at(node->raft, entries[i].index, &term) || term != entries[i].term) {
            return false;
        }
    }
    return true;
}

void node_on_read(void *context, uint64_t token, int status, const struct entry *entries,
                  size_t count)
{
    struct node *node = context;
    ASSERT(token < WAL_READS_MAX && node->fetches[token].is_used);
    struct node_fetch fetch = node->fetches[token];
    node->fetches[token].is_used = false;
    if (!node_is_running(node)) {
        return;
    }
    if (fetch.is_apply && fetch.first != node_raft_status(node)->applied_index + 1) {
        node->is_apply_fetching = false; /* a snapshot took the state machine further */
        node->needs_turn = true;
        return;
    }
    /* Another leader's entries may have taken their place meanwhile; never that of what was
     * committed when it was asked for. Once the log was told, it gives nothing that was replaced,
     * and who leads has told it: its vote for itself went there with them.
     */
    if (fetch.is_apply) {
        count = min_u64(count, fetch.last - fetch.first + 1);
    }
    if (status == 0 && !is_as_known(node, entries, count)) {
        bool is_leader = raft_is_leader(node->raft);
        status = fetch.is_apply || is_leader ? QR_ERR_CORRUPT : QR_ERR_NOT_FOUND;
        count = 0;
    }
    bool is_replaced = status == QR_ERR_NOT_FOUND && !fetch.is_apply;
    if (status != 0 && !is_replaced) {
        node_fail(node, status, "an entry of the log cannot be read back");
        return;
    }
    if (fetch.is_apply) {
        keep_for_apply(node, entries, count);
    } else {
        tell_fetched(node, fetch.peer, status, entries, count);
    }
}

/* Small work that nobody waits for. */
void node_log_upkeep(struct node *node)
{
    if (node->time.now_ns >= node->mark_due_ns && node->store->is_idle(node->log)) {
        node->mark_due_ns = TIME_NEVER;
        node->store->mark(node->log, node_raft_status(node)->commit_index);
    } else if (node->time.now_ns >= node->mark_due_ns) {
        node->mark_due_ns = node->time.now_ns + node->options.heartbeat_interval_ns;
    }
    if (node->prepare_due_ns != TIME_NEVER && node->time.now_ns < node->prepare_due_ns) {
        return;
    }
    node->prepare_due_ns = TIME_NEVER;
    /* Also while the present segment has room: a leader's snapshot needs the next one. */
    if (node->store->is_full(node->log) || !node_has_room(node, node->options.message_bytes_max)) {
        node->store->prepare(node->log);
        node->prepare_due_ns = node->time.now_ns + NODE_RETRY_NS;
    }
}
