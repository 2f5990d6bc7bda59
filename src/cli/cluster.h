/* cluster.h: a cluster of `quorate serve` processes on this machine, for dev, demo, bench.
 *
 * Owns     the child processes. They end with this process, whatever ends it: the kernel
 *          kills them.
 * Does not know what is done with the cluster.
 * Threads  one.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_CLUSTER_H
#define CLI_CLUSTER_H

#include <sys/types.h>

#include "cli/node_status.h"

#define CLUSTER_NODES_MAX 9
#define CLUSTER_PATH_BYTES_MAX 3072
#define CLUSTER_EXTRA_MAX 64
#define CLUSTER_MADE_NAME "cluster-made"

struct cluster_node {
    char name[16]; /* "n1" */
    char directory[CLUSTER_PATH_BYTES_MAX + 32];
    uint16_t port;   /* of members; clients +1, HTTP +2 */
    pid_t pid;       /* 0: does not run */
    int log;         /* where its standard error can be read; -1: it goes to a file */
    int wait_status; /* of the process that ended last */
};

struct cluster {
    char directory[CLUSTER_PATH_BYTES_MAX];
    size_t count;
    struct cluster_node nodes[CLUSTER_NODES_MAX];
    bool is_made;       /* there is a cluster to join; told by CLUSTER_MADE_NAME */
    bool has_log_pipes; /* else nodes write to NAME.log in the directory */
    size_t extra_count; /* further flags for every node */
    char *extra[CLUSTER_EXTRA_MAX];
    /* Called instead of sleeping. Returns false when waiting is to end. */
    bool (*wait)(void *argument, unsigned milliseconds);
    void *argument;
};

/* Name `count` nodes in `directory`, on ports from `base_port`, 10 apart. Nothing runs. */
void cluster_init(struct cluster *cluster, const char *directory, size_t count, uint16_t base_port);

/* Make a folder for a cluster that is thrown away, below TMPDIR or /tmp.
 * Returns 0, or -1 with errno set.
 */
int cluster_folder_make(char *out, size_t size_bytes);

/* Remove a folder with all that is in it. */
void cluster_folder_remove(const char *directory);

/* A first port such that all ports of `count` nodes are free now, or 0. They lie below the
 * ports that the kernel gives to outgoing connections, so that a node that is started again
 * finds its own still free.
 */
uint16_t cluster_ports_find(size_t count);

/* Start one node: the first of a new cluster makes it, every other one joins.
 * Returns 0, or -1 with errno set.
 */
int cluster_node_start(struct cluster *cluster, size_t i);

/* Send a signal to a node that runs. */
void cluster_node_signal(struct cluster *cluster, size_t i, int number);

/* Wait for the end of a node that was sent a signal, killing it after `timeout_ms`. */
void cluster_node_wait(struct cluster *cluster, size_t i, unsigned timeout_ms);

/* Take notice of children that ended. Returns the position of one, or -1 when none did. */
int cluster_reap(struct cluster *cluster);

/* Start all nodes and wait until every one is a voter and all know the same leader.
 *
 * detail   of QR_ERROR_DETAIL_BYTES; on failure a sentence.
 *
 * Returns 0, or, with the nodes still running
 *   QR_ERR_ADDRESS    a port is in use; no node was started.
 *   QR_ERR_STOPPED    a node ended by itself.
 *   QR_ERR_TIMEOUT    the cluster was not complete in time.
 *   QR_ERR_CANCELLED  `wait` said so.
 *   QR_ERR_IO         a process cannot be started, or the directory not written.
 */
NODISCARD int cluster_start(struct cluster *cluster, unsigned timeout_ms, char *detail);

/* Stop all nodes: SIGTERM, and SIGKILL to what still runs after ten seconds. */
void cluster_stop(struct cluster *cluster);

struct cli_address cluster_client_address(const struct cluster *cluster, size_t i);

/* What a node tells about itself. Returns as node_status_fetch(). */
NODISCARD int cluster_node_status(const struct cluster *cluster, size_t i, struct node_status *out);

/* The position of the running node that leads, with what it tells, or -1. */
int cluster_leader(const struct cluster *cluster, struct node_status *out);

#endif
