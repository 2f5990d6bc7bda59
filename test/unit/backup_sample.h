/* backup_sample.h: a backup taken of a node of the rig, and a restore of it on a disk in memory.
 *
 * Owns     the bytes of the sample. Included once by each program.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_BACKUP_SAMPLE_H
#define TEST_BACKUP_SAMPLE_H

#include <string.h>

#include "base/text.h"
#include "node/backup_file.h"
#include "node/backup_restore.h"
#include "unit/snapshot_cluster.h"

#define NEW_CLUSTER ((struct cluster_id){0x1111, 0x2222})

static uint8_t sample[RIG_BACKUP_BYTES_MAX];
static size_t sample_bytes;

static inline void wait_piece(struct rig_node *self, unsigned count)
{
    for (unsigned passed = 0; self->piece_count < count; passed++) {
        assert_true(passed < SETTLE_MS);
        rig_step(&rig);
    }
}

/* Have a node take a snapshot of where it stands. */
static inline void take_snapshot(int i)
{
    struct rig_node *self = &rig.nodes[i];
    unsigned told = self->told_count;
    assert_int_equal(node_snapshot(self->node, 1, rig.time), 0);
    for (unsigned passed = 0; self->told_count == told; passed++) {
        assert_true(passed < SETTLE_MS);
        rig_step(&rig);
    }
    assert_int_equal(self->told_status, 0);
}

/* Take all of a backup of node `i` that has at least `least`, into the sample. */
static inline void take_backup(int i, raft_index least)
{
    struct rig_node *self = &rig.nodes[i];
    size_t backup = 0;
    assert_int_equal(node_backup_open(self->node, least, rig.time, &backup, sample), 0);
    self->backup_bytes = 0;
    do {
        unsigned count = self->piece_count;
        assert_int_equal(node_backup_read(self->node, backup, rig.time), 0);
        wait_piece(self, count + 1);
        assert_int_equal(self->piece_status, 0);
    } while (self->piece_bytes > 0);
    node_backup_close(self->node, backup);
    assert_true(self->backup_bytes > 0);
    assert_true(BACKUP_HEAD_BYTES + self->backup_bytes <= sizeof(sample));
    memcpy(sample + BACKUP_HEAD_BYTES, self->backup, self->backup_bytes);
    sample_bytes = BACKUP_HEAD_BYTES + self->backup_bytes;
}

/* A backup of a cluster of so many, behind `writes` proposals, at the very end. */
static inline void make_sample(int count, unsigned writes)
{
    begin(count);
    write_many(writes);
    rig_run(&rig, 1000);
    rig.snapshot_bytes = 2000;
    int leader = rig_leader(&rig);
    assert_true(leader >= 0);
    take_snapshot(leader);
    take_backup(leader, status_of(leader).raft.applied_index);
}

/* Check some bytes as a backup, in pieces; the reader's sentence goes to `detail`. */
static inline int check_bytes(const uint8_t *bytes, size_t size_bytes, size_t piece_bytes,
                              char *detail)
{
    struct heap heap;
    struct backup_reader reader;
    heap_init(&heap);
    struct backup_sink sink = {.context = NULL};
    assert_int_equal(backup_reader_init(&reader, &heap.allocator, NULL, sink, true), 0);
    int status = 0;
    for (size_t at = 0; at < size_bytes && status == 0; at += piece_bytes) {
        status = backup_read(&reader, bytes + at, min_u64(piece_bytes, size_bytes - at));
    }
    int end_status = backup_read_end(&reader);
    assert_true(status == 0 || end_status == status);
    memcpy(detail, reader.detail, BACKUP_DETAIL_BYTES);
    backup_reader_deinit(&reader);
    heap_deinit(&heap);
    return end_status;
}

struct restoring {
    struct heap heap;
    struct backup_restore *restore;
    char detail[NODE_DETAIL_BYTES];
    size_t given_bytes;
    bool is_finished; /* finish() was called */
};

static inline int restoring_begin(struct restoring *self, struct disk_memory *disk)
{
    struct backup_restore_options options = {
        .allocator = &self->heap.allocator,
        .disk = &disk->disk,
        .cluster = NEW_CLUSTER,
        .member = {.id = 1, .name = "n0", .address = "n0"},
        .snapshot_chunk_bytes = 512,
    };
    heap_init(&self->heap);
    self->restore = NULL;
    self->given_bytes = 0;
    self->is_finished = false;
    self->detail[0] = '\0';
    return backup_restore_new(&options, &self->restore, self->detail);
}

/* Give what there is room for. */
static inline void restoring_give(struct restoring *self, const uint8_t *bytes, size_t size_bytes)
{
    int status = 0;
    size_t taken = 0;
    if (!backup_restore_is_ready(self->restore) || self->is_finished) {
        return;
    }
    status = backup_restore_feed(self->restore, bytes + self->given_bytes,
                                 size_bytes - self->given_bytes, &taken);
    self->given_bytes += taken;
    if (status == 0 && self->given_bytes == size_bytes) {
        self->is_finished = true;
        status = backup_restore_finish(self->restore);
    }
    assert_int_equal(status, backup_restore_status(self->restore));
}

static inline int restoring_end(struct restoring *self)
{
    int status = backup_restore_status(self->restore);
    struct text text = text_of(self->detail, sizeof(self->detail));
    text_string(&text, backup_restore_detail(self->restore));
    backup_restore_free(self->restore);
    heap_deinit(&self->heap);
    return status;
}

/* All of it: returns how it ended. */
static inline int restore_bytes(struct disk_memory *disk, const uint8_t *bytes, size_t size_bytes,
                                char *detail)
{
    struct restoring self;
    int status = restoring_begin(&self, disk);
    if (status != 0) {
        memcpy(detail, self.detail, NODE_DETAIL_BYTES);
        heap_deinit(&self.heap);
        return status;
    }
    bool has_more = true;
    while (has_more) {
        restoring_give(&self, bytes, size_bytes);
        has_more = disk_memory_step(disk);
    }
    assert_true(backup_restore_is_over(self.restore));
    status = restoring_end(&self);
    memcpy(detail, self.detail, NODE_DETAIL_BYTES);
    return status;
}

#endif
