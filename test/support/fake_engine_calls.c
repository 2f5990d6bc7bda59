/* fake_engine_calls.c: the functions of the engine, as the server calls them. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/text.h"
#include "support/fake_engine.h"

int qr_propose(struct qr_engine *engine, const struct qr_proposal *proposal, qr_propose_done *done,
               void *argument)
{
    if (engine->refusal != 0) {
        return engine->refusal;
    }
    struct fake_request *request = fake_engine_add(engine, proposal->payload_bytes);
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
    struct fake_request *request = fake_engine_add(engine, 0);
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
    struct fake_request *request = fake_engine_add(engine, 0);
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
    struct fake_request *request = fake_engine_add(engine, 0);
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
    struct fake_request *request = fake_engine_add(engine, 0);
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
    fake_engine_wake(backup->engine);
    return 0;
}

void qr_backup_close(struct qr_backup *backup)
{
    if (backup != NULL) {
        ASSERT(backup->engine != NULL);
        *backup = (struct qr_backup){.engine = NULL};
    }
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

int qr_leave(struct qr_engine *engine, enum qr_leave_reason reason)
{
    static const char *const words[] = {"shutdown", "restart", "removed"};
    if (engine->leave_status == 0) {
        struct text text = text_of(engine->leave, sizeof(engine->leave));
        text_string(&text, words[reason]);
    }
    return engine->leave_status;
}
