/* test_node_install.c: a member whose log ends too early is sent its leader's snapshot. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "support/sweep.h"
#include "unit/snapshot_cluster.h"

static void a_member_that_was_away_too_long_gets_a_snapshot(void **state)
{
    (void)state;
    begin(3);
    int away = follower();
    rig.snapshot_bytes = 20000;
    leave_behind(away, 300);
    cut_off(away, false);
    assert_true(rig_settle(&rig, 3, SETTLE_MS));
    assert_int_equal(status_of(away).snapshots_installed, 1);
    assert_int_equal(rig.nodes[away].restore_count, 1);
    assert_true(status_of(away).raft.first_index > 100);
    write_many(20);
    rig_crash(&rig, away);
    rig_start(&rig, away);
    assert_true(rig_settle(&rig, 3, SETTLE_MS));
    end();
}

static void a_newcomer_joins_a_cluster_whose_log_begins_late(void **state)
{
    (void)state;
    rig_init(&rig, 3, 11);
    rig.log_entries_max = KEPT;
    rig_start(&rig, 0);
    assert_true(rig_settle(&rig, 1, SETTLE_MS));
    write_many(300);
    rig_start(&rig, 1);
    assert_true(rig_settle(&rig, 2, SETTLE_MS));
    rig_start(&rig, 2);
    assert_true(rig_settle(&rig, 3, SETTLE_MS));
    assert_int_equal(status_of(1).snapshots_installed, 1);
    assert_int_equal(status_of(2).snapshots_installed, 1);
    assert_int_equal(node_configuration(rig.nodes[2].node)->count, 3);
    end();
}

static bool is_restoring(int i)
{
    return status_of(i).is_restoring;
}

/* The log begins anew in a segment of its own, and the disk has no room for it. */
static void a_snapshot_waits_for_room_for_the_log_behind_it(void **state)
{
    (void)state;
    rig_init(&rig, 2, 11);
    rig.log_entries_max = KEPT;
    rig_start(&rig, 0);
    assert_true(rig_settle(&rig, 1, SETTLE_MS));
    write_many(300);
    rig.nodes[1].disk.room_bytes = rig.segment_bytes + 65536;
    rig_start(&rig, 1);
    assert_true(wait_for(is_restoring, 1));
    rig_run(&rig, 5000);
    assert_false(status_of(1).is_stopped);
    assert_true(is_restoring(1));
    assert_int_equal(status_of(1).snapshots_installed, 0);
    rig.nodes[1].disk.room_bytes = UINT64_MAX;
    assert_true(rig_settle(&rig, 2, SETTLE_MS));
    assert_int_equal(status_of(1).snapshots_installed, 1);
    write_many(20);
    assert_true(rig_settle(&rig, 2, SETTLE_MS));
    end();
}

static void while_the_state_is_replaced_no_stale_read_is_served(void **state)
{
    (void)state;
    time_ns age_ns = 7;
    rig_init(&rig, 2, 11);
    rig.log_entries_max = KEPT;
    rig_start(&rig, 0);
    assert_true(rig_settle(&rig, 1, SETTLE_MS));
    write_many(300);
    rig.nodes[1].disk.room_bytes = rig.segment_bytes + 65536;
    rig_start(&rig, 1);
    assert_true(wait_for(is_restoring, 1));
    assert_int_equal(node_read_stale(rig.nodes[1].node, TIME_NEVER, rig.time, &age_ns),
                     QR_ERR_BUSY);
    assert_int_equal(age_ns, 7);
    rig.nodes[1].disk.room_bytes = UINT64_MAX;
    assert_true(rig_settle(&rig, 2, SETTLE_MS));
    assert_int_equal(node_read_stale(rig.nodes[1].node, TIME_NEVER, rig.time, &age_ns), 0);
    end();
}

static bool has_some(int i)
{
    return rig.nodes[i].disk.store_count > 40;
}

