/* test_node_change.c: changes of the members and of the leader, asked of any node. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "quorate/error.h"
#include "settled_rig.h"
#include "support/node_rig.h"
#include "support/unit.h"

/* Node `i` is asked, and told; returns the status. */
static int change(struct rig *rig, int i, struct wire_change asked)
{
    struct rig_node *self = &rig->nodes[i];
    unsigned before = self->change_count;
    rig_change(rig, i, asked);
    for (int ms = 0; ms < PATIENCE_MS && self->change_count == before; ms++) {
        rig_step(rig);
    }
    assert_int_equal(self->change_count, before + 1);
    return self->change_status;
}

static uint8_t roles_of(const struct rig *rig, int at, int member)
{
    const struct raft_configuration *configuration = node_configuration(rig->nodes[at].node);
    int position = raft_configuration_find(configuration, (node_id)member + 1);
    return position < 0 ? 0xff : configuration->members[position].roles;
}

static struct wire_change removal_of(int node)
{
    struct wire_change change = {.removed = {'n', (char)('0' + node)}};
    return change;
}

static void any_node_is_asked_and_the_leader_does_it(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig, 3);
    int leader = rig_leader(&rig);
    int asked = other_than(&rig, leader, -1);
    int demoted = other_than(&rig, leader, asked);
    struct wire_change demotion = {.demoted = {'n', (char)('0' + demoted)}};
    assert_int_equal(change(&rig, asked, demotion), 0);
    rig_run(&rig, 200);
    assert_int_equal(roles_of(&rig, asked, demoted), 0);
    assert_int_equal(rig.nodes[asked].change_result.tolerated_before, 1);
    assert_int_equal(rig.nodes[asked].change_result.tolerated_after, 0);
    struct wire_change promotion = {.promoted = {'n', (char)('0' + demoted)}};
    assert_int_equal(change(&rig, demoted, promotion), 0);
    rig_run(&rig, 200);
    assert_int_equal(roles_of(&rig, asked, demoted), RAFT_VOTER);
    assert_int_equal(change(&rig, leader, promotion), 0); /* it is done already */
    end(&rig);
}

static void several_members_change_at_once(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig, 5);
    int leader = rig_leader(&rig);
    struct wire_change demotion = {0};
    size_t length = 0;
    int kept = other_than(&rig, leader, -1);
    for (int i = 0; i < 5; i++) {
        if (i != leader && i != kept) {
            demotion.demoted[length++] = 'n';
            demotion.demoted[length++] = (char)('0' + i);
            demotion.demoted[length++] = ',';
        }
    }
    demotion.demoted[length - 1] = '\0';
    assert_int_equal(change(&rig, kept, demotion), 0);
    rig_run(&rig, 300);
    for (int i = 0; i < 5; i++) {
        bool is_voter = i == leader || i == kept;
        assert_int_equal(roles_of(&rig, leader, i), is_voter ? RAFT_VOTER : 0);
    }
    rig_propose(&rig, kept);
    rig_run(&rig, 300);
    assert_int_equal(rig.done_count, 1);
    end(&rig);
}

static void a_dry_run_tells_and_changes_nothing(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig, 3);
    int leader = rig_leader(&rig);
    int gone = other_than(&rig, leader, -1);
    raft_index before = node_configuration(rig.nodes[leader].node)->index;
    struct wire_change removal = removal_of(gone);
    removal.is_dry_run = true;
    assert_int_equal(change(&rig, leader, removal), 0);
    assert_string_equal(rig.nodes[leader].change_result.reason,
                        "2 of 2 voters answer, 2 are needed: 0 may fail, before it was 1");
    struct wire_change transfer = transfer_to(gone);
    transfer.is_dry_run = true;
    assert_int_equal(change(&rig, gone, transfer), 0);
    assert_int_equal(node_configuration(rig.nodes[leader].node)->index, before);
    assert_int_equal(rig_leader(&rig), leader);
    end(&rig);
}

static void what_the_live_could_not_decide_any_more_is_refused(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig, 3);
    int leader = rig_leader(&rig);
    int dead = other_than(&rig, leader, -1);
    int alive = other_than(&rig, leader, dead);
    rig_crash(&rig, dead);
    rig_run(&rig, 1000);
    struct wire_change removal = removal_of(alive);
    assert_int_equal(change(&rig, leader, removal), QR_ERR_QUORUM);
    assert_non_null(strstr(rig.nodes[leader].change_result.reason, "1 of 2 voters answer"));
    assert_int_equal(roles_of(&rig, leader, alive), RAFT_VOTER);
    /* The dead one may go, and then the other one too. */
    assert_int_equal(change(&rig, leader, removal_of(dead)), 0);
    assert_int_equal(change(&rig, leader, removal), 0);
    rig_run(&rig, 200);
    assert_int_equal(node_configuration(rig.nodes[leader].node)->count, 1);
    assert_int_equal(change(&rig, leader, removal_of(leader)), QR_ERR_INVALID);
    assert_string_equal(rig.nodes[leader].change_result.reason,
                        "no voter that may lead would be left");
    end(&rig);
}

