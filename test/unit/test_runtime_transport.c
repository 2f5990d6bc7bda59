/* test_runtime_transport.c: frames between members: order, loss, names, seeds, slow readers; all of
 * it plain, and all of it under TLS.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "quorate/error.h"
#include "runtime/memory.h"
#include "support/tally.h"
#include "support/transport_pair.h"

static struct wire_frame *append_frame(raft_index first, size_t count, size_t payload_bytes)
{
    struct entry_arena arena;
    struct entry entries[16];
    static const uint8_t payload[200000];
    ASSERT(count <= 16 && payload_bytes <= sizeof(payload));
    entry_arena_init(&arena, &runtime_allocator);
    for (size_t i = 0; i < count; i++) {
        struct entry_fields fields = {
            .index = first + i,
            .term = 1,
            .type = ENTRY_NORMAL,
            .payload = payload,
            .payload_bytes = (uint32_t)payload_bytes,
        };
        assert_int_equal(entry_arena_encode(&arena, &fields, &entries[i]), 0);
    }
    struct raft_message message = {
        .type = RAFT_APPEND_ENTRIES,
        .from = 1,
        .to = 2,
        .term = 1,
        .append_entries = {.prev = {first == 1 ? 0 : 1, first - 1}},
        .entries = entries,
        .entry_count = count,
    };
    struct wire_message wire = wire_of_raft(&message);
    struct wire_frame *frame = wire_encode(&runtime_allocator, &wire);
    for (size_t i = 0; i < count; i++) {
        chunk_drop(entries[i].chunk);
    }
    entry_arena_deinit(&arena);
    return frame;
}

static void frames_arrive_in_order_once_the_hello_is_answered(void **state)
{
    struct transport_pair *pair = *state;
    transport_pair_join(pair);
    WAIT_FOR(pair, transport_side_is_connected(&pair->a, 2));
    for (uint64_t term = 1; term <= 100; term++) {
        assert_true(transport_send(pair->a.transport, 2, vote_frame(term)));
    }
    assert_int_equal(pair->b.received_count, 0); /* nothing leaves before the flush */
    transport_flush(pair->a.transport);
    WAIT_FOR(pair, pair->b.received_count == 100);
    assert_true(pair->b.is_in_order);
    assert_true(pair->b.received_from == 1);
    struct transport_stats stats;
    transport_stats(pair->a.transport, &stats);
    assert_int_equal(stats.messages_sent, 100);
    assert_int_equal(stats.queued_bytes, 0);
}

static void entries_are_kept_without_copies_and_stay_what_they_were(void **state)
{
    struct transport_pair *pair = *state;
    pair->b.keeps = true;
    transport_pair_join(pair);
    WAIT_FOR(pair, transport_side_is_connected(&pair->a, 2));
    raft_index index = 1;
    const size_t sizes[] = {1, 100, 5000, 65000, 70000, 200000, 3};
    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < COUNT_OF(sizes); i++) {
            size_t count = sizes[i] > 60000 ? 1 : 8;
            assert_true(transport_send(pair->a.transport, 2, append_frame(index, count, sizes[i])));
            index += count;
        }
        transport_flush(pair->a.transport);
        WAIT_FOR(pair, pair->b.kept_count == index - 1);
    }
    for (size_t i = 0; i < pair->b.kept_count; i++) {
        struct entry_fields fields = entry_fields_of(&pair->b.kept[i]);
        size_t record_bytes = 0;
        assert_int_equal(entry_decode(pair->b.kept[i].record, pair->b.kept[i].record_bytes,
                                      pair->b.kept[i].record_bytes, &fields, &record_bytes),
                         0);
        assert_int_equal(fields.index, i + 1);
    }
}

/* A piece of a snapshot: so many bytes of this value. */
static struct wire_frame *piece_frame(uint8_t value, uint32_t size_bytes)
{
    struct chunk *chunk = chunk_new(&runtime_allocator, size_bytes);
    assert_non_null(chunk);
    memset(chunk->data, value, size_bytes);
    struct raft_message message = {
        .type = RAFT_INSTALL_SNAPSHOT,
        .from = 1,
        .to = 2,
        .term = 1,
        .install_snapshot = {.snapshot = {1, 1}, .data = {chunk, chunk->data, size_bytes}},
    };
    struct wire_message wire = wire_of_raft(&message);
    struct wire_frame *frame = wire_encode(&runtime_allocator, &wire);
    chunk_drop(chunk);
    return frame;
}

