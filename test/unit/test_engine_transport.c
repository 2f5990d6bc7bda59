/* test_engine_transport.c: three engines in a process, whose bytes a program carries in memory. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "quorate/engine.h"
#include "runtime/clock.h"
#include "support/engines.h"
#include "support/memory_transport.h"
#include "support/tally.h"

#define WAIT_NS (30 * NS_PER_S)
#define SECRET "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n"

struct bench {
    struct memory_network network;
    struct engines engines;
    char secret[96];
    bool has_secret;
    size_t socket_count; /* of this process, before there were engines */
    uint64_t sum;        /* of what was acknowledged */
    uint64_t unsure;     /* of what may have happened, as its leader was replaced meanwhile */
};

static void choose(void *context, size_t at, struct qr_engine_options *options)
{
    struct bench *bench = context;
    options->secret_file = bench->has_secret ? bench->secret : NULL;
    options->is_insecure = !bench->has_secret;
    options->transport = &bench->network.transports[at].table;
    options->limits.election_timeout_min_ms = 250;
    options->limits.election_timeout_max_ms = 500;
    options->limits.segment_bytes = UINT64_C(1) << 20;
    options->limits.max_message_bytes = UINT64_C(1) << 16;
}

static struct bench *bench_new(bool has_secret)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    bench->has_secret = has_secret;
    memory_network_init(&bench->network);
    engines_init(&bench->engines, choose, bench);
    for (size_t i = 0; i < ENGINES; i++) { /* as the network knows them */
        (void)snprintf(bench->engines.members[i].address, 4, "%c:1", (char)('a' + i));
    }
    (void)snprintf(bench->secret, sizeof(bench->secret), "%s.secret",
                   bench->engines.members[0].directory);
    FILE *file = fopen(bench->secret, "w");
    assert_non_null(file);
    assert_true(fputs(SECRET, file) >= 0);
    assert_int_equal(fchmod(fileno(file), S_IRUSR | S_IWUSR), 0);
    assert_int_equal(fclose(file), 0);
    return bench;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    engines_deinit(&bench->engines);
    (void)unlink(bench->secret);
    memory_network_deinit(&bench->network);
    free(bench);
    return 0;
}

/* All three open, and voters. */
static void begin(struct bench *bench)
{
    for (size_t i = 0; i < ENGINES; i++) {
        engines_open(&bench->engines, i);
    }
    engines_wait_for_voters(&bench->engines, ENGINES);
}

static int propose(struct bench *bench, size_t at, const uint8_t *payload, size_t payload_bytes)
{
    const struct qr_proposal proposal = {
        .size_bytes = sizeof(proposal), .payload = payload, .payload_bytes = payload_bytes};
    int status = qr_propose_wait(bench->engines.members[at].engine, &proposal, NULL);
    uint64_t sum = 0;
    for (size_t i = 0; i < payload_bytes; i++) {
        sum += payload[i];
    }
    bench->sum += status == 0 ? sum : 0;
    bench->unsure += qr_error_class_of(status) == QR_CLASS_UNKNOWN ? sum : 0;
    return status;
}

/* The one that leads, other than `but`; waited for. */
static size_t leader(struct bench *bench, size_t but)
{
    time_ns limit_ns = runtime_now_ns() + WAIT_NS;
    while (true) {
        for (size_t i = 0; i < ENGINES; i++) {
            if (i != but && qr_is_leader(bench->engines.members[i].engine)) {
                return i;
            }
        }
        assert_true(runtime_now_ns() < limit_ns);
        pause_a_little();
    }
}

/* Through whoever leads, until it is acknowledged. */
static void write_one(struct bench *bench, size_t but, const uint8_t *payload, size_t size_bytes)
{
    time_ns limit_ns = runtime_now_ns() + WAIT_NS;
    enum qr_error_class kind;
    do {
        assert_true(runtime_now_ns() < limit_ns);
        kind = qr_error_class_of(propose(bench, leader(bench, but), payload, size_bytes));
    } while (kind == QR_CLASS_RETRY || kind == QR_CLASS_UNKNOWN);
    assert_int_equal(kind, QR_CLASS_NONE);
}

/* On all of them the same, and all that was acknowledged. */
static void wait_for_all(struct bench *bench)
{
    time_ns limit_ns = runtime_now_ns() + WAIT_NS;
    uint64_t sum = 0;
    bool is_same = false;
    while (!is_same) {
        assert_true(runtime_now_ns() < limit_ns);
        pause_a_little();
        sum = tally_sum(&bench->engines.members[0].tally);
        is_same = sum >= bench->sum;
        for (size_t i = 1; i < ENGINES; i++) {
            is_same = is_same && tally_sum(&bench->engines.members[i].tally) == sum;
        }
    }
    assert_in_range(sum, bench->sum, bench->sum + bench->unsure);
}

/* One of the network's counters. */
static uint64_t count_of(struct bench *bench, const uint64_t *counter)
{
    (void)pthread_mutex_lock(&bench->network.mutex);
    uint64_t count = *counter;
    (void)pthread_mutex_unlock(&bench->network.mutex);
    return count;
}

