/* gossip_rig.h: one real node that gossips, and SWIM machines as its members.
 *
 * Owns     the node (node_solo.h: its Raft peers are the test's words), machines with the ids,
 *          names and addresses of members 2 and 3, and what the node said and told.
 * Threads  one.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPPORT_GOSSIP_RIG_H
#define SUPPORT_GOSSIP_RIG_H

#include "support/node_solo.h"
#include "swim/swim.h"

#define GOSSIP_RIG_PEERS 2 /* members 2 and 3 */
#define GOSSIP_RIG_NEWS_MAX 256
#define GOSSIP_RIG_ASKED_MAX 64
#define GOSSIP_RIG_LOG_BYTES 65536

struct gossip_rig_peer {
    struct gossip_rig *rig;
    node_id id;
    struct heap heap;
    struct swim *swim;
    bool is_deaf;   /* what is sent to it is lost; it goes on */
    bool is_silent; /* neither does it say anything */
};

struct gossip_rig {
    struct solo solo; /* first: the node's io knows only it */
    struct swim_options gossip;
    struct log_sink log;
    struct gossip_rig_peer peers[GOSSIP_RIG_PEERS];
    struct swim_news news[GOSSIP_RIG_NEWS_MAX]; /* that the node told */
    size_t news_count;
    unsigned members_count; /* of io.members */
    uint64_t packet_count;  /* that the node sent */
    /* Addresses where no member lives that it sent messages on streams to, each once. */
    char asked[GOSSIP_RIG_ASKED_MAX][SWIM_ADDRESS_BYTES_MAX];
    size_t asked_count;
    char log_lines[GOSSIP_RIG_LOG_BYTES];
    struct text log_text;
};

/* A node that is to be started, and machines that gossip in SOLO_CLUSTER. */
void gossip_rig_init(struct gossip_rig *rig);
void gossip_rig_deinit(struct gossip_rig *rig);

/* Make the machine of a member (again), in its next life, in `cluster`. */
void gossip_rig_peer_start(struct gossip_rig *rig, node_id id, struct cluster_id cluster,
                           const char *name, const char *address);
struct gossip_rig_peer *gossip_rig_peer(struct gossip_rig *rig, node_id id);
void gossip_rig_peer_step(struct gossip_rig *rig, node_id id, struct swim_event event);

/* solo_follow(), and leader 2's heartbeats from then on with each millisecond: see _pass(). */
void gossip_rig_follow(struct gossip_rig *rig);

/* Let milliseconds pass: packets are handed over, timers run, the disk works. With a leader > 0
 * that sends a heartbeat in each, in that term.
 */
void gossip_rig_pass(struct gossip_rig *rig, unsigned milliseconds, node_id leader, raft_term term);

/* Leader 2 of term 1 appends a configuration at `index`, with the node as a learner or without it,
 * and says that all up to `commit` is committed.
 */
void gossip_rig_configure(struct gossip_rig *rig, raft_index index, bool has_node,
                          raft_index commit);

/* How the machine of `id` holds the node; its profile too, when it has one. */
struct swim_member_status gossip_rig_held(struct gossip_rig *rig, node_id id,
                                          struct swim_profile *out);
size_t gossip_rig_news(const struct gossip_rig *rig, enum swim_news_type type, node_id id);
bool gossip_rig_has_logged(const struct gossip_rig *rig, const char *part);
struct node_gossip_counters gossip_rig_counters(const struct gossip_rig *rig);

#endif
