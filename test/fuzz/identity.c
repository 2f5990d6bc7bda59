/* identity.c: fuzzes the reader of the identity file.
 *
 * Input    flags, then the file.
 * Asserts  that what is read stands in the bytes at the places that its format names, that a
 *          refusal says why, and that one bit less of it is refused.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/crc32c.h"
#include "fuzz/fuzz.h"
#include "node/node.h"
#include "quorate/error.h"
#include "support/disk_memory.h"

#define FILE_NAME "identity"
#define AT_VERSION 8
#define AT_CHECKSUM 12
#define AT_ID 16
#define AT_CLUSTER 24
#define AT_IS_LOG_USED 40
#define AT_NAME 41
#define VERSION_FORMER 4
#define VERSION_STORES 8
#define STORES_FORMER 8 /* a flag behind the name */
#define FORMER_BYTES 51 /* of a former cluster, up to the length of the payload */
#define FILE_BYTES_MAX 1024

static int read_identity(const uint8_t *data, size_t size_bytes, struct node_identity *out)
{
    struct disk_memory disk;
    char detail[NODE_DETAIL_BYTES] = "";
    disk_memory_init(&disk);
    int status = disk_replace(&disk.disk, FILE_NAME, data, size_bytes);
    ASSERT(status == 0);
    status = node_identity_read(&disk.disk, out, detail);
    disk_memory_deinit(&disk);
    ASSERT((status != 0) == (detail[0] != '\0'));
    ASSERT(status == 0 || status == QR_ERR_CORRUPT || status == QR_ERR_VERSION);
    return status;
}

static void check(const uint8_t *data, size_t size_bytes, const struct node_identity *identity)
{
    size_t name_bytes = strlen(identity->name);
    ASSERT(name_bytes < sizeof(identity->name));
    size_t end = AT_NAME + 1 + name_bytes;
    bool has_former = load_u32(data + AT_VERSION) == VERSION_FORMER;
    if (load_u32(data + AT_VERSION) == VERSION_STORES) {
        ASSERT(size_bytes > end);
        ASSERT(identity->stores != 0 && identity->stores == (data[end] & NODE_STORES_ALL));
        has_former = (data[end] & STORES_FORMER) != 0;
        end++;
    }
    if (has_former) {
        ASSERT(size_bytes >= end + FORMER_BYTES);
        ASSERT(load_u64(data + end) == identity->former.high);
        ASSERT(load_u64(data + end + 8) == identity->former.low);
        end += FORMER_BYTES;
        ASSERT((data[end - 2] | data[end - 1] << 8) == (int)identity->recovery.configuration_bytes);
        end += identity->recovery.configuration_bytes;
    }
    ASSERT(size_bytes == end);
    ASSERT(load_u64(data + AT_ID) == identity->id);
    ASSERT(load_u64(data + AT_CLUSTER) == identity->cluster.high);
    ASSERT(load_u64(data + AT_CLUSTER + 8) == identity->cluster.low);
    ASSERT(data[AT_IS_LOG_USED] == identity->is_log_used);
    ASSERT(data[AT_NAME] == name_bytes);
    ASSERT(memcmp(data + AT_NAME + 1, identity->name, name_bytes) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    uint8_t bytes[FILE_BYTES_MAX + 64];
    struct node_identity identity;
    if (size_bytes == 0 || size_bytes > sizeof(bytes)) {
        return 0;
    }
    bool is_fixed = (data[0] & FUZZ_FIX) != 0;
    size_t flipped = data[0] / 2;
    size_bytes--;
    memcpy(bytes, data + 1, size_bytes);
    if (is_fixed && size_bytes > AT_ID) {
        store_u32(bytes + AT_CHECKSUM, crc32c(0, bytes + AT_ID, size_bytes - AT_ID));
    }
    if (read_identity(bytes, size_bytes, &identity) == 0) {
        check(bytes, size_bytes, &identity);
        bytes[flipped % size_bytes] ^= 1;
        int status = read_identity(bytes, size_bytes, &identity);
        ASSERT(status != 0);
    }
    return 0;
}
