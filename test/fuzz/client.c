/* client.c: fuzzes a whole Redis connection: parser, dispatch, commands, pipeline, replies.
 *
 * Input    flags, then a stream for two clients with commands in it (world.h):
 *            0        send what was gathered, and turn
 *            1        go on with the other client
 *            2 p s    the engine ends its request p with status s
 *            3 n      the client takes some of what is written to it
 *            4        an entry comes from another node
 *            5 r      leadership, as in the flags
 *            6, 7     the client closes its end; it is gone
 * Asserts  that what a client receives are whole replies, one for each command it sent; that
 *          nothing is left over; the store's invariants.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "fuzz/replies.h"
#include "fuzz/world.h"
#include "server/resp.h"

#define FLAG_MANUAL 1  /* the engine ends nothing by itself */
#define FLAG_NARROW 2  /* a socket takes few bytes at a time */
#define FLAG_FOLLOW 4  /* another node leads */
#define FLAG_NOBODY 8  /* nobody does */
#define FLAG_SMALL 16  /* the limits are low */
#define FLAG_REFUSE 32 /* the engine takes nothing */
#define FLAG_CROWD 64  /* the cluster is full */

#define PEERS 2
#define STREAM_BYTES_MAX (128 * 1024)
#define NARROW_BYTES 64
#define SETTLE_TURNS_MAX 4096
#define DIGITS_MAX 5 /* of any number beside SETRANGE: values of 32 MiB are slow */

/* One client, as it sees itself. */
struct peer {
    struct fake_socket *socket;
    uint8_t sent[STREAM_BYTES_MAX];
    size_t sent_bytes;
    size_t gathered_bytes; /* of them, not sent yet */
    bool is_cut;           /* it went away, or was not read: replies may be missing */
};

struct script {
    struct world world;
    struct peer peers[PEERS];
    size_t present;
    uint64_t message_bytes_max;
    bool is_over; /* it asks for what is too slow */
};

static void set_leader(struct script *script, uint8_t flags)
{
    struct qr_status *status = &script->world.engine.status;
    bool is_leader = (flags & (FLAG_FOLLOW | FLAG_NOBODY)) == 0;
    status->role = is_leader ? QR_LEADER : QR_FOLLOWER;
    status->has_leader = (flags & FLAG_NOBODY) == 0;
    status->leader_id = is_leader ? 1 : 2;
    memcpy(status->leader_name, is_leader ? "n1" : "n2", 3);
    const char *meta = is_leader ? "client=127.0.0.1:7701" : "client=[::1]:7801 http=h:7";
    memcpy(status->leader_meta, meta, strlen(meta) + 1);
}

static void begin(struct script *script, uint8_t flags)
{
    struct server_options options = world_options();
    if ((flags & FLAG_SMALL) != 0) {
        options.max_message_bytes = 1024;
        options.output_bytes_max = 65536;
        options.pipeline_bytes_max = 65536;
        options.pipeline_commands_max = 3;
    }
    world_init(&script->world, &options);
    fake_engine_add_member(&script->world.engine, 2, "n2", "client=[::1]:7801 http=h:7");
    if ((flags & FLAG_CROWD) != 0) {
        world_crowd(&script->world);
    }
    script->message_bytes_max = options.max_message_bytes;
    script->present = 0;
    script->is_over = false;
    script->world.engine.is_automatic = (flags & FLAG_MANUAL) == 0;
    script->world.engine.refusal = (flags & FLAG_REFUSE) != 0 ? QR_ERR_BUSY : 0;
    set_leader(script, flags);
    for (size_t i = 0; i < PEERS; i++) {
        struct peer *peer = &script->peers[i];
        peer->sent_bytes = 0;
        peer->gathered_bytes = 0;
        peer->is_cut = false;
        peer->socket = fake_socket_connect(WORLD_REDIS);
        peer->socket->room_bytes =
            (flags & FLAG_NARROW) != 0 ? NARROW_BYTES : peer->socket->room_bytes;
    }
}

