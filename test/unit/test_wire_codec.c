/* test_wire_codec.c: a message comes back from its frame as it was, or the frame is refused. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "quorate/error.h"
#include "support/heap.h"
#include "wire_sample.h"

#define ENTRIES_MAX 6
#define ROUNDS 200

struct fixture {
    struct heap heap;
    struct entry_arena arena;
    struct prng prng;
    struct entry entries[ENTRIES_MAX];
    size_t entry_count;
    struct entry decoded[WIRE_ENTRIES_MAX];
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    heap_init(&fixture->heap);
    entry_arena_init(&fixture->arena, &fixture->heap.allocator);
    fixture->prng = prng_of(2718);
    *state = fixture;
    return 0;
}

static void drop_entries(struct fixture *fixture)
{
    for (size_t i = 0; i < fixture->entry_count; i++) {
        chunk_drop(fixture->entries[i].chunk);
    }
    fixture->entry_count = 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    drop_entries(fixture);
    entry_arena_deinit(&fixture->arena);
    heap_deinit(&fixture->heap);
    free(fixture);
    return 0;
}

static void add_entry(struct fixture *fixture, const struct entry_fields *fields)
{
    struct entry *entry = &fixture->entries[fixture->entry_count];
    assert_int_equal(entry_arena_encode(&fixture->arena, fields, entry), 0);
    fixture->entry_count++;
}

/* A random message; one that carries entries has `entry_count` of them. */
static struct wire_message make_message(struct fixture *fixture, uint8_t type, size_t entry_count)
{
    struct wire_message message = sample_message(&fixture->prng, type);
    drop_entries(fixture);
    if (type != RAFT_APPEND_ENTRIES && type != WIRE_FORWARD) {
        return message;
    }
    if (type == RAFT_APPEND_ENTRIES) {
        message.raft.append_entries.prev.index %= 1000;
        message.raft.append_entries.prev.term %= 1000;
    }
    for (size_t i = 0; i < entry_count; i++) {
        struct entry_fields fields = sample_entry(type, message.raft.append_entries.prev, i);
        add_entry(fixture, &fields);
    }
    message.entries = fixture->entries;
    message.entry_count = entry_count;
    return message;
}

static struct chunk *encoded(struct fixture *fixture, const struct wire_message *message)
{
    struct wire_frame *frame = wire_encode(&fixture->heap.allocator, message);
    assert_non_null(frame);
    struct chunk *chunk = sample_flatten(&fixture->heap.allocator, frame);
    wire_frame_free(frame);
    return chunk;
}

static int decode(struct fixture *fixture, struct chunk *chunk, struct wire_message *out)
{
    return wire_decode(chunk, chunk->data, chunk->size_bytes, fixture->decoded, out);
}

static void every_message_comes_back_as_it_was(void **state)
{
    struct fixture *fixture = *state;
    for (size_t t = 0; t < COUNT_OF(sample_types); t++) {
        for (size_t round = 0; round < ROUNDS; round++) {
            struct wire_message message =
                make_message(fixture, sample_types[t], round % (ENTRIES_MAX + 1));
            struct chunk *chunk = encoded(fixture, &message);
            size_t frame_bytes = 0;
            assert_int_equal(
                wire_frame_length(chunk->data, WIRE_HEADER_BYTES, chunk->size_bytes, &frame_bytes),
                0);
            assert_int_equal(frame_bytes, chunk->size_bytes);
            struct wire_message out;
            assert_int_equal(decode(fixture, chunk, &out), 0);
            sample_same(&message, &out);
            for (size_t i = 0; i < out.entry_count; i++) {
                assert_ptr_equal(out.entries[i].chunk, chunk);
            }
            assert_int_equal(chunk->reference_count, 1);
            chunk_drop(chunk);
        }
    }
}

static void every_truncation_is_refused(void **state)
{
    struct fixture *fixture = *state;
    for (size_t t = 0; t < COUNT_OF(sample_types); t++) {
        struct wire_message message = make_message(fixture, sample_types[t], 3);
        struct chunk *whole = encoded(fixture, &message);
        for (uint32_t size = 0; size < whole->size_bytes; size++) {
            struct chunk *cut = chunk_new(&fixture->heap.allocator, size);
            assert_non_null(cut);
            memcpy(cut->data, whole->data, size);
            struct wire_message out;
            assert_int_equal(decode(fixture, cut, &out), QR_ERR_MALFORMED);
            chunk_drop(cut);
        }
        chunk_drop(whole);
    }
}

