/* server.c: opening and closing a server, and the small things its parts share. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "server/server.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/prng.h"
#include "server/internal.h"

struct server_options server_options_default(void)
{
    return (struct server_options){
        .max_message_bytes = UINT64_C(10) << 20,
        .clients_max = 10000,
        .http_clients_max = 1000,
        .output_bytes_max = UINT64_C(64) << 20,
        .pipeline_commands_max = 10000,
        .pipeline_bytes_max = UINT64_C(64) << 20,
        .backup_idle_ms = 60000,
        .stall_timeout_ms = 60000,
        .http_idle_timeout_ms = 60000,
        .events_heartbeat_ms = 15000,
    };
}

uint64_t server_now_ms(const struct server *server)
{
    return server->now_ms;
}

size_t server_reply_bytes_max(const struct server *server)
{
    return server->options.output_bytes_max / 2;
}

uint64_t server_random(struct server *server)
{
    struct prng prng = prng_of(server->random);

    server->random = prng_next(&prng);
    return prng_next(&prng);
}

const struct qr_status *server_status(struct server *server)
{
    server->status.size_bytes = sizeof(server->status);
    int failed = qr_status(server->options.engine, &server->status);
    ASSERT(failed == 0);
    ASSERT(server->status.member_count <= QR_MEMBERS_MAX);
    return &server->status;
}

bool server_may_log(struct server *server, enum server_log_kind kind)
{
    uint64_t now_ms = server_now_ms(server);

    if (server->logged_ms[kind] == now_ms) {
        return false;
    }
    server->logged_ms[kind] = now_ms;
    return true;
}

static bool is_between(uint64_t value, uint64_t least, uint64_t most)
{
    return value >= least && value <= most;
}

static int check_options(const struct server_options *options, char *detail)
{
    const char *wrong = NULL;

    if (!is_between(options->max_message_bytes, 1024, UINT64_C(512) << 20)) {
        wrong = "max_message_bytes: out of bounds, 1024..536870912";
    } else if (!is_between(options->clients_max, 1, 1000000)) {
        wrong = "clients_max: out of bounds, 1..1000000";
    } else if (!is_between(options->http_clients_max, 1, 1000000)) {
        wrong = "http_clients_max: out of bounds, 1..1000000";
    } else if (!is_between(options->output_bytes_max, 65536, UINT64_C(2) << 30)) {
        wrong = "output_bytes_max: out of bounds, 65536..2147483648";
    } else if (!is_between(options->pipeline_commands_max, 1, 1000000)) {
        wrong = "pipeline_commands_max: out of bounds, 1..1000000";
    } else if (!is_between(options->pipeline_bytes_max, 65536, UINT64_C(2) << 30)) {
        wrong = "pipeline_bytes_max: out of bounds, 65536..2147483648";
    }
    if (wrong == NULL) {
        return 0;
    }
    struct text text = text_of(detail, QR_ERROR_DETAIL_BYTES);
    text_string(&text, wrong);
    return QR_ERR_INVALID;
}

static void memory_free(struct server *server)
{
    free(server->clients);
    free(server->dirty);
    free(server->receive);
    buffer_free(&server->scratch);
    scan_table_deinit(&server->scans);
    free(server);
}

static struct server *memory_new(const struct server_options *options)
{
    struct server *server = calloc(1, sizeof(*server));

    if (server == NULL) {
        return NULL;
    }
    server->options = *options;
    server->random = options->random_seed;
    server->clients = calloc(options->clients_max, sizeof(struct client *));
    server->dirty = calloc(2 * (size_t)options->clients_max, sizeof(struct client *));
    server->receive = malloc(SERVER_RECEIVE_BYTES);
    if (server->clients == NULL || server->dirty == NULL || server->receive == NULL) {
        memory_free(server);
        return NULL;
    }
    return server;
}

void server_handle_closed(struct server *server)
{
    ASSERT(server->handle_count > 0);
    server->handle_count--;
    if (server->handle_count > 0 || !server->is_closing) {
        return;
    }
    if (server->is_abandoned) {
        memory_free(server);
    } else if (server->closed != NULL) {
        server->closed(server->closed_argument);
    }
}

void server_note_memory(struct server *server)
{
    struct kv_stats kv;

    kv_stats(server->options.kv, &kv);
    server->stats.memory_peak_bytes = max_u64(server->stats.memory_peak_bytes, kv.memory_bytes);
}

static void on_sweep(uv_timer_t *timer)
{
    struct server *server = timer->data;
    struct server_stats *stats = &server->stats;

    server->now_ms += SERVER_SWEEP_MS;
    uint64_t now_ms = server_now_ms(server);
    stats->commands_per_second =
        (stats->command_count - stats->swept_command_count) * 1000 / SERVER_SWEEP_MS;
    stats->swept_command_count = stats->command_count;
    server_note_memory(server);

    /* From the end: closing one moves the last into its place. */
    for (uint32_t i = server->client_count; i > 0; i--) {
        client_sweep(server->clients[i - 1], now_ms);
    }
    http_sweep(server, now_ms);
}

