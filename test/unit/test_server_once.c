/* test_server_once.c: IDEMPOTENT and OUTCOME: once, however often and wherever it is sent. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/server_fixture.h"
#include "support/unit.h"

#define SETTLED "-NOTAPPLIED not applied, and never will be: OUTCOME was asked before it came\r\n"

struct scene {
    struct server_fixture fixture;
    int client;
};

static void scene_init(struct scene *scene)
{
    fixture_init(&scene->fixture, NULL);
    scene->client = fixture_connect(&scene->fixture);
}

static void scene_deinit(struct scene *scene)
{
    close(scene->client);
    fixture_deinit(&scene->fixture);
}

static void ask(struct scene *scene, const char *command, const char *expected)
{
    fixture_ask(&scene->fixture, scene->client, command, expected);
}

static void a_repeat_gets_the_first_answer_whatever_it_was(void **state)
{
    static const struct {
        const char *command;
        const char *answer;
    } rows[] = {
        {"IDEMPOTENT t1 INCR c", ":1\r\n"},
        {"idempotent t2 SET k v", "+OK\r\n"},
        {"IDEMPOTENT t3 GETSET k w", "$1\r\nv\r\n"},
        {"IDEMPOTENT t4 SET k x IFEQ nothing", "$-1\r\n"},
        {"IDEMPOTENT t5 INCR k", "-ERR value is not an integer or out of range\r\n"},
        {"IDEMPOTENT t6 GET k", "$1\r\nw\r\n"},
        {"IDEMPOTENT t7 MGET k none", "*2\r\n$1\r\nw\r\n$-1\r\n"},
        {"IDEMPOTENT t8 DEL k", ":1\r\n"},
    };
    struct scene scene;

    (void)state;
    scene_init(&scene);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
            ask(&scene, rows[i].command, rows[i].answer);
        }
    }
    ask(&scene, "GET c", "$1\r\n1\r\n");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char command[32];
        snprintf(command, sizeof(command), "OUTCOME t%zu", i + 1);
        ask(&scene, command, rows[i].answer);
    }
    scene_deinit(&scene);
}

static void what_never_came_is_settled_and_never_happens(void **state)
{
    struct scene scene;

    (void)state;
    scene_init(&scene);
    ask(&scene, "OUTCOME t", "-NOTAPPLIED not applied, and never will be\r\n");
    ask(&scene, "IDEMPOTENT t SET a 1", SETTLED);
    ask(&scene, "OUTCOME t", "-NOTAPPLIED not applied, and never will be\r\n");
    ask(&scene, "GET a", "$-1\r\n");
    scene_deinit(&scene);
}

/* It was cut off, and is still under way when its sender asks. */
static void an_outcome_asked_behind_a_command_under_way_is_its_answer(void **state)
{
    struct scene scene;
    struct qr_engine *engine = &scene.fixture.engine;

    (void)state;
    for (int late = 0; late < 2; late++) {
        scene_init(&scene);
        engine->is_automatic = false;
        fixture_send(&scene.fixture, scene.client, "IDEMPOTENT t INCR c\r\nOUTCOME t\r\n");
        fixture_turn(&scene.fixture);
        assert_int_equal(engine->waiting_count, 2);
        fake_engine_end(engine, (size_t)late, 0);
        fake_engine_end(engine, 0, 0);
        fixture_expect(&scene.fixture, scene.client,
                       late ? SETTLED "-NOTAPPLIED not applied, and never will be\r\n"
                            : ":1\r\n:1\r\n");
        scene_deinit(&scene);
    }
}

static void another_command_under_the_same_token_is_refused(void **state)
{
    struct scene scene;

    (void)state;
    scene_init(&scene);
    ask(&scene, "IDEMPOTENT t INCR c", ":1\r\n");
    ask(&scene, "IDEMPOTENT t INCRBY c 1",
        "-ERR the token was used for another command; this one is not applied\r\n");
    ask(&scene, "IDEMPOTENT u INCRBY c 1", ":2\r\n");
    scene_deinit(&scene);
}

static void what_cannot_be_idempotent_is_refused_in_words(void **state)
{
    static const char only_keys[] =
        "-ERR only EXEC, and commands that read or write keys, may be IDEMPOTENT\r\n";
    struct scene scene;
    char command[700];
    char token[514];

    (void)state;
    scene_init(&scene);
    ask(&scene, "IDEMPOTENT t", "-ERR wrong number of arguments for 'idempotent' command\r\n");
    ask(&scene, "OUTCOME", "-ERR wrong number of arguments for 'outcome' command\r\n");
    ask(&scene, "IDEMPOTENT t PING", only_keys);
    ask(&scene, "IDEMPOTENT t IDEMPOTENT u INCR c", only_keys);
    ask(&scene, "IDEMPOTENT t NOPE", only_keys);
    ask(&scene, "IDEMPOTENT t SET a", "-ERR wrong number of arguments for 'set' command\r\n");
    ask(&scene, "IDEMPOTENT t EXEC", "-ERR EXEC without MULTI\r\n");
    ask(&scene, "*3\r\n$10\r\nIDEMPOTENT\r\n$0\r\n\r\n$6\r\nDBSIZE\r\n",
        "-ERR a token has 1 to 512 bytes\r\n");
    memset(token, 't', sizeof(token));
    token[513] = '\0';
    snprintf(command, sizeof(command), "IDEMPOTENT %s INCR c", token);
    ask(&scene, command, "-ERR a token has 1 to 512 bytes\r\n");
    snprintf(command, sizeof(command), "OUTCOME %s", token);
    ask(&scene, command, "-ERR a token has 1 to 512 bytes\r\n");
    token[512] = '\0';
    snprintf(command, sizeof(command), "IDEMPOTENT %s INCR c", token);
    ask(&scene, command, ":1\r\n");
    scene_deinit(&scene);
}

