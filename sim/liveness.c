/* liveness.c: phase two: a quorum is whole again, faults stop, the rest stays broken; now it
 * must elect, commit, answer everywhere and come to one state, in bounded time.
 *
 * Steps    1 every node of the core answers writes and reads
 *          2 what the administrator asked for is answered; one transfer, and one change of the
 *            members, is done
 *          3 there are enough commits
 *          4 clients fall silent, and all of the core stand at the same index and state
 *          5 where there is gossip, the core hold each other for alive, and hear who leads
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "sim/internal.h"
#include "sim/observe.h"

#define BOUND_NS_MIN (20 * NS_PER_S)
#define BOUND_ELECTIONS 60
#define COMMITS_NS_MAX (1800 * NS_PER_S)
#define GOSSIP_NS_MAX (120 * NS_PER_S)
#define CLIENTS_MIN 16

/* What the nodes outside of the core do for the rest of the run. */
enum rest {
    REST_DOWN,
    REST_CUT_OFF,
    REST_DEAF, /* it is heard, and hears nothing of the core */
    REST_PAUSED,
    REST_COUNT,
};

static time_ns bound_ns(const struct sim *sim)
{
    const struct sim_plan *plan = &sim->plan;
    time_ns waits_ns = BOUND_ELECTIONS * plan->election_max_ms * NS_PER_MS;
    time_ns trips_ns = 4000 * (plan->delay_us_max + plan->disk_us_max) * UINT64_C(1000);
    return BOUND_NS_MIN + waits_ns + trips_ns + 4 * plan->proposal_ms * NS_PER_MS;
}

static void break_rest(struct sim *sim, struct sim_host *host)
{
    enum rest rest = (enum rest)prng_between(&sim->fault_prng, 0, REST_COUNT - 1);
    for (uint32_t i = 0; i < sim->host_count; i++) {
        if (sim->is_core[i] && (rest == REST_CUT_OFF || rest == REST_DEAF)) {
            sim_network_cut(sim, i, host->number, true);
            if (rest == REST_CUT_OFF) {
                sim_network_cut(sim, host->number, i, true);
            }
        }
    }
    if (rest == REST_DOWN) {
        sim_host_end(host, SIM_END_KILLED);
        host->state = SIM_HOST_GONE;
    } else if (rest == REST_PAUSED) {
        host->paused_until_ns = TIME_NEVER;
    }
}

static void heal_core(struct sim *sim, struct sim_host *host)
{
    sim_disk_clear_faults(&host->disk);
    sim_disk_set_room(&host->disk, UINT64_MAX);
    host->disk_slow_until_ns = 0;
    host->disk_hung_until_ns = 0;
    host->paused_until_ns = 0;
    if (host->state == SIM_HOST_DOWN) {
        sim_host_restart_at(host, sim_now(sim) + NS_PER_MS);
    } else if (host->state == SIM_HOST_UP) {
        sim_host_mark(host);
        if (sim_event_is_waiting(&host->disk_event)) {
            sim_schedule_advance(&sim->schedule, &host->disk_event, sim_now(sim) + NS_PER_MS);
        }
    }
}

/* Frames that waited for somebody who stood still. */
static void hurry_packets(struct sim *sim)
{
    time_ns latest_ns = sim_now(sim) + sim->plan.delay_us_max * 1000;
    for (struct sim_packet *packet = sim->packets; packet != NULL; packet = packet->next) {
        if (packet->event.at_ns > latest_ns) {
            sim_schedule_add(&sim->schedule, &packet->event, latest_ns);
        }
    }
}

