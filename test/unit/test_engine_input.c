/* test_engine_input.c: what a program may do wrong with the public functions: an error each, and
 * nothing happens.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "quorate/backup.h"
#include "quorate/doctor.h"
#include "quorate/engine.h"
#include "quorate/keys.h"
#include "quorate/wal.h"
#include "support/lone_engine.h"

static int setup(void **state)
{
    struct lone_engine *lone = calloc(1, sizeof(*lone));
    lone_engine_init(lone, false);
    lone_engine_open(lone);
    *state = lone;
    return 0;
}

static int teardown(void **state)
{
    struct lone_engine *lone = *state;
    lone_engine_deinit(lone);
    free(lone);
    return 0;
}

/* None of these is ever called: each call is refused. */
static void on_proposed(void *argument, int status, uint64_t index, const struct qr_result *result)
{
    (void)argument;
    (void)status;
    (void)index;
    (void)result;
    fail();
}

static void on_done(void *argument, int status, uint64_t index)
{
    (void)argument;
    (void)status;
    (void)index;
    fail();
}

static void on_changed(void *argument, int status, const struct qr_change_result *result)
{
    (void)argument;
    (void)status;
    (void)result;
    fail();
}

static void on_keys(void *argument, int status, const char *reason, const struct qr_keys *keys)
{
    (void)argument;
    (void)status;
    (void)reason;
    (void)keys;
    fail();
}

static void on_piece(void *argument, int status, const void *data, size_t size_bytes)
{
    (void)argument;
    (void)status;
    (void)data;
    (void)size_bytes;
    fail();
}

static void on_commit(void *argument, const struct qr_entry *entry)
{
    (void)argument;
    (void)entry;
}

static void on_membership(void *argument, const struct qr_membership_event *event)
{
    (void)argument;
    (void)event;
}

static void on_role(void *argument, const struct qr_role_event *event)
{
    (void)argument;
    (void)event;
}

static const struct qr_proposal good = {
    .size_bytes = sizeof(struct qr_proposal), .payload = "x", .payload_bytes = 1};
static const struct qr_change promote = {.size_bytes = sizeof(struct qr_change), .promote = "n1"};
static const struct qr_id token_id = {QR_SESSION_BIT | QR_TOKEN_BIT, 1};

/* Every function that returns an error, called as it should be but for the engine. */
static void call_each(struct qr_engine *engine, int expected)
{
    static struct qr_status status = {.size_bytes = sizeof(status)};
    struct qr_counters counters = {.size_bytes = sizeof(counters)};
    struct qr_leader leader = {.size_bytes = sizeof(leader)};
    struct qr_change_reply change_reply = {.size_bytes = sizeof(change_reply)};
    struct qr_reply reply = {.data = NULL};
    struct qr_member members[1];
    struct qr_backup *backup = NULL;
    uint64_t number = 0;
    size_t count = 1;
    const int results[] = {
        qr_propose(engine, &good, on_proposed, NULL),
        qr_propose_wait(engine, &good, &reply),
        qr_cancel(engine, 1),
        qr_open_session(engine, 1000, on_proposed, NULL),
        qr_end_session(engine, QR_SESSION_BIT | 1, on_proposed, NULL),
        qr_settle(engine, token_id, on_proposed, NULL),
        qr_open_session_wait(engine, 1000, &number),
        qr_end_session_wait(engine, QR_SESSION_BIT | 1),
        qr_settle_wait(engine, token_id, &reply),
        qr_read(engine, NULL, on_done, NULL),
        qr_read_barrier(engine, on_done, NULL),
        qr_read_wait(engine, NULL, &number),
        qr_read_age(engine, 1000, &number),
        qr_snapshot(engine, on_done, NULL),
        qr_change_cluster(engine, &promote, on_changed, NULL),
        qr_change_wait(engine, &promote, &change_reply),
        qr_promote(engine, "n1"),
        qr_demote(engine, "n1"),
        qr_remove(engine, "n1"),
        qr_transfer(engine, "n1"),
        qr_join(engine, "127.0.0.1:1", false),
        qr_add(engine, "127.0.0.1:1", false, NULL),
        qr_leave(engine, QR_LEAVE_SHUTDOWN),
        qr_leader(engine, &leader),
        qr_members(engine, members, &count),
        qr_self(engine, members),
        qr_on_commit(engine, on_commit, NULL, &number),
        qr_on_membership(engine, on_membership, NULL, &number),
        qr_on_role_change(engine, on_role, NULL, &number),
        qr_keys(engine, QR_KEYS_LIST, NULL, 0, on_keys, NULL),
        qr_backup_open(engine, on_piece, NULL, &backup),
    };
    for (size_t i = 0; i < COUNT_OF(results); i++) {
        if (results[i] != expected) {
            print_message("call %zu: %s\n", i, qr_error_name(results[i]));
        }
        assert_int_equal(results[i], expected);
    }
    int told = engine == NULL ? QR_ERR_INVALID : 0; /* what was so last stays to be asked for */
    assert_int_equal(qr_status(engine, &status), told);
    assert_int_equal(qr_counters(engine, &counters), told);
    assert_false(qr_is_leader(engine));
    assert_false(qr_is_healthy(engine));
    qr_remove_handler(engine, 1);
    qr_remove_commit_handler(engine, 1);
    qr_remove_membership(engine, 1);
    qr_engine_stop(engine);
}

