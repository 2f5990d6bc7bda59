/* wire_sample.h: messages for the tests of src/wire, made from the tables' macros alone.
 *
 * Owns     one filler and one comparison per message. They go by the macros and not by the
 *          tables that src/wire builds from them, so that a wrong table shows.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_SAMPLE_H
#define WIRE_SAMPLE_H

#include <string.h>

#include "base/chunk.h"
#include "base/prng.h"
#include "support/heap.h"
#include "support/unit.h"
#include "wire/wire.h"

static inline uint64_t sample_u64(struct prng *prng)
{
    switch (prng_between(prng, 0, 3)) {
    case 0:
        return prng_between(prng, 0, 300);
    case 1:
        return UINT64_MAX - prng_between(prng, 0, 1);
    default:
        return prng_next(prng);
    }
}

static inline void sample_string(struct prng *prng, char *out, size_t size)
{
    size_t length = prng_between(prng, 0, 2) == 0 ? size - 1 : prng_between(prng, 0, size - 1);
    memset(out, 0, size);
    for (size_t i = 0; i < length; i++) {
        out[i] = (char)prng_between(prng, 1, 127);
    }
}

static inline uint32_t sample_reason(struct prng *prng)
{
    static const uint32_t reasons[] = {
#define X(name, value, text) name,
        RAFT_VOTE_REASON_MAP(X)
#undef X
    };
    return reasons[prng_between(prng, 0, COUNT_OF(reasons) - 1)];
}

#define SAMPLE_DATA_BYTES_MAX 40

/* Some of the bytes of one chunk that stays for as long as the program runs. */
static inline struct raft_data sample_data(struct prng *prng)
{
    static struct heap heap;
    static struct chunk *chunk;
    if (chunk == NULL) {
        heap_init(&heap);
        chunk = chunk_new(&heap.allocator, SAMPLE_DATA_BYTES_MAX);
        for (size_t i = 0; i < SAMPLE_DATA_BYTES_MAX; i++) {
            chunk->data[i] = (uint8_t)(i + 1);
        }
    }
    size_t size_bytes = prng_between(prng, 0, SAMPLE_DATA_BYTES_MAX);
    return size_bytes == 0 ? (struct raft_data){0}
                           : (struct raft_data){chunk, chunk->data, (uint32_t)size_bytes};
}

#define FILL_U64(name) m->name = sample_u64(prng);
#define FILL_U63(name) m->name = sample_u64(prng) & INT64_MAX;
#define FILL_ID(name) FILL_U64(name)
#define FILL_U32(name) m->name = (uint32_t)sample_u64(prng);
#define FILL_I32(name) m->name = (int32_t)(uint32_t)sample_u64(prng);
#define FILL_BOOL(name) m->name = prng_between(prng, 0, 1) == 1;
#define FILL_ASSUMED(name) FILL_BOOL(name)
#define FILL_ENUM_REASON(name) m->name = sample_reason(prng);
#define FILL_POSITION(name) m->name = (struct raft_position){sample_u64(prng), sample_u64(prng)};
#define FILL_CLUSTER(name)                                                                         \
    m->name.high = sample_u64(prng);                                                               \
    m->name.low = sample_u64(prng);
#define FILL_STRING(name) sample_string(prng, m->name, sizeof(m->name));
#define FILL_DATA(name) m->name = sample_data(prng);
#define FILL(kind, type, name, ...) FILL_##kind(name)
#define FILL_OF(...) FILL(__VA_ARGS__, )

#define SAME_U64(name) assert_true(a->name == b->name);
#define SAME_U63(name) SAME_U64(name)
#define SAME_ID(name) SAME_U64(name)
#define SAME_U32(name) SAME_U64(name)
#define SAME_I32(name) SAME_U64(name)
#define SAME_BOOL(name) SAME_U64(name)
#define SAME_ASSUMED(name) SAME_BOOL(name)
#define SAME_ENUM_REASON(name) SAME_U64(name)
#define SAME_POSITION(name)                                                                        \
    assert_true(a->name.term == b->name.term && a->name.index == b->name.index);
#define SAME_CLUSTER(name) assert_true(cluster_id_equal(a->name, b->name));
#define SAME_STRING(name) assert_string_equal(a->name, b->name);
#define SAME_DATA(name)                                                                            \
    assert_int_equal(a->name.size_bytes, b->name.size_bytes);                                      \
    assert_true(a->name.size_bytes == 0 ||                                                         \
                memcmp(a->name.bytes, b->name.bytes, a->name.size_bytes) == 0);
#define SAME(kind, type, name, ...) SAME_##kind(name)
#define SAME_OF(...) SAME(__VA_ARGS__, )

