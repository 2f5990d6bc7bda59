/* gossip_news.c: what the members' gossip means to this node: log lines, addresses to dial, where
 * the leader is, and a hint to Raft when that seems to be gone.
 *
 * None of it changes who votes: that is the log's affair.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "base/mutant.h"
#include "base/text.h"
#include "node/internal.h"
#include "quorate/error.h"

static bool profile_of(const struct node *node, node_id member, struct swim_profile *out)
{
    struct swim_member_status status;
    return swim_member(node->gossip->swim, member, &status) && status.profile.size_bytes > 0 &&
           swim_profile_decode(status.profile, out) == 0;
}

static bool is_live(enum swim_state state)
{
    return state == SWIM_ALIVE || state == SWIM_SUSPECT;
}

bool node_gossip_live(const struct node *node, node_id member, struct swim_profile *out)
{
    struct swim_member_status status;
    return node_swim(node) != NULL && swim_member(node->gossip->swim, member, &status) &&
           is_live(status.state) && profile_of(node, member, out);
}

const char *node_member_address(const struct node *node, node_id member)
{
    const struct raft_configuration *configuration = node_configuration(node);
    int at = raft_configuration_find(configuration, member);
    struct swim_profile profile;
    if (!node_gossip_live(node, member, &profile)) {
        return at < 0 ? NULL : configuration->members[at].address;
    }
    memcpy(node->gossip->found_address, profile.peer, sizeof(profile.peer));
    return node->gossip->found_address;
}

bool node_leader(const struct node *node, node_id *leader, raft_term *term)
{
    const struct raft_status *raft = node_raft_status(node);
    struct swim_status heard = {0};
    if (node_swim(node) != NULL) {
        swim_status(node->gossip->swim, &heard);
    }
    if (raft->has_leader && raft->term >= heard.leader_term) {
        *leader = raft->leader;
        *term = raft->term;
        return true;
    }
    struct swim_member_status member;
    bool is_gone =
        heard.leader_term == 0 || heard.leader_term < raft->term ||
        heard.leader == node->identity.id || /* it led, and does not any more */
        (swim_member(node->gossip->swim, heard.leader, &member) && !is_live(member.state));
    if (is_gone) {
        return false;
    }
    *leader = heard.leader;
    *term = heard.leader_term;
    return true;
}

/* Connections go where the member says that it is; who keeps them asks again. Also when it says
 * what the configuration has: it may have said another when that was told.
 */
static void follow_address(struct node *node, node_id member)
{
    const struct raft_configuration *configuration = node_configuration(node);
    if (member != node->identity.id && raft_configuration_find(configuration, member) >= 0) {
        node->has_told_configuration = false;
    }
}

/* Raft takes it for a hint, and only of whom it follows. */
static void tell_leader_lost(struct node *node, node_id member)
{
    const struct raft_status *now = node_raft_status(node);
    bool is_leader = now->has_leader && now->role != RAFT_LEADER &&
                     (now->leader == member || MUTANT(GOSSIP_HINT_OF_ANY));
    if (!node_is_running(node) || !node->options.has_hints || !is_leader) {
        return;
    }
    node->gossip->counters.leader_lost++;
    LOG(node->options.log, LOG_INFO, "leader_lost_by_gossip", log_id("leader", member),
        log_u64("term", now->term));
    int status = node_step(node, (struct raft_event){.type = RAFT_EVENT_LEADER_LOST,
                                                     .leader_lost = {now->leader, now->term}});
    ASSERT(status == 0);
}

static void log_member(const struct node *node, enum log_level level, const char *event,
                       const struct swim_news *news, const struct swim_profile *profile)
{
    LOG(node->options.log, level, event, log_id("member", news->id),
        log_string("name", profile->name), log_string("address", profile->peer));
}

static void log_accused(const struct node *node, const char *event, const struct swim_news *news,
                        const struct swim_profile *profile)
{
    LOG(node->options.log, LOG_WARN, event, log_id("member", news->id),
        log_string("name", profile->name), log_id("by", news->source),
        log_string("reason", swim_reason_text(news->reason)));
}

static void log_leader(const struct node *node, const struct swim_news *news,
                       const struct swim_profile *profile)
{
    if (news->source != node->identity.id) { /* else Raft has said so */
        LOG(node->options.log, LOG_INFO, "leader_heard", log_u64("term", news->term),
            log_id("leader", news->id), log_string("name", profile->name),
            log_id("from", news->source));
    }
}

