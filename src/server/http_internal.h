/* http_internal.h: an HTTP connection, for the files that make up the HTTP side. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_HTTP_INTERNAL_H
#define SERVER_HTTP_INTERNAL_H

#include <http_parser.h>

#include "server/http.h"
#include "server/internal.h"

struct http_connection {
    uv_tcp_t handle;
    uv_shutdown_t shutdown;
    http_parser parser;
    struct server *server;
    struct http_connection *next;
    struct http_connection *previous;
    uint64_t active_ms;    /* when a request was last answered */
    uint32_t header_bytes; /* of the request being read, its first line included */
    uint32_t url_bytes;
    char url[HTTP_URL_BYTES_MAX];
    unsigned refusal;           /* a status code: the request is not taken */
    const char *refusal_reason; /* static */
    bool is_listener;           /* of /events */
    uint64_t told_ms;           /* listener: when it was last sent anything */
    bool is_ending;             /* no request is taken any more */
    bool has_ended;             /* the client has closed its end */
    bool is_shut;
    bool is_closing;
};

/* http.c */
void http_close(struct http_connection *connection);

/* Send bytes, which are given. A connection that fails, or has too many unsent, is closed. */
void http_send(struct http_connection *connection, struct buffer *bytes);

/* http_events.c */
bool http_events_are_wanted(const struct http_request *request);

/* Make a listener of it, and tell it the present state. False: `answer` is refused for want of
 * room, and that is for http_answer() to say.
 */
bool http_events_begin(struct http_connection *connection, struct buffer *answer);

/* It is being closed. */
void http_events_ended(struct http_connection *connection);

/* Once in a sweep: show a listener that the node lives; drop one that takes nothing. */
void http_events_sweep(struct http_connection *connection, uint64_t now_ms);

#endif
