/* test_node_doctor.c: one data directory becomes a new cluster, whatever the moment of a crash. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "node/doctor.h"
#include "node/recovery.h"
#include "quorate/error.h"
#include "support/node_solo.h"
#include "support/unit.h"

#define NEW_CLUSTER ((struct cluster_id){0x1111, 0x2222})
#define CALLS_MAX 64

/* A follower of three that took two numbers, and lost the others for good. */
static void make_left(struct solo *solo)
{
    solo_init(solo);
    solo_join(solo);
    solo_append(solo, (struct solo_append){.from = 2,
                                           .term = 1,
                                           .prev = {1, 1},
                                           .commit = 3,
                                           .entry_term = 1,
                                           .first_number = 1,
                                           .count = 2});
    solo_work(solo);
    solo_stop(solo);
}

static struct qr_doctor_directory *read_disk(struct disk_memory *disk, struct heap *heap,
                                             struct doctor_log *log)
{
    static struct qr_doctor_directory directory;
    struct doctor_input input = {.allocator = &heap->allocator, .disk = &disk->disk};
    uint64_t mutations = disk->mutation_count;
    doctor_read(&input, &directory, log);
    assert_int_equal(disk->mutation_count, mutations);
    return &directory;
}

static int recover(struct disk_memory *disk, struct heap *heap)
{
    struct node_recover_plan plan = {
        .cluster = NEW_CLUSTER,
        .former = SOLO_CLUSTER,
        .member = {.id = SOLO_SELF, .name = "n1", .address = "a1"},
        .position = {1, 3},
        .term = 9,
        .timestamp_ns = 1,
    };
    char detail[NODE_DETAIL_BYTES] = "";
    bool is_made = false;
    int status = node_recover(&heap->allocator, &disk->disk, &plan, &is_made, detail);
    assert_true(is_made || status != 0);
    return status;
}

static void reading_changes_nothing_and_says_what_is_there(void **state)
{
    (void)state;
    struct solo solo;
    make_left(&solo);
    struct doctor_log log;
    struct qr_doctor_directory *directory = read_disk(&solo.disk, &solo.heap, &log);
    assert_int_equal(directory->status, 0);
    assert_true(directory->is_in_cluster);
    assert_int_equal(directory->node_id, SOLO_SELF);
    assert_int_equal(directory->last_index, 3);
    assert_int_equal(directory->last_term, 1);
    assert_int_equal(directory->latest.count, 3);
    struct qr_doctor_verdict verdict;
    doctor_judge(directory, &log, 1, QR_DOCTOR_BEST, &verdict);
    assert_int_equal(verdict.way, QR_DOCTOR_RECOVER);
    assert_int_equal(verdict.voters_here, 1);
    assert_int_equal(verdict.voter_count, 3);
    assert_true(verdict.may_lose_unseen);
    assert_true(verdict.can_lead);
    assert_false(verdict.loses_seen);
    doctor_log_free(&solo.heap.allocator, &log);
    solo_deinit(&solo);
}

/* The node on this disk starts: as the old one, or as the only voter of the new cluster. */
static bool starts_as_new(struct solo *solo)
{
    solo_start(solo);
    solo_run(solo, 3000);
    struct node_status status = solo_status(solo);
    struct node_identity identity;
    char detail[NODE_DETAIL_BYTES];
    assert_int_equal(node_identity_read(&solo->disk.disk, &identity, detail), 0);
    bool is_new = cluster_id_equal(identity.cluster, NEW_CLUSTER);
    if (is_new) {
        assert_int_equal(status.raft.role, RAFT_LEADER);
        assert_true(status.raft.term > 9);
        assert_int_equal(node_configuration(solo->node)->count, 1);
        assert_true(cluster_id_equal(identity.former, SOLO_CLUSTER));
        assert_false(identity.recovery.is_pending);
        assert_true(status.raft.commit_index >= 4);
        assert_int_equal(solo->applied_count, 2);
    } else {
        assert_int_not_equal(status.raft.role, RAFT_LEADER);
        assert_int_equal(node_configuration(solo->node)->count, 3);
    }
    solo_stop(solo);
    return is_new;
}

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

static void a_crash_at_any_call_leaves_the_old_cluster_or_the_new_one(void **state)
{
    (void)state;
    bool (*const keeps[])(void *, size_t) = {NULL, keep_all, keep_even};
    unsigned old_count = 0;
    unsigned new_count = 0;
    for (size_t k = 0; k < sizeof(keeps) / sizeof(keeps[0]); k++) {
        bool has_ended = false;
        for (uint64_t call = 1; call <= CALLS_MAX && !has_ended; call++) {
            struct solo solo;
            make_left(&solo);
            solo.disk.fail_at = solo.disk.call_count + call;
            solo.disk.fail_status = QR_ERR_IO;
            has_ended = recover(&solo.disk, &solo.heap) == 0;
            solo.disk.fail_at = 0;
            disk_memory_stop(&solo.disk);
            disk_memory_crash(&solo.disk, keeps[k], NULL);
            solo.applied_count = 0;
            solo.applied_index = 0;
            bool is_new = starts_as_new(&solo);
            assert_true(is_new || !has_ended);
            new_count += is_new;
            old_count += !is_new;
            solo_deinit(&solo);
        }
        assert_true(has_ended);
    }
    assert_true(old_count > 2 && new_count > 3);
}

