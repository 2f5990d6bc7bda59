/* kv.h: the built-in replicated key-value state machine.
 *
 * Owns     the keys, their values and expiry times, in an ordered tree with cheap immutable
 *          views (src/kv/tree.h), and the meaning of the key commands.
 * Does not know Raft, the Redis protocol, a clock or a socket: a command is a list of byte
 *          strings, a reply goes to a sink, time is the log time of the applied entries.
 * Threads  one caller at a time.
 * Format   a proposal of the key-value store has the command "kv" and as payload the
 *          arguments: their count (u32), then each as its length (u32) and its bytes. One with
 *          the command "kv.exec" has as payload: 1 if its reply is that of its one command,
 *          else 0 (u32); the count of watched keys (u32), each as its length (u32), its bytes
 *          and its digest (u64); the count of commands (u32), each as the payload of "kv".
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KV_KV_H
#define KV_KV_H

#include "base/allocator.h"
#include "base/types.h"
#include "quorate/state_machine.h"

#define KV_COMMAND "kv"
#define KV_EXEC_COMMAND "kv.exec" /* in guarded entries only: 0.1.0 would not execute it */
#define KV_KEY_BYTES_MAX (64 * 1024)
#define KV_ARGUMENTS_MAX (1024 * 1024)
#define KV_EXEC_COMMANDS_MAX 65536
#define KV_EXEC_WATCHES_MAX 1024
#define KV_EXEC_COPIED_BYTES_MAX (UINT64_C(1) << 30) /* by commands that make a value longer */
#define KV_EXEC_KEYS_SEEN_MAX UINT64_C(10000000)     /* by commands that look at every key */
#define KV_EXEC_REPLY_BYTES_MAX (64 * 1024 * 1024) /* of all its commands; the same on all nodes */
#define KV_VALUE_BYTES_MAX (512 * 1024 * 1024)

/* APPEND and SETRANGE copy the whole value, on every replica, and a short SETRANGE can ask for
 * one of any length: what they make is no longer than this.
 */
#define KV_GROWN_VALUE_BYTES_MAX (32 * 1024 * 1024)

struct kv_argument {
    const void *data;
    size_t size_bytes;
};

/* Where a reply goes, value by value; an array's elements follow its beginning. */
struct kv_reply_sink {
    void *context;
    void (*status)(void *context, const char *text); /* "OK" */
    void (*error)(void *context, const char *text);  /* "WRONGTYPE …", without a dash */
    void (*integer)(void *context, int64_t value);
    void (*bulk)(void *context, const void *data, size_t size_bytes);
    void (*null)(void *context);
    void (*array)(void *context, size_t count);
    void (*null_array)(void *context); /* a transaction that was not done */
};

/* How the server treats a command. */
enum kv_command_flag {
    KV_WRITE = 1,    /* goes through the log */
    KV_READ = 2,     /* needs a read barrier, changes nothing */
    KV_MAY_WAIT = 4, /* may look at every key */
};

/* One row of the command table: what COMMAND tells of it too. */
struct kv_command {
    const char *name; /* upper case */
    int arity;        /* as Redis counts: with the name; negative: at least so many */
    unsigned flags;   /* enum kv_command_flag */
    int first_key;    /* position of the first key, 0 for none */
    int last_key;     /* negative: counted from the end */
    int key_step;
};

/* The row of the command called `name`, in any case, or NULL. */
const struct kv_command *kv_command_find(const void *name, size_t size_bytes);

/* All rows; `count` is set. Static. */
const struct kv_command *kv_commands(size_t *count);

struct kv;

/* An empty store, or NULL. The allocator is borrowed and outlives it. */
struct kv *kv_new(const struct allocator *allocator);
void kv_free(struct kv *kv);

/* What a reading command is answered instead of a reply over the limit. */
#define KV_REPLY_TOO_LONG "ERR the reply is too long; ask for less at a time"

