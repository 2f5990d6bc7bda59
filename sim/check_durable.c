/* check_durable.c: promises, and whether a disk keeps them. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/check_durable.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/text.h"
#include "quorate/error.h"
#include "wal/wal.h"

#define SPARE_BYTES_MIN 65536

void check_durable_init(struct check_durable *check)
{
    *check = (struct check_durable){.spare = NULL};
}

void check_durable_deinit(struct check_durable *check)
{
    for (size_t i = 0; i < CHECK_DURABLE_LEADERS_MAX; i++) {
        free(check->leaders[i].runs);
    }
    free(check->found.runs);
    free(check->spare);
}

static struct check_durable_run *add_run(struct check_durable_run **runs, size_t *count,
                                         size_t *capacity, size_t at)
{
    if (*count == *capacity) {
        size_t grown = *capacity == 0 ? 16 : 2 * *capacity;
        struct check_durable_run *moved = realloc(*runs, grown * sizeof(**runs));
        ASSERT(moved != NULL);
        *runs = moved;
        *capacity = grown;
    }
    struct check_durable_run *run = &(*runs)[at];
    memmove(run + 1, run, (*count - at) * sizeof(*run));
    (*count)++;
    return run;
}

/* The log of a term's leader as far as it was seen; the oldest one goes for a new one. */
static struct check_durable_leader *leader_of(struct check_durable *check, raft_term term)
{
    struct check_durable_leader *oldest = &check->leaders[0];
    for (size_t i = 0; i < CHECK_DURABLE_LEADERS_MAX; i++) {
        struct check_durable_leader *leader = &check->leaders[i];
        if (leader->term == term) {
            return leader;
        }
        oldest = leader->term < oldest->term ? leader : oldest;
    }
    if (term > oldest->term) {
        oldest->term = term;
        oldest->run_count = 0;
        return oldest;
    }
    return NULL;
}

/* The leader has entries first..last, all of this term. Terms never fall along a log, so that
 * what lies between two entries of one term is of that term too.
 */
static void leader_has(struct check_durable_leader *leader, raft_term term, raft_index first,
                       raft_index last)
{
    size_t at = leader->run_count;
    while (at > 0 && leader->runs[at - 1].term > term) {
        at--;
    }
    if (at > 0 && leader->runs[at - 1].term == term) {
        struct check_durable_run *run = &leader->runs[at - 1];
        run->first = min_u64(run->first, first);
        run->last = max_u64(run->last, last);
        return;
    }
    *add_run(&leader->runs, &leader->run_count, &leader->run_capacity, at) =
        (struct check_durable_run){term, first, last};
}

static raft_term leader_term_at(const struct check_durable_leader *leader, raft_index index)
{
    for (size_t i = leader == NULL ? 0 : leader->run_count; i > 0; i--) {
        const struct check_durable_run *run = &leader->runs[i - 1];
        if (run->first <= index && index <= run->last) {
            return run->term;
        }
    }
    return 0;
}

static void note_leader(struct check_durable *check, const struct wire_message *message)
{
    struct check_durable_leader *leader = leader_of(check, message->raft.term);
    if (leader == NULL) {
        return;
    }
    struct raft_position prev = message->raft.append_entries.prev;
    if (prev.index > 0) {
        leader_has(leader, prev.term, prev.index, prev.index);
    }
    size_t first = 0;
    for (size_t i = 0; i < message->entry_count; i++) {
        const struct entry *entries = message->entries;
        if (i + 1 == message->entry_count || entries[i + 1].term != entries[first].term) {
            leader_has(leader, entries[first].term, entries[first].index, entries[i].index);
            first = i + 1;
        }
    }
}

static void note_vote(struct check_durable_vote *vote, raft_term term, node_id candidate)
{
    if (!vote->is_cast || term > vote->term) {
        *vote = (struct check_durable_vote){.is_cast = true, .term = term, .candidate = candidate};
    } else if (term == vote->term && candidate != vote->candidate) {
        vote->is_cast_twice = true;
        vote->other = candidate;
    }
}

/* A promise to a later leader takes the place of those before that reach no further: what they
 * were about is what that leader has, or was replaced by it.
 */
