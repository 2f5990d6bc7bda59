/* memory.h: the allocator of the running program: malloc and free.
 *
 * Threads  any.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_MEMORY_H
#define RUNTIME_MEMORY_H

#include "base/allocator.h"

extern const struct allocator runtime_allocator;

#endif
