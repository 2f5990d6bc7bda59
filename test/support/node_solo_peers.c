/* node_solo_peers.c: what the rest of a solo node's cluster says: leaders, voters, members. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/bytes.h"
#include "support/node_solo.h"
#include "support/unit.h"

/* Hand over an append_entries; its entries' references go. */
static void deliver(struct solo *solo, const struct solo_append *append, struct entry *entries)
{
    struct wire_message message = {
        .type = RAFT_APPEND_ENTRIES,
        .raft = {.type = RAFT_APPEND_ENTRIES,
                 .from = append->from,
                 .to = SOLO_SELF,
                 .term = append->term,
                 .append_entries = {.prev = append->prev,
                                    .commit = append->commit,
                                    .round = append->round}},
        .entries = entries,
        .entry_count = append->count,
    };
    solo_receive(solo, append->from, &message);
    for (size_t i = 0; i < append->count; i++) {
        chunk_drop(entries[i].chunk);
    }
}

static uint8_t payload_made[1024 * 1024];

static void encode(struct entry_arena *arena, const struct entry_fields *fields, struct entry *out)
{
    assert_int_equal(entry_arena_encode(arena, fields, out), 0);
}

/* Entry `i` of an append: a number, proposed by its leader. */
static void encode_number(struct solo *solo, struct entry_arena *arena,
                          const struct solo_append *append, size_t i, struct entry *out)
{
    assert_true(8 + append->extra_bytes <= sizeof(payload_made));
    store_u64(payload_made, append->first_number + i);
    struct entry_fields fields = {
        .index = append->prev.index + 1 + i,
        .term = append->entry_term,
        .timestamp_ns = solo->time.wall_ns,
        .id = {append->from, append->first_number + i + 1},
        .type = ENTRY_NORMAL,
        .command_bytes = 3,
        .payload_bytes = (uint32_t)(8 + append->extra_bytes),
        .command = "add",
        .payload = payload_made,
    };
    encode(arena, &fields, out);
}

/* Entry `i` of an append that says what its entries are. */
static void encode_given(struct solo *solo, struct entry_arena *arena,
                         const struct solo_append *append, size_t i, struct entry *out)
{
    const struct solo_entry *given = &append->these[i];
    const char *command = given->command == NULL ? "add" : given->command;
    store_u64(payload_made, given->payload[0]);
    store_u64(payload_made + 8, given->payload[1]);
    struct entry_fields fields = {
        .index = append->prev.index + 1 + i,
        .term = append->entry_term,
        .timestamp_ns = solo->time.wall_ns + given->after_ns,
        .id = given->id,
        .type = given->type,
        .command_bytes = (uint8_t)strlen(command),
        .payload_bytes = given->payload_bytes == 0 ? 8 : (uint32_t)given->payload_bytes,
        .command = command,
        .payload = payload_made,
    };
    encode(arena, &fields, out);
}

static struct entry entries_made[WIRE_ENTRIES_MAX];

void solo_append(struct solo *solo, struct solo_append append)
{
    struct entry_arena arena;
    assert_true(append.count <= WIRE_ENTRIES_MAX);
    entry_arena_init(&arena, &solo->outside.allocator);
    for (size_t i = 0; i < append.count; i++) {
        (append.these == NULL ? encode_number : encode_given)(solo, &arena, &append, i,
                                                              &entries_made[i]);
    }
    deliver(solo, &append, entries_made);
    entry_arena_deinit(&arena);
}

void solo_hear(struct solo *solo, node_id leader, raft_term term)
{
    solo_append(solo, (struct solo_append){
                          .from = leader, .term = term, .prev = {1, 1}, .commit = 1, .round = 1});
    solo_turn(solo);
}

void solo_append_forwarded(struct solo *solo, const struct solo_sent *forward,
                           struct solo_append append)
{
    struct entry_arena arena;
    entry_arena_init(&arena, &solo->outside.allocator);
    append.count = forward->message.entry_count;
    append.commit = append.prev.index + append.count;
    for (size_t i = 0; i < append.count; i++) {
        struct entry_fields fields = entry_fields_of(&forward->entries[i]);
        fields.index = append.prev.index + 1 + i;
        fields.term = append.entry_term;
        encode(&arena, &fields, &entries_made[i]);
    }
    deliver(solo, &append, entries_made);
    entry_arena_deinit(&arena);
}

void solo_forward(struct solo *solo, struct solo_forward forward)
{
    struct entry_arena arena;
    assert_true(8 + forward.extra_bytes <= sizeof(payload_made));
    entry_arena_init(&arena, &solo->outside.allocator);
    for (size_t i = 0; i < forward.count; i++) {
        store_u64(payload_made, forward.first_number + i);
        struct entry_fields fields = {
            .id = {forward.from, forward.first_number + i + 1},
            .type = ENTRY_NORMAL,
            .payload_bytes = (uint32_t)(8 + forward.extra_bytes),
            .payload = payload_made,
        };
        encode(&arena, &fields, &entries_made[i]);
    }
    struct wire_message message = {
        .type = WIRE_FORWARD,
        .forward = {.from = forward.from,
                    .request = forward.request,
                    .term = forward.term,
                    .number = forward.number},
        .entries = entries_made,
        .entry_count = forward.count,
    };
    solo_receive(solo, forward.from, &message);
    for (size_t i = 0; i < forward.count; i++) {
        chunk_drop(entries_made[i].chunk);
    }
    entry_arena_deinit(&arena);
}

