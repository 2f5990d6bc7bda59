/* command.h: the commands there are, and what each is executed with.
 *
 * Owns     the table. One file executes each group: commands_string.c, commands_counter.c,
 *          commands_expiry.c, commands_keyspace.c.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KV_COMMAND_H
#define KV_COMMAND_H

#include "kv/options.h"
#include "kv/store.h"

/* clang-format off */
/* X(NAME, name, arity, flags, first key, last key, key step, check), sorted by name. */
#define KV_COMMAND_MAP(X)                                                                      \
    X(APPEND,      append,       3, KV_WRITE,               1,  1, 1, NULL)                    \
    X(DBSIZE,      dbsize,       1, KV_READ,                0,  0, 0, NULL)                    \
    X(DECR,        decr,         2, KV_WRITE,               1,  1, 1, NULL)                    \
    X(DECRBY,      decrby,       3, KV_WRITE,               1,  1, 1, check_decrement)         \
    X(DEL,         del,         -2, KV_WRITE,               1, -1, 1, NULL)                    \
    X(EXISTS,      exists,      -2, KV_READ,                1, -1, 1, NULL)                    \
    X(EXPIRE,      expire,      -3, KV_WRITE,               1,  1, 1, check_expire)            \
    X(EXPIREAT,    expireat,    -3, KV_WRITE,               1,  1, 1, check_expire)            \
    X(EXPIRETIME,  expiretime,   2, KV_READ,                1,  1, 1, NULL)                    \
    X(FLUSHALL,    flushall,    -1, KV_WRITE | KV_MAY_WAIT, 0,  0, 0, check_flushall)          \
    X(GET,         get,          2, KV_READ,                1,  1, 1, NULL)                    \
    X(GETDEL,      getdel,       2, KV_WRITE,               1,  1, 1, NULL)                    \
    X(GETEX,       getex,       -2, KV_WRITE,               1,  1, 1, check_getex)             \
    X(GETRANGE,    getrange,     4, KV_READ,                1,  1, 1, check_getrange)          \
    X(GETSET,      getset,       3, KV_WRITE,               1,  1, 1, NULL)                    \
    X(INCR,        incr,         2, KV_WRITE,               1,  1, 1, NULL)                    \
    X(INCRBY,      incrby,       3, KV_WRITE,               1,  1, 1, check_integer)           \
    X(KEYS,        keys,         2, KV_READ | KV_MAY_WAIT,  0,  0, 0, NULL)                    \
    X(MGET,        mget,        -2, KV_READ,                1, -1, 1, NULL)                    \
    X(MSET,        mset,        -3, KV_WRITE,               1, -1, 2, check_pairs)             \
    X(MSETNX,      msetnx,      -3, KV_WRITE,               1, -1, 2, check_pairs)             \
    X(PERSIST,     persist,      2, KV_WRITE,               1,  1, 1, NULL)                    \
    X(PEXPIRE,     pexpire,     -3, KV_WRITE,               1,  1, 1, check_expire)            \
    X(PEXPIREAT,   pexpireat,   -3, KV_WRITE,               1,  1, 1, check_expire)            \
    X(PEXPIRETIME, pexpiretime,  2, KV_READ,                1,  1, 1, NULL)                    \
    X(PSETEX,      psetex,       4, KV_WRITE,               1,  1, 1, check_setex)             \
    X(PTTL,        pttl,         2, KV_READ,                1,  1, 1, NULL)                    \
    X(RANDOMKEY,   randomkey,    1, KV_READ,                0,  0, 0, NULL)                    \
    X(SCAN,        scan,        -2, KV_READ | KV_MAY_WAIT,  0,  0, 0, NULL)                    \
    X(SET,         set,         -3, KV_WRITE,               1,  1, 1, check_set)               \
    X(SETEX,       setex,        4, KV_WRITE,               1,  1, 1, check_setex)             \
    X(SETNX,       setnx,        3, KV_WRITE,               1,  1, 1, NULL)                    \
    X(SETRANGE,    setrange,     4, KV_WRITE,               1,  1, 1, check_setrange)          \
    X(STRLEN,      strlen,       2, KV_READ,                1,  1, 1, NULL)                    \
    X(TOUCH,       touch,       -2, KV_READ,                1, -1, 1, NULL)                    \
    X(TTL,         ttl,          2, KV_READ,                1,  1, 1, NULL)                    \
    X(TYPE,        type,         2, KV_READ,                1,  1, 1, NULL)                    \
    X(UNLINK,      unlink,      -2, KV_WRITE,               1, -1, 1, NULL)
enum kv_command_id {
#define X(upper, lower, arity, flags, first, last, step, check) KV_COMMAND_##upper,
    KV_COMMAND_MAP(X)
#undef X
    KV_COMMAND_COUNT,
};
/* clang-format on */

/* One command on its way. It has passed kv_check(). */
struct kv_call {
    struct kv_store *store;
    const struct kv_argument *arguments;
    size_t count;
    const struct kv_reply_sink *reply;
    time_ns now_ns;           /* log time, or a reader's estimate of it */
    uint64_t random;          /* for RANDOMKEY */
    size_t reply_bytes_max;   /* of strings together, where they are added up beforehand */
    uint64_t *copied_bytes;   /* of all commands of an entry; NULL: of one alone, without a limit */
    const char *expire_error; /* "ERR invalid expire time in 'set' command" */
};

/* The number of a row that kv_command_find() gave. */
enum kv_command_id kv_command_id_of(const struct kv_command *command);

/* Check the arguments of a command that was found; as kv_check(). */
bool kv_command_check(enum kv_command_id id, const struct kv_argument *arguments, size_t count,
                      const char **error);

/* Execute a command and reply, once.
 *
 * Returns 0, or QR_ERR_NO_MEMORY: it may have happened in part, and the store is whole.
 */
NODISCARD int kv_command_execute(enum kv_command_id id, struct kv_call *call);

#define X(upper, lower, arity, flags, first, last, step, check)                                    \
    NODISCARD int kv_execute_##lower(struct kv_call *call);
KV_COMMAND_MAP(X)
#undef X

/* The value of an item, or null for none. Returns 0, for the end of a command. */
int kv_reply_item(const struct kv_call *call, const struct kv_item *item);
int kv_reply_integer(const struct kv_call *call, int64_t value);
int kv_reply_ok(const struct kv_call *call);
int kv_reply_error(const struct kv_call *call, const char *text);

/* Set a key to a value.
 *
 * Returns 0, or QR_ERR_NO_MEMORY and nothing changed.
 */
NODISCARD int kv_call_set(const struct kv_call *call, struct kv_argument key,
                          struct kv_argument value, time_ns expires_ns);

#endif
