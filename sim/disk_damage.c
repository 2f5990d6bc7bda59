/* disk_damage.c: rot, of what the log promises to notice.
 *
 * Owns     the choice. What is eligible, and why, stands in disk.h.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/text.h"
#include "sim/disk_internal.h"

#define TRIES_MAX 32

/* Sectors of one file. */
struct place {
    struct sim_disk_file *file;
    uint64_t sector;
    uint64_t count;
};

static bool is_eligible(const struct sim_disk *disk, const struct sim_disk_sector *sector)
{
    return sector != NULL && sector->reported != 0 && sector->reported <= disk->witnessed &&
           sector->unsynced == 0 && !sector->is_damaged;
}

static uint64_t count_eligible(const struct sim_disk *disk, const struct sim_disk_file *file)
{
    uint64_t count = 0;
    for (uint64_t i = 0; i < sim_disk_sectors(file->content.size_bytes); i++) {
        count += is_eligible(disk, sim_disk_sector_at(&file->content, i));
    }
    return count;
}

/* The `number`-th eligible sector; there is one. */
static struct place eligible_at(const struct sim_disk *disk, uint64_t number)
{
    size_t at = 0;
    uint64_t count = count_eligible(disk, disk->files[at]);
    while (number >= count) {
        number -= count;
        count = count_eligible(disk, disk->files[++at]);
    }
    uint64_t sector = 0;
    const struct sim_disk_content *content = &disk->files[at]->content;
    while (!is_eligible(disk, sim_disk_sector_at(content, sector)) || number-- > 0) {
        sector++;
    }
    return (struct place){disk->files[at], sector, 1};
}

static bool draw_eligible(struct sim_disk *disk, struct place *out)
{
    uint64_t count = 0;
    for (size_t i = 0; i < disk->file_count; i++) {
        count += count_eligible(disk, disk->files[i]);
    }
    if (count == 0) {
        return false;
    }
    *out = eligible_at(disk, sim_disk_draw(disk, count - 1));
    return true;
}

static uint8_t *bytes_at(const struct place *place, uint64_t number)
{
    return sim_disk_bytes_at(&place->file->content, place->sector + number);
}

static void mark_damaged(struct sim_disk *disk, const struct place *place)
{
    for (uint64_t i = place->sector; i < place->sector + place->count; i++) {
        struct sim_disk_sector *sector = sim_disk_sector_at(&place->file->content, i);
        disk->damaged_count += !sector->is_damaged;
        sector->is_damaged = true;
    }
}

static void tell(const struct place *place, const char *what, struct text *text)
{
    text_string(text, what);
    text_string(text, place->file->name);
    text_string(text, ", offset ");
    text_u64(text, place->sector * SECTOR_BYTES);
}

static void flip(struct sim_disk *disk, const struct place *place, struct text *text)
{
    uint64_t left = place->file->content.size_bytes - place->sector * SECTOR_BYTES;
    uint64_t byte = sim_disk_draw(disk, min_u64(SECTOR_BYTES, left) - 1);
    uint64_t bit = sim_disk_draw(disk, 7);
    bytes_at(place, 0)[byte] ^= (uint8_t)(1U << bit);
    mark_damaged(disk, place);
    tell(place, "a bit flipped in ", text);
}

static bool is_zero(const struct place *place)
{
    static const uint8_t zeros[SECTOR_BYTES];
    return memcmp(bytes_at(place, 0), zeros, SECTOR_BYTES) == 0;
}

static bool zero(struct sim_disk *disk, struct text *text)
{
    struct place place;
    for (size_t i = 0; i < TRIES_MAX && draw_eligible(disk, &place); i++) {
        if (!is_zero(&place)) {
            memset(bytes_at(&place, 0), 0, SECTOR_BYTES);
            mark_damaged(disk, &place);
            tell(&place, "a sector zeroed in ", text);
            return true;
        }
    }
    return false;
}

static bool is_of_write(const struct place *place, uint64_t number, uint32_t reported)
{
    const struct sim_disk_sector *sector = sim_disk_sector_at(&place->file->content, number);
    return sector != NULL && sector->reported == reported;
}

