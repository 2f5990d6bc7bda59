/* disk_memory.c: a disk in memory for tests. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/disk_memory_files.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "quorate/error.h"

/* Count one call; true when it is the one to fail. */
static bool call_fails(struct disk_memory *memory)
{
    memory->call_count++;
    return memory->call_count == memory->fail_at;
}

/* What only reads never finds the disk full. */
static int read_failure(const struct disk_memory *memory)
{
    return memory->fail_status == QR_ERR_DISK_FULL ? QR_ERR_IO : memory->fail_status;
}

static int list(void *context, void (*each)(void *argument, const char *name, uint64_t size_bytes),
                void *argument)
{
    struct disk_memory *memory = context;
    if (call_fails(memory)) {
        return read_failure(memory);
    }
    for (size_t i = memory->file_count; i > 0; i--) {
        if (memory->files[i - 1].name[0] != '\0') {
            each(argument, memory->files[i - 1].name, memory->files[i - 1].size_bytes);
        }
    }
    return 0;
}

static int read_file(void *context, const char *name, uint64_t offset, struct disk_part part,
                     size_t *read_bytes)
{
    struct disk_memory *memory = context;
    if (call_fails(memory)) {
        return read_failure(memory);
    }
    const struct disk_memory_file *file = disk_memory_find(memory, name);
    if (file == NULL) {
        return QR_ERR_NOT_FOUND;
    }
    uint64_t left = offset < file->size_bytes ? file->size_bytes - offset : 0;
    *read_bytes = min_u64(part.size_bytes, left);
    memcpy(part.data, file->seen + min_u64(offset, file->size_bytes), *read_bytes);
    return 0;
}

static uint64_t used_bytes(const struct disk_memory *memory, const char *without)
{
    uint64_t used = 0;
    for (size_t i = 0; i < memory->file_count; i++) {
        bool counts = strcmp(memory->files[i].name, without) != 0;
        used += counts ? memory->files[i].size_bytes : 0;
    }
    return used;
}

static int prepare(void *context, const char *name, uint64_t size_bytes)
{
    struct disk_memory *memory = context;
    memory->prepare_count++;
    memory->mutation_count++;
    if (call_fails(memory)) {
        memory->prepare_fail_count++;
        return memory->fail_status;
    }
    if (used_bytes(memory, name) + size_bytes > memory->room_bytes) {
        return QR_ERR_DISK_FULL;
    }
    (void)disk_memory_make(memory, name, size_bytes);
    return 0;
}

/* What does not fit, or fails, leaves its first half. */
static int write_file(void *context, const char *name, const void *data, size_t size_bytes)
{
    struct disk_memory *memory = context;
    memory->mutation_count++;
    int status = call_fails(memory) ? memory->fail_status : 0;
    if (status == 0 && used_bytes(memory, name) + size_bytes > memory->room_bytes) {
        status = QR_ERR_DISK_FULL;
    }
    disk_memory_write_whole(memory, name, data, status == 0 ? size_bytes : size_bytes / 2);
    return status;
}

static int sync_file(void *context, const char *name)
{
    struct disk_memory *memory = context;
    struct disk_memory_file *file = disk_memory_find(memory, name);
    bool fails = call_fails(memory);
    if (file == NULL) {
        return QR_ERR_IO;
    }
    if (fails) {
        file->has_sync_failed = true;
        return memory->fail_status;
    }
    disk_memory_sync_whole(file);
    return 0;
}

static int rename_file(void *context, const char *from, const char *to)
{
    struct disk_memory *memory = context;
    struct disk_memory_file *file = disk_memory_find(memory, from);
    if (call_fails(memory)) {
        return memory->fail_status;
    }
    if (file == NULL) {
        return QR_ERR_IO;
    }
    memory->mutation_count++;
    disk_memory_rename(memory, file, to);
    return 0;
}

static int sync_names(void *context)
{
    struct disk_memory *memory = context;
    if (call_fails(memory)) {
        return memory->fail_status;
    }
    disk_memory_sync_names(memory);
    return 0;
}

