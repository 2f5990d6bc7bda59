/* test_node_gossip.c: what a node says to the members besides Raft, and what it makes of them. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "quorate/error.h"
#include "support/gossip_rig.h"
#include "support/unit.h"

static const struct cluster_id elsewhere = {8, 8};

/* A follower of 2, whose members know it and each other. */
static void begin(struct gossip_rig *rig)
{
    gossip_rig_init(rig);
    gossip_rig_follow(rig);
}

static struct swim_status swim_of(const struct gossip_rig *rig)
{
    struct swim_status now;
    assert_non_null(node_swim(rig->solo.node));
    swim_status(node_swim(rig->solo.node), &now);
    return now;
}

static void it_finds_the_members_of_its_configuration(void **state)
{
    (void)state;
    static struct gossip_rig rig;
    begin(&rig);
    assert_int_equal(swim_of(&rig).live_count, 3);
    assert_true(cluster_id_equal(swim_of(&rig).cluster, SOLO_CLUSTER));
    assert_int_equal(gossip_rig_held(&rig, 3, NULL).state, SWIM_ALIVE);
    assert_int_equal(gossip_rig_news(&rig, SWIM_NEWS_JOINED, 2), 1);
    assert_true(gossip_rig_has_logged(&rig, "member_joined member=0000000000000003 name=n3"));
    gossip_rig_deinit(&rig);
}

static void its_profile_says_what_it_is(void **state)
{
    (void)state;
    static struct gossip_rig rig;
    struct swim_profile profile;
    gossip_rig_init(&rig);
    rig.solo.options.client_address = "c1:6379";
    rig.solo.options.http_address = "h1:8080";
    rig.solo.options.meta = "rack=7";
    gossip_rig_follow(&rig);
    (void)gossip_rig_held(&rig, 3, &profile);
    assert_string_equal(profile.name, "n1");
    assert_string_equal(profile.peer, "a1");
    assert_string_equal(profile.client, "c1:6379");
    assert_string_equal(profile.http, "h1:8080");
    assert_int_equal(profile.roles, SWIM_ROLE_VOTER);
    assert_int_equal(profile.version_min, WIRE_VERSION_MIN);
    assert_int_equal(profile.version_max, WIRE_VERSION_MAX);
    assert_int_equal(profile.meta_bytes, 6);
    assert_memory_equal(profile.meta, "rack=7", 6);
    gossip_rig_deinit(&rig);
}

static void its_role_follows_the_configuration(void **state)
{
    (void)state;
    static struct gossip_rig rig;
    struct swim_profile profile;
    begin(&rig);
    gossip_rig_configure(&rig, 2, true, 1);
    gossip_rig_pass(&rig, 1000, 2, 1);
    (void)gossip_rig_held(&rig, 3, &profile);
    assert_int_equal(profile.roles, SWIM_ROLE_LEARNER);
    gossip_rig_deinit(&rig);
}

static void the_members_hear_who_leads(void **state)
{
    (void)state;
    static struct gossip_rig rig;
    struct swim_status heard;
    begin(&rig);
    swim_status(gossip_rig_peer(&rig, 3)->swim, &heard);
    assert_int_equal(heard.leader_term, 1);
    assert_int_equal(heard.leader, 2);
    gossip_rig_deinit(&rig);
}

/* The machine of 2 answers nobody any more, and the connection with it ends. */
static void lose_leader(struct gossip_rig *rig, bool is_refused)
{
    gossip_rig_peer(rig, 2)->is_silent = true;
    node_member_closed(rig->solo.node, 2, is_refused, rig->solo.time);
}

static void a_closed_leader_that_does_not_answer_is_told_to_raft(void **state)
{
    (void)state;
    static struct gossip_rig rig;
    begin(&rig);
    lose_leader(&rig, false);
    gossip_rig_pass(&rig, 15, 0, 0);
    assert_int_equal(gossip_rig_counters(&rig).leader_lost, 0);
    gossip_rig_pass(&rig, 10, 0, 0);
    assert_int_equal(gossip_rig_counters(&rig).leader_lost, 1);
    assert_int_equal(gossip_rig_news(&rig, SWIM_NEWS_UNREACHABLE, 2), 1);
    assert_true(gossip_rig_has_logged(&rig, "member_unreachable member=0000000000000002"));
    gossip_rig_deinit(&rig);
}

