/* test_node_snapshots.c: when a node takes a snapshot, what of the log goes then, and a start from
 * it.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "unit/snapshot_cluster.h"

static void a_log_stays_as_short_as_it_is_told_to(void **state)
{
    (void)state;
    begin(3);
    write_many(1000);
    assert_true(rig_settle(&rig, 3, SETTLE_MS));
    rig_run(&rig, 1000);
    for (int i = 0; i < 3; i++) {
        struct node_status now = status_of(i);
        assert_in_range(now.raft.last_index - (now.raft.first_index - 1), KEPT / 2, KEPT);
        assert_true(now.snapshot_index >= now.raft.first_index);
        assert_true(now.snapshots_taken > 10);
        assert_int_equal(now.snapshots_installed, 0);
    }
    end();
}

/* A batch ends only when there is more to apply: the next is handed over in the very next turn. */
static void step_with_more_to_apply(void)
{
    struct rig_node *self = &rig.nodes[0];
    self->is_apply_held = true;
    write_many(1);
    rig_step(&rig);
    if (self->is_batch_held && status_of(0).raft.commit_index > self->applied_index) {
        rig_release_apply(&rig, 0);
    }
}

static void entries_that_always_wait_keep_it_no_longer(void **state)
{
    (void)state;
    begin(1);
    struct rig_node *self = &rig.nodes[0];
    for (unsigned i = 0; i < 1000; i++) {
        step_with_more_to_apply();
    }
    struct node_status now = status_of(0);
    assert_true(now.raft.applied_index > 500);
    assert_true(now.raft.commit_index > self->applied_index); /* they waited */
    assert_true(now.snapshots_taken > 2);
    assert_true(now.raft.applied_index - (now.raft.first_index - 1) <= KEPT);
    assert_int_equal(node_snapshot(self->node, 1, rig.time), 0);
    for (unsigned i = 0; i < 200; i++) {
        step_with_more_to_apply();
    }
    assert_int_equal(self->told_count, 1);
    assert_int_equal(self->told_status, 0);
    rig_release_apply(&rig, 0);
    assert_true(rig_settle(&rig, 1, SETTLE_MS));
    end();
}

static void without_a_limit_it_is_kept_whole(void **state)
{
    (void)state;
    rig_init(&rig, 1, 7);
    rig_start(&rig, 0);
    assert_true(rig_settle(&rig, 1, SETTLE_MS));
    write_many(300);
    rig_run(&rig, 100);
    assert_int_equal(status_of(0).raft.first_index, 1);
    assert_int_equal(status_of(0).snapshot_index, 0);
    end();
}

static void a_state_machine_without_snapshots_keeps_it_whole_too(void **state)
{
    (void)state;
    rig_init(&rig, 1, 7);
    rig.log_entries_max = KEPT;
    rig.is_without_machine = true;
    rig_start(&rig, 0);
    assert_true(rig_settle(&rig, 1, SETTLE_MS));
    write_many(300);
    rig_run(&rig, 100);
    assert_int_equal(status_of(0).raft.first_index, 1);
    assert_int_equal(node_snapshot(rig.nodes[0].node, 1, rig.time), QR_ERR_INVALID);
    end();
}

/* All that is before the log's beginning comes out of the snapshot: keys, members, log time. */
static void a_restart_goes_on_from_snapshot_and_log(void **state)
{
    (void)state;
    begin(3);
    for (int round = 0; round < 4; round++) {
        write_many(150);
        assert_true(rig_settle(&rig, 3, SETTLE_MS));
        for (int i = 0; i < 3; i++) {
            if (round % 2 == 0) {
                rig_stop(&rig, i);
            } else {
                rig_crash(&rig, i);
            }
        }
        for (int i = 0; i < 3; i++) {
            rig_start(&rig, i);
            assert_int_equal(rig.nodes[i].restore_count, 1);
            assert_true(status_of(i).raft.first_index > 1);
            assert_int_equal(node_configuration(rig.nodes[i].node)->count, 3);
        }
        assert_true(rig_settle(&rig, 3, SETTLE_MS));
    }
    end();
}