/* A connection that breaks costs what was on its way, not what came. */
static void a_transfer_that_was_cut_goes_on_where_it_was(void **state)
{
    (void)state;
    begin(3);
    int away = follower();
    int leader = rig_leader(&rig);
    rig.snapshot_bytes = 200000;
    rig.delay_ns_max = 0; /* as on a connection, no frame overtakes another */
    leave_behind(away, 200);
    rig.nodes[away].disk.store_count = 0;
    cut_off(away, false);
    assert_true(wait_for(has_some, away));
    uint64_t before = status_of(leader).snapshot_sent_bytes;
    for (int cut = 0; cut < 3; cut++) {
        cut_off(away, true);
        rig_run(&rig, 100);
        cut_off(away, false);
        rig_run(&rig, 700);
    }
    assert_true(rig_settle(&rig, 3, SETTLE_MS));
    assert_int_equal(rig_leader(&rig), leader);
    assert_int_equal(status_of(away).snapshots_installed, 1);
    uint64_t size_bytes = 200000;
    assert_true(before > 10000);
    assert_in_range(status_of(leader).snapshot_sent_bytes, size_bytes, size_bytes * 3 / 2);
    end();
}

/* Another leader's snapshot is another one, even at the same index: what came is given up. */
static void a_leader_change_in_the_middle_begins_anew(void **state)
{
    (void)state;
    begin(3);
    int away = follower();
    int leader = rig_leader(&rig);
    rig.snapshot_bytes = 200000;
    leave_behind(away, 200);
    rig.nodes[away].disk.store_count = 0;
    cut_off(away, false);
    assert_true(wait_for(has_some, away));
    rig_crash(&rig, leader);
    rig_run(&rig, 3000); /* of the two that are left the one with the log leads */
    write_many(100);
    rig_start(&rig, leader);
    assert_true(rig_settle(&rig, 3, SETTLE_MS));
    assert_true(status_of(away).snapshots_installed >= 1);
    assert_true(rig_leader(&rig) != leader || status_of(leader).snapshots_sent == 0);
    end();
}

static void lost_and_late_pieces_are_sent_again(void **state)
{
    (void)state;
    begin(3);
    int away = follower();
    rig.snapshot_bytes = 50000;
    leave_behind(away, 200);
    rig.loss_percent = 10;
    rig.repeat_percent = 20;
    rig.late_percent = 5;
    cut_off(away, false);
    assert_true(rig_settle(&rig, 3, 4 * SETTLE_MS));
    assert_true(status_of(away).snapshots_installed >= 1);
    end();
}

/* The leader is not let on before the disk keeps up: no piece comes that finds no place. */
static void to_a_slow_disk_nothing_is_sent_twice(void **state)
{
    (void)state;
    begin(3);
    int away = follower();
    int leader = rig_leader(&rig);
    rig.snapshot_bytes = 200000;
    rig.delay_ns_max = 0;
    leave_behind(away, 200);
    rig.nodes[away].disk.store_count = 0;
    cut_off(away, false);
    assert_true(wait_for(has_some, away));
    for (int stall = 0; stall < 20; stall++) { /* each shorter than the leader waits */
        rig.nodes[away].stalled_until_ns = rig.time.now_ns + 100 * NS_PER_MS;
        rig_run(&rig, 103);
    }
    assert_true(rig_settle(&rig, 3, SETTLE_MS));
    assert_int_equal(rig_leader(&rig), leader);
    assert_int_equal(status_of(away).snapshots_installed, 1);
    uint64_t size_bytes = status_of(leader).snapshot_size_bytes;
    assert_true(size_bytes > rig.snapshot_bytes);
    /* But for the first pieces, with which the leader asks. */
    assert_in_range(status_of(leader).snapshot_sent_bytes, size_bytes, size_bytes + 4 * 512);
    end();
}

/* Write now and then for so long. */
static void write_slowly(unsigned seconds)
{
    for (unsigned i = 0; i < seconds * 50; i++) {
        write_many(1);
        rig_run(&rig, 19);
    }
}

/* Half of a snapshot is there when the member's disk stands still. Returns who is sent it. */
static int begin_install_on_a_disk_that_hangs(unsigned hung_seconds)
{
    begin(3);
    int away = follower();
    rig.snapshot_bytes = 200000;
    rig.delay_ns_max = 0;
    leave_behind(away, 200);
    rig.nodes[away].disk.store_count = 0;
    cut_off(away, false);
    assert_true(wait_for(has_some, away));
    rig.nodes[away].stalled_until_ns = rig.time.now_ns + hung_seconds * NS_PER_S;
    return away;
}

