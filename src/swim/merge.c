/* merge.c: what others say, held against what is known.
 *
 * (incarnation, state) pairs are in one total order, and a member's entry only ever goes up in
 * it, whatever comes in whichever order: so all that heard the same know the same. Unlike in
 * SWIM §4.2, where Confirm overrides every Alive for ever, a higher incarnation brings a dead
 * member back: partitions end. Only the member itself makes higher incarnations.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "base/mutant.h"
#include "quorate/error.h"
#include "swim/internal.h"

#define DOUBLES_OF_ONE_LIFE 3 /* what it said at first, and later: it need not be heard in order */
#define DOUBLE_TOLD_PERIODS 16

bool swim_overrides(enum swim_state state, uint64_t incarnation, enum swim_state known_state,
                    uint64_t known_incarnation)
{
    if (incarnation != known_incarnation) {
        return incarnation > known_incarnation;
    }
    if (MUTANT(SWIM_ALIVE_AT_EQUAL) && state == SWIM_ALIVE && known_state != SWIM_ALIVE) {
        return true;
    }
    return state > known_state;
}

static void spread(struct swim *swim, uint32_t slot)
{
    if (!swim->is_quiet) {
        swim_queue_push(swim, slot);
    }
}

void swim_end(struct swim *swim, uint32_t slot, const struct swim_update *update, node_id source,
              uint32_t agreed)
{
    struct swim_slot *member = swim_slot_of(swim, slot);
    if (member->is_hidden) {
        /* Nobody is told twice. */
        member->state = update->state;
        member->incarnation = update->incarnation;
        member->reason = update->reason;
        return;
    }
    swim_slot_set(swim, slot, update->state, update->incarnation, update->reason);
    spread(swim, slot);
    swim_tell(swim, (struct swim_news){
                        .type = update->state == SWIM_DEAD ? SWIM_NEWS_DEAD : SWIM_NEWS_LEFT,
                        .reason = update->reason,
                        .id = update->id,
                        .source = source,
                        .incarnation = update->incarnation,
                        .agreed = agreed,
                    });
    swim->reap_ns = min_u64(swim->reap_ns, swim->now_ns + swim->options.reap_ns);
    if (update->state == SWIM_DEAD) {
        swim_heal_soon(swim);
    }
}

void swim_leave(struct swim *swim, enum swim_reason reason)
{
    swim_slot_set(swim, SWIM_SELF, SWIM_LEFT, swim->slots[SWIM_SELF].incarnation, reason);
    swim_queue_push(swim, SWIM_SELF);
    swim->is_leaving = true;
    swim->gone_ns = swim->now_ns + (swim->order_count > 0 ? swim->options.leave_ns : 0);
    swim->gossip_ns = swim->now_ns;
}

static void tell_alive(struct swim *swim, uint32_t slot, bool was_listed, enum swim_state was,
                       bool is_changed)
{
    node_id self = swim->options.self;
    if (!was_listed || !swim_state_is_live((uint8_t)was)) {
        swim_tell_of(swim, SWIM_NEWS_JOINED, slot, self);
        return;
    }
    if (was == SWIM_SUSPECT) {
        swim_tell_of(swim, SWIM_NEWS_REFUTED, slot, self);
    }
    if (is_changed) {
        swim_tell_of(swim, SWIM_NEWS_UPDATED, slot, self);
    }
}

/* It lives: in this slot, or SWIM_NONE when it is new here. */
static void take_alive(struct swim *swim, uint32_t slot, const struct swim_update *update)
{
    struct swim_card *card = swim_cards_hold(swim->options.cards, update->profile);
    if (card == NULL) {
        swim->failed = QR_ERR_NO_MEMORY;
        return;
    }
    if (!swim_may_have_name(swim, update, card) || swim->failed != 0) {
        swim_cards_drop(swim->options.cards, card);
        return;
    }
    if (slot == SWIM_NONE) {
        swim_slot_make_room(swim);
        slot = swim_slot_take(swim, update->id);
    }
    if (slot == SWIM_NONE || swim->failed != 0) {
        swim_cards_drop(swim->options.cards, card);
        if (swim->failed == 0) {
            swim_tell_refused(swim, (struct swim_news){.type = SWIM_NEWS_FULL, .id = update->id});
        }
        return;
    }
    struct swim_slot *member = swim_slot_of(swim, slot);
    bool was_listed = !member->is_hidden;
    enum swim_state was = member->state;
    bool is_changed = member->card != card;
    swim_slot_set_card(swim, slot, card);
    swim_slot_set(swim, slot, SWIM_ALIVE, update->incarnation, SWIM_REASON_NONE);
    if (swim->failed != 0) {
        return;
    }
    spread(swim, slot);
    tell_alive(swim, slot, was_listed, was, is_changed);
    if (was == SWIM_DEAD) {
        /* What kept it away may have kept others away too: it may know them. */
        swim_sync_begin(swim, swim_card_peer(card));
    }
}

