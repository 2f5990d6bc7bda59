/* suspicion.c: between alive and dead: who suspects whom, for how long, and who agrees.
 *
 * A suspicion ends in death when its time is over and enough members have found the same by
 * probes of their own. The more do, the shorter it is (Lifeguard §IV.B). What is ours: a member
 * that hears of one may look for itself at once, so that few have to wait for their turn to
 * probe the suspect; and where others live that could agree, one alone kills nobody.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/mutant.h"
#include "quorate/error.h"
#include "swim/internal.h"

#define ANSWER_PERIODS 2

static void due_set(struct swim *swim, struct swim_suspicion *suspicion)
{
    uint32_t agree = suspicion->accuser_count > 0 ? suspicion->accuser_count - 1 : 0;
    suspicion->due_ns =
        suspicion->began_ns + swim_suspicion_ns(&swim->options, swim_live_count(swim), agree);
    swim->suspicion_ns = min_u64(swim->suspicion_ns, suspicion->due_ns);
}

/* Whether its word counts: anybody can name an accuser that there never was. */
static bool is_witness(const struct swim *swim, node_id accuser)
{
    uint32_t slot = swim_find(swim, accuser);
    return slot != SWIM_NONE && swim_state_is_live(swim->slots[slot].state);
}

/* Accusers that have gone since count no longer, and make room for others. */
static void forget_gone(struct swim *swim, struct swim_suspicion *suspicion)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < suspicion->accuser_count; i++) {
        if (is_witness(swim, suspicion->accusers[i])) {
            suspicion->accusers[kept++] = suspicion->accusers[i];
        }
    }
    suspicion->accuser_count = kept;
}

static void begin(struct swim *swim, uint32_t slot, node_id accuser)
{
    if (allocate_grow(swim->options.allocator, (void **)&swim->suspicions,
                      &swim->suspicion_capacity, (size_t)swim->suspicion_count + 1,
                      swim->options.members_max, sizeof(*swim->suspicions)) != 0) {
        swim->failed = QR_ERR_NO_MEMORY;
        return;
    }
    struct swim_suspicion *suspicion = &swim->suspicions[swim->suspicion_count];
    *suspicion = (struct swim_suspicion){
        .slot = slot,
        .accuser_count = is_witness(swim, accuser),
        .began_ns = swim->now_ns,
        .accusers = {accuser},
    };
    swim_slot_of(swim, slot)->suspicion = swim->suspicion_count++;
    due_set(swim, suspicion);
}

void swim_suspicion_end(struct swim *swim, uint32_t slot)
{
    uint32_t at = swim_slot_of(swim, slot)->suspicion;
    ASSERT(at < swim->suspicion_count);
    swim->suspicion_count--;
    swim->suspicions[at] = swim->suspicions[swim->suspicion_count];
    swim_slot_of(swim, swim->suspicions[at].slot)->suspicion = at;
    swim_slot_of(swim, slot)->suspicion = SWIM_NONE;
    if (swim->suspicion_count == 0) {
        swim->suspicion_ns = TIME_NEVER;
    }
}

/* Whether it may be suspected once more: so often at once, then once in SWIM_FLAP_PERIODS. Only
 * suspicions are counted: nothing stands in the way of who says that it lives.
 */
bool swim_flaps_allow(struct swim *swim, uint32_t slot)
{
    struct swim_slot *member = swim_slot_of(swim, slot);
    uint64_t period = (swim->now_ns - swim->start_ns) / swim->options.period_ns;
    uint64_t over = (period - member->flap_period) / SWIM_FLAP_PERIODS;
    member->flaps -= (uint8_t)min_u64(member->flaps, over);
    member->flap_period = member->flaps == 0
                              ? (uint32_t)period
                              : member->flap_period + (uint32_t)over * SWIM_FLAP_PERIODS;
    if (member->flaps >= SWIM_FLAPS_MAX) {
        swim->counters.suspicions_held++;
        return false;
    }
    member->flaps++;
    return true;
}

/* About twice as many as are needed look for themselves, whatever the cluster's size. */
static void look_too(struct swim *swim, uint32_t slot)
{
    uint64_t others = swim->order_count > 0 ? swim->order_count : 1;
    if (swim->options.has_lifeguard &&
        prng_between(&swim->prng, 0, others - 1) < 2 * (uint64_t)swim->options.confirmations_max) {
        swim_probe_second(swim, slot);
    }
}

void swim_suspect(struct swim *swim, uint32_t slot, uint64_t incarnation, node_id accuser)
{
    ASSERT(slot != SWIM_SELF);
    swim_slot_set(swim, slot, SWIM_SUSPECT, incarnation, SWIM_REASON_UNANSWERED);
    begin(swim, slot, accuser);
    if (swim->failed != 0) {
        return;
    }
    swim_queue_push(swim, slot);
    swim_tell_of(swim, SWIM_NEWS_SUSPECTED, slot, accuser);
    if (accuser != swim->options.self) {
        look_too(swim, slot);
    }
}

