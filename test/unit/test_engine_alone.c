/* test_engine_alone.c: a cluster of one, on the caller's loop: options, writes, reads, ends. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "engine_alone.h"
#include "quorate/engine.h"
#include "quorate/wal.h"

static void a_proposal_is_applied_and_answered_with_its_result(void **state)
{
    struct bench *bench = *state;
    open_leader(bench);
    assert_int_equal(propose(bench, "\x05", on_answer), 0);
    assert_int_equal(bench->answer_count, 0); /* never from within the call */
    assert_int_equal(propose(bench, "\x07\x01", on_answer), 0);
    wait_for_answers(bench, 2);
    assert_int_equal(bench->answer_status, 0);
    assert_int_equal(bench->answer_sum, 13);
    assert_true(bench->answer_index > 1);
}

static void nothing_waits_on_the_callers_loop(void **state)
{
    struct bench *bench = *state;
    open_leader(bench);
    const struct qr_proposal proposal = {
        .size_bytes = sizeof(proposal), .payload = "x", .payload_bytes = 1};
    const struct qr_change change = {.size_bytes = sizeof(change), .promote = "n1"};
    assert_int_equal(qr_propose_wait(bench->lone.engine, &proposal, NULL), QR_ERR_INVALID);
    uint64_t session = 0;
    assert_int_equal(qr_read_wait(bench->lone.engine, NULL, NULL), QR_ERR_INVALID);
    assert_int_equal(qr_change_wait(bench->lone.engine, &change, NULL), QR_ERR_INVALID);
    assert_int_equal(qr_open_session_wait(bench->lone.engine, 1000, &session), QR_ERR_INVALID);
    assert_int_equal(qr_end_session_wait(bench->lone.engine, QR_SESSION_BIT | 1), QR_ERR_INVALID);
    assert_int_equal(qr_settle_wait(bench->lone.engine, qr_token_id("t", 1), NULL), QR_ERR_INVALID);
}

static void a_cancelled_proposal_says_whether_it_may_be_applied(void **state)
{
    struct bench *bench = *state;
    uint64_t ticket = 0;
    uint64_t later = 0;
    lone_engine_open(&bench->lone);
    assert_int_equal(propose_with_ticket(bench, on_answer, &ticket), 0); /* nobody leads yet */
    assert_int_equal(qr_cancel(bench->lone.engine, ticket), 0);
    assert_int_equal(bench->answer_count, 0); /* not from within it */
    wait_for_answers(bench, 1);
    assert_int_equal(bench->answer_status, QR_ERR_WITHDRAWN);
    assert_int_equal(qr_cancel(bench->lone.engine, ticket), QR_ERR_NOT_FOUND);
    assert_int_equal(propose(bench, "\x05", on_answer), 0);
    wait_for_answers(bench, 2);
    assert_int_equal(bench->answer_sum, 5); /* the first was not applied */

    assert_int_equal(propose_with_ticket(bench, on_answer, &later), 0); /* into the log at once */
    assert_true(later != ticket);
    assert_int_equal(qr_cancel(bench->lone.engine, later), 0);
    wait_for_answers(bench, 3);
    assert_int_equal(bench->answer_status, QR_ERR_CANCELLED);
    assert_int_equal(propose(bench, "\x05", on_answer), 0);
    wait_for_answers(bench, 4);
    assert_int_equal(bench->answer_sum, 15); /* it was: nobody could know */
    assert_int_equal(qr_cancel(bench->lone.engine, later), QR_ERR_NOT_FOUND);
    assert_int_equal(qr_cancel(bench->lone.engine, 0), QR_ERR_NOT_FOUND);
    assert_int_equal(qr_cancel(bench->lone.engine, 4711), QR_ERR_NOT_FOUND);
}

static void a_limit_that_is_too_long_is_refused(void **state)
{
    struct bench *bench = *state;
    lone_engine_open(&bench->lone);
    struct qr_proposal proposal = {
        .size_bytes = sizeof(proposal),
        .payload = "x",
        .payload_bytes = 1,
        .timeout_ms = QR_PROPOSAL_TIMEOUT_MS_MAX + 1,
    };
    assert_int_equal(qr_propose(bench->lone.engine, &proposal, on_answer, bench), QR_ERR_INVALID);
    proposal.timeout_ms = 1; /* nobody leads so soon */
    assert_int_equal(qr_propose(bench->lone.engine, &proposal, on_answer, bench), 0);
    wait_for_answers(bench, 1);
    assert_int_equal(bench->answer_status, QR_ERR_NO_LEADER);
}

