/* invite.c: a member tells a node that waits whom to ask, and sees it taken in. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "base/mutant.h"
#include "base/text.h"
#include "node/internal.h"
#include "quorate/error.h"

#define AGAIN_NS (100 * NS_PER_MS)

static void say(struct node_invite *invite, const char *words)
{
    struct text text = text_of(invite->result.reason, sizeof(invite->result.reason));
    text_string(&text, words);
}

static void finish(struct node *node, int status, const char *words)
{
    struct node_invite *invite = &node->invite;
    ASSERT(invite->is_under_way && status <= 0);
    invite->is_under_way = false;
    node->seed_state = NODE_SEED_IDLE;
    if (words != NULL) {
        say(invite, words);
    }
    LOG(node->options.log, status == 0 ? LOG_INFO : LOG_WARN, "invite_ended",
        log_string("address", invite->address), log_string("error", qr_error_name(status)),
        log_string("reason", invite->result.reason));
    node->options.io.dial_seed(node->options.io.context, NULL);
    node->options.io.change_done(node->options.io.context, invite->token, status, &invite->result);
}

/* Who may have been told may have asked to be taken in, or may ask yet. */
static void refuse(struct node *node, int status, const char *words)
{
    bool is_unsure = node->invite.is_taken || node->invite.is_lost;
    finish(node, is_unsure ? QR_ERR_TIMEOUT : status, words);
}

int node_invite(struct node *node, const char *address, bool is_learner, uint64_t token,
                struct node_time time)
{
    struct node_invite *invite = &node->invite;
    if (node->phase == NODE_STOPPED) {
        return QR_ERR_STOPPED;
    }
    if (!node_is_running(node) ||
        raft_configuration_find(node_configuration(node), node->identity.id) < 0) {
        return QR_ERR_NO_LEADER;
    }
    if (invite->is_under_way) {
        return QR_ERR_BUSY;
    }
    *invite = (struct node_invite){
        .is_under_way = true,
        .is_learner = is_learner,
        .token = token,
        .due_ns = time.now_ns,
        .deadline_ns = time.now_ns + node->options.proposal_timeout_ns,
    };
    struct text text = text_of(invite->address, sizeof(invite->address));
    text_string(&text, address);
    ASSERT(text.length > 0 && !text.truncated);
    node->time = time;
    node->seed_state = NODE_SEED_IDLE;
    node->needs_turn = true;
    return 0;
}

static void send_invite(struct node *node)
{
    struct node_invite *invite = &node->invite;
    struct wire_message message = {
        .type = WIRE_INVITE,
        .invite = {.from = node->identity.id,
                   .cluster = node->identity.cluster,
                   .is_learner = invite->is_learner},
    };
    memcpy(message.invite.address, node->address, sizeof(node->address));
    invite->due_ns = node->time.now_ns + AGAIN_NS;
    struct wire_frame *frame = wire_encode(node->options.allocator, &message);
    if (frame == NULL) {
        return; /* later */
    }
    invite->is_sent = true;
    node->options.io.send_seed(node->options.io.context, frame);
}

static bool is_taken_in(const struct node *node)
{
    bool is_in = node->invite.is_in || (node->invite.is_taken && MUTANT(INVITED_BEFORE_DURABLE));
    return is_in && raft_configuration_is_committed(node->raft) &&
           raft_configuration_find(raft_configuration(node->raft), node->invite.id) >= 0;
}

static void succeed(struct node *node)
{
    char words[RAFT_NAME_BYTES_MAX + sizeof(" is a member")];
    struct text text = text_of(words, sizeof(words));
    text_string(&text, node->invite.name);
    text_string(&text, " is a member");
    finish(node, 0, words);
}

