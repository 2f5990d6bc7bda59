/* test_model.c: small bounds are explored completely, deterministically, and nothing is
 * violated; what is violated comes with its shortest run.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "sim/model/model.h"
#include "support/unit.h"

#define MEMORY_BYTES ((size_t)1 << 30)

static time_ns frozen_clock(void)
{
    return 1;
}

static struct model_options small_options(void)
{
    return (struct model_options){.memory_bytes_max = MEMORY_BYTES, .now = frozen_clock};
}

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* The configuration of this name, within bounds that take a moment. */
static struct model_configuration small(const char *name)
{
    const struct model_configuration *found = model_configuration_find(name);
    assert_non_null(found);
    struct model_configuration configuration = *found;
    struct model_bounds *bounds = &configuration.bounds;
    bounds->timeouts = least(bounds->timeouts, configuration.saves_at_once ? 2 : 1);
    bounds->lapses = 0;
    bounds->crashes = least(bounds->crashes, bounds->transfers > 0 ? 0 : 1);
    bounds->duplicates = 0;
    bounds->proposals = least(bounds->proposals, 1);
    bounds->reads = least(bounds->reads, 1);
    bounds->changes = least(bounds->changes, 1);
    bounds->transfers = least(bounds->transfers, 1);
    bounds->hints = least(bounds->hints, 1);
    return configuration;
}

static struct model_result explore(const struct model_configuration *configuration,
                                   const struct model_options *options)
{
    struct model_result result;
    assert_int_equal(model_explore(configuration, options, &result), 0);
    return result;
}

static void every_configuration_is_complete_within_small_bounds(void **state)
{
    (void)state;
    size_t count;
    const struct model_configuration *all = model_configurations(&count);
    struct model_options options = small_options();
    for (size_t i = 0; i < count; i++) {
        struct model_configuration configuration = small(all[i].name);
        struct model_result result = explore(&configuration, &options);
        if (result.end != MODEL_COMPLETE) {
            model_report_text(stdout, &configuration, &result);
        }
        assert_int_equal(result.end, MODEL_COMPLETE);
        assert_int_equal(result.waiting, 0);
        assert_string_equal(result.violation, "");
        assert_true(result.states > 1000);
    }
}

static void the_same_exploration_gives_the_same_numbers(void **state)
{
    (void)state;
    struct model_configuration configuration = small("reads");
    struct model_options options = small_options();
    struct model_result first = explore(&configuration, &options);
    struct model_result second = explore(&configuration, &options);
    assert_int_equal(first.states, second.states);
    assert_int_equal(first.transitions, second.transitions);
    assert_int_equal(first.depth, second.depth);
    assert_int_equal(first.machine_states, second.machine_states);
    assert_int_equal(first.machine_steps, second.machine_steps);
}

/* One count alone: with several, which states are spared depends on the order within a depth,
 * and that on names.
 */
static void renaming_spares_exactly_what_differs_in_names(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        unsigned timeouts;
    } cases[] = {{"three", 1}, {"rivals", 2}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct model_configuration configuration = small(cases[i].name);
        configuration.bounds.timeouts = cases[i].timeouts;
        configuration.bounds.crashes = 0;
        configuration.bounds.duplicates = 0;
        configuration.bounds.changes = 0;
        struct model_options options = small_options();
        struct model_result spared = explore(&configuration, &options);
        options.ignores_symmetry = true;
        struct model_result all = explore(&configuration, &options);
        assert_int_equal(spared.end, MODEL_COMPLETE);
        assert_int_equal(all.end, MODEL_COMPLETE);
        assert_int_equal(spared.named_states, all.states);
        assert_true(spared.states < all.states);
    }
}

static void a_bound_ends_the_exploration_and_says_which(void **state)
{
    (void)state;
    struct model_configuration configuration = small("three");
    struct model_options options = small_options();
    options.depth_max = 5;
    struct model_result result = explore(&configuration, &options);
    assert_int_equal(result.end, MODEL_STOPPED_DEPTH);
    assert_int_equal(result.depth, 5);
    assert_true(result.waiting > 0);

    options = small_options();
    options.states_max = 1;
    result = explore(&configuration, &options);
    assert_int_equal(result.end, MODEL_STOPPED_STATES);

    options = small_options();
    options.memory_bytes_max = (size_t)2 << 20;
    result = explore(&configuration, &options);
    assert_int_equal(result.end, MODEL_STOPPED_MEMORY);
    assert_true(result.memory_bytes <= options.memory_bytes_max);
}

static time_ns hasty_clock(void)
{
    static time_ns now_ns;
    now_ns += NS_PER_S;
    return now_ns;
}

static void time_ends_the_exploration(void **state)
{
    (void)state;
    struct model_configuration configuration = small("three");
    struct model_options options = small_options();
    options.now = hasty_clock;
    options.time_max_ns = 3 * NS_PER_S;
    assert_int_equal(explore(&configuration, &options).end, MODEL_STOPPED_TIME);
}