void sim_liveness_begin(struct sim *sim)
{
    sim_faults_stop(sim);
    sim_administrator_stop(sim);
    sim_stale_stop(sim);
    sim_invitations_stop(sim);
    sim->plan.loss = 0;
    sim->plan.duplicate = 0;
    sim->plan.late = 0;
    sim->plan.stray = 0;
    sim->storm_until_ns = 0;
    memset(sim->cuts, 0, sizeof(sim->cuts));
    for (uint32_t i = 0; i < SIM_HOSTS_MAX; i++) {
        for (uint32_t j = 0; j < SIM_HOSTS_MAX; j++) {
            sim->links[i][j].slow_until_ns = 0;
            sim->links[i][j].clogged_until_ns = 0;
            sim->links[i][j].last_ns = 0;
        }
    }
    sim_atlas_choose_core(sim);
    sim->phase = SIM_PHASE_LIVENESS;
    uint64_t core = 0;
    char names[SIM_HOSTS_MAX * QR_NAME_BYTES_MAX];
    struct text text = text_of(names, sizeof(names));
    for (uint32_t i = 0; i < sim->host_count; i++) {
        core |= (uint64_t)sim->is_core[i] << i;
        if (sim->is_core[i]) {
            text_string(&text, " ");
            text_string(&text, sim->hosts[i].name);
            heal_core(sim, &sim->hosts[i]);
        } else {
            break_rest(sim, &sim->hosts[i]);
        }
    }
    hurry_packets(sim);
    sim_gossip_calm(sim);
    sim_observe_words(sim, SIM_TRACE_PHASE, SIM_NOBODY, SIM_PHASE_LIVENESS, core,
                      "liveness, the core is%s", names);
    sim_clients_wake(sim, CLIENTS_MIN);
}

static void status_of(const struct sim_host *host, struct build_status *out)
{
    *out = (struct build_status){0};
    if (host->node != NULL) {
        host->build->status(host->node, out);
    }
}

/* What it is to be: a voter, or a learner that was told to stay one. */
static bool is_settled_member(const struct sim_host *host)
{
    const struct build_configuration *now = sim_members_in_force(host);
    const struct build_configured *member = now == NULL ? NULL : sim_members_find(now, host->id);
    return member != NULL && (member->is_voter || (!member->is_promotable && !now->is_joint));
}

/* Whoever was removed, or observes, need not answer, and is not asked. */
static bool is_of_core(const struct sim *sim, uint32_t host)
{
    return sim->is_core[host] && !sim_host_is_observer(&sim->hosts[host]) &&
           !sim_members_is_removed(&sim->hosts[host]);
}

/* One leader, of the core, and all of the core that are members have answered. */
static bool is_serving(const struct sim *sim)
{
    struct build_status first = {0};
    for (uint32_t i = 0; i < sim->host_count; i++) {
        const struct sim_host *host = &sim->hosts[i];
        struct build_status now;
        if (!is_of_core(sim, i)) {
            continue;
        }
        status_of(host, &now);
        bool is_silent = sim->answers[i] == 0 && !now.is_isolated;
        if (!now.is_running || !now.has_leader || !is_settled_member(host) || is_silent ||
            (first.has_leader && (now.leader != first.leader || now.term != first.term))) {
            return false;
        }
        first = now;
    }
    return true;
}

/* A change, or a transfer, is under way. */
static bool is_changing(const struct sim_host *host, const struct build_status *now)
{
    const struct build_configuration *held = sim_members_in_force(host);
    return now->is_transferring || host->asked_count > 0 || held == NULL || held->is_joint ||
           held->index > now->commit_index;
}

/* All of the core have applied all there is, and stand at one index with one digest. */
static bool is_settled(const struct sim *sim)
{
    struct build_status first = {0};
    uint64_t first_digest = 0;
    for (uint32_t i = 0; i < sim->host_count; i++) {
        const struct sim_host *host = &sim->hosts[i];
        struct build_status now;
        if (!is_of_core(sim, i)) {
            continue;
        }
        status_of(host, &now);
        if (!now.is_running || is_changing(host, &now) || now.is_restoring ||
            now.applied_index != now.last_index || now.commit_index != now.last_index) {
            return false;
        }
        const struct qr_state_machine *machine = &host->functions;
        uint64_t digest = machine->digest == NULL ? 0 : machine->digest(machine->context);
        if (first.is_running && (first.last_index != now.last_index || first_digest != digest)) {
            return false;
        }
        first = now;
        first_digest = digest;
    }
    return first.is_running;
}

