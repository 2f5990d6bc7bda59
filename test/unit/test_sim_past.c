/* test_sim_past.c: kept releases and today's code in one cluster, and one disk after another. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "quorate/error.h"
#include "sim/builds.h"
#include "sim/past/layout.h"
#include "support/build_rig.h"
#include "support/unit.h"

#define CHANGES_MAX 60 /* of leader, until a certain node leads */

/* Enough batches to fill more than one segment, more bytes than any node keeps in memory. */
#define PROPOSALS_OF_A_LONG_LOG 600

static int setup(void **state)
{
    struct build_rig *rig = malloc(sizeof(*rig));
    assert_non_null(rig);
    build_rig_init(rig);
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    build_rig_deinit(*state);
    free(*state);
    return 0;
}

/* An empty rig, where a case needs one more. */
static void begin_anew(struct build_rig *rig)
{
    build_rig_deinit(rig);
    build_rig_init(rig);
}

/* Whom a case is about: a release, and today's code, in turn as either side. */
struct pair {
    const struct build *one;
    const struct build *other;
};

static size_t pair_count(void)
{
    return 2 * build_release_count;
}

static struct pair pair_of(size_t number)
{
    const struct build *release = build_releases[number / 2];
    return number % 2 == 0 ? (struct pair){release, &build_today}
                           : (struct pair){&build_today, release};
}

/* Node 0 by one build, all others by the other, each joining through the one before. */
static void start_mixed(struct build_rig *rig, struct pair pair, int count)
{
    build_rig_start(rig, 0, pair.one, 0);
    build_rig_settle(rig, 1);
    for (int i = 1; i < count; i++) {
        build_rig_start(rig, i, pair.other, i - 1);
        build_rig_settle(rig, (size_t)i + 1);
    }
}

static void restart_by(struct build_rig *rig, int i, const struct build *build)
{
    build_rig_crash(rig, i);
    build_rig_start(rig, i, build, 0);
}

/* Take the leader down until it is a node of this build. */
static void let_lead(struct build_rig *rig, const struct build *build, size_t voter_count)
{
    for (int i = 0; i < CHANGES_MAX; i++) {
        int leader = build_rig_leader(rig);
        const struct build *leading = rig->nodes[leader].build;
        if (leading == build) {
            return;
        }
        build_rig_crash(rig, leader);
        build_rig_settle(rig, voter_count - 1);
        build_rig_start(rig, leader, leading, 0);
        build_rig_settle(rig, voter_count);
    }
    fail_msg("no node of %s came to lead", build->version);
}

/* A write and a read at each node: where it does not lead, both go by the leader. */
static void serve_at_each(struct build_rig *rig, int count)
{
    for (int i = 0; i < count; i++) {
        build_rig_propose(rig, i);
        build_rig_read(rig, i);
    }
    build_rig_settle(rig, (size_t)count);
    for (int i = 0; i < count; i++) {
        assert_true(build_rig_status(rig, i).applied_index >= rig->acked_index);
    }
}

static void either_version_leads_the_other(void **state)
{
    struct build_rig *rig = *state;
    for (size_t i = 0; i < pair_count(); i++) {
        struct pair pair = pair_of(i);
        begin_anew(rig);
        start_mixed(rig, pair, 3);
        let_lead(rig, pair.one, 3);
        serve_at_each(rig, 3);
        let_lead(rig, pair.other, 3);
        serve_at_each(rig, 3);
    }
}

static void an_old_disk_is_opened_by_the_other_version_and_back_again(void **state)
{
    struct build_rig *rig = *state;
    for (size_t i = 0; i < pair_count(); i++) {
        struct pair pair = pair_of(i);
        const struct build *turns[] = {pair.one, pair.other, pair.one};
        begin_anew(rig);
        build_rig_start(rig, 0, pair.one, 0);
        build_rig_settle(rig, 1);
        uint64_t id = build_rig_status(rig, 0).id;
        for (size_t turn = 0; turn < COUNT_OF(turns); turn++) {
            restart_by(rig, 0, turns[turn]);
            build_rig_settle(rig, 1);
            assert_int_equal(build_rig_status(rig, 0).id, id);
            assert_true(build_rig_status(rig, 0).applied_index >= rig->acked_index);
            for (int k = 0; k < PROPOSALS_OF_A_LONG_LOG; k++) {
                build_rig_propose(rig, 0);
            }
            build_rig_read(rig, 0);
        }
    }
}

