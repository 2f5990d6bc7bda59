/* test_runtime_strangers.c: what comes in from anybody: strangers, garbage, silence, crowds. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "quorate/error.h"
#include "runtime/memory.h"
#include "support/transport_pair.h"

static void a_stranger_is_refused_and_told_why(void **state)
{
    struct transport_pair *pair = *state;
    pair->a.cluster.low = 99;
    transport_pair_join(pair);
    WAIT_FOR(pair, pair->a.answered_no > 0);
    assert_string_equal(pair->a.reason, "another cluster");
    assert_true(pair->b.refused_count > 0);
    assert_false(transport_side_is_connected(&pair->a, 2));
    transport_flush(pair->a.transport);
    assert_int_equal(pair->b.received_count, 0);
}

static void another_node_at_the_address_is_not_taken_for_the_peer(void **state)
{
    struct transport_pair *pair = *state;
    struct transport_peer peer = {7, pair->b.address};
    transport_set_peers(pair->a.transport, &peer, 1);
    WAIT_FOR(pair, pair->a.answered_no > 0);
    assert_false(transport_side_is_connected(&pair->a, 7));
}

static void what_is_no_hello_closes_the_connection(void **state)
{
    struct transport_pair *pair = *state;
    uint8_t bytes[2048];
    const struct {
        const char *name;
        size_t length;
    } cases[] = {{"garbage", 64}, {"a vote", 0}, {"a length of 1 MB", 24}, {"a length of 0", 24}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        size_t length = cases[i].length;
        memset(bytes, 0xff, sizeof(bytes));
        if (i == 1) {
            length = frame_flatten(vote_frame(1), bytes);
        } else if (i >= 2) {
            (void)transport_side_flat_hello(&pair->a, bytes);
            memset(bytes, 0, 4);
            bytes[2] = i == 2 ? 0x10 : 0; /* allowed to members only */
        }
        int descriptor = transport_side_dial_raw(&pair->b);
        assert_int_equal(send(descriptor, bytes, length, 0), (ssize_t)length);
        WAIT_FOR(pair, socket_is_closed(descriptor));
        close(descriptor);
        struct transport_stats stats;
        transport_stats(pair->b.transport, &stats);
        assert_int_equal(stats.frames_refused, i + 1);
        assert_int_equal(pair->b.received_count, 0);
    }
}

static void what_does_not_decode_closes_a_member_s_connection(void **state)
{
    struct transport_pair *pair = *state;
    uint8_t bytes[4096];
    for (int bit = 0; bit < 64 * 8; bit += 7) {
        int descriptor = transport_side_dial_raw(&pair->b);
        size_t length = transport_side_flat_hello(&pair->a, bytes);
        size_t vote_at = length;
        length += frame_flatten(vote_frame(1), bytes + length);
        bytes[vote_at + (size_t)bit / 8] ^= (uint8_t)(1 << bit % 8);
        memset(bytes + length, 0, 1024); /* a longer length finds bytes, too */
        assert_true(send(descriptor, bytes, length + 1024, MSG_NOSIGNAL) > 0);
        shutdown(descriptor, SHUT_WR);
        WAIT_FOR(pair, socket_is_closed(descriptor));
        close(descriptor);
    }
    assert_int_equal(pair->b.received_count, 0);
}

static void an_over_long_frame_is_refused_before_room_is_made(void **state)
{
    struct transport_pair *pair = *state;
    uint8_t bytes[4096];
    int descriptor = transport_side_dial_raw(&pair->b);
    size_t length = transport_side_flat_hello(&pair->a, bytes);
    size_t vote_at = length;
    length += frame_flatten(vote_frame(1), bytes + length);
    store_u32(bytes + vote_at, 0x7ffffff8);
    assert_int_equal(send(descriptor, bytes, length, 0), (ssize_t)length);
    WAIT_FOR(pair, socket_is_closed(descriptor));
    close(descriptor);
    struct transport_stats stats;
    transport_stats(pair->b.transport, &stats);
    assert_int_equal(stats.frames_refused, 1);
}

static void a_frame_may_come_byte_by_byte(void **state)
{
    struct transport_pair *pair = *state;
    uint8_t bytes[2048];
    int descriptor = transport_side_dial_raw(&pair->b);
    size_t length = transport_side_flat_hello(&pair->a, bytes);
    length += frame_flatten(vote_frame(1), bytes + length);
    for (size_t i = 0; i < length; i++) {
        assert_int_equal(send(descriptor, bytes + i, 1, 0), 1);
        transport_pair_step(pair);
    }
    WAIT_FOR(pair, pair->b.received_count == 1);
    close(descriptor);
}

