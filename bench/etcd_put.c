/* etcd_put.c: the load of `quorate bench`, for etcd: unary KV.Put over gRPC, a closed loop.
 *
 * Owns     its connections: up to CONNECTIONS_MAX of them, each with several clients' calls
 *          as streams of HTTP/2, as etcd's own benchmark does it.
 * Does not know gRPC beyond what one unary call needs: a length before the message, and
 *          grpc-status in the trailers.
 * Threads  one.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/assert.h"
#include "base/histogram.h"
#include "base/prng.h"
#include "cli/address.h"
#include "cli/cli.h"

#define CONNECTIONS_MAX 100
#define CLIENTS_MAX 10000
#define KEY_BYTES 16
#define KEY_COUNT 100000
#define VALUE_BYTES_MAX (1024 * 1024)
#define BODY_ROOM_BYTES 64
#define PREFIX_BYTES 5 /* of a gRPC message: a flag and the length */
#define RECEIVE_BYTES (256 * 1024)
#define TICK_MS 20

struct connection;

struct call {
    struct connection *connection;
    time_ns started_ns;
    bool is_ok;
    uint8_t *body;
    size_t body_bytes;
    size_t sent_bytes;
};

struct connection {
    struct load *load;
    uv_tcp_t tcp;
    uv_connect_t connect;
    uv_write_t write;
    bool is_writing;
    nghttp2_session *session;
    struct call *calls;
    size_t call_count;
};

struct load {
    struct cli_address address;
    char authority[QR_ADDRESS_BYTES_MAX + 8];
    uint64_t client_count;
    uint64_t seconds;
    uint64_t value_bytes;
    uint64_t warmup_ms;
    uv_loop_t loop;
    uv_timer_t timer;
    struct connection connections[CONNECTIONS_MAX];
    size_t connection_count;
    size_t failed_count;
    time_ns began_ns;
    time_ns measured_ns;
    bool is_measuring;
    bool has_ended;
    uint64_t done_count;
    uint64_t error_count;
    struct prng prng;
    struct histogram latency;
    char receive_buffer[RECEIVE_BYTES];
};

static void end(struct load *load)
{
    if (load->has_ended) {
        return;
    }
    load->has_ended = true;
    load->measured_ns = cli_clock_ns() - load->began_ns;
    for (size_t i = 0; i < load->connection_count; i++) {
        uv_close((uv_handle_t *)&load->connections[i].tcp, NULL);
    }
    uv_close((uv_handle_t *)&load->timer, NULL);
}

static void connection_fail(struct connection *connection, const char *why)
{
    if (!connection->load->has_ended) {
        fprintf(stderr, "etcd_put: a connection failed: %s\n", why);
        connection->load->failed_count++;
        end(connection->load);
    }
}

