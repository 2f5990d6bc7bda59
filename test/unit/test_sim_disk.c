/* test_sim_disk.c: what the simulator's disk keeps, loses, and says of it. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <stdlib.h>
#include <string.h>

#include "quorate/error.h"
#include "support/sim_disk_rig.h"

#define SEEDS 400
#define SECTORS SIM_DISK_RIG_SECTORS_MAX
#define SHOWN_BYTES (SECTORS + 8)

static struct sim_disk_rig *rig_new(uint64_t seed)
{
    struct sim_disk_rig *rig = malloc(sizeof(*rig));
    assert_non_null(rig);
    sim_disk_rig_init(rig, seed);
    return rig;
}

static void rig_free(struct sim_disk_rig *rig)
{
    assert_null(sim_disk_complaint(&rig->disk));
    sim_disk_rig_deinit(rig);
    free(rig);
}

static void lose_power(struct sim_disk_rig *rig)
{
    sim_disk_power_loss(&rig->disk);
    sim_disk_rig_mount(rig);
}

static void assert_shown(struct sim_disk_rig *rig, const char *expected)
{
    char shown[SHOWN_BYTES];
    assert_string_equal(sim_disk_rig_show(rig, false, shown), expected);
}

static void assert_durable(struct sim_disk_rig *rig, const char *expected)
{
    char shown[SHOWN_BYTES];
    assert_string_equal(sim_disk_rig_show(rig, true, shown), expected);
}

static void a_synced_write_survives_every_power_loss(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sim_disk_rig *rig = rig_new(seed);
        assert_int_equal(sim_disk_rig_write_now(rig, 0, 2, 'a', true), 0);
        assert_int_equal(sim_disk_rig_write_now(rig, 2, 3, 'b', true), 0);
        lose_power(rig);
        assert_shown(rig, "aabbb00000000000");
        rig_free(rig);
    }
}

static void a_sync_covers_its_own_sectors_only(void **state)
{
    (void)state;
    struct sim_disk_rig *rig = rig_new(1);
    assert_int_equal(sim_disk_rig_write_now(rig, 0, 2, 'a', false), 0);
    assert_int_equal(sim_disk_rig_write_now(rig, 1, 2, 'b', true), 0);
    assert_shown(rig, "abb0000000000000");
    assert_durable(rig, "0bb0000000000000");
    rig_free(rig);
}

static void of_unsynced_sectors_any_version_survives_or_a_torn_one(void **state)
{
    (void)state;
    uint32_t both = 0;
    uint32_t seen[256] = {0};
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sim_disk_rig *rig = rig_new(seed);
        assert_int_equal(sim_disk_rig_write_now(rig, 0, 2, 'a', false), 0);
        assert_int_equal(sim_disk_rig_write_now(rig, 0, 2, 'b', false), 0);
        assert_durable(rig, "0000000000000000");
        lose_power(rig);
        char shown[SHOWN_BYTES];
        (void)sim_disk_rig_show(rig, false, shown);
        assert_non_null(strchr("0ab?", shown[0]));
        assert_string_equal(shown + 2, "00000000000000");
        seen[(uint8_t)shown[0]]++;
        both += shown[0] != shown[1];
        rig_free(rig);
    }
    assert_in_range(seen['0'], SEEDS / 20, SEEDS);
    assert_in_range(seen['a'], SEEDS / 20, SEEDS);
    assert_in_range(seen['b'], SEEDS * 2 / 5, SEEDS); /* the newest as often as a single one */
    assert_in_range(seen['?'], SEEDS / 100, SEEDS);
    assert_in_range(both, SEEDS / 10, SEEDS);
}

