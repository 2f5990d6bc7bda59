/* test_sim_build.c: today's node, driven over the boundary of builds alone. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "quorate/error.h"
#include "sim/build.h"
#include "sim/build_disk.h"
#include "support/build_rig.h"
#include "support/unit.h"

static int setup(void **state)
{
    struct build_rig *rig = malloc(sizeof(*rig));
    assert_non_null(rig);
    build_rig_init(rig);
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    build_rig_deinit(*state);
    free(*state);
    return 0;
}

static void start_three(struct build_rig *rig)
{
    for (int i = 0; i < 3; i++) {
        build_rig_start(rig, i, &build_today, 0);
        build_rig_settle(rig, (size_t)i + 1);
    }
}

static void one_node_keeps_what_it_acknowledged(void **state)
{
    struct build_rig *rig = *state;
    build_rig_start(rig, 0, &build_today, 0);
    build_rig_settle(rig, 1);
    for (int i = 0; i < 20; i++) {
        build_rig_propose(rig, 0);
        build_rig_read(rig, 0);
    }
    struct build_status before = build_rig_status(rig, 0);
    assert_true(before.durable_index >= rig->acked_index);
    build_rig_crash(rig, 0);
    build_rig_start(rig, 0, &build_today, 0);
    build_rig_settle(rig, 1);
    struct build_status after = build_rig_status(rig, 0);
    assert_int_equal(after.id, before.id);
    assert_true(after.term > before.term);
    assert_true(after.applied_index > before.last_index);
    build_rig_read(rig, 0);
}

static void three_nodes_serve_each_of_their_clients(void **state)
{
    struct build_rig *rig = *state;
    start_three(rig);
    for (int i = 0; i < 3; i++) {
        build_rig_propose(rig, i);
        build_rig_read(rig, i);
    }
    build_rig_settle(rig, 3);
    uint64_t applied = rig->nodes[0].applied_index;
    assert_true(applied >= rig->acked_index);
    assert_int_equal(rig->nodes[1].applied_index, applied);
    assert_int_equal(rig->nodes[2].applied_index, applied);
}

static void a_lost_leader_is_followed_and_comes_back(void **state)
{
    struct build_rig *rig = *state;
    start_three(rig);
    int lost = build_rig_leader(rig);
    int other = (lost + 1) % 3;
    uint64_t term = build_rig_status(rig, lost).term;
    build_rig_propose(rig, lost);
    build_rig_crash(rig, lost);
    build_rig_propose(rig, other);
    build_rig_read(rig, other);
    assert_true(build_rig_status(rig, other).term > term);
    build_rig_start(rig, lost, &build_today, 0);
    build_rig_settle(rig, 3);
    build_rig_propose(rig, lost);
    build_rig_read(rig, lost);
}

static void entries_have_the_same_term_everywhere(void **state)
{
    struct build_rig *rig = *state;
    start_three(rig);
    build_rig_propose(rig, 1);
    build_rig_settle(rig, 3);
    uint64_t last_index = build_rig_status(rig, 0).last_index;
    for (uint64_t index = 1; index <= last_index; index++) {
        uint64_t terms[3];
        for (int i = 0; i < 3; i++) {
            assert_true(build_today.term_at(rig->nodes[i].node, index, &terms[i]));
        }
        assert_in_range(terms[0], 1, build_rig_status(rig, 0).term);
        assert_int_equal(terms[1], terms[0]);
        assert_int_equal(terms[2], terms[0]);
    }
    uint64_t term;
    assert_false(build_today.term_at(rig->nodes[0].node, last_index + 1, &term));
}

static void who_waits_to_be_taken_in_does_not_run(void **state)
{
    struct build_rig *rig = *state;
    uint64_t term;
    build_rig_start(rig, 1, &build_today, 0); /* nobody is there */
    for (int i = 0; i < 100; i++) {
        build_rig_step(rig);
    }
    struct build_status status = build_rig_status(rig, 1);
    assert_false(status.is_running);
    assert_false(status.is_stopped);
    assert_int_equal(status.id, 2);
    assert_false(build_today.term_at(rig->nodes[1].node, 0, &term));
}

