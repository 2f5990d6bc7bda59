/* plugin_host.c: a host that loads the engine with dlopen, and knows only plugin.h.
 *
 * usage: plugin_host LIBRARY DIRECTORY HOST:PORT [ABI [SIZE]]
 *
 * It begins a cluster of one in DIRECTORY, adds 40 and 2, prints what it found, and ends. An ABI
 * other than that of plugin.h, and a table of functions that is cut at SIZE bytes as that of an
 * older library is, are there to see that they are refused.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dlfcn.h>

#include "quorate/plugin.h"

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "plugin_host: %s: %s\n", what, why);
    return 1;
}

static const struct qr_plugin *shake_hands(void *library, uint32_t abi)
{
    qr_plugin_entry *entry;
    void *symbol = dlsym(library, QR_PLUGIN_SYMBOL);
    memcpy(&entry, &symbol, sizeof(entry)); /* C has no cast from data to functions */
    return symbol == NULL ? NULL : entry(abi);
}

/* What is missing for this host, or NULL. */
static const char *complaint(const struct qr_plugin *plugin,
                             const struct qr_plugin_functions *functions)
{
    if (strcmp(plugin->id, QR_PLUGIN_ID) != 0) {
        return "it is another plugin";
    }
    if (plugin->ready != QR_PLUGIN_READY) {
        return plugin->reason;
    }
    bool has_all = (plugin->capabilities & QR_PLUGIN_CAN_REPLICATE) != 0 &&
                   QR_PLUGIN_HAS(functions, plain_free);
    return has_all ? NULL : "it is too old for this host";
}

static int add(void *state, const struct qr_entry *entry, struct qr_plain_reply *reply)
{
    int64_t *sum = state;
    int64_t number;
    if (entry->payload_bytes != sizeof(number)) {
        return QR_ERR_REJECTED;
    }
    memcpy(&number, entry->payload, sizeof(number));
    *sum += number;
    memcpy(reply->data, sum, sizeof(*sum));
    reply->size_bytes = sizeof(*sum);
    return 0;
}

static int use(const struct qr_plugin_functions *engine, char **argv)
{
    static const int64_t numbers[] = {40, 2};
    int64_t sum = 0;
    int64_t told = 0;
    struct qr_state_machine machine;
    struct qr_engine *node;
    char detail[QR_ERROR_DETAIL_BYTES];
    int status = engine->plain_state(&machine, &sum, sizeof(sum), add);
    if (status != 0) {
        return fail("state", engine->error_text(status));
    }
    struct qr_engine_options options = {.size_bytes = sizeof(options),
                                        .state_machine = &machine,
                                        .name = "host",
                                        .data_directory = argv[2],
                                        .peer_address = argv[3],
                                        .is_bootstrap = true,
                                        .limits = engine->limits_default()};
    if (engine->engine_open(&options, &node, detail) != 0) {
        return fail("open", detail);
    }
    for (size_t i = 0; i < 2 && status == 0; i++) {
        struct qr_proposal proposal = {.size_bytes = sizeof(proposal),
                                       .payload = &numbers[i],
                                       .payload_bytes = sizeof(numbers[i])};
        struct qr_reply reply = {.data = &told, .capacity_bytes = sizeof(told)};
        status = engine->propose_wait(node, &proposal, &reply);
    }
    printf("sum %" PRId64 "\n%s\n", told, engine->is_leader(node) ? "leads" : "follows");
    engine->engine_free(node);
    engine->plain_free(&machine);
    return status == 0 ? 0 : fail("propose", engine->error_text(status));
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: plugin_host LIBRARY DIRECTORY HOST:PORT [ABI [SIZE]]\n");
        return 2;
    }
    void *library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        return fail("load", dlerror());
    }
    uint32_t abi = argc > 4 ? (uint32_t)strtoul(argv[4], NULL, 10) : QR_PLUGIN_ABI;
    const struct qr_plugin *plugin = shake_hands(library, abi);
    if (plugin == NULL) {
        return fail("handshake", "there is none of this ABI");
    }
    struct qr_plugin_functions functions = {.size_bytes = 0};
    size_t known = plugin->functions->size_bytes;
    known = argc > 5 ? strtoul(argv[5], NULL, 10) : known;
    memcpy(&functions, plugin->functions, known < sizeof(functions) ? known : sizeof(functions));
    functions.size_bytes = known;
    const char *wrong = complaint(plugin, &functions);
    if (wrong != NULL) {
        return fail("handshake", wrong);
    }
    printf("%s %s, %s, %s\n", plugin->id, plugin->version, plugin->name, plugin->category);
    int status = use(&functions, argv);
    dlclose(library);
    return status;
}
