/* clients_once.c: clients that ask again, elsewhere, for what they know no end of.
 *
 * An operation is sent again under the same id until its outcome is known: as often as
 * SENDINGS_MAX, and then it is settled. So a client learns of nearly all operations whether they
 * were applied, and the checkers of acknowledged and of refused writes judge them.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/bytes.h"
#include "quorate/error.h"
#include "sim/internal.h"

#define SENDINGS_MAX 6
#define SETTLE_MILLIONTHS 150000 /* of the sendings again, a question comes in their place */
#define MOVE_MILLIONTHS 700000   /* it goes to another node */

void sim_once_init(struct sim_client *client)
{
    struct sim *sim = client->sim;
    uint64_t percent = sim->plan.past_percent == 0 ? sim->plan.once_percent : 0;
    if (percent > 0 && prng_between(&sim->client_prng, 0, 99) < percent) {
        client->manner =
            sim_chance(&sim->client_prng, 500000) ? SIM_MANNER_TOKEN : SIM_MANNER_SESSION;
    }
}

struct qr_id sim_once_id(const struct sim_client *client)
{
    static const uint64_t highs[] = {CHECK_PROPOSAL_ID_HIGH, CHECK_TOKEN_ID_HIGH};
    uint64_t number = client->operation.number;
    uint64_t high = client->manner == SIM_MANNER_SESSION ? client->session : highs[client->manner];
    return (struct qr_id){high, number + 1};
}

/* A session that log time may end while the client thinks, or a fault lasts. */
static int open_session(struct sim_client *client, struct sim_host *host)
{
    uint8_t payload[8];
    uint64_t timeout_ms = UINT64_C(50) << prng_between(&client->sim->client_prng, 0, 8);
    store_u64(payload, timeout_ms * NS_PER_MS);
    return host->build->propose(host->node, (struct qr_id){QR_SESSION_BIT, 0}, "open", 4, payload,
                                sizeof(payload), client->token, sim_host_time(host));
}

static int settle(struct sim_client *client, struct sim_host *host)
{
    struct qr_id id = sim_once_id(client);
    uint8_t payload[16];
    store_u64(payload, id.high);
    store_u64(payload + 8, id.low);
    return host->build->propose(host->node, (struct qr_id){QR_SESSION_BIT, 0}, "settle", 6, payload,
                                sizeof(payload), client->token, sim_host_time(host));
}

int sim_once_submit(struct sim_client *client, struct sim_host *host)
{
    const struct qr_sim_operation *operation = &client->operation;
    switch (client->asking) {
    case SIM_ASKING_SESSION:
        return open_session(client, host);
    case SIM_ASKING_OUTCOME:
        return settle(client, host);
    default:
        return host->build->propose(host->node, sim_once_id(client), operation->command,
                                    operation->command_bytes, operation->payload,
                                    operation->payload_bytes, client->token, sim_host_time(host));
    }
}

bool sim_once_is_pending(struct sim_client *client)
{
    if (client->is_unsettled) {
        struct prng *prng = &client->sim->client_prng;
        bool is_last = client->sendings >= SENDINGS_MAX || sim_chance(prng, SETTLE_MILLIONTHS);
        client->sendings++;
        client->asking = is_last ? SIM_ASKING_OUTCOME : SIM_ASKING_OPERATION;
        return true;
    }
    bool needs_session = client->manner == SIM_MANNER_SESSION && client->session == 0;
    client->asking = needs_session ? SIM_ASKING_SESSION : SIM_ASKING_OPERATION;
    return needs_session;
}

/* The operation is over; the next one begins anew. */
static bool settled(struct sim_client *client, struct qr_sim_outcome *outcome, int status)
{
    outcome->status = status;
    client->is_unsettled = false;
    client->sendings = 0;
    client->asking = SIM_ASKING_OPERATION;
    return true;
}

static bool asks_again(struct sim_client *client)
{
    struct sim *sim = client->sim;
    client->is_unsettled = true;
    if (sim_chance(&sim->client_prng, MOVE_MILLIONTHS)) {
        client->host = (uint32_t)prng_between(&sim->client_prng, 0, sim->serving_count - 1);
    }
    return false;
}

bool sim_once_take(struct sim_client *client, struct qr_sim_outcome *outcome)
{
    if (client->asking == SIM_ASKING_SESSION) {
        client->session = outcome->status == 0 ? QR_SESSION_BIT | outcome->index : 0;
        return false;
    }
    if (client->manner == SIM_MANNER_PLAIN || client->operation.is_read) {
        return true;
    }
    enum qr_error_class kind = qr_error_class_of(outcome->status);
    bool is_certain = kind == QR_CLASS_RETRY || outcome->status == QR_ERR_VERSION;
    if (outcome->status == QR_ERR_MISMATCH ||
        (outcome->status == QR_ERR_SETTLED && client->asking != SIM_ASKING_OUTCOME &&
         client->sendings == 0)) {
        sim_violate(client->sim, "once",
                    "operation %llu, sent with one id and command, ended as %s",
                    (unsigned long long)client->operation.number, qr_error_name(outcome->status));
    }
    switch (outcome->status) {
    case 0:
    case QR_ERR_REJECTED:
        return settled(client, outcome, outcome->status);
    case QR_ERR_SETTLED:
        /* Not applied, and never will be: as good as a refusal, and judged as one. */
        return settled(client, outcome, QR_ERR_BUSY);
    case QR_ERR_EXPIRED:
        client->session = 0;
        return settled(client, outcome, QR_ERR_EXPIRED);
    case QR_ERR_FORGOTTEN:
        return settled(client, outcome, QR_ERR_FORGOTTEN);
    default:
        if (is_certain && !client->is_unsettled) {
            return settled(client, outcome, QR_ERR_BUSY);
        }
        return asks_again(client);
    }
}
