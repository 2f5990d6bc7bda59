/* http_events.c: /events: what happens to members and leaders, as server-sent events.
 *
 * Owns     one membership handler of the engine while anybody listens.
 *
 * A listener is first told the present state, as an event `state`, and then each event as it comes:
 * between the two nothing is missed. Nothing is kept for a listener that is not there. What one
 * does not take waits up to LISTENER_UNSENT_BYTES_MAX; then, or when it takes nothing for as long
 * as a client may, it is dropped: whoever comes back is told the state again.
 * Format   docs/membership.md, "Events".
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "server/http_internal.h"

#define LISTENER_UNSENT_BYTES_MAX (512 * 1024)
#define LISTENER_SOCKET_BYTES (64 * 1024) /* of the kernel: what waits there does not count */
#define EVENT_BYTES (6 * (QR_NAME_BYTES_MAX + 3 * QR_ADDRESS_BYTES_MAX + QR_REASON_BYTES_MAX) + 512)
#define MEMBER_BYTES (6 * (QR_NAME_BYTES_MAX + 3 * QR_ADDRESS_BYTES_MAX) + 256)
#define STATE_BYTES (QR_MEMBERS_MAX * MEMBER_BYTES + 6 * 2 * QR_NAME_BYTES_MAX + 512)

static void json_string(struct text *text, const char *key, const char *value)
{
    text_json_key(text, key);
    text_json_string(text, value);
}

static void json_id(struct text *text, const char *key, uint64_t value)
{
    text_json_key(text, key);
    text_json_hex(text, value, 16);
}

static void json_number(struct text *text, const char *key, uint64_t value)
{
    text_json_key(text, key);
    text_json_u64(text, value);
}

/* "event: NAME", "data: JSON", and an empty line. */
static void frame_begin(struct text *text, const char *name)
{
    text_string(text, "event: ");
    text_string(text, name);
    text_string(text, "\ndata: ");
    text_json_object_begin(text);
    json_string(text, "type", name);
}

static void frame_end(struct text *text)
{
    text_json_object_end(text);
    text_string(text, "\n\n");
    ASSERT(!text->truncated);
}

static void append_event(const struct qr_membership_event *event, struct buffer *out)
{
    char data[EVENT_BYTES];
    struct text text = text_of(data, sizeof(data));

    frame_begin(&text, qr_membership_type_name(event->type));
    json_string(&text, "name", event->name);
    json_id(&text, "id", event->node_id);
    json_string(&text, "address", event->address);
    json_string(&text, "client", event->client_address);
    json_string(&text, "http", event->http_address);
    json_string(&text, "reason", event->reason);
    json_id(&text, "source", event->source_id);
    json_number(&text, "term", event->term);
    json_number(&text, "time_ms", event->time_ms);
    text_json_key(&text, "self");
    text_json_bool(&text, event->is_self);
    frame_end(&text);
    buffer_append(out, text.data, text.length);
}

static void append_state(struct server *server, struct buffer *out)
{
    const struct qr_status *status = server_status(server);
    uint8_t *room = buffer_reserve(out, STATE_BYTES);

    if (room == NULL) {
        return;
    }
    struct text text = text_of((char *)room, STATE_BYTES);
    frame_begin(&text, "state");
    json_string(&text, "node", status->name);
    json_id(&text, "id", status->node_id);
    json_string(&text, "leader", status->leader_name);
    json_number(&text, "term", status->leader_term);
    json_number(&text, "time_ms", status->time_ms);
    text_json_key(&text, "members");
    text_json_array_begin(&text);
    for (size_t i = 0; i < status->member_count; i++) {
        const struct qr_member *member = &status->members[i];
        text_json_object_begin(&text);
        json_string(&text, "name", member->name);
        json_id(&text, "id", member->id);
        json_string(&text, "address", member->address);
        json_string(&text, "kind", member_kind(member));
        json_string(&text, "health", qr_health_name(member->health));
        member_json_services(&text, member);
        text_json_object_end(&text);
    }
    text_json_array_end(&text);
    frame_end(&text);
    out->end += text.length;
}

static void drop(struct http_connection *connection, const char *reason)
{
    struct server *server = connection->server;
    char peer[QR_ADDRESS_BYTES_MAX];

    server->stats.listeners_dropped_count++;
    if (server_may_log(server, SERVER_LOG_LISTENER)) {
        listen_peer_text(&connection->handle, peer, sizeof(peer));
        qr_log(server->options.logger, QR_LOG_WARN, "events_listener_dropped", "client", peer,
               "reason", reason, NULL);
    }
    http_close(connection);
}

/* Send bytes, which are given, unless the listener is too far behind. */
static void tell(struct http_connection *connection, struct buffer *bytes)
{
    size_t unsent_bytes = connection->handle.write_queue_size;

    if (unsent_bytes > 0 && unsent_bytes + buffer_bytes(bytes) > LISTENER_UNSENT_BYTES_MAX) {
        buffer_free(bytes);
        drop(connection, "it does not take its events");
        return;
    }
    connection->told_ms = server_now_ms(connection->server);
    http_send(connection, bytes);
}

static void on_event(void *argument, const struct qr_membership_event *event)
{
    struct server *server = argument;
    struct http_connection *connection = server->http_connections;

    while (connection != NULL) {
        struct http_connection *next = connection->next; /* telling may close this one */
        if (connection->is_listener) {
            struct buffer bytes = {0};
            append_event(event, &bytes);
            server->stats.events_sent_count++;
            tell(connection, &bytes);
        }
        connection = next;
    }
}

bool http_events_are_wanted(const struct http_request *request)
{
    static const char path[] = "/events";

    return request->is_get && strcspn(request->url, "?#") == sizeof(path) - 1 &&
           memcmp(request->url, path, sizeof(path) - 1) == 0;
}

bool http_events_begin(struct http_connection *connection, struct buffer *answer)
{
    struct server *server = connection->server;
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                               "Cache-Control: no-store\r\nConnection: close\r\n\r\n"
                               "retry: 1000\n\n";
    int socket_bytes = LISTENER_SOCKET_BYTES;

    if (server->listener_count >= SERVER_LISTENERS_MAX) {
        return false;
    }
    if (server->listener_count == 0 &&
        qr_on_membership(server->options.engine, on_event, server, &server->listener_token) != 0) {
        return false;
    }
    server->listener_count++;
    server->stats.http_request_count++;
    connection->is_listener = true;
    (void)uv_send_buffer_size((uv_handle_t *)&connection->handle, &socket_bytes); /* a wish */
    buffer_append(answer, head, sizeof(head) - 1);
    append_state(server, answer);
    tell(connection, answer);
    return true;
}

void http_events_ended(struct http_connection *connection)
{
    struct server *server = connection->server;

    if (!connection->is_listener) {
        return;
    }
    ASSERT(server->listener_count > 0);
    connection->is_listener = false;
    server->listener_count--;
    if (server->listener_count == 0) {
        qr_remove_membership(server->options.engine, server->listener_token);
    }
}

void http_events_sweep(struct http_connection *connection, uint64_t now_ms)
{
    const struct server *server = connection->server;
    bool is_stuck = connection->handle.write_queue_size > 0 &&
                    now_ms - connection->active_ms > server->options.stall_timeout_ms;

    ASSERT(connection->is_listener);
    if (is_stuck) {
        drop(connection, "it takes nothing");
    } else if (now_ms - connection->told_ms >= server->options.events_heartbeat_ms) {
        struct buffer bytes = {0};
        buffer_append(&bytes, ": alive\n\n", 9);
        tell(connection, &bytes);
    }
}
