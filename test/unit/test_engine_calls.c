/* test_engine_calls.c: the calls of one engine on a thread of its own, from other threads and from
 * its callbacks.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "engine/sized.h"
#include "quorate/engine.h"
#include "support/lone_engine.h"

struct bench {
    struct lone_engine lone;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int done_count;
    struct qr_role_event role;
    int statuses[8]; /* of what was called from within a callback */
};

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    lone_engine_init(&bench->lone, false);
    pthread_mutex_init(&bench->mutex, NULL);
    pthread_cond_init(&bench->changed, NULL);
    lone_engine_open(&bench->lone);
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    lone_engine_deinit(&bench->lone);
    pthread_cond_destroy(&bench->changed);
    pthread_mutex_destroy(&bench->mutex);
    free(bench);
    return 0;
}

static struct qr_proposal adding(const char *payload)
{
    return (struct qr_proposal){
        .size_bytes = sizeof(struct qr_proposal),
        .command = "add",
        .command_bytes = 3,
        .payload = payload,
        .payload_bytes = strlen(payload),
    };
}

static void who_waits_gets_the_result_and_its_size(void **state)
{
    struct bench *bench = *state;
    const struct qr_proposal proposal = adding("\x05");
    uint64_t sum = 0;
    struct qr_reply reply = {.data = &sum, .capacity_bytes = sizeof(sum), .status = 1};
    assert_int_equal(qr_propose_wait(bench->lone.engine, &proposal, &reply), 0);
    assert_int_equal(sum, 5);
    assert_int_equal(reply.size_bytes, sizeof(sum));
    assert_int_equal(reply.status, 0);
    assert_true(reply.index > 0);
    assert_int_equal(qr_propose_wait(bench->lone.engine, &proposal, NULL), 0);

    uint8_t cut[3] = {0, 0, 0x77};
    struct qr_reply small = {.data = cut, .capacity_bytes = 2};
    assert_int_equal(qr_propose_wait(bench->lone.engine, &proposal, &small), 0);
    assert_int_equal(small.size_bytes, sizeof(sum));
    assert_int_equal(cut[0], 15);
    assert_int_equal(cut[2], 0x77);
    assert_true(small.index > reply.index);
}

static void who_waits_for_what_is_refused_is_told_at_once(void **state)
{
    struct bench *bench = *state;
    struct qr_proposal proposal = adding("");
    proposal.command_bytes = QR_COMMAND_BYTES_MAX + 1;
    struct qr_reply reply = {.index = 7, .size_bytes = 7};
    assert_int_equal(qr_propose_wait(bench->lone.engine, &proposal, &reply), QR_ERR_INVALID);
    assert_int_equal(reply.status, QR_ERR_INVALID);
    assert_int_equal(reply.index, 0);
    assert_int_equal(reply.size_bytes, 0);
    proposal = adding("\x05");
    reply = (struct qr_reply){.capacity_bytes = 8};
    assert_int_equal(qr_propose_wait(bench->lone.engine, &proposal, &reply), QR_ERR_INVALID);
    const struct qr_read_options options = {.size_bytes = sizeof(options),
                                            .kind = (enum qr_read_kind)9};
    assert_int_equal(qr_read_wait(bench->lone.engine, &options, NULL), QR_ERR_INVALID);
    char names[4096];
    memset(names, 'n', sizeof(names));
    names[sizeof(names) - 1] = '\0';
    const struct qr_change change = {.size_bytes = sizeof(change), .promote = names};
    struct qr_change_reply told = {.size_bytes = sizeof(told)};
    assert_int_equal(qr_change_wait(bench->lone.engine, &change, &told), QR_ERR_TOO_LARGE);
    assert_string_equal(told.reason, qr_error_text(QR_ERR_TOO_LARGE));
}

