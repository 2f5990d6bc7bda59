/* fake_engine.c: the engine's interface, without an engine. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/fake_engine.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/text.h"

#define LOG_NAMES_MAX 32

/* A test may have state that lives as long as its process. */
static struct {
    const char *name;
    size_t count;
} log_counts[LOG_NAMES_MAX];

void qr_log(struct qr_logger *logger, enum qr_log_level level, const char *name, ...)
{
    (void)logger;
    (void)level;
    for (size_t i = 0; i < LOG_NAMES_MAX; i++) {
        if (log_counts[i].name == NULL) {
            log_counts[i].name = name;
        }
        if (strcmp(log_counts[i].name, name) == 0) {
            log_counts[i].count++;
            return;
        }
    }
}

size_t fake_log_count(const char *name)
{
    for (size_t i = 0; i < LOG_NAMES_MAX && log_counts[i].name != NULL; i++) {
        if (strcmp(log_counts[i].name, name) == 0) {
            return log_counts[i].count;
        }
    }
    return 0;
}

uint64_t qr_logger_dropped_count(const struct qr_logger *logger)
{
    (void)logger;
    return 0;
}

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

static struct fake_request *add(struct qr_engine *engine, size_t payload_bytes)
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
        uv_timer_start(&engine->timer, on_timer, 0, 0);
    }
    return request;
}

int qr_propose(struct qr_engine *engine, const struct qr_proposal *proposal, qr_propose_done *done,
               void *argument)
{
    if (engine->refusal != 0) {
        return engine->refusal;
    }
    struct fake_request *request = add(engine, proposal->payload_bytes);
    engine->proposal_count++;
    request->propose_done = done;
    request->argument = argument;
    request->id = (proposal->id.high & QR_SESSION_BIT) != 0
                      ? proposal->id
                      : (struct qr_id){0xabc, engine->proposal_count};
    engine->is_last_guarded = proposal->is_guarded || (proposal->id.high & QR_SESSION_BIT) != 0;
    ASSERT(proposal->command_bytes <= sizeof(request->command));
    memcpy(request->command, proposal->command, proposal->command_bytes);
    request->command_bytes = proposal->command_bytes;
    memcpy(request->payload, proposal->payload, proposal->payload_bytes);
    request->payload_bytes = proposal->payload_bytes;
    return 0;
}

int qr_open_session(struct qr_engine *engine, uint64_t timeout_ms, qr_propose_done *done,
                    void *argument)
{
    uint8_t payload[8];

    store_u64(payload, timeout_ms * NS_PER_MS);
    struct qr_proposal proposal = {
        .size_bytes = sizeof(proposal),
        .id = {QR_SESSION_BIT, engine->proposal_count + 1},
        .command = "open",
        .command_bytes = 4,
        .payload = payload,
        .payload_bytes = sizeof(payload),
    };
    return qr_propose(engine, &proposal, done, argument);
}

int qr_settle(struct qr_engine *engine, struct qr_id id, qr_propose_done *done, void *argument)
{
    uint8_t payload[16];

    store_u64(payload, id.high);
    store_u64(payload + 8, id.low);
    struct qr_proposal proposal = {
        .size_bytes = sizeof(proposal),
        .id = {QR_SESSION_BIT, engine->proposal_count + 1},
        .command = "settle",
        .command_bytes = 6,
        .payload = payload,
        .payload_bytes = sizeof(payload),
    };
    return qr_propose(engine, &proposal, done, argument);
}

static void note(struct text *text, const char *word, const char *names)
{
    if (names != NULL) {
        text_string(text, word);
        text_string(text, names);
    }
}

int qr_change_cluster(struct qr_engine *engine, const struct qr_change *change,
                      qr_change_done *done, void *argument)
{
    if (engine->refusal != 0) {
        return engine->refusal;
    }
    struct text text = text_of(engine->change, sizeof(engine->change));
    note(&text, "promote ", change->promote);
    note(&text, " demote ", change->demote);
    note(&text, " remove ", change->remove);
    note(&text, " prioritize ", change->prioritize);
    note(&text, " transfer ", change->transfer);
    text_string(&text, " ");
    text_u64(&text, change->priority);
    text_string(&text, change->is_dry_run ? " dry" : "");
    text_string(&text, change->is_forced ? " forced" : "");
    struct fake_request *request = add(engine, 0);
    engine->change_count++;
    request->is_change = true;
    request->change_done = done;
    request->argument = argument;
    return 0;
}

int qr_keys(struct qr_engine *engine, enum qr_keys_action action, const char *key, size_t key_bytes,
            qr_keys_done *done, void *argument)
{
    static const char *const names[] = {"list", "add", "use", "remove"};
    if (engine->refusal != 0) {
        return engine->refusal;
    }
    struct text text = text_of(engine->keys, sizeof(engine->keys));
    text_string(&text, names[action]);
    if (action != QR_KEYS_LIST) {
        text_char(&text, ' ');
        text_bytes(&text, key, key_bytes);
    }
    struct fake_request *request = add(engine, 0);
    request->keys_done = done;
    request->argument = argument;
    return 0;
}

const char *qr_read_kind_name(enum qr_read_kind kind)
{
    static const char *const names[] = {"configured", "linearizable", "lease", "stale"};
    return names[kind];
}

const char *qr_progress_name(enum qr_progress progress)
{
    static const char *const names[] = {"", "probe", "replicate", "snapshot"};
    return names[progress];
}

int qr_join(struct qr_engine *engine, const char *join, bool is_learner)
{
    struct text text = text_of(engine->join, sizeof(engine->join));
    text_string(&text, join);
    text_string(&text, is_learner ? " learner" : "");
    return engine->join_status;
}

