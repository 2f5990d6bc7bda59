/* heal.c: who is out of reach is tried for ever; who is gone for long is no longer listed.
 *
 * A partition that outlasts every timer leaves two clusters that hold each other for dead. So
 * each member tries the dead it knows, and its seeds, one at a time, with back-off: the first
 * that answers refutes its death, and both sides tell each other all they know.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/mutant.h"
#include "swim/internal.h"

#define REAPS_PER_SPAN 8 /* looks for who is due in one reap_ns */

static void listed_begin(struct swim *swim)
{
    swim->heal_listed_ns = TIME_NEVER;
    swim->heal_listed = SWIM_NONE;
    swim->heal_seed = 0;
}

void swim_heal_soon(struct swim *swim)
{
    listed_begin(swim);
    swim->heal_gap_ns = swim->options.heal_min_ns;
    time_ns soon_ns = swim->now_ns + prng_between(&swim->prng, 0, swim->heal_gap_ns);
    swim->heal_ns = min_u64(swim->heal_ns, soon_ns);
}

/* Whether somebody who lives has this address. Linear; asked once in a back-off. */
static bool is_live_address(struct swim *swim, const char *address)
{
    for (uint32_t slot = 0; slot < swim->slot_count; slot++) {
        const struct swim_slot *member = swim_slot_of(swim, slot);
        if (member->is_used && swim_state_is_live(member->state) &&
            swim_is_same_address(swim_card_peer(member->card), address)) {
            return true;
        }
    }
    return false;
}

void swim_heal_ping(struct swim *swim, const struct swim_to *to)
{
    struct swim_tried *tried = &swim->tried[swim->tried_at];
    swim->tried_at = (swim->tried_at + 1) % SWIM_TRIED_MAX;
    *tried = (struct swim_tried){
        .sequence = (uint32_t)prng_between(&swim->prng, 1, UINT32_MAX),
        .has_id = to->has_id,
        .id = to->id,
        .end_ns = swim->now_ns + SWIM_TRIED_PERIODS * swim->options.period_ns,
    };
    swim_address_copy(tried->address, to->address);
    swim_send(swim, to,
              (struct swim_message){.type = SWIM_PING, .ping = {.sequence = tried->sequence}});
}

struct swim_tried *swim_heal_tried(struct swim *swim, const struct swim_message *message)
{
    for (size_t i = 0; i < SWIM_TRIED_MAX; i++) {
        struct swim_tried *tried = &swim->tried[i];
        if (tried->sequence != 0 && tried->sequence == message->ack.sequence &&
            swim->now_ns <= tried->end_ns && (!tried->has_id || tried->id == message->from)) {
            return tried;
        }
    }
    return NULL;
}

static bool try_dead(struct swim *swim, uint32_t slot)
{
    const struct swim_slot *member = swim_slot_of(swim, slot);
    if (!member->is_used || member->state != SWIM_DEAD || member->card == NULL) {
        return false;
    }
    /* Its death goes with it, so that it can refute it: see swim_send(). */
    struct swim_to to = swim_to_slot(swim, slot);
    swim_heal_ping(swim, &to);
    return true;
}

static bool try_seed(struct swim *swim, const char *address)
{
    if (is_live_address(swim, address)) {
        return false;
    }
    struct swim_to to = {.address = address};
    if (swim->is_joined) {
        swim_heal_ping(swim, &to);
    } else {
        swim->sync_allowed_ns = 0;
        swim_sync_begin(swim, address);
    }
    return true;
}

/* Of the listed dead the one that changed last, before the one that was tried last; linear. */
static uint32_t next_listed(const struct swim *swim)
{
    uint32_t next = SWIM_NONE;
    for (uint32_t slot = 1; slot < swim->slot_count; slot++) {
        const struct swim_slot *member = &swim->slots[slot];
        bool is_left = member->changed_ns < swim->heal_listed_ns ||
                       (member->changed_ns == swim->heal_listed_ns && slot < swim->heal_listed);
        if (member->is_used && !member->is_hidden && member->state == SWIM_DEAD && is_left &&
            (next == SWIM_NONE || member->changed_ns >= swim->slots[next].changed_ns)) {
            next = slot;
        }
    }
    return next;
}

