/* test_server_join.c: QUORATE.JOIN, QUORATE.LEAVE and QUORATE.STATUS. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <unistd.h>

#include "support/server_fixture.h"
#include "support/unit.h"

static void a_node_is_told_whom_to_join(void **state)
{
    static const struct {
        const char *command;
        const char *told; /* to the engine; NULL: nothing */
        int status;
        const char *answer;
    } rows[] = {
        {"QUORATE.JOIN a:1,b:2", "a:1,b:2", 0, "+OK\r\n"},
        {"quorate.join a:1 learner", "a:1 learner", 0, "+OK\r\n"},
        {"QUORATE.JOIN a:1 voter", NULL, 0, "-ERR syntax error\r\n"},
        {"QUORATE.JOIN a:1 LEARNER now", NULL, 0, "-ERR syntax error\r\n"},
        {"QUORATE.JOIN", NULL, 0, "-ERR wrong number of arguments for 'quorate.join' command\r\n"},
        {"QUORATE.JOIN a:1", "a:1", QR_ERR_FOREIGN,
         "-ERR this node belongs to a cluster already, or was not started with --wait; nothing was "
         "changed\r\n"},
        {"QUORATE.JOIN a", "a", QR_ERR_ADDRESS,
         "-ERR these are no addresses, HOST:PORT,...; nothing was changed\r\n"},
        {"QUORATE.JOIN a:1", "a:1", QR_ERR_STOPPED,
         "-TRYAGAIN this node has stopped, or memory ran out; nothing was changed\r\n"},
    };
    struct server_fixture fixture;

    (void)state;
    fixture_init(&fixture, NULL);
    int client = fixture_connect(&fixture);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        fixture.engine.join[0] = '\0';
        fixture.engine.join_status = rows[i].status;
        fixture_ask(&fixture, client, rows[i].command, rows[i].answer);
        assert_string_equal(fixture.engine.join, rows[i].told == NULL ? "" : rows[i].told);
    }
    close(client);
    fixture_deinit(&fixture);
}

static void a_node_is_told_to_leave_and_why(void **state)
{
    static const struct {
        const char *command;
        const char *told; /* to the engine; NULL: nothing */
        int status;
        const char *answer;
    } rows[] = {
        {"QUORATE.LEAVE", "shutdown", 0, "+OK\r\n"},
        {"quorate.leave restart", "restart", 0, "+OK\r\n"},
        {"QUORATE.LEAVE REMOVED", "removed", 0, "+OK\r\n"},
        {"QUORATE.LEAVE now", NULL, 0, "-ERR syntax error\r\n"},
        {"QUORATE.LEAVE REMOVED now", NULL, 0, "-ERR syntax error\r\n"},
        {"QUORATE.LEAVE", NULL, QR_ERR_STOPPED,
         "-CLUSTERDOWN this node has stopped; nothing was changed\r\n"},
    };
    struct server_fixture fixture;

    (void)state;
    fixture_init(&fixture, NULL);
    int client = fixture_connect(&fixture);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        fixture.engine.leave[0] = '\0';
        fixture.engine.leave_status = rows[i].status;
        fixture_ask(&fixture, client, rows[i].command, rows[i].answer);
        assert_string_equal(fixture.engine.leave, rows[i].told == NULL ? "" : rows[i].told);
    }
    close(client);
    fixture_deinit(&fixture);
}

static void the_status_comes_as_one_string(void **state)
{
    struct server_fixture fixture;
    char body[8192];

    (void)state;
    fixture_init(&fixture, NULL);
    int client = fixture_connect(&fixture);
    fixture_send(&fixture, client, "QUORATE.STATUS\r\n");
    fixture_turn(&fixture);
    ssize_t got = read(client, body, sizeof(body) - 1);
    assert_true(got > 0);
    body[got] = '\0';
    assert_int_equal(body[0], '$');
    assert_non_null(strstr(body, "\r\n{\"node\":{\"name\":\"n1\""));
    assert_string_equal(body + got - 5, "]}\n\r\n");
    close(client);
    fixture_deinit(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_is_told_whom_to_join),
        cmocka_unit_test(a_node_is_told_to_leave_and_why),
        cmocka_unit_test(the_status_comes_as_one_string),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
