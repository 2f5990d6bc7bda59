/* test_kv_snapshot.c: a store's state, out as bytes and in again. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "kv/snapshot.h"
#include "support/sweep.h"
#include "test_kv_support.h"

#define BYTES_MAX (256 * 1024)

struct bytes {
    uint8_t data[BYTES_MAX];
    size_t size_bytes;
};

static const struct qr_state_machine *machine_of(struct store_test *test)
{
    return kv_state_machine(test->kv);
}

static void *snapshot_open(struct store_test *test)
{
    void *snapshot = NULL;
    assert_int_equal(machine_of(test)->snapshot_open(test->kv, &snapshot), 0);
    return snapshot;
}

/* Read what is left of it, in pieces of this size, and close it. */
static void snapshot_rest(struct store_test *test, void *snapshot, size_t piece_bytes,
                          struct bytes *out)
{
    const struct qr_state_machine *machine = machine_of(test);
    size_t read_bytes = 1;
    while (read_bytes > 0) {
        assert_true(out->size_bytes + piece_bytes <= BYTES_MAX);
        assert_int_equal(machine->snapshot_read(test->kv, snapshot, out->data + out->size_bytes,
                                                piece_bytes, &read_bytes),
                         0);
        assert_true(read_bytes <= piece_bytes);
        out->size_bytes += read_bytes;
    }
    machine->snapshot_close(test->kv, snapshot);
}

static void snapshot_take(struct store_test *test, size_t piece_bytes, struct bytes *out)
{
    out->size_bytes = 0;
    snapshot_rest(test, snapshot_open(test), piece_bytes, out);
}

static int restore_pieces(struct store_test *test, const struct bytes *bytes, size_t piece_bytes)
{
    const struct qr_state_machine *machine = machine_of(test);
    int status = machine->restore_begin(test->kv);
    for (size_t at = 0; status == 0 && at < bytes->size_bytes; at += piece_bytes) {
        status = machine->restore_write(test->kv, bytes->data + at,
                                        min_u64(piece_bytes, bytes->size_bytes - at));
    }
    return status == 0 ? machine->restore_end(test->kv) : status;
}

static int restore(struct store_test *test, const struct bytes *bytes)
{
    return restore_pieces(test, bytes, bytes->size_bytes);
}

/* Keys of all kinds; some expire, and some of these are due. */
static void fill(struct store_test *test, unsigned count)
{
    char line[128];
    for (unsigned i = 0; i < count; i++) {
        snprintf(line, sizeof(line), i % 3 == 0 ? "SET key%u value%u PX %u" : "SET key%u value%u",
                 i, i, i + 1000);
        (void)store_do(test, line);
    }
    (void)store_do(test, "SET '' ''");
    (void)store_do(test, "SETRANGE long 20000 x");
}

static void assert_same(struct store_test *a, struct store_test *b)
{
    assert_int_equal(store_digest(a), store_digest(b));
    assert_int_equal(store_wake_at(a), store_wake_at(b));
    assert_string_equal(store_read(a, "DBSIZE"), store_read(b, "DBSIZE"));
    kv_invariants(b->kv);
}

static void it_is_restored_whatever_the_pieces(void **state)
{
    static const size_t sizes[] = {1, 7, 4096, BYTES_MAX / 4};
    static struct bytes bytes;
    static struct bytes others;
    static struct store_test from;
    static struct store_test to;
    (void)state;
    store_init(&from);
    fill(&from, 700);
    snapshot_take(&from, sizes[3], &bytes);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        snapshot_take(&from, sizes[i], &others);
        assert_int_equal(others.size_bytes, bytes.size_bytes);
        assert_memory_equal(others.data, bytes.data, bytes.size_bytes);
        store_init(&to);
        assert_int_equal(restore_pieces(&to, &bytes, sizes[i]), 0);
        assert_same(&from, &to);
        assert_string_equal(store_read(&to, "GET key4"), "\"value4\"");
        store_deinit(&to);
    }
    store_deinit(&from);
}

static void an_empty_store_is_restored_too(void **state)
{
    static struct bytes bytes;
    static struct store_test test;
    (void)state;
    store_init(&test);
    snapshot_take(&test, 100, &bytes);
    assert_int_equal(bytes.size_bytes, KV_SNAPSHOT_HEADER_BYTES + KV_SNAPSHOT_TRAILER_BYTES);
    fill(&test, 10);
    assert_int_equal(restore(&test, &bytes), 0);
    assert_int_equal(store_digest(&test), 0);
    assert_string_equal(store_do(&test, "DBSIZE"), "(integer) 0");
    kv_invariants(test.kv);
    store_deinit(&test);
}

