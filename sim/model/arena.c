/* arena.c: memory that can be taken away and brought back. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/model/arena.h"

#include <string.h>
#include <sys/mman.h>

#include "base/assert.h"

#define ALIGN_BYTES 16
#define LINE_BYTES ((size_t)64)
#define LINE_WORDS (LINE_BYTES / sizeof(uint64_t))
#define RELEASE_BYTES_MAX ((size_t)256 * 1024) /* larger ones are not given back in a run */

_Static_assert(ARENA_BYTES / LINE_BYTES <= UINT16_MAX + 1, "a line's number fits 16 bits");

/* Before the words of a line in an image. */
struct line_head {
    uint16_t line;
    uint8_t mask; /* which of its words are not zero */
    uint8_t unused;
};

static size_t round_up(size_t size_bytes)
{
    return (size_bytes + ALIGN_BYTES - 1) & ~(size_t)(ALIGN_BYTES - 1);
}

static void *head_allocate(void *context, size_t size_bytes)
{
    struct arena_head *head = context;
    size_t size = round_up(size_bytes);
    for (size_t i = 0; i < ARENA_SIZES_MAX; i++) {
        void *block = head->released[i].first;
        if (block != NULL && head->released[i].size_bytes == size) {
            memcpy(&head->released[i].first, block, sizeof(void *));
            memset(block, 0, sizeof(void *));
            return block;
        }
    }
    if (size > ARENA_BYTES - head->used_bytes) {
        return NULL;
    }
    void *block = (uint8_t *)context + head->used_bytes;
    head->used_bytes += size;
    return block;
}

static void head_release(void *context, void *memory, size_t size_bytes)
{
    struct arena_head *head = context;
    if (memory == NULL || size_bytes == 0) {
        return;
    }
    ASSERT(size_bytes <= RELEASE_BYTES_MAX);
    memset(memory, 0, size_bytes);
    size_t size = round_up(size_bytes);
    size_t at = 0;
    while (at < ARENA_SIZES_MAX && head->released[at].size_bytes != size &&
           head->released[at].size_bytes != 0) {
        at++;
    }
    ASSERT(at < ARENA_SIZES_MAX);
    head->released[at].size_bytes = size;
    memcpy(memory, &head->released[at].first, sizeof(void *));
    head->released[at].first = memory;
}

static struct arena_head *head_of(const struct arena *arena)
{
    return (struct arena_head *)(void *)arena->base;
}

bool arena_init(struct arena *arena)
{
    memset(arena, 0, sizeof(*arena));
    void *memory = mmap(NULL, ARENA_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        return false;
    }
    /* Pages are to come one by one, so that those never written can be told. */
    (void)madvise(memory, ARENA_BYTES, MADV_NOHUGEPAGE);
    arena->base = memory;
    arena_clear(arena);
    return true;
}

void arena_deinit(struct arena *arena)
{
    if (arena->base != NULL) {
        (void)munmap(arena->base, ARENA_BYTES);
    }
    arena->base = NULL;
}

/* A page that the system has never given memory to holds zeroes, and is not looked at. */
static void note_touched(struct arena *arena)
{
    unsigned char residence[ARENA_PAGES];
    size_t used_bytes = head_of(arena)->used_bytes;
    if (used_bytes == 0) {
        used_bytes = sizeof(struct arena_head);
    }
    size_t pages = (used_bytes + ARENA_PAGE_BYTES - 1) / ARENA_PAGE_BYTES;
    int status = mincore(arena->base, pages * ARENA_PAGE_BYTES, residence);
    ASSERT(status == 0);
    for (size_t i = 0; i < pages; i++) {
        arena->is_touched[i] = arena->is_touched[i] || (residence[i] & 1) != 0;
    }
}

static void zero(struct arena *arena)
{
    note_touched(arena);
    for (size_t i = 0; i < ARENA_PAGES; i++) {
        if (arena->is_touched[i]) {
            memset(arena->base + i * ARENA_PAGE_BYTES, 0, ARENA_PAGE_BYTES);
        }
    }
}

void arena_clear(struct arena *arena)
{
    zero(arena);
    *head_of(arena) = (struct arena_head){
        .allocator = {.context = arena->base, .allocate = head_allocate, .release = head_release},
        .used_bytes = round_up(sizeof(struct arena_head)),
    };
}

void *arena_allocate(struct arena *arena, size_t size_bytes)
{
    return head_allocate(arena->base, size_bytes);
}

const struct allocator *arena_allocator(const struct arena *arena)
{
    return &head_of(arena)->allocator;
}

/* Append a line's words that are not zero; false when the pool has no more. */
static bool save_line(struct pool *pool, size_t line, const uint8_t *at)
{
    uint64_t words[LINE_WORDS];
    uint8_t image[sizeof(struct line_head) + LINE_BYTES];
    struct line_head head = {.line = (uint16_t)line};
    size_t size = sizeof(head);
    memcpy(words, at, LINE_BYTES);
    for (size_t i = 0; i < LINE_WORDS; i++) {
        if (words[i] != 0) {
            head.mask = (uint8_t)(head.mask | 1U << i);
            memcpy(image + size, &words[i], sizeof(words[i]));
            size += sizeof(words[i]);
        }
    }
    memcpy(image, &head, sizeof(head));
    uint8_t *out = pool_take(pool, size);
    if (out != NULL) {
        memcpy(out, image, size);
    }
    return out != NULL;
}

static bool is_zero(const uint8_t *at)
{
    uint64_t words[LINE_WORDS];
    memcpy(words, at, LINE_BYTES);
    return (words[0] | words[1] | words[2] | words[3] | words[4] | words[5] | words[6] |
            words[7]) == 0;
}

size_t arena_save(struct arena *arena, struct pool *pool, const uint8_t **image)
{
    size_t begin = pool->used_bytes;
    note_touched(arena);
    for (size_t page = 0; page < ARENA_PAGES; page++) {
        if (!arena->is_touched[page]) {
            continue;
        }
        size_t first = page * ARENA_PAGE_BYTES / LINE_BYTES;
        for (size_t i = first; i < first + ARENA_PAGE_BYTES / LINE_BYTES; i++) {
            const uint8_t *at = arena->base + i * LINE_BYTES;
            if (!is_zero(at) && !save_line(pool, i, at)) {
                return 0;
            }
        }
    }
    *image = pool->base + begin;
    return pool->used_bytes - begin;
}

void arena_restore(struct arena *arena, const uint8_t *image, size_t image_bytes)
{
    zero(arena);
    const uint8_t *end = image + image_bytes;
    while (image < end) {
        struct line_head head;
        memcpy(&head, image, sizeof(head));
        image += sizeof(head);
        uint8_t *at = arena->base + head.line * LINE_BYTES;
        for (size_t i = 0; i < LINE_WORDS; i++) {
            if ((head.mask & 1U << i) != 0) {
                memcpy(at + i * sizeof(uint64_t), image, sizeof(uint64_t));
                image += sizeof(uint64_t);
            }
        }
    }
}
