/* test_node_backup_restore.c: a directory becomes that of a new cluster, or of none, whatever the
 * moment of a crash and whichever call of the disk fails.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/crc32c.h"
#include "unit/backup_sample.h"

#define CALLS_MAX 400

static char detail[NODE_DETAIL_BYTES];

/* The rig's node 0 gets this disk, and is started on it. */
static int open_on(const struct disk_memory *disk)
{
    assert_null(rig.nodes[0].node);
    disk_memory_deinit(&rig.nodes[0].disk);
    disk_memory_copy(&rig.nodes[0].disk, disk);
    return rig_open(&rig, 0);
}

/* It leads a cluster of its own that is the new one, with all that was in the sample. */
static void runs_restored(const struct disk_memory *disk)
{
    struct backup_head head;
    assert_int_equal(backup_head_decode(sample, &head), 0);
    int status = open_on(disk);
    if (status != 0) {
        fail_msg("it does not open: %s", rig.nodes[0].detail);
    }
    assert_true(rig_settle(&rig, 1, SETTLE_MS));
    struct node_status now = status_of(0);
    assert_true(cluster_id_equal(now.cluster, NEW_CLUSTER));
    assert_true(now.raft.applied_index > head.position.index);
    assert_int_equal(rig.nodes[0].restore_count, 1);
}

static void nothing_is_lost_and_others_join(void **state)
{
    (void)state;
    struct disk_memory disk;
    disk_memory_init(&disk);
    make_sample(3, 200);
    raft_index last = rig.acked_index;
    time_ns log_time_ns = node_log_time(rig.nodes[rig_leader(&rig)].node, rig.time);
    for (int i = 0; i < 3; i++) {
        rig_stop(&rig, i);
    }
    assert_int_equal(restore_bytes(&disk, sample, sample_bytes, detail), 0);
    struct node_identity identity;
    assert_int_equal(node_identity_read(&disk.disk, &identity, detail), 0);
    assert_true(cluster_id_equal(identity.former, ((struct cluster_id){7, 7})));
    assert_true(identity.recovery.timestamp_ns + 60 * NS_PER_S > log_time_ns);
    rig.time.wall_ns -= 500 * NS_PER_S; /* the clock went back: log time does not */
    runs_restored(&disk);
    assert_true(status_of(0).snapshot_index >= last);
    assert_true(node_log_time(rig.nodes[0].node, rig.time) + 60 * NS_PER_S > log_time_ns);
    disk_memory_deinit(&rig.nodes[1].disk);
    disk_memory_init(&rig.nodes[1].disk);
    rig_start(&rig, 1);
    assert_true(rig_settle(&rig, 2, SETTLE_MS));
    write_many(50);
    assert_true(rig_settle(&rig, 2, SETTLE_MS));
    /* A node of the cluster that was backed up is a stranger to the new one. */
    rig_start(&rig, 2);
    rig_run(&rig, 5000);
    assert_int_equal(node_configuration(rig.nodes[0].node)->count, 2);
    rig_stop(&rig, 2);
    end();
    disk_memory_deinit(&disk);
}

static void a_token_gets_its_first_answer_behind_a_restore(void **state)
{
    (void)state;
    struct disk_memory disk;
    disk_memory_init(&disk);
    rig_init(&rig, 1, 7);
    rig.log_entries_max = KEPT;
    rig.is_once = true;
    rig_start(&rig, 0);
    assert_true(rig_settle(&rig, 1, SETTLE_MS));
    write_many(60);
    rig_run(&rig, 500);
    assert_int_equal(rig.outcomes[5], RIG_DONE);
    take_snapshot(0);
    take_backup(0, status_of(0).raft.applied_index);
    rig_stop(&rig, 0);
    assert_int_equal(restore_bytes(&disk, sample, sample_bytes, detail), 0);
    runs_restored(&disk);
    uint64_t applied_count = rig.nodes[0].applied_count;
    rig_repeat(&rig, 0, 5);
    rig_run(&rig, 500);
    assert_int_equal(rig.outcomes[5], RIG_DONE);
    assert_int_equal(rig.nodes[0].applied_count, applied_count);
    end();
    disk_memory_deinit(&disk);
}