static void without_an_engine_nothing_happens(void **state)
{
    (void)state;
    call_each(NULL, QR_ERR_INVALID);
    assert_int_equal(qr_log_time(NULL), 0);
    qr_engine_free(NULL);
}

static void after_its_end_every_call_says_so(void **state)
{
    struct lone_engine *lone = *state;
    static struct qr_status status = {.size_bytes = sizeof(status)};
    qr_engine_stop(lone->engine);
    while (!status.is_stopped) {
        assert_int_equal(qr_status(lone->engine, &status), 0);
        sched_yield();
    }
    call_each(lone->engine, QR_ERR_STOPPED);
}

static void what_a_call_cannot_do_without_is_missed_at_once(void **state)
{
    struct lone_engine *lone = *state;
    struct qr_engine *engine = lone->engine;
    struct qr_backup *backup = NULL;
    struct qr_reply no_room = {.capacity_bytes = 8};
    struct qr_member member;
    uint64_t token = 0;
    size_t count = 1;
    const int results[] = {
        qr_propose(engine, NULL, on_proposed, NULL),
        qr_propose(engine, &good, NULL, NULL),
        qr_propose_wait(engine, NULL, NULL),
        qr_open_session(engine, 1000, NULL, NULL),
        qr_open_session(engine, 0, on_proposed, NULL),
        qr_end_session(engine, QR_SESSION_BIT | 1, NULL, NULL),
        qr_settle(engine, token_id, NULL, NULL),
        qr_settle(engine, (struct qr_id){1, 1}, on_proposed, NULL),
        qr_open_session_wait(engine, 1000, NULL),
        qr_open_session_wait(engine, 0, &token),
        qr_settle_wait(engine, (struct qr_id){1, 1}, NULL),
        qr_settle_wait(engine, token_id, &no_room),
        qr_read(engine, NULL, NULL, NULL),
        qr_read_barrier(engine, NULL, NULL),
        qr_read_age(engine, 1, NULL),
        qr_snapshot(engine, NULL, NULL),
        qr_change_cluster(engine, NULL, on_changed, NULL),
        qr_change_cluster(engine, &promote, NULL, NULL),
        qr_change_wait(engine, NULL, NULL),
        qr_promote(engine, NULL),
        qr_join(engine, NULL, false),
        qr_add(engine, NULL, false, NULL),
        qr_leave(engine, (enum qr_leave_reason)9),
        qr_leader(engine, NULL),
        qr_members(engine, NULL, &count),
        qr_members(engine, &member, NULL),
        qr_self(engine, NULL),
        qr_on_commit(engine, NULL, NULL, &token),
        qr_on_commit(engine, on_commit, NULL, NULL),
        qr_on_membership(engine, NULL, NULL, &token),
        qr_on_membership(engine, on_membership, NULL, NULL),
        qr_on_role_change(engine, NULL, NULL, &token),
        qr_on_role_change(engine, on_role, NULL, NULL),
        qr_keys(engine, QR_KEYS_LIST, NULL, 0, NULL, NULL),
        qr_keys(engine, QR_KEYS_ADD, NULL, 5, on_keys, NULL),
        qr_keys(engine, (enum qr_keys_action)9, "", 0, on_keys, NULL),
        qr_key_name(NULL, 1, false, NULL),
        qr_status(engine, NULL),
        qr_counters(engine, NULL),
        qr_backup_open(engine, NULL, NULL, &backup),
        qr_backup_open(engine, on_piece, NULL, NULL),
        qr_backup_next(NULL),
        qr_backup_reader_new(NULL, NULL),
        qr_restore_open(NULL, NULL, NULL),
        qr_doctor_open(NULL, 1, NULL, NULL),
        qr_wal_inspect(NULL, false, NULL, NULL, NULL, NULL),
        qr_limits_check(NULL, NULL),
    };
    for (size_t i = 0; i < COUNT_OF(results); i++) {
        if (results[i] != QR_ERR_INVALID) {
            print_message("call %zu: %s\n", i, qr_error_name(results[i]));
        }
        assert_int_equal(results[i], QR_ERR_INVALID);
    }
    qr_limits_set_profile(NULL, QR_SWIM_FAST);
    qr_backup_close(NULL);
}