static void a_whole_transaction_can_be_idempotent(void **state)
{
    struct scene scene;

    (void)state;
    scene_init(&scene);
    for (int round = 0; round < 2; round++) {
        ask(&scene, "MULTI", "+OK\r\n");
        ask(&scene, "IDEMPOTENT u INCR c", "-ERR only EXEC may be IDEMPOTENT inside MULTI\r\n");
        ask(&scene, "INCR c", "+QUEUED\r\n");
        ask(&scene, "INCR c", "+QUEUED\r\n");
        ask(&scene, "IDEMPOTENT t EXEC", "*2\r\n:1\r\n:2\r\n");
    }
    ask(&scene, "GET c", "$1\r\n2\r\n");
    ask(&scene, "OUTCOME t", "*2\r\n:1\r\n:2\r\n");
    ask(&scene, "WATCH c", "+OK\r\n");
    ask(&scene, "MULTI", "+OK\r\n");
    ask(&scene, "INCR c", "+QUEUED\r\n");
    ask(&scene, "IDEMPOTENT v EXEC",
        "-ERR EXEC of watched keys cannot be IDEMPOTENT; nothing is applied\r\n");
    scene_deinit(&scene);
}

static void each_end_has_its_word(void **state)
{
    static const struct {
        const char *command;
        int status;
        const char *answer;
    } rows[] = {
        {"IDEMPOTENT t INCR c", QR_ERR_EXPIRED,
         "-UNKNOWN nothing is known of it any more; not applied again\r\n"},
        {"IDEMPOTENT t INCR c", QR_ERR_FORGOTTEN,
         "-FORGOTTEN applied before; its answer is no longer kept\r\n"},
        {"IDEMPOTENT t INCR c", QR_ERR_TIMEOUT, "-TIMEOUT outcome unknown\r\n"},
        {"IDEMPOTENT t INCR c", QR_ERR_VERSION,
         "-TRYAGAIN a member is too old for this, or was not met yet; not applied\r\n"},
        {"OUTCOME t", QR_ERR_EXPIRED, "-UNKNOWN nothing is known of it any more\r\n"},
        {"OUTCOME t", QR_ERR_FORGOTTEN, "-FORGOTTEN applied; its answer is no longer kept\r\n"},
        {"OUTCOME t", QR_ERR_TIMEOUT, "-TIMEOUT no answer in time; ask again\r\n"},
        {"OUTCOME t", QR_ERR_NO_LEADER, "-CLUSTERDOWN no leader is known; nothing was decided\r\n"},
        {"OUTCOME t", QR_ERR_BUSY,
         "-TRYAGAIN too much is waiting, or leadership moved; nothing was decided\r\n"},
        {"OUTCOME t", QR_ERR_VERSION,
         "-TRYAGAIN a member is too old for this, or was not met yet; nothing was decided\r\n"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct scene scene;
        scene_init(&scene);
        scene.fixture.engine.is_automatic = false;
        fixture_send(&scene.fixture, scene.client, rows[i].command);
        fixture_send(&scene.fixture, scene.client, "\r\n");
        fixture_turn(&scene.fixture);
        fake_engine_end(&scene.fixture.engine, 0, rows[i].status);
        fixture_expect(&scene.fixture, scene.client, rows[i].answer);
        scene_deinit(&scene);
    }
}

static void a_refusal_at_once_is_answered_too(void **state)
{
    struct scene scene;

    (void)state;
    scene_init(&scene);
    scene.fixture.engine.refusal = QR_ERR_BUSY;
    ask(&scene, "IDEMPOTENT t INCR c", "-TRYAGAIN too many commands are waiting; not applied\r\n");
    ask(&scene, "OUTCOME t",
        "-TRYAGAIN too much is waiting, or leadership moved; nothing was decided\r\n");
    scene.fixture.engine.refusal = 0;
    scene_deinit(&scene);
}

/* A day that nobody uses it, and it is over: it says so, whatever comes under it. */
static void under_a_session_a_repeat_is_never_taken_for_new(void **state)
{
    static const char over[] = "-UNKNOWN nothing is known of it any more; not applied again\r\n";
    struct scene scene;

    (void)state;
    scene_init(&scene);
    ask(&scene, "QUORATE.SESSION 60000", "$19\r\nqs:8000000000000001\r\n");
    ask(&scene, "quorate.session", "$19\r\nqs:8000000000000002\r\n");
    for (int round = 0; round < 2; round++) {
        ask(&scene, "IDEMPOTENT qs:8000000000000001:1 INCR c", ":1\r\n");
        ask(&scene, "IDEMPOTENT qs:8000000000000002:1 INCR c", ":2\r\n");
        ask(&scene, "IDEMPOTENT qs:8000000000000001:2 INCR c", ":3\r\n");
    }
    ask(&scene, "OUTCOME qs:8000000000000001:1", ":1\r\n");
    ask(&scene, "OUTCOME qs:8000000000000001:3", "-NOTAPPLIED not applied, and never will be\r\n");
    scene.fixture.engine.time_ns += UINT64_C(60001) * 1000000;
    ask(&scene, "IDEMPOTENT qs:8000000000000001:1 INCR c", over);
    ask(&scene, "IDEMPOTENT qs:8000000000000001:9 INCR c", over);
    ask(&scene, "IDEMPOTENT qs:8000000000000009:1 INCR c", over);
    ask(&scene, "OUTCOME qs:8000000000000001:1", "-UNKNOWN nothing is known of it any more\r\n");
    ask(&scene, "IDEMPOTENT qs:8000000000000002:1 INCR c", ":2\r\n");
    ask(&scene, "GET c", "$1\r\n3\r\n");
    scene_deinit(&scene);
}

static void what_is_no_session_is_refused_in_words(void **state)
{
    static const char wrong[] = "-ERR behind qs: come a session's 16 digits, a colon, and a "
                                "sequence number from 1\r\n";
    static const char *const tokens[] = {
        "qs:",
        "qs:x",
        "qs:8000000000000001",
        "qs:8000000000000001:",
        "qs:8000000000000001:0",
        "qs:8000000000000001:x",
        "qs:8000000000000001:-1",
        "qs:8000000000000001:99999999999999999999",
        "qs:8000000000000001;1",
        "qs:800000000000000g:1",
        "qs:800000000000000A:1",
        "qs:0000000000000001:1",
        "qs:c000000000000001:1",
        "qs:8000000000000000:1",
    };
    struct scene scene;
    char command[96];

    (void)state;
    scene_init(&scene);
    for (size_t i = 0; i < COUNT_OF(tokens); i++) {
        snprintf(command, sizeof(command), "IDEMPOTENT %s INCR c", tokens[i]);
        ask(&scene, command, wrong);
        snprintf(command, sizeof(command), "OUTCOME %s", tokens[i]);
        ask(&scene, command, wrong);
    }
    ask(&scene, "QUORATE.SESSION 0",
        "-ERR a session's timeout is 1 to 2592000000 milliseconds\r\n");
    ask(&scene, "QUORATE.SESSION 2592000001",
        "-ERR a session's timeout is 1 to 2592000000 milliseconds\r\n");
    ask(&scene, "QUORATE.SESSION 1 2", "-ERR syntax error\r\n");
    ask(&scene, "IDEMPOTENT qs INCR c", ":1\r\n"); /* a token like any other */
    scene_deinit(&scene);
}

static void they_pass_no_read(void **state)
{
    struct scene scene;
    struct qr_engine *engine = &scene.fixture.engine;

    (void)state;
    scene_init(&scene);
    engine->is_automatic = false;
    fixture_send(&scene.fixture, scene.client,
                 "GET c\r\nIDEMPOTENT t INCR c\r\nGET c\r\nOUTCOME t\r\n");
    fixture_turn(&scene.fixture);
    assert_int_equal(engine->waiting_count, 1);
    while (engine->waiting_count > 0) {
        fake_engine_end(engine, 0, 0);
        fixture_turn(&scene.fixture);
    }
    fixture_expect(&scene.fixture, scene.client, "$-1\r\n:1\r\n$1\r\n1\r\n:1\r\n");
    scene_deinit(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_repeat_gets_the_first_answer_whatever_it_was),
        cmocka_unit_test(what_never_came_is_settled_and_never_happens),
        cmocka_unit_test(an_outcome_asked_behind_a_command_under_way_is_its_answer),
        cmocka_unit_test(another_command_under_the_same_token_is_refused),
        cmocka_unit_test(what_cannot_be_idempotent_is_refused_in_words),
        cmocka_unit_test(a_whole_transaction_can_be_idempotent),
        cmocka_unit_test(each_end_has_its_word),
        cmocka_unit_test(a_refusal_at_once_is_answered_too),
        cmocka_unit_test(under_a_session_a_repeat_is_never_taken_for_new),
        cmocka_unit_test(what_is_no_session_is_refused_in_words),
        cmocka_unit_test(they_pass_no_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
