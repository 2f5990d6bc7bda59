/* explore.c: breadth first, so that the first violation found has the shortest run to it. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "quorate/error.h"
#include "sim/model/cluster.h"
#include "sim/model/trace.h"
#include "sim/model/visited.h"

#define CHECKED_EVERY 1024 /* states between two looks at the clock */
#define BATCH_MAX 64
#define PREFIX_MAX 128 /* events until the leader leads and all is settled */

struct waiting {
    struct state state;
    uint32_t number; /* of its link */
};

/* How a state was reached first. */
struct link {
    uint32_t parent;
    struct run_step step;
};

struct explorer {
    struct cluster cluster;
    const struct model_options *options;
    struct model_result *result;
    struct visited visited;
    struct pool links;
    struct pool levels[2]; /* struct waiting: this depth and the next */
    struct run prefix;     /* events before anything is counted */
    struct run_step prefix_steps[PREFIX_MAX];
    time_ns began_ns;
};

static uint32_t link_count(const struct explorer *explorer)
{
    return (uint32_t)(explorer->links.used_bytes / sizeof(struct link));
}

/* Remember a new state and put it in the next level. */
static bool push(struct explorer *explorer, struct pool *level, const struct state *state,
                 struct link how)
{
    struct link *link = pool_take(&explorer->links, sizeof(*link));
    struct waiting *waiting = pool_take(level, sizeof(*waiting));
    if (link == NULL || waiting == NULL || link_count(explorer) == UINT32_MAX) {
        explorer->cluster.world.is_full = true;
        return false;
    }
    *link = how;
    *waiting = (struct waiting){*state, link_count(explorer) - 1};
    return true;
}

/* The run to the state behind `last`, and write its trace. */
static void tell(struct explorer *explorer, struct link last)
{
    struct model_result *result = explorer->result;
    const struct link *links = (const struct link *)(const void *)explorer->links.base;
    result->end = MODEL_VIOLATED;
    memcpy(result->violation, explorer->cluster.world.violation, sizeof(result->violation));
    uint64_t count = 1;
    for (uint32_t at = last.parent; at != 0; at = links[at].parent) {
        count++;
    }
    result->trace_events = count;
    if (explorer->options->trace == NULL) {
        return;
    }
    /* There is room for it: the level being filled is not needed any more. */
    explorer->levels[0].budget->limit_bytes = SIZE_MAX;
    struct run_step *steps = pool_take(&explorer->levels[0], count * sizeof(*steps));
    ASSERT(steps != NULL);
    for (uint64_t i = count; i > 0; i--) {
        steps[i - 1] = last.step;
        last = links[last.parent];
    }
    trace_write(explorer->options->trace, &explorer->cluster, &explorer->prefix,
                &(struct run){steps, count}, result->violation);
}

/* What one event makes of a state, before it is known whether that is news. */
struct successor {
    struct state state;
    struct run_step step;
    struct hash hash;
    size_t names;
};

/* States whose table slots are being fetched while the next ones are made. */
struct batch {
    size_t count;
    struct successor successors[BATCH_MAX];
};

/* Returns false when memory ran out. */
static bool flush(struct explorer *explorer, const struct waiting *from, struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        const struct successor *successor = &batch->successors[i];
        switch (visited_add(&explorer->visited, successor->hash, successor->state.used)) {
        case VISITED_BEFORE:
            break;
        case VISITED_NEW:
            explorer->result->named_states += successor->names;
            if (!push(explorer, &explorer->levels[1], &successor->state,
                      (struct link){from->number, successor->step})) {
                return false;
            }
            break;
        case VISITED_FULL:
            return false;
        }
    }
    batch->count = 0;
    return true;
}

/* Every choice of what the network keeps. Returns false when memory ran out. */
static bool take_choices(struct explorer *explorer, const struct waiting *from,
                         const struct successor *made, const struct state_sums *sums,
                         const struct change *change, struct batch *batch)
{
    uint32_t keep = change->keep_first;
    do {
        if (batch->count == BATCH_MAX && !flush(explorer, from, batch)) {
            return false;
        }
        struct successor *successor = &batch->successors[batch->count++];
        *successor = *made;
        successor->step.keep = keep;
        cluster_keep(change, keep, &successor->state);
        successor->hash =
            cluster_hash(&explorer->cluster, &successor->state, sums, &successor->names);
        visited_prefetch(&explorer->visited, successor->hash);
        explorer->result->transitions++;
        keep = cluster_keep_next(change, keep);
    } while (keep != 0);
    return true;
}

