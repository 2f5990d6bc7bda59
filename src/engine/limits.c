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

const char *qr_swim_profile_name(enum qr_swim_profile profile)
{
    return profile == QR_SWIM_DEFAULT ? "default" : profile == QR_SWIM_FAST ? "fast" : "?";
}

static struct swim_options swim_options_of(enum qr_swim_profile profile)
{
    return profile == QR_SWIM_FAST ? swim_options_fast() : swim_options_default();
}

void qr_limits_set_profile(struct qr_limits *limits, enum qr_swim_profile profile)
{
    if (limits == NULL) {
        return;
    }
    struct swim_options options = swim_options_of(profile);
    limits->swim_protocol_period_ms = options.period_ns / NS_PER_MS;
    limits->swim_ping_timeout_ms = options.ping_timeout_ns / NS_PER_MS;
    limits->swim_indirect_pings = options.indirect_pings;
    limits->swim_suspicion_timeout_ms = options.suspicion_ns / NS_PER_MS;
    limits->swim_piggyback_max = options.piggyback_max;
    limits->swim_dead_quorum = options.dead_quorum;
}

struct swim_options engine_swim_options(const struct qr_engine_options *options)
{
    const struct qr_limits *limits = &options->limits;
    struct swim_options swim = swim_options_of(options->swim_profile);
    swim.period_ns = limits->swim_protocol_period_ms * NS_PER_MS;
    swim.ping_timeout_ns = limits->swim_ping_timeout_ms * NS_PER_MS;
    swim.indirect_pings = (uint32_t)limits->swim_indirect_pings;
    swim.suspicion_ns = limits->swim_suspicion_timeout_ms * NS_PER_MS;
    swim.piggyback_max = (uint32_t)limits->swim_piggyback_max;
    swim.dead_quorum = (uint32_t)limits->swim_dead_quorum;
    if (options->secret_file != NULL) {
        swim.packet_bytes_max -= KEYRING_SEAL_BYTES;
    }
    return swim;
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

static int check_swim(const struct qr_limits *limits, char *detail)
{
    if (limits->swim_ping_timeout_ms >= limits->swim_protocol_period_ms) {
        (void)snprintf(detail, QR_ERROR_DETAIL_BYTES,
                       "swim_ping_timeout_ms: %" PRIu64
                       " must be below swim_protocol_period_ms, %" PRIu64,
                       limits->swim_ping_timeout_ms, limits->swim_protocol_period_ms);
        return QR_ERR_INVALID;
    }
    if (limits->swim_suspicion_timeout_ms < limits->swim_protocol_period_ms) {
        (void)snprintf(detail, QR_ERROR_DETAIL_BYTES,
                       "swim_suspicion_timeout_ms: %" PRIu64
                       " must be at least swim_protocol_period_ms, %" PRIu64,
                       limits->swim_suspicion_timeout_ms, limits->swim_protocol_period_ms);
        return QR_ERR_INVALID;
    }
    if (limits->remove_dead_after_ms != 0 &&
        limits->remove_dead_after_ms < limits->swim_suspicion_timeout_ms) {
        (void)snprintf(detail, QR_ERROR_DETAIL_BYTES,
                       "remove_dead_after_ms: %" PRIu64
                       " must be 0, or at least swim_suspicion_timeout_ms, %" PRIu64,
                       limits->remove_dead_after_ms, limits->swim_suspicion_timeout_ms);
        return QR_ERR_INVALID;
    }
    return 0;
}

int qr_limits_check(const struct qr_limits *limits, char *detail)
{
    char unwanted[QR_ERROR_DETAIL_BYTES];
    detail = detail == NULL ? unwanted : detail;
    if (limits == NULL) {
        (void)snprintf(detail, QR_ERROR_DETAIL_BYTES, "limits: missing");
        return QR_ERR_INVALID;
    }
    for (size_t i = 0; i < sizeof(limits->reserved) / sizeof(limits->reserved[0]); i++) {
        if (limits->reserved[i] != 0) {
            (void)snprintf(detail, QR_ERROR_DETAIL_BYTES,
                           "limits: the program is newer than the library, and sets one that this "
                           "one does not know");
            return QR_ERR_VERSION;
        }
    }
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
    return check_swim(limits, detail);
}
