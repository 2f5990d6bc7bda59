/* packet.c: fuzzes the decoder of SWIM packets, and the machine with what decodes.
 *
 * Input    flags, then pieces: their length in two bytes, and a packet of so many, or for a
 *          length of 0 a moment that passes.
 * Asserts  that what decodes is what its own encoding gives, byte for byte; that its text is one
 *          line and its JSON is JSON; that the machine's invariants hold behind each packet, what
 *          it sends is within the limits and decodes, and that a stranger is sent no more than it
 *          sent, at once and later, when others are asked for it.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/crc32c.h"
#include "fuzz/fuzz.h"
#include "quorate/error.h"
#include "support/swim_rig.h"
#include "wire/packet.h"

#define UPDATES_MAX 64
#define PACKET_BYTES_MAX 4096
#define TEXT_BYTES_MAX (1024 * 1024)
#define STRANGER "stranger:1"
#define PASS_NS (300 * NS_PER_MS)

static void fix(uint8_t *data, size_t size_bytes)
{
    if (size_bytes >= PACKET_HEADER_BYTES) {
        uint32_t crc = crc32c(0, data, 4);
        store_u32(data + 4, crc32c(crc, data + 8, size_bytes - 8));
    }
}

static void check_forms(const struct swim_message *message, const uint8_t *data, size_t size_bytes)
{
    static uint8_t again[PACKET_BYTES_MAX];
    static char bytes[TEXT_BYTES_MAX];
    ASSERT(wire_packet_bytes(message) == size_bytes);
    ASSERT(wire_packet_encode(message, again, sizeof(again)) == size_bytes);
    ASSERT(memcmp(again, data, size_bytes) == 0);

    struct text text = text_of(bytes, sizeof(bytes));
    wire_packet_json(message, &text);
    fuzz_check_json(&text);
    text = text_of(bytes, sizeof(bytes));
    wire_packet_text(message, &text);
    fuzz_check_text(&text);
    for (size_t i = 0; i < text.length; i++) {
        ASSERT((uint8_t)text.data[i] >= ' ');
    }
}

/* Whether a member is said to live where the packets come from: then nobody there is a stranger. */
static bool is_home(const struct swim_rig *rig)
{
    struct swim_member_status member;
    struct swim_profile profile;
    for (uint32_t place = 0; swim_member_at(rig->swim, &place, &member); place++) {
        if (member.profile.size_bytes > 0 && swim_profile_decode(member.profile, &profile) == 0 &&
            strcmp(profile.peer, STRANGER) == 0) {
            return true;
        }
    }
    return false;
}

/* budget_bytes: what the stranger may still be sent. */
static void check_sent(const struct swim_rig *rig, size_t *budget_bytes)
{
    static uint8_t bytes[SWIM_PIECE_BYTES_MAX];
    static struct swim_update updates[SWIM_UPDATES_MAX];
    struct swim_message out;
    for (size_t i = 0; i < rig->ready.packet_count; i++) {
        const struct swim_packet *packet = &rig->ready.packets[i];
        size_t sent = wire_packet_encode(&packet->message, bytes, SWIM_PACKET_BYTES_MAX);
        ASSERT(sent > 0);
        ASSERT(wire_packet_decode(bytes, sent, updates, SWIM_UPDATES_MAX, &out) == 0);
        if (strcmp(packet->address, STRANGER) == 0 && !is_home(rig)) {
            ASSERT(sent <= *budget_bytes);
            *budget_bytes -= sent;
        }
    }
    for (size_t i = 0; i < rig->ready.stream_count; i++) {
        ASSERT(wire_packet_encode(&rig->ready.streams[i].message, bytes, sizeof(bytes)) > 0);
    }
}

static void take(struct swim_rig *rig, const struct swim_message *message, size_t size_bytes,
                 size_t *budget_bytes)
{
    bool is_stream = swim_is_push_pull(message->type);
    struct swim_event event = {
        .type = is_stream ? SWIM_EVENT_STREAM : SWIM_EVENT_PACKET,
        .received = {.message = message,
                     .source = STRANGER,
                     .stream = 3,
                     .size_bytes = (uint32_t)size_bytes},
    };
    int status = swim_rig_step(rig, event);
    ASSERT(status == 0 || status == QR_ERR_FOREIGN || status == QR_ERR_STOPPED ||
           status == QR_ERR_MALFORMED);
    ASSERT_IMPLIES(size_bytes > SWIM_PACKET_BYTES_MAX && !is_stream, status != 0);
    ASSERT_IMPLIES(status != 0, rig->ready.packet_count == 0);
    /* The head of an answer may be as long as any, when that of the question was shorter. */
    *budget_bytes += size_bytes > SWIM_HEAD_BYTES_MAX ? size_bytes : SWIM_HEAD_BYTES_MAX;
    check_sent(rig, budget_bytes);
}

static void pass(struct swim_rig *rig, size_t *budget_bytes)
{
    rig->now_ns += PASS_NS;
    int status = swim_rig_step(rig, (struct swim_event){.type = SWIM_EVENT_TICK});
    ASSERT(status == 0 || status == QR_ERR_STOPPED);
    check_sent(rig, budget_bytes);
}

static void small(struct swim_options *options)
{
    options->members_max = 16;
    options->reap_ns = 2 * NS_PER_S;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    static struct swim_rig rig;
    static struct swim_update updates[UPDATES_MAX];
    struct reader reader = reader_of(data, size_bytes);
    uint8_t flags = read_u8(&reader);
    swim_rig_init(&rig, small);
    swim_rig_fill_long(&rig, 4);
    size_t budget_bytes = 0;
    while (reader_left(&reader) >= 2) {
        uint8_t packet[PACKET_BYTES_MAX];
        size_t wanted = read_u16(&reader) % PACKET_BYTES_MAX;
        size_t bytes = wanted < reader_left(&reader) ? wanted : reader_left(&reader);
        const uint8_t *at = read_bytes(&reader, bytes);
        struct swim_message message;
        if (bytes == 0) {
            pass(&rig, &budget_bytes);
            continue;
        }
        memcpy(packet, at, bytes);
        if ((flags & FUZZ_FIX) != 0) {
            fix(packet, bytes);
        }
        int status = wire_packet_decode(packet, bytes, updates, UPDATES_MAX, &message);
        ASSERT(status == 0 || status == QR_ERR_MALFORMED || status == QR_ERR_VERSION);
        if (status == 0) {
            check_forms(&message, packet, bytes);
            take(&rig, &message, bytes, &budget_bytes);
        }
    }
    swim_rig_deinit(&rig);
    return 0;
}
