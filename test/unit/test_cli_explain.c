/* test_cli_explain.c: which sentences follow from which facts: who leads, and what slows writes. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "explain_scene.h"

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
};

static void every_situation_has_its_sentences(void **state)
{
    (void)state;
    check_situations(situations, COUNT_OF(situations));
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