static void a_torn_sector_begins_new_and_ends_old_or_is_garbage(void **state)
{
    (void)state;
    uint32_t torn = 0;
    uint32_t garbage = 0;
    for (uint64_t seed = 0; seed < 4 * SEEDS; seed++) {
        struct sim_disk_rig *rig = rig_new(seed);
        assert_int_equal(sim_disk_rig_write_now(rig, 0, 1, 'a', false), 0);
        lose_power(rig);
        uint8_t bytes[SIM_DISK_SECTOR_BYTES];
        size_t got = 0;
        assert_int_equal(rig->calls->read(rig->calls->context, "log", 0,
                                          (struct build_part){bytes, sizeof(bytes)}, &got),
                         0);
        size_t cut = 0;
        while (cut < sizeof(bytes) && bytes[cut] == 'a') {
            cut++;
        }
        size_t end = cut;
        while (end < sizeof(bytes) && bytes[end] == 0) {
            end++;
        }
        torn += cut > 0 && cut < sizeof(bytes) && end == sizeof(bytes);
        garbage += end < sizeof(bytes);
        rig_free(rig);
    }
    assert_in_range(torn, SEEDS / 20, SEEDS);
    assert_in_range(garbage, SEEDS / 100, SEEDS);
}

static void pending_writes_reach_the_kernel_as_a_prefix_when_the_process_ends(void **state)
{
    (void)state;
    uint32_t lengths[7] = {0};
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sim_disk_rig *rig = rig_new(seed);
        const struct build_op *op = sim_disk_rig_write(rig, 0, 2, 'a', true);
        (void)sim_disk_rig_write(rig, 2, 4, 'b', true);
        sim_disk_process_crash(&rig->disk);
        assert_durable(rig, "0000000000000000");
        assert_int_equal(op->status, SIM_DISK_RIG_PENDING);
        sim_disk_rig_mount(rig);
        char shown[SHOWN_BYTES];
        size_t length = strcspn(sim_disk_rig_show(rig, false, shown), "0");
        assert_in_range(length, 0, 6);
        lengths[length]++;
        static const char whole[] = "aabbbb0000000000";
        assert_memory_equal(shown, whole, length);
        assert_memory_equal(shown + length, "0000000000000000", SECTORS - length);
        lose_power(rig); /* mounted is synced */
        assert_shown(rig, shown);
        rig_free(rig);
    }
    for (size_t i = 0; i <= 6; i++) {
        assert_in_range(lengths[i], 1, SEEDS);
    }
}

static void pending_writes_survive_a_power_loss_in_any_subset(void **state)
{
    (void)state;
    uint32_t is_seen[16] = {0};
    for (uint64_t seed = 0; seed < 4 * SEEDS; seed++) {
        struct sim_disk_rig *rig = rig_new(seed);
        (void)sim_disk_rig_write(rig, 0, 2, 'a', true);
        (void)sim_disk_rig_write(rig, 2, 2, 'b', true);
        lose_power(rig);
        char shown[SHOWN_BYTES];
        (void)sim_disk_rig_show(rig, false, shown);
        size_t subset = 0;
        for (size_t i = 0; i < 4; i++) {
            subset |= (size_t)(shown[i] == (i < 2 ? 'a' : 'b')) << i;
        }
        is_seen[subset]++;
        rig_free(rig);
    }
    for (size_t i = 0; i < 16; i++) {
        assert_in_range(is_seen[i], 1, 4 * SEEDS);
    }
}

static void while_it_is_down_nothing_happens_and_everything_fails(void **state)
{
    (void)state;
    struct sim_disk_rig *rig = rig_new(3);
    sim_disk_process_crash(&rig->disk);
    char shown[SHOWN_BYTES];
    assert_string_equal(sim_disk_rig_show(rig, false, shown), "none");
    assert_int_equal(rig->calls->prepare(rig->calls->context, "new", 512), QR_ERR_IO);
    assert_int_equal(rig->calls->write_file(rig->calls->context, "new", "x", 1), QR_ERR_IO);
    assert_int_equal(sim_disk_rig_write_now(rig, 0, 1, 'a', true), QR_ERR_IO);
    sim_disk_rig_mount(rig);
    assert_shown(rig, "0000000000000000");
    assert_int_equal(sim_disk_rig_size(rig, "new"), -1);
    assert_int_equal(sim_disk_stats(&rig->disk)->writes_after_failure, 0);
    rig_free(rig);
}

static void what_is_pending_is_forgotten_by_a_mount(void **state)
{
    (void)state;
    struct sim_disk_rig *rig = rig_new(4);
    const struct build_op *op = sim_disk_rig_write(rig, 0, 1, 'a', true);
    sim_disk_power_loss(&rig->disk);
    sim_disk_rig_mount(rig);
    assert_false(sim_disk_step(&rig->disk, BUILD_WRITE));
    assert_int_equal(op->status, SIM_DISK_RIG_PENDING);
    rig_free(rig);
}

