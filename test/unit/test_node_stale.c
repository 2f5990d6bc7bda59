/* test_node_stale.c: reads without asking, and that they are never older than is said. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "quorate/error.h"
#include "support/node_rig.h"
#include "support/node_solo.h"
#include "support/unit.h"

#define HEARTBEAT_MS 50
#define BY_ROUND (UINT64_C(1) << 62)

static void answer(struct solo *solo, uint64_t request, raft_index index)
{
    struct wire_message message = {
        .type = WIRE_READ_RESPONSE,
        .read_response = {.from = 2, .request = request, .index = index}};
    solo_receive(solo, 2, &message);
    solo_work(solo);
}

static time_ns age_of(struct solo *solo)
{
    time_ns age_ns = 0;
    assert_int_equal(node_read_stale(solo->node, TIME_NEVER, solo->time, &age_ns), 0);
    return age_ns;
}

static void nothing_is_known_before_the_first_answer(void **state)
{
    (void)state;
    struct solo solo;
    time_ns age_ns = 7;
    solo_begin(&solo);
    /* That a leader is heard is no proof: it may have been on its way for long. */
    solo_hear(&solo, 2, 1);
    assert_true(age_of(&solo) == TIME_NEVER);
    assert_int_equal(node_read_stale(solo.node, TIME_NEVER - 1, solo.time, &age_ns), QR_ERR_STALE);
    assert_int_equal(age_ns, 7);
    solo_deinit(&solo);
}

static void the_age_counts_from_the_question_and_not_from_the_answer(void **state)
{
    (void)state;
    struct solo solo;
    time_ns age_ns = 0;
    solo_begin(&solo);
    (void)age_of(&solo);
    solo_turn(&solo);
    assert_int_equal(solo_count(&solo, WIRE_READ), 1);
    solo_run(&solo, 20);
    answer(&solo, solo_question(&solo), 1);
    assert_int_equal(age_of(&solo), 20 * NS_PER_MS);
    assert_int_equal(node_read_stale(solo.node, 20 * NS_PER_MS, solo.time, &age_ns), 0);
    assert_int_equal(node_read_stale(solo.node, 20 * NS_PER_MS - 1, solo.time, &age_ns),
                     QR_ERR_STALE);
    solo_deinit(&solo);
}

static void an_answer_counts_only_once_it_is_applied(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    (void)age_of(&solo);
    solo_turn(&solo);
    answer(&solo, solo_question(&solo), 2);
    assert_true(age_of(&solo) == TIME_NEVER);
    solo_append(&solo, (struct solo_append){.from = 2,
                                            .term = 1,
                                            .prev = {1, 1},
                                            .commit = 2,
                                            .round = 2,
                                            .entry_term = 1,
                                            .first_number = 0,
                                            .count = 1});
    solo_work(&solo);
    assert_true(age_of(&solo) != TIME_NEVER);
    solo_deinit(&solo);
}

static void while_stale_reads_are_made_it_is_asked_with_every_heartbeat(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    solo_run(&solo, 200);
    assert_int_equal(solo_count(&solo, WIRE_READ), 0); /* nobody wants to know */
    (void)age_of(&solo);
    for (unsigned i = 0; i < 10; i++) {
        solo_hear(&solo, 2, 1);
        solo_turn(&solo);
        assert_int_equal(solo_count(&solo, WIRE_READ), i + 1);
        answer(&solo, solo_question(&solo), 1);
        solo_run(&solo, HEARTBEAT_MS);
    }
    solo_deinit(&solo);
}

static void with_an_interval_it_is_asked_without_any_read(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    solo_stop(&solo);
    solo.options.fresh_interval_ns = 100 * NS_PER_MS;
    solo_start(&solo);
    solo_forget(&solo);
    solo_hear(&solo, 2, 1);
    assert_int_equal(solo_count(&solo, WIRE_READ), 1);
    answer(&solo, solo_question(&solo), 1);
    solo_run(&solo, 90);
    solo_hear(&solo, 2, 1);
    assert_int_equal(solo_count(&solo, WIRE_READ), 1);
    solo_run(&solo, 20);
    assert_int_equal(solo_count(&solo, WIRE_READ), 2);
    solo_deinit(&solo);
}

