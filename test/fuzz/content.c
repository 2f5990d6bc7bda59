/* content.c: fuzzes what a node makes of a snapshot's content, from its disk or from a leader.
 *
 * Input    a byte of flags, a byte of the pieces' size, the stream. With FUZZ_FIX the checksum of
 *          each block is made right, as far as its lengths are possible, and that of the end.
 * Asserts  that pieces of any size come to the same verdict and the same bytes; that a reader who
 *          looks into nothing comes to the same, but for what only expanding shows; that what is
 *          whole is written again as it was, block by block, where it is not compressed.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "node/content.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "fuzz/fuzz.h"
#include "quorate/error.h"

#define INPUT_BYTES_MAX 1024
#define EXPANDED_BYTES_MAX 4096
#define STREAM_BYTES_MAX (256 * 1024) /* of so many blocks, expanded */

struct taken {
    struct content_writer writer; /* writes again what is read */
    uint8_t *again;
    size_t again_bytes;
    uint32_t checksum; /* of what the sink was given, in pieces of any size */
};

static void keep_block(struct taken *taken, size_t size_bytes)
{
    taken->again_bytes += size_bytes;
    ASSERT(taken->again_bytes <= 2 * STREAM_BYTES_MAX);
}

static int take_head(void *context, const struct content_head *head)
{
    struct taken *taken = context;
    ASSERT(head->configuration_bytes <= CONTENT_BLOCK_BYTES_MAX);
    if (head->configuration_bytes <= RAFT_CONFIGURATION_BYTES_MAX) {
        keep_block(taken,
                   content_write_head(&taken->writer, head, taken->again + taken->again_bytes));
    }
    return head->configuration_bytes <= RAFT_CONFIGURATION_BYTES_MAX ? 0 : QR_ERR_CORRUPT;
}

static int take(struct taken *taken, enum content_section section, const uint8_t *data,
                size_t size_bytes)
{
    taken->checksum = crc32c(taken->checksum, data, size_bytes);
    keep_block(taken, content_write(&taken->writer, section, data, size_bytes,
                                    taken->again + taken->again_bytes));
    return 0;
}

static int take_sessions(void *context, const uint8_t *data, size_t size_bytes)
{
    return take(context, CONTENT_SESSIONS, data, size_bytes);
}

static int take_machine(void *context, const uint8_t *data, size_t size_bytes)
{
    return take(context, CONTENT_MACHINE, data, size_bytes);
}

/* One byte becomes as many as the block says, up to a limit; nothing is made smaller. */
static size_t compress(void *context, const void *data, size_t size_bytes, void *out,
                       size_t out_bytes)
{
    (void)context;
    (void)data;
    (void)size_bytes;
    (void)out;
    (void)out_bytes;
    return 0;
}

static bool expand(void *context, const void *data, size_t size_bytes, void *out, size_t out_bytes)
{
    (void)context;
    if (size_bytes != 1 || out_bytes > EXPANDED_BYTES_MAX) {
        return false;
    }
    memset(out, *(const uint8_t *)data, out_bytes);
    return true;
}

static const struct content_codec codec = {.number = 1, .compress = compress, .expand = expand};

static int read_stream(struct heap *heap, const uint8_t *data, size_t size_bytes,
                       size_t piece_bytes, struct content_sink sink, bool *is_whole)
{
    struct content_reader reader;
    ASSERT(content_reader_init(&reader, &heap->allocator, &codec, sink) == 0);
    int status = 0;
    for (size_t at = 0; status == 0 && at < size_bytes; at += piece_bytes) {
        status = content_read(&reader, data + at, min_u64(piece_bytes, size_bytes - at));
    }
    *is_whole = content_is_whole(&reader);
    ASSERT(status == 0 || status == QR_ERR_CORRUPT || status == QR_ERR_VERSION);
    ASSERT_IMPLIES(*is_whole, status == 0);
    content_reader_deinit(&reader);
    return status;
}

static void check(struct heap *heap, const uint8_t *data, size_t size_bytes, size_t piece_bytes)
{
    struct taken whole = {.again = malloc(2 * STREAM_BYTES_MAX + CONTENT_STORED_BYTES_MAX)};
    struct taken pieces = {.again = malloc(2 * STREAM_BYTES_MAX + CONTENT_STORED_BYTES_MAX)};
    bool is_whole;
    bool is_whole_in_pieces;
    bool is_whole_unseen;
    ASSERT(whole.again != NULL && pieces.again != NULL);
    struct content_sink sink = {&whole, take_head, take_sessions, take_machine};
    int status = read_stream(heap, data, size_bytes, size_bytes + 1, sink, &is_whole);
    sink.context = &pieces;
    ASSERT(read_stream(heap, data, size_bytes, piece_bytes, sink, &is_whole_in_pieces) == status);
    ASSERT(is_whole == is_whole_in_pieces);
    ASSERT(whole.checksum == pieces.checksum);
    ASSERT(whole.again_bytes == pieces.again_bytes);
    ASSERT(memcmp(whole.again, pieces.again, whole.again_bytes) == 0);
    (void)read_stream(heap, data, size_bytes, piece_bytes, (struct content_sink){NULL, 0, 0, 0},
                      &is_whole_unseen);
    ASSERT_IMPLIES(is_whole, is_whole_unseen);
    if (is_whole) {
        keep_block(&whole, content_write_end(&whole.writer, whole.again + whole.again_bytes));
        sink.context = &pieces;
        pieces.again_bytes = 0;
        pieces.writer = (struct content_writer){.codec = NULL};
        ASSERT(read_stream(heap, whole.again, whole.again_bytes, piece_bytes, sink, &is_whole) ==
               0);
        ASSERT(is_whole);
    }
    free(whole.again);
    free(pieces.again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct heap heap;
    if (size_bytes < 2 || size_bytes > INPUT_BYTES_MAX) {
        return 0;
    }
    size_t stream_bytes = size_bytes - 2;
    uint8_t *stream = malloc(stream_bytes + 1);
    ASSERT(stream != NULL);
    memcpy(stream, data + 2, stream_bytes);
    if ((data[0] & FUZZ_FIX) != 0) {
        fuzz_fix_content(stream, stream_bytes);
    }
    heap_init(&heap);
    check(&heap, stream, stream_bytes, (size_t)data[1] + 1);
    heap_deinit(&heap);
    free(stream);
    return 0;
}