static void who_says_nothing_is_closed(void **state)
{
    struct transport_pair *pair = *state;
    int descriptor = transport_side_dial_raw(&pair->b);
    time_ns begin_ns = runtime_now_ns();
    WAIT_FOR(pair, socket_is_closed(descriptor));
    assert_true(runtime_now_ns() - begin_ns >= 250 * NS_PER_MS);
    close(descriptor);
}

static void incoming_connections_are_bounded(void **state)
{
    struct transport_pair *pair = *state;
    int descriptors[TRANSPORT_INCOMING_MAX + 8];
    for (size_t i = 0; i < COUNT_OF(descriptors); i++) {
        descriptors[i] = transport_side_dial_raw(&pair->b);
        transport_pair_step(pair);
    }
    struct transport_stats stats;
    transport_stats(pair->b.transport, &stats);
    assert_true(stats.incoming_count <= TRANSPORT_INCOMING_MAX);
    WAIT_FOR(pair, socket_is_closed(descriptors[COUNT_OF(descriptors) - 1]));
    for (size_t i = 0; i < COUNT_OF(descriptors); i++) {
        close(descriptors[i]);
    }
}

static void *take_memory(void *context, size_t size_bytes)
{
    const bool *is_out = context;
    return *is_out ? NULL : allocate(&runtime_allocator, size_bytes);
}

static void give_memory(void *context, void *memory, size_t size_bytes)
{
    (void)context;
    release(&runtime_allocator, memory, size_bytes);
}

/* libuv accepts nobody while one waits for it: who finds no memory must not be left waiting. */
static void who_comes_while_memory_is_out_keeps_nobody_out_later(void **state)
{
    struct transport_pair *pair = *state;
    bool is_out = false;
    const struct allocator allocator = {&is_out, take_memory, give_memory};
    int descriptors[4];
    transport_side_close(&pair->b);
    pair->b.allocator = &allocator;
    assert_int_equal(transport_side_open(&pair->b, "127.0.0.1:0"), 0);
    is_out = true;
    for (size_t i = 0; i < COUNT_OF(descriptors); i++) {
        descriptors[i] = transport_side_dial_raw(&pair->b); /* all at once, for one round */
    }
    for (size_t i = 0; i < COUNT_OF(descriptors); i++) {
        WAIT_FOR(pair, socket_is_closed(descriptors[i]));
        close(descriptors[i]);
    }
    is_out = false;
    uint8_t bytes[2048];
    size_t length = transport_side_flat_hello(&pair->a, bytes);
    int later = transport_side_dial_raw(&pair->b);
    assert_int_equal(send(later, bytes, length, 0), (ssize_t)length);
    struct transport_stats stats = {.received_bytes = 0};
    WAIT_FOR(pair, (transport_stats(pair->b.transport, &stats), stats.received_bytes == length));
    close(later);
    transport_side_close(&pair->b); /* before its allocator goes */
}

static void a_node_that_dials_again_replaces_its_old_connection(void **state)
{
    struct transport_pair *pair = *state;
    uint8_t bytes[2048];
    size_t length = transport_side_flat_hello(&pair->a, bytes);
    int first = transport_side_dial_raw(&pair->b);
    assert_int_equal(send(first, bytes, length, 0), (ssize_t)length);
    transport_pair_run_for(pair, 20 * NS_PER_MS);
    assert_false(socket_is_closed(first));
    int second = transport_side_dial_raw(&pair->b);
    assert_int_equal(send(second, bytes, length, 0), (ssize_t)length);
    WAIT_FOR(pair, socket_is_closed(first));
    assert_false(socket_is_closed(second));
    close(first);
    close(second);
}

#define TRANSPORT_TEST(name)                                                                       \
    cmocka_unit_test_setup_teardown(name, transport_pair_setup, transport_pair_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TRANSPORT_TEST(a_stranger_is_refused_and_told_why),
        TRANSPORT_TEST(another_node_at_the_address_is_not_taken_for_the_peer),
        TRANSPORT_TEST(what_is_no_hello_closes_the_connection),
        TRANSPORT_TEST(what_does_not_decode_closes_a_member_s_connection),
        TRANSPORT_TEST(an_over_long_frame_is_refused_before_room_is_made),
        TRANSPORT_TEST(a_frame_may_come_byte_by_byte),
        TRANSPORT_TEST(who_says_nothing_is_closed),
        TRANSPORT_TEST(incoming_connections_are_bounded),
        TRANSPORT_TEST(who_comes_while_memory_is_out_keeps_nobody_out_later),
        TRANSPORT_TEST(a_node_that_dials_again_replaces_its_old_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
