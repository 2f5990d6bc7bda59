/* transport.h: how bytes travel between members, where that is not to be TCP and UDP.
 *
 * A transport is a table of functions of the program's (qr_engine_options.transport): it carries
 * streams of bytes, in order, between addresses, and packets, which may be lost. What the bytes
 * mean it need not know: who is at the other end, TLS by the cluster's secret, frames and their
 * checksums, what waits to be sent, when to dial again, all that is the engine's, above it. So a
 * transport can lose, cut, delay and repeat what it carries, which costs time, but not make two
 * members disagree; with a secret it need not be trusted either.
 *
 * Owns     nothing. A table serves one engine, from qr_engine_open() until its last call of
 *          `stopped`; the program keeps it, and what its context is, for so long.
 * Names    an address is text of the form HOST:PORT, in which a transport may see what it likes:
 *          "b:1" may be the socket "b" in some folder. peer_address, advertise_address and join
 *          keep that form, and the port is not 0. A stream has two names, one for each side:
 *          `link`, a pointer of the program's, and `connection`, a number of the engine's, which
 *          is never used twice.
 * Threads  the table's functions are called on the engine's thread, or the caller's loop, one at a
 *          time, and must not block: Raft waits meanwhile. `listen` and `start`, and `stop` where
 *          the engine could not be opened, are called on the thread of qr_engine_open(). The
 *          host's functions may be called on any thread, several at once, also from within
 *          functions of the table and under locks of the program: they copy what they are given,
 *          wait for no one, and never call back; what they tell is taken in the loop's next round.
 * Cost     each entry waits for a `write` on its way to members, and one on the way back.
 * Source   docs/replaceable-parts.md; the bytes: docs/wire-format.md.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef QUORATE_TRANSPORT_H
#define QUORATE_TRANSPORT_H

#include "quorate/types.h"

#ifdef __cplusplus
extern "C" {
#endif

#define QR_TRANSPORT_DETAIL_BYTES 512
#define QR_TRANSPORT_PARTS_MAX 256             /* of one write */
#define QR_TRANSPORT_PACKET_BYTES_MAX 1400     /* longer ones are never sent, and not taken */
#define QR_TRANSPORT_RECEIVED_BYTES_MAX 262144 /* told of one stream, and not yet taken in */
#define QR_TRANSPORT_PACKETS_MAX 1024          /* told, and not yet taken in */
#define QR_TRANSPORT_ACCEPTED_MAX 256          /* told, and not yet taken in */

/* Some of the bytes to be written. The layout is that of struct iovec. */
struct qr_part {
    const void *data;
    size_t size_bytes; /* above 0 */
};

/* Why a stream is no more. */
enum qr_transport_end {
    QR_TRANSPORT_CLOSED,  /* the other end closed it, in order: all that it sent was told */
    QR_TRANSPORT_REFUSED, /* dialed: for certain nobody is there now. It hastens an election */
    QR_TRANSPORT_FAILED,  /* anything else */
};

/* What a transport tells an engine. Filled by the library, constant, and good from `start` until
 * the transport has called `stopped`; a later version may have more at its end. Functions that
 * return something return 0, or with nothing done and nothing kept
 *   QR_ERR_NOT_FOUND  there is no such connection (any more): the engine has closed it, or was told
 *                     that it ended. What is told too late is told for nothing; ignore it.
 *   QR_ERR_INVALID    NULL, or a size out of bounds.
 *   QR_ERR_STOPPED    the engine ends.
 *   QR_ERR_BUSY, QR_ERR_NO_MEMORY  as their lines say.
 * Cost: a lock that is held briefly, a copy, and where the engine's thread sleeps waking it.
 */
struct qr_transport_host {
    size_t size_bytes;
    void *context; /* to be handed to every function */

    /* Somebody has dialed this node, and `link` is the stream's name in the table's calls from now
     * on, until `close`.
     *
     * source      where it comes from, for log lines; borrowed; NULL: "?".
     * connection  set, before anything is called with `link`: the stream's name in calls of these.
     *
     * Returns 0, or QR_ERR_BUSY (QR_TRANSPORT_ACCEPTED_MAX), QR_ERR_NO_MEMORY, QR_ERR_STOPPED: the
     * stream is the transport's own to end, and `close` is not called for it.
     */
    int (*accepted)(void *context, void *link, const char *source, uint64_t *connection);

    /* A stream that was dialed reaches the other end: it may be written to. */
    int (*connected)(void *context, uint64_t connection);

