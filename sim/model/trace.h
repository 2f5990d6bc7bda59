/* trace.h: a run in words, one event a line, what it brought about below it.
 *
 * Owns     the form; docs/model-checking.md says how to read it.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MODEL_TRACE_H
#define MODEL_TRACE_H

#include "sim/model/cluster.h"

struct run_step {
    uint32_t event;
    uint32_t keep; /* which of the messages offered the network kept */
};

struct run {
    struct run_step *steps;
    size_t count;
};

/* Let both runs happen again, one behind the other, and write them.
 *
 * prefix   how the start of the exploration is reached.
 */
void trace_write(FILE *out, struct cluster *cluster, const struct run *prefix,
                 const struct run *run, const char *violation);

#endif
