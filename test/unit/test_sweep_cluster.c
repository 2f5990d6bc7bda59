/* test_sweep_cluster.c: a cluster lives a full life, and each call that a node makes fails once.
 *
 * Every allocation of every node, and every call of its disk. Whatever fails, the node goes on,
 * or says once that it cannot and does nothing any more; the others go on without it; and when it
 * is started again everything converges, with all that was acknowledged and nothing that was not
 * asked for. Deterministic: a case's number is its life.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "quorate/error.h"
#include "support/node_rig.h"
#include "support/sweep.h"
#include "support/unit.h"

#define VOTERS 3
#define NODES 4 /* the last one comes later */
#define NEWCOMER 3
#define SEEDS 5 /* only the first one, when not all is wanted */
#define SETTLE_MS_MAX 20000
#define GO_ON_MS_MAX 5000 /* for who is left to elect one of them and commit */
#define SMALL_BYTES 8
#define LARGE_BYTES 24000
#define SAMPLES 14 /* of each sweep */

/* What fails in a life. */
struct fault {
    uint64_t seed; /* of the life */
    int node;      /* -1: nothing */
    uint64_t allocation;
    uint64_t disk_call;
    int status;
};

struct life {
    struct rig rig;
    struct fault fault;
    bool is_wanted[NODES]; /* to be up */
    unsigned failures;     /* of the faulty node, of starts too */
    bool is_refused;       /* a start failed */
};

static struct life life;

/* A crash makes a disk whole, so the fault is set again at each start. */
static int open_node(int i)
{
    struct rig_node *self = &life.rig.nodes[i];
    life.is_wanted[i] = true;
    if (i == life.fault.node) {
        self->heap.fail_at = life.fault.allocation;
        self->disk.fail_at = life.fault.disk_call;
        self->disk.fail_status = life.fault.status;
    }
    return rig_open(&life.rig, i);
}

static bool has_fault_come(void)
{
    const struct rig_node *self = &life.rig.nodes[life.fault.node];
    return life.fault.allocation > 0 ? self->heap.allocate_count >= life.fault.allocation
                                     : self->disk.call_count >= life.fault.disk_call;
}

/* Told as what it was; of a full disk, a call that only reads knows nothing. */
static void check_status(int status)
{
    int expected = life.fault.allocation > 0 ? QR_ERR_NO_MEMORY : life.fault.status;
    assert_true(has_fault_come());
    if (status != QR_ERR_IO || expected != QR_ERR_DISK_FULL) {
        assert_int_equal(status, expected);
    }
}

/* Whether those that are up, without the faulty one, are a majority in everybody's eyes. */
static bool is_majority_up(void)
{
    bool has_majority = true;
    size_t up_count = 0;
    for (int i = 0; i < NODES; i++) {
        if (i == life.fault.node || life.rig.nodes[i].node == NULL) {
            continue;
        }
        const struct raft_configuration *members = node_configuration(life.rig.nodes[i].node);
        size_t voters = 0;
        size_t up = 0;
        for (size_t k = 0; k < members->count; k++) {
            int number = (int)members->members[k].id - 1;
            bool is_voter = (members->members[k].roles & RAFT_VOTER) != 0;
            bool is_up = number != life.fault.node && life.rig.nodes[number].node != NULL;
            voters += is_voter;
            up += is_voter && is_up;
        }
        has_majority = has_majority && (members->count == 0 || 2 * up > voters);
        up_count += members->count > 0;
    }
    return has_majority && up_count > 0;
}

static int somebody_else(void)
{
    for (int i = 0; i < NODES; i++) {
        if (i != life.fault.node && life.rig.nodes[i].node != NULL &&
            node_configuration(life.rig.nodes[i].node)->count > 0) {
            return i;
        }
    }
    return -1;
}

static void heal(void)
{
    memset(life.rig.is_cut, 0, sizeof(life.rig.is_cut));
}

/* Without the faulty node the others commit something new. */
static void check_that_others_go_on(void)
{
    if (!is_majority_up()) {
        return;
    }
    heal();
    for (unsigned waited = 0; waited < GO_ON_MS_MAX; waited += 50) {
        uint64_t number = life.rig.proposal_count;
        rig_propose(&life.rig, somebody_else());
        rig_run(&life.rig, 50);
        if (life.rig.outcomes[number] == RIG_DONE) {
            return;
        }
    }
    fail_msg("the others do not go on");
}

