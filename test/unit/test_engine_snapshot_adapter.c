/* test_engine_snapshot_adapter.c: what is made of what a program's snapshot store says, with the
 * snapshots of a node above it.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <stdlib.h>
#include <string.h>

#include "engine/snapshot_store.h"
#include "quorate/error.h"
#include "support/heap.h"
#include "support/snapshot_memory.h"
#include "wal/snapshot_store.h"

struct rig {
    struct heap heap;
    struct snapshot_memory memory;
    struct engine_snapshots *adapter;
    struct snapshot_store *snapshots;
    struct snapshot_found found;
    char detail[ENGINE_SNAPSHOTS_DETAIL_BYTES];
    char why[SNAPSHOT_ERROR_DETAIL_BYTES];
    unsigned told_count;
    unsigned done_count;
    int done_status;
    unsigned read_count;
    int read_status;
    size_t read_bytes;
    uint8_t read[SNAPSHOT_CHUNK_BYTES_MIN];
};

static void on_told(void *context)
{
    struct rig *rig = context;
    rig->told_count++;
}

static void on_ready(void *context)
{
    (void)context;
}

static void on_written(void *context, int status, const struct snapshot_info *info)
{
    struct rig *rig = context;
    assert_int_equal(status == 0, info != NULL);
    rig->done_count++;
    rig->done_status = status;
}

static void on_read(void *context, uint64_t token, int status, struct chunk *chunk,
                    const uint8_t *data, size_t size_bytes)
{
    struct rig *rig = context;
    assert_int_equal(token, 9);
    assert_int_equal(status == 0, chunk != NULL);
    rig->read_count++;
    rig->read_status = status;
    rig->read_bytes = size_bytes;
    if (size_bytes > 0) {
        memcpy(rig->read, data, size_bytes);
    }
}

static int open_adapter(struct rig *rig)
{
    static const struct log_sink silent;
    struct engine_snapshots_options options = {
        .allocator = &rig->heap.allocator,
        .log = &silent,
        .store = &rig->memory.store,
        .told = on_told,
        .context = rig,
    };
    return engine_snapshots_open(&options, &rig->adapter, rig->detail);
}

static int open_snapshots(struct rig *rig)
{
    struct snapshot_options options = {
        .allocator = &rig->heap.allocator,
        .disk = engine_snapshots_disk(rig->adapter),
        .listener = {.context = rig,
                     .writer_ready = on_ready,
                     .writer_done = on_written,
                     .read_done = on_read},
        .chunk_bytes = SNAPSHOT_CHUNK_BYTES_MIN,
    };
    return snapshot_store_open(&options, &rig->snapshots, &rig->found, rig->why);
}

static void open_both(struct rig *rig)
{
    assert_int_equal(open_adapter(rig), 0);
    assert_int_equal(open_snapshots(rig), 0);
}

static int set_up_rig(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    heap_init(&rig->heap);
    snapshot_memory_init(&rig->memory, SNAPSHOT_MEMORY_NOTHING);
    *state = rig;
    return 0;
}

/* Rounds, until nothing happens in one. */
static const char *settle(struct rig *rig)
{
    const char *wrong = engine_snapshots_take(rig->adapter);
    while (rig->told_count > 0) {
        rig->told_count = 0;
        const char *later = engine_snapshots_take(rig->adapter);
        wrong = wrong == NULL ? later : wrong;
    }
    return wrong;
}

static void close_both(struct rig *rig)
{
    (void)settle(rig);
    snapshot_store_free(rig->snapshots);
    engine_snapshots_free(rig->adapter);
    rig->snapshots = NULL;
    rig->adapter = NULL;
}

static int tear_down_rig(void **state)
{
    struct rig *rig = *state;
    if (rig->adapter != NULL) {
        close_both(rig);
    }
    snapshot_memory_deinit(&rig->memory);
    heap_deinit(&rig->heap);
    free(rig);
    return 0;
}

/* Of a size that fits the room of two chunks, so that nothing has to be given again. */
static void begin_writing(struct rig *rig, raft_index index)
{
    static const uint8_t content[SNAPSHOT_CHUNK_BYTES_MIN + 100] = {1, 2, 3};
    struct wal_base position = {.term = 2, .index = index};
    size_t taken;
    rig->done_count = 0;
    assert_int_equal(snapshot_writer_begin(rig->snapshots, &position, 0, false), 0);
    (void)settle(rig);
    if (snapshot_writer_is_active(rig->snapshots)) {
        snapshot_writer_append(rig->snapshots, content, sizeof(content), &taken);
        assert_int_equal(taken, sizeof(content));
        snapshot_writer_finish(rig->snapshots);
    }
}