static bool try_listed(struct swim *swim)
{
    for (uint32_t slot = next_listed(swim); slot != SWIM_NONE; slot = next_listed(swim)) {
        swim->heal_listed = slot;
        swim->heal_listed_ns = swim->slots[slot].changed_ns;
        if (try_dead(swim, slot)) {
            return true;
        }
    }
    while (swim->heal_seed < swim->seed_count) {
        if (try_seed(swim, swim->seeds[swim->heal_seed++])) {
            return true;
        }
    }
    listed_begin(swim);
    return false;
}

static bool try_any(struct swim *swim)
{
    uint32_t places = swim->slot_count + swim->seed_count;
    for (uint32_t i = 0; i < places; i++) {
        uint32_t at = swim->heal_at++ % places;
        swim->heal_at = swim->heal_at % places;
        if (at < swim->slot_count ? try_dead(swim, at)
                                  : try_seed(swim, swim->seeds[at - swim->slot_count])) {
            return true;
        }
    }
    return false;
}

/* Try the next that is not reached. Returns whether there was one. Who is hidden is many, and
 * mostly gone for good: they do not hold up the others.
 */
static bool try_next(struct swim *swim)
{
    bool is_listed = swim->heal_is_listed && swim->hidden_count > 0;
    swim->heal_is_listed = !swim->heal_is_listed;
    if ((is_listed && try_listed(swim)) || try_any(swim)) {
        swim->counters.heals++;
        return true;
    }
    return false;
}

void swim_heal_tick(struct swim *swim)
{
    if (swim->now_ns < swim->heal_ns) {
        return;
    }
    if (!try_next(swim)) {
        /* All are reached. A death, or a seed that is lost, begins it again. */
        swim->heal_ns =
            swim->seed_count > 0 ? swim->now_ns + swim->options.heal_max_ns : TIME_NEVER;
        return;
    }
    /* The more are tried the sooner the next: up to one in heal_min. */
    uint64_t targets = max_u64(swim->counts[SWIM_DEAD] + (uint64_t)swim->hidden_count, 1);
    time_ns longest = max_u64(swim->options.heal_max_ns / targets, swim->options.heal_min_ns);
    time_ns gap_ns = min_u64(swim->heal_gap_ns, longest);
    swim->heal_ns = swim->now_ns + prng_between(&swim->prng, gap_ns / 2, gap_ns);
    swim->heal_gap_ns = min_u64(gap_ns * 2, swim->options.heal_max_ns);
}

void swim_reap_tick(struct swim *swim)
{
    if (swim->now_ns < swim->reap_ns) {
        return;
    }
    time_ns next_ns = TIME_NEVER;
    for (uint32_t slot = 1; slot < swim->slot_count && swim->failed == 0; slot++) {
        const struct swim_slot *member = swim_slot_of(swim, slot);
        if (!member->is_used || member->is_hidden || swim_state_is_live(member->state)) {
            continue;
        }
        time_ns due_ns = member->changed_ns + swim->options.reap_ns;
        if (due_ns > swim->now_ns) {
            next_ns = min_u64(next_ns, due_ns);
            continue;
        }
        swim_tell_of(swim, SWIM_NEWS_REAPED, slot, swim->options.self);
        swim_slot_hide(swim, slot);
        if (MUTANT(SWIM_REAPED_FORGOTTEN)) {
            swim_slot_forget(swim, slot);
        }
    }
    swim->reap_ns = next_ns == TIME_NEVER
                        ? TIME_NEVER
                        : max_u64(next_ns, swim->now_ns + swim->options.reap_ns / REAPS_PER_SPAN);
}
