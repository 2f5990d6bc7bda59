/* glob.h: the patterns of KEYS and SCAN MATCH, as Redis reads them.
 *
 * `*` any bytes, `?` one byte, `[a-z]` and `[^a-z]` one byte of a set, `\` takes the next byte
 * as it is. A set without its end runs to the end of the pattern.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KV_GLOB_H
#define KV_GLOB_H

#include "kv/kv.h"

/* Cost: at most the lengths of pattern and text multiplied; no recursion. */
bool kv_glob_match(struct kv_argument pattern, struct kv_argument text);

/* The bytes that everything matching `pattern` begins with, in the pattern itself. */
struct kv_argument kv_glob_prefix(struct kv_argument pattern);

#endif
