/* status.c: the machine as others may see it, its names in words, and what must hold of it. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "swim/internal.h"

/* Ids below this are small numbers somebody gave; a random one never is. As in wire. */
#define DECIMAL_ID_BELOW 1000

const char *swim_state_name(enum swim_state state)
{
    switch (state) {
#define X(name, value, text)                                                                       \
    case name:                                                                                     \
        return text;
        SWIM_STATE_MAP(X)
#undef X
    }
    return "?";
}

const char *swim_reason_text(enum swim_reason reason)
{
    switch (reason) {
#define X(name, value, text)                                                                       \
    case name:                                                                                     \
        return text;
        SWIM_REASON_MAP(X)
#undef X
    }
    return "?";
}

const char *swim_event_name(enum swim_event_type type)
{
    switch (type) {
#define X(name, value, text)                                                                       \
    case name:                                                                                     \
        return text;
        SWIM_EVENT_MAP(X)
#undef X
    }
    return "?";
}

const char *swim_news_name(enum swim_news_type type)
{
    switch (type) {
#define X(name, value, text)                                                                       \
    case name:                                                                                     \
        return text;
        SWIM_NEWS_MAP(X)
#undef X
    }
    return "?";
}

static void id_text(node_id id, struct text *text)
{
    if (id < DECIMAL_ID_BELOW) {
        text_u64(text, id);
    } else {
        text_hex(text, id, 16);
    }
}

void swim_news_text(const struct swim_news *news, struct text *text)
{
    text_string(text, swim_news_name(news->type));
    text_char(text, ' ');
    id_text(news->id, text);
    if (news->term > 0) {
        text_string(text, " term=");
        text_u64(text, news->term);
    } else {
        text_char(text, '@');
        text_u64(text, news->incarnation);
    }
    text_string(text, " by ");
    id_text(news->source, text);
    if (news->reason != SWIM_REASON_NONE) {
        text_string(text, ": ");
        text_string(text, swim_reason_text(news->reason));
    }
}

bool swim_message_is_coherent(const struct swim_message *message)
{
    bool is_to_somebody =
        message->to != 0 || message->held_state != SWIM_ALIVE || message->held_incarnation != 0;
    bool is_coherent =
        (message->has_to || !is_to_somebody) && message->held_incarnation < SWIM_INCARNATION_MAX &&
        (message->leader_term > 0 || message->leader == 0) &&
        message->incarnation < SWIM_INCARNATION_MAX && message->local_health <= SWIM_HEALTH_MAX;
    for (size_t i = 0; i < message->update_count && is_coherent; i++) {
        const struct swim_update *update = &message->updates[i];
        bool is_alive = update->state == SWIM_ALIVE;
        bool has_accuser = update->state == SWIM_SUSPECT || update->state == SWIM_DEAD;
        is_coherent = update->state <= SWIM_LEFT && update->incarnation < SWIM_INCARNATION_MAX &&
                      (update->profile.size_bytes > 0) == is_alive &&
                      (has_accuser || update->accuser == 0) &&
                      (!is_alive || update->reason == SWIM_REASON_NONE) &&
                      (update->state != SWIM_SUSPECT || update->accuser != update->id);
    }
    return is_coherent;
}

void swim_status(const struct swim *swim, struct swim_status *out)
{
    *out = (struct swim_status){
        .cluster = swim->cluster,
        .incarnation = swim->slots[SWIM_SELF].incarnation,
        .digest = swim->digest,
        .live_count = swim_live_count(swim),
        .suspect_count = swim->counts[SWIM_SUSPECT],
        .dead_count = swim->counts[SWIM_DEAD],
        .left_count = swim->counts[SWIM_LEFT],
        .remembered_count = swim->hidden_count,
        .queued_count = swim->queued_count,
        .local_health = swim->local_health,
        .leader_term = swim->leader_term,
        .leader = swim->leader,
        .is_joined = swim->is_joined,
        .is_leaving = swim->is_leaving,
        .is_stopped = swim->is_stopped,
        .counters = swim->counters,
    };
}

