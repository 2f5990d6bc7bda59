/* test_node_failure.c: after the first failed write, sync, read or apply a node does nothing. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "quorate/error.h"
#include "support/node_solo.h"
#include "support/unit.h"

#define SWEEP_MAX 500

/* The next call of the disk fails, and all writes after it. */
static void break_disk(struct solo *solo)
{
    solo->disk.fail_at = solo->disk.call_count + 1;
}

static void check_silence(struct solo *solo, int status)
{
    assert_int_equal(solo->failed_count, 1);
    assert_int_equal(solo->failed_status, status);
    assert_int_equal(solo->sent_count, solo->sent_at_failure);
    solo_run(solo, 1000);
    solo_append(solo, (struct solo_append){.from = 2, .term = 9, .prev = {1, 1}, .commit = 1});
    solo_run(solo, 1000);
    assert_int_equal(solo->failed_count, 1);
    assert_int_equal(solo->sent_count, solo->sent_at_failure);
    assert_true(solo_status(solo).is_stopped);
    assert_int_equal(node_deadline(solo->node), TIME_NEVER);
}

static void ask_vote(struct solo *solo, node_id candidate, raft_term term)
{
    struct wire_message message = {
        .type = RAFT_REQUEST_VOTE,
        .raft = {.type = RAFT_REQUEST_VOTE,
                 .from = candidate,
                 .to = SOLO_SELF,
                 .term = term,
                 .request_vote = {.last = {term - 1, 50}}},
    };
    solo_receive(solo, candidate, &message);
}

static void what_was_not_written_is_not_acknowledged(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    solo_append(
        &solo, (struct solo_append){
                   .from = 2, .term = 1, .prev = {1, 1}, .commit = 1, .entry_term = 1, .count = 1});
    solo_turn(&solo);
    break_disk(&solo);
    uint64_t before = solo.sent_count;
    solo_work(&solo);
    assert_int_equal(solo.sent_count, before);
    check_silence(&solo, QR_ERR_IO);
    solo_deinit(&solo);
}

static void a_vote_that_was_not_written_is_not_given(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    solo_stop(&solo); /* so that it sticks to no leader */
    solo_start(&solo);
    solo_work(&solo);
    solo_forget(&solo);
    ask_vote(&solo, 3, 2);
    break_disk(&solo);
    solo_work(&solo);
    assert_int_equal(solo_count(&solo, RAFT_REQUEST_VOTE_RESPONSE), 0);
    check_silence(&solo, QR_ERR_IO);
    solo_deinit(&solo);
}

static void a_candidate_that_cannot_write_asks_for_no_vote(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    while (solo_count(&solo, RAFT_PRE_VOTE) == 0) {
        solo_run(&solo, 1);
    }
    break_disk(&solo);
    solo_oblige(&solo);
    solo_work(&solo);
    assert_int_equal(solo_count(&solo, RAFT_REQUEST_VOTE), 0);
    check_silence(&solo, QR_ERR_IO);
    solo_deinit(&solo);
}

static void a_leader_that_cannot_write_neither_commits_nor_leads(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    solo_lead(&solo);
    assert_int_equal(solo_propose(&solo, 1), 0);
    assert_int_equal(solo_read(&solo, 1), 0);
    solo_turn(&solo);
    break_disk(&solo);
    solo_work(&solo);
    assert_int_equal(solo.proposals[1].status, QR_ERR_STOPPED);
    assert_int_equal(solo.reads[1].status, QR_ERR_STOPPED);
    check_silence(&solo, QR_ERR_IO);
    solo_deinit(&solo);
}

/* Several writes are under way when the first of them fails. */
static void many_failed_writes_are_one_failure(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    for (raft_index i = 1; i < 10; i++) {
        solo_append(
            &solo,
            (struct solo_append){
                .from = 2, .term = 1, .prev = {1, i}, .commit = 1, .entry_term = 1, .count = 1});
        solo_turn(&solo);
    }
    assert_int_equal(solo.disk.pending_count, 9);
    break_disk(&solo);
    solo_work(&solo);
    check_silence(&solo, QR_ERR_IO);
    solo_deinit(&solo);
}

static void a_state_machine_that_cannot_go_on_ends_the_node(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    solo_lead(&solo);
    solo.is_apply_held = true;
    assert_int_equal(solo_propose(&solo, 1), 0);
    solo_work(&solo);
    solo_acknowledge(&solo, 2, solo_status(&solo).raft.last_index);
    solo_work(&solo);
    solo_applied(&solo, QR_ERR_CORRUPT);
    assert_int_equal(solo.proposals[1].status, QR_ERR_STOPPED);
    assert_int_equal(solo.proposals[1].count, 1);
    check_silence(&solo, QR_ERR_CORRUPT);
    solo_deinit(&solo);
}

