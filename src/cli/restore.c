/* restore.c: `quorate restore`: a backup into the data directory of a new cluster, or only checked.
 *
 * The file is read twice: once to its end to see that it is whole and that a store takes over what
 * is in it, and only then into the directory, where it is checked again as it comes.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/allocator.h"
#include "cli/backup.h"
#include "cli/cli.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "kv/kv.h"

#define CHECK 256
#define NAME 257
#define PEER 258
#define PEER_DEFAULT "127.0.0.1:7700"
#define PIECE_BYTES (256 * 1024)

struct restore {
    const char *path;
    const char *directory;
    const char *name;
    const char *peer;
    bool is_check;
    bool is_json;
    FILE *file;
    uint64_t file_bytes;
    struct interrupt interrupt;
    struct qr_backup_facts facts;
    uint64_t keys;
    char piece[PIECE_BYTES];
    char detail[QR_ERROR_DETAIL_BYTES];
};

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct restore *restore = state->input;
    switch (key) {
    case CHECK:
        restore->is_check = true;
        return 0;
    case NAME:
        restore->name = value;
        return 0;
    case PEER:
        restore->peer = value;
        return 0;
    case 'j':
        restore->is_json = true;
        return 0;
    case ARGP_KEY_ARG:
        if (restore->path != NULL && restore->directory != NULL) {
            argp_error(state, "there is an argument too many: %s", value);
        }
        *(restore->path == NULL ? &restore->path : &restore->directory) = value;
        return 0;
    case ARGP_KEY_END:
        if (restore->path == NULL) {
            argp_error(state, "name a backup");
        } else if (restore->is_check && (restore->directory != NULL || restore->name != NULL)) {
            argp_error(state, "--check takes a backup alone, and changes nothing");
        } else if (!restore->is_check && (restore->directory == NULL || restore->name == NULL)) {
            argp_error(state, "name a backup, a directory and, with --name, the new node");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option option_rows[] = {
    {"name", NAME, "NAME", 0, "of the new node; it is started with the same", 0},
    {"peer", PEER, "HOST:PORT", 0,
     "address that members will dial it at; default " PEER_DEFAULT
     ". When it is started it tells its own",
     0},
    {"check", CHECK, NULL, 0, "only check FILE and print what is in it", 0},
    {"json", 'j', NULL, 0, "print JSON", 0},
    {0},
};

static int open_file(struct restore *restore)
{
    struct stat stat;
    restore->file = fopen(restore->path, "rbe");
    if (restore->file == NULL || fstat(fileno(restore->file), &stat) != 0) {
        return cli_complain(CLI_FAILED, "%s: cannot be read: %s; nothing was changed",
                            restore->path, strerror(errno));
    }
    if (!S_ISREG(stat.st_mode)) {
        return cli_complain(CLI_FAILED, "%s: not a file; nothing was changed", restore->path);
    }
    restore->file_bytes = (uint64_t)stat.st_size;
    return CLI_DONE;
}

/* Read the file from its beginning and give each piece to `take`, which complains by itself. */
static int each_piece(struct restore *restore, const char *label,
                      int (*take)(struct restore *restore, void *to, size_t size_bytes), void *to)
{
    struct progress progress = progress_begin(label, restore->file_bytes);
    uint64_t done_bytes = 0;
    int code = CLI_DONE;
    size_t got = 1;
    rewind(restore->file);
    while (code == CLI_DONE && got > 0) {
        got = fread(restore->piece, 1, sizeof(restore->piece), restore->file);
        if (got > 0) {
            code = take(restore, to, got);
        }
        done_bytes += got;
        progress_update(&progress, done_bytes);
        if (code == CLI_DONE && interrupt_has_come(&restore->interrupt)) {
            code = cli_complain(CLI_FAILED, "interrupted; nothing was restored");
        }
    }
    progress_clear(&progress);
    if (code == CLI_DONE && ferror(restore->file)) {
        code = cli_complain(CLI_FAILED, "%s: cannot be read: %s; nothing was restored",
                            restore->path, strerror(errno));
    }
    return code;
}

static int refuse_backup(const struct restore *restore, const struct qr_backup_reader *reader)
{
    return cli_complain(CLI_FAILED, "%s: %s; nothing was changed", restore->path,
                        qr_backup_reader_detail(reader));
}

static int take_check(struct restore *restore, void *to, size_t size_bytes)
{
    return qr_backup_reader_feed(to, restore->piece, size_bytes) == 0 ? CLI_DONE
                                                                      : refuse_backup(restore, to);
}

