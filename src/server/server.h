/* server.h: what clients talk to: the Redis protocol and HTTP, before one engine and its
 * key-value store.
 *
 * Owns     the listening sockets and every connection of a client.
 * Does not know how entries are replicated: it proposes, waits for barriers and reads.
 * Threads  one: the loop's, which is the engine's too.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include <uv.h>

#include "base/types.h"
#include "kv/kv.h"
#include "quorate/engine.h"
#include "quorate/log.h"

struct server;

struct server_options {
    uv_loop_t *loop;          /* borrowed until the server is freed, as is all else here */
    struct qr_engine *engine; /* in loop mode, on the same loop */
    struct kv *kv;            /* the state machine of that engine */
    struct qr_logger *logger; /* NULL: silent */

    const char *client_address; /* HOST:PORT for the Redis protocol; port 0: any free one */
    const char *http_address;   /* HOST:PORT for HTTP, or NULL for none */

    bool
        is_observer; /* as the engine's: it has no data unless its directory belongs to a cluster */
    struct qr_read_options read; /* how connections read that did not ask for another kind */

    uint64_t max_message_bytes;     /* of one command, with all its arguments */
    uint32_t clients_max;           /* connections at a time; further ones are refused */
    uint32_t http_clients_max;      /* the same for HTTP */
    uint64_t output_bytes_max;      /* unsent replies of a client; past it, it is closed.
                                         What one command reads is at most half of it */
    uint32_t pipeline_commands_max; /* unfinished commands of a client; past it its
                                         socket is not read */
    uint64_t pipeline_bytes_max;    /* the same in bytes, with the replies that wait */
    uint32_t backup_idle_ms;        /* a backup of which nothing is asked for so long ends */
    uint32_t stall_timeout_ms;      /* a client that takes no byte of its replies for so
                                         long is closed */
    uint32_t http_idle_timeout_ms;  /* an HTTP connection without a request for so long
                                         is closed */
    uint32_t events_heartbeat_ms;   /* a listener of /events is sent something so often */
    uint64_t random_seed;           /* for RANDOMKEY and SCAN cursors */
};

/* Every number at its default; the rest zero. */
struct server_options server_options_default(void);

/* Listen on both addresses and serve from the loop.
 *
 * detail   of QR_ERROR_DETAIL_BYTES; on failure a sentence that names the address.
 *
 * Returns 0, or with no socket left open
 *   QR_ERR_INVALID    a number is out of bounds.
 *   QR_ERR_ADDRESS    an address does not parse, or its port is in use.
 *   QR_ERR_NO_MEMORY
 * After a failure the loop must run once more (uv_run) before it can be closed.
 */
NODISCARD int server_open(const struct server_options *options, struct server **out, char *detail);

/* The ports in use, as when 0 was asked for; 0 without HTTP. */
uint16_t server_client_port(const struct server *server);
uint16_t server_http_port(const struct server *server);

/* Close all sockets. What clients still wait for is dropped: to them the connection is cut.
 *
 * closed   called once, from the loop, when nothing of the server is left on it. May be
 *          NULL. Requests that the engine has not answered by then find nobody.
 */
void server_close(struct server *server, void (*closed)(void *argument), void *argument);

/* Free a server whose server_close() has called back. NULL is allowed. */
void server_free(struct server *server);

#endif
