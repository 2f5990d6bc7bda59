/* compare.c: the leader compares the digests of all members at one index, round after round.
 *
 * Owns     the choice of the index, who is asked again, and the judgement: whoever differs from a
 *          digest that a majority of the voters has (while joint, of both sets) is told. Learners
 *          are judged and do not count, nor do the isolated against others. Nothing of it is kept:
 *          the next leader asks anew.
 * Does not know what a verdict leads to: divergence.c, at each replica, this one included.
 *
 * An index is the latest that every replica takes the digest of unasked, or, if that was compared
 * already, where the leader stands now: others stop there, or stand there too. A round ends when
 * all have answered and know their verdicts, or after some heartbeats.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/mutant.h"
#include "node/internal.h"

#define ROUND_HEARTBEATS 10  /* so long those are asked again who do not answer */
#define INTERVAL_NS NS_PER_S /* from one round to the next */
#define UNDECIDED_LOG_NS (60 * NS_PER_S)

static struct node_compared *member_of(struct node *node, node_id id)
{
    for (size_t i = 0; i < RAFT_MEMBERS_MAX; i++) {
        struct node_compared *member = &node->compare.members[i];
        if (member->is_used && member->id == id) {
            return member;
        }
    }
    return NULL;
}

/* Who came is in the table, and who went is not. */
static void follow_configuration(struct node *node)
{
    const struct raft_configuration *configuration = node_configuration(node);
    struct node_compared *members = node->compare.members;
    for (size_t i = 0; i < RAFT_MEMBERS_MAX; i++) {
        members[i].is_used =
            members[i].is_used && raft_configuration_find(configuration, members[i].id) >= 0;
    }
    size_t free_place = 0;
    for (size_t i = 0; i < configuration->count; i++) {
        if (member_of(node, configuration->members[i].id) != NULL) {
            continue;
        }
        while (members[free_place].is_used) {
            free_place++;
            ASSERT(free_place < RAFT_MEMBERS_MAX);
        }
        members[free_place] =
            (struct node_compared){.is_used = true, .id = configuration->members[i].id};
    }
}

static bool can_answer(const struct node *node, const struct node_compared *member)
{
    return member->is_used && (member->id == node->identity.id ||
                               node_peer_version(node, member->id) >= WIRE_VERSION_DIGESTS);
}

/* Whether it answered, and what came of that has come to it. */
static bool is_settled(const struct node_compared *member)
{
    bool is_untold = (member->verdict == WIRE_VERDICT_DIFFERS && !member->is_isolated) ||
                     (member->verdict == WIRE_VERDICT_AGREES && member->is_isolated);
    return member->has_answered && !is_untold;
}

/* Whether anybody could still say something new at the index of the round, or hear it; or, for
 * another round there, is to be compared again.
 */
static bool is_anybody_open(const struct node *node, bool is_of_next)
{
    for (size_t i = 0; i < RAFT_MEMBERS_MAX; i++) {
        const struct node_compared *member = &node->compare.members[i];
        bool is_left = !is_settled(member) || (is_of_next && member->is_isolated);
        if (can_answer(node, member) && is_left) {
            return true;
        }
    }
    return false;
}

/* The index for the next round. */
static raft_index choose(const struct node *node)
{
    raft_index applied = node_raft_status(node)->applied_index;
    raft_index agreed = applied - applied % NODE_DIGEST_STEP;
    return agreed > node->compare.index ? agreed : applied;
}

static void begin_round(struct node *node, raft_index index)
{
    struct node_compare *compare = &node->compare;
    for (size_t i = 0; i < RAFT_MEMBERS_MAX; i++) {
        struct node_compared *member = &compare->members[i];
        if (index != compare->index || member->is_isolated) {
            member->has_answered = false;
            member->verdict = WIRE_VERDICT_NONE;
        }
    }
    compare->index = index;
    compare->is_open = true;
    compare->began_ns = node->time.now_ns;
    compare->asked_ns = 0;
    compare->due_ns = node->time.now_ns + INTERVAL_NS;
}

