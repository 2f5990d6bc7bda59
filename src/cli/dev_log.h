/* dev_log.h: the log lines of several nodes in one terminal, each with its node's name. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_DEV_LOG_H
#define CLI_DEV_LOG_H

#include "cli/cluster.h"
#include "cli/interrupt.h"

#define DEV_LINE_BYTES_MAX 4096

/* What has come of a line so far, for each node. */
struct dev_log {
    struct {
        size_t length;
        char line[DEV_LINE_BYTES_MAX];
    } nodes[CLUSTER_NODES_MAX];
};

/* Print what nodes write, for `milliseconds` or until a signal comes; a longer line than
 * DEV_LINE_BYTES_MAX is printed in pieces. Returns false when a signal has come.
 */
bool dev_log_pump(struct dev_log *log, struct cluster *cluster, struct interrupt *interrupt,
                  unsigned milliseconds);

/* Print what is left of a node that has ended. */
void dev_log_drain(struct dev_log *log, struct cluster *cluster, size_t i);

#endif
