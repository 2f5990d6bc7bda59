/* sim.c: `quorate sim`: what is asked for, and one seed. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/sim.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/sim_process.h"
#include "cli/sim_report.h"
#include "quorate/error.h"

#define MEMORY_KEPT_BYTES (1 << 28)

/* A reader that has seen enough, like head(1), needs no complaint. */
static int trace_failed(int error)
{
    return error == EPIPE
               ? CLI_FAILED
               : cli_complain(CLI_FAILED, "the trace cannot be written: %s", strerror(error));
}

/* Open what the trace goes to, and write its first line. -1: none is wanted. */
static int trace_open(const struct sim_options *options, int *descriptor)
{
    *descriptor = -1;
    if (options->trace == SIM_TRACE_NONE) {
        return CLI_DONE;
    }
    if (options->trace_file == NULL) {
        *descriptor = STDOUT_FILENO;
    } else {
        *descriptor = open(options->trace_file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    }
    if (*descriptor < 0) {
        return cli_complain(CLI_FAILED, "%s: %s", options->trace_file, strerror(errno));
    }
    int error = sim_trace_begin(*descriptor, options);
    return error == 0 ? CLI_DONE : trace_failed(error);
}

static int trace_close(int descriptor, const struct sim_result *result)
{
    int error = result->trace_errno;
    if (error == 0) {
        error = sim_trace_end(descriptor, result);
    }
    if (descriptor != STDOUT_FILENO && close(descriptor) != 0 && error == 0) {
        error = errno;
    }
    return error == 0 ? CLI_DONE : trace_failed(error);
}

static int run(const struct sim_options *options, struct interrupt *interrupt, int descriptor,
               struct sim_result *out)
{
    struct sim_process process;
    const struct sim_task task = {.chosen = &options->chosen,
                                  .is_twice = options->is_twice,
                                  .timeout_ns = options->seed_timeout_s * NS_PER_S,
                                  .trace = options->trace,
                                  .trace_descriptor = descriptor};
    int error = sim_process_init(&process);
    if (error != 0) {
        return cli_complain(CLI_FAILED, "%s", strerror(error));
    }
    int status = 0;
    if (options->is_in_process) {
        sim_process_run_here(&process, &task, out);
    } else {
        status = sim_process_run(&process, &task, interrupt, NULL, out);
    }
    sim_process_deinit(&process);
    if (status == 0 && out->status != 0) {
        const char *detail = out->report.failure;
        return cli_complain(out->status == QR_ERR_INVALID ? CLI_USAGE : CLI_FAILED, "%s",
                            detail[0] == '\0' ? qr_error_text(out->status) : detail);
    }
    return status == 0 ? CLI_DONE : CLI_FAILED;
}

/* A trace on standard output stays one: what else there is to say goes to standard error. */
int sim_one(const struct sim_options *options, struct interrupt *interrupt)
{
    struct sim_result result;
    int descriptor;
    int code = trace_open(options, &descriptor);
    if (code == CLI_DONE) {
        code = run(options, interrupt, descriptor, &result);
    }
    if (code != CLI_DONE) {
        return code;
    }
    FILE *stream = descriptor == STDOUT_FILENO ? stderr : stdout;
    if (descriptor >= 0) {
        code = trace_close(descriptor, &result);
    }
    if (options->is_json) {
        sim_report_one_json(stream, options, &result);
    } else {
        sim_report_one(stream, options, &result);
    }
    int flushed = cli_flush();
    if (code != CLI_DONE || flushed != CLI_DONE) {
        return CLI_FAILED;
    }
    return result.report.has_passed ? CLI_DONE : CLI_FAILED;
}

/* Nodes come and go thousands of times in a run: do not give their memory back to the system
 * each time, to be asked for and zeroed again (a tenth of the time, measured).
 */
static void keep_memory(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, MEMORY_KEPT_BYTES);
    (void)mallopt(M_TRIM_THRESHOLD, MEMORY_KEPT_BYTES);
}

int cli_sim(int argc, char **argv)
{
    struct sim_options options;
    sim_options_parse(argc, argv, &options);
    keep_memory();
    if (options.is_mutant_list) {
        return sim_mutant_list(options.is_json);
    }
    int code = sim_mutant_choose(options.mutant);
    if (code == CLI_DONE) {
        code = sim_case_check(&options.chosen);
    }
    if (code != CLI_DONE) {
        return code;
    }
    if (options.is_list) {
        return sim_list(&options);
    }
    struct interrupt interrupt = interrupt_open();
    if (options.replay_trace != NULL) {
        return sim_replay(&options, &interrupt);
    }
    if (options.is_shrink) {
        return sim_shrink(&options, &interrupt);
    }
    return options.given['s'] ? sim_one(&options, &interrupt) : sim_many(&options, &interrupt);
}
