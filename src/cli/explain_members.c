/* explain_members.c: who votes and who does not, what is changing, what the cluster stands. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "cli/explain.h"

typedef unsigned long long ull;

/* How fast it comes nearer, or how long ago it was heard. */
static void say_catching_up(const struct explain_view *view,
                            const struct node_status_member *member, uint64_t behind)
{
    const struct explain_facts *facts = view->facts;
    const struct node_status_member *before =
        facts->earlier_ms == 0 ? NULL : node_status_find(&facts->earlier, member->id);
    explain_say(view, EXPLAIN_MEMBERS,
                "%s is to become a voter by itself once it has caught up: it is %llu entries "
                "behind (it has %llu of %llu).",
                member->name, (ull)behind, (ull)member->match_index,
                (ull)view->leader->status.last_index);
    if (before == NULL || before->match_index > member->match_index) {
        return;
    }
    uint64_t took = member->match_index - before->match_index;
    uint64_t grown = view->leader->status.last_index - facts->earlier.last_index;
    explain_say(view, EXPLAIN_MEMBERS,
                "In the last %s it took %llu entries, while the log grew by %llu%s.",
                explain_duration(facts->earlier_ms).data, (ull)took, (ull)grown,
                took > grown || behind <= grown ? "" : ": at that rate it does not catch up");
}

static void say_promotable(const struct explain_view *view, const struct node_status_member *member)
{
    const struct node_status *leader = &view->leader->status;
    uint64_t behind =
        leader->last_index > member->match_index ? leader->last_index - member->match_index : 0;
    if (!explain_is_heard(view, member)) {
        explain_say(view, EXPLAIN_MEMBERS,
                    "%s is to become a voter by itself once it has caught up, but has not answered "
                    "%s%s%s.",
                    member->name, leader->name,
                    member->heard_ms == NODE_NEVER ? " since that leads" : " for ",
                    member->heard_ms == NODE_NEVER ? "" : explain_duration(member->heard_ms).data);
    } else if (strcmp(member->progress, "snapshot") == 0) {
        explain_say(view, EXPLAIN_MEMBERS,
                    "%s is to become a voter by itself once it has caught up: it needs a snapshot "
                    "first, of which %s of %s were sent.",
                    member->name, explain_bytes(member->snapshot_sent_bytes).data,
                    explain_bytes(member->snapshot_size_bytes).data);
    } else if (leader->is_change_pending || leader->is_joint) {
        explain_say(view, EXPLAIN_MEMBERS,
                    "%s is to become a voter by itself: that waits for the change under way.",
                    member->name);
    } else if (behind > 0) {
        say_catching_up(view, member, behind);
    } else {
        explain_say(view, EXPLAIN_MEMBERS,
                    "%s has caught up, and becomes a voter once it has stayed so for three "
                    "heartbeats.",
                    member->name);
    }
}

/* How the other members hold it, where that is news. */
static void say_heard(const struct explain_view *view, const struct node_status_member *member)
{
    const char *how = strcmp(member->health, "dead") == 0      ? "hold it for dead"
                      : strcmp(member->health, "suspect") == 0 ? "suspect that it is dead"
                      : strcmp(member->health, "left") == 0    ? "heard that it leaves"
                                                               : NULL;
    if (member->is_heard && how != NULL && member->health_ms != NODE_NEVER) {
        explain_say(view, EXPLAIN_MEMBERS, "%s: the members %s, since %s, by gossip, as %s has it.",
                    member->name, how, explain_duration(member->health_ms).data,
                    view->best->status.name);
    }
}

/* Of all, as the leader has compared them; else of the node that was asked alone. */
static void say_diverged(const struct explain_view *view, const struct node_status_member *member)
{
    if (member->diverged_index > 0) {
        explain_say(
            view, EXPLAIN_MEMBERS,
            "%s: its state differs from that of a majority (found at entry %llu). It answers "
            "no reads and does not lead; empty its directory and let it join again, or start "
            "it with --on-divergence rebuild.",
            member->name, (ull)member->diverged_index);
    }
}

