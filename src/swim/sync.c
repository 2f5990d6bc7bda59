/* sync.c: push_pull: two members tell each other all they know, over a stream.
 *
 * The epidemic alone may miss somebody. Each packet carries a digest of the live members that
 * its sender knows, so that two who differ although there is no news to spread notice it within
 * a few periods; besides, one member at random is asked once in a long while.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "swim/internal.h"

#define GAP_PERIODS 4      /* between two of them without news */
#define SCALE_BEGINS_AT 32 /* with more members it is rarer, as each is longer */

/* Count the updates from `from` on; whether another member fits behind them. */
static bool has_room(const struct swim *swim, size_t from, size_t *used_bytes)
{
    const struct swim_update *updates = swim->updates.items;
    for (size_t i = from; i < swim->updates.count; i++) {
        *used_bytes += swim_update_bytes(&updates[i]);
    }
    /* A suspect takes two updates. */
    size_t next_bytes = 2 * SWIM_UPDATE_BYTES + SWIM_PROFILE_BYTES_MAX;
    return *used_bytes + next_bytes <= SWIM_PIECE_BYTES_MAX;
}

static struct swim_message piece(enum swim_message_type type, uint32_t sequence, bool is_last)
{
    struct swim_message message = {.type = type};
    if (type == SWIM_PUSH_PULL) {
        message.push_pull.sequence = sequence;
        message.push_pull.is_last = is_last;
    } else {
        message.push_pull_response.sequence = sequence;
        message.push_pull_response.is_last = is_last;
    }
    return message;
}

/* All that is listed, in as many pieces as it takes. */
static void send_table(struct swim *swim, const struct swim_to *to, enum swim_message_type type,
                       uint32_t sequence)
{
    size_t first = swim->updates.count;
    size_t used_bytes = SWIM_HEAD_BYTES_MAX;
    for (uint32_t slot = 0; slot < swim->slot_count && swim->failed == 0; slot++) {
        const struct swim_slot *member = swim_slot_of(swim, slot);
        if (!member->is_used || member->is_hidden) {
            continue;
        }
        size_t from = swim->updates.count;
        if (member->state == SWIM_SUSPECT) {
            (void)swim_put_update(swim, slot, SWIM_ALIVE); /* or a newcomer knew nothing of it */
        }
        (void)swim_put_update(swim, slot, member->state);
        if (!has_room(swim, from, &used_bytes)) {
            swim_send_with(swim, to, piece(type, sequence, false), first);
            first = swim->updates.count;
            used_bytes = SWIM_HEAD_BYTES_MAX;
        }
    }
    if (swim->failed == 0) {
        swim_send_with(swim, to, piece(type, sequence, true), first);
    }
}

void swim_sync_begin(struct swim *swim, const char *address)
{
    if (swim->now_ns < swim->sync_allowed_ns || swim->is_leaving) {
        return;
    }
    time_ns gap_ns = GAP_PERIODS * swim->options.period_ns;
    swim->sync_allowed_ns = swim->now_ns + prng_between(&swim->prng, gap_ns / 2, gap_ns * 3 / 2);
    swim->counters.syncs++;
    struct swim_to to = {.address = address, .is_stream = true};
    uint32_t sequence = (uint32_t)prng_between(&swim->prng, 1, UINT32_MAX);
    swim->synced[swim->synced_at] = sequence;
    swim->synced_at = (swim->synced_at + 1) % SWIM_TRIED_MAX;
    send_table(swim, &to, SWIM_PUSH_PULL, sequence);
}

bool swim_sync_is_asked(const struct swim *swim, uint32_t sequence)
{
    bool is_asked = false;
    for (size_t i = 0; i < SWIM_TRIED_MAX; i++) {
        is_asked = is_asked || (sequence != 0 && swim->synced[i] == sequence);
    }
    return is_asked;
}

void swim_sync_compare(struct swim *swim, const struct swim_message *message)
{
    /* Who does not know this node at all gets to know it by no news that is left to spread. */
    bool is_unheard = message->has_to && message->held_state == SWIM_ALIVE &&
                      message->held_incarnation == 0 && swim->slots[SWIM_SELF].incarnation > 0;
    bool is_other = message->digest != swim->digest && swim->queued_count == 0;
    if (swim->options.sync_ns == 0 || (!is_unheard && !is_other)) {
        return;
    }
    uint32_t slot = swim_find(swim, message->from);
    if (slot != SWIM_NONE && swim_state_is_live(swim_slot_of(swim, slot)->state)) {
        swim_sync_begin(swim, swim_card_peer(swim_slot_of(swim, slot)->card));
    }
}

void swim_on_push_pull(struct swim *swim, const struct swim_event *event)
{
    const struct swim_message *message = event->received.message;
    if (message->type == SWIM_PUSH_PULL_RESPONSE) {
        swim->is_joined = swim->is_joined || message->push_pull_response.is_last;
        return;
    }
    if (message->push_pull.is_last) {
        struct swim_to to = swim_back(swim, event);
        send_table(swim, &to, SWIM_PUSH_PULL_RESPONSE, message->push_pull.sequence);
    }
}

static time_ns interval(struct swim *swim)
{
    uint64_t scale = 1;
    for (uint32_t members = swim_live_count(swim); members > SCALE_BEGINS_AT; members /= 2) {
        scale++;
    }
    time_ns span_ns = swim->options.sync_ns * scale;
    return prng_between(&swim->prng, span_ns / 2, span_ns + span_ns / 2);
}

void swim_sync_tick(struct swim *swim)
{
    if (swim->options.sync_ns == 0 || swim->now_ns < swim->sync_ns) {
        return;
    }
    uint32_t slot;
    if (swim_order_pick(swim, 1, &slot) == 1) {
        swim_sync_begin(swim, swim_card_peer(swim_slot_of(swim, slot)->card));
    }
    swim->sync_ns = swim->now_ns + interval(swim);
}
