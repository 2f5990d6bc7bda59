/* names.c: one name, one live member: who may have it, and who goes.
 *
 * What a claim says of itself, its age above all, is the claimant's own word, and anybody can
 * forge it. So nobody who holds a live member for the owner of a name lets another in: the
 * claimant waits until that one is gone. Only the two of one name settle it, and only when the
 * other has answered a ping that was meant for it: a name that a dead or invented member has
 * costs nobody his place. A newcomer goes; of two that were both let in, each on its side of a
 * partition, the one whose life began later. One with a new disk, and so a new id, at the same
 * address finds that its last life does not answer, and is let in when that is found dead.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/mutant.h"
#include "swim/internal.h"

/* In half periods. Who ought to go is the first to ask, so that not both find the other there:
 * the younger newcomer, then the older one, then the younger of two old members.
 */
#define FIRST_AFTER 0
#define SECOND_AFTER 4
#define THIRD_AFTER 16
#define TRIES 8 /* one in each half period: over before the next begins */

static struct swim_news taken(node_id id, node_id holder)
{
    return (struct swim_news){
        .type = SWIM_NEWS_NAME_TAKEN,
        .reason = SWIM_REASON_NAME_TAKEN,
        .id = id,
        .source = holder,
    };
}

/* Whether life `a` began before life `b`: the same everywhere, whoever is heard of first. */
static bool is_older(uint64_t a_started, node_id a, uint64_t b_started, node_id b)
{
    return a_started != b_started ? a_started < b_started : a < b;
}

/* The other may not have heard of this node, which it has to make room for. */
static void tell_rival(struct swim *swim, node_id id, const char *address)
{
    if (swim->now_ns < swim->rival_told_ns) {
        return;
    }
    swim->rival_told_ns = swim->now_ns + swim->options.period_ns;
    size_t first = swim->updates.count;
    struct swim_to to = {.address = address, .id = id, .has_id = true};
    if (swim_put_update(swim, SWIM_SELF, SWIM_ALIVE)) {
        swim_send_with(swim, &to, (struct swim_message){.type = SWIM_GOSSIP}, first);
    }
}

/* Another claims this node's name. */
static void rival_begin(struct swim *swim, node_id id, const struct swim_card *card)
{
    struct swim_rival *rival = &swim->rival;
    const struct swim_card *own = swim->slots[SWIM_SELF].card;
    bool is_elder =
        is_older(swim_card_started(own), swim->options.self, swim_card_started(card), id);
    /* Nobody holds it for a member yet, and who tells it of the other holds that for one. */
    bool is_newcomer = swim->is_quiet || (swim->is_joined && !swim->is_let_in);
    if (swim->is_leaving) {
        return;
    }
    if (MUTANT(SWIM_NAME_BY_WORD) && !is_elder) {
        swim_tell(swim, taken(swim->options.self, id));
        swim_leave(swim, SWIM_REASON_NAME_TAKEN);
        return;
    }
    if (is_elder && !is_newcomer) {
        tell_rival(swim, id, swim_card_peer(card));
        return;
    }
    if (rival->next_ns != TIME_NEVER) {
        return; /* one after the other */
    }
    time_ns half_ns = swim->options.period_ns / 2;
    uint64_t after = !is_newcomer ? THIRD_AFTER : is_elder ? SECOND_AFTER : FIRST_AFTER;
    *rival = (struct swim_rival){
        .id = id,
        .sequence = (uint32_t)prng_next(&swim->prng),
        .next_ns = swim->now_ns + half_ns * after,
    };
    swim_address_copy(rival->address, swim_card_peer(card));
}

/* Who tells of another owner does not hold this one for live, and so would never say that it
 * finds it dead: it would stay suspect here for ever when it is. But that is no probe: it counts
 * only beside this node's own finding. The claimant itself has no say.
 */
static void count_teller(struct swim *swim, uint32_t holder_slot, node_id claimant)
{
    const struct swim_slot *holder = swim_slot_of(swim, holder_slot);
    bool is_word = swim->teller != claimant && swim->teller != holder->id;
    if (holder->state == SWIM_SUSPECT && is_word && swim_accuses(swim, holder_slot)) {
        swim_confirm(swim, holder_slot, swim->teller);
    }
}

bool swim_may_have_name(struct swim *swim, const struct swim_update *update,
                        const struct swim_card *card)
{
    uint32_t holder_slot = swim_find_name(swim, card);
    if (holder_slot == SWIM_NONE || swim_slot_of(swim, holder_slot)->id == update->id) {
        return true;
    }
    const struct swim_slot *holder = swim_slot_of(swim, holder_slot);
    swim_tell_refused(swim, taken(update->id, holder->id));
    if (holder_slot == SWIM_SELF) {
        rival_begin(swim, update->id, card);
    } else {
        count_teller(swim, holder_slot, update->id);
    }
    return false;
}

void swim_rival_tick(struct swim *swim)
{
    struct swim_rival *rival = &swim->rival;
    if (swim->now_ns < rival->next_ns) {
        return;
    }
    if (rival->tries == TRIES) {
        rival->next_ns = TIME_NEVER; /* it is not there */
        return;
    }
    rival->tries++;
    rival->next_ns = swim->now_ns + swim->options.period_ns / 2;
    struct swim_to to = {.address = rival->address, .id = rival->id, .has_id = true};
    swim_send_with(swim, &to,
                   (struct swim_message){.type = SWIM_PING, .ping = {.sequence = rival->sequence}},
                   swim->updates.count);
}

bool swim_rival_ack(struct swim *swim, const struct swim_message *message)
{
    struct swim_rival *rival = &swim->rival;
    if (rival->next_ns == TIME_NEVER || rival->tries == 0 ||
        rival->sequence != message->ack.sequence || rival->id != message->from) {
        return false;
    }
    rival->next_ns = TIME_NEVER;
    uint32_t slot = swim_find(swim, rival->id);
    bool is_going = slot != SWIM_NONE && swim_slot_of(swim, slot)->state == SWIM_LEFT &&
                    swim_slot_of(swim, slot)->incarnation >= message->incarnation;
    if (!is_going && !swim->is_leaving) {
        swim_tell(swim, taken(swim->options.self, rival->id));
        swim_leave(swim, SWIM_REASON_NAME_TAKEN);
    }
    return true;
}