/* If the faulty node failed: the others go on, and it is started again. */
static void care(void)
{
    int faulty = life.fault.node;
    struct rig_node *self = faulty >= 0 ? &life.rig.nodes[faulty] : NULL;
    bool is_down =
        self != NULL && life.is_wanted[faulty] && (self->node == NULL || self->is_failed);
    if (!is_down) {
        return;
    }
    life.failures++;
    assert_int_equal(life.failures, 1); /* what failed once does not fail again */
    if (self->node != NULL) {
        struct node_status now;
        node_status(self->node, &now);
        check_status(self->failed_status);
        assert_true(now.is_stopped);
        assert_int_equal(node_read(self->node, 0, life.rig.time), QR_ERR_STOPPED);
        assert_true(node_deadline(self->node) == TIME_NEVER);
    }
    check_that_others_go_on();
    rig_crash(&life.rig, faulty);
    assert_int_equal(open_node(faulty), 0);
}

static void step(void)
{
    rig_step(&life.rig);
    care();
}

static void run(unsigned milliseconds)
{
    for (unsigned i = 0; i < milliseconds; i++) {
        step();
    }
}

static void settle(size_t voter_count)
{
    for (unsigned i = 0; i < SETTLE_MS_MAX; i++) {
        step();
        if (rig_is_settled(&life.rig, voter_count)) {
            return;
        }
    }
    fail_msg("does not settle with %zu voters", voter_count);
}

static void start(int i)
{
    if (life.rig.nodes[i].node != NULL) {
        return;
    }
    int status = open_node(i);
    if (status != 0) {
        assert_int_equal(i, life.fault.node);
        assert_true(life.rig.nodes[i].detail[0] != '\0');
        assert_int_equal(life.rig.nodes[i].heap.block_count, 0);
        check_status(status);
        life.is_refused = true;
    }
    care();
}

static void crash(int i)
{
    life.is_wanted[i] = false;
    rig_crash(&life.rig, i);
}

static void stop(int i)
{
    life.is_wanted[i] = false;
    if (life.rig.nodes[i].is_failed) {
        rig_crash(&life.rig, i);
    } else {
        rig_stop(&life.rig, i);
    }
}

static void cut_off(int i)
{
    for (int k = 0; k < NODES; k++) {
        life.rig.is_cut[i][k] = life.rig.is_cut[k][i] = k != i;
    }
}

/* Proposals and reads on every node that is up, the rest of the way by forwarding. */
static void work(unsigned rounds, size_t payload_bytes, unsigned pause_ms)
{
    life.rig.payload_bytes = payload_bytes;
    for (unsigned i = 0; i < rounds; i++) {
        for (int k = 0; k < NODES; k++) {
            rig_propose(&life.rig, k);
        }
        rig_read(&life.rig, (int)(i % NODES));
        run(pause_ms);
    }
    life.rig.payload_bytes = SMALL_BYTES;
}

/* The present leader, or the first node while there is none. */
static int leader(void)
{
    int found = rig_leader(&life.rig);
    return found < 0 ? 0 : found;
}

static int follower(void)
{
    return (leader() + 1) % VOTERS;
}

/* Founded by one, joined by two. */
static void begin(void)
{
    start(0);
    run(400);
    work(2, SMALL_BYTES, 1);
    start(1);
    start(2);
    settle(VOTERS);
}

/* The leader is cut off, works on, and is succeeded; what it took is replaced. */
static void change_leader(void)
{
    int deposed = leader();
    cut_off(deposed);
    work(3, SMALL_BYTES, 2);
    run(600);
    work(3, SMALL_BYTES, 2);
    heal();
    settle(VOTERS);
}

static void crash_follower(void)
{
    int crashed = follower();
    work(1, SMALL_BYTES, 0);
    crash(crashed);
    work(3, SMALL_BYTES, 2);
    start(crashed);
    settle(VOTERS);
}

/* One is cut off for longer than the leader keeps entries in memory, and over the end of a
 * segment: it is caught up from the log.
 */
static void lag(void)
{
    int lagging = follower();
    const struct disk_memory *disk = &life.rig.nodes[leader()].disk;
    cut_off(lagging);
    work(4, LARGE_BYTES, 5);
    heal();
    uint64_t reads = disk->call_count - disk->write_count - disk->prepare_count;
    settle(VOTERS);
    assert_true(life.fault.node >= 0 ||
                disk->call_count - disk->write_count - disk->prepare_count > reads);
}

static void crash_leader(void)
{
    int crashed = leader();
    work(2, SMALL_BYTES, 1);
    crash(crashed);
    run(700);
    work(2, SMALL_BYTES, 2);
    start(crashed);
    settle(VOTERS);
}

