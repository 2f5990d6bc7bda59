/* test_node_backup.c: a backup is read off a node that runs, and holds it up in nothing. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "node/recovery.h"
#include "unit/backup_sample.h"

static char detail[BACKUP_DETAIL_BYTES];

static int open_backup(int i, raft_index least, size_t *backup)
{
    return node_backup_open(rig.nodes[i].node, least, rig.time, backup, sample);
}

static void any_node_gives_a_whole_one(void **state)
{
    (void)state;
    begin(3);
    write_many(200);
    assert_true(rig_settle(&rig, 3, SETTLE_MS));
    for (int i = 0; i < 3; i++) {
        raft_index least = status_of(i).raft.applied_index;
        take_snapshot(i);
        take_backup(i, least);
        assert_int_equal(check_bytes(sample, sample_bytes, 512, detail), 0);
        struct backup_head head;
        assert_int_equal(backup_head_decode(sample, &head), 0);
        assert_true(head.position.index >= least);
        assert_int_equal(head.node, i + 1);
    }
    end();
}

static void a_snapshot_that_stands_too_low_is_none(void **state)
{
    (void)state;
    size_t backup = 0;
    begin(1);
    assert_int_equal(open_backup(0, 0, &backup), QR_ERR_NOT_FOUND);
    take_snapshot(0);
    raft_index newest = status_of(0).snapshot_index;
    assert_int_equal(open_backup(0, newest + 1, &backup), QR_ERR_NOT_FOUND);
    assert_int_equal(open_backup(0, newest, &backup), 0);
    node_backup_close(rig.nodes[0].node, backup);
    end();
}

static void more_than_the_limit_at_a_time_are_refused(void **state)
{
    (void)state;
    size_t backups[NODE_BACKUPS_MAX];
    size_t other = 99;
    begin(1);
    take_snapshot(0);
    for (size_t i = 0; i < NODE_BACKUPS_MAX; i++) {
        assert_int_equal(open_backup(0, 0, &backups[i]), 0);
    }
    assert_int_equal(open_backup(0, 0, &other), QR_ERR_BUSY);
    assert_int_equal(other, 99);
    node_backup_close(rig.nodes[0].node, backups[0]);
    assert_int_equal(open_backup(0, 0, &other), 0);
    assert_int_equal(other, backups[0]);
    node_backup_close(rig.nodes[0].node, backups[1]);
    node_backup_close(rig.nodes[0].node, other);
    end();
}

/* Who reads slowly gets all of the snapshot that was there when it began. */
static void newer_snapshots_do_not_disturb_it(void **state)
{
    (void)state;
    begin(3);
    write_many(200);
    int i = rig_leader(&rig);
    struct rig_node *self = &rig.nodes[i];
    take_snapshot(i);
    rig.snapshot_bytes = 3000;
    raft_index first = status_of(i).snapshot_index;
    size_t backup = 0;
    assert_int_equal(open_backup(i, 0, &backup), 0);
    self->backup_bytes = 0;
    do {
        write_many(100);
        unsigned count = self->piece_count;
        assert_int_equal(node_backup_read(self->node, backup, rig.time), 0);
        wait_piece(self, count + 1);
        assert_int_equal(self->piece_status, 0);
    } while (self->piece_bytes > 0);
    assert_true(status_of(i).snapshot_index > first);
    memcpy(sample + BACKUP_HEAD_BYTES, self->backup, self->backup_bytes);
    assert_int_equal(check_bytes(sample, BACKUP_HEAD_BYTES + self->backup_bytes, 512, detail), 0);
    node_backup_close(self->node, backup);
    assert_true(rig_settle(&rig, 3, SETTLE_MS));
    end();
}

static void a_closed_one_tells_nothing_any_more(void **state)
{
    (void)state;
    size_t backup = 0;
    begin(1);
    take_snapshot(0);
    assert_int_equal(open_backup(0, 0, &backup), 0);
    unsigned count = rig.nodes[0].piece_count;
    assert_int_equal(node_backup_read(rig.nodes[0].node, backup, rig.time), 0);
    node_turn(rig.nodes[0].node, rig.time); /* the disk has it now */
    node_backup_close(rig.nodes[0].node, backup);
    rig_run(&rig, 100);
    assert_int_equal(rig.nodes[0].piece_count, count);
    end();
}

