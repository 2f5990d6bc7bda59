/* address.h: HOST:PORT, with [HOST]:PORT for IPv6. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_ADDRESS_H
#define RUNTIME_ADDRESS_H

#include <sys/socket.h>

#include "base/types.h"
#include "quorate/types.h"

#define ADDRESS_PORT_BYTES 6 /* "65535" and a NUL */

struct address {
    char host[QR_ADDRESS_BYTES_MAX]; /* a name or a number, without brackets */
    char port[ADDRESS_PORT_BYTES];   /* decimal digits, 0..65535 */
};

/* Read `text`. Returns 0, or QR_ERR_ADDRESS: no host, no port, brackets that do not close,
 * a port over 65535, or longer than QR_ADDRESS_BYTES_MAX; then `out` is undefined.
 */
NODISCARD int address_parse(const char *text, struct address *out);

/* The socket address, when the host is a number; false when it is a name. */
bool address_to_socket(const struct address *address, struct sockaddr_storage *out);

/* Whether only this machine reaches it: every address that the host has is loopback. Waits for the
 * look-up of a name.
 *
 * Returns 0, or QR_ERR_ADDRESS: the name is not found, now; the next look-up may find it.
 */
NODISCARD int address_is_loopback(const struct address *address, bool *is_only);

/* Whether it is an address with port 0. */
bool address_is_any_port(const char *text);

/* A socket address as HOST:PORT; "?" when it is of no family we know. */
void address_of_socket(const struct sockaddr *socket, char out[QR_ADDRESS_BYTES_MAX]);

#endif