static void every_flipped_bit_is_refused(void **state)
{
    struct fixture *fixture = *state;
    for (size_t t = 0; t < COUNT_OF(sample_types); t++) {
        struct wire_message message = make_message(fixture, sample_types[t], 3);
        struct chunk *chunk = encoded(fixture, &message);
        for (size_t bit = 0; bit < (size_t)chunk->size_bytes * 8; bit++) {
            chunk->data[bit / 8] ^= (uint8_t)(1U << bit % 8);
            struct wire_message out;
            assert_int_equal(decode(fixture, chunk, &out), QR_ERR_MALFORMED);
            chunk->data[bit / 8] ^= (uint8_t)(1U << bit % 8);
        }
        struct wire_message out;
        assert_int_equal(decode(fixture, chunk, &out), 0);
        chunk_drop(chunk);
    }
}

static void bytes_behind_the_frame_are_refused(void **state)
{
    struct fixture *fixture = *state;
    for (size_t t = 0; t < COUNT_OF(sample_types); t++) {
        struct wire_message message = make_message(fixture, sample_types[t], 2);
        struct chunk *whole = encoded(fixture, &message);
        struct chunk *longer = chunk_new(&fixture->heap.allocator, whole->size_bytes + 8);
        assert_non_null(longer);
        memset(longer->data, 0, longer->size_bytes);
        memcpy(longer->data, whole->data, whole->size_bytes);
        struct wire_message out;
        assert_int_equal(decode(fixture, longer, &out), QR_ERR_MALFORMED);
        store_u32(longer->data, longer->size_bytes);
        assert_int_equal(decode(fixture, longer, &out), QR_ERR_MALFORMED);
        chunk_drop(longer);
        chunk_drop(whole);
    }
}

/* Make the checksum of the head right again, so that what lies behind it is looked at. */
static void reseal(struct chunk *chunk)
{
    size_t head_bytes = load_u32(chunk->data + 12);
    if (head_bytes >= WIRE_HEADER_BYTES && head_bytes <= chunk->size_bytes) {
        store_u32(chunk->data + 4, crc32c(0, chunk->data + 8, head_bytes - 8));
    }
}

struct patch_case {
    const char *name;
    uint8_t type;
    size_t offset;
    uint8_t value;
};

/* Offsets by docs/wire-format.md; each byte is valid but for the one thing named. */
static const struct patch_case patch_cases[] = {
    {"a type that is not in the tables", RAFT_REQUEST_VOTE, 8, 31},
    {"type 0", RAFT_REQUEST_VOTE, 8, 0},
    {"the first byte behind the type", RAFT_REQUEST_VOTE, 9, 1},
    {"the last byte behind the type", RAFT_REQUEST_VOTE, 11, 1},
    {"the head longer than the frame", RAFT_REQUEST_VOTE, 12, 80},
    {"the head not a multiple of 8", RAFT_REQUEST_VOTE, 12, 65},
    {"the head shorter than its header", RAFT_REQUEST_VOTE, 12, 16},
    {"the head shorter than its fields", RAFT_REQUEST_VOTE, 12, 56},
    {"entries in a message without entries", RAFT_REQUEST_VOTE, 16, 1},
    {"entries that are not there", RAFT_APPEND_ENTRIES, 16, 1},
    {"4097 entries, 16 bits", RAFT_APPEND_ENTRIES, 17, 16},
    {"more than two thousand million entries", RAFT_APPEND_ENTRIES, 19, 0x80},
    {"the header's last bytes", RAFT_REQUEST_VOTE, 20, 1},
    {"the header's very last byte", RAFT_REQUEST_VOTE, 23, 1},
    {"a boolean of 2", RAFT_REQUEST_VOTE, 64, 2},
    {"the first byte of padding", RAFT_REQUEST_VOTE, 65, 1},
    {"the last byte of padding", RAFT_REQUEST_VOTE, 71, 1},
    {"an unknown reason", RAFT_REQUEST_VOTE_RESPONSE, 49, 6},
    {"a reason's high byte", RAFT_REQUEST_VOTE_RESPONSE, 52, 1},
};

