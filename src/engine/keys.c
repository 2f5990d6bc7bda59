/* keys.c: the cluster's secret: read at the start, changed while the engine runs.
 *
 * The file is written on libuv's pool of threads, as a sync may take its time; one change at a
 * time. Only then the keyring, which belongs to the loop, gets the new keys.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "quorate/keys.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "engine/internal.h"

_Static_assert(QR_KEYS_MAX == KEYRING_KEYS_MAX && QR_KEY_ID_BYTES == KEYRING_ID_TEXT_BYTES &&
                   QR_KEY_BYTES_MAX == KEYRING_TEXT_BYTES_MAX,
               "the public header says the same");

int engine_keys_open(struct qr_engine *engine, const struct qr_engine_options *options,
                     char *detail)
{
    struct keyring_key keys[KEYRING_KEYS_MAX];
    size_t count = 0;
    struct text path = text_of(engine->keys.path, sizeof(engine->keys.path));
    if (options->secret_file == NULL) {
        return 0;
    }
    text_string(&path, options->secret_file);
    if (path.truncated) {
        (void)snprintf(detail, QR_ERROR_DETAIL_BYTES, "secret_file: its path is too long");
        return QR_ERR_INVALID;
    }
    int status = keyring_file_read(engine->keys.path, keys, &count, detail);
    if (status == 0) {
        status = keyring_new(&engine->allocator, keys, count, &engine->keyring);
        if (status != 0) {
            (void)snprintf(detail, QR_ERROR_DETAIL_BYTES, "memory ran out");
        }
    }
    keyring_wipe(keys, sizeof(keys));
    return status;
}

static void list(const struct qr_engine *engine, struct qr_keys *out)
{
    struct keyring_key keys[KEYRING_KEYS_MAX];
    *out = (struct qr_keys){.count = 0};
    if (engine->keyring == NULL) {
        return;
    }
    out->count = keyring_keys(engine->keyring, keys);
    for (size_t i = 0; i < out->count; i++) {
        keyring_id_text(keyring_id_of(&keys[i]), out->ids[i]);
    }
    keyring_wipe(keys, sizeof(keys));
}

static bool is_name(const char *text, size_t size_bytes)
{
    bool is_hex = size_bytes == QR_KEY_ID_BYTES - 1;
    for (size_t i = 0; is_hex && i < size_bytes; i++) {
        is_hex = (text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f') ||
                 (text[i] >= 'A' && text[i] <= 'F');
    }
    return is_hex;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'F' ? (char)(c - 'A' + 'a') : c;
}

int qr_key_name(const char *key, size_t key_bytes, bool is_name_taken, char id[QR_KEY_ID_BYTES])
{
    struct keyring_key parsed;
    if (key == NULL || id == NULL) {
        return QR_ERR_INVALID;
    }
    if (is_name_taken && is_name(key, key_bytes)) {
        for (size_t i = 0; i < key_bytes; i++) {
            id[i] = lower(key[i]);
        }
        id[key_bytes] = '\0';
        return 0;
    }
    int status = keyring_key_parse(key, key_bytes, &parsed);
    if (status == 0) {
        keyring_id_text(keyring_id_of(&parsed), id);
    }
    keyring_wipe(&parsed, sizeof(parsed));
    return status;
}

/* Names are compared without regard to case, as hexadecimal is. */
static bool is_name_of(const struct keyring_key *key, const char *text, size_t size_bytes)
{
    char name[KEYRING_ID_TEXT_BYTES];
    keyring_id_text(keyring_id_of(key), name);
    bool is_same = size_bytes == sizeof(name) - 1;
    for (size_t i = 0; i < size_bytes && is_same; i++) {
        is_same = lower(text[i]) == name[i];
    }
    return is_same;
}

/* What is to be changed to what: the new list, and the sentence that tells it. */
struct plan {
    struct keyring_key keys[KEYRING_KEYS_MAX];
    size_t count;
    bool is_change;
    const char *reason;
};

static void move_first(struct plan *plan, size_t at)
{
    struct keyring_key key = plan->keys[at];
    memmove(&plan->keys[1], &plan->keys[0], at * sizeof(key));
    plan->keys[0] = key;
    keyring_wipe(&key, sizeof(key));
}