static void note_promise(struct check_durable_ledger *ledger, struct check_durable_promise promise)
{
    struct check_durable_promise *promises = ledger->promises;
    while (ledger->promise_count > 0) {
        const struct check_durable_promise *last = &promises[ledger->promise_count - 1];
        if (last->leader_term == promise.leader_term && last->match >= promise.match) {
            return;
        }
        if (last->match > promise.match) {
            break;
        }
        ledger->promise_count--;
    }
    if (ledger->promise_count == CHECK_DURABLE_PROMISES_MAX) {
        ledger->promise_count--;
        memmove(promises, promises + 1, ledger->promise_count * sizeof(*promises));
    }
    promises[ledger->promise_count++] = promise;
}

void check_durable_said(struct check_durable *check, uint32_t node,
                        const struct wire_message *message)
{
    ASSERT(node < QR_SIM_NODES_MAX);
    if (!wire_is_raft(message->type)) {
        return;
    }
    struct check_durable_ledger *ledger = &check->ledgers[node];
    const struct raft_message *raft = &message->raft;
    ledger->has_sent = true;
    ledger->id = raft->from;
    ledger->term = max_u64(ledger->term, raft->term);
    if (message->type == RAFT_REQUEST_VOTE) {
        note_vote(&ledger->vote, raft->term, raft->from);
    } else if (message->type == RAFT_REQUEST_VOTE_RESPONSE &&
               raft->request_vote_response.is_granted) {
        note_vote(&ledger->vote, raft->term, raft->to);
    } else if (message->type == RAFT_APPEND_ENTRIES) {
        note_leader(check, message);
    } else if (message->type == RAFT_INSTALL_SNAPSHOT_RESPONSE &&
               raft->install_snapshot_response.is_done) {
        struct raft_position position = raft->install_snapshot_response.snapshot;
        note_promise(ledger, (struct check_durable_promise){.leader_term = raft->term,
                                                            .match = position.index,
                                                            .entry_term = position.term});
    } else if (message->type == RAFT_APPEND_ENTRIES_RESPONSE &&
               raft->append_entries_response.match > 0) {
        raft_index match = raft->append_entries_response.match;
        note_promise(ledger, (struct check_durable_promise){
                                 .leader_term = raft->term,
                                 .match = match,
                                 .entry_term = leader_term_at(leader_of(check, raft->term), match),
                             });
    }
}

void check_durable_forget(struct check_durable *check, uint32_t node)
{
    ASSERT(node < QR_SIM_NODES_MAX);
    check->ledgers[node] = (struct check_durable_ledger){.has_sent = false};
}

/* The reader's window is large: it is kept, and costs its pages once. */
static void *take_memory(void *context, size_t size_bytes)
{
    struct check_durable *check = context;
    void *memory = NULL;
    if (size_bytes >= SPARE_BYTES_MIN && size_bytes <= check->spare_bytes) {
        memory = check->spare;
        check->spare = NULL;
        check->spare_bytes = 0;
    } else {
        memory = malloc(size_bytes);
    }
    ASSERT(memory != NULL);
    return memory;
}

static void give_memory(void *context, void *memory, size_t size_bytes)
{
    struct check_durable *check = context;
    if (size_bytes > check->spare_bytes && size_bytes >= SPARE_BYTES_MIN) {
        void *smaller = check->spare;
        check->spare = memory;
        check->spare_bytes = size_bytes;
        memory = smaller;
    }
    free(memory);
}

static bool holds(const struct check_durable_found *found, raft_index index, raft_term term)
{
    if (index <= found->base_index) {
        return true; /* committed, and in a snapshot, without which the node does not start */
    }
    if (index > found->last_index || term == 0) {
        return index <= found->last_index;
    }
    size_t at = found->run_count;
    while (found->runs[at - 1].first > index) {
        at--;
    }
    return found->runs[at - 1].term == term;
}

/* A look at one disk, perhaps with a ledger in mind. */
struct look {
    struct check_durable_found *found;
    struct check_durable_ledger *ledger; /* or NULL */
    bool is_emptied;                     /* by the batch that comes next */
};

