/* seeds_packet.c: first inputs of what SWIM members send. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "fuzz/fuzz.h"
#include "fuzz/seeds.h"
#include "support/swim_rig.h"
#include "wire/packet.h"

#define FROM 2
#define TO 1

static void put(struct writer *writer, struct swim_message message, const char *name, node_id id)
{
    static uint8_t bytes[SWIM_PIECE_BYTES_MAX];
    uint8_t profile[SWIM_PROFILE_BYTES_MAX];
    struct swim_profile fields = {.started = id, .version_max = 1, .peer = "h:1"};
    (void)snprintf(fields.name, sizeof(fields.name), "%s", name);
    size_t profile_bytes = swim_profile_encode(&fields, profile);
    struct swim_update updates[] = {
        {.state = SWIM_ALIVE, .id = id, .incarnation = id},
        {.state = SWIM_SUSPECT, .id = 3, .incarnation = 1, .accuser = FROM},
        {.state = SWIM_DEAD, .id = 4, .incarnation = 1, .accuser = FROM},
        {.state = SWIM_LEFT, .reason = SWIM_REASON_SHUTDOWN, .id = 4, .incarnation = 2},
    };
    updates[0].profile = (struct swim_blob){profile, (uint16_t)profile_bytes};
    message.cluster = SEEDS_CLUSTER;
    message.from = FROM;
    message.has_to = true;
    message.to = TO;
    message.updates = updates;
    message.update_count = sizeof(updates) / sizeof(updates[0]);
    size_t size_bytes = wire_packet_encode(&message, bytes, sizeof(bytes));
    ASSERT(size_bytes > 0);
    write_u16(writer, (uint16_t)size_bytes);
    write_bytes(writer, bytes, size_bytes);
    write_u16(writer, 0); /* and a moment passes */
}

void seeds_make_packet(void)
{
    static const uint8_t types[] = {
#define X(id, value, member, text, fields) id,
        SWIM_MESSAGE_MAP(X)
#undef X
    };
    for (size_t i = 0; i < sizeof(types); i++) {
        char name[32];
        struct writer *writer = seeds_begin();
        write_u8(writer, FUZZ_FIX);
        put(writer, (struct swim_message){.type = types[i]}, "m5", 5);
        put(writer, (struct swim_message){.type = types[i], .leader_term = 3, .leader = 2}, "m3",
            6);
        put(writer,
            (struct swim_message){.type = types[i], .held_state = SWIM_DEAD, .held_incarnation = 5},
            "m1", 0);
        (void)snprintf(name, sizeof(name), "%u", types[i]);
        seeds_end("packet", name);
    }
}
