/* snapshots.c: snapshots of a node's state machine, and what they must come to.
 *
 * In front of the subject's bytes stands the index of the last entry that was applied to it (and
 * what is wrong with it, see divergence.c): so
 * a replica that was restored is known to stand there, and its digest can be compared with that
 * of all others that stood there.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "quorate/error.h"
#include "sim/internal.h"
#include "sim/memory.h"
#include "sim/observe.h"

struct sim_snapshot {
    void *inner; /* the subject's */
    uint8_t head[SIM_SNAPSHOT_HEAD_BYTES];
    size_t head_given;
};

int sim_replica_snapshot_open(struct sim_host *host, void **snapshot)
{
    const struct qr_state_machine *machine = &host->functions;
    struct sim_snapshot *opened = sim_allocate(1, sizeof(*opened));
    int status = machine->snapshot_open(machine->context, &opened->inner);
    if (status != 0) {
        sim_release(opened);
        return status;
    }
    store_u64(opened->head, host->applied_index);
    store_u64(opened->head + 8, host->wrong);
    host->sim->report->snapshots++;
    sim_observe(host->sim, SIM_TRACE_SNAPSHOT, host->number, host->applied_index, 0, NULL);
    *snapshot = opened;
    return 0;
}

int sim_replica_snapshot_read(struct sim_host *host, void *snapshot, void *buffer,
                              size_t size_bytes, size_t *read_bytes)
{
    const struct qr_state_machine *machine = &host->functions;
    struct sim_snapshot *opened = snapshot;
    size_t head_left = sizeof(opened->head) - opened->head_given;
    if (head_left > 0) {
        *read_bytes = min_u64(head_left, size_bytes);
        memcpy(buffer, opened->head + opened->head_given, *read_bytes);
        opened->head_given += *read_bytes;
        return 0;
    }
    return machine->snapshot_read(machine->context, opened->inner, buffer, size_bytes, read_bytes);
}

void sim_replica_snapshot_close(struct sim_host *host, void *snapshot)
{
    const struct qr_state_machine *machine = &host->functions;
    struct sim_snapshot *opened = snapshot;
    machine->snapshot_close(machine->context, opened->inner);
    sim_release(opened);
}

int sim_replica_restore_begin(struct sim_host *host)
{
    const struct qr_state_machine *machine = &host->functions;
    host->is_restoring = true;
    host->restored_bytes = 0;
    return machine->restore_begin(machine->context);
}

int sim_replica_restore_write(struct sim_host *host, const void *data, size_t size_bytes)
{
    const struct qr_state_machine *machine = &host->functions;
    size_t head = min_u64(sizeof(host->restored) - host->restored_bytes, size_bytes);
    ASSERT(host->is_restoring);
    memcpy(host->restored + host->restored_bytes, data, head);
    host->restored_bytes += head;
    if (head == size_bytes) {
        return 0;
    }
    return machine->restore_write(machine->context, (const uint8_t *)data + head,
                                  size_bytes - head);
}

int sim_replica_restore_end(struct sim_host *host)
{
    struct sim *sim = host->sim;
    const struct qr_state_machine *machine = &host->functions;
    ASSERT(host->is_restoring);
    int status = host->restored_bytes == sizeof(host->restored) ? 0 : QR_ERR_CORRUPT;
    if (status == 0) {
        status = machine->restore_end(machine->context);
    }
    if (status != 0) {
        return status;
    }
    host->is_restoring = false;
    uint64_t index = load_u64(host->restored);
    if (index < host->applied_index) {
        sim_violate(
            sim, "never_back", "n%u takes over a snapshot at index %llu, and stood at %llu before",
            host->number + 1, (unsigned long long)index, (unsigned long long)host->applied_index);
    }
    host->applied_index = index;
    sim_divergence_begin(host, load_u64(host->restored + 8));
    sim->report->installs += host->node != NULL;
    uint64_t digest = machine->digest == NULL ? 0 : machine->digest(machine->context);
    check_apply_digest(&sim->apply, host->number, index, digest, sim_now(sim), &sim->failure);
    sim_observe(sim, SIM_TRACE_RESTORE, host->number, index, digest, NULL);
    sim_durable_note(host);
    return 0;
}
