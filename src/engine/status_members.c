/* status_members.c: the members, as the configuration, the connections and gossip have them.
 *
 * Who is a member, and votes, says the configuration alone. How one fares, and who there is
 * besides, says gossip, where that knows a member; of one that does not take part in it, as those
 * of release 0.1.0, the connections tell.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "engine/internal.h"
#include "runtime/clock.h"

_Static_assert((int)QR_ALIVE == (int)SWIM_ALIVE && (int)QR_SUSPECT == (int)SWIM_SUSPECT &&
                   (int)QR_DEAD == (int)SWIM_DEAD && (int)QR_LEFT == (int)SWIM_LEFT,
               "health is the same, inside and out");

void engine_copy(char *out, size_t out_bytes, const char *string)
{
    struct text text = text_of(out, out_bytes);
    text_string(&text, string);
}

uint64_t engine_since_ms(time_ns then_ns)
{
    time_ns now_ns = runtime_now_ns();
    return then_ns == 0 ? QR_AGE_UNKNOWN : (now_ns > then_ns ? now_ns - then_ns : 0) / NS_PER_MS;
}

static enum qr_health health_by_connections(const struct qr_engine *engine, node_id id)
{
    struct transport_peer_state state;
    if (!transport_peer_state(engine->transport, id, &state)) {
        return QR_SUSPECT; /* a member of a moment: the transport is told at the turn's end */
    }
    time_ns now_ns = runtime_now_ns();
    time_ns recent_ns = 2 * engine->limits.election_timeout_max_ms * NS_PER_MS;
    if (state.is_connected || (state.heard_ns > 0 && now_ns - state.heard_ns <= recent_ns)) {
        return QR_ALIVE;
    }
    return now_ns - state.lost_ns < ENGINE_SUSPECT_NS ? QR_SUSPECT : QR_DEAD;
}

/* A member that is listed; false: gossip does not know it, or not any more. */
static bool heard_of(const struct qr_engine *engine, node_id id, struct swim_member_status *out)
{
    const struct swim *swim = node_swim(engine->node);
    return swim != NULL && swim_member(swim, id, out) && out->is_listed;
}

enum qr_health engine_health(const struct qr_engine *engine, node_id id)
{
    struct swim_member_status heard;
    if (id == engine->self) {
        return QR_ALIVE;
    }
    return heard_of(engine, id, &heard) ? (enum qr_health)heard.state
                                        : health_by_connections(engine, id);
}

static uint64_t match_of(const struct qr_engine *engine, const struct node_status *status,
                         node_id id)
{
    struct raft_peer_status peer;
    if (status->raft.role != RAFT_LEADER) {
        return 0;
    }
    if (id == engine->self) {
        return status->raft.durable_index;
    }
    return node_peer_status(engine->node, id, &peer) ? peer.match_index : 0;
}

static enum qr_progress progress_of(enum raft_progress_state state)
{
    return state == RAFT_PROBE       ? QR_PROGRESS_PROBE
           : state == RAFT_REPLICATE ? QR_PROGRESS_REPLICATE
                                     : QR_PROGRESS_SNAPSHOT;
}

/* What a leader knows of a member. */
static void fill_progress(const struct qr_engine *engine, struct qr_member *told)
{
    struct raft_peer_status peer;
    if (!node_peer_status(engine->node, told->id, &peer)) {
        return;
    }
    told->progress = progress_of(peer.state);
    told->heard_ms = engine_since_ms(peer.heard_ns);
    told->inflight_bytes = peer.inflight_bytes;
    told->snapshot_error = peer.sending_status;
    (void)node_sending_progress(engine->node, told->id, &told->snapshot_sent_bytes,
                                &told->snapshot_size_bytes);
}

