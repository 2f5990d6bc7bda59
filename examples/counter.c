/* counter.c: the smallest program that embeds Quorate: a counter on three nodes.
 *
 * usage: counter NAME HOST:PORT [MEMBER,...]
 *
 * The directory NAME is its disk. The first node is started without MEMBERs and begins a cluster,
 * the others with the addresses of some that run. Each line of standard input is a number, which
 * is added, and perhaps a word: with the same word it is added once, however often, to whichever
 * node it is sent.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quorate/engine.h"
#include "quorate/plain.h"

static int add(void *state, const struct qr_entry *entry, struct qr_plain_reply *reply)
{
    int64_t *sum = state; /* what is replicated */
    int64_t number;
    if (entry->payload_bytes != sizeof(number)) {
        return QR_ERR_REJECTED;
    }
    memcpy(&number, entry->payload, sizeof(number));
    *sum += number;
    return qr_plain_answer(reply, sum, sizeof(*sum));
}

int main(int argc, char **argv)
{
    int64_t sum = 0;
    struct qr_state_machine machine;
    struct qr_engine *engine;
    char detail[QR_ERROR_DETAIL_BYTES], line[128], *word;
    if (argc < 3 || qr_plain_state(&machine, &sum, sizeof(sum), add) != 0) {
        fprintf(stderr, "usage: counter NAME HOST:PORT [MEMBER,...]\n");
        return 2;
    }
    struct qr_engine_options options = {.size_bytes = sizeof(options),
                                        .state_machine = &machine,
                                        .name = argv[1],
                                        .data_directory = argv[1],
                                        .peer_address = argv[2],
                                        .is_bootstrap = argc == 3,
                                        .join = argc > 3 ? argv[3] : NULL,
                                        .limits = qr_limits_default()};
    if (qr_engine_open(&options, &engine, detail) != 0) {
        fprintf(stderr, "counter: %s\n", detail);
        return 1;
    }
    while (fgets(line, sizeof(line), stdin) != NULL) {
        if (strlen(line) == sizeof(line) - 1 && line[sizeof(line) - 2] != '\n') {
            for (int next = 0; next != '\n' && next != EOF;) { /* what is left is no other line */
                next = getchar();
            }
            printf("the line is too long\n");
            fflush(stdout);
            continue;
        }
        int64_t number = strtoll(line, &word, 10), total;
        size_t blanks = strspn(word, " "), word_bytes = strcspn(word + blanks, " \r\n");
        struct qr_proposal proposal = {
            .size_bytes = sizeof(proposal), .payload = &number, .payload_bytes = sizeof(number)};
        if (blanks > 0 && word_bytes > 0) {
            proposal.id = qr_token_id(word + blanks, word_bytes);
        }
        struct qr_reply reply = {.data = &total, .capacity_bytes = sizeof(total)};
        int status = qr_propose_wait(engine, &proposal, &reply);
        if (status == 0) {
            printf("%" PRId64 "\n", total);
        } else {
            printf("%s\n", qr_error_text(status));
        }
        fflush(stdout); /* whoever reads may act on it: it is on the disks of two */
    }
    qr_engine_free(engine);
    qr_plain_free(&machine);
    return 0;
}
