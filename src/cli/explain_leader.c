/* explain_leader.c: who leads; and if nobody does, why, as far as it can be seen from here. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "cli/explain.h"

#define RECENT_MS 30000 /* what is older says nothing about now */

typedef unsigned long long ull;

static bool is_reached(const struct explain_view *view, const struct node_status_member *member)
{
    return explain_reached(view, member) != NULL;
}

static bool is_voter_reached(const struct explain_view *view,
                             const struct node_status_member *member)
{
    return explain_is_voter(member) && is_reached(view, member);
}

static bool is_voter_missing(const struct explain_view *view,
                             const struct node_status_member *member)
{
    return explain_is_voter(member) && !is_reached(view, member);
}

/* Whether some node that was reached has a connection to it. */
static bool is_seen(const struct explain_view *view, const struct node_status_member *member)
{
    for (size_t i = 0; i < view->facts->node_count; i++) {
        const struct explain_node *node = &view->facts->nodes[i];
        for (size_t k = 0; explain_is_of_cluster(view, node) && k < node->status.member_count;
             k++) {
            const struct node_status_member *told = &node->status.members[k];
            if (strcmp(told->id, member->id) == 0 && told->is_connected) {
                return true;
            }
        }
    }
    return false;
}

static bool is_voter_seen(const struct explain_view *view, const struct node_status_member *member)
{
    return is_voter_missing(view, member) && is_seen(view, member);
}

static bool is_voter_lost(const struct explain_view *view, const struct node_status_member *member)
{
    return is_voter_missing(view, member) && !is_seen(view, member);
}

static bool may_take_part(const struct explain_view *view, const struct node_status_member *member)
{
    return is_reached(view, member) || is_seen(view, member);
}

static bool may_lead(const struct explain_view *view, const struct node_status_member *member)
{
    const struct explain_node *node = explain_reached(view, member);
    return explain_is_voter(member) && member->priority > 0 &&
           (node == NULL || !node->status.is_stalled);
}

static bool is_heard_voter(const struct explain_view *view, const struct node_status_member *member)
{
    return explain_is_voter(member) && explain_is_heard(view, member);
}

static void say_leads(const struct explain_view *view)
{
    const struct node_status *leader = &view->leader->status;
    size_t voters = node_status_count(leader, "voter");
    size_t heard = explain_count(view, is_heard_voter);
    if (leader->election_timeout_max_ms == 0) {
        explain_say(view, EXPLAIN_LEADER, "%s leads, in term %llu.", leader->name,
                    (ull)leader->term);
    } else if (explain_spare(view, explain_is_heard) >= 0) {
        explain_say(view, EXPLAIN_LEADER,
                    "%s leads, in term %llu, and has just heard %zu of %zu voters.", leader->name,
                    (ull)leader->term, heard, voters);
    } else {
        explain_say(view, EXPLAIN_LEADER,
                    "%s says that it leads, in term %llu, but has just heard only %zu of %zu "
                    "voters, itself included, which is no majority: it commits nothing, and steps "
                    "down unless others answer.",
                    leader->name, (ull)leader->term, heard, voters);
    }
    if (leader->transfer_to[0] != '\0') {
        explain_say(view, EXPLAIN_LEADER,
                    "%s is handing leadership over to %s; writes wait until that has succeeded or "
                    "was given up.",
                    leader->name, leader->transfer_to);
    }
}

/* A leader of an earlier term that has not learnt of it. */
static void say_others_that_lead(const struct explain_view *view)
{
    for (size_t i = 0; i < view->facts->node_count; i++) {
        const struct explain_node *node = &view->facts->nodes[i];
        if (node != view->leader && explain_is_of_cluster(view, node) &&
            strcmp(node->status.role, "leader") == 0) {
            explain_say(view, EXPLAIN_LEADER,
                        "%s says that it leads, too, in term %llu: the later term counts, and it "
                        "can commit nothing any more.",
                        node->status.name, (ull)node->status.term);
        }
    }
}

/* A leader that others name, and that was not reached. Returns whether there is one. */
static bool say_named(const struct explain_view *view)
{
    const struct explain_node *by = NULL;
    for (size_t i = 0; i < view->facts->node_count; i++) {
        const struct explain_node *node = &view->facts->nodes[i];
        if (explain_is_of_cluster(view, node) && node->status.leader[0] != '\0' &&
            (by == NULL || node->status.term > by->status.term)) {
            by = node;
        }
    }
    if (by == NULL) {
        return false;
    }
    explain_say(view, EXPLAIN_LEADER,
                "%s follows %s as leader of term %llu, and heard a leader %s ago; %s itself did "
                "not say here that it leads.",
                by->status.name, by->status.leader, (ull)by->status.term,
                by->status.leader_heard_ms == NODE_NEVER
                    ? "some time"
                    : explain_duration(by->status.leader_heard_ms).data,
                by->status.leader);
    return true;
}

