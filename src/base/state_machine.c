/* state_machine.c: what programs of earlier versions leave out. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/state_machine.h"

#include <string.h>

static unsigned given(bool is_given)
{
    return is_given ? 1 : 0;
}

const char *state_machine_read(const struct qr_state_machine *machine, struct qr_state_machine *out)
{
    _Static_assert(sizeof(struct qr_state_machine) > QR_STATE_MACHINE_BYTES_0_1, "it has grown");
    if (machine == NULL) {
        return "missing";
    }
    if (machine->size_bytes != QR_STATE_MACHINE_BYTES_0_1 &&
        machine->size_bytes < sizeof(*machine)) {
        return "size_bytes is that of no version known here";
    }
    memset(out, 0, sizeof(*out));
    memcpy(out, machine, machine->size_bytes < sizeof(*out) ? machine->size_bytes : sizeof(*out));
    out->size_bytes = sizeof(*out);
    if (out->apply == NULL) {
        return "without apply";
    }
    unsigned count = given(out->snapshot_open != NULL) + given(out->snapshot_read != NULL) +
                     given(out->snapshot_close != NULL) + given(out->restore_begin != NULL) +
                     given(out->restore_write != NULL) + given(out->restore_end != NULL);
    if (count != 0 && count != 6) {
        return "only some of the functions for snapshots are there";
    }
    return NULL;
}

bool state_machine_has_snapshots(const struct qr_state_machine *machine)
{
    return machine->snapshot_open != NULL;
}