static void submit(void *context, struct disk_op *op)
{
    struct disk_memory *memory = context;
    op->next = NULL;
    if (memory->last == NULL) {
        memory->first = op;
    } else {
        memory->last->next = op;
    }
    memory->last = op;
    memory->pending_count++;
}

/* The bytes of a write's parts, in one piece; the caller frees them. */
static uint8_t *gather(const struct disk_op *op, size_t *size_bytes)
{
    size_t total = 0;
    for (size_t i = 0; i < op->part_count; i++) {
        total += op->parts[i].size_bytes;
    }
    uint8_t *bytes = disk_memory_allocate(total, 1);
    size_t used = 0;
    for (size_t i = 0; i < op->part_count; i++) {
        memcpy(bytes + used, op->parts[i].data, op->parts[i].size_bytes);
        used += op->parts[i].size_bytes;
    }
    *size_bytes = total;
    return bytes;
}

static void add_unsynced(struct disk_memory *memory, const struct disk_op *op)
{
    size_t size_bytes;
    uint8_t *bytes = gather(op, &size_bytes);
    ASSERT(op->offset % DISK_SECTOR_BYTES == 0);
    ASSERT(size_bytes % DISK_SECTOR_BYTES == 0);
    size_t added = size_bytes / DISK_SECTOR_BYTES;
    size_t total = memory->unsynced_count + added;
    if (total > memory->unsynced_room) {
        memory->unsynced_room = 2 * total;
        memory->unsynced =
            realloc(memory->unsynced, memory->unsynced_room * sizeof(*memory->unsynced));
        ASSERT(memory->unsynced != NULL);
    }
    for (size_t i = 0; i < added; i++) {
        struct disk_memory_sector *sector = &memory->unsynced[memory->unsynced_count++];
        disk_memory_name_copy(sector->name, op->name);
        sector->offset = op->offset + i * DISK_SECTOR_BYTES;
        memcpy(sector->bytes, bytes + i * DISK_SECTOR_BYTES, DISK_SECTOR_BYTES);
    }
    free(bytes);
}

/* A synced sector is newer than the unsynced ones of its place. */
static void forget_older(struct disk_memory *memory, const struct disk_memory_sector *newer)
{
    size_t kept = 0;
    size_t at = (size_t)(newer - memory->unsynced);
    for (size_t i = 0; i < at; i++) {
        struct disk_memory_sector *older = &memory->unsynced[i];
        if (older->offset != newer->offset || strcmp(older->name, newer->name) != 0) {
            memory->unsynced[kept++] = *older;
        }
    }
    memmove(memory->unsynced + kept, newer,
            (memory->unsynced_count - at) * sizeof(*memory->unsynced));
    memory->unsynced_count -= at - kept;
}

/* The last `count` unsynced sectors are seen by readers, and durable if they are synced. */
static void apply(struct disk_memory *memory, size_t count, bool is_synced)
{
    for (size_t left = count; left > 0; left--) {
        const struct disk_memory_sector *sector = &memory->unsynced[memory->unsynced_count - left];
        struct disk_memory_file *file = disk_memory_find(memory, sector->name);
        ASSERT(file != NULL);
        ASSERT(sector->offset + DISK_SECTOR_BYTES <= file->size_bytes);
        uint8_t *mark = &file->is_synced[sector->offset / DISK_SECTOR_BYTES];
        ASSERT(!*mark);
        memcpy(file->seen + sector->offset, sector->bytes, DISK_SECTOR_BYTES);
        if (is_synced) {
            memcpy(file->durable + sector->offset, sector->bytes, DISK_SECTOR_BYTES);
            *mark = 1;
            forget_older(memory, sector);
        }
    }
    if (is_synced) {
        memory->unsynced_count -= count;
    }
}

/* All that was stored of a file is durable. */
static void sync_stored(struct disk_memory *memory, struct disk_memory_file *file)
{
    size_t kept = 0;
    for (size_t i = 0; i < memory->unsynced_count; i++) {
        struct disk_memory_sector *sector = &memory->unsynced[i];
        if (strcmp(sector->name, file->name) == 0) {
            file->is_synced[sector->offset / DISK_SECTOR_BYTES] = 1;
        } else {
            memory->unsynced[kept++] = *sector;
        }
    }
    memory->unsynced_count = kept;
    memcpy(file->durable, file->seen, file->size_bytes);
    file->synced_bytes = file->size_bytes;
}

