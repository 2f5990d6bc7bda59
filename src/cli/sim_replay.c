/* sim_replay.c: checks that this build gives the run of a trace again, line by line. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/sim_process.h"
#include "quorate/engine.h"
#include "quorate/error.h"

/* What the last line of a trace tells. */
struct trace_end {
    uint64_t lines;
    bool has_passed;
    char trace_hash[17]; /* "": the run came to no end of its own */
    char checker[QR_SIM_NAME_BYTES_MAX];
};

struct replay {
    const struct sim_options *options;
    struct sim_options traced; /* the run of the trace */
    uint64_t begins_at;        /* the second line of the file */
    struct sim_shared *shared; /* of the run, when it has ended */
    struct sim_result result;
    char mutant[QR_SIM_NAME_BYTES_MAX];
};

static const char *string_of(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));
    return value == NULL ? "" : value;
}

/* Read one line, and parse it as an object. NULL: it is none, or none that ends. */
static json_t *object_read(FILE *file, char *line, size_t size_bytes)
{
    if (fgets(line, (int)size_bytes, file) == NULL || strchr(line, '\n') == NULL) {
        return NULL;
    }
    json_t *object = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(object)) {
        json_decref(object);
        return NULL;
    }
    return object;
}

/* Take over seed, settings and faults. Returns CLI_DONE or CLI_USAGE. */
static int run_take(struct replay *replay, const json_t *head)
{
    const char *file = replay->options->replay_trace;
    struct sim_options *traced = &replay->traced;
    const json_t *seed = json_object_get(head, "seed");
    if (!json_is_integer(seed) || json_integer_value(seed) < 0) {
        return cli_complain(CLI_USAGE, "%s: its first line names no seed", file);
    }
    traced->chosen.seed = (uint64_t)json_integer_value(seed);
    traced->trace = strcmp(string_of(head, "kind"), "json") == 0 ? SIM_TRACE_JSON : SIM_TRACE_TEXT;
    const char *plan = string_of(head, "plan");
    const char *skipped = string_of(head, "skip_faults");
    const char *wrong = skipped[0] == '\0' ? NULL : sim_case_skip(&traced->chosen, skipped);
    struct text copy = text_of(traced->chosen.plan, sizeof(traced->chosen.plan));
    text_string(&copy, plan);
    traced->chosen.plan_bytes = copy.length;
    struct text mutant = text_of(replay->mutant, sizeof(replay->mutant));
    text_string(&mutant, string_of(head, "mutant"));
    traced->mutant = replay->mutant[0] == '\0' ? NULL : replay->mutant;
    if (wrong != NULL || copy.truncated || mutant.truncated) {
        return cli_complain(CLI_USAGE, "%s: its first line does not tell a run", file);
    }
    return CLI_DONE;
}

/* Judge the first line. Returns CLI_DONE or CLI_USAGE. */
static int head_take(struct replay *replay, const json_t *head)
{
    const char *file = replay->options->replay_trace;
    const json_t *format = json_object_get(head, "format");
    if (head == NULL || json_object_get(head, "trace") == NULL || !json_is_integer(format)) {
        return cli_complain(CLI_USAGE, "%s: it is no trace", file);
    }
    if (strcmp(string_of(head, "trace"), "quorate sim") != 0) {
        return cli_complain(CLI_USAGE, "%s: it is a trace of another program, '%s'", file,
                            string_of(head, "trace"));
    }
    if (json_integer_value(format) != SIM_TRACE_FORMAT) {
        return cli_complain(CLI_USAGE, "%s: its format is %lld, and this program reads %d", file,
                            (long long)json_integer_value(format), SIM_TRACE_FORMAT);
    }
    if (strcmp(string_of(head, "version"), QR_VERSION_TEXT) != 0) {
        return cli_complain(CLI_USAGE,
                            "%s: it was made by version %s, and this is " QR_VERSION_TEXT
                            ": their runs differ",
                            file, string_of(head, "version"));
    }
    return run_take(replay, head);
}

static int head_read(struct replay *replay)
{
    char line[SIM_TRACE_HEAD_BYTES_MAX];
    FILE *file = fopen(replay->options->replay_trace, "re");
    if (file == NULL) {
        return cli_complain(CLI_USAGE, "%s: %s", replay->options->replay_trace, strerror(errno));
    }
    json_t *head = object_read(file, line, sizeof(line));
    int code = head_take(replay, head);
    replay->begins_at = strlen(line);
    json_decref(head);
    (void)fclose(file);
    return code;
}

static bool end_take(const json_t *last, struct trace_end *out)
{
    struct text hash = text_of(out->trace_hash, sizeof(out->trace_hash));
    struct text checker = text_of(out->checker, sizeof(out->checker));
    if (!json_is_true(json_object_get(last, "end"))) {
        return false;
    }
    text_string(&hash, string_of(last, "trace_hash"));
    text_string(&checker, string_of(last, "checker"));
    out->lines = (uint64_t)json_integer_value(json_object_get(last, "lines"));
    out->has_passed = json_is_true(json_object_get(last, "passed"));
    return true;
}

