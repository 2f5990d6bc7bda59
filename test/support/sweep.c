/* sweep.c: which cases of a sweep run, and what is said of them. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/sweep.h"

#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"

#define NAME_BYTES_MAX 128

/* The case under way. What ends one badly comes back to nobody here, so it is told from this. */
static struct {
    bool is_there;
    char name[NAME_BYTES_MAX];
    uint64_t number;
} current;

static bool is_wanted(const char *how)
{
    const char *wanted = getenv("SWEEP");
    return wanted != NULL && strcmp(wanted, how) == 0;
}

bool sweep_is_full(void)
{
    return is_wanted("full");
}

uint64_t sweep_sample_of(uint64_t count)
{
    return is_wanted("few") ? (count + 3) / 4 : count;
}

static void tell_current(void)
{
    char line[2 * NAME_BYTES_MAX];
    if (current.is_there) {
        int length = snprintf(
            line, sizeof(line),
            "sweep %s: failed at case %" PRIu64 ", which %sSWEEP_CASE=%" PRIu64 " runs alone\n",
            current.name, current.number, sweep_is_full() ? "SWEEP=full " : "", current.number);
        ssize_t written = write(STDERR_FILENO, line, (size_t)length);
        (void)written;
    }
    current.is_there = false;
}

static void on_abort(int number)
{
    (void)number;
    tell_current(); /* and then the process ends, as abort() sees to */
}

static void watch(void)
{
    static bool is_watching;
    if (!is_watching) {
        is_watching = true;
        struct sigaction action = {.sa_handler = on_abort};
        ASSERT(sigaction(SIGABRT, &action, NULL) == 0);
        ASSERT(atexit(tell_current) == 0);
        /* What is freed is wanted again at once: giving it back to the system costs most. */
        (void)mallopt(M_MMAP_THRESHOLD, 1 << 30);
        (void)mallopt(M_TRIM_THRESHOLD, 1 << 30);
    }
}

static double seconds(void)
{
    struct timespec now;
    ASSERT(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Odd, so that a sample of bits, or of subsets, does not meet the same ones in each byte. */
static uint64_t stride_of(const struct sweep *sweep)
{
    uint64_t stride =
        sweep_is_full() ? 1 : sweep->count / max_u64(sweep_sample_of(sweep->samples), 1);
    return stride | 1;
}

static void run_case(const struct sweep *sweep, uint64_t number)
{
    (void)snprintf(current.name, sizeof(current.name), "%s", sweep->name);
    current.number = number;
    current.is_there = true;
    sweep->run(sweep->context, number);
    current.is_there = false;
}

void sweep_run(const struct sweep *sweep)
{
    const char *only = getenv("SWEEP_CASE");
    uint64_t number = only == NULL ? 0 : strtoull(only, NULL, 10);
    uint64_t last = only == NULL ? sweep->count - 1 : number;
    uint64_t stride = stride_of(sweep);
    uint64_t run_count = 0;
    double begun = seconds();

    ASSERT(sweep->count > 0);
    tell_current(); /* of an earlier sweep, whose case failed */
    watch();
    if (number >= sweep->count) {
        return;
    }
    for (; number < last; number += stride) {
        run_case(sweep, number);
        run_count++;
    }
    run_case(sweep, last);
    (void)printf("sweep %s: %" PRIu64 " of %" PRIu64 " cases, %.2f s\n", sweep->name, run_count + 1,
                 sweep->count, seconds() - begun);
}
