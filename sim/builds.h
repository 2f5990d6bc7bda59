/* builds.h: the releases that were kept, to run beside today's code.
 *
 * Owns     the list. How a release is kept: sim/past/meson.build.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_BUILDS_H
#define SIM_BUILDS_H

#include "sim/build.h"

extern const size_t build_release_count;

/* The latest first. */
extern const struct build *const build_releases[];

/* Of each: LAYOUT_OF_TYPES (sim/past/layout.h) by its own headers. */
extern const size_t *const build_release_layouts[];

#endif
