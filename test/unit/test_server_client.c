/* test_server_client.c: connections: limits, ends, and clients that do not behave. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"
#include "support/server_fixture.h"
#include "support/unit.h"

#define IDLE_CLIENTS 2000

static void a_half_closed_client_gets_all_its_answers(void **state)
{
    struct server_fixture fixture;
    char answer[256];

    (void)state;
    fixture_init(&fixture, NULL);
    fixture.engine.is_automatic = false;
    int client = fixture_connect(&fixture);
    fixture_send(&fixture, client, "GET k\r\nSET k v\r\nGET k\r\n");
    assert_int_equal(shutdown(client, SHUT_WR), 0);
    fixture_turn(&fixture);
    while (fixture.engine.waiting_count > 0) {
        fake_engine_end(&fixture.engine, 0, 0);
        fixture_turn(&fixture);
    }
    fixture_receive_all(&fixture, client, answer, sizeof(answer));
    assert_string_equal(answer, "$-1\r\n+OK\r\n$1\r\nv\r\n");
    close(client);
    fixture_deinit(&fixture);
}

static void quit_answers_what_came_before_and_nothing_after(void **state)
{
    struct server_fixture fixture;
    char answer[256];

    (void)state;
    fixture_init(&fixture, NULL);
    int client = fixture_connect(&fixture);
    fixture_send(&fixture, client, "SET k v\r\nQUIT\r\nPING\r\n");
    fixture_receive_all(&fixture, client, answer, sizeof(answer));
    assert_string_equal(answer, "+OK\r\n+OK\r\n");
    close(client);
    fixture_deinit(&fixture);
}

static void a_huge_announced_length_is_refused_at_once(void **state)
{
    struct server_fixture fixture;
    char answer[256];

    (void)state;
    fixture_init(&fixture, NULL);
    int client = fixture_connect(&fixture);
    fixture_send(&fixture, client, "PING\r\n*2\r\n$3\r\nGET\r\n$536870913\r\n");
    fixture_receive_all(&fixture, client, answer, sizeof(answer));
    assert_string_equal(answer, "+PONG\r\n-ERR Protocol error: invalid bulk length\r\n");
    assert_int_equal(fake_log_count("client_protocol_error"), 1);
    close(client);
    fixture_deinit(&fixture);
}

static void an_error_reaches_a_client_that_goes_on_sending(void **state)
{
    struct server_fixture fixture;
    char answer[256];
    size_t junk_bytes = 1024 * 1024;
    char *junk = malloc(junk_bytes);

    (void)state;
    assert_non_null(junk);
    memset(junk, 'x', junk_bytes);
    fixture_init(&fixture, NULL);
    int client = fixture_connect(&fixture);
    fixture_send_bytes(&fixture, client, junk, junk_bytes);
    assert_int_equal(shutdown(client, SHUT_WR), 0);
    fixture_receive_all(&fixture, client, answer, sizeof(answer));
    assert_string_equal(answer, "-ERR Protocol error: too big inline request\r\n");
    close(client);
    free(junk);
    fixture_deinit(&fixture);
}

static void a_command_over_the_limit_is_refused_and_the_next_one_served(void **state)
{
    struct server_fixture fixture;
    struct server_options options = fixture_options(&fixture);
    char value[601];

    (void)state;
    options.max_message_bytes = 1024;
    fixture_init(&fixture, &options);
    memset(value, 'v', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    int client = fixture_connect(&fixture);
    fixture_send(&fixture, client, "*3\r\n$4\r\nMGET\r\n$600\r\n");
    fixture_send(&fixture, client, value);
    fixture_send(&fixture, client, "\r\n$600\r\n");
    fixture_send(&fixture, client, value);
    fixture_send(&fixture, client, "\r\nPING\r\n");
    fixture_expect(
        &fixture, client,
        "-ERR the command is larger than max-message-bytes, 1024; not applied\r\n+PONG\r\n");
    close(client);
    fixture_deinit(&fixture);
}

/* A value of 100,000 bytes under "big". */
static void store_big(struct server_fixture *fixture, int client)
{
    char *value = malloc(100000);

    assert_non_null(value);
    memset(value, 'v', 100000);
    fixture_send(fixture, client, "*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n$100000\r\n");
    fixture_send_bytes(fixture, client, value, 100000);
    fixture_send(fixture, client, "\r\n");
    fixture_expect(fixture, client, "+OK\r\n");
    free(value);
}

