/* random.c: chance from the kernel. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/random.h"

#include <errno.h>
#include <sys/random.h>

#include "base/assert.h"

uint64_t runtime_random(void)
{
    uint64_t value = 0;
    ssize_t count = 0;
    do {
        /* Up to 256 bytes come whole or not at all. */
        count = getrandom(&value, sizeof(value), 0);
    } while (count < 0 && errno == EINTR);
    ASSERT(count == (ssize_t)sizeof(value));
    return value;
}