static void a_stopped_node_says_so(void **state)
{
    struct build_rig *rig = *state;
    build_rig_start(rig, 0, &build_today, 0);
    build_rig_settle(rig, 1);
    build_today.stop(rig->nodes[0].node);
    assert_true(build_rig_status(rig, 0).is_stopped);
    assert_false(build_rig_status(rig, 0).is_running);
    assert_int_equal(build_today.read(rig->nodes[0].node, 0, rig->time), QR_ERR_STOPPED);
    assert_true(build_today.deadline(rig->nodes[0].node) == UINT64_MAX);
}

static void what_is_no_frame_is_refused(void **state)
{
    struct build_rig *rig = *state;
    build_rig_start(rig, 0, &build_today, 0);
    build_rig_settle(rig, 1);
    struct build_node *node = rig->nodes[0].node;
    uint8_t frame[BUILD_HELLO_BYTES_MAX] = {0};
    uint8_t response[BUILD_HELLO_BYTES_MAX];
    char reason[BUILD_DETAIL_BYTES];
    size_t response_bytes = 1;
    uint64_t from = 1;
    size_t frame_bytes = build_today.hello(node, false, 0, frame);
    assert_true(frame_bytes > 0);
    frame[frame_bytes - 9] ^= 1;
    assert_int_equal(
        build_today.hello_check(node, frame, frame_bytes, response, &response_bytes, &from),
        QR_ERR_MALFORMED);
    assert_int_equal(response_bytes, 0);
    assert_int_equal(build_today.receive(node, 2, 2, frame, frame_bytes, rig->time),
                     QR_ERR_MALFORMED);
    assert_int_equal(build_today.seed_receive(node, frame, frame_bytes, rig->time),
                     QR_ERR_MALFORMED);
    frame[frame_bytes - 9] ^= 1;
    assert_int_equal(build_today.receive(node, 2, 2, frame, frame_bytes - 8, rig->time),
                     QR_ERR_MALFORMED);
    assert_int_equal(build_today.receive(node, 2, 2, frame, frame_bytes + 8, rig->time),
                     QR_ERR_MALFORMED);
    assert_int_equal(build_today.receive(node, 2, 2, frame, 3, rig->time), QR_ERR_MALFORMED);
    /* A whole frame, but of another type than is due. */
    assert_int_equal(build_today.hello_response_check(node, frame, frame_bytes, false, 0, reason),
                     QR_ERR_MALFORMED);
    assert_string_not_equal(reason, "");
}

static void who_was_not_meant_refuses_in_words(void **state)
{
    struct build_rig *rig = *state;
    start_three(rig);
    uint8_t hello[BUILD_HELLO_BYTES_MAX];
    uint8_t response[BUILD_HELLO_BYTES_MAX];
    char reason[BUILD_DETAIL_BYTES] = "";
    size_t response_bytes = 0;
    uint64_t from = 0;
    size_t hello_bytes = build_today.hello(rig->nodes[0].node, true, 3, hello);
    assert_int_equal(build_today.hello_check(rig->nodes[1].node, hello, hello_bytes, response,
                                             &response_bytes, &from),
                     QR_ERR_FOREIGN);
    assert_int_equal(from, 1);
    assert_int_equal(build_today.hello_response_check(rig->nodes[0].node, response, response_bytes,
                                                      true, 3, reason),
                     QR_ERR_FOREIGN);
    assert_non_null(strstr(reason, "not the node you mean"));
}

static void the_log_is_made_text_only_when_wanted(void **state)
{
    struct build_rig *rig = *state;
    build_rig_start(rig, 0, &build_today, 0);
    build_rig_settle(rig, 1);
    assert_int_equal(rig->nodes[0].line_count, 0);
    build_rig_crash(rig, 0);
    rig->nodes[0].world.is_log_wanted = true;
    build_rig_start(rig, 0, &build_today, 0);
    build_rig_settle(rig, 1);
    assert_true(rig->nodes[0].line_count > 0);
}

