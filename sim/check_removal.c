/* check_removal.c: a leader that removes the dead by itself keeps to what is promised of it
 * (docs/membership.md, "Removing the dead").
 *
 * What gossip says may be wrong, so nothing is promised to who lives. Promised is that the leader,
 * in its term and by its own clock, has led, has held the member for dead and has had no answer of
 * it for as long as it was told to wait; that it removes one at a time; and whose votes are left.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "base/assert.h"
#include "sim/internal.h"
#include "sim/observe.h"

#define VOTERS_LEFT_MIN 3

/* What a leader knows of a member, by its own clock; 0: never. */
struct seen {
    time_ns live_ns;     /* gossip held it for live */
    time_ns answered_ns; /* it answered entries */
    time_ns heard_ns;    /* or a piece of a snapshot */
};

static struct seen *seen_of(struct sim_host *host, uint64_t member)
{
    return sim_pairs_take(&host->sim->removal_seen, host->id, member, sizeof(struct seen));
}

static time_ns local_ns(const struct sim_host *host)
{
    return sim_host_time(host).now_ns;
}

static time_ns wait_ns(const struct sim_host *host)
{
    return host->sim->plan.remove_dead_ms * NS_PER_MS;
}

void sim_check_removal_heard(struct sim_host *host, const struct raft_message *message)
{
    struct build_status now;
    host->build->status(host->node, &now);
    if (now.role != BUILD_LEADER || message->term != now.term) {
        return;
    }
    struct seen *seen = seen_of(host, message->from);
    seen->heard_ns = local_ns(host);
    if (message->type == RAFT_APPEND_ENTRIES_RESPONSE &&
        message->append_entries_response.match <= now.last_index &&
        !message->append_entries_response.is_rejected) {
        seen->answered_ns = local_ns(host);
    }
}

static uint32_t voters_of(const struct build_configuration *configuration)
{
    uint64_t ids[BUILD_MEMBERS_MAX];
    return (uint32_t)sim_members_voters(configuration, false, ids);
}

/* It has removed one so lately that whoever it removes now was dead then, too: what it had before
 * is what it must keep the majority of.
 */
static bool is_removing(const struct sim_host *host)
{
    const struct sim_removal *removal = &host->removal;
    return removal->last_ns > 0 && local_ns(host) - removal->last_ns < wait_ns(host);
}

static bool holds_dead(const struct sim_host *host, uint64_t id)
{
    struct build_gossip_member member;
    for (uint32_t place = 0; host->build->gossip_member(host->node, &place, &member); place++) {
        if (member.id == id) {
            return !member.is_live;
        }
    }
    return false;
}

static bool holds_any_dead(const struct sim_host *host, const struct build_configuration *members)
{
    for (uint32_t i = 0; host->build->gossip_member != NULL && i < members->count; i++) {
        if (members->members[i].id != host->id && holds_dead(host, members->members[i].id)) {
            return true;
        }
    }
    return false;
}

void sim_check_removal_called(struct sim_host *host, const struct build_status *now)
{
    struct sim_removal *removal = &host->removal;
    if (host->sim->plan.remove_dead_ms == 0 || now->role != BUILD_LEADER || !now->is_running ||
        host->held_count == 0) {
        return;
    }
    uint32_t voters = voters_of(&host->held[0]);
    if (removal->term != now->term) {
        *removal = (struct sim_removal){
            .term = now->term, .led_ns = local_ns(host), .voters_least = voters};
    }
    bool is_whole = !holds_any_dead(host, &host->held[0]);
    if (!is_removing(host) && (is_whole || voters < removal->voters_least)) {
        removal->voters_least = voters;
    }
    struct build_gossip_member member;
    for (uint32_t place = 0; host->build->gossip_member != NULL &&
                             host->build->gossip_member(host->node, &place, &member);
         place++) {
        if (member.is_live) {
            seen_of(host, member.id)->live_ns = local_ns(host);
        }
    }
}

/* Those that have a vote without the removed one, and are the leader or have answered it lately. */
static uint32_t heard_of(struct sim_host *host, const struct build_configuration *left)
{
    uint64_t ids[BUILD_MEMBERS_MAX];
    size_t count = sim_members_voters(left, false, ids);
    time_ns patience_ns = host->sim->plan.election_max_ms * NS_PER_MS;
    uint32_t heard = 0;
    for (size_t i = 0; i < count; i++) {
        time_ns heard_ns = seen_of(host, ids[i])->heard_ns;
        heard += ids[i] == host->id || (heard_ns > 0 && local_ns(host) - heard_ns <= patience_ns);
    }
    return heard;
}

static bool is_since(const struct sim_host *host, time_ns since_ns)
{
    return since_ns == 0 || local_ns(host) - since_ns >= wait_ns(host);
}

static const char *what_is_wrong(struct sim_host *host, const struct build_status *now,
                                 const struct build_configured *member)
{
    const struct build_configuration *before = &host->held[1];
    const struct build_configuration *left = &host->held[0];
    struct sim_removal *removal = &host->removal;
    const struct seen *seen = seen_of(host, member->id);
    if (removal->term != now->term || !is_since(host, removal->led_ns)) {
        return "before it has led for as long as it is to wait";
    }
    if (!holds_dead(host, member->id) || !is_since(host, seen->live_ns)) {
        return "which gossip has not held for dead for as long as it is to wait";
    }
    if (!is_since(host, seen->answered_ns)) {
        return "which answers it";
    }
    if (before->is_joint || left->is_joint || left->count + 1 != before->count) {
        return "and that is not the only change";
    }
    uint32_t base = is_removing(host) ? removal->voters_least
                                      : (uint32_t)min_u64(removal->voters_least, voters_of(before));
    if (member->is_voter && voters_of(left) < VOTERS_LEFT_MIN) {
        return "and leaves fewer than three votes";
    }
    if (member->is_voter && heard_of(host, left) < base / 2 + 1) {
        return "and no majority of those it had is left that answers";
    }
    return NULL;
}

void sim_check_removal(struct sim_host *host, const struct build_status *now,
                       const struct build_configured *member)
{
    const char *wrong = what_is_wrong(host, now, member);
    if (wrong != NULL) {
        sim_violate(host->sim, "removal_of_dead",
                    "n%u, leader of term %" PRIu64 ", removes %s by itself, %s", host->number + 1,
                    now->term, member->name, wrong);
    }
    host->removal.last_ns = local_ns(host);
}