static const char *name_of(const struct node *node, node_id id)
{
    const struct raft_configuration *configuration = node_configuration(node);
    int at = raft_configuration_find(configuration, id);
    return at < 0 ? "" : configuration->members[at].name;
}

/* To one that was not heard yet, or does not know yet what came of its answer. */
static void ask(struct node *node, const struct node_compared *member)
{
    struct wire_message message = {
        .type = WIRE_COMPARE,
        .compare = {.from = node->identity.id,
                    .index = member->has_answered ? 0 : node->compare.index,
                    .verdict = member->verdict,
                    .history = member->history,
                    .judged = node->compare.index,
                    .digest = member->digest,
                    .agreed = node->compare.agreed},
    };
    if (member->id != node->identity.id) {
        (void)node_send(node, member->id, &message);
    } else if (member->has_answered) {
        node_divergence_judge(node, &message.compare);
        node_digests_say(node, member->id);
    } else {
        node_digests_want(node, node->compare.index, member->id);
    }
}

static void ask_all(struct node *node)
{
    node->compare.asked_ns = node->time.now_ns;
    for (size_t i = 0; i < RAFT_MEMBERS_MAX && node_is_running(node); i++) {
        const struct node_compared *member = &node->compare.members[i];
        if (can_answer(node, member) && !is_settled(member)) {
            ask(node, member);
        }
    }
}

/* Who is asked for a digest. */
enum asked {
    ASKED_ALL,
    ASKED_SOUND, /* not those whose own state was found to differ */
};

static bool has(const struct node_compared *member, uint64_t digest, enum asked asked)
{
    return member != NULL && member->has_answered && member->digest == digest &&
           (asked == ASKED_ALL || !member->is_isolated);
}

/* How many voters with one of these roles there are; or how many of them have this digest. */
static size_t count(struct node *node, uint8_t role, const uint64_t *digest, enum asked asked)
{
    const struct raft_configuration *configuration = node_configuration(node);
    size_t counted = 0;
    for (size_t i = 0; i < configuration->count; i++) {
        const struct node_compared *member = member_of(node, configuration->members[i].id);
        bool has_role = (configuration->members[i].roles & role) != 0;
        bool has_digest = digest == NULL || has(member, *digest, asked);
        counted += has_role && has_digest ? 1 : 0;
    }
    return counted;
}

/* Whether those asked that have it are a majority of all voters. */
static bool is_majority(struct node *node, uint64_t digest, enum asked asked)
{
    size_t voters = count(node, RAFT_VOTER, NULL, ASKED_ALL);
    size_t outgoing = count(node, RAFT_VOTER_OUTGOING, NULL, ASKED_ALL);
    size_t with_it = count(node, RAFT_VOTER, &digest, asked);
    if (MUTANT(DIGEST_OF_PLURALITY)) {
        return 2 * with_it >= voters;
    }
    return 2 * with_it > voters &&
           (outgoing == 0 || 2 * count(node, RAFT_VOTER_OUTGOING, &digest, asked) > outgoing);
}

/* The digest that a majority has; and how many different ones there are. */
static bool find_agreed(struct node *node, uint64_t *agreed, bool *is_one)
{
    const struct node_compared *first = NULL;
    bool is_found = false;
    *is_one = true;
    for (size_t i = 0; i < RAFT_MEMBERS_MAX; i++) {
        const struct node_compared *member = &node->compare.members[i];
        if (!member->is_used || !member->has_answered) {
            continue;
        }
        first = first == NULL ? member : first;
        *is_one = *is_one && member->digest == first->digest;
        if (!is_found && is_majority(node, member->digest, ASKED_ALL)) {
            is_found = true;
            *agreed = member->digest;
        }
    }
    return is_found;
}

