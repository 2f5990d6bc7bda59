/* sim_case.c: which run, read from a command line and written as one. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/sim_case.h"

#include <string.h>

#include "cli/cli.h"

#define NUMBER_BYTES_MAX 24

/* Append `name=value`, and a blank before it unless it is the first. */
static const char *plan_append(struct sim_case *chosen, const char *name, size_t name_bytes,
                               const char *value)
{
    struct text text =
        text_of(chosen->plan + chosen->plan_bytes, sizeof(chosen->plan) - chosen->plan_bytes);
    text_string(&text, chosen->plan_bytes == 0 ? "" : " ");
    text_bytes(&text, name, name_bytes);
    text_string(&text, value);
    if (text.truncated) {
        chosen->plan[chosen->plan_bytes] = '\0';
        return "there are too many settings";
    }
    chosen->plan_bytes += text.length;
    return NULL;
}

const char *sim_case_set(struct sim_case *chosen, const char *text)
{
    const char *equals = strchr(text, '=');
    if (equals == NULL || equals == text || equals[1] == '\0' || strpbrk(text, " \t\r\n") != NULL) {
        return "must be NAME=VALUE";
    }
    return plan_append(chosen, text, (size_t)(equals - text), equals);
}

const char *sim_case_without(struct sim_case *chosen, const char *text)
{
    while (true) {
        size_t length = strcspn(text, ",");
        if (length == 0 || strcspn(text, "= \t\r\n") < length) {
            return "must be names of faults with commas";
        }
        const char *wrong = plan_append(chosen, text, length, "=0");
        if (wrong != NULL || text[length] == '\0') {
            return wrong;
        }
        text += length + 1;
    }
}

/* Read the number that `length` bytes are. */
static bool fault_read(const char *text, size_t length, uint64_t *out)
{
    char digits[NUMBER_BYTES_MAX];
    if (length == 0 || length >= sizeof(digits)) {
        return false;
    }
    memcpy(digits, text, length);
    digits[length] = '\0';
    return cli_number_parse(digits, false, out) && *out >= 1 && *out <= UINT32_MAX;
}

static const char *faults_add(struct sim_case *chosen, uint64_t first, uint64_t last)
{
    uint64_t before = chosen->skipped_count == 0 ? 0 : chosen->skipped[chosen->skipped_count - 1];
    if (first <= before || last < first) {
        return "must be ascending";
    }
    if (last - first >= SIM_SKIPPED_MAX - chosen->skipped_count) {
        return "names more than 4096 faults";
    }
    for (uint64_t fault = first; fault <= last; fault++) {
        chosen->skipped[chosen->skipped_count++] = (uint32_t)fault;
    }
    return NULL;
}

const char *sim_case_skip(struct sim_case *chosen, const char *text)
{
    _Static_assert(SIM_SKIPPED_MAX == 4096, "the sentence in faults_add() tells it");
    while (true) {
        size_t length = strcspn(text, ",");
        size_t dash = strcspn(text, "-,");
        uint64_t first = 0;
        uint64_t last = 0;
        if (dash < length) {
            if (!fault_read(text, dash, &first) ||
                !fault_read(text + dash + 1, length - dash - 1, &last)) {
                return "must be like 3,7-9";
            }
        } else if (!fault_read(text, length, &first)) {
            return "must be like 3,7-9";
        }
        const char *wrong = faults_add(chosen, first, dash < length ? last : first);
        if (wrong != NULL || text[length] == '\0') {
            return wrong;
        }
        text += length + 1;
    }
}

void sim_case_skipped_write(const uint32_t *skipped, size_t count, struct text *text)
{
    size_t i = 0;
    while (i < count) {
        size_t last = i;
        while (last + 1 < count && skipped[last + 1] == skipped[last] + 1) {
            last++;
        }
        text_string(text, i == 0 ? "" : ",");
        text_u64(text, skipped[i]);
        if (last > i) {
            text_char(text, '-');
            text_u64(text, skipped[last]);
        }
        i = last + 1;
    }
}

struct qr_sim_options sim_case_options(const struct sim_case *chosen)
{
    return (struct qr_sim_options){.size_bytes = sizeof(struct qr_sim_options),
                                   .seed = chosen->seed,
                                   .plan = chosen->plan,
                                   .skipped_faults = chosen->skipped,
                                   .skipped_fault_count = chosen->skipped_count};
}

void sim_case_flags_write(const struct sim_case *chosen, struct text *text)
{
    text_string(text, " --seed ");
    text_u64(text, chosen->seed);
    for (const char *at = chosen->plan; *at != '\0';) {
        size_t length = strcspn(at, " ");
        text_string(text, " --set ");
        text_bytes(text, at, length);
        at += length + (at[length] == ' ');
    }
    if (chosen->skipped_count > 0) {
        text_string(text, " --skip-faults ");
        sim_case_skipped_write(chosen->skipped, chosen->skipped_count, text);
    }
}
