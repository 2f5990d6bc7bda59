/* administrator_last.c: what the administrator wants in phase two: an answer to all that it asked
 * for before, then one transfer of leadership and one change of the members.
 *
 * A question may be refused, or its outcome be unknown; then it is asked again. In a cluster
 * that is whole it must be done in the end. Somebody outside of the core may still have an older
 * change to ask for, and so whom to name is looked up anew for each transfer, and for a change
 * whenever it fits the members no more.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "quorate/error.h"
#include "sim/administrator.h"

#define CHOICES_MAX 8 /* so often a change is drawn that the atlas may allow */

/* Some host of the core that may be asked. */
static struct sim_host *choose_host(struct sim *sim)
{
    uint32_t first = (uint32_t)prng_between(&sim->administrator_prng, 0, sim->host_count - 1);
    for (uint32_t i = 0; i < sim->host_count; i++) {
        struct sim_host *host = &sim->hosts[(first + i) % sim->host_count];
        if (sim->is_core[host->number] && sim_host_is_up(host) && !host->has_failed &&
            !sim_host_is_observer(host) && !sim_members_is_removed(host)) {
            return host;
        }
    }
    return NULL;
}

static bool has_open_questions(const struct sim *sim)
{
    for (uint32_t i = 0; i < sim->host_count; i++) {
        if (sim->is_core[i] && sim->hosts[i].asked_count > 0) {
            return true;
        }
    }
    return false;
}

static bool is_leader(const struct sim *sim, uint64_t id)
{
    for (uint32_t i = 0; i < sim->host_count; i++) {
        const struct sim_host *host = &sim->hosts[i];
        if (host->id == id && host->progress.has_seen && host->progress.seen.role == BUILD_LEADER) {
            return true;
        }
    }
    return false;
}

/* Its state is known to differ: it will not lead. */
static bool is_isolated(const struct sim *sim, uint64_t id)
{
    for (uint32_t i = 0; i < sim->host_count; i++) {
        const struct sim_host *host = &sim->hosts[i];
        if (host->id == id && host->progress.has_seen && host->progress.seen.is_isolated) {
            return true;
        }
    }
    return false;
}

/* A voter of the core that may lead, and does not; NULL: there is none. */
static const struct build_configured *choose_heir(const struct sim *sim)
{
    const struct build_configuration *now = &sim->committed;
    for (size_t i = 0; i < now->count; i++) {
        const struct build_configured *member = &now->members[i];
        if (member->is_voter && member->priority > 0 && sim_atlas_is_whole(sim, member->id) &&
            !is_leader(sim, member->id) && !is_isolated(sim, member->id)) {
            return member;
        }
    }
    return NULL;
}

static void ask_for_transfer(struct sim *sim)
{
    const struct build_configured *heir = choose_heir(sim);
    struct sim_host *host = choose_host(sim);
    if (heir == NULL) {
        sim->last.stage = SIM_LAST_CHANGE;
    } else if (host != NULL) {
        sim->last.token = sim_request_transfer(host, heir->name);
    }
}

static bool choose_change(struct sim *sim)
{
    struct sim_wish *wish = sim_wish_take(sim);
    for (int i = 0; i < CHOICES_MAX && wish != NULL; i++) {
        if (sim_request_choose(sim, wish, &sim->last.request) && sim_atlas_allows_wishes(sim)) {
            return true; /* the wish stays for good */
        }
    }
    if (wish != NULL) {
        wish->until_ns = 0;
    }
    return false;
}

static void ask_for_change(struct sim *sim)
{
    struct sim_last *last = &sim->last;
    struct sim_host *host = choose_host(sim);
    if (!last->is_chosen) {
        last->is_chosen = choose_change(sim);
    }
    if (!last->is_chosen) {
        last->stage = SIM_LAST_DONE;
    } else if (host != NULL) {
        last->token = sim_request_members(host, &last->request, false);
    }
}

/* What an answer leads to. */
static void advance(struct sim *sim)
{
    struct sim_last *last = &sim->last;
    bool is_done = last->is_answered && last->status == 0;
    bool is_outdated =
        last->is_answered && (last->status == QR_ERR_NOT_FOUND || last->status == QR_ERR_INVALID);
    last->is_answered = false;
    if (last->stage == SIM_LAST_CHANGE && is_outdated) {
        last->is_chosen = false;
    }
    if (is_done || (last->stage == SIM_LAST_ANSWERS && !has_open_questions(sim))) {
        last->stage++;
    }
    if (last->stage == SIM_LAST_TRANSFER && sim->plan.transfers == 0) {
        last->stage++;
    }
    if (last->stage == SIM_LAST_CHANGE && sim->plan.changes == 0) {
        last->stage++;
    }
}

const char *sim_administrator_last(struct sim *sim)
{
    static const char *const words[] = {
        [SIM_LAST_ANSWERS] = "not all changes that were asked for are answered",
        [SIM_LAST_TRANSFER] = "leadership is not handed over",
        [SIM_LAST_CHANGE] = "the members are not changed",
        [SIM_LAST_DONE] = NULL,
    };
    struct sim_last *last = &sim->last;
    if (sim->plan.past_percent > 0) {
        return NULL;
    }
    if (last->token == 0) {
        advance(sim);
        if (last->stage == SIM_LAST_TRANSFER) {
            ask_for_transfer(sim);
        } else if (last->stage == SIM_LAST_CHANGE) {
            ask_for_change(sim);
        }
    }
    return words[last->stage];
}
