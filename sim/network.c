/* network.c: frames between hosts: connections, delays, losses, cuts.
 *
 * A connection is made when somebody first sends on it, with the hellos of both nodes, and
 * ends with either process or when it is reset. Who has none of its own to a member answers
 * on the one that the member made, as the transport does.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "quorate/error.h"
#include "sim/check_invitations.h"
#include "sim/internal.h"
#include "sim/memory.h"
#include "sim/observe.h"
#include "wire/message.h"

#define FRAME_TYPE_AT 8 /* docs/wire-format.md */
#define HELLO_RETRY_NS_MIN (20 * NS_PER_MS)
#define HELLO_RETRY_NS_MAX NS_PER_S
#define STRAY_ELECTIONS 4 /* a stray frame is late by so many election timeouts at most */

static bool is_cut_off(const struct sim *sim, uint32_t from, uint32_t to)
{
    return sim->cuts[from][to] > 0;
}

void sim_network_cut(struct sim *sim, uint32_t from, uint32_t to, bool is_cut)
{
    ASSERT(is_cut || sim->cuts[from][to] > 0);
    ASSERT(sim->cuts[from][to] < UINT8_MAX);
    sim->cuts[from][to] = (uint8_t)(sim->cuts[from][to] + (is_cut ? 1 : -1));
}

static void unlink_packet(struct sim_packet *packet)
{
    struct sim *sim = packet->sim;
    if (packet->prev == NULL) {
        sim->packets = packet->next;
    } else {
        packet->prev->next = packet->next;
    }
    if (packet->next != NULL) {
        packet->next->prev = packet->prev;
    }
}

static void packet_free(struct sim_packet *packet)
{
    sim_schedule_remove(&packet->sim->schedule, &packet->event);
    unlink_packet(packet);
    sim_release(packet);
}

void sim_network_deinit(struct sim *sim)
{
    while (sim->packets != NULL) {
        packet_free(sim->packets);
    }
}

static void trace_packet(struct sim_packet *packet, enum sim_trace_kind kind)
{
    bool is_arrival = kind == SIM_TRACE_RECEIVE;
    sim_observe_frame(packet->sim, kind, is_arrival ? packet->to : packet->from,
                      is_arrival ? packet->from : packet->to, packet->frame, packet->frame_bytes);
}

static void hand_over(struct sim_packet *packet, struct sim_host *to)
{
    struct build_time time = sim_host_enter(to);
    int status = 0;
    if (packet->kind == SIM_PACKET_REPLY && to->dial == packet->connection) {
        status = to->build->seed_receive(to->node, packet->frame, packet->frame_bytes, time);
    } else if (packet->kind != SIM_PACKET_REPLY) {
        uint64_t connection = packet->kind == SIM_PACKET_SEED ? packet->connection : 0;
        status = to->build->receive(to->node, packet->from_id, connection, packet->frame,
                                    packet->frame_bytes, time);
    }
    sim_host_leave(to);
    if (status != 0) {
        sim_violate(packet->sim, "frames_decode", "n%u cannot decode a frame of n%u: %s",
                    to->number + 1, packet->from + 1, qr_error_name(status));
    }
}

/* Here a frame brings its connection about. A node has none for it until the other one has said
 * which version it speaks: what was meant for a later one, that went, is lost with its connection,
 * strays and all.
 */
static bool is_understood(const struct sim_host *to, const uint8_t *frame)
{
    struct build_status now = {0};
    if (frame[FRAME_TYPE_AT] < WIRE_COMPARE || to->node == NULL) {
        return true;
    }
    to->build->status(to->node, &now);
    return now.compares;
}

static void arrive(struct sim_event *event)
{
    struct sim_packet *packet = event->owner;
    struct sim *sim = packet->sim;
    struct sim_host *to = &sim->hosts[packet->to];
    bool is_there = to->life == packet->to_life || (packet->is_stray && to->id == packet->to_id);
    bool is_lost = to->life != packet->to_life && !is_understood(to, packet->frame);
    if (!sim_host_is_up(to) || !is_there || is_lost || is_cut_off(sim, packet->from, packet->to)) {
        sim->report->messages_lost++;
        packet_free(packet);
        return;
    }
    if (sim_host_is_paused(to)) {
        sim_schedule_add(&sim->schedule, event, to->paused_until_ns);
        return;
    }
    trace_packet(packet, SIM_TRACE_RECEIVE);
    hand_over(packet, to);
    packet_free(packet);
}

static size_t bytes_of(const struct build_part *parts, size_t count)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        total += parts[i].size_bytes;
    }
    return total;
}

