/* test_sim_check_leaders.c: the checkers of what leaders may do, and what is promised to them. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "quorate/error.h"
#include "sim/check.h"
#include "support/unit.h"
#include "unit/sim_failure_support.h"

static const uint64_t voters[] = {1, 2, 3, 4, 5};

static void a_table_keeps_what_it_was_given(void **state)
{
    (void)state;
    struct sim_pairs pairs = {0};
    assert_null(sim_pairs_find(&pairs, 0, 0));
    for (uint64_t i = 0; i < 1000; i++) {
        uint64_t *value = sim_pairs_take(&pairs, i % 10, i, sizeof(*value));
        assert_int_equal(*value, 0);
        *value = i + 1;
    }
    assert_int_equal(pairs.count, 1000);
    for (uint64_t i = 0; i < 1000; i++) {
        const uint64_t *value = sim_pairs_find(&pairs, i % 10, i);
        assert_non_null(value);
        assert_int_equal(*value, i + 1);
        assert_null(sim_pairs_find(&pairs, 11, i));
    }
    assert_int_equal(*(uint64_t *)sim_pairs_take(&pairs, 3, 13, sizeof(uint64_t)), 14);
    assert_int_equal(pairs.count, 1000);
    sim_pairs_deinit(&pairs);
}

static struct raft_message answer(uint64_t from, uint64_t to, uint64_t term, uint64_t match,
                                  uint64_t round)
{
    return (struct raft_message){.type = RAFT_APPEND_ENTRIES_RESPONSE,
                                 .from = from,
                                 .to = to,
                                 .term = term,
                                 .append_entries_response = {.match = match, .round = round}};
}

static void confirms(struct check_reads *check, uint64_t from, uint64_t to, time_ns at_ns)
{
    struct raft_message message = answer(from, to, 1, 0, 1);
    check_reads_said(check, &message, at_ns);
}

static void a_read_is_confirmed_by_a_majority_since_it_was_asked(void **state)
{
    (void)state;
    struct check_reads check = {0};
    assert_true(check_reads_is_confirmed(&check, 1, voters, 1, 50));
    assert_false(check_reads_is_confirmed(&check, 1, voters, 2, 50));
    for (uint64_t from = 2; from < 500; from++) {
        confirms(&check, from, 9, 80); /* to another leader */
    }
    confirms(&check, 2, 1, 50);
    confirms(&check, 3, 1, 49);
    confirms(&check, 9, 1, 60); /* no voter */
    assert_true(check_reads_is_confirmed(&check, 1, voters, 3, 50));
    assert_false(check_reads_is_confirmed(&check, 1, voters, 4, 50));
    assert_false(check_reads_is_confirmed(&check, 1, voters, 5, 50));
    struct raft_message stale = answer(3, 1, 2, 0, 0); /* of a later term: it tells of no round */
    check_reads_said(&check, &stale, 51);
    assert_false(check_reads_is_confirmed(&check, 1, voters, 5, 50));
    confirms(&check, 3, 1, 51);
    assert_true(check_reads_is_confirmed(&check, 1, voters, 5, 50));
    assert_false(check_reads_is_confirmed(&check, 1, voters, 5, 51));
    assert_false(check_reads_is_confirmed(&check, 1, voters + 1, 4, 50)); /* no voter itself */
    check_reads_deinit(&check);
}

static void a_question_counts_from_when_it_was_first_asked(void **state)
{
    (void)state;
    struct check_reads check = {0};
    struct wire_read question = {.from = 4, .request = 77};
    assert_int_equal(check_reads_asked_ns(&check, 4, 77), 0);
    check_reads_asked(&check, &question, 10);
    check_reads_asked(&check, &question, 20);
    assert_int_equal(check_reads_asked_ns(&check, 4, 77), 10);
    assert_int_equal(check_reads_asked_ns(&check, 4, 78), 0);
    assert_int_equal(check_reads_asked_ns(&check, 5, 77), 0);
    check_reads_deinit(&check);
}

