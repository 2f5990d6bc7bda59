/* probe.c: one member asked in each period, and what its silence leads to.
 *
 * A probe goes through stages (SWIM §3.1): a ping; when nothing came within ping_timeout, others
 * are asked to ping it, and it is pinged over a stream, which a firewall or a full queue of
 * datagrams may let through; at the end of the period it is suspected. How long each takes grows
 * with how badly this node itself fares (Lifeguard §IV.A).
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "quorate/error.h"
#include "swim/internal.h"

uint32_t swim_sequence_next(struct swim *swim)
{
    swim->sequence++;
    if (swim->sequence == 0) {
        swim->sequence = 1;
    }
    return swim->sequence;
}

void swim_health_change(struct swim *swim, int by)
{
    if (!swim->options.has_lifeguard) {
        return;
    }
    if (by < 0) {
        swim->local_health -= (uint32_t)min_u64(swim->local_health, (uint64_t)-by);
    } else {
        swim->local_health = (uint32_t)min_u64(swim->local_health + (uint64_t)by, SWIM_HEALTH_MAX);
    }
}

time_ns swim_patience(const struct swim *swim, time_ns span_ns)
{
    return span_ns * (swim->local_health + 1);
}

static struct swim_probe *probe_free(struct swim *swim)
{
    for (size_t i = 0; i < SWIM_PROBES_MAX; i++) {
        if (swim->probes[i].stage == PROBE_FREE) {
            return &swim->probes[i];
        }
    }
    return NULL;
}

static struct swim_probe *probe_of(struct swim *swim, node_id id)
{
    for (size_t i = 0; i < SWIM_PROBES_MAX; i++) {
        if (swim->probes[i].stage != PROBE_FREE && swim->probes[i].id == id) {
            return &swim->probes[i];
        }
    }
    return NULL;
}

static void ping(struct swim *swim, uint32_t slot, uint32_t sequence, bool is_stream)
{
    struct swim_to to = swim_to_slot(swim, slot);
    to.is_stream = is_stream;
    swim_send(swim, &to, (struct swim_message){.type = SWIM_PING, .ping = {.sequence = sequence}});
}

static void begin(struct swim *swim, struct swim_probe *probe, enum swim_probe_kind kind,
                  uint32_t slot)
{
    const struct swim_slot *member = swim_slot_of(swim, slot);
    bool is_hinted = kind == PROBE_HINTED;
    *probe = (struct swim_probe){
        .stage = is_hinted ? PROBE_HINT : PROBE_DIRECT,
        .kind = kind,
        .sequence = swim_sequence_next(swim),
        .incarnation = member->incarnation,
        .id = member->id,
        .began_ns = swim->now_ns,
        .next_ns = swim->now_ns + (is_hinted ? swim->options.hint_timeout_ns
                                             : swim_patience(swim, swim->options.ping_timeout_ns)),
    };
    swim->counters.probes++;
    ping(swim, slot, probe->sequence, false);
}

/* Nothing came from it: ask others, and try a stream. */
static void go_around(struct swim *swim, struct swim_probe *probe, uint32_t slot)
{
    uint32_t relays[SWIM_INDIRECT_MAX];
    probe->relay_count = swim_order_pick_alive(swim, slot, swim->options.indirect_pings, relays);
    for (uint32_t i = 0; i < probe->relay_count; i++) {
        struct swim_to to = swim_to_slot(swim, relays[i]);
        probe->relays[i] = to.id;
        swim_send(swim, &to,
                  (struct swim_message){
                      .type = SWIM_PING_REQ,
                      .ping_req = {.sequence = probe->sequence, .target = probe->id},
                  });
    }
    ping(swim, slot, probe->sequence, true);
    probe->stage = PROBE_INDIRECT;
    probe->next_ns = probe->began_ns + swim_patience(swim, swim->options.period_ns);
}

/* Relays that ought to have said that they hear nothing: not those that may be gone themselves. */
static uint32_t nacks_missing(struct swim *swim, const struct swim_probe *probe)
{
    uint32_t missing = 0;
    for (uint32_t i = 0; i < probe->relay_count; i++) {
        uint32_t slot = swim_find(swim, probe->relays[i]);
        missing += (probe->nacks >> i & 1) == 0 && slot != SWIM_NONE &&
                   swim_slot_of(swim, slot)->state == SWIM_ALIVE;
    }
    return missing;
}

