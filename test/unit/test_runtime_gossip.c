/* test_runtime_gossip.c: SWIM's datagrams over UDP, on the loopback. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "quorate/error.h"
#include "runtime/clock.h"
#include "runtime/gossip.h"
#include "runtime/keyring.h"
#include "runtime/memory.h"
#include "runtime/udp.h"
#include "support/heap.h"

#define WAIT_NS (20 * NS_PER_S)
#define DESCRIPTORS_MAX 256
#define LOOPS_MAX 50

struct side {
    struct heap heap;
    uv_loop_t loop;
    struct gossip *gossip;
    uint8_t key; /* its number; 0: none */
    struct keyring *keyring;
    bool is_proved; /* the last packet was */
    uint16_t port;
    char address[QR_ADDRESS_BYTES_MAX];
    bool is_reading; /* at once, when told that there is something */
    int readable_count;
    int received_count;
    size_t last_bytes;
    uint8_t last[GOSSIP_PACKET_BYTES_MAX];
    char source[QR_ADDRESS_BYTES_MAX];
    int closed_count;
};

struct pair {
    struct side a;
    struct side b;
};

static const uint8_t said[GOSSIP_PACKET_BYTES_MAX + 1] = {3, 1, 4, 1, 5};

static void readable(void *context)
{
    struct side *side = context;
    side->readable_count++;
    if (side->is_reading) {
        gossip_receive(side->gossip, 64);
    }
}

static void received(void *context, const struct gossip_packet *packet)
{
    struct side *side = context;
    assert_true(packet->size_bytes > 0 && packet->size_bytes <= sizeof(side->last));
    assert_int_equal(packet->is_proved, side->keyring != NULL);
    side->received_count++;
    side->last_bytes = packet->size_bytes;
    side->is_proved = packet->is_proved;
    memcpy(side->last, packet->data, packet->size_bytes);
    (void)snprintf(side->source, sizeof(side->source), "%s", packet->source);
}

/* A UDP port that was free a moment ago, of the host that is bound later. */
static uint16_t free_port(void)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6};
    struct sockaddr *any = (struct sockaddr *)&address;
    socklen_t length = sizeof(address);
    int descriptor = socket(AF_INET6, SOCK_DGRAM, 0);
    if (descriptor < 0) { /* a machine without IPv6 */
        address.sin6_family = AF_INET;
        length = sizeof(struct sockaddr_in);
        descriptor = socket(AF_INET, SOCK_DGRAM, 0);
    }
    assert_int_equal(bind(descriptor, any, length), 0);
    assert_int_equal(getsockname(descriptor, any, &length), 0);
    (void)close(descriptor);
    return ntohs(address.sin6_port); /* at the same place in both */
}

static int open_at(struct side *side, const char *host, uint16_t port, char *detail)
{
    char address[QR_ADDRESS_BYTES_MAX];
    (void)snprintf(address, sizeof(address), "%s:1", host);
    struct gossip_options options = {
        .allocator = &side->heap.allocator,
        .keyring = side->keyring,
        .events = {side, readable, received},
        .address = address,
        .port = port,
    };
    return gossip_open(&options, &side->gossip, detail);
}

static struct keyring *keyring_of(uint8_t number)
{
    struct keyring_key key;
    struct keyring *keyring = NULL;
    memset(key.bytes, number, sizeof(key.bytes));
    if (number != 0) {
        assert_int_equal(keyring_new(&runtime_allocator, &key, 1, &keyring), 0);
    }
    return keyring;
}

/* False: this machine has no such address. */
static bool begin(struct side *side, const char *host)
{
    char detail[GOSSIP_DETAIL_BYTES] = "";
    int status = QR_ERR_ADDRESS;
    heap_init(&side->heap);
    side->is_reading = true;
    side->keyring = keyring_of(side->key);
    assert_int_equal(uv_loop_init(&side->loop), 0);
    for (int i = 0; i < 10 && status != 0; i++) { /* somebody else may be faster */
        side->port = free_port();
        status = open_at(side, host, side->port, detail);
    }
    if (status == 0) {
        gossip_start(side->gossip, &side->loop);
        (void)snprintf(side->address, sizeof(side->address), "%s:%u", host, side->port);
    }
    return status == 0;
}

static void on_closed(void *argument)
{
    ((struct side *)argument)->closed_count++;
}

static void end(struct side *side)
{
    if (side->gossip != NULL) {
        gossip_close(side->gossip, on_closed, side);
        (void)uv_run(&side->loop, UV_RUN_DEFAULT);
        assert_int_equal(side->closed_count, 1);
    }
    assert_int_equal(uv_loop_close(&side->loop), 0);
    keyring_free(side->keyring);
    heap_deinit(&side->heap);
}