/* The whole write that a sector belongs to. */
static struct place write_around(const struct place *place)
{
    uint32_t reported = sim_disk_sector_at(&place->file->content, place->sector)->reported;
    uint64_t limit = sim_disk_sectors(place->file->content.size_bytes);
    struct place whole = *place;
    while (whole.sector > 0 && is_of_write(place, whole.sector - 1, reported)) {
        whole.sector--;
    }
    uint64_t end = place->sector + 1;
    while (end < limit && is_of_write(place, end, reported)) {
        end++;
    }
    whole.count = end - whole.sector;
    return whole;
}

static bool is_all_eligible(const struct sim_disk *disk, const struct place *place)
{
    if (place->sector + place->count > sim_disk_sectors(place->file->content.size_bytes)) {
        return false;
    }
    for (uint64_t i = place->sector; i < place->sector + place->count; i++) {
        if (!is_eligible(disk, sim_disk_sector_at(&place->file->content, i))) {
            return false;
        }
    }
    return true;
}

static bool overlaps(const struct place *a, const struct place *b)
{
    return a->file == b->file && a->sector < b->sector + b->count &&
           b->sector < a->sector + a->count;
}

/* Put back what a sector held before its last write: mostly the zeros it was prepared with. */
static void put_back(const struct sim_disk *disk, const struct place *place)
{
    for (uint64_t i = 0; i < place->count; i++) {
        memset(bytes_at(place, i), 0, SECTOR_BYTES);
    }
    size_t kept = min_u64(disk->displaced_count, SIM_DISK_DISPLACED_MAX);
    for (size_t i = disk->displaced_count - kept; i < disk->displaced_count; i++) {
        const struct sim_disk_displaced *displaced = &disk->displaced[i % SIM_DISK_DISPLACED_MAX];
        if (displaced->file == place->file && displaced->sector >= place->sector &&
            displaced->sector < place->sector + place->count) {
            memcpy(bytes_at(place, displaced->sector - place->sector), displaced->bytes,
                   SECTOR_BYTES);
        }
    }
}

static bool misdirect(struct sim_disk *disk, struct text *text)
{
    struct place from;
    struct place to;
    for (size_t i = 0; i < TRIES_MAX && draw_eligible(disk, &from); i++) {
        from = write_around(&from);
        bool is_found = draw_eligible(disk, &to);
        ASSERT(is_found);
        to.count = from.count;
        if (is_all_eligible(disk, &from) && is_all_eligible(disk, &to) && !overlaps(&from, &to)) {
            for (uint64_t k = 0; k < from.count; k++) {
                memcpy(bytes_at(&to, k), bytes_at(&from, k), SECTOR_BYTES);
            }
            put_back(disk, &from);
            mark_damaged(disk, &from);
            mark_damaged(disk, &to);
            tell(&from, "a write misdirected from ", text);
            tell(&to, " to ", text);
            return true;
        }
    }
    return false;
}

static bool spoil_identity(struct sim_disk *disk, struct text *text)
{
    struct sim_disk_file *file = sim_disk_find(disk, "identity");
    if (file == NULL || file->is_fresh || file->content.size_bytes == 0 ||
        strcmp(file->durable_name, file->name) != 0) {
        return false;
    }
    uint64_t sectors = sim_disk_sectors(file->content.size_bytes);
    struct place place = {file, sim_disk_draw(disk, sectors - 1), 1};
    bool is_whole = !sim_disk_sector_at(&file->content, place.sector)->is_damaged;
    if (is_whole) {
        flip(disk, &place, text);
    }
    return is_whole;
}

bool sim_disk_damage(struct sim_disk *disk, enum sim_disk_damage kind, char *what)
{
    struct text text = text_of(what, SIM_DISK_TEXT_BYTES);
    struct place place;
    switch (kind) {
    case SIM_DISK_BIT_FLIP:
        if (!draw_eligible(disk, &place)) {
            return false;
        }
        flip(disk, &place, &text);
        return true;
    case SIM_DISK_SECTOR_ZEROED:
        return zero(disk, &text);
    case SIM_DISK_MISDIRECTED:
        return misdirect(disk, &text);
    case SIM_DISK_IDENTITY:
        return spoil_identity(disk, &text);
    case SIM_DISK_DAMAGES:
        break;
    }
    ASSERT(false);
    return false;
}
