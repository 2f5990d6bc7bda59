/* leave.c: how an engine leaves in good order.
 *
 *   asked for -> a leader hands over -> the members are told -> it stops
 *
 * A step of it that fails is left out: nothing keeps a node from leaving.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "engine/internal.h"

const char *qr_leave_reason_name(enum qr_leave_reason reason)
{
    switch (reason) {
    case QR_LEAVE_SHUTDOWN:
        return "shutdown";
    case QR_LEAVE_RESTART:
        return "restart";
    case QR_LEAVE_REMOVED:
        return "removed";
    }
    return "?";
}

static enum swim_reason swim_reason_of(enum qr_leave_reason reason)
{
    return reason == QR_LEAVE_RESTART   ? SWIM_REASON_RESTART
           : reason == QR_LEAVE_REMOVED ? SWIM_REASON_REMOVED
                                        : SWIM_REASON_SHUTDOWN;
}

/* Who is to lead next: of the voters that answer, do not differ and may lead, the one that rather
 * does, and then the one with the most of the log. NULL: nobody.
 */
static const struct raft_member *find_heir(const struct qr_engine *engine)
{
    const struct raft_configuration *configuration = node_configuration(engine->node);
    const struct raft_member *heir = NULL;
    raft_index heir_match = 0;
    for (size_t i = 0; i < configuration->count; i++) {
        const struct raft_member *member = &configuration->members[i];
        struct raft_peer_status peer = {.match_index = 0};
        struct node_difference difference;
        bool is_fit = member->id != engine->self &&
                      raft_configuration_may_lead(configuration, member->id) &&
                      engine_health(engine, member->id) == QR_ALIVE &&
                      node_peer_status(engine->node, member->id, &peer) &&
                      !node_member_differs(engine->node, member->id, &difference);
        bool is_better = heir == NULL || member->priority > heir->priority ||
                         (member->priority == heir->priority && peer.match_index > heir_match);
        if (is_fit && is_better) {
            heir = member;
            heir_match = peer.match_index;
        }
    }
    return heir;
}

void engine_leave_handed_over(void *argument, int status, const struct qr_change_result *result)
{
    struct qr_engine *engine = argument;
    (void)status; /* who leads now, if anybody does, is for the others to see to */
    (void)result;
    ASSERT(engine->leave_state == ENGINE_HANDING_OVER);
    engine->leave_state = ENGINE_HANDED_OVER;
    if (engine->node != NULL && !engine->is_stopping) {
        engine_mark(engine);
    }
}

static void hand_over(struct qr_engine *engine)
{
    struct node_status status;
    node_status(engine->node, &status);
    const struct raft_member *heir = status.raft.role == RAFT_LEADER ? find_heir(engine) : NULL;
    struct wire_change change = {.transferee = ""};
    engine->leave_state = ENGINE_HANDED_OVER;
    if (heir == NULL) {
        return;
    }
    engine_copy(change.transferee, sizeof(change.transferee), heir->name);
    engine->leave_state = ENGINE_HANDING_OVER;
    if (engine_change(engine, &change, engine_leave_handed_over, engine) != 0) {
        engine->leave_state = ENGINE_HANDED_OVER;
    }
}

void engine_leave_turn(struct qr_engine *engine)
{
    ASSERT(engine->in_node == 0);
    if (engine->is_stopping) {
        return;
    }
    if (engine->leave_state == ENGINE_LEAVE_ASKED) {
        hand_over(engine);
    }
    if (engine->leave_state == ENGINE_HANDED_OVER &&
        engine_gossip_leave(engine, swim_reason_of(engine->leave_reason),
                            ENGINE_LEAVE_TELLING_NS)) {
        engine_note_stop(engine, 0, "");
    }
}

struct leave_call {
    enum qr_leave_reason reason;
    int status;
};

static void take_leave(struct qr_engine *engine, void *argument)
{
    struct leave_call *call = argument;
    if (engine->node == NULL || engine->is_stopping || atomic_load(&engine->is_stop_asked)) {
        call->status = QR_ERR_STOPPED;
        return;
    }
    if (engine->leave_state == ENGINE_STAYING) {
        engine->leave_state = ENGINE_LEAVE_ASKED;
        engine->leave_reason = call->reason;
        engine_mark(engine);
    }
}

int qr_leave(struct qr_engine *engine, enum qr_leave_reason reason)
{
    struct leave_call call = {.reason = reason};
    if (!engine_is_given(engine) ||
        (reason != QR_LEAVE_SHUTDOWN && reason != QR_LEAVE_RESTART && reason != QR_LEAVE_REMOVED)) {
        return QR_ERR_INVALID;
    }
    engine_call(engine, take_leave, &call);
    return call.status;
}
