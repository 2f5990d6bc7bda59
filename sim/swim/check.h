/* check.h: what must be true of a run; one file for each promise.
 *
 * Owns     struct checks: what each checker remembers. A checker that finds something calls
 *          world_fail() with its own name.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_SWIM_CHECK_H
#define SIM_SWIM_CHECK_H

#include "sim/swim/world.h"

#define CHECK_NODES_MAX 64

struct checks {
    struct world *world;
    /* check_incarnation.c: the highest that [who] has known of [whom] in this life. */
    uint64_t known[CHECK_NODES_MAX][CHECK_NODES_MAX];
    /* check_return.c: at which [who] held [whom] for gone, plus 1. */
    uint64_t ended[CHECK_NODES_MAX][CHECK_NODES_MAX];
    /* check_leader.c */
    raft_term term[CHECK_NODES_MAX];
    node_id leader[CHECK_NODES_MAX];
    /* check_left.c: it went by its own will, and nobody was out of its reach. */
    bool has_left_in_peace[CHECK_NODES_MAX];
    /* check_names.c: it was in, in reach of all, before another came with its name. */
    bool is_incumbent[CHECK_NODES_MAX];
    /* check_load.c */
    uint64_t questions; /* packets that answer nothing */
    uint64_t load_questions;
    time_ns load_began_ns;
};

/* The watch that tells all checkers. */
struct world_watch checks_watch(struct checks *checks, struct world *world);

/* A life ended, or began: what the node knew is gone. */
void checks_forget(struct checks *checks, uint32_t node);

/* After quiet: nothing was broken for so long that all must know the same. */
void checks_at_rest(struct checks *checks);

/* Behind checks_at_rest(), from one call to the next. */
void checks_load_begin(struct checks *checks);
void checks_load_end(struct checks *checks);

void check_incarnation_stepped(struct checks *checks, uint32_t node);
void check_return_news(struct checks *checks, uint32_t node, const struct swim_news *news);
void check_return_stepped(struct checks *checks, uint32_t node);
void check_leader_news(struct checks *checks, uint32_t node, const struct swim_news *news);
void check_leader_at_rest(struct checks *checks);
void check_witness_news(struct checks *checks, uint32_t node, const struct swim_news *news);
void check_names_news(struct checks *checks, uint32_t node, const struct swim_news *news);
/* Another node is about to start with this one's name. */
void check_names_twin(struct checks *checks, uint32_t node, bool is_peaceful);
void check_load_sent(struct checks *checks, const struct swim_message *message);
void check_agree_at_rest(struct checks *checks);
void check_left_at_rest(struct checks *checks);

#endif
