/* test_server_cluster.c: hash slots, the meta text, and what cluster-aware clients are told. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <unistd.h>

#include "quorate/error.h"
#include "server/crc16.h"
#include "server/meta.h"
#include "support/server_fixture.h"
#include "support/unit.h"

struct slot_case {
    const char *key;
    uint16_t slot;
};

/* The first is the check value of CRC16/XMODEM; the others are what Redis 7 answers. */
static const struct slot_case slot_cases[] = {
    {"123456789", 0x31c3},  {"", 0},
    {"foo", 12182},         {"bar", 5061},
    {"hello", 866},         {"{foo}", 12182},
    {"{foo}x", 12182},      {"x{foo}y", 12182},
    {"x{foo}{bar}", 12182}, {"foo{}{bar}", 8363},
    {"foo{{bar}}", 4015},
};

static void slots_are_those_of_redis(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(slot_cases); i++) {
        assert_int_equal(server_key_slot(slot_cases[i].key, strlen(slot_cases[i].key)),
                         slot_cases[i].slot);
    }
}

static void a_tag_that_is_empty_or_open_is_none(void **state)
{
    (void)state;
    assert_int_equal(server_key_slot("foo{}{bar}", 10), server_crc16("foo{}{bar}", 10) % 16384);
    assert_int_equal(server_key_slot("foo{bar", 7), server_crc16("foo{bar", 7) % 16384);
    assert_int_equal(server_key_slot("foo{{bar}}", 10), server_crc16("{bar", 4) % 16384);
}

struct meta_case {
    const char *meta;
    const char *key;
    int error;
    const char *host;
    uint16_t port;
};

static const struct meta_case meta_cases[] = {
    {"client=127.0.0.1:7701 http=127.0.0.1:7702", "client", 0, "127.0.0.1", 7701},
    {"client=127.0.0.1:7701 http=127.0.0.1:7702", "http", 0, "127.0.0.1", 7702},
    {"zone=a  client=db-1.example:65535", "client", 0, "db-1.example", 65535},
    {"client=[::1]:7701", "client", 0, "::1", 7701},
    {"", "client", QR_ERR_NOT_FOUND, "", 0},
    {"clients=127.0.0.1:7701", "client", QR_ERR_NOT_FOUND, "", 0},
    {"client", "client", QR_ERR_NOT_FOUND, "", 0},
    {"client=", "client", QR_ERR_MALFORMED, "", 0},
    {"client=:7701", "client", QR_ERR_MALFORMED, "", 0},
    {"client=host", "client", QR_ERR_MALFORMED, "", 0},
    {"client=host:", "client", QR_ERR_MALFORMED, "", 0},
    {"client=host:65536", "client", QR_ERR_MALFORMED, "", 0},
    {"client=host:-1", "client", QR_ERR_MALFORMED, "", 0},
    {"client=host:1x", "client", QR_ERR_MALFORMED, "", 0},
    {"client=[]:1", "client", QR_ERR_MALFORMED, "", 0},
    {"client=::1:7701", "client", QR_ERR_MALFORMED, "", 0},
    {"client=a-host-name-of-more-than-32-bytes:1", "client", QR_ERR_MALFORMED, "", 0},
};

static void meta_tells_addresses(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(meta_cases); i++) {
        const struct meta_case *c = &meta_cases[i];
        char host[32] = "";
        uint16_t port = 0;
        assert_int_equal(server_meta_get(c->meta, c->key, host, sizeof(host), &port), c->error);
        assert_string_equal(host, c->host);
        assert_int_equal(port, c->port);
    }
}

static void meta_that_is_made_can_be_read(void **state)
{
    char meta[64];
    char host[32];
    uint16_t port;

    (void)state;
    assert_int_equal(server_meta_format("a:1", "b:2", meta, sizeof(meta)), 0);
    assert_string_equal(meta, "client=a:1 http=b:2");
    assert_int_equal(server_meta_get(meta, "http", host, sizeof(host), &port), 0);
    assert_string_equal(host, "b");
    assert_int_equal(server_meta_format("a:1", NULL, meta, sizeof(meta)), 0);
    assert_string_equal(meta, "client=a:1");
    assert_int_equal(server_meta_format("a:1", "b:2", meta, 10), QR_ERR_TOO_LARGE);
    assert_string_equal(meta, "");
}

