/* once.c: guarded entries: what the session table says to them, and who is told.
 *
 * A proposal under a session or token may stand in the log several times, and several may wait
 * for it here, each with its own sending. Whichever of them is applied first decides all. Only
 * what is refused for want of room says nothing about the others.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/mutant.h"
#include "node/internal.h"
#include "quorate/error.h"

static uint32_t checksum_of(const char *command, size_t command_bytes, const void *payload,
                            size_t payload_bytes)
{
    uint8_t length = (uint8_t)command_bytes;
    uint32_t checksum = crc32c(0, &length, 1);
    checksum = crc32c(checksum, command, command_bytes);
    return crc32c(checksum, payload, payload_bytes);
}

uint32_t node_command_checksum(const struct raft_proposal *proposal)
{
    return checksum_of(proposal->command, proposal->command_bytes, proposal->payload,
                       proposal->payload_bytes);
}

static bool is_command(const struct entry_fields *fields, const char *name, size_t name_bytes)
{
    return fields->command_bytes == name_bytes && memcmp(fields->command, name, name_bytes) == 0;
}

/* Open, end or settle. What does not parse is refused, on every replica alike. */
static int control(struct node *node, const struct entry_fields *fields,
                   struct node_guarded *guarded)
{
    struct sessions *sessions = &node->sessions;
    struct reader reader = reader_of(fields->payload, fields->payload_bytes);
    uint64_t first = read_u64(&reader);
    if (is_command(fields, NODE_SESSION_SETTLE, sizeof(NODE_SESSION_SETTLE) - 1)) {
        guarded->asked = (struct proposal_id){first, read_u64(&reader)};
        guarded->is_repeat = true;
        return reader.failed ? QR_ERR_INVALID
                             : sessions_settle(sessions, &guarded->entry, guarded->asked);
    }
    if (reader.failed) {
        return QR_ERR_INVALID;
    }
    if (is_command(fields, NODE_SESSION_OPEN, sizeof(NODE_SESSION_OPEN) - 1)) {
        return sessions_open(sessions, &guarded->entry, first);
    }
    if (is_command(fields, NODE_SESSION_END, sizeof(NODE_SESSION_END) - 1)) {
        return sessions_end(sessions, &guarded->entry, first);
    }
    return QR_ERR_INVALID;
}

/* Room for the guarded entries of a batch, once there is one. */
static struct node_guarded *next_guarded(struct node *node)
{
    if (node->apply_guarded == NULL) {
        node->apply_guarded = allocate(node->options.allocator,
                                       NODE_APPLY_ENTRIES_MAX * sizeof(*node->apply_guarded));
    }
    ASSERT(node->apply_guarded_count < NODE_APPLY_ENTRIES_MAX);
    return node->apply_guarded == NULL ? NULL : &node->apply_guarded[node->apply_guarded_count++];
}

int node_guard(struct node *node, const struct entry *entry, enum node_guard_verdict *verdict)
{
    struct entry_fields fields = entry_fields_of(entry);
    enum sessions_id_kind kind = sessions_id_kind(fields.id);
    *verdict = NODE_GUARD_PASS;
    if (kind == SESSIONS_ID_NONE) {
        node->sessions.is_used = true;
        return 0;
    }
    if (MUTANT(REPEAT_AFTER_RESTART) && kind != SESSIONS_ID_CONTROL &&
        fields.term <= node->first_term) {
        return 0;
    }
    struct node_guarded *guarded = next_guarded(node);
    if (guarded == NULL) {
        return QR_ERR_NO_MEMORY;
    }
    *guarded = (struct node_guarded){
        .entry = {.id = fields.id,
                  .index = fields.index,
                  .timestamp_ns =
                      MUTANT(SESSION_BY_OWN_CLOCK) ? node->time.wall_ns : fields.timestamp_ns,
                  .checksum = checksum_of(fields.command, fields.command_bytes, fields.payload,
                                          fields.payload_bytes)},
        .term = fields.term,
        .place = NODE_NO_PLACE,
        .asked = fields.id,
    };
    *verdict = NODE_GUARD_SKIP;
    if (kind == SESSIONS_ID_CONTROL) {
        guarded->status = control(node, &fields, guarded);
    } else {
        bool is_first;
        guarded->status = sessions_use(&node->sessions, &guarded->entry, &is_first);
        guarded->is_repeat = !is_first;
        if (guarded->status == 0 && is_first) {
            guarded->place = (uint32_t)node->apply_count;
            *verdict = NODE_GUARD_APPLY;
        }
    }
    return guarded->status == QR_ERR_NO_MEMORY ? QR_ERR_NO_MEMORY : 0;
}

