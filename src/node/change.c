/* change.c: changes of the members and of the leader, from the question to the answer.
 *
 *   held    certainly not begun: no leader is known, or another change is under way
 *   sent    the leader was asked. It is asked once: an answer that is lost leaves the outcome
 *           unknown, for a change is not done twice
 *   begun   here, as leader: ends when its configuration is committed and not joint any more,
 *           or when somebody else leads
 *
 * A leader that is to lose its own vote hands over first, and lets the next one do it.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "node/internal.h"
#include "quorate/error.h"

static void say(struct node_change_wait *wait, const char *reason)
{
    struct text text = text_of(wait->result.reason, sizeof(wait->result.reason));
    text_string(&text, reason);
}

static void answer(struct node *node, const struct wire_change *change, int status,
                   const struct node_change_result *result)
{
    struct wire_message message = {.type = WIRE_CHANGE_RESPONSE};
    message.change_response = (struct wire_change_response){
        .from = node->identity.id,
        .request = change->request,
        .status = status,
        .tolerated_before = result->tolerated_before,
        .tolerated_after = result->tolerated_after,
    };
    struct text text =
        text_of(message.change_response.reason, sizeof(message.change_response.reason));
    text_string(&text, result->reason);
    (void)node_send(node, change->from, &message);
}

static void finish(struct node *node, struct node_change_wait *wait, int status)
{
    wait->state = NODE_CHANGE_FREE;
    if (wait->result.reason[0] == '\0') {
        say(wait, status == 0 ? "done" : qr_error_text(status));
    }
    if (wait->is_remote) {
        answer(node, &wait->change, status, &wait->result);
    } else if (wait->is_by_itself) {
        node_removal_ended(node, wait, status);
    } else {
        node->options.io.change_done(node->options.io.context, wait->token, status, &wait->result);
    }
}

static struct node_change_wait *free_place(struct node *node)
{
    for (size_t i = 0; i < NODE_CHANGES_MAX; i++) {
        if (node->changes[i].state == NODE_CHANGE_FREE) {
            return &node->changes[i];
        }
    }
    return NULL;
}

static bool is_of_members(const struct wire_change *change)
{
    return change->promoted[0] != '\0' || change->demoted[0] != '\0' ||
           change->removed[0] != '\0' || change->prioritized[0] != '\0';
}

static struct node_change_wait *begin(struct node *node, const struct wire_change *change)
{
    struct node_change_wait *wait = free_place(node);
    if (wait != NULL) {
        *wait = (struct node_change_wait){
            .state = NODE_CHANGE_HELD,
            .change = *change,
            .deadline_ns = node->time.now_ns + node->options.proposal_timeout_ns,
        };
        node->needs_turn = true;
    }
    return wait;
}

int node_change(struct node *node, const struct wire_change *change, uint64_t token,
                struct node_time time)
{
    if (node->phase == NODE_STOPPED) {
        return QR_ERR_STOPPED;
    }
    if (is_of_members(change) == (change->transferee[0] != '\0')) {
        return QR_ERR_INVALID;
    }
    node->time = time;
    struct node_change_wait *wait = begin(node, change);
    if (wait == NULL) {
        return QR_ERR_BUSY;
    }
    wait->token = token;
    return 0;
}

bool node_change_by_itself(struct node *node, const struct wire_change *change)
{
    struct node_change_wait *wait = begin(node, change);
    if (wait != NULL) {
        wait->is_by_itself = true;
    }
    return wait != NULL;
}

/* Whom the change leaves a vote, and who could lead at once; NULL: nobody. */
static const struct raft_member *find_heir(const struct node *node,
                                           const struct raft_configuration *next)
{
    const struct raft_member *heir = NULL;
    for (size_t i = 0; i < next->count; i++) {
        const struct raft_member *member = &next->members[i];
        struct node_difference difference;
        bool is_fit = raft_configuration_may_lead(next, member->id) &&
                      raft_configuration_may_lead(node_configuration(node), member->id) &&
                      node_has_caught_up(node, member->id) &&
                      !node_member_differs(node, member->id, &difference);
        if (is_fit && (heir == NULL || member->priority > heir->priority)) {
            heir = member;
        }
    }
    return heir;
}

/* Before this node takes its own vote somebody else is to lead, and to do it. Tried once in a
 * term: a leader that finds nobody does it itself, and steps down behind it.
 */
static bool resigns(struct node *node, const struct raft_configuration *next)
{
    raft_term term = node_raft_status(node)->term;
    node_id self = node->identity.id;
    bool is_leaving = raft_configuration_is_voter(node_configuration(node), self) &&
                      !raft_configuration_is_voter(next, self);
    const struct raft_member *heir = is_leaving ? find_heir(node, next) : NULL;
    if (heir == NULL || node->resigned_term == term) {
        return false;
    }
    node->resigned_term = term;
    return node_step(node, (struct raft_event){.type = RAFT_EVENT_TRANSFER,
                                               .transfer_to = heir->id}) == 0;
}

