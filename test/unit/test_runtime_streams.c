/* test_runtime_streams.c: SWIM's streams over the transport, and closed connections told. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/memory.h"
#include "support/transport_pair.h"

static const uint8_t said[WIRE_GOSSIP_BYTES_MAX] = {1, 2, 3};

/* Say so many bytes, from a to b, on a stream to b's address. */
static bool say(struct transport_pair *pair, size_t size_bytes)
{
    bool is_queued = transport_gossip(pair->a.transport, pair->b.address, 0, said, size_bytes);
    transport_flush(pair->a.transport);
    return is_queued;
}

static void a_message_is_dialed_for_and_answered_on_its_stream(void **state)
{
    struct transport_pair *pair = *state;
    assert_true(say(pair, 100));
    WAIT_FOR(pair, pair->b.gossip_count == 1);
    assert_int_equal(pair->b.gossip_bytes, 100);
    assert_memory_equal(pair->b.gossip, said, 100);
    assert_string_equal(pair->b.gossip_source, pair->a.address);
    assert_true(transport_gossip(pair->b.transport, NULL, pair->b.gossip_stream, said, 7));
    transport_flush(pair->b.transport);
    WAIT_FOR(pair, pair->a.gossip_count == 1);
    assert_int_equal(pair->a.gossip_bytes, 7);
    assert_string_equal(pair->a.gossip_source, pair->b.address);
    assert_int_equal(pair->b.received_count, 0); /* it is no message of a member */
}

static void all_of_one_address_takes_one_stream_in_order(void **state)
{
    struct transport_pair *pair = *state;
    for (size_t size = 1; size <= 50; size++) {
        assert_true(say(pair, size));
    }
    assert_true(say(pair, WIRE_GOSSIP_BYTES_MAX));
    WAIT_FOR(pair, pair->b.gossip_count == 51);
    assert_int_equal(pair->b.gossip_bytes, WIRE_GOSSIP_BYTES_MAX);
    assert_memory_equal(pair->b.gossip, said, WIRE_GOSSIP_BYTES_MAX);
    struct transport_stats stats;
    transport_stats(pair->b.transport, &stats);
    assert_int_equal(stats.incoming_count, 1);
}

static void it_counts_for_no_connection_with_a_member(void **state)
{
    struct transport_pair *pair = *state;
    struct transport_peer a = {1, "127.0.0.1:1"}; /* where nobody is */
    transport_set_peers(pair->b.transport, &a, 1);
    assert_true(say(pair, 1));
    WAIT_FOR(pair, pair->b.gossip_count == 1);
    assert_false(transport_side_is_connected(&pair->b, 1));
    transport_side_close(&pair->a);
    struct transport_stats stats;
    do {
        transport_pair_step(pair);
        transport_stats(pair->b.transport, &stats);
    } while (stats.incoming_count > 0);
    assert_int_equal(pair->b.closed_count, 0);
}

static void a_newcomer_may_gossip_as_much_as_a_member(void **state)
{
    struct transport_pair *pair = *state;
    pair->a.cluster = (struct cluster_id){0};
    assert_true(say(pair, WIRE_GOSSIP_BYTES_MAX));
    WAIT_FOR(pair, pair->b.gossip_count == 1);
}

/* While it joins over another connection: neither closes the other. */
static void a_newcomer_joins_and_gossips_at_once(void **state)
{
    struct transport_pair *pair = *state;
    pair->a.cluster = (struct cluster_id){0};
    transport_dial_seed(pair->a.transport, pair->b.address);
    WAIT_FOR(pair, pair->a.seed_ready_count == 1);
    struct wire_message join = {.type = WIRE_JOIN, .join = {.from = 1}};
    transport_send_seed(pair->a.transport, wire_encode(&runtime_allocator, &join));
    transport_flush(pair->a.transport);
    WAIT_FOR(pair, pair->b.received_count == 1);
    assert_true(say(pair, 1));
    WAIT_FOR(pair, pair->b.gossip_count == 1);
    struct wire_message answer = {.type = WIRE_JOIN_RESPONSE};
    transport_reply(pair->b.transport, pair->b.received_connection,
                    wire_encode(&runtime_allocator, &answer));
    transport_flush(pair->b.transport);
    WAIT_FOR(pair, pair->a.seed_received_count == 1);
    assert_true(transport_gossip(pair->b.transport, NULL, pair->b.gossip_stream, said, 1));
    transport_flush(pair->b.transport);
    WAIT_FOR(pair, pair->a.gossip_count == 1);
    assert_int_equal(pair->a.seed_closed_count, 0);
}

