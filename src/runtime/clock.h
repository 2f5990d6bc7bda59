/* clock.h: what time it is; the only place that asks.
 *
 * Threads  any.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_CLOCK_H
#define RUNTIME_CLOCK_H

#include "base/types.h"

/* Monotonic, and running on while the machine sleeps: a node that was paused must find its
 * lease and its leader old, not fresh.
 */
time_ns runtime_now_ns(void);

/* Since the Unix epoch. May jump. */
time_ns runtime_wall_ns(void);

#endif
