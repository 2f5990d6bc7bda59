/* gossip.c: what members say to each other besides Raft, on its way: datagrams, streams, and
 * connections that are told to be closed.
 *
 * Its chance is a stream of its own; cuts, loss, storms and slow links are those of the frames. A
 * datagram goes to an address, whichever process has it when it arrives; a stream to one life of
 * it, in order, and what is lost of it is only late. Who is told that a connection closed is told
 * the truth when a process has ended (a machine without power tells nobody), and, so often as the
 * plan says, not.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "sim/internal.h"
#include "sim/memory.h"
#include "sim/observe.h"
#include "wire/packet.h"

#define RATE_SPAN_NS (1000 * NS_PER_S)
#define RETRANSMIT_NS (200 * NS_PER_MS)
#define RETRANSMITS_MAX 5
#define STRAY_ELECTIONS 4
#define WORDS_BYTES_MAX 4096
#define HOST_BITS 8 /* a stream is the host and the life at its other end */

_Static_assert(SIM_HOSTS_MAX < 1 << HOST_BITS, "a host fits");

static uint64_t stream_with(const struct sim_host *other)
{
    return other->life << HOST_BITS | (other->number + 1);
}

static bool speaks(const struct sim_host *host)
{
    return sim_host_is_up(host) && !host->has_failed && host->build->gossip_receive != NULL;
}

static void unlink_letter(struct sim_letter *letter)
{
    struct sim *sim = letter->sim;
    if (letter->prev == NULL) {
        sim->letters = letter->next;
    } else {
        letter->prev->next = letter->next;
    }
    if (letter->next != NULL) {
        letter->next->prev = letter->prev;
    }
}

static void letter_free(struct sim_letter *letter)
{
    sim_schedule_remove(&letter->sim->schedule, &letter->event);
    unlink_letter(letter);
    sim_release(letter);
}

static void trace(const struct sim_letter *letter, enum sim_trace_kind kind)
{
    struct sim *sim = letter->sim;
    bool is_sent = kind == SIM_TRACE_GOSSIP;
    struct sim_trace_event event = {.kind = kind,
                                    .at_ns = sim_now(sim),
                                    .host = is_sent ? letter->from : letter->to,
                                    .peer = is_sent ? letter->to : letter->from,
                                    .a = letter->size_bytes};
    char words[WORDS_BYTES_MAX] = "";
    if (letter->kind == SIM_LETTER_CLOSED) {
        event.b = letter->is_refused;
        (void)snprintf(words, sizeof(words), "%s", letter->is_refused ? "and refused" : "");
    } else if (is_sent) {
        event.b = sim_hash_bytes(0, letter->bytes, letter->size_bytes);
    }
    if (sim_trace_is_wanted(&sim->trace) && letter->kind != SIM_LETTER_CLOSED) {
        struct swim_message message;
        struct text text = text_of(words, sizeof(words));
        struct swim_update *updates = sim_allocate(SWIM_UPDATES_MAX, sizeof(*updates));
        if (wire_packet_decode(letter->bytes, letter->size_bytes, updates, SWIM_UPDATES_MAX,
                               &message) == 0) {
            wire_packet_text(&message, &text);
        }
        sim_release(updates);
    }
    sim_trace_event(&sim->trace, &event, words);
}

static void hand_over(const struct sim_letter *letter, struct sim_host *to)
{
    struct sim *sim = letter->sim;
    const struct sim_host *from = &sim->hosts[letter->from];
    struct build_time time = sim_host_enter(to);
    if (letter->kind == SIM_LETTER_CLOSED) {
        to->build->member_closed(to->node, from->id, letter->is_refused, time);
    } else {
        uint64_t other = letter->from_life << HOST_BITS | (letter->from + 1);
        to->build->gossip_receive(to->node, letter->kind == SIM_LETTER_STREAM ? other : 0,
                                  letter->bytes, letter->size_bytes, letter->source, time);
    }
    sim_host_leave(to);
}

static void arrive(struct sim_event *event)
{
    struct sim_letter *letter = event->owner;
    struct sim *sim = letter->sim;
    struct sim_host *to = &sim->hosts[letter->to];
    bool is_cut = letter->kind != SIM_LETTER_CLOSED && sim->cuts[letter->from][letter->to] > 0;
    bool is_there = letter->kind == SIM_LETTER_PACKET ? to->moves == letter->to_moves
                                                      : to->life == letter->to_life;
    if (!speaks(to) || !is_there || is_cut) {
        letter_free(letter);
        return;
    }
    if (sim_host_is_paused(to)) {
        sim_schedule_add(&sim->schedule, event, to->paused_until_ns);
        return;
    }
    trace(letter, letter->kind == SIM_LETTER_CLOSED ? SIM_TRACE_CLOSED : SIM_TRACE_HEAR);
    hand_over(letter, to);
    letter_free(letter);
}