/* A size that no version has, in each struct that says one. */
static void a_struct_of_no_known_size_is_refused(void **state)
{
    struct lone_engine *lone = *state;
    static const size_t sizes[] = {0, sizeof(size_t), SIZE_MAX};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        static struct qr_status status;
        struct qr_proposal proposal = good;
        struct qr_change change = promote;
        struct qr_read_options read = {.size_bytes = sizes[i]};
        struct qr_counters counters = {.size_bytes = sizes[i]};
        struct qr_leader leader = {.size_bytes = sizes[i]};
        struct qr_change_reply reply = {.size_bytes = sizes[i]};
        struct qr_engine_options options = lone_engine_options(lone);
        struct qr_restore_options restore = {.size_bytes = sizes[i]};
        struct qr_engine *engine = NULL;
        struct qr_restore *restored = NULL;
        char detail[QR_ERROR_DETAIL_BYTES];
        status.size_bytes = sizes[i];
        proposal.size_bytes = sizes[i];
        change.size_bytes = sizes[i];
        options.size_bytes = sizes[i];
        assert_int_equal(qr_propose(lone->engine, &proposal, on_proposed, NULL), QR_ERR_INVALID);
        assert_int_equal(qr_change_cluster(lone->engine, &change, on_changed, NULL),
                         QR_ERR_INVALID);
        assert_int_equal(qr_change_wait(lone->engine, &promote, &reply), QR_ERR_INVALID);
        assert_int_equal(qr_read(lone->engine, &read, on_done, NULL), QR_ERR_INVALID);
        assert_int_equal(qr_status(lone->engine, &status), QR_ERR_INVALID);
        assert_int_equal(qr_counters(lone->engine, &counters), QR_ERR_INVALID);
        assert_int_equal(qr_leader(lone->engine, &leader), QR_ERR_INVALID);
        assert_int_equal(qr_engine_open(&options, &engine, detail), QR_ERR_INVALID);
        assert_non_null(strstr(detail, "size_bytes"));
        assert_int_equal(qr_restore_open(&restore, &restored, detail), QR_ERR_INVALID);
    }
}

