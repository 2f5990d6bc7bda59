/* options.c: what an engine is opened with, checked before anything is touched. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/state_machine.h"
#include "engine/carrier.h"
#include "engine/internal.h"
#include "runtime/address.h"

__attribute__((format(printf, 2, 3))) static int refuse(char *detail, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(detail, QR_ERROR_DETAIL_BYTES, format, arguments);
    va_end(arguments);
    return QR_ERR_INVALID;
}

int engine_name_check(const char *name, char *detail)
{
    if (name == NULL) {
        return refuse(detail, "name: missing");
    }
    size_t length = strlen(name);
    if (length == 0 || length >= QR_NAME_BYTES_MAX ||
        strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789.-") != length) {
        return refuse(detail, "name: \"%s\" must be 1..%d of a-z, 0-9, dot and hyphen", name,
                      QR_NAME_BYTES_MAX - 1);
    }
    return 0;
}

static int check_address(const char *option, const char *text, char *detail)
{
    struct address address;
    if (text == NULL) {
        return refuse(detail, "%s: missing", option);
    }
    if (address_parse(text, &address) != 0) {
        (void)refuse(detail, "%s: \"%s\" is no address; write HOST:PORT, or [HOST]:PORT for IPv6",
                     option, text);
        return QR_ERR_ADDRESS;
    }
    return 0;
}

/* An address that others are told, as it stands. */
static int check_told(const char *option, const char *text, char *detail)
{
    return text == NULL ? 0 : check_address(option, text, detail);
}

/* What others dial must mean this machine to them as well. */
int engine_advertised_check(const char *option, const char *text, char *detail)
{
    struct address address;
    if (check_address(option, text, detail) != 0) {
        return QR_ERR_ADDRESS;
    }
    if (address_parse(text, &address) != 0 || strcmp(address.host, "0.0.0.0") == 0 ||
        strcmp(address.host, "::") == 0 || strspn(address.port, "0") == strlen(address.port)) {
        (void)refuse(detail, "%s: other nodes cannot dial %s; say one they can", option, text);
        return QR_ERR_ADDRESS;
    }
    return 0;
}

/* Without a secret, whoever reaches the port is a member if it says so. */
static int check_reach(const struct qr_engine_options *options, char *detail)
{
    struct address address;
    bool is_only_here = false;
    if (options->secret_file != NULL || options->is_insecure) {
        return 0;
    }
    if (options->transport != NULL) {
        return refuse(detail, "transport: whoever reaches it may take part in the cluster; give "
                              "all nodes a secret (secret_file), or say that nobody else does "
                              "(is_insecure)");
    }
    /* A name that is not found now may be found when the node listens. */
    if (address_parse(options->peer_address, &address) != 0 ||
        address_is_loopback(&address, &is_only_here) != 0) {
        (void)refuse(detail, "peer_address: cannot find the address of %s", options->peer_address);
        return QR_ERR_ADDRESS;
    }
    if (is_only_here) {
        return 0;
    }
    (void)refuse(detail,
                 "peer_address: %s is not loopback, and without a secret whoever reaches it may "
                 "take part in the cluster; give all nodes one (secret_file, or serve "
                 "--cluster-secret-file), or say that nobody else does (is_insecure, or serve "
                 "--insecure)",
                 options->peer_address);
    return QR_ERR_ADDRESS;
}

int engine_address_check(const char *address, char *detail)
{
    if (strlen(address) >= QR_ADDRESS_BYTES_MAX) {
        (void)refuse(detail, "address: it is longer than %d", QR_ADDRESS_BYTES_MAX - 1);
        return QR_ERR_ADDRESS;
    }
    return check_address("address", address, detail);
}

int engine_join_check(const char *list, char *detail)
{
    while (*list != '\0') {
        char one[QR_ADDRESS_BYTES_MAX];
        size_t length = strcspn(list, ",");
        struct text text = text_of(one, sizeof(one));
        text_bytes(&text, list, length);
        if (text.truncated) {
            return refuse(detail, "join: an address is longer than %d", QR_ADDRESS_BYTES_MAX - 1);
        }
        int status = check_address("join", one, detail);
        if (status != 0) {
            return status;
        }
        list += length;
        list += *list == ',' ? 1 : 0;
    }
    return 0;
}

static int check_state_machine(const struct qr_state_machine *machine, char *detail)
{
    struct qr_state_machine read;
    const char *wrong = state_machine_read(machine, &read);
    return wrong == NULL ? 0 : refuse(detail, "state_machine: %s", wrong);
}

static int check_stores(const struct qr_engine_options *options, char *detail)
{
    struct qr_log_store log;
    struct qr_snapshot_store snapshots;
    const char *wrong =
        options->log_store == NULL ? NULL : engine_log_store_read(options->log_store, &log);
    if (wrong != NULL) {
        return refuse(detail, "log_store: %s", wrong);
    }
    int status = options->snapshot_store == NULL
                     ? 0
                     : engine_snapshots_read(options->snapshot_store, &snapshots, &wrong);
    if (status != 0) {
        (void)refuse(detail, "snapshot_store: %s", wrong);
    }
    return status;
}

