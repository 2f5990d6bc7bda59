/* bench_run.c: the phases of a load: connect, warm up, measure, end. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "cli/bench.h"
#include "cli/cli.h"

#define RECEIVE_BYTES (256 * 1024)
#define TICK_MS 20
#define CONNECT_TIMEOUT_NS (15 * NS_PER_S)
#define KEY_DIGITS 12
#define REQUEST_ROOM_BYTES 128

static void end(struct bench *bench)
{
    if (bench->phase == BENCH_MEASURING) {
        bench->measured_ns = cli_clock_ns() - bench->phase_began_ns;
    }
    bench->phase = BENCH_ENDED;
    for (size_t i = 0; i < bench->options->client_count; i++) {
        if (bench->connections[i].bench != NULL) {
            bench_connection_close(&bench->connections[i]);
        }
    }
    if (!uv_is_closing((uv_handle_t *)&bench->timer)) {
        uv_close((uv_handle_t *)&bench->timer, NULL);
    }
}

static void phase_begin(struct bench *bench, enum bench_phase phase)
{
    bench->phase = phase;
    bench->phase_began_ns = cli_clock_ns();
    if (phase == BENCH_MEASURING) {
        bench->done_count = 0;
        bench->error_count = 0;
        bench->error_kind_count = 0;
        histogram_init(&bench->latency);
    }
}

/* All that could connect have: let them all begin at once. */
static void load_begin(struct bench *bench)
{
    phase_begin(bench, BENCH_WARMING_UP);
    for (size_t i = 0; i < bench->options->client_count; i++) {
        if (bench->connections[i].is_open) {
            bench_connection_start(&bench->connections[i]);
        }
    }
}

static void connected_check(struct bench *bench)
{
    if (bench->phase == BENCH_CONNECTING &&
        bench->open_count + bench->failed_count == bench->options->client_count &&
        bench->open_count > 0) {
        load_begin(bench);
    }
}

void bench_connected(struct bench *bench)
{
    bench->open_count++;
    connected_check(bench);
}

void bench_failed(struct bench *bench)
{
    bench->failed_count++;
    if (bench->failed_count == bench->options->client_count) {
        end(bench);
        return;
    }
    connected_check(bench);
}

static void error_count(struct bench *bench, const char *error)
{
    char kind[BENCH_ERROR_BYTES_MAX];
    size_t length = min_u64(strcspn(error, " "), sizeof(kind) - 1);
    memcpy(kind, error, length);
    kind[length] = '\0';
    bench->error_count++;
    size_t i = 0;
    while (i < bench->error_kind_count && strcmp(bench->errors[i].kind, kind) != 0) {
        i++;
    }
    if (i == BENCH_ERROR_KINDS_MAX) {
        return;
    }
    if (i == bench->error_kind_count) {
        memcpy(bench->errors[i].kind, kind, sizeof(kind));
        bench->errors[i].count = 0;
        bench->error_kind_count++;
    }
    bench->errors[i].count++;
}

void bench_answered(struct bench *bench, time_ns started_ns, const char *error)
{
    if (bench->phase != BENCH_MEASURING) {
        return;
    }
    if (error != NULL) {
        error_count(bench, error);
    } else {
        histogram_record(&bench->latency, cli_clock_ns() - started_ns);
        bench->done_count++;
    }
    uint64_t wanted = bench->options->request_count;
    if (wanted > 0 && bench->done_count + bench->error_count >= wanted) {
        end(bench);
    }
}

static void ticked(uv_timer_t *timer)
{
    struct bench *bench = timer->data;
    const struct bench_options *options = bench->options;
    time_ns elapsed = cli_clock_ns() - bench->phase_began_ns;
    if (interrupt_has_come(bench->interrupt) ||
        (bench->phase == BENCH_CONNECTING && elapsed > CONNECT_TIMEOUT_NS)) {
        end(bench);
    } else if (bench->phase == BENCH_WARMING_UP && elapsed >= options->warmup_ms * NS_PER_MS) {
        phase_begin(bench, BENCH_MEASURING);
    } else if (bench->phase == BENCH_MEASURING) {
        progress_update(&bench->progress, elapsed);
        if (elapsed >= options->seconds * NS_PER_S) {
            end(bench);
        }
    }
}

size_t bench_request_write(struct bench *bench, char *out)
{
    bool is_read = bench->options->reads_percent > 0 &&
                   prng_between(&bench->prng, 1, 100) <= bench->options->reads_percent;
    const struct bench_template *request = is_read ? &bench->get : &bench->set;
    uint64_t key = prng_between(&bench->prng, 0, bench->options->key_count - 1);
    memcpy(out, request->data, request->size_bytes);
    for (size_t i = KEY_DIGITS; i > 0; i--) {
        out[request->digits_at + i - 1] = (char)('0' + key % 10);
        key /= 10;
    }
    return request->size_bytes;
}

