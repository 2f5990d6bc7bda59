/* test_node_divergence.c: a replica whose state differs is found, named, kept from reads and from
 * leadership, and rebuilt; and one that is right never is.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "node/content.h"
#include "quorate/error.h"
#include "support/node_rig.h"
#include "support/node_solo.h"
#include "support/unit.h"

#define FOUND_MS 4000 /* a round a second, and some */

/* ---- Whole clusters. */

static void begin(struct rig *rig, int count, uint64_t seed)
{
    rig_init(rig, count, seed);
    rig->has_digests = true;
    for (int i = 0; i < count; i++) {
        rig_start(rig, i);
        rig_run(rig, 300);
    }
    assert_true(rig_settle(rig, (size_t)count, 20000));
}

static void propose(struct rig *rig, int i, unsigned count)
{
    for (unsigned n = 0; n < count; n++) {
        rig_propose(rig, i);
        rig_run(rig, 5);
    }
}

static struct node_status status_of(const struct rig *rig, int i)
{
    struct node_status now;
    node_status(rig->nodes[i].node, &now);
    return now;
}

static bool is_isolated(const struct rig *rig, int i)
{
    return rig->nodes[i].node != NULL && status_of(rig, i).differs.index > 0;
}

/* Let it be found, or not, within bounded time. */
static bool wait_for(struct rig *rig, int i, bool is_wanted)
{
    for (unsigned n = 0; n < FOUND_MS && is_isolated(rig, i) != is_wanted; n++) {
        rig_step(rig);
    }
    return is_isolated(rig, i) == is_wanted;
}

static int follower(const struct rig *rig)
{
    int leader = rig_leader(rig);
    assert_true(leader >= 0);
    return (leader + 1) % rig->count;
}

static void end(struct rig *rig)
{
    rig_check(rig);
    rig_deinit(rig);
}

static void expect_refusals(struct rig *rig, int i)
{
    struct node *node = rig->nodes[i].node;
    struct node_proposal proposal = {.command = "x", .command_bytes = 1};
    time_ns age_ns;
    size_t backup;
    uint8_t head[512];
    assert_int_equal(node_read(node, 1, rig->time), QR_ERR_DIVERGED);
    assert_int_equal(node_read_by_round(node, 1, rig->time), QR_ERR_DIVERGED);
    assert_int_equal(node_read_stale(node, TIME_NEVER, rig->time, &age_ns), QR_ERR_DIVERGED);
    assert_int_equal(node_propose(node, &proposal, 1, rig->time), QR_ERR_DIVERGED);
    assert_int_equal(node_snapshot(node, 1, rig->time), QR_ERR_DIVERGED);
    assert_int_equal(node_backup_open(node, 0, rig->time, &backup, head), QR_ERR_DIVERGED);
}

static void a_follower_that_differs_is_named_and_answers_nothing(void **state)
{
    (void)state;
    static struct rig rig;
    struct node_difference known;
    begin(&rig, 3, 1);
    int leader = rig_leader(&rig);
    int wrong = follower(&rig);
    propose(&rig, leader, 5);
    rig_flip(&rig, wrong, 1, 7);
    propose(&rig, leader, 1);
    rig_read(&rig, wrong);
    assert_true(wait_for(&rig, wrong, true));
    expect_refusals(&rig, wrong);
    struct node_difference said = status_of(&rig, wrong).differs;
    assert_true(said.differing != said.agreed);
    assert_true(said.agreed == rig.sum_at[rig.nodes[leader].applied_index]);
    assert_int_equal(status_of(&rig, wrong).divergences, 1);
    for (int i = 0; i < 3; i++) {
        bool is_known = node_member_differs(rig.nodes[leader].node, (node_id)i + 1, &known);
        assert_int_equal(is_known, i == wrong);
    }
    assert_true(node_member_differs(rig.nodes[leader].node, (node_id)wrong + 1, &known));
    assert_memory_equal(&known, &said, sizeof(known));
    uint64_t read_done = rig.read_done_count;
    rig_read(&rig, 3 - leader - wrong);
    propose(&rig, leader, 3);
    rig_run(&rig, 500);
    assert_int_equal(rig.read_done_count, read_done + 1);
    assert_int_equal(status_of(&rig, wrong).raft.applied_index,
                     status_of(&rig, leader).raft.applied_index);
    assert_true(is_isolated(&rig, wrong));
    end(&rig);
}

