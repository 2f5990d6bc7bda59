/* test_raft_fingerprint.c: machines that will do the same write the same bytes, and only they. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "raft/raft.h"
#include "support/heap.h"
#include "support/unit.h"

#define BYTES_MAX 4096
#define START_NS NS_PER_S
#define WALL_NS (UINT64_C(1000000000) * NS_PER_S)

/* A machine of its own, with three voters in its log. */
struct rig {
    struct heap heap;
    struct raft *raft;
    time_ns now_ns;
    time_ns wall_ns;
};

static struct entry first_entry(struct entry_arena *arena, const node_id ids[3])
{
    struct raft_configuration value = {.count = 3};
    static uint8_t payload[RAFT_CONFIGURATION_BYTES_MAX];
    struct entry entry;
    for (size_t i = 0; i < 3; i++) {
        value.members[i] = (struct raft_member){
            .id = ids[i], .roles = RAFT_VOTER, .priority = RAFT_PRIORITY_ORDINARY};
    }
    struct entry_fields fields = {.index = 1, .term = 1, .type = ENTRY_CONFIGURATION};
    fields.payload_bytes = (uint32_t)raft_configuration_encode(&value, payload);
    fields.payload = payload;
    assert_int_equal(entry_arena_encode(arena, &fields, &entry), 0);
    return entry;
}

static void rig_init(struct rig *rig, node_id self, const node_id ids[3], time_ns now_ns)
{
    heap_init(&rig->heap);
    rig->now_ns = now_ns;
    rig->wall_ns = WALL_NS;
    struct entry_arena arena;
    entry_arena_init(&arena, &rig->heap.allocator);
    struct entry entry = first_entry(&arena, ids);
    struct raft_term_run run = {1, 1};
    struct raft_restored restored = {
        .hard_state = {.term = 1},
        .commit_index = 1,
        .last_index = 1,
        .terms = &run,
        .term_count = 1,
        .configurations = &entry,
        .configuration_count = 1,
    };
    struct raft_options options = {
        .allocator = &rig->heap.allocator,
        .self = self,
        .seed = self,
        .election_timeout_min_ns = 20 * NS_PER_MS,
        .election_timeout_max_ns = 20 * NS_PER_MS,
        .heartbeat_interval_ns = 10 * NS_PER_MS,
        .append_entries_max = 8,
        .append_bytes_max = 65536,
        .inflight_messages_max = 2,
        .inflight_bytes_max = 65536,
        .uncommitted_bytes_max = 65536,
        .cache_bytes_max = 65536,
    };
    assert_int_equal(raft_new(&options, &restored, now_ns, &rig->raft), 0);
    chunk_drop(entry.chunk);
    entry_arena_deinit(&arena);
}

static void rig_deinit(struct rig *rig)
{
    raft_free(rig->raft);
    heap_deinit(&rig->heap);
}

static struct raft_ready step(struct rig *rig, struct raft_event event)
{
    struct raft_ready ready;
    event.now_ns = rig->now_ns;
    event.wall_ns = rig->wall_ns;
    assert_int_equal(raft_step(rig->raft, &event), 0);
    raft_ready(rig->raft, &ready);
    return ready;
}

static struct raft_ready receive(struct rig *rig, struct raft_message message)
{
    return step(rig, (struct raft_event){.type = RAFT_EVENT_MESSAGE, .message = &message});
}

static struct raft_ready time_out(struct rig *rig)
{
    rig->now_ns = raft_deadline(rig->raft);
    return step(rig, (struct raft_event){.type = RAFT_EVENT_TICK});
}

static struct raft_ready save(struct rig *rig, uint64_t number)
{
    return step(rig, (struct raft_event){.type = RAFT_EVENT_SAVED, .saved = number});
}

static struct raft_ready grant(struct rig *rig, node_id from, enum raft_message_type type)
{
    struct raft_message message = {.type = type, .from = from, .to = 1, .term = 2};
    if (type == RAFT_PRE_VOTE_RESPONSE) {
        message.term = 1;
        message.pre_vote_response.next_term = 2;
        message.pre_vote_response.is_granted = true;
    } else {
        message.request_vote_response.is_granted = true;
    }
    return receive(rig, message);
}

