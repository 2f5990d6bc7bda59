/* interrupt.c: Ctrl-C and SIGTERM as something to ask for. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/interrupt.h"

#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/signalfd.h>

static sigset_t ending_signals(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    return signals;
}

struct interrupt interrupt_open(void)
{
    sigset_t signals = ending_signals();
    int descriptor = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (descriptor >= 0) {
        sigprocmask(SIG_BLOCK, &signals, NULL);
    }
    return (struct interrupt){.descriptor = descriptor};
}

bool interrupt_sleep(struct interrupt *interrupt, unsigned milliseconds)
{
    struct pollfd waiting = {.fd = interrupt->descriptor, .events = POLLIN};
    if (!interrupt->has_come && poll(&waiting, 1, (int)milliseconds) == 1) {
        interrupt->has_come = true;
    }
    return !interrupt->has_come;
}

bool interrupt_has_come(struct interrupt *interrupt)
{
    return !interrupt_sleep(interrupt, 0);
}

void interrupt_reset_in_child(void)
{
    sigset_t signals = ending_signals();
    sigprocmask(SIG_UNBLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_DFL);
}
