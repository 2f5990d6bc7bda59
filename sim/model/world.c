/* world.c: entries and messages under numbers, and the ways to rename nodes. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/model/world.h"

#include <stdarg.h>
#include <string.h>

#include "base/assert.h"

#define LENT_REFERENCES (UINT32_C(1) << 30)
#define FINGERPRINT_BYTES_MAX 4096

static bool is_alike(const struct model_configuration *configuration, node_id id)
{
    return (configuration->alike >> (id - 1) & 1) != 0;
}

/* Whether it renames alike nodes among themselves, one to one, and leaves the others. */
static bool renaming_is_valid(const struct world *world, const struct world_renaming *renaming)
{
    unsigned taken = 0;
    for (node_id id = 1; id <= world->configuration->node_count; id++) {
        node_id name = renaming->names[id];
        if (name != id &&
            !(is_alike(world->configuration, id) && is_alike(world->configuration, name))) {
            return false;
        }
        taken |= 1U << name;
    }
    return taken == (1U << (world->configuration->node_count + 1)) - 2;
}

/* All of them, found by counting through every list of names. */
static void fill_renamings(struct world *world, bool ignores_symmetry)
{
    unsigned count = world->configuration->node_count;
    unsigned all = 1;
    for (unsigned i = 0; i < count; i++) {
        all *= count;
    }
    world->renamings[0] = (struct world_renaming){{0, 1, 2, 3, 4}};
    world->renaming_count = 1;
    for (unsigned i = 0; i < all && !ignores_symmetry; i++) {
        struct world_renaming renaming = {{0}};
        unsigned digits = i;
        for (node_id id = 1; id <= count; id++) {
            renaming.names[id] = digits % count + 1;
            digits /= count;
        }
        if (renaming_is_valid(world, &renaming) &&
            memcmp(&renaming, &world->renamings[0], (count + 1) * sizeof(node_id)) != 0) {
            ASSERT(world->renaming_count < WORLD_RENAMINGS_MAX);
            world->renamings[world->renaming_count++] = renaming;
        }
    }
}

bool world_init(struct world *world, const struct model_configuration *configuration,
                const struct model_options *options)
{
    *world = (struct world){
        .configuration = configuration,
        .budget = {.limit_bytes = options->memory_bytes_max},
        .disk_lies = options->disk_lies,
    };
    fill_renamings(world, options->ignores_symmetry);
    return pool_init(&world->entries, &world->budget) &&
           pool_init(&world->messages, &world->budget) &&
           pool_init(&world->bytes, &world->budget) &&
           table_init(&world->entry_numbers, &world->budget) &&
           table_init(&world->message_numbers, &world->budget);
}

void world_deinit(struct world *world)
{
    table_deinit(&world->message_numbers);
    table_deinit(&world->entry_numbers);
    pool_deinit(&world->bytes);
    pool_deinit(&world->messages);
    pool_deinit(&world->entries);
}

static node_id rename_node(const void *context, node_id id)
{
    const struct world_renaming *renaming = context;
    return id <= MODEL_NODES_MAX ? renaming->names[id] : id;
}

struct raft_renaming world_renaming(const struct world *world, size_t renaming)
{
    return (struct raft_renaming){&world->renamings[renaming], rename_node};
}

static struct hash hash_message(const struct world *world, const struct raft_message *message,
                                size_t number, enum world_hash kind)
{
    uint8_t bytes[FINGERPRINT_BYTES_MAX];
    struct writer writer = writer_of(bytes, sizeof(bytes));
    struct raft_renaming renaming = world_renaming(world, number);
    raft_message_fingerprint(message, &renaming, &writer);
    ASSERT(!writer.failed);
    return hash_of(bytes, writer_used(&writer), kind);
}

/* An entry alone, in a message's clothes: so its form is that of src/raft too. */
static struct raft_message around_entry(const struct entry *entry)
{
    return (struct raft_message){.type = RAFT_APPEND_ENTRIES, .entries = entry, .entry_count = 1};
}

static void *take_bytes(struct world *world, size_t size_bytes)
{
    const size_t align = _Alignof(max_align_t);
    return pool_take(&world->bytes, (size_bytes + align - 1) / align * align);
}

/* A copy of the record, in a chunk that is never freed. */
static bool copy_record(struct world *world, const struct entry *from, struct entry *to)
{
    struct chunk *chunk = take_bytes(world, sizeof(*chunk) + from->record_bytes);
    if (chunk == NULL) {
        return false;
    }
    *chunk = (struct chunk){.reference_count = LENT_REFERENCES,
                            .size_bytes = from->record_bytes,
                            .used_bytes = from->record_bytes};
    memcpy(chunk->data, from->record, from->record_bytes);
    *to = *from;
    to->chunk = chunk;
    to->record = chunk->data;
    return true;
}