/* Of two connections neither has said yet what it is for: both may be needed. */
static void a_newcomer_may_dial_for_both_before_it_says_anything(void **state)
{
    struct transport_pair *pair = *state;
    pair->a.cluster = (struct cluster_id){0};
    transport_dial_seed(pair->a.transport, pair->b.address);
    WAIT_FOR(pair, pair->a.seed_ready_count == 1);
    assert_true(say(pair, 1));
    WAIT_FOR(pair, pair->b.gossip_count == 1);
    struct wire_message join = {.type = WIRE_JOIN, .join = {.from = 1}};
    transport_send_seed(pair->a.transport, wire_encode(&runtime_allocator, &join));
    transport_flush(pair->a.transport);
    WAIT_FOR(pair, pair->b.received_count == 1 || pair->a.seed_closed_count > 0);
    assert_int_equal(pair->a.seed_closed_count, 0);
    assert_true(transport_gossip(pair->b.transport, NULL, pair->b.gossip_stream, said, 1));
}

/* One that lost its connection without our notice does not keep two of one use for long. */
static void the_newer_of_two_streams_of_one_node_ends_the_older(void **state)
{
    struct transport_pair *pair = *state;
    struct wire_message hello = {
        .type = WIRE_HELLO,
        .hello = {.version_min = 1, .version_max = 2, .cluster = pair->b.cluster, .from = 7},
    };
    struct wire_message gossip = {.type = WIRE_GOSSIP};
    uint8_t bytes[4096];
    size_t length = frame_flatten(wire_encode(&runtime_allocator, &hello), bytes);
    length += frame_flatten(wire_encode(&runtime_allocator, &gossip), bytes + length);
    int older = transport_side_dial_raw(&pair->b);
    assert_int_equal(send(older, bytes, length, 0), (ssize_t)length);
    WAIT_FOR(pair, pair->b.gossip_count == 1);
    int newer = transport_side_dial_raw(&pair->b);
    assert_int_equal(send(newer, bytes, length, 0), (ssize_t)length);
    WAIT_FOR(pair, pair->b.gossip_count == 2);
    WAIT_FOR(pair, socket_is_closed(older));
    assert_false(socket_is_closed(newer));
    close(older);
    close(newer);
}

static void a_node_of_another_cluster_is_not_heard(void **state)
{
    struct transport_pair *pair = *state;
    pair->a.cluster.low = 99;
    assert_true(say(pair, 1));
    WAIT_FOR(pair, pair->a.answered_no == 1);
    assert_int_equal(pair->b.gossip_count, 0);
}

static void who_does_not_know_gossip_is_sent_none(void **state)
{
    struct transport_pair *pair = *state;
    pair->b.version = 1;
    assert_true(say(pair, 1));
    struct transport_stats stats;
    do {
        transport_pair_step(pair);
        transport_stats(pair->a.transport, &stats);
    } while (stats.messages_dropped == 0);
    assert_int_equal(stats.messages_sent, 0);
    assert_int_equal(pair->b.gossip_count, 0);
}

