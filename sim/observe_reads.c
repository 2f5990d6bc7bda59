/* observe_reads.c: whether who leads may say so, when a read is answered or leases hold.
 *
 * A leader that is asked confirms that it leads by a round to a majority, or has a lease: a
 * majority has answered a round that is not older than that (diss. §6.4, §6.4.1).
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "raft/raft.h"
#include "sim/internal.h"
#include "sim/observe.h"

#define MILLION UINT64_C(1000000)

/* How old, of the run's time, an answer may be that a lease rests on: a slow clock makes it last
 * longer. 0: there are no leases.
 */
static time_ns lease_ns(const struct sim *sim)
{
    const struct sim_plan *plan = &sim->plan;
    if (plan->lease_percent == 0) {
        return 0;
    }
    time_ns local_ns =
        raft_lease_ns_max(plan->election_min_ms * NS_PER_MS) / 100 * plan->lease_percent;
    return local_ns + local_ns / (MILLION - plan->drift_ppm) * plan->drift_ppm + NS_PER_MS;
}

/* Since when a majority must have answered this host, for it to confirm at `asked_ns` or later.
 * Who told another one to campaign has no lease in that term any more.
 */
static time_ns confirmed_since(const struct sim_host *host, time_ns asked_ns)
{
    struct build_status now = {0};
    if (host->node != NULL) {
        host->build->status(host->node, &now);
    }
    time_ns since_ns = asked_ns - min_u64(asked_ns, lease_ns(host->sim));
    bool is_void = now.role == BUILD_LEADER &&
                   check_handovers_since(&host->sim->handovers, now.id, now.term) < asked_ns;
    return is_void ? asked_ns : since_ns;
}

/* Whether this node, as leader, has heard a majority of these voters since then. */
static bool is_confirmed(const struct sim *sim, uint64_t id,
                         const struct build_configuration *configuration, const void *argument)
{
    const time_ns *since_ns = argument;
    uint64_t ids[BUILD_MEMBERS_MAX];
    for (int set = 0; set < 2; set++) {
        size_t count = sim_members_voters(configuration, set == 1, ids);
        if (count > 0 && !check_reads_is_confirmed(&sim->reads, id, ids, count, *since_ns)) {
            return false;
        }
    }
    return true;
}

/* Whether this host may have confirmed that it leads, when it was asked at this moment or later. */
static bool may_have_confirmed(const struct sim_host *host, time_ns asked_ns)
{
    time_ns since_ns = confirmed_since(host, asked_ns);
    return sim_members_any_since(host, since_ns, is_confirmed, &since_ns);
}

static bool may_any_have_confirmed(const struct sim *sim, time_ns asked_ns)
{
    for (uint32_t i = 0; i < sim->host_count; i++) {
        if (may_have_confirmed(&sim->hosts[i], asked_ns)) {
            return true;
        }
    }
    return false;
}

/* Since when it leads the term that it is in; TIME_NEVER: it does not. */
static time_ns leads_since(const struct sim_host *host)
{
    struct build_status now;
    const struct build_status *seen = &host->progress.seen;
    host->build->status(host->node, &now);
    bool is_leading = host->progress.has_seen && seen->role == BUILD_LEADER &&
                      now.role == BUILD_LEADER && seen->term == now.term;
    return is_leading ? host->leads_since_ns : TIME_NEVER;
}

void sim_observe_read(struct sim_host *host, time_ns began_ns)
{
    struct sim *sim = host->sim;
    bool is_confirmed = leads_since(host) < began_ns ? may_have_confirmed(host, began_ns)
                                                     : may_any_have_confirmed(sim, began_ns);
    if (!is_confirmed) {
        sim_violate(sim, "read_confirmed",
                    "n%u answers a read that was asked at %llu ns, and no leader was confirmed "
                    "since, nor by a lease then",
                    host->number + 1, (unsigned long long)began_ns);
    }
}

/* A leader tells a member at which index a read is linearizable. */
static void check_response(struct sim_host *host, uint32_t peer,
                           const struct wire_read_response *response)
{
    struct sim *sim = host->sim;
    time_ns asked_ns = check_reads_asked_ns(&sim->reads, sim->hosts[peer].id, response->request);
    if (response->status == 0 && asked_ns > 0 && !may_have_confirmed(host, asked_ns)) {
        sim_violate(sim, "read_confirmed",
                    "n%u confirms to n%u a read that was asked at %llu ns, and a majority has not "
                    "answered it since, nor lately enough for a lease",
                    host->number + 1, peer + 1, (unsigned long long)asked_ns);
    }
}

bool sim_observe_has_leases(const struct sim *sim)
{
    return sim->plan.lease_percent > 0 && sim->plan.past_percent == 0;
}

void sim_observe_read_said(struct sim_host *host, uint32_t peer, const struct wire_message *message)
{
    struct sim *sim = host->sim;
    if (message->type == WIRE_READ) {
        check_reads_asked(&sim->reads, &message->read, sim_now(sim));
    } else if (message->type == WIRE_READ_RESPONSE) {
        check_response(host, peer, &message->read_response);
    } else if (message->type == RAFT_APPEND_ENTRIES_RESPONSE) {
        check_reads_said(&sim->reads, &message->raft, sim_now(sim));
        check_promises_given(&sim->promises, &message->raft);
    }
}

/* Who campaigns because its leader told it to may be voted for, in that term. */
void sim_observe_vote_said(struct sim_host *host, const struct raft_message *vote)
{
    struct sim *sim = host->sim;
    if (check_votes_is_transfer(&sim->votes, vote->to, vote->term)) {
        check_promises_void(&sim->promises, vote);
    }
    check_promises_vote(&sim->promises, vote, sim_host_time(host).now_ns,
                        sim->plan.election_min_ms * NS_PER_MS, sim_now(sim), &sim->failure);
}
