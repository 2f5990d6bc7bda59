/* test_server_commands.c: the server's own commands, as clients of Redis use them. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "support/server_fixture.h"
#include "support/unit.h"

struct command_case {
    const char *command;
    const char *expected;
};

/* In this order, on one connection. */
static const struct command_case connection_cases[] = {
    {"PING", "+PONG\r\n"},
    {"ping hello", "$5\r\nhello\r\n"},
    {"PING a b", "-ERR wrong number of arguments for 'ping' command\r\n"},
    {"ECHO x", "$1\r\nx\r\n"},
    {"ECHO", "-ERR wrong number of arguments for 'echo' command\r\n"},
    {"foo a b", "-ERR unknown command 'foo', with args beginning with: 'a' 'b' \r\n"},
    {"foo \"a\\nb\"", "-ERR unknown command 'foo', with args beginning with: 'a b' \r\n"},
    {"GET", "-ERR wrong number of arguments for 'get' command\r\n"},
    {"SELECT 0", "+OK\r\n"},
    {"SELECT 1", "-ERR DB index is out of range\r\n"},
    {"SELECT x", "-ERR invalid DB index\r\n"},
    {"AUTH secret", "-ERR Client sent AUTH, but no password is set. Did you mean AUTH <username> "
                    "<password>?\r\n"},
    {"AUTH default x", "+OK\r\n"},
    {"AUTH root x", "-WRONGPASS invalid username-password pair or user is disabled.\r\n"},
    {"HELLO 4", "-NOPROTO unsupported protocol version\r\n"},
    {"HELLO x", "-ERR Protocol version is not an integer or out of range\r\n"},
    {"HELLO 3 NONSENSE", "-ERR Syntax error in HELLO option\r\n"},
    {"HELLO 3 AUTH root x", "-WRONGPASS invalid username-password pair or user is disabled.\r\n"},
    {"CLIENT GETNAME", "$-1\r\n"},
    {"CLIENT SETNAME \"a b\"",
     "-ERR Client names cannot contain spaces, newlines or special characters.\r\n"},
    {"CLIENT SETNAME me", "+OK\r\n"},
    {"CLIENT GETNAME", "$2\r\nme\r\n"},
    {"CLIENT ID", ":1\r\n"},
    {"CLIENT SETINFO LIB-NAME hiredis", "+OK\r\n"},
    {"CLIENT SETINFO LIB-VER 1.0", "+OK\r\n"},
    {"CLIENT SETINFO LIB-X 1", "-ERR Unrecognized option for CLIENT SETINFO\r\n"},
    {"CLIENT NO-EVICT on", "+OK\r\n"},
    {"CLIENT NO-TOUCH x", "-ERR syntax error\r\n"},
    {"CLIENT NONSENSE", "-ERR unknown subcommand or wrong number of arguments for 'NONSENSE'. Try "
                        "COMMAND INFO CLIENT.\r\n"},
    {"CONFIG GET save", "*2\r\n$4\r\nsave\r\n$0\r\n\r\n"},
    {"CONFIG GET appendonly databases",
     "*4\r\n$10\r\nappendonly\r\n$3\r\nyes\r\n$9\r\ndatabases\r\n$1\r\n1\r\n"},
    {"CONFIG GET MAXMEMORY", "*2\r\n$9\r\nmaxmemory\r\n$1\r\n0\r\n"},
    {"CONFIG GET nonsense", "*0\r\n"},
    {"CONFIG GET maxc*", "*2\r\n$10\r\nmaxclients\r\n$5\r\n10000\r\n"},
    {"CONFIG SET save 1",
     "-ERR settings are given when the node is started; nothing was changed\r\n"},
    {"MODULE LIST", "*0\r\n"},
    {"COMMAND DOCS", "*0\r\n"},
    {"COMMAND INFO get nonsense",
     "*2\r\n*10\r\n$3\r\nget\r\n:2\r\n*1\r\n+readonly\r\n:1\r\n:1\r\n:1\r\n*0\r\n*0\r\n*0\r\n"
     "*0\r\n$-1\r\n"},
    {"COMMAND INFO asking", "*1\r\n*10\r\n$6\r\nasking\r\n:1\r\n*1\r\n+fast\r\n:0\r\n:0\r\n:0\r\n"
                            "*0\r\n*0\r\n*0\r\n*0\r\n"},
    {"COMMAND GETKEYS MSET a 1 b 2", "*2\r\n$1\r\na\r\n$1\r\nb\r\n"},
    {"COMMAND GETKEYS DBSIZE", "-ERR The command has no key arguments\r\n"},
    {"COMMAND GETKEYS PING", "-ERR Invalid command specified\r\n"},
    {"COMMAND GETKEYS GET", "-ERR Invalid number of arguments specified for command\r\n"},
    {"ASKING", "+OK\r\n"},
    {"WAIT 0 0", ":0\r\n"},
    {"WAIT x 0", "-ERR value is not an integer or out of range\r\n"},
    {"RESET", "+RESET\r\n"},
    {"CLIENT GETNAME", "$-1\r\n"},
};

