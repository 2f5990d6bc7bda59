/* history.c: what must never be contradicted, and the rules over all nodes. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/model/history.h"

#include <string.h>

#include "base/assert.h"

#define ALIGN_BYTES 16

bool histories_init(struct histories *histories, struct world *world)
{
    size_t bytes = sizeof(struct history_item) + world->renaming_count * sizeof(struct hash);
    *histories = (struct histories){
        .world = world, .item_bytes = (bytes + ALIGN_BYTES - 1) / ALIGN_BYTES * ALIGN_BYTES};
    return pool_init(&histories->items, &world->budget) &&
           table_init(&histories->numbers, &world->budget);
}

void histories_deinit(struct histories *histories)
{
    table_deinit(&histories->numbers);
    pool_deinit(&histories->items);
}

const struct history_item *histories_at(const struct histories *histories, uint32_t number)
{
    ASSERT(number < histories->numbers.count);
    return (const struct history_item *)(const void *)(histories->items.base +
                                                       number * histories->item_bytes);
}

static struct hash hash_history(const struct world *world, const struct history *history,
                                size_t renaming)
{
    struct raft_renaming names = world_renaming(world, renaming);
    uint8_t bytes[1024];
    struct writer writer = writer_of(bytes, sizeof(bytes));
    for (size_t term = 0; term <= MODEL_TERM_MAX; term++) {
        node_id leader = history->leaders[term];
        write_u8(&writer, leader == 0 ? 0 : (uint8_t)names.rename(names.context, leader));
    }
    write_u8(&writer, history->committed_count);
    for (size_t i = 0; i < history->committed_count; i++) {
        struct hash hash = world_entry_at(world, history->committed[i])->hashes[renaming];
        write_u64(&writer, hash.low);
        write_u64(&writer, hash.high);
        write_u8(&writer, history->committed_in[i]);
    }
    ASSERT(!writer.failed);
    return hash_of(bytes, writer_used(&writer), WORLD_HASH_HISTORY);
}

static uint32_t intern(struct histories *histories, const struct history *history)
{
    struct hash key = hash_history(histories->world, history, 0);
    uint32_t number = table_find(&histories->numbers, key);
    if (number != TABLE_NONE) {
        return number;
    }
    number = (uint32_t)histories->numbers.count;
    struct history_item *item = pool_take(&histories->items, histories->item_bytes);
    if (item == NULL || !table_put(&histories->numbers, key, number)) {
        histories->world->is_full = true;
        return TABLE_NONE;
    }
    item->history = *history;
    for (size_t i = 0; i < histories->world->renaming_count; i++) {
        item->hashes[i] = hash_history(histories->world, history, i);
    }
    return number;
}

uint32_t histories_first(struct histories *histories)
{
    /* The first configuration: number 0, because it is the first entry of all. */
    struct history history = {.committed_count = 1, .committed_in = {1}};
    return intern(histories, &history);
}

/* Election safety: at most one leader in a term. */
static void note_leader(struct world *world, struct history *history, const struct local_view *view)
{
    if (view->role != RAFT_LEADER) {
        return;
    }
    ASSERT(view->term <= MODEL_TERM_MAX);
    uint8_t *leader = &history->leaders[view->term];
    if (*leader != 0 && *leader != view->id) {
        world_violate(world, "election safety: nodes %u and %u both lead term %u", *leader,
                      view->id, view->term);
    }
    *leader = view->id;
}

static bool has_durable(const struct local_view *view, size_t position, uint16_t entry)
{
    return view->disk_count > position && view->disk[position] == entry;
}

/* An entry that is committed is durable on a majority of these, if there are any. */
static void check_majority(struct world *world, const struct history_moment *moment,
                           unsigned voters, size_t position)
{
    const struct local_view *view = moment->views[moment->node];
    unsigned count = 0;
    unsigned durable = 0;
    for (node_id id = 1; id <= world->configuration->node_count; id++) {
        if ((voters >> (id - 1) & 1) != 0) {
            count++;
            durable += has_durable(moment->views[id], position, view->log[position]) ? 1 : 0;
        }
    }
    if (count > 0 && durable * 2 <= count) {
        world_violate(world, "node %u commits entry %zu, which is durable on %u of %u voters",
                      view->id, position + 1, durable, count);
    }
}

/* What a leader adds to what is committed: an entry of its own term last (§5.4.2), durable on
 * a majority of the voters in force, and while joint of both sets. A joint configuration is
 * left in the very moment in which it is committed.
 */
static void check_new_commit(struct world *world, const struct history_moment *moment)
{
    const struct local_view *view = moment->views[moment->node];
    size_t position = view->commit_index - 1U;
    uint16_t entry = view->log[position];
    bool leads = view->role == RAFT_LEADER || moment->before->role == RAFT_LEADER;
    if (!leads) {
        world_violate(world, "node %u holds entry %zu to be committed, which no leader committed",
                      view->id, position + 1);
        return;
    }
    raft_term term = world_entry_at(world, entry)->entry.term;
    if (term != view->term) {
        world_violate(world,
                      "node %u commits entry %zu of term %llu by counting, in term %u (Raft "
                      "§5.4.2)",
                      view->id, position + 1, (unsigned long long)term, view->term);
    }
    check_majority(world, moment, view->voters, position);
    check_majority(world, moment, view->outgoing, position);
    if (moment->before->outgoing != 0) {
        check_majority(world, moment, moment->before->voters, position);
        check_majority(world, moment, moment->before->outgoing, position);
    }
}

