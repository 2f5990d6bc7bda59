/* state_machine.h: a program's state machine, as this version sees it. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_STATE_MACHINE_H
#define BASE_STATE_MACHINE_H

#include "quorate/state_machine.h"

/* Copy what a program gave; the functions that its size_bytes leaves out are NULL in `out`.
 *
 * Returns NULL, or what is wrong with it, in words (static): `out` is undefined then.
 */
const char *state_machine_read(const struct qr_state_machine *machine,
                               struct qr_state_machine *out);

/* Whether it makes snapshots, and takes them over. */
bool state_machine_has_snapshots(const struct qr_state_machine *machine);

#endif