static void the_connection_commands_answer_as_redis_does(void **state)
{
    struct server_fixture fixture;

    (void)state;
    fixture_init(&fixture, NULL);
    int client = fixture_connect(&fixture);
    for (size_t i = 0; i < COUNT_OF(connection_cases); i++) {
        print_message("%s\n", connection_cases[i].command);
        fixture_ask(&fixture, client, connection_cases[i].command, connection_cases[i].expected);
    }
    close(client);
    fixture_deinit(&fixture);
}

static void hello_switches_the_protocol(void **state)
{
    struct server_fixture fixture;

    (void)state;
    fixture_init(&fixture, NULL);
    int client = fixture_connect(&fixture);
    fixture_ask(&fixture, client, "HELLO 3 SETNAME me AUTH default x",
                "%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n7.0.0\r\n$5\r\nproto"
                "\r\n:3\r\n$2\r\nid\r\n:1\r\n$4\r\nmode\r\n$7\r\ncluster\r\n$4\r\nrole\r\n$6\r\n"
                "master\r\n$7\r\nmodules\r\n*0\r\n");
    fixture_ask(&fixture, client, "GET k", "_\r\n");
    fixture_ask(&fixture, client, "CLIENT GETNAME", "$2\r\nme\r\n");
    fixture_ask(&fixture, client, "CONFIG GET save", "%1\r\n$4\r\nsave\r\n$0\r\n\r\n");
    fixture_ask(&fixture, client, "RESET", "+RESET\r\n");
    fixture_ask(&fixture, client, "GET k", "$-1\r\n");
    close(client);
    fixture_deinit(&fixture);
}

static void wait_counts_the_healthy_other_voters(void **state)
{
    struct server_fixture fixture;

    (void)state;
    fixture_init(&fixture, NULL);
    for (uint64_t id = 2; id <= 5; id++) {
        fake_engine_add_member(&fixture.engine, id, "n", "");
    }
    fixture.engine.status.members[2].health = QR_DEAD;
    fixture.engine.status.members[3].is_voter = false;
    int client = fixture_connect(&fixture);
    fixture_send(&fixture, client, "SET k v\r\nWAIT 2 100\r\n");
    fixture_expect(&fixture, client, "+OK\r\n:2\r\n");
    assert_int_equal(fixture.engine.barrier_count, 1);
    close(client);
    fixture_deinit(&fixture);
}

static const char *const info_fields[] = {
    "# Server\r\n",
    "redis_version:7.0.0\r\n",
    "quorate_version:" QR_VERSION_TEXT "\r\n",
    "redis_mode:cluster\r\n",
    "connected_clients:1\r\n",
    "blocked_clients:0\r\n",
    "used_memory:",
    "maxmemory:0\r\n",
    "loading:0\r\n",
    "total_commands_processed:",
    "role:master\r\n",
    "connected_slaves:1\r\n",
    "slave0:ip=127.0.0.1,port=7711,state=online,offset=0,lag=0\r\n",
    "master_replid:00000000000000c100000000000000c200000000\r\n",
    "cluster_enabled:1\r\n",
    "raft_term:7\r\n",
    "db0:keys=2,expires=1,avg_ttl=0\r\n",
};

