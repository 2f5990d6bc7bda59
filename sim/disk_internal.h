/* disk_internal.h: what the files of the virtual disk share. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_DISK_INTERNAL_H
#define SIM_DISK_INTERNAL_H

#include "base/assert.h"
#include "quorate/error.h"
#include "sim/disk.h"

#define SECTOR_BYTES SIM_DISK_SECTOR_BYTES
#define BLOCK_SECTORS 32
#define BLOCK_BYTES (BLOCK_SECTORS * SECTOR_BYTES)
#define KEEP_ALL 8 /* eighths */

struct sim_disk_sector {
    uint32_t reported; /* number of the synced write that was reported here last; 0: none */
    uint32_t unsynced; /* slot + 1 of its newest unsynced version; 0: it is synced */
    bool is_written;
    bool is_damaged;
    bool is_bad; /* cannot be read until it is written */
};

/* A piece of a file that is not all zeros, or was not. */
struct sim_disk_block {
    struct sim_disk_block *next; /* while it is spare */
    struct sim_disk_sector sectors[BLOCK_SECTORS];
    uint8_t bytes[BLOCK_BYTES];
};

/* What a file holds. Where there is no block, there are zeros. */
struct sim_disk_content {
    struct sim_disk_block **blocks;
    uint64_t block_count;
    uint64_t size_bytes;
};

struct sim_disk_file {
    uint64_t hash;                              /* of `name` */
    char name[BUILD_OP_NAME_BYTES_MAX];         /* "": no process sees it */
    char durable_name[BUILD_OP_NAME_BYTES_MAX]; /* "": a power loss may remove it */
    struct sim_disk_content content;            /* as a process sees it */
    bool is_fresh;                              /* all of it is unsynced */
    bool is_fresh_lost;                         /* and its sync failed */
    bool is_stored;                             /* piece by piece */
    uint64_t synced_bytes;                      /* while is_stored: how long it surely is */
    struct sim_disk_content old;                /* while is_fresh: what was there before */
};

/* One version of one sector that is not synced. The newest is in the file. */
struct sim_disk_unsynced {
    struct sim_disk_file *file; /* NULL: the slot is free */
    uint32_t sector;
    uint32_t older; /* slot + 1 of the version before it, or of the next free slot */
    bool is_lost;   /* its write or sync failed: no other sync writes it */
    uint8_t before[SECTOR_BYTES];
};

/* What a sector held before it was written again. */
struct sim_disk_displaced {
    const struct sim_disk_file *file; /* NULL: it is gone */
    uint32_t sector;
    uint8_t bytes[SECTOR_BYTES];
};

struct sim_disk_name_change {
    struct sim_disk_file *file;
    bool is_lost;
    char from[BUILD_OP_NAME_BYTES_MAX]; /* "": it was created */
    char to[BUILD_OP_NAME_BYTES_MAX];   /* "": it was removed */
};

struct sim_disk_waiting {
    struct build_op *op;
    uint64_t number; /* of its submission */
    uint32_t bound;  /* reported writes that it surely notes */
};

/* disk.c */

/* Room for `needed` items; never fails. */
void sim_disk_grow(void **items, size_t *capacity, size_t needed, size_t item_bytes);

/* Uniform in [0, most]. */
uint64_t sim_disk_draw(struct sim_disk *disk, uint64_t most);

/* Whether this call was asked to fail; asked once. */
bool sim_disk_call_fails(struct sim_disk *disk, enum sim_disk_call call);

void sim_disk_name_copy(char *out, const char *name);
struct sim_disk_file *sim_disk_find(struct sim_disk *disk, const char *name);

/* A file of zeros that has no name yet. */
struct sim_disk_file *sim_disk_file_add(struct sim_disk *disk, uint64_t size_bytes);

/* Give a file a name that processes see, or none (""). */
void sim_disk_file_call(struct sim_disk *disk, struct sim_disk_file *file, const char *name);

/* Free files without any name. */
void sim_disk_collect(struct sim_disk *disk);

/* disk_content.c */

static inline uint64_t sim_disk_sectors(uint64_t bytes)
{
    return (bytes + SECTOR_BYTES - 1) / SECTOR_BYTES;
}

/* The sector's record, or NULL: it was never written. */
static inline struct sim_disk_sector *sim_disk_sector_at(const struct sim_disk_content *content,
                                                         uint64_t sector)
{
    struct sim_disk_block *block = content->blocks[sector / BLOCK_SECTORS];
    return block == NULL ? NULL : &block->sectors[sector % BLOCK_SECTORS];
}

/* The bytes of a sector that has a record. */
static inline uint8_t *sim_disk_bytes_at(const struct sim_disk_content *content, uint64_t sector)
{
    struct sim_disk_block *block = content->blocks[sector / BLOCK_SECTORS];
    return block->bytes + sector % BLOCK_SECTORS * SECTOR_BYTES;
}