static void other_operations_pass_writes_as_the_caller_likes(void **state)
{
    (void)state;
    struct sim_disk_rig *rig = rig_new(5);
    enum build_op_kind first = BUILD_READ;
    assert_false(sim_disk_first_kind(&rig->disk, &first));
    const struct build_op *one = sim_disk_rig_write(rig, 0, 1, 'a', true);
    const struct build_op *two = sim_disk_rig_write(rig, 1, 1, 'b', true);
    const struct build_op *prepare = sim_disk_rig_submit(rig, BUILD_PREPARE, "next", 1024);
    const struct build_op *remove = sim_disk_rig_submit(rig, BUILD_REMOVE, "log", 0);
    assert_int_equal(sim_disk_pending_count(&rig->disk, BUILD_WRITE), 2);
    assert_true(sim_disk_first_kind(&rig->disk, &first));
    assert_int_equal(first, BUILD_WRITE);
    assert_true(sim_disk_step(&rig->disk, BUILD_PREPARE));
    assert_int_equal(prepare->status, 0);
    assert_int_equal(sim_disk_rig_size(rig, "next"), 1024);
    assert_true(sim_disk_step(&rig->disk, BUILD_WRITE));
    assert_int_equal(one->status, 0);
    assert_int_equal(two->status, SIM_DISK_RIG_PENDING);
    assert_true(sim_disk_step(&rig->disk, BUILD_WRITE));
    assert_true(sim_disk_first_kind(&rig->disk, &first));
    assert_int_equal(first, BUILD_REMOVE);
    assert_true(sim_disk_step(&rig->disk, BUILD_REMOVE));
    assert_int_equal(remove->status, 0);
    assert_int_equal(sim_disk_rig_size(rig, "log"), -1);
    rig_free(rig);
}

static void a_short_read_is_corrupt_and_a_whole_one_gives_what_is_there(void **state)
{
    (void)state;
    struct sim_disk_rig *rig = rig_new(6);
    assert_int_equal(sim_disk_rig_write_now(rig, 15, 1, 'z', true), 0);
    uint8_t bytes[700];
    struct build_part part = {bytes, sizeof(bytes)};
    struct build_op *op = sim_disk_rig_submit(rig, BUILD_READ, "log", 0);
    op->parts = &part;
    op->part_count = 1;
    op->offset = UINT64_C(15) * 512 - 188;
    assert_true(sim_disk_step(&rig->disk, BUILD_READ));
    assert_int_equal(op->status, 0);
    assert_int_equal(bytes[187], 0);
    assert_int_equal(bytes[188], 'z');
    assert_int_equal(bytes[699], 'z');
    op = sim_disk_rig_submit(rig, BUILD_READ, "log", 0);
    op->parts = &part;
    op->part_count = 1;
    op->offset = UINT64_C(15) * 512 - 187;
    assert_true(sim_disk_step(&rig->disk, BUILD_READ));
    assert_int_equal(op->status, QR_ERR_CORRUPT);
    rig_free(rig);
}