static void say_learner(const struct explain_view *view, const struct node_status_member *member)
{
    if (strcmp(member->kind, "observer") == 0) {
        explain_say(view, EXPLAIN_MEMBERS,
                    "%s is an observer: it watches, and has neither a vote nor data.",
                    member->name);
    } else if (member->is_outgoing) {
        explain_say(view, EXPLAIN_MEMBERS, "%s is losing its vote by the change under way.",
                    member->name);
    } else if (!member->wants_vote && view->best->status.election_timeout_max_ms > 0) {
        explain_say(view, EXPLAIN_MEMBERS,
                    "%s is a learner and stays one: it was started with --learner, or demoted. "
                    "`quorate promote %s` makes it a voter.",
                    member->name, member->name);
    } else if (view->leader == NULL || view->best->status.election_timeout_max_ms == 0) {
        explain_say(view, EXPLAIN_MEMBERS,
                    "%s is a learner; only a leader, of a version that tells, could say why.",
                    member->name);
    } else {
        say_promotable(view, member);
    }
}

static void say_unreached(const struct explain_view *view, const struct explain_node *node)
{
    const char *name = node->name[0] == '\0' ? "a node" : node->name;
    if (node->address[0] == '\0') {
        explain_say(view, EXPLAIN_MEMBERS,
                    "%s could not be asked: where its /status is, is not known.", name);
    } else {
        explain_say(view, EXPLAIN_MEMBERS, "%s did not answer at http://%s/status.", name,
                    node->address);
    }
}

/* One that answered, and is no member: a newcomer, a stranger, or one that was removed. */
static void say_no_member(const struct explain_view *view, const struct explain_node *node)
{
    const struct node_status *status = &node->status;
    if (node_status_is_in_no_cluster(status)) {
        explain_say(view, EXPLAIN_MEMBERS, "%s is in no cluster yet.%s%s%s", status->name,
                    status->join_error[0] == '\0' ? "" : " Its last attempt to join: ",
                    status->join_error, status->join_error[0] == '\0' ? "" : ".");
    } else if (strcmp(status->cluster, view->best->status.cluster) != 0) {
        explain_say(view, EXPLAIN_MEMBERS,
                    "%s, at %s, belongs to another cluster: to %s, and not to %s.", status->name,
                    node->address, status->cluster, view->best->status.cluster);
    } else if (node_status_find(&view->best->status, status->id) == NULL) {
        explain_say(
            view, EXPLAIN_MEMBERS,
            "%s (%s) is of this cluster, but no member of it, as %s has it: it was removed, "
            "or was not yet let in when that was written.",
            status->name, status->id, view->best->status.name);
    }
}

static void say_node(const struct explain_view *view, const struct explain_node *node)
{
    if (!node->is_reached) {
        say_unreached(view, node);
        return;
    }
    if (node->id[0] != '\0' && strcmp(node->id, node->status.id) != 0) {
        explain_say(view, EXPLAIN_MEMBERS,
                    "At %s, where %s (%s) should be, another node answers: %s (%s).", node->address,
                    node->name, node->id, node->status.name, node->status.id);
    }
    say_no_member(view, node);
}

static bool votes(const struct explain_view *view, const struct node_status_member *member)
{
    (void)view;
    return explain_is_voter(member);
}

void explain_members(const struct explain_view *view)
{
    const struct node_status *best = &view->best->status;
    if (!best->is_joining) {
        explain_say(view, EXPLAIN_MEMBERS, "%s vote%s, as %s has it.",
                    explain_names(view, votes).data,
                    node_status_count(best, "voter") == 1 ? "s" : "", best->name);
    }
    for (size_t i = 0; i < best->member_count; i++) {
        const struct node_status_member *member = &best->members[i];
        if (!explain_is_voter(member)) {
            say_learner(view, member);
        } else if (member->priority == 0) {
            explain_say(view, EXPLAIN_MEMBERS, "%s has priority 0: it votes, and never leads.",
                        member->name);
        }
        say_heard(view, member);
        say_diverged(view, member);
    }
    for (size_t i = 0; i < view->facts->node_count; i++) {
        say_node(view, &view->facts->nodes[i]);
    }
}