static void who_waits_is_told_when_the_node_stops(void **state)
{
    (void)state;
    size_t backups[2];
    for (unsigned turns = 0; turns < 2; turns++) {
        begin(1);
        take_snapshot(0);
        assert_int_equal(open_backup(0, 0, &backups[0]), 0);
        assert_int_equal(open_backup(0, 0, &backups[1]), 0);
        unsigned count = rig.nodes[0].piece_count;
        assert_int_equal(node_backup_read(rig.nodes[0].node, backups[1], rig.time), 0);
        if (turns > 0) {
            node_turn(rig.nodes[0].node, rig.time);
        }
        rig_stop(&rig, 0);
        assert_int_equal(rig.nodes[0].piece_count, count + 1);
        assert_int_equal(rig.nodes[0].piece_status, QR_ERR_STOPPED);
        rig_start(&rig, 0);
        end();
    }
}

static void a_node_that_does_not_run_gives_none(void **state)
{
    (void)state;
    size_t backup = 0;
    begin(1);
    take_snapshot(0);
    node_stop(rig.nodes[0].node);
    assert_int_equal(open_backup(0, 0, &backup), QR_ERR_STOPPED);
    rig_stop(&rig, 0);
    rig_start(&rig, 0);
    end();
}

/* Who has the head and asks on, behind a failure that he was not told of. */
static void one_that_is_open_when_the_node_fails_is_refused(void **state)
{
    (void)state;
    size_t backup = 0;
    begin(1);
    take_snapshot(0);
    struct rig_node *self = &rig.nodes[0];
    assert_int_equal(open_backup(0, 0, &backup), 0);
    unsigned count = self->piece_count;
    self->disk.fail_at = self->disk.call_count + 1;
    self->disk.fail_status = QR_ERR_IO;
    rig_propose(&rig, 0);
    for (unsigned passed = 0; !self->is_failed; passed++) {
        assert_true(passed < SETTLE_MS);
        rig_step(&rig);
    }
    assert_int_equal(node_backup_read(self->node, backup, rig.time), QR_ERR_STOPPED);
    node_backup_close(self->node, backup);
    assert_int_equal(self->piece_count, count);
    rig_stop(&rig, 0);
    rig_start(&rig, 0);
    end();
}

/* The file rots behind the node's back: it is said, and the node goes on. */
static void damage_on_the_disk_is_told(void **state)
{
    (void)state;
    size_t backup = 0;
    begin(1);
    take_snapshot(0);
    const char *name = NULL;
    for (size_t i = 0; i < rig.nodes[0].disk.file_count; i++) {
        const char *one = rig.nodes[0].disk.files[i].name;
        name = strncmp(one, "snapshot-", 9) == 0 ? one : name;
    }
    assert_non_null(name);
    disk_memory_flip(&rig.nodes[0].disk, name, 600, 1);
    assert_int_equal(open_backup(0, 0, &backup), 0);
    unsigned count = rig.nodes[0].piece_count;
    assert_int_equal(node_backup_read(rig.nodes[0].node, backup, rig.time), 0);
    wait_piece(&rig.nodes[0], count + 1);
    assert_int_equal(rig.nodes[0].piece_status, QR_ERR_CORRUPT);
    node_backup_close(rig.nodes[0].node, backup);
    write_many(10);
    assert_true(rig_settle(&rig, 1, SETTLE_MS));
    end();
}

static void memory_that_ran_out_is_told(void **state)
{
    (void)state;
    size_t backup = 0;
    begin(1);
    take_snapshot(0);
    assert_int_equal(open_backup(0, 0, &backup), 0);
    unsigned count = rig.nodes[0].piece_count;
    assert_int_equal(node_backup_read(rig.nodes[0].node, backup, rig.time), 0);
    rig.nodes[0].heap.fail_at = rig.nodes[0].heap.allocate_count + 1;
    node_turn(rig.nodes[0].node, rig.time);
    assert_int_equal(rig.nodes[0].piece_count, count + 1);
    assert_int_equal(rig.nodes[0].piece_status, QR_ERR_NO_MEMORY);
    node_backup_close(rig.nodes[0].node, backup);
    end();
}

/* Readers that were given up while they read: each keeps its place until the disk answers. */
static void take_all_readers(int i)
{
    int status = 0;
    for (unsigned taken = 0; status == 0; taken++) {
        size_t backup = 0;
        assert_true(taken < 100);
        status = open_backup(i, 0, &backup);
        if (status == 0) {
            assert_int_equal(node_backup_read(rig.nodes[i].node, backup, rig.time), 0);
            node_turn(rig.nodes[i].node, rig.time);
            node_backup_close(rig.nodes[i].node, backup);
        }
    }
    assert_int_equal(status, QR_ERR_BUSY);
}

