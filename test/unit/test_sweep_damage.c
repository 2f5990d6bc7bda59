/* test_sweep_damage.c: a log is cut at every byte, and every bit of one is flipped.
 *
 * What recovery makes of each is judged by support/wal_story.h. What takes away all marks and
 * notes together with what they are about leaves no witness; then, and only then, is something
 * lost that was acknowledged: docs/wal-format.md, "What leaves no witness".
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "support/sweep.h"
#include "support/unit.h"
#include "support/wal_story.h"

#define CUT_BYTES (UINT64_C(64) * 1024)
#define CUT_SAMPLES 1200
#define FLIP_SAMPLES 3000
#define BITS 8

/* How the last writes of a log stand when it ends. */
enum ending {
    ENDS_MARKED,    /* all durable, and a mark says so */
    ENDS_UNMARKED,  /* all durable, the last three made while none of them was */
    ENDS_IN_FLIGHT, /* more than the last 64 KiB written, and no sync of it reported */
};

struct round {
    size_t back;
    size_t count;
    uint32_t payload_bytes;
};

static struct wal_story story;

static void append(const struct round *round)
{
    wal_story_append(&story, round->back, round->count, round->payload_bytes);
}

static void finish(enum ending ending)
{
    static const struct round last[] = {{0, 3, 90}, {2, 3, 250}, {0, 0, 0}};
    static const struct round in_flight[] = {{0, 8, 3000}, {3, 9, 1200}, {0, 0, 0}, {0, 4, 2000}};
    wal_story_mark(&story);
    for (size_t i = 0; i < 12 && ending == ENDS_IN_FLIGHT; i++) {
        append(&in_flight[i % COUNT_OF(in_flight)]);
    }
    for (size_t i = 0; i < COUNT_OF(last); i++) {
        append(&last[i]);
    }
    if (ending != ENDS_IN_FLIGHT) {
        wal_story_sync(&story, SIZE_MAX);
    }
    if (ending == ENDS_MARKED) {
        wal_story_mark(&story);
    }
    wal_story_end(&story, true);
}

/* Four segments or more: short and long batches, suffixes replaced, hard state alone, batches
 * that are split where a segment ends, and marks in between.
 */
static void make_long_log(enum ending ending)
{
    static const struct round rounds[] = {
        {0, 1, 10}, {0, 3, 200},   {0, 0, 0},   {0, 12, 1000}, {2, 1, 700}, {0, 1, 30000},
        {0, 0, 0},  {0, 20, 1500}, {5, 6, 300}, {0, 2, 50},    {0, 4, 0},   {1, 1, 5000},
    };
    wal_story_begin(&story);
    for (size_t i = 0; i < 3 * COUNT_OF(rounds); i++) {
        append(&rounds[i % COUNT_OF(rounds)]);
        if (i % 4 == 3) {
            wal_story_mark(&story);
        } else if (i % 4 != 1) {
            wal_story_sync(&story, SIZE_MAX);
        } /* else it is under way still when the next one is made */
    }
    finish(ending);
    assert_true(story.writes[story.write_count - 1].at.sequence >= 4);
}

/* A few KiB in the first segment. */
static void make_small_log(enum ending ending)
{
    static const struct round rounds[] = {{0, 2, 20}, {0, 0, 0}, {0, 3, 150}, {1, 1, 100}};
    wal_story_begin(&story);
    for (size_t i = 0; i < COUNT_OF(rounds); i++) {
        append(&rounds[i]);
        wal_story_sync(&story, SIZE_MAX);
    }
    finish(ending);
    assert_int_equal(story.writes[story.write_count - 1].at.sequence, 1);
}

/* The same, with a segment that ends in between. */
static void make_small_log_of_two(enum ending ending)
{
    static const struct round rounds[] = {{0, 2, 20}, {0, 1, 38000}, {0, 1, 24000}, {0, 1, 300}};
    wal_story_begin(&story);
    for (size_t i = 0; i < COUNT_OF(rounds); i++) {
        append(&rounds[i]);
        wal_story_sync(&story, SIZE_MAX);
    }
    finish(ending);
    assert_int_equal(story.writes[story.write_count - 1].at.sequence, 2);
}

static void name_of(uint64_t sequence, char *out)
{
    memcpy(out, "log-0000000000000000", 21);
    assert_in_range(sequence, 1, 9);
    out[19] = (char)('0' + sequence);
}

/* The place of case `number` in the last 64 KiB of the log. */
static struct wal_story_place place_of(uint64_t number)
{
    struct wal_story_place end = story.writes[story.write_count - 1].end;
    uint64_t at = (end.sequence - 1) * WAL_SEGMENT_BYTES_MIN + end.offset - CUT_BYTES + number;
    return (struct wal_story_place){at / WAL_SEGMENT_BYTES_MIN + 1, at % WAL_SEGMENT_BYTES_MIN};
}

