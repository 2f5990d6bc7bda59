/* swim.c: the machine as a whole: made, stepped, and when it is to be woken. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "swim/swim.h"

#include <string.h>

#include "base/assert.h"
#include "base/mutant.h"
#include "quorate/error.h"
#include "swim/internal.h"

static void timers_init(struct swim *swim, time_ns now_ns)
{
    const struct swim_options *options = &swim->options;
    swim->now_ns = now_ns;
    swim->start_ns = now_ns;
    swim->answered_ns = now_ns;
    swim->gone_ns = TIME_NEVER;
    swim->gossip_ns = TIME_NEVER;
    swim->suspicion_ns = TIME_NEVER;
    swim->relay_ns = TIME_NEVER;
    swim->heal_ns = TIME_NEVER;
    swim->reap_ns = TIME_NEVER;
    swim->rival.next_ns = TIME_NEVER;
    swim->heal_gap_ns = options->heal_min_ns;
    /* Not all in step. */
    swim->round_ns = now_ns + prng_between(&swim->prng, 0, options->period_ns - 1);
    swim->sync_ns = options->sync_ns == 0 ? TIME_NEVER
                                          : now_ns + prng_between(&swim->prng, 1, options->sync_ns);
}

/* Keep the profile in the own slot; `started` is this life's. */
static int own_card_set(struct swim *swim, const struct swim_profile *profile)
{
    uint8_t bytes[SWIM_PROFILE_BYTES_MAX];
    struct swim_profile own = *profile;
    own.started = swim->options.incarnation;
    size_t size_bytes = swim_profile_encode(&own, bytes);
    if (size_bytes == 0) {
        return QR_ERR_INVALID;
    }
    struct swim_card *card =
        swim_cards_hold(swim->options.cards,
                        (struct swim_blob){.bytes = bytes, .size_bytes = (uint16_t)size_bytes});
    if (card == NULL) {
        return QR_ERR_NO_MEMORY;
    }
    /* A name has one live owner, as far as this node knows. */
    uint32_t holder = swim_find_name(swim, card);
    if (swim->slots[SWIM_SELF].is_named && holder != SWIM_NONE && holder != SWIM_SELF) {
        swim_cards_drop(swim->options.cards, card);
        return QR_ERR_INVALID;
    }
    swim_slot_set_card(swim, SWIM_SELF, card);
    return swim->failed;
}

static int self_init(struct swim *swim, const struct swim_profile *profile)
{
    uint32_t slot = swim_slot_take(swim, swim->options.self);
    if (swim->failed != 0) {
        return swim->failed;
    }
    ASSERT(slot == SWIM_SELF);
    int status = own_card_set(swim, profile);
    if (status == 0) {
        swim_slot_set(swim, slot, SWIM_ALIVE, swim->options.incarnation, SWIM_REASON_NONE);
    }
    return status == 0 ? swim->failed : status;
}

int swim_new(const struct swim_options *options, const struct swim_profile *profile, time_ns now_ns,
             struct swim **out)
{
    if (!swim_options_are_valid(options)) {
        return QR_ERR_INVALID;
    }
    struct swim *swim = allocate_zeroed(options->allocator, sizeof(*swim));
    if (swim == NULL) {
        return QR_ERR_NO_MEMORY;
    }
    swim->options = *options;
    swim->prng = prng_of(options->seed);
    swim->cluster = options->cluster;
    swim->free_slot = SWIM_NONE;
    swim->sequence = (uint32_t)prng_next(&swim->prng) / 2;
    swim_queue_init(swim);
    timers_init(swim, now_ns);
    int status = 0;
    if (options->cards == NULL) {
        status = swim_cards_new(options->allocator, &swim->own_cards);
        swim->options.cards = swim->own_cards;
    }
    if (status == 0) {
        status = self_init(swim, profile);
    }
    if (status != 0) {
        swim_free(swim);
        return status;
    }
    *out = swim;
    return 0;
}