static void a_refused_dial_is_waited_for_no_longer(void **state)
{
    (void)state;
    static struct gossip_rig rig;
    begin(&rig);
    lose_leader(&rig, true);
    solo_work(&rig.solo);
    assert_int_equal(gossip_rig_counters(&rig).leader_lost, 1);
    gossip_rig_deinit(&rig);
}

/* First of those that may lead, it does not wait for its election timeout. */
static void raft_makes_haste_then(void **state)
{
    (void)state;
    static struct gossip_rig rig;
    begin(&rig);
    solo_forget(&rig.solo);
    lose_leader(&rig, true);
    solo_run(&rig.solo, 5);
    assert_int_equal(solo_count(&rig.solo, RAFT_PRE_VOTE), 2);
    gossip_rig_deinit(&rig);
}

static void a_leader_that_answers_is_not_lost(void **state)
{
    (void)state;
    static struct gossip_rig rig;
    begin(&rig);
    node_member_closed(rig.solo.node, 2, false, rig.solo.time);
    gossip_rig_pass(&rig, 500, 2, 1);
    assert_int_equal(gossip_rig_counters(&rig).closed_told, 1);
    assert_int_equal(gossip_rig_counters(&rig).leader_lost, 0);
    gossip_rig_deinit(&rig);
}

static void a_member_that_does_not_lead_is_not_told_to_raft(void **state)
{
    (void)state;
    static struct gossip_rig rig;
    begin(&rig);
    gossip_rig_peer(&rig, 3)->is_silent = true;
    node_member_closed(rig.solo.node, 3, true, rig.solo.time);
    gossip_rig_pass(&rig, 100, 2, 1);
    assert_int_equal(gossip_rig_news(&rig, SWIM_NEWS_UNREACHABLE, 3), 1);
    assert_int_equal(gossip_rig_counters(&rig).leader_lost, 0);
    gossip_rig_deinit(&rig);
}

static void without_hints_raft_is_told_nothing(void **state)
{
    (void)state;
    static struct gossip_rig rig;
    gossip_rig_init(&rig);
    rig.solo.options.has_hints = false;
    gossip_rig_follow(&rig);
    lose_leader(&rig, true);
    gossip_rig_pass(&rig, 100, 0, 0);
    assert_int_equal(gossip_rig_news(&rig, SWIM_NEWS_UNREACHABLE, 2), 1);
    assert_int_equal(gossip_rig_counters(&rig).leader_lost, 0);
    gossip_rig_deinit(&rig);
}

static void a_dead_leader_is_told_to_raft(void **state)
{
    (void)state;
    static struct gossip_rig rig;
    begin(&rig);
    gossip_rig_peer(&rig, 2)->is_silent = true;
    /* Its heartbeats come all the same, so that it is followed until it is dead. */
    gossip_rig_pass(&rig, 15000, 2, 1);
    assert_int_equal(gossip_rig_news(&rig, SWIM_NEWS_DEAD, 2), 1);
    assert_int_equal(gossip_rig_counters(&rig).leader_lost, 1);
    assert_true(gossip_rig_has_logged(&rig, "member_dead member=0000000000000002 name=n2"));
    gossip_rig_deinit(&rig);
}

static void a_stranger_that_closes_is_nobody(void **state)
{
    (void)state;
    static struct gossip_rig rig;
    begin(&rig);
    node_member_closed(rig.solo.node, 77, true, rig.solo.time);
    gossip_rig_pass(&rig, 100, 2, 1);
    assert_int_equal(gossip_rig_counters(&rig).leader_lost, 0);
    assert_int_equal(swim_of(&rig).live_count, 3);
    gossip_rig_deinit(&rig);
}

/* A packet from 3 that says who leads. */
static void say_leader(struct gossip_rig *rig, raft_term term, node_id leader)
{
    gossip_rig_peer_step(rig, 3,
                         (struct swim_event){.type = SWIM_EVENT_LEADER, .leader = {term, leader}});
    gossip_rig_pass(rig, 3000, 0, 0);
}

