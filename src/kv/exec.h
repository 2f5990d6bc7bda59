/* exec.h: several commands, and the keys they depend on, in one payload (format: kv.h). */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KV_EXEC_H
#define KV_EXEC_H

#include "base/bytes.h"
#include "kv/kv.h"

/* A payload that was looked through and is whole. */
struct kv_exec_reader {
    bool is_single;
    size_t watch_count;
    size_t command_count;
    struct reader watches;
    struct reader commands; /* at the first one; kv_payload_read() goes on */
};

/* Look through a payload, which is borrowed. False: it is malformed, or over a limit. */
NODISCARD bool kv_exec_open(struct kv_exec_reader *exec, const void *data, size_t size_bytes);

/* The next of its watched keys. */
struct kv_watch kv_exec_next_watch(struct kv_exec_reader *exec);

#endif
