/* test_cli_explain.c: which sentences follow from which facts. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/explain.h"
#include "support/unit.h"

struct scene {
    struct explain_facts facts;
    struct explain_report report;
};

static void word(char *out, const char *value)
{
    memcpy(out, value, strlen(value) + 1);
}

static void fill_member(struct node_status_member *member, size_t i)
{
    *member = (struct node_status_member){.priority = 1, .heard_ms = 20, .match_index = 100};
    snprintf(member->name, sizeof(member->name), "n%zu", i + 1);
    snprintf(member->id, sizeof(member->id), "%zu", i + 1);
    snprintf(member->http, sizeof(member->http), "h:%zu", i + 1);
    word(member->kind, "voter");
    word(member->health, "alive");
    word(member->progress, "replicate");
    member->vote_ms = NODE_NEVER;
    member->is_connected = true;
}

/* Three voters, of which n1 leads in term 7; all answer, and all is well. */
static struct scene *scene_new(void)
{
    struct scene *scene = calloc(1, sizeof(*scene));
    assert_non_null(scene);
    scene->facts.node_count = 3;
    for (size_t i = 0; i < 3; i++) {
        struct explain_node *node = &scene->facts.nodes[i];
        struct node_status *status = &node->status;
        *status = (struct node_status){.term = 7,
                                       .first_index = 1,
                                       .last_index = 100,
                                       .commit_index = 100,
                                       .applied_index = 100,
                                       .max_log_entries = 10000,
                                       .election_timeout_max_ms = 300,
                                       .leader_heard_ms = 20,
                                       .quorum_lost_ms = NODE_NEVER,
                                       .proposals_max = 1000,
                                       .uncommitted_bytes_max = 1 << 20,
                                       .member_count = 3};
        word(status->cluster, "c1");
        word(status->leader, "n1");
        word(status->role, i == 0 ? "leader" : "follower");
        for (size_t k = 0; k < 3; k++) {
            fill_member(&status->members[k], k);
        }
        word(status->name, status->members[i].name);
        word(status->id, status->members[i].id);
        word(node->name, status->name);
        word(node->id, status->id);
        word(node->address, status->members[i].http);
        node->is_reached = true;
    }
    return scene;
}

static struct node_status *of(struct scene *scene, size_t i)
{
    return &scene->facts.nodes[i].status;
}

/* What every node tells of a member. */
static void tell(struct scene *scene, size_t member, void (*change)(struct node_status_member *))
{
    for (size_t i = 0; i < scene->facts.node_count; i++) {
        change(&of(scene, i)->members[member]);
    }
}

static void unreach(struct scene *scene, size_t i)
{
    scene->facts.nodes[i].is_reached = false;
    for (size_t k = 0; k < scene->facts.node_count; k++) {
        word(of(scene, k)->members[i].health, "dead");
        of(scene, k)->members[i].is_connected = false;
        of(scene, k)->members[i].heard_ms = 5200;
    }
}

static void depose(struct scene *scene)
{
    for (size_t i = 0; i < 3; i++) {
        of(scene, i)->leader[0] = '\0';
        of(scene, i)->leader_heard_ms = 4000;
        word(of(scene, i)->role, "follower");
    }
}

static void make_learner(struct node_status_member *member)
{
    word(member->kind, "learner");
}

static void make_promotable(struct node_status_member *member)
{
    word(member->kind, "learner");
    member->wants_vote = true;
}

static void set_priority_zero(struct node_status_member *member)
{
    member->priority = 0;
}

static void set_outgoing(struct node_status_member *member)
{
    member->is_outgoing = true;
}

static void well(struct scene *scene)
{
    (void)scene;
}

static void one_silent(struct scene *scene)
{
    unreach(scene, 2);
}

static void two_silent(struct scene *scene)
{
    unreach(scene, 1);
    unreach(scene, 2);
    depose(scene);
    of(scene, 0)->quorum_lost_ms = 2300;
    word(of(scene, 0)->role, "pre_candidate");
}

static void two_silent_and_still_leading(struct scene *scene)
{
    unreach(scene, 1);
    unreach(scene, 2);
}

static void one_stands_still(struct scene *scene)
{
    two_silent(scene);
    of(scene, 0)->members[1].is_connected = true;
}

static void leader_out_of_reach(struct scene *scene)
{
    scene->facts.nodes[0].is_reached = false;
}

static void two_leaders(struct scene *scene)
{
    word(of(scene, 1)->role, "leader");
    of(scene, 1)->term = 8;
}

