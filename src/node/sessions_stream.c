/* sessions_stream.c: the session table as bytes, and back.
 *
 * Format, little-endian: version (u32; 1, or 2 where something was rejected), is_used
 * (u32), log_time_ns (u64), swept_ns (u64); the count of sessions (u32) and of outcomes
 * (u32); each session as id, used_ns, timeout_ns, highest (u64 each); each outcome, oldest
 * first, as id high and low, index, created_ns, result_at (u64 each), result_bytes,
 * checksum (u32 each), state and has_result (u32: the state, and 256 where there is a
 * result); the results: positions of the oldest byte and of the end, digest (u64 each),
 * and the bytes between; and the digest of it all (u64).
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "node/sessions.h"
#include "quorate/error.h"

#define FORMAT_VERSION 1
#define FORMAT_VERSION_WITH_REJECTED 2 /* release 0.1.0 refuses it in words */
#define HEAD_BYTES (4 + 4 + 8 + 8 + 4 + 4)
#define SESSION_BYTES (4 * 8)
#define OUTCOME_BYTES (5 * 8 + 3 * 4)
#define HAS_RESULT 256

size_t sessions_write_bytes(const struct sessions *sessions)
{
    return HEAD_BYTES + sessions->session_count * SESSION_BYTES +
           sessions->outcome_count * OUTCOME_BYTES + results_write_bytes(&sessions->results) + 8;
}

static void write_session(struct writer *writer, const struct session *session)
{
    write_u64(writer, session->id);
    write_u64(writer, session->used_ns);
    write_u64(writer, session->timeout_ns);
    write_u64(writer, session->highest);
}

static void write_outcome(struct writer *writer, const struct sessions_outcome *outcome)
{
    write_u64(writer, outcome->id.high);
    write_u64(writer, outcome->id.low);
    write_u64(writer, outcome->index);
    write_u64(writer, outcome->created_ns);
    write_u64(writer, outcome->result_at);
    write_u32(writer, outcome->result_bytes);
    write_u32(writer, outcome->checksum);
    write_u32(writer, outcome->state | (outcome->has_result ? HAS_RESULT : 0));
}

static bool has_rejected(const struct sessions *sessions)
{
    for (uint32_t at = sessions->oldest; at != ID_MAP_NONE; at = sessions->outcomes[at].newer) {
        if (sessions->outcomes[at].state == SESSIONS_REJECTED) {
            return true;
        }
    }
    return false;
}

void sessions_write(const struct sessions *sessions, uint8_t *out)
{
    struct writer writer = writer_of(out, sessions_write_bytes(sessions));
    write_u32(&writer, has_rejected(sessions) ? FORMAT_VERSION_WITH_REJECTED : FORMAT_VERSION);
    write_u32(&writer, sessions->is_used ? 1 : 0);
    write_u64(&writer, sessions->log_time_ns);
    write_u64(&writer, sessions->swept_ns);
    write_u32(&writer, (uint32_t)sessions->session_count);
    write_u32(&writer, (uint32_t)sessions->outcome_count);
    for (size_t i = 0; i < sessions->session_capacity; i++) {
        if (sessions->sessions[i].id != 0) {
            write_session(&writer, &sessions->sessions[i]);
        }
    }
    for (uint32_t at = sessions->oldest; at != ID_MAP_NONE; at = sessions->outcomes[at].newer) {
        write_outcome(&writer, &sessions->outcomes[at]);
    }
    results_write(&sessions->results, &writer);
    write_u64(&writer, sessions_digest(sessions));
    ASSERT(!writer.failed && writer.at == writer.end);
}

/* One session, if it may stand in the table. */
static int read_session(struct sessions *sessions, struct reader *reader)
{
    struct session session;
    session.id = read_u64(reader);
    session.used_ns = read_u64(reader);
    session.timeout_ns = read_u64(reader);
    session.highest = read_u64(reader);
    bool is_session = sessions_id_kind((struct proposal_id){session.id, 1}) == SESSIONS_ID_SESSION;
    if (reader->failed || !is_session || session.used_ns > sessions->log_time_ns ||
        sessions_session_find(sessions, session.id) != NULL) {
        return QR_ERR_CORRUPT;
    }
    return sessions_session_add(sessions, &session);
}

/* Whether its session is open and its window holds it; a token is always in place. */
static bool is_in_place(const struct sessions *sessions, struct proposal_id id)
{
    enum sessions_id_kind kind = sessions_id_kind(id);
    if (kind == SESSIONS_ID_SESSION) {
        const struct session *session = sessions_session_find(sessions, id.high);
        return session != NULL && id.low != 0 && id.low <= session->highest &&
               session->highest - id.low < SESSIONS_WINDOW;
    }
    return kind == SESSIONS_ID_TOKEN;
}

