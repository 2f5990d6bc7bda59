/* sessions.c: the public calls about sessions: control proposals, as the node knows them. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/bytes.h"
#include "engine/internal.h"

static int propose_control(struct qr_engine *engine, const char *command, const uint64_t words[2],
                           qr_propose_done *done, void *argument)
{
    uint8_t payload[16];
    if (!engine_is_given(engine) || done == NULL) {
        return QR_ERR_INVALID;
    }
    store_u64(payload, words[0]);
    store_u64(payload + 8, words[1]);
    const struct qr_proposal proposal = {
        .size_bytes = sizeof(proposal),
        .id = {QR_SESSION_BIT, 0},
        .command = command,
        .command_bytes = strlen(command),
        .payload = payload,
        .payload_bytes = sizeof(payload),
    };
    return engine_submit(engine, &proposal, done, argument);
}

int qr_open_session(struct qr_engine *engine, uint64_t timeout_ms, qr_propose_done *done,
                    void *argument)
{
    if (timeout_ms == 0 || timeout_ms > QR_SESSION_TIMEOUT_MS_MAX) {
        return QR_ERR_INVALID;
    }
    const uint64_t words[2] = {timeout_ms * NS_PER_MS, 0};
    return propose_control(engine, NODE_SESSION_OPEN, words, done, argument);
}

int qr_end_session(struct qr_engine *engine, uint64_t session, qr_propose_done *done,
                   void *argument)
{
    const uint64_t words[2] = {session, 0};
    return propose_control(engine, NODE_SESSION_END, words, done, argument);
}

int qr_settle(struct qr_engine *engine, struct qr_id id, qr_propose_done *done, void *argument)
{
    if ((id.high & QR_SESSION_BIT) == 0 || id.high == QR_SESSION_BIT) {
        return QR_ERR_INVALID;
    }
    const uint64_t words[2] = {id.high, id.low};
    return propose_control(engine, NODE_SESSION_SETTLE, words, done, argument);
}
