/* cluster.c: a local cluster: folders, ports, and waiting until it is complete. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cluster.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/text.h"
#include "cli/cli.h"
#include "quorate/engine.h"

#define PORT_STEP 10
#define PORT_LEAST 10240 /* free ports are looked for in this range, ... */
#define PORT_MOST 32000  /* ... below net.ipv4.ip_local_port_range */
#define PORT_TRIES 200
#define POLL_MS 20
#define FETCH_TIMEOUT_MS 500
#define FILES_OPEN_MAX 16

void cluster_init(struct cluster *cluster, const char *directory, size_t count, uint16_t base_port)
{
    ASSERT(count >= 1 && count <= CLUSTER_NODES_MAX);
    *cluster = (struct cluster){.count = count};
    snprintf(cluster->directory, sizeof(cluster->directory), "%s", directory);
    for (size_t i = 0; i < count; i++) {
        struct cluster_node *node = &cluster->nodes[i];
        node->log = -1;
        node->port = (uint16_t)(base_port + PORT_STEP * i);
        snprintf(node->name, sizeof(node->name), "n%u", (unsigned)(i + 1));
        struct text path = text_of(node->directory, sizeof(node->directory));
        text_string(&path, directory);
        text_char(&path, '/');
        text_string(&path, node->name);
    }
}

int cluster_folder_make(char *out, size_t size_bytes)
{
    const char *parent = getenv("TMPDIR");
    if (parent == NULL || parent[0] != '/') {
        parent = "/tmp";
    }
    int length = snprintf(out, size_bytes, "%s/quorate-XXXXXX", parent);
    if (length < 0 || (size_t)length >= size_bytes) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return mkdtemp(out) == NULL ? -1 : 0;
}

static int entry_remove(const char *path, const struct stat *found, int type, struct FTW *where)
{
    (void)found;
    (void)type;
    (void)where;
    (void)remove(path);
    return 0;
}

void cluster_folder_remove(const char *directory)
{
    (void)nftw(directory, entry_remove, FILES_OPEN_MAX, FTW_DEPTH | FTW_PHYS);
}

static bool is_port_free(uint16_t port, int type)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int descriptor = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    if (descriptor < 0) {
        return false;
    }
    /* Connections of before that are not forgotten yet are no hindrance, a listener is. For
     * UDP the option would hide who is there.
     */
    int one = 1;
    if (type == SOCK_STREAM) {
        (void)setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    }
    bool is_free = bind(descriptor, (struct sockaddr *)&address, sizeof(address)) == 0;
    close(descriptor);
    return is_free;
}

/* The first port in use among those of `count` nodes, or 0. */
static uint16_t used_port_find(uint16_t base, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (unsigned offset = 0; offset < 3; offset++) {
            uint16_t port = (uint16_t)(base + PORT_STEP * i + offset);
            if (!is_port_free(port, SOCK_STREAM) || !is_port_free(port, SOCK_DGRAM)) {
                return port;
            }
        }
    }
    return 0;
}

uint16_t cluster_ports_find(size_t count)
{
    for (int attempt = 0; attempt < PORT_TRIES; attempt++) {
        uint32_t random;
        if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
            return 0;
        }
        uint16_t base = (uint16_t)(PORT_LEAST + random % (PORT_MOST - PORT_LEAST));
        if (used_port_find(base, count) == 0) {
            return base;
        }
    }
    return 0;
}

struct cli_address cluster_client_address(const struct cluster *cluster, size_t i)
{
    ASSERT(i < cluster->count);
    return (struct cli_address){.host = "127.0.0.1",
                                .port = (uint16_t)(cluster->nodes[i].port + 1)};
}

int cluster_node_status(const struct cluster *cluster, size_t i, struct node_status *out)
{
    ASSERT(i < cluster->count);
    struct cli_address address = {.host = "127.0.0.1",
                                  .port = (uint16_t)(cluster->nodes[i].port + 2)};
    return node_status_fetch(&address, FETCH_TIMEOUT_MS, out);
}

int cluster_leader(const struct cluster *cluster, struct node_status *out)
{
    struct node_status status;
    int leader = -1;
    for (size_t i = 0; i < cluster->count; i++) {
        if (cluster->nodes[i].pid > 0 && cluster_node_status(cluster, i, &status) == 0 &&
            strcmp(status.role, "leader") == 0 && (leader < 0 || status.term > out->term)) {
            leader = (int)i;
            *out = status;
        }
    }
    return leader;
}

