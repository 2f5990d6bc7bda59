/* data.c: fuzzes the start of a node on a data directory.
 *
 * Input    flags, then the files of its log (wal_image.h). Its identity is as it should be.
 * Asserts  that whatever recovery takes for a log, the node starts on it and takes part, or
 *          refuses it and says why, with nothing changed.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/crc32c.h"
#include "fuzz/fuzz.h"
#include "fuzz/wal_image.h"
#include "quorate/error.h"
#include "support/node_solo.h"
#include "wal/wal.h"

#define FLAG_FRESH 4 /* the identity says that the log was never used */
#define FLAG_SOLO 8  /* it is that of node_solo.c */
#define IDENTITY_BYTES_MAX 64
#define RUN_MS 700 /* more than two elections */

/* By src/node/identity.c. */
static void put_identity(struct solo *solo, node_id id, bool is_log_used)
{
    uint8_t bytes[IDENTITY_BYTES_MAX];
    struct writer writer = writer_of(bytes, sizeof(bytes));
    write_bytes(&writer, "QUORATEI", 8);
    write_u32(&writer, 1);
    write_u32(&writer, 0);
    write_u64(&writer, id);
    write_u64(&writer, SOLO_CLUSTER.high);
    write_u64(&writer, SOLO_CLUSTER.low);
    write_u8(&writer, is_log_used);
    write_string8(&writer, "n1");
    size_t size_bytes = writer_used(&writer);
    store_u32(bytes + 12, crc32c(0, bytes + 16, size_bytes - 16));
    int status = disk_replace(&solo->disk.disk, "identity", bytes, size_bytes);
    ASSERT(status == 0);
}

static void start(struct solo *solo, bool is_log_used)
{
    struct disk_memory before;
    disk_memory_copy(&before, &solo->disk);
    int status = solo_open(solo);
    if (status == 0) {
        solo_run(solo, RUN_MS);
        ASSERT(solo->failed_count == 0);
    } else {
        /* Half begun: entries, and no cluster that they are of. */
        ASSERT(status == QR_ERR_CORRUPT || status == QR_ERR_VERSION || status == QR_ERR_FOREIGN ||
               (status == QR_ERR_INVALID && !is_log_used));
        ASSERT(solo->detail[0] != '\0');
        ASSERT(disk_memory_equal(&before, &solo->disk));
    }
    disk_memory_deinit(&before);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    static struct solo solo;
    struct reader reader = reader_of(data, size_bytes);
    uint8_t flags = read_u8(&reader);
    solo_init(&solo);
    solo.options.segment_bytes = WAL_SEGMENT_BYTES_MIN;
    solo.options.join = "a2";
    bool is_log_used = (flags & FLAG_FRESH) == 0;
    put_identity(&solo, (flags & FLAG_SOLO) != 0 ? SOLO_SELF : WAL_IMAGE_NODE, is_log_used);
    wal_image_make(&solo.disk, &reader, flags);
    start(&solo, is_log_used);
    solo_deinit(&solo);
    return 0;
}
