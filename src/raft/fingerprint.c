/* fingerprint.c: all that decides what a machine does next, as bytes in one canonical form.
 *
 * What is left out, and why no decision depends on it:
 *   options             constant for as long as a machine lives
 *   log time            entries are stamped with it, nothing is decided by it
 *   wall time           only feeds log time
 *   the pace of transfers by priority
 *                       while all members have the same priority, and none is changed to
 *   prng                while both bounds of the election timeout are the same
 *   rings, capacities, chunks, what the last ready lent
 *                       where something lies, not what it is
 *   a role's own state  in every other role it is set anew before it is read again
 *   why a sending ended   only told
 * Times are written as what is left or what has passed at `now_ns`, cut where more of it
 * changes no comparison; saves by their distance from the last that is durable.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/bytes.h"
#include "raft/internal.h"

/* Where and under which names to write. */
struct emitter {
    struct writer *out;
    const struct raft_renaming *renaming; /* NULL: every node keeps its id */
    const struct raft *raft;
    time_ns now_ns;
};

/* Order of what is kept by node: by the id under its new name. */
struct id_order {
    node_id ids[RAFT_MESSAGES_MAX];
    uint16_t positions[RAFT_MESSAGES_MAX];
    size_t count;
};

_Static_assert(RAFT_MESSAGES_MAX <= UINT16_MAX, "a position fits 16 bits");
_Static_assert(RAFT_MEMBERS_MAX <= RAFT_MESSAGES_MAX, "members are ordered like messages");
_Static_assert(RAFT_HELD_MAX <= RAFT_MESSAGES_MAX, "held messages are ordered like messages");

static node_id renamed(const struct emitter *emitter, node_id id)
{
    const struct raft_renaming *renaming = emitter->renaming;
    return renaming == NULL ? id : renaming->rename(renaming->context, id);
}

static void put_id(const struct emitter *emitter, node_id id)
{
    write_u64(emitter->out, renamed(emitter, id));
}

static void put_number(const struct emitter *emitter, uint64_t value)
{
    write_u64(emitter->out, value);
}

static void put_bool(const struct emitter *emitter, bool value)
{
    write_u8(emitter->out, value ? 1 : 0);
}

/* What is left of a deadline. */
static void put_deadline(const struct emitter *emitter, time_ns deadline_ns)
{
    uint64_t left = deadline_ns > emitter->now_ns ? deadline_ns - emitter->now_ns : 0;
    put_number(emitter, deadline_ns == TIME_NEVER ? TIME_NEVER : left);
}

/* How long ago; from `most` on it makes no difference. */
static void put_age(const struct emitter *emitter, time_ns since_ns, time_ns most)
{
    ASSERT(since_ns <= emitter->now_ns);
    put_number(emitter, min_u64(emitter->now_ns - since_ns, most));
}

/* One more, behind those whose id is not greater: equal ids stay in the order they came in. */
static void order_insert(struct id_order *order, node_id id)
{
    size_t at = order->count;
    ASSERT(order->count < RAFT_MESSAGES_MAX);
    while (at > 0 && order->ids[at - 1] > id) {
        order->ids[at] = order->ids[at - 1];
        order->positions[at] = order->positions[at - 1];
        at--;
    }
    order->ids[at] = id;
    order->positions[at] = (uint16_t)order->count++;
}

static void put_members(const struct emitter *emitter, const struct raft_configuration *value)
{
    struct id_order order;
    order.count = 0;
    for (size_t i = 0; i < value->count; i++) {
        order_insert(&order, renamed(emitter, value->members[i].id));
    }
    put_number(emitter, value->index);
    put_number(emitter, value->count);
    for (size_t i = 0; i < value->count; i++) {
        const struct raft_member *member = &value->members[order.positions[i]];
        put_number(emitter, order.ids[i]);
        write_u8(emitter->out, member->roles);
        write_u8(emitter->out, member->priority);
        write_string8(emitter->out, member->name);
        write_string8(emitter->out, member->address);
        write_string8(emitter->out, member->meta);
    }
}