static int carry_out_write(struct disk_memory *memory, const struct disk_op *op)
{
    if (memory->has_write_failed) {
        return QR_ERR_IO;
    }
    if (call_fails(memory)) {
        memory->has_write_failed = true;
        add_unsynced(memory, op);
        return memory->fail_status;
    }
    size_t before = memory->unsynced_count;
    add_unsynced(memory, op);
    apply(memory, memory->unsynced_count - before, op->is_synced);
    memory->mutation_count++;
    memory->write_count++;
    memory->sync_count += op->is_synced;
    return 0;
}

/* A piece that fails, or finds no room, is nowhere; one of which only the sync fails, unsynced. */
static int carry_out_store(struct disk_memory *memory, struct disk_op *op)
{
    struct disk_memory_file *file = disk_memory_aside(memory, op->name, op->offset);
    size_t size_bytes;
    free(gather(op, &size_bytes));
    ASSERT(file != NULL);
    ASSERT(file->is_stored);
    ASSERT(op->offset == file->size_bytes);
    memory->mutation_count++;
    if (call_fails(memory)) {
        return memory->fail_status;
    }
    if (used_bytes(memory, "") + size_bytes > memory->room_bytes) {
        return QR_ERR_DISK_FULL;
    }
    disk_memory_grow(file, op->offset + size_bytes);
    struct disk_op aside = *op;
    disk_memory_name_copy(aside.name, file->name);
    size_t before = memory->unsynced_count;
    add_unsynced(memory, &aside);
    apply(memory, memory->unsynced_count - before, false);
    memory->store_count++;
    if (!op->is_synced) {
        return 0;
    }
    if (call_fails(memory)) {
        return memory->fail_status;
    }
    sync_stored(memory, file);
    return 0;
}

static int carry_out_publish(struct disk_memory *memory, const struct disk_op *op)
{
    struct disk_memory_file *file = disk_memory_aside(memory, op->name, 1);
    ASSERT(file != NULL);
    if (call_fails(memory)) {
        return memory->fail_status;
    }
    memory->mutation_count++;
    memory->store_count++;
    for (size_t i = 0; i < memory->unsynced_count; i++) {
        if (strcmp(memory->unsynced[i].name, file->name) == 0) {
            disk_memory_name_copy(memory->unsynced[i].name, op->name);
        }
    }
    disk_memory_rename(memory, file, op->name);
    if (call_fails(memory)) {
        return memory->fail_status;
    }
    disk_memory_sync_names(memory);
    return 0;
}

static int carry_out(struct disk_memory *memory, struct disk_op *op)
{
    size_t got = 0;
    int status = 0;
    switch (op->kind) {
    case DISK_WRITE:
        return carry_out_write(memory, op);
    case DISK_READ:
        ASSERT(op->part_count == 1);
        status = read_file(memory, op->name, op->offset, op->parts[0], &got);
        return status == 0 && got < op->parts[0].size_bytes ? QR_ERR_CORRUPT : status;
    case DISK_PREPARE:
        return prepare(memory, op->name, op->size_bytes);
    case DISK_REMOVE:
        if (call_fails(memory)) {
            return memory->fail_status;
        }
        if (disk_memory_find(memory, op->name) != NULL) {
            disk_memory_remove(memory, op->name);
        }
        memory->mutation_count++;
        return 0;
    case DISK_STORE:
        return carry_out_store(memory, op);
    case DISK_PUBLISH:
        return carry_out_publish(memory, op);
    default:
        ASSERT(false);
    }
    return QR_ERR_INVALID;
}

static struct disk_op *take(struct disk_memory *memory, struct disk_op *before, struct disk_op *op)
{
    if (before == NULL) {
        memory->first = op->next;
    } else {
        before->next = op->next;
    }
    if (memory->last == op) {
        memory->last = before;
    }
    memory->pending_count--;
    return op;
}

bool disk_memory_step(struct disk_memory *memory)
{
    if (memory->first == NULL) {
        return false;
    }
    struct disk_op *op = take(memory, NULL, memory->first);
    op->status = carry_out(memory, op);
    op->done(op);
    return true;
}

