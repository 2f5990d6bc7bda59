/* sim_trace.c: writes the trace of a run, so that what it traced survives it. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/sim_trace.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "quorate/engine.h"

#define END_BYTES_MAX 512

/* Returns 0 or an errno. */
static int write_all(int descriptor, const char *data, size_t size_bytes)
{
    while (size_bytes > 0) {
        ssize_t count = write(descriptor, data, size_bytes);
        if (count < 0 && errno != EINTR) {
            return errno;
        }
        if (count > 0) {
            data += count;
            size_bytes -= (size_t)count;
        }
    }
    return 0;
}

void sim_trace_flush(struct sim_shared *shared, int descriptor)
{
    if (shared->trace_errno == 0) {
        shared->trace_errno = write_all(descriptor, shared->trace, shared->trace_bytes);
    }
    shared->trace_bytes = 0;
}

static void append(struct sim_shared *shared, int descriptor, const char *data, size_t size_bytes)
{
    while (size_bytes > 0) {
        if (shared->trace_bytes == sizeof(shared->trace)) {
            sim_trace_flush(shared, descriptor);
        }
        size_t part = min_u64(size_bytes, sizeof(shared->trace) - shared->trace_bytes);
        memcpy(shared->trace + shared->trace_bytes, data, part);
        shared->trace_bytes += part;
        data += part;
        size_bytes -= part;
    }
}

void sim_trace_line(struct sim_shared *shared, int descriptor, const char *line)
{
    append(shared, descriptor, line, strlen(line));
    append(shared, descriptor, "\n", 1);
    shared->lines++;
    for (const char *at = strchr(line, '\n'); at != NULL; at = strchr(at + 1, '\n')) {
        shared->lines++;
    }
}

int sim_trace_begin(int descriptor, const struct sim_options *options)
{
    char line[SIM_TRACE_HEAD_BYTES_MAX];
    char skipped[SIM_SKIPPED_BYTES_MAX];
    struct text text = text_of(line, sizeof(line));
    struct text list = text_of(skipped, sizeof(skipped));
    sim_case_skipped_write(options->chosen.skipped, options->chosen.skipped_count, &list);
    text_json_object_begin(&text);
    text_json_key(&text, "trace");
    text_json_string(&text, "quorate sim");
    text_json_key(&text, "format");
    text_json_u64(&text, SIM_TRACE_FORMAT);
    text_json_key(&text, "version");
    text_json_string(&text, QR_VERSION_TEXT);
    text_json_key(&text, "kind");
    text_json_string(&text, options->trace == SIM_TRACE_JSON ? "json" : "text");
    text_json_key(&text, "seed");
    text_json_u64(&text, options->chosen.seed);
    text_json_key(&text, "plan");
    text_json_string(&text, options->chosen.plan);
    text_json_key(&text, "skip_faults");
    text_json_string(&text, skipped);
    text_json_key(&text, "mutant");
    text_json_string(&text, options->mutant == NULL ? "" : options->mutant);
    text_json_object_end(&text);
    text_char(&text, '\n');
    ASSERT(!text.truncated && !list.truncated);
    return write_all(descriptor, line, text.length);
}

int sim_trace_end(int descriptor, const struct sim_result *result)
{
    char line[END_BYTES_MAX];
    struct text text = text_of(line, sizeof(line));
    text_json_object_begin(&text);
    text_json_key(&text, "end");
    text_json_bool(&text, true);
    text_json_key(&text, "lines");
    text_json_u64(&text, result->lines);
    text_json_key(&text, "trace_hash");
    if (result->has_trace_hash) {
        text_json_hex(&text, result->report.trace_hash, 16);
    } else {
        text_json_null(&text);
    }
    text_json_key(&text, "passed");
    text_json_bool(&text, result->report.has_passed);
    text_json_key(&text, "checker");
    text_json_string(&text, result->report.checker);
    text_json_object_end(&text);
    text_char(&text, '\n');
    ASSERT(!text.truncated);
    return write_all(descriptor, line, text.length);
}