static int setup_keys(void **state, uint8_t a, uint8_t b)
{
    struct pair *pair = calloc(1, sizeof(*pair));
    pair->a.key = a;
    pair->b.key = b;
    assert_true(begin(&pair->a, "127.0.0.1"));
    assert_true(begin(&pair->b, "127.0.0.1"));
    *state = pair;
    return 0;
}

static int setup(void **state)
{
    return setup_keys(state, 0, 0);
}

static int setup_sealed(void **state)
{
    return setup_keys(state, 1, 1);
}

static int setup_different(void **state)
{
    return setup_keys(state, 2, 1);
}

static int setup_one_plain(void **state)
{
    return setup_keys(state, 0, 1);
}

static int teardown(void **state)
{
    struct pair *pair = *state;
    end(&pair->a);
    end(&pair->b);
    free(pair);
    return 0;
}

static void step(struct pair *pair)
{
    (void)uv_run(&pair->a.loop, UV_RUN_NOWAIT);
    (void)uv_run(&pair->b.loop, UV_RUN_NOWAIT);
}

#define WAIT_FOR(pair, condition)                                                                  \
    for (time_ns limit_ns = runtime_now_ns() + WAIT_NS; !(condition); step(pair)) {                \
        assert_true(runtime_now_ns() < limit_ns);                                                  \
    }

static struct gossip_counters counters_of(const struct side *side)
{
    struct gossip_counters counters;
    gossip_counters(side->gossip, &counters);
    return counters;
}

static void a_packet_arrives_with_its_source_and_is_answered_there(void **state)
{
    struct pair *pair = *state;
    assert_true(gossip_send(pair->a.gossip, pair->b.address, said, 5));
    WAIT_FOR(pair, pair->b.received_count == 1);
    assert_int_equal(pair->b.last_bytes, 5);
    assert_memory_equal(pair->b.last, said, 5);
    assert_string_equal(pair->b.source, pair->a.address);
    assert_true(gossip_send(pair->b.gossip, pair->b.source, said, 9));
    WAIT_FOR(pair, pair->a.received_count == 1);
    assert_int_equal(pair->a.last_bytes, 9);
    assert_int_equal(counters_of(&pair->a).sent, 1);
    assert_int_equal(counters_of(&pair->a).received, 1);
}

/* From a plain socket, which may send what the driver never would. */
static void send_raw(const struct side *to, size_t size_bytes)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(to->port),
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    int descriptor = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(
        sendto(descriptor, said, size_bytes, 0, (struct sockaddr *)&address, sizeof(address)),
        (ssize_t)size_bytes);
    (void)close(descriptor);
}

static void what_is_too_long_or_empty_is_dropped_and_counted(void **state)
{
    struct pair *pair = *state;
    send_raw(&pair->a, GOSSIP_PACKET_BYTES_MAX + 1);
    send_raw(&pair->a, 0);
    send_raw(&pair->a, GOSSIP_PACKET_BYTES_MAX);
    WAIT_FOR(pair, pair->a.received_count == 1);
    assert_int_equal(pair->a.last_bytes, GOSSIP_PACKET_BYTES_MAX);
    assert_memory_equal(pair->a.last, said, GOSSIP_PACKET_BYTES_MAX);
    assert_int_equal(counters_of(&pair->a).received_too_long, 1);
    assert_int_equal(counters_of(&pair->a).received_empty, 1);
}

static void of_the_longest_that_went_out_it_is_known_how_long(void **state)
{
    struct pair *pair = *state;
    uint64_t added_bytes = pair->a.keyring != NULL ? KEYRING_SEAL_BYTES : 0;
    assert_int_equal(counters_of(&pair->a).longest_sent_bytes, 0);
    assert_true(gossip_send(pair->a.gossip, pair->b.address, said, 100));
    assert_true(gossip_send(pair->a.gossip, pair->b.address, said, 5));
    assert_int_equal(counters_of(&pair->a).longest_sent_bytes, 100 + added_bytes);
    assert_int_equal(counters_of(&pair->b).longest_sent_bytes, 0);
}

