/* kv_payload.c: fuzzes the decoder of a key-value proposal's payload.
 *
 * Asserts  that what decodes is what its own encoding gives, and that each prefix is refused.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kv/payload.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "quorate/error.h"

static void check(struct heap *heap, const uint8_t *data, size_t size_bytes)
{
    struct kv_payload payload;
    int status = kv_payload_decode(&payload, &heap->allocator, data, size_bytes);
    if (status != 0) {
        ASSERT(status == QR_ERR_MALFORMED);
        return;
    }
    ASSERT(payload.count > 0);
    ASSERT(payload.count <= KV_ARGUMENTS_MAX);
    ASSERT(kv_payload_bytes(payload.arguments, payload.count) == size_bytes);
    uint8_t *encoded = malloc(size_bytes);
    ASSERT(encoded != NULL);
    kv_payload_encode(payload.arguments, payload.count, encoded);
    ASSERT(memcmp(encoded, data, size_bytes) == 0);
    free(encoded);
    kv_payload_deinit(&payload);
    for (size_t cut = 0; cut < size_bytes; cut++) {
        ASSERT(kv_payload_decode(&payload, &heap->allocator, data, cut) == QR_ERR_MALFORMED);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct heap heap;
    heap_init(&heap);
    check(&heap, data, size_bytes);
    heap_deinit(&heap);
    return 0;
}
