/* check_invitations.h: what an invitation is held to. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_CHECK_INVITATIONS_H
#define SIM_CHECK_INVITATIONS_H

#include "sim/state.h"

/* The hello of `host`, on the connection that it dialed to join or to invite, was accepted. */
void sim_check_invitation_met(struct sim_host *host, const struct sim_host *to);

/* It sends a frame there. */
void sim_check_invitation_said(struct sim_host *host, const uint8_t *frame);

/* It answers the invitation that it was asked for: that one is over. */
void sim_check_invitation_done(struct sim_host *host, int status);

/* A node has come into a cluster: if it waited, somebody must have told it. */
void sim_check_entered(const struct sim_host *host);

#endif