/* A configuration's payload holds ids: its members stand under their new names. */
static void put_configuration_payload(const struct emitter *emitter,
                                      const struct entry_fields *fields)
{
    struct raft_configuration value;
    int status =
        raft_configuration_decode(fields->payload, fields->payload_bytes, fields->index, &value);
    put_bool(emitter, status == 0);
    if (status == 0) {
        put_members(emitter, &value);
    } else {
        write_bytes(emitter->out, fields->payload, fields->payload_bytes);
    }
}

static void put_entry(const struct emitter *emitter, const struct entry *entry)
{
    struct entry_fields fields = entry_fields_of(entry);
    put_number(emitter, fields.index);
    put_number(emitter, fields.term);
    write_u8(emitter->out, fields.type);
    write_u32(emitter->out, fields.group);
    put_number(emitter, fields.id.high);
    put_number(emitter, fields.id.low);
    write_u8(emitter->out, fields.command_bytes);
    write_bytes(emitter->out, fields.command, fields.command_bytes);
    write_u32(emitter->out, fields.payload_bytes);
    if (fields.type == ENTRY_CONFIGURATION && emitter->renaming != NULL) {
        put_configuration_payload(emitter, &fields);
    } else {
        write_bytes(emitter->out, fields.payload, fields.payload_bytes);
    }
}

static void put_entries(const struct emitter *emitter, const struct entry *entries, size_t count)
{
    put_number(emitter, count);
    for (size_t i = 0; i < count; i++) {
        put_entry(emitter, &entries[i]);
    }
}

static void put_data(const struct emitter *emitter, const struct raft_data *data)
{
    put_number(emitter, data->size_bytes);
    write_bytes(emitter->out, data->bytes, data->size_bytes);
}

#define PUT_U64(field) put_number(emitter, message->field);
#define PUT_U63(field) PUT_U64(field)
#define PUT_U32(field) PUT_U64(field)
#define PUT_BOOL(field) put_bool(emitter, message->field);
#define PUT_ASSUMED(field) PUT_BOOL(field)
#define PUT_ID(field) put_id(emitter, message->field);
#define PUT_ENUM_REASON(field) PUT_U64(field)
#define PUT_POSITION(field) PUT_U64(field.term) PUT_U64(field.index)
#define PUT_DATA(field) put_data(emitter, &message->field);
#define PUT_FIELD(kind, type, name) PUT_##kind(name)

/* X makes a function for each type of message. */
#define X(name, value, member, text, fields)                                                       \
    static void put_##member(const struct emitter *emitter, const struct raft_##member *message)   \
    {                                                                                              \
        fields(PUT_FIELD)                                                                          \
    }
RAFT_MESSAGE_MAP(X)
#undef X

static void put_message(const struct emitter *emitter, const struct raft_message *message)
{
    put_number(emitter, message->type);
    put_id(emitter, message->from);
    put_id(emitter, message->to);
    put_number(emitter, message->term);
    switch (message->type) {
#define X(name, value, member, text, fields)                                                       \
    case name:                                                                                     \
        put_##member(emitter, &message->member);                                                   \
        break;
        RAFT_MESSAGE_MAP(X)
#undef X
    }
    put_entries(emitter, message->entries, message->entry_count);
    put_bool(emitter, message->has_no_room);
}

/* Among messages to one node the order is kept; between nodes there is none. */
static void put_messages(const struct emitter *emitter, const struct raft_message *messages,
                         size_t count)
{
    struct id_order order;
    order.count = 0;
    for (size_t i = 0; i < count; i++) {
        order_insert(&order, renamed(emitter, messages[i].to));
    }
    put_number(emitter, count);
    for (size_t i = 0; i < count; i++) {
        put_message(emitter, &messages[order.positions[i]]);
    }
}

static void put_position(const struct emitter *emitter, struct raft_position position)
{
    put_number(emitter, position.term);
    put_number(emitter, position.index);
}

