/* gossip.c: the node's SWIM machine: begun and ended, and what goes in and out of it.
 *
 * One machine lives as long as the node is to be seen by the others. It ends, and the next one
 * begins as a new life,
 *   - when the node was taken into a cluster, or invited to one, that the machine has not found by
 *     itself;
 *   - when the log says that the node was removed: it leaves, so that its name is free; the next
 *     begins if the log takes it in again;
 *   - some time after an older member kept its name, or memory ran out.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "base/mutant.h"
#include "base/text.h"
#include "node/internal.h"
#include "quorate/error.h"
#include "wire/packet.h"

#define NS_PER_INCARNATION NS_PER_MS         /* incarnations begin with the wall clock */
#define GOSSIP_SEED UINT64_C(0x676f73736970) /* sets its chance apart from the node's */

static bool copy_address(const char *from, char to[SWIM_ADDRESS_BYTES_MAX])
{
    struct text text = text_of(to, SWIM_ADDRESS_BYTES_MAX);
    text_string(&text, from == NULL ? "" : from);
    return !text.truncated;
}

static bool is_member(const struct node *node)
{
    return raft_configuration_find(node_configuration(node), node->identity.id) >= 0;
}

/* None as long as it is in none; one that is about to be begun, or that invited it, counts. */
static struct cluster_id cluster_of(const struct node *node)
{
    if (node->identity.is_log_used || node->phase == NODE_OPENING) {
        return node->identity.cluster;
    }
    return node->options.is_bootstrap ? node->options.fresh_cluster_id : node->invited.cluster;
}

/* A new life, above every incarnation of this node that can be known. */
static int begin(struct node *node)
{
    struct node_gossip *gossip = node->gossip;
    struct swim_options options = gossip->options;
    uint64_t incarnation = node->time.wall_ns / NS_PER_INCARNATION;
    ASSERT(gossip->swim == NULL);
    options.allocator = node->options.allocator;
    options.cards = NULL;
    options.self = node->identity.id;
    options.cluster = cluster_of(node);
    options.seed = prng_next(&gossip->prng);
    options.incarnation =
        gossip->counters.begun == 0 ? incarnation : max_u64(incarnation, gossip->incarnation + 1);
    node_gossip_profile(node, &gossip->profile);
    int status = swim_new(&options, &gossip->profile, node->time.now_ns, &gossip->swim);
    if (status != 0) {
        return status;
    }
    gossip->incarnation = options.incarnation;
    gossip->counters.begun++;
    gossip->again_ns = TIME_NEVER;
    gossip->has_seeded = false;
    gossip->told_term = 0;
    node->needs_turn = true;
    return 0;
}

static void end(struct node *node)
{
    struct node_gossip *gossip = node->gossip;
    if (gossip->swim != NULL) { /* the next life begins above all that this one said of itself */
        struct swim_status now;
        swim_status(gossip->swim, &now);
        gossip->incarnation = max_u64(gossip->incarnation, now.incarnation);
    }
    swim_free(node->gossip->swim);
    node->gossip->swim = NULL;
    node->gossip->is_over = false;
    node->gossip->has_output = false;
}

static int fail_open(struct node *node, int status, char *detail)
{
    struct text text = text_of(detail, NODE_DETAIL_BYTES);
    text_string(&text, status == QR_ERR_NO_MEMORY
                           ? "memory ran out"
                           : "gossip: an option, the name or an address is out of bounds");
    node_gossip_free(node);
    return status;
}

int node_gossip_open(struct node *node, char *detail)
{
    const struct node_options *options = &node->options;
    if (options->gossip == NULL) {
        return 0;
    }
    ASSERT(options->io.gossip_packet != NULL && options->io.gossip_stream != NULL);
    node->gossip = allocate_zeroed(options->allocator, sizeof(*node->gossip));
    if (node->gossip == NULL) {
        return fail_open(node, QR_ERR_NO_MEMORY, detail);
    }
    struct node_gossip *gossip = node->gossip;
    gossip->options = *options->gossip;
    node->options.gossip = NULL; /* was lent until now */
    gossip->prng = prng_of(options->seed ^ GOSSIP_SEED);
    bool fits = copy_address(options->client_address, gossip->client_address) &&
                copy_address(options->http_address, gossip->http_address);
    int status = fits ? begin(node) : QR_ERR_INVALID;
    return status == 0 ? 0 : fail_open(node, status, detail);
}

