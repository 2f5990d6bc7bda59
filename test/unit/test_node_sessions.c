/* test_node_sessions.c: the table of sessions: once, bounded, by log time, the same on all. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "node/sessions.h"
#include "quorate/error.h"
#include "sessions_table.h"
#include "support/unit.h"

static void a_repeat_gets_the_first_answer_and_is_not_applied(void **state)
{
    (void)state;
    struct table table;
    begin(&table);
    uint64_t session = open_session(&table, MINUTE_NS);
    struct proposal_id ids[] = {{session, 1}, {session, 2}, TOKEN(1), TOKEN(2)};
    const char *texts[] = {"one", "two", "three", ""};
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        assert_int_equal(use(&table, ids[i], texts[i]), 1);
    }
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        assert_int_equal(use(&table, ids[i], "another"), 0);
        assert_answer(&table, ids[i], 2 + i, texts[i]);
    }
    end(&table);
}

static void another_command_under_a_used_id_is_refused(void **state)
{
    (void)state;
    struct table table;
    begin(&table);
    struct proposal_id ids[] = {{open_session(&table, MINUTE_NS), 1}, TOKEN(1)};
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        assert_int_equal(use_as(&table, ids[i], "x", 1), 1);
        assert_int_equal(use_as(&table, ids[i], "y", 2), QR_ERR_MISMATCH);
        assert_int_equal(use_as(&table, ids[i], "y", 1), 0);
    }
    end(&table);
}

static void sequences_may_come_in_any_order_within_the_window(void **state)
{
    (void)state;
    struct table table;
    begin(&table);
    uint64_t session = open_session(&table, MINUTE_NS);
    for (uint64_t s = SESSIONS_WINDOW; s >= 1; s--) {
        assert_int_equal(use(&table, (struct proposal_id){session, s}, "x"), 1);
    }
    for (uint64_t s = 1; s <= SESSIONS_WINDOW; s++) {
        assert_int_equal(use(&table, (struct proposal_id){session, s}, "x"), 0);
    }
    assert_int_equal(table.sessions.outcome_count, SESSIONS_WINDOW);
    end(&table);
}

/* The sequence, the highest one at that time, and what is said to it. */
static void what_the_window_has_left_behind_is_never_applied(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint64_t highest;
        uint64_t sequence;
        int result;
    } rows[] = {
        {"sequence 0 is none", 1, 0, QR_ERR_EXPIRED},
        {"the lowest of a full window", SESSIONS_WINDOW, 1, 1},
        {"just below the window", SESSIONS_WINDOW + 1, 1, QR_ERR_EXPIRED},
        {"just within it", SESSIONS_WINDOW + 1, 2, 1},
        {"far below", UINT64_MAX, 1, QR_ERR_EXPIRED},
        {"the last sequence there is", 5, UINT64_MAX, 1},
        {"next to the last one", UINT64_MAX, UINT64_MAX - 1, 1},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct table table;
        begin(&table);
        uint64_t session = open_session(&table, MINUTE_NS);
        assert_int_equal(use(&table, (struct proposal_id){session, rows[i].highest}, "x"), 1);
        int result = use(&table, (struct proposal_id){session, rows[i].sequence}, "x");
        if (result != rows[i].result) {
            fail_msg("%s: %d", rows[i].name, result);
        }
        end(&table);
    }
}

static void a_moving_window_forgets_what_falls_out_of_it(void **state)
{
    (void)state;
    struct table table;
    begin(&table);
    uint64_t session = open_session(&table, MINUTE_NS);
    uint64_t step = 1;
    for (uint64_t s = 1; s < 2000; s += step) {
        assert_int_equal(use(&table, (struct proposal_id){session, s}, "x"), 1);
        assert_true(table.sessions.outcome_count <= SESSIONS_WINDOW);
        sessions_invariants(&table.sessions);
        step = s % 7 == 0 ? 40 : 1;
    }
    assert_int_equal(use(&table, (struct proposal_id){session, 1}, "x"), QR_ERR_EXPIRED);
    assert_int_equal(find(&table, (struct proposal_id){session, 1}), QR_ERR_EXPIRED);
    end(&table);
}