/* A batch of this term replaces from `first` on. */
static void replace_from(struct look *look, raft_index first, raft_term term)
{
    struct check_durable_found *found = look->found;
    size_t count = look->ledger == NULL ? 0 : look->ledger->promise_count;
    for (size_t i = 0; i < count; i++) {
        struct check_durable_promise *promise = &look->ledger->promises[i];
        if (promise->match >= first && term > promise->leader_term &&
            holds(found, promise->match, promise->entry_term)) {
            promise->is_replaced = true;
        }
    }
    while (found->run_count > 0 && found->runs[found->run_count - 1].first >= first) {
        found->run_count--;
    }
}

/* The log begins behind this entry. */
static void begin_behind(struct look *look, const struct wal_base *base)
{
    struct check_durable_found *found = look->found;
    found->base_index = max_u64(found->base_index, base->index);
    found->last_index = max_u64(found->last_index, base->index);
}

/* It was emptied there: that replaces all that stood behind, like a batch of this term. */
static void empty_behind(struct look *look, const struct wal_base *base, raft_term term)
{
    replace_from(look, base->index + 1, term);
    look->found->last_index = base->index;
}

static void meet(void *context, const struct wal_scan_item *item)
{
    struct look *look = context;
    struct check_durable_found *found = look->found;
    if (item->kind == WAL_SCAN_SEGMENT && item->is_reset) {
        look->is_emptied = true; /* by its first batch */
    }
    if (item->kind == WAL_SCAN_BATCH) {
        found->hard_state = item->hard_state;
        found->is_mixed = found->is_mixed || item->generation < found->generation;
        found->generation = item->generation;
        if (look->is_emptied) {
            empty_behind(look, &item->base, item->hard_state.term);
        }
        begin_behind(look, &item->base);
        look->is_emptied = false;
    }
    if (item->kind != WAL_SCAN_ENTRY) {
        return;
    }
    const struct entry *entry = item->entry;
    if (entry->index <= found->last_index) {
        replace_from(look, entry->index, item->hard_state.term);
    }
    if (found->run_count == 0 || found->runs[found->run_count - 1].term != entry->term) {
        *add_run(&found->runs, &found->run_count, &found->run_capacity, found->run_count) =
            (struct check_durable_run){.term = entry->term, .first = entry->index};
    }
    found->last_index = entry->index;
}

/* Fill check->found. 0, or as wal_scan(), with `detail`. */
static int look_at(struct check_durable *check, node_id id, struct sim_disk *disk,
                   struct check_durable_ledger *ledger, char *detail)
{
    struct allocator allocator = {check, take_memory, give_memory};
    struct disk durable = sim_disk_durable_view(disk);
    struct wal_options options = {.allocator = &allocator, .disk = &durable, .node = id};
    struct check_durable_found *found = &check->found;
    found->hard_state = (struct hard_state){0};
    found->base_index = 0;
    found->last_index = 0;
    found->run_count = 0;
    found->generation = 0;
    found->is_mixed = false;
    struct look look = {found, ledger, false};
    return wal_scan(&options, meet, &look, detail);
}

/* A node by its name, or by its id when it never sent anything. */
static void tell_id(const struct check_durable *check, node_id id, struct text *text)
{
    for (uint32_t i = 0; i < QR_SIM_NODES_MAX; i++) {
        if (check->ledgers[i].has_sent && check->ledgers[i].id == id) {
            text_string(text, "n");
            text_u64(text, i + 1);
            return;
        }
    }
    text_hex(text, id, 16);
}

static void tell(struct text *text, const char *before, uint64_t value, const char *behind)
{
    text_string(text, before);
    text_u64(text, value);
    text_string(text, behind);
}

static bool is_term_kept(const struct check_durable *check,
                         const struct check_durable_ledger *ledger, struct text *text)
{
    struct hard_state held = check->found.hard_state;
    if (held.term >= ledger->term) {
        return true;
    }
    tell_id(check, ledger->id, text);
    tell(text, " sent a message of term ", ledger->term, "");
    tell(text, ", but its disk holds term ", held.term, "");
    return false;
}

