/* test_node_gossip_life.c: how a life among the members begins, ends, and begins anew. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "quorate/error.h"
#include "support/gossip_rig.h"
#include "support/unit.h"

static const struct cluster_id elsewhere = {8, 8};

static struct swim_status swim_of(const struct gossip_rig *rig)
{
    struct swim_status now;
    assert_non_null(node_swim(rig->solo.node));
    swim_status(node_swim(rig->solo.node), &now);
    return now;
}

static void begin(struct gossip_rig *rig)
{
    gossip_rig_init(rig);
    gossip_rig_follow(rig);
}

static void one_that_joins_hears_of_its_cluster_first(void **state)
{
    (void)state;
    static struct gossip_rig rig;
    node_id leader = 0;
    raft_term term = 0;
    gossip_rig_init(&rig);
    gossip_rig_peer_step(&rig, 2, (struct swim_event){.type = SWIM_EVENT_LEADER, .leader = {4, 3}});
    solo_start(&rig.solo);
    gossip_rig_pass(&rig, 2000, 0, 0);
    assert_true(solo_status(&rig.solo).is_joining);
    assert_true(cluster_id_equal(swim_of(&rig).cluster, SOLO_CLUSTER));
    assert_true(node_leader(rig.solo.node, &leader, &term));
    assert_int_equal(leader, 3);
    assert_string_equal(node_member_address(rig.solo.node, 3), "a3");
    assert_true(gossip_rig_has_logged(&rig, "gossip_found_cluster from=0000000000000002"));
    solo_follow(&rig.solo);
    gossip_rig_pass(&rig, 2000, 2, 1);
    assert_int_equal(gossip_rig_counters(&rig).begun, 1);
    gossip_rig_deinit(&rig);
}

/* Whom it was told of is no member of Raft's; the leader is. */
static void one_that_joins_asks_the_leader_that_it_hears_of(void **state)
{
    (void)state;
    static struct gossip_rig rig;
    unsigned asked[2] = {0};
    gossip_rig_init(&rig);
    gossip_rig_peer_step(&rig, 2, (struct swim_event){.type = SWIM_EVENT_LEADER, .leader = {4, 3}});
    solo_start(&rig.solo);
    for (unsigned i = 0; i < 40; i++) {
        unsigned before = rig.solo.dial_count;
        gossip_rig_pass(&rig, 100, 0, 0);
        if (rig.solo.dial_count > before) {
            asked[strcmp(rig.solo.dialed, "a3") == 0]++;
            node_seed_closed(rig.solo.node, 0, "no connection", rig.solo.time);
        }
    }
    assert_true(asked[0] > 2);
    assert_true(asked[1] > 2);
    gossip_rig_deinit(&rig);
}

static void an_observer_is_never_taken_in(void **state)
{
    (void)state;
    static struct gossip_rig rig;
    struct swim_profile profile;
    node_id leader = 0;
    raft_term term = 0;
    gossip_rig_init(&rig);
    rig.solo.options.is_observer = true;
    rig.solo.options.is_waiting = true;
    gossip_rig_peer_step(&rig, 2, (struct swim_event){.type = SWIM_EVENT_LEADER, .leader = {4, 3}});
    solo_start(&rig.solo);
    gossip_rig_pass(&rig, 5000, 0, 0);
    assert_int_equal(rig.solo.dial_count, 0);
    (void)gossip_rig_held(&rig, 3, &profile);
    assert_int_equal(profile.roles, SWIM_ROLE_OBSERVER);
    assert_true(node_leader(rig.solo.node, &leader, &term));
    assert_int_equal(leader, 3);
    assert_int_equal(term, 4);
    assert_int_equal(node_join(rig.solo.node, "a3", false, rig.solo.time), QR_ERR_FOREIGN);
    gossip_rig_deinit(&rig);
}

static void one_that_waits_looks_where_it_is_told_to(void **state)
{
    (void)state;
    static struct gossip_rig rig;
    gossip_rig_init(&rig);
    rig.solo.options.is_waiting = true;
    rig.solo.options.join = NULL;
    solo_start(&rig.solo);
    gossip_rig_pass(&rig, 3000, 0, 0);
    assert_int_equal(rig.packet_count, 0);
    assert_int_equal(swim_of(&rig).live_count, 1);
    assert_int_equal(node_join(rig.solo.node, "a3", false, rig.solo.time), 0);
    gossip_rig_pass(&rig, 3000, 0, 0);
    assert_int_equal(swim_of(&rig).live_count, 3);
    gossip_rig_deinit(&rig);
}

