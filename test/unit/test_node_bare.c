/* test_node_bare.c: snapshots of a state machine that is durable by itself: without its state, and
 * with it where a member needs it.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "node/content.h"
#include "support/node_solo.h"
#include "unit/snapshot_cluster.h"

#define PADDING_BYTES 50000

/* The same cluster, of state machines that are durable by themselves. */
static void begin_durable(int count)
{
    rig_init(&rig, count, 7);
    rig.log_entries_max = KEPT;
    rig.is_durable = true;
    rig.snapshot_bytes = PADDING_BYTES;
    for (int i = 0; i < count; i++) {
        rig_start(&rig, i);
    }
    assert_true(rig_settle(&rig, (size_t)count, SETTLE_MS));
}

static uint64_t snapshot_file_bytes(int i)
{
    uint64_t size_bytes = 0;
    for (size_t f = 0; f < rig.nodes[i].disk.file_count; f++) {
        const struct disk_memory_file *file = &rig.nodes[i].disk.files[f];
        if (strncmp(file->name, "snapshot-", 9) == 0) {
            size_bytes += file->size_bytes;
        }
    }
    return size_bytes;
}

static void the_log_is_compacted_without_reading_the_state(void **state)
{
    (void)state;
    begin_durable(3);
    write_many(1000);
    assert_true(rig_settle(&rig, 3, SETTLE_MS));
    rig_run(&rig, 1000);
    for (int i = 0; i < 3; i++) {
        struct node_status now = status_of(i);
        assert_in_range(now.raft.last_index - (now.raft.first_index - 1), KEPT / 2, KEPT);
        assert_true(now.snapshots_taken > 10);
        assert_true(now.is_snapshot_bare);
        assert_int_equal(rig.nodes[i].view_count, 0);
        assert_in_range(snapshot_file_bytes(i), 1, 4096);
    }
    end();
}

static void nothing_goes_beyond_what_it_says_is_durable(void **state)
{
    (void)state;
    begin_durable(1);
    struct rig_node *self = &rig.nodes[0];
    write_many(100);
    rig_run(&rig, 100);
    self->is_sync_held = true;
    uint64_t stands_at = self->durable.index;
    write_many(300);
    rig_run(&rig, 2000);
    assert_true(self->applied_index > stands_at + 200);
    assert_true(status_of(0).snapshot_index <= stands_at);
    assert_true(status_of(0).raft.first_index <= stands_at + 1);

    /* What it lost, the log still has. */
    rig_crash(&rig, 0);
    rig_start(&rig, 0);
    assert_int_equal(self->applied_index, stands_at);
    assert_true(rig_settle(&rig, 1, SETTLE_MS));
    assert_int_equal(self->restore_count, 0);
    assert_true(self->applied_index > stands_at + 200);

    self->is_sync_held = false;
    write_many(100);
    rig_run(&rig, 1000);
    assert_true(status_of(0).snapshot_index > stands_at + 200);
    assert_true(status_of(0).raft.first_index > stands_at + 1);
    end();
}

/* Ask for one, and for another behind one more entry, which is applied by then or just being. */
static void ask_for_two(bool is_being_applied)
{
    begin_durable(1);
    struct rig_node *self = &rig.nodes[0];
    self->is_sync_held = true; /* the first one waits for what is applied */
    write_many(1);
    assert_true(rig_settle(&rig, 1, SETTLE_MS));
    raft_index first = self->applied_index;
    assert_int_equal(node_snapshot(self->node, 1, rig.time), 0);
    rig_run(&rig, 100);
    self->is_apply_held = is_being_applied;
    write_many(1);
    rig_run(&rig, 100);
    assert_int_equal(self->is_batch_held, is_being_applied);
    raft_index second = self->applied_index;
    assert_true(second > first);
    assert_int_equal(node_snapshot(self->node, 2, rig.time), 0);
    rig_release_apply(&rig, 0);
    rig_run(&rig, 100);
    assert_int_equal(self->told_count, 0);

    self->is_sync_held = false;
    while (self->told_count == 0) {
        rig_step(&rig);
    }
    assert_int_equal(self->told_count, 1);
    assert_int_equal(self->told_index, first);
    rig_run(&rig, 100);
    assert_int_equal(self->told_count, 2);
    assert_int_equal(self->told_status, 0);
    assert_int_equal(self->told_index, second);
    end();
}

static void who_asks_while_one_is_taken_gets_one_that_has_all(void **state)
{
    (void)state;
    ask_for_two(false);
}

