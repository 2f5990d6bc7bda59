/* test_node_invited.c: a node that waits is invited, and asks to be taken in. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "quorate/error.h"
#include "support/node_solo.h"
#include "support/unit.h"

#define INVITER 2
#define OTHERS ((struct cluster_id){8, 8})

static void begin_waiting(struct solo *solo)
{
    solo_init(solo);
    solo->options.is_waiting = true;
    solo_start(solo);
}

static struct wire_message invitation(struct cluster_id cluster, const char *address)
{
    struct wire_message message = {.type = WIRE_INVITE,
                                   .invite = {.from = INVITER, .cluster = cluster}};
    memcpy(message.invite.address, address, strlen(address));
    return message;
}

/* What it answers to an invitation; NULL: nothing. */
static const struct wire_invite_response *invite(struct solo *solo, struct wire_message message)
{
    solo_forget(solo);
    solo_receive(solo, INVITER, &message);
    solo_turn(solo);
    const struct solo_sent *sent = solo_last(solo, WIRE_INVITE_RESPONSE);
    if (sent == NULL) {
        return NULL;
    }
    assert_true(sent->is_reply);
    assert_int_equal(sent->connection, 100 + INVITER);
    assert_int_equal(sent->message.invite_response.from, SOLO_SELF);
    assert_string_equal(sent->message.invite_response.name, "n1");
    return &sent->message.invite_response;
}

static void who_waits_asks_whom_it_is_told_to(void **state)
{
    (void)state;
    struct solo solo;
    begin_waiting(&solo);
    struct wire_message message = invitation(SOLO_CLUSTER, "a2");
    message.invite.is_learner = true;
    const struct wire_invite_response *response = invite(&solo, message);
    assert_int_equal(response->status, 0);
    assert_true(cluster_id_is_none(response->cluster));
    assert_string_equal(solo.dialed, "a2");
    node_seed_ready(solo.node, solo.time);
    assert_false(solo_last(&solo, WIRE_JOIN)->message.join.wants_vote);
    solo_deinit(&solo);
}

static void the_same_again_changes_nothing_and_hears_how_it_stands(void **state)
{
    (void)state;
    struct solo solo;
    begin_waiting(&solo);
    assert_int_equal(invite(&solo, invitation(SOLO_CLUSTER, "a2"))->status, 0);
    assert_int_equal(solo.dial_count, 1);
    const struct wire_invite_response *again = invite(&solo, invitation(SOLO_CLUSTER, "a2"));
    assert_int_equal(again->status, 0);
    assert_string_equal(again->reason, "");
    assert_int_equal(solo.dial_count, 1);
    node_seed_closed(solo.node, 0, "nobody answers", solo.time);
    again = invite(&solo, invitation(SOLO_CLUSTER, "a2"));
    assert_int_equal(again->status, 0);
    assert_string_equal(again->reason, "a2: nobody answers");
    solo_deinit(&solo);
}

static void the_order_is_forgotten_by_a_restart(void **state)
{
    (void)state;
    struct solo solo;
    begin_waiting(&solo);
    assert_int_equal(invite(&solo, invitation(SOLO_CLUSTER, "a2"))->status, 0);
    solo_stop(&solo);
    unsigned dials = solo.dial_count;
    solo_start(&solo);
    solo_run(&solo, 2000);
    assert_int_equal(solo.dial_count, dials);
    assert_int_equal(invite(&solo, invitation(SOLO_CLUSTER, "a3"))->status, 0);
    assert_string_equal(solo.dialed, "a3");
    solo_deinit(&solo);
}

static void expect(struct solo *solo, struct wire_message message, int status, const char *words)
{
    const struct wire_invite_response *response = invite(solo, message);
    assert_non_null(response);
    assert_int_equal(response->status, status);
    if (strstr(response->reason, words) == NULL) {
        fail_msg("\"%s\" lacks \"%s\"", response->reason, words);
    }
}

static void who_was_told_whom_to_join_at_its_start_refuses(void **state)
{
    (void)state;
    struct solo solo;
    solo_init(&solo);
    solo.options.join = "a2";
    solo_start(&solo);
    expect(&solo, invitation(SOLO_CLUSTER, "a3"), QR_ERR_FOREIGN, "does not wait");
    solo_deinit(&solo);
}

static void an_observer_refuses(void **state)
{
    (void)state;
    struct solo solo;
    solo_init(&solo);
    solo.options.is_waiting = true;
    solo.options.is_observer = true;
    solo_start(&solo);
    expect(&solo, invitation(SOLO_CLUSTER, "a3"), QR_ERR_FOREIGN, "observer");
    solo_deinit(&solo);
}

static void a_member_says_whose_it_is(void **state)
{
    (void)state;
    struct solo solo;
    solo_init(&solo);
    solo_join(&solo);
    expect(&solo, invitation(SOLO_CLUSTER, "a2"), 0, "");
    const struct wire_invite_response *response = invite(&solo, invitation(SOLO_CLUSTER, "a2"));
    assert_string_equal(response->reason, "");
    assert_true(cluster_id_equal(response->cluster, SOLO_CLUSTER));
    expect(&solo, invitation(OTHERS, "a2"), QR_ERR_FOREIGN, "another cluster");
    solo_deinit(&solo);
}