static void an_ordinary_read_tells_the_age_too(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    assert_int_equal(solo_read(&solo, 1), 0);
    solo_turn(&solo);
    answer(&solo, solo_question(&solo), 1);
    assert_int_equal(age_of(&solo), 0);
    solo_deinit(&solo);
}

static void a_restart_forgets_it_and_a_stopped_node_answers_nothing(void **state)
{
    (void)state;
    struct solo solo;
    time_ns age_ns = 0;
    solo_begin(&solo);
    assert_int_equal(solo_read(&solo, 1), 0);
    solo_turn(&solo);
    answer(&solo, solo_question(&solo), 1);
    solo_stop(&solo);
    solo_start(&solo);
    assert_true(age_of(&solo) == TIME_NEVER);
    node_stop(solo.node);
    assert_int_equal(node_read_stale(solo.node, TIME_NEVER, solo.time, &age_ns), QR_ERR_STOPPED);
    solo_deinit(&solo);
}

static void in_no_cluster_there_is_nothing_to_read(void **state)
{
    (void)state;
    struct solo solo;
    time_ns age_ns = 0;
    solo_init(&solo);
    solo.options.join = "a2";
    solo_start(&solo);
    assert_int_equal(node_read_stale(solo.node, TIME_NEVER, solo.time, &age_ns), QR_ERR_NO_LEADER);
    solo_deinit(&solo);
}

static void a_read_by_round_says_so_to_the_leader(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    assert_int_equal(solo_read(&solo, 1), 0);
    solo_turn(&solo);
    assert_int_equal(solo_question(&solo) & BY_ROUND, 0);
    answer(&solo, solo_question(&solo), 1);
    assert_int_equal(solo_read(&solo, 2), 0);
    assert_int_equal(node_read_by_round(solo.node, 3, solo.time), 0); /* joins the one before */
    solo_turn(&solo);
    assert_int_equal(solo_count(&solo, WIRE_READ), 2);
    assert_true((solo_question(&solo) & BY_ROUND) != 0);
    answer(&solo, solo_question(&solo), 1);
    assert_int_equal(solo.reads[2].count, 1);
    assert_int_equal(solo.reads[3].count, 1);
    solo_deinit(&solo);
}

static void ask_as_member(struct solo *solo, uint64_t request)
{
    struct wire_message message = {.type = WIRE_READ, .read = {.from = 3, .request = request}};
    solo_receive(solo, 3, &message);
    solo_work(solo);
}

/* A leader with a lease answers by it, but for who asks for a round, here or elsewhere. */
static void a_lease_answers_no_read_by_round(void **state)
{
    (void)state;
    struct solo solo;
    solo_begin(&solo);
    solo_stop(&solo);
    solo.options.lease_ns = raft_lease_ns_max(solo.options.election_timeout_min_ns);
    solo_start(&solo);
    solo_lead(&solo);
    raft_index last = solo_status(&solo).raft.last_index;
    solo_acknowledge(&solo, 2, last);
    solo_acknowledge(&solo, 3, last);
    solo_work(&solo);
    solo_forget(&solo);
    ask_as_member(&solo, 5);
    assert_int_equal(solo_count(&solo, WIRE_READ_RESPONSE), 1);
    ask_as_member(&solo, 6 | BY_ROUND);
    assert_int_equal(solo_read(&solo, 1), 0);
    solo_turn(&solo);
    assert_int_equal(node_read_by_round(solo.node, 2, solo.time), 0);
    solo_work(&solo);
    assert_int_equal(solo_count(&solo, WIRE_READ_RESPONSE), 1);
    assert_int_equal(solo.reads[1].count, 1);
    assert_int_equal(solo.reads[2].count, 0);
    solo_acknowledge(&solo, 2, last);
    solo_acknowledge(&solo, 3, last);
    solo_work(&solo);
    assert_int_equal(solo_count(&solo, WIRE_READ_RESPONSE), 2);
    assert_int_equal(solo.reads[2].count, 1);
    solo_deinit(&solo);
}