static void a_leader_that_differs_hands_over_and_is_not_elected_again(void **state)
{
    (void)state;
    static struct rig rig;
    begin(&rig, 3, 2);
    int wrong = rig_leader(&rig);
    rig_flip(&rig, wrong, 1, 7);
    propose(&rig, wrong, 2);
    assert_true(wait_for(&rig, wrong, true));
    rig_run(&rig, 2000);
    int leader = rig_leader(&rig);
    assert_true(leader >= 0 && leader != wrong);
    /* Its vote counts, and its copies. */
    rig_crash(&rig, 3 - leader - wrong);
    uint64_t done = rig.done_count;
    propose(&rig, leader, 2);
    rig_run(&rig, 1000);
    assert_int_equal(rig.done_count, done + 2);
    rig_crash(&rig, leader);
    rig_run(&rig, 3000);
    assert_int_equal(status_of(&rig, wrong).raft.role, RAFT_FOLLOWER);
    rig_start(&rig, leader);
    rig_run(&rig, 3000);
    assert_int_equal(rig_leader(&rig), leader);
    end(&rig);
}

static void what_waits_there_is_refused_or_unknown(void **state)
{
    (void)state;
    static struct rig rig;
    begin(&rig, 3, 3);
    int wrong = follower(&rig);
    rig_flip(&rig, wrong, 1, 7);
    propose(&rig, wrong, 1);
    /* A proposal under way, whose answer is lost, and a read that waits for an index. */
    rig.nodes[wrong].is_apply_held = true;
    for (unsigned i = 0; i < 50; i++) {
        rig_propose(&rig, wrong);
        rig_read(&rig, wrong);
        rig_run(&rig, 40);
        rig_release_apply(&rig, wrong);
        rig.nodes[wrong].is_apply_held = !is_isolated(&rig, wrong);
    }
    assert_true(is_isolated(&rig, wrong));
    rig_run(&rig, 3000);
    assert_int_equal(rig.read_ended_count, rig.read_count);
    for (uint64_t i = 0; i < rig.proposal_count; i++) {
        assert_int_not_equal(rig.outcomes[i], RIG_WAITS);
    }
    end(&rig);
}

static void a_restart_does_not_hide_it_and_may_mend_it(void **state)
{
    (void)state;
    static struct rig rig;
    begin(&rig, 3, 4);
    int wrong = follower(&rig);
    rig_flip(&rig, wrong, 1, 7);
    propose(&rig, rig_leader(&rig), 3);
    assert_true(wait_for(&rig, wrong, true));
    rig_crash(&rig, wrong);
    rig.nodes[wrong].flip_from = UINT64_MAX; /* the fault was in memory */
    rig_start(&rig, wrong);
    assert_true(is_isolated(&rig, wrong));
    expect_refusals(&rig, wrong);
    assert_true(wait_for(&rig, wrong, false));
    assert_true(rig_is_right(&rig, wrong));
    uint64_t read_done = rig.read_done_count;
    rig_read(&rig, wrong);
    rig_run(&rig, 500);
    assert_int_equal(rig.read_done_count, read_done + 1);
    rig_stop(&rig, wrong);
    rig_start(&rig, wrong);
    assert_false(is_isolated(&rig, wrong));
    end(&rig);
}

static void a_fault_that_a_restart_repeats_is_found_again(void **state)
{
    (void)state;
    static struct rig rig;
    begin(&rig, 3, 5);
    int wrong = follower(&rig);
    rig_flip(&rig, wrong, 1, 7);
    propose(&rig, rig_leader(&rig), 3);
    assert_true(wait_for(&rig, wrong, true));
    rig_stop(&rig, wrong);
    rig_start(&rig, wrong);
    assert_int_equal(status_of(&rig, wrong).divergences, 0);
    rig_run(&rig, FOUND_MS);
    assert_true(is_isolated(&rig, wrong));
    assert_int_equal(status_of(&rig, wrong).divergences, 1);
    end(&rig);
}

