/* clients.c: who uses the cluster: one operation at a time each, wherever a node answers. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "quorate/error.h"
#include "sim/internal.h"
#include "sim/observe.h"

#define PATIENCE 3            /* a client waits for so many proposal timeouts */
#define MOVE_MILLIONTHS 50000 /* of its operations a client sends elsewhere */
#define READ_BYTES_MAX 8192
#define GATHER_NS_MAX (20 * NS_PER_MS)

static time_ns draw_pause_ns(struct sim *sim)
{
    bool is_rushed = sim->apply.commit_count < sim->plan.commits;
    uint64_t mean_us = sim->phase == SIM_PHASE_SAFETY ? sim->plan.think_us
                       : is_rushed                    ? SIM_RUSH_US
                                                      : sim->plan.calm_us;
    return prng_between(&sim->client_prng, 0, 2 * mean_us) * 1000 + 1000;
}

static void rest(struct sim_client *client)
{
    struct sim *sim = client->sim;
    client->is_waiting = false;
    sim_schedule_add(&sim->schedule, &client->event, sim_now(sim) + draw_pause_ns(sim));
}

static bool may_use(const struct sim *sim, const struct sim_host *host)
{
    return sim_host_is_up(host) && !host->has_failed && !sim_host_is_paused(host) &&
           (sim->phase == SIM_PHASE_SAFETY ||
            (sim->is_core[host->number] && !sim_members_is_removed(host)));
}

static struct sim_host *choose_host(struct sim_client *client)
{
    struct sim *sim = client->sim;
    struct prng *prng = &sim->client_prng;
    bool is_moving = sim_chance(prng, MOVE_MILLIONTHS);
    if (is_moving || !may_use(sim, &sim->hosts[client->host])) {
        client->host = (uint32_t)prng_between(prng, 0, sim->serving_count - 1);
    }
    struct sim_host *host = &sim->hosts[client->host];
    return may_use(sim, host) ? host : NULL;
}

/* Applied, or rejected by every state machine: either way the entry has an index and a result. */
static bool is_done(int status)
{
    return status == 0 || status == QR_ERR_REJECTED;
}

/* The end of the operation that the client waits for. */
static void finish(struct sim_client *client, const struct qr_sim_outcome *outcome)
{
    struct sim *sim = client->sim;
    const struct qr_sim_operation *operation = &client->operation;
    bool is_refused = qr_error_class_of(outcome->status) == QR_CLASS_RETRY;
    if (is_done(outcome->status)) {
        sim->report->acknowledged++;
        sim->answers[client->host] += sim->phase == SIM_PHASE_LIVENESS;
        check_acked_done(&sim->acked, operation, outcome->index, client->floor_index, sim_now(sim),
                         &sim->failure);
        check_stale_acked(&sim->stale, sim->acked.floor_index, sim_now(sim));
        if (!operation->is_read) {
            sim_observe_acknowledged(sim, outcome->index, outcome->began_ns);
            struct qr_result result = {outcome->result, outcome->result_bytes, outcome->status};
            check_apply_answer(&sim->apply, operation->number, outcome->index, &result,
                               sim_now(sim), &sim->failure);
        }
    } else if (is_refused) {
        sim->report->refused++;
        if (!operation->is_read) {
            check_acked_refused(&sim->acked, operation->number);
        }
    } else {
        sim->report->unknown++;
    }
    sim_observe_words(sim, SIM_TRACE_ANSWER, client->host,
                      operation->number << 8 | (uint64_t)(-outcome->status), outcome->index,
                      "client=%u operation=%llu %s index=%llu", operation->client,
                      (unsigned long long)operation->number, qr_error_name(outcome->status),
                      (unsigned long long)outcome->index);
    if (sim->subject->ended != NULL) {
        sim->subject->ended(sim->subject->context, operation, outcome);
    }
    rest(client);
}

/* What the client waits for has ended: it may have to ask again. */
static void conclude(struct sim_client *client, struct qr_sim_outcome *outcome)
{
    if (sim_once_take(client, outcome)) {
        finish(client, outcome);
    } else {
        rest(client);
    }
}

static struct qr_sim_outcome outcome_of(const struct sim_client *client, int status)
{
    return (struct qr_sim_outcome){
        .status = status,
        .began_ns = client->began_ns,
        .ended_ns = sim_now(client->sim),
    };
}

/* Nobody knows what became of it. */
static void give_up(struct sim_client *client)
{
    struct qr_sim_outcome outcome = outcome_of(client, QR_ERR_TIMEOUT);
    conclude(client, &outcome);
}

