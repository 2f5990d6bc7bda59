/* test_sim_disk_store.c: files that the simulator's disk stores aside, and what is left of them. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <stdlib.h>
#include <string.h>

#include "quorate/error.h"
#include "support/sim_disk_rig.h"

#define PIECE_BYTES (UINT64_C(2) * SIM_DISK_SECTOR_BYTES)
#define SEEDS 300

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

/* Submit piece `number` of the file, full of one byte. */
static const struct build_op *submit_piece(struct sim_disk_rig *rig, uint64_t number,
                                           bool is_synced)
{
    struct sim_disk_rig_op *op = &rig->ops[rig->op_count];
    (void)sim_disk_rig_submit(rig, BUILD_STORE, "whole", 0);
    memset(op->bytes, (int)('a' + number), sizeof(op->bytes));
    op->part = (struct build_part){op->bytes, PIECE_BYTES};
    op->op.offset = number * PIECE_BYTES;
    op->op.is_synced = is_synced;
    op->op.parts = &op->part;
    op->op.part_count = 1;
    return &op->op;
}

static int store(struct sim_disk_rig *rig, uint64_t number, bool is_synced)
{
    const struct build_op *op = submit_piece(rig, number, is_synced);
    assert_true(sim_disk_step(&rig->disk, BUILD_STORE));
    return op->status;
}

static int publish(struct sim_disk_rig *rig)
{
    const struct build_op *op = sim_disk_rig_submit(rig, BUILD_PUBLISH, "whole", 0);
    assert_true(sim_disk_step(&rig->disk, BUILD_STORE));
    return op->status;
}

/* Up to 4 KiB of a file; its length, or SIZE_MAX when it is not there. */
static size_t read_file(struct sim_disk_rig *rig, const char *name, uint8_t *out)
{
    size_t got = 0;
    int status =
        rig->calls->read(rig->calls->context, name, 0, (struct build_part){out, 4096}, &got);
    return status == 0 ? got : SIZE_MAX;
}

static bool holds_pieces(const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count * PIECE_BYTES; i++) {
        if (bytes[i] != 'a' + i / PIECE_BYTES) {
            return false;
        }
    }
    return true;
}

static void what_was_synced_and_named_survives(void **state)
{
    (void)state;
    uint8_t bytes[4096];
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sim_disk_rig *rig = rig_new(seed);
        assert_int_equal(store(rig, 0, false), 0);
        assert_int_equal(store(rig, 1, true), 0);
        assert_int_equal(read_file(rig, "whole", bytes), SIZE_MAX);
        assert_int_equal(publish(rig), 0);
        sim_disk_power_loss(&rig->disk);
        sim_disk_rig_mount(rig);
        assert_int_equal(read_file(rig, "whole", bytes), 2 * PIECE_BYTES);
        assert_true(holds_pieces(bytes, 2));
        assert_int_equal(read_file(rig, "whole.tmp", bytes), SIZE_MAX);
        assert_null(sim_disk_complaint(&rig->disk));
        rig_free(rig);
    }
}

/* A name that was given too early has anything behind it. */
static void of_what_was_not_synced_anything_may_be_left(void **state)
{
    (void)state;
    uint8_t bytes[4096];
    size_t whole = 0;
    size_t short_of_it = 0;
    size_t holed = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sim_disk_rig *rig = rig_new(seed);
        assert_int_equal(store(rig, 0, true), 0);
        assert_int_equal(store(rig, 1, false), 0);
        assert_int_equal(publish(rig), 0);
        sim_disk_power_loss(&rig->disk);
        sim_disk_rig_mount(rig);
        size_t length = read_file(rig, "whole", bytes);
        assert_in_range(length, PIECE_BYTES, 2 * PIECE_BYTES);
        assert_true(holds_pieces(bytes, 1));
        whole += length == 2 * PIECE_BYTES && holds_pieces(bytes, 2);
        holed += length == 2 * PIECE_BYTES && !holds_pieces(bytes, 2);
        short_of_it += length < 2 * PIECE_BYTES;
        rig_free(rig);
    }
    assert_true(whole > SEEDS / 20);
    assert_true(holed > SEEDS / 20);
    assert_true(short_of_it > SEEDS / 20);
}

