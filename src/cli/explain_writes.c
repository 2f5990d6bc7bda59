/* explain_writes.c: what a write waits for. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "cli/explain.h"

/* What is less is usual. */
#define WAIT_MS 200
#define MEDIAN_US 10000
#define SLOWEST_US 50000
#define BEHIND_ENTRIES 1000

typedef unsigned long long ull;

static bool is_leader(const struct explain_view *view, const struct node_status_member *member)
{
    return strcmp(member->id, view->leader->status.id) == 0;
}

static bool must_answer(const struct explain_view *view, const struct node_status_member *member)
{
    return (explain_is_voter(member) || member->is_outgoing) && !is_leader(view, member) &&
           explain_can_acknowledge(view, member);
}

static bool cannot(const struct explain_view *view, const struct node_status_member *member)
{
    return explain_is_voter(member) && !explain_can_acknowledge(view, member);
}

static bool is_silent_voter(const struct explain_view *view,
                            const struct node_status_member *member)
{
    return explain_is_voter(member) && !explain_is_heard(view, member);
}

static void say_disk(const struct explain_view *view, const struct node_status *node)
{
    bool leads = node == &view->leader->status;
    if (node->is_disk_full) {
        explain_say(view, EXPLAIN_WRITES, "The disk of %s is full: it %s.", node->name,
                    leads ? "refuses writes, and it leads" : "takes no entries");
    }
    if (node->is_stalled) {
        explain_say(view, EXPLAIN_WRITES,
                    "%s counts as stalled, and does not lead until it goes on.", node->name);
    }
    if (node->saving_ms >= WAIT_MS) {
        explain_say(view, EXPLAIN_WRITES,
                    "Entries have waited for the disk of %s for %s, none done.", node->name,
                    explain_duration(node->saving_ms).data);
    }
    if (node->applying_ms >= WAIT_MS) {
        explain_say(view, EXPLAIN_WRITES,
                    "Committed entries have waited for the state machine of %s for %s, none done.",
                    node->name, explain_duration(node->applying_ms).data);
    }
    if (node->sync_median_us >= MEDIAN_US || node->sync_99_us >= SLOWEST_US) {
        explain_say(view, EXPLAIN_WRITES,
                    "%s of the disk of %s: of the last ones half took up to %llu.%llu ms, and all "
                    "but one in a hundred up to %llu ms.",
                    node->sync_median_us >= MEDIAN_US ? "Slow writes" : "Some slow writes",
                    node->name, (ull)(node->sync_median_us / 1000),
                    (ull)(node->sync_median_us % 1000 / 100), (ull)(node->sync_99_us / 1000));
    }
}

static void say_queues(const struct explain_view *view, const struct node_status *node)
{
    if (node->proposals_max > 0 && node->proposals >= node->proposals_max / 2) {
        explain_say(view, EXPLAIN_WRITES,
                    "%llu writes wait at %s, of %llu at most (max-pending-proposals): past that it "
                    "answers TRYAGAIN.",
                    (ull)node->proposals, node->name, (ull)node->proposals_max);
    }
    if (node->uncommitted_bytes_max > 0 &&
        node->uncommitted_bytes >= node->uncommitted_bytes_max / 2) {
        explain_say(view, EXPLAIN_WRITES,
                    "%s of %s's log are not committed yet, of %s at most (four times "
                    "max-inflight-bytes): past that writes wait.",
                    explain_bytes(node->uncommitted_bytes).data, node->name,
                    explain_bytes(node->uncommitted_bytes_max).data);
    }
    if (node->commit_index >= node->applied_index + BEHIND_ENTRIES && !node->is_receiving) {
        explain_say(view, EXPLAIN_WRITES,
                    "%s has %llu committed entries still to apply; a write is answered when it is "
                    "applied.",
                    node->name, (ull)(node->commit_index - node->applied_index));
    }
    if (node->is_receiving) {
        explain_say(view, EXPLAIN_WRITES,
                    "%s is taking over a snapshot (%s of %s have come): until it is done its own "
                    "clients wait.",
                    node->name, explain_bytes(node->received_bytes).data,
                    explain_bytes(node->receive_bytes).data);
    }
}

static void say_snapshot(const struct explain_view *view, const struct node_status_member *member)
{
    const char *leader = view->leader->status.name;
    if (member->snapshot_size_bytes > 0) {
        explain_say(view, EXPLAIN_WRITES,
                    "%s lacks what the log of %s does not hold any more, and is being sent a "
                    "snapshot: %s of %s so far.",
                    member->name, leader, explain_bytes(member->snapshot_sent_bytes).data,
                    explain_bytes(member->snapshot_size_bytes).data);
    } else {
        explain_say(
            view, EXPLAIN_WRITES,
            "%s lacks what the log of %s does not hold any more, and waits for a snapshot%s%s.",
            member->name, leader, member->snapshot_error[0] == '\0' ? "" : "; the last one ended: ",
            member->snapshot_error);
    }
}

