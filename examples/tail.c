/* tail.c: follows a replicated log: every node writes down what was committed, each entry once.
 *
 * usage: tail NAME ADDRESS [MEMBER,...]     as in node.h
 *
 * Each line of standard input goes into the log and is answered by its index. Every node appends
 * each committed line to NAME.log: "INDEX LINE". `tail -f NAME.log` shows them as they come.
 *
 * Promised: NAME.log has every committed line once, in order, without a gap, on each node, whenever
 * it is killed or loses power. That cannot be had with a pipe or a terminal, as nobody knows what
 * was read there before the end: so the file itself is the memory. What it says and how far it got
 * is one write; its last whole line tells where to go on, and a torn one behind it is cut off.
 *
 * The price: a sync for each line, and a log that is never compacted, for this state machine has no
 * snapshots: one of those would jump over lines. sqlite.c shows how the log can be kept short. A
 * line whose answer was "unknown" may be in the log: one that is sent again may be there twice.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "lines.h"

struct follower {
    const char *name;    /* of the node */
    FILE *file;          /* NULL until there is something for it */
    uint64_t last_index; /* that the file has */
};

/* End the process: a gap must not come, and whoever starts it again goes on right here. */
static void fail(const char *what)
{
    fprintf(stderr, "tail: %s: %s\n", what, strerror(errno));
    _exit(1);
}

/* Open the file, cut a torn line off its end, and find the index of its last whole one. */
static void begin(struct follower *follower)
{
    char path[300];
    char *line = NULL;
    size_t room = 0;
    ssize_t length;
    off_t end = 0;
    (void)snprintf(path, sizeof(path), "%s.log", follower->name);
    follower->file = fopen(path, "a+");
    if (follower->file == NULL) {
        fail(path);
    }
    while ((length = getline(&line, &room, follower->file)) > 0 && line[length - 1] == '\n') {
        follower->last_index = strtoull(line, NULL, 10);
        end += length;
    }
    free(line);
    if (ferror(follower->file) || ftruncate(fileno(follower->file), end) != 0) {
        fail(path);
    }
}

/* Called with each entry, also with those from before a restart: they are in the log for good. On
 * a thread that may wait for the disk.
 */
static void follow(void *argument, const struct qr_entry *entry)
{
    struct follower *follower = argument;
    if (follower->file == NULL) {
        begin(follower); /* now that no other process has this node's folder */
    }
    if (entry->index <= follower->last_index) {
        return;
    }
    int failed = fprintf(follower->file, "%" PRIu64 " %.*s\n", entry->index,
                         (int)entry->payload_bytes, (const char *)entry->payload) < 0;
    if (failed || fflush(follower->file) != 0 || fdatasync(fileno(follower->file)) != 0) {
        fail("NAME.log");
    }
    follower->last_index = entry->index;
}

/* The replicated state is the log itself: nothing is kept of an entry. */
static int apply(void *context, const struct qr_entry *entries, size_t count,
                 struct qr_result *results)
{
    (void)context;
    (void)entries;
    (void)count;
    (void)results;
    return 0;
}

static int answer_line(struct qr_engine *engine, void *argument, const char *line,
                       char answer[LINE_BYTES])
{
    struct qr_proposal proposal = {
        .size_bytes = sizeof(proposal), .payload = line, .payload_bytes = strlen(line)};
    struct qr_reply reply = {.capacity_bytes = 0};
    (void)argument;
    int status = qr_propose_wait(engine, &proposal, &reply);
    (void)snprintf(answer, LINE_BYTES, "%" PRIu64, reply.index);
    return status;
}

int main(int argc, char **argv)
{
    struct follower follower = {.name = argv[1]};
    struct qr_state_machine machine = {.size_bytes = sizeof(machine), .apply = apply};
    struct qr_engine_options options = node_options(argc, argv, &machine);
    /* With the options, not by qr_on_commit() afterwards: then the first might be missed. */
    options.on_commit = follow;
    options.on_commit_argument = &follower;
    struct qr_engine *engine = node_open(&options);
    node_serve(engine, answer_line, NULL);
    qr_engine_free(engine);
    return follower.file == NULL || fclose(follower.file) == 0 ? 0 : 1;
}