static void who_is_being_taken_in_says_so_too(void **state)
{
    (void)state;
    struct solo solo;
    begin_waiting(&solo);
    assert_int_equal(invite(&solo, invitation(SOLO_CLUSTER, "a2"))->status, 0);
    node_seed_ready(solo.node, solo.time);
    struct wire_message answer = {.type = WIRE_JOIN_RESPONSE,
                                  .join_response = {.cluster = SOLO_CLUSTER}};
    node_seed_receive(solo.node, &answer, solo.time); /* and the disk has done nothing yet */
    expect(&solo, invitation(SOLO_CLUSTER, "a2"), 0, "");
    assert_true(cluster_id_is_none(
        solo_last(&solo, WIRE_INVITE_RESPONSE)->message.invite_response.cluster));
    expect(&solo, invitation(OTHERS, "a3"), QR_ERR_FOREIGN, "another cluster");
    solo_deinit(&solo);
}

static void an_invitation_that_is_none_is_refused_or_ignored(void **state)
{
    (void)state;
    struct solo solo;
    begin_waiting(&solo);
    const char *none[] = {"", ",", "a2,a3", "a 2", "a2\n", "\x01", "a\x7f", "a\xc3"};
    for (size_t i = 0; i < COUNT_OF(none); i++) {
        expect(&solo, invitation(SOLO_CLUSTER, none[i]), QR_ERR_ADDRESS, "whom to ask");
    }
    expect(&solo, invitation((struct cluster_id){0}, "a2"), QR_ERR_ADDRESS, "whom to ask");
    struct wire_message message = invitation(SOLO_CLUSTER, "a2");
    message.invite.from = 3;
    assert_null(invite(&solo, message));
    message.invite.from = INVITER;
    node_receive(solo.node, INVITER, 0, &message, solo.time); /* it could not be answered */
    solo_turn(&solo);
    assert_int_equal(solo.dial_count, 0);
    node_stop(solo.node);
    assert_null(invite(&solo, message));
    solo_deinit(&solo);
}

static void who_has_no_memory_refuses_or_is_silent(void **state)
{
    (void)state;
    struct solo solo;
    begin_waiting(&solo);
    solo.heap.fail_at = solo.heap.allocate_count + 1;
    expect(&solo, invitation(SOLO_CLUSTER, "a2"), QR_ERR_BUSY, "memory");
    solo.heap.fail_at = solo.heap.allocate_count + 2; /* the answer */
    assert_null(invite(&solo, invitation(SOLO_CLUSTER, "a2")));
    assert_int_equal(invite(&solo, invitation(SOLO_CLUSTER, "a2"))->status, 0);
    solo_deinit(&solo);
}

static struct wire_message join_response(struct cluster_id cluster)
{
    return (struct wire_message){.type = WIRE_JOIN_RESPONSE, .join_response = {.cluster = cluster}};
}

static void of_two_members_the_first_is_followed(void **state)
{
    (void)state;
    struct solo solo;
    begin_waiting(&solo);
    for (unsigned i = 0; i < 3; i++) {
        expect(&solo, invitation(SOLO_CLUSTER, "a2"), 0, "");
        solo_run(&solo, 400);
        expect(&solo, invitation(SOLO_CLUSTER, "a3"), 0, "");
        solo_run(&solo, 400);
        assert_string_equal(solo.dialed, "a2");
    }
    assert_int_equal(solo.dial_count, 1);
    solo_run(&solo, 700); /* the first is silent by now */
    expect(&solo, invitation(SOLO_CLUSTER, "a3"), 0, "");
    assert_string_equal(solo.dialed, "a3");
    solo_deinit(&solo);
}

/* One of them may be where the node does not reach it. */
static void members_that_go_on_are_followed_in_turns(void **state)
{
    (void)state;
    struct solo solo;
    unsigned turns = 0;
    const char *address = "a2";
    begin_waiting(&solo);
    for (unsigned i = 0; i < 300; i++) {
        expect(&solo, invitation(SOLO_CLUSTER, "a2"), 0, "");
        expect(&solo, invitation(SOLO_CLUSTER, "a3"), 0, "");
        if (strcmp(solo.dialed, address) != 0) {
            address = solo.dialed[1] == '2' ? "a2" : "a3";
            turns++;
        }
        solo_run(&solo, 100);
    }
    assert_in_range(turns, 4, 6);
    solo_deinit(&solo);
}

/* Nothing was done, so that the next one may take its place. */
static void without_memory_what_it_was_told_before_stays(void **state)
{
    (void)state;
    struct solo solo;
    const char *reason = "";
    struct wire_hello_response hello = {.version = WIRE_VERSION_MAX, .cluster = OTHERS, .from = 3};
    begin_waiting(&solo);
    expect(&solo, invitation(SOLO_CLUSTER, "a2"), 0, "");
    solo_run(&solo, 1500);
    solo.heap.fail_at = solo.heap.allocate_count + 1;
    expect(&solo, invitation(SOLO_CLUSTER, "a3"), QR_ERR_BUSY, "memory");
    solo.heap.fail_at = solo.heap.allocate_count + 1;
    assert_int_equal(node_join(solo.node, "a9", false, solo.time), QR_ERR_NO_MEMORY);
    assert_string_equal(solo.dialed, "a2");
    assert_int_equal(node_hello_response_check(solo.node, &hello, false, 0, &reason),
                     QR_ERR_FOREIGN);
    expect(&solo, invitation(SOLO_CLUSTER, "a3"), 0, "");
    assert_string_equal(solo.dialed, "a3");
    solo_deinit(&solo);
}