/* Numbered alike, and none else. */
static int check_divergence(const struct qr_engine_options *options, char *detail)
{
    _Static_assert((int)QR_DIVERGENCE_ISOLATE == (int)NODE_DIVERGENCE_ISOLATE &&
                       (int)QR_DIVERGENCE_REBUILD == (int)NODE_DIVERGENCE_REBUILD &&
                       (int)QR_DIVERGENCE_STOP == (int)NODE_DIVERGENCE_STOP,
                   "handed on as it is");
    return (unsigned)options->on_divergence <= QR_DIVERGENCE_STOP
               ? 0
               : refuse(detail, "on_divergence: there is no such");
}

static int check_transport(const struct qr_transport *transport, char *detail)
{
    struct qr_transport read;
    const char *wrong = transport == NULL ? NULL : carrier_read(transport, &read);
    return wrong == NULL ? 0 : refuse(detail, "transport: %s", wrong);
}

/* Who only watches finds the cluster through others, at each start anew. */
static int check_observer(const struct qr_engine_options *options, char *detail)
{
    if (!options->is_observer) {
        return 0;
    }
    if (options->is_bootstrap || options->is_waiting || options->is_learner) {
        return refuse(detail, "is_observer and %s: an observer is no member that %s",
                      options->is_bootstrap ? "is_bootstrap"
                      : options->is_waiting ? "is_waiting"
                                            : "is_learner",
                      options->is_bootstrap ? "votes" : "has a log");
    }
    if (options->join == NULL || options->join[0] == '\0') {
        return refuse(detail, "is_observer: needs join, members to find the cluster through");
    }
    return 0;
}

int engine_options_read(const struct qr_engine_options *given, struct qr_engine_options *out,
                        char *detail)
{
    const struct sized known = {sizeof(*out),
                                offsetof(struct qr_engine_options, argument) + sizeof(void *)};
    int status = sized_read(known, given, out);
    if (status == QR_ERR_VERSION) {
        (void)refuse(detail, "size_bytes: the program is newer than the library, and sets an "
                             "option that this one does not know");
    } else if (status != 0) {
        (void)refuse(detail, "size_bytes: %zu is that of no version known here",
                     given == NULL ? 0 : given->size_bytes);
    }
    return status;
}

int engine_options_check(const struct qr_engine_options *options, char *detail)
{
    int status = check_state_machine(options->state_machine, detail);
    if (status == 0 && options->allocator != NULL &&
        (options->allocator->allocate == NULL || options->allocator->release == NULL)) {
        status = refuse(detail, "allocator: without allocate or release");
    }
    if (status == 0) {
        status = check_stores(options, detail);
    }
    if (status == 0) {
        status = engine_name_check(options->name, detail);
    }
    if (status == 0 && (options->data_directory == NULL || options->data_directory[0] == '\0')) {
        status = refuse(detail, "data_directory: missing");
    }
    if (status == 0 && options->meta != NULL && strlen(options->meta) >= QR_META_BYTES_MAX) {
        status = refuse(detail, "meta: longer than %d bytes", QR_META_BYTES_MAX - 1);
    }
    if (status == 0 && options->is_bootstrap && options->join != NULL) {
        status = refuse(detail, "is_bootstrap and join: a new cluster, or one to join; not both");
    }
    if (status == 0 && options->is_bootstrap && options->is_learner) {
        status =
            refuse(detail, "is_bootstrap and is_learner: a new cluster needs its one node's vote");
    }
    if (status == 0 && options->is_waiting && (options->is_bootstrap || options->join != NULL)) {
        status =
            refuse(detail, "is_waiting: with is_bootstrap or join there is nothing to wait for");
    }
    if (status == 0) {
        status = check_told("client_address", options->client_address, detail);
    }
    if (status == 0) {
        status = check_told("http_address", options->http_address, detail);
    }
    if (status == 0) {
        status = check_observer(options, detail);
    }
    if (status == 0) {
        status = check_divergence(options, detail);
    }
    if (status == 0 && (unsigned)options->disk_driver > QR_DISK_THREADS) {
        status = refuse(detail, "disk_driver: %d is none", (int)options->disk_driver);
    }
    if (status == 0 && options->swim_profile != QR_SWIM_DEFAULT &&
        options->swim_profile != QR_SWIM_FAST) {
        status = refuse(detail, "swim_profile: %d is none", (int)options->swim_profile);
    }
    if (status == 0) {
        status = check_transport(options->transport, detail);
    }
    if (status == 0) {
        status = check_address("peer_address", options->peer_address, detail);
    }
    if (status == 0) {
        const char *advertised = options->advertise_address;
        status = engine_advertised_check(
            "advertise_address", advertised == NULL ? options->peer_address : advertised, detail);
    }
    if (status == 0) {
        status = check_reach(options, detail);
    }
    if (status == 0 && options->join != NULL) {
        status = options->join[0] == '\0'
                     ? refuse(detail, "join: names nobody; NULL if there is nobody to join")
                     : engine_join_check(options->join, detail);
    }
    return status != 0 ? status : qr_limits_check(&options->limits, detail);
}
