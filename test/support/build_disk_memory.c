/* build_disk_memory.c: a disk in memory behind the boundary of builds, without malice. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/build_disk_memory.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "quorate/error.h"
#include "wal/disk.h"

static void *bytes_of(uint64_t size_bytes)
{
    void *bytes = calloc(1, size_bytes);
    ASSERT(bytes != NULL);
    return bytes;
}

static struct build_disk_file *find(struct build_disk_memory *memory, const char *name)
{
    for (size_t i = 0; i < BUILD_DISK_FILES_MAX; i++) {
        struct build_disk_file *file = &memory->files[i];
        if (file->size_bytes > 0 && strcmp(file->name, name) == 0) {
            return file;
        }
    }
    return NULL;
}

static void file_empty(struct build_disk_file *file)
{
    free(file->seen);
    free(file->synced);
    *file = (struct build_disk_file){.size_bytes = 0};
}

static void drop(struct build_disk_memory *memory, const char *name)
{
    struct build_disk_file *file = find(memory, name);
    if (file != NULL) {
        file_empty(file);
    }
}

static void rename_to(struct build_disk_file *file, const char *name)
{
    size_t length = strlen(name);
    ASSERT(length < sizeof(file->name));
    memcpy(file->name, name, length + 1);
}

/* A file of zeros in place of any of that name. */
static struct build_disk_file *make(struct build_disk_memory *memory, const char *name,
                                    uint64_t size_bytes)
{
    struct build_disk_file *file = memory->files;
    ASSERT(size_bytes > 0);
    drop(memory, name);
    while (file->size_bytes > 0) {
        file++;
        ASSERT(file < memory->files + BUILD_DISK_FILES_MAX);
    }
    rename_to(file, name);
    file->size_bytes = size_bytes;
    file->seen = bytes_of(size_bytes);
    file->synced = bytes_of(size_bytes);
    return file;
}

static void sync_seen(struct build_disk_file *file)
{
    memcpy(file->synced, file->seen, file->size_bytes);
}

static int list(void *context, void (*each)(void *argument, const char *name, uint64_t size_bytes),
                void *argument)
{
    struct build_disk_memory *memory = context;
    for (size_t i = 0; i < BUILD_DISK_FILES_MAX; i++) {
        if (memory->files[i].size_bytes > 0) {
            each(argument, memory->files[i].name, memory->files[i].size_bytes);
        }
    }
    return 0;
}

static int read_file(void *context, const char *name, uint64_t offset, struct build_part part,
                     size_t *read_bytes)
{
    const struct build_disk_file *file = find(context, name);
    if (file == NULL) {
        return QR_ERR_NOT_FOUND;
    }
    uint64_t left = offset < file->size_bytes ? file->size_bytes - offset : 0;
    *read_bytes = left < part.size_bytes ? left : part.size_bytes;
    if (*read_bytes > 0) {
        memcpy(part.data, file->seen + offset, *read_bytes);
    }
    return 0;
}

static int write_file(void *context, const char *name, const void *data, size_t size_bytes)
{
    struct build_disk_memory *memory = context;
    memory->file_op_count++;
    memcpy(make(memory, name, size_bytes)->seen, data, size_bytes);
    return 0;
}

static int sync_file(void *context, const char *name)
{
    struct build_disk_memory *memory = context;
    struct build_disk_file *file = find(memory, name);
    ASSERT(file != NULL);
    memory->file_op_count++;
    sync_seen(file);
    return 0;
}

static int rename_file(void *context, const char *from, const char *to)
{
    struct build_disk_memory *memory = context;
    struct build_disk_file *file = find(memory, from);
    ASSERT(file != NULL);
    memory->file_op_count++;
    drop(memory, to);
    rename_to(file, to);
    return 0;
}

static int sync_names(void *context)
{
    struct build_disk_memory *memory = context;
    memory->file_op_count++;
    return 0;
}

static int prepare(void *context, const char *name, uint64_t size_bytes)
{
    (void)make(context, name, size_bytes);
    return 0;
}

static void submit(void *context, struct build_op *op)
{
    struct build_disk_memory *memory = context;
    op->next = NULL;
    if (memory->last == NULL) {
        memory->first = op;
    } else {
        memory->last->next = op;
    }
    memory->last = op;
}

