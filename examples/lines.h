/* lines.h: what the examples have in common: requests of a line of text, and their answers.
 *
 * Owns     nothing: each function is as it would stand in a program of its own.
 * Threads  those of the caller; every function of Quorate may be called from any.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EXAMPLES_LINES_H
#define EXAMPLES_LINES_H

#include <stdarg.h>

#include "node.h"

/* A line of four words, the last of them the rest. */
struct request {
    char verb[32];
    char name[32];
    char third[32];
    char rest[64];
};

/* Take an entry apart; what lies behind a word is zero: copied, it is the same on every replica.
 * Returns how many words there are; 0, and nothing taken: one is too long; EOF: there is none.
 */
static inline int request_read(const struct qr_entry *entry, struct request *request)
{
    char line[LINE_BYTES] = "", words[4][LINE_BYTES] = {{0}};
    if (entry->payload_bytes >= sizeof(line)) {
        return 0;
    }
    memcpy(line, entry->payload, entry->payload_bytes);
    int count = sscanf(line, "%255s %255s %255s %255[^\n]", words[0], words[1], words[2], words[3]);
    if (strlen(words[0]) >= sizeof(request->verb) || strlen(words[1]) >= sizeof(request->name) ||
        strlen(words[2]) >= sizeof(request->third) || strlen(words[3]) >= sizeof(request->rest)) {
        return 0;
    }
    memcpy(request->verb, words[0], sizeof(request->verb));
    memcpy(request->name, words[1], sizeof(request->name));
    memcpy(request->third, words[2], sizeof(request->third));
    memcpy(request->rest, words[3], sizeof(request->rest));
    return count;
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
 * the rest is dropped, not read as another. It is text: what is behind a NUL is not looked at.
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
