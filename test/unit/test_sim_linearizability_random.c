/* test_sim_linearizability_random.c: the checker agrees with trying all orders.
 *
 * The judge goes by the definition alone: for each set of operations, all values that the
 * register can have after some order of just these that keeps to the times and the replies.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "base/prng.h"
#include "sim/linear/linearizability.h"
#include "support/sweep.h"
#include "test_sim_history_support.h"

#define JUDGED_MAX 13
#define HISTORIES 36000
#define LONGER_HISTORIES 12000

/* Values are a bit each: absent, and numbers from -1 on. */
static uint64_t bit_of(struct history_value value)
{
    ASSERT(!value.is_present || (value.number >= -1 && value.number <= 60));
    return value.is_present ? UINT64_C(1) << (value.number + 2) : 1;
}

static struct history_value value_of_bit(int bit)
{
    return bit == 0 ? history_none() : history_number(bit - 2);
}

static bool is_reply(const struct history_operation *operation, struct history_value reply)
{
    if (operation->outcome != HISTORY_DONE || operation->call.kind == HISTORY_SET) {
        return true;
    }
    return operation->reply.is_present == reply.is_present &&
           (!reply.is_present || operation->reply.number == reply.number);
}

struct judged {
    const struct history_operation *operations[JUDGED_MAX];
    size_t count;
};

/* The values after one more operation on each of `values`. */
static uint64_t values_after(const struct history_operation *operation, uint64_t values)
{
    uint64_t after = 0;

    for (int bit = 0; bit < 64; bit++) {
        struct history_value state = value_of_bit(bit);
        if ((values >> bit & 1) == 0) {
            continue;
        }
        struct history_value reply = register_do(&state, &operation->call);
        if (is_reply(operation, reply)) {
            after |= bit_of(state);
        }
    }
    return after;
}

static bool can_be_next(const struct judged *judged, uint32_t done, size_t next)
{
    for (size_t i = 0; i < judged->count; i++) {
        const struct history_operation *other = judged->operations[i];
        bool must_be_first = other->outcome == HISTORY_DONE &&
                             other->returned_at < judged->operations[next]->invoked_at;
        if (must_be_first && (done >> i & 1) == 0) {
            return false;
        }
    }
    return (done >> next & 1) == 0;
}

static bool has_order(const struct judged *judged)
{
    static uint64_t values[1 << JUDGED_MAX];
    uint32_t all = (1U << judged->count) - 1;
    uint32_t known = 0;

    for (size_t i = 0; i < judged->count; i++) {
        known |= judged->operations[i]->outcome == HISTORY_DONE ? 1U << i : 0;
    }
    memset(values, 0, ((size_t)all + 1) * sizeof(values[0]));
    values[0] = bit_of(history_none());
    for (uint32_t done = 0; done <= all; done++) {
        if (values[done] != 0 && (done & known) == known) {
            return true;
        }
        for (size_t i = 0; i < judged->count && values[done] != 0; i++) {
            if (can_be_next(judged, done, i)) {
                values[done | 1U << i] |= values_after(judged->operations[i], values[done]);
            }
        }
    }
    return false;
}

static void judge_add(struct judged *judged, const struct history_operation *operation)
{
    if (operation->outcome != HISTORY_REFUSED) {
        ASSERT(judged->count < JUDGED_MAX);
        judged->operations[judged->count++] = operation;
    }
}

/* How random histories are made. */
struct recipe {
    const char *name;
    uint64_t count_max;
    uint64_t time_max;
    uint64_t length_max;
    int64_t number_max;
    uint64_t unknown_percent;
    uint64_t false_percent; /* histories with replies made up */
    const char *kinds;      /* a digit of enum history_kind each */
};

static bool happens(struct prng *prng, uint64_t percent)
{
    return prng_between(prng, 1, 100) <= percent;
}

static int64_t any_number(struct prng *prng, const struct recipe *recipe)
{
    return (int64_t)prng_between(prng, 0, (uint64_t)recipe->number_max);
}

/* Let the operations take effect at some moment each, and note the replies. */
static void run(struct history *history, struct prng *prng)
{
    uint64_t moments[JUDGED_MAX];
    struct history_value state = history_none();

    for (size_t i = 0; i < history->count; i++) {
        struct history_operation *operation = &history->operations[i];
        uint64_t end = operation->outcome == HISTORY_DONE ? operation->returned_at
                                                          : operation->invoked_at + 20;
        moments[i] = prng_between(prng, operation->invoked_at, end);
    }
    for (uint64_t now = 0; now < 100; now++) {
        for (size_t i = 0; i < history->count; i++) {
            struct history_operation *operation = &history->operations[i];
            if (moments[i] == now && operation->outcome != HISTORY_REFUSED) {
                operation->reply = register_do(&state, &operation->call);
            }
        }
    }
}

static void falsify(struct history *history, struct prng *prng, const struct recipe *recipe)
{
    uint64_t count = prng_between(prng, 1, 2);

    for (uint64_t i = 0; i < count; i++) {
        size_t at = prng_between(prng, 0, history->count - 1);
        struct history_operation *operation = &history->operations[at];
        bool is_flag = operation->call.kind == HISTORY_CAS ||
                       operation->call.kind == HISTORY_SETNX || operation->call.kind == HISTORY_DEL;
        if (is_flag) {
            operation->reply = history_number((int64_t)prng_between(prng, 0, 1));
        } else if (happens(prng, 20)) {
            operation->reply = history_none();
        } else {
            operation->reply = history_number(any_number(prng, recipe));
        }
    }
}

