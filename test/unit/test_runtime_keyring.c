/* test_runtime_keyring.c: packets sealed, and opened once or not at all. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "quorate/error.h"
#include "runtime/keyring.h"
#include "support/heap.h"
#include "support/transport_pair.h"

#define PACKET_BYTES_MAX 1400
#define AT_KEY 4
#define AT_BOOT 8
#define AT_COUNTER 16

struct rig {
    struct heap heap;
    struct keyring *a; /* has keys 1 and 2, sends with 1 */
    struct keyring *b; /* has keys 2 and 1, sends with 2 */
    struct keyring *c; /* has key 3 alone */
};

static struct keyring *keyring_of(struct rig *rig, uint8_t first, uint8_t second)
{
    struct keyring_key keys[2] = {transport_pair_key(first), transport_pair_key(second)};
    struct keyring *keyring = NULL;
    assert_int_equal(keyring_new(&rig->heap.allocator, keys, second == 0 ? 1 : 2, &keyring), 0);
    return keyring;
}

static int setup(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    heap_init(&rig->heap);
    rig->a = keyring_of(rig, 1, 2);
    rig->b = keyring_of(rig, 2, 1);
    rig->c = keyring_of(rig, 3, 0);
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    struct rig *rig = *state;
    keyring_free(rig->a);
    keyring_free(rig->b);
    keyring_free(rig->c);
    keyring_free(NULL);
    heap_deinit(&rig->heap);
    free(rig);
    return 0;
}

struct packet {
    uint8_t bytes[PACKET_BYTES_MAX];
    size_t size_bytes;
};

static struct packet sealed(struct keyring *keyring, const char *text)
{
    struct packet packet;
    packet.size_bytes = keyring_seal(keyring, (const uint8_t *)text, strlen(text), packet.bytes,
                                     sizeof(packet.bytes));
    assert_int_equal(packet.size_bytes, strlen(text) + KEYRING_SEAL_BYTES);
    return packet;
}

static int opened(struct keyring *keyring, const struct packet *packet, char out[64])
{
    size_t size_bytes = 0;
    int status =
        keyring_open(keyring, packet->bytes, packet->size_bytes, (uint8_t *)out, 63, &size_bytes);
    out[status == 0 ? size_bytes : 0] = '\0';
    return status;
}

static int open_status(struct keyring *keyring, const struct packet *packet)
{
    char out[64];
    return opened(keyring, packet, out);
}

static void what_one_seals_the_other_opens_with_either_key(void **state)
{
    struct rig *rig = *state;
    char out[64];
    struct packet packet = sealed(rig->a, "hello");
    assert_int_equal(opened(rig->b, &packet, out), 0);
    assert_string_equal(out, "hello");
    assert_null(memmem(packet.bytes, packet.size_bytes, "hello", 5));
    packet = sealed(rig->b, "and back");
    assert_int_equal(opened(rig->a, &packet, out), 0);
    assert_string_equal(out, "and back");
    packet = sealed(rig->a, "");
    assert_int_equal(opened(rig->b, &packet, out), 0);
    assert_int_equal(keyring_stats(rig->b).opened, 2);
    assert_int_equal(keyring_stats(rig->a).sealed, 2);
}

/* Docs/wire-format.md has it byte by byte. */
static void a_sealed_packet_has_the_documented_layout(void **state)
{
    struct rig *rig = *state;
    struct packet first = sealed(rig->a, "x");
    struct packet second = sealed(rig->a, "x");
    struct keyring_key key = transport_pair_key(1);
    struct keyring_id id = keyring_id_of(&key);
    uint8_t digest[SHA256_DIGEST_LENGTH];
    (void)SHA256(key.bytes, sizeof(key.bytes), digest);
    assert_memory_equal(first.bytes, "QRS\1", 4);
    assert_memory_equal(id.bytes, digest, 4);
    assert_memory_equal(first.bytes + AT_KEY, id.bytes, 4);
    assert_memory_equal(first.bytes + AT_BOOT, second.bytes + AT_BOOT, 8);
    assert_int_equal(load_u32(first.bytes + AT_COUNTER), 1);
    assert_int_equal(load_u32(second.bytes + AT_COUNTER), 2);
    assert_int_equal(first.size_bytes, 20 + 1 + 16);
    /* The same words look different each time. */
    assert_memory_not_equal(first.bytes + 20, second.bytes + 20, 17);
}