/* Begin again later, or elsewhere: nothing was done yet. */
static void hold(struct node *node, struct node_change_wait *wait)
{
    wait->state = NODE_CHANGE_HELD;
    wait->retry_ns = node->time.now_ns + node->options.heartbeat_interval_ns;
    wait->result = (struct node_change_result){0};
}

static void begin_transfer(struct node *node, struct node_change_wait *wait)
{
    const struct raft_configuration *now = node_configuration(node);
    int at = raft_configuration_find_name(now, wait->change.transferee);
    if (at < 0) {
        say(wait, "no member has that name");
        finish(node, wait, QR_ERR_NOT_FOUND);
        return;
    }
    node_id to = now->members[at].id;
    if (to == node->identity.id) {
        say(wait, "it leads already");
        finish(node, wait, 0);
        return;
    }
    if (!raft_configuration_may_lead(now, to)) {
        say(wait, "it is no voter, or its priority is 0");
        finish(node, wait, QR_ERR_INVALID);
        return;
    }
    struct node_difference difference;
    if (node_member_differs(node, to, &difference)) {
        say(wait, "its state differs from that of the others");
        finish(node, wait, QR_ERR_BEHIND);
        return;
    }
    if (wait->change.is_dry_run && node_has_caught_up(node, to)) {
        finish(node, wait, 0);
        return;
    }
    int status =
        wait->change.is_dry_run
            ? QR_ERR_BEHIND
            : node_step(node, (struct raft_event){.type = RAFT_EVENT_TRANSFER, .transfer_to = to});
    if (status == QR_ERR_PENDING) {
        hold(node, wait);
    } else if (status != 0) {
        say(wait, "it does not answer, or is far behind");
        finish(node, wait, status);
    } else {
        wait->state = NODE_CHANGE_BEGUN;
        wait->transferee = to;
    }
}

static void begin_members(struct node *node, struct node_change_wait *wait)
{
    struct raft_configuration next;
    int status = node_change_plan(node, &wait->change, &next, &wait->result);
    if (status == 0 && wait->is_by_itself) {
        status = node_removal_judge(node, &next, &wait->result);
    }
    if (status == QR_ERR_PENDING) {
        hold(node, wait);
        return;
    }
    bool is_same = memcmp(&next, node_configuration(node), sizeof(next)) == 0;
    if (status == 0 && is_same && !wait->change.is_dry_run &&
        !raft_configuration_is_committed(node->raft)) {
        hold(node, wait); /* somebody else's, and it may come to nothing */
        return;
    }
    if (status != 0 || wait->change.is_dry_run || is_same) {
        finish(node, wait, status);
        return;
    }
    if (resigns(node, &next)) {
        if (wait->is_remote) {
            finish(node, wait, QR_ERR_NOT_LEADER);
        } else {
            hold(node, wait);
        }
        return;
    }
    status = node_is_running(node) ? node_configure(node, &next) : QR_ERR_STOPPED;
    if (status == QR_ERR_PENDING) {
        hold(node, wait);
    } else if (status == 0) {
        wait->state = NODE_CHANGE_BEGUN;
        wait->index = node_configuration(node)->index;
        bool is_known = raft_term_at(node->raft, wait->index, &wait->term);
        ASSERT(is_known);
    } else if (node->phase != NODE_STOPPED) { /* else it was told */
        say(wait, qr_error_text(status));
        finish(node, wait, status);
    }
}

static void send(struct node *node, struct node_change_wait *wait, node_id leader)
{
    struct wire_message message = {.type = WIRE_CHANGE, .change = wait->change};
    wait->request = node->next_request++;
    message.change.from = node->identity.id;
    message.change.request = wait->request;
    if (node_send(node, leader, &message)) {
        wait->state = NODE_CHANGE_SENT;
    } else {
        hold(node, wait);
    }
}

static void advance_held(struct node *node, struct node_change_wait *wait)
{
    const struct raft_status *now = node_raft_status(node);
    if (!node_is_running(node) || node->time.now_ns < wait->retry_ns) {
        return;
    }
    if (now->role != RAFT_LEADER) {
        if (wait->is_remote || wait->is_by_itself) {
            finish(node, wait, QR_ERR_NOT_LEADER);
        } else if (now->has_leader) {
            send(node, wait, now->leader);
        }
    } else if (now->is_transferring) {
        hold(node, wait);
    } else if (wait->change.transferee[0] != '\0') {
        begin_transfer(node, wait);
    } else {
        begin_members(node, wait);
    }
}

