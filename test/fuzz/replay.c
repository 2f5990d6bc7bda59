/* replay.c: a fuzzer without libFuzzer: runs it once on each file named, or in a folder named.
 *
 * So the corpus, and whatever once showed a bug, is tested with every compiler. The name of
 * each file is printed before it is run: the last one is to blame.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz/fuzz.h"

#define PATH_BYTES_MAX 4096
#define INPUT_BYTES_MAX (1024 * 1024)

static bool is_folder(const char *path)
{
    struct stat status;
    int failed = stat(path, &status);
    ASSERT(failed == 0);
    return S_ISDIR(status.st_mode);
}

static void replay_file(const char *path)
{
    /* As large as what was read, so that reading past it is noticed. */
    static uint8_t bytes[INPUT_BYTES_MAX];
    FILE *file = fopen(path, "rbe");
    ASSERT(file != NULL);
    size_t size_bytes = fread(bytes, 1, sizeof(bytes), file);
    ASSERT(size_bytes < sizeof(bytes));
    ASSERT(ferror(file) == 0);
    (void)fclose(file);

    uint8_t *input = malloc(size_bytes + 1);
    ASSERT(input != NULL);
    memcpy(input, bytes, size_bytes);
    (void)puts(path);
    (void)fflush(stdout);
    int result = LLVMFuzzerTestOneInput(input, size_bytes);
    ASSERT(result == 0);
    free(input);
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static size_t replay_folder(const char *path)
{
    struct dirent **entries;
    int count = scandir(path, &entries, is_visible, alphasort);
    size_t replayed = 0;
    for (int i = 0; i < count; i++) {
        char name[PATH_BYTES_MAX];
        int length = snprintf(name, sizeof(name), "%s/%s", path, entries[i]->d_name);
        ASSERT(length > 0 && (size_t)length < sizeof(name));
        if (!is_folder(name)) {
            replay_file(name);
            replayed++;
        }
        free(entries[i]);
    }
    if (count >= 0) {
        free(entries);
    }
    return replayed;
}

int main(int argc, char **argv)
{
    size_t replayed = 0;
    for (int i = 1; i < argc; i++) {
        if (is_folder(argv[i])) {
            replayed += replay_folder(argv[i]);
        } else {
            replay_file(argv[i]);
            replayed++;
        }
    }
    (void)printf("%zu inputs\n", replayed);
    return replayed > 0 ? 0 : 1;
}