static bool is_known_state(uint32_t state, uint32_t version)
{
    uint32_t plain = state & ~(uint32_t)HAS_RESULT;
    return state == SESSIONS_SETTLED || plain == SESSIONS_APPLIED ||
           (plain == SESSIONS_REJECTED && version >= FORMAT_VERSION_WITH_REJECTED);
}

static int read_outcome(struct sessions *sessions, struct reader *reader, uint32_t version,
                        time_ns *created_ns)
{
    struct sessions_outcome outcome = {0};
    outcome.id.high = read_u64(reader);
    outcome.id.low = read_u64(reader);
    outcome.index = read_u64(reader);
    outcome.created_ns = read_u64(reader);
    outcome.result_at = read_u64(reader);
    outcome.result_bytes = read_u32(reader);
    outcome.checksum = read_u32(reader);
    uint32_t state = read_u32(reader);
    outcome.has_result = (state & HAS_RESULT) != 0;
    outcome.state = (uint8_t)state;
    if (reader->failed || !is_known_state(state, version) || outcome.created_ns < *created_ns ||
        outcome.created_ns > sessions->log_time_ns ||
        outcome.result_bytes > RESULTS_ONE_BYTES_MAX || !is_in_place(sessions, outcome.id) ||
        sessions_outcome_find(sessions, outcome.id) != NULL) {
        return QR_ERR_CORRUPT;
    }
    int status = 0;
    *created_ns = outcome.created_ns;
    (void)sessions_outcome_add(sessions, &outcome, &status);
    return status;
}

static int read_all(struct sessions *sessions, struct reader *reader)
{
    uint32_t version = read_u32(reader);
    uint32_t is_used = read_u32(reader);
    sessions->log_time_ns = read_u64(reader);
    sessions->swept_ns = read_u64(reader);
    uint32_t session_count = read_u32(reader);
    uint32_t outcome_count = read_u32(reader);
    if (!reader->failed && version != FORMAT_VERSION && version != FORMAT_VERSION_WITH_REJECTED) {
        return QR_ERR_VERSION;
    }
    if (reader->failed || is_used > 1 || sessions->swept_ns > sessions->log_time_ns ||
        session_count > SESSIONS_MAX || outcome_count > SESSIONS_OUTCOMES_MAX) {
        return QR_ERR_CORRUPT;
    }
    sessions->is_used = is_used == 1;
    int status = 0;
    time_ns created_ns = 0;
    for (uint32_t i = 0; i < session_count && status == 0; i++) {
        status = read_session(sessions, reader);
    }
    for (uint32_t i = 0; i < outcome_count && status == 0; i++) {
        status = read_outcome(sessions, reader, version, &created_ns);
    }
    /* One table has one form: who wrote the later version had something that needs it. */
    if (status == 0 && version == FORMAT_VERSION_WITH_REJECTED && !has_rejected(sessions)) {
        status = QR_ERR_CORRUPT;
    }
    if (status == 0) {
        status = results_read(&sessions->results, reader);
    }
    if (status == 0) {
        bool is_whole = read_u64(reader) == sessions_digest(sessions) && !reader->failed &&
                        reader_left(reader) == 0;
        status = is_whole ? 0 : QR_ERR_CORRUPT;
    }
    return status;
}

int sessions_read(struct sessions *sessions, const void *data, size_t size_bytes)
{
    struct reader reader = reader_of(data, size_bytes);
    sessions_deinit(sessions);
    int status = read_all(sessions, &reader);
    if (status != 0) {
        sessions_deinit(sessions);
    }
    return status;
}

bool sessions_fit(const struct sessions *sessions, raft_index index)
{
    for (size_t i = 0; i < sessions->session_capacity; i++) {
        const struct session *session = &sessions->sessions[i];
        bool is_possible = (session->id & ~QR_SESSION_BIT) <= index &&
                           session->timeout_ns >= SESSIONS_TIMEOUT_NS_MIN &&
                           session->timeout_ns <= SESSIONS_TIMEOUT_NS_MAX;
        if (session->id != 0 && !is_possible) {
            return false;
        }
    }
    for (uint32_t at = sessions->oldest; at != ID_MAP_NONE; at = sessions->outcomes[at].newer) {
        if (sessions->outcomes[at].index > index) {
            return false;
        }
    }
    return true;
}