static int submit(struct sim_client *client, struct sim_host *host)
{
    const struct qr_sim_operation *operation = &client->operation;
    struct build_time time = sim_host_enter(host);
    int status = 0;
    if (operation->is_read) {
        status = host->build->read(host->node, client->token, time);
    } else {
        struct qr_id id = sim_once_id(client);
        status =
            host->build->propose(host->node, id, operation->command, operation->command_bytes,
                                 operation->payload, operation->payload_bytes, client->token, time);
    }
    sim_host_leave(host);
    return status;
}

/* What the subject wants to ask for. False: that cannot be asked, and the run ends. */
static bool make_operation(struct sim_client *client)
{
    struct sim *sim = client->sim;
    const struct qr_sim_subject *subject = sim->subject;
    struct qr_sim_operation *operation = &client->operation;
    const char *broken = NULL;
    uint64_t number = sim->operation_count++;
    uint32_t which = (uint32_t)(client - sim->clients);
    memset(operation, 0, sizeof(*operation));
    operation->number = number;
    operation->client = which;
    subject->operation(subject->context, &sim->subject_random, operation);
    if (operation->number != number || operation->client != which) {
        broken = "its number or client was changed";
    } else if (operation->command_bytes > sizeof(operation->command) ||
               operation->payload_bytes > sizeof(operation->payload)) {
        broken = "its command or payload is too long";
    } else if (operation->is_read && subject->read == NULL) {
        broken = "it reads, and the subject has no read()";
    }
    if (broken != NULL) {
        sim_refuse(sim, QR_ERR_INVALID, "operation %llu: %s", (unsigned long long)number, broken);
    }
    return broken == NULL;
}

/* From now on the client waits for this host. */
static void begin_waiting(struct sim_client *client, const struct sim_host *host)
{
    struct sim *sim = client->sim;
    client->is_waiting = true;
    client->token = ++sim->token_count * QR_SIM_CLIENTS_MAX + (uint32_t)(client - sim->clients);
    client->host_life = host->life;
    sim_schedule_add(&sim->schedule, &client->event,
                     sim_now(sim) + PATIENCE * sim->plan.proposal_ms * NS_PER_MS);
}

/* Something else than a new operation: what is known of the last one does not end it yet. */
static void ask_again(struct sim_client *client, struct sim_host *host)
{
    struct sim *sim = client->sim;
    begin_waiting(client, host);
    sim->report->repeats += client->is_unsettled;
    sim_observe_words(sim, SIM_TRACE_ASK, host->number, client->operation.number,
                      (uint64_t)client->asking, "client=%u operation=%llu again, for %u",
                      client->operation.client, (unsigned long long)client->operation.number,
                      (unsigned)client->asking);
    (void)sim_host_enter(host);
    int status = sim_once_submit(client, host);
    sim_host_leave(host);
    if (status != 0) {
        struct qr_sim_outcome outcome = outcome_of(client, status);
        conclude(client, &outcome);
    }
}

static void ask(struct sim_client *client, struct sim_host *host)
{
    struct sim *sim = client->sim;
    const struct qr_sim_operation *operation = &client->operation;
    if (!make_operation(client)) {
        return;
    }
    sim->report->operations++;
    client->floor_index = sim->acked.floor_index;
    client->began_ns = sim_now(sim);
    begin_waiting(client, host);
    sim_observe_words(
        sim, SIM_TRACE_ASK, host->number, operation->number,
        sim_hash_bytes(operation->is_read, operation->payload, operation->payload_bytes),
        "client=%u operation=%llu %s", operation->client, (unsigned long long)operation->number,
        operation->is_read ? "read" : "propose");
    int status = submit(client, host);
    if (status == QR_ERR_VERSION && client->manner != SIM_MANNER_PLAIN) {
        status = QR_ERR_BUSY; /* it has not met every member yet */
    }
    if (qr_error_class_of(status) == QR_CLASS_CALLER) {
        sim_refuse(sim, QR_ERR_INVALID, "operation %llu: %s", (unsigned long long)operation->number,
                   qr_error_text(status));
    } else if (status != 0) {
        /* Refused at once, with nothing done. */
        struct qr_sim_outcome outcome = outcome_of(client, QR_ERR_BUSY);
        finish(client, &outcome);
    }
}

static void on_client(struct sim_event *event)
{
    struct sim_client *client = event->owner;
    struct sim *sim = client->sim;
    if (client->is_waiting) {
        give_up(client);
        return;
    }
    struct sim_host *host = choose_host(client);
    if (sim_once_is_pending(client)) {
        if (host == NULL) {
            rest(client);
        } else {
            ask_again(client, host);
        }
        return;
    }
    bool is_enough = sim->phase == SIM_PHASE_SAFETY ? sim->operation_count >= sim->plan.operations
                                                    : sim->step >= SIM_STEP_SETTLING;
    if (host == NULL || is_enough) {
        rest(client);
        return;
    }
    ask(client, host);
}

