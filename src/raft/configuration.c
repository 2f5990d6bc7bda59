/* configuration.c: the value of a configuration, its payload and its text. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "raft/configuration.h"

#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/text.h"
#include "quorate/error.h"

#define VERSION_SIMPLE 1
#define VERSION_PRIORITIES 2
#define ROLES_SIMPLE (RAFT_VOTER | RAFT_VOTER_OUTGOING | RAFT_PROMOTABLE)
#define ROLES_KNOWN (ROLES_SIMPLE | RAFT_STAYING)

int raft_configuration_find(const struct raft_configuration *configuration, node_id id)
{
    for (size_t i = 0; i < configuration->count; i++) {
        if (configuration->members[i].id == id) {
            return (int)i;
        }
    }
    return -1;
}

int raft_configuration_find_name(const struct raft_configuration *configuration, const char *name)
{
    for (size_t i = 0; i < configuration->count; i++) {
        if (text_equal(configuration->members[i].name, name)) {
            return (int)i;
        }
    }
    return -1;
}

bool raft_configuration_is_voter(const struct raft_configuration *configuration, node_id id)
{
    int at = raft_configuration_find(configuration, id);
    return at >= 0 && (configuration->members[at].roles & (RAFT_VOTER | RAFT_VOTER_OUTGOING)) != 0;
}

bool raft_configuration_is_joint(const struct raft_configuration *configuration)
{
    for (size_t i = 0; i < configuration->count; i++) {
        if ((configuration->members[i].roles & RAFT_VOTER_OUTGOING) != 0) {
            return true;
        }
    }
    return false;
}

bool raft_configuration_may_lead(const struct raft_configuration *configuration, node_id id)
{
    int at = raft_configuration_find(configuration, id);
    return at >= 0 && (configuration->members[at].roles & RAFT_VOTER) != 0 &&
           configuration->members[at].priority != RAFT_PRIORITY_NEVER;
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

static bool is_well_formed(const struct raft_configuration *configuration)
{
    bool has_head = false;
    for (size_t i = 0; i < configuration->count; i++) {
        const struct raft_member *member = &configuration->members[i];
        if (raft_configuration_find(configuration, member->id) != (int)i ||
            (member->roles & ~(RAFT_VOTER | RAFT_PROMOTABLE)) != 0) {
            return false;
        }
        has_head = has_head || raft_configuration_may_lead(configuration, member->id);
    }
    return has_head;
}

/* Mark in `out`, a copy of the configuration to come, who votes in the present one too. */
static int add_outgoing(const struct raft_configuration *now, struct raft_configuration *out)
{
    for (size_t i = 0; i < now->count; i++) {
        const struct raft_member *member = &now->members[i];
        if ((member->roles & RAFT_VOTER) == 0) {
            continue;
        }
        int at = raft_configuration_find(out, member->id);
        if (at >= 0) {
            bool is_demoted = (out->members[at].roles & RAFT_VOTER) == 0;
            out->members[at].roles |= RAFT_VOTER_OUTGOING | (is_demoted ? RAFT_STAYING : 0);
            continue;
        }
        if (out->count == RAFT_MEMBERS_MAX) {
            return QR_ERR_INVALID;
        }
        out->members[out->count] = *member;
        out->members[out->count++].roles = RAFT_VOTER_OUTGOING;
    }
    return 0;
}

int raft_configuration_towards(const struct raft_configuration *now,
                               const struct raft_configuration *next,
                               struct raft_configuration *out)
{
    ASSERT(!raft_configuration_is_joint(now));
    if (next->count > RAFT_MEMBERS_MAX || !is_well_formed(next)) {
        return QR_ERR_INVALID;
    }
    *out = *next;
    /* Any two majorities of sets that differ by one voter overlap (diss. §4.1). */
    if (voters_without(now, next) + voters_without(next, now) <= 1) {
        return 0;
    }
    return add_outgoing(now, out);
}

void raft_configuration_leave(struct raft_configuration *configuration)
{
    size_t kept = 0;
    for (size_t i = 0; i < configuration->count; i++) {
        struct raft_member member = configuration->members[i];
        bool is_removed = member.roles == RAFT_VOTER_OUTGOING;
        member.roles &= (uint8_t) ~(RAFT_VOTER_OUTGOING | RAFT_STAYING);
        if (!is_removed) {
            configuration->members[kept++] = member;
        }
    }
    configuration->count = kept;
}

