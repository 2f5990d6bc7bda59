/* atlas.c: how much may be broken without breaking what the cluster promises.
 *
 * A disk counts as lost from the moment it is damaged, whether anybody has noticed or not.
 * What was written and not synced may always be lost; that is no damage.
 *
 * The rule (atlas_rule.h) must hold for every configuration that any node may still act by: the
 * latest committed one, and every later one that was in any log, both halves of a joint one.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "sim/internal.h"

#define NOBODY UINT64_MAX

/* What is to be judged. */
struct question {
    const struct sim *sim;
    uint64_t id;        /* is lost, too; or NOBODY */
    bool is_about_core; /* only hosts of the core count as whole */
};

static const struct sim_loss *loss_of(const struct sim *sim, uint64_t id)
{
    for (size_t i = 0; i < sim->lost_count; i++) {
        if (sim->lost[i].id == id) {
            return &sim->lost[i];
        }
    }
    return NULL;
}

bool sim_atlas_is_lost(const struct sim *sim, uint64_t id)
{
    return loss_of(sim, id) != NULL;
}

void sim_atlas_lose(struct sim *sim, const struct sim_host *host)
{
    if (!sim_atlas_is_lost(sim, host->id)) {
        ASSERT(sim->lost_count < SIM_LOSSES_MAX);
        sim->lost[sim->lost_count++] =
            (struct sim_loss){.id = host->id, .had_entered = host->has_entered};
    }
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

static bool is_whole(const void *context, uint64_t id)
{
    const struct question *question = context;
    const struct sim *sim = question->sim;
    uint32_t host = host_of(sim, id);
    return !sim_atlas_is_lost(sim, id) && id != question->id &&
           (!question->is_about_core || (host != SIM_NOBODY && sim->is_core[host]));
}

static bool is_wished(const void *context, uint64_t id, enum sim_wish_kind kind)
{
    const struct question *question = context;
    const struct sim *sim = question->sim;
    for (size_t i = 0; i < SIM_WISHES_MAX; i++) {
        const struct sim_wish *wish = &sim->wishes[i];
        for (size_t j = 0; j < wish->count && sim_now(sim) < wish->until_ns; j++) {
            if (wish->ids[j] == id && wish->kinds[j] == kind) {
                return true;
            }
        }
    }
    return false;
}

/* It was let in, and has lost its disk before it heard of that. */
static bool is_nobody(const void *context, uint64_t id)
{
    const struct question *question = context;
    const struct sim_loss *loss = loss_of(question->sim, id);
    return loss != NULL && !loss->had_entered && host_of(question->sim, id) == SIM_NOBODY;
}

/* Hosts with a damaged disk, which nobody has noticed. Whoever was removed asks no more. */
static size_t strangers(const void *context, const struct build_configuration *configuration)
{
    const struct question *question = context;
    const struct sim *sim = question->sim;
    size_t count = 0;
    for (uint32_t i = 0; i < sim->host_count; i++) {
        const struct sim_host *host = &sim->hosts[i];
        bool is_bad = sim_atlas_is_lost(sim, host->id) || host->id == question->id;
        count += is_bad && !sim_host_is_observer(host) && !host->has_entered &&
                 sim_members_find(configuration, host->id) == NULL;
    }
    return count;
}

static bool is_safe(const struct sim *sim, const struct build_configuration *configuration,
                    const void *argument)
{
    struct atlas_facts facts = {
        .context = argument,
        .is_whole = is_whole,
        .is_wished = is_wished,
        .is_nobody = is_nobody,
        .removes_dead = sim->plan.remove_dead_ms > 0,
        .strangers = strangers,
    };
    return atlas_rule_holds(configuration, &facts);
}

bool sim_atlas_may_lose(const struct sim *sim, uint64_t id)
{
    struct question question = {.sim = sim, .id = id};
    return sim->host_count > 1 && sim->committed.index > 0 && sim->open_count < SIM_OPEN_MAX &&
           !sim_atlas_is_lost(sim, id) && sim->lost_count + 1 < SIM_LOSSES_MAX &&
           sim_members_every(sim, is_safe, &question);
}

bool sim_atlas_is_whole(const struct sim *sim, uint64_t id)
{
    struct question question = {
        .sim = sim, .id = NOBODY, .is_about_core = sim->phase != SIM_PHASE_SAFETY};
    return is_whole(&question, id);
}

bool sim_atlas_allows_wishes(const struct sim *sim)
{
    struct question question = {
        .sim = sim, .id = NOBODY, .is_about_core = sim->phase != SIM_PHASE_SAFETY};
    return sim->open_count < SIM_OPEN_MAX && sim_members_every(sim, is_safe, &question);
}

static bool is_core_enough(const struct sim *sim)
{
    struct question question = {.sim = sim, .id = NOBODY, .is_about_core = true};
    bool is_any = sim->committed.index > 0 || sim->open_count > 0;
    return is_any ? sim_members_every(sim, is_safe, &question) : sim->is_core[0];
}

void sim_atlas_choose_core(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->host_count; i++) {
        sim->is_core[i] = !sim->hosts[i].is_disk_marred;
    }
    if (!is_core_enough(sim)) {
        char states[QR_SIM_TEXT_BYTES_MAX / 2];
        struct text text = text_of(states, sizeof(states));
        sim_members_describe(sim, &text);
        sim_violate(sim, "atlas", "more disks were damaged than the cluster can do without%s",
                    states);
        return;
    }
    uint64_t wanted = prng_between(&sim->fault_prng, 0, sim->host_count / 2);
    if (sim->has_diverged) {
        wanted = 0; /* one that differs may have the longest log, and never leads */
    }
    for (uint64_t i = 0; i < wanted; i++) {
        uint32_t which = (uint32_t)prng_between(&sim->fault_prng, 0, sim->host_count - 1);
        bool before = sim->is_core[which];
        sim->is_core[which] = false;
        if (!is_core_enough(sim)) {
            sim->is_core[which] = before;
        }
    }
}
