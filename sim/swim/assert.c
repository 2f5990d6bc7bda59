/* assert.c: the assertion hook of a program without the runtime. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

void assert_fail(const char *expression, const char *file, int line, const char *function)
{
    (void)fprintf(stderr, "assertion failed: %s, at %s:%d in %s\n", expression, file, line,
                  function);
    abort();
}
