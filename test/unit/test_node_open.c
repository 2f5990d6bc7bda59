/* test_node_open.c: how a node begins, on any disk, and how it refuses to. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "quorate/error.h"
#include "support/node_solo.h"
#include "support/unit.h"

#define FIRST_LOG_FILE "log-0000000000000001"

static void expect_refusal(struct solo *solo, int status, const char *words)
{
    struct disk_memory before;
    disk_memory_copy(&before, &solo->disk);
    assert_int_equal(solo_open(solo), status);
    assert_null(solo->node);
    if (strstr(solo->detail, words) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", solo->detail, words);
    }
    assert_true(disk_memory_equal(&before, &solo->disk));
    disk_memory_deinit(&before);
}

/* A cluster of one that holds the numbers 0 to 4, and is down. */
static void make_used(struct solo *solo)
{
    solo_init(solo);
    solo->options.is_bootstrap = true;
    solo_start(solo);
    solo_run(solo, 1000);
    for (uint64_t i = 0; i < 5; i++) {
        assert_int_equal(solo_propose(solo, i), 0);
    }
    solo_run(solo, 10);
    assert_int_equal(solo->applied_count, 5);
    solo_stop(solo);
}

static void start_again(struct solo *solo)
{
    memset(solo->proposals, 0, sizeof(solo->proposals));
    solo_start(solo);
    solo_run(solo, 1000);
}

static void a_fresh_directory_without_a_flag_is_refused(void **state)
{
    (void)state;
    struct solo solo;
    solo_init(&solo);
    expect_refusal(&solo, QR_ERR_INVALID, "--bootstrap");
    assert_int_equal(solo.disk.file_count, 0);
    solo_deinit(&solo);
}

static void what_was_not_finished_before_a_crash_is_not_looked_at(void **state)
{
    (void)state;
    struct solo solo;
    solo_init(&solo);
    solo.options.is_bootstrap = true;
    const struct disk *disk = &solo.disk.disk;
    static const char *const names[] = {"identity.tmp", FIRST_LOG_FILE ".tmp"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        assert_int_equal(disk->write_file(disk->context, names[i], "half", 4), 0);
    }
    solo_start(&solo);
    solo_run(&solo, 1000);
    assert_int_equal(solo_propose(&solo, 0), 0);
    solo_run(&solo, 10);
    assert_int_equal(solo.applied_count, 1);
    solo_stop(&solo);
    start_again(&solo);
    assert_int_equal(solo.applied_count, 1);
    solo_stop(&solo);
    solo_deinit(&solo);
}

static void a_bootstrapped_node_is_a_cluster_of_one_that_leads(void **state)
{
    (void)state;
    struct solo solo;
    solo_init(&solo);
    solo.options.is_bootstrap = true;
    solo_start(&solo);
    solo_run(&solo, 1000);
    struct node_status now = solo_status(&solo);
    assert_int_equal(now.raft.role, RAFT_LEADER);
    assert_true(cluster_id_equal(now.cluster, SOLO_CLUSTER));
    assert_int_equal(node_configuration(solo.node)->count, 1);
    solo_deinit(&solo);
}

static void until_its_first_record_is_durable_it_is_in_no_cluster(void **state)
{
    (void)state;
    struct solo solo;
    solo_init(&solo);
    solo.options.is_bootstrap = true;
    solo_start(&solo);
    solo_wait(&solo, 1000);
    assert_true(cluster_id_is_none(solo_status(&solo).cluster));
    assert_int_equal(solo_status(&solo).raft.term, 0);
    solo_crash(&solo);
    struct node_identity identity;
    assert_int_equal(node_identity_read(&solo.disk.disk, &identity, solo.detail), 0);
    assert_false(identity.is_log_used);
    solo_deinit(&solo);
}

static void to_bootstrap_again_changes_nothing(void **state)
{
    (void)state;
    struct solo solo;
    make_used(&solo);
    solo.options.fresh_cluster_id = (struct cluster_id){8, 8};
    solo.options.fresh_node_id = 99;
    start_again(&solo);
    assert_int_equal(solo.applied_count, 5);
    assert_int_equal(solo_status(&solo).id, SOLO_SELF);
    assert_true(cluster_id_equal(solo_status(&solo).cluster, SOLO_CLUSTER));
    solo_deinit(&solo);
}

