/* invitations.c: nodes that are told of nobody to join when they start, and who lets them in: a
 * member that is asked to invite them, or somebody who tells them themselves.
 *
 * Its chance is a stream of its own. Now and then whoever invites, or is invited, goes down soon
 * after. In the second phase it goes on for as long as somebody waits.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "quorate/error.h"
#include "sim/internal.h"
#include "sim/observe.h"

#define PAUSE_NS_MAX (800 * NS_PER_MS)
#define BLOW_NS_MAX (200 * NS_PER_MS)

static bool is_likely(struct sim *sim, uint64_t percent)
{
    return prng_between(&sim->invite_prng, 0, 99) < percent;
}

static struct sim_host *choose_host(struct sim *sim)
{
    return &sim->hosts[prng_between(&sim->invite_prng, 0, sim->host_count - 1)];
}

static bool may_ask(const struct sim_host *host)
{
    return sim_host_is_up(host) && !host->has_failed && !sim_host_is_paused(host);
}

static bool is_outside(const struct sim_host *host)
{
    struct build_status now;
    host->build->status(host->node, &now);
    return now.is_outside;
}

void sim_invitations_start(struct sim_host *host)
{
    struct sim *sim = host->sim;
    bool may_wait = sim->plan.waiting_percent > 0 && host->build->join != NULL &&
                    !host->has_entered && !sim_host_is_observer(host) &&
                    (host->number > 0 || host->disk_life > 0);
    host->is_waiting = may_wait && is_likely(sim, sim->plan.waiting_percent);
}

static void wait_for_next(struct sim *sim)
{
    time_ns wait_ns = prng_between(&sim->invite_prng, NS_PER_MS, PAUSE_NS_MAX);
    sim_schedule_add(&sim->schedule, &sim->invite_event, sim_now(sim) + wait_ns);
}

static void on_blow(struct sim_event *event)
{
    struct sim *sim = event->owner;
    struct sim_host *host = &sim->hosts[sim->invite_struck];
    if (sim_host_is_up(host)) {
        sim->report->crashes++;
        sim_host_end(host, SIM_END_KILLED);
        sim_host_restart_later(host);
    }
}

/* One of both goes down while the invitation is under way, perhaps. */
static void strike_maybe(struct sim *sim, uint32_t inviter, uint32_t target)
{
    bool is_struck = is_likely(sim, 15);
    bool is_target = is_likely(sim, 60);
    time_ns wait_ns = prng_between(&sim->invite_prng, 0, BLOW_NS_MAX);
    if (is_struck && sim->phase == SIM_PHASE_SAFETY && !sim_event_is_waiting(&sim->invite_blow)) {
        sim->invite_struck = is_target ? target : inviter;
        sim_schedule_add(&sim->schedule, &sim->invite_blow, sim_now(sim) + wait_ns);
    }
}

static void invite(struct sim_host *host, struct sim_host *target)
{
    struct sim *sim = host->sim;
    bool is_learner = is_likely(sim, 15);
    if (host == target || !may_ask(host) || host->build->invite == NULL ||
        host->asked_count == SIM_ASKED_MAX || host->invitation.token != 0) {
        return;
    }
    uint64_t token = ++sim->change_count;
    sim_observe_words(sim, SIM_TRACE_CHANGE, host->number, token, is_learner, "invite %s at %s",
                      target->name, target->address);
    struct sim_invitation invitation = {
        .token = token,
        .target = target->number,
        .target_life = target->life,
        .target_disk = target->disk_life,
    };
    struct build_time time = sim_host_enter(host);
    int status = host->build->invite(host->node, target->address, is_learner, token, time);
    if (status == 0) {
        host->asked[host->asked_count++] = token;
        host->invitation = invitation;
    }
    sim_host_leave(host);
    if (status != 0 && status != QR_ERR_NO_LEADER && status != QR_ERR_STOPPED) {
        sim_violate(sim, "invitation_taken", "n%u does not take an invitation: %s",
                    host->number + 1, qr_error_name(status));
    }
    strike_maybe(sim, host->number, target->number);
}

/* Somebody tells the node itself whom to join. */
static void tell(struct sim_host *target, const struct sim_host *member)
{
    struct sim *sim = target->sim;
    bool is_learner = is_likely(sim, 15);
    if (member == target || !may_ask(target) || target->build->join == NULL) {
        return;
    }
    struct build_time time = sim_host_enter(target);
    bool may_join = target->is_waiting && is_outside(target);
    if (may_join) {
        target->told_life = target->life;
    }
    int status = target->build->join(target->node, member->address, is_learner, time);
    sim_host_leave(target);
    sim_observe_words(sim, SIM_TRACE_CHANGE, target->number, 0, (uint64_t)(int64_t)status,
                      "join %s: %s", member->name, qr_error_name(status));
    /* Who is just being taken in is outside for as long as it is not durable. */
    if (status != QR_ERR_FOREIGN && (status != 0 || !may_join)) {
        sim_violate(sim, "invitation_taken", "n%u, which %s, is told whom to join: %s",
                    target->number + 1, may_join ? "waits" : "does not wait",
                    qr_error_name(status));
    }
    strike_maybe(sim, member->number, target->number);
}

/* Somebody who waits, from any host on; mostly. */
static struct sim_host *choose_target(struct sim *sim)
{
    struct sim_host *any = choose_host(sim);
    bool is_any = is_likely(sim, 5);
    for (uint32_t i = 0; i < sim->host_count; i++) {
        struct sim_host *host = &sim->hosts[(any->number + i) % sim->host_count];
        if (sim_host_is_up(host) && !host->has_failed && host->is_waiting && is_outside(host)) {
            return host;
        }
    }
    return is_any && sim->phase == SIM_PHASE_SAFETY ? any : NULL;
}

static void on_invitation(struct sim_event *event)
{
    struct sim *sim = event->owner;
    struct sim_host *target = choose_target(sim);
    struct sim_host *first = choose_host(sim);
    struct sim_host *second = choose_host(sim);
    bool is_told = is_likely(sim, 25);
    bool is_of_two = is_likely(sim, 25);
    wait_for_next(sim);
    if (target == NULL) {
        return;
    }
    if (is_told) {
        tell(target, first);
        return;
    }
    invite(first, target);
    if (is_of_two) {
        invite(second, target);
    }
}

void sim_invitations_init(struct sim *sim)
{
    sim->invite_event.happen = on_invitation;
    sim->invite_event.owner = sim;
    sim->invite_blow.happen = on_blow;
    sim->invite_blow.owner = sim;
    if (sim->plan.waiting_percent > 0) {
        wait_for_next(sim);
    }
}

void sim_invitations_stop(struct sim *sim)
{
    sim_schedule_remove(&sim->schedule, &sim->invite_blow);
}
