/* limits.c: the numbers an engine can be told, and what contradicts. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>

#include "engine/internal.h"

/* What a segment of the log holds besides the one message it must hold. */
#define SEGMENT_SLACK_BYTES 16384
#define SEGMENT_ALIGN_BYTES 4096

struct qr_limits qr_limits_default(void)
{
    return (struct qr_limits){
#define X(name, value, least, most, unit) .name = (value),
        QR_LIMIT_MAP(X)
#undef X
    };
}

struct bound {
    const char *name;
    uint64_t value;
    uint64_t least;
    uint64_t most;
};

static int check_bounds(const struct qr_limits *limits, char *detail)
{
    const struct bound bounds[] = {
#define X(name, value, least, most, unit) {#name, limits->name, (least), (most)},
        QR_LIMIT_MAP(X)
#undef X
    };
    for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
        const struct bound *bound = &bounds[i];
        if (bound->value < bound->least || bound->value > bound->most) {
            (void)snprintf(detail, QR_ERROR_DETAIL_BYTES,
                           "%s: %" PRIu64 " is out of bounds, %" PRIu64 "..%" PRIu64, bound->name,
                           bound->value, bound->least, bound->most);
            return QR_ERR_INVALID;
        }
    }
    return 0;
}

int qr_limits_check(const struct qr_limits *limits, char *detail)
{
    if (check_bounds(limits, detail) != 0) {
        return QR_ERR_INVALID;
    }
    if (limits->election_timeout_min_ms >= limits->election_timeout_max_ms) {
        (void)snprintf(detail, QR_ERROR_DETAIL_BYTES,
                       "election_timeout_min_ms: %" PRIu64
                       " must be below election_timeout_max_ms, %" PRIu64,
                       limits->election_timeout_min_ms, limits->election_timeout_max_ms);
        return QR_ERR_INVALID;
    }
    if (limits->heartbeat_interval_ms >= limits->election_timeout_min_ms) {
        (void)snprintf(detail, QR_ERROR_DETAIL_BYTES,
                       "heartbeat_interval_ms: %" PRIu64
                       " must be below election_timeout_min_ms, %" PRIu64,
                       limits->heartbeat_interval_ms, limits->election_timeout_min_ms);
        return QR_ERR_INVALID;
    }
    if (limits->segment_bytes % SEGMENT_ALIGN_BYTES != 0) {
        (void)snprintf(detail, QR_ERROR_DETAIL_BYTES,
                       "segment_bytes: %" PRIu64 " must be a multiple of %d", limits->segment_bytes,
                       SEGMENT_ALIGN_BYTES);
        return QR_ERR_INVALID;
    }
    if (limits->max_message_bytes + SEGMENT_SLACK_BYTES > limits->segment_bytes) {
        (void)snprintf(detail, QR_ERROR_DETAIL_BYTES,
                       "segment_bytes: %" PRIu64 " must be at least max_message_bytes, %" PRIu64
                       ", and %d more",
                       limits->segment_bytes, limits->max_message_bytes, SEGMENT_SLACK_BYTES);
        return QR_ERR_INVALID;
    }
    return 0;
}
