/* address.h: HOST:PORT, and lists of it, as people write them. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_ADDRESS_H
#define CLI_ADDRESS_H

#include <argp.h>

#include "base/types.h"
#include "quorate/error.h"
#include "quorate/types.h"

#define CLI_ADDRESSES_MAX QR_MEMBERS_MAX

struct cli_address {
    char host[QR_ADDRESS_BYTES_MAX]; /* without the brackets of IPv6 */
    uint16_t port;
};

struct cli_addresses {
    size_t count;
    struct cli_address items[CLI_ADDRESSES_MAX];
};

/* Parse HOST:PORT; HOST may be an IPv6 address in brackets, PORT is 1..65535.
 * Returns 0 or QR_ERR_ADDRESS.
 */
NODISCARD int cli_address_parse(const char *text, size_t size_bytes, struct cli_address *out);

/* Parse 1..CLI_ADDRESSES_MAX addresses with commas between. Returns 0 or QR_ERR_ADDRESS. */
NODISCARD int cli_addresses_parse(const char *text, struct cli_addresses *out);

/* True for 0.0.0.0 and ::, which mean every address of this machine, and to others nothing. */
bool cli_address_is_any(const struct cli_address *address);

/* Write HOST:PORT, an IPv6 host in brackets. Returns 0, or QR_ERR_TOO_LARGE when `size_bytes` do
 * not hold it; then `out` is "".
 */
NODISCARD int cli_address_write(const struct cli_address *address, char *out, size_t size_bytes);

/* What clients elsewhere are told of the address `own` that this node listens on: when that is
 * any address, the host that members dial, `dialed`. Both are well-formed.
 * Returns 0, or QR_ERR_TOO_LARGE when `size_bytes` do not hold it; then `out` is "".
 */
NODISCARD int cli_address_announced(const char *own, const char *dialed, char *out,
                                    size_t size_bytes);

/* For a parser: as above, or the process ends with a usage error. */
void cli_addresses_option(struct argp_state *state, const char *name, const char *text,
                          struct cli_addresses *out);

/* A list of one: 127.0.0.1 with `port`. */
void cli_addresses_local(uint16_t port, struct cli_addresses *out);

/* Connect, waiting at most `timeout_ms`, with that as the limit of each later send and
 * receive too. Returns a descriptor, or -1 with errno set.
 */
int cli_address_connect(const struct cli_address *address, unsigned timeout_ms);

#endif