int qr_read_age(struct qr_engine *engine, uint64_t age_ms_max, uint64_t *age_ms)
{
    if (engine->age_status != 0) {
        return engine->age_status;
    }
    engine->stale_count++;
    if (engine->status.age_ms > age_ms_max) {
        return QR_ERR_STALE;
    }
    *age_ms = engine->status.age_ms;
    return 0;
}

int qr_read(struct qr_engine *engine, const struct qr_read_options *options, qr_read_done *done,
            void *argument)
{
    engine->read_kind = options->kind;
    if (engine->refusal != 0) {
        return engine->refusal;
    }
    struct fake_request *request = add(engine, 0);
    engine->barrier_count++;
    request->is_read = true;
    request->read_done = done;
    request->argument = argument;
    return 0;
}

int qr_snapshot(struct qr_engine *engine, qr_snapshot_done *done, void *argument)
{
    if (engine->refusal != 0) {
        return engine->refusal;
    }
    struct fake_request *request = add(engine, 0);
    request->is_read = true; /* both end with a status and an index */
    request->read_done = done;
    request->argument = argument;
    return 0;
}

int qr_backup_open(struct qr_engine *engine, qr_backup_done *done, void *argument,
                   struct qr_backup **out)
{
    if (engine->refusal != 0 || engine->backup.engine != NULL) {
        return engine->refusal != 0 ? engine->refusal : QR_ERR_BUSY;
    }
    engine->backup = (struct qr_backup){.engine = engine, .done = done, .argument = argument};
    *out = &engine->backup;
    return 0;
}

int qr_backup_next(struct qr_backup *backup)
{
    if (backup->engine->refusal != 0 || backup->is_wanted) {
        return backup->is_wanted ? QR_ERR_BUSY : backup->engine->refusal;
    }
    backup->is_wanted = true;
    uv_timer_start(&backup->engine->timer, on_timer, 0, 0);
    return 0;
}

void qr_backup_close(struct qr_backup *backup)
{
    if (backup != NULL) {
        ASSERT(backup->engine != NULL);
        *backup = (struct qr_backup){.engine = NULL};
    }
}

void fake_engine_give(struct qr_engine *engine, int status, const void *data, size_t size_bytes)
{
    ASSERT(engine->backup.engine == engine && engine->backup.is_wanted);
    engine->backup.is_wanted = false;
    engine->backup.done(engine->backup.argument, status, data, size_bytes);
}

bool qr_is_leader(struct qr_engine *engine)
{
    return engine->status.role == QR_LEADER;
}

uint64_t qr_log_time(struct qr_engine *engine)
{
    return engine->time_ns;
}

const char *qr_role_name(enum qr_role role)
{
    static const char *const names[] = {"learner", "follower", "pre_candidate", "candidate",
                                        "leader"};

    ASSERT((size_t)role < sizeof(names) / sizeof(names[0]));
    return names[role];
}

const char *qr_health_name(enum qr_health health)
{
    static const char *const names[] = {"alive", "suspect", "dead", "left"};

    ASSERT((size_t)health < sizeof(names) / sizeof(names[0]));
    return names[health];
}

int qr_status(struct qr_engine *engine, struct qr_status *out)
{
    const struct qr_state_machine *machine = engine->state_machine;

    ASSERT(out->size_bytes == sizeof(*out));
    *out = engine->status;
    out->size_bytes = sizeof(*out);
    out->digest = machine->digest == NULL ? 0 : machine->digest(machine->context);
    return 0;
}

int qr_counters(struct qr_engine *engine, struct qr_counters *out)
{
    ASSERT(out->size_bytes == sizeof(*out));
    *out = engine->counters;
    out->size_bytes = sizeof(*out);
    return 0;
}

int qr_on_commit(struct qr_engine *engine, qr_commit_handler *handler, void *argument,
                 uint64_t *token)
{
    if (engine->refusal != 0) {
        return engine->refusal;
    }
    if (engine->handler_count == QR_COMMIT_HANDLERS_MAX) {
        return QR_ERR_BUSY;
    }
    engine->handlers[engine->handler_count] = handler;
    engine->handler_arguments[engine->handler_count] = argument;
    engine->handler_count++;
    *token = engine->handler_count;
    return 0;
}

/* The last handler is the only one that a server has: tokens need not survive removals. */
void qr_remove_commit_handler(struct qr_engine *engine, uint64_t token)
{
    ASSERT(token == engine->handler_count);
    engine->handler_count--;
}

const char *qr_membership_type_name(enum qr_membership_type type)
{
    switch (type) {
#define X(name, value, text)                                                                       \
    case name:                                                                                     \
        return text;
        QR_MEMBERSHIP_MAP(X)
#undef X
    }
    return "?";
}

int qr_on_membership(struct qr_engine *engine, qr_membership_handler *handler, void *argument,
                     uint64_t *token)
{
    if (engine->refusal != 0) {
        return engine->refusal;
    }
    ASSERT(engine->listener == NULL);
    engine->listener = handler;
    engine->listener_argument = argument;
    *token = ++engine->listener_count;
    return 0;
}

void qr_remove_membership(struct qr_engine *engine, uint64_t token)
{
    ASSERT(engine->listener != NULL);
    ASSERT(token == engine->listener_count);
    engine->listener = NULL;
}

void fake_engine_tell(struct qr_engine *engine, const struct qr_membership_event *event)
{
    if (engine->listener != NULL) {
        engine->listener(engine->listener_argument, event);
    }
}

int qr_leave(struct qr_engine *engine, enum qr_leave_reason reason)
{
    static const char *const words[] = {"shutdown", "restart", "removed"};
    if (engine->leave_status == 0) {
        copy_string(engine->leave, sizeof(engine->leave), words[reason]);
    }
    return engine->leave_status;
}
