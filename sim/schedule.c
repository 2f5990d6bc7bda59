/* schedule.c: a binary heap of events. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/schedule.h"

#include <stdlib.h>

#include "base/assert.h"

#define FIRST_CAPACITY 256

void sim_schedule_init(struct sim_schedule *schedule)
{
    *schedule = (struct sim_schedule){0};
}

void sim_schedule_deinit(struct sim_schedule *schedule)
{
    free(schedule->heap);
    *schedule = (struct sim_schedule){0};
}

static bool is_before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->sequence < b->sequence;
}

static void put(struct sim_schedule *schedule, size_t at, struct sim_event *event)
{
    schedule->heap[at] = event;
    event->position = at + 1;
}

static void sift_up(struct sim_schedule *schedule, size_t at, struct sim_event *event)
{
    while (at > 0 && is_before(event, schedule->heap[(at - 1) / 2])) {
        put(schedule, at, schedule->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    put(schedule, at, event);
}

static void sift_down(struct sim_schedule *schedule, size_t at, struct sim_event *event)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= schedule->count) {
            break;
        }
        if (child + 1 < schedule->count &&
            is_before(schedule->heap[child + 1], schedule->heap[child])) {
            child++;
        }
        if (!is_before(schedule->heap[child], event)) {
            break;
        }
        put(schedule, at, schedule->heap[child]);
        at = child;
    }
    put(schedule, at, event);
}

void sim_schedule_remove(struct sim_schedule *schedule, struct sim_event *event)
{
    if (event->position == 0) {
        return;
    }
    size_t at = event->position - 1;
    ASSERT(schedule->heap[at] == event);
    event->position = 0;
    struct sim_event *last = schedule->heap[--schedule->count];
    if (last == event) {
        return;
    }
    if (at > 0 && is_before(last, schedule->heap[(at - 1) / 2])) {
        sift_up(schedule, at, last);
    } else {
        sift_down(schedule, at, last);
    }
}

void sim_schedule_add(struct sim_schedule *schedule, struct sim_event *event, time_ns at_ns)
{
    ASSERT(event->happen != NULL);
    sim_schedule_remove(schedule, event);
    if (schedule->count == schedule->capacity) {
        schedule->capacity = schedule->capacity == 0 ? FIRST_CAPACITY : 2 * schedule->capacity;
        schedule->heap = realloc(schedule->heap, schedule->capacity * sizeof(*schedule->heap));
        ASSERT(schedule->heap != NULL);
    }
    event->at_ns = max_u64(at_ns, schedule->now_ns);
    event->sequence = ++schedule->sequence;
    sift_up(schedule, schedule->count++, event);
}

void sim_schedule_advance(struct sim_schedule *schedule, struct sim_event *event, time_ns at_ns)
{
    if (!sim_event_is_waiting(event) || at_ns < event->at_ns) {
        sim_schedule_add(schedule, event, at_ns);
    }
}

bool sim_schedule_step(struct sim_schedule *schedule, time_ns until_ns)
{
    if (schedule->count == 0 || schedule->heap[0]->at_ns > until_ns) {
        schedule->now_ns = max_u64(schedule->now_ns, until_ns);
        return false;
    }
    struct sim_event *event = schedule->heap[0];
    ASSERT(event->at_ns >= schedule->now_ns);
    sim_schedule_remove(schedule, event);
    schedule->now_ns = event->at_ns;
    schedule->happened++;
    event->happen(event);
    return true;
}
