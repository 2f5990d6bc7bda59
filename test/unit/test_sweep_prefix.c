/* test_sweep_prefix.c: power is lost and calls fail at every step of truncations and resets.
 *
 * A log lives through both, and all that is acknowledged must be there afterwards: of every
 * subset of the sectors that were not synced, in whatever order the disk carried out what it was
 * told, the log opens with a base that somebody asked for and without a hole behind it.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include "base/prng.h"
#include "quorate/error.h"
#include "support/sweep.h"
#include "support/wal_rig.h"

#define STEPS_MAX 32
#define ORDERS 4
#define SECTORS_MAX 8

static struct wal_rig rig;

static bool is_over(int status)
{
    assert_true(status == 0 || status == QR_ERR_STOPPED || status == QR_ERR_DISK_FULL);
    return status != 0;
}

static bool append(size_t count, raft_term term, uint32_t payload_bytes)
{
    return is_over(wal_rig_append(&rig, rig.last_index + 1, count, term, payload_bytes));
}

/* Let the disk do one thing, in one of some orders. False when there is nothing to do. */
static bool step(struct prng *prng, uint64_t order)
{
    static const enum disk_op_kind kinds[] = {DISK_REMOVE, DISK_WRITE, DISK_PREPARE};
    bool has_stepped = false;
    if (order == 1 || order == 2) {
        has_stepped = disk_memory_step_kind(&rig.disk, kinds[order - 1]);
    } else if (order == 3) {
        has_stepped = disk_memory_step_kind(&rig.disk, kinds[prng_between(prng, 0, 2)]);
    }
    has_stepped = has_stepped || disk_memory_step(&rig.disk);
    wal_invariants(rig.wal);
    return has_stepped;
}

/* Up to `steps` steps of the disk; false when they are used up, or something stays undone. */
static bool run(struct prng *prng, uint64_t order, size_t *steps)
{
    while (*steps > 0 && step(prng, order)) {
        (*steps)--;
    }
    return *steps > 0 && rig.ticket_synced == rig.append_count;
}

/* A log forgets, empties itself and goes on, until `steps` or a failure ends it. */
static void live(struct prng *prng, uint64_t order, size_t *steps)
{
    if (append(100, 1, 1000) || append(70, 2, 1000) || !run(prng, order, steps)) {
        return;
    }
    wal_rig_truncate(&rig, 150);
    if (append(1, 2, 10) || !run(prng, order, steps)) {
        return;
    }
    int status = wal_rig_reset(&rig, (struct wal_base){5, 300}, 2, 6, 10);
    if (is_over(status) || append(1, 6, 10) || !run(prng, order, steps)) {
        return;
    }
    wal_rig_truncate(&rig, 302);
    if (append(60, 7, 1000) || !run(prng, order, steps)) {
        return;
    }
    status = wal_rig_reset(&rig, (struct wal_base){8, 310}, 0, 8, 0); /* in conflict */
    if (is_over(status) || append(1, 9, 10) || !run(prng, order, steps)) {
        return;
    }
    wal_rig_truncate(&rig, 311);
    (void)run(prng, order, steps);
}

static bool keep_bit(void *context, size_t number)
{
    const uint64_t *mask = context;
    return (*mask >> (number % SECTORS_MAX) & 1) != 0;
}

/* The log opens, holds all that was acknowledged, and goes on. */
static void judge(size_t acknowledged)
{
    assert_int_equal(wal_rig_open(&rig), 0);
    size_t found = wal_rig_recovered_as(&rig, acknowledged);
    assert_int_not_equal(found, SIZE_MAX);
    disk_memory_run(&rig.disk);
    wal_rig_check(&rig, found);
    rig.append_count = found;
    wal_rig_append_now(&rig, rig.last_index + 1, 3, 20, 100);
    wal_rig_truncate(&rig, rig.last_index - 1);
    wal_rig_reopen(&rig);
    assert_int_equal(wal_rig_recovered_as(&rig, found + 1), found + 1);
    wal_rig_check(&rig, found + 1);
}

/* Case: the order, how many steps, and which of what is unsynced stays. */
static void lose_power(void *context, uint64_t number)
{
    (void)context;
    uint64_t order = number % ORDERS;
    size_t steps = number / ORDERS % STEPS_MAX;
    uint64_t mask = number / ORDERS / STEPS_MAX;
    struct prng prng = prng_of(number);
    wal_rig_init(&rig);
    assert_int_equal(wal_rig_open(&rig), 0);
    live(&prng, order, &steps);
    size_t acknowledged = rig.ticket_synced;
    wal_rig_crash(&rig, keep_bit, &mask);
    judge(acknowledged);
    wal_rig_deinit(&rig);
}

static void whatever_stays_of_a_truncation_or_reset_there_is_no_hole(void **state)
{
    (void)state;
    sweep_run(&(struct sweep){"power lost", (uint64_t)ORDERS * STEPS_MAX << SECTORS_MAX, 2500,
                              lose_power, NULL});
}

/* The life is long enough for every step of the sweep, and not much longer. */
static void the_steps_of_the_sweep_reach_the_end(void **state)
{
    (void)state;
    size_t steps = STEPS_MAX;
    struct prng prng = prng_of(1);
    wal_rig_init(&rig);
    assert_int_equal(wal_rig_open(&rig), 0);
    live(&prng, 0, &steps);
    assert_in_range(steps, 1, STEPS_MAX / 2);
    assert_int_equal(rig.ticket_synced, rig.append_count);
    struct wal_stats stats;
    wal_stats(rig.wal, &stats);
    assert_int_equal(stats.base.index, 311);
    wal_rig_deinit(&rig);
}

/* Case: the order, the call that fails, and how. */
static void fail_a_call(void *context, uint64_t number)
{
    (void)context;
    uint64_t order = number % ORDERS;
    size_t steps = 10 * STEPS_MAX;
    struct prng prng = prng_of(number);
    wal_rig_init(&rig);
    assert_int_equal(wal_rig_open(&rig), 0);
    rig.disk.fail_status = number / ORDERS % 2 == 0 ? QR_ERR_IO : QR_ERR_DISK_FULL;
    rig.disk.fail_at = rig.disk.call_count + 1 + number / ORDERS / 2;
    live(&prng, order, &steps);
    disk_memory_run(&rig.disk);
    size_t acknowledged = rig.ticket_synced;
    wal_rig_crash(&rig, NULL, NULL);
    judge(acknowledged);
    wal_rig_deinit(&rig);
}

static void whatever_call_fails_nothing_acknowledged_is_lost(void **state)
{
    (void)state;
    uint64_t count = (uint64_t)ORDERS * 2 * STEPS_MAX;
    sweep_run(&(struct sweep){"calls that fail", count, count, fail_a_call, NULL});
}

int main(void)
{
    static const struct CMUnitTest cases[] = {
        cmocka_unit_test(whatever_stays_of_a_truncation_or_reset_there_is_no_hole),
        cmocka_unit_test(the_steps_of_the_sweep_reach_the_end),
        cmocka_unit_test(whatever_call_fails_nothing_acknowledged_is_lost),
    };
    return cmocka_run_group_tests_name("sweep_prefix", cases, NULL, NULL);
}