/* From leader 2: the voters are 1, 2 and 3. */
static void append_configuration(struct solo *solo)
{
    struct raft_configuration configuration = {.count = SOLO_PEERS_MAX};
    static uint8_t payload[RAFT_CONFIGURATION_BYTES_MAX];
    for (size_t i = 0; i < SOLO_PEERS_MAX; i++) {
        char text[2] = {(char)('1' + i), 0};
        configuration.members[i] = (struct raft_member){
            .id = i + 1, .roles = RAFT_VOTER, .priority = RAFT_PRIORITY_ORDINARY};
        configuration.members[i].name[0] = 'n';
        configuration.members[i].name[1] = text[0];
        configuration.members[i].address[0] = 'a';
        configuration.members[i].address[1] = text[0];
    }
    size_t payload_bytes = raft_configuration_encode(&configuration, payload);
    struct entry_arena arena;
    struct entry entry;
    entry_arena_init(&arena, &solo->outside.allocator);
    struct entry_fields fields = {
        .index = 1,
        .term = 1,
        .timestamp_ns = solo->time.wall_ns,
        .type = ENTRY_CONFIGURATION,
        .payload = payload,
        .payload_bytes = (uint32_t)payload_bytes,
    };
    assert_int_equal(entry_arena_encode(&arena, &fields, &entry), 0);
    struct solo_append append = {.from = 2, .term = 1, .commit = 1, .count = 1};
    deliver(solo, &append, &entry);
    entry_arena_deinit(&arena);
}

void solo_follow(struct solo *solo)
{
    solo_work(solo);
    assert_string_equal(solo->dialed, "a2");
    node_seed_ready(solo->node, solo->time);
    struct wire_message answer = {.type = WIRE_JOIN_RESPONSE,
                                  .join_response = {.cluster = SOLO_CLUSTER}};
    node_seed_receive(solo->node, &answer, solo->time);
    solo_work(solo);
    append_configuration(solo);
    solo_work(solo);
}

void solo_join(struct solo *solo)
{
    solo->options.join = "a2";
    solo_start(solo);
    solo_follow(solo);
}

void solo_begin(struct solo *solo)
{
    solo_init(solo);
    solo_join(solo);
    solo_forget(solo);
}

raft_term solo_lead(struct solo *solo)
{
    solo_forget(solo);
    for (int i = 0; i < 1000 && !solo_status(solo).raft.has_committed_in_term; i++) {
        solo_run(solo, 1);
        solo_oblige(solo);
        solo_work(solo);
    }
    assert_true(solo_status(solo).raft.has_committed_in_term);
    solo_forget(solo);
    return solo_status(solo).raft.term;
}

void solo_acknowledge(struct solo *solo, node_id from, raft_index match)
{
    struct wire_message message = {
        .type = RAFT_APPEND_ENTRIES_RESPONSE,
        .raft = {.type = RAFT_APPEND_ENTRIES_RESPONSE,
                 .from = from,
                 .to = SOLO_SELF,
                 .term = solo_status(solo).raft.term,
                 .append_entries_response = {.match = match, .round = solo->round}},
    };
    solo_receive(solo, from, &message);
}

/* The answer of a peer that has no mind of its own; false when there is none. */
static bool answer_to(const struct raft_message *question, struct wire_message *answer)
{
    struct raft_message *raft = &answer->raft;
    raft->from = question->to;
    raft->to = question->from;
    raft->term = question->term;
    switch (question->type) {
    case RAFT_PRE_VOTE:
        raft->type = RAFT_PRE_VOTE_RESPONSE;
        raft->pre_vote_response.next_term = question->pre_vote.next_term;
        raft->pre_vote_response.is_granted = true;
        break;
    case RAFT_REQUEST_VOTE:
        raft->type = RAFT_REQUEST_VOTE_RESPONSE;
        raft->request_vote_response.is_granted = true;
        break;
    case RAFT_APPEND_ENTRIES:
        raft->type = RAFT_APPEND_ENTRIES_RESPONSE;
        raft->append_entries_response.match =
            question->append_entries.prev.index + question->entry_count;
        raft->append_entries_response.round = question->append_entries.round;
        break;
    case RAFT_PRE_VOTE_RESPONSE:
    case RAFT_REQUEST_VOTE_RESPONSE:
    case RAFT_APPEND_ENTRIES_RESPONSE:
    case RAFT_INSTALL_SNAPSHOT:
    case RAFT_INSTALL_SNAPSHOT_RESPONSE:
    case RAFT_TIMEOUT_NOW: /* a peer without a mind hands nothing over */
        return false;
    }
    answer->type = (uint8_t)raft->type;
    return true;
}

void solo_oblige(struct solo *solo)
{
    struct solo_sent *asked = solo->sent;
    solo->sent = NULL;
    solo->sent_end = &solo->sent;
    for (const struct solo_sent *at = asked; at != NULL; at = at->next) {
        struct wire_message answer = {0};
        struct raft_message question = {0};
        if (at->to == 2 && wire_is_raft(at->message.type)) {
            question = wire_to_raft(&at->message);
        }
        if (question.type != 0 && answer_to(&question, &answer)) {
            solo_receive(solo, 2, &answer);
        }
    }
    solo_sent_free(asked);
}
