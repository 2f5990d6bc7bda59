/* test_sim_checks.c: each checker of the simulator says what is broken, and only that. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "quorate/error.h"
#include "sim/check.h"
#include "support/unit.h"
#include "unit/sim_failure_support.h"

static void the_first_violation_is_kept(void **state)
{
    (void)state;
    struct sim_failure failure = none;
    sim_failure_set(&failure, 7, "first", "number %d", 1);
    sim_failure_set(&failure, 8, "second", "number %d", 2);
    assert_string_equal(failure.checker, "first");
    assert_string_equal(failure.text, "number 1");
    assert_int_equal(failure.at_ns, 7);
}

static void a_term_has_one_leader(void **state)
{
    (void)state;
    struct check_election check = {0};
    struct sim_failure failure = none;
    uint64_t leader = 99;
    check_election_leads(&check, 0, 5, 1, &failure);
    check_election_leads(&check, 0, 5, 2, &failure);
    check_election_leads(&check, 1, 6, 3, &failure);
    assert_sound(failure);
    assert_int_equal(check.term_count, 2);
    assert_true(check_election_leader(&check, 5, &leader));
    assert_int_equal(leader, 0);
    assert_false(check_election_leader(&check, 4, &leader));
    check_election_leads(&check, 1, 5, 4, &failure);
    assert_broken(&failure, "election_safety");
    check_election_deinit(&check);
}

static void terms_do_not_run_away(void **state)
{
    (void)state;
    struct check_election check = {0};
    struct sim_failure failure = none;
    check_election_leads(&check, 1, SIM_TERMS_MAX, 1, &failure);
    assert_broken(&failure, "bounded_terms");
    check_election_deinit(&check);
}

static struct raft_message vote(uint64_t from, uint64_t to, uint64_t term, bool is_granted)
{
    return (struct raft_message){.type = RAFT_REQUEST_VOTE_RESPONSE,
                                 .from = from,
                                 .to = to,
                                 .term = term,
                                 .request_vote_response = {.is_granted = is_granted}};
}

static void a_node_votes_once_in_a_term(void **state)
{
    (void)state;
    struct check_votes check = {0};
    struct sim_failure failure = none;
    for (uint64_t term = 1; term < 1000; term++) {
        struct raft_message granted = vote(1, 2, term, true);
        struct raft_message again = vote(1, 2, term, true);
        struct raft_message refused = vote(1, 3, term, false);
        check_votes_message(&check, &granted, 1, &failure);
        check_votes_message(&check, &again, 1, &failure);
        check_votes_message(&check, &refused, 1, &failure);
    }
    assert_sound(failure);
    struct raft_message other = vote(1, 3, 500, true);
    check_votes_message(&check, &other, 1, &failure);
    assert_broken(&failure, "one_vote_a_term");
    check_votes_deinit(&check);
}

static void a_candidate_has_voted_for_itself(void **state)
{
    (void)state;
    struct check_votes check = {0};
    struct sim_failure failure = none;
    struct raft_message campaign = {.type = RAFT_REQUEST_VOTE, .from = 0, .to = 2, .term = 3};
    struct raft_message granted = vote(0, 2, 3, true);
    check_votes_message(&check, &campaign, 1, &failure);
    assert_sound(failure);
    check_votes_message(&check, &granted, 1, &failure);
    assert_broken(&failure, "one_vote_a_term");
    check_votes_deinit(&check);
}

static void a_vote_goes_to_a_log_as_good_as_ones_own(void **state)
{
    (void)state;
    static const struct {
        struct raft_position mine;
        bool is_right;
    } rows[] = {
        {{4, 9}, true},   {{4, 8}, true},  {{3, 20}, true}, {{0, 0}, true},
        {{4, 10}, false}, {{5, 1}, false}, {{6, 30}, true}, /* from the candidate, since it leads */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct check_votes check = {0};
        struct sim_failure failure = none;
        struct raft_message granted = vote(1, 2, 6, true);
        struct raft_message campaign = {.type = RAFT_REQUEST_VOTE, .from = 2, .to = 1, .term = 6};
        campaign.request_vote.last = (struct raft_position){4, 9};
        check_votes_log(&check, &granted, rows[i].mine, 1, &failure); /* nobody campaigned yet */
        check_votes_message(&check, &campaign, 1, &failure);
        check_votes_log(&check, &granted, rows[i].mine, 1, &failure);
        if (rows[i].is_right) {
            assert_sound(failure);
        } else {
            assert_broken(&failure, "vote_for_as_good_a_log");
        }
        check_votes_deinit(&check);
    }
}

