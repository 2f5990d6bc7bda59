/* test_engine_plain.c: a state machine out of a struct and one function. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/plain.h"

#include <string.h>

#include "support/heap.h"
#include "support/unit.h"

struct total {
    int64_t sum;
    int64_t count;
};

/* A later version of the same program. */
struct longer_total {
    int64_t sum;
    int64_t count;
    int64_t highest;
};

/* Adds a number, and replies with the sum; what is shorter stops the node. */
static int add(void *state, const struct qr_entry *entry, struct qr_plain_reply *reply)
{
    struct total *total = state;
    int64_t number;
    if (entry->payload_bytes != sizeof(number)) {
        return QR_ERR_NO_MEMORY;
    }
    memcpy(&number, entry->payload, sizeof(number));
    total->sum += number;
    total->count++;
    return qr_plain_answer(reply, &total->sum, sizeof(total->sum));
}

struct rig {
    struct heap heap;
    struct total total;
    struct qr_state_machine machine;
    struct qr_result results[QR_APPLY_ENTRIES_MAX];
};

static int set_up(void **state)
{
    static struct rig rig;
    memset(&rig, 0, sizeof(rig));
    heap_init(&rig.heap);
    struct qr_plain_options options = {
        .size_bytes = sizeof(options),
        .state = &rig.total,
        .apply = add,
        .state_bytes = sizeof(rig.total),
    };
    assert_int_equal(plain_new(&options, &rig.heap.allocator, &rig.machine), 0);
    *state = &rig;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    qr_plain_free(&rig->machine);
    heap_deinit(&rig->heap);
    return 0;
}

static int apply_number(struct rig *rig, int64_t number)
{
    struct qr_entry entry = {.payload = &number, .payload_bytes = sizeof(number)};
    memset(rig->results, 0, sizeof(rig->results));
    return rig->machine.apply(rig->machine.context, &entry, 1, rig->results);
}

static uint64_t digest_of(const struct qr_state_machine *machine)
{
    return machine->digest(machine->context);
}

/* The whole of a snapshot, read in pieces of so many bytes; returns its size. */
static size_t read_all(const struct qr_state_machine *machine, void *snapshot, uint8_t *out,
                       size_t piece_bytes)
{
    size_t size_bytes = 0;
    size_t read_bytes;
    do {
        int status = machine->snapshot_read(machine->context, snapshot, out + size_bytes,
                                            piece_bytes, &read_bytes);
        assert_int_equal(status, 0);
        size_bytes += read_bytes;
    } while (read_bytes > 0);
    return size_bytes;
}

static size_t snapshot_of(const struct qr_state_machine *machine, uint8_t *out)
{
    void *snapshot;
    assert_int_equal(machine->snapshot_open(machine->context, &snapshot), 0);
    size_t size_bytes = read_all(machine, snapshot, out, QR_SNAPSHOT_SLICE_BYTES_MIN);
    machine->snapshot_close(machine->context, snapshot);
    return size_bytes;
}

/* Take over a snapshot in pieces of so many bytes. */
static int restore(const struct qr_state_machine *machine, const uint8_t *bytes, size_t size_bytes,
                   size_t piece_bytes)
{
    int status = machine->restore_begin(machine->context);
    for (size_t at = 0; at < size_bytes && status == 0; at += piece_bytes) {
        size_t count = size_bytes - at < piece_bytes ? size_bytes - at : piece_bytes;
        status = machine->restore_write(machine->context, bytes + at, count);
    }
    return status == 0 ? machine->restore_end(machine->context) : status;
}

static void the_results_of_a_batch_live_until_the_next(void **state)
{
    struct rig *rig = *state;
    static struct qr_entry entries[QR_APPLY_ENTRIES_MAX];
    static int64_t numbers[QR_APPLY_ENTRIES_MAX];
    for (size_t i = 0; i < QR_APPLY_ENTRIES_MAX; i++) {
        numbers[i] = (int64_t)i;
        entries[i].payload = &numbers[i];
        entries[i].payload_bytes = sizeof(numbers[i]);
    }
    int status =
        rig->machine.apply(rig->machine.context, entries, QR_APPLY_ENTRIES_MAX, rig->results);
    assert_int_equal(status, 0);
    int64_t sum = 0;
    for (size_t i = 0; i < QR_APPLY_ENTRIES_MAX; i++) {
        sum += (int64_t)i;
        assert_int_equal(rig->results[i].size_bytes, sizeof(sum));
        assert_memory_equal(rig->results[i].data, &sum, sizeof(sum));
    }
    assert_int_equal(rig->total.sum, sum);
    assert_int_equal(rig->total.count, QR_APPLY_ENTRIES_MAX);
}

