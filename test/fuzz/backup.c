/* backup.c: fuzzes the reader of a backup, and what a restore makes of one that is whole.
 *
 * Input    a byte of flags, a byte of the pieces' size, the head without the zeros at its end, the
 *          content. With FUZZ_FIX the checksum of each block is made right, as far as its lengths
 *          are possible, and that of the end; then size and checksum of the content in the head,
 *          and the head's own.
 * Asserts  that pieces of any size come to the same verdict, and that a refusal says why; that who
 *          looks less deep refuses no more; that one bit less of what is whole is refused; and that
 *          of what is whole a restore makes a directory in which a node starts.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "node/backup_file.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "fuzz/fuzz.h"
#include "node/backup_restore.h"
#include "quorate/error.h"
#include "support/node_solo.h"

#define FIELDS_BYTES 144 /* of the head: zeros follow */
#define AT_CHECKSUM 12
#define AT_COVERED 16
#define AT_CONTENT_BYTES 64
#define AT_CONTENT_CHECKSUM 72
#define INPUT_BYTES_MAX 2048

static int read_pieces(const uint8_t *data, size_t size_bytes, size_t piece_bytes, bool is_deep)
{
    struct heap heap;
    struct backup_reader reader;
    struct backup_sink nowhere = {.context = NULL};
    heap_init(&heap);
    int status = backup_reader_init(&reader, &heap.allocator, NULL, nowhere, is_deep);
    ASSERT(status == 0);
    for (size_t at = 0; status == 0 && at < size_bytes; at += piece_bytes) {
        status = backup_read(&reader, data + at, min_u64(piece_bytes, size_bytes - at));
    }
    int end_status = backup_read_end(&reader);
    ASSERT(status == 0 || status == end_status);
    ASSERT(end_status == 0 || end_status == QR_ERR_FOREIGN || end_status == QR_ERR_VERSION ||
           end_status == QR_ERR_CORRUPT);
    ASSERT((end_status != 0) == (reader.detail[0] != '\0'));
    backup_reader_deinit(&reader);
    heap_deinit(&heap);
    return end_status;
}

static void fix(uint8_t *data, size_t size_bytes)
{
    uint8_t *content = data + BACKUP_HEAD_BYTES;
    size_t content_bytes = size_bytes - BACKUP_HEAD_BYTES;
    fuzz_fix_content(content, content_bytes);
    store_u64(data + AT_CONTENT_BYTES, content_bytes);
    store_u32(data + AT_CONTENT_CHECKSUM, crc32c(0, content, content_bytes));
    store_u32(data + AT_CHECKSUM, crc32c(crc32c(0, data, AT_CHECKSUM), data + AT_COVERED,
                                         BACKUP_HEAD_BYTES - AT_COVERED));
}

static void restore(struct disk_memory *disk, const uint8_t *data, size_t size_bytes)
{
    struct heap heap;
    struct backup_restore *restore = NULL;
    char detail[NODE_DETAIL_BYTES];
    struct backup_restore_options options = {
        .disk = &disk->disk,
        .cluster = {1, 2},
        .member = {.id = SOLO_SELF, .name = "n1", .address = "a1"},
    };
    heap_init(&heap);
    options.allocator = &heap.allocator;
    int status = backup_restore_new(&options, &restore, detail);
    ASSERT(status == 0);
    size_t given = 0;
    while (given < size_bytes) {
        size_t taken = 0;
        status = backup_restore_feed(restore, data + given, size_bytes - given, &taken);
        ASSERT(status == 0);
        given += taken;
        disk_memory_run(disk);
    }
    status = backup_restore_finish(restore);
    ASSERT(status == 0);
    disk_memory_run(disk);
    ASSERT(backup_restore_is_over(restore) && backup_restore_status(restore) == 0);
    backup_restore_free(restore);
    heap_deinit(&heap);
}

static int begin_anything(void *context)
{
    (void)context;
    return 0;
}

static int take_anything(void *context, const void *data, size_t size_bytes)
{
    (void)context;
    (void)data;
    (void)size_bytes;
    return 0;
}

/* A node starts in what was restored, leads, and stops. */
static void check_start(const uint8_t *data, size_t size_bytes)
{
    static struct solo solo;
    solo_init(&solo);
    restore(&solo.disk, data, size_bytes);
    solo.options.io.machine.restore_begin = begin_anything;
    solo.options.io.machine.restore_write = take_anything;
    solo.options.io.machine.restore_end = begin_anything;
    int status = solo_open(&solo);
    ASSERT(status == 0);
    solo_stop(&solo);
    solo_deinit(&solo);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    static uint8_t file[BACKUP_HEAD_BYTES + INPUT_BYTES_MAX];
    if (size_bytes < 2 || size_bytes > INPUT_BYTES_MAX) {
        return 0;
    }
    uint8_t flags = data[0];
    size_t piece_bytes = (size_t)data[1] + 1;
    size_t head_bytes = min_u64(size_bytes - 2, FIELDS_BYTES);
    size_t content_bytes = size_bytes - 2 - head_bytes;
    size_t file_bytes = content_bytes == 0 ? head_bytes : BACKUP_HEAD_BYTES + content_bytes;
    memset(file, 0, BACKUP_HEAD_BYTES);
    memcpy(file, data + 2, head_bytes);
    memcpy(file + BACKUP_HEAD_BYTES, data + 2 + head_bytes, content_bytes);
    if ((flags & FUZZ_FIX) != 0 && content_bytes > 0) {
        fix(file, file_bytes);
    }
    int status = read_pieces(file, file_bytes, file_bytes + 1, true);
    ASSERT(read_pieces(file, file_bytes, piece_bytes, true) == status);
    if (status != 0) {
        return 0;
    }
    ASSERT(read_pieces(file, file_bytes, piece_bytes, false) == 0);
    check_start(file, file_bytes);
    file[flags * file_bytes / 256] ^= (uint8_t)(1U << piece_bytes % 8);
    status = read_pieces(file, file_bytes, piece_bytes, true);
    ASSERT(status != 0);
    return 0;
}