/* A disk that reads nothing, but does all else at once. */
static void step_without_reads(int i)
{
    static const enum disk_op_kind kinds[] = {DISK_WRITE, DISK_PREPARE, DISK_REMOVE, DISK_STORE,
                                              DISK_PUBLISH};
    rig_step(&rig);
    for (size_t kind = 0; kind < COUNT_OF(kinds); kind++) {
        while (disk_memory_step_kind(&rig.nodes[i].disk, kinds[kind])) {
        }
    }
}

/* What a leader sent is taken over when there is a place to read it from. */
static void a_snapshot_waits_while_all_readers_are_taken(void **state)
{
    (void)state;
    begin(3);
    int away = follower();
    struct rig_node *self = &rig.nodes[away];
    write_many(60);
    assert_true(rig_settle(&rig, 3, SETTLE_MS));
    take_snapshot(away);
    raft_index own = status_of(away).snapshot_index;
    leave_behind(away, 300);
    self->stalled_until_ns = TIME_NEVER;
    take_all_readers(away);
    cut_off(away, false);
    for (unsigned passed = 0; status_of(away).snapshot_index == own; passed++) {
        assert_true(passed < SETTLE_MS);
        step_without_reads(away);
    }
    for (unsigned passed = 0; passed < 500; passed++) {
        step_without_reads(away);
    }
    assert_false(self->is_failed);
    assert_int_equal(status_of(away).snapshots_installed, 0);
    assert_int_equal(self->restore_count, 0);
    self->stalled_until_ns = 0;
    assert_true(rig_settle(&rig, 3, SETTLE_MS));
    assert_int_equal(status_of(away).snapshots_installed, 1);
    end();
}

/* No head of a backup holds such a term, and no node made of one could count on from there. */
static void a_snapshot_of_too_great_a_term_is_refused(void **state)
{
    (void)state;
    begin(1);
    struct node_status before = status_of(0);
    struct node_recover_plan plan = {
        .cluster = NEW_CLUSTER,
        .former = before.cluster,
        .member = node_configuration(rig.nodes[0].node)->members[0],
        .position = {before.raft.term, before.raft.last_index},
        .term = BACKUP_INDEX_MAX + 1,
        .timestamp_ns = 1,
    };
    char why[NODE_DETAIL_BYTES] = "";
    bool is_made = false;
    rig_stop(&rig, 0);
    int status = node_recover(&rig.heap.allocator, &rig.nodes[0].disk.disk, &plan, &is_made, why);
    assert_int_equal(status, 0);
    rig_start(&rig, 0);
    assert_true(rig_settle(&rig, 1, SETTLE_MS));
    take_snapshot(0);
    size_t backup = 99;
    assert_int_equal(open_backup(0, 0, &backup), QR_ERR_TOO_LARGE);
    assert_int_equal(backup, 99);
    end();
}

/* The rate of snapshots to members holds for backups too, and is used up to it. */
static void it_is_read_no_faster_than_the_rate(void **state)
{
    (void)state;
    rig_init(&rig, 1, 7);
    rig.log_entries_max = KEPT;
    rig.snapshot_bytes = 40000;
    rig.sending_rate = 20000; /* two seconds */
    rig.disk_percent = 100;
    rig_start(&rig, 0);
    assert_true(rig_settle(&rig, 1, SETTLE_MS));
    write_many(10);
    take_snapshot(0);
    time_ns before_ns = rig.time.now_ns;
    take_backup(0, 0);
    time_ns took_ns = rig.time.now_ns - before_ns;
    assert_true(took_ns > 3 * NS_PER_S / 2);
    assert_true(took_ns < 4 * NS_PER_S);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_node_gives_a_whole_one),
        cmocka_unit_test(a_snapshot_that_stands_too_low_is_none),
        cmocka_unit_test(more_than_the_limit_at_a_time_are_refused),
        cmocka_unit_test(newer_snapshots_do_not_disturb_it),
        cmocka_unit_test(a_closed_one_tells_nothing_any_more),
        cmocka_unit_test(who_waits_is_told_when_the_node_stops),
        cmocka_unit_test(a_node_that_does_not_run_gives_none),
        cmocka_unit_test(one_that_is_open_when_the_node_fails_is_refused),
        cmocka_unit_test(damage_on_the_disk_is_told),
        cmocka_unit_test(memory_that_ran_out_is_told),
        cmocka_unit_test(a_snapshot_waits_while_all_readers_are_taken),
        cmocka_unit_test(a_snapshot_of_too_great_a_term_is_refused),
        cmocka_unit_test(it_is_read_no_faster_than_the_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
