/* test_cli_values.c: numbers, addresses and statuses as the subcommands read them. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/address.h"
#include "cli/cli.h"
#include "cli/node_status.h"
#include "cli/serve_notify.h"

static void a_number_is_whole_decimal_and_may_have_a_unit(void **state)
{
    (void)state;
    const struct {
        const char *text;
        bool has_unit;
        bool is_number;
        uint64_t value;
    } cases[] = {
        {"0", false, true, 0},
        {"18446744073709551615", false, true, UINT64_MAX},
        {"18446744073709551616", false, false, 0},
        {"", false, false, 0},
        {"-1", false, false, 0},
        {"+1", false, false, 0},
        {" 1", false, false, 0},
        {"1 ", false, false, 0},
        {"1.5", true, false, 0},
        {"0x10", false, false, 0},
        {"64KiB", true, true, 65536},
        {"64KiB", false, false, 0},
        {"10MiB", true, true, 10485760},
        {"1GiB", true, true, 1073741824},
        {"1TiB", true, true, UINT64_C(1) << 40},
        {"1kib", true, false, 0},
        {"1KB", true, false, 0},
        {"16777216TiB", true, false, 0},
        {"KiB", true, false, 0},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint64_t value = 7;
        assert_int_equal(cli_number_parse(cases[i].text, cases[i].has_unit, &value),
                         cases[i].is_number);
        assert_true(value == (cases[i].is_number ? cases[i].value : 7));
    }
}

static void an_address_has_a_host_and_a_port(void **state)
{
    (void)state;
    const struct {
        const char *text;
        const char *host; /* NULL: refused */
        uint16_t port;
    } cases[] = {
        {"127.0.0.1:7701", "127.0.0.1", 7701},
        {"localhost:1", "localhost", 1},
        {"[::1]:65535", "::1", 65535},
        {"127.0.0.1", NULL, 0},
        {"127.0.0.1:", NULL, 0},
        {"127.0.0.1:0", NULL, 0},
        {"127.0.0.1:65536", NULL, 0},
        {":7701", NULL, 0},
        {"", NULL, 0},
        {"host:12x", NULL, 0},
        {"::1:7701", NULL, 0}, /* a port, or the end of the address? */
        {"[::1:7701", NULL, 0},
        {"[]:7701", NULL, 0},
        {"a b:7701", NULL, 0},
        {"a/b:7701", NULL, 0},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct cli_address address;
        int status = cli_address_parse(cases[i].text, strlen(cases[i].text), &address);
        assert_int_equal(status, cases[i].host == NULL ? QR_ERR_ADDRESS : 0);
        if (cases[i].host != NULL) {
            assert_string_equal(address.host, cases[i].host);
            assert_int_equal(address.port, cases[i].port);
        }
    }
}

static void a_list_of_addresses_has_no_empty_place(void **state)
{
    (void)state;
    struct cli_addresses list;
    assert_int_equal(cli_addresses_parse("a:1,b:2,[::1]:3", &list), 0);
    assert_int_equal(list.count, 3);
    assert_string_equal(list.items[1].host, "b");
    assert_int_equal(list.items[2].port, 3);
    assert_int_equal(cli_addresses_parse("", &list), QR_ERR_ADDRESS);
    assert_int_equal(cli_addresses_parse("a:1,", &list), QR_ERR_ADDRESS);
    assert_int_equal(cli_addresses_parse(",a:1", &list), QR_ERR_ADDRESS);
    assert_int_equal(cli_addresses_parse("a:1,,b:2", &list), QR_ERR_ADDRESS);
}

static void a_list_of_too_many_addresses_is_refused(void **state)
{
    (void)state;
    struct cli_addresses list;
    char text[(CLI_ADDRESSES_MAX + 1) * 4];
    for (size_t i = 0; i <= CLI_ADDRESSES_MAX; i++) {
        memcpy(text + 4 * i, "a:1,", 4);
    }
    text[4 * (CLI_ADDRESSES_MAX + 1) - 1] = '\0';
    assert_int_equal(cli_addresses_parse(text, &list), QR_ERR_ADDRESS);
    text[4 * CLI_ADDRESSES_MAX - 1] = '\0';
    assert_int_equal(cli_addresses_parse(text, &list), 0);
    assert_int_equal(list.count, CLI_ADDRESSES_MAX);
}