/* Returns false when the exploration is over. */
static bool take_event(struct explorer *explorer, const struct waiting *from,
                       const struct state_sums *sums, uint32_t event, struct batch *batch)
{
    struct cluster *cluster = &explorer->cluster;
    struct successor made = {.step = {.event = event}};
    struct change change;
    switch (cluster_next(cluster, &from->state, event, &made.state, &change)) {
    case CLUSTER_NEXT:
        break;
    case CLUSTER_CUT:
        explorer->result->cut++;
        return true;
    case CLUSTER_IDLE:
        return true;
    case CLUSTER_STOP:
        if (world_is_violated(&cluster->world)) {
            tell(explorer, (struct link){from->number, made.step});
        }
        return false;
    }
    struct state_sums next_sums;
    cluster_sums_next(cluster, &from->state, &made.state, sums, &next_sums);
    return take_choices(explorer, from, &made, &next_sums, &change, batch);
}

static bool leave(struct explorer *explorer, const struct waiting *from)
{
    uint32_t events[CLUSTER_EVENTS_MAX];
    struct batch batch;
    struct state_sums sums;
    size_t count = cluster_events(&explorer->cluster, &from->state, events);
    batch.count = 0;
    cluster_sums(&explorer->cluster, &from->state, &sums);
    for (size_t i = 0; i < count; i++) {
        if (!take_event(explorer, from, &sums, events[i], &batch)) {
            return false;
        }
    }
    return flush(explorer, from, &batch);
}

/* Why to stop here, or MODEL_COMPLETE to go on. */
static enum model_end reason_to_stop(const struct explorer *explorer)
{
    const struct model_options *options = explorer->options;
    if (options->states_max != 0 && explorer->visited.count >= options->states_max) {
        return MODEL_STOPPED_STATES;
    }
    if (options->time_max_ns != 0 && options->now() - explorer->began_ns >= options->time_max_ns) {
        return MODEL_STOPPED_TIME;
    }
    return MODEL_COMPLETE;
}

/* Leave every state of this level. Returns false when the exploration is over. */
static bool leave_level(struct explorer *explorer)
{
    const struct pool *level = &explorer->levels[0];
    const struct waiting *waiting = (const struct waiting *)(const void *)level->base;
    size_t count = level->used_bytes / sizeof(*waiting);
    for (size_t i = 0; i < count; i++) {
        explorer->result->waiting = count - i + explorer->levels[1].used_bytes / sizeof(*waiting);
        if (i % CHECKED_EVERY == 0) {
            explorer->result->end = reason_to_stop(explorer);
            if (explorer->result->end != MODEL_COMPLETE) {
                return false;
            }
        }
        if (!leave(explorer, &waiting[i])) {
            if (explorer->result->end != MODEL_VIOLATED) {
                explorer->result->end = MODEL_STOPPED_MEMORY;
            }
            return false;
        }
    }
    explorer->result->waiting = explorer->levels[1].used_bytes / sizeof(*waiting);
    return true;
}

static void explore_levels(struct explorer *explorer)
{
    struct model_result *result = explorer->result;
    result->end = MODEL_COMPLETE;
    while (leave_level(explorer) && result->waiting > 0) {
        result->depth++;
        if (explorer->options->depth_max != 0 && result->depth == explorer->options->depth_max) {
            result->end = MODEL_STOPPED_DEPTH;
            return;
        }
        struct pool done = explorer->levels[0];
        explorer->levels[0] = explorer->levels[1];
        explorer->levels[1] = done;
        pool_reset(&explorer->levels[1]);
    }
}

/* An event of the prefix: whatever message is in flight arrives, whatever is saved is saved. */
static uint32_t settling_event(const struct explorer *explorer, const struct state *state)
{
    if (state->message_count > 0) {
        return event_of(EVENT_DELIVER, 0, state->messages[0]);
    }
    for (size_t i = 0; i < explorer->cluster.world.configuration->node_count; i++) {
        const struct local_view *view =
            &locals_at(&explorer->cluster.locals, state->locals[i])->view;
        if (view->is_ready_due) {
            return event_of(EVENT_READY, view->id, 0);
        }
        if (view->save_count > 0) {
            return event_of(EVENT_SAVED, view->id, view->save_count);
        }
    }
    return UINT32_MAX;
}

