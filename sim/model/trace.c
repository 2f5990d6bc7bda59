/* trace.c: a run in words. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/model/trace.h"

#include <string.h>

#include "wire/wire.h"

#define LINE_BYTES 1024

static const char *event_word(enum event_kind kind)
{
    static const char *const words[] = {
#define X(name, word) word,
        EVENT_KIND_MAP(X)
#undef X
    };
    return words[kind];
}

static const char *message_words(const struct cluster *cluster, uint16_t number,
                                 char line[LINE_BYTES])
{
    struct text text = text_of(line, LINE_BYTES);
    struct wire_message message = wire_of_raft(&world_message_at(&cluster->world, number)->raft);
    wire_message_text(&message, &text);
    return line;
}

static const char *entry_words(const struct cluster *cluster, uint16_t number,
                               char line[LINE_BYTES])
{
    struct text text = text_of(line, LINE_BYTES);
    entry_text(&world_entry_at(&cluster->world, number)->entry, &text);
    return line;
}

static void write_event(FILE *out, const struct cluster *cluster, uint32_t event)
{
    char line[LINE_BYTES];
    enum event_kind kind = event_kind_of(event);
    unsigned node = (unsigned)event_node(event);
    unsigned argument = event_argument(event);
    fprintf(out, "%-9s ", event_word(kind));
    switch (kind) {
    case EVENT_DELIVER:
    case EVENT_DUPLICATE:
        fputs(message_words(cluster, (uint16_t)argument, line), out);
        break;
    case EVENT_SAVED:
        fprintf(out, "node %u: the oldest %u", node, argument);
        break;
    case EVENT_PROPOSE:
        fprintf(out, "node %u: \"%c\"", node, (char)('a' + argument));
        break;
    case EVENT_READ:
        fprintf(out, "node %u, with %u entries committed anywhere", node, argument);
        break;
    case EVENT_CHANGE:
        if ((argument & EVENT_CHANGE_TO) != 0) {
            fprintf(out, "node %u: other voters", node);
            break;
        }
        fprintf(out, "node %u: %s node %u", node,
                (argument & EVENT_CHANGE_ADD) != 0 ? "make a voter of" : "remove",
                argument & (EVENT_CHANGE_ADD - 1));
        break;
    case EVENT_TRANSFER:
        fprintf(out, "node %u, to node %u", node, argument);
        break;
    case EVENT_CRASH:
        fprintf(out, "node %u, with %u of its saves durable%s, and restart", node,
                argument & (EVENT_CRASH_MARKED - 1),
                (argument & EVENT_CRASH_MARKED) != 0 ? " and its commit index" : "");
        break;
    case EVENT_HINT:
    case EVENT_TIMEOUT:
    case EVENT_LAPSE:
    case EVENT_FETCHED:
    case EVENT_COMPACT:
    case EVENT_INSTALL:
    case EVENT_READY:
        fprintf(out, "node %u", node);
        break;
    }
    fputc('\n', out);
}

static void write_save(FILE *out, const struct cluster *cluster, const struct machine *machine,
                       const struct machine_save *save)
{
    char line[LINE_BYTES];
    fprintf(out, "        %u saves term=%llu", (unsigned)machine->id,
            (unsigned long long)save->hard_state.term);
    if (save->hard_state.has_voted) {
        fprintf(out, " voted_for=%llu", (unsigned long long)save->hard_state.voted_for);
    }
    if (save->reset > 0) {
        fprintf(out, " reset=%zu", save->reset);
    }
    for (size_t i = 0; i < save->count; i++) {
        fprintf(out, "%s%s%s", i == 0 ? " entries=[" : ", ",
                entry_words(cluster, save->entries[i], line), i + 1 == save->count ? "]" : "");
    }
    fputc('\n', out);
}

/* How the node stands now, and the saves that it has given out in this event. */
static void write_node(FILE *out, struct cluster *cluster, uint32_t before, uint32_t after)
{
    char line[LINE_BYTES];
    struct text text = text_of(line, LINE_BYTES);
    struct raft_status status;
    uint64_t last_number = 0;
    const struct machine *machine = locals_machine(&cluster->locals, before);
    if (machine->save_count > 0) {
        last_number = machine->saves[machine->save_count - 1].number;
    }
    machine = locals_machine(&cluster->locals, after);
    raft_status(machine->raft, &status);
    raft_status_text(&status, &text);
    fprintf(out, "        %u %s\n", (unsigned)machine->id, line);
    for (size_t i = 0; i < machine->save_count; i++) {
        if (machine->saves[i].number > last_number) {
            write_save(out, cluster, machine, &machine->saves[i]);
        }
    }
}

/* What the node sends, and what the network loses. `sent` are the last that were offered. */
static void write_messages(FILE *out, const struct cluster *cluster, const struct change *change,
                           size_t sent, uint32_t keep)
{
    char line[LINE_BYTES];
    for (size_t i = 0; i < change->offered_count; i++) {
        bool is_kept = (keep >> i & 1) != 0;
        bool is_sent = i + sent >= change->offered_count;
        if (is_sent || !is_kept) {
            fprintf(out, "        %s%s%s\n",
                    is_sent ? "sends " : "lost: ", message_words(cluster, change->offered[i], line),
                    is_sent && !is_kept ? " (lost)" : "");
        }
    }
}

/* Returns false behind the event that violates. */
static bool write_run(FILE *out, struct cluster *cluster, const struct run *run,
                      struct state *state)
{
    for (size_t i = 0; i < run->count; i++) {
        struct state next;
        struct change change;
        uint32_t event = run->steps[i].event;
        node_id id = cluster_event_node(cluster, event);
        fprintf(out, "%4zu  ", i + 1);
        write_event(out, cluster, event);
        if (cluster_next(cluster, state, event, &next, &change) != CLUSTER_NEXT) {
            return false;
        }
        if (state->locals[id - 1] != next.locals[id - 1]) {
            write_node(out, cluster, state->locals[id - 1], next.locals[id - 1]);
        }
        size_t left = state->message_count - (event_kind_of(event) == EVENT_DELIVER ? 1U : 0U);
        write_messages(out, cluster, &change, change.offered_count - left, run->steps[i].keep);
        cluster_keep(&change, run->steps[i].keep, &next);
        *state = next;
    }
    return true;
}

void trace_write(FILE *out, struct cluster *cluster, const struct run *prefix,
                 const struct run *run, const char *violation)
{
    struct state state;
    memset(cluster->world.violation, 0, sizeof(cluster->world.violation));
    cluster->is_counting = false;
    bool goes_on = cluster_first(cluster, &state);
    if (prefix->count > 0 && goes_on) {
        fprintf(out, "before the start:\n");
        goes_on = write_run(out, cluster, prefix, &state);
    }
    if (run->count > 0 && goes_on) {
        fprintf(out, "the shortest run to the violation, %zu events:\n", run->count);
        cluster->is_counting = true;
        (void)write_run(out, cluster, run, &state);
    }
    if (strcmp(cluster->world.violation, violation) != 0) {
        fprintf(out, "but it did not happen again: %s\n", cluster->world.violation);
    }
    fprintf(out, "violated: %s\n", violation);
}
