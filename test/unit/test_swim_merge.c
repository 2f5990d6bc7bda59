/* test_swim_merge.c: which update overrides which, and what is said of the machine itself. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include "support/swim_rig.h"

/* Of a member at incarnation 7: what is known, what is said at 6, 7 and 8, and what is known then.
 * Every pair: SWIM §4.2, but that a higher incarnation brings back who was dead or had left.
 */
struct pair {
    enum swim_state known;
    enum swim_state said;
    bool overrides_at[3]; /* said at 6, 7, 8 */
};

static const struct pair pairs[] = {
    {SWIM_ALIVE, SWIM_ALIVE, {false, false, true}},
    {SWIM_ALIVE, SWIM_SUSPECT, {false, true, true}},
    {SWIM_ALIVE, SWIM_DEAD, {false, true, true}},
    {SWIM_ALIVE, SWIM_LEFT, {false, true, true}},
    {SWIM_SUSPECT, SWIM_ALIVE, {false, false, true}},
    {SWIM_SUSPECT, SWIM_SUSPECT, {false, false, true}},
    {SWIM_SUSPECT, SWIM_DEAD, {false, true, true}},
    {SWIM_SUSPECT, SWIM_LEFT, {false, true, true}},
    {SWIM_DEAD, SWIM_ALIVE, {false, false, true}},
    {SWIM_DEAD, SWIM_SUSPECT, {false, false, true}},
    {SWIM_DEAD, SWIM_DEAD, {false, false, true}},
    {SWIM_DEAD, SWIM_LEFT, {false, true, true}},
    {SWIM_LEFT, SWIM_ALIVE, {false, false, true}},
    {SWIM_LEFT, SWIM_SUSPECT, {false, false, true}},
    {SWIM_LEFT, SWIM_DEAD, {false, false, true}},
    {SWIM_LEFT, SWIM_LEFT, {false, false, true}},
};

static void the_order_of_all_pairs_is_as_written(void **state)
{
    (void)state;
    assert_int_equal(COUNT_OF(pairs), 16);
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        for (uint64_t at = 0; at < 3; at++) {
            assert_int_equal(swim_overrides(pairs[i].said, 6 + at, pairs[i].known, 7),
                             pairs[i].overrides_at[at]);
        }
    }
}

static void the_machine_takes_exactly_what_overrides(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        for (uint64_t at = 0; at < 3; at++) {
            struct swim_rig rig;
            swim_rig_init(&rig, NULL);
            swim_rig_fill(&rig, 4);
            assert_int_equal(swim_rig_say(&rig, 2, SWIM_ALIVE, 3, 7), 0);
            assert_int_equal(swim_rig_say(&rig, 2, pairs[i].known, 3, 7), 0);
            assert_int_equal(swim_rig_member(&rig, 3).state, pairs[i].known);
            assert_int_equal(swim_rig_say(&rig, 4, pairs[i].said, 3, 6 + at), 0);
            bool is_taken = pairs[i].overrides_at[at];
            assert_int_equal(swim_rig_member(&rig, 3).state,
                             is_taken ? pairs[i].said : pairs[i].known);
            assert_int_equal(swim_rig_member(&rig, 3).incarnation, is_taken ? 6 + at : 7);
            swim_rig_deinit(&rig);
        }
    }
}

struct self_case {
    enum swim_state said;
    uint64_t at;    /* this node's own is 5 */
    uint64_t after; /* its own then */
};

static const struct self_case self_cases[] = {
    {SWIM_SUSPECT, 4, 5}, {SWIM_SUSPECT, 5, 6}, {SWIM_SUSPECT, 9, 10}, {SWIM_DEAD, 4, 5},
    {SWIM_DEAD, 5, 6},    {SWIM_DEAD, 9, 10},   {SWIM_LEFT, 4, 5},     {SWIM_LEFT, 5, 6},
    {SWIM_LEFT, 9, 10},   {SWIM_ALIVE, 4, 5},   {SWIM_ALIVE, 9, 10},
};

static void whatever_would_override_this_node_is_refuted(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(self_cases); i++) {
        struct swim_rig rig;
        swim_rig_init(&rig, NULL);
        swim_rig_fill(&rig, 3);
        assert_int_equal(swim_rig_say(&rig, 2, self_cases[i].said, 1, self_cases[i].at), 0);
        assert_int_equal(swim_rig_member(&rig, 1).incarnation, self_cases[i].after);
        assert_int_equal(swim_rig_member(&rig, 1).state, SWIM_ALIVE);
        swim_rig_deinit(&rig);
    }
}