/* The first reading: down to the last byte, into a store that is thrown away. */
static int check(struct restore *restore)
{
    struct kv *kv = kv_new(&cli_heap);
    struct qr_backup_reader *reader = NULL;
    if (kv == NULL || qr_backup_reader_new(kv_state_machine(kv), &reader) != 0) {
        kv_free(kv);
        return cli_complain(CLI_FAILED, "memory ran out; nothing was changed");
    }
    int code = each_piece(restore, "check", take_check, reader);
    if (code == CLI_DONE && qr_backup_reader_end(reader) != 0) {
        code = refuse_backup(restore, reader);
    }
    if (code == CLI_DONE) {
        (void)qr_backup_reader_facts(reader, &restore->facts);
        struct kv_stats stats;
        kv_stats(kv, &stats);
        restore->keys = stats.key_count;
    }
    qr_backup_reader_free(reader);
    kv_free(kv);
    return code;
}

static int take_restore(struct restore *restore, void *to, size_t size_bytes)
{
    return qr_restore_feed(to, restore->piece, size_bytes, restore->detail) == 0
               ? CLI_DONE
               : cli_complain(CLI_FAILED, "%s: %s; nothing was restored", restore->directory,
                              restore->detail);
}

static int finish(struct restore *restore, struct qr_restore *to, struct qr_id *cluster)
{
    int status = qr_restore_finish(to, cluster, restore->detail);
    if (status == QR_ERR_CANCELLED) {
        return cli_complain(CLI_UNKNOWN, "%s: %s", restore->directory, restore->detail);
    }
    if (status != 0) {
        return cli_complain(CLI_FAILED, "%s: %s; nothing was restored", restore->directory,
                            restore->detail);
    }
    return restore->detail[0] == '\0'
               ? CLI_DONE
               : cli_complain(CLI_DONE, "%s: %s", restore->directory, restore->detail);
}

/* The second reading: into the directory. */
static int write_directory(struct restore *restore, struct qr_id *cluster)
{
    struct qr_restore_options options = {
        .size_bytes = sizeof(options),
        .data_directory = restore->directory,
        .name = restore->name,
        .address = restore->peer,
    };
    struct qr_restore *to = NULL;
    int status = qr_restore_open(&options, &to, restore->detail);
    if (status != 0) {
        bool is_usage = status == QR_ERR_ADDRESS; /* the detail begins with "address" */
        return cli_complain(is_usage ? CLI_USAGE : CLI_FAILED, "%s%s; nothing was restored",
                            is_usage ? "--peer, the " : "", restore->detail);
    }
    int code = each_piece(restore, "restore", take_restore, to);
    if (code == CLI_DONE) {
        code = finish(restore, to, cluster);
    }
    qr_restore_free(to);
    return code;
}

static int run(struct restore *restore)
{
    struct qr_id cluster = {0};
    int code = open_file(restore);
    if (code == CLI_DONE) {
        code = check(restore);
    }
    if (code == CLI_DONE && !restore->is_check) {
        code = write_directory(restore, &cluster);
    }
    if (code == CLI_DONE) {
        backup_print(&(struct backup_printed){.path = restore->path,
                                              .facts = &restore->facts,
                                              .has_keys = true,
                                              .keys = restore->keys,
                                              .directory = restore->directory,
                                              .cluster = &cluster,
                                              .name = restore->name},
                     restore->is_json);
        code = cli_flush();
    }
    if (restore->file != NULL) {
        (void)fclose(restore->file);
    }
    return code;
}

int cli_restore(int argc, char **argv)
{
    const struct argp argp = {
        .options = option_rows,
        .parser = parse,
        .args_doc = "FILE DIR\n--check FILE",
        .doc = "Make of a backup the data directory DIR of a new cluster, with one node, its only "
               "voter; others join it.\v"
               "FILE is checked down to its last byte before anything is made; DIR must hold "
               "nothing. The new cluster has an id of its own: nodes of the one that was backed up "
               "are refused by it."};
    struct restore *restore = calloc(1, sizeof(*restore));
    if (restore == NULL) {
        return cli_complain(CLI_FAILED, "memory ran out");
    }
    restore->peer = PEER_DEFAULT;
    cli_arguments_parse(&argp, argc, argv, restore);
    restore->interrupt = interrupt_open();
    int code = run(restore);
    free(restore);
    return code;
}
