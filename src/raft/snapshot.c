/* snapshot.c: taking the place of a log that is compacted elsewhere (Raft §7, figure 13).
 *
 * Pieces of a snapshot go up to the node, which makes them durable and restores the state
 * machine. What comes back as installed is committed: a log that holds its last entry keeps
 * what is behind it; any other says nothing that counts, and becomes empty.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "base/mutant.h"
#include "quorate/error.h"
#include "raft/internal.h"

bool raft_piece_is_well_formed(const struct raft_message *message)
{
    const struct raft_install_snapshot *piece = &message->install_snapshot;
    uint64_t end;
    if (piece->snapshot.index == 0 || piece->snapshot.index > UINT64_MAX / 2 ||
        piece->snapshot.term == 0 || piece->snapshot.term > message->term ||
        piece->data.size_bytes > RAFT_DATA_BYTES_MAX ||
        __builtin_add_overflow(piece->offset, piece->data.size_bytes, &end)) {
        return false;
    }
    return piece->size_bytes == 0 ||
           (piece->is_last ? end == piece->size_bytes : end <= piece->size_bytes);
}

/* Whether the log shows, by itself, all that a snapshot there does. */
static bool holds(const struct raft *raft, struct raft_position position)
{
    raft_term term;
    return position.index <= raft->log.base.index ||
           (raft_log_term_at(&raft->log, position.index, &term) && term == position.term);
}

bool raft_wants_snapshot(const struct raft *raft, struct raft_position position)
{
    return (position.index > raft->log.applied_index && !holds(raft, position)) ||
           MUTANT(INSTALL_GOES_BACK);
}

static void respond(struct raft *raft, node_id to, struct raft_install_snapshot_response response)
{
    raft_send(raft, (struct raft_message){
                        .type = RAFT_INSTALL_SNAPSHOT_RESPONSE,
                        .to = to,
                        .install_snapshot_response = response,
                    });
}

/* What is in a snapshot is committed. */
static void commit_up_to(struct raft *raft, raft_index index)
{
    ASSERT(index <= raft->log.last_index);
    raft->log.commit_index = max_u64(raft->log.commit_index, index);
    raft_configuration_committed(raft);
}

/* The log leads there by itself: nothing has to be sent (Raft, figure 13, step 6). */
static void answer_held(struct raft *raft, const struct raft_message *message)
{
    struct raft_position position = message->install_snapshot.snapshot;
    raft->verified_index = max_u64(raft->verified_index, position.index);
    commit_up_to(raft, position.index);
    if (raft->log.durable_index < position.index || !raft_is_reset_durable(raft)) {
        return; /* the answer to a heartbeat says it when it is so */
    }
    respond(raft, message->from,
            (struct raft_install_snapshot_response){.snapshot = position, .is_done = true});
}

static void take_piece(struct raft *raft, const struct raft_message *message)
{
    const struct raft_install_snapshot *piece = &message->install_snapshot;
    raft->offered = piece->snapshot;
    if (raft->piece_count == RAFT_PIECES_MAX) {
        return; /* lost; the leader asks again */
    }
    raft->pieces[raft->piece_count++] = (struct raft_piece){
        .peer = message->from,
        .snapshot = piece->snapshot,
        .offset = piece->offset,
        .size_bytes = piece->size_bytes,
        .is_last = piece->is_last,
        .data = piece->data,
    };
    if (piece->data.size_bytes > 0) {
        (void)chunk_hold(piece->data.chunk);
    }
}

int raft_on_install_snapshot(struct raft *raft, const struct raft_message *message)
{
    struct raft_position position = message->install_snapshot.snapshot;
    if (message->term < raft->hard_state.term) {
        respond(raft, message->from,
                (struct raft_install_snapshot_response){.snapshot = position, .is_refused = true});
        return 0;
    }
    int status = raft_hear_leader(raft, message);
    if (status != 0) {
        return status;
    }
    if (holds(raft, position) && !MUTANT(INSTALL_GOES_BACK)) {
        answer_held(raft, message);
        return 0;
    }
    if (position.index <= raft->log.commit_index && !MUTANT(INSTALL_GOES_BACK)) {
        return QR_ERR_MALFORMED; /* contradicts what is committed */
    }
    take_piece(raft, message);
    return 0;
}

void raft_on_piece_taken(struct raft *raft, const struct raft_event *event)
{
    if (raft->role == RAFT_LEADER || !raft->has_leader) {
        return; /* who sent it leads no more */
    }
    respond(raft, raft->leader,
            (struct raft_install_snapshot_response){.snapshot = event->piece_taken.snapshot,
                                                    .offset = event->piece_taken.offset,
                                                    .is_refused = event->piece_taken.is_refused});
}

/* The configuration in a snapshot comes before all that the log holds. */
static int place_configuration(struct raft *raft, struct raft_configuration *configuration)
{
    int status = allocate_grow(raft->options.allocator, (void **)&raft->configurations,
                               &raft->configuration_capacity, raft->configuration_count + 1,
                               RAFT_CONFIGURATIONS_MAX, sizeof(void *));
    if (status != 0) {
        return status;
    }
    for (size_t i = raft->configuration_count; i > 0; i--) {
        raft->configurations[i] = raft->configurations[i - 1];
    }
    raft->configurations[0] = configuration;
    raft->configuration_count++;
    return 0;
}