static void who_is_held_for_suspect_hears_it_in_any_packet(void **state)
{
    struct swim_rig rig;
    (void)state;
    swim_rig_init(&rig, NULL);
    swim_rig_fill(&rig, 3);
    struct swim_message ping = {.type = SWIM_PING,
                                .has_to = true,
                                .to = 1,
                                .held_state = SWIM_SUSPECT,
                                .held_incarnation = 5};
    assert_int_equal(swim_rig_packet(&rig, 2, ping, NULL, 0), 0);
    assert_int_equal(swim_rig_member(&rig, 1).incarnation, 6);
    const struct swim_packet *ack = swim_rig_sent(&rig, SWIM_ACK);
    assert_non_null(ack);
    assert_int_equal(ack->message.incarnation, 6);
    swim_rig_deinit(&rig);
}

static void many_suspicions_are_held_up_and_no_refutation_is(void **state)
{
    struct swim_rig rig;
    struct swim_status status;
    (void)state;
    swim_rig_init(&rig, NULL);
    swim_rig_fill(&rig, 4);
    for (uint64_t incarnation = 1; incarnation <= 20; incarnation++) {
        assert_int_equal(swim_rig_say(&rig, 2, SWIM_SUSPECT, 3, incarnation), 0);
        assert_int_equal(swim_rig_say(&rig, 3, SWIM_ALIVE, 3, incarnation + 1), 0);
        assert_int_equal(swim_rig_member(&rig, 3).state, SWIM_ALIVE);
        assert_int_equal(swim_rig_member(&rig, 3).incarnation, incarnation + 1);
    }
    swim_status(rig.swim, &status);
    assert_int_equal(status.counters.suspicions_held, 16);
    swim_rig_deinit(&rig);
}

static void short_reap(struct swim_options *options)
{
    options->reap_ns = 10 * NS_PER_S;
}

static void no_old_rumour_brings_back_who_left_and_was_reaped(void **state)
{
    struct swim_rig rig;
    (void)state;
    swim_rig_init(&rig, short_reap);
    swim_rig_fill(&rig, 4);
    assert_int_equal(swim_rig_say(&rig, 3, SWIM_LEFT, 3, 1), 0);
    swim_rig_pass(&rig, 30 * NS_PER_S);
    assert_false(swim_rig_member(&rig, 3).is_listed);
    assert_int_equal(swim_rig_say(&rig, 2, SWIM_ALIVE, 3, 1), 0);
    assert_int_equal(swim_rig_say(&rig, 2, SWIM_SUSPECT, 3, 1), 0);
    assert_false(swim_rig_member(&rig, 3).is_listed);
    assert_int_equal(swim_rig_member(&rig, 3).state, SWIM_LEFT);
    /* It comes back by itself. */
    assert_int_equal(swim_rig_say(&rig, 3, SWIM_ALIVE, 3, 2), 0);
    assert_true(swim_rig_member(&rig, 3).is_listed);
    assert_non_null(swim_rig_news(&rig, SWIM_NEWS_JOINED));
    swim_rig_deinit(&rig);
}

static void few_members(struct swim_options *options)
{
    options->members_max = 4;
}

static void members_have_a_limit_and_nobody_alive_is_forgotten_for_a_newcomer(void **state)
{
    struct swim_rig rig;
    (void)state;
    swim_rig_init(&rig, few_members);
    swim_rig_fill(&rig, 4);
    assert_int_equal(swim_rig_say(&rig, 2, SWIM_ALIVE, 5, 1), 0);
    struct swim_member_status member;
    assert_false(swim_member(rig.swim, 5, &member));
    assert_non_null(swim_rig_news(&rig, SWIM_NEWS_FULL));
    swim_rig_deinit(&rig);
}

static void who_is_gone_makes_room_for_a_newcomer(void **state)
{
    struct swim_rig rig;
    struct swim_member_status member;
    (void)state;
    swim_rig_init(&rig, few_members);
    swim_rig_fill(&rig, 4);
    assert_int_equal(swim_rig_say(&rig, 2, SWIM_DEAD, 3, 1), 0);
    rig.now_ns++;
    assert_int_equal(swim_rig_say(&rig, 4, SWIM_LEFT, 4, 1), 0);
    /* Who left before who died, though that was earlier. */
    assert_int_equal(swim_rig_say(&rig, 2, SWIM_ALIVE, 5, 1), 0);
    assert_int_equal(swim_rig_member(&rig, 5).state, SWIM_ALIVE);
    assert_false(swim_member(rig.swim, 4, &member));
    assert_int_equal(swim_rig_news(&rig, SWIM_NEWS_REAPED)->id, 4);
    assert_int_equal(swim_rig_say(&rig, 2, SWIM_ALIVE, 6, 1), 0);
    assert_int_equal(swim_rig_member(&rig, 6).state, SWIM_ALIVE);
    assert_false(swim_member(rig.swim, 3, &member));
    assert_int_equal(swim_rig_say(&rig, 2, SWIM_ALIVE, 7, 1), 0);
    assert_false(swim_member(rig.swim, 7, &member));
    assert_non_null(swim_rig_news(&rig, SWIM_NEWS_FULL));
    swim_rig_deinit(&rig);
}