static void a_session_expires_by_log_time_after_its_last_use(void **state)
{
    (void)state;
    struct table table;
    begin(&table);
    uint64_t session = open_session(&table, MINUTE_NS);
    for (uint64_t s = 1; s <= 3; s++) {
        table.now_ns += MINUTE_NS;
        assert_int_equal(use(&table, (struct proposal_id){session, s}, "x"), 1);
    }
    table.now_ns += MINUTE_NS + 1;
    assert_int_equal(use(&table, (struct proposal_id){session, 3}, "x"), QR_ERR_EXPIRED);
    assert_int_equal(use(&table, (struct proposal_id){session, 4}, "x"), QR_ERR_EXPIRED);
    assert_int_equal(table.sessions.session_count, 0);
    assert_int_equal(table.sessions.outcome_count, 0);
    end(&table);
}

/* A repeat is a use too, and so is a question. */
static void who_is_heard_of_does_not_expire(void **state)
{
    (void)state;
    struct table table;
    begin(&table);
    uint64_t session = open_session(&table, MINUTE_NS);
    struct proposal_id id = {session, 1};
    assert_int_equal(use(&table, id, "x"), 1);
    for (int i = 0; i < 5; i++) {
        table.now_ns += MINUTE_NS;
        assert_int_equal(i % 2 == 0 ? use(&table, id, "x") : settle(&table, id), 0);
    }
    end(&table);
}

static void what_expired_makes_room_though_nobody_asks_for_it(void **state)
{
    (void)state;
    struct table table;
    begin(&table);
    uint64_t session = open_session(&table, NS_PER_S);
    assert_int_equal(use(&table, (struct proposal_id){session, 1}, "x"), 1);
    table.now_ns += 3 * NS_PER_S;
    assert_int_equal(use(&table, TOKEN(1), "x"), 1);
    assert_int_equal(table.sessions.session_count, 0);
    assert_int_equal(table.sessions.outcome_count, 1);
    end(&table);
}

static void log_time_that_goes_back_expires_nothing(void **state)
{
    (void)state;
    struct table table;
    begin(&table);
    uint64_t session = open_session(&table, MINUTE_NS);
    table.now_ns = 5;
    assert_int_equal(use(&table, (struct proposal_id){session, 1}, "x"), 1);
    assert_int_equal(use(&table, TOKEN(1), "x"), 1);
    end(&table);
}

static void a_session_never_opened_or_ended_is_over(void **state)
{
    (void)state;
    struct table table;
    begin(&table);
    uint64_t session = open_session(&table, MINUTE_NS);
    struct sessions_entry entry = next_entry(&table, (struct proposal_id){QR_SESSION_BIT, 1});
    assert_int_equal(use(&table, (struct proposal_id){session, 1}, "x"), 1);
    assert_int_equal(sessions_end(&table.sessions, &entry, session), 0);
    assert_int_equal(sessions_end(&table.sessions, &entry, session), QR_ERR_EXPIRED);
    assert_int_equal(use(&table, (struct proposal_id){session, 1}, "x"), QR_ERR_EXPIRED);
    assert_int_equal(use(&table, (struct proposal_id){session + 1, 1}, "x"), QR_ERR_EXPIRED);
    assert_int_equal(table.sessions.outcome_count, 0);
    end(&table);
}

static void a_timeout_has_bounds(void **state)
{
    (void)state;
    struct table table;
    begin(&table);
    static const struct {
        time_ns timeout_ns;
        int status;
    } rows[] = {
        {0, QR_ERR_INVALID},
        {SESSIONS_TIMEOUT_NS_MIN - 1, QR_ERR_INVALID},
        {SESSIONS_TIMEOUT_NS_MIN, 0},
        {SESSIONS_TIMEOUT_NS_MAX, 0},
        {SESSIONS_TIMEOUT_NS_MAX + 1, QR_ERR_INVALID},
        {UINT64_MAX, QR_ERR_INVALID},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct sessions_entry entry = next_entry(&table, (struct proposal_id){QR_SESSION_BIT, 1});
        assert_int_equal(sessions_open(&table.sessions, &entry, rows[i].timeout_ns),
                         rows[i].status);
    }
    end(&table);
}

