/* cluster.c: states of the whole cluster, and what events make of them. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/model/cluster.h"

#include <string.h>

#include "base/assert.h"

bool cluster_init(struct cluster *cluster, const struct model_configuration *configuration,
                  const struct model_options *options)
{
    memset(cluster, 0, sizeof(*cluster));
    return world_init(&cluster->world, configuration, options) &&
           locals_init(&cluster->locals, &cluster->world) &&
           histories_init(&cluster->histories, &cluster->world);
}

void cluster_deinit(struct cluster *cluster)
{
    histories_deinit(&cluster->histories);
    locals_deinit(&cluster->locals);
    world_deinit(&cluster->world);
}

bool cluster_first(struct cluster *cluster, struct state *out)
{
    memset(out, 0, sizeof(*out));
    for (node_id id = 1; id <= cluster->world.configuration->node_count; id++) {
        out->locals[id - 1] = locals_first(&cluster->locals, id);
        if (out->locals[id - 1] == LOCAL_NONE) {
            return false;
        }
    }
    out->history = histories_first(&cluster->histories);
    return out->history != TABLE_NONE;
}

node_id cluster_event_node(const struct cluster *cluster, uint32_t event)
{
    enum event_kind kind = event_kind_of(event);
    if (kind == EVENT_DELIVER || kind == EVENT_DUPLICATE) {
        return world_message_at(&cluster->world, (uint16_t)event_argument(event))->raft.to;
    }
    return event_node(event);
}

static unsigned used_of(const struct state *state, enum model_counted counted)
{
    return state->used >> (MODEL_COUNT_BITS * counted) & ((1U << MODEL_COUNT_BITS) - 1);
}

/* Whether one more may be used; everything is free while nothing is counted. */
static bool is_left(const struct cluster *cluster, const struct state *state,
                    enum model_counted counted)
{
    const struct model_bounds *bounds = &cluster->world.configuration->bounds;
    const unsigned most[] = {
#define X(name, what, most) bounds->name,
        MODEL_COUNTED_MAP(X)
#undef X
    };
    return used_of(state, counted) < most[counted];
}

/* What an event counts as, or MODEL_COUNTED_COUNT. */
static enum model_counted counted_as(uint32_t event)
{
    switch (event_kind_of(event)) {
    case EVENT_TIMEOUT:
        return MODEL_COUNTED_timeouts;
    case EVENT_LAPSE:
        return MODEL_COUNTED_lapses;
    case EVENT_CRASH:
        return MODEL_COUNTED_crashes;
    case EVENT_DUPLICATE:
        return MODEL_COUNTED_duplicates;
    case EVENT_PROPOSE:
        return MODEL_COUNTED_proposals;
    case EVENT_READ:
        return MODEL_COUNTED_reads;
    case EVENT_CHANGE:
        return MODEL_COUNTED_changes;
    case EVENT_TRANSFER:
        return MODEL_COUNTED_transfers;
    case EVENT_HINT:
        return MODEL_COUNTED_hints;
    case EVENT_COMPACT:
        return MODEL_COUNTED_compactions;
    case EVENT_DELIVER:
    case EVENT_SAVED:
    case EVENT_FETCHED:
    case EVENT_INSTALL:
    case EVENT_READY:
        break;
    }
    return MODEL_COUNTED_COUNT;
}

struct event_list {
    uint32_t *events;
    size_t count;
};

static void list_add(struct event_list *list, uint32_t event)
{
    ASSERT(list->count < CLUSTER_EVENTS_MAX);
    list->events[list->count++] = event;
}

static void list_messages(const struct cluster *cluster, const struct state *state,
                          struct event_list *list)
{
    for (size_t i = 0; i < state->message_count; i++) {
        uint16_t number = state->messages[i];
        if (i > 0 && state->messages[i - 1] == number) {
            continue; /* its twin was listed */
        }
        list_add(list, event_of(EVENT_DELIVER, 0, number));
        if (is_left(cluster, state, MODEL_COUNTED_duplicates)) {
            list_add(list, event_of(EVENT_DUPLICATE, 0, number));
        }
    }
}

static void list_changes(const struct cluster *cluster, const struct local_view *view,
                         struct event_list *list)
{
    switch (cluster->world.configuration->change) {
    case MODEL_NO_CHANGE:
        return;
    case MODEL_ADD_4:
        list_add(list, event_change(view->id, 4, true));
        return;
    case MODEL_REMOVE_4:
        list_add(list, event_change(view->id, 4, false));
        return;
    case MODEL_TO_NEXT:
        list_add(list, event_change_to(view->id, cluster->world.configuration->next_voters));
        return;
    case MODEL_REMOVE_RIVAL:
        if (view->id <= 2) {
            list_add(list, event_change(view->id, 3U - view->id, false));
        }
        return;
    case MODEL_REMOVE_ANY:
        for (node_id id = 1; id <= cluster->world.configuration->node_count; id++) {
            list_add(list, event_change(view->id, id, false));
        }
        return;
    }
}

