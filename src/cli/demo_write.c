/* demo_write.c: writes lines through the cluster while nodes come and go. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "cli/cli.h"
#include "cli/demo.h"

#define CONNECT_TIMEOUT_MS 200
#define ANSWER_TIMEOUT_MS 1000 /* past it the outcome is unknown, and the line sent again */
#define RETRY_PAUSE_MS 2

bool demo_may_go_on(struct demo *demo)
{
    if (interrupt_has_come(&demo->interrupt)) {
        progress_clear(&demo->progress);
        cli_complain(CLI_FAILED, "interrupted");
        return false;
    }
    if (cli_clock_ns() > demo->deadline) {
        progress_clear(&demo->progress);
        cli_complain(CLI_FAILED, "the demo did not come to its end in time");
        return false;
    }
    return true;
}

void demo_writer_cut(struct demo *demo)
{
    if (demo->writer != NULL) {
        redisFree(demo->writer);
        demo->writer = NULL;
    }
    demo->resent_count += demo->in_flight;
    demo->in_flight = 0;
}

/* Connect to the writer's node, or to the next one that runs and answers. */
static void writer_connect(struct demo *demo)
{
    for (size_t step = 0; step < demo->cluster.count && demo->writer == NULL; step++) {
        size_t i = (demo->writer_node + step) % demo->cluster.count;
        if (demo->cluster.nodes[i].pid > 0) {
            struct cli_address address = cluster_client_address(&demo->cluster, i);
            demo->writer = redis_connect_one(&address, CONNECT_TIMEOUT_MS, ANSWER_TIMEOUT_MS);
            demo->writer_node = demo->writer == NULL ? demo->writer_node : i;
        }
    }
}

static bool line_send(struct demo *demo, size_t i)
{
    const struct demo_line *line = &demo->input.lines[i];
    char key[DEMO_KEY_BYTES_MAX];
    int key_bytes = snprintf(key, sizeof(key), "demo:%zu", i + 1);
    const char *arguments[] = {"SET", key, line->data};
    const size_t sizes[] = {3, (size_t)key_bytes, line->size_bytes};
    return redisAppendCommandArgv(demo->writer, 3, arguments, sizes) == REDIS_OK;
}

static bool window_fill(struct demo *demo)
{
    while (demo->in_flight < DEMO_WINDOW &&
           demo->done_count + demo->in_flight < demo->input.count) {
        if (!line_send(demo, demo->done_count + demo->in_flight)) {
            return false;
        }
        demo->in_flight++;
    }
    return true;
}

/* Take the answer to the oldest line in flight. A line that was not acknowledged ends the
 * window: it and those behind it are sent again. Returns false when that is so.
 */
static bool answer_take(struct demo *demo)
{
    void *answer = NULL;
    ASSERT(demo->in_flight > 0);
    if (redisGetReply(demo->writer, &answer) != REDIS_OK) {
        return false;
    }
    redisReply *reply = answer;
    bool is_done = reply->type == REDIS_REPLY_STATUS;
    if (is_done) {
        demo->input.lines[demo->done_count].is_acknowledged = true;
        demo->done_count++;
        demo->in_flight--;
    } else if (!redis_is_outcome_unknown(reply)) {
        demo->refused_count++;
        demo->in_flight--;
    }
    freeReplyObject(reply);
    return is_done;
}

int demo_write(struct demo *demo, size_t until, bool is_left_open)
{
    ASSERT(until <= demo->input.count);
    while (demo->done_count < until || (!is_left_open && demo->in_flight > 0)) {
        if (!demo_may_go_on(demo)) {
            return CLI_FAILED;
        }
        if (demo->writer == NULL) {
            writer_connect(demo);
        }
        bool is_going = demo->writer != NULL && window_fill(demo) && answer_take(demo);
        if (!is_going) {
            demo_writer_cut(demo);
            cli_sleep_ms(RETRY_PAUSE_MS);
        }
        progress_update(&demo->progress, demo->done_count);
    }
    return CLI_DONE;
}