static void a_member_needs_no_flag_and_heeds_none(void **state)
{
    (void)state;
    struct solo solo;
    make_used(&solo);
    const char *joins[] = {NULL, "a2"};
    for (size_t i = 0; i < COUNT_OF(joins); i++) {
        solo.options.is_bootstrap = false;
        solo.options.join = joins[i];
        start_again(&solo);
        assert_int_equal(solo.applied_count, 5);
        assert_int_equal(solo.dial_count, 0);
        solo_stop(&solo);
    }
    solo_deinit(&solo);
}

static void a_joiner_asks_one_address_after_another(void **state)
{
    (void)state;
    struct solo solo;
    solo_init(&solo);
    solo.options.join = "a2,a3";
    solo_start(&solo);
    const char *expected[] = {"a2", "a3", "a2"};
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        for (int wait = 0; wait < 1000 && solo.dial_count == i; wait++) {
            solo_run(&solo, 1);
        }
        assert_string_equal(solo.dialed, expected[i]);
        node_seed_closed(solo.node, 0, "refused", solo.time);
    }
    assert_true(solo_status(&solo).is_joining);
    solo_deinit(&solo);
}

static void a_joiner_goes_where_the_leader_is_said_to_be(void **state)
{
    (void)state;
    struct solo solo;
    solo_init(&solo);
    solo.options.join = "a2";
    solo_start(&solo);
    solo_work(&solo);
    node_seed_ready(solo.node, solo.time);
    assert_int_equal(solo_count(&solo, WIRE_JOIN), 1);
    struct wire_message answer = {.type = WIRE_JOIN_RESPONSE,
                                  .join_response = {.status = QR_ERR_NOT_LEADER}};
    answer.join_response.leader_address[0] = 'a';
    answer.join_response.leader_address[1] = '3';
    node_seed_receive(solo.node, &answer, solo.time);
    solo_work(&solo);
    assert_string_equal(solo.dialed, "a3");
    solo_deinit(&solo);
}

static void a_joiner_that_was_taken_in_follows_and_stays(void **state)
{
    (void)state;
    struct solo solo;
    solo_init(&solo);
    solo_join(&solo);
    assert_string_equal(solo.dialed, "");
    assert_true(cluster_id_equal(solo_status(&solo).cluster, SOLO_CLUSTER));
    assert_int_equal(solo_status(&solo).raft.leader, 2);
    solo_crash(&solo);
    solo.options.join = NULL;
    solo_start(&solo);
    assert_false(solo_status(&solo).is_joining);
    assert_int_equal(node_configuration(solo.node)->count, 3);
    solo_deinit(&solo);
}

/* A member that holds no configuration yet elects nobody: it waits for the leader's log. */
static void a_joiner_restarted_before_it_heard_anything_waits(void **state)
{
    (void)state;
    struct solo solo;
    solo_init(&solo);
    solo.options.join = "a2";
    solo_start(&solo);
    solo_work(&solo);
    node_seed_ready(solo.node, solo.time);
    struct wire_message answer = {.type = WIRE_JOIN_RESPONSE,
                                  .join_response = {.cluster = SOLO_CLUSTER}};
    node_seed_receive(solo.node, &answer, solo.time);
    solo_work(&solo);
    solo_crash(&solo);
    solo_forget(&solo);
    solo_start(&solo);
    solo_run(&solo, 2000);
    assert_int_equal(solo.sent_count, 1); /* its join, before */
    assert_int_equal(solo_status(&solo).raft.role, RAFT_LEARNER);
    assert_false(solo_status(&solo).is_joining);
    solo_deinit(&solo);
}

/* Milliseconds since the start that need more than 31 or 32 bits. */
static void a_node_lives_through_any_moment(void **state)
{
    (void)state;
    const time_ns moments[] = {UINT64_C(1) << 31, UINT64_C(1) << 32};
    for (size_t i = 0; i < COUNT_OF(moments); i++) {
        struct solo solo;
        solo_init(&solo);
        solo.options.is_bootstrap = true;
        solo.time.now_ns = moments[i] * NS_PER_MS - NS_PER_S;
        solo_start(&solo);
        solo_run(&solo, 500);
        assert_int_equal(solo_status(&solo).raft.role, RAFT_LEADER);
        for (uint64_t k = 0; k < 10; k++) {
            assert_int_equal(solo_propose(&solo, k), 0);
            solo_run(&solo, 100);
            assert_int_equal(solo.proposals[k].count, 1);
        }
        assert_int_equal(solo_status(&solo).raft.term, 2);
        solo_deinit(&solo);
    }
}

