/* config.c: fuzzes the configuration file of `quorate serve --config`.
 *
 * Input    the file.
 * Asserts  that a refusal says why; that of what was taken every setting is within its bounds,
 *          and every string ends in its array; that the node's own reader of addresses takes
 *          what this one took.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/serve_options.h"
#include "fuzz/fuzz.h"
#include "runtime/address.h"

#define PATH_BYTES_MAX 64

static void check_string(const char *string, size_t size_bytes)
{
    ASSERT(memchr(string, '\0', size_bytes) != NULL);
}

static void check_address(const char *string)
{
    struct address address;
    check_string(string, QR_ADDRESS_BYTES_MAX);
    ASSERT(address_parse(string, &address) == 0);
}

static void check_options(const struct serve_options *options)
{
    char detail[QR_ERROR_DETAIL_BYTES] = "";
    struct qr_limits limits = options->limits;
    check_string(options->name, sizeof(options->name));
    check_string(options->data, sizeof(options->data));
    check_string(options->join, sizeof(options->join));
    ASSERT(options->name[0] != '\0');
    ASSERT(options->data[0] != '\0');
    check_address(options->peer);
    check_address(options->client);
    check_address(options->http);
    if (options->advertise[0] != '\0') {
        check_address(options->advertise);
    }
#define X(name, initial, least, most, unit)                                                        \
    ASSERT(limits.name == (least) || limits.name > (least)); /* least may be 0 */                  \
    ASSERT(limits.name <= (most));
    QR_LIMIT_MAP(X)
#undef X
    int status = serve_options_check(options, detail);
    ASSERT((status != 0) == (detail[0] != '\0'));
    ASSERT(memchr(detail, '\0', sizeof(detail)) != NULL);
}

/* The file has no name and no place on a disk. */
static void load(int descriptor)
{
    static struct serve_options options;
    char path[PATH_BYTES_MAX];
    char detail[QR_ERROR_DETAIL_BYTES] = "";
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", descriptor);
    serve_options_init(&options);
    int status = serve_config_load(path, &options, detail);
    ASSERT(memchr(detail, '\0', sizeof(detail)) != NULL);
    if (status != 0) {
        ASSERT(status == QR_ERR_INVALID);
        ASSERT(strstr(detail, path) == detail);
    }
    check_options(&options);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    int descriptor = memfd_create("config", MFD_CLOEXEC);
    ASSERT(descriptor >= 0);
    ASSERT(write(descriptor, data, size_bytes) == (ssize_t)size_bytes);
    load(descriptor);
    (void)close(descriptor);
    return 0;
}
