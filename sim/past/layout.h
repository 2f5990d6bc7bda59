/* layout.h: how that lies in memory which crosses the boundary of builds as it is.
 *
 * Entries and ids are handed on by the adapters untranslated. LAYOUT_OF_TYPES is
 * the same list of numbers in every version, or the adapter of the older one must translate.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_PAST_LAYOUT_H
#define SIM_PAST_LAYOUT_H

#include "quorate/types.h"

#define LAYOUT_COUNT 12

/* clang-format off */
#define LAYOUT_OF_TYPES                                                                            \
    {                                                                                              \
        sizeof(struct qr_id),                                                                      \
        offsetof(struct qr_id, low),                                                               \
        sizeof(struct qr_entry),                                                                   \
        offsetof(struct qr_entry, index),                                                          \
        offsetof(struct qr_entry, term),                                                           \
        offsetof(struct qr_entry, timestamp_ns),                                                   \
        offsetof(struct qr_entry, id),                                                             \
        offsetof(struct qr_entry, command),                                                        \
        offsetof(struct qr_entry, command_bytes),                                                  \
        offsetof(struct qr_entry, payload),                                                        \
        offsetof(struct qr_entry, payload_bytes),                                                  \
        offsetof(struct qr_entry, wants_result),                                                   \
    }
/* clang-format on */

#endif
