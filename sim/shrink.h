/* shrink.h: the search for a shorter run that still fails, whoever runs it.
 *
 * Owns     the order in which a run is made simpler, and when a candidate is taken.
 * Does not know how a run is made: qr_sim_shrink() runs in this process, the program in
 *          child processes, so that it can shrink a run that ends in an assertion.
 * Threads  any number of searches at once.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_SHRINK_H
#define SIM_SHRINK_H

#include "base/types.h"
#include "quorate/sim.h"

#define SHRINK_SKIPPED_MAX 4096 /* faults that a search leaves out, at most */

struct shrink {
    const struct qr_sim_options *options; /* of a run that fails */
    uint64_t runs_max;

    /* As qr_sim_run(). What it says of a run that came to no end of its own, like a crash, is
     * a report that has not passed, too.
     */
    int (*run)(void *argument, const struct qr_sim_options *options, struct qr_sim_report *out);
    void *run_argument;

    /* As of qr_sim_shrink(). */
    bool (*try)(void *argument, const struct qr_sim_shrunk *best);
    void *try_argument;
};

/* As qr_sim_shrink(), with the function that runs. */
NODISCARD int shrink_search(const struct shrink *shrink, struct qr_sim_shrunk *out);

#endif
