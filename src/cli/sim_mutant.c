/* sim_mutant.c: the bugs that a build may have been seeded with. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/mutant.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/sim.h"

#ifdef MUTANTS

#define ROW_BYTES_MAX 512

/* Before any run begins: its process inherits the choice. */
int sim_mutant_choose(const char *name)
{
    if (name != NULL && mutant_choose(name) != 0) {
        return cli_complain(CLI_USAGE, "there is no seeded bug '%s'; --list-mutants names them",
                            name);
    }
    return CLI_DONE;
}

static void row_json(const struct mutant_line *line)
{
    char row[ROW_BYTES_MAX];
    struct text text = text_of(row, sizeof(row));
    text_json_object_begin(&text);
    text_json_key(&text, "name");
    text_json_string(&text, line->name);
    text_json_key(&text, "breaks");
    text_json_string(&text, line->breaks);
    text_json_key(&text, "rule");
    text_json_string(&text, line->rule);
    text_json_object_end(&text);
    fputs(row, stdout);
}

int sim_mutant_list(bool is_json)
{
    const struct mutant_line *line;
    for (size_t i = 0; (line = mutant_at(i)) != NULL; i++) {
        if (is_json) {
            putchar(i == 0 ? '[' : ',');
            row_json(line);
        } else {
            printf("%-31s %s (%s)\n", line->name, line->breaks, line->rule);
        }
    }
    fputs(is_json ? "]\n" : "", stdout);
    return cli_flush();
}

#else

static int refuse(void)
{
    return cli_complain(CLI_USAGE, "this build has no seeded bugs; build them by make mutants");
}

int sim_mutant_choose(const char *name)
{
    return name == NULL ? CLI_DONE : refuse();
}

int sim_mutant_list(bool is_json)
{
    (void)is_json;
    return refuse();
}

#endif