static void a_pre_vote_is_granted_to_a_log_as_good_as_ones_own(void **state)
{
    (void)state;
    struct check_votes check = {0};
    struct sim_failure failure = none;
    struct raft_message question = {.type = RAFT_PRE_VOTE, .from = 2, .to = 1, .term = 5};
    question.pre_vote.next_term = 6;
    question.pre_vote.last = (struct raft_position){4, 9};
    struct raft_message answer = {.type = RAFT_PRE_VOTE_RESPONSE, .from = 1, .to = 2, .term = 5};
    answer.pre_vote_response.next_term = 6;
    answer.pre_vote_response.is_granted = true;
    check_votes_answered(&check, &answer, 1, &failure); /* nobody saw the question */
    for (uint64_t term = 1; term < 200; term++) {
        struct raft_message granted = vote(1, 2, term, true);
        check_votes_message(&check, &granted, 1, &failure);
        check_votes_asked(&check, &question, (struct raft_position){4, 9});
    }
    check_votes_asked(&check, &question, (struct raft_position){5, 1});
    check_votes_answered(&check, &answer, 1, &failure); /* to the first question, late */
    answer.pre_vote_response.next_term = 7;
    check_votes_answered(&check, &answer, 1, &failure);
    assert_sound(failure);
    question.pre_vote.next_term = 7;
    check_votes_asked(&check, &question, (struct raft_position){5, 1});
    question.pre_vote.next_term = 6;
    check_votes_asked(&check, &question, (struct raft_position){5, 1}); /* a copy that comes late */
    answer.pre_vote_response.next_term = 6;
    check_votes_answered(&check, &answer, 1, &failure);
    assert_sound(failure);
    answer.pre_vote_response.next_term = 7;
    answer.pre_vote_response.is_granted = false;
    check_votes_answered(&check, &answer, 1, &failure);
    assert_sound(failure);
    answer.pre_vote_response.is_granted = true;
    check_votes_answered(&check, &answer, 1, &failure);
    assert_broken(&failure, "vote_for_as_good_a_log");
    check_votes_deinit(&check);
}

static void who_leads_was_sent_the_votes_of_a_majority(void **state)
{
    (void)state;
    static const uint64_t voters[] = {1, 2, 3, 4, 5};
    struct check_votes check = {0};
    struct sim_failure failure = none;
    check_votes_elected(&check, 1, 3, voters, 1, 1, &failure); /* alone it asks nobody */
    assert_sound(failure);
    struct raft_message second = vote(2, 1, 3, true);
    struct raft_message third = vote(3, 1, 3, true);
    struct raft_message earlier = vote(4, 1, 2, true);
    struct raft_message other = vote(5, 4, 3, true);
    struct raft_message stranger = vote(9, 1, 3, true);
    check_votes_message(&check, &second, 1, &failure);
    check_votes_message(&check, &earlier, 1, &failure);
    check_votes_message(&check, &other, 1, &failure);
    check_votes_message(&check, &stranger, 1, &failure);
    check_votes_elected(&check, 1, 3, voters, 3, 1, &failure);
    assert_broken(&failure, "elected_by_majority"); /* sent, and not heard */
    failure = none;
    check_votes_heard(&check, &second);
    check_votes_heard(&check, &earlier);
    check_votes_heard(&check, &other);
    check_votes_heard(&check, &stranger);
    check_votes_elected(&check, 1, 3, voters, 3, 1, &failure);
    assert_sound(failure);
    check_votes_elected(&check, 1, 3, voters, 4, 1, &failure);
    assert_broken(&failure, "elected_by_majority");
    failure = none;
    check_votes_elected(&check, 1, 3, voters, 5, 1, &failure);
    assert_broken(&failure, "elected_by_majority");
    failure = none;
    check_votes_message(&check, &third, 1, &failure);
    check_votes_heard(&check, &third);
    check_votes_elected(&check, 1, 3, voters, 5, 1, &failure);
    assert_sound(failure);
    /* Who is removed does not count itself. */
    check_votes_elected(&check, 1, 3, voters + 1, 4, 1, &failure);
    assert_broken(&failure, "elected_by_majority");
    check_votes_deinit(&check);
}