/* Node 1 becomes the leader of term 2 by the vote of `voter`. */
static void lead(struct rig *rig, node_id voter)
{
    (void)time_out(rig);
    struct raft_ready ready = grant(rig, voter, RAFT_PRE_VOTE_RESPONSE);
    (void)save(rig, ready.save_number);
    ready = grant(rig, voter, RAFT_REQUEST_VOTE_RESPONSE);
    assert_true(raft_is_leader(rig->raft));
    (void)save(rig, ready.save_number);
}

/* A follower has what the leader's first entry follows on. */
static void answer(struct rig *rig, node_id from)
{
    struct raft_message message = {
        .type = RAFT_APPEND_ENTRIES_RESPONSE, .from = from, .to = 1, .term = 2};
    message.append_entries_response.match = 1;
    (void)receive(rig, message);
}

static size_t fingerprint(const struct rig *rig, const struct raft_renaming *renaming,
                          uint8_t *bytes)
{
    struct writer writer = writer_of(bytes, BYTES_MAX);
    raft_fingerprint(rig->raft, rig->now_ns, renaming, &writer);
    assert_false(writer.failed);
    return writer_used(&writer);
}

/* renamings   of `a` and of `b`, or NULL. */
static bool is_equal(const struct rig *a, const struct raft_renaming *renamings,
                     const struct rig *b)
{
    uint8_t bytes_a[BYTES_MAX];
    uint8_t bytes_b[BYTES_MAX];
    size_t size_a = fingerprint(a, renamings, bytes_a);
    size_t size_b = fingerprint(b, renamings == NULL ? NULL : renamings + 1, bytes_b);
    return size_a == size_b && memcmp(bytes_a, bytes_b, size_a) == 0;
}

static node_id rename_by_table(const void *context, node_id id)
{
    const node_id *names = context;
    return names[id];
}

static const node_id as_they_are[] = {0, 1, 2, 3};
static const node_id changed_places[] = {0, 1, 3, 2};
static const node_id one_two_three[] = {1, 2, 3};

static void the_clock_and_the_way_there_make_no_difference(void **state)
{
    (void)state;
    struct rig a;
    struct rig b;
    rig_init(&a, 1, one_two_three, START_NS);
    rig_init(&b, 1, one_two_three, 77 * START_NS);
    assert_true(is_equal(&a, NULL, &b));
    lead(&a, 2);
    /* A campaign that was lost before leaves nothing behind but its saves, done. */
    (void)time_out(&b);
    b.wall_ns += NS_PER_S;
    lead(&b, 2);
    assert_true(is_equal(&a, NULL, &b));
    rig_deinit(&a);
    rig_deinit(&b);
}

static void what_decides_something_makes_a_difference(void **state)
{
    (void)state;
    struct rig a;
    struct rig b;
    rig_init(&a, 1, one_two_three, START_NS);
    rig_init(&b, 1, one_two_three, START_NS);
    lead(&a, 2);
    lead(&b, 3);
    assert_true(is_equal(&a, NULL, &b)); /* who voted is of no more use */
    answer(&a, 2);
    answer(&b, 3);
    assert_false(is_equal(&a, NULL, &b)); /* another one was heard */
    answer(&a, 3);
    answer(&b, 2);
    assert_true(is_equal(&a, NULL, &b));
    b.now_ns++;
    assert_false(is_equal(&a, NULL, &b)); /* a heartbeat is nearer */
    b.now_ns--;
    (void)step(&b, (struct raft_event){.type = RAFT_EVENT_READ, .read_token = 9});
    assert_false(is_equal(&a, NULL, &b)); /* somebody waits */
    rig_deinit(&a);
    rig_deinit(&b);
}