void swim_free(struct swim *swim)
{
    if (swim == NULL) {
        return;
    }
    const struct allocator *allocator = swim->options.allocator;
    if (swim->options.cards != NULL) {
        swim_outboxes_free(swim);
        swim_members_free(swim);
    }
    release(allocator, swim->relays, SWIM_RELAYS_MAX * sizeof(*swim->relays));
    swim_cards_free(swim->own_cards);
    release(allocator, swim, sizeof(*swim));
}

static void tell_leader(struct swim *swim, enum swim_news_type type, raft_term term, node_id leader,
                        node_id source)
{
    if (type == SWIM_NEWS_CONFLICT) {
        if (term == swim->conflict_term && leader == swim->conflict_leader) {
            return; /* it was told of */
        }
        swim->conflict_term = term;
        swim->conflict_leader = leader;
    }
    swim_tell(swim, (struct swim_news){
                        .type = type,
                        .id = leader,
                        .source = source,
                        .term = term,
                    });
}

/* What others say. The highest term wins. Two leaders in one term there never are: the second is
 * not believed, but told of.
 */
static void take_leader(struct swim *swim, raft_term term, node_id leader, node_id source)
{
    bool is_same_term = term == swim->leader_term;
    if (term == 0 || (term < swim->leader_term && !MUTANT(SWIM_OLD_TERM_LEADS)) ||
        (is_same_term && leader == swim->leader)) {
        return;
    }
    if (term > swim->own_term + SWIM_TERM_AHEAD_MAX) {
        swim->counters.implausible++;
        return;
    }
    if (is_same_term && !MUTANT(SWIM_SECOND_LEADER_BELIEVED)) {
        tell_leader(swim, SWIM_NEWS_CONFLICT, term, leader, source);
        return;
    }
    swim->leader_term = term;
    swim->leader = leader;
    tell_leader(swim, SWIM_NEWS_LEADER, term, leader, source);
}

/* What Raft knows, here, counts whatever gossip said before. If that was right, and of a newer
 * term, the next packet says so again.
 */
static void own_leader(struct swim *swim, raft_term term, node_id leader)
{
    swim->own_term = max_u64(swim->own_term, term);
    if (term == swim->leader_term && leader == swim->leader) {
        return;
    }
    if (term == swim->leader_term) {
        tell_leader(swim, SWIM_NEWS_CONFLICT, term, swim->leader, swim->options.self);
    }
    swim->leader_term = term;
    swim->leader = leader;
    tell_leader(swim, SWIM_NEWS_LEADER, term, leader, swim->options.self);
}

/* Whether a message is from a member of this cluster to this node. */
static int check_envelope(struct swim *swim, const struct swim_message *message)
{
    if (!swim_message_is_coherent(message)) {
        swim->counters.malformed++;
        return QR_ERR_MALFORMED;
    }
    bool is_ours = cluster_id_is_none(message->cluster) || cluster_id_is_none(swim->cluster) ||
                   cluster_id_equal(message->cluster, swim->cluster);
    if (!is_ours || message->from == swim->options.self) {
        swim->counters.foreign++;
        return QR_ERR_FOREIGN;
    }
    if (message->has_to && message->to != swim->options.self && !MUTANT(SWIM_ANSWERS_FOR_OTHERS)) {
        swim->counters.misdirected++;
        return QR_ERR_FOREIGN;
    }
    return 0;
}

/* A node that is in no cluster is in that of the first that it asked and that answers. */
static void take_cluster(struct swim *swim, const struct swim_message *message)
{
    bool is_answer = message->type == SWIM_ACK
                         ? swim_ack_is_asked(swim, message)
                         : message->type == SWIM_PUSH_PULL_RESPONSE &&
                               swim_sync_is_asked(swim, message->push_pull_response.sequence);
    if (is_answer && cluster_id_is_none(swim->cluster) && !cluster_id_is_none(message->cluster)) {
        swim->cluster = message->cluster;
        swim_tell(swim, (struct swim_news){.type = SWIM_NEWS_CLUSTER, .source = message->from});
    }
}

