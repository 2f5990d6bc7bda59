/* log.h: where events for people go: one a line, as text or JSON, never waited for.
 *
 * Threads  any. A thread of the logger's own writes; when whoever reads the other end
 *          stalls, events are dropped and counted, and the count is logged later.
 * Cost     a line is made and copied under a lock that is held briefly; nothing is allocated, and
 *          nobody waits for the descriptor. A logger is a thread and its room for lines.
 * Source   JSON: RFC 8259.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef QUORATE_LOG_H
#define QUORATE_LOG_H

#include "quorate/types.h"

#ifdef __cplusplus
extern "C" {
#endif

enum qr_log_level {
    QR_LOG_DEBUG,
    QR_LOG_INFO,
    QR_LOG_WARN,
    QR_LOG_ERROR,
};

enum qr_log_format {
    QR_LOG_TEXT,
    QR_LOG_JSON,
};

struct qr_logger;

/* A logger that writes to `descriptor`, which stays the caller's and is open until
 * qr_logger_free(), what is of level_min or above, one line for each event, in that format. NULL
 * when memory or threads ran out.
 */
struct qr_logger *qr_logger_new(int descriptor, enum qr_log_format format,
                                enum qr_log_level level_min);

/* Write what is waiting, at most about a second long, and free. NULL is allowed. */
void qr_logger_free(struct qr_logger *logger);

/* Log one event: `name` in snake_case, and pairs of key and value, ended by a NULL key.
 *
 * qr_log(logger, QR_LOG_WARN, "client_closed", "address", address, "reason", why, NULL);
 *
 * NULL for a logger or a name is allowed: nothing is logged. Strings are borrowed until return; cut
 * after 512 bytes.
 */
void qr_log(struct qr_logger *logger, enum qr_log_level level, const char *name, ...)
    __attribute__((sentinel));

/* Events dropped since the logger was made. */
uint64_t qr_logger_dropped_count(const struct qr_logger *logger);

#ifdef __cplusplus
}
#endif

#endif