static void carry_out_write(struct build_disk_memory *memory, const struct build_op *op)
{
    struct build_disk_file *file = find(memory, op->name);
    uint64_t offset = op->offset;
    ASSERT(file != NULL);
    for (size_t i = 0; i < op->part_count; i++) {
        ASSERT(offset + op->parts[i].size_bytes <= file->size_bytes);
        memcpy(file->seen + offset, op->parts[i].data, op->parts[i].size_bytes);
        offset += op->parts[i].size_bytes;
    }
    if (op->is_synced) {
        sync_seen(file);
    }
}

static void name_aside(const char *name, char *out)
{
    size_t length = strlen(name);
    ASSERT(length + sizeof(DISK_TEMPORARY_SUFFIX) <= BUILD_OP_NAME_BYTES_MAX);
    memcpy(out, name, length);
    memcpy(out + length, DISK_TEMPORARY_SUFFIX, sizeof(DISK_TEMPORARY_SUFFIX));
}

/* The file is made longer by the piece. */
static void carry_out_store(struct build_disk_memory *memory, const struct build_op *op)
{
    char aside[BUILD_OP_NAME_BYTES_MAX];
    uint64_t size_bytes = op->offset;
    name_aside(op->name, aside);
    for (size_t i = 0; i < op->part_count; i++) {
        size_bytes += op->parts[i].size_bytes;
    }
    struct build_disk_file old = {.size_bytes = 0};
    if (op->offset > 0) {
        struct build_disk_file *before = find(memory, aside);
        ASSERT(before != NULL);
        ASSERT(before->size_bytes == op->offset);
        old = *before;
        *before = (struct build_disk_file){.size_bytes = 0};
    }
    struct build_disk_file *file = make(memory, aside, size_bytes);
    if (old.size_bytes > 0) {
        memcpy(file->seen, old.seen, old.size_bytes);
        memcpy(file->synced, old.synced, old.size_bytes);
        file_empty(&old);
    }
    struct build_op write = *op;
    memcpy(write.name, aside, sizeof(aside));
    carry_out_write(memory, &write);
}

static int carry_out(struct build_disk_memory *memory, const struct build_op *op)
{
    char aside[BUILD_OP_NAME_BYTES_MAX];
    size_t got = 0;
    int status = 0;
    switch (op->kind) {
    case BUILD_WRITE:
        carry_out_write(memory, op);
        break;
    case BUILD_READ:
        ASSERT(op->part_count == 1);
        status = read_file(memory, op->name, op->offset, op->parts[0], &got);
        status = status == 0 && got < op->parts[0].size_bytes ? QR_ERR_CORRUPT : status;
        break;
    case BUILD_PREPARE:
        status = prepare(memory, op->name, op->size_bytes);
        break;
    case BUILD_REMOVE:
        drop(memory, op->name);
        break;
    case BUILD_STORE:
        carry_out_store(memory, op);
        break;
    case BUILD_PUBLISH:
        name_aside(op->name, aside);
        status = rename_file(memory, aside, op->name);
        break;
    }
    return status;
}

static struct build_op *take(struct build_disk_memory *memory)
{
    struct build_op *op = memory->first;
    memory->first = op->next;
    if (memory->first == NULL) {
        memory->last = NULL;
    }
    return op;
}

bool build_disk_memory_step(struct build_disk_memory *memory)
{
    if (memory->first == NULL) {
        return false;
    }
    struct build_op *op = take(memory);
    memory->op_count++;
    op->status = carry_out(memory, op);
    op->done(op);
    return true;
}

void build_disk_memory_stop(struct build_disk_memory *memory)
{
    while (memory->first != NULL) {
        struct build_op *op = take(memory);
        op->status = QR_ERR_IO;
        op->done(op);
    }
}

void build_disk_memory_crash(struct build_disk_memory *memory)
{
    ASSERT(memory->first == NULL);
    for (size_t i = 0; i < BUILD_DISK_FILES_MAX; i++) {
        struct build_disk_file *file = &memory->files[i];
        if (file->size_bytes > 0) {
            memcpy(file->seen, file->synced, file->size_bytes);
        }
    }
}

void build_disk_memory_init(struct build_disk_memory *memory)
{
    *memory = (struct build_disk_memory){
        .disk = {.context = memory,
                 .list = list,
                 .read = read_file,
                 .write_file = write_file,
                 .sync_file = sync_file,
                 .rename_file = rename_file,
                 .sync_names = sync_names,
                 .prepare = prepare,
                 .submit = submit},
    };
}

void build_disk_memory_deinit(struct build_disk_memory *memory)
{
    ASSERT(memory->first == NULL);
    for (size_t i = 0; i < BUILD_DISK_FILES_MAX; i++) {
        file_empty(&memory->files[i]);
    }
}
