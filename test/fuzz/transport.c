/* transport.c: fuzzes what a node makes of the bytes that come in on its connections.
 *
 * Input    flags, then operations: a byte that names it, a length (u16), and so many bytes.
 * Asserts  that the messages told are those that stand in the stream, in order, however it was
 *          cut, and none behind what must end a connection (docs/wire-format.md); that nobody is
 *          heard before its hello, and of a stranger only joins; that the records of entries that
 *          were kept do not change; that what is sent are whole frames.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/transport.h"

#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "fuzz/fuzz.h"
#include "fuzz/transport_link.h"
#include "quorate/error.h"

#define FLAG_PIECES 7 /* bytes at a time: 1, 8, 64 … */
#define QUEUE_BYTES_MAX 4096
#define AGAIN_MAX 64
#define PIECE_BYTES_MIN 64 /* where there are many bytes */
#define LINKS_MAX 16
#define KEPT_MAX 64
#define SEED_PORT 99
#define GOSSIP_PORT 98
#define TURNS_MAX 64

enum operation {
    OPERATION_FRAME, /* send these bytes as a frame, checksums made right */
    OPERATION_BYTES, /* send them as they are */
    OPERATION_CONNECT,
    OPERATION_SWITCH,
    OPERATION_END,
    OPERATION_LOSE,
    OPERATION_ROOM,
    OPERATION_SEND,
    OPERATION_REPLY,
    OPERATION_ANSWER, /* a connection that was dialed */
    OPERATION_PEERS,
    OPERATION_SEED,
    OPERATION_FULL,  /* the socket takes no more */
    OPERATION_AGAIN, /* send the frame that was sent last so many times more */
    OPERATION_LARGE, /* send a frame with one entry of that many times two bytes */
    OPERATIONS,
};

struct kept {
    struct chunk *chunk;
    const uint8_t *record;
    uint32_t record_bytes;
    uint32_t checksum;
};

struct script {
    struct heap heap;
    struct transport *transport;
    struct link *links[LINKS_MAX];
    size_t link_count;
    size_t present;
    size_t speaking; /* which one's bytes are being taken */
    uint64_t connection;
    struct kept kept[KEPT_MAX];
    size_t kept_count;
    uint8_t last[LINK_FRAME_BYTES_MAX]; /* the frame sent last */
    size_t last_bytes;
    bool is_closed;
};

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

static void turn(void)
{
    fake_sockets_run();
    (void)uv_run(loop_of_all(), UV_RUN_NOWAIT);
}

static void on_hello(void *context, bool has_expected, node_id expected, struct wire_hello *out)
{
    (void)context;
    *out = (struct wire_hello){
        .version_min = 1,
        .version_max = 2,
        .cluster = {7, 7},
        .from = 1,
        .has_expected = has_expected,
        .expected = expected,
        .name = "n1",
        .address = "127.0.0.1:1",
    };
}

/* As link_judge() has it. */
static int on_hello_check(void *context, const struct wire_hello *hello,
                          struct wire_hello_response *response)
{
    (void)context;
    *response = (struct wire_hello_response){
        .status = hello->version_max % 2 == 1 ? 0 : QR_ERR_FOREIGN, .version = 2, .from = 1};
    if (hello->version_max % 4 == 1) {
        response->cluster = (struct cluster_id){7, 7}; /* else in none: it may be invited */
    }
    return response->status;
}

static int on_hello_response_check(void *context, const struct wire_hello_response *response,
                                   bool has_expected, node_id expected, const char **reason)
{
    (void)context;
    (void)has_expected;
    (void)expected;
    *reason = response->reason;
    return response->status > 0 ? QR_ERR_FOREIGN : response->status;
}

/* Hold one entry's chunk, as a log would. */
static void keep(struct script *script, const struct wire_message *message)
{
    if (message->entry_count == 0 || script->kept_count == KEPT_MAX) {
        return;
    }
    const struct entry *entry = &message->entries[message->entry_count - 1];
    script->kept[script->kept_count++] = (struct kept){
        .chunk = chunk_hold(entry->chunk),
        .record = entry->record,
        .record_bytes = entry->record_bytes,
        .checksum = crc32c(0, entry->record, entry->record_bytes),
    };
}

