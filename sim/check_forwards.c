/* check_forwards.c: what was forwarded is sent again, or called refused, only when it is certain
 * that it is nowhere.
 *
 * Requests of a member are numbered from another place in each of its lives, so that member and
 * request name one proposal for good.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "sim/check.h"
#include "sim/memory.h"
#include "sim/trace.h"

static struct check_forward *slot_of(const struct check_forwards *check, uint64_t from,
                                     uint64_t request)
{
    size_t at = sim_hash_u64(from, request) & (check->capacity - 1);
    while (check->forwards[at].is_used &&
           (check->forwards[at].from != from || check->forwards[at].request != request)) {
        at = (at + 1) & (check->capacity - 1);
    }
    return &check->forwards[at];
}

static struct check_forward *find(const struct check_forwards *check, uint64_t from,
                                  uint64_t request)
{
    struct check_forward *found = check->capacity == 0 ? NULL : slot_of(check, from, request);
    return found == NULL || !found->is_used ? NULL : found;
}

static void make_room(struct check_forwards *check)
{
    if (2 * check->count < check->capacity) {
        return;
    }
    struct check_forwards larger = *check;
    larger.capacity = check->capacity == 0 ? 256 : 2 * check->capacity;
    larger.forwards = sim_allocate(larger.capacity, sizeof(*larger.forwards));
    for (size_t i = 0; i < check->capacity; i++) {
        const struct check_forward *forward = &check->forwards[i];
        if (forward->is_used) {
            *slot_of(&larger, forward->from, forward->request) = *forward;
        }
    }
    sim_release(check->forwards);
    *check = larger;
}

/* Whether a proposal that was sent to the leader of its term certainly came to nothing. In a log
 * no entry of an earlier term follows one of a later term.
 */
static bool is_nowhere(const struct check_forward *forward, uint64_t applied_term)
{
    return forward->is_refused || applied_term > forward->term;
}

static void note_key(struct check_forwards *check, const struct check_forward *forward)
{
    sim_grow((void **)&check->keys, &check->key_capacity, forward->number + 1,
             sizeof(*check->keys));
    check->keys[forward->number] =
        (struct check_forward_key){true, forward->from, forward->request};
}

void check_forwards_sent(struct check_forwards *check, const struct wire_message *message,
                         uint64_t applied_term, time_ns now_ns, struct sim_failure *failure)
{
    const struct wire_forward *sent = &message->forward;
    for (size_t i = 0; i < message->entry_count; i++) {
        struct proposal_id id = entry_fields_of(&message->entries[i]).id;
        if (id.high != CHECK_PROPOSAL_ID_HIGH) {
            continue;
        }
        make_room(check);
        struct check_forward *forward = slot_of(check, sent->from, sent->request + i);
        if (!forward->is_used) {
            check->count++;
        } else if (!is_nowhere(forward, applied_term)) {
            sim_failure_set(failure, now_ns, "forwarded_when_nowhere",
                            "%016" PRIx64 " sends operation %" PRIu64
                            " to the leader of term %" PRIu64 ", but that of term %" PRIu64
                            " may have it",
                            sent->from, forward->number, sent->term, forward->term);
        }
        forward->is_used = true;
        forward->from = sent->from;
        forward->request = sent->request + i;
        forward->number = id.low - 1;
        forward->term = sent->term;
        forward->is_refused = false;
        note_key(check, forward);
    }
}

void check_forwards_answered(struct check_forwards *check, uint64_t to,
                             const struct wire_forward_response *response, time_ns now_ns,
                             struct sim_failure *failure)
{
    for (uint32_t i = 0; i < response->count; i++) {
        struct check_forward *forward = find(check, to, response->request + i);
        if (forward == NULL) {
            continue;
        }
        if (response->status == 0) {
            forward->is_appended = true;
            forward->appended_by = response->from;
            forward->appended_term = response->entry_term;
        } else if (forward->is_appended && forward->appended_by == response->from &&
                   forward->appended_term == response->entry_term) {
            sim_failure_set(failure, now_ns, "refused_when_nowhere",
                            "%016" PRIx64 " refuses operation %" PRIu64
                            ", which it has appended in term %" PRIu64,
                            response->from, forward->number, response->entry_term);
        }
    }
}

bool check_forwards_heard(struct check_forwards *check, uint64_t to,
                          const struct wire_forward_response *response)
{
    bool is_news = response->status == 0;
    for (uint32_t i = 0; i < response->count && response->status != 0; i++) {
        struct check_forward *forward = find(check, to, response->request + i);
        bool is_earlier = forward != NULL && forward->term != response->entry_term;
        is_news = is_news || !is_earlier;
        if (forward != NULL && !is_earlier) {
            forward->is_refused = true;
        }
    }
    return is_news;
}

void check_forwards_refused(const struct check_forwards *check, uint64_t from, uint64_t number,
                            uint64_t applied_term, time_ns now_ns, struct sim_failure *failure)
{
    if (number >= check->key_capacity || !check->keys[number].is_used ||
        check->keys[number].from != from) {
        return;
    }
    const struct check_forward *forward = find(check, from, check->keys[number].request);
    if (forward != NULL && !is_nowhere(forward, applied_term)) {
        sim_failure_set(failure, now_ns, "refused_when_nowhere",
                        "%016" PRIx64 " calls operation %" PRIu64
                        " refused, but the leader of term %" PRIu64 " may have it",
                        from, number, forward->term);
    }
}

void check_forwards_deinit(struct check_forwards *check)
{
    sim_release(check->forwards);
    sim_release(check->keys);
}