static void write_one(struct rig *rig, raft_index index)
{
    begin_writing(rig, index);
    assert_null(settle(rig));
    assert_int_equal(rig->done_count, 1);
    assert_int_equal(rig->done_status, 0);
}

static void what_is_written_is_found_again_and_read(void **state)
{
    struct rig *rig = *state;
    struct snapshot_reader *reader;
    struct snapshot_info info;
    open_both(rig);
    assert_false(rig->found.has_newest);
    write_one(rig, 5);
    write_one(rig, UINT64_C(1) << 40);
    close_both(rig);
    open_both(rig);
    assert_int_equal(rig->found.newest.position.index, UINT64_C(1) << 40);
    assert_int_equal(rig->found.newest.size_bytes, SNAPSHOT_CHUNK_BYTES_MIN + 100);
    assert_int_equal(snapshot_reader_open(rig->snapshots, UINT64_C(1) << 40,
                                          SNAPSHOT_CHUNK_BYTES_MIN, &reader, &info),
                     0);
    assert_int_equal(snapshot_reader_read(reader, 9), 0);
    assert_null(settle(rig));
    assert_int_equal(rig->read_count, 1);
    assert_int_equal(rig->read_bytes, 100);
    snapshot_reader_close(reader);
    snapshot_store_remove_below(rig->snapshots, UINT64_C(1) << 40);
    assert_null(settle(rig));
    assert_null(snapshot_memory_find(&rig->memory, 5));
    assert_non_null(snapshot_memory_find(&rig->memory, UINT64_C(1) << 40));
}

/* A node begins to clear away while it is being opened, and its loop is not there yet. */
static void nothing_is_begun_before_the_first_round(void **state)
{
    struct rig *rig = *state;
    open_both(rig);
    write_one(rig, 5);
    write_one(rig, 8);
    close_both(rig);
    open_both(rig);
    unsigned before = rig->memory.call_count;
    snapshot_store_remove_below(rig->snapshots, 8);
    assert_int_equal(rig->memory.call_count, before);
    assert_false(snapshot_store_is_idle(rig->snapshots));
    assert_null(engine_snapshots_take(rig->adapter));
    assert_int_equal(rig->memory.call_count, before + 1);
    assert_null(settle(rig));
    assert_null(snapshot_memory_find(&rig->memory, 5));
}

/* What was not begun is dropped, where an engine is not opened for another reason. */
static void what_was_never_begun_is_dropped(void **state)
{
    struct rig *rig = *state;
    struct disk_op op = {.kind = DISK_REMOVE};
    assert_int_equal(open_adapter(rig), 0);
    snapshot_name(5, false, op.name);
    const struct disk *disk = engine_snapshots_disk(rig->adapter);
    disk->submit(disk->context, &op);
    engine_snapshots_free(rig->adapter);
    rig->adapter = NULL;
    assert_int_equal(rig->memory.call_count, 0);
}

/* Never from within the call that begins it, which the code above it relies on. */
static void what_ends_within_its_call_is_told_in_a_later_round(void **state)
{
    struct rig *rig = *state;
    struct snapshot_reader *reader;
    struct snapshot_info info;
    open_both(rig);
    write_one(rig, 5);
    assert_int_equal(snapshot_reader_open(rig->snapshots, 5, 0, &reader, &info), 0);
    assert_int_equal(snapshot_reader_read(reader, 9), 0);
    assert_int_equal(rig->told_count, 1);
    assert_int_equal(rig->read_count, 0);
    assert_null(settle(rig));
    assert_int_equal(rig->read_count, 1);
    assert_int_equal(rig->read[2], 3);
    snapshot_reader_close(reader);
}

