/* members.c: who is let into the cluster, and how a learner becomes a voter.
 *
 * All of it goes through the log, one change at a time: a newcomer is added as a learner,
 * and promoted once it has had, at several checks one after another, what was committed a check
 * ago (diss. §4.2.1: a round of the last entries takes less than an election timeout).
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "base/mutant.h"
#include "base/text.h"
#include "node/internal.h"
#include "quorate/error.h"

#define ANNOUNCE_NS NS_PER_S
#define PROMOTE_CHECKS 3 /* an election timeout apart */

static void copy_text(char *to, size_t to_bytes, const char *from)
{
    struct text text = text_of(to, to_bytes);
    text_string(&text, from);
}

static bool is_same(const struct raft_member *member, const struct wire_join *request)
{
    return text_equal(member->name, request->name) &&
           text_equal(member->address, request->address) && text_equal(member->meta, request->meta);
}

static void answer(struct node *node, const struct node_join *join, int status, const char *reason)
{
    struct wire_message message = {.type = WIRE_JOIN_RESPONSE};
    struct wire_join_response *response = &message.join_response;
    const struct raft_status *now = node_raft_status(node);
    response->status = status;
    response->cluster = node->identity.cluster;
    copy_text(response->reason, sizeof(response->reason), reason);
    if (now->has_leader && now->role != RAFT_LEADER) {
        const char *address = node_member_address(node, now->leader);
        copy_text(response->leader_address, sizeof(response->leader_address),
                  address == NULL ? "" : address);
    }
    struct wire_frame *frame =
        join->connection == 0 ? NULL : wire_encode(node->options.allocator, &message);
    if (frame != NULL) {
        node->options.io.reply(node->options.io.context, join->connection, frame);
    }
}

static void finish_join(struct node *node, struct node_join *join, int status, const char *reason)
{
    answer(node, join, status, reason);
    join->is_used = false;
}

void node_refuse_joins(struct node *node, int status, const char *reason)
{
    for (size_t i = 0; i < NODE_JOINS_MAX; i++) {
        if (node->joins[i].is_used) {
            finish_join(node, &node->joins[i], status, reason);
        }
    }
}

void node_on_join(struct node *node, uint64_t connection, const struct wire_join *request)
{
    struct node_join join = {
        .is_used = true,
        .connection = connection,
        .request = *request,
        .deadline_ns = node->time.now_ns + node->options.proposal_timeout_ns,
    };
    if (!raft_is_leader(node->raft)) {
        answer(node, &join, QR_ERR_NOT_LEADER, "this node is not the leader");
        return;
    }
    struct node_join *free_slot = NULL;
    for (size_t i = 0; i < NODE_JOINS_MAX; i++) {
        struct node_join *slot = &node->joins[i];
        if (slot->is_used && slot->request.from == request->from) {
            *slot = join; /* asked again, on another connection perhaps */
            return;
        }
        if (!slot->is_used && free_slot == NULL) {
            free_slot = slot;
        }
    }
    if (free_slot == NULL) {
        answer(node, &join, QR_ERR_BUSY, "too many nodes join at once");
        return;
    }
    *free_slot = join;
}

/* By their names, as people know them: "n1, n2, n3 (learner)". */
static void log_configuration(const struct node *node)
{
    const struct raft_configuration *now = node_configuration(node);
    char line[512];
    struct text text = text_of(line, sizeof(line));

    for (size_t i = 0; i < now->count; i++) {
        const struct raft_member *member = &now->members[i];
        text_string(&text, i == 0 ? "" : ", ");
        text_string(&text, member->name);
        if ((member->roles & RAFT_VOTER) == 0) {
            bool is_outgoing = (member->roles & RAFT_VOTER_OUTGOING) != 0;
            text_string(&text, is_outgoing ? " (outgoing)" : " (learner)");
        }
    }
    LOG(node->options.log, LOG_INFO, "configuration_proposed", log_u64("index", now->index),
        log_string("members", line));
}

