/* snapshot_memory.c: a snapshot store in memory that ends everything within the call. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/snapshot_memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "quorate/error.h"

static struct snapshot_memory_one *find(struct snapshot_memory *memory, uint64_t index,
                                        bool is_published)
{
    for (size_t i = 0; i < SNAPSHOT_MEMORY_MAX; i++) {
        struct snapshot_memory_one *one = &memory->ones[i];
        if (one->index == index && one->is_published == is_published && !one->is_removed) {
            return one;
        }
    }
    return NULL;
}

struct snapshot_memory_one *snapshot_memory_find(struct snapshot_memory *memory, uint64_t index)
{
    return find(memory, index, true);
}

size_t snapshot_memory_count_aside(const struct snapshot_memory *memory)
{
    size_t count = 0;
    for (size_t i = 0; i < SNAPSHOT_MEMORY_MAX; i++) {
        count += memory->ones[i].index != 0 && !memory->ones[i].is_published ? 1 : 0;
    }
    return count;
}

static void drop(struct snapshot_memory_one *one)
{
    free(one->bytes);
    *one = (struct snapshot_memory_one){.index = 0};
}

static void end(struct snapshot_memory *memory, uint64_t ticket, int status)
{
    if (memory->is_held) {
        ASSERT(memory->held_count < sizeof(memory->held) / sizeof(memory->held[0]));
        memory->held[memory->held_count++] = ticket;
        return;
    }
    uint64_t told = memory->wrong == SNAPSHOT_MEMORY_ENDS_ANOTHER ? ticket + 1000 : ticket;
    memory->host->done(memory->host->context, told, status);
    if (memory->wrong == SNAPSHOT_MEMORY_ENDS_TWICE) {
        memory->host->done(memory->host->context, ticket, status);
    }
}

/* Whether it is to fail, and has. */
static bool has_failed(struct snapshot_memory *memory, uint64_t ticket)
{
    int status = atomic_load(&memory->status);
    memory->call_count++;
    if (status != 0) {
        end(memory, ticket, status);
    }
    return status != 0;
}

static int on_open(void *context, const struct qr_snapshot_open *open, char *detail)
{
    struct snapshot_memory *memory = context;
    ASSERT(memory->host == NULL && open->size_bytes >= sizeof(*open));
    memory->open_count++;
    if (memory->open_status != 0) {
        memset(detail, 'x', QR_SNAPSHOT_DETAIL_BYTES); /* without an end */
        return memory->open_status;
    }
    memory->host = open->host;
    return 0;
}

static int on_list(void *context, qr_snapshot_each *each, void *argument)
{
    const struct snapshot_memory *memory = context;
    for (size_t i = 0; i < SNAPSHOT_MEMORY_MAX; i++) {
        const struct snapshot_memory_one *one = &memory->ones[i];
        bool is_listed = one->is_published || memory->wrong == SNAPSHOT_MEMORY_LISTS_UNFINISHED;
        bool is_longer = memory->wrong == SNAPSHOT_MEMORY_LISTS_WRONG_SIZE;
        if (one->index != 0 && is_listed && !one->is_removed) {
            each(argument, one->index, one->size_bytes + (is_longer ? 512 : 0));
        }
    }
    return memory->list_status;
}

static void on_write(void *context, uint64_t ticket, const struct qr_snapshot_part *part,
                     const void *data)
{
    struct snapshot_memory *memory = context;
    if (has_failed(memory, ticket)) {
        return;
    }
    struct snapshot_memory_one *one = find(memory, part->index, false);
    if (one == NULL) {
        one = find(memory, 0, false);
        ASSERT(one != NULL && part->offset == 0);
        one->index = part->index;
    }
    if (part->offset == 0 && memory->wrong != SNAPSHOT_MEMORY_BEGINS_BEHIND) {
        one->size_bytes = 0;
    }
    one->bytes = realloc(one->bytes, one->size_bytes + part->count);
    ASSERT(one->bytes != NULL);
    memcpy(one->bytes + one->size_bytes, data, part->count);
    one->size_bytes += part->count;
    end(memory, ticket, 0);
}

