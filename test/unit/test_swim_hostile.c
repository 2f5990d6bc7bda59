/* test_swim_hostile.c: what anybody who can send a packet may try, and how little comes of it. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <string.h>

#include "quorate/error.h"
#include "support/swim_rig.h"
#include "wire/packet.h"

#define STRANGER "stranger:1"

/* A message of nobody who is known, from an address that is nobody's. */
static int stranger_says(struct swim_rig *rig, struct swim_message message, size_t size_bytes)
{
    message.cluster = SWIM_RIG_CLUSTER;
    message.from = 999;
    return swim_rig_step(rig, (struct swim_event){
                                  .type = SWIM_EVENT_PACKET,
                                  .received = {.message = &message,
                                               .source = STRANGER,
                                               .size_bytes = (uint32_t)size_bytes},
                              });
}

/* Bytes that the last step sent to the stranger, and in how many packets. */
static size_t sent_to_stranger(const struct swim_rig *rig, int *packets)
{
    size_t bytes = 0;
    for (size_t i = 0; i < rig->ready.packet_count; i++) {
        if (strcmp(rig->ready.packets[i].address, STRANGER) == 0) {
            bytes += wire_packet_bytes(&rig->ready.packets[i].message);
            (*packets)++;
        }
    }
    return bytes;
}

static void a_stranger_who_asks_for_another_is_answered_once_and_with_no_more(void **state)
{
    (void)state;
    for (int is_answered = 0; is_answered < 2; is_answered++) {
        struct swim_rig rig;
        swim_rig_init(&rig, NULL);
        swim_rig_fill_long(&rig, 12);
        struct swim_message ask = {.type = SWIM_PING_REQ, .ping_req = {.sequence = 7, .target = 3}};
        size_t asked = wire_packet_bytes(&ask);
        assert_int_equal(stranger_says(&rig, ask, asked), 0);
        uint32_t sequence = swim_rig_sent(&rig, SWIM_PING)->message.ping.sequence;
        int packets = 0;
        size_t sent = 0;
        struct swim_message ack = {.type = SWIM_ACK, .ack = {sequence}};
        if (is_answered) {
            assert_int_equal(swim_rig_packet(&rig, 3, ack, NULL, 0), 0);
            sent += sent_to_stranger(&rig, &packets);
        }
        for (time_ns end_ns = rig.now_ns + rig.options.period_ns; rig.now_ns < end_ns;) {
            rig.now_ns = swim_deadline(rig.swim);
            assert_int_equal(swim_rig_step(&rig, (struct swim_event){.type = SWIM_EVENT_TICK}), 0);
            sent += sent_to_stranger(&rig, &packets);
        }
        assert_int_equal(swim_rig_packet(&rig, 3, ack, NULL, 0), 0);
        sent += sent_to_stranger(&rig, &packets);
        assert_int_equal(packets, 1);
        assert_true(sent <= asked);
        swim_rig_deinit(&rig);
    }
}

static void no_answer_is_longer_than_a_packet_may_be(void **state)
{
    struct swim_rig rig;
    int packets = 0;
    (void)state;
    swim_rig_init(&rig, NULL);
    swim_rig_fill_long(&rig, 12);
    struct swim_message ping = {.type = SWIM_PING, .ping = {.sequence = 7}};
    assert_int_equal(stranger_says(&rig, ping, SWIM_PACKET_BYTES_MAX), 0);
    assert_in_range(sent_to_stranger(&rig, &packets), 700, SWIM_PACKET_BYTES_MAX);
    assert_int_equal(stranger_says(&rig, ping, SWIM_PACKET_BYTES_MAX + 1), QR_ERR_MALFORMED);
    assert_int_equal(rig.ready.packet_count, 0);
    swim_rig_deinit(&rig);
}

static void short_packets(struct swim_options *options)
{
    options->packet_bytes_max = SWIM_PACKET_BYTES_MIN;
}

static void no_answer_is_longer_than_the_option_says(void **state)
{
    struct swim_rig rig;
    int packets = 0;
    (void)state;
    swim_rig_init(&rig, short_packets);
    swim_rig_fill_long(&rig, 12);
    struct swim_message ping = {.type = SWIM_PING, .ping = {.sequence = 7}};
    assert_int_equal(stranger_says(&rig, ping, SWIM_PACKET_BYTES_MAX), 0);
    assert_in_range(sent_to_stranger(&rig, &packets), 1, SWIM_PACKET_BYTES_MIN);
    swim_rig_deinit(&rig);
}