static void applying_allocates_nothing(void **state)
{
    struct rig *rig = *state;
    uint64_t before = rig->heap.allocate_count;
    assert_int_equal(apply_number(rig, 5), 0);
    (void)digest_of(&rig->machine);
    assert_int_equal(rig->heap.allocate_count, before);
}

static void a_tick_is_not_handed_on(void **state)
{
    struct rig *rig = *state;
    struct qr_entry tick = {.index = 7};
    assert_int_equal(rig->machine.apply(rig->machine.context, &tick, 1, rig->results), 0);
    assert_int_equal(rig->total.count, 0);
}

/* Log time moves the state of a program that asked for ticks. */
static int note_time(void *state, const struct qr_entry *entry, struct qr_plain_reply *reply)
{
    struct total *total = state;
    (void)reply;
    total->sum = (int64_t)entry->timestamp_ns;
    total->count += entry->command_bytes == 0 && entry->payload_bytes == 0;
    return 0;
}

static uint64_t wants_tick(const void *state)
{
    const struct total *total = state;
    return (uint64_t)total->sum + 10;
}

static void a_state_that_asked_for_ticks_gets_them(void **unused)
{
    struct total total = {0};
    struct qr_plain_options options = {.size_bytes = sizeof(options),
                                       .state = &total,
                                       .apply = note_time,
                                       .state_bytes = sizeof(total),
                                       .wake_at = wants_tick};
    struct qr_state_machine machine;
    (void)unused;
    assert_int_equal(qr_plain_new(&options, &machine), 0);
    assert_int_equal(machine.wake_at(machine.context), 10);
    struct qr_entry tick = {.timestamp_ns = 30};
    struct qr_result result = {0};
    assert_int_equal(machine.apply(machine.context, &tick, 1, &result), 0);
    assert_int_equal(total.count, 1);
    assert_int_equal(machine.wake_at(machine.context), 40);
    qr_plain_free(&machine);
}

static void what_cannot_go_on_ends_the_batch(void **state)
{
    struct rig *rig = *state;
    int64_t number = 4;
    struct qr_entry entries[3] = {
        {.payload = &number, .payload_bytes = sizeof(number)},
        {.payload = &number, .payload_bytes = 1},
        {.payload = &number, .payload_bytes = sizeof(number)},
    };
    int status = rig->machine.apply(rig->machine.context, entries, 3, rig->results);
    assert_int_equal(status, QR_ERR_NO_MEMORY);
    assert_int_equal(rig->total.count, 1);
}

static int reject_odd(void *state, const struct qr_entry *entry, struct qr_plain_reply *reply)
{
    int64_t *count = state;
    if (entry->payload_bytes % 2 == 1) {
        (void)qr_plain_answer(reply, "odd", 3);
        return entry->payload_bytes == 1 ? QR_ERR_REJECTED : 77;
    }
    (*count)++;
    return 0;
}

static void what_is_rejected_does_not_end_the_batch(void **state)
{
    int64_t count = 0;
    struct qr_state_machine machine;
    struct qr_result results[4] = {{0}};
    struct qr_entry entries[4];
    (void)state;
    assert_int_equal(qr_plain_state(&machine, &count, sizeof(count), reject_odd), 0);
    for (size_t i = 0; i < COUNT_OF(entries); i++) {
        entries[i] = (struct qr_entry){.payload = "abcd", .payload_bytes = i + 1};
    }
    assert_int_equal(machine.apply(machine.context, entries, 4, results), 0);
    assert_int_equal(count, 2);
    for (size_t i = 0; i < COUNT_OF(entries); i++) {
        assert_int_equal(results[i].status, i % 2 == 0 ? QR_ERR_REJECTED : 0);
        assert_int_equal(results[i].size_bytes, i % 2 == 0 ? 3 : 0);
    }
    assert_memory_equal(results[2].data, "odd", 3);
    qr_plain_free(&machine);
}