static void handing_over(struct scene *scene)
{
    word(of(scene, 0)->transfer_to, "n2");
}

static void refused(struct scene *scene)
{
    depose(scene);
    struct node_status_member *voter = &of(scene, 0)->members[1];
    voter->vote_ms = 420;
    word(voter->vote, "the candidate's log is behind mine");
    voter = &of(scene, 0)->members[2];
    voter->vote_ms = 430;
    voter->is_vote_granted = true;
    word(voter->vote, "granted");
    voter = &of(scene, 1)->members[2];
    voter->vote_ms = 31000;
    word(voter->vote, "I hear from a leader");
}

static void nobody_may_lead(struct scene *scene)
{
    depose(scene);
    for (size_t i = 0; i < 3; i++) {
        tell(scene, i, set_priority_zero);
    }
}

static void stalled(struct scene *scene)
{
    depose(scene);
    of(scene, 1)->is_stalled = true;
    of(scene, 1)->saving_ms = 11000;
}

static void joint(struct scene *scene)
{
    depose(scene);
    for (size_t i = 0; i < 3; i++) {
        of(scene, i)->is_joint = true;
        tell(scene, i, set_outgoing);
    }
    tell(scene, 0, make_learner);
    of(scene, 0)->is_change_pending = true;
    scene->facts.nodes[2].is_reached = false;
    for (size_t i = 0; i < 3; i++) {
        word(of(scene, i)->members[2].health, "suspect");
        of(scene, i)->members[2].is_connected = false;
    }
}

static void disk_full(struct scene *scene)
{
    of(scene, 0)->is_disk_full = true;
    of(scene, 2)->is_disk_full = true;
}

static void follower_disk_full(struct scene *scene)
{
    of(scene, 2)->is_disk_full = true;
}

static void follower_stalled(struct scene *scene)
{
    of(scene, 1)->is_stalled = true;
}

static void slow_disks(struct scene *scene)
{
    of(scene, 0)->sync_median_us = 12340;
    of(scene, 0)->sync_99_us = 60000;
    of(scene, 1)->sync_median_us = 900;
    of(scene, 1)->sync_99_us = 50000;
    of(scene, 2)->saving_ms = 250;
    of(scene, 2)->applying_ms = 1250;
}

static void queues(struct scene *scene)
{
    of(scene, 1)->proposals = 500;
    of(scene, 0)->uncommitted_bytes = 1 << 19;
    of(scene, 0)->applied_index = 0;
    of(scene, 0)->commit_index = 1000;
}

static void snapshot_under_way(struct scene *scene)
{
    struct node_status_member *member = &of(scene, 0)->members[2];
    word(member->progress, "snapshot");
    member->snapshot_sent_bytes = 1536 * 1024;
    member->snapshot_size_bytes = UINT64_C(64) << 20;
    of(scene, 2)->is_receiving = true;
    of(scene, 2)->received_bytes = 1000;
    of(scene, 2)->receive_bytes = UINT64_C(64) << 20;
}

static void snapshot_failed(struct scene *scene)
{
    struct node_status_member *member = &of(scene, 0)->members[2];
    word(member->progress, "snapshot");
    word(member->snapshot_error, "a limit is reached");
}

static void far_behind(struct scene *scene)
{
    of(scene, 0)->last_index = 30000;
    of(scene, 0)->commit_index = 30000;
    of(scene, 0)->applied_index = 30000;
    of(scene, 0)->members[1].match_index = 30000;
}

static void learner_stays(struct scene *scene)
{
    tell(scene, 2, make_learner);
}

static void learner_behind(struct scene *scene)
{
    tell(scene, 2, make_promotable);
    of(scene, 0)->last_index = 1100;
    scene->facts.earlier = *of(scene, 0);
    scene->facts.earlier.last_index = 1050;
    scene->facts.earlier.members[2].match_index = 40;
    scene->facts.earlier_ms = 400;
}

static void learner_losing_ground(struct scene *scene)
{
    learner_behind(scene);
    scene->facts.earlier.members[2].match_index = 60;
}

static void learner_keeping_up(struct scene *scene)
{
    learner_losing_ground(scene);
    for (size_t i = 0; i < 3; i++) {
        of(scene, i)->members[2].match_index = 1070;
    }
    scene->facts.earlier.members[2].match_index = 1030;
}

static void learner_silent(struct scene *scene)
{
    tell(scene, 2, make_promotable);
    of(scene, 0)->members[2].heard_ms = NODE_NEVER;
}

