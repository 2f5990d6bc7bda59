/* demo_input.c: the real file that `quorate demo` replicates, line by line. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/demo.h"

#define FOLDER_BYTES_MAX 2048

/* The whole file, or NULL with errno set. */
static char *file_read(const char *path, size_t *size_bytes)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return NULL;
    }
    char *text = NULL;
    if (fseek(file, 0, SEEK_END) == 0) {
        long end = ftell(file);
        rewind(file);
        if (end > DEMO_INPUT_BYTES_MAX) {
            errno = EFBIG;
        } else if (end >= 0 && (text = malloc((size_t)end + 1)) != NULL) {
            *size_bytes = fread(text, 1, (size_t)end, file);
            text[*size_bytes] = '\0';
        }
    }
    int error = errno;
    fclose(file);
    errno = error;
    return text;
}

static size_t lines_count(const char *text, size_t size_bytes)
{
    size_t count = 0;
    for (size_t i = 0; i < size_bytes; i++) {
        count += text[i] == '\n' || i + 1 == size_bytes;
    }
    return count;
}

static int lines_cut(struct demo_input *input, size_t size_bytes, size_t lines_most)
{
    size_t count = min_u64(lines_count(input->text, size_bytes), lines_most);
    input->lines = calloc(count + 1, sizeof(*input->lines));
    if (input->lines == NULL) {
        return cli_complain(CLI_FAILED, "memory ran out");
    }
    const char *at = input->text;
    const char *end = input->text + size_bytes;
    for (input->count = 0; input->count < count; input->count++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *stop = newline == NULL ? end : newline;
        input->lines[input->count] =
            (struct demo_line){.data = at, .size_bytes = (size_t)(stop - at)};
        at = stop + 1;
    }
    return CLI_DONE;
}

/* The folder that the program's file is in, with `suffix` behind it. */
static void program_folder(const char *suffix, char *out, size_t size_bytes)
{
    char path[FOLDER_BYTES_MAX - 32];
    ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
    path[length < 0 ? 0 : length] = '\0';
    char *slash = strrchr(path, '/');
    if (slash != NULL) {
        *slash = '\0';
    }
    snprintf(out, size_bytes, "%s%s", path, suffix);
}

/* A text that lies near: some file that is really there, not one made for this. */
static bool nearby_find(char *out, size_t size_bytes)
{
    static const char *const names[] = {"LICENSE", "README.md", "README"};
    char folders[4][FOLDER_BYTES_MAX] = {"."};
    program_folder("", folders[1], sizeof(folders[1]));
    program_folder("/..", folders[2], sizeof(folders[2]));
    program_folder("/../share/doc/quorate", folders[3], sizeof(folders[3]));
    for (size_t folder = 0; folder < COUNT_OF(folders); folder++) {
        for (size_t name = 0; name < COUNT_OF(names); name++) {
            snprintf(out, size_bytes, "%.*s/%s", FOLDER_BYTES_MAX, folders[folder], names[name]);
            if (access(out, R_OK) == 0) {
                return true;
            }
        }
    }
    return false;
}

int demo_input_read(const char *path, size_t lines_most, struct demo_input *out)
{
    size_t size_bytes = 0;
    *out = (struct demo_input){.text = NULL};
    if (path != NULL) {
        snprintf(out->path, sizeof(out->path), "%s", path);
    } else if (!nearby_find(out->path, sizeof(out->path))) {
        return cli_complain(CLI_USAGE, "no LICENSE or README.md is near; name a file with --input");
    }
    out->text = file_read(out->path, &size_bytes);
    if (out->text == NULL) {
        return cli_complain(CLI_FAILED, "%s cannot be read: %s", out->path, strerror(errno));
    }
    int code = lines_cut(out, size_bytes, lines_most);
    if (code == CLI_DONE && out->count < 4) {
        code = cli_complain(CLI_FAILED, "%s has only %zu lines; the demo needs 4", out->path,
                            out->count);
    }
    if (code != CLI_DONE) {
        demo_input_deinit(out);
    }
    return code;
}

void demo_input_deinit(struct demo_input *input)
{
    free(input->lines);
    free(input->text);
    *input = (struct demo_input){.text = NULL};
}
