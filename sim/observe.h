/* observe.h: what goes on, told to the checkers and the trace.
 *
 * Owns     nothing; every message that is said passes here once, and every status.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_OBSERVE_H
#define SIM_OBSERVE_H

#include "sim/internal.h"

/* A frame is sent, dropped on its way, or received by `host`; `peer` is the other end. */
void sim_observe_frame(struct sim *sim, enum sim_trace_kind kind, uint32_t host, uint32_t peer,
                       const uint8_t *frame, size_t frame_bytes);

void sim_observe_connect(struct sim *sim, uint32_t from, uint32_t to, int status,
                         const char *reason);

/* Anything else, with words that may be NULL. */
void sim_observe(struct sim *sim, enum sim_trace_kind kind, uint32_t host, uint64_t a, uint64_t b,
                 const char *words);

/* The same, with words made only when somebody reads them. */
void sim_observe_words(struct sim *sim, enum sim_trace_kind kind, uint32_t host, uint64_t a,
                       uint64_t b, const char *format, ...) __attribute__((format(printf, 6, 7)));

/* What a node is now: checked, and traced when it changed. */
void sim_observe_status(struct sim_host *host, const struct build_status *status);

/* What this host's disk would keep is held against what its node promised. */
void sim_observe_durable(struct sim_host *host);

/* A write was acknowledged: now and then, the disks of a majority are asked for it. */
void sim_observe_acknowledged(struct sim *sim, uint64_t index, time_ns began_ns);

/* A node tells a client that this operation is nowhere. */
void sim_observe_refused(struct sim_host *host, uint64_t number);

/* observe_reads.c: */

/* A node answers a read that was asked at this moment: a leader was confirmed since, or has a
 * lease.
 */
void sim_observe_read(struct sim_host *host, time_ns began_ns);

/* A node says something to another one: what confirms a leader, or promises it something, is
 * noted, and what a leader confirms is checked.
 */
void sim_observe_read_said(struct sim_host *host, uint32_t peer,
                           const struct wire_message *message);

/* A node sends its vote, or pre-vote: it breaks no promise to a leader. */
void sim_observe_vote_said(struct sim_host *host, const struct raft_message *vote);

/* Whether leaders may hold leases, so that voters promise to stick to them. */
bool sim_observe_has_leases(const struct sim *sim);

#endif