static void two_boots_of_one_node_have_different_ids(void **state)
{
    struct rig *rig = *state;
    struct keyring *again = keyring_of(rig, 1, 2);
    struct packet before = sealed(rig->a, "x");
    struct packet after = sealed(again, "x");
    assert_memory_not_equal(before.bytes + AT_BOOT, after.bytes + AT_BOOT, 8);
    assert_int_equal(open_status(rig->b, &before), 0);
    assert_int_equal(open_status(rig->b, &after), 0);
    keyring_free(again);
}

/* Every bit of it: header, text and tag. */
static void a_packet_with_any_bit_changed_is_refused(void **state)
{
    struct rig *rig = *state;
    struct packet packet = sealed(rig->a, "tamper");
    for (size_t bit = 0; bit < packet.size_bytes * 8; bit++) {
        struct packet changed = packet;
        changed.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        int status = open_status(rig->b, &changed);
        int wanted = bit < AT_KEY * 8    ? QR_ERR_MALFORMED
                     : bit < AT_BOOT * 8 ? QR_ERR_FOREIGN
                                         : QR_ERR_CORRUPT;
        if (status != wanted) {
            fail_msg("bit %zu: %s", bit, qr_error_name(status));
        }
    }
    /* None of them has made it stale, nor a sender of what was forged. */
    assert_int_equal(open_status(rig->b, &packet), 0);
    assert_int_equal(keyring_stats(rig->b).forged, (packet.size_bytes - AT_BOOT) * 8);
}

static void a_packet_cut_or_lengthened_anywhere_is_refused(void **state)
{
    struct rig *rig = *state;
    struct packet packet = sealed(rig->a, "truncate");
    for (size_t length = 0; length < packet.size_bytes; length++) {
        struct packet cut = packet;
        cut.size_bytes = length;
        assert_int_equal(open_status(rig->b, &cut),
                         length < KEYRING_SEAL_BYTES ? QR_ERR_MALFORMED : QR_ERR_CORRUPT);
    }
    struct packet longer = packet;
    longer.bytes[longer.size_bytes++] = 0;
    assert_int_equal(open_status(rig->b, &longer), QR_ERR_CORRUPT);
    assert_int_equal(open_status(rig->b, &packet), 0);
}

static void a_packet_of_another_cluster_or_too_large_is_refused(void **state)
{
    struct rig *rig = *state;
    uint8_t text[1000] = {0};
    struct packet packet = sealed(rig->c, "foreign");
    assert_int_equal(open_status(rig->b, &packet), QR_ERR_FOREIGN);
    assert_int_equal(keyring_stats(rig->b).foreign, 1);
    packet.size_bytes =
        keyring_seal(rig->a, text, sizeof(text), packet.bytes, sizeof(packet.bytes));
    assert_int_equal(open_status(rig->b, &packet), QR_ERR_TOO_LARGE);
    assert_int_equal(keyring_stats(rig->b).malformed, 1);
    size_t size_bytes = 0;
    assert_int_equal(
        keyring_open(rig->b, packet.bytes, packet.size_bytes, text, sizeof(text), &size_bytes), 0);
    assert_int_equal(size_bytes, sizeof(text));
}

/* A key id is four bytes that anybody may write: the key decides. */
static void another_key_under_the_same_name_opens_nothing(void **state)
{
    struct rig *rig = *state;
    struct keyring_key known = transport_pair_key(1);
    struct keyring_id id = keyring_id_of(&known);
    struct packet packet = sealed(rig->c, "masked");
    memcpy(packet.bytes + AT_KEY, id.bytes, sizeof(id.bytes));
    assert_int_equal(open_status(rig->b, &packet), QR_ERR_CORRUPT);
}