/* Members ask a leader for read barriers until it needs memory for one more, and has none. */
static void a_leader_without_memory_for_a_question_answers_none(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    solo_lead(&solo);
    for (uint64_t i = 1; i < SWEEP_MAX && solo.failed_count == 0; i++) {
        struct wire_message message = {.type = WIRE_READ, .read = {.from = 2, .request = i}};
        solo.heap.fail_at = solo.heap.allocate_count + 1;
        solo_receive(&solo, 2, &message);
    }
    solo.heap.fail_at = 0;
    check_silence(&solo, QR_ERR_NO_MEMORY);
    solo_deinit(&solo);
}

/* Leads with 2; 3 says that it has nothing behind 1/1, which is no longer in memory. */
static void feed_a_laggard(struct solo *solo)
{
    solo_begin(solo);
    solo_append(
        solo, (struct solo_append){
                  .from = 2, .term = 1, .prev = {1, 1}, .commit = 1, .entry_term = 1, .count = 5});
    solo_work(solo);
    solo_stop(solo); /* then the log is on the disk alone */
    solo_start(solo);
    for (int i = 0; i < 1000 && solo_status(solo).raft.role != RAFT_LEADER; i++) {
        solo_run(solo, 1);
        solo_oblige(solo);
    }
    assert_int_equal(solo_status(solo).raft.role, RAFT_LEADER);
    solo_work(solo);
    solo_forget(solo);
    struct wire_message rejection = {
        .type = RAFT_APPEND_ENTRIES_RESPONSE,
        .raft = {.type = RAFT_APPEND_ENTRIES_RESPONSE,
                 .from = 3,
                 .to = SOLO_SELF,
                 .term = solo_status(solo).raft.term,
                 .append_entries_response = {.is_rejected = true, .rejected = 6, .hint = {1, 1}}},
    };
    solo_receive(solo, 3, &rejection);
    solo_turn(solo);
    assert_int_equal(solo->disk.pending_count, 1); /* the read */
}

static void what_is_read_back_reaches_the_laggard(void **state)
{
    (void)state;
    struct solo solo;
    feed_a_laggard(&solo);
    solo_work(&solo);
    const struct solo_sent *sent = solo_last(&solo, RAFT_APPEND_ENTRIES);
    assert_non_null(sent);
    assert_int_equal(sent->to, 3);
    assert_int_equal(sent->message.raft.append_entries.prev.index, 1);
    assert_true(sent->message.entry_count >= 5);
    solo_deinit(&solo);
}

/* A log that cannot be read is not an empty one: nothing is sent to the laggard from it. */
static void a_log_that_cannot_be_read_ends_the_node(void **state)
{
    (void)state;
    struct solo solo;
    feed_a_laggard(&solo);
    break_disk(&solo);
    solo_work(&solo);
    assert_int_equal(solo_count(&solo, RAFT_APPEND_ENTRIES), 0);
    check_silence(&solo, QR_ERR_IO);
    solo_deinit(&solo);
}

/* Another leader replaces the entries while they are being read: that is no failure. */
static void entries_that_are_replaced_while_being_read_are_missed_by_nobody(void **state)
{
    (void)state;
    struct solo solo;
    feed_a_laggard(&solo);
    raft_term term = solo_status(&solo).raft.term + 1;
    solo_append(&solo, (struct solo_append){.from = 2,
                                            .term = term,
                                            .prev = {1, 1},
                                            .commit = 2,
                                            .entry_term = term,
                                            .first_number = 700,
                                            .count = 1});
    solo_work(&solo);
    assert_int_equal(solo.failed_count, 0);
    assert_int_equal(solo_status(&solo).raft.last_index, 2);
    assert_int_equal(solo.applied_count, 1);
    assert_int_equal(solo.applied[0], 700);
    solo_deinit(&solo);
}

static void write_alone(struct solo *solo)
{
    solo_turn(solo);
    while (disk_memory_step_kind(&solo->disk, DISK_WRITE)) {
        solo_turn(solo);
    }
}