static void no_more_are_taken_than_were_asked_for(void **state)
{
    struct pair *pair = *state;
    pair->b.is_reading = false;
    for (int i = 0; i < 50; i++) {
        assert_true(gossip_send(pair->a.gossip, pair->b.address, said, 100));
    }
    WAIT_FOR(pair, pair->b.readable_count > 0);
    assert_int_equal(pair->b.received_count, 0); /* told of, and left where it is */
    gossip_receive(pair->b.gossip, 20);
    assert_int_equal(pair->b.received_count, 20);
    int told = pair->b.readable_count;
    WAIT_FOR(pair, pair->b.readable_count > told); /* of the rest, again */
    gossip_receive(pair->b.gossip, 64);
    assert_int_equal(pair->b.received_count, 50);
    gossip_receive(pair->b.gossip, 64);
    assert_int_equal(pair->b.received_count, 50);
}

static void what_the_kernel_has_no_room_for_is_lost_and_the_rest_goes_on(void **state)
{
    struct pair *pair = *state;
    pair->b.is_reading = false;
    for (int i = 0; i < 20000; i++) { /* 28 MB */
        (void)gossip_send(pair->a.gossip, pair->b.address, said, GOSSIP_PACKET_BYTES_MAX);
    }
    pair->b.is_reading = true;
    WAIT_FOR(pair, pair->b.received_count > 0 && pair->b.last_bytes == GOSSIP_PACKET_BYTES_MAX);
    for (int before = -1; before != pair->b.received_count;) {
        before = pair->b.received_count;
        gossip_receive(pair->b.gossip, 1024);
    }
    assert_true(pair->b.received_count < 20000);
    assert_true(gossip_send(pair->a.gossip, pair->b.address, said, 7));
    WAIT_FOR(pair, pair->b.last_bytes == 7);
}

/* Numbers that only the resolver reads: it asks no name server. */
static void a_name_is_looked_up_and_what_comes_from_there_bears_it(void **state)
{
    struct pair *pair = *state;
    char name[QR_ADDRESS_BYTES_MAX];
    (void)snprintf(name, sizeof(name), "127.1:%u", pair->b.port);
    assert_false(gossip_send(pair->a.gossip, name, said, 1)); /* not known yet: lost */
    WAIT_FOR(pair, gossip_send(pair->a.gossip, name, said, 2));
    WAIT_FOR(pair, pair->b.received_count > 0);
    assert_int_equal(pair->b.last_bytes, 2);
    assert_true(gossip_send(pair->b.gossip, pair->b.source, said, 3));
    WAIT_FOR(pair, pair->a.received_count > 0);
    assert_string_equal(pair->a.source, name);
    assert_true(counters_of(&pair->a).send_failed >= 1);
}

static void many_names_take_turns_in_the_table(void **state)
{
    struct pair *pair = *state;
    char name[QR_ADDRESS_BYTES_MAX];
    for (unsigned i = 1; i <= UDP_NAMES_MAX + 20; i++) {
        (void)snprintf(name, sizeof(name), "127.%u:%u", i, pair->b.port);
        WAIT_FOR(pair, gossip_send(pair->a.gossip, name, said, 1));
    }
    /* The first had to go; it is looked up anew. */
    (void)snprintf(name, sizeof(name), "127.1:%u", pair->b.port);
    assert_false(gossip_send(pair->a.gossip, name, said, 1));
    WAIT_FOR(pair, gossip_send(pair->a.gossip, name, said, 1));
}

/* A label may have 63 letters: the resolver refuses it without asking anybody. */
#define NO_NAME "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:1"

static void a_name_that_nobody_has_and_what_is_no_address_cost_nothing_else(void **state)
{
    struct pair *pair = *state;
    static const char *const addresses[] = {NO_NAME, "no port", "", "127.0.0.1:99999",
                                            "[::1]:1" /* of another family */};
    for (size_t i = 0; i < COUNT_OF(addresses); i++) {
        assert_false(gossip_send(pair->a.gossip, addresses[i], said, 1));
    }
    assert_int_equal(counters_of(&pair->a).send_failed, COUNT_OF(addresses));
    time_ns end_ns = runtime_now_ns() + 50 * NS_PER_MS;
    while (runtime_now_ns() < end_ns) {
        step(pair);
        assert_false(gossip_send(pair->a.gossip, NO_NAME, said, 1));
    }
    assert_true(gossip_send(pair->a.gossip, pair->b.address, said, 1));
    WAIT_FOR(pair, pair->b.received_count == 1);
}

static void closing_while_names_are_looked_up_is_safe(void **state)
{
    struct pair *pair = *state;
    char name[QR_ADDRESS_BYTES_MAX];
    for (unsigned i = 1; i <= UDP_LOOKUPS_MAX + 4; i++) {
        (void)snprintf(name, sizeof(name), "127.%u:1", i);
        assert_false(gossip_send(pair->a.gossip, name, said, 1));
        assert_true(gossip_send(pair->a.gossip, pair->b.address, said, 1));
    }
}

