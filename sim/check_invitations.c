/* check_invitations.c: an invitation is answered truthfully: with success only when a committed
 * configuration names whom it was for, with a refusal only where it let nobody in.
 *
 * Does not know that it is answered once, which the administrator sees to, as of all changes.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/check_invitations.h"

#include <string.h>

#include "quorate/error.h"
#include "sim/internal.h"
#include "wire/message.h"

#define FRAME_TYPE_AT 8 /* docs/wire-format.md */

void sim_check_invitation_met(struct sim_host *host, const struct sim_host *to)
{
    struct build_status now;
    to->build->status(to->node, &now);
    host->invitation.is_met = true;
    host->invitation.dial = host->dial;
    host->invitation.is_alone = now.is_outside;
}

/* The other end closes a connection that was made for an invitation alone. */
void sim_check_invitation_said(struct sim_host *host, const uint8_t *frame)
{
    const struct sim_invitation *invitation = &host->invitation;
    bool is_alone = invitation->dial == host->dial && invitation->is_alone;
    if (is_alone && frame[FRAME_TYPE_AT] != WIRE_INVITE) {
        sim_violate(host->sim, "invitation_alone",
                    "n%u says to a node in no cluster what is no invitation: message %u",
                    host->number + 1, frame[FRAME_TYPE_AT]);
    }
}

/* The latest configuration that this host knows to be committed; false: none. */
static bool committed_of(const struct sim_host *host, struct build_configuration *out)
{
    struct build_status now;
    host->build->status(host->node, &now);
    for (size_t back = 0; host->build->configuration(host->node, back, out); back++) {
        if (out->index <= now.commit_index) {
            return true;
        }
    }
    return false;
}

/* Whether it names a node that was on the target's host since it was invited. */
static bool is_in(const struct sim *sim, const struct sim_invitation *invitation,
                  const struct build_configuration *configuration)
{
    const struct sim_host *target = &sim->hosts[invitation->target];
    for (uint32_t disk = invitation->target_disk; disk <= target->disk_life; disk++) {
        char name[QR_NAME_BYTES_MAX];
        struct text text = text_of(name, sizeof(name));
        text_char(&text, 'n');
        text_u64(&text, target->number + 1);
        if (disk > 0) {
            text_char(&text, '-');
            text_u64(&text, disk + 1);
        }
        for (size_t i = 0; i < configuration->count; i++) {
            if (strcmp(configuration->members[i].name, name) == 0) {
                return true;
            }
        }
    }
    return false;
}

/* Why the answer is not true; NULL: it is. */
static const char *lie_of(const struct sim_host *host, const struct sim_invitation *invitation,
                          int status)
{
    const struct sim_host *target = &host->sim->hosts[invitation->target];
    bool is_one_life = target->life == invitation->target_life;
    struct build_configuration configuration;
    struct build_status now;
    switch (status) {
    case 0:
        return committed_of(host, &configuration) && is_in(host->sim, invitation, &configuration)
                   ? NULL
                   : "no configuration that is committed names it";
    case QR_ERR_ADDRESS:
        return invitation->is_met ? "somebody was met there" : NULL;
    case QR_ERR_FOREIGN:
        return is_one_life && target->is_waiting ? "it has waited all the time" : NULL;
    case QR_ERR_VERSION:
        return is_one_life && target->build->join != NULL ? "it knows invitations" : NULL;
    case QR_ERR_STOPPED:
        host->build->status(host->node, &now);
        return now.is_stopped ? NULL : "who invites goes on";
    case QR_ERR_TIMEOUT:
        return NULL;
    default:
        return "there is no such answer";
    }
}

void sim_check_invitation_done(struct sim_host *host, int status)
{
    struct sim *sim = host->sim;
    struct sim_invitation invitation = host->invitation;
    struct sim_host *target = &sim->hosts[invitation.target];
    const char *lie = lie_of(host, &invitation, status);
    host->invitation.token = 0;
    if (status == 0 || status == QR_ERR_TIMEOUT) {
        target->told_life = target->life; /* as far as anybody knows */
    }
    if (lie != NULL) {
        sim_violate(sim, "invitation_answer", "n%u says of its invitation of n%u: %s, and %s",
                    host->number + 1, target->number + 1, qr_error_name(status), lie);
    }
}

void sim_check_entered(const struct sim_host *host)
{
    const struct sim *sim = host->sim;
    bool is_told = !host->is_waiting || host->told_life == host->life;
    for (uint32_t i = 0; i < sim->host_count; i++) {
        const struct sim_invitation *invitation = &sim->hosts[i].invitation;
        is_told = is_told || (invitation->token != 0 && invitation->target == host->number);
    }
    if (!is_told) {
        sim_violate(host->sim, "refused_stays_out",
                    "n%u came into the cluster, and each of its invitations was refused",
                    host->number + 1);
    }
}