static void who_insists_is_obeyed(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig, 3);
    int leader = rig_leader(&rig);
    int dead = other_than(&rig, leader, -1);
    int alive = other_than(&rig, leader, dead);
    rig_crash(&rig, dead);
    rig_run(&rig, 1000);
    struct wire_change removal = removal_of(alive);
    removal.is_forced = true;
    rig_change(&rig, leader, removal);
    rig_run(&rig, 200);
    assert_int_equal(roles_of(&rig, leader, alive), 0xff);
    rig_start(&rig, dead);
    rig_run(&rig, PATIENCE_MS);
    assert_int_equal(rig.nodes[leader].change_count, 1);
    end(&rig);
}

static void names_that_are_wrong_are_refused_in_words(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig, 3);
    int leader = rig_leader(&rig);
    int other = other_than(&rig, leader, -1);
    struct wire_change nobody = {.removed = "n1,nobody"};
    assert_int_equal(change(&rig, other, nobody), QR_ERR_NOT_FOUND);
    assert_string_equal(rig.nodes[other].change_result.reason, "no member is called 'nobody'");
    struct wire_change twice = {.removed = "n1", .demoted = "n1"};
    assert_int_equal(change(&rig, other, twice), QR_ERR_INVALID);
    assert_string_equal(rig.nodes[other].change_result.reason, "n1 is named twice");
    struct wire_change priority = {.prioritized = "n1", .priority = 256};
    assert_int_equal(change(&rig, other, priority), QR_ERR_INVALID);
    struct wire_change both = {.removed = "n1", .transferee = "n2"};
    assert_int_equal(node_change(rig.nodes[other].node, &both, 9, rig.time), QR_ERR_INVALID);
    struct wire_change nothing = {.is_forced = true};
    assert_int_equal(node_change(rig.nodes[other].node, &nothing, 9, rig.time), QR_ERR_INVALID);
    struct wire_change unknown = {.transferee = "nobody"};
    assert_int_equal(change(&rig, leader, unknown), QR_ERR_NOT_FOUND);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(roles_of(&rig, leader, i), RAFT_VOTER);
    }
    end(&rig);
}

static void a_learner_that_is_silent_is_not_promoted_unless_one_insists(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig, 4);
    int leader = rig_leader(&rig);
    int learner = other_than(&rig, leader, -1);
    struct wire_change demotion = {.demoted = {'n', (char)('0' + learner)}};
    struct wire_change promotion = {.promoted = {'n', (char)('0' + learner)}};
    assert_int_equal(change(&rig, leader, demotion), 0);
    rig_crash(&rig, learner);
    rig_run(&rig, 1000);
    assert_int_equal(change(&rig, leader, promotion), QR_ERR_BEHIND);
    assert_non_null(strstr(rig.nodes[leader].change_result.reason, "does not answer"));
    assert_int_equal(roles_of(&rig, leader, learner), 0);
    promotion.is_forced = true;
    assert_int_equal(change(&rig, leader, promotion), 0);
    assert_int_equal(roles_of(&rig, leader, learner), RAFT_VOTER);
    end(&rig);
}

/* The leader is alone, and does not know it yet. */
static void it_is_done_when_it_is_committed_and_else_unknown(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig, 3);
    int leader = rig_leader(&rig);
    int demoted = other_than(&rig, leader, -1);
    for (int i = 0; i < 3; i++) {
        rig.is_cut[leader][i] = i != leader;
        rig.is_cut[i][leader] = i != leader;
    }
    struct wire_change demotion = {.demoted = {'n', (char)('0' + demoted)}};
    rig_change(&rig, leader, demotion);
    rig_run(&rig, 100);
    assert_int_equal(roles_of(&rig, leader, demoted), 0); /* it is in the log */
    assert_int_equal(rig.nodes[leader].change_count, 0);
    rig_run(&rig, PATIENCE_MS);
    assert_int_equal(rig.nodes[leader].change_count, 1);
    assert_int_equal(rig.nodes[leader].change_status, QR_ERR_TIMEOUT);
    memset(rig.is_cut, 0, sizeof(rig.is_cut));
    assert_true(rig_settle(&rig, 3, PATIENCE_MS));
    end(&rig);
}

