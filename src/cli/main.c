/* main.c: finds the subcommand. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "quorate/engine.h"

#define TITLE_BYTES_MAX 64

static const struct cli_command *command_find(const char *name)
{
    size_t count;
    const struct cli_command *commands = cli_commands(&count);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

static void print_commands(FILE *stream)
{
    size_t count;
    const struct cli_command *commands = cli_commands(&count);
    for (size_t i = 0; i < count; i++) {
        fprintf(stream, "  %-8s  %s\n", commands[i].name, commands[i].summary);
    }
}

static void print_overview(FILE *stream)
{
    fputs("Usage: quorate COMMAND [OPTION...]\n\n"
          "A durable replicated key-value store for any Redis client.\n\n",
          stream);
    print_commands(stream);
    fputs("\n`quorate help COMMAND` tells more. Exit codes: 0 done, 1 refused or failed,\n"
          "2 wrong usage, 3 unreachable, 4 outcome unknown.\n",
          stream);
}

static int unknown_command(const char *name)
{
    cli_complain(CLI_USAGE, "there is no command '%s'; the commands are:", name);
    print_commands(stderr);
    return CLI_USAGE;
}

static int command_run(const struct cli_command *command, int argc, char **argv)
{
    char title[TITLE_BYTES_MAX];
    snprintf(title, sizeof(title), "quorate %s", command->name);
    argv[0] = title;
    return command->run(argc, argv);
}

int cli_help(int argc, char **argv)
{
    if (argc < 2 || strcmp(argv[1], "--help") == 0) {
        print_overview(stdout);
        return cli_flush();
    }
    const struct cli_command *command = command_find(argv[1]);
    if (command == NULL) {
        return unknown_command(argv[1]);
    }
    if (command->run == cli_help) {
        print_overview(stdout);
        return cli_flush();
    }
    char help[] = "--help";
    char *arguments[] = {argv[0], help, NULL};
    return command_run(command, 2, arguments);
}

const struct cli_command *cli_commands(size_t *count)
{
    static const struct cli_command commands[] = {
        {"serve", "run one node", cli_serve},
        {"dev", "run a whole local cluster in one terminal", cli_dev},
        {"demo", "replicate a file, kill the leader, prove that nothing was lost", cli_demo},
        {"status", "what a node knows: role, term, leader, indexes", cli_status},
        {"members", "who belongs to the cluster, and how they are", cli_members},
        {"explain", "why there is no leader, why writes are slow: in sentences", cli_explain},
        {"add", "have a node that waits join the cluster", cli_add},
        {"promote", "make voters of learners", cli_promote},
        {"demote", "make learners of voters", cli_demote},
        {"remove", "remove members", cli_remove},
        {"priority", "say how much rather than others a member leads", cli_priority},
        {"transfer", "hand leadership over", cli_transfer},
        {"leave", "have a node hand over, tell the members, and stop", cli_leave},
        {"keys", "change the cluster's secret on every member", cli_keys},
        {"get", "print the value of a key", cli_get},
        {"set", "set a key to a value", cli_set},
        {"del", "remove keys", cli_del},
        {"propose", "make a log entry of each line of standard input", cli_propose},
        {"tail", "print every entry as it is applied", cli_tail},
        {"snapshot", "take a snapshot of a node now, and compact its log", cli_snapshot},
        {"backup", "write the state of a running cluster into a file", cli_backup},
        {"restore", "make a new cluster of a backup, or check one", cli_restore},
        {"wal", "check or print the log of a node that does not run", cli_wal},
        {"doctor", "a majority is lost: what is left, and the way back", cli_doctor},
        {"sim", "run simulated clusters with every fault, each by its seed", cli_sim},
        {"verify", "load a cluster and judge its answers: are they linearizable?", cli_verify},
        {"bench", "measure throughput and latency", cli_bench},
        {"help", "this overview, or the help of a command", cli_help},
    };
    *count = COUNT_OF(commands);
    return commands;
}

int main(int argc, char **argv)
{
    /* A peer that hangs up is an error of one call, not the end of the process. */
    signal(SIGPIPE, SIG_IGN);
    if (argc < 2) {
        print_overview(stderr);
        return CLI_USAGE;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        puts("quorate " QR_VERSION_TEXT);
        return cli_flush();
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_overview(stdout);
        return cli_flush();
    }
    const struct cli_command *command = command_find(argv[1]);
    if (command == NULL) {
        return unknown_command(argv[1]);
    }
    return command_run(command, argc - 1, argv + 1);
}