static bool is_vote_kept(const struct check_durable *check,
                         const struct check_durable_ledger *ledger, struct text *text)
{
    struct hard_state held = check->found.hard_state;
    const struct check_durable_vote *vote = &ledger->vote;
    bool is_held = held.has_voted && held.voted_for == vote->candidate;
    if (!vote->is_cast || (!vote->is_cast_twice && (held.term > vote->term || is_held))) {
        return true;
    }
    tell_id(check, ledger->id, text);
    text_string(text, " voted for ");
    tell_id(check, vote->candidate, text);
    tell(text, " in term ", vote->term, "");
    if (vote->is_cast_twice) {
        text_string(text, ", and for ");
        tell_id(check, vote->other, text);
    } else if (held.has_voted) {
        text_string(text, ", but its disk holds a vote for ");
        tell_id(check, held.voted_for, text);
    } else {
        text_string(text, ", but its disk holds no vote");
    }
    return false;
}

static bool is_promise_kept(const struct check_durable *check,
                            const struct check_durable_ledger *ledger,
                            const struct check_durable_promise *promise, struct text *text)
{
    const struct check_durable_found *found = &check->found;
    if (promise->is_replaced || holds(found, promise->match, promise->entry_term)) {
        return true;
    }
    tell_id(check, ledger->id, text);
    tell(text, " told the leader of term ", promise->leader_term, " that it holds entry ");
    text_u64(text, promise->match);
    if (promise->entry_term != 0) {
        tell(text, " of term ", promise->entry_term, "");
    }
    if (promise->match > found->last_index) {
        tell(text, ", but its disk holds entries up to ", found->last_index, " only");
    } else {
        text_string(text, ", but its disk holds another one there");
    }
    return false;
}

int check_durable_audit(struct check_durable *check, uint32_t node, struct sim_disk *disk,
                        char *text)
{
    ASSERT(node < QR_SIM_NODES_MAX);
    struct check_durable_ledger *ledger = &check->ledgers[node];
    struct text out = text_of(text, CHECK_DURABLE_TEXT_BYTES);
    char detail[WAL_ERROR_DETAIL_BYTES];
    if (!ledger->has_sent) {
        return 0;
    }
    if (look_at(check, ledger->id, disk, ledger, detail) != 0) {
        tell_id(check, ledger->id, &out);
        text_string(&out, ": what a power loss would leave of its log cannot be read: ");
        text_string(&out, detail);
        return QR_ERR_CORRUPT;
    }
    if (check->found.is_mixed) {
        tell_id(check, ledger->id, &out);
        text_string(&out, " takes what an earlier start has cut for a part of its log");
        return QR_ERR_CORRUPT;
    }
    bool is_kept = is_term_kept(check, ledger, &out) && is_vote_kept(check, ledger, &out);
    for (size_t i = 0; i < ledger->promise_count && is_kept; i++) {
        is_kept = is_promise_kept(check, ledger, &ledger->promises[i], &out);
    }
    return is_kept ? 0 : QR_ERR_CORRUPT;
}

int check_durable_majority(struct check_durable *check, const struct check_durable_copy *copies,
                           size_t count, struct raft_position entry, char *text)
{
    struct text out = text_of(text, CHECK_DURABLE_TEXT_BYTES);
    char detail[WAL_ERROR_DETAIL_BYTES];
    size_t holding = 0;
    ASSERT(entry.index > 0);
    ASSERT(entry.term > 0);
    tell(&out, "entry ", entry.index, "");
    tell(&out, " of term ", entry.term, " was acknowledged, but is not durable on ");
    const char *between = "";
    for (size_t i = 0; i < count; i++) {
        int status = look_at(check, copies[i].id, copies[i].disk, NULL, detail);
        if (status == 0 && holds(&check->found, entry.index, entry.term)) {
            holding++;
        } else {
            text_string(&out, between);
            tell_id(check, copies[i].id, &out);
            between = ", ";
        }
    }
    if (2 * holding <= count) {
        return QR_ERR_CORRUPT;
    }
    text[0] = '\0';
    return 0;
}