/* What gossip knows of a member. */
static void fill_heard(const struct swim_member_status *heard, struct qr_member *told)
{
    struct swim_profile profile;
    told->is_heard = true;
    told->health_ms = engine_since_ms(heard->changed_ns);
    told->incarnation = heard->incarnation;
    if (heard->profile.size_bytes > 0 && swim_profile_decode(heard->profile, &profile) == 0) {
        engine_copy(told->client_address, sizeof(told->client_address), profile.client);
        engine_copy(told->http_address, sizeof(told->http_address), profile.http);
    }
}

/* What the members answered when this node wanted to lead. */
static void fill_votes(const struct qr_engine *engine, struct qr_status *out)
{
    struct raft_vote_answer answers[RAFT_MEMBERS_MAX];
    size_t count = node_vote_answers(engine->node, answers);
    for (size_t i = 0; i < out->member_count; i++) {
        struct qr_member *told = &out->members[i];
        for (size_t k = 0; k < count; k++) {
            if (answers[k].voter == told->id) {
                told->vote = raft_vote_reason_text(answers[k].reason);
                told->has_granted = answers[k].reason == RAFT_VOTE_GRANTED;
                told->vote_ms = engine_since_ms(answers[k].answered_ns);
            }
        }
    }
}

static void fill_configured(const struct qr_engine *engine, const struct node_status *status,
                            struct qr_status *out)
{
    const struct raft_configuration *configuration = node_configuration(engine->node);
    struct swim_member_status heard;
    struct node_difference differs = {.index = 0};
    out->member_count = configuration->count;
    for (size_t i = 0; i < configuration->count; i++) {
        const struct raft_member *member = &configuration->members[i];
        struct qr_member *told = &out->members[i];
        *told = (struct qr_member){
            .id = member->id,
            .is_voter = raft_configuration_is_voter(configuration, member->id),
            .health = engine_health(engine, member->id),
            .is_connected =
                member->id == engine->self || health_by_connections(engine, member->id) == QR_ALIVE,
            .health_ms = QR_AGE_UNKNOWN,
            .match_index = match_of(engine, status, member->id),
            .wants_vote = (member->roles & RAFT_PROMOTABLE) != 0,
            .is_outgoing = (member->roles & RAFT_VOTER_OUTGOING) != 0,
            .priority = member->priority,
            .heard_ms = QR_AGE_UNKNOWN,
            .vote_ms = QR_AGE_UNKNOWN,
        };
        engine_copy(told->name, sizeof(told->name), member->name);
        engine_copy(told->address, sizeof(told->address), member->address);
        engine_copy(told->meta, sizeof(told->meta), member->meta);
        if (node_member_differs(engine->node, member->id, &differs)) {
            told->diverged_index = differs.index;
            told->diverged_digest = differs.differing;
            told->agreed_digest = differs.agreed;
        }
        fill_progress(engine, told);
        if (heard_of(engine, member->id, &heard)) {
            fill_heard(&heard, told);
        }
    }
}

/* Whom gossip alone knows, and what it says of itself. */
static bool is_unconfigured(const struct qr_engine *engine, const struct swim_member_status *heard,
                            struct swim_profile *profile)
{
    return heard->is_listed && heard->profile.size_bytes > 0 &&
           raft_configuration_find(node_configuration(engine->node), heard->id) < 0 &&
           swim_profile_decode(heard->profile, profile) == 0;
}

/* Who says that it watches; and, as long as nothing else tells who the members are, all that were
 * not removed. One that is no member, and no observer either, is nobody's business: it was removed,
 * or is not in yet.
 */
static bool is_listed(const struct qr_engine *engine, const struct swim_member_status *heard,
                      const struct swim_profile *profile)
{
    bool may_be_member =
        node_configuration(engine->node)->count == 0 && heard->reason != SWIM_REASON_REMOVED;
    return may_be_member || (profile->roles & SWIM_ROLE_OBSERVER) != 0;
}

