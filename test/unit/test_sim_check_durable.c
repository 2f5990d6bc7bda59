/* test_sim_check_durable.c: broken promises are noticed and named, kept ones are not. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <stdlib.h>
#include <string.h>

#include "quorate/error.h"
#include "sim/check_durable.h"
#include "support/sim_log.h"

#define SELF SIM_LOG_NODE
#define PEER UINT64_C(0xbeef)

struct fixture {
    struct sim_log log; /* of node 0 */
    struct check_durable check;
    char text[CHECK_DURABLE_TEXT_BYTES];
};

static int set_up(void **state)
{
    struct fixture *fixture = malloc(sizeof(*fixture));
    assert_non_null(fixture);
    sim_log_init(&fixture->log, 1);
    check_durable_init(&fixture->check);
    bool is_kept = false;
    assert_int_equal(sim_log_open(&fixture->log, &is_kept), 0);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    check_durable_deinit(&fixture->check);
    sim_log_deinit(&fixture->log);
    free(fixture);
    return 0;
}

static void send(struct fixture *fixture, uint32_t node, struct raft_message message)
{
    struct wire_message wire = {.type = (uint8_t)message.type, .raft = message};
    wire.raft.from = node == 0 ? SELF : PEER;
    wire.raft.to = node == 0 ? PEER : SELF;
    wire.entries = message.entries;
    wire.entry_count = message.entry_count;
    check_durable_said(&fixture->check, node, &wire);
}

static void send_match(struct fixture *fixture, raft_term term, raft_index match)
{
    send(fixture, 0,
         (struct raft_message){.type = RAFT_APPEND_ENTRIES_RESPONSE,
                               .term = term,
                               .append_entries_response = {.match = match}});
}

/* The leader of `term`, node 1, shows its entries first..last, all of one term. */
static void show(struct fixture *fixture, raft_term term, struct raft_position prev,
                 raft_term entry_term, size_t count)
{
    struct entry entries[16];
    assert_in_range(count, 0, COUNT_OF(entries));
    for (size_t i = 0; i < count; i++) {
        entries[i] = (struct entry){.index = prev.index + 1 + i, .term = entry_term};
    }
    send(fixture, 1,
         (struct raft_message){.type = RAFT_APPEND_ENTRIES,
                               .term = term,
                               .append_entries = {.prev = prev},
                               .entries = entries,
                               .entry_count = count});
}

static void assert_kept(struct fixture *fixture)
{
    int status = check_durable_audit(&fixture->check, 0, &fixture->log.disk, fixture->text);
    assert_string_equal(status == 0 ? "" : fixture->text, "");
    assert_int_equal(status, 0);
}

static void assert_broken(struct fixture *fixture, const char *text)
{
    assert_int_equal(check_durable_audit(&fixture->check, 0, &fixture->log.disk, fixture->text),
                     QR_ERR_CORRUPT);
    assert_string_equal(fixture->text, text);
}

/* Durable entries first..first+count-1 of a term, with a hard state of that term. */
static void hold(struct fixture *fixture, raft_term term, raft_index first, size_t count)
{
    fixture->log.term = term;
    sim_log_append_now(&fixture->log, first, count, 20);
}

static void who_sent_nothing_has_promised_nothing(void **state)
{
    struct fixture *fixture = *state;
    assert_kept(fixture);
    show(fixture, 3, (struct raft_position){2, 7}, 3, 2);
    assert_kept(fixture);
}

static void every_message_of_raft_promises_its_term(void **state)
{
    struct fixture *fixture = *state;
    hold(fixture, 4, 1, 1);
    send(fixture, 0, (struct raft_message){.type = RAFT_PRE_VOTE, .term = 4});
    assert_kept(fixture);
    send(fixture, 0, (struct raft_message){.type = RAFT_PRE_VOTE_RESPONSE, .term = 5});
    send(fixture, 0, (struct raft_message){.type = RAFT_PRE_VOTE_RESPONSE, .term = 3});
    assert_broken(fixture, "n1 sent a message of term 5, but its disk holds term 4");
    assert_int_equal(sim_log_append(&fixture->log, 2, 0, 0), 0); /* on its way */
    fixture->log.term = 5;
    assert_int_equal(sim_log_append(&fixture->log, 2, 0, 0), 0);
    assert_broken(fixture, "n1 sent a message of term 5, but its disk holds term 4");
    sim_log_run(&fixture->log);
    assert_kept(fixture);
}