static int answer_to_the_limit(void *state, const struct qr_entry *entry,
                               struct qr_plain_reply *reply)
{
    uint8_t bytes[65] = {0};
    (void)state;
    (void)entry;
    assert_int_equal(reply->capacity_bytes, 64);
    assert_int_equal(qr_plain_answer(reply, bytes, 64), 0);
    assert_int_equal(qr_plain_answer(reply, bytes, 65), QR_ERR_TOO_LARGE);
    assert_int_equal(qr_plain_answer(reply, NULL, 1), QR_ERR_INVALID);
    assert_int_equal(qr_plain_answer(NULL, bytes, 1), QR_ERR_INVALID);
    assert_int_equal(reply->size_bytes, 64);
    return 0;
}

static void a_reply_has_the_room_that_was_asked_for(void **state)
{
    uint8_t byte = 0;
    struct qr_state_machine machine;
    struct qr_plain_options options = {
        .size_bytes = sizeof(options),
        .state = &byte,
        .apply = answer_to_the_limit,
        .state_bytes = 1,
        .reply_bytes_max = 64,
    };
    struct qr_entry entry = {.command = "x", .command_bytes = 1};
    struct qr_result result;
    (void)state;
    assert_int_equal(qr_plain_new(&options, &machine), 0);
    assert_int_equal(machine.apply(machine.context, &entry, 1, &result), 0);
    assert_int_equal(result.size_bytes, 64);
    qr_plain_free(&machine);
}

static void the_digest_follows_the_state(void **state)
{
    struct rig *rig = *state;
    uint64_t at_first = digest_of(&rig->machine);
    assert_int_equal(apply_number(rig, 5), 0);
    uint64_t then = digest_of(&rig->machine);
    assert_true(at_first != then);
    assert_true(digest_of(&rig->machine) == then);
    assert_int_equal(apply_number(rig, 5), 0);
    assert_true(digest_of(&rig->machine) != then);
}

static void a_snapshot_stays_as_it_is_while_entries_are_applied(void **state)
{
    struct rig *rig = *state;
    uint8_t bytes[256];
    void *snapshot;
    assert_int_equal(apply_number(rig, 42), 0);
    uint64_t digest = digest_of(&rig->machine);
    assert_int_equal(rig->machine.snapshot_open(rig->machine.context, &snapshot), 0);
    assert_int_equal(apply_number(rig, 1000), 0);
    size_t size_bytes = read_all(&rig->machine, snapshot, bytes, 1);
    rig->machine.snapshot_close(rig->machine.context, snapshot);
    assert_int_equal(rig->total.sum, 1042);

    assert_int_equal(restore(&rig->machine, bytes, size_bytes, 1), 0);
    assert_int_equal(rig->total.sum, 42);
    assert_int_equal(rig->total.count, 1);
    assert_true(digest_of(&rig->machine) == digest);
}

static void one_may_be_closed_before_its_end(void **state)
{
    struct rig *rig = *state;
    void *first;
    void *second;
    assert_int_equal(rig->machine.snapshot_open(rig->machine.context, &first), 0);
    assert_int_equal(rig->machine.snapshot_open(rig->machine.context, &second), 0);
    rig->machine.snapshot_close(rig->machine.context, first);
    rig->machine.snapshot_close(rig->machine.context, second);
}

static void a_restore_begins_anew(void **state)
{
    struct rig *rig = *state;
    uint8_t bytes[256];
    assert_int_equal(apply_number(rig, 42), 0);
    size_t size_bytes = snapshot_of(&rig->machine, bytes);
    assert_int_equal(apply_number(rig, 1), 0);
    assert_int_equal(rig->machine.restore_begin(rig->machine.context), 0);
    assert_int_equal(rig->machine.restore_write(rig->machine.context, bytes, size_bytes - 1), 0);
    assert_int_equal(restore(&rig->machine, bytes, size_bytes, 7), 0);
    assert_int_equal(rig->total.sum, 42);
}

static void bytes_that_are_no_snapshot_leave_the_state_alone(void **state)
{
    struct rig *rig = *state;
    uint8_t bytes[256];
    assert_int_equal(apply_number(rig, 42), 0);
    size_t size_bytes = snapshot_of(&rig->machine, bytes);
    for (size_t cut = 0; cut < size_bytes; cut++) {
        assert_int_equal(restore(&rig->machine, bytes, cut, 5), QR_ERR_CORRUPT);
    }
    bytes[size_bytes] = 0;
    assert_int_equal(restore(&rig->machine, bytes, size_bytes + 1, 5), QR_ERR_CORRUPT);
    bytes[0] ^= 1;
    assert_int_equal(restore(&rig->machine, bytes, size_bytes, 5), QR_ERR_CORRUPT);
    assert_int_equal(restore(&rig->machine, bytes, sizeof(bytes), 5), QR_ERR_VERSION);
    assert_int_equal(rig->total.sum, 42);
}

