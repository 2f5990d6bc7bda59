/* test_raft_fetch.c: what a leader reads back for a peer is checked before it is sent. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "quorate/error.h"
#include "raft/raft.h"
#include "support/heap.h"
#include "support/unit.h"

#define PEER 3 /* lags: it has 1/1 alone */

struct fixture {
    struct heap heap;
    struct entry_arena arena;
    struct raft *raft;
    time_ns now_ns;
    struct raft_fetch fetch; /* what the last ready asked for */
    size_t fetch_count;
    size_t sent_count; /* entries to PEER in the last ready */
};

static struct entry entry_of(struct fixture *fixture, raft_index index, raft_term term)
{
    struct entry entry;
    struct entry_fields fields = {
        .index = index, .term = term, .type = ENTRY_NORMAL, .payload_bytes = 1, .payload = "x"};
    assert_int_equal(entry_arena_encode(&fixture->arena, &fields, &entry), 0);
    return entry;
}

static void step(struct fixture *fixture, struct raft_event event)
{
    event.now_ns = fixture->now_ns;
    assert_int_equal(raft_step(fixture->raft, &event), 0);
    raft_invariants(fixture->raft);
}

/* What is to be saved is saved at once. */
static void take_ready(struct fixture *fixture)
{
    struct raft_ready ready;
    raft_ready(fixture->raft, &ready);
    fixture->fetch_count = ready.fetch_count;
    fixture->fetch = ready.fetch_count > 0 ? ready.fetches[0] : (struct raft_fetch){0};
    fixture->sent_count = 0;
    for (size_t i = 0; i < ready.message_count; i++) {
        bool is_to_peer = ready.messages[i].to == PEER;
        fixture->sent_count += is_to_peer ? ready.messages[i].entry_count : 0;
    }
    if (ready.save_number > 0) {
        step(fixture, (struct raft_event){.type = RAFT_EVENT_SAVED, .saved = ready.save_number});
    }
}

static void receive(struct fixture *fixture, struct raft_message message)
{
    message.to = 1;
    step(fixture, (struct raft_event){.type = RAFT_EVENT_MESSAGE, .message = &message});
    take_ready(fixture);
}

static void open(struct fixture *fixture)
{
    struct raft_configuration configuration = {.count = 3};
    static uint8_t payload[RAFT_CONFIGURATION_BYTES_MAX];
    for (node_id id = 1; id <= 3; id++) {
        configuration.members[id - 1] =
            (struct raft_member){.id = id, .roles = RAFT_VOTER, .priority = RAFT_PRIORITY_ORDINARY};
    }
    struct entry_fields fields = {
        .index = 1,
        .term = 1,
        .type = ENTRY_CONFIGURATION,
        .payload = payload,
        .payload_bytes = (uint32_t)raft_configuration_encode(&configuration, payload),
    };
    struct entry entry;
    assert_int_equal(entry_arena_encode(&fixture->arena, &fields, &entry), 0);
    struct raft_options options = {
        .allocator = &fixture->heap.allocator,
        .self = 1,
        .election_timeout_min_ns = 150,
        .election_timeout_max_ns = 300,
        .heartbeat_interval_ns = 50,
        .append_entries_max = 64,
        .append_bytes_max = 65536,
        .inflight_messages_max = 16,
        .inflight_bytes_max = 65536,
        .uncommitted_bytes_max = 65536,
    };
    struct raft_term_run run = {1, 1};
    struct raft_restored restored = {
        .hard_state = {.term = 1},
        .commit_index = 1,
        .last_index = 5,
        .terms = &run,
        .term_count = 1,
        .configurations = &entry,
        .configuration_count = 1,
    };
    assert_int_equal(raft_new(&options, &restored, fixture->now_ns, &fixture->raft), 0);
    chunk_drop(entry.chunk);
}

