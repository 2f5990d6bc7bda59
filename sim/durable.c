/* durable.c: replicas that are durable by themselves: what of one outlives its process.
 *
 * A subject knows nothing of it. Now and then, when something was applied, the simulator keeps the
 * bytes of a snapshot of the replica, and makes the next one out of them: as a state machine over a
 * database does, whose data is durable a while after it was applied. What is kept is lost with the
 * disk, and with nothing less.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/assert.h"
#include "base/prng.h"
#include "sim/internal.h"
#include "sim/memory.h"

#define PIECE_BYTES (UINT64_C(64) * 1024)

bool sim_durable_is_on(const struct sim_host *host)
{
    return host->sim->plan.durable_percent > 0 && host->functions.snapshot_open != NULL;
}

void sim_durable_forget(struct sim_host *host)
{
    sim_release(host->durable.bytes);
    host->durable = (struct sim_durable){.bytes = NULL};
}

/* Read all of a snapshot behind what is there already. */
static int read_all(struct sim_durable *to, const struct qr_state_machine *machine, void *view)
{
    for (;;) {
        if (to->capacity - to->size_bytes < PIECE_BYTES) {
            to->capacity = 2 * to->capacity + PIECE_BYTES;
            to->bytes = realloc(to->bytes, to->capacity);
            ASSERT(to->bytes != NULL);
        }
        size_t read_bytes = 0;
        int status = machine->snapshot_read(machine->context, view, to->bytes + to->size_bytes,
                                            PIECE_BYTES, &read_bytes);
        if (status != 0 || read_bytes == 0) {
            return status;
        }
        to->size_bytes += read_bytes;
    }
}

void sim_durable_note(struct sim_host *host)
{
    struct sim *sim = host->sim;
    const struct qr_state_machine *machine = &host->functions;
    void *view;
    if (!sim_durable_is_on(host) ||
        prng_between(&sim->node_prng, 0, 99) >= sim->plan.durable_percent ||
        machine->snapshot_open(machine->context, &view) != 0) {
        return;
    }
    struct sim_durable kept = {.index = host->applied_index, .wrong = host->wrong};
    int status = read_all(&kept, machine, view);
    machine->snapshot_close(machine->context, view);
    if (status != 0) {
        sim_release(kept.bytes);
        return;
    }
    ASSERT(kept.index >= host->durable.index);
    sim_durable_forget(host);
    host->durable = kept;
}

int sim_durable_open(struct sim_host *host)
{
    const struct sim_durable *kept = &host->durable;
    const struct qr_state_machine *machine = &host->functions;
    if (kept->index == 0) {
        return 0;
    }
    int status = machine->restore_begin(machine->context);
    if (status == 0) {
        status = machine->restore_write(machine->context, kept->bytes, kept->size_bytes);
    }
    if (status == 0) {
        status = machine->restore_end(machine->context);
    }
    host->applied_index = status == 0 ? kept->index : 0;
    sim_divergence_begin(host, kept->wrong);
    return status;
}