static void no_forged_incarnation_is_the_last_word(void **state)
{
    struct swim_rig rig;
    struct swim_status status;
    (void)state;
    swim_rig_init(&rig, NULL);
    swim_rig_fill(&rig, 4);
    /* Of another: dropped, and it can go on refuting. */
    assert_int_equal(swim_rig_say(&rig, 2, SWIM_DEAD, 3, SWIM_INCARNATION_MAX - 1), 0);
    assert_int_equal(swim_rig_say(&rig, 2, SWIM_ALIVE, 4, SWIM_INCARNATION_MAX - 1), 0);
    assert_int_equal(swim_rig_member(&rig, 3).state, SWIM_ALIVE);
    assert_int_equal(swim_rig_member(&rig, 4).incarnation, 1);
    swim_status(rig.swim, &status);
    assert_int_equal(status.counters.implausible, 2);

    /* Of this node: it rises by a part, and no further at once, however it is said. */
    struct swim_message ping = {.type = SWIM_PING, .has_to = true, .to = 1};
    ping.held_state = SWIM_DEAD;
    ping.held_incarnation = SWIM_INCARNATION_MAX - 2;
    assert_int_equal(swim_rig_packet(&rig, 2, ping, NULL, 0), 0);
    uint64_t once = swim_rig_member(&rig, 1).incarnation;
    assert_in_range(once, 6, UINT64_C(1) << 43);
    assert_int_equal(swim_rig_packet(&rig, 2, ping, NULL, 0), 0);
    assert_int_equal(swim_rig_say(&rig, 2, SWIM_DEAD, 1, SWIM_INCARNATION_MAX - 1), 0);
    assert_int_equal(swim_rig_member(&rig, 1).incarnation, once);
    assert_int_equal(swim_rig_say(&rig, 2, SWIM_DEAD, 1, once), 0); /* as ever */
    assert_int_equal(swim_rig_member(&rig, 1).incarnation, once + 1);
    swim_rig_pass(&rig, 10 * rig.options.period_ns);
    assert_int_equal(swim_rig_packet(&rig, 2, ping, NULL, 0), 0);
    assert_true(swim_rig_member(&rig, 1).incarnation > 2 * (once - 5));
    swim_rig_deinit(&rig);
}

static void its_clock_is_at_the_epoch(struct swim_options *options)
{
    options->incarnation = 0;
}

static void a_clock_at_its_epoch_is_plausible(void **state)
{
    const uint64_t today = UINT64_C(1800000000000);
    struct swim_rig rig;
    (void)state;
    swim_rig_init(&rig, its_clock_is_at_the_epoch);
    assert_int_equal(swim_rig_say(&rig, 2, SWIM_ALIVE, 2, today), 0);
    assert_int_equal(swim_rig_member(&rig, 2).incarnation, today);
    assert_int_equal(swim_rig_say(&rig, 2, SWIM_ALIVE, 1, today), 0); /* its earlier life */
    assert_int_equal(swim_rig_member(&rig, 1).incarnation, today + 1);
    swim_rig_deinit(&rig);
}

static void the_last_incarnation_but_one(struct swim_options *options)
{
    options->incarnation = SWIM_INCARNATION_MAX - 1;
}

static void a_profile_that_has_no_incarnation_left_is_refused(void **state)
{
    struct swim_rig rig;
    struct swim_profile profile = {.name = "m1", .peer = "other:7700"};
    (void)state;
    swim_rig_init(&rig, the_last_incarnation_but_one);
    assert_int_equal(
        swim_rig_step(&rig, (struct swim_event){.type = SWIM_EVENT_PROFILE, .profile = &profile}),
        QR_ERR_INVALID);
    swim_rig_deinit(&rig);
}

/* While the only accusers are none, or have gone, nobody is declared dead. All answer but 3. */
static void accusers_that_are_no_members_kill_nobody(void **state)
{
    (void)state;
    for (int have_gone = 0; have_gone < 2; have_gone++) {
        struct swim_rig rig;
        swim_rig_init(&rig, NULL);
        swim_rig_fill(&rig, 10);
        struct swim_update updates[4];
        for (node_id i = 0; i < COUNT_OF(updates); i++) {
            updates[i] = (struct swim_update){.state = SWIM_SUSPECT,
                                              .reason = SWIM_REASON_UNANSWERED,
                                              .id = 3,
                                              .incarnation = 1,
                                              .accuser = have_gone ? 4 + i : 5000 + i};
        }
        struct swim_message gossip = {.type = SWIM_GOSSIP};
        assert_int_equal(swim_rig_packet(&rig, 2, gossip, updates, COUNT_OF(updates)), 0);
        assert_int_equal(swim_rig_member(&rig, 3).state, SWIM_SUSPECT);
        for (node_id id = 4; id < 8 && have_gone; id++) {
            assert_int_equal(swim_rig_say(&rig, 2, SWIM_LEFT, id, 1), 0);
        }
        time_ns end_ns = rig.now_ns + 10 * NS_PER_S;
        while (rig.now_ns < end_ns) {
            rig.now_ns = swim_deadline(rig.swim);
            assert_int_equal(swim_rig_step(&rig, (struct swim_event){.type = SWIM_EVENT_TICK}), 0);
            const struct swim_packet *ping = swim_rig_sent(&rig, SWIM_PING);
            if (ping != NULL && ping->message.to != 3) {
                struct swim_message ack = {.type = SWIM_ACK, .ack = {ping->message.ping.sequence}};
                assert_int_equal(swim_rig_packet(&rig, ping->message.to, ack, NULL, 0), 0);
            }
        }
        assert_int_equal(swim_rig_member(&rig, 3).state, SWIM_SUSPECT);
        swim_rig_deinit(&rig);
    }
}