static void who_is_told_to_campaign_was_told_in_the_last_term(void **state)
{
    (void)state;
    struct check_handovers check = {0};
    struct sim_failure failure = none;
    struct raft_message told = {.type = RAFT_TIMEOUT_NOW, .from = 1, .to = 2, .term = 6};
    struct raft_message campaign = {.type = RAFT_REQUEST_VOTE, .from = 2, .to = 3, .term = 8};
    check_handovers_campaign(&check, &campaign, 1, &failure); /* of its own accord */
    assert_sound(failure);
    campaign.request_vote.is_transfer = true;
    campaign.term = 7;
    check_handovers_heard(&check, &told);
    check_handovers_campaign(&check, &campaign, 1, &failure);
    assert_sound(failure);
    campaign.term = 8; /* that leader was followed by another one */
    check_handovers_campaign(&check, &campaign, 1, &failure);
    assert_broken(&failure, "transfer_of_last_term");
    failure = none;
    campaign.term = 7;
    campaign.from = 3;
    check_handovers_campaign(&check, &campaign, 1, &failure);
    assert_broken(&failure, "transfer_of_last_term");
    check_handovers_deinit(&check);
}

static void a_handover_is_remembered_from_its_first_message_on(void **state)
{
    (void)state;
    struct check_handovers check = {0};
    struct raft_message told = {.type = RAFT_TIMEOUT_NOW, .from = 1, .to = 2, .term = 6};
    assert_true(check_handovers_since(&check, 1, 6) == TIME_NEVER);
    check_handovers_said(&check, &told, 0);
    check_handovers_said(&check, &told, 40);
    assert_int_equal(check_handovers_since(&check, 1, 6), 0);
    assert_true(check_handovers_since(&check, 1, 7) == TIME_NEVER);
    assert_true(check_handovers_since(&check, 2, 6) == TIME_NEVER);
    check_handovers_deinit(&check);
}

static void tell(struct check_commits *check, uint64_t from, uint64_t term, uint64_t match)
{
    struct raft_message message = answer(from, 1, term, match, 0);
    check_commits_said(check, &message);
}

static void a_leader_commits_what_a_majority_holds(void **state)
{
    (void)state;
    struct check_commits check = {0};
    assert_true(check_commits_is_agreed(&check, 1, 5, 9, 9, voters, 1));
    assert_false(check_commits_is_agreed(&check, 1, 5, 8, 9, voters, 1)); /* not durable here */
    tell(&check, 2, 5, 9);
    tell(&check, 2, 5, 7); /* late */
    tell(&check, 3, 5, 8);
    tell(&check, 4, 4, 20); /* to this leader in an earlier term */
    tell(&check, 9, 5, 20); /* no voter */
    assert_true(check_commits_is_agreed(&check, 1, 5, 9, 9, voters, 3));
    assert_false(check_commits_is_agreed(&check, 1, 5, 8, 9, voters, 3));
    assert_true(check_commits_is_agreed(&check, 1, 5, 8, 8, voters, 5));
    assert_false(check_commits_is_agreed(&check, 1, 5, 9, 9, voters, 5));
    assert_false(check_commits_is_agreed(&check, 1, 5, 9, 9, voters, 4)); /* half is no majority */
    /* Who is no voter any more does not count itself. */
    assert_false(check_commits_is_agreed(&check, 1, 5, 9, 9, voters + 1, 2));
    struct raft_message installed = {
        .type = RAFT_INSTALL_SNAPSHOT_RESPONSE, .from = 3, .to = 1, .term = 5};
    installed.install_snapshot_response.snapshot = (struct raft_position){5, 12};
    check_commits_said(&check, &installed); /* a piece is taken, not all of it */
    assert_false(check_commits_is_agreed(&check, 1, 5, 9, 9, voters + 1, 2));
    installed.install_snapshot_response.is_done = true;
    check_commits_said(&check, &installed);
    assert_true(check_commits_is_agreed(&check, 1, 5, 9, 9, voters + 1, 2));
    tell(&check, 2, 6, 3); /* in a later term it all begins anew */
    assert_false(check_commits_is_agreed(&check, 1, 6, 9, 9, voters, 3));
    check_commits_deinit(&check);
}

struct promise_row {
    uint64_t candidate;
    uint64_t term;
    time_ns local_ns;
    bool is_right;
};