/* It has no entries, and is kept all the same: nothing may be read over it. */
static void pieces_of_snapshots_stay_what_they_were_too(void **state)
{
    struct transport_pair *pair = *state;
    pair->b.keeps = true;
    transport_pair_join(pair);
    WAIT_FOR(pair, transport_side_is_connected(&pair->a, 2));
    const uint32_t sizes[] = {1, 100, 5000, 60000, 65536, 200000, 3};
    for (unsigned i = 0; i < TRANSPORT_PAIR_DATA_MAX; i++) {
        uint32_t size_bytes = sizes[i % COUNT_OF(sizes)];
        assert_true(transport_send(pair->a.transport, 2, piece_frame((uint8_t)i, size_bytes)));
        transport_flush(pair->a.transport);
        WAIT_FOR(pair, pair->b.kept_data_count == i + 1);
    }
    for (unsigned i = 0; i < TRANSPORT_PAIR_DATA_MAX; i++) {
        const struct raft_data *data = &pair->b.kept_data[i];
        assert_int_equal(data->size_bytes, sizes[i % COUNT_OF(sizes)]);
        for (uint32_t at = 0; at < data->size_bytes; at++) {
            if (data->bytes[at] != (uint8_t)i) {
                fail_msg("piece %u has another byte at %u", i, at);
            }
        }
    }
}

static void without_a_connection_a_frame_is_dropped_and_counted(void **state)
{
    struct transport_pair *pair = *state;
    assert_false(transport_send(pair->a.transport, 2, vote_frame(1)));
    transport_reply(pair->a.transport, 4711, vote_frame(1));
    transport_send_seed(pair->a.transport, vote_frame(1));
    struct transport_stats stats;
    transport_stats(pair->a.transport, &stats);
    assert_int_equal(stats.messages_dropped, 3);
}

static void a_lost_connection_is_made_again(void **state)
{
    struct transport_pair *pair = *state;
    transport_pair_join(pair);
    WAIT_FOR(pair, transport_side_is_connected(&pair->a, 2));
    transport_side_close(&pair->b);
    WAIT_FOR(pair, !transport_side_is_connected(&pair->a, 2));
    transport_pair_run_for(pair, 200 * NS_PER_MS);
    char address[32];
    memcpy(address, pair->b.address, sizeof(address));
    assert_int_equal(transport_side_open(&pair->b, address), 0);
    WAIT_FOR(pair, transport_side_is_connected(&pair->a, 2));
    assert_true(transport_send(pair->a.transport, 2, vote_frame(1)));
    transport_flush(pair->a.transport);
    WAIT_FOR(pair, pair->b.received_count == 1);
}

static void a_peer_that_is_no_member_any_more_is_let_go(void **state)
{
    struct transport_pair *pair = *state;
    transport_pair_join(pair);
    WAIT_FOR(pair, transport_side_is_connected(&pair->a, 2));
    transport_set_peers(pair->a.transport, NULL, 0);
    struct transport_peer_state peer;
    assert_false(transport_peer_state(pair->a.transport, 2, &peer));
    struct transport_stats stats;
    do {
        transport_pair_step(pair);
        transport_stats(pair->b.transport, &stats);
    } while (stats.incoming_count > 0);
}

static void a_name_is_looked_up(void **state)
{
    struct transport_pair *pair = *state;
    char address[64];
    (void)snprintf(address, sizeof(address), "127.1:%u", transport_port(pair->b.transport));
    struct transport_peer peer = {2, address};
    transport_set_peers(pair->a.transport, &peer, 1);
    WAIT_FOR(pair, transport_side_is_connected(&pair->a, 2));
}

static void closing_while_names_are_looked_up_is_safe(void **state)
{
    struct transport_pair *pair = *state;
    struct transport_peer peer = {2, "127.1:1"};
    transport_set_peers(pair->a.transport, &peer, 1);
    transport_pair_step(pair);
    transport_side_close(&pair->a);
}