static bool is_voter(const struct node_status *status, const char *name)
{
    for (size_t i = 0; i < status->member_count; i++) {
        if (strcmp(status->members[i].name, name) == 0) {
            return strcmp(status->members[i].kind, "voter") == 0;
        }
    }
    return false;
}

/* Whether the first `count` nodes are voters that know the leader among them. */
static bool is_complete(const struct cluster *cluster, size_t count)
{
    struct node_status leader;
    struct node_status status;
    if (cluster_leader(cluster, &leader) < 0) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (!is_voter(&leader, cluster->nodes[i].name) ||
            cluster_node_status(cluster, i, &status) != 0 ||
            strcmp(status.leader, leader.name) != 0) {
            return false;
        }
    }
    return true;
}

static int complete_wait(struct cluster *cluster, size_t count, time_ns deadline, char *detail)
{
    while (!is_complete(cluster, count)) {
        int ended = cluster_reap(cluster);
        if (ended >= 0) {
            snprintf(detail, QR_ERROR_DETAIL_BYTES, "node %s ended while the cluster was starting",
                     cluster->nodes[ended].name);
            return QR_ERR_STOPPED;
        }
        if (cli_clock_ns() > deadline) {
            snprintf(detail, QR_ERROR_DETAIL_BYTES,
                     "the %zu nodes did not become one cluster in time", count);
            return QR_ERR_TIMEOUT;
        }
        if (!cluster->wait(cluster->argument, POLL_MS)) {
            snprintf(detail, QR_ERROR_DETAIL_BYTES, "interrupted");
            return QR_ERR_CANCELLED;
        }
    }
    return 0;
}

static int nodes_start(struct cluster *cluster, size_t from, size_t to, char *detail)
{
    for (size_t i = from; i < to; i++) {
        if (cluster_node_start(cluster, i) != 0) {
            snprintf(detail, QR_ERROR_DETAIL_BYTES, "node %s cannot be started: %s",
                     cluster->nodes[i].name, strerror(errno));
            return QR_ERR_IO;
        }
    }
    return 0;
}

static void made_path(const struct cluster *cluster, char *out, size_t size_bytes)
{
    snprintf(out, size_bytes, "%s/%s", cluster->directory, CLUSTER_MADE_NAME);
}

/* Let the first node make the cluster, and write down that it has: from then on it joins
 * the others like any node, so that one that lost its data cannot make a second cluster.
 */
static int make(struct cluster *cluster, time_ns deadline, char *detail)
{
    char path[CLUSTER_PATH_BYTES_MAX + 32];
    int status = nodes_start(cluster, 0, 1, detail);
    if (status == 0) {
        status = complete_wait(cluster, 1, deadline, detail);
    }
    if (status != 0) {
        return status;
    }
    made_path(cluster, path, sizeof(path));
    int descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (descriptor < 0) {
        snprintf(detail, QR_ERROR_DETAIL_BYTES, "%.300s cannot be made: %s", path, strerror(errno));
        return QR_ERR_IO;
    }
    close(descriptor);
    cluster->is_made = true;
    return 0;
}

int cluster_start(struct cluster *cluster, unsigned timeout_ms, char *detail)
{
    char path[CLUSTER_PATH_BYTES_MAX + 32];
    time_ns deadline = cli_clock_ns() + (time_ns)timeout_ms * NS_PER_MS;
    uint16_t used = used_port_find(cluster->nodes[0].port, cluster->count);
    if (used != 0) {
        snprintf(detail, QR_ERROR_DETAIL_BYTES,
                 "port %u of 127.0.0.1 is in use; stop what uses it, or choose other ports",
                 (unsigned)used);
        return QR_ERR_ADDRESS;
    }
    made_path(cluster, path, sizeof(path));
    cluster->is_made = access(path, F_OK) == 0;
    size_t started = 0;
    int status = 0;
    if (!cluster->is_made) {
        status = make(cluster, deadline, detail);
        started = 1;
    }
    if (status == 0) {
        status = nodes_start(cluster, started, cluster->count, detail);
    }
    return status == 0 ? complete_wait(cluster, cluster->count, deadline, detail) : status;
}
