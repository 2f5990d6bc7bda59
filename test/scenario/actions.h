/* actions.h: each command of the language as a function. What they do: README.md. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SCENARIO_ACTIONS_H
#define SCENARIO_ACTIONS_H

#include "scenario/command.h"

/* actions_node.c */
void action_add_empty(const struct command *command);
void action_add_nodes(const struct command *command);
void action_applied(const struct command *command);
void action_configure(const struct command *command);
void action_crash(const struct command *command);
void action_fail_save(const struct command *command);
void action_fetched(const struct command *command);
void action_hold_fetches(const struct command *command);
void action_hold_saves(const struct command *command);
void action_log(const struct command *command);
void action_notify(const struct command *command);
void action_leader_lost(const struct command *command);
void action_options(const struct command *command);
void action_propose(const struct command *command);
void action_read(const struct command *command);
void action_read_lease(const struct command *command);
void action_recover(const struct command *command);
void action_release_saves(const struct command *command);
void action_restart(const struct command *command);
void action_saved(const struct command *command);
void action_stall(const struct command *command);
void action_status(const struct command *command);
void action_transfer(const struct command *command);

/* actions_snapshot.c */
void action_compact(const struct command *command);
void action_end_sending(const struct command *command);
void action_hold_sendings(const struct command *command);
void action_installed(const struct command *command);
void action_release_sendings(const struct command *command);
void action_send_piece(const struct command *command);
void action_snapshot(const struct command *command);

/* actions_network.c */
void action_deliver(const struct command *command);
void action_drop(const struct command *command);
void action_duplicate(const struct command *command);
void action_heal(const struct command *command);
void action_partition(const struct command *command);
void action_reorder(const struct command *command);

/* actions_time.c */
void action_advance(const struct command *command);
void action_elect(const struct command *command);
void action_run(const struct command *command);
void action_stabilize(const struct command *command);
void action_tick(const struct command *command);
void action_tick_heartbeat(const struct command *command);

#endif
