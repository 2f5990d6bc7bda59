/* replica.c: a node's state machine, and what every replica must agree on. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "base/state_machine.h"
#include "quorate/error.h"
#include "sim/internal.h"
#include "sim/observe.h"

#define COMPARED_RESULTS 8 /* of so many entries, one's result is asked for everywhere */

bool sim_replica_open(struct sim_host *host)
{
    struct sim *sim = host->sim;
    const struct qr_state_machine *machine = sim->subject->open(sim->subject->context);
    host->machine = machine;
    if (machine == NULL) {
        sim_refuse(sim, QR_ERR_NO_MEMORY, "the subject made no replica");
        return false;
    }
    const char *wrong = state_machine_read(machine, &host->functions);
    if (wrong != NULL) {
        sim_refuse(sim, QR_ERR_INVALID, "the subject's state machine: %s", wrong);
        return false;
    }
    sim_divergence_begin(host, 0);
    int status = sim_durable_open(host);
    if (status != 0) {
        sim_refuse(sim, status, "the subject's state machine took no snapshot of its own over");
        return false;
    }
    return true;
}

void sim_replica_close(struct sim_host *host)
{
    const struct qr_sim_subject *subject = host->sim->subject;
    if (host->machine != NULL) {
        subject->close(subject->context, host->machine);
        host->machine = NULL;
    }
}

static bool is_compared(const struct qr_entry *entry)
{
    return entry->index % COMPARED_RESULTS == 0;
}

static void check_replica(struct sim_host *host, const struct qr_entry *entries, size_t count)
{
    struct sim *sim = host->sim;
    const struct qr_state_machine *machine = &host->functions;
    for (size_t i = 0; i < count; i++) {
        if (is_compared(&entries[i]) || entries[i].wants_result) {
            check_apply_result(&sim->apply, host->number, entries[i].index, &sim->results[i],
                               sim_now(sim), &sim->failure);
        }
    }
    uint64_t digest = machine->digest == NULL ? 0 : machine->digest(machine->context);
    check_apply_digest(&sim->apply, host->number, host->applied_index, digest, sim_now(sim),
                       &sim->failure);
    sim_observe(sim, SIM_TRACE_APPLY, host->number, host->applied_index, digest, NULL);
    if (sim->subject->check != NULL) {
        const char *broken = sim->subject->check(sim->subject->context, host->machine);
        if (broken != NULL) {
            sim_violate(sim, "subject", "n%u at index %llu: %s", host->number + 1,
                        (unsigned long long)host->applied_index, broken);
        }
    }
}

void sim_replica_apply(struct sim_host *host, const struct qr_entry *entries, size_t count)
{
    struct sim *sim = host->sim;
    ASSERT(count >= 1 && count <= SIM_APPLY_ENTRIES_MAX);
    if (host->is_restoring) {
        sim_violate(sim, "restored_whole", "n%u applies entries to half a snapshot",
                    host->number + 1);
    }
    for (size_t i = 0; i < count; i++) {
        check_apply_entry(&sim->apply, host->number, host->applied_index, &entries[i], sim_now(sim),
                          &sim->failure);
        host->applied_index = entries[i].index;
        sim->asked[i] = entries[i];
        sim->asked[i].wants_result = entries[i].wants_result || is_compared(&entries[i]);
    }
    memset(sim->results, 0, count * sizeof(sim->results[0]));
    int status = host->functions.apply(host->functions.context, sim->asked, count, sim->results);
    if (status == 0) {
        sim_divergence_applied(host);
        check_replica(host, entries, count);
        sim_durable_note(host);
    }
    for (size_t i = 0; i < count; i++) {
        const struct qr_result *result = &sim->results[i];
        sim->told[i] = (struct build_result){result->data, result->size_bytes, result->status};
    }
    host->build->applied(host->node, status, sim->told, sim_host_time(host));
}
