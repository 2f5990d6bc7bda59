/* test_runtime_keyring.c: keys as written, their file, and packets opened once or not at all. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "quorate/error.h"
#include "runtime/keyring.h"
#include "support/heap.h"

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

static struct keyring_key key_of(uint8_t number)
{
    struct keyring_key key;
    memset(key.bytes, number, sizeof(key.bytes));
    return key;
}

static struct keyring *keyring_of(struct rig *rig, uint8_t first, uint8_t second)
{
    struct keyring_key keys[2] = {key_of(first), key_of(second)};
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
    struct keyring_key key = key_of(1);
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
    struct keyring_key known = key_of(1);
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
    struct keyring_key keys[KEYRING_KEYS_MAX] = {key_of(2), key_of(3)};
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
    struct keyring_key three = key_of(3);
    struct keyring_key one = key_of(1);
    assert_true(keyring_find(rig->a, keyring_id_of(&three), &found));
    assert_memory_equal(&found, &three, sizeof(three));
    assert_false(keyring_find(rig->a, keyring_id_of(&one), &found));
}

static void without_memory_there_is_no_keyring(void **state)
{
    struct rig *rig = *state;
    struct keyring_key key = key_of(1);
    struct keyring *keyring = NULL;
    rig->heap.fail_at = rig->heap.allocate_count + 1;
    assert_int_equal(keyring_new(&rig->heap.allocator, &key, 1, &keyring), QR_ERR_NO_MEMORY);
    assert_null(keyring);
}

#define HEX_KEY "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define BASE64_KEY "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

static const struct {
    const char *name;
    const char *text;
    int status;
    bool is_counting; /* the key is 0, 1, 2, … */
} texts[] = {
    {"hexadecimal", HEX_KEY, 0, true},
    {"in capitals", "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F", 0, true},
    {"base64", BASE64_KEY, 0, true},
    {"base64 without its =", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", 0, true},
    {"with blanks around it", " \t" HEX_KEY "\r", 0, true},
    {"words", "correct horse battery staple", 0, false},
    {"sixteen bytes", "0123456789abcdef", 0, false},
    {"63 digits are words", &HEX_KEY[1], 0, false},
    {"bits left over are words", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9", 0, false},
    {"other letters", "schlüssel für alle", 0, false},
    {"fifteen bytes", "0123456789abcde", QR_ERR_INVALID, false},
    {"nothing", "", QR_ERR_INVALID, false},
    {"blanks", "                          ", QR_ERR_INVALID, false},
    {"a comment", "# correct horse battery staple", QR_ERR_INVALID, false},
    {"a control byte", "correct horse\1battery staple", QR_ERR_INVALID, false},
    {"two lines", "correct horse\nbattery staple", QR_ERR_INVALID, false},
};

static void keys_are_written_in_three_ways(void **state)
{
    struct keyring_key counting;
    (void)state;
    for (size_t i = 0; i < sizeof(counting.bytes); i++) {
        counting.bytes[i] = (uint8_t)i;
    }
    for (size_t row = 0; row < COUNT_OF(texts); row++) {
        struct keyring_key key = {{0}};
        int status = keyring_key_parse(texts[row].text, strlen(texts[row].text), &key);
        bool is_counting = status == 0 && memcmp(&key, &counting, sizeof(key)) == 0;
        if (status != texts[row].status || is_counting != texts[row].is_counting) {
            fail_msg("%s: %s", texts[row].name, qr_error_name(status));
        }
    }
    char longest[KEYRING_TEXT_BYTES_MAX + 1];
    memset(longest, 'x', sizeof(longest));
    struct keyring_key key;
    assert_int_equal(keyring_key_parse(longest, sizeof(longest) - 1, &key), 0);
    assert_int_equal(keyring_key_parse(longest, sizeof(longest), &key), QR_ERR_INVALID);
}

/* Nodes of other versions, and other programs, must make the same of it: RFC 5869. */
static void what_is_derived_is_fixed_for_ever(void **state)
{
    struct keyring_key key;
    uint8_t tls[KEYRING_KEY_BYTES];
    uint8_t packets[KEYRING_KEY_BYTES];
    (void)state;
    /* By: openssl kdf -keylen 32 -kdfopt digest:SHA256 -kdfopt key:… -kdfopt info:… HKDF */
    static const uint8_t of_words[] = {0xe3, 0x0d, 0x77, 0x2c, 0x81, 0xd6, 0x67, 0x5a,
                                       0xf0, 0x09, 0x18, 0xa4, 0x9a, 0x4b, 0xb1, 0xab,
                                       0xbe, 0xf2, 0xf0, 0x06, 0xb8, 0xc7, 0x0f, 0x06,
                                       0x31, 0xd8, 0xdd, 0xa4, 0x90, 0x49, 0x3b, 0x71};
    static const uint8_t of_tls[] = {0xd8, 0x25, 0x7b, 0x5c, 0x7a, 0x13, 0x1d, 0x6e,
                                     0x23, 0xf0, 0x41, 0xd4, 0xb3, 0x84, 0x1a, 0xc2,
                                     0x9d, 0x0c, 0x31, 0xba, 0x57, 0xd8, 0x8d, 0xd9,
                                     0x85, 0x7f, 0xef, 0x71, 0x05, 0x3a, 0x86, 0xb9};
    assert_int_equal(keyring_key_parse("correct horse battery staple", 28, &key), 0);
    assert_memory_equal(key.bytes, of_words, sizeof(of_words));
    assert_int_equal(keyring_derive(key.bytes, sizeof(key.bytes), KEYRING_FOR_TLS, tls), 0);
    assert_memory_equal(tls, of_tls, sizeof(of_tls));
    assert_int_equal(keyring_derive(key.bytes, sizeof(key.bytes), KEYRING_FOR_PACKETS, packets), 0);
    assert_memory_not_equal(tls, packets, sizeof(tls));
}

static const struct {
    const char *name;
    const char *text;
    size_t count; /* 0: refused */
    const char *detail;
} files[] = {
    {"one key", HEX_KEY "\n", 1, ""},
    {"without the last line's end", HEX_KEY, 1, ""},
    {"comments and empty lines", "# ours\n\n" HEX_KEY "\n  # old:\ncorrect horse battery\n\n", 2,
     ""},
    {"lines of another system", HEX_KEY "\r\ncorrect horse battery\r\n", 2, ""},
    {"nothing", "", 0, "there is no key in it"},
    {"comments alone", "# one\n# two\n", 0, "there is no key in it"},
    {"a short one", HEX_KEY "\nsecret\n", 0, "line 2 is no key"},
    {"one twice", HEX_KEY "\n\n" BASE64_KEY "\n", 0, "line 3 is a key that stands there before"},
    {"nine",
     "key number 1 of 9\nkey number 2 of 9\nkey number 3 of 9\nkey number 4 of 9\n"
     "key number 5 of 9\nkey number 6 of 9\nkey number 7 of 9\nkey number 8 of 9\n"
     "key number 9 of 9\n",
     0, "line 9 is a key too many"},
};

static void files_of_keys_are_read_or_refused_in_words(void **state)
{
    (void)state;
    for (size_t row = 0; row < COUNT_OF(files); row++) {
        struct keyring_key keys[KEYRING_KEYS_MAX];
        char detail[KEYRING_DETAIL_BYTES] = "";
        size_t count = 0;
        int status = keyring_parse(files[row].text, strlen(files[row].text), keys, &count, detail);
        if ((status == 0) != (files[row].count > 0) || count != files[row].count ||
            strncmp(detail, files[row].detail, strlen(files[row].detail)) != 0 ||
            strstr(detail, "secret") != NULL) {
            fail_msg("%s: %zu, %s", files[row].name, count, detail);
        }
    }
}

struct folder {
    char path[64];
    char file[80];
};

static struct folder folder_make(void)
{
    struct folder folder = {.path = "/tmp/quorate-keys-XXXXXX"};
    assert_non_null(mkdtemp(folder.path));
    (void)snprintf(folder.file, sizeof(folder.file), "%s/secret", folder.path);
    return folder;
}

static void file_put(const char *path, const char *text, mode_t mode)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static void folder_remove(const struct folder *folder)
{
    (void)unlink(folder->file);
    assert_int_equal(rmdir(folder->path), 0); /* and nothing else was left in it */
}

static void a_file_that_others_may_read_is_refused(void **state)
{
    const struct {
        mode_t mode;
        int status;
    } rows[] = {{0600, 0},
                {0400, 0},
                {0640, 0},
                {0644, QR_ERR_INVALID},
                {0604, QR_ERR_INVALID},
                {0602, QR_ERR_INVALID},
                {0660, QR_ERR_INVALID}};
    struct folder folder = folder_make();
    struct keyring_key keys[KEYRING_KEYS_MAX];
    (void)state;
    for (size_t row = 0; row < COUNT_OF(rows); row++) {
        char detail[KEYRING_DETAIL_BYTES] = "";
        size_t count = 0;
        file_put(folder.file, HEX_KEY "\n", rows[row].mode);
        int status = keyring_file_read(folder.file, keys, &count, detail);
        if (status != rows[row].status || (status != 0) != (strstr(detail, folder.file) != NULL)) {
            fail_msg("mode %o: %s, %s", rows[row].mode, qr_error_name(status), detail);
        }
        assert_int_equal(chmod(folder.file, 0600), 0);
    }
    folder_remove(&folder);
}

static void what_is_no_file_of_keys_is_refused(void **state)
{
    struct folder folder = folder_make();
    struct keyring_key keys[KEYRING_KEYS_MAX];
    char detail[KEYRING_DETAIL_BYTES] = "";
    size_t count = 0;
    (void)state;
    assert_int_equal(keyring_file_read(folder.file, keys, &count, detail), QR_ERR_IO);
    assert_non_null(strstr(detail, "No such file"));
    assert_int_equal(keyring_file_read(folder.path, keys, &count, detail), QR_ERR_INVALID);
    assert_int_equal(mkfifo(folder.file, 0600), 0); /* and does not wait for a writer */
    assert_int_equal(keyring_file_read(folder.file, keys, &count, detail), QR_ERR_INVALID);
    assert_int_equal(unlink(folder.file), 0);
    file_put(folder.file, "", 0600);
    assert_int_equal(truncate(folder.file, KEYRING_FILE_BYTES_MAX + 1), 0);
    assert_int_equal(keyring_file_read(folder.file, keys, &count, detail), QR_ERR_INVALID);
    assert_non_null(strstr(detail, "too large"));
    folder_remove(&folder);
}

static void a_file_is_written_as_a_whole_and_read_again(void **state)
{
    struct folder folder = folder_make();
    struct keyring_key keys[KEYRING_KEYS_MAX];
    struct keyring_key read[KEYRING_KEYS_MAX];
    char detail[KEYRING_DETAIL_BYTES] = "";
    size_t count = 0;
    struct stat found;
    (void)state;
    for (uint8_t i = 0; i < KEYRING_KEYS_MAX; i++) {
        keys[i] = key_of((uint8_t)(i + 1));
    }
    file_put(folder.file, "correct horse battery staple\n", 0640);
    assert_int_equal(keyring_file_write(folder.file, keys, KEYRING_KEYS_MAX, detail), 0);
    assert_int_equal(stat(folder.file, &found), 0);
    assert_int_equal(found.st_mode & 0777, 0640);
    assert_int_equal(keyring_file_read(folder.file, read, &count, detail), 0);
    assert_int_equal(count, KEYRING_KEYS_MAX);
    assert_memory_equal(read, keys, sizeof(keys));
    folder_remove(&folder);
}

static void what_a_link_points_to_is_written_not_the_link(void **state)
{
    struct folder folder = folder_make();
    char link[96];
    struct keyring_key key = key_of(7);
    char detail[KEYRING_DETAIL_BYTES] = "";
    struct stat found;
    (void)state;
    (void)snprintf(link, sizeof(link), "%s/link", folder.path);
    file_put(folder.file, HEX_KEY, 0600);
    assert_int_equal(symlink("secret", link), 0);
    assert_int_equal(keyring_file_write(link, &key, 1, detail), 0);
    assert_int_equal(lstat(link, &found), 0);
    assert_true(S_ISLNK(found.st_mode));
    assert_int_equal(unlink(link), 0);
    folder_remove(&folder);
}

static void a_file_that_cannot_be_written_stays_as_it_is(void **state)
{
    struct folder folder = folder_make();
    struct keyring_key key = key_of(7);
    char detail[KEYRING_DETAIL_BYTES] = "";
    (void)state;
    assert_int_equal(keyring_file_write(folder.file, &key, 1, detail), QR_ERR_IO);
    assert_non_null(strstr(detail, "No such file"));
    folder_remove(&folder); /* nor was one made */
}

static void what_a_crash_left_is_taken_away_by_the_next_change(void **state)
{
    struct folder folder = folder_make();
    struct keyring_key key = key_of(7);
    struct keyring_key read[KEYRING_KEYS_MAX];
    size_t count = 0;
    char detail[KEYRING_DETAIL_BYTES] = "";
    char left[160];
    struct stat found;
    (void)state;
    (void)snprintf(left, sizeof(left), "%s.new", folder.file);
    file_put(folder.file, HEX_KEY "\n", 0600);
    file_put(left, "correct horse battery staple\n", 0666); /* of another, who could read on */
    assert_int_equal(keyring_file_write(folder.file, &key, 1, detail), 0);
    assert_int_equal(keyring_file_read(folder.file, read, &count, detail), 0);
    assert_int_equal(count, 1);
    assert_memory_equal(&read[0], &key, sizeof(key));
    assert_int_equal(stat(folder.file, &found), 0);
    assert_int_equal(found.st_mode & 0777, 0600);
    folder_remove(&folder);
}

static void what_keeps_it_from_being_written_is_told(void **state)
{
    struct folder folder = folder_make();
    struct keyring_key key = key_of(7);
    char detail[KEYRING_DETAIL_BYTES] = "";
    struct rlimit before;
    (void)state;
    file_put(folder.file, HEX_KEY "\n", 0600);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &(struct rlimit){0, before.rlim_max}), 0);
    int status = keyring_file_write(folder.file, &key, 1, detail);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_true(signal(SIGXFSZ, SIG_DFL) != SIG_ERR);
    assert_int_equal(status, QR_ERR_IO);
    assert_non_null(strstr(detail, strerror(EFBIG)));
    folder_remove(&folder); /* and what was begun is gone */
}