static struct sim_letter *letter_of(enum sim_letter_kind kind, struct sim_host *from,
                                    struct sim_host *to, const uint8_t *data, size_t size_bytes)
{
    struct sim *sim = from->sim;
    struct sim_letter *letter = sim_allocate(1, sizeof(*letter) + size_bytes);
    *letter = (struct sim_letter){.sim = sim,
                                  .kind = kind,
                                  .from = from->number,
                                  .to = to->number,
                                  .from_life = from->life,
                                  .to_life = to->life,
                                  .to_moves = to->moves,
                                  .size_bytes = size_bytes};
    memcpy(letter->source, from->address, sizeof(letter->source));
    if (size_bytes > 0) {
        memcpy(letter->bytes, data, size_bytes);
    }
    letter->event.happen = arrive;
    letter->event.owner = letter;
    letter->next = sim->letters;
    if (sim->letters != NULL) {
        sim->letters->prev = letter;
    }
    sim->letters = letter;
    return letter;
}

/* When something sent now comes. */
static time_ns arrival_ns(struct sim *sim, uint32_t from, uint32_t to)
{
    const struct sim_link *link = &sim->links[from][to];
    const struct sim_plan *plan = &sim->plan;
    struct prng *prng = &sim->gossip_prng;
    time_ns now_ns = sim_now(sim);
    time_ns at_ns = now_ns + prng_between(prng, plan->delay_us_min, plan->delay_us_max) * 1000;
    if (now_ns < link->slow_until_ns) {
        at_ns += link->slow_ns;
    }
    if (now_ns < sim->storm_until_ns && sim_chance(prng, sim->storm_late)) {
        at_ns += prng_between(prng, 0, sim->storm_ms * NS_PER_MS);
    }
    if (sim_chance(prng, plan->late)) {
        at_ns += prng_between(prng, 0, plan->late_ms * NS_PER_MS);
    }
    return max_u64(at_ns, link->clogged_until_ns);
}

static bool is_swallowed(struct sim *sim, uint32_t from, uint32_t to)
{
    bool is_in_storm = sim_now(sim) < sim->storm_until_ns;
    return sim_chance(&sim->gossip_prng, sim->plan.loss) || sim->cuts[from][to] > 0 ||
           (is_in_storm && sim_chance(&sim->gossip_prng, sim->storm_loss));
}

void sim_gossip_send(struct sim_host *from, const char *address, const uint8_t *data,
                     size_t size_bytes)
{
    struct sim *sim = from->sim;
    struct sim_host *to = sim_network_host_at(sim, address);
    if (size_bytes > SWIM_PACKET_BYTES_MAX) {
        sim_violate(sim, "packet_size", "n%u sends a packet of %zu bytes", from->number + 1,
                    size_bytes);
    }
    if (from->is_ending || to == NULL || to == from) {
        return;
    }
    struct sim_letter *letter = letter_of(SIM_LETTER_PACKET, from, to, data, size_bytes);
    trace(letter, SIM_TRACE_GOSSIP);
    if (is_swallowed(sim, from->number, to->number)) {
        letter_free(letter);
        return;
    }
    sim_schedule_add(&sim->schedule, &letter->event, arrival_ns(sim, from->number, to->number));
    if (sim_chance(&sim->gossip_prng, sim->plan.duplicate)) {
        letter = letter_of(SIM_LETTER_PACKET, from, to, data, size_bytes);
        sim_schedule_add(&sim->schedule, &letter->event, arrival_ns(sim, from->number, to->number));
    }
    if (sim_chance(&sim->gossip_prng, sim->plan.stray)) {
        uint64_t most_ms = STRAY_ELECTIONS * sim->plan.election_max_ms;
        letter = letter_of(SIM_LETTER_PACKET, from, to, data, size_bytes);
        sim_schedule_add(&sim->schedule, &letter->event,
                         sim_now(sim) + prng_between(&sim->gossip_prng, 0, most_ms) * NS_PER_MS);
    }
}

/* Who a stream that this host answers on leads to, in the same life; NULL: it is gone. */
static struct sim_host *other_end(struct sim *sim, uint64_t stream)
{
    uint64_t number = (stream & ((1 << HOST_BITS) - 1)) - 1;
    ASSERT(number < sim->host_count);
    struct sim_host *host = &sim->hosts[number];
    return stream == stream_with(host) ? host : NULL;
}

