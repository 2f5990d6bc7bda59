/* progress.c: a bar on standard error. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

#define BAR_CELLS 32
#define REDRAW_NS (100 * NS_PER_MS)

struct progress progress_begin(const char *label, uint64_t total)
{
    return (struct progress){
        .label = label, .total = total, .is_terminal = isatty(STDERR_FILENO) == 1};
}

void progress_update(struct progress *progress, uint64_t done)
{
    time_ns now = cli_clock_ns();
    if (!progress->is_terminal || now - progress->drawn_ns < REDRAW_NS) {
        return;
    }
    double part = progress->total == 0 ? 1.0 : (double)done / (double)progress->total;
    if (part > 1.0) {
        part = 1.0;
    }
    char bar[BAR_CELLS + 1];
    size_t full = (size_t)(part * BAR_CELLS);
    memset(bar, '.', BAR_CELLS);
    memset(bar, '#', full);
    bar[BAR_CELLS] = '\0';
    fprintf(stderr, "\r\033[K%s [%s] %3d %%", progress->label, bar, (int)(part * 100.0));
    fflush(stderr);
    progress->drawn_ns = now;
    progress->is_drawn = true;
}

void progress_clear(struct progress *progress)
{
    if (progress->is_drawn) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
        progress->is_drawn = false;
        progress->drawn_ns = 0;
    }
}