static void it_goes_over_to_the_cluster_that_takes_it_in(void **state)
{
    (void)state;
    static struct gossip_rig rig;
    gossip_rig_init(&rig);
    for (node_id id = 2; id <= 3; id++) {
        gossip_rig_peer_start(&rig, id, elsewhere, id == 2 ? "n2" : "n3", id == 2 ? "a2" : "a3");
    }
    solo_start(&rig.solo);
    gossip_rig_pass(&rig, 2000, 0, 0);
    assert_true(cluster_id_equal(swim_of(&rig).cluster, elsewhere));
    uint64_t incarnation = swim_of(&rig).incarnation;
    solo_follow(&rig.solo);
    gossip_rig_pass(&rig, 2000, 2, 1);
    assert_true(cluster_id_equal(swim_of(&rig).cluster, SOLO_CLUSTER));
    assert_int_equal(gossip_rig_counters(&rig).begun, 2);
    assert_true(swim_of(&rig).incarnation > incarnation);
    gossip_rig_deinit(&rig);
}

static void invite(struct gossip_rig *rig, struct cluster_id cluster, const char *address)
{
    struct wire_message message = {.type = WIRE_INVITE, .invite = {.from = 2, .cluster = cluster}};
    memcpy(message.invite.address, address, strlen(address));
    solo_receive(&rig->solo, 2, &message);
    gossip_rig_pass(rig, 1000, 0, 0);
}

/* What it hears of the members of one cluster is no word of another. */
static void one_that_is_invited_gossips_with_who_invites(void **state)
{
    (void)state;
    static struct gossip_rig rig;
    gossip_rig_init(&rig);
    rig.solo.options.join = NULL;
    rig.solo.options.is_waiting = true;
    solo_start(&rig.solo);
    gossip_rig_pass(&rig, 1000, 0, 0);
    assert_true(cluster_id_is_none(swim_of(&rig).cluster));
    invite(&rig, elsewhere, "a9");
    assert_true(cluster_id_equal(swim_of(&rig).cluster, elsewhere));
    invite(&rig, SOLO_CLUSTER, "a2");
    gossip_rig_pass(&rig, 2000, 0, 0);
    assert_true(cluster_id_equal(swim_of(&rig).cluster, SOLO_CLUSTER));
    assert_int_equal(swim_of(&rig).live_count, 3);
    solo_follow(&rig.solo);
    gossip_rig_pass(&rig, 2000, 2, 1);
    assert_int_equal(gossip_rig_counters(&rig).begun, 3);
    gossip_rig_deinit(&rig);
}

static void what_it_was_told_here_is_not_led_back_by_gossip(void **state)
{
    (void)state;
    static struct gossip_rig rig;
    node_id leader = 0;
    raft_term term = 0;
    gossip_rig_init(&rig);
    gossip_rig_peer_step(&rig, 2, (struct swim_event){.type = SWIM_EVENT_LEADER, .leader = {4, 3}});
    rig.solo.options.join = NULL;
    rig.solo.options.is_waiting = true;
    solo_start(&rig.solo);
    invite(&rig, SOLO_CLUSTER, "a2");
    assert_int_equal(swim_of(&rig).live_count, 3);
    assert_true(node_leader(rig.solo.node, &leader, &term));
    assert_int_equal(node_join(rig.solo.node, "a9", false, rig.solo.time), 0);
    unsigned before = rig.solo.dial_count;
    for (unsigned i = 0; i < 20; i++) {
        gossip_rig_pass(&rig, 500, 0, 0);
        assert_string_equal(rig.solo.dialed, "a9");
        node_seed_closed(rig.solo.node, 0, "no connection", rig.solo.time);
    }
    assert_true(rig.solo.dial_count > before + 10);
    gossip_rig_deinit(&rig);
}

