/* test_sim_linearizability.c: named small histories, large ones, budgets and counterexamples. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/linear/linearizability.h"

#include <time.h>

#include "base/prng.h"
#include "test_sim_history_support.h"

static struct heap heap;
static struct history history;

static int setup(void **state)
{
    (void)state;
    heap_init(&heap);
    history_init(&history, &heap.allocator, HISTORY_OPERATIONS_MAX);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    history_deinit(&history);
    heap_deinit(&heap);
    return 0;
}

static int check_with(const struct linearizability_options *options,
                      struct linearizability_report *report)
{
    struct linearizability_checker checker;

    linearizability_checker_init(&checker, &heap.allocator, options);
    int error = linearizability_check(&checker, &history, report);
    linearizability_checker_deinit(&checker);
    return error;
}

static struct linearizability_report check(void)
{
    struct linearizability_options options = {0};
    struct linearizability_report report;

    assert_int_equal(check_with(&options, &report), 0);
    return report;
}

static const char *report_text(const struct linearizability_report *report)
{
    static char buffer[16 * 1024];
    struct text text = text_of(buffer, sizeof(buffer));

    linearizability_report_write(report, &history, &text);
    assert_false(text.truncated);
    return buffer;
}

struct named {
    const char *name;
    const char *history;
};

static void check_named(const struct named *rows, size_t count,
                        enum linearizability_verdict verdict)
{
    for (size_t i = 0; i < count; i++) {
        history_clear(&history);
        history_read(&history, rows[i].history);
        struct linearizability_report report = check();
        if (report.verdict != verdict) {
            fail_msg("%s\n%s\n%s", rows[i].name, rows[i].history, report_text(&report));
        }
    }
}

/* clang-format off */
static const struct named good[] = {
    {"an empty history is fine", ""},
    {"reads before any write find nothing", "1 GET 0 1 -"},
    {"a read sees the write that returned before it", "1 SET 5 0 1,2 GET 2 3 5"},
    {"a read beside a write sees the old value", "1 SET 5 0 9,2 GET 2 3 -"},
    {"a read beside a write sees the new value", "1 SET 5 0 9,2 GET 2 3 5"},
    {"of two writes side by side either may be last",
     "1 SET 1 0 9,2 SET 2 0 9,3 GET 10 11 1"},
    {"readers beside a write may disagree for a while",
     "1 SET 1 0 1,1 SET 2 2 20,2 GET 3 10 2,3 GET 4 9 1"},
    {"what happens at one moment has no order", "1 SET 5 0 5,2 GET 5 6 -"},
    {"what happens at one moment has no order, of three", "1 SET 5 5 5,2 GET 5 5 -,3 GET 5 5 5"},
    {"operations may be recorded in any order", "2 GET 2 3 5,1 SET 5 0 1"},

    {"an unknown write may never be seen", "1 SET 5 0 ?,2 GET 2 3 -,2 GET 4 5 -"},
    {"an unknown write may be read at once", "1 SET 5 0 ?,2 GET 2 3 5"},
    {"an unknown write may take effect late", "1 SET 5 0 ?,2 GET 2 3 -,2 GET 4 5 5,2 GET 6 7 5"},
    {"an unknown write may take effect between two writes",
     "1 SET 5 0 ?,2 SET 6 2 3,2 GET 4 5 5,2 SET 7 6 7,2 GET 8 9 7"},
    {"a call without an answer yet is as an unknown one", "1 SET 5 0 ~,2 GET 2 3 -,2 GET 4 5 5"},
    {"an unknown read proves nothing", "1 SET 5 0 1,2 GET 2 ?"},
    {"a refused write leaves no trace", "1 SET 5 0 1,2 SET 6 2 x,1 GET 4 5 5"},
    {"of two unknown writes of one value each may be read once",
     "1 SET 5 0 ?,2 SET 5 1 ?,3 GET 2 3 5,3 SET 6 4 5,3 GET 6 7 5,3 SET 8 8 9,3 GET 10 11 8"},
    {"unknown swaps may follow one another",
     "1 SET 1 0 1,2 CAS 1 2 2 ?,3 CAS 2 3 3 ?,4 CAS 3 4 4 ?,1 GET 6 7 4"},
    {"unknown increments may lead from one value to the next",
     "1 INCR 0 ?,2 INCR 1 ?,3 INCR 2 ?,4 GET 6 7 3"},
    {"an unknown delete and an unknown increment lead to 1",
     "1 SET 40 0 1,2 DEL 2 ?,3 INCR 3 ?,1 GET 8 9 1"},
    {"an unknown swap, increments and a swap again",
     "1 SET 9 0 1,2 CAS 9 3 2 ?,3 INCR 2 ?,4 INCR 2 ?,5 CAS 5 11 2 ?,1 GET 6 7 11"},
    {"an unknown write explains a swap that failed", "1 SET 5 0 1,2 SET 6 2 ?,3 CAS 5 7 4 5 0"},
    {"an unknown write is kept for where it is needed",
     "1 SET 2 3 9,2 SET 1 5 7,3 GETSET 2 6 ?,4 CAS 1 0 8 14 0,5 SET 3 21 21,6 INCR 25 31 3"},
    {"unknown increments go on behind a swap that failed",
     "1 SET 6 0 4,2 INCR 0 ?,3 INCR 2 ?,4 INCR 3 ?,5 SET 2 13 ?,6 CAS 6 1 15 18 0,7 GET 20 25 9"},
    {"an unknown increment of the largest number changes nothing",
     "1 SET 9223372036854775807 0 1,2 INCR 2 ?,1 GET 4 5 9223372036854775807"},

    {"SET and GETSET", "1 GETSET 5 0 1 -,1 GETSET 6 2 3 5,1 GET 4 5 6"},
    {"a swap of what is there", "1 SET 5 0 1,2 CAS 5 6 2 3 1,1 GET 4 5 6"},
    {"a swap of what is not there", "1 SET 5 0 1,2 CAS 4 6 2 3 0,1 GET 4 5 5"},
    {"a swap of nothing fails", "2 CAS 0 6 2 3 0,1 GET 4 5 -"},
    {"a swap for the same changes nothing", "1 SET 5 0 1,2 CAS 5 5 2 3 1,1 GET 4 5 5"},
    {"of two swaps of one value one succeeds",
     "1 SET 5 0 1,2 CAS 5 6 2 9 0,3 CAS 5 7 2 9 1,1 GET 10 11 7"},
    {"SETNX once", "1 SETNX 5 0 1 1,2 SETNX 6 2 3 0,1 GET 4 5 5"},
    {"DEL once", "1 SET 5 0 1,1 DEL 2 3 1,1 DEL 4 5 0,1 GET 6 7 -"},
    {"DEL of nothing", "1 DEL 0 1 0"},
    {"increments count", "1 INCR 0 9 2,2 INCR 0 9 1,3 INCR 0 9 3,1 GET 10 11 3"},
    {"an increment of a number", "1 SET -1 0 1,1 INCR 2 3 0,1 INCR 4 5 1"},
    {"an increment of a deleted key", "1 SET 8 0 1,1 DEL 2 3 1,1 INCR 4 5 1"},
};

