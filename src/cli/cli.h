/* cli.h: what the subcommands of `quorate` share: exit codes, complaints, clocks, numbers.
 *
 * Owns     the meaning of the exit codes.
 * Threads  one.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <argp.h>
#include <sys/types.h>

#include "base/allocator.h"
#include "base/types.h"

#define CLI_CLIENT_PORT 7701 /* of the node on this machine, where none is named */
#define CLI_HTTP_PORT 7702

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

enum cli_exit {
    CLI_DONE = 0,
    CLI_FAILED = 1,      /* refused or failed: nothing is in doubt */
    CLI_USAGE = 2,       /* the command line or the configuration is wrong */
    CLI_UNREACHABLE = 3, /* no node answered; nothing was changed */
    CLI_UNKNOWN = 4,     /* it was begun, and its outcome is not known */
};

struct cli_command {
    const char *name;
    const char *summary; /* one line for `quorate help` */
    /* Run with argv[0] "quorate NAME"; returns an enum cli_exit. */
    int (*run)(int argc, char **argv);
};

/* Memory of the C library. */
extern const struct allocator cli_heap;

/* Every subcommand, in the order of `quorate help`; `count` is set. Static. */
const struct cli_command *cli_commands(size_t *count);

/* The subcommands, one in each file of their name. */
int cli_serve(int argc, char **argv);
int cli_dev(int argc, char **argv);
int cli_demo(int argc, char **argv);
int cli_status(int argc, char **argv);
int cli_members(int argc, char **argv);
int cli_explain(int argc, char **argv);
int cli_add(int argc, char **argv);
int cli_promote(int argc, char **argv); /* change.c, with the next four */
int cli_demote(int argc, char **argv);
int cli_remove(int argc, char **argv);
int cli_priority(int argc, char **argv);
int cli_transfer(int argc, char **argv);
int cli_leave(int argc, char **argv);
int cli_keys(int argc, char **argv); /* secret.c */
int cli_get(int argc, char **argv);
int cli_set(int argc, char **argv);
int cli_del(int argc, char **argv);
int cli_propose(int argc, char **argv);
int cli_snapshot(int argc, char **argv);
int cli_backup(int argc, char **argv);
int cli_restore(int argc, char **argv);
int cli_tail(int argc, char **argv);
int cli_wal(int argc, char **argv);
int cli_doctor(int argc, char **argv);
int cli_bench(int argc, char **argv);
int cli_sim(int argc, char **argv);
int cli_verify(int argc, char **argv);
int cli_help(int argc, char **argv);

/* Print `quorate: ` and the sentence to standard error. Returns `code`. */
int cli_complain(enum cli_exit code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Parse a command line; on wrong usage and on --help the process ends with what argp
 * prints.
 *
 * input   handed to the parser as state->input.
 */
void cli_arguments_parse(const struct argp *argp, int argc, char **argv, void *input);

/* Nanoseconds of a clock that only goes forward. */
time_ns cli_clock_ns(void);

/* What a process has used of processors; 0: it is gone. */
time_ns cli_clock_cpu_ns(pid_t pid);

void cli_sleep_ms(unsigned milliseconds);

/* Read a whole decimal number; with `has_unit` it may end in KiB, MiB, GiB or TiB.
 * Returns false when it is anything else or does not fit.
 */
bool cli_number_parse(const char *text, bool has_unit, uint64_t *out);

/* For a parser: the number given to option `name`, or the process ends with a usage error
 * that tells the bounds.
 */
uint64_t cli_number_option(struct argp_state *state, const char *name, const char *text,
                           uint64_t least, uint64_t most);

/* For a parser, of what it knows nothing of: of an argument, where there is none to be, the process
 * ends with a usage error. Returns ARGP_ERR_UNKNOWN.
 */
error_t cli_no_argument(int key, const char *value, struct argp_state *state);

/* Print a line. Returns CLI_DONE, or CLI_FAILED when standard output did not take it. */
int cli_print_line(const char *line);

/* CLI_DONE, or CLI_FAILED with a complaint when standard output did not take everything. */
int cli_flush(void);

/* Let the process open as many files as it may. */
void cli_raise_file_limit(void);

#endif