static struct sim_packet *packet_of(struct sim *sim, const struct build_part *parts, size_t count)
{
    struct sim_packet *packet = sim_allocate(1, sizeof(*packet) + bytes_of(parts, count));
    packet->frame = (uint8_t *)(packet + 1);
    for (size_t i = 0; i < count; i++) {
        memcpy(packet->frame + packet->frame_bytes, parts[i].data, parts[i].size_bytes);
        packet->frame_bytes += parts[i].size_bytes;
    }
    packet->sim = sim;
    packet->event.happen = arrive;
    packet->event.owner = packet;
    packet->next = sim->packets;
    if (sim->packets != NULL) {
        sim->packets->prev = packet;
    }
    sim->packets = packet;
    return packet;
}

/* When a frame sent now comes: in order, unless it is late. */
static time_ns arrival_ns(struct sim *sim, uint32_t from, uint32_t to)
{
    struct sim_link *link = &sim->links[from][to];
    const struct sim_plan *plan = &sim->plan;
    time_ns now_ns = sim_now(sim);
    uint64_t delay_us = prng_between(&sim->network_prng, plan->delay_us_min, plan->delay_us_max);
    time_ns at_ns = now_ns + delay_us * 1000;
    if (now_ns < link->slow_until_ns) {
        at_ns += link->slow_ns;
    }
    if (now_ns < sim->storm_until_ns && sim_chance(&sim->network_prng, sim->storm_late)) {
        return at_ns + prng_between(&sim->network_prng, 0, sim->storm_ms * NS_PER_MS);
    }
    if (sim_chance(&sim->network_prng, plan->late)) {
        return at_ns + prng_between(&sim->network_prng, 0, plan->late_ms * NS_PER_MS);
    }
    at_ns = max_u64(max_u64(at_ns, link->clogged_until_ns), link->last_ns);
    link->last_ns = at_ns;
    return at_ns;
}

static bool is_swallowed(struct sim *sim, uint32_t from, uint32_t to)
{
    bool is_in_storm = sim_now(sim) < sim->storm_until_ns;
    return sim_chance(&sim->network_prng, sim->plan.loss) || is_cut_off(sim, from, to) ||
           (is_in_storm && sim_chance(&sim->network_prng, sim->storm_loss));
}

/* The same frame once more. */
static struct sim_packet *twin_of(const struct sim_packet *packet)
{
    struct build_part whole = {packet->frame, packet->frame_bytes};
    struct sim_packet *twin = packet_of(packet->sim, &whole, 1);
    twin->kind = packet->kind;
    twin->from = packet->from;
    twin->to = packet->to;
    twin->from_id = packet->from_id;
    twin->to_id = packet->to_id;
    twin->to_life = packet->to_life;
    twin->connection = packet->connection;
    return twin;
}

/* Whatever carries frames may hold one back until there is another process in the place of the
 * one that it was sent to.
 */
static void launch_stray(const struct sim_packet *packet)
{
    struct sim *sim = packet->sim;
    struct sim_packet *twin = twin_of(packet);
    uint64_t wait_ms =
        prng_between(&sim->network_prng, 0, STRAY_ELECTIONS * sim->plan.election_max_ms);
    twin->is_stray = true;
    sim_schedule_add(&sim->schedule, &twin->event, sim_now(sim) + wait_ms * NS_PER_MS);
}

/* Let the packet go, once or more often, or not at all. */
static void launch(struct sim_packet *packet)
{
    struct sim *sim = packet->sim;
    sim->report->messages++;
    bool is_lost = is_swallowed(sim, packet->from, packet->to);
    trace_packet(packet, is_lost ? SIM_TRACE_DROP : SIM_TRACE_SEND);
    if (packet->kind == SIM_PACKET_PEER && sim_chance(&sim->network_prng, sim->plan.stray)) {
        launch_stray(packet);
    }
    if (is_lost) {
        sim->report->messages_lost++;
        packet_free(packet);
        return;
    }
    sim_schedule_add(&sim->schedule, &packet->event, arrival_ns(sim, packet->from, packet->to));
    if (sim_chance(&sim->network_prng, sim->plan.duplicate)) {
        struct sim_packet *twin = twin_of(packet);
        sim_schedule_add(&sim->schedule, &twin->event, arrival_ns(sim, packet->from, packet->to));
    }
}

/* Both hellos, without loss of time. Returns 0 or why there is no connection. */
static int shake_hands(struct sim_host *from, struct sim_host *to, bool has_expected,
                       uint64_t expected, char *reason)
{
    uint8_t hello[BUILD_HELLO_BYTES_MAX];
    uint8_t response[BUILD_HELLO_BYTES_MAX];
    size_t response_bytes = 0;
    uint64_t from_id = 0;
    size_t hello_bytes = from->build->hello(from->node, has_expected, expected, hello);
    int refused =
        to->build->hello_check(to->node, hello, hello_bytes, response, &response_bytes, &from_id);
    int status = from->build->hello_response_check(from->node, response, response_bytes,
                                                   has_expected, expected, reason);
    return refused != 0 ? refused : status;
}