static const struct named bad[] = {
    {"a stale read is found", "1 SET 1 0 1,1 SET 2 2 3,2 GET 4 5 1"},
    {"a lost write is found", "1 SET 1 0 1,2 GET 2 3 -"},
    {"a write lost after it was read is found", "1 SET 1 0 1,2 GET 2 3 1,2 GET 4 5 -"},
    {"a value out of nowhere is found", "1 SET 1 0 1,2 GET 2 3 7"},
    {"a read of a refused write is found", "1 SET 1 0 x,2 GET 2 3 1"},
    {"a read from the future is found", "2 GET 0 1 1,1 SET 1 2 3"},
    {"two readers that see the value go back are found",
     "1 SET 1 0 1,1 SET 2 2 9,2 GET 3 4 2,3 GET 5 6 1"},
    {"a write applied twice is found", "1 SET 1 0 1,2 SET 2 2 3,3 GET 4 5 2,3 GET 6 7 1"},
    {"an unknown write read and then unread is found", "1 SET 1 0 ?,2 GET 2 3 1,2 GET 4 5 -"},
    {"an unknown write applied twice is found",
     "1 SET 1 0 ?,2 GET 2 3 1,2 SET 2 4 5,2 GET 6 7 2,2 GET 8 9 1"},
    {"an unknown write before its call is found", "2 GET 0 1 5,1 SET 5 2 ?"},
    {"two orders that contradict each other are found",
     "1 SET 1 0 9,2 SET 2 0 9,3 GET 1 2 1,3 GET 3 4 2,4 GET 1 2 2,4 GET 3 4 1"},
    {"a lost update is found",
     "1 GET 0 1 -,2 GET 0 1 -,1 SETNX 5 2 3 1,2 SETNX 6 4 5 1"},
    {"an increment lost is found", "1 INCR 0 1 1,2 INCR 2 3 1"},
    {"an increment counted twice is found", "1 INCR 0 1 1,2 INCR 2 3 3"},
    {"an unknown increment counted twice is found", "1 INCR 0 ?,2 INCR 2 3 3"},
    {"an increment of what is not a number anybody wrote", "1 SET 5 0 1,1 INCR 2 3 7"},
    {"a swap from a value never there is found", "1 SET 5 0 1,2 CAS 6 7 2 3 1"},
    {"a swap of nothing that succeeds is found", "2 CAS 0 7 2 3 1"},
    {"two swaps of one value are found",
     "1 SET 5 0 1,2 CAS 5 6 2 9 1,3 CAS 5 7 2 9 1"},
    {"a swap that must not fail is found", "1 SET 5 0 1,2 CAS 5 6 2 3 0"},
    {"a GETSET of the wrong value is found", "1 SET 5 0 1,2 GETSET 6 2 3 4"},
    {"SETNX twice is found", "1 SETNX 5 0 9 1,2 SETNX 6 0 9 1"},
    {"SETNX that must not fail is found", "1 SETNX 5 0 1 0"},
    {"DEL twice is found", "1 SET 5 0 1,2 DEL 2 9 1,3 DEL 2 9 1"},
    {"DEL that must not fail is found", "1 SET 5 0 1,2 DEL 2 3 0"},
    {"DEL of nothing that succeeds is found", "2 DEL 2 3 1"},
    {"one moment later there is an order", "1 SET 5 0 5,2 GET 6 7 -"},
    {"a reply that is none is found", "1 DEL 0 1 2"},
    {"an increment without a number is found", "1 INCR 0 1 -"},
    {"an increment to the smallest number is found", "1 INCR 0 1 -9223372036854775808"},
};
/* clang-format on */

