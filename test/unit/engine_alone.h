/* engine_alone.h: an engine on the caller's loop, a cluster of one. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_ENGINE_ALONE_H
#define TEST_ENGINE_ALONE_H

#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "quorate/engine.h"
#include "support/tally.h"
#include "support/unit.h"

struct bench {
    uv_loop_t loop;
    char directory[64];
    char address[32];
    struct tally tally;
    struct qr_engine *engine;
    char detail[QR_ERROR_DETAIL_BYTES];
    struct qr_status status;
    int stopped_count;
    int stopped_status;
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

static inline void on_stopped(void *argument, int status, const char *reason)
{
    struct bench *bench = argument;
    assert_non_null(reason);
    bench->stopped_count++;
    bench->stopped_status = status;
}

static inline struct qr_engine_options options_of(struct bench *bench)
{
    return (struct qr_engine_options){
        .size_bytes = sizeof(struct qr_engine_options),
        .state_machine = &bench->tally.machine,
        .name = "n1",
        .data_directory = bench->directory,
        .peer_address = bench->address,
        .is_bootstrap = true,
        .limits = qr_limits_default(),
        .loop = &bench->loop,
        .on_stopped = on_stopped,
        .argument = bench,
    };
}

static inline int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    bench->status.size_bytes = sizeof(bench->status);
    assert_int_equal(uv_loop_init(&bench->loop), 0);
    temporary_directory(bench->directory);
    free_address(bench->address);
    tally_init(&bench->tally);
    *state = bench;
    return 0;
}

static inline void open_engine(struct bench *bench)
{
    struct qr_engine_options options = options_of(bench);
    bench->stopped_count = 0;
    int status = qr_engine_open(&options, &bench->engine, bench->detail);
    if (status != 0) {
        print_message("%s\n", bench->detail);
    }
    assert_int_equal(status, 0);
}

/* Until then a proposal waits, but on a loaded machine not long enough. */
static inline void wait_until_it_leads(struct bench *bench)
{
    while (!qr_is_leader(bench->engine)) {
        uv_run(&bench->loop, UV_RUN_ONCE);
    }
}

static inline void open_leader(struct bench *bench)
{
    open_engine(bench);
    wait_until_it_leads(bench);
}

static inline void close_engine(struct bench *bench)
{
    qr_engine_stop(bench->engine);
    while (bench->stopped_count == 0) {
        uv_run(&bench->loop, UV_RUN_ONCE);
    }
    assert_int_equal(bench->stopped_count, 1);
    qr_engine_free(bench->engine);
    bench->engine = NULL;
}

static inline int teardown(void **state)
{
    struct bench *bench = *state;
    if (bench->engine != NULL) {
        close_engine(bench);
    }
    assert_int_equal(uv_run(&bench->loop, UV_RUN_NOWAIT), 0);
    assert_int_equal(uv_loop_close(&bench->loop), 0);
    tally_deinit(&bench->tally);
    temporary_directory_remove(bench->directory);
    free(bench);
    return 0;
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
    return qr_propose(bench->engine, &proposal, done, bench);
}

static inline void wait_for_answers(struct bench *bench, int count)
{
    while (bench->answer_count < count) {
        uv_run(&bench->loop, UV_RUN_ONCE);
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
    assert_int_equal(qr_read(bench->engine, &options, on_read, bench), 0);
    assert_int_equal(bench->read_count, 0);
    while (bench->read_count == 0) {
        uv_run(&bench->loop, UV_RUN_ONCE);
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
    return qr_propose(bench->engine, &proposal, done, bench);
}

#endif
