/* build_disk.c: the node's disk calls, translated.
 *
 * An operation is given to the simulator in a shape of its own, kept for the next one when it
 * is done. One is there from the start: where memory for a further one is missing, the node's
 * operation waits until one under way has ended, so that submit() cannot fail.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/build_disk.h"

#include <string.h>

#include "base/assert.h"
#include "quorate/error.h"

struct disk_bridge_op {
    struct build_op op;
    struct disk_op *origin;
    struct disk_bridge *bridge;
    struct disk_bridge_op *next; /* spare */
    struct build_part parts[DISK_PARTS_MAX];
};

_Static_assert(BUILD_OP_NAME_BYTES_MAX == DISK_NAME_BYTES_MAX, "a name fits on both sides");
_Static_assert((int)BUILD_WRITE == (int)DISK_WRITE, "kinds are numbered alike");
_Static_assert((int)BUILD_READ == (int)DISK_READ, "kinds are numbered alike");
_Static_assert((int)BUILD_PREPARE == (int)DISK_PREPARE, "kinds are numbered alike");
_Static_assert((int)BUILD_REMOVE == (int)DISK_REMOVE, "kinds are numbered alike");
_Static_assert((int)BUILD_STORE == (int)DISK_STORE, "kinds are numbered alike");
_Static_assert((int)BUILD_PUBLISH == (int)DISK_PUBLISH, "kinds are numbered alike");

static int list(void *context, void (*each)(void *argument, const char *name, uint64_t size_bytes),
                void *argument)
{
    const struct disk_bridge *bridge = context;
    return bridge->below->list(bridge->below->context, each, argument);
}

static int read_file(void *context, const char *name, uint64_t offset, struct disk_part part,
                     size_t *read_bytes)
{
    const struct disk_bridge *bridge = context;
    return bridge->below->read(bridge->below->context, name, offset,
                               (struct build_part){part.data, part.size_bytes}, read_bytes);
}

static int write_file(void *context, const char *name, const void *data, size_t size_bytes)
{
    const struct disk_bridge *bridge = context;
    return bridge->below->write_file(bridge->below->context, name, data, size_bytes);
}

static int sync_file(void *context, const char *name)
{
    const struct disk_bridge *bridge = context;
    return bridge->below->sync_file(bridge->below->context, name);
}

static int rename_file(void *context, const char *from, const char *to)
{
    const struct disk_bridge *bridge = context;
    return bridge->below->rename_file(bridge->below->context, from, to);
}

static int sync_names(void *context)
{
    const struct disk_bridge *bridge = context;
    return bridge->below->sync_names(bridge->below->context);
}

static int prepare(void *context, const char *name, uint64_t size_bytes)
{
    const struct disk_bridge *bridge = context;
    return bridge->below->prepare(bridge->below->context, name, size_bytes);
}

static void op_done(struct build_op *op);

static void send(struct disk_bridge *bridge, struct disk_bridge_op *carrier, struct disk_op *origin)
{
    ASSERT(origin->part_count <= DISK_PARTS_MAX);
    carrier->origin = origin;
    carrier->op = (struct build_op){
        .kind = (enum build_op_kind)origin->kind,
        .is_synced = origin->is_synced,
        .offset = origin->offset,
        .size_bytes = origin->size_bytes,
        .parts = carrier->parts,
        .part_count = origin->part_count,
        .done = op_done,
        .context = carrier,
    };
    memcpy(carrier->op.name, origin->name, sizeof(carrier->op.name));
    for (size_t i = 0; i < origin->part_count; i++) {
        const struct disk_part *part = &origin->parts[i];
        carrier->parts[i] = (struct build_part){part->data, part->size_bytes};
    }
    bridge->below->submit(bridge->below->context, &carrier->op);
}

static void put_back(struct disk_bridge *bridge, struct disk_bridge_op *carrier)
{
    carrier->next = bridge->spare;
    bridge->spare = carrier;
    bridge->spare_count++;
}

static void op_done(struct build_op *op)
{
    struct disk_bridge_op *carrier = op->context;
    struct disk_bridge *bridge = carrier->bridge;
    struct disk_op *origin = carrier->origin;
    struct disk_op *starved = bridge->starved;
    origin->status = op->status;
    if (starved == NULL) {
        put_back(bridge, carrier);
    } else {
        bridge->starved = starved->next;
        if (bridge->starved == NULL) {
            bridge->starved_end = &bridge->starved;
        }
        send(bridge, carrier, starved);
    }
    origin->done(origin);
}

/* One to carry an operation, or NULL when memory ran out. */
static struct disk_bridge_op *carrier_new(struct disk_bridge *bridge)
{
    struct disk_bridge_op *carrier = allocate(bridge->allocator, sizeof(*carrier));
    if (carrier != NULL) {
        carrier->bridge = bridge;
        bridge->op_count++;
    }
    return carrier;
}

static struct disk_bridge_op *take_spare(struct disk_bridge *bridge)
{
    struct disk_bridge_op *carrier = bridge->spare;
    if (carrier == NULL) {
        return carrier_new(bridge);
    }
    bridge->spare = carrier->next;
    bridge->spare_count--;
    return carrier;
}

static void submit(void *context, struct disk_op *op)
{
    struct disk_bridge *bridge = context;
    /* What came before and still waits must not be passed. */
    struct disk_bridge_op *carrier = bridge->starved == NULL ? take_spare(bridge) : NULL;
    if (carrier != NULL) {
        send(bridge, carrier, op);
        return;
    }
    ASSERT(bridge->op_count > bridge->spare_count);
    op->next = NULL;
    *bridge->starved_end = op;
    bridge->starved_end = &op->next;
}

int disk_bridge_init(struct disk_bridge *bridge, const struct build_disk *below,
                     const struct allocator *allocator)
{
    *bridge = (struct disk_bridge){
        .disk = {.context = bridge,
                 .list = list,
                 .read = read_file,
                 .write_file = write_file,
                 .sync_file = sync_file,
                 .rename_file = rename_file,
                 .sync_names = sync_names,
                 .prepare = prepare,
                 .submit = submit},
        .below = below,
        .allocator = allocator,
    };
    bridge->starved_end = &bridge->starved;
    struct disk_bridge_op *first = carrier_new(bridge);
    if (first == NULL) {
        return QR_ERR_NO_MEMORY;
    }
    put_back(bridge, first);
    return 0;
}

void disk_bridge_deinit(struct disk_bridge *bridge)
{
    ASSERT(bridge->starved == NULL);
    ASSERT(bridge->spare_count == bridge->op_count);
    while (bridge->spare != NULL) {
        struct disk_bridge_op *next = bridge->spare->next;
        release(bridge->allocator, bridge->spare, sizeof(*bridge->spare));
        bridge->spare = next;
    }
}
