/* server_fixture.c: a server on a loop, and sockets to it. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/server_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/unit.h"

struct server_options fixture_options(struct server_fixture *fixture)
{
    struct server_options options = server_options_default();

    options.loop = &fixture->loop;
    options.engine = &fixture->engine;
    options.client_address = "127.0.0.1:0";
    options.http_address = "127.0.0.1:0";
    return options;
}

void fixture_init(struct server_fixture *fixture, const struct server_options *options)
{
    struct server_options chosen = options == NULL ? fixture_options(fixture) : *options;
    char detail[QR_ERROR_DETAIL_BYTES];

    fixture->is_closed = false;
    assert_true(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    assert_int_equal(uv_loop_init(&fixture->loop), 0);
    heap_init(&fixture->heap);
    fixture->kv = kv_new(&fixture->heap.allocator);
    assert_non_null(fixture->kv);
    fake_engine_init(&fixture->engine, &fixture->loop, kv_state_machine(fixture->kv));
    chosen.kv = fixture->kv;
    assert_int_equal(server_open(&chosen, &fixture->server, detail), 0);
}

static void on_server_closed(void *argument)
{
    struct server_fixture *fixture = argument;

    assert_false(fixture->is_closed);
    fixture->is_closed = true;
}

void fixture_deinit(struct server_fixture *fixture)
{
    server_close(fixture->server, on_server_closed, fixture);
    fake_engine_stop(&fixture->engine);
    assert_int_equal(uv_run(&fixture->loop, UV_RUN_DEFAULT), 0);
    assert_true(fixture->is_closed);
    server_free(fixture->server);
    assert_int_equal(uv_loop_close(&fixture->loop), 0);
    kv_free(fixture->kv);
    heap_deinit(&fixture->heap);
}

void fixture_turn(struct server_fixture *fixture)
{
    for (int i = 0; i < 8; i++) {
        uv_run(&fixture->loop, UV_RUN_NOWAIT);
    }
}

static int connect_to(struct server_fixture *fixture, uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(descriptor >= 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(descriptor, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(fcntl(descriptor, F_SETFL, O_NONBLOCK), 0);
    /* A command sent in two parts would wait 40 ms for the first to be acknowledged. */
    int one = 1;
    assert_int_equal(setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)), 0);
    fixture_turn(fixture);
    return descriptor;
}

int fixture_connect(struct server_fixture *fixture)
{
    return connect_to(fixture, server_client_port(fixture->server));
}

int fixture_connect_http(struct server_fixture *fixture)
{
    return connect_to(fixture, server_http_port(fixture->server));
}

void fixture_send_bytes(struct server_fixture *fixture, int socket, const void *data,
                        size_t size_bytes)
{
    const char *at = data;
    uint64_t deadline = uv_hrtime() + UINT64_C(1000000) * FIXTURE_PATIENCE_MS;

    while (size_bytes > 0) {
        ssize_t count = send(socket, at, size_bytes, MSG_NOSIGNAL);
        if (count > 0) {
            at += count;
            size_bytes -= (size_t)count;
        } else if (errno != EAGAIN) {
            return; /* the server has closed: what it said is still to be read */
        }
        assert_true(uv_hrtime() < deadline);
        fixture_turn(fixture);
    }
}

void fixture_send(struct server_fixture *fixture, int socket, const char *string)
{
    fixture_send_bytes(fixture, socket, string, strlen(string));
}

/* Receive up to `size_bytes`, waiting for the first of them. 0: the end. */
static size_t receive_some(struct server_fixture *fixture, int socket, char *out, size_t size_bytes)
{
    uint64_t deadline = uv_hrtime() + UINT64_C(1000000) * FIXTURE_PATIENCE_MS;

    while (true) {
        ssize_t count = recv(socket, out, size_bytes, 0);
        if (count >= 0) {
            return (size_t)count;
        }
        if (errno == ECONNRESET) {
            return 0;
        }
        assert_int_equal(errno, EAGAIN);
        assert_true(uv_hrtime() < deadline);
        fixture_turn(fixture);
    }
}

void fixture_expect(struct server_fixture *fixture, int socket, const char *expected)
{
    size_t size_bytes = strlen(expected);
    char *received = calloc(1, size_bytes + 1);
    size_t count = 0;

    assert_non_null(received);
    while (count < size_bytes) {
        size_t more = receive_some(fixture, socket, received + count, size_bytes - count);
        if (more == 0) {
            break;
        }
        count += more;
    }
    assert_string_equal(received, expected);
    free(received);
}

void fixture_expect_nothing(struct server_fixture *fixture, int socket)
{
    char byte;

    fixture_turn(fixture);
    assert_int_equal(recv(socket, &byte, 1, 0), -1);
    assert_int_equal(errno, EAGAIN);
}

size_t fixture_receive_all(struct server_fixture *fixture, int socket, char *out, size_t out_bytes)
{
    size_t total = 0;
    char piece[4096];

    while (true) {
        size_t count = receive_some(fixture, socket, piece, sizeof(piece));
        if (count == 0) {
            break;
        }
        if (total < out_bytes - 1) {
            size_t room = out_bytes - 1 - total;
            memcpy(out + total, piece, count < room ? count : room);
        }
        total += count;
    }
    out[total < out_bytes ? total : out_bytes - 1] = '\0';
    return total;
}

size_t fixture_receive_until(struct server_fixture *fixture, int socket, const char *mark,
                             char *out, size_t out_bytes)
{
    size_t total = 0;

    out[0] = '\0';
    while (strstr(out, mark) == NULL) {
        assert_true(total + 1 < out_bytes);
        size_t count = receive_some(fixture, socket, out + total, out_bytes - 1 - total);
        assert_true(count > 0);
        total += count;
        out[total] = '\0';
    }
    return total;
}

void fixture_ask(struct server_fixture *fixture, int socket, const char *command,
                 const char *expected)
{
    fixture_send(fixture, socket, command);
    fixture_send(fixture, socket, "\r\n");
    fixture_expect(fixture, socket, expected);
}
