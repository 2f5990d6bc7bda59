/* dev_log.c: the log lines of several nodes in one terminal. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/dev_log.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "cli/cli.h"

static void line_print(struct dev_log *log, const struct cluster *cluster, size_t i)
{
    printf("%s | %.*s\n", cluster->nodes[i].name, (int)log->nodes[i].length, log->nodes[i].line);
    log->nodes[i].length = 0;
}

static void bytes_take(struct dev_log *log, const struct cluster *cluster, size_t i,
                       const char *bytes, size_t count)
{
    for (size_t at = 0; at < count; at++) {
        if (bytes[at] == '\n' || log->nodes[i].length == DEV_LINE_BYTES_MAX) {
            line_print(log, cluster, i);
        }
        if (bytes[at] != '\n') {
            log->nodes[i].line[log->nodes[i].length++] = bytes[at];
        }
    }
}

/* Print what node `i` has written. Returns false when its end is closed. */
static bool node_read(struct dev_log *log, const struct cluster *cluster, size_t i)
{
    char bytes[DEV_LINE_BYTES_MAX];
    ssize_t count = read(cluster->nodes[i].log, bytes, sizeof(bytes));
    if (count > 0) {
        bytes_take(log, cluster, i, bytes, (size_t)count);
    }
    return count > 0 || (count < 0 && (errno == EAGAIN || errno == EINTR));
}

static void node_close(struct dev_log *log, struct cluster *cluster, size_t i)
{
    if (log->nodes[i].length > 0) {
        line_print(log, cluster, i);
    }
    close(cluster->nodes[i].log);
    cluster->nodes[i].log = -1;
}

void dev_log_drain(struct dev_log *log, struct cluster *cluster, size_t i)
{
    ASSERT(i < cluster->count);
    if (cluster->nodes[i].log < 0) {
        return;
    }
    struct pollfd waiting = {.fd = cluster->nodes[i].log, .events = POLLIN};
    while (poll(&waiting, 1, 0) == 1 && node_read(log, cluster, i)) {
    }
    node_close(log, cluster, i);
    fflush(stdout);
}

static void nodes_read(struct dev_log *log, struct cluster *cluster, const struct pollfd *waiting)
{
    for (size_t i = 0; i < cluster->count; i++) {
        if (waiting[i].revents != 0 && cluster->nodes[i].log >= 0 && !node_read(log, cluster, i)) {
            node_close(log, cluster, i);
        }
    }
    fflush(stdout);
}

bool dev_log_pump(struct dev_log *log, struct cluster *cluster, struct interrupt *interrupt,
                  unsigned milliseconds)
{
    time_ns deadline = cli_clock_ns() + (time_ns)milliseconds * NS_PER_MS;
    for (;;) {
        struct pollfd waiting[CLUSTER_NODES_MAX + 1];
        for (size_t i = 0; i < cluster->count; i++) {
            waiting[i] = (struct pollfd){.fd = cluster->nodes[i].log, .events = POLLIN};
        }
        waiting[cluster->count] = (struct pollfd){.fd = interrupt->descriptor, .events = POLLIN};
        time_ns now = cli_clock_ns();
        int left = now < deadline ? (int)((deadline - now) / NS_PER_MS) : 0;
        int ready = poll(waiting, (nfds_t)cluster->count + 1, left);
        if (ready > 0) {
            nodes_read(log, cluster, waiting);
        }
        if (interrupt_has_come(interrupt)) {
            return false;
        }
        if (ready <= 0 && left == 0) {
            return true;
        }
    }
}
