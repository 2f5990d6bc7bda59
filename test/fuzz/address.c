/* address.c: fuzzes the readers of HOST:PORT, and of the text in which members tell theirs.
 *
 * Input    a string.
 * Asserts  that what one reader takes the other takes, as the same host and port; that a
 *          socket's address written and read is the same; that meta text that was made gives
 *          what was put in.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/address.h"

#include <stdlib.h>
#include <string.h>

#include "cli/address.h"
#include "fuzz/fuzz.h"
#include "server/meta.h"

#define STRING_BYTES_MAX 512

static void check_socket(const struct address *address)
{
    struct sockaddr_storage socket;
    struct sockaddr_storage other;
    char written[QR_ADDRESS_BYTES_MAX];
    struct address read;
    if (!address_to_socket(address, &socket)) {
        return;
    }
    address_of_socket((const struct sockaddr *)&socket, written);
    ASSERT(address_parse(written, &read) == 0);
    ASSERT(address_to_socket(&read, &other));
    ASSERT(memcmp(&socket, &other, sizeof(socket)) == 0);
}

/* Both readers of an address agree. */
static void check_address(const char *string)
{
    struct address address;
    struct cli_address other;
    int status = address_parse(string, &address);
    int other_status = cli_address_parse(string, strlen(string), &other);
    ASSERT_IMPLIES(other_status == 0, status == 0);
    if (status == 0) {
        check_socket(&address);
    }
    if (other_status == 0) {
        ASSERT(strcmp(address.host, other.host) == 0);
        ASSERT(strtoul(address.port, NULL, 10) == other.port);
    }
}

static void check_meta(const char *string)
{
    char host[QR_ADDRESS_BYTES_MAX];
    char meta[QR_META_BYTES_MAX];
    struct cli_address address;
    uint16_t port;
    int status = server_meta_get(string, "client", host, sizeof(host), &port);
    ASSERT_IMPLIES(status == 0, strlen(host) > 0);
    if (cli_address_parse(string, strlen(string), &address) != 0 ||
        server_meta_format("h:1", string, meta, sizeof(meta)) != 0) {
        return;
    }
    ASSERT(server_meta_get(meta, "http", host, sizeof(host), &port) == 0);
    ASSERT(strcmp(host, address.host) == 0);
    ASSERT(port == address.port);
    ASSERT(server_meta_get(meta, "client", host, sizeof(host), &port) == 0);
    ASSERT(strcmp(host, "h") == 0);
    ASSERT(port == 1);
}

static void check_announced(const char *string)
{
    char announced[QR_ADDRESS_BYTES_MAX];
    struct cli_address address;
    struct cli_address told;
    if (cli_address_parse(string, strlen(string), &address) != 0) {
        return;
    }
    int status = cli_address_announced("0.0.0.0:65535", string, announced, sizeof(announced));
    size_t length = strlen(address.host) + strlen(":65535");
    length += strchr(address.host, ':') == NULL ? 0 : strlen("[]");
    ASSERT((status == 0) == (length < sizeof(announced)));
    if (status == 0) {
        ASSERT(cli_address_parse(announced, strlen(announced), &told) == 0);
        ASSERT(strcmp(told.host, address.host) == 0);
        ASSERT(told.port == 65535);
    }
}

static void check_list(const char *string)
{
    static struct cli_addresses list;
    if (cli_addresses_parse(string, &list) != 0) {
        return;
    }
    ASSERT(list.count >= 1);
    ASSERT(list.count <= CLI_ADDRESSES_MAX);
    for (size_t i = 0; i < list.count; i++) {
        ASSERT(strlen(list.items[i].host) > 0);
        ASSERT(list.items[i].port > 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    char string[STRING_BYTES_MAX];
    if (size_bytes >= sizeof(string)) {
        return 0;
    }
    memcpy(string, data, size_bytes);
    string[size_bytes] = '\0';
    check_address(string);
    check_meta(string);
    check_announced(string);
    check_list(string);
    return 0;
}
