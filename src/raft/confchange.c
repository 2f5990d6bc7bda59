/* confchange.c: which configuration is in force (Raft §6; diss. §4.1).
 *
 * The latest in the log counts, committed or not; truncating its entry brings the one
 * before it back. One change at a time: of one voter in one step, of more by way of a joint
 * configuration, which both majorities must agree to; and none before the leader has
 * committed an entry of its own term (Ongaro's note to raft-dev, 2015).
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/mutant.h"
#include "quorate/error.h"
#include "raft/internal.h"

const struct raft_configuration *raft_configuration_in_force(const struct raft *raft)
{
    if (raft->configuration_count == 0) {
        return &raft->none;
    }
    return raft->configurations[raft->configuration_count - 1];
}

const struct raft_configuration *raft_configuration(const struct raft *raft)
{
    return raft_configuration_in_force(raft);
}

const struct raft_configuration *raft_configuration_back(const struct raft *raft, size_t back)
{
    return back < raft->configuration_count
               ? raft->configurations[raft->configuration_count - 1 - back]
               : NULL;
}

bool raft_configuration_is_committed(const struct raft *raft)
{
    return raft_configuration_in_force(raft)->index <= raft->log.commit_index;
}

bool raft_configuration_is_pending(const struct raft *raft)
{
    return !raft_configuration_is_committed(raft);
}

/* Also whom the configuration in force removes, until that is committed: its entry may stand
 * nowhere else, and then no other log is as long (diss. §4.2.2).
 */
bool raft_configuration_may_campaign(const struct raft *raft)
{
    for (size_t i = 0; i < raft->configuration_count; i++) {
        if (raft_configuration_is_voter(raft->configurations[i], raft->options.self)) {
            return true;
        }
    }
    return false;
}

/* Whom the configuration in force says never to lead still follows and votes. */
bool raft_may_campaign(const struct raft *raft)
{
    const struct raft_configuration *configuration = raft_configuration_in_force(raft);
    int at = raft_configuration_find(configuration, raft->options.self);
    bool is_barred = at >= 0 && configuration->members[at].priority == RAFT_PRIORITY_NEVER;
    return raft_configuration_may_campaign(raft) && !is_barred && !raft->is_stalled;
}

/* Follow what is in force: the role's name, the timer, the leader's peers. */
void raft_configuration_apply_role(struct raft *raft)
{
    bool is_voter = raft_configuration_may_campaign(raft);
    if (raft->role == RAFT_FOLLOWER && !is_voter) {
        raft->role = RAFT_LEARNER;
    } else if (raft->role == RAFT_LEARNER && is_voter) {
        raft->role = RAFT_FOLLOWER;
        raft_reset_election_timer(raft);
    }
}

int raft_configuration_push(struct raft *raft, const struct entry *entry)
{
    const struct allocator *allocator = raft->options.allocator;
    struct entry_fields fields = entry_fields_of(entry);
    int status =
        allocate_grow(allocator, (void **)&raft->configurations, &raft->configuration_capacity,
                      raft->configuration_count + 1, RAFT_CONFIGURATIONS_MAX, sizeof(void *));
    if (status != 0) {
        return QR_ERR_NO_MEMORY;
    }
    struct raft_configuration *configuration = allocate(allocator, sizeof(*configuration));
    if (configuration == NULL) {
        return QR_ERR_NO_MEMORY;
    }
    status = raft_configuration_decode(fields.payload, fields.payload_bytes, entry->index,
                                       configuration);
    if (status != 0) {
        release(allocator, configuration, sizeof(*configuration));
        return status;
    }
    ASSERT(configuration->index > raft_configuration_in_force(raft)->index);
    raft->configurations[raft->configuration_count++] = configuration;
    raft_configuration_apply_role(raft);
    return 0;
}