static void it_is_rebuilt_from_a_snapshot_where_that_is_asked_for(void **state)
{
    (void)state;
    static struct rig rig;
    begin(&rig, 3, 6);
    rig.snapshot_bytes = 20000;
    int wrong = follower(&rig);
    rig_crash(&rig, wrong);
    rig.nodes[wrong].on_divergence = NODE_DIVERGENCE_REBUILD;
    rig_start(&rig, wrong);
    rig_run(&rig, 500);
    int leader = rig_leader(&rig);
    rig_flip(&rig, wrong, 1, 7);
    propose(&rig, leader, 3);
    assert_true(wait_for(&rig, wrong, true));
    propose(&rig, leader, 3);
    assert_true(wait_for(&rig, wrong, false));
    assert_int_equal(status_of(&rig, wrong).rebuilds, 1);
    assert_int_equal(rig.nodes[wrong].restore_count, 1);
    propose(&rig, leader, 3);
    rig_run(&rig, FOUND_MS);
    assert_true(rig_settle(&rig, 3, 2000));
    assert_true(rig_is_right(&rig, wrong));
    assert_false(is_isolated(&rig, wrong));
    uint64_t done = rig.done_count;
    rig_propose(&rig, wrong);
    rig_run(&rig, 500);
    assert_int_equal(rig.done_count, done + 1);
    end(&rig);
}

static void one_that_differs_again_and_again_is_left_alone(void **state)
{
    (void)state;
    static struct rig rig;
    begin(&rig, 3, 7);
    int wrong = follower(&rig);
    rig_crash(&rig, wrong);
    rig.nodes[wrong].on_divergence = NODE_DIVERGENCE_REBUILD;
    rig_start(&rig, wrong);
    rig_run(&rig, 500);
    rig_flip(&rig, wrong, RIG_INDEX_MAX, 7);
    for (unsigned i = 0; i < 60; i++) {
        propose(&rig, rig_leader(&rig), 1);
        rig_run(&rig, 500);
    }
    assert_int_equal(status_of(&rig, wrong).rebuilds, 3);
    assert_int_equal(status_of(&rig, wrong).divergences, 4);
    assert_true(is_isolated(&rig, wrong));
    end(&rig);
}

static void it_stops_where_that_is_asked_for(void **state)
{
    (void)state;
    static struct rig rig;
    begin(&rig, 3, 8);
    int wrong = follower(&rig);
    rig_crash(&rig, wrong);
    rig.nodes[wrong].on_divergence = NODE_DIVERGENCE_STOP;
    rig.nodes[wrong].may_fail = true;
    rig_start(&rig, wrong);
    rig_run(&rig, 500);
    rig_flip(&rig, wrong, 1, 7);
    propose(&rig, rig_leader(&rig), 2);
    rig_run(&rig, FOUND_MS);
    assert_true(rig.nodes[wrong].is_failed);
    assert_int_equal(rig.nodes[wrong].failed_status, QR_ERR_DIVERGED);
    end(&rig);
}

static void nobody_is_called_wrong_without_a_majority(void **state)
{
    (void)state;
    static struct rig rig;
    begin(&rig, 3, 9);
    int leader = rig_leader(&rig);
    rig_flip(&rig, follower(&rig), 1, 7);
    rig_flip(&rig, (leader + 2) % 3, 1, 8);
    propose(&rig, leader, 2);
    rig_run(&rig, FOUND_MS);
    for (int i = 0; i < 3; i++) {
        assert_false(is_isolated(&rig, i));
        assert_int_equal(status_of(&rig, i).undecided_index > 0, i == leader);
    }
    end(&rig);
}

static void half_against_half_is_no_majority(void **state)
{
    (void)state;
    static struct rig rig;
    begin(&rig, 4, 13);
    int leader = rig_leader(&rig);
    rig_flip(&rig, leader, 1, 7);
    rig_flip(&rig, follower(&rig), 1, 7);
    propose(&rig, leader, 2);
    rig_run(&rig, FOUND_MS);
    for (int i = 0; i < 4; i++) {
        assert_false(is_isolated(&rig, i));
    }
    assert_true(status_of(&rig, leader).undecided_index > 0);
    end(&rig);
}