static void start_handles(struct server *server)
{
    uv_loop_t *loop = server->options.loop;

    turn_open(server);
    uv_tcp_init(loop, &server->client_listener);
    uv_tcp_init(loop, &server->http_listener);
    uv_timer_init(loop, &server->sweep);
    server->client_listener.data = server;
    server->http_listener.data = server;
    server->sweep.data = server;
    server->handle_count += 3;
    uv_timer_start(&server->sweep, on_sweep, SERVER_SWEEP_MS, SERVER_SWEEP_MS);
}

static int listen_on_both(struct server *server, char *detail)
{
    const struct server_options *options = &server->options;
    int error = listen_open(&server->client_listener, options->client_address, client_on_connection,
                            &server->client_port, detail);

    if (error != 0 || options->http_address == NULL) {
        return error;
    }
    return listen_open(&server->http_listener, options->http_address, http_on_connection,
                       &server->http_port, detail);
}

int server_open(const struct server_options *options, struct server **out, char *detail)
{
    int error = check_options(options, detail);

    if (error != 0) {
        return error;
    }
    struct server *server = memory_new(options);
    if (server == NULL) {
        struct text text = text_of(detail, QR_ERROR_DETAIL_BYTES);
        text_string(&text, "memory ran out");
        return QR_ERR_NO_MEMORY;
    }
    server->now_ms = SERVER_SWEEP_MS; /* not 0: that is what never happened */
    server->opened_ms = server->now_ms;
    kv_limit_replies(options->kv, server_reply_bytes_max(server));
    start_handles(server);
    error = listen_on_both(server, detail);
    if (error != 0) {
        server->is_abandoned = true;
        server_close(server, NULL, NULL);
        return error;
    }
    *out = server;
    return 0;
}

uint16_t server_client_port(const struct server *server)
{
    return server->client_port;
}

uint16_t server_http_port(const struct server *server)
{
    return server->http_port;
}

static void on_handle_closed(uv_handle_t *handle)
{
    server_handle_closed(handle->data);
}

void server_close(struct server *server, void (*closed)(void *argument), void *argument)
{
    ASSERT(!server->is_closing);
    server->is_closing = true;
    server->closed = closed;
    server->closed_argument = argument;
    while (server->client_count > 0) {
        client_close(server->clients[server->client_count - 1]);
    }
    http_close_all(server);
    turn_close(server);
    uv_close((uv_handle_t *)&server->client_listener, on_handle_closed);
    uv_close((uv_handle_t *)&server->http_listener, on_handle_closed);
    uv_close((uv_handle_t *)&server->sweep, on_handle_closed);
}

void server_free(struct server *server)
{
    if (server == NULL) {
        return;
    }
    ASSERT(server->is_closing);
    ASSERT(server->handle_count == 0);
    memory_free(server);
}