int node_configure(struct node *node, const struct raft_configuration *next)
{
    if (!node_has_room(node, RAFT_CONFIGURATION_BYTES_MAX)) {
        return QR_ERR_DISK_FULL;
    }
    int status =
        node_step(node, (struct raft_event){.type = RAFT_EVENT_CONFIGURE, .configuration = next});
    if (status == 0) {
        node->unsaved_bytes += RAFT_CONFIGURATION_BYTES_MAX;
        log_configuration(node);
    }
    return status;
}

/* The configuration with this member added, or its record changed. */
static int propose_member(struct node *node, const struct wire_join *request)
{
    struct raft_configuration next = *node_configuration(node);
    int at = raft_configuration_find(&next, request->from);
    if (at < 0) {
        if (next.count == RAFT_MEMBERS_MAX) {
            return QR_ERR_TOO_LARGE;
        }
        at = (int)next.count++;
        memset(&next.members[at], 0, sizeof(next.members[at]));
        next.members[at].id = request->from;
        next.members[at].roles = request->wants_vote ? RAFT_PROMOTABLE : 0;
        next.members[at].priority = RAFT_PRIORITY_ORDINARY;
    }
    copy_text(next.members[at].name, sizeof(next.members[at].name), request->name);
    copy_text(next.members[at].address, sizeof(next.members[at].address), request->address);
    copy_text(next.members[at].meta, sizeof(next.members[at].meta), request->meta);
    return node_configure(node, &next);
}

/* One step of a join: propose, wait for the commit, answer. */
static void advance_join(struct node *node, struct node_join *join)
{
    const struct raft_configuration *configuration = node_configuration(node);
    int named = raft_configuration_find_name(configuration, join->request.name);
    int at = raft_configuration_find(configuration, join->request.from);
    if (at < 0 && join->connection == 0 && !MUTANT(ANNOUNCEMENT_ADDS)) {
        /* It was removed meanwhile, has not heard of it, or had not when it sent this. */
        finish_join(node, join, QR_ERR_FOREIGN, "no such member");
        return;
    }
    if (named >= 0 && named != at) {
        finish_join(node, join, QR_ERR_FOREIGN,
                    "another member has this name; choose another one, or remove that member");
        return;
    }
    if (at >= 0 && is_same(&configuration->members[at], &join->request)) {
        if (raft_configuration_is_committed(node->raft)) {
            finish_join(node, join, 0, "");
        }
        return;
    }
    if (node->time.now_ns >= join->deadline_ns) {
        finish_join(node, join, QR_ERR_BUSY, "other changes of the cluster took too long");
        return;
    }
    int status = propose_member(node, &join->request);
    if (status != 0 && status != QR_ERR_PENDING && node_is_running(node)) {
        finish_join(node, join, status, qr_error_text(status));
    }
}

/* It answers, and has what was committed at the last check. */
bool node_has_caught_up(const struct node *node, node_id id)
{
    struct raft_peer_status peer;
    return raft_peer_status(node->raft, id, &peer) && peer.heard_ns != 0 &&
           node->time.now_ns - peer.heard_ns < node->options.election_timeout_min_ns &&
           peer.state == RAFT_REPLICATE && node->promote_goal > 0 &&
           peer.match_index >= node->promote_goal;
}

/* Count the checks that each learner to be promoted passed one after another. */
static void check_learners(struct node *node, const struct raft_configuration *configuration)
{
    if (configuration->index != node->promote_configuration) {
        node->promote_configuration = configuration->index;
        memset(node->promote_checks, 0, sizeof(node->promote_checks));
    }
    for (size_t i = 0; i < configuration->count; i++) {
        const struct raft_member *member = &configuration->members[i];
        bool has_passed =
            (member->roles & RAFT_PROMOTABLE) != 0 && node_has_caught_up(node, member->id);
        uint8_t count = node->promote_checks[i];
        node->promote_checks[i] =
            !has_passed ? 0 : (uint8_t)(count + (count < PROMOTE_CHECKS ? 1 : 0));
    }
}

