/* progress.h: a bar on standard error for what takes longer than a second.
 *
 * Nothing is drawn when standard error is no terminal.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include "base/types.h"

struct progress {
    const char *label; /* borrowed */
    uint64_t total;
    time_ns drawn_ns; /* when it was drawn last */
    bool is_terminal;
    bool is_drawn; /* the bar stands in the terminal's line */
};

/* total   what `done` will be at the end; 0 is a bar that is full at once. */
struct progress progress_begin(const char *label, uint64_t total);

/* Draw again, at most ten times a second. */
void progress_update(struct progress *progress, uint64_t done);

/* Wipe the bar, so that a line of text can be printed; the next update draws it again. */
void progress_clear(struct progress *progress);

#endif
