/* explain_command.c: `quorate explain`: asks every node it can find, and says what follows. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/explain.h"

#define FETCH_TIMEOUT_MS 2000
#define AGAIN_MS 400 /* between the two looks at who catches up */

struct explain_options {
    struct cli_addresses http;
    bool is_json;
};

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct explain_options *options = state->input;
    switch (key) {
    case 'a':
        cli_addresses_option(state, "http", value, &options->http);
        return 0;
    case 'j':
        options->is_json = true;
        return 0;
    default:
        return cli_no_argument(key, value, state);
    }
}

static void options_parse(int argc, char **argv, struct explain_options *out)
{
    static const struct argp_option options[] = {
        {"http", 'a', "HOST:PORT,...", 0,
         "nodes to begin with; default 127.0.0.1:7702. The others are found through them", 0},
        {"json", 'j', NULL, 0, "print JSON", 0},
        {0},
    };
    static const char doc[] =
        "Say why there is no leader, why a write is slow, why a node does not vote, what is "
        "changing, and how many may fail: in sentences, from what the nodes tell of "
        "themselves.\v"
        "Every member that is known is asked. That one did not answer here does not mean that it "
        "is down.";
    const struct argp argp = {.options = options, .parser = parse, .doc = doc};
    *out = (struct explain_options){.is_json = false};
    cli_addresses_local(CLI_HTTP_PORT, &out->http);
    cli_arguments_parse(&argp, argc, argv, out);
}

static void ask(struct explain_node *node)
{
    struct cli_address address;
    if (node->address[0] != '\0' &&
        cli_address_parse(node->address, strlen(node->address), &address) == 0) {
        node->is_reached = node_status_fetch(&address, FETCH_TIMEOUT_MS, &node->status) == 0;
    }
}

/* The node that was reached with this id, or was to be asked at this address; or NULL. */
static struct explain_node *find(struct explain_facts *facts, const char *id, const char *address)
{
    for (size_t i = 0; i < facts->node_count; i++) {
        struct explain_node *node = &facts->nodes[i];
        if ((node->is_reached && strcmp(node->status.id, id) == 0) ||
            (address[0] != '\0' && strcmp(node->address, address) == 0)) {
            return node;
        }
    }
    return NULL;
}

static void add_member(struct explain_facts *facts, const struct node_status_member *member)
{
    struct explain_node *node = find(facts, member->id, member->http);
    if (node == NULL && facts->node_count < EXPLAIN_NODES_MAX) {
        node = &facts->nodes[facts->node_count++];
        memcpy(node->address, member->http, sizeof(node->address));
        ask(node);
    }
    if (node != NULL && node->name[0] == '\0') {
        memcpy(node->name, member->name, sizeof(node->name));
        memcpy(node->id, member->id, sizeof(node->id));
    }
}

/* Whom the user named, then whom those know, and so on. */
static void gather(const struct explain_options *options, struct explain_facts *facts)
{
    for (size_t i = 0; i < options->http.count && i < EXPLAIN_NODES_MAX; i++) {
        struct explain_node *node = &facts->nodes[facts->node_count++];
        int status =
            cli_address_write(&options->http.items[i], node->address, sizeof(node->address));
        ASSERT(status == 0);
        ask(node);
    }
    for (size_t i = 0; i < facts->node_count; i++) {
        const struct node_status *status = &facts->nodes[i].status;
        for (size_t k = 0; facts->nodes[i].is_reached && k < status->member_count; k++) {
            add_member(facts, &status->members[k]);
        }
    }
}

static bool is_catching_up(const struct node_status *status)
{
    for (size_t i = 0; i < status->member_count; i++) {
        const struct node_status_member *member = &status->members[i];
        if (member->wants_vote && member->match_index < status->last_index) {
            return true;
        }
    }
    return false;
}

/* Where somebody catches up, look again a moment later, to see how fast. */
static void look_again(struct explain_facts *facts)
{
    for (size_t i = 0; i < facts->node_count; i++) {
        struct explain_node *node = &facts->nodes[i];
        if (!node->is_reached || strcmp(node->status.role, "leader") != 0 ||
            !is_catching_up(&node->status)) {
            continue;
        }
        facts->earlier = node->status;
        uint64_t began_ms = cli_clock_ns() / NS_PER_MS;
        cli_sleep_ms(AGAIN_MS);
        ask(node);
        if (node->is_reached && strcmp(node->status.role, "leader") == 0 &&
            node->status.term == facts->earlier.term) {
            facts->earlier_ms = cli_clock_ns() / NS_PER_MS - began_ms;
        } else {
            node->is_reached = true; /* it was, a moment ago: what it told then stays */
            node->status = facts->earlier;
        }
        return;
    }
}

static const char *heading_of(enum explain_topic topic, bool is_key)
{
    static const char *const keys[] = {
#define X(name, key, heading) key,
        EXPLAIN_TOPIC_MAP(X)
#undef X
    };
    static const char *const headings[] = {
#define X(name, key, heading) heading,
        EXPLAIN_TOPIC_MAP(X)
#undef X
    };
    return is_key ? keys[topic] : headings[topic];
}

static void print(const struct explain_report *report)
{
    for (size_t i = 0; i < report->count; i++) {
        const struct explain_sentence *sentence = &report->sentences[i];
        if (i == 0 || sentence->topic != report->sentences[i - 1].topic) {
            printf("%s%s\n", i == 0 ? "" : "\n", heading_of(sentence->topic, false));
        }
        printf("  %s\n", sentence->text);
    }
}

static void print_json(const struct explain_report *report)
{
    fputs("[", stdout);
    for (size_t i = 0; i < report->count; i++) {
        const struct explain_sentence *sentence = &report->sentences[i];
        char line[6 * EXPLAIN_SENTENCE_BYTES_MAX + 64];
        struct text text = text_of(line, sizeof(line));
        text_json_object_begin(&text);
        text_json_key(&text, "topic");
        text_json_string(&text, heading_of(sentence->topic, true));
        text_json_key(&text, "text");
        text_json_string(&text, sentence->text);
        text_json_object_end(&text);
        printf("%s%s", i == 0 ? "" : ",\n ", line);
    }
    fputs("]\n", stdout);
}

static size_t count_reached(const struct explain_facts *facts)
{
    size_t count = 0;
    for (size_t i = 0; i < facts->node_count; i++) {
        count += facts->nodes[i].is_reached ? 1 : 0;
    }
    return count;
}

int cli_explain(int argc, char **argv)
{
    struct explain_options options;
    options_parse(argc, argv, &options);
    struct explain_facts *facts = calloc(1, sizeof(*facts));
    struct explain_report *report = calloc(1, sizeof(*report));
    int code = CLI_DONE;
    if (facts == NULL || report == NULL) {
        code = cli_complain(CLI_FAILED, "memory ran out");
    } else {
        gather(&options, facts);
        if (count_reached(facts) == 0) {
            code = cli_complain(
                CLI_UNREACHABLE, "no node answers at %s%s; is one running there? (--http)",
                facts->nodes[0].address, facts->node_count > 1 ? " or the others" : "");
        } else {
            look_again(facts);
            explain(facts, report);
            (options.is_json ? print_json : print)(report);
            code = cli_flush();
        }
    }
    free(facts);
    free(report);
    return code;
}