/* Make one learner a voter that is to become one, has caught up, and stays so. */
static void promote(struct node *node)
{
    const struct raft_status now = *node_raft_status(node);
    const struct raft_configuration *configuration = node_configuration(node);
    check_learners(node, configuration);
    for (size_t i = 0; i < configuration->count; i++) {
        if (node->promote_checks[i] == PROMOTE_CHECKS) {
            struct raft_configuration next = *configuration;
            next.members[i].roles = RAFT_VOTER;
            if (node_configure(node, &next) == 0 || !node_is_running(node)) {
                break; /* refused: the next check tries again */
            }
        }
    }
    node->promote_goal = now.has_committed_in_term ? now.commit_index : 0;
    node->promote_due_ns = node->time.now_ns + node->options.election_timeout_min_ns;
}

/* A member whose address or meta is another than the configuration says tells the leader. */
static void announce(struct node *node)
{
    const struct raft_configuration *configuration = node_configuration(node);
    int at = raft_configuration_find(configuration, node->identity.id);
    if (at < 0) {
        return;
    }
    struct wire_message message = {.type = WIRE_JOIN};
    struct wire_join *request = &message.join;
    request->from = node->identity.id;
    copy_text(request->name, sizeof(request->name), node->name);
    copy_text(request->address, sizeof(request->address), node->address);
    copy_text(request->meta, sizeof(request->meta), node->meta);
    if (is_same(&configuration->members[at], request)) {
        return;
    }
    const struct raft_status *now = node_raft_status(node);
    node->announce_due_ns = node->time.now_ns + ANNOUNCE_NS;
    int named = raft_configuration_find_name(configuration, node->name);
    if (now->role == RAFT_LEADER && (named < 0 || named == at)) {
        (void)propose_member(node, request); /* refused: tried again a second later */
    } else if (now->has_leader && now->role != RAFT_LEADER) {
        (void)node_send(node, now->leader, &message);
    }
}

static void tell_members(struct node *node)
{
    const struct raft_configuration *configuration = node_configuration(node);
    raft_term term = node->told_configuration_term;
    bool is_known = raft_term_at(node->raft, configuration->index, &term);
    ASSERT(is_known || configuration->index < node_raft_status(node)->base.index);
    /* Another leader's may have taken the place, and the index, of the one that was told; not
     * where the log is compacted.
     */
    if (node->has_told_configuration && configuration->index == node->told_configuration &&
        term == node->told_configuration_term) {
        return;
    }
    node->has_told_configuration = true;
    node->told_configuration_term = term;
    node->told_configuration = configuration->index;
    node->options.io.members(node->options.io.context, configuration);
}

void node_members_turn(struct node *node)
{
    if (raft_is_leader(node->raft)) {
        for (size_t i = 0; i < NODE_JOINS_MAX && node_is_running(node); i++) {
            if (node->joins[i].is_used) {
                advance_join(node, &node->joins[i]);
            }
        }
        if (node_is_running(node) && node->time.now_ns >= node->promote_due_ns) {
            promote(node);
        }
    }
    if (node_is_running(node) && node->time.now_ns >= node->announce_due_ns) {
        announce(node);
    }
    if (node_is_running(node)) {
        tell_members(node);
    }
}

static bool has_promotable(const struct node *node)
{
    const struct raft_configuration *configuration = node_configuration(node);
    for (size_t i = 0; i < configuration->count; i++) {
        if ((configuration->members[i].roles & RAFT_PROMOTABLE) != 0) {
            return true;
        }
    }
    return false;
}

time_ns node_members_deadline(const struct node *node)
{
    time_ns deadline = TIME_NEVER;
    if (!raft_is_leader(node->raft)) {
        return deadline;
    }
    if (has_promotable(node)) {
        deadline = node->promote_due_ns;
    }
    for (size_t i = 0; i < NODE_JOINS_MAX; i++) {
        if (node->joins[i].is_used) {
            deadline = min_u64(deadline, node->time.now_ns + node->options.heartbeat_interval_ns);
        }
    }
    return deadline;
}