static void a_read_that_was_waited_for_sees_what_was_answered(void **state)
{
    struct bench *bench = *state;
    const struct qr_proposal proposal = adding("\x05");
    struct qr_reply reply = {.data = NULL};
    uint64_t index = 0;
    assert_int_equal(qr_propose_wait(bench->lone.engine, &proposal, &reply), 0);
    assert_int_equal(qr_read_wait(bench->lone.engine, NULL, &index), 0);
    assert_true(index >= reply.index);
    const struct qr_read_options stale = {
        .size_bytes = sizeof(stale), .kind = QR_READ_STALE, .age_ms_max = QR_AGE_ANY};
    assert_int_equal(qr_read_wait(bench->lone.engine, &stale, NULL), 0);
}

static void a_change_that_was_waited_for_says_what_came_of_it(void **state)
{
    struct bench *bench = *state;
    struct qr_change change = {.size_bytes = sizeof(change), .promote = "nobody"};
    struct qr_change_reply reply = {.size_bytes = sizeof(reply)};
    assert_int_equal(qr_read_wait(bench->lone.engine, NULL, NULL), 0); /* it leads */
    assert_int_equal(qr_change_wait(bench->lone.engine, &change, &reply), QR_ERR_NOT_FOUND);
    assert_non_null(strstr(reply.reason, "nobody"));
    change = (struct qr_change){.size_bytes = sizeof(change), .prioritize = "n1", .priority = 3};
    assert_int_equal(qr_change_wait(bench->lone.engine, &change, &reply), 0);
    assert_int_equal(reply.tolerated_after, 0);
    assert_int_equal(qr_change_wait(bench->lone.engine, &change, NULL), 0);
}

static void *wait_many_times(void *argument)
{
    struct bench *bench = argument;
    const struct qr_proposal proposal = adding("\x01");
    for (int i = 0; i < 50; i++) {
        int status = qr_propose_wait(bench->lone.engine, &proposal, NULL);
        if (status != 0) {
            return NULL;
        }
    }
    return argument;
}

static void many_threads_wait_at_once(void **state)
{
    struct bench *bench = *state;
    pthread_t threads[8];
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, wait_many_times, bench), 0);
    }
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        void *ended = NULL;
        assert_int_equal(pthread_join(threads[i], &ended), 0);
        assert_ptr_equal(ended, bench);
    }
    assert_int_equal(qr_read_wait(bench->lone.engine, NULL, NULL), 0);
    assert_int_equal(tally_sum(&bench->lone.tally), 8 * 50);
}

static void call_from_within(struct bench *bench, int *statuses)
{
    const struct qr_proposal proposal = adding("\x01");
    const struct qr_change change = {.size_bytes = sizeof(change), .promote = "n1"};
    struct qr_reply reply = {.index = 1};
    statuses[0] = qr_propose_wait(bench->lone.engine, &proposal, &reply);
    statuses[1] = qr_read_wait(bench->lone.engine, NULL, NULL);
    statuses[2] = qr_change_wait(bench->lone.engine, &change, NULL);
    statuses[3] = reply.status;
}

static void on_done(void *argument, int status, uint64_t index, const struct qr_result *result)
{
    struct bench *bench = argument;
    (void)status;
    (void)index;
    (void)result;
    call_from_within(bench, bench->statuses);
    pthread_mutex_lock(&bench->mutex);
    bench->done_count++;
    pthread_cond_signal(&bench->changed);
    pthread_mutex_unlock(&bench->mutex);
}

static void wait_for_done(struct bench *bench, int count)
{
    pthread_mutex_lock(&bench->mutex);
    while (bench->done_count < count) {
        pthread_cond_wait(&bench->changed, &bench->mutex);
    }
    pthread_mutex_unlock(&bench->mutex);
}

static void on_commit(void *argument, const struct qr_entry *entry)
{
    struct bench *bench = argument;
    (void)entry;
    call_from_within(bench, bench->statuses + 4);
}

