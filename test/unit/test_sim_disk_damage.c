/* test_sim_disk_damage.c: damage that the disk calls eligible is noticed by the real log. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quorate/error.h"
#include "support/sim_disk_rig.h"
#include "support/sim_log.h"
#include "support/sweep.h"

#define LOGS 10000 /* a quarter of them under sanitizers */

struct tally {
    uint64_t damaged[SIM_DISK_DAMAGES];
    uint64_t refused;
    uint64_t unchanged;
    uint64_t crashes;
    uint64_t segments;
};

static struct sim_log *log_new(uint64_t seed)
{
    struct sim_log *log = malloc(sizeof(*log));
    assert_non_null(log);
    sim_log_init(log, seed);
    return log;
}

static void log_free(struct sim_log *log)
{
    assert_null(sim_disk_complaint(&log->disk));
    sim_log_deinit(log);
    free(log);
}

static void open_log(struct sim_log *log)
{
    bool is_kept = false;
    assert_int_equal(sim_log_open(log, &is_kept), 0);
    assert_true(is_kept);
}

static void go_down(struct sim_log *log, struct prng *prng)
{
    uint64_t how = prng_between(prng, 0, 2);
    if (how > 0) {
        sim_log_process_crash(log);
    }
    if (how < 2) {
        sim_disk_power_loss(&log->disk);
        sim_log_power_loss(log);
    }
}

/* A log with a life of appends, marks and crashes. Open. */
static void live(struct sim_log *log, struct prng *prng, struct tally *tally)
{
    open_log(log);
    uint64_t acts = prng_between(prng, 5, 150);
    uint64_t crash_one_of = prng_between(prng, 10, 60);
    for (uint64_t i = 0; i < acts && log->append_count < SIM_LOG_APPENDS_MAX - 1; i++) {
        sim_log_act(log, prng);
        if (prng_between(prng, 1, crash_one_of) == 1) {
            tally->crashes++;
            go_down(log, prng);
            open_log(log);
        }
    }
    struct wal_stats stats;
    wal_stats(log->wal, &stats);
    tally->segments += stats.segment_count;
}

static void damage_is_noticed_or_harmless(uint64_t seed, struct tally *tally)
{
    struct prng prng = prng_of(seed);
    struct sim_log *log = log_new(prng_next(&prng));
    live(log, &prng, tally);
    char what[3][SIM_DISK_TEXT_BYTES] = {"", "", ""};
    uint64_t count = prng_between(&prng, 1, 8) == 1 ? 3 : 1;
    bool is_damaged = false;
    for (uint64_t i = 0; i < count; i++) {
        enum sim_disk_damage kind = (enum sim_disk_damage)prng_between(&prng, 0, 2);
        bool is_done = sim_disk_damage(&log->disk, kind, what[i]);
        tally->damaged[kind] += is_done;
        is_damaged = is_damaged || is_done;
        if (prng_between(&prng, 0, 1) == 0) {
            sim_log_act(log, &prng);
        }
    }
    assert_int_equal(sim_disk_is_damaged(&log->disk), is_damaged);
    go_down(log, &prng);
    bool is_kept = false;
    int status = sim_log_open(log, &is_kept);
    bool is_right =
        is_damaged ? status == QR_ERR_CORRUPT || (status == 0 && is_kept) : status == 0 && is_kept;
    if (!is_right) {
        print_error("seed %llu: %s %s %s: status %d %s\n", (unsigned long long)seed, what[0],
                    what[1], what[2], status, status == 0 ? "" : log->detail);
    }
    assert_true(is_right);
    tally->refused += status == QR_ERR_CORRUPT;
    tally->unchanged += is_damaged && status == 0;
    log_free(log);
}