static void a_directory_that_holds_anything_is_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"identity", "log-0000000000000001", "letter",
                                        "snapshot-0000000000000009"};
    make_sample(1, 20);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct disk_memory disk;
        disk_memory_init(&disk);
        assert_int_equal(disk_replace(&disk.disk, names[i], "x", 1), 0);
        uint64_t mutations = disk.mutation_count;
        assert_int_equal(restore_bytes(&disk, sample, sample_bytes, detail), QR_ERR_INVALID);
        assert_non_null(strstr(detail, names[i]));
        assert_int_equal(disk.mutation_count, mutations);
        disk_memory_deinit(&disk);
    }
    end();
}

/* Damage that shows only on the way: what was begun is taken back. */
static void damage_leaves_an_empty_directory(void **state)
{
    (void)state;
    make_sample(1, 60);
    for (size_t at = 0; at < sample_bytes; at += 13) {
        struct disk_memory disk;
        disk_memory_init(&disk);
        sample[at] ^= 4;
        int status = restore_bytes(&disk, sample, sample_bytes, detail);
        assert_true(status == QR_ERR_FOREIGN || status == QR_ERR_CORRUPT ||
                    status == QR_ERR_VERSION);
        assert_true(detail[0] != '\0');
        assert_int_equal(disk.file_count, 0);
        disk_memory_deinit(&disk);
        sample[at] ^= 4;
    }
    struct disk_memory disk;
    disk_memory_init(&disk);
    assert_int_equal(restore_bytes(&disk, sample, sample_bytes - 1, detail), QR_ERR_CORRUPT);
    assert_int_equal(disk.file_count, 0);
    disk_memory_deinit(&disk);
    end();
}

/* A table of sessions that a start would refuse, under checksums that are all right. */
static void sessions_that_do_not_decode_leave_an_empty_directory(void **state)
{
    (void)state;
    struct disk_memory disk;
    struct backup_head head;
    struct content_writer writer = {.codec = NULL};
    struct raft_configuration alone = {.count = 1, .members = {{.id = 1, .roles = RAFT_VOTER}}};
    uint8_t payload[RAFT_CONFIGURATION_BYTES_MAX];
    make_sample(1, 20);
    assert_int_equal(backup_head_decode(sample, &head), 0);
    struct content_head content = {.position = head.position,
                                   .configuration_index = 1,
                                   .configuration = payload,
                                   .configuration_bytes =
                                       raft_configuration_encode(&alone, payload)};
    size_t at = BACKUP_HEAD_BYTES;
    at += content_write_head(&writer, &content, sample + at);
    at += content_write(&writer, CONTENT_SESSIONS, "no table", 8, sample + at);
    at += content_write_end(&writer, sample + at);
    head.content_bytes = at - BACKUP_HEAD_BYTES;
    head.content_checksum = crc32c(0, sample + BACKUP_HEAD_BYTES, head.content_bytes);
    backup_head_encode(&head, sample);
    disk_memory_init(&disk);
    assert_int_equal(restore_bytes(&disk, sample, at, detail), QR_ERR_CORRUPT);
    assert_non_null(strstr(detail, "sessions"));
    assert_int_equal(disk.file_count, 0);
    disk_memory_deinit(&disk);
    end();
}

static void what_is_given_up_leaves_an_empty_directory(void **state)
{
    (void)state;
    make_sample(1, 60);
    for (size_t steps = 0; steps < 4; steps++) {
        struct disk_memory disk;
        struct restoring self;
        disk_memory_init(&disk);
        assert_int_equal(restoring_begin(&self, &disk), 0);
        for (size_t i = 0; i < steps; i++) {
            restoring_give(&self, sample, sample_bytes / 2);
            (void)disk_memory_step(&disk);
        }
        if (!self.is_finished) {
            backup_restore_abandon(self.restore);
        }
        disk_memory_run(&disk);
        assert_true(backup_restore_is_over(self.restore));
        assert_true(restoring_end(&self) != 0);
        assert_int_equal(disk.file_count, 0);
        disk_memory_deinit(&disk);
    }
    end();
}