/* The oldest version that says all, so that older builds read what concerns them. */
static uint8_t version_of(const struct raft_configuration *configuration)
{
    for (size_t i = 0; i < configuration->count; i++) {
        if (configuration->members[i].priority != RAFT_PRIORITY_ORDINARY ||
            (configuration->members[i].roles & ~ROLES_SIMPLE) != 0) {
            return VERSION_PRIORITIES;
        }
    }
    return VERSION_SIMPLE;
}

size_t raft_configuration_encode(const struct raft_configuration *configuration, uint8_t *out)
{
    ASSERT(configuration->count <= RAFT_MEMBERS_MAX);

    struct writer writer = writer_of(out, RAFT_CONFIGURATION_BYTES_MAX);
    uint8_t version = version_of(configuration);
    write_u8(&writer, version);
    write_u16(&writer, (uint16_t)configuration->count);
    for (size_t i = 0; i < configuration->count; i++) {
        const struct raft_member *member = &configuration->members[i];
        write_u64(&writer, member->id);
        write_u8(&writer, member->roles);
        if (version == VERSION_PRIORITIES) {
            write_u8(&writer, member->priority);
        }
        write_string8(&writer, member->name);
        write_string8(&writer, member->address);
        write_string8(&writer, member->meta);
    }
    ASSERT(!writer.failed);
    return writer_used(&writer);
}

int raft_configuration_decode(const void *data, size_t size_bytes, raft_index index,
                              struct raft_configuration *out)
{
    struct reader reader = reader_of(data, size_bytes);
    uint8_t version = read_u8(&reader);
    size_t count = read_u16(&reader);
    if (reader.failed || version < VERSION_SIMPLE || version > VERSION_PRIORITIES ||
        count > RAFT_MEMBERS_MAX) {
        return QR_ERR_MALFORMED;
    }
    uint8_t roles_known = version == VERSION_SIMPLE ? ROLES_SIMPLE : ROLES_KNOWN;
    memset(out, 0, sizeof(*out));
    out->index = index;
    for (size_t i = 0; i < count; i++) {
        struct raft_member *member = &out->members[i];
        member->id = read_u64(&reader);
        member->roles = read_u8(&reader);
        member->priority =
            version == VERSION_PRIORITIES ? read_u8(&reader) : RAFT_PRIORITY_ORDINARY;
        read_string8(&reader, member->name, sizeof(member->name));
        read_string8(&reader, member->address, sizeof(member->address));
        read_string8(&reader, member->meta, sizeof(member->meta));
        if (reader.failed || (member->roles & ~roles_known) != 0 ||
            raft_configuration_find(out, member->id) >= 0) {
            return QR_ERR_MALFORMED;
        }
        out->count++;
    }
    /* One way to write each value, so that what was decoded is encoded the same again. */
    bool is_canonical = reader_left(&reader) == 0 && version == version_of(out);
    return is_canonical ? 0 : QR_ERR_MALFORMED;
}

/* ` name=(1 2)`: members with one of the roles, or with no vote when roles is 0. */
static void members_text(const struct raft_configuration *configuration, const char *name,
                         uint8_t roles, struct text *text)
{
    bool is_first = true;
    text_string(text, name);
    text_string(text, "=(");
    for (size_t i = 0; i < configuration->count; i++) {
        const struct raft_member *member = &configuration->members[i];
        bool is_wanted = roles != 0 ? (member->roles & roles) != 0
                                    : (member->roles & (RAFT_VOTER | RAFT_VOTER_OUTGOING)) == 0;
        if (!is_wanted) {
            continue;
        }
        if (!is_first) {
            text_char(text, ' ');
        }
        is_first = false;
        text_u64(text, member->id);
    }
    text_char(text, ')');
}

static void priorities_text(const struct raft_configuration *configuration, struct text *text)
{
    bool is_first = true;
    for (size_t i = 0; i < configuration->count; i++) {
        const struct raft_member *member = &configuration->members[i];
        if (member->priority == RAFT_PRIORITY_ORDINARY) {
            continue;
        }
        text_string(text, is_first ? " priorities=(" : " ");
        is_first = false;
        text_u64(text, member->id);
        text_char(text, ':');
        text_u64(text, member->priority);
    }
    text_string(text, is_first ? "" : ")");
}

void raft_configuration_text(const struct raft_configuration *configuration, struct text *text)
{
    members_text(configuration, "voters", RAFT_VOTER, text);
    if (raft_configuration_is_joint(configuration)) {
        members_text(configuration, " outgoing", RAFT_VOTER_OUTGOING, text);
    }
    members_text(configuration, " learners", 0, text);
    priorities_text(configuration, text);
}
