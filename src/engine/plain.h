/* plain.h: quorate/plain.h with an allocator, for tests. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_PLAIN_H
#define ENGINE_PLAIN_H

#include "base/allocator.h"
#include "quorate/plain.h"

/* qr_plain_new() with this allocator, which outlives the state machine. */
int plain_new(const struct qr_plain_options *options, const struct allocator *allocator,
              struct qr_state_machine *out);

#endif
