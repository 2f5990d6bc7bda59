/* fake_sim_main.c: `quorate sim` with the fake simulator, as a program. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

int main(int argc, char **argv)
{
    char title[] = "quorate sim";
    (void)signal(SIGPIPE, SIG_IGN);
    if (argc < 2 || strcmp(argv[1], "sim") != 0) {
        (void)fprintf(stderr, "usage: fake_sim sim [OPTION...]\n");
        return CLI_USAGE;
    }
    argv[1] = title;
    return cli_sim(argc - 1, argv + 1);
}
