/* process.c: slices of time, a socket that fills, and in which order it is all seen to. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/swim/process.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "sim/swim/network.h"

#define BATCH_MAX 64 /* datagrams that a turn of the runtime's loop reads */
#define TIMERS_MAX 1000

void process_init(struct process *process, const struct process_options *options)
{
    *process = (struct process){.options = *options};
    ASSERT(options->run_ns > 0);
}

void process_deinit(struct process *process)
{
    for (size_t i = 0; i < process->inbox_count; i++) {
        free(process->inbox[i].bytes);
    }
    free(process->inbox);
}

time_ns process_after(const struct process *process, time_ns now_ns, time_ns run_ns)
{
    const struct process_options *options = &process->options;
    time_ns cycle_ns = options->run_ns + options->stall_ns;
    time_ns within_ns = (now_ns + options->phase_ns) % cycle_ns;
    if (within_ns >= options->run_ns) {
        now_ns += cycle_ns - within_ns;
        within_ns = 0;
    }
    time_ns left_ns = options->run_ns - within_ns;
    if (run_ns < left_ns) {
        return now_ns + run_ns;
    }
    run_ns -= left_ns;
    now_ns += left_ns + options->stall_ns;
    return now_ns + run_ns / options->run_ns * cycle_ns + run_ns % options->run_ns;
}

static void inbox_push(struct process *process, struct world_event *event)
{
    if (!event->is_stream && process->inbox_count >= process->options.socket_max) {
        process->lost++;
        free(event->bytes);
        return;
    }
    if (process->inbox_count == process->inbox_capacity) {
        process->inbox_capacity = process->inbox_capacity == 0 ? 64 : process->inbox_capacity * 2;
        process->inbox = realloc(process->inbox, process->inbox_capacity * sizeof(*process->inbox));
        ASSERT(process->inbox != NULL);
    }
    process->inbox[process->inbox_count++] = *event;
}

static bool is_due(const struct world *world, uint32_t node)
{
    return swim_deadline(world->nodes[node].swim) <= world->now_ns;
}

static uint32_t run_timers(struct world *world, uint32_t node, uint32_t count_max)
{
    uint32_t count = 0;
    while (count < count_max && is_due(world, node)) {
        world_take(world, &(struct world_event){.node = node});
        count++;
    }
    return count;
}

static uint32_t read_socket(struct world *world, struct process *process)
{
    uint32_t count = 0;
    while (count < BATCH_MAX && count < process->inbox_count) {
        world_take(world, &process->inbox[count]);
        count++;
    }
    process->inbox_count -= count;
    memmove(process->inbox, process->inbox + count, process->inbox_count * sizeof(*process->inbox));
    return count;
}

static void turn_later(struct world *world, uint32_t node, time_ns at_ns)
{
    struct process *process = world->nodes[node].process;
    if (!process->has_turn) {
        process->has_turn = true;
        network_push(world, (struct world_event){.at_ns = at_ns, .node = node, .is_turn = true});
    }
}

static void take_turn(struct world *world, uint32_t node)
{
    struct process *process = world->nodes[node].process;
    const struct process_options *options = &process->options;
    uint32_t steps = 0;
    if (options->has_timers_first) {
        steps += run_timers(world, node, TIMERS_MAX);
        steps += read_socket(world, process);
    } else {
        steps += read_socket(world, process);
        steps += run_timers(world, node, 1);
    }
    time_ns spent_ns = steps * options->step_ns;
    if (options->work_max_ns > 0) {
        spent_ns += prng_between(&world->prng, 1, options->work_max_ns);
    }
    process->busy_ns = process_after(process, world->now_ns, spent_ns);
    if (options->work_max_ns > 0 || process->inbox_count > 0 || is_due(world, node)) {
        turn_later(world, node, max_u64(process->busy_ns, world->now_ns + 1));
    }
}

/* As in the paper: what arrives is read when it may, and timers know nothing of that. */
static void take_blocked(struct world *world, struct process *process, struct world_event *event)
{
    time_ns free_ns = process_after(process, world->now_ns, 0);
    if (event->bytes != NULL && free_ns > world->now_ns) {
        event->at_ns = free_ns;
        network_push(world, *event);
    } else {
        world_take(world, event);
    }
}

void process_take(struct world *world, uint32_t node, struct world_event *event)
{
    struct process *process = world->nodes[node].process;
    if (process->options.is_blocked_only) {
        take_blocked(world, process, event);
        return;
    }
    if (event->is_turn) {
        process->has_turn = false;
        take_turn(world, node);
        return;
    }
    if (event->bytes != NULL) {
        inbox_push(process, event);
    }
    time_ns free_ns = process_after(process, world->now_ns, 0);
    turn_later(world, node, max_u64(process->busy_ns, free_ns));
}