/* Dead or left, and not known here: remembered, so that no older rumour lets it in; but nobody
 * is forgotten for it.
 */
static void remember(struct swim *swim, const struct swim_update *update)
{
    if (swim->free_slot == SWIM_NONE && swim->slot_count == swim->options.members_max) {
        swim->counters.unknown++;
        return;
    }
    uint32_t slot = swim_slot_take(swim, update->id);
    if (swim->failed == 0) {
        swim_end(swim, slot, update, update->accuser, 0);
    }
}

/* Above what was heard; within bounds, or nobody would take it. */
static void refute(struct swim *swim, uint64_t incarnation)
{
    uint64_t own = swim->slots[SWIM_SELF].incarnation;
    if (incarnation > own + SWIM_RISE_LITTLE) {
        if (swim->now_ns < swim->rise_ns) {
            swim->counters.implausible++;
            return;
        }
        swim->rise_ns = swim->now_ns + SWIM_RISE_PERIODS * swim->options.period_ns;
        incarnation = min_u64(incarnation, own + SWIM_RISE_MAX);
    }
    if (incarnation + 1 >= SWIM_INCARNATION_MAX) {
        swim->counters.malformed++;
        return;
    }
    uint64_t higher =
        MUTANT(SWIM_REFUTE_UNRAISED) ? swim->slots[SWIM_SELF].incarnation : incarnation + 1;
    swim->counters.refutations++;
    swim_slot_set(swim, SWIM_SELF, SWIM_ALIVE, higher, SWIM_REASON_NONE);
    swim_queue_push(swim, SWIM_SELF);
}

static bool is_own_profile(const struct swim *swim, const struct swim_update *update)
{
    const struct swim_card *card = swim->slots[SWIM_SELF].card;
    return card->size_bytes == update->profile.size_bytes &&
           memcmp(card->bytes, update->profile.bytes, card->size_bytes) == 0;
}

/* It is said to live as it does not. An earlier life had a higher incarnation, and its clock has
 * gone back since: going above it once is all. If that comes up again and again another process
 * has its id: the two must not chase each other, and somebody has to hear of it.
 */
static void take_double(struct swim *swim, uint64_t incarnation)
{
    if (swim->now_ns < swim->double_ns) {
        return; /* it is heard of again */
    }
    swim->double_ns = swim->now_ns + swim->options.period_ns;
    swim->double_count++;
    if (swim->double_count > DOUBLES_OF_ONE_LIFE && swim->now_ns >= swim->double_told_ns) {
        swim->double_told_ns = swim->now_ns + DOUBLE_TOLD_PERIODS * swim->options.period_ns;
        swim_tell_of(swim, SWIM_NEWS_DOUBLE, SWIM_SELF, swim->options.self);
    }
    refute(swim, incarnation);
}

/* What is said of this node itself. Nobody knows better: whatever would override what it says
 * of itself it overrides in turn (SWIM §4.2).
 */
static void take_of_self(struct swim *swim, const struct swim_update *update)
{
    uint64_t incarnation = swim->slots[SWIM_SELF].incarnation;
    bool is_refuted = MUTANT(SWIM_LEAVER_REFUTES) &&
                      swim_find_name(swim, swim->slots[SWIM_SELF].card) == SWIM_NONE &&
                      swim->slots[SWIM_SELF].reason != SWIM_REASON_NAME_TAKEN;
    if (swim->is_leaving && !is_refuted) {
        return;
    }
    if (update->state == SWIM_ALIVE) {
        bool is_earlier = update->incarnation > incarnation && !MUTANT(SWIM_EARLIER_LIFE_IGNORED);
        bool is_other = update->incarnation == incarnation && update->profile.size_bytes > 0 &&
                        !is_own_profile(swim, update);
        if (is_earlier || is_other) {
            take_double(swim, update->incarnation);
        }
        return;
    }
    if (update->incarnation >= incarnation) {
        if (update->state != SWIM_LEFT) {
            swim_health_change(swim, 1);
        }
        refute(swim, update->incarnation);
    }
}