static void damage_of_ten_thousand_logs_is_never_a_silent_loss(void **state)
{
    (void)state;
    struct tally tally = {.refused = 0};
    uint64_t logs = sweep_sample_of(LOGS);
    for (uint64_t seed = 1; seed <= logs; seed++) {
        damage_is_noticed_or_harmless(seed, &tally);
    }
    print_message("flips %llu, zeroed %llu, misdirected %llu; refused %llu, harmless %llu; "
                  "crashes %llu, segments %llu\n",
                  (unsigned long long)tally.damaged[SIM_DISK_BIT_FLIP],
                  (unsigned long long)tally.damaged[SIM_DISK_SECTOR_ZEROED],
                  (unsigned long long)tally.damaged[SIM_DISK_MISDIRECTED],
                  (unsigned long long)tally.refused, (unsigned long long)tally.unchanged,
                  (unsigned long long)tally.crashes, (unsigned long long)tally.segments);
    for (size_t i = 0; i <= SIM_DISK_MISDIRECTED; i++) {
        assert_in_range(tally.damaged[i], logs / 10, logs);
    }
    assert_in_range(tally.refused, logs / 2, logs);
}

static struct sim_disk_rig *rig_new(uint64_t seed)
{
    struct sim_disk_rig *rig = malloc(sizeof(*rig));
    assert_non_null(rig);
    sim_disk_rig_init(rig, seed);
    return rig;
}

static void rig_free(struct sim_disk_rig *rig)
{
    sim_disk_rig_deinit(rig);
    free(rig);
}

static bool flips(struct sim_disk_rig *rig)
{
    char what[SIM_DISK_TEXT_BYTES];
    return sim_disk_damage(&rig->disk, SIM_DISK_BIT_FLIP, what);
}

static void only_what_was_reported_before_a_later_write_was_submitted_is_eligible(void **state)
{
    (void)state;
    struct sim_disk_rig *rig = rig_new(1);
    assert_false(flips(rig));
    assert_int_equal(sim_disk_rig_write_now(rig, 0, 1, 'a', true), 0);
    assert_false(flips(rig));
    (void)sim_disk_rig_write(rig, 1, 1, 'b', true);
    (void)sim_disk_rig_write(rig, 2, 1, 'c', true); /* knows of `a` only, like `b` */
    assert_false(flips(rig));
    assert_true(sim_disk_step(&rig->disk, BUILD_WRITE));
    assert_true(sim_disk_step(&rig->disk, BUILD_WRITE));
    char shown[32];
    assert_true(flips(rig));
    assert_string_equal(sim_disk_rig_show(rig, false, shown), "?bc0000000000000");
    assert_false(flips(rig)); /* never the same again: it could be undone */
    assert_int_equal(sim_disk_rig_write_now(rig, 3, 1, 'd', true), 0);
    assert_true(flips(rig));
    assert_true(flips(rig));
    assert_false(flips(rig));
    assert_string_equal(sim_disk_rig_show(rig, false, shown), "???d000000000000");
    rig_free(rig);
}

static void submit_waiting(struct build_op *op)
{
    (void)sim_disk_rig_write(op->context, 1, 1, 'b', true);
}

static void a_write_that_waited_for_its_segment_is_no_witness_of_what_came_meanwhile(void **state)
{
    (void)state;
    struct sim_disk_rig *rig = rig_new(2);
    struct build_op *prepare = sim_disk_rig_submit(rig, BUILD_PREPARE, "next", 1024);
    prepare->done = submit_waiting;
    assert_int_equal(sim_disk_rig_write_now(rig, 0, 1, 'a', true), 0);
    assert_true(sim_disk_step(&rig->disk, BUILD_PREPARE)); /* `b` was encoded before `a` was done */
    assert_true(sim_disk_step(&rig->disk, BUILD_WRITE));
    assert_false(flips(rig));
    assert_int_equal(sim_disk_rig_write_now(rig, 2, 1, 'c', true), 0);
    assert_true(flips(rig));
    rig_free(rig);
}

