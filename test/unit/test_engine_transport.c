/* test_engine_transport.c: three engines in a process, whose bytes a program carries in memory. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "quorate/engine.h"
#include "runtime/clock.h"
#include "support/memory_transport.h"
#include "support/tally.h"

#define NODES 3
#define WAIT_NS (30 * NS_PER_S)
#define SECRET "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n"

struct member {
    char directory[64];
    struct tally tally;
    struct qr_engine *engine;
};

struct bench {
    struct memory_network network;
    struct member members[NODES];
    char secret[96];
    bool has_secret;
    size_t socket_count; /* of this process, before there were engines */
    uint64_t sum;        /* of what was acknowledged */
    uint64_t unsure;     /* of what may have happened, as its leader was replaced meanwhile */
};

static const char *const addresses[NODES] = {"a:1", "b:1", "c:1"};

static void pause_a_little(void)
{
    struct timespec wait = {.tv_nsec = 2000000};
    (void)nanosleep(&wait, NULL);
}

static void open_member(struct bench *bench, size_t at)
{
    struct member *member = &bench->members[at];
    char name[8];
    char detail[QR_ERROR_DETAIL_BYTES];
    (void)snprintf(name, sizeof(name), "n%zu", at + 1);
    struct qr_engine_options options = {
        .size_bytes = sizeof(options),
        .state_machine = &member->tally.machine,
        .name = name,
        .data_directory = member->directory,
        .peer_address = addresses[at],
        .is_bootstrap = at == 0,
        .join = at == 0 ? NULL : addresses[0],
        .secret_file = bench->has_secret ? bench->secret : NULL,
        .is_insecure = !bench->has_secret,
        .limits = qr_limits_default(),
        .transport = &bench->network.transports[at].table,
    };
    options.limits.election_timeout_min_ms = 250;
    options.limits.election_timeout_max_ms = 500;
    options.limits.segment_bytes = UINT64_C(1) << 20;
    options.limits.max_message_bytes = UINT64_C(1) << 16;
    int status = qr_engine_open(&options, &member->engine, detail);
    if (status != 0) {
        print_message("%s\n", detail);
    }
    assert_int_equal(status, 0);
}

static struct bench *bench_new(bool has_secret)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    bench->has_secret = has_secret;
    memory_network_init(&bench->network);
    for (size_t i = 0; i < NODES; i++) {
        temporary_directory(bench->members[i].directory);
        tally_init(&bench->members[i].tally);
    }
    (void)snprintf(bench->secret, sizeof(bench->secret), "%s.secret", bench->members[0].directory);
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
    for (size_t i = 0; i < NODES; i++) {
        qr_engine_free(bench->members[i].engine);
        tally_deinit(&bench->members[i].tally);
        temporary_directory_remove(bench->members[i].directory);
    }
    (void)unlink(bench->secret);
    memory_network_deinit(&bench->network);
    free(bench);
    return 0;
}

static size_t voter_count(struct qr_engine *engine)
{
    static struct qr_status status;
    status.size_bytes = sizeof(status);
    qr_status(engine, &status);
    size_t count = 0;
    for (size_t i = 0; status.has_leader && i < status.member_count; i++) {
        count += status.members[i].is_voter ? 1 : 0;
    }
    return count;
}

/* All three open, and voters. */
static void begin(struct bench *bench)
{
    for (size_t i = 0; i < NODES; i++) {
        open_member(bench, i);
    }
    time_ns limit_ns = runtime_now_ns() + WAIT_NS;
    for (size_t i = 0; i < NODES; i++) {
        while (voter_count(bench->members[i].engine) < NODES) {
            assert_true(runtime_now_ns() < limit_ns);
            pause_a_little();
        }
    }
}

static int propose(struct bench *bench, size_t at, const uint8_t *payload, size_t payload_bytes)
{
    const struct qr_proposal proposal = {
        .size_bytes = sizeof(proposal), .payload = payload, .payload_bytes = payload_bytes};
    int status = qr_propose_wait(bench->members[at].engine, &proposal, NULL);
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
        for (size_t i = 0; i < NODES; i++) {
            if (i != but && qr_is_leader(bench->members[i].engine)) {
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
        sum = tally_sum(&bench->members[0].tally);
        is_same = sum >= bench->sum;
        for (size_t i = 1; i < NODES; i++) {
            is_same = is_same && tally_sum(&bench->members[i].tally) == sum;
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

static void restart(struct bench *bench, size_t at)
{
    qr_engine_free(bench->members[at].engine);
    bench->members[at].engine = NULL;
    tally_deinit(&bench->members[at].tally);
    tally_init(&bench->members[at].tally);
    open_member(bench, at);
}

/* Nor does a member that stops and starts again. */
static void a_cluster_needs_no_socket(void **state)
{
    struct bench *bench = *state;
    for (uint8_t i = 1; i <= 20; i++) {
        write_one(bench, NODES, &i, 1);
    }
    wait_for_all(bench);
    restart(bench, (leader(bench, NODES) + 1) % NODES);
    write_one(bench, NODES, &(uint8_t){7}, 1);
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
    write_one(bench, NODES, &five, 1);
    wait_for_all(bench);
    size_t lost = leader(bench, NODES);
    uint64_t before = tally_sum(&bench->members[lost].tally);
    memory_network_cut(&bench->network, lost, true);
    write_one(bench, lost, &five, 1);
    assert_int_equal(tally_sum(&bench->members[lost].tally), before);
    memory_network_cut(&bench->network, lost, false);
    wait_for_all(bench);
    write_one(bench, NODES, &five, 1);
    wait_for_all(bench);
}

/* TLS, hellos and frames, however small the pieces are that a write takes. */
static void a_transport_may_take_a_few_bytes_at_a_time(void **state)
{
    struct bench *bench = *state;
    for (uint8_t i = 1; i <= 3; i++) {
        write_one(bench, NODES, &i, 1);
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
        write_one(bench, NODES, payload, sizeof(payload));
    }
    wait_for_all(bench);
    uint64_t carried = count_of(bench, &bench->network.carried_bytes) - before;
    assert_true(carried > 2 * 30 * sizeof(payload));
}

/* A secret protects what goes through a program's transport as well. */
static void who_has_no_secret_gets_nothing(void **state)
{
    struct bench *bench = *state;
    open_member(bench, 0);
    bench->has_secret = false;
    open_member(bench, 1);
    struct qr_counters counters = {.size_bytes = sizeof(counters)};
    time_ns limit_ns = runtime_now_ns() + WAIT_NS;
    do {
        assert_true(runtime_now_ns() < limit_ns);
        pause_a_little();
        qr_counters(bench->members[0].engine, &counters);
    } while (counters.peers_refused == 0 || voter_count(bench->members[0].engine) == 0);
    assert_int_equal(voter_count(bench->members[0].engine), 1);
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
