/* sim_options.c: the command line of `quorate sim`. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/sim.h"

/* X(key, name, argument, help, field, least, most) */
/* clang-format off */
#define NUMBER_MAP(X)                                                                              \
    X('s', "seed", "N", "run this one seed",                                                       \
      chosen.seed, 0, SIM_SEED_MAX)                                                                \
    X('f', "first-seed", "N", "of many seeds, the first; default 1",                               \
      first_seed, 0, SIM_SEED_MAX)                                                                 \
    X('n', "seeds", "K", "how many seeds; default 100",                                            \
      seed_count, 1, UINT64_C(1000000000))                                                         \
    X('m', "minutes", "M", "as many seeds as fit into M minutes",                                  \
      minutes, 1, 100000)                                                                          \
    X('J', "jobs", "J", "seeds that run at once; default: one on each processor",                  \
      jobs, 1, SIM_JOBS_MAX)                                                                       \
    X('t', "seed-timeout-s", "S", "a seed that takes more of a processor's time hangs, and has "   \
      "failed, or thirty times as much of real time; default 120",                                 \
      seed_timeout_s, 1, 86400)                                                                    \
    X('x', "fail-max", "N", "stop when N seeds have failed; default 10",                           \
      fail_max, 1, SIM_FAILURES_MAX)                                                               \
    X('R', "shrink-runs", "N", "runs that --shrink tries, at most; default 500",                   \
      shrink_runs, 1, 1000000)

/* X(key, name, help, field) */
#define FLAG_MAP(X)                                                                                \
    X('u', "until-failure", "stop at the first seed that fails", is_until_failure)                 \
    X('l', "list", "print every setting; with --seed, as it is drawn", is_list)                    \
    X('2', "twice", "run each seed twice, and compare", is_twice)                                  \
    X('z', "shrink", "look for a shorter run of the seed that still fails", is_shrink)             \
    X('P', "in-process", "run the seed in this process, for a debugger", is_in_process)            \
    X('L', "list-mutants", "print the seeded bugs of this build", is_mutant_list)                  \
    X('j', "json", "print JSON", is_json)
/* clang-format on */

static const struct argp_option options_table[] = {
#define X(key, name, argument, help, field, least, most) {name, key, argument, 0, help, 0},
    NUMBER_MAP(X)
#undef X
#define X(key, name, help, field) {name, key, NULL, 0, help, 0},
        FLAG_MAP(X)
#undef X
            {"set", 'S', "NAME=VALUE", 0, "a setting over what the seed draws; see --list", 0},
    {"without", 'w', "FAULT,...", 0, "settings to be 0", 0},
    {"skip-faults", 'k', "3,7-9", 0, "leave out these of the run's numbered faults", 0},
    {"trace", 'T', "text|json", 0, "print all that happens, a line for each", 0},
    {"trace-file", 'F', "FILE", 0, "write the trace there", 0},
    {"replay-trace", 'r', "FILE", 0, "check that this build gives the run of a trace again", 0},
    {"mutant", 'M', "NAME", 0, "run with a seeded bug", 0},
    {0},
};

/* Options that cannot be together. */
static const struct {
    char one;
    char other;
} contradictions[] = {
    {'s', 'f'}, {'s', 'n'}, {'s', 'm'}, {'s', 'u'}, {'s', 'x'}, {'n', 'm'}, {'u', 'x'}, {'z', '2'},
    {'z', 'T'}, {'l', 'z'}, {'l', 'T'}, {'l', '2'}, {'r', 's'}, {'r', 'f'}, {'r', 'n'}, {'r', 'm'},
    {'r', 'u'}, {'r', 'x'}, {'r', 'S'}, {'r', 'w'}, {'r', 'k'}, {'r', 'T'}, {'r', '2'}, {'r', 'z'},
    {'r', 'l'}, {'r', 'M'}, {'P', 'z'}, {'P', 't'}, {'P', 'J'},
};

/* Options that mean something only with another. */
static const struct {
    char one;
    char other;
} needs[] = {{'T', 's'}, {'F', 'T'}, {'z', 's'}, {'R', 'z'}, {'P', 's'}, {'k', 's'}};

static const char *name_of(char key)
{
    size_t i = 0;
    while (options_table[i].key != key) {
        i++;
    }
    return options_table[i].name;
}