void node_gossip_free(struct node *node)
{
    if (node->gossip != NULL) {
        end(node);
        release(node->options.allocator, node->gossip, sizeof(*node->gossip));
        node->gossip = NULL;
    }
}

/* Without memory the machine can only be ended; Raft does not hang on it. */
static void out_of_memory(struct node *node)
{
    node->gossip->is_over = true;
    node->gossip->again_ns = node->time.now_ns + NODE_GOSSIP_AGAIN_NS;
    LOG(node->options.log, LOG_ERROR, "gossip_failed",
        log_string("reason", "memory ran out; it begins anew later"));
}

int node_gossip_step(struct node *node, struct swim_event event)
{
    struct node_gossip *gossip = node->gossip;
    if (gossip == NULL || gossip->swim == NULL || gossip->is_over) {
        return QR_ERR_STOPPED;
    }
    event.now_ns = node->time.now_ns;
    int status = swim_step(gossip->swim, &event);
    gossip->has_output = true;
    if (status == QR_ERR_NO_MEMORY) {
        out_of_memory(node);
    }
    return status;
}

static void send_packets(struct node *node, const struct swim_ready *ready)
{
    struct node_gossip *gossip = node->gossip;
    const struct node_io *io = &node->options.io;
    for (size_t i = 0; i < ready->packet_count; i++) {
        const struct swim_packet *packet = &ready->packets[i];
        size_t size_bytes =
            wire_packet_encode(&packet->message, gossip->bytes, SWIM_PACKET_BYTES_MAX);
        ASSERT(size_bytes > 0);
        gossip->counters.packets_sent++;
        gossip->counters.packets_sent_bytes += size_bytes;
        io->gossip_packet(io->context, packet->address, gossip->bytes, size_bytes);
    }
}

static void send_streams(struct node *node, const struct swim_ready *ready)
{
    struct node_gossip *gossip = node->gossip;
    const struct node_io *io = &node->options.io;
    for (size_t i = 0; i < ready->stream_count; i++) {
        const struct swim_stream *stream = &ready->streams[i];
        size_t size_bytes =
            wire_packet_encode(&stream->message, gossip->bytes, sizeof(gossip->bytes));
        ASSERT(size_bytes > 0);
        gossip->counters.messages_sent++;
        gossip->counters.messages_sent_bytes += size_bytes;
        io->gossip_stream(io->context, stream->is_answer ? NULL : stream->address, stream->answers,
                          gossip->bytes, size_bytes);
    }
}

/* What the steps caused. The news come first: they decide what Raft does in this turn. */
static void take_ready(struct node *node)
{
    struct node_gossip *gossip = node->gossip;
    if (gossip->swim == NULL || !gossip->has_output || gossip->is_over) {
        return;
    }
    struct swim_ready ready;
    swim_ready(gossip->swim, &ready);
    gossip->has_output = false;
    for (size_t i = 0; i < ready.news_count && node->phase != NODE_STOPPED; i++) {
        node_gossip_news(node, &ready.news[i]);
    }
    if (node->phase != NODE_STOPPED) {
        send_packets(node, &ready);
        send_streams(node, &ready);
    }
}

/* The log took this node out for good, as far as this node knows it: say so, and be silent. */
static void leave_removed(struct node *node)
{
    struct node_gossip *gossip = node->gossip;
    bool is_in = is_member(node);
    bool is_out = !is_in && gossip->was_member && raft_configuration_is_committed(node->raft);
    gossip->was_member = is_in || (gossip->was_member && !is_out);
    if (is_out) {
        int status = node_gossip_step(
            node, (struct swim_event){.type = SWIM_EVENT_LEAVE, .leave = SWIM_REASON_REMOVED});
        (void)status;                  /* it is leaving already, or there is no machine */
        gossip->again_ns = TIME_NEVER; /* nor does it come back, if its name was taken before */
    }
}