static void a_vote_is_promised_by_asking_for_it_and_by_granting_it(void **state)
{
    struct fixture *fixture = *state;
    send(fixture, 1, (struct raft_message){.type = RAFT_PRE_VOTE, .term = 1});
    fixture->log.vote = (struct hard_state){2, PEER, true};
    hold(fixture, 2, 1, 1);
    send(fixture, 0, (struct raft_message){.type = RAFT_REQUEST_VOTE_RESPONSE, .term = 2});
    assert_kept(fixture); /* refused */
    send(fixture, 0,
         (struct raft_message){.type = RAFT_REQUEST_VOTE_RESPONSE,
                               .term = 2,
                               .request_vote_response = {.is_granted = true}});
    assert_kept(fixture);
    fixture->log.vote = (struct hard_state){3, SELF, false};
    hold(fixture, 3, 2, 1);
    assert_kept(fixture); /* a later term has outlived it */
    send(fixture, 0, (struct raft_message){.type = RAFT_REQUEST_VOTE, .term = 3});
    assert_broken(fixture, "n1 voted for n1 in term 3, but its disk holds no vote");
    fixture->log.vote = (struct hard_state){3, PEER, true};
    hold(fixture, 3, 3, 1);
    assert_broken(fixture, "n1 voted for n1 in term 3, but its disk holds a vote for n2");
    fixture->log.vote = (struct hard_state){3, SELF, true};
    hold(fixture, 3, 4, 1);
    assert_kept(fixture);
    send(fixture, 0, (struct raft_message){.type = RAFT_REQUEST_VOTE_RESPONSE, .term = 3});
    assert_kept(fixture); /* refused to the other */
}

static void a_vote_given_twice_is_broken_whatever_the_disk_holds(void **state)
{
    struct fixture *fixture = *state;
    fixture->log.vote = (struct hard_state){3, PEER, true};
    hold(fixture, 3, 1, 1);
    struct raft_message grant = {.type = RAFT_REQUEST_VOTE_RESPONSE,
                                 .term = 3,
                                 .request_vote_response = {.is_granted = true}};
    send(fixture, 0, grant);
    send(fixture, 0, grant); /* the same once more */
    assert_kept(fixture);
    send(fixture, 0, (struct raft_message){.type = RAFT_REQUEST_VOTE, .term = 3});
    assert_broken(fixture, "n1 voted for 000000000000beef in term 3, and for n1");
}

static void a_match_promises_the_entry_that_the_leader_has_there(void **state)
{
    struct fixture *fixture = *state;
    hold(fixture, 2, 1, 3);
    hold(fixture, 4, 4, 2);
    show(fixture, 4, (struct raft_position){2, 1}, 2, 2);
    show(fixture, 4, (struct raft_position){2, 3}, 4, 2);
    send_match(fixture, 4, 3);
    assert_kept(fixture);
    send_match(fixture, 4, 5);
    assert_kept(fixture);
    show(fixture, 4, (struct raft_position){4, 5}, 4, 3);
    send_match(fixture, 4, 8);
    assert_broken(fixture, "n1 told the leader of term 4 that it holds entry 8 of term 4, but "
                           "its disk holds entries up to 5 only");
    hold(fixture, 4, 6, 3);
    assert_kept(fixture);
}

static void a_match_of_an_entry_of_another_term_is_broken(void **state)
{
    struct fixture *fixture = *state;
    hold(fixture, 2, 1, 3);
    fixture->log.term = 4;
    sim_log_append_now(&fixture->log, 4, 0, 0);
    show(fixture, 4, (struct raft_position){1, 1}, 3, 2);
    send_match(fixture, 4, 1);
    assert_broken(fixture, "n1 told the leader of term 4 that it holds entry 1 of term 1, but "
                           "its disk holds another one there");
    check_durable_forget(&fixture->check, 0);
    send_match(fixture, 4, 2);
    assert_broken(fixture, "n1 told the leader of term 4 that it holds entry 2 of term 3, but "
                           "its disk holds another one there");
}