static void say_member(const struct explain_view *view, const struct node_status_member *member)
{
    const struct node_status *leader = &view->leader->status;
    uint64_t behind =
        leader->last_index > member->match_index ? leader->last_index - member->match_index : 0;
    if (!explain_is_heard(view, member)) {
        if (member->heard_ms == NODE_NEVER) {
            explain_say(view, EXPLAIN_WRITES, "%s has not answered %s since that leads.",
                        member->name, leader->name);
        } else {
            explain_say(view, EXPLAIN_WRITES, "%s has not answered %s for %s.", member->name,
                        leader->name, explain_duration(member->heard_ms).data);
        }
        return;
    }
    if (strcmp(member->progress, "snapshot") == 0) {
        say_snapshot(view, member);
    } else if (behind >= BEHIND_ENTRIES) {
        explain_say(view, EXPLAIN_WRITES, "%s is %llu entries behind: it has %llu of %llu.",
                    member->name, (ull)behind, (ull)member->match_index, (ull)leader->last_index);
    }
}

/* With nobody to spare, the slowest of them is waited for. */
static void say_majority(const struct explain_view *view)
{
    int spare = explain_spare(view, explain_can_acknowledge);
    bool is_silence = explain_count(view, cannot) == explain_count(view, is_silent_voter);
    if (explain_spare(view, explain_is_heard) < 0) {
        explain_say(view, EXPLAIN_WRITES,
                    "Nothing can be committed: %s hears too few voters. Writes wait, and end as "
                    "TIMEOUT or CLUSTERDOWN.",
                    view->leader->status.name);
    } else if (spare < 0) {
        explain_say(view, EXPLAIN_WRITES,
                    "Too few voters can acknowledge a write now; not counted on: %s.",
                    explain_names(view, cannot).data);
    } else if (spare == 0 && explain_leader_takes_writes(view) &&
               explain_count(view, must_answer) > 0 && explain_count(view, cannot) > 0) {
        explain_say(view, EXPLAIN_WRITES,
                    "With %s silent%s every write waits for all of the others that vote: %s.",
                    explain_names(view, cannot).data,
                    is_silence ? "" : " or not able to acknowledge",
                    explain_names(view, must_answer).data);
    }
}

static void say_log(const struct explain_view *view)
{
    const struct node_status *leader = &view->leader->status;
    uint64_t count = leader->last_index + 1 - leader->first_index;
    uint64_t kept = leader->max_log_entries / 2;
    if (leader->max_log_entries == 0 || leader->first_index == 0 ||
        count <= 2 * leader->max_log_entries) {
        return;
    }
    explain_say(view, EXPLAIN_WRITES,
                "The log of %s holds %llu entries, more than max-log-entries, %llu.", leader->name,
                (ull)count, (ull)leader->max_log_entries);
    for (size_t i = 0; i < leader->member_count; i++) {
        const struct node_status_member *member = &leader->members[i];
        if (!is_leader(view, member) && explain_is_heard(view, member) &&
            member->match_index + kept < leader->last_index) {
            explain_say(view, EXPLAIN_WRITES,
                        "%s answers and has entries up to %llu: what it still needs stays in the "
                        "log, up to max-log-bytes.",
                        member->name, (ull)member->match_index);
        }
    }
}

void explain_writes(const struct explain_view *view)
{
    size_t before = view->report->count;
    if (view->leader == NULL) {
        if (!view->best->status.is_joining) {
            explain_say(view, EXPLAIN_WRITES,
                        "No leader answered here: why a write is slow could only be told by one.");
        }
        return;
    }
    const struct node_status *leader = &view->leader->status;
    bool tells = leader->election_timeout_max_ms > 0;
    if (tells) {
        say_majority(view);
    }
    for (size_t i = 0; tells && i < leader->member_count; i++) {
        if (!is_leader(view, &leader->members[i])) {
            say_member(view, &leader->members[i]);
        }
    }
    for (size_t i = 0; i < leader->member_count; i++) {
        const struct explain_node *node = explain_reached(view, &leader->members[i]);
        if (node != NULL) {
            say_disk(view, &node->status);
            say_queues(view, &node->status);
        }
    }
    say_log(view);
    if (view->report->count == before) {
        explain_say(view, EXPLAIN_WRITES,
                    "Nothing is to be seen that slows writes: disks, members and queues are as "
                    "usual.");
    }
}