/* A machine that was silenced while the node is to be heard makes room for the next. */
static void renew(struct node *node)
{
    struct node_gossip *gossip = node->gossip;
    if (gossip->swim != NULL && !gossip->is_over) {
        struct swim_status now;
        swim_status(gossip->swim, &now);
        struct cluster_id cluster = cluster_of(node);
        bool is_elsewhere = !cluster_id_is_none(cluster) && !cluster_id_equal(cluster, now.cluster);
        bool is_back = now.is_leaving && gossip->was_member && gossip->again_ns == TIME_NEVER;
        bool is_due = node->time.now_ns >= gossip->again_ns;
        gossip->is_over = is_elsewhere || is_back || is_due;
        gossip->again_ns = gossip->is_over ? node->time.now_ns : gossip->again_ns;
    }
    if (gossip->is_over) {
        end(node);
    }
    if (gossip->swim == NULL && node->time.now_ns >= gossip->again_ns && begin(node) != 0) {
        out_of_memory(node);
    }
}

static void tell_profile(struct node *node)
{
    struct node_gossip *gossip = node->gossip;
    struct swim_profile now;
    node_gossip_profile(node, &now);
    if (memcmp(&now, &gossip->profile, sizeof(now)) != 0) {
        memcpy(&gossip->profile, &now, sizeof(now)); /* as a whole, like the comparison */
        int status = node_gossip_step(
            node, (struct swim_event){.type = SWIM_EVENT_PROFILE, .profile = &now});
        (void)status; /* it goes with the next life, if there is none in this one */
    }
}

static void tell_leader(struct node *node)
{
    struct node_gossip *gossip = node->gossip;
    struct raft_status now = *node_raft_status(node);
    if (MUTANT(GOSSIP_CANDIDATE_LEADS) && now.role == RAFT_CANDIDATE) {
        now.has_leader = true;
        now.leader = node->identity.id;
    }
    if (MUTANT(GOSSIP_STALE_LEADER) && !now.has_leader && gossip->told_term > 0) {
        now.has_leader = true;
        now.leader = gossip->told_leader;
    }
    bool is_term_told =
        now.term == gossip->told_term || (MUTANT(GOSSIP_TOLD_BY_NAME) && gossip->told_term > 0);
    if (!now.has_leader || (is_term_told && now.leader == gossip->told_leader)) {
        return;
    }
    int status = node_gossip_step(
        node, (struct swim_event){.type = SWIM_EVENT_LEADER, .leader = {now.term, now.leader}});
    if (status == 0) {
        gossip->told_term = now.term;
        gossip->told_leader = now.leader;
    }
}

void node_gossip_turn(struct node *node)
{
    struct node_gossip *gossip = node->gossip;
    if (gossip == NULL) {
        return;
    }
    take_ready(node); /* what it said last decides how it goes on */
    if (!gossip->is_leaving && node->phase != NODE_STOPPED) {
        renew(node);
    }
    if (gossip->swim != NULL && node->time.now_ns >= swim_deadline(gossip->swim)) {
        int status = node_gossip_step(node, (struct swim_event){.type = SWIM_EVENT_TICK});
        ASSERT(status == 0 || status == QR_ERR_NO_MEMORY || status == QR_ERR_STOPPED);
    }
    take_ready(node);
}

void node_gossip_tell(struct node *node)
{
    struct node_gossip *gossip = node->gossip;
    if (gossip == NULL || gossip->swim == NULL || gossip->is_over) {
        return;
    }
    if (node_is_running(node)) {
        leave_removed(node);
        tell_leader(node);
    }
    tell_profile(node);
    node_gossip_seed(node);
    take_ready(node);
}

