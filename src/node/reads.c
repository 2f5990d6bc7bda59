/* reads.c: reads that wait until they are linearizable (diss. §6.4).
 *
 * Reads of one turn are one group: one question to the Raft machine, or to the leader. A
 * question changes nothing, so a lost one is simply asked again under a new number; answers
 * to old numbers are ignored.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "base/mutant.h"
#include "node/internal.h"
#include "quorate/error.h"

/* Requests of members carry this bit as tokens of the machine; our own do not. */
#define REMOTE_TOKEN (UINT64_C(1) << 63)

/* The number of a question that is to be answered by a round carries this one: docs/wire-format.md.
 */
#define BY_ROUND (UINT64_C(1) << 62)

/* By a lease where this node may hold one: see raft_options.lease_ns. */
static enum raft_event_type read_event(const struct node *node, bool is_by_round)
{
    bool is_leased = node->options.lease_ns > 0 && !is_by_round;
    return is_leased ? RAFT_EVENT_READ_LEASE : RAFT_EVENT_READ;
}

static struct node_read_group *group_at(struct node *node, size_t i)
{
    return &node->reads.groups[(node->reads.group_head + i) % NODE_READ_GROUPS_MAX];
}

static struct node_read_group *open_group(struct node *node)
{
    struct node_reads *reads = &node->reads;
    if (reads->is_open) {
        return group_at(node, reads->group_count - 1);
    }
    if (reads->group_count == NODE_READ_GROUPS_MAX) {
        return NULL;
    }
    time_ns now = node->time.now_ns;
    struct node_read_group *group = group_at(node, reads->group_count++);
    *group = (struct node_read_group){
        .state = NODE_READ_HELD,
        .hold_until_ns =
            now + node->options.election_timeout_min_ns + node->options.election_timeout_max_ns,
        .deadline_ns = now + node->options.proposal_timeout_ns,
    };
    reads->is_open = true;
    return group;
}

/* The ring of tokens grows by doubling; its content is laid out from 0 again. */
static int make_room(struct node *node)
{
    struct node_reads *reads = &node->reads;
    if (reads->count < reads->capacity) {
        return 0;
    }
    if (reads->count >= node->options.pending_max) {
        return QR_ERR_BUSY;
    }
    size_t capacity = reads->capacity == 0 ? 64 : reads->capacity * 2;
    uint64_t *tokens = allocate(node->options.allocator, capacity * sizeof(*tokens));
    if (tokens == NULL) {
        return QR_ERR_NO_MEMORY;
    }
    for (size_t i = 0; i < reads->count; i++) {
        tokens[i] = reads->tokens[(reads->head + i) % reads->capacity];
    }
    release(node->options.allocator, reads->tokens, reads->capacity * sizeof(*tokens));
    reads->tokens = tokens;
    reads->capacity = capacity;
    reads->head = 0;
    return 0;
}

static int take(struct node *node, uint64_t token, bool is_by_round, struct node_time time)
{
    if (node->phase == NODE_STOPPED) {
        return QR_ERR_STOPPED;
    }
    if (node_is_isolated(node) && !MUTANT(DIVERGED_READS)) {
        return QR_ERR_DIVERGED;
    }
    node->time = time;
    int status = make_room(node);
    if (status != 0) {
        return status;
    }
    struct node_reads *reads = &node->reads;
    struct node_read_group *group = open_group(node);
    if (group == NULL) {
        return QR_ERR_BUSY;
    }
    reads->tokens[(reads->head + reads->count++) % reads->capacity] = token;
    group->count++;
    group->is_by_round = group->is_by_round || is_by_round; /* for all of them, then */
    return 0;
}

int node_read(struct node *node, uint64_t token, struct node_time time)
{
    return take(node, token, false, time);
}

int node_read_by_round(struct node *node, uint64_t token, struct node_time time)
{
    return take(node, token, true, time);
}

void node_read_for_nobody(struct node *node)
{
    if (make_room(node) == 0) { /* groups stand in the ring of tokens, also without any */
        (void)open_group(node);
    }
}