static void what_a_ready_lends_is_as_good_as_gone(void **state)
{
    (void)state;
    struct rig a;
    struct rig b;
    rig_init(&a, 1, one_two_three, START_NS);
    rig_init(&b, 1, one_two_three, START_NS);
    assert_int_equal(time_out(&a).message_count, 2);
    assert_int_equal(time_out(&b).message_count, 2);
    struct raft_ready again;
    raft_ready(b.raft, &again);
    assert_int_equal(again.message_count, 0);
    assert_true(is_equal(&a, NULL, &b));
    rig_deinit(&a);
    rig_deinit(&b);
}

static void what_is_not_handed_out_yet_is_counted(void **state)
{
    (void)state;
    struct rig a;
    struct rig b;
    rig_init(&a, 1, one_two_three, START_NS);
    rig_init(&b, 1, one_two_three, START_NS);
    (void)time_out(&a);
    b.now_ns = a.now_ns;
    struct raft_event tick = {.type = RAFT_EVENT_TICK, .now_ns = b.now_ns, .wall_ns = b.wall_ns};
    assert_int_equal(raft_step(b.raft, &tick), 0);
    assert_false(is_equal(&a, NULL, &b));
    struct raft_ready ready;
    raft_ready(b.raft, &ready);
    assert_true(is_equal(&a, NULL, &b));
    rig_deinit(&a);
    rig_deinit(&b);
}

static void renamed_nodes_do_the_same_under_their_new_names(void **state)
{
    (void)state;
    struct rig a;
    struct rig b;
    const struct raft_renaming renamings[] = {{as_they_are, rename_by_table},
                                              {changed_places, rename_by_table}};
    rig_init(&a, 1, one_two_three, START_NS);
    rig_init(&b, 1, one_two_three, START_NS);
    lead(&a, 2);
    lead(&b, 3);
    answer(&a, 2);
    answer(&b, 3);
    assert_true(is_equal(&a, renamings, &b));
    assert_false(is_equal(&a, NULL, &b));
    rig_deinit(&a);
    rig_deinit(&b);
}

static void renamed_messages_are_the_same(void **state)
{
    (void)state;
    uint8_t bytes[2][BYTES_MAX];
    struct writer writers[2];
    const struct raft_renaming renaming = {changed_places, rename_by_table};
    const struct raft_message messages[] = {
        {.type = RAFT_PRE_VOTE, .from = 1, .to = 2, .term = 4, .pre_vote = {.next_term = 5}},
        {.type = RAFT_PRE_VOTE, .from = 1, .to = 3, .term = 4, .pre_vote = {.next_term = 5}},
        {.type = RAFT_PRE_VOTE, .from = 1, .to = 2, .term = 4, .pre_vote = {.next_term = 6}},
    };
    for (size_t i = 1; i < COUNT_OF(messages); i++) {
        writers[0] = writer_of(bytes[0], BYTES_MAX);
        writers[1] = writer_of(bytes[1], BYTES_MAX);
        raft_message_fingerprint(&messages[0], NULL, &writers[0]);
        raft_message_fingerprint(&messages[i], i == 1 ? &renaming : NULL, &writers[1]);
        size_t size_bytes = writer_used(&writers[0]);
        bool same =
            size_bytes == writer_used(&writers[1]) && memcmp(bytes[0], bytes[1], size_bytes) == 0;
        assert_int_equal(same, i == 1);
    }
}

static void too_little_room_is_told(void **state)
{
    (void)state;
    struct rig rig;
    uint8_t bytes[64];
    struct writer writer = writer_of(bytes, sizeof(bytes));
    rig_init(&rig, 1, one_two_three, START_NS);
    raft_fingerprint(rig.raft, rig.now_ns, NULL, &writer);
    assert_true(writer.failed);
    rig_deinit(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_clock_and_the_way_there_make_no_difference),
        cmocka_unit_test(what_decides_something_makes_a_difference),
        cmocka_unit_test(what_a_ready_lends_is_as_good_as_gone),
        cmocka_unit_test(what_is_not_handed_out_yet_is_counted),
        cmocka_unit_test(renamed_nodes_do_the_same_under_their_new_names),
        cmocka_unit_test(renamed_messages_are_the_same),
        cmocka_unit_test(too_little_room_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