static void the_later_term_says_who_leads(void **state)
{
    (void)state;
    static struct gossip_rig rig;
    node_id leader = 0;
    raft_term term = 0;
    begin(&rig);
    assert_true(node_leader(rig.solo.node, &leader, &term));
    assert_int_equal(leader, 2);
    assert_int_equal(term, 1);
    say_leader(&rig, 1000, 3);
    assert_true(node_leader(rig.solo.node, &leader, &term));
    assert_int_equal(leader, 3);
    assert_int_equal(term, 1000);
    assert_true(gossip_rig_has_logged(&rig, "leader_heard term=1000 leader=0000000000000003"));
    gossip_rig_deinit(&rig);
}

static void a_leader_by_gossip_that_died_is_none(void **state)
{
    (void)state;
    static struct gossip_rig rig;
    node_id leader = 0;
    raft_term term = 0;
    begin(&rig);
    say_leader(&rig, 1000, 3);
    gossip_rig_peer(&rig, 3)->is_silent = true;
    gossip_rig_pass(&rig, 15000, 0, 0);
    assert_int_equal(gossip_rig_news(&rig, SWIM_NEWS_DEAD, 3), 1);
    assert_false(node_leader(rig.solo.node, &leader, &term));
    assert_int_equal(leader, 0);
    gossip_rig_deinit(&rig);
}

static void gossip_does_not_make_this_node_lead(void **state)
{
    (void)state;
    static struct gossip_rig rig;
    node_id leader = 0;
    raft_term term = 0;
    begin(&rig);
    say_leader(&rig, 1000, SOLO_SELF);
    assert_int_equal(swim_of(&rig).leader, SOLO_SELF);
    assert_false(node_leader(rig.solo.node, &leader, &term));
    gossip_rig_deinit(&rig);
}

static void a_member_that_moved_is_dialed_where_it_is(void **state)
{
    (void)state;
    static struct gossip_rig rig;
    begin(&rig);
    unsigned before = rig.members_count;
    assert_string_equal(node_member_address(rig.solo.node, 3), "a3");
    /* It keeps its port here, so that the rig reaches it, and says another address. */
    struct swim_profile moved = {
        .version_min = 1, .version_max = 2, .name = "n3", .peer = "b3:7700"};
    gossip_rig_peer_step(&rig, 3,
                         (struct swim_event){.type = SWIM_EVENT_PROFILE, .profile = &moved});
    gossip_rig_pass(&rig, 200, 2, 1);
    assert_string_equal(node_member_address(rig.solo.node, 3), "b3:7700");
    assert_int_equal(rig.members_count, before + 1);
    assert_string_equal(node_member_address(rig.solo.node, 2), "a2");
    assert_null(node_member_address(rig.solo.node, 77));
    /* It comes back to where the configuration has it, which is to be told as well. */
    static const char *const again[] = {"a3", "b3:7700"};
    for (unsigned i = 0; i < COUNT_OF(again); i++) {
        struct text text = text_of(moved.peer, sizeof(moved.peer));
        text_string(&text, again[i]);
        gossip_rig_peer_step(&rig, 3,
                             (struct swim_event){.type = SWIM_EVENT_PROFILE, .profile = &moved});
        gossip_rig_pass(&rig, 200, 2, 1);
        assert_string_equal(node_member_address(rig.solo.node, 3), again[i]);
        assert_int_equal(rig.members_count, before + 2 + i);
    }
    /* When it is dead there, what the configuration says counts again. */
    gossip_rig_peer(&rig, 3)->is_silent = true;
    gossip_rig_pass(&rig, 15000, 2, 1);
    assert_int_equal(gossip_rig_news(&rig, SWIM_NEWS_DEAD, 3), 1);
    assert_string_equal(node_member_address(rig.solo.node, 3), "a3");
    assert_int_equal(rig.members_count, before + 4);
    gossip_rig_deinit(&rig);
}

