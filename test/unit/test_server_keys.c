/* test_server_keys.c: QUORATE.KEYS. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <unistd.h>

#include "support/server_fixture.h"
#include "support/unit.h"

#define DONE "*3\r\n$4\r\ndone\r\n$8\r\n0a1b2c3d\r\n$8\r\n4e5f6071\r\n"

static void a_command_becomes_a_call_of_the_engine(void **state)
{
    static const struct {
        const char *command;
        const char *told;
    } rows[] = {
        {"QUORATE.KEYS LIST", "list"},
        {"quorate.keys add \"correct horse battery\"", "add correct horse battery"},
        {"QUORATE.KEYS USE 0a1b2c3d", "use 0a1b2c3d"},
        {"QUORATE.KEYS Remove 0a1b2c3d", "remove 0a1b2c3d"},
    };
    struct server_fixture fixture;

    (void)state;
    fixture_init(&fixture, NULL);
    int client = fixture_connect(&fixture);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        fixture_ask(&fixture, client, rows[i].command, DONE);
        assert_string_equal(fixture.engine.keys, rows[i].told);
    }
    close(client);
    fixture_deinit(&fixture);
}

static void what_is_no_such_command_reaches_nobody(void **state)
{
    static const char *const commands[] = {
        "QUORATE.KEYS LIST 0a1b2c3d",   "QUORATE.KEYS ADD",
        "QUORATE.KEYS REMOVE",          "QUORATE.KEYS USE one two",
        "QUORATE.KEYS FORGET 0a1b2c3d",
    };
    struct server_fixture fixture;

    (void)state;
    fixture_init(&fixture, NULL);
    int client = fixture_connect(&fixture);
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        fixture_ask(&fixture, client, commands[i], "-ERR syntax error\r\n");
    }
    fixture_ask(&fixture, client, "QUORATE.KEYS",
                "-ERR wrong number of arguments for 'quorate.keys' command\r\n");
    assert_string_equal(fixture.engine.keys, "");
    close(client);
    fixture_deinit(&fixture);
}

static void a_refusal_is_told_in_words(void **state)
{
    static const struct {
        int status;
        const char *answer;
    } rows[] = {
        {QR_ERR_INVALID, "-ERR it is refused\r\n"},
        {QR_ERR_NOT_FOUND, "-ERR it is refused\r\n"},
        {QR_ERR_IO, "-ERR it is refused\r\n"},
        {QR_ERR_BUSY, "-TRYAGAIN it is refused\r\n"},
        {QR_ERR_STOPPED, "-TRYAGAIN it is refused\r\n"},
    };
    struct server_fixture fixture;

    (void)state;
    fixture_init(&fixture, NULL);
    fixture.engine.is_automatic = false;
    int client = fixture_connect(&fixture);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        fixture_send(&fixture, client, "QUORATE.KEYS ADD 0123456789abcdef\r\nPING\r\n");
        fixture_expect_nothing(&fixture, client);
        fake_engine_end(&fixture.engine, 0, rows[i].status);
        fixture_expect(&fixture, client, rows[i].answer);
        fixture_expect(&fixture, client, "+PONG\r\n");
    }
    fixture.engine.refusal = QR_ERR_TOO_LARGE;
    fixture_ask(&fixture, client, "QUORATE.KEYS ADD 0123456789abcdef",
                "-ERR larger than the configured limit\r\n");
    fixture.engine.refusal = 0;
    close(client);
    fixture_deinit(&fixture);
}

static void who_hangs_up_meanwhile_takes_nothing_along(void **state)
{
    struct server_fixture fixture;

    (void)state;
    fixture_init(&fixture, NULL);
    fixture.engine.is_automatic = false;
    int client = fixture_connect(&fixture);
    fixture_send(&fixture, client, "QUORATE.KEYS LIST\r\n");
    fixture_expect_nothing(&fixture, client);
    close(client);
    fixture_turn(&fixture);
    fake_engine_end(&fixture.engine, 0, 0);
    fixture_deinit(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_becomes_a_call_of_the_engine),
        cmocka_unit_test(what_is_no_such_command_reaches_nobody),
        cmocka_unit_test(a_refusal_is_told_in_words),
        cmocka_unit_test(who_hangs_up_meanwhile_takes_nothing_along),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
