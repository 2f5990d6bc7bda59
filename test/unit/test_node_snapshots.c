/* test_node_snapshots.c: clusters whose logs are compacted, and members that need a snapshot. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "quorate/error.h"
#include "support/node_rig.h"
#include "support/unit.h"

#define SETTLE_MS 20000
#define KEPT 40 /* log_entries_max */

static struct rig rig;

static struct node_status status_of(int i)
{
    struct node_status now;
    assert_non_null(rig.nodes[i].node);
    node_status(rig.nodes[i].node, &now);
    return now;
}

/* A cluster of so many voters. */
static void begin(int count)
{
    rig_init(&rig, count, 7);
    rig.log_entries_max = KEPT;
    for (int i = 0; i < count; i++) {
        rig_start(&rig, i);
    }
    assert_true(rig_settle(&rig, (size_t)count, SETTLE_MS));
}

static void end(void)
{
    rig_check(&rig);
    rig_deinit(&rig);
}

/* So many proposals, on whoever leads, one each millisecond. */
static void write_many(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        int leader = rig_leader(&rig);
        if (leader >= 0) {
            rig_propose(&rig, leader);
        }
        rig_step(&rig);
    }
}

static void cut_off(int i, bool is_cut)
{
    for (int j = 0; j < rig.count; j++) {
        if (i != j) {
            rig.is_cut[i][j] = is_cut;
            rig.is_cut[j][i] = is_cut;
        }
    }
}

static int follower(void)
{
    int leader = rig_leader(&rig);
    assert_true(leader >= 0);
    return (leader + 1) % rig.count;
}

/* Let time pass until a condition holds. */
static bool wait_for(bool (*holds)(int i), int i)
{
    for (unsigned passed = 0; passed < SETTLE_MS; passed++) {
        if (holds(i)) {
            return true;
        }
        rig_step(&rig);
    }
    return false;
}

/* A member is away for longer than it is waited for, until no log leads to it any more. */
static void leave_behind(int away, unsigned count)
{
    cut_off(away, true);
    rig_run(&rig, 4000);
    raft_index last = status_of(away).raft.last_index;
    write_many(count);
    for (int i = 0; i < rig.count; i++) {
        for (unsigned passed = 0; i != away && status_of(i).raft.first_index <= last + 1;
             passed++) {
            assert_true(passed < SETTLE_MS);
            rig_step(&rig);
        }
    }
    rig_run(&rig, 1000);
}

static void a_log_stays_as_short_as_it_is_told_to(void **state)
{
    (void)state;
    begin(3);
    write_many(1000);
    assert_true(rig_settle(&rig, 3, SETTLE_MS));
    rig_run(&rig, 1000);
    for (int i = 0; i < 3; i++) {
        struct node_status now = status_of(i);
        assert_in_range(now.raft.last_index - (now.raft.first_index - 1), KEPT / 2, KEPT);
        assert_true(now.snapshot_index >= now.raft.first_index);
        assert_true(now.snapshots_taken > 10);
        assert_int_equal(now.snapshots_installed, 0);
    }
    end();
}

static void without_a_limit_it_is_kept_whole(void **state)
{
    (void)state;
    rig_init(&rig, 1, 7);
    rig_start(&rig, 0);
    assert_true(rig_settle(&rig, 1, SETTLE_MS));
    write_many(300);
    rig_run(&rig, 100);
    assert_int_equal(status_of(0).raft.first_index, 1);
    assert_int_equal(status_of(0).snapshot_index, 0);
    end();
}

static void a_state_machine_without_snapshots_keeps_it_whole_too(void **state)
{
    (void)state;
    rig_init(&rig, 1, 7);
    rig.log_entries_max = KEPT;
    rig.is_without_machine = true;
    rig_start(&rig, 0);
    assert_true(rig_settle(&rig, 1, SETTLE_MS));
    write_many(300);
    rig_run(&rig, 100);
    assert_int_equal(status_of(0).raft.first_index, 1);
    assert_int_equal(node_snapshot(rig.nodes[0].node, 1, rig.time), QR_ERR_INVALID);
    end();
}

