/* test_base_token.c: a token's id is the same everywhere, for ever. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"
#include "base/token.h"
#include "support/unit.h"

/* Of the bytes 0, 1, 2 … under the key 00 01 … 0f: vectors_sip128 of the reference code. */
static void the_hash_is_that_of_the_reference(void **state)
{
    (void)state;
    static const struct {
        size_t size_bytes;
        uint8_t out[16];
    } rows[] = {
        {0,
         {0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6, 0x6d, 0xf6, 0x72, 0x14, 0xc7, 0x55, 0x02,
          0x93}},
        {1,
         {0xda, 0x87, 0xc1, 0xd8, 0x6b, 0x99, 0xaf, 0x44, 0x34, 0x76, 0x59, 0x11, 0x9b, 0x22, 0xfc,
          0x45}},
        {8,
         {0x3b, 0x62, 0xa9, 0xba, 0x62, 0x58, 0xf5, 0x61, 0x0f, 0x83, 0xe2, 0x64, 0xf3, 0x14, 0x97,
          0xb4}},
        {9,
         {0x26, 0x44, 0x99, 0x06, 0x0a, 0xd9, 0xba, 0xab, 0xc4, 0x7f, 0x8b, 0x02, 0xbb, 0x6d, 0x71,
          0xed}},
    };
    uint8_t bytes[16];
    for (uint8_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = i;
    }
    struct proposal_id key = {load_u64(bytes + 8), load_u64(bytes)};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct proposal_id hash = token_hash(key, bytes, rows[i].size_bytes);
        assert_int_equal(hash.low, load_u64(rows[i].out));
        assert_int_equal(hash.high, load_u64(rows[i].out + 8));
    }
}

static void a_token_has_one_id_and_it_is_marked_as_one(void **state)
{
    (void)state;
    struct qr_id id = qr_token_id("order-1", 7);
    struct qr_id other = qr_token_id("order-2", 7);
    assert_int_equal(id.high >> 62, 3);
    assert_int_equal(other.high >> 62, 3);
    assert_int_not_equal(id.low, other.low);
    assert_int_equal(id.high, UINT64_C(0xd1f00cffbeabc9a3));
    assert_int_equal(id.low, UINT64_C(0xcc69cff6f79dd917));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_hash_is_that_of_the_reference),
        cmocka_unit_test(a_token_has_one_id_and_it_is_marked_as_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
