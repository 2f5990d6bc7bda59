/* cluster_process.c: the processes of a local cluster: their start, their end. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"
#include "cli/cli.h"
#include "cli/cluster.h"
#include "cli/interrupt.h"

#define ARGUMENTS_MAX (CLUSTER_EXTRA_MAX + 20)
#define JOIN_BYTES_MAX (CLUSTER_NODES_MAX * 24)
#define ADDRESS_BYTES 24
#define WAIT_STEP_MS 2
#define STOP_TIMEOUT_MS 10000

struct command_line {
    char path[PATH_MAX];
    char peer[ADDRESS_BYTES];
    char client[ADDRESS_BYTES];
    char http[ADDRESS_BYTES];
    char join[JOIN_BYTES_MAX];
    const char *arguments[ARGUMENTS_MAX];
    size_t count;
};

static void argument_add(struct command_line *line, const char *argument)
{
    ASSERT(line->count + 1 < ARGUMENTS_MAX);
    line->arguments[line->count++] = argument;
    line->arguments[line->count] = NULL;
}

static void flag_add(struct command_line *line, const char *flag, const char *value)
{
    argument_add(line, flag);
    argument_add(line, value);
}

/* This program by its name, so that process lists show it; by the kernel's link to it when
 * the file was replaced since.
 */
static void path_find(char *out, size_t size_bytes)
{
    ssize_t length = readlink("/proc/self/exe", out, size_bytes - 1);
    if (length > 0) {
        out[length] = '\0';
    }
    if (length <= 0 || access(out, X_OK) != 0) {
        snprintf(out, size_bytes, "/proc/self/exe");
    }
}

static void local_address(uint16_t port, char *out)
{
    snprintf(out, ADDRESS_BYTES, "127.0.0.1:%u", (unsigned)port);
}

static void join_list(const struct cluster *cluster, size_t i, char *out)
{
    size_t length = 0;
    out[0] = '\0';
    for (size_t other = 0; other < cluster->count; other++) {
        if (other != i) {
            length +=
                (size_t)snprintf(out + length, JOIN_BYTES_MAX - length, "%s127.0.0.1:%u",
                                 length == 0 ? "" : ",", (unsigned)cluster->nodes[other].port);
        }
    }
    ASSERT(length < JOIN_BYTES_MAX);
}

static void command_line_make(const struct cluster *cluster, size_t i, struct command_line *line)
{
    const struct cluster_node *node = &cluster->nodes[i];
    line->count = 0;
    path_find(line->path, sizeof(line->path));
    local_address(node->port, line->peer);
    local_address((uint16_t)(node->port + 1), line->client);
    local_address((uint16_t)(node->port + 2), line->http);
    join_list(cluster, i, line->join);
    argument_add(line, "quorate");
    argument_add(line, "serve");
    flag_add(line, "--name", node->name);
    flag_add(line, "--data", node->directory);
    flag_add(line, "--peer", line->peer);
    flag_add(line, "--client", line->client);
    flag_add(line, "--http", line->http);
    if (i == 0 && !cluster->is_made) {
        argument_add(line, "--bootstrap");
    } else if (line->join[0] != '\0') {
        flag_add(line, "--join", line->join);
    }
    for (size_t extra = 0; extra < cluster->extra_count; extra++) {
        argument_add(line, cluster->extra[extra]);
    }
}

/* Where the child writes to; `log` is the other end, or -1. */
static int output_open(const struct cluster *cluster, size_t i, int *log)
{
    if (cluster->has_log_pipes) {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) != 0) {
            return -1;
        }
        (void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
        *log = ends[0];
        return ends[1];
    }
    char path[CLUSTER_PATH_BYTES_MAX + 32];
    snprintf(path, sizeof(path), "%s/%s.log", cluster->directory, cluster->nodes[i].name);
    *log = -1;
    return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

__attribute__((noreturn)) static void child_run(const struct command_line *line, int output,
                                                pid_t parent)
{
    char *arguments[ARGUMENTS_MAX];
    /* A group of its own: Ctrl-C goes to the parent alone, which stops everything in order. */
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(CLI_FAILED);
    }
    interrupt_reset_in_child();
    int nothing = open("/dev/null", O_RDONLY);
    if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0 ||
        dup2(output, STDERR_FILENO) < 0) {
        _exit(CLI_FAILED);
    }
    if (nothing > STDERR_FILENO) {
        close(nothing);
    }
    /* execv() takes no const, and changes nothing. */
    memcpy(arguments, line->arguments, sizeof(arguments));
    execv(line->path, arguments);
    _exit(CLI_FAILED);
}

int cluster_node_start(struct cluster *cluster, size_t i)
{
    struct cluster_node *node = &cluster->nodes[i];
    struct command_line line;
    ASSERT(i < cluster->count);
    ASSERT(node->pid == 0);
    command_line_make(cluster, i, &line);
    if (node->log >= 0) {
        close(node->log);
    }
    int output = output_open(cluster, i, &node->log);
    if (output < 0) {
        return -1;
    }
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        child_run(&line, output, parent);
    }
    int error = errno;
    close(output);
    errno = error;
    if (pid < 0) {
        return -1;
    }
    node->pid = pid;
    return 0;
}

void cluster_node_signal(struct cluster *cluster, size_t i, int number)
{
    ASSERT(i < cluster->count);
    if (cluster->nodes[i].pid > 0) {
        (void)kill(cluster->nodes[i].pid, number);
    }
}

int cluster_reap(struct cluster *cluster)
{
    for (size_t i = 0; i < cluster->count; i++) {
        struct cluster_node *node = &cluster->nodes[i];
        if (node->pid > 0 && waitpid(node->pid, &node->wait_status, WNOHANG) == node->pid) {
            node->pid = 0;
            return (int)i;
        }
    }
    return -1;
}

void cluster_node_wait(struct cluster *cluster, size_t i, unsigned timeout_ms)
{
    struct cluster_node *node = &cluster->nodes[i];
    time_ns deadline = cli_clock_ns() + (time_ns)timeout_ms * NS_PER_MS;
    while (node->pid > 0 && cli_clock_ns() < deadline) {
        if (waitpid(node->pid, &node->wait_status, WNOHANG) == node->pid) {
            node->pid = 0;
            return;
        }
        cli_sleep_ms(WAIT_STEP_MS);
    }
    if (node->pid > 0) {
        (void)kill(node->pid, SIGKILL);
        (void)waitpid(node->pid, &node->wait_status, 0);
        node->pid = 0;
    }
}

void cluster_stop(struct cluster *cluster)
{
    time_ns deadline = cli_clock_ns() + STOP_TIMEOUT_MS * NS_PER_MS;
    for (size_t i = 0; i < cluster->count; i++) {
        cluster_node_signal(cluster, i, SIGTERM);
    }
    for (size_t i = 0; i < cluster->count; i++) {
        time_ns now = cli_clock_ns();
        cluster_node_wait(cluster, i,
                          now < deadline ? (unsigned)((deadline - now) / NS_PER_MS) : 0);
        if (cluster->nodes[i].log >= 0) {
            close(cluster->nodes[i].log);
            cluster->nodes[i].log = -1;
        }
    }
}