static void on_publish(void *context, uint64_t ticket, uint64_t index)
{
    struct snapshot_memory *memory = context;
    if (has_failed(memory, ticket)) {
        return;
    }
    struct snapshot_memory_one *one = find(memory, index, false);
    struct snapshot_memory_one *old = find(memory, index, true);
    ASSERT(one != NULL);
    if (old != NULL && memory->wrong == SNAPSHOT_MEMORY_KEEPS_OLD) {
        drop(one);
    } else {
        if (old != NULL) {
            drop(old);
        }
        one->is_published = true;
    }
    end(memory, ticket, 0);
}

static void on_abandon(void *context, uint64_t ticket, uint64_t index)
{
    struct snapshot_memory *memory = context;
    struct snapshot_memory_one *one = find(memory, index, false);
    memory->call_count++;
    if (one != NULL) {
        drop(one);
    }
    end(memory, ticket, 0);
}

static void on_read(void *context, uint64_t ticket, const struct qr_snapshot_part *part,
                    void *buffer)
{
    struct snapshot_memory *memory = context;
    if (has_failed(memory, ticket)) {
        return;
    }
    const struct snapshot_memory_one *one = find(memory, part->index, true);
    bool is_short = one == NULL || part->offset + part->count > one->size_bytes;
    if (!is_short) {
        memcpy(buffer, one->bytes + part->offset, part->count);
    }
    if (memory->wrong == SNAPSHOT_MEMORY_READS_WRONG) {
        *(uint8_t *)buffer ^= 1;
    }
    bool is_told = is_short && memory->wrong != SNAPSHOT_MEMORY_READS_BEYOND_END;
    end(memory, ticket, is_told ? QR_ERR_CORRUPT : 0);
}

static void on_remove(void *context, uint64_t ticket, uint64_t index)
{
    struct snapshot_memory *memory = context;
    if (has_failed(memory, ticket)) {
        return;
    }
    struct snapshot_memory_one *one = find(memory, index, true);
    if (one != NULL && memory->wrong == SNAPSHOT_MEMORY_REMOVES_FOR_NOW) {
        one->is_removed = true;
    } else if (one != NULL) {
        drop(one);
    } else if (memory->wrong == SNAPSHOT_MEMORY_MISSES_REMOVED) {
        end(memory, ticket, QR_ERR_IO);
        return;
    }
    end(memory, ticket, 0);
}

static void on_close(void *context)
{
    struct snapshot_memory *memory = context;
    ASSERT(memory->host != NULL);
    memory->host = NULL;
    memory->held_count = 0;
    snapshot_memory_crash(memory); /* what is aside goes at any rate */
}

void snapshot_memory_crash(void *context)
{
    struct snapshot_memory *memory = context;
    for (size_t i = 0; i < SNAPSHOT_MEMORY_MAX; i++) {
        struct snapshot_memory_one *one = &memory->ones[i];
        bool is_lost = one->is_published ? memory->wrong == SNAPSHOT_MEMORY_LOSES_PUBLISHED
                                         : memory->wrong != SNAPSHOT_MEMORY_KEEPS_UNFINISHED;
        if (one->index != 0 && is_lost) {
            drop(one);
        } else if (one->index != 0) {
            one->is_published = true;
            one->is_removed = false;
        }
    }
}

void snapshot_memory_release(struct snapshot_memory *memory)
{
    memory->is_held = false;
    for (size_t i = 0; i < memory->held_count; i++) {
        end(memory, memory->held[i], memory->status);
    }
    memory->held_count = 0;
}

const char *snapshot_memory_wrong_name(enum snapshot_memory_wrong wrong)
{
    static const char *const names[] = {
#define X(name) #name,
        SNAPSHOT_MEMORY_WRONG_MAP(X)
#undef X
    };
    return names[wrong];
}

void snapshot_memory_init(struct snapshot_memory *memory, enum snapshot_memory_wrong wrong)
{
    *memory = (struct snapshot_memory){
        .store = {.size_bytes = sizeof(memory->store),
                  .context = memory,
                  .open = on_open,
                  .list = on_list,
                  .write = on_write,
                  .publish = on_publish,
                  .abandon = on_abandon,
                  .read = on_read,
                  .remove = on_remove,
                  .close = on_close},
        .wrong = wrong,
    };
}

void snapshot_memory_deinit(struct snapshot_memory *memory)
{
    ASSERT(memory->host == NULL);
    for (size_t i = 0; i < SNAPSHOT_MEMORY_MAX; i++) {
        drop(&memory->ones[i]);
    }
}