static void info_has_what_tools_look_for(void **state)
{
    struct server_fixture fixture;
    char answer[16384];

    (void)state;
    fixture_init(&fixture, NULL);
    fake_engine_add_member(&fixture.engine, 2, "n2", "client=127.0.0.1:7711");
    int client = fixture_connect(&fixture);
    fixture_ask(&fixture, client, "MSET a 1 b 2", "+OK\r\n");
    fixture_ask(&fixture, client, "EXPIRE a 100", ":1\r\n");
    fixture_send(&fixture, client, "INFO\r\nPING\r\n");
    fixture_receive_until(&fixture, client, "+PONG", answer, sizeof(answer));
    for (size_t i = 0; i < COUNT_OF(info_fields); i++) {
        print_message("%s\n", info_fields[i]);
        assert_non_null(strstr(answer, info_fields[i]));
    }
    fixture_ask(&fixture, client, "INFO cluster keyspace",
                "$76\r\n# Cluster\r\ncluster_enabled:1\r\n\r\n# Keyspace\r\n"
                "db0:keys=2,expires=1,avg_ttl=0\r\n\r\n");
    fixture_ask(&fixture, client, "INFO nonsense", "$0\r\n\r\n");
    close(client);
    fixture_deinit(&fixture);
}

static void info_of_a_follower_names_its_leader(void **state)
{
    struct server_fixture fixture;
    char answer[4096];

    (void)state;
    fixture_init(&fixture, NULL);
    struct qr_status *status = &fixture.engine.status;
    status->role = QR_FOLLOWER;
    status->leader_id = 2;
    memcpy(status->leader_meta, "client=10.0.0.2:7711", 21);
    int client = fixture_connect(&fixture);
    fixture_send(&fixture, client, "INFO replication\r\nPING\r\n");
    fixture_receive_until(&fixture, client, "+PONG", answer, sizeof(answer));
    assert_non_null(strstr(answer, "role:slave\r\nmaster_host:10.0.0.2\r\nmaster_port:7711\r\n"
                                   "master_link_status:up\r\n"));
    status->has_leader = false;
    fixture_send(&fixture, client, "INFO replication\r\nPING\r\n");
    fixture_receive_until(&fixture, client, "+PONG", answer, sizeof(answer));
    assert_non_null(strstr(answer, "master_link_status:down\r\n"));
    close(client);
    fixture_deinit(&fixture);
}

static void command_lists_every_command_once(void **state)
{
    struct server_fixture fixture;
    char answer[65536];
    size_t kv_count;
    size_t listed = 0;

    (void)state;
    fixture_init(&fixture, NULL);
    int client = fixture_connect(&fixture);
    fixture_send(&fixture, client, "COMMAND LIST\r\nECHO the-end\r\n");
    fixture_receive_until(&fixture, client, "the-end", answer, sizeof(answer));
    assert_non_null(kv_commands(&kv_count));
    for (const char *at = strchr(answer, '$'); at != NULL; at = strchr(at + 1, '$')) {
        listed++;
    }
    assert_true(listed > kv_count + 10);
    const char *scan = strstr(answer, "\r\nscan\r\n");
    assert_non_null(scan);
    assert_null(strstr(scan + 1, "\r\nscan\r\n"));
    assert_non_null(strstr(answer, "\r\nquorate.propose\r\n"));
    close(client);
    fixture_deinit(&fixture);
}

static void client_list_has_a_line_for_each(void **state)
{
    struct server_fixture fixture;
    char answer[4096];

    (void)state;
    fixture_init(&fixture, NULL);
    int first = fixture_connect(&fixture);
    int second = fixture_connect(&fixture);
    fixture_ask(&fixture, second, "CLIENT SETNAME other", "+OK\r\n");
    fixture_send(&fixture, first, "CLIENT LIST\r\nPING\r\n");
    fixture_receive_until(&fixture, first, "+PONG", answer, sizeof(answer));
    assert_non_null(strstr(answer, "id=1 addr=127.0.0.1:"));
    assert_non_null(strstr(answer, "id=2 addr=127.0.0.1:"));
    assert_non_null(strstr(answer, " name=other "));
    fixture_send(&fixture, second, "CLIENT INFO\r\nPING\r\n");
    fixture_receive_until(&fixture, second, "+PONG", answer, sizeof(answer));
    assert_null(strstr(answer, "id=1 "));
    close(first);
    close(second);
    fixture_deinit(&fixture);
}