static void what_it_held_before_is_gone_and_what_comes_after_goes_on(void **state)
{
    static struct bytes bytes;
    static struct store_test from;
    static struct store_test to;
    (void)state;
    store_init(&from);
    store_init(&to);
    fill(&from, 50);
    (void)store_do(&to, "SET stale 1 EX 1");
    (void)store_do(&to, "SET key1 stale");
    snapshot_take(&from, 100, &bytes);
    assert_int_equal(restore(&to, &bytes), 0);
    assert_same(&from, &to);
    assert_string_equal(store_read(&to, "GET stale"), "(nil)");
    from.now_ns += 1010 * NS_PER_MS;
    to.now_ns = from.now_ns;
    (void)store_do(&from, "APPEND key1 x");
    (void)store_do(&to, "APPEND key1 x");
    assert_same(&from, &to);
    store_deinit(&from);
    store_deinit(&to);
}

/* Log time is part of the state: a key that is due there is due here. */
static void a_key_that_was_due_stays_due(void **state)
{
    static struct bytes bytes;
    static struct store_test from;
    static struct store_test to;
    char line[64];
    (void)state;
    store_init(&from);
    store_init(&to);
    for (unsigned i = 0; i < KV_EXPIRED_PER_ENTRY_MAX + 50; i++) {
        snprintf(line, sizeof(line), "SET key%u x EX 1", i);
        (void)store_do(&from, line);
    }
    store_tick(&from, from.now_ns + 2 * NS_PER_S); /* not all of them go at once */
    snapshot_take(&from, 1000, &bytes);
    assert_int_equal(restore(&to, &bytes), 0);
    assert_same(&from, &to);
    assert_string_equal(store_read(&to, "DBSIZE"), "(integer) 0");
    store_tick(&from, from.now_ns);
    store_tick(&to, from.now_ns);
    assert_same(&from, &to);
    assert_int_equal(store_wake_at(&to), 0);
    store_deinit(&from);
    store_deinit(&to);
}

static void it_is_of_its_moment_while_writes_go_on(void **state)
{
    static struct bytes before;
    static struct bytes during;
    static struct store_test test;
    char line[64];
    (void)state;
    store_init(&test);
    fill(&test, 300);
    snapshot_take(&test, 512, &before);
    void *snapshot = snapshot_open(&test);
    const struct qr_state_machine *machine = machine_of(&test);
    during.size_bytes = 0;
    for (unsigned i = 0; i < 20; i++) {
        size_t read_bytes;
        assert_int_equal(machine->snapshot_read(test.kv, snapshot, during.data + during.size_bytes,
                                                200, &read_bytes),
                         0);
        during.size_bytes += read_bytes;
        snprintf(line, sizeof(line), "SET key%u other", i * 10);
        (void)store_do(&test, line);
        snprintf(line, sizeof(line), "DEL key%u new%u", i * 7, i);
        (void)store_do(&test, line);
    }
    (void)store_do(&test, "FLUSHALL");
    snapshot_rest(&test, snapshot, 512, &during);
    assert_int_equal(during.size_bytes, before.size_bytes);
    assert_memory_equal(during.data, before.data, before.size_bytes);
    kv_invariants(test.kv);
    store_deinit(&test);
}

static void two_may_be_open_and_no_more(void **state)
{
    static struct store_test test;
    (void)state;
    store_init(&test);
    fill(&test, 100);
    void *first = snapshot_open(&test);
    void *second = snapshot_open(&test);
    void *third = NULL;
    assert_int_equal(machine_of(&test)->snapshot_open(test.kv, &third), QR_ERR_BUSY);
    machine_of(&test)->snapshot_close(test.kv, first);
    assert_int_equal(machine_of(&test)->snapshot_open(test.kv, &third), 0);
    machine_of(&test)->snapshot_close(test.kv, second);
    store_deinit(&test); /* with one still open */
}

/* Whoever closes one is not kept waiting until its memory is freed. */
static void what_it_held_alone_is_freed_little_by_little(void **state)
{
    static struct store_test test;
    (void)state;
    store_init(&test);
    fill(&test, 1000);
    void *snapshot = snapshot_open(&test);
    fill(&test, 1000); /* every item is another one now */
    size_t blocks = test.heap.block_count;
    machine_of(&test)->snapshot_close(test.kv, snapshot);
    assert_int_equal(test.heap.block_count, blocks);
    store_tick(&test, test.now_ns);
    assert_true(test.heap.block_count < blocks);
    store_deinit(&test);
}

