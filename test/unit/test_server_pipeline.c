/* test_server_pipeline.c: replies come in order, and reads and writes keep their places. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/server_fixture.h"
#include "support/unit.h"

/* A fixture whose engine ends nothing by itself, and one client. */
struct scene {
    struct server_fixture fixture;
    int client;
};

static void scene_init(struct scene *scene)
{
    fixture_init(&scene->fixture, NULL);
    scene->fixture.engine.is_automatic = false;
    scene->client = fixture_connect(&scene->fixture);
}

static void scene_deinit(struct scene *scene)
{
    close(scene->client);
    fixture_deinit(&scene->fixture);
}

static void say(struct scene *scene, const char *commands)
{
    fixture_send(&scene->fixture, scene->client, commands);
    fixture_turn(&scene->fixture);
}

static void hear(struct scene *scene, const char *expected)
{
    fixture_expect(&scene->fixture, scene->client, expected);
}

static void a_write_then_a_read_give_what_was_written(void **state)
{
    struct server_fixture fixture;

    (void)state;
    fixture_init(&fixture, NULL);
    int client = fixture_connect(&fixture);
    fixture_ask(&fixture, client, "SET k v", "+OK\r\n");
    fixture_ask(&fixture, client, "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", "$1\r\nv\r\n");
    close(client);
    fixture_deinit(&fixture);
}

static void a_run_of_writes_is_in_flight_together(void **state)
{
    struct scene scene;

    (void)state;
    scene_init(&scene);
    say(&scene, "SET a 1\r\nSET b 2\r\nSET c 3\r\n");
    assert_int_equal(scene.fixture.engine.waiting_count, 3);
    scene_deinit(&scene);
}

static void replies_keep_the_order_of_commands_when_answers_do_not(void **state)
{
    struct scene scene;

    (void)state;
    scene_init(&scene);
    say(&scene, "INCRBY a 1\r\nINCRBY b 2\r\nINCRBY c 3\r\nPING\r\n");
    fake_engine_end(&scene.fixture.engine, 2, 0);
    fake_engine_end(&scene.fixture.engine, 1, 0);
    fixture_expect_nothing(&scene.fixture, scene.client);
    fake_engine_end(&scene.fixture.engine, 0, 0);
    hear(&scene, ":1\r\n:2\r\n:3\r\n+PONG\r\n");
    scene_deinit(&scene);
}

static void a_snapshot_is_answered_in_its_place_with_its_index(void **state)
{
    struct scene scene;
    struct qr_engine *engine = &scene.fixture.engine;

    (void)state;
    scene_init(&scene);
    say(&scene, "SET a 1\r\nQUORATE.SNAPSHOT\r\nPING\r\n");
    engine->index = 41;
    fake_engine_end(engine, 1, 0);
    fixture_expect_nothing(&scene.fixture, scene.client);
    fake_engine_end(engine, 0, 0);
    hear(&scene, "+OK\r\n:41\r\n+PONG\r\n");
    say(&scene, "QUORATE.SNAPSHOT\r\n");
    fake_engine_end(engine, 0, QR_ERR_DISK_FULL);
    hear(&scene, "-READONLY the disk is full; there is no new snapshot\r\n");
    say(&scene, "QUORATE.SNAPSHOT\r\n");
    fake_engine_end(engine, 0, QR_ERR_IO);
    hear(&scene, "-ERR the snapshot could not be written; the log of the node says why\r\n");
    engine->refusal = QR_ERR_BUSY;
    say(&scene, "QUORATE.SNAPSHOT\r\n");
    hear(&scene, "-TRYAGAIN many wait for a snapshot already\r\n");
    engine->refusal = 0;
    scene_deinit(&scene);
}

static void a_read_behind_a_write_goes_through_the_log(void **state)
{
    struct scene scene;
    struct qr_engine *engine = &scene.fixture.engine;

    (void)state;
    scene_init(&scene);
    say(&scene, "SET k 1\r\nGET k\r\nSET k 2\r\nGET k\r\n");
    assert_int_equal(engine->proposal_count, 4);
    assert_int_equal(engine->barrier_count, 0);
    while (engine->waiting_count > 0) {
        fake_engine_end(engine, 0, 0);
    }
    hear(&scene, "+OK\r\n$1\r\n1\r\n+OK\r\n$1\r\n2\r\n");
    scene_deinit(&scene);
}