static void what_one_register_can_do_is_accepted(void **state)
{
    (void)state;
    check_named(good, COUNT_OF(good), LINEARIZABILITY_HOLDS);
}

static void what_it_cannot_is_found(void **state)
{
    (void)state;
    check_named(bad, COUNT_OF(bad), LINEARIZABILITY_VIOLATED);
}

static void check_report(const char *operations, const char *expected)
{
    history_clear(&history);
    history_read(&history, operations);
    struct linearizability_report report = check();
    const char *text = report_text(&report);
    if (strcmp(text, expected) != 0) {
        fail_msg("%s\nsays\n%snot\n%s", operations, text, expected);
    }
}

static void a_counterexample_is_told_in_words(void **state)
{
    (void)state;
    check_report("1 SET 1 0 1,1 SET 2 2 3,1 SET 3 4 10,2 GET 5 60 3,3 GET 61 90 2",
                 "key 7 is not linearizable: since client 3's GET returned at 90, "
                 "no order explains these\n"
                 "  client  operation  result  from  to\n"
                 "       1  SET 2      ok         2   3\n"
                 "       1  SET 3      ok         4  10\n"
                 "       3  GET        2         61  90\n");
}

static void what_does_not_matter_is_left_out(void **state)
{
    (void)state;
    check_report("1 SET 1 0 1,2 SET 2 0 ?,3 GET 2 3 1,4 CAS 9 8 4 5 0,5 DEL 6 x,1 SET 4 6 7,"
                 "2 GET 8 9 4,4 CAS 4 5 10 11 1,3 GET 12 13 5,3 GET 14 15 4,3 GET 16 17 77",
                 "key 7 is not linearizable: since client 3's GET returned at 15, "
                 "no order explains these\n"
                 "  client  operation  result  from  to\n"
                 "       1  SET 4      ok         6   7\n"
                 "       4  CAS 4 5    1         10  11\n"
                 "       3  GET        4         14  15\n");
}

