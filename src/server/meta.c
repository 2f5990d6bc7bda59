/* meta.c: the text "client=HOST:PORT http=HOST:PORT", made and taken apart. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "server/meta.h"

#include <string.h>

#include "base/assert.h"
#include "base/text.h"
#include "quorate/error.h"
#include "quorate/types.h"

int server_meta_format(const char *client, const char *http, char *out, size_t out_bytes)
{
    struct text text = text_of(out, out_bytes);

    text_string(&text, "client=");
    text_string(&text, client);
    if (http != NULL && http[0] != '\0') {
        text_string(&text, " http=");
        text_string(&text, http);
    }
    if (text.truncated) {
        out[0] = '\0';
        return QR_ERR_TOO_LARGE;
    }
    return 0;
}

/* 1..5 digits, at most 65,535. */
static bool parse_port(const char *digits, size_t count, uint16_t *out)
{
    uint32_t port = 0;

    if (count == 0 || count > 5) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (digits[i] < '0' || digits[i] > '9') {
            return false;
        }
        port = port * 10 + (uint32_t)(digits[i] - '0');
    }
    if (port > UINT16_MAX) {
        return false;
    }
    *out = (uint16_t)port;
    return true;
}

/* What a host may be made of, as src/runtime/address.c has it: no blanks, no commas. */
static bool is_host(const char *host, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (host[i] <= ' ' || host[i] > '~' || strchr(",/[]\"\\", host[i]) != NULL) {
            return false;
        }
    }
    return length > 0;
}

int server_address_split(const char *address, size_t address_bytes, char *host, size_t host_bytes,
                         uint16_t *port)
{
    size_t colon = address_bytes;
    uint16_t number;

    while (colon > 0 && address[colon - 1] != ':') {
        colon--;
    }
    if (colon == 0 || address_bytes >= QR_ADDRESS_BYTES_MAX ||
        !parse_port(address + colon, address_bytes - colon, &number)) {
        return QR_ERR_MALFORMED;
    }
    size_t begin = 0;
    size_t end = colon - 1;
    if (end >= 2 && address[0] == '[' && address[end - 1] == ']') {
        begin = 1;
        end--;
    } else if (memchr(address, ':', end) != NULL) {
        return QR_ERR_MALFORMED; /* IPv6 wants its brackets, else the port is a guess */
    }
    if (!is_host(address + begin, end - begin) || end - begin >= host_bytes) {
        return QR_ERR_MALFORMED;
    }
    memcpy(host, address + begin, end - begin);
    host[end - begin] = '\0';
    *port = number;
    return 0;
}

int server_meta_get(const char *meta, const char *key, char *host, size_t host_bytes,
                    uint16_t *port)
{
    size_t key_bytes = strlen(key);
    const char *word = meta;

    ASSERT(host_bytes > 0);
    while (*word != '\0') {
        size_t word_bytes = strcspn(word, " ");
        if (word_bytes > key_bytes && memcmp(word, key, key_bytes) == 0 && word[key_bytes] == '=') {
            return server_address_split(word + key_bytes + 1, word_bytes - key_bytes - 1, host,
                                        host_bytes, port);
        }
        word += word_bytes;
        word += strspn(word, " ");
    }
    return QR_ERR_NOT_FOUND;
}
