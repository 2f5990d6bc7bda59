/* snapshot_store.c: which snapshots there are, and the removal of those nobody needs.
 *
 * Owns     the table of files and the one removal under way.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "wal/snapshot_store.h"

#include <string.h>

#include "wal/snapshot_internal.h"

struct snapshot_file *snapshot_store_find(struct snapshot_store *store, raft_index index)
{
    for (size_t i = 0; i < store->file_count; i++) {
        struct snapshot_file *file = &store->files[i];
        if (file->index == index && file->state != SNAPSHOT_ASIDE) {
            return file;
        }
    }
    return NULL;
}

static void forget(struct snapshot_store *store, size_t at)
{
    store->file_count--;
    memmove(store->files + at, store->files + at + 1,
            (store->file_count - at) * sizeof(store->files[0]));
}

bool snapshot_store_enter(struct snapshot_store *store, const struct snapshot_file *file)
{
    bool is_aside = file->state == SNAPSHOT_ASIDE;
    struct snapshot_file *old = is_aside ? NULL : snapshot_store_find(store, file->index);
    if (old != NULL) {
        ASSERT(old->reader_count == 0);
        *old = *file;
        return true;
    }
    if (store->file_count == SNAPSHOT_FILES_MAX) {
        return false;
    }
    size_t at = store->file_count;
    while (at > 0 && store->files[at - 1].index < file->index) {
        at--;
    }
    memmove(store->files + at + 1, store->files + at,
            (store->file_count - at) * sizeof(store->files[0]));
    store->files[at] = *file;
    store->file_count++;
    return true;
}

static void meet_file(void *argument, const char *name, uint64_t size_bytes)
{
    struct snapshot_store *store = argument;
    struct snapshot_file file = {.file_bytes = size_bytes};
    bool is_aside;
    if (!snapshot_name_parse(name, &file.index, &is_aside)) {
        return;
    }
    file.state = is_aside ? SNAPSHOT_ASIDE : SNAPSHOT_UNCHECKED;
    file.is_unwanted = is_aside;
    if (!snapshot_store_enter(store, &file) &&
        store->files[store->file_count - 1].index < file.index) {
        store->file_count--; /* the lowest makes room: a later start meets it again */
        bool is_entered = snapshot_store_enter(store, &file);
        ASSERT(is_entered);
    }
}

static const struct snapshot_file *newest(const struct snapshot_store *store)
{
    for (size_t i = 0; i < store->file_count; i++) {
        if (store->files[i].state == SNAPSHOT_WHOLE) {
            return &store->files[i];
        }
    }
    return NULL;
}

/* Check from the highest index on, until one is whole. */
static int look(struct snapshot_store *store, struct snapshot_found *found, char *detail)
{
    char later[SNAPSHOT_ERROR_DETAIL_BYTES];
    for (size_t i = 0; i < store->file_count && newest(store) == NULL; i++) {
        struct snapshot_file *file = &store->files[i];
        if (file->state == SNAPSHOT_ASIDE) {
            continue;
        }
        bool is_first = found->refused_count == 0;
        char *text = is_first ? detail : later;
        int status = snapshot_walk(&store->options, file, NULL, NULL, text);
        if (status != 0 && status != QR_ERR_CORRUPT && status != QR_ERR_VERSION) {
            memmove(detail, text, SNAPSHOT_ERROR_DETAIL_BYTES);
            return status;
        }
        if (status != 0) {
            file->state = SNAPSHOT_REFUSED;
            found->refused_status = is_first ? status : found->refused_status;
            found->refused_index = is_first ? file->index : found->refused_index;
            found->refused_count++;
            LOG(store->options.log, LOG_ERROR, "snapshot_refused", log_string("detail", text));
        }
    }
    found->has_newest = snapshot_store_newest(store, &found->newest);
    return 0;
}

int snapshot_store_open(const struct snapshot_options *options, struct snapshot_store **out,
                        struct snapshot_found *found, char *detail)
{
    ASSERT(options->chunk_bytes >= SNAPSHOT_CHUNK_BYTES_MIN);
    ASSERT(options->chunk_bytes <= SNAPSHOT_CHUNK_BYTES_MAX);
    struct text text = text_of(detail, SNAPSHOT_ERROR_DETAIL_BYTES);
    struct snapshot_store *store = allocate_zeroed(options->allocator, sizeof(*store));
    if (store == NULL) {
        text_string(&text, "not enough memory to open the snapshots");
        return QR_ERR_NO_MEMORY;
    }
    store->options = *options;
    struct snapshot_found result = {.has_newest = false};
    int status = options->disk->list(options->disk->context, meet_file, store);
    if (status != 0) {
        text_string(&text, "the directory of the snapshots cannot be listed");
    } else {
        status = look(store, &result, detail);
    }
    if (status != 0) {
        snapshot_store_free(store);
        return status;
    }
    *found = result;
    *out = store;
    return 0;
}

void snapshot_store_free(struct snapshot_store *store)
{
    if (store == NULL) {
        return;
    }
    ASSERT(snapshot_store_is_idle(store));
    for (size_t i = 0; i < SNAPSHOT_READERS_MAX; i++) {
        ASSERT(!store->readers[i].is_open);
    }
    for (size_t i = 0; i < 2; i++) {
        release(store->options.allocator, store->writer.buffers[i].record,
                snapshot_record_bytes(store->options.chunk_bytes));
    }
    release(store->options.allocator, store, sizeof(*store));
}

