/* test_sweep_subsets.c: power is lost with two batches in flight, and any part of them stays.
 *
 * Every subset of the unsynced sectors, so in whatever order they were written; and sectors that
 * are torn, one part old and the other new. Whatever stays, the log opens, has all that was
 * acknowledged, and of the rest just the batches that are whole (support/wal_story.h judges).
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/sweep.h"
#include "support/unit.h"
#include "support/wal_story.h"

#define SUBSET_SECTORS_MIN 14
#define SUBSET_SECTORS_MAX 17
#define TORN_SECTORS_MAX 8
#define TWO_LIVES_SAMPLES 1500
#define SUBSET_SAMPLES 500
#define TORN_SAMPLES 500
#define IN_FLIGHT_MAX 3

struct batch {
    bool is_there;
    size_t back;
    size_t count;
    uint32_t payload_bytes;
};

/* What a log was before, and what was under way when power was lost; the second time shorter,
 * for there are more ways to tear a sector than to lose it.
 */
struct shape {
    const char *name;
    void (*before)(void);
    struct batch in_flight[IN_FLIGHT_MAX];
    struct batch short_in_flight[IN_FLIGHT_MAX];
};

static struct wal_story story;

static void nothing_before(void)
{
}

static void a_few_before(void)
{
    wal_story_append(&story, 0, 3, 100);
    wal_story_sync(&story, SIZE_MAX);
    wal_story_append(&story, 0, 4, 60);
    wal_story_sync(&story, SIZE_MAX);
}

/* The mark is not synced, and lies where the first batch in flight goes. */
static void a_mark_before(void)
{
    a_few_before();
    wal_story_mark(&story);
}

/* What comes next does not fit into the first segment, or only a little of it does. */
static void a_full_segment_before(void)
{
    wal_story_append(&story, 0, 1, 30000);
    wal_story_sync(&story, SIZE_MAX);
    wal_story_append(&story, 0, 1, 32000);
    wal_story_sync(&story, SIZE_MAX);
    wal_story_append(&story, 0, 1, 300);
    wal_story_sync(&story, SIZE_MAX);
}

/* Of two batches in flight at an earlier crash, the second stayed and the first did not. */
static void a_cut_tail_before(void)
{
    a_few_before();
    wal_story_append(&story, 0, 1, 10);
    wal_story_append(&story, 0, 2, 400);
    wal_story_restart(&story, ~UINT64_C(1));
    assert_int_equal(story.write_count, 2);
}

/* clang-format off */
static const struct shape shapes[] = {
    {"two appended", a_few_before,
     {{true, 0, 5, 700}, {true, 0, 6, 520}}, {{true, 0, 2, 700}, {true, 0, 3, 350}}},
    {"one replaces the other", a_few_before,
     {{true, 0, 5, 700}, {true, 3, 6, 520}}, {{true, 0, 2, 700}, {true, 1, 3, 350}}},
    {"both replace", a_few_before,
     {{true, 2, 5, 700}, {true, 5, 6, 520}}, {{true, 4, 2, 700}, {true, 2, 3, 350}}},
    {"hard state alone", a_few_before,
     {{true, 0, 0, 0}, {true, 0, 0, 0}, {true, 0, 9, 700}}, {{true, 0, 0, 0}, {true, 0, 0, 0}}},
    {"hard state behind entries", a_few_before,
     {{true, 0, 9, 700}, {true, 0, 0, 0}}, {{true, 1, 4, 700}, {true, 0, 0, 0}}},
    {"over a mark", a_mark_before,
     {{true, 0, 5, 700}, {true, 2, 4, 700}}, {{true, 0, 2, 500}, {true, 1, 2, 400}}},
    {"a segment begins", a_full_segment_before,
     {{true, 0, 5, 700}, {true, 2, 4, 700}}, {{true, 0, 2, 700}, {true, 1, 1, 400}}},
    {"a segment begins within a batch", a_full_segment_before,
     {{true, 0, 8, 500}, {true, 0, 2, 700}}, {{true, 0, 3, 450}, {true, 0, 1, 100}}},
    {"a segment begins with hard state", a_full_segment_before,
     {{true, 0, 1, 400}, {true, 0, 0, 0}, {true, 0, 7, 600}},
     {{true, 0, 1, 400}, {true, 0, 0, 0}, {true, 0, 2, 350}}},
    {"the first of all", nothing_before,
     {{true, 0, 5, 700}, {true, 3, 5, 600}}, {{true, 0, 2, 500}, {true, 0, 2, 400}}},
    {"over a cut tail", a_cut_tail_before,
     {{true, 0, 5, 700}, {true, 3, 6, 520}}, {{true, 0, 1, 10}, {true, 0, 2, 400}}},
};
/* clang-format on */

static void make(const struct shape *shape, const struct batch *in_flight)
{
    wal_story_begin(&story);
    shape->before();
    for (size_t i = 0; i < IN_FLIGHT_MAX && in_flight[i].is_there; i++) {
        const struct batch *batch = &in_flight[i];
        wal_story_append(&story, batch->back, batch->count, batch->payload_bytes);
    }
    wal_story_end(&story, false);
    assert_true(story.acknowledged_count + 2 <= story.write_count);
}

