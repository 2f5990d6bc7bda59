/* libraft_node.c: a node of Debian's libraft (canonical/raft) with its own disk and network, to be
 * measured beside quorate_node in the same shape.
 *
 * usage: libraft_node DIRECTORY NUMBER ADDRESS ADDRESS ADDRESS
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <raft.h>
#include <raft/uv.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"

struct program {
    uint64_t sum;
    struct raft_uv_transport transport;
    struct raft_io io;
    struct raft_fsm fsm;
    struct raft raft;
    struct raft_apply requests[LOAD_INFLIGHT_MAX];
};

static void check(struct program *program, const char *what, int status)
{
    if (status != 0) {
        fprintf(stderr, "libraft_node: %s: %s (%s)\n", what, raft_strerror(status),
                raft_errmsg(&program->raft));
        exit(1);
    }
}

static int apply(struct raft_fsm *fsm, const struct raft_buffer *buffer, void **result)
{
    struct program *program = fsm->data;
    program->sum += buffer->len;
    *result = &program->sum;
    return 0;
}

static int snapshot(struct raft_fsm *fsm, struct raft_buffer *buffers[], unsigned *count)
{
    struct program *program = fsm->data;
    struct raft_buffer *out = raft_malloc(sizeof(*out));
    if (out == NULL) {
        return RAFT_NOMEM;
    }
    out->len = sizeof(program->sum);
    out->base = raft_malloc(out->len);
    if (out->base == NULL) {
        raft_free(out);
        return RAFT_NOMEM;
    }
    memcpy(out->base, &program->sum, out->len);
    *buffers = out;
    *count = 1;
    return 0;
}

/* No node of a measurement starts again, or is behind. */
static int restore(struct raft_fsm *fsm, struct raft_buffer *buffer)
{
    (void)fsm;
    (void)buffer;
    return RAFT_INVALID;
}

static void on_done(struct raft_apply *request, int status, void *result)
{
    (void)result;
    load_done(request->data, status);
}

static int propose(void *context, struct load_slot *slot)
{
    struct program *program = context;
    struct raft_apply *request = &program->requests[slot->number];
    struct raft_buffer buffer = {.base = raft_malloc(LOAD_PAYLOAD_BYTES),
                                 .len = LOAD_PAYLOAD_BYTES};
    if (buffer.base == NULL) {
        return RAFT_NOMEM;
    }
    memset(buffer.base, 1, buffer.len);
    request->data = slot;
    return raft_apply(&program->raft, request, &buffer, 1, on_done);
}

static void tell(void *context)
{
    struct program *program = context;
    printf("{\"is_leader\":%s,\"voters\":3,\"applied\":%llu}\n",
           raft_state(&program->raft) == RAFT_LEADER ? "true" : "false",
           (unsigned long long)raft_last_applied(&program->raft));
}

int main(int argc, char **argv)
{
    static struct program program;
    if (argc != 6) {
        fprintf(stderr, "usage: libraft_node DIRECTORY NUMBER ADDRESS ADDRESS ADDRESS\n");
        return 2;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    uv_loop_t *loop = uv_default_loop();
    raft_id self = strtoull(argv[2], NULL, 10);
    program.fsm = (struct raft_fsm){
        .version = 1, .data = &program, .apply = apply, .snapshot = snapshot, .restore = restore};
    struct raft_configuration configuration;
    raft_configuration_init(&configuration);
    for (raft_id id = 1; id <= 3; id++) {
        check(&program, "configuration",
              raft_configuration_add(&configuration, id, argv[id + 2], RAFT_VOTER));
    }
    check(&program, "transport", raft_uv_tcp_init(&program.transport, loop));
    check(&program, "disk", raft_uv_init(&program.io, loop, argv[1], &program.transport));
    check(&program, "init",
          raft_init(&program.raft, &program.io, &program.fsm, self, argv[self + 2]));
    raft_set_pre_vote(&program.raft, true);
    raft_set_election_timeout(&program.raft, 1000);
    raft_set_heartbeat_timeout(&program.raft, 100);
    /* As in Quorate: 10,000 entries, and then a snapshot. */
    raft_set_snapshot_threshold(&program.raft, 10000);
    raft_set_snapshot_trailing(&program.raft, 10000);
    check(&program, "bootstrap", raft_bootstrap(&program.raft, &configuration));
    raft_configuration_close(&configuration);
    check(&program, "start", raft_start(&program.raft));
    const struct load_engine engine = {.propose = propose, .tell = tell, .context = &program};
    load_begin(&engine, loop);
    return uv_run(loop, UV_RUN_DEFAULT);
}
