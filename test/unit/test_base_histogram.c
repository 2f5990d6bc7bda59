/* test_base_histogram.c: numbers are read back within the promised error. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include "base/histogram.h"
#include "base/prng.h"

static void an_empty_histogram_has_no_percentiles(void **state)
{
    (void)state;
    struct histogram histogram;
    histogram_init(&histogram);
    assert_int_equal(histogram_percentile(&histogram, 500000), 0);
    assert_int_equal(histogram_percentile(&histogram, 1000000), 0);
}

static void one_number_is_every_percentile(void **state)
{
    (void)state;
    const uint64_t values[] = {0, 1, 127, 128, 129, 255, 256, 1000003, UINT64_MAX - 1, UINT64_MAX};
    const uint32_t ranks[] = {0, 1, 500000, 999999, 1000000};
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        struct histogram histogram;
        histogram_init(&histogram);
        histogram_record(&histogram, values[i]);
        for (size_t j = 0; j < COUNT_OF(ranks); j++) {
            assert_true(histogram_percentile(&histogram, ranks[j]) == values[i]);
        }
    }
}

static void a_number_is_read_back_less_than_one_percent_too_high(void **state)
{
    (void)state;
    struct prng prng = prng_of(7);
    for (int i = 0; i < 20000; i++) {
        uint64_t value = prng_next(&prng) >> prng_between(&prng, 0, 63);
        struct histogram histogram;
        histogram_init(&histogram);
        histogram_record(&histogram, value);
        histogram_record(&histogram, UINT64_MAX);
        uint64_t read = histogram_percentile(&histogram, 500000);
        assert_true(read >= value);
        assert_true(read - value <= value / HISTOGRAM_STEPS);
    }
}

static void percentiles_of_a_run_of_small_numbers_are_exact(void **state)
{
    (void)state;
    struct histogram histogram;
    histogram_init(&histogram);
    for (uint64_t value = 1; value <= 100; value++) {
        histogram_record(&histogram, value);
    }
    const struct {
        uint32_t per_million;
        uint64_t value;
    } cases[] = {{0, 1},       {10000, 1},   {10001, 2},    {500000, 50},
                 {500001, 51}, {990000, 99}, {999000, 100}, {1000000, 100}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(histogram_percentile(&histogram, cases[i].per_million), cases[i].value);
    }
    assert_int_equal(histogram.least, 1);
    assert_int_equal(histogram.most, 100);
}

static void merging_is_the_same_as_recording_everything_in_one(void **state)
{
    (void)state;
    struct histogram a;
    struct histogram b;
    struct histogram all;
    histogram_init(&a);
    histogram_init(&b);
    histogram_init(&all);
    struct prng prng = prng_of(3);
    for (int i = 0; i < 10000; i++) {
        uint64_t value = prng_between(&prng, 0, 5000000);
        histogram_record(i % 3 == 0 ? &a : &b, value);
        histogram_record(&all, value);
    }
    histogram_merge(&a, &b);
    assert_memory_equal(&a, &all, sizeof(a));
}

static void percentiles_never_fall_as_the_rank_rises(void **state)
{
    (void)state;
    struct histogram histogram;
    histogram_init(&histogram);
    struct prng prng = prng_of(11);
    for (int i = 0; i < 5000; i++) {
        histogram_record(&histogram, prng_next(&prng) >> prng_between(&prng, 20, 63));
    }
    uint64_t before = 0;
    for (uint32_t rank = 0; rank <= 1000000; rank += 1000) {
        uint64_t value = histogram_percentile(&histogram, rank);
        assert_true(value >= before);
        before = value;
    }
    assert_true(before == histogram.most);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_histogram_has_no_percentiles),
        cmocka_unit_test(one_number_is_every_percentile),
        cmocka_unit_test(a_number_is_read_back_less_than_one_percent_too_high),
        cmocka_unit_test(percentiles_of_a_run_of_small_numbers_are_exact),
        cmocka_unit_test(merging_is_the_same_as_recording_everything_in_one),
        cmocka_unit_test(percentiles_never_fall_as_the_rank_rises),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
