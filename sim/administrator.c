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
#include "sim/administrator.h"
#include "base/assert.h"
#include "quorate/error.h"
#include "sim/check_invitations.h"
#include "sim/observe.h"

#define RATE_SPAN_NS (1000 * NS_PER_S) /* rates are told for so long */
#define LATE_ELECTIONS 6               /* a copy of a question comes so much later at most */
#define PAUSE_NS_MAX (13 * NS_PER_S)   /* and waits so long for whom it is for */

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

static bool may_ask(const struct sim_host *host)
{
    return sim_host_is_up(host) && !host->has_failed && !sim_host_is_paused(host) &&
           host->build->change != NULL;
}

static struct sim_host *choose_host(struct sim *sim)
{
    struct sim_host *host = &sim->hosts[prng_between(chance_of(sim), 0, sim->host_count - 1)];
    return may_ask(host) ? host : NULL;
}

static const struct build_configured *choose_member(struct sim *sim)
{
    const struct build_configuration *now = &sim->committed;
    return now->count == 0 ? NULL : &now->members[prng_between(chance_of(sim), 0, now->count - 1)];
}

struct sim_wish *sim_wish_take(struct sim *sim)
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

static uint64_t ask(struct sim_host *host, const struct build_change *change, const char *words)
{
    struct sim *sim = host->sim;
    uint64_t token = ++sim->change_count;
    sim_observe_words(sim, SIM_TRACE_CHANGE, host->number, token, change->priority, "%s%s", words,
                      change->is_forced ? ", forced" : "");
    ASSERT(host->asked_count < SIM_ASKED_MAX);
    host->asked[host->asked_count++] = token;
    struct build_time time = sim_host_enter(host);
    int status = host->build->change(host->node, change, token, time);
    if (status != 0) {
        host->asked_count--;
    }
    sim_host_leave(host);
    if (status != 0 && status != QR_ERR_BUSY && status != QR_ERR_STOPPED) {
        sim_violate(sim, "change_taken", "n%u does not take a change: %s", host->number + 1,
                    qr_error_name(status));
    }
    return status == 0 ? token : 0;
}

uint64_t sim_request_members(struct sim_host *host, const struct sim_request *request,
                             bool is_forced)
{
    struct build_change change = {
        .promoted = request->promoted,
        .demoted = request->demoted,
        .removed = request->removed,
        .is_forced = is_forced,
    };
    sim_check_unwanted(host->sim, request->demoted);
    sim_check_unwanted(host->sim, request->removed);
    char words[sizeof(*request) + 64];
    struct text text = text_of(words, sizeof(words));
    text_string(&text, "members +");
    text_string(&text, request->promoted);
    text_string(&text, " -");
    text_string(&text, request->demoted);
    text_string(&text, " x");
    text_string(&text, request->removed);
    return ask(host, &change, words);
}

uint64_t sim_request_transfer(struct sim_host *host, const char *name)
{
    struct build_change change = {.transferee = name};
    char words[BUILD_NAME_BYTES_MAX + 64];
    struct text text = text_of(words, sizeof(words));
    text_string(&text, "leadership to ");
    text_string(&text, name);
    return ask(host, &change, words);
}

uint64_t sim_request_priority(struct sim_host *host, const char *name, uint64_t priority)
{
    struct build_change change = {.prioritized = name, .priority = priority};
    char words[BUILD_NAME_BYTES_MAX + 64];
    struct text text = text_of(words, sizeof(words));
    text_string(&text, "priority of ");
    text_string(&text, name);
    text_string(&text, " ");
    text_u64(&text, priority);
    return ask(host, &change, words);
}

/* Whether this host was asked that, and has not answered yet; from now on it has. */
static bool take_question(struct sim_host *host, uint64_t token)
{
    for (size_t i = 0; i < host->asked_count; i++) {
        if (host->asked[i] == token) {
            host->asked[i] = host->asked[--host->asked_count];
            return true;
        }
    }
    return false;
}