/* Who is heard of is given the log, however late it is; unless the log grows over its limit. */
static void what_a_live_member_needs_is_kept_up_to_the_limit_of_bytes(void **state)
{
    (void)state;
    for (int is_limited = 0; is_limited < 2; is_limited++) {
        rig_init(&rig, 3, 7);
        rig.log_entries_max = KEPT;
        rig.segment_bytes = UINT64_C(1) << 17;
        rig.payload_bytes = 1024;
        rig.log_bytes_max = is_limited == 1 ? 65536 : UINT64_C(1) << 30;
        for (int i = 0; i < 3; i++) {
            rig_start(&rig, i);
        }
        assert_true(rig_settle(&rig, 3, SETTLE_MS));
        int slow = follower();
        int leader = rig_leader(&rig);
        raft_index before = status_of(slow).raft.durable_index;
        rig.nodes[slow].stalled_until_ns = rig.time.now_ns + 2500 * NS_PER_MS; /* its disk */
        write_many(2000);
        assert_int_equal(rig_leader(&rig), leader);
        assert_true(status_of(leader).snapshot_index > before + 500);
        if (is_limited == 0) {
            assert_true(status_of(leader).raft.first_index <= before + 1);
        } else {
            assert_true(status_of(leader).raft.first_index > before + 500);
        }
        assert_true(rig_settle(&rig, 3, SETTLE_MS));
        assert_int_equal(status_of(slow).snapshots_installed > 0, is_limited == 1);
        end();
    }
}

static void one_is_taken_when_it_is_asked_for(void **state)
{
    (void)state;
    begin(1);
    rig_propose(&rig, 0);
    assert_true(rig_settle(&rig, 1, SETTLE_MS));
    raft_index last = status_of(0).raft.last_index;
    assert_int_equal(node_snapshot(rig.nodes[0].node, 5, rig.time), 0);
    assert_int_equal(rig.nodes[0].told_count, 0);
    rig_run(&rig, 100);
    assert_int_equal(rig.nodes[0].told_count, 1);
    assert_int_equal(rig.nodes[0].told_status, 0);
    assert_int_equal(rig.nodes[0].told_index, last);
    assert_int_equal(status_of(0).snapshot_index, last);
    /* Asked again, what is there will do. */
    assert_int_equal(node_snapshot(rig.nodes[0].node, 6, rig.time), 0);
    rig_run(&rig, 100);
    assert_int_equal(rig.nodes[0].told_count, 2);
    assert_int_equal(status_of(0).snapshots_taken, 1);
    end();
}

static void who_waits_for_one_is_told_when_it_fails_or_the_node_stops(void **state)
{
    (void)state;
    begin(1);
    rig.nodes[0].is_machine_broken = true;
    for (uint64_t i = 0; i < NODE_SNAPSHOT_WAITERS_MAX; i++) {
        assert_int_equal(node_snapshot(rig.nodes[0].node, i, rig.time), 0);
    }
    assert_int_equal(node_snapshot(rig.nodes[0].node, 99, rig.time), QR_ERR_BUSY);
    rig_run(&rig, 100);
    assert_int_equal(rig.nodes[0].told_count, NODE_SNAPSHOT_WAITERS_MAX);
    assert_int_equal(rig.nodes[0].told_status, QR_ERR_NO_MEMORY);
    rig.nodes[0].is_machine_broken = false;
    rig_run(&rig, 2000);
    assert_int_equal(node_snapshot(rig.nodes[0].node, 1, rig.time), 0);
    rig_stop(&rig, 0);
    assert_int_equal(rig.nodes[0].told_count, NODE_SNAPSHOT_WAITERS_MAX + 1);
    assert_int_equal(rig.nodes[0].told_status, QR_ERR_STOPPED);
    end();
}

/* The log goes only behind a snapshot that is durable; a disk without room ends nothing. */
static void on_a_full_disk_nothing_is_compacted_and_nothing_lost(void **state)
{
    (void)state;
    begin(1);
    write_many(15);
    rig.nodes[0].disk.room_bytes = 0;
    rig.snapshot_bytes = 3000;
    write_many(200);
    rig_run(&rig, 3000);
    assert_int_equal(status_of(0).snapshot_index, 0);
    assert_int_equal(status_of(0).raft.first_index, 1);
    rig.nodes[0].disk.room_bytes = UINT64_MAX;
    rig_run(&rig, 3000);
    assert_true(status_of(0).snapshot_index > 100);
    assert_true(status_of(0).raft.first_index > 1);
    end();
}

static struct disk_memory_file *newest_file(int i)
{
    struct disk_memory_file *found = NULL;
    for (size_t f = 0; f < rig.nodes[i].disk.file_count; f++) {
        struct disk_memory_file *file = &rig.nodes[i].disk.files[f];
        bool is_one =
            strncmp(file->name, "snapshot-", 9) == 0 && strstr(file->name, ".tmp") == NULL;
        if (is_one && (found == NULL || strcmp(file->name, found->name) > 0)) {
            found = file;
        }
    }
    return found;
}

static void stop_compacted(void)
{
    begin(1);
    write_many(300);
    rig_run(&rig, 200);
    rig_stop(&rig, 0);
    assert_non_null(newest_file(0));
}

