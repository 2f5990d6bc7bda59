/* test_server_long_reply.c: what one command reads is limited, however short the command. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/server_fixture.h"
#include "support/unit.h"

#define VALUE_BYTES 100000
#define OUTPUT_BYTES_MAX (1024 * 1024) /* five values are within half of it, six are not */
#define TOO_LONG "-" KV_REPLY_TOO_LONG "\r\n"

struct scene {
    struct server_fixture fixture;
    int client;
};

static void store(struct scene *scene, const char *key, size_t key_bytes, size_t value_bytes)
{
    char head[64];
    char middle[32];
    char *value = calloc(1, value_bytes + 1);

    assert_non_null(value);
    snprintf(head, sizeof(head), "*3\r\n$3\r\nSET\r\n$%zu\r\n", key_bytes);
    snprintf(middle, sizeof(middle), "\r\n$%zu\r\n", value_bytes);
    fixture_send(&scene->fixture, scene->client, head);
    fixture_send_bytes(&scene->fixture, scene->client, key, key_bytes);
    fixture_send(&scene->fixture, scene->client, middle);
    fixture_send_bytes(&scene->fixture, scene->client, value, value_bytes);
    fixture_send(&scene->fixture, scene->client, "\r\n");
    fixture_expect(&scene->fixture, scene->client, "+OK\r\n");
    free(value);
}

static void scene_init(struct scene *scene)
{
    struct server_options options = fixture_options(&scene->fixture);

    options.output_bytes_max = OUTPUT_BYTES_MAX;
    fixture_init(&scene->fixture, &options);
    scene->client = fixture_connect(&scene->fixture);
    store(scene, "big", 3, VALUE_BYTES);
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

static void a_read_up_to_the_limit_is_answered_whole(void **state)
{
    struct scene scene;
    static char answer[8 * VALUE_BYTES];

    (void)state;
    scene_init(&scene);
    fixture_send(&scene.fixture, scene.client, "MGET big big big big big\r\nQUIT\r\n");
    size_t count = fixture_receive_all(&scene.fixture, scene.client, answer, sizeof(answer));
    assert_int_equal(count, 4 + 5 * (9 + VALUE_BYTES + 2) + 5);
    scene_deinit(&scene);
}

static void a_read_over_the_limit_is_an_error_and_the_next_command_served(void **state)
{
    struct scene scene;

    (void)state;
    scene_init(&scene);
    ask(&scene, "PING\r\nMGET big big big big big big\r\nPING", "+PONG\r\n" TOO_LONG "+PONG\r\n");
    scene_deinit(&scene);
}

static void a_read_over_the_limit_behind_a_write_is_the_same_error(void **state)
{
    struct scene scene;

    (void)state;
    scene_init(&scene);
    ask(&scene, "SET k v\r\nMGET big big big big big big\r\nGET k",
        "+OK\r\n" TOO_LONG "$1\r\nv\r\n");
    scene_deinit(&scene);
}

/* Ten keys of the greatest length: more than the limit, too. */
static void store_long_keys(struct scene *scene)
{
    static char key[KV_KEY_BYTES_MAX];

    memset(key, 'k', sizeof(key));
    for (char first = 'a'; first < 'k'; first++) {
        key[0] = first;
        store(scene, key, sizeof(key), 1);
    }
}

static void a_list_of_keys_over_the_limit_is_an_error(void **state)
{
    struct scene scene;

    (void)state;
    scene_init(&scene);
    store_long_keys(&scene);
    ask(&scene, "KEYS *", TOO_LONG);
    ask(&scene, "KEYS b?g", "*1\r\n$3\r\nbig\r\n");
    scene_deinit(&scene);
}

static void a_step_of_scan_over_the_limit_is_an_error(void **state)
{
    struct scene scene;

    (void)state;
    scene_init(&scene);
    store_long_keys(&scene);
    ask(&scene, "SCAN 0 COUNT 100", TOO_LONG);
    ask(&scene, "SCAN 0 COUNT 100 MATCH big*", "*2\r\n$1\r\n0\r\n*1\r\n$3\r\nbig\r\n");
    scene_deinit(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_read_up_to_the_limit_is_answered_whole),
        cmocka_unit_test(a_read_over_the_limit_is_an_error_and_the_next_command_served),
        cmocka_unit_test(a_read_over_the_limit_behind_a_write_is_the_same_error),
        cmocka_unit_test(a_list_of_keys_over_the_limit_is_an_error),
        cmocka_unit_test(a_step_of_scan_over_the_limit_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