static const char status_json[] =
    "{\"node\":{\"name\":\"n1\",\"id\":\"8c0f\",\"role\":\"leader\",\"version\":\"0.1.0\"},"
    "\"cluster\":{\"id\":\"abcd\",\"name\":\"\"},\"term\":7,\"leader\":\"n1\","
    "\"first_index\":1,\"last_index\":122,\"commit_index\":121,\"applied_index\":120,"
    "\"snapshot_index\":3,\"digest\":\"00ff\",\"members\":["
    "{\"name\":\"n1\",\"id\":\"8c0f\",\"address\":\"127.0.0.1:7700\",\"kind\":\"voter\","
    "\"health\":\"alive\",\"match_index\":120},"
    "{\"name\":\"n2\",\"id\":\"8c10\",\"address\":\"127.0.0.1:7710\",\"kind\":\"learner\","
    "\"health\":\"dead\",\"match_index\":5}]}";

static void a_status_is_read_with_all_its_fields(void **state)
{
    (void)state;
    struct node_status status;
    assert_int_equal(node_status_parse(status_json, strlen(status_json), &status), 0);
    assert_string_equal(status.name, "n1");
    assert_string_equal(status.role, "leader");
    assert_string_equal(status.leader, "n1");
    assert_string_equal(status.digest, "00ff");
    assert_int_equal(status.term, 7);
    assert_int_equal(status.last_index, 122);
    assert_int_equal(status.commit_index, 121);
    assert_int_equal(status.applied_index, 120);
    assert_int_equal(status.snapshot_index, 3);
    assert_int_equal(status.member_count, 2);
    assert_string_equal(status.members[1].address, "127.0.0.1:7710");
    assert_string_equal(status.members[1].health, "dead");
    assert_int_equal(status.members[1].match_index, 5);
    assert_int_equal(node_status_count(&status, "voter"), 1);
    assert_int_equal(node_status_count(&status, "learner"), 1);
}

static void a_status_that_is_cut_anywhere_is_refused(void **state)
{
    (void)state;
    struct node_status status;
    for (size_t length = 0; length < strlen(status_json); length++) {
        assert_int_equal(node_status_parse(status_json, length, &status), QR_ERR_MALFORMED);
    }
}

static void an_unknown_leader_is_read_as_none(void **state)
{
    (void)state;
    struct node_status status;
    const char *json = "{\"node\":{\"name\":\"n1\"},\"leader\":null,\"members\":[]}";
    assert_int_equal(node_status_parse(json, strlen(json), &status), 0);
    assert_string_equal(status.leader, "");
    assert_int_equal(status.member_count, 0);
}

static void json_that_is_no_status_is_refused(void **state)
{
    (void)state;
    const char *const cases[] = {"[]", "{}", "7", "{\"node\":1,\"members\":[]}",
                                 "{\"node\":{},\"members\":{}}"};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct node_status status;
        assert_int_equal(node_status_parse(cases[i], strlen(cases[i]), &status), QR_ERR_MALFORMED);
    }
}