static void judge_member(struct node *node, struct node_compared *member, uint64_t agreed)
{
    uint32_t verdict = member->digest == agreed ? WIRE_VERDICT_AGREES : WIRE_VERDICT_DIFFERS;
    if (!member->has_answered || verdict == member->verdict) {
        return;
    }
    member->verdict = verdict;
    bool is_new = verdict == WIRE_VERDICT_DIFFERS && !member->is_isolated;
    member->found = (struct node_difference){node->compare.index, member->digest, agreed};
    if (is_new) {
        LOG(node->options.log, LOG_ERROR, "member_diverged",
            log_string("name", name_of(node, member->id)), log_id("id", member->id),
            log_u64("index", node->compare.index), log_id("digest", member->digest),
            log_id("agreed", agreed));
    }
    if (is_new || member->is_isolated) {
        ask(node, member);
    }
}

/* Nobody knows who is right: it is for people to decide. */
static void say_undecided(struct node *node)
{
    struct node_compare *compare = &node->compare;
    compare->undecided = compare->index;
    if (node->time.now_ns < compare->undecided_log_ns) {
        return;
    }
    compare->undecided_log_ns = node->time.now_ns + UNDECIDED_LOG_NS;
    for (size_t i = 0; i < RAFT_MEMBERS_MAX; i++) {
        struct node_compared *member = &compare->members[i];
        if (!can_answer(node, member) || !member->has_answered) {
            continue;
        }
        LOG(node->options.log, LOG_ERROR, "members_differ",
            log_string("name", name_of(node, member->id)), log_u64("index", compare->index),
            log_id("digest", member->digest),
            log_string("effect", "no majority agrees, so nobody knows whose state is right"));
        uint32_t verdict = member->verdict;
        member->verdict = WIRE_VERDICT_UNDECIDED;
        ask(node, member);
        member->verdict = verdict;
    }
}

/* Whether all voters that count have said what there is to be said. */
static bool has_all_voters(struct node *node)
{
    const struct raft_configuration *configuration = node_configuration(node);
    for (size_t i = 0; i < configuration->count; i++) {
        const struct node_compared *member = member_of(node, configuration->members[i].id);
        bool is_voter = (configuration->members[i].roles & (RAFT_VOTER | RAFT_VOTER_OUTGOING)) != 0;
        if (is_voter && (member == NULL || !member->has_answered)) {
            return false;
        }
    }
    return true;
}

static void judge(struct node *node, bool is_last)
{
    struct node_compare *compare = &node->compare;
    uint64_t agreed = 0;
    bool is_one;
    compare->is_dirty = false;
    bool is_found = find_agreed(node, &agreed, &is_one);
    /* One against one tells nothing, also if only one of them votes. */
    bool is_decided = is_found && (is_one || count(node, RAFT_VOTER, &agreed, ASKED_ALL) >= 2);
    /* Who was wrong calls nobody else wrong; but may be right again, and then says so. */
    bool may_condemn = is_decided && is_majority(node, agreed, ASKED_SOUND);
    if (!is_one && !may_condemn && (is_last || (!is_decided && has_all_voters(node)))) {
        say_undecided(node);
    }
    if (!is_decided) {
        return;
    }
    compare->undecided = is_one || may_condemn ? 0 : compare->undecided;
    compare->agreed = agreed;
    for (size_t i = 0; i < RAFT_MEMBERS_MAX && node_is_running(node); i++) {
        struct node_compared *member = &compare->members[i];
        if (member->is_used && (may_condemn || member->digest == agreed)) {
            judge_member(node, member, agreed);
        }
    }
}

/* No round begins while the state moves; that it stands brings a turn. */
static bool is_moving(const struct node *node)
{
    return node->is_applying || node_is_restoring(node);
}

static void look_for_round(struct node *node)
{
    struct node_compare *compare = &node->compare;
    if (compare->is_open || node->time.now_ns < compare->due_ns || is_moving(node)) {
        return;
    }
    raft_index index = choose(node);
    follow_configuration(node);
    if (index == 0 || (index == compare->index && !is_anybody_open(node, true))) {
        compare->due_ns = node->time.now_ns + INTERVAL_NS;
        return;
    }
    begin_round(node, index);
}

