/* demo.h: what the parts of `quorate demo` share.
 *
 * Owns     the lines of the input, and what is known of each: it is the demo's proof that
 *          no acknowledged write is lost.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_DEMO_H
#define CLI_DEMO_H

#include "cli/cluster.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/redis.h"

#define DEMO_WINDOW 16 /* lines sent ahead of their answers */
#define DEMO_KEY_BYTES_MAX 32
#define DEMO_INPUT_BYTES_MAX (64 * 1024 * 1024)
#define DEMO_LINES_MAX 1000000

struct demo_line {
    const char *data; /* in demo_input.text */
    size_t size_bytes;
    bool is_acknowledged;
};

struct demo_input {
    char path[CLUSTER_PATH_BYTES_MAX];
    char *text;
    struct demo_line *lines;
    size_t count;
};

/* Read the file, or, when `path` is NULL, the LICENSE or README.md of the current folder or
 * of the program's; at most `lines_most` lines.
 * Returns CLI_DONE, or another code after a complaint.
 */
int demo_input_read(const char *path, size_t lines_most, struct demo_input *out);

/* Free what demo_input_read() made; a zeroed one is allowed. */
void demo_input_deinit(struct demo_input *input);

struct demo {
    struct cluster cluster;
    struct demo_input input;
    struct interrupt interrupt;
    struct progress progress;
    time_ns deadline;
    size_t done_count;    /* acknowledged lines, all before the first that is not */
    size_t resent_count;  /* lines sent again because their outcome was unknown */
    size_t refused_count; /* answers that said: certainly not applied, sent again */
    redisContext *writer; /* NULL: not connected */
    size_t writer_node;
    size_t in_flight; /* lines from done_count on that are sent and not answered */
};

/* Whether the demo may go on: in time, and not interrupted. Complains when it may not. */
bool demo_may_go_on(struct demo *demo);

/* Write lines until `until` of them are acknowledged, through `writer_node` or, when it does
 * not answer, the next that runs. An unknown outcome is sent again: a SET of the same value
 * can be repeated. With is_left_open, return as soon as `until` are acknowledged, with more
 * in flight. Returns a CLI_* code.
 */
int demo_write(struct demo *demo, size_t until, bool is_left_open);

/* Forget the connection; what is in flight on it is unknown, and will be sent again. */
void demo_writer_cut(struct demo *demo);

/* Wait until node `i` has applied what the leader has committed now. Returns a CLI_* code. */
int demo_wait_caught_up(struct demo *demo, size_t i);

/* Read every line back from every node and compare. Returns a CLI_* code. */
int demo_verify_lines(struct demo *demo);

/* Compare the nodes' digests at one applied index.
 * digest, index   set on success.
 */
int demo_verify_digests(struct demo *demo, char *digest, uint64_t *index);

#endif
