/* transport_pair.c: two transports, each on a loop of its own, for tests. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/transport_pair.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "quorate/error.h"
#include "runtime/memory.h"
#include "support/unit.h"

static uint32_t version_of(const struct transport_side *side)
{
    return side->version == 0 ? WIRE_VERSION_MAX : side->version;
}

static void hello(void *context, bool has_expected, node_id expected, struct wire_hello *out)
{
    const struct transport_side *side = context;
    *out = (struct wire_hello){
        .version_min = WIRE_VERSION_MIN,
        .version_max = version_of(side),
        .cluster = side->cluster,
        .from = side->id,
        .has_expected = has_expected,
        .expected = expected,
    };
    (void)snprintf(out->address, sizeof(out->address), "%s", side->address);
}

static int hello_check(void *context, const struct wire_hello *said,
                       struct wire_hello_response *response)
{
    struct transport_side *side = context;
    *response = (struct wire_hello_response){
        .version = version_of(side), .cluster = side->cluster, .from = side->id};
    if (!cluster_id_is_none(said->cluster) && !cluster_id_is_none(side->cluster) &&
        !cluster_id_equal(said->cluster, side->cluster)) {
        side->refused_count++;
        response->status = QR_ERR_FOREIGN;
        (void)snprintf(response->reason, sizeof(response->reason), "another cluster");
    }
    return response->status;
}

static int hello_response_check(void *context, const struct wire_hello_response *response,
                                bool has_expected, node_id expected, const char **reason)
{
    struct transport_side *side = context;
    *reason = response->reason;
    if (response->status != 0 || (has_expected && response->from != expected)) {
        side->answered_no++;
        (void)snprintf(side->reason, sizeof(side->reason), "%s", response->reason);
        return QR_ERR_FOREIGN;
    }
    return 0;
}

static void received(void *context, node_id from, uint64_t connection,
                     const struct wire_message *message)
{
    struct transport_side *side = context;
    side->received_count++;
    side->received_from = from;
    side->received_connection = connection;
    if (message->type == RAFT_REQUEST_VOTE) {
        side->is_in_order = side->is_in_order && message->raft.term > side->last_term;
        side->last_term = message->raft.term;
    }
    for (size_t i = 0; side->keeps && i < message->entry_count; i++) {
        ASSERT(side->kept_count < TRANSPORT_PAIR_KEPT_MAX);
        chunk_hold(message->entries[i].chunk);
        side->kept[side->kept_count++] = message->entries[i];
    }
    if (side->keeps && message->type == RAFT_INSTALL_SNAPSHOT) {
        ASSERT(side->kept_data_count < TRANSPORT_PAIR_DATA_MAX);
        chunk_hold(message->raft.install_snapshot.data.chunk);
        side->kept_data[side->kept_data_count++] = message->raft.install_snapshot.data;
    }
}

static void seed_ready(void *context)
{
    ((struct transport_side *)context)->seed_ready_count++;
}

static void seed_received(void *context, const struct wire_message *message)
{
    struct transport_side *side = context;
    side->seed_received_count += message->type == WIRE_JOIN_RESPONSE ? 1 : 0;
    side->invited_count += message->type == WIRE_INVITE_RESPONSE ? 1 : 0;
}

static void seed_closed(void *context, int status, const char *reason)
{
    struct transport_side *side = context;
    side->seed_closed_count++;
    side->seed_status = status;
    (void)snprintf(side->reason, sizeof(side->reason), "%s", reason);
}

static void gossip_received(void *context, const struct transport_gossip *gossip)
{
    struct transport_side *side = context;
    ASSERT(gossip->size_bytes <= sizeof(side->gossip));
    side->gossip_count++;
    side->gossip_stream = gossip->stream;
    side->gossip_bytes = gossip->size_bytes;
    if (gossip->size_bytes > 0) {
        memcpy(side->gossip, gossip->data, gossip->size_bytes);
    }
    (void)snprintf(side->gossip_source, sizeof(side->gossip_source), "%s", gossip->source);
}

static void member_closed(void *context, node_id member, bool is_refused)
{
    struct transport_side *side = context;
    side->closed_member = member;
    side->closed_count += is_refused ? 0 : 1;
    side->refused_member_count += is_refused ? 1 : 0;
    side->closed_ns = is_refused ? side->closed_ns : runtime_now_ns();
    side->refused_ns = is_refused ? runtime_now_ns() : side->refused_ns;
}

static void log_write(void *context, const struct log_event *event)
{
    struct transport_side *side = context;
    struct text text = text_of(side->logged, sizeof(side->logged));
    side->disconnected_count += strcmp(event->name, "peer_disconnected") == 0 ? 1 : 0;
    if (event->level >= LOG_WARN) {
        log_event_text(event, &text);
        side->logged_count++;
    }
}

int transport_side_open(struct transport_side *side, const char *address)
{
    side->log = (struct log_sink){side, LOG_INFO, log_write};
    struct transport_options options = {
        .allocator = side->allocator == NULL ? &runtime_allocator : side->allocator,
        .log = &side->log,
        .keyring = side->keyring,
        .events = {side, hello, hello_check, hello_response_check, received, seed_ready,
                   seed_received, seed_closed, gossip_received, member_closed},
        .address = address,
        .seed = side->id,
        .frame_bytes_max = TRANSPORT_PAIR_FRAME_BYTES_MAX,
        .queue_bytes_max = TRANSPORT_PAIR_QUEUE_BYTES_MAX,
        .backoff_ns_max = 50 * NS_PER_MS,
        .idle_ns = side->idle_ns,
        .hello_timeout_ns = side->hello_timeout_ns == 0 ? 300 * NS_PER_MS : side->hello_timeout_ns,
    };
    int status = transport_open(&options, &side->transport, side->detail);
    if (status == 0) {
        (void)snprintf(side->address, sizeof(side->address), "127.0.0.1:%u",
                       transport_port(side->transport));
        transport_start(side->transport, &side->loop);
    }
    return status;
}

void transport_side_close(struct transport_side *side)
{
    if (side->transport != NULL) {
        transport_close(side->transport, NULL, NULL);
        side->transport = NULL;
    }
    uv_run(&side->loop, UV_RUN_DEFAULT);
}

struct keyring_key transport_pair_key(uint8_t number)
{
    struct keyring_key key;
    memset(key.bytes, number, sizeof(key.bytes));
    return key;
}

static struct keyring *keyring_of(uint8_t number)
{
    struct keyring_key key = transport_pair_key(number);
    struct keyring *keyring = NULL;
    if (number != 0) {
        assert_int_equal(keyring_new(&runtime_allocator, &key, 1, &keyring), 0);
    }
    return keyring;
}

int transport_pair_setup(void **state)
{
    return transport_pair_setup_keys(state, 0, 0);
}

int transport_pair_setup_sealed(void **state)
{
    return transport_pair_setup_keys(state, 1, 1);
}

int transport_pair_setup_keys(void **state, uint8_t a, uint8_t b)
{
    struct transport_pair *pair = calloc(1, sizeof(*pair));
    pair->a.id = 1;
    pair->b.id = 2;
    pair->a.cluster = (struct cluster_id){1, 2};
    pair->b.cluster = pair->a.cluster;
    pair->a.keyring = keyring_of(a);
    pair->b.keyring = keyring_of(b);
    pair->a.hello_timeout_ns = a != 0 ? TRANSPORT_PAIR_WAIT_NS : 0; /* sanitizers are slow */
    pair->b.hello_timeout_ns = pair->a.hello_timeout_ns;
    pair->a.is_in_order = true;
    pair->b.is_in_order = true;
    assert_int_equal(uv_loop_init(&pair->a.loop), 0);
    assert_int_equal(uv_loop_init(&pair->b.loop), 0);
    assert_int_equal(transport_side_open(&pair->a, "127.0.0.1:0"), 0);
    assert_int_equal(transport_side_open(&pair->b, "127.0.0.1:0"), 0);
    *state = pair;
    return 0;
}

