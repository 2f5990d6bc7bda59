/* test_raft_snapshot.c: bounds and refusals of compaction and snapshots, in one machine. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "quorate/error.h"
#include "raft/raft.h"
#include "support/heap.h"
#include "support/unit.h"

/* Node 1 of three, with the log 1/1 to 2/6 behind nothing: terms 1 (1..3) and 2 (4..6). */
struct fixture {
    struct heap heap;
    struct raft *raft;
    time_ns now_ns;
    uint8_t payload[RAFT_CONFIGURATION_BYTES_MAX];
    size_t payload_bytes;
};

static const struct raft_term_run runs[] = {{1, 1}, {2, 4}};

static struct raft_options options_of(struct fixture *fixture)
{
    return (struct raft_options){
        .allocator = &fixture->heap.allocator,
        .self = 1,
        .election_timeout_min_ns = 150,
        .election_timeout_max_ns = 150,
        .heartbeat_interval_ns = 50,
        .append_entries_max = 64,
        .append_bytes_max = 65536,
        .inflight_messages_max = 16,
        .inflight_bytes_max = 65536,
        .uncommitted_bytes_max = 65536,
        .cache_bytes_max = 65536,
    };
}

static void fixture_init(struct fixture *fixture)
{
    struct raft_configuration configuration = {.count = 3};
    memset(fixture, 0, sizeof(*fixture));
    heap_init(&fixture->heap);
    fixture->now_ns = 1000;
    for (node_id id = 1; id <= 3; id++) {
        configuration.members[id - 1] = (struct raft_member){.id = id, .roles = RAFT_VOTER};
    }
    fixture->payload_bytes = raft_configuration_encode(&configuration, fixture->payload);
}

static void fixture_deinit(struct fixture *fixture)
{
    raft_free(fixture->raft);
    heap_deinit(&fixture->heap);
}

/* A log up to 2/6 that begins behind `base`. */
static struct raft_restored restored_from(struct raft_position base)
{
    return (struct raft_restored){
        .hard_state = {.term = 2},
        .base = base,
        .commit_index = base.index,
        .last_index = 6,
        .terms = runs,
        .term_count = COUNT_OF(runs),
    };
}

static int start(struct fixture *fixture, const struct raft_restored *restored)
{
    struct raft_options options = options_of(fixture);
    return raft_new(&options, restored, fixture->now_ns, &fixture->raft);
}

static int step(struct fixture *fixture, struct raft_event event)
{
    event.now_ns = fixture->now_ns;
    int status = raft_step(fixture->raft, &event);
    if (status != QR_ERR_NO_MEMORY) {
        raft_invariants(fixture->raft);
    }
    return status;
}

static struct raft_snapshot snapshot_at(const struct fixture *fixture, raft_term term,
                                        raft_index index)
{
    return (struct raft_snapshot){
        .position = {term, index},
        .timestamp_ns = 77,
        .configuration_index = 1,
        .configuration = fixture->payload,
        .configuration_bytes = fixture->payload_bytes,
    };
}

static int install(struct fixture *fixture, const struct raft_snapshot *snapshot)
{
    return step(fixture, (struct raft_event){.type = RAFT_EVENT_INSTALLED, .installed = snapshot});
}

static struct raft_status status_of(const struct fixture *fixture)
{
    struct raft_status status;
    raft_status(fixture->raft, &status);
    return status;
}

/* Save whatever there is to be saved; the reset of it, or {0, 0}. */
static struct raft_position save_all(struct fixture *fixture)
{
    struct raft_ready ready;
    raft_ready(fixture->raft, &ready);
    struct raft_position reset = ready.reset != NULL ? *ready.reset : (struct raft_position){0};
    if (ready.save_number > 0) {
        assert_int_equal(step(fixture, (struct raft_event){.type = RAFT_EVENT_SAVED,
                                                           .saved = ready.save_number}),
                         0);
    }
    return reset;
}

static void a_log_may_begin_anywhere_up_to_its_end(void **state)
{
    (void)state;
    static const struct raft_position bases[] = {{0, 0}, {1, 1}, {1, 3}, {2, 4}, {2, 6}};
    for (size_t i = 0; i < COUNT_OF(bases); i++) {
        struct fixture fixture;
        fixture_init(&fixture);
        struct raft_restored restored = restored_from(bases[i]);
        assert_int_equal(start(&fixture, &restored), 0);
        raft_index base = bases[i].index;
        for (raft_index index = 0; index <= 7; index++) {
            raft_term term = 99;
            bool is_there = raft_term_at(fixture.raft, index, &term);
            assert_true(is_there == (index >= base && index <= 6));
            raft_term expected = index == 0 ? 0 : index <= 3 ? 1 : 2;
            assert_true(!is_there || term == expected);
        }
        assert_true(status_of(&fixture).first_index == base + 1);
        assert_true(status_of(&fixture).commit_index == base);
        assert_true(status_of(&fixture).applied_index == base);
        fixture_deinit(&fixture);
    }
}