static void sessions_have_a_limit(void **state)
{
    (void)state;
    struct table table;
    begin(&table);
    for (size_t i = 0; i < SESSIONS_MAX; i++) {
        (void)open_session(&table, i == 9 ? NS_PER_S : MINUTE_NS);
    }
    struct sessions_entry entry = next_entry(&table, (struct proposal_id){QR_SESSION_BIT, 1});
    assert_int_equal(sessions_open(&table.sessions, &entry, MINUTE_NS), QR_ERR_BUSY);
    table.now_ns += 2 * NS_PER_S; /* one of them is over now */
    (void)open_session(&table, MINUTE_NS);
    entry = next_entry(&table, (struct proposal_id){QR_SESSION_BIT, 1});
    assert_int_equal(sessions_open(&table.sessions, &entry, MINUTE_NS), QR_ERR_BUSY);
    end(&table);
}

static void outcomes_have_a_limit_and_no_token_is_forgotten_early(void **state)
{
    (void)state;
    struct table table;
    begin(&table);
    assert_int_equal(use(&table, TOKEN(1), "first"), 1);
    fill_with_tokens(&table);
    assert_int_equal(use(&table, TOKEN(2), "x"), QR_ERR_BUSY);
    table.now_ns += SESSIONS_TOKEN_NS; /* to the very end of what is promised */
    assert_int_equal(use(&table, TOKEN(2), "x"), QR_ERR_BUSY);
    assert_int_equal(use(&table, TOKEN(1), "x"), 0);
    table.now_ns += SESSIONS_SWEEP_NS;
    assert_int_equal(use(&table, TOKEN(2), "x"), 1);
    end(&table);
}

static void a_session_goes_on_in_a_full_table(void **state)
{
    (void)state;
    struct table table;
    begin(&table);
    uint64_t session = open_session(&table, MINUTE_NS);
    for (uint64_t s = 1; s <= SESSIONS_WINDOW; s++) {
        assert_int_equal(use(&table, (struct proposal_id){session, s}, "x"), 1);
    }
    fill_with_tokens(&table);
    uint64_t next = SESSIONS_WINDOW + 1;
    assert_int_equal(use(&table, (struct proposal_id){session, next}, "x"), 1);
    assert_int_equal(settle(&table, TOKEN(3)), QR_ERR_BUSY);
    end(&table);
}

/* A leader's clock was set wrong: that must not make what came a moment ago be applied again. */
static void however_log_time_jumps_the_later_half_of_the_tokens_is_known(void **state)
{
    (void)state;
    struct table table;
    begin(&table);
    assert_int_equal(use(&table, TOKEN(1), "first"), 1);
    table.now_ns += 400 * 24 * 60 * MINUTE_NS;
    assert_int_equal(use(&table, TOKEN(1), "first"), 0);
    fill_with_tokens(&table);
    table.now_ns += 400 * 24 * 60 * MINUTE_NS;
    uint64_t half = SESSIONS_OUTCOMES_MAX / 2;
    assert_int_equal(use(&table, TOKEN(1000000 + half), ""), 0);
    assert_int_equal(use(&table, TOKEN(1000000 + SESSIONS_OUTCOMES_MAX - 2), ""), 0);
    assert_int_equal(table.sessions.outcome_count, half);
    assert_int_equal(use(&table, TOKEN(1), "first"), 1);
    end(&table);
}

static void the_oldest_results_go_first_and_what_was_applied_is_still_known(void **state)
{
    (void)state;
    static char text[40001];
    struct table table;
    begin(&table);
    memset(text, 'x', sizeof(text) - 1);
    size_t count = RESULTS_BYTES_MAX / (sizeof(text) - 1);
    for (uint64_t n = 0; n <= count; n++) {
        assert_int_equal(use(&table, TOKEN(n), text), 1);
    }
    assert_int_equal(find(&table, TOKEN(0)), QR_ERR_FORGOTTEN);
    assert_int_equal(use(&table, TOKEN(0), text), 0);
    assert_answer(&table, TOKEN(1), 2, text);
    assert_answer(&table, TOKEN(count), count + 1, text);
    assert_true(table.heap.live_bytes < RESULTS_BYTES_MAX + (1 << 20));
    end(&table);
}