/* Answers for a batch may go out before the node is told of its end. */
static void who_asks_while_a_batch_is_applied_gets_one_that_has_it(void **state)
{
    (void)state;
    ask_for_two(true);
}

/* Whenever it goes down, and whatever of the state is durable by then. */
static void each_crash_leaves_log_snapshot_and_state_that_fit(void **state)
{
    (void)state;
    begin_durable(1);
    struct rig_node *self = &rig.nodes[0];
    for (unsigned round = 0; round < 150; round++) {
        for (unsigned i = 0; i < 10 + round % 37; i++) {
            self->is_sync_held = prng_between(&rig.prng, 0, 9) < 8;
            write_many(1);
        }
        rig_crash(&rig, 0);
        rig_start(&rig, 0);
        assert_int_equal(self->restore_count, 0);
        while (rig_leader(&rig) < 0) {
            rig_step(&rig);
        }
    }
    self->is_sync_held = false;
    assert_true(rig_settle(&rig, 1, SETTLE_MS));
    assert_true(status_of(0).raft.first_index > 1000);
    end();
}

static void a_member_that_is_behind_is_sent_the_state(void **state)
{
    (void)state;
    begin_durable(3);
    int away = follower();
    int leader = rig_leader(&rig);
    for (int round = 1; round <= 2; round++) {
        leave_behind(away, 200);
        /* Nothing is written meanwhile: one with the state takes the place of the bare one. */
        assert_int_equal(node_snapshot(rig.nodes[leader].node, 5, rig.time), 0);
        rig_run(&rig, 3000);
        assert_int_equal(rig_leader(&rig), leader);
        assert_int_equal(status_of(leader).snapshot_index, status_of(leader).raft.applied_index);
        assert_true(status_of(leader).is_snapshot_bare);
        cut_off(away, false);
        assert_true(rig_settle(&rig, 3, SETTLE_MS));
        assert_int_equal(rig.nodes[away].restore_count, round);
        assert_int_equal(rig.nodes[leader].view_count, round);
        assert_int_equal(rig_leader(&rig), leader);
        assert_false(status_of(leader).is_snapshot_bare);
        assert_false(status_of(away).is_snapshot_bare);
        write_many(200);
        assert_true(rig_settle(&rig, 3, SETTLE_MS));
        rig_run(&rig, 1000);
        assert_true(status_of(leader).is_snapshot_bare);
        assert_true(status_of(away).is_snapshot_bare);
        assert_in_range(snapshot_file_bytes(leader), 1, 4096);
    }
    end();
}

static void after_a_restart_none_is_sent_either(void **state)
{
    (void)state;
    begin_durable(3);
    int away = follower();
    leave_behind(away, 200);
    for (int i = 0; i < 3; i++) {
        if (i != away) {
            assert_true(status_of(i).is_snapshot_bare);
            rig_crash(&rig, i);
            rig_start(&rig, i);
            assert_true(status_of(i).is_snapshot_bare);
        }
    }
    cut_off(away, false);
    assert_true(rig_settle(&rig, 3, SETTLE_MS));
    assert_int_equal(rig.nodes[away].restore_count, 1);
    end();
}

/* The log notes what is committed some time after. Who is to help the leader commit more needs the
 * state first, and the state is ahead of what is noted.
 */
static void after_a_crash_the_state_is_sent_before_there_is_a_commit(void **state)
{
    (void)state;
    begin_durable(3);
    int away = follower();
    int leader = rig_leader(&rig);
    int other = 3 - away - leader;
    leave_behind(away, 200);
    write_many(1);
    raft_index last_index = status_of(leader).raft.last_index;
    while (rig.nodes[leader].durable.index < last_index) {
        rig_step(&rig);
    }
    rig_crash(&rig, other);
    rig_crash(&rig, leader);
    rig_start(&rig, leader);
    assert_true(status_of(leader).raft.commit_index >= last_index);
    cut_off(away, false);
    assert_true(rig_settle(&rig, 3, SETTLE_MS));
    assert_int_equal(rig.nodes[away].restore_count, 1);
    end();
}

