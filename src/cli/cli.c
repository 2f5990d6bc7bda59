/* cli.c: what the subcommands share. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static void *heap_allocate(void *context, size_t size_bytes)
{
    (void)context;
    return malloc(size_bytes);
}

static void heap_release(void *context, void *memory, size_t size_bytes)
{
    (void)context;
    (void)size_bytes;
    free(memory);
}

const struct allocator cli_heap = {.allocate = heap_allocate, .release = heap_release};

int cli_complain(enum cli_exit code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fflush(stdout);
    fputs("quorate: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    return (int)code;
}

void cli_arguments_parse(const struct argp *argp, int argc, char **argv, void *input)
{
    argp_err_exit_status = CLI_USAGE;
    error_t error = argp_parse(argp, argc, argv, 0, NULL, input);
    if (error != 0) {
        exit(cli_complain(CLI_USAGE, "%s", strerror(error)));
    }
}

static bool unit_bytes(const char *unit, uint64_t *out)
{
    static const struct {
        const char *unit;
        uint64_t bytes;
    } units[] = {
        {"", 1},
        {"KiB", UINT64_C(1) << 10},
        {"MiB", UINT64_C(1) << 20},
        {"GiB", UINT64_C(1) << 30},
        {"TiB", UINT64_C(1) << 40},
    };
    for (size_t i = 0; i < COUNT_OF(units); i++) {
        if (strcmp(unit, units[i].unit) == 0) {
            *out = units[i].bytes;
            return true;
        }
    }
    return false;
}

bool cli_number_parse(const char *text, bool has_unit, uint64_t *out)
{
    /* strtoull takes signs and blanks, which are no part of a number here. */
    if (!isdigit((unsigned char)text[0])) {
        return false;
    }
    char *end;
    uint64_t bytes = 1;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || (*end != '\0' && !(has_unit && unit_bytes(end, &bytes)))) {
        return false;
    }
    uint64_t product;
    if (__builtin_mul_overflow((uint64_t)value, bytes, &product)) {
        return false;
    }
    *out = product;
    return true;
}

uint64_t cli_number_option(struct argp_state *state, const char *name, const char *text,
                           uint64_t least, uint64_t most)
{
    uint64_t value = 0;
    if (!cli_number_parse(text, true, &value) || value < least || value > most) {
        argp_error(state, "--%s: %s is not a number in %llu..%llu", name, text,
                   (unsigned long long)least, (unsigned long long)most);
    }
    return value;
}

error_t cli_no_argument(int key, const char *value, struct argp_state *state)
{
    if (key == ARGP_KEY_ARG) {
        argp_error(state, "there is an argument too many: %s", value);
    }
    return ARGP_ERR_UNKNOWN;
}

/* A reader that has seen enough, like head(1), needs no complaint. */
static int output_failed(void)
{
    return errno == EPIPE ? CLI_FAILED
                          : cli_complain(CLI_FAILED, "standard output cannot be written");
}

int cli_print_line(const char *line)
{
    errno = 0;
    return puts(line) < 0 ? output_failed() : CLI_DONE;
}

int cli_flush(void)
{
    errno = 0;
    return fflush(stdout) != 0 || ferror(stdout) ? output_failed() : CLI_DONE;
}

void cli_raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}