int node_note_guarded(struct node *node)
{
    if (node->identity.has_guarded) {
        return 0;
    }
    struct node_identity identity = node->identity;
    identity.has_guarded = true;
    int status = node_identity_write(node->options.disk, &identity);
    if (status == 0) {
        node->identity = identity;
    } else if (status != QR_ERR_DISK_FULL) {
        node_fail(node, status, "identity: cannot be written");
    }
    return status;
}

/* Everybody here who waits for this command under this id: it is decided. */
static void tell_all(struct node *node, const struct node_guarded *guarded, int status,
                     raft_index index, const struct qr_result *result)
{
    struct pending *pending = pending_find(&node->pending, guarded->entry.id);
    while (pending != NULL && node_is_running(node)) {
        struct pending *next = pending_find_next(&node->pending, pending);
        if (pending->checksum == guarded->entry.checksum) {
            node_finish(node, pending, status, index, result);
        }
        pending = next;
    }
}

/* Who waits for this very entry. */
static void tell_one(struct node *node, const struct node_guarded *guarded, int status,
                     raft_index index, const struct qr_result *result)
{
    struct pending *pending = node_find_proposal(node, guarded->entry.id, guarded->term);
    if (pending != NULL && pending->checksum == guarded->entry.checksum) {
        node_finish(node, pending, status, index, result);
    }
}

/* Whether the state machine was given it, and its result is known. */
static bool is_applied(int status)
{
    return status == 0 || status == QR_ERR_REJECTED;
}

/* The answer to a guarded entry. Returns 0, or QR_ERR_NO_MEMORY. */
static int finish(struct node *node, const struct node_guarded *guarded,
                  const struct qr_result *results)
{
    struct qr_result result = {0};
    raft_index index = guarded->entry.index;
    int status = guarded->status;
    if (guarded->place != NODE_NO_PLACE) {
        result = results[guarded->place];
        result.status = node_result_status(&result);
        status = sessions_keep(&node->sessions, &guarded->entry, &result);
        status = status == 0 ? result.status : status;
    }
    if (pending_find(&node->pending, guarded->entry.id) == NULL) {
        return status == QR_ERR_NO_MEMORY ? status : 0;
    }
    if (status == 0 && guarded->is_repeat) {
        status = sessions_find(&node->sessions, guarded->asked, &index, &result);
        /* It was there: a later entry of this batch has let its session move on. */
        status = status == QR_ERR_EXPIRED ? QR_ERR_FORGOTTEN : status;
    }
    if (status == QR_ERR_NO_MEMORY) {
        return status;
    }
    const struct qr_result *given = is_applied(status) ? &result : NULL;
    bool decides =
        sessions_id_kind(guarded->entry.id) != SESSIONS_ID_CONTROL && status != QR_ERR_BUSY;
    if (decides) {
        tell_all(node, guarded, status, index, given);
    } else {
        tell_one(node, guarded, status, index, given);
    }
    return 0;
}

bool node_finish_known(struct node *node, struct pending *pending)
{
    enum sessions_id_kind kind = sessions_id_kind(pending->id);
    if (kind != SESSIONS_ID_SESSION && kind != SESSIONS_ID_TOKEN) {
        return false;
    }
    const struct sessions_outcome *known = sessions_outcome_find(&node->sessions, pending->id);
    struct qr_result result = {0};
    raft_index index = 0;
    if (known == NULL || known->checksum != pending->checksum) {
        return false;
    }
    int status = sessions_find(&node->sessions, pending->id, &index, &result);
    if (status == QR_ERR_NO_MEMORY) {
        return false;
    }
    node_finish(node, pending, status, index, is_applied(status) ? &result : NULL);
    return true;
}

void node_finish_guarded(struct node *node, const struct qr_result *results)
{
    for (size_t i = 0; i < node->apply_guarded_count && node_is_running(node); i++) {
        int status = finish(node, &node->apply_guarded[i], results);
        if (status != 0) {
            node_fail(node, status, "memory ran out");
        }
    }
    node->apply_guarded_count = 0;
}

bool node_may_send(const struct node *node, const struct pending *pending, node_id leader)
{
    return pending->entry.type != ENTRY_GUARDED ||
           node_peer_version(node, leader) >= WIRE_VERSION_WITH_GUARDED;
}

void node_refuse_guarded(struct node *node, node_id leader)
{
    if (node_peer_version(node, leader) == 0) {
        return; /* not met yet: nothing can be sent there either */
    }
    uint64_t end = pending_next_sequence(&node->pending);
    for (uint64_t s = node->pending.first; s < end && node->held_count > 0; s++) {
        struct pending *pending = pending_at(&node->pending, s);
        if (pending != NULL && pending->state == PENDING_HELD &&
            !node_may_send(node, pending, leader)) {
            node_finish(node, pending, QR_ERR_VERSION, 0, NULL);
        }
    }
}