static void member_status(const struct swim_slot *member, struct swim_member_status *out)
{
    *out = (struct swim_member_status){
        .id = member->id,
        .state = member->state,
        .reason = member->reason,
        .is_listed = !member->is_hidden,
        .incarnation = member->incarnation,
        .changed_ns = member->changed_ns,
    };
    if (member->card != NULL) {
        out->profile = swim_card_blob(member->card);
    }
}

bool swim_member_at(const struct swim *swim, uint32_t *place, struct swim_member_status *out)
{
    for (; *place < swim->slot_count; (*place)++) {
        if (swim->slots[*place].is_used) {
            member_status(&swim->slots[*place], out);
            return true;
        }
    }
    return false;
}

bool swim_member(const struct swim *swim, node_id id, struct swim_member_status *out)
{
    uint32_t slot = swim_find(swim, id);
    if (slot == SWIM_NONE) {
        return false;
    }
    member_status(&swim->slots[slot], out);
    return true;
}

static void slot_invariants(const struct swim *swim, uint32_t slot)
{
    const struct swim_slot *member = &swim->slots[slot];
    bool is_live = swim_state_is_live(member->state);
    ASSERT(swim_find(swim, member->id) == slot);
    ASSERT(member->incarnation < SWIM_INCARNATION_MAX);
    ASSERT(member->is_named == is_live);
    ASSERT_IMPLIES(is_live, member->card != NULL);
    ASSERT_IMPLIES(is_live, swim_find_name(swim, member->card) == slot);
    ASSERT_IMPLIES(member->is_hidden, !is_live && !member->is_queued);
    ASSERT((member->order_at != SWIM_NONE) == (is_live && slot != SWIM_SELF));
    ASSERT_IMPLIES(member->order_at != SWIM_NONE, swim->order[member->order_at] == slot);
    ASSERT((member->suspicion != SWIM_NONE) == (member->state == SWIM_SUSPECT));
    if (member->suspicion != SWIM_NONE) {
        const struct swim_suspicion *suspicion = &swim->suspicions[member->suspicion];
        ASSERT(suspicion->slot == slot);
        ASSERT(suspicion->accuser_count <= SWIM_ACCUSERS_MAX);
        ASSERT(suspicion->due_ns >= swim->suspicion_ns);
    }
}

static void queue_invariants(const struct swim *swim)
{
    uint32_t count = 0;
    for (uint32_t t = 0; t < SWIM_TRANSMITS_MAX; t++) {
        uint32_t prev = SWIM_NONE;
        for (uint32_t slot = swim->queue_head[t]; slot != SWIM_NONE;
             slot = swim->slots[slot].next) {
            ASSERT(swim->slots[slot].is_queued);
            ASSERT(swim->slots[slot].transmits == t);
            ASSERT(swim->slots[slot].prev == prev);
            ASSERT(count < swim->slot_count);
            prev = slot;
            count++;
        }
        ASSERT(swim->queue_tail[t] == prev);
        ASSERT((swim->queue_filled >> t & 1) == (swim->queue_head[t] != SWIM_NONE));
    }
    ASSERT(count == swim->queued_count);
}

void swim_invariants(const struct swim *swim)
{
    uint32_t counts[4] = {0};
    uint32_t hidden = 0;
    for (uint32_t slot = 0; slot < swim->slot_count; slot++) {
        const struct swim_slot *member = &swim->slots[slot];
        if (member->is_used) {
            slot_invariants(swim, slot);
            hidden += member->is_hidden;
            counts[member->state] += !member->is_hidden;
        }
    }
    ASSERT(memcmp(counts, swim->counts, sizeof(counts)) == 0);
    ASSERT(hidden == swim->hidden_count);
    ASSERT(swim->order_at <= swim->order_count);
    ASSERT(swim->suspicion_count == counts[SWIM_SUSPECT]);
    ASSERT(swim->slots[SWIM_SELF].id == swim->options.self);
    ASSERT(swim->local_health <= SWIM_HEALTH_MAX);
    ASSERT_IMPLIES(swim->is_stopped, swim->is_leaving);
    queue_invariants(swim);
}
