/* trap.c: the assertion hook. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/model/trap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

/* The hook has no argument to hand this in by. */
static struct trap *armed;

void trap_arm(struct trap *trap)
{
    ASSERT(armed == NULL);
    armed = trap;
}

void trap_disarm(void)
{
    armed = NULL;
}

/* The path as from the root of the project, wherever it was compiled. */
static const char *short_path(const char *file)
{
    const char *at = strstr(file, "src/");
    return at == NULL ? file : at;
}

void assert_fail(const char *expression, const char *file, int line, const char *function)
{
    if (armed == NULL) {
        (void)fprintf(stderr, "%s:%d: %s: assertion failed: %s\n", short_path(file), line, function,
                      expression);
        abort();
    }
    struct trap *trap = armed;
    armed = NULL;
    (void)snprintf(trap->text, sizeof(trap->text), "assertion failed in %s (%s:%d): %s", function,
                   short_path(file), line, expression);
    longjmp(trap->back, 1);
}
