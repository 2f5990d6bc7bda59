/* clock.c: the time that subcommands measure with: how long something took, how long to wait.
 *
 * Nothing that a node decides comes from here.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <time.h>

#include "base/assert.h"
#include "cli/cli.h"

time_ns cli_clock_ns(void)
{
    struct timespec now;
    int status = clock_gettime(CLOCK_MONOTONIC, &now);
    ASSERT(status == 0);
    return (time_ns)now.tv_sec * NS_PER_S + (time_ns)now.tv_nsec;
}

time_ns cli_clock_cpu_ns(pid_t pid)
{
    clockid_t clock;
    struct timespec used;
    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) != 0) {
        return 0;
    }
    return (time_ns)used.tv_sec * NS_PER_S + (time_ns)used.tv_nsec;
}

void cli_sleep_ms(unsigned milliseconds)
{
    struct timespec left = {.tv_sec = (time_t)(milliseconds / 1000),
                            .tv_nsec = (long)(milliseconds % 1000) * 1000000L};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}
