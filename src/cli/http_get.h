/* http_get.h: one HTTP/1.1 GET, waited for. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_HTTP_GET_H
#define CLI_HTTP_GET_H

#include "cli/address.h"

#define HTTP_BODY_BYTES_MAX (4 * 1024 * 1024)

struct http_body {
    char *data; /* the caller frees it; ends in a NUL that size_bytes does not count */
    size_t size_bytes;
};

/* Fetch `path` from `address` in at most about `timeout_ms`.
 *
 * Returns 0, or with nothing to free
 *   QR_ERR_ADDRESS    nobody answers there.
 *   QR_ERR_NOT_FOUND  the answer is another than 200.
 *   QR_ERR_MALFORMED  it is no HTTP, is cut, or longer than HTTP_BODY_BYTES_MAX.
 *   QR_ERR_NO_MEMORY
 */
NODISCARD int http_get(const struct cli_address *address, const char *path, unsigned timeout_ms,
                       struct http_body *out);

#endif