/* Pending pieces are in the caches up to one of them; without a loss of power all of that stays. */
static void a_process_that_ends_leaves_a_beginning(void **state)
{
    (void)state;
    uint8_t bytes[4096];
    size_t named = 0;
    size_t begun = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sim_disk_rig *rig = rig_new(seed);
        (void)submit_piece(rig, 0, false);
        (void)submit_piece(rig, 1, true);
        (void)sim_disk_rig_submit(rig, BUILD_PUBLISH, "whole", 0);
        sim_disk_process_crash(&rig->disk);
        sim_disk_rig_mount(rig);
        size_t length = read_file(rig, "whole", bytes);
        if (length != SIZE_MAX) {
            assert_int_equal(length, 2 * PIECE_BYTES);
            assert_true(holds_pieces(bytes, 2));
            named++;
        } else {
            begun += read_file(rig, "whole.tmp", bytes) != SIZE_MAX;
        }
        rig_free(rig);
    }
    assert_true(named > SEEDS / 10);
    assert_true(begun > SEEDS / 10);
}

static void a_sync_that_failed_is_not_made_up_for(void **state)
{
    (void)state;
    uint8_t bytes[4096];
    size_t lost = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sim_disk_rig *rig = rig_new(seed);
        assert_int_equal(store(rig, 0, false), 0);
        sim_disk_fail_call(&rig->disk, SIM_DISK_STORE);
        assert_int_equal(store(rig, 1, true), QR_ERR_IO);
        assert_int_equal(publish(rig), 0);
        sim_disk_power_loss(&rig->disk);
        sim_disk_rig_mount(rig);
        size_t length = read_file(rig, "whole", bytes);
        lost += length < 2 * PIECE_BYTES || !holds_pieces(bytes, 2);
        rig_free(rig);
    }
    assert_true(lost > SEEDS / 2);
}

static void a_name_that_failed_may_be_there_or_not(void **state)
{
    (void)state;
    uint8_t bytes[4096];
    size_t seen = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sim_disk_rig *rig = rig_new(seed);
        assert_int_equal(store(rig, 0, true), 0);
        sim_disk_fail_call(&rig->disk, SIM_DISK_PUBLISH);
        assert_int_equal(publish(rig), QR_ERR_IO);
        seen += read_file(rig, "whole", bytes) != SIZE_MAX;
        rig_free(rig);
    }
    assert_in_range(seen, SEEDS / 4, 3 * SEEDS / 4);
}

static void a_full_disk_takes_no_piece(void **state)
{
    (void)state;
    struct sim_disk_rig *rig = rig_new(3);
    sim_disk_set_room(&rig->disk, sim_disk_used_bytes(&rig->disk) + PIECE_BYTES);
    assert_int_equal(store(rig, 0, false), 0);
    assert_int_equal(store(rig, 1, false), QR_ERR_DISK_FULL);
    sim_disk_set_room(&rig->disk, UINT64_MAX);
    assert_int_equal(store(rig, 1, false), 0);
    assert_null(sim_disk_complaint(&rig->disk));
    rig_free(rig);
}

static void what_breaks_the_rules_is_complained_of(void **state)
{
    (void)state;
    struct sim_disk_rig *rig = rig_new(3);
    assert_int_equal(store(rig, 1, false), QR_ERR_IO);
    assert_non_null(strstr(sim_disk_complaint(&rig->disk), "does not follow"));
    rig_free(rig);
    rig = rig_new(3);
    assert_int_equal(store(rig, 0, false), 0);
    assert_int_equal(store(rig, 2, false), QR_ERR_IO);
    assert_non_null(strstr(sim_disk_complaint(&rig->disk), "does not follow"));
    rig_free(rig);
    rig = rig_new(3);
    assert_int_equal(publish(rig), QR_ERR_IO);
    assert_non_null(strstr(sim_disk_complaint(&rig->disk), "not there"));
    rig_free(rig);
}

int main(void)
{
    static const struct CMUnitTest cases[] = {
        cmocka_unit_test(what_was_synced_and_named_survives),
        cmocka_unit_test(of_what_was_not_synced_anything_may_be_left),
        cmocka_unit_test(a_process_that_ends_leaves_a_beginning),
        cmocka_unit_test(a_sync_that_failed_is_not_made_up_for),
        cmocka_unit_test(a_name_that_failed_may_be_there_or_not),
        cmocka_unit_test(a_full_disk_takes_no_piece),
        cmocka_unit_test(what_breaks_the_rules_is_complained_of),
    };
    return cmocka_run_group_tests_name("sim_disk_store", cases, NULL, NULL);
}
