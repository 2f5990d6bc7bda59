/* plugin.c: the handshake with a host that has loaded the library. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "quorate/plugin.h"

static const struct qr_plugin_functions functions = {
    .size_bytes = sizeof(functions),
    .limits_default = qr_limits_default,
    .engine_open = qr_engine_open,
    .engine_stop = qr_engine_stop,
    .engine_free = qr_engine_free,
    .propose = qr_propose,
    .propose_wait = qr_propose_wait,
    .read_wait = qr_read_wait,
    .is_leader = qr_is_leader,
    .role_name = qr_role_name,
    .error_name = qr_error_name,
    .error_text = qr_error_text,
    .plain_state = qr_plain_state,
    .plain_free = qr_plain_free,
};

static const struct qr_plugin handshake = {
    .size_bytes = sizeof(handshake),
    .abi = QR_PLUGIN_ABI,
    .ready = QR_PLUGIN_READY,
    .id = QR_PLUGIN_ID,
    .name = "Quorate",
    .version = QR_VERSION_TEXT,
    .category = QR_PLUGIN_CATEGORY,
    .reason = "",
    .capabilities = QR_PLUGIN_CAN_REPLICATE | QR_PLUGIN_CAN_ELECT | QR_PLUGIN_CAN_SNAPSHOT |
                    QR_PLUGIN_CAN_RECONFIGURE | QR_PLUGIN_CAN_GOSSIP | QR_PLUGIN_CAN_ONCE,
    .functions = &functions,
};

const struct qr_plugin *qr_plugin_handshake(uint32_t abi)
{
    return abi == QR_PLUGIN_ABI ? &handshake : NULL;
}
