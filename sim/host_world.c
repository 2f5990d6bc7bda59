/* host_world.c: what a node asks of the world: memory, sending, applying, answers. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "quorate/error.h"
#include "sim/internal.h"
#include "sim/observe.h"

static void *allocate_block(void *context, size_t size_bytes)
{
    struct sim_host *host = context;
    void *memory = malloc(size_bytes > 0 ? size_bytes : 1);
    ASSERT(memory != NULL);
    host->memory_blocks++;
    return memory;
}

static void release_block(void *context, void *memory, size_t size_bytes)
{
    struct sim_host *host = context;
    (void)size_bytes;
    if (memory != NULL) {
        ASSERT(host->memory_blocks > 0);
        host->memory_blocks--;
        free(memory);
    }
}

static bool send_frame(void *context, uint64_t to, const struct build_part *parts, size_t count)
{
    return sim_network_send(context, to, parts, count);
}

static void set_members(void *context, const struct build_member *members, size_t count)
{
    struct sim_host *host = context;
    const struct sim *sim = host->sim;
    ASSERT(count <= BUILD_MEMBERS_MAX);
    host->member_count = count;
    for (size_t i = 0; i < count; i++) {
        host->members[i] = members[i].id;
        host->member_hosts[i] = SIM_NOBODY;
        host->member_retry_ns[i] = 0;
        for (uint32_t j = 0; j < sim->host_count; j++) {
            if (strcmp(sim->hosts[j].address, members[i].address) == 0) {
                host->member_hosts[i] = j;
            }
        }
    }
}

static void dial_seed(void *context, const char *address)
{
    sim_network_dial(context, address);
}

static void send_seed(void *context, const struct build_part *parts, size_t count)
{
    sim_network_send_seed(context, parts, count);
}

static void reply(void *context, uint64_t connection, const struct build_part *parts, size_t count)
{
    sim_network_reply(context, connection, parts, count);
}

static void apply(void *context, const struct qr_entry *entries, size_t count)
{
    sim_replica_apply(context, entries, count);
}

static uint64_t wake_at(void *context)
{
    const struct sim_host *host = context;
    const struct qr_state_machine *machine = &host->functions;
    return machine->wake_at == NULL ? 0 : machine->wake_at(machine->context);
}

static uint64_t digest(void *context)
{
    return sim_divergence_digest(context);
}

static int snapshot_open(void *context, void **snapshot)
{
    return sim_replica_snapshot_open(context, snapshot);
}

static int snapshot_read(void *context, void *snapshot, void *buffer, size_t size_bytes,
                         size_t *read_bytes)
{
    return sim_replica_snapshot_read(context, snapshot, buffer, size_bytes, read_bytes);
}

static void snapshot_close(void *context, void *snapshot)
{
    sim_replica_snapshot_close(context, snapshot);
}

static int restore_begin(void *context)
{
    return sim_replica_restore_begin(context);
}

static int restore_write(void *context, const void *data, size_t size_bytes)
{
    return sim_replica_restore_write(context, data, size_bytes);
}

static int restore_end(void *context)
{
    return sim_replica_restore_end(context);
}

static uint64_t applied_index(void *context)
{
    const struct sim_host *host = context;
    return host->durable.index;
}

static void proposal_done(void *context, uint64_t token, int status, uint64_t index,
                          const struct build_result *result)
{
    sim_client_proposed(context, token, status, index, result);
}

static void read_done(void *context, uint64_t token, int status, uint64_t index)
{
    sim_client_read(context, token, status, index);
}

static void change_done(void *context, uint64_t token, int status, const char *reason)
{
    sim_administrator_done(context, token, status, reason);
}

static void failed(void *context, int status, const char *reason)
{
    struct sim_host *host = context;
    struct sim *sim = host->sim;
    host->has_failed = true;
    sim_observe_words(sim, SIM_TRACE_FAILED, host->number, (uint64_t)(int64_t)status, 0, "%s: %s",
                      qr_error_name(status), reason);
    if (!sim_host_is_explained(host, status)) {
        sim_violate(sim, "undamaged_goes_on",
                    "n%u ended its part, though nothing befell its disk: %s: %s", host->number + 1,
                    qr_error_name(status), reason);
    }
}

static void log_line(void *context, int level, const char *line)
{
    struct sim_host *host = context;
    (void)level;
    sim_observe(host->sim, SIM_TRACE_LOG, host->number, 0, 0, line);
}

/* No frame is ever damaged here, so whatever a member says must be taken. */
static void refused(void *context, const char *line)
{
    struct sim_host *host = context;
    sim_violate(host->sim, "members_are_heard", "n%u drops what a member said: %s",
                host->number + 1, line);
}

static void gossip_packet(void *context, const char *address, const uint8_t *data,
                          size_t size_bytes)
{
    sim_gossip_send(context, address, data, size_bytes);
}

static void gossip_stream(void *context, const char *address, uint64_t answers, const uint8_t *data,
                          size_t size_bytes)
{
    sim_gossip_send_stream(context, address, answers, data, size_bytes);
}

void sim_host_world_init(struct sim_host *host)
{
    host->world = (struct build_world){
        .context = host,
        .allocate = allocate_block,
        .release = release_block,
        .send = send_frame,
        .members = set_members,
        .dial_seed = dial_seed,
        .send_seed = send_seed,
        .reply = reply,
        .apply = apply,
        .wake_at = wake_at,
        .proposal_done = proposal_done,
        .read_done = read_done,
        .change_done = change_done,
        .failed = failed,
        .log = log_line,
        .refused = refused,
        .is_log_wanted = sim_trace_is_wanted(&host->sim->trace),
        .snapshot_open = host->functions.snapshot_open == NULL ? NULL : snapshot_open,
        .snapshot_read = snapshot_read,
        .snapshot_close = snapshot_close,
        .restore_begin = restore_begin,
        .restore_write = restore_write,
        .restore_end = restore_end,
        .applied_index = sim_durable_is_on(host) ? applied_index : NULL,
        .gossip_packet = gossip_packet,
        .gossip_stream = gossip_stream,
        .digest = host->functions.digest == NULL ? NULL : digest,
    };
}
