/* main.c: the program quorate-model: explore configurations, and say what was found. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mutant.h"
#include "quorate/error.h"
#include "sim/model/model.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define EXIT_VIOLATED 1
#define EXIT_USAGE 2
#define EXIT_INCOMPLETE 3 /* not by an option's bound */
#define CHOSEN_MAX 64
#define JSON_BYTES 16384
#define MEMORY_MIB_DEFAULT 6144
#define KEY_BOUND 0x200 /* above every letter: long options only */

/* X(key, name, argument, help, field, least, most) */
/* clang-format off */
#define NUMBER_MAP(X)                                                                              \
    X('d', "depth", "N", "stop behind N events; default: no bound", depth, 1, UINT32_MAX)          \
    X('n', "states", "N", "stop at N distinct states; default: no bound", states, 1, UINT32_MAX)   \
    X('s', "seconds", "S", "stop after S seconds; default: no bound", seconds, 1, 1000000)         \
    X('m', "memory-mib", "MIB", "stop when so much is used; default 6144", memory_mib, 64, 1 << 20)
/* clang-format on */

struct arguments {
    uint64_t depth;
    uint64_t states;
    uint64_t seconds;
    uint64_t memory_mib;
    bool is_json;
    bool is_listing;
    bool ignores_symmetry;
    bool has_bound[MODEL_COUNTED_COUNT + 8]; /* in the order of the two lists */
    unsigned bounds[MODEL_COUNTED_COUNT + 8];
    size_t chosen_count;
    const struct model_configuration *chosen[CHOSEN_MAX];
};

/* The bounds that an option each sets: their names, and where they lie. */
struct bound {
    const char *name;
    const char *what;
    size_t offset;
    unsigned most;
};

static const struct bound bounds[] = {
#define X(name, what, most) {#name, what, offsetof(struct model_bounds, name), most},
    MODEL_COUNTED_MAP(X) MODEL_LIMIT_MAP(X)
#undef X
};

_Static_assert(COUNT_OF(bounds) <= MODEL_COUNTED_COUNT + 8, "an argument for each bound");

static uint64_t number(struct argp_state *state, const char *name, const char *value,
                       uint64_t least, uint64_t most)
{
    char *end;
    errno = 0;
    unsigned long long parsed = strtoull(value, &end, 10);
    if (value[0] < '0' || value[0] > '9' || *end != '\0' || errno != 0 || parsed < least ||
        parsed > most) {
        argp_error(state, "--%s takes a number from %llu to %llu, not '%s'", name,
                   (unsigned long long)least, (unsigned long long)most, value);
    }
    return parsed;
}

static void choose(struct argp_state *state, struct arguments *arguments, const char *name)
{
    size_t count;
    const struct model_configuration *all = model_configurations(&count);
    bool is_all = strcmp(name, "all") == 0;
    bool is_found = false;
    for (size_t i = 0; i < count; i++) {
        if ((is_all || strcmp(all[i].name, name) == 0) && arguments->chosen_count < CHOSEN_MAX) {
            arguments->chosen[arguments->chosen_count++] = &all[i];
            is_found = true;
        }
    }
    if (!is_found) {
        argp_error(state, "there is no configuration '%s'; --list names them", name);
    }
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
    if (key >= KEY_BOUND && key < KEY_BOUND + (int)COUNT_OF(bounds)) {
        const struct bound *bound = &bounds[key - KEY_BOUND];
        arguments->has_bound[key - KEY_BOUND] = true;
        arguments->bounds[key - KEY_BOUND] =
            (unsigned)number(state, bound->name, value, 0, bound->most);
        return 0;
    }
    switch (key) {
#define X(letter, name, argument, help, field, least, most)                                        \
    case letter:                                                                                   \
        arguments->field = number(state, name, value, least, most);                                \
        return 0;
        NUMBER_MAP(X)
#undef X
    case 'j':
        arguments->is_json = true;
        return 0;
    case 'l':
        arguments->is_listing = true;
        return 0;
    case 'M':
        choose_mutant(state, value);
        return 0;
    case 'y':
        arguments->ignores_symmetry = true;
        return 0;
    case ARGP_KEY_ARG:
        choose(state, arguments, value);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void parse_all(int argc, char **argv, struct arguments *arguments)
{
    struct argp_option options[16 + COUNT_OF(bounds)] = {
#define X(letter, name, argument, help, field, least, most) {name, letter, argument, 0, help, 0},
        NUMBER_MAP(X)
#undef X
            {"json", 'j', NULL, 0, "one JSON object a line, a trace as an array of lines", 0},
        {"list", 'l', NULL, 0, "name the configurations and their bounds, and explore none", 0},
        {"mutant", 'M', "NAME", 0, "run src/raft with a seeded bug", 0},
        {"no-symmetry", 'y', NULL, 0, "explore also what differs in the nodes' names alone", 0},
        {NULL, 0, NULL, 0, "Other bounds than a configuration's own:", 2},
    };
    size_t count = 0;
    while (options[count].name != NULL || options[count].doc != NULL) {
        count++;
    }
    for (size_t i = 0; i < COUNT_OF(bounds); i++) {
        options[count++] = (struct argp_option){.name = bounds[i].name,
                                                .key = KEY_BOUND + (int)i,
                                                .arg = "N",
                                                .doc = bounds[i].what,
                                                .group = 2};
    }
    const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "[CONFIGURATION...]",
        .doc = "Explore, breadth first, every order of events that a small cluster of production "
               "Raft machines can see, and check what Raft promises in every state. Without a "
               "name: the configuration 'three'; 'all' is each of them.\v"
               "Exit codes: 0 nothing violated, 1 violated, with the shortest trace, 2 wrong "
               "usage, 3 memory ran out first. What an option stopped says so.",
    };
    argp_err_exit_status = EXIT_USAGE;
    error_t error = argp_parse(&argp, argc, argv, 0, NULL, arguments);
    if (error != 0) {
        fprintf(stderr, "quorate-model: %s\n", strerror(error));
        exit(EXIT_USAGE);
    }
}

static time_ns clock_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (time_ns)now.tv_sec * NS_PER_S + (time_ns)now.tv_nsec;
}

