/* fake_sim.c: a simulator without a cluster: runs that pass, fail, end in an assertion, hang
 * or differ from one another, as its settings say.
 *
 * It stands in for libquorate-sim where what drives it is tested alone.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/prng.h"
#include "base/text.h"
#include "quorate/error.h"
#include "sim/kv_subject.h"

/* X(name, drawn, least, most, meaning): `drawn` is what a seed has, the same for all but of
 * the first.
 */
/* clang-format off */
#define FAKE_SETTING_MAP(X)                                                                        \
    X(nodes,        0, 1, 7,       "nodes of the cluster; a seed draws it")                        \
    X(operations, 100, 1, 100000,  "operations: each is an event")                                 \
    X(timeout,     10, 2, 1000,    "must be above heartbeat")                                      \
    X(heartbeat,    1, 1, 1000,    "must be below timeout")                                        \
    X(sleep_ms,     0, 0, 10000,   "how long a run sleeps")                                        \
    X(late_seed,    0, 0, 1000000, "the one seed that sleeps half a second")                       \
    X(loss,       100, 0, 1000000, "frames lost")                                                  \
    X(crash,       20, 0, 100,     "numbered faults of ten events; a third befall nobody")         \
    X(fail_every,   0, 0, 1000000, "seeds that fail, if nodes, loss and fault 7 let them")         \
    X(abort_every,  0, 0, 1000000, "seeds that end in an assertion")                               \
    X(hang_every,   0, 0, 1000000, "seeds that never end")                                         \
    X(memory_every, 0, 0, 1000000, "seeds for which memory runs out")                              \
    X(refuse_every, 0, 0, 1000000, "seeds whose plan is refused")                                  \
    X(fickle,       0, 0, 2,       "1: another trace each time. 2: another state")
/* clang-format on */

struct plan {
#define X(name, drawn, least, most, meaning) uint64_t name;
    FAKE_SETTING_MAP(X)
#undef X
};

static const struct {
    const char *name;
    uint64_t least;
    uint64_t most;
    size_t offset;
    const char *meaning;
} settings[] = {
#define X(name, drawn, least, most, meaning)                                                       \
    {#name, least, most, offsetof(struct plan, name), meaning},
    FAKE_SETTING_MAP(X)
#undef X
};

#define SETTING_COUNT (sizeof(settings) / sizeof(settings[0]))

struct kv_subject {
    struct qr_sim_subject subject;
};

struct kv_subject *kv_subject_new(void)
{
    struct kv_subject *subject = calloc(1, sizeof(*subject));
    if (subject != NULL) {
        subject->subject.size_bytes = sizeof(subject->subject);
    }
    return subject;
}

void kv_subject_free(struct kv_subject *subject)
{
    free(subject);
}

const struct qr_sim_subject *kv_subject_of(struct kv_subject *subject)
{
    return &subject->subject;
}

static uint64_t *value_of(struct plan *plan, size_t i)
{
    return (uint64_t *)(void *)((char *)plan + settings[i].offset);
}

static int setting_take(struct plan *plan, const char *word, size_t length, char *detail)
{
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        size_t name_length = strlen(settings[i].name);
        if (length < name_length || memcmp(word, settings[i].name, name_length) != 0 ||
            word[name_length] != '=') {
            continue;
        }
        uint64_t value = strtoull(word + name_length + 1, NULL, 10);
        if (value < settings[i].least || value > settings[i].most) {
            (void)snprintf(detail, QR_SIM_TEXT_BYTES_MAX, "%s: %llu is out of bounds, %llu..%llu",
                           settings[i].name, (unsigned long long)value,
                           (unsigned long long)settings[i].least,
                           (unsigned long long)settings[i].most);
            return QR_ERR_INVALID;
        }
        *value_of(plan, i) = value;
        return 0;
    }
    (void)snprintf(detail, QR_SIM_TEXT_BYTES_MAX, "there is no setting '%.*s'", (int)length, word);
    return QR_ERR_INVALID;
}

static int plan_draw(const struct qr_sim_options *options, struct plan *out, char *detail)
{
#define X(name, drawn, least, most, meaning) out->name = drawn;
    FAKE_SETTING_MAP(X)
#undef X
    out->nodes = 1 + options->seed % 7;
    const char *at = options->plan == NULL ? "" : options->plan;
    while (*at != '\0') {
        size_t length = strcspn(at, " ");
        int status = length == 0 ? 0 : setting_take(out, at, length, detail);
        if (status != 0) {
            return status;
        }
        at += length + (at[length] == ' ');
    }
    if (out->heartbeat >= out->timeout) {
        (void)snprintf(detail, QR_SIM_TEXT_BYTES_MAX, "heartbeat is not below timeout");
        return QR_ERR_INVALID;
    }
    return 0;
}

