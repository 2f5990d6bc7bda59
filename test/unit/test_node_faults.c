/* test_node_faults.c: a node begins and lives a little, and each call in turn fails.
 *
 * Every allocation, and every call of the disk. Whatever fails, the node either goes on or
 * says once that it cannot; it never crashes, leaks, or loses what it acknowledged.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "quorate/error.h"
#include "support/node_solo.h"
#include "support/unit.h"

#define PROPOSALS 12
#define SWEEP_MAX 3000 /* calls of a life: far more than there are */

/* What a life acknowledged, to be found again. */
struct record {
    bool is_done[SOLO_TOKENS_MAX];
};

static bool is_alive(const struct solo *solo)
{
    return solo->failed_count == 0;
}

static void propose_some(struct solo *solo, uint64_t first)
{
    for (uint64_t i = first; i < first + PROPOSALS && is_alive(solo); i++) {
        (void)solo_propose(solo, i);
        (void)solo_read(solo, i);
        solo_run(solo, 1);
    }
}

/* Alone, from the first start on: elected, written to, read from. */
static void live_alone(struct solo *solo)
{
    for (int i = 0; i < 700 && is_alive(solo); i++) {
        solo_run(solo, 1);
    }
    if (is_alive(solo)) {
        propose_some(solo, 0);
    }
    for (int i = 0; i < 600 && is_alive(solo); i++) {
        solo_run(solo, 1);
    }
}

/* Told everything that it took; what was acknowledged goes into the record. */
static void end_life(struct solo *solo, struct record *record)
{
    if (!is_alive(solo)) {
        assert_true(solo_status(solo).is_stopped);
        assert_int_equal(solo_propose(solo, SOLO_TOKENS_MAX - 1), QR_ERR_STOPPED);
        assert_int_equal(solo_read(solo, SOLO_TOKENS_MAX - 1), QR_ERR_STOPPED);
        uint64_t sent = solo->sent_count;
        solo_run(solo, 400);
        assert_int_equal(solo->sent_count, sent);
        assert_int_equal(sent, solo->sent_at_failure);
    }
    for (size_t i = 0; i < SOLO_TOKENS_MAX; i++) {
        record->is_done[i] |= solo->proposals[i].count > 0 && solo->proposals[i].status == 0;
    }
    solo_crash(solo);
    solo->failed_count = 0;
    memset(solo->proposals, 0, sizeof(solo->proposals));
    memset(solo->reads, 0, sizeof(solo->reads));
}

/* With all in order again, the node starts, leads, and has what it acknowledged. */
static void check_next_life(struct solo *solo, const struct record *record)
{
    solo_start(solo);
    solo_run(solo, 1500);
    assert_true(is_alive(solo));
    assert_int_equal(solo_status(solo).raft.role, RAFT_LEADER);
    bool is_there[SOLO_TOKENS_MAX] = {false};
    for (size_t i = 0; i < solo->applied_count; i++) {
        assert_false(is_there[solo->applied[i]]);
        is_there[solo->applied[i]] = true;
    }
    for (size_t i = 0; i < SOLO_TOKENS_MAX; i++) {
        assert_true(is_there[i] || !record->is_done[i]);
    }
    assert_int_equal(solo_propose(solo, 1000), 0);
    solo_run(solo, 10);
    assert_int_equal(solo->proposals[1000].status, 0);
    assert_int_equal(solo->proposals[1000].count, 1);
}

static const struct record no_record;

/* Of a full disk, a call that only reads knows nothing. */
static bool is_told_as(int status, int failure)
{
    return status == failure || (failure == QR_ERR_DISK_FULL && status == QR_ERR_IO);
}

