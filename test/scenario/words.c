/* words.c: words and numbers of a command, whatever it is about. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "scenario/command.h"

void command_fail(const struct command *command, const char *format, ...)
{
    va_list arguments;
    (void)fprintf(stderr, "%s: ", command->place);
    va_start(arguments, format);
    (void)vfprintf(stderr, format, arguments);
    va_end(arguments);
    (void)fputc('\n', stderr);
    exit(2);
}

uint64_t command_number(const struct command *command, const char *word)
{
    char *end = NULL;
    errno = 0;
    unsigned long long value = strtoull(word, &end, 10);
    if (errno != 0 || end == word || *end != '\0' || *word == '-') {
        command_fail(command, "not a number: %s", word);
    }
    return value;
}

const char *command_option(const struct command *command, const char *key)
{
    size_t length = strlen(key);
    for (size_t i = 1; i < command->count; i++) {
        const char *word = command->words[i];
        if (strncmp(word, key, length) == 0 && word[length] == '=') {
            return word + length + 1;
        }
    }
    return NULL;
}

uint64_t command_option_number(const struct command *command, const char *key, uint64_t value)
{
    const char *word = command_option(command, key);
    return word == NULL ? value : command_number(command, word);
}

size_t command_ids(const struct command *command, const char *word, node_id *ids)
{
    size_t count = 0;
    while (word != NULL && *word != '\0') {
        char *end = NULL;
        ids[count] = strtoull(word, &end, 10);
        if (end == word || (*end != ',' && *end != '\0') || ids[count] >= NODES_MAX ||
            count + 1 == NODES_MAX) {
            command_fail(command, "not a list of ids: %s", word);
        }
        count++;
        word = *end == ',' ? end + 1 : end;
    }
    return count;
}

/* Where the word that begins here ends; spaces within quotes do not end it. */
static char *word_end(char *at)
{
    bool is_quoted = false;
    while (*at != '\0' && (is_quoted || *at != ' ')) {
        is_quoted = is_quoted != (*at == '"');
        at++;
    }
    return at;
}

void command_split(struct command *command, char *line)
{
    command->count = 0;
    while (true) {
        line += strspn(line, " ");
        if (*line == '\0') {
            return;
        }
        if (command->count == WORDS_MAX) {
            command_fail(command, "more than %d words", WORDS_MAX);
        }
        command->words[command->count++] = line;
        line = word_end(line);
        if (*line == '\0') {
            return;
        }
        *line++ = '\0';
    }
}

uint64_t command_take_modifiers(struct command *command, enum verbosity *verbosity)
{
    uint64_t repeats = 1;
    *verbosity = SAY_ALL;
    while (command->count > 1) {
        size_t taken = 1;
        if (strcmp(command->words[0], "quiet") == 0) {
            *verbosity = SAY_ROLES;
        } else if (strcmp(command->words[0], "silent") == 0) {
            *verbosity = SAY_NOTHING;
        } else if (strcmp(command->words[0], "repeat") == 0) {
            repeats = command_number(command, command->words[1]);
            taken = 2;
        } else {
            break;
        }
        command->count -= taken;
        memmove(command->words, command->words + taken, command->count * sizeof(command->words[0]));
    }
    return repeats;
}
