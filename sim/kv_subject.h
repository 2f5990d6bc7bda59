/* kv_subject.h: the key-value state machine as a subject of the simulator.
 *
 * Owns     the clients' workload, and the history of each key that is judged at the end.
 * Threads  one run at a time.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_KV_SUBJECT_H
#define SIM_KV_SUBJECT_H

#include "quorate/sim.h"

struct kv_subject;

/* For one run. NULL: memory ran out. */
struct kv_subject *kv_subject_new(void);

void kv_subject_free(struct kv_subject *subject);

/* What qr_sim_run() is given; lives as long as the subject. */
const struct qr_sim_subject *kv_subject_of(struct kv_subject *subject);

#endif