static void a_stream_that_is_gone_takes_no_answer(void **state)
{
    struct transport_pair *pair = *state;
    assert_false(transport_gossip(pair->b.transport, NULL, 4711, said, 1));
    transport_pair_join(pair);
    WAIT_FOR(pair, transport_side_is_connected(&pair->a, 2));
    transport_send(pair->a.transport, 2, vote_frame(1));
    transport_flush(pair->a.transport);
    WAIT_FOR(pair, pair->b.received_count == 1);
    /* Nor does a connection that is a member's. */
    assert_false(transport_gossip(pair->b.transport, NULL, pair->b.received_connection, said, 1));
    struct transport_stats stats;
    transport_stats(pair->b.transport, &stats);
    assert_int_equal(stats.messages_dropped, 2);
}

static void no_more_are_dialed_than_may_be(void **state)
{
    struct transport_pair *pair = *state;
    char address[QR_ADDRESS_BYTES_MAX];
    for (unsigned i = 0; i < TRANSPORT_GOSSIP_DIALED_MAX; i++) {
        (void)snprintf(address, sizeof(address), "127.0.0.%u:%u", i + 2,
                       transport_port(pair->b.transport));
        assert_true(transport_gossip(pair->a.transport, address, 0, said, 1));
    }
    assert_false(say(pair, 1));
    assert_true(transport_gossip(pair->a.transport, address, 0, said, 1)); /* that one is there */
    struct transport_stats stats;
    transport_stats(pair->a.transport, &stats);
    assert_int_equal(stats.messages_dropped, 1);
}

static void what_waits_for_a_stream_is_bounded(void **state)
{
    struct transport_pair *pair = *state;
    struct transport_stats stats;
    assert_true(say(pair, 1));
    WAIT_FOR(pair, pair->b.gossip_count == 1);
    int count = 0; /* answers, while the other end does not read */
    while (transport_gossip(pair->b.transport, NULL, pair->b.gossip_stream, said,
                            WIRE_GOSSIP_BYTES_MAX)) {
        count++;
    }
    transport_stats(pair->b.transport, &stats);
    assert_true(count >= 49); /* all of the largest table */
    assert_true(stats.queued_bytes <= TRANSPORT_GOSSIP_QUEUE_BYTES);
    assert_int_equal(stats.messages_dropped, 1);
    transport_flush(pair->b.transport);
    WAIT_FOR(pair, pair->a.gossip_count == count);
}

static void what_is_not_for_a_stream_closes_it(void **state)
{
    struct transport_pair *pair = *state;
    struct wire_message hello = {
        .type = WIRE_HELLO,
        .hello = {.version_min = 1, .version_max = 2, .cluster = pair->b.cluster, .from = 7},
    };
    struct wire_message gossip = {.type = WIRE_GOSSIP};
    const struct {
        bool has_expected;
        bool is_gossip_first;
    } cases[] = {{false, true}, {true, true}, {true, false}, {false, false}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint8_t bytes[4096];
        hello.hello.has_expected = cases[i].has_expected;
        hello.hello.expected = cases[i].has_expected ? 2 : 0;
        size_t length = frame_flatten(wire_encode(&runtime_allocator, &hello), bytes);
        for (int k = 0; k < 2; k++) {
            bool is_gossip = cases[i].is_gossip_first == (k == 0);
            length +=
                frame_flatten(is_gossip ? wire_encode(&runtime_allocator, &gossip) : vote_frame(1),
                              bytes + length);
        }
        int descriptor = transport_side_dial_raw(&pair->b);
        assert_int_equal(send(descriptor, bytes, length, 0), (ssize_t)length);
        WAIT_FOR(pair, socket_is_closed(descriptor));
        close(descriptor);
        struct transport_stats stats;
        transport_stats(pair->b.transport, &stats);
        assert_int_equal(stats.frames_refused, i + 1);
    }
    assert_int_equal(pair->b.gossip_count, 1); /* by the first alone, and before the vote */
    assert_int_equal(pair->b.received_count, 2);
}