static uint16_t entry_add(struct world *world, const struct entry *entry, struct hash key)
{
    struct raft_message around = around_entry(entry);
    uint32_t number = (uint32_t)world->entry_numbers.count;
    struct world_entry *added = NULL;
    if (number < WORLD_ENTRIES_MAX) {
        added = pool_take(&world->entries, sizeof(*added));
    }
    if (added == NULL || !copy_record(world, entry, &added->entry) ||
        !table_put(&world->entry_numbers, key, number)) {
        world->is_full = true;
        return WORLD_ENTRY_NONE;
    }
    for (size_t i = 0; i < world->renaming_count; i++) {
        added->hashes[i] = hash_message(world, &around, i, WORLD_HASH_ENTRY);
    }
    return (uint16_t)number;
}

uint16_t world_entry_number(struct world *world, const struct entry *entry)
{
    struct raft_message around = around_entry(entry);
    struct hash key = hash_message(world, &around, 0, WORLD_HASH_ENTRY);
    uint32_t number = table_find(&world->entry_numbers, key);
    return number == TABLE_NONE ? entry_add(world, entry, key) : (uint16_t)number;
}

uint16_t world_entry_make(struct world *world, const struct entry_fields *fields)
{
    uint8_t record[1024];
    size_t record_bytes = entry_record_bytes(fields->command_bytes, fields->payload_bytes);
    ASSERT(record_bytes <= sizeof(record));
    entry_encode(fields, record);
    return world_entry_number(world, &(struct entry){
                                         .index = fields->index,
                                         .term = fields->term,
                                         .timestamp_ns = fields->timestamp_ns,
                                         .record = record,
                                         .record_bytes = (uint32_t)record_bytes,
                                         .type = fields->type,
                                     });
}

const struct world_entry *world_entry_at(const struct world *world, uint16_t number)
{
    ASSERT(number < world->entry_numbers.count);
    return (const struct world_entry *)(const void *)world->entries.base + number;
}

static struct world_message *message_at(const struct world *world, uint16_t number)
{
    ASSERT(number < world->message_numbers.count);
    return (struct world_message *)(void *)world->messages.base + number;
}

const struct world_message *world_message_at(const struct world *world, uint16_t number)
{
    return message_at(world, number);
}

/* The world's own copies of the entries, so that the message outlives who sent it. */
static bool copy_entries(struct world *world, struct raft_message *message)
{
    struct entry *entries = take_bytes(world, (message->entry_count + 1) * sizeof(*entries));
    if (entries == NULL) {
        return false;
    }
    for (size_t i = 0; i < message->entry_count; i++) {
        uint16_t number = world_entry_number(world, &message->entries[i]);
        if (number == WORLD_ENTRY_NONE) {
            return false;
        }
        entries[i] = world_entry_at(world, number)->entry;
    }
    message->entries = entries;
    return true;
}

/* The same for the data of a snapshot. */
static bool copy_data(struct world *world, struct raft_message *message)
{
    if (message->type != RAFT_INSTALL_SNAPSHOT) {
        return true;
    }
    struct raft_data *data = &message->install_snapshot.data;
    struct chunk *chunk = take_bytes(world, sizeof(*chunk) + data->size_bytes);
    if (chunk == NULL) {
        return false;
    }
    *chunk = (struct chunk){.reference_count = LENT_REFERENCES, .size_bytes = data->size_bytes};
    memcpy(chunk->data, data->bytes, data->size_bytes);
    data->chunk = chunk;
    data->bytes = chunk->data;
    return true;
}

uint16_t world_message_number(struct world *world, const struct raft_message *message)
{
    struct hash key = hash_message(world, message, 0, WORLD_HASH_MESSAGE);
    uint32_t number = table_find(&world->message_numbers, key);
    if (number != TABLE_NONE) {
        return (uint16_t)number;
    }
    number = (uint32_t)world->message_numbers.count;
    struct world_message *added = NULL;
    if (number < WORLD_MESSAGES_MAX) {
        added = pool_take(&world->messages, sizeof(*added));
    }
    if (added == NULL || !table_put(&world->message_numbers, key, number)) {
        world->is_full = true;
        return WORLD_MESSAGES_MAX;
    }
    added->raft = *message;
    if (!copy_entries(world, &added->raft) || !copy_data(world, &added->raft)) {
        world->is_full = true;
        return WORLD_MESSAGES_MAX;
    }
    for (size_t i = 0; i < world->renaming_count; i++) {
        added->hashes[i] = hash_message(world, &added->raft, i, WORLD_HASH_MESSAGE);
    }
    return (uint16_t)number;
}

void world_message_lend(const struct world *world, uint16_t number)
{
    const struct raft_message *message = &message_at(world, number)->raft;
    for (size_t i = 0; i < message->entry_count; i++) {
        message->entries[i].chunk->reference_count = LENT_REFERENCES;
    }
    if (message->type == RAFT_INSTALL_SNAPSHOT) {
        message->install_snapshot.data.chunk->reference_count = LENT_REFERENCES;
    }
}

void world_violate(struct world *world, const char *format, ...)
{
    if (!world_is_violated(world)) {
        va_list arguments;
        va_start(arguments, format);
        (void)vsnprintf(world->violation, sizeof(world->violation), format, arguments);
        va_end(arguments);
    }
}

bool world_is_violated(const struct world *world)
{
    return world->violation[0] != '\0';
}
