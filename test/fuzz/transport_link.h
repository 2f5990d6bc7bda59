/* transport_link.h: a connection as its other end sees it, and what must become of it.
 *
 * Owns     a model of the receiver: the stream as it was sent, judged frame by frame, each by
 *          itself, and what was told of it.
 * Format   docs/wire-format.md.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FUZZ_TRANSPORT_LINK_H
#define FUZZ_TRANSPORT_LINK_H

#include "fuzz/fuzz.h"
#include "support/fake_sockets.h"
#include "wire/wire.h"

#define LINK_FRAME_BYTES_MAX (96 * 1024) /* more than TRANSPORT_CHUNK_BYTES */
#define LINK_STREAM_BYTES_MAX (512 * 1024)
#define LINK_TOLD_MAX 512

enum link_state {
    LINK_HELLO,
    LINK_OPEN,
    LINK_STRANGER,
    LINK_OVER, /* what comes is not heard any more */
};

struct link {
    struct fake_socket *socket;
    bool is_incoming;
    bool is_seed;
    bool is_gossip;     /* dialed for it, or that is what came first */
    bool is_used;       /* incoming: something came behind the hello */
    bool expects_us;    /* incoming: its hello named whom it means */
    bool is_invitation; /* incoming: the answer named no cluster */
    enum link_state state;
    uint8_t stream[LINK_STREAM_BYTES_MAX];
    size_t stream_bytes;
    size_t judged_bytes;
    uint32_t told[LINK_TOLD_MAX]; /* checksums of the frames that were told */
    size_t told_count;
    size_t expected_count;
};

/* A message was told of that came on this link. */
void link_tell(struct link *link, struct heap *heap, const struct wire_message *message);

/* Whether the other end has closed it. */
bool link_is_gone(const struct link *link);

/* Assert that what was told is what stands in the stream, and that the link is closed just when
 * something in it says so. Nodes with an even version are let in by no hello, and those of one
 * below a multiple of four only to invite.
 */
void link_judge(struct link *link, struct heap *heap);

/* Assert that what the transport wrote are whole frames, as far as there was room. */
void link_check_output(const struct link *link, struct heap *heap);

#endif
