/* swim_rig.h: one SWIM machine, to which a test says what others would.
 *
 * Owns     the machine, of id 1, and what its last step put out, until the next one.
 * Threads  one.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPPORT_SWIM_RIG_H
#define SUPPORT_SWIM_RIG_H

#include "support/heap.h"
#include "swim/swim.h"

#define SWIM_RIG_CLUSTER ((struct cluster_id){7, 7})

struct swim_rig {
    node_id silent; /* answers nothing; 0: nobody */
    struct heap heap;
    struct swim_options options;
    struct swim *swim;
    time_ns now_ns;
    struct swim_ready ready; /* of the last step */
    uint8_t profile[SWIM_PROFILE_BYTES_MAX];
};

/* Make it, at incarnation 5. change: NULL, or what to change in the default options before. */
void swim_rig_init(struct swim_rig *rig, void (*change)(struct swim_options *options));
void swim_rig_deinit(struct swim_rig *rig);

/* The profile of member `id`: name mID, peer address hID:7700, started as said. In the rig,
 * until the next call.
 */
struct swim_blob swim_rig_profile(struct swim_rig *rig, node_id id, uint64_t started);

/* Step and collect. Returns what the step did. */
int swim_rig_step(struct swim_rig *rig, struct swim_event event);

/* A packet from `from`, out of hFROM:7700, with these updates. */
int swim_rig_packet(struct swim_rig *rig, node_id from, struct swim_message message,
                    const struct swim_update *updates, size_t count);

/* A gossip with one update; alive gets the member's profile. */
int swim_rig_say(struct swim_rig *rig, node_id from, enum swim_state state, node_id id,
                 uint64_t incarnation);

/* Members 2 to `last` are alive at incarnation 1; the machine hears of them from 2. */
void swim_rig_fill(struct swim_rig *rig, node_id last);

/* The same, with profiles about as long as they get. */
void swim_rig_fill_long(struct swim_rig *rig, node_id last);

/* Tick whenever one is due, up to then; `ready` is of the last tick. */
void swim_rig_pass(struct swim_rig *rig, time_ns span_ns);

/* All that the last step pinged answer, but for rig->silent. */
void swim_rig_answer_all(struct swim_rig *rig);

struct swim_member_status swim_rig_member(const struct swim_rig *rig, node_id id);

/* The first packet of this type in `ready`, or NULL; and the first news. */
const struct swim_packet *swim_rig_sent(const struct swim_rig *rig, enum swim_message_type type);
const struct swim_news *swim_rig_news(const struct swim_rig *rig, enum swim_news_type type);

#endif