static void a_slow_reader_costs_no_more_than_its_queue(void **state)
{
    struct transport_pair *pair = *state;
    transport_pair_join(pair);
    WAIT_FOR(pair, transport_side_is_connected(&pair->a, 2));
    int dropped_count = 0;
    /* Nobody reads. No more than it takes: the kernel ends what stands still for 5 s. */
    for (int i = 0; i < 200 && dropped_count < 3; i++) {
        dropped_count += transport_send(pair->a.transport, 2, append_frame(1, 1, 200000)) ? 0 : 1;
        transport_flush(pair->a.transport);
        uv_run(&pair->a.loop, UV_RUN_NOWAIT);
    }
    struct transport_stats stats;
    transport_stats(pair->a.transport, &stats);
    assert_int_equal(dropped_count, 3);
    assert_int_equal(stats.messages_dropped, 3);
    assert_true(stats.queued_bytes <= TRANSPORT_PAIR_QUEUE_BYTES_MAX);
    int sent = (int)stats.messages_sent;
    WAIT_FOR(pair, pair->b.received_count == sent);
    for (int i = 0; i < TRANSPORT_QUEUE_FRAMES_MAX + 10; i++) { /* nor in number, unflushed */
        (void)transport_send(pair->a.transport, 2, vote_frame(1));
    }
    uint64_t dropped = stats.messages_dropped;
    transport_stats(pair->a.transport, &stats);
    assert_int_equal(stats.messages_dropped, dropped + 10);
}

static void a_seed_is_dialed_and_answers_on_its_connection(void **state)
{
    struct transport_pair *pair = *state;
    pair->a.cluster = (struct cluster_id){0};
    transport_dial_seed(pair->a.transport, pair->b.address);
    assert_int_equal(pair->a.seed_ready_count, 0);
    WAIT_FOR(pair, pair->a.seed_ready_count == 1);
    struct wire_message join = {.type = WIRE_JOIN, .join = {.from = 1, .wants_vote = true}};
    (void)snprintf(join.join.name, sizeof(join.join.name), "n1");
    transport_send_seed(pair->a.transport, wire_encode(&runtime_allocator, &join));
    transport_flush(pair->a.transport);
    WAIT_FOR(pair, pair->b.received_count == 1);
    struct wire_message answer = {.type = WIRE_JOIN_RESPONSE};
    transport_reply(pair->b.transport, pair->b.received_connection,
                    wire_encode(&runtime_allocator, &answer));
    transport_flush(pair->b.transport);
    WAIT_FOR(pair, pair->a.seed_received_count == 1);
    transport_side_close(&pair->b);
    WAIT_FOR(pair, pair->a.seed_closed_count == 1);
}

/* From a to b, on the connection of the seed. */
static void say(struct transport_pair *pair, struct wire_message message)
{
    transport_send_seed(pair->a.transport, wire_encode(&runtime_allocator, &message));
    transport_flush(pair->a.transport);
}

static void be_invited(struct transport_pair *pair)
{
    transport_dial_seed(pair->a.transport, pair->b.address);
    WAIT_FOR(pair, pair->a.seed_ready_count == 1);
    say(pair, (struct wire_message){.type = WIRE_INVITE, .invite = {.from = 1}});
    WAIT_FOR(pair, pair->b.received_count == 1);
    struct wire_message answer = {.type = WIRE_INVITE_RESPONSE};
    transport_reply(pair->b.transport, pair->b.received_connection,
                    wire_encode(&runtime_allocator, &answer));
    transport_flush(pair->b.transport);
    WAIT_FOR(pair, pair->a.invited_count == 1);
}

static void a_node_in_no_cluster_is_invited_and_told_nothing_else(void **state)
{
    struct transport_pair *pair = *state;
    struct transport_stats stats;
    pair->b.cluster = (struct cluster_id){0};
    be_invited(pair);
    say(pair, (struct wire_message){.type = WIRE_READ, .read = {.from = 1}});
    WAIT_FOR(pair, pair->a.seed_closed_count == 1);
    assert_int_equal(pair->a.seed_status, 0);
    assert_int_equal(pair->b.received_count, 1);
    transport_stats(pair->b.transport, &stats);
    assert_int_equal(stats.frames_refused, 1);
}

static void a_member_answers_an_invitation_too(void **state)
{
    struct transport_pair *pair = *state;
    be_invited(pair);
    say(pair, (struct wire_message){.type = WIRE_READ, .read = {.from = 1}});
    WAIT_FOR(pair, pair->b.received_count == 2);
    assert_int_equal(pair->b.received_connection, 0); /* answered where members are */
}

/* Somebody dialed it, and is gone. */
static bool was_left(const struct transport_side *side)
{
    struct transport_stats stats;
    transport_stats(side->transport, &stats);
    return stats.received_bytes > 0 && stats.incoming_count == 0;
}

static void nobody_gossips_with_a_node_in_no_cluster(void **state)
{
    struct transport_pair *pair = *state;
    struct transport_stats stats;
    pair->b.cluster = (struct cluster_id){0};
    assert_true(transport_gossip(pair->a.transport, pair->b.address, 0, (const uint8_t *)"x", 1));
    transport_flush(pair->a.transport);
    WAIT_FOR(pair, was_left(&pair->b));
    assert_int_equal(pair->b.gossip_count, 0);
    transport_stats(pair->b.transport, &stats);
    assert_int_equal(stats.frames_refused, 0);
}

