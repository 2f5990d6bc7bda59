/* sse.c: server-sent events of one node, followed until they end.
 *
 * Of what the standard has, the fields `event` and `data` alone matter here; what else a line may
 * begin with is skipped. A node ends lines with LF.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/sse.h"

#include <http_parser.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/assert.h"
#include "cli/cli.h"

#define RECEIVE_BYTES 16384
#define REQUEST_BYTES_MAX 512
#define EVENT_NAME_BYTES_MAX 64

struct reader {
    sse_take *take;
    void *argument;
    char *line; /* what has come of the present one */
    size_t line_bytes;
    char *data; /* of the present event; NULL: none yet */
    char event[EVENT_NAME_BYTES_MAX];
    int status; /* when not 0, why it ends */
    bool is_enough;
    bool has_begun; /* an answer of 200 came */
    unsigned http_status;
};

/* An empty line: the event is whole. */
static void event_ended(struct reader *reader)
{
    if (reader->data != NULL) {
        reader->is_enough = !reader->take(reader->argument, reader->event, reader->data);
    }
    free(reader->data);
    reader->data = NULL;
    reader->event[0] = '\0';
}

static void line_ended(struct reader *reader)
{
    static const char data[] = "data: ";
    static const char event[] = "event: ";
    char *line = reader->line;
    line[reader->line_bytes] = '\0';
    if (reader->line_bytes == 0) {
        event_ended(reader);
    } else if (strncmp(line, data, sizeof(data) - 1) == 0) {
        free(reader->data);
        reader->data = strdup(line + sizeof(data) - 1);
        reader->status = reader->data == NULL ? QR_ERR_NO_MEMORY : reader->status;
    } else if (strncmp(line, event, sizeof(event) - 1) == 0) {
        snprintf(reader->event, sizeof(reader->event), "%s", line + sizeof(event) - 1);
    }
    reader->line_bytes = 0;
}

static int headers_came(http_parser *parser)
{
    struct reader *reader = parser->data;
    reader->http_status = parser->status_code;
    reader->has_begun = parser->status_code == 200;
    reader->status = reader->has_begun ? 0 : QR_ERR_NOT_FOUND;
    return 0;
}

static int body_came(http_parser *parser, const char *bytes, size_t size_bytes)
{
    struct reader *reader = parser->data;
    for (size_t i = 0; i < size_bytes && reader->status == 0 && !reader->is_enough; i++) {
        if (bytes[i] == '\n') {
            line_ended(reader);
        } else if (reader->line_bytes == SSE_DATA_BYTES_MAX) {
            reader->status = QR_ERR_MALFORMED;
        } else {
            reader->line[reader->line_bytes++] = bytes[i];
        }
    }
    return 0;
}

/* Until it is cut, or enough. */
static int receive(int descriptor, struct reader *reader)
{
    static const http_parser_settings settings = {.on_headers_complete = headers_came,
                                                  .on_body = body_came};
    http_parser parser;
    http_parser_init(&parser, HTTP_RESPONSE);
    parser.data = reader;
    while (true) {
        char bytes[RECEIVE_BYTES];
        ssize_t count = recv(descriptor, bytes, sizeof(bytes), 0);
        if (count <= 0) {
            return reader->has_begun ? QR_ERR_TIMEOUT : QR_ERR_ADDRESS;
        }
        size_t parsed = http_parser_execute(&parser, &settings, bytes, (size_t)count);
        if (reader->status != 0 || reader->is_enough) {
            return reader->status;
        }
        if (parsed != (size_t)count) {
            return reader->has_begun ? QR_ERR_TIMEOUT : QR_ERR_ADDRESS;
        }
    }
}

static bool request(int descriptor, const struct sse_options *options)
{
    char bytes[REQUEST_BYTES_MAX];
    const struct timeval silence = {.tv_sec = options->silence_ms / 1000,
                                    .tv_usec = options->silence_ms % 1000 * 1000};
    int length = snprintf(bytes, sizeof(bytes),
                          "GET %s HTTP/1.1\r\nHost: %s:%u\r\nAccept: text/event-stream\r\n\r\n",
                          options->path, options->address->host, (unsigned)options->address->port);
    ASSERT(length > 0 && (size_t)length < sizeof(bytes));
    return setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof(silence)) == 0 &&
           send(descriptor, bytes, (size_t)length, MSG_NOSIGNAL) == length;
}

int sse_follow(const struct sse_options *options, sse_take *take, void *argument,
               unsigned *http_status)
{
    struct reader reader = {.take = take, .argument = argument};
    *http_status = 0;
    reader.line = malloc(SSE_DATA_BYTES_MAX + 1);
    if (reader.line == NULL) {
        return QR_ERR_NO_MEMORY;
    }
    int status = QR_ERR_ADDRESS;
    int descriptor = cli_address_connect(options->address, options->connect_ms);
    if (descriptor >= 0 && request(descriptor, options)) {
        status = receive(descriptor, &reader);
    }
    if (descriptor >= 0) {
        close(descriptor);
    }
    free(reader.line);
    free(reader.data);
    *http_status = reader.http_status;
    return status;
}
