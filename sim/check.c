/* check.c: the first violation of a run. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/check.h"

#include <stdarg.h>
#include <stdio.h>

void sim_failure_set(struct sim_failure *failure, time_ns at_ns, const char *checker,
                     const char *format, ...)
{
    va_list arguments;
    if (failure->is_set) {
        return;
    }
    failure->is_set = true;
    failure->at_ns = at_ns;
    snprintf(failure->checker, sizeof(failure->checker), "%s", checker);
    va_start(arguments, format);
    vsnprintf(failure->text, sizeof(failure->text), format, arguments);
    va_end(arguments);
}
