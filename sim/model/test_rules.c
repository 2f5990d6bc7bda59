/* test_rules.c: each rule, broken by hand, is noticed; what looks like it and is right is not. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "sim/model/history.h"
#include "support/unit.h"

struct rig {
    struct world world;
    struct locals locals;
    struct histories histories;
    uint32_t first;
    uint16_t entries[4][4]; /* [term][index]: 1/1 is the first configuration */
    struct local_view views[4];
    struct local_view before;
    bool has_message; /* that the node of a moment sends */
    uint16_t message;
};

static time_ns no_clock(void)
{
    return 0;
}

/* Three followers in term 1 that have entry 1/1, known to be committed. */
static void rig_init(struct rig *rig)
{
    memset(rig, 0, sizeof(*rig));
    const struct model_options options = {.memory_bytes_max = (size_t)64 << 20, .now = no_clock};
    assert_true(world_init(&rig->world, model_configuration_find("three"), &options));
    assert_true(locals_init(&rig->locals, &rig->world));
    assert_true(histories_init(&rig->histories, &rig->world));
    for (node_id id = 1; id <= 3; id++) {
        rig->views[id] = locals_at(&rig->locals, locals_first(&rig->locals, id))->view;
    }
    rig->first = histories_first(&rig->histories);
    for (size_t term = 2; term < 4; term++) {
        for (size_t index = 2; index < 4; index++) {
            rig->entries[term][index] =
                world_entry_make(&rig->world, &(struct entry_fields){.index = index, .term = term});
        }
    }
}

static void rig_deinit(struct rig *rig)
{
    histories_deinit(&rig->histories);
    locals_deinit(&rig->locals);
    world_deinit(&rig->world);
}

static void put(struct rig *rig, node_id id, raft_term term, raft_index index, bool is_durable)
{
    struct local_view *view = &rig->views[id];
    view->log[index - 1] = rig->entries[term][index];
    view->log_count = (uint8_t)index;
    view->disk[index - 1] = rig->entries[term][index];
    view->disk_count = is_durable ? (uint8_t)index : view->disk_count;
}

static void make_leader(struct rig *rig, node_id id, uint8_t term)
{
    rig->views[id].role = RAFT_LEADER;
    rig->views[id].term = term;
}

static uint32_t look(struct rig *rig, uint32_t history, node_id id)
{
    struct history_moment moment = {.node = id,
                                    .before = &rig->before,
                                    .messages = &rig->message,
                                    .message_count = rig->has_message ? 1 : 0};
    for (node_id i = 1; i <= 3; i++) {
        moment.views[i] = &rig->views[i];
    }
    return histories_next(&rig->histories, history, &moment);
}

static void expect(const struct rig *rig, const char *words)
{
    if (strstr(rig->world.violation, words) == NULL) {
        fail_msg("expected '%s', not '%s'", words, rig->world.violation);
    }
}

static void two_leaders_in_one_term_are_noticed(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig);
    make_leader(&rig, 1, 2);
    uint32_t history = look(&rig, rig.first, 1);
    assert_int_not_equal(history, TABLE_NONE);
    rig.views[1].role = RAFT_FOLLOWER; /* it crashed: only history knows of it */
    make_leader(&rig, 2, 3);
    history = look(&rig, history, 2);
    assert_int_not_equal(history, TABLE_NONE);
    make_leader(&rig, 3, 2);
    assert_int_equal(look(&rig, history, 3), TABLE_NONE);
    expect(&rig, "election safety: nodes 1 and 3 both lead term 2");
    rig_deinit(&rig);
}

static void a_commit_that_no_majority_holds_durably_is_noticed(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig);
    make_leader(&rig, 1, 2);
    put(&rig, 1, 2, 2, false);
    put(&rig, 2, 2, 2, true);
    rig.views[1].commit_index = 2;
    assert_int_equal(look(&rig, rig.first, 1), TABLE_NONE);
    expect(&rig, "commits entry 2, which is durable on 1 of 3 voters");
    rig_deinit(&rig);

    rig_init(&rig);
    make_leader(&rig, 1, 2);
    put(&rig, 1, 2, 2, false);
    put(&rig, 2, 2, 2, true);
    put(&rig, 3, 2, 2, true);
    rig.views[1].commit_index = 2;
    assert_int_not_equal(look(&rig, rig.first, 1), TABLE_NONE);
    rig_deinit(&rig);
}

