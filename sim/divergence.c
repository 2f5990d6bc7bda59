/* divergence.c: one replica whose state goes wrong, and what must become of it, and of the others.
 *
 * The subject's state stays as it is: a number stands for what is wrong with it, and changes what
 * the node is told of its digest. It goes wherever the state goes: into snapshots, to members that
 * take them over, into what a durable state machine keeps. So all other checkers go on as ever.
 *
 * At most one replica is struck in a run, of three at least: a majority is right. Where it led,
 * and gave a member its state before it was found, that one is wrong, too, and nobody is judged
 * any more.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "sim/faults.h"
#include "sim/observe.h"

#define HOSTS_LEAST 3

bool sim_blow_diverge(struct sim_blow *blow)
{
    struct sim *sim = blow->sim;
    struct sim_host *host = sim_blow_host(blow);
    if (sim->has_diverged || sim->host_count < HOSTS_LEAST || !sim_host_is_up(host) ||
        sim_host_is_observer(host) || host->functions.digest == NULL) {
        return false;
    }
    sim->has_diverged = true;
    host->flip = prng_next(&blow->prng) | 1;
    sim_blow_tell(blow, host->number, "with the next entry");
    return true;
}

void sim_divergence_applied(struct sim_host *host)
{
    if (host->flip != 0) {
        host->wrong ^= host->flip;
        host->flip = 0;
        host->was_wrong = true;
    }
}

void sim_divergence_begin(struct sim_host *host, uint64_t wrong)
{
    host->wrong = wrong;
    host->has_status = false;
    if (wrong != 0 && !host->was_wrong) {
        host->was_wrong = true;
        host->sim->is_wrong_spread = true;
    }
}

uint64_t sim_divergence_digest(const struct sim_host *host)
{
    const struct qr_state_machine *machine = &host->functions;
    return machine->digest == NULL ? 0 : machine->digest(machine->context) ^ host->wrong;
}

void sim_divergence_status(struct sim_host *host, const struct build_status *now)
{
    struct sim *sim = host->sim;
    const struct build_status *before = &host->progress.seen;
    bool is_new = now->is_isolated && (!host->has_status || !host->was_isolated);
    bool is_right = host->has_status ? host->wrong == 0 : !host->was_wrong;
    if (is_new && is_right && !sim->is_wrong_spread) {
        sim_violate(sim, "right_is_left_alone",
                    "n%u is taken for one whose state differs, and it does not", host->number + 1);
    }
    bool campaigns = now->role > BUILD_FOLLOWER && before->role <= BUILD_FOLLOWER;
    if (host->has_status && host->was_isolated && now->is_isolated && campaigns) {
        sim_violate(sim, "differing_never_campaigns",
                    "n%u wants to lead, and its state is known to differ", host->number + 1);
    }
    host->has_status = true;
    host->was_isolated = now->is_isolated;
}

void sim_divergence_answered(struct sim_host *host)
{
    struct build_status now;
    host->build->status(host->node, &now);
    if (now.is_isolated) {
        sim_violate(host->sim, "differing_never_answers",
                    "n%u answers a read, and its state is known to differ", host->number + 1);
    }
}

/* Whether there are voters enough that are right, and can compare, to tell who is wrong; and a
 * leader that asks them, which one of 0.1.0 does not.
 */
static bool is_decidable(const struct sim *sim)
{
    const struct build_configuration *configuration = &sim->committed;
    size_t right = 0;
    size_t voters = 0;
    bool is_asked = false;
    for (size_t i = 0; i < configuration->count; i++) {
        voters += configuration->members[i].is_voter ? 1 : 0;
    }
    for (uint32_t i = 0; i < sim->host_count; i++) {
        const struct sim_host *host = &sim->hosts[i];
        struct build_status now = {0};
        if (host->node != NULL) {
            host->build->status(host->node, &now);
        }
        is_asked = is_asked || (now.is_running && now.role == BUILD_LEADER && now.compares);
        right +=
            sim->is_core[i] && now.is_running && now.is_voter && host->wrong == 0 && now.compares
                ? 1
                : 0;
    }
    return is_asked && right >= 2 && 2 * right > voters && !configuration->is_joint &&
           !sim->is_wrong_spread;
}

bool sim_divergence_is_found(const struct sim *sim)
{
    for (uint32_t i = 0; i < sim->host_count && is_decidable(sim); i++) {
        const struct sim_host *host = &sim->hosts[i];
        struct build_status now = {0};
        if (host->node == NULL || !sim->is_core[i]) {
            continue;
        }
        host->build->status(host->node, &now);
        if (now.is_running && now.compares && now.is_isolated != (host->wrong != 0)) {
            return false;
        }
    }
    return true;
}