/* Whether the stream holds both SETRANGE and a large number. */
static bool is_slow(const struct peer *peer)
{
    static const char name[] = "setrange";
    size_t matched = 0;
    size_t digits = 0;
    size_t digits_most = 0;
    bool has_name = false;
    for (size_t i = 0; i < peer->sent_bytes; i++) {
        int c = tolower(peer->sent[i]);
        matched = c == name[matched] ? matched + 1 : c == name[0];
        has_name = has_name || matched == sizeof(name) - 1;
        matched %= sizeof(name) - 1;
        digits = c >= '0' && c <= '9' ? digits + 1 : 0;
        digits_most = max_u64(digits_most, digits);
    }
    return has_name && digits_most > DIGITS_MAX;
}

static void send_gathered(struct script *script, struct peer *peer)
{
    if (is_slow(peer)) {
        script->is_over = true;
        peer->sent_bytes -= peer->gathered_bytes;
        peer->gathered_bytes = 0;
        return;
    }
    for (size_t turn = 0; peer->gathered_bytes > 0 && turn < 4; turn++) {
        const uint8_t *from = peer->sent + peer->sent_bytes - peer->gathered_bytes;
        peer->gathered_bytes -= fake_socket_send(peer->socket, from, peer->gathered_bytes);
        if (peer->gathered_bytes > 0) {
            world_turn(&script->world);
        }
    }
    /* The server reads no more for now, and who sends must wait. */
    world_turn(&script->world);
}

static void end_request(struct script *script, struct reader *reader)
{
    static const int statuses[] = {0,
                                   QR_ERR_NO_LEADER,
                                   QR_ERR_BUSY,
                                   QR_ERR_SUPERSEDED,
                                   QR_ERR_DISK_FULL,
                                   QR_ERR_STOPPED,
                                   QR_ERR_TIMEOUT};
    struct qr_engine *engine = &script->world.engine;
    size_t position = read_u8(reader);
    int status = statuses[read_u8(reader) % (sizeof(statuses) / sizeof(statuses[0]))];
    if (engine->waiting_count > 0) {
        fake_engine_end(engine, position % engine->waiting_count, status);
        world_turn(&script->world);
    }
}

static void end_peer(struct peer *peer, int status)
{
    bool is_told = peer->socket->stream != NULL && fake_socket_end(peer->socket, status);
    peer->is_cut = peer->is_cut || is_told;
}

static void take_command(struct script *script, uint8_t command, struct reader *reader)
{
    struct peer *peer = &script->peers[script->present];
    switch (command % 8) {
    case 0:
        send_gathered(script, peer);
        break;
    case 1:
        script->present = (script->present + 1) % PEERS;
        break;
    case 2:
        end_request(script, reader);
        break;
    case 3:
        fake_socket_give_room(peer->socket, (size_t)read_u8(reader) * NARROW_BYTES);
        world_turn(&script->world);
        break;
    case 4:
        fake_engine_apply(&script->world.engine, "line", "payload", 7);
        world_turn(&script->world);
        break;
    case 5:
        set_leader(script, read_u8(reader));
        break;
    default:
        send_gathered(script, peer);
        end_peer(peer, command % 8 == 6 ? UV_EOF : UV_ECONNRESET);
        world_turn(&script->world);
        break;
    }
}

static void play(struct script *script, const uint8_t *data, size_t size_bytes)
{
    struct reader reader = reader_of(data, size_bytes);
    struct world_step step;
    while (!script->is_over && world_step(&reader, &step)) {
        struct peer *peer = &script->peers[script->present];
        if (step.is_command) {
            take_command(script, step.value, &reader);
        } else if (peer->sent_bytes < sizeof(peer->sent)) {
            peer->sent[peer->sent_bytes++] = step.value;
            peer->gathered_bytes++;
        }
    }
}