/* An append_entries with one entry; `mark` makes its bytes differ. */
static void say_entry(struct check_log *check, uint64_t term, uint64_t index, uint64_t prev_term,
                      uint8_t mark, struct sim_failure *failure)
{
    uint8_t record[64] = {mark};
    struct entry entry = {.index = index, .term = term, .record = record, .record_bytes = 64};
    struct wire_message message = {
        .type = RAFT_APPEND_ENTRIES, .entries = &entry, .entry_count = 1};
    message.raft.append_entries.prev = (struct raft_position){prev_term, index - 1};
    check_log_message(check, &message, 1, failure);
}

/* Member 5 forwards operation 0 as its request 70 to the leader of this term. */
static void forward(struct check_forwards *check, uint64_t term, uint64_t applied_term,
                    struct sim_failure *failure)
{
    _Alignas(8) uint8_t record[ENTRY_HEADER_BYTES + 8] = {0};
    struct entry entry = {.record = record, .record_bytes = (uint32_t)entry_record_bytes(1, 0)};
    assert_true(entry.record_bytes <= sizeof(record));
    entry_encode(&(struct entry_fields){.id = {CHECK_PROPOSAL_ID_HIGH, 1},
                                        .type = ENTRY_NORMAL,
                                        .command_bytes = 1,
                                        .command = "x"},
                 record);
    struct wire_message message = {.type = WIRE_FORWARD,
                                   .forward = {.from = 5, .request = 70, .term = term},
                                   .entries = &entry,
                                   .entry_count = 1};
    check_forwards_sent(check, &message, applied_term, 1, failure);
}

static struct wire_forward_response answer(uint64_t from, uint64_t term, int status)
{
    return (struct wire_forward_response){
        .from = from, .request = 70, .count = 1, .status = status, .entry_term = term};
}

static void a_forward_is_sent_again_when_it_is_nowhere(void **state)
{
    (void)state;
    struct check_forwards check = {0};
    struct sim_failure failure = none;
    struct wire_forward_response refusal = answer(1, 3, QR_ERR_NOT_LEADER);
    forward(&check, 3, 2, &failure);
    check_forwards_refused(&check, 6, 0, 2, 1, &failure); /* of another member */
    assert_true(check_forwards_heard(&check, 5, &refusal));
    forward(&check, 4, 2, &failure);
    forward(&check, 6, 5, &failure); /* an entry of term 5 was applied */
    check_forwards_refused(&check, 5, 0, 7, 1, &failure);
    assert_sound(failure);
    assert_false(check_forwards_heard(&check, 5, &refusal)); /* of an earlier sending */
    refusal.status = 0;
    assert_true(check_forwards_heard(&check, 5, &refusal));
    check_forwards_refused(&check, 5, 0, 6, 1, &failure);
    assert_broken(&failure, "refused_when_nowhere");
    failure = none;
    forward(&check, 7, 6, &failure);
    assert_broken(&failure, "forwarded_when_nowhere");
    check_forwards_deinit(&check);
}

static void what_was_appended_is_not_refused(void **state)
{
    (void)state;
    struct check_forwards check = {0};
    struct sim_failure failure = none;
    struct wire_forward_response taken = answer(1, 3, 0);
    struct wire_forward_response by_another = answer(2, 3, QR_ERR_NOT_LEADER);
    struct wire_forward_response of_another = answer(1, 4, QR_ERR_NOT_LEADER);
    struct wire_forward_response refused = answer(1, 3, QR_ERR_NOT_LEADER);
    forward(&check, 3, 2, &failure);
    check_forwards_answered(&check, 5, &taken, 1, &failure);
    check_forwards_answered(&check, 5, &by_another, 1, &failure);
    check_forwards_answered(&check, 5, &of_another, 1, &failure);
    check_forwards_answered(&check, 6, &refused, 1, &failure); /* to another member */
    assert_sound(failure);
    check_forwards_answered(&check, 5, &refused, 1, &failure);
    assert_broken(&failure, "refused_when_nowhere");
    check_forwards_deinit(&check);
}