static void say_missing(const struct explain_view *view)
{
    const struct node_status *best = &view->best->status;
    size_t voters = node_status_count(best, "voter");
    size_t answered = explain_count(view, is_voter_reached);
    explain_say(view, EXPLAIN_LEADER,
                "%zu of %zu voters must agree on a leader%s; %zu answered here%s%s%s.",
                explain_majority(view), voters,
                best->is_joint ? ", and a majority of the voters before the change as well" : "",
                answered, answered == 0 ? "" : ": ", explain_names(view, is_voter_reached).data,
                explain_spare(view, is_voter_reached) < 0 ? ", too few by themselves" : "");
    if (explain_count(view, is_voter_seen) > 0) {
        explain_say(view, EXPLAIN_LEADER,
                    "%s did not answer here, though a node that did has a connection there: "
                    "something stands still, or only its /status is out of reach.",
                    explain_names(view, is_voter_seen).data);
    }
    if (explain_spare(view, may_take_part) >= 0) {
        return;
    }
    explain_say(view, EXPLAIN_LEADER,
                "%s did not answer, and no node that did has a connection there: the voters that "
                "are left are too few to elect anybody.",
                explain_names(view, is_voter_lost).data);
    if (explain_spare(view, is_voter_missing) >= 0) {
        explain_say(view, EXPLAIN_LEADER,
                    "If %s do run and reach each other, they may have a leader among themselves: "
                    "that cannot be seen from here.",
                    explain_names(view, is_voter_missing).data);
    } else {
        explain_say(
            view, EXPLAIN_LEADER,
            "As soon as enough of them are back there can be a leader; if they are lost for "
            "good, `quorate doctor` tells the safest way on.");
    }
}

static void say_own_reasons(const struct explain_view *view, const struct node_status *node,
                            const struct node_status_member *member)
{
    if (member->priority == 0) {
        explain_say(view, EXPLAIN_LEADER, "%s has priority 0: it votes, and never leads.",
                    node->name);
    }
    if (node->is_diverged) {
        explain_say(view, EXPLAIN_LEADER,
                    "%s does not lead: its state differs from that of a majority (since entry %llu "
                    "at the latest).",
                    node->name, (unsigned long long)node->diverged_index);
    }
    if (node->is_stalled) {
        explain_say(view, EXPLAIN_LEADER,
                    "%s does not want to lead: its %s has not advanced for %s.", node->name,
                    node->saving_ms >= node->applying_ms ? "disk" : "state machine",
                    explain_duration(node->saving_ms >= node->applying_ms ? node->saving_ms
                                                                          : node->applying_ms)
                        .data);
    }
    if (node->quorum_lost_ms != NODE_NEVER && node->quorum_lost_ms < 10 * RECENT_MS) {
        explain_say(view, EXPLAIN_LEADER,
                    "%s led until %s ago, and stepped down because it heard no majority of the "
                    "voters.",
                    node->name, explain_duration(node->quorum_lost_ms).data);
    }
}

/* Whether it asks for votes, and has no answer of this voter from lately. */
static bool is_unanswered(const struct node_status *node, const struct node_status_member *voter)
{
    bool is_asking =
        strcmp(node->role, "pre_candidate") == 0 || strcmp(node->role, "candidate") == 0;
    bool is_answered = voter->vote_ms != NODE_NEVER && voter->vote_ms <= RECENT_MS;
    return is_asking && !is_answered && explain_is_voter(voter) &&
           strcmp(voter->id, node->id) != 0 && node->election_timeout_max_ms > 0;
}

/* What others answered it lately. */
static void say_votes(const struct explain_view *view, const struct node_status *node)
{
    for (size_t i = 0; i < node->member_count; i++) {
        const struct node_status_member *voter = &node->members[i];
        if (is_unanswered(node, voter)) {
            explain_say(view, EXPLAIN_LEADER, "%s wants to lead, and %s has not answered it%s.",
                        node->name, voter->name,
                        voter->vote_ms == NODE_NEVER ? "" : " for half a minute at least");
        }
        if (voter->vote_ms == NODE_NEVER || voter->vote_ms > RECENT_MS || voter->vote[0] == '\0') {
            continue;
        }
        if (voter->is_vote_granted) {
            explain_say(view, EXPLAIN_LEADER, "%s wanted to lead, and %s was for it, %s ago.",
                        node->name, voter->name, explain_duration(voter->vote_ms).data);
        } else {
            explain_say(view, EXPLAIN_LEADER, "%s wanted to lead, and %s refused, %s ago: \"%s\".",
                        node->name, voter->name, explain_duration(voter->vote_ms).data,
                        voter->vote);
        }
    }
}

static void say_why_none(const struct explain_view *view)
{
    const struct node_status *best = &view->best->status;
    say_missing(view);
    for (size_t i = 0; i < best->member_count; i++) {
        const struct explain_node *node = explain_reached(view, &best->members[i]);
        if (node != NULL && explain_is_voter(&best->members[i])) {
            say_own_reasons(view, &node->status, &best->members[i]);
            say_votes(view, &node->status);
        }
    }
    if (explain_count(view, may_lead) == 0) {
        explain_say(view, EXPLAIN_LEADER,
                    "No voter may lead: each has priority 0, or does not advance.");
    } else if (explain_spare(view, is_voter_reached) >= 0) {
        explain_say(view, EXPLAIN_LEADER,
                    "Enough voters run to elect one: an election takes some tenths of a second as "
                    "a rule. If there is none in a few seconds, they may not reach each other.");
    }
}

void explain_leader(const struct explain_view *view)
{
    if (view->best->status.is_joining) {
        explain_say(view, EXPLAIN_LEADER, "No node that answered belongs to a cluster.");
    } else if (view->leader != NULL) {
        say_leads(view);
        say_others_that_lead(view);
    } else if (!say_named(view)) {
        explain_say(view, EXPLAIN_LEADER, "No node that answered leads, or knows who does.");
        say_why_none(view);
    } else {
        say_missing(view);
    }
}
