/* gossip_profile.c: what a node says of itself to the other members, and whom it looks for. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "base/text.h"
#include "node/internal.h"

#define JOIN_SEEDS_MAX (SWIM_SEEDS_MAX / 2) /* as long as the configuration has others */

_Static_assert(SWIM_NAME_BYTES_MAX >= RAFT_NAME_BYTES_MAX, "every name fits a profile");
_Static_assert(SWIM_ADDRESS_BYTES_MAX >= RAFT_ADDRESS_BYTES_MAX, "and every address");

struct seeds {
    char addresses[SWIM_SEEDS_MAX][SWIM_ADDRESS_BYTES_MAX];
    const char *pointers[SWIM_SEEDS_MAX];
    size_t count;
};

static uint32_t roles_of(const struct node *node)
{
    const struct raft_configuration *configuration = node_configuration(node);
    int at = raft_configuration_find(configuration, node->identity.id);
    if (at < 0) {
        return node->options.is_observer ? SWIM_ROLE_OBSERVER : 0;
    }
    bool votes = (configuration->members[at].roles & (RAFT_VOTER | RAFT_VOTER_OUTGOING)) != 0;
    return votes ? SWIM_ROLE_VOTER : SWIM_ROLE_LEARNER;
}

void node_gossip_profile(const struct node *node, struct swim_profile *out)
{
    memset(out, 0, sizeof(*out)); /* profiles are compared as a whole */
    out->roles = roles_of(node);
    out->version_min = WIRE_VERSION_MIN;
    out->version_max = WIRE_VERSION_MAX;
    memcpy(out->name, node->name, sizeof(node->name));
    memcpy(out->peer, node->address, sizeof(node->address));
    memcpy(out->client, node->gossip->client_address, sizeof(out->client));
    memcpy(out->http, node->gossip->http_address, sizeof(out->http));
    size_t meta_bytes = 0;
    while (node->meta[meta_bytes] != '\0') {
        meta_bytes++;
    }
    if (meta_bytes <= SWIM_META_BYTES_MAX) { /* a longer one is in the configuration alone */
        out->meta_bytes = (uint8_t)meta_bytes;
        memcpy(out->meta, node->meta, meta_bytes);
    }
}

/* Not this node's own, none twice, none over the limit. */
static void add_seed(const struct node *node, struct seeds *seeds, const char *address)
{
    bool is_known = address[0] == '\0' || text_equal(address, node->address);
    for (size_t i = 0; i < seeds->count; i++) {
        is_known = is_known || text_equal(seeds->addresses[i], address);
    }
    if (!is_known && seeds->count < SWIM_SEEDS_MAX) {
        struct text text = text_of(seeds->addresses[seeds->count], SWIM_ADDRESS_BYTES_MAX);
        text_string(&text, address);
        seeds->pointers[seeds->count] = seeds->addresses[seeds->count];
        seeds->count += text.truncated ? 0 : 1;
    }
}

static void add_join_list(const struct node *node, struct seeds *seeds, size_t count_max)
{
    const char *list = node->join == NULL ? "" : node->join;
    while (*list != '\0' && seeds->count < count_max) {
        char address[SWIM_ADDRESS_BYTES_MAX];
        struct text text = text_of(address, sizeof(address));
        for (; *list != '\0' && *list != ','; list++) {
            text_char(&text, *list);
        }
        list += *list == ',' ? 1 : 0;
        if (!text.truncated) {
            add_seed(node, seeds, address);
        }
    }
}

/* Those behind this node first, so that not all nodes look for the same few. */
static void add_configuration(const struct node *node, struct seeds *seeds)
{
    const struct raft_configuration *configuration = node_configuration(node);
    int at = raft_configuration_find(configuration, node->identity.id);
    size_t first = at < 0 ? 0 : (size_t)at;
    for (size_t i = 0; i < configuration->count; i++) {
        size_t member = (first + i) % configuration->count;
        add_seed(node, seeds, configuration->members[member].address);
    }
}

void node_gossip_seed(struct node *node)
{
    struct node_gossip *gossip = node->gossip;
    const struct raft_configuration *configuration = node_configuration(node);
    if (gossip->has_seeded && gossip->seeded_configuration == configuration->index) {
        return;
    }
    struct seeds seeds;
    seeds.count = 0;
    bool has_others = configuration->count > 1;
    add_join_list(node, &seeds, has_others ? JOIN_SEEDS_MAX : SWIM_SEEDS_MAX);
    add_configuration(node, &seeds);
    int status = node_gossip_step(
        node, (struct swim_event){.type = SWIM_EVENT_JOIN,
                                  .join = {.seeds = seeds.pointers, .count = seeds.count}});
    ASSERT(status <= 0);
    gossip->has_seeded = true;
    gossip->seeded_configuration = configuration->index;
}
