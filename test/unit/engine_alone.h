/* engine_alone.h: an engine on the caller's loop, a cluster of one. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_ENGINE_ALONE_H
#define TEST_ENGINE_ALONE_H

#include <stdlib.h>
#include <string.h>

#include "quorate/engine.h"
#include "support/lone_engine.h"
#include "support/unit.h"

struct bench {
    struct lone_engine lone;
    struct qr_status status;
    int answer_count;
    int answer_status;
    uint64_t answer_index;
    uint64_t answer_sum;
    int read_count;
    int read_status;
    uint64_t read_index;
    int chain_left; /* proposals that follow one another, each from the callback before */
    uint64_t token;
    int handled_count;
};

static inline int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    bench->status.size_bytes = sizeof(bench->status);
    lone_engine_init(&bench->lone, true);
    *state = bench;
    return 0;
}

static inline int teardown(void **state)
{
    struct bench *bench = *state;
    lone_engine_deinit(&bench->lone);
    free(bench);
    return 0;
}

/* Until then a proposal waits, but on a loaded machine not long enough. */
static inline void wait_until_it_leads(struct bench *bench)
{
    while (!qr_is_leader(bench->lone.engine)) {
        lone_engine_run(&bench->lone);
    }
}

static inline void open_leader(struct bench *bench)
{
    lone_engine_open(&bench->lone);
    wait_until_it_leads(bench);
}

static inline void on_answer(void *argument, int status, uint64_t index,
                             const struct qr_result *result)
{
    struct bench *bench = argument;
    bench->answer_count++;
    bench->answer_status = status;
    bench->answer_index = index;
    assert_true((result != NULL) == (status == 0));
    if (result != NULL) {
        memcpy(&bench->answer_sum, result->data, sizeof(bench->answer_sum));
    }
}

static inline int propose(struct bench *bench, const char *payload, qr_propose_done *done)
{
    struct qr_proposal proposal = {
        .size_bytes = sizeof(proposal),
        .command = "add",
        .command_bytes = 3,
        .payload = payload,
        .payload_bytes = strlen(payload),
    };
    return qr_propose(bench->lone.engine, &proposal, done, bench);
}

static inline void wait_for_answers(struct bench *bench, int count)
{
    while (bench->answer_count < count) {
        lone_engine_run(&bench->lone);
    }
}

static inline void on_read(void *argument, int status, uint64_t index)
{
    struct bench *bench = argument;
    bench->read_count++;
    bench->read_status = status;
    bench->read_index = index;
}

static inline void read_as(struct bench *bench, enum qr_read_kind kind, uint64_t age_ms_max,
                           int status)
{
    const struct qr_read_options options = {sizeof(options), kind, age_ms_max};
    bench->read_count = 0;
    assert_int_equal(qr_read(bench->lone.engine, &options, on_read, bench), 0);
    assert_int_equal(bench->read_count, 0);
    while (bench->read_count == 0) {
        lone_engine_run(&bench->lone);
    }
    assert_int_equal(bench->read_status, status);
}

static inline int propose_with_ticket(struct bench *bench, qr_propose_done *done, uint64_t *ticket)
{
    const struct qr_proposal proposal = {
        .size_bytes = sizeof(proposal),
        .payload = "\x05",
        .payload_bytes = 1,
        .ticket = ticket,
    };
    return qr_propose(bench->lone.engine, &proposal, done, bench);
}

#endif
