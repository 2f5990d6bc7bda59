/* administrator.h: what the administrator's two parts share. Private to sim/. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_ADMINISTRATOR_H
#define SIM_ADMINISTRATOR_H

#include "sim/internal.h"

/* Choose a change of one member, or of about a third of them, and note what it may lead to.
 *
 * wish   set; all of it is overwritten.
 *
 * Returns false when it came to nobody.
 */
bool sim_request_choose(struct sim *sim, struct sim_wish *wish, struct sim_request *out);

/* A place for what may yet happen, until TIME_NEVER; NULL: there is none. */
struct sim_wish *sim_wish_take(struct sim *sim);

/* Ask a node. Each returns the token of the question; 0: the node has too many. */
uint64_t sim_request_members(struct sim_host *host, const struct sim_request *request,
                             bool is_forced);
uint64_t sim_request_transfer(struct sim_host *host, const char *name);
uint64_t sim_request_priority(struct sim_host *host, const char *name, uint64_t priority);

#endif
