/* test_engine_snapshot_store.c: snapshots in stores of a program's own: what those must keep to,
 * what is made of what they say, and engines that live on them.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uv.h>

#include "engine/snapshot_store.h"
#include "quorate/doctor.h"
#include "quorate/engine.h"
#include "quorate/wal.h"
#include "runtime/clock.h"
#include "support/heap.h"
#include "support/log_file.h"
#include "support/snapshot_folder.h"
#include "support/snapshot_memory.h"
#include "support/snapshot_store_check.h"
#include "support/tally.h"
#include "wal/snapshot_store.h"

#define WAIT_NS (30 * NS_PER_S)

/* What a store must keep to. */

static void a_store_of_files_is_right(void **state)
{
    (void)state;
    char path[64];
    char words[SNAPSHOT_STORE_CHECK_WORDS] = "";
    struct snapshot_folder folder;
    temporary_directory(path);
    snapshot_folder_init(&folder, path);
    if (!snapshot_store_check(&folder.store, NULL, NULL, words)) {
        fail_msg("%s", words);
    }
    temporary_directory_remove(path);
}

static void a_store_that_ends_all_within_the_call_is_right(void **state)
{
    (void)state;
    char words[SNAPSHOT_STORE_CHECK_WORDS] = "";
    struct snapshot_memory memory;
    snapshot_memory_init(&memory, SNAPSHOT_MEMORY_NOTHING);
    if (!snapshot_store_check(&memory.store, snapshot_memory_crash, &memory, words)) {
        fail_msg("%s", words);
    }
    snapshot_memory_deinit(&memory);
}

static void whatever_a_store_does_wrong_is_found_out(void **state)
{
    (void)state;
    for (unsigned i = 1; i < SNAPSHOT_MEMORY_WRONG_COUNT; i++) {
        char words[SNAPSHOT_STORE_CHECK_WORDS] = "";
        struct snapshot_memory memory;
        snapshot_memory_init(&memory, (enum snapshot_memory_wrong)i);
        if (snapshot_store_check(&memory.store, snapshot_memory_crash, &memory, words)) {
            fail_msg("%s is not noticed",
                     snapshot_memory_wrong_name((enum snapshot_memory_wrong)i));
        }
        assert_true(words[0] != '\0');
        snapshot_memory_deinit(&memory);
    }
}

/* What is made of what one says: the adapter, with the snapshots of a node above it. */

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

/* Engines. */

#define NODES 3
#define PADDING_BYTES ((size_t)300 * 1024)

/* A tally whose snapshots are many pieces long. */
struct padded {
    struct tally tally;
    struct qr_state_machine machine;
    size_t skipped_bytes;
};

struct padded_view {
    void *view;
    size_t given_bytes; /* of the padding */
};

static int padded_open(void *context, void **snapshot)
{
    struct padded *padded = context;
    struct padded_view *view = calloc(1, sizeof(*view));
    *snapshot = view;
    return padded->tally.machine.snapshot_open(&padded->tally, &view->view);
}

static int padded_read(void *context, void *snapshot, void *buffer, size_t size_bytes,
                       size_t *read_bytes)
{
    struct padded *padded = context;
    struct padded_view *view = snapshot;
    size_t left = PADDING_BYTES - view->given_bytes;
    uint64_t chance = view->given_bytes + 1;
    if (left == 0) {
        return padded->tally.machine.snapshot_read(&padded->tally, view->view, buffer, size_bytes,
                                                   read_bytes);
    }
    *read_bytes = left < size_bytes ? left : size_bytes;
    for (size_t i = 0; i < *read_bytes; i++) {
        chance = chance * UINT64_C(6364136223846793005) + 1442695040888963407U;
        ((uint8_t *)buffer)[i] = (uint8_t)(chance >> 56);
    }
    view->given_bytes += *read_bytes;
    return 0;
}

static void padded_close(void *context, void *snapshot)
{
    struct padded *padded = context;
    struct padded_view *view = snapshot;
    padded->tally.machine.snapshot_close(&padded->tally, view->view);
    free(view);
}

static int padded_restore_begin(void *context)
{
    struct padded *padded = context;
    padded->skipped_bytes = 0;
    return padded->tally.machine.restore_begin(&padded->tally);
}

