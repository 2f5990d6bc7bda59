/* print.c: what happens in a scenario, one event a line. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>

#include "base/assert.h"
#include "quorate/error.h"
#include "scenario/cluster.h"

void print_line(struct cluster *cluster, enum verbosity least, const char *format, ...)
{
    if (cluster->verbosity < least) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    (void)vfprintf(cluster->out, format, arguments);
    va_end(arguments);
    (void)fputc('\n', cluster->out);
}

void print_error(struct cluster *cluster, node_id id, const char *what, int error)
{
    print_line(cluster, SAY_ROLES, "%llu %s: %s", (unsigned long long)id, what,
               qr_error_name(error));
}

static void last_text(const struct raft *raft, raft_index last_index, struct text *text)
{
    raft_term term = 0;
    (void)raft_term_at(raft, last_index, &term);
    text_u64(text, term);
    text_char(text, '/');
    text_u64(text, last_index);
}

/* `leader term=2 last=2/2 commit=1`, or `follower term=2 leader=1`. */
static void role_text(const struct raft *raft, const struct raft_status *status, struct text *text)
{
    text_string(text, raft_role_name(status->role));
    text_string(text, " term=");
    text_u64(text, status->term);
    if (status->role == RAFT_LEADER) {
        text_string(text, " last=");
        last_text(raft, status->last_index, text);
        text_string(text, " commit=");
        text_u64(text, status->commit_index);
    } else if (status->has_leader) {
        text_string(text, " leader=");
        text_u64(text, status->leader);
    }
}

void print_changes(struct cluster *cluster, node_id id)
{
    struct node *node = &cluster->nodes[id];
    struct raft_status status;
    raft_status(node->raft, &status);
    const struct raft_status *said = &node->said;
    bool is_same_leader = status.has_leader == said->has_leader &&
                          (!status.has_leader || status.leader == said->leader);
    if (status.role != said->role || status.term != said->term || !is_same_leader) {
        char line[LINE_BYTES];
        struct text text = text_of(line, sizeof(line));
        role_text(node->raft, &status, &text);
        print_line(cluster, SAY_ROLES, "%llu %s", (unsigned long long)id, line);
    }
    if (status.commit_index != said->commit_index) {
        print_line(cluster, SAY_ROLES, "%llu commit=%llu", (unsigned long long)id,
                   (unsigned long long)status.commit_index);
    }
    node->said = status;
}

static bool hard_state_equal(struct hard_state a, struct hard_state b)
{
    return a.term == b.term && a.has_voted == b.has_voted &&
           (!a.has_voted || a.voted_for == b.voted_for);
}

void print_save(struct cluster *cluster, node_id id, const struct raft_ready *ready)
{
    char line[LINE_BYTES];
    struct text text = text_of(line, sizeof(line));
    if (!hard_state_equal(ready->hard_state, cluster->nodes[id].handed)) {
        text_string(&text, " term=");
        text_u64(&text, ready->hard_state.term);
        if (ready->hard_state.has_voted) {
            text_string(&text, " vote=");
            text_u64(&text, ready->hard_state.voted_for);
        }
    }
    if (ready->reset != NULL) {
        text_string(&text, " reset=");
        text_u64(&text, ready->reset->term);
        text_char(&text, '/');
        text_u64(&text, ready->reset->index);
    }
    if (ready->entry_count > 0) {
        text_string(&text, " [");
        for (size_t i = 0; i < ready->entry_count; i++) {
            text_string(&text, i == 0 ? "" : ", ");
            entry_text(&ready->entries[i], &text);
        }
        text_char(&text, ']');
    }
    print_line(cluster, SAY_ALL, "%llu save%s", (unsigned long long)id, line);
}

void print_message(struct cluster *cluster, const char *verb, node_id who,
                   const struct raft_message *message)
{
    char line[LINE_BYTES];
    struct text text = text_of(line, sizeof(line));
    struct wire_message wire = wire_of_raft(message);
    wire_message_text(&wire, &text);
    print_line(cluster, SAY_ALL, "%llu %s %s", (unsigned long long)who, verb, line);
}

static void print_peers(struct cluster *cluster, const struct raft *raft)
{
    for (node_id id = 0; id < NODES_MAX; id++) {
        static const char *const states[] = {
#define X(name, value, text) [value] = text,
            RAFT_PROGRESS_MAP(X)
#undef X
        };
        struct raft_peer_status peer;
        if (!raft_peer_status(raft, id, &peer)) {
            continue;
        }
        print_line(cluster, SAY_NOTHING, "  %llu %s match=%llu next=%llu inflight=%llu%s%s",
                   (unsigned long long)id, states[peer.state], (unsigned long long)peer.match_index,
                   (unsigned long long)peer.next_index, (unsigned long long)peer.inflight_messages,
                   peer.sending_status == 0 ? "" : " sending=",
                   peer.sending_status == 0 ? "" : qr_error_name(peer.sending_status));
    }
}

void print_status(struct cluster *cluster, node_id id)
{
    const struct node *node = &cluster->nodes[id];
    char line[LINE_BYTES];
    struct text text = text_of(line, sizeof(line));
    struct raft_status status;
    raft_status(node->raft, &status);
    text_string(&text, raft_role_name(status.role));
    text_string(&text, " term=");
    text_u64(&text, status.term);
    if (status.has_leader) {
        text_string(&text, " leader=");
        text_u64(&text, status.leader);
    }
    if (status.base.index > 0) {
        text_string(&text, " base=");
        last_text(node->raft, status.base.index, &text);
    }
    text_string(&text, " last=");
    last_text(node->raft, status.last_index, &text);
    text_string(&text, " durable=");
    text_u64(&text, status.durable_index);
    text_string(&text, " commit=");
    text_u64(&text, status.commit_index);
    text_string(&text, " applied=");
    text_u64(&text, status.applied_index);
    text_char(&text, ' ');
    raft_configuration_text(raft_configuration(node->raft), &text);
    print_line(cluster, SAY_NOTHING, "%llu %s", (unsigned long long)id, line);
    print_peers(cluster, node->raft);
}

/* The entry at `index` from memory, or else from the node's disk. */
static const struct entry *entry_at(const struct node *node, raft_index index)
{
    size_t count = 0;
    const struct entry *entries = raft_entries(node->raft, index, &count);
    if (count > 0) {
        return entries;
    }
    ASSERT(index <= node->log_count);
    return &node->log[index - 1];
}

void print_log(struct cluster *cluster, node_id id)
{
    const struct node *node = &cluster->nodes[id];
    struct raft_status status;
    raft_status(node->raft, &status);
    for (raft_index index = status.first_index; index <= status.last_index; index++) {
        char line[LINE_BYTES];
        struct text text = text_of(line, sizeof(line));
        entry_text(entry_at(node, index), &text);
        print_line(cluster, SAY_NOTHING, "%llu log %s%s", (unsigned long long)id, line,
                   index > status.durable_index ? " (not durable)" : "");
    }
}
