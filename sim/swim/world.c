/* world.c: the machines and what they ask for. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/swim/world.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/crc32c.h"
#include "quorate/error.h"
#include "sim/swim/network.h"
#include "sim/swim/process.h"
#include "wire/packet.h"

#define CLUSTER ((struct cluster_id){7, 7})
#define TEXT_BYTES 4096
#define PIECE_UPDATES 512

static void *system_allocate(void *context, size_t size_bytes)
{
    ((struct world *)context)->allocated_bytes += size_bytes;
    return malloc(size_bytes);
}

static void system_release(void *context, void *memory, size_t size_bytes)
{
    if (memory != NULL) {
        ((struct world *)context)->allocated_bytes -= size_bytes;
    }
    free(memory);
}

void world_init(struct world *world, const struct swim_options *options, uint64_t seed,
                uint32_t nodes_max)
{
    memset(world, 0, sizeof(*world));
    world->options = *options;
    world->allocator = (struct allocator){world, system_allocate, system_release};
    world->options.allocator = &world->allocator;
    world->options.cluster = CLUSTER;
    ASSERT(swim_cards_new(&world->allocator, &world->cards) == 0);
    world->options.cards = world->cards;
    world->prng = prng_of(seed);
    world->now_ns = NS_PER_S;
    world->network = (struct world_network){
        .delay_min_ns = NS_PER_MS / 2,
        .delay_max_ns = NS_PER_MS * 2,
    };
    world->nodes = calloc(nodes_max, sizeof(*world->nodes));
    world->owner = calloc((size_t)nodes_max * 4, sizeof(*world->owner));
    ASSERT(world->nodes != NULL);
    ASSERT(world->owner != NULL);
    world->node_capacity = nodes_max;
}

void world_deinit(struct world *world)
{
    for (uint32_t node = 0; node < world->node_count; node++) {
        swim_free(world->nodes[node].swim);
    }
    for (size_t i = 0; i < world->heap_count; i++) {
        free(world->heap[i].bytes);
    }
    swim_cards_free(world->cards);
    free(world->nodes);
    free(world->owner);
    free(world->heap);
}

void world_fail(struct world *world, const char *checker, const char *format, ...)
{
    if (world->failure[0] != '\0') {
        return;
    }
    int used = snprintf(world->failure, sizeof(world->failure), "%s: at %" PRIu64 " ms: ", checker,
                        world->now_ns / NS_PER_MS);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(world->failure + used, sizeof(world->failure) - (size_t)used, format,
                    arguments);
    va_end(arguments);
}

bool world_chance(struct world *world, uint32_t millionths)
{
    return millionths > 0 && prng_between(&world->prng, 0, 999999) < millionths;
}

bool world_is_up(const struct world *world, uint32_t node)
{
    return world->nodes[node].swim != NULL && !world->nodes[node].is_quiet_now;
}

uint32_t world_node_of(const struct world *world, node_id id)
{
    for (uint32_t node = 0; node < world->node_count; node++) {
        if (world->nodes[node].id == id) {
            return node;
        }
    }
    return WORLD_NOBODY;
}

struct swim_status world_status(const struct world *world, uint32_t node)
{
    struct swim_status status;
    swim_status(world->nodes[node].swim, &status);
    return status;
}

static struct swim_profile profile_of(const struct world_node *node)
{
    struct swim_profile profile = {
        .started = node->incarnation,
        .roles = SWIM_ROLE_VOTER,
        .version_min = 1,
        .version_max = 2,
    };
    (void)snprintf(profile.name, sizeof(profile.name), "n%" PRIu32, node->name);
    (void)snprintf(profile.peer, sizeof(profile.peer), "a%" PRIu32 WORLD_PORT, node->address);
    (void)snprintf(profile.client, sizeof(profile.client), "a%" PRIu32 ":7701", node->address);
    (void)snprintf(profile.http, sizeof(profile.http), "a%" PRIu32 ":7702", node->address);
    return profile;
}

uint32_t world_add(struct world *world, node_id id, uint32_t name)
{
    ASSERT(world->node_count < world->node_capacity);
    uint32_t node = world->node_count++;
    world->nodes[node] = (struct world_node){.id = id, .name = name};
    world_move(world, node);
    return node;
}

void world_move(struct world *world, uint32_t node)
{
    ASSERT(world->nodes[node].swim == NULL);
    ASSERT(world->address_count < world->node_capacity * 4);
    if (world->address_count > 0 && world->owner[world->nodes[node].address] == node) {
        world->owner[world->nodes[node].address] = WORLD_NOBODY;
    }
    world->nodes[node].address = world->address_count++;
    world->owner[world->nodes[node].address] = node;
}

uint32_t world_succeed(struct world *world, uint32_t node, node_id id, uint32_t name)
{
    ASSERT(world->nodes[node].swim == NULL);
    ASSERT(world->node_count < world->node_capacity);
    uint32_t next = world->node_count++;
    world->nodes[next] = (struct world_node){
        .id = id,
        .name = name,
        .address = world->nodes[node].address,
        .group = world->nodes[node].group,
    };
    world->owner[world->nodes[next].address] = next;
    return next;
}

static void wake_later(struct world *world, uint32_t node)
{
    time_ns due_ns = swim_deadline(world->nodes[node].swim);
    if (due_ns == world->nodes[node].wake_ns || due_ns == TIME_NEVER) {
        world->nodes[node].wake_ns = due_ns;
        return;
    }
    world->nodes[node].wake_ns = due_ns;
    network_push(world, (struct world_event){
                            .at_ns = due_ns > world->now_ns ? due_ns : world->now_ns,
                            .node = node,
                        });
}

static void trace_message(const struct world *world, const char *what, uint32_t node,
                          const struct swim_message *message)
{
    char bytes[TEXT_BYTES];
    struct text text = text_of(bytes, sizeof(bytes));
    wire_packet_text(message, &text);
    printf("%9.3f %s %" PRIu32 ": %s\n", (double)world->now_ns / 1e9, what, node, bytes);
}

static void news_take(struct world *world, uint32_t node, const struct swim_news *news)
{
    if (world->is_traced) {
        char bytes[TEXT_BYTES];
        struct text text = text_of(bytes, sizeof(bytes));
        swim_news_text(news, &text);
        printf("%9.3f news %" PRIu32 ": %s\n", (double)world->now_ns / 1e9, node, bytes);
    }
    if (news->type == SWIM_NEWS_GONE) {
        world->nodes[node].is_quiet_now = true;
    }
    if (world->watch.news != NULL) {
        world->watch.news(world->watch.context, node, news);
    }
}

static void send(struct world *world, uint32_t node, uint32_t to,
                 const struct swim_message *message, bool is_stream)
{
    size_t bytes = network_send(world, node, to, message, is_stream);
    if (!is_stream) {
        world->nodes[node].sent_packets++;
        world->nodes[node].sent_bytes += bytes;
    }
    if (world->is_traced) {
        trace_message(world, "send", node, message);
    }
    if (world->watch.sent != NULL) {
        world->watch.sent(world->watch.context, node, world->owner[to], message, bytes, is_stream);
    }
}

static uint32_t address_in(const char *text)
{
    return (uint32_t)strtoul(text + 1, NULL, 10);
}

/* Do what the machine asks for. */
static void act(struct world *world, uint32_t node)
{
    struct swim_ready ready;
    swim_ready(world->nodes[node].swim, &ready);
    for (size_t i = 0; i < ready.packet_count; i++) {
        const struct swim_packet *packet = &ready.packets[i];
        send(world, node, address_in(packet->address), &packet->message, false);
    }
    for (size_t i = 0; i < ready.stream_count; i++) {
        const struct swim_stream *stream = &ready.streams[i];
        uint32_t to = stream->is_answer ? world->nodes[stream->answers - 1].address
                                        : address_in(stream->address);
        send(world, node, to, &stream->message, true);
    }
    for (size_t i = 0; i < ready.news_count; i++) {
        news_take(world, node, &ready.news[i]);
    }
    wake_later(world, node);
}