static void take_suspect(struct swim *swim, uint32_t slot, const struct swim_update *update)
{
    struct swim_slot *member = swim_slot_of(swim, slot);
    bool is_live = swim_state_is_live(member->state);
    if (member->card == NULL || (!is_live && !swim_may_have_name(swim, update, member->card))) {
        swim->counters.unknown++;
        return;
    }
    if (!swim_flaps_allow(swim, slot)) {
        return;
    }
    if (!is_live) {
        /* Somebody heard that it lives, and then nothing more. */
        swim_slot_set(swim, slot, SWIM_ALIVE, update->incarnation, SWIM_REASON_NONE);
        swim_tell_of(swim, SWIM_NEWS_JOINED, slot, swim->options.self);
    }
    if (swim->failed == 0) {
        swim_suspect(swim, slot, update->incarnation, update->accuser);
    }
}

static void take_of_known(struct swim *swim, uint32_t slot, const struct swim_update *update)
{
    struct swim_slot *member = swim_slot_of(swim, slot);
    if (update->state == SWIM_SUSPECT && member->state == SWIM_SUSPECT &&
        update->incarnation == member->incarnation) {
        swim_confirm(swim, slot, update->accuser);
        return;
    }
    if (!swim_overrides(update->state, update->incarnation, member->state, member->incarnation)) {
        swim->counters.stale++;
        bool is_unheard = member->state == SWIM_LEFT && update->state != SWIM_LEFT;
        if (is_unheard || (member->is_hidden && swim_state_is_live(update->state))) {
            swim->outdated = slot;
        }
        return;
    }
    switch ((enum swim_state)update->state) {
    case SWIM_ALIVE:
        take_alive(swim, slot, update);
        break;
    case SWIM_SUSPECT:
        take_suspect(swim, slot, update);
        break;
    case SWIM_DEAD:
    case SWIM_LEFT:
        swim_end(swim, slot, update, update->accuser, 0);
        break;
    }
}

static void take(struct swim *swim, const struct swim_update *update)
{
    if (update->id == swim->options.self) {
        take_of_self(swim, update);
        return;
    }
    uint32_t slot = swim_find(swim, update->id);
    uint64_t known = swim->slots[SWIM_SELF].incarnation;
    if (slot != SWIM_NONE) {
        known = max_u64(known, swim_slot_of(swim, slot)->incarnation);
    }
    if (update->incarnation > known + SWIM_AHEAD_MAX) {
        swim->counters.implausible++;
    } else if (slot != SWIM_NONE) {
        take_of_known(swim, slot, update);
    } else if (update->state == SWIM_ALIVE) {
        take_alive(swim, SWIM_NONE, update);
    } else if (update->state == SWIM_SUSPECT) {
        swim->counters.unknown++;
    } else {
        remember(swim, update);
    }
}

/* Tell the sender that somebody is gone: all others have forgotten it or do not speak of it. It
 * is one packet for one, and no longer.
 */
static void correct(struct swim *swim, node_id sender)
{
    uint32_t slot = swim_find(swim, sender);
    if (slot == SWIM_NONE || !swim_state_is_live(swim_slot_of(swim, slot)->state)) {
        return;
    }
    size_t first = swim->updates.count;
    struct swim_to to = swim_to_slot(swim, slot);
    if (swim_put_update(swim, swim->outdated, swim_slot_of(swim, swim->outdated)->state)) {
        swim_send_with(swim, &to, (struct swim_message){.type = SWIM_GOSSIP}, first);
    }
}

void swim_take_updates(struct swim *swim, const struct swim_message *message)
{
    swim->outdated = SWIM_NONE;
    swim->teller = message->from;
    if (message->has_to) {
        swim->is_let_in = swim->is_let_in || message->held_incarnation >= swim->options.incarnation;
        take_of_self(swim, &(struct swim_update){
                               .state = message->held_state,
                               .id = message->to,
                               .incarnation = message->held_incarnation,
                           });
    }
    for (size_t i = 0; i < message->update_count && swim->failed == 0; i++) {
        take(swim, &message->updates[i]);
    }
    if (swim->outdated != SWIM_NONE && swim->failed == 0) {
        correct(swim, message->from);
    }
}