/* Old voters 1, 2 and 3, a new one, 3: two of the old ones have it, or only the new one. Once the
 * leader is joint still, once it left the joint configuration in the same moment.
 */
static void a_commit_without_one_of_two_majorities_is_noticed(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct rig rig;
        bool has_left = i % 2 == 1;
        bool lacks_new = i < 2;
        rig_init(&rig);
        make_leader(&rig, 1, 2);
        put(&rig, 1, 2, 2, lacks_new);
        put(&rig, lacks_new ? 2 : 3, 2, 2, true);
        rig.views[1].commit_index = 2;
        rig.before = rig.views[1];
        rig.before.voters = 4;
        rig.before.outgoing = 7;
        rig.views[1].voters = 4;
        rig.views[1].outgoing = has_left ? 0 : 7;
        assert_int_equal(look(&rig, rig.first, 1), TABLE_NONE);
        expect(&rig, lacks_new ? "entry 2, which is durable on 0 of 1 voters"
                               : "entry 2, which is durable on 1 of 3 voters");
        rig_deinit(&rig);
    }
}

static void a_commit_of_an_old_term_by_counting_is_noticed(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig);
    make_leader(&rig, 1, 3);
    put(&rig, 1, 2, 2, true);
    put(&rig, 2, 2, 2, true);
    rig.views[1].commit_index = 2;
    assert_int_equal(look(&rig, rig.first, 1), TABLE_NONE);
    expect(&rig, "commits entry 2 of term 2 by counting, in term 3");
    rig_deinit(&rig);
}

static void a_commit_that_no_leader_made_is_noticed(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig);
    put(&rig, 2, 2, 2, true);
    rig.views[2].commit_index = 2;
    assert_int_equal(look(&rig, rig.first, 2), TABLE_NONE);
    expect(&rig, "node 2 holds entry 2 to be committed, which no leader committed");
    rig_deinit(&rig);
}

/* Entry 2/2 is committed by node 1 in term 2. */
static uint32_t commit_two(struct rig *rig)
{
    make_leader(rig, 1, 2);
    put(rig, 1, 2, 2, true);
    put(rig, 2, 2, 2, true);
    rig->views[1].commit_index = 2;
    uint32_t history = look(rig, rig->first, 1);
    assert_int_not_equal(history, TABLE_NONE);
    return history;
}

static void another_entry_at_a_committed_index_is_noticed(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig);
    uint32_t history = commit_two(&rig);
    put(&rig, 3, 3, 2, true);
    rig.views[3].commit_index = 2;
    assert_int_equal(look(&rig, history, 3), TABLE_NONE);
    expect(&rig, "state machine safety: node 3 commits another entry at index 2");
    rig_deinit(&rig);
}

static void a_leader_without_what_was_committed_is_noticed(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig);
    uint32_t history = commit_two(&rig);
    make_leader(&rig, 3, 3);
    assert_int_equal(look(&rig, history, 3), TABLE_NONE);
    expect(&rig, "leader completeness: node 3 leads term 3 without the entry committed at index 2");
    rig_deinit(&rig);
}

static void logs_that_differ_below_a_common_entry_are_noticed(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig);
    put(&rig, 1, 2, 2, true);
    put(&rig, 2, 3, 2, true);
    assert_int_not_equal(look(&rig, rig.first, 1), TABLE_NONE); /* that may be */
    put(&rig, 1, 3, 3, true);
    put(&rig, 2, 3, 3, true);
    assert_int_equal(look(&rig, rig.first, 1), TABLE_NONE);
    expect(&rig, "log matching: nodes 1 and 2 differ at index 2");
    rig_deinit(&rig);
}

