/* assert_fail.c: the assertion hook of a test that links no room which brings one.
 *
 * Weak: where the program's own is linked in, that one is used.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"

__attribute__((weak)) void assert_fail(const char *expression, const char *file, int line,
                                       const char *function)
{
    (void)fprintf(stderr, "%s:%d: %s: assertion failed: %s\n", file, line, function, expression);
    abort();
}