static void admit_newcomer(void)
{
    start(NEWCOMER);
    work(5, SMALL_BYTES, 5);
    settle(NODES);
}

static void restart_in_order(void)
{
    int stopped = follower();
    stop(stopped);
    run(20);
    start(stopped);
    settle(NODES);
}

static void live(struct fault fault)
{
    memset(&life, 0, sizeof(life));
    life.fault = fault;
    rig_init(&life.rig, NODES, fault.seed);
    life.rig.disk_percent = 100;
    life.rig.segment_bytes = UINT64_C(1) << 17;
    life.rig.cache_bytes = 1024;
    if (fault.node >= 0) {
        life.rig.nodes[fault.node].may_fail = true;
    }
    begin();
    work(4, SMALL_BYTES, 2);
    change_leader();
    crash_follower();
    lag();
    crash_leader();
    admit_newcomer();
    restart_in_order();
    work(2, SMALL_BYTES, 2);
    settle(NODES);
}

/* All replicas hold the same, and whoever asked was told. */
static void check_end(void)
{
    run(2100); /* the proposal timeout of the rig */
    settle(NODES);
    for (uint64_t i = 0; i < life.rig.proposal_count; i++) {
        assert_int_not_equal(life.rig.outcomes[i], RIG_WAITS);
    }
    for (int i = 1; i < NODES; i++) {
        assert_int_equal(life.rig.nodes[i].applied_count, life.rig.nodes[0].applied_count);
    }
    assert_true(life.rig.done_count > 40);
    rig_check(&life.rig);
    rig_deinit(&life.rig);
}

/* How many calls each node makes when nothing fails. */
struct counts {
    uint64_t allocations[NODES];
    uint64_t disk_calls[NODES];
};

static void count_calls(uint64_t seed, struct counts *counts)
{
    live((struct fault){.seed = seed, .node = -1});
    for (int i = 0; i < NODES; i++) {
        counts->allocations[i] = life.rig.nodes[i].heap.allocate_count;
        counts->disk_calls[i] = life.rig.nodes[i].disk.call_count;
    }
    assert_int_equal(life.failures, 0);
    check_end();
}

static void fail_once(void *context, uint64_t number)
{
    struct fault fault = *(const struct fault *)context;
    fault.allocation += fault.allocation > 0 ? number : 0;
    fault.disk_call += fault.disk_call > 0 ? number : 0;
    live(fault);
    assert_true(has_fault_come());
    if (fault.disk_call > 0) {
        /* What could not be read or written is final; no room for another segment is not. */
        bool is_for_room = fault.status == QR_ERR_DISK_FULL && !life.is_refused &&
                           life.rig.nodes[fault.node].disk.prepare_fail_count > 0;
        assert_int_equal(life.failures, is_for_room ? 0 : 1);
    }
    check_end();
}

static void sweep_lives(const char *what, struct fault first)
{
    uint64_t seeds = sweep_is_full() ? SEEDS : 1;
    for (first.seed = 1; first.seed <= seeds; first.seed++) {
        struct counts counts;
        count_calls(first.seed, &counts);
        for (first.node = 0; first.node < NODES; first.node++) {
            char name[64];
            (void)snprintf(name, sizeof(name), "%s of node %d, life %d", what, first.node,
                           (int)first.seed);
            const uint64_t *calls = first.allocation > 0 ? counts.allocations : counts.disk_calls;
            sweep_run(&(struct sweep){name, calls[first.node], SAMPLES, fail_once, &first});
        }
    }
}

static void any_allocation_of_any_node_may_fail(void **state)
{
    (void)state;
    sweep_lives("allocations", (struct fault){.allocation = 1});
}

static void any_disk_call_of_any_node_may_fail(void **state)
{
    (void)state;
    sweep_lives("disk calls", (struct fault){.disk_call = 1, .status = QR_ERR_IO});
}

static void any_disk_call_of_any_node_may_find_the_disk_full(void **state)
{
    (void)state;
    sweep_lives("full disk", (struct fault){.disk_call = 1, .status = QR_ERR_DISK_FULL});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_allocation_of_any_node_may_fail),
        cmocka_unit_test(any_disk_call_of_any_node_may_fail),
        cmocka_unit_test(any_disk_call_of_any_node_may_find_the_disk_full),
    };
    return cmocka_run_group_tests_name("sweep_cluster", tests, NULL, NULL);
}