static int padded_restore_write(void *context, const void *data, size_t size_bytes)
{
    struct padded *padded = context;
    size_t left = PADDING_BYTES - padded->skipped_bytes;
    size_t skipped = left < size_bytes ? left : size_bytes;
    padded->skipped_bytes += skipped;
    return size_bytes == skipped
               ? 0
               : padded->tally.machine.restore_write(
                     &padded->tally, (const uint8_t *)data + skipped, size_bytes - skipped);
}

static void padded_init(struct padded *padded)
{
    tally_init(&padded->tally);
    padded->machine = padded->tally.machine; /* its own functions have the same context, */
    padded->machine.context = padded;        /* for it stands at the beginning */
    padded->machine.snapshot_open = padded_open;
    padded->machine.snapshot_read = padded_read;
    padded->machine.snapshot_close = padded_close;
    padded->machine.restore_begin = padded_restore_begin;
    padded->machine.restore_write = padded_restore_write;
}

struct member {
    char directory[64];
    char path[64]; /* of the folder */
    char address[32];
    struct padded padded;
    struct snapshot_folder folder;
    const struct qr_snapshot_store *store; /* NULL: none */
    struct log_file log;
    struct qr_engine *engine;
    struct qr_status status;
    char detail[QR_ERROR_DETAIL_BYTES];
    pthread_mutex_t mutex;
    bool has_stopped; /* under the mutex, like all below */
    int stop_status;
    char stop_reason[QR_ERROR_DETAIL_BYTES];
    unsigned answer_count;
    unsigned refused_count;
    int answer_status;
};

struct bench {
    struct member members[NODES];
    uv_loop_t loop;
    bool has_loop; /* the first one lives there */
    bool has_logs; /* in stores of their own, too */
};

static int set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    for (size_t i = 0; i < NODES; i++) {
        struct member *member = &bench->members[i];
        temporary_directory(member->directory);
        temporary_directory(member->path);
        free_address(member->address);
        padded_init(&member->padded);
        snapshot_folder_init(&member->folder, member->path);
        log_file_init(&member->log, member->path);
        member->store = &member->folder.store;
        member->status.size_bytes = sizeof(member->status);
        pthread_mutex_init(&member->mutex, NULL);
    }
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    for (size_t i = 0; i < NODES; i++) {
        struct member *member = &bench->members[i];
        qr_engine_free(member->engine);
        tally_deinit(&member->padded.tally);
        log_file_deinit(&member->log);
        temporary_directory_remove(member->directory);
        temporary_directory_remove(member->path);
        pthread_mutex_destroy(&member->mutex);
    }
    free(bench);
    return 0;
}

static void on_stopped(void *argument, int status, const char *reason)
{
    struct member *member = argument;
    pthread_mutex_lock(&member->mutex);
    member->has_stopped = true;
    member->stop_status = status;
    (void)snprintf(member->stop_reason, sizeof(member->stop_reason), "%s", reason);
    pthread_mutex_unlock(&member->mutex);
}

static int try_open(struct bench *bench, size_t at)
{
    struct member *member = &bench->members[at];
    char name[8];
    (void)snprintf(name, sizeof(name), "n%zu", at + 1);
    struct qr_engine_options options = {
        .size_bytes = sizeof(options),
        .state_machine = &member->padded.machine,
        .name = name,
        .data_directory = member->directory,
        .peer_address = member->address,
        .is_bootstrap = at == 0,
        .join = at == 0 ? NULL : bench->members[0].address,
        .limits = qr_limits_default(),
        .loop = bench->has_loop ? &bench->loop : NULL,
        .on_stopped = on_stopped,
        .argument = member,
        .log_store = bench->has_logs ? &member->log.table : NULL,
        .snapshot_store = member->store,
    };
    /* Sanitizers and a busy machine are slow; elections are not what is tested here. */
    options.limits.election_timeout_min_ms = 500;
    options.limits.election_timeout_max_ms = 1000;
    options.limits.segment_bytes = UINT64_C(1) << 20;
    options.limits.max_log_entries = 100;
    options.limits.max_message_bytes = UINT64_C(1) << 16;
    member->has_stopped = false;
    return qr_engine_open(&options, &member->engine, member->detail);
}