void world_step(struct world *world, uint32_t node, struct swim_event event)
{
    struct swim *swim = world->nodes[node].swim;
    event.now_ns = world->now_ns;
    int status = swim_step(swim, &event);
    ASSERT(status != QR_ERR_NO_MEMORY);
    if (world->is_checked) {
        swim_invariants(swim);
    }
    act(world, node);
    if (world->watch.stepped != NULL) {
        bool has_message = event.type == SWIM_EVENT_PACKET || event.type == SWIM_EVENT_STREAM;
        world->watch.stepped(world->watch.context, node,
                             has_message ? event.received.message : NULL);
    }
}

void world_start(struct world *world, uint32_t node, uint64_t incarnation, const uint32_t *seeds,
                 size_t seed_count)
{
    struct world_node *host = &world->nodes[node];
    ASSERT(host->swim == NULL);
    ASSERT(seed_count <= SWIM_SEEDS_MAX);
    host->incarnation = incarnation;
    host->is_quiet_now = false;
    host->lives++;
    struct swim_options options = world->options;
    options.self = host->id;
    options.incarnation = incarnation;
    options.seed = prng_next(&world->prng);
    struct swim_profile profile = profile_of(host);
    ASSERT(swim_new(&options, &profile, world->now_ns, &host->swim) == 0);
    char texts[SWIM_SEEDS_MAX][32];
    const char *pointers[SWIM_SEEDS_MAX];
    for (size_t i = 0; i < seed_count; i++) {
        (void)snprintf(texts[i], sizeof(texts[i]), "a%" PRIu32 WORLD_PORT,
                       world->nodes[seeds[i]].address);
        pointers[i] = texts[i];
    }
    host->wake_ns = TIME_NEVER;
    world_step(world, node,
               (struct swim_event){
                   .type = SWIM_EVENT_JOIN,
                   .join = {.seeds = pointers, .count = seed_count},
               });
}