static void what_is_out_of_bounds_in_a_head_is_refused(void **state)
{
    struct fixture *fixture = *state;
    for (size_t c = 0; c < COUNT_OF(patch_cases); c++) {
        struct wire_message message = make_message(fixture, patch_cases[c].type, 0);
        struct chunk *chunk = encoded(fixture, &message);
        assert_in_range(patch_cases[c].offset, 0, chunk->size_bytes - 1);
        chunk->data[patch_cases[c].offset] = patch_cases[c].value;
        reseal(chunk);
        struct wire_message out;
        if (decode(fixture, chunk, &out) != QR_ERR_MALFORMED) {
            fail_msg("taken: %s", patch_cases[c].name);
        }
        chunk_drop(chunk);
    }
}

/* The top bit of the number before it, at 72 in an append_entries: 0.1.0 takes it for the number's
 * own, and never sets it.
 */
static void what_an_older_version_does_not_say_is_assumed(void **state)
{
    struct fixture *fixture = *state;
    struct wire_message message = make_message(fixture, RAFT_APPEND_ENTRIES, 0);
    struct wire_message out;
    message.raft.append_entries.round = 7;
    message.raft.append_entries.is_leased = false;
    struct chunk *chunk = encoded(fixture, &message);
    assert_int_equal(load_u64(chunk->data + 72), UINT64_C(1) << 63 | 7);
    store_u64(chunk->data + 72, 7);
    reseal(chunk);
    assert_int_equal(decode(fixture, chunk, &out), 0);
    assert_int_equal(out.raft.append_entries.round, 7);
    assert_true(out.raft.append_entries.is_leased);
    chunk_drop(chunk);
}

/* Where in a hello the name begins: header, versions, cluster, from, has_expected, expected. */
#define HELLO_AT_NAME (24 + 4 + 4 + 16 + 8 + 1 + 8)

static void a_string_out_of_bounds_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct wire_message message = make_message(fixture, WIRE_HELLO, 0);
    memset(message.hello.name, 'n', RAFT_NAME_BYTES_MAX - 1);
    message.hello.name[RAFT_NAME_BYTES_MAX - 1] = '\0';
    struct chunk *chunk = encoded(fixture, &message);
    uint8_t *name = chunk->data + HELLO_AT_NAME;
    struct wire_message out;
    assert_int_equal(name[0], RAFT_NAME_BYTES_MAX - 1);
    assert_int_equal(name[1], 'n');
    assert_int_equal(decode(fixture, chunk, &out), 0);

    name[5] = '\0';
    reseal(chunk);
    assert_int_equal(decode(fixture, chunk, &out), QR_ERR_MALFORMED);
    name[5] = 'n';
    name[0] = RAFT_NAME_BYTES_MAX;
    reseal(chunk);
    assert_int_equal(decode(fixture, chunk, &out), QR_ERR_MALFORMED);
    name[0] = 255;
    reseal(chunk);
    assert_int_equal(decode(fixture, chunk, &out), QR_ERR_MALFORMED);
    chunk_drop(chunk);
}

struct entry_case {
    const char *name;
    uint8_t type;
    uint64_t prev_index;
    uint64_t indexes[2];
    uint64_t terms[2];
    uint32_t groups[2];
    int status;
};

/* prev is of term 3. */
static const struct entry_case entry_cases[] = {
    {"they follow", RAFT_APPEND_ENTRIES, 9, {10, 11}, {3, 3}, {1, 1}, 0},
    {"a term may jump", RAFT_APPEND_ENTRIES, 9, {10, 11}, {5, 9}, {1, 1}, 0},
    {"a gap behind prev", RAFT_APPEND_ENTRIES, 9, {11, 12}, {3, 3}, {1, 1}, -4},
    {"prev itself again", RAFT_APPEND_ENTRIES, 9, {9, 10}, {3, 3}, {1, 1}, -4},
    {"a gap", RAFT_APPEND_ENTRIES, 9, {10, 12}, {3, 3}, {1, 1}, -4},
    {"one twice", RAFT_APPEND_ENTRIES, 9, {10, 10}, {3, 3}, {1, 1}, -4},
    {"a term that falls", RAFT_APPEND_ENTRIES, 9, {10, 11}, {4, 3}, {1, 1}, -4},
    {"a term below prev's", RAFT_APPEND_ENTRIES, 9, {10, 11}, {2, 3}, {1, 1}, -4},
    {"two groups", RAFT_APPEND_ENTRIES, 9, {10, 11}, {3, 3}, {1, 2}, -4},
    {"nothing follows the last index", RAFT_APPEND_ENTRIES, UINT64_MAX, {0, 1}, {3, 3}, {1, 1}, -4},
    {"unplaced", WIRE_FORWARD, 0, {0, 0}, {0, 0}, {1, 1}, 0},
    {"a forwarded index", WIRE_FORWARD, 0, {0, 1}, {0, 0}, {1, 1}, -4},
    {"a forwarded term", WIRE_FORWARD, 0, {0, 0}, {1, 0}, {1, 1}, -4},
    {"two groups forwarded", WIRE_FORWARD, 0, {0, 0}, {0, 0}, {1, 2}, -4},
};