static bool is_reachable(const struct sim *sim, const struct sim_host *from,
                         const struct sim_host *to)
{
    return sim_host_is_up(to) && !is_cut_off(sim, from->number, to->number) &&
           !is_cut_off(sim, to->number, from->number);
}

static bool link_is_open(const struct sim *sim, uint32_t from, uint32_t to)
{
    const struct sim_link *link = &sim->links[from][to];
    return link->is_open && link->from_life == sim->hosts[from].life &&
           link->to_life == sim->hosts[to].life;
}

/* The connection that `from` has dialed to its member at this position, made if it can be.
 * Two members may be told to live on one host: one of them did, on a disk that was lost.
 */
static bool open_link(struct sim_host *from, struct sim_host *to, size_t member)
{
    struct sim *sim = from->sim;
    struct sim_link *link = &sim->links[from->number][to->number];
    uint64_t id = from->members[member];
    if (link_is_open(sim, from->number, to->number) && to->id == id) {
        return true;
    }
    if (sim_now(sim) < from->member_retry_ns[member] || !is_reachable(sim, from, to) ||
        sim_host_is_paused(to)) {
        return false;
    }
    char reason[BUILD_DETAIL_BYTES] = "";
    int status = shake_hands(from, to, true, id, reason);
    sim_observe_connect(sim, from->number, to->number, status, reason);
    if (status != 0) {
        uint64_t wait_ns = prng_between(&sim->network_prng, HELLO_RETRY_NS_MIN, HELLO_RETRY_NS_MAX);
        from->member_retry_ns[member] = sim_now(sim) + wait_ns;
        return false;
    }
    link->is_open = true;
    link->from_life = from->life;
    link->to_life = to->life;
    link->connection = ++sim->connection_count;
    return true;
}

/* Position of the member, or member_count. */
static size_t member_of(const struct sim_host *from, uint64_t id)
{
    size_t member = 0;
    while (member < from->member_count &&
           (from->members[member] != id || from->member_hosts[member] == SIM_NOBODY)) {
        member++;
    }
    return member;
}

/* The host that has dialed us and is this node. */
static struct sim_host *caller(const struct sim_host *from, uint64_t id)
{
    struct sim *sim = from->sim;
    for (uint32_t i = 0; i < sim->host_count; i++) {
        if (sim->hosts[i].id == id && i != from->number && link_is_open(sim, i, from->number)) {
            return &sim->hosts[i];
        }
    }
    return NULL;
}

bool sim_network_send(struct sim_host *from, uint64_t to, const struct build_part *parts,
                      size_t count)
{
    struct sim *sim = from->sim;
    size_t member = member_of(from, to);
    struct sim_host *target =
        member < from->member_count ? &sim->hosts[from->member_hosts[member]] : NULL;
    uint64_t connection = 0;
    if (from->is_ending || target == from) {
        return false;
    }
    bool is_fresh = target != NULL && !link_is_open(sim, from->number, target->number);
    if (target != NULL && open_link(from, target, member)) {
        connection = sim->links[from->number][target->number].connection;
    } else if ((target = caller(from, to)) != NULL) {
        connection = sim->links[target->number][from->number].connection;
    } else {
        return false;
    }
    if (is_fresh && !is_understood(target, parts[0].data)) {
        return true;
    }
    struct sim_packet *packet = packet_of(sim, parts, count);
    packet->kind = SIM_PACKET_PEER;
    packet->from = from->number;
    packet->to = target->number;
    packet->from_id = from->id;
    packet->to_id = target->id;
    packet->to_life = target->life;
    packet->connection = connection;
    launch(packet);
    return true;
}

struct sim_host *sim_network_host_at(struct sim *sim, const char *address)
{
    for (uint32_t i = 0; i < sim->host_count; i++) {
        if (strcmp(sim->hosts[i].address, address) == 0) {
            return &sim->hosts[i];
        }
    }
    return NULL;
}

static void tell_closed(struct sim_host *from, int refusal, const char *reason,
                        struct build_time time)
{
    if (from->build->seed_refused == NULL) {
        from->build->seed_closed(from->node, reason, time);
    } else {
        from->build->seed_refused(from->node, refusal, reason, time);
    }
}

