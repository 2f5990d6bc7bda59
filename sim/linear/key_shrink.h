/* key_shrink.h: from a key's history that no order explains, the few operations that show it.
 *
 * Owns     nothing; roles and flags are the caller's.
 * Threads  one.
 *
 * Leaving an operation out may make of a history that can be explained one that cannot: a read
 * whose write is gone proves nothing. So operations are not left out but made weaker, in ways
 * that keep every explanation there was: one that changed nothing is forgotten, and one that
 * did, or may have, becomes one of unknown outcome. What then still has no explanation, had
 * none before. The history is cut the same way at the first return behind which no order is
 * left: what was called later is forgotten, for it took effect later; what was open is unknown.
 *
 * What remains known contradicts itself whatever of the unknown took effect, and when. Of the
 * unknown, those that the search tried in some order are shown too if they are few, and who
 * wrote what was found, or would have.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_LINEAR_KEY_SHRINK_H
#define SIM_LINEAR_KEY_SHRINK_H

#include "sim/linear/key_search.h"

/* Weaken what can be weakened in a history that key_search_run() found violated.
 *
 * key        its roles are changed, and remain violated.
 * budget     for all searches together; when it is used up, what was reached is good.
 * scratch    for arrays; not the budget's arena.
 * is_shown   of each operation of the key: set to whether it belongs to what is to be shown.
 *            What is shown is violated by itself, too.
 *
 * Returns whether there was scratch memory; if not, the roles are as they were.
 */
NODISCARD bool key_shrink(const struct key_history *key, struct key_budget *budget,
                          struct arena *scratch, bool *is_shown);

#endif