static bool ask(struct node *node, const struct raft_status *now, struct node_read_group *group)
{
    group->request =
        (node->next_request++ & ~(REMOTE_TOKEN | BY_ROUND)) | (group->is_by_round ? BY_ROUND : 0);
    group->is_asked_here = now->role == RAFT_LEADER;
    if (group->is_asked_here) {
        int status =
            node_step(node, (struct raft_event){.type = read_event(node, group->is_by_round),
                                                .read_token = group->request});
        return status == 0;
    }
    struct wire_message message = {
        .type = WIRE_READ,
        .read = {.from = node->identity.id, .request = group->request},
    };
    return now->has_leader && node_send(node, now->leader, &message);
}

/* Whether to ask again: another leader may never answer, and is no longer one if we are. */
static bool is_overdue(const struct node *node, const struct raft_status *now,
                       const struct node_read_group *group)
{
    if (group->state != NODE_READ_ASKED) {
        return false;
    }
    return now->role == RAFT_LEADER
               ? !group->is_asked_here
               : node->time.now_ns - group->asked_ns >= node->options.election_timeout_max_ns;
}

/* The leader of this term was asked just now, and refused: it leads no more, or is busy. */
static bool is_too_early(const struct node *node, const struct raft_status *now,
                         const struct node_read_group *group)
{
    return group->asked_term == now->term && group->asked_ns != 0 &&
           node->time.now_ns - group->asked_ns < node->options.heartbeat_interval_ns;
}

/* Ask for every group that waits for a leader, and again where an answer is overdue. */
void node_flush_reads(struct node *node)
{
    node->reads.is_open = false;
    const struct raft_status now = *node_raft_status(node);
    for (size_t i = 0; i < node->reads.group_count && node_is_running(node); i++) {
        struct node_read_group *group = group_at(node, i);
        if (is_overdue(node, &now, group)) {
            group->state = NODE_READ_HELD;
        }
        if (group->state != NODE_READ_HELD || is_too_early(node, &now, group)) {
            continue;
        }
        if (ask(node, &now, group)) {
            group->state = NODE_READ_ASKED;
            group->asked_ns = node->time.now_ns;
            group->asked_term = now.term;
        }
    }
}

static struct node_read_group *find_group(struct node *node, uint64_t request)
{
    for (size_t i = 0; i < node->reads.group_count; i++) {
        struct node_read_group *group = group_at(node, i);
        if (group->state == NODE_READ_ASKED &&
            (group->request == request || MUTANT(READ_ANSWER_REUSED))) {
            return group;
        }
    }
    return NULL;
}

static void confirm(struct node_read_group *group, int status, raft_index index)
{
    if (status == 0) {
        group->state = NODE_READ_CONFIRMED;
        group->index = index;
    } else {
        group->state = NODE_READ_HELD; /* leadership moved: ask whoever leads now */
    }
}

/* A question of a member, by the slot it waits in: who asked, and its number. */
static void answer_member(struct node *node, const struct raft_read *read)
{
    struct node_remote_read *remote = &node->remote_reads[read->token & ~REMOTE_TOKEN];
    ASSERT(remote->is_used);
    remote->is_used = false;
    struct wire_message message = {
        .type = WIRE_READ_RESPONSE,
        .read_response = {.from = node->identity.id,
                          .request = remote->request,
                          .status = read->status,
                          .index = read->index},
    };
    (void)node_send(node, remote->from, &message);
    if (read->status == 0 && node_is_running(node)) {
        /* It can answer only what it knows to be committed: tell it soon. */
        node_notify(node, remote->from, read->index);
        node->needs_turn = true;
    }
}

void node_reads_confirmed(struct node *node, const struct raft_read *reads, size_t count)
{
    /* Copied first: stepping the machine ends what its ready lent. */
    while (count > 0 && node_is_running(node)) {
        struct raft_read batch[64];
        size_t taken = min_u64(count, sizeof(batch) / sizeof(batch[0]));
        memcpy(batch, reads, taken * sizeof(*batch));
        for (size_t i = 0; i < taken; i++) {
            if ((batch[i].token & REMOTE_TOKEN) != 0) {
                node->answers[node->answer_count++] = batch[i];
                continue;
            }
            struct node_read_group *group = find_group(node, batch[i].token);
            if (group != NULL) {
                confirm(group, batch[i].status, batch[i].index);
            }
        }
        reads += taken;
        count -= taken;
    }
    for (size_t i = 0; i < node->answer_count; i++) {
        answer_member(node, &node->answers[i]);
    }
    node->answer_count = 0;
}