static size_t socket_count(void)
{
    size_t count = 0;
    DIR *directory = opendir("/proc/self/fd");
    assert_non_null(directory);
    for (const struct dirent *entry = readdir(directory); entry != NULL;
         entry = readdir(directory)) {
        char target[64] = "";
        ssize_t length = readlinkat(dirfd(directory), entry->d_name, target, sizeof(target) - 1);
        count += length > 0 && strncmp(target, "socket:", 7) == 0 ? 1 : 0;
    }
    (void)closedir(directory);
    return count;
}

/* The cases of one group go on with the same three engines. */
static int begin_plain(void **state)
{
    size_t before = socket_count();
    struct bench *bench = bench_new(false);
    bench->socket_count = before;
    begin(bench);
    *state = bench;
    return 0;
}

static int begin_with_secret(void **state)
{
    struct bench *bench = bench_new(true);
    bench->network.write_bytes_max = 7;
    begin(bench);
    *state = bench;
    return 0;
}

static int setup_secret(void **state)
{
    *state = bench_new(true);
    return 0;
}

/* Nor does a member that stops and starts again. */
static void a_cluster_needs_no_socket(void **state)
{
    struct bench *bench = *state;
    for (uint8_t i = 1; i <= 20; i++) {
        write_one(bench, ENGINES, &i, 1);
    }
    wait_for_all(bench);
    engines_restart(&bench->engines, (leader(bench, ENGINES) + 1) % ENGINES);
    write_one(bench, ENGINES, &(uint8_t){7}, 1);
    wait_for_all(bench);
    assert_int_equal(socket_count(), bench->socket_count);
    assert_true(count_of(bench, &bench->network.packet_count) >
                0); /* SWIM has gone that way, too */
}

/* What was acknowledged stays, on both sides of a cut, and who was cut off catches up. */
static void a_leader_that_is_cut_off_is_replaced_and_catches_up(void **state)
{
    static const uint8_t five = 5;
    struct bench *bench = *state;
    write_one(bench, ENGINES, &five, 1);
    wait_for_all(bench);
    size_t lost = leader(bench, ENGINES);
    uint64_t before = tally_sum(&bench->engines.members[lost].tally);
    memory_network_cut(&bench->network, lost, true);
    write_one(bench, lost, &five, 1);
    assert_int_equal(tally_sum(&bench->engines.members[lost].tally), before);
    memory_network_cut(&bench->network, lost, false);
    wait_for_all(bench);
    write_one(bench, ENGINES, &five, 1);
    wait_for_all(bench);
}

/* TLS, hellos and frames, however small the pieces are that a write takes. */
static void a_transport_may_take_a_few_bytes_at_a_time(void **state)
{
    struct bench *bench = *state;
    for (uint8_t i = 1; i <= 3; i++) {
        write_one(bench, ENGINES, &i, 1);
    }
    wait_for_all(bench);
    assert_true(count_of(bench, &bench->network.short_write_count) > 1000);
}

/* More than may wait at a time, so that each end has to be told to go on. */
static void large_entries_pass_however_much_may_wait(void **state)
{
    static uint8_t payload[60000];
    struct bench *bench = *state;
    memset(payload, 1, sizeof(payload));
    (void)pthread_mutex_lock(&bench->network.mutex);
    bench->network.write_bytes_max = 0;
    (void)pthread_mutex_unlock(&bench->network.mutex);
    uint64_t before = count_of(bench, &bench->network.carried_bytes);
    for (int i = 0; i < 30; i++) {
        write_one(bench, ENGINES, payload, sizeof(payload));
    }
    wait_for_all(bench);
    uint64_t carried = count_of(bench, &bench->network.carried_bytes) - before;
    assert_true(carried > 2 * 30 * sizeof(payload));
}

/* A secret protects what goes through a program's transport as well. */
static void who_has_no_secret_gets_nothing(void **state)
{
    struct bench *bench = *state;
    engines_open(&bench->engines, 0);
    bench->has_secret = false;
    engines_open(&bench->engines, 1);
    struct qr_counters counters = {.size_bytes = sizeof(counters)};
    time_ns limit_ns = runtime_now_ns() + WAIT_NS;
    do {
        assert_true(runtime_now_ns() < limit_ns);
        pause_a_little();
        qr_counters(bench->engines.members[0].engine, &counters);
    } while (counters.peers_refused == 0 || engines_count_voters(&bench->engines.members[0]) == 0);
    assert_int_equal(engines_count_voters(&bench->engines.members[0]), 1);
}

int main(void)
{
    const struct CMUnitTest plain[] = {
        cmocka_unit_test(a_cluster_needs_no_socket),
        cmocka_unit_test(a_leader_that_is_cut_off_is_replaced_and_catches_up),
    };
    const struct CMUnitTest secret[] = {
        cmocka_unit_test(a_transport_may_take_a_few_bytes_at_a_time),
        cmocka_unit_test(large_entries_pass_however_much_may_wait),
    };
    const struct CMUnitTest strangers[] = {
        cmocka_unit_test_setup_teardown(who_has_no_secret_gets_nothing, setup_secret, teardown),
    };
    int failed = cmocka_run_group_tests(plain, begin_plain, teardown);
    failed += cmocka_run_group_tests(secret, begin_with_secret, teardown);
    return failed + cmocka_run_group_tests(strangers, NULL, NULL);
}
