/* configuration.c: fuzzes the decoder of a configuration entry's payload.
 *
 * Asserts  that what decodes is what its own encoding gives, that its members have ids of their
 *          own and strings that end, and that each prefix of it is refused.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "raft/configuration.h"

#include <string.h>

#include "fuzz/fuzz.h"
#include "quorate/error.h"

#define INDEX 7
#define TEXT_BYTES_MAX 8192 /* 64 ids of 20 digits, three times, once with a priority */

static void check_members(const struct raft_configuration *configuration)
{
    ASSERT(configuration->index == INDEX);
    ASSERT(configuration->count <= RAFT_MEMBERS_MAX);
    bool is_joint = false;
    for (size_t i = 0; i < configuration->count; i++) {
        const struct raft_member *member = &configuration->members[i];
        ASSERT(memchr(member->name, '\0', sizeof(member->name)) != NULL);
        ASSERT(memchr(member->address, '\0', sizeof(member->address)) != NULL);
        ASSERT(memchr(member->meta, '\0', sizeof(member->meta)) != NULL);
        ASSERT(raft_configuration_find(configuration, member->id) == (int)i);
        ASSERT(raft_configuration_find_name(configuration, member->name) <= (int)i);
        ASSERT(raft_configuration_is_voter(configuration, member->id) ==
               ((member->roles & (RAFT_VOTER | RAFT_VOTER_OUTGOING)) != 0));
        is_joint = is_joint || (member->roles & RAFT_VOTER_OUTGOING) != 0;
    }
    ASSERT(raft_configuration_is_joint(configuration) == is_joint);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    static struct raft_configuration configuration;
    static uint8_t encoded[RAFT_CONFIGURATION_BYTES_MAX];
    int status = raft_configuration_decode(data, size_bytes, INDEX, &configuration);
    if (status != 0) {
        ASSERT(status == QR_ERR_MALFORMED);
        return 0;
    }
    check_members(&configuration);
    ASSERT(size_bytes <= RAFT_CONFIGURATION_BYTES_MAX);
    ASSERT(raft_configuration_encode(&configuration, encoded) == size_bytes);
    ASSERT(memcmp(encoded, data, size_bytes) == 0);

    char bytes[TEXT_BYTES_MAX];
    struct text text = text_of(bytes, sizeof(bytes));
    raft_configuration_text(&configuration, &text);
    fuzz_check_text(&text);
    ASSERT(!text.truncated);

    for (size_t cut = 0; cut < size_bytes; cut++) {
        status = raft_configuration_decode(data, cut, INDEX, &configuration);
        ASSERT(status == QR_ERR_MALFORMED);
    }
    return 0;
}
