/* atlas_rule.h: whether a configuration keeps its quorum, whatever is broken and asked for.
 *
 * The rule, for each set of voters: there are more of those that are whole, may lead, and are
 * not to lose their vote by a change that may yet happen, than there are others, together with
 * those who may yet get a vote and are not whole, or may not lead. Then, in whatever order things
 * happen, a majority is left of which each may lead, and one of them has all that is committed.
 *
 * What happens by itself, or was asked for, keeps the rule once it holds: that is why those count
 * who have no vote yet.
 *
 * Does not know what is broken, or asked for: it is told by functions.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_ATLAS_RULE_H
#define SIM_ATLAS_RULE_H

#include "base/types.h"
#include "sim/build.h"

/* What a change may do to a member. */
enum sim_wish_kind {
    SIM_WISH_AWAY, /* take its vote */
    SIM_WISH_PROMOTED,
    SIM_WISH_BARRED, /* let it never lead */
};

struct atlas_facts {
    const void *context;
    bool (*is_whole)(const void *context, uint64_t id);

    /* A change that was asked for may yet do this to that node. */
    bool (*is_wished)(const void *context, uint64_t id, enum sim_wish_kind kind);

    /* It is no more, and never was a member by its own word: nobody takes it for caught up. */
    bool (*is_nobody)(const void *context, uint64_t id);

    /* Nodes that are not whole, are still to be let in, and may become voters then. */
    size_t (*strangers)(const void *context, const struct build_configuration *configuration);

    /* Leaders remove the dead by themselves: any voter, as long as three are left. */
    bool removes_dead;
};

bool atlas_rule_holds(const struct build_configuration *configuration,
                      const struct atlas_facts *facts);

#endif