static void a_read_barrier_comes_after_what_was_answered(void **state)
{
    struct bench *bench = *state;
    open_leader(bench);
    assert_int_equal(propose(bench, "\x05", on_answer), 0);
    wait_for_answers(bench, 1);
    assert_int_equal(qr_read_barrier(bench->lone.engine, on_read, bench), 0);
    assert_int_equal(bench->read_count, 0);
    while (bench->read_count == 0) {
        lone_engine_run(&bench->lone);
    }
    assert_int_equal(bench->read_status, 0);
    assert_true(bench->read_index >= bench->answer_index);
}

static void each_kind_of_read_is_answered(void **state)
{
    struct bench *bench = *state;
    uint64_t age_ms = 0;
    lone_engine_open(&bench->lone);
    read_as(bench, QR_READ_STALE, QR_AGE_ANY, QR_ERR_NO_LEADER); /* its log is being begun */
    read_as(bench, QR_READ_CONFIGURED, 0, 0);
    read_as(bench, QR_READ_LINEARIZABLE, 0, 0);
    read_as(bench, QR_READ_LEASE, 0, 0);
    read_as(bench, QR_READ_STALE, 60000, 0);
    assert_int_equal(qr_read_age(bench->lone.engine, 60000, &age_ms), 0);
    assert_true(age_ms < 60000);
    qr_status(bench->lone.engine, &bench->status);
    assert_true(bench->status.age_ms < 60000);
    const struct qr_read_options wrong = {sizeof(wrong), (enum qr_read_kind)4, 0};
    assert_int_equal(qr_read(bench->lone.engine, &wrong, on_read, bench), QR_ERR_INVALID);
}

static void a_member_joins_no_other_cluster(void **state)
{
    struct bench *bench = *state;
    open_leader(bench);
    read_as(bench, QR_READ_CONFIGURED, 0, 0);
    assert_int_equal(qr_join(bench->lone.engine, "127.0.0.1:1", false), QR_ERR_FOREIGN);
    assert_int_equal(qr_join(bench->lone.engine, "", false), QR_ERR_INVALID);
    assert_int_equal(qr_join(bench->lone.engine, "127.0.0.1:1,x", false), QR_ERR_ADDRESS);
    qr_engine_stop(bench->lone.engine);
    assert_int_equal(qr_join(bench->lone.engine, "127.0.0.1:1", false), QR_ERR_STOPPED);
}

static void the_status_is_one_picture(void **state)
{
    struct bench *bench = *state;
    open_leader(bench);
    assert_int_equal(propose(bench, "\x05", on_answer), 0);
    wait_for_answers(bench, 1);
    qr_status(bench->lone.engine, &bench->status);
    const struct qr_status *status = &bench->status;
    assert_string_equal(status->name, "n1");
    assert_int_equal(status->role, QR_LEADER);
    assert_true(status->has_leader);
    assert_true(status->leader_id == status->node_id);
    assert_string_equal(status->leader_name, "n1");
    assert_int_equal(status->applied_index, bench->answer_index);
    assert_int_equal(status->commit_index, bench->answer_index);
    assert_int_equal(status->digest, 5);
    assert_int_equal(status->member_count, 1);
    assert_true(status->members[0].is_voter);
    assert_int_equal(status->members[0].health, QR_ALIVE);
    assert_string_equal(status->members[0].address, bench->lone.address);
    assert_int_equal(status->members[0].match_index, bench->answer_index);
    assert_true(qr_is_leader(bench->lone.engine));
    assert_true(status->cluster_high != 0 || status->cluster_low != 0);

    struct qr_counters counters = {.size_bytes = sizeof(counters)};
    qr_counters(bench->lone.engine, &counters);
    assert_int_equal(counters.proposals, 1);
    assert_int_equal(counters.proposals_failed, 0);
    assert_int_equal(counters.entries_applied, 1);
    assert_true(counters.log_syncs >= 1 && counters.log_written_bytes > 0);
}

