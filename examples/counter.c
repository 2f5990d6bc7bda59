/* counter.c: the smallest program that embeds Quorate: a counter on three nodes.
 *
 * usage: counter NAME HOST:PORT [MEMBER,...]
 *
 * The directory NAME is its disk. The first node is started without MEMBERs and begins a cluster,
 * the others with the addresses of some that run. Each line of standard input, up to 254 bytes of
 * text, counts: once, however often it is sent, to whichever node, as long as tokens are kept (see
 * qr_token_id()). The answer is how many there were then. What is no such line ends the program.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "quorate/engine.h"
#include "quorate/plain.h"

static int count(void *state, const struct qr_entry *entry, struct qr_plain_reply *reply)
{
    uint64_t *lines = state; /* what is replicated */
    *lines += entry->payload_bytes > 0;
    return qr_plain_answer(reply, lines, sizeof(*lines));
}

int main(int argc, char **argv)
{
    uint64_t lines = 0, answer;
    char line[256], detail[QR_ERROR_DETAIL_BYTES] = "";
    struct qr_engine *engine;
    struct qr_state_machine machine;
    struct qr_engine_options options = {
        .size_bytes = sizeof(options), .state_machine = &machine, .limits = qr_limits_default()};
    options.name = options.data_directory = argv[1];
    options.peer_address = argc > 2 ? argv[2] : NULL;
    options.join = argc > 3 ? argv[3] : NULL;
    options.is_bootstrap = argc == 3;
    if (qr_plain_state(&machine, &lines, sizeof(lines), count) != 0 ||
        qr_engine_open(&options, &engine, detail) != 0) {
        fprintf(stderr, "usage: counter NAME HOST:PORT [MEMBER,...]\n%s\n", detail);
        return 2;
    }
    while (fgets(line, sizeof(line), stdin) != NULL && strchr(line, '\n') != NULL) {
        struct qr_proposal proposal = {
            .size_bytes = sizeof(proposal), .payload = line, .payload_bytes = strlen(line)};
        proposal.id = qr_token_id(line, strlen(line)); /* whoever sends it again means the same */
        struct qr_reply reply = {.data = &answer, .capacity_bytes = sizeof(answer)};
        int status = qr_propose_wait(engine, &proposal, &reply);
        status == 0 ? printf("%" PRIu64 "\n", answer) : printf("%s\n", qr_error_text(status));
        fflush(stdout); /* whoever reads may act on it: it is on the disks of two */
    }
    qr_engine_free(engine);
    qr_plain_free(&machine);
    return 0;
}