static void who_answered_a_leader_sticks_to_it(void **state)
{
    (void)state;
    static const struct promise_row rows[] = {
        {3, 6, 249, false}, {3, 6, 250, true}, /* it heard of the round at 100 */
        {1, 6, 120, true},                     /* for that leader itself */
        {3, 5, 120, true},                     /* decided on before */
        {3, 9, 120, false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct check_promises check = {0};
        struct sim_failure failure = none;
        struct raft_message heard = {.type = RAFT_APPEND_ENTRIES, .from = 1, .to = 2, .term = 5};
        struct raft_message given = answer(2, 1, 5, 0, 4);
        struct raft_message vote = {.type = RAFT_REQUEST_VOTE_RESPONSE,
                                    .from = 2,
                                    .to = rows[i].candidate,
                                    .term = rows[i].term,
                                    .request_vote_response = {.is_granted = true}};
        heard.append_entries.round = 4;
        check_promises_given(&check, &given); /* of a round that nobody saw come */
        check_promises_heard(&check, &heard, 100);
        check_promises_vote(&check, &vote, 101, 150, 1, &failure); /* nothing is promised yet */
        check_promises_heard(&check, &heard, 140);                 /* it comes twice */
        check_promises_given(&check, &given);
        assert_sound(failure);
        check_promises_vote(&check, &vote, rows[i].local_ns, 150, 1, &failure);
        if (rows[i].is_right) {
            assert_sound(failure);
        } else {
            assert_broken(&failure, "promise_kept");
        }
        check_promises_deinit(&check);
    }
}

static void an_answer_to_a_later_leader_takes_the_place_of_the_promise(void **state)
{
    (void)state;
    struct check_promises check = {0};
    struct sim_failure failure = none;
    for (uint64_t term = 5; term < 300; term++) {
        struct raft_message heard = {
            .type = RAFT_APPEND_ENTRIES, .from = term % 2 + 3, .to = 2, .term = term};
        struct raft_message given = answer(2, term % 2 + 3, term, 0, term);
        heard.append_entries.round = term;
        check_promises_heard(&check, &heard, term * 10);
        check_promises_given(&check, &given);
        /* One of another term, or of an older round, promises nothing more. */
        given.term = term + 1;
        check_promises_given(&check, &given);
        given.term = term;
        given.append_entries_response.round = term - 1;
        check_promises_given(&check, &given);
    }
    struct raft_message vote = {
        .type = RAFT_REQUEST_VOTE_RESPONSE, .from = 2, .to = 4, .term = 300};
    check_promises_vote(&check, &vote, 2999, 150, 1, &failure); /* whom it has promised it */
    assert_sound(failure);
    vote.to = 3;
    check_promises_vote(&check, &vote, 2999, 150, 1, &failure);
    assert_broken(&failure, "promise_kept");
    failure = none;
    struct raft_message pre_vote = {
        .type = RAFT_PRE_VOTE_RESPONSE, .from = 2, .to = 3, .term = 299};
    pre_vote.pre_vote_response.next_term = 300;
    check_promises_vote(&check, &pre_vote, 2990 + 150, 150, 1, &failure);
    assert_sound(failure);
    check_promises_vote(&check, &pre_vote, 2990 + 149, 150, 1, &failure);
    assert_broken(&failure, "promise_kept");
    failure = none;
    check_promises_void(&check, &pre_vote); /* who campaigned when told to, in 299, and lost */
    check_promises_vote(&check, &pre_vote, 2990 + 149, 150, 1, &failure);
    assert_broken(&failure, "promise_kept"); /* that one was promised in 299 */
    failure = none;
    vote.to = 3;
    check_promises_void(&check, &vote); /* the leader of 299 has told it to campaign */
    check_promises_vote(&check, &vote, 2999, 150, 1, &failure);
    assert_sound(failure);
    check_promises_deinit(&check);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_keeps_what_it_was_given),
        cmocka_unit_test(a_read_is_confirmed_by_a_majority_since_it_was_asked),
        cmocka_unit_test(a_question_counts_from_when_it_was_first_asked),
        cmocka_unit_test(who_is_told_to_campaign_was_told_in_the_last_term),
        cmocka_unit_test(a_handover_is_remembered_from_its_first_message_on),
        cmocka_unit_test(a_leader_commits_what_a_majority_holds),
        cmocka_unit_test(who_answered_a_leader_sticks_to_it),
        cmocka_unit_test(an_answer_to_a_later_leader_takes_the_place_of_the_promise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