static void waiting_from_a_callback_is_refused(void **state)
{
    struct bench *bench = *state;
    const struct qr_proposal proposal = adding("\x05");
    uint64_t token = 0;
    assert_int_equal(qr_on_commit(bench->lone.engine, on_commit, bench, &token), 0);
    assert_int_equal(qr_propose(bench->lone.engine, &proposal, on_done, bench), 0);
    wait_for_done(bench, 1);
    for (size_t i = 0; i < COUNT_OF(bench->statuses); i++) {
        assert_int_equal(bench->statuses[i], QR_ERR_INVALID);
    }
}

static void on_role(void *argument, const struct qr_role_event *event)
{
    struct bench *bench = argument;
    pthread_mutex_lock(&bench->mutex);
    bench->role = *event;
    bench->done_count++;
    pthread_cond_signal(&bench->changed);
    pthread_mutex_unlock(&bench->mutex);
}

static void who_wants_to_hear_of_roles_is_told_what_is_so(void **state)
{
    struct bench *bench = *state;
    uint64_t token = 0;
    struct qr_member self;
    assert_int_equal(qr_on_role_change(bench->lone.engine, on_role, bench, &token), 0);
    pthread_mutex_lock(&bench->mutex);
    while (bench->role.role != QR_LEADER && !qr_is_leader(bench->lone.engine)) {
        pthread_cond_wait(&bench->changed, &bench->mutex);
    }
    pthread_mutex_unlock(&bench->mutex);
    assert_int_equal(qr_self(bench->lone.engine, &self), 0);
    qr_remove_handler(bench->lone.engine, token);
    if (bench->done_count > 0) { /* it was there in time */
        assert_int_equal(bench->role.size_bytes, sizeof(bench->role));
        assert_true(bench->role.has_leader && bench->role.leader_id == self.id);
        assert_true(bench->role.term > 0);
    }
}

static void any_kind_of_handler_is_removed_by_its_token(void **state)
{
    struct bench *bench = *state;
    const struct qr_proposal proposal = adding("\x01");
    uint64_t tokens[QR_ROLE_HANDLERS_MAX];
    uint64_t token = 0;
    for (size_t i = 0; i < QR_ROLE_HANDLERS_MAX; i++) {
        assert_int_equal(qr_on_role_change(bench->lone.engine, on_role, bench, &tokens[i]), 0);
    }
    assert_int_equal(qr_on_role_change(bench->lone.engine, on_role, bench, &token), QR_ERR_BUSY);
    qr_remove_handler(bench->lone.engine, tokens[7]);
    assert_int_equal(qr_on_role_change(bench->lone.engine, on_role, bench, &token), 0);
    assert_int_equal(qr_on_commit(bench->lone.engine, on_commit, bench, &token), 0);
    qr_remove_handler(bench->lone.engine, token);
    qr_remove_handler(bench->lone.engine, 4711);
    bench->statuses[4] = 1;
    assert_int_equal(qr_propose_wait(bench->lone.engine, &proposal, NULL), 0);
    assert_int_equal(qr_read_wait(bench->lone.engine, NULL, NULL), 0);
    assert_int_equal(bench->statuses[4], 1); /* on_commit was not called */
}

static void the_members_are_told_into_the_callers_room(void **state)
{
    struct bench *bench = *state;
    struct qr_member members[2] = {{.id = 7}, {.id = 7}};
    struct qr_member self;
    size_t count = 0;
    assert_int_equal(qr_read_wait(bench->lone.engine, NULL, NULL), 0);
    assert_int_equal(qr_members(bench->lone.engine, members, &count), QR_ERR_TOO_LARGE);
    assert_int_equal(count, 1);
    assert_int_equal(members[0].id, 7);
    count = 2;
    assert_int_equal(qr_members(bench->lone.engine, members, &count), 0);
    assert_int_equal(count, 1);
    assert_string_equal(members[0].name, "n1");
    assert_int_equal(members[1].id, 7);
    assert_int_equal(qr_self(bench->lone.engine, &self), 0);
    assert_true(self.id == members[0].id && self.is_voter);
    qr_engine_stop(bench->lone.engine);
    while (qr_self(bench->lone.engine, &self) == 0) {
        sched_yield(); /* the members are told first */
    }
    assert_int_equal(qr_self(bench->lone.engine, &self), QR_ERR_STOPPED);
    assert_int_equal(qr_members(bench->lone.engine, members, &count), QR_ERR_STOPPED);
}