static void a_stranger_may_only_ask_to_join_and_gossip(void **state)
{
    struct transport_pair *pair = *state;
    struct wire_message hello = {
        .type = WIRE_HELLO,
        .hello = {.version_min = 1, .version_max = 2, .from = 7},
    };
    uint8_t bytes[4096];
    size_t length = frame_flatten(wire_encode(&runtime_allocator, &hello), bytes);
    length += frame_flatten(vote_frame(1), bytes + length);
    int descriptor = transport_side_dial_raw(&pair->b);
    assert_int_equal(send(descriptor, bytes, length, 0), (ssize_t)length);
    WAIT_FOR(pair, socket_is_closed(descriptor));
    close(descriptor);
    struct transport_stats stats;
    transport_stats(pair->b.transport, &stats);
    assert_int_equal(stats.frames_refused, 1);
    assert_int_equal(pair->b.received_count, 0);
}

static void a_member_that_is_gone_is_told_of_at_once_and_that_it_refuses(void **state)
{
    struct transport_pair *pair = *state;
    transport_pair_join(pair);
    WAIT_FOR(pair, transport_side_is_connected(&pair->a, 2));
    transport_side_close(&pair->b);
    WAIT_FOR(pair, pair->a.refused_member_count == 1);
    assert_int_equal(pair->a.closed_count, 1);
    assert_true(pair->a.closed_member == 2);
    /* Told once, however often it is dialed from then on. */
    transport_pair_run_for(pair, 200 * NS_PER_MS);
    assert_int_equal(pair->a.refused_member_count, 1);
}

/* Its end closes the connection that we dialed and the one that it dialed. Both are seen at one
 * moment, and neither makes the dialing wait. Who is slow in one round is not in all of them.
 */
static void a_member_that_closed_both_is_not_waited_for(void **state)
{
    struct transport_pair *pair = *state;
    char address[32];
    bool was_at_once = false;
    memcpy(address, pair->b.address, sizeof(address));
    for (int round = 1; round <= 20 && !was_at_once; round++) {
        struct transport_peer a = {1, pair->a.address};
        transport_pair_join(pair);
        transport_set_peers(pair->b.transport, &a, 1);
        struct transport_stats stats;
        do {
            transport_pair_step(pair);
            transport_stats(pair->a.transport, &stats);
        } while (stats.incoming_count == 0 || !transport_side_is_connected(&pair->a, 2));
        int before = pair->a.refused_member_count;
        transport_pair_step(pair);
        transport_side_close(&pair->b);
        WAIT_FOR(pair, pair->a.refused_member_count > before);
        was_at_once = pair->a.refused_ns - pair->a.closed_ns < TRANSPORT_BACKOFF_NS_MIN / 2;
        transport_set_peers(pair->a.transport, NULL, 0);
        assert_int_equal(transport_side_open(&pair->b, address), 0);
    }
    assert_true(was_at_once);
}

