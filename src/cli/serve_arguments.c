/* serve_arguments.c: the command line of `quorate serve`. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "cli/cli.h"
#include "cli/serve_options.h"

#define SETTING_KEY 0x200 /* above every letter: long options only */
#define CONFIG_KEY 0x100
#define FLAGS_MAX 256

/* Flags are gathered first and set last, because they win over the file. */
struct serve_arguments {
    struct serve_setting settings[SERVE_SETTINGS_MAX];
    const char *config; /* NULL: none */
    size_t flag_count;
    struct {
        const char *name;
        const char *value;
    } flags[FLAGS_MAX];
};

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct serve_arguments *arguments = state->input;
    if (key == CONFIG_KEY) {
        arguments->config = value;
        return 0;
    }
    if (key == ARGP_KEY_ARG) {
        argp_error(state, "there is an argument too many: %s", value);
        return 0;
    }
    if (key < SETTING_KEY || key >= SETTING_KEY + SERVE_SETTINGS_MAX) {
        return ARGP_ERR_UNKNOWN;
    }
    if (arguments->flag_count == FLAGS_MAX) {
        argp_error(state, "there are more than %d flags", FLAGS_MAX);
        return 0;
    }
    arguments->flags[arguments->flag_count].name = arguments->settings[key - SETTING_KEY].name;
    arguments->flags[arguments->flag_count].value = value == NULL ? "true" : value;
    arguments->flag_count++;
    return 0;
}

static void arguments_parse(int argc, char **argv, struct serve_arguments *arguments)
{
    struct argp_option options[SERVE_SETTINGS_MAX + 2];
    size_t count = serve_settings_list(arguments->settings);
    options[0] = (struct argp_option){.name = "config",
                                      .key = CONFIG_KEY,
                                      .arg = "FILE",
                                      .doc = "a YAML file with the same names; flags win"};
    for (size_t i = 0; i < count; i++) {
        /* A group each keeps the order of the list. */
        options[i + 1] = (struct argp_option){.name = arguments->settings[i].name,
                                              .key = SETTING_KEY + (int)i,
                                              .arg = arguments->settings[i].argument,
                                              .doc = arguments->settings[i].help,
                                              .group = (int)i + 1};
    }
    options[count + 1] = (struct argp_option){.name = NULL};
    const struct argp argp = {
        .options = options,
        .parser = parse,
        .doc = "Run one node, in the foreground, until SIGTERM or SIGINT.\v"
               "Numbers of bytes may end in KiB, MiB, GiB or TiB. A first node is started with "
               "--bootstrap, the others with --join.",
    };
    cli_arguments_parse(&argp, argc, argv, arguments);
}

static int arguments_apply(const struct serve_arguments *arguments, struct serve_options *out,
                           char *detail)
{
    serve_options_init(out);
    int status = arguments->config == NULL ? 0 : serve_config_load(arguments->config, out, detail);
    for (size_t i = 0; status == 0 && i < arguments->flag_count; i++) {
        status =
            serve_options_set(out, arguments->flags[i].name, arguments->flags[i].value, detail);
    }
    return status == 0 ? serve_options_check(out, detail) : status;
}

void serve_options_parse(int argc, char **argv, struct serve_options *out)
{
    struct serve_arguments arguments = {.config = NULL};
    char detail[QR_ERROR_DETAIL_BYTES] = "";
    arguments_parse(argc, argv, &arguments);
    if (arguments_apply(&arguments, out, detail) != 0) {
        exit(cli_complain(CLI_USAGE, "%s", detail));
    }
}