static void a_flipped_bit_anywhere_is_refused(void **state)
{
    static struct bytes bytes;
    static struct store_test test;
    (void)state;
    store_init(&test);
    fill(&test, 3);
    (void)store_do(&test, "DEL long");
    snapshot_take(&test, 512, &bytes);
    uint64_t digest = store_digest(&test);
    size_t stride = sweep_is_full() ? 1 : 5; /* either comes to all bits of a byte */
    for (size_t at = 0; at < bytes.size_bytes * 8; at += stride) {
        bytes.data[at / 8] ^= (uint8_t)(1 << at % 8);
        int status = restore(&test, &bytes);
        if (status != QR_ERR_CORRUPT && status != QR_ERR_VERSION) {
            fail_msg("bit %zu: %d", at, status);
        }
        bytes.data[at / 8] ^= (uint8_t)(1 << at % 8);
    }
    assert_int_equal(restore(&test, &bytes), 0);
    assert_int_equal(store_digest(&test), digest);
    store_deinit(&test);
}

static void a_part_of_one_is_refused_and_so_is_more_than_one(void **state)
{
    static struct bytes bytes;
    static struct store_test test;
    (void)state;
    store_init(&test);
    fill(&test, 5);
    (void)store_do(&test, "DEL long");
    snapshot_take(&test, 512, &bytes);
    size_t whole_bytes = bytes.size_bytes;
    for (size_t size_bytes = 0; size_bytes < whole_bytes; size_bytes++) {
        bytes.size_bytes = size_bytes;
        assert_int_equal(restore_pieces(&test, &bytes, 64), QR_ERR_CORRUPT);
    }
    bytes.data[whole_bytes] = 0;
    bytes.size_bytes = whole_bytes + 1;
    assert_int_equal(restore_pieces(&test, &bytes, 64), QR_ERR_CORRUPT);
    store_deinit(&test);
}

static void one_of_a_later_version_is_told_from_damage(void **state)
{
    static struct bytes bytes;
    static struct store_test test;
    (void)state;
    store_init(&test);
    snapshot_take(&test, 512, &bytes);
    bytes.data[4]++;
    assert_int_equal(restore(&test, &bytes), QR_ERR_VERSION);
    store_deinit(&test);
}

/* Keys out of order, or twice, are of no store; their checksum may be right. */
static void keys_that_do_not_ascend_are_refused(void **state)
{
    static struct bytes bytes;
    static struct store_test test;
    (void)state;
    store_init(&test);
    (void)store_do(&test, "SET a 1");
    (void)store_do(&test, "SET b 1");
    snapshot_take(&test, 512, &bytes);
    uint8_t *second = bytes.data + KV_SNAPSHOT_HEADER_BYTES + 2 * KV_SNAPSHOT_ITEM_BYTES + 2;
    assert_int_equal(*second, 'b');
    *second = 'a';
    assert_int_equal(machine_of(&test)->restore_begin(test.kv), 0);
    /* Known at the key itself, far before the checksum. */
    assert_int_equal(
        machine_of(&test)->restore_write(test.kv, bytes.data, (size_t)(second - bytes.data) + 2),
        QR_ERR_CORRUPT);
    store_deinit(&test);
}

static void each_allocation_may_fail_and_the_next_restore_works(void **state)
{
    static struct bytes bytes;
    static struct store_test from;
    static struct store_test to;
    (void)state;
    store_init(&from);
    store_init(&to);
    fill(&from, 200);
    snapshot_take(&from, 512, &bytes);
    unsigned failures = 0;
    for (uint64_t fail_at = 1;; fail_at++) {
        to.heap.fail_at = to.heap.allocate_count + fail_at;
        int status = restore_pieces(&to, &bytes, 300);
        to.heap.fail_at = 0;
        kv_invariants(to.kv);
        if (status == 0) {
            break;
        }
        assert_int_equal(status, QR_ERR_NO_MEMORY);
        failures++;
    }
    assert_true(failures > 200);
    assert_same(&from, &to);
    store_deinit(&from);
    store_deinit(&to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_restored_whatever_the_pieces),
        cmocka_unit_test(an_empty_store_is_restored_too),
        cmocka_unit_test(what_it_held_before_is_gone_and_what_comes_after_goes_on),
        cmocka_unit_test(a_key_that_was_due_stays_due),
        cmocka_unit_test(it_is_of_its_moment_while_writes_go_on),
        cmocka_unit_test(two_may_be_open_and_no_more),
        cmocka_unit_test(what_it_held_alone_is_freed_little_by_little),
        cmocka_unit_test(a_flipped_bit_anywhere_is_refused),
        cmocka_unit_test(a_part_of_one_is_refused_and_so_is_more_than_one),
        cmocka_unit_test(one_of_a_later_version_is_told_from_damage),
        cmocka_unit_test(keys_that_do_not_ascend_are_refused),
        cmocka_unit_test(each_allocation_may_fail_and_the_next_restore_works),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