/* State machine safety: what is committed at an index is the same everywhere, for ever. */
static void note_committed(struct world *world, struct history *history,
                           const struct history_moment *moment)
{
    const struct local_view *view = moment->views[moment->node];
    ASSERT(view->commit_index <= view->log_count);
    if (view->commit_index > history->committed_count) {
        check_new_commit(world, moment);
    }
    for (size_t i = 0; i < view->commit_index; i++) {
        if (i >= history->committed_count) {
            history->committed[i] = view->log[i];
            history->committed_in[i] = view->term;
            history->committed_count++;
        } else if (history->committed[i] != view->log[i]) {
            world_violate(world,
                          "state machine safety: node %u commits another entry at index %zu than "
                          "was committed before",
                          view->id, i + 1);
        }
    }
}

/* Leader completeness: who leads a term has all that was committed in it and before. */
static void check_leader(struct world *world, const struct history *history,
                         const struct local_view *view)
{
    if (view->role != RAFT_LEADER) {
        return;
    }
    for (size_t i = 0; i < history->committed_count; i++) {
        bool has = i < view->log_count && view->log[i] == history->committed[i];
        if (history->committed_in[i] <= view->term && !has) {
            world_violate(world,
                          "leader completeness: node %u leads term %u without the entry committed "
                          "at index %zu in term %u",
                          view->id, view->term, i + 1, history->committed_in[i]);
        }
    }
}

/* Log matching: where two logs have an entry of the same term at an index, they are the same
 * up to there.
 */
static void check_logs(struct world *world, const struct local_view *a, const struct local_view *b)
{
    size_t i = a->log_count < b->log_count ? a->log_count : b->log_count;
    while (i > 0 && a->log[i - 1] != b->log[i - 1] &&
           world_entry_at(world, a->log[i - 1])->entry.term !=
               world_entry_at(world, b->log[i - 1])->entry.term) {
        i--;
    }
    while (i > 0) {
        i--;
        if (a->log[i] != b->log[i]) {
            world_violate(world,
                          "log matching: nodes %u and %u differ at index %zu, below an "
                          "entry that both have",
                          a->id, b->id, i + 1);
            return;
        }
    }
}

/* What a node acknowledges is what the leader has, to whom it says so. */
static void check_answer(struct world *world, const struct history_moment *moment,
                         const struct raft_message *message)
{
    raft_index match = 0;
    if (message->type == RAFT_APPEND_ENTRIES_RESPONSE) {
        match = message->append_entries_response.match;
    } else if (message->type == RAFT_INSTALL_SNAPSHOT_RESPONSE &&
               message->install_snapshot_response.is_done) {
        match = message->install_snapshot_response.snapshot.index;
    }
    const struct local_view *view = moment->views[moment->node];
    const struct local_view *leader = moment->views[message->to];
    if (leader->role != RAFT_LEADER || leader->term != message->term) {
        return; /* it counts for nothing any more */
    }
    for (size_t i = 0; i < match; i++) {
        if (i >= leader->log_count || !has_durable(view, i, leader->log[i])) {
            world_violate(world,
                          "node %u acknowledges entries up to %llu to node %u, which has another "
                          "one at index %zu",
                          view->id, (unsigned long long)match, leader->id, i + 1);
            return;
        }
    }
}

/* Who is told to campaign has all of the log, durably, unless its term is another by now. */
static void check_transfer(struct world *world, const struct history_moment *moment,
                           const struct raft_message *message)
{
    const struct local_view *view = moment->views[moment->node];
    const struct local_view *other = moment->views[message->to];
    if (message->type != RAFT_TIMEOUT_NOW || other->term != message->term) {
        return;
    }
    for (size_t i = 0; i < view->log_count; i++) {
        if (!has_durable(other, i, view->log[i])) {
            world_violate(world, "node %u tells node %u to campaign, which lacks entry %zu",
                          view->id, other->id, i + 1);
            return;
        }
    }
}

uint32_t histories_next(struct histories *histories, uint32_t number,
                        const struct history_moment *moment)
{
    struct world *world = histories->world;
    const struct history *before = &histories_at(histories, number)->history;
    struct history history = *before;
    const struct local_view *view = moment->views[moment->node];
    note_leader(world, &history, view);
    note_committed(world, &history, moment);
    for (node_id id = 1; id <= world->configuration->node_count; id++) {
        check_leader(world, &history, moment->views[id]);
        if (id != moment->node) {
            check_logs(world, view, moment->views[id]);
        }
    }
    for (size_t i = 0; i < moment->message_count; i++) {
        check_answer(world, moment, &world_message_at(world, moment->messages[i])->raft);
        check_transfer(world, moment, &world_message_at(world, moment->messages[i])->raft);
    }
    if (world_is_violated(world)) {
        return TABLE_NONE;
    }
    return memcmp(&history, before, sizeof(history)) == 0 ? number : intern(histories, &history);
}
