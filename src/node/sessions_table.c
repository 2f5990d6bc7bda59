/* sessions_table.c: places of sessions and outcomes, their order and their digest. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "node/sessions.h"
#include "quorate/error.h"

#define NO_PLACE ID_MAP_NONE

void sessions_init(struct sessions *sessions, const struct allocator *allocator)
{
    *sessions = (struct sessions){
        .allocator = allocator,
        .free_outcome = NO_PLACE,
        .oldest = NO_PLACE,
        .newest = NO_PLACE,
    };
    id_map_init(&sessions->session_map, allocator);
    id_map_init(&sessions->outcome_map, allocator);
    results_init(&sessions->results, allocator);
}

void sessions_deinit(struct sessions *sessions)
{
    const struct allocator *allocator = sessions->allocator;
    if (allocator == NULL) {
        return;
    }
    release(allocator, sessions->sessions,
            sessions->session_capacity * sizeof(*sessions->sessions));
    release(allocator, sessions->outcomes,
            sessions->outcome_capacity * sizeof(*sessions->outcomes));
    release(allocator, sessions->copied, RESULTS_ONE_BYTES_MAX);
    id_map_deinit(&sessions->session_map);
    id_map_deinit(&sessions->outcome_map);
    results_deinit(&sessions->results);
    sessions_init(sessions, allocator);
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * UINT64_C(0xbf58476d1ce4e5b9);
    hash ^= hash >> 27;
    return hash * UINT64_C(0x94d049bb133111eb) ^ hash >> 31;
}

/* Sums, so that the order of places does not matter. */
static uint64_t session_digest(const struct session *session)
{
    uint64_t hash = mix(1, session->id);
    hash = mix(hash, session->used_ns);
    hash = mix(hash, session->timeout_ns);
    return mix(hash, session->highest);
}

static uint64_t outcome_digest(const struct sessions_outcome *outcome)
{
    uint64_t hash = mix(2, outcome->id.high);
    hash = mix(hash, outcome->id.low);
    hash = mix(hash, outcome->index);
    hash = mix(hash, outcome->created_ns);
    return mix(hash, (uint64_t)outcome->checksum << 8 | outcome->state);
}

uint64_t sessions_digest(const struct sessions *sessions)
{
    if (!sessions->is_used) {
        return 0;
    }
    uint64_t hash = mix(mix(sessions->digest, sessions->results.digest), sessions->log_time_ns);
    return mix(hash, sessions->swept_ns);
}

static uint32_t place_of(const struct sessions *sessions, const struct sessions_outcome *outcome)
{
    return (uint32_t)(outcome - sessions->outcomes);
}

/* A place that was given back, or the next one that was never taken. */
static struct sessions_outcome *take_place(struct sessions *sessions)
{
    if (sessions->free_outcome != NO_PLACE) {
        struct sessions_outcome *outcome = &sessions->outcomes[sessions->free_outcome];
        sessions->free_outcome = outcome->newer;
        return outcome;
    }
    void *array = sessions->outcomes;
    int status = allocate_grow(sessions->allocator, &array, &sessions->outcome_capacity,
                               sessions->outcome_used + 1, SESSIONS_OUTCOMES_MAX,
                               sizeof(*sessions->outcomes));
    sessions->outcomes = array;
    return status == 0 ? &sessions->outcomes[sessions->outcome_used++] : NULL;
}

struct sessions_outcome *sessions_outcome_add(struct sessions *sessions,
                                              const struct sessions_outcome *outcome, int *status)
{
    ASSERT(sessions->outcome_count < SESSIONS_OUTCOMES_MAX);
    ASSERT(outcome->state != SESSIONS_FREE);
    *status = id_map_reserve(&sessions->outcome_map);
    if (*status != 0) {
        return NULL;
    }
    struct sessions_outcome *added = take_place(sessions);
    if (added == NULL) {
        *status = QR_ERR_NO_MEMORY;
        return NULL;
    }
    *added = *outcome;
    added->older = sessions->newest;
    added->newer = NO_PLACE;
    uint32_t place = place_of(sessions, added);
    if (sessions->newest == NO_PLACE) {
        sessions->oldest = place;
    } else {
        sessions->outcomes[sessions->newest].newer = place;
    }
    sessions->newest = place;
    sessions->outcome_count++;
    id_map_add(&sessions->outcome_map, added->id, place);
    sessions->digest += outcome_digest(added);
    return added;
}

void sessions_outcome_remove(struct sessions *sessions, struct sessions_outcome *outcome)
{
    ASSERT(outcome->state != SESSIONS_FREE);
    uint32_t *from_older =
        outcome->older == NO_PLACE ? &sessions->oldest : &sessions->outcomes[outcome->older].newer;
    uint32_t *from_newer =
        outcome->newer == NO_PLACE ? &sessions->newest : &sessions->outcomes[outcome->newer].older;
    *from_older = outcome->newer;
    *from_newer = outcome->older;
    id_map_remove(&sessions->outcome_map, outcome->id);
    sessions->digest -= outcome_digest(outcome);
    sessions->outcome_count--;
    *outcome = (struct sessions_outcome){.newer = sessions->free_outcome};
    sessions->free_outcome = place_of(sessions, outcome);
}