static void make_history(struct history *history, struct prng *prng, const struct recipe *recipe)
{
    uint64_t count = prng_between(prng, 3, recipe->count_max);
    uint64_t now = 0;

    history_clear(history);
    for (uint64_t i = 0; i < count; i++) {
        struct history_call call = {.key = 7, .client = (uint32_t)i};
        size_t kind = prng_between(prng, 0, strlen(recipe->kinds) - 1);
        call.kind = (enum history_kind)(recipe->kinds[kind] - '0');
        call.argument = any_number(prng, recipe);
        call.expected = any_number(prng, recipe);
        now = prng_between(prng, 0, recipe->time_max);
        uint32_t number = history_call(history, &call, now);
        if (happens(prng, recipe->unknown_percent)) {
            history_unknown(history, number);
        } else if (happens(prng, 5)) {
            history_refused(history, number);
        } else {
            now += prng_between(prng, 0, recipe->length_max);
            history_done(history, number, history_none(), now);
        }
    }
    run(history, prng);
    if (happens(prng, recipe->false_percent)) {
        falsify(history, prng, recipe);
    }
}

static void fail_with(const struct recipe *recipe, const struct history *history,
                      const struct linearizability_report *report, const char *what)
{
    static char buffer[8192];
    struct linearizability_report all = *report;
    struct text text = text_of(buffer, sizeof(buffer));

    linearizability_report_write(report, history, &text);
    text_string(&text, "all of it:\n");
    all.verdict = LINEARIZABILITY_VIOLATED;
    all.shown_count = history->count;
    all.last = 0;
    for (uint32_t i = 0; i < history->count; i++) {
        all.shown[i] = i;
    }
    linearizability_report_write(&all, history, &text);
    fail_msg("%s: %s\n%s", recipe->name, what, buffer);
}

static bool check_one(const struct recipe *recipe, const struct history *history,
                      struct linearizability_checker *checker)
{
    struct linearizability_report report;
    struct judged judged = {.count = 0};
    struct judged shown = {.count = 0};

    for (size_t i = 0; i < history->count; i++) {
        judge_add(&judged, &history->operations[i]);
    }
    bool holds = has_order(&judged);
    assert_int_equal(linearizability_check(checker, history, &report), 0);
    if (report.verdict != (holds ? LINEARIZABILITY_HOLDS : LINEARIZABILITY_VIOLATED)) {
        fail_with(recipe, history, &report, holds ? "there is an order" : "there is no order");
    }
    for (size_t i = 0; i < report.shown_count; i++) {
        judge_add(&shown, &history->operations[report.shown[i]]);
    }
    if (!holds && has_order(&shown)) {
        fail_with(recipe, history, &report, "what is shown has an order");
    }
    return holds;
}

/* GET 0, SET 1, GETSET 2, CAS 3, SETNX 4, DEL 5, INCR 6 */
static const struct recipe recipes[] = {
    {"all commands", 8, 24, 6, 3, 20, 75, "0123456"},
    {"all commands, much unknown", 9, 16, 2, 3, 50, 90, "0123456"},
    {"all commands, nothing unknown", 8, 24, 8, 2, 0, 75, "0123456"},
    {"reads and writes", 9, 16, 6, 6, 20, 75, "0011"},
    {"reads, writes and swaps", 9, 20, 4, 4, 30, 90, "0123"},
    {"swaps and unknown swaps", 9, 12, 3, 4, 50, 95, "01333"},
    {"failing tests", 9, 20, 2, 2, 40, 90, "13344555"},
    {"increments", 9, 14, 6, 5, 40, 75, "0666"},
    {"increments and deletes", 9, 16, 4, 4, 50, 90, "05666"},
    {"increments and writes", 9, 16, 6, 12, 40, 75, "01666"},
    {"increments and swaps", 9, 16, 6, 8, 50, 75, "0133666"},
    {"writes that nobody reads", 9, 10, 5, 20, 20, 90, "0112"},
    {"all at once", 8, 2, 2, 3, 10, 90, "0123456"},
};

static void compare(const struct recipe *recipe, uint64_t seed, uint64_t history_count)
{
    struct heap heap;
    struct history history;
    struct linearizability_checker checker;
    struct linearizability_options options = {0};
    struct prng prng = prng_of(seed);
    uint64_t holds_count = 0;

    heap_init(&heap);
    history_init(&history, &heap.allocator, JUDGED_MAX);
    linearizability_checker_init(&checker, &heap.allocator, &options);
    for (uint64_t i = 0; i < history_count; i++) {
        make_history(&history, &prng, recipe);
        holds_count += check_one(recipe, &history, &checker) ? 1 : 0;
    }
    print_message("%s: %" PRIu64 " of %" PRIu64 " linearizable\n", recipe->name, holds_count,
                  history_count);
    assert_in_range(holds_count, history_count / 5, history_count * 9 / 10);
    linearizability_checker_deinit(&checker);
    history_deinit(&history);
    heap_deinit(&heap);
}

static void small_histories_are_judged_as_by_trying_all_orders(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(recipes); i++) {
        compare(&recipes[i], i + 1, sweep_sample_of(HISTORIES / COUNT_OF(recipes)));
    }
}

static void longer_histories_are_judged_as_by_trying_all_orders(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(recipes); i++) {
        struct recipe longer = recipes[i];
        longer.count_max = JUDGED_MAX;
        longer.time_max += 6;
        compare(&longer, i + 100, sweep_sample_of(LONGER_HISTORIES / COUNT_OF(recipes)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_histories_are_judged_as_by_trying_all_orders),
        cmocka_unit_test(longer_histories_are_judged_as_by_trying_all_orders),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
