/* test_server_reads.c: the kind of each read, and the age of those that ask nobody. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <unistd.h>

#include "support/server_fixture.h"
#include "support/unit.h"

struct scene {
    struct server_fixture fixture;
    int client;
};

static void scene_init(struct scene *scene)
{
    fixture_init(&scene->fixture, NULL);
    scene->client = fixture_connect(&scene->fixture);
    scene->fixture.engine.status.age_ms = 40;
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

static void each_kind_is_asked_of_the_engine(void **state)
{
    static const struct {
        const char *command;
        enum qr_read_kind kind;
    } rows[] = {
        {"QUORATE.READ lease", QR_READ_LEASE},
        {"QUORATE.READ LINEARIZABLE", QR_READ_LINEARIZABLE},
        {"quorate.read configured", QR_READ_CONFIGURED},
    };
    struct scene scene;

    (void)state;
    scene_init(&scene);
    ask(&scene, "SET k v", "+OK\r\n");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        size_t before = scene.fixture.engine.barrier_count;
        ask(&scene, rows[i].command, "+OK\r\n");
        ask(&scene, "GET k", "$1\r\nv\r\n");
        assert_int_equal(scene.fixture.engine.read_kind, rows[i].kind);
        assert_int_equal(scene.fixture.engine.barrier_count, before + 1);
    }
    scene_deinit(&scene);
}

static void configured_is_what_the_node_was_given(void **state)
{
    struct scene scene;
    struct server_options options = fixture_options(&scene.fixture);

    (void)state;
    options.read = (struct qr_read_options){.kind = QR_READ_STALE, .age_ms_max = QR_AGE_ANY};
    fixture_init(&scene.fixture, &options);
    scene.client = fixture_connect(&scene.fixture);
    ask(&scene, "QUORATE.READ linearizable", "+OK\r\n");
    ask(&scene, "QUORATE.READ configured", "+OK\r\n");
    ask(&scene, "QUORATE.READ", "$5\r\nstale\r\n");
    ask(&scene, "GET k", "$-1\r\n");
    assert_int_equal(scene.fixture.engine.barrier_count, 0);
    scene_deinit(&scene);
}

static void a_stale_read_asks_nobody(void **state)
{
    struct scene scene;

    (void)state;
    scene_init(&scene);
    ask(&scene, "SET k v", "+OK\r\n");
    ask(&scene, "QUORATE.READ STALE", "+OK\r\n");
    scene.fixture.engine.refusal = QR_ERR_NO_LEADER;
    ask(&scene, "GET k", "$1\r\nv\r\n");
    ask(&scene, "MGET k none", "*2\r\n$1\r\nv\r\n$-1\r\n");
    ask(&scene, "SCAN 0", "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nk\r\n");
    assert_int_equal(scene.fixture.engine.barrier_count, 0);
    assert_int_equal(scene.fixture.engine.stale_count, 3);
    ask(&scene, "WATCH k", "-CLUSTERDOWN no leader is known; nothing was changed\r\n");
    scene_deinit(&scene);
}

static void what_is_too_old_is_refused_in_words(void **state)
{
    struct scene scene;
    struct qr_engine *engine = &scene.fixture.engine;

    (void)state;
    scene_init(&scene);
    ask(&scene, "QUORATE.READ STALE 40", "+OK\r\n");
    ask(&scene, "GET k", "$-1\r\n");
    engine->status.age_ms = 41;
    ask(&scene, "GET k",
        "-STALE what is applied here may be 41 ms old, and at most 40 ms were asked for; nothing "
        "was changed\r\n");
    engine->status.age_ms = QR_AGE_UNKNOWN;
    ask(&scene, "GET k",
        "-STALE how old it is, what is applied here, is not known, and at most 40 ms were asked "
        "for; nothing was changed\r\n");
    ask(&scene, "QUORATE.READ STALE", "+OK\r\n");
    ask(&scene, "GET k", "$-1\r\n");
    engine->age_status = QR_ERR_BUSY;
    ask(&scene, "GET k", "-TRYAGAIN this node is taking over a snapshot; nothing was changed\r\n");
    engine->age_status = QR_ERR_NO_LEADER;
    ask(&scene, "GET k", "-CLUSTERDOWN this node is in no cluster yet; nothing was changed\r\n");
    engine->age_status = QR_ERR_STOPPED;
    ask(&scene, "GET k", "-TRYAGAIN this node has stopped; nothing was changed\r\n");
    scene_deinit(&scene);
}

static void the_age_comes_with_the_answer(void **state)
{
    struct scene scene;

    (void)state;
    scene_init(&scene);
    ask(&scene, "SET k v", "+OK\r\n");
    ask(&scene, "QUORATE.STALE ANY GET k", "*2\r\n:40\r\n$1\r\nv\r\n");
    ask(&scene, "quorate.stale 40 mget k", "*2\r\n:40\r\n*1\r\n$1\r\nv\r\n");
    ask(&scene, "QUORATE.STALE 39 GET k",
        "-STALE what is applied here may be 40 ms old, and at most 39 ms were asked for; nothing "
        "was changed\r\n");
    ask(&scene, "QUORATE.AGE", ":40\r\n");
    scene.fixture.engine.status.age_ms = QR_AGE_UNKNOWN;
    ask(&scene, "QUORATE.STALE any GET k", "*2\r\n$-1\r\n$1\r\nv\r\n");
    ask(&scene, "QUORATE.AGE", "$-1\r\n");
    assert_int_equal(scene.fixture.engine.barrier_count, 0);
    scene_deinit(&scene);
}

static void what_is_no_such_read_is_refused(void **state)
{
    static const char number[] = "-ERR the age is not a number of milliseconds, or too large\r\n";
    static const char reads[] = "-ERR only a command of the store that reads can be stale\r\n";
    struct scene scene;

    (void)state;
    scene_init(&scene);
    ask(&scene, "QUORATE.READ dirty", "-ERR syntax error\r\n");
    ask(&scene, "QUORATE.READ lease 5", "-ERR syntax error\r\n");
    ask(&scene, "QUORATE.READ stale 5 6", "-ERR syntax error\r\n");
    ask(&scene, "QUORATE.READ stale soon", number);
    ask(&scene, "QUORATE.READ stale 1000000001", number);
    ask(&scene, "QUORATE.STALE -1 GET k", number);
    ask(&scene, "QUORATE.STALE 5 SET k v", reads);
    ask(&scene, "QUORATE.STALE 5 PING", reads);
    ask(&scene, "QUORATE.STALE 5 GET", "-ERR wrong number of arguments for 'get' command\r\n");
    ask(&scene, "QUORATE.READ", "$10\r\nconfigured\r\n");
    scene_deinit(&scene);
}

static void the_kind_is_the_connections_and_ends_with_a_reset(void **state)
{
    struct scene scene;

    (void)state;
    scene_init(&scene);
    int other = fixture_connect(&scene.fixture);
    ask(&scene, "QUORATE.READ STALE 5", "+OK\r\n");
    ask(&scene, "QUORATE.READ", "$7\r\nstale 5\r\n");
    fixture_ask(&scene.fixture, other, "QUORATE.READ", "$10\r\nconfigured\r\n");
    ask(&scene, "QUORATE.READ STALE", "+OK\r\n");
    ask(&scene, "QUORATE.READ", "$5\r\nstale\r\n");
    ask(&scene, "RESET", "+RESET\r\n");
    ask(&scene, "QUORATE.READ", "$10\r\nconfigured\r\n");
    close(other);
    scene_deinit(&scene);
}

/* READONLY says who answers, and QUORATE.READ how: a cluster-aware client that said neither is
 * sent to the leader, whatever the kind of its reads.
 */
