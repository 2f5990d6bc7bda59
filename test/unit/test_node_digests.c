/* test_node_digests.c: one node is asked for digests, asks for them, and hears verdicts on its own;
 * the others are the test's.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "node/content.h"
#include "quorate/error.h"
#include "support/node_rig.h"
#include "support/node_solo.h"
#include "support/unit.h"

static uint64_t never_asked(void *context)
{
    (void)context;
    return 0;
}

static void open_solo(struct solo *solo)
{
    solo->options.io.machine.digest = never_asked; /* it comes with the end of a batch */
    solo_join(solo);
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
