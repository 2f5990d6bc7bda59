/* key_zone.h: values that are written once, and the times at which the key must have had them.
 *
 * Owns     nothing; memory is the arena's.
 * Threads  one.
 *
 * A value that one operation alone can bring about is there once, without a break. All that
 * write or read it take effect in that time: so it lasts at least from the first return to the
 * last call of these, its zone, if the former comes first (Gibbons and Korach, "Testing shared
 * memories", 1997). Zones of two values must not overlap, and what begins and ends within a
 * zone must fit its value and leave it. This finds most violations without any search, stale
 * reads above all, however much is open at a time.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_LINEAR_KEY_ZONE_H
#define SIM_LINEAR_KEY_ZONE_H

#include "sim/linear/key_model.h"

/* Look for a contradiction between zones.
 *
 * is_violated   set if there is one; if not, nothing is known.
 *
 * Returns whether there was memory. Cost: n log n.
 */
NODISCARD bool key_zones_check(const struct key_model *model, bool *is_violated);

#endif