static void a_bootstrap_begins_in_its_cluster(void **state)
{
    (void)state;
    static struct gossip_rig rig;
    gossip_rig_init(&rig);
    rig.solo.options.join = NULL;
    rig.solo.options.is_bootstrap = true;
    solo_start(&rig.solo);
    solo_run(&rig.solo, 1000);
    assert_true(cluster_id_equal(swim_of(&rig).cluster, SOLO_CLUSTER));
    assert_int_equal(swim_of(&rig).leader, SOLO_SELF);
    assert_int_equal(gossip_rig_counters(&rig).begun, 1);
    assert_int_equal(rig.packet_count, 0);
    gossip_rig_deinit(&rig);
}

static void a_restart_is_a_later_life(void **state)
{
    (void)state;
    static struct gossip_rig rig;
    begin(&rig);
    uint64_t before = gossip_rig_held(&rig, 3, NULL).incarnation;
    solo_stop(&rig.solo);
    solo_start(&rig.solo);
    assert_true(cluster_id_equal(swim_of(&rig).cluster, SOLO_CLUSTER));
    gossip_rig_pass(&rig, 3000, 2, 1);
    assert_int_equal(swim_of(&rig).live_count, 3);
    assert_int_equal(gossip_rig_held(&rig, 3, NULL).state, SWIM_ALIVE);
    assert_true(gossip_rig_held(&rig, 3, NULL).incarnation > before);
    gossip_rig_deinit(&rig);
}

static void a_removed_node_leaves_when_that_is_committed(void **state)
{
    (void)state;
    static struct gossip_rig rig;
    begin(&rig);
    gossip_rig_configure(&rig, 2, false, 1);
    gossip_rig_pass(&rig, 1000, 2, 1);
    assert_int_equal(gossip_rig_held(&rig, 3, NULL).state, SWIM_ALIVE);
    gossip_rig_configure(&rig, 2, false, 2);
    gossip_rig_pass(&rig, 3000, 2, 1);
    assert_int_equal(gossip_rig_held(&rig, 3, NULL).state, SWIM_LEFT);
    assert_int_equal(gossip_rig_held(&rig, 3, NULL).reason, SWIM_REASON_REMOVED);
    assert_true(swim_of(&rig).is_stopped);
    assert_true(node_gossip_is_gone(rig.solo.node));
    assert_int_equal(node_invite(rig.solo.node, "a4", false, 1, rig.solo.time), QR_ERR_NO_LEADER);
    rig.packet_count = 0;
    gossip_rig_pass(&rig, 60000, 2, 1);
    assert_int_equal(rig.packet_count, 0);
    gossip_rig_deinit(&rig);
}

/* While it is caught up, it hears of older configurations first. */
static void a_newcomer_does_not_take_itself_for_removed(void **state)
{
    (void)state;
    static struct gossip_rig rig;
    gossip_rig_init(&rig);
    solo_start(&rig.solo);
    solo_work(&rig.solo);
    node_seed_ready(rig.solo.node, rig.solo.time);
    struct wire_message answer = {.type = WIRE_JOIN_RESPONSE,
                                  .join_response = {.cluster = SOLO_CLUSTER}};
    node_seed_receive(rig.solo.node, &answer, rig.solo.time);
    solo_work(&rig.solo);
    gossip_rig_configure(&rig, 1, false, 1);
    gossip_rig_pass(&rig, 3000, 2, 1);
    assert_int_equal(gossip_rig_held(&rig, 3, NULL).state, SWIM_ALIVE);
    assert_false(swim_of(&rig).is_leaving);
    gossip_rig_deinit(&rig);
}

static void one_that_is_taken_in_again_lives_again(void **state)
{
    (void)state;
    static struct gossip_rig rig;
    begin(&rig);
    uint64_t before = gossip_rig_counters(&rig).begun;
    gossip_rig_configure(&rig, 2, false, 2);
    gossip_rig_pass(&rig, 3000, 2, 1);
    gossip_rig_configure(&rig, 3, true, 3);
    gossip_rig_pass(&rig, 3000, 2, 1);
    assert_int_equal(gossip_rig_held(&rig, 3, NULL).state, SWIM_ALIVE);
    assert_int_equal(gossip_rig_counters(&rig).begun, before + 1);
    assert_int_equal(swim_of(&rig).live_count, 3);
    gossip_rig_deinit(&rig);
}