static void dispatch(struct swim *swim, const struct swim_event *event)
{
    const struct swim_message *message = event->received.message;
    switch (message->type) {
    case SWIM_PING:
        swim_on_ping(swim, event);
        break;
    case SWIM_PING_REQ:
        swim_on_ping_req(swim, event);
        break;
    case SWIM_ACK:
        swim_on_ack(swim, message);
        break;
    case SWIM_NACK:
        swim_on_nack(swim, message);
        break;
    case SWIM_GOSSIP:
        break;
    case SWIM_PUSH_PULL:
    case SWIM_PUSH_PULL_RESPONSE:
        swim_on_push_pull(swim, event);
        break;
    }
}

static int on_received(struct swim *swim, const struct swim_event *event)
{
    const struct swim_message *message = event->received.message;
    int status = check_envelope(swim, message);
    bool is_packet = event->type == SWIM_EVENT_PACKET;
    if (status == 0 && is_packet &&
        (swim_is_push_pull(message->type) || event->received.size_bytes > SWIM_PACKET_BYTES_MAX)) {
        swim->counters.malformed++;
        status = QR_ERR_MALFORMED;
    }
    if (status != 0) {
        return status;
    }
    take_cluster(swim, message);
    take_leader(swim, message->leader_term, message->leader, message->from);
    /* What a newcomer is told first, all others know. */
    swim->is_quiet = !swim->is_joined && message->type == SWIM_PUSH_PULL_RESPONSE;
    swim_take_updates(swim, message);
    swim->is_quiet = false;
    if (swim->failed == 0) {
        dispatch(swim, event);
    }
    if (swim->failed == 0 && !swim->is_leaving) {
        swim_sync_compare(swim, message);
    }
    return swim->failed;
}

static int on_join(struct swim *swim, const struct swim_event *event)
{
    if (event->join.count > SWIM_SEEDS_MAX) {
        return QR_ERR_INVALID;
    }
    size_t lengths[SWIM_SEEDS_MAX];
    for (size_t i = 0; i < event->join.count; i++) {
        const char *seed = event->join.seeds[i];
        for (lengths[i] = 0; seed[lengths[i]] != '\0'; lengths[i]++) {
            if (lengths[i] + 1 >= SWIM_ADDRESS_BYTES_MAX) {
                return QR_ERR_INVALID;
            }
        }
        if (lengths[i] == 0) {
            return QR_ERR_INVALID;
        }
    }
    for (size_t i = 0; i < event->join.count; i++) {
        memcpy(swim->seeds[i], event->join.seeds[i], lengths[i] + 1);
    }
    swim->seed_count = (uint32_t)event->join.count;
    swim->heal_at = swim->slot_count; /* the seeds first */
    swim->heal_is_listed = false;
    swim_heal_soon(swim);
    return 0;
}

static int on_profile(struct swim *swim, const struct swim_event *event)
{
    uint64_t incarnation = swim->slots[SWIM_SELF].incarnation;
    if (incarnation + 1 >= SWIM_INCARNATION_MAX) {
        return QR_ERR_INVALID;
    }
    int status = own_card_set(swim, event->profile);
    if (status != 0) {
        return status;
    }
    if (!swim->is_leaving) {
        swim_slot_set(swim, SWIM_SELF, SWIM_ALIVE, incarnation + 1, SWIM_REASON_NONE);
        swim_queue_push(swim, SWIM_SELF);
    }
    return swim->failed;
}

void swim_gossip_tick(struct swim *swim)
{
    if (swim->now_ns < swim->gossip_ns) {
        return;
    }
    uint32_t slots[SWIM_INDIRECT_MAX];
    uint32_t count = swim_order_pick(swim, swim->options.gossip_fanout, slots);
    for (uint32_t i = 0; i < count && swim->queued_count > 0; i++) {
        struct swim_to to = swim_to_slot(swim, slots[i]);
        struct swim_message message = {.type = SWIM_GOSSIP};
        message.gossip.queued = swim->queued_count;
        swim_send(swim, &to, message);
    }
    bool is_over = swim->queued_count == 0 || swim->options.gossip_ns == 0 || count == 0;
    swim->gossip_ns = is_over ? TIME_NEVER : swim->now_ns + swim->options.gossip_ns;
}

