/* test_engine_membership.c: what engines hear of each other by gossip, an observer among them. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/assert.h"
#include "quorate/engine.h"
#include "runtime/clock.h"
#include "support/tally.h"

#define NODES 3 /* two that vote, and an observer */
#define OBSERVER 2
#define WAIT_NS (60 * NS_PER_S)
#define EVENTS_MAX 64

struct heard {
    enum qr_membership_type type;
    char name[QR_NAME_BYTES_MAX];
    char reason[64];
    uint64_t term;
};

struct member {
    char directory[64];
    char address[32];
    char name[8];
    struct tally tally;
    struct qr_engine *engine;
    atomic_int stopped; /* how often */
    pthread_mutex_t mutex;
    struct heard events[EVENTS_MAX];
    size_t event_count;
    uint64_t token;
};

struct bench {
    struct member members[NODES];
    struct qr_status status;
};

static void pause_a_little(void)
{
    struct timespec wait = {.tv_nsec = 5000000};
    (void)nanosleep(&wait, NULL);
}

static void on_event(void *argument, const struct qr_membership_event *event)
{
    struct member *member = argument;
    ASSERT(event->size_bytes == sizeof(*event));
    ASSERT(event->time_ms > UINT64_C(1500000000000));
    pthread_mutex_lock(&member->mutex);
    ASSERT(member->event_count < EVENTS_MAX);
    struct heard *heard = &member->events[member->event_count++];
    heard->type = event->type;
    heard->term = event->term;
    (void)snprintf(heard->name, sizeof(heard->name), "%s", event->name);
    (void)snprintf(heard->reason, sizeof(heard->reason), "%s", event->reason);
    pthread_mutex_unlock(&member->mutex);
}

static void on_stopped(void *argument, int status, const char *reason)
{
    struct member *member = argument;
    ASSERT(status == 0 && reason != NULL);
    atomic_fetch_add(&member->stopped, 1);
}

static void open_member(struct bench *bench, size_t at)
{
    struct member *member = &bench->members[at];
    char detail[QR_ERROR_DETAIL_BYTES];
    struct qr_engine_options options = {
        .size_bytes = sizeof(options),
        .state_machine = &member->tally.machine,
        .name = member->name,
        .data_directory = member->directory,
        .peer_address = member->address,
        .client_address = "127.0.0.1:1",
        .is_bootstrap = at == 0,
        .is_observer = at == OBSERVER,
        .join = at == 0 ? NULL : bench->members[0].address,
        .limits = qr_limits_default(),
        .swim_profile = QR_SWIM_FAST,
        .on_stopped = on_stopped,
        .argument = member,
    };
    qr_limits_set_profile(&options.limits, QR_SWIM_FAST);
    options.limits.segment_bytes = UINT64_C(1) << 20;
    options.limits.max_message_bytes = UINT64_C(1) << 16;
    int status = qr_engine_open(&options, &member->engine, detail);
    if (status != 0) {
        print_message("%s\n", detail);
    }
    assert_int_equal(status, 0);
    assert_int_equal(qr_on_membership(member->engine, on_event, member, &member->token), 0);
}

static bool is_settled(struct bench *bench)
{
    for (size_t i = 0; i < NODES; i++) {
        struct qr_status *status = &bench->status;
        qr_status(bench->members[i].engine, status);
        size_t voters = 0;
        size_t alive = 0;
        for (size_t k = 0; k < status->member_count; k++) {
            voters += status->members[k].is_voter ? 1 : 0;
            alive += status->members[k].health == QR_ALIVE ? 1 : 0;
        }
        if (!status->has_leader || voters != NODES - 1 || alive != NODES) {
            return false;
        }
    }
    return true;
}

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    bench->status.size_bytes = sizeof(bench->status);
    for (size_t i = 0; i < NODES; i++) {
        struct member *member = &bench->members[i];
        temporary_directory(member->directory);
        free_address(member->address);
        (void)snprintf(member->name, sizeof(member->name), "n%zu", i + 1);
        tally_init(&member->tally);
        pthread_mutex_init(&member->mutex, NULL);
    }
    for (size_t i = 0; i < NODES; i++) {
        open_member(bench, i);
    }
    time_ns limit_ns = runtime_now_ns() + WAIT_NS;
    while (!is_settled(bench)) {
        assert_true(runtime_now_ns() < limit_ns);
        pause_a_little();
    }
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    for (size_t i = 0; i < NODES; i++) {
        struct member *member = &bench->members[i];
        qr_engine_free(member->engine);
        tally_deinit(&member->tally);
        temporary_directory_remove(member->directory);
        pthread_mutex_destroy(&member->mutex);
    }
    free(bench);
    return 0;
}