/* A bare one waits for the state machine; the member's need does not. */
static void what_a_member_needs_waits_for_no_sync(void **state)
{
    (void)state;
    begin_durable(3);
    int away = follower();
    int leader = rig_leader(&rig);
    leave_behind(away, 200);
    struct rig_node *self = &rig.nodes[leader];
    self->is_sync_held = true;
    write_many(100);
    rig_run(&rig, 1000);
    assert_true(status_of(leader).snapshot_index <= self->durable.index);
    cut_off(away, false);
    assert_true(rig_settle(&rig, 3, SETTLE_MS));
    assert_int_equal(rig.nodes[away].restore_count, 1);
    assert_int_equal(rig_leader(&rig), leader);
    assert_true(status_of(leader).snapshot_index > self->durable.index);
    assert_false(status_of(leader).is_snapshot_bare);

    /* It stands behind the newest snapshot, which has what it lacks. */
    rig_crash(&rig, leader);
    rig_start(&rig, leader);
    assert_int_equal(self->restore_count, 1);
    self->is_sync_held = false;
    assert_true(rig_settle(&rig, 3, SETTLE_MS));
    end();
}

static void a_state_that_cannot_be_read_keeps_no_log(void **state)
{
    (void)state;
    rig_init(&rig, 3, 7);
    rig.log_entries_max = KEPT;
    rig.log_bytes_max = 65536; /* over it no member is waited for */
    rig.segment_bytes = UINT64_C(1) << 17;
    rig.payload_bytes = 1024;
    rig.is_durable = true;
    for (int i = 0; i < 3; i++) {
        rig_start(&rig, i);
    }
    assert_true(rig_settle(&rig, 3, SETTLE_MS));
    int away = follower();
    int leader = rig_leader(&rig);
    leave_behind(away, 200);
    rig.nodes[leader].is_machine_broken = true;
    cut_off(away, false);
    rig_run(&rig, 2000);
    raft_index before = status_of(leader).snapshot_index;
    write_many(1000);
    rig_run(&rig, 8000);
    write_many(100);
    assert_int_equal(rig_leader(&rig), leader);
    assert_true(status_of(leader).snapshot_index > before + 500);
    assert_true(status_of(leader).raft.first_index > before + 500);
    assert_int_equal(rig.nodes[away].restore_count, 0);
    rig.nodes[leader].is_machine_broken = false;
    assert_true(rig_settle(&rig, 3, SETTLE_MS));
    assert_true(rig.nodes[away].restore_count > 0);
    end();
}

static void stop_with_a_bare_one(void)
{
    begin_durable(1);
    write_many(300);
    rig_run(&rig, 1000);
    assert_true(status_of(0).is_snapshot_bare);
    assert_true(status_of(0).raft.first_index > 1);
    rig_stop(&rig, 0);
}

static void a_state_machine_that_lost_data_is_refused(void **state)
{
    (void)state;
    stop_with_a_bare_one();
    struct rig_node *self = &rig.nodes[0];
    struct rig_state was = self->durable;
    uint64_t at[] = {0, was.index - 2 * KEPT};
    for (size_t i = 0; i < 2; i++) {
        self->durable.index = at[i];
        assert_int_equal(rig_open(&rig, 0), QR_ERR_CORRUPT);
        assert_non_null(strstr(self->detail, "it lost data"));
        assert_false(self->is_restoring); /* it still has what it had */
    }
    self->durable = was;
    assert_int_equal(rig_open(&rig, 0), 0);
    assert_true(rig_settle(&rig, 1, SETTLE_MS));
    write_many(50);
    end();
}

static void one_in_memory_does_not_start_from_a_bare_one(void **state)
{
    (void)state;
    stop_with_a_bare_one();
    rig.is_durable = false;
    assert_int_equal(rig_open(&rig, 0), QR_ERR_CORRUPT);
    assert_non_null(strstr(rig.nodes[0].detail, "without its state"));
    rig.is_durable = true;
    assert_int_equal(rig_open(&rig, 0), 0);
    end();
}

/* Sessions are in it: what was done before is not done again. */
static void a_repeat_of_what_is_before_it_is_not_applied(void **state)
{
    (void)state;
    rig_init(&rig, 3, 7);
    rig.log_entries_max = KEPT;
    rig.is_durable = true;
    rig.is_once = true;
    for (int i = 0; i < 3; i++) {
        rig_start(&rig, i);
    }
    assert_true(rig_settle(&rig, 3, SETTLE_MS));
    write_many(200);
    assert_true(rig_settle(&rig, 3, SETTLE_MS));
    for (int i = 0; i < 3; i++) {
        rig_crash(&rig, i);
    }
    for (int i = 0; i < 3; i++) {
        rig_start(&rig, i);
        assert_int_equal(rig.nodes[i].restore_count, 0);
        assert_true(status_of(i).raft.first_index > 100);
    }
    assert_true(rig_settle(&rig, 3, SETTLE_MS));
    uint64_t count = rig.nodes[0].applied_count;
    assert_int_equal(rig.outcomes[20], RIG_DONE);
    rig_repeat(&rig, rig_leader(&rig), 20);
    assert_true(rig_settle(&rig, 3, SETTLE_MS));
    assert_int_equal(rig.outcomes[20], RIG_DONE);
    assert_int_equal(rig.nodes[0].applied_count, count);
    end();
}