static void entries_must_follow_one_another(void **state)
{
    struct fixture *fixture = *state;
    for (size_t c = 0; c < COUNT_OF(entry_cases); c++) {
        const struct entry_case *at = &entry_cases[c];
        struct wire_message message = make_message(fixture, at->type, 0);
        if (at->type == RAFT_APPEND_ENTRIES) {
            message.raft.append_entries.prev = (struct raft_position){3, at->prev_index};
        }
        for (size_t i = 0; i < 2; i++) {
            struct entry_fields fields = sample_entry(at->type, (struct raft_position){0, 0}, i);
            fields.index = at->indexes[i];
            fields.term = at->terms[i];
            fields.group = at->groups[i];
            add_entry(fixture, &fields);
        }
        message.entries = fixture->entries;
        message.entry_count = fixture->entry_count;
        struct chunk *chunk = encoded(fixture, &message);
        struct wire_message out;
        if (decode(fixture, chunk, &out) != at->status) {
            fail_msg("not %d: %s", at->status, at->name);
        }
        chunk_drop(chunk);
    }
}

static void the_length_limit_comes_before_everything_else(void **state)
{
    (void)state;
    uint8_t header[WIRE_HEADER_BYTES];
    size_t frame_bytes = 77;
    memset(header, 0xff, sizeof(header));
    assert_int_equal(wire_frame_length(header, sizeof(header), 1 << 20, &frame_bytes),
                     QR_ERR_TOO_LARGE);
    store_u32(header, 1 << 20);
    assert_int_equal(wire_frame_length(header, sizeof(header), 1 << 20, &frame_bytes),
                     QR_ERR_MALFORMED);
    store_u32(header, (1 << 20) + 8);
    assert_int_equal(wire_frame_length(header, sizeof(header), 1 << 20, &frame_bytes),
                     QR_ERR_TOO_LARGE);
    for (size_t size = 0; size < WIRE_HEADER_BYTES; size++) {
        assert_int_equal(wire_frame_length(header, size, 1 << 20, &frame_bytes), 1);
    }
    assert_int_equal(frame_bytes, 77);
}

static void a_frame_shorter_than_its_header_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct wire_message message = make_message(fixture, WIRE_READ, 0);
    struct chunk *chunk = encoded(fixture, &message);
    static const uint32_t lengths[] = {0, 8, 16, 23, 24, 41};
    for (size_t i = 0; i < COUNT_OF(lengths); i++) {
        size_t frame_bytes = 0;
        store_u32(chunk->data, lengths[i]);
        assert_int_equal(wire_frame_length(chunk->data, WIRE_HEADER_BYTES, 1 << 20, &frame_bytes),
                         QR_ERR_MALFORMED);
    }
    chunk_drop(chunk);
}

static void adjacent_records_are_one_part_and_not_copied(void **state)
{
    struct fixture *fixture = *state;
    struct wire_message message = make_message(fixture, RAFT_APPEND_ENTRIES, 3);
    struct wire_frame *frame = wire_encode(&fixture->heap.allocator, &message);
    assert_non_null(frame);
    assert_int_equal(frame->part_count, 2);
    assert_ptr_equal(frame->parts[1].data, message.entries[0].record);
    assert_ptr_equal(frame->chunks[1], message.entries[0].chunk);
    wire_frame_free(frame);

    /* The third entry now comes from elsewhere: a part of its own. */
    entry_arena_deinit(&fixture->arena);
    struct entry_fields fields =
        sample_entry(RAFT_APPEND_ENTRIES, message.raft.append_entries.prev, 2);
    chunk_drop(fixture->entries[2].chunk);
    assert_int_equal(entry_arena_encode(&fixture->arena, &fields, &fixture->entries[2]), 0);
    frame = wire_encode(&fixture->heap.allocator, &message);
    assert_non_null(frame);
    assert_int_equal(frame->part_count, 3);
    assert_ptr_equal(frame->parts[2].data, fixture->entries[2].record);
    wire_frame_free(frame);
}

