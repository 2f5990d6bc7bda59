/* logger.h: the logger of quorate/log.h, for the rooms inside.
 *
 * Owns     a ring of bytes that wait to be written, and the thread that writes them.
 * Threads  any; a caller waits at most for another caller to copy a line.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_LOGGER_H
#define RUNTIME_LOGGER_H

#include "base/log.h"
#include "quorate/log.h"

#define LOGGER_RING_BYTES (UINT64_C(1) << 20)
#define LOGGER_LINE_BYTES_MAX 16384

/* A sink that writes to `logger`, which it borrows; one that takes nothing when NULL. */
struct log_sink logger_sink(struct qr_logger *logger);

/* One line with its newline, in `out` of LOGGER_LINE_BYTES_MAX; returns its length. What is
 * too long is cut: a text line at its end, a JSON line to time, level and event.
 */
size_t logger_line(enum qr_log_format format, time_ns wall_ns, const struct log_event *event,
                   char *out);

#endif