static void changes_of_one_member_need_its_name_alone(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(qr_read_wait(bench->lone.engine, NULL, NULL), 0); /* it leads */
    assert_int_equal(qr_promote(bench->lone.engine, "n1"), 0);
    assert_int_equal(qr_transfer(bench->lone.engine, "n1"), 0);
    assert_int_equal(qr_demote(bench->lone.engine, "n1"),
                     QR_ERR_INVALID); /* nobody would be left */
    assert_int_equal(qr_remove(bench->lone.engine, "n1"), QR_ERR_INVALID);
    assert_int_equal(qr_remove(bench->lone.engine, "nobody"), QR_ERR_NOT_FOUND);
    assert_int_equal(qr_promote(bench->lone.engine, ""), QR_ERR_INVALID);
    assert_int_equal(qr_demote(bench->lone.engine, NULL), QR_ERR_INVALID);
}

static void *wait_until_stopped(void *argument)
{
    struct bench *bench = argument;
    const struct qr_proposal proposal = adding("\x01");
    int status = 0;
    while (status == 0) {
        status = qr_propose_wait(bench->lone.engine, &proposal, NULL);
        pthread_mutex_lock(&bench->mutex);
        bench->done_count++;
        pthread_cond_signal(&bench->changed);
        pthread_mutex_unlock(&bench->mutex);
    }
    return status == QR_ERR_STOPPED ? argument : NULL;
}

static void who_waits_is_told_that_the_engine_stopped(void **state)
{
    struct bench *bench = *state;
    pthread_t threads[4];
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, wait_until_stopped, bench), 0);
    }
    wait_for_done(bench, 100);
    qr_engine_stop(bench->lone.engine);
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        void *ended = NULL;
        assert_int_equal(pthread_join(threads[i], &ended), 0);
        assert_ptr_equal(ended, bench);
    }
    assert_int_equal(qr_read_wait(bench->lone.engine, NULL, NULL), QR_ERR_STOPPED);
}

/* A struct as this version has it, and as others do. */
struct known {
    size_t size_bytes;
    uint32_t first;
    uint32_t second;
    uint32_t added;
};

struct later {
    struct known known;
    uint32_t unknown;
    uint32_t more;
};

static const struct sized sized_known = {sizeof(struct known), offsetof(struct known, added)};

static void what_an_earlier_program_gives_lacks_what_came_later(void **state)
{
    const struct known given = {offsetof(struct known, added), 1, 2, 77};
    struct known read = {0, 9, 9, 9};
    (void)state;
    assert_int_equal(sized_read(sized_known, &given, &read), 0);
    assert_int_equal(read.size_bytes, sizeof(read));
    assert_int_equal(read.second, 2);
    assert_int_equal(read.added, 0); /* not the 77, which is none of the program's */
}

static void what_a_later_program_gives_is_taken_if_it_is_understood(void **state)
{
    struct later given = {.known = {sizeof(given), 1, 2, 3}};
    struct known read = {.first = 9};
    (void)state;
    assert_int_equal(sized_read(sized_known, &given, &read), 0);
    assert_int_equal(read.added, 3);
    given.more = 1;
    read.first = 9;
    assert_int_equal(sized_read(sized_known, &given, &read), QR_ERR_VERSION);
    assert_int_equal(read.first, 9);
}

