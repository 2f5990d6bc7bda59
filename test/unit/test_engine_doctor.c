/* test_engine_doctor.c: the public calls on directories that no node uses: one of two nodes is
 * gone for good, and the other is recovered.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "quorate/doctor.h"
#include "quorate/engine.h"
#include "runtime/clock.h"
#include "support/lone_engine.h"

#define WAIT_NS (60 * NS_PER_S)
#define NODES 2

struct bench {
    struct lone_engine nodes[NODES];
    char detail[QR_ERROR_DETAIL_BYTES];
};

static void open_engine(struct bench *bench, int i)
{
    struct qr_engine_options options = lone_engine_options(&bench->nodes[i]);
    if (i > 0) {
        options.name = "n2";
        options.is_bootstrap = false;
        options.join = bench->nodes[0].address;
    }
    lone_engine_open_with(&bench->nodes[i], &options);
}

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    for (int i = 0; i < NODES; i++) {
        lone_engine_init(&bench->nodes[i], false);
    }
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    for (int i = 0; i < NODES; i++) {
        lone_engine_deinit(&bench->nodes[i]);
    }
    free(bench);
    return 0;
}

static size_t voters_known_to(struct qr_engine *engine)
{
    static struct qr_status now;
    size_t voters = 0;
    now.size_bytes = sizeof(now);
    assert_int_equal(qr_status(engine, &now), 0);
    for (size_t i = 0; i < now.member_count; i++) {
        voters += now.members[i].is_voter;
    }
    return voters;
}

/* Two voters, a proposal that both have, and then neither runs. */
static void live(struct bench *bench)
{
    const struct qr_proposal proposal = {.size_bytes = sizeof(proposal),
                                         .id = qr_token_id("t", 1),
                                         .payload = "\x05",
                                         .payload_bytes = 1};
    time_ns limit_ns = runtime_now_ns() + WAIT_NS;
    open_engine(bench, 0);
    open_engine(bench, 1);
    while (voters_known_to(bench->nodes[0].engine) < NODES) {
        assert_true(runtime_now_ns() < limit_ns);
        sched_yield();
    }
    while (qr_propose_wait(bench->nodes[0].engine, &proposal, NULL) != 0) {
        assert_true(runtime_now_ns() < limit_ns);
    }
    lone_engine_close(&bench->nodes[1]);
    lone_engine_close(&bench->nodes[0]);
}

static void a_node_whose_majority_is_gone_is_recovered_once(void **state)
{
    struct bench *bench = *state;
    struct qr_doctor *doctor = NULL;
    struct qr_doctor_verdict verdict;
    struct qr_id cluster = {0};
    const char *path = bench->nodes[0].directory;
    live(bench);
    assert_int_equal(qr_doctor_open(&path, 1, &doctor, bench->detail), 0);
    const struct qr_doctor_directory *told = qr_doctor_directory(doctor, 0);
    const struct qr_id former = told->cluster;
    assert_int_equal(told->status, 0);
    qr_doctor_judge(doctor, QR_DOCTOR_BEST, &verdict);
    assert_int_equal(verdict.way, QR_DOCTOR_RECOVER);
    assert_int_equal(qr_doctor_recover(doctor, 0, &cluster, bench->detail), 0);

    /* What it tells now is what it has made. */
    assert_memory_equal(&told->cluster, &cluster, sizeof(cluster));
    assert_memory_equal(&told->former, &former, sizeof(former));
    assert_int_equal(told->latest.count, 1);
    qr_doctor_judge(doctor, 0, &verdict);
    assert_int_equal(verdict.way, QR_DOCTOR_START);
    assert_int_equal(qr_doctor_recover(doctor, 0, &cluster, bench->detail), QR_ERR_INVALID);
    assert_non_null(strstr(bench->detail, "a majority of the voters is here"));
    qr_doctor_free(doctor);

    open_engine(bench, 0);
    time_ns limit_ns = runtime_now_ns() + WAIT_NS;
    while (qr_read_wait(bench->nodes[0].engine, NULL, NULL) != 0) {
        assert_true(runtime_now_ns() < limit_ns);
    }
    assert_int_equal(tally_sum(&bench->nodes[0].tally), 5);
}

static void with_a_majority_nothing_is_recovered(void **state)
{
    struct bench *bench = *state;
    struct qr_doctor *doctor = NULL;
    struct qr_id cluster = {0};
    const char *paths[NODES] = {bench->nodes[0].directory, bench->nodes[1].directory};
    live(bench);
    assert_int_equal(qr_doctor_open(paths, NODES, &doctor, bench->detail), 0);
    assert_int_equal(qr_doctor_recover(doctor, 0, &cluster, bench->detail), QR_ERR_INVALID);
    assert_int_equal(cluster.high | cluster.low, 0);
    qr_doctor_free(doctor);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_node_whose_majority_is_gone_is_recovered_once, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(with_a_majority_nothing_is_recovered, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
