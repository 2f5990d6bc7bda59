/* bench.c: `quorate bench`: whom to load, and a cluster for it when that is wanted. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/cluster.h"
#include "cli/redis.h"
#include "quorate/engine.h"

#define START_TIMEOUT_MS 40000
#define ADDRESS_BYTES_MAX 256
#define FLAGS_BYTES_MAX 64

/* Find the node whose flags say master in the answer to CLUSTER NODES. */
static bool leader_in(const char *nodes, struct cli_address *out)
{
    while (*nodes != '\0') {
        char address[ADDRESS_BYTES_MAX];
        char flags[FLAGS_BYTES_MAX];
        if (sscanf(nodes, "%*s %255s %63s", address, flags) == 2 &&
            strstr(flags, "master") != NULL) {
            size_t length = strcspn(address, "@,");
            return cli_address_parse(address, length, out) == 0;
        }
        nodes += strcspn(nodes, "\n");
        nodes += *nodes == '\n';
    }
    return false;
}

static int leader_find(struct cli_addresses *addresses)
{
    redisContext *context = redis_connect_any(addresses);
    if (context == NULL) {
        return CLI_UNREACHABLE;
    }
    redisReply *reply = redisCommand(context, "CLUSTER NODES");
    int code = redis_reply_code(context, reply, false);
    struct cli_address leader;
    if (code == CLI_DONE && (reply->str == NULL || !leader_in(reply->str, &leader))) {
        code = cli_complain(CLI_FAILED, "no leader is known");
    }
    if (code == CLI_DONE) {
        addresses->count = 1;
        addresses->items[0] = leader;
    }
    freeReplyObject(reply);
    redisFree(context);
    return code;
}

static bool cluster_wait(void *argument, unsigned milliseconds)
{
    return interrupt_sleep(argument, milliseconds);
}

static int load(struct bench_options *options, struct interrupt *interrupt)
{
    if (options->is_leader_only) {
        int code = leader_find(&options->addresses);
        if (code != CLI_DONE) {
            return code;
        }
    }
    struct bench *bench = calloc(1, sizeof(*bench));
    if (bench == NULL) {
        return cli_complain(CLI_FAILED, "memory ran out");
    }
    bench->options = options;
    bench->interrupt = interrupt;
    int code = bench_run(bench);
    if (code == CLI_DONE) {
        code = bench_report(bench);
    }
    free(bench);
    return code;
}

/* Start a cluster, load it, stop it, and leave nothing behind. */
static int load_own_cluster(struct bench_options *options, struct interrupt *interrupt)
{
    char directory[CLUSTER_PATH_BYTES_MAX];
    char detail[QR_ERROR_DETAIL_BYTES];
    struct cluster cluster;
    uint16_t port = cluster_ports_find(options->cluster_count);
    if (port == 0) {
        return cli_complain(CLI_FAILED, "no free ports are found");
    }
    if (cluster_folder_make(directory, sizeof(directory)) != 0) {
        return cli_complain(CLI_FAILED, "no temporary folder can be made: %s", strerror(errno));
    }
    cluster_init(&cluster, directory, options->cluster_count, port);
    cluster.wait = cluster_wait;
    cluster.argument = interrupt;
    int code = CLI_DONE;
    if (cluster_start(&cluster, START_TIMEOUT_MS, detail) != 0) {
        code = cli_complain(CLI_FAILED, "%s", detail);
    }
    options->addresses.count = options->cluster_count;
    for (size_t i = 0; i < options->cluster_count; i++) {
        options->addresses.items[i] = cluster_client_address(&cluster, i);
    }
    if (code == CLI_DONE) {
        code = load(options, interrupt);
    }
    cluster_stop(&cluster);
    cluster_folder_remove(directory);
    return code;
}

int cli_bench(int argc, char **argv)
{
    struct bench_options options;
    bench_options_parse(argc, argv, &options);
    cli_raise_file_limit();
    struct interrupt interrupt = interrupt_open();
    return options.cluster_count > 0 ? load_own_cluster(&options, &interrupt)
                                     : load(&options, &interrupt);
}