int transport_pair_teardown(void **state)
{
    struct transport_pair *pair = *state;
    transport_side_close(&pair->a);
    transport_side_close(&pair->b);
    for (size_t i = 0; i < pair->b.kept_count; i++) {
        chunk_drop(pair->b.kept[i].chunk);
    }
    for (size_t i = 0; i < pair->b.kept_data_count; i++) {
        chunk_drop(pair->b.kept_data[i].chunk);
    }
    assert_int_equal(uv_loop_close(&pair->a.loop), 0);
    assert_int_equal(uv_loop_close(&pair->b.loop), 0);
    keyring_free(pair->a.keyring);
    keyring_free(pair->b.keyring);
    free(pair);
    return 0;
}

void transport_pair_step(struct transport_pair *pair)
{
    uv_run(&pair->a.loop, UV_RUN_NOWAIT);
    uv_run(&pair->b.loop, UV_RUN_NOWAIT);
}

void transport_pair_run_for(struct transport_pair *pair, uint64_t duration_ns)
{
    for (time_ns end_ns = runtime_now_ns() + duration_ns; runtime_now_ns() < end_ns;) {
        transport_pair_step(pair);
        usleep(1000);
    }
}

void transport_pair_join(struct transport_pair *pair)
{
    struct transport_peer b = {2, pair->b.address};
    transport_set_peers(pair->a.transport, &b, 1);
}

bool transport_side_is_connected(const struct transport_side *side, node_id id)
{
    struct transport_peer_state state;
    return transport_peer_state(side->transport, id, &state) && state.is_connected;
}

struct wire_frame *vote_frame(uint64_t term)
{
    struct raft_message message = {
        .type = RAFT_REQUEST_VOTE,
        .from = 1,
        .to = 2,
        .term = term,
    };
    struct wire_message wire = wire_of_raft(&message);
    return wire_encode(&runtime_allocator, &wire);
}

int transport_side_dial_raw(const struct transport_side *side)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)},
                                  .sin_port = htons(transport_port(side->transport))};
    int descriptor = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(descriptor, (struct sockaddr *)&address, sizeof(address)), 0);
    return descriptor;
}

bool socket_is_closed(int descriptor)
{
    char bytes[1024];
    ssize_t got = recv(descriptor, bytes, sizeof(bytes), MSG_DONTWAIT);
    while (got > 0) {
        got = recv(descriptor, bytes, sizeof(bytes), MSG_DONTWAIT);
    }
    return got == 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
}

size_t frame_flatten(struct wire_frame *frame, uint8_t *out)
{
    size_t length = 0;
    for (size_t i = 0; i < frame->part_count; i++) {
        memcpy(out + length, frame->parts[i].data, frame->parts[i].size_bytes);
        length += frame->parts[i].size_bytes;
    }
    wire_frame_free(frame);
    return length;
}

size_t transport_side_flat_hello(struct transport_side *side, uint8_t *out)
{
    struct wire_message message = {.type = WIRE_HELLO};
    hello(side, true, 2, &message.hello);
    return frame_flatten(wire_encode(&runtime_allocator, &message), out);
}
