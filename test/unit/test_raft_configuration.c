/* test_raft_configuration.c: the value of a configuration: the way from one to another, and its
 * encoding, which older builds read whenever it says nothing that they do not know.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "quorate/error.h"
#include "raft/configuration.h"
#include "raft/raft.h"
#include "support/heap.h"
#include "support/unit.h"

#define MEMBERS_MAX 5

/* Roles of members 1, 2…; NOBODY is no member. */
#define NOBODY 0xff

static struct raft_configuration make(const uint8_t *roles)
{
    struct raft_configuration value = {.index = 7};
    for (size_t i = 0; i < MEMBERS_MAX; i++) {
        if (roles[i] != NOBODY) {
            struct raft_member *member = &value.members[value.count++];
            *member = (struct raft_member){
                .id = i + 1, .roles = roles[i], .priority = RAFT_PRIORITY_ORDINARY};
            memcpy(member->name, "n1", 3);
        }
    }
    return value;
}

static void check_roles(const char *name, const struct raft_configuration *value,
                        const uint8_t *roles)
{
    size_t count = 0;
    for (size_t i = 0; i < MEMBERS_MAX; i++) {
        int at = raft_configuration_find(value, i + 1);
        uint8_t found = at < 0 ? NOBODY : value->members[at].roles;
        if (found != roles[i]) {
            fail_msg("%s: member %zu has roles %u, not %u", name, i + 1, found, roles[i]);
        }
        count += at < 0 ? 0 : 1;
    }
    assert_int_equal(value->count, count);
}

struct way {
    const char *name;
    uint8_t now[MEMBERS_MAX];
    uint8_t next[MEMBERS_MAX];
    uint8_t step[MEMBERS_MAX];
};

#define V RAFT_VOTER
#define O RAFT_VOTER_OUTGOING
#define P RAFT_PROMOTABLE
#define S RAFT_STAYING
#define N NOBODY

static const struct way ways[] = {
    {"one more in one step", {V, V, V, N, N}, {V, V, V, V, N}, {V, V, V, V, N}},
    {"one fewer in one step", {V, V, V, N, N}, {N, V, V, N, N}, {N, V, V, N, N}},
    {"one demoted in one step", {V, V, V, N, N}, {V, V, 0, N, N}, {V, V, 0, N, N}},
    {"learners in one step", {V, V, V, N, N}, {V, V, V, 0, P}, {V, V, V, 0, P}},
    {"one for another", {V, V, V, N, N}, {N, V, V, V, N}, {O, V | O, V | O, V, N}},
    {"all others", {V, V, N, N, N}, {N, N, V, V, V}, {O, O, V, V, V}},
    {"one stays as learner", {V, V, V, N, N}, {V, 0, N, V, N}, {V | O, O | S, O, V, N}},
    {"a learner goes at once", {V, V, N, N, 0}, {V, N, V, V, N}, {V | O, O, V, V, N}},
    {"a learner that waits stays", {V, V, V, N, P}, {V, N, N, 0, P}, {V | O, O, O, 0, P}},
};

static void more_than_one_voter_changes_by_way_of_a_joint_configuration(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(ways); i++) {
        struct raft_configuration now = make(ways[i].now);
        struct raft_configuration next = make(ways[i].next);
        struct raft_configuration step;
        assert_int_equal(raft_configuration_towards(&now, &next, &step), 0);
        check_roles(ways[i].name, &step, ways[i].step);
        raft_configuration_leave(&step);
        check_roles(ways[i].name, &step, ways[i].next);
    }
}

static void a_configuration_without_a_voter_that_may_lead_is_refused(void **state)
{
    (void)state;
    struct raft_configuration now = make((const uint8_t[]){V, V, V, N, N});
    struct raft_configuration next = make((const uint8_t[]){0, P, 0, N, N});
    struct raft_configuration step;
    assert_int_equal(raft_configuration_towards(&now, &next, &step), QR_ERR_INVALID);
    next = make((const uint8_t[]){V, 0, 0, N, N});
    assert_int_equal(raft_configuration_towards(&now, &next, &step), 0);
    next.members[0].priority = RAFT_PRIORITY_NEVER;
    assert_int_equal(raft_configuration_towards(&now, &next, &step), QR_ERR_INVALID);
}

static void roles_of_a_joint_one_and_a_member_that_comes_twice_are_refused(void **state)
{
    (void)state;
    struct raft_configuration now = make((const uint8_t[]){V, V, V, N, N});
    struct raft_configuration next = make((const uint8_t[]){V, V, O, N, N});
    struct raft_configuration step;
    assert_int_equal(raft_configuration_towards(&now, &next, &step), QR_ERR_INVALID);
    next = make((const uint8_t[]){V, V, V, N, N});
    next.members[2].id = 1;
    assert_int_equal(raft_configuration_towards(&now, &next, &step), QR_ERR_INVALID);
}

