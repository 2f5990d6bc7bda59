/* meta.h: what a node tells the others about its client side, in the members' meta text.
 *
 * Format   "client=HOST:PORT http=HOST:PORT"; unknown words are skipped.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_META_H
#define SERVER_META_H

#include "base/types.h"

/* Write the meta text.
 *
 * http   NULL or "": left out.
 *
 * Returns 0, or QR_ERR_TOO_LARGE when `out_bytes` do not hold it; then `out` is "".
 */
NODISCARD int server_meta_format(const char *client, const char *http, char *out, size_t out_bytes);

/* Find the address behind `key` ("client", "http") and split it.
 *
 * host   of host_bytes; brackets around an IPv6 address are taken off.
 *
 * Returns 0, QR_ERR_NOT_FOUND, or QR_ERR_MALFORMED when it is no HOST:PORT; on failure
 * nothing was written.
 */
NODISCARD int server_meta_get(const char *meta, const char *key, char *host, size_t host_bytes,
                              uint16_t *port);

/* Split HOST:PORT; the same for any address. It takes what address_parse() of src/runtime
 * takes, so that what one of them was told the other can use.
 *
 * Returns 0, or QR_ERR_MALFORMED: no port, a port over 65,535, a host that is empty, too long
 * or none, IPv6 without brackets, or longer than QR_ADDRESS_BYTES_MAX.
 */
NODISCARD int server_address_split(const char *address, size_t address_bytes, char *host,
                                   size_t host_bytes, uint16_t *port);

#endif