static void who_would_have_written_is_shown(void **state)
{
    (void)state;
    check_report("1 SET 1 0 1,2 SET 2 3 x,3 GET 4 5 2",
                 "key 7 is not linearizable: since client 3's GET returned at 5, "
                 "no order explains these\n"
                 "  client  operation  result   from  to\n"
                 "       2  SET 2      refused     3   -\n"
                 "       3  GET        2           4   5\n");
    check_report("1 SET 1 0 1,3 GET 4 5 2,2 SET 2 6 7",
                 "key 7 is not linearizable: since client 3's GET returned at 5, "
                 "no order explains these\n"
                 "  client  operation  result  from  to\n"
                 "       3  GET        2          4   5\n"
                 "       2  SET 2      ok         6   7\n");
}

static void an_unknown_operation_that_was_used_is_shown(void **state)
{
    (void)state;
    check_report("1 SET 1 0 ?,9 SET 9 0 ?,2 GET 2 3 1,2 GET 4 5 -",
                 "key 7 is not linearizable: since client 2's GET returned at 5, "
                 "no order explains these\n"
                 "  client  operation  result   from  to\n"
                 "       1  SET 1      unknown     0   -\n"
                 "       2  GET        1           2   3\n"
                 "       2  GET        nothing     4   5\n");
}

static void other_verdicts_are_told_in_words(void **state)
{
    struct linearizability_options options = {.steps_max = 1};
    struct linearizability_report report;

    (void)state;
    check_report("", "0 operations on 0 keys: linearizable\n");
    check_report("1 GET 0 1 -", "1 operation on 1 key: linearizable\n");
    history_read(&history, "2 GET 0 1 -,3 SET 4 5 6,3 GET 7 8 4");
    assert_int_equal(check_with(&options, &report), 0);
    assert_string_equal(report_text(&report),
                        "4 operations on 1 key: 1 undecided, the first of them key 7\n");
}

/* Whether a GET of key `key` at [from, to] that finds `number` or nothing. */
static void add_get(uint64_t key, uint64_t at, struct history_value reply)
{
    struct history_call call = {.key = key, .kind = HISTORY_GET};

    history_done(&history, history_call(&history, &call, at), reply, at + 1);
}

static void keys_are_judged_apart(void **state)
{
    (void)state;
    for (uint64_t key = 10; key > 0; key--) {
        struct history_call call = {.key = key, .kind = HISTORY_SET, .argument = (int64_t)key};
        uint32_t number = history_call(&history, &call, 100);
        history_done(&history, number, history_none(), 101);
        add_get(key, 102, history_number((int64_t)key));
    }
    struct linearizability_report report = check();
    assert_int_equal(report.verdict, LINEARIZABILITY_HOLDS);
    assert_int_equal(report.key_count, 10);
    assert_int_equal(report.operation_count, 20);

    add_get(4, 104, history_number(3));
    report = check();
    assert_int_equal(report.verdict, LINEARIZABILITY_VIOLATED);
    assert_int_equal(report.key, 4);
    assert_int_equal(report.shown_count, 1);
    assert_int_equal(report.shown[0], 20);
    assert_int_equal(report.last, 20);
}

/* Writes of 24 clients at once that all are read, the last by one who should not. */
static void add_crowd(uint64_t key)
{
    for (uint32_t i = 0; i < 24; i++) {
        struct history_call call = {
            .key = key, .client = i, .kind = HISTORY_SET, .argument = (int64_t)i % 3};
        history_done(&history, history_call(&history, &call, 0), history_none(), 1000);
        call.kind = HISTORY_CAS;
        call.expected = (int64_t)(i + 1) % 3;
        history_done(&history, history_call(&history, &call, 0), history_number(1), 1000);
    }
    add_get(key, 2000, history_number(0));
    add_get(key, 2002, history_number(1));
}

