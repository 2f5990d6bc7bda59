/* node.h: what the examples have in common: a node from a command line, and what it proposes.
 *
 * Owns     nothing: each function is as it would stand in a program of its own.
 * Threads  those of the caller; every function of Quorate may be called from any.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EXAMPLES_NODE_H
#define EXAMPLES_NODE_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <threads.h>

#include "quorate/engine.h"
#include "quorate/plain.h"

#define NS_PER_MS UINT64_C(1000000)
#define DAY_MS UINT64_C(86400000)
#define RETRY_NS 20000000 /* between two tries */
#define LINE_BYTES 256    /* of a line and of its answer, the NUL included */

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

/* Whether it is known what came of a proposal; what refuses a repeat says nothing of the first. */
static inline bool node_is_settled(int status)
{
    return status == 0 || status == QR_ERR_REJECTED || status == QR_ERR_FORGOTTEN ||
           status == QR_ERR_STOPPED;
}

/* Propose under an id that makes repeats one entry, until it is certain what came of it. The answer
 * is "" where it is refused, or the engine stops.
 */
static inline void node_insist(struct qr_engine *engine, struct qr_id id, const char *line,
                               char answer[LINE_BYTES])
{
    int status = node_propose_as(engine, id, line, answer);
    while (!node_is_settled(status)) {
        (void)thrd_sleep(&(struct timespec){.tv_nsec = RETRY_NS}, NULL);
        status = node_propose_as(engine, id, line, answer);
    }
    answer[status == 0 ? strlen(answer) : 0] = '\0';
}

#endif
