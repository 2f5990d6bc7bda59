/* transport_link.c: what must become of a stream of frames. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz/transport_link.h"

#include "base/crc32c.h"
#include "quorate/error.h"

static uint32_t checksum_of_frame(struct heap *heap, const struct wire_message *message)
{
    struct wire_frame *frame = wire_encode(&heap->allocator, message);
    uint32_t checksum = 0;
    ASSERT(frame != NULL);
    for (size_t i = 0; i < frame->part_count; i++) {
        checksum = crc32c(checksum, frame->parts[i].data, frame->parts[i].size_bytes);
    }
    wire_frame_free(frame);
    return checksum;
}

void link_tell(struct link *link, struct heap *heap, const struct wire_message *message)
{
    ASSERT(link->told_count < LINK_TOLD_MAX);
    link->told[link->told_count++] = checksum_of_frame(heap, message);
}

bool link_is_gone(const struct link *link)
{
    return link->socket->stream == NULL || link->socket->is_closing;
}

/* What becomes of a link with this first message. */
static enum link_state state_behind_hello(struct link *link, const struct wire_message *message)
{
    if (!link->is_incoming) {
        const struct wire_hello_response *response = &message->hello_response;
        bool is_open = message->type == WIRE_HELLO_RESPONSE && response->status == 0 &&
                       (!link->is_gossip || (response->version >= WIRE_VERSION_GOSSIP &&
                                             !cluster_id_is_none(response->cluster)));
        return is_open ? LINK_OPEN : LINK_OVER;
    }
    if (message->type != WIRE_HELLO || message->hello.version_max % 2 == 0) {
        return LINK_OVER;
    }
    link->is_invitation = message->hello.version_max % 4 == 3;
    return cluster_id_is_none(message->hello.cluster) ? LINK_STRANGER : LINK_OPEN;
}

static size_t bytes_allowed(const struct link *link)
{
    if (link->is_invitation) {
        return WIRE_HEAD_BYTES_MAX;
    }
    return link->state == LINK_OPEN       ? LINK_FRAME_BYTES_MAX
           : link->state == LINK_STRANGER ? WIRE_HEAD_BYTES_MAX + WIRE_GOSSIP_BYTES_MAX
                                          : WIRE_HEAD_BYTES_MAX;
}

/* Whether this message, behind the hello, may come on this link: gossip has links of its own. */
static bool is_allowed(struct link *link, const struct wire_message *message)
{
    bool is_gossip = message->type == WIRE_GOSSIP;
    if (message->type == WIRE_HELLO || message->type == WIRE_HELLO_RESPONSE) {
        return false;
    }
    if (link->is_incoming && !link->is_used) {
        link->is_used = true;
        link->is_gossip = is_gossip && !link->expects_us;
    }
    return is_gossip == link->is_gossip && (!link->is_invitation || message->type == WIRE_INVITE) &&
           (link->state != LINK_STRANGER || is_gossip || message->type == WIRE_JOIN);
}

/* One frame of the stream by itself. Returns its bytes; 0: it is not whole, or it is the end. */
static size_t judge_frame(struct link *link, struct heap *heap)
{
    static struct entry entries[WIRE_ENTRIES_MAX];
    struct wire_message message;
    const uint8_t *data = link->stream + link->judged_bytes;
    size_t left = link->stream_bytes - link->judged_bytes;
    size_t bytes_max = bytes_allowed(link);
    size_t frame_bytes = 0;
    int status = wire_frame_length(data, left, bytes_max, &frame_bytes);
    if (status == 1 || (status == 0 && left < frame_bytes)) {
        return 0;
    }
    struct chunk *chunk = fuzz_chunk(heap, data, frame_bytes);
    if (status == 0) {
        status = wire_decode(chunk, chunk->data, frame_bytes, entries, &message);
    }
    if (status != 0) {
        link->state = LINK_OVER;
    } else if (link->state == LINK_HELLO) {
        link->state = state_behind_hello(link, &message);
        link->expects_us = link->is_incoming && message.hello.has_expected;
    } else if (!is_allowed(link, &message)) {
        link->state = LINK_OVER;
    } else {
        ASSERT(link->expected_count < link->told_count);
        ASSERT(link->told[link->expected_count] == crc32c(0, chunk->data, frame_bytes));
        link->expected_count++;
    }
    chunk_drop(chunk);
    return frame_bytes;
}

void link_judge(struct link *link, struct heap *heap)
{
    size_t frame_bytes = 1;
    while (link->state != LINK_OVER && frame_bytes > 0) {
        frame_bytes = judge_frame(link, heap);
        link->judged_bytes += frame_bytes;
    }
    ASSERT(link->told_count == link->expected_count);
    ASSERT(link_is_gone(link) == (link->state == LINK_OVER));
}

void link_check_output(const struct link *link, struct heap *heap)
{
    static struct entry entries[WIRE_ENTRIES_MAX];
    size_t at = 0;
    size_t frame_bytes;
    while (at < link->socket->output_bytes &&
           wire_frame_length(link->socket->output + at, link->socket->output_bytes - at,
                             LINK_FRAME_BYTES_MAX, &frame_bytes) == 0 &&
           frame_bytes <= link->socket->output_bytes - at) {
        struct wire_message message;
        struct chunk *chunk = fuzz_chunk(heap, link->socket->output + at, frame_bytes);
        int status = wire_decode(chunk, chunk->data, frame_bytes, entries, &message);
        ASSERT(status == 0);
        ASSERT_IMPLIES(at == 0 && link->is_incoming, message.type == WIRE_HELLO_RESPONSE);
        ASSERT_IMPLIES(at == 0 && !link->is_incoming, message.type == WIRE_HELLO);
        ASSERT_IMPLIES(at > 0, message.type ==
                                   (link->is_gossip ? WIRE_GOSSIP : RAFT_APPEND_ENTRIES_RESPONSE));
        chunk_drop(chunk);
        at += frame_bytes;
    }
    ASSERT_IMPLIES(!link_is_gone(link) && link->socket->room_bytes > 0,
                   at == link->socket->output_bytes);
}