static void two_entries_of_one_term_at_one_index_are_noticed(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig);
    put(&rig, 1, 2, 2, true);
    put(&rig, 2, 2, 2, true);
    rig.views[2].log[1] = world_entry_make(
        &rig.world,
        &(struct entry_fields){
            .index = 2, .term = 2, .type = ENTRY_NORMAL, .payload = "x", .payload_bytes = 1});
    assert_int_equal(look(&rig, rig.first, 1), TABLE_NONE);
    expect(&rig, "log matching: nodes 1 and 2 differ at index 2");
    rig_deinit(&rig);
}

static void an_acknowledgement_of_another_entry_is_noticed(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig);
    make_leader(&rig, 1, 3);
    put(&rig, 1, 3, 2, true);
    put(&rig, 2, 2, 2, true);
    struct raft_message message = {
        .type = RAFT_APPEND_ENTRIES_RESPONSE, .from = 2, .to = 1, .term = 3};
    message.append_entries_response.match = 1;
    rig.message = world_message_number(&rig.world, &message);
    rig.has_message = true;
    assert_int_not_equal(look(&rig, rig.first, 2), TABLE_NONE);
    message.append_entries_response.match = 2;
    rig.message = world_message_number(&rig.world, &message);
    assert_int_equal(look(&rig, rig.first, 2), TABLE_NONE);
    expect(&rig, "node 2 acknowledges entries up to 2 to node 1, which has another one at index 2");
    rig_deinit(&rig);
}

/* Node 1 as it starts, with a message it would send. */
static void a_promise_ahead_of_the_disk_is_noticed(void **state)
{
    (void)state;
    static const struct {
        struct raft_message message;
        const char *words; /* "": it is right */
    } cases[] = {
        {{.type = RAFT_PRE_VOTE, .to = 2, .term = 1}, ""},
        {{.type = RAFT_PRE_VOTE, .to = 2, .term = 2}, "speaks in term 2 before that is durable"},
        {{.type = RAFT_REQUEST_VOTE, .to = 2, .term = 1}, "before its own vote is durable"},
        {{.type = RAFT_APPEND_ENTRIES, .to = 2, .term = 1}, "before its own vote is durable"},
        {{.type = RAFT_REQUEST_VOTE_RESPONSE, .to = 2, .term = 1}, ""},
        {{.type = RAFT_REQUEST_VOTE_RESPONSE,
          .to = 2,
          .term = 1,
          .request_vote_response = {.is_granted = true}},
         "grants a vote before it is durable"},
        {{.type = RAFT_APPEND_ENTRIES_RESPONSE,
          .to = 2,
          .term = 1,
          .append_entries_response = {.match = 1}},
         ""},
        {{.type = RAFT_APPEND_ENTRIES_RESPONSE,
          .to = 2,
          .term = 1,
          .append_entries_response = {.match = 2}},
         "acknowledges entries up to 2 before they are durable"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct rig rig;
        rig_init(&rig);
        const struct machine *machine = locals_machine(&rig.locals, 0);
        machine_check_message(&rig.world, machine, &cases[i].message);
        assert_int_equal(world_is_violated(&rig.world), cases[i].words[0] != '\0');
        expect(&rig, cases[i].words);
        rig_deinit(&rig);
    }
}

static void a_save_that_takes_something_back_is_noticed(void **state)
{
    (void)state;
    static const struct {
        struct hard_state durable;
        struct hard_state saved;
        const char *words;
    } cases[] = {
        {{.term = 2}, {.term = 3}, ""},
        {{2, 1, true}, {2, 1, true}, ""},
        {{2, 1, true}, {.term = 3}, ""},
        {{.term = 3}, {.term = 2}, "goes back from term 3 to 2"},
        {{2, 1, true}, {2, 3, true}, "takes its vote of term 2 back"},
        {{2, 1, true}, {.term = 2}, "takes its vote of term 2 back"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct rig rig;
        rig_init(&rig);
        struct machine machine = *locals_machine(&rig.locals, 0);
        machine.disk.hard_state = cases[i].durable;
        machine_check_save(&rig.world, &machine,
                           &(struct raft_ready){.hard_state = cases[i].saved});
        assert_int_equal(world_is_violated(&rig.world), cases[i].words[0] != '\0');
        expect(&rig, cases[i].words);
        rig_deinit(&rig);
    }
}

static void a_stale_read_is_noticed(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig);
    const struct machine *machine = locals_machine(&rig.locals, 0);
    machine_check_read(&rig.world, machine, &(struct raft_read){.token = 3, .index = 3});
    machine_check_read(&rig.world, machine,
                       &(struct raft_read){.token = 3, .index = 2, .status = -1});
    assert_false(world_is_violated(&rig.world));
    machine_check_read(&rig.world, machine, &(struct raft_read){.token = 3, .index = 2});
    expect(&rig, "answers a read with index 2, though 3 was committed before it was asked");
    rig_deinit(&rig);
}

static void applying_what_is_not_durable_is_noticed(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig);
    const struct machine *machine = locals_machine(&rig.locals, 0);
    machine_check_applicable(&rig.world, machine, 1);
    assert_false(world_is_violated(&rig.world));
    machine_check_applicable(&rig.world, machine, 2);
    expect(&rig, "applies entries up to 2 before they are durable here");
    rig_deinit(&rig);
}