static void others_are_told_an_address_that_they_can_dial(void **state)
{
    static const struct {
        const char *own;
        const char *dialed;
        const char *announced;
    } cases[] = {
        {"127.0.0.1:7701", "10.0.0.1:7700", "127.0.0.1:7701"},
        {"db1.example:7701", "10.0.0.1:7700", "db1.example:7701"},
        {"0.0.0.0:7701", "10.0.0.1:7700", "10.0.0.1:7701"},
        {"[::]:7701", "db1.example:7700", "db1.example:7701"},
        {"[::]:7701", "[fd00::1]:7700", "[fd00::1]:7701"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char announced[QR_ADDRESS_BYTES_MAX];
        int status =
            cli_address_announced(cases[i].own, cases[i].dialed, announced, sizeof(announced));
        assert_int_equal(status, 0);
        assert_string_equal(announced, cases[i].announced);
    }
}

/* The longest address that others dial, whose port is shorter than ours. */
static void an_announced_address_is_never_cut(void **state)
{
    char dialed[QR_ADDRESS_BYTES_MAX];
    char announced[QR_ADDRESS_BYTES_MAX];

    (void)state;
    memset(dialed, 'a', sizeof(dialed));
    memcpy(dialed + sizeof(dialed) - 3, ":1", 3);
    assert_int_equal(cli_address_announced("0.0.0.0:1", dialed, announced, sizeof(announced)), 0);
    assert_string_equal(announced, dialed);
    assert_int_equal(cli_address_announced("0.0.0.0:7701", dialed, announced, sizeof(announced)),
                     QR_ERR_TOO_LARGE);
    assert_string_equal(announced, "");
}

static void a_service_manager_is_told_the_role_or_what_is_stuck(void **state)
{
    (void)state;
    const struct {
        const char *text;
        struct {
            enum qr_role role;
            bool has_cluster;
            bool has_leader;
            bool is_stalled;
            uint64_t saving_ms;
            uint64_t applying_ms;
        } is;
    } cases[] = {
        {"leader of 3 members, term 7, applied 42", {QR_LEADER, true, true, false, 0, 0}},
        {"follower of n1, term 7, applied 42", {QR_FOLLOWER, true, true, false, 0, 0}},
        {"candidate without a leader, term 7, applied 42",
         {QR_CANDIDATE, true, false, false, 0, 0}},
        {"in no cluster yet", {QR_FOLLOWER, false, false, false, 0, 0}},
        {"follower, stuck: the disk does not advance since 12 s",
         {QR_FOLLOWER, true, true, true, 12345, 0}},
        {"follower, stuck: the state machine does not advance since 11 s",
         {QR_FOLLOWER, true, true, true, 0, 11000}},
    };
    struct qr_status *status = calloc(1, sizeof(*status));
    assert_non_null(status);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char text[SERVE_NOTIFY_TEXT_BYTES];
        status->role = cases[i].is.role;
        status->cluster_low = cases[i].is.has_cluster ? 1 : 0;
        status->has_leader = cases[i].is.has_leader;
        status->is_stalled = cases[i].is.is_stalled;
        status->saving_ms = cases[i].is.saving_ms;
        status->applying_ms = cases[i].is.applying_ms;
        status->member_count = 3;
        status->term = 7;
        status->applied_index = 42;
        memcpy(status->leader_name, "n1", 3);
        serve_notify_text(status, text, sizeof(text));
        assert_string_equal(text, cases[i].text);
        assert_true(serve_notify_is_well(status) == !cases[i].is.is_stalled);
    }
    free(status);
}

static void a_watchdog_is_fed_three_times_in_its_interval(void **state)
{
    (void)state;
    assert_int_equal(serve_notify_interval_ms(0), 1000);
    assert_int_equal(serve_notify_interval_ms(60000000), 1000);
    assert_int_equal(serve_notify_interval_ms(300000), 100);
    assert_int_equal(serve_notify_interval_ms(1), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_service_manager_is_told_the_role_or_what_is_stuck),
        cmocka_unit_test(a_watchdog_is_fed_three_times_in_its_interval),
        cmocka_unit_test(a_number_is_whole_decimal_and_may_have_a_unit),
        cmocka_unit_test(an_address_has_a_host_and_a_port),
        cmocka_unit_test(a_list_of_addresses_has_no_empty_place),
        cmocka_unit_test(a_list_of_too_many_addresses_is_refused),
        cmocka_unit_test(a_status_is_read_with_all_its_fields),
        cmocka_unit_test(a_status_that_is_cut_anywhere_is_refused),
        cmocka_unit_test(an_unknown_leader_is_read_as_none),
        cmocka_unit_test(json_that_is_no_status_is_refused),
        cmocka_unit_test(others_are_told_an_address_that_they_can_dial),
        cmocka_unit_test(an_announced_address_is_never_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
