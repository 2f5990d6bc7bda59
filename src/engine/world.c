/* world.c: the node's messages and connections, joined to the transport. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "engine/internal.h"

static bool send_frame(void *context, node_id to, struct wire_frame *frame)
{
    struct qr_engine *engine = context;
    return transport_send(engine->transport, to, frame);
}

void engine_set_members(struct qr_engine *engine)
{
    const struct raft_configuration *configuration = node_configuration(engine->node);
    struct transport_peer peers[TRANSPORT_PEERS_MAX];
    char addresses[TRANSPORT_PEERS_MAX][QR_ADDRESS_BYTES_MAX];
    size_t count = 0;
    for (size_t i = 0; i < configuration->count; i++) {
        const struct raft_member *member = &configuration->members[i];
        if (member->id != engine->self) {
            ASSERT(count < TRANSPORT_PEERS_MAX);
            /* Where it says that it is, which may be news to the configuration. */
            struct text text = text_of(addresses[count], QR_ADDRESS_BYTES_MAX);
            text_string(&text, node_member_address(engine->node, member->id));
            peers[count] = (struct transport_peer){member->id, addresses[count]};
            count++;
        }
    }
    transport_set_peers(engine->transport, peers, count);
}

static void members(void *context, const struct raft_configuration *configuration)
{
    struct qr_engine *engine = context;
    (void)configuration;
    if (engine->node != NULL) { /* else it is just being opened, and asked for after that */
        engine_set_members(engine);
    }
}

static void dial_seed(void *context, const char *address)
{
    struct qr_engine *engine = context;
    transport_dial_seed(engine->transport, address);
}

static void send_seed(void *context, struct wire_frame *frame)
{
    struct qr_engine *engine = context;
    transport_send_seed(engine->transport, frame);
}

static void reply(void *context, uint64_t connection, struct wire_frame *frame)
{
    struct qr_engine *engine = context;
    transport_reply(engine->transport, connection, frame);
}

static void changed(void *context)
{
    engine_publish_role(context);
}

/* Who waits is told on the application's thread, see apply.c. */
static void isolated(void *context, bool is_isolated)
{
    struct qr_engine *engine = context;
    atomic_store(&engine->application.is_isolated, is_isolated);
}

static void failed(void *context, int status, const char *reason)
{
    engine_note_stop(context, status, reason);
}

struct node_io engine_node_io(struct qr_engine *engine)
{
    return (struct node_io){
        .context = engine,
        .send = send_frame,
        .members = members,
        .dial_seed = dial_seed,
        .send_seed = send_seed,
        .reply = reply,
        .apply = engine_apply,
        .wake_at = engine_wake_at,
        .machine = engine_machine(engine),
        .is_restore_busy = engine->application.is_on ? engine_is_restore_busy : NULL,
        .isolated = isolated,
        .snapshot_done = engine_snapshot_done,
        .backup_read = engine_backup_read,
        .proposal_done = engine_proposal_done,
        .read_done = engine_read_done,
        .change_done = engine_change_done,
        .gossip_packet = engine_gossip_packet,
        .gossip_stream = engine_gossip_stream,
        .gossip_news = engine_gossip_news,
        .changed = changed,
        .failed = failed,
    };
}

static void hello(void *context, bool has_expected, node_id expected, struct wire_hello *out)
{
    const struct qr_engine *engine = context;
    node_hello(engine->node, has_expected, expected, out);
}

static int hello_check(void *context, const struct wire_hello *said,
                       struct wire_hello_response *response)
{
    const struct qr_engine *engine = context;
    return node_hello_check(engine->node, said, response);
}

static int hello_response_check(void *context, const struct wire_hello_response *response,
                                bool has_expected, node_id expected, const char **reason)
{
    const struct qr_engine *engine = context;
    return node_hello_response_check(engine->node, response, has_expected, expected, reason);
}

static void received(void *context, node_id from, uint64_t connection,
                     const struct wire_message *message)
{
    struct qr_engine *engine = context;
    engine->in_node++;
    node_receive(engine->node, from, connection, message, engine_time());
    engine->in_node--;
    engine_mark(engine);
}

static void seed_ready(void *context)
{
    struct qr_engine *engine = context;
    engine->in_node++;
    node_seed_ready(engine->node, engine_time());
    engine->in_node--;
    engine_mark(engine);
}

static void seed_received(void *context, const struct wire_message *message)
{
    struct qr_engine *engine = context;
    engine->in_node++;
    node_seed_receive(engine->node, message, engine_time());
    engine->in_node--;
    engine_mark(engine);
}

static void seed_closed(void *context, int status, const char *reason)
{
    struct qr_engine *engine = context;
    engine->in_node++;
    node_seed_closed(engine->node, status, reason, engine_time());
    engine->in_node--;
    engine_mark(engine);
}

struct transport_events engine_transport_events(struct qr_engine *engine)
{
    return (struct transport_events){
        .context = engine,
        .hello = hello,
        .hello_check = hello_check,
        .hello_response_check = hello_response_check,
        .received = received,
        .seed_ready = seed_ready,
        .seed_received = seed_received,
        .seed_closed = seed_closed,
        .gossip_received = engine_gossip_received,
        .member_closed = engine_member_closed,
    };
}