static void go_on(struct node *node)
{
    struct node_compare *compare = &node->compare;
    time_ns heartbeat_ns = node->options.heartbeat_interval_ns;
    if (compare->asked_ns == 0 || node->time.now_ns - compare->asked_ns >= heartbeat_ns) {
        ask_all(node);
    }
    bool is_over = node->time.now_ns - compare->began_ns >= ROUND_HEARTBEATS * heartbeat_ns ||
                   !is_anybody_open(node, false);
    if (node_is_running(node) && (compare->is_dirty || is_over)) {
        judge(node, is_over);
    }
    compare->is_open = !is_over && is_anybody_open(node, false);
}

void node_compare_turn(struct node *node)
{
    struct node_compare *compare = &node->compare;
    const struct raft_status *now = node_raft_status(node);
    if (!node_digests_are_made(node) || now->role != RAFT_LEADER || !now->has_committed_in_term) {
        return;
    }
    if (compare->term != now->term) {
        *compare =
            (struct node_compare){.term = now->term, .undecided_log_ns = compare->undecided_log_ns};
    }
    look_for_round(node);
    if (compare->is_open) {
        go_on(node);
    } else if (compare->is_dirty) {
        judge(node, false); /* who answered late is judged, too */
    }
}

static bool is_comparing(const struct node *node)
{
    const struct raft_status *now = node_raft_status(node);
    return node_digests_are_made(node) && now->role == RAFT_LEADER && now->has_committed_in_term;
}

time_ns node_compare_deadline(const struct node *node)
{
    const struct node_compare *compare = &node->compare;
    if (!is_comparing(node)) {
        return TIME_NEVER;
    }
    if (compare->is_dirty || compare->term != node_raft_status(node)->term) {
        return node->time.now_ns;
    }
    if (compare->is_open) {
        return compare->asked_ns + node->options.heartbeat_interval_ns;
    }
    return is_moving(node) ? TIME_NEVER : compare->due_ns;
}

void node_on_compare_response(struct node *node, node_id from,
                              const struct wire_compare_response *response)
{
    struct node_compare *compare = &node->compare;
    struct node_compared *member = member_of(node, from);
    if (member == NULL || !is_comparing(node) || compare->term != node_raft_status(node)->term ||
        response->made != NODE_DIGEST_MADE) {
        return;
    }
    if (response->history != member->history) {
        member->history = response->history;
        member->has_answered = false;
        member->verdict = WIRE_VERDICT_NONE;
    }
    if (member->is_isolated && !response->is_isolated) {
        compare->is_dirty = true; /* it counts against others again */
        node->needs_turn = true;
    }
    member->is_isolated = response->is_isolated;
    if (response->is_isolated) {
        member->found =
            (struct node_difference){response->differed, response->differing, response->agreed};
    }
    if (response->index == compare->index && response->index > 0 && !member->has_answered) {
        member->has_answered = true;
        member->digest = response->digest;
        compare->is_dirty = true;
        node->needs_turn = true;
    }
    node_sendings_rebuild(node, from, response->wanted);
}

/* It is another process by now, perhaps: what it said may be of an earlier one. */
void node_compare_forget(struct node *node, node_id id)
{
    struct node_compared *member = member_of(node, id);
    if (member != NULL) {
        member->has_answered = false;
    }
}

bool node_member_differs(const struct node *node, node_id id, struct node_difference *out)
{
    if (id == node->identity.id) {
        *out = node->divergence.found;
        return node_is_isolated(node);
    }
    for (size_t i = 0; i < RAFT_MEMBERS_MAX && is_comparing(node); i++) {
        const struct node_compared *member = &node->compare.members[i];
        bool differs = member->is_isolated || member->verdict == WIRE_VERDICT_DIFFERS;
        if (member->is_used && member->id == id && differs &&
            node->compare.term == node_raft_status(node)->term) {
            *out = member->found;
            return true;
        }
    }
    return false;
}
