/* observe.c: what goes on, told to the checkers and the trace. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/observe.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "quorate/error.h"
#include "raft/raft.h"
#include "sim/memory.h"
#include "wire/wire.h"

#define AUDIT_MILLIONTHS 3000 /* of the messages that promise something */
#define WORDS_BYTES_MAX 4096

void sim_violate(struct sim *sim, const char *checker, const char *format, ...)
{
    char text[QR_SIM_TEXT_BYTES_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    sim_failure_set(&sim->failure, sim_now(sim), checker, "%s", text);
}

void sim_observe(struct sim *sim, enum sim_trace_kind kind, uint32_t host, uint64_t a, uint64_t b,
                 const char *words)
{
    struct sim_trace_event event = {
        .kind = kind, .at_ns = sim_now(sim), .host = host, .peer = SIM_NOBODY, .a = a, .b = b};
    sim_trace_event(&sim->trace, &event, words);
}

void sim_observe_words(struct sim *sim, enum sim_trace_kind kind, uint32_t host, uint64_t a,
                       uint64_t b, const char *format, ...)
{
    char words[WORDS_BYTES_MAX] = "";
    if (sim_trace_is_wanted(&sim->trace)) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(words, sizeof(words), format, arguments);
        va_end(arguments);
    }
    sim_observe(sim, kind, host, a, b, words);
}

void sim_observe_connect(struct sim *sim, uint32_t from, uint32_t to, int status,
                         const char *reason)
{
    struct sim_trace_event event = {.kind = SIM_TRACE_CONNECT,
                                    .at_ns = sim_now(sim),
                                    .host = from,
                                    .peer = to,
                                    .a = (uint64_t)(int64_t)status};
    sim_trace_event(&sim->trace, &event, status == 0 ? "accepted" : reason);
}

/* Whether its sender promises something that must be durable. */
static bool is_promise(const struct wire_message *message)
{
    switch (message->type) {
    case RAFT_REQUEST_VOTE:
        return true;
    case RAFT_REQUEST_VOTE_RESPONSE:
        return message->raft.request_vote_response.is_granted;
    case RAFT_APPEND_ENTRIES_RESPONSE:
        return !message->raft.append_entries_response.is_rejected;
    default:
        return false;
    }
}

/* A vote is sent once it is durable. Meanwhile the voter's log may have grown: in a later term,
 * of which this vote says nothing, or by the leader of this one (see check_votes_log()).
 */
static void check_vote_log(struct sim_host *host, const struct raft_message *vote)
{
    struct sim *sim = host->sim;
    struct build_status now;
    host->build->status(host->node, &now);
    if (now.term != vote->term) {
        return;
    }
    struct raft_position last = {.index = now.last_index};
    bool is_known = host->build->term_at(host->node, last.index, &last.term);
    ASSERT(is_known);
    check_votes_log(&sim->votes, vote, last, sim_now(sim), &sim->failure);
}

/* What a member forwarded is appended by the leader that it meant, and by no later one. */
static void check_forward(struct sim_host *host, const struct wire_forward_response *response)
{
    struct build_status now;
    host->build->status(host->node, &now);
    if (response->status == 0 && now.term != response->entry_term) {
        sim_violate(host->sim, "forward_of_its_term",
                    "n%u appends in term %llu what was forwarded to the leader of term %llu",
                    host->number + 1, (unsigned long long)now.term,
                    (unsigned long long)response->entry_term);
    }
}

static void check_said(struct sim_host *host, const struct wire_message *message)
{
    struct sim *sim = host->sim;
    if (message->type == WIRE_FORWARD_RESPONSE) {
        check_forward(host, &message->forward_response);
    }
    if (!wire_is_raft(message->type)) {
        return;
    }
    if (message->type == RAFT_APPEND_ENTRIES) {
        check_election_leads(&sim->election, message->raft.from, message->raft.term, sim_now(sim),
                             &sim->failure);
    }
    check_votes_message(&sim->votes, &message->raft, sim_now(sim), &sim->failure);
    if (message->type == RAFT_REQUEST_VOTE_RESPONSE &&
        message->raft.request_vote_response.is_granted) {
        check_vote_log(host, &message->raft);
    }
    check_log_message(&sim->log, message, sim_now(sim), &sim->failure);
    if (message->type == RAFT_APPEND_ENTRIES_RESPONSE) {
        check_reads_said(&sim->reads, message->raft.from, message->raft.to, sim_now(sim));
    }
    check_durable_said(sim->durable, host->number, message);
    if (is_promise(message) && sim_chance(&sim->audit_prng, AUDIT_MILLIONTHS)) {
        sim_observe_durable(host);
    }
}

void sim_observe_frame(struct sim *sim, enum sim_trace_kind kind, uint32_t host, uint32_t peer,
                       const uint8_t *frame, size_t frame_bytes)
{
    struct sim_trace_event event = {
        .kind = kind, .at_ns = sim_now(sim), .host = host, .peer = peer, .a = frame_bytes};
    char words[WORDS_BYTES_MAX] = "";
    bool is_said = kind != SIM_TRACE_RECEIVE;
    if (is_said || sim_trace_is_wanted(&sim->trace)) {
        struct wire_message message;
        struct chunk *chunk = chunk_new(&sim->allocator, (uint32_t)frame_bytes);
        ASSERT(chunk != NULL);
        memcpy(chunk->data, frame, frame_bytes);
        int status = wire_decode(chunk, chunk->data, frame_bytes, sim->entries, &message);
        if (status != 0) {
            sim_violate(sim, "frames_decode", "n%u sent a frame that does not decode", host + 1);
        } else if (is_said) {
            check_said(&sim->hosts[host], &message);
        }
        if (status == 0 && sim_trace_is_wanted(&sim->trace)) {
            struct text text = text_of(words, sizeof(words));
            wire_message_text(&message, &text);
        }
        chunk_drop(chunk);
    }
    event.b = is_said ? sim_hash_bytes(0, frame, frame_bytes) : 0;
    sim_trace_event(&sim->trace, &event, words);
}

