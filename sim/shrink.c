/* shrink.c: makes a failing run simpler, one setting and one fault at a time.
 *
 * A candidate is taken when it fails in the same checker and is shorter, in events. To switch
 * something off is worth a few events more: what is off need not be thought about.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/shrink.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/text.h"
#include "quorate/error.h"

#define SETTINGS_MAX 128
#define HALVINGS_MAX 4

struct setting {
    char name[QR_SIM_NAME_BYTES_MAX];
    uint64_t value;
    uint64_t least;
    bool is_told; /* over what the seed draws */
};

struct search {
    const struct shrink *shrink;
    struct setting settings[SETTINGS_MAX];
    size_t setting_count;
    uint32_t *candidate; /* SHRINK_SKIPPED_MAX faults to skip */
    size_t candidate_count;
    struct qr_sim_shrunk *best;
    bool is_over;
    int status; /* not 0: a run failed otherwise than in a checker */
};

/* Whether `plan` tells the setting: a word of it begins with `name=`. */
static bool tells(const char *plan, const char *name)
{
    size_t length = strlen(name);
    while (plan != NULL && *plan != '\0') {
        if (strncmp(plan, name, length) == 0 && plan[length] == '=') {
            return true;
        }
        plan += strcspn(plan, " ");
        plan += strspn(plan, " ");
    }
    return false;
}

static void setting_take(void *argument, const char *name, uint64_t value, uint64_t least,
                         uint64_t most, const char *meaning)
{
    struct search *search = argument;
    (void)most;
    (void)meaning;
    ASSERT(search->setting_count < SETTINGS_MAX);
    struct setting *setting = &search->settings[search->setting_count++];
    struct text copy = text_of(setting->name, sizeof(setting->name));
    text_string(&copy, name);
    ASSERT(!copy.truncated);
    setting->value = value;
    setting->least = least;
    setting->is_told = tells(search->shrink->options->plan, name);
}

/* Write the plan that the settings make. Returns false when there is no room for it. */
static bool plan_write(const struct search *search, char *out)
{
    struct text text = text_of(out, QR_SIM_TEXT_BYTES_MAX);
    for (size_t i = 0; i < search->setting_count; i++) {
        const struct setting *setting = &search->settings[i];
        if (setting->is_told) {
            text_string(&text, text.length == 0 ? "" : " ");
            text_string(&text, setting->name);
            text_char(&text, '=');
            text_u64(&text, setting->value);
        }
    }
    return !text.truncated;
}

/* Run with the settings as they stand and the candidate's faults left out. */
static int run(struct search *search, const char *plan, struct qr_sim_report *out)
{
    struct qr_sim_options options = *search->shrink->options;
    options.plan = plan;
    options.skipped_faults = search->candidate;
    options.skipped_fault_count = search->candidate_count;
    options.trace = NULL;
    search->best->runs++;
    return search->shrink->run(search->shrink->run_argument, &options, out);
}

static bool may_go_on(struct search *search)
{
    const struct shrink *shrink = search->shrink;
    if (search->best->runs >= shrink->runs_max ||
        (shrink->try != NULL && !shrink->try(shrink->try_argument, search->best))) {
        search->is_over = true;
    }
    return !search->is_over;
}

static void best_take(struct search *search, const char *plan, const struct qr_sim_report *report)
{
    struct qr_sim_shrunk *best = search->best;
    memcpy(best->plan, plan, strlen(plan) + 1);
    memcpy(best->skipped_faults, search->candidate,
           search->candidate_count * sizeof(search->candidate[0]));
    best->skipped_fault_count = search->candidate_count;
    best->report = *report;
}

enum verdict {
    REFUSED,
    SAME, /* event for event the best run so far */
    TAKEN,
};

static bool is_same_run(const struct qr_sim_report *a, const struct qr_sim_report *b)
{
    return a->events == b->events && a->trace_hash == b->trace_hash && a->trace_hash != 0;
}

/* Run the candidate, and take it if it fails in the same checker with at most so many events.
 * Settings that contradict one another are no candidate.
 *
 * takes_same   the same run is taken, too: it is told more simply.
 */