/* A bare content, as a piece of a leader's snapshot. */
static size_t make_content(bool is_bare, uint8_t *out)
{
    struct content_writer writer = {.codec = NULL};
    struct content_head head = {.position = {1, 50}, .timestamp_ns = 5000, .is_bare = is_bare};
    size_t size_bytes = content_write_head(&writer, &head, out);
    if (!is_bare) {
        size_bytes +=
            content_write(&writer, CONTENT_MACHINE, (uint8_t[24]){0}, 24, out + size_bytes);
    }
    return size_bytes + content_write_end(&writer, out + size_bytes);
}

static void a_member_refuses_one_from_a_leader(void **state)
{
    static struct solo solo;
    (void)state;
    for (int is_bare = 0; is_bare < 2; is_bare++) {
        uint8_t bytes[4096];
        solo_init(&solo);
        struct rig_node machine = {.rig = &rig};
        solo.options.io.machine = rig_machine(&machine);
        solo_join(&solo);
        solo_forget(&solo);
        size_t size_bytes = make_content(is_bare == 1, bytes);
        struct chunk *chunk = chunk_new(&solo.outside.allocator, (uint32_t)size_bytes);
        assert_non_null(chunk);
        memcpy(chunk->data, bytes, size_bytes);
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
        solo_receive(&solo, 2, &message);
        chunk_drop(chunk);
        solo_run(&solo, 10);
        const struct solo_sent *sent = solo_last(&solo, RAFT_INSTALL_SNAPSHOT_RESPONSE);
        assert_non_null(sent);
        assert_int_equal(sent->message.raft.install_snapshot_response.is_refused, is_bare == 1);
        solo_stop(&solo);
        solo_deinit(&solo);
    }
}

/* Whether it asks before the log is read again up to there, or after. */
static void of_what_it_has_already_the_result_is_forgotten(void **state)
{
    (void)state;
    rig_init(&rig, 1, 7);
    rig.is_durable = true;
    rig.is_once = true;
    rig_start(&rig, 0);
    assert_true(rig_settle(&rig, 1, SETTLE_MS));
    write_many(5);
    rig_run(&rig, 100);
    rig_repeat(&rig, 0, 4);
    rig_run(&rig, 100);
    assert_int_equal(rig.ended_status, 0);
    uint64_t applied_count = rig.nodes[0].applied_count;

    rig_crash(&rig, 0);
    rig_start(&rig, 0);
    assert_true(status_of(0).raft.applied_index < rig.nodes[0].applied_index);
    for (uint64_t number = 4; number >= 3; number--) {
        rig_repeat(&rig, 0, number);
        rig_run(&rig, 2000);
        assert_int_equal(rig.outcomes[number], RIG_UNKNOWN);
        assert_int_equal(rig.ended_status, QR_ERR_FORGOTTEN);
    }
    assert_int_equal(rig.nodes[0].applied_count, applied_count);
    write_many(1);
    rig_run(&rig, 100);
    assert_int_equal(rig.ended_status, 0);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_log_is_compacted_without_reading_the_state),
        cmocka_unit_test(nothing_goes_beyond_what_it_says_is_durable),
        cmocka_unit_test(who_asks_while_one_is_taken_gets_one_that_has_all),
        cmocka_unit_test(who_asks_while_a_batch_is_applied_gets_one_that_has_it),
        cmocka_unit_test(each_crash_leaves_log_snapshot_and_state_that_fit),
        cmocka_unit_test(a_member_that_is_behind_is_sent_the_state),
        cmocka_unit_test(after_a_restart_none_is_sent_either),
        cmocka_unit_test(after_a_crash_the_state_is_sent_before_there_is_a_commit),
        cmocka_unit_test(what_a_member_needs_waits_for_no_sync),
        cmocka_unit_test(a_state_that_cannot_be_read_keeps_no_log),
        cmocka_unit_test(a_state_machine_that_lost_data_is_refused),
        cmocka_unit_test(one_in_memory_does_not_start_from_a_bare_one),
        cmocka_unit_test(a_repeat_of_what_is_before_it_is_not_applied),
        cmocka_unit_test(of_what_it_has_already_the_result_is_forgotten),
        cmocka_unit_test(a_member_refuses_one_from_a_leader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
