/* administrator.c: who changes the members and the leader, wherever a node answers.
 *
 * Owns     what was asked for and may yet happen (sim->wishes): the answer may be lost, and the
 *          question may come late, or twice.
 * Does not know what comes of it but by the configurations that logs hold.
 *
 * It asks for nothing that would take the cluster what the atlas promises to leave; nor does it
 * insist on the vote of somebody who has not entered the cluster yet.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "quorate/error.h"
#include "sim/internal.h"
#include "sim/observe.h"

#define RATE_SPAN_NS (1000 * NS_PER_S) /* rates are told for so long */
#define LATE_ELECTIONS 6               /* a copy of a question comes so much later at most */
#define PAUSE_NS_MAX (13 * NS_PER_S)   /* and waits so long for whom it is for */

/* One question, in the making. */
struct request {
    struct sim *sim;
    struct sim_wish *wish;
    bool has_stranger; /* it promotes somebody who does not know yet that it is a member */
    struct text promoted;
    struct text demoted;
    struct text removed;
    char promoted_bytes[BUILD_NAMES_BYTES_MAX];
    char demoted_bytes[BUILD_NAMES_BYTES_MAX];
    char removed_bytes[BUILD_NAMES_BYTES_MAX];
};

static struct prng *chance_of(struct sim *sim)
{
    return &sim->administrator_prng;
}

static bool is_likely(struct sim *sim, uint64_t percent)
{
    return prng_between(chance_of(sim), 0, 99) < percent;
}

/* A past release knows nothing of it, and does not understand a member that does. */
static uint64_t total_rate(const struct sim *sim)
{
    if (sim->plan.past_percent > 0) {
        return 0;
    }
    return sim->plan.changes + sim->plan.transfers + sim->plan.priorities;
}

static void wait_for_next(struct sim *sim)
{
    uint64_t wait_ns = prng_between(chance_of(sim), 0, 2 * RATE_SPAN_NS / total_rate(sim));
    sim_schedule_add(&sim->schedule, &sim->administrator_event, sim_now(sim) + wait_ns);
}

static struct sim_host *choose_host(struct sim *sim)
{
    struct sim_host *host = &sim->hosts[prng_between(chance_of(sim), 0, sim->host_count - 1)];
    bool is_fit = sim_host_is_up(host) && !host->has_failed && !sim_host_is_paused(host) &&
                  host->build->change != NULL;
    return is_fit ? host : NULL;
}

static const struct build_configured *choose_member(struct sim *sim)
{
    const struct build_configuration *now = &sim->committed;
    return now->count == 0 ? NULL : &now->members[prng_between(chance_of(sim), 0, now->count - 1)];
}

static struct sim_wish *free_wish(struct sim *sim)
{
    for (size_t i = 0; i < SIM_WISHES_MAX; i++) {
        if (sim->wishes[i].until_ns <= sim_now(sim)) {
            sim->wishes[i] = (struct sim_wish){.until_ns = TIME_NEVER};
            return &sim->wishes[i];
        }
    }
    return NULL;
}

/* So long after it was asked for a change may still begin. */
static time_ns late_ns(const struct sim *sim)
{
    const struct sim_plan *plan = &sim->plan;
    return 2 * plan->proposal_ms * NS_PER_MS + PAUSE_NS_MAX +
           LATE_ELECTIONS * plan->election_max_ms * NS_PER_MS;
}

static void ask(struct sim_host *host, const struct build_change *change, const char *what,
                const char *names)
{
    struct sim *sim = host->sim;
    uint64_t token = ++sim->change_count;
    sim_observe_words(sim, SIM_TRACE_CHANGE, host->number, token, change->priority, "%s %s%s", what,
                      names, change->is_forced ? ", forced" : "");
    struct build_time time = sim_host_enter(host);
    int status = host->build->change(host->node, change, token, time);
    sim_host_leave(host);
    if (status != 0 && status != QR_ERR_BUSY && status != QR_ERR_STOPPED) {
        sim_violate(sim, "change_taken", "n%u does not take a change: %s", host->number + 1,
                    qr_error_name(status));
    }
}

void sim_administrator_done(struct sim_host *host, uint64_t token, int status, const char *reason)
{
    struct sim *sim = host->sim;
    sim->changes_done += status == 0;
    sim_observe_words(sim, SIM_TRACE_CHANGED, host->number, token, (uint64_t)(int64_t)status,
                      "%s: %s", qr_error_name(status), reason);
}

static void name(struct text *text, const struct build_configured *member)
{
    text_string(text, text->length > 0 ? "," : "");
    text_string(text, member->name);
}

static bool has_entered(const struct sim *sim, uint64_t id)
{
    for (uint32_t i = 0; i < sim->host_count; i++) {
        if (sim->hosts[i].id == id) {
            return sim->hosts[i].has_entered;
        }
    }
    return false;
}

static void wish(struct sim_wish *wish, const struct build_configured *member,
                 enum sim_wish_kind kind)
{
    ASSERT(wish->count < BUILD_MEMBERS_MAX);
    wish->ids[wish->count] = member->id;
    wish->kinds[wish->count++] = kind;
}

