/* sized.c: structs that begin with their size, from and for programs of other versions. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/sized.h"

#include <string.h>

#include "base/assert.h"
#include "quorate/error.h"

static size_t size_of(const void *sized)
{
    size_t size_bytes = 0;
    memcpy(&size_bytes, sized, sizeof(size_bytes));
    return size_bytes;
}

int sized_check(struct sized known, const void *out)
{
    ASSERT(known.least_bytes > sizeof(size_t) && known.least_bytes <= known.size_bytes);
    if (out == NULL || size_of(out) < known.least_bytes ||
        size_of(out) > known.size_bytes + SIZED_TAIL_BYTES_MAX) {
        return QR_ERR_INVALID;
    }
    return 0;
}

static bool is_zero(const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] != 0) {
            return false;
        }
    }
    return true;
}

int sized_read(struct sized known, const void *given, void *out)
{
    int status = sized_check(known, given);
    if (status != 0) {
        return status;
    }
    size_t given_bytes = size_of(given);
    if (given_bytes > known.size_bytes &&
        !is_zero((const uint8_t *)given + known.size_bytes, given_bytes - known.size_bytes)) {
        return QR_ERR_VERSION;
    }
    size_t taken_bytes = given_bytes < known.size_bytes ? given_bytes : known.size_bytes;
    memcpy(out, given, taken_bytes);
    memset((uint8_t *)out + taken_bytes, 0, known.size_bytes - taken_bytes);
    memcpy(out, &known.size_bytes, sizeof(known.size_bytes));
    return 0;
}

void sized_write(struct sized known, const void *from, void *out)
{
    size_t out_bytes = size_of(out);
    size_t filled_bytes = out_bytes < known.size_bytes ? out_bytes : known.size_bytes;
    memcpy((uint8_t *)out + sizeof(size_t), (const uint8_t *)from + sizeof(size_t),
           filled_bytes - sizeof(size_t));
    memset((uint8_t *)out + filled_bytes, 0, out_bytes - filled_bytes);
}
