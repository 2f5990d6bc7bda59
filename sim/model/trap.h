/* trap.h: an assertion that fails in the code under test is a finding, with a trace; elsewhere
 * it ends the process.
 *
 * Owns     the assertion hook of src/base/assert.h for programs that link this room.
 * Threads  one.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MODEL_TRAP_H
#define MODEL_TRAP_H

#include <setjmp.h>

#define TRAP_TEXT_BYTES 400

struct trap {
    jmp_buf back;
    char text[TRAP_TEXT_BYTES]; /* which assertion, and where */
};

/* From here until trap_disarm() a failed assertion jumps to `trap->back`. */
void trap_arm(struct trap *trap);
void trap_disarm(void);

#endif
