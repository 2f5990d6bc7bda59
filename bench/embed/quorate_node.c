/* quorate_node.c: a node of Quorate on the program's own loop, to be measured.
 *
 * usage: quorate_node auto|direct|threads DIRECTORY ADDRESS [MEMBER]
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"
#include "quorate/engine.h"

struct program {
    uint64_t sum;
    uint64_t results[4096];
    struct qr_engine *engine;
    struct qr_status status;
};

static int apply(void *context, const struct qr_entry *entries, size_t count,
                 struct qr_result *results)
{
    struct program *program = context;
    for (size_t i = 0; i < count; i++) {
        program->sum += entries[i].payload_bytes;
        program->results[i % 4096] = program->sum;
        results[i] = (struct qr_result){.data = &program->results[i % 4096], .size_bytes = 8};
    }
    return 0;
}

static int snapshot_open(void *context, void **snapshot)
{
    struct program *program = context;
    uint64_t *saved = malloc(2 * sizeof(*saved));
    if (saved == NULL) {
        return QR_ERR_NO_MEMORY;
    }
    saved[0] = program->sum;
    saved[1] = 0;
    *snapshot = saved;
    return 0;
}

static int snapshot_read(void *context, void *snapshot, void *buffer, size_t size_bytes,
                         size_t *read_bytes)
{
    uint64_t *saved = snapshot;
    (void)context;
    (void)size_bytes;
    *read_bytes = saved[1] == 0 ? 8 : 0;
    memcpy(buffer, saved, *read_bytes);
    saved[1] = 1;
    return 0;
}

static void snapshot_close(void *context, void *snapshot)
{
    (void)context;
    free(snapshot);
}

/* No node of a measurement starts again, or is behind. */
static int restore_begin(void *context)
{
    (void)context;
    return QR_ERR_INVALID;
}

static int restore_write(void *context, const void *data, size_t size_bytes)
{
    (void)context;
    (void)data;
    (void)size_bytes;
    return QR_ERR_INVALID;
}

static void on_done(void *argument, int status, uint64_t index, const struct qr_result *result)
{
    (void)index;
    (void)result;
    load_done(argument, status);
}

static int propose(void *context, struct load_slot *slot)
{
    struct program *program = context;
    static const uint8_t payload[LOAD_PAYLOAD_BYTES] = {1};
    struct qr_proposal proposal = {
        .size_bytes = sizeof(proposal), .payload = payload, .payload_bytes = sizeof(payload)};
    return qr_propose(program->engine, &proposal, on_done, slot);
}

static void tell(void *context)
{
    struct program *program = context;
    size_t voters = 0;
    program->status.size_bytes = sizeof(program->status);
    (void)qr_status(program->engine, &program->status);
    for (size_t i = 0; i < program->status.member_count; i++) {
        voters += program->status.members[i].is_voter;
    }
    printf("{\"is_leader\":%s,\"voters\":%zu,\"applied\":%llu}\n",
           program->status.role == QR_LEADER ? "true" : "false", voters,
           (unsigned long long)program->status.applied_index);
}

static void on_stopped(void *argument, int status, const char *reason)
{
    (void)argument;
    fprintf(stderr, "quorate_node: %d: %s\n", status, reason);
    exit(1);
}

int main(int argc, char **argv)
{
    static struct program program;
    static struct qr_state_machine machine = {
        .size_bytes = sizeof(machine),
        .context = &program,
        .apply = apply,
        .snapshot_open = snapshot_open,
        .snapshot_read = snapshot_read,
        .snapshot_close = snapshot_close,
        .restore_begin = restore_begin,
        .restore_write = restore_write,
        .restore_end = restore_begin,
    };
    static const char *const drivers[] = {"auto", "direct", "threads"};
    size_t driver = 0;
    while (argc > 1 && driver < 3 && strcmp(argv[1], drivers[driver]) != 0) {
        driver++;
    }
    if (argc < 4 || argc > 5 || driver == 3) {
        fprintf(stderr, "usage: quorate_node auto|direct|threads DIRECTORY ADDRESS [MEMBER]\n");
        return 2;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    uv_loop_t *loop = uv_default_loop();
    struct qr_engine_options options = {
        .size_bytes = sizeof(options),
        .state_machine = &machine,
        .name = strrchr(argv[2], '/') + 1,
        .data_directory = argv[2],
        .peer_address = argv[3],
        .is_bootstrap = argc == 4,
        .join = argc == 5 ? argv[4] : NULL,
        .limits = qr_limits_default(),
        .loop = loop,
        .on_stopped = on_stopped,
        .disk_driver = (enum qr_disk_driver)driver,
    };
    char detail[QR_ERROR_DETAIL_BYTES];
    if (qr_engine_open(&options, &program.engine, detail) != 0) {
        fprintf(stderr, "quorate_node: %s\n", detail);
        return 1;
    }
    const struct load_engine engine = {.propose = propose, .tell = tell, .context = &program};
    load_begin(&engine, loop);
    return uv_run(loop, UV_RUN_DEFAULT);
}