static void add_client(struct sim *sim)
{
    struct sim_client *client = &sim->clients[sim->client_count++];
    client->sim = sim;
    client->event.happen = on_client;
    client->event.owner = client;
    client->host = (uint32_t)prng_between(&sim->client_prng, 0, sim->serving_count - 1);
    sim_once_init(client);
    rest(client);
}

void sim_clients_init(struct sim *sim)
{
    while (sim->client_count < sim->plan.clients) {
        add_client(sim);
    }
}

void sim_clients_wake(struct sim *sim, uint32_t count_min)
{
    memset(sim->answers, 0, sizeof(sim->answers));
    for (uint32_t i = 0; i < sim->client_count; i++) {
        if (!sim->clients[i].is_waiting) {
            rest(&sim->clients[i]);
        }
    }
    while (sim->client_count < count_min) {
        add_client(sim);
    }
}

/* Those that wait for nothing turn to this host, within moments. */
void sim_clients_gather(struct sim *sim, uint32_t host, struct prng *prng)
{
    for (uint32_t i = 0; i < sim->client_count; i++) {
        struct sim_client *client = &sim->clients[i];
        if (!client->is_waiting) {
            client->host = host;
            sim_schedule_add(&sim->schedule, &client->event,
                             sim_now(sim) + prng_between(prng, 0, GATHER_NS_MAX));
        }
    }
}

void sim_clients_host_down(struct sim_host *host)
{
    struct sim *sim = host->sim;
    for (uint32_t i = 0; i < sim->client_count; i++) {
        struct sim_client *client = &sim->clients[i];
        if (client->is_waiting && client->host == host->number && client->host_life == host->life) {
            give_up(client);
        }
    }
}

void sim_clients_finish(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->client_count; i++) {
        struct sim_client *client = &sim->clients[i];
        bool is_operation = client->is_waiting && client->asking == SIM_ASKING_OPERATION;
        if (is_operation || client->is_unsettled) {
            struct qr_sim_outcome outcome = outcome_of(client, QR_ERR_TIMEOUT);
            finish(client, &outcome);
        }
    }
}

/* Who asked; NULL when it has given up meanwhile. */
static struct sim_client *client_of(struct sim_host *host, uint64_t token)
{
    struct sim *sim = host->sim;
    struct sim_client *client = &sim->clients[token % QR_SIM_CLIENTS_MAX];
    bool is_listening = client->is_waiting && client->token == token;
    return is_listening && !host->is_ending ? client : NULL;
}

void sim_client_proposed(struct sim_host *host, uint64_t token, int status, uint64_t index,
                         const struct build_result *result)
{
    struct sim_client *client = client_of(host, token);
    if (client == NULL) {
        return;
    }
    struct qr_sim_outcome outcome = outcome_of(client, status);
    bool is_once = client->manner != SIM_MANNER_PLAIN || client->asking != SIM_ASKING_OPERATION;
    if (qr_error_class_of(status) == QR_CLASS_RETRY && !is_once) {
        sim_observe_refused(host, client->operation.number);
    }
    if (is_done(status)) {
        outcome.index = index;
        outcome.result = result->data;
        outcome.result_bytes = result->size_bytes;
    }
    conclude(client, &outcome);
}

void sim_client_read(struct sim_host *host, uint64_t token, int status, uint64_t index)
{
    struct sim *sim = host->sim;
    struct sim_client *client = client_of(host, token);
    uint8_t result[READ_BYTES_MAX];
    if (client == NULL) {
        return;
    }
    struct qr_sim_outcome outcome = outcome_of(client, status);
    if (status == 0) {
        const struct qr_sim_subject *subject = sim->subject;
        struct build_status now;
        host->build->status(host->node, &now);
        if (now.applied_index < index) {
            sim_violate(sim, "read_after_apply",
                        "n%u answers a read at index %llu, and has applied %llu only",
                        host->number + 1, (unsigned long long)index,
                        (unsigned long long)now.applied_index);
        }
        sim_observe_read(host, client->began_ns);
        sim_divergence_answered(host);
        outcome.index = now.applied_index;
        outcome.result = result;
        outcome.result_bytes = subject->read(subject->context, host->machine, &client->operation,
                                             result, sizeof(result));
        if (outcome.result_bytes > sizeof(result)) {
            sim_refuse(sim, QR_ERR_INVALID, "read() gave %zu bytes, and there is room for %zu",
                       outcome.result_bytes, sizeof(result));
            return;
        }
    }
    finish(client, &outcome);
}
