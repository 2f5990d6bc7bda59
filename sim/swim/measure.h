/* measure.h: the figures of docs/swim.md: detection, spread, load, false positives, by size. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_SWIM_MEASURE_H
#define SIM_SWIM_MEASURE_H

#include "sim/swim/world.h"

/* A cluster in which all know all, and nothing has happened yet. */
void measure_begin(struct world *world, const struct swim_options *options, uint64_t seed,
                   uint32_t members);

/* Measure clusters of 3, 10, 100, 1000, 3000 and 10000, within these bounds; print the tables.
 * What does not depend on the size is measured only when they begin with 3.
 *
 * plots   NULL, or a folder for SVG files.
 *
 * Returns an exit code.
 */
int measure_all(uint32_t members_min, uint32_t members_max, const char *plots);

#endif