static void check_together(struct argp_state *state, const struct sim_options *options)
{
    for (size_t i = 0; i < COUNT_OF(contradictions); i++) {
        if (options->given[(size_t)contradictions[i].one] &&
            options->given[(size_t)contradictions[i].other]) {
            argp_error(state, "--%s contradicts --%s", name_of(contradictions[i].one),
                       name_of(contradictions[i].other));
        }
    }
    for (size_t i = 0; i < COUNT_OF(needs); i++) {
        if (options->given[(size_t)needs[i].one] && !options->given[(size_t)needs[i].other]) {
            argp_error(state, "--%s needs --%s", name_of(needs[i].one), name_of(needs[i].other));
        }
    }
    if (options->seed_count > 0 && options->first_seed > SIM_SEED_MAX - (options->seed_count - 1)) {
        argp_error(state, "--seeds: the last would be behind %llu",
                   (unsigned long long)SIM_SEED_MAX);
    }
}

static void trace_kind_parse(struct argp_state *state, const char *value,
                             struct sim_options *options)
{
    if (strcmp(value, "text") == 0) {
        options->trace = SIM_TRACE_TEXT;
    } else if (strcmp(value, "json") == 0) {
        options->trace = SIM_TRACE_JSON;
    } else {
        argp_error(state, "--trace: %s is neither text nor json", value);
    }
}

static void refuse(struct argp_state *state, const char *name, const char *value, const char *wrong)
{
    if (wrong != NULL) {
        argp_error(state, "--%s: \"%s\" %s", name, value, wrong);
    }
}

/* The options that are neither numbers nor flags. */
static error_t text_parse(int key, char *value, struct argp_state *state)
{
    struct sim_options *options = state->input;
    switch (key) {
    case 'S':
        refuse(state, "set", value, sim_case_set(&options->chosen, value));
        return 0;
    case 'w':
        refuse(state, "without", value, sim_case_without(&options->chosen, value));
        return 0;
    case 'k':
        refuse(state, "skip-faults", value, sim_case_skip(&options->chosen, value));
        return 0;
    case 'T':
        trace_kind_parse(state, value, options);
        return 0;
    case 'F':
        options->trace_file = value;
        return 0;
    case 'r':
        options->replay_trace = value;
        return 0;
    case 'M':
        options->mutant = value;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct sim_options *options = state->input;
    if (key > 0 && (size_t)key < COUNT_OF(options->given)) {
        options->given[key] = true;
    }
    switch (key) {
#define X(letter, name, argument, help, field, least, most)                                        \
    case letter:                                                                                   \
        options->field = cli_number_option(state, name, value, least, most);                       \
        return 0;
        NUMBER_MAP(X)
#undef X
#define X(letter, name, help, field)                                                               \
    case letter:                                                                                   \
        options->field = true;                                                                     \
        return 0;
        FLAG_MAP(X)
#undef X
    case ARGP_KEY_ARG:
        argp_error(state, "there is an argument too many: %s", value);
        return 0;
    case ARGP_KEY_END:
        check_together(state, options);
        return 0;
    default:
        return text_parse(key, value, state);
    }
}

static uint64_t processor_count(void)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count < 1 ? 1 : min_u64((uint64_t)count, SIM_JOBS_MAX);
}

void sim_options_parse(int argc, char **argv, struct sim_options *out)
{
    const struct argp argp = {
        .options = options_table,
        .parser = parse,
        .doc = "Run whole clusters in one thread, with every fault, each decided by one seed.\v"
               "The nodes run the code of this program; only network, disk and clocks are "
               "replaced. The same seed gives the same run, with the same trace hash, on every "
               "machine. A seed that fails is printed with the command that runs it again. "
               "Exit code 1 when a seed has failed."};
    *out = (struct sim_options){.first_seed = 1,
                                .jobs = processor_count(),
                                .seed_timeout_s = SIM_SEED_TIMEOUT_S_DEFAULT,
                                .fail_max = 10,
                                .shrink_runs = 500};
    cli_arguments_parse(&argp, argc, argv, out);
    if (!out->given['s']) {
        out->chosen.seed = out->first_seed;
    }
    if (!out->given['n'] && !out->given['m'] && !out->given['u']) {
        out->seed_count = min_u64(SIM_SEEDS_DEFAULT, SIM_SEED_MAX - out->first_seed + 1);
    }
}