static void who_shares_a_folder_with_another_writer_is_told_to_come_back(void **state)
{
    struct folder folder = folder_make();
    struct keyring_key key = key_of(7);
    char detail[KEYRING_DETAIL_BYTES] = "";
    (void)state;
    file_put(folder.file, HEX_KEY "\n", 0600);
    int other = open(folder.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(flock(other, LOCK_EX), 0);
    assert_int_equal(keyring_file_write(folder.file, &key, 1, detail), QR_ERR_IO);
    close(other);
    assert_int_equal(keyring_file_write(folder.file, &key, 1, detail), 0);
    folder_remove(&folder);
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
        cmocka_unit_test(keys_are_written_in_three_ways),
        cmocka_unit_test(what_is_derived_is_fixed_for_ever),
        cmocka_unit_test(files_of_keys_are_read_or_refused_in_words),
        cmocka_unit_test(a_file_that_others_may_read_is_refused),
        cmocka_unit_test(what_is_no_file_of_keys_is_refused),
        cmocka_unit_test(a_file_is_written_as_a_whole_and_read_again),
        cmocka_unit_test(what_a_link_points_to_is_written_not_the_link),
        cmocka_unit_test(a_file_that_cannot_be_written_stays_as_it_is),
        cmocka_unit_test(what_a_crash_left_is_taken_away_by_the_next_change),
        cmocka_unit_test(what_keeps_it_from_being_written_is_told),
        cmocka_unit_test(who_shares_a_folder_with_another_writer_is_told_to_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