static void a_newcomer_gets_a_long_log_from_the_other_version(void **state)
{
    struct build_rig *rig = *state;
    for (size_t i = 0; i < pair_count(); i++) {
        struct pair pair = pair_of(i);
        begin_anew(rig);
        build_rig_start(rig, 0, pair.one, 0);
        build_rig_settle(rig, 1);
        for (int k = 0; k < PROPOSALS_OF_A_LONG_LOG; k++) {
            build_rig_propose(rig, 0);
        }
        build_rig_start(rig, 1, pair.other, 0);
        build_rig_settle(rig, 2);
        assert_true(build_rig_status(rig, 1).applied_index >= rig->acked_index);
        build_rig_propose(rig, 1);
        build_rig_read(rig, 1);
    }
}

/* A follower sends who wants to join to the leader: three versions of one conversation. */
static void a_newcomer_is_sent_on_by_a_follower_of_the_other_version(void **state)
{
    struct build_rig *rig = *state;
    for (size_t i = 0; i < pair_count(); i++) {
        struct pair pair = pair_of(i);
        begin_anew(rig);
        start_mixed(rig, pair, 3);
        let_lead(rig, pair.other, 3); /* node 0 follows */
        build_rig_start(rig, 3, pair.other, 0);
        build_rig_settle(rig, 4);
        serve_at_each(rig, 4);
    }
}

/* Node by node, with writes between: there and back. */
static void a_cluster_is_upgraded_and_downgraded_while_it_serves(void **state)
{
    struct build_rig *rig = *state;
    for (size_t i = 0; i < build_release_count; i++) {
        const struct build *turns[] = {&build_today, build_releases[i]};
        begin_anew(rig);
        start_mixed(rig, (struct pair){build_releases[i], build_releases[i]}, 3);
        serve_at_each(rig, 3);
        for (size_t turn = 0; turn < COUNT_OF(turns); turn++) {
            for (int k = 0; k < 3; k++) {
                build_rig_crash(rig, k);
                build_rig_propose(rig, (k + 1) % 3);
                build_rig_start(rig, k, turns[turn], 0);
                build_rig_settle(rig, 3);
                serve_at_each(rig, 3);
            }
        }
    }
}

/* 0.1.0 would apply a repeat again: nothing of the kind is taken before all are newer. */
static void a_token_is_refused_until_no_member_is_of_the_old_version(void **state)
{
    struct build_rig *rig = *state;
    struct pair pair = {&build_today, build_releases[0]};
    const uint64_t number = 900000;
    start_mixed(rig, pair, 3);
    let_lead(rig, &build_today, 3);
    assert_int_equal(build_rig_propose_once(rig, 0, number), QR_ERR_VERSION);
    let_lead(rig, build_releases[0], 3);
    assert_int_equal(build_rig_propose_once(rig, 0, number), QR_ERR_VERSION);
    restart_by(rig, 1, &build_today);
    build_rig_settle(rig, 3);
    assert_int_equal(build_rig_propose_once(rig, 0, number), QR_ERR_VERSION);
    serve_at_each(rig, 3);
    assert_int_equal(build_rig_applied_count(rig, number), 0);
    restart_by(rig, 2, &build_today);
    build_rig_settle(rig, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(build_rig_propose_once(rig, i, number), 0);
    }
    build_rig_settle(rig, 3);
    assert_int_equal(build_rig_applied_count(rig, number), 1);
}

static void what_crosses_untranslated_lies_alike_in_every_version(void **state)
{
    const size_t today[LAYOUT_COUNT] = LAYOUT_OF_TYPES;
    (void)state;
    assert_true(build_release_count > 0);
    for (size_t i = 0; i < build_release_count; i++) {
        assert_memory_equal(build_release_layouts[i], today, sizeof(today));
    }
}

static void each_version_has_a_name_and_code_of_its_own(void **state)
{
    (void)state;
    assert_string_equal(build_today.version, "today");
    for (size_t i = 0; i < build_release_count; i++) {
        assert_string_not_equal(build_releases[i]->version, build_today.version);
        assert_true(build_releases[i]->turn != build_today.turn);
        for (size_t k = 0; k < i; k++) {
            assert_string_not_equal(build_releases[i]->version, build_releases[k]->version);
            assert_true(build_releases[i]->turn != build_releases[k]->turn);
        }
    }
    assert_string_equal(build_releases[build_release_count - 1]->version, "0.1.0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(either_version_leads_the_other, setup, teardown),
        cmocka_unit_test_setup_teardown(an_old_disk_is_opened_by_the_other_version_and_back_again,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_newcomer_gets_a_long_log_from_the_other_version, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_newcomer_is_sent_on_by_a_follower_of_the_other_version,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_cluster_is_upgraded_and_downgraded_while_it_serves, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_token_is_refused_until_no_member_is_of_the_old_version,
                                        setup, teardown),
        cmocka_unit_test(what_crosses_untranslated_lies_alike_in_every_version),
        cmocka_unit_test(each_version_has_a_name_and_code_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
