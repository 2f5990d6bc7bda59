/* world.c: a server between a fake engine and fake sockets. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "fuzz/fuzz.h"
#include "fuzz/world.h"
#include "server/meta.h"

#define CLIENTS_MAX 4
#define TURNS_MAX 64
#define TIME_STEP_NS UINT64_C(10000000)

/* Making a loop opens five descriptors: too slow to do it for each input. */
static uv_loop_t *loop_of_all(void)
{
    static uv_loop_t loop;
    static bool is_open;
    if (!is_open) {
        int failed = uv_loop_init(&loop);
        ASSERT(failed == 0);
        is_open = true;
    }
    return &loop;
}

struct server_options world_options(void)
{
    struct server_options options = server_options_default();
    options.client_address = "127.0.0.1:0";
    options.http_address = "127.0.0.1:0";
    options.clients_max = CLIENTS_MAX;
    options.http_clients_max = CLIENTS_MAX;
    return options;
}

void world_init(struct world *world, const struct server_options *options)
{
    struct server_options chosen = *options;
    char detail[QR_ERROR_DETAIL_BYTES];
    *world = (struct world){.server = NULL};
    fake_sockets_reset();
    heap_init(&world->heap);
    world->kv = kv_new(&world->heap.allocator);
    ASSERT(world->kv != NULL);
    fake_engine_init(&world->engine, loop_of_all(), kv_state_machine(world->kv));
    chosen.loop = loop_of_all();
    chosen.engine = &world->engine;
    chosen.kv = world->kv;
    int status = server_open(&chosen, &world->server, detail);
    ASSERT(status == 0);
}

/* client=HOST:PORT http=HOST:PORT, as long as it can be. */
static void put_long_meta(char *out)
{
    char host[QR_ADDRESS_BYTES_MAX] = "";
    char address[QR_ADDRESS_BYTES_MAX];
    memset(host, 'h', QR_ADDRESS_BYTES_MAX - 16);
    (void)snprintf(address, sizeof(address), "%s:65535", host);
    int status = server_meta_format(address, address, out, QR_META_BYTES_MAX);
    ASSERT(status == 0);
}

void world_crowd(struct world *world)
{
    struct qr_status *status = &world->engine.status;
    char meta[QR_META_BYTES_MAX];
    put_long_meta(meta);
    while (status->member_count < QR_MEMBERS_MAX) {
        struct qr_member *member = &status->members[status->member_count];
        fake_engine_add_member(&world->engine, UINT64_MAX - status->member_count, "", meta);
        memset(member->name, 1, sizeof(member->name) - 1);
        memset(member->address, 0xff, sizeof(member->address) - 1);
        member->match_index = INT64_MAX; /* more is no number to jansson */
        member->is_voter = status->member_count % 2 == 0;
    }
}

static void on_closed(void *argument)
{
    struct world *world = argument;
    ASSERT(!world->is_closed);
    world->is_closed = true;
}

void world_turn(struct world *world)
{
    world->engine.time_ns += TIME_STEP_NS;
    fake_sockets_run();
    (void)uv_run(loop_of_all(), UV_RUN_NOWAIT);
}

void world_deinit(struct world *world)
{
    kv_invariants(world->kv);
    server_close(world->server, on_closed, world);
    fake_engine_stop(&world->engine);
    for (size_t i = 0; uv_loop_alive(loop_of_all()) != 0; i++) {
        ASSERT(i < TURNS_MAX);
        world_turn(world);
    }
    ASSERT(world->is_closed);
    server_free(world->server);
    kv_free(world->kv);
    heap_deinit(&world->heap);
}

bool world_step(struct reader *reader, struct world_step *out)
{
    if (reader_left(reader) == 0) {
        return false;
    }
    uint8_t value = read_u8(reader);
    *out = (struct world_step){.value = value};
    if (value == 0xff && reader_left(reader) > 0) {
        out->value = read_u8(reader);
        out->is_command = out->value != 0xff;
    }
    return true;
}