static void take_told(struct script *script, const struct wire_message *message)
{
    link_tell(script->links[script->speaking], &script->heap, message);
    keep(script, message);
}

static void on_received(void *context, node_id from, uint64_t connection,
                        const struct wire_message *message)
{
    struct script *script = context;
    (void)from;
    ASSERT(!script->links[script->speaking]->is_seed);
    script->connection = connection;
    take_told(script, message);
}

static void on_seed_ready(void *context)
{
    const struct script *script = context;
    ASSERT(script->links[script->speaking]->is_seed);
}

static void on_seed_received(void *context, const struct wire_message *message)
{
    struct script *script = context;
    ASSERT(script->links[script->speaking]->is_seed);
    take_told(script, message);
}

static void on_seed_closed(void *context, int status, const char *reason)
{
    (void)context;
    ASSERT(status <= 0);
    ASSERT(reason != NULL);
}

static void on_gossip(void *context, const struct transport_gossip *gossip)
{
    struct script *script = context;
    ASSERT(gossip->size_bytes <= WIRE_GOSSIP_BYTES_MAX);
    ASSERT(!script->links[script->speaking]->is_seed);
    script->connection = gossip->stream;
    struct chunk *chunk = fuzz_chunk(&script->heap, gossip->data, gossip->size_bytes);
    struct raft_data data = {chunk, chunk->data, (uint32_t)gossip->size_bytes};
    struct wire_message message = {.type = WIRE_GOSSIP, .gossip = {.data = data}};
    take_told(script, &message);
    chunk_drop(chunk);
}

static void on_member_closed(void *context, node_id member, bool is_refused)
{
    (void)context;
    (void)is_refused;
    ASSERT(member >= 2 && member <= 4); /* nobody else is a peer */
}

static void begin(struct script *script)
{
    char detail[TRANSPORT_DETAIL_BYTES];
    *script = (struct script){.present = 0};
    heap_init(&script->heap);
    fake_sockets_reset();
    struct transport_options options = {
        .allocator = &script->heap.allocator,
        .events = {script, on_hello, on_hello_check, on_hello_response_check, on_received,
                   on_seed_ready, on_seed_received, on_seed_closed, on_gossip, on_member_closed},
        .address = "127.0.0.1:0",
        .seed = 1,
        .frame_bytes_max = LINK_FRAME_BYTES_MAX,
        .queue_bytes_max = QUEUE_BYTES_MAX,
        .hello_timeout_ns = 3600 * NS_PER_S,
    };
    int status = transport_open(&options, &script->transport, detail);
    ASSERT(status == 0);
    transport_start(script->transport, loop_of_all());
}

static struct link *add_link(struct script *script, struct fake_socket *socket)
{
    struct link *link = calloc(1, sizeof(*link));
    ASSERT(link != NULL);
    link->socket = socket;
    script->present = script->link_count;
    script->links[script->link_count++] = link;
    return link;
}

/* Let the bytes come in, so many at a time. */
static void send_bytes(struct script *script, const uint8_t *data, size_t size_bytes,
                       size_t piece_bytes)
{
    if (script->link_count == 0) {
        return;
    }
    struct link *link = script->links[script->present];
    script->speaking = script->present;
    if (link_is_gone(link) || size_bytes > LINK_STREAM_BYTES_MAX - link->stream_bytes ||
        link->told_count > LINK_TOLD_MAX / 2) {
        return;
    }
    memcpy(link->stream + link->stream_bytes, data, size_bytes);
    link->stream_bytes += size_bytes;
    size_t sent = 0;
    while (sent < size_bytes && !link_is_gone(link)) {
        size_t count = min_u64(piece_bytes, size_bytes - sent);
        size_t taken = fake_socket_send(link->socket, data + sent, count);
        ASSERT(taken == count || link_is_gone(link));
        sent += count;
    }
    link_judge(link, &script->heap);
}

