/* configuration.c: the value of a configuration, its payload and its text. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "raft/configuration.h"

#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "quorate/error.h"

#define FORMAT_VERSION 1
#define ROLES_KNOWN (RAFT_VOTER | RAFT_VOTER_OUTGOING | RAFT_PROMOTABLE)

int raft_configuration_find(const struct raft_configuration *configuration, node_id id)
{
    for (size_t i = 0; i < configuration->count; i++) {
        if (configuration->members[i].id == id) {
            return (int)i;
        }
    }
    return -1;
}

static bool string_equal(const char *a, const char *b)
{
    while (*a != '\0' && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

int raft_configuration_find_name(const struct raft_configuration *configuration, const char *name)
{
    for (size_t i = 0; i < configuration->count; i++) {
        if (string_equal(configuration->members[i].name, name)) {
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

size_t raft_configuration_encode(const struct raft_configuration *configuration, uint8_t *out)
{
    ASSERT(configuration->count <= RAFT_MEMBERS_MAX);

    struct writer writer = writer_of(out, RAFT_CONFIGURATION_BYTES_MAX);
    write_u8(&writer, FORMAT_VERSION);
    write_u16(&writer, (uint16_t)configuration->count);
    for (size_t i = 0; i < configuration->count; i++) {
        const struct raft_member *member = &configuration->members[i];
        write_u64(&writer, member->id);
        write_u8(&writer, member->roles);
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
    if (reader.failed || version != FORMAT_VERSION || count > RAFT_MEMBERS_MAX) {
        return QR_ERR_MALFORMED;
    }
    memset(out, 0, sizeof(*out));
    out->index = index;
    for (size_t i = 0; i < count; i++) {
        struct raft_member *member = &out->members[i];
        member->id = read_u64(&reader);
        member->roles = read_u8(&reader);
        read_string8(&reader, member->name, sizeof(member->name));
        read_string8(&reader, member->address, sizeof(member->address));
        read_string8(&reader, member->meta, sizeof(member->meta));
        if (reader.failed || (member->roles & ~ROLES_KNOWN) != 0 ||
            raft_configuration_find(out, member->id) >= 0) {
            return QR_ERR_MALFORMED;
        }
        out->count++;
    }
    return reader_left(&reader) == 0 ? 0 : QR_ERR_MALFORMED;
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

void raft_configuration_text(const struct raft_configuration *configuration, struct text *text)
{
    members_text(configuration, "voters", RAFT_VOTER, text);
    if (raft_configuration_is_joint(configuration)) {
        members_text(configuration, " outgoing", RAFT_VOTER_OUTGOING, text);
    }
    members_text(configuration, " learners", 0, text);
}
