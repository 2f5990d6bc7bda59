/* interrupt.h: Ctrl-C and SIGTERM as something to ask for, so that what was started is
 * stopped in order.
 *
 * Owns     the process's mask for SIGINT, SIGTERM and SIGHUP while it is open.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_INTERRUPT_H
#define CLI_INTERRUPT_H

#include <stdbool.h>

struct interrupt {
    int descriptor; /* readable when a signal has come; -1: none can be told */
    bool has_come;
};

struct interrupt interrupt_open(void);

/* Whether one has come since the opening. Does not wait. */
bool interrupt_has_come(struct interrupt *interrupt);

/* Sleep, but no longer than until a signal comes. Returns false when one has come. */
bool interrupt_sleep(struct interrupt *interrupt, unsigned milliseconds);

/* In a child, before it runs another program: take signals as usual again. */
void interrupt_reset_in_child(void);

#endif
