/* run.c: one run from its seed to its verdict. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "quorate/error.h"
#include "sim/builds.h"
#include "sim/internal.h"
#include "sim/memory.h"
#include "sim/observe.h"

#define LOOK_NS (20 * NS_PER_MS) /* how often the second phase looks whether it is over */
#define JOIN_SPREAD_NS (500 * NS_PER_MS)

uint64_t qr_sim_draw(struct qr_sim_random *random, uint64_t least, uint64_t most)
{
    return random == NULL || most < least ? least : prng_between(&random->prng, least, most);
}

const struct build *sim_draw_build(struct sim *sim)
{
    size_t count = build_release_count;
    uint64_t percent = prng_between(&sim->node_prng, 0, 99);
    uint64_t which = prng_between(&sim->node_prng, 0, count > 0 ? count - 1 : 0);
    return count > 0 && percent < sim->plan.past_percent ? build_releases[which] : &build_today;
}

void sim_refuse(struct sim *sim, int status, const char *format, ...)
{
    ASSERT(status != 0);
    if (sim->status == 0) {
        va_list arguments;
        sim->status = status;
        va_start(arguments, format);
        vsnprintf(sim->report->failure, sizeof(sim->report->failure), format, arguments);
        va_end(arguments);
    }
}

static bool goes_on(const struct sim *sim)
{
    return !sim->failure.is_set && sim->status == 0;
}

static void *allocate_block(void *context, size_t size_bytes)
{
    (void)context;
    return malloc(size_bytes);
}

static void release_block(void *context, void *memory, size_t size_bytes)
{
    (void)context;
    (void)size_bytes;
    free(memory);
}

/* There is a node that takes part, and no observer where there is nothing to hear. */
static uint32_t serving_count(const struct sim_plan *plan)
{
    bool is_heard = plan->gossip != BUILD_GOSSIP_NONE && plan->past_percent == 0;
    return (uint32_t)(plan->nodes - (is_heard ? min_u64(plan->observers, plan->nodes - 1) : 0));
}

static void begin(struct sim *sim)
{
    uint64_t seed = sim->options->seed;
    sim_schedule_init(&sim->schedule);
    sim_trace_init(&sim->trace, sim->options);
    sim->allocator = (struct allocator){NULL, allocate_block, release_block};
    sim->network_prng = sim_stream_of(seed, SIM_STREAM_NETWORK);
    sim->disk_prng = sim_stream_of(seed, SIM_STREAM_DISK);
    sim->fault_prng = sim_stream_of(seed, SIM_STREAM_FAULTS);
    sim->client_prng = sim_stream_of(seed, SIM_STREAM_CLIENTS);
    sim->node_prng = sim_stream_of(seed, SIM_STREAM_NODES);
    sim->audit_prng = sim_stream_of(seed, SIM_STREAM_AUDIT);
    sim->administrator_prng = sim_stream_of(seed, SIM_STREAM_ADMINISTRATOR);
    sim->gossip_prng = sim_stream_of(seed, SIM_STREAM_GOSSIP);
    sim->subject_random.prng = sim_stream_of(seed, SIM_STREAM_SUBJECT);
    sim->starts_prng = sim_stream_of(seed, SIM_STREAM_STARTS);
    sim->stale_prng = sim_stream_of(seed, SIM_STREAM_STALE);
    sim->invite_prng = sim_stream_of(seed, SIM_STREAM_INVITE);
    sim->host_count = (uint32_t)sim->plan.nodes;
    sim->serving_count = serving_count(&sim->plan);
    sim->durable = sim_allocate(1, sizeof(*sim->durable));
    check_durable_init(sim->durable);
    for (uint32_t i = 0; i < sim->host_count; i++) {
        sim_host_init(sim, i);
        time_ns at_ns = i == 0 ? 0 : prng_between(&sim->node_prng, 0, JOIN_SPREAD_NS);
        sim_host_restart_at(&sim->hosts[i], at_ns);
    }
    sim_clients_init(sim);
    sim_faults_init(sim);
    sim_gossip_init(sim);
    sim_administrator_init(sim);
    sim_stale_init(sim);
    sim_invitations_init(sim);
    if (sim->subject->begin != NULL) {
        sim->subject->begin(sim->subject->context);
    }
}

static void end(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->host_count; i++) {
        sim_host_deinit(&sim->hosts[i]);
    }
    sim_network_deinit(sim);
    sim_gossip_deinit(sim);
    sim_faults_deinit(sim);
    check_durable_deinit(sim->durable);
    sim_release(sim->durable);
    check_election_deinit(&sim->election);
    check_votes_deinit(&sim->votes);
    check_reads_deinit(&sim->reads);
    check_handovers_deinit(&sim->handovers);
    check_promises_deinit(&sim->promises);
    check_commits_deinit(&sim->commits);
    check_forwards_deinit(&sim->forwards);
    check_log_deinit(&sim->log);
    check_apply_deinit(&sim->apply);
    check_acked_deinit(&sim->acked);
    check_stale_deinit(&sim->stale);
    sim_pairs_deinit(&sim->removal_seen);
    sim_schedule_deinit(&sim->schedule);
}

static void run_until(struct sim *sim, time_ns until_ns)
{
    while (goes_on(sim) && sim_schedule_step(&sim->schedule, until_ns)) {
    }
}

