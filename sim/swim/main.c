/* main.c: the program quorate-swim: simulate seeds, or measure. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mutant.h"
#include "sim/swim/measure.h"
#include "sim/swim/run.h"

#define EXIT_FOUND 1

struct arguments {
    uint64_t first_seed;
    uint64_t seeds;
    uint64_t members_min;
    uint64_t members_max;
    const char *plots;
    bool is_traced;
    bool is_measuring;
    bool goes_on;
};

static uint64_t number(struct argp_state *state, const char *value)
{
    char *end;
    errno = 0;
    unsigned long long parsed = strtoull(value, &end, 10);
    if (value[0] < '0' || value[0] > '9' || *end != '\0' || errno != 0) {
        argp_error(state, "'%s' is not a number", value);
    }
    return parsed;
}

/* Let a seeded bug loose, where the build has any. */
static void choose_mutant(struct argp_state *state, const char *name)
{
#ifdef MUTANTS
    if (mutant_choose(name) != 0) {
        argp_error(state, "there is no seeded bug '%s'; src/base/mutant.h names them", name);
    }
#else
    argp_error(state, "this build has no seeded bug '%s'; see tools/build.sh mutants", name);
#endif
}

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case 'f':
        arguments->first_seed = number(state, value);
        return 0;
    case 's':
        arguments->seeds = number(state, value);
        return 0;
    case 'n':
        arguments->members_max = number(state, value);
        return 0;
    case 'N':
        arguments->members_min = number(state, value);
        return 0;
    case 'p':
        arguments->plots = value;
        return 0;
    case 't':
        arguments->is_traced = true;
        return 0;
    case 'k':
        arguments->goes_on = true;
        return 0;
    case 'm':
        arguments->is_measuring = true;
        return 0;
    case 'M':
        choose_mutant(state, value);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    {"first-seed", 'f', "N", 0, "begin with this one; default 1", 0},
    {"seeds", 's', "N", 0, "how many; default 100", 0},
    {"trace", 't', NULL, 0, "write each message and all news down", 0},
    {"keep-going", 'k', NULL, 0, "go on behind a seed that fails", 0},
    {"measure", 'm', NULL, 0, "print the table of docs/swim.md instead", 0},
    {"members-max", 'n', "N", 0, "measure up to so many members; default 10000", 0},
    {"members-min", 'N', "N", 0, "and from so many on; default 3", 0},
    {"plots", 'p', "FOLDER", 0, "and draw what was measured into SVG files there", 0},
    {"mutant", 'M', "NAME", 0, "run src/swim with a seeded bug", 0},
    {0},
};

static int run_seeds(const struct arguments *arguments)
{
    uint64_t failed = 0;
    uint64_t events = 0;
    uint64_t hash = 0;
    uint64_t seed = arguments->first_seed;
    for (; seed < arguments->first_seed + arguments->seeds; seed++) {
        struct run_report report;
        run_seed(seed, arguments->is_traced, &report);
        events += report.events;
        hash = hash * 31 + report.hash;
        if (report.failure[0] != '\0') {
            failed++;
            printf("seed %" PRIu64 " failed: %s\n", seed, report.failure);
            if (!arguments->goes_on) {
                seed++;
                break;
            }
        }
    }
    printf("%" PRIu64 " seeds, %" PRIu64 " failed, %" PRIu64 " events, hash %016" PRIx64 "\n",
           seed - arguments->first_seed, failed, events, hash);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FOUND;
}

int main(int argc, char **argv)
{
    static const struct argp argp = {
        options, parse,
        NULL,    "Simulate clusters of SWIM members, with every fault, seed after seed.",
        NULL,    NULL,
        NULL,
    };
    struct arguments arguments = {
        .first_seed = 1, .seeds = 100, .members_min = 3, .members_max = 10000};
    if (argp_parse(&argp, argc, argv, 0, NULL, &arguments) != 0) {
        return 2;
    }
    if (arguments.is_measuring) {
        return measure_all((uint32_t)arguments.members_min, (uint32_t)arguments.members_max,
                           arguments.plots);
    }
    return run_seeds(&arguments);
}