static void what_does_not_decode_is_dropped_and_counted(void **state)
{
    (void)state;
    static struct gossip_rig rig;
    static const uint8_t garbage[2000] = {'Q', 'S', 1, 64};
    char long_source[SWIM_ADDRESS_BYTES_MAX + 1] = {0};
    begin(&rig);
    memset(long_source, 'x', sizeof(long_source) - 1);
    struct node_gossip_counters before = gossip_rig_counters(&rig);
    uint64_t digest = swim_of(&rig).digest;
    rig.packet_count = 0;
    for (size_t size = 0; size < sizeof(garbage); size += 97) {
        node_gossip_packet(rig.solo.node, garbage, size, "a2", true, rig.solo.time);
        node_gossip_stream(rig.solo.node, 2, garbage, size, "a2", true, rig.solo.time);
    }
    node_gossip_packet(rig.solo.node, garbage, 10, "", true, rig.solo.time);
    node_gossip_packet(rig.solo.node, garbage, 10, long_source, true, rig.solo.time);
    struct node_gossip_counters after = gossip_rig_counters(&rig);
    assert_int_equal(after.undecodable - before.undecodable, 2 * 21 + 2);
    assert_int_equal(after.packets_received - before.packets_received, 21 + 2);
    assert_int_equal(after.messages_received - before.messages_received, 21);
    solo_turn(&rig.solo);
    assert_int_equal(rig.packet_count, 0);
    assert_int_equal(swim_of(&rig).digest, digest);
    gossip_rig_deinit(&rig);
}

static void another_cluster_is_not_heard(void **state)
{
    (void)state;
    static struct gossip_rig rig;
    const char *seeds[] = {"a1"};
    begin(&rig);
    gossip_rig_peer_start(&rig, 3, elsewhere, "n3", "a3");
    gossip_rig_peer_step(&rig, 3, (struct swim_event){.type = SWIM_EVENT_JOIN, .join = {seeds, 1}});
    gossip_rig_peer_step(&rig, 3,
                         (struct swim_event){.type = SWIM_EVENT_LEADER, .leader = {1000, 3}});
    gossip_rig_pass(&rig, 20000, 2, 1);
    assert_int_equal(swim_of(&rig).leader_term, 1);
    assert_int_equal(swim_of(&rig).live_count, 2);
    assert_true(swim_of(&rig).counters.foreign > 0);
    gossip_rig_deinit(&rig);
}

static void without_gossip_nothing_happens(void **state)
{
    (void)state;
    static struct gossip_rig rig;
    node_id leader = 0;
    raft_term term = 0;
    static const uint8_t garbage[10] = {0};
    gossip_rig_init(&rig);
    rig.solo.options.gossip = NULL;
    gossip_rig_follow(&rig);
    node_gossip_packet(rig.solo.node, garbage, sizeof(garbage), "a2", true, rig.solo.time);
    node_gossip_stream(rig.solo.node, 1, garbage, sizeof(garbage), "a2", true, rig.solo.time);
    node_member_closed(rig.solo.node, 2, true, rig.solo.time);
    node_gossip_leave(rig.solo.node, SWIM_REASON_SHUTDOWN, rig.solo.time);
    gossip_rig_pass(&rig, 100, 2, 1);
    assert_true(node_gossip_is_gone(rig.solo.node));
    assert_null(node_swim(rig.solo.node));
    assert_int_equal(gossip_rig_counters(&rig).packets_received, 0);
    assert_int_equal(rig.packet_count, 0);
    assert_true(node_leader(rig.solo.node, &leader, &term));
    assert_int_equal(leader, 2);
    assert_string_equal(node_member_address(rig.solo.node, 3), "a3");
    gossip_rig_deinit(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_finds_the_members_of_its_configuration),
        cmocka_unit_test(its_profile_says_what_it_is),
        cmocka_unit_test(its_role_follows_the_configuration),
        cmocka_unit_test(the_members_hear_who_leads),
        cmocka_unit_test(a_closed_leader_that_does_not_answer_is_told_to_raft),
        cmocka_unit_test(a_refused_dial_is_waited_for_no_longer),
        cmocka_unit_test(raft_makes_haste_then),
        cmocka_unit_test(a_leader_that_answers_is_not_lost),
        cmocka_unit_test(a_member_that_does_not_lead_is_not_told_to_raft),
        cmocka_unit_test(without_hints_raft_is_told_nothing),
        cmocka_unit_test(a_dead_leader_is_told_to_raft),
        cmocka_unit_test(a_stranger_that_closes_is_nobody),
        cmocka_unit_test(the_later_term_says_who_leads),
        cmocka_unit_test(a_leader_by_gossip_that_died_is_none),
        cmocka_unit_test(gossip_does_not_make_this_node_lead),
        cmocka_unit_test(a_member_that_moved_is_dialed_where_it_is),
        cmocka_unit_test(what_does_not_decode_is_dropped_and_counted),
        cmocka_unit_test(another_cluster_is_not_heard),
        cmocka_unit_test(without_gossip_nothing_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