#define CHAOS_MS 20000

/* What was acknowledged anywhere by the end of each millisecond. */
struct history {
    struct rig rig;
    time_ns began_ns;
    uint64_t acked[CHAOS_MS + 1];
    uint64_t known_count;
};

static void judge(struct history *history, int i, unsigned now_ms)
{
    struct rig_node *self = &history->rig.nodes[i];
    time_ns age_ns = 0;
    if (self->node == NULL ||
        node_read_stale(self->node, TIME_NEVER, history->rig.time, &age_ns) != 0 ||
        age_ns == TIME_NEVER) {
        return;
    }
    time_ns since_ns = history->rig.time.now_ns - age_ns;
    assert_true(since_ns >= history->began_ns);
    uint64_t since_ms = (since_ns - history->began_ns) / NS_PER_MS;
    assert_true(since_ms <= now_ms);
    assert_true(self->applied_index >= (since_ms == 0 ? 0 : history->acked[since_ms - 1]));
    history->known_count++;
}

static void disturb(struct rig *rig, unsigned now_ms)
{
    int i = (int)prng_between(&rig->prng, 0, (uint64_t)rig->count - 1);
    int k = (int)prng_between(&rig->prng, 0, (uint64_t)rig->count - 1);
    switch (prng_between(&rig->prng, 0, 4)) {
    case 0:
        rig->is_cut[i][k] = !rig->is_cut[i][k] && i != k;
        break;
    case 1:
        memset(rig->is_cut, 0, sizeof(rig->is_cut));
        break;
    case 2:
        rig->nodes[i].paused_until_ns = rig->time.now_ns + 400 * NS_PER_MS;
        break;
    case 3:
        rig->nodes[i].stalled_until_ns = rig->time.now_ns + 200 * NS_PER_MS;
        break;
    default:
        if (now_ms > 2000 && rig->nodes[i].node != NULL) {
            rig_crash(rig, i);
            rig_start(rig, i);
        }
        break;
    }
}

static void nothing_that_is_read_is_older_than_its_age(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct history *history = calloc(1, sizeof(*history));
        assert_non_null(history);
        struct rig *rig = &history->rig;
        rig_init(rig, 3, seed);
        rig->loss_percent = 2;
        rig->late_percent = 10; /* an old message proves nothing */
        for (int i = 0; i < 3; i++) {
            rig_start(rig, i);
        }
        history->began_ns = rig->time.now_ns;
        for (unsigned now_ms = 0; now_ms < CHAOS_MS; now_ms++) {
            if (now_ms % 4 == 0) {
                rig_propose(rig, (int)prng_between(&rig->prng, 0, 2));
            }
            if (now_ms > 1000 && prng_between(&rig->prng, 0, 199) == 0) {
                disturb(rig, now_ms);
            }
            rig_step(rig);
            history->acked[now_ms] = rig->acked_index;
            for (int i = 0; i < 3; i++) {
                judge(history, i, now_ms + 1);
            }
        }
        assert_true(history->known_count > CHAOS_MS);
        assert_true(rig->done_count > 100);
        rig_deinit(rig);
        free(history);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_known_before_the_first_answer),
        cmocka_unit_test(the_age_counts_from_the_question_and_not_from_the_answer),
        cmocka_unit_test(an_answer_counts_only_once_it_is_applied),
        cmocka_unit_test(while_stale_reads_are_made_it_is_asked_with_every_heartbeat),
        cmocka_unit_test(with_an_interval_it_is_asked_without_any_read),
        cmocka_unit_test(an_ordinary_read_tells_the_age_too),
        cmocka_unit_test(a_restart_forgets_it_and_a_stopped_node_answers_nothing),
        cmocka_unit_test(in_no_cluster_there_is_nothing_to_read),
        cmocka_unit_test(a_read_by_round_says_so_to_the_leader),
        cmocka_unit_test(a_lease_answers_no_read_by_round),
        cmocka_unit_test(nothing_that_is_read_is_older_than_its_age),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
