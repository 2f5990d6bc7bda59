/* sim_disk_rig.c: the simulator's disk under test, with operations of one byte, many times. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/sim_disk_rig.h"

#include <string.h>

#include "base/assert.h"

#define NAME "log"

static void on_done(struct build_op *op)
{
    ASSERT(op->context != NULL);
    op->context = NULL; /* once */
}

void sim_disk_rig_init(struct sim_disk_rig *rig, uint64_t seed)
{
    sim_disk_init(&rig->disk, seed);
    rig->calls = sim_disk_interface(&rig->disk);
    rig->op_count = 0;
    sim_disk_rig_mount(rig);
    int status = rig->calls->prepare(rig->calls->context, NAME,
                                     SIM_DISK_RIG_SECTORS_MAX * SIM_DISK_SECTOR_BYTES);
    ASSERT(status == 0);
}

void sim_disk_rig_deinit(struct sim_disk_rig *rig)
{
    sim_disk_deinit(&rig->disk);
}

struct build_op *sim_disk_rig_submit(struct sim_disk_rig *rig, enum build_op_kind kind,
                                     const char *name, uint64_t size_bytes)
{
    ASSERT(rig->op_count < SIM_DISK_RIG_OPS_MAX);
    struct build_op *op = &rig->ops[rig->op_count++].op;
    *op = (struct build_op){
        .kind = kind,
        .size_bytes = size_bytes,
        .status = SIM_DISK_RIG_PENDING,
        .done = on_done,
        .context = rig,
    };
    memcpy(op->name, name, strlen(name) + 1);
    rig->calls->submit(rig->calls->context, op);
    return op;
}

struct build_op *sim_disk_rig_write(struct sim_disk_rig *rig, uint64_t sector, uint64_t count,
                                    uint8_t byte, bool is_synced)
{
    struct sim_disk_rig_op *op = &rig->ops[rig->op_count];
    (void)sim_disk_rig_submit(rig, BUILD_WRITE, NAME, 0);
    memset(op->bytes, byte, sizeof(op->bytes));
    op->part = (struct build_part){op->bytes, count * SIM_DISK_SECTOR_BYTES};
    op->op.is_synced = is_synced;
    op->op.offset = sector * SIM_DISK_SECTOR_BYTES;
    op->op.parts = &op->part;
    op->op.part_count = 1;
    return &op->op;
}

int sim_disk_rig_write_now(struct sim_disk_rig *rig, uint64_t sector, uint64_t count, uint8_t byte,
                           bool is_synced)
{
    const struct build_op *op = sim_disk_rig_write(rig, sector, count, byte, is_synced);
    while (op->status == SIM_DISK_RIG_PENDING) {
        (void)sim_disk_step(&rig->disk, BUILD_WRITE);
    }
    return op->status;
}

void sim_disk_rig_mount(struct sim_disk_rig *rig)
{
    int status = sim_disk_mount(&rig->disk);
    ASSERT(status == 0);
}

static char letter(const uint8_t *bytes, size_t size_bytes)
{
    if (memcmp(bytes, bytes + 1, size_bytes - 1) != 0) {
        return '?';
    }
    return bytes[0] == 0 ? '0' : (char)bytes[0];
}

const char *sim_disk_rig_show(struct sim_disk_rig *rig, bool is_durable, char *out)
{
    uint8_t bytes[SIM_DISK_RIG_SECTORS_MAX * SIM_DISK_SECTOR_BYTES];
    size_t got = 0;
    int status = 0;
    if (is_durable) {
        struct disk view = sim_disk_durable_view(&rig->disk);
        status = view.read(view.context, NAME, 0, (struct disk_part){bytes, sizeof(bytes)}, &got);
    } else {
        status = rig->calls->read(rig->calls->context, NAME, 0,
                                  (struct build_part){bytes, sizeof(bytes)}, &got);
    }
    if (status != 0) {
        memcpy(out, "none", 5);
        return out;
    }
    size_t sectors = got / SIM_DISK_SECTOR_BYTES;
    for (size_t i = 0; i < sectors; i++) {
        out[i] = letter(bytes + i * SIM_DISK_SECTOR_BYTES, SIM_DISK_SECTOR_BYTES);
    }
    out[sectors] = '\0';
    return out;
}

struct search {
    const char *name;
    int64_t size_bytes;
};

static void compare(void *argument, const char *name, uint64_t size_bytes)
{
    struct search *search = argument;
    if (strcmp(search->name, name) == 0) {
        search->size_bytes = (int64_t)size_bytes;
    }
}

int64_t sim_disk_rig_size(struct sim_disk_rig *rig, const char *name)
{
    struct search search = {name, -1};
    int status = rig->calls->list(rig->calls->context, compare, &search);
    ASSERT(status == 0);
    return search.size_bytes;
}