static void take_out(struct plan *plan, size_t at)
{
    plan->count--;
    memmove(&plan->keys[at], &plan->keys[at + 1], (plan->count - at) * sizeof(plan->keys[0]));
}

static int plan_add(struct plan *plan, const struct keyring_key *key, bool is_there)
{
    if (is_there) {
        plan->reason = "it was there already";
        return 0;
    }
    if (key == NULL) {
        plan->reason =
            "that is no key: give 32 bytes in base64 or hexadecimal, or 16 to 256 others";
        return QR_ERR_INVALID;
    }
    if (plan->count == KEYRING_KEYS_MAX) {
        plan->reason = "there are 8 keys already; remove one first";
        return QR_ERR_TOO_LARGE;
    }
    plan->keys[plan->count++] = *key;
    plan->is_change = true;
    plan->reason = "added: what comes under it is taken";
    return 0;
}

static int plan_use(struct plan *plan, size_t at)
{
    if (at == plan->count) {
        plan->reason = "this node has no such key; add it first, on every node";
        return QR_ERR_NOT_FOUND;
    }
    plan->is_change = at != 0;
    plan->reason = at == 0 ? "it was used already" : "used to send from now on";
    move_first(plan, at);
    return 0;
}

static int plan_remove(struct plan *plan, size_t at)
{
    if (at == plan->count) {
        plan->reason = "it was not there";
        return 0;
    }
    if (at == 0) {
        plan->reason = "it is used to send; use another first, on every node";
        return QR_ERR_INVALID;
    }
    take_out(plan, at);
    plan->is_change = true;
    plan->reason = "removed: what comes under it is refused";
    return 0;
}

static int make_plan(const struct qr_engine *engine, enum qr_keys_action action, const char *text,
                     size_t size_bytes, struct plan *plan)
{
    struct keyring_key key;
    size_t at = 0;
    plan->count = keyring_keys(engine->keyring, plan->keys);
    bool is_key = keyring_key_parse(text, size_bytes, &key) == 0;
    while (at < plan->count && !is_name_of(&plan->keys[at], text, size_bytes) &&
           !(is_key && memcmp(&plan->keys[at], &key, sizeof(key)) == 0)) {
        at++;
    }
    int status = action == QR_KEYS_ADD   ? plan_add(plan, is_key ? &key : NULL, at < plan->count)
                 : action == QR_KEYS_USE ? plan_use(plan, at)
                                         : plan_remove(plan, at);
    keyring_wipe(&key, sizeof(key));
    return status;
}

static void answer(struct qr_engine *engine, const struct request *request, int status,
                   const char *reason)
{
    struct qr_keys keys;
    list(engine, &keys);
    const struct waiter_call waiter = {(void (*)(void))request->keys.done, request->keys.argument};
    engine_end_keys(engine, &waiter, status, reason, &keys);
}

static bool holds(const struct keyring_key *keys, size_t count, const struct keyring_key *others,
                  size_t other_count)
{
    return count == other_count && memcmp(keys, others, count * sizeof(*keys)) == 0;
}

/* On a thread of the pool. What somebody wrote into the file by hand is not written over. */
static void write_file(uv_work_t *work)
{
    struct engine_keys *keys = work->data;
    struct keyring_key found[KEYRING_KEYS_MAX];
    size_t count = 0;
    keys->status = keyring_file_read(keys->path, found, &count, keys->detail);
    if (keys->status == 0 && holds(found, count, keys->after, keys->after_count)) {
        /* Written before, as far as can be told: by a node that shares the file, or by us when
         * only the sync of its folder failed. Once more costs little.
         */
        keys->status = keyring_file_write(keys->path, found, count, keys->detail);
    } else if (keys->status == 0 && holds(found, count, keys->before, keys->before_count)) {
        keys->status = keyring_file_write(keys->path, keys->after, keys->after_count, keys->detail);
    } else if (keys->status == 0) {
        keys->status = QR_ERR_MISMATCH;
        (void)snprintf(keys->detail, sizeof(keys->detail),
                       "%.300s holds other keys than this node has: it was changed by hand; "
                       "restart the node, or put it back",
                       keys->path);
    }
    keyring_wipe(found, sizeof(found));
}

