/* join.c: a node without a cluster asks the members it was told of to take it in. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "base/mutant.h"
#include "base/text.h"
#include "node/internal.h"
#include "quorate/error.h"

#define RETRY_NS_MIN (100 * NS_PER_MS)
#define RETRY_NS_MAX (400 * NS_PER_MS)
#define ANSWER_NS_MAX (10 * NS_PER_S)

/* The next address of the list, around and around. Returns false for an empty one. */
static bool next_seed(struct node *node, char *out, size_t out_bytes)
{
    const char *list = node->options.join;
    if (list[node->seed_position] == '\0') {
        node->seed_position = 0;
    }
    struct text text = text_of(out, out_bytes);
    while (list[node->seed_position] != '\0' && list[node->seed_position] != ',') {
        text_char(&text, list[node->seed_position++]);
    }
    if (list[node->seed_position] == ',') {
        node->seed_position++;
    }
    return text.length > 0 && !text.truncated;
}

static void try_again_later(struct node *node)
{
    node->seed_state = NODE_SEED_IDLE;
    node->seed_due_ns = node->time.now_ns + prng_between(&node->prng, RETRY_NS_MIN, RETRY_NS_MAX);
}

/* "10.0.0.1:7700: another member has this name …" */
static void note_failure(struct node *node, int status, const char *reason)
{
    struct text text = text_of(node->join_reason, sizeof(node->join_reason));
    node->join_status = status;
    text_string(&text, node->seed_address);
    text_string(&text, ": ");
    text_string(&text, reason);
}

/* It tries several times a second, and tells once. */
static bool may_log(struct node *node)
{
    if (node->time.now_ns < node->join_log_due_ns) {
        return false;
    }
    node->join_log_due_ns = node->time.now_ns + NS_PER_S;
    return true;
}

/* Every other time, where the members say that the leader is: whoever is listed may be none that
 * can take it in, or know no leader.
 */
static bool next_by_gossip(struct node *node)
{
    node_id leader = 0;
    raft_term term = 0;
    node->joins_by_gossip = !node->joins_by_gossip;
    if (node->was_told_otherwise && cluster_id_is_none(node->invited.cluster)) {
        return false; /* what gossip found may be of the cluster that it was told of before */
    }
    if (!node->joins_by_gossip || !node_leader(node, &leader, &term)) {
        return false;
    }
    const char *address = node_member_address(node, leader);
    struct text text = text_of(node->seed_address, sizeof(node->seed_address));
    text_string(&text, address == NULL ? "" : address);
    return text.length > 0;
}

void node_join_turn(struct node *node)
{
    if (node->time.now_ns < node->seed_due_ns) {
        return;
    }
    if (node->seed_hint[0] != '\0') {
        memcpy(node->seed_address, node->seed_hint, sizeof(node->seed_address));
        node->seed_hint[0] = '\0';
    } else if (!next_by_gossip(node) &&
               !next_seed(node, node->seed_address, sizeof(node->seed_address))) {
        try_again_later(node);
        return;
    }
    LOG(node->options.log, LOG_DEBUG, "join_dialing", log_string("address", node->seed_address));
    node->seed_state = NODE_SEED_DIALING;
    node->seed_due_ns = node->time.now_ns + ANSWER_NS_MAX;
    node->options.io.dial_seed(node->options.io.context, node->seed_address);
}

void node_seed_ready(struct node *node, struct node_time time)
{
    node->time = time;
    if (node_is_running(node)) {
        node_invite_ready(node);
    }
    if (node->phase != NODE_JOINING) {
        return;
    }
    struct wire_message message = {.type = WIRE_JOIN};
    struct wire_join *join = &message.join;
    join->from = node->identity.id;
    join->wants_vote = !node->asks_no_vote;
    memcpy(join->name, node->name, sizeof(join->name));
    memcpy(join->address, node->address, sizeof(join->address));
    memcpy(join->meta, node->meta, sizeof(join->meta));
    struct wire_frame *frame = wire_encode(node->options.allocator, &message);
    if (frame == NULL) {
        try_again_later(node);
        return;
    }
    node->seed_state = NODE_SEED_ASKED;
    node->options.io.send_seed(node->options.io.context, frame);
}

static void taken_in(struct node *node, struct cluster_id cluster)
{
    node->options.io.dial_seed(node->options.io.context, NULL);
    node->options.is_bootstrap = false;
    int status = node_begin_log(node, cluster, false);
    if (status != 0) {
        node_fail(node, status, "the log cannot be begun");
    }
}