static void a_match_where_nobody_saw_the_leaders_log_promises_its_length(void **state)
{
    struct fixture *fixture = *state;
    hold(fixture, 2, 1, 3);
    send_match(fixture, 2, 3);
    assert_kept(fixture);
    send_match(fixture, 2, 4);
    assert_broken(fixture, "n1 told the leader of term 2 that it holds entry 4, but its disk "
                           "holds entries up to 3 only");
}

static void a_shorter_match_in_the_same_term_takes_nothing_back(void **state)
{
    struct fixture *fixture = *state;
    hold(fixture, 2, 1, 3);
    send_match(fixture, 2, 4);
    for (size_t i = 0; i < 2 * CHECK_DURABLE_PROMISES_MAX; i++) {
        send_match(fixture, 2, 1);
    }
    assert_broken(fixture, "n1 told the leader of term 2 that it holds entry 4, but its disk "
                           "holds entries up to 3 only");
}

static void a_leaders_log_is_learnt_from_frames_in_any_order(void **state)
{
    struct fixture *fixture = *state;
    hold(fixture, 1, 1, 4);
    hold(fixture, 5, 5, 8);
    show(fixture, 5, (struct raft_position){5, 10}, 5, 2);
    show(fixture, 5, (struct raft_position){3, 5}, 3, 1);
    send_match(fixture, 5, 6);
    assert_broken(fixture, "n1 told the leader of term 5 that it holds entry 6 of term 3, but its "
                           "disk holds another one there");
    check_durable_forget(&fixture->check, 0);
    send_match(fixture, 5, 7); /* not shown, so any */
    assert_kept(fixture);
    hold(fixture, 4, 8, 5); /* not of 5 any more */
    fixture->log.term = 5;
    sim_log_append_now(&fixture->log, 13, 0, 0);
    assert_kept(fixture);
    send_match(fixture, 5, 11);
    assert_broken(fixture, "n1 told the leader of term 5 that it holds entry 11 of term 5, but its "
                           "disk holds another one there");
    check_durable_forget(&fixture->check, 0);
    show(fixture, 5, (struct raft_position){5, 8}, 5, 1);
    send_match(fixture, 5, 9);
    assert_broken(fixture, "n1 told the leader of term 5 that it holds entry 9 of term 5, but its "
                           "disk holds another one there");
}

static void a_frame_may_show_entries_of_several_terms(void **state)
{
    struct fixture *fixture = *state;
    struct entry entries[4] = {{.index = 1, .term = 1},
                               {.index = 2, .term = 1},
                               {.index = 3, .term = 3},
                               {.index = 4, .term = 3}};
    hold(fixture, 1, 1, 2);
    hold(fixture, 3, 3, 2);
    send(fixture, 1,
         (struct raft_message){
             .type = RAFT_APPEND_ENTRIES, .term = 3, .entries = entries, .entry_count = 4});
    send_match(fixture, 3, 2);
    assert_kept(fixture);
    send_match(fixture, 3, 4);
    assert_kept(fixture);
    check_durable_forget(&fixture->check, 0);
    send_match(fixture, 3, 2);
    hold(fixture, 3, 2, 3);
    assert_broken(fixture, "n1 told the leader of term 3 that it holds entry 2 of term 1, but its "
                           "disk holds another one there");
}

static void the_logs_of_the_latest_leaders_are_remembered(void **state)
{
    struct fixture *fixture = *state;
    raft_term last = 2 * CHECK_DURABLE_LEADERS_MAX;
    hold(fixture, last, 1, 5);
    show(fixture, 1, (struct raft_position){0, 0}, 1, 5);
    for (raft_term term = 2; term <= last; term++) {
        show(fixture, term, (struct raft_position){term, 50}, term, 1);
    }
    send_match(fixture, last + 1 - CHECK_DURABLE_LEADERS_MAX, 3); /* shown by the first only */
    assert_kept(fixture);
    send_match(fixture, last - 1, 50);
    assert_broken(fixture, "n1 told the leader of term 15 that it holds entry 50 of term 15, but "
                           "its disk holds entries up to 5 only");
}

