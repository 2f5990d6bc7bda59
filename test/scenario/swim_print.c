/* swim_print.c: what happens in a scenario about SWIM, one event a line. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "base/assert.h"
#include "scenario/swim_cluster.h"
#include "wire/packet.h"

void swim_print_line(struct swim_cluster *cluster, enum verbosity least, const char *format, ...)
{
    if (cluster->verbosity < least) {
        return;
    }
    if (cluster->said_ns != cluster->now_ns) {
        cluster->said_ns = cluster->now_ns;
        (void)fprintf(cluster->out, "(%" PRIu64 " ms)\n", (cluster->now_ns - NS_PER_S) / NS_PER_MS);
    }
    va_list arguments;
    va_start(arguments, format);
    (void)vfprintf(cluster->out, format, arguments);
    va_end(arguments);
    (void)fputc('\n', cluster->out);
}

/* Sequences are drawn at random: they are shown as 1, 2, 3. */
static uint32_t sequence_shown(struct swim_cluster *cluster, uint32_t sequence)
{
    size_t at = 0;
    while (at < cluster->sequence_count && cluster->sequences[at] != sequence) {
        at++;
    }
    if (at == cluster->sequence_count) {
        ASSERT(cluster->sequence_count < SEQUENCES_MAX);
        cluster->sequences[cluster->sequence_count++] = sequence;
    }
    return (uint32_t)at + 1;
}

static void show_sequence(struct swim_cluster *cluster, struct swim_message *message)
{
    uint32_t *sequences[] = {
        [SWIM_PING - SWIM_PING] = &message->ping.sequence,
        [SWIM_PING_REQ - SWIM_PING] = &message->ping_req.sequence,
        [SWIM_ACK - SWIM_PING] = &message->ack.sequence,
        [SWIM_NACK - SWIM_PING] = &message->nack.sequence,
        [SWIM_GOSSIP - SWIM_PING] = NULL,
        [SWIM_PUSH_PULL - SWIM_PING] = &message->push_pull.sequence,
        [SWIM_PUSH_PULL_RESPONSE - SWIM_PING] = &message->push_pull_response.sequence,
    };
    uint32_t *sequence = sequences[message->type - SWIM_PING];
    if (sequence != NULL) {
        *sequence = sequence_shown(cluster, *sequence);
    }
}

/* `h3:7700` goes without saying for 3. */
static bool is_its_own(const struct swim_message *message, const char *address)
{
    char own[SWIM_ADDRESS_BYTES_MAX];
    (void)snprintf(own, sizeof(own), "h%" PRIu64 ":7700", message->to);
    return message->has_to && strcmp(own, address) == 0;
}

void swim_print_message(struct swim_cluster *cluster, const char *verb, const char *address,
                        const struct swim_message *message)
{
    if (cluster->verbosity < SAY_ALL) {
        return;
    }
    char line[LINE_BYTES];
    struct text text = text_of(line, sizeof(line));
    struct swim_message shown = *message;
    show_sequence(cluster, &shown);
    wire_packet_text(&shown, &text);
    bool is_told = address[0] != '\0' && !is_its_own(message, address);
    swim_print_line(cluster, SAY_ALL, "%" PRIu64 " %s %s%s%s", message->from, verb, line,
                    is_told ? " to " : "", is_told ? address : "");
}

void swim_print_news(struct swim_cluster *cluster, node_id id, const struct swim_news *news)
{
    char line[LINE_BYTES];
    struct text text = text_of(line, sizeof(line));
    swim_news_text(news, &text);
    swim_print_line(cluster, SAY_ROLES, "%" PRIu64 " news %s", id, line);
}

void swim_print_members(struct swim_cluster *cluster, node_id id)
{
    const struct swim *swim = cluster->hosts[id].swim;
    struct swim_status status;
    swim_status(swim, &status);
    swim_print_line(cluster, SAY_NOTHING,
                    "%" PRIu64 " health=%" PRIu32 " leader=%" PRIu64 "/%" PRIu64 "%s%s", id,
                    status.local_health, status.leader_term, status.leader,
                    status.is_leaving ? " leaving" : "", status.is_stopped ? " stopped" : "");
    struct swim_member_status member;
    for (uint32_t place = 0; swim_member_at(swim, &place, &member); place++) {
        struct swim_profile profile = {.name = "?"};
        if (member.profile.size_bytes > 0) {
            ASSERT(swim_profile_decode(member.profile, &profile) == 0);
        }
        bool has_reason = member.reason != SWIM_REASON_NONE;
        swim_print_line(cluster, SAY_NOTHING, "  %" PRIu64 "@%" PRIu64 " %s %s@%s%s%s%s", member.id,
                        member.incarnation, swim_state_name(member.state), profile.name,
                        profile.peer, has_reason ? ": " : "",
                        has_reason ? swim_reason_text(member.reason) : "",
                        member.is_listed ? "" : " (remembered)");
    }
}