static void learner_waits(struct scene *scene)
{
    tell(scene, 2, make_promotable);
    of(scene, 0)->is_change_pending = true;
    of(scene, 0)->changes = 1;
    of(scene, 0)->joins = 2;
}

static void learner_ready(struct scene *scene)
{
    tell(scene, 2, make_promotable);
}

static void learner_installs(struct scene *scene)
{
    tell(scene, 2, make_promotable);
    snapshot_under_way(scene);
}

static void stranger(struct scene *scene)
{
    struct explain_node *node = &scene->facts.nodes[scene->facts.node_count++];
    *node = scene->facts.nodes[2];
    word(node->status.name, "n9");
    word(node->status.id, "9");
    word(node->status.cluster, "c2");
    word(node->address, "h:9");
    node->id[0] = node->name[0] = '\0';
}

static void stranger_disk_full(struct scene *scene)
{
    stranger(scene);
    of(scene, 3)->is_disk_full = true;
}

static void held_for_dead(struct node_status_member *member)
{
    word(member->health, "dead");
    member->is_heard = true;
    member->health_ms = 4100;
}

static void voter_dead_by_gossip(struct scene *scene)
{
    tell(scene, 2, held_for_dead);
}

static void voter_left(struct scene *scene)
{
    tell(scene, 2, held_for_dead);
    for (size_t i = 0; i < 3; i++) {
        word(of(scene, i)->members[2].health, "left");
    }
}

static void make_observer(struct node_status_member *member)
{
    word(member->kind, "observer");
}

static void observed(struct scene *scene)
{
    tell(scene, 2, make_observer);
}

static void removed(struct scene *scene)
{
    stranger(scene);
    word(of(scene, 3)->cluster, "c1");
}

static void joining(struct scene *scene)
{
    stranger(scene);
    of(scene, 3)->is_joining = true;
    of(scene, 3)->member_count = 0;
    word(of(scene, 3)->join_error, "h:7: another member has this name");
}

static void replaced(struct scene *scene)
{
    word(of(scene, 2)->id, "33");
    word(of(scene, 2)->name, "m3");
    word(of(scene, 2)->cluster, "c2");
}

static void only_joining(struct scene *scene)
{
    joining(scene);
    scene->facts.nodes[0] = scene->facts.nodes[3];
    scene->facts.node_count = 1;
}

/* A leader of version 0.1.0 tells nothing but what that version told. */
static void old_version(struct scene *scene)
{
    for (size_t i = 0; i < 3; i++) {
        of(scene, i)->election_timeout_max_ms = 0;
        of(scene, i)->max_log_entries = 0;
        of(scene, i)->members[1].heard_ms = NODE_NEVER;
        of(scene, i)->members[2].heard_ms = NODE_NEVER;
    }
    tell(scene, 2, make_learner);
}

#define SAYS_MAX 6

struct situation {
    const char *name;
    void (*make)(struct scene *scene);
    const char *says[SAYS_MAX];     /* whole sentences */
    const char *says_not[SAYS_MAX]; /* parts of none */
};