bool node_may_enter(const struct node *node, struct cluster_id cluster)
{
    return !cluster_id_is_none(cluster) &&
           (cluster_id_is_none(node->invited.cluster) || MUTANT(INVITED_ANYWHERE) ||
            cluster_id_equal(cluster, node->invited.cluster));
}

void node_seed_receive(struct node *node, const struct wire_message *message, struct node_time time)
{
    node->time = time;
    if (node_is_running(node) && message->type == WIRE_INVITE_RESPONSE) {
        node_invite_answered(node, &message->invite_response);
    }
    if (node->phase != NODE_JOINING || message->type != WIRE_JOIN_RESPONSE) {
        return;
    }
    const struct wire_join_response *response = &message->join_response;
    int status = response->status;
    const char *reason = response->reason;
    if (status == 0 && node_may_enter(node, response->cluster)) {
        taken_in(node, response->cluster);
        return;
    }
    if (status == 0) {
        status = QR_ERR_FOREIGN;
        reason =
            "it took this node into another cluster than the one that invited it, or into none";
    }
    bool is_redirected = status == QR_ERR_NOT_LEADER;
    note_failure(node, status, reason);
    if (is_redirected || may_log(node)) {
        LOG(node->options.log, is_redirected ? LOG_DEBUG : LOG_WARN, "join_refused",
            log_string("address", node->seed_address), log_string("error", qr_error_name(status)),
            log_string("reason", reason), log_string("leader_address", response->leader_address));
    }
    try_again_later(node);
    if (is_redirected) {
        memcpy(node->seed_hint, response->leader_address, sizeof(node->seed_hint));
        node->seed_due_ns = node->seed_hint[0] != '\0' ? time.now_ns : node->seed_due_ns;
    }
}

int node_join_copy(struct node *node, const char *join)
{
    const struct allocator *allocator = node->options.allocator;
    size_t size_bytes = 1;
    while (join[size_bytes - 1] != '\0') {
        size_bytes++;
    }
    char *copy = allocate(allocator, size_bytes);
    if (copy == NULL) {
        return QR_ERR_NO_MEMORY;
    }
    memcpy(copy, join, size_bytes);
    release(allocator, node->join, node->join_bytes);
    node->join = copy;
    node->join_bytes = size_bytes;
    node->options.join = copy;
    node->seed_position = 0;
    if (node->gossip != NULL) {
        node->gossip->has_seeded = false;
    }
    return 0;
}

int node_join(struct node *node, const char *join, bool is_learner, struct node_time time)
{
    ASSERT(join[0] != '\0');
    if (node->phase == NODE_STOPPED) {
        return QR_ERR_STOPPED;
    }
    if (node->phase != NODE_JOINING || !node->options.is_waiting || node->options.is_observer) {
        return QR_ERR_FOREIGN;
    }
    bool asks_no_vote = node->options.is_learner || is_learner;
    node->time = time;
    if (node->join != NULL && asks_no_vote == node->asks_no_vote && text_equal(node->join, join)) {
        node->invited.cluster = (struct cluster_id){0};
        return 0; /* it is at it */
    }
    bool is_other = node->join != NULL;
    int status = node_join_copy(node, join);
    if (status != 0) {
        return status;
    }
    node->was_told_otherwise = node->was_told_otherwise || is_other;
    node->invited.cluster = (struct cluster_id){0};
    node->asks_no_vote = asks_no_vote;
    node->seed_hint[0] = '\0';
    node->join_status = 0;
    node->join_reason[0] = '\0';
    node->seed_state = NODE_SEED_IDLE; /* what an earlier one answers may still let it in */
    node->seed_due_ns = time.now_ns;
    return 0;
}

void node_seed_closed(struct node *node, int status, const char *reason, struct node_time time)
{
    node->time = time;
    if (node_is_running(node)) {
        node_invite_closed(node, status, reason);
    }
    if (node->phase != NODE_JOINING || node->seed_state == NODE_SEED_IDLE) {
        return;
    }
    note_failure(node, QR_ERR_ADDRESS, reason);
    if (may_log(node)) {
        LOG(node->options.log, LOG_WARN, "join_failed", log_string("address", node->seed_address),
            log_string("reason", reason));
    }
    try_again_later(node);
}
