/* sse.h: server-sent events of one node, followed until they end. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_SSE_H
#define CLI_SSE_H

#include "cli/address.h"

#define SSE_DATA_BYTES_MAX (1024 * 1024)

/* Take one event. Both end in a NUL and are borrowed until return. False: it is enough. */
typedef bool sse_take(void *argument, const char *event, const char *data);

struct sse_options {
    const struct cli_address *address; /* borrowed until return, as `path` */
    const char *path;
    unsigned connect_ms;
    unsigned silence_ms; /* so long nothing at all may come; the node sends comments more often */
};

/* Follow the events there.
 *
 * http_status  of the answer; 0 when none came.
 *
 * Returns 0 when `take` had enough, or
 *   QR_ERR_ADDRESS    nobody answers there within `connect_ms`, or not in HTTP.
 *   QR_ERR_NOT_FOUND  the answer is another than 200: it knows no events, or has no room.
 *   QR_ERR_TIMEOUT    it was cut, or silent, behind a beginning; events may have been taken.
 *   QR_ERR_MALFORMED  an event is longer than SSE_DATA_BYTES_MAX.
 *   QR_ERR_NO_MEMORY
 */
NODISCARD int sse_follow(const struct sse_options *options, sse_take *take, void *argument,
                         unsigned *http_status);

#endif