static void a_budget_of_steps_ends_in_no_verdict(void **state)
{
    struct linearizability_options options = {.steps_max = 5000};
    struct linearizability_report report;

    (void)state;
    add_crowd(2);
    add_get(1, 0, history_none());
    add_get(3, 0, history_none());
    assert_int_equal(check_with(&options, &report), 0);
    assert_int_equal(report.verdict, LINEARIZABILITY_UNDECIDED);
    assert_int_equal(report.key, 2);
    assert_int_equal(report.undecided_key_count, 1);
    assert_int_equal(report.key_count, 3);
    assert_in_range(report.step_count, 4900, 5200);
    history_invariants(&history);

    /* A violation elsewhere counts more. */
    add_get(3, 2, history_number(1));
    assert_int_equal(check_with(&options, &report), 0);
    assert_int_equal(report.verdict, LINEARIZABILITY_VIOLATED);
    assert_int_equal(report.key, 3);
}

static void a_budget_of_memory_ends_in_no_verdict(void **state)
{
    struct linearizability_options options = {.memory_bytes_max = 200000};
    struct linearizability_report report;

    (void)state;
    add_crowd(2);
    assert_int_equal(check_with(&options, &report), 0);
    assert_int_equal(report.verdict, LINEARIZABILITY_UNDECIDED);
    assert_true(report.step_count > 1000);
}

static void without_memory_there_is_an_error_and_no_leak(void **state)
{
    struct linearizability_options options = {.steps_max = 2000000};
    struct linearizability_report report;
    uint64_t fail_at = 0;
    int error;

    (void)state;
    add_crowd(2);
    add_get(9, 0, history_number(1));
    size_t live_bytes = heap.live_bytes;
    do {
        memset(&report, 0xee, sizeof(report));
        heap.fail_at = heap.allocate_count + ++fail_at;
        error = check_with(&options, &report);
        assert_int_equal(heap.live_bytes, live_bytes);
        assert_true(error == 0 || report.key == UINT64_C(0xeeeeeeeeeeeeeeee));
    } while (error == QR_ERR_NO_MEMORY);
    assert_int_equal(error, 0);
    assert_int_equal(report.verdict, LINEARIZABILITY_VIOLATED);
    assert_true(fail_at > 3);
}

/* A store with delays: clients call, it obeys at a moment between call and return. */
struct workload {
    const char *name;
    uint32_t clients;
    uint32_t keys;
    uint32_t operations;
    uint64_t unknown_percent;
    uint64_t refused_percent;
    int64_t number_max; /* of values written; 0: each is written once */
    const char *kinds;  /* a digit of enum history_kind each */
};

struct client {
    uint64_t invoked_at;
    uint64_t effect_at;
    uint64_t returned_at;
    struct history_call call;
    struct history_value reply;
    uint32_t number;
    enum history_outcome outcome;
    bool is_waiting; /* for the effect */
    bool is_open;    /* for the return */
};

#define CLIENTS_MAX 64
#define KEYS_MAX 64

static struct client clients[CLIENTS_MAX];
static struct history_value store[KEYS_MAX];

static void client_call(struct client *client, const struct workload *workload, struct prng *prng,
                        uint64_t now)
{
    size_t kind = prng_between(prng, 0, strlen(workload->kinds) - 1);
    uint64_t chance = prng_between(prng, 1, 100);

    client->call.client = (uint32_t)(client - clients);
    client->call.key = prng_between(prng, 0, workload->keys - 1);
    client->call.kind = (enum history_kind)(workload->kinds[kind] - '0');
    client->call.argument = workload->number_max == 0
                                ? ((int64_t)history.count + 1) * 1000000
                                : (int64_t)prng_between(prng, 0, (uint64_t)workload->number_max);
    client->call.expected = store[client->call.key].number; /* now and then in vain */
    client->invoked_at = now;
    client->effect_at = now + prng_between(prng, 1, 300);
    client->returned_at = client->effect_at + prng_between(prng, 0, 300);
    client->outcome = HISTORY_DONE;
    client->is_waiting = true;
    if (chance <= workload->unknown_percent) {
        client->outcome = HISTORY_UNKNOWN;
        client->is_waiting = chance % 2 == 0;
    } else if (chance <= workload->unknown_percent + workload->refused_percent) {
        client->outcome = HISTORY_REFUSED;
        client->is_waiting = false;
    }
    client->is_open = true;
    client->number = history_call(&history, &client->call, now);
}

