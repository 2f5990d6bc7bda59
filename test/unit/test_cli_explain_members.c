/* test_cli_explain_members.c: which sentences follow from which facts: who is a member, and of what
 * kind.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "explain_scene.h"

static void make_promotable(struct node_status_member *member)
{
    word(member->kind, "learner");
    member->wants_vote = true;
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

static const struct situation situations[] = {
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
    {"a full disk of a node that is none of the cluster is nothing to it",
     stranger_disk_full,
     {"1 more voter may fail, and writes go on."},
     {"No more voter"}},
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

static void every_situation_of_a_member_has_its_sentences(void **state)
{
    (void)state;
    check_situations(situations, COUNT_OF(situations));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_situation_of_a_member_has_its_sentences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
