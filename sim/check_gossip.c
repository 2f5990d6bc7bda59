/* check_gossip.c: what gossip may say, and what it may not do. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "sim/internal.h"
#include "sim/observe.h"

/* Who is said to lead in a term was elected in it, or is the leader that somebody heard of. */
void sim_check_gossip(struct sim_host *host, const struct build_status *now)
{
    struct sim *sim = host->sim;
    uint64_t elected = 0;
    if (now->gossip_term == 0) {
        return;
    }
    bool is_led = check_election_leader(&sim->election, now->gossip_term, &elected);
    if (!is_led || elected != now->gossip_leader) {
        sim_violate(sim, "gossip_leader_true",
                    "n%u has heard that %016" PRIx64 " leads in term %" PRIu64 ", and %s",
                    host->number + 1, now->gossip_leader, now->gossip_term,
                    is_led ? "another was elected" : "nobody was elected");
    }
}

static bool is_unwanted(const struct sim *sim, const char *name)
{
    for (size_t i = 0; i < sim->unwanted_count; i++) {
        if (strcmp(sim->unwanted[i], name) == 0) {
            return true;
        }
    }
    return false;
}

void sim_check_unwanted(struct sim *sim, const char *names)
{
    while (*names != '\0') {
        size_t length = strcspn(names, ",");
        char name[BUILD_NAME_BYTES_MAX];
        ASSERT(length < sizeof(name));
        memcpy(name, names, length);
        name[length] = '\0';
        if (length > 0 && !is_unwanted(sim, name)) {
            ASSERT(sim->unwanted_count < SIM_LOSSES_MAX);
            memcpy(sim->unwanted[sim->unwanted_count++], name, sizeof(name));
        }
        names += length + (names[length] == ',');
    }
}

/* A leader takes nobody's vote, and removes nobody, unless the administrator wanted that: neither
 * SWIM nor anything else decides it. Where it may remove the dead by itself there are rules.
 */
void sim_check_asked_for(struct sim_host *host, const struct build_status *now)
{
    const struct build_configuration *before = &host->held[1];
    const struct build_configuration *after = &host->held[0];
    for (size_t i = 0; i < before->count && host->held_count > 1; i++) {
        const struct build_configured *was = &before->members[i];
        const struct build_configured *is = sim_members_find(after, was->id);
        bool is_less = is == NULL || (was->is_voter && !is->is_voter);
        if (!is_less || is_unwanted(host->sim, was->name)) {
            continue;
        }
        if (is == NULL && host->sim->plan.remove_dead_ms > 0) {
            sim_check_removal(host, now, was);
        } else {
            sim_violate(
                host->sim, "unasked_change",
                "n%u, leader of term %" PRIu64 ", takes %s from %s, and nobody asked for it",
                host->number + 1, now->term, is == NULL ? "membership" : "its vote", was->name);
        }
    }
}

/* The hosts that are to agree: of the core, and members. */
static bool is_to_agree(const struct sim *sim, uint32_t host)
{
    return sim->is_core[host] && sim_host_is_up(&sim->hosts[host]) &&
           sim->hosts[host].build->gossip_member != NULL &&
           !sim_members_is_removed(&sim->hosts[host]);
}

/* Who leads, by those who take part. */
static bool leader_of(const struct sim *sim, struct build_status *out)
{
    for (uint32_t i = 0; i < sim->host_count; i++) {
        const struct sim_host *host = &sim->hosts[i];
        if (is_to_agree(sim, i) && !sim_host_is_observer(host)) {
            host->build->status(host->node, out);
            if (out->has_leader) {
                return true;
            }
        }
    }
    return false;
}

static bool hears_leader(const struct sim_host *host)
{
    struct build_status now;
    struct build_status led;
    host->build->status(host->node, &now);
    bool is_led = sim_host_is_observer(host) ? leader_of(host->sim, &led) : (led = now).has_leader;
    return is_led && now.gossip_term == led.term && now.gossip_leader == led.leader;
}

static bool holds_live(const struct sim_host *host, uint64_t id)
{
    struct build_gossip_member member;
    for (uint32_t place = 0; host->build->gossip_member(host->node, &place, &member); place++) {
        if (member.id == id) {
            return member.is_live;
        }
    }
    return false;
}

bool sim_gossip_agrees(const struct sim *sim, struct text *why)
{
    for (uint32_t i = 0; i < sim->host_count && sim->plan.gossip != BUILD_GOSSIP_NONE; i++) {
        const struct sim_host *host = &sim->hosts[i];
        if (!is_to_agree(sim, i)) {
            continue;
        }
        for (uint32_t j = 0; j < sim->host_count; j++) {
            if (is_to_agree(sim, j) && !holds_live(host, sim->hosts[j].id)) {
                text_string(why, host->name);
                text_string(why, " does not hold for alive ");
                text_string(why, sim->hosts[j].name);
                return false;
            }
        }
        if (!hears_leader(host)) {
            text_string(why, host->name);
            text_string(why, " does not hear by gossip who leads");
            return false;
        }
    }
    return true;
}
