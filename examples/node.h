/* node.h: what the examples have in common: a node from a command line, and lines it answers.
 *
 * Owns     nothing: each function is as it would stand in a program of its own.
 * Threads  those of the caller; every function of Quorate may be called from any.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EXAMPLES_NODE_H
#define EXAMPLES_NODE_H

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quorate/engine.h"
#include "quorate/plain.h"

#define NS_PER_MS UINT64_C(1000000)
#define DAY_MS UINT64_C(86400000)
#define LINE_BYTES 256 /* of a line and of its answer, the NUL included */

/* qr_plain_new(), or the end of the program. */
static inline struct qr_state_machine node_machine(const struct qr_plain_options *plain)
{
    struct qr_state_machine machine;
    int status = qr_plain_new(plain, &machine);
    if (status != 0) {
        fprintf(stderr, "no state machine: %s\n", qr_error_text(status));
        exit(1);
    }
    return machine;
}

/* The options of "PROGRAM NAME ADDRESS [MEMBER,...]". NAME is the node's and its folder's. Without
 * MEMBERs, addresses of nodes that run, it begins a cluster; either way a node that belongs to one
 * goes on there, so that it is always started alike. Ends the program when it is used otherwise.
 */
static inline struct qr_engine_options node_options(int argc, char **argv,
                                                    const struct qr_state_machine *machine)
{
    if (argc < 3 || argc > 4) {
        fprintf(stderr, "usage: %s NAME ADDRESS [MEMBER,...]\n", argv[0]);
        exit(2);
    }
    return (struct qr_engine_options){
        .size_bytes = sizeof(struct qr_engine_options),
        .state_machine = machine,
        .name = argv[1],
        .data_directory = argv[1],
        .peer_address = argv[2],
        .is_bootstrap = argc == 3,
        .join = argc == 4 ? argv[3] : NULL,
        .limits = qr_limits_default(),
    };
}

/* Open it, or end the program and say why it cannot be. */
static inline struct qr_engine *node_open(const struct qr_engine_options *options)
{
    char detail[QR_ERROR_DETAIL_BYTES];
    struct qr_engine *engine;
    if (qr_engine_open(options, &engine, detail) != 0) {
        fprintf(stderr, "%s: %s\n", options->name, detail);
        exit(1);
    }
    return engine;
}

/* Propose a line under an id and wait; its result becomes the text in `answer`, or why it was
 * rejected. Returns as qr_propose_wait().
 */
static inline int node_propose_as(struct qr_engine *engine, struct qr_id id, const char *line,
                                  char answer[LINE_BYTES])
{
    struct qr_proposal proposal = {
        .size_bytes = sizeof(proposal), .id = id, .payload = line, .payload_bytes = strlen(line)};
    struct qr_reply reply = {.data = answer, .capacity_bytes = LINE_BYTES - 1};
    int status = qr_propose_wait(engine, &proposal, &reply);
    bool is_text = (status == 0 || status == QR_ERR_REJECTED) && reply.size_bytes < LINE_BYTES;
    answer[is_text ? reply.size_bytes : 0] = '\0';
    return status;
}

/* The same, under an id of its own: proposed again, it is another entry. */
static inline int node_propose(struct qr_engine *engine, const char *line, char answer[LINE_BYTES])
{
    return node_propose_as(engine, (struct qr_id){0}, line, answer);
}

/* The result of an entry, as text. Returns 0: a state machine that has an answer goes on. */
__attribute__((format(printf, 2, 3))) static inline int node_reply(struct qr_plain_reply *reply,
                                                                   const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(reply->data, reply->capacity_bytes, format, arguments);
    va_end(arguments);
    reply->size_bytes = length < 0 ? 0 : strlen(reply->data);
    return 0;
}

/* Reject an entry, on every replica alike, before anything was changed. */
static inline int node_reject(struct qr_plain_reply *reply, const char *why)
{
    (void)node_reply(reply, "%s", why);
    return QR_ERR_REJECTED;
}

/* Say how this node is: "NAME is leader; LEADER leads; COUNT voters; applied INDEX". */
static inline int node_status(struct qr_engine *engine, char answer[LINE_BYTES])
{
    struct qr_status *now = calloc(1, sizeof(*now));
    size_t voters = 0;
    if (now == NULL) {
        return QR_ERR_NO_MEMORY;
    }
    now->size_bytes = sizeof(*now);
    int status = qr_status(engine, now);
    for (size_t i = 0; i < now->member_count; i++) {
        voters += now->members[i].is_voter;
    }
    (void)snprintf(answer, LINE_BYTES, "%.63s is %s; %.63s leads; %zu voters; applied %" PRIu64,
                   now->name, qr_role_name(now->role), now->leader_name, voters,
                   now->applied_index);
    free(now);
    return status;
}

/* What is done with one line; NULL: it is proposed. It puts the answer into `answer`, or returns
 * why there is none.
 */
typedef int node_answer(struct qr_engine *engine, void *argument, const char *line,
                        char answer[LINE_BYTES]);

/* End a line that was read before its newline. Returns whether it is whole; of one that is too long
 * the rest is dropped, not read as another.
 */
static inline bool node_end_line(char line[LINE_BYTES])
{
    size_t end = strcspn(line, "\n");
    bool is_whole = line[end] == '\n' || end < LINE_BYTES - 1;
    line[end] = '\0';
    for (int next = is_whole ? '\n' : 0; next != '\n' && next != EOF;) {
        next = getchar();
    }
    return is_whole;
}

/* Answer each line of standard input by one, until there are no more or the engine has stopped:
 * "status" by node_status(); by "refused: why" what certainly did nothing, by "unknown: why" what
 * may have been done, or not.
 */
static inline void node_serve(struct qr_engine *engine, node_answer *answer_line, void *argument)
{
    char line[LINE_BYTES];
    char answer[LINE_BYTES];
    int status = 0;
    while (status != QR_ERR_STOPPED && fgets(line, sizeof(line), stdin) != NULL) {
        if (!node_end_line(line)) {
            (void)snprintf(answer, LINE_BYTES, "the line is too long");
            status = QR_ERR_REJECTED;
        } else if (strcmp(line, "status") == 0) {
            status = node_status(engine, answer);
        } else if (answer_line != NULL) {
            status = answer_line(engine, argument, line, answer);
        } else {
            status = node_propose(engine, line, answer);
        }
        if (status == 0) {
            printf("%s\n", answer);
        } else if (qr_error_is_certain(status)) {
            printf("refused: %s\n", status == QR_ERR_REJECTED ? answer : qr_error_text(status));
        } else {
            printf("unknown: %s\n", qr_error_text(status));
        }
        fflush(stdout);
    }
}

#endif
