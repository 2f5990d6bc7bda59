/* lone_engine.c: one engine, a cluster by itself. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/lone_engine.h"

#include "support/unit.h"

void lone_engine_init(struct lone_engine *lone, bool has_loop)
{
    *lone = (struct lone_engine){.has_loop = has_loop};
    temporary_directory(lone->directory);
    free_address(lone->address);
    tally_init(&lone->tally);
    if (has_loop) {
        assert_int_equal(uv_loop_init(&lone->loop), 0);
    }
}

void lone_engine_deinit(struct lone_engine *lone)
{
    lone_engine_close(lone);
    if (lone->has_loop) {
        assert_int_equal(uv_run(&lone->loop, UV_RUN_NOWAIT), 0);
        assert_int_equal(uv_loop_close(&lone->loop), 0);
    }
    tally_deinit(&lone->tally);
    temporary_directory_remove(lone->directory);
}

static void on_stopped(void *argument, int status, const char *reason)
{
    struct lone_engine *lone = argument;
    assert_non_null(reason);
    lone->stopped_count++;
    lone->stopped_status = status;
}

struct qr_engine_options lone_engine_options(struct lone_engine *lone)
{
    struct qr_limits limits = qr_limits_default();
    /* 16 MiB of zeros for each opening are most of what a test would wait for. */
    limits.max_message_bytes = UINT64_C(1) << 19;
    limits.segment_bytes = UINT64_C(1) << 20;
    return (struct qr_engine_options){
        .size_bytes = sizeof(struct qr_engine_options),
        .state_machine = &lone->tally.machine,
        .name = "n1",
        .data_directory = lone->directory,
        .peer_address = lone->address,
        .is_bootstrap = true,
        .limits = limits,
        .loop = lone->has_loop ? &lone->loop : NULL,
        .on_stopped = lone->has_loop ? on_stopped : NULL,
        .argument = lone->has_loop ? lone : NULL,
    };
}

/* As a process that ended: it may have restored and applied something. */
static void forget(struct lone_engine *lone)
{
    tally_deinit(&lone->tally);
    tally_init(&lone->tally);
}

int lone_engine_try_open(struct lone_engine *lone, const struct qr_engine_options *options)
{
    assert_null(lone->engine);
    lone->stopped_count = 0;
    lone->detail[0] = '\0';
    lone->is_on_loop = options->loop != NULL && options->loop == &lone->loop;
    int status = qr_engine_open(options, &lone->engine, lone->detail);
    if (status != 0) {
        forget(lone);
    }
    return status;
}

void lone_engine_open_with(struct lone_engine *lone, const struct qr_engine_options *options)
{
    if (lone_engine_try_open(lone, options) != 0) {
        fail_msg("it does not open: %s", lone->detail);
    }
}

void lone_engine_open(struct lone_engine *lone)
{
    const struct qr_engine_options options = lone_engine_options(lone);
    lone_engine_open_with(lone, &options);
}

void lone_engine_close(struct lone_engine *lone)
{
    if (lone->engine == NULL) {
        return;
    }
    if (lone->is_on_loop) {
        qr_engine_stop(lone->engine);
        while (lone->stopped_count == 0) {
            lone_engine_run(lone);
        }
        assert_int_equal(lone->stopped_count, 1);
    }
    qr_engine_free(lone->engine);
    lone->engine = NULL;
    forget(lone);
}

void lone_engine_run(struct lone_engine *lone)
{
    (void)uv_run(&lone->loop, UV_RUN_ONCE);
}