static void readonly_goes_on_meaning_what_it_means(void **state)
{
    static const char meta[] = "client=127.0.0.1:7711";
    struct scene scene;
    struct qr_engine *engine = &scene.fixture.engine;

    (void)state;
    scene_init(&scene);
    fake_engine_add_member(engine, 2, "n2", meta);
    engine->status.role = QR_FOLLOWER;
    engine->status.leader_id = 2;
    memcpy(engine->status.leader_name, "n2", sizeof("n2"));
    memcpy(engine->status.leader_meta, meta, sizeof(meta));
    ask(&scene, "READONLY", "+OK\r\n");
    ask(&scene, "GET k", "$-1\r\n");
    assert_int_equal(engine->barrier_count, 1);
    ask(&scene, "READWRITE", "+OK\r\n");
    ask(&scene, "QUORATE.READ STALE", "+OK\r\n");
    ask(&scene, "GET k", "-MOVED 7629 127.0.0.1:7711\r\n");
    ask(&scene, "QUORATE.STALE ANY GET k", "*2\r\n:40\r\n$-1\r\n");
    scene_deinit(&scene);
}

/* In its turn it sees what was answered before it on its connection, and passes nothing. */
static void a_stale_read_keeps_its_place(void **state)
{
    struct scene scene;
    struct qr_engine *engine = &scene.fixture.engine;

    (void)state;
    scene_init(&scene);
    engine->is_automatic = false;
    fixture_send(&scene.fixture, scene.client,
                 "QUORATE.READ STALE\r\nSET k 1\r\nGET k\r\nSET k 2\r\nGET k\r\n");
    fixture_turn(&scene.fixture);
    fixture_expect(&scene.fixture, scene.client, "+OK\r\n");
    assert_int_equal(engine->waiting_count, 1); /* a write does not pass the read before it */
    engine->status.age_ms = 41;
    fake_engine_end(engine, 0, 0);
    fixture_turn(&scene.fixture);
    assert_int_equal(engine->waiting_count, 1);
    fake_engine_end(engine, 0, 0);
    fixture_expect(&scene.fixture, scene.client, "+OK\r\n$1\r\n1\r\n+OK\r\n$1\r\n2\r\n");
    assert_int_equal(engine->proposal_count, 2);
    assert_int_equal(engine->barrier_count, 0);
    scene_deinit(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_is_asked_of_the_engine),
        cmocka_unit_test(configured_is_what_the_node_was_given),
        cmocka_unit_test(a_stale_read_asks_nobody),
        cmocka_unit_test(what_is_too_old_is_refused_in_words),
        cmocka_unit_test(the_age_comes_with_the_answer),
        cmocka_unit_test(what_is_no_such_read_is_refused),
        cmocka_unit_test(the_kind_is_the_connections_and_ends_with_a_reset),
        cmocka_unit_test(readonly_goes_on_meaning_what_it_means),
        cmocka_unit_test(a_stale_read_keeps_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