static void a_leader_that_is_removed_hands_over_first(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig, 3);
    int leader = rig_leader(&rig);
    int other = other_than(&rig, leader, -1);
    assert_int_equal(change(&rig, other, removal_of(leader)), 0);
    rig_run(&rig, 300);
    int heir = rig_leader(&rig);
    assert_int_not_equal(heir, leader);
    assert_int_equal(roles_of(&rig, heir, leader), 0xff);
    struct node_status status;
    node_status(rig.nodes[heir].node, &status);
    assert_int_equal(status.elections_started, 0); /* it was asked to campaign */
    end(&rig);
}

static void the_leader_itself_may_be_asked_to_remove_itself(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig, 3);
    int leader = rig_leader(&rig);
    assert_int_equal(change(&rig, leader, removal_of(leader)), 0);
    rig_run(&rig, 1000);
    int heir = rig_leader(&rig);
    assert_int_not_equal(heir, leader);
    assert_int_equal(roles_of(&rig, heir, leader), 0xff);
    end(&rig);
}

static void leadership_goes_where_it_is_asked_to_and_nothing_is_lost(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig, 3);
    for (int round = 0; round < 6; round++) {
        int leader = rig_leader(&rig);
        int target = other_than(&rig, leader, round % 2 == 0 ? -1 : other_than(&rig, leader, -1));
        int asked = other_than(&rig, target, -1);
        unsigned before = rig.nodes[asked].change_count;
        rig_change(&rig, asked, transfer_to(target));
        for (int ms = 0; ms < 400; ms++) {
            rig_propose(&rig, ms % 3);
            rig_step(&rig);
        }
        assert_int_equal(rig.nodes[asked].change_count, before + 1);
        assert_int_equal(rig.nodes[asked].change_status, 0);
        assert_int_equal(rig_leader(&rig), target);
        assert_true(rig_settle(&rig, 3, PATIENCE_MS));
    }
    /* Held while leadership moved, refused nowhere. */
    assert_int_equal(rig.done_count, rig.proposal_count);
    end(&rig);
}

static void a_transfer_to_the_dead_is_refused_and_the_leader_goes_on(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig, 3);
    int leader = rig_leader(&rig);
    int dead = other_than(&rig, leader, -1);
    int alive = other_than(&rig, leader, dead);
    rig_crash(&rig, dead);
    rig_run(&rig, 600);
    assert_int_equal(change(&rig, alive, transfer_to(dead)), QR_ERR_BEHIND);
    assert_int_equal(rig_leader(&rig), leader);
    rig_propose(&rig, alive);
    rig_run(&rig, 300);
    assert_int_equal(rig.done_count, 1);
    end(&rig);
}

static void a_transfer_that_fails_is_told_in_bounded_time(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig, 3);
    int leader = rig_leader(&rig);
    int target = other_than(&rig, leader, -1);
    int asked = other_than(&rig, leader, target);
    rig_crash(&rig, target); /* it was heard a moment ago */
    time_ns asked_ns = rig.time.now_ns;
    assert_int_equal(change(&rig, asked, transfer_to(target)), QR_ERR_TIMEOUT);
    assert_true(rig.time.now_ns - asked_ns <= 400 * NS_PER_MS);
    assert_int_equal(rig_leader(&rig), leader);
    rig_propose(&rig, leader);
    rig_run(&rig, 300);
    assert_int_equal(rig.done_count, 1);
    end(&rig);
}

/* It was told to campaign, and nobody hears it: who asked must not take that for certain. */
static void who_takes_over_late_was_not_refused_for_certain(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig, 3);
    int leader = rig_leader(&rig);
    int target = other_than(&rig, leader, -1);
    struct rig_node *asked = &rig.nodes[leader];
    rig_change(&rig, leader, transfer_to(target));
    for (int i = 0; i < 3; i++) {
        rig.is_cut[target][i] = i != target;
    }
    for (int ms = 0; ms < PATIENCE_MS && asked->change_count == 0; ms++) {
        rig_step(&rig);
    }
    assert_int_equal(asked->change_count, 1);
    assert_int_equal(rig_leader(&rig), leader);
    memset(rig.is_cut, 0, sizeof(rig.is_cut));
    for (int ms = 0; ms < PATIENCE_MS && rig_leader(&rig) != target; ms++) {
        rig_step(&rig);
    }
    assert_int_equal(rig_leader(&rig), target);
    assert_false(qr_error_is_certain(asked->change_status));
    end(&rig);
}