static void nobody_listening_and_refused_calls_kill_nothing(void **state)
{
    struct pair *pair = *state;
    for (int i = 0; i < 20; i++) {
        (void)gossip_send(pair->a.gossip, "127.0.0.1:9", said, 1); /* an ICMP error comes back */
        assert_false(gossip_send(pair->a.gossip, "255.255.255.255:9", said, 1));
        step(pair);
    }
    assert_true(counters_of(&pair->a).send_failed >= 20);
    assert_true(gossip_send(pair->b.gossip, pair->a.address, said, 1));
    WAIT_FOR(pair, pair->a.received_count == 1);
}

/* The driver's own socket, as the kernel knows it. */
static int socket_of(const struct side *side)
{
    for (int descriptor = 3; descriptor < DESCRIPTORS_MAX; descriptor++) {
        struct sockaddr_in bound = {0};
        socklen_t length = sizeof(bound);
        int type = 0;
        socklen_t type_bytes = sizeof(type);
        if (getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &type_bytes) == 0 &&
            type == SOCK_DGRAM &&
            getsockname(descriptor, (struct sockaddr *)&bound, &length) == 0 &&
            ntohs(bound.sin_port) == side->port) {
            return descriptor;
        }
    }
    return -1;
}

/* The kernel keeps what ICMP said until it is asked: the socket complains for ever. */
static void an_error_that_stays_neither_deafens_nor_spins(void **state)
{
    struct pair *pair = *state;
    int on = 1;
    int descriptor = socket_of(&pair->a);
    assert_int_equal(setsockopt(descriptor, IPPROTO_IP, IP_RECVERR, &on, sizeof(on)), 0);
    (void)gossip_send(pair->a.gossip, "127.0.0.1:9", said, 1);
    pair->a.is_reading = false;
    WAIT_FOR(pair, counters_of(&pair->a).receive_failed > 0);
    int told = pair->a.readable_count;
    for (int i = 0; i < LOOPS_MAX; i++) {
        step(pair);
    }
    assert_int_equal(pair->a.readable_count, told);
    for (int i = 0; i < 3; i++) {
        assert_true(gossip_send(pair->b.gossip, pair->a.address, said, 1));
        WAIT_FOR(pair, (gossip_receive(pair->a.gossip, 64), pair->a.received_count == i + 1));
    }
}

static void a_port_in_use_is_named_and_free_again_after_closing(void **state)
{
    struct pair *pair = *state;
    struct side third = {.is_reading = true};
    char detail[GOSSIP_DETAIL_BYTES] = "";
    char digits[8];
    heap_init(&third.heap);
    assert_int_equal(open_at(&third, "127.0.0.1", pair->a.port, detail), QR_ERR_ADDRESS);
    (void)snprintf(digits, sizeof(digits), "%u", pair->a.port);
    assert_non_null(strstr(detail, digits));
    assert_int_equal(open_at(&third, "no host", 1, detail), QR_ERR_ADDRESS);
    assert_int_equal(open_at(&third,
                             "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                             "aaaaaaaaaaa",
                             1, detail),
                     QR_ERR_ADDRESS);
    third.heap.fail_at = third.heap.allocate_count + 1;
    assert_int_equal(open_at(&third, "127.0.0.1", 1, detail), QR_ERR_NO_MEMORY);
    gossip_close(pair->a.gossip, on_closed, &pair->a);
    pair->a.gossip = NULL;
    assert_int_equal(open_at(&third, "127.0.0.1", pair->a.port, detail), 0);
    gossip_free(third.gossip);
    gossip_free(NULL);
    heap_deinit(&third.heap);
    (void)uv_run(&pair->a.loop, UV_RUN_DEFAULT);
    assert_int_equal(pair->a.closed_count, 1);
}

static void ip6_carries_both_families(void **state)
{
    (void)state;
    struct pair pair = {.a = {.is_reading = true}};
    bool has_ip6 = begin(&pair.a, "[::1]");
    bool has_any = begin(&pair.b, "[::]");
    if (has_ip6 && has_any) {
        char address[QR_ADDRESS_BYTES_MAX];
        (void)snprintf(address, sizeof(address), "[::1]:%u", pair.b.port);
        assert_true(gossip_send(pair.a.gossip, address, said, 4));
        WAIT_FOR(&pair, pair.b.received_count == 1);
        assert_string_equal(pair.b.source, pair.a.address);

        struct side ip4 = {.is_reading = true};
        assert_true(begin(&ip4, "127.0.0.1"));
        (void)snprintf(address, sizeof(address), "127.0.0.1:%u", pair.b.port);
        assert_true(gossip_send(ip4.gossip, address, said, 6));
        WAIT_FOR(&pair, pair.b.received_count == 2);
        assert_string_equal(pair.b.source, ip4.address);
        assert_true(gossip_send(pair.b.gossip, pair.b.source, said, 8));
        for (time_ns limit_ns = runtime_now_ns() + WAIT_NS; ip4.received_count == 0;) {
            (void)uv_run(&ip4.loop, UV_RUN_NOWAIT);
            assert_true(runtime_now_ns() < limit_ns);
        }
        end(&ip4);
    }
    end(&pair.a);
    end(&pair.b);
    if (!has_ip6 || !has_any) {
        skip(); /* no IPv6 here */
    }
}