static void a_file_is_replaced_in_four_steps(void **state)
{
    struct build_rig *rig = *state;
    build_rig_start(rig, 0, &build_today, 0);
    build_rig_settle(rig, 1);
    const struct build_disk_memory *disk = &rig->nodes[0].disk;
    assert_true(disk->file_op_count > 0);
    assert_int_equal(disk->file_op_count % 4, 0);
    bool has_identity = false;
    for (size_t i = 0; i < BUILD_DISK_FILES_MAX; i++) {
        assert_null(strstr(disk->files[i].name, ".tmp"));
        has_identity |= strcmp(disk->files[i].name, "identity") == 0;
    }
    assert_true(has_identity);
}

struct noted {
    uint64_t order[4]; /* offsets, as the operations ended */
    size_t count;
};

static void note_end(struct disk_op *op)
{
    struct noted *noted = op->context;
    assert_int_equal(op->status, 0);
    noted->order[noted->count++] = op->offset;
}

static void an_operation_that_finds_no_memory_waits_its_turn(void **state)
{
    struct build_disk_memory below;
    struct heap heap;
    struct disk_bridge bridge;
    struct noted noted = {.count = 0};
    uint8_t bytes[8] = "2222222";
    struct disk_part part = {bytes, sizeof(bytes)};
    struct disk_op ops[4];
    (void)state;
    heap_init(&heap);
    build_disk_memory_init(&below);
    assert_int_equal(below.disk.prepare(below.disk.context, "f", 64), 0);
    assert_int_equal(disk_bridge_init(&bridge, &below.disk, &heap.allocator), 0);
    heap.fail_at = heap.allocate_count + 1;
    for (size_t i = 0; i < COUNT_OF(ops); i++) {
        ops[i] = (struct disk_op){.kind = DISK_WRITE,
                                  .name = "f",
                                  .offset = 8 * i,
                                  .parts = &part,
                                  .part_count = 1,
                                  .done = note_end,
                                  .context = &noted};
        bridge.disk.submit(bridge.disk.context, &ops[i]);
    }
    assert_null(below.first->next); /* the others wait, also those that would find memory */
    for (size_t i = 0; i < COUNT_OF(ops); i++) {
        assert_int_equal(noted.count, i);
        assert_true(build_disk_memory_step(&below));
        assert_int_equal(noted.order[i], 8 * i);
    }
    assert_memory_equal(below.files[0].seen + 24, bytes, sizeof(bytes));
    disk_bridge_deinit(&bridge);
    build_disk_memory_deinit(&below);
    heap_deinit(&heap);
}

static void opening_survives_every_missing_allocation(void **state)
{
    struct build_rig *rig = *state;
    struct build_rig_node *self = &rig->nodes[0];
    struct build_options options = {
        .disk = &self->disk.disk, .world = &self->world, .name = "n0", .address = "n0"};
    char detail[BUILD_DETAIL_BYTES] = "";
    struct build_node *node = NULL;
    for (uint64_t i = 1; i <= 3; i++) { /* the adapter's own; the node has a sweep itself */
        rig->heap.fail_at = rig->heap.allocate_count + i;
        assert_int_equal(build_today.open(&options, rig->time, &node, detail), QR_ERR_NO_MEMORY);
        assert_null(node);
        assert_int_equal(rig->heap.block_count, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_node_keeps_what_it_acknowledged, setup, teardown),
        cmocka_unit_test_setup_teardown(three_nodes_serve_each_of_their_clients, setup, teardown),
        cmocka_unit_test_setup_teardown(a_lost_leader_is_followed_and_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(entries_have_the_same_term_everywhere, setup, teardown),
        cmocka_unit_test_setup_teardown(who_waits_to_be_taken_in_does_not_run, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stopped_node_says_so, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_frame_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(who_was_not_meant_refuses_in_words, setup, teardown),
        cmocka_unit_test_setup_teardown(the_log_is_made_text_only_when_wanted, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_is_replaced_in_four_steps, setup, teardown),
        cmocka_unit_test(an_operation_that_finds_no_memory_waits_its_turn),
        cmocka_unit_test_setup_teardown(opening_survives_every_missing_allocation, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