static const struct situation situations[] = {
    {"all is well",
     well,
     {"n1 leads, in term 7, and has just heard 3 of 3 voters.",
      "Nothing is to be seen that slows writes: disks, members and queues are as usual.",
      "n1, n2 and n3 vote, as n1 has it.", "No change of the members is under way.",
      "1 more voter may fail, and writes go on."},
     {"did not answer", "silent", "No more voter"}},
    {"one voter is silent",
     one_silent,
     {"n1 leads, in term 7, and has just heard 2 of 3 voters.",
      "With n3 silent every write waits for all of the others that vote: n2.",
      "n3 has not answered n1 for 5.2 s.", "n3 did not answer at http://h:3/status.",
      "No more voter may fail: with one less that acknowledges, writes stop.",
      "With all its voters the cluster stands 1 failure."},
     {"is down", "Nothing is to be seen"}},
    {"two of three are gone",
     two_silent,
     {"No node that answered leads, or knows who does.",
      "2 of 3 voters must agree on a leader; 1 answered here: n1, too few by themselves.",
      "n2 and n3 did not answer, and no node that did has a connection there: the voters that are "
      "left are too few to elect anybody.",
      "If n2 and n3 do run and reach each other, they may have a leader among themselves: that "
      "cannot be seen from here.",
      "n1 led until 2.3 s ago, and stepped down because it heard no majority of the voters.",
      "No leader answered here: why a write is slow could only be told by one."},
     {"Enough voters", "is down", "may fail"}},
    {"a leader that has not noticed yet",
     two_silent_and_still_leading,
     {"n1 says that it leads, in term 7, but has just heard only 1 of 3 voters, itself included, "
      "which is no majority: it commits nothing, and steps down unless others answer.",
      "Nothing can be committed: n1 hears too few voters. Writes wait, and end as TIMEOUT or "
      "CLUSTERDOWN."},
     {"may fail"}},
    {"one of those that are silent has a connection",
     one_stands_still,
     {"n2 did not answer here, though a node that did has a connection there: something stands "
      "still, or only its /status is out of reach.",
      "n1 wants to lead, and n2 has not answered it."},
     {"too few to elect anybody"}},
    {"only the leader's status is out of reach",
     leader_out_of_reach,
     {"n2 follows n1 as leader of term 7, and heard a leader 20 ms ago; n1 itself did not say here "
      "that it leads.",
      "2 of 3 voters must agree on a leader; 2 answered here: n2 and n3.",
      "n1 did not answer at http://h:1/status."},
     {"No node that answered leads", "too few"}},
    {"a deposed leader has not learnt of it",
     two_leaders,
     {"n2 leads, in term 8, and has just heard 3 of 3 voters.",
      "n1 says that it leads, too, in term 7: the later term counts, and it can commit nothing any "
      "more."},
     {""}},
    {"leadership is on its way",
     handing_over,
     {"n1 is handing leadership over to n2; writes wait until that has succeeded or was given up."},
     {""}},
    {"a candidate was refused",
     refused,
     {"n1 wanted to lead, and n2 refused, 420 ms ago: \"the candidate's log is behind mine\".",
      "n1 wanted to lead, and n3 was for it, 430 ms ago.",
      "Enough voters run to elect one: an election takes some tenths of a second as a rule. If "
      "there is none in a few seconds, they may not reach each other."},
     {"I hear from a leader", "No voter may lead"}},
    {"nobody may lead",
     nobody_may_lead,
     {"n1 has priority 0: it votes, and never leads.",
      "No voter may lead: each has priority 0, or does not advance."},
     {"Enough voters"}},
    {"a disk stands still",
     stalled,
     {"n2 does not want to lead: its disk has not advanced for 11.0 s."},
     {"No voter may lead"}},
    {"two sets of voters must agree",
     joint,
     {"2 of 2 voters must agree on a leader, and a majority of the voters before the change as "
      "well; 1 answered here: n2, too few by themselves.",
      "n3 did not answer, and no node that did has a connection there: the voters that are left "
      "are too few to elect anybody.",
      "As soon as enough of them are back there can be a leader; if they are lost for good, "
      "`quorate doctor` tells the safest way on.",
      "The voters are being changed, from n1, n2 and n3 to n2 and n3: until that is done a "
      "majority of each of the two must agree to everything.",
      "n1 is losing its vote by the change under way."},
     {"Enough voters"}},
    {"disks are full",
     disk_full,
     {"The disk of n1 is full: it refuses writes, and it leads.",
      "The disk of n3 is full: it takes no entries.",
      "Too few voters can acknowledge a write now; not counted on: n1 and n3.",
      "While n1 leads and takes no writes, none go on.",
      "n1 and n3 answer, and count as failed here: the disk is full, or does not advance, or a "
      "snapshot is needed first."},
     {"The disk of n2", "Nothing is to be seen", "may fail"}},
    {"a follower's disk is full",
     follower_disk_full,
     {"With n3 silent or not able to acknowledge every write waits for all of the others that "
      "vote: n2.",
      "No more voter may fail: with one less that acknowledges, writes stop.",
      "n3 answers, and counts as failed here: the disk is full, or does not advance, or a snapshot "
      "is needed first.",
      "With all its voters the cluster stands 1 failure."},
     {"more voter may fail, and"}},
    {"a follower stands still",
     follower_stalled,
     {"No more voter may fail: with one less that acknowledges, writes stop."},
     {"more voter may fail, and"}},
    {"a full disk of a node that is none of the cluster is nothing to it",
     stranger_disk_full,
     {"1 more voter may fail, and writes go on."},
     {"No more voter"}},
    {"disks are slow",
     slow_disks,
     {"Slow writes of the disk of n1: of the last ones half took up to 12.3 ms, and all but one in "
      "a hundred up to 60 ms.",
      "Some slow writes of the disk of n2: of the last ones half took up to 0.9 ms, and all but "
      "one "
      "in a hundred up to 50 ms.",
      "Entries have waited for the disk of n3 for 250 ms, none done.",
      "Committed entries have waited for the state machine of n3 for 1.2 s, none done."},
     {""}},
    {"queues are long",
     queues,
     {"500 writes wait at n2, of 1000 at most (max-pending-proposals): past that it answers "
      "TRYAGAIN.",
      "512.0 KiB of n1's log are not committed yet, of 1.0 MiB at most (four times "
      "max-inflight-bytes): past that writes wait.",
      "n1 has 1000 committed entries still to apply; a write is answered when it is applied."},
     {""}},
    {"a snapshot is sent",
     snapshot_under_way,
     {"n3 lacks what the log of n1 does not hold any more, and is being sent a snapshot: 1.5 MiB "
      "of "
      "64.0 MiB so far.",
      "n3 is taking over a snapshot (1000 bytes of 64.0 MiB have come): until it is done its own "
      "clients wait.",
      "No more voter may fail: with one less that acknowledges, writes stop."},
     {"entries behind", "more voter may fail, and"}},
    {"a snapshot failed",
     snapshot_failed,
     {"n3 lacks what the log of n1 does not hold any more, and waits for a snapshot; the last one "
      "ended: a limit is reached."},
     {""}},
    {"a voter is far behind and holds the log",
     far_behind,
     {"n3 is 29900 entries behind: it has 100 of 30000.",
      "The log of n1 holds 30000 entries, more than max-log-entries, 10000.",
      "n3 answers and has entries up to 100: what it still needs stays in the log, up to "
      "max-log-bytes."},
     {"n2 answers"}},
    {"a learner that stays one",
     learner_stays,
     {"n1 and n2 vote, as n1 has it.",
      "n3 is a learner and stays one: it was started with --learner, or demoted. `quorate promote "
      "n3` makes it a voter."},
     {"is to become"}},
    {"a learner catches up",
     learner_behind,
     {"n3 is to become a voter by itself once it has caught up: it is 1000 entries behind (it has "
      "100 of 1100).",
      "In the last 400 ms it took 60 entries, while the log grew by 50."},
     {"does not catch up"}},
    {"a learner that never will",
     learner_losing_ground,
     {"In the last 400 ms it took 40 entries, while the log grew by 50: at that rate it does not "
      "catch up."},
     {""}},
    {"a learner that is as far as one message takes",
     learner_keeping_up,
     {"In the last 400 ms it took 40 entries, while the log grew by 50."},
     {"does not catch up"}},
    {"a learner that nobody hears",
     learner_silent,
     {"n3 is to become a voter by itself once it has caught up, but has not answered n1 since that "
      "leads."},
     {""}},
    {"a learner waits for another change",
     learner_waits,
     {"n3 is to become a voter by itself: that waits for the change under way.",
      "A change of the members is in the log of n1, and not known there to be committed: it waits "
      "for a majority to have it. No other one begins before.",
      "2 nodes wait to be let in by n1, or to have another address written.",
      "1 change is under way at n1, or wait there."},
     {"No change of the members"}},
    {"a learner that is ready",
     learner_ready,
     {"n3 has caught up, and becomes a voter once it has stayed so for three heartbeats."},
     {""}},
    {"a learner that needs a snapshot",
     learner_installs,
     {"n3 is to become a voter by itself once it has caught up: it needs a snapshot first, of "
      "which "
      "1.5 MiB of 64.0 MiB were sent."},
     {""}},
    {"a voter that the members hold for dead",
     voter_dead_by_gossip,
     {"n3: the members hold it for dead, since 4.1 s, by gossip, as n1 has it."},
     {""}},
    {"a voter that left",
     voter_left,
     {"n3: the members heard that it leaves, since 4.1 s, by gossip, as n1 has it."},
     {"hold it for dead"}},
    {"an observer",
     observed,
     {"n1 and n2 vote, as n1 has it.",
      "n3 is an observer: it watches, and has neither a vote nor data."},
     {"stays one"}},
    {"a node of another cluster",
     stranger,
     {"n9, at h:9, belongs to another cluster: to c2, and not to c1."},
     {"is of this cluster"}},
    {"a node that was removed",
     removed,
     {"n9 (9) is of this cluster, but no member of it, as n1 has it: it was removed, or was not "
      "yet "
      "let in when that was written."},
     {"another cluster"}},
    {"a node that is not let in",
     joining,
     {"n9 is in no cluster yet. Its last attempt to join: h:7: another member has this name."},
     {"another cluster"}},
    {"another node runs at a member's address",
     replaced,
     {"At h:3, where n3 (3) should be, another node answers: m3 (33).",
      "m3, at h:3, belongs to another cluster: to c2, and not to c1."},
     {""}},
    {"nobody is in a cluster",
     only_joining,
     {"No node that answered belongs to a cluster.",
      "n9 is in no cluster yet. Its last attempt to join: h:7: another member has this name."},
     {"vote,", "leads,"}},
    {"version 0.1.0 does not tell why",
     old_version,
     {"n1 leads, in term 7.",
      "n3 is a learner; only a leader, of a version that tells, could say why."},
     {"has not answered", "may fail", "stays one", "just heard"}},
};