/* What a directory is after something went wrong: refused, and good for another try; or done. */
static void is_one_or_the_other(struct disk_memory *disk)
{
    int status = open_on(disk);
    if (status == 0) {
        bool is_new =
            !status_of(0).is_joining && cluster_id_equal(status_of(0).cluster, NEW_CLUSTER);
        rig_stop(&rig, 0);
        if (is_new) {
            runs_restored(disk);
            rig_stop(&rig, 0);
            return;
        }
    } else {
        if (strstr(rig.nodes[0].detail, "was not finished") == NULL) {
            fail_msg("it is refused for another reason: %s", rig.nodes[0].detail);
        }
    }
    if (restore_bytes(disk, sample, sample_bytes, detail) != 0) {
        fail_msg("it cannot be tried again: %s", detail);
    }
    runs_restored(disk);
    rig_stop(&rig, 0);
}

/* Which of what is not synced a crash leaves. */
static bool keep_even(void *context, size_t number)
{
    (void)context;
    return number % 2 == 0;
}

static bool keep_all(void *context, size_t number)
{
    (void)context;
    (void)number;
    return true;
}

/* After `steps` of the disk the power goes. False: it was done before. */
static bool crash_after(size_t steps, bool (*keep)(void *context, size_t number))
{
    struct disk_memory disk;
    struct restoring self;
    disk_memory_init(&disk);
    assert_int_equal(restoring_begin(&self, &disk), 0);
    restoring_give(&self, sample, sample_bytes);
    for (size_t i = 0; i < steps; i++) {
        (void)disk_memory_step(&disk);
        restoring_give(&self, sample, sample_bytes);
    }
    bool was_over = backup_restore_is_over(self.restore);
    disk_memory_stop(&disk);
    (void)restoring_end(&self);
    disk_memory_crash(&disk, keep, NULL);
    is_one_or_the_other(&disk);
    disk_memory_deinit(&disk);
    return !was_over;
}

static void a_crash_at_any_moment_leaves_one_or_the_other(void **state)
{
    (void)state;
    make_sample(1, 60);
    rig_stop(&rig, 0);
    bool (*const keeps[])(void *, size_t) = {NULL, keep_even, keep_all};
    for (size_t i = 0; i < COUNT_OF(keeps); i++) {
        size_t steps = 0;
        while (crash_after(steps, keeps[i])) {
            steps++;
            assert_true(steps < CALLS_MAX);
        }
        assert_true(steps > 5);
    }
    rig_deinit(&rig);
}

/* One call of the disk fails. */
static int restore_failing_at(struct disk_memory *disk, uint64_t at, int fail_status)
{
    disk->fail_at = at;
    disk->fail_status = fail_status;
    int status = restore_bytes(disk, sample, sample_bytes, detail);
    disk->fail_at = 0;
    disk->has_write_failed = false; /* another process: another try */
    return status;
}

struct failing {
    int status;
    bool is_crashed;
    bool (*keep)(void *context, size_t number);
};

struct failed {
    unsigned late;    /* it is done, and the first start has something to finish */
    unsigned unknown; /* nobody knows */
};

/* Then the power goes; or the next try comes at once. What was said to be done stays done. */
static bool fail_at(uint64_t at, const struct failing *row, struct failed *failed)
{
    struct disk_memory disk;
    disk_memory_init(&disk);
    int status = restore_failing_at(&disk, at, row->status);
    bool was_reached = disk.call_count >= at;
    assert_true(status == 0 || detail[0] != '\0');
    if (status != 0 && status != QR_ERR_CANCELLED) { /* what is said to be not done is not */
        struct node_identity identity;
        char why[NODE_DETAIL_BYTES];
        assert_int_equal(node_identity_read(&disk.disk, &identity, why), QR_ERR_NOT_FOUND);
    }
    failed->late += status == 0 && detail[0] != '\0';
    failed->unknown += status == QR_ERR_CANCELLED;
    if (row->is_crashed) {
        disk_memory_stop(&disk);
        disk_memory_crash(&disk, row->keep, NULL);
    }
    if (status == 0) {
        runs_restored(&disk);
        rig_stop(&rig, 0);
    } else {
        is_one_or_the_other(&disk);
    }
    disk_memory_deinit(&disk);
    return was_reached;
}