static void an_answer_that_was_not_asked_for_makes_it_send_nothing(void **state)
{
    struct swim_rig rig;
    (void)state;
    swim_rig_init(&rig, NULL);
    swim_rig_fill(&rig, 4);
    for (uint32_t sequence = 0; sequence < 100; sequence++) {
        struct swim_message ack = {.type = SWIM_ACK, .incarnation = 9, .ack = {sequence}};
        assert_int_equal(stranger_says(&rig, ack, 90), 0);
        assert_int_equal(rig.ready.stream_count, 0);
        assert_int_equal(rig.ready.packet_count, 0);
    }
    swim_rig_deinit(&rig);
}

static void in_no_cluster(struct swim_options *options)
{
    options->cluster = (struct cluster_id){0};
}

static void only_a_cluster_that_was_asked_for_is_taken(void **state)
{
    static const char *const seeds[] = {"h2:7700"};
    struct swim_rig rig;
    (void)state;
    swim_rig_init(&rig, in_no_cluster);
    assert_int_equal(swim_rig_step(&rig, (struct swim_event){.type = SWIM_EVENT_JOIN,
                                                             .join = {.seeds = seeds, .count = 1}}),
                     0);
    rig.now_ns = swim_deadline(rig.swim);
    while (rig.ready.stream_count == 0) {
        rig.now_ns = swim_deadline(rig.swim);
        assert_int_equal(swim_rig_step(&rig, (struct swim_event){.type = SWIM_EVENT_TICK}), 0);
    }
    uint32_t asked = rig.ready.streams[0].message.push_pull.sequence;
    struct swim_message ack = {.type = SWIM_ACK, .ack = {1}};
    assert_int_equal(swim_rig_packet(&rig, 2, ack, NULL, 0), 0);
    assert_null(swim_rig_news(&rig, SWIM_NEWS_CLUSTER));
    struct swim_message answer = {.type = SWIM_PUSH_PULL_RESPONSE};
    answer.push_pull_response.sequence = asked + 1;
    assert_int_equal(swim_rig_packet(&rig, 2, answer, NULL, 0), 0);
    assert_null(swim_rig_news(&rig, SWIM_NEWS_CLUSTER));
    answer.push_pull_response.sequence = asked;
    assert_int_equal(swim_rig_packet(&rig, 2, answer, NULL, 0), 0);
    assert_non_null(swim_rig_news(&rig, SWIM_NEWS_CLUSTER));
    swim_rig_deinit(&rig);
}

static void say_leader(struct swim_rig *rig, bool is_own, raft_term term, node_id leader)
{
    struct swim_message gossip = {.type = SWIM_GOSSIP, .leader_term = term, .leader = leader};
    struct swim_event own = {.type = SWIM_EVENT_LEADER, .leader = {.term = term, .leader = leader}};
    assert_int_equal(is_own ? swim_rig_step(rig, own) : swim_rig_packet(rig, 2, gossip, NULL, 0),
                     0);
}

static void gossip_of_leaders_does_not_override_raft_here(void **state)
{
    static const struct {
        bool is_own;
        raft_term term;
        node_id leader;
        raft_term known_term; /* then */
        node_id known_leader;
        bool is_conflict;
    } cases[] = {
        {false, UINT64_MAX, 3, 0, 0, false}, /* not believed */
        {false, 900, 3, 900, 3, false},
        {true, 8, 2, 8, 2, false},
        {false, 9, 4, 9, 4, false}, /* later than what Raft here knows */
        {false, 9, 3, 9, 4, true},
        {true, 9, 3, 9, 3, true}, /* it is Raft that knows */
        {false, 9 + (UINT64_C(1) << 32) + 1, 4, 9, 3, false},
    };
    struct swim_rig rig;
    struct swim_status status;
    (void)state;
    swim_rig_init(&rig, NULL);
    swim_rig_fill(&rig, 4);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        say_leader(&rig, cases[i].is_own, cases[i].term, cases[i].leader);
        swim_status(rig.swim, &status);
        assert_int_equal(status.leader_term, cases[i].known_term);
        assert_int_equal(status.leader, cases[i].known_leader);
        assert_int_equal(swim_rig_news(&rig, SWIM_NEWS_CONFLICT) != NULL, cases[i].is_conflict);
    }
    swim_status(rig.swim, &status);
    assert_int_equal(status.counters.implausible, 2);
    swim_rig_deinit(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stranger_who_asks_for_another_is_answered_once_and_with_no_more),
        cmocka_unit_test(no_answer_is_longer_than_a_packet_may_be),
        cmocka_unit_test(no_answer_is_longer_than_the_option_says),
        cmocka_unit_test(no_forged_incarnation_is_the_last_word),
        cmocka_unit_test(a_clock_at_its_epoch_is_plausible),
        cmocka_unit_test(accusers_that_are_no_members_kill_nobody),
        cmocka_unit_test(an_answer_that_was_not_asked_for_makes_it_send_nothing),
        cmocka_unit_test(only_a_cluster_that_was_asked_for_is_taken),
        cmocka_unit_test(gossip_of_leaders_does_not_override_raft_here),
        cmocka_unit_test(a_profile_that_has_no_incarnation_left_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
