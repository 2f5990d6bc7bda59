/* sim_case.h: which run: a seed, settings over what it draws, and faults to leave out.
 *
 * Owns     how these three are written on a command line, and read from one.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_SIM_CASE_H
#define CLI_SIM_CASE_H

#include "base/text.h"
#include "base/types.h"
#include "quorate/sim.h"

#define SIM_SEED_MAX ((uint64_t)INT64_MAX) /* JSON numbers hold no more everywhere */
#define SIM_SKIPPED_MAX 4096
#define SIM_SKIPPED_BYTES_MAX (SIM_SKIPPED_MAX * 12) /* of them as text */

struct sim_case {
    uint64_t seed;
    char plan[QR_SIM_TEXT_BYTES_MAX]; /* `name=value name=value` */
    size_t plan_bytes;
    uint32_t skipped[SIM_SKIPPED_MAX]; /* ascending */
    size_t skipped_count;
};

/* Take over `text`: a NAME=VALUE; faults with commas, each to be NAME=0; numbers and ranges
 * of numbers with commas, ascending. Whether there is such a name is not known here.
 *
 * Returns NULL, or what is wrong, in words; then some of a list may have been taken over.
 */
const char *sim_case_set(struct sim_case *chosen, const char *text);
const char *sim_case_without(struct sim_case *chosen, const char *text);
const char *sim_case_skip(struct sim_case *chosen, const char *text);

/* Write faults as sim_case_skip() reads them: `3,7-9`. */
void sim_case_skipped_write(const uint32_t *skipped, size_t count, struct text *text);

/* What qr_sim_run() is asked for; the strings and lists are those of `chosen`. */
struct qr_sim_options sim_case_options(const struct sim_case *chosen);

/* Write ` --seed 17 --set nodes=3 --skip-faults 3,7-9`. */
void sim_case_flags_write(const struct sim_case *chosen, struct text *text);

#endif
