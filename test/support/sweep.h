/* sweep.h: going through all cases of a sweep, or through a sample of them.
 *
 * Owns     the choice of cases by the environment, and what is said of them:
 *            SWEEP=full     every case of every sweep, as `make sweeps` does
 *            SWEEP=few      a quarter of the sample, as under sanitizers
 *            SWEEP_CASE=N   case N of each sweep alone, to look at one that failed
 *          Otherwise a sample, the same each time, as `make test` does.
 * Threads  one.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPPORT_SWEEP_H
#define SUPPORT_SWEEP_H

#include "base/types.h"

struct sweep {
    const char *name;
    uint64_t count;   /* cases are numbered 0 .. count - 1 */
    uint64_t samples; /* about so many of them when not all are wanted; first and last among them */
    void (*run)(void *context, uint64_t number);
    void *context;
};

bool sweep_is_full(void);

/* How many of `count` seeds, rounds or steps to run: a quarter of them for SWEEP=few. */
uint64_t sweep_sample_of(uint64_t count);

/* Run the cases and say how many in what time. When one of them fails, or ends the process,
 * its number is said.
 */
void sweep_run(const struct sweep *sweep);

#endif