static void entries_of_one_index_and_term_are_the_same(void **state)
{
    (void)state;
    struct check_log check = {0};
    struct sim_failure failure = none;
    for (uint64_t index = 1; index < 5000; index++) {
        say_entry(&check, 2, index, index == 1 ? 0 : 2, 1, &failure);
    }
    say_entry(&check, 2, 77, 2, 1, &failure);
    say_entry(&check, 3, 77, 2, 9, &failure); /* another term: another entry */
    assert_sound(failure);
    say_entry(&check, 2, 78, 2, 9, &failure);
    assert_broken(&failure, "log_matching");
    failure = none;
    say_entry(&check, 2, 79, 1, 1, &failure); /* the same, behind another term */
    assert_broken(&failure, "log_matching");
    check_log_deinit(&check);
}

static struct qr_entry entry_of(uint64_t index, uint64_t term, uint64_t number)
{
    return (struct qr_entry){.index = index,
                             .term = term,
                             .timestamp_ns = index,
                             .id = {CHECK_PROPOSAL_ID_HIGH, number + 1},
                             .payload = "x",
                             .payload_bytes = 1};
}

static void what_is_no_configuration_is_known(void **state)
{
    (void)state;
    struct check_log check = {0};
    struct sim_failure failure = none;
    uint8_t record[64] = {0};
    struct entry entry = {.index = 8,
                          .term = 2,
                          .type = ENTRY_CONFIGURATION,
                          .record = record,
                          .record_bytes = sizeof(record)};
    struct wire_message message = {
        .type = RAFT_APPEND_ENTRIES, .entries = &entry, .entry_count = 1};
    assert_false(check_log_is_other(&check, 7, 2)); /* nobody sent anything */
    message.raft.append_entries.prev = (struct raft_position){2, 7};
    check_log_message(&check, &message, 1, &failure);
    say_entry(&check, 3, 8, 2, 7, &failure);
    assert_false(check_log_is_other(&check, 8, 2));
    assert_false(check_log_is_other(&check, 8, 4));
    assert_true(check_log_is_other(&check, 8, 3));
    assert_sound(failure);
    check_log_deinit(&check);
}

static void replicas_apply_the_same_entries(void **state)
{
    (void)state;
    struct check_apply check = {0};
    struct sim_failure failure = none;
    struct qr_entry two = entry_of(2, 1, 0);
    struct qr_entry four = entry_of(4, 1, 1);
    for (uint32_t host = 0; host < 3; host++) {
        check_apply_entry(&check, host, 0, &two, 1, &failure);
        check_apply_entry(&check, host, 2, &four, 1, &failure);
    }
    assert_sound(failure);
    assert_int_equal(check.commit_count, 4);
    assert_int_equal(check_apply_index_of(&check, 1), 4);
    assert_int_equal(check_apply_index_of(&check, 2), 0);
    struct qr_entry other = entry_of(4, 1, 1);
    other.payload = "y";
    check_apply_entry(&check, 3, 2, &other, 1, &failure);
    assert_broken(&failure, "state_machine_safety");
    failure = none;
    struct qr_entry three = entry_of(3, 1, 2); /* where others skipped an entry */
    check_apply_entry(&check, 3, 2, &three, 1, &failure);
    assert_broken(&failure, "state_machine_safety");
    failure = none;
    check_apply_entry(&check, 4, 0, &four, 1, &failure); /* without the one before */
    assert_broken(&failure, "state_machine_safety");
    failure = none;
    check_apply_entry(&check, 0, 4, &two, 1, &failure);
    assert_broken(&failure, "applied_in_order");
    check_apply_deinit(&check);
}

static void a_proposal_is_applied_once(void **state)
{
    (void)state;
    struct check_apply check = {0};
    struct sim_failure failure = none;
    struct qr_entry first = entry_of(1, 1, 7);
    struct qr_entry again = entry_of(2, 1, 7);
    check_apply_entry(&check, 0, 0, &first, 1, &failure);
    assert_sound(failure);
    check_apply_entry(&check, 0, 1, &again, 1, &failure);
    assert_broken(&failure, "applied_once");
    check_apply_deinit(&check);
}