static void who_invites_no_more_is_let_go(void **state)
{
    struct transport_pair *pair = *state;
    struct transport_stats stats;
    transport_side_close(&pair->b);
    pair->b.cluster = (struct cluster_id){0};
    pair->b.idle_ns = NS_PER_S;
    assert_int_equal(transport_side_open(&pair->b, "127.0.0.1:0"), 0);
    be_invited(pair);
    for (time_ns limit_ns = runtime_now_ns() + TRANSPORT_PAIR_WAIT_NS;
         pair->a.seed_closed_count == 0;) {
        assert_true(runtime_now_ns() < limit_ns);
        transport_pair_run_for(pair, 10 * NS_PER_MS);
    }
    transport_stats(pair->b.transport, &stats);
    assert_int_equal(stats.incoming_count, 0);
    assert_int_equal(stats.frames_refused, 0);
}

static void a_seed_of_another_cluster_is_told_as_such(void **state)
{
    struct transport_pair *pair = *state;
    pair->b.cluster = (struct cluster_id){9, 9};
    transport_dial_seed(pair->a.transport, pair->b.address);
    WAIT_FOR(pair, pair->a.seed_closed_count == 1);
    assert_int_equal(pair->a.seed_status, QR_ERR_FOREIGN);
    assert_string_equal(pair->a.reason, "another cluster");
}

static void a_seed_that_is_not_there_is_told_once(void **state)
{
    struct transport_pair *pair = *state;
    char address[32];
    free_address(address);
    transport_dial_seed(pair->a.transport, address);
    assert_int_equal(pair->a.seed_closed_count, 0);
    WAIT_FOR(pair, pair->a.seed_closed_count == 1);
    assert_string_equal(pair->a.reason, "connection refused");
    assert_int_equal(pair->a.seed_status, 0);
    transport_dial_seed(pair->a.transport, pair->b.address);
    transport_dial_seed(pair->a.transport, NULL); /* changed its mind: no event */
    transport_pair_run_for(pair, 50 * NS_PER_MS);
    assert_int_equal(pair->a.seed_closed_count, 1);
    assert_int_equal(pair->a.seed_ready_count, 0);
}

static void a_port_in_use_is_named(void **state)
{
    struct transport_pair *pair = *state;
    struct transport_side third = {.id = 3};
    assert_int_equal(transport_side_open(&third, pair->a.address), QR_ERR_ADDRESS);
    assert_non_null(strstr(third.detail, pair->a.address));
    assert_int_equal(transport_side_open(&third, "no port"), QR_ERR_ADDRESS);
}

#define TRANSPORT_TEST(name)                                                                       \
    cmocka_unit_test_setup_teardown(name, transport_pair_setup, transport_pair_teardown),          \
        cmocka_unit_test_setup_teardown(name, transport_pair_setup_sealed,                         \
                                        transport_pair_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TRANSPORT_TEST(frames_arrive_in_order_once_the_hello_is_answered),
        TRANSPORT_TEST(entries_are_kept_without_copies_and_stay_what_they_were),
        TRANSPORT_TEST(pieces_of_snapshots_stay_what_they_were_too),
        TRANSPORT_TEST(without_a_connection_a_frame_is_dropped_and_counted),
        TRANSPORT_TEST(a_lost_connection_is_made_again),
        TRANSPORT_TEST(a_peer_that_is_no_member_any_more_is_let_go),
        TRANSPORT_TEST(a_name_is_looked_up),
        TRANSPORT_TEST(closing_while_names_are_looked_up_is_safe),
        TRANSPORT_TEST(a_slow_reader_costs_no_more_than_its_queue),
        TRANSPORT_TEST(a_seed_is_dialed_and_answers_on_its_connection),
        TRANSPORT_TEST(a_seed_that_is_not_there_is_told_once),
        TRANSPORT_TEST(a_node_in_no_cluster_is_invited_and_told_nothing_else),
        TRANSPORT_TEST(a_member_answers_an_invitation_too),
        TRANSPORT_TEST(nobody_gossips_with_a_node_in_no_cluster),
        TRANSPORT_TEST(a_seed_of_another_cluster_is_told_as_such),
        TRANSPORT_TEST(who_invites_no_more_is_let_go),
        TRANSPORT_TEST(a_port_in_use_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