#define DEFINE_SAMPLE(prefix, member, fields)                                                      \
    static inline void fill_##prefix##_##member(struct prng *prng, struct prefix##_##member *m)    \
    {                                                                                              \
        fields(FILL_OF)                                                                            \
    }                                                                                              \
    static inline void same_##prefix##_##member(const struct prefix##_##member *a,                 \
                                                const struct prefix##_##member *b)                 \
    {                                                                                              \
        fields(SAME_OF)                                                                            \
    }
#define X(name, value, member, text, fields) DEFINE_SAMPLE(raft, member, fields)
RAFT_MESSAGE_MAP(X)
#undef X
#define X(name, value, member, text, fields) DEFINE_SAMPLE(wire, member, fields)
WIRE_MESSAGE_MAP(X)
#undef X

static const uint8_t sample_types[] = {
#define X(name, value, member, text, fields) name,
    RAFT_MESSAGE_MAP(X) WIRE_MESSAGE_MAP(X)
#undef X
};

/* A message of `type` with random fields and no entries. */
static inline struct wire_message sample_message(struct prng *prng, uint8_t type)
{
    struct wire_message message;
    memset(&message, 0, sizeof(message));
    message.type = type;
    if (wire_is_raft(type)) {
        message.raft.type = (enum raft_message_type)type;
        message.raft.from = sample_u64(prng);
        message.raft.to = sample_u64(prng);
        message.raft.term = sample_u64(prng);
    }
    switch (type) {
#define X(name, value, member, text, fields)                                                       \
    case name:                                                                                     \
        fill_raft_##member(prng, &message.raft.member);                                            \
        break;
        RAFT_MESSAGE_MAP(X)
#undef X
#define X(name, value, member, text, fields)                                                       \
    case name:                                                                                     \
        fill_wire_##member(prng, &message.member);                                                 \
        break;
        WIRE_MESSAGE_MAP(X)
#undef X
    default:
        fail();
    }
    return message;
}

static inline void sample_same_entries(const struct wire_message *a, const struct wire_message *b)
{
    assert_int_equal(a->entry_count, b->entry_count);
    for (size_t i = 0; i < a->entry_count; i++) {
        const struct entry *left = &a->entries[i];
        const struct entry *right = &b->entries[i];
        assert_true(left->index == right->index && left->term == right->term);
        assert_true(left->timestamp_ns == right->timestamp_ns && left->type == right->type);
        assert_int_equal(left->record_bytes, right->record_bytes);
        assert_memory_equal(left->record, right->record, left->record_bytes);
    }
}

static inline void sample_same(const struct wire_message *a, const struct wire_message *b)
{
    assert_int_equal(a->type, b->type);
    if (wire_is_raft(a->type)) {
        assert_true(a->raft.type == b->raft.type && a->raft.term == b->raft.term);
        assert_true(a->raft.from == b->raft.from && a->raft.to == b->raft.to);
    }
    switch (a->type) {
#define X(name, value, member, text, fields)                                                       \
    case name:                                                                                     \
        same_raft_##member(&a->raft.member, &b->raft.member);                                      \
        break;
        RAFT_MESSAGE_MAP(X)
#undef X
#define X(name, value, member, text, fields)                                                       \
    case name:                                                                                     \
        same_wire_##member(&a->member, &b->member);                                                \
        break;
        WIRE_MESSAGE_MAP(X)
#undef X
    default:
        fail();
    }
    sample_same_entries(a, b);
}

/* Entry number `position` of a list that follows `prev`; for forward it is unplaced. */
static inline struct entry_fields sample_entry(uint8_t type, struct raft_position prev,
                                               size_t position)
{
    bool is_placed = type == RAFT_APPEND_ENTRIES;
    return (struct entry_fields){
        .index = is_placed ? prev.index + 1 + position : 0,
        .term = is_placed ? prev.term + position / 2 : 0,
        .timestamp_ns = 1000 + position,
        .id = {7, position},
        .group = 3,
        .type = ENTRY_NORMAL,
        .command_bytes = (uint8_t)(position % 4),
        .payload_bytes = (uint32_t)(position * 5 % 17),
        .command = "setx",
        .payload = "abcdefghijklmnopq",
    };
}

/* The frame's parts one behind the other, in a chunk of exactly their size. */
static inline struct chunk *sample_flatten(const struct allocator *allocator,
                                           const struct wire_frame *frame)
{
    struct chunk *chunk = chunk_new(allocator, (uint32_t)frame->frame_bytes);
    assert_non_null(chunk);
    size_t at = 0;
    for (size_t p = 0; p < frame->part_count; p++) {
        assert_true(at + frame->parts[p].size_bytes <= frame->frame_bytes);
        memcpy(chunk->data + at, frame->parts[p].data, frame->parts[p].size_bytes);
        at += frame->parts[p].size_bytes;
    }
    assert_int_equal(at, frame->frame_bytes);
    return chunk;
}

#endif
