/* tail.c: what lies behind the end of the log, and what it proves.
 *
 * Owns     the judgement. Every batch notes up to where the log was known to be durable when
 *          it was made. When a whole batch behind the end X notes a place beyond X, what
 *          stood at X was durable and may have been acknowledged: it is damaged. Otherwise
 *          nobody was ever told that it is durable: it is torn, and may be cut.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mutant.h"
#include "wal/walk.h"

/* Look at one sector behind the end. */
static void look_at(struct wal_walk *walk, const uint8_t *sector, struct wal_position at)
{
    if (wal_is_zero(sector, DISK_SECTOR_BYTES)) {
        return;
    }
    bool is_end = at.sequence == walk->cursor.at.sequence && at.offset == walk->cursor.at.offset;
    if (!is_end || !walk->has_mark) {
        if (walk->torn_bytes == 0) {
            walk->torn_at = at;
        }
        walk->torn_bytes += DISK_SECTOR_BYTES;
    }
    struct wal_batch_header header;
    uint32_t checksum;
    if (wal_batch_header_decode(sector, &header, &checksum) && header.at.sequence == at.sequence &&
        header.at.offset == at.offset) {
        walk->noted = wal_position_max(walk->noted, header.synced);
        walk->generation_max = max_u64(walk->generation_max, header.generation);
    }
}

static int look_through(struct wal_walk *walk, const struct wal_file *file, uint64_t offset)
{
    for (; offset + DISK_SECTOR_BYTES <= file->size_bytes; offset += DISK_SECTOR_BYTES) {
        const uint8_t *sector;
        int status = wal_walk_bytes(walk, file, offset, DISK_SECTOR_BYTES, &sector);
        if (status != 0) {
            return status;
        }
        look_at(walk, sector, (struct wal_position){file->sequence, offset});
    }
    return 0;
}

int wal_walk_judge_tail(struct wal_walk *walk)
{
    struct wal_position end = walk->cursor.at;
    uint64_t first = walk->file_count > 0 ? walk->files[0].sequence : end.sequence;
    for (size_t i = end.sequence - first; i < walk->file_count; i++) {
        uint64_t offset = walk->files[i].sequence == end.sequence ? end.offset : 0;
        /* What is no segment of this log is refused now, not when the log has come there. */
        struct wal_segment_header header;
        enum wal_sector_kind kind;
        int status = wal_walk_look_at_header(walk, i, &header, &kind);
        if (status == 0) {
            status = look_through(walk, &walk->files[i], offset);
        }
        if (status != 0) {
            return status;
        }
    }
    if (!wal_position_is_before(end, walk->noted) || MUTANT(DAMAGE_IS_CUT)) {
        return 0;
    }
    /* Zeros at the end with something behind them in the same segment are a hole. With
     * nothing behind them the segment was full, and the next one lost its beginning.
     */
    bool is_hole = walk->torn_at.sequence == end.sequence;
    if (walk->reason != NULL && (walk->failed.sequence == end.sequence || !is_hole)) {
        return wal_walk_refuse(walk, QR_ERR_CORRUPT, walk->failed, walk->reason, wal_advice_damage);
    }
    if (!is_hole) {
        end = (struct wal_position){end.sequence + 1, 0};
    }
    return wal_walk_refuse(walk, QR_ERR_CORRUPT, end, "zeros where the log once went on",
                           wal_advice_damage);
}
