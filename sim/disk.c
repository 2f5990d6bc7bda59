/* disk.c: the virtual disk as a whole: its files, its faults, its beginning and end. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/disk.h"

#include <stdlib.h>
#include <string.h>

#include "sim/disk_internal.h"

void sim_disk_grow(void **items, size_t *capacity, size_t needed, size_t item_bytes)
{
    if (needed <= *capacity) {
        return;
    }
    size_t grown = *capacity == 0 ? 16 : *capacity;
    while (grown < needed) {
        grown *= 2;
    }
    void *moved = realloc(*items, grown * item_bytes);
    ASSERT(moved != NULL);
    *items = moved;
    *capacity = grown;
}

uint64_t sim_disk_draw(struct sim_disk *disk, uint64_t most)
{
    return prng_between(&disk->prng, 0, most);
}

bool sim_disk_call_fails(struct sim_disk *disk, enum sim_disk_call call)
{
    bool fails = disk->call_fails[call];
    disk->call_fails[call] = false;
    disk->stats.failure_count += fails;
    return fails;
}

void sim_disk_name_copy(char *out, const char *name)
{
    size_t length = strlen(name);
    ASSERT(length < BUILD_OP_NAME_BYTES_MAX);
    memcpy(out, name, length + 1);
}

/* FNV-1a */
static uint64_t hash_of(const char *name)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (const char *at = name; *at != '\0'; at++) {
        hash = (hash ^ (uint8_t)*at) * UINT64_C(0x100000001b3);
    }
    return hash;
}

struct sim_disk_file *sim_disk_find(struct sim_disk *disk, const char *name)
{
    if (disk->hot != NULL && strcmp(disk->hot->name, name) == 0) {
        return disk->hot;
    }
    uint64_t hash = hash_of(name);
    for (size_t i = disk->file_count; i > 0; i--) {
        struct sim_disk_file *file = disk->files[i - 1];
        if (file->hash == hash && strcmp(file->name, name) == 0) {
            disk->hot = file;
            return file;
        }
    }
    return NULL;
}

struct sim_disk_file *sim_disk_file_add(struct sim_disk *disk, uint64_t size_bytes)
{
    struct sim_disk_file *file = calloc(1, sizeof(*file));
    ASSERT(file != NULL);
    file->content = sim_disk_content_of(size_bytes);
    sim_disk_grow((void **)&disk->files, &disk->file_capacity, disk->file_count + 1,
                  sizeof(*disk->files));
    disk->files[disk->file_count++] = file;
    return file;
}

void sim_disk_file_call(struct sim_disk *disk, struct sim_disk_file *file, const char *name)
{
    sim_disk_name_copy(file->name, name);
    file->hash = hash_of(name);
    disk->hot = NULL;
}

/* Nothing may point to a file that goes. */
static void file_free(struct sim_disk *disk, struct sim_disk_file *file)
{
    sim_disk_content_drop(disk, &file->content);
    sim_disk_content_drop(disk, &file->old);
    for (size_t i = 0; i < disk->displaced_count && i < SIM_DISK_DISPLACED_MAX; i++) {
        if (disk->displaced[i].file == file) {
            disk->displaced[i].file = NULL;
        }
    }
    disk->hot = NULL;
    free(file);
}

static bool is_named(const struct sim_disk *disk, const struct sim_disk_file *file)
{
    if (file->name[0] != '\0' || file->durable_name[0] != '\0') {
        return true;
    }
    for (size_t i = 0; i < disk->name_count; i++) {
        if (disk->names[i].file == file) {
            return true;
        }
    }
    return false;
}

void sim_disk_collect(struct sim_disk *disk)
{
    size_t kept = 0;
    for (size_t i = 0; i < disk->file_count; i++) {
        if (is_named(disk, disk->files[i])) {
            disk->files[kept++] = disk->files[i];
        } else {
            file_free(disk, disk->files[i]);
        }
    }
    disk->file_count = kept;
}

void sim_disk_init(struct sim_disk *disk, uint64_t seed)
{
    *disk = (struct sim_disk){
        .interface = {disk, sim_disk_list, sim_disk_read, sim_disk_write_file, sim_disk_sync_file,
                      sim_disk_rename_file, sim_disk_sync_names, sim_disk_prepare, sim_disk_submit},
        .prng = prng_of(seed),
        .is_down = true,
        .room_bytes = UINT64_MAX,
    };
    disk->displaced = calloc(SIM_DISK_DISPLACED_MAX, sizeof(*disk->displaced));
    ASSERT(disk->displaced != NULL);
}

void sim_disk_deinit(struct sim_disk *disk)
{
    for (size_t i = 0; i < disk->file_count; i++) {
        file_free(disk, disk->files[i]);
    }
    while (disk->spare != NULL) {
        struct sim_disk_block *block = disk->spare;
        disk->spare = block->next;
        free(block);
    }
    free(disk->files);
    free(disk->unsynced);
    free(disk->names);
    free(disk->displaced);
    for (size_t i = 0; i < SIM_DISK_OP_KINDS; i++) {
        free(disk->queues[i].items);
    }
}

void sim_disk_wipe(struct sim_disk *disk)
{
    uint64_t seed = prng_next(&disk->prng);
    uint64_t room_bytes = disk->room_bytes;
    struct sim_disk_stats stats = disk->stats;
    char complaint[SIM_DISK_TEXT_BYTES];
    memcpy(complaint, disk->complaint, sizeof(complaint));
    sim_disk_deinit(disk);
    sim_disk_init(disk, seed);
    disk->room_bytes = room_bytes;
    disk->stats = stats;
    memcpy(disk->complaint, complaint, sizeof(complaint));
}

const struct build_disk *sim_disk_interface(struct sim_disk *disk)
{
    return &disk->interface;
}

void sim_disk_fail_write(struct sim_disk *disk)
{
    disk->write_fails = true;
}

void sim_disk_fail_read(struct sim_disk *disk, bool is_for_good)
{
    disk->read_fails = true;
    disk->read_fails_for_good = is_for_good;
}

void sim_disk_fail_call(struct sim_disk *disk, enum sim_disk_call call)
{
    disk->call_fails[call] = true;
}

void sim_disk_clear_faults(struct sim_disk *disk)
{
    disk->write_fails = false;
    disk->read_fails = false;
    memset(disk->call_fails, 0, sizeof(disk->call_fails));
}

void sim_disk_set_room(struct sim_disk *disk, uint64_t room_bytes)
{
    disk->room_bytes = room_bytes;
}

uint64_t sim_disk_used_bytes(const struct sim_disk *disk)
{
    uint64_t used = 0;
    for (size_t i = 0; i < disk->file_count; i++) {
        used += disk->files[i]->name[0] != '\0' ? disk->files[i]->content.size_bytes : 0;
    }
    return used;
}

bool sim_disk_is_damaged(const struct sim_disk *disk)
{
    return disk->damaged_count + disk->bad_count > 0;
}

const struct sim_disk_stats *sim_disk_stats(const struct sim_disk *disk)
{
    return &disk->stats;
}

const char *sim_disk_complaint(const struct sim_disk *disk)
{
    return disk->complaint[0] == '\0' ? NULL : disk->complaint;
}