static void on_written(uv_work_t *work, int cancelled)
{
    struct engine_keys *keys = work->data;
    struct qr_engine *engine = keys->engine;
    struct qr_keys now;
    ASSERT(cancelled == 0 && keys->is_busy);
    if (keys->status == 0 && keyring_set(engine->keyring, keys->after, keys->after_count) != 0) {
        keys->status = QR_ERR_BUSY;
        (void)snprintf(keys->detail, sizeof(keys->detail),
                       "memory ran out behind the change of the file; repeat it");
    }
    keyring_wipe(keys->before, sizeof(keys->before));
    keyring_wipe(keys->after, sizeof(keys->after));
    keys->is_busy = false;
    list(engine, &now);
    LOG(&engine->log, keys->status == 0 ? LOG_INFO : LOG_WARN, "cluster_keys",
        log_string("outcome", keys->status == 0 ? keys->reason : keys->detail),
        log_u64("keys", now.count), log_string("used", now.ids[0]));
    const struct waiter_call waiter = {(void (*)(void))keys->done, keys->argument};
    engine_end_keys(engine, &waiter, keys->status, keys->status == 0 ? keys->reason : keys->detail,
                    &now);
    application_wake(&engine->application);
    engine_handle_closed(engine);
}

static void begin(struct qr_engine *engine, const struct request *request, const struct plan *plan)
{
    struct engine_keys *keys = &engine->keys;
    keys->engine = engine;
    keys->done = request->keys.done;
    keys->argument = request->keys.argument;
    keys->reason = plan->reason;
    keys->before_count = keyring_keys(engine->keyring, keys->before);
    memcpy(keys->after, plan->keys, sizeof(keys->after));
    keys->after_count = plan->count;
    keys->detail[0] = '\0';
    keys->work.data = keys;
    int failed = uv_queue_work(engine->loop, &keys->work, write_file, on_written);
    ASSERT(failed == 0); /* it fails only without a function to run */
    keys->is_busy = true;
    engine->open_handles++;
}

void engine_take_keys(struct qr_engine *engine, struct request *request)
{
    struct plan plan = {.reason = ""};
    int status = 0;
    if (engine->node == NULL || engine->is_stopping) {
        status = QR_ERR_STOPPED;
        plan.reason = "this node has stopped";
    } else if (engine->keyring == NULL) {
        status = QR_ERR_NOT_FOUND;
        plan.reason = "this node was started without a cluster secret";
    } else if (request->keys.action != QR_KEYS_LIST && engine->keys.is_busy) {
        status = QR_ERR_BUSY;
        plan.reason = "another change of the keys is under way";
    } else if (request->keys.action != QR_KEYS_LIST) {
        status = make_plan(engine, request->keys.action, (const char *)request->data,
                           request->keys.key_bytes, &plan);
    }
    if (status == 0 && plan.is_change) {
        begin(engine, request, &plan);
    } else {
        answer(engine, request, status, plan.reason);
    }
    keyring_wipe(request->data, request->keys.key_bytes);
    keyring_wipe(&plan, sizeof(plan));
}

/* Always by way of the queue: it is rare, and may come from anywhere. */
int qr_keys(struct qr_engine *engine, enum qr_keys_action action, const char *key, size_t key_bytes,
            qr_keys_done *done, void *argument)
{
    size_t given_bytes = action == QR_KEYS_LIST ? 0 : key_bytes;
    if (!engine_is_given(engine) || done == NULL || (unsigned)action > QR_KEYS_REMOVE ||
        (key == NULL && given_bytes > 0)) {
        return QR_ERR_INVALID;
    }
    if (given_bytes > QR_KEY_BYTES_MAX) {
        return QR_ERR_TOO_LARGE;
    }
    struct request *request = engine_request_new(engine, REQUEST_KEYS, given_bytes);
    if (request == NULL) {
        return QR_ERR_BUSY;
    }
    request->keys.action = action;
    request->keys.done = done;
    request->keys.argument = argument;
    request->keys.key_bytes = given_bytes;
    if (given_bytes > 0) {
        memcpy(request->data, key, given_bytes);
    }
    int status = engine_queue(engine, request);
    if (status != 0) {
        keyring_wipe(request->data, given_bytes);
        engine_request_free(engine, request);
    }
    return status;
}
