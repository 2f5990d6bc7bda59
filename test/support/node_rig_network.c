/* node_rig_network.c: the network of the rig: frames in queues, lost, late or twice, and hellos. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "support/node_rig.h"
#include "support/unit.h"

#define FRAME_BYTES_MAX (1024 * 1024)
#define FRAME_TYPE_AT 8

static void push_frame(struct rig *rig, int from, int to, bool is_seed, struct wire_frame *frame)
{
    struct rig_frame *copy = malloc(sizeof(*copy) + frame->frame_bytes);
    assert_non_null(copy);
    *copy = (struct rig_frame){.from = from, .to = to, .is_seed = is_seed};
    copy->due_ns = rig->time.now_ns + prng_between(&rig->prng, 0, rig->delay_ns_max);
    if (rig_chance(rig, rig->late_percent)) {
        copy->due_ns += prng_between(&rig->prng, 0, RIG_LATE_NS_MAX);
    }
    rig->seed_frames += is_seed ? 1 : 0;
    copy->is_lost = is_seed && rig->seed_frames == rig->lost_seed_frame;
    for (size_t i = 0; i < frame->part_count; i++) {
        memcpy(copy->bytes + copy->size_bytes, frame->parts[i].data, frame->parts[i].size_bytes);
        copy->size_bytes += frame->parts[i].size_bytes;
    }
    copy->next = rig->frames;
    rig->frames = copy;
}

static int number_of(const struct rig *rig, node_id id)
{
    for (int i = 0; i < rig->count; i++) {
        if (id == (node_id)i + 1) {
            return i;
        }
    }
    return -1;
}

static bool on_send(void *context, node_id to, struct wire_frame *frame)
{
    struct rig_node *self = context;
    struct rig *rig = self->rig;
    assert_false(self->is_failed);
    int target = number_of(rig, to);
    bool is_open =
        target >= 0 && rig->nodes[target].node != NULL && !rig->is_cut[self->number][target];
    if (is_open && !rig_chance(rig, rig->loss_percent)) {
        push_frame(rig, self->number, target, false, frame);
        if (rig_chance(rig, rig->repeat_percent)) {
            push_frame(rig, self->number, target, false, frame);
        }
    }
    wire_frame_free(frame);
    return is_open;
}

static void on_dial_seed(void *context, const char *address)
{
    struct rig_node *self = context;
    self->is_dialing = address != NULL;
    self->seed = address == NULL ? -1 : address[1] - '0';
}

static void on_send_seed(void *context, struct wire_frame *frame)
{
    struct rig_node *self = context;
    assert_false(self->is_failed);
    if (self->seed >= 0) {
        push_frame(self->rig, self->number, self->seed, true, frame);
    }
    wire_frame_free(frame);
}

static void on_reply(void *context, uint64_t connection, struct wire_frame *frame)
{
    struct rig_node *self = context;
    assert_false(self->is_failed);
    push_frame(self->rig, self->number, (int)connection - 1, true, frame);
    wire_frame_free(frame);
}

void rig_network_join(struct node_io *io)
{
    io->send = on_send;
    io->dial_seed = on_dial_seed;
    io->send_seed = on_send_seed;
    io->reply = on_reply;
}

void rig_network_deinit(struct rig *rig)
{
    while (rig->frames != NULL) {
        struct rig_frame *next = rig->frames->next;
        free(rig->frames);
        rig->frames = next;
    }
}

/* Who dialed sees the connection go. */
static void lose(struct rig *rig, const struct rig_frame *frame)
{
    bool is_answer = frame->bytes[FRAME_TYPE_AT] == WIRE_JOIN_RESPONSE ||
                     frame->bytes[FRAME_TYPE_AT] == WIRE_INVITE_RESPONSE;
    struct rig_node *dialer = &rig->nodes[is_answer ? frame->to : frame->from];
    if (dialer->node != NULL && dialer->seed >= 0) {
        dialer->seed = -1;
        dialer->has_input = true;
        node_seed_closed(dialer->node, 0, "the connection was lost", rig->time);
    }
}

