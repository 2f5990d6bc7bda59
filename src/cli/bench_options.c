/* bench_options.c: the command line of `quorate bench`. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/bench.h"
#include "cli/cli.h"
#include "cli/cluster.h"

/* X(key, name, argument, help, field, least, most) */
/* clang-format off */
#define NUMBER_MAP(X)                                                                              \
    X('c', "clients", "N", "connections; default 64",                                              \
      client_count, 1, BENCH_CLIENTS_MAX)                                                          \
    X('s', "seconds", "S", "how long to measure; default 10",                                      \
      seconds, 1, 86400)                                                                           \
    X('r', "requests", "N", "stop after N answers; default: by time alone",                        \
      request_count, 1, UINT64_MAX)                                                                \
    X('w', "warmup-ms", "MS", "not measured before; default 500",                                  \
      warmup_ms, 0, 600000)                                                                        \
    X('b', "value-bytes", "B", "size of a value; default 16",                                      \
      value_bytes, 0, BENCH_VALUE_BYTES_MAX)                                                       \
    X('P', "pipeline", "P", "requests under way on a connection; default 1",                       \
      pipeline, 1, BENCH_PIPELINE_MAX)                                                             \
    X('R', "reads", "PERCENT", "how many of 100 requests are GET; default 0",                      \
      reads_percent, 0, 100)                                                                       \
    X('k', "keys", "K", "how many different keys; default 100000",                                 \
      key_count, 1, UINT64_C(999999999999))                                                        \
    X('N', "cluster", "N", "start a cluster of N processes first, and stop it at the end",         \
      cluster_count, 1, CLUSTER_NODES_MAX)
/* clang-format on */

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct bench_options *options = state->input;
    switch (key) {
#define X(letter, name, argument, help, field, least, most)                                        \
    case letter:                                                                                   \
        options->field = cli_number_option(state, name, value, least, most);                       \
        return 0;
        NUMBER_MAP(X)
#undef X
    case 'a':
        cli_addresses_option(state, "addresses", value, &options->addresses);
        return 0;
    case 'l':
        options->is_leader_only = true;
        return 0;
    case 'j':
        options->is_json = true;
        return 0;
    case ARGP_KEY_END:
        if (options->client_count * options->pipeline >
            BENCH_BUFFERS_BYTES_MAX / (options->value_bytes + 256)) {
            argp_error(state, "clients x pipeline x value-bytes is over 4 GiB");
        }
        return 0;
    default:
        return cli_no_argument(key, value, state);
    }
}

void bench_options_parse(int argc, char **argv, struct bench_options *out)
{
    static const struct argp_option options[] = {
        {"addresses", 'a', "HOST:PORT,...", 0,
         "nodes to load, connections spread over them; default 127.0.0.1:7701", 0},
        {"client", 'a', NULL, OPTION_ALIAS, NULL, 0},
        {"leader", 'l', NULL, 0, "load the leader alone", 0},
#define X(letter, name, argument, help, field, least, most) {name, letter, argument, 0, help, 0},
        NUMBER_MAP(X)
#undef X
            {"json", 'j', NULL, 0, "print JSON", 0},
        {0},
    };
    const struct argp argp = {
        .options = options,
        .parser = parse,
        .doc = "Measure throughput and latency of SET and GET.\v"
               "A closed loop: each connection sends its next request when an answer has come. "
               "Latencies are of answers that are no error."};
    *out = (struct bench_options){.client_count = 64,
                                  .seconds = 10,
                                  .warmup_ms = 500,
                                  .value_bytes = 16,
                                  .pipeline = 1,
                                  .key_count = 100000};
    cli_addresses_local(CLI_CLIENT_PORT, &out->addresses);
    cli_arguments_parse(&argp, argc, argv, out);
}
