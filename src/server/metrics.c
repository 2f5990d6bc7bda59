/* metrics.c: /metrics in Prometheus' text format 0.0.4. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "server/internal.h"

#define METRICS_BYTES (32 * 1024)

struct metric {
    const char *name; /* without quorate_ */
    const char *help;
    const char *type; /* "counter": _total is put behind the name; or "gauge" */
    uint64_t value;
};

static void write_metric(struct text *text, const struct metric *metric)
{
    const char *suffix = metric->type[0] == 'c' ? "_total" : "";
    const char *parts[] = {"# HELP quorate_",   metric->name, suffix, " ", metric->help,
                           "\n# TYPE quorate_", metric->name, suffix, " ", metric->type,
                           "\nquorate_",        metric->name, suffix, " "};

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        text_string(text, parts[i]);
    }
    text_u64(text, metric->value);
    text_char(text, '\n');
}

static void write_all(struct text *text, const struct metric *metrics, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        write_metric(text, &metrics[i]);
    }
}

/* Prometheus counts time in seconds. */
static void write_sync_time(struct text *text, time_ns sync_time_ns)
{
    static const char name[] = "quorate_sync_seconds_total";
    uint64_t microseconds = sync_time_ns % NS_PER_S / 1000;

    text_string(text, "# HELP ");
    text_string(text, name);
    text_string(text, " Time spent in writes and syncs of the log\n# TYPE ");
    text_string(text, name);
    text_string(text, " counter\n");
    text_string(text, name);
    text_char(text, ' ');
    text_u64(text, sync_time_ns / NS_PER_S);
    text_char(text, '.');
    for (uint64_t unit = 100000; unit > 0; unit /= 10) {
        text_char(text, (char)('0' + microseconds / unit % 10));
    }
    text_char(text, '\n');
}

static void engine_counters(struct server *server, struct text *text)
{
    struct qr_counters counters = {.size_bytes = sizeof(counters)};

    (void)qr_counters(server->options.engine, &counters);
    const struct metric metrics[] = {
#define X(name, help) {#name, help, "counter", counters.name},
        QR_COUNTER_MAP(X)
#undef X
    };
    write_all(text, metrics, sizeof(metrics) / sizeof(metrics[0]));
    const struct metric size = {"log_size_bytes", "Bytes of the log's files", "gauge",
                                counters.log_size_bytes};
    write_metric(text, &size);
    const struct metric snapshot = {"snapshot_size_bytes",
                                    "Bytes of the latest snapshot, as it is stored", "gauge",
                                    counters.snapshot_size_bytes};
    write_metric(text, &snapshot);
    const struct metric packet = {"gossip_packet_longest_bytes",
                                  "Bytes of the longest packet of gossip that was sent", "gauge",
                                  counters.gossip_packet_longest_bytes};
    write_metric(text, &packet);
    write_sync_time(text, counters.sync_time_ns);
}

/* Of the configuration: an observer is none. */
static uint64_t count_members(const struct qr_status *status, bool only_voters, bool only_alive)
{
    uint64_t count = 0;

    for (size_t i = 0; i < status->member_count; i++) {
        const struct qr_member *member = &status->members[i];
        bool counts = !member->is_observer && (!only_voters || member->is_voter) &&
                      (!only_alive || member->health == QR_ALIVE);
        count += counts ? 1 : 0;
    }
    return count;
}

