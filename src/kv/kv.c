/* kv.c: the state machine: entries in, results out; and reading beside it. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kv/kv.h"

#include <string.h>

#include "base/assert.h"
#include "base/mutant.h"
#include "base/prng.h"
#include "kv/command.h"
#include "kv/exec.h"
#include "kv/match.h"
#include "kv/payload.h"
#include "kv/result.h"
#include "kv/snapshot.h"
#include "quorate/error.h"

#define UNKNOWN_COMMAND "ERR unknown command"

struct kv {
    const struct allocator *allocator; /* borrowed */
    struct kv_store store;
    struct kv_results results;
    size_t reply_bytes_max;
    struct kv_snapshot snapshots[QR_SNAPSHOTS_MAX];
    struct kv_restore restore;
    struct qr_state_machine machine;
};

static void ignore_text(void *context, const char *text)
{
    (void)context;
    (void)text;
}

static void ignore_integer(void *context, int64_t value)
{
    (void)context;
    (void)value;
}

static void ignore_bulk(void *context, const void *data, size_t size_bytes)
{
    (void)context;
    (void)data;
    (void)size_bytes;
}

static void ignore_null(void *context)
{
    (void)context;
}

static void ignore_array(void *context, size_t count)
{
    (void)context;
    (void)count;
}

/* For entries whose result nobody wants. */
static const struct kv_reply_sink ignoring_sink = {
    .status = ignore_text,
    .error = ignore_text,
    .integer = ignore_integer,
    .bulk = ignore_bulk,
    .null = ignore_null,
    .array = ignore_array,
    .null_array = ignore_null,
};

/* A short command can ask for any number of long values, and every client for such: what is
 * read costs memory until it is sent. Returns false when this call of apply has read enough.
 */
static bool read_limit(struct kv *kv)
{
    if (kv->results.used_bytes / KV_READ_RESULTS_MAX >= kv->reply_bytes_max) {
        return false;
    }
    kv_results_limit(&kv->results, kv->reply_bytes_max);
    return true;
}

/* What the commands of one entry did together: they are one turn of the loop, on every replica.
 * What changes something is limited by what is the same everywhere; its limits are those of the
 * entry, so that its reply may be kept for repeats.
 */
struct exec_work {
    uint64_t copied_bytes;
    uint64_t seen_keys;
};

/* Where replies go, and how long those of reading commands may be. */
struct applying {
    const struct kv_reply_sink *reply;
    struct exec_work *work; /* NULL: it stands alone in its entry */
};

static bool may_see_all(struct kv *kv, struct exec_work *work)
{
    if (work == NULL) {
        return true;
    }
    work->seen_keys += kv_store_count(&kv->store);
    return work->seen_keys <= KV_EXEC_KEYS_SEEN_MAX;
}

/* Execute the command of an entry. One that cannot be read or is refused gets an error reply,
 * the same on every replica.
 */
static int command_apply(struct kv *kv, const struct qr_entry *entry,
                         const struct kv_payload *payload, struct applying applying)
{
    const struct kv_reply_sink *reply = applying.reply;
    const struct kv_argument *name = &payload->arguments[0];
    const struct kv_command *command = kv_command_find(name->data, name->size_bytes);
    const char *refusal = UNKNOWN_COMMAND;

    if (command == NULL || !kv_command_check(kv_command_id_of(command), payload->arguments,
                                             payload->count, &refusal)) {
        reply->error(reply->context, refusal);
        return 0;
    }
    bool is_read = (command->flags & KV_READ) != 0;
    /* Counted also where nobody waits for what is read: what is refused is the same everywhere. */
    bool is_short = (command->flags & KV_MAY_WAIT) == 0 || may_see_all(kv, applying.work);
    if (is_read && !entry->wants_result) {
        return 0;
    }
    if (is_read && applying.work == NULL && !read_limit(kv)) {
        reply->error(reply->context, "TRYAGAIN too much is read at once; nothing was changed");
        return 0;
    }
    if (!is_short) {
        reply->error(reply->context, "ERR one transaction looks at too many keys");
        return 0;
    }
    struct kv_call call = {
        .store = &kv->store,
        .arguments = payload->arguments,
        .count = payload->count,
        .reply = reply,
        .now_ns = kv->store.log_time_ns,
        .reply_bytes_max = applying.work != NULL ? KV_EXEC_REPLY_BYTES_MAX : kv->reply_bytes_max,
        .copied_bytes = applying.work == NULL ? NULL : &applying.work->copied_bytes,
    };
    if (is_read) {
        struct prng prng = prng_of(entry->index);
        call.random = prng_next(&prng);
    }
    return kv_command_execute(kv_command_id_of(command), &call);
}

