/* sized.h: structs that begin with their size, from and for programs of other versions.
 *
 * Owns     the rule of the head of quorate/engine.h, once.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_SIZED_H
#define ENGINE_SIZED_H

#include <stddef.h>

#include "base/types.h"

#define SIZED_TAIL_BYTES_MAX 4096 /* that a later version may have more */

/* What a struct is here, and the least of it that any version had. */
struct sized {
    size_t size_bytes;
    size_t least_bytes; /* through the last member that must be there */
};

/* Read one that a program gave: members that its version does not have become 0.
 *
 * out   `known.size_bytes` long; untouched on failure.
 *
 * Returns 0, QR_ERR_INVALID (NULL, or its size is of no version), or QR_ERR_VERSION: it says
 * something, in members of a later version, that is not understood here.
 */
NODISCARD int sized_read(struct sized known, const void *given, void *out);

/* Whether `out`, of a program, is one that sized_write() may fill: 0 or QR_ERR_INVALID. */
NODISCARD int sized_check(struct sized known, const void *out);

/* Fill as much of a program's as it has, from one of this version; the rest becomes 0. */
void sized_write(struct sized known, const void *from, void *out);

#endif