/* Three members; this one, n1, follows n2. A fourth told no address. */
static void init_follower(struct server_fixture *fixture)
{
    fixture_init(fixture, NULL);
    struct qr_engine *engine = &fixture->engine;
    fake_engine_add_member(engine, 2, "n2", "client=127.0.0.1:7711");
    fake_engine_add_member(engine, 3, "n3", "client=127.0.0.1:7721");
    fake_engine_add_member(engine, 4, "n4", "");
    engine->status.role = QR_FOLLOWER;
    engine->status.leader_id = 2;
    memcpy(engine->status.leader_meta, "client=127.0.0.1:7711", 22);
}

static void a_plain_client_of_a_follower_is_served(void **state)
{
    struct server_fixture fixture;

    (void)state;
    init_follower(&fixture);
    int client = fixture_connect(&fixture);
    fixture_ask(&fixture, client, "SET foo 1", "+OK\r\n");
    fixture_ask(&fixture, client, "GET foo", "$1\r\n1\r\n");
    close(client);
    fixture_deinit(&fixture);
}

static void a_client_that_used_cluster_is_sent_to_the_leader(void **state)
{
    struct server_fixture fixture;

    (void)state;
    init_follower(&fixture);
    int client = fixture_connect(&fixture);
    fixture_ask(&fixture, client, "CLUSTER KEYSLOT x{foo}y", ":12182\r\n");
    fixture_ask(&fixture, client, "SET foo 1", "-MOVED 12182 127.0.0.1:7711\r\n");
    fixture_ask(&fixture, client, "GET {bar}x", "-MOVED 5061 127.0.0.1:7711\r\n");
    fixture_ask(&fixture, client, "DBSIZE", ":0\r\n");
    fixture_ask(&fixture, client, "READONLY", "+OK\r\n");
    fixture_ask(&fixture, client, "GET foo", "$-1\r\n");
    fixture_ask(&fixture, client, "SET foo 1", "-MOVED 12182 127.0.0.1:7711\r\n");
    fixture_ask(&fixture, client, "READWRITE", "+OK\r\n");
    fixture_ask(&fixture, client, "GET foo", "-MOVED 12182 127.0.0.1:7711\r\n");
    fixture.engine.status.role = QR_LEADER;
    fixture_ask(&fixture, client, "SET foo 1", "+OK\r\n");
    fixture.engine.status.role = QR_FOLLOWER;
    fixture.engine.status.has_leader = false;
    fixture_ask(&fixture, client, "SET foo 2", "+OK\r\n");
    close(client);
    fixture_deinit(&fixture);
}

static void an_observer_sends_every_client_to_the_leader(void **state)
{
    struct server_fixture fixture;
    struct server_options options = fixture_options(&fixture);

    (void)state;
    options.is_observer = true;
    fixture_init(&fixture, &options);
    struct qr_engine *engine = &fixture.engine;
    fake_engine_add_member(engine, 2, "n2", "");
    memcpy(engine->status.members[1].client_address, "127.0.0.1:7711", 15);
    engine->status.role = QR_OBSERVER;
    engine->status.leader_id = 2;
    engine->status.leader_meta[0] = '\0';
    memcpy(engine->status.leader_name, "n2", 3);
    int client = fixture_connect(&fixture);
    fixture_ask(&fixture, client, "GET foo", "-MOVED 12182 127.0.0.1:7711\r\n");
    fixture_ask(&fixture, client, "SET foo 1", "-MOVED 12182 127.0.0.1:7711\r\n");
    fixture_ask(&fixture, client, "DBSIZE",
                "-CLUSTERDOWN this node is an observer and has no data; n2 leads, ask "
                "127.0.0.1:7711; nothing was changed\r\n");
    fixture_ask(&fixture, client, "MULTI",
                "-CLUSTERDOWN this node is an observer and has no data; n2 leads, ask "
                "127.0.0.1:7711; nothing was changed\r\n");
    fixture_ask(&fixture, client, "PING", "+PONG\r\n");
    engine->status.has_leader = false;
    fixture_ask(&fixture, client, "GET foo",
                "-CLUSTERDOWN this node is an observer and has no data; no leader is known; "
                "nothing was changed\r\n");
    engine->status.role = QR_FOLLOWER; /* its directory belongs to a cluster: it is a member */
    fixture_ask(&fixture, client, "SET foo 1", "+OK\r\n");
    close(client);
    fixture_deinit(&fixture);
}