static bool is_command(const struct qr_entry *entry, const char *name)
{
    return entry->command_bytes == strlen(name) &&
           memcmp(entry->command, name, entry->command_bytes) == 0;
}

static int exec_one(struct kv *kv, const struct qr_entry *entry, struct reader *reader,
                    struct applying applying)
{
    struct kv_payload payload;
    size_t begin = kv_results_element_begin(&kv->results);
    int error = kv_payload_read(&payload, kv->allocator, reader);

    ASSERT(error != QR_ERR_MALFORMED); /* kv_exec_open() has seen it */
    if (error != 0) {
        return error;
    }
    const struct kv_argument *name = &payload.arguments[0];
    const struct kv_command *command = kv_command_find(name->data, name->size_bytes);
    bool is_write = command != NULL && (command->flags & KV_WRITE) != 0;
    error = command_apply(kv, entry, &payload, applying);
    kv_payload_deinit(&payload);
    if (entry->wants_result) {
        kv_results_element_end(&kv->results, begin, is_write);
    }
    return error;
}

/* Execute the commands of an entry, all of them or none. */
static int exec_apply(struct kv *kv, const struct qr_entry *entry,
                      const struct kv_reply_sink *reply)
{
    struct kv_exec_reader exec;
    struct exec_work work = {0, 0};
    int error = 0;

    if (!kv_exec_open(&exec, entry->payload, entry->payload_bytes)) {
        reply->error(reply->context, "ERR malformed command");
        return 0;
    }
    for (size_t i = 0; i < exec.watch_count; i++) {
        struct kv_watch watch = kv_exec_next_watch(&exec);
        if (kv_key_digest(kv, watch.key) != watch.digest) {
            reply->null_array(reply->context);
            return 0;
        }
    }
    if (entry->wants_result) {
        kv_results_limit(&kv->results, KV_EXEC_REPLY_BYTES_MAX);
    }
    if (!exec.is_single) {
        reply->array(reply->context, exec.command_count);
    }
    for (size_t i = 0; i < exec.command_count && error == 0; i++) {
        error = exec_one(kv, entry, &exec.commands, (struct applying){reply, &work});
    }
    return error;
}

static int entry_apply(struct kv *kv, const struct qr_entry *entry,
                       const struct kv_reply_sink *reply)
{
    struct kv_payload payload;

    bool is_time_wanted = entry->wants_result || !MUTANT(EXPIRY_WHERE_ASKED);
    int error = is_time_wanted ? kv_store_time_set(&kv->store, entry->timestamp_ns) : 0;
    if (error != 0) {
        return error;
    }
    if (is_command(entry, KV_EXEC_COMMAND)) {
        return exec_apply(kv, entry, reply);
    }
    if (!is_command(entry, KV_COMMAND)) {
        reply->status(reply->context, "OK");
        return 0;
    }
    error = kv_payload_decode(&payload, kv->allocator, entry->payload, entry->payload_bytes);
    if (error == QR_ERR_MALFORMED) {
        reply->error(reply->context, "ERR malformed command");
        return 0;
    }
    if (error != 0) {
        return error;
    }
    error = command_apply(kv, entry, &payload, (struct applying){reply, NULL});
    kv_payload_deinit(&payload);
    return error;
}