static void send_frame(struct script *script, const uint8_t *data, size_t size_bytes,
                       size_t piece_bytes)
{
    if (size_bytes > sizeof(script->last)) {
        return;
    }
    if (size_bytes > 0 && data != script->last) {
        memcpy(script->last, data, size_bytes);
    }
    script->last_bytes = size_bytes;
    fuzz_fix_frame(script->last, size_bytes);
    send_bytes(script, script->last, size_bytes, piece_bytes);
}

/* A frame of append_entries with one entry. */
static void send_large(struct script *script, size_t payload_bytes, size_t piece_bytes)
{
    static const uint8_t payload[2 * UINT16_MAX];
    struct wire_message message = {.type = RAFT_APPEND_ENTRIES};
    struct entry_fields fields = {
        .index = 1,
        .term = 1,
        .type = ENTRY_NORMAL,
        .payload = payload,
        .payload_bytes = (uint32_t)payload_bytes,
    };
    struct entry_arena arena;
    struct entry entry;
    entry_arena_init(&arena, &script->heap.allocator);
    int status = entry_arena_encode(&arena, &fields, &entry);
    ASSERT(status == 0);
    message.raft.type = RAFT_APPEND_ENTRIES;
    message.entries = &entry;
    message.entry_count = 1;
    struct wire_frame *frame = wire_encode(&script->heap.allocator, &message);
    ASSERT(frame != NULL);
    uint8_t *bytes = malloc(frame->frame_bytes);
    size_t used = 0;
    ASSERT(bytes != NULL);
    for (size_t i = 0; i < frame->part_count; i++) {
        memcpy(bytes + used, frame->parts[i].data, frame->parts[i].size_bytes);
        used += frame->parts[i].size_bytes;
    }
    send_frame(script, bytes, used, piece_bytes);
    free(bytes);
    wire_frame_free(frame);
    chunk_drop(entry.chunk);
    entry_arena_deinit(&arena);
}

static void answer_dialed(struct script *script, bool is_accepted)
{
    struct fake_socket *socket = fake_socket_dialed();
    if (socket == NULL || script->link_count == LINKS_MAX) {
        return;
    }
    struct link *link = add_link(script, socket);
    link->is_seed = socket->dialed_port == SEED_PORT;
    link->is_gossip = socket->dialed_port == GOSSIP_PORT;
    link->state = is_accepted ? LINK_HELLO : LINK_OVER;
    script->speaking = script->present;
    fake_socket_answer(socket, is_accepted ? 0 : UV_ECONNREFUSED);
}

static struct wire_frame *frame_for(struct script *script, node_id to)
{
    struct wire_message message = {.type = RAFT_APPEND_ENTRIES_RESPONSE};
    message.raft.type = RAFT_APPEND_ENTRIES_RESPONSE;
    message.raft.from = 1;
    message.raft.to = to;
    struct wire_frame *frame = wire_encode(&script->heap.allocator, &message);
    ASSERT(frame != NULL);
    return frame;
}

/* Peers 2 and on, one for each bit. */
static void set_peers(struct script *script, unsigned bits)
{
    static const char *const addresses[] = {"127.0.0.1:2", "127.0.0.1:3", "[::1]:4"};
    struct transport_peer peers[3];
    size_t count = 0;
    for (size_t i = 0; i < 3; i++) {
        if ((bits >> i & 1) != 0) {
            peers[count++] = (struct transport_peer){i + 2, addresses[i]};
        }
    }
    transport_set_peers(script->transport, peers, count);
}

static void end_link(const struct script *script, int status)
{
    if (script->link_count > 0 && !link_is_gone(script->links[script->present])) {
        (void)fake_socket_end(script->links[script->present]->socket, status);
    }
}

static void give_room(const struct script *script, size_t size_bytes)
{
    if (script->link_count > 0) {
        fake_socket_give_room(script->links[script->present]->socket, size_bytes);
    }
}