bool disk_memory_step_kind(struct disk_memory *memory, enum disk_op_kind kind)
{
    struct disk_op *before = NULL;
    struct disk_op *op = memory->first;
    while (op != NULL && op->kind != kind) {
        before = op;
        op = op->next;
    }
    if (op == NULL) {
        return false;
    }
    (void)take(memory, before, op);
    op->status = carry_out(memory, op);
    op->done(op);
    return true;
}

void disk_memory_run(struct disk_memory *memory)
{
    while (disk_memory_step(memory)) {
    }
}

/* What a piece or a publication would have done is done, and not synced. */
static void leave_stored(struct disk_memory *memory, struct disk_op *op)
{
    memory->fail_at = memory->call_count + 2; /* the sync behind it */
    if (op->kind == DISK_STORE) {
        (void)carry_out_store(memory, op);
    } else {
        (void)carry_out_publish(memory, op);
    }
    memory->fail_at = 0;
}

void disk_memory_stop(struct disk_memory *memory)
{
    while (memory->first != NULL) {
        struct disk_op *op = take(memory, NULL, memory->first);
        if (op->kind == DISK_WRITE && !memory->has_write_failed) {
            add_unsynced(memory, op);
        } else if (op->kind == DISK_STORE || op->kind == DISK_PUBLISH) {
            leave_stored(memory, op);
        }
        op->status = QR_ERR_IO;
        op->done(op);
    }
}

size_t disk_memory_choices(const struct disk_memory *memory)
{
    return memory->unsynced_count + disk_memory_file_choices(memory);
}

void disk_memory_crash(struct disk_memory *memory, bool (*keep)(void *context, size_t number),
                       void *context)
{
    ASSERT(memory->first == NULL);
    for (size_t i = 0; i < memory->unsynced_count; i++) {
        const struct disk_memory_sector *sector = &memory->unsynced[i];
        struct disk_memory_file *file = disk_memory_find(memory, sector->name);
        if (keep != NULL && file != NULL && keep(context, i)) {
            memcpy(file->durable + sector->offset, sector->bytes, DISK_SECTOR_BYTES);
        }
    }
    disk_memory_crash_files(memory, memory->unsynced_count, keep, context);
    memory->unsynced_count = 0;
    memory->has_write_failed = false;
    memory->fail_at = 0;
}

void disk_memory_init(struct disk_memory *memory)
{
    *memory = (struct disk_memory){
        .disk =
            {
                .context = memory,
                .list = list,
                .read = read_file,
                .write_file = write_file,
                .sync_file = sync_file,
                .rename_file = rename_file,
                .sync_names = sync_names,
                .prepare = prepare,
                .submit = submit,
            },
        .fail_status = QR_ERR_IO,
        .room_bytes = UINT64_MAX,
    };
}

void disk_memory_deinit(struct disk_memory *memory)
{
    ASSERT(memory->first == NULL);
    disk_memory_free_files(memory);
    free(memory->unsynced);
}

void disk_memory_copy(struct disk_memory *copy, const struct disk_memory *memory)
{
    disk_memory_init(copy);
    disk_memory_copy_files(copy, memory);
    copy->unsynced = disk_memory_allocate(memory->unsynced_count, sizeof(*copy->unsynced));
    copy->unsynced_count = memory->unsynced_count;
    copy->unsynced_room = memory->unsynced_count;
    if (memory->unsynced_count > 0) {
        memcpy(copy->unsynced, memory->unsynced, memory->unsynced_count * sizeof(*copy->unsynced));
    }
}

bool disk_memory_equal(const struct disk_memory *a, const struct disk_memory *b)
{
    if (a->file_count != b->file_count) {
        return false;
    }
    for (size_t i = 0; i < a->file_count; i++) {
        const struct disk_memory_file *left = &a->files[i];
        const struct disk_memory_file *right = &b->files[i];
        if (strcmp(left->name, right->name) != 0 || left->size_bytes != right->size_bytes ||
            memcmp(left->seen, right->seen, left->size_bytes) != 0) {
            return false;
        }
    }
    return true;
}