static void a_disk_that_lies_is_found_with_the_shortest_run(void **state)
{
    (void)state;
    char *trace = NULL;
    size_t trace_bytes = 0;
    struct model_configuration configuration = small("elections");
    struct model_options options = small_options();
    options.disk_lies = true;
    options.trace = open_memstream(&trace, &trace_bytes);
    assert_non_null(options.trace);
    struct model_result result = explore(&configuration, &options);
    assert_int_equal(fclose(options.trace), 0);
    assert_int_equal(result.end, MODEL_VIOLATED);
    assert_string_equal(result.violation,
                        "node 1 campaigns or leads before its own vote is durable");
    assert_int_equal(result.trace_events, 4);
    assert_non_null(strstr(trace, "   1  time out  node 1\n"
                                  "        1 pre_candidate term=1 last_index=1 durable_index=1 "
                                  "commit_index=1 applied_index=1 leader=none\n"
                                  "        sends pre_vote 1->2 term=1 next_term=2 last=1/1\n"));
    assert_non_null(strstr(trace, "   4  saved     node 1: the oldest 1\nviolated: "));
    free(trace);
}

static void a_report_names_every_bound(void **state)
{
    (void)state;
    char buffer[4096];
    char *lines = NULL;
    size_t lines_bytes = 0;
    struct model_configuration configuration = small("three");
    struct model_options options = small_options();
    struct model_result result = explore(&configuration, &options);
    struct text text = text_of(buffer, sizeof(buffer));
    FILE *out = open_memstream(&lines, &lines_bytes);
    assert_non_null(out);
    model_report_text(out, &configuration, &result);
    model_report_json(&text, &configuration, &result);
    assert_int_equal(fclose(out), 0);
    assert_false(text.truncated);
#define X(name, what, most)                                                                        \
    assert_non_null(strstr(lines, "\n  " #name " "));                                              \
    assert_non_null(strstr(lines, what));                                                          \
    assert_non_null(strstr(buffer, "\"" #name "\":"));
    MODEL_COUNTED_MAP(X)
    MODEL_LIMIT_MAP(X)
#undef X
    assert_non_null(strstr(buffer, "\"is_complete\":true"));
    free(lines);
}

/* What the program says to these arguments; `code` is its exit code. */
static void run_program(const char *arguments, char *out, size_t out_bytes, int *code)
{
    char command[1024];
    const char *program = getenv("MODEL_PROGRAM");
    if (program == NULL) {
        skip(); /* run by hand, not by meson */
    }
    (void)snprintf(command, sizeof(command), "'%s' %s 2>&1", program, arguments);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t size_bytes = fread(out, 1, out_bytes - 1, pipe);
    out[size_bytes] = '\0';
    int status = pclose(pipe);
    *code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void the_program_refuses_in_words(void **state)
{
    (void)state;
    static const struct {
        const char *arguments;
        const char *words;
    } cases[] = {
        {"--frobnicate", "unrecognized option '--frobnicate'"},
        {"nonesuch", "there is no configuration 'nonesuch'"},
        {"--depth 0", "--depth takes a number from 1"},
        {"--timeouts 4", "--timeouts takes a number from 0 to 3, not '4'"},
        {"--states 12x", "not '12x'"},
        {"--mutant nonesuch", "no seeded bug 'nonesuch'; s"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char out[4096];
        int code;
        run_program(cases[i].arguments, out, sizeof(out), &code);
        assert_int_equal(code, 2);
        assert_non_null(strstr(out, cases[i].words));
    }
}

static void the_program_tells_what_it_explored(void **state)
{
    (void)state;
    char out[65536];
    int code;
    run_program("--depth 4 three", out, sizeof(out), &code);
    assert_int_equal(code, 0);
    assert_non_null(strstr(out, "stopped by --depth"));
    run_program("--memory-mib 64 elections", out, sizeof(out), &code);
    assert_int_equal(code, 3);
    assert_non_null(strstr(out, "stopped: the memory bound is reached"));
    run_program("--json --depth 4 three remove", out, sizeof(out), &code);
    assert_int_equal(code, 0);
    assert_non_null(strstr(out, "{\"result\":{\"configuration\":\"three\""));
    assert_non_null(strstr(out, "{\"result\":{\"configuration\":\"remove\""));
    run_program("--list", out, sizeof(out), &code);
    assert_int_equal(code, 0);
    size_t count;
    const struct model_configuration *all = model_configurations(&count);
    for (size_t i = 0; i < count; i++) {
        assert_non_null(strstr(out, all[i].what));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_configuration_is_complete_within_small_bounds),
        cmocka_unit_test(the_same_exploration_gives_the_same_numbers),
        cmocka_unit_test(renaming_spares_exactly_what_differs_in_names),
        cmocka_unit_test(a_bound_ends_the_exploration_and_says_which),
        cmocka_unit_test(time_ends_the_exploration),
        cmocka_unit_test(a_disk_that_lies_is_found_with_the_shortest_run),
        cmocka_unit_test(a_report_names_every_bound),
        cmocka_unit_test(the_program_refuses_in_words),
        cmocka_unit_test(the_program_tells_what_it_explored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
