/* configuration.h: who votes: the replicated membership of a Raft group.
 *
 * Owns     the value, its encoding as a log entry's payload, and the sets of voters in it.
 * Does not know how a configuration becomes the one in force: see confchange.c.
 *
 * A configuration is in force as soon as it is in the log (Raft §6), and rolled back when
 * its entry is truncated. While joint, voters of both sets must agree (§6, C_old,new).
 *
 * One voter at a time is added or removed in a single step (diss. §4.1); any other change of
 * voters goes through a joint configuration, from which the one to come is made by
 * raft_configuration_leave().
 *
 * Format   version (u8), member count (u16), then for each member: id (u64), roles (u8), in
 *          version 2 priority (u8), then name, address, meta (each its length in a byte and
 *          its bytes). Version 1 is written whenever it says all: every priority is
 *          RAFT_PRIORITY_ORDINARY, and nobody has RAFT_STAYING.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RAFT_CONFIGURATION_H
#define RAFT_CONFIGURATION_H

#include "base/text.h"
#include "base/types.h"

#define RAFT_MEMBERS_MAX 64
#define RAFT_NAME_BYTES_MAX 64
#define RAFT_ADDRESS_BYTES_MAX 128
#define RAFT_META_BYTES_MAX 256
#define RAFT_CONFIGURATION_BYTES_MAX                                                               \
    (3 + RAFT_MEMBERS_MAX *                                                                        \
             (8 + 2 + RAFT_NAME_BYTES_MAX + RAFT_ADDRESS_BYTES_MAX + RAFT_META_BYTES_MAX))

/* A member without a role is a learner: it gets the log and has no vote. */
enum raft_role_flag {
    RAFT_VOTER = 1,          /* of the configuration in force, or the one to come */
    RAFT_VOTER_OUTGOING = 2, /* of the one that a joint configuration leaves */
    RAFT_PROMOTABLE = 4,     /* a learner that is to become a voter once it has caught up */
    RAFT_STAYING = 8,        /* an outgoing voter that stays as a learner; else it is removed */
};

#define RAFT_PRIORITY_NEVER 0
#define RAFT_PRIORITY_ORDINARY 1

struct raft_member {
    node_id id;
    uint8_t roles;    /* enum raft_role_flag */
    uint8_t priority; /* RAFT_PRIORITY_NEVER: never leads; else the highest leads rather */
    char name[RAFT_NAME_BYTES_MAX];
    char address[RAFT_ADDRESS_BYTES_MAX]; /* HOST:PORT of its peer port */
    char meta[RAFT_META_BYTES_MAX];       /* the application's, not looked into */
};

struct raft_configuration {
    raft_index index; /* of its entry; 0: none, the log holds no configuration */
    size_t count;
    struct raft_member members[RAFT_MEMBERS_MAX];
};

/* Position of the member with this id, or -1. */
int raft_configuration_find(const struct raft_configuration *configuration, node_id id);
int raft_configuration_find_name(const struct raft_configuration *configuration, const char *name);

bool raft_configuration_is_voter(const struct raft_configuration *configuration, node_id id);
bool raft_configuration_is_joint(const struct raft_configuration *configuration);

/* Whether this member is a voter, not only an outgoing one, and may lead. */
bool raft_configuration_may_lead(const struct raft_configuration *configuration, node_id id);

/* The configuration to be put into the log now, on the way from one to another: `next`
 * itself when it changes at most one voter, else the joint one of both.
 *
 * now    not joint.
 * next   roles are RAFT_VOTER, RAFT_PROMOTABLE or none; out may not be one of them.
 *
 * Returns 0, or, with `out` undefined, QR_ERR_INVALID: no voter that may lead, roles of a
 * joint configuration, two members with one id, or more members in both together than
 * RAFT_MEMBERS_MAX.
 */
NODISCARD int raft_configuration_towards(const struct raft_configuration *now,
                                         const struct raft_configuration *next,
                                         struct raft_configuration *out);

/* Make of a joint configuration the one that it leads to. */
void raft_configuration_leave(struct raft_configuration *configuration);

/* Write the payload; returns its bytes. `out` has RAFT_CONFIGURATION_BYTES_MAX of room. */
size_t raft_configuration_encode(const struct raft_configuration *configuration, uint8_t *out);

/* Read a payload. Returns 0, or QR_ERR_MALFORMED: too short or long, two members with one
 * id, unknown roles, an unknown version; then `out` is undefined.
 */
NODISCARD int raft_configuration_decode(const void *data, size_t size_bytes, raft_index index,
                                        struct raft_configuration *out);

/* `voters=(1 2) learners=(3)`, ids in decimal; `outgoing=(…)` when joint, and priorities that
 * are not ordinary as ` priorities=(1:2 3:0)`.
 */
void raft_configuration_text(const struct raft_configuration *configuration, struct text *text);

#endif