/* Both begin, or go on, as if nothing had been asked. */
static void tools_for_files_need_something_to_work_with(void **state)
{
    (void)state;
    struct qr_backup_reader *reader = NULL;
    struct qr_restore *restore = NULL;
    struct qr_backup_facts facts;
    struct qr_id cluster;
    char directory[64];
    char detail[QR_ERROR_DETAIL_BYTES];
    temporary_directory(directory);
    const struct qr_restore_options options = {.size_bytes = sizeof(options),
                                               .data_directory = directory,
                                               .name = "n1",
                                               .address = "127.0.0.1:1"};
    assert_int_equal(qr_backup_reader_new(NULL, &reader), 0);
    assert_int_equal(qr_restore_open(&options, &restore, NULL), 0);
    const int results[] = {
        qr_backup_reader_feed(NULL, "x", 1),
        qr_backup_reader_feed(reader, NULL, 1),
        qr_backup_reader_end(NULL),
        qr_restore_feed(NULL, "x", 1, detail),
        qr_restore_feed(restore, NULL, 1, detail),
        qr_restore_finish(NULL, &cluster, detail),
        qr_restore_finish(restore, NULL, detail),
    };
    for (size_t i = 0; i < COUNT_OF(results); i++) {
        assert_int_equal(results[i], QR_ERR_INVALID);
    }
    assert_string_equal(qr_backup_reader_detail(NULL), "");
    assert_string_equal(qr_backup_reader_detail(reader), "");
    assert_false(qr_backup_reader_facts(NULL, &facts));
    assert_false(qr_backup_reader_facts(reader, NULL));
    assert_int_equal(qr_restore_finish(restore, &cluster, NULL), QR_ERR_FOREIGN);
    qr_backup_reader_free(reader);
    qr_restore_free(restore);
    qr_backup_reader_free(NULL);
    qr_restore_free(NULL);
    temporary_directory_remove(directory);
}

static void a_doctor_asked_for_a_directory_it_has_not_names_none(void **state)
{
    (void)state;
    struct qr_doctor *doctor = NULL;
    struct qr_doctor_verdict verdict = {.way = QR_DOCTOR_START};
    struct qr_id cluster;
    char directory[64];
    char detail[QR_ERROR_DETAIL_BYTES];
    temporary_directory(directory);
    const char *const paths[] = {directory, NULL};
    assert_int_equal(qr_doctor_open(paths, 2, &doctor, detail), QR_ERR_INVALID);
    assert_null(doctor);
    assert_int_equal(qr_doctor_open(paths, 1, &doctor, NULL), 0);
    assert_non_null(qr_doctor_directory(doctor, 0));
    assert_null(qr_doctor_directory(doctor, 1));
    assert_null(qr_doctor_directory(NULL, 0));
    assert_int_equal(qr_doctor_recover(NULL, 0, &cluster, detail), QR_ERR_INVALID);
    assert_int_equal(qr_doctor_recover(doctor, 1, &cluster, detail), QR_ERR_INVALID);
    assert_int_equal(qr_doctor_recover(doctor, QR_DOCTOR_BEST, &cluster, detail), QR_ERR_INVALID);
    assert_int_equal(qr_doctor_recover(doctor, 0, NULL, detail), QR_ERR_INVALID);
    assert_int_equal(qr_doctor_recover(doctor, 0, &cluster, NULL), QR_ERR_INVALID);
    qr_doctor_judge(doctor, 0, NULL);
    qr_doctor_judge(doctor, 1, &verdict);
    assert_int_equal(verdict.way, QR_DOCTOR_NOWHERE);
    verdict.way = QR_DOCTOR_START;
    qr_doctor_judge(NULL, 0, &verdict);
    assert_int_equal(verdict.way, QR_DOCTOR_NOWHERE);
    qr_doctor_free(doctor);
    temporary_directory_remove(directory);
}

static void an_id_of_no_token_proposes_nothing(void **state)
{
    struct lone_engine *lone = *state;
    struct qr_proposal proposal = good;
    proposal.id = qr_token_id(NULL, 5);
    assert_int_equal(qr_propose(lone->engine, &proposal, on_proposed, NULL), QR_ERR_INVALID);
    assert_int_equal(qr_settle(lone->engine, proposal.id, on_proposed, NULL), QR_ERR_INVALID);
}