static void entries_are_found_behind_what_was_replaced(void **state)
{
    struct fixture *fixture = *state;
    hold(fixture, 1, 1, 2);
    hold(fixture, 2, 3, 2);
    hold(fixture, 2, 2, 1);
    show(fixture, 2, (struct raft_position){2, 2}, 2, 0);
    send_match(fixture, 2, 2);
    assert_kept(fixture);
}

static void a_rejection_promises_its_match_too(void **state)
{
    struct fixture *fixture = *state;
    hold(fixture, 2, 1, 3);
    send(fixture, 0,
         (struct raft_message){
             .type = RAFT_APPEND_ENTRIES_RESPONSE,
             .term = 2,
             .append_entries_response = {.is_rejected = true, .rejected = 9, .match = 4}});
    assert_broken(fixture, "n1 told the leader of term 2 that it holds entry 4, but its disk "
                           "holds entries up to 3 only");
}

static void what_was_promised_may_be_replaced_in_a_later_term(void **state)
{
    struct fixture *fixture = *state;
    hold(fixture, 2, 1, 5);
    show(fixture, 2, (struct raft_position){0, 0}, 2, 5);
    send_match(fixture, 2, 5);
    assert_kept(fixture);
    hold(fixture, 3, 4, 1); /* entry 5 is gone, and rightly so */
    assert_kept(fixture);
    show(fixture, 3, (struct raft_position){2, 3}, 3, 1);
    send_match(fixture, 3, 4);
    assert_kept(fixture);
    sim_log_power_loss(&fixture->log);
    assert_kept(fixture);
}

static void what_was_promised_may_not_be_replaced_in_its_own_term(void **state)
{
    struct fixture *fixture = *state;
    hold(fixture, 1, 1, 1);
    hold(fixture, 3, 2, 4);
    show(fixture, 3, (struct raft_position){1, 1}, 3, 4);
    send_match(fixture, 3, 5);
    assert_kept(fixture);
    hold(fixture, 3, 4, 1);
    assert_broken(fixture, "n1 told the leader of term 3 that it holds entry 5 of term 3, but "
                           "its disk holds entries up to 4 only");
}

static void what_a_base_covers_is_held(void **state)
{
    struct fixture *fixture = *state;
    hold(fixture, 2, 1, 5);
    show(fixture, 2, (struct raft_position){0, 0}, 2, 8);
    send_match(fixture, 2, 4);
    wal_truncate_prefix(fixture->log.wal, &(struct wal_base){2, 5});
    sim_log_run(&fixture->log);
    assert_kept(fixture);
    send_match(fixture, 2, 5);
    assert_kept(fixture);
    send_match(fixture, 2, 6);
    assert_broken(fixture, "n1 told the leader of term 2 that it holds entry 6 of term 2, but "
                           "its disk holds entries up to 5 only");
}

/* Empty the log for a snapshot that the leader of a term has. */
static void empty(struct fixture *fixture, raft_term term, struct wal_base base)
{
    struct wal_batch batch = {
        .hard_state = {.term = term},
        .commit_index = base.index,
        .ticket = 1000 + term,
        .reset = &base,
    };
    assert_int_equal(wal_append(fixture->log.wal, &batch), 0);
    sim_log_run(&fixture->log);
}

static void what_a_later_leaders_snapshot_voids_is_no_promise_any_more(void **state)
{
    struct fixture *fixture = *state;
    hold(fixture, 2, 1, 5);
    show(fixture, 2, (struct raft_position){0, 0}, 2, 5);
    send_match(fixture, 2, 5);
    empty(fixture, 3, (struct wal_base){3, 4});
    assert_kept(fixture);
    send_match(fixture, 3, 4);
    assert_kept(fixture);
}

static void a_leaders_own_snapshot_voids_no_promise_to_it(void **state)
{
    struct fixture *fixture = *state;
    hold(fixture, 3, 1, 5);
    show(fixture, 3, (struct raft_position){0, 0}, 3, 5);
    send_match(fixture, 3, 5);
    empty(fixture, 3, (struct wal_base){3, 4});
    assert_broken(fixture, "n1 told the leader of term 3 that it holds entry 5 of term 3, but "
                           "its disk holds entries up to 4 only");
}