/* The cursor of a SCAN reply, and how many keys came with it. */
static void ask_scan(struct server_fixture *fixture, int client, const char *command, char *cursor,
                     size_t *key_count)
{
    char answer[65536];

    fixture_send(fixture, client, command);
    fixture_send(fixture, client, "\r\nECHO the-end\r\n");
    fixture_receive_until(fixture, client, "the-end\r\n", answer, sizeof(answer));
    assert_memory_equal(answer, "*2\r\n$", 5);
    const char *number = strchr(answer + 5, '\n') + 1;
    size_t digits = strcspn(number, "\r");
    memcpy(cursor, number, digits);
    cursor[digits] = '\0';
    for (const char *at = strstr(answer, "key:"); at != NULL; at = strstr(at + 1, "key:")) {
        (*key_count)++;
    }
}

static void store_keys(struct server_fixture *fixture, int client, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        char command[64];
        struct text text = text_of(command, sizeof(command));
        text_string(&text, "SET key:");
        text_u64(&text, 1000 + i);
        text_string(&text, " v");
        fixture_ask(fixture, client, command, "+OK\r\n");
    }
}

static void scan_gives_every_key_once(void **state)
{
    struct server_fixture fixture;
    size_t key_count = 0;
    size_t steps = 0;
    char cursor[32] = "0";

    (void)state;
    fixture_init(&fixture, NULL);
    int client = fixture_connect(&fixture);
    store_keys(&fixture, client, 250);
    do {
        char command[64];
        struct text text = text_of(command, sizeof(command));
        text_string(&text, "SCAN ");
        text_string(&text, cursor);
        text_string(&text, " COUNT 20");
        ask_scan(&fixture, client, command, cursor, &key_count);
        steps++;
        assert_true(steps < 100);
    } while (strcmp(cursor, "0") != 0);
    assert_int_equal(key_count, 250);
    assert_true(steps > 5);
    close(client);
    fixture_deinit(&fixture);
}

static void scan_takes_patterns_and_types(void **state)
{
    struct server_fixture fixture;
    size_t key_count = 0;
    char cursor[32];

    (void)state;
    fixture_init(&fixture, NULL);
    int client = fixture_connect(&fixture);
    store_keys(&fixture, client, 20);
    ask_scan(&fixture, client, "SCAN 0 MATCH *:100? COUNT 1000", cursor, &key_count);
    assert_int_equal(key_count, 10);
    key_count = 0;
    ask_scan(&fixture, client, "SCAN 0 TYPE string COUNT 1000", cursor, &key_count);
    assert_int_equal(key_count, 20);
    key_count = 0;
    ask_scan(&fixture, client, "SCAN 0 TYPE hash COUNT 1000", cursor, &key_count);
    assert_int_equal(key_count, 0);
    assert_string_equal(cursor, "0");
    fixture_ask(&fixture, client, "SCAN 12345", "-ERR invalid cursor\r\n");
    fixture_ask(&fixture, client, "SCAN x", "-ERR invalid cursor\r\n");
    fixture_ask(&fixture, client, "SCAN 0 COUNT 0", "-ERR syntax error\r\n");
    fixture_ask(&fixture, client, "SCAN 0 COUNT", "-ERR syntax error\r\n");
    fixture_ask(&fixture, client, "SCAN 0 COUNT x",
                "-ERR value is not an integer or out of range\r\n");
    close(client);
    fixture_deinit(&fixture);
}

static void a_change_is_passed_on_whole(void **state)
{
    static const struct {
        const char *command;
        const char *change;
    } cases[] = {
        {"QUORATE.CHANGE PROMOTE n4,n5 DEMOTE n1 REMOVE n2", "promote n4,n5 demote n1 remove n2 0"},
        {"quorate.change transfer n3 dryrun", " transfer n3 0 dry"},
        {"QUORATE.CHANGE FORCE PRIORITY n2 255 DRYRUN", " prioritize n2 255 dry forced"},
    };
    struct server_fixture fixture;

    (void)state;
    fixture_init(&fixture, NULL);
    int socket = fixture_connect(&fixture);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        fixture_ask(&fixture, socket, cases[i].command, "*3\r\n:1\r\n:0\r\n$4\r\ndone\r\n");
        assert_string_equal(fixture.engine.change, cases[i].change);
    }
    close(socket);
    fixture_deinit(&fixture);
}