static void two_of_which_one_differs_are_no_majority_while_a_third_is_down(void **state)
{
    (void)state;
    static struct rig rig;
    begin(&rig, 3, 10);
    int leader = rig_leader(&rig);
    int wrong = follower(&rig);
    int third = 3 - leader - wrong;
    rig_crash(&rig, third);
    rig_flip(&rig, wrong, 1, 7);
    propose(&rig, leader, 2);
    rig_run(&rig, FOUND_MS);
    assert_true(status_of(&rig, leader).undecided_index > 0);
    assert_false(is_isolated(&rig, wrong) || is_isolated(&rig, leader));
    rig_start(&rig, third);
    assert_true(wait_for(&rig, wrong, true));
    assert_int_equal(status_of(&rig, rig_leader(&rig)).undecided_index, 0);
    end(&rig);
}

static void a_learner_is_judged_and_does_not_count(void **state)
{
    (void)state;
    static struct rig rig;
    begin(&rig, 4, 11);
    int leader = rig_leader(&rig);
    int wrong = follower(&rig);
    struct wire_change change = {.is_forced = true};
    change.demoted[0] = 'n';
    change.demoted[1] = (char)('0' + wrong);
    rig_change(&rig, leader, change);
    rig_run(&rig, 1000);
    rig_flip(&rig, wrong, 1, 7);
    propose(&rig, leader, 2);
    assert_true(wait_for(&rig, wrong, true));
    end(&rig);
}

static void the_only_voter_differs_from_nobody(void **state)
{
    (void)state;
    static struct rig rig;
    struct wire_change change = {.is_forced = true};
    begin(&rig, 3, 12);
    int wrong = follower(&rig);
    rig_flip(&rig, wrong, 1, 7);
    propose(&rig, rig_leader(&rig), 2);
    assert_true(wait_for(&rig, wrong, true));
    int leader = rig_leader(&rig);
    int third = 3 - leader - wrong;
    change.demoted[0] = 'n';
    change.demoted[1] = (char)('0' + leader);
    change.demoted[2] = ',';
    change.demoted[3] = 'n';
    change.demoted[4] = (char)('0' + third);
    rig_change(&rig, leader, change);
    rig_run(&rig, 5000);
    assert_int_equal(rig.nodes[leader].change_status, 0);
    assert_false(is_isolated(&rig, wrong));
    assert_int_equal(rig_leader(&rig), wrong);
    end(&rig);
}

/* Faults of every other kind make nobody differ. */
static void who_is_right_is_never_called_wrong(void **state)
{
    (void)state;
    for (uint64_t seed = 20; seed < 26; seed++) {
        static struct rig rig;
        begin(&rig, 3, seed);
        rig.loss_percent = 10;
        rig.repeat_percent = 10;
        rig.late_percent = 5;
        rig.is_once = seed % 2 == 0;
        rig.log_entries_max = 60;
        for (unsigned i = 0; i < 400; i++) {
            int at = (int)(prng_next(&rig.prng) % 3);
            rig_propose(&rig, (int)(prng_next(&rig.prng) % 3));
            rig_run(&rig, (unsigned)(prng_next(&rig.prng) % 30));
            if (i % 40 == 39) {
                rig_crash(&rig, at);
                rig_run(&rig, 100);
                rig_start(&rig, at);
            }
            for (int n = 0; n < 3; n++) {
                assert_false(is_isolated(&rig, n));
                assert_int_equal(status_of(&rig, n).undecided_index, 0);
            }
        }
        end(&rig);
    }
}

/* One that differs is found under the same faults, and nobody else is; by way of whatever index. */
static void who_is_wrong_is_found_under_load_and_faults(void **state)
{
    (void)state;
    for (uint64_t seed = 30; seed < 34; seed++) {
        static struct rig rig;
        begin(&rig, 3, seed);
        rig.loss_percent = 10;
        rig.late_percent = 5;
        int wrong = (int)(seed % 3);
        rig_flip(&rig, wrong, 1, 7);
        for (unsigned i = 0; i < 2000 && !is_isolated(&rig, wrong); i++) {
            for (int n = 0; n < 3; n++) {
                rig_propose(&rig, n);
            }
            rig_run(&rig, 5);
        }
        assert_true(is_isolated(&rig, wrong));
        assert_false(is_isolated(&rig, (wrong + 1) % 3) || is_isolated(&rig, (wrong + 2) % 3));
        end(&rig);
    }
}

/* ---- One node; the others are the test's. */

static uint64_t never_asked(void *context)
{
    (void)context;
    return 0;
}

