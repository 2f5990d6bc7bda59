/* http_get.c: one HTTP/1.1 GET, waited for. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/http_get.h"

#include <http_parser.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "cli/cli.h"

#define RECEIVE_BYTES 16384
#define REQUEST_BYTES_MAX 512

struct response {
    struct http_body body;
    size_t capacity;
    int status; /* QR_ERR_* */
    bool is_complete;
};

static int body_came(http_parser *parser, const char *data, size_t size_bytes)
{
    struct response *response = parser->data;
    size_t needed = response->body.size_bytes + size_bytes + 1;
    if (needed > HTTP_BODY_BYTES_MAX) {
        response->status = QR_ERR_MALFORMED;
        return 1;
    }
    if (needed > response->capacity) {
        char *grown = realloc(response->body.data, needed * 2);
        if (grown == NULL) {
            response->status = QR_ERR_NO_MEMORY;
            return 1;
        }
        response->body.data = grown;
        response->capacity = needed * 2;
    }
    memcpy(response->body.data + response->body.size_bytes, data, size_bytes);
    response->body.size_bytes += size_bytes;
    response->body.data[response->body.size_bytes] = '\0';
    return 0;
}

static int message_ended(http_parser *parser)
{
    struct response *response = parser->data;
    response->is_complete = true;
    return 0;
}

static int receive_all(int descriptor, time_ns deadline, struct response *response)
{
    static const http_parser_settings settings = {.on_body = body_came,
                                                  .on_message_complete = message_ended};
    http_parser parser;
    http_parser_init(&parser, HTTP_RESPONSE);
    parser.data = response;
    while (!response->is_complete) {
        char bytes[RECEIVE_BYTES];
        ssize_t count = recv(descriptor, bytes, sizeof(bytes), 0);
        if (count < 0 || cli_clock_ns() > deadline) {
            return QR_ERR_ADDRESS;
        }
        size_t parsed = http_parser_execute(&parser, &settings, bytes, (size_t)count);
        if (parsed != (size_t)count && !response->is_complete) {
            return response->status != 0 ? response->status : QR_ERR_MALFORMED;
        }
        if (count == 0 && !response->is_complete) {
            return QR_ERR_MALFORMED;
        }
    }
    return parser.status_code == 200 ? 0 : QR_ERR_NOT_FOUND;
}

int http_get(const struct cli_address *address, const char *path, unsigned timeout_ms,
             struct http_body *out)
{
    time_ns deadline = cli_clock_ns() + (time_ns)timeout_ms * NS_PER_MS;
    char request[REQUEST_BYTES_MAX];
    int length = snprintf(request, sizeof(request),
                          "GET %s HTTP/1.1\r\nHost: %s:%u\r\nConnection: close\r\n\r\n", path,
                          address->host, (unsigned)address->port);
    ASSERT(length > 0 && (size_t)length < sizeof(request));
    int descriptor = cli_address_connect(address, timeout_ms);
    if (descriptor < 0) {
        return QR_ERR_ADDRESS;
    }
    struct response response = {.status = 0};
    int status = QR_ERR_ADDRESS;
    if (send(descriptor, request, (size_t)length, MSG_NOSIGNAL) == length) {
        status = receive_all(descriptor, deadline, &response);
    }
    close(descriptor);
    if (status == 0 && response.body.data == NULL) {
        status = QR_ERR_MALFORMED;
    }
    if (status != 0) {
        free(response.body.data);
        return status;
    }
    *out = response.body;
    return 0;
}
