/* verify_options.c: the command line of `quorate verify`. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"
#include "cli/verify.h"

#define CHAOS_NODES_DEFAULT 3

/* X(key, name, argument, help, field, least, most) */
/* clang-format off */
#define NUMBER_MAP(X)                                                                              \
    X('s', "seconds", "S", "how long to load; default 10",                                         \
      seconds, 1, 86400)                                                                           \
    X('c', "clients", "N", "clients, each with one operation at a time; default 16",               \
      client_count, 1, VERIFY_CLIENTS_MAX)                                                         \
    X('k', "keys", "K", "keys in use at one time; default 16",                                     \
      key_count, 1, VERIFY_KEYS_MAX)                                                               \
    X('t', "think-us", "US", "the most that a client waits between operations; default 2000",      \
      think_us_max, 0, 10000000)                                                                   \
    X('N', "cluster", "N", "start a cluster of N processes first, and stop it at the end",         \
      cluster_count, 1, CLUSTER_NODES_MAX)
/* clang-format on */

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct verify_options *options = state->input;
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
    case 'C':
        options->is_chaotic = true;
        return 0;
    case 'O':
        options->is_once = false;
        return 0;
    case 'K':
        options->is_kept = true;
        return 0;
    case 'j':
        options->is_json = true;
        return 0;
    case ARGP_KEY_END:
        if (options->addresses.count > 0 && (options->is_chaotic || options->cluster_count > 0)) {
            argp_error(state, "only a cluster that it starts itself is killed and paused: "
                              "leave --addresses out, or --chaos and --cluster");
        }
        return 0;
    default:
        return cli_no_argument(key, value, state);
    }
}

void verify_options_parse(int argc, char **argv, struct verify_options *out)
{
    static const struct argp_option options[] = {
        {"addresses", 'a', "HOST:PORT,...", 0,
         "nodes to load, clients spread over them; default 127.0.0.1:7701", 0},
        {"client", 'a', NULL, OPTION_ALIAS, NULL, 0},
        {"chaos", 'C', NULL, 0,
         "start a cluster (of 3, or --cluster), and kill and pause its nodes meanwhile", 0},
#define X(letter, name, argument, help, field, least, most) {name, letter, argument, 0, help, 0},
        NUMBER_MAP(X)
#undef X
            {"no-tokens", 'O', NULL, 0,
             "send no INCR under a token (IDEMPOTENT), again until it is answered", 0},
        {"keep", 'K', NULL, 0, "keep the keys, and the folder of a cluster of its own", 0},
        {"json", 'j', NULL, 0, "print JSON", 0},
        {0},
    };
    const struct argp argp = {
        .options = options,
        .parser = parse,
        .doc = "Load a cluster, record what every client asked and was told, and judge whether "
               "one store that does one thing at a time could have answered so "
               "(linearizability, key by key).\v"
               "Keys begin with verify: and are removed at the end. An answer whose outcome "
               "is unknown may have happened or not, and is judged as either. Exit code 0 "
               "only when the history is linearizable; else 1, with the smallest part of it that "
               "no order explains."};
    *out = (struct verify_options){
        .client_count = 16, .seconds = 10, .key_count = 16, .think_us_max = 2000, .is_once = true};
    cli_arguments_parse(&argp, argc, argv, out);
    if (out->is_chaotic && out->cluster_count == 0) {
        out->cluster_count = CHAOS_NODES_DEFAULT;
    }
    if (out->addresses.count == 0) {
        cli_addresses_local(CLI_CLIENT_PORT, &out->addresses);
    }
}