static void open_solo(struct solo *solo)
{
    solo->options.join = "a2";
    solo->options.io.machine.digest = never_asked; /* it comes with the end of a batch */
    solo_start(solo);
    solo_follow(solo);
    solo_meet(solo, 2, WIRE_VERSION_MAX);
    solo_meet(solo, 3, WIRE_VERSION_MAX);
    solo_forget(solo);
}

static void begin_solo(struct solo *solo)
{
    solo_init(solo);
    open_solo(solo);
}

static const struct wire_compare_response *compare(struct solo *solo, struct wire_compare question)
{
    struct wire_message message = {.type = WIRE_COMPARE, .compare = question};
    solo_forget(solo);
    solo_receive(solo, question.from, &message);
    solo_work(solo);
    const struct solo_sent *sent = solo_last(solo, WIRE_COMPARE_RESPONSE);
    return sent == NULL ? NULL : &sent->message.compare_response;
}

static struct wire_compare question_at(raft_index index)
{
    return (struct wire_compare){.from = 2, .index = index};
}

/* Entries 2..1501, in more than one batch. */
static void append_many(struct solo *solo)
{
    solo_append(solo, (struct solo_append){.from = 2,
                                           .term = 1,
                                           .prev = {1, 1},
                                           .commit = 1501,
                                           .round = 1,
                                           .entry_term = 1,
                                           .first_number = 1,
                                           .count = 1500});
    solo_work(solo);
    assert_int_equal(solo->applied_index, 1501);
}

/* After a restart it hears from leader 2 again. */
static void append_on(struct solo *solo)
{
    solo_meet(solo, 2, WIRE_VERSION_MAX);
    solo_append(solo, (struct solo_append){
                          .from = 2, .term = 1, .prev = {1, 1501}, .commit = 1501, .round = 1});
    solo_work(solo);
}

static void digests_are_of_agreed_indexes_exactly(void **state)
{
    (void)state;
    static struct solo solo;
    begin_solo(&solo);
    append_many(&solo);
    /* Entry i is number i - 1, so the 1,024th leaves 1,023 of them. */
    const struct wire_compare_response *said = compare(&solo, question_at(1024));
    assert_int_equal(said->index, 1024);
    assert_int_equal(said->digest, 1023);
    said = compare(&solo, question_at(1500)); /* gone by, and nobody wanted it then */
    assert_int_equal(said->index, 0);
    said = compare(&solo, question_at(1501)); /* where it stands */
    assert_int_equal(said->index, 1501);
    assert_int_equal(said->digest, 1500);
    unsigned asked = solo.digest_count;
    said = compare(&solo, question_at(1501));
    assert_int_equal(said->digest, 1500);
    assert_int_equal(solo.digest_count, asked);
    solo_deinit(&solo);
}

static void a_batch_ends_where_it_was_asked_for(void **state)
{
    (void)state;
    static struct solo solo;
    begin_solo(&solo);
    assert_int_equal(compare(&solo, question_at(700))->index, 0);
    solo_forget(&solo);
    append_many(&solo);
    const struct solo_sent *sent = solo_last(&solo, WIRE_COMPARE_RESPONSE);
    assert_non_null(sent);
    assert_int_equal(sent->message.compare_response.index, 700);
    assert_int_equal(sent->message.compare_response.digest, 699);
    solo_deinit(&solo);
}

static bool isolates(struct solo *solo, struct wire_compare verdict)
{
    (void)compare(solo, verdict);
    return solo_status(solo).differs.index > 0;
}