/* Nor when the node leads again by the time that it hears of the read. */
static void entries_that_were_read_for_an_earlier_term_are_no_damage(void **state)
{
    (void)state;
    struct solo solo;
    feed_a_laggard(&solo);
    raft_term term = solo_status(&solo).raft.term + 1;
    solo_append(&solo, (struct solo_append){.from = 2,
                                            .term = term,
                                            .prev = {1, 3},
                                            .commit = 3,
                                            .entry_term = term,
                                            .first_number = 700,
                                            .count = 1});
    write_alone(&solo);
    for (int i = 0; i < 1000 && solo_status(&solo).raft.role != RAFT_LEADER; i++) {
        solo.time.now_ns += NS_PER_MS;
        solo.time.wall_ns += NS_PER_MS;
        write_alone(&solo);
        solo_oblige(&solo);
        write_alone(&solo);
    }
    assert_int_equal(solo_status(&solo).raft.role, RAFT_LEADER);
    assert_true(disk_memory_step_kind(&solo.disk, DISK_READ));
    assert_int_equal(solo.failed_count, 0);
    solo_work(&solo);
    assert_int_equal(solo.failed_count, 0);
    solo_deinit(&solo);
}

/* What a life promised to others, as seen in what it sent. */
struct promises {
    raft_index match; /* acknowledged, of leader 2's log of term 1 */
    raft_term vote_term;
};

static struct promises promises_of(const struct solo *solo)
{
    struct promises promises = {0};
    for (const struct solo_sent *at = solo->sent; at != NULL; at = at->next) {
        const struct raft_message *raft = &at->message.raft;
        if (at->message.type == RAFT_APPEND_ENTRIES_RESPONSE) {
            promises.match = max_u64(promises.match, raft->append_entries_response.match);
        }
        if (at->message.type == RAFT_REQUEST_VOTE_RESPONSE &&
            raft->request_vote_response.is_granted) {
            promises.vote_term = raft->term;
        }
    }
    return promises;
}

/* Acknowledges entries in pieces, forgets its leader, votes for 3. */
static void live(struct solo *solo)
{
    for (raft_index i = 1; i < 40 && solo->failed_count == 0; i += 3) {
        solo_append(
            solo,
            (struct solo_append){
                .from = 2, .term = 1, .prev = {1, i}, .commit = i, .entry_term = 1, .count = 3});
        if (i % 2 == 0) {
            solo_work(solo);
        } else {
            solo_turn(solo);
        }
        solo_run(solo, 1);
    }
    if (solo->failed_count == 0) {
        solo_run(solo, 150);
        ask_vote(solo, 3, 2);
        solo_run(solo, 5);
    }
}

/* Lives with disk call `n` failing, loses power, and has kept what it promised. */
static bool keeps_its_promises(uint64_t n)
{
    struct solo solo;
    solo_begin(&solo);
    uint64_t before = solo.disk.call_count;
    solo.disk.fail_at = before + n;
    live(&solo);
    bool has_failed = solo.disk.call_count >= before + n;
    assert_int_equal(solo.failed_count, has_failed);
    if (has_failed) {
        check_silence(&solo, QR_ERR_IO);
    }
    struct promises promises = promises_of(&solo);
    solo_crash(&solo);
    solo_forget(&solo);
    solo.failed_count = 0;
    solo_start(&solo);
    assert_true(solo_status(&solo).raft.last_index >= promises.match);
    assert_true(solo_status(&solo).raft.term >= promises.vote_term);
    ask_vote(&solo, 2, 2); /* another candidate of the same term */
    solo_work(&solo);
    if (promises.vote_term == 2) {
        assert_int_equal(promises_of(&solo).vote_term, 0);
    }
    solo_deinit(&solo);
    return has_failed;
}

static void whatever_call_fails_its_promises_are_kept(void **state)
{
    (void)state;
    uint64_t n = 1;
    while (keeps_its_promises(n)) {
        assert_true(n++ < SWEEP_MAX);
    }
    assert_true(n > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_not_written_is_not_acknowledged),
        cmocka_unit_test(a_vote_that_was_not_written_is_not_given),
        cmocka_unit_test(a_candidate_that_cannot_write_asks_for_no_vote),
        cmocka_unit_test(a_leader_that_cannot_write_neither_commits_nor_leads),
        cmocka_unit_test(many_failed_writes_are_one_failure),
        cmocka_unit_test(a_state_machine_that_cannot_go_on_ends_the_node),
        cmocka_unit_test(a_leader_without_memory_for_a_question_answers_none),
        cmocka_unit_test(what_is_read_back_reaches_the_laggard),
        cmocka_unit_test(a_log_that_cannot_be_read_ends_the_node),
        cmocka_unit_test(entries_that_are_replaced_while_being_read_are_missed_by_nobody),
        cmocka_unit_test(entries_that_were_read_for_an_earlier_term_are_no_damage),
        cmocka_unit_test(whatever_call_fails_its_promises_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
