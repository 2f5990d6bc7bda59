/* confchange.c: which configuration is in force (Raft §6; diss. §4.1).
 *
 * The latest in the log counts, committed or not; truncating its entry brings the one
 * before it back. One change at a time, of at most one voter, and none before the leader
 * has committed an entry of its own term (Ongaro's note to raft-dev, 2015).
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
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
    while (raft->configuration_count > 0 && raft_configuration_in_force(raft)->index >= from) {
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

static size_t voter_count(const struct raft_configuration *configuration)
{
    size_t count = 0;
    for (size_t i = 0; i < configuration->count; i++) {
        count += (configuration->members[i].roles & RAFT_VOTER) != 0 ? 1 : 0;
    }
    return count;
}

/* Voters of `a` that are none of `b`. */
static size_t voters_without(const struct raft_configuration *a, const struct raft_configuration *b)
{
    size_t count = 0;
    for (size_t i = 0; i < a->count; i++) {
        if ((a->members[i].roles & RAFT_VOTER) != 0 &&
            !raft_configuration_is_voter(b, a->members[i].id)) {
            count++;
        }
    }
    return count;
}

int raft_on_configure(struct raft *raft, const struct raft_configuration *next)
{
    const struct raft_configuration *now = raft_configuration_in_force(raft);
    if (raft->role != RAFT_LEADER) {
        return QR_ERR_NOT_LEADER;
    }
    if (raft_configuration_is_pending(raft) || raft->log.commit_index < raft->term_first_index) {
        return QR_ERR_PENDING;
    }
    /* Any two majorities of sets that differ by one voter overlap (diss. §4.1). */
    if (voter_count(next) == 0 || raft_configuration_is_joint(next) ||
        voters_without(now, next) + voters_without(next, now) > 1) {
        return QR_ERR_INVALID;
    }
    uint8_t *payload = allocate(raft->options.allocator, RAFT_CONFIGURATION_BYTES_MAX);
    if (payload == NULL) {
        return QR_ERR_NO_MEMORY;
    }
    size_t payload_bytes = raft_configuration_encode(next, payload);
    int status = raft_leader_append(raft, &(struct raft_proposal){
                                              .type = ENTRY_CONFIGURATION,
                                              .payload = payload,
                                              .payload_bytes = (uint32_t)payload_bytes,
                                          });
    release(raft->options.allocator, payload, RAFT_CONFIGURATION_BYTES_MAX);
    return status != 0 ? status : raft_peers_update(raft);
}