static void an_observer_is_no_replica(void **state)
{
    struct server_fixture fixture;

    (void)state;
    init_follower(&fixture);
    fixture.engine.status.members[2].is_observer = true;
    int client = fixture_connect(&fixture);
    fixture_ask(&fixture, client, "CLUSTER SLOTS",
                "*1\r\n*4\r\n:0\r\n:16383\r\n"
                "*4\r\n$9\r\n127.0.0.1\r\n:7711\r\n$40\r\n"
                "0000000000000002000000000000000000000000\r\n*0\r\n"
                "*4\r\n$9\r\n127.0.0.1\r\n:7701\r\n$40\r\n"
                "0000000000000001000000000000000000000000\r\n*0\r\n");
    close(client);
    fixture_deinit(&fixture);
}

#define ID_1 "0000000000000001000000000000000000000000"
#define ID_2 "0000000000000002000000000000000000000000"
#define ID_3 "0000000000000003000000000000000000000000"

static void the_leader_has_all_slots_and_the_others_follow(void **state)
{
    struct server_fixture fixture;

    (void)state;
    init_follower(&fixture);
    int client = fixture_connect(&fixture);
    fixture_ask(&fixture, client, "CLUSTER SLOTS",
                "*1\r\n*5\r\n:0\r\n:16383\r\n"
                "*4\r\n$9\r\n127.0.0.1\r\n:7711\r\n$40\r\n" ID_2 "\r\n*0\r\n"
                "*4\r\n$9\r\n127.0.0.1\r\n:7701\r\n$40\r\n" ID_1 "\r\n*0\r\n"
                "*4\r\n$9\r\n127.0.0.1\r\n:7721\r\n$40\r\n" ID_3 "\r\n*0\r\n");
    fixture.engine.status.members[2].health = QR_DEAD;
    fixture_ask(&fixture, client, "CLUSTER NODES",
                "$357\r\n" ID_1 " 127.0.0.1:7701@7700 myself,slave " ID_2 " 0 0 7 connected\n" ID_2
                " 127.0.0.1:7711@7700 master - 0 0 7 connected 0-16383\n" ID_3
                " 127.0.0.1:7721@7700 slave,fail " ID_2 " 0 0 7 disconnected\n\r\n");
    fixture_ask(&fixture, client, "CLUSTER MYID", "$40\r\n" ID_1 "\r\n");
    fixture_ask(&fixture, client, "CLUSTER SHARDS",
                "*1\r\n*4\r\n$5\r\nslots\r\n*2\r\n:0\r\n:16383\r\n$5\r\nnodes\r\n*2\r\n*14\r\n"
                "$2\r\nid\r\n$40\r\n" ID_2 "\r\n");
    close(client);
    fixture_deinit(&fixture);
}

static void without_a_leader_no_slots_are_told(void **state)
{
    struct server_fixture fixture;
    char answer[1024];

    (void)state;
    init_follower(&fixture);
    fixture.engine.status.has_leader = false;
    int client = fixture_connect(&fixture);
    fixture_ask(&fixture, client, "CLUSTER SLOTS", "-CLUSTERDOWN no leader is known\r\n");
    fixture_ask(&fixture, client, "CLUSTER SHARDS", "-CLUSTERDOWN no leader is known\r\n");
    fixture_send(&fixture, client, "CLUSTER INFO\r\nPING\r\n");
    fixture_receive_until(&fixture, client, "+PONG", answer, sizeof(answer));
    assert_non_null(strstr(answer, "cluster_state:fail\r\n"));
    close(client);
    fixture_deinit(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slots_are_those_of_redis),
        cmocka_unit_test(a_tag_that_is_empty_or_open_is_none),
        cmocka_unit_test(meta_tells_addresses),
        cmocka_unit_test(meta_that_is_made_can_be_read),
        cmocka_unit_test(a_plain_client_of_a_follower_is_served),
        cmocka_unit_test(a_client_that_used_cluster_is_sent_to_the_leader),
        cmocka_unit_test(an_observer_sends_every_client_to_the_leader),
        cmocka_unit_test(an_observer_is_no_replica),
        cmocka_unit_test(the_leader_has_all_slots_and_the_others_follow),
        cmocka_unit_test(without_a_leader_no_slots_are_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
