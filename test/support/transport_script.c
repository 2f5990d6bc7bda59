/* transport_script.c: an engine over a transport that does nothing by itself. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/transport_script.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "support/unit.h"

static int on_listen(void *context, const char *address, char *detail)
{
    struct script *script = context;
    script->listen_count++;
    assert_string_equal(address, "a:1");
    if (script->listen_detail != NULL) {
        (void)snprintf(detail, QR_TRANSPORT_DETAIL_BYTES, "%s", script->listen_detail);
    }
    return script->listen_status;
}

static void on_start(void *context, const struct qr_transport_host *host)
{
    struct script *script = context;
    script->start_count++;
    script->host = host;
}

static int on_dial(void *context, uint64_t connection, const char *address, void **link)
{
    struct script *script = context;
    assert_string_equal(address, "x:1");
    script->dial_count++;
    script->dialed = connection;
    *link = &script->closed[script->dial_count % 256];
    return script->dial_status;
}

static size_t on_write(void *context, void *link, const struct qr_part *parts, size_t count)
{
    struct script *script = context;
    size_t total = 0;
    assert_non_null(link);
    for (size_t i = 0; i < count; i++) {
        assert_true(parts[i].size_bytes > 0);
        total += parts[i].size_bytes;
    }
    script->write_count++;
    total = script->is_short ? 1 : total;
    script->written_bytes += total;
    return total + script->lies_bytes;
}

static void on_resume(void *context, void *link)
{
    struct script *script = context;
    assert_non_null(link);
    script->resume_count++;
}

static void on_close(void *context, void *link)
{
    struct script *script = context;
    uint64_t connection = 0;
    script->close_count++;
    ++*(int *)link;
    if (script->comes_at_close) {
        script->comes_at_close = false;
        assert_int_equal(
            script->host->accepted(script->host->context, &script->closed[500], "b:1", &connection),
            0);
    }
}

static int on_send_packet(void *context, const char *address, const void *data, size_t size_bytes)
{
    struct script *script = context;
    assert_non_null(address);
    assert_non_null(data);
    assert_in_range(size_bytes, 1, QR_TRANSPORT_PACKET_BYTES_MAX);
    script->packet_count++;
    return QR_ERR_BUSY;
}

static void on_stop(void *context)
{
    struct script *script = context;
    script->stop_count++;
    if (script->host != NULL && !script->keeps_stopping) {
        script->host->stopped(script->host->context);
    }
}

static void *take(void *context, size_t size_bytes)
{
    struct script *script = context;
    bool is_failed = atomic_fetch_add(&script->allocation_count, 1) + 1 == script->fail_at;
    void *memory = is_failed ? NULL : malloc(size_bytes);
    (void)atomic_fetch_add(&script->block_count, memory == NULL ? 0 : 1);
    return memory;
}

static void give(void *context, void *memory, size_t size_bytes)
{
    struct script *script = context;
    (void)size_bytes;
    (void)atomic_fetch_sub(&script->block_count, memory == NULL ? 0 : 1);
    free(memory);
}

void script_init(struct script *script)
{
    *script = (struct script){.host = NULL};
    lone_engine_init(&script->lone, true);
    script->table = (struct qr_transport){
        .size_bytes = sizeof(script->table),
        .context = script,
        .listen = on_listen,
        .start = on_start,
        .dial = on_dial,
        .write = on_write,
        .resume = on_resume,
        .close = on_close,
        .send_packet = on_send_packet,
        .stop = on_stop,
    };
    script->allocator = (struct qr_allocator){script, take, give};
}

void script_turn(struct script *script)
{
    struct timespec wait = {.tv_nsec = 1000000};
    (void)nanosleep(&wait, NULL);
    (void)uv_run(&script->lone.loop, UV_RUN_NOWAIT);
}

void script_stop(struct script *script)
{
    qr_engine_stop(script->lone.engine);
    WAIT_FOR_SCRIPT(script, script->lone.stopped_count == 1);
    lone_engine_close(&script->lone);
}

void script_deinit(struct script *script)
{
    if (script->lone.engine != NULL) {
        script_stop(script);
        assert_int_equal(script->stop_count, 1);
    }
    assert_int_equal(script->block_count, 0);
    lone_engine_deinit(&script->lone);
}

struct qr_engine_options script_options(struct script *script, const char *join)
{
    struct qr_engine_options options = lone_engine_options(&script->lone);
    options.peer_address = "a:1";
    options.is_bootstrap = join == NULL;
    options.join = join;
    options.is_insecure = true;
    options.allocator = &script->allocator;
    options.transport = &script->table;
    return options;
}

void script_open(struct script *script, const char *join)
{
    const struct qr_engine_options options = script_options(script, join);
    lone_engine_open_with(&script->lone, &options);
    assert_int_equal(script->start_count, 1);
}

uint64_t script_come(struct script *script, size_t at)
{
    uint64_t connection = 0;
    assert_int_equal(
        script->host->accepted(script->host->context, &script->closed[at], "b:1", &connection), 0);
    assert_true(connection > 0);
    return connection;
}

int script_tell(struct script *script, uint64_t connection, const void *data, size_t size_bytes)
{
    return script->host->received(script->host->context, connection, data, size_bytes);
}

int script_end(struct script *script, uint64_t connection, enum qr_transport_end how)
{
    return script->host->closed(script->host->context, connection, how, "the end");
}