static void an_event_without_a_name_is_not_logged(void **state)
{
    (void)state;
    int ends[2];
    char first[256] = "";
    assert_int_equal(pipe(ends), 0);
    struct qr_logger *logger = qr_logger_new(ends[1], QR_LOG_TEXT, QR_LOG_INFO);
    qr_log(logger, QR_LOG_INFO, NULL, "key", "value", NULL);
    qr_log(logger, QR_LOG_INFO, "named", "key", NULL, NULL);
    qr_logger_free(logger);
    assert_int_equal(close(ends[1]), 0);
    assert_true(read(ends[0], first, sizeof(first) - 1) > 0);
    assert_non_null(strstr(first, "named"));
    assert_null(strstr(first, "value"));
    assert_int_equal(close(ends[0]), 0);
}

static void an_engine_needs_options_and_room_for_it(void **state)
{
    struct lone_engine *lone = *state;
    struct qr_engine_options options = lone_engine_options(lone);
    struct qr_engine *engine = NULL;
    char detail[QR_ERROR_DETAIL_BYTES];
    assert_int_equal(qr_engine_open(NULL, &engine, detail), QR_ERR_INVALID);
    assert_int_equal(qr_engine_open(NULL, NULL, NULL), QR_ERR_INVALID);
    assert_int_equal(qr_engine_open(&options, NULL, detail), QR_ERR_INVALID);
    const struct qr_allocator half = {.context = NULL};
    options.allocator = &half;
    assert_int_equal(qr_engine_open(&options, &engine, detail), QR_ERR_INVALID);
    assert_non_null(strstr(detail, "allocator"));
    assert_null(engine);
}

static void a_directory_has_one_engine_in_a_process_as_well(void **state)
{
    struct lone_engine *lone = *state;
    struct qr_engine_options options = lone_engine_options(lone);
    struct qr_engine *second = NULL;
    char address[32];
    char detail[QR_ERROR_DETAIL_BYTES];
    free_address(address);
    options.peer_address = address;
    assert_int_equal(qr_engine_open(&options, &second, detail), QR_ERR_LOCKED);
    assert_non_null(strstr(detail, lone->directory));
    assert_null(second);
    assert_int_equal(qr_propose_wait(lone->engine, &good, NULL), 0); /* the first goes on */
}

static void a_payload_that_is_too_large_is_refused(void **state)
{
    struct lone_engine *lone = *state;
    struct qr_proposal proposal = good;
    struct qr_reply reply = {.index = 1};
    size_t most = (size_t)lone_engine_options(lone).limits.max_message_bytes;
    char *payload = calloc(1, most);
    assert_non_null(payload);
    proposal.payload = payload;
    proposal.payload_bytes = most;
    assert_int_equal(qr_propose_wait(lone->engine, &proposal, NULL), 0);
    proposal.command = "c";
    proposal.command_bytes = 1;
    assert_int_equal(qr_propose(lone->engine, &proposal, on_proposed, NULL), QR_ERR_TOO_LARGE);
    proposal.command_bytes = 0;
    free(payload);
    proposal.payload_bytes = most + 1;
    assert_int_equal(qr_propose(lone->engine, &proposal, on_proposed, NULL), QR_ERR_TOO_LARGE);
    assert_int_equal(qr_propose_wait(lone->engine, &proposal, &reply), QR_ERR_TOO_LARGE);
    proposal.payload_bytes = SIZE_MAX;
    assert_int_equal(qr_propose(lone->engine, &proposal, on_proposed, NULL), QR_ERR_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_an_engine_nothing_happens),
        cmocka_unit_test_setup_teardown(after_its_end_every_call_says_so, setup, teardown),
        cmocka_unit_test_setup_teardown(what_a_call_cannot_do_without_is_missed_at_once, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_struct_of_no_known_size_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(an_engine_needs_options_and_room_for_it, setup, teardown),
        cmocka_unit_test(tools_for_files_need_something_to_work_with),
        cmocka_unit_test(a_doctor_asked_for_a_directory_it_has_not_names_none),
        cmocka_unit_test_setup_teardown(an_id_of_no_token_proposes_nothing, setup, teardown),
        cmocka_unit_test(an_event_without_a_name_is_not_logged),
        cmocka_unit_test_setup_teardown(a_directory_has_one_engine_in_a_process_as_well, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_payload_that_is_too_large_is_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