time_ns node_gossip_deadline(const struct node *node)
{
    const struct node_gossip *gossip = node->gossip;
    if (gossip == NULL) {
        return TIME_NEVER;
    }
    if (gossip->swim == NULL || gossip->is_over) {
        return gossip->is_leaving ? TIME_NEVER : gossip->again_ns;
    }
    time_ns again_ns = gossip->is_leaving ? TIME_NEVER : gossip->again_ns;
    return min_u64(swim_deadline(gossip->swim), again_ns);
}

static void take(struct node *node, struct swim_event event, const uint8_t *data, size_t size_bytes)
{
    struct node_gossip *gossip = node->gossip;
    struct swim_message message;
    size_t source_bytes = 0;
    while (source_bytes < SWIM_ADDRESS_BYTES_MAX && event.received.source[source_bytes] != '\0') {
        source_bytes++;
    }
    if (source_bytes == 0 || source_bytes == SWIM_ADDRESS_BYTES_MAX ||
        wire_packet_decode(data, size_bytes, gossip->updates, SWIM_UPDATES_MAX, &message) != 0) {
        gossip->counters.undecodable++;
        return;
    }
    event.received.message = &message;
    event.received.size_bytes = (uint32_t)size_bytes;
    int status = node_gossip_step(node, event);
    (void)status; /* what is refused, the machine has counted */
}

static bool hears(struct node *node, struct node_time time)
{
    node->time = time;
    return node->gossip != NULL && node->phase != NODE_STOPPED;
}

void node_gossip_packet(struct node *node, const uint8_t *data, size_t size_bytes,
                        const char *source, bool is_proved, struct node_time time)
{
    if (!hears(node, time)) {
        return;
    }
    node->gossip->counters.packets_received++;
    node->gossip->counters.packets_received_bytes += size_bytes;
    take(node,
         (struct swim_event){.type = SWIM_EVENT_PACKET,
                             .received = {.source = source, .is_proved = is_proved}},
         data, size_bytes);
}

void node_gossip_stream(struct node *node, uint64_t stream, const uint8_t *data, size_t size_bytes,
                        const char *source, bool is_proved, struct node_time time)
{
    if (!hears(node, time)) {
        return;
    }
    node->gossip->counters.messages_received++;
    node->gossip->counters.messages_received_bytes += size_bytes;
    take(node,
         (struct swim_event){
             .type = SWIM_EVENT_STREAM,
             .received = {.source = source, .stream = stream, .is_proved = is_proved}},
         data, size_bytes);
}

void node_member_closed(struct node *node, node_id member, bool is_refused, struct node_time time)
{
    if (!hears(node, time)) {
        return;
    }
    node->gossip->counters.closed_told++;
    int status = node_gossip_step(
        node, (struct swim_event){.type = SWIM_EVENT_HINT,
                                  .hint = {.id = member, .is_refused = is_refused}});
    (void)status; /* nobody that is known, or enough are looked at */
}

void node_gossip_leave(struct node *node, enum swim_reason reason, struct node_time time)
{
    if (!hears(node, time)) {
        return;
    }
    node->gossip->is_leaving = true;
    int status =
        node_gossip_step(node, (struct swim_event){.type = SWIM_EVENT_LEAVE, .leave = reason});
    ASSERT(status == 0 || status == QR_ERR_STOPPED || status == QR_ERR_NO_MEMORY);
    node->needs_turn = true;
}

bool node_gossip_is_gone(const struct node *node)
{
    const struct node_gossip *gossip = node->gossip;
    if (gossip == NULL || gossip->swim == NULL || gossip->is_over || node->phase == NODE_STOPPED) {
        return true;
    }
    struct swim_status now;
    swim_status(gossip->swim, &now);
    return now.is_stopped;
}

const struct swim *node_swim(const struct node *node)
{
    return node->gossip == NULL || node->gossip->is_over ? NULL : node->gossip->swim;
}