void world_kill(struct world *world, uint32_t node)
{
    swim_free(world->nodes[node].swim);
    world->nodes[node].swim = NULL;
    world->nodes[node].wake_ns = TIME_NEVER;
}

/* Cut what all know into pieces, and step each at everybody. */
void world_introduce_all(struct world *world)
{
    uint32_t count = world->node_count;
    struct swim_update *updates = calloc(count, sizeof(*updates));
    uint8_t(*profiles)[SWIM_PROFILE_BYTES_MAX] = calloc(count, sizeof(*profiles));
    ASSERT(updates != NULL);
    ASSERT(profiles != NULL);
    for (uint32_t node = 0; node < count; node++) {
        struct swim_profile profile = profile_of(&world->nodes[node]);
        updates[node] = (struct swim_update){
            .state = SWIM_ALIVE,
            .id = world->nodes[node].id,
            .incarnation = world->nodes[node].incarnation,
            .profile = {profiles[node], (uint16_t)swim_profile_encode(&profile, profiles[node])},
        };
    }
    for (uint32_t node = 0; node < count; node++) {
        for (uint32_t first = 0; first < count; first += PIECE_UPDATES) {
            struct swim_message message = {
                .type = SWIM_PUSH_PULL_RESPONSE,
                .cluster = CLUSTER,
                .from = world->nodes[node == 0 ? 1 : 0].id,
                .updates = updates + first,
                .update_count = count - first < PIECE_UPDATES ? count - first : PIECE_UPDATES,
            };
            message.push_pull_response.is_last = first + PIECE_UPDATES >= count;
            struct swim_event event = {
                .type = SWIM_EVENT_STREAM,
                .now_ns = world->now_ns,
                .received = {.message = &message, .source = "a0:7700", .is_proved = true},
            };
            ASSERT(swim_step(world->nodes[node].swim, &event) == 0);
            struct swim_ready ready;
            swim_ready(world->nodes[node].swim, &ready); /* nobody is told of this */
        }
        wake_later(world, node);
    }
    free(profiles);
    free(updates);
}

static void deliver(struct world *world, const struct world_event *event)
{
    static struct swim_update updates[SWIM_UPDATES_MAX];
    uint32_t node = world->owner[event->address];
    struct swim_message message;
    ASSERT(wire_packet_decode(event->bytes, event->size_bytes, updates, SWIM_UPDATES_MAX,
                              &message) == 0);
    char source[32];
    (void)snprintf(source, sizeof(source), "a%" PRIu32 WORLD_PORT, event->source_address);
    if (world->is_traced) {
        trace_message(world, "take", node, &message);
    }
    world_step(world, node,
               (struct swim_event){
                   .type = event->is_stream ? SWIM_EVENT_STREAM : SWIM_EVENT_PACKET,
                   .received = {.message = &message,
                                .source = source,
                                .stream = event->source + 1,
                                .size_bytes = event->size_bytes},
               });
}

void world_take(struct world *world, struct world_event *event)
{
    bool is_tick = event->bytes == NULL;
    uint32_t node = is_tick ? event->node : world->owner[event->address];
    world->event_count++;
    uint64_t facts[3] = {world->now_ns, node, crc32c(0, event->bytes, event->size_bytes)};
    world->hash = (world->hash ^ crc32c((uint32_t)world->hash, facts, sizeof(facts))) *
                  UINT64_C(0x9e3779b97f4a7c15);
    if (is_tick) {
        world->nodes[node].wake_ns = TIME_NEVER;
        world_step(world, node, (struct swim_event){.type = SWIM_EVENT_TICK});
    } else {
        deliver(world, event);
    }
    free(event->bytes);
}

static void handle(struct world *world, struct world_event *event)
{
    bool is_tick = event->bytes == NULL;
    uint32_t node = is_tick ? event->node : world->owner[event->address];
    if (node == WORLD_NOBODY || world->nodes[node].swim == NULL ||
        (is_tick && !event->is_turn && world->nodes[node].wake_ns > event->at_ns) ||
        (event->is_replay && world->network.replay == 0)) {
        free(event->bytes);
        return;
    }
    if (world->nodes[node].process != NULL) {
        process_take(world, node, event);
        return;
    }
    time_ns runs_ns = network_runs_at(&world->nodes[node], world->now_ns);
    if (runs_ns > world->now_ns) {
        /* In the order in which it came: a timer may be taken before what would have calmed it. */
        event->at_ns = runs_ns;
        if (is_tick) {
            world->nodes[node].wake_ns = event->at_ns;
        }
        network_push(world, *event);
        return;
    }
    world_take(world, event);
}

void world_run(struct world *world, time_ns until_ns)
{
    while (world->heap_count > 0 && world->heap[0].at_ns <= until_ns && world->failure[0] == '\0') {
        struct world_event event = network_pop(world);
        world->now_ns = event.at_ns;
        handle(world, &event);
    }
    if (world->now_ns < until_ns) {
        world->now_ns = until_ns;
    }
}
