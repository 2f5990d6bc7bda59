/* verify.c: `quorate verify`: is what clients are told by this cluster linearizable? */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/verify.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "quorate/engine.h"

#define START_TIMEOUT_MS 40000
#define STEP_MS 20

static bool cluster_wait(void *argument, unsigned milliseconds)
{
    struct verify *verify = argument;
    return interrupt_sleep(&verify->interrupt, milliseconds);
}

static void load_quietly(struct verify *verify, time_ns until_ns)
{
    time_ns began_ns = cli_clock_ns();
    for (time_ns now_ns = began_ns; now_ns < until_ns && !atomic_load(&verify->is_full);
         now_ns = cli_clock_ns()) {
        progress_update(&verify->progress, now_ns - began_ns);
        if (!interrupt_sleep(&verify->interrupt, STEP_MS)) {
            break;
        }
    }
}

/* cluster   NULL: not ours to hurt. */
static int load(struct verify *verify, struct cluster *cluster)
{
    time_ns length_ns = verify->options->seconds * NS_PER_S;
    time_ns began_ns = cli_clock_ns();
    verify->progress = progress_begin("verifying", length_ns);
    int code = verify_clients_start(verify);
    if (code == CLI_DONE && cluster != NULL && verify->options->is_chaotic) {
        code = verify_chaos(verify, cluster, began_ns + length_ns);
    } else if (code == CLI_DONE) {
        load_quietly(verify, began_ns + length_ns);
    }
    verify_clients_stop(verify);
    verify->loaded_ns = cli_clock_ns() - began_ns;
    progress_clear(&verify->progress);
    if (atomic_load(&verify->is_full)) {
        fprintf(stderr,
                "quorate: %d operations are the most that are judged together; the load "
                "ended early\n",
                VERIFY_OPERATIONS_MAX);
    }
    return code;
}

/* What was asked before Ctrl-C is judged, too. */
static int load_and_judge(struct verify *verify, struct cluster *cluster)
{
    int code = load(verify, cluster);
    if (code != CLI_DONE) {
        return code;
    }
    verify_read_back(verify);
    code = verify_judge(verify);
    if (!verify->options->is_kept && cluster == NULL && code != CLI_UNREACHABLE) {
        verify_keys_remove(verify);
    }
    return code;
}

static int cluster_make(struct verify *verify, struct cluster *cluster)
{
    char directory[CLUSTER_PATH_BYTES_MAX];
    char detail[QR_ERROR_DETAIL_BYTES];
    size_t count = verify->options->cluster_count;
    uint16_t port = cluster_ports_find(count);
    if (port == 0) {
        return cli_complain(CLI_FAILED, "no free ports are found");
    }
    if (cluster_folder_make(directory, sizeof(directory)) != 0) {
        return cli_complain(CLI_FAILED, "no temporary folder can be made: %s", strerror(errno));
    }
    cluster_init(cluster, directory, count, port);
    cluster->wait = cluster_wait;
    cluster->argument = verify;
    verify->addresses.count = count;
    for (size_t i = 0; i < count; i++) {
        verify->addresses.items[i] = cluster_client_address(cluster, i);
    }
    if (cluster_start(cluster, START_TIMEOUT_MS, detail) != 0) {
        return cli_complain(CLI_FAILED, "%s", detail);
    }
    return CLI_DONE;
}

static int verify_own_cluster(struct verify *verify)
{
    struct cluster cluster = {.count = 0};
    int code = cluster_make(verify, &cluster);
    if (code == CLI_DONE) {
        code = load_and_judge(verify, &cluster);
    }
    if (cluster.count == 0) {
        return code;
    }
    cluster_stop(&cluster);
    bool has_failed = code != CLI_DONE && !interrupt_has_come(&verify->interrupt);
    if (verify->options->is_kept || has_failed) {
        fprintf(stderr, "Data and logs are kept in %s\n", cluster.directory);
    } else {
        cluster_folder_remove(cluster.directory);
    }
    return code;
}

int cli_verify(int argc, char **argv)
{
    struct verify_options options;
    verify_options_parse(argc, argv, &options);
    struct verify *verify = calloc(1, sizeof(*verify));
    if (verify == NULL) {
        return cli_complain(CLI_FAILED, "memory ran out");
    }
    verify->options = &options;
    verify->addresses = options.addresses;
    verify->run = cli_clock_ns() ^ ((uint64_t)getpid() << 40);
    verify->interrupt = interrupt_open();
    pthread_mutex_init(&verify->lock, NULL);
    history_init(&verify->history, &cli_heap, VERIFY_OPERATIONS_MAX);
    int code =
        options.cluster_count > 0 ? verify_own_cluster(verify) : load_and_judge(verify, NULL);
    history_deinit(&verify->history);
    pthread_mutex_destroy(&verify->lock);
    free(verify);
    return code;
}