static void put_log(const struct emitter *emitter, const struct raft_log *log)
{
    put_position(emitter, log->base);
    put_number(emitter, log->last_index);
    put_number(emitter, log->handed_index);
    put_number(emitter, log->durable_index);
    put_number(emitter, log->commit_index);
    put_number(emitter, log->applied_index);
    put_number(emitter, log->term_count);
    for (size_t i = 0; i < log->term_count; i++) {
        put_number(emitter, log->terms[i].term);
        put_number(emitter, log->terms[i].first_index);
    }
    put_entries(emitter, log->count > 0 ? &log->entries[log->head] : NULL, log->count);
}

static void put_persistence(const struct emitter *emitter)
{
    const struct raft *raft = emitter->raft;
    put_number(emitter, raft->hard_state.term);
    put_bool(emitter, raft->hard_state.has_voted);
    if (raft->hard_state.has_voted) {
        put_id(emitter, raft->hard_state.voted_for);
    }
    put_bool(emitter, raft->is_hard_state_changed);
    put_number(emitter, raft->hard_state_save > raft->save_completed
                            ? raft->hard_state_save - raft->save_completed
                            : 0);
    put_bool(emitter, raft->is_reset_due);
    put_number(emitter, raft->reset_save > raft->save_completed
                            ? raft->reset_save - raft->save_completed
                            : 0);
    put_number(emitter, raft->save_issued - raft->save_completed);
    put_number(emitter, raft->save_count);
    for (size_t i = 0; i < raft->save_count; i++) {
        const struct raft_save *save = &raft->saves[(raft->save_head + i) % RAFT_SAVES_MAX];
        put_number(emitter, save->number - raft->save_completed);
        put_number(emitter, save->last_index);
    }
}

static void put_ids(const struct emitter *emitter, const node_id *ids, size_t count)
{
    struct id_order order;
    order.count = 0;
    for (size_t i = 0; i < count; i++) {
        order_insert(&order, renamed(emitter, ids[i]));
    }
    put_number(emitter, count);
    for (size_t i = 0; i < count; i++) {
        put_number(emitter, order.ids[i]);
    }
}

static void put_candidate(const struct emitter *emitter)
{
    put_ids(emitter, emitter->raft->granted, emitter->raft->granted_count);
    put_ids(emitter, emitter->raft->refused, emitter->raft->refused_count);
}

/* Who knows of no leader has no use for these: the next leader begins them anew. */
static void put_follower(const struct emitter *emitter)
{
    const struct raft *raft = emitter->raft;
    const struct raft_append_entries_response *message = &raft->rejection;
    put_id(emitter, raft->leader);
    put_age(emitter, raft->leader_heard_ns, raft->options.election_timeout_min_ns);
    put_number(emitter, raft->verified_index);
    put_number(emitter, raft->acked_index);
    put_number(emitter, raft->round_seen);
    put_number(emitter, raft->round_echoed);
    put_position(emitter, raft->offered);
    put_bool(emitter, raft->is_installed_due);
    if (raft->is_installed_due) {
        put_position(emitter, raft->installed);
    }
    put_bool(emitter, raft->is_response_due);
    put_bool(emitter, raft->is_rejection_due);
    if (raft->is_rejection_due) {
        put_append_entries_response(emitter, message);
    }
}

static void put_pipeline(const struct emitter *emitter, const struct raft_peer *peer)
{
    size_t size = emitter->raft->options.inflight_messages_max;
    put_number(emitter, peer->inflight_count);
    for (size_t i = 0; i < peer->inflight_count; i++) {
        const struct raft_inflight *inflight = &peer->inflights[(peer->inflight_head + i) % size];
        put_number(emitter, inflight->last);
        put_number(emitter, inflight->bytes);
    }
}

