/* dev.c: `quorate dev`: a whole local cluster in one terminal.
 *
 * Owns     nothing that lasts: the nodes' folders stay, and a later `quorate dev` goes on
 *          with them, whatever ended the one before.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/assert.h"
#include "cli/cli.h"
#include "cli/cluster.h"
#include "cli/dev_log.h"
#include "cli/interrupt.h"
#include "quorate/engine.h"

#define NODES_DEFAULT 3
#define BASE_PORT_DEFAULT 7700
#define BASE_PORT_MOST 65000
#define START_TIMEOUT_MS 60000
#define PUMP_MS 200
#define RESTART_PAUSE_MS 1000
#define STOP_TIMEOUT_MS 10000
#define STOP_STEP_MS 20

struct dev {
    const char *directory;
    size_t node_count;
    uint16_t base_port;
    bool is_restarting;
    size_t extra_count;
    char *extra[CLUSTER_EXTRA_MAX];
    struct cluster cluster;
    struct dev_log log;
    struct interrupt interrupt;
};

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct dev *dev = state->input;
    switch (key) {
    case 'n':
        dev->node_count = (size_t)cli_number_option(state, "nodes", value, 1, CLUSTER_NODES_MAX);
        return 0;
    case 'd':
        dev->directory = value;
        return 0;
    case 'p':
        dev->base_port = (uint16_t)cli_number_option(state, "base-port", value, 1, BASE_PORT_MOST);
        return 0;
    case 'r':
        dev->is_restarting = true;
        return 0;
    case ARGP_KEY_ARG:
        if (dev->extra_count == CLUSTER_EXTRA_MAX) {
            argp_error(state, "there are more than %d flags for the nodes", CLUSTER_EXTRA_MAX);
            return 0;
        }
        dev->extra[dev->extra_count++] = value;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void arguments_parse(int argc, char **argv, struct dev *out)
{
    static const struct argp_option options[] = {
        {"nodes", 'n', "N", 0, "how many, 1..9; default 3", 0},
        {"data", 'd', "DIR", 0, "where their data is; default ./quorate-dev", 0},
        {"base-port", 'p', "PORT", 0,
         "node i listens on PORT+10*(i-1) and the two above; default 7700", 0},
        {"restart", 'r', NULL, 0, "start a node again that ends by itself", 0},
        {0},
    };
    const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "[-- FLAG...]",
        .doc = "Run a whole local cluster in one terminal, until Ctrl-C.\v"
               "What stands behind -- is given to every node (quorate help serve). The data "
               "stays: run it again and the cluster goes on."};
    cli_arguments_parse(&argp, argc, argv, out);
}

static bool dev_wait(void *argument, unsigned milliseconds)
{
    struct dev *dev = argument;
    return dev_log_pump(&dev->log, &dev->cluster, &dev->interrupt, milliseconds);
}

/* A sentence of our own among the nodes' lines. */
static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("-- | ", stdout);
    vprintf(format, arguments);
    putchar('\n');
    fflush(stdout);
    va_end(arguments);
}

static void say_ready(const struct dev *dev)
{
    struct node_status leader;
    if (cluster_leader(&dev->cluster, &leader) >= 0) {
        say("the cluster is ready: %s leads in term %llu", leader.name,
            (unsigned long long)leader.term);
    }
    for (size_t i = 0; i < dev->cluster.count; i++) {
        unsigned port = dev->cluster.nodes[i].port;
        say("%s: redis-cli -p %u   http://127.0.0.1:%u/status", dev->cluster.nodes[i].name,
            port + 1, port + 2);
    }
    say("data is in %s; Ctrl-C stops the cluster", dev->cluster.directory);
}

static void say_ended(const struct cluster_node *node)
{
    if (WIFSIGNALED(node->wait_status)) {
        say("%s was ended by signal %d (%s)", node->name, WTERMSIG(node->wait_status),
            strsignal(WTERMSIG(node->wait_status)));
    } else {
        say("%s ended with exit code %d", node->name, WEXITSTATUS(node->wait_status));
    }
}

static bool is_any_running(const struct cluster *cluster)
{
    for (size_t i = 0; i < cluster->count; i++) {
        if (cluster->nodes[i].pid > 0) {
            return true;
        }
    }
    return false;
}