/* What is asked of a leader. */
static void list_requests(const struct cluster *cluster, const struct state *state,
                          const struct local_view *view, struct event_list *list)
{
    if (view->role != RAFT_LEADER) {
        return;
    }
    if (is_left(cluster, state, MODEL_COUNTED_proposals)) {
        list_add(list, event_of(EVENT_PROPOSE, view->id, used_of(state, MODEL_COUNTED_proposals)));
    }
    if (is_left(cluster, state, MODEL_COUNTED_reads)) {
        const struct history_item *item = histories_at(&cluster->histories, state->history);
        list_add(list, event_of(EVENT_READ, view->id, item->history.committed_count));
    }
    if (is_left(cluster, state, MODEL_COUNTED_changes)) {
        list_changes(cluster, view, list);
    }
    for (node_id id = 1; id <= cluster->world.configuration->node_count &&
                         is_left(cluster, state, MODEL_COUNTED_transfers);
         id++) {
        if (id != view->id) {
            list_add(list, event_of(EVENT_TRANSFER, view->id, (uint32_t)id));
        }
    }
}

static void list_crashes(const struct local_view *view, struct event_list *list)
{
    for (uint32_t kept = 0; kept <= view->save_count; kept++) {
        list_add(list, event_crash(view->id, kept, false));
    }
    if (view->can_mark) {
        list_add(list, event_crash(view->id, 0, true));
    }
}

/* What a passive node is spared. */
static void list_faults(const struct cluster *cluster, const struct state *state,
                        const struct local_view *view, struct event_list *list)
{
    if (view->can_time_out && is_left(cluster, state, MODEL_COUNTED_timeouts)) {
        list_add(list, event_of(EVENT_TIMEOUT, view->id, 0));
    }
    if (view->can_lapse && is_left(cluster, state, MODEL_COUNTED_lapses)) {
        list_add(list, event_of(EVENT_LAPSE, view->id, 0));
    }
    if (view->has_leader && is_left(cluster, state, MODEL_COUNTED_hints)) {
        list_add(list, event_of(EVENT_HINT, view->id, 0));
    }
    if (is_left(cluster, state, MODEL_COUNTED_crashes)) {
        list_crashes(view, list);
    }
}

static void list_node(const struct cluster *cluster, const struct state *state,
                      const struct local_view *view, struct event_list *list)
{
    if (view->is_ready_due) {
        list_add(list, event_of(EVENT_READY, view->id, 0));
    }
    for (uint32_t i = 1; i <= view->save_count; i++) {
        list_add(list, event_of(EVENT_SAVED, view->id, i));
    }
    for (uint32_t i = 0; i < view->fetch_count; i++) {
        list_add(list, event_of(EVENT_FETCHED, view->id, i));
    }
    if (view->can_install) {
        list_add(list, event_of(EVENT_INSTALL, view->id, 0));
    }
    if (view->can_compact && is_left(cluster, state, MODEL_COUNTED_compactions)) {
        list_add(list, event_of(EVENT_COMPACT, view->id, 0));
    }
    if ((cluster->world.configuration->passive >> (view->id - 1) & 1) == 0) {
        list_faults(cluster, state, view, list);
    }
    list_requests(cluster, state, view, list);
}

size_t cluster_events(const struct cluster *cluster, const struct state *state,
                      uint32_t events[CLUSTER_EVENTS_MAX])
{
    struct event_list list = {.events = events};
    list_messages(cluster, state, &list);
    for (size_t i = 0; i < cluster->world.configuration->node_count; i++) {
        list_node(cluster, state, &locals_at(&cluster->locals, state->locals[i])->view, &list);
    }
    return list.count;
}

/* Offer what is still in flight, without `delivered`, and behind it what the node sends. */
static void offer(const struct cluster *cluster, const struct state *state, uint16_t delivered,
                  const struct local_outcome *outcome, struct change *change)
{
    size_t most =
        cluster->is_counting ? cluster->world.configuration->bounds.in_flight : MODEL_IN_FLIGHT_MAX;
    change->offered_count = 0;
    for (size_t i = 0; i < state->message_count; i++) {
        if (state->messages[i] == delivered) {
            delivered = WORLD_MESSAGES_MAX; /* one of them, should it have twins */
        } else {
            change->offered[change->offered_count++] = state->messages[i];
        }
    }
    for (size_t i = 0; i < outcome->count; i++) {
        ASSERT(change->offered_count < CLUSTER_OFFERED_MAX);
        change->offered[change->offered_count++] = outcome->messages[i];
    }
    size_t kept = min_u64(change->offered_count, most);
    change->keep_first = (UINT32_C(1) << kept) - 1;
}

void cluster_keep(const struct change *change, uint32_t keep, struct state *next)
{
    next->message_count = 0;
    memset(next->messages, 0, sizeof(next->messages));
    for (size_t i = 0; i < change->offered_count; i++) {
        if ((keep >> i & 1) != 0) {
            size_t at = next->message_count++;
            while (at > 0 && next->messages[at - 1] > change->offered[i]) {
                next->messages[at] = next->messages[at - 1];
                at--;
            }
            next->messages[at] = change->offered[i];
        }
    }
}