void sim_gossip_send_stream(struct sim_host *from, const char *address, uint64_t answers,
                            const uint8_t *data, size_t size_bytes)
{
    struct sim *sim = from->sim;
    struct sim_host *to =
        address == NULL ? other_end(sim, answers) : sim_network_host_at(sim, address);
    if (from->is_ending || to == NULL || to == from || !speaks(to)) {
        return; /* refused, or lost */
    }
    struct sim_letter *letter = letter_of(SIM_LETTER_STREAM, from, to, data, size_bytes);
    trace(letter, SIM_TRACE_GOSSIP);
    time_ns at_ns = arrival_ns(sim, from->number, to->number);
    for (unsigned i = 0; i < RETRANSMITS_MAX && is_swallowed(sim, from->number, to->number); i++) {
        at_ns += RETRANSMIT_NS << i;
    }
    time_ns *last_ns = &sim->stream_last_ns[from->number][to->number];
    *last_ns = max_u64(at_ns, *last_ns);
    sim_schedule_add(&sim->schedule, &letter->event, *last_ns);
}

/* Tell a host that its connection with another is closed. */
static void tell_closed(struct sim_host *to, struct sim_host *other, bool is_refused)
{
    struct sim *sim = to->sim;
    if (speaks(to) && sim->plan.gossip != BUILD_GOSSIP_NONE) {
        struct sim_letter *letter = letter_of(SIM_LETTER_CLOSED, other, to, NULL, 0);
        letter->is_refused = is_refused;
        sim_schedule_add(&sim->schedule, &letter->event,
                         arrival_ns(sim, other->number, to->number));
    }
}

static bool is_connected(const struct sim *sim, uint32_t a, uint32_t b)
{
    return sim->links[a][b].is_open || sim->links[b][a].is_open;
}

void sim_gossip_host_down(struct sim_host *host, enum sim_end how)
{
    struct sim *sim = host->sim;
    for (uint32_t i = 0; i < sim->host_count; i++) {
        bool is_told = i != host->number && how != SIM_END_POWER_LOST &&
                       is_connected(sim, i, host->number) && sim->cuts[host->number][i] == 0;
        if (is_told) {
            tell_closed(&sim->hosts[i], host, sim_chance(&sim->gossip_prng, 500000));
        }
    }
}

void sim_gossip_reset(struct sim *sim, uint32_t from, uint32_t to)
{
    if (sim->links[from][to].is_open) {
        tell_closed(&sim->hosts[to], &sim->hosts[from], false);
        tell_closed(&sim->hosts[from], &sim->hosts[to], false);
    }
    struct sim_letter *next;
    for (struct sim_letter *letter = sim->letters; letter != NULL; letter = next) {
        next = letter->next;
        if (letter->kind == SIM_LETTER_STREAM && letter->from == from && letter->to == to) {
            letter_free(letter);
        }
    }
}

static void wait_for_hint(struct sim *sim)
{
    if (sim->plan.gossip != BUILD_GOSSIP_NONE && sim->plan.false_hints > 0) {
        uint64_t most_ns = 2 * RATE_SPAN_NS / sim->plan.false_hints;
        sim_schedule_add(&sim->schedule, &sim->gossip_event,
                         sim_now(sim) + prng_between(&sim->gossip_prng, 0, most_ns));
    }
}

/* Somebody is told that a connection closed, mostly with who leads; one in four that its host
 * even refuses another.
 */
static void on_hint(struct sim_event *event)
{
    struct sim *sim = event->owner;
    struct prng *prng = &sim->gossip_prng;
    struct sim_host *to = &sim->hosts[prng_between(prng, 0, sim->host_count - 1)];
    struct sim_host *other = &sim->hosts[prng_between(prng, 0, sim->host_count - 1)];
    bool is_of_leader = prng_between(prng, 0, 3) > 0;
    bool is_refused = prng_between(prng, 0, 3) == 0;
    for (uint32_t i = 0; i < sim->host_count && is_of_leader; i++) {
        other = sim->hosts[i].id == to->progress.seen.leader ? &sim->hosts[i] : other;
    }
    if (other != to) {
        tell_closed(to, other, is_refused);
    }
    wait_for_hint(sim);
}

void sim_gossip_init(struct sim *sim)
{
    sim->gossip_event.happen = on_hint;
    sim->gossip_event.owner = sim;
    wait_for_hint(sim);
}

void sim_gossip_deinit(struct sim *sim)
{
    while (sim->letters != NULL) {
        letter_free(sim->letters);
    }
}

void sim_gossip_calm(struct sim *sim)
{
    time_ns latest_ns = sim_now(sim) + sim->plan.delay_us_max * 1000;
    sim_schedule_remove(&sim->schedule, &sim->gossip_event);
    memset(sim->stream_last_ns, 0, sizeof(sim->stream_last_ns));
    for (struct sim_letter *letter = sim->letters; letter != NULL; letter = letter->next) {
        if (letter->event.at_ns > latest_ns) {
            sim_schedule_add(&sim->schedule, &letter->event, latest_ns);
        }
    }
}