/* Nobody got an answer. That nacks are missing too speaks against this node itself. */
static void fail(struct swim *swim, struct swim_probe *probe, uint32_t slot)
{
    swim_health_change(swim, probe->relay_count > 0 ? (int)nacks_missing(swim, probe) : 1);
    swim->counters.probes_failed++;
    probe->stage = PROBE_FREE;

    struct swim_slot *member = swim_slot_of(swim, slot);
    if (member->incarnation != probe->incarnation) {
        return; /* it has been heard meanwhile */
    }
    if (member->state == SWIM_SUSPECT) {
        swim_confirm(swim, slot, swim->options.self);
    } else if (swim_flaps_allow(swim, slot)) {
        swim->counters.suspicions_raised++;
        swim_suspect(swim, slot, member->incarnation, swim->options.self);
    }
}

static void unreachable(struct swim *swim, uint32_t slot)
{
    swim_tell_of(swim, SWIM_NEWS_UNREACHABLE, slot, swim->options.self);
}

static void go_on(struct swim *swim, struct swim_probe *probe)
{
    uint32_t slot = swim_find(swim, probe->id);
    if (slot == SWIM_NONE || !swim_state_is_live(swim_slot_of(swim, slot)->state)) {
        probe->stage = PROBE_FREE;
        return;
    }
    switch (probe->stage) {
    case PROBE_FREE:
        break;
    case PROBE_HINT:
        unreachable(swim, slot);
        probe->stage = PROBE_DIRECT;
        probe->next_ns = probe->began_ns + swim_patience(swim, swim->options.ping_timeout_ns);
        break;
    case PROBE_DIRECT:
        go_around(swim, probe, slot);
        break;
    case PROBE_INDIRECT:
        fail(swim, probe, slot);
        break;
    }
}

void swim_probes_tick(struct swim *swim, time_ns late_ns)
{
    for (size_t i = 0; i < SWIM_PROBES_MAX && swim->failed == 0; i++) {
        struct swim_probe *probe = &swim->probes[i];
        if (probe->stage == PROBE_FREE || swim->now_ns < probe->next_ns) {
            continue;
        }
        if (late_ns > 0) {
            /* This node did not run: it is no wonder that nothing was heard. */
            time_ns next_ns =
                max_u64(probe->next_ns + late_ns, swim->now_ns + swim->options.ping_timeout_ns);
            probe->began_ns += next_ns - probe->next_ns;
            probe->next_ns = next_ns;
        } else {
            go_on(swim, probe);
        }
    }
}

void swim_probe_round(struct swim *swim)
{
    if (swim->now_ns < swim->round_ns) {
        return;
    }
    swim->round_ns = swim->now_ns + swim_patience(swim, swim->options.period_ns);
    uint32_t slot = swim_order_next(swim);
    struct swim_probe *probe = probe_free(swim);
    if (slot != SWIM_NONE && probe != NULL &&
        probe_of(swim, swim_slot_of(swim, slot)->id) == NULL) {
        begin(swim, probe, PROBE_ROUND, slot);
    }
}

void swim_probe_second(struct swim *swim, uint32_t slot)
{
    struct swim_probe *probe = probe_free(swim);
    if (probe != NULL && probe_of(swim, swim_slot_of(swim, slot)->id) == NULL) {
        begin(swim, probe, PROBE_SECOND, slot);
    }
}

/* A hint of one that is being probed. That probe is never begun anew: it ends when it would
 * have ended, or hints that keep coming would keep it from its end. It is told of once.
 */
static void hinted_again(struct swim *swim, struct swim_probe *probe, uint32_t slot,
                         bool is_refused)
{
    bool is_told = probe->kind == PROBE_HINTED && probe->stage != PROBE_HINT;
    if (is_told || (probe->stage == PROBE_HINT && !is_refused)) {
        return;
    }
    probe->kind = PROBE_HINTED;
    if (probe->stage == PROBE_DIRECT && !is_refused) {
        probe->stage = PROBE_HINT;
        probe->next_ns = swim->now_ns + swim->options.hint_timeout_ns;
        ping(swim, slot, probe->sequence, false);
        return;
    }
    unreachable(swim, slot);
    if (probe->stage != PROBE_INDIRECT) {
        go_around(swim, probe, slot);
    }
}