static void whatever_call_fails_it_is_said_and_may_be_tried_again(void **state)
{
    (void)state;
    static const struct failing rows[] = {
        {QR_ERR_IO, false, NULL},     {QR_ERR_DISK_FULL, false, NULL},    {QR_ERR_IO, true, NULL},
        {QR_ERR_IO, true, keep_even}, {QR_ERR_DISK_FULL, true, keep_all},
    };
    make_sample(1, 60);
    rig_stop(&rig, 0);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint64_t at = 1;
        struct failed failed = {0};
        while (fail_at(at, &rows[i], &failed)) {
            at++;
            assert_true(at < CALLS_MAX);
        }
        assert_true(at > 10);
        assert_true(failed.late > 0);
        assert_int_equal(failed.unknown, 1); /* the sync of the identity's name */
    }
    rig_deinit(&rig);
}

/* What an earlier try left is removed first: more of it than is wanted now, too. */
static void another_backup_may_follow_one_that_was_not_finished(void **state)
{
    (void)state;
    struct disk_memory disk;
    disk_memory_init(&disk);
    make_sample(1, 60);
    rig_stop(&rig, 0);
    assert_int_equal(disk_replace(&disk.disk, BACKUP_RESTORE_NOTE, "x", 1), 0);
    assert_int_equal(disk_replace(&disk.disk, "snapshot-00000000000fffff", "x", 1), 0);
    assert_int_equal(disk_replace(&disk.disk, "snapshot-0000000000000001", "x", 1), 0);
    assert_int_equal(open_on(&disk), QR_ERR_INVALID);
    assert_non_null(strstr(rig.nodes[0].detail, "was not finished"));
    assert_int_equal(restore_bytes(&disk, sample, sample_bytes, detail), 0);
    assert_int_equal(disk.file_count, 3); /* identity, log, snapshot */
    runs_restored(&disk);
    end();
    disk_memory_deinit(&disk);
}

static void memory_that_ran_out_is_said_and_leaves_nothing(void **state)
{
    (void)state;
    make_sample(1, 60);
    rig_stop(&rig, 0);
    bool has_ended = false;
    for (uint64_t at = 1; !has_ended; at++) {
        struct disk_memory disk;
        struct restoring self;
        disk_memory_init(&disk);
        heap_init(&self.heap);
        self.heap.fail_at = at;
        struct backup_restore_options options = {
            .allocator = &self.heap.allocator,
            .disk = &disk.disk,
            .cluster = NEW_CLUSTER,
            .member = {.id = 1, .name = "n0", .address = "n0"},
            .snapshot_chunk_bytes = 512,
        };
        self.given_bytes = 0;
        self.is_finished = false;
        int status = backup_restore_new(&options, &self.restore, self.detail);
        if (status == 0) {
            bool has_more = true;
            while (has_more) {
                restoring_give(&self, sample, sample_bytes);
                has_more = disk_memory_step(&disk);
            }
            status = restoring_end(&self);
        } else {
            heap_deinit(&self.heap);
        }
        assert_true(status == 0 || status == QR_ERR_NO_MEMORY);
        has_ended = status == 0;
        assert_true(at < 100);
        is_one_or_the_other(&disk);
        disk_memory_deinit(&disk);
    }
    rig_deinit(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_lost_and_others_join),
        cmocka_unit_test(a_token_gets_its_first_answer_behind_a_restore),
        cmocka_unit_test(a_directory_that_holds_anything_is_refused),
        cmocka_unit_test(damage_leaves_an_empty_directory),
        cmocka_unit_test(sessions_that_do_not_decode_leave_an_empty_directory),
        cmocka_unit_test(what_is_given_up_leaves_an_empty_directory),
        cmocka_unit_test(a_crash_at_any_moment_leaves_one_or_the_other),
        cmocka_unit_test(whatever_call_fails_it_is_said_and_may_be_tried_again),
        cmocka_unit_test(another_backup_may_follow_one_that_was_not_finished),
        cmocka_unit_test(memory_that_ran_out_is_said_and_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
