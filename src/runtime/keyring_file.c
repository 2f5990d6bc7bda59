/* keyring_file.c: keys as they are written, and the file that holds them. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/text.h"
#include "quorate/error.h"
#include "runtime/keyring.h"

#define HEX_DIGITS (2 * KEYRING_KEY_BYTES)
#define BASE64_DIGITS 43      /* of 32 bytes, before the one = that pads them */
#define MODE_NOT_ALLOWED 0027 /* the group may read, nobody else do anything */
#define MODE_KEPT 0640

void keyring_wipe(void *secret, size_t size_bytes)
{
    OPENSSL_cleanse(secret, size_bytes);
}

int keyring_derive(const void *secret, size_t size_bytes, const char *purpose,
                   uint8_t out[KEYRING_KEY_BYTES])
{
    char digest[] = "SHA256";
    char info[64];
    uint8_t input[KEYRING_TEXT_BYTES_MAX];
    struct text text = text_of(info, sizeof(info));
    text_string(&text, purpose);
    ASSERT(!text.truncated && size_bytes <= sizeof(input));
    memcpy(input, secret, size_bytes);
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, input, size_bytes),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, strlen(info)),
        OSSL_PARAM_construct_end(),
    };
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *context = kdf == NULL ? NULL : EVP_KDF_CTX_new(kdf);
    int status = context != NULL && EVP_KDF_derive(context, out, KEYRING_KEY_BYTES, parameters) == 1
                     ? 0
                     : QR_ERR_NO_MEMORY;
    EVP_KDF_CTX_free(context);
    EVP_KDF_free(kdf);
    keyring_wipe(input, sizeof(input));
    return status;
}

struct keyring_id keyring_id_of(const struct keyring_key *key)
{
    uint8_t digest[SHA256_DIGEST_LENGTH];
    struct keyring_id id;
    const uint8_t *made = SHA256(key->bytes, sizeof(key->bytes), digest);
    ASSERT(made != NULL);
    memcpy(id.bytes, digest, sizeof(id.bytes));
    return id;
}

void keyring_id_text(struct keyring_id id, char out[KEYRING_ID_TEXT_BYTES])
{
    struct text text = text_of(out, KEYRING_ID_TEXT_BYTES);
    for (size_t i = 0; i < sizeof(id.bytes); i++) {
        text_hex(&text, id.bytes[i], 2);
    }
    ASSERT(!text.truncated);
}

