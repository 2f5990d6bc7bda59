/* trace.c: the hash of a run, and its lines. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/trace.h"

#include <string.h>

#include "base/bytes.h"

#define LINE_BYTES_MAX 8192

void sim_trace_init(struct sim_trace *trace, const struct qr_sim_options *options)
{
    *trace = (struct sim_trace){
        .hash = UINT64_C(0x243f6a8885a308d3),
        .line = options->trace,
        .argument = options->trace_argument,
        .is_json = options->is_trace_json,
    };
}

/* One round of a multiply-and-fold hash (as in wyhash), with the product's halves folded. */
uint64_t sim_hash_u64(uint64_t hash, uint64_t value)
{
    uint64_t a = hash ^ UINT64_C(0xa0761d6478bd642f);
    uint64_t b = value ^ UINT64_C(0xe7037ed1a0b428db);
    uint64_t low = (a & UINT32_MAX) * (b & UINT32_MAX);
    uint64_t cross = (a >> 32) * (b & UINT32_MAX) + (low >> 32);
    uint64_t other = (a & UINT32_MAX) * (b >> 32) + (cross & UINT32_MAX);
    uint64_t high = (a >> 32) * (b >> 32) + (cross >> 32) + (other >> 32);
    uint64_t mixed = high ^ (other << 32 | (low & UINT32_MAX));
    return (mixed ^ hash >> 29) * UINT64_C(0x9e3779b97f4a7c15) + value;
}

uint64_t sim_hash_bytes(uint64_t hash, const void *data, size_t size_bytes)
{
    const uint8_t *bytes = data;
    size_t at = 0;
    for (; at + 8 <= size_bytes; at += 8) {
        hash = sim_hash_u64(hash, load_u64(bytes + at));
    }
    uint64_t rest = 0;
    for (; at < size_bytes; at++) {
        rest = rest << 8 | bytes[at];
    }
    return sim_hash_u64(sim_hash_u64(hash, rest), size_bytes);
}

void sim_trace_mix(struct sim_trace *trace, uint64_t value)
{
    trace->hash = sim_hash_u64(trace->hash, value);
}

static const char *kind_name(enum sim_trace_kind kind)
{
    static const char *const names[] = {
#define X(name, text) text,
        SIM_TRACE_MAP(X)
#undef X
    };
    return names[kind];
}

static void host_name(struct text *text, uint32_t host)
{
    text_char(text, 'n');
    text_u64(text, (uint64_t)host + 1);
}

/* Microseconds with three digits behind the point: `12345.678`. */
static void time_text(struct text *text, time_ns at_ns)
{
    text_u64(text, at_ns / 1000);
    text_char(text, '.');
    uint64_t rest = at_ns % 1000;
    text_char(text, (char)('0' + rest / 100));
    text_char(text, (char)('0' + rest / 10 % 10));
    text_char(text, (char)('0' + rest % 10));
}

static void as_text(const struct sim_trace_event *event, const char *words, struct text *text)
{
    time_text(text, event->at_ns);
    text_char(text, ' ');
    if (event->host != SIM_NOBODY) {
        host_name(text, event->host);
        text_char(text, ' ');
    }
    text_string(text, kind_name(event->kind));
    if (event->peer != SIM_NOBODY) {
        text_char(text, ' ');
        host_name(text, event->peer);
    }
    if (words != NULL && words[0] != '\0') {
        text_char(text, ' ');
        text_string(text, words);
    }
}

static void as_json(const struct sim_trace_event *event, const char *words, struct text *text)
{
    text_json_object_begin(text);
    text_json_key(text, "at_ns");
    text_json_u64(text, event->at_ns);
    text_json_key(text, "event");
    text_json_string(text, kind_name(event->kind));
    if (event->host != SIM_NOBODY) {
        text_json_key(text, "node");
        text_json_u64(text, (uint64_t)event->host + 1);
    }
    if (event->peer != SIM_NOBODY) {
        text_json_key(text, "peer");
        text_json_u64(text, (uint64_t)event->peer + 1);
    }
    text_json_key(text, "a");
    text_json_u64(text, event->a);
    text_json_key(text, "b");
    text_json_u64(text, event->b);
    text_json_key(text, "text");
    text_json_string(text, words == NULL ? "" : words);
    text_json_object_end(text);
}

void sim_trace_event(struct sim_trace *trace, const struct sim_trace_event *event,
                     const char *words)
{
    if (event->kind != SIM_TRACE_LOG) {
        uint64_t who = (uint64_t)event->kind << 56 | (uint64_t)(event->host & 0xffff) << 16 |
                       (event->peer & 0xffff);
        uint64_t hash = sim_hash_u64(trace->hash, event->at_ns);
        hash = sim_hash_u64(hash, who);
        hash = sim_hash_u64(hash, event->a);
        trace->hash = sim_hash_u64(hash, event->b);
    }
    if (trace->line == NULL) {
        return;
    }
    char line[LINE_BYTES_MAX];
    struct text text = text_of(line, sizeof(line));
    if (trace->is_json) {
        as_json(event, words, &text);
    } else {
        as_text(event, words, &text);
    }
    trace->line(trace->argument, line);
}