static void a_result_over_the_limit_is_not_kept(void **state)
{
    (void)state;
    struct table table;
    begin(&table);
    char *text = malloc(RESULTS_ONE_BYTES_MAX + 2);
    assert_non_null(text);
    memset(text, 'x', RESULTS_ONE_BYTES_MAX + 1);
    text[RESULTS_ONE_BYTES_MAX + 1] = '\0';
    assert_int_equal(use(&table, TOKEN(1), text), 1);
    assert_int_equal(find(&table, TOKEN(1)), QR_ERR_FORGOTTEN);
    assert_int_equal(use(&table, TOKEN(1), text), 0);
    text[RESULTS_ONE_BYTES_MAX] = '\0';
    assert_int_equal(use(&table, TOKEN(2), text), 1);
    assert_answer(&table, TOKEN(2), 3, text);
    free(text);
    end(&table);
}

static void what_is_settled_before_it_came_is_never_applied(void **state)
{
    (void)state;
    struct table table;
    begin(&table);
    uint64_t session = open_session(&table, MINUTE_NS);
    struct proposal_id ids[] = {{session, 70}, TOKEN(1)};
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        assert_int_equal(settle(&table, ids[i]), QR_ERR_SETTLED);
        assert_int_equal(use(&table, ids[i], "x"), QR_ERR_SETTLED);
        assert_int_equal(settle(&table, ids[i]), QR_ERR_SETTLED);
        assert_int_equal(find(&table, ids[i]), QR_ERR_SETTLED);
    }
    assert_int_equal(settle(&table, (struct proposal_id){session, 5}), QR_ERR_EXPIRED);
    assert_int_equal(settle(&table, (struct proposal_id){session + 1, 5}), QR_ERR_EXPIRED);
    assert_int_equal(settle(&table, (struct proposal_id){5, 5}), QR_ERR_INVALID);
    assert_int_equal(settle(&table, (struct proposal_id){QR_SESSION_BIT, 5}), QR_ERR_INVALID);
    end(&table);
}

static void what_was_applied_before_it_is_settled_stays_so(void **state)
{
    (void)state;
    struct table table;
    begin(&table);
    assert_int_equal(use(&table, TOKEN(1), "x"), 1);
    assert_int_equal(settle(&table, TOKEN(1)), 0);
    assert_answer(&table, TOKEN(1), 1, "x");
    end(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_repeat_gets_the_first_answer_and_is_not_applied),
        cmocka_unit_test(another_command_under_a_used_id_is_refused),
        cmocka_unit_test(sequences_may_come_in_any_order_within_the_window),
        cmocka_unit_test(what_the_window_has_left_behind_is_never_applied),
        cmocka_unit_test(a_moving_window_forgets_what_falls_out_of_it),
        cmocka_unit_test(a_session_expires_by_log_time_after_its_last_use),
        cmocka_unit_test(who_is_heard_of_does_not_expire),
        cmocka_unit_test(what_expired_makes_room_though_nobody_asks_for_it),
        cmocka_unit_test(log_time_that_goes_back_expires_nothing),
        cmocka_unit_test(a_session_never_opened_or_ended_is_over),
        cmocka_unit_test(a_timeout_has_bounds),
        cmocka_unit_test(sessions_have_a_limit),
        cmocka_unit_test(outcomes_have_a_limit_and_no_token_is_forgotten_early),
        cmocka_unit_test(a_session_goes_on_in_a_full_table),
        cmocka_unit_test(however_log_time_jumps_the_later_half_of_the_tokens_is_known),
        cmocka_unit_test(the_oldest_results_go_first_and_what_was_applied_is_still_known),
        cmocka_unit_test(a_result_over_the_limit_is_not_kept),
        cmocka_unit_test(what_is_settled_before_it_came_is_never_applied),
        cmocka_unit_test(what_was_applied_before_it_is_settled_stays_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