static void only_the_leaders_verdict_on_this_very_state_counts(void **state)
{
    (void)state;
    static struct solo solo;
    begin_solo(&solo);
    append_many(&solo);
    uint64_t history = compare(&solo, question_at(1501))->history;
    struct wire_compare verdict = {.from = 2,
                                   .verdict = WIRE_VERDICT_DIFFERS,
                                   .history = history,
                                   .judged = 1501,
                                   .digest = 1500,
                                   .agreed = 9};
    struct wire_compare other = verdict;
    other.history++;
    assert_false(isolates(&solo, other));
    other = verdict;
    other.from = 3; /* which does not lead */
    assert_null(compare(&solo, other));
    assert_int_equal(solo_status(&solo).differs.index, 0);
    other = verdict;
    other.verdict = 9;
    assert_false(isolates(&solo, other));
    other.verdict = WIRE_VERDICT_UNDECIDED;
    assert_false(isolates(&solo, other));
    assert_true(isolates(&solo, verdict));
    assert_true(isolates(&solo, verdict)); /* twice is once */
    assert_int_equal(solo_status(&solo).divergences, 1);
    other = verdict;
    other.verdict = WIRE_VERDICT_AGREES;
    other.judged = 1024; /* late */
    assert_true(isolates(&solo, other));
    other.judged = 1600;
    assert_false(isolates(&solo, other));
    assert_false(isolates(&solo, verdict)); /* late: it was judged further on */
    solo_deinit(&solo);
}

static struct disk_memory_file *file_of(struct solo *solo, const char *name)
{
    for (size_t i = 0; i < solo->disk.file_count; i++) {
        if (strcmp(solo->disk.files[i].name, name) == 0) {
            return &solo->disk.files[i];
        }
    }
    return NULL;
}

static void the_mark_on_the_disk_waits_for_room_and_survives_damage(void **state)
{
    (void)state;
    static struct solo solo;
    begin_solo(&solo);
    append_many(&solo);
    uint64_t history = compare(&solo, question_at(1501))->history;
    struct wire_compare verdict = {.from = 2,
                                   .verdict = WIRE_VERDICT_DIFFERS,
                                   .history = history,
                                   .judged = 1501,
                                   .digest = 1500,
                                   .agreed = 9};
    solo.disk.fail_status = QR_ERR_DISK_FULL;
    solo.disk.fail_at = solo.disk.call_count + 1;
    assert_true(isolates(&solo, verdict));
    assert_int_equal(solo.failed_count, 0);
    assert_null(file_of(&solo, "divergence"));
    solo_run(&solo, 1500);
    solo_crash(&solo);
    solo_start(&solo);
    assert_int_equal(solo_status(&solo).differs.index, 1501);
    assert_int_equal(solo_status(&solo).differs.agreed, 9);
    solo_stop(&solo);
    file_of(&solo, "divergence")->seen[20] ^= 1;
    solo_start(&solo);
    assert_int_equal(solo_status(&solo).differs.index, 1); /* something was to be remembered */
    solo_deinit(&solo);
}

static void agreement_counts_only_from_where_it_differed(void **state)
{
    (void)state;
    static struct solo solo;
    begin_solo(&solo);
    append_many(&solo);
    struct wire_compare verdict = {.from = 2,
                                   .verdict = WIRE_VERDICT_DIFFERS,
                                   .history = compare(&solo, question_at(1501))->history,
                                   .judged = 1501,
                                   .digest = 1500,
                                   .agreed = 9};
    assert_true(isolates(&solo, verdict));
    solo_stop(&solo);
    solo_start(&solo);
    append_on(&solo);
    verdict.verdict = WIRE_VERDICT_AGREES;
    verdict.history = compare(&solo, question_at(1501))->history;
    verdict.judged = 1024; /* the new leader's first round */
    assert_true(isolates(&solo, verdict));
    verdict.judged = 1501;
    assert_false(isolates(&solo, verdict));
    solo_deinit(&solo);
}

/* A leader's snapshot at 50, in one piece. */
static void receive_snapshot(struct solo *solo)
{
    struct content_writer writer = {.codec = NULL};
    struct content_head head = {.position = {1, 50}, .timestamp_ns = 5000};
    struct chunk *chunk = chunk_new(&solo->outside.allocator, 4096);
    assert_non_null(chunk);
    size_t size_bytes = content_write_head(&writer, &head, chunk->data);
    size_bytes +=
        content_write(&writer, CONTENT_MACHINE, (uint8_t[24]){0}, 24, chunk->data + size_bytes);
    size_bytes += content_write_end(&writer, chunk->data + size_bytes);
    struct wire_message message = {
        .type = RAFT_INSTALL_SNAPSHOT,
        .raft = {.type = RAFT_INSTALL_SNAPSHOT,
                 .from = 2,
                 .to = SOLO_SELF,
                 .term = 1,
                 .install_snapshot = {.snapshot = {1, 50},
                                      .size_bytes = size_bytes,
                                      .is_last = true,
                                      .data = {chunk, chunk->data, (uint32_t)size_bytes}}}};
    solo_receive(solo, 2, &message);
    chunk_drop(chunk);
    solo_run(solo, 10);
}