static void a_write_that_breaks_the_rules_is_refused_and_complained_of(void **state)
{
    (void)state;
    static const struct {
        const char *rule;
        const char *name;
        uint64_t offset;
        uint64_t size_bytes;
        const char *complaint;
    } rows[] = {
        {"beyond the end", "log", 15 * 512, 1024, "log, offset 7680: a write beyond the end"},
        {"far beyond", "log", 512 * 512, 512, "log, offset 262144: a write beyond the end"},
        {"not whole", "log", 0, 100, "log, offset 0: a write that is not of whole sectors"},
        {"not at one", "log", 8, 512, "log, offset 8: a write that is not of whole sectors"},
        {"no file", "gol", 0, 512, "gol, offset 0: a write to a file that is not there"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct sim_disk_rig *rig = rig_new(7);
        struct build_op *op = sim_disk_rig_write(rig, 0, 1, 'a', true);
        memcpy(op->name, rows[i].name, 4);
        op->offset = rows[i].offset;
        rig->ops[0].part.size_bytes = rows[i].size_bytes;
        assert_true(sim_disk_step(&rig->disk, BUILD_WRITE));
        assert_int_equal(op->status, QR_ERR_IO);
        const char *complaint = sim_disk_complaint(&rig->disk);
        assert_non_null(complaint);
        assert_memory_equal(complaint, rows[i].complaint, strlen(rows[i].complaint));
        assert_shown(rig, "0000000000000000");
        sim_disk_rig_deinit(rig);
        free(rig);
    }
}

static void a_sector_that_was_synced_and_reported_is_never_written_again(void **state)
{
    (void)state;
    struct sim_disk_rig *rig = rig_new(8);
    assert_int_equal(sim_disk_rig_write_now(rig, 0, 1, 'm', false), 0); /* a mark */
    assert_int_equal(sim_disk_rig_write_now(rig, 0, 2, 'a', true), 0);
    assert_null(sim_disk_complaint(&rig->disk));
    lose_power(rig);
    assert_int_equal(sim_disk_rig_write_now(rig, 1, 1, 'b', false), 0);
    assert_string_equal(sim_disk_complaint(&rig->disk),
                        "log, offset 512: a sector that was synced and reported is written again");
    sim_disk_rig_deinit(rig);
    free(rig);
}

static void a_cut_tail_may_be_written_over(void **state)
{
    (void)state;
    struct sim_disk_rig *rig = rig_new(9);
    (void)sim_disk_rig_write(rig, 0, 2, 'a', true); /* never reported */
    sim_disk_process_crash(&rig->disk);
    sim_disk_rig_mount(rig);
    assert_int_equal(sim_disk_rig_write_now(rig, 0, 2, 'b', true), 0);
    assert_null(sim_disk_complaint(&rig->disk));
    assert_durable(rig, "bb00000000000000");
    rig_free(rig);
}

/* A life with everything in it, as text. */
static void write_life(uint64_t seed, char *out)
{
    struct sim_disk_rig *rig = rig_new(seed);
    size_t used = 0;
    for (uint64_t i = 0; i < 8; i++) {
        (void)sim_disk_rig_write(rig, 2 * i, 1, (uint8_t)('a' + i), true);
        (void)sim_disk_rig_write(rig, 2 * i + 1, 1, (uint8_t)('A' + i), false);
        if (i == 3) {
            sim_disk_fail_write(&rig->disk);
        }
        (void)sim_disk_step(&rig->disk, BUILD_WRITE);
        lose_power(rig);
        (void)sim_disk_rig_show(rig, false, out + used);
        used += SECTORS;
    }
    rig_free(rig);
}

static void the_same_seed_and_calls_give_the_same_disk(void **state)
{
    (void)state;
    char one[8 * SECTORS + 8];
    char two[8 * SECTORS + 8];
    size_t differing = 0;
    for (uint64_t seed = 0; seed < 50; seed++) {
        write_life(seed, one);
        write_life(seed, two);
        assert_string_equal(one, two);
        write_life(seed + 1, two);
        differing += strcmp(one, two) != 0;
    }
    assert_in_range(differing, 45, 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_synced_write_survives_every_power_loss),
        cmocka_unit_test(a_sync_covers_its_own_sectors_only),
        cmocka_unit_test(of_unsynced_sectors_any_version_survives_or_a_torn_one),
        cmocka_unit_test(a_torn_sector_begins_new_and_ends_old_or_is_garbage),
        cmocka_unit_test(pending_writes_reach_the_kernel_as_a_prefix_when_the_process_ends),
        cmocka_unit_test(pending_writes_survive_a_power_loss_in_any_subset),
        cmocka_unit_test(while_it_is_down_nothing_happens_and_everything_fails),
        cmocka_unit_test(what_is_pending_is_forgotten_by_a_mount),
        cmocka_unit_test(other_operations_pass_writes_as_the_caller_likes),
        cmocka_unit_test(a_short_read_is_corrupt_and_a_whole_one_gives_what_is_there),
        cmocka_unit_test(a_write_that_breaks_the_rules_is_refused_and_complained_of),
        cmocka_unit_test(a_sector_that_was_synced_and_reported_is_never_written_again),
        cmocka_unit_test(a_cut_tail_may_be_written_over),
        cmocka_unit_test(the_same_seed_and_calls_give_the_same_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