static void a_log_whose_snapshot_is_gone_is_refused(void **state)
{
    (void)state;
    stop_compacted();
    disk_memory_remove(&rig.nodes[0].disk, newest_file(0)->name);
    assert_int_equal(rig_open(&rig, 0), QR_ERR_CORRUPT);
    assert_non_null(strstr(rig.nodes[0].detail, "missing or damaged"));
    rig_deinit(&rig);
}

static void a_damaged_snapshot_is_refused_wherever_it_is(void **state)
{
    (void)state;
    stop_compacted();
    struct disk_memory_file *file = newest_file(0);
    char name[DISK_NAME_BYTES_MAX];
    memcpy(name, file->name, sizeof(name));
    for (uint64_t at = 0; at < file->size_bytes; at += 7) {
        disk_memory_flip(&rig.nodes[0].disk, name, at, at % 8);
        int status = rig_open(&rig, 0);
        if (status == 0) {
            /* Padding between sectors is nobody's. */
            rig_stop(&rig, 0);
        } else if (status != QR_ERR_CORRUPT && status != QR_ERR_VERSION) {
            fail_msg("byte %llu: %d", (unsigned long long)at, status);
        } else {
            assert_non_null(strstr(rig.nodes[0].detail, "snapshot"));
        }
        disk_memory_flip(&rig.nodes[0].disk, name, at, at % 8);
    }
    assert_int_equal(rig_open(&rig, 0), 0);
    end();
}

static void a_snapshot_for_a_state_machine_without_any_is_refused(void **state)
{
    (void)state;
    stop_compacted();
    rig.is_without_machine = true;
    assert_int_equal(rig_open(&rig, 0), QR_ERR_INVALID);
    assert_non_null(strstr(rig.nodes[0].detail, "takes none over"));
    rig.is_without_machine = false;
    assert_int_equal(rig_open(&rig, 0), 0);
    end();
}

/* One that is durable by itself is given no entry twice, and no state that is behind its own. The
 * rig asserts that indexes ascend over all its lives.
 */
static void a_durable_state_machine_is_given_nothing_twice(void **state)
{
    (void)state;
    rig_init(&rig, 3, 7);
    rig.log_entries_max = KEPT;
    rig.is_durable = true;
    for (int i = 0; i < 3; i++) {
        rig_start(&rig, i);
    }
    assert_true(rig_settle(&rig, 3, SETTLE_MS));
    for (int round = 0; round < 6; round++) {
        write_many(37);
        int one = round % 3;
        if (round % 2 == 0) {
            assert_true(rig_settle(&rig, 3, SETTLE_MS));
        }
        rig_crash(&rig, one);
        write_many(20);
        rig_start(&rig, one);
        assert_int_equal(rig.nodes[one].restore_count, 0);
        assert_true(rig_settle(&rig, 3, SETTLE_MS));
    }
    int away = follower();
    leave_behind(away, 200);
    cut_off(away, false);
    assert_true(rig_settle(&rig, 3, SETTLE_MS));
    assert_int_equal(rig.nodes[away].restore_count, 1);
    end();
}

static void one_that_is_ahead_of_its_log_is_refused(void **state)
{
    (void)state;
    rig_init(&rig, 1, 7);
    rig.is_durable = true;
    rig_start(&rig, 0);
    assert_true(rig_settle(&rig, 1, SETTLE_MS));
    write_many(10);
    rig_run(&rig, 100);
    rig_stop(&rig, 0);
    rig.nodes[0].durable.index += 100;
    assert_int_equal(rig_open(&rig, 0), QR_ERR_CORRUPT);
    assert_non_null(strstr(rig.nodes[0].detail, "has applied more"));
    rig_deinit(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_log_stays_as_short_as_it_is_told_to),
        cmocka_unit_test(entries_that_always_wait_keep_it_no_longer),
        cmocka_unit_test(without_a_limit_it_is_kept_whole),
        cmocka_unit_test(a_state_machine_without_snapshots_keeps_it_whole_too),
        cmocka_unit_test(a_restart_goes_on_from_snapshot_and_log),
        cmocka_unit_test(what_a_live_member_needs_is_kept_up_to_the_limit_of_bytes),
        cmocka_unit_test(one_is_taken_when_it_is_asked_for),
        cmocka_unit_test(who_waits_for_one_is_told_when_it_fails_or_the_node_stops),
        cmocka_unit_test(on_a_full_disk_nothing_is_compacted_and_nothing_lost),
        cmocka_unit_test(a_log_whose_snapshot_is_gone_is_refused),
        cmocka_unit_test(a_damaged_snapshot_is_refused_wherever_it_is),
        cmocka_unit_test(a_snapshot_for_a_state_machine_without_any_is_refused),
        cmocka_unit_test(a_durable_state_machine_is_given_nothing_twice),
        cmocka_unit_test(one_that_is_ahead_of_its_log_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