static void a_frame_keeps_its_chunks_alive(void **state)
{
    struct fixture *fixture = *state;
    struct wire_message message = make_message(fixture, RAFT_APPEND_ENTRIES, 2);
    struct chunk *expected = encoded(fixture, &message);
    struct wire_frame *frame = wire_encode(&fixture->heap.allocator, &message);
    assert_non_null(frame);
    drop_entries(fixture);
    entry_arena_deinit(&fixture->arena);
    struct chunk *chunk = sample_flatten(&fixture->heap.allocator, frame);
    assert_memory_equal(chunk->data, expected->data, expected->size_bytes);
    chunk_drop(chunk);
    chunk_drop(expected);
    wire_frame_free(frame);
    wire_frame_free(NULL);
}

/* A snapshot's piece of this size, in a chunk of its own, which is the caller's. */
static struct wire_message piece_of(struct fixture *fixture, uint32_t size_bytes)
{
    struct chunk *chunk = chunk_new(&fixture->heap.allocator, size_bytes);
    assert_non_null(chunk);
    memset(chunk->data, 0x5a, size_bytes);
    return (struct wire_message){
        .type = RAFT_INSTALL_SNAPSHOT,
        .raft = {.type = RAFT_INSTALL_SNAPSHOT,
                 .term = 2,
                 .install_snapshot = {.snapshot = {2, 9},
                                      .data = {chunk, chunk->data, size_bytes}}},
    };
}

static void data_is_lent_at_both_ends_and_not_copied(void **state)
{
    struct fixture *fixture = *state;
    struct wire_message message = piece_of(fixture, RAFT_DATA_BYTES_MAX);
    struct raft_data *data = &message.raft.install_snapshot.data;
    struct wire_frame *frame = wire_encode(&fixture->heap.allocator, &message);
    assert_non_null(frame);
    assert_int_equal(frame->part_count, 2);
    assert_ptr_equal(frame->parts[1].data, data->bytes);
    assert_ptr_equal(frame->chunks[1], data->chunk);
    chunk_drop(data->chunk); /* the frame has its own reference */

    struct chunk *flat = sample_flatten(&fixture->heap.allocator, frame);
    struct wire_message out;
    assert_int_equal(decode(fixture, flat, &out), 0);
    data = &out.raft.install_snapshot.data;
    assert_int_equal(data->size_bytes, RAFT_DATA_BYTES_MAX);
    assert_ptr_equal(data->chunk, flat);
    assert_ptr_equal(data->bytes, flat->data + flat->size_bytes - RAFT_DATA_BYTES_MAX);
    assert_int_equal(flat->reference_count, 1);
    wire_frame_free(frame);
    chunk_drop(flat);
}

static void data_out_of_bounds_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct wire_message message = piece_of(fixture, 9);
    struct chunk *source = message.raft.install_snapshot.data.chunk;
    struct chunk *chunk = encoded(fixture, &message);
    size_t field = load_u32(chunk->data + 12) - 8 - 7; /* 65 bytes of fields, 7 of padding */
    assert_int_equal(load_u32(chunk->data + field), 9);
    struct wire_message out;
    static const uint32_t sizes[] = {0, 1, 8, 10, 16, 17, UINT32_MAX};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        store_u32(chunk->data + field, sizes[i]);
        uint32_t within = sizes[i] <= 16 ? sizes[i] : 0;
        store_u32(chunk->data + field + 4, crc32c(0, chunk->data + chunk->size_bytes - 16, within));
        reseal(chunk);
        /* 10 bytes and 6 of padding say the same length: only the checksum of 9 is wrong then. */
        bool is_possible = sizes[i] > 8 && sizes[i] <= 16;
        assert_int_equal(decode(fixture, chunk, &out), is_possible ? 0 : QR_ERR_MALFORMED);
    }
    chunk_drop(chunk);
    chunk_drop(source);

    message = piece_of(fixture, RAFT_DATA_BYTES_MAX);
    source = message.raft.install_snapshot.data.chunk;
    chunk = encoded(fixture, &message);
    size_t frame_bytes;
    store_u32(chunk->data, chunk->size_bytes + 8);
    assert_int_equal(wire_frame_length(chunk->data, WIRE_HEADER_BYTES, UINT32_MAX, &frame_bytes),
                     QR_ERR_MALFORMED);
    chunk_drop(chunk);
    chunk_drop(source);
}

