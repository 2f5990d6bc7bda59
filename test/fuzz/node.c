/* node.c: fuzzes a whole node: messages that decode, whatever they say, are taken or refused.
 *
 * Input    how the node begins, then operations: a byte that names it, a length (u16), and so
 *          many bytes. What begins with 'Q' 'S' is no frame but a packet of the members, or a
 *          message of theirs on a stream.
 * Asserts  that nothing a member says, or who is asked to be let in, ends the node: neither by an
 *          assertion nor as a failure; that its log is taken up again after a crash; and all that
 *          node_solo.c checks: proposals and reads are told of once, entries applied in order.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "fuzz/fuzz.h"
#include "quorate/error.h"
#include "support/node_solo.h"
#include "wire/packet.h"

#define FLAG_LEADS 1
#define FLAG_JOINS 2
#define FLAG_CRASHES 4 /* at the end */
#define FLAG_GOSSIPS 8
#define FLAG_WAITS 16        /* until it is invited */
#define FLAG_INVITES 32      /* a node that waits */
#define NUMBER_CLOSED 0x8000 /* from here on: a connection with a member closed */
#define FRAME_BYTES_MAX (64 * 1024)
#define AT_TYPE 8
#define AT_FROM 24 /* of a frame: all but the hellos and the answer to a join begin with it */
#define AT_TO 32
#define STEP_MS_MAX 1024
#define OPERATIONS_MAX 128
#define SEGMENT_BYTES (UINT64_C(64) * 1024) /* small: most time goes to making memory */
#define TOKENS_MAX 512

enum operation {
    OPERATION_FRAME_2, /* from member 2, who says so in it */
    OPERATION_FRAME_3,
    OPERATION_FRAME, /* from whoever it says that it is from */
    OPERATION_SEED,  /* from who was dialed to join through */
    OPERATION_PASS,  /* time; the disk works */
    OPERATION_WAIT,  /* time; the disk does not */
    OPERATION_WORK,
    OPERATION_STEP, /* the disk does one thing */
    OPERATION_PROPOSE,
    OPERATION_READ,
    OPERATION_CRASH,
    OPERATION_APPLY,  /* batches wait from now on, or go on */
    OPERATION_OBLIGE, /* member 2 says yes to all it was just asked */
    OPERATION_DIALED, /* who was dialed to join through hears, or is gone; or a member is */
    OPERATIONS,
};

struct script {
    struct solo solo;
    uint64_t token;
};

static struct swim_update updates[SWIM_UPDATES_MAX];

/* What the node says is within its limits, and decodes. */
static void check_gossip(const uint8_t *data, size_t size_bytes, size_t most)
{
    struct swim_message message;
    ASSERT(size_bytes <= most);
    ASSERT(wire_packet_decode(data, size_bytes, updates, SWIM_UPDATES_MAX, &message) == 0);
}

static void on_packet(void *context, const char *to, const uint8_t *data, size_t size_bytes)
{
    (void)context;
    ASSERT(to[0] != '\0');
    check_gossip(data, size_bytes, SWIM_PACKET_BYTES_MAX);
}

static void on_stream(void *context, const char *to, uint64_t answers, const uint8_t *data,
                      size_t size_bytes)
{
    (void)context;
    ASSERT(to != NULL ? to[0] != '\0' : answers == 1);
    check_gossip(data, size_bytes, SWIM_PIECE_BYTES_MAX);
}

static void begin(struct script *script, uint8_t flags)
{
    static struct swim_options gossip; /* a crash opens the node once more */
    gossip = swim_options_fast();
    struct solo *solo = &script->solo;
    script->token = 0;
    solo_init(solo);
    solo->options.is_waiting = (flags & FLAG_WAITS) != 0;
    solo->options.join = solo->options.is_waiting ? NULL : "a2";
    solo->options.segment_bytes = SEGMENT_BYTES;
    solo->options.pending_max = 64;
    solo->options.io.gossip_packet = on_packet;
    solo->options.io.gossip_stream = on_stream;
    solo->options.gossip = (flags & FLAG_GOSSIPS) != 0 ? &gossip : NULL;
    solo->options.has_hints = true;
    solo_start(solo);
    if ((flags & (FLAG_JOINS | FLAG_WAITS)) != 0) {
        solo_work(solo);
        return;
    }
    solo_follow(solo);
    if ((flags & FLAG_LEADS) != 0) {
        (void)solo_lead(solo);
    }
    if ((flags & FLAG_INVITES) != 0) {
        int status = node_invite(solo->node, "a4", false, 1, solo->time);
        ASSERT(status == 0);
        solo_turn(solo);
    }
    solo_forget(solo);
}

/* Let a frame be one from `from` to this node. */
static void address(uint8_t *frame, node_id from)
{
    store_u64(frame + AT_FROM, from);
    if (wire_is_raft(frame[AT_TYPE])) {
        store_u64(frame + AT_TO, SOLO_SELF);
    }
}

static bool is_gossip(const uint8_t *data, size_t size_bytes)
{
    return size_bytes >= PACKET_HEADER_BYTES && data[0] == 'Q' && data[1] == 'S';
}

