/* verify.h: what the parts of `quorate verify` share: clients that load a cluster and record
 * what they asked and were told.
 *
 * Owns     the history and its lock, the clients' threads, and the judgement of the history.
 * Threads  one for each client, which touches its own struct and, under the lock, the
 *          history; the main one starts and ends them, and hurts the cluster.
 *
 * A key is used for OPERATIONS_A_KEY operations or so, and then never again: what is unknown of
 * it may happen at any later time, and would make all that follows hard to judge.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_VERIFY_H
#define CLI_VERIFY_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/prng.h"
#include "cli/cluster.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/redis.h"
#include "sim/linear/linearizability.h"

#define VERIFY_CLIENTS_MAX 256
#define VERIFY_KEYS_MAX 1000
#define VERIFY_OPERATIONS_MAX 4000000 /* of one history: then the load ends early */
#define VERIFY_OPERATIONS_A_KEY 256
#define VERIFY_KEY_BYTES_MAX 64

struct verify_options {
    struct cli_addresses addresses;
    uint64_t client_count;
    uint64_t seconds;
    uint64_t key_count;
    uint64_t think_us_max; /* a client waits 0..this between two operations */
    size_t cluster_count;  /* 0: a cluster that runs */
    bool is_once; /* half of the increments go under tokens, again until they are answered */
    bool is_chaotic;
    bool is_json;
    bool is_kept;
};

struct verify;

struct verify_client {
    struct verify *verify;
    pthread_t thread;
    uint32_t number;
    struct prng prng;
    redisContext *context; /* NULL: not connected */
    uint64_t seen_key;     /* the key that was last seen or written, and what it held */
    int64_t seen_number;
};

struct verify {
    const struct verify_options *options;
    struct cli_addresses addresses;
    uint64_t run; /* names this run's keys: another one's are not touched */
    struct verify_client clients[VERIFY_CLIENTS_MAX];
    size_t running_count;
    atomic_bool is_over;
    atomic_bool is_full; /* the history takes no more */

    pthread_mutex_t lock;
    struct history history;
    int64_t written; /* the last number that was written: no two writes write the same */

    size_t kill_count;
    size_t kill_all_count;
    size_t pause_count;
    struct interrupt interrupt;
    struct progress progress;
    time_ns loaded_ns; /* how long the load took */
};

/* The name of a key of the history. */
void verify_key_name(const struct verify *verify, uint64_t key, char *out);

/* Start all clients. Returns a CLI_* code; those that were started run also when it fails. */
int verify_clients_start(struct verify *verify);

/* Let all clients finish what they wait for, and end. */
void verify_clients_stop(struct verify *verify);

/* Read every key of the history once more, through each node that answers. */
void verify_read_back(struct verify *verify);

/* Remove the keys, where that goes at once: they are of no use any more. */
void verify_keys_remove(struct verify *verify);

/* Kill, start again and pause nodes of `cluster` for `seconds`; at the end all run.
 * Returns a CLI_* code.
 */
int verify_chaos(struct verify *verify, struct cluster *cluster, time_ns until_ns);

/* Judge the history and print the verdict. Returns CLI_DONE when it is linearizable. */
int verify_judge(struct verify *verify);

/* Parse the command line. */
void verify_options_parse(int argc, char **argv, struct verify_options *out);

#endif