static bool says(const struct explain_report *report, const char *sentence)
{
    for (size_t i = 0; i < report->count; i++) {
        if (strcmp(report->sentences[i].text, sentence) == 0) {
            return true;
        }
    }
    return false;
}

static bool says_part(const struct explain_report *report, const char *part)
{
    for (size_t i = 0; i < report->count; i++) {
        if (strstr(report->sentences[i].text, part) != NULL) {
            return true;
        }
    }
    return false;
}

static void complain(const struct situation *situation, const struct explain_report *report,
                     const char *what)
{
    print_error("%s: %s\n", situation->name, what);
    for (size_t i = 0; i < report->count; i++) {
        print_error("    %s\n", report->sentences[i].text);
    }
}

static void every_situation_has_its_sentences(void **state)
{
    bool is_right = true;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(situations); i++) {
        const struct situation *situation = &situations[i];
        struct scene *scene = scene_new();
        situation->make(scene);
        explain(&scene->facts, &scene->report);
        for (size_t k = 0; k < SAYS_MAX && situation->says[k] != NULL; k++) {
            if (!says(&scene->report, situation->says[k])) {
                complain(situation, &scene->report, situation->says[k]);
                is_right = false;
            }
        }
        for (size_t k = 0; k < SAYS_MAX && situation->says_not[k] != NULL; k++) {
            const char *part = situation->says_not[k];
            if (part[0] != '\0' && says_part(&scene->report, part)) {
                complain(situation, &scene->report, part);
                is_right = false;
            }
        }
        free(scene);
    }
    assert_true(is_right);
}

