/* demo_verify.c: proves that every node holds every acknowledged line. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/demo.h"

#define CONNECT_TIMEOUT_MS 2000
#define ANSWER_TIMEOUT_MS 10000
#define POLL_MS 20

int demo_wait_caught_up(struct demo *demo, size_t i)
{
    struct node_status leader;
    struct node_status node;
    while (demo_may_go_on(demo)) {
        int leads = cluster_leader(&demo->cluster, &leader);
        if (leads >= 0 && cluster_node_status(&demo->cluster, i, &node) == 0 &&
            node.applied_index >= leader.commit_index) {
            return CLI_DONE;
        }
        cli_sleep_ms(POLL_MS);
    }
    return CLI_FAILED;
}

static bool line_ask(redisContext *context, size_t i)
{
    char key[DEMO_KEY_BYTES_MAX];
    int key_bytes = snprintf(key, sizeof(key), "demo:%zu", i + 1);
    const char *arguments[] = {"GET", key};
    const size_t sizes[] = {3, (size_t)key_bytes};
    return redisAppendCommandArgv(context, 2, arguments, sizes) == REDIS_OK;
}

static int line_compare(const struct demo *demo, const redisReply *reply, size_t node, size_t i)
{
    const struct demo_line *line = &demo->input.lines[i];
    const char *name = demo->cluster.nodes[node].name;
    if (reply->type == REDIS_REPLY_ERROR) {
        return cli_complain(CLI_FAILED, "%s: line %zu cannot be read: %s", name, i + 1, reply->str);
    }
    if (reply->type != REDIS_REPLY_STRING || (size_t)reply->len != line->size_bytes ||
        memcmp(reply->str, line->data, line->size_bytes) != 0) {
        return cli_complain(CLI_FAILED, "%s: line %zu was acknowledged, and %s", name, i + 1,
                            reply->type == REDIS_REPLY_NIL ? "is missing" : "is another now");
    }
    return CLI_DONE;
}

/* Read all lines from one node, DEMO_WINDOW at a time. */
static int node_compare(struct demo *demo, redisContext *context, size_t node)
{
    size_t asked = 0;
    for (size_t i = 0; i < demo->input.count; i++) {
        void *answer = NULL;
        while (asked < demo->input.count && asked < i + DEMO_WINDOW && line_ask(context, asked)) {
            asked++;
        }
        if (!demo_may_go_on(demo)) {
            return CLI_FAILED;
        }
        if (redisGetReply(context, &answer) != REDIS_OK) {
            return cli_complain(CLI_FAILED, "%s cuts the connection while it is read: %s",
                                demo->cluster.nodes[node].name, context->errstr);
        }
        int code = line_compare(demo, answer, node, i);
        freeReplyObject(answer);
        if (code != CLI_DONE) {
            return code;
        }
        progress_update(&demo->progress, node * demo->input.count + i);
    }
    return CLI_DONE;
}

int demo_verify_lines(struct demo *demo)
{
    demo->progress = progress_begin("verifying", demo->cluster.count * demo->input.count);
    for (size_t node = 0; node < demo->cluster.count; node++) {
        struct cli_address address = cluster_client_address(&demo->cluster, node);
        redisContext *context = redis_connect_one(&address, CONNECT_TIMEOUT_MS, ANSWER_TIMEOUT_MS);
        if (context == NULL) {
            return cli_complain(CLI_FAILED, "%s does not answer", demo->cluster.nodes[node].name);
        }
        int code = node_compare(demo, context, node);
        redisFree(context);
        if (code != CLI_DONE) {
            return code;
        }
    }
    progress_clear(&demo->progress);
    return CLI_DONE;
}

/* Whether all nodes told of one index; `out` is the first's. */
static bool is_one_index(const struct demo *demo, struct node_status *out, bool *is_equal)
{
    struct node_status status;
    *is_equal = true;
    for (size_t i = 0; i < demo->cluster.count; i++) {
        if (cluster_node_status(&demo->cluster, i, i == 0 ? out : &status) != 0) {
            return false;
        }
        if (i > 0 && status.applied_index != out->applied_index) {
            return false;
        }
        *is_equal = *is_equal && (i == 0 || strcmp(status.digest, out->digest) == 0);
    }
    return true;
}

int demo_verify_digests(struct demo *demo, char *digest, uint64_t *index)
{
    struct node_status status;
    bool is_equal;
    while (demo_may_go_on(demo)) {
        if (is_one_index(demo, &status, &is_equal)) {
            if (!is_equal) {
                return cli_complain(CLI_FAILED, "the nodes' digests at index %llu differ",
                                    (unsigned long long)status.applied_index);
            }
            snprintf(digest, NODE_WORD_BYTES_MAX, "%s", status.digest);
            *index = status.applied_index;
            return CLI_DONE;
        }
        cli_sleep_ms(POLL_MS);
    }
    return CLI_FAILED;
}