/* ... and one that changes something, in an entry of several commands. */
#define KV_REPLY_DONE_TOO_LONG "TOOLONG it is done; its reply was too long to keep"

/* Let the replies of reading commands be at most so long; without this, as long as the largest
 * value. A limit of this node alone, no part of the state: what is refused has changed
 * nothing. kv_read() adds up MGET and KEYS beforehand, and leaves one long value to the sink.
 */
void kv_limit_replies(struct kv *kv, size_t bytes_max);

/* The state machine to hand to an engine. Its context is `kv`; the struct lives in it. */
const struct qr_state_machine *kv_state_machine(struct kv *kv);

/* Bytes of the payload that carries these arguments. */
size_t kv_payload_bytes(const struct kv_argument *arguments, size_t count);

/* Write that payload to `out`, which has kv_payload_bytes() of room. */
void kv_payload_encode(const struct kv_argument *arguments, size_t count, uint8_t *out);

/* A key, and what was there when it was looked at. */
struct kv_watch {
    struct kv_argument key;
    uint64_t digest;
};

/* Commands that are executed together, in one entry, or not at all: none of them, if something
 * else is there now under a watched key. What decides is what is there, not how often it changed.
 */
struct kv_exec {
    bool is_single; /* one command: the reply is its own. Else it is an array of all replies */
    const struct kv_watch *watches;
    size_t watch_count;
    const void *commands; /* payloads of kv_payload_encode(), one behind the other */
    size_t commands_bytes;
    size_t command_count;
};

size_t kv_exec_bytes(const struct kv_exec *exec);

/* Write that payload to `out`, which has kv_exec_bytes() of room. */
void kv_exec_encode(const struct kv_exec *exec, uint8_t *out);

/* What is under a key after the last applied entry, for kv_watch; 0: nothing. */
uint64_t kv_key_digest(const struct kv *kv, struct kv_argument key);

/* Check a command before it is proposed or executed: known, arity, lengths of keys and values,
 * and options that contradict or do not parse.
 *
 * error   set to a static error text ("ERR syntax error") when refused. An unknown name gets
 *         "ERR unknown command", without the name.
 * Returns true when it may go on. Execution may still answer with an error, which then
 * depends on the value, on log time, or names an argument ("ERR Unsupported option x").
 */
bool kv_check(const struct kv_argument *arguments, size_t count, const char **error);

/* Execute a reading command (KV_READ) on what was applied last; the reply goes to `sink`.
 *
 * count    1 or more. What kv_check() refuses, and what writes, is answered with an error.
 * now_ns   an estimate of log time, used only to tell how long a key still lives (TTL,
 *          PTTL): whether a key is alive is decided by applied log time alone.
 * random   any number, for RANDOMKEY.
 */
void kv_read(struct kv *kv, const struct kv_argument *arguments, size_t count, time_ns now_ns,
             uint64_t random, const struct kv_reply_sink *sink);

/* Give the result bytes of an applied proposal (struct qr_result) to `sink`. */
void kv_result_replay(const void *data, size_t size_bytes, const struct kv_reply_sink *sink);

struct kv_stats {
    uint64_t key_count;
    uint64_t expiring_key_count;
    uint64_t memory_bytes;  /* keys, values and tree */
    uint64_t expired_count; /* since start */
};

void kv_stats(const struct kv *kv, struct kv_stats *out);

/* Check everything that must be true of the store, with assertions. Cost: the whole store. */
void kv_invariants(const struct kv *kv);

/* One step of SCAN in key order: up to about `count` keys after `after` (NULL: from the
 * start) that match `pattern` (NULL: all) are given to `each`.
 *
 * Returns true when there is more; then last_key is the key to go on after, borrowed until
 * the next applied entry.
 */
bool kv_scan(struct kv *kv, const struct kv_argument *after, size_t count,
             const struct kv_argument *pattern,
             void (*each)(void *context, const void *key, size_t size_bytes), void *context,
             struct kv_argument *last_key);

#endif