static void describe(const struct sim *sim, struct text *text)
{
    for (uint32_t i = 0; i < sim->host_count; i++) {
        const struct sim_host *host = &sim->hosts[i];
        struct build_status now;
        status_of(host, &now);
        text_string(text, "; ");
        text_string(text, host->name);
        text_string(text, sim->is_core[i] ? "" : " (not of the core)");
        if (host->node == NULL) {
            text_string(text, " down");
            continue;
        }
        text_string(text, now.role == BUILD_LEADER ? " leads term " : " in term ");
        text_u64(text, now.term);
        text_string(text, now.has_leader ? " with a leader" : " without a leader");
        text_string(text, is_settled_member(host) ? ", member, last " : ", no member, last ");
        text_u64(text, now.last_index);
        text_string(text, " commit ");
        text_u64(text, now.commit_index);
        text_string(text, " applied ");
        text_u64(text, now.applied_index);
        text_string(text, " answers ");
        text_u64(text, sim->answers[i]);
    }
}

static void too_late(struct sim *sim, const char *what)
{
    char states[QR_SIM_TEXT_BYTES_MAX / 4 * 3];
    struct text text = text_of(states, sizeof(states));
    describe(sim, &text);
    sim_members_describe(sim, &text);
    sim_violate(sim, "liveness", "%s within %llu ms%s", what,
                (unsigned long long)((sim_now(sim) - sim->step_began_ns) / NS_PER_MS), states);
}

static void begin_step(struct sim *sim, enum sim_step step)
{
    sim->step = step;
    sim->step_began_ns = sim_now(sim);
}

/* Each thing that it waits for has its time. */
static void look_at_changes(struct sim *sim)
{
    enum sim_last_stage before = sim->last.stage;
    const char *late = sim_administrator_last(sim);
    if (late == NULL) {
        begin_step(sim, SIM_STEP_COMMITS);
    } else if (sim->last.stage != before) {
        begin_step(sim, SIM_STEP_CHANGING);
    } else if (sim_now(sim) - sim->step_began_ns > bound_ns(sim)) {
        too_late(sim, late);
    }
}

/* They found each other while they committed; whatever is left of that has its time. */
static bool is_agreed(struct sim *sim)
{
    char words[QR_SIM_TEXT_BYTES_MAX / 4];
    struct text why = text_of(words, sizeof(words));
    if (sim_gossip_agrees(sim, &why)) {
        return true;
    }
    if (sim_now(sim) - sim->step_began_ns > GOSSIP_NS_MAX) {
        sim_violate(sim, "gossip_agrees", "%s, within %llu ms", words,
                    (unsigned long long)(GOSSIP_NS_MAX / NS_PER_MS));
    }
    return false;
}

bool sim_liveness_is_reached(struct sim *sim)
{
    time_ns passed_ns = sim_now(sim) - sim->step_began_ns;
    switch (sim->step) {
    case SIM_STEP_SERVING:
        if (is_serving(sim)) {
            begin_step(sim, SIM_STEP_CHANGING);
        } else if (passed_ns > bound_ns(sim)) {
            too_late(sim, "the core does not answer everywhere");
        }
        return false;
    case SIM_STEP_CHANGING:
        look_at_changes(sim);
        return false;
    case SIM_STEP_COMMITS:
        if (sim->apply.commit_count >= sim->plan.commits) {
            begin_step(sim, SIM_STEP_SETTLING);
        } else if (passed_ns > COMMITS_NS_MAX) {
            too_late(sim, "there are not enough commits");
        }
        return false;
    case SIM_STEP_SETTLING:
        if (is_settled(sim)) {
            begin_step(sim, SIM_STEP_COMPARED);
        } else if (passed_ns > bound_ns(sim)) {
            too_late(sim, "the core does not come to one state");
        }
        return false;
    case SIM_STEP_COMPARED:
        if (sim_divergence_is_found(sim)) {
            begin_step(sim, SIM_STEP_GOSSIP);
            return is_agreed(sim);
        }
        if (passed_ns > bound_ns(sim)) {
            sim_violate(sim, "differing_is_found",
                        "not exactly who differs is known to, within %llu ms",
                        (unsigned long long)(passed_ns / NS_PER_MS));
        }
        return false;
    case SIM_STEP_GOSSIP:
        return is_agreed(sim);
    }
    return false;
}
