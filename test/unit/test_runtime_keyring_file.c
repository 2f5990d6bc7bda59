/* test_runtime_keyring_file.c: keys as they are written, and the file that they stand in. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "quorate/error.h"
#include "runtime/keyring.h"
#include "support/transport_pair.h"

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
        keys[i] = transport_pair_key((uint8_t)(i + 1));
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
    struct keyring_key key = transport_pair_key(7);
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
    struct keyring_key key = transport_pair_key(7);
    char detail[KEYRING_DETAIL_BYTES] = "";
    (void)state;
    assert_int_equal(keyring_file_write(folder.file, &key, 1, detail), QR_ERR_IO);
    assert_non_null(strstr(detail, "No such file"));
    folder_remove(&folder); /* nor was one made */
}

static void what_a_crash_left_is_taken_away_by_the_next_change(void **state)
{
    struct folder folder = folder_make();
    struct keyring_key key = transport_pair_key(7);
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
    struct keyring_key key = transport_pair_key(7);
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
    struct keyring_key key = transport_pair_key(7);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
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
