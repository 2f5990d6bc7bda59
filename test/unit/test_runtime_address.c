/* test_runtime_address.c: HOST:PORT is read strictly, and written as it is read. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <string.h>

#include "quorate/error.h"
#include "runtime/address.h"

static void an_address_is_a_host_and_a_port(void **state)
{
    (void)state;
    const struct {
        const char *text;
        const char *host; /* NULL: refused */
        const char *port;
    } cases[] = {
        {"127.0.0.1:7700", "127.0.0.1", "7700"},
        {"[::1]:7700", "::1", "7700"},
        {"node-1.example:1", "node-1.example", "1"},
        {"a:65535", "a", "65535"},
        {"a:0", "a", "0"},
        {"a:65536", NULL, NULL},
        {"a:", NULL, NULL},
        {"a", NULL, NULL},
        {"", NULL, NULL},
        {":7700", NULL, NULL},
        {"::1:7700", NULL, NULL},
        {"[::1]7700", NULL, NULL},
        {"[]:7700", NULL, NULL},
        {"[::1:7700", NULL, NULL},
        {"a b:1", NULL, NULL},
        {"a,b:1", NULL, NULL},
        {"a:-1", NULL, NULL},
        {"a:1x", NULL, NULL},
        {"a:000001", NULL, NULL},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct address address;
        int status = address_parse(cases[i].text, &address);
        if (cases[i].host == NULL) {
            assert_int_equal(status, QR_ERR_ADDRESS);
            continue;
        }
        assert_int_equal(status, 0);
        assert_string_equal(address.host, cases[i].host);
        assert_string_equal(address.port, cases[i].port);
    }
}

static void an_address_that_is_too_long_is_refused(void **state)
{
    (void)state;
    char text[QR_ADDRESS_BYTES_MAX + 4];
    struct address address;
    memset(text, 'a', sizeof(text));
    memcpy(text + QR_ADDRESS_BYTES_MAX - 3, ":1", 3);
    assert_int_equal(address_parse(text, &address), 0);
    memset(text, 'a', sizeof(text));
    memcpy(text + QR_ADDRESS_BYTES_MAX - 2, ":1", 3);
    assert_int_equal(address_parse(text, &address), QR_ERR_ADDRESS);
}

static void a_number_becomes_a_socket_address_and_back(void **state)
{
    (void)state;
    const char *texts[] = {"127.0.0.1:7700", "[::1]:65535", "10.0.0.3:1"};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct address address;
        struct sockaddr_storage socket;
        char back[QR_ADDRESS_BYTES_MAX];
        assert_int_equal(address_parse(texts[i], &address), 0);
        assert_true(address_to_socket(&address, &socket));
        address_of_socket((const struct sockaddr *)&socket, back);
        assert_string_equal(back, texts[i]);
    }
}

static void a_name_is_no_number(void **state)
{
    (void)state;
    struct address address;
    struct sockaddr_storage socket;
    assert_int_equal(address_parse("localhost:1", &address), 0);
    assert_false(address_to_socket(&address, &socket));
}

/* A label may have 63 letters: the resolver refuses it without asking anybody. */
#define NO_NAME "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:1"

static void what_only_this_machine_reaches_is_loopback(void **state)
{
    (void)state;
    const struct {
        const char *text;
        int status;
        bool is_loopback;
    } rows[] = {
        {"127.0.0.1:1", 0, true},
        {"127.1.2.3:1", 0, true},
        {"[::1]:1", 0, true},
        {"[::ffff:127.0.0.1]:1", 0, true},
        {"0.0.0.0:1", 0, false},
        {"[::]:1", 0, false},
        {"10.0.0.3:1", 0, false},
        {"128.0.0.1:1", 0, false},
        {NO_NAME, QR_ERR_ADDRESS, false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct address address;
        bool is_loopback = false;
        assert_int_equal(address_parse(rows[i].text, &address), 0);
        int status = address_is_loopback(&address, &is_loopback);
        if (status != rows[i].status || is_loopback != rows[i].is_loopback) {
            fail_msg("%s: %d %d", rows[i].text, status, is_loopback);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_is_a_host_and_a_port),
        cmocka_unit_test(an_address_that_is_too_long_is_refused),
        cmocka_unit_test(a_number_becomes_a_socket_address_and_back),
        cmocka_unit_test(a_name_is_no_number),
        cmocka_unit_test(what_only_this_machine_reaches_is_loopback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
