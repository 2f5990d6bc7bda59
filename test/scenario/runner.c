/* runner.c: scenario_runner [--rewrite] FILE…
 *
 * A scenario is a text file: comments (#), and blocks of commands, a line of four dashes,
 * and what these commands print, up to an empty line. Each file begins with no nodes. The
 * runner compares what is printed with what stands there, or puts it there (--rewrite).
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "scenario/command.h"

#define PLACE_BYTES 512
#define DIVIDER "----\n"

/* What the commands of a file are about, by the beginning of its name. */
struct language {
    const char *prefix;
    void *(*begin)(FILE *out);
    void (*run)(void *subject, const char *place, char *line);
    void (*end)(void *subject);
};

static void *raft_begin(FILE *out)
{
    return cluster_new(out);
}

static void raft_run(void *subject, const char *place, char *line)
{
    command_run(subject, place, line);
}

static void raft_end(void *subject)
{
    cluster_free(subject);
}

static void *swim_begin(FILE *out)
{
    return swim_cluster_new(out);
}

static void swim_run(void *subject, const char *place, char *line)
{
    swim_command_run(subject, place, line);
}

static void swim_end(void *subject)
{
    swim_cluster_free(subject);
}

static const struct language languages[] = {
    {"swim_", swim_begin, swim_run, swim_end},
    {"", raft_begin, raft_run, raft_end},
};

/* A file being run: what is read, and what a rewrite would write. */
struct scenario {
    const char *path;
    FILE *in;
    FILE *out;
    unsigned line;
    char *buffer; /* of getline */
    size_t buffer_bytes;
    const struct language *language;
    void *subject;
    FILE *said;    /* by the block's commands, */
    char *printed; /* into this */
    size_t printed_bytes;
    bool is_wrong;
};

static bool read_line(struct scenario *scenario)
{
    ssize_t length = getline(&scenario->buffer, &scenario->buffer_bytes, scenario->in);
    scenario->line += length > 0;
    return length > 0;
}

static bool is_blank(const char *line)
{
    return line[strspn(line, " \n")] == '\0';
}

static void run_line(struct scenario *scenario)
{
    char place[PLACE_BYTES];
    (void)snprintf(place, sizeof(place), "%s:%u", scenario->path, scenario->line);
    char *line = strdup(scenario->buffer);
    ASSERT(line != NULL);
    line[strcspn(line, "\n")] = '\0';
    scenario->language->run(scenario->subject, place, line);
    free(line);
}

/* Read what stands below the divider; it ends with an empty line or the file. */
static char *read_expected(struct scenario *scenario)
{
    char *expected = NULL;
    size_t expected_bytes = 0;
    FILE *stream = open_memstream(&expected, &expected_bytes);
    ASSERT(stream != NULL);
    while (read_line(scenario) && !is_blank(scenario->buffer)) {
        (void)fputs(scenario->buffer, stream);
    }
    (void)fclose(stream);
    return expected;
}

/* The block's commands have run: compare, and write what a rewrite keeps. */
static void end_block(struct scenario *scenario)
{
    unsigned line = scenario->line;
    char *expected = read_expected(scenario);
    (void)fflush(scenario->said);
    scenario->printed[scenario->printed_bytes] = '\0'; /* the stream was rewound before */
    if (strcmp(expected, scenario->printed) != 0) {
        (void)fprintf(stderr, "%s:%u: expected\n%sbut got\n%s\n", scenario->path, line, expected,
                      scenario->printed);
        scenario->is_wrong = true;
    }
    (void)fprintf(scenario->out, DIVIDER "%s\n", scenario->printed);
    free(expected);
    rewind(scenario->said);
}

static void run_blocks(struct scenario *scenario)
{
    bool has_commands = false;
    while (read_line(scenario)) {
        if (strcmp(scenario->buffer, DIVIDER) == 0) {
            end_block(scenario);
            has_commands = false;
            continue;
        }
        (void)fputs(scenario->buffer, scenario->out);
        if (!is_blank(scenario->buffer) && scenario->buffer[0] != '#') {
            run_line(scenario);
            has_commands = true;
        }
    }
    if (has_commands) {
        (void)fprintf(stderr, "%s:%u: commands without ----\n", scenario->path, scenario->line);
        exit(2);
    }
}

static const struct language *language_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    const struct language *language = languages;
    while (strncmp(name, language->prefix, strlen(language->prefix)) != 0) {
        language++;
    }
    return language;
}

/* Run a file; `rewritten` becomes what it should say, the caller's to free. */
static bool run_file(const char *path, char **rewritten)
{
    struct scenario scenario = {.path = path, .in = fopen(path, "r")};
    size_t rewritten_bytes = 0;
    if (scenario.in == NULL) {
        (void)fprintf(stderr, "%s: cannot be opened\n", path);
        exit(2);
    }
    scenario.out = open_memstream(rewritten, &rewritten_bytes);
    scenario.said = open_memstream(&scenario.printed, &scenario.printed_bytes);
    ASSERT(scenario.out != NULL && scenario.said != NULL);
    (void)fflush(scenario.said);
    scenario.language = language_of(path);
    scenario.subject = scenario.language->begin(scenario.said);
    run_blocks(&scenario);
    scenario.language->end(scenario.subject);
    (void)fclose(scenario.in);
    (void)fclose(scenario.out);
    (void)fclose(scenario.said);
    free(scenario.printed);
    free(scenario.buffer);
    return !scenario.is_wrong;
}

static void rewrite(const char *path, const char *content)
{
    size_t length = strlen(content);
    while (length > 1 && content[length - 1] == '\n' && content[length - 2] == '\n') {
        length--;
    }
    FILE *file = fopen(path, "w");
    if (file == NULL || fwrite(content, 1, length, file) != length || fclose(file) != 0) {
        (void)fprintf(stderr, "%s: cannot be written\n", path);
        exit(2);
    }
}

int main(int argc, char **argv)
{
    bool is_rewriting = argc > 1 && strcmp(argv[1], "--rewrite") == 0;
    bool is_right = true;
    if (argc < 2 + is_rewriting) {
        (void)fprintf(stderr, "usage: scenario_runner [--rewrite] FILE...\n");
        return 2;
    }
    for (int i = 1 + is_rewriting; i < argc; i++) {
        char *rewritten = NULL;
        is_right = run_file(argv[i], &rewritten) && is_right;
        if (is_rewriting) {
            rewrite(argv[i], rewritten);
        }
        free(rewritten);
    }
    return is_right || is_rewriting ? 0 : 1;
}
