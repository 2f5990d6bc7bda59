/* disk.c: what a node of a scenario has durably, and what is on its way there. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "quorate/error.h"
#include "scenario/cluster.h"

void disk_truncate(struct cluster *cluster, node_id id, size_t count)
{
    struct node *node = &cluster->nodes[id];
    while (node->log_count > count) {
        chunk_drop(node->log[--node->log_count].chunk);
        node->log[node->log_count] = (struct entry){0};
    }
}

/* The log is empty, and stands at `base`. */
static void disk_reset(struct cluster *cluster, node_id id, struct raft_position base)
{
    struct node *node = &cluster->nodes[id];
    disk_truncate(cluster, id, 0);
    node->base = base;
    node->log_count = (size_t)base.index;
}

void disk_append(struct cluster *cluster, node_id id, const struct entry *entry)
{
    struct node *node = &cluster->nodes[id];
    ASSERT(entry->index > node->base.index && entry->index <= node->log_count + 1);
    ASSERT(entry->index <= LOG_MAX);
    disk_truncate(cluster, id, (size_t)entry->index - 1);
    node->log[node->log_count] = *entry;
    (void)chunk_hold(entry->chunk);
    node->log_count++;
}

void disk_save(struct cluster *cluster, node_id id, const struct raft_ready *ready)
{
    struct node *node = &cluster->nodes[id];
    ASSERT(node->save_count < SAVES_MAX);
    ASSERT(node->save_count == 0 || ready->save_number > node->saves[node->save_count - 1].number);
    struct save *save = &node->saves[node->save_count++];
    *save = (struct save){
        .number = ready->save_number,
        .hard_state = ready->hard_state,
        .entries = malloc((ready->entry_count + 1) * sizeof(*save->entries)),
        .count = ready->entry_count,
        .has_reset = ready->reset != NULL,
        .reset = ready->reset != NULL ? *ready->reset : (struct raft_position){0},
    };
    ASSERT(save->entries != NULL);
    for (size_t i = 0; i < save->count; i++) {
        save->entries[i] = ready->entries[i];
        (void)chunk_hold(save->entries[i].chunk);
    }
    node->handed = ready->hard_state;
}

static void drop_oldest_save(struct node *node)
{
    struct save *save = &node->saves[0];
    for (size_t i = 0; i < save->count; i++) {
        chunk_drop(save->entries[i].chunk);
    }
    free(save->entries);
    node->save_count--;
    memmove(save, save + 1, node->save_count * sizeof(*save));
}

void disk_drop_saves(struct cluster *cluster, node_id id)
{
    while (cluster->nodes[id].save_count > 0) {
        drop_oldest_save(&cluster->nodes[id]);
    }
}

bool disk_saved(struct cluster *cluster, node_id id)
{
    struct node *node = &cluster->nodes[id];
    if (node->raft == NULL || node->save_count == 0) {
        return false;
    }
    const struct save *save = &node->saves[0];
    uint64_t number = save->number;
    ASSERT(save->hard_state.term >= node->hard_state.term);
    ASSERT_IMPLIES(save->hard_state.term == node->hard_state.term && node->hard_state.has_voted,
                   save->hard_state.has_voted &&
                       save->hard_state.voted_for == node->hard_state.voted_for);
    node->hard_state = save->hard_state;
    if (save->has_reset) {
        ASSERT(save->reset.index == node->snapshot.index); /* what is forgotten is elsewhere */
        disk_reset(cluster, id, save->reset);
    }
    for (size_t i = 0; i < save->count; i++) {
        ASSERT(save->entries[i].index > node->applied_index);
        disk_append(cluster, id, &save->entries[i]);
    }
    drop_oldest_save(node);
    (void)cluster_step(cluster, id, (struct raft_event){.type = RAFT_EVENT_SAVED, .saved = number});
    return true;
}

bool disk_fail_save(struct cluster *cluster, node_id id)
{
    if (cluster->nodes[id].raft == NULL || cluster->nodes[id].save_count == 0) {
        return false;
    }
    cluster_crash(cluster, id);
    print_line(cluster, SAY_ROLES, "%llu stopped: a save failed", (unsigned long long)id);
    return true;
}

static void print_applied(struct cluster *cluster, node_id id, const struct entry *entry)
{
    char line[LINE_BYTES];
    struct text text = text_of(line, sizeof(line));
    entry_text(entry, &text);
    print_line(cluster, SAY_ALL, "%llu apply %s", (unsigned long long)id, line);
}

bool disk_apply(struct cluster *cluster, node_id id)
{
    struct node *node = &cluster->nodes[id];
    if (node->raft == NULL || raft_applicable_index(node->raft) <= node->applied_index) {
        return false;
    }
    raft_index end = raft_applicable_index(node->raft);
    ASSERT(end <= node->log_count);
    while (node->applied_index < end) {
        const struct entry *entry = &node->log[node->applied_index];
        raft_term term = 0;
        bool is_there = raft_term_at(node->raft, entry->index, &term);
        ASSERT(is_there && term == entry->term);
        print_applied(cluster, id, entry);
        check_applied(cluster, entry);
        node->applied_index++;
    }
    (void)cluster_step(cluster, id,
                       (struct raft_event){.type = RAFT_EVENT_APPLIED, .applied = end});
    return true;
}

/* How many entries from `first` on make up to `bytes_max`, but at least one. */
static size_t count_up_to(const struct node *node, raft_index first, uint64_t bytes_max)
{
    size_t count = 0;
    uint64_t bytes = 0;
    for (size_t i = (size_t)first - 1; i < node->log_count; i++) {
        bytes += node->log[i].record_bytes;
        if (count > 0 && bytes > bytes_max) {
            break;
        }
        count++;
    }
    return count;
}

bool disk_fetched(struct cluster *cluster, node_id id, int status)
{
    struct node *node = &cluster->nodes[id];
    if (node->raft == NULL || cluster->fetch_counts[id] == 0) {
        return false;
    }
    struct raft_fetch *fetches = cluster->fetches[id];
    struct raft_fetch fetch = fetches[0];
    cluster->fetch_counts[id]--;
    memmove(fetches, fetches + 1, cluster->fetch_counts[id] * sizeof(*fetches));
    ASSERT(fetch.first >= 1 && fetch.first <= node->log_count);

    struct raft_event event = {.type = RAFT_EVENT_FETCHED};
    event.fetched.peer = fetch.peer;
    if (status == 0 && fetch.first <= node->base.index) {
        status = QR_ERR_NOT_FOUND; /* compacted meanwhile */
    }
    event.fetched.status = status;
    if (status == 0) {
        event.fetched.entries = &node->log[fetch.first - 1];
        event.fetched.count = count_up_to(node, fetch.first, fetch.bytes_max);
    }
    (void)cluster_step(cluster, id, event);
    return true;
}