static void a_size_of_no_version_is_refused(void **state)
{
    static const size_t sizes[] = {0,
                                   1,
                                   sizeof(size_t),
                                   offsetof(struct known, added) - 1,
                                   sizeof(struct known) + SIZED_TAIL_BYTES_MAX + 1,
                                   SIZE_MAX};
    struct known read = {0};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct known given = {.size_bytes = sizes[i]};
        assert_int_equal(sized_read(sized_known, &given, &read), QR_ERR_INVALID);
        assert_int_equal(sized_check(sized_known, &given), QR_ERR_INVALID);
    }
    assert_int_equal(sized_read(sized_known, NULL, &read), QR_ERR_INVALID);
}

static void what_a_program_has_is_filled_as_far_as_it_goes(void **state)
{
    const struct known from = {sizeof(from), 1, 2, 3};
    struct known earlier = {offsetof(struct known, added), 9, 9, 9};
    struct later later = {{sizeof(later), 9, 9, 9}, 9, 9};
    (void)state;
    assert_int_equal(sized_check(sized_known, &earlier), 0);
    sized_write(sized_known, &from, &earlier);
    assert_int_equal(earlier.size_bytes, offsetof(struct known, added));
    assert_int_equal(earlier.second, 2);
    assert_int_equal(earlier.added, 9);
    assert_int_equal(sized_check(sized_known, &later), 0);
    sized_write(sized_known, &from, &later);
    assert_int_equal(later.known.size_bytes, sizeof(later));
    assert_int_equal(later.known.added, 3);
    assert_int_equal(later.unknown, 0);
    assert_int_equal(later.more, 0);
}

static void programs_of_other_versions_are_served(void **state)
{
    struct bench *bench = *state;
    static struct {
        struct qr_status status;
        uint64_t later;
    } status = {.later = 7};
    status.status.size_bytes = offsetof(struct qr_status, members);
    status.status.members[0].id = 77;
    assert_int_equal(qr_status(bench->lone.engine, &status.status), 0);
    assert_string_equal(status.status.name, "n1");
    assert_int_equal(status.status.members[0].id, 77);
    status.status.size_bytes = sizeof(status);
    assert_int_equal(qr_status(bench->lone.engine, &status.status), 0);
    assert_int_equal(status.status.member_count, 1);
    assert_true(status.status.members[0].id == status.status.node_id);
    assert_int_equal(status.later, 0);

    struct qr_counters counters = {.size_bytes = offsetof(struct qr_counters, proposals)};
    counters.proposals = 77;
    assert_int_equal(qr_counters(bench->lone.engine, &counters), 0);
    assert_int_equal(counters.proposals, 77);

    struct qr_proposal proposal = adding("\x05");
    proposal.size_bytes = offsetof(struct qr_proposal, is_guarded);
    assert_int_equal(qr_propose_wait(bench->lone.engine, &proposal, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_waits_gets_the_result_and_its_size, setup, teardown),
        cmocka_unit_test_setup_teardown(who_waits_for_what_is_refused_is_told_at_once, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_read_that_was_waited_for_sees_what_was_answered, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_change_that_was_waited_for_says_what_came_of_it, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(many_threads_wait_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(waiting_from_a_callback_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(who_waits_is_told_that_the_engine_stopped, setup, teardown),
        cmocka_unit_test_setup_teardown(who_wants_to_hear_of_roles_is_told_what_is_so, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(any_kind_of_handler_is_removed_by_its_token, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_members_are_told_into_the_callers_room, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(changes_of_one_member_need_its_name_alone, setup, teardown),
        cmocka_unit_test(what_an_earlier_program_gives_lacks_what_came_later),
        cmocka_unit_test(what_a_later_program_gives_is_taken_if_it_is_understood),
        cmocka_unit_test(a_size_of_no_version_is_refused),
        cmocka_unit_test(what_a_program_has_is_filled_as_far_as_it_goes),
        cmocka_unit_test_setup_teardown(programs_of_other_versions_are_served, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