static void give_up(struct node *node)
{
    struct node_invite *invite = &node->invite;
    if (!invite->is_sent && node->seed_state == NODE_SEED_ASKED) {
        finish(node, QR_ERR_BUSY, "memory ran out");
    } else if (!invite->is_sent) {
        finish(node, QR_ERR_ADDRESS, "it did not answer in time");
    } else if (invite->is_in) {
        finish(node, QR_ERR_TIMEOUT,
               "it is of this cluster, and no member as far as this node knows: if it was removed, "
               "empty its directory");
    } else if (invite->result.reason[0] != '\0') {
        finish(node, QR_ERR_TIMEOUT, NULL); /* the last that it said */
    } else {
        finish(node, QR_ERR_TIMEOUT,
               invite->is_taken ? "it asks to be taken in, and was not in time"
                                : "it was told whom to ask, and did not answer in time");
    }
}

void node_invite_turn(struct node *node)
{
    struct node_invite *invite = &node->invite;
    if (!invite->is_under_way) {
        return;
    }
    if (is_taken_in(node)) {
        succeed(node);
    } else if (node->time.now_ns >= invite->deadline_ns) {
        give_up(node);
    } else if (node->time.now_ns >= invite->due_ns && node->seed_state == NODE_SEED_ASKED) {
        send_invite(node);
    } else if (node->time.now_ns >= invite->due_ns && node->seed_state == NODE_SEED_IDLE) {
        node->seed_state = NODE_SEED_DIALING;
        invite->due_ns = TIME_NEVER;
        node->options.io.dial_seed(node->options.io.context, invite->address);
    }
}

time_ns node_invite_deadline(const struct node *node)
{
    const struct node_invite *invite = &node->invite;
    return invite->is_under_way ? min_u64(invite->due_ns, invite->deadline_ns) : TIME_NEVER;
}

void node_invite_fail(struct node *node)
{
    if (!node->invite.is_under_way) {
        return;
    }
    if (node->invite.is_sent) {
        finish(node, QR_ERR_TIMEOUT, "this node stopped meanwhile: look who is a member");
    } else {
        finish(node, QR_ERR_STOPPED, "this node stopped meanwhile");
    }
}

void node_invite_ready(struct node *node)
{
    if (node->invite.is_under_way && node->seed_state == NODE_SEED_DIALING) {
        node->seed_state = NODE_SEED_ASKED;
        send_invite(node);
    }
}

/* What the other end may refuse with; no other word of its is taken for an error of ours. */
static int status_of_refusal(int status)
{
    return status == QR_ERR_BUSY || status == QR_ERR_ADDRESS ? status : QR_ERR_FOREIGN;
}

void node_invite_answered(struct node *node, const struct wire_invite_response *response)
{
    struct node_invite *invite = &node->invite;
    if (!invite->is_under_way || node->seed_state != NODE_SEED_ASKED) {
        return;
    }
    if (response->status != 0) {
        refuse(node, status_of_refusal(response->status), response->reason);
        return;
    }
    invite->is_taken = true;
    invite->is_in = cluster_id_equal(response->cluster, node->identity.cluster);
    invite->id = response->from;
    memcpy(invite->name, response->name, sizeof(invite->name));
    say(invite, response->reason);
    node->needs_turn = true;
}

/* With what a connection on which nothing was said ends the invitation. */
static void end_untold(struct node *node, int status, const char *reason)
{
    if (status == QR_ERR_PENDING) {
        finish(node, QR_ERR_VERSION, "it is of an earlier release, which takes no invitations");
    } else if (status == QR_ERR_NO_MEMORY) {
        finish(node, QR_ERR_BUSY, reason);
    } else {
        bool is_told = status == QR_ERR_FOREIGN || status == QR_ERR_VERSION;
        finish(node, is_told ? status : QR_ERR_ADDRESS, reason);
    }
}

void node_invite_closed(struct node *node, int status, const char *reason)
{
    struct node_invite *invite = &node->invite;
    if (!invite->is_under_way || node->seed_state == NODE_SEED_IDLE) {
        return;
    }
    if (!invite->is_sent || MUTANT(INVITED_UNTOLD)) {
        end_untold(node, status, reason);
        return;
    }
    /* It may have been told, and be starting anew: then it does not know it any more. */
    invite->is_lost = true;
    say(invite, reason);
    node->seed_state = NODE_SEED_IDLE;
    invite->due_ns = node->time.now_ns + AGAIN_NS;
}