/* Read the last line, behind those that are the same. False: another stands there, or none. */
static bool end_read(const struct replay *replay, struct trace_end *out, bool *is_cut)
{
    char line[SIM_TRACE_HEAD_BYTES_MAX];
    FILE *file = fopen(replay->options->replay_trace, "re");
    *is_cut = true;
    if (file == NULL || fseeko(file, (off_t)replay->shared->compared_bytes, SEEK_SET) != 0) {
        if (file != NULL) {
            (void)fclose(file);
        }
        return false;
    }
    json_t *last = object_read(file, line, sizeof(line));
    bool is_end = last != NULL && end_take(last, out);
    /* A line that ends is another one; part of one, or nothing, is where the file was cut. */
    *is_cut = !is_end && (feof(file) || ferror(file));
    json_decref(last);
    (void)fclose(file);
    return is_end;
}

static void tell(const struct replay *replay, bool is_same, uint64_t line, const char *sentence)
{
    const struct sim_difference *difference = &replay->shared->difference;
    char object[8 * SIM_EXCERPT_BYTES_MAX * 2];
    if (!replay->options->is_json) {
        printf("%s\n", sentence);
        if (difference->is_found) {
            printf("file: %s\nhere: %s\n", difference->in_file, difference->in_run);
        }
        return;
    }
    struct text text = text_of(object, sizeof(object));
    text_json_object_begin(&text);
    text_json_key(&text, "same");
    text_json_bool(&text, is_same);
    text_json_key(&text, "line");
    text_json_u64(&text, line);
    text_json_key(&text, "result");
    text_json_string(&text, sentence);
    text_json_key(&text, "in_file");
    text_json_string(&text, difference->in_file);
    text_json_key(&text, "in_run");
    text_json_string(&text, difference->in_run);
    text_json_object_end(&text);
    puts(object);
}

/* All lines that both have are the same: do both end in the same way? */
static int end_judge(const struct replay *replay)
{
    char sentence[512];
    char hash[17] = "";
    struct trace_end end;
    bool is_cut;
    const struct sim_result *result = &replay->result;
    unsigned long long lines = result->lines;
    if (!end_read(replay, &end, &is_cut)) {
        (void)snprintf(sentence, sizeof(sentence),
                       is_cut
                           ? "the trace is cut short behind line %llu; up to there it is the same"
                           : "behind line %llu the trace goes on, and this run has ended",
                       lines + 1);
        tell(replay, false, lines + 1, sentence);
        return CLI_FAILED;
    }
    if (result->has_trace_hash) {
        (void)snprintf(hash, sizeof(hash), "%016llx",
                       (unsigned long long)result->report.trace_hash);
    }
    bool is_same = strcmp(hash, end.trace_hash) == 0 && end.lines == lines &&
                   end.has_passed == result->report.has_passed &&
                   strcmp(end.checker, result->report.checker) == 0;
    (void)snprintf(sentence, sizeof(sentence),
                   is_same ? "the same run: %llu lines, %s%s"
                           : "the same %llu lines, but another end: %s%s",
                   lines, hash[0] == '\0' ? "no trace hash" : "trace hash ", hash);
    tell(replay, is_same, lines + 1, sentence);
    return is_same ? CLI_DONE : CLI_FAILED;
}

static int judge(const struct replay *replay)
{
    char sentence[64];
    const struct sim_difference *difference = &replay->shared->difference;
    if (replay->result.trace_errno != 0) {
        return cli_complain(CLI_FAILED, "%s: %s", replay->options->replay_trace,
                            strerror(replay->result.trace_errno));
    }
    if (!difference->is_found) {
        return end_judge(replay);
    }
    (void)snprintf(sentence, sizeof(sentence),
                   "line %llu differs:", (unsigned long long)difference->line);
    tell(replay, false, difference->line, sentence);
    return CLI_FAILED;
}

static int run(struct replay *replay, struct interrupt *interrupt)
{
    struct sim_process process;
    const struct sim_task task = {.chosen = &replay->traced.chosen,
                                  .timeout_ns = replay->options->seed_timeout_s * NS_PER_S,
                                  .trace = replay->traced.trace,
                                  .trace_descriptor = -1,
                                  .compared_file = replay->options->replay_trace,
                                  .compared_from = replay->begins_at};
    int error = sim_process_init(&process);
    if (error != 0) {
        return cli_complain(CLI_FAILED, "%s", strerror(error));
    }
    int code = CLI_FAILED;
    replay->shared = process.shared;
    if (sim_process_run(&process, &task, interrupt, NULL, &replay->result) == 0) {
        code = replay->result.status == 0
                   ? judge(replay)
                   : cli_complain(CLI_FAILED, "%s", qr_error_text(replay->result.status));
    }
    sim_process_deinit(&process);
    return code;
}

int sim_replay(const struct sim_options *options, struct interrupt *interrupt)
{
    struct replay replay = {.options = options};
    int code = head_read(&replay);
    if (code == CLI_DONE) {
        code = sim_mutant_choose(replay.traced.mutant);
    }
    if (code == CLI_DONE) {
        code = sim_case_check(&replay.traced.chosen);
    }
    if (code == CLI_DONE) {
        code = run(&replay, interrupt);
    }
    int flushed = cli_flush();
    return code == CLI_DONE ? flushed : code;
}
