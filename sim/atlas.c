/* atlas.c: how much may be broken without breaking what the cluster promises.
 *
 * A disk counts as lost from the moment it is damaged, whether anybody has noticed or not.
 * One more may be lost as long as the others are a quorum of every configuration that any
 * node acts by: then what is committed is on one of them, and one of them can lead. What was
 * written and not synced may always be lost; that is no damage.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "sim/internal.h"

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

static bool holds(const uint64_t *ids, size_t count, uint64_t id)
{
    for (size_t i = 0; i < count; i++) {
        if (ids[i] == id) {
            return true;
        }
    }
    return false;
}

/* Whether this node, which is no voter yet, may still be made one: by a leader that has heard
 * it, or takes it in, before anybody notices what befell its disk.
 */
static bool may_become_voter(const struct sim_host *host, uint64_t id)
{
    const struct sim *sim = host->sim;
    for (uint32_t i = 0; i < sim->host_count; i++) {
        if (sim->hosts[i].id == id) {
            return true;
        }
    }
    return holds(host->members, host->member_count, id);
}

/* Voters only come and never go, so that a configuration with fewer than a committed one is an
 * older one: whoever still acts by it, down or behind, is outvoted.
 */

/* Whether enough of these voters are left without `id`, also if what is lost votes one day. */
static bool is_quorum_left(const struct sim_host *host, const struct sim_voters *voters,
                           uint64_t id)
{
    const struct sim *sim = host->sim;
    size_t left = 0;
    size_t count = voters->count;
    for (size_t i = 0; i < voters->count; i++) {
        left += voters->ids[i] != id && !is_lost(sim, voters->ids[i]);
    }
    for (size_t i = 0; i <= sim->lost_count; i++) {
        uint64_t lost = i < sim->lost_count ? sim->lost_ids[i] : id;
        count += !holds(voters->ids, voters->count, lost) && may_become_voter(host, lost);
    }
    return voters->count < sim->committed_voters || voters->count == 0 || left >= count / 2 + 1;
}

/* Every host that knows voters acts by them, also one that is down and will start again. */
bool sim_atlas_may_lose(const struct sim *sim, uint64_t id)
{
    if (sim->host_count == 1 || is_lost(sim, id) ||
        sim->lost_count + 1 >= sizeof(sim->lost_ids) / sizeof(sim->lost_ids[0])) {
        return false;
    }
    for (uint32_t i = 0; i < sim->host_count; i++) {
        const struct sim_host *host = &sim->hosts[i];
        if (!is_quorum_left(host, &host->voters, id) ||
            !is_quorum_left(host, &host->voters_before, id)) {
            return false;
        }
    }
    return true;
}

static bool is_core_id(const struct sim *sim, uint64_t id)
{
    for (uint32_t i = 0; i < sim->host_count; i++) {
        if (sim->is_core[i] && sim->hosts[i].id == id) {
            return !is_lost(sim, id);
        }
    }
    return false;
}

static bool is_quorum_in_core(const struct sim *sim, const struct sim_voters *voters)
{
    size_t in_core = 0;
    for (size_t i = 0; i < voters->count; i++) {
        in_core += is_core_id(sim, voters->ids[i]);
    }
    return voters->count < sim->committed_voters || voters->count == 0 ||
           in_core >= voters->count / 2 + 1;
}

static bool is_quorum_of_all(const struct sim *sim)
{
    bool is_any = false;
    for (uint32_t i = 0; i < sim->host_count; i++) {
        const struct sim_host *host = &sim->hosts[i];
        if (!is_quorum_in_core(sim, &host->voters) ||
            !is_quorum_in_core(sim, &host->voters_before)) {
            return false;
        }
        is_any = is_any || host->voters.count > 0;
    }
    return is_any || sim->is_core[0];
}

void sim_atlas_choose_core(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->host_count; i++) {
        sim->is_core[i] = !sim->hosts[i].is_disk_marred;
    }
    if (!is_quorum_of_all(sim)) {
        sim_violate(sim, "atlas", "more disks were damaged than the cluster can do without");
        return;
    }
    uint64_t wanted = prng_between(&sim->fault_prng, 0, sim->host_count / 2);
    for (uint64_t i = 0; i < wanted; i++) {
        uint32_t which = (uint32_t)prng_between(&sim->fault_prng, 0, sim->host_count - 1);
        bool before = sim->is_core[which];
        sim->is_core[which] = false;
        if (!is_quorum_of_all(sim)) {
            sim->is_core[which] = before;
        }
    }
}