/* Of a node that has begun to be one of a cluster. */
static int judge_as_member(const struct node *node, const struct wire_invite *invite,
                           const char **reason)
{
    if (!cluster_id_equal(node->identity.cluster, invite->cluster)) {
        *reason = "it belongs to another cluster";
        return QR_ERR_FOREIGN;
    }
    *reason = "";
    return 0;
}

/* One, and none of the characters that a list or a log has between two. */
static bool is_address(const char *text)
{
    size_t i = 0;
    while (text[i] > ' ' && text[i] <= '~' && text[i] != ',') {
        i++;
    }
    return i > 0 && text[i] == '\0';
}

/* To ask whom it says, instead of whom an earlier invitation said. */
static int follow(struct node *node, const struct wire_invite *invite, const char **reason)
{
    bool is_news = node->join == NULL || !text_equal(node->join, invite->address) ||
                   !cluster_id_equal(node->invited.cluster, invite->cluster);
    int status = node_join(node, invite->address, invite->is_learner, node->time);
    if (status != 0) {
        *reason = "memory ran out";
        return QR_ERR_BUSY;
    }
    node->invited.cluster = invite->cluster;
    node->invited.until_ns = node->time.now_ns + NODE_INVITED_NS;
    if (is_news) {
        node->invited.turn_ns = node->time.now_ns + NODE_INVITED_TURN_NS;
        LOG(node->options.log, LOG_INFO, "invited", log_id("by", invite->from),
            log_string("address", invite->address));
    }
    return 0;
}

/* Of a node that waits. The first invitation is followed for as long as it is said again, if need
 * be in turns with those of other members; a list that was told here, by node_join(), goes before
 * all of them.
 */
static int judge_waiting(struct node *node, const struct wire_invite *invite, const char **reason)
{
    *reason = node->join_reason;
    bool is_list = node->join != NULL && cluster_id_is_none(node->invited.cluster);
    bool is_followed = !is_list && node->join != NULL && node->time.now_ns < node->invited.until_ns;
    bool is_ours = cluster_id_equal(node->invited.cluster, invite->cluster);
    if (is_followed && !is_ours) {
        *reason = "another cluster invites it";
        return QR_ERR_BUSY;
    }
    bool is_another = is_followed && !text_equal(node->join, invite->address);
    if (is_list || (is_another && node->time.now_ns < node->invited.turn_ns)) {
        return 0; /* it is at it */
    }
    return follow(node, invite, reason);
}

static int judge(struct node *node, const struct wire_invite *invite, const char **reason)
{
    if (node->phase != NODE_JOINING) {
        return judge_as_member(node, invite, reason);
    }
    if (node->options.is_observer) {
        *reason = "it is an observer, which joins no cluster";
        return QR_ERR_FOREIGN;
    }
    if (!node->options.is_waiting) {
        *reason = "it does not wait to be added: it was told whom to join when it was started";
        return QR_ERR_FOREIGN;
    }
    if (cluster_id_is_none(invite->cluster) || !is_address(invite->address)) {
        *reason = "the invitation does not say whom to ask";
        return QR_ERR_ADDRESS;
    }
    return judge_waiting(node, invite, reason);
}

void node_on_invite(struct node *node, node_id from, uint64_t connection,
                    const struct wire_invite *invite)
{
    if (node->phase == NODE_STOPPED || connection == 0 || invite->from != from) {
        return;
    }
    const char *reason = "";
    struct wire_message message = {.type = WIRE_INVITE_RESPONSE};
    struct wire_invite_response *response = &message.invite_response;
    response->status = judge(node, invite, &reason);
    response->from = node->identity.id;
    if (node->identity.is_log_used) {
        response->cluster = node->identity.cluster;
    }
    memcpy(response->name, node->name, sizeof(node->name));
    struct text text = text_of(response->reason, sizeof(response->reason));
    text_string(&text, reason);
    struct wire_frame *frame = wire_encode(node->options.allocator, &message);
    if (frame != NULL) { /* else it is asked again */
        node->options.io.reply(node->options.io.context, connection, frame);
    }
}
