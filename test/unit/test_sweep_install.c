/* test_sweep_install.c: logs are compacted and a member gets a snapshot, and each call fails once.
 *
 * Every allocation, and every call of its disk, of the node that leads and of the one that was
 * away. Whatever fails, that node goes on without a snapshot for a while, or says once that it
 * cannot go on; started again, it does; and everything converges, with all that was acknowledged.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "quorate/error.h"
#include "support/node_rig.h"
#include "support/sweep.h"
#include "support/unit.h"

#define NODES 3
#define SETTLE_MS_MAX 20000
#define AWAY_MS 3100 /* longer than a leader waits for a member */
#define SAMPLES 20

struct fault {
    int node; /* -1: nothing */
    uint64_t allocation;
    uint64_t disk_call;
    int status;
};

static struct rig rig;
static struct fault fault;
static unsigned failures;

static void care(void)
{
    if (fault.node < 0 || !rig.nodes[fault.node].is_failed) {
        return;
    }
    int expected = fault.allocation > 0 ? QR_ERR_NO_MEMORY : fault.status;
    int status = rig.nodes[fault.node].failed_status;
    if (status != QR_ERR_IO || expected != QR_ERR_DISK_FULL) { /* a read knows of no room */
        assert_int_equal(status, expected);
    }
    failures++;
    assert_int_equal(failures, 1);
    rig_crash(&rig, fault.node);
    rig_start(&rig, fault.node);
}

static void run(unsigned milliseconds)
{
    for (unsigned i = 0; i < milliseconds; i++) {
        rig_step(&rig);
        care();
    }
}

static void settle(void)
{
    for (unsigned i = 0; i < SETTLE_MS_MAX; i++) {
        rig_step(&rig);
        care();
        if (rig_is_settled(&rig, NODES)) {
            return;
        }
    }
    fail_msg("does not settle");
}

static void write_many(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        int leader = rig_leader(&rig);
        rig_propose(&rig, leader < 0 ? 0 : leader);
        run(1);
    }
}

static void cut_off(int i, bool is_cut)
{
    for (int j = 0; j < NODES; j++) {
        rig.is_cut[i][j] = rig.is_cut[j][i] = is_cut && i != j;
    }
}

/* The fault is set when the cluster stands: calls are counted from there on. */
static void arm(void)
{
    for (int i = 0; i < NODES; i++) {
        rig.nodes[i].heap.allocate_count = 0;
        rig.nodes[i].disk.call_count = 0;
    }
    if (fault.node >= 0) {
        struct rig_node *self = &rig.nodes[fault.node];
        self->may_fail = true;
        self->heap.fail_at = fault.allocation;
        self->disk.fail_at = fault.disk_call;
        self->disk.fail_status = fault.status;
    }
}

/* Node 0 bootstraps and leads; node 2 is away, comes back to a snapshot, and starts again. */
static void live(void)
{
    failures = 0;
    rig_init(&rig, NODES, 3);
    rig.disk_percent = 100;
    rig.log_entries_max = 20;
    rig.snapshot_bytes = 3000;
    for (int i = 0; i < NODES; i++) {
        rig_start(&rig, i);
    }
    settle();
    arm();
    cut_off(2, true);
    run(AWAY_MS);
    write_many(80);
    run(300);
    cut_off(2, false);
    settle();
    write_many(40);
    rig_crash(&rig, 2);
    write_many(10);
    if (rig_open(&rig, 2) != 0) {
        assert_int_equal(fault.node, 2);
        rig_start(&rig, 2); /* what failed once does not fail again */
    }
    settle();
}

static void check_end(void)
{
    run(2100); /* the proposal timeout of the rig */
    settle();
    for (int i = 1; i < NODES; i++) {
        assert_int_equal(rig.nodes[i].applied_count, rig.nodes[0].applied_count);
        assert_true(rig.nodes[i].sum == rig.nodes[0].sum);
    }
    assert_true(rig.done_count > 60);
    rig_check(&rig);
    rig_deinit(&rig);
}

static void fail_once(void *context, uint64_t number)
{
    fault = *(const struct fault *)context;
    fault.allocation += fault.allocation > 0 ? number : 0;
    fault.disk_call += fault.disk_call > 0 ? number : 0;
    live();
    check_end();
}

static void sweep_lives(const char *what, struct fault first)
{
    uint64_t counts[NODES];
    fault = (struct fault){.node = -1};
    live();
    for (int i = 0; i < NODES; i++) {
        counts[i] =
            first.allocation > 0 ? rig.nodes[i].heap.allocate_count : rig.nodes[i].disk.call_count;
    }
    assert_true(rig.nodes[2].restore_count > 0);
    check_end();
    for (first.node = 0; first.node < NODES; first.node += 2) {
        char name[64];
        (void)snprintf(name, sizeof(name), "%s of node %d", what, first.node);
        sweep_run(&(struct sweep){name, counts[first.node], SAMPLES, fail_once, &first});
    }
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    sweep_lives("allocations", (struct fault){.allocation = 1});
}

static void any_disk_call_may_fail(void **state)
{
    (void)state;
    sweep_lives("disk calls", (struct fault){.disk_call = 1, .status = QR_ERR_IO});
}

static void any_disk_call_may_find_the_disk_full(void **state)
{
    (void)state;
    sweep_lives("full disk", (struct fault){.disk_call = 1, .status = QR_ERR_DISK_FULL});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_allocation_may_fail),
        cmocka_unit_test(any_disk_call_may_fail),
        cmocka_unit_test(any_disk_call_may_find_the_disk_full),
    };
    return cmocka_run_group_tests_name("sweep_install", tests, NULL, NULL);
}
