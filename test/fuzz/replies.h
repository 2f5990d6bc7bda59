/* replies.h: RESP2 and RESP3 replies as a client reads them, only to see that they are whole. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FUZZ_REPLIES_H
#define FUZZ_REPLIES_H

#include "base/types.h"

/* Count the replies that stand there, and assert that they are well-formed. Returns how many
 * bytes are left behind the last whole one.
 */
size_t replies_count(const uint8_t *data, size_t size_bytes, size_t *count);

#endif
