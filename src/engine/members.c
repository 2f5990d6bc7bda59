/* members.c: who the members are, and plain calls to change them. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "engine/internal.h"

struct members_call {
    struct qr_member *members;
    size_t room;  /* for so many */
    size_t count; /* there are */
    bool is_self; /* only this node */
    int status;
};

/* Of a node in no cluster yet, what it knows of itself. */
static void fill_self(const struct qr_engine *engine, struct qr_member *out)
{
    *out = (struct qr_member){
        .id = engine->self,
        .is_observer = engine->is_observer,
        .is_connected = true,
        .health_ms = QR_AGE_UNKNOWN,
        .heard_ms = QR_AGE_UNKNOWN,
        .vote_ms = QR_AGE_UNKNOWN,
    };
    engine_copy(out->name, sizeof(out->name), engine->name);
}

static void take_self(const struct qr_engine *engine, const struct qr_status *status,
                      struct members_call *call)
{
    for (size_t i = 0; i < status->member_count; i++) {
        if (status->members[i].id == engine->self) {
            *call->members = status->members[i];
            return;
        }
    }
    fill_self(engine, call->members);
}

static void take_members(struct qr_engine *engine, void *argument)
{
    struct members_call *call = argument;
    struct qr_status *status = &engine->final_status; /* until it stops, room to work in */
    if (engine->node == NULL || engine->is_stopping) {
        call->status = QR_ERR_STOPPED;
        return;
    }
    engine_status_fill(engine, status);
    if (call->is_self) {
        take_self(engine, status, call);
        return;
    }
    call->count = status->member_count;
    if (call->count > call->room) {
        call->status = QR_ERR_TOO_LARGE;
    } else if (call->count > 0) {
        memcpy(call->members, status->members, call->count * sizeof(*call->members));
    }
}

int qr_members(struct qr_engine *engine, struct qr_member *members, size_t *count)
{
    if (!engine_is_given(engine) || count == NULL || (members == NULL && *count > 0)) {
        return QR_ERR_INVALID;
    }
    struct members_call call = {.members = members, .room = *count};
    engine_call(engine, take_members, &call);
    if (call.status != QR_ERR_STOPPED) {
        *count = call.count;
    }
    return call.status;
}

int qr_self(struct qr_engine *engine, struct qr_member *out)
{
    struct members_call call = {.members = out, .is_self = true};
    if (!engine_is_given(engine) || out == NULL) {
        return QR_ERR_INVALID;
    }
    engine_call(engine, take_members, &call);
    return call.status;
}

/* A name that is none would change nothing, and that is no success. */
static int change(struct qr_engine *engine, const char *name, const struct qr_change *given)
{
    bool is_named = name != NULL && name[0] != '\0';
    return is_named ? qr_change_wait(engine, given, NULL) : QR_ERR_INVALID;
}

int qr_promote(struct qr_engine *engine, const char *name)
{
    const struct qr_change given = {.size_bytes = sizeof(given), .promote = name};
    return change(engine, name, &given);
}

int qr_demote(struct qr_engine *engine, const char *name)
{
    const struct qr_change given = {.size_bytes = sizeof(given), .demote = name};
    return change(engine, name, &given);
}

int qr_remove(struct qr_engine *engine, const char *name)
{
    const struct qr_change given = {.size_bytes = sizeof(given), .remove = name};
    return change(engine, name, &given);
}

int qr_transfer(struct qr_engine *engine, const char *name)
{
    const struct qr_change given = {.size_bytes = sizeof(given), .transfer = name};
    return change(engine, name, &given);
}