static void a_departure_is_told_and_then_it_is_silent(void **state)
{
    (void)state;
    static struct gossip_rig rig;
    begin(&rig);
    uint64_t before = gossip_rig_counters(&rig).begun;
    assert_false(node_gossip_is_gone(rig.solo.node));
    node_gossip_leave(rig.solo.node, SWIM_REASON_SHUTDOWN, rig.solo.time);
    gossip_rig_pass(&rig, 1000, 2, 1);
    assert_false(node_gossip_is_gone(rig.solo.node));
    gossip_rig_pass(&rig, 1001, 2, 1);
    assert_true(node_gossip_is_gone(rig.solo.node));
    assert_int_equal(gossip_rig_held(&rig, 2, NULL).state, SWIM_LEFT);
    assert_int_equal(gossip_rig_held(&rig, 3, NULL).reason, SWIM_REASON_SHUTDOWN);
    assert_int_equal(gossip_rig_news(&rig, SWIM_NEWS_GONE, SOLO_SELF), 1);
    rig.packet_count = 0;
    gossip_rig_configure(&rig, 2, true, 2); /* its role is another, and nobody is told */
    gossip_rig_pass(&rig, 60000, 2, 1);
    assert_int_equal(rig.packet_count, 0);
    assert_int_equal(gossip_rig_counters(&rig).begun, before);
    gossip_rig_deinit(&rig);
}

static void a_stopped_node_is_gone_at_once(void **state)
{
    (void)state;
    static struct gossip_rig rig;
    begin(&rig);
    node_stop(rig.solo.node);
    rig.packet_count = 0;
    node_gossip_leave(rig.solo.node, SWIM_REASON_SHUTDOWN, rig.solo.time);
    node_member_closed(rig.solo.node, 2, true, rig.solo.time);
    node_turn(rig.solo.node, rig.solo.time);
    assert_true(node_gossip_is_gone(rig.solo.node));
    assert_int_equal(rig.packet_count, 0);
    gossip_rig_deinit(&rig);
}

static void one_whose_name_is_taken_says_so_and_tries_again(void **state)
{
    (void)state;
    static struct gossip_rig rig;
    gossip_rig_init(&rig);
    gossip_rig_peer_start(&rig, 3, SOLO_CLUSTER, "n1", "a3");
    gossip_rig_pass(&rig, 0, 0, 0);
    solo_start(&rig.solo);
    gossip_rig_pass(&rig, 15000, 0, 0);
    assert_int_equal(gossip_rig_news(&rig, SWIM_NEWS_NAME_TAKEN, SOLO_SELF), 1);
    assert_true(gossip_rig_has_logged(&rig, "an older member has this node's name"));
    assert_true(swim_of(&rig).is_stopped);
    assert_int_equal(gossip_rig_counters(&rig).begun, 1);
    gossip_rig_peer(&rig, 3)->is_silent = true; /* the other one goes */
    gossip_rig_pass(&rig, 60000, 0, 0);
    assert_int_equal(gossip_rig_counters(&rig).begun, 2);
    assert_int_equal(gossip_rig_held(&rig, 2, NULL).state, SWIM_ALIVE);
    gossip_rig_deinit(&rig);
}

static void a_long_departure_does_not_keep_it_from_trying_again(void **state)
{
    (void)state;
    static struct gossip_rig rig;
    gossip_rig_init(&rig);
    rig.gossip.leave_ns = 3600 * NS_PER_S;
    gossip_rig_peer_start(&rig, 3, SOLO_CLUSTER, "n1", "a3");
    gossip_rig_pass(&rig, 0, 0, 0);
    solo_start(&rig.solo);
    gossip_rig_pass(&rig, 60000, 0, 0); /* turns without an end fail it */
    assert_true(gossip_rig_counters(&rig).begun >= 2);
    gossip_rig_deinit(&rig);
}

