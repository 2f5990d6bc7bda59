/* report.c: what was explored and found, for people and for programs. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/model/model.h"

const char *model_end_text(enum model_end end)
{
    switch (end) {
#define X(name, text)                                                                              \
    case name:                                                                                     \
        return text;
        MODEL_END_MAP(X)
#undef X
    }
    return "?";
}

const char *model_start_text(enum model_start start)
{
    switch (start) {
#define X(name, text)                                                                              \
    case name:                                                                                     \
        return text;
        MODEL_START_MAP(X)
#undef X
    }
    return "?";
}

static uint64_t per_second(uint64_t count, time_ns took_ns)
{
    return took_ns == 0 ? 0 : (uint64_t)((double)count * (double)NS_PER_S / (double)took_ns);
}

/* A line for nodes of a kind, if there are any. */
static void write_nodes(FILE *out, const char *name, unsigned nodes)
{
    if (nodes == 0) {
        return;
    }
    fprintf(out, "  %-12s", name);
    for (unsigned id = 1; id <= MODEL_NODES_MAX; id++) {
        if ((nodes >> (id - 1) & 1) != 0) {
            fprintf(out, " %u", id);
        }
    }
    fputc('\n', out);
}

static void write_how(FILE *out, const struct model_configuration *configuration)
{
    fprintf(out, "%s: %s\n", configuration->name, configuration->what);
    fprintf(out, "  %-12s %s; %s; %s\n", "explored", model_start_text(configuration->start),
            configuration->saves_at_once ? "a save is durable at once" : "saves end at any time",
            configuration->has_turns ? "any number of events before a ready"
                                     : "a ready behind each event");
    write_nodes(out, "voters", configuration->voters);
    write_nodes(out, "learners", configuration->learners);
    write_nodes(out, "passive", configuration->passive);
}

static void write_bounds(FILE *out, const struct model_configuration *configuration)
{
#define X(name, what, most)                                                                        \
    fprintf(out, "  %-12s %u  %s\n", #name, configuration->bounds.name, what);
    MODEL_LIMIT_MAP(X)
    fprintf(out, "  %-12s %u  entries of a log\n", "log", MODEL_LOG_MAX);
    fprintf(out, "  %-12s %u  entries being read back on one node\n", "fetches", MODEL_FETCHES_MAX);
    fprintf(out, "  %-12s any number, at any time\n", "losses");
    MODEL_COUNTED_MAP(X)
#undef X
}

void model_report_text(FILE *out, const struct model_configuration *configuration,
                       const struct model_result *result)
{
    write_how(out, configuration);
    write_bounds(out, configuration);
    fprintf(out, "  %-12s %s\n", "ended", model_end_text(result->end));
    fprintf(out, "  %-12s %llu distinct of %llu reached, %llu not yet left\n", "states",
            (unsigned long long)result->states, (unsigned long long)result->transitions,
            (unsigned long long)result->waiting);
    fprintf(out, "  %-12s %llu, were renamed nodes told apart\n", "",
            (unsigned long long)result->named_states);
    fprintf(out, "  %-12s %llu events\n", "depth", (unsigned long long)result->depth);
    fprintf(out, "  %-12s %llu states of one node, %llu events run by src/raft\n", "machines",
            (unsigned long long)result->machine_states, (unsigned long long)result->machine_steps);
    fprintf(out, "  %-12s %llu events past a bound\n", "not taken",
            (unsigned long long)result->cut);
    fprintf(out, "  %-12s %.1f s, %llu distinct states/s, %llu reached/s, %llu MiB\n", "time",
            (double)result->took_ns / (double)NS_PER_S,
            (unsigned long long)per_second(result->states, result->took_ns),
            (unsigned long long)per_second(result->transitions, result->took_ns),
            (unsigned long long)(result->memory_bytes >> 20));
    if (result->violation[0] != '\0') {
        fprintf(out, "  %-12s %s\n", "violated", result->violation);
    }
}

static void json_number(struct text *text, const char *key, uint64_t value)
{
    text_json_key(text, key);
    text_json_u64(text, value);
}

static void json_nodes(struct text *text, const char *key, unsigned nodes)
{
    text_json_key(text, key);
    text_json_array_begin(text);
    for (unsigned id = 1; id <= MODEL_NODES_MAX; id++) {
        if ((nodes >> (id - 1) & 1) != 0) {
            text_json_u64(text, id);
        }
    }
    text_json_array_end(text);
}

static void json_bool(struct text *text, const char *key, bool value)
{
    text_json_key(text, key);
    text_json_bool(text, value);
}

static void json_string(struct text *text, const char *key, const char *value)
{
    text_json_key(text, key);
    text_json_string(text, value);
}

void model_report_json(struct text *text, const struct model_configuration *configuration,
                       const struct model_result *result)
{
    text_json_object_begin(text);
    json_string(text, "configuration", configuration->name);
    json_string(text, "what", configuration->what);
    json_number(text, "nodes", configuration->node_count);
    json_nodes(text, "voters", configuration->voters);
    json_nodes(text, "learners", configuration->learners);
    json_nodes(text, "passive", configuration->passive);
    json_string(text, "start", model_start_text(configuration->start));
    json_bool(text, "saves_at_once", configuration->saves_at_once);
    json_bool(text, "has_turns", configuration->has_turns);
    text_json_key(text, "bounds");
    text_json_object_begin(text);
#define X(name, what, most) json_number(text, #name, configuration->bounds.name);
    MODEL_LIMIT_MAP(X)
    MODEL_COUNTED_MAP(X)
#undef X
    json_number(text, "log", MODEL_LOG_MAX);
    json_number(text, "fetches", MODEL_FETCHES_MAX);
    text_json_object_end(text);
    json_string(text, "ended", model_end_text(result->end));
    json_bool(text, "is_complete", result->end == MODEL_COMPLETE);
    json_number(text, "states", result->states);
    json_number(text, "named_states", result->named_states);
    json_number(text, "reached", result->transitions);
    json_number(text, "waiting", result->waiting);
    json_number(text, "depth", result->depth);
    json_number(text, "machine_states", result->machine_states);
    json_number(text, "machine_steps", result->machine_steps);
    json_number(text, "cut", result->cut);
    json_number(text, "memory_bytes", result->memory_bytes);
    json_number(text, "took_ms", result->took_ns / NS_PER_MS);
    json_number(text, "states_per_s", per_second(result->states, result->took_ns));
    json_string(text, "violation", result->violation);
    json_number(text, "trace_events", result->trace_events);
    text_json_object_end(text);
}