static void a_node_left_out_is_refused_by_the_new_cluster(void **state)
{
    (void)state;
    struct solo solo;
    make_left(&solo);
    assert_int_equal(recover(&solo.disk, &solo.heap), 0);
    solo.applied_count = 0;
    solo.applied_index = 0;
    solo_start(&solo);
    struct wire_hello hello = {
        .version_min = 1, .version_max = 1, .cluster = SOLO_CLUSTER, .from = 2};
    struct wire_hello_response response;
    assert_int_equal(node_hello_check(solo.node, &hello, &response), QR_ERR_FOREIGN);
    solo_stop(&solo);
    solo_deinit(&solo);
}

/* Three voters' directories, by last term, last index and commit index; 0: it is missing. */
struct row {
    const char *name;
    uint64_t last[3][3];
    size_t chosen;
    enum qr_doctor_way way;
    size_t best;
    bool may_lose_unseen;
    uint64_t kept_through;
    uint64_t lost_first;
    uint64_t lost_last;
    uint64_t lost_committed_last;
};

/* Terms differ from entry 4 on. */
static void fill(const struct row *row, struct qr_doctor_directory *directories,
                 struct doctor_log *logs, struct wal_term_run runs[3][2])
{
    memset(directories, 0, 3 * sizeof(*directories));
    for (size_t i = 0; i < 3; i++) {
        struct qr_doctor_directory *directory = &directories[i];
        directory->has_identity = true;
        directory->node_id = i + 1;
        directory->is_in_cluster = row->last[i][1] > 0;
        directory->last_term = row->last[i][0];
        directory->last_index = row->last[i][1];
        directory->commit_index = row->last[i][2];
        directory->latest.index = 1;
        directory->latest.count = 3;
        for (size_t j = 0; j < 3; j++) {
            directory->latest.members[j].id = j + 1;
            directory->latest.members[j].is_voter = true;
        }
        runs[i][0] = (struct wal_term_run){1, 1};
        runs[i][1] = (struct wal_term_run){row->last[i][0], 4};
        logs[i] = (struct doctor_log){.runs = runs[i], .count = row->last[i][0] > 1 ? 2 : 1};
    }
}

static void the_verdict_follows_from_what_is_there(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"two of three are enough",
         {{1, 5, 5}, {1, 4, 3}},
         0,
         QR_DOCTOR_START,
         0,
         false,
         5,
         0,
         0,
         0},
        {"one of three is not", {{1, 5, 4}}, 0, QR_DOCTOR_RECOVER, 0, true, 4, 0, 0, 0},
        {"a later term beats a longer log",
         {{1, 9, 3}, {2, 5, 3}},
         1,
         QR_DOCTOR_START,
         1,
         false,
         3,
         0,
         0,
         0},
        {"a worse choice is told what it loses",
         {{1, 9, 7}, {1, 5, 3}},
         1,
         QR_DOCTOR_START,
         0,
         false,
         5,
         6,
         9,
         7},
        {"nothing is there", {{0}}, QR_DOCTOR_BEST, QR_DOCTOR_NOWHERE, 0, false, 0, 0, 0, 0},
    };
    static struct qr_doctor_directory directories[3];
    for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
        const struct row *row = &rows[r];
        struct doctor_log logs[3];
        struct wal_term_run runs[3][2];
        fill(row, directories, logs, runs);
        struct qr_doctor_verdict verdict;
        doctor_judge(directories, logs, 3, row->chosen, &verdict);
        if (verdict.way != row->way || verdict.best != row->best ||
            verdict.may_lose_unseen != row->may_lose_unseen ||
            verdict.kept_through != row->kept_through || verdict.lost_first != row->lost_first ||
            verdict.lost_last != row->lost_last ||
            verdict.lost_committed_last != row->lost_committed_last) {
            fail_msg("%s: way %d best %zu unseen %d kept %llu lost %llu..%llu (%llu)", row->name,
                     (int)verdict.way, verdict.best, verdict.may_lose_unseen,
                     (unsigned long long)verdict.kept_through,
                     (unsigned long long)verdict.lost_first, (unsigned long long)verdict.lost_last,
                     (unsigned long long)verdict.lost_committed_last);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reading_changes_nothing_and_says_what_is_there),
        cmocka_unit_test(a_crash_at_any_call_leaves_the_old_cluster_or_the_new_one),
        cmocka_unit_test(a_node_left_out_is_refused_by_the_new_cluster),
        cmocka_unit_test(the_verdict_follows_from_what_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