static size_t varint_write(uint8_t *out, uint64_t value)
{
    size_t length = 0;
    while (value >= 0x80) {
        out[length++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    out[length++] = (uint8_t)value;
    return length;
}

/* etcdserverpb.PutRequest: bytes key = 1; bytes value = 2; behind gRPC's prefix. */
static void body_write(struct load *load, struct call *call)
{
    char key[KEY_BYTES + 1];
    uint8_t *at = call->body + PREFIX_BYTES;
    uint64_t number = prng_between(&load->prng, 0, KEY_COUNT - 1);
    snprintf(key, sizeof(key), "key:%012llu", (unsigned long long)number);
    *at++ = 1 << 3 | 2;
    at += varint_write(at, KEY_BYTES);
    memcpy(at, key, KEY_BYTES);
    at += KEY_BYTES;
    *at++ = 2 << 3 | 2;
    at += varint_write(at, load->value_bytes);
    memset(at, 'v', load->value_bytes);
    at += load->value_bytes;
    size_t message_bytes = (size_t)(at - call->body) - PREFIX_BYTES;
    call->body[0] = 0; /* not compressed */
    call->body[1] = (uint8_t)(message_bytes >> 24);
    call->body[2] = (uint8_t)(message_bytes >> 16);
    call->body[3] = (uint8_t)(message_bytes >> 8);
    call->body[4] = (uint8_t)message_bytes;
    call->body_bytes = message_bytes + PREFIX_BYTES;
    call->sent_bytes = 0;
}

static ssize_t body_read(nghttp2_session *session, int32_t stream, uint8_t *out, size_t room,
                         uint32_t *flags, nghttp2_data_source *source, void *argument)
{
    struct call *call = source->ptr;
    size_t count = min_u64(room, call->body_bytes - call->sent_bytes);
    (void)session;
    (void)stream;
    (void)argument;
    memcpy(out, call->body + call->sent_bytes, count);
    call->sent_bytes += count;
    if (call->sent_bytes == call->body_bytes) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    }
    return (ssize_t)count;
}

static nghttp2_nv header(const char *name, const char *value)
{
    /* nghttp2 copies both; its type says const nowhere. */
    union {
        const char *text;
        uint8_t *bytes;
    } name_bytes = {.text = name}, value_bytes = {.text = value};
    return (nghttp2_nv){.name = name_bytes.bytes,
                        .value = value_bytes.bytes,
                        .namelen = strlen(name),
                        .valuelen = strlen(value)};
}

static void call_start(struct call *call)
{
    struct load *load = call->connection->load;
    const nghttp2_nv headers[] = {
        header(":method", "POST"),
        header(":scheme", "http"),
        header(":path", "/etcdserverpb.KV/Put"),
        header(":authority", load->authority),
        header("content-type", "application/grpc"),
        header("te", "trailers"),
    };
    nghttp2_data_provider provider = {.source.ptr = call, .read_callback = body_read};
    body_write(load, call);
    call->is_ok = false;
    call->started_ns = cli_clock_ns();
    int32_t stream = nghttp2_submit_request(call->connection->session, NULL, headers,
                                            COUNT_OF(headers), &provider, call);
    if (stream < 0) {
        connection_fail(call->connection, nghttp2_strerror(stream));
    }
}

static int header_came(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                       size_t name_bytes, const uint8_t *value, size_t value_bytes, uint8_t flags,
                       void *argument)
{
    static const char status[] = "grpc-status";
    struct call *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    (void)flags;
    (void)argument;
    if (call != NULL && name_bytes == sizeof(status) - 1 && memcmp(name, status, name_bytes) == 0) {
        call->is_ok = value_bytes == 1 && value[0] == '0';
    }
    return 0;
}

static int stream_closed(nghttp2_session *session, int32_t stream, uint32_t code, void *argument)
{
    struct connection *connection = argument;
    struct load *load = connection->load;
    struct call *call = nghttp2_session_get_stream_user_data(session, stream);
    (void)code;
    if (call == NULL || load->has_ended) {
        return 0;
    }
    if (load->is_measuring) {
        if (call->is_ok) {
            histogram_record(&load->latency, cli_clock_ns() - call->started_ns);
            load->done_count++;
        } else {
            load->error_count++;
        }
    }
    call_start(call);
    return 0;
}

static void output_flush(struct connection *connection);

static void write_done(uv_write_t *request, int status)
{
    struct connection *connection = request->data;
    connection->is_writing = false;
    if (status != 0) {
        connection_fail(connection, uv_strerror(status));
    } else {
        output_flush(connection);
    }
}

/* Send what nghttp2 has; its buffer stays valid until it is asked for more. */
static void output_flush(struct connection *connection)
{
    while (!connection->is_writing && !connection->load->has_ended) {
        const uint8_t *data;
        ssize_t size = nghttp2_session_mem_send(connection->session, &data);
        if (size <= 0) {
            return;
        }
        union {
            const uint8_t *bytes;
            char *text;
        } buffer = {.bytes = data};
        uv_buf_t whole = uv_buf_init(buffer.text, (unsigned)size);
        int sent = uv_try_write((uv_stream_t *)&connection->tcp, &whole, 1);
        size_t done = sent < 0 ? 0 : (size_t)sent;
        if (done < (size_t)size) {
            uv_buf_t rest = uv_buf_init(buffer.text + done, (unsigned)((size_t)size - done));
            connection->write.data = connection;
            connection->is_writing = true;
            if (uv_write(&connection->write, (uv_stream_t *)&connection->tcp, &rest, 1,
                         write_done) != 0) {
                connection_fail(connection, "it cannot be written to");
            }
        }
    }
}

static void receive_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    struct connection *connection = handle->data;
    (void)suggested;
    *out = uv_buf_init(connection->load->receive_buffer, RECEIVE_BYTES);
}

static void received(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    struct connection *connection = stream->data;
    if (count < 0) {
        connection_fail(connection, uv_strerror((int)count));
        return;
    }
    ssize_t taken =
        nghttp2_session_mem_recv(connection->session, (const uint8_t *)buffer->base, (size_t)count);
    if (taken != count) {
        connection_fail(connection, nghttp2_strerror((int)taken));
        return;
    }
    output_flush(connection);
}

static void connected(uv_connect_t *request, int status)
{
    struct connection *connection = request->data;
    if (status != 0) {
        connection_fail(connection, uv_strerror(status));
        return;
    }
    (void)uv_tcp_nodelay(&connection->tcp, 1);
    (void)uv_read_start((uv_stream_t *)&connection->tcp, receive_allocate, received);
    (void)nghttp2_submit_settings(connection->session, NGHTTP2_FLAG_NONE, NULL, 0);
    for (size_t i = 0; i < connection->call_count; i++) {
        call_start(&connection->calls[i]);
    }
    output_flush(connection);
}

static bool calls_new(struct connection *connection, size_t count)
{
    connection->calls = calloc(count, sizeof(*connection->calls));
    for (size_t i = 0; connection->calls != NULL && i < count; i++) {
        connection->calls[i].connection = connection;
        connection->calls[i].body = malloc(BODY_ROOM_BYTES + connection->load->value_bytes);
        if (connection->calls[i].body == NULL) {
            return false;
        }
        connection->call_count++;
    }
    return connection->calls != NULL;
}