/* A receiver makes no more room for it than that. */
static void gossip_over_its_limit_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct chunk *source = chunk_new(&fixture->heap.allocator, WIRE_GOSSIP_BYTES_MAX);
    memset(source->data, 0x5a, source->size_bytes);
    struct wire_message message = {
        .type = WIRE_GOSSIP,
        .gossip = {.data = {source, source->data, source->size_bytes}},
    };
    struct chunk *chunk = encoded(fixture, &message);
    struct wire_message out;
    assert_int_equal(decode(fixture, chunk, &out), 0);
    assert_int_equal(out.gossip.data.size_bytes, WIRE_GOSSIP_BYTES_MAX);
    size_t frame_bytes;
    store_u32(chunk->data, chunk->size_bytes + 8);
    assert_int_equal(wire_frame_length(chunk->data, WIRE_HEADER_BYTES, UINT32_MAX, &frame_bytes),
                     QR_ERR_MALFORMED);
    chunk_drop(chunk);
    chunk_drop(source);
}

static void no_memory_gives_no_frame(void **state)
{
    struct fixture *fixture = *state;
    struct wire_message message = make_message(fixture, RAFT_APPEND_ENTRIES, 2);
    uint32_t references = message.entries[0].chunk->reference_count;
    fixture->heap.fail_at = fixture->heap.allocate_count + 1;
    assert_null(wire_encode(&fixture->heap.allocator, &message));
    assert_int_equal(message.entries[0].chunk->reference_count, references);
}

static void a_raft_message_goes_through_a_wire_message(void **state)
{
    struct fixture *fixture = *state;
    struct wire_message message = make_message(fixture, RAFT_APPEND_ENTRIES, 2);
    struct raft_message raft = wire_to_raft(&message);
    assert_ptr_equal(raft.entries, message.entries);
    assert_int_equal(raft.entry_count, 2);
    struct wire_message back = wire_of_raft(&raft);
    sample_same(&message, &back);
}

/* Noise under a right checksum reaches the fields and the records; nothing may break, and
 * what is taken must encode to the same bytes.
 */
static void noise_is_refused_or_means_what_it_says(void **state)
{
    struct fixture *fixture = *state;
    size_t taken_count = 0;
    for (size_t round = 0; round < 20000; round++) {
        uint8_t type = sample_types[round % COUNT_OF(sample_types)];
        struct wire_message message = make_message(fixture, type, round % 3);
        struct chunk *chunk = encoded(fixture, &message);
        for (size_t n = prng_between(&fixture->prng, 1, 3); n > 0; n--) {
            size_t at = prng_between(&fixture->prng, 0, chunk->size_bytes - 1);
            chunk->data[at] = (uint8_t)prng_next(&fixture->prng);
        }
        reseal(chunk);
        struct wire_message out;
        if (decode(fixture, chunk, &out) == 0) {
            struct chunk *again = encoded(fixture, &out);
            assert_int_equal(again->size_bytes, chunk->size_bytes);
            assert_memory_equal(again->data, chunk->data, chunk->size_bytes);
            chunk_drop(again);
            taken_count++;
        }
        chunk_drop(chunk);
    }
    assert_in_range(taken_count, 1000, 19000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_message_comes_back_as_it_was, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_truncation_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_flipped_bit_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bytes_behind_the_frame_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_out_of_bounds_in_a_head_is_refused, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_an_older_version_does_not_say_is_assumed, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_string_out_of_bounds_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(entries_must_follow_one_another, set_up, tear_down),
        cmocka_unit_test(the_length_limit_comes_before_everything_else),
        cmocka_unit_test_setup_teardown(a_frame_shorter_than_its_header_is_refused, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(adjacent_records_are_one_part_and_not_copied, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_frame_keeps_its_chunks_alive, set_up, tear_down),
        cmocka_unit_test_setup_teardown(data_is_lent_at_both_ends_and_not_copied, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(data_out_of_bounds_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(gossip_over_its_limit_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_memory_gives_no_frame, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_raft_message_goes_through_a_wire_message, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(noise_is_refused_or_means_what_it_says, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