static void runs_below_base_need_not_be_told(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    struct raft_restored restored = restored_from((struct raft_position){2, 4});
    restored.terms = &runs[1];
    restored.term_count = 1;
    assert_int_equal(start(&fixture, &restored), 0);
    raft_term term = 0;
    assert_true(raft_term_at(fixture.raft, 5, &term) && term == 2);
    fixture_deinit(&fixture);
}

static void a_base_that_contradicts_the_log_is_refused(void **state)
{
    (void)state;
    static const struct raft_term_run late[] = {{2, 5}};
    static const struct raft_term_run back[] = {{1, 5}};
    static const struct {
        const char *name;
        struct raft_position base;
        const struct raft_term_run *terms;
        size_t term_count;
    } cases[] = {
        {"a term without an index", {1, 0}, runs, 2},
        {"an index without a term", {0, 3}, runs, 2},
        {"behind the last entry", {2, 7}, runs, 2},
        {"of another term than the run that holds it", {2, 3}, runs, 2},
        {"of an earlier term than the run that holds it", {1, 5}, runs, 2},
        {"a gap between it and the first run", {1, 3}, late, 1},
        {"of a later term than what follows", {2, 4}, back, 1},
        {"no terms for what follows", {2, 4}, NULL, 0},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct fixture fixture;
        fixture_init(&fixture);
        struct raft_restored restored = restored_from(cases[i].base);
        restored.terms = cases[i].terms;
        restored.term_count = cases[i].term_count;
        restored.commit_index = 0;
        if (start(&fixture, &restored) != QR_ERR_CORRUPT) {
            fail_msg("%s", cases[i].name);
        }
        fixture_deinit(&fixture);
    }
}

static void a_start_from_a_snapshot_brings_its_configuration(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    struct raft_restored restored = restored_from((struct raft_position){2, 4});
    assert_int_equal(start(&fixture, &restored), 0);
    assert_int_equal(status_of(&fixture).role, RAFT_LEARNER);
    struct raft_snapshot snapshot = snapshot_at(&fixture, 2, 4);
    assert_int_equal(install(&fixture, &snapshot), 0);
    assert_int_equal(status_of(&fixture).role, RAFT_FOLLOWER);
    assert_true(raft_configuration(fixture.raft)->count == 3);
    assert_true(status_of(&fixture).last_index == 6);
    assert_true(raft_log_time(fixture.raft, fixture.now_ns) >= 77);
    assert_true(save_all(&fixture).index == 0); /* nothing was reset */

    /* Farther than base, within the log: as far as the state machine stands. */
    snapshot = snapshot_at(&fixture, 2, 5);
    assert_int_equal(install(&fixture, &snapshot), 0);
    assert_true(status_of(&fixture).applied_index == 5);
    assert_true(status_of(&fixture).commit_index == 5);
    assert_true(status_of(&fixture).base.index == 4);
    fixture_deinit(&fixture);
}

static void a_snapshot_beyond_the_log_takes_its_place(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    struct raft_restored restored = restored_from((struct raft_position){0, 0});
    assert_int_equal(start(&fixture, &restored), 0);
    struct raft_snapshot snapshot = snapshot_at(&fixture, 5, 9);
    assert_true(raft_wants_snapshot(fixture.raft, snapshot.position));
    assert_int_equal(install(&fixture, &snapshot), 0);
    assert_false(raft_wants_snapshot(fixture.raft, snapshot.position));
    struct raft_status status = status_of(&fixture);
    assert_true(status.term == 5); /* the snapshot proves that it began */
    assert_true(status.base.term == 5 && status.base.index == 9);
    assert_true(status.last_index == 9 && status.applied_index == 9 && status.commit_index == 9);
    struct raft_position reset = save_all(&fixture);
    assert_true(reset.term == 5 && reset.index == 9);
    assert_true(save_all(&fixture).index == 0); /* said once */
    fixture_deinit(&fixture);
}

static void what_is_older_is_ignored(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    struct raft_restored restored = restored_from((struct raft_position){0, 0});
    assert_int_equal(start(&fixture, &restored), 0);
    struct raft_snapshot newer = snapshot_at(&fixture, 3, 9);
    assert_int_equal(install(&fixture, &newer), 0);
    (void)save_all(&fixture);
    struct raft_snapshot older = snapshot_at(&fixture, 3, 8);
    assert_false(raft_wants_snapshot(fixture.raft, older.position));
    assert_int_equal(install(&fixture, &older), 0);
    assert_true(status_of(&fixture).applied_index == 9);
    assert_true(status_of(&fixture).base.index == 9);
    assert_true(save_all(&fixture).index == 0);
    fixture_deinit(&fixture);
}