/* Node 1 leads, and that is where to begin. */
static bool is_unheard_start(const struct explorer *explorer, const struct state *state)
{
    return explorer->cluster.world.configuration->start == MODEL_START_UNHEARD &&
           locals_at(&explorer->cluster.locals, state->locals[0])->view.role == RAFT_LEADER;
}

/* Let node 1 be elected, and everything settle. False when something is violated already. */
static bool lead(struct explorer *explorer, struct state *state)
{
    uint32_t event = event_of(EVENT_TIMEOUT, 1, 0);
    while (event != UINT32_MAX) {
        struct state next;
        struct change change;
        ASSERT(explorer->prefix.count < PREFIX_MAX);
        struct run_step *step = &explorer->prefix_steps[explorer->prefix.count++];
        *step = (struct run_step){.event = event};
        if (cluster_next(&explorer->cluster, state, event, &next, &change) != CLUSTER_NEXT) {
            return false;
        }
        bool is_start = is_unheard_start(explorer, &next);
        step->keep = is_start ? 0 : change.keep_first;
        cluster_keep(&change, step->keep, &next);
        *state = next;
        event = is_start ? UINT32_MAX : settling_event(explorer, state);
    }
    return true;
}

static void explore(struct explorer *explorer)
{
    struct cluster *cluster = &explorer->cluster;
    struct model_result *result = explorer->result;
    struct state state;
    bool is_begun =
        cluster_first(cluster, &state) &&
        (cluster->world.configuration->start == MODEL_START_FRESH || lead(explorer, &state));
    if (!is_begun) {
        result->end = world_is_violated(&cluster->world) ? MODEL_VIOLATED : MODEL_STOPPED_MEMORY;
        memcpy(result->violation, cluster->world.violation, sizeof(result->violation));
        if (explorer->options->trace != NULL && result->end == MODEL_VIOLATED) {
            trace_write(explorer->options->trace, cluster, &explorer->prefix, &(struct run){0},
                        result->violation);
        }
        return;
    }
    struct state_sums sums;
    size_t names;
    cluster->is_counting = true;
    cluster_sums(cluster, &state, &sums);
    struct hash hash = cluster_hash(cluster, &state, &sums, &names);
    result->named_states = names;
    if (visited_add(&explorer->visited, hash, 0) != VISITED_NEW ||
        !push(explorer, &explorer->levels[0], &state, (struct link){0})) {
        result->end = MODEL_STOPPED_MEMORY;
        return;
    }
    explore_levels(explorer);
}

int model_explore(const struct model_configuration *configuration,
                  const struct model_options *options, struct model_result *out)
{
    struct explorer explorer;
#define X(name, what, most) ASSERT(configuration->bounds.name <= (most));
    MODEL_COUNTED_MAP(X)
    MODEL_LIMIT_MAP(X)
#undef X
    memset(&explorer, 0, sizeof(explorer));
    memset(out, 0, sizeof(*out));
    explorer.options = options;
    explorer.result = out;
    explorer.prefix.steps = explorer.prefix_steps;
    explorer.began_ns = options->now();
    struct budget *budget = &explorer.cluster.world.budget;
    int status = QR_ERR_NO_MEMORY;
    if (cluster_init(&explorer.cluster, configuration, options) &&
        visited_init(&explorer.visited, budget) && pool_init(&explorer.links, budget) &&
        pool_init(&explorer.levels[0], budget) && pool_init(&explorer.levels[1], budget)) {
        explore(&explorer);
        status = 0;
    }
    out->states = explorer.visited.count;
    out->machine_states = explorer.cluster.locals.numbers.count;
    out->machine_steps = explorer.cluster.locals.step_count;
    out->memory_bytes = budget->used_bytes;
    out->took_ns = options->now() - explorer.began_ns;
    pool_deinit(&explorer.levels[1]);
    pool_deinit(&explorer.levels[0]);
    pool_deinit(&explorer.links);
    visited_deinit(&explorer.visited);
    cluster_deinit(&explorer.cluster);
    return status;
}
