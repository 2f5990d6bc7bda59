/* disk_memory.h: a disk in memory for tests, that can lose power, fail, fill up and rot.
 *
 * Owns     the files: for each what is durable and what a reader sees, content and name; and
 *          what was done but not synced, in order: sectors written, names changed, files
 *          written whole. A crash keeps of it what the test chooses. Operations wait until
 *          the test lets them happen, one by one.
 * Checks   that writes are whole sectors, that no sector that was synced is written again
 *          before the next crash, and that a stored piece follows the one before.
 * Threads  one.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPPORT_DISK_MEMORY_H
#define SUPPORT_DISK_MEMORY_H

#include "wal/disk.h"

#define DISK_MEMORY_FILES_MAX 64
#define DISK_MEMORY_NAMINGS_MAX 16

struct disk_memory_file {
    char name[DISK_NAME_BYTES_MAX];         /* "": none any more */
    char durable_name[DISK_NAME_BYTES_MAX]; /* what a crash leaves; "": none yet */
    uint64_t number;                        /* of no other file, whatever its name */
    uint64_t size_bytes;
    uint64_t room_bytes; /* for so much there is memory */
    uint8_t *seen;       /* what a reader sees */
    uint8_t *durable;    /* what a crash leaves at least */
    uint8_t *is_synced;  /* one for each sector: written and synced since the last crash */
    bool is_unsynced;    /* written whole: a crash leaves nothing, a part or all of it */
    bool has_sync_failed;
    bool is_stored;        /* piece by piece: its sectors are among the unsynced ones */
    uint64_t synced_bytes; /* while is_stored: how long a crash leaves it at least */
};

/* A name that leads to this file, not yet durably. */
struct disk_memory_naming {
    uint64_t file_number;
    char name[DISK_NAME_BYTES_MAX];
};

struct disk_memory_sector {
    char name[DISK_NAME_BYTES_MAX];
    uint64_t offset;
    uint8_t bytes[DISK_SECTOR_BYTES];
};

struct disk_memory {
    struct disk disk; /* what to hand to the code under test */
    struct disk_memory_file files[DISK_MEMORY_FILES_MAX];
    size_t file_count;
    uint64_t file_number_last;
    struct disk_memory_naming namings[DISK_MEMORY_NAMINGS_MAX]; /* in order */
    size_t naming_count;
    struct disk_memory_sector *unsynced; /* in the order of writing */
    size_t unsynced_count;
    size_t unsynced_room;  /* for so many there is memory */
    struct disk_op *first; /* submitted, not carried out */
    struct disk_op *last;
    size_t pending_count;
    uint64_t call_count; /* so far, of any kind */
    uint64_t fail_at;    /* the call that fails, counted from 1; 0: none */
    int fail_status;
    uint64_t room_bytes;         /* of all files; preparing beyond it finds the disk full */
    bool has_write_failed;       /* from then on every write fails */
    uint64_t write_count;        /* carried out */
    uint64_t sync_count;         /* carried out */
    uint64_t prepare_count;      /* tried */
    uint64_t prepare_fail_count; /* by fail_at */
    uint64_t store_count;        /* pieces and publications carried out */
    uint64_t mutation_count;     /* changes of any file, by anybody but the test */
};

void disk_memory_init(struct disk_memory *memory);
void disk_memory_deinit(struct disk_memory *memory);

/* Make `copy` hold the same files and unsynced sectors; nothing pending, no failure. */
void disk_memory_copy(struct disk_memory *copy, const struct disk_memory *memory);

/* Make `memory` hold once more what `saved` holds, a copy of it with nothing unsynced. Nothing is
 * pending. Cheaper than a new copy: files of the same size stay where they are.
 */
void disk_memory_restore(struct disk_memory *memory, struct disk_memory *saved);

/* Carry out the first pending operation; false when there is none. */
bool disk_memory_step(struct disk_memory *memory);

/* Carry out the first pending operation of a kind, ahead of others. */
bool disk_memory_step_kind(struct disk_memory *memory, enum disk_op_kind kind);

/* Carry out all, also those that are submitted meanwhile. */
void disk_memory_run(struct disk_memory *memory);

/* The machine goes down: what is pending is answered with QR_ERR_IO, so that its owner can
 * be freed. What it would have written counts as written and unsynced.
 */
void disk_memory_stop(struct disk_memory *memory);

/* What a crash has to choose: each unsynced sector, then each changed name, then of each file
 * that was stored whether it has its length; and of each that was written whole whether it has
 * its length, and each of its sectors.
 */
size_t disk_memory_choices(const struct disk_memory *memory);

/* Lose power after disk_memory_stop(): of what is not synced only that stays for which `keep`
 * says so (NULL: nothing). Numbers are in the order of disk_memory_choices().
 */
void disk_memory_crash(struct disk_memory *memory, bool (*keep)(void *context, size_t number),
                       void *context);

/* NULL when there is none. */
struct disk_memory_file *disk_memory_find(struct disk_memory *memory, const char *name);

void disk_memory_flip(struct disk_memory *memory, const char *name, uint64_t offset, unsigned bit);
void disk_memory_write(struct disk_memory *memory, const char *name, uint64_t offset,
                       const void *data, size_t size_bytes);
void disk_memory_resize(struct disk_memory *memory, const char *name, uint64_t size_bytes);
void disk_memory_remove(struct disk_memory *memory, const char *name);

/* Whether both hold the same files with the same bytes. */
bool disk_memory_equal(const struct disk_memory *a, const struct disk_memory *b);

#endif