/* Zeros of that size, with nothing in memory. */
struct sim_disk_content sim_disk_content_of(uint64_t size_bytes);

/* Let go of it. Its unsynced versions are forgotten; what was bad or damaged counts no more. */
void sim_disk_content_drop(struct sim_disk *disk, struct sim_disk_content *content);

/* The sector's record, made if there was none. */
struct sim_disk_sector *sim_disk_sector_make(struct sim_disk *disk,
                                             struct sim_disk_content *content, uint64_t sector);

void sim_disk_content_read(const struct sim_disk_content *content, uint64_t offset, void *out,
                           uint64_t size_bytes);
void sim_disk_content_write(struct sim_disk *disk, struct sim_disk_content *content,
                            uint64_t offset, const void *data, uint64_t size_bytes);
void sim_disk_content_cut(struct sim_disk *disk, struct sim_disk_content *content,
                          uint64_t size_bytes);

/* Make it longer, with zeros. */
void sim_disk_content_grow(struct sim_disk_content *content, uint64_t size_bytes);

/* Forget a sector's unsynced versions: what is in the file is durable. */
void sim_disk_sector_synced(struct sim_disk *disk, struct sim_disk_sector *sector);

/* A free slot for an unsynced version. */
uint32_t sim_disk_slot_new(struct sim_disk *disk);

/* disk_files.c: calls that end before they return */

int sim_disk_list(void *context,
                  void (*each)(void *argument, const char *name, uint64_t size_bytes),
                  void *argument);
int sim_disk_read(void *context, const char *name, uint64_t offset, struct build_part part,
                  size_t *read_bytes);
int sim_disk_write_file(void *context, const char *name, const void *data, size_t size_bytes);
int sim_disk_sync_file(void *context, const char *name);
int sim_disk_rename_file(void *context, const char *from, const char *to);
int sim_disk_sync_names(void *context);
int sim_disk_prepare(void *context, const char *name, uint64_t size_bytes);
int sim_disk_remove(struct sim_disk *disk, const char *name);

/* Sync the sectors of a file and its length, or fail to. */
void sim_disk_sync_sectors(struct sim_disk *disk, struct sim_disk_file *file, bool fails);

/* Whether a file of this size finds room, in place of `replaced` (or NULL). */
bool sim_disk_has_room(const struct sim_disk *disk, const struct sim_disk_file *replaced,
                       uint64_t size_bytes);

/* The whole content is not unsynced any more: what was before it is forgotten. */
void sim_disk_file_settled(struct sim_disk *disk, struct sim_disk_file *file);

/* Note a change of names that is not synced, and make it seen. */
void sim_disk_rename_unsynced(struct sim_disk *disk, struct sim_disk_file *file, const char *to);

/* Make unsynced changes of names durable: those that are lost with a chance of `keep_lost`
 * eighths, the others of `keep`. None is unsynced afterwards.
 */
void sim_disk_settle_names(struct sim_disk *disk, uint64_t keep, uint64_t keep_lost);

/* A preparation that was interrupted. */
void sim_disk_prepare_in_part(struct sim_disk *disk, const char *name, uint64_t size_bytes);

/* disk_step.c */

void sim_disk_submit(void *context, struct build_op *op);

static inline struct sim_disk_waiting *sim_disk_queue_at(const struct sim_disk_queue *queue,
                                                         size_t i)
{
    return &queue->items[(queue->head + i) & (queue->capacity - 1)];
}

/* Write the first `sectors` sectors of the operation, unsynced. */
void sim_disk_write_unsynced(struct sim_disk *disk, const struct build_op *op, uint64_t sectors,
                             bool is_lost);

/* The same of an operation into this file, that keeps to the rules. */
void sim_disk_file_write_unsynced(struct sim_disk *disk, struct sim_disk_file *file,
                                  const struct build_op *op, uint64_t sectors, bool is_lost);

uint64_t sim_disk_op_sectors(const struct build_op *op);

/* Note what broke a rule first, in words. */
void sim_disk_complain(struct sim_disk *disk, const struct build_op *op, const char *what);

/* disk_store.c: files that are stored piece by piece */

int sim_disk_store(struct sim_disk *disk, const struct build_op *op);
int sim_disk_publish(struct sim_disk *disk, const struct build_op *op);

/* What pending ones do before the process ends. */
void sim_disk_leave_stores(struct sim_disk *disk);

/* A power loss leaves a length between the one that was synced and the one that was written. */
void sim_disk_settle_length(struct sim_disk *disk, struct sim_disk_file *file, bool is_kept);

#endif