/* It answers heartbeats all the while: what came counts, though there is a newer one by now. */
static void a_disk_that_hangs_costs_the_time_that_it_hangs(void **state)
{
    (void)state;
    int away = begin_install_on_a_disk_that_hangs(45);
    int leader = rig_leader(&rig);
    raft_index sent_index = status_of(leader).snapshot_index;
    uint64_t size_bytes = status_of(leader).snapshot_size_bytes;
    write_slowly(46);
    assert_true(status_of(leader).snapshot_index > sent_index);
    assert_true(rig_settle(&rig, 3, SETTLE_MS));
    assert_int_equal(rig_leader(&rig), leader);
    assert_int_equal(status_of(away).snapshots_installed, 1);
    assert_int_equal(status_of(leader).snapshots_sent, 1);
    /* A piece now and then, to ask; of a second snapshot there would be all. */
    assert_in_range(status_of(leader).snapshot_sent_bytes, size_bytes, size_bytes * 5 / 4);
    end();
}

/* How the last sending to a member ended; 0: it goes on, or is done. */
static int sending_status(int leader, int member)
{
    struct raft_peer_status peer;
    assert_true(node_peer_status(rig.nodes[leader].node, (node_id)member + 1, &peer));
    return peer.sending_status;
}

/* The leader keeps no log for it for longer than a slow disk may take. */
static void a_disk_that_hangs_for_good_is_not_waited_for(void **state)
{
    (void)state;
    int away = begin_install_on_a_disk_that_hangs(400);
    int leader = rig_leader(&rig);
    rig_run(&rig, 290 * 1000);
    assert_int_equal(sending_status(leader, away), 0);
    rig_run(&rig, 15 * 1000);
    assert_int_equal(sending_status(leader, away), QR_ERR_TIMEOUT);
    rig_run(&rig, 100 * 1000);
    assert_true(rig_settle(&rig, 3, SETTLE_MS));
    end();
}

static void the_rate_is_kept_to(void **state)
{
    (void)state;
    begin(3);
    int away = follower();
    int leader = rig_leader(&rig);
    rig_stop(&rig, leader);
    rig.sending_rate = 100000;
    rig.snapshot_bytes = 200000;
    rig_start(&rig, leader);
    for (int i = 0; i < 3; i++) { /* all of them, whoever leads */
        rig_stop(&rig, i);
        rig_start(&rig, i);
    }
    assert_true(rig_settle(&rig, 3, SETTLE_MS));
    away = follower();
    leave_behind(away, 200);
    cut_off(away, false);
    time_ns before_ns = rig.time.now_ns;
    assert_true(rig_settle(&rig, 3, SETTLE_MS));
    assert_int_equal(status_of(away).snapshots_installed, 1);
    assert_in_range((rig.time.now_ns - before_ns) / NS_PER_MS, 1700, 4000);
    end();
}

static bool is_applying(int i)
{
    return rig.nodes[i].held_count > 0;
}

static bool has_newer(int i)
{
    return status_of(i).snapshot_index > status_of(i).raft.applied_index;
}

/* One has a leader's snapshot, while its state machine is still busy with what came before. */
static int hold_before_taking_over(void)
{
    begin(3);
    int away = follower();
    write_many(100);
    assert_true(rig_settle(&rig, 3, SETTLE_MS));
    assert_true(status_of(away).snapshot_index > 0);
    rig.nodes[away].is_apply_held = true;
    write_many(1);
    assert_true(wait_for(is_applying, away));
    leave_behind(away, 200);
    cut_off(away, false);
    assert_true(wait_for(has_newer, away));
    return away;
}

/* It is nobody's state here yet: a backup of it would tell more than this node ever said. */
static void one_that_is_not_taken_over_is_never_backed_up(void **state)
{
    (void)state;
    static uint8_t head[512];
    size_t backup = 0;
    int away = hold_before_taking_over();
    struct rig_node *self = &rig.nodes[away];
    assert_int_equal(node_backup_open(self->node, 0, rig.time, &backup, head), QR_ERR_NOT_FOUND);
    rig_release_apply(&rig, away);
    assert_true(rig_settle(&rig, 3, SETTLE_MS));
    assert_int_equal(status_of(away).snapshots_installed, 1);
    assert_int_equal(node_backup_open(self->node, 0, rig.time, &backup, head), 0);
    node_backup_close(self->node, backup);
    end();
}