static void a_packet_is_taken_once(void **state)
{
    struct rig *rig = *state;
    struct packet packet = sealed(rig->a, "once");
    assert_int_equal(open_status(rig->b, &packet), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(open_status(rig->b, &packet), QR_ERR_STALE);
    }
    assert_int_equal(keyring_stats(rig->b).replayed, 3);
    /* And our own is not taken at all, however it comes back. */
    assert_int_equal(open_status(rig->a, &packet), QR_ERR_STALE);
}

static void packets_may_overtake_one_another_within_the_window(void **state)
{
    struct rig *rig = *state;
    static struct packet packets[2 * KEYRING_WINDOW];
    const size_t count = COUNT_OF(packets);
    for (size_t i = 0; i < count; i++) {
        packets[i] = sealed(rig->a, "late");
    }
    /* Backwards by seven, so that each but the last few comes behind later ones. */
    for (size_t i = 0; i + 7 <= count; i += 7) {
        for (size_t k = 7; k > 0; k--) {
            assert_int_equal(open_status(rig->b, &packets[i + k - 1]), 0);
        }
    }
    for (size_t i = 0; i < count - 7; i++) {
        assert_int_equal(open_status(rig->b, &packets[i]), QR_ERR_STALE);
    }
}

static const struct {
    const char *name;
    size_t first; /* what comes, by its counter from 0; then what comes after it */
    size_t second;
    int status;
} windows[] = {
    {"the one before", 1, 0, 0},
    {"the last that the window holds", KEYRING_WINDOW - 1, 0, 0},
    {"the first that it does not", KEYRING_WINDOW, 0, QR_ERR_STALE},
    {"far behind it", KEYRING_WINDOW + 100, 3, QR_ERR_STALE},
    {"the next", 0, 1, 0},
    {"a word of bits further", 0, 64, 0},
    {"a window further", 0, KEYRING_WINDOW, 0},
    {"more than a window further", 0, KEYRING_WINDOW + 77, 0},
};

static void the_window_holds_so_many_counters_and_no_more(void **state)
{
    struct rig *rig = *state;
    static struct packet packets[KEYRING_WINDOW + 101];
    for (size_t row = 0; row < COUNT_OF(windows); row++) {
        struct keyring *sender = keyring_of(rig, 1, 0);
        size_t last =
            windows[row].first > windows[row].second ? windows[row].first : windows[row].second;
        for (size_t i = 0; i <= last; i++) {
            packets[i] = sealed(sender, "x");
        }
        assert_int_equal(open_status(rig->b, &packets[windows[row].first]), 0);
        int status = open_status(rig->b, &packets[windows[row].second]);
        if (status != windows[row].status) {
            fail_msg("%s: %s", windows[row].name, qr_error_name(status));
        }
        assert_int_equal(open_status(rig->b, &packets[windows[row].first]), QR_ERR_STALE);
        assert_int_equal(open_status(rig->b, &packets[windows[row].second]), QR_ERR_STALE);
        keyring_free(sender);
    }
}

/* A flood of forged boot ids costs its decryption, no more: only who has a key enters the table. */
static void forged_boot_ids_push_nobody_out(void **state)
{
    struct rig *rig = *state;
    struct packet packet = sealed(rig->a, "known");
    struct packet forged = sealed(rig->a, "forged");
    assert_int_equal(open_status(rig->b, &packet), 0);
    for (uint64_t boot = 1; boot <= UINT64_C(10) * KEYRING_SENDERS_MAX; boot++) {
        store_u64(forged.bytes + AT_BOOT, boot);
        assert_int_equal(open_status(rig->b, &forged), QR_ERR_CORRUPT);
    }
    assert_int_equal(open_status(rig->b, &packet), QR_ERR_STALE);
    assert_int_equal(keyring_stats(rig->b).forgotten, 0);
}

/* Of those that have a key there may be any number: the table stays as it is, and those that are
 * heard stay in it.
 */