int swim_probe_hinted(struct swim *swim, node_id id, bool is_refused)
{
    uint32_t slot = swim_find(swim, id);
    if (slot == SWIM_NONE || slot == SWIM_SELF ||
        !swim_state_is_live(swim_slot_of(swim, slot)->state)) {
        return QR_ERR_NOT_FOUND;
    }
    struct swim_probe *probe = probe_of(swim, id);
    if (probe != NULL) {
        hinted_again(swim, probe, slot, is_refused);
        return 0;
    }
    probe = probe_free(swim);
    if (probe == NULL) {
        return QR_ERR_BUSY;
    }
    begin(swim, probe, PROBE_HINTED, slot);
    if (is_refused) {
        unreachable(swim, slot);
        go_around(swim, probe, slot);
    }
    return 0;
}

void swim_on_ping(struct swim *swim, const struct swim_event *event)
{
    if (swim->slots[SWIM_SELF].reason == SWIM_REASON_NAME_TAKEN) {
        return; /* the one that it goes for may be asking whether it is there */
    }
    struct swim_to to = swim_back(swim, event);
    swim_send(swim, &to,
              (struct swim_message){
                  .type = SWIM_ACK,
                  .ack = {.sequence = event->received.message->ping.sequence},
              });
}

static struct swim_probe *probe_asked(struct swim *swim, uint32_t sequence)
{
    for (size_t i = 0; i < SWIM_PROBES_MAX; i++) {
        if (swim->probes[i].stage != PROBE_FREE && swim->probes[i].sequence == sequence) {
            return &swim->probes[i];
        }
    }
    return NULL;
}

bool swim_ack_is_asked(struct swim *swim, const struct swim_message *message)
{
    return probe_asked(swim, message->ack.sequence) != NULL ||
           swim_heal_tried(swim, message) != NULL;
}

/* One of the dead, or a seed, answers. If it is above what is known of it, it can be let in: it
 * is told all. Else it does not know yet that it is held for gone.
 */
static void heard_again(struct swim *swim, struct swim_tried *tried,
                        const struct swim_message *message)
{
    uint32_t slot = swim_find(swim, message->from);
    tried->sequence = 0;
    if (slot != SWIM_NONE && swim_state_is_live(swim_slot_of(swim, slot)->state)) {
        return;
    }
    if (slot == SWIM_NONE || message->incarnation > swim_slot_of(swim, slot)->incarnation) {
        swim_sync_begin(swim, tried->address);
    } else if (!tried->has_id) {
        char address[SWIM_ADDRESS_BYTES_MAX];
        swim_address_copy(address, tried->address);
        struct swim_to to = {.address = address, .id = message->from, .has_id = true};
        swim_heal_ping(swim, &to);
    }
}

void swim_on_ack(struct swim *swim, const struct swim_message *message)
{
    if (swim_relay_ack(swim, message) || swim_rival_ack(swim, message)) {
        return;
    }
    struct swim_probe *probe = probe_asked(swim, message->ack.sequence);
    struct swim_tried *tried = swim_heal_tried(swim, message);
    if (probe != NULL) {
        probe->stage = PROBE_FREE;
        swim->answered_ns = swim->now_ns;
        swim_health_change(swim, -1);
    } else if (tried != NULL) {
        heard_again(swim, tried, message);
    }
}

void swim_on_nack(struct swim *swim, const struct swim_message *message)
{
    struct swim_probe *probe = probe_asked(swim, message->nack.sequence);
    if (probe == NULL || probe->id != message->nack.subject) {
        return;
    }
    for (uint32_t i = 0; i < probe->relay_count; i++) {
        if (probe->relays[i] == message->from) {
            probe->nacks |= UINT32_C(1) << i;
            swim->answered_ns = swim->now_ns;
        }
    }
}