static void client_step(struct client *client, const struct workload *workload, struct prng *prng,
                        uint64_t now)
{
    if (client->is_waiting && client->effect_at == now) {
        client->reply = register_do(&store[client->call.key], &client->call);
        client->is_waiting = false;
    }
    if (client->is_open && client->returned_at == now) {
        if (client->outcome == HISTORY_DONE) {
            history_done(&history, client->number, client->reply, now);
        } else if (client->outcome == HISTORY_UNKNOWN) {
            history_unknown(&history, client->number);
        } else {
            history_refused(&history, client->number);
        }
        client->is_open = false;
    }
    if (!client->is_open && history.count < workload->operations &&
        prng_between(prng, 1, 50) == 1) {
        client_call(client, workload, prng, now);
    }
}

static void run_workload(const struct workload *workload, uint64_t seed)
{
    struct prng prng = prng_of(seed);
    bool is_busy = true;

    history_clear(&history);
    memset(clients, 0, sizeof(clients));
    memset(store, 0, sizeof(store));
    for (uint64_t now = 0; is_busy; now++) {
        is_busy = history.count < workload->operations;
        for (uint32_t i = 0; i < workload->clients; i++) {
            client_step(&clients[i], workload, &prng, now);
            is_busy = is_busy || clients[i].is_open;
        }
    }
    history_invariants(&history);
}

static void *allocate_plainly(void *context, size_t size_bytes)
{
    (void)context;
    return malloc(size_bytes);
}

static void release_plainly(void *context, void *memory, size_t size_bytes)
{
    (void)context;
    (void)size_bytes;
    free(memory);
}

/* One checker for many histories, as a simulator has it. The other heap fills what it gives,
 * which takes longer than the check.
 */
static struct linearizability_checker checker;

static int setup_checker(void **state)
{
    static const struct allocator plain = {NULL, allocate_plainly, release_plainly};
    static const struct linearizability_options options = {0};

    linearizability_checker_init(&checker, &plain, &options);
    return setup(state);
}

static int teardown_checker(void **state)
{
    linearizability_checker_deinit(&checker);
    return teardown(state);
}

/* Milliseconds of processor time. */
static double time_of(struct linearizability_report *report)
{
    clock_t begin = clock();

    assert_int_equal(linearizability_check(&checker, &history, report), 0);
    return (double)(clock() - begin) * 1e3 / CLOCKS_PER_SEC;
}

/* GET 0, SET 1, GETSET 2, CAS 3, SETNX 4, DEL 5, INCR 6 */
static const struct workload workloads[] = {
    {"20 clients, 5 keys, all commands", 20, 5, 5000, 0, 0, 0, "00001123456"},
    {"20 clients, 5 keys, 5 % unknown", 20, 5, 5000, 5, 5, 0, "00001123456"},
    {"20 clients, 5 keys, 20 % unknown", 20, 5, 5000, 20, 10, 0, "00001123456"},
    {"20 clients, 50 keys, 20 % unknown", 20, 50, 5000, 20, 10, 0, "00001123456"},
    {"20 clients, 5 keys, values again", 20, 5, 5000, 0, 0, 9, "00001123456"},
    {"20 clients, 5 keys, values again, 5 % unknown", 20, 5, 5000, 5, 5, 9, "00001123456"},
    {"20 clients, 1 key, reads and writes", 20, 1, 5000, 5, 5, 0, "0001"},
    {"20 clients, 1 key, increments", 20, 1, 5000, 5, 5, 0, "06"},
    {"20 clients, 1 key, all commands", 20, 1, 5000, 5, 5, 0, "00001123456"},
    {"1 client, 5 keys, 20 % unknown", 1, 5, 5000, 20, 10, 0, "00001123456"},
};

static void large_histories_of_a_store_with_delays_are_accepted(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(workloads); i++) {
        double total = 0;
        double longest = 0;
        for (uint64_t seed = 1; seed <= 5; seed++) {
            struct linearizability_report report;
            run_workload(&workloads[i], seed);
            double spent = time_of(&report);
            total += spent;
            longest = spent > longest ? spent : longest;
            if (report.verdict != LINEARIZABILITY_HOLDS) {
                fail_msg("%s, seed %d: %s", workloads[i].name, (int)seed, report_text(&report));
            }
        }
        print_message("%-46s %6.2f ms a history, %6.2f ms the longest\n", workloads[i].name,
                      total / 5, longest);
    }
}