static void open_member(struct bench *bench, size_t at)
{
    int status = try_open(bench, at);
    if (status != 0) {
        fail_msg("%s", bench->members[at].detail);
    }
}

static void close_member(struct bench *bench, size_t at)
{
    qr_engine_free(bench->members[at].engine);
    bench->members[at].engine = NULL;
}

/* Its process is a new one. */
static void forget(struct member *member)
{
    tally_deinit(&member->padded.tally);
    padded_init(&member->padded);
}

/* Wait until it holds of the member. */
static void wait_until(struct bench *bench, size_t at, bool (*holds)(struct member *member))
{
    struct member *member = &bench->members[at];
    time_ns limit_ns = runtime_now_ns() + WAIT_NS;
    while (!holds(member)) {
        struct timespec wait = {.tv_nsec = 2000000};
        assert_true(runtime_now_ns() < limit_ns);
        (void)nanosleep(&wait, NULL);
    }
}

static bool leads(struct member *member)
{
    return qr_is_leader(member->engine);
}

static bool is_short(struct member *member)
{
    qr_status(member->engine, &member->status);
    return member->status.first_index > 1;
}

static bool has_stopped(struct member *member)
{
    pthread_mutex_lock(&member->mutex);
    bool is_so = member->has_stopped;
    pthread_mutex_unlock(&member->mutex);
    return is_so;
}

static bool is_answered(struct member *member)
{
    pthread_mutex_lock(&member->mutex);
    bool is_so = member->answer_count == 0;
    pthread_mutex_unlock(&member->mutex);
    return is_so;
}

static void note_answer(struct member *member, int status)
{
    pthread_mutex_lock(&member->mutex);
    member->answer_count--; /* of those that are waited for */
    member->refused_count += status != 0 ? 1 : 0;
    member->answer_status = status;
    pthread_mutex_unlock(&member->mutex);
}

static void on_answer(void *argument, int status, uint64_t index, const struct qr_result *result)
{
    (void)index;
    (void)result;
    note_answer(argument, status);
}

static void on_snapshot(void *argument, int status, uint64_t index)
{
    (void)index;
    note_answer(argument, status);
}

static void begin_answers(struct member *member, unsigned count)
{
    pthread_mutex_lock(&member->mutex);
    member->answer_count += count;
    pthread_mutex_unlock(&member->mutex);
}

/* So many ones more. */
static void add(struct bench *bench, size_t at, unsigned count)
{
    struct member *member = &bench->members[at];
    const uint8_t payload = 1;
    struct qr_proposal proposal = {
        .size_bytes = sizeof(proposal), .payload = &payload, .payload_bytes = 1};
    begin_answers(member, count);
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(qr_propose(member->engine, &proposal, on_answer, member), 0);
    }
    wait_until(bench, at, is_answered);
    assert_int_equal(member->refused_count, 0);
}

static int take_snapshot(struct bench *bench, size_t at)
{
    struct member *member = &bench->members[at];
    begin_answers(member, 1);
    assert_int_equal(qr_snapshot(member->engine, on_snapshot, member), 0);
    wait_until(bench, at, is_answered);
    member->refused_count = 0;
    return member->answer_status;
}

static bool has_all_400(struct member *member)
{
    return tally_sum(&member->padded.tally) == 400;
}

static size_t count_snapshot_files(const char *path)
{
    size_t count = 0;
    DIR *listing = opendir(path);
    assert_non_null(listing);
    const struct dirent *entry = readdir(listing);
    for (; entry != NULL; entry = readdir(listing)) {
        count += snapshot_is_file(entry->d_name) ? 1 : 0;
    }
    (void)closedir(listing);
    return count;
}