    /* These bytes came, behind those of the call before; one caller at a time for each stream.
     *
     * data  borrowed; 1..QR_TRANSPORT_RECEIVED_BYTES_MAX bytes.
     *
     * Returns 0: all of them are taken; or QR_ERR_BUSY: none is, QR_TRANSPORT_RECEIVED_BYTES_MAX
     * would be passed. Then keep them, read no more from that stream, and tell them again when
     * `resume` is called. With nothing waiting any size in the bounds fits. QR_ERR_NO_MEMORY: the
     * engine gives the stream up, and `close` follows.
     */
    int (*received)(void *context, uint64_t connection, const void *data, size_t size_bytes);

    /* A stream that took less than all of a write takes more now. */
    int (*writable)(void *context, uint64_t connection);

    /* The stream ended, or was never made; of what was told before, everything is taken in first.
     * Tell it once: it is not called with that connection again. `close` follows.
     *
     * reason  for log lines; borrowed; NULL: "".
     */
    int (*closed)(void *context, uint64_t connection, enum qr_transport_end end,
                  const char *reason);

    /* A packet came.
     *
     * source  the address it came from, as members dial it; borrowed.
     * data    borrowed; 1..QR_TRANSPORT_PACKET_BYTES_MAX bytes.
     *
     * Returns 0, or QR_ERR_BUSY (QR_TRANSPORT_PACKETS_MAX) or QR_ERR_NO_MEMORY: it is dropped, as
     * packets may be.
     */
    int (*packet)(void *context, const char *source, const void *data, size_t size_bytes);

    /* The transport has stopped: the last call of all, once, behind `stop`. */
    void (*stopped)(void *context);
};

/* What an engine asks of a transport. All functions are needed. */
struct qr_transport {
    size_t size_bytes; /* sizeof(struct qr_transport), for versions to come */
    void *context;     /* handed to every function */

    /* Take the address, so that others who dial it reach this node; who comes is told only behind
     * `start`. On the thread that calls qr_engine_open(), where it may block.
     *
     * address  qr_engine_options.peer_address; borrowed.
     * detail   QR_TRANSPORT_DETAIL_BYTES; on failure a sentence.
     *
     * Returns 0, or a QR_ERR_* that qr_engine_open() returns: it is not called again then.
     */
    int (*listen)(void *context, const char *address, char *detail);

    /* From now on tell what comes. Called once, behind `listen`. It cannot fail: what it might
     * fail for belongs to `listen`.
     */
    void (*start)(void *context, const struct qr_transport_host *host);

    /* Begin a stream to an address; host.connected or host.closed follows, also from within this
     * call. Who takes too long is closed by the engine, after seconds.
     *
     * address  as members advertise it; borrowed.
     * link     set to what names the stream in the calls below.
     *
     * Returns 0, or with nothing begun a QR_ERR_*: it is tried again later, as after a failure.
     */
    int (*dial)(void *context, uint64_t connection, const char *address, void **link);

    /* Take what can be sent now, without waiting: all of it, some, or nothing. What is taken must
     * arrive in order, or not at all and nothing behind it. Of less than all, host.writable is to
     * be called once there is room again, and nothing is written before.
     *
     * parts  borrowed until return; 1..QR_TRANSPORT_PARTS_MAX of them.
     *
     * Returns how many bytes were taken. On a stream that has ended: any number, and host.closed.
     */
    size_t (*write)(void *context, void *link, const struct qr_part *parts, size_t count);

    /* There is room for bytes again, where host.received said QR_ERR_BUSY. It may be called of a
     * stream that did not ask for it.
     */
    void (*resume)(void *context, void *link);

    /* End the stream, as far as it has not ended, and forget `link`: the last call with it, once
     * for each that `dial` or host.accepted gave. What was written should still be sent.
     */
    void (*close)(void *context, void *link);

    /* Send a packet to an address, at once or never; it may be lost.
     *
     * data  borrowed until return; 1..QR_TRANSPORT_PACKET_BYTES_MAX bytes.
     *
     * Returns 0, or a QR_ERR_*: it was certainly not sent, which is counted.
     */
    int (*send_packet)(void *context, const char *address, const void *data, size_t size_bytes);

    /* End everything that `listen` and `start` began: all streams are closed already, the address
     * is free for the next. Behind `start`, call host.stopped when none of the host's functions
     * will be called any more, also from within this call: the engine ends only then. Without
     * `start` (the engine could not be opened) there is nobody to call.
     */
    void (*stop)(void *context);
};

#ifdef __cplusplus
}
#endif

#endif