static void put_peer(const struct emitter *emitter, const struct raft_peer *peer)
{
    const struct raft_options *options = &emitter->raft->options;
    put_id(emitter, peer->id);
    put_number(emitter, peer->state);
    put_number(emitter, peer->match_index);
    put_number(emitter, peer->next_index);
    switch (peer->state) {
    case RAFT_PROBE:
        put_bool(emitter, peer->is_probe_sent);
        put_number(emitter, peer->probe_last);
        break;
    case RAFT_REPLICATE:
        put_pipeline(emitter, peer);
        break;
    case RAFT_SNAPSHOT:
        put_bool(emitter, peer->is_sending_asked);
        break;
    }
    put_bool(emitter, peer->is_fetching);
    bool is_lent = peer->is_fetched_sent && emitter->raft->is_ready_taken;
    put_entries(emitter, peer->fetched, is_lent ? 0 : peer->fetched_count);
    put_bool(emitter, peer->is_fetched_sent && !is_lent);
    put_number(emitter, peer->commit_sent);
    put_number(emitter, peer->notify_index);
    put_number(emitter, peer->round_sent);
    put_number(emitter, peer->round_acked);
    put_deadline(emitter, peer->sent_ns + options->heartbeat_interval_ns);
    put_bool(emitter, peer->heard_ns != 0);
    if (peer->heard_ns != 0) {
        put_age(emitter, peer->heard_ns, options->election_timeout_max_ns + 1);
    }
}

static bool has_priorities(const struct raft *raft)
{
    const struct raft_configuration *configuration = raft_configuration_in_force(raft);
    for (size_t i = 0; i < configuration->count; i++) {
        if (configuration->members[i].priority != configuration->members[0].priority) {
            return true;
        }
    }
    return false;
}

static void put_transfer(const struct emitter *emitter)
{
    const struct raft_transfer *transfer = &emitter->raft->transfer;
    time_ns heartbeat_ns = emitter->raft->options.heartbeat_interval_ns;
    put_bool(emitter, transfer->is_active);
    if (transfer->is_active) {
        put_id(emitter, transfer->to);
        put_deadline(emitter, transfer->deadline_ns);
        put_deadline(emitter, transfer->is_sent ? transfer->sent_ns + heartbeat_ns : 0);
    }
    if (has_priorities(emitter->raft)) {
        put_age(emitter, emitter->raft->term_began_ns, TIME_NEVER);
        put_deadline(emitter, transfer->by_priority_ns);
        put_number(emitter, transfer->checked_index);
    }
}

static void put_lease(const struct emitter *emitter)
{
    const struct raft_lease *lease = &emitter->raft->lease;
    if (emitter->raft->options.lease_ns == 0) {
        return;
    }
    put_bool(emitter, lease->is_void);
    put_deadline(emitter, lease->round_ns + emitter->raft->options.heartbeat_interval_ns);
    for (size_t i = 0; i < RAFT_LEASE_ROUNDS; i++) {
        put_deadline(emitter, lease->rounds_ns[i] + emitter->raft->options.lease_ns);
    }
}

static void put_leader(const struct emitter *emitter)
{
    const struct raft *raft = emitter->raft;
    put_number(emitter, raft->term_first_index);
    put_number(emitter, raft->uncommitted_bytes);
    put_number(emitter, raft->round);
    put_bool(emitter, raft->is_round_open);
    put_deadline(emitter, raft->quorum_check_ns);
    put_transfer(emitter);
    put_lease(emitter);
    put_number(emitter, raft->read_count);
    for (size_t i = 0; i < raft->read_count; i++) {
        size_t at = (raft->read_head + i) % RAFT_READS_MAX;
        put_number(emitter, raft->reads[at].token);
        put_number(emitter, raft->reads[at].index);
        put_number(emitter, raft->read_rounds[at]);
    }
    struct id_order order;
    order.count = 0;
    for (size_t i = 0; i < raft->peer_count; i++) {
        order_insert(&order, renamed(emitter, raft->peers[i].id));
    }
    put_number(emitter, raft->peer_count);
    for (size_t i = 0; i < raft->peer_count; i++) {
        put_peer(emitter, &raft->peers[order.positions[i]]);
    }
}

