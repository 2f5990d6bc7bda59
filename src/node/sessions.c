/* sessions.c: what is applied, what is a repeat, and what is over. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "node/sessions.h"

#include "base/assert.h"
#include "base/mutant.h"
#include "quorate/error.h"

enum sessions_id_kind sessions_id_kind(struct proposal_id id)
{
    if ((id.high & QR_SESSION_BIT) == 0) {
        return SESSIONS_ID_NONE;
    }
    if ((id.high & QR_TOKEN_BIT) != 0) {
        return SESSIONS_ID_TOKEN;
    }
    return id.high == QR_SESSION_BIT ? SESSIONS_ID_CONTROL : SESSIONS_ID_SESSION;
}

static bool is_over(const struct sessions *sessions, const struct session *session)
{
    return sessions->log_time_ns - session->used_ns > session->timeout_ns;
}

static bool is_older(const struct sessions *sessions, const struct sessions_outcome *outcome,
                     time_ns age_ns)
{
    return sessions->log_time_ns - outcome->created_ns > age_ns;
}

/* Forget the sessions that log time has ended. */
static void sweep_sessions(struct sessions *sessions)
{
    for (size_t i = 0; i < sessions->session_capacity && sessions->session_count > 0; i++) {
        struct session *session = &sessions->sessions[i];
        if (session->id != 0 && is_over(sessions, session)) {
            sessions_session_remove(sessions, session);
        }
    }
}

/* Forget the older tokens: half of what is remembered stays, whatever a leader's clock said. */
static void sweep_tokens(struct sessions *sessions)
{
    size_t left = sessions->outcome_count / 2;
    uint32_t at = sessions->oldest;
    for (; left > 0 && is_older(sessions, &sessions->outcomes[at], SESSIONS_TOKEN_NS); left--) {
        struct sessions_outcome *outcome = &sessions->outcomes[at];
        at = outcome->newer;
        if (sessions_id_kind(outcome->id) == SESSIONS_ID_TOKEN) {
            sessions_outcome_remove(sessions, outcome);
        }
    }
}

/* A guarded entry has come, and with it log time, which never goes back. When was swept last is
 * part of the state, so that every replica sweeps at the same entries.
 */
static void begin(struct sessions *sessions, time_ns timestamp_ns)
{
    sessions->is_used = true;
    sessions->log_time_ns = max_u64(sessions->log_time_ns, timestamp_ns);
    if (sessions->log_time_ns - sessions->swept_ns >= SESSIONS_SWEEP_NS) {
        sessions->swept_ns = sessions->log_time_ns;
        sweep_sessions(sessions);
        if (sessions->outcome_count == SESSIONS_OUTCOMES_MAX) {
            sweep_tokens(sessions);
        }
    }
}

/* The session is used at this moment. NULL: it is not open, or not any more. */
static struct session *use_session(struct sessions *sessions, uint64_t id)
{
    struct session *session = sessions_session_find(sessions, id);
    if (session == NULL) {
        return NULL;
    }
    if (is_over(sessions, session)) {
        sessions_session_remove(sessions, session);
        return NULL;
    }
    sessions_session_set(sessions, session, sessions->log_time_ns, session->highest);
    return session;
}

/* A sequence above the highest moves the window, and what falls out of it is forgotten. */
static void raise_highest(struct sessions *sessions, struct session *session, uint64_t sequence)
{
    uint64_t first = session->highest > SESSIONS_WINDOW ? session->highest - SESSIONS_WINDOW : 0;
    uint64_t below = sequence > SESSIONS_WINDOW ? sequence - SESSIONS_WINDOW : 0;
    for (uint64_t s = first + 1; s <= below && s <= session->highest; s++) {
        struct sessions_outcome *outcome =
            sessions_outcome_find(sessions, (struct proposal_id){session->id, s});
        if (outcome != NULL) {
            sessions_outcome_remove(sessions, outcome);
        }
    }
    sessions_session_set(sessions, session, session->used_ns, sequence);
}

/* Whether the id may have an outcome at all: its session is open, and has not left it behind. */
static int enter(struct sessions *sessions, struct proposal_id id)
{
    if (sessions_id_kind(id) == SESSIONS_ID_TOKEN) {
        return 0;
    }
    struct session *session = use_session(sessions, id.high);
    if (session == NULL) {
        return QR_ERR_EXPIRED;
    }
    bool is_below =
        session->highest >= SESSIONS_WINDOW && id.low <= session->highest - SESSIONS_WINDOW;
    if (id.low == 0 || is_below) {
        return QR_ERR_EXPIRED;
    }
    if (id.low > session->highest) {
        raise_highest(sessions, session, id.low);
    }
    return 0;
}

/* The first outcome of an id. */
static int add_outcome(struct sessions *sessions, struct sessions_outcome outcome)
{
    int status = 0;
    if (sessions->outcome_count == SESSIONS_OUTCOMES_MAX) {
        return QR_ERR_BUSY;
    }
    outcome.created_ns = sessions->log_time_ns;
    (void)sessions_outcome_add(sessions, &outcome, &status);
    return status;
}