/* Apply one entry; `size_bytes` is set to the length of its result. */
static int entry_apply_recorded(struct kv *kv, const struct qr_entry *entry, size_t *size_bytes)
{
    if (!entry->wants_result) {
        return entry_apply(kv, entry, &ignoring_sink);
    }
    struct kv_reply_sink sink = kv_results_sink(&kv->results);
    kv_results_begin(&kv->results);
    int error = entry_apply(kv, entry, &sink);
    return error != 0 ? error : kv_results_end(&kv->results, size_bytes);
}

/* What snapshots that were closed held alone is freed little by little, like what a clear left. */
static void collect_snapshots(struct kv *kv, size_t node_count)
{
    for (size_t i = 0; i < QR_SNAPSHOTS_MAX; i++) {
        kv_snapshot_collect(&kv->snapshots[i], node_count);
    }
}

static int machine_apply(void *context, const struct qr_entry *entries, size_t count,
                         struct qr_result *results)
{
    struct kv *kv = context;

    kv_results_reset(&kv->results);
    if (MUTANT(LOG_TIME_BY_BATCH) &&
        kv_store_time_set(&kv->store, entries[count - 1].timestamp_ns) != 0) {
        return QR_ERR_NO_MEMORY;
    }
    collect_snapshots(kv, KV_FREED_NODES_PER_ENTRY_MAX * count);
    for (size_t i = 0; i < count; i++) {
        int error = entry_apply_recorded(kv, &entries[i], &results[i].size_bytes);
        if (error != 0) {
            return error;
        }
    }
    /* Only now does the buffer stay where it is. */
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (results[i].size_bytes > 0) {
            results[i].data = kv->results.data + at;
            at += results[i].size_bytes;
        }
    }
    ASSERT(at == kv->results.used_bytes);
    return 0;
}

static uint64_t machine_wake_at(void *context)
{
    const struct kv *kv = context;

    return kv_store_expiry_next(&kv->store);
}

static uint64_t machine_digest(void *context)
{
    const struct kv *kv = context;

    return kv->store.digest;
}

static int machine_snapshot_open(void *context, void **snapshot)
{
    struct kv *kv = context;

    for (size_t i = 0; i < QR_SNAPSHOTS_MAX; i++) {
        struct kv_snapshot *free_one = &kv->snapshots[i];
        if (!free_one->is_open) {
            kv_snapshot_collect(free_one, SIZE_MAX);
            kv_snapshot_begin(free_one, &kv->store);
            *snapshot = free_one;
            return 0;
        }
    }
    return QR_ERR_BUSY;
}

static int machine_snapshot_read(void *context, void *snapshot, void *buffer, size_t size_bytes,
                                 size_t *read_bytes)
{
    (void)context;
    *read_bytes = kv_snapshot_read(snapshot, buffer, size_bytes);
    return 0;
}

static void machine_snapshot_close(void *context, void *snapshot)
{
    (void)context;
    kv_snapshot_end(snapshot);
}

static int machine_restore_begin(void *context)
{
    struct kv *kv = context;

    kv_restore_begin(&kv->restore, &kv->store);
    return 0;
}

static int machine_restore_write(void *context, const void *data, size_t size_bytes)
{
    struct kv *kv = context;

    return kv_restore_write(&kv->restore, data, size_bytes);
}

static int machine_restore_end(void *context)
{
    struct kv *kv = context;

    return kv_restore_end(&kv->restore);
}

struct kv *kv_new(const struct allocator *allocator)
{
    struct kv *kv = allocate_zeroed(allocator, sizeof(*kv));

