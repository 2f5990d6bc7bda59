/* test_node_invite.c: a member invites a node that waits, and sees it taken in. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "quorate/error.h"
#include "support/node_rig.h"
#include "support/node_solo.h"
#include "support/unit.h"

#define NEWCOMER 4
#define TOKEN 7

static void begin_waiting(struct solo *solo)
{
    solo_init(solo);
    solo->options.is_waiting = true;
    solo_start(solo);
}

/* A member that invites who is at a4; that has been dialed. */
static void begin_inviter(struct solo *solo)
{
    solo_init(solo);
    solo_join(solo);
    solo_forget(solo);
    assert_int_equal(node_invite(solo->node, "a4", true, TOKEN, solo->time), 0);
    solo_turn(solo);
    assert_string_equal(solo->dialed, "a4");
    assert_int_equal(solo->changes[TOKEN].count, 0);
}

static void answer(struct solo *solo, int status, const char *reason)
{
    struct wire_message message = {
        .type = WIRE_INVITE_RESPONSE,
        .invite_response = {.status = status, .from = NEWCOMER, .name = "n4"}};
    memcpy(message.invite_response.reason, reason, strlen(reason));
    node_seed_receive(solo->node, &message, solo->time);
    solo_turn(solo);
}

/* It ended so, once, and hangs up. */
static void expect_end(struct solo *solo, int status, const char *words)
{
    assert_int_equal(solo->changes[TOKEN].count, 1);
    assert_int_equal(solo->changes[TOKEN].status, status);
    assert_string_equal(solo->dialed, "");
    assert_int_equal(solo->change_result.tolerated_before, 0);
    if (strstr(solo->change_result.reason, words) == NULL) {
        fail_msg("\"%s\" lacks \"%s\"", solo->change_result.reason, words);
    }
}

/* A heartbeat of the leader now and then, so that the node stays with it. */
static void pass(struct solo *solo, unsigned milliseconds)
{
    for (unsigned i = 0; i < milliseconds; i += 20) {
        solo_run(solo, 20);
        solo_hear(solo, 2, 1);
    }
}

static void it_says_who_invites_and_whom_to_ask(void **state)
{
    (void)state;
    struct solo solo;
    begin_inviter(&solo);
    node_seed_ready(solo.node, solo.time);
    const struct solo_sent *sent = solo_last(&solo, WIRE_INVITE);
    assert_non_null(sent);
    assert_true(sent->is_seed);
    assert_int_equal(sent->message.invite.from, SOLO_SELF);
    assert_true(cluster_id_equal(sent->message.invite.cluster, SOLO_CLUSTER));
    assert_true(sent->message.invite.is_learner);
    assert_string_equal(sent->message.invite.address, "a1");
    solo_deinit(&solo);
}

static void it_ends_when_the_configuration_names_who_answered(void **state)
{
    (void)state;
    struct solo solo;
    begin_inviter(&solo);
    node_seed_ready(solo.node, solo.time);
    struct wire_message message = {.type = WIRE_INVITE_RESPONSE,
                                   .invite_response = {.from = 3, .name = "n3"}};
    node_seed_receive(solo.node, &message, solo.time);
    solo_turn(&solo);
    assert_int_equal(solo.changes[TOKEN].count, 0); /* it is not there yet: it may still restart */
    message.invite_response.cluster = SOLO_CLUSTER;
    message.invite_response.from = NEWCOMER;
    node_seed_receive(solo.node, &message, solo.time);
    solo_turn(&solo);
    assert_int_equal(solo.changes[TOKEN].count, 0); /* it is not named */
    message.invite_response.from = 3;
    node_seed_receive(solo.node, &message, solo.time);
    assert_int_equal(solo.changes[TOKEN].count, 0);
    solo_turn(&solo);
    expect_end(&solo, 0, "n3 is a member");
    solo_deinit(&solo);
}

struct closed_case {
    const char *name;
    int said;
    int status;
    const char *words;
};