static struct model_configuration with_bounds(const struct model_configuration *configuration,
                                              const struct arguments *arguments)
{
    struct model_configuration changed = *configuration;
    for (size_t i = 0; i < COUNT_OF(bounds); i++) {
        if (arguments->has_bound[i]) {
            memcpy((char *)&changed.bounds + bounds[i].offset, &arguments->bounds[i],
                   sizeof(arguments->bounds[i]));
        }
    }
    return changed;
}

static void json_lines(struct text *text, const char *lines)
{
    text_json_array_begin(text);
    while (*lines != '\0') {
        size_t length = strcspn(lines, "\n");
        text_json_bytes(text, lines, length);
        lines += length + (lines[length] == '\n' ? 1 : 0);
    }
    text_json_array_end(text);
}

static void print_json(const struct model_configuration *configuration,
                       const struct model_result *result, const char *trace)
{
    size_t size_bytes = JSON_BYTES + 8 * strlen(trace);
    char *line = malloc(size_bytes);
    if (line == NULL) {
        return;
    }
    struct text text = text_of(line, size_bytes);
    text_json_object_begin(&text);
    text_json_key(&text, "result");
    model_report_json(&text, configuration, result);
    text_json_key(&text, "trace");
    json_lines(&text, trace);
    text_json_object_end(&text);
    puts(line);
    free(line);
}

/* Returns an exit code. */
static int explore(const struct model_configuration *configuration,
                   const struct arguments *arguments)
{
    char *trace = NULL;
    size_t trace_bytes = 0;
    struct model_result result;
    struct model_options options = {
        .depth_max = arguments->depth,
        .states_max = arguments->states,
        .time_max_ns = arguments->seconds * NS_PER_S,
        .memory_bytes_max = (size_t)arguments->memory_mib << 20,
        .ignores_symmetry = arguments->ignores_symmetry,
        .now = clock_now,
        .trace = open_memstream(&trace, &trace_bytes),
    };
    if (options.trace == NULL) {
        return EXIT_INCOMPLETE;
    }
    int status = model_explore(configuration, &options, &result);
    if (fclose(options.trace) != 0 || status != 0) {
        fprintf(stderr, "quorate-model: %s\n", qr_error_text(QR_ERR_NO_MEMORY));
        free(trace);
        return EXIT_INCOMPLETE;
    }
    if (arguments->is_json) {
        print_json(configuration, &result, trace);
    } else {
        model_report_text(stdout, configuration, &result);
        fputs(trace, stdout);
    }
    free(trace);
    if (result.end == MODEL_STOPPED_MEMORY) {
        return EXIT_INCOMPLETE;
    }
    return result.end == MODEL_VIOLATED ? EXIT_VIOLATED : 0;
}

static void list(void)
{
    size_t count;
    const struct model_configuration *all = model_configurations(&count);
    for (size_t i = 0; i < count; i++) {
        printf("%-14s %s\n", all[i].name, all[i].what);
#define X(name, what, most) printf("  " #name "=%u", all[i].bounds.name);
        MODEL_LIMIT_MAP(X)
        MODEL_COUNTED_MAP(X)
#undef X
        putchar('\n');
    }
}

int main(int argc, char **argv)
{
    struct arguments arguments = {.memory_mib = MEMORY_MIB_DEFAULT};
    parse_all(argc, argv, &arguments);
    if (arguments.is_listing) {
        list();
        return 0;
    }
    if (arguments.chosen_count == 0) {
        arguments.chosen[arguments.chosen_count++] = model_configuration_find("three");
    }
    int code = 0;
    for (size_t i = 0; i < arguments.chosen_count; i++) {
        struct model_configuration configuration = with_bounds(arguments.chosen[i], &arguments);
        int explored = explore(&configuration, &arguments);
        code = code == EXIT_VIOLATED || explored == 0 ? code : explored;
        (void)fflush(stdout);
    }
    return code;
}
