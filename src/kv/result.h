/* result.h: replies as bytes, as they stand in the result of an applied entry.
 *
 * Owns     one buffer for the results of one call of apply.
 * Format   a value is a tag (one byte) and what belongs to it: the text of a status or an
 *          error as its length (u32), its bytes and a NUL that counts; an integer as 8 bytes;
 *          a bulk as its length (u32) and its bytes; nothing for a null, or a null in the
 *          place of an array; the number of elements (u32) of an array, whose values follow.
 *          A result is one value.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KV_RESULT_H
#define KV_RESULT_H

#include "kv/kv.h"

/* Enough for the largest value; a longer result becomes an error reply. */
#define KV_RESULT_BYTES_MAX ((size_t)KV_VALUE_BYTES_MAX + 64)

/* One call of apply may bring as many results of reading commands as so many of the longest. */
#define KV_READ_RESULTS_MAX 4

/* What the buffer keeps from one call to the next. */
#define KV_RESULTS_KEPT_BYTES_MAX ((size_t)1024 * 1024)

struct kv_results {
    const struct allocator *allocator; /* borrowed */
    uint8_t *data;
    size_t capacity;
    size_t used_bytes;
    size_t start;        /* of the result being written */
    size_t bytes_max;    /* of the result being written */
    bool has_overflowed; /* the result being written is too long */
    bool has_failed;     /* no memory: the results are not whole */
};

void kv_results_init(struct kv_results *results, const struct allocator *allocator);
void kv_results_deinit(struct kv_results *results);

/* Forget all results, and a buffer that has become large. */
void kv_results_reset(struct kv_results *results);

/* Begin a result; its values go to kv_results_sink(). */
void kv_results_begin(struct kv_results *results);

/* Let the result that was begun be no longer than this. */
void kv_results_limit(struct kv_results *results, size_t bytes_max);

/* End it.
 *
 * size_bytes   set to its length; it lies behind the results before it.
 *
 * Returns 0 or QR_ERR_NO_MEMORY.
 */
NODISCARD int kv_results_end(struct kv_results *results, size_t *size_bytes);

struct kv_reply_sink kv_results_sink(struct kv_results *results);

/* Bytes of the result being written so far. */
size_t kv_results_element_begin(const struct kv_results *results);

/* One element of an array was written since kv_results_element_begin() gave `begin`: where it
 * made the result too long, an error stands in its place, and the result goes on. Of a write
 * the error says that it was done.
 */
void kv_results_element_end(struct kv_results *results, size_t begin, bool is_write);

#endif