static bool has_heard(struct member *member, enum qr_membership_type type, const char *name,
                      struct heard *out)
{
    bool is_found = false;
    pthread_mutex_lock(&member->mutex);
    for (size_t i = 0; i < member->event_count; i++) {
        const struct heard *heard = &member->events[i];
        if (heard->type == type && strcmp(heard->name, name) == 0) {
            *out = *heard;
            is_found = true;
        }
    }
    pthread_mutex_unlock(&member->mutex);
    return is_found;
}

static void wait_to_hear(struct member *member, enum qr_membership_type type, const char *name,
                         struct heard *out)
{
    time_ns limit_ns = runtime_now_ns() + WAIT_NS;
    while (!has_heard(member, type, name, out)) {
        assert_true(runtime_now_ns() < limit_ns);
        pause_a_little();
    }
}

static size_t count_events(struct member *member)
{
    pthread_mutex_lock(&member->mutex);
    size_t count = member->event_count;
    pthread_mutex_unlock(&member->mutex);
    return count;
}

static struct member *find_leader(struct bench *bench)
{
    time_ns limit_ns = runtime_now_ns() + WAIT_NS;
    while (true) {
        for (size_t i = 0; i < NODES; i++) {
            struct member *member = &bench->members[i];
            if (member->engine != NULL && qr_is_leader(member->engine)) {
                return member;
            }
        }
        assert_true(runtime_now_ns() < limit_ns);
        pause_a_little();
    }
}

/* Until the observer has heard of the leader of today. On a loaded machine that changes. */
static struct member *wait_to_know(struct bench *bench, struct qr_leader *leader)
{
    time_ns limit_ns = runtime_now_ns() + WAIT_NS;
    while (true) {
        struct member *member = find_leader(bench);
        if (qr_leader(bench->members[OBSERVER].engine, leader) == 0 &&
            strcmp(leader->name, member->name) == 0) {
            return member;
        }
        assert_true(runtime_now_ns() < limit_ns);
        pause_a_little();
    }
}

/* A node that is late with its own timers says that it is not, until it has caught up. */
static void wait_to_be_healthy(struct member *member)
{
    time_ns limit_ns = runtime_now_ns() + WAIT_NS;
    while (!qr_is_healthy(member->engine)) {
        assert_true(runtime_now_ns() < limit_ns);
        pause_a_little();
    }
}

static void an_observer_knows_who_leads_and_is_in_no_configuration(void **state)
{
    struct bench *bench = *state;
    struct qr_leader leader = {.size_bytes = sizeof(leader)};
    struct member *voter = wait_to_know(bench, &leader);
    assert_true(leader.is_by_gossip);
    assert_true(leader.term > 0);
    assert_string_equal(leader.address, voter->address);
    assert_string_equal(leader.client_address, "127.0.0.1:1");
    qr_status(bench->members[OBSERVER].engine, &bench->status);
    assert_int_equal(bench->status.role, QR_OBSERVER);
    assert_false(bench->status.is_joining);
    assert_int_equal(bench->status.last_index, 0);

    qr_status(voter->engine, &bench->status);
    assert_int_equal(bench->status.member_count, NODES);
    for (size_t i = 0; i < NODES; i++) {
        const struct qr_member *member = &bench->status.members[i];
        assert_true(member->is_heard);
        assert_true(member->is_observer == (strcmp(member->name, "n3") == 0));
        assert_true(member->is_voter != member->is_observer);
    }
    wait_to_be_healthy(voter);
    wait_to_be_healthy(&bench->members[OBSERVER]);
    assert_int_equal(qr_leader(voter->engine, &leader), 0);
    assert_false(leader.is_by_gossip);
    assert_int_equal(qr_join(bench->members[OBSERVER].engine, voter->address, true),
                     QR_ERR_FOREIGN);
}

static void who_leaves_hands_over_tells_why_and_stops(void **state)
{
    struct bench *bench = *state;
    struct member *leaver = find_leader(bench);
    struct member *heir = &bench->members[leaver == &bench->members[0] ? 1 : 0];
    struct member *observer = &bench->members[OBSERVER];
    struct heard heard;
    assert_int_equal(qr_leave(leaver->engine, (enum qr_leave_reason)3), QR_ERR_INVALID);
    assert_int_equal(qr_leave(leaver->engine, QR_LEAVE_RESTART), 0);
    (void)qr_leave(leaver->engine, QR_LEAVE_SHUTDOWN); /* the first counts */
    wait_to_hear(observer, QR_MEMBER_LEFT, leaver->name, &heard);
    assert_string_equal(heard.reason, "it is being restarted");
    wait_to_hear(observer, QR_LEADER_CHANGED, heir->name, &heard);
    assert_true(heard.term > 1);
    assert_false(has_heard(observer, QR_MEMBER_DEAD, leaver->name, &heard));
    time_ns limit_ns = runtime_now_ns() + WAIT_NS;
    while (atomic_load(&leaver->stopped) == 0) {
        assert_true(runtime_now_ns() < limit_ns);
        pause_a_little();
    }
    struct qr_leader leader = {.size_bytes = sizeof(leader)};
    assert_int_equal(qr_leader(leaver->engine, &leader), QR_ERR_STOPPED);
    assert_int_equal(qr_leave(leaver->engine, QR_LEAVE_SHUTDOWN), QR_ERR_STOPPED);
    assert_int_equal(qr_on_membership(leaver->engine, on_event, leaver, &leaver->token),
                     QR_ERR_STOPPED);
    assert_false(qr_is_healthy(leaver->engine));
}