static void a_restart_keeps_what_was_answered(void **state)
{
    struct bench *bench = *state;
    open_leader(bench);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(propose(bench, "\x01", on_answer), 0);
    }
    wait_for_answers(bench, 100);
    assert_int_equal(bench->answer_status, 0);
    uint64_t index = bench->answer_index;
    qr_status(bench->lone.engine, &bench->status);
    uint64_t id = bench->status.node_id;
    lone_engine_close(&bench->lone);

    open_leader(bench);
    assert_int_equal(qr_read_barrier(bench->lone.engine, on_read, bench), 0);
    while (bench->read_count == 0) {
        lone_engine_run(&bench->lone);
    }
    assert_int_equal(bench->read_status, 0);
    assert_true(bench->read_index >= index);
    assert_int_equal(tally_sum(&bench->lone.tally), 100);
    qr_status(bench->lone.engine, &bench->status);
    assert_true(bench->status.node_id == id);
}

static void a_proposal_out_of_bounds_is_refused_at_once(void **state)
{
    struct bench *bench = *state;
    open_leader(bench);
    struct qr_proposal proposal = {
        .size_bytes = sizeof(proposal), .command = "c", .command_bytes = QR_COMMAND_BYTES_MAX + 1};
    assert_int_equal(qr_propose(bench->lone.engine, &proposal, on_answer, bench), QR_ERR_INVALID);
    proposal.command_bytes = 0;
    assert_int_equal(qr_propose(bench->lone.engine, &proposal, on_answer, bench), QR_ERR_INVALID);
    proposal.payload = bench;
    proposal.payload_bytes = lone_engine_options(&bench->lone).limits.max_message_bytes + 1;
    assert_int_equal(qr_propose(bench->lone.engine, &proposal, on_answer, bench), QR_ERR_TOO_LARGE);
    assert_int_equal(bench->answer_count, 0);
}

static void on_commit(void *argument, const struct qr_entry *entry)
{
    (void)argument;
    (void)entry;
}

static void stopping_answers_who_waits_and_then_everybody(void **state)
{
    struct bench *bench = *state;
    open_leader(bench);
    assert_int_equal(propose(bench, "\x01", on_answer), 0);
    assert_int_equal(qr_read_barrier(bench->lone.engine, on_read, bench), 0);
    qr_engine_stop(bench->lone.engine);
    while (bench->lone.stopped_count == 0) {
        lone_engine_run(&bench->lone);
    }
    assert_int_equal(bench->lone.stopped_status, 0);
    assert_int_equal(bench->answer_count, 1);
    assert_int_equal(bench->read_count, 1);
    assert_int_equal(propose(bench, "\x01", on_answer), QR_ERR_STOPPED);
    assert_int_equal(qr_read_barrier(bench->lone.engine, on_read, bench), QR_ERR_STOPPED);
    uint64_t age_ms = 7;
    assert_int_equal(qr_read_age(bench->lone.engine, QR_AGE_ANY, &age_ms), QR_ERR_STOPPED);
    assert_int_equal(age_ms, 7);
    assert_int_equal(qr_on_commit(bench->lone.engine, on_commit, bench, &bench->token),
                     QR_ERR_STOPPED);
    qr_status(bench->lone.engine, &bench->status);
    assert_true(bench->status.is_stopped);
    assert_false(qr_is_leader(bench->lone.engine));
    qr_engine_free(bench->lone.engine);
    bench->lone.engine = NULL;
}

static void a_state_machine_that_fails_stops_its_engine(void **state)
{
    struct bench *bench = *state;
    open_leader(bench);
    assert_int_equal(propose(bench, "\x01", on_answer), 0);
    wait_for_answers(bench, 1);
    tally_fail(&bench->lone.tally, QR_ERR_NO_MEMORY);
    assert_int_equal(propose(bench, "\x01", on_answer), 0);
    while (bench->lone.stopped_count == 0) {
        lone_engine_run(&bench->lone);
    }
    assert_int_equal(bench->lone.stopped_status, QR_ERR_NO_MEMORY);
    assert_int_equal(bench->answer_count, 2);
    assert_int_not_equal(bench->answer_status, 0);
    qr_engine_free(bench->lone.engine);
    bench->lone.engine = NULL;
}

