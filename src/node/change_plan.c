/* change_plan.c: what a change would make of the members, and whether the cluster would still
 * stand.
 *
 * Who is heard is the leader's own knowledge, from answers of the last election timeout: no
 * list of who seems to be alive decides anything.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "node/internal.h"
#include "quorate/error.h"

enum action {
    ACTION_NONE,
    ACTION_PROMOTE,
    ACTION_DEMOTE,
    ACTION_REMOVE,
    ACTION_PRIORITIZE,
};

struct plan {
    const struct node *node;
    const struct raft_configuration *now;
    const struct wire_change *change;
    enum action actions[RAFT_MEMBERS_MAX]; /* by position in `now` */
    struct text reason;
};

static void say(struct plan *plan, const char *before, const char *name, const char *after)
{
    text_string(&plan->reason, before);
    text_string(&plan->reason, name);
    text_string(&plan->reason, after);
}

/* The next one of NAME,NAME,…; false behind the last. */
static bool next_name(const char **at, char name[RAFT_NAME_BYTES_MAX])
{
    struct text text = text_of(name, RAFT_NAME_BYTES_MAX);
    if (**at == '\0') {
        return false;
    }
    while (**at != '\0' && **at != ',') {
        text_char(&text, *(*at)++);
    }
    *at += **at == ',' ? 1 : 0;
    return true;
}

static int mark(struct plan *plan, const char *names, enum action action)
{
    char name[RAFT_NAME_BYTES_MAX];
    while (next_name(&names, name)) {
        int at = raft_configuration_find_name(plan->now, name);
        if (at < 0) {
            say(plan, "no member is called '", name, "'");
            return QR_ERR_NOT_FOUND;
        }
        if (plan->actions[at] != ACTION_NONE) {
            say(plan, "", name, " is named twice");
            return QR_ERR_INVALID;
        }
        plan->actions[at] = action;
    }
    return 0;
}

static bool is_heard(const struct node *node, node_id id)
{
    struct raft_peer_status peer;
    return id == node->identity.id ||
           (raft_peer_status(node->raft, id, &peer) && peer.heard_ns != 0 &&
            node->time.now_ns - peer.heard_ns <= node->options.election_timeout_max_ns);
}

static int check_promotion(struct plan *plan, const struct raft_member *member)
{
    if ((member->roles & RAFT_VOTER) != 0 || plan->change->is_forced ||
        node_has_caught_up(plan->node, member->id)) {
        return 0;
    }
    say(plan, "", member->name,
        is_heard(plan->node, member->id) ? " has not caught up with the log yet"
                                         : " does not answer");
    return QR_ERR_BEHIND;
}

static int act(struct plan *plan, struct raft_configuration *next)
{
    next->count = 0;
    for (size_t i = 0; i < plan->now->count; i++) {
        struct raft_member member = plan->now->members[i];
        int status = 0;
        switch (plan->actions[i]) {
        case ACTION_REMOVE:
            continue;
        case ACTION_PROMOTE:
            status = check_promotion(plan, &member);
            member.roles = RAFT_VOTER;
            break;
        case ACTION_DEMOTE:
            member.roles = 0;
            break;
        case ACTION_PRIORITIZE:
            member.priority = (uint8_t)plan->change->priority;
            break;
        case ACTION_NONE:
            break;
        }
        if (status != 0) {
            return status;
        }
        next->members[next->count++] = member;
    }
    return 0;
}

struct standing {
    uint32_t voters;
    uint32_t heard;
    uint32_t needed;
    uint32_t tolerated;
};

static struct standing standing_of(const struct node *node, const struct raft_configuration *value)
{
    struct standing standing = {0};
    for (size_t i = 0; i < value->count; i++) {
        if ((value->members[i].roles & RAFT_VOTER) != 0) {
            standing.voters++;
            standing.heard += is_heard(node, value->members[i].id) ? 1 : 0;
        }
    }
    standing.needed = standing.voters / 2 + 1;
    standing.tolerated = standing.heard > standing.needed ? standing.heard - standing.needed : 0;
    return standing;
}

static bool has_leader_to_be(const struct raft_configuration *value)
{
    for (size_t i = 0; i < value->count; i++) {
        if (raft_configuration_may_lead(value, value->members[i].id)) {
            return true;
        }
    }
    return false;
}

static int judge(struct plan *plan, const struct raft_configuration *next,
                 struct node_change_result *result)
{
    struct standing before = standing_of(plan->node, plan->now);
    struct standing after = standing_of(plan->node, next);
    result->tolerated_before = before.tolerated;
    result->tolerated_after = after.tolerated;
    if (!has_leader_to_be(next)) {
        say(plan, "no voter that may lead would be left", "", "");
        return QR_ERR_INVALID;
    }
    text_u64(&plan->reason, after.heard);
    text_string(&plan->reason, " of ");
    text_u64(&plan->reason, after.voters);
    text_string(&plan->reason, " voters answer, ");
    text_u64(&plan->reason, after.needed);
    text_string(&plan->reason, " are needed: ");
    if (after.heard < after.needed && !plan->change->is_forced) {
        say(plan, "nothing could be decided any more", "", "");
        return QR_ERR_QUORUM;
    }
    text_u64(&plan->reason, after.tolerated);
    text_string(&plan->reason, " may fail, before it was ");
    text_u64(&plan->reason, before.tolerated);
    return 0;
}

int node_change_plan(const struct node *node, const struct wire_change *change,
                     struct raft_configuration *next, struct node_change_result *result)
{
    struct plan plan = {
        .node = node,
        .now = node_configuration(node),
        .change = change,
        .reason = text_of(result->reason, sizeof(result->reason)),
    };
    ASSERT(raft_is_leader(node->raft));
    *next = *plan.now;
    if (raft_configuration_is_joint(plan.now)) {
        return QR_ERR_PENDING;
    }
    int status = mark(&plan, change->promoted, ACTION_PROMOTE);
    status = status != 0 ? status : mark(&plan, change->demoted, ACTION_DEMOTE);
    status = status != 0 ? status : mark(&plan, change->removed, ACTION_REMOVE);
    status = status != 0 ? status : mark(&plan, change->prioritized, ACTION_PRIORITIZE);
    if (status == 0 && change->priority > UINT8_MAX) {
        say(&plan, "a priority is 0..255", "", "");
        status = QR_ERR_INVALID;
    }
    status = status != 0 ? status : act(&plan, next);
    return status != 0 ? status : judge(&plan, next, result);
}