static void terms_and_log_time_do_not_go_back_in_the_log(void **state)
{
    (void)state;
    struct check_apply check = {0};
    struct sim_failure failure = none;
    struct qr_entry first = entry_of(1, 5, 0);
    struct qr_entry older = entry_of(2, 4, 1);
    check_apply_entry(&check, 0, 0, &first, 1, &failure);
    check_apply_entry(&check, 0, 1, &older, 1, &failure);
    assert_broken(&failure, "terms_in_order");
    failure = none;
    struct qr_entry earlier = entry_of(3, 5, 2);
    earlier.timestamp_ns = 0;
    check_apply_entry(&check, 0, 2, &earlier, 1, &failure);
    assert_broken(&failure, "log_time_in_order");
    check_apply_deinit(&check);
}

static void equal_entries_give_equal_results_and_digests(void **state)
{
    (void)state;
    struct check_apply check = {0};
    struct sim_failure failure = none;
    struct qr_result yes = {.data = "yes", .size_bytes = 3};
    struct qr_result no = {.data = "no", .size_bytes = 2};
    check_apply_result(&check, 0, 8, &yes, 1, &failure);
    check_apply_result(&check, 1, 8, &yes, 1, &failure);
    check_apply_digest(&check, 0, 8, 5, 1, &failure);
    check_apply_digest(&check, 1, 8, 5, 1, &failure);
    assert_sound(failure);
    check_apply_result(&check, 2, 8, &no, 1, &failure);
    assert_broken(&failure, "deterministic");
    failure = none;
    struct qr_result rejected = {.data = "yes", .size_bytes = 3, .status = QR_ERR_REJECTED};
    check_apply_result(&check, 2, 8, &rejected, 1, &failure);
    assert_broken(&failure, "deterministic");
    failure = none;
    check_apply_digest(&check, 2, 8, 6, 1, &failure);
    assert_broken(&failure, "equal_digests");
    assert_non_null(strstr(failure.text, "not deterministic"));
    check_apply_deinit(&check);
}

static void indexes_and_terms_of_a_node_never_go_back(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct build_status now;
        const char *checker;
    } rows[] = {
        {"all on",
         {.term = 6, .last_index = 9, .commit_index = 8, .applied_index = 8, .durable_index = 8},
         NULL},
        {"term", {.term = 4, .last_index = 9, .commit_index = 8, .applied_index = 7}, "never_back"},
        {"commit",
         {.term = 5, .last_index = 9, .commit_index = 6, .applied_index = 6, .durable_index = 9},
         "never_back"},
        {"applied",
         {.term = 5, .last_index = 9, .commit_index = 7, .applied_index = 5},
         "never_back"},
        {"commit before last",
         {.term = 6, .last_index = 9, .commit_index = 10, .applied_index = 6},
         "indexes_in_order"},
        {"applied before commit",
         {.term = 6, .last_index = 9, .commit_index = 7, .applied_index = 8, .durable_index = 9},
         "indexes_in_order"},
        {"applied before durable",
         {.term = 6, .last_index = 9, .commit_index = 9, .applied_index = 8, .durable_index = 7},
         "durable_before_applied"},
    };
    const struct build_status before = {
        .term = 5, .last_index = 9, .commit_index = 7, .applied_index = 6, .durable_index = 6};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct check_progress check = {0};
        struct sim_failure failure = none;
        check_progress_status(&check, &before, 1, &failure);
        assert_sound(failure);
        check_progress_status(&check, &rows[i].now, 1, &failure);
        if (rows[i].checker == NULL) {
            assert_sound(failure);
        } else {
            assert_broken(&failure, rows[i].checker);
        }
    }
}

static void a_leader_follows_nobody_in_its_own_term(void **state)
{
    (void)state;
    struct check_progress check = {0};
    struct sim_failure failure = none;
    struct build_status leads = {.term = 5, .role = BUILD_LEADER};
    struct build_status alone = {.term = 5, .role = BUILD_FOLLOWER};
    struct build_status follows = {.term = 5, .role = BUILD_FOLLOWER, .has_leader = true};
    check_progress_status(&check, &leads, 1, &failure);
    check_progress_status(&check, &alone, 1, &failure); /* it heard no quorum */
    assert_sound(failure);
    check_progress_status(&check, &leads, 1, &failure);
    check_progress_status(&check, &follows, 1, &failure);
    assert_broken(&failure, "election_safety");
}

static bool term_of(const struct build_node *node, uint64_t index, uint64_t *term)
{
    const uint64_t *held = (const uint64_t *)(const void *)node;
    *term = *held;
    return index == 10 && *held != 0;
}