static bool is_old(const struct explain_view *view, const struct node_status_member *member)
{
    (void)view;
    return member->is_outgoing;
}

void explain_changes(const struct explain_view *view)
{
    const struct node_status *best = &view->best->status;
    size_t before = view->report->count;
    if (best->is_joining) {
        return;
    }
    if (best->is_joint) {
        explain_say(view, EXPLAIN_CHANGES,
                    "The voters are being changed, from %s to %s: until that is done a majority of "
                    "each of the two must agree to everything.",
                    explain_names(view, is_old).data, explain_names(view, votes).data);
    }
    if (best->is_change_pending) {
        explain_say(view, EXPLAIN_CHANGES,
                    "A change of the members is in the log of %s, and not known there to be "
                    "committed: it waits for a majority to have it. No other one begins before.",
                    best->name);
    }
    if (best->joins > 0) {
        explain_say(view, EXPLAIN_CHANGES,
                    "%llu node%s to be let in by %s, or to have another address written.",
                    (ull)best->joins, best->joins == 1 ? " waits" : "s wait", best->name);
    }
    if (best->changes > 0) {
        explain_say(view, EXPLAIN_CHANGES, "%llu change%s under way at %s, or wait there.",
                    (ull)best->changes, best->changes == 1 ? " is" : "s are", best->name);
    }
    if (view->leader != NULL && view->report->count == before &&
        best->election_timeout_max_ms > 0) {
        explain_say(view, EXPLAIN_CHANGES, "No change of the members is under way.");
    }
}

static bool anybody(const struct explain_view *view, const struct node_status_member *member)
{
    (void)view;
    (void)member;
    return true;
}

static bool counts_as_failed(const struct explain_view *view,
                             const struct node_status_member *member)
{
    return (explain_is_voter(member) || member->is_outgoing) && explain_is_heard(view, member) &&
           !explain_can_acknowledge(view, member);
}

/* How many may fail from here on, when writes go on now. */
static void say_spare(const struct explain_view *view, int spare)
{
    if (!explain_leader_takes_writes(view)) {
        explain_say(view, EXPLAIN_FAILURES, "While %s leads and takes no writes, none go on.",
                    view->leader->status.name);
    } else if (spare > 0) {
        explain_say(view, EXPLAIN_FAILURES, "%d more voter%s may fail, and writes go on.", spare,
                    spare == 1 ? "" : "s");
    } else if (spare == 0) {
        explain_say(view, EXPLAIN_FAILURES,
                    "No more voter may fail: with one less that acknowledges, writes stop.");
    }
}

void explain_failures(const struct explain_view *view)
{
    if (view->leader == NULL || view->best->status.election_timeout_max_ms == 0) {
        return;
    }
    int spare = explain_spare(view, explain_can_acknowledge);
    int most = explain_spare(view, anybody);
    say_spare(view, spare);
    if (explain_count(view, counts_as_failed) > 0) {
        explain_say(view, EXPLAIN_FAILURES,
                    "%s answer%s, and count%s as failed here: the disk is full, or does not "
                    "advance, or a snapshot is needed first.",
                    explain_names(view, counts_as_failed).data,
                    explain_count(view, counts_as_failed) == 1 ? "s" : "",
                    explain_count(view, counts_as_failed) == 1 ? "s" : "");
    }
    if (most != spare) {
        explain_say(view, EXPLAIN_FAILURES, "With all its voters the cluster stands %d failure%s.",
                    most, most == 1 ? "" : "s");
    }
}
