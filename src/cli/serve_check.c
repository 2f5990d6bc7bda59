/* serve_check.c: what contradicts among the settings of a node, each being well by itself. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "cli/address.h"
#include "cli/cli.h"
#include "cli/serve_options.h"

static int check_cluster(const struct serve_options *options, char *detail)
{
    if (options->is_bootstrap && options->join[0] != '\0') {
        snprintf(detail, QR_ERROR_DETAIL_BYTES,
                 "join: \"%.200s\" contradicts bootstrap: begin a new cluster, or join one",
                 options->join);
        return QR_ERR_INVALID;
    }
    if (options->is_waiting && (options->is_bootstrap || options->join[0] != '\0')) {
        snprintf(detail, QR_ERROR_DETAIL_BYTES,
                 "wait: true contradicts %s: there is nothing to wait for",
                 options->is_bootstrap ? "bootstrap" : "join");
        return QR_ERR_INVALID;
    }
    if (options->is_bootstrap && options->is_learner) {
        snprintf(detail, QR_ERROR_DETAIL_BYTES,
                 "learner: true contradicts bootstrap: a new cluster needs its one node's vote");
        return QR_ERR_INVALID;
    }
    return 0;
}

/* Who only watches finds the cluster through others, at each start anew. */
static int check_observer(const struct serve_options *options, char *detail)
{
    const char *other = options->is_bootstrap ? "bootstrap"
                        : options->is_waiting ? "wait"
                        : options->is_learner ? "learner"
                                              : NULL;
    if (!options->is_observer) {
        return 0;
    }
    if (other != NULL) {
        snprintf(detail, QR_ERROR_DETAIL_BYTES,
                 "observer: true contradicts %s: an observer watches, and is no member", other);
        return QR_ERR_INVALID;
    }
    if (options->join[0] == '\0') {
        snprintf(detail, QR_ERROR_DETAIL_BYTES,
                 "observer: true needs join, members to find the cluster through");
        return QR_ERR_INVALID;
    }
    return 0;
}

/* What others dial must mean this machine to them as well. */
static int check_dialed(const struct serve_options *options, char *detail)
{
    bool is_peer = options->advertise[0] == '\0';
    const char *dialed = is_peer ? options->peer : options->advertise;
    struct cli_address address;
    int status = cli_address_parse(dialed, strlen(dialed), &address);
    ASSERT(status == 0);
    if (!cli_address_is_any(&address)) {
        return 0;
    }
    snprintf(detail, QR_ERROR_DETAIL_BYTES, "%s: \"%s\" cannot be dialed by other nodes; %s",
             is_peer ? "peer" : "advertise", dialed,
             is_peer ? "set advertise to what they can dial" : "name an address that they can");
    return QR_ERR_INVALID;
}

/* Two ports of one node on one address would be "in use" by the node itself. */
static int check_ports(const struct serve_options *options, char *detail)
{
    const char *const names[] = {"peer", "client", "http"};
    const char *const texts[] = {options->peer, options->client, options->http};
    struct cli_address addresses[COUNT_OF(names)];
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        int status = cli_address_parse(texts[i], strlen(texts[i]), &addresses[i]);
        ASSERT(status == 0);
        for (size_t k = 0; k < i; k++) {
            bool is_same_host = strcmp(addresses[i].host, addresses[k].host) == 0 ||
                                cli_address_is_any(&addresses[i]) ||
                                cli_address_is_any(&addresses[k]);
            if (addresses[i].port == addresses[k].port && is_same_host) {
                snprintf(detail, QR_ERROR_DETAIL_BYTES,
                         "%s: \"%s\" contradicts %s, \"%s\": each needs a port of its own",
                         names[i], texts[i], names[k], texts[k]);
                return QR_ERR_INVALID;
            }
        }
    }
    return 0;
}

/* The library calls its limits as C does; here they are flags. */
static int check_limits(const struct serve_options *options, char *detail)
{
    int status = qr_limits_check(&options->limits, detail);
    for (size_t i = 0; status != 0 && detail[i] != '\0'; i++) {
        detail[i] = detail[i] == '_' ? '-' : detail[i];
    }
    return status;
}

int serve_options_check(const struct serve_options *options, char *detail)
{
    int status = check_cluster(options, detail);
    if (status == 0) {
        status = check_observer(options, detail);
    }
    if (status == 0) {
        status = check_dialed(options, detail);
    }
    if (status == 0) {
        status = check_ports(options, detail);
    }
    return status != 0 ? status : check_limits(options, detail);
}