/* The log holds the position: all of it stays. The configuration is taken over if none is known
 * up to there; then *configuration is NULL.
 */
static int keep_log(struct raft *raft, const struct raft_snapshot *snapshot,
                    struct raft_configuration **configuration)
{
    int status = 0;
    bool is_known =
        raft->configuration_count > 0 && raft->configurations[0]->index <= snapshot->position.index;
    if (!is_known && *configuration != NULL) {
        status = place_configuration(raft, *configuration);
        *configuration = status == 0 ? NULL : *configuration;
    }
    return status;
}

/* Nothing in the log counts: it begins anew at the position. */
static int reset_log(struct raft *raft, const struct raft_snapshot *snapshot,
                     struct raft_configuration **configuration)
{
    if (raft->role != RAFT_FOLLOWER && raft->role != RAFT_LEARNER) {
        raft_become_follower(raft, raft->hard_state.term, false, 0); /* with another log */
    }
    raft_log_reset(&raft->log, snapshot->position);
    raft_saves_lower(raft, snapshot->position.index);
    raft_configuration_rollback(raft, 0);
    raft->verified_index = snapshot->position.index;
    raft->is_rejection_due = false;
    raft->is_reset_due = true;
    if (*configuration == NULL) {
        return 0;
    }
    int status = place_configuration(raft, *configuration);
    *configuration = status == 0 ? NULL : *configuration;
    return status;
}

static int install(struct raft *raft, const struct raft_snapshot *snapshot,
                   struct raft_configuration **configuration)
{
    bool is_held = holds(raft, snapshot->position);
    if (!is_held && snapshot->position.index <= raft->log.commit_index &&
        !MUTANT(INSTALL_GOES_BACK)) {
        return QR_ERR_MALFORMED;
    }
    if (snapshot->position.term > raft->hard_state.term) {
        raft_become_follower(raft, snapshot->position.term, false, 0);
    }
    bool is_kept = is_held && !MUTANT(INSTALL_GOES_BACK);
    bool is_kept_wrongly =
        MUTANT(INSTALL_KEEPS_CONFLICT) && snapshot->position.index <= raft->log.last_index;
    int status = is_kept || is_kept_wrongly ? keep_log(raft, snapshot, configuration)
                                            : reset_log(raft, snapshot, configuration);
    if (status != 0) {
        return status;
    }
    struct raft_log *log = &raft->log;
    log->last_timestamp_ns = max_u64(log->last_timestamp_ns, snapshot->timestamp_ns);
    commit_up_to(raft, snapshot->position.index);
    log->applied_index = max_u64(log->applied_index, snapshot->position.index);
    raft_log_evict(log);
    /* Any other leader learns it from an answer to its heartbeat: it may know no snapshots. */
    raft->is_installed_due = raft->has_leader && raft->offered.index == snapshot->position.index;
    raft->installed = snapshot->position;
    return 0;
}

/* Bytes from a disk, or from a peer. `out` is NULL when the snapshot names none. */
static int decode_configuration(struct raft *raft, const struct raft_snapshot *snapshot,
                                struct raft_configuration **out)
{
    *out = NULL;
    if (snapshot->configuration_index == 0) {
        return snapshot->configuration_bytes == 0 ? 0 : QR_ERR_MALFORMED;
    }
    if (snapshot->configuration_index > snapshot->position.index) {
        return QR_ERR_MALFORMED;
    }
    *out = allocate(raft->options.allocator, sizeof(**out));
    if (*out == NULL) {
        return QR_ERR_NO_MEMORY;
    }
    return raft_configuration_decode(snapshot->configuration, snapshot->configuration_bytes,
                                     snapshot->configuration_index, *out);
}

int raft_on_installed(struct raft *raft, const struct raft_snapshot *snapshot)
{
    struct raft_position position = snapshot->position;
    if (position.index == 0 || position.term == 0 || position.index > UINT64_MAX / 2) {
        return QR_ERR_MALFORMED;
    }
    if (position.index < raft->log.applied_index && !MUTANT(INSTALL_GOES_BACK)) {
        return 0;
    }
    struct raft_configuration *configuration;
    int status = decode_configuration(raft, snapshot, &configuration);
    if (status == 0) {
        status = install(raft, snapshot, &configuration);
    }
    release(raft->options.allocator, configuration, sizeof(*configuration));
    return status;
}

/* Told once the log on disk stands there too. */
void raft_installed_ready(struct raft *raft)
{
    bool is_durable =
        raft_is_reset_durable(raft) && raft->log.durable_index >= raft->installed.index;
    if (raft->is_installed_due && (is_durable || MUTANT(INSTALL_ANSWERED_EARLY))) {
        raft->is_installed_due = false;
        respond(
            raft, raft->leader,
            (struct raft_install_snapshot_response){.snapshot = raft->installed, .is_done = true});
    }
}

/* What was lent to a ready has been taken by now. */
void raft_release_pieces(struct raft *raft)
{
    for (size_t i = 0; i < raft->piece_count; i++) {
        chunk_drop(raft->pieces[i].data.chunk);
    }
    raft->piece_count = 0;
    for (size_t i = 0; i < raft->out_count; i++) {
        if (raft->out[i].type == RAFT_INSTALL_SNAPSHOT) {
            chunk_drop(raft->out[i].install_snapshot.data.chunk);
        }
    }
}
