/* serve.c: one node in a process: loop, store, engine, server, and their orderly end.
 *
 * Owns     the loop and the order: engine before server at the start; at the end the engine
 *          first, so that whoever waits is answered, then the sockets.
 * Threads  one; the logger and the engine's disk have their own.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uv.h>

#include "base/allocator.h"
#include "base/assert.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/notify.h"
#include "cli/serve_notify.h"
#include "cli/serve_options.h"
#include "kv/kv.h"
#include "quorate/engine.h"
#include "quorate/membership.h"
#include "server/meta.h"
#include "server/server.h"

#define STOP_TIMEOUT_MS 20000
#define ID_TEXT_BYTES 40
#define FILES_RESERVED 512 /* of those the process may open: members' connections, the log */
#define HTTP_SHARE 8       /* of the others, one in so many is for HTTP */

struct serving {
    const struct serve_options *options;
    uv_loop_t loop;
    uv_signal_t terminate;
    uv_signal_t interrupt;
    uv_timer_t stop_timer;
    struct serve_notifier notifier;
    struct qr_logger *logger;
    struct kv *kv;
    struct qr_engine *engine;
    struct server *server;
    bool is_stopping;       /* the end was asked for */
    bool is_engine_stopped; /* on_stopped has come */
    int exit_code;
};

static void handles_close(struct serving *serving)
{
    uv_handle_t *handles[] = {
        (uv_handle_t *)&serving->terminate, (uv_handle_t *)&serving->interrupt,
        (uv_handle_t *)&serving->stop_timer, (uv_handle_t *)&serving->notifier.timer};
    for (size_t i = 0; i < COUNT_OF(handles); i++) {
        if (!uv_is_closing(handles[i])) {
            uv_close(handles[i], NULL);
        }
    }
    /* The engine may keep handles until it is freed, which is done outside the loop. */
    uv_stop(&serving->loop);
}

static void server_closed(void *argument)
{
    struct serving *serving = argument;
    handles_close(serving);
}

static void engine_stopped(void *argument, int status, const char *reason)
{
    struct serving *serving = argument;
    serving->is_engine_stopped = true;
    cli_notify("STOPPING=1"); /* told twice, it is no other */
    if (status != 0) {        /* else it was told to, by a signal or by `quorate leave` */
        qr_log(serving->logger, QR_LOG_ERROR, "node_failed", "error", qr_error_name(status),
               "reason", reason == NULL ? qr_error_text(status) : reason, NULL);
        serving->exit_code = CLI_FAILED;
    } else {
        qr_log(serving->logger, QR_LOG_INFO, "node_stopped", NULL);
    }
    if (serving->server == NULL) {
        handles_close(serving);
        return;
    }
    server_close(serving->server, server_closed, serving);
}

static void stop_took_too_long(uv_timer_t *timer)
{
    struct serving *serving = timer->data;
    qr_log(serving->logger, QR_LOG_ERROR, "stop_timed_out", NULL);
    qr_logger_free(serving->logger);
    /* What was acknowledged is durable already: ending here loses nothing. */
    _exit(CLI_FAILED);
}

static void stop_begin(struct serving *serving, bool leaves)
{
    if (serving->is_engine_stopped) {
        return;
    }
    if (serving->is_stopping) {
        qr_engine_stop(serving->engine);
        return;
    }
    serving->is_stopping = true;
    uv_timer_start(&serving->stop_timer, stop_took_too_long, STOP_TIMEOUT_MS, 0);
    /* In good order, but for a second signal, or where nobody was told of this node yet. */
    if (!leaves || qr_leave(serving->engine, QR_LEAVE_SHUTDOWN) != 0) {
        qr_engine_stop(serving->engine);
    }
}

static void signal_came(uv_signal_t *handle, int number)
{
    struct serving *serving = handle->data;
    cli_notify("STOPPING=1");
    qr_log(serving->logger, QR_LOG_INFO, "stopping", "signal",
           number == SIGTERM ? "SIGTERM" : "SIGINT", NULL);
    stop_begin(serving, true);
}