static bool is_at_or_behind(struct wal_story_place a, struct wal_story_place b)
{
    return a.sequence != b.sequence ? a.sequence > b.sequence : a.offset >= b.offset;
}

/* What was acknowledged stands before the damage, and must be held; or else is not asked for. */
static size_t held_before(struct wal_story_place damage)
{
    size_t count = story.acknowledged_count;
    return is_at_or_behind(damage, story.writes[count - 1].end) ? count : 0;
}

static void zero_from(void *context, uint64_t number)
{
    static const uint8_t zeros[WAL_SEGMENT_BYTES_MIN];
    struct wal_story_place place = place_of(number);
    char name[DISK_NAME_BYTES_MAX];
    (void)context;
    for (uint64_t i = place.sequence; i <= story.rig.disk.file_count; i++) {
        uint64_t from = i == place.sequence ? place.offset : 0;
        name_of(i, name);
        disk_memory_write(&story.rig.disk, name, from, zeros, WAL_SEGMENT_BYTES_MIN - from);
    }
    /* No witness is left, so it is never refused; what is whole is held, to the last batch. */
    size_t whole = wal_story_whole(&story);
    assert_int_equal(wal_story_judge(&story, held_before(place)), whole);
}

static void remove_behind(uint64_t sequence)
{
    char name[DISK_NAME_BYTES_MAX];
    for (uint64_t i = story.rig.disk.file_count; i > sequence; i--) {
        name_of(i, name);
        disk_memory_remove(&story.rig.disk, name);
    }
}

/* Cut within a file, it is refused; where one begins, the log is one that ended there. */
static void cut_at(void *context, uint64_t number)
{
    struct wal_story_place place = place_of(number);
    char name[DISK_NAME_BYTES_MAX];
    (void)context;
    name_of(place.sequence, name);
    remove_behind(place.sequence);
    disk_memory_resize(&story.rig.disk, name, place.offset);
    size_t held = wal_story_judge(&story, held_before(place));
    assert_int_equal(held == SIZE_MAX, place.offset > 0);
}

/* As long as there is a file behind the one that was cut, it is always refused. */
static void cut_in_the_middle_at(void *context, uint64_t number)
{
    struct wal_story_place place = place_of(number);
    char name[DISK_NAME_BYTES_MAX];
    (void)context;
    name_of(place.sequence, name);
    disk_memory_resize(&story.rig.disk, name, place.offset);
    assert_true(wal_story_judge(&story, 0) == SIZE_MAX);
}

/* Files that are missing, or empty: at the end of a log they cannot be told from one that ended
 * there. In the middle they can.
 */
static void check_missing_files(void)
{
    char name[DISK_NAME_BYTES_MAX];
    uint64_t last = story.writes[story.write_count - 1].at.sequence;
    for (uint64_t i = 2; i <= last; i++) {
        name_of(i, name);
        remove_behind(i - 1);
        size_t whole = wal_story_whole(&story);
        assert_int_equal(wal_story_judge(&story, 0), whole);
        remove_behind(i);
        disk_memory_resize(&story.rig.disk, name, 0);
        assert_int_equal(wal_story_judge(&story, 0), whole);
        disk_memory_resize(&story.rig.disk, name, 0);
        assert_true(wal_story_judge(&story, 0) == SIZE_MAX);
        disk_memory_remove(&story.rig.disk, name);
        assert_true(wal_story_judge(&story, 0) == SIZE_MAX);
    }
}

static void a_log_whose_last_files_are_missing_is_what_stands_before_them(void **state)
{
    (void)state;
    make_long_log(ENDS_MARKED);
    check_missing_files();
    wal_story_deinit(&story);
}

static void sweep_cuts(const char *name, enum ending ending,
                       void (*run)(void *context, uint64_t number))
{
    make_long_log(ending);
    assert_int_equal(held_before(place_of(0)) > 0, ending == ENDS_IN_FLIGHT);
    sweep_run(&(struct sweep){name, CUT_BYTES + 1, CUT_SAMPLES, run, NULL});
    wal_story_deinit(&story);
}

static void a_log_with_a_mark_zeroed_from_any_byte_on_is_what_stands_before_it(void **state)
{
    (void)state;
    sweep_cuts("zeros, marked", ENDS_MARKED, zero_from);
}

static void a_log_without_a_mark_zeroed_from_any_byte_on_is_what_stands_before_it(void **state)
{
    (void)state;
    sweep_cuts("zeros, unmarked", ENDS_UNMARKED, zero_from);
}

static void a_tail_in_flight_zeroed_from_any_byte_on_loses_nothing_acknowledged(void **state)
{
    (void)state;
    sweep_cuts("zeros, in flight", ENDS_IN_FLIGHT, zero_from);
}

