/* command_inject.c: inject TYPE FROM->TO term=T field=value… [entries=TERM/INDEX:payload,…]
 *
 * The message reaches its receiver at once, whatever the network does, as if a node with
 * another mind than ours had sent it. A reason is given by its number.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "scenario/command.h"

#define ENTRIES_MAX 32

static void set_u64(const struct command *command, const char *value, uint64_t *out)
{
    *out = command_number(command, value);
}

static void set_bool(const struct command *command, const char *value, bool *out)
{
    if (strcmp(value, "true") != 0 && strcmp(value, "false") != 0) {
        command_fail(command, "true or false, not %s", value);
    }
    *out = strcmp(value, "true") == 0;
}

static void set_reason(const struct command *command, const char *value, uint32_t *out)
{
    *out = (uint32_t)command_number(command, value);
}

/* Reads `term/index`; returns what follows. */
static const char *position_end(const struct command *command, const char *value,
                                struct raft_position *out)
{
    char *slash = NULL;
    char *end = NULL;
    out->term = strtoull(value, &slash, 10);
    if (slash == value || *slash != '/') {
        command_fail(command, "not TERM/INDEX: %s", value);
    }
    out->index = strtoull(slash + 1, &end, 10);
    if (end == slash + 1) {
        command_fail(command, "not TERM/INDEX: %s", value);
    }
    return end;
}

static void set_position(const struct command *command, const char *value,
                         struct raft_position *out)
{
    if (*position_end(command, value, out) != '\0') {
        command_fail(command, "not TERM/INDEX: %s", value);
    }
}

/* Bytes of a snapshot as a word; the message holds its chunk until the command ends. */
static void set_data(const struct command *command, const char *value, struct raft_data *out)
{
    size_t length = strlen(value);
    if (length == 0 || out->chunk != NULL) {
        command_fail(command, "data is to be given once, and not empty");
    }
    struct chunk *chunk = chunk_new(&command->cluster->heap.allocator, (uint32_t)length);
    ASSERT(chunk != NULL);
    memcpy(chunk->data, value, length);
    *out = (struct raft_data){chunk, chunk->data, (uint32_t)length};
}

#define SET_U64 set_u64
#define SET_U63 set_u64
#define SET_BOOL set_bool
#define SET_ASSUMED SET_BOOL
#define SET_ENUM_REASON set_reason
#define SET_POSITION set_position
#define SET_DATA set_data
#define SET(kind, type, name)                                                                      \
    if (strcmp(key, #name) == 0) {                                                                 \
        SET_##kind(command, value, &message->name);                                                \
        return true;                                                                               \
    }
#define X(id, number, member, text, fields)                                                        \
    static bool set_##member(const struct command *command, struct raft_##member *message,         \
                             const char *key, const char *value)                                   \
    {                                                                                              \
        fields(SET) return false;                                                                  \
    }
RAFT_MESSAGE_MAP(X)
#undef X

static bool set_field(const struct command *command, struct raft_message *message, const char *key,
                      const char *value)
{
    if (strcmp(key, "term") == 0) {
        set_u64(command, value, &message->term);
        return true;
    }
    switch (message->type) {
#define X(id, number, member, text, fields)                                                        \
    case id:                                                                                       \
        return set_##member(command, &message->member, key, value);
        RAFT_MESSAGE_MAP(X)
#undef X
    }
    return false;
}

/* Entries in `TERM/INDEX:payload,…`; one without a payload is a no-op. */
static size_t make_entries(const struct command *command, const char *value,
                           struct entry_arena *arena, struct entry *entries)
{
    size_t count = 0;
    while (*value != '\0' && count < ENTRIES_MAX) {
        struct raft_position position;
        const char *payload = position_end(command, value, &position);
        payload += *payload == ':';
        size_t length = strcspn(payload, ",");
        struct entry_fields fields = {
            .index = position.index,
            .term = position.term,
            .timestamp_ns = WALL_NS_AT_START,
            .type = length > 0 ? ENTRY_NORMAL : ENTRY_NOOP,
            .payload = payload,
            .payload_bytes = (uint32_t)length,
        };
        int status = entry_arena_encode(arena, &fields, &entries[count++]);
        ASSERT(status == 0);
        value = payload + length + (payload[length] == ',');
    }
    return count;
}

static void read_ids(const struct command *command, struct raft_message *message)
{
    char *arrow = NULL;
    char *end = NULL;
    message->from = strtoull(command->words[2], &arrow, 10);
    if (strncmp(arrow, "->", 2) != 0) {
        command_fail(command, "not FROM->TO: %s", command->words[2]);
    }
    message->to = strtoull(arrow + 2, &end, 10);
    if (*end != '\0' || cluster_running(command->cluster, message->to) == NULL) {
        command_fail(command, "not FROM->TO: %s", command->words[2]);
    }
}

void command_inject(const struct command *command)
{
    struct entry entries[ENTRIES_MAX];
    struct raft_message message = {.entries = entries};
    struct entry_arena arena;
    if (command->count < 3) {
        command_fail(command, "inject TYPE FROM->TO field=value…");
    }
    message.type = command_message_type(command, command->words[1]);
    read_ids(command, &message);
    entry_arena_init(&arena, &command->cluster->heap.allocator);
    for (size_t i = 3; i < command->count; i++) {
        char *word = command->words[i];
        char *value = strchr(word, '=');
        char key[64];
        if (value == NULL || (size_t)(value - word) >= sizeof(key)) {
            command_fail(command, "not field=value: %s", word);
        }
        memcpy(key, word, (size_t)(value - word));
        key[value - word] = '\0';
        if (strcmp(key, "entries") == 0) {
            message.entry_count = make_entries(command, value + 1, &arena, entries);
        } else if (!set_field(command, &message, key, value + 1)) {
            command_fail(command, "no such field: %s", key);
        }
    }
    struct raft_event event = {.type = RAFT_EVENT_MESSAGE, .message = &message};
    (void)cluster_step(command->cluster, message.to, event);
    for (size_t i = 0; i < message.entry_count; i++) {
        chunk_drop(entries[i].chunk);
    }
    if (message.type == RAFT_INSTALL_SNAPSHOT) {
        chunk_drop(message.install_snapshot.data.chunk);
    }
    entry_arena_deinit(&arena);
}
