/* atlas.c: how much may be broken without breaking what the cluster promises.
 *
 * A disk counts as lost from the moment it is damaged, whether anybody has noticed or not.
 * What was written and not synced may always be lost; that is no damage.
 *
 * The rule, for each set of voters of every configuration that any node may still act by (the
 * latest committed one, and every later one that was in any log, both halves of a joint one):
 * there are more voters that are whole, may lead, and are not to be removed by a change that
 * was asked for and may yet happen, than there are others, together with those that are lost
 * and may yet become voters. Then, in whatever order things happen, a majority is left of which
 * each may lead, and one of them has all that is committed.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "sim/internal.h"

#define NOBODY UINT64_MAX

/* What is to be judged. */
struct question {
    uint64_t id;        /* is lost, too; or NOBODY */
    bool is_about_core; /* only hosts of the core count as whole */
};

static bool is_lost(const struct sim *sim, uint64_t id)
{
    for (size_t i = 0; i < sim->lost_count; i++) {
        if (sim->lost_ids[i] == id) {
            return true;
        }
    }
    return false;
}

void sim_atlas_lose(struct sim *sim, uint64_t id)
{
    if (!is_lost(sim, id)) {
        ASSERT(sim->lost_count < sizeof(sim->lost_ids) / sizeof(sim->lost_ids[0]));
        sim->lost_ids[sim->lost_count++] = id;
    }
}

bool sim_atlas_is_lost(const struct sim *sim, uint64_t id)
{
    return is_lost(sim, id);
}

/* The host that is this node now; its number, or SIM_NOBODY. */
static uint32_t host_of(const struct sim *sim, uint64_t id)
{
    for (uint32_t i = 0; i < sim->host_count; i++) {
        if (sim->hosts[i].id == id) {
            return i;
        }
    }
    return SIM_NOBODY;
}

static bool is_whole(const struct sim *sim, const struct question *question, uint64_t id)
{
    uint32_t host = host_of(sim, id);
    return !is_lost(sim, id) && id != question->id &&
           (!question->is_about_core || (host != SIM_NOBODY && sim->is_core[host]));
}

/* Whether a change that was asked for may yet take this voter's vote, or its right to lead. */
static bool is_wished(const struct sim *sim, uint64_t id, bool is_barred)
{
    for (size_t i = 0; i < SIM_WISHES_MAX; i++) {
        const struct sim_wish *wish = &sim->wishes[i];
        bool may_happen = sim_now(sim) < wish->until_ns && wish->is_barred == is_barred;
        for (size_t j = 0; j < wish->away_count && may_happen; j++) {
            if (wish->away[j] == id) {
                return true;
            }
        }
    }
    return false;
}

/* Those that are lost, have no vote in this set, and may get one: by a leader that has heard
 * them, or takes them in, before anybody notices what befell their disks.
 */
static size_t lost_to_come(const struct sim *sim, const struct build_configuration *configuration,
                           bool is_outgoing, const struct question *question)
{
    size_t count = 0;
    for (size_t i = 0; i <= sim->lost_count && !is_outgoing; i++) {
        uint64_t id = i < sim->lost_count ? sim->lost_ids[i] : question->id;
        const struct build_configured *member = sim_members_find(configuration, id);
        bool has_vote = member != NULL && member->is_voter;
        bool may_come = member != NULL || host_of(sim, id) != SIM_NOBODY;
        count += id != NOBODY && !has_vote && may_come;
    }
    return count;
}

static bool is_set_safe(const struct sim *sim, const struct build_configuration *configuration,
                        bool is_outgoing, const struct question *question)
{
    size_t safe = 0;
    size_t unsafe = lost_to_come(sim, configuration, is_outgoing, question);
    size_t voters = 0;
    for (size_t i = 0; i < configuration->count; i++) {
        const struct build_configured *member = &configuration->members[i];
        if (!(is_outgoing ? member->is_outgoing : member->is_voter)) {
            continue;
        }
        voters++;
        if (!is_whole(sim, question, member->id) || member->priority == 0 ||
            is_wished(sim, member->id, true)) {
            unsafe++;
        } else if (!is_wished(sim, member->id, false)) {
            safe++;
        }
    }
    return voters == 0 || safe > unsafe;
}

static bool is_safe(const struct sim *sim, const struct build_configuration *configuration,
                    const void *argument)
{
    const struct question *question = argument;
    return is_set_safe(sim, configuration, false, question) &&
           is_set_safe(sim, configuration, true, question);
}

bool sim_atlas_may_lose(const struct sim *sim, uint64_t id)
{
    struct question question = {.id = id};
    return sim->host_count > 1 && sim->committed.index > 0 && sim->open_count < SIM_OPEN_MAX &&
           !is_lost(sim, id) &&
           sim->lost_count + 1 < sizeof(sim->lost_ids) / sizeof(sim->lost_ids[0]) &&
           sim_members_every(sim, is_safe, &question);
}

bool sim_atlas_allows_wishes(const struct sim *sim)
{
    struct question question = {.id = NOBODY};
    return sim->open_count < SIM_OPEN_MAX && sim_members_every(sim, is_safe, &question);
}

static bool is_core_enough(const struct sim *sim)
{
    struct question question = {.id = NOBODY, .is_about_core = true};
    bool is_any = sim->committed.index > 0 || sim->open_count > 0;
    return is_any ? sim_members_every(sim, is_safe, &question) : sim->is_core[0];
}

void sim_atlas_choose_core(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->host_count; i++) {
        sim->is_core[i] = !sim->hosts[i].is_disk_marred;
    }
    if (!is_core_enough(sim)) {
        sim_violate(sim, "atlas", "more disks were damaged than the cluster can do without");
        return;
    }
    uint64_t wanted = prng_between(&sim->fault_prng, 0, sim->host_count / 2);
    for (uint64_t i = 0; i < wanted; i++) {
        uint32_t which = (uint32_t)prng_between(&sim->fault_prng, 0, sim->host_count - 1);
        bool before = sim->is_core[which];
        sim->is_core[which] = false;
        if (!is_core_enough(sim)) {
            sim->is_core[which] = before;
        }
    }
}