/* Power goes after the log's first batch, before the identity says that it is there. */
static void half_begin(struct solo *solo)
{
    solo_init(solo);
    solo->options.is_bootstrap = true;
    solo_start(solo);
    solo->disk.fail_at = solo->disk.call_count + 2; /* the batch, then the identity */
    solo->disk.fail_status = QR_ERR_IO;
    while (solo->failed_count == 0) {
        assert_true(disk_memory_step_kind(&solo->disk, DISK_WRITE));
    }
    solo_crash(solo);
    solo->failed_count = 0;
}

static void a_half_begun_cluster_is_begun_anew_by_bootstrap(void **state)
{
    (void)state;
    struct solo solo;
    half_begin(&solo);
    solo.options.fresh_cluster_id = (struct cluster_id){8, 8};
    solo_start(&solo);
    solo_run(&solo, 1000);
    assert_int_equal(solo_status(&solo).raft.role, RAFT_LEADER);
    assert_int_equal(solo_status(&solo).cluster.high, 8);
    assert_int_equal(solo_propose(&solo, 1), 0);
    solo_run(&solo, 10);
    assert_int_equal(solo.proposals[1].status, 0);
    solo_stop(&solo);
    solo_start(&solo);
    solo_run(&solo, 1000);
    assert_int_equal(solo.applied_count, 1);
    solo_deinit(&solo);
}

static void a_half_begun_cluster_is_not_joined_with(void **state)
{
    (void)state;
    struct solo solo;
    half_begin(&solo);
    solo.options.is_bootstrap = false;
    expect_refusal(&solo, QR_ERR_INVALID, "half begun");
    solo.options.join = "a2";
    expect_refusal(&solo, QR_ERR_INVALID, "half begun");
    solo_deinit(&solo);
}

static void a_used_log_that_is_gone_is_refused(void **state)
{
    (void)state;
    struct solo solo;
    make_used(&solo);
    for (size_t i = solo.disk.file_count; i > 0; i--) {
        if (strncmp(solo.disk.files[i - 1].name, "log-", 4) == 0) {
            disk_memory_remove(&solo.disk, solo.disk.files[i - 1].name);
        }
    }
    expect_refusal(&solo, QR_ERR_CORRUPT, "missing or empty");
    solo_deinit(&solo);
}

static void a_used_log_that_was_emptied_is_refused(void **state)
{
    (void)state;
    static const uint8_t zeros[UINT64_C(1) << 18];
    struct solo solo;
    make_used(&solo);
    struct disk_memory_file *file = disk_memory_find(&solo.disk, FIRST_LOG_FILE);
    assert_int_equal(file->size_bytes, sizeof(zeros));
    disk_memory_write(&solo.disk, FIRST_LOG_FILE, 0, zeros, sizeof(zeros));
    expect_refusal(&solo, QR_ERR_CORRUPT, "log");
    disk_memory_resize(&solo.disk, FIRST_LOG_FILE, 0);
    expect_refusal(&solo, QR_ERR_CORRUPT, "log");
    solo_deinit(&solo);
}

/* A node that lost its identity would vote again under another name, or the same one. */
static void a_log_without_an_identity_is_refused(void **state)
{
    (void)state;
    struct solo solo;
    make_used(&solo);
    disk_memory_remove(&solo.disk, "identity");
    expect_refusal(&solo, QR_ERR_CORRUPT, "identity");
    solo.options.is_bootstrap = false;
    solo.options.join = "a2";
    expect_refusal(&solo, QR_ERR_CORRUPT, "identity");
    solo_deinit(&solo);
}

/* Nor is one fresh whose snapshots, on a disk of their own, are there. */
static void snapshots_without_an_identity_are_refused(void **state)
{
    (void)state;
    struct solo solo;
    struct disk_memory theirs;
    solo_init(&solo);
    disk_memory_init(&theirs);
    const char *name = "snapshot-0000000000000005";
    assert_int_equal(theirs.disk.write_file(theirs.disk.context, name, "old", 3), 0);
    solo.options.is_bootstrap = true;
    solo.options.snapshot_disk = &theirs.disk;
    expect_refusal(&solo, QR_ERR_CORRUPT, "identity: missing, though there are snapshots");
    theirs.fail_at = theirs.call_count + 1;
    theirs.fail_status = QR_ERR_IO;
    expect_refusal(&solo, QR_ERR_IO, "cannot be listed");
    disk_memory_remove(&theirs, name);
    assert_int_equal(solo_open(&solo), 0);
    solo_stop(&solo);
    disk_memory_deinit(&theirs);
    solo_deinit(&solo);
}