static void more_senders_than_are_remembered_forget_the_quietest(void **state)
{
    struct rig *rig = *state;
    struct packet quiet = sealed(rig->a, "quiet");
    struct keyring *lively = keyring_of(rig, 1, 0);
    struct packet once = sealed(lively, "lively");
    assert_int_equal(open_status(rig->b, &quiet), 0);
    assert_int_equal(open_status(rig->b, &once), 0);
    size_t before = rig->heap.block_count;
    int status = QR_ERR_STALE;
    for (int i = 0; i < 8 * KEYRING_SENDERS_MAX && status == QR_ERR_STALE; i++) {
        struct keyring *other = keyring_of(rig, 1, 0);
        struct packet packet = sealed(other, "x");
        assert_int_equal(open_status(rig->b, &packet), 0);
        packet = sealed(lively, "x");
        assert_int_equal(open_status(rig->b, &packet), 0);
        keyring_free(other);
        status = open_status(rig->b, &quiet);
    }
    assert_int_equal(status, 0); /* the quietest is forgotten: it may come again */
    assert_true(keyring_stats(rig->b).forgotten > 0);
    assert_int_equal(open_status(rig->b, &once), QR_ERR_STALE);
    assert_int_equal(rig->heap.block_count, before);
    keyring_free(lively);
}

static void keys_change_while_packets_are_on_their_way(void **state)
{
    struct rig *rig = *state;
    struct keyring_key keys[KEYRING_KEYS_MAX] = {transport_pair_key(2), transport_pair_key(3)};
    struct packet by_one = sealed(rig->a, "one");
    struct packet once = sealed(rig->b, "two");
    assert_int_equal(open_status(rig->a, &once), 0);
    assert_int_equal(keyring_set(rig->a, keys, 2), 0); /* 1 is gone, 2 sends */
    assert_int_equal(open_status(rig->a, &once), QR_ERR_STALE);
    assert_int_equal(open_status(rig->b, &by_one), 0); /* there it is known */
    struct packet by_two = sealed(rig->a, "two");
    assert_memory_equal(by_two.bytes + AT_BOOT, by_one.bytes + AT_BOOT, 8);
    assert_int_equal(load_u32(by_two.bytes + AT_COUNTER), 2); /* no counter comes twice */
    assert_int_equal(open_status(rig->b, &by_two), 0);
    assert_int_equal(keyring_keys(rig->a, keys), 2);
    struct keyring_key found;
    struct keyring_key three = transport_pair_key(3);
    struct keyring_key one = transport_pair_key(1);
    assert_true(keyring_find(rig->a, keyring_id_of(&three), &found));
    assert_memory_equal(&found, &three, sizeof(three));
    assert_false(keyring_find(rig->a, keyring_id_of(&one), &found));
}

static void without_memory_there_is_no_keyring(void **state)
{
    struct rig *rig = *state;
    struct keyring_key key = transport_pair_key(1);
    struct keyring *keyring = NULL;
    rig->heap.fail_at = rig->heap.allocate_count + 1;
    assert_int_equal(keyring_new(&rig->heap.allocator, &key, 1, &keyring), QR_ERR_NO_MEMORY);
    assert_null(keyring);
}

#define KEYRING_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        KEYRING_TEST(what_one_seals_the_other_opens_with_either_key),
        KEYRING_TEST(a_sealed_packet_has_the_documented_layout),
        KEYRING_TEST(two_boots_of_one_node_have_different_ids),
        KEYRING_TEST(a_packet_with_any_bit_changed_is_refused),
        KEYRING_TEST(a_packet_cut_or_lengthened_anywhere_is_refused),
        KEYRING_TEST(a_packet_of_another_cluster_or_too_large_is_refused),
        KEYRING_TEST(another_key_under_the_same_name_opens_nothing),
        KEYRING_TEST(a_packet_is_taken_once),
        KEYRING_TEST(packets_may_overtake_one_another_within_the_window),
        KEYRING_TEST(the_window_holds_so_many_counters_and_no_more),
        KEYRING_TEST(forged_boot_ids_push_nobody_out),
        KEYRING_TEST(more_senders_than_are_remembered_forget_the_quietest),
        KEYRING_TEST(keys_change_while_packets_are_on_their_way),
        KEYRING_TEST(without_memory_there_is_no_keyring),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
