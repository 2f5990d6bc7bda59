/* transaction.c: see transaction.h. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "server/transaction.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

void transaction_unwatch(struct transaction *transaction)
{
    for (size_t i = 0; i < transaction->watch_count; i++) {
        free((void *)(uintptr_t)transaction->watches[i].key.data);
    }
    free(transaction->watches);
    transaction->watches = NULL;
    transaction->watch_count = 0;
    transaction->watched_bytes = 0;
}

void transaction_clear(struct transaction *transaction)
{
    transaction_unwatch(transaction);
    buffer_free(&transaction->commands);
    *transaction = (struct transaction){0};
}

bool transaction_add(struct transaction *transaction, const struct kv_argument *arguments,
                     size_t count, size_t bytes_max)
{
    ASSERT(transaction->is_open);
    size_t size_bytes = kv_payload_bytes(arguments, count);
    size_t used_bytes = buffer_bytes(&transaction->commands) + transaction->watched_bytes;
    bool has_room = transaction->command_count < KV_EXEC_COMMANDS_MAX && used_bytes < bytes_max &&
                    size_bytes <= bytes_max - used_bytes;
    uint8_t *at = has_room ? buffer_reserve(&transaction->commands, size_bytes) : NULL;

    if (at == NULL) {
        buffer_free(&transaction->commands);
        transaction->command_count = 0;
        transaction->has_failed = true;
        return false;
    }
    kv_payload_encode(arguments, count, at);
    transaction->commands.end += size_bytes;
    transaction->command_count++;
    return true;
}

static bool is_watched(const struct transaction *transaction, struct kv_argument key)
{
    for (size_t i = 0; i < transaction->watch_count; i++) {
        const struct kv_argument *known = &transaction->watches[i].key;
        if (known->size_bytes == key.size_bytes &&
            memcmp(known->data, key.data, key.size_bytes) == 0) {
            return true;
        }
    }
    return false;
}

bool transaction_watch(struct transaction *transaction, struct kv_argument key, uint64_t digest,
                       size_t bytes_max)
{
    if (is_watched(transaction, key)) {
        return true;
    }
    size_t size_bytes = key.size_bytes + sizeof(struct kv_watch);
    size_t used_bytes = buffer_bytes(&transaction->commands) + transaction->watched_bytes;
    if (transaction->watch_count == KV_EXEC_WATCHES_MAX || used_bytes >= bytes_max ||
        size_bytes > bytes_max - used_bytes) {
        return false;
    }
    if (transaction->watches == NULL) {
        transaction->watches = calloc(KV_EXEC_WATCHES_MAX, sizeof(*transaction->watches));
    }
    void *copy = malloc(key.size_bytes + (key.size_bytes == 0));
    if (transaction->watches == NULL || copy == NULL) {
        free(copy);
        return false;
    }
    memcpy(copy, key.data, key.size_bytes);
    transaction->watches[transaction->watch_count++] =
        (struct kv_watch){{copy, key.size_bytes}, digest};
    transaction->watched_bytes += size_bytes;
    return true;
}

struct kv_exec transaction_exec(const struct transaction *transaction)
{
    return (struct kv_exec){
        .watches = transaction->watches,
        .watch_count = transaction->watch_count,
        .commands = buffer_at(&transaction->commands),
        .commands_bytes = buffer_bytes(&transaction->commands),
        .command_count = transaction->command_count,
    };
}