/* The first install fails; the node ends its part, and the next start takes the snapshot over. */
static void a_failed_install_does_not_stand_in_the_way_of_the_next(void **state)
{
    (void)state;
    begin(3);
    int away = follower();
    leave_behind(away, 300);
    rig.nodes[away].is_machine_broken = true;
    rig.nodes[away].may_fail = true;
    cut_off(away, false);
    for (unsigned i = 0; i < SETTLE_MS && !rig.nodes[away].is_failed; i++) {
        rig_step(&rig);
    }
    assert_true(rig.nodes[away].is_failed);
    assert_int_equal(rig.nodes[away].failed_status, QR_ERR_NO_MEMORY);
    rig_crash(&rig, away);
    assert_int_equal(rig_open(&rig, away), QR_ERR_NO_MEMORY);
    rig.nodes[away].is_machine_broken = false;
    rig_start(&rig, away);
    assert_int_equal(rig.nodes[away].restore_count, 1);
    assert_true(rig_settle(&rig, 3, SETTLE_MS));
    end();
}

/* A state machine that is half of one state and half of another answers nothing. */
static void no_read_is_answered_while_one_is_taken_over(void **state)
{
    (void)state;
    begin(3);
    int away = follower();
    rig.snapshot_bytes = 30000;
    leave_behind(away, 300);
    cut_off(away, false);
    rig.disk_percent = 10;
    assert_true(wait_for(is_restoring, away));
    uint64_t asked = 0;
    uint64_t done_before = rig.read_done_count;
    while (is_restoring(away)) {
        rig_read(&rig, away); /* each asserts, when it is done, that it is not */
        asked++;
        rig_step(&rig);
    }
    assert_true(asked > 10);
    assert_true(rig_settle(&rig, 3, SETTLE_MS));
    rig_run(&rig, 1000);
    assert_true(rig.read_done_count > done_before);
    end();
}

static int away_member;

/* A follower forwards ten proposals, and hears nothing until it gets a snapshot. Returns the
 * first.
 */
static uint64_t propose_and_leave(void)
{
    rig.log_entries_max = KEPT;
    for (int i = 0; i < 3; i++) {
        rig_start(&rig, i);
    }
    assert_true(rig_settle(&rig, 3, SETTLE_MS));
    away_member = follower();
    int leader = rig_leader(&rig);
    uint64_t first = rig.proposal_count;
    for (unsigned i = 0; i < 10; i++) {
        rig_propose(&rig, away_member);
    }
    rig_step(&rig);
    rig_step(&rig); /* they are sent */
    rig.nodes[away_member].paused_until_ns = rig.time.now_ns + 1200 * NS_PER_MS;
    cut_off(away_member, true); /* what is answered does not come */
    rig_run(&rig, 100);
    write_many(300);
    rig_crash(&rig, leader);
    rig_run(&rig, 100);
    rig_start(&rig, leader);
    rig_run(&rig, 600);
    cut_off(away_member, false);
    assert_true(rig_settle(&rig, 3, SETTLE_MS));
    rig_run(&rig, 3000);
    return first;
}

/* What was sent to a leader may be in the snapshot: whoever asked is told that nobody knows, and
 * it is not sent to the next leader. The rig asserts that nothing is applied twice.
 */
static void a_proposal_that_may_be_in_it_is_not_sent_again(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= sweep_sample_of(6); seed++) {
        rig_init(&rig, 3, seed);
        uint64_t first = propose_and_leave();
        for (uint64_t number = first; number < first + 10; number++) {
            assert_int_not_equal(rig.outcomes[number], RIG_WAITS);
        }
        end();
    }
}

static bool is_applied(uint64_t number)
{
    for (size_t i = 0; i < RIG_INDEX_MAX; i++) {
        if (rig.value_at[i] == number + 1) {
            return true;
        }
    }
    return false;
}

/* The same with tokens: the session table in the snapshot knows. */
static void a_proposal_under_a_token_is_answered_out_of_it(void **state)
{
    (void)state;
    size_t answered_count = 0;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        rig_init(&rig, 3, seed);
        rig.is_once = true;
        uint64_t first = propose_and_leave();
        bool is_installed = status_of(away_member).snapshots_installed > 0;
        for (uint64_t number = first; number < first + 10; number++) {
            assert_true(!is_applied(number) || rig.outcomes[number] == RIG_DONE);
            answered_count += is_applied(number) && is_installed ? 1 : 0;
        }
        end();
    }
    assert_true(answered_count > 0);
}

