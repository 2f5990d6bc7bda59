/* memory.c: the allocator of the running program. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/memory.h"

#include <stdlib.h>

static void *allocate_by_malloc(void *context, size_t size_bytes)
{
    (void)context;
    return malloc(size_bytes == 0 ? 1 : size_bytes);
}

static void release_by_free(void *context, void *memory, size_t size_bytes)
{
    (void)context;
    (void)size_bytes;
    free(memory);
}

const struct allocator runtime_allocator = {
    .context = NULL,
    .allocate = allocate_by_malloc,
    .release = release_by_free,
};
