/* backup.c: `quorate backup`: the state of a running cluster into a file.
 *
 * Owns     the file that is written aside, FILE.part, held by a lock so that two backups never
 *          write into one; it is removed unless it becomes FILE.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/backup.h"
#include "cli/cli.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/redis.h"

#define FORCE 256
#define WINDOW 16                         /* pieces that are asked for ahead */
#define HEAD_TIMEOUT_NS (3600 * NS_PER_S) /* a large state takes its time to be a snapshot */
#define PIECE_TIMEOUT_NS (30 * NS_PER_S)
#define PATH_BYTES_MAX 4096

struct backup {
    struct cli_addresses client;
    const char *path;
    bool is_forced;
    bool is_json;
    char part[PATH_BYTES_MAX];
    int descriptor; /* of the part; -1: none */
    redisContext *connection;
    struct interrupt interrupt;
    struct qr_backup_reader *reader;
    struct progress progress;
    uint64_t got_bytes;
};

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct backup *backup = state->input;
    switch (key) {
    case 'a':
        cli_addresses_option(state, "client", value, &backup->client);
        return 0;
    case 'j':
        backup->is_json = true;
        return 0;
    case FORCE:
        backup->is_forced = true;
        return 0;
    case ARGP_KEY_ARG:
        if (backup->path != NULL) {
            argp_error(state, "there is an argument too many: %s", value);
        }
        backup->path = value;
        return 0;
    case ARGP_KEY_END:
        if (backup->path == NULL || backup->path[0] == '\0') {
            argp_error(state, "name the file to be written");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option option_rows[] = {
    {"client", 'a', "HOST:PORT,...", 0,
     "nodes to ask, the first that answers; default 127.0.0.1:7701", 0},
    {"force", FORCE, NULL, 0, "replace FILE if it is there", 0},
    {"json", 'j', NULL, 0, "print JSON", 0},
    {0},
};

static int refuse_existing(const struct backup *backup)
{
    return cli_complain(
        CLI_FAILED, "%s is there already; nothing was changed (--force replaces it)", backup->path);
}

static int complain_file(const char *path, const char *what)
{
    return cli_complain(CLI_FAILED, "%s: %s: %s; there is no backup", path, what, strerror(errno));
}

/* Whether the open part is still the file of that name: else another process was done with it. */
static bool is_still_there(const struct backup *backup)
{
    struct stat open_file;
    struct stat named;
    return fstat(backup->descriptor, &open_file) == 0 && lstat(backup->part, &named) == 0 &&
           open_file.st_ino == named.st_ino && open_file.st_dev == named.st_dev;
}

/* What another process left when it was killed is written over; who still writes is left be. */
static int lock_part(struct backup *backup, bool is_made)
{
    bool is_locked = flock(backup->descriptor, LOCK_EX | LOCK_NB) == 0;
    if (is_locked && is_still_there(backup)) {
        return CLI_DONE;
    }
    int code = CLI_FAILED;
    if (is_locked || errno == EWOULDBLOCK) {
        code = cli_complain(CLI_FAILED,
                            "%s: another backup is being written to it; nothing was changed",
                            backup->part);
    } else {
        code = complain_file(backup->part, "cannot be locked");
        if (is_made) {
            (void)unlink(backup->part);
        }
    }
    (void)close(backup->descriptor);
    backup->descriptor = -1;
    return code;
}

/* Make the part, or open what was left of one, and lock it. */
static int hold_part(struct backup *backup, bool may_be_left)
{
    const int flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW;
    backup->descriptor = open(backup->part, flags | O_EXCL, S_IRUSR | S_IWUSR);
    bool is_made = backup->descriptor >= 0;
    if (!is_made && errno == EEXIST && may_be_left) {
        backup->descriptor = open(backup->part, flags, S_IRUSR | S_IWUSR);
    }
    if (backup->descriptor < 0) {
        return complain_file(backup->part, "cannot be written");
    }
    return lock_part(backup, is_made);
}

/* Whether it is a whole backup, too: whoever gave it its name was killed before the part's went. */
static bool has_other_name(const struct backup *backup)
{
    struct stat stat;
    return fstat(backup->descriptor, &stat) != 0 || stat.st_nlink > 1;
}

static int open_part(struct backup *backup)
{
    int length = snprintf(backup->part, sizeof(backup->part), "%s.part", backup->path);
    if (length < 0 || (size_t)length >= sizeof(backup->part)) {
        return cli_complain(CLI_USAGE, "the name of the file is too long");
    }
    if (!backup->is_forced && access(backup->path, F_OK) == 0) {
        return refuse_existing(backup);
    }
    int code = hold_part(backup, true);
    if (code == CLI_DONE && has_other_name(backup)) {
        code = unlink(backup->part) == 0 ? CLI_DONE
                                         : complain_file(backup->part, "cannot be replaced");
        (void)close(backup->descriptor);
        backup->descriptor = -1;
        code = code == CLI_DONE ? hold_part(backup, false) : code;
    }
    if (code == CLI_DONE && ftruncate(backup->descriptor, 0) != 0) {
        code = complain_file(backup->part, "cannot be written");
    }
    return code;
}

static int write_part(struct backup *backup, const char *data, size_t size_bytes)
{
    while (size_bytes > 0) {
        ssize_t written = write(backup->descriptor, data, size_bytes);
        if (written < 0 && errno != EINTR) {
            return complain_file(backup->part, "cannot be written");
        }
        size_t taken = written < 0 ? 0 : (size_t)written;
        data += taken;
        size_bytes -= taken;
    }
    return CLI_DONE;
}

/* Make the names of the file's directory durable. */
static int sync_directory(const char *path)
{
    char directory[PATH_BYTES_MAX];
    const char *slash = strrchr(path, '/');
    int length = slash == NULL
                     ? snprintf(directory, sizeof(directory), ".")
                     : snprintf(directory, sizeof(directory), "%.*s/", (int)(slash - path), path);
    if (length < 0 || (size_t)length >= sizeof(directory)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int failed = descriptor < 0 || fsync(descriptor) != 0 ? -1 : 0;
    if (descriptor >= 0) {
        (void)close(descriptor);
    }
    return failed;
}

/* Where a rename always replaces (NFS, say): a link does not. */
static int name_by_link(const struct backup *backup)
{
    if (link(backup->part, backup->path) == 0) {
        (void)unlink(backup->part); /* FILE is whole, and the next backup removes what is left */
        return 0;
    }
    bool has_links = errno != EPERM && errno != EOPNOTSUPP && errno != ENOSYS && errno != EMLINK;
    if (has_links) {
        return -1;
    }
    if (access(backup->path, F_OK) == 0) {
        errno = EEXIST;
        return -1;
    }
    return rename(backup->part, backup->path);
}

/* Give the part its name, but not in the place of a file that came meanwhile. */
static int name_part(const struct backup *backup)
{
    if (backup->is_forced) {
        return rename(backup->part, backup->path);
    }
    int status = renameat2(AT_FDCWD, backup->part, AT_FDCWD, backup->path, RENAME_NOREPLACE);
    bool is_known = status == 0 || (errno != EINVAL && errno != ENOSYS && errno != EPERM);
    return is_known ? status : name_by_link(backup);
}

static int publish(struct backup *backup)
{
    if (fsync(backup->descriptor) != 0) {
        return complain_file(backup->part, "cannot be made durable");
    }
    if (name_part(backup) != 0) {
        return errno == EEXIST ? refuse_existing(backup)
                               : complain_file(backup->path, "cannot be given its name");
    }
    (void)close(backup->descriptor);
    backup->descriptor = -1;
    if (sync_directory(backup->path) != 0) {
        return cli_complain(CLI_FAILED,
                            "%s is written, but its name may be lost by a power failure: %s",
                            backup->path, strerror(errno));
    }
    return CLI_DONE;
}

static int cut(const char *why)
{
    return cli_complain(CLI_UNREACHABLE, "the backup was cut off: %s; there is none", why);
}

/* Wait until the connection has something to read, or a signal came. */
static int wait_readable(struct backup *backup, time_ns timeout_ns)
{
    struct pollfd watched[] = {{.fd = backup->connection->fd, .events = POLLIN},
                               {.fd = backup->interrupt.descriptor, .events = POLLIN}};
    time_ns deadline_ns = cli_clock_ns() + timeout_ns;
    for (;;) {
        time_ns now_ns = cli_clock_ns();
        if (now_ns >= deadline_ns) {
            return cut("no answer in time");
        }
        int count = poll(watched, 2, 1000);
        if (count < 0 && errno != EINTR) {
            return cut(strerror(errno));
        }
        if (interrupt_has_come(&backup->interrupt)) {
            return cli_complain(CLI_FAILED, "interrupted; there is no backup");
        }
        if (count > 0 && watched[0].revents != 0) {
            return CLI_DONE;
        }
        progress_update(&backup->progress, backup->got_bytes);
    }
}

/* The next reply; *out is NULL unless the code is CLI_DONE. */
static int take_reply(struct backup *backup, time_ns timeout_ns, redisReply **out)
{
    void *reply = NULL;
    *out = NULL;
    while (reply == NULL) {
        if (redisGetReplyFromReader(backup->connection, &reply) != REDIS_OK) {
            return cut(backup->connection->errstr);
        }
        if (reply == NULL) {
            int code = wait_readable(backup, timeout_ns);
            if (code != CLI_DONE) {
                return code;
            }
            if (redisBufferRead(backup->connection) != REDIS_OK) {
                return cut(backup->connection->errstr);
            }
        }
    }
    *out = reply;
    if ((*out)->type == REDIS_REPLY_STRING) {
        return CLI_DONE;
    }
    int code = (*out)->type == REDIS_REPLY_ERROR
                   ? cli_complain(CLI_FAILED, "%s", (*out)->str)
                   : cli_complain(CLI_FAILED, "this is no node of quorate; there is no backup");
    freeReplyObject(*out);
    *out = NULL;
    return code;
}

static int ask(struct backup *backup, bool is_first)
{
    int status =
        redisAppendCommand(backup->connection, is_first ? "QUORATE.BACKUP" : "QUORATE.BACKUP NEXT");
    int is_written = 0;
    while (status == REDIS_OK && is_written == 0) {
        status = redisBufferWrite(backup->connection, &is_written);
    }
    return status == REDIS_OK ? CLI_DONE : cut(backup->connection->errstr);
}

/* Check a piece and write it. */
static int take_piece(struct backup *backup, const redisReply *reply)
{
    if (qr_backup_reader_feed(backup->reader, reply->str, reply->len) != 0) {
        return cli_complain(CLI_FAILED, "what the node sent is no whole backup: %s; there is none",
                            qr_backup_reader_detail(backup->reader));
    }
    backup->got_bytes += reply->len;
    progress_update(&backup->progress, backup->got_bytes);
    return write_part(backup, reply->str, reply->len);
}

/* The head, and then everything behind it, some pieces ahead. */
static int receive(struct backup *backup)
{
    redisReply *reply = NULL;
    struct qr_backup_facts facts;
    int code = ask(backup, true);
    if (code == CLI_DONE) {
        code = take_reply(backup, HEAD_TIMEOUT_NS, &reply);
    }
    for (unsigned i = 0; i <= WINDOW && code == CLI_DONE; i++) {
        code = i == 0 ? take_piece(backup, reply) : ask(backup, false);
    }
    if (code == CLI_DONE && qr_backup_reader_facts(backup->reader, &facts)) {
        backup->progress = progress_begin("backup", facts.size_bytes);
    }
    bool has_ended = false;
    while (code == CLI_DONE && !has_ended) {
        freeReplyObject(reply);
        code = take_reply(backup, PIECE_TIMEOUT_NS, &reply);
        has_ended = code == CLI_DONE && reply->len == 0;
        if (code == CLI_DONE && !has_ended) {
            code = take_piece(backup, reply);
        }
        if (code == CLI_DONE && !has_ended) {
            code = ask(backup, false);
        }
    }
    freeReplyObject(reply);
    if (code == CLI_DONE && qr_backup_reader_end(backup->reader) != 0) {
        code = cli_complain(CLI_FAILED, "what the node sent is no whole backup: %s; there is none",
                            qr_backup_reader_detail(backup->reader));
    }
    progress_clear(&backup->progress);
    return code;
}

static int run(struct backup *backup)
{
    if (qr_backup_reader_new(NULL, &backup->reader) != 0) {
        return cli_complain(CLI_FAILED, "memory ran out");
    }
    int code = open_part(backup);
    if (code != CLI_DONE) {
        return code;
    }
    backup->connection = redis_connect_any(&backup->client);
    code = backup->connection == NULL ? CLI_UNREACHABLE : receive(backup);
    if (code == CLI_DONE) {
        code = publish(backup);
    }
    if (backup->descriptor >= 0) {
        (void)unlink(backup->part);
        (void)close(backup->descriptor);
    }
    if (code == CLI_DONE) {
        struct qr_backup_facts facts;
        (void)qr_backup_reader_facts(backup->reader, &facts);
        backup_print(&(struct backup_printed){.path = backup->path, .facts = &facts},
                     backup->is_json);
        code = cli_flush();
    }
    return code;
}

int cli_backup(int argc, char **argv)
{
    const struct argp argp = {
        .options = option_rows,
        .parser = parse,
        .args_doc = "FILE",
        .doc = "Write the state of a running cluster into FILE: keys, sessions and tokens, as of "
               "one moment behind all that was acknowledged before. Any node will do.\v"
               "What comes is checked and made durable before FILE has its name; a backup that "
               "fails leaves no file. `quorate restore FILE DIR` makes a new cluster of it."};
    struct backup backup = {.descriptor = -1};
    cli_addresses_local(CLI_CLIENT_PORT, &backup.client);
    cli_arguments_parse(&argp, argc, argv, &backup);
    backup.interrupt = interrupt_open();
    backup.progress = progress_begin("backup: the node takes a snapshot", 1);
    int code = run(&backup);
    if (backup.connection != NULL) {
        redisFree(backup.connection);
    }
    qr_backup_reader_free(backup.reader);
    return code;
}