/* Whatever came to a node in a snapshot, or was in its own when it started again. */
static void a_repeat_of_what_is_in_it_gets_the_first_answer(void **state)
{
    (void)state;
    rig_init(&rig, 3, 1);
    rig.log_entries_max = KEPT;
    rig.is_once = true;
    for (int i = 0; i < 3; i++) {
        rig_start(&rig, i);
    }
    assert_true(rig_settle(&rig, 3, SETTLE_MS));
    write_many(20);
    int away = follower();
    leave_behind(away, 300);
    cut_off(away, false);
    assert_true(rig_settle(&rig, 3, SETTLE_MS));
    assert_int_equal(status_of(away).snapshots_installed, 1);
    for (int i = 0; i < 3; i++) {
        rig_crash(&rig, i);
        rig_start(&rig, i);
        assert_true(rig_settle(&rig, 3, SETTLE_MS));
    }
    uint64_t done_before = rig.done_count;
    for (uint64_t number = 0; number < 15; number++) {
        assert_true(is_applied(number));
        rig_repeat(&rig, (int)(number % 3), number);
    }
    rig_run(&rig, 500);
    for (uint64_t number = 0; number < 15; number++) {
        assert_int_equal(rig.outcomes[number], RIG_DONE);
    }
    assert_int_equal(rig.done_count, done_before + 15);
    assert_int_equal(status_of(0).sessions_digest, status_of(away).sessions_digest);
    end();
}

/* A member is away, and gets a snapshot; it crashes after so many of its disk's operations. */
static bool crash_after(uint64_t operations, uint64_t seed)
{
    rig_init(&rig, 3, seed);
    rig.log_entries_max = KEPT;
    rig.snapshot_bytes = 2000;
    for (int i = 0; i < 3; i++) {
        rig_start(&rig, i);
    }
    assert_true(rig_settle(&rig, 3, SETTLE_MS));
    int away = follower();
    leave_behind(away, 200);
    cut_off(away, false);
    uint64_t until = rig.nodes[away].disk.call_count + operations;
    bool is_settled = false;
    for (unsigned i = 0; i < SETTLE_MS && !is_settled; i++) {
        rig_step(&rig);
        is_settled = rig_is_settled(&rig, 3);
        if (rig.nodes[away].disk.call_count >= until) {
            break;
        }
    }
    rig_crash(&rig, away);
    write_many(20);
    rig_start(&rig, away);
    assert_true(rig_settle(&rig, 3, SETTLE_MS));
    end();
    return is_settled;
}

static void whenever_a_follower_crashes_in_the_middle_it_goes_on(void **state)
{
    (void)state;
    bool is_over = false;
    for (uint64_t operations = 1; operations < 100 && !is_over; operations++) {
        is_over = crash_after(operations, 7);
    }
    assert_true(is_over);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_member_that_was_away_too_long_gets_a_snapshot),
        cmocka_unit_test(a_newcomer_joins_a_cluster_whose_log_begins_late),
        cmocka_unit_test(a_snapshot_waits_for_room_for_the_log_behind_it),
        cmocka_unit_test(while_the_state_is_replaced_no_stale_read_is_served),
        cmocka_unit_test(a_transfer_that_was_cut_goes_on_where_it_was),
        cmocka_unit_test(a_leader_change_in_the_middle_begins_anew),
        cmocka_unit_test(lost_and_late_pieces_are_sent_again),
        cmocka_unit_test(to_a_slow_disk_nothing_is_sent_twice),
        cmocka_unit_test(a_disk_that_hangs_costs_the_time_that_it_hangs),
        cmocka_unit_test(a_disk_that_hangs_for_good_is_not_waited_for),
        cmocka_unit_test(the_rate_is_kept_to),
        cmocka_unit_test(one_that_is_not_taken_over_is_never_backed_up),
        cmocka_unit_test(a_failed_install_does_not_stand_in_the_way_of_the_next),
        cmocka_unit_test(no_read_is_answered_while_one_is_taken_over),
        cmocka_unit_test(a_proposal_that_may_be_in_it_is_not_sent_again),
        cmocka_unit_test(a_proposal_under_a_token_is_answered_out_of_it),
        cmocka_unit_test(a_repeat_of_what_is_in_it_gets_the_first_answer),
        cmocka_unit_test(whenever_a_follower_crashes_in_the_middle_it_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
