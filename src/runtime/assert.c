/* assert.c: what happens when one of our own invariants does not hold: say so, and end.
 *
 * Only write(2) and the backtrace: memory may be broken already.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"

#include <execinfo.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/text.h"

#define FRAMES_MAX 32
#define MESSAGE_BYTES_MAX 1024

void assert_fail(const char *expression, const char *file, int line, const char *function)
{
    char buffer[MESSAGE_BYTES_MAX];
    struct text text = text_of(buffer, sizeof(buffer));
    text_string(&text, file);
    text_char(&text, ':');
    text_i64(&text, line);
    text_string(&text, ": ");
    text_string(&text, function);
    text_string(&text, ": assertion failed: ");
    text_string(&text, expression);
    text_char(&text, '\n');
    ssize_t written = write(STDERR_FILENO, buffer, text.length);
    (void)written;

    void *frames[FRAMES_MAX];
    int count = backtrace(frames, FRAMES_MAX);
    backtrace_symbols_fd(frames, count, STDERR_FILENO);
    abort();
}