static bool session_new(struct connection *connection)
{
    nghttp2_session_callbacks *callbacks;
    if (nghttp2_session_callbacks_new(&callbacks) != 0) {
        return false;
    }
    nghttp2_session_callbacks_set_on_header_callback(callbacks, header_came);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, stream_closed);
    int status = nghttp2_session_client_new(&connection->session, callbacks, connection);
    nghttp2_session_callbacks_del(callbacks);
    return status == 0;
}

static bool connection_open(struct load *load, size_t i, const struct sockaddr *address)
{
    struct connection *connection = &load->connections[i];
    size_t share = load->client_count / load->connection_count;
    connection->load = load;
    share += i < load->client_count % load->connection_count;
    if (!calls_new(connection, share) || !session_new(connection) ||
        uv_tcp_init(&load->loop, &connection->tcp) != 0) {
        return false;
    }
    connection->tcp.data = connection;
    connection->connect.data = connection;
    return uv_tcp_connect(&connection->connect, &connection->tcp, address, connected) == 0;
}

static void ticked(uv_timer_t *timer)
{
    struct load *load = timer->data;
    time_ns elapsed = cli_clock_ns() - load->began_ns;
    if (!load->is_measuring && elapsed >= load->warmup_ms * NS_PER_MS) {
        load->is_measuring = true;
        load->began_ns = cli_clock_ns();
    } else if (load->is_measuring && elapsed >= load->seconds * NS_PER_S) {
        end(load);
    }
}

static bool load_run(struct load *load)
{
    struct sockaddr_in address;
    if (uv_loop_init(&load->loop) != 0 || uv_timer_init(&load->loop, &load->timer) != 0 ||
        uv_ip4_addr(load->address.host, load->address.port, &address) != 0) {
        return false;
    }
    load->timer.data = load;
    load->began_ns = cli_clock_ns();
    load->prng = prng_of(load->began_ns);
    histogram_init(&load->latency);
    (void)uv_timer_start(&load->timer, ticked, TICK_MS, TICK_MS);
    load->connection_count = min_u64(load->client_count, CONNECTIONS_MAX);
    for (size_t i = 0; i < load->connection_count; i++) {
        if (!connection_open(load, i, (const struct sockaddr *)&address)) {
            return false;
        }
    }
    uv_run(&load->loop, UV_RUN_DEFAULT);
    return load->failed_count == 0;
}

static void load_deinit(struct load *load)
{
    for (size_t i = 0; i < load->connection_count; i++) {
        struct connection *connection = &load->connections[i];
        nghttp2_session_del(connection->session);
        for (size_t call = 0; call < connection->call_count; call++) {
            free(connection->calls[call].body);
        }
        free(connection->calls);
    }
    (void)uv_loop_close(&load->loop);
}

static unsigned long long percentile_us(const struct load *load, uint32_t per_million)
{
    return histogram_percentile(&load->latency, per_million) / 1000;
}

static void report(const struct load *load)
{
    double seconds = (double)load->measured_ns / (double)NS_PER_S;
    printf("{\"clients\":%llu,\"value_bytes\":%llu,\"answers\":%llu,\"answers_per_s\":%.0f,"
           "\"p50_us\":%llu,\"p99_us\":%llu,\"max_us\":%llu,\"errors\":%llu}\n",
           (unsigned long long)load->client_count, (unsigned long long)load->value_bytes,
           (unsigned long long)load->done_count, (double)load->done_count / seconds,
           percentile_us(load, 500000), percentile_us(load, 990000), percentile_us(load, 1000000),
           (unsigned long long)load->error_count);
}

static bool arguments_parse(int argc, char **argv, struct load *load)
{
    return argc == 6 && cli_address_parse(argv[1], strlen(argv[1]), &load->address) == 0 &&
           cli_number_parse(argv[2], false, &load->client_count) && load->client_count >= 1 &&
           load->client_count <= CLIENTS_MAX && cli_number_parse(argv[3], false, &load->seconds) &&
           load->seconds >= 1 && cli_number_parse(argv[4], true, &load->value_bytes) &&
           load->value_bytes <= VALUE_BYTES_MAX &&
           cli_number_parse(argv[5], false, &load->warmup_ms);
}

int main(int argc, char **argv)
{
    struct load *load = calloc(1, sizeof(*load));
    if (load == NULL || !arguments_parse(argc, argv, load)) {
        fputs("usage: etcd_put HOST:PORT CLIENTS SECONDS VALUE-BYTES WARMUP-MS\n", stderr);
        free(load);
        return CLI_USAGE;
    }
    snprintf(load->authority, sizeof(load->authority), "%s:%u", load->address.host,
             (unsigned)load->address.port);
    cli_raise_file_limit();
    bool is_done = load_run(load);
    if (is_done) {
        report(load);
    }
    load_deinit(load);
    free(load);
    return is_done ? CLI_DONE : CLI_FAILED;
}