static void a_leader_has_what_is_committed(void **state)
{
    (void)state;
    static const struct build build = {.term_at = term_of};
    static const struct {
        uint64_t held_term; /* at index 10; 0: it ends before */
        uint64_t leads_term;
        bool is_broken;
    } rows[] = {{3, 4, false}, {2, 4, true}, {0, 4, true}, {0, 3, false}, {2, 2, false}};
    struct check_apply applied = {.last_index = 10, .last_term = 3};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sim_failure failure = none;
        struct build_status status = {.term = rows[i].leads_term, .role = BUILD_LEADER};
        const struct build_node *node = (const void *)&rows[i].held_term;
        check_leader_has(&applied, &build, node, &status, 1, &failure);
        assert_int_equal(failure.is_set, rows[i].is_broken);
    }
}

static void answers_are_in_an_order_that_time_allows(void **state)
{
    (void)state;
    struct check_acked check = {0};
    struct sim_failure failure = none;
    struct qr_sim_operation write = {.number = 1};
    struct qr_sim_operation read = {.number = 2, .is_read = true};
    check_acked_done(&check, &write, 10, 9, 1, &failure);
    check_acked_done(&check, &read, 10, 10, 1, &failure);
    check_acked_done(&check, &read, 8, 7, 1, &failure); /* it began before */
    assert_int_equal(check.floor_index, 10);
    assert_sound(failure);
    check_acked_done(&check, &read, 9, 10, 1, &failure);
    assert_broken(&failure, "stale_read");
    failure = none;
    check_acked_done(&check, &write, 10, 10, 1, &failure);
    assert_broken(&failure, "write_in_order");
    check_acked_deinit(&check);
}

static void at_the_end_answers_are_held_against_what_was_applied(void **state)
{
    (void)state;
    struct check_acked check = {0};
    struct check_apply applied = {0};
    struct sim_failure failure = none;
    struct qr_entry entry = entry_of(1, 1, 4);
    struct qr_sim_operation written = {.number = 4};
    check_apply_entry(&applied, 0, 0, &entry, 1, &failure);
    check_acked_done(&check, &written, 1, 0, 1, &failure);
    check_acked_refused(&check, 5);
    check_acked_finish(&check, &applied, 1, &failure);
    assert_sound(failure);
    struct qr_sim_operation lost = {.number = 6};
    check_acked_done(&check, &lost, 2, 1, 1, &failure);
    check_acked_finish(&check, &applied, 1, &failure);
    assert_broken(&failure, "no_acknowledged_write_lost");
    check_acked_deinit(&check);
    check = (struct check_acked){0};
    failure = none;
    check_acked_refused(&check, 4);
    check_acked_finish(&check, &applied, 1, &failure);
    assert_broken(&failure, "no_refused_write_happens");
    check_acked_deinit(&check);
    check_apply_deinit(&applied);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_violation_is_kept),
        cmocka_unit_test(a_term_has_one_leader),
        cmocka_unit_test(terms_do_not_run_away),
        cmocka_unit_test(a_node_votes_once_in_a_term),
        cmocka_unit_test(a_candidate_has_voted_for_itself),
        cmocka_unit_test(what_is_no_configuration_is_known),
        cmocka_unit_test(a_vote_goes_to_a_log_as_good_as_ones_own),
        cmocka_unit_test(a_pre_vote_is_granted_to_a_log_as_good_as_ones_own),
        cmocka_unit_test(who_leads_was_sent_the_votes_of_a_majority),
        cmocka_unit_test(a_forward_is_sent_again_when_it_is_nowhere),
        cmocka_unit_test(what_was_appended_is_not_refused),
        cmocka_unit_test(entries_of_one_index_and_term_are_the_same),
        cmocka_unit_test(replicas_apply_the_same_entries),
        cmocka_unit_test(a_proposal_is_applied_once),
        cmocka_unit_test(terms_and_log_time_do_not_go_back_in_the_log),
        cmocka_unit_test(equal_entries_give_equal_results_and_digests),
        cmocka_unit_test(indexes_and_terms_of_a_node_never_go_back),
        cmocka_unit_test(a_leader_follows_nobody_in_its_own_term),
        cmocka_unit_test(a_leader_has_what_is_committed),
        cmocka_unit_test(answers_are_in_an_order_that_time_allows),
        cmocka_unit_test(at_the_end_answers_are_held_against_what_was_applied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