/* How the detail of each begins, below. */
static const char *const out_of_bounds[] = {
    "size_bytes",
    "state_machine",
    "name",
    "data_directory",
    "peer_address",
    "advertise_address",
    "join",
    "is_bootstrap and join",
    "meta",
    "max_log_bytes",
    "heartbeat_interval_ms",
    "segment_bytes",
    "is_waiting",
    "swim_ping_timeout_ms",
    "swim_suspicion_timeout_ms",
    "remove_dead_after_ms",
    "is_observer and is_bootstrap",
    "is_observer and is_learner",
    "is_observer: needs join",
    "swim_profile",
    "client_address",
    "http_address",
    "on_divergence",
    "is_bootstrap and is_learner",
    "join: names nobody",
};

static void options_out_of_bounds_are_named(void **state)
{
    struct bench *bench = *state;
    struct qr_engine_options good = lone_engine_options(&bench->lone);
    struct qr_engine_options bad[COUNT_OF(out_of_bounds)];
    char meta[QR_META_BYTES_MAX + 1];
    memset(meta, 'm', QR_META_BYTES_MAX);
    meta[QR_META_BYTES_MAX] = '\0';
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        bad[i] = good;
    }
    bad[0].size_bytes = sizeof(size_t);
    bad[1].state_machine = NULL;
    bad[2].name = "N 1";
    bad[3].data_directory = "";
    bad[4].peer_address = "nowhere";
    bad[5].advertise_address = "0.0.0.0:7700";
    bad[6].join = "127.0.0.1:1,x";
    bad[6].is_bootstrap = false;
    bad[7].join = "127.0.0.1:1";
    bad[8].meta = meta;
    bad[9].limits.max_log_bytes = 0;
    bad[10].limits.heartbeat_interval_ms = bad[10].limits.election_timeout_min_ms;
    bad[12].is_waiting = true; /* and is_bootstrap */
    bad[11].limits.segment_bytes = bad[11].limits.max_message_bytes / 4096 * 4096;
    bad[13].limits.swim_ping_timeout_ms = bad[13].limits.swim_protocol_period_ms;
    bad[14].limits.swim_protocol_period_ms = bad[14].limits.swim_suspicion_timeout_ms + 1;
    bad[15].limits.remove_dead_after_ms = bad[15].limits.swim_suspicion_timeout_ms - 1;
    bad[16].is_observer = true; /* and is_bootstrap */
    bad[17].is_observer = true;
    bad[17].is_learner = true;
    bad[17].is_bootstrap = false;
    bad[18].is_observer = true;
    bad[18].is_bootstrap = false;
    bad[19].swim_profile = (enum qr_swim_profile)2;
    bad[20].client_address = "here";
    bad[21].http_address = "";
    bad[22].on_divergence = (enum qr_on_divergence)3;
    bad[23].is_learner = true; /* and is_bootstrap */
    bad[24].join = "";
    bad[24].is_bootstrap = false;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        int status = qr_engine_open(&bad[i], &bench->lone.engine, bench->lone.detail);
        assert_true(status == QR_ERR_INVALID || status == QR_ERR_ADDRESS);
        assert_memory_equal(bench->lone.detail, out_of_bounds[i], strlen(out_of_bounds[i]));
    }
    bench->lone.engine = NULL;
}

static void what_cannot_be_had_leaves_nothing_behind(void **state)
{
    struct bench *bench = *state;
    open_leader(bench);
    struct qr_engine_options options = lone_engine_options(&bench->lone);
    struct qr_engine *second = NULL;
    assert_int_equal(qr_engine_open(&options, &second, bench->lone.detail), QR_ERR_LOCKED);
    assert_non_null(strstr(bench->lone.detail, bench->lone.directory));
    char other[64];
    temporary_directory(other);
    options.data_directory = other;
    assert_int_equal(qr_engine_open(&options, &second, bench->lone.detail), QR_ERR_ADDRESS);
    assert_non_null(strstr(bench->lone.detail, bench->lone.address));
    options.loop = NULL;
    assert_int_equal(qr_engine_open(&options, &second, bench->lone.detail), QR_ERR_ADDRESS);
    assert_null(second);
    temporary_directory_remove(other);
}

static void count_line(void *argument, const char *line)
{
    int *count = argument;
    assert_true(line[0] != '\0');
    (*count)++;
}