static void big_replies_wait_for_a_slow_reader(void **state)
{
    struct server_fixture fixture;
    struct server_options options = fixture_options(&fixture);
    char answer[64];

    (void)state;
    options.output_bytes_max = 1024 * 1024;
    fixture_init(&fixture, &options);
    int client = fixture_connect(&fixture);
    store_big(&fixture, client);
    for (int i = 0; i < 200; i++) {
        fixture_send(&fixture, client, "GET big\r\n");
    }
    fixture_send(&fixture, client, "QUIT\r\n");
    for (int i = 0; i < 20; i++) {
        fixture_turn(&fixture);
    }
    size_t count = fixture_receive_all(&fixture, client, answer, sizeof(answer));
    assert_int_equal(count, 200 * (100000 + 9 + 2) + 5);
    close(client);
    fixture_deinit(&fixture);
}

static void a_tail_that_never_reads_is_closed(void **state)
{
    struct server_fixture fixture;
    struct server_options options = fixture_options(&fixture);
    char payload[65536];

    (void)state;
    memset(payload, 'p', sizeof(payload));
    options.output_bytes_max = 1024 * 1024;
    fixture_init(&fixture, &options);
    int client = fixture_connect(&fixture);
    int other = fixture_connect(&fixture);
    fixture_ask(&fixture, client, "QUORATE.TAIL", "+OK\r\n");
    fixture_ask(&fixture, other, "QUORATE.TAIL", "+OK\r\n");
    assert_int_equal(fixture.engine.handler_count, 1);
    for (int i = 0; i < 400 && fixture.engine.handler_count > 0; i++) {
        fake_engine_apply(&fixture.engine, "line", payload, sizeof(payload));
        fixture_turn(&fixture);
    }
    assert_int_equal(fixture.engine.handler_count, 0);
    assert_int_equal(fake_log_count("client_closed"), 1);
    int third = fixture_connect(&fixture);
    fixture_ask(&fixture, third, "PING", "+PONG\r\n");
    close(client);
    close(other);
    close(third);
    fixture_deinit(&fixture);
}

static void a_client_that_takes_nothing_for_long_is_closed(void **state)
{
    struct server_fixture fixture;
    struct server_options options = fixture_options(&fixture);
    char answer[256];

    (void)state;
    options.output_bytes_max = 1024 * 1024;
    options.stall_timeout_ms = 100;
    fixture_init(&fixture, &options);
    int client = fixture_connect(&fixture);
    store_big(&fixture, client);
    for (int i = 0; i < 400; i++) {
        fixture_send(&fixture, client, "GET big\r\n");
    }
    int watcher = fixture_connect(&fixture);
    uint64_t deadline = uv_hrtime() + UINT64_C(1000000) * FIXTURE_PATIENCE_MS;
    bool is_gone = false;
    while (!is_gone) {
        assert_true(uv_hrtime() < deadline);
        usleep(20000);
        fixture_turn(&fixture);
        fixture_send(&fixture, watcher, "INFO clients\r\n");
        fixture_receive_until(&fixture, watcher, "tailing_clients:0\r\n", answer, sizeof(answer));
        is_gone = strstr(answer, "connected_clients:1\r\n") != NULL;
    }
    size_t count = fixture_receive_all(&fixture, client, answer, sizeof(answer));
    assert_true(count < 400 * (100000 + 11));
    close(client);
    close(watcher);
    fixture_deinit(&fixture);
}

static void a_tail_hears_every_entry_in_order(void **state)
{
    struct server_fixture fixture;

    (void)state;
    fixture_init(&fixture, NULL);
    int tail = fixture_connect(&fixture);
    int client = fixture_connect(&fixture);
    fixture_ask(&fixture, client, "QUORATE.PROPOSE first", ":1\r\n");
    fixture_send(&fixture, tail, "SET a 1\r\nQUORATE.TAIL\r\n");
    fixture_expect(&fixture, tail, "+OK\r\n+OK\r\n");
    fixture_ask(&fixture, client, "QUORATE.PROPOSE \"a line\"", ":3\r\n");
    fixture_ask(&fixture, client, "QUORATE.PROPOSE x note", ":4\r\n");
    fixture_expect(&fixture, tail,
                   "*6\r\n:3\r\n:7\r\n:1700000000000000000\r\n"
                   "$32\r\n0000000000000abc0000000000000003\r\n$4\r\nline\r\n$6\r\na line\r\n"
                   "*6\r\n:4\r\n:7\r\n:1700000000000000000\r\n"
                   "$32\r\n0000000000000abc0000000000000004\r\n$4\r\nnote\r\n$1\r\nx\r\n");
    fixture_ask(&fixture, tail, "GET a", "-ERR only QUIT is allowed behind QUORATE.TAIL\r\n");
    fixture_ask(&fixture, tail, "QUIT", "+OK\r\n");
    fixture_turn(&fixture);
    fixture_turn(&fixture);
    close(tail);
    fixture_turn(&fixture);
    assert_int_equal(fixture.engine.handler_count, 0);
    fixture_ask(&fixture, client, "QUORATE.PROPOSE \"\" \"\"",
                "-ERR the command's name is 1 to 32 bytes long\r\n");
    close(client);
    fixture_deinit(&fixture);
}

