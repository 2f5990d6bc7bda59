/* test_server_backup.c: a backup over a connection: in order, bounded, and gone when it is. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/server_fixture.h"
#include "support/unit.h"

#define SWEEPS_MS 3500 /* of a server that looks at its clients once a second */

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

static void give(struct scene *scene, const char *piece)
{
    assert_true(scene->fixture.engine.backup.is_wanted);
    fake_engine_give(&scene->fixture.engine, 0, piece, strlen(piece));
    fixture_turn(&scene->fixture);
}

static bool is_open(const struct scene *scene)
{
    return scene->fixture.engine.backup.engine != NULL;
}

static void it_comes_piece_by_piece_and_ends(void **state)
{
    struct scene scene;

    (void)state;
    scene_init(&scene);
    say(&scene, "QUORATE.BACKUP\r\n");
    fixture_expect_nothing(&scene.fixture, scene.client);
    give(&scene, "head");
    hear(&scene, "$4\r\nhead\r\n");
    say(&scene, "quorate.backup next\r\n");
    give(&scene, "first");
    hear(&scene, "$5\r\nfirst\r\n");
    say(&scene, "QUORATE.BACKUP NEXT\r\n");
    give(&scene, "");
    hear(&scene, "$0\r\n\r\n");
    assert_false(is_open(&scene));
    say(&scene, "QUORATE.BACKUP NEXT\r\n");
    hear(&scene, "-ERR there is no backup on this connection any more: it is over, or nothing was "
                 "asked of it for too long\r\n");
    scene_deinit(&scene);
}

/* Who asks ahead costs no memory: the next piece is asked for when the last one is answered. */
static void pieces_that_are_asked_for_ahead_come_one_by_one(void **state)
{
    struct scene scene;

    (void)state;
    scene_init(&scene);
    say(&scene, "QUORATE.BACKUP\r\nQUORATE.BACKUP NEXT\r\nQUORATE.BACKUP NEXT\r\nPING\r\n");
    give(&scene, "a");
    give(&scene, "b");
    give(&scene, "");
    hear(&scene, "$1\r\na\r\n$1\r\nb\r\n$0\r\n\r\n+PONG\r\n");
    scene_deinit(&scene);
}

/* Give a client that reads nothing, and asks for many, until it gets no more. */
static size_t give_until_behind(struct scene *scene)
{
    static char piece[64 * 1024];
    static char asks[21 * 2000 + 1];
    memset(piece, 'x', sizeof(piece));
    for (size_t i = 0; i < 2000; i++) {
        memcpy(asks + i * 21, "QUORATE.BACKUP NEXT\r\n", 21);
    }
    say(scene, "QUORATE.BACKUP\r\n");
    give(scene, "head");
    hear(scene, "$4\r\nhead\r\n");
    fixture_send(&scene->fixture, scene->client, asks);
    fixture_turn(&scene->fixture);
    size_t given = 0;
    while (scene->fixture.engine.backup.is_wanted) {
        fake_engine_give(&scene->fixture.engine, 0, piece, sizeof(piece));
        given++;
        assert_true(given < 1000);
        fixture_turn(&scene->fixture);
    }
    return given;
}

/* A client that reads nothing is not read for: pieces stop at a part of its limit. */
static void a_client_that_does_not_read_gets_no_more(void **state)
{
    struct scene scene;

    (void)state;
    scene_init(&scene);
    size_t given = give_until_behind(&scene);
    assert_true(is_open(&scene));
    assert_true(given > 2);
    scene_deinit(&scene);
}

static void run_for(struct scene *scene, uint64_t milliseconds)
{
    uint64_t end_ms = uv_now(&scene->fixture.loop) + milliseconds;

    while (uv_now(&scene->fixture.loop) < end_ms) {
        uv_run(&scene->fixture.loop, UV_RUN_ONCE); /* the server's own timer ends it */
    }
}

/* What it asked for waits for it to take what it was given: it may be slow at that. */
static void a_slow_client_is_not_given_up_as_idle(void **state)
{
    struct scene scene;

    (void)state;
    struct server_options options = fixture_options(&scene.fixture);
    options.backup_idle_ms = 2000; /* a loaded machine is idle for long before it asks */
    fixture_init(&scene.fixture, &options);
    scene.fixture.engine.is_automatic = false;
    scene.client = fixture_connect(&scene.fixture);
    (void)give_until_behind(&scene);
    run_for(&scene, SWEEPS_MS);
    assert_true(is_open(&scene));
    static char taken[64 * 1024];
    while (!scene.fixture.engine.backup.is_wanted) { /* it reads, and its next is asked for */
        assert_true(is_open(&scene));
        (void)recv(scene.client, taken, sizeof(taken), MSG_DONTWAIT);
        uv_run(&scene.fixture.loop, UV_RUN_NOWAIT);
    }
    scene_deinit(&scene);
}