static void a_log_can_be_looked_into_when_no_node_uses_it(void **state)
{
    struct bench *bench = *state;
    struct qr_wal_summary summary;
    int lines = 0;
    open_leader(bench);
    assert_int_equal(propose(bench, "\x05", on_answer), 0);
    wait_for_answers(bench, 1);
    assert_int_equal(
        qr_wal_inspect(bench->lone.directory, false, NULL, NULL, &summary, bench->lone.detail),
        QR_ERR_LOCKED);
    qr_status(bench->lone.engine, &bench->status);
    lone_engine_close(&bench->lone);
    assert_int_equal(qr_wal_inspect(bench->lone.directory, true, count_line, &lines, &summary,
                                    bench->lone.detail),
                     0);
    assert_true(summary.node_id == bench->status.node_id);
    assert_true(summary.cluster_high == bench->status.cluster_high);
    assert_string_equal(summary.name, "n1");
    assert_int_equal(summary.last_index, bench->status.last_index);
    assert_int_equal(summary.entry_count, bench->status.last_index);
    assert_int_equal(summary.term, bench->status.term);
    assert_int_equal(lines, summary.segment_count + summary.batch_count + summary.entry_count +
                                (summary.is_torn ? 1 : 0));
    assert_int_equal(
        qr_wal_inspect("/nonexistent/directory", false, NULL, NULL, &summary, bench->lone.detail),
        QR_ERR_NOT_FOUND);
}

static void expect_object(void *argument, const char *line)
{
    size_t length = strlen(line);
    (void)argument;
    assert_true(length > 2 && line[0] == '{' && line[length - 1] == '}');
}

static void a_long_payload_is_a_whole_object_of_json(void **state)
{
    struct bench *bench = *state;
    struct qr_wal_summary summary;
    char payload[10000];
    memset(payload, '\x01', sizeof(payload) - 1);
    payload[sizeof(payload) - 1] = '\0';
    open_leader(bench);
    assert_int_equal(propose(bench, payload, on_answer), 0);
    wait_for_answers(bench, 1);
    lone_engine_close(&bench->lone);
    assert_int_equal(qr_wal_inspect(bench->lone.directory, true, expect_object, NULL, &summary,
                                    bench->lone.detail),
                     0);
}

static void the_defaults_are_within_their_bounds(void **state)
{
    struct bench *bench = *state;
    struct qr_limits limits = qr_limits_default();
    assert_int_equal(qr_limits_check(&limits, bench->lone.detail), 0);
    limits.election_timeout_min_ms = 5;
    assert_int_equal(qr_limits_check(&limits, bench->lone.detail), QR_ERR_INVALID);
    assert_string_equal(bench->lone.detail,
                        "election_timeout_min_ms: 5 is out of bounds, 10..60000");
}

static void a_limit_of_a_later_library_is_refused(void **state)
{
    struct bench *bench = *state;
    struct qr_engine_options options = lone_engine_options(&bench->lone);
    options.limits.reserved[COUNT_OF(options.limits.reserved) - 1] = 1;
    assert_int_equal(qr_engine_open(&options, &bench->lone.engine, bench->lone.detail),
                     QR_ERR_VERSION);
    assert_memory_equal(bench->lone.detail, "limits: ", 8);
    bench->lone.engine = NULL;
}

#define ENGINE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ENGINE_TEST(the_defaults_are_within_their_bounds),
        ENGINE_TEST(a_limit_of_a_later_library_is_refused),
        ENGINE_TEST(options_out_of_bounds_are_named),
        ENGINE_TEST(a_proposal_is_applied_and_answered_with_its_result),
        ENGINE_TEST(nothing_waits_on_the_callers_loop),
        ENGINE_TEST(a_read_barrier_comes_after_what_was_answered),
        ENGINE_TEST(a_cancelled_proposal_says_whether_it_may_be_applied),
        ENGINE_TEST(a_limit_that_is_too_long_is_refused),
        ENGINE_TEST(each_kind_of_read_is_answered),
        ENGINE_TEST(a_member_joins_no_other_cluster),
        ENGINE_TEST(the_status_is_one_picture),
        ENGINE_TEST(a_restart_keeps_what_was_answered),
        ENGINE_TEST(a_proposal_out_of_bounds_is_refused_at_once),
        ENGINE_TEST(stopping_answers_who_waits_and_then_everybody),
        ENGINE_TEST(a_state_machine_that_fails_stops_its_engine),
        ENGINE_TEST(what_cannot_be_had_leaves_nothing_behind),
        ENGINE_TEST(a_log_can_be_looked_into_when_no_node_uses_it),
        ENGINE_TEST(a_long_payload_is_a_whole_object_of_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