void raft_configuration_rollback(struct raft *raft, raft_index from)
{
    while (!MUTANT(CONFIGURATION_KEPT) && raft->configuration_count > 0 &&
           raft_configuration_in_force(raft)->index >= from) {
        raft->configuration_count--;
        release(raft->options.allocator, raft->configurations[raft->configuration_count],
                sizeof(struct raft_configuration));
    }
    raft_configuration_apply_role(raft);
}

/* Those before the latest committed one can never come back. */
void raft_configuration_committed(struct raft *raft)
{
    size_t latest = 0;
    while (latest + 1 < raft->configuration_count &&
           raft->configurations[latest + 1]->index <= raft->log.commit_index) {
        latest++;
    }
    for (size_t i = 0; i < latest; i++) {
        release(raft->options.allocator, raft->configurations[i],
                sizeof(struct raft_configuration));
    }
    for (size_t i = latest; i < raft->configuration_count && latest > 0; i++) {
        raft->configurations[i - latest] = raft->configurations[i];
    }
    raft->configuration_count -= latest;
    raft_configuration_apply_role(raft);
    bool is_removed =
        raft->role == RAFT_LEADER && raft_configuration_is_committed(raft) &&
        !raft_configuration_is_voter(raft_configuration_in_force(raft), raft->options.self);
    if (is_removed) {
        raft_become_follower(raft, raft->hard_state.term, false, 0);
    }
}

void raft_configuration_deinit(struct raft *raft)
{
    for (size_t i = 0; i < raft->configuration_count; i++) {
        release(raft->options.allocator, raft->configurations[i],
                sizeof(struct raft_configuration));
    }
    release(raft->options.allocator, raft->configurations,
            raft->configuration_capacity * sizeof(void *));
    raft->configuration_count = 0;
}

/* Put a configuration into the log; it is in force at once. */
static int append_configuration(struct raft *raft, const struct raft_configuration *value)
{
    uint8_t *payload = allocate(raft->options.allocator, RAFT_CONFIGURATION_BYTES_MAX);
    if (payload == NULL) {
        return QR_ERR_NO_MEMORY;
    }
    size_t payload_bytes = raft_configuration_encode(value, payload);
    int status = raft_leader_append(raft, &(struct raft_proposal){
                                              .type = ENTRY_CONFIGURATION,
                                              .payload = payload,
                                              .payload_bytes = (uint32_t)payload_bytes,
                                          });
    release(raft->options.allocator, payload, RAFT_CONFIGURATION_BYTES_MAX);
    return status != 0 ? status : raft_peers_update(raft);
}

/* A joint configuration is left as soon as it is committed, by whoever leads then (§6). */
int raft_configuration_leave_joint(struct raft *raft)
{
    const struct raft_configuration *joint = raft_configuration_in_force(raft);
    bool is_early = raft_configuration_is_pending(raft) && !MUTANT(JOINT_LEFT_EARLY);
    if (raft->role != RAFT_LEADER || is_early || !raft_configuration_is_joint(joint)) {
        return 0;
    }
    struct raft_configuration next = *joint;
    raft_configuration_leave(&next);
    return append_configuration(raft, &next);
}

static bool is_change_under_way(const struct raft *raft)
{
    bool has_own_commit = raft->log.commit_index >= raft->term_first_index;
    bool is_pending = raft_configuration_is_pending(raft) ||
                      raft_configuration_is_joint(raft_configuration_in_force(raft));
    return (is_pending && !MUTANT(TWO_CHANGES_AT_ONCE)) ||
           (!has_own_commit && !MUTANT(CHANGE_BEFORE_OWN_COMMIT)) || raft->transfer.is_active;
}

int raft_on_configure(struct raft *raft, const struct raft_configuration *next)
{
    if (raft->role != RAFT_LEADER) {
        return QR_ERR_NOT_LEADER;
    }
    if (is_change_under_way(raft)) {
        return QR_ERR_PENDING;
    }
    struct raft_configuration step;
    int status = raft_configuration_towards(raft_configuration_in_force(raft), next, &step);
    if (status == 0) {
        status = append_configuration(raft, &step);
    }
    return status != 0 ? status : raft_configuration_leave_joint(raft);
}
