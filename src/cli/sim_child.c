/* sim_child.c: what the process of one run does: it runs, traces, and compares. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/sim_process.h"
#include "quorate/error.h"
#include "sim/kv_subject.h"

#define EXCERPT_BEFORE_BYTES 200 /* what two lines have in common, in an excerpt */

struct tracer {
    const struct sim_task *task;
    struct sim_shared *shared;
    FILE *compared; /* NULL: nothing is compared, or no more */
};

static void line_write(void *argument, const char *line)
{
    struct tracer *tracer = argument;
    sim_trace_line(tracer->shared, tracer->task->trace_descriptor, line);
}

/* FNV-1a. */
static void line_count(void *argument, const char *line)
{
    struct sim_shared *shared = ((struct tracer *)argument)->shared;
    shared->lines++;
    for (; *line != '\0'; line++) {
        shared->lines_hash = (shared->lines_hash ^ (unsigned char)*line) * UINT64_C(0x100000001b3);
    }
}

static void compare_end(struct tracer *tracer)
{
    (void)fclose(tracer->compared);
    tracer->compared = NULL;
}

/* Keep the two lines from a little before the place where they differ. `next` is what the
 * file has there, and the rest of its line follows.
 */
static void difference_take(struct tracer *tracer, const char *line, size_t same_bytes, int next)
{
    struct sim_difference *difference = &tracer->shared->difference;
    struct text in_file = text_of(difference->in_file, sizeof(difference->in_file));
    struct text in_run = text_of(difference->in_run, sizeof(difference->in_run));
    size_t begin = same_bytes > EXCERPT_BEFORE_BYTES ? same_bytes - EXCERPT_BEFORE_BYTES : 0;
    if (begin > 0) {
        text_string(&in_file, "...");
        text_string(&in_run, "...");
    }
    text_string(&in_run, line + begin);
    text_bytes(&in_file, line + begin, same_bytes - begin);
    for (; next != EOF && next != '\n' && !in_file.truncated; next = getc(tracer->compared)) {
        text_char(&in_file, (char)next);
    }
    difference->is_found = true;
    difference->line = tracer->shared->lines + 2; /* from 1, and behind the header */
}

/* Compare with what the file has next. An event may be told in more than one line of it. What
 * ends without a line feed was cut: it is left for who reads on.
 */
static void line_compare(void *argument, const char *line)
{
    struct tracer *tracer = argument;
    if (tracer->compared == NULL) {
        return;
    }
    size_t same_bytes = 0;
    uint64_t feeds = 0;
    int next = getc(tracer->compared);
    while (line[same_bytes] != '\0' && next == (unsigned char)line[same_bytes]) {
        feeds += next == '\n';
        same_bytes++;
        next = getc(tracer->compared);
    }
    if (next == '\n' && line[same_bytes] == '\0') {
        tracer->shared->compared_bytes += same_bytes + 1;
        tracer->shared->lines += feeds + 1;
        return;
    }
    if (next != EOF) {
        difference_take(tracer, line, same_bytes, next);
        tracer->shared->difference.line += feeds;
    }
    compare_end(tracer);
}

/* A run with an empty subject of its own. */
static int run(const struct sim_task *task, struct tracer *tracer, struct qr_sim_report *out)
{
    struct kv_subject *subject = kv_subject_new();
    if (subject == NULL) {
        return QR_ERR_NO_MEMORY;
    }
    struct qr_sim_options options = sim_case_options(task->chosen);
    options.subject = kv_subject_of(subject);
    options.is_trace_json = task->trace == SIM_TRACE_JSON;
    if (tracer != NULL && tracer->compared != NULL) {
        options.trace = line_compare;
    } else if (tracer != NULL && task->trace_descriptor >= 0) {
        options.trace = line_write;
    } else if (tracer != NULL && task->is_counted) {
        options.trace = line_count;
    }
    options.trace_argument = tracer;
    int status = qr_sim_run(&options, out);
    kv_subject_free(subject);
    return status;
}

static void told_twice(struct text *text, const char *what, uint64_t first, uint64_t second)
{
    if (first != second) {
        text_string(text, text->length == 0 ? "" : ", ");
        text_string(text, what);
        text_char(text, ' ');
        text_hex(text, first, 16);
        text_string(text, " and then ");
        text_hex(text, second, 16);
    }
}

/* The same seed must give the same run: if not, the run has failed, and says in what. */
static void compare_runs(struct qr_sim_report *first, const struct qr_sim_report *second)
{
    struct text failure = text_of(first->failure, sizeof(first->failure));
    told_twice(&failure, "trace hash", first->trace_hash, second->trace_hash);
    told_twice(&failure, "digest", first->digest, second->digest);
    if (!second->has_passed && failure.length == 0) {
        text_string(&failure, "it passed, and then failed: ");
        text_string(&failure, second->failure);
    }
    if (failure.length == 0) {
        return;
    }
    text_string(&failure, first->trace_hash == second->trace_hash
                              ? ": the state machine is not deterministic"
                              : ": something in the run is not deterministic");
    struct text checker = text_of(first->checker, sizeof(first->checker));
    text_string(&checker, "determinism");
    first->failed_ns = 0;
    first->has_passed = false;
}

void sim_child_run(const struct sim_task *task, struct sim_shared *shared)
{
    struct tracer tracer = {.task = task, .shared = shared};
    if (task->compared_file != NULL) {
        tracer.compared = fopen(task->compared_file, "re");
        if (tracer.compared == NULL ||
            fseeko(tracer.compared, (off_t)task->compared_from, SEEK_SET) != 0) {
            shared->trace_errno = errno;
        }
        shared->compared_bytes = task->compared_from;
    }
    shared->lines_hash = UINT64_C(0xcbf29ce484222325);
    shared->status = run(task, &tracer, &shared->report);
    if (task->is_twice && shared->status == 0 && shared->report.has_passed) {
        struct qr_sim_report second;
        shared->status = run(task, NULL, &second);
        if (shared->status == 0) {
            compare_runs(&shared->report, &second);
        }
    }
    if (tracer.compared != NULL) {
        compare_end(&tracer);
    }
    shared->is_done = true;
}