static enum verdict attempt(struct search *search, uint64_t events_most, bool takes_same)
{
    char plan[QR_SIM_TEXT_BYTES_MAX];
    struct qr_sim_report report = {.has_passed = false};
    const struct qr_sim_report *best = &search->best->report;
    if (search->is_over || !plan_write(search, plan) || !may_go_on(search)) {
        return REFUSED;
    }
    int status = run(search, plan, &report);
    if (status != 0 && status != QR_ERR_INVALID) {
        search->status = status;
        search->is_over = true;
    }
    if (status != 0 || report.has_passed || strcmp(report.checker, best->checker) != 0) {
        return REFUSED;
    }
    bool is_same = is_same_run(&report, best);
    if (is_same ? !takes_same : report.events > events_most) {
        return is_same ? SAME : REFUSED;
    }
    best_take(search, plan, &report);
    return TAKEN;
}

static uint64_t events_shorter(const struct search *search)
{
    uint64_t events = search->best->report.events;
    return events == 0 ? 0 : events - 1;
}

static uint64_t events_similar(const struct search *search)
{
    uint64_t events = search->best->report.events;
    return events + events / 4;
}

static bool setting_attempt(struct search *search, struct setting *setting, uint64_t value)
{
    struct setting before = *setting;
    setting->value = value;
    setting->is_told = true;
    /* Switched off is more simply told; a size that changes nothing is not. */
    uint64_t events_most = value == 0 ? events_similar(search) : events_shorter(search);
    if (attempt(search, events_most, value == 0) == TAKEN) {
        return true;
    }
    *setting = before;
    return false;
}

/* The least value at once, or else as near to it as a few halvings come. */
static bool setting_reduce(struct search *search, struct setting *setting)
{
    uint64_t low = setting->least;
    if (setting->value == low) {
        return false;
    }
    if (setting_attempt(search, setting, low)) {
        return true;
    }
    bool is_reduced = false;
    for (size_t i = 0; i < HALVINGS_MAX && setting->value - low > 1; i++) {
        uint64_t middle = low + (setting->value - low) / 2;
        if (setting_attempt(search, setting, middle)) {
            is_reduced = true;
        } else {
            low = middle;
        }
    }
    return is_reduced;
}

/* The candidate: what the best run skips, and the faults first..last. Returns false when that
 * is nothing new, or more than there is room for.
 */
static bool candidate_make(struct search *search, uint64_t first, uint64_t last)
{
    const struct qr_sim_shrunk *best = search->best;
    size_t count = 0;
    size_t i = 0;
    for (; i < best->skipped_fault_count && best->skipped_faults[i] < first; i++) {
        search->candidate[count++] = best->skipped_faults[i];
    }
    size_t kept = i;
    while (i < best->skipped_fault_count && best->skipped_faults[i] <= last) {
        i++;
    }
    uint64_t added = last - first + 1;
    if (added == i - kept ||
        added > SHRINK_SKIPPED_MAX - (best->skipped_fault_count - (i - kept))) {
        return false;
    }
    for (uint64_t fault = first; fault <= last; fault++) {
        search->candidate[count++] = (uint32_t)fault;
    }
    for (; i < best->skipped_fault_count; i++) {
        search->candidate[count++] = best->skipped_faults[i];
    }
    search->candidate_count = count;
    return true;
}

static void candidate_reset(struct search *search)
{
    search->candidate_count = search->best->skipped_fault_count;
    memcpy(search->candidate, search->best->skipped_faults,
           search->candidate_count * sizeof(search->candidate[0]));
}

static enum verdict faults_attempt(struct search *search, uint64_t first, uint64_t last,
                                   uint64_t events_most)
{
    return candidate_make(search, first, last) ? attempt(search, events_most, false) : REFUSED;
}

/* The last fault that makes a difference, by halving. How many there are is no answer: some
 * numbers befall nobody. No run is taken here: its list would name faults that do not come.
 */
