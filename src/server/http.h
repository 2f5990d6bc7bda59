/* http.h: answers of the HTTP side, apart from its connections. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_HTTP_H
#define SERVER_HTTP_H

#include "server/buffer.h"
#include "server/server.h"

#define HTTP_URL_BYTES_MAX 1024

struct http_request {
    const char *url; /* with its query, which is not looked at */
    bool is_get;
    bool is_head; /* as GET, without the body */
    bool keeps_alive;
};

/* Append the answer to a request. */
void http_answer(struct server *server, const struct http_request *request, struct buffer *out);

/* Append an answer to bytes that are no request this server takes, after which the
 * connection is closed: `code` and `reason` as HTTP has them.
 */
void http_refuse(unsigned code, const char *reason, struct buffer *out);

#endif
