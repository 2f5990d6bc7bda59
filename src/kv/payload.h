/* payload.h: the arguments of a command as the bytes of a proposal (format: kv.h). */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KV_PAYLOAD_H
#define KV_PAYLOAD_H

#include "base/bytes.h"
#include "kv/kv.h"

#define KV_PAYLOAD_INLINE_MAX 64

/* Arguments that point into a payload. It must not move while it is in use. */
struct kv_payload {
    const struct allocator *allocator; /* borrowed */
    size_t count;
    const struct kv_argument *arguments;
    struct kv_argument *list; /* `count` long, where they are too many for those below */
    struct kv_argument few[KV_PAYLOAD_INLINE_MAX];
};

/* Read the arguments of a payload, which is borrowed until kv_payload_deinit().
 *
 * Returns 0, QR_ERR_MALFORMED (no argument, too many, or lengths that do not add up to
 * size_bytes), or QR_ERR_NO_MEMORY; on failure there is nothing to deinit.
 */
NODISCARD int kv_payload_decode(struct kv_payload *payload, const struct allocator *allocator,
                                const void *data, size_t size_bytes);

/* The same of what stands next in `reader`, which is left behind it. */
NODISCARD int kv_payload_read(struct kv_payload *payload, const struct allocator *allocator,
                              struct reader *reader);
void kv_payload_deinit(struct kv_payload *payload);

#endif