/* One life in which disk call `n` fails; returns false when there are not so many. */
static bool survives_disk_failure(uint64_t n, int failure)
{
    struct solo solo;
    struct record record = no_record;
    solo_init(&solo);
    solo.options.is_bootstrap = true;
    solo.disk.fail_at = n;
    solo.disk.fail_status = failure;
    int status = solo_open(&solo);
    if (status == 0) {
        live_alone(&solo);
        assert_true(is_alive(&solo) || is_told_as(solo.failed_status, failure));
        bool has_failed = solo.disk.call_count >= n;
        end_life(&solo, &record);
        check_next_life(&solo, &record);
        solo_deinit(&solo);
        return has_failed;
    }
    assert_true(is_told_as(status, failure));
    assert_true(solo.detail[0] != '\0');
    solo.disk.fail_at = 0;
    check_next_life(&solo, &record);
    solo_deinit(&solo);
    return true;
}

static void sweep_disk(int failure)
{
    uint64_t n = 1;
    while (survives_disk_failure(n, failure)) {
        assert_true(n++ < SWEEP_MAX);
    }
    assert_true(n > 2 * PROPOSALS);
}

static void any_disk_call_may_fail(void **state)
{
    (void)state;
    sweep_disk(QR_ERR_IO);
}

static void any_disk_call_may_find_the_disk_full(void **state)
{
    (void)state;
    sweep_disk(QR_ERR_DISK_FULL);
}

/* One life in which allocation `n` fails; returns false when there are not so many. */
static bool survives_lack_of_memory(uint64_t n)
{
    struct solo solo;
    struct record record = no_record;
    solo_init(&solo);
    solo.options.is_bootstrap = true;
    solo.heap.fail_at = n;
    int status = solo_open(&solo);
    if (status == 0) {
        live_alone(&solo);
        assert_true(is_alive(&solo) || solo.failed_status == QR_ERR_NO_MEMORY);
        end_life(&solo, &record);
    } else {
        assert_int_equal(status, QR_ERR_NO_MEMORY);
        assert_non_null(strstr(solo.detail, "memory"));
        assert_int_equal(solo.failed_count, 0);
        assert_int_equal(solo.heap.block_count, 0);
    }
    bool has_failed = solo.heap.allocate_count >= n;
    solo.heap.fail_at = 0;
    check_next_life(&solo, &record);
    solo_deinit(&solo);
    return has_failed;
}

static void any_allocation_may_fail_from_the_first_start_on(void **state)
{
    (void)state;
    uint64_t n = 1;
    while (survives_lack_of_memory(n)) {
        assert_true(n++ < SWEEP_MAX);
    }
    assert_true(n > 10);
}

/* A member opens its directory again, with a log to recover. */
struct opening {
    struct solo solo;
    const struct disk_memory *used;
};

static void opening_init(struct opening *opening, const struct disk_memory *used)
{
    solo_init(&opening->solo);
    disk_memory_deinit(&opening->solo.disk);
    disk_memory_copy(&opening->solo.disk, used);
    opening->used = used;
}

/* It says why, and changed nothing; nobody is told of a failure of what never was. */
static void check_refusal(const struct opening *opening, int status, int expected)
{
    if (status != 0) {
        assert_int_equal(status, expected);
        assert_true(opening->solo.detail[0] != '\0');
        assert_int_equal(opening->solo.failed_count, 0);
        assert_int_equal(opening->solo.heap.block_count, 0);
        assert_true(disk_memory_equal(&opening->solo.disk, opening->used));
    }
}

static bool opens_without_memory(const struct disk_memory *used, uint64_t n)
{
    static struct opening opening;
    opening_init(&opening, used);
    opening.solo.heap.fail_at = n;
    int status = solo_open(&opening.solo);
    bool has_failed = opening.solo.heap.allocate_count >= n;
    check_refusal(&opening, status, QR_ERR_NO_MEMORY);
    assert_true(status == 0 || strstr(opening.solo.detail, "memory") != NULL);
    opening.solo.heap.fail_at = 0;
    solo_deinit(&opening.solo);
    return has_failed;
}

