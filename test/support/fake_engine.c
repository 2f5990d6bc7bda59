/* fake_engine.c: an engine that there is not: what waits, and how a test has it end. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/fake_engine.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/text.h"

static void *take_memory(void *context, size_t size_bytes)
{
    (void)context;
    return malloc(size_bytes);
}

static void give_memory(void *context, void *memory, size_t size_bytes)
{
    (void)context;
    (void)size_bytes;
    free(memory);
}

static const struct allocator plain_allocator = {NULL, take_memory, give_memory};

static void copy_string(char *out, size_t out_bytes, const char *string)
{
    struct text text = text_of(out, out_bytes);

    text_string(&text, string);
    ASSERT(!text.truncated);
}

void fake_engine_add_member(struct qr_engine *engine, uint64_t id, const char *name,
                            const char *meta)
{
    struct qr_status *status = &engine->status;

    ASSERT(status->member_count < QR_MEMBERS_MAX);
    struct qr_member *member = &status->members[status->member_count++];
    *member = (struct qr_member){.id = id, .is_voter = true, .health = QR_ALIVE};
    copy_string(member->name, sizeof(member->name), name);
    copy_string(member->meta, sizeof(member->meta), meta);
    copy_string(member->address, sizeof(member->address), "127.0.0.1:7700");
}

static void end_first(struct qr_engine *engine)
{
    fake_engine_end(engine, 0, 0);
}

static void on_timer(uv_timer_t *timer)
{
    struct qr_engine *engine = timer->data;

    while (engine->is_automatic && engine->first != NULL) {
        end_first(engine);
    }
    if (engine->is_automatic && engine->backup.is_wanted) {
        fake_engine_give(engine, 0, "", 0);
    }
}

void fake_engine_init(struct qr_engine *engine, uv_loop_t *loop,
                      const struct qr_state_machine *state_machine)
{
    *engine = (struct qr_engine){
        .state_machine = state_machine,
        .is_automatic = true,
        .time_ns = UINT64_C(1700000000) * 1000000000,
    };
    sessions_init(&engine->sessions, &plain_allocator);
    uv_timer_init(loop, &engine->timer);
    engine->timer.data = engine;
    struct qr_status *status = &engine->status;
    status->node_id = 1;
    status->cluster_high = 0xc1;
    status->cluster_low = 0xc2;
    status->role = QR_LEADER;
    status->term = 7;
    status->has_leader = true;
    status->leader_id = 1;
    copy_string(status->name, sizeof(status->name), "n1");
    copy_string(status->leader_name, sizeof(status->leader_name), "n1");
    copy_string(status->leader_meta, sizeof(status->leader_meta), "client=127.0.0.1:7701");
    fake_engine_add_member(engine, 1, "n1", "client=127.0.0.1:7701 http=127.0.0.1:7702");
}

void fake_engine_stop(struct qr_engine *engine)
{
    while (engine->first != NULL) {
        fake_engine_end(engine, 0, QR_ERR_STOPPED);
    }
    if (engine->backup.is_wanted) {
        fake_engine_give(engine, QR_ERR_STOPPED, NULL, 0);
    }
    engine->refusal = QR_ERR_STOPPED;
    sessions_deinit(&engine->sessions);
    uv_close((uv_handle_t *)&engine->timer, NULL);
}

static struct fake_request *take(struct qr_engine *engine, size_t position)
{
    struct fake_request *before = NULL;
    struct fake_request *request = engine->first;

    ASSERT(position < engine->waiting_count);
    for (size_t i = 0; i < position; i++) {
        before = request;
        request = request->next;
    }
    if (before == NULL) {
        engine->first = request->next;
    } else {
        before->next = request->next;
    }
    if (engine->last == request) {
        engine->last = before;
    }
    engine->waiting_count--;
    return request;
}

static struct qr_result apply(struct qr_engine *engine, const struct qr_entry *entry)
{
    const struct qr_state_machine *machine = engine->state_machine;
    struct qr_result result = {0};

    int error = machine->apply(machine->context, entry, 1, &result);
    ASSERT(error == 0);
    for (size_t i = 0; i < engine->handler_count; i++) {
        engine->handlers[i](engine->handler_arguments[i], entry);
    }
    return result;
}

static struct qr_entry next_entry(struct qr_engine *engine)
{
    engine->index++;
    engine->status.last_index = engine->index;
    engine->status.commit_index = engine->index;
    engine->status.applied_index = engine->index;
    return (struct qr_entry){
        .index = engine->index,
        .term = engine->status.term,
        .timestamp_ns = engine->time_ns,
    };
}

static struct qr_entry entry_of(struct qr_engine *engine, const struct fake_request *request)
{
    struct qr_entry entry = next_entry(engine);

    entry.id = request->id;
    entry.command = request->command;
    entry.command_bytes = request->command_bytes;
    entry.payload = request->payload;
    entry.payload_bytes = request->payload_bytes;
    entry.wants_result = true;
    return entry;
}

/* What the table says to an entry, before it is applied. True: apply it. */
static bool is_first_time(struct qr_engine *engine, const struct sessions_entry *entry,
                          const struct fake_request *request, int *status)
{
    struct proposal_id asked = {0};
    bool is_first = false;

    if (sessions_id_kind(entry->id) != SESSIONS_ID_CONTROL) {
        *status = sessions_use(&engine->sessions, entry, &is_first);
        return *status == 0 && is_first;
    }
    if (strncmp(request->command, "open", sizeof(request->command)) == 0) {
        *status = sessions_open(&engine->sessions, entry, load_u64(request->payload));
        return false;
    }
    ASSERT(strncmp(request->command, "settle", sizeof(request->command)) == 0);
    asked = (struct proposal_id){load_u64(request->payload), load_u64(request->payload + 8)};
    *status = sessions_settle(&engine->sessions, entry, asked);
    return false;
}

