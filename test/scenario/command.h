/* command.h: the language of scenarios, one command a line. Described in README.md.
 *
 * Owns     splitting a line into words, and what each command means in calls of cluster.h, or
 *          of swim_cluster.h.
 * Does not know files or expected output.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SCENARIO_COMMAND_H
#define SCENARIO_COMMAND_H

#include "scenario/cluster.h"
#include "scenario/swim_cluster.h"

#define WORDS_MAX 64

/* A command under way: its words, changed in place, and where it stands. */
struct command {
    struct cluster *cluster;   /* NULL in a scenario about SWIM */
    struct swim_cluster *swim; /* NULL in one about Raft */
    const char *place;         /* FILE:LINE */
    char *words[WORDS_MAX];
    size_t count;
};

/* Run the command in `line`, which is changed. One that is not understood is said on
 * standard error and ends the process with status 2.
 */
void command_run(struct cluster *cluster, const char *place, char *line);
void swim_command_run(struct swim_cluster *cluster, const char *place, char *line);

/* What follows is for the files of the language. words.c: */

/* Cut a line into words, which stay in it. */
void command_split(struct command *command, char *line);
/* Take the words in front that say how much is printed and how often; returns how often. */
uint64_t command_take_modifiers(struct command *command, enum verbosity *verbosity);
__attribute__((noreturn, format(printf, 2, 3))) void command_fail(const struct command *command,
                                                                  const char *format, ...);
uint64_t command_number(const struct command *command, const char *word);
/* The value of the word `key=value`, or NULL. */
const char *command_option(const struct command *command, const char *key);
uint64_t command_option_number(const struct command *command, const char *key, uint64_t value);

/* command.c */
/* The node named by word `at`, which must be running. */
node_id command_node(const struct command *command, size_t at);
/* Ids in `1,2,3`; returns how many. */
size_t command_ids(const struct command *command, const char *word, node_id *ids);
enum raft_message_type command_message_type(const struct command *command, const char *word);

/* command_inject.c: a message written by hand, handed to a node at once. */
void command_inject(const struct command *command);

#endif