static void that_somebody_was_not_let_in_is_told_once_in_a_period(void **state)
{
    struct swim_rig rig;
    (void)state;
    swim_rig_init(&rig, few_members);
    swim_rig_fill(&rig, 4);
    int told = 0;
    for (node_id i = 0; i < 100; i++) {
        assert_int_equal(swim_rig_say(&rig, 2, SWIM_ALIVE, 5 + i % 2, 1), 0);
        told += swim_rig_news(&rig, SWIM_NEWS_FULL) != NULL;
    }
    assert_int_equal(told, 2);
    rig.now_ns += rig.options.period_ns;
    for (node_id id = 5; id < 1000; id++) {
        assert_int_equal(swim_rig_say(&rig, 2, SWIM_ALIVE, id, 1), 0);
        told += swim_rig_news(&rig, SWIM_NEWS_FULL) != NULL;
    }
    assert_in_range(told, 3, 50);
    swim_rig_deinit(&rig);
}

static void two_processes_with_one_id_do_not_chase_each_other_and_are_told_of(void **state)
{
    struct swim_rig rig;
    (void)state;
    swim_rig_init(&rig, NULL);
    swim_rig_fill(&rig, 3);
    int told = 0;
    for (int i = 0; i < 1000; i++) { /* ten periods */
        uint64_t other = swim_rig_member(&rig, 1).incarnation + 1;
        assert_int_equal(swim_rig_say(&rig, 2, SWIM_ALIVE, 1, other), 0);
        told += swim_rig_news(&rig, SWIM_NEWS_DOUBLE) != NULL;
        rig.now_ns += rig.options.period_ns / 100;
    }
    assert_int_equal(told, 1);
    assert_in_range(swim_rig_member(&rig, 1).incarnation, 5 + 2 * 8, 5 + 2 * 12);
    swim_rig_deinit(&rig);
}

static void an_earlier_life_of_this_node_is_no_double(void **state)
{
    struct swim_rig rig;
    (void)state;
    swim_rig_init(&rig, NULL);
    swim_rig_fill(&rig, 3);
    for (uint64_t incarnation = 20; incarnation <= 40; incarnation += 20) {
        assert_int_equal(swim_rig_say(&rig, 2, SWIM_ALIVE, 1, incarnation), 0);
        assert_null(swim_rig_news(&rig, SWIM_NEWS_DOUBLE));
        rig.now_ns += rig.options.period_ns;
    }
    assert_int_equal(swim_rig_member(&rig, 1).incarnation, 41);
    swim_rig_deinit(&rig);
}

static void who_does_not_know_this_node_is_told_all_whatever_is_queued(void **state)
{
    (void)state;
    for (uint64_t held = 0; held <= 5; held += 5) {
        struct swim_rig rig;
        struct swim_status status;
        swim_rig_init(&rig, NULL);
        swim_rig_fill(&rig, 3);
        swim_status(rig.swim, &status);
        assert_true(status.queued_count > 0);
        struct swim_message gossip = {
            .type = SWIM_GOSSIP, .has_to = true, .to = 1, .held_incarnation = held};
        assert_int_equal(swim_rig_packet(&rig, 3, gossip, NULL, 0), 0);
        assert_int_equal(rig.ready.stream_count, held == 0 ? 1 : 0);
        if (held == 0) {
            assert_int_equal(rig.ready.streams[0].message.type, SWIM_PUSH_PULL);
            assert_string_equal(rig.ready.streams[0].address, "h3:7700");
        }
        swim_rig_deinit(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_order_of_all_pairs_is_as_written),
        cmocka_unit_test(the_machine_takes_exactly_what_overrides),
        cmocka_unit_test(whatever_would_override_this_node_is_refuted),
        cmocka_unit_test(who_is_held_for_suspect_hears_it_in_any_packet),
        cmocka_unit_test(many_suspicions_are_held_up_and_no_refutation_is),
        cmocka_unit_test(no_old_rumour_brings_back_who_left_and_was_reaped),
        cmocka_unit_test(two_processes_with_one_id_do_not_chase_each_other_and_are_told_of),
        cmocka_unit_test(an_earlier_life_of_this_node_is_no_double),
        cmocka_unit_test(who_does_not_know_this_node_is_told_all_whatever_is_queued),
        cmocka_unit_test(who_is_gone_makes_room_for_a_newcomer),
        cmocka_unit_test(that_somebody_was_not_let_in_is_told_once_in_a_period),
        cmocka_unit_test(members_have_a_limit_and_nobody_alive_is_forgotten_for_a_newcomer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