/* Let all that waits end well, and be taken. */
static void settle(struct script *script)
{
    struct qr_engine *engine = &script->world.engine;
    size_t sent_bytes;
    size_t turn = 0;
    engine->refusal = 0;
    do {
        sent_bytes = 0;
        while (engine->waiting_count > 0) {
            fake_engine_end(engine, 0, 0);
        }
        for (size_t i = 0; i < PEERS; i++) {
            struct peer *peer = &script->peers[i];
            const uint8_t *from = peer->sent + peer->sent_bytes - peer->gathered_bytes;
            size_t count =
                script->is_over ? 0 : fake_socket_send(peer->socket, from, peer->gathered_bytes);
            fake_socket_give_room(peer->socket, FAKE_OUTPUT_BYTES_MAX);
            peer->gathered_bytes -= count;
            sent_bytes += count;
        }
        for (size_t i = 0; i < 4; i++) {
            world_turn(&script->world);
        }
        ASSERT(turn++ < SETTLE_TURNS_MAX);
    } while (sent_bytes > 0 || engine->waiting_count > 0);
}

static bool is_word(const struct kv_argument *argument, const char *word)
{
    const uint8_t *bytes = argument->data;
    if (argument->size_bytes != strlen(word)) {
        return false;
    }
    for (size_t i = 0; i < argument->size_bytes; i++) {
        if (toupper(bytes[i]) != word[i]) {
            return false;
        }
    }
    return true;
}

/* What is due for the stream that was taken. */
struct due {
    size_t count;  /* of replies */
    bool is_ended; /* the server takes no more behind these */
    bool is_tail;  /* and gets entries that it did not ask for */
};

static void count_command(const struct resp_parser *parser, uint8_t first_byte, struct due *due)
{
    if (parser->argument_count == 0) {
        return;
    }
    const struct kv_argument *name = &parser->arguments[0];
    due->count++;
    due->is_tail = due->is_tail || is_word(name, "QUORATE.TAIL");
    due->is_ended = (is_word(name, "QUIT") && parser->argument_count >= 1) ||
                    (first_byte != '*' && (is_word(name, "POST") || is_word(name, "HOST:")));
}

static struct due count_due(const struct script *script, const struct peer *peer)
{
    struct due due = {.count = 0};
    struct resp_parser parser;
    size_t at = 0;
    size_t taken_bytes = peer->sent_bytes - peer->gathered_bytes;
    enum resp_outcome outcome = RESP_COMMAND;
    resp_parser_init(&parser, script->message_bytes_max);
    while (!due.is_ended && at < taken_bytes) {
        size_t consumed;
        outcome = resp_parse(&parser, peer->sent + at, taken_bytes - at, &consumed);
        if (outcome == RESP_MORE) {
            break;
        }
        due.count += outcome != RESP_COMMAND;
        due.is_ended = outcome == RESP_ERROR;
        if (outcome == RESP_COMMAND) {
            count_command(&parser, peer->sent[at], &due);
        }
        at += consumed;
    }
    resp_parser_deinit(&parser);
    return due;
}

static void check(const struct script *script, const struct peer *peer)
{
    const struct fake_socket *socket = peer->socket;
    struct due due = count_due(script, peer);
    size_t count = 0;
    size_t left = replies_count(socket->output, socket->output_bytes, &count);
    bool is_gone = socket->stream == NULL || socket->is_closing;
    /* Who was cut off may have got part of a reply. */
    ASSERT_IMPLIES(!is_gone, left == 0);
    ASSERT_IMPLIES(!due.is_tail, count <= due.count);
    ASSERT_IMPLIES(!is_gone && !peer->is_cut, count >= due.count);
    ASSERT_IMPLIES(due.is_ended && !is_gone, socket->is_shut);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    static struct script script;
    if (size_bytes == 0) {
        return 0;
    }
    begin(&script, data[0]);
    play(&script, data + 1, size_bytes - 1);
    settle(&script);
    for (size_t i = 0; i < PEERS; i++) {
        check(&script, &script.peers[i]);
        fake_socket_release(script.peers[i].socket);
    }
    world_deinit(&script.world);
    return 0;
}