static void a_snapshot_that_contradicts_itself_changes_nothing(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    struct raft_restored restored = restored_from((struct raft_position){0, 0});
    restored.commit_index = 5;
    assert_int_equal(start(&fixture, &restored), 0);
    const struct raft_snapshot good = snapshot_at(&fixture, 2, 9);
    static const struct {
        const char *name;
        struct raft_position position;
        raft_index configuration_index;
        bool is_cut;
    } cases[] = {
        {"no index", {2, 0}, 0, false},
        {"no term", {0, 9}, 1, false},
        {"an index out of bounds", {2, UINT64_MAX}, 1, false},
        {"a configuration from behind it", {2, 9}, 10, false},
        {"a configuration at no index", {2, 9}, 0, false},
        {"a configuration that does not decode", {2, 9}, 1, true},
        {"another term than what is committed", {1, 5}, 1, false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct raft_snapshot bad = good;
        bad.position = cases[i].position;
        bad.configuration_index = cases[i].configuration_index;
        bad.configuration_bytes -= cases[i].is_cut ? 1 : 0;
        if (install(&fixture, &bad) != QR_ERR_MALFORMED) {
            fail_msg("%s", cases[i].name);
        }
        assert_true(status_of(&fixture).last_index == 6);
        assert_true(status_of(&fixture).applied_index == 0);
    }
    assert_int_equal(install(&fixture, &good), 0);
    fixture_deinit(&fixture);
}

/* Any allocation of an install may fail; the machine can be freed then. */
static void memory_may_run_out_at_any_install(void **state)
{
    (void)state;
    for (uint64_t i = 1;; i++) {
        struct fixture fixture;
        fixture_init(&fixture);
        struct raft_restored restored = restored_from((struct raft_position){0, 0});
        assert_int_equal(start(&fixture, &restored), 0);
        struct raft_snapshot snapshot = snapshot_at(&fixture, 3, 9);
        fixture.heap.fail_at = fixture.heap.allocate_count + i;
        int status = install(&fixture, &snapshot);
        fixture_deinit(&fixture);
        if (status == 0) {
            assert_true(i > 2);
            return;
        }
        assert_int_equal(status, QR_ERR_NO_MEMORY);
    }
}

/* A piece of data from the leader 2 of term 3. */
static struct raft_message piece_of(struct chunk *chunk, uint64_t offset)
{
    return (struct raft_message){
        .type = RAFT_INSTALL_SNAPSHOT,
        .from = 2,
        .to = 1,
        .term = 3,
        .install_snapshot = {.snapshot = {3, 9},
                             .offset = offset,
                             .data = {chunk, chunk->data, chunk->size_bytes}},
    };
}

static void pieces_are_held_until_they_were_taken_and_bounded(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    struct raft_restored restored = restored_from((struct raft_position){0, 0});
    assert_int_equal(start(&fixture, &restored), 0);
    struct chunk *chunk = chunk_new(&fixture.heap.allocator, 8);
    assert_non_null(chunk);
    for (uint64_t i = 0; i < RAFT_PIECES_MAX + 3; i++) {
        struct raft_message message = piece_of(chunk, i * 8);
        assert_int_equal(
            step(&fixture, (struct raft_event){.type = RAFT_EVENT_MESSAGE, .message = &message}),
            0);
    }
    assert_int_equal(chunk->reference_count, 1 + RAFT_PIECES_MAX);
    struct raft_ready ready;
    raft_ready(fixture.raft, &ready);
    assert_int_equal(ready.piece_count, RAFT_PIECES_MAX);
    for (size_t i = 0; i < ready.piece_count; i++) {
        assert_true(ready.pieces[i].peer == 2 && ready.pieces[i].offset == i * 8);
    }
    raft_ready(fixture.raft, &ready); /* handed out once */
    assert_int_equal(ready.piece_count, 0);
    assert_int_equal(chunk->reference_count, 1);

    /* Freed with the machine, when nobody takes them. */
    struct raft_message message = piece_of(chunk, 0);
    assert_int_equal(
        step(&fixture, (struct raft_event){.type = RAFT_EVENT_MESSAGE, .message = &message}), 0);
    raft_free(fixture.raft);
    fixture.raft = NULL;
    assert_int_equal(chunk->reference_count, 1);
    chunk_drop(chunk);
    fixture_deinit(&fixture);
}

static void who_does_not_lead_sends_no_piece(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    struct raft_restored restored = restored_from((struct raft_position){0, 0});
    assert_int_equal(start(&fixture, &restored), 0);
    struct raft_piece piece = {.peer = 2, .snapshot = {2, 4}};
    assert_int_equal(step(&fixture, (struct raft_event){.type = RAFT_EVENT_PIECE, .piece = &piece}),
                     QR_ERR_NOT_LEADER);
    struct raft_event ended = {.type = RAFT_EVENT_SENDING_ENDED};
    ended.sending_ended.peer = 2;
    assert_int_equal(step(&fixture, ended), 0);
    fixture_deinit(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_log_may_begin_anywhere_up_to_its_end),
        cmocka_unit_test(runs_below_base_need_not_be_told),
        cmocka_unit_test(a_base_that_contradicts_the_log_is_refused),
        cmocka_unit_test(a_start_from_a_snapshot_brings_its_configuration),
        cmocka_unit_test(a_snapshot_beyond_the_log_takes_its_place),
        cmocka_unit_test(what_is_older_is_ignored),
        cmocka_unit_test(a_snapshot_that_contradicts_itself_changes_nothing),
        cmocka_unit_test(memory_may_run_out_at_any_install),
        cmocka_unit_test(pieces_are_held_until_they_were_taken_and_bounded),
        cmocka_unit_test(who_does_not_lead_sends_no_piece),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