static void a_change_that_is_wrong_is_not_passed_on(void **state)
{
    static const char *const commands[] = {
        "QUORATE.CHANGE PROMOTE",
        "QUORATE.CHANGE NONSENSE n1",
        "QUORATE.CHANGE PRIORITY n1",
        "QUORATE.CHANGE PRIORITY n1 256",
        "QUORATE.CHANGE REMOVE n1 REMOVE n2",
        "QUORATE.CHANGE TRANSFER \"a\\x00b\"",
        "QUORATE.CHANGE TRANSFER \"\"",
        ("QUORATE.CHANGE TRANSFER "
         "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
    };
    struct server_fixture fixture;

    (void)state;
    fixture_init(&fixture, NULL);
    int socket = fixture_connect(&fixture);
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        fixture_ask(&fixture, socket, commands[i], "-ERR syntax error\r\n");
    }
    assert_int_equal(fixture.engine.change_count, 0);
    close(socket);
    fixture_deinit(&fixture);
}

static void a_change_that_fails_says_why_and_whether_anything_happened(void **state)
{
    static const struct {
        int status;
        const char *answer;
    } cases[] = {
        {QR_ERR_QUORUM, "-ERR it is refused; no member was changed\r\n"},
        {QR_ERR_NO_LEADER, "-CLUSTERDOWN it is refused; no member was changed\r\n"},
        {QR_ERR_BUSY, "-TRYAGAIN it is refused; no member was changed\r\n"},
        {QR_ERR_STOPPED, "-ERR it is refused; no member was changed\r\n"},
        {QR_ERR_TIMEOUT, "-TIMEOUT it is refused\r\n"},
        {-9999, "-TIMEOUT it is refused\r\n"}, /* of a leader with a later version */
    };
    struct server_fixture fixture;

    (void)state;
    fixture_init(&fixture, NULL);
    fixture.engine.is_automatic = false;
    int socket = fixture_connect(&fixture);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        fixture_send(&fixture, socket, "QUORATE.CHANGE REMOVE n1\r\nPING\r\n");
        fixture_expect_nothing(&fixture, socket);
        fake_engine_end(&fixture.engine, 0, cases[i].status);
        fixture_expect(&fixture, socket, cases[i].answer);
        fixture_expect(&fixture, socket, "+PONG\r\n");
    }
    fixture.engine.refusal = QR_ERR_STOPPED;
    fixture_ask(&fixture, socket, "QUORATE.CHANGE REMOVE n1",
                "-ERR the node has stopped; no member was changed\r\n");
    fixture.engine.refusal = 0;
    close(socket);
    fixture_deinit(&fixture);
}

static void who_hangs_up_during_a_change_takes_nothing_along(void **state)
{
    struct server_fixture fixture;

    (void)state;
    fixture_init(&fixture, NULL);
    fixture.engine.is_automatic = false;
    int socket = fixture_connect(&fixture);
    fixture_send(&fixture, socket, "QUORATE.CHANGE REMOVE n1\r\n");
    fixture_expect_nothing(&fixture, socket);
    close(socket);
    fixture_turn(&fixture);
    fake_engine_end(&fixture.engine, 0, 0);
    fixture_deinit(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_connection_commands_answer_as_redis_does),
        cmocka_unit_test(hello_switches_the_protocol),
        cmocka_unit_test(wait_counts_the_healthy_other_voters),
        cmocka_unit_test(info_has_what_tools_look_for),
        cmocka_unit_test(info_of_a_follower_names_its_leader),
        cmocka_unit_test(command_lists_every_command_once),
        cmocka_unit_test(client_list_has_a_line_for_each),
        cmocka_unit_test(scan_gives_every_key_once),
        cmocka_unit_test(scan_takes_patterns_and_types),
        cmocka_unit_test(a_change_is_passed_on_whole),
        cmocka_unit_test(a_change_that_is_wrong_is_not_passed_on),
        cmocka_unit_test(a_change_that_fails_says_why_and_whether_anything_happened),
        cmocka_unit_test(who_hangs_up_during_a_change_takes_nothing_along),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