static void log_name_taken(const struct node *node, const struct swim_news *news,
                           const struct swim_profile *profile)
{
    bool is_own = news->id == node->identity.id;
    LOG(node->options.log, is_own ? LOG_ERROR : LOG_WARN, "name_taken", log_id("member", news->id),
        log_string("name", is_own ? node->name : profile->name), log_id("owner", news->source),
        log_string("reason", is_own ? "an older member has this node's name: the others do not see "
                                      "this one; give one of the two another name"
                                    : "an older member has its name: it is not let in; give one of "
                                      "the two another name"));
}

static void log_news(const struct node *node, const struct swim_news *news,
                     const struct swim_profile *profile)
{
    const struct log_sink *log = node->options.log;
    switch (news->type) {
    case SWIM_NEWS_JOINED:
        log_member(node, LOG_INFO, "member_joined", news, profile);
        break;
    case SWIM_NEWS_UPDATED:
        log_member(node, LOG_DEBUG, "member_updated", news, profile);
        break;
    case SWIM_NEWS_SUSPECTED:
        log_accused(node, "member_suspected", news, profile);
        break;
    case SWIM_NEWS_REFUTED:
        log_member(node, LOG_INFO, "member_refuted", news, profile);
        break;
    case SWIM_NEWS_DEAD:
        log_accused(node, "member_dead", news, profile);
        break;
    case SWIM_NEWS_LEFT:
        LOG(log, LOG_INFO, "member_left", log_id("member", news->id),
            log_string("name", profile->name),
            log_string("reason", swim_reason_text(news->reason)));
        break;
    case SWIM_NEWS_REAPED:
        log_member(node, LOG_DEBUG, "member_reaped", news, profile);
        break;
    case SWIM_NEWS_UNREACHABLE:
        log_member(node, LOG_INFO, "member_unreachable", news, profile);
        break;
    case SWIM_NEWS_LEADER:
        log_leader(node, news, profile);
        break;
    case SWIM_NEWS_CONFLICT:
        LOG(log, LOG_ERROR, "leader_conflict", log_u64("term", news->term),
            log_id("leader", news->id), log_id("from", news->source),
            log_string("reason", "two leaders are told of in one term: a packet was forged, or "
                                 "clusters were mixed"));
        break;
    case SWIM_NEWS_NAME_TAKEN:
        log_name_taken(node, news, profile);
        break;
    case SWIM_NEWS_CLUSTER:
        LOG(log, LOG_INFO, "gossip_found_cluster", log_id("from", news->source));
        break;
    case SWIM_NEWS_FULL:
        LOG(log, LOG_WARN, "gossip_full", log_id("member", news->id),
            log_string("reason", "it is not let in: as many members as there is room for are "
                                 "remembered"));
        break;
    case SWIM_NEWS_GONE:
        LOG(log, LOG_INFO, "gossip_left", log_id("node", news->id));
        break;
    case SWIM_NEWS_DOUBLE:
        LOG(log, LOG_ERROR, "node_twice", log_id("node", news->id),
            log_string("reason", "another process seems to live with this node's id: was its data "
                                 "directory copied? Stop one of the two"));
        break;
    }
}

void node_gossip_news(struct node *node, const struct swim_news *news)
{
    struct swim_profile profile = {0};
    bool is_known = profile_of(node, news->id, &profile);
    log_news(node, news, &profile);
    switch (news->type) {
    case SWIM_NEWS_JOINED:
    case SWIM_NEWS_UPDATED:
    case SWIM_NEWS_LEFT:
        follow_address(node, news->id);
        break;
    case SWIM_NEWS_DEAD:
        follow_address(node, news->id);
        tell_leader_lost(node, news->id);
        break;
    case SWIM_NEWS_UNREACHABLE:
        tell_leader_lost(node, news->id);
        break;
    case SWIM_NEWS_NAME_TAKEN:
        if (news->id == node->identity.id) {
            node->gossip->again_ns = node->time.now_ns + NODE_GOSSIP_AGAIN_NS;
        }
        break;
    default:
        break;
    }
    if (node->options.io.gossip_news != NULL) {
        node->options.io.gossip_news(node->options.io.context, news, is_known ? &profile : NULL);
    }
}