/* A proposal under a token, or a question about one: as the node does it, one at a time. */
static void end_once(struct qr_engine *engine, const struct fake_request *request)
{
    struct qr_entry entry = entry_of(engine, request);
    struct sessions_entry seen = {
        .id = {entry.id.high, entry.id.low},
        .index = entry.index,
        .timestamp_ns = entry.timestamp_ns,
        .checksum = crc32c(0, request->payload, request->payload_bytes),
    };
    struct proposal_id asked = seen.id;
    struct qr_result result = {0};
    uint64_t index = entry.index;
    int status = 0;

    if (is_first_time(engine, &seen, request, &status)) {
        result = apply(engine, &entry);
        status = sessions_keep(&engine->sessions, &seen, &result);
    } else if (status == 0 && strncmp(request->command, "open", sizeof(request->command)) != 0) {
        if (sessions_id_kind(asked) == SESSIONS_ID_CONTROL) {
            asked =
                (struct proposal_id){load_u64(request->payload), load_u64(request->payload + 8)};
        }
        status = sessions_find(&engine->sessions, asked, &index, &result);
    }
    request->propose_done(request->argument, status, index, status == 0 ? &result : NULL);
}

static void end_proposal(struct qr_engine *engine, const struct fake_request *request, int status)
{
    struct qr_result result = {0};
    uint64_t index = 0;

    if (status == 0 && (request->id.high & QR_SESSION_BIT) != 0) {
        end_once(engine, request);
        return;
    }
    if (status == 0) {
        struct qr_entry entry = entry_of(engine, request);
        index = entry.index;
        result = apply(engine, &entry);
    }
    request->propose_done(request->argument, status, index, status == 0 ? &result : NULL);
}

void fake_engine_end(struct qr_engine *engine, size_t position, int status)
{
    struct fake_request *request = take(engine, position);

    if (request->is_change) {
        const struct qr_change_result result = {sizeof(result), 1, 0,
                                                status == 0 ? "done" : "it is refused"};
        request->change_done(request->argument, status, &result);
    } else if (request->keys_done != NULL) {
        const struct qr_keys keys = {2, {"0a1b2c3d", "4e5f6071"}};
        request->keys_done(request->argument, status, status == 0 ? "done" : "it is refused",
                           &keys);
    } else if (request->is_read) {
        request->read_done(request->argument, status, status == 0 ? engine->index : 0);
    } else {
        end_proposal(engine, request, status);
    }
    free(request);
}

void fake_engine_apply(struct qr_engine *engine, const char *command, const void *payload,
                       size_t payload_bytes)
{
    struct qr_entry entry = next_entry(engine);

    entry.command = command;
    entry.command_bytes = strlen(command);
    entry.payload = payload;
    entry.payload_bytes = payload_bytes;
    apply(engine, &entry);
}

void fake_engine_wake(struct qr_engine *engine)
{
    uv_timer_start(&engine->timer, on_timer, 0, 0);
}

struct fake_request *fake_engine_add(struct qr_engine *engine, size_t payload_bytes)
{
    struct fake_request *request = calloc(1, sizeof(*request) + payload_bytes);

    ASSERT(request != NULL);
    if (engine->last == NULL) {
        engine->first = request;
    } else {
        engine->last->next = request;
    }
    engine->last = request;
    engine->waiting_count++;
    if (engine->is_automatic) {
        fake_engine_wake(engine);
    }
    return request;
}

void fake_engine_give(struct qr_engine *engine, int status, const void *data, size_t size_bytes)
{
    ASSERT(engine->backup.engine == engine && engine->backup.is_wanted);
    engine->backup.is_wanted = false;
    engine->backup.done(engine->backup.argument, status, data, size_bytes);
}

void fake_engine_tell(struct qr_engine *engine, const struct qr_membership_event *event)
{
    if (engine->listener != NULL) {
        engine->listener(engine->listener_argument, event);
    }
}
