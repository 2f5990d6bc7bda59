/* role.c: who leads and what this node is, told to those who want to hear of it.
 *
 * On its way to the application thread only the latest waits: what was so for a moment may never be
 * told, what is so now always is.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "engine/internal.h"

static void tell_one(const struct engine_handler *handler, const void *event)
{
    ((qr_role_handler *)handler->function)(handler->argument, event);
}

static void run_role(struct qr_engine *engine, const struct application_task *task)
{
    struct application *application = &engine->application;
    struct engine_roles *roles = &engine->roles;
    (void)task;
    (void)pthread_mutex_lock(&application->mutex);
    ASSERT(roles->is_given);
    roles->is_given = false;
    uint64_t number = roles->number;
    const struct qr_role_event event = roles->latest;
    (void)pthread_mutex_unlock(&application->mutex);
    engine_handlers_tell(engine, &roles->handlers, number, tell_one, &event);
}

static bool is_same(const struct qr_role_event *a, const struct qr_role_event *b)
{
    return a->role == b->role && a->term == b->term && a->has_leader == b->has_leader &&
           a->leader_id == b->leader_id;
}

void engine_tell_role(struct qr_engine *engine, const struct qr_role_event *event)
{
    struct application *application = &engine->application;
    struct engine_roles *roles = &engine->roles;
    bool is_on_its_way = false;
    (void)pthread_mutex_lock(&application->mutex);
    bool is_new = !is_same(&roles->latest, event);
    if (is_new) {
        roles->latest = *event;
        roles->number++;
        roles->handlers.given = roles->number;
        is_on_its_way = roles->is_given;
        roles->is_given = application->is_on;
    }
    (void)pthread_mutex_unlock(&application->mutex);
    if (is_new && !application->is_on) {
        engine_handlers_tell(engine, &roles->handlers, roles->number, tell_one, event);
    } else if (is_new && !is_on_its_way) {
        application_give(application, &(struct application_task){.run = run_role});
    }
}

int qr_on_role_change(struct qr_engine *engine, qr_role_handler *handler, void *argument,
                      uint64_t *token)
{
    if (!engine_is_given(engine)) {
        return QR_ERR_INVALID;
    }
    return engine_handlers_add(engine, &engine->roles.handlers, (engine_handler_function *)handler,
                               argument, token);
}

void qr_remove_handler(struct qr_engine *engine, uint64_t token)
{
    if (!engine_is_given(engine)) {
        return;
    }
    engine_handlers_remove(engine, &engine->commit_handlers, token);
    engine_handlers_remove(engine, &engine->membership_handlers, token);
    engine_handlers_remove(engine, &engine->roles.handlers, token);
}