static int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    char lower = (char)(digit | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static bool read_hex(const char *text, size_t size_bytes, struct keyring_key *out)
{
    if (size_bytes != HEX_DIGITS) {
        return false;
    }
    for (size_t i = 0; i < KEYRING_KEY_BYTES; i++) {
        int high = hex_value(text[2 * i]);
        int low = hex_value(text[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        out->bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static int base64_value(char digit)
{
    if (digit >= 'A' && digit <= 'Z') {
        return digit - 'A';
    }
    if (digit >= 'a' && digit <= 'z') {
        return digit - 'a' + 26;
    }
    if (digit >= '0' && digit <= '9') {
        return digit - '0' + 52;
    }
    return digit == '+' ? 62 : digit == '/' ? 63 : -1;
}

static bool read_base64(const char *text, size_t size_bytes, struct keyring_key *out)
{
    bool is_padded = size_bytes == BASE64_DIGITS + 1 && text[BASE64_DIGITS] == '=';
    uint32_t bits = 0;
    unsigned bit_count = 0;
    size_t at = 0;
    if (size_bytes != BASE64_DIGITS && !is_padded) {
        return false;
    }
    for (size_t i = 0; i < BASE64_DIGITS; i++) {
        int value = base64_value(text[i]);
        if (value < 0) {
            return false;
        }
        bits = (bits << 6 | (uint32_t)value) & 0xfff;
        bit_count += 6;
        if (bit_count >= 8) {
            bit_count -= 8;
            out->bytes[at++] = (uint8_t)(bits >> bit_count);
        }
    }
    ASSERT(at == KEYRING_KEY_BYTES && bit_count == 2);
    return (bits & 3) == 0; /* else it is no encoding of 32 bytes, but words that look like it */
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static void trim(const char **text, size_t *size_bytes)
{
    while (*size_bytes > 0 && is_blank((*text)[*size_bytes - 1])) {
        (*size_bytes)--;
    }
    while (*size_bytes > 0 && is_blank(**text)) {
        (*text)++;
        (*size_bytes)--;
    }
}

int keyring_key_parse(const char *text, size_t size_bytes, struct keyring_key *out)
{
    trim(&text, &size_bytes);
    if (read_hex(text, size_bytes, out) || read_base64(text, size_bytes, out)) {
        return 0;
    }
    if (size_bytes < KEYRING_TEXT_BYTES_MIN || size_bytes > KEYRING_TEXT_BYTES_MAX ||
        text[0] == '#') {
        return QR_ERR_INVALID;
    }
    for (size_t i = 0; i < size_bytes; i++) {
        if ((uint8_t)text[i] < ' ' || text[i] == 0x7f) {
            return QR_ERR_INVALID;
        }
    }
    return keyring_derive(text, size_bytes, KEYRING_FOR_TEXT, out->bytes);
}

/* Names are what packets and handshakes tell keys apart by: they must differ. */
static bool is_known(const struct keyring_key *keys, size_t count, const struct keyring_key *key)
{
    struct keyring_id id = keyring_id_of(key);
    for (size_t i = 0; i < count; i++) {
        struct keyring_id known = keyring_id_of(&keys[i]);
        if (memcmp(&known, &id, sizeof(id)) == 0) {
            return true;
        }
    }
    return false;
}

static int take_line(const char *line, size_t size_bytes, struct keyring_key *keys, size_t *count,
                     const char **wrong)
{
    struct keyring_key key;
    trim(&line, &size_bytes);
    if (size_bytes == 0 || line[0] == '#') {
        return 0;
    }
    int status = keyring_key_parse(line, size_bytes, &key);
    if (status != 0) {
        *wrong = status == QR_ERR_INVALID
                     ? "is no key: write 32 bytes in base64 or hexadecimal, or 16 to 256 others"
                     : qr_error_text(status);
    } else if (*count == KEYRING_KEYS_MAX) {
        *wrong = "is a key too many: there may be 8";
    } else if (is_known(keys, *count, &key)) {
        *wrong = "is a key that stands there before";
    } else {
        keys[(*count)++] = key;
    }
    keyring_wipe(&key, sizeof(key));
    return *wrong == NULL ? 0 : status != 0 ? status : QR_ERR_INVALID;
}

int keyring_parse(const char *text, size_t size_bytes, struct keyring_key *keys, size_t *count,
                  char *detail)
{
    size_t found = 0;
    unsigned number = 0;
    while (size_bytes > 0) {
        const char *end = memchr(text, '\n', size_bytes);
        size_t length = end == NULL ? size_bytes : (size_t)(end - text);
        const char *wrong = NULL;
        number++;
        int status = take_line(text, length, keys, &found, &wrong);
        if (status != 0) {
            (void)snprintf(detail, KEYRING_DETAIL_BYTES, "line %u %s", number, wrong);
            return status;
        }
        length += end == NULL ? 0 : 1;
        text += length;
        size_bytes -= length;
    }
    if (found == 0) {
        (void)snprintf(detail, KEYRING_DETAIL_BYTES,
                       "there is no key in it; `head -c 32 /dev/urandom | base64` makes one");
        return QR_ERR_INVALID;
    }
    *count = found;
    return 0;
}

static int refuse(char *detail, const char *path, const char *what, int status)
{
    (void)snprintf(detail, KEYRING_DETAIL_BYTES, "secret file: %.300s: %s", path, what);
    return status;
}

static int check_file(int descriptor, const char *path, char *detail)
{
    struct stat found;
    if (fstat(descriptor, &found) != 0) {
        return refuse(detail, path, strerror(errno), QR_ERR_IO);
    }
    if (!S_ISREG(found.st_mode)) {
        return refuse(detail, path, "it is not a file", QR_ERR_INVALID);
    }
    if ((found.st_mode & MODE_NOT_ALLOWED) != 0) {
        return refuse(
            detail, path,
            "others may read or change it; `chmod 600` it, and change the key if somebody "
            "did",
            QR_ERR_INVALID);
    }
    if (found.st_size > KEYRING_FILE_BYTES_MAX) {
        return refuse(detail, path, "it is too large for a file of keys", QR_ERR_INVALID);
    }
    return 0;
}

/* Up to `size_bytes`, or -1 with errno. */
static ssize_t read_all(int descriptor, char *out, size_t size_bytes)
{
    size_t have = 0;
    while (have < size_bytes) {
        ssize_t got = read(descriptor, out + have, size_bytes - have);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return -1;
        }
        if (got == 0) {
            break;
        }
        have += (size_t)got;
    }
    return (ssize_t)have;
}

int keyring_file_read(const char *path, struct keyring_key *keys, size_t *count, char *detail)
{
    char bytes[KEYRING_FILE_BYTES_MAX];
    char why[KEYRING_DETAIL_BYTES] = "";
    /* Not waiting for whoever might write into a pipe of that name. */
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0) {
        return refuse(detail, path, strerror(errno), QR_ERR_IO);
    }
    int status = check_file(descriptor, path, detail);
    if (status == 0) {
        ssize_t got = read_all(descriptor, bytes, sizeof(bytes));
        if (got < 0) {
            status = refuse(detail, path, strerror(errno), QR_ERR_IO);
        } else {
            status = keyring_parse(bytes, (size_t)got, keys, count, why);
            status = status == 0 ? 0 : refuse(detail, path, why, status);
        }
        keyring_wipe(bytes, sizeof(bytes));
    }
    (void)close(descriptor);
    return status;
}

#define FILE_HEAD                                                                                  \
    "# Keys of a Quorate cluster, written by `quorate keys`: the first is used to send, all to\n"  \
    "# receive. Who can read this can join in.\n"
#define FILE_BYTES_MAX (sizeof(FILE_HEAD) + (size_t)KEYRING_KEYS_MAX * (HEX_DIGITS + 1))

static size_t print_keys(const struct keyring_key *keys, size_t count, char *out, size_t out_bytes)
{
    struct text text = text_of(out, out_bytes);
    text_string(&text, FILE_HEAD);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < KEYRING_KEY_BYTES; k++) {
            text_hex(&text, keys[i].bytes[k], 2);
        }
        text_char(&text, '\n');
    }
    ASSERT(!text.truncated);
    return strlen(out);
}

/* What was called last failed, and errno says why: that is to be told, not how cleaning up went. */
static void close_failed(int descriptor)
{
    int failure = errno;
    (void)close(descriptor);
    errno = failure;
}

static void unlink_failed(const char *path)
{
    int failure = errno;
    (void)unlink(path);
    errno = failure;
}

static bool write_synced(int descriptor, const char *bytes, size_t size_bytes)
{
    while (size_bytes > 0) {
        ssize_t put = write(descriptor, bytes, size_bytes);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put == 0) {
            errno = EIO; /* write() sets none */
        }
        if (put <= 0) {
            return false;
        }
        bytes += put;
        size_bytes -= (size_t)put;
    }
    return fsync(descriptor) == 0;
}

/* Make the file anew, for the group of `old`; there is none when it fails. What a crash left there
 * goes first. Errno says why not.
 */
static bool put_file(const char *path, const struct stat *old, const char *bytes, size_t size_bytes)
{
    (void)unlink(path);
    int descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (descriptor < 0) {
        return false;
    }
    /* The group stays whose it was where we may say so; if not, it may not read. */
    bool is_kept = fchown(descriptor, (uid_t)-1, old->st_gid) == 0 &&
                   fchmod(descriptor, old->st_mode & MODE_KEPT) == 0;
    (void)is_kept;
    if (!write_synced(descriptor, bytes, size_bytes)) {
        close_failed(descriptor);
        unlink_failed(path);
        return false;
    }
    if (close(descriptor) != 0) {
        unlink_failed(path);
        return false;
    }
    return true;
}

/* Locked, as nodes of one machine may share the file, and what is made beside it has one name. Not
 * waiting: the step can be repeated. A file system without such locks is none to fail for.
 */
static int open_folder_of(const char *path)
{
    char folder[KEYRING_PATH_BYTES_MAX];
    struct text text = text_of(folder, sizeof(folder));
    const char *slash = strrchr(path, '/');
    ASSERT(slash != NULL);
    text_bytes(&text, path, slash == path ? 1 : (size_t)(slash - path));
    int descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor >= 0 && flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        close_failed(descriptor);
        return -1;
    }
    return descriptor;
}