static void advance_begun(struct node *node, struct node_change_wait *wait)
{
    const struct raft_status *now = node_raft_status(node);
    const struct raft_configuration *configuration = node_configuration(node);
    if (wait->index > 0) {
        raft_term term = 0;
        bool is_there = raft_term_at(node->raft, wait->index, &term) && term == wait->term;
        if (is_there && configuration->index >= wait->index &&
            raft_configuration_is_committed(node->raft) &&
            !raft_configuration_is_joint(configuration)) {
            finish(node, wait, 0);
        } else if (now->role != RAFT_LEADER) {
            say(wait, "leadership moved while the change was under way: look who is a member");
            finish(node, wait, QR_ERR_TIMEOUT);
        }
        return;
    }
    if (now->role == RAFT_LEADER && !now->is_transferring) {
        /* It may have been told to, and be late: nothing calls that back. */
        say(wait, "it did not take over within an election timeout, and may yet: look who leads");
        finish(node, wait, QR_ERR_TIMEOUT);
    } else if (now->role != RAFT_LEADER && now->has_leader) {
        say(wait, now->leader == wait->transferee ? "it leads" : "another member leads now");
        finish(node, wait, now->leader == wait->transferee ? 0 : QR_ERR_BEHIND);
    }
}

static void expire(struct node *node, struct node_change_wait *wait)
{
    if (wait->state != NODE_CHANGE_HELD) {
        say(wait, "no answer in time; the outcome is unknown: look who is a member");
        finish(node, wait, QR_ERR_TIMEOUT);
        return;
    }
    bool has_leader = node_raft_status(node)->has_leader;
    say(wait, has_leader ? "other changes took too long" : "no leader is known");
    finish(node, wait, has_leader ? QR_ERR_BUSY : QR_ERR_NO_LEADER);
}

void node_changes_turn(struct node *node)
{
    for (size_t i = 0; i < NODE_CHANGES_MAX && node->phase != NODE_STOPPED; i++) {
        struct node_change_wait *wait = &node->changes[i];
        if (wait->state == NODE_CHANGE_BEGUN) {
            advance_begun(node, wait);
        } else if (wait->state == NODE_CHANGE_HELD) {
            advance_held(node, wait);
        }
        if (wait->state != NODE_CHANGE_FREE && node->time.now_ns >= wait->deadline_ns) {
            expire(node, wait);
        }
    }
}

void node_fail_changes(struct node *node)
{
    for (size_t i = 0; i < NODE_CHANGES_MAX; i++) {
        struct node_change_wait *wait = &node->changes[i];
        if (wait->state == NODE_CHANGE_HELD) {
            finish(node, wait, QR_ERR_STOPPED);
        } else if (wait->state != NODE_CHANGE_FREE) {
            say(wait, "this node stopped while the change was under way: look who is a member");
            finish(node, wait, QR_ERR_TIMEOUT);
        }
    }
}

time_ns node_changes_deadline(const struct node *node)
{
    time_ns deadline = TIME_NEVER;
    for (size_t i = 0; i < NODE_CHANGES_MAX; i++) {
        const struct node_change_wait *wait = &node->changes[i];
        if (wait->state == NODE_CHANGE_HELD) {
            time_ns soon = node->time.now_ns + node->options.heartbeat_interval_ns;
            deadline = min_u64(deadline, max_u64(wait->retry_ns, soon));
        }
        if (wait->state != NODE_CHANGE_FREE) {
            deadline = min_u64(deadline, wait->deadline_ns);
        }
    }
    return deadline;
}

/* A member asks us as leader. A question that came twice is under way already. */
void node_on_change(struct node *node, node_id from, const struct wire_change *change)
{
    const struct raft_status *now = node_raft_status(node);
    const struct node_change_result nothing = {0};
    if (change->from != from || is_of_members(change) == (change->transferee[0] != '\0')) {
        return; /* no node of ours sends that */
    }
    if (now->role != RAFT_LEADER || now->is_transferring) {
        answer(node, change, QR_ERR_NOT_LEADER, &nothing);
        return;
    }
    for (size_t i = 0; i < NODE_CHANGES_MAX; i++) {
        const struct node_change_wait *wait = &node->changes[i];
        if (wait->state != NODE_CHANGE_FREE && wait->is_remote && wait->change.from == from &&
            wait->change.request == change->request) {
            return;
        }
    }
    struct node_change_wait *wait = begin(node, change);
    if (wait == NULL) {
        answer(node, change, QR_ERR_BUSY, &nothing);
        return;
    }
    wait->is_remote = true;
}

void node_on_change_response(struct node *node, const struct wire_change_response *response)
{
    for (size_t i = 0; i < NODE_CHANGES_MAX; i++) {
        struct node_change_wait *wait = &node->changes[i];
        if (wait->state != NODE_CHANGE_SENT || wait->request != response->request) {
            continue;
        }
        if (response->status == QR_ERR_NOT_LEADER) {
            hold(node, wait);
            return;
        }
        wait->result.tolerated_before = response->tolerated_before;
        wait->result.tolerated_after = response->tolerated_after;
        say(wait, response->reason);
        finish(node, wait, response->status);
        return;
    }
}