static void raft_gauges(struct server *server, struct text *text)
{
    const struct qr_status *status = server_status(server);
    const struct metric metrics[] = {
        {"is_leader", "1 while this node leads", "gauge", status->role == QR_LEADER},
        {"has_leader", "1 while a leader is known", "gauge", status->has_leader},
        {"is_disk_full", "1 while writes are refused for want of space", "gauge",
         status->is_disk_full},
        {"diverged", "1 while this node's state differs from a majority's", "gauge",
         status->is_diverged},
        {"term", "The present term", "gauge", status->term},
        {"first_index", "Index of the first entry in the log", "gauge", status->first_index},
        {"last_index", "Index of the last entry in the log", "gauge", status->last_index},
        {"commit_index", "Index of the last entry known to be committed", "gauge",
         status->commit_index},
        {"applied_index", "Index of the last entry applied", "gauge", status->applied_index},
        {"snapshot_index", "Index of the latest snapshot", "gauge", status->snapshot_index},
        {"sessions", "Open sessions", "gauge", status->session_count},
        {"outcomes", "Sequences and tokens whose outcome is remembered", "gauge",
         status->outcome_count},
        {"members", "Members of the cluster", "gauge", count_members(status, false, false)},
        {"voters", "Members that vote", "gauge", count_members(status, true, false)},
        {"swim_local_health", "How slow this node finds itself: 0 is well, 8 the most", "gauge",
         status->swim.local_health},
        {"swim_members_live", "Members held for alive by gossip, suspects and observers too",
         "gauge", status->swim.live_count},
        {"swim_members_suspect", "Of those, suspects", "gauge", status->swim.suspect_count},
        {"swim_members_dead", "Members held for dead by gossip", "gauge", status->swim.dead_count},
        {"swim_updates_queued", "Updates that are still to be spread", "gauge",
         status->swim.queued_count},
        {"members_alive", "Members that are believed alive", "gauge",
         count_members(status, false, true)},
    };

    write_all(text, metrics, sizeof(metrics) / sizeof(metrics[0]));
}

static void server_metrics(struct server *server, struct text *text)
{
    const struct server_stats *stats = &server->stats;
    const struct metric metrics[] = {
        {"clients", "Connected clients of the Redis protocol", "gauge", server->client_count},
        {"http_clients", "Connected HTTP clients", "gauge", server->http_count},
        {"commands", "Commands taken from clients", "counter", stats->command_count},
        {"client_connections", "Connections of clients taken", "counter", stats->connection_count},
        {"client_connections_refused", "Connections refused for a limit", "counter",
         stats->refused_count},
        {"clients_closed_for_output", "Clients closed because they did not read", "counter",
         stats->closed_for_output_count},
        {"client_received_bytes", "Bytes received from clients", "counter", stats->received_bytes},
        {"client_sent_bytes", "Bytes sent to clients", "counter", stats->sent_bytes},
        {"http_requests", "HTTP requests answered", "counter", stats->http_request_count},
        {"events_listeners", "Who listens at /events", "gauge", server->listener_count},
        {"events_sent", "Events sent to all of them together", "counter", stats->events_sent_count},
        {"events_listeners_dropped", "Listeners dropped because they did not read", "counter",
         stats->listeners_dropped_count},
    };

    write_all(text, metrics, sizeof(metrics) / sizeof(metrics[0]));
}

static void store_metrics(struct server *server, struct text *text)
{
    struct kv_stats kv;
    size_t resident_bytes = 0;

    kv_stats(server->options.kv, &kv);
    if (uv_resident_set_memory(&resident_bytes) != 0) {
        resident_bytes = 0;
    }
    const struct metric metrics[] = {
        {"keys", "Keys in the store", "gauge", kv.key_count},
        {"keys_expiring", "Keys with a time to live", "gauge", kv.expiring_key_count},
        {"keys_expired", "Keys removed because their time had come", "counter", kv.expired_count},
        {"store_memory_bytes", "Memory of keys, values and tree", "gauge", kv.memory_bytes},
        {"resident_memory_bytes", "Resident memory of the process", "gauge", resident_bytes},
        {"log_lines_dropped", "Log lines dropped because nobody read them", "counter",
         server->options.logger == NULL ? 0 : qr_logger_dropped_count(server->options.logger)},
    };
    write_all(text, metrics, sizeof(metrics) / sizeof(metrics[0]));
}

void metrics_text(struct server *server, struct buffer *out)
{
    uint8_t *room = buffer_reserve(out, METRICS_BYTES);

    if (room == NULL) {
        return;
    }
    struct text text = text_of((char *)room, METRICS_BYTES);
    engine_counters(server, &text);
    raft_gauges(server, &text);
    server_metrics(server, &text);
    store_metrics(server, &text);
    ASSERT(!text.truncated);
    out->end += text.length;
}