static void deliver(struct rig *rig, const struct rig_frame *frame)
{
    static struct entry entries[WIRE_ENTRIES_MAX];
    struct rig_node *target = &rig->nodes[frame->to];
    struct wire_message message;
    if (target->node == NULL || rig->is_cut[frame->from][frame->to]) {
        return;
    }
    target->has_input = true;
    if (frame->is_lost) {
        lose(rig, frame);
        return;
    }
    size_t length;
    assert_int_equal(wire_frame_length(frame->bytes, frame->size_bytes, FRAME_BYTES_MAX, &length),
                     0);
    assert_int_equal(length, frame->size_bytes);
    struct chunk *chunk = chunk_new(&rig->heap.allocator, (uint32_t)frame->size_bytes);
    assert_non_null(chunk);
    memcpy(chunk->data, frame->bytes, frame->size_bytes);
    assert_int_equal(wire_decode(chunk, chunk->data, frame->size_bytes, entries, &message), 0);
    if (frame->is_seed &&
        (message.type == WIRE_JOIN_RESPONSE || message.type == WIRE_INVITE_RESPONSE)) {
        node_seed_receive(target->node, &message, rig->time);
    } else {
        node_receive(target->node, (node_id)frame->from + 1,
                     frame->is_seed ? (uint64_t)frame->from + 1 : 0, &message, rig->time);
    }
    chunk_drop(chunk);
}

static struct rig_frame *reverse(struct rig_frame *frames)
{
    struct rig_frame *reversed = NULL;
    while (frames != NULL) {
        struct rig_frame *next = frames->next;
        frames->next = reversed;
        reversed = frames;
        frames = next;
    }
    return reversed;
}

/* The list has the newest first; only a delay lets one frame overtake another. */
void rig_network_deliver(struct rig *rig)
{
    struct rig_frame *late = NULL;
    struct rig_frame *frame = reverse(rig->frames);
    rig->frames = NULL;
    while (frame != NULL) {
        struct rig_frame *next = frame->next;
        bool is_paused = rig->nodes[frame->to].paused_until_ns > rig->time.now_ns;
        if (frame->due_ns <= rig->time.now_ns && !is_paused) {
            deliver(rig, frame);
            free(frame);
        } else {
            frame->next = late;
            late = frame;
        }
        frame = next;
    }
    struct rig_frame **end = &rig->frames; /* behind what was sent meanwhile */
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = late;
}

void rig_network_dial(struct rig_node *self)
{
    struct rig *rig = self->rig;
    struct rig_node *seed = &rig->nodes[self->seed];
    self->is_dialing = false;
    self->has_input = true;
    struct wire_hello hello;
    struct wire_hello_response response;
    const char *reason = "no connection";
    int status = 0;
    node_hello(self->node, false, 0, &hello);
    bool is_met = seed->node != NULL && !rig->is_cut[self->number][self->seed];
    if (is_met) {
        int said = node_hello_check(seed->node, &hello, &response);
        assert_int_equal(said, response.status);
        status = node_hello_response_check(self->node, &response, false, 0, &reason);
    }
    if (is_met && status == 0) {
        node_seed_ready(self->node, rig->time);
    } else {
        node_seed_closed(self->node, status, reason, rig->time);
    }
}

/* Members say hello to one another as soon as they can. */
static void meet(struct rig *rig, int i, int j)
{
    struct wire_hello hello;
    struct wire_hello_response response;
    const char *reason = "";
    struct node *dialer = rig->nodes[i].node;
    struct node *other = rig->nodes[j].node;
    if (i == j || rig->has_met[i][j] || rig->is_cut[i][j] || dialer == NULL || other == NULL) {
        return;
    }
    node_hello(dialer, true, (node_id)j + 1, &hello);
    rig->has_met[i][j] =
        node_hello_check(other, &hello, &response) == 0 &&
        node_hello_response_check(dialer, &response, true, (node_id)j + 1, &reason) == 0;
}

void rig_network_meet(struct rig *rig)
{
    for (int i = 0; i < rig->count; i++) {
        for (int j = 0; j < rig->count; j++) {
            meet(rig, i, j);
        }
    }
}