static void a_failure_is_told_as_one_that_there_is(void **state)
{
    struct rig *rig = *state;
    static const struct {
        int told;
        int written;
        int read;
    } cases[] = {
        {QR_ERR_IO, QR_ERR_IO, QR_ERR_IO},
        {QR_ERR_DISK_FULL, QR_ERR_DISK_FULL, QR_ERR_IO},
        {QR_ERR_NO_MEMORY, QR_ERR_NO_MEMORY, QR_ERR_NO_MEMORY},
        {QR_ERR_CORRUPT, QR_ERR_IO, QR_ERR_CORRUPT},
        {QR_ERR_NOT_FOUND, QR_ERR_IO, QR_ERR_IO},
        {77, QR_ERR_IO, QR_ERR_IO},
        {-9999, QR_ERR_IO, QR_ERR_IO},
    };
    struct snapshot_reader *reader;
    struct snapshot_info info;
    open_both(rig);
    write_one(rig, 5);
    assert_int_equal(snapshot_reader_open(rig->snapshots, 5, 0, &reader, &info), 0);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        atomic_store(&rig->memory.status, cases[i].told);
        begin_writing(rig, 8);
        assert_null(settle(rig));
        assert_int_equal(rig->done_count, 1);
        assert_int_equal(rig->done_status, cases[i].written);
        assert_int_equal(snapshot_reader_read(reader, 9), 0);
        assert_null(settle(rig));
        assert_int_equal(rig->read_status, cases[i].read);
    }
    atomic_store(&rig->memory.status, 0);
    snapshot_reader_close(reader);
    write_one(rig, 8);
}

static void what_is_given_up_is_abandoned_and_nothing_else(void **state)
{
    struct rig *rig = *state;
    open_both(rig);
    write_one(rig, 5);
    assert_int_equal(
        snapshot_writer_begin(rig->snapshots, &(struct wal_base){.term = 2, .index = 5}, 0, true),
        0);
    assert_null(settle(rig));
    assert_int_equal(snapshot_memory_count_aside(&rig->memory), 1);
    snapshot_writer_abandon(rig->snapshots);
    assert_null(settle(rig));
    assert_int_equal(snapshot_memory_count_aside(&rig->memory), 0);
    assert_non_null(snapshot_memory_find(&rig->memory, 5));
}

/* As a backup does while newer ones come: what it reads is neither removed nor replaced. */
static void a_snapshot_stays_as_long_as_it_is_read(void **state)
{
    struct rig *rig = *state;
    struct snapshot_reader *reader;
    struct snapshot_info info;
    open_both(rig);
    write_one(rig, 5);
    assert_int_equal(snapshot_reader_open(rig->snapshots, 5, 0, &reader, &info), 0);
    write_one(rig, 8);
    snapshot_store_remove_below(rig->snapshots, 8);
    size_t read_bytes = 0;
    do {
        assert_int_equal(snapshot_reader_read(reader, 9), 0);
        assert_null(settle(rig));
        assert_int_equal(rig->read_status, 0);
        read_bytes += rig->read_bytes;
    } while (rig->read_bytes > 0);
    assert_int_equal(read_bytes, info.size_bytes);
    assert_non_null(snapshot_memory_find(&rig->memory, 5));
    snapshot_reader_close(reader);
    assert_null(settle(rig));
    assert_null(snapshot_memory_find(&rig->memory, 5));
    assert_non_null(snapshot_memory_find(&rig->memory, 8));
}

/* From then on it is not asked again, and what it had is over. */
static void a_store_that_tells_of_what_it_was_not_given_is_none(void **state)
{
    struct rig *rig = *state;
    static const enum snapshot_memory_wrong wrongs[] = {SNAPSHOT_MEMORY_ENDS_TWICE,
                                                        SNAPSHOT_MEMORY_ENDS_ANOTHER};
    struct snapshot_reader *reader;
    struct snapshot_info info;
    for (size_t i = 0; i < COUNT_OF(wrongs); i++) {
        open_both(rig);
        write_one(rig, 5 + i);
        assert_int_equal(snapshot_reader_open(rig->snapshots, 5 + i, 0, &reader, &info), 0);
        rig->memory.is_held = true;
        assert_int_equal(snapshot_reader_read(reader, 9), 0);
        assert_null(settle(rig));
        rig->memory.is_held = false;
        rig->memory.wrong = wrongs[i];
        rig->read_count = 0;
        rig->done_count = 0;
        assert_int_equal(snapshot_writer_begin(rig->snapshots,
                                               &(struct wal_base){.term = 2, .index = 9}, 0, false),
                         0);
        const char *words = settle(rig);
        assert_non_null(words);
        assert_non_null(strstr(words, "not given"));
        assert_null(rig->memory.host); /* closed */
        assert_int_equal(rig->read_count, 1);
        assert_int_equal(rig->read_status, QR_ERR_CORRUPT);
        unsigned before = rig->memory.call_count;
        assert_int_equal(snapshot_reader_read(reader, 9), 0);
        assert_non_null(settle(rig));
        assert_int_equal(rig->read_count, 2);
        assert_int_equal(rig->memory.call_count, before);
        snapshot_writer_abandon(rig->snapshots);
        snapshot_reader_close(reader);
        close_both(rig);
        rig->memory.wrong = SNAPSHOT_MEMORY_NOTHING;
    }
}