static bool opens_on_a_failing_disk(const struct disk_memory *used, uint64_t n)
{
    static struct opening opening;
    opening_init(&opening, used);
    opening.solo.disk.fail_at = n;
    int status = solo_open(&opening.solo);
    bool has_failed = opening.solo.disk.call_count >= n;
    check_refusal(&opening, status, QR_ERR_IO);
    assert_int_equal(status != 0, has_failed);
    solo_deinit(&opening.solo);
    return has_failed;
}

static void sweep_opening(bool (*opens)(const struct disk_memory *used, uint64_t n))
{
    struct solo solo;
    solo_init(&solo);
    solo.options.is_bootstrap = true;
    solo_start(&solo);
    live_alone(&solo);
    solo_stop(&solo);
    uint64_t n = 1;
    while (opens(&solo.disk, n)) {
        assert_true(n++ < SWEEP_MAX);
    }
    assert_true(n > 3);
    solo_deinit(&solo);
}

static void any_allocation_may_fail_when_a_member_opens(void **state)
{
    (void)state;
    sweep_opening(opens_without_memory);
}

static void any_read_may_fail_when_a_member_opens(void **state)
{
    (void)state;
    sweep_opening(opens_on_a_failing_disk);
}

/* A follower, of one leader and another, and then the leader of three. */
static void live_among_three(struct solo *solo)
{
    if (is_alive(solo)) {
        solo_append(solo, (struct solo_append){.from = 2,
                                               .term = 1,
                                               .prev = {1, 1},
                                               .commit = 1,
                                               .entry_term = 1,
                                               .first_number = 500,
                                               .count = 3});
        solo_work(solo);
    }
    for (int i = 0; i < 5 && is_alive(solo); i++) {
        (void)solo_propose(solo, 600 + (uint64_t)i);
        (void)solo_read(solo, 600 + (uint64_t)i);
        solo_run(solo, 2);
    }
    /* Another leader replaces the two entries that were not committed. */
    if (is_alive(solo)) {
        solo_append(solo, (struct solo_append){.from = 3,
                                               .term = 2,
                                               .prev = {1, 2},
                                               .commit = 2,
                                               .entry_term = 2,
                                               .first_number = 510,
                                               .count = 4});
        solo_work(solo);
    }
    /* Then nobody is heard but 2, which says yes to everything: it leads. */
    for (uint64_t i = 0; i < 1200 && is_alive(solo); i++) {
        solo_run(solo, 1);
        solo_oblige(solo);
        for (uint64_t k = 0; k < 3 && i % 100 == 0 && is_alive(solo); k++) {
            (void)solo_propose(solo, 700 + i + k);
            (void)solo_read(solo, 700 + i + k);
            solo_turn(solo); /* one write after another, and none done yet */
        }
    }
}

/* One life among three in which allocation `n` fails, counted from when it follows. */
static bool follows_without_memory(uint64_t n)
{
    struct solo solo;
    solo_init(&solo);
    solo_join(&solo);
    uint64_t before = solo.heap.allocate_count;
    solo.heap.fail_at = before + n;
    live_among_three(&solo);
    assert_true(is_alive(&solo) || solo.failed_status == QR_ERR_NO_MEMORY);
    bool has_failed = solo.heap.allocate_count >= before + n;
    assert_true(has_failed || solo_status(&solo).raft.role == RAFT_LEADER);
    solo.heap.fail_at = 0;
    struct record record = no_record;
    end_life(&solo, &record);
    solo_start(&solo);
    solo_deinit(&solo);
    return has_failed;
}

static void any_allocation_among_three_may_fail(void **state)
{
    (void)state;
    uint64_t n = 1;
    while (follows_without_memory(n)) {
        assert_true(n++ < SWEEP_MAX);
    }
    assert_true(n > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_disk_call_may_fail),
        cmocka_unit_test(any_disk_call_may_find_the_disk_full),
        cmocka_unit_test(any_allocation_may_fail_from_the_first_start_on),
        cmocka_unit_test(any_allocation_may_fail_when_a_member_opens),
        cmocka_unit_test(any_read_may_fail_when_a_member_opens),
        cmocka_unit_test(any_allocation_among_three_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