static void what_goes_wrong_is_said_and_ends_it(void **state)
{
    static const struct {
        int status;
        const char *reply;
    } rows[] = {
        {QR_ERR_NO_LEADER, "-CLUSTERDOWN no leader is known; there is no backup\r\n"},
        {QR_ERR_TIMEOUT, "-CLUSTERDOWN the leader did not answer in time; there is no backup\r\n"},
        {QR_ERR_DISK_FULL,
         "-READONLY the disk is full, no snapshot can be taken; there is no backup\r\n"},
        {QR_ERR_BUSY, "-TRYAGAIN other backups are being taken, or too much is waiting\r\n"},
        {QR_ERR_BEHIND,
         "-TRYAGAIN this node is taking a leader's snapshot over; ask again, or another node\r\n"},
        {QR_ERR_TOO_LARGE, "-ERR the log counts beyond what a backup holds\r\n"},
        {QR_ERR_STOPPED, "-TRYAGAIN this node has stopped; there is no backup\r\n"},
        {QR_ERR_CORRUPT, "-ERR the snapshot is damaged on this node's disk; ask another node\r\n"},
        {QR_ERR_IO,
         "-ERR the snapshot could not be taken or read; the log of the node says why\r\n"},
    };
    struct scene scene;

    (void)state;
    scene_init(&scene);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        say(&scene, "QUORATE.BACKUP\r\n");
        fake_engine_give(&scene.fixture.engine, rows[i].status, NULL, 0);
        hear(&scene, rows[i].reply);
        assert_false(is_open(&scene));
        scene.fixture.engine.refusal = rows[i].status;
        say(&scene, "QUORATE.BACKUP\r\n");
        hear(&scene, rows[i].reply);
        scene.fixture.engine.refusal = 0;
    }
    say(&scene, "QUORATE.BACKUP\r\n");
    give(&scene, "head");
    hear(&scene, "$4\r\nhead\r\n");
    scene.fixture.engine.refusal = QR_ERR_STOPPED;
    say(&scene, "QUORATE.BACKUP NEXT\r\n");
    hear(&scene, "-TRYAGAIN this node has stopped; there is no backup\r\n");
    assert_false(is_open(&scene));
    scene_deinit(&scene);
}

static void other_arguments_are_refused(void **state)
{
    struct scene scene;

    (void)state;
    scene_init(&scene);
    say(&scene, "QUORATE.BACKUP LAST\r\n");
    hear(&scene, "-ERR syntax error\r\n");
    say(&scene, "QUORATE.BACKUP NEXT 1\r\n");
    hear(&scene, "-ERR syntax error\r\n");
    scene_deinit(&scene);
}

static void a_second_one_ends_the_first(void **state)
{
    struct scene scene;

    (void)state;
    scene_init(&scene);
    say(&scene, "QUORATE.BACKUP\r\n");
    give(&scene, "one");
    hear(&scene, "$3\r\none\r\n");
    say(&scene, "QUORATE.BACKUP\r\n");
    give(&scene, "two");
    hear(&scene, "$3\r\ntwo\r\n");
    scene_deinit(&scene);
}

/* Waiting for a piece, or not: the connection's end is the backup's. */
static void it_ends_with_the_connection(void **state)
{
    (void)state;
    for (int is_waiting = 0; is_waiting < 2; is_waiting++) {
        struct scene scene;
        scene_init(&scene);
        say(&scene, "QUORATE.BACKUP\r\n");
        if (!is_waiting) {
            give(&scene, "head");
            hear(&scene, "$4\r\nhead\r\n");
        }
        assert_true(is_open(&scene));
        struct linger now = {.l_onoff = 1};
        assert_int_equal(setsockopt(scene.client, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
        close(scene.client);
        while (is_open(&scene)) {
            uv_run(&scene.fixture.loop, UV_RUN_ONCE);
        }
        scene.client = fixture_connect(&scene.fixture);
        scene_deinit(&scene);
    }
}

static void one_that_nobody_goes_on_with_is_given_up(void **state)
{
    struct scene scene;

    (void)state;
    struct server_options options = fixture_options(&scene.fixture);
    options.backup_idle_ms = 100;
    fixture_init(&scene.fixture, &options);
    scene.fixture.engine.is_automatic = false;
    scene.client = fixture_connect(&scene.fixture);
    say(&scene, "QUORATE.BACKUP\r\n");
    give(&scene, "head");
    hear(&scene, "$4\r\nhead\r\n");
    while (is_open(&scene)) {
        uv_run(&scene.fixture.loop, UV_RUN_ONCE);
    }
    say(&scene, "PING\r\n");
    hear(&scene, "+PONG\r\n");
    scene_deinit(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_comes_piece_by_piece_and_ends),
        cmocka_unit_test(pieces_that_are_asked_for_ahead_come_one_by_one),
        cmocka_unit_test(a_client_that_does_not_read_gets_no_more),
        cmocka_unit_test(a_slow_client_is_not_given_up_as_idle),
        cmocka_unit_test(what_goes_wrong_is_said_and_ends_it),
        cmocka_unit_test(other_arguments_are_refused),
        cmocka_unit_test(a_second_one_ends_the_first),
        cmocka_unit_test(it_ends_with_the_connection),
        cmocka_unit_test(one_that_nobody_goes_on_with_is_given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
