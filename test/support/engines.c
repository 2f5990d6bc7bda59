/* engines.c: a few engines in one process. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/engines.h"

#include <stdio.h>
#include <time.h>

#include "runtime/clock.h"
#include "support/unit.h"

#define WAIT_NS (60 * NS_PER_S)

void engines_init(struct engines *engines, engines_choose *choose, void *context)
{
    *engines = (struct engines){.choose = choose, .context = context};
    for (size_t i = 0; i < ENGINES; i++) {
        struct engines_member *member = &engines->members[i];
        (void)snprintf(member->name, sizeof(member->name), "n%zu", i + 1);
        temporary_directory(member->directory);
        free_address(member->address);
        tally_init(&member->tally);
        member->status.size_bytes = sizeof(member->status);
    }
}

void engines_deinit(struct engines *engines)
{
    for (size_t i = 0; i < ENGINES; i++) {
        struct engines_member *member = &engines->members[i];
        qr_engine_free(member->engine);
        tally_deinit(&member->tally);
        temporary_directory_remove(member->directory);
    }
}

int engines_try_open(struct engines *engines, size_t at)
{
    struct engines_member *member = &engines->members[at];
    struct qr_engine_options options = {
        .size_bytes = sizeof(options),
        .state_machine = &member->tally.machine,
        .name = member->name,
        .data_directory = member->directory,
        .peer_address = member->address,
        .is_bootstrap = at == 0,
        .join = at == 0 ? NULL : engines->members[0].address,
        .limits = qr_limits_default(),
        .loop = engines->loop,
    };
    if (engines->choose != NULL) {
        engines->choose(engines->context, at, &options);
    }
    return qr_engine_open(&options, &member->engine, member->detail);
}

void engines_open(struct engines *engines, size_t at)
{
    if (engines_try_open(engines, at) != 0) {
        fail_msg("%s: %s", engines->members[at].name, engines->members[at].detail);
    }
}

void engines_close(struct engines *engines, size_t at)
{
    struct engines_member *member = &engines->members[at];
    qr_engine_free(member->engine);
    member->engine = NULL;
    tally_deinit(&member->tally);
    tally_init(&member->tally);
}

void engines_restart(struct engines *engines, size_t at)
{
    engines_close(engines, at);
    engines_open(engines, at);
}

struct engines_member *engines_leader(struct engines *engines)
{
    for (size_t i = 0; i < ENGINES; i++) {
        struct engines_member *member = &engines->members[i];
        if (member->engine != NULL && qr_is_leader(member->engine)) {
            return member;
        }
    }
    return NULL;
}

size_t engines_count_voters(struct engines_member *member)
{
    struct qr_status *status = &member->status;
    size_t count = 0;
    assert_int_equal(qr_status(member->engine, status), 0);
    for (size_t i = 0; status->has_leader && i < status->member_count; i++) {
        count += status->members[i].is_voter ? 1 : 0;
    }
    return count;
}

void engines_wait_for_voters(struct engines *engines, size_t count)
{
    time_ns limit_ns = runtime_now_ns() + WAIT_NS;
    for (size_t i = 0; i < ENGINES; i++) {
        struct engines_member *member = &engines->members[i];
        while (member->engine != NULL && engines_count_voters(member) < count) {
            assert_true(runtime_now_ns() < limit_ns);
            engines_pause(engines);
        }
    }
}

void engines_open_others(struct engines *engines)
{
    for (size_t i = 1; i < ENGINES; i++) {
        engines_open(engines, i);
    }
    engines_wait_for_voters(engines, ENGINES);
}

void pause_a_little(void)
{
    const struct timespec wait = {.tv_nsec = 2000000};
    (void)nanosleep(&wait, NULL);
}

void engines_pause(struct engines *engines)
{
    if (engines->loop != NULL) {
        (void)uv_run(engines->loop, UV_RUN_ONCE);
    } else {
        pause_a_little();
    }
}