/* The longest that SWIM makes then fills a datagram. */
static void with_a_key_packets_are_sealed_and_proved(void **state)
{
    struct pair *pair = *state;
    size_t size_bytes = GOSSIP_PACKET_BYTES_MAX - KEYRING_SEAL_BYTES;
    assert_true(gossip_send(pair->a.gossip, pair->b.address, said, size_bytes));
    WAIT_FOR(pair, pair->b.received_count == 1);
    assert_int_equal(pair->b.last_bytes, size_bytes);
    assert_memory_equal(pair->b.last, said, size_bytes);
    assert_true(pair->b.is_proved);
    assert_string_equal(pair->b.source, pair->a.address);
    assert_int_equal(counters_of(&pair->b).received_refused, 0);
}

/* And is refused: with another key, and with none. */
static void what_no_key_of_ours_sealed_is_dropped_and_counted(void **state)
{
    struct pair *pair = *state;
    for (uint64_t i = 1; i <= 3; i++) {
        assert_true(gossip_send(pair->a.gossip, pair->b.address, said, 5));
        WAIT_FOR(pair, counters_of(&pair->b).received_refused == i);
    }
    assert_int_equal(pair->b.received_count, 0);
    assert_int_equal(counters_of(&pair->b).received, 0);
}

static void a_packet_is_handed_over_once_however_often_it_comes(void **state)
{
    struct pair *pair = *state;
    uint8_t packet[64];
    int descriptor = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)},
                             .sin_port = htons(pair->b.port)};
    size_t size_bytes = keyring_seal(pair->a.keyring, said, 5, packet, sizeof(packet));
    for (uint64_t i = 0; i < 3; i++) {
        assert_int_equal(
            sendto(descriptor, packet, size_bytes, 0, (struct sockaddr *)&to, sizeof(to)),
            (ssize_t)size_bytes);
        WAIT_FOR(pair, counters_of(&pair->b).received_refused == i && pair->b.received_count == 1);
    }
    (void)close(descriptor);
}

#define GOSSIP_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        GOSSIP_TEST(a_packet_arrives_with_its_source_and_is_answered_there),
        GOSSIP_TEST(what_is_too_long_or_empty_is_dropped_and_counted),
        GOSSIP_TEST(of_the_longest_that_went_out_it_is_known_how_long),
        cmocka_unit_test_setup_teardown(of_the_longest_that_went_out_it_is_known_how_long,
                                        setup_sealed, teardown),
        GOSSIP_TEST(no_more_are_taken_than_were_asked_for),
        GOSSIP_TEST(what_the_kernel_has_no_room_for_is_lost_and_the_rest_goes_on),
        GOSSIP_TEST(a_name_is_looked_up_and_what_comes_from_there_bears_it),
        GOSSIP_TEST(many_names_take_turns_in_the_table),
        GOSSIP_TEST(a_name_that_nobody_has_and_what_is_no_address_cost_nothing_else),
        GOSSIP_TEST(closing_while_names_are_looked_up_is_safe),
        GOSSIP_TEST(nobody_listening_and_refused_calls_kill_nothing),
        GOSSIP_TEST(an_error_that_stays_neither_deafens_nor_spins),
        GOSSIP_TEST(a_port_in_use_is_named_and_free_again_after_closing),
        cmocka_unit_test_setup_teardown(with_a_key_packets_are_sealed_and_proved, setup_sealed,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_no_key_of_ours_sealed_is_dropped_and_counted,
                                        setup_different, teardown),
        cmocka_unit_test_setup_teardown(what_no_key_of_ours_sealed_is_dropped_and_counted,
                                        setup_one_plain, teardown),
        cmocka_unit_test_setup_teardown(a_packet_is_handed_over_once_however_often_it_comes,
                                        setup_sealed, teardown),
        cmocka_unit_test(ip6_carries_both_families),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
