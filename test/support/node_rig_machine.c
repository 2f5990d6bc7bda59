/* node_rig_machine.c: the rig's state machines: what they add up to, and their snapshots. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "quorate/error.h"
#include "support/node_rig.h"
#include "support/unit.h"

/* What a snapshot holds: this, and padding. */
#define STATE_BYTES 24

struct rig_view {
    uint8_t state[STATE_BYTES];
    uint64_t size_bytes;
    uint64_t given_bytes;
};

static uint8_t padding_at(uint64_t offset)
{
    return (uint8_t)(offset * 7 + offset / 251);
}

static void sync_state(struct rig_node *self)
{
    if (!self->is_sync_held) {
        self->durable = (struct rig_state){self->applied_index, self->applied_count, self->sum};
    }
}

void rig_machine_begin(struct rig_node *self)
{
    struct rig_state nothing = {0};
    const struct rig_state *from = self->rig->is_durable ? &self->durable : &nothing;
    self->applied_index = from->index;
    self->applied_count = from->count;
    self->sum = from->sum;
    self->is_restoring = false;
    self->restore_count = 0;
}

void rig_machine_note(struct rig_node *self, uint64_t index, uint64_t value)
{
    struct rig *rig = self->rig;
    assert_false(self->is_restoring);
    assert_true(index > self->applied_index);
    assert_true(index < RIG_INDEX_MAX);
    assert_true(rig->value_at[index] == 0 || rig->value_at[index] == value);
    rig->value_at[index] = value;
    self->applied_index = index;
    self->applied_count++;
    self->sum = (self->sum + value) * 31 + index;
    if (self->flip_count > 0) {
        self->flip_from = index;
        self->flip_until = index + self->flip_count;
        self->flip_count = 0;
    }
    if (index >= self->flip_from && index < self->flip_until) {
        self->sum += self->flip;
    }
    if (!self->may_be_wrong) {
        assert_true(rig->sum_at[index] == 0 || rig->sum_at[index] == self->sum);
        rig->sum_at[index] = self->sum;
    }
    sync_state(self);
}

void rig_flip(struct rig *rig, int i, uint64_t count, uint64_t by)
{
    struct rig_node *self = &rig->nodes[i];
    self->flip_count = count;
    self->flip = by;
    self->may_be_wrong = true;
}

bool rig_is_right(const struct rig *rig, int i)
{
    const struct rig_node *self = &rig->nodes[i];
    return rig->sum_at[self->applied_index] == self->sum;
}

static uint64_t digest(void *context)
{
    const struct rig_node *self = context;
    assert_false(self->is_restoring);
    return self->sum;
}

static int snapshot_open(void *context, void **snapshot)
{
    struct rig_node *self = context;
    if (self->is_machine_broken) {
        return QR_ERR_NO_MEMORY;
    }
    struct rig_view *view = calloc(1, sizeof(*view));
    assert_non_null(view);
    store_u64(view->state, self->applied_index);
    store_u64(view->state + 8, self->applied_count);
    store_u64(view->state + 16, self->sum);
    view->size_bytes = STATE_BYTES + self->rig->snapshot_bytes;
    self->open_views++;
    self->view_count++;
    *snapshot = view;
    return 0;
}

static int snapshot_read(void *context, void *snapshot, void *buffer, size_t size_bytes,
                         size_t *read_bytes)
{
    struct rig_view *view = snapshot;
    uint8_t *out = buffer;
    (void)context;
    *read_bytes = min_u64(size_bytes, view->size_bytes - view->given_bytes);
    for (size_t i = 0; i < *read_bytes; i++) {
        uint64_t at = view->given_bytes + i;
        out[i] = at < STATE_BYTES ? view->state[at] : padding_at(at);
    }
    view->given_bytes += *read_bytes;
    return 0;
}

static void snapshot_close(void *context, void *snapshot)
{
    struct rig_node *self = context;
    assert_true(self->open_views > 0);
    self->open_views--;
    free(snapshot);
}

static int restore_begin(void *context)
{
    struct rig_node *self = context;
    self->is_restoring = true;
    self->restored_bytes = 0;
    return 0;
}

static int restore_write(void *context, const void *data, size_t size_bytes)
{
    struct rig_node *self = context;
    const uint8_t *from = data;
    assert_true(self->is_restoring);
    for (size_t i = 0; i < size_bytes; i++) {
        uint64_t at = self->restored_bytes++;
        if (at < STATE_BYTES) {
            self->restored[at] = from[i];
        } else {
            assert_int_equal(from[i], padding_at(at));
        }
    }
    return self->is_machine_broken ? QR_ERR_NO_MEMORY : 0;
}

static int restore_end(void *context)
{
    struct rig_node *self = context;
    const struct rig *rig = self->rig;
    assert_true(self->is_restoring);
    if (self->restored_bytes < STATE_BYTES) {
        return QR_ERR_CORRUPT;
    }
    uint64_t index = load_u64(self->restored);
    assert_true(index >= self->applied_index);
    self->applied_index = index;
    self->applied_count = load_u64(self->restored + 8);
    self->sum = load_u64(self->restored + 16);
    assert_true(index == 0 || rig->sum_at[index] == self->sum || self->may_be_wrong);
    self->is_restoring = false;
    self->restore_count++;
    sync_state(self);
    return 0;
}

static uint64_t applied_index(void *context)
{
    struct rig_node *self = context;
    if (!self->is_restoring) {
        sync_state(self);
    }
    return self->durable.index;
}

struct qr_state_machine rig_machine(struct rig_node *self)
{
    return (struct qr_state_machine){
        .size_bytes = sizeof(struct qr_state_machine),
        .context = self,
        .digest = self->rig->has_digests ? digest : NULL,
        .snapshot_open = snapshot_open,
        .snapshot_read = snapshot_read,
        .snapshot_close = snapshot_close,
        .restore_begin = restore_begin,
        .restore_write = restore_write,
        .restore_end = restore_end,
        .applied_index = self->rig->is_durable ? applied_index : NULL,
    };
}