static void another_cluster_may_invite_when_the_first_is_silent(void **state)
{
    (void)state;
    struct solo solo;
    begin_waiting(&solo);
    expect(&solo, invitation(SOLO_CLUSTER, "a2"), 0, "");
    solo_run(&solo, 900);
    expect(&solo, invitation(OTHERS, "a3"), QR_ERR_BUSY, "another cluster");
    assert_string_equal(solo.dialed, "a2");
    solo_run(&solo, 200);
    expect(&solo, invitation(OTHERS, "a3"), 0, "");
    assert_string_equal(solo.dialed, "a3");
    expect(&solo, invitation(SOLO_CLUSTER, "a2"), QR_ERR_BUSY, "another cluster");
    solo_deinit(&solo);
}

static void only_the_cluster_that_invited_takes_it_in(void **state)
{
    (void)state;
    struct solo solo;
    const char *reason = "";
    struct wire_hello_response hello = {.version = WIRE_VERSION_MAX, .cluster = OTHERS, .from = 3};
    begin_waiting(&solo);
    assert_int_equal(node_hello_response_check(solo.node, &hello, false, 0, &reason), 0);
    expect(&solo, invitation(SOLO_CLUSTER, "a2"), 0, "");
    assert_int_equal(node_hello_response_check(solo.node, &hello, false, 0, &reason),
                     QR_ERR_FOREIGN);
    assert_non_null(strstr(reason, "than the one that invited"));
    hello.cluster = SOLO_CLUSTER;
    assert_int_equal(node_hello_response_check(solo.node, &hello, false, 0, &reason), 0);

    node_seed_ready(solo.node, solo.time);
    struct wire_message response = join_response(OTHERS);
    node_seed_receive(solo.node, &response, solo.time);
    solo_turn(&solo);
    assert_true(solo_status(&solo).is_joining);
    expect(&solo, invitation(SOLO_CLUSTER, "a2"), 0, "a2: it took this node into another cluster");
    solo_run(&solo, 500); /* it asks again */
    assert_int_equal(solo.dial_count, 2);
    node_seed_ready(solo.node, solo.time);
    response = join_response(SOLO_CLUSTER);
    node_seed_receive(solo.node, &response, solo.time);
    solo_run(&solo, 100);
    assert_false(solo_status(&solo).is_joining);
    solo_deinit(&solo);
}

/* Who tells the node itself knows better, and names no cluster. */
static void what_it_was_told_here_goes_before_an_invitation(void **state)
{
    (void)state;
    struct solo solo;
    begin_waiting(&solo);
    expect(&solo, invitation(SOLO_CLUSTER, "a2"), 0, "");
    assert_int_equal(node_join(solo.node, "a9", false, solo.time), 0);
    solo_turn(&solo);
    assert_string_equal(solo.dialed, "a9");
    solo_run(&solo, 2000);
    unsigned dials = solo.dial_count;
    expect(&solo, invitation(SOLO_CLUSTER, "a2"), 0, "");
    expect(&solo, invitation(OTHERS, "a3"), 0, "");
    assert_string_equal(solo.dialed, "a9");
    assert_int_equal(solo.dial_count, dials);
    node_seed_ready(solo.node, solo.time);
    struct wire_message response = join_response(OTHERS);
    node_seed_receive(solo.node, &response, solo.time);
    solo_run(&solo, 100);
    assert_false(solo_status(&solo).is_joining);
    solo_deinit(&solo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_waits_asks_whom_it_is_told_to),
        cmocka_unit_test(the_same_again_changes_nothing_and_hears_how_it_stands),
        cmocka_unit_test(the_order_is_forgotten_by_a_restart),
        cmocka_unit_test(who_was_told_whom_to_join_at_its_start_refuses),
        cmocka_unit_test(an_observer_refuses),
        cmocka_unit_test(a_member_says_whose_it_is),
        cmocka_unit_test(who_is_being_taken_in_says_so_too),
        cmocka_unit_test(an_invitation_that_is_none_is_refused_or_ignored),
        cmocka_unit_test(who_has_no_memory_refuses_or_is_silent),
        cmocka_unit_test(of_two_members_the_first_is_followed),
        cmocka_unit_test(members_that_go_on_are_followed_in_turns),
        cmocka_unit_test(without_memory_what_it_was_told_before_stays),
        cmocka_unit_test(another_cluster_may_invite_when_the_first_is_silent),
        cmocka_unit_test(only_the_cluster_that_invited_takes_it_in),
        cmocka_unit_test(what_it_was_told_here_goes_before_an_invitation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
