/* test_raft_time.c: log time never goes back, and a jump of the wall clock moves it only where
 * a term begins.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "raft/raft.h"
#include "support/heap.h"
#include "support/unit.h"

#define WALL_NS (1000 * NS_PER_S)

/* A machine that is its own cluster, and saves at once. */
struct fixture {
    struct heap heap;
    struct entry_arena arena;
    struct raft *raft;
    time_ns now_ns;
    time_ns wall_ns;
    raft_term term;
    raft_index last_index;
};

static void step(struct fixture *fixture, struct raft_event event)
{
    event.now_ns = fixture->now_ns;
    event.wall_ns = fixture->wall_ns;
    assert_int_equal(raft_step(fixture->raft, &event), 0);
    raft_invariants(fixture->raft);
}

static void save(struct fixture *fixture)
{
    struct raft_ready ready;
    raft_ready(fixture->raft, &ready);
    while (ready.save_number > 0) {
        step(fixture, (struct raft_event){.type = RAFT_EVENT_SAVED, .saved = ready.save_number});
        raft_ready(fixture->raft, &ready);
    }
}

/* Begin a life that ends up leading the next term. */
static void lead(struct fixture *fixture, time_ns last_timestamp_ns)
{
    struct raft_configuration configuration = {.count = 1};
    configuration.members[0] =
        (struct raft_member){.id = 1, .roles = RAFT_VOTER, .priority = RAFT_PRIORITY_ORDINARY};
    static uint8_t payload[RAFT_CONFIGURATION_BYTES_MAX];
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
        .election_timeout_min_ns = 150 * NS_PER_MS,
        .election_timeout_max_ns = 300 * NS_PER_MS,
        .heartbeat_interval_ns = 50 * NS_PER_MS,
        .append_entries_max = 64,
        .append_bytes_max = 65536,
        .inflight_messages_max = 16,
        .inflight_bytes_max = 65536,
        .uncommitted_bytes_max = 65536,
        .cache_bytes_max = 65536,
    };
    struct raft_term_run run = {1, 1};
    struct raft_restored restored = {
        .hard_state = {.term = fixture->term},
        .commit_index = 1,
        .last_index = 1,
        .last_timestamp_ns = last_timestamp_ns,
        .terms = &run,
        .term_count = 1,
        .configurations = &entry,
        .configuration_count = 1,
    };
    assert_int_equal(raft_new(&options, &restored, fixture->now_ns, &fixture->raft), 0);
    chunk_drop(entry.chunk);
    fixture->now_ns = raft_deadline(fixture->raft);
    step(fixture, (struct raft_event){.type = RAFT_EVENT_TICK});
    save(fixture);
    assert_true(raft_is_leader(fixture->raft));
    fixture->term++;
    fixture->last_index = 2;
}

/* The timestamp that a proposal gets now. */
static time_ns propose(struct fixture *fixture)
{
    struct raft_proposal proposal = {.type = ENTRY_NORMAL, .payload = "x", .payload_bytes = 1};
    step(fixture, (struct raft_event){.type = RAFT_EVENT_PROPOSE, .propose = {&proposal, 1}});
    save(fixture);
    size_t count;
    const struct entry *entry = raft_entries(fixture->raft, ++fixture->last_index, &count);
    assert_non_null(entry);
    return entry->timestamp_ns;
}

static int begin(void **state)
{
    static struct fixture fixture;
    memset(&fixture, 0, sizeof(fixture));
    heap_init(&fixture.heap);
    entry_arena_init(&fixture.arena, &fixture.heap.allocator);
    fixture.now_ns = 5 * NS_PER_S;
    fixture.wall_ns = WALL_NS;
    fixture.term = 1;
    *state = &fixture;
    return 0;
}

static int end(void **state)
{
    struct fixture *fixture = *state;
    raft_free(fixture->raft);
    entry_arena_deinit(&fixture->arena);
    heap_deinit(&fixture->heap);
    return 0;
}

static void within_a_term_a_jump_of_the_wall_clock_moves_nothing(void **state)
{
    struct fixture *fixture = *state;
    lead(fixture, 0);
    time_ns first = propose(fixture);
    assert_int_equal(first, WALL_NS);
    fixture->now_ns += 7 * NS_PER_MS;
    fixture->wall_ns -= 500 * NS_PER_S;
    assert_int_equal(propose(fixture), first + 7 * NS_PER_MS);
    fixture->now_ns += 3 * NS_PER_MS;
    fixture->wall_ns += 9000 * NS_PER_S;
    assert_int_equal(propose(fixture), first + 10 * NS_PER_MS);
    assert_int_equal(raft_log_time(fixture->raft, fixture->now_ns), first + 10 * NS_PER_MS);
}

static void a_term_that_begins_with_a_slow_wall_clock_goes_on_from_the_last_entry(void **state)
{
    struct fixture *fixture = *state;
    time_ns last = WALL_NS + 60 * NS_PER_S;
    lead(fixture, last);
    assert_int_equal(propose(fixture), last);
    fixture->now_ns += NS_PER_MS;
    assert_int_equal(propose(fixture), last + NS_PER_MS);
}

static void a_term_that_begins_later_takes_the_wall_clock_over(void **state)
{
    struct fixture *fixture = *state;
    lead(fixture, WALL_NS - 60 * NS_PER_S);
    assert_int_equal(propose(fixture), WALL_NS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(within_a_term_a_jump_of_the_wall_clock_moves_nothing, begin,
                                        end),
        cmocka_unit_test_setup_teardown(
            a_term_that_begins_with_a_slow_wall_clock_goes_on_from_the_last_entry, begin, end),
        cmocka_unit_test_setup_teardown(a_term_that_begins_later_takes_the_wall_clock_over, begin,
                                        end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
