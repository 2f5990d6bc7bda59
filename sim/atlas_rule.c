/* atlas_rule.c: whether a configuration keeps its quorum, whatever is broken and asked for. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/atlas_rule.h"

#define VOTERS_LEFT_MIN 3 /* docs/membership.md, "Removing the dead" */

/* It may vote, and lead when nobody else can. */
static bool is_good(const struct build_configured *member, const struct atlas_facts *facts)
{
    return member->priority != 0 && facts->is_whole(facts->context, member->id) &&
           !facts->is_wished(facts->context, member->id, SIM_WISH_BARRED);
}

/* A learner whom its leader may make a voter. */
static bool may_be_promoted(const struct build_configured *member, const struct atlas_facts *facts)
{
    return !facts->is_nobody(facts->context, member->id) &&
           (member->is_promotable ||
            facts->is_wished(facts->context, member->id, SIM_WISH_PROMOTED));
}

static bool is_set_safe(const struct build_configuration *configuration, bool is_outgoing,
                        const struct atlas_facts *facts)
{
    size_t safe = 0;
    size_t unsafe = is_outgoing ? 0 : facts->strangers(facts->context, configuration);
    size_t to_come = unsafe; /* votes that make no majority, and room for a removal */
    size_t voters = 0;
    for (size_t i = 0; i < configuration->count; i++) {
        const struct build_configured *member = &configuration->members[i];
        bool is_of_set = is_outgoing ? member->is_outgoing : member->is_voter;
        bool is_to_come = !is_outgoing && !is_of_set && may_be_promoted(member, facts);
        voters += is_of_set;
        if (!is_good(member, facts)) {
            unsafe += is_of_set || is_to_come;
            to_come += is_to_come;
        } else if (facts->is_wished(facts->context, member->id, SIM_WISH_AWAY)) {
            to_come += is_to_come;
        } else {
            safe += is_of_set;
        }
    }
    /* Whoever is good may be taken for dead, and have to go. */
    size_t most = voters + (is_outgoing ? 0 : to_come);
    size_t gone =
        facts->removes_dead && !is_outgoing && most > VOTERS_LEFT_MIN ? most - VOTERS_LEFT_MIN : 0;
    return voters == 0 || safe > unsafe + gone;
}

bool atlas_rule_holds(const struct build_configuration *configuration,
                      const struct atlas_facts *facts)
{
    return is_set_safe(configuration, false, facts) && is_set_safe(configuration, true, facts);
}