static void a_log_whose_last_file_is_cut_at_any_byte_is_refused(void **state)
{
    (void)state;
    sweep_cuts("cut, marked", ENDS_MARKED, cut_at);
    sweep_cuts("cut, in flight", ENDS_IN_FLIGHT, cut_at);
}

static void a_log_with_a_file_cut_at_any_byte_is_refused(void **state)
{
    (void)state;
    sweep_cuts("cut in the middle", ENDS_UNMARKED, cut_in_the_middle_at);
}

/* Every bit of the segments from the first one on, as far as the log goes and one sector more;
 * of the segments behind it the first sector.
 */
static struct wal_story_place bit_place(uint64_t byte)
{
    struct wal_story_place end = story.writes[story.write_count - 1].end;
    uint64_t written = (end.sequence - 1) * WAL_SEGMENT_BYTES_MIN + end.offset + DISK_SECTOR_BYTES;
    if (byte >= written) {
        byte = end.sequence * WAL_SEGMENT_BYTES_MIN + byte - written;
    }
    return (struct wal_story_place){byte / WAL_SEGMENT_BYTES_MIN + 1, byte % WAL_SEGMENT_BYTES_MIN};
}

/* How many writes something on the undamaged disk notes as durable: one flipped bit hides none
 * of them. A flipped note is about what is whole then.
 */
static size_t noted_count(void)
{
    size_t count = 0;
    for (size_t i = 0; i < story.write_count + story.mark_count; i++) {
        const struct wal_story_write *note =
            i < story.write_count ? &story.writes[i] : &story.marks[i - story.write_count];
        while (count < story.write_count && is_at_or_behind(note->noted, story.writes[count].end)) {
            count++;
        }
    }
    return count;
}

static void flip_bit(void *context, uint64_t number)
{
    const size_t *noted = context;
    struct wal_story_place place = bit_place(number / BITS);
    char name[DISK_NAME_BYTES_MAX];
    name_of(place.sequence, name);
    disk_memory_flip(&story.rig.disk, name, place.offset, (unsigned)(number % BITS));
    size_t whole = wal_story_whole(&story);
    size_t held = wal_story_judge(&story, *noted);
    /* Refused where a whole batch is hit that something notes, and only there. */
    assert_int_equal(held == SIZE_MAX, whole < *noted);
}

static void sweep_flips(const char *name)
{
    struct wal_story_place end = story.writes[story.write_count - 1].end;
    uint64_t bytes = (end.sequence - 1) * WAL_SEGMENT_BYTES_MIN + end.offset;
    size_t noted = noted_count();
    assert_true(noted >= 4);
    sweep_run(&(struct sweep){name, (bytes + 2 * DISK_SECTOR_BYTES) * BITS, FLIP_SAMPLES, flip_bit,
                              &noted});
    wal_story_deinit(&story);
}

static void any_flipped_bit_of_a_small_marked_log_is_refused_or_costs_nothing(void **state)
{
    (void)state;
    make_small_log(ENDS_MARKED);
    assert_int_equal(noted_count(), story.write_count);
    sweep_flips("bits, marked");
}

static void any_flipped_bit_of_a_small_unmarked_log_costs_at_most_what_nothing_notes(void **state)
{
    (void)state;
    make_small_log(ENDS_UNMARKED);
    assert_int_equal(noted_count() + 3, story.write_count);
    sweep_flips("bits, unmarked");
}

static void any_flipped_bit_of_a_log_of_two_segments_is_refused_or_costs_nothing(void **state)
{
    (void)state;
    make_small_log_of_two(ENDS_MARKED);
    sweep_flips("bits, two segments");
}

int main(void)
{
    static const struct CMUnitTest cases[] = {
        cmocka_unit_test(a_log_with_a_mark_zeroed_from_any_byte_on_is_what_stands_before_it),
        cmocka_unit_test(a_log_without_a_mark_zeroed_from_any_byte_on_is_what_stands_before_it),
        cmocka_unit_test(a_tail_in_flight_zeroed_from_any_byte_on_loses_nothing_acknowledged),
        cmocka_unit_test(a_log_whose_last_file_is_cut_at_any_byte_is_refused),
        cmocka_unit_test(a_log_with_a_file_cut_at_any_byte_is_refused),
        cmocka_unit_test(a_log_whose_last_files_are_missing_is_what_stands_before_them),
        cmocka_unit_test(any_flipped_bit_of_a_small_marked_log_is_refused_or_costs_nothing),
        cmocka_unit_test(any_flipped_bit_of_a_small_unmarked_log_costs_at_most_what_nothing_notes),
        cmocka_unit_test(any_flipped_bit_of_a_log_of_two_segments_is_refused_or_costs_nothing),
    };
    return cmocka_run_group_tests_name("sweep_damage", cases, NULL, NULL);
}