/* One member, or with is_many about a third of them. */
static void choose(struct request *request, bool is_many)
{
    struct sim *sim = request->sim;
    const struct build_configuration *now = &sim->committed;
    uint64_t at = prng_between(chance_of(sim), 0, now->count - 1);
    bool is_demotion = is_likely(sim, 30);
    for (size_t i = 0; i < now->count; i++) {
        const struct build_configured *member = &now->members[i];
        bool is_dead = sim_atlas_is_lost(sim, member->id);
        bool is_chosen = is_many ? is_likely(sim, is_dead ? 70 : 34) : i == at;
        if (!is_chosen) {
            continue;
        }
        if (!member->is_voter && !is_dead && is_likely(sim, 80)) {
            name(&request->promoted, member);
            request->has_stranger = request->has_stranger || !has_entered(sim, member->id);
            wish(request->wish, member, SIM_WISH_PROMOTED);
        } else if (member->is_voter && is_demotion && !is_dead) {
            name(&request->demoted, member);
            wish(request->wish, member, SIM_WISH_AWAY);
        } else {
            name(&request->removed, member);
            wish(request->wish, member, SIM_WISH_AWAY);
        }
    }
}

static void change_members(struct sim *sim, struct sim_host *host)
{
    struct request request = {.sim = sim, .wish = free_wish(sim)};
    request.promoted = text_of(request.promoted_bytes, sizeof(request.promoted_bytes));
    request.demoted = text_of(request.demoted_bytes, sizeof(request.demoted_bytes));
    request.removed = text_of(request.removed_bytes, sizeof(request.removed_bytes));
    if (request.wish == NULL) {
        return;
    }
    choose(&request, is_likely(sim, 40));
    bool is_any = request.promoted.length + request.demoted.length + request.removed.length > 0;
    if (!is_any || !sim_atlas_allows_wishes(sim)) {
        request.wish->until_ns = 0;
        return;
    }
    request.wish->until_ns = sim_now(sim) + late_ns(sim);
    struct build_change change = {
        .promoted = request.promoted_bytes,
        .demoted = request.demoted_bytes,
        .removed = request.removed_bytes,
        .is_forced = is_likely(sim, 15) && !request.has_stranger,
    };
    char words[3 * BUILD_NAMES_BYTES_MAX + 64];
    struct text text = text_of(words, sizeof(words));
    text_string(&text, "+");
    text_string(&text, request.promoted_bytes);
    text_string(&text, " -");
    text_string(&text, request.demoted_bytes);
    text_string(&text, " x");
    text_string(&text, request.removed_bytes);
    ask(host, &change, "members", words);
}

/* A host whose node was removed comes back as a node that nobody knows. */
static bool bring_back(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->host_count; i++) {
        struct sim_host *host = &sim->hosts[i];
        if (sim_members_is_removed(host) && host->disk_life + 1 < SIM_LIVES_MAX &&
            sim_atlas_may_lose(sim, host->id) && is_likely(sim, 50)) {
            sim_observe_words(sim, SIM_TRACE_CHANGE, i, 0, 0, "a new disk for who was removed");
            sim_host_end(host, SIM_END_KILLED);
            sim_host_wipe(host);
            sim_host_restart_later(host);
            return true;
        }
    }
    return false;
}

static void transfer(struct sim *sim, struct sim_host *host)
{
    const struct build_configured *to = choose_member(sim);
    struct build_change change = {.transferee = to->name};
    ask(host, &change, "leadership to", to->name);
}

static void prioritize(struct sim *sim, struct sim_host *host)
{
    static const uint8_t priorities[] = {0, 1, 1, 2, 5, 255};
    const struct build_configured *member = choose_member(sim);
    uint64_t priority = priorities[prng_between(chance_of(sim), 0, sizeof(priorities) - 1)];
    struct sim_wish *asked = free_wish(sim);
    if (asked == NULL) {
        return;
    }
    if (priority == 0) {
        wish(asked, member, SIM_WISH_BARRED);
    }
    bool is_allowed = sim_atlas_allows_wishes(sim);
    asked->until_ns = is_allowed && priority == 0 ? sim_now(sim) + late_ns(sim) : 0;
    if (is_allowed) {
        struct build_change change = {.prioritized = member->name, .priority = priority};
        ask(host, &change, "priority of", member->name);
    }
}

static void on_administrator(struct sim_event *event)
{
    struct sim *sim = event->owner;
    uint64_t at = prng_between(chance_of(sim), 0, total_rate(sim) - 1);
    struct sim_host *host = choose_host(sim);
    wait_for_next(sim);
    if (host == NULL || sim->committed.count == 0) {
        return;
    }
    if (at < sim->plan.changes) {
        if (!bring_back(sim)) {
            change_members(sim, host);
        }
    } else if (at < sim->plan.changes + sim->plan.transfers) {
        transfer(sim, host);
    } else {
        prioritize(sim, host);
    }
}

void sim_administrator_init(struct sim *sim)
{
    sim->administrator_event.happen = on_administrator;
    sim->administrator_event.owner = sim;
    if (total_rate(sim) > 0) {
        wait_for_next(sim);
    }
}

void sim_administrator_stop(struct sim *sim)
{
    sim_schedule_remove(&sim->schedule, &sim->administrator_event);
}
