/* load.c: a closed loop of proposals, commands on standard input, and a count of allocations. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "load.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/assert.h"
#include "base/histogram.h"
#include "runtime/clock.h"

struct load {
    const struct load_engine *engine;
    uint64_t left; /* to be proposed */
    uint64_t flying;
    uint64_t count;
    time_ns began_ns;
    uint64_t allocations_before;
    struct histogram latency_ns;
    struct load_slot slots[LOAD_INFLIGHT_MAX];
    uv_pipe_t input;
    char line[256];
    size_t line_bytes;
};

/* glibc's own, behind the ones below. */
extern void *__libc_malloc(size_t size_bytes);
extern void *__libc_calloc(size_t count, size_t size_bytes);
extern void *__libc_realloc(void *memory, size_t size_bytes);

static atomic_uint_fast64_t allocations;

void *malloc(size_t size_bytes)
{
    atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
    return __libc_malloc(size_bytes);
}

void *calloc(size_t count, size_t size_bytes)
{
    atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
    return __libc_calloc(count, size_bytes);
}

void *realloc(void *memory, size_t size_bytes)
{
    atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
    return __libc_realloc(memory, size_bytes);
}

/* Calls of malloc() and its like in this process so far. */
static uint64_t allocations_so_far(void)
{
    return atomic_load_explicit(&allocations, memory_order_relaxed);
}

static void give_up(const char *words, int status)
{
    fprintf(stderr, "%s: %d\n", words, status);
    exit(1);
}

static void propose(struct load_slot *slot)
{
    struct load *load = slot->load;
    ASSERT(load->left > 0);
    load->left--;
    load->flying++;
    slot->began_ns = runtime_now_ns();
    int status = load->engine->propose(load->engine->context, slot);
    if (status != 0) {
        give_up("a proposal is refused", status);
    }
}

static double resident_mib(void)
{
    unsigned long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%*u %llu", &pages) != 1) {
        give_up("/proc/self/statm cannot be read", 0);
    }
    (void)fclose(file);
    return (double)pages * 4096 / (1 << 20);
}

static void report(struct load *load)
{
    double seconds = (double)(runtime_now_ns() - load->began_ns) / (double)NS_PER_S;
    uint64_t allocated = allocations_so_far() - load->allocations_before;
    const struct histogram *latency = &load->latency_ns;
    printf("{\"count\":%" PRIu64 ",\"seconds\":%.6f,\"per_second\":%.1f,\"p50_us\":%.1f,"
           "\"p99_us\":%.1f,\"allocations_per_proposal\":%.4f,\"resident_mib\":%.1f}\n",
           load->count, seconds, (double)load->count / seconds,
           (double)histogram_percentile(latency, 500000) / 1000,
           (double)histogram_percentile(latency, 990000) / 1000,
           (double)allocated / (double)load->count, resident_mib());
    (void)fflush(stdout);
}

void load_done(struct load_slot *slot, int status)
{
    struct load *load = slot->load;
    if (status != 0) {
        give_up("a proposal failed", status);
    }
    histogram_record(&load->latency_ns, runtime_now_ns() - slot->began_ns);
    load->flying--;
    if (load->left > 0) {
        propose(slot);
    } else if (load->flying == 0) {
        report(load);
    }
}

static void run(struct load *load, uint64_t count, uint64_t inflight)
{
    ASSERT(load->flying == 0 && count >= 1);
    ASSERT(inflight >= 1 && inflight <= LOAD_INFLIGHT_MAX);
    histogram_init(&load->latency_ns);
    load->count = count;
    load->left = count;
    load->allocations_before = allocations_so_far();
    load->began_ns = runtime_now_ns();
    for (uint64_t i = 0; i < inflight && load->left > 0; i++) {
        load->slots[i] = (struct load_slot){.load = load, .number = i};
        propose(&load->slots[i]);
    }
}

/* What this process has of the machine, and what of that malloc() has given out. */
static void tell_memory(void)
{
    struct mallinfo2 found = mallinfo2();
    printf("{\"resident_mib\":%.2f,\"allocated_mib\":%.2f}\n", resident_mib(),
           (double)(found.uordblks + found.hblkhd) / (1 << 20));
    (void)fflush(stdout);
}

static void command(struct load *load, const char *line)
{
    uint64_t count;
    uint64_t inflight;
    if (sscanf(line, "run %" SCNu64 " %" SCNu64, &count, &inflight) == 2) {
        run(load, count, inflight);
    } else if (strcmp(line, "tell") == 0) {
        load->engine->tell(load->engine->context);
        (void)fflush(stdout);
    } else if (strcmp(line, "memory") == 0) {
        tell_memory();
    } else {
        give_up(line, -1);
    }
}

static void give_room(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    struct load *load = handle->data;
    (void)suggested;
    *out = uv_buf_init(load->line + load->line_bytes,
                       (unsigned)(sizeof(load->line) - 1 - load->line_bytes));
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    struct load *load = stream->data;
    (void)buffer;
    if (count < 0) {
        exit(0); /* what was to be measured is */
    }
    load->line_bytes += (size_t)count;
    load->line[load->line_bytes] = '\0';
    char *feed;
    while ((feed = strchr(load->line, '\n')) != NULL) {
        *feed = '\0';
        command(load, load->line);
        load->line_bytes -= (size_t)(feed + 1 - load->line);
        memmove(load->line, feed + 1, load->line_bytes + 1);
    }
}

void load_begin(const struct load_engine *engine, uv_loop_t *loop)
{
    struct load *load = calloc(1, sizeof(*load));
    if (load == NULL) {
        give_up("memory ran out", 0);
        return;
    }
    load->engine = engine;
    load->input.data = load;
    if (uv_pipe_init(loop, &load->input, 0) != 0 || uv_pipe_open(&load->input, 0) != 0 ||
        uv_read_start((uv_stream_t *)&load->input, give_room, on_read) != 0) {
        give_up("standard input must be a pipe", 0);
    }
}