int qr_sim_plan_describe(const struct qr_sim_options *options, qr_sim_setting *each, void *argument,
                         char *detail)
{
    struct plan plan;
    int status = plan_draw(options, &plan, detail);
    for (size_t i = 0; status == 0 && i < SETTING_COUNT; i++) {
        each(argument, settings[i].name, *value_of(&plan, i), settings[i].least, settings[i].most,
             settings[i].meaning);
    }
    return status;
}

static bool is_skipped(const struct qr_sim_options *options, uint64_t fault)
{
    for (size_t i = 0; i < options->skipped_fault_count; i++) {
        if (options->skipped_faults[i] == fault) {
            return true;
        }
    }
    return false;
}

static bool comes(uint64_t every, uint64_t seed)
{
    return every > 0 && seed % every == 0;
}

static void event(const struct qr_sim_options *options, struct qr_sim_report *out, const char *what,
                  uint64_t number)
{
    char line[256];
    out->events++;
    out->trace_hash = out->trace_hash * 31 + number;
    (void)snprintf(line, sizeof(line),
                   options->is_trace_json ? "{\"%s\":%llu}" : "%s %llu \"quoted\"%s", what,
                   (unsigned long long)number, number == 50 ? "\n and told in two lines" : "");
    if (options->trace != NULL) {
        options->trace(options->trace_argument, line);
    }
}

/* Nothing but what never is the same twice. */
static uint64_t clock_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void end_badly(const struct qr_sim_options *options, const struct plan *plan)
{
    bool is_abort = comes(plan->abort_every, options->seed);
    if (is_abort || comes(plan->hang_every, options->seed)) {
        static const char words[] = "the last words of a seed\n";
        ssize_t written = write(STDERR_FILENO, words, sizeof(words) - 1);
        (void)written;
    }
    if (is_abort && plan->nodes >= 2) {
        assert_fail("index <= last", "src/raft/fake.c", 7, "raft_step");
    }
    volatile bool is_hung = comes(plan->hang_every, options->seed);
    while (is_hung) { /* at work: what counts is a processor's time */
    }
}

static void fake_run(const struct qr_sim_options *options, const struct plan *plan,
                     struct qr_sim_report *out)
{
    out->trace_hash = options->seed + 1;
    for (uint64_t i = 0; i < plan->operations; i++) {
        event(options, out, "operation", i);
    }
    for (uint64_t fault = 1; fault <= plan->crash; fault++) {
        bool befalls = fault % 3 != 0 && !is_skipped(options, fault);
        for (int i = 0; befalls && i < 10; i++) {
            event(options, out, "fault", fault);
        }
        out->faults += befalls;
    }
    for (uint64_t i = 0; i < 50 * plan->nodes; i++) {
        event(options, out, "message", i);
    }
    if (plan->fickle == 1) {
        event(options, out, "clock", clock_ns());
    }
    out->operations = plan->operations;
    out->commits = plan->operations;
    out->virtual_ns = 2500000000;
    out->digest = plan->fickle == 2 ? clock_ns() : options->seed * 7;
}

int qr_sim_run(const struct qr_sim_options *options, struct qr_sim_report *out)
{
    struct plan plan;
    *out = (struct qr_sim_report){.has_passed = true};
    int status = plan_draw(options, &plan, out->failure);
    if (status == 0 && comes(plan.refuse_every, options->seed)) {
        (void)snprintf(out->failure, sizeof(out->failure), "this seed refuses its plan");
        status = QR_ERR_INVALID;
    }
    if (status == 0 && comes(plan.memory_every, options->seed)) {
        status = QR_ERR_NO_MEMORY;
    }
    if (status != 0) {
        return status;
    }
    uint64_t sleep_ms = plan.sleep_ms + (options->seed == plan.late_seed ? 500 : 0);
    struct timespec pause_time = {.tv_sec = (time_t)(sleep_ms / 1000),
                                  .tv_nsec = (long)(sleep_ms % 1000) * 1000000};
    (void)nanosleep(&pause_time, NULL);
    struct qr_sim_report report = *out;
    fake_run(options, &plan, &report);
    end_badly(options, &plan);
    *out = report; /* a run that dies leaves no counts */
    if (comes(plan.fail_every, options->seed) && plan.nodes >= 2 && plan.loss > 0 &&
        plan.crash >= 7 && !is_skipped(options, 7)) {
        out->has_passed = false;
        out->failed_ns = 1234567890;
        (void)snprintf(out->checker, sizeof(out->checker), "log-matching");
        (void)snprintf(out->failure, sizeof(out->failure),
                       "n1 and n2 differ at index 5\n  n1: term 3, n2: term 4");
    }
    return 0;
}

uint64_t qr_sim_draw(struct qr_sim_random *random, uint64_t least, uint64_t most)
{
    return prng_between((struct prng *)(void *)random, least, most);
}