static int handles_open(struct serving *serving)
{
    if (uv_loop_init(&serving->loop) != 0) {
        return QR_ERR_NO_MEMORY;
    }
    int status = uv_timer_init(&serving->loop, &serving->stop_timer);
    ASSERT(status == 0);
    status = uv_signal_init(&serving->loop, &serving->terminate);
    ASSERT(status == 0);
    status = uv_signal_init(&serving->loop, &serving->interrupt);
    ASSERT(status == 0);
    serve_notifier_init(&serving->notifier, &serving->loop);
    serving->stop_timer.data = serving;
    serving->terminate.data = serving;
    serving->interrupt.data = serving;
    if (uv_signal_start(&serving->terminate, signal_came, SIGTERM) != 0 ||
        uv_signal_start(&serving->interrupt, signal_came, SIGINT) != 0) {
        return QR_ERR_NO_MEMORY;
    }
    return 0;
}

static int engine_open(struct serving *serving, char *detail)
{
    const struct serve_options *options = serving->options;
    const char *dialed = options->advertise[0] == '\0' ? options->peer : options->advertise;
    char client[QR_ADDRESS_BYTES_MAX];
    char http[QR_ADDRESS_BYTES_MAX];
    char meta[QR_META_BYTES_MAX];
    if (cli_address_announced(options->client, dialed, client, sizeof(client)) != 0 ||
        cli_address_announced(options->http, dialed, http, sizeof(http)) != 0 ||
        server_meta_format(client, http, meta, sizeof(meta)) != 0) {
        snprintf(detail, QR_ERROR_DETAIL_BYTES,
                 "client and http addresses are too long together; use shorter ones");
        return QR_ERR_TOO_LARGE;
    }
    struct qr_engine_options engine = {
        .size_bytes = sizeof(engine),
        .state_machine = kv_state_machine(serving->kv),
        .name = options->name,
        .data_directory = options->data,
        .peer_address = options->peer,
        .advertise_address = options->advertise[0] == '\0' ? NULL : options->advertise,
        .meta = meta,
        .client_address = client,
        .http_address = http,
        .join = options->join[0] == '\0' ? NULL : options->join,
        .is_bootstrap = options->is_bootstrap,
        .is_waiting = options->is_waiting,
        .is_learner = options->is_learner,
        .secret_file = options->secret_file[0] == '\0' ? NULL : options->secret_file,
        .is_insecure = options->is_insecure,
        .is_observer = options->is_observer,
        .has_no_hints = options->has_no_hints,
        .on_divergence = options->on_divergence,
        .swim_profile = options->swim_profile,
        .has_leases = options->read_mode == QR_READ_LEASE,
        .disk_driver = options->disk,
        .limits = options->limits,
        .logger = serving->logger,
        .loop = &serving->loop,
        .on_stopped = engine_stopped,
        .argument = serving,
    };
    return qr_engine_open(&engine, &serving->engine, detail);
}

/* Never take so many clients that no file is left to open: the log would fail for want of one. */
static void clients_limit(struct serving *serving, struct server_options *server)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == RLIM_INFINITY) {
        return;
    }
    uint64_t reserved = min_u64(FILES_RESERVED, files.rlim_cur / 2);
    uint64_t left = files.rlim_cur - reserved;
    uint64_t http = max_u64(1, min_u64(server->http_clients_max, left / HTTP_SHARE));
    uint64_t clients = left > http ? left - http : 1;
    server->http_clients_max = (uint32_t)http;
    if (clients < server->clients_max) {
        char text[24];
        snprintf(text, sizeof(text), "%llu", (unsigned long long)clients);
        qr_log(serving->logger, QR_LOG_WARN, "clients_limited", "clients_max", text, "reason",
               "the process may not open more files; raise its limit (ulimit -n)", NULL);
        server->clients_max = (uint32_t)clients;
    }
}

static int listen_open(struct serving *serving, char *detail)
{
    struct server_options server = server_options_default();
    clients_limit(serving, &server);
    server.loop = &serving->loop;
    server.engine = serving->engine;
    server.is_observer = serving->options->is_observer;
    server.kv = serving->kv;
    server.logger = serving->logger;
    if (serving->options->read_mode == QR_READ_STALE) {
        server.read = (struct qr_read_options){.kind = QR_READ_STALE, .age_ms_max = QR_AGE_ANY};
    }
    server.client_address = serving->options->client;
    server.http_address = serving->options->http;
    server.max_message_bytes = serving->options->limits.max_message_bytes;
    /* So that every value that fits into a command can be read, too. */
    server.output_bytes_max = max_u64(server.output_bytes_max, 4 * server.max_message_bytes);
    if (getrandom(&server.random_seed, sizeof(server.random_seed), 0) !=
        (ssize_t)sizeof(server.random_seed)) {
        snprintf(detail, QR_ERROR_DETAIL_BYTES, "the system gives no random numbers");
        return QR_ERR_IO;
    }
    return server_open(&server, &serving->server, detail);
}

