/* test_base_crc32c.c: CRC32C against RFC 3720 and against itself, both ways it is computed. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <string.h>

#include "base/crc32c.h"
#include "base/prng.h"

/* An iSCSI Read (10) command PDU: RFC 3720, appendix B.4. */
static const uint8_t iscsi_read[48] = {
    0x01, 0xc0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x14, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x00, 0x00, 0x00, 0x00, 0x14, 0x00, 0x00, 0x00, 0x18,
    0x28, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
};

static void expect(const char *name, const void *data, size_t size_bytes, uint32_t expected)
{
    uint32_t fast = crc32c(0, data, size_bytes);
    uint32_t slow = crc32c_by_table(0, data, size_bytes);
    if (fast != expected || slow != expected) {
        fail_msg("%s: %08x, by table %08x, expected %08x", name, fast, slow, expected);
    }
}

static void the_vectors_of_rfc_3720_hold(void **state)
{
    (void)state;
    uint8_t data[32];
    memset(data, 0, sizeof(data));
    expect("32 bytes of zeros", data, sizeof(data), UINT32_C(0x8a9136aa));
    memset(data, 0xff, sizeof(data));
    expect("32 bytes of ones", data, sizeof(data), UINT32_C(0x62a8ab43));
    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = (uint8_t)i;
    }
    expect("32 bytes going up", data, sizeof(data), UINT32_C(0x46dd794e));
    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = (uint8_t)(31 - i);
    }
    expect("32 bytes going down", data, sizeof(data), UINT32_C(0x113fdb5c));
    expect("an iSCSI read command", iscsi_read, sizeof(iscsi_read), UINT32_C(0xd9963a56));
}

static void the_check_value_of_the_catalogue_holds(void **state)
{
    (void)state;
    expect("the digits", "123456789", 9, UINT32_C(0xe3069283));
    expect("nothing", "", 0, 0);
}

static void both_ways_agree_at_every_length_and_alignment(void **state)
{
    (void)state;
    uint8_t data[8 + 257];
    struct prng prng = prng_of(7);
    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = (uint8_t)prng_next(&prng);
    }
    for (size_t from = 0; from < 8; from++) {
        for (size_t size_bytes = 0; size_bytes <= 257; size_bytes++) {
            uint32_t seed = (uint32_t)prng_next(&prng);
            assert_int_equal(crc32c(seed, data + from, size_bytes),
                             crc32c_by_table(seed, data + from, size_bytes));
        }
    }
}

static void a_sum_can_be_continued_at_every_cut(void **state)
{
    (void)state;
    uint32_t whole = crc32c(0, iscsi_read, sizeof(iscsi_read));
    for (size_t cut = 0; cut <= sizeof(iscsi_read); cut++) {
        uint32_t head = crc32c(0, iscsi_read, cut);
        assert_int_equal(crc32c(head, iscsi_read + cut, sizeof(iscsi_read) - cut), whole);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors_of_rfc_3720_hold),
        cmocka_unit_test(the_check_value_of_the_catalogue_holds),
        cmocka_unit_test(both_ways_agree_at_every_length_and_alignment),
        cmocka_unit_test(a_sum_can_be_continued_at_every_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
