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

#define FRAME_TYPE_AT 8       /* docs/wire-format.md */
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

static void check_asked(struct sim_host *host, const struct raft_message *pre_vote)
{
    struct build_status now;
    host->build->status(host->node, &now);
    struct raft_position last = {.index = now.last_index};
    if (now.is_running && host->build->term_at(host->node, last.index, &last.term)) {
        check_votes_asked(&host->sim->votes, pre_vote, last);
    }
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

/* Who is told to campaign has all that its leader's log holds (diss. §3.10). */
static void check_handover(const struct sim_host *host, const struct raft_message *message)
{
    struct build_status now;
    host->build->status(host->node, &now);
    if (now.term == message->term && now.last_index != message->timeout_now.last.index) {
        sim_violate(host->sim, "transfer_when_caught_up",
                    "n%u hands over at entry %llu, and its log ends at %llu", host->number + 1,
                    (unsigned long long)message->timeout_now.last.index,
                    (unsigned long long)now.last_index);
    }
}

/* Of the last entry that a node has applied; when it keeps that no more, any may be. */
static raft_term applied_term(const struct sim_host *host)
{
    struct build_status now;
    uint64_t term = 0;
    host->build->status(host->node, &now);
    return host->build->term_at(host->node, now.applied_index, &term) ? term : UINT64_MAX;
}

/* Now and then, and at once after a power loss: what was cut then may still be there. */
static bool is_audit_due(struct sim_host *host)
{
    bool is_chosen = sim_chance(&host->sim->audit_prng, AUDIT_MILLIONTHS);
    if (host->audits_due > 0) {
        host->audits_due--;
        is_chosen = true;
    }
    return is_chosen;
}

static void check_said(struct sim_host *host, uint32_t peer, const struct wire_message *message)
{
    struct sim *sim = host->sim;
    if (message->type == WIRE_FORWARD) {
        check_forwards_sent(&sim->forwards, message, applied_term(host), sim_now(sim),
                            &sim->failure);
    } else if (message->type == WIRE_FORWARD_RESPONSE) {
        check_forward(host, &message->forward_response);
        check_forwards_answered(&sim->forwards, sim->hosts[peer].id, &message->forward_response,
                                sim_now(sim), &sim->failure);
    }
    sim_observe_read_said(host, peer, message);
    if (!wire_is_raft(message->type)) {
        return;
    }
    if (message->type == RAFT_APPEND_ENTRIES) {
        check_election_leads(&sim->election, message->raft.from, message->raft.term, sim_now(sim),
                             &sim->failure);
    }
    if (message->type == RAFT_TIMEOUT_NOW) {
        check_handover(host, &message->raft);
        check_handovers_said(&sim->handovers, &message->raft, sim_now(sim));
    }
    check_handovers_campaign(&sim->handovers, &message->raft, sim_now(sim), &sim->failure);
    check_votes_message(&sim->votes, &message->raft, sim_now(sim), &sim->failure);
    if (message->type == RAFT_REQUEST_VOTE_RESPONSE &&
        message->raft.request_vote_response.is_granted) {
        check_vote_log(host, &message->raft);
        sim_observe_vote_said(host, &message->raft);
    }
    if (message->type == RAFT_PRE_VOTE_RESPONSE) {
        check_votes_answered(&sim->votes, &message->raft, sim_now(sim), &sim->failure);
        if (message->raft.pre_vote_response.is_granted) {
            sim_observe_vote_said(host, &message->raft);
        }
    }
    check_log_message(&sim->log, message, sim_now(sim), &sim->failure);
    check_commits_said(&sim->commits, &message->raft);
    check_durable_said(sim->durable, host->number, message);
    if (is_promise(message) && is_audit_due(host)) {
        sim_observe_durable(host);
    }
}

static uint64_t held_count(const struct sim_host *host)
{
    struct build_status now;
    host->build->status(host->node, &now);
    return now.held_count;
}

/* What a node may know by a frame that it receives. */
static void check_heard(struct sim_host *host, const struct wire_message *message)
{
    if (message->type == RAFT_REQUEST_VOTE_RESPONSE) {
        check_votes_heard(&host->sim->votes, &message->raft);
    } else if (message->type == RAFT_PRE_VOTE) {
        check_asked(host, &message->raft);
    } else if (message->type == RAFT_TIMEOUT_NOW) {
        check_handovers_heard(&host->sim->handovers, &message->raft);
    } else if (message->type == RAFT_APPEND_ENTRIES) {
        check_promises_heard(&host->sim->promises, &message->raft, sim_host_time(host).now_ns);
    } else if (message->type == RAFT_APPEND_ENTRIES_RESPONSE ||
               message->type == RAFT_INSTALL_SNAPSHOT_RESPONSE) {
        sim_check_removal_heard(host, &message->raft);
    } else if (message->type == WIRE_FORWARD_RESPONSE) {
        host->is_holding_less =
            !check_forwards_heard(&host->sim->forwards, host->id, &message->forward_response);
        host->progress.seen.held_count = held_count(host);
    }
}

/* Whether check_heard() wants to see it; most frames are not worth decoding twice. */
static bool is_heard_of(const struct sim *sim, const uint8_t *frame, size_t frame_bytes)
{
    if (frame_bytes <= FRAME_TYPE_AT) {
        return false;
    }
    switch (frame[FRAME_TYPE_AT]) {
    case RAFT_PRE_VOTE:
    case RAFT_REQUEST_VOTE_RESPONSE:
    case RAFT_TIMEOUT_NOW:
    case WIRE_FORWARD_RESPONSE:
        return true;
    case RAFT_APPEND_ENTRIES:
        return sim_observe_has_leases(sim);
    case RAFT_APPEND_ENTRIES_RESPONSE:
    case RAFT_INSTALL_SNAPSHOT_RESPONSE:
        return sim->plan.remove_dead_ms > 0;
    default:
        return false;
    }
}

void sim_observe_frame(struct sim *sim, enum sim_trace_kind kind, uint32_t host, uint32_t peer,
                       const uint8_t *frame, size_t frame_bytes)
{
    struct sim_trace_event event = {
        .kind = kind, .at_ns = sim_now(sim), .host = host, .peer = peer, .a = frame_bytes};
    char words[WORDS_BYTES_MAX] = "";
    bool is_said = kind != SIM_TRACE_RECEIVE;
    bool is_heard = !is_said && is_heard_of(sim, frame, frame_bytes);
    if (is_said || is_heard || sim_trace_is_wanted(&sim->trace)) {
        struct wire_message message;
        struct chunk *chunk = chunk_new(&sim->allocator, (uint32_t)frame_bytes);
        ASSERT(chunk != NULL);
        memcpy(chunk->data, frame, frame_bytes);
        int status = wire_decode(chunk, chunk->data, frame_bytes, sim->entries, &message);
        if (status != 0) {
            sim_violate(sim, "frames_decode", "n%u sent a frame that does not decode", host + 1);
        } else if (is_said) {
            check_said(&sim->hosts[host], peer, &message);
        } else if (is_heard) { /* a trace shows the others, too, and changes no verdict */
            check_heard(&sim->hosts[host], &message);
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

/* By a majority of each set of voters that it acts by. */
static void check_elected(const struct sim_host *host, const struct build_status *now)
{
    struct sim *sim = host->sim;
    uint64_t ids[BUILD_MEMBERS_MAX];
    const struct build_configuration *configuration = sim_members_in_force(host);
    ASSERT(configuration != NULL);
    for (int set = 0; set < 2; set++) {
        size_t count = sim_members_voters(configuration, set == 1, ids);
        if (count > 0) {
            check_votes_elected(&sim->votes, now->id, now->term, ids, count, sim_now(sim),
                                &sim->failure);
        }
    }
}

static bool is_agreed(const struct sim *sim, uint64_t id,
                      const struct build_configuration *configuration, const void *argument)
{
    const struct build_status *now = argument;
    uint64_t ids[BUILD_MEMBERS_MAX];
    for (int set = 0; set < 2; set++) {
        size_t count = sim_members_voters(configuration, set == 1, ids);
        if (count > 0 && !check_commits_is_agreed(&sim->commits, id, now->term, now->durable_index,
                                                  now->commit_index, ids, count)) {
            return false;
        }
    }
    return true;
}

/* Who leads, or has led until just now in this term, has committed more: an entry of its own
 * term (Raft §5.4.2), which a majority holds, of the voters that it acts by or, in a call that
 * changed them, has acted by.
 */
static void check_committed(const struct sim_host *host, const struct build_status *now)
{
    const struct build_status *before = &host->progress.seen;
    bool has_led =
        host->progress.has_seen && before->role == BUILD_LEADER && before->term == now->term;
    if (!has_led || now->commit_index <= before->commit_index) {
        return;
    }
    struct sim *sim = host->sim;
    uint64_t term = 0;
    if (host->build->term_at(host->node, now->commit_index, &term) && term != now->term) {
        sim_violate(sim, "commit_of_own_term",
                    "n%u, leader of term %llu, commits up to entry %llu, which is of term %llu",
                    host->number + 1, (unsigned long long)now->term,
                    (unsigned long long)now->commit_index, (unsigned long long)term);
    }
    if (!sim_members_any_since(host, sim_now(sim), is_agreed, now)) {
        sim_violate(sim, "commit_by_majority",
                    "n%u, leader of term %llu, commits entry %llu, and no majority of its voters "
                    "has told it that they hold that",
                    host->number + 1, (unsigned long long)now->term,
                    (unsigned long long)now->commit_index);
    }
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

static void trace_hint(struct sim_host *host, const struct build_status *now)
{
    if (now->gossip_hints > host->told_hints) {
        sim_observe(host->sim, SIM_TRACE_HINT, host->number, now->term, now->gossip_hints, NULL);
    }
    host->told_hints = now->gossip_hints;
}

void sim_observe_status(struct sim_host *host, const struct build_status *now)
{
    struct sim *sim = host->sim;
    if (!now->is_running) {
        sim_check_gossip(host, now);
        return;
    }
    if (host->is_holding_less && now->held_count > host->progress.seen.held_count) {
        sim_violate(sim, "held_when_nowhere",
                    "n%u holds a proposal again because of a refusal of an earlier sending",
                    host->number + 1);
    }
    host->is_holding_less = false;
    bool is_new_leader = now->role == BUILD_LEADER &&
                         !(host->progress.has_seen && host->progress.seen.role == BUILD_LEADER &&
                           host->progress.seen.term == now->term);
    check_committed(host, now);
    sim_divergence_status(host, now);
    check_progress_status(&host->progress, now, sim_now(sim), &sim->failure);
    if (is_new_leader) {
        host->leads_since_ns = sim_now(sim);
        check_election_leads(&sim->election, now->id, now->term, sim_now(sim), &sim->failure);
        check_elected(host, now);
        check_leader_has(&sim->apply, host->build, host->node, now, sim_now(sim), &sim->failure);
    }
    sim_check_gossip(host, now);
    trace_hint(host, now);
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

/* The disks of a set of voters; 0: one of them is lost, or there is no such set. */
static size_t copies_of(struct sim *sim, const struct build_configuration *configuration,
                        bool is_outgoing, struct check_durable_copy *copies)
{
    uint64_t ids[BUILD_MEMBERS_MAX];
    size_t count = sim_members_voters(configuration, is_outgoing, ids);
    for (size_t i = 0; i < count; i++) {
        struct sim_host *owner = owner_of(sim, ids[i]);
        if (owner == NULL) {
            return 0;
        }
        copies[i] = (struct check_durable_copy){ids[i], &owner->disk};
    }
    return count;
}

static void check_majorities(struct sim *sim, const struct build_configuration *configuration,
                             struct raft_position entry)
{
    struct check_durable_copy copies[BUILD_MEMBERS_MAX];
    char detail[QR_SIM_TEXT_BYTES_MAX] = "";
    for (int set = 0; set < 2; set++) {
        size_t count = copies_of(sim, configuration, set == 1, copies);
        if (count > 0 && check_durable_majority(sim->durable, copies, count, entry, detail) != 0) {
            sim_violate(sim, "durable_on_majority", "%s", detail);
        }
    }
}

/* By whose majority is certain only if nothing has changed since before it was asked for. */
void sim_observe_acknowledged(struct sim *sim, uint64_t index, time_ns began_ns)
{
    if (!sim_chance(&sim->audit_prng, AUDIT_MILLIONTHS)) {
        return;
    }
    if (sim->members_ns < began_ns && sim->committed.index > 0 && sim->open_count == 0) {
        check_majorities(sim, &sim->committed,
                         (struct raft_position){check_apply_term_of(&sim->apply, index), index});
    }
}

void sim_observe_refused(struct sim_host *host, uint64_t number)
{
    struct sim *sim = host->sim;
    check_forwards_refused(&sim->forwards, host->id, number, applied_term(host), sim_now(sim),
                           &sim->failure);
}