/* Handlers that meddle with handlers. */
struct meddler {
    struct qr_engine *engine;
    uint64_t token;
    uint64_t later_token;
    atomic_int count;
    atomic_int later_count;
};

static void on_later(void *argument, const struct qr_membership_event *event)
{
    struct meddler *meddler = argument;
    (void)event;
    atomic_fetch_add(&meddler->later_count, 1);
}

static void on_once(void *argument, const struct qr_membership_event *event)
{
    struct meddler *meddler = argument;
    struct qr_leader leader = {.size_bytes = sizeof(leader)};
    (void)event;
    atomic_fetch_add(&meddler->count, 1);
    (void)qr_leader(meddler->engine, &leader);
    qr_remove_membership(meddler->engine, meddler->token);
    int status = qr_on_membership(meddler->engine, on_later, meddler, &meddler->later_token);
    ASSERT(status == 0);
}

static void a_handler_may_remove_itself_and_add_another_for_the_next_event(void **state)
{
    struct bench *bench = *state;
    struct member *observer = &bench->members[OBSERVER];
    struct member *leader = find_leader(bench);
    struct meddler meddler = {.engine = observer->engine};
    struct heard heard;
    struct member *other = &bench->members[leader == &bench->members[0] ? 1 : 0];
    size_t before = count_events(observer);
    assert_int_equal(qr_on_membership(observer->engine, on_once, &meddler, &meddler.token), 0);
    assert_int_equal(qr_leave(leader->engine, QR_LEAVE_SHUTDOWN), 0);
    wait_to_hear(observer, QR_MEMBER_LEFT, leader->name, &heard);
    assert_int_equal(qr_leave(other->engine, QR_LEAVE_SHUTDOWN), 0);
    wait_to_hear(observer, QR_MEMBER_LEFT, other->name, &heard);
    qr_remove_membership(observer->engine, meddler.later_token);
    int later = atomic_load(&meddler.later_count);
    assert_int_equal(atomic_load(&meddler.count), 1);
    /* Of the events that came since, each but the first. */
    assert_true(later >= 1);
    assert_true((size_t)later <= count_events(observer) - before);
}

static void only_so_many_handlers_are_taken(void **state)
{
    struct bench *bench = *state;
    struct qr_engine *engine = bench->members[OBSERVER].engine;
    uint64_t tokens[QR_MEMBERSHIP_HANDLERS_MAX];
    struct meddler meddler = {.engine = engine};
    for (size_t i = 1; i < QR_MEMBERSHIP_HANDLERS_MAX; i++) { /* the bench has one already */
        assert_int_equal(qr_on_membership(engine, on_later, &meddler, &tokens[i]), 0);
    }
    assert_int_equal(qr_on_membership(engine, on_later, &meddler, &tokens[0]), QR_ERR_BUSY);
    qr_remove_membership(engine, tokens[1]);
    qr_remove_membership(engine, 0);
    assert_int_equal(qr_on_membership(engine, on_later, &meddler, &tokens[1]), 0);
    for (size_t i = 1; i < QR_MEMBERSHIP_HANDLERS_MAX; i++) {
        qr_remove_membership(engine, tokens[i]);
    }
}

static void names_of_what_is_none_are_question_marks(void **state)
{
    (void)state;
    assert_string_equal(qr_membership_type_name(QR_MEMBER_REFUTED), "refuted");
    assert_string_equal(qr_membership_type_name((enum qr_membership_type)7), "?");
    assert_string_equal(qr_leave_reason_name(QR_LEAVE_REMOVED), "removed");
    assert_string_equal(qr_leave_reason_name((enum qr_leave_reason)3), "?");
    assert_string_equal(qr_role_name(QR_OBSERVER), "observer");
    assert_string_equal(qr_swim_profile_name(QR_SWIM_FAST), "fast");
    assert_string_equal(qr_swim_profile_name((enum qr_swim_profile)2), "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_observer_knows_who_leads_and_is_in_no_configuration,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(who_leaves_hands_over_tells_why_and_stops, setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_handler_may_remove_itself_and_add_another_for_the_next_event, setup, teardown),
        cmocka_unit_test_setup_teardown(only_so_many_handlers_are_taken, setup, teardown),
        cmocka_unit_test(names_of_what_is_none_are_question_marks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