static void reads_of_one_turn_share_a_barrier(void **state)
{
    struct scene scene;
    struct qr_engine *engine = &scene.fixture.engine;

    (void)state;
    scene_init(&scene);
    say(&scene, "GET a\r\nGET b\r\nSTRLEN c\r\n");
    assert_int_equal(engine->barrier_count, 1);
    assert_int_equal(engine->proposal_count, 0);
    fake_engine_end(engine, 0, 0);
    hear(&scene, "$-1\r\n$-1\r\n:0\r\n");
    scene_deinit(&scene);
}

static void a_write_behind_a_read_waits_until_it_is_served(void **state)
{
    struct scene scene;
    struct qr_engine *engine = &scene.fixture.engine;

    (void)state;
    scene_init(&scene);
    say(&scene, "GET k\r\nSET k 1\r\nGET k\r\n");
    assert_int_equal(engine->waiting_count, 1);
    assert_int_equal(engine->proposal_count, 0);
    fake_engine_end(engine, 0, 0);
    hear(&scene, "$-1\r\n");
    fixture_turn(&scene.fixture);
    assert_int_equal(engine->proposal_count, 2);
    fake_engine_end(engine, 0, 0);
    fake_engine_end(engine, 0, 0);
    hear(&scene, "+OK\r\n$1\r\n1\r\n");
    scene_deinit(&scene);
}

static void a_quoted_inline_write_that_waits_is_not_mangled(void **state)
{
    struct scene scene;
    struct qr_engine *engine = &scene.fixture.engine;

    (void)state;
    scene_init(&scene);
    say(&scene, "GET k\r\nSET k \"a\\x41 b\"\r\nGET k\r\n");
    fake_engine_end(engine, 0, 0);
    fixture_turn(&scene.fixture);
    fake_engine_end(engine, 0, 0);
    fake_engine_end(engine, 0, 0);
    hear(&scene, "$-1\r\n+OK\r\n$4\r\naA b\r\n");
    scene_deinit(&scene);
}

static void a_scan_behind_a_write_waits_for_it(void **state)
{
    struct scene scene;
    struct qr_engine *engine = &scene.fixture.engine;

    (void)state;
    scene_init(&scene);
    say(&scene, "SET k 1\r\nSCAN 0\r\n");
    assert_int_equal(engine->waiting_count, 1);
    fake_engine_end(engine, 0, 0);
    fixture_turn(&scene.fixture);
    assert_int_equal(engine->barrier_count, 1);
    fake_engine_end(engine, 0, 0);
    hear(&scene, "+OK\r\n*2\r\n$1\r\n0\r\n*1\r\n$1\r\nk\r\n");
    scene_deinit(&scene);
}

static void a_reply_speaks_the_protocol_of_its_command(void **state)
{
    struct scene scene;
    struct qr_engine *engine = &scene.fixture.engine;
    char answer[1024];

    (void)state;
    scene_init(&scene);
    say(&scene, "GET k\r\nHELLO 3\r\nGET k\r\n");
    while (engine->waiting_count > 0) {
        fake_engine_end(engine, 0, 0);
        fixture_turn(&scene.fixture);
    }
    hear(&scene, "$-1\r\n%7\r\n");
    fixture_receive_until(&scene.fixture, scene.client, "_\r\n", answer, sizeof(answer));
    scene_deinit(&scene);
}

struct error_case {
    const char *name;
    int status;
    const char *command;
    const char *expected;
};

static const struct error_case error_cases[] = {
    {"no leader", QR_ERR_NO_LEADER, "SET k v", "-CLUSTERDOWN no leader is known; not applied\r\n"},
    {"busy", QR_ERR_BUSY, "SET k v", "-TRYAGAIN too many commands are waiting; not applied\r\n"},
    {"superseded", QR_ERR_SUPERSEDED, "SET k v", "-TRYAGAIN leadership moved; not applied\r\n"},
    {"not leader", QR_ERR_NOT_LEADER, "SET k v", "-TRYAGAIN leadership moved; not applied\r\n"},
    {"disk full", QR_ERR_DISK_FULL, "SET k v", "-READONLY the disk is full; not applied\r\n"},
    {"too large", QR_ERR_TOO_LARGE, "SET k v",
     "-ERR the command is larger than max-message-bytes, 10485760; not applied\r\n"},
    {"timeout", QR_ERR_TIMEOUT, "SET k v", "-TIMEOUT outcome unknown\r\n"},
    {"stopped", QR_ERR_STOPPED, "SET k v", "-TIMEOUT outcome unknown\r\n"},
    {"read without a leader", QR_ERR_NO_LEADER, "GET k",
     "-CLUSTERDOWN no leader is known; nothing was changed\r\n"},
    {"read that timed out", QR_ERR_TIMEOUT, "GET k",
     "-TIMEOUT no answer in time; nothing was changed\r\n"},
};