static void more_members_than_fit_are_refused(void **state)
{
    (void)state;
    static struct raft_configuration now;
    static struct raft_configuration next;
    static struct raft_configuration step;
    for (size_t i = 0; i < RAFT_MEMBERS_MAX; i++) {
        now.members[now.count++] = (struct raft_member){.id = i, .roles = V, .priority = 1};
        next.members[next.count++] = (struct raft_member){.id = i + 2, .roles = V, .priority = 1};
    }
    assert_int_equal(raft_configuration_towards(&now, &next, &step), QR_ERR_INVALID);
    next.count -= 2;
    assert_int_equal(raft_configuration_towards(&now, &next, &step), 0);
    assert_int_equal(step.count, RAFT_MEMBERS_MAX);
}

static void check_encoding(const struct raft_configuration *value, uint8_t version)
{
    static uint8_t bytes[RAFT_CONFIGURATION_BYTES_MAX];
    static struct raft_configuration again;
    size_t size_bytes = raft_configuration_encode(value, bytes);
    assert_int_equal(bytes[0], version);
    assert_int_equal(raft_configuration_decode(bytes, size_bytes, value->index, &again), 0);
    assert_int_equal(again.count, value->count);
    for (size_t i = 0; i < value->count; i++) {
        assert_memory_equal(&again.members[i], &value->members[i], sizeof(again.members[i]));
    }
    /* There is one way only to write a value. */
    bytes[0] = (uint8_t)(3 - version);
    assert_int_equal(raft_configuration_decode(bytes, size_bytes, value->index, &again),
                     QR_ERR_MALFORMED);
}

static void the_second_encoding_is_used_only_for_what_the_first_cannot_say(void **state)
{
    (void)state;
    struct raft_configuration value = make((const uint8_t[]){V | O, O, V, 0, P});
    check_encoding(&value, 1);
    value.members[4].priority = 200;
    check_encoding(&value, 2);
    value = make((const uint8_t[]){V | O, O | S, V, 0, P});
    check_encoding(&value, 2);
    value = make((const uint8_t[]){V, V, V, N, N});
    value.members[1].priority = RAFT_PRIORITY_NEVER;
    check_encoding(&value, 2);
}

static void what_the_second_one_adds_is_read_in_the_first_by_nobody(void **state)
{
    (void)state;
    static uint8_t bytes[RAFT_CONFIGURATION_BYTES_MAX];
    static struct raft_configuration again;
    struct raft_configuration value = make((const uint8_t[]){V, N, N, N, N});
    size_t size_bytes = raft_configuration_encode(&value, bytes);
    bytes[1 + 2 + 8] |= RAFT_STAYING;
    assert_int_equal(raft_configuration_decode(bytes, size_bytes, 1, &again), QR_ERR_MALFORMED);
}

/* A lease is to end, by the slowest clock, before patience does by the fastest (diss. §6.4.1). */
static void a_lease_that_clocks_could_break_is_refused(void **state)
{
    (void)state;
    struct heap heap;
    heap_init(&heap);
    struct raft_options options = {
        .allocator = &heap.allocator,
        .self = 1,
        .election_timeout_min_ns = 110 * NS_PER_MS,
        .election_timeout_max_ns = 300 * NS_PER_MS,
        .heartbeat_interval_ns = 50 * NS_PER_MS,
        .append_entries_max = 64,
        .append_bytes_max = 65536,
        .inflight_messages_max = 16,
        .inflight_bytes_max = 65536,
        .uncommitted_bytes_max = 65536,
    };
    const struct raft_restored nothing = {0};
    struct raft *raft = NULL;
    assert_int_equal(raft_lease_ns_max(options.election_timeout_min_ns), 90 * NS_PER_MS);
    options.lease_ns = 90 * NS_PER_MS + 1;
    assert_int_equal(raft_new(&options, &nothing, NS_PER_S, &raft), QR_ERR_INVALID);
    options.lease_ns = 90 * NS_PER_MS;
    assert_int_equal(raft_new(&options, &nothing, NS_PER_S, &raft), 0);
    raft_free(raft);
    heap_deinit(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(more_than_one_voter_changes_by_way_of_a_joint_configuration),
        cmocka_unit_test(a_configuration_without_a_voter_that_may_lead_is_refused),
        cmocka_unit_test(roles_of_a_joint_one_and_a_member_that_comes_twice_are_refused),
        cmocka_unit_test(more_members_than_fit_are_refused),
        cmocka_unit_test(the_second_encoding_is_used_only_for_what_the_first_cannot_say),
        cmocka_unit_test(what_the_second_one_adds_is_read_in_the_first_by_nobody),
        cmocka_unit_test(a_lease_that_clocks_could_break_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