/* On a stream of its own to `address`, or back on the one that spoke last. */
static void send_gossip(struct script *script, const char *address)
{
    static const uint8_t bytes[100];
    (void)transport_gossip(script->transport, address, script->connection, bytes, sizeof(bytes));
}

/* An operation about a number. */
static void change(struct script *script, enum operation operation, unsigned number)
{
    struct transport *transport = script->transport;
    switch (operation) {
    case OPERATION_CONNECT:
        if (script->link_count < LINKS_MAX) {
            add_link(script, fake_socket_connect(0))->is_incoming = true;
        }
        break;
    case OPERATION_SWITCH:
        script->present = script->link_count == 0 ? 0 : number % script->link_count;
        break;
    case OPERATION_END:
        end_link(script, UV_EOF);
        break;
    case OPERATION_LOSE:
        end_link(script, UV_ECONNRESET);
        break;
    case OPERATION_ROOM:
        give_room(script, (size_t)number * 16);
        break;
    case OPERATION_SEND:
        (void)transport_send(transport, number % 5, frame_for(script, number % 5));
        break;
    case OPERATION_REPLY:
        if (number % 2 == 0) {
            transport_reply(transport, script->connection, frame_for(script, 2));
        } else {
            send_gossip(script, number % 4 == 1 ? NULL : "127.0.0.1:98");
        }
        break;
    case OPERATION_ANSWER:
        answer_dialed(script, number % 4 != 0);
        break;
    case OPERATION_PEERS:
        set_peers(script, number);
        break;
    case OPERATION_SEED:
        transport_dial_seed(transport, number % 2 == 0 ? NULL : "127.0.0.1:99");
        break;
    default:
        if (script->link_count > 0) {
            script->links[script->present]->socket->room_bytes = 0;
        }
        break;
    }
    transport_flush(transport);
}

static void play(struct script *script, const uint8_t *data, size_t size_bytes)
{
    struct reader reader = reader_of(data, size_bytes);
    size_t piece_bytes = (size_t)1 << 3 * (read_u8(&reader) & FLAG_PIECES);
    while (reader_left(&reader) > 2) {
        enum operation operation = read_u8(&reader) % OPERATIONS;
        unsigned number = read_u16(&reader);
        if (operation == OPERATION_FRAME || operation == OPERATION_BYTES) {
            size_t length = min_u64(number, reader_left(&reader));
            const uint8_t *bytes = read_bytes(&reader, length);
            (operation == OPERATION_FRAME ? send_frame : send_bytes)(script, bytes, length,
                                                                     piece_bytes);
        } else if (operation == OPERATION_LARGE) {
            send_large(script, 2 * (size_t)number, max_u64(piece_bytes, PIECE_BYTES_MIN));
        } else if (operation == OPERATION_AGAIN) {
            for (size_t i = 0; i < number % AGAIN_MAX; i++) {
                send_frame(script, script->last, script->last_bytes,
                           max_u64(piece_bytes, PIECE_BYTES_MIN));
            }
        } else {
            change(script, operation, number);
        }
        turn();
    }
}

static void on_closed(void *argument)
{
    struct script *script = argument;
    script->is_closed = true;
}

static void end(struct script *script)
{
    for (size_t i = 0; i < script->kept_count; i++) {
        const struct kept *kept = &script->kept[i];
        ASSERT(crc32c(0, kept->record, kept->record_bytes) == kept->checksum);
        chunk_drop(kept->chunk);
    }
    for (size_t i = 0; i < script->link_count; i++) {
        link_check_output(script->links[i], &script->heap);
        fake_socket_release(script->links[i]->socket);
        free(script->links[i]);
    }
    transport_close(script->transport, on_closed, script);
    for (size_t i = 0; uv_loop_alive(loop_of_all()) != 0; i++) {
        ASSERT(i < TURNS_MAX);
        turn();
    }
    ASSERT(script->is_closed);
    heap_deinit(&script->heap);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    static struct script script;
    begin(&script);
    play(&script, data, size_bytes);
    end(&script);
    return 0;
}
