/* test_base_state_machine.c: what programs of this version and of earlier ones hand in. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/state_machine.h"
#include "support/unit.h"

static int apply(void *context, const struct qr_entry *entries, size_t count,
                 struct qr_result *results)
{
    (void)context;
    (void)entries;
    (void)count;
    (void)results;
    return 0;
}

static int open_one(void *context, void **snapshot)
{
    (void)context;
    (void)snapshot;
    return 0;
}

static int read_one(void *context, void *snapshot, void *buffer, size_t size_bytes,
                    size_t *read_bytes)
{
    (void)context;
    (void)snapshot;
    (void)buffer;
    (void)size_bytes;
    *read_bytes = 0;
    return 0;
}

static void close_one(void *context, void *snapshot)
{
    (void)context;
    (void)snapshot;
}

static int begin(void *context)
{
    (void)context;
    return 0;
}

static int write_one(void *context, const void *data, size_t size_bytes)
{
    (void)context;
    (void)data;
    (void)size_bytes;
    return 0;
}

static const struct qr_state_machine whole = {
    .size_bytes = sizeof(whole),
    .apply = apply,
    .snapshot_open = open_one,
    .snapshot_read = read_one,
    .snapshot_close = close_one,
    .restore_begin = begin,
    .restore_write = write_one,
    .restore_end = begin,
};

static void one_of_this_version_is_taken_as_it_is(void **state)
{
    struct qr_state_machine read;
    (void)state;
    assert_null(state_machine_read(&whole, &read));
    assert_memory_equal(&read, &whole, sizeof(whole));
    assert_true(state_machine_has_snapshots(&read));
}

static void one_of_an_earlier_version_has_no_snapshots(void **state)
{
    struct qr_state_machine read;
    struct qr_state_machine old = whole; /* what lies behind its end is not looked at */
    (void)state;
    old.size_bytes = QR_STATE_MACHINE_BYTES_0_1;
    assert_null(state_machine_read(&old, &read));
    assert_ptr_equal(read.apply, apply);
    assert_null(read.restore_end);
    assert_null(read.applied_index);
    assert_false(state_machine_has_snapshots(&read));
}

static void one_of_a_later_version_is_read_as_far_as_it_is_known(void **state)
{
    struct qr_state_machine read;
    struct {
        struct qr_state_machine machine;
        uint64_t more;
    } later = {whole, 1};
    (void)state;
    later.machine.size_bytes = sizeof(later);
    assert_null(state_machine_read(&later.machine, &read));
    assert_int_equal(read.size_bytes, sizeof(read));
}

static void half_a_state_machine_is_refused(void **state)
{
    struct qr_state_machine read;
    struct qr_state_machine bad = whole;
    (void)state;
    assert_string_equal(state_machine_read(NULL, &read), "missing");
    bad.apply = NULL;
    assert_string_equal(state_machine_read(&bad, &read), "without apply");
    bad = whole;
    bad.restore_end = NULL;
    assert_string_equal(state_machine_read(&bad, &read),
                        "only some of the functions for snapshots are there");
    bad = whole;
    bad.size_bytes = QR_STATE_MACHINE_BYTES_0_1 + 8;
    assert_string_equal(state_machine_read(&bad, &read),
                        "size_bytes is that of no version known here");
    bad.size_bytes = 0;
    assert_non_null(state_machine_read(&bad, &read));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_of_this_version_is_taken_as_it_is),
        cmocka_unit_test(one_of_an_earlier_version_has_no_snapshots),
        cmocka_unit_test(one_of_a_later_version_is_read_as_far_as_it_is_known),
        cmocka_unit_test(half_a_state_machine_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
