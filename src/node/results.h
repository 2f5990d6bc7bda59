/* results.h: the results that are kept for repeats: the latest ones, within a limit in bytes.
 *
 * Owns     their bytes, in one ring that doubles up to its limit, each found by its position:
 *          the sum of the lengths of all before it, ever. What it holds depends on the
 *          results alone, in their order, never on who still asks for one.
 * Threads  one caller at a time.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_RESULTS_H
#define NODE_RESULTS_H

#include "base/allocator.h"
#include "base/bytes.h"
#include "base/types.h"

#define RESULTS_BYTES_MAX (UINT64_C(16) << 20)      /* a power of two */
#define RESULTS_ONE_BYTES_MAX (UINT64_C(64) * 1024) /* a longer one is not kept */

struct results {
    const struct allocator *allocator;
    uint8_t *ring; /* byte p lies at p modulo capacity, a power of two */
    size_t capacity;
    uint64_t begin; /* position of the oldest byte kept */
    uint64_t end;
    uint64_t digest; /* of all results ever, in order */
};

void results_init(struct results *results, const struct allocator *allocator);
void results_deinit(struct results *results);

/* Keep a result behind the last; the oldest go where there is no room for all.
 *
 * at   set to its position.
 *
 * Returns 0, QR_ERR_TOO_LARGE (over RESULTS_ONE_BYTES_MAX: counted, and not kept), or
 * QR_ERR_NO_MEMORY with nothing changed.
 */
NODISCARD int results_add(struct results *results, const void *data, size_t size_bytes,
                          uint64_t *at);

/* Copy a result to `out`. False: it is no longer kept. */
bool results_copy(const struct results *results, uint64_t at, size_t size_bytes, uint8_t *out);

/* The whole of it as bytes, and back from them. */
size_t results_write_bytes(const struct results *results);
void results_write(const struct results *results, struct writer *writer);

/* Into an empty one. Returns 0, QR_ERR_CORRUPT or QR_ERR_NO_MEMORY; then it is empty. */
NODISCARD int results_read(struct results *results, struct reader *reader);

#endif
