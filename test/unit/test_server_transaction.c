/* test_server_transaction.c: MULTI, EXEC, DISCARD and WATCH, as Redis words and does them. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/server_fixture.h"
#include "support/unit.h"

struct scene {
    struct server_fixture fixture;
    int client;
    int other;
};

static void scene_init(struct scene *scene)
{
    fixture_init(&scene->fixture, NULL);
    scene->client = fixture_connect(&scene->fixture);
    scene->other = fixture_connect(&scene->fixture);
}

static void scene_deinit(struct scene *scene)
{
    close(scene->client);
    close(scene->other);
    fixture_deinit(&scene->fixture);
}

static void ask(struct scene *scene, const char *command, const char *expected)
{
    fixture_ask(&scene->fixture, scene->client, command, expected);
}

static void other_asks(struct scene *scene, const char *command, const char *expected)
{
    fixture_ask(&scene->fixture, scene->other, command, expected);
}

static void what_is_queued_is_one_entry_and_answered_in_one_array(void **state)
{
    struct scene scene;

    (void)state;
    scene_init(&scene);
    ask(&scene, "MULTI", "+OK\r\n");
    ask(&scene, "SET a 1", "+QUEUED\r\n");
    ask(&scene, "incr a", "+QUEUED\r\n");
    ask(&scene, "GET a", "+QUEUED\r\n");
    ask(&scene, "MGET a b", "+QUEUED\r\n");
    assert_int_equal(scene.fixture.engine.proposal_count, 0);
    ask(&scene, "EXEC", "*4\r\n+OK\r\n:2\r\n$1\r\n2\r\n*2\r\n$1\r\n2\r\n$-1\r\n");
    assert_int_equal(scene.fixture.engine.proposal_count, 1);
    assert_true(scene.fixture.engine.is_last_guarded);
    ask(&scene, "EXEC", "-ERR EXEC without MULTI\r\n");
    scene_deinit(&scene);
}

static void an_empty_transaction_is_an_empty_array(void **state)
{
    struct scene scene;

    (void)state;
    scene_init(&scene);
    ask(&scene, "MULTI", "+OK\r\n");
    ask(&scene, "EXEC", "*0\r\n");
    assert_int_equal(scene.fixture.engine.proposal_count, 0);
    scene_deinit(&scene);
}

static void what_does_not_fit_the_state_is_an_error_as_in_redis(void **state)
{
    struct scene scene;

    (void)state;
    scene_init(&scene);
    ask(&scene, "EXEC", "-ERR EXEC without MULTI\r\n");
    ask(&scene, "DISCARD", "-ERR DISCARD without MULTI\r\n");
    ask(&scene, "MULTI", "+OK\r\n");
    ask(&scene, "MULTI", "-ERR MULTI calls can not be nested\r\n");
    ask(&scene, "WATCH a", "-ERR WATCH inside MULTI is not allowed\r\n");
    ask(&scene, "SET a 1", "+QUEUED\r\n");
    ask(&scene, "EXEC", "*1\r\n+OK\r\n"); /* neither spoils the transaction */
    scene_deinit(&scene);
}