/* A log that was compacted leads nobody anywhere: all that is here came through the stores. */
static void live_on_stores(struct bench *bench)
{
    open_member(bench, 0);
    wait_until(bench, 0, leads);
    add(bench, 0, 400);
    assert_int_equal(take_snapshot(bench, 0), 0);
    wait_until(bench, 0, is_short);
    for (size_t i = 1; i < NODES; i++) {
        open_member(bench, i);
        wait_until(bench, i, has_all_400);
        struct member *member = &bench->members[i];
        assert_true(member->padded.tally.restore_count > 0);
        assert_true(atomic_load(&member->folder.ended[SNAPSHOT_FOLDER_PUBLISH]) > 0);
    }
    /* Many pieces went out of the store: not one was kept in memory. */
    assert_true(atomic_load(&bench->members[0].folder.ended[SNAPSHOT_FOLDER_READ]) >= 5);
    for (size_t i = 0; i < NODES; i++) {
        close_member(bench, i);
        assert_int_equal(count_snapshot_files(bench->members[i].directory), 0);
    }
    for (size_t i = 0; i < NODES; i++) {
        struct member *member = &bench->members[i];
        forget(member);
        open_member(bench, i);
        assert_int_equal(member->padded.tally.restore_count, 1);
    }
    for (size_t i = 0; i < NODES; i++) {
        wait_until(bench, i, has_all_400);
    }
}

static void a_cluster_lives_on_stores_of_its_own(void **state)
{
    live_on_stores(*state);
}

/* And nothing else: who joins late begins its log, in its store, behind the snapshot in the other.
 */
static void a_cluster_lives_with_its_logs_in_stores_too(void **state)
{
    struct bench *bench = *state;
    bench->has_logs = true;
    live_on_stores(bench);
}

/* Its log grows meanwhile, and nothing else happens; when the store works again, so does all. */
static void a_store_that_fails_costs_nothing_but_the_length_of_the_log(void **state)
{
    struct bench *bench = *state;
    struct snapshot_folder *folder = &bench->members[0].folder;
    open_member(bench, 0);
    wait_until(bench, 0, leads);
    atomic_store(&folder->fails[SNAPSHOT_FOLDER_WRITE], QR_ERR_DISK_FULL);
    add(bench, 0, 200);
    assert_int_equal(take_snapshot(bench, 0), QR_ERR_DISK_FULL);
    atomic_store(&folder->fails[SNAPSHOT_FOLDER_WRITE], 0);
    atomic_store(&folder->fails[SNAPSHOT_FOLDER_PUBLISH], 12345);
    assert_int_equal(take_snapshot(bench, 0), QR_ERR_IO);
    add(bench, 0, 200);
    assert_false(is_short(&bench->members[0]));
    assert_int_equal(bench->members[0].status.snapshot_index, 0);
    atomic_store(&folder->fails[SNAPSHOT_FOLDER_PUBLISH], 0);
    assert_int_equal(take_snapshot(bench, 0), 0);
    wait_until(bench, 0, is_short);
    /* A member that it cannot read a snapshot for waits. */
    atomic_store(&folder->fails[SNAPSHOT_FOLDER_READ], QR_ERR_IO);
    open_member(bench, 1);
    unsigned before = atomic_load(&folder->ended[SNAPSHOT_FOLDER_READ]);
    time_ns limit_ns = runtime_now_ns() + WAIT_NS;
    while (atomic_load(&folder->ended[SNAPSHOT_FOLDER_READ]) == before) {
        assert_true(runtime_now_ns() < limit_ns);
    }
    assert_int_equal(tally_sum(&bench->members[1].padded.tally), 0);
    atomic_store(&folder->fails[SNAPSHOT_FOLDER_READ], 0);
    wait_until(bench, 1, has_all_400);
}

/* A newest snapshot that is not what it was, where the log needs it. */
static void a_start_from_a_damaged_store_is_refused_in_words(void **state)
{
    struct bench *bench = *state;
    struct member *member = &bench->members[0];
    open_member(bench, 0);
    wait_until(bench, 0, leads);
    add(bench, 0, 400);
    assert_int_equal(take_snapshot(bench, 0), 0);
    wait_until(bench, 0, is_short);
    close_member(bench, 0);
    char command[160];
    (void)snprintf(command, sizeof(command), "for f in '%s'/*; do echo x >> \"$f\"; done",
                   member->path);
    assert_int_equal(system(command), 0);
    assert_int_equal(try_open(bench, 0), QR_ERR_CORRUPT);
    assert_non_null(strstr(member->detail, "missing or damaged"));
    assert_non_null(strstr(member->detail, "bytes behind the end"));
    (void)snprintf(command, sizeof(command), "rm '%s'/*", member->path);
    assert_int_equal(system(command), 0);
    assert_int_equal(try_open(bench, 0), QR_ERR_CORRUPT);
    assert_non_null(strstr(member->detail, "none is there"));
}

