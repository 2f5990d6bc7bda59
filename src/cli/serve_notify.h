/* serve_notify.h: keeps the service manager told how a node is: its watchdog, and a line of status.
 *
 * Does not know when the node is ready or stops: serve.c says so.
 * Threads  the loop's.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_SERVE_NOTIFY_H
#define CLI_SERVE_NOTIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "quorate/engine.h"

#define SERVE_NOTIFY_TEXT_BYTES 256

struct serve_notifier {
    uv_timer_t timer; /* from serve_notifier_init() on; who closes it stops the telling */
    struct qr_engine *engine;
    struct qr_status *status; /* room for one: it is too large for the stack */
    bool has_watchdog;
    char told[SERVE_NOTIFY_TEXT_BYTES]; /* the last line of status */
};

/* Prepare it; nothing is told yet. Never fails. */
void serve_notifier_init(struct serve_notifier *notifier, uv_loop_t *loop);

/* Tell how `engine` is, now and from time to time, until the timer is closed: at least twice in
 * each interval that the manager's watchdog waits (WATCHDOG_USEC). Nothing is done where no manager
 * listens. Returns 0 or QR_ERR_NO_MEMORY.
 */
int serve_notifier_start(struct serve_notifier *notifier, struct qr_engine *engine);

/* Give its memory back; the timer was closed. */
void serve_notifier_deinit(struct serve_notifier *notifier);

/* How often to tell, for a watchdog that waits watchdog_us; 0: there is none. */
uint64_t serve_notify_interval_ms(uint64_t watchdog_us);

/* Put into words how a node is: role, leader, term, applied index, or that it is stuck. */
void serve_notify_text(const struct qr_status *status, char *out, size_t out_bytes);

/* Whether a node deserves that the watchdog waits on. Not while its disk or its state machine
 * does not advance: such a node leads no more, and a new start is what can be tried.
 */
bool serve_notify_is_well(const struct qr_status *status);

#endif