static void put_role(const struct emitter *emitter)
{
    const struct raft *raft = emitter->raft;
    put_number(emitter, raft->role);
    put_bool(emitter, raft->has_leader);
    put_deadline(emitter, raft->election_deadline_ns);
    put_age(emitter, raft->response_ns, raft->options.heartbeat_interval_ns);
    put_bool(emitter, raft->is_stalled);
    if (raft_keeps_promise(raft)) {
        put_age(emitter, raft->leader_heard_ns, raft->options.election_timeout_min_ns);
    }
    bool is_owed = raft_keeps_promise(raft) || raft->has_leader;
    put_bool(emitter, is_owed && raft->is_leader_leased);
    put_deadline(emitter, raft->haste.until_ns);
    put_number(emitter, raft->haste.turn_ns);
    if (raft->role == RAFT_LEADER) {
        put_leader(emitter);
    } else if (raft->has_leader) {
        put_follower(emitter);
    } else {
        put_candidate(emitter);
    }
}

/* What is gathered for the next ready; nothing that the last one lent. */
static void put_gathered(const struct emitter *emitter)
{
    const struct raft *raft = emitter->raft;
    put_messages(emitter, raft->held, raft->held_count);
    put_messages(emitter, raft->out, raft->is_ready_taken ? 0 : raft->out_count);
    size_t count = raft->is_ready_taken ? 0 : raft->reads_out_count;
    put_number(emitter, count);
    for (size_t i = 0; i < count; i++) {
        put_number(emitter, raft->reads_out[i].token);
        put_number(emitter, raft->reads_out[i].index);
        write_u32(emitter->out, (uint32_t)raft->reads_out[i].status);
    }
    put_number(emitter, raft->is_ready_taken ? 0 : raft->piece_count);
    for (size_t i = 0; i < raft->piece_count && !raft->is_ready_taken; i++) {
        const struct raft_piece *piece = &raft->pieces[i];
        put_id(emitter, piece->peer);
        put_position(emitter, piece->snapshot);
        put_number(emitter, piece->offset);
        put_number(emitter, piece->size_bytes);
        put_bool(emitter, piece->is_last);
        put_data(emitter, &piece->data);
    }
    put_number(emitter, raft->is_ready_taken ? 0 : raft->answer_count);
    for (size_t i = 0; i < raft->answer_count && !raft->is_ready_taken; i++) {
        const struct raft_piece_answer *answer = &raft->answers[i];
        put_id(emitter, answer->peer);
        put_position(emitter, answer->snapshot);
        put_number(emitter, answer->offset);
        put_bool(emitter, answer->is_done);
        put_bool(emitter, answer->is_refused);
    }
}

void raft_fingerprint(const struct raft *raft, time_ns now_ns, const struct raft_renaming *renaming,
                      struct writer *out)
{
    const struct emitter emitter = {out, renaming, raft, now_ns};
    ASSERT(now_ns >= raft->now_ns);

    put_id(&emitter, raft->options.self);
    if (raft->options.election_timeout_min_ns != raft->options.election_timeout_max_ns) {
        for (size_t i = 0; i < sizeof(raft->prng.state) / sizeof(raft->prng.state[0]); i++) {
            put_number(&emitter, raft->prng.state[i]);
        }
    }
    put_persistence(&emitter);
    put_log(&emitter, &raft->log);
    put_number(&emitter, raft->configuration_count);
    for (size_t i = 0; i < raft->configuration_count; i++) {
        put_members(&emitter, raft->configurations[i]);
    }
    put_role(&emitter);
    put_gathered(&emitter);
}

void raft_message_fingerprint(const struct raft_message *message,
                              const struct raft_renaming *renaming, struct writer *out)
{
    const struct emitter emitter = {.out = out, .renaming = renaming};
    put_message(&emitter, message);
}