/* The first of its list, each tried; what is empty, or itself, takes no place. */
static void its_seeds_are_bounded(void **state)
{
    (void)state;
    static struct gossip_rig rig;
    static char join[40 * 8];
    static bool is_asked[SWIM_SEEDS_MAX];
    struct text text = text_of(join, sizeof(join));
    gossip_rig_init(&rig);
    text_string(&text, ",,a1"); /* empty ones, and its own */
    for (unsigned i = 0; i < 30; i++) {
        text_string(&text, ",b");
        text_u64(&text, i);
    }
    rig.solo.options.join = join;
    rig.solo.options.is_observer = true;
    rig.solo.options.is_waiting = true;
    solo_start(&rig.solo);
    gossip_rig_pass(&rig, SWIM_SEEDS_MAX * 11000, 0, 0); /* one in 10 s at the latest */
    assert_int_equal(rig.asked_count, SWIM_SEEDS_MAX);
    for (size_t i = 0; i < rig.asked_count; i++) {
        unsigned long number = strtoul(rig.asked[i] + 1, NULL, 10);
        assert_true(rig.asked[i][0] == 'b' && number < SWIM_SEEDS_MAX && !is_asked[number]);
        is_asked[number] = true;
    }
    gossip_rig_deinit(&rig);
}

static void options_out_of_bounds_are_refused(void **state)
{
    (void)state;
    static struct gossip_rig rig;
    static char address[SWIM_ADDRESS_BYTES_MAX + 1];
    memset(address, 'x', sizeof(address) - 1);
    for (int which = 0; which < 3; which++) {
        gossip_rig_init(&rig);
        rig.gossip.period_ns = which == 0 ? 0 : rig.gossip.period_ns;
        rig.solo.options.client_address = which == 1 ? address : NULL;
        rig.solo.options.http_address = which == 2 ? address : NULL;
        assert_int_equal(solo_open(&rig.solo), QR_ERR_INVALID);
        assert_non_null(strstr(rig.solo.detail, "gossip"));
        gossip_rig_deinit(&rig);
    }
}

/* Each allocation of the life of a member fails in turn: then the node does not open, or it fails,
 * or, where its gossip alone was struck, it goes on with Raft, and gossips again later.
 */
static void memory_that_runs_out_costs_no_vote(void **state)
{
    (void)state;
    static struct gossip_rig rig;
    uint64_t struck = 0;
    bool is_over = false;
    for (uint64_t fail_at = 1; !is_over; fail_at++) {
        gossip_rig_init(&rig);
        rig.solo.heap.fail_at = fail_at;
        if (solo_open(&rig.solo) == 0) {
            gossip_rig_pass(&rig, 2000, 0, 0);
            if (gossip_rig_has_logged(&rig, "gossip_failed")) {
                struck++;
                assert_int_equal(rig.solo.failed_count, 0);
                assert_null(node_swim(rig.solo.node));
                assert_true(node_gossip_is_gone(rig.solo.node));
                gossip_rig_pass(&rig, 33000, 0, 0);
                assert_int_equal(gossip_rig_counters(&rig).begun, 2);
            }
            if (rig.solo.failed_count == 0) {
                assert_int_equal(swim_of(&rig).live_count, 3);
            }
            is_over = rig.solo.heap.allocate_count < fail_at;
        }
        gossip_rig_deinit(&rig);
    }
    assert_true(struck >= 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_joins_hears_of_its_cluster_first),
        cmocka_unit_test(one_that_joins_asks_the_leader_that_it_hears_of),
        cmocka_unit_test(an_observer_is_never_taken_in),
        cmocka_unit_test(one_that_waits_looks_where_it_is_told_to),
        cmocka_unit_test(it_goes_over_to_the_cluster_that_takes_it_in),
        cmocka_unit_test(one_that_is_invited_gossips_with_who_invites),
        cmocka_unit_test(what_it_was_told_here_is_not_led_back_by_gossip),
        cmocka_unit_test(a_bootstrap_begins_in_its_cluster),
        cmocka_unit_test(a_restart_is_a_later_life),
        cmocka_unit_test(a_removed_node_leaves_when_that_is_committed),
        cmocka_unit_test(a_newcomer_does_not_take_itself_for_removed),
        cmocka_unit_test(one_that_is_taken_in_again_lives_again),
        cmocka_unit_test(a_departure_is_told_and_then_it_is_silent),
        cmocka_unit_test(a_stopped_node_is_gone_at_once),
        cmocka_unit_test(one_whose_name_is_taken_says_so_and_tries_again),
        cmocka_unit_test(a_long_departure_does_not_keep_it_from_trying_again),
        cmocka_unit_test(its_seeds_are_bounded),
        cmocka_unit_test(options_out_of_bounds_are_refused),
        cmocka_unit_test(memory_that_runs_out_costs_no_vote),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
