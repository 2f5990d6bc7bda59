/* faults.c: when discrete faults come, which, and whether they do. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/faults.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "sim/memory.h"
#include "sim/observe.h"

#define RATE_SPAN_NS (1000 * NS_PER_S) /* rates are told for so long */
#define FIRST_NS (500 * NS_PER_MS)
#define WORDS_BYTES_MAX 512

uint32_t sim_blow_host_number(struct sim_blow *blow)
{
    return (uint32_t)prng_between(&blow->prng, 0, blow->sim->host_count - 1);
}

struct sim_host *sim_blow_host(struct sim_blow *blow)
{
    return &blow->sim->hosts[sim_blow_host_number(blow)];
}

time_ns sim_blow_length_ns(struct sim_blow *blow)
{
    uint64_t most_ms = UINT64_C(100) << prng_between(&blow->prng, 0, 7);
    return prng_between(&blow->prng, 10, most_ms) * NS_PER_MS;
}

void sim_blow_tell(const struct sim_blow *blow, uint32_t host, const char *format, ...)
{
    char words[WORDS_BYTES_MAX] = "";
    if (sim_trace_is_wanted(&blow->sim->trace)) {
        va_list arguments;
        int used =
            snprintf(words, sizeof(words), "#%u %s ", blow->number, sim_fault_name(blow->fault));
        ASSERT(used > 0 && (size_t)used < sizeof(words));
        va_start(arguments, format);
        vsnprintf(words + used, sizeof(words) - (size_t)used, format, arguments);
        va_end(arguments);
    }
    sim_observe(blow->sim, SIM_TRACE_FAULT, host, blow->fault, blow->number, words);
}

struct sim_heal *sim_blow_heal_later(struct sim_blow *blow, uint32_t host, time_ns after_ns,
                                     void (*happen)(struct sim_event *event))
{
    struct sim *sim = blow->sim;
    struct sim_heal *heal = sim_allocate(1, sizeof(*heal));
    *heal =
        (struct sim_heal){.sim = sim, .fault = blow->fault, .number = blow->number, .host = host};
    heal->event.happen = happen;
    heal->event.owner = heal;
    heal->next = sim->heals;
    sim->heals = heal;
    sim_schedule_add(&sim->schedule, &heal->event, sim_now(sim) + after_ns);
    return heal;
}

void sim_heal_end(struct sim_heal *heal)
{
    struct sim *sim = heal->sim;
    struct sim_heal **at = &sim->heals;
    while (*at != heal) {
        at = &(*at)->next;
    }
    *at = heal->next;
    sim_schedule_remove(&sim->schedule, &heal->event);
    sim_observe_words(sim, SIM_TRACE_HEAL, heal->host, heal->fault, heal->number, "#%u %s",
                      heal->number, sim_fault_name(heal->fault));
    sim_release(heal);
}

static bool is_skipped(const struct sim *sim, uint32_t number)
{
    for (size_t i = 0; i < sim->options->skipped_fault_count; i++) {
        if (sim->options->skipped_faults[i] == number) {
            return true;
        }
    }
    return false;
}

static uint64_t total_rate(const struct sim *sim)
{
    uint64_t total = 0;
    for (size_t i = 0; i < SIM_FAULT_COUNT; i++) {
        total += sim->plan.faults[i];
    }
    return total;
}

static void wait_for_next(struct sim *sim)
{
    uint64_t total = total_rate(sim);
    if (total > 0) {
        uint64_t wait_ns = prng_between(&sim->fault_prng, 0, 2 * RATE_SPAN_NS / total);
        sim_schedule_add(&sim->schedule, &sim->fault_event, sim_now(sim) + wait_ns);
    }
}

static enum sim_fault draw_fault(struct sim *sim)
{
    uint64_t at = prng_between(&sim->fault_prng, 0, total_rate(sim) - 1);
    size_t fault = 0;
    while (at >= sim->plan.faults[fault]) {
        at -= sim->plan.faults[fault++];
    }
    return (enum sim_fault)fault;
}

static bool strike(struct sim_blow *blow)
{
    switch (blow->fault) {
    case SIM_FAULT_STOP:
    case SIM_FAULT_CRASH:
    case SIM_FAULT_POWER_LOSS:
    case SIM_FAULT_BLACKOUT:
    case SIM_FAULT_PAUSE:
    case SIM_FAULT_UPGRADE:
    case SIM_FAULT_SNAPSHOT_CRASH:
        return sim_blow_process(blow);
    case SIM_FAULT_PARTITION:
    case SIM_FAULT_ONE_WAY:
    case SIM_FAULT_SLOW_LINK:
    case SIM_FAULT_CLOG:
    case SIM_FAULT_RESET:
    case SIM_FAULT_STORM:
        return sim_blow_network(blow);
    case SIM_FAULT_WALL_JUMP:
    case SIM_FAULT_DRIFT:
        return sim_blow_clock(blow);
    case SIM_FAULT_STALE_TAIL:
        return sim_blow_stale_tail(blow);
    case SIM_FAULT_DIVERGE:
        return sim_blow_diverge(blow);
    default:
        return sim_blow_disk(blow);
    }
}

static void on_fault(struct sim_event *event)
{
    struct sim *sim = event->owner;
    struct sim_blow blow = {.sim = sim, .number = ++sim->fault_number};
    blow.fault = draw_fault(sim);
    blow.prng = prng_of(prng_next(&sim->fault_prng));
    if (!is_skipped(sim, blow.number) && strike(&blow)) {
        sim->report->faults++;
    }
    wait_for_next(sim);
}

void sim_faults_init(struct sim *sim)
{
    sim->fault_event.happen = on_fault;
    sim->fault_event.owner = sim;
    if (total_rate(sim) > 0) {
        sim_schedule_add(&sim->schedule, &sim->fault_event, FIRST_NS);
    }
}

void sim_faults_stop(struct sim *sim)
{
    sim->has_no_faults = true;
    sim_schedule_remove(&sim->schedule, &sim->fault_event);
    while (sim->heals != NULL) {
        struct sim_heal *heal = sim->heals;
        heal->event.happen(&heal->event);
        ASSERT(sim->heals != heal);
    }
}

void sim_faults_deinit(struct sim *sim)
{
    while (sim->heals != NULL) {
        struct sim_heal *next = sim->heals->next;
        sim_schedule_remove(&sim->schedule, &sim->heals->event);
        sim_release(sim->heals);
        sim->heals = next;
    }
}