static void clients_past_the_limit_are_told_and_closed(void **state)
{
    struct server_fixture fixture;
    struct server_options options = fixture_options(&fixture);
    char answer[64];

    (void)state;
    options.clients_max = 2;
    fixture_init(&fixture, &options);
    int first = fixture_connect(&fixture);
    int second = fixture_connect(&fixture);
    int third = fixture_connect(&fixture);
    fixture_receive_all(&fixture, third, answer, sizeof(answer));
    assert_string_equal(answer, "-ERR max number of clients reached\r\n");
    close(first);
    fixture_turn(&fixture);
    fixture_turn(&fixture);
    int fourth = fixture_connect(&fixture);
    fixture_ask(&fixture, fourth, "PING", "+PONG\r\n");
    fixture_ask(&fixture, second, "PING", "+PONG\r\n");
    close(second);
    close(third);
    close(fourth);
    fixture_deinit(&fixture);
}

static void thousands_of_idle_clients_disturb_nobody(void **state)
{
    struct server_fixture fixture;
    struct rlimit limit;
    static int clients[IDLE_CLIENTS];

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_cur < 2 * IDLE_CLIENTS + 64) {
        skip(); /* the system grants fewer descriptors than this case needs */
    }
    fixture_init(&fixture, NULL);
    for (size_t i = 0; i < IDLE_CLIENTS; i++) {
        clients[i] = fixture_connect(&fixture);
        if (i % 2 == 0) {
            fixture_ask(&fixture, clients[i], "PING", "+PONG\r\n");
        }
    }
    fixture_ask(&fixture, clients[0], "SET k v", "+OK\r\n");
    fixture_ask(&fixture, clients[IDLE_CLIENTS - 1], "GET k", "$1\r\nv\r\n");
    for (size_t i = 0; i < IDLE_CLIENTS; i++) {
        close(clients[i]);
    }
    fixture_turn(&fixture);
    fixture_deinit(&fixture);
}

static void an_idle_server_sleeps(void **state)
{
    struct server_fixture fixture;

    (void)state;
    fixture_init(&fixture, NULL);
    fixture.engine.is_automatic = false;
    int client = fixture_connect(&fixture);
    fixture_send(&fixture, client, "GET k\r\nSET k v\r\n");
    fixture_turn(&fixture);
    /* A request is unfinished and a command is held: still there is nothing to do until the
     * sweep's timer. A loop that did not sleep would be back a thousand times as often.
     */
    uint64_t start = uv_hrtime();
    uint64_t turns = 0;
    while (uv_hrtime() - start < UINT64_C(1500000000)) {
        uv_run(&fixture.loop, UV_RUN_ONCE);
        turns++;
    }
    assert_true(turns < 10);
    close(client);
    fixture_deinit(&fixture);
}

static void a_port_in_use_is_named(void **state)
{
    struct server_fixture fixture;
    struct server *second;
    char detail[QR_ERROR_DETAIL_BYTES];
    char address[32];
    struct text text = text_of(address, sizeof(address));

    (void)state;
    fixture_init(&fixture, NULL);
    text_string(&text, "127.0.0.1:");
    text_u64(&text, server_client_port(fixture.server));
    struct server_options options = fixture_options(&fixture);
    options.kv = fixture.kv;
    options.http_address = address;
    assert_int_equal(server_open(&options, &second, detail), QR_ERR_ADDRESS);
    assert_non_null(strstr(detail, address));
    assert_non_null(strstr(detail, "in use"));
    options.client_address = "nonsense";
    assert_int_equal(server_open(&options, &second, detail), QR_ERR_ADDRESS);
    assert_string_equal(detail, "cannot listen on nonsense: not of the form HOST:PORT");
    options.clients_max = 0;
    assert_int_equal(server_open(&options, &second, detail), QR_ERR_INVALID);
    fixture_deinit(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_half_closed_client_gets_all_its_answers),
        cmocka_unit_test(quit_answers_what_came_before_and_nothing_after),
        cmocka_unit_test(a_huge_announced_length_is_refused_at_once),
        cmocka_unit_test(an_error_reaches_a_client_that_goes_on_sending),
        cmocka_unit_test(a_command_over_the_limit_is_refused_and_the_next_one_served),
        cmocka_unit_test(big_replies_wait_for_a_slow_reader),
        cmocka_unit_test(a_tail_that_never_reads_is_closed),
        cmocka_unit_test(a_client_that_takes_nothing_for_long_is_closed),
        cmocka_unit_test(a_tail_hears_every_entry_in_order),
        cmocka_unit_test(clients_past_the_limit_are_told_and_closed),
        cmocka_unit_test(thousands_of_idle_clients_disturb_nobody),
        cmocka_unit_test(an_idle_server_sleeps),
        cmocka_unit_test(a_port_in_use_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
