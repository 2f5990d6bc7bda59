/* test_swim_names.c: one name, one live member: who is let in, who goes, and who does not. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <string.h>

#include "quorate/error.h"
#include "support/swim_rig.h"

#define RIVAL 9

struct claim {
    node_id by;
    node_id name; /* whose */
    node_id at;
    uint64_t started;
};

/* Member RIVAL is said to be alive with another's name, at hAT:7700. */
static void claim_as(struct swim_rig *rig, enum swim_message_type type, struct claim claim)
{
    struct swim_profile profile;
    uint8_t bytes[SWIM_PROFILE_BYTES_MAX];
    assert_int_equal(swim_profile_decode(swim_rig_profile(rig, claim.at, claim.started), &profile),
                     0);
    profile.name[1] = (char)('0' + claim.name);
    struct swim_update update = {.state = SWIM_ALIVE, .id = RIVAL, .incarnation = 1};
    update.profile.size_bytes = (uint16_t)swim_profile_encode(&profile, bytes);
    update.profile.bytes = bytes;
    struct swim_message message = {.type = type};
    if (type == SWIM_PUSH_PULL_RESPONSE) {
        message.push_pull_response.is_last = true;
    }
    assert_int_equal(swim_rig_packet(rig, claim.by, message, &update, 1), 0);
}

static void claim(struct swim_rig *rig, enum swim_message_type type, node_id name, node_id at,
                  uint64_t started)
{
    claim_as(rig, type, (struct claim){.by = 2, .name = name, .at = at, .started = started});
}

/* Let time pass; whoever is asked as RIVAL answers, or does not. Returns whether it was asked. */
static bool live_on(struct swim_rig *rig, time_ns span_ns, bool answers)
{
    bool is_asked = false;
    time_ns end_ns = rig->now_ns + span_ns;
    while (swim_deadline(rig->swim) <= end_ns) {
        time_ns due_ns = swim_deadline(rig->swim);
        rig->now_ns = due_ns > rig->now_ns ? due_ns : rig->now_ns;
        assert_int_equal(swim_rig_step(rig, (struct swim_event){.type = SWIM_EVENT_TICK}), 0);
        for (size_t i = 0; i < rig->ready.packet_count; i++) {
            struct swim_message sent = rig->ready.packets[i].message;
            if (sent.type != SWIM_PING || sent.to != RIVAL) {
                continue;
            }
            is_asked = true;
            assert_int_equal(sent.update_count, 0);
            struct swim_message ack = {.type = SWIM_ACK, .ack = {sent.ping.sequence}};
            if (answers) {
                assert_int_equal(swim_rig_packet(rig, RIVAL, ack, NULL, 0), 0);
                break;
            }
        }
    }
    rig->now_ns = end_ns;
    return is_asked;
}

static void who_has_a_name_keeps_it_whatever_another_says_of_its_age(void **state)
{
    (void)state;
    for (uint64_t started = 0; started <= 2; started++) { /* member 3 started at 1 */
        struct swim_rig rig;
        struct swim_member_status member;
        swim_rig_init(&rig, NULL);
        swim_rig_fill(&rig, 3);
        claim(&rig, SWIM_GOSSIP, 3, RIVAL, started);
        assert_false(swim_member(rig.swim, RIVAL, &member));
        assert_int_equal(swim_rig_member(&rig, 3).state, SWIM_ALIVE);
        const struct swim_news *news = swim_rig_news(&rig, SWIM_NEWS_NAME_TAKEN);
        assert_non_null(news);
        assert_int_equal(news->id, RIVAL);
        assert_int_equal(news->source, 3);

        assert_int_equal(swim_rig_say(&rig, 2, SWIM_DEAD, 3, 1), 0); /* then it is free */
        claim(&rig, SWIM_GOSSIP, 3, RIVAL, started);
        assert_int_equal(swim_rig_member(&rig, RIVAL).state, SWIM_ALIVE);
        swim_rig_deinit(&rig);
    }
}

/* Only this node holds 3 for live, and suspects it: it is silent, or 4 has said so. 2 let another
 * in under its name, or the claimant says so itself.
 */
static void who_holds_another_for_the_owner_agrees_that_the_owner_is_gone(void **state)
{
    (void)state;
    for (int which = 0; which < 4; which++) {
        bool is_silent = (which & 1) == 0;
        bool by_itself = (which & 2) != 0;
        struct swim_rig rig;
        struct swim_member_status member;
        swim_rig_init(&rig, NULL);
        swim_rig_fill(&rig, 4);
        rig.silent = is_silent ? 3 : 0;
        if (!is_silent) { /* it answers this node, but does not refute */
            assert_int_equal(swim_rig_say(&rig, 4, SWIM_SUSPECT, 3, 1), 0);
            swim_rig_answer_all(&rig);
        }
        time_ns end_ns = rig.now_ns + 3 * rig.options.suspicion_ns;
        while (rig.now_ns < end_ns && swim_rig_member(&rig, 3).state != SWIM_DEAD) {
            assert_false(swim_member(rig.swim, RIVAL, &member));
            rig.now_ns = swim_deadline(rig.swim);
            assert_int_equal(swim_rig_step(&rig, (struct swim_event){.type = SWIM_EVENT_TICK}), 0);
            swim_rig_answer_all(&rig);
            claim_as(
                &rig, SWIM_GOSSIP,
                (struct claim){.by = by_itself ? RIVAL : 2, .name = 3, .at = RIVAL, .started = 1});
        }
        assert_int_equal(swim_rig_member(&rig, 3).state,
                         is_silent && !by_itself ? SWIM_DEAD : SWIM_SUSPECT);
        swim_rig_deinit(&rig);
    }
}