/* `*N $3 VERB $16 key:000000000000`, and a value of a repeated pattern for a SET. */
static bool template_make(const char *verb, bool has_value, size_t value_bytes,
                          struct bench_template *out)
{
    size_t room = REQUEST_ROOM_BYTES + value_bytes;
    out->data = malloc(room);
    if (out->data == NULL) {
        return false;
    }
    int length =
        snprintf(out->data, room, "*%d\r\n$3\r\n%s\r\n$16\r\nkey:", has_value ? 3 : 2, verb);
    out->digits_at = (size_t)length;
    length += snprintf(out->data + length, room - (size_t)length, "%0*d\r\n", KEY_DIGITS, 0);
    if (has_value) {
        length += snprintf(out->data + length, room - (size_t)length, "$%zu\r\n", value_bytes);
    }
    out->size_bytes = (size_t)length;
    if (has_value) {
        for (size_t i = 0; i < value_bytes; i++) {
            out->data[out->size_bytes++] = (char)('a' + i % 26);
        }
        out->data[out->size_bytes++] = '\r';
        out->data[out->size_bytes++] = '\n';
    }
    ASSERT(out->size_bytes < room);
    return true;
}

static bool address_resolve(const struct cli_address *address, struct sockaddr_storage *out)
{
    char port[8];
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    snprintf(port, sizeof(port), "%u", (unsigned)address->port);
    if (getaddrinfo(address->host, port, &hints, &found) != 0) {
        return false;
    }
    memcpy(out, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    return true;
}

static int connections_open(struct bench *bench)
{
    const struct cli_addresses *addresses = &bench->options->addresses;
    struct sockaddr_storage resolved[CLI_ADDRESSES_MAX];
    for (size_t i = 0; i < addresses->count; i++) {
        if (!address_resolve(&addresses->items[i], &resolved[i])) {
            return cli_complain(CLI_UNREACHABLE, "%s is not the name of a host",
                                addresses->items[i].host);
        }
    }
    size_t request_bytes_max = bench->set.size_bytes;
    for (size_t i = 0; i < bench->options->client_count; i++) {
        struct bench_connection *connection = &bench->connections[i];
        connection->started = bench->started_ring + i * bench->options->pipeline;
        connection->output = malloc(request_bytes_max * bench->options->pipeline);
        if (connection->output == NULL) {
            return cli_complain(CLI_FAILED, "memory ran out");
        }
        connection->bench = bench;
        bench_connection_open(connection, (const struct sockaddr *)&resolved[i % addresses->count]);
    }
    return CLI_DONE;
}

static bool memory_take(struct bench *bench)
{
    const struct bench_options *options = bench->options;
    bench->connections = calloc(options->client_count, sizeof(*bench->connections));
    bench->started_ring =
        calloc(options->client_count * options->pipeline, sizeof(*bench->started_ring));
    bench->receive_buffer = malloc(RECEIVE_BYTES);
    return bench->connections != NULL && bench->started_ring != NULL &&
           bench->receive_buffer != NULL &&
           template_make("SET", true, (size_t)options->value_bytes, &bench->set) &&
           template_make("GET", false, 0, &bench->get);
}

static void memory_release(struct bench *bench)
{
    for (size_t i = 0; bench->connections != NULL && i < bench->options->client_count; i++) {
        free(bench->connections[i].output);
    }
    free(bench->connections);
    free(bench->started_ring);
    free(bench->receive_buffer);
    free(bench->set.data);
    free(bench->get.data);
    bench->connections = NULL;
}

static int loop_run(struct bench *bench)
{
    int status = uv_timer_init(&bench->loop, &bench->timer);
    ASSERT(status == 0);
    bench->timer.data = bench;
    status = uv_timer_start(&bench->timer, ticked, TICK_MS, TICK_MS);
    ASSERT(status == 0);
    phase_begin(bench, BENCH_CONNECTING);
    int code = connections_open(bench);
    if (code != CLI_DONE) {
        end(bench);
    }
    uv_run(&bench->loop, UV_RUN_DEFAULT);
    progress_clear(&bench->progress);
    return code;
}

int bench_run(struct bench *bench)
{
    const struct bench_options *options = bench->options;
    bench->progress = progress_begin("measuring", options->seconds * NS_PER_S);
    bench->prng = prng_of(cli_clock_ns());
    if (uv_loop_init(&bench->loop) != 0) {
        return cli_complain(CLI_FAILED, "the event loop cannot start");
    }
    int code = memory_take(bench) ? loop_run(bench) : cli_complain(CLI_FAILED, "memory ran out");
    if (code == CLI_DONE && bench->measured_ns == 0) {
        const struct cli_address *address = &options->addresses.items[0];
        code = cli_complain(CLI_UNREACHABLE,
                            "nothing was measured: %zu of %llu connections to %s:%u failed",
                            bench->failed_count, (unsigned long long)options->client_count,
                            address->host, (unsigned)address->port);
    }
    memory_release(bench);
    (void)uv_loop_close(&bench->loop);
    return code;
}
