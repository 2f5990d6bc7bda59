/* process.h: a member's process on a machine that gives it too little of the processor.
 *
 * Owns     what waits in its socket, and when it runs. Unlike a host whose network stands still
 *          (world_node.stall_ns), it is modelled as a real one: it gets slices of time, each
 *          packet and timer costs some, other work comes in between, and its socket holds so
 *          much and no more.
 * Does not know what the machine makes of it.
 * Source   Lifeguard §V: their members "block" while messages wait; what a cgroup's quota does.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_SWIM_PROCESS_H
#define SIM_SWIM_PROCESS_H

#include "sim/swim/world.h"

struct process_options {
    time_ns run_ns;        /* it runs so long, */
    time_ns stall_ns;      /* then not for so long, and so on */
    time_ns phase_ns;      /* so far into that when time begins */
    time_ns step_ns;       /* of its time that a packet or a timer costs */
    time_ns work_max_ns;   /* likewise other work, each time before it looks again; 0: none */
    uint32_t socket_max;   /* packets that wait; more are lost; streams wait without end */
    bool has_timers_first; /* all that are due run before what has arrived is read */
    bool is_blocked_only;  /* the paper's: timers run on time, but it sends and reads nothing */
};

struct process {
    struct process_options options;
    struct world_event *inbox; /* in the order in which they came */
    size_t inbox_count;
    size_t inbox_capacity;
    bool has_turn;   /* an event of its next is under way */
    time_ns busy_ns; /* until then its time is spent */
    uint64_t lost;   /* packets for which the socket had no room */
};

void process_init(struct process *process, const struct process_options *options);
void process_deinit(struct process *process);

/* When it has run for so long, from now on. */
time_ns process_after(const struct process *process, time_ns now_ns, time_ns run_ns);

/* A packet has arrived, a timer is due, or it is its turn: given. */
void process_take(struct world *world, uint32_t node, struct world_event *event);

#endif