static uint64_t fault_last(struct search *search)
{
    uint64_t low = 0;
    uint64_t high = SHRINK_SKIPPED_MAX;
    while (low < high && !search->is_over) {
        uint64_t middle = low + (high - low) / 2;
        if (faults_attempt(search, middle + 1, SHRINK_SKIPPED_MAX, 0) == SAME) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return high;
}

/* Leave out all faults, then halves, quarters, … and at last single ones (ddmin: Zeller and
 * Hildebrandt 2002).
 */
static bool faults_reduce(struct search *search)
{
    bool is_reduced = false;
    uint64_t end = fault_last(search);
    for (uint64_t size = end; size > 0 && !search->is_over; size /= 2) {
        for (uint64_t first = 1; first <= end && !search->is_over; first += size) {
            uint64_t last = min_u64(first + size - 1, end);
            uint64_t events_most = events_similar(search);
            is_reduced |= faults_attempt(search, first, last, events_most) == TAKEN;
        }
    }
    candidate_reset(search);
    return is_reduced;
}

/* Faults are switched off before sizes are made smaller: the table has them last. */
static bool settings_reduce(struct search *search)
{
    bool is_reduced = false;
    for (size_t i = search->setting_count; i-- > 0 && !search->is_over;) {
        is_reduced |= setting_reduce(search, &search->settings[i]);
    }
    return is_reduced;
}

/* Run what is to be shrunk, as it is. */
static int first_run(struct search *search)
{
    const struct qr_sim_options *options = search->shrink->options;
    struct qr_sim_shrunk *best = search->best;
    if (options->skipped_fault_count > SHRINK_SKIPPED_MAX) {
        return QR_ERR_INVALID;
    }
    for (size_t i = 0; i < options->skipped_fault_count; i++) {
        best->skipped_faults[i] = options->skipped_faults[i];
    }
    best->skipped_fault_count = options->skipped_fault_count;
    candidate_reset(search);
    int status = run(search, options->plan, &best->report);
    if (status != 0) {
        return status;
    }
    return best->report.has_passed || !plan_write(search, best->plan) ? QR_ERR_NOT_FOUND : 0;
}

static int search_run(struct search *search)
{
    int status = qr_sim_plan_describe(search->shrink->options, setting_take, search,
                                      search->best->report.failure);
    if (status == 0) {
        status = first_run(search);
    }
    bool is_reduced = status == 0;
    while (is_reduced && !search->is_over) {
        bool is_simpler = settings_reduce(search);
        bool is_calmer = faults_reduce(search);
        is_reduced = is_simpler || is_calmer;
    }
    return status != 0 ? status : search->status;
}

int shrink_search(const struct shrink *shrink, struct qr_sim_shrunk *out)
{
    struct search *search = calloc(1, sizeof(*search));
    uint32_t *candidate = calloc(SHRINK_SKIPPED_MAX, sizeof(*candidate));
    uint32_t *skipped = calloc(SHRINK_SKIPPED_MAX, sizeof(*skipped));
    int status = QR_ERR_NO_MEMORY;
    *out = (struct qr_sim_shrunk){.skipped_faults = skipped};
    if (search != NULL && candidate != NULL && skipped != NULL) {
        search->shrink = shrink;
        search->candidate = candidate;
        search->best = out;
        status = search_run(search);
    }
    if (status != 0) {
        free(skipped);
        out->skipped_faults = NULL;
        out->skipped_fault_count = 0;
    }
    free(candidate);
    free(search);
    return status;
}

static int run_here(void *argument, const struct qr_sim_options *options, struct qr_sim_report *out)
{
    (void)argument;
    return qr_sim_run(options, out);
}

int qr_sim_shrink(const struct qr_sim_options *options, uint64_t runs_max,
                  bool (*is_wanted)(void *argument, const struct qr_sim_shrunk *best),
                  void *argument, struct qr_sim_shrunk *out)
{
    const struct shrink shrink = {.options = options,
                                  .runs_max = runs_max,
                                  .run = run_here,
                                  .try = is_wanted,
                                  .try_argument = argument};
    return options == NULL || out == NULL ? QR_ERR_INVALID : shrink_search(&shrink, out);
}

void qr_sim_shrunk_deinit(struct qr_sim_shrunk *shrunk)
{
    if (shrunk != NULL) {
        free(shrunk->skipped_faults);
        *shrunk = (struct qr_sim_shrunk){.runs = 0};
    }
}