int sessions_use(struct sessions *sessions, const struct sessions_entry *entry, bool *is_first)
{
    ASSERT(sessions_id_kind(entry->id) == SESSIONS_ID_SESSION ||
           sessions_id_kind(entry->id) == SESSIONS_ID_TOKEN);
    begin(sessions, entry->timestamp_ns);
    int status = enter(sessions, entry->id);
    if (status != 0) {
        *is_first = MUTANT(EXPIRED_IS_APPLIED) && status == QR_ERR_EXPIRED;
        return *is_first ? 0 : status;
    }
    const struct sessions_outcome *known = sessions_outcome_find(sessions, entry->id);
    *is_first = known == NULL || (MUTANT(REPEAT_IN_BATCH) && !known->has_result);
    if (known == NULL) {
        return add_outcome(sessions, (struct sessions_outcome){
                                         .id = entry->id,
                                         .index = entry->index,
                                         .checksum = entry->checksum,
                                         .state = SESSIONS_APPLIED,
                                     });
    }
    if (known->state == SESSIONS_SETTLED) {
        return QR_ERR_SETTLED;
    }
    return known->checksum == entry->checksum ? 0 : QR_ERR_MISMATCH;
}

int sessions_keep(struct sessions *sessions, const struct sessions_entry *entry,
                  const struct qr_result *result)
{
    uint64_t at;
    int status = results_add(&sessions->results, result->data, result->size_bytes, &at);
    if (status != 0 && status != QR_ERR_TOO_LARGE) {
        return status;
    }
    struct sessions_outcome *outcome = sessions_outcome_find(sessions, entry->id);
    bool is_there = outcome != NULL && outcome->index == entry->index;
    if (is_there && result->status != 0) {
        sessions_outcome_reject(sessions, outcome);
    }
    if (is_there && status == 0) {
        outcome->has_result = true;
        outcome->result_at = at;
        outcome->result_bytes = (uint32_t)result->size_bytes;
    }
    return 0;
}

int sessions_find(struct sessions *sessions, struct proposal_id id, raft_index *index,
                  struct qr_result *result)
{
    const struct sessions_outcome *outcome = sessions_outcome_find(sessions, id);
    if (outcome == NULL) {
        return QR_ERR_EXPIRED;
    }
    if (MUTANT(RESULT_OF_ANOTHER)) {
        outcome = &sessions->outcomes[sessions->newest];
    }
    if (outcome->state == SESSIONS_SETTLED) {
        return QR_ERR_SETTLED;
    }
    *index = outcome->index;
    if (sessions->copied == NULL) {
        sessions->copied = allocate(sessions->allocator, RESULTS_ONE_BYTES_MAX);
        if (sessions->copied == NULL) {
            return QR_ERR_NO_MEMORY;
        }
    }
    bool is_rejected = outcome->state == SESSIONS_REJECTED && !MUTANT(REJECTION_FORGOTTEN);
    int known = is_rejected ? QR_ERR_REJECTED : 0;
    if (outcome->has_result && results_copy(&sessions->results, outcome->result_at,
                                            outcome->result_bytes, sessions->copied)) {
        *result = (struct qr_result){sessions->copied, outcome->result_bytes, known};
        return known;
    }
    if (known == QR_ERR_REJECTED) {
        *result = (struct qr_result){sessions->copied, 0, known};
        return known;
    }
    return QR_ERR_FORGOTTEN;
}

int sessions_open(struct sessions *sessions, const struct sessions_entry *entry, time_ns timeout_ns)
{
    begin(sessions, entry->timestamp_ns);
    if (timeout_ns < SESSIONS_TIMEOUT_NS_MIN || timeout_ns > SESSIONS_TIMEOUT_NS_MAX) {
        return QR_ERR_INVALID;
    }
    if (sessions->session_count == SESSIONS_MAX) {
        return QR_ERR_BUSY;
    }
    ASSERT(entry->index > 0 && entry->index < QR_TOKEN_BIT);
    return sessions_session_add(sessions, &(struct session){
                                              .id = QR_SESSION_BIT | entry->index,
                                              .used_ns = sessions->log_time_ns,
                                              .timeout_ns = timeout_ns,
                                          });
}

int sessions_end(struct sessions *sessions, const struct sessions_entry *entry, uint64_t session)
{
    begin(sessions, entry->timestamp_ns);
    struct session *ended = use_session(sessions, session);
    if (ended == NULL) {
        return QR_ERR_EXPIRED;
    }
    sessions_session_remove(sessions, ended);
    return 0;
}

int sessions_settle(struct sessions *sessions, const struct sessions_entry *entry,
                    struct proposal_id id)
{
    enum sessions_id_kind kind = sessions_id_kind(id);
    begin(sessions, entry->timestamp_ns);
    if (kind != SESSIONS_ID_SESSION && kind != SESSIONS_ID_TOKEN) {
        return QR_ERR_INVALID;
    }
    int status = enter(sessions, id);
    if (status != 0) {
        return status;
    }
    const struct sessions_outcome *known = sessions_outcome_find(sessions, id);
    if (known == NULL) {
        status = add_outcome(sessions, (struct sessions_outcome){
                                           .id = id,
                                           .index = entry->index,
                                           .state = SESSIONS_SETTLED,
                                       });
        return status == 0 ? QR_ERR_SETTLED : status;
    }
    return known->state == SESSIONS_SETTLED ? QR_ERR_SETTLED : 0;
}
