/* clock.c: the machine's clocks. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/clock.h"

#include <time.h>

#include "base/assert.h"

static time_ns read_clock(clockid_t clock)
{
    struct timespec now;
    int failed = clock_gettime(clock, &now);
    ASSERT(failed == 0);
    ASSERT(now.tv_sec >= 0);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

time_ns runtime_now_ns(void)
{
    return read_clock(CLOCK_BOOTTIME);
}

time_ns runtime_wall_ns(void)
{
    return read_clock(CLOCK_REALTIME);
}
