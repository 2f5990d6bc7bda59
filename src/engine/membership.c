/* membership.c: what gossip tells of the members, to those who want to hear of it. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "engine/internal.h"
#include "runtime/clock.h"

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

static void tell_one(const struct engine_handler *handler, const void *event)
{
    ((qr_membership_handler *)handler->function)(handler->argument, event);
}

/* The application thread: the oldest that waits. */
static void run_event(struct qr_engine *engine, const struct application_task *task)
{
    struct application *application = &engine->application;
    struct application_event kept;
    (void)task;
    (void)pthread_mutex_lock(&application->mutex);
    ASSERT(application->event_count > 0);
    kept = application->events[application->event_first];
    kept.event.missed_count = application->events_missed;
    application->events_missed = 0;
    application->event_first = (application->event_first + 1) % APPLICATION_EVENTS_MAX;
    application->event_count--;
    (void)pthread_mutex_unlock(&application->mutex);
    kept.event.name = kept.name;
    kept.event.address = kept.address;
    kept.event.client_address = kept.client_address;
    kept.event.http_address = kept.http_address;
    engine_handlers_tell(engine, &engine->membership_handlers, kept.number, tell_one, &kept.event);
}

/* Where there is no room the oldest goes, and is counted. */
static void give_event(struct qr_engine *engine, const struct qr_membership_event *event)
{
    struct application *application = &engine->application;
    (void)pthread_mutex_lock(&application->mutex);
    bool is_full = application->event_count == APPLICATION_EVENTS_MAX;
    if (is_full) {
        application->event_first = (application->event_first + 1) % APPLICATION_EVENTS_MAX;
        application->event_count--;
        application->events_missed++;
    }
    size_t at = (application->event_first + application->event_count++) % APPLICATION_EVENTS_MAX;
    struct application_event *kept = &application->events[at];
    kept->event = *event;
    kept->number = engine->counters.gossip_events;
    engine->membership_handlers.given = kept->number;
    engine_copy(kept->name, sizeof(kept->name), event->name);
    engine_copy(kept->address, sizeof(kept->address), event->address);
    engine_copy(kept->client_address, sizeof(kept->client_address), event->client_address);
    engine_copy(kept->http_address, sizeof(kept->http_address), event->http_address);
    (void)pthread_mutex_unlock(&application->mutex);
    if (!is_full) { /* else the task of the one that went is this one's */
        application_give(application, &(struct application_task){.run = run_event});
    }
}

static void tell_handlers(struct qr_engine *engine, const struct qr_membership_event *event)
{
    engine->counters.gossip_events++;
    if (!engine->application.is_on) {
        engine_handlers_tell(engine, &engine->membership_handlers, engine->counters.gossip_events,
                             tell_one, event);
    } else if (atomic_load(&engine->membership_handlers.count) > 0) {
        give_event(engine, event);
    }
}

/* False: it is no event of a member, but for this node's log alone. */
static bool type_of(enum swim_news_type news, enum qr_membership_type *out)
{
    static const struct {
        enum swim_news_type news;
        enum qr_membership_type type;
    } pairs[] = {
        {SWIM_NEWS_JOINED, QR_MEMBER_JOINED},       {SWIM_NEWS_UPDATED, QR_MEMBER_UPDATED},
        {SWIM_NEWS_SUSPECTED, QR_MEMBER_SUSPECTED}, {SWIM_NEWS_REFUTED, QR_MEMBER_REFUTED},
        {SWIM_NEWS_DEAD, QR_MEMBER_DEAD},           {SWIM_NEWS_LEFT, QR_MEMBER_LEFT},
        {SWIM_NEWS_LEADER, QR_LEADER_CHANGED},
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        if (pairs[i].news == news) {
            *out = pairs[i].type;
            return true;
        }
    }
    return false;
}

void engine_gossip_news(void *context, const struct swim_news *news,
                        const struct swim_profile *profile)
{
    struct qr_engine *engine = context;
    enum qr_membership_type type;
    ASSERT(engine->in_node > 0);
    if (!type_of(news->type, &type)) {
        return;
    }
    struct qr_membership_event event = {
        .size_bytes = sizeof(event),
        .type = type,
        .node_id = news->id,
        .name = profile == NULL ? "" : profile->name,
        .address = profile == NULL ? "" : profile->peer,
        .client_address = profile == NULL ? "" : profile->client,
        .http_address = profile == NULL ? "" : profile->http,
        .reason = news->reason == SWIM_REASON_NONE ? "" : swim_reason_text(news->reason),
        .source_id = news->source,
        .term = news->term,
        .time_ms = runtime_wall_ns() / NS_PER_MS,
        .is_self = news->id == engine->self,
    };
    tell_handlers(engine, &event);
}

int qr_on_membership(struct qr_engine *engine, qr_membership_handler *handler, void *argument,
                     uint64_t *token)
{
    if (!engine_is_given(engine)) {
        return QR_ERR_INVALID;
    }
    return engine_handlers_add(engine, &engine->membership_handlers,
                               (engine_handler_function *)handler, argument, token);
}

void qr_remove_membership(struct qr_engine *engine, uint64_t token)
{
    if (engine_is_given(engine)) {
        engine_handlers_remove(engine, &engine->membership_handlers, token);
    }
}

struct leader_call {
    struct qr_leader leader;
    int status;
};

static void take_leader(struct qr_engine *engine, void *argument)
{
    struct leader_call *call = argument;
    struct qr_status *status = &engine->final_status; /* until it stops, room to work in */
    if (engine->node == NULL || engine->is_stopping) {
        call->status = QR_ERR_STOPPED;
        return;
    }
    engine_status_fill(engine, status);
    if (!status->has_leader) {
        call->status = QR_ERR_NO_LEADER;
        return;
    }
    struct qr_leader *leader = &call->leader;
    leader->node_id = status->leader_id;
    leader->term = status->leader_term;
    leader->is_by_gossip = status->is_leader_by_gossip;
    for (size_t i = 0; i < status->member_count; i++) {
        const struct qr_member *member = &status->members[i];
        if (member->id == status->leader_id) {
            engine_copy(leader->name, sizeof(leader->name), member->name);
            engine_copy(leader->address, sizeof(leader->address), member->address);
            engine_copy(leader->client_address, sizeof(leader->client_address),
                        member->client_address);
        }
    }
}

int qr_leader(struct qr_engine *engine, struct qr_leader *out)
{
    const struct sized known = {sizeof(*out), offsetof(struct qr_leader, is_by_gossip)};
    struct leader_call call = {.status = sized_check(known, out)};
    if (!engine_is_given(engine)) {
        return QR_ERR_INVALID;
    }
    if (call.status == 0) {
        engine_call(engine, take_leader, &call);
    }
    if (call.status == 0) {
        sized_write(known, &call.leader, out);
    }
    return call.status;
}

static void take_health(struct qr_engine *engine, void *argument)
{
    bool *is_healthy = argument;
    struct qr_status *status = &engine->final_status;
    if (engine->node == NULL || engine->is_stopping) {
        return;
    }
    engine_status_fill(engine, status);
    *is_healthy = status->has_leader && !status->is_stopped && !status->is_disk_full &&
                  !status->is_stalled && !status->is_diverged && status->swim.is_on &&
                  !status->swim.is_leaving && status->swim.local_health < SWIM_HEALTH_MAX / 2;
}

bool qr_is_healthy(struct qr_engine *engine)
{
    bool is_healthy = false;
    if (engine_is_given(engine)) {
        engine_call(engine, take_health, &is_healthy);
    }
    return is_healthy;
}
