/* test_engine_log_store_cluster.c: engines, each with its log in a store of the program's; one
 * comes late, or all are killed at once.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "quorate/engine.h"
#include "runtime/clock.h"
#include "support/engines.h"
#include "support/log_file.h"
#include "support/log_memory.h"
#include "support/tally.h"

#define WAIT_NS (60 * NS_PER_S)
#define ACKNOWLEDGED 60 /* proposals, before a process is killed */

/* Three engines of one process, each with a store of its own. */
struct trio {
    struct engines engines;
    const struct qr_log_store *stores[ENGINES];
};

static const struct qr_proposal one = {
    .size_bytes = sizeof(struct qr_proposal), .payload = "\x01", .payload_bytes = 1};

static void choose(void *context, size_t at, struct qr_engine_options *options)
{
    const struct trio *trio = context;
    options->log_store = trio->stores[at];
    options->limits.election_timeout_min_ms = 100;
    options->limits.election_timeout_max_ms = 200;
    options->limits.heartbeat_interval_ms = 20;
    options->limits.max_log_entries = 100;
    options->limits.log_cache_bytes = 65536;
}

static struct trio *trio_new(void)
{
    struct trio *trio = calloc(1, sizeof(*trio));
    assert_non_null(trio);
    engines_init(&trio->engines, choose, trio);
    return trio;
}

static void trio_free(struct trio *trio)
{
    engines_deinit(&trio->engines);
    free(trio);
}

/* Through whoever leads. */
static void propose_to_all(struct trio *trio)
{
    time_ns limit_ns = runtime_now_ns() + WAIT_NS;
    int status = QR_ERR_NO_LEADER;
    for (size_t i = 0; status != 0; i = (i + 1) % ENGINES) {
        assert_true(runtime_now_ns() < limit_ns);
        if (trio->engines.members[i].engine != NULL) {
            status = qr_propose_wait(trio->engines.members[i].engine, &one, NULL);
        }
        if (status != 0) {
            pause_a_little();
        }
    }
}

static void wait_for_sum(struct tally *tally, uint64_t sum)
{
    time_ns limit_ns = runtime_now_ns() + WAIT_NS;
    while (tally_sum(tally) < sum) {
        assert_true(runtime_now_ns() < limit_ns);
        pause_a_little();
    }
}

static uint64_t first_index(const struct trio *trio, size_t at)
{
    struct qr_status status = {.size_bytes = sizeof(status)};
    assert_int_equal(qr_status(trio->engines.members[at].engine, &status), 0);
    return status.first_index;
}

/* One is away while the others compact their logs: it gets a snapshot, and its log begins anew. */
static void a_log_begins_anew_behind_a_snapshot(void **state)
{
    (void)state;
    struct trio *trio = trio_new();
    struct log_memory *logs = calloc(ENGINES, sizeof(*logs));
    for (size_t i = 0; i < ENGINES; i++) {
        log_memory_init(&logs[i]);
        trio->stores[i] = &logs[i].table;
        engines_open(&trio->engines, i);
    }
    engines_wait_for_voters(&trio->engines, ENGINES);
    engines_close(&trio->engines, 2);
    uint64_t next = logs[2].base.index + logs[2].count + 1; /* what it will ask for */
    uint64_t sum = 0;
    time_ns limit_ns = runtime_now_ns() + WAIT_NS;
    while (first_index(trio, 0) <= next || first_index(trio, 1) <= next) {
        assert_true(runtime_now_ns() < limit_ns);
        propose_to_all(trio);
        sum++;
        pause_a_little(); /* a member that is away is waited for: ten timeouts */
    }
    engines_open(&trio->engines, 2);
    wait_for_sum(&trio->engines.members[2].tally, sum);
    assert_true(atomic_load(&logs[2].reset_count) > 0);
    for (size_t i = 0; i < ENGINES; i++) {
        engines_close(&trio->engines, i);
    }
    for (size_t i = 0; i < ENGINES; i++) {
        engines_open(&trio->engines, i);
    }
    propose_to_all(trio);
    for (size_t i = 0; i < ENGINES; i++) {
        wait_for_sum(&trio->engines.members[i].tally, sum + 1);
    }
    for (size_t i = 0; i < ENGINES; i++) {
        engines_close(&trio->engines, i);
        log_memory_deinit(&logs[i]);
    }
    free(logs);
    trio_free(trio);
}

/* In a child: write, and tell of each that was acknowledged, until somebody kills it. */
static void run_trio(struct trio *trio, int told)
{
    struct log_file *logs = calloc(ENGINES, sizeof(*logs));
    for (size_t i = 0; i < ENGINES; i++) {
        log_file_init(&logs[i], trio->engines.members[i].directory);
        trio->stores[i] = &logs[i].table;
        engines_open(&trio->engines, i);
    }
    engines_wait_for_voters(&trio->engines, ENGINES);
    propose_to_all(trio); /* what was committed before is applied with it */
    uint64_t sum = 0;
    for (size_t i = 0; i < ENGINES; i++) {
        uint64_t here = tally_sum(&trio->engines.members[i].tally);
        sum = here > sum ? here : sum;
    }
    bool goes_on = write(told, &sum, sizeof(sum)) == sizeof(sum);
    while (goes_on) {
        propose_to_all(trio);
        goes_on = write(told, "x", 1) == 1;
    }
    _exit(1);
}

/* Returns the sum that it began with; `acknowledged` is set. */
static uint64_t run_and_kill(struct trio *trio, uint64_t *acknowledged)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)close(ends[0]);
        run_trio(trio, ends[1]);
    }
    (void)close(ends[1]);
    uint64_t sum = 0;
    uint64_t count = 0;
    char byte;
    bool is_there = read(ends[0], &sum, sizeof(sum)) == sizeof(sum);
    while (is_there && count < ACKNOWLEDGED && read(ends[0], &byte, 1) == 1) {
        count++;
    }
    (void)kill(child, SIGKILL);
    (void)waitpid(child, NULL, 0);
    while (is_there && read(ends[0], &byte, 1) == 1) {
        count++;
    }
    (void)close(ends[0]);
    assert_true(is_there && count >= ACKNOWLEDGED);
    *acknowledged = count;
    return sum;
}

static void what_was_acknowledged_survives_a_kill_of_all_three(void **state)
{
    (void)state;
    struct trio *trio = trio_new();
    uint64_t least = 1; /* the proposal that each child begins with */
    for (int round = 0; round < 3; round++) {
        uint64_t acknowledged;
        uint64_t sum = run_and_kill(trio, &acknowledged);
        assert_true(sum >= least);
        least = sum + acknowledged + 1;
    }
    trio_free(trio);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_acknowledged_survives_a_kill_of_all_three),
        cmocka_unit_test(a_log_begins_anew_behind_a_snapshot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