static void trace_status(struct sim_host *host, const struct build_status *now)
{
    struct build_status *told = &host->told;
    if (told->role == now->role && told->term == now->term && told->has_leader == now->has_leader &&
        told->leader == now->leader && told->commit_index == now->commit_index) {
        return;
    }
    *told = *now;
    sim_observe_words(
        host->sim, SIM_TRACE_STATE, host->number, now->term << 8 | (uint64_t)now->role,
        now->commit_index, "%s term=%llu last=%llu durable=%llu commit=%llu applied=%llu",
        raft_role_name((enum raft_role)now->role), (unsigned long long)now->term,
        (unsigned long long)now->last_index, (unsigned long long)now->durable_index,
        (unsigned long long)now->commit_index, (unsigned long long)now->applied_index);
}

void sim_observe_status(struct sim_host *host, const struct build_status *now)
{
    struct sim *sim = host->sim;
    if (!now->is_running) {
        return;
    }
    bool is_new_leader = now->role == BUILD_LEADER &&
                         !(host->progress.has_seen && host->progress.seen.role == BUILD_LEADER &&
                           host->progress.seen.term == now->term);
    check_progress_status(&host->progress, now, sim_now(sim), &sim->failure);
    if (is_new_leader) {
        check_election_leads(&sim->election, now->id, now->term, sim_now(sim), &sim->failure);
        check_votes_elected(&sim->votes, now->id, now->term, host->voters.ids, host->voters.count,
                            sim_now(sim), &sim->failure);
        check_leader_has(&sim->apply, host->build, host->node, now, sim_now(sim), &sim->failure);
    }
    trace_status(host, now);
}

void sim_observe_durable(struct sim_host *host)
{
    struct sim *sim = host->sim;
    char detail[QR_SIM_TEXT_BYTES_MAX] = "";
    if (!host->is_disk_marred && !sim_disk_is_damaged(&host->disk) &&
        check_durable_audit(sim->durable, host->number, &host->disk, detail) != 0) {
        sim_violate(sim, "durable_before_said", "%s", detail);
    }
}

/* The host that has the disk of this node, unless that is lost or damaged. */
static struct sim_host *owner_of(struct sim *sim, uint64_t id)
{
    for (uint32_t i = 0; i < sim->host_count; i++) {
        struct sim_host *host = &sim->hosts[i];
        if (host->id == id && !host->is_disk_marred && !sim_disk_is_damaged(&host->disk)) {
            return host;
        }
    }
    return NULL;
}

/* The voters that all nodes know, if they agree and none of their disks was lost. */
static size_t agreed_voters(struct sim *sim, struct check_durable_copy *copies)
{
    const struct sim_voters *voters = NULL;
    for (uint32_t i = 0; i < sim->host_count; i++) {
        const struct sim_host *host = &sim->hosts[i];
        bool is_other = voters != NULL && (host->voters.count != voters->count ||
                                           memcmp(host->voters.ids, voters->ids,
                                                  voters->count * sizeof(voters->ids[0])) != 0);
        if (is_other || host->voters_before.count > 0) {
            return 0;
        }
        voters = &host->voters;
    }
    for (size_t i = 0; i < voters->count; i++) {
        struct sim_host *owner = owner_of(sim, voters->ids[i]);
        if (owner == NULL) {
            return 0;
        }
        copies[i] = (struct check_durable_copy){voters->ids[i], &owner->disk};
    }
    return voters->count;
}

void sim_observe_acknowledged(struct sim *sim, uint64_t index)
{
    struct check_durable_copy copies[BUILD_MEMBERS_MAX];
    char detail[QR_SIM_TEXT_BYTES_MAX] = "";
    if (!sim_chance(&sim->audit_prng, AUDIT_MILLIONTHS)) {
        return;
    }
    size_t count = agreed_voters(sim, copies);
    struct raft_position entry = {check_apply_term_of(&sim->apply, index), index};
    if (count > 0 && check_durable_majority(sim->durable, copies, count, entry, detail) != 0) {
        sim_violate(sim, "durable_on_majority", "%s", detail);
    }
}

/* Whether this host may have been the leader; where the voters it knows are new, nobody can say
 * whose majority it heard.
 */
static bool may_have_confirmed(const struct sim *sim, const struct sim_host *host, time_ns began_ns)
{
    return host->voters.count == 0 || host->voters_ns >= began_ns ||
           check_reads_is_confirmed(&sim->reads, host->id, host->voters.ids, host->voters.count,
                                    began_ns);
}

void sim_observe_read(struct sim_host *host, time_ns began_ns)
{
    struct sim *sim = host->sim;
    for (uint32_t i = 0; i < sim->host_count; i++) {
        if (may_have_confirmed(sim, &sim->hosts[i], began_ns)) {
            return;
        }
    }
    sim_violate(sim, "read_confirmed",
                "n%u answers a read that was asked at %llu ns, and no leader was confirmed since",
                host->number + 1, (unsigned long long)began_ns);
}