static void a_refused_command_spoils_the_transaction(void **state)
{
    static const struct {
        const char *command;
        const char *refusal;
    } rows[] = {
        {"NOPE", "-ERR unknown command 'NOPE', with args beginning with: \r\n"},
        {"SET a", "-ERR wrong number of arguments for 'set' command\r\n"},
        {"PING", "-ERR Command not allowed inside a transaction\r\n"},
        {"ECHO", "-ERR wrong number of arguments for 'echo' command\r\n"},
        {"QUORATE.PROPOSE x", "-ERR Command not allowed inside a transaction\r\n"},
        {"SCAN 0", "-ERR Command not allowed inside a transaction\r\n"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct scene scene;
        scene_init(&scene);
        ask(&scene, "MULTI", "+OK\r\n");
        ask(&scene, "SET a 1", "+QUEUED\r\n");
        ask(&scene, rows[i].command, rows[i].refusal);
        ask(&scene, "SET b 1", "+QUEUED\r\n");
        ask(&scene, "EXEC", "-EXECABORT Transaction discarded because of previous errors.\r\n");
        ask(&scene, "GET a", "$-1\r\n");
        ask(&scene, "MULTI", "+OK\r\n"); /* forgotten with it */
        ask(&scene, "EXEC", "*0\r\n");
        scene_deinit(&scene);
    }
}

static void an_error_when_executed_is_its_commands_answer(void **state)
{
    struct scene scene;

    (void)state;
    scene_init(&scene);
    ask(&scene, "MULTI", "+OK\r\n");
    ask(&scene, "SET a x", "+QUEUED\r\n");
    ask(&scene, "INCR a", "+QUEUED\r\n");
    ask(&scene, "SET b 1 EX x", "+QUEUED\r\n");
    ask(&scene, "SET c 1", "+QUEUED\r\n");
    ask(&scene, "EXEC",
        "*4\r\n+OK\r\n-ERR value is not an integer or out of range\r\n-ERR value is not an "
        "integer or out of range\r\n+OK\r\n");
    ask(&scene, "GET c", "$1\r\n1\r\n");
    scene_deinit(&scene);
}

static void discard_and_reset_forget_everything(void **state)
{
    static const struct {
        const char *command;
        const char *answer;
    } rows[] = {{"DISCARD", "+OK\r\n"}, {"RESET", "+RESET\r\n"}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct scene scene;
        scene_init(&scene);
        ask(&scene, "WATCH k", "+OK\r\n");
        ask(&scene, "MULTI", "+OK\r\n");
        ask(&scene, "SET a 1", "+QUEUED\r\n");
        ask(&scene, rows[i].command, rows[i].answer);
        ask(&scene, "GET a", "$-1\r\n");
        other_asks(&scene, "SET k 1", "+OK\r\n");
        ask(&scene, "MULTI", "+OK\r\n");
        ask(&scene, "SET a 2", "+QUEUED\r\n");
        ask(&scene, "EXEC", "*1\r\n+OK\r\n");
        scene_deinit(&scene);
    }
}

static void a_change_of_a_watched_key_ends_it_in_nothing(void **state)
{
    struct scene scene;

    (void)state;
    scene_init(&scene);
    ask(&scene, "SET k 1", "+OK\r\n");
    for (int version = 2; version <= 3; version++) {
        ask(&scene, "WATCH k absent", "+OK\r\n");
        ask(&scene, "MULTI", "+OK\r\n");
        ask(&scene, "SET done 1", "+QUEUED\r\n");
        other_asks(&scene, version == 2 ? "SET absent 1" : "INCR k",
                   version == 2 ? "+OK\r\n" : ":2\r\n");
        ask(&scene, "EXEC", version == 2 ? "*-1\r\n" : "_\r\n");
        ask(&scene, "GET done", version == 2 ? "$-1\r\n" : "_\r\n");
        ask(&scene, "MULTI", "+OK\r\n"); /* and nothing is watched any more */
        ask(&scene, "DEL absent", "+QUEUED\r\n");
        ask(&scene, "EXEC", "*1\r\n:1\r\n");
        if (version == 2) {
            fixture_send(&scene.fixture, scene.client, "HELLO 3\r\n");
            char hello[1024];
            fixture_receive_until(&scene.fixture, scene.client, "modules\r\n*0\r\n", hello,
                                  sizeof(hello));
            ask(&scene, "SET absent 0", "+OK\r\n");
            ask(&scene, "DEL absent", ":1\r\n");
            ask(&scene, "SET absent 9", "+OK\r\n");
        }
    }
    scene_deinit(&scene);
}

static void unchanged_or_unwatched_keys_let_it_happen(void **state)
{
    struct scene scene;

    (void)state;
    scene_init(&scene);
    ask(&scene, "SET k 1", "+OK\r\n");
    ask(&scene, "WATCH k k", "+OK\r\n");
    other_asks(&scene, "SET unrelated 1", "+OK\r\n");
    ask(&scene, "MULTI", "+OK\r\n");
    ask(&scene, "INCR k", "+QUEUED\r\n");
    ask(&scene, "EXEC", "*1\r\n:2\r\n");
    ask(&scene, "WATCH k", "+OK\r\n");
    other_asks(&scene, "INCR k", ":3\r\n");
    ask(&scene, "UNWATCH", "+OK\r\n");
    ask(&scene, "MULTI", "+OK\r\n");
    ask(&scene, "INCR k", "+QUEUED\r\n");
    ask(&scene, "EXEC", "*1\r\n:4\r\n");
    scene_deinit(&scene);
}

static void a_watch_that_fails_spoils_the_transaction_behind_it(void **state)
{
    struct scene scene;

    (void)state;
    scene_init(&scene);
    scene.fixture.engine.refusal = QR_ERR_NO_LEADER;
    ask(&scene, "WATCH k", "-CLUSTERDOWN no leader is known; nothing was changed\r\n");
    scene.fixture.engine.refusal = 0;
    ask(&scene, "MULTI", "+OK\r\n");
    ask(&scene, "SET k 1", "+QUEUED\r\n");
    ask(&scene, "EXEC", "-EXECABORT Transaction discarded because of previous errors.\r\n");
    assert_int_equal(scene.fixture.engine.proposal_count, 0);
    scene_deinit(&scene);
}

/* WATCH is a read, and EXEC a write: neither passes what is still under way. */
static void a_pipeline_of_all_of_it_keeps_its_order(void **state)
{
    struct scene scene;
    struct qr_engine *engine = &scene.fixture.engine;

    (void)state;
    scene_init(&scene);
    engine->is_automatic = false;
    fixture_send(&scene.fixture, scene.client,
                 "SET k 1\r\nWATCH k\r\nGET k\r\nMULTI\r\nINCR k\r\nEXEC\r\nGET k\r\n");
    fixture_turn(&scene.fixture);
    assert_int_equal(engine->waiting_count, 1); /* the SET */
    while (engine->waiting_count > 0) {
        fake_engine_end(engine, 0, 0);
        fixture_turn(&scene.fixture);
    }
    fixture_expect(&scene.fixture, scene.client,
                   "+OK\r\n+OK\r\n$1\r\n1\r\n+OK\r\n+QUEUED\r\n*1\r\n:2\r\n$1\r\n2\r\n");
    scene_deinit(&scene);
}

static void a_refusal_of_the_engine_is_the_answer_to_exec(void **state)
{
    static const struct {
        int status;
        const char *answer;
    } rows[] = {
        {QR_ERR_VERSION, "-TRYAGAIN a member is too old for this, or was not met yet; not "
                         "applied\r\n"},
        {QR_ERR_NO_LEADER, "-CLUSTERDOWN no leader is known; not applied\r\n"},
        {QR_ERR_TIMEOUT, "-TIMEOUT outcome unknown\r\n"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct scene scene;
        scene_init(&scene);
        ask(&scene, "MULTI", "+OK\r\n");
        ask(&scene, "SET a 1", "+QUEUED\r\n");
        scene.fixture.engine.is_automatic = false;
        fixture_send(&scene.fixture, scene.client, "EXEC\r\n");
        fixture_turn(&scene.fixture);
        fake_engine_end(&scene.fixture.engine, 0, rows[i].status);
        fixture_expect(&scene.fixture, scene.client, rows[i].answer);
        scene_deinit(&scene);
    }
}

static void what_is_queued_has_a_limit_in_bytes(void **state)
{
    static const char too_large[] =
        "-ERR the transaction is larger than max-message-bytes or 65536 commands, or memory ran "
        "out; nothing of it is applied\r\n";
    static char value[400];
    char command[512];
    struct server_fixture fixture;
    struct server_options options = fixture_options(&fixture);

    (void)state;
    options.max_message_bytes = 1024;
    fixture_init(&fixture, &options);
    memset(value, 'x', sizeof(value) - 1);
    int client = fixture_connect(&fixture);
    fixture_ask(&fixture, client, "MULTI", "+OK\r\n");
    snprintf(command, sizeof(command), "SET a %s", value);
    fixture_ask(&fixture, client, command, "+QUEUED\r\n");
    fixture_ask(&fixture, client, command, "+QUEUED\r\n");
    fixture_ask(&fixture, client, command, too_large);
    fixture_ask(&fixture, client, "SET a 1", "+QUEUED\r\n");
    fixture_ask(&fixture, client, "EXEC",
                "-EXECABORT Transaction discarded because of previous errors.\r\n");
    fixture_ask(&fixture, client, "GET a", "$-1\r\n");
    close(client);
    fixture_deinit(&fixture);
}

static void what_is_watched_has_a_limit_and_says_so(void **state)
{
    struct scene scene;
    char command[64];

    (void)state;
    scene_init(&scene);
    for (int i = 0; i < KV_EXEC_WATCHES_MAX; i++) {
        snprintf(command, sizeof(command), "WATCH k%d", i);
        ask(&scene, command, "+OK\r\n");
    }
    ask(&scene, "WATCH k0", "+OK\r\n");
    ask(&scene, "WATCH more",
        "-ERR too many keys are watched, or memory ran out; UNWATCH first\r\n");
    ask(&scene, "MULTI", "+OK\r\n");
    ask(&scene, "SET a 1", "+QUEUED\r\n");
    ask(&scene, "EXEC", "-EXECABORT Transaction discarded because of previous errors.\r\n");
    scene_deinit(&scene);
}

static void a_connection_that_ends_leaves_nothing_behind(void **state)
{
    struct scene scene;

    (void)state;
    scene_init(&scene);
    ask(&scene, "WATCH k", "+OK\r\n");
    ask(&scene, "MULTI", "+OK\r\n");
    ask(&scene, "SET a 1", "+QUEUED\r\n");
    close(scene.client);
    fixture_turn(&scene.fixture);
    scene.client = fixture_connect(&scene.fixture);
    ask(&scene, "GET a", "$-1\r\n");
    ask(&scene, "EXEC", "-ERR EXEC without MULTI\r\n");
    scene_deinit(&scene);
}

/* A cluster-aware client is sent to the leader, and its transaction with it. */
static void a_moved_command_spoils_the_transaction(void **state)
{
    struct scene scene;
    struct qr_engine *engine = &scene.fixture.engine;
    char answer[256];

    (void)state;
    scene_init(&scene);
    fake_engine_add_member(engine, 2, "n2", "client=127.0.0.1:7711");
    engine->status.role = QR_FOLLOWER;
    engine->status.leader_id = 2;
    snprintf(engine->status.leader_meta, sizeof(engine->status.leader_meta),
             "client=127.0.0.1:7711");
    ask(&scene, "READONLY", "+OK\r\n");
    ask(&scene, "MULTI", "+OK\r\n");
    fixture_send(&scene.fixture, scene.client, "SET a 1\r\n");
    (void)fixture_receive_until(&scene.fixture, scene.client, "\r\n", answer, sizeof(answer));
    assert_non_null(strstr(answer, "-MOVED "));
    ask(&scene, "EXEC", "-EXECABORT Transaction discarded because of previous errors.\r\n");
    scene_deinit(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_queued_is_one_entry_and_answered_in_one_array),
        cmocka_unit_test(an_empty_transaction_is_an_empty_array),
        cmocka_unit_test(what_does_not_fit_the_state_is_an_error_as_in_redis),
        cmocka_unit_test(a_refused_command_spoils_the_transaction),
        cmocka_unit_test(a_watch_that_fails_spoils_the_transaction_behind_it),
        cmocka_unit_test(an_error_when_executed_is_its_commands_answer),
        cmocka_unit_test(discard_and_reset_forget_everything),
        cmocka_unit_test(a_change_of_a_watched_key_ends_it_in_nothing),
        cmocka_unit_test(unchanged_or_unwatched_keys_let_it_happen),
        cmocka_unit_test(a_pipeline_of_all_of_it_keeps_its_order),
        cmocka_unit_test(a_refusal_of_the_engine_is_the_answer_to_exec),
        cmocka_unit_test(what_is_queued_has_a_limit_in_bytes),
        cmocka_unit_test(what_is_watched_has_a_limit_and_says_so),
        cmocka_unit_test(a_connection_that_ends_leaves_nothing_behind),
        cmocka_unit_test(a_moved_command_spoils_the_transaction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