static void log_started(struct serving *serving)
{
    const struct serve_options *options = serving->options;
    char node[ID_TEXT_BYTES];
    char cluster[ID_TEXT_BYTES];
    struct text node_text = text_of(node, sizeof(node));
    struct text cluster_text = text_of(cluster, sizeof(cluster));
    struct qr_status *status = calloc(1, sizeof(*status));
    if (status == NULL) {
        return;
    }
    status->size_bytes = sizeof(*status);
    (void)qr_status(serving->engine, status);
    text_hex(&node_text, status->node_id, 16);
    if (status->cluster_high == 0 && status->cluster_low == 0) {
        text_string(&cluster_text, "none");
    } else {
        text_hex(&cluster_text, status->cluster_high, 16);
        text_hex(&cluster_text, status->cluster_low, 16);
    }
    qr_log(serving->logger, QR_LOG_INFO, "node_started", "version", QR_VERSION_TEXT, "name",
           options->name, "id", node, "cluster", cluster, "data", options->data, "peer",
           options->peer, "client", options->client, "http", options->http, NULL);
    bool has_cluster = status->cluster_high != 0 || status->cluster_low != 0;
    if (!has_cluster && options->join[0] == '\0' && !options->is_bootstrap) {
        qr_log(serving->logger, QR_LOG_INFO, "waiting", "for",
               "quorate add, which has it join a cluster", NULL);
    }
    free(status);
}

/* Run the loop until the engine has stopped and every socket is closed. */
static void loop_run(struct serving *serving)
{
    uv_run(&serving->loop, UV_RUN_DEFAULT);
    server_free(serving->server);
    serving->server = NULL;
    serve_notifier_deinit(&serving->notifier);
    qr_engine_free(serving->engine);
    serving->engine = NULL;
    /* What was closed last still has to call back. */
    uv_run(&serving->loop, UV_RUN_DEFAULT);
}

static int serve_start(struct serving *serving, char *detail)
{
    int status = engine_open(serving, detail);
    if (status != 0) {
        handles_close(serving);
        return status;
    }
    status = listen_open(serving, detail);
    if (status == 0) {
        status = serve_notifier_start(&serving->notifier, serving->engine);
    }
    if (status != 0) {
        stop_begin(serving, false);
        return status;
    }
    log_started(serving);
    cli_notify("READY=1");
    return 0;
}

static int serve_run(struct serving *serving)
{
    char detail[QR_ERROR_DETAIL_BYTES] = "";
    int status = serve_start(serving, detail);
    loop_run(serving);
    if (status != 0) {
        qr_logger_free(serving->logger);
        serving->logger = NULL;
        return cli_complain(CLI_FAILED, "%s", detail[0] == '\0' ? qr_error_text(status) : detail);
    }
    return serving->exit_code;
}

/* 0, 1 and 2 must be open, or a file of the log would get their number. */
static void standard_files_open(void)
{
    for (int descriptor = 0; descriptor <= STDERR_FILENO; descriptor++) {
        if (fcntl(descriptor, F_GETFD) < 0) {
            (void)open("/dev/null", O_RDWR);
        }
    }
}

int cli_serve(int argc, char **argv)
{
    struct serve_options options;
    serve_options_parse(argc, argv, &options);
    standard_files_open();
    cli_raise_file_limit();

    struct serving serving = {.options = &options, .exit_code = CLI_DONE};
    if (handles_open(&serving) != 0) {
        return cli_complain(CLI_FAILED, "the event loop cannot start; too many open files?");
    }
    serving.logger = qr_logger_new(STDERR_FILENO, options.log_format, options.log_level);
    serving.kv = kv_new(&cli_heap);
    if (serving.logger == NULL || serving.kv == NULL) {
        return cli_complain(CLI_FAILED, "%s", qr_error_text(QR_ERR_NO_MEMORY));
    }
    int code = serve_run(&serving);
    kv_free(serving.kv);
    qr_logger_free(serving.logger);
    (void)uv_loop_close(&serving.loop);
    return code;
}
