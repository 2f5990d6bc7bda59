/* demo.c: `quorate demo`: a cluster loses its leader, and nothing that was acknowledged.
 *
 * Owns     the story: a real file is written line by line through real processes, the
 *          leader is killed in the middle, and at the end every line is compared on every
 *          node. Every number that is printed was measured in this run.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "cli/cli.h"
#include "cli/demo.h"
#include "quorate/engine.h"

#define NODES_DEFAULT 3
#define NODES_LEAST 3 /* with fewer, none is left to take over */
#define TIME_LIMIT_S 120
#define START_TIMEOUT_MS 40000

struct demo_options {
    const char *input;
    size_t node_count;
    size_t lines_most;
    bool is_kept;
};

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct demo_options *options = state->input;
    switch (key) {
    case 'i':
        options->input = value;
        return 0;
    case 'n':
        options->node_count =
            (size_t)cli_number_option(state, "nodes", value, NODES_LEAST, CLUSTER_NODES_MAX);
        return 0;
    case 'l':
        options->lines_most = (size_t)cli_number_option(state, "lines", value, 4, DEMO_LINES_MAX);
        return 0;
    case 'k':
        options->is_kept = true;
        return 0;
    default:
        return cli_no_argument(key, value, state);
    }
}

static void arguments_parse(int argc, char **argv, struct demo_options *out)
{
    static const struct argp_option options[] = {
        {"input", 'i', "FILE", 0,
         "the text to replicate; default: a LICENSE or README.md that is near", 0},
        {"nodes", 'n', "N", 0, "how many, 3..9; default 3", 0},
        {"lines", 'l', "N", 0, "at most so many lines of the file", 0},
        {"keep", 'k', NULL, 0, "keep the folder with data and logs", 0},
        {0},
    };
    const struct argp argp = {
        .options = options,
        .parser = parse,
        .doc = "Start a cluster of processes in a temporary folder, replicate a file line by "
               "line, kill the leader in the middle, start it again, and prove that every "
               "acknowledged line is on every node.\v"
               "Takes seconds, at most two minutes. Exit code 0 only when all is proved."};
    *out = (struct demo_options){.node_count = NODES_DEFAULT, .lines_most = DEMO_LINES_MAX};
    cli_arguments_parse(&argp, argc, argv, out);
}

