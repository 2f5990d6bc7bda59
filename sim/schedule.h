/* schedule.h: what happens when, in virtual time.
 *
 * Owns     the order: by time, and at one moment by who was added first. An event lives in
 *          whatever it belongs to; the schedule only points at it.
 * Threads  one.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_SCHEDULE_H
#define SIM_SCHEDULE_H

#include "base/types.h"

struct sim_event {
    time_ns at_ns;
    uint64_t sequence;
    size_t position; /* in the heap, plus one; 0: not in it */
    void (*happen)(struct sim_event *event);
    void *owner;
};

struct sim_schedule {
    time_ns now_ns;
    uint64_t sequence;
    uint64_t happened; /* events so far */
    struct sim_event **heap;
    size_t capacity;
    size_t count;
};

void sim_schedule_init(struct sim_schedule *schedule);
void sim_schedule_deinit(struct sim_schedule *schedule);

/* Let `event` happen at at_ns, or now if that is past; one that was waiting is moved. */
void sim_schedule_add(struct sim_schedule *schedule, struct sim_event *event, time_ns at_ns);

/* The same, but never later than it is due already. */
void sim_schedule_advance(struct sim_schedule *schedule, struct sim_event *event, time_ns at_ns);

/* Let it not happen; nothing if it was not waiting. */
void sim_schedule_remove(struct sim_schedule *schedule, struct sim_event *event);

static inline bool sim_event_is_waiting(const struct sim_event *event)
{
    return event->position != 0;
}

/* Go to the next event, unless it is later than until_ns, and let it happen. Returns false,
 * with the time moved to until_ns, when there is none.
 */
bool sim_schedule_step(struct sim_schedule *schedule, time_ns until_ns);

#endif
