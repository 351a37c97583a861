/* SPDX-License-Identifier: Apache-2.0 */
/* The handler of SIGTERM and SIGINT in the worker's child processes. The supervisor takes its
 * signals with sigtimedwait(2) instead (worker/supervisor.c). */
#include "worker/stop_signal.h"

#include <poll.h>
#include <stddef.h>
#include <time.h>

volatile sig_atomic_t stop_requested;

static void on_stop(int signal)
{
    (void)signal;
    stop_requested = 1;
}

/* Give both signals this handler, and block or unblock them. */
static void handle(int how, void (*handler)(int))
{
    const struct sigaction action = {.sa_handler = handler};
    sigset_t stops;
    sigemptyset(&stops);
    sigaddset(&stops, SIGTERM);
    sigaddset(&stops, SIGINT);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigprocmask(how, &stops, NULL);
}

void stop_signal_catch(void)
{
    handle(SIG_BLOCK, on_stop);
    signal(SIGPIPE, SIG_IGN);
}

void stop_signal_release(void)
{
    handle(SIG_UNBLOCK, SIG_DFL);
}

void stop_signal_sleep(unsigned ms)
{
    const struct timespec timeout = {ms / 1000, (long)(ms % 1000) * 1000000};
    sigset_t none;
    sigemptyset(&none);
    ppoll(NULL, 0, &timeout, &none);
}
