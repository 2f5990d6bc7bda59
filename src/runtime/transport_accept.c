/* transport_accept.c: who comes in. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "runtime/transport_internal.h"

/* When there are too many: of those that have not said who they are, the one that has had
 * the longest to say it; else the one that came last. A member speaks at once, and gets in.
 */
static void make_room(struct transport *transport, struct connection *last)
{
    struct connection *given_up = last;
    struct connection *connection = transport->connections; /* the latest first */
    for (; connection != NULL; connection = connection->next) {
        if (connection->kind == CONNECTION_INCOMING && connection->state == CONNECTION_HELLO) {
            given_up = connection;
        }
    }
    uint64_t suppressed = 0;
    if (transport_may_log(&transport->crowded, &suppressed)) {
        LOG(transport->options.log, LOG_WARN, "peer_connections_full",
            log_string("address", given_up->address), log_u64("limit", TRANSPORT_INCOMING_MAX),
            log_u64("suppressed", suppressed));
    }
    connection_discard(given_up);
}

bool transport_accept(void *context, struct stream *stream, const char *source)
{
    struct transport *transport = context;
    struct connection *connection = connection_new(transport, CONNECTION_INCOMING, stream);
    if (connection == NULL) {
        return false;
    }
    struct text text = text_of(connection->address, sizeof(connection->address));
    text_string(&text, source);
    if (transport->incoming_count > TRANSPORT_INCOMING_MAX) {
        make_room(transport, connection);
    }
    if (connection->state != CONNECTION_CLOSED) {
        connection_begin(connection);
    }
    transport_arm(transport);
    return true;
}
