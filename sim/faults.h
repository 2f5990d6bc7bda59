/* faults.h: what the kinds of discrete faults do. Private to sim/. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_FAULTS_H
#define SIM_FAULTS_H

#include "sim/internal.h"

/* A fault with a number, on its way. Its chance is its own, so that leaving one out changes
 * nothing in the others.
 */
struct sim_blow {
    struct sim *sim;
    enum sim_fault fault;
    uint32_t number;
    struct prng prng;
};

/* Each returns whether anything happened. */
bool sim_blow_process(struct sim_blow *blow);
bool sim_blow_network(struct sim_blow *blow);
bool sim_blow_disk(struct sim_blow *blow);
bool sim_blow_clock(struct sim_blow *blow);
bool sim_blow_stale_tail(struct sim_blow *blow);
bool sim_blow_diverge(struct sim_blow *blow);

struct sim_host *sim_blow_host(struct sim_blow *blow);
uint32_t sim_blow_host_number(struct sim_blow *blow);

/* How long it lasts. */
time_ns sim_blow_length_ns(struct sim_blow *blow);

/* Say what was done, and to whom (SIM_NOBODY: to all). */
void sim_blow_tell(const struct sim_blow *blow, uint32_t host, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Undo it after a while; `happen` gets a sim_heal as owner, and calls sim_heal_end(). */
struct sim_heal *sim_blow_heal_later(struct sim_blow *blow, uint32_t host, time_ns after_ns,
                                     void (*happen)(struct sim_event *event));
void sim_heal_end(struct sim_heal *heal);

#endif
