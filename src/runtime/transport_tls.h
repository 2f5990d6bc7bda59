/* transport_tls.h: TLS 1.3 under the frames of a connection, by the keys of a keyring.
 *
 * Both ends prove that they have a key of the cluster before the first frame: an external
 * pre-shared key (RFC 8446, 2.2) with a Diffie-Hellman exchange, and nothing else: no
 * certificate, no ticket, no early data. The identity is the name of the key.
 *
 * Owns     OpenSSL's context; of each connection its state, and what was encrypted and is not
 *          with the stream yet, at most TLS_OUTPUT_BYTES.
 * Does not know what a frame is; who dialed whom it is told.
 * Threads  the loop's.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_TRANSPORT_TLS_H
#define RUNTIME_TRANSPORT_TLS_H

#include "runtime/keyring.h"
#include "runtime/transport_internal.h"

/* Of a connection whose other end has not proved anything yet. */
#define TLS_HANDSHAKE_BYTES_MAX 16384
#define TLS_OUTPUT_BYTES 65536

/* Returns NULL when memory ran out. The keyring is borrowed; its keys may change. */
struct transport_tls *transport_tls_new(const struct allocator *allocator, struct keyring *keyring);
void transport_tls_free(struct transport_tls *tls); /* NULL is allowed */

/* The stream is connected: shake hands, or wait for the other end to begin. When both are
 * proved, connection_greet() is called.
 */
void connection_tls_begin(struct connection *connection);
void connection_tls_free(struct connection *connection);

/* Where what comes next is put, and that it came: encrypted bytes. */
void connection_tls_room(struct connection *connection, uv_buf_t *out);
void connection_tls_received(struct connection *connection, const uint8_t *data, size_t size_bytes);

/* Why a connection that was closed in this state may have been; NULL: for no reason of ours. */
const char *connection_tls_end(const struct connection *connection);

/* connection_flush() of a connection with TLS; and that so many bytes more have gone. */
void connection_tls_flush(struct connection *connection);
void connection_tls_sent(struct connection *connection, size_t sent_bytes);

/* Whether these bytes begin a TLS handshake: no frame does. */
bool tls_is_handshake(const uint8_t *data, size_t size_bytes);

#endif