/* The same for what members say besides Raft. */
static void hear(struct script *script, enum operation operation, const uint8_t *data,
                 size_t size_bytes)
{
    struct solo *solo = &script->solo;
    const char *source = operation == OPERATION_FRAME_3 ? "a3" : "a2";
    struct chunk *chunk = fuzz_chunk(&solo->outside, data, size_bytes);
    uint32_t crc = crc32c(0, chunk->data, 4);
    store_u32(chunk->data + 4,
              crc32c(crc, chunk->data + PACKET_HEADER_BYTES, size_bytes - PACKET_HEADER_BYTES));
    if (operation == OPERATION_SEED) {
        node_gossip_stream(solo->node, 1, chunk->data, size_bytes, source, false, solo->time);
    } else {
        node_gossip_packet(solo->node, chunk->data, size_bytes, source,
                           operation == OPERATION_FRAME, solo->time);
    }
    if (node_swim(solo->node) != NULL) {
        swim_invariants(node_swim(solo->node));
    }
    chunk_drop(chunk);
}

/* Decode a frame, checksums made right, and hand it over. */
static void receive(struct script *script, enum operation operation, const uint8_t *data,
                    size_t size_bytes)
{
    static struct entry entries[WIRE_ENTRIES_MAX];
    struct solo *solo = &script->solo;
    struct wire_message message;
    node_id from = operation == OPERATION_FRAME_3 ? 3 : 2;
    if (size_bytes < WIRE_HEADER_BYTES) {
        return;
    }
    struct chunk *chunk = fuzz_chunk(&solo->outside, data, size_bytes);
    if (operation != OPERATION_SEED && size_bytes >= AT_TO + 8) {
        /* Who says that it is ourselves is let in by no hello. */
        node_id said = load_u64(chunk->data + AT_FROM);
        from = operation == OPERATION_FRAME && said != SOLO_SELF ? said : from;
        address(chunk->data, from);
    }
    fuzz_fix_frame(chunk->data, size_bytes);
    if (wire_decode(chunk, chunk->data, size_bytes, entries, &message) == 0) {
        if (operation == OPERATION_SEED) {
            node_seed_receive(solo->node, &message, solo->time);
        } else {
            solo_receive(solo, from, &message);
        }
    }
    chunk_drop(chunk);
}

static void crash(struct solo *solo)
{
    solo_crash(solo);
    memset(solo->proposals, 0, sizeof(solo->proposals));
    memset(solo->reads, 0, sizeof(solo->reads));
    memset(solo->changes, 0, sizeof(solo->changes));
    solo->failed_count = 0;
    solo_start(solo);
    solo_turn(solo);
}

static void ask(struct script *script, bool is_read)
{
    struct solo *solo = &script->solo;
    if (script->token == TOKENS_MAX) {
        return;
    }
    script->token++;
    int status = is_read ? solo_read(solo, script->token) : solo_propose(solo, script->token);
    ASSERT(status == 0 || status == QR_ERR_BUSY || status == QR_ERR_DISK_FULL ||
           status == QR_ERR_STOPPED);
}

static void talk_to_seed(struct solo *solo, bool is_ready)
{
    if (solo->dialed[0] == '\0') {
        return;
    }
    if (is_ready) {
        node_seed_ready(solo->node, solo->time);
    } else {
        node_seed_closed(solo->node, 0, "closed by the other end", solo->time);
    }
}

static void change(struct script *script, enum operation operation, unsigned number)
{
    struct solo *solo = &script->solo;
    switch (operation) {
    case OPERATION_PASS:
        solo_run(solo, number % STEP_MS_MAX);
        break;
    case OPERATION_WAIT:
        solo_wait(solo, number % STEP_MS_MAX);
        break;
    case OPERATION_WORK:
        solo_work(solo);
        break;
    case OPERATION_STEP:
        (void)disk_memory_step(&solo->disk);
        break;
    case OPERATION_PROPOSE:
    case OPERATION_READ:
        ask(script, operation == OPERATION_READ);
        break;
    case OPERATION_CRASH:
        crash(solo);
        break;
    case OPERATION_OBLIGE:
        solo_oblige(solo);
        break;
    case OPERATION_DIALED:
        if (number >= NUMBER_CLOSED) {
            node_member_closed(solo->node, 2 + number % 2, number / 2 % 2 == 0, solo->time);
        } else {
            talk_to_seed(solo, number % 2 == 0);
        }
        break;
    default:
        solo->is_apply_held = !solo->is_apply_held;
        if (!solo->is_apply_held && solo->is_batch_held) {
            solo_applied(solo, 0);
        }
        break;
    }
}

static void play(struct script *script, struct reader *reader)
{
    struct solo *solo = &script->solo;
    for (size_t i = 0; i < OPERATIONS_MAX && reader_left(reader) > 2; i++) {
        enum operation operation = read_u8(reader) % OPERATIONS;
        unsigned number = read_u16(reader);
        if (operation != OPERATION_OBLIGE) {
            solo_forget(solo);
        }
        if (operation <= OPERATION_SEED) {
            size_t length = min_u64(number, reader_left(reader));
            const uint8_t *bytes = read_bytes(reader, length);
            (is_gossip(bytes, length) ? hear : receive)(script, operation, bytes, length);
        } else {
            change(script, operation, number);
        }
        solo_turn(solo);
        ASSERT(solo->failed_count == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    static struct script script;
    struct reader reader = reader_of(data, size_bytes);
    uint8_t flags = read_u8(&reader);
    begin(&script, flags);
    play(&script, &reader);
    if ((flags & FLAG_CRASHES) != 0) {
        crash(&script.solo);
    }
    solo_deinit(&script.solo);
    return 0;
}
