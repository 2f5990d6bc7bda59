/* kv_result.c: fuzzes the reader of an applied command's result.
 *
 * Asserts  that a result is replayed as what gives the same bytes again, or as one error that
 *          says that it cannot be read.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kv/result.h"

#include <string.h>

#include "fuzz/fuzz.h"

static void record(struct heap *heap, const void *data, size_t size_bytes,
                   struct kv_results *results)
{
    size_t recorded_bytes = 0;
    kv_results_init(results, &heap->allocator);
    kv_results_begin(results);
    struct kv_reply_sink sink = kv_results_sink(results);
    kv_result_replay(data, size_bytes, &sink);
    int status = kv_results_end(results, &recorded_bytes);
    ASSERT(status == 0);
    ASSERT(recorded_bytes == results->used_bytes);
}

static bool is_refusal(const struct kv_results *results)
{
    static const char refusal[] = "ERR the result cannot be read";
    return results->used_bytes == 5 + sizeof(refusal) &&
           memcmp(results->data + 5, refusal, sizeof(refusal)) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct heap heap;
    struct kv_results results;
    heap_init(&heap);
    record(&heap, data, size_bytes, &results);
    if (!is_refusal(&results)) {
        ASSERT(results.used_bytes == size_bytes);
        ASSERT(memcmp(results.data, data, size_bytes) == 0);
        for (size_t cut = 0; cut < size_bytes; cut++) {
            struct kv_results of_prefix;
            record(&heap, data, cut, &of_prefix);
            ASSERT(is_refusal(&of_prefix));
            kv_results_deinit(&of_prefix);
        }
    }
    kv_results_deinit(&results);
    heap_deinit(&heap);
    return 0;
}