static int on_tick(struct swim *swim)
{
    /* How late it is: then not the others are slow, but this node (our own rule). */
    time_ns deadline_ns = swim_deadline(swim);
    time_ns late_ns = swim->now_ns > deadline_ns ? swim->now_ns - deadline_ns : 0;
    if (late_ns < swim->options.ping_timeout_ns / 2 || !swim->options.has_lifeguard) {
        late_ns = 0;
    } else {
        swim_health_change(swim, 1);
    }
    swim_probes_tick(swim, late_ns);
    swim_suspicions_tick(swim, late_ns);
    swim_relays_tick(swim);
    if (swim->failed == 0 && !swim->is_leaving) {
        swim_probe_round(swim);
        swim_sync_tick(swim);
        swim_heal_tick(swim);
        swim_reap_tick(swim);
        swim_rival_tick(swim);
    }
    if (swim->failed == 0) {
        swim_gossip_tick(swim);
    }
    if (swim->now_ns >= swim->gone_ns && swim->failed == 0) {
        swim_tell_of(swim, SWIM_NEWS_GONE, SWIM_SELF, swim->options.self);
        swim->is_stopped = true;
    }
    return swim->failed;
}

static int take_event(struct swim *swim, const struct swim_event *event)
{
    switch (event->type) {
    case SWIM_EVENT_TICK:
        return on_tick(swim);
    case SWIM_EVENT_PACKET:
    case SWIM_EVENT_STREAM:
        return on_received(swim, event);
    case SWIM_EVENT_JOIN:
        return on_join(swim, event);
    case SWIM_EVENT_LEAVE:
        if ((unsigned)event->leave > SWIM_REASON_NAME_TAKEN) {
            return QR_ERR_INVALID;
        }
        if (!swim->is_leaving) {
            swim_leave(swim, event->leave);
        }
        return swim->failed;
    case SWIM_EVENT_PROFILE:
        return on_profile(swim, event);
    case SWIM_EVENT_LEADER:
        own_leader(swim, event->leader.term, event->leader.leader);
        return swim->failed;
    case SWIM_EVENT_HINT: {
        int status = swim_probe_hinted(swim, event->hint.id, event->hint.is_refused);
        return swim->failed != 0 ? swim->failed : status;
    }
    }
    return QR_ERR_INVALID;
}

int swim_step(struct swim *swim, const struct swim_event *event)
{
    ASSERT(swim->failed == 0);
    ASSERT(event->now_ns >= swim->now_ns);
    if (swim->is_taken) {
        swim_outboxes_clear(swim);
    }
    swim->now_ns = event->now_ns;
    return swim->is_stopped ? QR_ERR_STOPPED : take_event(swim, event);
}

time_ns swim_deadline(const struct swim *swim)
{
    if (swim->is_stopped) {
        return TIME_NEVER;
    }
    time_ns due_ns = min_u64(swim->suspicion_ns, swim->relay_ns);
    due_ns = min_u64(due_ns, min_u64(swim->gossip_ns, swim->gone_ns));
    for (size_t i = 0; i < SWIM_PROBES_MAX; i++) {
        if (swim->probes[i].stage != PROBE_FREE) {
            due_ns = min_u64(due_ns, swim->probes[i].next_ns);
        }
    }
    if (!swim->is_leaving) {
        due_ns = min_u64(due_ns, min_u64(swim->round_ns, swim->sync_ns));
        due_ns = min_u64(due_ns, min_u64(swim->heal_ns, swim->reap_ns));
        due_ns = min_u64(due_ns, swim->rival.next_ns);
    }
    return due_ns;
}