static bool has_accused(const struct swim_suspicion *suspicion, node_id accuser)
{
    for (uint32_t i = 0; i < suspicion->accuser_count; i++) {
        if (suspicion->accusers[i] == accuser) {
            return true;
        }
    }
    return false;
}

bool swim_accuses(const struct swim *swim, uint32_t slot)
{
    return has_accused(&swim->suspicions[swim->slots[slot].suspicion], swim->options.self);
}

void swim_confirm(struct swim *swim, uint32_t slot, node_id accuser)
{
    struct swim_suspicion *suspicion = &swim->suspicions[swim_slot_of(swim, slot)->suspicion];
    if (!is_witness(swim, accuser)) {
        swim->counters.unknown++;
        return;
    }
    forget_gone(swim, suspicion);
    if (has_accused(suspicion, accuser) || suspicion->accuser_count == SWIM_ACCUSERS_MAX) {
        swim->counters.stale++;
        return;
    }
    suspicion->accusers[suspicion->accuser_count++] = accuser;
    suspicion->told = suspicion->accuser_count - 1; /* the new one goes first */
    due_set(swim, suspicion);
    if (suspicion->accuser_count <= swim->options.confirmations_max + 1) {
        swim_queue_push(swim, slot);
    }
}

/* How many must agree: no more than there are that nobody suspects. */
static uint32_t quorum_needed(const struct swim *swim)
{
    if (!swim->options.has_lifeguard || MUTANT(SWIM_ONE_WITNESS_KILLS)) {
        return 1;
    }
    uint64_t witnesses = max_u64(swim->counts[SWIM_ALIVE], 1);
    return (uint32_t)min_u64(swim->options.dead_quorum, witnesses);
}

/* Whoever gets no answer from anybody, while it holds others for alive, may be the one that is
 * wrong: its timers run, and it is not given time to read what refutes them. Each probe of a
 * member that is gone is answered by a relay at least.
 */
static bool may_declare(const struct swim *swim, const struct swim_suspicion *suspicion)
{
    if (suspicion->accuser_count < quorum_needed(swim)) {
        return false;
    }
    /* However long its own health makes its periods: who stands still is in bad health. */
    bool is_answered = swim->now_ns - swim->answered_ns <= ANSWER_PERIODS * swim->options.period_ns;
    bool is_alone = swim->counts[SWIM_ALIVE] <= 1; /* it holds itself for alive */
    return is_answered || is_alone || !swim->options.has_lifeguard || MUTANT(SWIM_UNANSWERED_KILLS);
}

static void declare_dead(struct swim *swim, uint32_t slot)
{
    const struct swim_slot *member = swim_slot_of(swim, slot);
    struct swim_update update = {
        .state = SWIM_DEAD,
        .reason = SWIM_REASON_UNANSWERED,
        .id = member->id,
        .incarnation = member->incarnation,
    };
    uint32_t agreed = swim->suspicions[member->suspicion].accuser_count;
    swim->counters.deaths_declared++;
    swim_end(swim, slot, &update, swim->options.self, agreed);
    /* If it lives after all it is the first to hear. */
    struct swim_to to = swim_to_slot(swim, slot);
    swim_send(swim, &to, (struct swim_message){.type = SWIM_GOSSIP});
}

/* Its time is over, and too few agree: ask again, and look again. */
static void ask_again(struct swim *swim, struct swim_suspicion *suspicion)
{
    suspicion->due_ns = swim->now_ns + swim->options.period_ns;
    swim_queue_push(swim, suspicion->slot);
    if (!has_accused(suspicion, swim->options.self)) {
        swim_probe_second(swim, suspicion->slot);
    }
}

void swim_suspicions_tick(struct swim *swim, time_ns late_ns)
{
    if (swim->now_ns < swim->suspicion_ns) {
        return;
    }
    swim->suspicion_ns = TIME_NEVER;
    for (uint32_t i = swim->suspicion_count; i > 0 && swim->failed == 0; i--) {
        struct swim_suspicion *suspicion = &swim->suspicions[i - 1];
        if (suspicion->due_ns <= swim->now_ns && late_ns > 0) {
            /* What refutes it may be about to be read. */
            suspicion->due_ns =
                max_u64(suspicion->due_ns + late_ns, swim->now_ns + swim->options.ping_timeout_ns);
        }
        if (suspicion->due_ns <= swim->now_ns) {
            forget_gone(swim, suspicion);
            if (may_declare(swim, suspicion)) {
                declare_dead(swim, suspicion->slot);
                continue;
            }
            ask_again(swim, suspicion);
        }
        swim->suspicion_ns = min_u64(swim->suspicion_ns, suspicion->due_ns);
    }
}