static void errors_say_whether_anything_happened(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(error_cases); i++) {
        struct scene scene;
        scene_init(&scene);
        say(&scene, error_cases[i].command);
        say(&scene, "\r\n");
        print_message("%s\n", error_cases[i].name);
        fake_engine_end(&scene.fixture.engine, 0, error_cases[i].status);
        hear(&scene, error_cases[i].expected);
        scene_deinit(&scene);
    }
}

static bool ends_with(const char *text, const char *end)
{
    size_t text_bytes = strlen(text);
    size_t end_bytes = strlen(end);
    return text_bytes >= end_bytes && strcmp(text + text_bytes - end_bytes, end) == 0;
}

/* What the library says of an error, and what a Redis client is told. */
static void a_write_is_told_as_not_applied_if_the_library_says_so(void **state)
{
    static const int errors[] = {
#define X(name, value, kind, text) name,
        QR_ERROR_MAP(X)
#undef X
            - 9999, /* of a later version */
    };
    char answer[128];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        struct scene scene;
        scene_init(&scene);
        say(&scene, "SET k v\r\n");
        fake_engine_end(&scene.fixture.engine, 0, errors[i]);
        fixture_receive_until(&scene.fixture, scene.client, "\r\n", answer, sizeof(answer));
        bool is_certain = ends_with(answer, "; not applied\r\n") ||
                          ends_with(answer, " is not applied\r\n") ||
                          strncmp(answer, "-NOTAPPLIED ", 12) == 0;
        bool is_unknown = strncmp(answer, "-TIMEOUT ", 9) == 0 ||
                          strncmp(answer, "-FORGOTTEN ", 11) == 0 ||
                          strncmp(answer, "-UNKNOWN ", 9) == 0;
        print_message("%s: %s", qr_error_name(errors[i]), answer);
        assert_int_equal(is_certain, qr_error_is_certain(errors[i]));
        assert_int_equal(is_unknown, !is_certain);
        scene_deinit(&scene);
    }
}

static void a_refusal_of_the_engine_is_a_reply_in_its_place(void **state)
{
    struct scene scene;
    struct qr_engine *engine = &scene.fixture.engine;

    (void)state;
    scene_init(&scene);
    say(&scene, "SET a 1\r\n");
    engine->refusal = QR_ERR_BUSY;
    say(&scene, "SET b 2\r\n");
    engine->refusal = QR_ERR_STOPPED;
    say(&scene, "SET c 3\r\n");
    fixture_expect_nothing(&scene.fixture, scene.client);
    fake_engine_end(engine, 0, 0);
    hear(&scene, "+OK\r\n-TRYAGAIN too many commands are waiting; not applied\r\n"
                 "-CLUSTERDOWN this node has stopped; not applied\r\n");
    say(&scene, "GET a\r\n");
    hear(&scene, "-TRYAGAIN this node has stopped; nothing was changed\r\n");
    scene_deinit(&scene);
}

static void past_the_pipeline_limit_the_socket_is_not_read(void **state)
{
    struct scene scene;
    struct server_options options = fixture_options(&scene.fixture);
    struct qr_engine *engine = &scene.fixture.engine;

    (void)state;
    options.pipeline_commands_max = 4;
    fixture_init(&scene.fixture, &options);
    engine->is_automatic = false;
    scene.client = fixture_connect(&scene.fixture);
    for (int i = 0; i < 10; i++) {
        fixture_send(&scene.fixture, scene.client, "INCR n\r\n");
    }
    fixture_turn(&scene.fixture);
    assert_int_equal(engine->waiting_count, 4);
    fake_engine_end(engine, 0, 0);
    fixture_turn(&scene.fixture);
    assert_int_equal(engine->waiting_count, 3);
    while (engine->waiting_count > 0) {
        fake_engine_end(engine, 0, 0);
        fixture_turn(&scene.fixture);
    }
    hear(&scene, ":1\r\n:2\r\n:3\r\n:4\r\n:5\r\n:6\r\n:7\r\n:8\r\n:9\r\n:10\r\n");
    scene_deinit(&scene);
}

static uint64_t commands_taken(struct server_fixture *fixture)
{
    static const char mark[] = "total_commands_processed:";
    char info[16384];
    int socket = fixture_connect(fixture);

    fixture_send(fixture, socket, "INFO stats\r\n");
    (void)fixture_receive_until(fixture, socket, "instantaneous_ops_per_sec:", info, sizeof(info));
    close(socket);
    return strtoull(strstr(info, mark) + sizeof(mark) - 1, NULL, 10);
}