static void say(struct demo *demo, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(struct demo *demo, const char *format, ...)
{
    va_list arguments;
    progress_clear(&demo->progress);
    va_start(arguments, format);
    vprintf(format, arguments);
    putchar('\n');
    fflush(stdout);
    va_end(arguments);
}

static bool demo_wait(void *argument, unsigned milliseconds)
{
    struct demo *demo = argument;
    time_ns now = cli_clock_ns();
    progress_update(&demo->progress, now);
    return interrupt_sleep(&demo->interrupt, milliseconds);
}

/* What nodes that ended said last: why they did. */
static void tell_last_lines(struct demo *demo)
{
    for (size_t i = 0; i < demo->cluster.count; i++) {
        const struct cluster_node *node = &demo->cluster.nodes[i];
        char path[CLUSTER_PATH_BYTES_MAX + 32];
        char *line = NULL;
        size_t capacity = 0;
        snprintf(path, sizeof(path), "%s/%s.log", demo->cluster.directory, node->name);
        FILE *log = node->pid > 0 ? NULL : fopen(path, "re");
        while (log != NULL && getline(&line, &capacity, log) >= 0) {
        }
        if (line != NULL) {
            line[strcspn(line, "\n")] = '\0';
            say(demo, "%s said last: %s", node->name, line);
        }
        free(line);
        if (log != NULL) {
            fclose(log);
        }
    }
}

static int start(struct demo *demo)
{
    char detail[QR_ERROR_DETAIL_BYTES];
    struct node_status leader;
    time_ns begin = cli_clock_ns();
    say(demo, "Starting %zu nodes in %s", demo->cluster.count, demo->cluster.directory);
    int status = cluster_start(&demo->cluster, START_TIMEOUT_MS, detail);
    if (status != 0) {
        if (status == QR_ERR_STOPPED) {
            tell_last_lines(demo);
        }
        return cli_complain(CLI_FAILED, "%s", detail);
    }
    int leads = cluster_leader(&demo->cluster, &leader);
    if (leads < 0) {
        return cli_complain(CLI_FAILED, "the cluster lost its leader before it was used");
    }
    demo->writer_node = (size_t)leads;
    say(demo, "After %llu ms they are one cluster: %s leads in term %llu",
        (unsigned long long)((cli_clock_ns() - begin) / NS_PER_MS), leader.name,
        (unsigned long long)leader.term);
    return CLI_DONE;
}

/* Write half, kill who leads with more lines under way, and write until one is acknowledged
 * again.
 */
static int lose_leader(struct demo *demo, size_t *killed)
{
    struct node_status leader;
    size_t half = demo->input.count / 2;
    demo->progress = progress_begin("writing", demo->input.count);
    say(demo, "Writing the %zu lines of %s, as keys demo:1 to demo:%zu", demo->input.count,
        demo->input.path, demo->input.count);
    int code = demo_write(demo, half, true);
    if (code != CLI_DONE) {
        return code;
    }
    int leads = cluster_leader(&demo->cluster, &leader);
    if (leads < 0) {
        return cli_complain(CLI_FAILED, "no node leads any more, before one was killed");
    }
    *killed = (size_t)leads;
    say(demo, "%zu lines are acknowledged, %zu are under way: killing %s (kill -9)",
        demo->done_count, demo->in_flight, leader.name);
    time_ns begin = cli_clock_ns();
    cluster_node_signal(&demo->cluster, *killed, SIGKILL);
    cluster_node_wait(&demo->cluster, *killed, 1000);
    /* A new connection, so that no answer from before the kill is taken for one after it. */
    demo_writer_cut(demo);
    demo->writer_node = (*killed + 1) % demo->cluster.count;
    code = demo_write(demo, demo->done_count + 1, true);
    if (code != CLI_DONE) {
        return code;
    }
    say(demo, "Writes stood still for %llu ms, from the kill to the next acknowledged write",
        (unsigned long long)((cli_clock_ns() - begin) / NS_PER_MS));
    return CLI_DONE;
}

static int tell_new_leader(struct demo *demo)
{
    struct node_status leader;
    int leads;
    while ((leads = cluster_leader(&demo->cluster, &leader)) < 0) {
        if (!demo_may_go_on(demo)) {
            return CLI_FAILED;
        }
    }
    say(demo, "%s leads now, in term %llu; writing goes on through %s", leader.name,
        (unsigned long long)leader.term, demo->cluster.nodes[demo->writer_node].name);
    return CLI_DONE;
}

/* Write on without the killed node, start it again, and write the rest. */
static int recover(struct demo *demo, size_t killed)
{
    size_t left = demo->input.count - demo->done_count;
    int code = demo_write(demo, demo->done_count + left / 2, true);
    if (code != CLI_DONE) {
        return code;
    }
    time_ns begin = cli_clock_ns();
    say(demo, "Starting %s again, with the data it had", demo->cluster.nodes[killed].name);
    if (cluster_node_start(&demo->cluster, killed) != 0) {
        return cli_complain(CLI_FAILED, "it cannot be started: %s", strerror(errno));
    }
    code = demo_write(demo, demo->input.count, false);
    if (code != CLI_DONE) {
        return code;
    }
    say(demo,
        "All %zu lines are acknowledged; %zu were sent again because their outcome was "
        "unknown, %zu because they were refused",
        demo->done_count, demo->resent_count, demo->refused_count);
    code = demo_wait_caught_up(demo, killed);
    if (code == CLI_DONE) {
        say(demo, "%s has caught up, %llu ms after its start", demo->cluster.nodes[killed].name,
            (unsigned long long)((cli_clock_ns() - begin) / NS_PER_MS));
    }
    return code;
}

static int verify(struct demo *demo)
{
    char digest[NODE_WORD_BYTES_MAX];
    uint64_t index = 0;
    for (size_t i = 0; i < demo->input.count; i++) {
        ASSERT(demo->input.lines[i].is_acknowledged);
    }
    int code = demo_verify_lines(demo);
    if (code == CLI_DONE) {
        code = demo_verify_digests(demo, digest, &index);
    }
    if (code == CLI_DONE) {
        say(demo,
            "Proved: all %zu acknowledged lines read back equal from each of %zu nodes, "
            "whose states at index %llu are the same (digest %s)",
            demo->input.count, demo->cluster.count, (unsigned long long)index, digest);
    }
    return code;
}

static int tell_story(struct demo *demo)
{
    size_t killed = 0;
    int code = start(demo);
    if (code == CLI_DONE) {
        code = lose_leader(demo, &killed);
    }
    if (code == CLI_DONE) {
        code = tell_new_leader(demo);
    }
    if (code == CLI_DONE) {
        code = recover(demo, killed);
    }
    return code == CLI_DONE ? verify(demo) : code;
}

static int demo_run(struct demo *demo, const struct demo_options *options)
{
    char directory[CLUSTER_PATH_BYTES_MAX];
    uint16_t port = cluster_ports_find(options->node_count);
    if (port == 0) {
        return cli_complain(CLI_FAILED, "no free ports are found");
    }
    if (cluster_folder_make(directory, sizeof(directory)) != 0) {
        return cli_complain(CLI_FAILED, "no temporary folder can be made: %s", strerror(errno));
    }
    cluster_init(&demo->cluster, directory, options->node_count, port);
    demo->cluster.wait = demo_wait;
    demo->cluster.argument = demo;
    int code = tell_story(demo);
    progress_clear(&demo->progress);
    demo_writer_cut(demo);
    cluster_stop(&demo->cluster);
    /* After a failure the logs are what is needed; Ctrl-C is none. */
    bool has_failed = code != CLI_DONE && !interrupt_has_come(&demo->interrupt);
    if (options->is_kept || has_failed) {
        printf("Data and logs are kept in %s\n", directory);
    } else {
        cluster_folder_remove(directory);
    }
    int flushed = cli_flush();
    return code == CLI_DONE ? flushed : code;
}

int cli_demo(int argc, char **argv)
{
    struct demo_options options;
    struct demo demo = {.writer = NULL};
    arguments_parse(argc, argv, &options);
    int code = demo_input_read(options.input, options.lines_most, &demo.input);
    if (code != CLI_DONE) {
        return code;
    }
    demo.interrupt = interrupt_open();
    demo.deadline = cli_clock_ns() + TIME_LIMIT_S * NS_PER_S;
    code = demo_run(&demo, &options);
    demo_input_deinit(&demo.input);
    return code;
}