bool snapshot_store_newest(const struct snapshot_store *store, struct snapshot_info *out)
{
    const struct snapshot_file *file = newest(store);
    if (file != NULL) {
        *out = file->info;
    }
    return file != NULL;
}

int snapshot_store_load(const struct snapshot_store *store,
                        int (*each)(void *context, const uint8_t *data, size_t size_bytes),
                        void *context, char *detail)
{
    const struct snapshot_file *file = newest(store);
    if (file == NULL) {
        struct text text = text_of(detail, SNAPSHOT_ERROR_DETAIL_BYTES);
        text_string(&text, "there is no snapshot");
        return QR_ERR_NOT_FOUND;
    }
    struct snapshot_file copy = *file;
    return snapshot_walk(&store->options, &copy, each, context, detail);
}

static bool is_removed_one(const struct snapshot_store *store, const struct snapshot_file *file)
{
    return file->index == store->removal_index &&
           (file->state == SNAPSHOT_ASIDE) == store->removal_is_aside;
}

static void removal_done(struct disk_op *op)
{
    struct snapshot_store *store = op->context;
    store->is_removing = false;
    size_t at = 0;
    while (at < store->file_count && !is_removed_one(store, &store->files[at])) {
        at++;
    }
    ASSERT(at < store->file_count);
    if (op->status == 0) {
        forget(store, at);
    } else {
        /* It harms nobody but for its room: the next start tries again. */
        struct snapshot_file *file = &store->files[at];
        file->is_unwanted = false;
        file->state = file->state == SNAPSHOT_ASIDE ? SNAPSHOT_ASIDE : SNAPSHOT_REFUSED;
        LOG(store->options.log, LOG_WARN, "snapshot_not_removed", log_string("file", op->name),
            log_string("error", qr_error_text(op->status)));
    }
    snapshot_store_work(store);
}

void snapshot_store_work(struct snapshot_store *store)
{
    if (store->is_removing) {
        return;
    }
    for (size_t i = store->file_count; i > 0; i--) {
        const struct snapshot_file *file = &store->files[i - 1];
        if (!file->is_unwanted || file->reader_count > 0) {
            continue;
        }
        store->removal =
            (struct disk_op){.kind = DISK_REMOVE, .done = removal_done, .context = store};
        store->removal_index = file->index;
        store->removal_is_aside = file->state == SNAPSHOT_ASIDE;
        snapshot_name(store->removal_index, store->removal_is_aside, store->removal.name);
        store->is_removing = true;
        store->options.disk->submit(store->options.disk->context, &store->removal);
        return;
    }
}

void snapshot_store_remove_below(struct snapshot_store *store, raft_index index)
{
    const struct snapshot_file *kept = newest(store);
    bool is_writing = store->writer.stage != SNAPSHOT_IDLE;
    for (size_t i = 0; i < store->file_count; i++) {
        struct snapshot_file *file = &store->files[i];
        /* One that is just being replaced goes with that. */
        bool is_replaced = is_writing && file->index == store->writer.index;
        if (file != kept && file->index < index && !is_replaced) {
            file->is_unwanted = true;
        }
    }
    snapshot_store_work(store);
}

bool snapshot_store_is_idle(const struct snapshot_store *store)
{
    bool is_reading = false;
    for (size_t i = 0; i < SNAPSHOT_READERS_MAX; i++) {
        is_reading = is_reading || store->readers[i].is_reading;
    }
    return !is_reading && !store->is_removing && !store->writer.is_under_way;
}

void snapshot_store_invariants(const struct snapshot_store *store)
{
    const struct snapshot_writer *writer = &store->writer;
    size_t pinned = 0;
    size_t open = 0;
    for (size_t i = 0; i < store->file_count; i++) {
        const struct snapshot_file *file = &store->files[i];
        ASSERT_IMPLIES(i > 0, file[0].index <= file[-1].index);
        ASSERT_IMPLIES(file->state == SNAPSHOT_WHOLE, file->info.position.index == file->index);
        ASSERT_IMPLIES(file->reader_count > 0, file->state == SNAPSHOT_WHOLE);
        pinned += file->reader_count;
    }
    for (size_t i = 0; i < SNAPSHOT_READERS_MAX; i++) {
        const struct snapshot_reader *reader = &store->readers[i];
        ASSERT_IMPLIES(reader->is_reading || reader->is_closing, reader->is_open);
        ASSERT_IMPLIES(reader->is_open, reader->offset <= reader->info.size_bytes);
        open += reader->is_open;
    }
    ASSERT(pinned == open);
    const struct snapshot_file *kept = newest(store);
    ASSERT_IMPLIES(kept != NULL, !kept->is_unwanted);
    ASSERT_IMPLIES(writer->stage == SNAPSHOT_IDLE, !writer->is_under_way);
    ASSERT_IMPLIES(writer->stage == SNAPSHOT_PUBLISHING, writer->has_trailer);
    ASSERT_IMPLIES(writer->has_trailer, writer->has_header);
    ASSERT(writer->unsynced_bytes <= SNAPSHOT_SYNC_BYTES + SNAPSHOT_RECORD_BYTES_MAX);
}