/* An event that cannot be: the assertion behind it is a finding, and the process lives. */
static void a_failed_assertion_is_a_finding(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig);
    assert_null(locals_step(&rig.locals, 0, event_of(EVENT_SAVED, 1, 5)));
    expect(&rig, "assertion failed in saved (");
    rig_deinit(&rig);
}

static void a_request_to_campaign_to_who_lacks_an_entry_is_noticed(void **state)
{
    (void)state;
    for (unsigned has_all = 0; has_all < 2; has_all++) {
        struct rig rig;
        rig_init(&rig);
        make_leader(&rig, 1, 2);
        put(&rig, 1, 2, 2, true);
        put(&rig, 2, 2, 2, has_all == 1);
        rig.views[2].term = 2;
        struct raft_message message = {.type = RAFT_TIMEOUT_NOW,
                                       .from = 1,
                                       .to = 2,
                                       .term = 2,
                                       .timeout_now = {.last = {2, 2}}};
        rig.message = world_message_number(&rig.world, &message);
        rig.has_message = true;
        bool is_noticed = look(&rig, rig.first, 1) == TABLE_NONE;
        assert_int_equal(is_noticed, has_all == 0);
        expect(&rig, is_noticed ? "node 1 tells node 2 to campaign, which lacks entry 2" : "");
        rig_deinit(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_leaders_in_one_term_are_noticed),
        cmocka_unit_test(a_commit_that_no_majority_holds_durably_is_noticed),
        cmocka_unit_test(a_commit_without_one_of_two_majorities_is_noticed),
        cmocka_unit_test(a_commit_of_an_old_term_by_counting_is_noticed),
        cmocka_unit_test(a_commit_that_no_leader_made_is_noticed),
        cmocka_unit_test(another_entry_at_a_committed_index_is_noticed),
        cmocka_unit_test(a_leader_without_what_was_committed_is_noticed),
        cmocka_unit_test(logs_that_differ_below_a_common_entry_are_noticed),
        cmocka_unit_test(two_entries_of_one_term_at_one_index_are_noticed),
        cmocka_unit_test(an_acknowledgement_of_another_entry_is_noticed),
        cmocka_unit_test(a_promise_ahead_of_the_disk_is_noticed),
        cmocka_unit_test(a_save_that_takes_something_back_is_noticed),
        cmocka_unit_test(a_stale_read_is_noticed),
        cmocka_unit_test(applying_what_is_not_durable_is_noticed),
        cmocka_unit_test(a_request_to_campaign_to_who_lacks_an_entry_is_noticed),
        cmocka_unit_test(a_failed_assertion_is_a_finding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