/* All that is before the log's beginning comes out of the snapshot: keys, members, log time. */
static void a_restart_goes_on_from_snapshot_and_log(void **state)
{
    (void)state;
    begin(3);
    for (int round = 0; round < 4; round++) {
        write_many(150);
        assert_true(rig_settle(&rig, 3, SETTLE_MS));
        for (int i = 0; i < 3; i++) {
            if (round % 2 == 0) {
                rig_stop(&rig, i);
            } else {
                rig_crash(&rig, i);
            }
        }
        for (int i = 0; i < 3; i++) {
            rig_start(&rig, i);
            assert_int_equal(rig.nodes[i].restore_count, 1);
            assert_true(status_of(i).raft.first_index > 1);
            assert_int_equal(node_configuration(rig.nodes[i].node)->count, 3);
        }
        assert_true(rig_settle(&rig, 3, SETTLE_MS));
    }
    end();
}

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

static void the_rate_is_kept_to(void **state)
{
    (void)state;
    begin(3);
    int away = follower();
    int leader = rig_leader(&rig);
    rig_stop(&rig, leader);
    rig.transfer_rate = 100000;
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

/* Who is heard of is given the log, however late it is; unless the log grows over its limit. */
static void what_a_live_member_needs_is_kept_up_to_the_limit_of_bytes(void **state)
{
    (void)state;
    for (int is_limited = 0; is_limited < 2; is_limited++) {
        rig_init(&rig, 3, 7);
        rig.log_entries_max = KEPT;
        rig.segment_bytes = UINT64_C(1) << 17;
        rig.payload_bytes = 1024;
        rig.log_bytes_max = is_limited == 1 ? 65536 : UINT64_C(1) << 30;
        for (int i = 0; i < 3; i++) {
            rig_start(&rig, i);
        }
        assert_true(rig_settle(&rig, 3, SETTLE_MS));
        int slow = follower();
        int leader = rig_leader(&rig);
        raft_index before = status_of(slow).raft.durable_index;
        rig.nodes[slow].stalled_until_ns = rig.time.now_ns + 2500 * NS_PER_MS; /* its disk */
        write_many(2000);
        assert_int_equal(rig_leader(&rig), leader);
        assert_true(status_of(leader).snapshot_index > before + 500);
        if (is_limited == 0) {
            assert_true(status_of(leader).raft.first_index <= before + 1);
        } else {
            assert_true(status_of(leader).raft.first_index > before + 500);
        }
        assert_true(rig_settle(&rig, 3, SETTLE_MS));
        assert_int_equal(status_of(slow).snapshots_installed > 0, is_limited == 1);
        end();
    }
}

static void one_is_taken_when_it_is_asked_for(void **state)
{
    (void)state;
    begin(1);
    rig_propose(&rig, 0);
    assert_true(rig_settle(&rig, 1, SETTLE_MS));
    raft_index last = status_of(0).raft.last_index;
    assert_int_equal(node_snapshot(rig.nodes[0].node, 5, rig.time), 0);
    assert_int_equal(rig.nodes[0].told_count, 0);
    rig_run(&rig, 100);
    assert_int_equal(rig.nodes[0].told_count, 1);
    assert_int_equal(rig.nodes[0].told_status, 0);
    assert_int_equal(rig.nodes[0].told_index, last);
    assert_int_equal(status_of(0).snapshot_index, last);
    /* Asked again, what is there will do. */
    assert_int_equal(node_snapshot(rig.nodes[0].node, 6, rig.time), 0);
    rig_run(&rig, 100);
    assert_int_equal(rig.nodes[0].told_count, 2);
    assert_int_equal(status_of(0).snapshots_taken, 1);
    end();
}

static void who_waits_for_one_is_told_when_it_fails_or_the_node_stops(void **state)
{
    (void)state;
    begin(1);
    rig.nodes[0].is_machine_broken = true;
    for (uint64_t i = 0; i < NODE_SNAPSHOT_WAITERS_MAX; i++) {
        assert_int_equal(node_snapshot(rig.nodes[0].node, i, rig.time), 0);
    }
    assert_int_equal(node_snapshot(rig.nodes[0].node, 99, rig.time), QR_ERR_BUSY);
    rig_run(&rig, 100);
    assert_int_equal(rig.nodes[0].told_count, NODE_SNAPSHOT_WAITERS_MAX);
    assert_int_equal(rig.nodes[0].told_status, QR_ERR_NO_MEMORY);
    rig.nodes[0].is_machine_broken = false;
    rig_run(&rig, 2000);
    assert_int_equal(node_snapshot(rig.nodes[0].node, 1, rig.time), 0);
    rig_stop(&rig, 0);
    assert_int_equal(rig.nodes[0].told_count, NODE_SNAPSHOT_WAITERS_MAX + 1);
    assert_int_equal(rig.nodes[0].told_status, QR_ERR_STOPPED);
    end();
}

/* The log goes only behind a snapshot that is durable; a disk without room ends nothing. */
static void on_a_full_disk_nothing_is_compacted_and_nothing_lost(void **state)
{
    (void)state;
    begin(1);
    write_many(15);
    rig.nodes[0].disk.room_bytes = 0;
    rig.snapshot_bytes = 3000;
    write_many(200);
    rig_run(&rig, 3000);
    assert_int_equal(status_of(0).snapshot_index, 0);
    assert_int_equal(status_of(0).raft.first_index, 1);
    rig.nodes[0].disk.room_bytes = UINT64_MAX;
    rig_run(&rig, 3000);
    assert_true(status_of(0).snapshot_index > 100);
    assert_true(status_of(0).raft.first_index > 1);
    end();
}

static struct disk_memory_file *newest_file(int i)
{
    struct disk_memory_file *found = NULL;
    for (size_t f = 0; f < rig.nodes[i].disk.file_count; f++) {
        struct disk_memory_file *file = &rig.nodes[i].disk.files[f];
        bool is_one =
            strncmp(file->name, "snapshot-", 9) == 0 && strstr(file->name, ".tmp") == NULL;
        if (is_one && (found == NULL || strcmp(file->name, found->name) > 0)) {
            found = file;
        }
    }
    return found;
}

static void stop_compacted(void)
{
    begin(1);
    write_many(300);
    rig_run(&rig, 200);
    rig_stop(&rig, 0);
    assert_non_null(newest_file(0));
}

static void a_log_whose_snapshot_is_gone_is_refused(void **state)
{
    (void)state;
    stop_compacted();
    disk_memory_remove(&rig.nodes[0].disk, newest_file(0)->name);
    assert_int_equal(rig_open(&rig, 0), QR_ERR_CORRUPT);
    assert_non_null(strstr(rig.nodes[0].detail, "missing or damaged"));
    rig_deinit(&rig);
}

static void a_damaged_snapshot_is_refused_wherever_it_is(void **state)
{
    (void)state;
    stop_compacted();
    struct disk_memory_file *file = newest_file(0);
    char name[DISK_NAME_BYTES_MAX];
    memcpy(name, file->name, sizeof(name));
    for (uint64_t at = 0; at < file->size_bytes; at += 7) {
        disk_memory_flip(&rig.nodes[0].disk, name, at, at % 8);
        int status = rig_open(&rig, 0);
        if (status == 0) {
            /* Padding between sectors is nobody's. */
            rig_stop(&rig, 0);
        } else if (status != QR_ERR_CORRUPT && status != QR_ERR_VERSION) {
            fail_msg("byte %llu: %d", (unsigned long long)at, status);
        } else {
            assert_non_null(strstr(rig.nodes[0].detail, "snapshot"));
        }
        disk_memory_flip(&rig.nodes[0].disk, name, at, at % 8);
    }
    assert_int_equal(rig_open(&rig, 0), 0);
    end();
}

static void a_snapshot_for_a_state_machine_without_any_is_refused(void **state)
{
    (void)state;
    stop_compacted();
    rig.is_without_machine = true;
    assert_int_equal(rig_open(&rig, 0), QR_ERR_INVALID);
    assert_non_null(strstr(rig.nodes[0].detail, "takes none over"));
    rig.is_without_machine = false;
    assert_int_equal(rig_open(&rig, 0), 0);
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

static bool is_restoring(int i)
{
    return status_of(i).is_restoring;
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
    for (uint64_t seed = 1; seed <= 6; seed++) {
        rig_init(&rig, 3, seed);
        uint64_t first = propose_and_leave();
        for (uint64_t number = first; number < first + 10; number++) {
            assert_int_not_equal(rig.outcomes[number], RIG_WAITS);
        }
        end();
    }
}

/* One that is durable by itself is given no entry twice, and no state that is behind its own. The
 * rig asserts that indexes ascend over all its lives.
 */
static void a_durable_state_machine_is_given_nothing_twice(void **state)
{
    (void)state;
    rig_init(&rig, 3, 7);
    rig.log_entries_max = KEPT;
    rig.is_durable = true;
    for (int i = 0; i < 3; i++) {
        rig_start(&rig, i);
    }
    assert_true(rig_settle(&rig, 3, SETTLE_MS));
    for (int round = 0; round < 6; round++) {
        write_many(37);
        int one = round % 3;
        if (round % 2 == 0) {
            assert_true(rig_settle(&rig, 3, SETTLE_MS));
        }
        rig_crash(&rig, one);
        write_many(20);
        rig_start(&rig, one);
        assert_int_equal(rig.nodes[one].restore_count, 0);
        assert_true(rig_settle(&rig, 3, SETTLE_MS));
    }
    int away = follower();
    leave_behind(away, 200);
    cut_off(away, false);
    assert_true(rig_settle(&rig, 3, SETTLE_MS));
    assert_int_equal(rig.nodes[away].restore_count, 1);
    end();
}

static void one_that_is_ahead_of_its_log_is_refused(void **state)
{
    (void)state;
    rig_init(&rig, 1, 7);
    rig.is_durable = true;
    rig_start(&rig, 0);
    assert_true(rig_settle(&rig, 1, SETTLE_MS));
    write_many(10);
    rig_run(&rig, 100);
    rig_stop(&rig, 0);
    rig.nodes[0].applied_index += 100;
    assert_int_equal(rig_open(&rig, 0), QR_ERR_CORRUPT);
    assert_non_null(strstr(rig.nodes[0].detail, "has applied more"));
    rig_deinit(&rig);
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
        cmocka_unit_test(a_log_stays_as_short_as_it_is_told_to),
        cmocka_unit_test(without_a_limit_it_is_kept_whole),
        cmocka_unit_test(a_state_machine_without_snapshots_keeps_it_whole_too),
        cmocka_unit_test(a_restart_goes_on_from_snapshot_and_log),
        cmocka_unit_test(a_member_that_was_away_too_long_gets_a_snapshot),
        cmocka_unit_test(a_newcomer_joins_a_cluster_whose_log_begins_late),
        cmocka_unit_test(a_transfer_that_was_cut_goes_on_where_it_was),
        cmocka_unit_test(a_leader_change_in_the_middle_begins_anew),
        cmocka_unit_test(lost_and_late_pieces_are_sent_again),
        cmocka_unit_test(the_rate_is_kept_to),
        cmocka_unit_test(what_a_live_member_needs_is_kept_up_to_the_limit_of_bytes),
        cmocka_unit_test(one_is_taken_when_it_is_asked_for),
        cmocka_unit_test(who_waits_for_one_is_told_when_it_fails_or_the_node_stops),
        cmocka_unit_test(on_a_full_disk_nothing_is_compacted_and_nothing_lost),
        cmocka_unit_test(a_log_whose_snapshot_is_gone_is_refused),
        cmocka_unit_test(a_damaged_snapshot_is_refused_wherever_it_is),
        cmocka_unit_test(a_snapshot_for_a_state_machine_without_any_is_refused),
        cmocka_unit_test(a_failed_install_does_not_stand_in_the_way_of_the_next),
        cmocka_unit_test(no_read_is_answered_while_one_is_taken_over),
        cmocka_unit_test(a_proposal_that_may_be_in_it_is_not_sent_again),
        cmocka_unit_test(a_durable_state_machine_is_given_nothing_twice),
        cmocka_unit_test(one_that_is_ahead_of_its_log_is_refused),
        cmocka_unit_test(a_proposal_under_a_token_is_answered_out_of_it),
        cmocka_unit_test(a_repeat_of_what_is_in_it_gets_the_first_answer),
        cmocka_unit_test(whenever_a_follower_crashes_in_the_middle_it_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