/* Entries first..last from leader 2, all committed. */
static void append_numbers(struct solo *solo, raft_index first, raft_index last)
{
    solo_append(solo, (struct solo_append){.from = 2,
                                           .term = 1,
                                           .prev = {1, first - 1},
                                           .commit = last,
                                           .round = 1,
                                           .entry_term = 1,
                                           .first_number = first - 1,
                                           .count = last - first + 1});
    solo_work(solo);
}

/* A snapshot came while a batch was applied, and then the log, so it was not taken over. */
static void a_rebuild_wants_no_snapshot_older_than_its_own(void **state)
{
    (void)state;
    static struct solo solo;
    static struct rig rig;
    struct rig_node machine = {.rig = &rig};
    solo_init(&solo);
    solo.options.io.machine = rig_machine(&machine);
    solo.options.on_divergence = NODE_DIVERGENCE_REBUILD;
    open_solo(&solo);
    solo.is_apply_held = true;
    append_numbers(&solo, 2, 10);
    receive_snapshot(&solo);
    append_numbers(&solo, 11, 60);
    assert_int_equal(solo_status(&solo).snapshot_index, 50);
    solo_applied(&solo, 0);
    solo_work(&solo);
    assert_int_equal(solo_status(&solo).raft.applied_index, 10);
    struct wire_compare verdict = {.from = 2,
                                   .verdict = WIRE_VERDICT_DIFFERS,
                                   .history = compare(&solo, question_at(10))->history,
                                   .judged = 10,
                                   .digest = 1,
                                   .agreed = 9};
    const struct wire_compare_response *said = compare(&solo, verdict);
    assert_true(said->is_isolated);
    assert_int_equal(said->wanted, 50);
    solo_deinit(&solo);
}

static void a_leader_asks_no_member_that_does_not_understand(void **state)
{
    (void)state;
    static struct solo solo;
    begin_solo(&solo);
    solo_meet(&solo, 3, 1);
    (void)solo_lead(&solo);
    solo_forget(&solo);
    unsigned count = 0;
    for (unsigned i = 0; i < 20; i++) {
        solo_run(&solo, 50);
        for (const struct solo_sent *sent = solo.sent; sent != NULL; sent = sent->next) {
            count += sent->message.type == WIRE_COMPARE ? 1 : 0;
            assert_false(sent->message.type == WIRE_COMPARE && sent->to == 3);
        }
        solo_oblige(&solo);
    }
    assert_true(count > 0);
    solo_deinit(&solo);
}

/* What a member answers at the index of the round. */
static void answer(struct solo *solo, node_id from, uint64_t digest, bool is_isolated)
{
    raft_index index = solo_status(solo).raft.applied_index;
    struct wire_message message = {.type = WIRE_COMPARE_RESPONSE,
                                   .compare_response = {.from = from,
                                                        .history = from,
                                                        .made = 1,
                                                        .index = index,
                                                        .digest = digest,
                                                        .is_isolated = is_isolated,
                                                        .differed = is_isolated ? 2 : 0}};
    solo_receive(solo, from, &message);
    solo_work(solo);
}

static bool is_condemned(const struct solo *solo, node_id id)
{
    struct node_difference known;
    return node_member_differs(solo->node, id, &known);
}

/* The node leads, and asks for digests at its last index. */
static void begin_leading(struct solo *solo)
{
    bool is_asking = false;
    begin_solo(solo);
    (void)solo_lead(solo);
    for (unsigned i = 0; i < 100 && !is_asking; i++) {
        solo_oblige(solo);
        solo_run(solo, 25);
        const struct solo_sent *sent = solo_last(solo, WIRE_COMPARE);
        is_asking =
            sent != NULL && sent->message.compare.index == solo_status(solo).raft.applied_index;
    }
    assert_true(is_asking);
    solo_forget(solo);
}

/* With no more to be known, and no majority that counts. */
static void end_round(struct solo *solo)
{
    for (unsigned i = 0; i < 40 && solo_status(solo).undecided_index == 0; i++) {
        solo_run(solo, 25);
        solo_oblige(solo);
    }
    assert_true(solo_status(solo).undecided_index > 0);
}