static void put(const struct disk_memory_sector *sector, size_t from, size_t size_bytes)
{
    disk_memory_write(&story.rig.disk, sector->name, sector->offset + from, sector->bytes + from,
                      size_bytes);
}

/* Never refused, nothing acknowledged lost, and nothing that is whole. */
static void judge(void)
{
    size_t whole = wal_story_whole(&story);
    assert_int_equal(wal_story_judge(&story, story.acknowledged_count), whole);
}

static void keep(uint64_t kept)
{
    for (size_t i = 0; i < story.unsynced_count; i++) {
        if ((kept >> i & 1) != 0) {
            put(&story.unsynced[i], 0, DISK_SECTOR_BYTES);
        }
    }
    judge();
}

static void keep_subset(void *context, uint64_t number)
{
    (void)context;
    keep(number);
}

static void any_subset_of_the_sectors_of_the_last_batches_may_stay(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        make(&shapes[i], shapes[i].in_flight);
        assert_in_range(story.unsynced_count, SUBSET_SECTORS_MIN, SUBSET_SECTORS_MAX);
        sweep_run(&(struct sweep){shapes[i].name, UINT64_C(1) << story.unsynced_count,
                                  SUBSET_SAMPLES, keep_subset, NULL});
        wal_story_deinit(&story);
    }
}

static const size_t cuts[] = {8, 64, 104, 128, 256, 480}; /* in, at and behind a batch's header */

/* Of each sector nothing, all, what is before the cut, or what is behind it. */
static void tear(void *context, uint64_t number)
{
    size_t cut_bytes = cuts[number % COUNT_OF(cuts)];
    uint64_t parts = number / COUNT_OF(cuts);
    (void)context;
    for (size_t i = 0; i < story.unsynced_count; i++) {
        unsigned part = parts >> 2 * i & 3;
        size_t from = part == 3 ? cut_bytes : 0;
        size_t to = part == 2 ? cut_bytes : DISK_SECTOR_BYTES;
        if (part != 0) {
            put(&story.unsynced[i], from, to - from);
        }
    }
    judge();
}

static void any_of_the_sectors_of_the_last_batches_may_be_torn(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        make(&shapes[i], shapes[i].short_in_flight);
        assert_in_range(story.unsynced_count, 2, TORN_SECTORS_MAX);
        uint64_t count = COUNT_OF(cuts) << 2 * story.unsynced_count;
        sweep_run(&(struct sweep){shapes[i].name, count, TORN_SAMPLES, tear, NULL});
        wal_story_deinit(&story);
    }
}

struct lives {
    const char *name;
    void (*before)(void);
    size_t sectors; /* unsynced, of each life */
};

/* Power is lost twice: any part of what the first loss left lies under the second. What is then
 * written is the very same, or the same and then something else, or looks the same and is of
 * another term. Records end where sectors do, so that a header may meet whole ones that are not
 * its own.
 */
static void lose_power_twice(void *context, uint64_t number)
{
    const struct lives *lives = context;
    uint64_t subsets = UINT64_C(1) << lives->sectors;
    uint64_t variant = number / subsets / subsets;
    wal_story_begin(&story);
    lives->before();
    wal_story_append(&story, 0, 1, 10);
    wal_story_append(&story, 0, 3, 325);
    wal_story_append(&story, 1, 1, 10);
    wal_story_restart(&story, number % subsets);
    story.term = story.rig.recovered.hard_state.term + (variant == 2);
    wal_story_append(&story, 0, 1, 10);
    wal_story_append(&story, variant == 1, 3, 325);
    wal_story_append(&story, 1, 1, 10);
    wal_story_end(&story, false);
    assert_in_range(story.unsynced_count, lives->sectors - 1, lives->sectors);
    keep(number / subsets % subsets);
    wal_story_deinit(&story);
}

static void any_subset_may_stay_over_any_subset_of_an_earlier_life(void **state)
{
    static struct lives lives[] = {
        {"two lives", a_few_before, 5},
        {"two lives, a segment begins", a_full_segment_before, 6},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(lives); i++) {
        uint64_t count = UINT64_C(3) << 2 * lives[i].sectors;
        sweep_run(
            &(struct sweep){lives[i].name, count, TWO_LIVES_SAMPLES, lose_power_twice, &lives[i]});
    }
}

int main(void)
{
    static const struct CMUnitTest cases[] = {
        cmocka_unit_test(any_subset_of_the_sectors_of_the_last_batches_may_stay),
        cmocka_unit_test(any_of_the_sectors_of_the_last_batches_may_be_torn),
        cmocka_unit_test(any_subset_may_stay_over_any_subset_of_an_earlier_life),
    };
    return cmocka_run_group_tests_name("sweep_subsets", cases, NULL, NULL);
}