static void without_a_leader_nothing_is_changed_and_that_is_told(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig, 3);
    int leader = rig_leader(&rig);
    int left = other_than(&rig, leader, -1);
    for (int i = 0; i < 3; i++) {
        if (i != left) {
            rig_crash(&rig, i);
        }
    }
    rig_run(&rig, 1000);
    assert_int_equal(change(&rig, left, removal_of(leader)), QR_ERR_NO_LEADER);
    rig_change(&rig, left, removal_of(leader));
    node_stop(rig.nodes[left].node);
    assert_int_equal(rig.nodes[left].change_status, QR_ERR_STOPPED);
    struct wire_change again = removal_of(leader);
    assert_int_equal(node_change(rig.nodes[left].node, &again, 9, rig.time), QR_ERR_STOPPED);
    rig_stop(&rig, left);
    end(&rig);
}

/* It is in force where it was begun, and may come to nothing: whoever asks for it, too, waits. */
static void the_same_asked_twice_is_done_when_it_is_committed(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig, 3);
    int leader = rig_leader(&rig);
    struct wire_change demotion = {.demoted = {'n', (char)('0' + other_than(&rig, leader, -1))},
                                   .is_forced = true};
    for (int i = 0; i < 3; i++) {
        rig.is_cut[leader][i] = i != leader;
        rig.is_cut[i][leader] = i != leader;
    }
    rig_change(&rig, leader, demotion);
    rig_run(&rig, 20);
    assert_int_equal(node_change(rig.nodes[leader].node, &demotion, 1, rig.time), 0);
    rig_run(&rig, 20);
    assert_int_equal(rig.nodes[leader].change_count, 0);
    memset(rig.is_cut, 0, sizeof(rig.is_cut));
    rig_run(&rig, PATIENCE_MS);
    assert_int_equal(rig.nodes[leader].change_count, 2);
    assert_int_equal(rig.nodes[leader].change_status, 0);
    end(&rig);
}

static void who_stops_while_the_leader_was_asked_does_not_know(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig, 3);
    int leader = rig_leader(&rig);
    int asked = other_than(&rig, leader, -1);
    rig_change(&rig, asked, removal_of(leader));
    rig_step(&rig);
    assert_int_equal(rig.nodes[asked].change_count, 0);
    node_stop(rig.nodes[asked].node);
    assert_int_equal(rig.nodes[asked].change_count, 1);
    assert_int_equal(rig.nodes[asked].change_status, QR_ERR_TIMEOUT);
    rig_stop(&rig, asked);
    end(&rig);
}

static void more_changes_at_once_than_there_is_room_for_are_refused(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig, 1);
    struct wire_change dry = {.demoted = "n0", .is_dry_run = true};
    struct node *node = rig.nodes[0].node;
    for (unsigned i = 0; i < 16; i++) {
        assert_int_equal(node_change(node, &dry, i, rig.time), 0);
    }
    assert_int_equal(node_change(node, &dry, 99, rig.time), QR_ERR_BUSY);
    rig_run(&rig, 10);
    assert_int_equal(rig.nodes[0].change_count, 16);
    end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_node_is_asked_and_the_leader_does_it),
        cmocka_unit_test(several_members_change_at_once),
        cmocka_unit_test(a_dry_run_tells_and_changes_nothing),
        cmocka_unit_test(what_the_live_could_not_decide_any_more_is_refused),
        cmocka_unit_test(who_insists_is_obeyed),
        cmocka_unit_test(names_that_are_wrong_are_refused_in_words),
        cmocka_unit_test(a_learner_that_is_silent_is_not_promoted_unless_one_insists),
        cmocka_unit_test(it_is_done_when_it_is_committed_and_else_unknown),
        cmocka_unit_test(a_leader_that_is_removed_hands_over_first),
        cmocka_unit_test(the_leader_itself_may_be_asked_to_remove_itself),
        cmocka_unit_test(leadership_goes_where_it_is_asked_to_and_nothing_is_lost),
        cmocka_unit_test(a_transfer_to_the_dead_is_refused_and_the_leader_goes_on),
        cmocka_unit_test(a_transfer_that_fails_is_told_in_bounded_time),
        cmocka_unit_test(who_takes_over_late_was_not_refused_for_certain),
        cmocka_unit_test(without_a_leader_nothing_is_changed_and_that_is_told),
        cmocka_unit_test(the_same_asked_twice_is_done_when_it_is_committed),
        cmocka_unit_test(who_stops_while_the_leader_was_asked_does_not_know),
        cmocka_unit_test(more_changes_at_once_than_there_is_room_for_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