static void a_store_that_lies_ends_the_engine_in_words(void **state)
{
    struct bench *bench = *state;
    struct member *member = &bench->members[0];
    static const enum snapshot_memory_wrong wrongs[] = {SNAPSHOT_MEMORY_ENDS_TWICE,
                                                        SNAPSHOT_MEMORY_ENDS_ANOTHER};
    for (size_t i = 0; i < COUNT_OF(wrongs); i++) {
        struct snapshot_memory memory;
        snapshot_memory_init(&memory, wrongs[i]);
        member->store = &memory.store;
        open_member(bench, 0);
        wait_until(bench, 0, leads);
        add(bench, 0, 1);
        assert_int_equal(take_snapshot(bench, 0) == 0, false);
        wait_until(bench, 0, has_stopped);
        assert_int_equal(member->stop_status, QR_ERR_CORRUPT);
        assert_non_null(strstr(member->stop_reason, "the snapshot store told of a ticket"));
        close_member(bench, 0);
        snapshot_memory_deinit(&memory);
        forget(member);
    }
}

/* One that does not open, or fails behind its opening, leaves nothing behind. */
static void an_engine_whose_store_does_not_open_does_not(void **state)
{
    struct bench *bench = *state;
    struct member *member = &bench->members[0];
    struct snapshot_memory memory;
    snapshot_memory_init(&memory, SNAPSHOT_MEMORY_NOTHING);
    member->store = &memory.store;
    memory.open_status = QR_ERR_LOCKED;
    assert_int_equal(try_open(bench, 0), QR_ERR_LOCKED);
    assert_non_null(strstr(member->detail, "snapshot_store: it does not open"));
    memory.open_status = 0;
    memory.list_status = QR_ERR_IO;
    assert_int_equal(try_open(bench, 0), QR_ERR_IO);
    assert_null(memory.host);
    memory.list_status = 0;
    open_member(bench, 0);
    close_member(bench, 0);
    assert_null(memory.host);
    snapshot_memory_deinit(&memory);
}

/* Not taken for a loss: each kind of start says what the other one had. */
static void a_start_with_another_kind_of_store_is_refused(void **state)
{
    struct bench *bench = *state;
    struct member *own = &bench->members[0];
    open_member(bench, 0);
    close_member(bench, 0);
    own->store = NULL;
    assert_int_equal(try_open(bench, 0), QR_ERR_INVALID);
    assert_non_null(strstr(own->detail, "snapshots of this node are in a store of the program's"));
    struct qr_wal_summary summary;
    assert_int_equal(qr_wal_inspect(own->directory, false, NULL, NULL, &summary, own->detail),
                     QR_ERR_INVALID);
    assert_non_null(strstr(own->detail, "in a store of the program's"));
    temporary_directory_remove(own->directory);
    temporary_directory(own->directory);
    open_member(bench, 0);
    close_member(bench, 0);
    own->store = &own->folder.store;
    assert_int_equal(try_open(bench, 0), QR_ERR_INVALID);
    assert_non_null(strstr(own->detail, "snapshots of this node are in the data directory"));
}

static void a_table_that_is_none_is_refused(void **state)
{
    struct bench *bench = *state;
    struct member *member = &bench->members[0];
    struct qr_snapshot_store table = member->folder.store;
    member->store = &table;
    for (size_t at = offsetof(struct qr_snapshot_store, open); at < sizeof(table);
         at += sizeof(table.open)) {
        table = member->folder.store;
        memset((uint8_t *)&table + at, 0, sizeof(table.open));
        assert_int_equal(try_open(bench, 0), QR_ERR_INVALID);
        assert_non_null(strstr(member->detail, "snapshot_store: one of its functions is missing"));
    }
    table = member->folder.store;
    table.size_bytes = 0;
    assert_int_equal(try_open(bench, 0), QR_ERR_INVALID);
    table.size_bytes = sizeof(table) - 1;
    assert_int_equal(try_open(bench, 0), QR_ERR_INVALID);
    struct {
        struct qr_snapshot_store table;
        void (*later)(void);
    } later = {.table = member->folder.store};
    later.table.size_bytes = sizeof(later);
    member->store = &later.table;
    open_member(bench, 0); /* it has nothing that is not understood */
    close_member(bench, 0);
    memset(&later.later, 1, sizeof(later.later));
    assert_int_equal(try_open(bench, 0), QR_ERR_VERSION);
    assert_non_null(strstr(member->detail, "does not know"));
}