/* It leads term 2 with the log 1/1 to 1/5 on the disk alone, and asks for what PEER lacks. */
static void begin(struct fixture *fixture)
{
    memset(fixture, 0, sizeof(*fixture));
    heap_init(&fixture->heap);
    entry_arena_init(&fixture->arena, &fixture->heap.allocator);
    fixture->now_ns = 1000;
    open(fixture);
    fixture->now_ns = raft_deadline(fixture->raft);
    step(fixture, (struct raft_event){.type = RAFT_EVENT_TICK});
    take_ready(fixture);
    receive(fixture, (struct raft_message){.type = RAFT_PRE_VOTE_RESPONSE,
                                           .from = 2,
                                           .term = 1,
                                           .pre_vote_response = {2, true, RAFT_VOTE_GRANTED}});
    receive(fixture, (struct raft_message){.type = RAFT_REQUEST_VOTE_RESPONSE,
                                           .from = 2,
                                           .term = 2,
                                           .request_vote_response = {true, RAFT_VOTE_GRANTED}});
    assert_true(raft_is_leader(fixture->raft));
    receive(fixture, (struct raft_message){
                         .type = RAFT_APPEND_ENTRIES_RESPONSE,
                         .from = PEER,
                         .term = 2,
                         .append_entries_response = {
                             .is_rejected = true, .rejected = 5, .hint = {.term = 1, .index = 1}}});
    assert_int_equal(fixture->fetch_count, 1);
    assert_int_equal(fixture->fetch.peer, PEER);
    assert_int_equal(fixture->fetch.first, 2);
}

static void end(struct fixture *fixture)
{
    raft_free(fixture->raft);
    entry_arena_deinit(&fixture->arena);
    heap_deinit(&fixture->heap);
}

/* Three entries from `first` on, or none when the read failed. */
static void answer(struct fixture *fixture, int status, raft_index first, raft_term term)
{
    struct entry entries[3];
    size_t count = status == 0 ? 3 : 0;
    for (size_t i = 0; i < count; i++) {
        entries[i] = entry_of(fixture, first + i, term);
    }
    step(fixture, (struct raft_event){.type = RAFT_EVENT_FETCHED,
                                      .fetched = {PEER, status, entries, count}});
    for (size_t i = 0; i < count; i++) {
        chunk_drop(entries[i].chunk);
    }
    take_ready(fixture);
}

static void what_was_asked_for_is_sent(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    answer(&fixture, 0, 2, 1);
    assert_int_equal(fixture.sent_count, 3);
    end(&fixture);
}

/* Asked in another life as leader, answered in this one: the log is another by now. */
static void entries_of_another_term_are_not_sent(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    answer(&fixture, 0, 2, 2);
    assert_int_equal(fixture.sent_count, 0);
    assert_int_equal(fixture.fetch.first, 2); /* asked for again */
    end(&fixture);
}

static void entries_from_another_place_are_not_sent(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    answer(&fixture, 0, 3, 1);
    assert_int_equal(fixture.sent_count, 0);
    assert_int_equal(fixture.fetch.first, 2);
    end(&fixture);
}

/* A log that could not be read is not an empty one. */
static void a_failed_read_sends_nothing(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    answer(&fixture, QR_ERR_NOT_FOUND, 2, 1);
    assert_int_equal(fixture.sent_count, 0);
    assert_int_equal(fixture.fetch.first, 2);
    end(&fixture);
}

static void an_answer_that_nobody_waits_for_is_ignored(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    answer(&fixture, 0, 2, 1);
    answer(&fixture, 0, 2, 1);
    assert_int_equal(fixture.sent_count, 0);
    end(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_asked_for_is_sent),
        cmocka_unit_test(entries_of_another_term_are_not_sent),
        cmocka_unit_test(entries_from_another_place_are_not_sent),
        cmocka_unit_test(a_failed_read_sends_nothing),
        cmocka_unit_test(an_answer_that_nobody_waits_for_is_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
