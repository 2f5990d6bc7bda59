/* plugin.h: the engine for a host that loads it with dlopen and knows nothing else of it.
 *
 *     void *library = dlopen("libquorate.so.0", RTLD_NOW | RTLD_LOCAL);
 *     qr_plugin_entry *entry = (qr_plugin_entry *)dlsym(library, QR_PLUGIN_SYMBOL);
 *     const struct qr_plugin *plugin = entry(QR_PLUGIN_ABI);
 *
 * The one symbol gives a handshake: who this is, whether it is ready, what it can do, and a table
 * of functions, under their names in the other headers without `qr_`. A later version of the
 * library adds to the ends of both, and says so in their size_bytes.
 *
 * Owns     nothing: all that the handshake points to is static, until dlclose().
 * Threads  any.
 * Cost     as the functions that it names; the handshake costs nothing.
 * Source   dlopen(3); examples/plugin_host.c is a host.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef QUORATE_PLUGIN_H
#define QUORATE_PLUGIN_H

#include "quorate/engine.h"
#include "quorate/plain.h"

#ifdef __cplusplus
extern "C" {
#endif

#define QR_PLUGIN_SYMBOL "qr_plugin_handshake"
#define QR_PLUGIN_ABI 1 /* of this header; another one is another handshake */
#define QR_PLUGIN_ID "quorate.raft"
#define QR_PLUGIN_CATEGORY "orchestration provider"

enum qr_plugin_ready {
    QR_PLUGIN_NOT_READY, /* it cannot run here; qr_plugin.reason says why */
    QR_PLUGIN_READY,
};

/* What the engine can do, as bits. */
#define QR_PLUGIN_CAN_REPLICATE (UINT64_C(1) << 0)   /* a durable, replicated log */
#define QR_PLUGIN_CAN_ELECT (UINT64_C(1) << 1)       /* a leader, known to every member */
#define QR_PLUGIN_CAN_SNAPSHOT (UINT64_C(1) << 2)    /* compaction, catching up by snapshots */
#define QR_PLUGIN_CAN_RECONFIGURE (UINT64_C(1) << 3) /* change its members while it runs */
#define QR_PLUGIN_CAN_GOSSIP (UINT64_C(1) << 4)      /* SWIM: who is alive */
#define QR_PLUGIN_CAN_ONCE (UINT64_C(1) << 5)        /* apply a proposal at most once */

/* The functions; each does what the one of its name does. */
struct qr_plugin_functions {
    size_t size_bytes; /* as this version of the library has them: see QR_PLUGIN_HAS */
    struct qr_limits (*limits_default)(void);
    int (*engine_open)(const struct qr_engine_options *options, struct qr_engine **out,
                       char *detail);
    void (*engine_stop)(struct qr_engine *engine);
    void (*engine_free)(struct qr_engine *engine);
    int (*propose)(struct qr_engine *engine, const struct qr_proposal *proposal,
                   qr_propose_done *done, void *argument);
    int (*propose_wait)(struct qr_engine *engine, const struct qr_proposal *proposal,
                        struct qr_reply *reply);
    int (*read_wait)(struct qr_engine *engine, const struct qr_read_options *options,
                     uint64_t *index);
    bool (*is_leader)(struct qr_engine *engine);
    const char *(*role_name)(enum qr_role role);
    const char *(*error_name)(int error);
    const char *(*error_text)(int error);
    int (*plain_state)(struct qr_state_machine *out, void *state, size_t state_bytes,
                       qr_plain_apply *apply);
    void (*plain_free)(struct qr_state_machine *machine);
};

/* Whether the table of the library that was loaded, which may be older than this header, has a
 * function.
 */
#define QR_PLUGIN_HAS(functions, name)                                                             \
    ((functions)->size_bytes >= offsetof(struct qr_plugin_functions, name) +                       \
                                    sizeof(((const struct qr_plugin_functions *)NULL)->name))

struct qr_plugin {
    size_t size_bytes;
    uint32_t abi;         /* QR_PLUGIN_ABI */
    uint32_t ready;       /* enum qr_plugin_ready */
    const char *id;       /* QR_PLUGIN_ID */
    const char *name;     /* for people */
    const char *version;  /* "0.1.0" */
    const char *category; /* QR_PLUGIN_CATEGORY */
    const char *reason;   /* why it is not ready; "" */
    uint64_t capabilities;
    const struct qr_plugin_functions *functions;
};

typedef const struct qr_plugin *qr_plugin_entry(uint32_t abi);

/* The handshake for a host that was made with a plugin.h of this `abi`. Static; NULL: this library
 * knows no such one, and must not be used. Cost: none; nothing is started.
 */
const struct qr_plugin *qr_plugin_handshake(uint32_t abi);

#ifdef __cplusplus
}
#endif

#endif