static void who_is_isolated_condemns_nobody(void **state)
{
    (void)state;
    static struct solo solo;
    begin_leading(&solo);
    answer(&solo, 2, 99, true);
    answer(&solo, 3, 99, false);
    assert_false(is_condemned(&solo, SOLO_SELF));
    end_round(&solo);
    assert_false(is_condemned(&solo, SOLO_SELF));
    solo_deinit(&solo);
}

static void who_agrees_again_counts_at_once(void **state)
{
    (void)state;
    for (int is_late = 0; is_late < 2; is_late++) {
        static struct solo solo;
        begin_leading(&solo);
        answer(&solo, 2, 0, true); /* as the leader has it */
        const struct solo_sent *sent = solo_last(&solo, WIRE_COMPARE);
        assert_non_null(sent);
        assert_int_equal(sent->to, 2);
        assert_int_equal(sent->message.compare.verdict, WIRE_VERDICT_AGREES);
        answer(&solo, 3, 99, false);
        if (is_late == 1) {
            end_round(&solo);
        }
        assert_false(is_condemned(&solo, 3));
        answer(&solo, 2, 0, false);
        assert_true(is_condemned(&solo, 3));
        assert_false(is_condemned(&solo, 2));
        assert_int_equal(solo_status(&solo).undecided_index, 0);
        solo_deinit(&solo);
    }
}

static void a_leader_waits_for_the_end_of_a_batch(void **state)
{
    (void)state;
    static struct solo solo;
    begin_solo(&solo);
    (void)solo_lead(&solo);
    solo.is_apply_held = true;
    assert_int_equal(solo_propose(&solo, 1), 0);
    for (unsigned i = 0; i < 100; i++) {
        solo_run(&solo, 25);
        solo_oblige(&solo);
    }
    assert_true(solo.is_batch_held);
    solo_turn(&solo);
    assert_true(node_deadline(solo.node) > solo.time.now_ns);
    solo_forget(&solo);
    solo.is_apply_held = false;
    solo_applied(&solo, 0);
    solo_work(&solo);
    assert_true(solo_count(&solo, WIRE_COMPARE) > 0); /* at once */
    solo_deinit(&solo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_follower_that_differs_is_named_and_answers_nothing),
        cmocka_unit_test(a_leader_that_differs_hands_over_and_is_not_elected_again),
        cmocka_unit_test(what_waits_there_is_refused_or_unknown),
        cmocka_unit_test(a_restart_does_not_hide_it_and_may_mend_it),
        cmocka_unit_test(a_fault_that_a_restart_repeats_is_found_again),
        cmocka_unit_test(it_is_rebuilt_from_a_snapshot_where_that_is_asked_for),
        cmocka_unit_test(one_that_differs_again_and_again_is_left_alone),
        cmocka_unit_test(it_stops_where_that_is_asked_for),
        cmocka_unit_test(nobody_is_called_wrong_without_a_majority),
        cmocka_unit_test(half_against_half_is_no_majority),
        cmocka_unit_test(two_of_which_one_differs_are_no_majority_while_a_third_is_down),
        cmocka_unit_test(a_learner_is_judged_and_does_not_count),
        cmocka_unit_test(the_only_voter_differs_from_nobody),
        cmocka_unit_test(who_is_right_is_never_called_wrong),
        cmocka_unit_test(who_is_wrong_is_found_under_load_and_faults),
        cmocka_unit_test(digests_are_of_agreed_indexes_exactly),
        cmocka_unit_test(a_batch_ends_where_it_was_asked_for),
        cmocka_unit_test(only_the_leaders_verdict_on_this_very_state_counts),
        cmocka_unit_test(the_mark_on_the_disk_waits_for_room_and_survives_damage),
        cmocka_unit_test(agreement_counts_only_from_where_it_differed),
        cmocka_unit_test(a_rebuild_wants_no_snapshot_older_than_its_own),
        cmocka_unit_test(a_leader_asks_no_member_that_does_not_understand),
        cmocka_unit_test(a_leader_waits_for_the_end_of_a_batch),
        cmocka_unit_test(who_is_isolated_condemns_nobody),
        cmocka_unit_test(who_agrees_again_counts_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