void sessions_outcome_reject(struct sessions *sessions, struct sessions_outcome *outcome)
{
    ASSERT(outcome->state == SESSIONS_APPLIED);
    sessions->digest -= outcome_digest(outcome);
    outcome->state = SESSIONS_REJECTED;
    sessions->digest += outcome_digest(outcome);
}

struct sessions_outcome *sessions_outcome_find(const struct sessions *sessions,
                                               struct proposal_id id)
{
    uint32_t place = id_map_find(&sessions->outcome_map, id);
    return place == ID_MAP_NONE ? NULL : &sessions->outcomes[place];
}

static struct proposal_id key_of(uint64_t session)
{
    return (struct proposal_id){session, 0};
}

/* The first free place; the array is full or not, and seldom asked. */
static struct session *free_session(struct sessions *sessions)
{
    if (sessions->session_count == sessions->session_capacity) {
        size_t capacity = sessions->session_capacity;
        void *array = sessions->sessions;
        int status =
            allocate_grow(sessions->allocator, &array, &sessions->session_capacity,
                          sessions->session_count + 1, SESSIONS_MAX, sizeof(*sessions->sessions));
        sessions->sessions = array;
        if (status != 0) {
            return NULL;
        }
        memset(&sessions->sessions[capacity], 0,
               (sessions->session_capacity - capacity) * sizeof(*sessions->sessions));
        return &sessions->sessions[capacity];
    }
    struct session *at = sessions->sessions;
    while (at->id != 0) {
        at++;
    }
    return at;
}

int sessions_session_add(struct sessions *sessions, const struct session *session)
{
    ASSERT(session->id != 0);
    ASSERT(sessions->session_count < SESSIONS_MAX);
    int status = id_map_reserve(&sessions->session_map);
    struct session *added = status == 0 ? free_session(sessions) : NULL;
    if (added == NULL) {
        return QR_ERR_NO_MEMORY;
    }
    *added = *session;
    sessions->session_count++;
    id_map_add(&sessions->session_map, key_of(session->id), (uint32_t)(added - sessions->sessions));
    sessions->digest += session_digest(added);
    return 0;
}

/* Its outcomes all lie in its window. */
void sessions_session_remove(struct sessions *sessions, struct session *session)
{
    for (uint64_t i = 0; i < SESSIONS_WINDOW && i < session->highest; i++) {
        struct sessions_outcome *outcome = sessions_outcome_find(
            sessions, (struct proposal_id){session->id, session->highest - i});
        if (outcome != NULL) {
            sessions_outcome_remove(sessions, outcome);
        }
    }
    id_map_remove(&sessions->session_map, key_of(session->id));
    sessions->digest -= session_digest(session);
    sessions->session_count--;
    *session = (struct session){0};
}

struct session *sessions_session_find(const struct sessions *sessions, uint64_t id)
{
    uint32_t place = id_map_find(&sessions->session_map, key_of(id));
    return place == ID_MAP_NONE ? NULL : &sessions->sessions[place];
}

void sessions_session_set(struct sessions *sessions, struct session *session, time_ns used_ns,
                          uint64_t highest)
{
    ASSERT(used_ns >= session->used_ns);
    ASSERT(highest >= session->highest);
    sessions->digest -= session_digest(session);
    session->used_ns = used_ns;
    session->highest = highest;
    sessions->digest += session_digest(session);
}

void sessions_invariants(const struct sessions *sessions)
{
    size_t count = 0;
    uint64_t digest = 0;
    time_ns created_ns = 0;
    for (uint32_t at = sessions->oldest; at != NO_PLACE; at = sessions->outcomes[at].newer) {
        const struct sessions_outcome *outcome = &sessions->outcomes[at];
        ASSERT(outcome->state != SESSIONS_FREE);
        ASSERT(outcome->created_ns >= created_ns);
        ASSERT(sessions_outcome_find(sessions, outcome->id) == outcome);
        if (sessions_id_kind(outcome->id) == SESSIONS_ID_SESSION) {
            const struct session *session = sessions_session_find(sessions, outcome->id.high);
            ASSERT(session != NULL);
            ASSERT(outcome->id.low <= session->highest);
            ASSERT(session->highest - outcome->id.low < SESSIONS_WINDOW);
        }
        created_ns = outcome->created_ns;
        digest += outcome_digest(outcome);
        count++;
    }
    ASSERT(count == sessions->outcome_count && count == sessions->outcome_map.count);
    ASSERT(count <= SESSIONS_OUTCOMES_MAX);
    count = 0;
    for (size_t i = 0; i < sessions->session_capacity; i++) {
        if (sessions->sessions[i].id != 0) {
            digest += session_digest(&sessions->sessions[i]);
            count++;
        }
    }
    ASSERT(count == sessions->session_count && count == sessions->session_map.count);
    ASSERT(digest == sessions->digest);
}