static void what_is_replaced_behind_a_promise_does_not_void_it(void **state)
{
    struct fixture *fixture = *state;
    hold(fixture, 1, 1, 2);
    hold(fixture, 2, 3, 1);
    show(fixture, 2, (struct raft_position){1, 2}, 2, 0);
    send_match(fixture, 2, 2);
    hold(fixture, 3, 3, 1);
    assert_kept(fixture);
    hold(fixture, 2, 2, 1);
    assert_broken(fixture, "n1 told the leader of term 2 that it holds entry 2 of term 1, but its "
                           "disk holds another one there");
}

static void what_was_never_there_is_no_better_for_being_replaced(void **state)
{
    struct fixture *fixture = *state;
    hold(fixture, 2, 1, 4);
    show(fixture, 2, (struct raft_position){0, 0}, 2, 6);
    send_match(fixture, 2, 6);
    hold(fixture, 3, 3, 1);
    assert_broken(fixture, "n1 told the leader of term 2 that it holds entry 6 of term 2, but "
                           "its disk holds entries up to 3 only");
}

static void a_promise_to_a_later_leader_takes_the_place_of_shorter_ones(void **state)
{
    struct fixture *fixture = *state;
    hold(fixture, 60, 1, 4);
    for (raft_term term = 2; term < 60; term++) {
        send_match(fixture, term, 1000 - 10 * term); /* longer than ever was */
    }
    assert_broken(fixture, "n1 told the leader of term 44 that it holds entry 560, but its disk "
                           "holds entries up to 4 only"); /* the latest 16 are kept */
    hold(fixture, 60, 5, 1);
    send_match(fixture, 60, 5);
    assert_int_equal(check_durable_audit(&fixture->check, 0, &fixture->log.disk, fixture->text),
                     QR_ERR_CORRUPT);
    send_match(fixture, 61, 2000);
    hold(fixture, 61, 6, 0);
    assert_broken(fixture, "n1 told the leader of term 61 that it holds entry 2000, but its "
                           "disk holds entries up to 5 only");
    check_durable_forget(&fixture->check, 0);
    assert_kept(fixture);
}

static void a_log_that_cannot_be_read_is_said_to_be_so(void **state)
{
    struct fixture *fixture = *state;
    hold(fixture, 2, 1, 4);
    hold(fixture, 2, 5, 4);
    send_match(fixture, 2, 8);
    assert_true(sim_disk_damage(&fixture->log.disk, SIM_DISK_SECTOR_ZEROED, fixture->text));
    assert_int_equal(check_durable_audit(&fixture->check, 0, &fixture->log.disk, fixture->text),
                     QR_ERR_CORRUPT);
    static const char beginning[] = "n1: what a power loss would leave of its log cannot be "
                                    "read: log-0000000000000001, offset ";
    assert_memory_equal(fixture->text, beginning, strlen(beginning));
}

static void what_was_acknowledged_is_durable_on_a_majority(void **state)
{
    struct fixture *fixture = *state;
    struct sim_log *others = malloc(2 * sizeof(*others));
    assert_non_null(others);
    struct check_durable_copy copies[3] = {{SELF, &fixture->log.disk}};
    hold(fixture, 2, 1, 4);
    for (size_t i = 0; i < 2; i++) {
        bool is_kept = false;
        sim_log_init(&others[i], i);
        assert_int_equal(sim_log_open(&others[i], &is_kept), 0);
        others[i].term = 2;
        sim_log_append_now(&others[i], 1, 3 - i, 20);
        copies[i + 1] = (struct check_durable_copy){SELF, &others[i].disk};
    }
    struct check_durable *check = &fixture->check;
    char *text = fixture->text;
    assert_int_equal(check_durable_majority(check, copies, 3, (struct raft_position){2, 3}, text),
                     0);
    assert_string_equal(text, "");
    assert_int_equal(check_durable_majority(check, copies, 3, (struct raft_position){2, 4}, text),
                     QR_ERR_CORRUPT);
    assert_string_equal(text, "entry 4 of term 2 was acknowledged, but is not durable on "
                              "000000000000d15c, 000000000000d15c");
    assert_int_equal(check_durable_majority(check, copies, 3, (struct raft_position){3, 2}, text),
                     QR_ERR_CORRUPT);
    assert_int_equal(check_durable_majority(check, copies, 2, (struct raft_position){2, 4}, text),
                     QR_ERR_CORRUPT);
    assert_int_equal(check_durable_majority(check, copies, 1, (struct raft_position){2, 4}, text),
                     0);
    for (size_t i = 0; i < 2; i++) {
        sim_log_deinit(&others[i]);
    }
    free(others);
}