static void what_either_hello_was_refused_with_ends_it(void **state)
{
    (void)state;
    const struct closed_case cases[] = {
        {"no connection", 0, QR_ERR_ADDRESS, "the word"},
        {"another cluster", QR_ERR_FOREIGN, QR_ERR_FOREIGN, "the word"},
        {"no common version", QR_ERR_VERSION, QR_ERR_VERSION, "the word"},
        {"an earlier release", QR_ERR_PENDING, QR_ERR_VERSION, "earlier release"},
        {"it stopped", QR_ERR_STOPPED, QR_ERR_ADDRESS, "the word"},
        {"no memory", QR_ERR_NO_MEMORY, QR_ERR_BUSY, "the word"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct solo solo;
        begin_inviter(&solo);
        node_seed_closed(solo.node, cases[i].said, "the word", solo.time);
        expect_end(&solo, cases[i].status, cases[i].words);
        node_seed_closed(solo.node, 0, "again", solo.time);
        expect_end(&solo, cases[i].status, cases[i].words);
        solo_deinit(&solo);
    }
}

static void a_refusal_in_the_answer_ends_it(void **state)
{
    (void)state;
    const struct closed_case cases[] = {
        {"foreign", QR_ERR_FOREIGN, QR_ERR_FOREIGN, "the word"},
        {"busy", QR_ERR_BUSY, QR_ERR_BUSY, "the word"},
        {"no address", QR_ERR_ADDRESS, QR_ERR_ADDRESS, "the word"},
        {"what is no error of ours", 42, QR_ERR_FOREIGN, "the word"},
        {"what would be ours", QR_ERR_TIMEOUT, QR_ERR_FOREIGN, "the word"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct solo solo;
        begin_inviter(&solo);
        node_seed_ready(solo.node, solo.time);
        answer(&solo, cases[i].said, "the word");
        expect_end(&solo, cases[i].status, cases[i].words);
        answer(&solo, 0, ""); /* too late */
        expect_end(&solo, cases[i].status, cases[i].words);
        solo_deinit(&solo);
    }
}

/* It may be a member by then, by what it heard before. */
static void a_refusal_by_who_may_have_joined_leaves_it_unknown(void **state)
{
    (void)state;
    for (int is_taken = 0; is_taken <= 1; is_taken++) {
        struct solo solo;
        begin_inviter(&solo);
        node_seed_ready(solo.node, solo.time);
        if (is_taken == 1) {
            answer(&solo, 0, "");
        } else {
            node_seed_closed(solo.node, 0, "it restarts", solo.time);
            pass(&solo, 300);
            node_seed_ready(solo.node, solo.time);
        }
        answer(&solo, QR_ERR_BUSY, "another cluster invites it");
        expect_end(&solo, QR_ERR_TIMEOUT, "another cluster");
        solo_deinit(&solo);
    }
}

static void who_never_answers_was_told_nothing(void **state)
{
    (void)state;
    struct solo solo;
    begin_inviter(&solo);
    pass(&solo, 6000);
    expect_end(&solo, QR_ERR_ADDRESS, "in time");
    solo_deinit(&solo);
}

static void who_was_told_may_yet_join_when_time_is_up(void **state)
{
    (void)state;
    const char *answers[] = {NULL, "", "a9: another member has this name"};
    const char *words[] = {"did not answer", "asks to be taken in", "another member has this name"};
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        struct solo solo;
        begin_inviter(&solo);
        node_seed_ready(solo.node, solo.time);
        if (answers[i] != NULL) {
            answer(&solo, 0, answers[i]);
        }
        pass(&solo, 6000);
        expect_end(&solo, QR_ERR_TIMEOUT, words[i]);
        solo_deinit(&solo);
    }
}

static void it_is_said_again_on_the_same_connection(void **state)
{
    (void)state;
    struct solo solo;
    begin_inviter(&solo);
    node_seed_ready(solo.node, solo.time);
    assert_int_equal(solo_count(&solo, WIRE_INVITE), 1);
    pass(&solo, 160);
    assert_int_equal(solo_count(&solo, WIRE_INVITE), 2);
    answer(&solo, 0, "");
    pass(&solo, 160);
    assert_in_range(solo_count(&solo, WIRE_INVITE), 3, 4);
    assert_int_equal(solo.dial_count, 2); /* that with which it joined, and this one */
    solo_deinit(&solo);
}

static void a_connection_that_is_lost_is_made_again(void **state)
{
    (void)state;
    struct solo solo;
    begin_inviter(&solo);
    node_seed_ready(solo.node, solo.time);
    node_seed_closed(solo.node, 0, "it restarts", solo.time);
    unsigned dials = solo.dial_count;
    pass(&solo, 300);
    assert_int_equal(solo.dial_count, dials + 1);
    node_seed_closed(solo.node, 0, "connection refused", solo.time); /* not up yet */
    assert_int_equal(solo.changes[TOKEN].count, 0);
    pass(&solo, 300);
    assert_int_equal(solo.dial_count, dials + 2);
    node_seed_ready(solo.node, solo.time);
    assert_int_equal(solo_count(&solo, WIRE_INVITE), 2);
    node_seed_closed(solo.node, QR_ERR_FOREIGN, "its secret is another", solo.time);
    pass(&solo, 300); /* so ends a handshake with one that is going down, too */
    assert_int_equal(solo.dial_count, dials + 3);
    assert_int_equal(solo.changes[TOKEN].count, 0);
    node_seed_closed(solo.node, QR_ERR_FOREIGN, "its secret is another", solo.time);
    pass(&solo, 6000);
    expect_end(&solo, QR_ERR_TIMEOUT, "secret");
    solo_deinit(&solo);
}

static void without_memory_it_is_said_later(void **state)
{
    (void)state;
    struct solo solo;
    begin_inviter(&solo);
    solo.heap.fail_at = solo.heap.allocate_count + 1;
    node_seed_ready(solo.node, solo.time);
    assert_int_equal(solo_count(&solo, WIRE_INVITE), 0);
    pass(&solo, 160);
    assert_int_equal(solo_count(&solo, WIRE_INVITE), 1);
    solo_deinit(&solo);
}

static void without_memory_at_all_it_was_told_nothing(void **state)
{
    (void)state;
    struct solo solo;
    begin_inviter(&solo);
    solo.heap.fail_at = solo.heap.allocate_count + 1;
    node_seed_ready(solo.node, solo.time);
    for (unsigned i = 0; i < 6000 && solo.changes[TOKEN].count == 0; i += 20) {
        solo_hear(&solo, 2, 1);
        solo.heap.fail_at = solo.heap.allocate_count + 1;
        solo_run(&solo, 20);
    }
    assert_int_equal(solo_count(&solo, WIRE_INVITE), 0);
    expect_end(&solo, QR_ERR_BUSY, "memory");
    solo_deinit(&solo);
}

static void there_is_one_at_a_time(void **state)
{
    (void)state;
    struct solo solo;
    begin_inviter(&solo);
    assert_int_equal(node_invite(solo.node, "a5", false, 8, solo.time), QR_ERR_BUSY);
    node_seed_closed(solo.node, 0, "no", solo.time);
    assert_int_equal(node_invite(solo.node, "a5", false, 8, solo.time), 0);
    solo_turn(&solo);
    assert_string_equal(solo.dialed, "a5");
    solo_deinit(&solo);
}

static void only_a_member_invites(void **state)
{
    (void)state;
    struct solo solo;
    begin_waiting(&solo);
    assert_int_equal(node_invite(solo.node, "a5", false, 8, solo.time), QR_ERR_NO_LEADER);
    node_stop(solo.node);
    assert_int_equal(node_invite(solo.node, "a5", false, 8, solo.time), QR_ERR_STOPPED);
    solo_deinit(&solo);
}

static void a_node_that_stops_says_whether_it_was_told(void **state)
{
    (void)state;
    for (int is_sent = 0; is_sent <= 1; is_sent++) {
        struct solo solo;
        begin_inviter(&solo);
        if (is_sent == 1) {
            node_seed_ready(solo.node, solo.time);
        }
        node_stop(solo.node);
        expect_end(&solo, is_sent == 1 ? QR_ERR_TIMEOUT : QR_ERR_STOPPED, "stopped");
        solo_deinit(&solo);
    }
}

static void what_belongs_to_no_invitation_is_ignored(void **state)
{
    (void)state;
    struct solo solo;
    solo_init(&solo);
    solo_join(&solo);
    solo_forget(&solo);
    node_seed_ready(solo.node, solo.time);
    answer(&solo, 0, "");
    node_seed_closed(solo.node, 0, "", solo.time);
    assert_null(solo_last(&solo, WIRE_INVITE));
    struct wire_message message = {.type = WIRE_INVITE_RESPONSE};
    solo_receive(&solo, 2, &message);
    solo_turn(&solo);
    assert_int_equal(solo.failed_count, 0);
    solo_deinit(&solo);
}

/* Three nodes of a cluster, and one, the last, that waits. */
static void begin_rig(struct rig *rig)
{
    rig_init(rig, 4, 5);
    rig->nodes[3].is_waiting = true;
    rig_start(rig, 0);
    rig_run(rig, 500);
    rig_start(rig, 1);
    rig_start(rig, 2);
    assert_true(rig_settle(rig, 3, 20000));
    rig_start(rig, 3);
}

static int invite_last(struct rig *rig, int by)
{
    struct rig_node *inviter = &rig->nodes[by];
    unsigned ended = inviter->change_count;
    assert_int_equal(node_invite(inviter->node, "n3", false, ended, rig->time), 0);
    for (unsigned i = 0; i < 20000 && inviter->change_count == ended; i++) {
        rig_step(rig);
    }
    assert_int_equal(inviter->change_count, ended + 1);
    return inviter->change_status;
}

static void a_cluster_takes_in_who_is_invited_by_anyone(void **state)
{
    (void)state;
    for (int by = 0; by < 3; by++) {
        static struct rig rig;
        begin_rig(&rig);
        assert_int_equal(invite_last(&rig, by), 0);
        assert_string_equal(rig.nodes[by].change_result.reason, "n3 is a member");
        assert_true(rig_settle(&rig, 4, 20000));
        assert_int_equal(invite_last(&rig, (by + 1) % 3), 0); /* it is so already */
        rig_check(&rig);
        rig_deinit(&rig);
    }
}

static void who_was_removed_is_told_so(void **state)
{
    (void)state;
    static struct rig rig;
    begin_rig(&rig);
    assert_int_equal(invite_last(&rig, 1), 0);
    assert_true(rig_settle(&rig, 4, 20000));
    unsigned ended = rig.nodes[1].change_count;
    rig_change(&rig, 1, (struct wire_change){.removed = "n3", .is_forced = true});
    for (unsigned i = 0; i < 20000 && rig.nodes[1].change_count == ended; i++) {
        rig_step(&rig);
    }
    assert_int_equal(rig.nodes[1].change_status, 0);
    assert_int_equal(invite_last(&rig, 1), QR_ERR_TIMEOUT);
    assert_non_null(strstr(rig.nodes[1].change_result.reason, "if it was removed"));
    rig_deinit(&rig);
}

/* An invitation, its answer, the join and its answer, each with its connection. */
static void any_message_may_be_lost(void **state)
{
    (void)state;
    bool was_lost = true;
    for (unsigned lost = 1; was_lost; lost++) {
        static struct rig rig;
        begin_rig(&rig);
        rig.seed_frames = 0;
        rig.lost_seed_frame = lost;
        assert_int_equal(invite_last(&rig, 1), 0);
        was_lost = rig.seed_frames >= lost;
        assert_true(was_lost || lost > 4);
        assert_true(rig_settle(&rig, 4, 20000));
        rig_check(&rig);
        rig_deinit(&rig);
    }
}

static void who_restarts_is_invited_again(void **state)
{
    (void)state;
    static struct rig rig;
    begin_rig(&rig);
    rig.is_cut[3][0] = rig.is_cut[3][1] = rig.is_cut[3][2] = true; /* its answers and joins */
    struct rig_node *inviter = &rig.nodes[1];
    unsigned ended = inviter->change_count;
    assert_int_equal(node_invite(inviter->node, "n3", false, ended, rig.time), 0);
    rig_run(&rig, 100);
    rig_stop(&rig, 3);
    rig_start(&rig, 3);
    rig.is_cut[3][0] = rig.is_cut[3][1] = rig.is_cut[3][2] = false;
    for (unsigned i = 0; i < 20000 && inviter->change_count == ended; i++) {
        rig_step(&rig);
    }
    assert_int_equal(inviter->change_status, 0);
    assert_true(rig_settle(&rig, 4, 20000));
    rig_check(&rig);
    rig_deinit(&rig);
}

static void of_two_that_invite_at_once_both_see_it_taken_in(void **state)
{
    (void)state;
    static struct rig rig;
    begin_rig(&rig);
    for (int by = 0; by < 3; by++) {
        assert_int_equal(node_invite(rig.nodes[by].node, "n3", by == 2, 0, rig.time), 0);
    }
    for (int by = 0; by < 3; by++) {
        struct rig_node *inviter = &rig.nodes[by];
        for (unsigned i = 0; i < 20000 && inviter->change_count == 0; i++) {
            rig_step(&rig);
        }
        assert_int_equal(inviter->change_count, 1);
        assert_int_equal(inviter->change_status, 0);
    }
    assert_true(rig_settle(&rig, 4, 20000));
    rig_check(&rig);
    rig_deinit(&rig);
}

/* Neither the leader's end nor the inviter's disk leaves the node without a cluster, once told. */
static void the_leader_may_end_meanwhile(void **state)
{
    (void)state;
    static struct rig rig;
    begin_rig(&rig);
    int leader = rig_leader(&rig);
    int by = (leader + 1) % 3;
    struct rig_node *inviter = &rig.nodes[by];
    assert_int_equal(node_invite(inviter->node, "n3", false, 0, rig.time), 0);
    rig_run(&rig, 3);
    assert_int_equal(inviter->change_count, 0);
    rig_crash(&rig, leader);
    for (unsigned i = 0; i < 20000 && inviter->change_count == 0; i++) {
        rig_step(&rig);
    }
    assert_int_equal(inviter->change_status, 0);
    rig_start(&rig, leader);
    assert_true(rig_settle(&rig, 4, 20000));
    rig_check(&rig);
    rig_deinit(&rig);
}

static void an_inviter_whose_disk_fails_does_not_know(void **state)
{
    (void)state;
    struct solo solo;
    begin_inviter(&solo);
    node_seed_ready(solo.node, solo.time);
    solo.disk.fail_at = solo.disk.call_count + 1;
    solo_append(&solo, (struct solo_append){.from = 2, .term = 9, .prev = {1, 1}});
    solo_run(&solo, 100);
    assert_int_equal(solo.failed_count, 1);
    expect_end(&solo, QR_ERR_TIMEOUT, "stopped");
    solo_deinit(&solo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_says_who_invites_and_whom_to_ask),
        cmocka_unit_test(it_ends_when_the_configuration_names_who_answered),
        cmocka_unit_test(what_either_hello_was_refused_with_ends_it),
        cmocka_unit_test(a_refusal_in_the_answer_ends_it),
        cmocka_unit_test(who_never_answers_was_told_nothing),
        cmocka_unit_test(who_was_told_may_yet_join_when_time_is_up),
        cmocka_unit_test(it_is_said_again_on_the_same_connection),
        cmocka_unit_test(a_connection_that_is_lost_is_made_again),
        cmocka_unit_test(without_memory_it_is_said_later),
        cmocka_unit_test(without_memory_at_all_it_was_told_nothing),
        cmocka_unit_test(there_is_one_at_a_time),
        cmocka_unit_test(only_a_member_invites),
        cmocka_unit_test(a_node_that_stops_says_whether_it_was_told),
        cmocka_unit_test(what_belongs_to_no_invitation_is_ignored),
        cmocka_unit_test(a_cluster_takes_in_who_is_invited_by_anyone),
        cmocka_unit_test(who_was_removed_is_told_so),
        cmocka_unit_test(any_message_may_be_lost),
        cmocka_unit_test(of_two_that_invite_at_once_both_see_it_taken_in),
        cmocka_unit_test(the_leader_may_end_meanwhile),
        cmocka_unit_test(an_inviter_whose_disk_fails_does_not_know),
        cmocka_unit_test(a_refusal_by_who_may_have_joined_leaves_it_unknown),
        cmocka_unit_test(who_restarts_is_invited_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
