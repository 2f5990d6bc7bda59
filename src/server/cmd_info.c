/* cmd_info.c: INFO: sections of lines, with the fields that tools of Redis look for. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "server/internal.h"

#include "base/assert.h"

#define INFO_BYTES (32 * 1024) /* QR_MEMBERS_MAX lines with the longest addresses fit */

struct info {
    struct server *server;
    const struct qr_status *status;
    struct text *text;
};

static void line_text(const struct info *info, const char *name, const char *value)
{
    text_string(info->text, name);
    text_char(info->text, ':');
    text_string(info->text, value);
    text_string(info->text, "\r\n");
}

static void line_number(const struct info *info, const char *name, uint64_t value)
{
    text_string(info->text, name);
    text_char(info->text, ':');
    text_u64(info->text, value);
    text_string(info->text, "\r\n");
}

/* 40 hexadecimal digits, as Redis names runs and replications. */
static void line_id(const struct info *info, const char *name, uint64_t high, uint64_t low)
{
    text_string(info->text, name);
    text_char(info->text, ':');
    text_hex(info->text, high, 16);
    text_hex(info->text, low, 16);
    text_string(info->text, "00000000\r\n");
}

/* As "1.50M". */
static void line_human(const struct info *info, const char *name, uint64_t bytes)
{
    static const char units[] = "BKMGT";
    size_t unit = 0;
    uint64_t scaled = bytes <= UINT64_MAX / 100 ? bytes * 100 : bytes;

    while (scaled >= UINT64_C(1024) * 100 && units[unit + 1] != '\0') {
        scaled /= 1024;
        unit++;
    }
    text_string(info->text, name);
    text_char(info->text, ':');
    text_u64(info->text, scaled / 100);
    if (unit > 0) {
        text_char(info->text, '.');
        text_char(info->text, (char)('0' + scaled / 10 % 10));
        text_char(info->text, (char)('0' + scaled % 10));
    }
    text_char(info->text, units[unit]);
    text_string(info->text, "\r\n");
}

static void section_server(const struct info *info)
{
    uint64_t uptime_s = (server_now_ms(info->server) - info->server->opened_ms) / 1000;

    line_text(info, "redis_version", SERVER_REDIS_VERSION);
    line_text(info, "quorate_version", QR_VERSION_TEXT);
    line_text(info, "redis_mode", "cluster");
    line_number(info, "arch_bits", sizeof(void *) * 8);
    line_number(info, "process_id", (uint64_t)uv_os_getpid());
    line_id(info, "run_id", info->status->node_id, 0);
    line_number(info, "tcp_port", info->server->client_port);
    line_number(info, "uptime_in_seconds", uptime_s);
    line_number(info, "uptime_in_days", uptime_s / 86400);
}

static void section_clients(const struct info *info)
{
    line_number(info, "connected_clients", info->server->client_count);
    line_number(info, "blocked_clients", 0); /* redis-cli --stat shows it */
    line_number(info, "maxclients", info->server->options.clients_max);
    line_number(info, "tailing_clients", info->server->tail_count);
}

static void section_memory(const struct info *info)
{
    struct kv_stats kv;
    size_t resident_bytes = 0;

    kv_stats(info->server->options.kv, &kv);
    server_note_memory(info->server);
    if (uv_resident_set_memory(&resident_bytes) != 0) {
        resident_bytes = 0;
    }
    line_number(info, "used_memory", kv.memory_bytes);
    line_human(info, "used_memory_human", kv.memory_bytes);
    line_number(info, "used_memory_rss", resident_bytes);
    line_human(info, "used_memory_rss_human", resident_bytes);
    line_number(info, "used_memory_peak", info->server->stats.memory_peak_bytes);
    line_human(info, "used_memory_peak_human", info->server->stats.memory_peak_bytes);
    line_number(info, "total_system_memory", uv_get_total_memory());
    line_human(info, "total_system_memory_human", uv_get_total_memory());
    line_number(info, "maxmemory", 0);
    line_text(info, "maxmemory_human", "0B");
    line_text(info, "maxmemory_policy", "noeviction");
}

/* Whoever listens has replayed its log: loading is over. */
static void section_persistence(const struct info *info)
{
    line_number(info, "loading", 0);
    line_number(info, "async_loading", 0);
    line_number(info, "aof_enabled", 1);
    line_text(info, "aof_last_write_status", info->status->is_disk_full ? "err" : "ok");
}

static void section_stats(const struct info *info)
{
    const struct server_stats *stats = &info->server->stats;
    struct kv_stats kv;

    kv_stats(info->server->options.kv, &kv);
    line_number(info, "total_connections_received", stats->connection_count);
    line_number(info, "total_commands_processed", stats->command_count);
    line_number(info, "instantaneous_ops_per_sec", stats->commands_per_second);
    line_number(info, "total_net_input_bytes", stats->received_bytes);
    line_number(info, "total_net_output_bytes", stats->sent_bytes);
    line_number(info, "rejected_connections", stats->refused_count);
    line_number(info, "client_output_buffer_limit_disconnections", stats->closed_for_output_count);
    line_number(info, "expired_keys", kv.expired_count);
    line_number(info, "evicted_keys", 0);
    line_number(info, "open_sessions", info->status->session_count);
    line_number(info, "remembered_outcomes", info->status->outcome_count);
}