struct name_case {
    const char *what;
    enum swim_message_type by; /* a response: to this node, which is about to join */
    uint64_t started;          /* this node did at 5 */
    node_id at;
    bool answers;
    bool goes;
};

static const struct name_case cases[] = {
    {"an older one that is not there, as anybody may forge", SWIM_GOSSIP, 0, RIVAL, false, false},
    {"an older one that is there", SWIM_GOSSIP, 0, RIVAL, true, true},
    {"a younger one", SWIM_GOSSIP, 7, RIVAL, true, false},
    {"a newcomer finds an older one", SWIM_PUSH_PULL_RESPONSE, 2, RIVAL, true, true},
    {"a newcomer's clock is behind", SWIM_PUSH_PULL_RESPONSE, 7, RIVAL, true, true},
    {"a newcomer finds a dead one", SWIM_PUSH_PULL_RESPONSE, 2, RIVAL, false, false},
    {"a newcomer finds its last life", SWIM_PUSH_PULL_RESPONSE, 2, 1, false, false},
};

static void a_node_goes_for_another_of_its_name_only_when_that_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct swim_rig rig;
        struct swim_status status;
        swim_rig_init(&rig, NULL);
        claim(&rig, cases[i].by, 1, cases[i].at, cases[i].started);
        swim_status(rig.swim, &status);
        assert_false(status.is_leaving);
        bool is_asked = live_on(&rig, 30 * NS_PER_S, cases[i].answers);
        swim_status(rig.swim, &status);
        if (status.is_stopped != cases[i].goes || (cases[i].goes && !is_asked)) {
            fail_msg("%s", cases[i].what);
        }
        swim_rig_deinit(&rig);
    }
}

static void a_node_that_goes_for_its_name_answers_no_ping(void **state)
{
    struct swim_rig rig;
    (void)state;
    swim_rig_init(&rig, NULL);
    swim_rig_fill(&rig, 3);
    claim(&rig, SWIM_GOSSIP, 1, RIVAL, 0);
    struct swim_status status;
    do {
        (void)live_on(&rig, 100 * NS_PER_MS, true);
        swim_status(rig.swim, &status);
    } while (!status.is_leaving);
    assert_int_equal(swim_rig_packet(&rig, 2, (struct swim_message){.type = SWIM_PING}, NULL, 0),
                     0);
    assert_null(swim_rig_sent(&rig, SWIM_ACK));
    swim_rig_deinit(&rig);
}

static void nobody_takes_the_name_of_a_live_member_by_a_new_profile(void **state)
{
    (void)state;
    struct swim_rig rig;
    swim_rig_init(&rig, NULL);
    swim_rig_fill(&rig, 3);
    struct swim_profile profile;
    assert_int_equal(swim_profile_decode(swim_rig_profile(&rig, 1, 1), &profile), 0);
    profile.name[1] = '3';
    struct swim_event event = {.type = SWIM_EVENT_PROFILE, .profile = &profile};
    assert_int_equal(swim_rig_step(&rig, event), QR_ERR_INVALID);
    assert_int_equal(swim_rig_member(&rig, 1).incarnation, 5);
    assert_int_equal(swim_rig_say(&rig, 2, SWIM_DEAD, 3, 1), 0);
    assert_int_equal(swim_rig_step(&rig, event), 0);
    assert_int_equal(swim_rig_member(&rig, 1).incarnation, 6);
    swim_rig_deinit(&rig);
}

static void nobody_leaves_for_a_reason_that_there_is_not(void **state)
{
    (void)state;
    struct swim_rig rig;
    swim_rig_init(&rig, NULL);
    struct swim_event event = {.type = SWIM_EVENT_LEAVE,
                               .leave = (enum swim_reason)(SWIM_REASON_NAME_TAKEN + 1)};
    assert_int_equal(swim_rig_step(&rig, event), QR_ERR_INVALID);
    assert_int_equal(swim_rig_member(&rig, 1).state, SWIM_ALIVE);
    swim_rig_deinit(&rig);
}

static void an_ack_that_was_not_asked_for_ends_nobody(void **state)
{
    struct swim_rig rig;
    struct swim_status status;
    (void)state;
    swim_rig_init(&rig, NULL);
    claim(&rig, SWIM_PUSH_PULL_RESPONSE, 1, RIVAL, 2);
    for (uint32_t sequence = 0; sequence < 1000; sequence++) {
        struct swim_message ack = {.type = SWIM_ACK, .ack = {sequence}};
        assert_int_equal(swim_rig_packet(&rig, RIVAL, ack, NULL, 0), 0);
    }
    swim_status(rig.swim, &status);
    assert_false(status.is_leaving);
    swim_rig_deinit(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_has_a_name_keeps_it_whatever_another_says_of_its_age),
        cmocka_unit_test(who_holds_another_for_the_owner_agrees_that_the_owner_is_gone),
        cmocka_unit_test(a_node_goes_for_another_of_its_name_only_when_that_answers),
        cmocka_unit_test(a_node_that_goes_for_its_name_answers_no_ping),
        cmocka_unit_test(an_ack_that_was_not_asked_for_ends_nobody),
        cmocka_unit_test(nobody_takes_the_name_of_a_live_member_by_a_new_profile),
        cmocka_unit_test(nobody_leaves_for_a_reason_that_there_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