void sim_administrator_done(struct sim_host *host, uint64_t token, int status, const char *reason)
{
    struct sim *sim = host->sim;
    if (!take_question(host, token)) {
        sim_violate(sim, "change_answered", "n%u answers question %llu, which nobody waits for",
                    host->number + 1, (unsigned long long)token);
    }
    sim->report->changes += status == 0;
    if (token == host->invitation.token) {
        sim_check_invitation_done(host, status);
    }
    if (token == sim->last.token) {
        sim->last.token = 0;
        sim->last.is_answered = true;
        sim->last.status = status;
    }
    sim_observe_words(sim, SIM_TRACE_CHANGED, host->number, token, (uint64_t)(int64_t)status,
                      "%s: %s", qr_error_name(status), reason);
}

void sim_administrator_host_down(struct sim_host *host)
{
    if (host->asked_count > 0) {
        sim_violate(host->sim, "change_answered", "n%u stopped, and left %zu questions open",
                    host->number + 1, host->asked_count);
    }
    host->asked_count = 0;
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

static void choose(struct sim_wish *wish, const struct build_configured *member,
                   enum sim_wish_kind kind, struct text *names)
{
    text_string(names, names->length > 0 ? "," : "");
    text_string(names, member->name);
    ASSERT(!names->truncated && wish->count < BUILD_MEMBERS_MAX);
    wish->ids[wish->count] = member->id;
    wish->kinds[wish->count++] = kind;
}

bool sim_request_choose(struct sim *sim, struct sim_wish *wish, struct sim_request *out)
{
    const struct build_configuration *now = &sim->committed;
    bool is_many = is_likely(sim, 40);
    uint64_t at = prng_between(chance_of(sim), 0, now->count - 1);
    bool is_demotion = is_likely(sim, 30);
    *out = (struct sim_request){0};
    wish->count = 0;
    struct text promoted = text_of(out->promoted, sizeof(out->promoted));
    struct text demoted = text_of(out->demoted, sizeof(out->demoted));
    struct text removed = text_of(out->removed, sizeof(out->removed));
    for (size_t i = 0; i < now->count; i++) {
        const struct build_configured *member = &now->members[i];
        bool is_dead = !sim_atlas_is_whole(sim, member->id);
        bool is_chosen = is_many ? is_likely(sim, is_dead ? 70 : 34) : i == at;
        if (!is_chosen) {
            continue;
        }
        if (!member->is_voter && !is_dead && is_likely(sim, 80)) {
            choose(wish, member, SIM_WISH_PROMOTED, &promoted);
            out->has_stranger = out->has_stranger || !has_entered(sim, member->id);
        } else if (member->is_voter && is_demotion && !is_dead) {
            choose(wish, member, SIM_WISH_AWAY, &demoted);
        } else {
            choose(wish, member, SIM_WISH_AWAY, &removed);
        }
    }
    return wish->count > 0;
}

static void change_members(struct sim *sim, struct sim_host *host)
{
    struct sim_request request;
    struct sim_wish *wish = sim_wish_take(sim);
    if (wish == NULL) {
        return;
    }
    if (!sim_request_choose(sim, wish, &request) || !sim_atlas_allows_wishes(sim)) {
        wish->until_ns = 0;
        return;
    }
    wish->until_ns = sim_now(sim) + late_ns(sim);
    bool is_forced = is_likely(sim, 15) && !request.has_stranger;
    (void)sim_request_members(host, &request, is_forced);
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
    (void)sim_request_transfer(host, to->name);
}

static void prioritize(struct sim *sim, struct sim_host *host)
{
    static const uint8_t priorities[] = {0, 1, 1, 2, 5, 255};
    const struct build_configured *member = choose_member(sim);
    uint64_t priority = priorities[prng_between(chance_of(sim), 0, sizeof(priorities) - 1)];
    struct sim_wish *asked = sim_wish_take(sim);
    if (asked == NULL) {
        return;
    }
    if (priority == 0) {
        asked->ids[asked->count] = member->id;
        asked->kinds[asked->count++] = SIM_WISH_BARRED;
    }
    bool is_allowed = sim_atlas_allows_wishes(sim);
    asked->until_ns = is_allowed && priority == 0 ? sim_now(sim) + late_ns(sim) : 0;
    if (is_allowed) {
        (void)sim_request_priority(host, member->name, priority);
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

void sim_administrator_press(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->host_count && sim->plan.changes > 0; i++) {
        struct sim_host *host = &sim->hosts[i];
        if (may_ask(host) && host->progress.seen.role == BUILD_LEADER && sim->committed.count > 0) {
            change_members(sim, host);
        }
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