/* Let one read of a value that was overwritten long before see it again. */
static bool spoil(struct prng *prng)
{
    for (int tries = 0; tries < 1000; tries++) {
        size_t late = prng_between(prng, history.count / 2, history.count - 1);
        size_t early = prng_between(prng, 0, history.count / 4);
        struct history_operation *read = &history.operations[late];
        struct history_operation *stale = &history.operations[early];
        if (read->call.kind == HISTORY_GET && read->outcome == HISTORY_DONE &&
            stale->call.kind == HISTORY_GET && stale->outcome == HISTORY_DONE &&
            stale->call.key == read->call.key && stale->reply.is_present &&
            stale->reply.number != read->reply.number && stale->reply.number % 1000000 == 0) {
            read->reply = stale->reply;
            return true;
        }
    }
    return false;
}

static void one_stale_read_in_a_large_history_is_found_and_shown_small(void **state)
{
    struct prng prng = prng_of(3);

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        double total = 0;
        size_t shown_count = 0;
        for (uint64_t seed = 1; seed <= 5; seed++) {
            struct linearizability_report report;
            run_workload(&workloads[i], seed);
            assert_true(spoil(&prng));
            total += time_of(&report);
            assert_int_equal(report.verdict, LINEARIZABILITY_VIOLATED);
            assert_in_range(report.shown_count, 2, 12);
            shown_count += report.shown_count;
        }
        print_message("%-46s %6.2f ms a history, %d.%d operations shown\n", workloads[i].name,
                      total / 5, (int)shown_count / 5, (int)shown_count % 5 * 2);
    }
}

static void a_stale_read_is_found_at_once_however_much_is_open(void **state)
{
    static const struct workload crowded = {"", 60, 1, 5000, 10, 10, 0, "01"};
    struct linearizability_report report;
    struct prng prng = prng_of(4);

    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        run_workload(&crowded, seed);
        assert_true(spoil(&prng));
        time_of(&report);
        assert_int_equal(report.verdict, LINEARIZABILITY_VIOLATED);
        assert_in_range(report.step_count, 1, 5000);
        assert_in_range(report.shown_count, 2, 12);
    }
}

/* What a checker kept of earlier histories must not show. */
static void a_verdict_does_not_depend_on_earlier_histories(void **state)
{
    struct linearizability_report first = {0};
    struct linearizability_report again = {0};

    (void)state;
    checker.options.memory_bytes_max = 0;
    checker.search_arena.taken_bytes_max = 150000;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        run_workload(&workloads[1], seed);
        time_of(&first);
        run_workload(&workloads[7], seed);
        time_of(&again);
        run_workload(&workloads[1], seed);
        time_of(&again);
        assert_memory_equal(&first, &again, sizeof(first));
    }
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define LARGE_CASE(name) cmocka_unit_test_setup_teardown(name, setup_checker, teardown_checker)
    const struct CMUnitTest tests[] = {
        CASE(what_one_register_can_do_is_accepted),
        CASE(what_it_cannot_is_found),
        CASE(a_counterexample_is_told_in_words),
        CASE(what_does_not_matter_is_left_out),
        CASE(who_would_have_written_is_shown),
        CASE(an_unknown_operation_that_was_used_is_shown),
        CASE(other_verdicts_are_told_in_words),
        CASE(keys_are_judged_apart),
        CASE(a_budget_of_steps_ends_in_no_verdict),
        CASE(a_budget_of_memory_ends_in_no_verdict),
        CASE(without_memory_there_is_an_error_and_no_leak),
        LARGE_CASE(large_histories_of_a_store_with_delays_are_accepted),
        LARGE_CASE(a_stale_read_is_found_at_once_however_much_is_open),
        LARGE_CASE(a_verdict_does_not_depend_on_earlier_histories),
        LARGE_CASE(one_stale_read_in_a_large_history_is_found_and_shown_small),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