/* It waits for what the store has still to end. */
static void stop_with_something_under_way(struct bench *bench, struct snapshot_memory *memory)
{
    struct member *member = &bench->members[0];
    const uint8_t payload = 1;
    struct qr_proposal proposal = {
        .size_bytes = sizeof(proposal), .payload = &payload, .payload_bytes = 1};
    begin_answers(member, 1);
    assert_int_equal(qr_propose(member->engine, &proposal, on_answer, member), 0);
    while (!is_answered(member)) {
        (void)uv_run(&bench->loop, UV_RUN_ONCE);
    }
    memory->is_held = true;
    begin_answers(member, 1);
    assert_int_equal(qr_snapshot(member->engine, on_snapshot, member), 0);
    while (memory->held_count == 0) {
        (void)uv_run(&bench->loop, UV_RUN_ONCE);
    }
    qr_engine_stop(member->engine);
    while (!is_answered(member)) {
        (void)uv_run(&bench->loop, UV_RUN_ONCE);
    }
    assert_int_equal(member->answer_status, QR_ERR_STOPPED);
    for (unsigned i = 0; i < 100; i++) {
        (void)uv_run(&bench->loop, UV_RUN_NOWAIT);
    }
    assert_false(member->has_stopped);
    snapshot_memory_release(memory);
    (void)uv_run(&bench->loop, UV_RUN_DEFAULT);
    assert_true(member->has_stopped);
}

/* All of it on one thread, and the store's calls within those of the engine. */
static void an_engine_on_a_callers_loop_has_a_store_there_too(void **state)
{
    struct bench *bench = *state;
    struct member *member = &bench->members[0];
    struct snapshot_memory memory;
    snapshot_memory_init(&memory, SNAPSHOT_MEMORY_NOTHING);
    member->store = &memory.store;
    bench->has_loop = true;
    assert_int_equal(uv_loop_init(&bench->loop), 0);
    for (unsigned life = 0; life < 2; life++) {
        open_member(bench, 0);
        assert_int_equal(member->padded.tally.restore_count, life);
        while (!leads(member)) {
            (void)uv_run(&bench->loop, UV_RUN_ONCE);
        }
        begin_answers(member, 1);
        assert_int_equal(qr_snapshot(member->engine, on_snapshot, member), 0);
        while (!is_answered(member)) {
            (void)uv_run(&bench->loop, UV_RUN_ONCE);
        }
        assert_int_equal(member->answer_status, 0);
        stop_with_something_under_way(bench, &memory);
        close_member(bench, 0);
        assert_null(memory.host);
    }
    assert_int_equal(uv_loop_close(&bench->loop), 0);
    snapshot_memory_deinit(&memory);
}

#define RIG(name) cmocka_unit_test_setup_teardown(name, set_up_rig, tear_down_rig)
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    static const struct CMUnitTest cases[] = {
        cmocka_unit_test(a_store_of_files_is_right),
        cmocka_unit_test(a_store_that_ends_all_within_the_call_is_right),
        cmocka_unit_test(whatever_a_store_does_wrong_is_found_out),
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
        CASE(a_cluster_lives_on_stores_of_its_own),
        CASE(a_cluster_lives_with_its_logs_in_stores_too),
        CASE(a_store_that_fails_costs_nothing_but_the_length_of_the_log),
        CASE(a_start_from_a_damaged_store_is_refused_in_words),
        CASE(a_store_that_lies_ends_the_engine_in_words),
        CASE(an_engine_whose_store_does_not_open_does_not),
        CASE(a_start_with_another_kind_of_store_is_refused),
        CASE(a_table_that_is_none_is_refused),
        CASE(an_engine_on_a_callers_loop_has_a_store_there_too),
    };
    return cmocka_run_group_tests_name("engine_snapshot_store", cases, NULL, NULL);
}