/* slave0:ip=…,port=…,state=online,offset=…,lag=0 for each other member. */
static void lines_replicas(const struct info *info)
{
    const struct qr_status *status = info->status;
    uint64_t number = 0;

    for (size_t i = 0; i < status->member_count; i++) {
        const struct qr_member *member = &status->members[i];
        char host[QR_ADDRESS_BYTES_MAX];
        uint16_t port;
        if (member->id == status->node_id || member->is_observer ||
            !member_client(member, host, sizeof(host), &port)) {
            continue;
        }
        text_string(info->text, "slave");
        text_u64(info->text, number++);
        text_string(info->text, ":ip=");
        text_string(info->text, host);
        text_string(info->text, ",port=");
        text_u64(info->text, port);
        text_string(info->text, ",state=");
        text_string(info->text, member->health == QR_ALIVE ? "online" : "offline");
        text_string(info->text, ",offset=");
        text_u64(info->text, member->match_index);
        text_string(info->text, ",lag=0\r\n");
    }
}

static uint64_t other_member_count(const struct qr_status *status)
{
    uint64_t count = 0;

    for (size_t i = 0; i < status->member_count; i++) {
        const struct qr_member *member = &status->members[i];
        count += member->id != status->node_id && !member->is_observer ? 1 : 0;
    }
    return count;
}

static void lines_master(const struct info *info)
{
    char host[QR_ADDRESS_BYTES_MAX] = "";
    uint16_t port = 0;
    const struct qr_status *status = info->status;
    bool is_known = member_leader_client(status, host, sizeof(host), &port);

    line_text(info, "master_host", host);
    line_number(info, "master_port", port);
    line_text(info, "master_link_status", is_known ? "up" : "down");
    line_number(info, "slave_repl_offset", status->applied_index);
    line_number(info, "slave_read_only", 0);
}

static void section_replication(const struct info *info)
{
    const struct qr_status *status = info->status;

    if (status->role == QR_LEADER) {
        line_text(info, "role", "master");
        line_number(info, "connected_slaves", other_member_count(status));
        lines_replicas(info);
    } else {
        line_text(info, "role", "slave");
        lines_master(info);
        line_number(info, "connected_slaves", 0);
    }
    line_id(info, "master_replid", status->cluster_high, status->cluster_low);
    line_number(info, "master_repl_offset", status->commit_index);
}

static void section_cluster(const struct info *info)
{
    line_number(info, "cluster_enabled", 1);
}

static void section_keyspace(const struct info *info)
{
    struct kv_stats kv;

    kv_stats(info->server->options.kv, &kv);
    if (kv.key_count == 0) {
        return;
    }
    text_string(info->text, "db0:keys=");
    text_u64(info->text, kv.key_count);
    text_string(info->text, ",expires=");
    text_u64(info->text, kv.expiring_key_count);
    text_string(info->text, ",avg_ttl=0\r\n");
}

static void section_quorate(const struct info *info)
{
    const struct qr_status *status = info->status;

    line_text(info, "node_name", status->name);
    line_text(info, "raft_role", qr_role_name(status->role));
    line_number(info, "raft_term", status->term);
    line_text(info, "raft_leader", status->leader_name);
    line_number(info, "raft_last_index", status->last_index);
    line_number(info, "raft_commit_index", status->commit_index);
    line_number(info, "raft_applied_index", status->applied_index);
    line_number(info, "raft_members", status->member_count);
}

struct section {
    const char *title;
    const char *word; /* what it is asked for with */
    void (*write)(const struct info *info);
};

static const struct section sections[] = {
    {"Server", "SERVER", section_server},       {"Clients", "CLIENTS", section_clients},
    {"Memory", "MEMORY", section_memory},       {"Persistence", "PERSISTENCE", section_persistence},
    {"Stats", "STATS", section_stats},          {"Replication", "REPLICATION", section_replication},
    {"Cluster", "CLUSTER", section_cluster},    {"Quorate", "QUORATE", section_quorate},
    {"Keyspace", "KEYSPACE", section_keyspace},
};

static bool is_asked_for(const struct section *section, const struct kv_argument *words,
                         size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (word_is(&words[i], section->word) || word_is(&words[i], "ALL") ||
            word_is(&words[i], "DEFAULT") || word_is(&words[i], "EVERYTHING")) {
            return true;
        }
    }
    return count == 0;
}

enum dispatch_outcome cmd_info(struct client *client, const struct kv_argument *arguments,
                               size_t count)
{
    char data[INFO_BYTES];
    struct text text = text_of(data, sizeof(data));
    struct info info = {client->server, server_status(client->server), &text};

    for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
        if (!is_asked_for(&sections[i], arguments + 1, count - 1)) {
            continue;
        }
        text_string(&text, text.length == 0 ? "# " : "\r\n# ");
        text_string(&text, sections[i].title);
        text_string(&text, "\r\n");
        sections[i].write(&info);
    }
    struct reply reply = pipeline_reply(client);
    ASSERT(!text.truncated);
    reply_verbatim(&reply, text.data, text.length);
    return DISPATCH_DONE;
}