static void sentences_are_bounded_in_number(void **state)
{
    (void)state;
    struct scene *scene = scene_new();
    struct node_status *leader = of(scene, 0);
    leader->member_count = QR_MEMBERS_MAX;
    for (size_t i = 0; i < QR_MEMBERS_MAX; i++) {
        fill_member(&leader->members[i], i);
        memset(leader->members[i].name, 'x', sizeof(leader->members[i].name) - 1);
    }
    for (size_t i = 1; i < EXPLAIN_NODES_MAX; i++) {
        struct node_status *status = of(scene, i);
        scene->facts.nodes[i] = scene->facts.nodes[1];
        word(status->id, leader->members[i % QR_MEMBERS_MAX].id);
        status->is_disk_full = status->is_stalled = status->is_receiving = true;
        status->saving_ms = status->applying_ms = status->sync_99_us = 1000000;
        status->proposals = status->proposals_max;
        status->uncommitted_bytes = status->uncommitted_bytes_max;
    }
    scene->facts.node_count = EXPLAIN_NODES_MAX;
    explain(&scene->facts, &scene->report);
    size_t counts[EXPLAIN_TOPICS] = {0};
    const struct explain_sentence *last[EXPLAIN_TOPICS] = {NULL};
    for (size_t i = 0; i < scene->report.count; i++) {
        const struct explain_sentence *sentence = &scene->report.sentences[i];
        counts[sentence->topic]++;
        last[sentence->topic] = sentence;
    }
    for (size_t i = 0; i < EXPLAIN_TOPICS; i++) {
        assert_in_range(counts[i], 1, EXPLAIN_TOPIC_SENTENCES_MAX); /* none is left out */
    }
    size_t more = 0;
    assert_int_equal(counts[EXPLAIN_WRITES], EXPLAIN_TOPIC_SENTENCES_MAX);
    assert_int_equal(sscanf(last[EXPLAIN_WRITES]->text, "And %zu more.", &more), 1);
    assert_int_equal(EXPLAIN_TOPIC_SENTENCES_MAX - 1 + more, scene->report.said[EXPLAIN_WRITES]);
    free(scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_situation_has_its_sentences),
        cmocka_unit_test(sentences_are_bounded_in_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
