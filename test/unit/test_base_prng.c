/* test_base_prng.c: the generator is the published one, and its ranges are exact. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <string.h>

#include "base/prng.h"

static void the_published_sequence_comes_out(void **state)
{
    (void)state;
    /* xoshiro256** from the state 1, 2, 3, 4, as its authors' code gives it. */
    static const uint64_t expected[] = {
        UINT64_C(11520),
        UINT64_C(0),
        UINT64_C(1509978240),
        UINT64_C(1215971899390074240),
        UINT64_C(1216172134540287360),
        UINT64_C(607988272756665600),
    };
    struct prng prng = {{1, 2, 3, 4}};
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        assert_true(prng_next(&prng) == expected[i]);
    }
}

static void a_seed_is_spread_by_splitmix64(void **state)
{
    (void)state;
    struct prng prng = prng_of(0);
    assert_true(prng.state[0] == UINT64_C(0xe220a8397b1dcdaf));
    assert_true(prng.state[1] == UINT64_C(0x6e789e6aa1b965f4));
    assert_true(prng.state[2] == UINT64_C(0x06c45d188009454f));
    assert_true(prng.state[3] == UINT64_C(0xf88bb8a8724c81ec));
}

static void the_same_seed_gives_the_same_numbers(void **state)
{
    (void)state;
    struct prng one = prng_of(42);
    struct prng same = prng_of(42);
    struct prng other = prng_of(43);
    size_t equal_count = 0;
    for (int i = 0; i < 100; i++) {
        uint64_t value = prng_next(&one);
        assert_true(value == prng_next(&same));
        equal_count += value == prng_next(&other);
    }
    assert_int_equal(equal_count, 0);
}

struct range_case {
    uint64_t low;
    uint64_t high;
};

static const struct range_case range_cases[] = {
    {0, 0},
    {7, 7},
    {0, 1},
    {150, 300},
    {UINT64_MAX, UINT64_MAX},
    {UINT64_MAX - 2, UINT64_MAX},
    {0, UINT64_MAX},
    {1, UINT64_MAX},
    {0, UINT64_C(1) << 63},
};

static void a_number_lies_within_its_range(void **state)
{
    (void)state;
    struct prng prng = prng_of(1);
    for (size_t c = 0; c < COUNT_OF(range_cases); c++) {
        for (int i = 0; i < 1000; i++) {
            uint64_t value = prng_between(&prng, range_cases[c].low, range_cases[c].high);
            assert_true(value >= range_cases[c].low && value <= range_cases[c].high);
        }
    }
}

static void every_value_of_a_range_is_about_as_likely(void **state)
{
    (void)state;
    enum { VALUES = 10, ROUNDS = 100000 };
    uint32_t counts[VALUES];
    memset(counts, 0, sizeof(counts));
    struct prng prng = prng_of(3);
    for (int i = 0; i < ROUNDS; i++) {
        counts[prng_between(&prng, 5, 4 + VALUES) - 5]++;
    }
    /* Ten thousand each; 500 is more than five standard deviations. */
    for (size_t i = 0; i < VALUES; i++) {
        assert_in_range(counts[i], ROUNDS / VALUES - 500, ROUNDS / VALUES + 500);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_published_sequence_comes_out),
        cmocka_unit_test(a_seed_is_spread_by_splitmix64),
        cmocka_unit_test(the_same_seed_gives_the_same_numbers),
        cmocka_unit_test(a_number_lies_within_its_range),
        cmocka_unit_test(every_value_of_a_range_is_about_as_likely),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