static void replies_that_wait_count_in_the_limit(void **state)
{
    enum { COMMANDS = 2000 };
    struct scene scene;
    struct server_options options = fixture_options(&scene.fixture);
    struct qr_engine *engine = &scene.fixture.engine;
    size_t statuses = 0;

    (void)state;
    options.pipeline_bytes_max = 65536;
    fixture_init(&scene.fixture, &options);
    engine->is_automatic = false;
    scene.client = fixture_connect(&scene.fixture);
    say(&scene, "INCR n\r\n");
    for (int i = 0; i < COMMANDS; i++) {
        fixture_send(&scene.fixture, scene.client, "QUORATE.STATUS\r\n");
    }
    say(&scene, "ECHO end\r\n");
    fixture_turn(&scene.fixture);
    assert_in_range(commands_taken(&scene.fixture), 10, 100);
    fake_engine_end(engine, 0, 0);
    char *heard = calloc(1, 16 << 20);
    assert_non_null(heard);
    size_t bytes =
        fixture_receive_until(&scene.fixture, scene.client, "$3\r\nend\r\n", heard, 16 << 20);
    assert_true(bytes < 16 << 20);
    assert_memory_equal(heard, ":1\r\n", 4);
    for (const char *at = strstr(heard, "{\"node\":"); at != NULL;
         at = strstr(at + 1, "{\"node\":")) {
        statuses++;
    }
    assert_int_equal(statuses, COMMANDS);
    free(heard);
    scene_deinit(&scene);
}

static void answers_for_a_client_that_left_find_nobody(void **state)
{
    struct scene scene;
    struct qr_engine *engine = &scene.fixture.engine;

    (void)state;
    scene_init(&scene);
    say(&scene, "SET a 1\r\nSET b 2\r\n");
    int reader = fixture_connect(&scene.fixture);
    fixture_send(&scene.fixture, reader, "GET a\r\n");
    fixture_turn(&scene.fixture);
    struct linger hard = {.l_onoff = 1, .l_linger = 0};
    assert_int_equal(setsockopt(scene.client, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)), 0);
    assert_int_equal(setsockopt(reader, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)), 0);
    close(scene.client);
    close(reader);
    fixture_turn(&scene.fixture);
    assert_int_equal(engine->waiting_count, 3);
    while (engine->waiting_count > 0) {
        fake_engine_end(engine, 0, 0);
    }
    scene.client = fixture_connect(&scene.fixture);
    engine->is_automatic = true;
    fixture_ask(&scene.fixture, scene.client, "GET a", "$1\r\n1\r\n");
    scene_deinit(&scene);
}

static void a_server_closes_over_unanswered_requests(void **state)
{
    struct scene scene;

    (void)state;
    scene_init(&scene);
    say(&scene, "SET a 1\r\nSET b 2\r\n");
    int reader = fixture_connect(&scene.fixture);
    fixture_send(&scene.fixture, reader, "GET a\r\n");
    fixture_turn(&scene.fixture);
    assert_int_equal(scene.fixture.engine.waiting_count, 3);
    close(reader);
    scene_deinit(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_write_then_a_read_give_what_was_written),
        cmocka_unit_test(a_run_of_writes_is_in_flight_together),
        cmocka_unit_test(replies_keep_the_order_of_commands_when_answers_do_not),
        cmocka_unit_test(a_snapshot_is_answered_in_its_place_with_its_index),
        cmocka_unit_test(a_read_behind_a_write_goes_through_the_log),
        cmocka_unit_test(reads_of_one_turn_share_a_barrier),
        cmocka_unit_test(a_write_behind_a_read_waits_until_it_is_served),
        cmocka_unit_test(a_quoted_inline_write_that_waits_is_not_mangled),
        cmocka_unit_test(a_scan_behind_a_write_waits_for_it),
        cmocka_unit_test(a_reply_speaks_the_protocol_of_its_command),
        cmocka_unit_test(errors_say_whether_anything_happened),
        cmocka_unit_test(a_write_is_told_as_not_applied_if_the_library_says_so),
        cmocka_unit_test(a_refusal_of_the_engine_is_a_reply_in_its_place),
        cmocka_unit_test(past_the_pipeline_limit_the_socket_is_not_read),
        cmocka_unit_test(replies_that_wait_count_in_the_limit),
        cmocka_unit_test(answers_for_a_client_that_left_find_nobody),
        cmocka_unit_test(a_server_closes_over_unanswered_requests),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
