/* doctor.c: `quorate doctor`: what the directories of a cluster hold that does not run, and the
 * way back.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/cli.h"
#include "cli/doctor.h"
#include "quorate/doctor.h"

#define RECOVER 256
#define YES 257

struct doctor_arguments {
    bool is_json;
    bool is_sure;
    const char *recover;
    size_t count;
    const char *paths[QR_DOCTOR_DIRECTORIES_MAX];
};

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct doctor_arguments *arguments = state->input;
    switch (key) {
    case 'j':
        arguments->is_json = true;
        return 0;
    case RECOVER:
        arguments->recover = value;
        return 0;
    case YES:
        arguments->is_sure = true;
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->count == QR_DOCTOR_DIRECTORIES_MAX) {
            argp_error(state, "more than %d data directories", QR_DOCTOR_DIRECTORIES_MAX);
        }
        arguments->paths[arguments->count++] = value;
        return 0;
    case ARGP_KEY_END:
        if (arguments->count == 0) {
            argp_error(state, "name the data directories of all nodes that are left");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option option_rows[] = {
    {"json", 'j', NULL, 0, "print JSON", 0},
    {"recover", RECOVER, "DIR", 0,
     "one of the directories: what its recovery would lose; with --yes: recover it", 0},
    {"yes", YES, NULL, 0,
     "with --recover: make the node of DIR the only voter of a new cluster, for good", 0},
    {0},
};

/* Recover, or say that it is not done. */
static int recover(struct qr_doctor *doctor, const struct doctor_arguments *arguments,
                   size_t chosen)
{
    struct qr_id cluster = {0};
    char detail[QR_ERROR_DETAIL_BYTES] = "";
    int status = qr_doctor_recover(doctor, chosen, &cluster, detail);
    if (status != 0) {
        int flushed = cli_flush();
        (void)flushed;
        bool is_whole =
            status == QR_ERR_INVALID || status == QR_ERR_LOCKED || status == QR_ERR_BUSY;
        return cli_complain(CLI_FAILED, "%s%s", detail[0] == '\0' ? qr_error_text(status) : detail,
                            is_whole ? "; nothing was changed" : "");
    }
    doctor_print_recovered(arguments->recover, &cluster, arguments->is_json);
    return cli_flush();
}

static int run(struct qr_doctor *doctor, const struct doctor_arguments *arguments, size_t chosen)
{
    if (chosen != QR_DOCTOR_BEST && arguments->is_sure) {
        return recover(doctor, arguments, chosen);
    }
    struct qr_doctor_verdict verdict;
    qr_doctor_judge(doctor, chosen, &verdict);
    if (arguments->is_json) {
        doctor_print_json(doctor, arguments->count, &verdict);
    } else {
        doctor_print_text(doctor, arguments->count, &verdict);
    }
    int code = cli_flush();
    bool is_wrong = verdict.way == QR_DOCTOR_NOWHERE || verdict.way == QR_DOCTOR_MIXED;
    return code == CLI_DONE && is_wrong ? CLI_FAILED : code;
}

int cli_doctor(int argc, char **argv)
{
    const struct argp argp = {
        .options = option_rows,
        .parser = parse,
        .args_doc = "DIR...",
        .doc = "Read the data directories of all nodes that are left of a cluster that does not "
               "run: what each holds, the safest way back, and what that would lose.\v"
               "Nothing is changed, but with --recover DIR --yes: then the node of DIR becomes the "
               "only voter of a new cluster with what DIR holds. The nodes left out are refused by "
               "it for ever; let them join from empty directories."};
    struct doctor_arguments arguments = {.count = 0};
    cli_arguments_parse(&argp, argc, argv, &arguments);
    size_t chosen = QR_DOCTOR_BEST;
    for (size_t i = 0; i < arguments.count && arguments.recover != NULL; i++) {
        chosen = strcmp(arguments.paths[i], arguments.recover) == 0 ? i : chosen;
    }
    if (arguments.recover != NULL && chosen == QR_DOCTOR_BEST) {
        return cli_complain(CLI_USAGE,
                            "--recover: %s is not one of the directories named; name "
                            "all that are left, this one too",
                            arguments.recover);
    }
    if (arguments.is_sure && arguments.recover == NULL) {
        return cli_complain(CLI_USAGE, "--yes goes with --recover DIR alone");
    }
    struct qr_doctor *doctor = NULL;
    char detail[QR_ERROR_DETAIL_BYTES] = "";
    int status = qr_doctor_open(arguments.paths, arguments.count, &doctor, detail);
    if (status != 0) {
        return cli_complain(CLI_FAILED, "%s", detail[0] == '\0' ? qr_error_text(status) : detail);
    }
    int code = run(doctor, &arguments, chosen);
    qr_doctor_free(doctor);
    return code;
}