    if (kv == NULL) {
        return NULL;
    }
    kv->allocator = allocator;
    kv->reply_bytes_max = KV_RESULT_BYTES_MAX;
    kv_store_init(&kv->store, allocator);
    kv_results_init(&kv->results, allocator);
    kv->machine = (struct qr_state_machine){
        .size_bytes = sizeof(kv->machine),
        .context = kv,
        .apply = machine_apply,
        .wake_at = machine_wake_at,
        .digest = machine_digest,
        .snapshot_open = machine_snapshot_open,
        .snapshot_read = machine_snapshot_read,
        .snapshot_close = machine_snapshot_close,
        .restore_begin = machine_restore_begin,
        .restore_write = machine_restore_write,
        .restore_end = machine_restore_end,
    };
    return kv;
}

void kv_free(struct kv *kv)
{
    if (kv == NULL) {
        return;
    }
    for (size_t i = 0; i < QR_SNAPSHOTS_MAX; i++) {
        if (kv->snapshots[i].is_open) {
            kv_snapshot_end(&kv->snapshots[i]);
        }
    }
    collect_snapshots(kv, SIZE_MAX);
    kv_restore_deinit(&kv->restore);
    kv_results_deinit(&kv->results);
    kv_store_deinit(&kv->store);
    release(kv->allocator, kv, sizeof(*kv));
}

void kv_limit_replies(struct kv *kv, size_t bytes_max)
{
    kv->reply_bytes_max = min_u64(bytes_max, KV_RESULT_BYTES_MAX);
}

const struct qr_state_machine *kv_state_machine(struct kv *kv)
{
    return &kv->machine;
}

void kv_read(struct kv *kv, const struct kv_argument *arguments, size_t count, time_ns now_ns,
             uint64_t random, const struct kv_reply_sink *sink)
{
    ASSERT(count > 0);

    const struct kv_command *command = kv_command_find(arguments[0].data, arguments[0].size_bytes);
    const char *refusal = UNKNOWN_COMMAND;

    if (command == NULL ||
        !kv_command_check(kv_command_id_of(command), arguments, count, &refusal)) {
        sink->error(sink->context, refusal);
        return;
    }
    if ((command->flags & KV_READ) == 0) {
        sink->error(sink->context, "ERR the command writes and must go through the log");
        return;
    }
    struct kv_call call = {
        .store = &kv->store,
        .arguments = arguments,
        .count = count,
        .reply = sink,
        .now_ns = max_u64(now_ns, kv->store.log_time_ns),
        .random = random,
        .reply_bytes_max = kv->reply_bytes_max,
    };
    int error = kv_command_execute(kv_command_id_of(command), &call);
    /* Reading takes no memory. */
    ASSERT(error == 0);
}

uint64_t kv_key_digest(const struct kv *kv, struct kv_argument key)
{
    const struct kv_item *item = kv_store_find(&kv->store, key);

    return item == NULL ? 0 : max_u64(item->digest, 1);
}

void kv_stats(const struct kv *kv, struct kv_stats *out)
{
    const struct kv_store *store = &kv->store;

    *out = (struct kv_stats){
        .key_count = kv_store_count(store),
        .expiring_key_count = kv_tree_count(&store->expiries),
        .memory_bytes = atomic_load_explicit(&store->memory.used_bytes, memory_order_relaxed),
        .expired_count = store->expired_count,
    };
}

bool kv_scan(struct kv *kv, const struct kv_argument *after, size_t count,
             const struct kv_argument *pattern,
             void (*each)(void *context, const void *key, size_t size_bytes), void *context,
             struct kv_argument *last_key)
{
    static const struct kv_argument all = {"*", 1};
    struct kv_match match;
    const struct kv_item *item;

    kv_match_begin(&match, &kv->store, pattern == NULL ? all : *pattern, after);
    for (size_t seen = 0; (item = kv_match_item(&match)) != NULL; seen++) {
        if (seen > 0 && seen >= count) {
            return true;
        }
        if (kv_match_accepts(&match, item)) {
            each(context, item->data, item->key_bytes);
        }
        *last_key = kv_item_key(item);
        kv_match_next(&match);
    }
    return false;
}

void kv_invariants(const struct kv *kv)
{
    kv_store_invariants(&kv->store);
}
