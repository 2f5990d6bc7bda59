/* network.h: what is under way, in the order in which it arrives, and what does not. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_SWIM_NETWORK_H
#define SIM_SWIM_NETWORK_H

#include "sim/swim/world.h"

/* Put an event into its place; those of one moment keep the order in which they were put. */
void network_push(struct world *world, struct world_event event);

/* Take the earliest out; there is one. */
struct world_event network_pop(struct world *world);

/* Encode a message and send it on its way, if it gets there. Returns its bytes. */
size_t network_send(struct world *world, uint32_t from, uint32_t address,
                    const struct swim_message *message, bool is_stream);

/* When this host runs next: at once, unless it is starved. */
time_ns network_runs_at(const struct world_node *node, time_ns now_ns);

#endif