static void a_misdirected_write_is_found_elsewhere_and_leaves_what_was_before(void **state)
{
    (void)state;
    uint32_t marks = 0;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct sim_disk_rig *rig = rig_new(seed);
        assert_int_equal(sim_disk_rig_write_now(rig, 0, 2, 'a', true), 0);
        assert_int_equal(sim_disk_rig_write_now(rig, 2, 1, 'm', false), 0);
        assert_int_equal(sim_disk_rig_write_now(rig, 2, 2, 'b', true), 0);
        assert_int_equal(sim_disk_rig_write_now(rig, 4, 1, 'c', true), 0);
        assert_int_equal(sim_disk_rig_write_now(rig, 5, 1, 'd', true), 0);
        char what[SIM_DISK_TEXT_BYTES];
        assert_true(sim_disk_damage(&rig->disk, SIM_DISK_MISDIRECTED, what));
        char shown[32];
        (void)sim_disk_rig_show(rig, false, shown);
        static const char *const possible[] = {
            "00aacd", "00baad",                     /* `a` over `b`, or half of it and `c` */
            "bbm0cd",                               /* `b` over `a` */
            "cabb0d", "acbb0d", "aacb0d", "aabc0d", /* `c` over one of the others */
        };
        bool is_possible = false;
        for (size_t i = 0; i < COUNT_OF(possible); i++) {
            is_possible = is_possible || strncmp(shown, possible[i], 6) == 0;
        }
        if (!is_possible) {
            print_error("%s: %s\n", shown, what);
        }
        assert_true(is_possible);
        marks += shown[2] == 'm';
        assert_true(sim_disk_is_damaged(&rig->disk));
        rig_free(rig);
    }
    assert_in_range(marks, 10, 190);
}

static void a_zeroed_sector_was_not_zero_before(void **state)
{
    (void)state;
    struct sim_disk_rig *rig = rig_new(3);
    char what[SIM_DISK_TEXT_BYTES];
    char shown[32];
    assert_int_equal(sim_disk_rig_write_now(rig, 0, 3, 0, true), 0);
    assert_int_equal(sim_disk_rig_write_now(rig, 3, 1, 'b', true), 0);
    assert_false(sim_disk_damage(&rig->disk, SIM_DISK_SECTOR_ZEROED, what));
    assert_false(sim_disk_is_damaged(&rig->disk));
    assert_int_equal(sim_disk_rig_write_now(rig, 4, 1, 'c', true), 0);
    assert_true(sim_disk_damage(&rig->disk, SIM_DISK_SECTOR_ZEROED, what));
    assert_string_equal(sim_disk_rig_show(rig, false, shown), "0000c00000000000");
    assert_string_equal(what, "a sector zeroed in log, offset 1536");
    rig_free(rig);
}

static void the_identity_is_eligible_when_it_is_durable(void **state)
{
    (void)state;
    struct sim_disk_rig *rig = rig_new(4);
    void *disk = rig->calls->context;
    char what[SIM_DISK_TEXT_BYTES];
    assert_false(sim_disk_damage(&rig->disk, SIM_DISK_IDENTITY, what));
    assert_int_equal(rig->calls->write_file(disk, "tmp", "it is me", 8), 0);
    assert_int_equal(rig->calls->sync_file(disk, "tmp"), 0);
    assert_int_equal(rig->calls->rename_file(disk, "tmp", "identity"), 0);
    assert_false(sim_disk_damage(&rig->disk, SIM_DISK_IDENTITY, what));
    assert_int_equal(rig->calls->sync_names(disk), 0);
    assert_true(sim_disk_damage(&rig->disk, SIM_DISK_IDENTITY, what));
    assert_string_equal(what, "a bit flipped in identity, offset 0");
    char bytes[16] = "";
    size_t got = 0;
    assert_int_equal(
        rig->calls->read(disk, "identity", 0, (struct build_part){bytes, sizeof(bytes)}, &got), 0);
    assert_int_equal(got, 8);
    assert_string_not_equal(bytes, "it is me");
    assert_true(sim_disk_is_damaged(&rig->disk));
    assert_int_equal(rig->calls->write_file(disk, "identity", "it is me", 8), 0);
    assert_int_equal(rig->calls->sync_file(disk, "identity"), 0);
    assert_false(sim_disk_is_damaged(&rig->disk));
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_was_reported_before_a_later_write_was_submitted_is_eligible),
        cmocka_unit_test(a_write_that_waited_for_its_segment_is_no_witness_of_what_came_meanwhile),
        cmocka_unit_test(a_misdirected_write_is_found_elsewhere_and_leaves_what_was_before),
        cmocka_unit_test(a_zeroed_sector_was_not_zero_before),
        cmocka_unit_test(the_identity_is_eligible_when_it_is_durable),
        cmocka_unit_test(damage_of_ten_thousand_logs_is_never_a_silent_loss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