static void a_longer_state_takes_over_that_of_a_shorter_one(void **state)
{
    struct rig *rig = *state;
    struct longer_total longer = {.highest = 7};
    struct qr_state_machine machine;
    uint8_t bytes[256];
    assert_int_equal(apply_number(rig, 42), 0);
    size_t size_bytes = snapshot_of(&rig->machine, bytes);
    assert_int_equal(qr_plain_state(&machine, &longer, sizeof(longer), add), 0);
    assert_int_equal(restore(&machine, bytes, size_bytes, size_bytes), 0);
    assert_int_equal(longer.sum, 42);
    assert_int_equal(longer.highest, 0);
    assert_true(digest_of(&machine) == digest_of(&rig->machine));

    longer.highest = 1; /* nothing that the shorter one could hold */
    size_bytes = snapshot_of(&machine, bytes);
    assert_int_equal(restore(&rig->machine, bytes, size_bytes, 64), QR_ERR_VERSION);
    qr_plain_free(&machine);
}

static void note_sum(void *argument, const void *state)
{
    const struct total *total = state;
    *(int64_t *)argument = total->sum;
}

static void the_state_can_be_read(void **state)
{
    struct rig *rig = *state;
    struct total copy;
    int64_t sum = 0;
    assert_int_equal(apply_number(rig, 42), 0);
    assert_int_equal(qr_plain_read(&rig->machine, &copy), 0);
    assert_memory_equal(&copy, &rig->total, sizeof(copy));
    assert_int_equal(qr_plain_look(&rig->machine, note_sum, &sum), 0);
    assert_int_equal(sum, 42);
    struct qr_state_machine other = {0};
    assert_int_equal(qr_plain_read(&other, &copy), QR_ERR_INVALID);
    assert_int_equal(qr_plain_read(NULL, &copy), QR_ERR_INVALID);
    assert_int_equal(qr_plain_read(&rig->machine, NULL), QR_ERR_INVALID);
    assert_int_equal(qr_plain_look(&other, note_sum, &sum), QR_ERR_INVALID);
    assert_int_equal(qr_plain_look(&rig->machine, NULL, NULL), QR_ERR_INVALID);
}

/* A text that grows: its state is not of one piece. */
struct story {
    const char *words[16];
    size_t count;
    char kept[64];
};

static int tell(void *state, const struct qr_entry *entry, struct qr_plain_reply *reply)
{
    struct story *story = state;
    (void)reply;
    story->words[story->count++] = entry->command_bytes == 3 ? "one" : "more";
    return 0;
}

static size_t save_story(const void *state, void *buffer, size_t capacity_bytes)
{
    const struct story *story = state;
    char *out = buffer;
    size_t size_bytes = 0;
    for (size_t i = 0; i < story->count; i++) {
        size_t length = strlen(story->words[i]);
        if (size_bytes + length > capacity_bytes) {
            return capacity_bytes + 1;
        }
        memcpy(out + size_bytes, story->words[i], length);
        size_bytes += length;
    }
    return size_bytes;
}

static int load_story(void *state, const void *data, size_t size_bytes)
{
    struct story *story = state;
    if (size_bytes >= sizeof(story->kept)) {
        return QR_ERR_CORRUPT;
    }
    memcpy(story->kept, data, size_bytes);
    story->kept[size_bytes] = '\0';
    story->words[0] = story->kept;
    story->count = 1;
    return 0;
}

