/* disk_content.c: the bytes of files, in blocks, and what is noted of each sector.
 *
 * Owns     the memory: blocks go from file to file, so that only what is written first costs
 *          anything. A prepared file has none.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "sim/disk_internal.h"

struct sim_disk_content sim_disk_content_of(uint64_t size_bytes)
{
    struct sim_disk_content content = {.size_bytes = size_bytes};
    content.block_count = (size_bytes + BLOCK_BYTES - 1) / BLOCK_BYTES;
    content.blocks = calloc(content.block_count + 1, sizeof(struct sim_disk_block *));
    ASSERT(content.blocks != NULL);
    return content;
}

static void block_drop(struct sim_disk *disk, struct sim_disk_block *block)
{
    for (size_t i = 0; i < BLOCK_SECTORS; i++) {
        sim_disk_sector_synced(disk, &block->sectors[i]);
        disk->bad_count -= block->sectors[i].is_bad;
        disk->damaged_count -= block->sectors[i].is_damaged;
    }
    block->next = disk->spare;
    disk->spare = block;
}

void sim_disk_content_cut(struct sim_disk *disk, struct sim_disk_content *content,
                          uint64_t size_bytes)
{
    ASSERT(size_bytes <= content->size_bytes);
    uint64_t kept = (size_bytes + BLOCK_BYTES - 1) / BLOCK_BYTES;
    for (uint64_t i = kept; i < content->block_count; i++) {
        if (content->blocks[i] != NULL) {
            block_drop(disk, content->blocks[i]);
        }
    }
    content->block_count = kept;
    content->size_bytes = size_bytes;
}

void sim_disk_content_grow(struct sim_disk_content *content, uint64_t size_bytes)
{
    ASSERT(size_bytes >= content->size_bytes);
    uint64_t count = (size_bytes + BLOCK_BYTES - 1) / BLOCK_BYTES;
    struct sim_disk_block **blocks = realloc(content->blocks, (count + 1) * sizeof(*blocks));
    ASSERT(blocks != NULL);
    for (uint64_t i = content->block_count; i < count; i++) {
        blocks[i] = NULL;
    }
    content->blocks = blocks;
    content->block_count = count;
    content->size_bytes = size_bytes;
}

void sim_disk_content_drop(struct sim_disk *disk, struct sim_disk_content *content)
{
    sim_disk_content_cut(disk, content, 0);
    free(content->blocks);
    *content = (struct sim_disk_content){.blocks = NULL};
}

struct sim_disk_sector *sim_disk_sector_make(struct sim_disk *disk,
                                             struct sim_disk_content *content, uint64_t sector)
{
    struct sim_disk_block **place = &content->blocks[sector / BLOCK_SECTORS];
    if (*place == NULL) {
        struct sim_disk_block *block = disk->spare;
        if (block == NULL) {
            block = malloc(sizeof(*block));
            ASSERT(block != NULL);
        } else {
            disk->spare = block->next;
        }
        memset(block, 0, sizeof(*block));
        *place = block;
    }
    return &(*place)->sectors[sector % BLOCK_SECTORS];
}

void sim_disk_content_read(const struct sim_disk_content *content, uint64_t offset, void *out,
                           uint64_t size_bytes)
{
    uint8_t *to = out;
    while (size_bytes > 0) {
        const struct sim_disk_block *block = content->blocks[offset / BLOCK_BYTES];
        uint64_t within = offset % BLOCK_BYTES;
        uint64_t piece = min_u64(size_bytes, BLOCK_BYTES - within);
        if (block == NULL) {
            memset(to, 0, piece);
        } else {
            memcpy(to, block->bytes + within, piece);
        }
        to += piece;
        offset += piece;
        size_bytes -= piece;
    }
}

void sim_disk_content_write(struct sim_disk *disk, struct sim_disk_content *content,
                            uint64_t offset, const void *data, uint64_t size_bytes)
{
    const uint8_t *from = data;
    while (size_bytes > 0) {
        (void)sim_disk_sector_make(disk, content, offset / SECTOR_BYTES);
        uint64_t within = offset % BLOCK_BYTES;
        uint64_t piece = min_u64(size_bytes, BLOCK_BYTES - within);
        memcpy(content->blocks[offset / BLOCK_BYTES]->bytes + within, from, piece);
        from += piece;
        offset += piece;
        size_bytes -= piece;
    }
}

uint32_t sim_disk_slot_new(struct sim_disk *disk)
{
    uint32_t slot = disk->unsynced_free;
    if (slot != 0) {
        disk->unsynced_free = disk->unsynced[slot - 1].older;
        return slot;
    }
    sim_disk_grow((void **)&disk->unsynced, &disk->unsynced_capacity, disk->unsynced_count + 1,
                  sizeof(*disk->unsynced));
    return (uint32_t)++disk->unsynced_count;
}

void sim_disk_sector_synced(struct sim_disk *disk, struct sim_disk_sector *sector)
{
    while (sector->unsynced != 0) {
        struct sim_disk_unsynced *unsynced = &disk->unsynced[sector->unsynced - 1];
        uint32_t slot = sector->unsynced;
        sector->unsynced = unsynced->older;
        unsynced->file = NULL;
        unsynced->older = disk->unsynced_free;
        disk->unsynced_free = slot;
    }
}