static void add_observer(const struct swim_member_status *heard, const struct swim_profile *profile,
                         bool has_configuration, struct qr_status *out)
{
    if (out->member_count == QR_MEMBERS_MAX) {
        out->unlisted_count++;
        return;
    }
    /* Where there is a configuration, it alone says who votes. */
    uint32_t roles = has_configuration ? 0 : profile->roles;
    struct qr_member *told = &out->members[out->member_count++];
    *told = (struct qr_member){
        .id = heard->id,
        .is_voter = (roles & SWIM_ROLE_VOTER) != 0,
        .is_observer = (roles & (SWIM_ROLE_VOTER | SWIM_ROLE_LEARNER)) == 0,
        .health = (enum qr_health)heard->state,
        .heard_ms = QR_AGE_UNKNOWN,
        .vote_ms = QR_AGE_UNKNOWN,
    };
    engine_copy(told->name, sizeof(told->name), profile->name);
    engine_copy(told->address, sizeof(told->address), profile->peer);
    fill_heard(heard, told);
}

static void fill_observers(const struct qr_engine *engine, struct qr_status *out)
{
    const struct swim *swim = node_swim(engine->node);
    struct swim_member_status heard;
    struct swim_profile profile;
    bool has_configuration = node_configuration(engine->node)->count > 0;
    if (swim == NULL) {
        return;
    }
    bool has_added_leader = out->has_leader && swim_member(swim, out->leader_id, &heard) &&
                            is_unconfigured(engine, &heard, &profile);
    if (has_added_leader) {
        add_observer(&heard, &profile, has_configuration, out);
    }
    for (uint32_t place = 0; swim_member_at(swim, &place, &heard); place++) {
        bool is_added = has_added_leader && heard.id == out->leader_id;
        if (!is_added && is_unconfigured(engine, &heard, &profile) &&
            is_listed(engine, &heard, &profile)) {
            add_observer(&heard, &profile, has_configuration, out);
        }
    }
}

void engine_members_fill(const struct qr_engine *engine, const struct node_status *status,
                         struct qr_status *out)
{
    fill_configured(engine, status, out);
    fill_observers(engine, out);
    fill_votes(engine, out);
    for (size_t i = 0; i < out->member_count; i++) {
        const struct qr_member *member = &out->members[i];
        if (out->has_leader && member->id == out->leader_id) {
            engine_copy(out->leader_name, sizeof(out->leader_name), member->name);
            engine_copy(out->leader_meta, sizeof(out->leader_meta), member->meta);
        }
    }
}

/* A voter believes the leader alone: gossip would name the old one until it is held for dead, while
 * the voters look for the next. Who does not vote has nothing better.
 */
static void fill_leader(const struct qr_engine *engine, const struct node_status *status,
                        struct qr_status *out)
{
    node_id leader = status->raft.leader;
    raft_term term = status->raft.term;
    bool is_voter = raft_configuration_is_voter(node_configuration(engine->node), engine->self);
    bool is_known = is_voter ? status->raft.has_leader : node_leader(engine->node, &leader, &term);
    if (is_known) {
        out->has_leader = true;
        out->leader_id = leader;
        out->leader_term = term;
        out->is_leader_by_gossip = !status->raft.has_leader || status->raft.leader != leader;
    }
}

void engine_gossip_fill(const struct qr_engine *engine, const struct node_status *status,
                        struct qr_status *out)
{
    struct swim_status swim;
    fill_leader(engine, status, out);
    if (node_swim(engine->node) == NULL) {
        return;
    }
    swim_status(node_swim(engine->node), &swim);
    if (out->role == QR_OBSERVER) { /* in none, it watches this one */
        out->cluster_high = swim.cluster.high;
        out->cluster_low = swim.cluster.low;
    }
    out->swim = (struct qr_swim_status){
        .is_on = !swim.is_stopped,
        .is_joined = swim.is_joined,
        .is_leaving = swim.is_leaving,
        .incarnation = swim.incarnation,
        .digest = swim.digest,
        .local_health = swim.local_health,
        .live_count = swim.live_count,
        .suspect_count = swim.suspect_count,
        .dead_count = swim.dead_count,
        .left_count = swim.left_count,
        .queued_count = swim.queued_count,
        .leader_term = swim.leader_term,
    };
}