/* The next larger number with as many bits set (HAKMEM 175). */
uint32_t cluster_keep_next(const struct change *change, uint32_t keep)
{
    if (keep == 0) {
        return 0;
    }
    uint32_t lowest = keep & (~keep + 1);
    uint32_t ripple = keep + lowest;
    uint32_t next = ripple | ((keep ^ ripple) >> 2) / lowest;
    return next >> change->offered_count == 0 ? next : 0;
}

static bool note_history(struct cluster *cluster, const struct state *before, node_id id,
                         const struct local_outcome *outcome, struct state *next)
{
    struct history_moment moment = {
        .node = id, .messages = outcome->messages, .message_count = outcome->count};
    for (size_t i = 0; i < cluster->world.configuration->node_count; i++) {
        moment.views[i + 1] = &locals_at(&cluster->locals, next->locals[i])->view;
    }
    moment.before = &locals_at(&cluster->locals, before->locals[id - 1])->view;
    next->history = histories_next(&cluster->histories, before->history, &moment);
    return next->history != TABLE_NONE;
}

enum cluster_answer cluster_next(struct cluster *cluster, const struct state *state, uint32_t event,
                                 struct state *next, struct change *change)
{
    enum event_kind kind = event_kind_of(event);
    enum model_counted counted = counted_as(event);
    uint16_t delivered = WORLD_MESSAGES_MAX;
    *next = *state;
    if (cluster->is_counting && counted != MODEL_COUNTED_COUNT) {
        next->used += UINT32_C(1) << (MODEL_COUNT_BITS * counted);
    }
    if (kind == EVENT_DELIVER) {
        delivered = (uint16_t)event_argument(event);
    } else if (kind == EVENT_DUPLICATE) { /* the same for the node */
        event = event_of(EVENT_DELIVER, 0, event_argument(event));
    }
    node_id id = cluster_event_node(cluster, event);
    const struct local_outcome *outcome =
        locals_step(&cluster->locals, state->locals[id - 1], event);
    if (outcome == NULL) {
        return CLUSTER_STOP;
    }
    if (outcome->local == LOCAL_NONE) {
        return outcome->is_cut ? CLUSTER_CUT : CLUSTER_IDLE;
    }
    if (outcome->local == state->locals[id - 1] && outcome->count == 0 && cluster->is_counting) {
        return CLUSTER_IDLE;
    }
    next->locals[id - 1] = outcome->local;
    offer(cluster, state, delivered, outcome, change);
    return note_history(cluster, state, id, outcome, next) ? CLUSTER_NEXT : CLUSTER_STOP;
}

void cluster_sums(const struct cluster *cluster, const struct state *state, struct state_sums *out)
{
    size_t count = cluster->world.renaming_count;
    const struct hash *history = histories_at(&cluster->histories, state->history)->hashes;
    memcpy(out->sums, history, count * sizeof(*history));
    for (size_t i = 0; i < cluster->world.configuration->node_count; i++) {
        const struct hash *local = locals_at(&cluster->locals, state->locals[i])->hashes;
        for (size_t j = 0; j < count; j++) {
            out->sums[j] = hash_add(out->sums[j], local[j]);
        }
    }
}

static void replace(struct state_sums *sums, size_t count, const struct hash *from,
                    const struct hash *to)
{
    for (size_t i = 0; i < count; i++) {
        sums->sums[i] = hash_add(hash_subtract(sums->sums[i], from[i]), to[i]);
    }
}

void cluster_sums_next(const struct cluster *cluster, const struct state *state,
                       const struct state *next, const struct state_sums *sums,
                       struct state_sums *out)
{
    size_t count = cluster->world.renaming_count;
    memcpy(out->sums, sums->sums, count * sizeof(out->sums[0]));
    for (size_t i = 0; i < MODEL_NODES_MAX; i++) {
        if (state->locals[i] != next->locals[i]) {
            replace(out, count, locals_at(&cluster->locals, state->locals[i])->hashes,
                    locals_at(&cluster->locals, next->locals[i])->hashes);
        }
    }
    if (state->history != next->history) {
        replace(out, count, histories_at(&cluster->histories, state->history)->hashes,
                histories_at(&cluster->histories, next->history)->hashes);
    }
}

struct hash cluster_hash(const struct cluster *cluster, const struct state *state,
                         const struct state_sums *sums, size_t *names)
{
    size_t count = cluster->world.renaming_count;
    size_t same_count = 1;
    struct state_sums with;
    memcpy(with.sums, sums->sums, count * sizeof(with.sums[0]));
    for (size_t i = 0; i < state->message_count; i++) {
        const struct hash *message = world_message_at(&cluster->world, state->messages[i])->hashes;
        for (size_t j = 0; j < count; j++) {
            with.sums[j] = hash_add(with.sums[j], message[j]);
        }
    }
    struct hash least = with.sums[0];
    for (size_t i = 1; i < count; i++) {
        if (hash_is_less(with.sums[i], least)) {
            least = with.sums[i];
        }
        same_count += hash_is_equal(with.sums[i], with.sums[0]) ? 1 : 0;
    }
    ASSERT(count % same_count == 0); /* those that change nothing are a subgroup */
    *names = count / same_count;
    return least;
}