/* The answer to a dial, a moment later. */
static void dialed(struct sim_event *event)
{
    struct sim_host *from = event->owner;
    struct sim *sim = from->sim;
    struct sim_host *to = &sim->hosts[from->dial_to];
    char reason[BUILD_DETAIL_BYTES] = "no connection";
    if (!sim_host_is_up(from) || from->dial == 0) {
        return;
    }
    if (sim_host_is_paused(from)) {
        sim_schedule_add(&sim->schedule, event, from->paused_until_ns);
        return;
    }
    int status = QR_ERR_NO_LEADER;
    int refusal = 0;
    bool is_closed = from->is_dial_answered;
    from->is_dial_answered = true;
    if (!is_closed && to != from && is_reachable(sim, from, to) && !sim_host_is_paused(to)) {
        refusal = status = shake_hands(from, to, false, 0, reason);
    }
    sim_observe_connect(sim, from->number, to->number, status, reason);
    from->dial_to_life = to->life;
    if (status == 0) {
        sim_check_invitation_met(from, to);
    }
    struct build_time time = sim_host_enter(from);
    if (status == 0) {
        from->build->seed_ready(from->node, time);
    } else {
        from->dial = 0;
        tell_closed(from, refusal, reason, time);
    }
    sim_host_leave(from);
}

void sim_network_dial(struct sim_host *from, const char *address)
{
    struct sim *sim = from->sim;
    from->dial = 0;
    sim_schedule_remove(&sim->schedule, &from->dial_event);
    if (address == NULL || from->is_ending) {
        return;
    }
    struct sim_host *to = sim_network_host_at(sim, address);
    from->dial = ++sim->connection_count;
    from->is_dial_answered = false;
    from->dial_to = to == NULL ? from->number : to->number;
    from->dial_event.happen = dialed;
    from->dial_event.owner = from;
    uint64_t wait_us =
        prng_between(&sim->network_prng, 2 * sim->plan.delay_us_min, 2 * sim->plan.delay_us_max);
    sim_schedule_add(&sim->schedule, &from->dial_event, sim_now(sim) + wait_us * 1000);
}

void sim_network_send_seed(struct sim_host *from, const struct build_part *parts, size_t count)
{
    struct sim *sim = from->sim;
    if (from->dial == 0 || from->is_ending) {
        return;
    }
    struct sim_packet *packet = packet_of(sim, parts, count);
    packet->kind = SIM_PACKET_SEED;
    packet->from = from->number;
    packet->to = from->dial_to;
    packet->from_id = from->id;
    packet->to_life = from->dial_to_life;
    packet->connection = from->dial;
    sim_check_invitation_said(from, packet->frame);
    launch(packet);
}

/* Whose connection it is that a message came in on. */
static struct sim_host *owner_of(struct sim_host *to, uint64_t connection, bool *is_dial)
{
    struct sim *sim = to->sim;
    for (uint32_t i = 0; i < sim->host_count; i++) {
        struct sim_host *host = &sim->hosts[i];
        *is_dial = host->dial == connection && host->dial_to == to->number &&
                   host->dial_to_life == to->life;
        bool is_link =
            link_is_open(sim, i, to->number) && sim->links[i][to->number].connection == connection;
        if (i != to->number && sim_host_is_up(host) && (*is_dial || is_link)) {
            return host;
        }
    }
    return NULL;
}

void sim_network_reply(struct sim_host *from, uint64_t connection, const struct build_part *parts,
                       size_t count)
{
    bool is_dial = false;
    struct sim_host *to = connection == 0 ? NULL : owner_of(from, connection, &is_dial);
    if (to == NULL || from->is_ending) {
        return;
    }
    struct sim_packet *packet = packet_of(from->sim, parts, count);
    packet->kind = is_dial ? SIM_PACKET_REPLY : SIM_PACKET_PEER;
    packet->from = from->number;
    packet->to = to->number;
    packet->from_id = from->id;
    packet->to_id = to->id;
    packet->to_life = to->life;
    packet->connection = connection;
    launch(packet);
}

void sim_network_reset(struct sim *sim, uint32_t from, uint32_t to)
{
    sim_gossip_reset(sim, from, to);
    sim->links[from][to].is_open = false;
    struct sim_packet *next;
    for (struct sim_packet *packet = sim->packets; packet != NULL; packet = next) {
        next = packet->next;
        if (packet->from == from && packet->to == to) {
            sim->report->messages_lost++;
            packet_free(packet);
        }
    }
}

/* What a process has sent may still come; what was on its way to it does not. */
void sim_network_host_down(struct sim_host *host)
{
    struct sim *sim = host->sim;
    for (uint32_t i = 0; i < sim->host_count; i++) {
        sim->links[host->number][i].is_open = false;
        sim->links[i][host->number].is_open = false;
        /* Whoever waited for an answer to its dial sees the connection close. */
        struct sim_host *other = &sim->hosts[i];
        if (other->dial != 0 && other->dial_to == host->number && other != host &&
            sim_host_is_up(other) && !sim_event_is_waiting(&other->dial_event)) {
            sim_schedule_add(&sim->schedule, &other->dial_event, sim_now(sim) + NS_PER_MS);
        }
    }
    host->dial = 0;
    sim_schedule_remove(&sim->schedule, &host->dial_event);
}