static void judge(struct sim *sim)
{
    sim_clients_finish(sim);
    check_acked_finish(&sim->acked, &sim->apply, sim_now(sim), &sim->failure);
    const struct qr_sim_subject *subject = sim->subject;
    const char *broken =
        subject->finish == NULL || sim->failure.is_set ? NULL : subject->finish(subject->context);
    if (broken != NULL) {
        sim_violate(sim, "subject", "%s", broken);
    }
}

static void take_digest(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->host_count; i++) {
        const struct qr_state_machine *machine = &sim->hosts[i].functions;
        bool is_last =
            sim->is_core[i] && i < sim->serving_count && !sim_members_is_removed(&sim->hosts[i]);
        if (is_last && sim->hosts[i].machine != NULL && machine->digest != NULL) {
            sim->report->digest = machine->digest(machine->context);
        }
    }
}

/* The last processes end like all others, and what they leave behind is judged. */
static void stop_all(struct sim *sim)
{
    sim->phase = SIM_PHASE_END;
    for (uint32_t i = 0; i < sim->host_count; i++) {
        sim_host_end(&sim->hosts[i], SIM_END_KILLED);
    }
}

static void play(struct sim *sim)
{
    run_until(sim, sim->plan.safety_ms * NS_PER_MS);
    if (goes_on(sim)) {
        sim->step_began_ns = sim_now(sim);
        sim_liveness_begin(sim);
    }
    while (goes_on(sim) && !sim_liveness_is_reached(sim)) {
        run_until(sim, sim_now(sim) + LOOK_NS);
    }
    if (goes_on(sim)) {
        judge(sim);
    }
    take_digest(sim);
    stop_all(sim);
}

static void report(struct sim *sim, struct qr_sim_report *out)
{
    for (uint32_t i = 0; i < sim->host_count; i++) {
        out->disk_faults += sim_disk_stats(&sim->hosts[i].disk)->failure_count;
    }
    out->events = sim->schedule.happened;
    out->commits = sim->apply.commit_count;
    out->elections = sim->election.term_count;
    out->virtual_ns = sim_now(sim);
    out->has_passed = !sim->failure.is_set;
    sim_trace_mix(&sim->trace, out->digest);
    out->trace_hash = sim->trace.hash;
    if (sim->failure.is_set) {
        out->failed_ns = sim->failure.at_ns;
        memcpy(out->checker, sim->failure.checker, sizeof(out->checker));
        memcpy(out->failure, sim->failure.text, sizeof(out->failure));
        sim_observe_words(sim, SIM_TRACE_VIOLATION, SIM_NOBODY, 0, 0, "%s: %s",
                          sim->failure.checker, sim->failure.text);
    }
}

static int check_options(const struct qr_sim_options *options, struct qr_sim_report *out)
{
    const struct qr_sim_subject *subject = options == NULL ? NULL : options->subject;
    const char *broken = NULL;
    if (options == NULL) {
        broken = "options are missing";
    } else if (options->size_bytes != sizeof(*options)) {
        broken = "options.size_bytes is not that of this version";
    } else if (subject == NULL || subject->size_bytes != sizeof(*subject)) {
        broken = "options.subject is missing, or its size_bytes not that of this version";
    } else if (subject->open == NULL || subject->close == NULL || subject->operation == NULL) {
        broken = "a subject needs open, close and operation";
    } else if (options->skipped_fault_count > 0 && options->skipped_faults == NULL) {
        broken = "options.skipped_faults is missing";
    }
    if (broken != NULL) {
        snprintf(out->failure, sizeof(out->failure), "%s", broken);
        return QR_ERR_INVALID;
    }
    return 0;
}

int qr_sim_run(const struct qr_sim_options *options, struct qr_sim_report *out)
{
    if (out == NULL) {
        return QR_ERR_INVALID;
    }
    *out = (struct qr_sim_report){0};
    int status = check_options(options, out);
    if (status != 0) {
        return status;
    }
    struct sim *sim = calloc(1, sizeof(*sim));
    if (sim == NULL) {
        return QR_ERR_NO_MEMORY;
    }
    status = sim_plan_draw(options->seed, options->plan, &sim->plan, out->failure);
    if (status == 0) {
        sim->options = options;
        sim->subject = options->subject;
        sim->report = out;
        begin(sim);
        play(sim);
        if (sim->status == 0) {
            report(sim, out);
        }
        end(sim);
        status = sim->status;
    }
    free(sim);
    return status;
}

int qr_sim_plan_describe(const struct qr_sim_options *options, qr_sim_setting *each, void *argument,
                         char *detail)
{
    char unwanted[QR_SIM_TEXT_BYTES_MAX];
    struct sim_plan plan;
    detail = detail == NULL ? unwanted : detail;
    if (options == NULL || each == NULL) {
        snprintf(detail, QR_SIM_TEXT_BYTES_MAX, "options, or whom to tell, are missing");
        return QR_ERR_INVALID;
    }
    if (options->size_bytes != sizeof(*options)) {
        snprintf(detail, QR_SIM_TEXT_BYTES_MAX, "options.size_bytes is not that of this version");
        return QR_ERR_INVALID;
    }
    int status = sim_plan_draw(options->seed, options->plan, &plan, detail);
    if (status == 0) {
        sim_plan_each(&plan, each, argument);
    }
    return status;
}
