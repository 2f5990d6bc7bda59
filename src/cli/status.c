/* status.c: `quorate status` and `quorate members`: what a node knows, for people. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/members_watch.h"
#include "cli/node_status.h"

#define FETCH_TIMEOUT_MS 3000

struct status_options {
    struct cli_addresses http;
    bool is_json;
    bool is_watching; /* members alone, like the next */
    uint64_t count;   /* of lines; 0: no end */
};

enum {
    KEY_WATCH = 'w',
    KEY_COUNT = 'n',
};

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct status_options *options = state->input;
    switch (key) {
    case 'a':
        cli_addresses_option(state, "http", value, &options->http);
        return 0;
    case 'j':
        options->is_json = true;
        return 0;
    case KEY_WATCH:
        options->is_watching = true;
        return 0;
    case KEY_COUNT:
        options->count = cli_number_option(state, "count", value, 1, UINT64_MAX);
        return 0;
    case ARGP_KEY_END:
        if (options->count > 0 && !options->is_watching) {
            argp_error(state, "--count goes with --watch");
        }
        return 0;
    default:
        return cli_no_argument(key, value, state);
    }
}

#define HTTP_OPTION                                                                                \
    {                                                                                              \
        "http", 'a', "HOST:PORT,...", 0,                                                           \
            "nodes to ask, the first that answers; default 127.0.0.1:7702", 0                      \
    }
#define JSON_OPTION                                                                                \
    {                                                                                              \
        "json", 'j', NULL, 0, "print JSON", 0                                                      \
    }

static const struct argp_option status_known[] = {HTTP_OPTION, JSON_OPTION, {0}};
static const struct argp_option members_known[] = {
    HTTP_OPTION,
    {"watch", KEY_WATCH, NULL, 0, "go on telling what happens to members and leaders", 0},
    {"count", KEY_COUNT, "N", 0, "with --watch: stop after N lines", 0},
    JSON_OPTION,
    {0},
};

static void options_parse(int argc, char **argv, const struct argp *told,
                          struct status_options *out)
{
    struct argp argp = *told;
    argp.parser = parse;
    *out = (struct status_options){.is_json = false};
    cli_addresses_local(CLI_HTTP_PORT, &out->http);
    cli_arguments_parse(&argp, argc, argv, out);
}

/* The body of /status of the first node that answers: a CLI_* code. */
static int fetch(const struct cli_addresses *addresses, struct http_body *body,
                 struct node_status *status)
{
    for (size_t i = 0; i < addresses->count; i++) {
        const struct cli_address *address = &addresses->items[i];
        if (http_get(address, "/status", FETCH_TIMEOUT_MS, body) != 0) {
            continue;
        }
        if (node_status_parse(body->data, body->size_bytes, status) == 0) {
            return CLI_DONE;
        }
        free(body->data);
        return cli_complain(CLI_FAILED, "%s:%u answers, but not as a quorate node does",
                            address->host, (unsigned)address->port);
    }
    return cli_complain(CLI_UNREACHABLE, "no node answers at %s:%u%s; is it running? (--http)",
                        addresses->items[0].host, (unsigned)addresses->items[0].port,
                        addresses->count > 1 ? " or the others" : "");
}

static void members_print(const struct node_status *status)
{
    printf("%-16s %-16s %-8s %-8s %12s  %s\n", "NAME", "ID", "KIND", "HEALTH", "MATCH", "ADDRESS");
    for (size_t i = 0; i < status->member_count; i++) {
        const struct node_status_member *member = &status->members[i];
        bool is_leader = strcmp(member->name, status->leader) == 0;
        char match[24] = "-"; /* only a leader knows */
        if (strcmp(status->role, "leader") == 0) {
            snprintf(match, sizeof(match), "%llu", (unsigned long long)member->match_index);
        }
        printf("%-16s %-16s %-8s %-8s %12s  %s%s\n", member->name, member->id, member->kind,
               member->health, match, member->address, is_leader ? "  (leader)" : "");
    }
}

static void status_print(const struct node_status *status)
{
    printf("node      %s (%s), %s, version %s\n", status->name, status->id, status->role,
           status->version);
    printf("cluster   %s\n", status->cluster);
    printf("term      %llu, leader %s\n", (unsigned long long)status->term,
           status->leader[0] == '\0' ? "not known" : status->leader);
    printf("log       %llu..%llu, committed %llu, applied %llu, snapshot %llu\n",
           (unsigned long long)status->first_index, (unsigned long long)status->last_index,
           (unsigned long long)status->commit_index, (unsigned long long)status->applied_index,
           (unsigned long long)status->snapshot_index);
    printf("digest    %s\n\n", status->digest);
    members_print(status);
}

static void members_print_json(const struct http_body *body)
{
    json_t *root = json_loadb(body->data, body->size_bytes, 0, NULL);
    char *text = json_dumps(json_object_get(root, "members"), JSON_COMPACT);
    if (text != NULL) {
        puts(text);
    }
    free(text);
    json_decref(root);
}

int cli_status(int argc, char **argv)
{
    struct status_options options;
    struct http_body body;
    struct node_status status;
    const struct argp argp = {.options = status_known,
                              .doc =
                                  "Print what a node knows: role, term, leader, indexes, members."};
    options_parse(argc, argv, &argp, &options);
    int code = fetch(&options.http, &body, &status);
    if (code != CLI_DONE) {
        return code;
    }
    if (options.is_json) {
        fwrite(body.data, 1, body.size_bytes, stdout);
        putchar('\n');
    } else {
        status_print(&status);
    }
    free(body.data);
    return cli_flush();
}

int cli_members(int argc, char **argv)
{
    struct status_options options;
    struct http_body body;
    struct node_status status;
    const struct argp argp = {
        .options = members_known,
        .doc =
            "Print who belongs to the cluster, and how they are.\v"
            "With --watch the node that answers is followed, and another member when that one is "
            "cut; each line of --json is an event, the first of each node its state."};
    options_parse(argc, argv, &argp, &options);
    if (options.is_watching) {
        const struct members_watch_options watch = {
            .http = options.http, .is_json = options.is_json, .count = options.count};
        return members_watch(&watch);
    }
    int code = fetch(&options.http, &body, &status);
    if (code != CLI_DONE) {
        return code;
    }
    if (options.is_json) {
        members_print_json(&body);
    } else {
        members_print(&status);
    }
    free(body.data);
    return cli_flush();
}