/* `path` is absolute and no link. Errno says why not. */
static bool replace(const char *path, const char *bytes, size_t size_bytes)
{
    /* Always the same: what a crash leaves holds keys, and the next change takes it away. */
    char temporary[KEYRING_PATH_BYTES_MAX + sizeof(".new")];
    struct stat old;
    (void)snprintf(temporary, sizeof(temporary), "%s.new", path);
    int folder = open_folder_of(path);
    if (folder < 0) {
        return false;
    }
    bool is_put = stat(path, &old) == 0 && put_file(temporary, &old, bytes, size_bytes);
    if (is_put && rename(temporary, path) != 0) {
        unlink_failed(temporary);
        is_put = false;
    }
    is_put = is_put && fsync(folder) == 0;
    close_failed(folder);
    return is_put;
}

int keyring_file_write(const char *path, const struct keyring_key *keys, size_t count, char *detail)
{
    char bytes[FILE_BYTES_MAX];
    char real[KEYRING_PATH_BYTES_MAX];
    ASSERT(count >= 1 && count <= KEYRING_KEYS_MAX);
    size_t size_bytes = print_keys(keys, count, bytes, sizeof(bytes));
    _Static_assert(sizeof(real) >= 4096, "realpath() writes up to PATH_MAX");
    bool is_done = realpath(path, real) != NULL && replace(real, bytes, size_bytes);
    keyring_wipe(bytes, sizeof(bytes));
    return is_done ? 0 : refuse(detail, path, strerror(errno), QR_ERR_IO);
}