static void a_state_of_many_pieces_is_saved_and_loaded(void **state)
{
    struct heap heap;
    struct story story = {0};
    struct qr_state_machine machine;
    struct qr_plain_options options = {
        .size_bytes = sizeof(options),
        .state = &story,
        .apply = tell,
        .state_bytes = 10,
        .save = save_story,
        .load = load_story,
    };
    struct qr_entry one = {.command = "one", .command_bytes = 3};
    struct qr_entry more = {.command = "more", .command_bytes = 4};
    struct qr_result result;
    uint8_t bytes[64];
    (void)state;
    heap_init(&heap);
    assert_int_equal(plain_new(&options, &heap.allocator, &machine), 0);
    assert_int_equal(machine.apply(machine.context, &one, 1, &result), 0);
    assert_int_equal(machine.apply(machine.context, &more, 1, &result), 0);
    uint64_t digest = digest_of(&machine);
    size_t size_bytes = snapshot_of(&machine, bytes);
    assert_int_equal(machine.apply(machine.context, &one, 1, &result), 0);
    assert_true(digest_of(&machine) != digest);

    /* Too long for a snapshot now: none is made, and a later one may be. */
    void *snapshot;
    assert_int_equal(machine.apply(machine.context, &one, 1, &result), 0);
    assert_int_equal(machine.snapshot_open(machine.context, &snapshot), QR_ERR_NO_MEMORY);
    assert_int_equal(qr_plain_read(&machine, &story), QR_ERR_INVALID);

    assert_int_equal(restore(&machine, bytes, size_bytes, 1), 0);
    assert_string_equal(story.kept, "onemore");
    assert_true(digest_of(&machine) == digest);
    qr_plain_free(&machine);
    heap_deinit(&heap);
}

static void options_out_of_bounds_are_refused(void **state)
{
    struct total total = {0};
    struct qr_state_machine machine;
    const struct qr_plain_options good = {
        .size_bytes = sizeof(good), .state = &total, .apply = add, .state_bytes = sizeof(total)};
    struct qr_plain_options bad[8];
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        bad[i] = good;
    }
    bad[0].size_bytes--;
    bad[1].state = NULL;
    bad[2].apply = NULL;
    bad[3].state_bytes = 0;
    bad[4].state_bytes = QR_PLAIN_STATE_BYTES_MAX + 1;
    bad[5].reply_bytes_max = QR_PLAIN_REPLY_BYTES_MAX + 1;
    bad[6].save = save_story;
    bad[7].load = load_story;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_int_equal(qr_plain_new(&bad[i], &machine), QR_ERR_INVALID);
        assert_null(machine.context);
        qr_plain_free(&machine);
    }
    assert_int_equal(qr_plain_new(NULL, &machine), QR_ERR_INVALID);
    assert_int_equal(qr_plain_new(&good, NULL), QR_ERR_INVALID);
    qr_plain_free(NULL);
}

static void every_allocation_may_fail(void **state)
{
    struct heap heap;
    struct story story = {0};
    struct qr_state_machine machine;
    struct qr_plain_options options = {
        .size_bytes = sizeof(options),
        .state = &story,
        .apply = tell,
        .state_bytes = 10,
        .save = save_story,
        .load = load_story,
    };
    int status = QR_ERR_NO_MEMORY;
    (void)state;
    heap_init(&heap);
    for (uint64_t fail_at = 1; status != 0; fail_at++) {
        heap.allocate_count = 0;
        heap.fail_at = fail_at;
        status = plain_new(&options, &heap.allocator, &machine);
        assert_true(status == 0 || (status == QR_ERR_NO_MEMORY && heap.block_count == 0));
        assert_true(status != 0 || fail_at == 4);
    }
    void *snapshot;
    heap.fail_at = heap.allocate_count + 1;
    assert_int_equal(machine.snapshot_open(machine.context, &snapshot), QR_ERR_NO_MEMORY);
    heap.fail_at = heap.allocate_count + 1;
    assert_int_equal(machine.restore_begin(machine.context), QR_ERR_NO_MEMORY);
    assert_int_equal(machine.restore_begin(machine.context), 0);
    qr_plain_free(&machine); /* a restore under way is given up */
    heap_deinit(&heap);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(the_results_of_a_batch_live_until_the_next),
        CASE(applying_allocates_nothing),
        CASE(a_tick_is_not_handed_on),
        CASE(what_cannot_go_on_ends_the_batch),
        cmocka_unit_test(a_state_that_asked_for_ticks_gets_them),
        cmocka_unit_test(what_is_rejected_does_not_end_the_batch),
        cmocka_unit_test(a_reply_has_the_room_that_was_asked_for),
        CASE(the_digest_follows_the_state),
        CASE(a_snapshot_stays_as_it_is_while_entries_are_applied),
        CASE(one_may_be_closed_before_its_end),
        CASE(a_restore_begins_anew),
        CASE(bytes_that_are_no_snapshot_leave_the_state_alone),
        CASE(a_longer_state_takes_over_that_of_a_shorter_one),
        CASE(the_state_can_be_read),
        cmocka_unit_test(a_state_of_many_pieces_is_saved_and_loaded),
        cmocka_unit_test(options_out_of_bounds_are_refused),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