static void a_damaged_disk_holds_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct check_durable_copy copy = {SELF, &fixture->log.disk};
    char *text = fixture->text;
    for (raft_index i = 1; i <= 13; i++) {
        hold(fixture, 2, i, 1);
    }
    struct raft_position first = {2, 1};
    assert_int_equal(check_durable_majority(&fixture->check, &copy, 1, first, text), 0);
    assert_true(sim_disk_damage(&fixture->log.disk, SIM_DISK_BIT_FLIP, text));
    assert_string_equal(text, "a bit flipped in log-0000000000000001, offset 4608");
    assert_int_equal(check_durable_majority(&fixture->check, &copy, 1, first, text),
                     QR_ERR_CORRUPT);
}

/* A follower that tells its leader how far its log goes: what is durable, or all it took. */
static bool live(uint64_t seed, bool is_honest)
{
    void *state = NULL;
    (void)set_up(&state);
    struct fixture *fixture = state;
    struct sim_log *log = &fixture->log;
    struct prng prng = prng_of(seed);
    bool is_kept = true;
    for (size_t i = 0; i < 120 && is_kept; i++) {
        sim_log_act(log, &prng);
        if (prng_between(&prng, 0, 15) == 0) {
            sim_log_power_loss(log);
            bool is_right = false;
            assert_int_equal(sim_log_open(log, &is_right), 0);
            assert_true(is_right);
        }
        size_t told = is_honest ? log->acknowledged : log->append_count;
        if (told > 0 && log->appends[told - 1].count > 0) {
            const struct sim_log_append *append = &log->appends[told - 1];
            raft_term term = append->hard_state.term;
            raft_index last = append->first + append->count - 1;
            show(fixture, term, (struct raft_position){term, last}, term, 0);
            send_match(fixture, term, last);
        }
        is_kept = check_durable_audit(&fixture->check, 0, &fixture->log.disk, fixture->text) == 0;
    }
    (void)tear_down(&state);
    return is_kept;
}

static void who_acknowledges_what_is_synced_keeps_its_word_and_others_do_not(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 100; seed++) {
        assert_true(live(seed, true));
        assert_false(live(seed, false));
    }
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(who_sent_nothing_has_promised_nothing),
        CASE(every_message_of_raft_promises_its_term),
        CASE(a_vote_is_promised_by_asking_for_it_and_by_granting_it),
        CASE(a_vote_given_twice_is_broken_whatever_the_disk_holds),
        CASE(a_match_promises_the_entry_that_the_leader_has_there),
        CASE(a_match_of_an_entry_of_another_term_is_broken),
        CASE(a_match_where_nobody_saw_the_leaders_log_promises_its_length),
        CASE(a_shorter_match_in_the_same_term_takes_nothing_back),
        CASE(a_leaders_log_is_learnt_from_frames_in_any_order),
        CASE(a_frame_may_show_entries_of_several_terms),
        CASE(the_logs_of_the_latest_leaders_are_remembered),
        CASE(entries_are_found_behind_what_was_replaced),
        CASE(a_rejection_promises_its_match_too),
        CASE(what_was_promised_may_be_replaced_in_a_later_term),
        CASE(what_was_promised_may_not_be_replaced_in_its_own_term),
        CASE(what_a_base_covers_is_held),
        CASE(what_a_later_leaders_snapshot_voids_is_no_promise_any_more),
        CASE(a_leaders_own_snapshot_voids_no_promise_to_it),
        CASE(what_is_replaced_behind_a_promise_does_not_void_it),
        CASE(what_was_never_there_is_no_better_for_being_replaced),
        CASE(a_promise_to_a_later_leader_takes_the_place_of_shorter_ones),
        CASE(a_log_that_cannot_be_read_is_said_to_be_so),
        CASE(what_was_acknowledged_is_durable_on_a_majority),
        CASE(a_damaged_disk_holds_nothing),
        cmocka_unit_test(who_acknowledges_what_is_synced_keeps_its_word_and_others_do_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