/* Tell of nodes that ended; start them again if that is wanted. */
static void ended_handle(struct dev *dev)
{
    int ended;
    while ((ended = cluster_reap(&dev->cluster)) >= 0) {
        size_t i = (size_t)ended;
        dev_log_drain(&dev->log, &dev->cluster, i);
        say_ended(&dev->cluster.nodes[i]);
        if (dev->is_restarting && dev_wait(dev, RESTART_PAUSE_MS)) {
            say("%s is started again", dev->cluster.nodes[i].name);
            if (cluster_node_start(&dev->cluster, i) != 0) {
                say("%s cannot be started: %s", dev->cluster.nodes[i].name, strerror(errno));
            }
        }
    }
}

/* Until a signal comes, or no node is left. */
static int watch(struct dev *dev)
{
    while (dev_wait(dev, PUMP_MS)) {
        ended_handle(dev);
        if (!is_any_running(&dev->cluster)) {
            return cli_complain(CLI_FAILED, "no node is left");
        }
    }
    return CLI_DONE;
}

/* SIGTERM to all, and SIGKILL to what still runs STOP_TIMEOUT_MS later. */
static void stop(struct dev *dev)
{
    time_ns deadline = cli_clock_ns() + STOP_TIMEOUT_MS * NS_PER_MS;
    say("stopping");
    for (size_t i = 0; i < dev->cluster.count; i++) {
        cluster_node_signal(&dev->cluster, i, SIGTERM);
    }
    while (is_any_running(&dev->cluster) && cli_clock_ns() < deadline) {
        int ended = cluster_reap(&dev->cluster);
        if (ended >= 0) {
            dev_log_drain(&dev->log, &dev->cluster, (size_t)ended);
        } else {
            cli_sleep_ms(STOP_STEP_MS);
        }
    }
    for (size_t i = 0; i < dev->cluster.count; i++) {
        cluster_node_signal(&dev->cluster, i, SIGKILL);
        cluster_node_wait(&dev->cluster, i, 0);
    }
}

static int dev_run(struct dev *dev)
{
    char detail[QR_ERROR_DETAIL_BYTES] = "";
    int status = cluster_start(&dev->cluster, START_TIMEOUT_MS, detail);
    for (size_t i = 0; status == QR_ERR_STOPPED && i < dev->cluster.count; i++) {
        if (dev->cluster.nodes[i].pid == 0) {
            dev_log_drain(&dev->log, &dev->cluster, i);
        }
    }
    if (status == QR_ERR_CANCELLED) {
        return CLI_DONE;
    }
    if (status == QR_ERR_TIMEOUT) {
        say("%s yet; it may still: going on", detail);
    } else if (status != 0) {
        return cli_complain(CLI_FAILED, "%s%s", detail,
                            status == QR_ERR_STOPPED ? "; its last lines tell why" : "");
    } else {
        say_ready(dev);
    }
    return watch(dev);
}

static int dev_open(struct dev *dev)
{
    char directory[CLUSTER_PATH_BYTES_MAX];
    if (mkdir(dev->directory, 0755) != 0 && errno != EEXIST) {
        return cli_complain(CLI_FAILED, "%s cannot be made: %s", dev->directory, strerror(errno));
    }
    char *path = realpath(dev->directory, NULL);
    if (path == NULL || strlen(path) >= sizeof(directory)) {
        int error = path == NULL ? errno : ENAMETOOLONG;
        free(path);
        return cli_complain(CLI_FAILED, "%s: %s", dev->directory, strerror(error));
    }
    cluster_init(&dev->cluster, path, dev->node_count, dev->base_port);
    free(path);
    dev->cluster.has_log_pipes = true;
    dev->cluster.wait = dev_wait;
    dev->cluster.argument = dev;
    dev->cluster.extra_count = dev->extra_count;
    memcpy(dev->cluster.extra, dev->extra, sizeof(dev->extra));
    dev->interrupt = interrupt_open();
    return CLI_DONE;
}

int cli_dev(int argc, char **argv)
{
    struct dev dev = {
        .directory = "./quorate-dev", .node_count = NODES_DEFAULT, .base_port = BASE_PORT_DEFAULT};
    arguments_parse(argc, argv, &dev);
    int code = dev_open(&dev);
    if (code != CLI_DONE) {
        return code;
    }
    cli_raise_file_limit();
    code = dev_run(&dev);
    stop(&dev);
    return code;
}