/* A start takes what it can get for what it is: that one is damaged, and there may be others. */
static void what_a_start_finds_wrong_is_refused(void **state)
{
    struct rig *rig = *state;
    static const struct {
        enum snapshot_memory_wrong wrong;
        const char *words;
    } cases[] = {
        {SNAPSHOT_MEMORY_READS_WRONG, "a header that is not whole"},
        {SNAPSHOT_MEMORY_LISTS_WRONG_SIZE, "bytes behind the end"},
        {SNAPSHOT_MEMORY_ENDS_ANOTHER, "cannot be read back"},
    };
    open_both(rig);
    write_one(rig, 5);
    close_both(rig);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        rig->memory.wrong = cases[i].wrong;
        open_both(rig);
        assert_false(rig->found.has_newest);
        assert_int_equal(rig->found.refused_status, QR_ERR_CORRUPT);
        if (strstr(rig->why, cases[i].words) == NULL) {
            fail_msg("\"%s\" does not say \"%s\"", rig->why, cases[i].words);
        }
        if (cases[i].wrong == SNAPSHOT_MEMORY_ENDS_ANOTHER) { /* closed, and not asked again */
            assert_null(rig->memory.host);
            snapshot_store_free(rig->snapshots);
            assert_int_equal(open_snapshots(rig), QR_ERR_CORRUPT);
            rig->snapshots = NULL;
        }
        close_both(rig);
    }
    rig->memory.wrong = SNAPSHOT_MEMORY_NOTHING;
    open_both(rig);
    assert_true(rig->found.has_newest);
}

static void a_start_that_cannot_read_at_all_fails(void **state)
{
    struct rig *rig = *state;
    open_both(rig);
    write_one(rig, 5);
    close_both(rig);
    assert_int_equal(open_adapter(rig), 0);
    atomic_store(&rig->memory.status, QR_ERR_IO);
    assert_int_equal(open_snapshots(rig), QR_ERR_IO);
    rig->memory.list_status = QR_ERR_NO_MEMORY;
    assert_int_equal(open_snapshots(rig), QR_ERR_NO_MEMORY);
    rig->memory.list_status = 1;
    assert_int_equal(open_snapshots(rig), QR_ERR_IO);
}

static void a_store_that_does_not_open_says_why(void **state)
{
    struct rig *rig = *state;
    static const int told[] = {QR_ERR_LOCKED, QR_ERR_FOREIGN, QR_ERR_CORRUPT, QR_ERR_DISK_FULL, 5};
    static const int meant[] = {QR_ERR_LOCKED, QR_ERR_FOREIGN, QR_ERR_CORRUPT, QR_ERR_DISK_FULL,
                                QR_ERR_IO};
    for (size_t i = 0; i < COUNT_OF(told); i++) {
        rig->memory.open_status = told[i];
        assert_int_equal(open_adapter(rig), meant[i]);
        assert_null(rig->adapter);
        assert_non_null(strstr(rig->detail, "snapshot_store: it does not open: xxx"));
    }
    rig->memory.open_status = 0;
    rig->heap.fail_at = rig->heap.allocate_count + 1;
    assert_int_equal(open_adapter(rig), QR_ERR_NO_MEMORY);
    assert_int_equal(rig->memory.open_count, COUNT_OF(told));
}

#define RIG(name) cmocka_unit_test_setup_teardown(name, set_up_rig, tear_down_rig)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG(what_is_written_is_found_again_and_read),
        RIG(nothing_is_begun_before_the_first_round),
        RIG(what_was_never_begun_is_dropped),
        RIG(what_ends_within_its_call_is_told_in_a_later_round),
        RIG(a_snapshot_stays_as_long_as_it_is_read),
        RIG(a_failure_is_told_as_one_that_there_is),
        RIG(what_is_given_up_is_abandoned_and_nothing_else),
        RIG(a_store_that_tells_of_what_it_was_not_given_is_none),
        RIG(what_a_start_finds_wrong_is_refused),
        RIG(a_start_that_cannot_read_at_all_fails),
        RIG(a_store_that_does_not_open_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
