/* internal.h: what the files of a run call of each other, by file. Never leaves sim/. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_INTERNAL_H
#define SIM_INTERNAL_H

#include "sim/state.h"

static inline time_ns sim_now(const struct sim *sim)
{
    return sim->schedule.now_ns;
}

static inline bool sim_chance(struct prng *prng, uint64_t millionths)
{
    return millionths > 0 && prng_between(prng, 0, 999999) < millionths;
}

/* A violation: recorded, traced, and the run ends. */
void sim_violate(struct sim *sim, const char *checker, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The subject is not what it must be, or memory ran out: no fault of the nodes. The run ends
 * without a verdict, and qr_sim_run() returns `status`, with these words.
 */
void sim_refuse(struct sim *sim, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* network.c */
void sim_network_deinit(struct sim *sim);
bool sim_network_send(struct sim_host *from, uint64_t to, const struct build_part *parts,
                      size_t count);
void sim_network_dial(struct sim_host *from, const char *address);
void sim_network_send_seed(struct sim_host *from, const struct build_part *parts, size_t count);
void sim_network_reply(struct sim_host *from, uint64_t dial, const struct build_part *parts,
                       size_t count);
void sim_network_host_down(struct sim_host *host);
void sim_network_reset(struct sim *sim, uint32_t from, uint32_t to);
void sim_network_cut(struct sim *sim, uint32_t from, uint32_t to, bool is_cut);

struct sim_host *sim_network_host_at(struct sim *sim, const char *address);

/* gossip.c: what the members say besides Raft, and which connections they are told to be closed. */
void sim_gossip_init(struct sim *sim);
void sim_gossip_deinit(struct sim *sim);
void sim_gossip_send(struct sim_host *from, const char *address, const uint8_t *data,
                     size_t size_bytes);
void sim_gossip_send_stream(struct sim_host *from, const char *address, uint64_t answers,
                            const uint8_t *data, size_t size_bytes);
/* A process has ended, so: who had a connection with it may see it close. */
void sim_gossip_host_down(struct sim_host *host, enum sim_end how);
/* The connection that `from` has dialed was reset: both ends see it close. */
void sim_gossip_reset(struct sim *sim, uint32_t from, uint32_t to);
void sim_gossip_calm(struct sim *sim); /* the second phase begins */

/* Whether the hosts of phase two hold each other for live, and know who leads; else `why` says
 * what is missing.
 */
bool sim_gossip_agrees(const struct sim *sim, struct text *why);

/* host.c: processes, and what befalls them. */
void sim_host_init(struct sim *sim, uint32_t number);
void sim_host_deinit(struct sim_host *host);
void sim_host_start(struct sim_host *host);
void sim_host_end(struct sim_host *host, enum sim_end how);
void sim_host_restart_at(struct sim_host *host, time_ns at_ns);
void sim_host_restart_later(struct sim_host *host);
void sim_host_mark(struct sim_host *host);
struct build_time sim_host_time(const struct sim_host *host);
bool sim_host_is_up(const struct sim_host *host);
bool sim_host_is_observer(const struct sim_host *host);
bool sim_host_is_paused(const struct sim_host *host);
/* Whether what befell its disk explains this error. */
bool sim_host_is_explained(const struct sim_host *host, int status);
void sim_host_wipe(struct sim_host *host);
struct build_time sim_host_enter(struct sim_host *host);
void sim_host_leave(struct sim_host *host);

/* host_open.c: its node, at another address perhaps. 0 or an error, `detail` in words. */
int sim_host_open(struct sim_host *host, char *detail);

/* The version that a host is started with next. */
const struct build *sim_draw_build(struct sim *sim);

/* host_world.c: what a node asks of the world. */
void sim_host_world_init(struct sim_host *host);

/* replica.c: its state machine. False: it could not be made, and the run ends. */
bool sim_replica_open(struct sim_host *host);
void sim_replica_apply(struct sim_host *host, const struct qr_entry *entries, size_t count);
void sim_replica_close(struct sim_host *host);

/* durable.c */
bool sim_durable_is_on(const struct sim_host *host);
void sim_durable_note(struct sim_host *host); /* something was applied, or taken over */
int sim_durable_open(struct sim_host *host);  /* a new replica, from what is kept */
void sim_durable_forget(struct sim_host *host);

/* snapshots.c: as in quorate/state_machine.h, with what the checkers must know in front. */
int sim_replica_snapshot_open(struct sim_host *host, void **snapshot);
int sim_replica_snapshot_read(struct sim_host *host, void *snapshot, void *buffer,
                              size_t size_bytes, size_t *read_bytes);
void sim_replica_snapshot_close(struct sim_host *host, void *snapshot);
int sim_replica_restore_begin(struct sim_host *host);
int sim_replica_restore_write(struct sim_host *host, const void *data, size_t size_bytes);
int sim_replica_restore_end(struct sim_host *host);

/* clients.c */
void sim_clients_init(struct sim *sim);
/* Phase two: at least so many clients, and all at once. */
void sim_clients_wake(struct sim *sim, uint32_t count_min);
void sim_clients_gather(struct sim *sim, uint32_t host, struct prng *prng);
void sim_clients_host_down(struct sim_host *host);
/* Whoever still waits at the end will never know. */
void sim_clients_finish(struct sim *sim);
void sim_client_proposed(struct sim_host *host, uint64_t token, int status, uint64_t index,
                         const struct build_result *result);
void sim_client_read(struct sim_host *host, uint64_t token, int status, uint64_t index);

/* clients_once.c: asking again. */

/* A new client's manner. */
void sim_once_init(struct sim_client *client);

/* The id under which the client proposes its operation. */
struct qr_id sim_once_id(const struct sim_client *client);

/* Send what the client asks for, other than an operation for the first time. */
int sim_once_submit(struct sim_client *client, struct sim_host *host);

/* What was asked has ended so. False: it goes on, and the client has to ask again. True: the
 * outcome is that of the operation.
 */
bool sim_once_take(struct sim_client *client, struct qr_sim_outcome *outcome);

/* Whether the client has something else to ask for than a new operation. */
bool sim_once_is_pending(struct sim_client *client);

/* faults.c, faults_*.c */
void sim_faults_init(struct sim *sim);
void sim_faults_deinit(struct sim *sim);
void sim_faults_stop(struct sim *sim);

/* members.c */

/* What a node's log holds now, after a call of it. */
void sim_members_note(struct sim_host *host, const struct build_status *now);

/* What this host acts by; NULL: nothing yet. */
const struct build_configuration *sim_members_in_force(const struct sim_host *host);
const struct build_configured *sim_members_find(const struct build_configuration *configuration,
                                                uint64_t id);

/* The voters of one set; `ids` has BUILD_MEMBERS_MAX of room. */
size_t sim_members_voters(const struct build_configuration *configuration, bool is_outgoing,
                          uint64_t *ids);

typedef bool sim_members_rule(const struct sim *sim,
                              const struct build_configuration *configuration,
                              const void *argument);

/* Whether the rule holds for every configuration that a node may still act by. */
bool sim_members_every(const struct sim *sim, sim_members_rule *holds, const void *argument);

typedef bool sim_members_judge(const struct sim *sim, uint64_t id,
                               const struct build_configuration *configuration,
                               const void *argument);

/* Whether it is so for a configuration that this host, as the node `id`, has acted by since then;
 * also for one that it came to within the call that is under way. True as well when there were
 * more than are remembered.
 */
bool sim_members_any_since(const struct sim_host *host, time_ns since_ns, sim_members_judge *is_so,
                           const void *argument);

/* As people read it: `TERM/INDEX` and the members by name, with `:PRIORITY` unless it is 1, and
 * `!` where the disk is lost. SIM_MEMBERS_TEXT_BYTES are enough.
 */
void sim_members_text(const struct sim *sim, const struct build_configuration *configuration,
                      struct text *text);

/* All that may be in force, and which of them each host acts by. */
void sim_members_describe(const struct sim *sim, struct text *text);

/* It runs, and no configuration names it any more. */
bool sim_members_is_removed(const struct sim_host *host);

/* check_members.c: a leader has put the configuration in force into its log; or any node acts
 * by one.
 */
void sim_check_appended(const struct sim_host *host, const struct build_status *now);
void sim_check_kept(const struct sim_host *host, const struct build_status *now);

/* check_gossip.c: what a node has heard by gossip; a leader has put the configuration in force into
 * its log.
 */
void sim_check_gossip(struct sim_host *host, const struct build_status *now);
void sim_check_asked_for(struct sim_host *host, const struct build_status *now);

/* check_removal.c: what a leader may know that removes the dead by itself. */

/* A member's answer to a leader's entries comes in. */
void sim_check_removal_heard(struct sim_host *host, const struct raft_message *message);

/* After each call of a node. */
void sim_check_removal_called(struct sim_host *host, const struct build_status *now);

/* A leader has put a configuration without this member into its log, and nobody asked for that. */
void sim_check_removal(struct sim_host *host, const struct build_status *now,
                       const struct build_configured *member);

/* divergence.c: a replica's state that differs from the others' is made, and must be found. */
void sim_divergence_applied(struct sim_host *host);
void sim_divergence_begin(struct sim_host *host, uint64_t wrong); /* its state is made anew */
uint64_t sim_divergence_digest(const struct sim_host *host);
void sim_divergence_status(struct sim_host *host, const struct build_status *now);
void sim_divergence_answered(struct sim_host *host); /* it answers a read */
bool sim_divergence_is_found(const struct sim *sim);

/* stale_reads.c: somebody asks for what is applied here and now, and for its age. */
void sim_stale_init(struct sim *sim);
void sim_stale_stop(struct sim *sim);

/* invitations.c: who waits in no cluster, and who lets it in. */
void sim_invitations_init(struct sim *sim);
void sim_invitations_stop(struct sim *sim); /* nobody is struck any more; who waits is let in */
void sim_invitations_start(struct sim_host *host); /* a process: whether it waits */

/* Somebody wants the members of this list to have no vote. */
void sim_check_unwanted(struct sim *sim, const char *names);

/* administrator.c: who changes the members and the leader. */
void sim_administrator_init(struct sim *sim);
void sim_administrator_stop(struct sim *sim);
/* Whoever leads is asked for a change of the members now, where changes are asked for at all. */
void sim_administrator_press(struct sim *sim);
void sim_administrator_done(struct sim_host *host, uint64_t token, int status, const char *reason);
void sim_administrator_host_down(struct sim_host *host);

/* administrator_last.c: phase two, looked at now and then. What the administrator asked for before
 * is answered; then it asks for one transfer and one change until they are done, if the plan has
 * any. NULL: all is; else what it waits for, in words that stay for as long as it is the same.
 */
const char *sim_administrator_last(struct sim *sim);

/* atlas.c: what may be broken without breaking a promise. */
bool sim_atlas_may_lose(const struct sim *sim, uint64_t id);
void sim_atlas_lose(struct sim *sim, const struct sim_host *host);
bool sim_atlas_is_lost(const struct sim *sim, uint64_t id);
/* Its disk is; and in phase two its host is of the core. */
bool sim_atlas_is_whole(const struct sim *sim, uint64_t id);
/* Whether all that sim->wishes may do leaves a quorum; in phase two, of the core. */
bool sim_atlas_allows_wishes(const struct sim *sim);
/* Choose the hosts of phase two: healthy, and a quorum of every configuration in force. */
void sim_atlas_choose_core(struct sim *sim);

/* liveness.c */
void sim_liveness_begin(struct sim *sim);
bool sim_liveness_is_reached(struct sim *sim);

#endif