static void a_log_of_another_node_is_refused(void **state)
{
    (void)state;
    struct solo solo;
    struct solo other;
    make_used(&solo);
    solo_init(&other);
    other.options.is_bootstrap = true;
    other.options.fresh_node_id = 5;
    solo_start(&other);
    solo_run(&other, 1000);
    solo_stop(&other);
    struct disk_memory_file *theirs = disk_memory_find(&other.disk, "identity");
    disk_memory_resize(&solo.disk, "identity", theirs->size_bytes);
    disk_memory_write(&solo.disk, "identity", 0, theirs->seen, theirs->size_bytes);
    expect_refusal(&solo, QR_ERR_FOREIGN, "log-");
    solo_deinit(&other);
    solo_deinit(&solo);
}

static void names_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    struct solo solo;
    char longest[RAFT_META_BYTES_MAX + 1];
    memset(longest, 'x', sizeof(longest));
    longest[sizeof(longest) - 1] = '\0';
    solo_init(&solo);
    solo.options.is_bootstrap = true;
    const struct node_options good = solo.options;
    solo.options.name = longest;
    expect_refusal(&solo, QR_ERR_INVALID, "name");
    solo.options = good;
    solo.options.address = "";
    expect_refusal(&solo, QR_ERR_INVALID, "address");
    solo.options = good;
    solo.options.meta = longest;
    expect_refusal(&solo, QR_ERR_INVALID, "meta");
    solo_deinit(&solo);
}

static void the_longest_names_make_a_cluster(void **state)
{
    (void)state;
    struct solo solo;
    char name[RAFT_NAME_BYTES_MAX] = "";
    char address[RAFT_ADDRESS_BYTES_MAX] = "";
    char meta[RAFT_META_BYTES_MAX] = "";
    memset(name, 'n', sizeof(name) - 1);
    memset(address, 'a', sizeof(address) - 1);
    memset(meta, 'm', sizeof(meta) - 1);
    solo_init(&solo);
    solo.options.is_bootstrap = true;
    solo.options.name = name;
    solo.options.address = address;
    solo.options.meta = meta;
    solo_start(&solo);
    solo_run(&solo, 1000);
    assert_int_equal(solo_status(&solo).raft.role, RAFT_LEADER);
    assert_string_equal(node_configuration(solo.node)->members[0].meta, meta);
    solo_deinit(&solo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fresh_directory_without_a_flag_is_refused),
        cmocka_unit_test(what_was_not_finished_before_a_crash_is_not_looked_at),
        cmocka_unit_test(a_bootstrapped_node_is_a_cluster_of_one_that_leads),
        cmocka_unit_test(until_its_first_record_is_durable_it_is_in_no_cluster),
        cmocka_unit_test(to_bootstrap_again_changes_nothing),
        cmocka_unit_test(a_member_needs_no_flag_and_heeds_none),
        cmocka_unit_test(a_joiner_asks_one_address_after_another),
        cmocka_unit_test(a_joiner_goes_where_the_leader_is_said_to_be),
        cmocka_unit_test(a_joiner_that_was_taken_in_follows_and_stays),
        cmocka_unit_test(a_joiner_restarted_before_it_heard_anything_waits),
        cmocka_unit_test(a_node_lives_through_any_moment),
        cmocka_unit_test(a_half_begun_cluster_is_begun_anew_by_bootstrap),
        cmocka_unit_test(a_half_begun_cluster_is_not_joined_with),
        cmocka_unit_test(a_used_log_that_is_gone_is_refused),
        cmocka_unit_test(a_used_log_that_was_emptied_is_refused),
        cmocka_unit_test(a_log_without_an_identity_is_refused),
        cmocka_unit_test(snapshots_without_an_identity_are_refused),
        cmocka_unit_test(a_log_of_another_node_is_refused),
        cmocka_unit_test(names_that_do_not_fit_are_refused),
        cmocka_unit_test(the_longest_names_make_a_cluster),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