/* What is left of a process that is being killed: a listener that goes last. */
static int listen_raw(uint16_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons(port),
                             .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int on = 1;
    assert_int_equal(setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
    assert_int_equal(bind(descriptor, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(descriptor, 8), 0);
    return descriptor;
}

static void one_that_lets_us_in_once_more_and_is_gone_is_not_waited_for(void **state)
{
    struct transport_pair *pair = *state;
    char address[32];
    bool was_soon = false;
    memcpy(address, pair->b.address, sizeof(address));
    uint16_t port = transport_port(pair->b.transport);
    for (int round = 1; round <= 20 && !was_soon; round++) {
        transport_pair_join(pair);
        WAIT_FOR(pair, transport_side_is_connected(&pair->a, 2));
        int closed = pair->a.closed_count;
        int refused = pair->a.refused_member_count;
        transport_side_close(&pair->b);
        int listener = listen_raw(port);
        WAIT_FOR(pair, pair->a.closed_count > closed);
        int taken = -1;
        WAIT_FOR(pair, (taken = accept(listener, NULL, NULL)) >= 0);
        close(taken);
        close(listener);
        WAIT_FOR(pair, pair->a.refused_member_count > refused);
        was_soon = pair->a.refused_ns - pair->a.closed_ns < TRANSPORT_BACKOFF_NS_MIN / 2;
        transport_set_peers(pair->a.transport, NULL, 0);
        assert_int_equal(transport_side_open(&pair->b, address), 0);
    }
    assert_true(was_soon);
}

static void the_other_end_hears_of_a_closed_connection_too(void **state)
{
    struct transport_pair *pair = *state;
    struct transport_peer a = {1, "127.0.0.1:1"}; /* where nobody is */
    transport_set_peers(pair->b.transport, &a, 1);
    transport_pair_join(pair);
    WAIT_FOR(pair, transport_side_is_connected(&pair->b, 1));
    assert_int_equal(pair->b.closed_count, 0); /* one that was never open is none that closed */
    transport_side_close(&pair->a);
    WAIT_FOR(pair, pair->b.closed_count == 1);
    assert_true(pair->b.closed_member == 1);
}

static void one_that_is_not_wanted_any_more_is_no_news(void **state)
{
    struct transport_pair *pair = *state;
    transport_pair_join(pair);
    WAIT_FOR(pair, transport_side_is_connected(&pair->a, 2));
    transport_set_peers(pair->a.transport, NULL, 0);
    transport_pair_run_for(pair, 50 * NS_PER_MS);
    assert_int_equal(pair->a.closed_count, 0);
}

static void who_closes_again_and_again_is_dialed_with_pauses(void **state)
{
    struct transport_pair *pair = *state;
    struct transport_peer other = {1, "127.0.0.1:1"};
    transport_pair_join(pair);
    time_ns begin_ns = runtime_now_ns();
    for (int round = 1; round <= 6; round++) {
        WAIT_FOR(pair, transport_side_is_connected(&pair->a, 2));
        /* b closes all it has, and listens on. */
        char address[32];
        memcpy(address, pair->b.address, sizeof(address));
        transport_side_close(&pair->b);
        assert_int_equal(transport_side_open(&pair->b, address), 0);
        transport_set_peers(pair->b.transport, &other, 1);
        WAIT_FOR(pair, pair->a.closed_count == round);
    }
    /* The first at once; each other after half of the shortest back-off at least. */
    assert_true(runtime_now_ns() - begin_ns >= 4 * TRANSPORT_BACKOFF_NS_MIN / 2);
}

#define STREAM_TEST(name)                                                                          \
    cmocka_unit_test_setup_teardown(name, transport_pair_setup, transport_pair_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STREAM_TEST(a_message_is_dialed_for_and_answered_on_its_stream),
        STREAM_TEST(all_of_one_address_takes_one_stream_in_order),
        STREAM_TEST(it_counts_for_no_connection_with_a_member),
        STREAM_TEST(a_newcomer_may_gossip_as_much_as_a_member),
        STREAM_TEST(a_newcomer_joins_and_gossips_at_once),
        STREAM_TEST(a_newcomer_may_dial_for_both_before_it_says_anything),
        STREAM_TEST(the_newer_of_two_streams_of_one_node_ends_the_older),
        STREAM_TEST(a_node_of_another_cluster_is_not_heard),
        STREAM_TEST(who_does_not_know_gossip_is_sent_none),
        STREAM_TEST(a_stream_that_is_gone_takes_no_answer),
        STREAM_TEST(no_more_are_dialed_than_may_be),
        STREAM_TEST(what_waits_for_a_stream_is_bounded),
        STREAM_TEST(what_is_not_for_a_stream_closes_it),
        STREAM_TEST(a_stranger_may_only_ask_to_join_and_gossip),
        STREAM_TEST(a_member_that_is_gone_is_told_of_at_once_and_that_it_refuses),
        STREAM_TEST(a_member_that_closed_both_is_not_waited_for),
        STREAM_TEST(one_that_lets_us_in_once_more_and_is_gone_is_not_waited_for),
        STREAM_TEST(the_other_end_hears_of_a_closed_connection_too),
        STREAM_TEST(one_that_is_not_wanted_any_more_is_no_news),
        STREAM_TEST(who_closes_again_and_again_is_dialed_with_pauses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
