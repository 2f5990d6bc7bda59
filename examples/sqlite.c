/* sqlite.c: a state machine that is durable by itself: accounts in an SQLite database.
 *
 * usage: sqlite NAME ADDRESS [MEMBER,...]     as in node.h; each line of its input is answered:
 *
 *   add ACCOUNT NUMBER   the new balance
 *   get ACCOUNT          the balance; 0 if there is none
 *
 * Promised: NAME.db has every entry once, on each node, whenever it is killed: entries and the
 * index of the last are one transaction, and a restart goes on behind it, without a replay. As
 * applied_index() says so, the log is kept short. A member that is too late for it gets a copy of
 * the database, which is taken over in one transaction, too. SQLite waits for the disk, and copies
 * for as long as it takes: the thread where the engine calls a program's code is there for that.
 *
 * A line whose answer was "unknown" may have been added: who asks again may add twice. Proposals
 * with an id of their own (qr_token_id) may be sent again.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sqlite_copy.h"

#define ADD                                                                                        \
    "INSERT INTO accounts VALUES (?1, ?2) ON CONFLICT (name)"                                      \
    " DO UPDATE SET balance = balance + excluded.balance RETURNING balance"

/* Open NAME.db; it is made with its tables if it is not there. */
static bool open_database(const struct store *store, sqlite3 **database)
{
    char path[PATH_BYTES];
    return sqlite3_open(path_of(store, "db", path), database) == SQLITE_OK &&
           sqlite3_busy_timeout(*database, 10000) == SQLITE_OK &&
           sqlite3_exec(*database,
                        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; BEGIN IMMEDIATE;"
                        "CREATE TABLE IF NOT EXISTS accounts (name TEXT PRIMARY KEY, balance"
                        " INTEGER NOT NULL CHECK (typeof(balance) = 'integer'));"
                        "CREATE TABLE IF NOT EXISTS applied (one PRIMARY KEY, entry);"
                        "INSERT OR IGNORE INTO applied VALUES (1, 0); COMMIT",
                        NULL, NULL, NULL) == SQLITE_OK;
}

/* This node stops; it is started again behind the last transaction. */
static int fail(sqlite3 *database)
{
    fprintf(stderr, "sqlite: %s\n", sqlite3_errmsg(database));
    (void)sqlite3_exec(database, "ROLLBACK", NULL, NULL, NULL);
    return QR_ERR_IO;
}

static int apply(void *context, const struct qr_entry *entries, size_t count,
                 struct qr_result *results)
{
    struct store *store = context;
    bool is_well = sqlite3_exec(store->database, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK;
    for (size_t i = 0; i < count && is_well; i++) {
        const struct qr_entry *entry = &entries[i];
        char line[LINE_BYTES] = "", account[32];
        int64_t number, balance = 0;
        size_t length = entry->payload_bytes < LINE_BYTES ? entry->payload_bytes : 0;
        memcpy(line, entry->payload, length);
        bool is_add = sscanf(line, "add %31s %18" SCNd64, account, &number) == 2;
        is_well = !is_add || run(store->database, ADD, account, number, &balance);
        /* What the table does not take, all replicas refuse alike. */
        bool is_refused = !is_well && sqlite3_errcode(store->database) == SQLITE_CONSTRAINT;
        is_well = is_well || is_refused;
        (void)snprintf(store->results[i], RESULT_BYTES, "%" PRId64, balance);
        const char *text = is_add && !is_refused ? store->results[i] : "refused: what is that?";
        results[i] = (struct qr_result){.data = text, .size_bytes = strlen(text)};
    }
    int64_t index = (int64_t)entries[count - 1].index;
    if (!is_well || !run(store->database, "UPDATE applied SET entry = ?2", "", index, NULL) ||
        sqlite3_exec(store->database, "COMMIT", NULL, NULL, NULL) != SQLITE_OK) {
        return fail(store->database);
    }
    store->applied_index = (uint64_t)index;
    return 0;
}

static uint64_t applied_index(void *context)
{
    return ((const struct store *)context)->applied_index;
}

/* Writes go through the log; what is read here is all that was acknowledged anywhere before. */
static int answer_line(struct qr_engine *engine, void *reader, const char *line,
                       char answer[LINE_BYTES])
{
    int64_t balance = 0;
    if (strncmp(line, "get ", 4) != 0) {
        return node_propose(engine, line, answer);
    }
    int status = qr_read_wait(engine, NULL, NULL);
    if (status == 0) {
        const char *sql = "SELECT balance FROM accounts WHERE name = ?1";
        bool is_read = run(reader, sql, line + 4, 0, &balance);
        (void)snprintf(answer, LINE_BYTES, "%" PRId64, balance);
        status = is_read ? 0 : QR_ERR_IO;
    }
    return status;
}

int main(int argc, char **argv)
{
    struct store store = {.name = argv[1]};
    struct qr_state_machine machine = {.size_bytes = sizeof(machine),
                                       .context = &store,
                                       .apply = apply,
                                       .applied_index = applied_index,
                                       .snapshot_open = snapshot_open,
                                       .snapshot_read = snapshot_read,
                                       .snapshot_close = snapshot_close,
                                       .restore_begin = restore_begin,
                                       .restore_write = restore_write,
                                       .restore_end = restore_end};
    struct qr_engine_options options = node_options(argc, argv, &machine);
    options.limits.max_log_entries = 200; /* the database has what was before */
    sqlite3 *reader = NULL;               /* of this thread */
    int64_t index = 0;
    if (!open_database(&store, &store.database) || !open_database(&store, &reader) ||
        !run(reader, "SELECT entry FROM applied", "", 0, &index)) {
        fprintf(stderr, "sqlite: %s.db: %s\n", store.name, sqlite3_errmsg(store.database));
        return 1;
    }
    store.applied_index = (uint64_t)index;
    struct qr_engine *engine = node_open(&options);
    node_serve(engine, answer_line, reader);
    qr_engine_free(engine);
    (void)sqlite3_close(reader);
    return sqlite3_close(store.database) == SQLITE_OK ? 0 : 1;
}
