/* key_search.h: is there an order of one key's operations that explains all replies?
 *
 * Owns     the search, from start to end of key_search_run(). All memory is the arena's.
 * Threads  one.
 *
 * Wing and Gong's search (1993): place, one after the other, an operation that was called
 * before the first return of those not placed; go back where none fits. With Lowe's memory
 * (2017) of the configurations where it failed: what is placed, and the register's value. And
 * with rules that leave out what cannot help:
 *
 * - A known operation that changes nothing is placed as soon as it fits. Where an order has it
 *   later, it can be moved here: no value changes, and nothing comes before what it must follow.
 * - Units are placed only directly before a known operation that needs them: they may take
 *   effect at any time after their call, or never. So a move is a chain of units, mostly
 *   empty, and one known operation; and no beginning of the chain makes that operation fit. If
 *   one did, the rest could be moved behind an operation that only reads, and would do nothing
 *   before one that writes. For the same reason a blind write only begins a chain, and no
 *   value comes twice in it.
 * - Chains of one run (of the same operations) are tried first, in a search of their own, as
 *   they nearly always do. If it fails and there were longer ones, it proves nothing, and
 *   another search follows.
 * - A configuration is left where an earlier one had the same known operations placed, the same
 *   value and no unit used that this one has not: it failed with more at its disposal.
 * - Values that nothing that remains mentions (key_model.h) are the same to that memory.
 * - A move is left where it takes the register from a value that some remaining operation
 *   needs, and that nothing that remains can bring back.
 * - A known blind write that turns junk into junk is placed at once, if no remaining operation
 *   needs the register not to be something: what takes effect next behind it, but for units
 *   that do nothing there, is a blind write too.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_LINEAR_KEY_SEARCH_H
#define SIM_LINEAR_KEY_SEARCH_H

#include "sim/linear/key_chain.h"

struct key_budget {
    struct arena *arena; /* reset by each search */
    uint64_t steps_left; /* each search takes off what it used */
};

/* Search.
 *
 * was_tried   of each operation of the key: set to true where one of unknown outcome was tried
 *             in some order; may be NULL. If none was, the verdict is the same without it.
 *
 * Cost: with few operations at a time about linear in their number; at worst the whole budget.
 */
enum key_verdict key_search_run(const struct key_history *key, struct key_budget *budget,
                                bool *was_tried);

#endif