void node_on_read_request(struct node *node, node_id from, const struct wire_read *request)
{
    int status = QR_ERR_BUSY;
    for (size_t i = 0; i < NODE_REMOTE_READS_MAX; i++) {
        struct node_remote_read *remote = &node->remote_reads[i];
        if (remote->is_used) {
            continue;
        }
        status = node_step(
            node, (struct raft_event){.type = read_event(node, (request->request & BY_ROUND) != 0),
                                      .read_token = i | REMOTE_TOKEN});
        if (status == 0) {
            *remote = (struct node_remote_read){true, from, request->request};
            return;
        }
        break;
    }
    struct wire_message message = {
        .type = WIRE_READ_RESPONSE,
        .read_response = {.from = node->identity.id, .request = request->request, .status = status},
    };
    (void)node_send(node, from, &message);
}

void node_on_read_response(struct node *node, const struct wire_read_response *response)
{
    struct node_read_group *group = find_group(node, response->request);
    if (group != NULL) {
        confirm(group, response->status, response->index);
    }
}

static void finish_group(struct node *node, struct node_read_group *group, size_t token_offset,
                         int status)
{
    struct node_reads *reads = &node->reads;
    raft_index index = group->index;
    size_t count = group->count;
    group->state = NODE_READ_DONE;
    for (size_t i = 0; i < count; i++) {
        uint64_t token = reads->tokens[(reads->head + token_offset + i) % reads->capacity];
        node->options.io.read_done(node->options.io.context, token, status, index);
    }
}

/* Forget finished groups, oldest first. */
static void drop_done(struct node *node)
{
    struct node_reads *reads = &node->reads;
    while (reads->group_count > 0 && group_at(node, 0)->state == NODE_READ_DONE) {
        size_t count = group_at(node, 0)->count;
        reads->head = (reads->head + count) % reads->capacity;
        reads->count -= count;
        reads->group_head = (reads->group_head + 1) % NODE_READ_GROUPS_MAX;
        reads->group_count--;
        reads->is_open = reads->is_open && reads->group_count > 0;
    }
}

static int verdict(const struct node *node, const struct node_read_group *group, raft_index applied)
{
    if (group->state == NODE_READ_CONFIRMED &&
        (group->index <= applied || MUTANT(READ_BEFORE_APPLIED))) {
        return 0;
    }
    if (group->state == NODE_READ_HELD && node->time.now_ns >= group->hold_until_ns) {
        return QR_ERR_NO_LEADER;
    }
    return node->time.now_ns >= group->deadline_ns ? QR_ERR_TIMEOUT : QR_ERR_PENDING;
}

void node_finish_reads(struct node *node)
{
    /* A state machine that is being restored stands nowhere. */
    bool is_nowhere = node_is_restoring(node);
    raft_index applied = is_nowhere ? 0 : node_raft_status(node)->applied_index;
    size_t token_offset = 0;
    for (size_t i = 0; i < node->reads.group_count; i++) {
        struct node_read_group *group = group_at(node, i);
        int status =
            group->state == NODE_READ_DONE ? QR_ERR_PENDING : verdict(node, group, applied);
        if (status == 0) {
            node_stale_proved(node, MUTANT(AGE_FROM_ANSWER) ? node->time.now_ns : group->asked_ns);
        }
        if (status != QR_ERR_PENDING) {
            finish_group(node, group, token_offset, status);
        }
        token_offset += group->count;
    }
    drop_done(node);
}

void node_fail_reads(struct node *node, int status)
{
    size_t token_offset = 0;
    for (size_t i = 0; i < node->reads.group_count; i++) {
        struct node_read_group *group = group_at(node, i);
        if (group->state != NODE_READ_DONE) {
            finish_group(node, group, token_offset, status);
        }
        token_offset += group->count;
    }
    drop_done(node);
}

void node_reads_deinit(struct node *node)
{
    release(node->options.allocator, node->reads.tokens,
            node->reads.capacity * sizeof(*node->reads.tokens));
}

time_ns node_reads_deadline(const struct node *node)
{
    if (node->reads.group_count == 0) {
        return TIME_NEVER;
    }
    const struct node_read_group *oldest = &node->reads.groups[node->reads.group_head];
    if (oldest->state == NODE_READ_HELD) {
        return min_u64(oldest->hold_until_ns,
                       node->time.now_ns + node->options.heartbeat_interval_ns);
    }
    return min_u64(oldest->deadline_ns, node->time.now_ns + node->options.election_timeout_max_ns);
}
